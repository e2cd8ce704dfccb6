"""The bus: publish into an append-only log, consume it in batches behind a locked cursor.

Publishing takes positions from the partition's head row as the last statements of the transaction, partitions in
ascending order, so positions are gapless and in commit order and a cursor never skips a late commit. A consumer holds
its cursor row `FOR UPDATE SKIP LOCKED`: that lock is the lease, and a stopped worker cannot commit late. NOTIFY is a
hint that something is there; the sweep of the runner is the guarantee.
"""

from __future__ import annotations

import asyncio
import logging
import random
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import msgspec
import psycopg

from tripartite.core.envelope import Message
from tripartite.core.ids import stable_id
from tripartite.runtime.db import Connection, Database, DatabaseGone, copy_rows, execute

log = logging.getLogger(__name__)

SHARDS = 4  # partitions per company and topic
BATCH = 500  # messages of one claim
FILL_MS = 4  # what is published together is read together; a batch never waits longer than this to fill
ASK_SECONDS = 0.001  # so long the first of several consumers waits before it asks for all what there is to read
IDLE_TIMEOUT_MS = 30_000  # a worker that stops mid-transaction loses its cursor after this

_COLUMNS = (
    *("topic", "partition", "position", "message_id", "type", "company_code", "key"),
    *("correlation_id", "causation_id", "source", "trace_id", "occurred_at", "payload"),
)

_READ = "message_id, type, company_code, key, correlation_id, occurred_at, payload, causation_id, source, trace_id"


def partition_of(company_code: str, key: str) -> str:
    """The partition of a key: it belongs to one company, so that one company cannot starve another."""
    return f"{company_code}/{zlib.crc32(key.encode()) % SHARDS}"


class Outgoing(msgspec.Struct, frozen=True):
    """A message to be published on a topic."""

    topic: str
    message: Message


def told(message: Message, topic: str, what: str, payload: bytes, *, company_code: str = "") -> Outgoing:
    """A message that follows from another: same key, correlation and trace, caused by it; its id is computed."""
    return Outgoing(
        topic,
        msgspec.structs.replace(
            message,
            message_id=stable_id("msg", topic, what, message.message_id),
            type=f"tripartite.{what}.v1",
            company_code=company_code or message.company_code,
            causation_id=message.message_id,
            payload=payload,
        ),
    )


async def publish(connection: Connection, outgoing: Sequence[Outgoing]) -> None:
    """Append messages; call it last in the transaction, once. Takes the head rows in ascending order."""
    if not outgoing:
        return
    groups: dict[tuple[str, str], list[Message]] = defaultdict(list)
    for each in outgoing:
        groups[each.topic, partition_of(each.message.company_code, each.message.key)].append(each.message)
    places = sorted(groups)
    heads = await execute(
        connection,
        """INSERT INTO bus.head (topic, partition, company_code, head)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) AS new (topic, partition, company, n)
        ORDER BY topic, partition
        ON CONFLICT (topic, partition) DO UPDATE SET head = bus.head.head + EXCLUDED.head
        RETURNING topic, partition, head""",
        (
            [topic for topic, _ in places],
            [partition for _, partition in places],
            [groups[place][0].company_code for place in places],
            [len(groups[place]) for place in places],
        ),
    )
    rows: list[tuple[Any, ...]] = []
    for topic, partition, head in await heads.fetchall():
        messages = groups[topic, partition]
        first = head - len(messages) + 1
        for position, message in enumerate(messages, first):
            rows.append(
                (
                    *(topic, partition, position, message.message_id, message.type, message.company_code, message.key),
                    *(message.correlation_id, message.causation_id, message.source, message.trace_id),
                    *(message.occurred_at, message.payload),
                )
            )
    await copy_rows(connection, "bus.message", _COLUMNS, rows)
    await execute(
        connection,
        "SELECT pg_notify('tripartite', topic) FROM unnest(%s::text[]) AS topic",
        (sorted({topic for topic, _ in places}),),
    )


class Batch(msgspec.Struct):
    """What a consumer is handed: messages of one partition in order, up to position `last`, and what `prepare` made."""

    topic: str
    partition: str
    company_code: str
    messages: list[Message]
    prepared: Any = None
    trace_id: str = ""
    last: int = 0


Handle = Callable[[Connection, Batch], Awaitable[None]]
Prepare = Callable[[Batch], Awaitable[Any]]


class Consumer(msgspec.Struct, frozen=True):
    """Who reads what. `handle` runs inside the transaction that moves the cursor; `prepare`, where there is one, before
    it, for slow work that decides nothing (parsing). Both may see a message twice and must not mind. `fill_ms`: so
    long it waits for more once there is something; who only keeps a picture of what happened may wait longer and spares
    transactions.
    """

    name: str
    topic: str
    handle: Handle
    prepare: Prepare | None = None
    batch: int = BATCH
    fill_ms: int = FILL_MS


class Poison(Exception):
    """A handler's word that one message can never be taken in: its reason code and detail go to quarantine."""

    def __init__(self, message_id: str, reason_code: str, detail: str) -> None:
        super().__init__(detail)
        self.message_id = message_id
        self.reason_code = reason_code
        self.detail = detail


async def waiting_partitions(
    connection: Connection, consumers: Collection[Consumer]
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """For each (consumer, topic): the (partition, company) with messages it has not read, companies taking turns."""
    asked = sorted({(each.name, each.topic) for each in consumers})
    found = await execute(
        connection,
        """SELECT k.consumer, k.topic, h.partition, h.company_code, c.position IS NULL
        FROM unnest(%s::text[], %s::text[]) AS k (consumer, topic) JOIN bus.head h ON h.topic = k.topic
        LEFT JOIN bus.cursor c ON c.consumer = k.consumer AND c.topic = k.topic AND c.partition = h.partition
        WHERE h.head > coalesce(c.position, 0) ORDER BY 1, 2, 3""",
        ([name for name, _ in asked], [topic for _, topic in asked]),
    )
    by_company: dict[tuple[str, str], dict[str, list[str]]] = {place: defaultdict(list) for place in asked}
    new: list[tuple[str, str, str]] = []
    for name, topic, partition, company, is_new in await found.fetchall():
        by_company[name, topic][company].append(partition)
        if is_new:
            new.append((name, topic, partition))
    if new:
        # Made here, in a transaction that ends at once: a second worker would wait for one made inside a long batch.
        await execute(
            connection,
            """INSERT INTO bus.cursor (consumer, topic, partition)
            SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
            [[row[place] for row in new] for place in range(3)],
        )
    return {place: _in_turns(companies) for place, companies in by_company.items()}


def _in_turns(by_company: dict[str, list[str]]) -> list[tuple[str, str]]:
    turns: list[tuple[str, str]] = []
    while by_company:
        for company in list(by_company):
            turns.append((by_company[company].pop(0), company))
            if not by_company[company]:
                del by_company[company]
    return turns


class Waiting:
    """Asks what waits for the consumers of a process: those who ask at the same moment are answered by one query.

    Where `chance` is given, a round begins anywhere among the partitions: processes that are woken together then rarely
    reach for the same cursor, which only one of them gets.
    """

    def __init__(self, db: Database, chance: random.Random | None = None) -> None:
        self._db, self._chance = db, chance
        self._asked: list[tuple[Consumer, asyncio.Future[list[tuple[str, str]]]]] = []

    async def of(self, consumer: Consumer) -> list[tuple[str, str]]:
        """The (partition, company) with messages this consumer has not read. Errors: as of the database."""
        answer: asyncio.Future[list[tuple[str, str]]] = asyncio.get_running_loop().create_future()
        self._asked.append((consumer, answer))
        if len(self._asked) == 1:
            # Whoever asks first waits a moment for the others, and asks for all.
            await asyncio.sleep(ASK_SECONDS)
            await self._answer()
        return await answer

    async def _answer(self) -> None:
        asked, self._asked = self._asked, []
        try:
            async with self._db.connection() as connection:
                found = await waiting_partitions(connection, [consumer for consumer, _ in asked])
        except Exception as error:
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
            return
        for consumer, answer in asked:
            if not answer.done():  # a consumer that was stopped meanwhile no longer listens
                answer.set_result(self._turned(found[consumer.name, consumer.topic]))

    def _turned(self, turns: list[tuple[str, str]]) -> list[tuple[str, str]]:
        if self._chance is None or len(turns) < 2:
            return turns
        first = self._chance.randrange(len(turns))
        return [*turns[first:], *turns[:first]]


async def read(connection: Connection, topic: str, partition: str, after: int, limit: int) -> tuple[list[Message], int]:
    """Messages of a partition after a position, and the position of the last."""
    found = await execute(
        connection,
        f"""SELECT {_READ}, position FROM bus.message WHERE topic = %s AND partition = %s AND position > %s
        ORDER BY position LIMIT %s""",
        (topic, partition, after, limit),
    )
    rows = await found.fetchall()
    return [Message(*row[:10]) for row in rows], (rows[-1][10] if rows else after)


async def consume(db: Database, consumer: Consumer, partition: str, company: str) -> int:
    """Take one batch of one partition; returns how many messages were taken. 0: another worker holds the cursor.

    A batch that fails is taken message by message, so that one bad message alone is set aside.
    Errors: `DatabaseGone` where the database is away, `OSError` where the machine is; the cursor did not move then.
    """
    try:
        return await _prepare_and_take(db, consumer, partition, company, consumer.batch)
    except OSError:
        raise
    except Exception as error:
        log.warning("batch failed, taking it one by one", extra={"consumer": consumer.name, "error": repr(error)[:500]})
    taken = 0
    while taken < consumer.batch:
        one = await _take_one(db, consumer, partition, company)
        if one == 0:
            break
        taken += one
    return taken


async def _prepare_and_take(db: Database, consumer: Consumer, partition: str, company: str, limit: int) -> int:
    prepared: Batch | None = None
    if consumer.prepare is not None:
        async with db.connection() as connection:
            position = await _position(connection, consumer, partition)
            messages, _ = await read(connection, consumer.topic, partition, position, limit)
        if not messages:
            return 0
        prepared = Batch(consumer.topic, partition, company, messages)
        prepared.prepared = await consumer.prepare(prepared)
    return await _take(db, consumer, partition, company, limit, prepared)


async def _position(connection: Connection, consumer: Consumer, partition: str) -> int:
    found = await execute(
        connection,
        "SELECT position FROM bus.cursor WHERE consumer = %s AND topic = %s AND partition = %s",
        (consumer.name, consumer.topic, partition),
    )
    row = await found.fetchone()
    return row[0] if row else 0


async def lease(
    connection: Connection, consumer: Consumer, partition: str, limit: int
) -> tuple[list[Message], int] | None:
    """Lock the cursor row and read what comes next, in one statement: the messages and the position of the last.

    None where another worker holds the cursor. Messages are those that were there when the statement began: positions
    are given in the order of commits, so what is seen has no gap.
    """
    place = (consumer.name, consumer.topic, partition)
    for _ in range(2):
        found = await execute(connection, _LEASE, (str(IDLE_TIMEOUT_MS), *place, *place[1:], limit))
        if rows := await found.fetchall():
            messages = [Message(*row[2:]) for row in rows if row[1] is not None]
            return messages, rows[-1][1] if messages else rows[0][0]
        exists = await execute(
            connection, "SELECT 1 FROM bus.cursor WHERE (consumer, topic, partition) = (%s, %s, %s)", place
        )
        if await exists.fetchone():
            return None
        await execute(
            connection,
            "INSERT INTO bus.cursor (consumer, topic, partition) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            place,
        )
    return None


# A worker that stops in the middle of the transaction loses it, and the cursor with it, after the time-out set here.
_LEASE = f"""SELECT c.position, m.* FROM
    (SELECT position, set_config('idle_in_transaction_session_timeout', %s::text, true) FROM bus.cursor
        WHERE (consumer, topic, partition) = (%s, %s, %s) FOR UPDATE SKIP LOCKED) AS c
    LEFT JOIN LATERAL (SELECT position, {_READ} FROM bus.message
        WHERE topic = %s AND partition = %s AND position > c.position ORDER BY position LIMIT %s) AS m ON true
    ORDER BY m.position"""


async def _take(
    db: Database, consumer: Consumer, partition: str, company: str, limit: int, prepared: Batch | None
) -> int:
    async def work(connection: Connection) -> int:
        leased = await lease(connection, consumer, partition, limit)
        if leased is None or not leased[0]:
            return 0
        messages, last = leased
        batch = Batch(consumer.topic, partition, company, messages)
        if prepared is not None:
            if [m.message_id for m in prepared.messages] != [m.message_id for m in messages]:
                # Another worker moved the cursor while we parsed, or more came: what is prepared still counts if it
                # is the front of what is there.
                known = len(prepared.messages)
                first = last - len(messages)
                front = [m.message_id for m in messages[:known]]
                if front != [m.message_id for m in prepared.messages]:
                    return 0
                batch.messages = messages[:known]
                last = first + known
            batch.prepared = prepared.prepared
        batch.last = last
        await consumer.handle(connection, batch)
        await _advance(connection, consumer, partition, last)
        return len(batch.messages)

    return await db.transaction(work)


async def _advance(connection: Connection, consumer: Consumer, partition: str, position: int) -> None:
    await execute(
        connection,
        "UPDATE bus.cursor SET position = %s WHERE consumer = %s AND topic = %s AND partition = %s",
        (position, consumer.name, consumer.topic, partition),
    )


async def _take_one(db: Database, consumer: Consumer, partition: str, company: str) -> int:
    try:
        return await _prepare_and_take(db, consumer, partition, company, 1)
    except (OSError, psycopg.OperationalError):
        raise
    except Exception as error:
        log.exception("message set aside", extra={"consumer": consumer.name, "partition": partition})
        return await _set_aside(db, consumer, partition, error)


def reason_of(error: Exception) -> tuple[str, str]:
    """Why a message could not be taken in: the reason code and a sentence."""
    if isinstance(error, Poison):
        return error.reason_code, error.detail
    return "integration.schema_violated", f"{type(error).__name__}: {str(error)[:500]}"


async def _set_aside(db: Database, consumer: Consumer, partition: str, error: Exception) -> int:
    code, detail = reason_of(error)

    async def work(connection: Connection) -> int:
        leased = await lease(connection, consumer, partition, 1)
        if leased is None or not leased[0]:
            return 0
        messages, last = leased
        await execute(
            connection,
            """INSERT INTO bus.quarantine (consumer, topic, partition, position, message_id, reason_code, detail)
            VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
            (consumer.name, consumer.topic, partition, last, messages[0].message_id, code, detail),
        )
        await _advance(connection, consumer, partition, last)
        return 1

    return await db.transaction(work)


class Hints:
    """Wakes runners when something was published: one LISTEN connection for all of them, and a sweep each second."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._events: dict[str, list[asyncio.Event]] = defaultdict(list)

    def event(self, *topics: str) -> asyncio.Event:
        event = asyncio.Event()
        for topic in topics:
            self._events[topic].append(event)
        return event

    def wake(self, topic: str) -> None:
        for event in self._events.get(topic, ()):
            event.set()

    async def listen(self) -> None:
        """Listen until cancelled; a lost connection is made again."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute("LISTEN tripartite")
                    async for notice in connection.notifies():
                        self.wake(notice.payload)
            except psycopg.OperationalError:
                await asyncio.sleep(0.5)


async def run_consumer(
    db: Database, consumer: Consumer, hints: Hints, *, waiting: Waiting | None = None, sweep_seconds: float = 1.0
) -> None:
    """Consume until cancelled. Each waiting partition gets one batch per round. `waiting` is shared by a process."""
    event = hints.event(consumer.topic)
    asking = waiting or Waiting(db)
    while True:
        event.clear()
        try:
            taken = await _round(db, consumer, await asking.of(consumer))
        except (DatabaseGone, psycopg.Error) as error:
            log.warning("database away", extra={"consumer": consumer.name, "error": str(error)[:200]})
            await asyncio.sleep(0.5)
            continue
        except Exception:
            # Whatever it is (no process can be started, say), the consumer comes again: its end would be silence.
            log.exception("a round failed", extra={"consumer": consumer.name})
            await asyncio.sleep(0.5)
            continue
        if taken == 0:
            try:
                await asyncio.wait_for(event.wait(), sweep_seconds)
            except TimeoutError:
                continue
            await asyncio.sleep(consumer.fill_ms / 1000)


async def consume_once(db: Database, consumer: Consumer) -> int:
    """One round over the waiting partitions; returns the number of messages taken."""
    async with db.connection() as connection:
        turns = (await waiting_partitions(connection, [consumer]))[consumer.name, consumer.topic]
    return await _round(db, consumer, turns)


async def _round(db: Database, consumer: Consumer, turns: Sequence[tuple[str, str]]) -> int:
    taken = 0
    for partition, company in turns:
        taken += await consume(db, consumer, partition, company)
    return taken
