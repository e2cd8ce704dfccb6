"""The bus: gapless positions in commit order, a cursor that is a lease, poison set aside alone, companies in turn."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime

import psycopg
import pytest

from support.house import House
from tripartite.core.envelope import Message
from tripartite.runtime import bus
from tripartite.runtime.bus import Batch, Consumer, Outgoing, Poison, Waiting, consume_once, publish, read
from tripartite.runtime.db import Connection, DatabaseGone

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
TOPIC = "tests"
Turns = list[tuple[str, str]]


def message(number: int, *, company: str = "DE01", key: str = "k", payload: bytes = b"{}") -> Outgoing:
    return Outgoing(
        TOPIC, Message(f"msg_{company}_{key}_{number}", "tripartite.test.v1", company, key, f"c_{number}", AT, payload)
    )


class Reader:
    """Notes what it was handed, in order; `bad` messages cannot be taken in."""

    def __init__(self, bad: frozenset[str] = frozenset()) -> None:
        self.seen: list[str] = []
        self.batches: list[int] = []
        self.bad = bad

    async def handle(self, connection: Connection, batch: Batch) -> None:
        self.batches.append(len(batch.messages))
        for each in batch.messages:
            if each.message_id in self.bad:
                raise Poison(each.message_id, "integration.schema_violated", "no such field")
        # What was read counts only if the cursor commits with it.
        await connection.execute("CREATE TEMP TABLE IF NOT EXISTS ignored (n int) ON COMMIT DROP")
        self.seen += [each.message_id for each in batch.messages]

    def consumer(self, name: str = "reader", batch: int = 500) -> Consumer:
        return Consumer(name, TOPIC, self.handle, batch=batch)


async def positions(house: House) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for partition, position in await house.rows(
        "SELECT partition, position FROM bus.message WHERE topic = %s ORDER BY partition, position", TOPIC
    ):
        found[partition].append(position)
    return found


async def test_positions_are_gapless_under_eight_publishers_at_once_some_of_whom_fail(house: House) -> None:
    async def one(worker: int) -> None:
        for number in range(12):

            async def work(connection: Connection, number: int = number) -> None:
                keys = [f"k{(worker + step) % 7}" for step in range(3)]
                await publish(connection, [message(worker * 100 + number, key=key) for key in keys])
                if number % 4 == 3:
                    raise ZeroDivisionError

            try:
                await house.db.transaction(work)
            except ZeroDivisionError:
                continue

    await asyncio.gather(*(one(worker) for worker in range(8)))
    found = await positions(house)
    assert sum(map(len, found.values())) == 8 * 9 * 3
    for partition, places in found.items():
        assert places == list(range(1, len(places) + 1)), partition
    heads = dict(await house.rows("SELECT partition, head FROM bus.head WHERE topic = %s", TOPIC))
    assert heads == {partition: len(places) for partition, places in found.items()}


async def test_positions_are_in_the_order_of_commit(house: House) -> None:
    """The number is taken under the partition's head row, so a later number is always a later commit."""
    seen: list[int] = []
    stop = asyncio.Event()

    async def watch() -> None:
        while not stop.is_set():
            rows = await house.rows("SELECT position FROM bus.message WHERE topic = %s ORDER BY position", TOPIC)
            places = [row[0] for row in rows]
            assert places == list(range(1, len(places) + 1)), "a reader never sees a gap, not even for a moment"
            seen.append(len(places))

    async def one(worker: int) -> None:
        for number in range(15):
            await house.publish(message(worker * 100 + number))

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(one(worker) for worker in range(6)))
    stop.set()
    await watching
    assert len(set(seen)) > 3, "the reader looked while they wrote"


async def test_a_cursor_never_skips_a_slow_commit(house: House) -> None:
    reader = Reader()
    await house.publish(message(1))
    wrote, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: Connection) -> None:
        await publish(connection, [message(2)])
        wrote.set()
        await go_on.wait()

    slow_one = asyncio.create_task(house.db.transaction(slow))
    await wrote.wait()
    quick_one = asyncio.create_task(house.publish(message(3)))
    await asyncio.sleep(0.05)
    assert not quick_one.done(), "the later one waits for the earlier commit"
    await consume_once(house.db, reader.consumer())
    assert reader.seen == ["msg_DE01_k_1"]
    go_on.set()
    await asyncio.gather(slow_one, quick_one)
    await consume_once(house.db, reader.consumer())
    assert reader.seen == ["msg_DE01_k_1", "msg_DE01_k_2", "msg_DE01_k_3"]


async def test_a_partition_has_one_reader_at_a_time_and_others_pass_by(house: House) -> None:
    await house.publish(*(message(number) for number in range(3)))
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: Connection, batch: Batch) -> None:
        inside.set()
        await go_on.wait()

    holding = asyncio.create_task(consume_once(house.db, Consumer("reader", TOPIC, slow)))
    await inside.wait()
    other = Reader()
    assert await consume_once(house.db, other.consumer()) == 0
    assert other.seen == []
    another = Reader()
    assert await consume_once(house.db, another.consumer("other reader")) == 3, "each consumer has cursors of its own"
    go_on.set()
    assert await holding == 3
    assert await consume_once(house.db, other.consumer()) == 0


async def test_a_stopped_worker_loses_its_lease_and_cannot_commit_late(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "IDLE_TIMEOUT_MS", 150)
    await house.publish(*(message(number) for number in range(3)))
    stopped, wake = asyncio.Event(), asyncio.Event()

    async def falls_asleep(connection: Connection, batch: Batch) -> None:
        await connection.execute("INSERT INTO runtime.span VALUES ('late', '', '', '', '', '', now(), 0)")
        stopped.set()
        await wake.wait()

    asleep = asyncio.create_task(consume_once(house.db, Consumer("reader", TOPIC, falls_asleep)))
    await stopped.wait()
    quick = Reader()
    for _ in range(100):
        if await consume_once(house.db, quick.consumer()):
            break
        await asyncio.sleep(0.02)
    assert len(quick.seen) == 3, "another worker takes the partition"
    wake.set()
    with pytest.raises(DatabaseGone):
        await asleep
    assert await house.value("SELECT count(*) FROM runtime.span WHERE span_id = 'late'") == 0
    assert await house.value("SELECT position FROM bus.cursor WHERE consumer = 'reader'") == 3


async def test_one_poisoned_message_is_set_aside_alone_and_its_neighbours_commit(house: House) -> None:
    house.may_set_aside = True
    await house.publish(*(message(number) for number in range(7)))
    reader = Reader(frozenset({"msg_DE01_k_3"}))
    assert await consume_once(house.db, reader.consumer()) == 7
    assert reader.seen == [f"msg_DE01_k_{number}" for number in range(7) if number != 3]
    assert await house.set_aside() == [
        ("reader", TOPIC, "msg_DE01_k_3", "integration.schema_violated", "no such field")
    ]
    kept = await house.rows("SELECT payload FROM bus.message WHERE message_id = 'msg_DE01_k_3'")
    assert kept == [(b"{}",)], "its bytes stay where they are"
    await house.publish(message(8))
    assert await consume_once(house.db, reader.consumer()) == 1


async def test_a_handler_that_fails_for_another_reason_names_it_in_quarantine(house: House) -> None:
    house.may_set_aside = True
    await house.publish(message(1))

    async def broken(connection: Connection, batch: Batch) -> None:
        raise KeyError("buyer")

    assert await consume_once(house.db, Consumer("reader", TOPIC, broken)) == 1
    aside = await house.set_aside()
    assert aside[0][3:] == ("integration.schema_violated", "KeyError: 'buyer'")


async def test_a_message_that_cannot_be_prepared_is_set_aside_alone_too(house: House) -> None:
    house.may_set_aside = True
    reader = Reader()

    async def prepare(batch: Batch) -> None:
        if any(each.message_id == "msg_DE01_k_1" for each in batch.messages):
            raise ValueError("no parser takes this")

    consumer = Consumer("reader", TOPIC, reader.handle, prepare=prepare)
    for number in range(3):
        await house.publish(message(number))
    assert await consume_once(house.db, consumer) == 3
    assert reader.seen == ["msg_DE01_k_0", "msg_DE01_k_2"]
    assert [row[2:4] for row in await house.set_aside()] == [("msg_DE01_k_1", "integration.schema_violated")]


async def test_a_machine_that_is_short_of_something_sets_nothing_aside_and_the_consumer_comes_again(
    house: House,
) -> None:
    """A sub-process that cannot be started is no message's fault, and must not end the consumer."""
    reader, short = Reader(), [True, True]

    async def prepare(_: Batch) -> None:
        if short:
            short.pop()
            raise BlockingIOError("no process can be started")

    consumer = Consumer("reader", TOPIC, reader.handle, prepare=prepare)
    await house.publish(message(1))
    running = asyncio.create_task(
        bus.run_consumer(house.db, consumer, bus.Hints(house.urls.worker), sweep_seconds=0.05)
    )
    for _ in range(200):
        if reader.seen or running.done():
            break
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert reader.seen == ["msg_DE01_k_1"]
    assert await house.set_aside() == []


async def test_when_the_database_goes_away_nothing_is_set_aside(house: House) -> None:
    await house.publish(message(1))

    async def cut(connection: Connection, batch: Batch) -> None:
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseGone):
        await consume_once(house.db, Consumer("reader", TOPIC, cut))
    assert await house.set_aside() == []
    reader = Reader()
    assert await consume_once(house.db, reader.consumer()) == 1


async def test_a_deadlock_is_tried_again_and_never_becomes_poison(house: House) -> None:
    await house.publish(message(1))
    attempts: list[int] = []

    async def unlucky(connection: Connection, batch: Batch) -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise psycopg.errors.DeadlockDetected("two wanted the same")

    assert await consume_once(house.db, Consumer("reader", TOPIC, unlucky)) == 1
    assert len(attempts) == 3
    assert await house.set_aside() == []


async def test_companies_take_turns_so_that_a_busy_one_does_not_starve_the_others(house: House) -> None:
    for key in "abcdefgh":
        await house.publish(*(message(number, key=key) for number in range(20)))
    await house.publish(message(1, company="PL02"))
    order: list[str] = []

    async def note(connection: Connection, batch: Batch) -> None:
        order.append(batch.company_code)

    consumer = Consumer("reader", TOPIC, note, batch=10)
    await consume_once(house.db, consumer)
    assert "PL02" in order[:2], order
    assert order.count("DE01") == len(await positions(house)) - 1, "one batch of each partition in a round"


async def test_a_batch_takes_what_is_there_and_no_more_than_its_limit(house: House) -> None:
    await house.publish(*(message(number) for number in range(25)))
    reader = Reader()
    while await consume_once(house.db, reader.consumer(batch=10)):
        pass
    assert reader.batches == [10, 10, 5]
    assert reader.seen == [f"msg_DE01_k_{number}" for number in range(25)]


async def test_what_was_prepared_before_the_lease_counts_only_if_nobody_was_faster(house: House) -> None:
    await house.publish(*(message(number) for number in range(4)))
    fast = Reader()

    async def overtaken(batch: Batch) -> list[str]:
        await consume_once(house.db, fast.consumer())
        return [each.message_id for each in batch.messages]

    handed: list[str] = []

    async def handle(connection: Connection, batch: Batch) -> None:
        handed.extend(batch.prepared)

    assert await consume_once(house.db, Consumer("reader", TOPIC, handle, prepare=overtaken)) == 0
    assert handed == []
    assert len(fast.seen) == 4


async def test_messages_that_come_while_a_batch_is_prepared_wait_for_the_next(house: House) -> None:
    await house.publish(message(1), message(2))
    rounds: list[list[str]] = []

    async def prepare(batch: Batch) -> list[str]:
        if not rounds:
            await house.publish(message(3))
        return [each.message_id for each in batch.messages]

    async def handle(connection: Connection, batch: Batch) -> None:
        assert batch.prepared == [each.message_id for each in batch.messages]
        rounds.append(batch.prepared)

    consumer = Consumer("reader", TOPIC, handle, prepare=prepare)
    assert await consume_once(house.db, consumer) == 2
    assert await consume_once(house.db, consumer) == 1
    assert rounds == [["msg_DE01_k_1", "msg_DE01_k_2"], ["msg_DE01_k_3"]]


async def test_the_log_is_append_only_and_a_cursor_never_moves_back(house: House) -> None:
    await house.publish(message(1), message(2))
    await consume_once(house.db, Reader().consumer())
    for statement, words in (
        ("UPDATE bus.message SET payload = 'x'", "append-only"),
        ("UPDATE bus.cursor SET position = 1", "never moves back"),
    ):
        with pytest.raises(psycopg.errors.RaiseException, match=words):
            await house.rows(statement + " RETURNING 1")


async def test_messages_of_one_key_are_read_in_the_order_they_were_published(house: House) -> None:
    for number in range(30):
        await house.publish(message(number, key=f"k{number % 5}"))
    reader = Reader()
    await consume_once(house.db, reader.consumer())
    for key in range(5):
        own = [each for each in reader.seen if each.startswith(f"msg_DE01_k{key}_")]
        assert own == [f"msg_DE01_k{key}_{number}" for number in range(30) if number % 5 == key]


async def test_a_hint_wakes_who_listens_to_the_topic_and_nobody_else(house: House) -> None:
    hints = bus.Hints(house.urls.worker)
    mine, other = hints.event(TOPIC), hints.event("other")
    listening = asyncio.create_task(hints.listen())
    try:
        for _ in range(50):  # the first publication may come before the listener has its connection
            await house.publish(message(1))
            try:
                await asyncio.wait_for(mine.wait(), 0.2)
                break
            except TimeoutError:
                continue
        assert mine.is_set()
        assert not other.is_set()
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_without_any_hint_the_sweep_finds_what_was_published(house: House) -> None:
    reader = Reader()
    running = asyncio.create_task(
        bus.run_consumer(house.db, reader.consumer(), bus.Hints(house.urls.worker), sweep_seconds=0.05)
    )
    await asyncio.sleep(0.1)
    await house.publish(message(1))
    for _ in range(100):
        if reader.seen:
            break
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert reader.seen == ["msg_DE01_k_1"]


async def test_a_message_comes_back_as_it_was_published(house: House) -> None:
    whole = Outgoing(
        TOPIC,
        Message("m", "tripartite.test.v1", "DE01", "k", "c", AT, b"\x00\xff", "cause", "sap", "0" * 32),
    )
    await house.publish(whole)
    async with house.db.connection() as connection:
        found, last = await read(connection, TOPIC, bus.partition_of("DE01", "k"), 0, 10)
    assert (found, last) == ([whole.message], 1)


async def test_who_asks_at_the_same_moment_is_answered_by_one_query_each_with_its_own(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.publish(*(message(number, key=f"k{number}") for number in range(40)))
    early = Reader()
    await consume_once(house.db, early.consumer("early"))
    asked = 0
    plain = bus.waiting_partitions

    async def counted(connection: Connection, consumers: Collection[Consumer]) -> dict[tuple[str, str], Turns]:
        nonlocal asked
        asked += 1
        return await plain(connection, consumers)

    monkeypatch.setattr(bus, "waiting_partitions", counted)
    waiting = Waiting(house.db, random.Random(3))
    late = [Reader().consumer(f"late {number}") for number in range(5)]
    answers = await asyncio.gather(*(waiting.of(each) for each in (early.consumer("early"), *late)))
    assert asked == 1
    assert answers[0] == [], "it has read everything"
    assert len({tuple(sorted(turns)) for turns in answers[1:]}) == 1, "the others have the same before them"
    assert len(answers[1]) == bus.SHARDS
    assert len({tuple(turns) for turns in answers[1:]}) > 1, "and do not all begin at the same end"


async def test_a_failed_question_is_told_to_all_who_asked(house: House) -> None:
    waiting = Waiting(house.db)
    broken = Consumer("reader", "no\x00topic", Reader().handle)
    results = await asyncio.gather(waiting.of(broken), waiting.of(Reader().consumer()), return_exceptions=True)
    assert all(isinstance(each, Exception) for each in results)
    assert await waiting.of(Reader().consumer()) == [], "the next question is asked anew"
