"""What a credit took back may be billed again, never more than came: in any order, doubled, in parts (S2, S19, I37)."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest

from support.house import House, replaced
from support.papers import ORDER, invoice, order, receipt, supplier


def credit(number: str = "GS-1", quantity: str = "10", **further: Any) -> Any:
    return invoice(number, quantity, **{"kind": "credit_memo", "original": "RE-1", **further})


async def states(house: House) -> dict[str, str]:
    return dict(await house.rows("SELECT number, state FROM invoices.invoice ORDER BY number"))


async def released(house: House) -> Any:
    return await house.value("SELECT coalesce(sum(quantity), 0) FROM invoices.allocation")


async def test_what_was_credited_is_billed_again(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    for each in (invoice("RE-1"), credit()):
        await house.bring(each, source="api")
    assert await house.rows("SELECT quantity FROM invoices.allocation ORDER BY 1") == [(-10,), (10,)]
    await house.bring(invoice("RE-2"), source="api")
    assert await states(house) == {"RE-1": "to_post", "GS-1": "to_post", "RE-2": "to_post"}
    assert await released(house) == 10


@pytest.mark.parametrize("places", list(itertools.permutations(range(5)))[::7])
async def test_bill_credit_and_new_bill_in_any_order(house: House, places: tuple[int, ...]) -> None:
    facts = [order(), receipt(), invoice("RE-1"), credit(), invoice("RE-2")]
    await house.bring(supplier())
    for place in places:
        source = "api" if place > 1 else "coupa"
        for _ in range(2):
            await house.bring(facts[place], source=source)
    assert await states(house) == {"RE-1": "to_post", "GS-1": "to_post", "RE-2": "to_post"}
    assert await released(house) == 10


async def test_a_part_is_credited_and_only_that_part_is_billed_again(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"), receipt("GR-2", "4"))
    for each in (invoice("RE-1"), credit(quantity="4"), invoice("RE-2", "4"), invoice("RE-3", "1")):
        await house.bring(each, source="api")
    assert await states(house) == {"RE-1": "to_post", "GS-1": "to_post", "RE-2": "to_post", "RE-3": "held"}
    assert await released(house) == 10


def without_order(value: Any) -> Any:
    """A credit as many suppliers send it: it names the invoice and the item, and no order."""
    return replaced(
        value,
        order_numbers=(),
        lines=tuple(replaced(line, order_number="", order_line=None, item="MAT-001") for line in value.lines),
    )


@pytest.mark.parametrize("places", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (2, 0, 1), (1, 2, 0)])
async def test_a_credit_that_names_only_its_original(house: House, places: tuple[int, ...]) -> None:
    await house.bring(supplier(), order(), receipt())
    facts = [invoice("RE-1"), without_order(credit()), invoice("RE-2")]
    for place in places:
        await house.bring(facts[place], source="api")
    assert await states(house) == {"RE-1": "to_post", "GS-1": "to_post", "RE-2": "to_post"}
    assert await released(house) == 10
    posting = await house.value(
        """SELECT convert_from(payload, 'UTF8')::jsonb FROM deliveries.delivery d JOIN invoices.invoice i
        ON i.invoice_id = d.object_id WHERE i.number = 'GS-1' AND d.operation = 'post_invoice'"""
    )
    assert (posting["lines"][0]["order_number"], posting["lines"][0]["order_line"]) == (ORDER, 10)


async def test_a_credit_frees_nothing_before_it_may_be_booked_itself(house: House) -> None:
    """It needs an approval first: what it will free waits for that, and is decided at once when it is given."""
    await house.bring(supplier(), order(), receipt("GR-1", "10"))
    await house.bring(invoice("RE-1"), source="api")
    unreadable = credit(lines=(replaced(invoice().lines[0], tax_codes=("V99",)),))
    await house.bring(unreadable, source="api")
    assert await house.state("GS-1") == "held"
    await house.bring(invoice("RE-2"), source="api")
    assert (await house.state("RE-2"), await house.codes("RE-2")) == ("held", ["match.quantity_over_received"])
    assert await released(house) == 10


async def test_a_credit_of_one_bill_frees_goods_that_another_bill_stands_on_in_the_match(house: House) -> None:
    """RE-1 stands on GR-1, RE-2 on GR-1 and GR-2. After the credit of RE-1 the match puts RE-2 on GR-1: what was
    released stays where it is, and the new bill takes what is free."""
    await house.bring(supplier(), order(), receipt("GR-1", "6"), receipt("GR-2", "4"))
    for each in (invoice("RE-1", "5"), invoice("RE-2", "5", issued_on=date(2026, 11, 2)), credit(quantity="5")):
        await house.bring(each, source="api")
    await house.bring(invoice("RE-3", "5", issued_on=date(2026, 11, 3)), source="api")
    assert set((await states(house)).values()) == {"to_post"}
    rows = await house.rows("SELECT receipt_number, sum(quantity) FROM invoices.allocation GROUP BY 1 ORDER BY 1")
    assert rows == [("GR-1", 6), ("GR-2", 4)]


async def test_a_credit_after_a_return_frees_nothing_that_went_back(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "10"))
    await house.bring(invoice("RE-1"), source="api")
    await house.bring(receipt("RT-1", "4", kind="return", takes_from="GR-1"))
    await house.bring(credit(quantity="4"), source="api")
    await house.bring(invoice("RE-2", "4", issued_on=date(2026, 11, 3)), source="api")
    assert await states(house) == {"RE-1": "to_post", "GS-1": "to_post", "RE-2": "held"}
    assert await released(house) == 6
    await house.bring(receipt("GR-2", "4"))
    assert (await house.state("RE-2"), await released(house)) == ("to_post", 10)


@pytest.mark.parametrize("kind", ["subsequent_credit", "credit_memo"])
async def test_a_credit_of_the_price_alone_releases_no_quantity(house: House, kind: str) -> None:
    await house.bring(supplier(), order(), receipt())
    cheaper = credit(quantity="10", price="0.50", kind=kind)
    if kind == "credit_memo":
        lines = tuple(replaced(line, quantity=None, price=None, unit="") for line in cheaper.lines)
        cheaper = replaced(cheaper, lines=lines)
    for each in (invoice("RE-1"), cheaper, invoice("RE-2")):
        await house.bring(each, source="api")
    assert await states(house) == {"RE-1": "to_post", "GS-1": "to_post", "RE-2": "held"}
    assert await released(house) == 10
