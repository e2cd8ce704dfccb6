"""Sending set-aside deliveries again, after the cause is gone: same key, same request, another try.

    rejected -> dead_letter -> waiting          the other side had said no: it is sent again
    dead_letter -> waiting                      every try had failed surely: it is sent again
    dead_letter -> waiting -> sending -> unknown    nobody knows what became of it: it is asked for first, then sent

Nothing of the request is edited: who wants another request needs another decision. Each replay is an attempt of the
delivery, a leaf of the audit log, and an outcome that its owner hears, in one transaction.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import datetime

import msgspec

from tripartite.core import codec
from tripartite.core.delivery import DeliveryOutcome
from tripartite.core.envelope import Message
from tripartite.core.ids import stable_id
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.bus import Outgoing, publish
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.deliveries import OUTCOMES

ASIDE = ("rejected", "dead_letter")


class Replayed(msgspec.Struct, frozen=True):
    """A delivery that goes its way again: the state it was in, the one it is in now, and why it had been set aside."""

    key: str
    connection: str
    operation: str
    object_id: str
    before: str
    after: str
    reason_code: str
    detail: str


class _Letter(msgspec.Struct, frozen=True):
    key: str
    connection: str
    operation: str
    object_kind: str
    object_id: str
    object_version: int
    company_code: str
    correlation_id: str
    causation_id: str
    state: str
    reason_code: str
    detail: str
    request_digest: str


async def replay(
    connection: Connection, keys: Collection[str], *, by: str, now: datetime, chance: random.Random, why: str = ""
) -> list[Replayed]:
    """Send these deliveries again, inside the caller's transaction; `by` is the person who asked for it, `why` the
    reason they gave.

    What is not set aside (or was replayed meanwhile), and what was taken back or is only observed, is left out of the
    answer. Attempts and probes count from zero.
    """
    found = await execute(
        connection,
        f"""SELECT {", ".join(_Letter.__struct_fields__)} FROM deliveries.delivery
        WHERE key = ANY(%s) AND state = ANY(%s) AND mode <> 'observe' ORDER BY key FOR UPDATE""",
        (sorted(keys), list(ASIDE)),
    )
    letters = [_Letter(*row) for row in await found.fetchall()]
    if not letters:
        return []
    await _step(connection, [each for each in letters if each.state == "rejected"], "dead_letter", now)
    await _step(connection, letters, "waiting", now)
    unsure = [each for each in letters if _unsure(each)]
    # Nothing leaves here: these two steps of the state machine lead to the question that comes before any sending.
    await _step(connection, unsure, "sending", now)
    await _step(connection, unsure, "unknown", now)
    done = [
        Replayed(
            each.key,
            each.connection,
            each.operation,
            each.object_id,
            each.state,
            "unknown" if _unsure(each) else "waiting",
            each.reason_code,
            each.detail,
        )
        for each in letters
    ]
    await execute(
        connection,
        """INSERT INTO deliveries.attempt (key, at, act, answer, detail)
        SELECT n.key, %s, 'replay', n.answer, n.detail FROM unnest(%s::text[], %s::text[], %s::text[])
            AS n (key, answer, detail)""",
        (
            now,
            [each.key for each in done],
            [each.after for each in done],
            [
                f"{by} sends it again; it was {each.before}: {each.reason_code}" + (f". {why[:300]}" if why else "")
                for each in done
            ],
        ),
    )
    leaves = [
        make_leaf(
            "delivery.replayed",
            letter.object_id,
            letter.company_code,
            letter.correlation_id,
            codec.encode(
                {
                    "key": letter.key,
                    "connection": letter.connection,
                    "operation": letter.operation,
                    "request": letter.request_digest,
                    "was": letter.state,
                    "reason": letter.reason_code,
                    "by": by,
                    **({"why": why} if why else {}),
                    "at": now,
                }
            ),
            chance.randbytes(16),
        )
        for letter in letters
    ]
    await write_leaves(connection.cursor(), leaves)
    await publish(
        connection,
        [_told(letter, each.after, now, chance) for letter, each in zip(letters, done, strict=True)],
    )
    return done


def _unsure(letter: _Letter) -> bool:
    """Whether the other side may have done it: then it is asked before anything is sent."""
    return letter.state == "dead_letter" and letter.reason_code == "posting.outcome_unknown"


async def _step(connection: Connection, letters: Collection[_Letter], state: str, now: datetime) -> None:
    """One step of the state machine for these rows; the reason stays readable until the next answer."""
    if not letters:
        return
    await execute(
        connection,
        """UPDATE deliveries.delivery SET state = %s, attempts = 0, probes = 0, due_at = %s, claimed_by = NULL,
        accepted_at = NULL,
        updated_at = %s WHERE key = ANY(%s)""",
        (state, now, now, [each.key for each in letters]),
    )


def _told(letter: _Letter, state: str, now: datetime, chance: random.Random) -> Outgoing:
    outcome = DeliveryOutcome(
        key=letter.key,
        connection=letter.connection,
        operation=letter.operation,
        object_kind=letter.object_kind,
        object_id=letter.object_id,
        object_version=letter.object_version,
        state=state,  # type: ignore[arg-type]
        at=now,
        detail="replayed",
    )
    return Outgoing(
        OUTCOMES,
        Message(
            message_id=stable_id("msg", letter.key, "replay", chance.randbytes(12).hex()),
            type=f"tripartite.delivery.{state}.v1",
            company_code=letter.company_code,
            key=letter.object_id,
            correlation_id=letter.correlation_id,
            causation_id=letter.causation_id,
            occurred_at=now,
            payload=codec.encode(outcome),
            source=letter.connection,
        ),
    )
