"""The whole way: an invoice is matched, posted by the ERP, paid, and says so itself; and what the connector writes."""

from __future__ import annotations

from datetime import date

import pytest

from support.api import Api
from support.house import House
from support.papers import invoice, order, receipt
from support.paying import Treasury, entry, paid_to, recorded, stated, trouble
from tripartite.connectors import registry
from tripartite.core import codec
from tripartite.core.objects import PaymentOrder

BANKS = [kind for kind in registry.kinds() if "send_payment_order" in registry.manifest(kind).writes]


async def posted_invoice(house: House, **further: object) -> str:
    await house.bring(paid_to(), order(), receipt())
    number = await house.bring_invoice(invoice(due_on=date(2026, 11, 20), **further), source_document="cap-1")
    await house.settle()
    assert await house.state() == "posted"
    return number


async def test_what_nobody_confirmed_is_paid_to_no_account(strict_house: House) -> None:
    await posted_invoice(strict_house)
    assert (await Treasury(strict_house).build()).proposal is None


async def test_a_posted_invoice_is_paid_and_says_so(api: Api, house: House) -> None:
    treasury = Treasury(house)
    invoice_id = await posted_invoice(house)
    built = await treasury.build()
    assert built.proposal is not None
    await treasury.released(built.proposal.number)
    row = await house.rows("SELECT amount, document, erp FROM payments.item")
    assert row[0][0] == invoice().gross
    assert row[0][1].startswith("51056")
    assert row[0][2] == "sap"
    number = await house.value("SELECT number FROM payments.payment")
    await treasury.tell(stated(entry("E-1", str(invoice().gross), payment_number=number)))
    caller = await api.caller()
    status = (await caller.get(f"/v1/invoices/{invoice_id}/status")).json()
    assert (status["state"], status["paid_on"]) == ("posted", "2026-11-23")
    assert [(each["number"], each["state"]) for each in status["payments"]] == [(number, "executed")]
    lineage = (await caller.get(f"/v1/lineage/{status['correlation_id']}")).json()["events"]
    kinds = [event["type"].split(".")[1:3] for event in lineage]
    for state in ("proposed", "released", "executed"):
        assert ["payment", state] in kinds
    await house.settle()
    told = await house.rows("SELECT state FROM deliveries.delivery WHERE operation = 'report_payment'")
    assert told == [("settled",)], "the capture suite took it"


async def test_what_the_invoices_component_finds_after_posting_holds_the_payment(house: House) -> None:
    treasury = Treasury(house)
    await posted_invoice(house)
    await treasury.tell(recorded(paid_to(version=2)))
    await house.bring(receipt("RT-1", "4", kind="return", takes_from="GR-1"))
    built = await treasury.build()
    assert built.proposal is None
    assert {each["kind"] for each in built.left_out} == {"erp_block", "exception"}


async def test_an_invoice_that_is_not_posted_is_no_item(house: House) -> None:
    await house.bring(paid_to(), order())
    await house.bring_invoice(invoice())
    await house.settle()
    assert await house.state() == "parked"
    assert await house.rows("SELECT 1 FROM payments.item") == []


async def test_credits_and_payable_follow_the_document(house: House) -> None:
    from tripartite.core.money import Amount

    treasury = Treasury(house)
    await house.bring(paid_to(), order(), receipt())
    await house.bring_invoice(invoice(payable=Amount("40.00"), prepaid=Amount("7.60")))
    await house.settle()
    assert await house.value("SELECT amount FROM payments.item") == 40
    await treasury.tell(trouble("inv_other"))
    assert await house.rows("SELECT 1 FROM payments.held WHERE kind = 'exception'") == []


@pytest.mark.parametrize("kind", BANKS)
async def test_a_bank_connector_writes_the_order_as_it_was_released(house: House, kind: str) -> None:
    treasury = Treasury(house)
    payment, number = await treasury.ordered()
    payload = await house.value("SELECT payload FROM deliveries.delivery WHERE operation = 'send_payment_order'")
    written = registry.writers(kind)["send_payment_order"](payload)
    text = written.decode() if isinstance(written, bytes) else str(written)
    order_sent = codec.decode_own(payload, PaymentOrder)
    for word in (payment, number, f"{order_sent.amount:.2f}"):
        assert word in text
