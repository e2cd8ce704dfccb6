"""Receipts: each kept once in its newest version, told to who waits, and asked for afresh without a flood."""

from __future__ import annotations

from support.house import House, arrival, replaced
from support.papers import ORDER, invoice, order, receipt, supplier
from tripartite.components.receipts.flows import requery_due
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import (
    ANSWERS,
    ASKS,
    DISPOSITIONS,
    RECEIPT_EVENTS,
    Answered,
    Ask,
    Disposed,
)
from tripartite.runtime.bus import Outgoing


async def test_a_corrected_receipt_replaces_its_earlier_version_and_never_the_other_way(house: House) -> None:
    await house.bring(receipt("GR-1", "10", version=2))
    await house.bring(receipt("GR-1", "6", version=1))
    assert await house.value("SELECT version FROM receipts.receipt") == 2
    assert await house.value("SELECT version FROM invoices.receipt") == 2
    told = await house.messages(DISPOSITIONS, Disposed)
    assert [(each.disposition, each.reason_code) for each in told] == [("stale", "integration.version_stale")]


async def test_the_same_receipt_twice_counts_once(house: House) -> None:
    await house.bring(supplier(), order(quantity="20"))
    await house.publish(arrival(receipt("GR-1", "6")), arrival(receipt("GR-1", "6")))
    await house.bring(receipt("GR-1", "6"))
    assert await house.value("SELECT count(*) FROM receipts.receipt") == 1
    came = "SELECT quantity FROM invoices.releasable WHERE receipt_number = ''"
    assert await house.value(came) == 6


async def test_returns_and_reversals_take_from_what_came(house: House) -> None:
    came = "SELECT quantity FROM invoices.releasable WHERE receipt_number = ''"
    await house.bring(order(), receipt("GR-1", "10"))
    assert await house.value(came) == 10
    await house.bring(receipt("RT-1", "3", kind="return", takes_from="GR-1"))
    assert await house.value(came) == 7
    await house.bring(receipt("GR-1R", "7", kind="reversal", takes_from="GR-1"))
    assert await house.value(came) == 0


async def test_a_receipt_before_its_order_counts_once_the_order_is_there(house: House) -> None:
    await house.bring(receipt("GR-1", "6"))
    assert await house.rows("SELECT 1 FROM invoices.releasable") == []
    await house.bring(order())
    assert await house.value("SELECT quantity FROM invoices.releasable WHERE receipt_number = ''") == 6


async def answer(house: House, found: int = 0) -> None:
    told = Answered("DE01", "receipts_of_order", ORDER, house.clock.at, found)
    await house.publish(
        Outgoing(
            ANSWERS,
            Message(
                house.ports.ids.new("msg"),
                "tripartite.question.answered.v1",
                "DE01",
                ORDER,
                "c",
                house.clock.at,
                codec.encode(told),
            ),
        )
    )
    await house.pump()


async def test_receipts_asked_for_and_not_answered_are_not_asked_for_again_by_every_invoice(house: House) -> None:
    await house.bring(supplier(), order(quantity="40"), receipt("GR-1", "1"))
    for place in range(4):
        await house.bring_invoice(invoice(f"RE-{place}", str(5 + place)))
        house.clock.turn(600)
    assert len(await house.messages(ASKS, Ask)) == 1


async def test_receipts_answered_a_while_ago_are_asked_for_again_when_somebody_waits_anew(house: House) -> None:
    await house.bring(supplier(), order(quantity="40"), receipt("GR-1", "1"))
    await house.bring_invoice(invoice("RE-1", "5"))
    await answer(house)
    house.clock.turn(29)
    await house.bring_invoice(invoice("RE-2", "6"))
    assert len(await house.messages(ASKS, Ask)) == 1
    await answer(house)
    house.clock.turn(31)
    await house.bring_invoice(invoice("RE-3", "7"))
    assert len(await house.messages(ASKS, Ask)) == 2


async def test_what_did_not_come_is_asked_for_after_an_hour_then_daily_and_not_for_ever(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    asked = []
    for hour in range(24 * 10):
        before = len(await house.messages(ASKS, Ask))
        await requery_due(house.ports)
        if len(await house.messages(ASKS, Ask)) > before:
            asked.append(hour)
        house.clock.turn(3600)
    assert asked == [1, 25, 49, 73, 97]


async def test_the_as_of_mark_never_moves_back(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    house.clock.turn(3600)
    await answer(house)
    mark = await house.value("SELECT as_of FROM invoices.receipts_known")
    assert mark == house.clock.at
    await house.bring(receipt("GR-2", "1"))  # told by a message that is an hour older
    assert await house.value("SELECT as_of FROM invoices.receipts_known") == mark


async def test_a_receipt_of_many_orders_is_told_to_each_of_them(house: House) -> None:
    await house.bring(supplier(), order(), order("4500000002"))
    whole = receipt("GR-9", "10")
    second = replaced(whole.lines[0], order_number="4500000002", line=2)
    await house.bring(replaced(whole, lines=(whole.lines[0], second)))
    assert await house.rows("SELECT order_number FROM receipts.of_order ORDER BY 1") == [(ORDER,), ("4500000002",)]
    came = "SELECT order_number, quantity FROM invoices.releasable WHERE receipt_number = '' ORDER BY 1"
    assert [(number, int(quantity)) for number, quantity in await house.rows(came)] == [(ORDER, 10), ("4500000002", 10)]
    assert await house.value("SELECT count(*) FROM bus.message WHERE topic = %s", RECEIPT_EVENTS) == 1
