"""What is billed of an order line, as the invoices component tells it: credits less, doubled and late news the same."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from support.api import Api
from support.house import House, arrival, replaced
from support.papers import ORDER, invoice, order, receipt, supplier
from tripartite.components.orders.answering import answer
from tripartite.components.orders.billed import BilledLine, Billing, sums
from tripartite.core import codec
from tripartite.core.events import InvoiceChanged
from tripartite.runtime.bus import Batch

FIELDS = ("quantity_billed", "amount_billed")


async def billed(api: Api) -> list[tuple[Any, ...]]:
    caller = await api.caller()
    found = (await caller.get(f"/v1/purchase-orders/{ORDER}")).json()
    return [tuple(line[name] for name in FIELDS) for line in found["quantities"]]


async def counted(house: House) -> dict[int, BilledLine]:
    async with house.db.connection() as connection:
        found = await answer(connection, ORDER, "orders", ["DE01"])
    assert found is not None
    return sums(found.billed)


async def test_an_order_says_what_is_billed_of_it_less_what_was_credited(house: House, api: Api) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "8"))
    await house.bring(invoice("RE-1", "6"), source="api")
    assert await billed(api) == [("6", "24.00")]
    await house.bring(invoice("GS-1", "2", kind="credit_memo", original="RE-1"), source="api")
    assert [Decimal(each) for each in (await billed(api))[0]] == [4, 16]
    await house.bring(invoice("RE-2", "9"), source="api")
    assert await house.state("RE-2") == "held"
    assert [Decimal(each) for each in (await billed(api))[0]] == [4, 16], "a held claim is not billed"


async def test_a_credit_of_the_price_alone_lowers_the_amount_and_no_quantity(house: House, api: Api) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring(invoice("RE-1"), source="api")
    cheaper = invoice("GS-1", "10", "0.50", kind="subsequent_credit", original="RE-1")
    await house.bring(cheaper, source="api")
    assert [Decimal(each) for each in (await billed(api))[0]] == [10, 35]


async def test_a_line_without_an_order_line_counts_where_it_was_matched(house: House, api: Api) -> None:
    await house.bring(supplier(), order(lines=2), receipt("GR-2", "10", line=20))
    value = invoice("RE-1")
    line = replaced(value.lines[0], order_line=None, item="MAT-002")
    await house.bring(replaced(value, lines=(line,)), source="api")
    assert [Decimal(each) for each, _ in await billed(api)] == [0, 10]


@pytest.mark.parametrize("seed", range(4))
async def test_news_of_invoices_doubled_and_in_any_order_give_the_same_sums(house: House, seed: int) -> None:
    await house.bring(supplier(), order(quantity="30"), receipt("GR-1", "12"))
    await house.bring(invoice("RE-1", "6"), source="api")
    await house.bring(invoice("RE-2", "9", price="4.01"), source="api")
    await house.settle()
    await house.bring(receipt("GR-2", "3"))
    await house.bring(invoice("GS-1", "2", kind="credit_memo", original="RE-1"), source="api")
    await house.settle()
    before = await counted(house)
    assert before[10].quantity == 13
    told = await house.messages("invoice.events", InvoiceChanged)
    chance = random.Random(seed)
    mixed = [*told, *chance.sample(told, len(told) // 2)]
    chance.shuffle(mixed)
    async with house.db.connection() as connection:
        await connection.execute("DELETE FROM orders.billing")
        await connection.execute("DELETE FROM orders.billed_of")
    handler, envelope = Billing(house.ports), arrival(order()).message
    for each in mixed:

        async def one(connection: Any, value: InvoiceChanged = each) -> None:
            message = replaced(envelope, payload=codec.encode(value))
            await handler.on_invoice_events(connection, Batch("invoice.events", "DE01/0", "DE01", [message]))

        await house.db.transaction(one)
    assert await counted(house) == before
