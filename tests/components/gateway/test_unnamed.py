"""A document whose supplier nobody knows is read again when the supplier comes: the order of arrival does not count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import permutations
from typing import Any

import msgspec
import pytest

from support.house import House
from support.papers import ORDER, SUPPLIER, SUPPLIER_ID, receipt, supplier
from tripartite.components.gateway.intake import Document
from tripartite.connectors.acme import wire


def order_bytes() -> bytes:
    line = wire.OrderLine(
        position=10,
        quantity="10",
        unit="EA",
        price_minor=400,
        item="MAT-001",
        description="Ball bearing",
        tax_code="A20",
    )
    return msgspec.json.encode(
        wire.Order(
            number=ORDER,
            sequence=1,
            company="AT04",
            supplier=SUPPLIER,
            currency="EUR",
            status="sent",
            ordered_on="2026-11-02",
            lines=(line,),
        )
    )


def invoice_bytes(supplier_number: str = SUPPLIER) -> bytes:
    return msgspec.json.encode(
        wire.Invoice(
            number="9000001",
            sequence=1,
            supplier_ref="RE-1001",
            kind="invoice",
            company="AT04",
            supplier=supplier_number,
            currency="EUR",
            invoice_date="2026-11-16",
            net_minor=4000,
            tax_minor=800,
            gross_minor=4800,
            lines=(
                wire.InvoiceLine(
                    line=1,
                    order=ORDER,
                    position=10,
                    description="Ball bearing",
                    quantity="10",
                    unit="EA",
                    price_minor=400,
                    amount_minor=4000,
                    tax_code="A20",
                ),
            ),
            taxes=(wire.InvoiceTax(code="A20", base_minor=4000, amount_minor=800),),
        )
    )


async def handed(house: House, kind: str, content: bytes) -> None:
    document = Document(
        connection="acme", content=content, media_type="application/json", caller="tests", kind=kind, name=kind
    )
    await house.door.accept([document])
    await house.pump()


def steps(house: House) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "supplier": lambda: house.bring(supplier(names_elsewhere={}), source="acme"),
        "order": lambda: handed(house, "order", order_bytes()),
        "invoice": lambda: handed(house, "invoice", invoice_bytes()),
        "receipt": lambda: house.bring(receipt(company="AT04"), source="acme"),
    }


@pytest.mark.parametrize("first", list(permutations(("supplier", "order", "invoice"))), ids="-".join)
async def test_supplier_order_and_invoice_in_any_order_end_the_same(house: House, first: tuple[str, ...]) -> None:
    for name in (*first, "receipt"):
        await steps(house)[name]()
    found = await house.rows("SELECT state, supplier_id, reason_codes FROM invoices.invoice")
    assert found == [("to_post", SUPPLIER_ID, [])]
    assert await house.value("SELECT supplier_id FROM orders.purchase_order") == SUPPLIER_ID
    assert await house.rows("SELECT 1 FROM gateway.unnamed") == []
    open_ones = await house.rows("SELECT reason_code FROM control.exception WHERE state = 'open'")
    assert open_ones == []


async def test_an_unknown_supplier_holds_until_it_comes_and_another_one_changes_nothing(house: House) -> None:
    for name in ("order", "invoice", "receipt"):
        await steps(house)[name]()
    assert await house.state() == "held"
    assert "supplier.unknown" in await house.codes()
    await house.bring(supplier("10300002", names_elsewhere={}), source="acme")
    assert await house.state() == "held"
    await steps(house)["supplier"]()
    assert (await house.state(), await house.codes()) == ("to_post", [])
    assert await house.value("SELECT count(*) FROM invoices.invoice") == 1


async def test_the_supplier_told_twice_reads_the_document_again_only_once(house: House) -> None:
    await handed(house, "order", order_bytes())
    await handed(house, "invoice", invoice_bytes())
    for version in (1, 2, 3):
        await house.bring(supplier(names_elsewhere={}, version=version, name=f"Name {version}"), source="acme")
    count = await house.value("SELECT count(*) FROM bus.message WHERE topic = 'invoice.canonical'")
    assert count == 2, "once as it came, once with its supplier"
    await house.rewind("gateway", "supplier.events")
    await house.pump()
    assert await house.value("SELECT count(*) FROM bus.message WHERE topic = 'invoice.canonical'") == count
