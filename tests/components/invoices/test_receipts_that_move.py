"""A newer version of a receipt drops a line or moves to another order: the order it left is decided again."""

from __future__ import annotations

import itertools
from datetime import date

import pytest

from support.api import Api
from support.house import House, replaced
from support.papers import invoice, order, receipt, supplier
from tripartite.core.objects import Receipt

ONE, TWO = "4500000001", "4500000002"


def on_both() -> Receipt:
    first, second = receipt(of=ONE), receipt(of=TWO)
    return replaced(first, lines=(first.lines[0], replaced(second.lines[0], line=2)))


async def test_a_receipt_that_drops_a_line_takes_its_goods_from_the_invoice_of_the_order_it_left(house: House) -> None:
    await house.bring(supplier(), order(ONE), order(TWO), on_both())
    await house.bring(invoice("RE-1", of=ONE), source="api")
    await house.bring(replaced(receipt(of=TWO, version=2), lines=(on_both().lines[1],)))
    assert await house.state("RE-1") == "to_post", "what was released stays released"
    assert set(await house.codes("RE-1")) == {"approval.changed_after", "match.not_received"}
    assert await house.value("SELECT payment_block FROM invoices.invoice WHERE number = 'RE-1'")
    await house.bring(invoice("RE-2", of=TWO, issued_on=date(2026, 11, 3)), source="api")
    assert await house.state("RE-2") == "to_post"


@pytest.mark.parametrize("places", list(itertools.permutations(range(3))))
async def test_a_receipt_that_was_keyed_to_the_wrong_order_counts_where_its_newest_version_says(
    house: House, places: tuple[int, ...]
) -> None:
    await house.bring(supplier(), order(ONE), order(TWO, price="5.00"))
    facts = [receipt("GR-1", of=ONE), receipt("GR-1", of=TWO, version=2), invoice("RE-1", of=ONE, price="4.10")]
    for place in places:
        await house.bring(facts[place], source="api" if place == 2 else "coupa")
    await house.bring(invoice("RE-2", of=TWO, price="5.00"), source="api")
    assert {"match.not_received"} <= set(await house.codes("RE-1"))
    assert (await house.state("RE-1"), await house.state("RE-2")) == ("held", "to_post")
    bound = "SELECT coalesce(sum(quantity), 0) FROM invoices.releasable WHERE order_number = %s"
    assert (await house.value(bound, ONE), await house.value(bound, TWO)) == (0, 20)
    assert await house.rows("SELECT order_number FROM receipts.of_order") == [(TWO,)]


async def test_the_receipts_of_an_order_are_those_that_are_on_it_now(house: House, api: Api) -> None:
    await house.bring(receipt("GR-1", of=ONE))
    await house.bring(receipt("GR-1", of=TWO, version=2))
    await house.bring(receipt("GR-1", of=ONE))
    caller = await api.caller()
    found = {number: (await caller.get(f"/v1/receipts?order={number}")).json()["items"] for number in (ONE, TWO)}
    assert [len(found[number]) for number in (ONE, TWO)] == [0, 1]
