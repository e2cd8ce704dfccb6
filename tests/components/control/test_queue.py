"""Control: one queue ordered by money at risk, one lineage under one correlation, owners told once when time is up."""

from __future__ import annotations

import asyncio

from support.api import Api
from support.house import House
from support.papers import ORDER, invoice, order, receipt, requisition, supplier
from tripartite.components.control.flows import tell_overdue
from tripartite.components.control.sequencer import sequence_once
from tripartite.core.events import EXCEPTION_EVENTS
from tripartite.core.ids import correlation_of
from tripartite.runtime.audit import signer_from_seed
from tripartite.runtime.audit_verify import verify_log


async def held(house: House) -> None:
    await house.bring(supplier(), order(quantity="50"), receipt("GR-1", "1"))
    await house.bring_invoice(invoice("RE-SMALL", "2"))
    await house.bring_invoice(invoice("RE-LARGE", "40"))


async def test_the_queue_begins_with_the_most_money_at_risk(api: Api) -> None:
    await held(api.house)
    caller = await api.caller()
    items = (await caller.get("/v1/exceptions")).json()["items"]
    risks = [float(item["money_at_risk"]) for item in items]
    assert len(items) >= 2
    assert risks == sorted(risks, reverse=True)
    assert risks[0] > risks[-1]
    for item in items:
        assert item["owner_role"]
        assert item["due_at"]
        assert item["next_action"]
        assert item["words"]


async def test_what_is_cleared_leaves_the_queue_and_stays_in_the_record(api: Api) -> None:
    await held(api.house)
    await api.house.bring(receipt("GR-2", "49"))
    caller = await api.caller()
    assert (await caller.get("/v1/exceptions")).json()["items"] == []
    kept = (await caller.get("/v1/exceptions?state=cleared")).json()["items"]
    assert len(kept) >= 2


async def test_an_exception_told_twice_and_late_keeps_its_newest_version(house: House) -> None:
    await held(house)
    await house.bring(receipt("GR-2", "49"))
    before = await house.rows("SELECT exception_id, version, state FROM control.exception ORDER BY 1")
    await house.rewind("control", EXCEPTION_EVENTS)
    assert await house.pump() > 0
    assert await house.rows("SELECT exception_id, version, state FROM control.exception ORDER BY 1") == before
    assert {row[2] for row in before} == {"cleared"}


async def test_one_correlation_tells_the_whole_story_from_requisition_to_posting(api: Api) -> None:
    house = api.house
    await house.bring(supplier(), requisition(), order(), receipt())
    await house.bring_invoice(invoice(), source_document="cap-1")
    await house.settle()
    caller = await api.caller()
    lineage = (await caller.get(f"/v1/lineage/{correlation_of('DE01', ORDER)}")).json()
    kinds = [event["type"].removeprefix("tripartite.").removesuffix(".v1") for event in lineage["events"]]
    assert set(kinds) >= {
        "requisition.recorded",
        "order.recorded",
        "receipt.recorded",
        "invoice.decided",
        "invoice.posted",
        "delivery.settled",
    }
    assert all(event["words"] for event in lineage["events"])


async def test_an_owner_is_told_once_when_the_time_is_up(house: House) -> None:
    await held(house)
    await tell_overdue(house.ports)
    overdue = "SELECT count(*) FROM control.notice WHERE notice_id LIKE 'due_%%'"
    assert await house.value(overdue) == 0
    house.clock.turn(days=30)
    await tell_overdue(house.ports)
    count = await house.value(overdue)
    assert count == await house.value("SELECT count(*) FROM control.exception WHERE state = 'open'")
    assert count > 0
    await tell_overdue(house.ports)
    assert await house.value(overdue) == count


async def test_the_log_of_a_whole_day_verifies(house: House) -> None:
    await held(house)
    await house.bring(receipt("GR-2", "49"))
    await house.settle()
    signer = signer_from_seed("tests/audit", bytes(range(32)))
    async with house.db.connection() as connection:
        assert await sequence_once(connection, signer=signer) > 10
    assert await house.value("SELECT count(*) FROM audit.pending") == 0
    assert (await asyncio.to_thread(verify_log, house.urls.worker)).ok
