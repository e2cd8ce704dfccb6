"""Orders arrive late, doubled and out of order; the newest version counts, and an unknown number is sought once."""

from __future__ import annotations

from support.house import House, arrival
from support.papers import ORDER, invoice, order, requisition, supplier
from tripartite.core import codec
from tripartite.core.events import (
    ASKS,
    DISPOSITIONS,
    ORDER_EVENTS,
    Ask,
    Disposed,
    OrderRecorded,
)
from tripartite.core.ids import correlation_of
from tripartite.core.objects import Order


async def recorded(house: House) -> list[int]:
    rows = await house.rows(
        "SELECT payload FROM bus.message WHERE topic = %s AND type = 'tripartite.order.recorded.v1' ORDER BY position",
        ORDER_EVENTS,
    )
    return [codec.decode(row[0], OrderRecorded).value.version for row in rows]


async def test_the_newest_version_of_an_order_counts_whatever_came_last(house: House) -> None:
    for version in (2, 1, 3, 3, 2):
        await house.bring(order(version=version, price=f"4.0{version}"))
    document = await house.value("SELECT document FROM orders.purchase_order")
    assert codec.decode(document, Order).version == 3
    assert await recorded(house) == [2, 3]


async def test_a_stale_version_is_recorded_as_stale_and_a_repeat_as_a_duplicate(house: House) -> None:
    await house.bring(order(version=2))
    await house.bring(order(version=1))
    await house.bring(order(version=2), source="sap")
    told = await house.messages(DISPOSITIONS, Disposed)
    assert sorted((each.disposition, each.reason_code) for each in told) == [
        ("duplicate", "duplicate.event"),
        ("stale", "integration.version_stale"),
    ]


async def test_several_versions_in_one_batch_end_in_the_highest(house: House) -> None:
    await house.publish(*(arrival(order(version=version)) for version in (1, 4, 2, 4, 3)))
    await house.pump()
    assert await house.value("SELECT version FROM orders.purchase_order") == 4
    assert await recorded(house) == [4]
    assert await house.value("SELECT count(*) FROM audit.leaf WHERE kind = 'order.recorded'") == 1


async def test_orders_of_two_companies_may_have_the_same_number(house: House) -> None:
    await house.bring(order(company="DE01"), order(company="PL02"))
    assert await house.rows("SELECT company_code FROM orders.purchase_order ORDER BY 1") == [("DE01",), ("PL02",)]


async def test_a_requisition_and_its_order_are_one_transaction_under_one_correlation(house: House) -> None:
    await house.bring(requisition(), order())
    shared = await house.rows(
        "SELECT correlation_id FROM orders.purchase_order UNION SELECT correlation_id FROM orders.requisition"
    )
    assert shared == [(correlation_of("DE01", ORDER),)]


async def test_every_recorded_version_has_its_leaf(house: House) -> None:
    await house.bring(order(version=1))
    await house.bring(order(version=2))
    leaves = await house.rows("SELECT leaf_id FROM audit.leaf WHERE kind = 'order.recorded'")
    assert len(leaves) == 2
    assert (await house.value("SELECT leaf_id FROM orders.purchase_order"),) in leaves


async def test_an_order_that_came_meanwhile_is_not_sought(house: House) -> None:
    await house.bring(supplier())
    await house.publish(arrival(invoice(), "api"))
    await house.pump_only("invoices")
    await house.publish(arrival(order()))
    await house.pump()
    assert [ask for ask in await house.messages(ASKS, Ask) if ask.question == "order_by_number"] == []


async def test_an_unknown_order_is_sought_again_only_after_a_minute(house: House) -> None:
    await house.bring(supplier())
    await house.bring_invoice(invoice("RE-1", "3"))
    house.clock.turn(30)
    await house.bring_invoice(invoice("RE-2", "4"))
    assert len(await house.messages(ASKS, Ask)) == 1
    house.clock.turn(31)
    await house.bring_invoice(invoice("RE-3", "5"))
    assert len(await house.messages(ASKS, Ask)) == 2
