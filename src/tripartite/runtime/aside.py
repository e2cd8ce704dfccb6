"""Messages that a consumer could not take in: asked for again after the cause is gone, taken by that consumer alone.

    set aside -> asked for -> replayed
                     |            the handler took it in, in one transaction with this mark
                     +-> set aside, with the new reason: the cause was not gone

Asking is an act of a person, with an audit leaf. Taking is the consumer's own work: under the lock of the partition's
cursor, which does not move, by the same handler. A handler minds neither order nor repeats, so a late message does what
it would have done in time. Nothing is published again: the other consumers of the topic have read it long ago.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
import psycopg

from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.bus import Batch, Consumer, lease, read, reason_of
from tripartite.runtime.db import Connection, Database, execute

log = logging.getLogger(__name__)
MOST_AT_ONCE = 500


class Asked(msgspec.Struct, frozen=True):
    """A message that its consumer will take again: where it lies, and why it had been set aside."""

    consumer: str
    topic: str
    partition: str
    position: int
    message_id: str
    reason_code: str
    company_code: str
    correlation_id: str


async def ask_again(
    connection: Connection,
    wanted: Collection[tuple[str, str]],
    *,
    by: str,
    now: datetime,
    chance: random.Random,
    why: str = "",
) -> list[Asked]:
    """Ask for messages again, (consumer, message id), inside the caller's transaction; `by` is the person, `why` the
    reason they gave.

    What is not set aside, was asked for already, or is no longer on the bus is left out of the answer.
    """
    places = sorted(wanted)
    found = await execute(
        connection,
        """UPDATE bus.quarantine q SET asked_at = %s, asked_by = %s
        FROM unnest(%s::text[], %s::text[]) AS n (consumer, message_id), bus.message m
        WHERE (q.consumer, q.message_id) = (n.consumer, n.message_id) AND q.replayed_at IS NULL AND q.asked_at IS NULL
        AND (m.topic, m.partition, m.position) = (q.topic, q.partition, q.position)
        RETURNING q.consumer, q.topic, q.partition, q.position, q.message_id, q.reason_code, m.company_code,
            m.correlation_id""",
        (now, by, [place[0] for place in places], [place[1] for place in places]),
    )
    asked = [Asked(*row) for row in await found.fetchall()]
    leaves = [
        make_leaf(
            "message.replayed",
            each.message_id,
            each.company_code,
            each.correlation_id,
            codec.encode(
                {
                    "consumer": each.consumer,
                    "topic": each.topic,
                    "partition": each.partition,
                    "position": each.position,
                    "reason": each.reason_code,
                    "by": by,
                    **({"why": why} if why else {}),
                    "at": now,
                }
            ),
            chance.randbytes(16),
        )
        for each in asked
    ]
    await write_leaves(connection.cursor(), leaves)
    return asked


async def retake(db: Database, consumers: Sequence[Consumer]) -> int:
    """Let these consumers take what was asked for again; how many were taken in. One that fails is set aside anew.

    Errors: `DatabaseGone` where the database is away, `OSError` where the machine is short of something; what was asked
    for stays asked for.
    """
    own = {(consumer.name, consumer.topic): consumer for consumer in consumers}
    rows = await db.rows(
        """SELECT consumer, topic, partition, position FROM bus.quarantine
        WHERE asked_at IS NOT NULL AND replayed_at IS NULL ORDER BY partition, position LIMIT %s""",
        (MOST_AT_ONCE,),
    )
    taken = 0
    for name, topic, partition, position in rows:
        consumer = own.get((name, topic))
        if consumer is None:
            continue  # another process runs it
        try:
            taken += await _take_again(db, consumer, partition, position)
        except (OSError, psycopg.OperationalError):
            raise
        except Exception as error:
            log.exception("message set aside again", extra={"consumer": name, "partition": partition})
            await _set_aside_again(db, consumer, partition, position, error)
    return taken


async def keep_retaking(db: Database, consumers: Sequence[Consumer], every_seconds: float = 1.0) -> None:
    """Look for what was asked for until cancelled."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await retake(db, consumers)
        except (OSError, psycopg.Error) as error:
            log.warning("a round failed", extra={"error": str(error)[:200]})


async def _message(db: Database, topic: str, partition: str, position: int) -> Message | None:
    async with db.connection() as connection:
        messages, last = await read(connection, topic, partition, position - 1, 1)
    return messages[0] if messages and last == position else None


async def _take_again(db: Database, consumer: Consumer, partition: str, position: int) -> int:
    message = await _message(db, consumer.topic, partition, position)
    if message is None:
        raise LookupError("the message is no longer on the bus")
    batch = Batch(consumer.topic, partition, message.company_code, [message], last=position)
    if consumer.prepare is not None:
        batch.prepared = await consumer.prepare(batch)

    async def work(connection: Connection) -> int:
        if await lease(connection, consumer, partition, 0) is None:
            return 0  # it is being read right now: in the next round
        marked = await execute(
            connection,
            """UPDATE bus.quarantine SET replayed_at = tripartite_now()
            WHERE (consumer, topic, partition, position) = (%s, %s, %s, %s)
            AND asked_at IS NOT NULL AND replayed_at IS NULL""",
            (consumer.name, consumer.topic, partition, position),
        )
        if marked.rowcount == 0:
            return 0  # another process was faster
        await consumer.handle(connection, batch)
        return 1

    return await db.transaction(work)


async def _set_aside_again(db: Database, consumer: Consumer, partition: str, position: int, error: Exception) -> None:
    code, detail = reason_of(error)

    async def work(connection: Connection) -> None:
        await execute(
            connection,
            """UPDATE bus.quarantine SET asked_at = NULL, tries = tries + 1, reason_code = %s, detail = %s
            WHERE (consumer, topic, partition, position) = (%s, %s, %s, %s) AND replayed_at IS NULL""",
            (code, detail, consumer.name, consumer.topic, partition, position),
        )

    await db.transaction(work)


__all__ = ["Asked", "ask_again", "keep_retaking", "retake"]
