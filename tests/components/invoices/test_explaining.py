"""A held invoice says what would clear it: worked out when it is decided, kept in its record, true when it is done."""

from __future__ import annotations

from decimal import Decimal

from support.house import House
from support.papers import ORDER, invoice, order, receipt, supplier
from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord


async def records(house: House, state: str = "open") -> list[ExceptionRecord]:
    rows = await house.rows("SELECT record FROM invoices.exception WHERE state = %s ORDER BY line, reason_code", state)
    return [codec.decode_own(row[0], ExceptionRecord) for row in rows]


async def test_a_short_receipt_names_the_missing_quantity_and_its_receipt_clears_it(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    (record,) = await records(house)
    first, *others, wrong = record.alternatives
    assert (first.change, first.by_roles, first.rank) == (
        f"4 EA more received for order {ORDER} line 10",
        ("receiving",),
        1,
    )
    assert (first.field, first.value_from, first.value_to) == ("quantity_received", "6", "10")
    assert [way.by_roles for way in others[:2]] == [("supplier",), ("ap", "buyer")]
    assert [way.cost for way in others if way.field == "release"] == [Decimal("16.00")]
    assert wrong.wrong
    await house.bring(receipt("GR-2", "4"))
    assert (await house.state(), await house.codes()) == ("to_post", [])


async def test_what_would_clear_it_is_worked_out_anew_when_the_facts_change(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    await house.bring(receipt("GR-2", "3"))
    (record,) = await records(house)
    assert record.version == 2
    assert record.alternatives[0].change == f"1 EA more received for order {ORDER} line 10"


async def test_an_invoice_that_agrees_has_nothing_to_clear(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    assert await records(house) == []


async def test_an_unknown_order_says_that_a_receipt_is_still_awaited_after_it(house: House) -> None:
    await house.bring(supplier())
    await house.bring_invoice(invoice())
    (record,) = await records(house)
    published = record.alternatives[0]
    assert published.change == f"Order {ORDER} of this supplier published by procurement"
    assert published.leaves == ("match.not_received",)
