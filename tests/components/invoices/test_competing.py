"""Many decide at once about the same goods, over several connections: exactly what came is released, never more."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal

import pytest

from support.house import House, arrival, replaced
from support.papers import invoice, order, receipt, supplier
from tripartite.components.invoices.handlers import Invoices
from tripartite.core.objects import Invoice
from tripartite.runtime.bus import Batch
from tripartite.runtime.db import Connection

FIRST_DAY = date(2026, 9, 28)


def rivals(count: int, quantity: str) -> list[Invoice]:
    """Invoices that compete: same order, same goods, other numbers and days, so that none is a twin of another."""
    return [invoice(f"RE-{place:03d}", quantity, issued_on=FIRST_DAY + timedelta(days=place)) for place in range(count)]


async def decide_at_once(house: House, invoices: list[Invoice]) -> None:
    handlers = Invoices(house.ports)
    gate = asyncio.Event()

    async def one(document: Invoice) -> None:
        batch = Batch("invoice.canonical", "DE01/0", "DE01", [arrival(document, "api").message])

        async def work(connection: Connection) -> None:
            await gate.wait()
            await handlers.on_invoices_received(connection, batch)

        await house.db.transaction(work)

    tasks = [asyncio.create_task(one(document)) for document in invoices]
    await asyncio.sleep(0.05)  # let them all stand at the door with a transaction open
    gate.set()
    await asyncio.gather(*tasks)


async def known(house: House, quantity: str, received: str) -> None:
    placed = replaced(order(quantity=quantity), issued_on=date(2026, 9, 1))
    await house.bring(supplier(), placed, receipt("GR-1", received, day=date(2026, 9, 20)))


async def test_fifty_invoices_for_the_last_ten_pieces_and_exactly_one_passes(house: House) -> None:
    await known(house, "10", "10")
    await decide_at_once(house, rivals(50, "10"))
    states = dict(await house.rows("SELECT state, count(*) FROM invoices.invoice GROUP BY 1"))
    assert states == {"to_post": 1, "held": 49}
    assert await house.value("SELECT sum(quantity) FROM invoices.allocation") == 10
    assert await house.deliveries() == ["intended"]
    winner = await house.value("SELECT min(sequence) FROM invoices.invoice WHERE state = 'to_post'")
    first = await house.value("SELECT min(sequence) FROM invoices.invoice")
    assert winner >= first
    await house.settle()
    assert list(house.sap.effects.values()) == [1]


async def test_ten_partial_invoices_at_once_release_together_no_more_than_came(house: House) -> None:
    await known(house, "100", "35")
    await decide_at_once(house, rivals(10, "10"))
    released = await house.value("SELECT coalesce(sum(quantity), 0) FROM invoices.allocation")
    passed = await house.value("SELECT count(*) FROM invoices.invoice WHERE state = 'to_post'")
    assert released == 10 * passed
    assert passed == 3
    assert Decimal(released) <= 35


async def test_the_same_invoice_by_eight_workers_at_once_is_one_invoice(house: House) -> None:
    await known(house, "10", "10")
    outcomes = await asyncio.gather(
        *(decide_at_once(house, [invoice("RE-1", issued_on=date(2026, 11, 2))]) for _ in range(8)),
        return_exceptions=True,
    )
    assert await house.value("SELECT count(*) FROM invoices.invoice") == 1
    assert await house.value("SELECT count(*) FROM invoices.decision") == 1
    assert await house.deliveries() == ["intended"]
    assert any(outcome is None for outcome in outcomes), "one of them was taken"


async def test_an_invoice_and_its_order_that_arrive_at_the_same_moment_see_one_another(house: House) -> None:
    """Whoever comes second reads what the first has written: the invoice is never left behind unread."""
    await house.bring(supplier())
    for place in range(8):
        number = f"45{place:08d}"
        await house.publish(arrival(receipt(f"GR-{number}", of=number)), arrival(order(number)))
        await house.pump_only("orders", "receipts")
        document = invoice(f"RE-{place}", of=number, issued_on=FIRST_DAY + timedelta(days=place))
        await asyncio.gather(house.pump_only("invoices"), decide_at_once(house, [document]))
        await house.pump()
    assert await house.rows("SELECT state, count(*) FROM invoices.invoice GROUP BY 1") == [("to_post", 8)]


async def test_two_orders_locked_from_both_ends_never_stand_still(house: House) -> None:
    """Invoices over the same two orders, named in opposite order: the locks are taken in key order."""
    for number in ("4500000001", "4500000002"):
        await house.bring(order(number, "1000"), receipt(f"GR-{number}", "1000", of=number))
    await house.bring(supplier())
    documents = []
    for place in range(20):
        names = ("4500000001", "4500000002") if place % 2 else ("4500000002", "4500000001")
        lines = tuple(
            replaced(invoice(of=name).lines[0], line=at, order_number=name) for at, name in enumerate(names, 1)
        )
        one = invoice(f"RE-{place}", "20", issued_on=FIRST_DAY + timedelta(days=place))
        documents.append(replaced(one, order_numbers=names, lines=lines))
    await asyncio.wait_for(decide_at_once(house, documents), 20)
    assert await house.rows("SELECT DISTINCT state FROM invoices.invoice") == [("to_post",)]


@pytest.mark.parametrize("beside_a_credit", [False, True])
async def test_an_earlier_invoice_that_is_understood_only_later_takes_nothing_that_was_released_meanwhile(
    house: House, beside_a_credit: bool
) -> None:
    """A names an item that the order does not know, so it waits; B takes the goods; then the order learns the item."""
    await house.bring(supplier(), order(lines=2), receipt("GR-1", "10"), receipt("GR-2", "10", line=20))
    vague = invoice("RE-A", issued_on=FIRST_DAY)
    line = replaced(vague.lines[0], order_line=None, item="MAT-900")
    await house.bring_invoice(replaced(vague, lines=(line,)))
    assert await house.codes("RE-A") == ["reference.line_unmatched"]
    await house.bring_invoice(invoice("RE-B"))
    assert await house.state("RE-B") == "to_post"
    if beside_a_credit:
        await house.bring_invoice(invoice("RE-C", "5", line=20))
        await house.bring_invoice(replaced(invoice("GS-C", "1", line=20), kind="credit_memo", original="RE-C"))
    changed = order(quantity="20", version=2, lines=2)
    first, second = changed.lines
    await house.bring(replaced(changed, lines=(replaced(first, item="MAT-900"), second)))
    assert await house.state("RE-A") == ("held" if beside_a_credit else "parked")
    expected = "match.quantity_over_received" if beside_a_credit else "match.not_received"
    assert await house.codes("RE-A") == [expected]
    assert await house.state("RE-B") == "to_post"
    released = await house.value("SELECT sum(quantity) FROM invoices.allocation WHERE order_line = 10")
    assert released == 10
    assert await house.value("SELECT version FROM invoices.purchase_order") == 2, "the fact itself is never lost"
    if not beside_a_credit:
        assert await house.codes("RE-B") == [], "what was rightly released is not questioned"
        await house.bring(receipt("GR-3", "10"))
        assert (await house.state("RE-A"), await house.codes("RE-A")) == ("to_post", [])
