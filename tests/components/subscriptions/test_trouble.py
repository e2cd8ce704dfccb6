"""A subscriber that fails in every way there is: told again, in order, and nobody else waits for it (fault 47)."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from support.newsroom import BOOKS, Newsroom
from support.papers import invoice, order, receipt, supplier
from support.receiver import Receiver
from tripartite.components.subscriptions.flows import notifier, notifiers, park_what_nobody_took
from tripartite.runtime import notifying
from tripartite.runtime.db import Connection
from tripartite.runtime.deliveries import claim_due
from tripartite.runtime.replay import replay


async def an_invoice(newsroom: Newsroom, number: str = "RE-1001") -> None:
    await newsroom.house.bring(supplier(), order(f"45-{number}"), receipt(f"GR-{number}", "10", of=f"45-{number}"))
    await newsroom.house.bring_invoice(invoice(number, of=f"45-{number}"))
    await newsroom.house.settle()


TOLD = ["invoice.decided", "invoice.posted"]


@pytest.mark.parametrize("how", ["lost", "cut", "slow", "endless", "hang"])
async def test_an_answer_that_never_came_whole_is_told_again_under_the_same_id(
    newsroom: Newsroom, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifying, "ANSWER_SECONDS", 0.4)
    newsroom.ledger.script.append(how)
    await an_invoice(newsroom)
    assert await newsroom.tell("ledger") == 1, "the later event of the same invoice waits for the earlier"
    assert await newsroom.states("ledger") == ["intended 1", "waiting 1"]
    await newsroom.tell_until_rest("ledger")
    assert newsroom.ledger.types() == TOLD
    first, again, last = newsroom.ledger.arrived
    assert (again.webhook_id, again.body) == (first.webhook_id, first.body)
    assert last.webhook_id != first.webhook_id
    assert await newsroom.states("ledger") == ["settled 2"]


async def test_only_a_yes_is_a_yes(newsroom: Newsroom) -> None:
    answers = [304, 400, 401, 404, 409, 500, 503]
    newsroom.ledger.script.extend(answers)
    await an_invoice(newsroom)
    await newsroom.tell_until_rest("ledger", seconds=8 * 3600)
    assert len(newsroom.ledger.arrived) == len(answers) + 2
    assert newsroom.ledger.types() == TOLD


async def test_a_redirect_is_a_failure_and_is_never_followed(newsroom: Newsroom) -> None:
    async with Receiver(BOOKS, newsroom.house.clock.now) as elsewhere:
        newsroom.ledger.script.append((301, {"location": elsewhere.url}))
        newsroom.ledger.script.append((307, {"location": "/elsewhere"}))
        await an_invoice(newsroom)
        await newsroom.tell_until_rest("ledger")
        assert elsewhere.arrived == []
    assert newsroom.ledger.types() == TOLD


@pytest.mark.parametrize("status", [429, 503])
async def test_a_wait_that_was_asked_for_is_kept_for_everything(newsroom: Newsroom, status: int) -> None:
    newsroom.ledger.script.append((status, {"retry-after": "900"}))
    await an_invoice(newsroom)
    await newsroom.tell("ledger")
    await an_invoice(newsroom, "RE-1002")
    for _ in range(3):
        newsroom.house.clock.turn(250)
        await newsroom.tell("ledger")
    assert len(newsroom.ledger.arrived) == 1, "neither it nor the news of another invoice"
    newsroom.house.clock.turn(200)
    await newsroom.tell_until_rest("ledger")
    assert sorted(newsroom.ledger.types()) == sorted(TOLD * 2)


async def test_a_subscriber_that_is_gone_is_told_nothing_until_somebody_says_so(newsroom: Newsroom) -> None:
    newsroom.ledger.script.append(410)
    await an_invoice(newsroom)
    await newsroom.tell("ledger")
    newsroom.house.clock.turn(days=1)
    await an_invoice(newsroom, "RE-1002")
    assert await newsroom.tell("ledger") == 0
    assert len(newsroom.ledger.arrived) == 1
    assert await newsroom.house.value(
        "SELECT circuit || ': ' || reason FROM deliveries.connection WHERE connection = 'ledger'"
    ) == ("halted: answered 410: it wants nothing more")

    async def go_on(connection: Connection) -> bool:
        return await notifying.resume(
            connection, "ledger", "anna", newsroom.house.clock.now(), newsroom.house.ports.chance
        )

    assert await newsroom.house.db.transaction(go_on)
    assert not await newsroom.house.db.transaction(go_on), "twice is once"
    await newsroom.tell_until_rest("ledger")
    assert sorted(newsroom.ledger.types()) == sorted(TOLD * 2)
    leaves = "SELECT kind, object_id FROM audit.leaf WHERE kind LIKE 'subscriber.%%'"
    assert await newsroom.house.rows(leaves) == [("subscriber.resumed", "ledger")]


async def test_a_dead_subscriber_costs_a_call_now_and_then_and_delays_nobody(newsroom: Newsroom) -> None:
    newsroom.books.always = 500
    for number in range(5):
        await an_invoice(newsroom, f"RE-{number}")
    for _ in range(60):
        await newsroom.tell()
        newsroom.house.clock.turn(60)
    assert sorted(newsroom.ledger.types()) == sorted(TOLD * 5)
    assert 10 < len(newsroom.books.arrived) < 40, "an hour of one that is dead"
    assert newsroom.books.kept == {}
    assert await newsroom.house.state("RE-4") == "posted"
    newsroom.books.always = 204
    await newsroom.tell_until_rest("books")
    assert await newsroom.states("books") == [f"settled {len(newsroom.books.kept)}"]


async def test_one_that_hangs_holds_up_its_own_lane_only(newsroom: Newsroom) -> None:
    """Both lanes run at the same time, as in a process; one of them is in a call that does not end."""
    newsroom.books.always = "hang"
    await an_invoice(newsroom)
    await newsroom.house.pump()
    loops = notifiers(newsroom.house.ports)
    lanes = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        async with asyncio.timeout(20):
            while len(newsroom.ledger.kept) < 2 or not newsroom.books.arrived:
                await asyncio.sleep(0.01)
    finally:
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
    assert newsroom.books.kept == {}
    assert newsroom.ledger.types() == TOLD


async def test_events_of_one_object_keep_their_order_whatever_fails(newsroom: Newsroom) -> None:
    chance = random.Random(11)
    for number in range(4):
        await an_invoice(newsroom, f"RE-{number}")
    newsroom.books.script.extend(chance.choice([204, 500, "lost", 429]) for _ in range(60))
    await newsroom.tell_until_rest("books", seconds=900)
    seen: dict[str, list[int]] = {}
    for event in newsroom.books.events:
        seen.setdefault(event["subject"], []).append(int(event["sequence"]))
    assert len(seen) > 8
    assert all(numbers == sorted(numbers) for numbers in seen.values()), seen


async def test_what_a_process_was_sending_when_it_died_is_told_again(newsroom: Newsroom) -> None:
    await an_invoice(newsroom)
    await newsroom.house.pump()
    dead = await claim_due(newsroom.house.db, "ledger", 20, 99_999_999, newsroom.house.clock.now())
    assert [each.outbound.operation for each in dead] == ["notify invoice.decided"]
    await newsroom.tell_until_rest("ledger", seconds=1)
    assert newsroom.ledger.types() == TOLD


async def test_two_processes_tell_each_event_once_and_in_order(newsroom: Newsroom) -> None:
    for number in range(6):
        await an_invoice(newsroom, f"RE-{number}")
    await newsroom.house.pump()
    entry = next(each for each in newsroom.house.ports.estate.subscribers if each.name == "books")
    lanes = [notifier(newsroom.house.ports, entry) for _ in range(2)]

    async def work(lane: Any) -> None:
        while await newsroom.waiting("books"):
            # Neither lane takes the other for dead: that is what the lock of a living worker is for.
            await lane._send_round()

    await asyncio.gather(*(work(lane) for lane in lanes))
    ids = [each.webhook_id for each in newsroom.books.arrived]
    assert len(ids) == len(set(ids)) > 20
    seen: dict[str, list[int]] = {}
    for event in newsroom.books.events:
        seen.setdefault(event["subject"], []).append(int(event["sequence"]))
    assert all(numbers == sorted(numbers) for numbers in seen.values()), seen


async def test_what_nobody_took_within_its_time_is_a_dead_letter_and_may_be_sent_again(newsroom: Newsroom) -> None:
    house = newsroom.house
    newsroom.ledger.always = 500
    await an_invoice(newsroom)
    await newsroom.tell("ledger")
    house.clock.turn(74 * 3600)
    assert await park_what_nobody_took(house.ports) == 0
    house.clock.turn(2 * 3600)
    assert await park_what_nobody_took(house.ports) > 2, "what `books` is owed is as old"
    assert await newsroom.states("ledger") == ["dead_letter 2"]
    rows = await house.rows(
        "SELECT key, reason_code FROM deliveries.delivery WHERE connection = 'ledger' AND state = 'dead_letter'"
    )
    assert {row[1] for row in rows} == {"integration.retries_exhausted"}
    leaves = "SELECT count(*) FROM audit.leaf WHERE kind = 'delivery.dead_letter' AND object_id LIKE %s"
    assert await house.value(leaves, "DE01/invoice/%") >= 2

    newsroom.ledger.always = 204
    first = newsroom.ledger.arrived[0].webhook_id

    async def again(connection: Connection) -> Any:
        return await replay(
            connection, [row[0] for row in rows], by="anna", now=house.clock.now(), chance=house.ports.chance
        )

    assert len(await house.db.transaction(again)) == 2
    assert await park_what_nobody_took(house.ports) == 0, "its time begins anew"
    await newsroom.tell_until_rest("ledger")
    assert newsroom.ledger.types() == TOLD
    assert first in newsroom.ledger.kept
