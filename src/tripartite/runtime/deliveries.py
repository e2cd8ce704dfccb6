"""Deliveries: every outbound write is a row with one key, sent until its outcome is known beyond doubt.

The row that is due is the queue. What is due for a connection is claimed in a bulk (`FOR UPDATE SKIP LOCKED`), marked
`sending` and committed before the first byte leaves; the answers come back in one transaction with the outcome
messages and audit leaves. An answer that never came is `unknown` and is probed; a delivery whose worker died while
`sending` is `unknown` too, at once, because each worker holds an advisory lock that dies with it.

    claim -> submit -> record     intended, waiting -> sending -> settled, accepted, rejected, waiting, unknown
    claim_probes -> probe -> record               unknown, accepted -> settled, accepted, rejected, waiting
    adopt_orphans                                 sending of a dead worker -> unknown

This file decides nothing about business: what is owed was decided and recorded by a handler.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.delivery import DeliveryOutcome, Mode, State, retry_after_seconds
from tripartite.core.envelope import Message
from tripartite.core.ids import delivery_key, stable_id
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.bus import Outgoing, publish
from tripartite.runtime.clock import Clock
from tripartite.runtime.db import Connection, Database, execute
from tripartite.runtime.protocol import (
    Absent,
    Accepted,
    Client,
    Manifest,
    Outbound,
    Rejected,
    RetryLater,
    Settled,
    Unknown,
)
from tripartite.runtime.telemetry import Telemetry

log = logging.getLogger(__name__)

OUTCOMES = "delivery.outcomes"  # the topic on which outcomes are told
MOST_ATTEMPTS = 8  # then dead letter
MOST_PROBES = 40
PROBE_FIRST_SECONDS = 0.5
PROBE_MOST_SECONDS = 60.0
ACCEPTED_MOST_SECONDS = 300.0  # between two questions about what was taken in
SETTLE_WITHIN_SECONDS = 86_400.0  # what was taken in and is not done by then is set aside; or as a connection says
LOST_AFTER_SECONDS = 1_800.0  # what was taken in and is not to be found after this is set aside
KEY_SKEW_SECONDS = 60.0  # a vendor's clock may differ from ours by this much
CIRCUIT_AFTER = 5  # consecutive failures of whole calls
CIRCUIT_SECONDS = 5.0
ORPHANS = 5_000  # looked at together
OWED = "deliveries"  # the hint that something is owed
# What a delivery stands in while something is done about it; nobody else may have moved it meanwhile.
_STANDING: Mapping[str, tuple[State, ...]] = {
    "send": ("sending",),
    "probe": ("unknown", "accepted"),
    "park": ("intended", "waiting", "unknown"),
}
_LOCK_CLASS = 7461  # advisory locks of living workers: (class, worker number)


class Owed(msgspec.Struct, frozen=True):
    """A write that a decision owes to a connection. Recorded in the deciding transaction by `owe`."""

    connection: str
    operation: str
    object_kind: str
    object_id: str
    object_version: int
    company_code: str
    correlation_id: str
    payload: bytes
    mode: Mode
    due_at: datetime
    causation_id: str = ""
    pay_by: date | None = None

    @property
    def key(self) -> str:
        return delivery_key(self.object_id, self.object_version, self.connection, self.operation)


class KeyReused(AssertionError):
    """One key with two different requests: our bug, refused (I10)."""


async def owe(connection: Connection, owed: Sequence[Owed]) -> None:
    """Record deliveries inside a deciding transaction. The same key again does nothing; another request under the same
    key is our bug. Errors: `KeyReused`.
    """
    if not owed:
        return
    digests = [hashlib.sha256(each.payload).hexdigest() for each in owed]
    keys = [each.key for each in owed]
    made = await execute(
        connection,
        """INSERT INTO deliveries.delivery (key, company_code, connection, operation, object_kind, object_id,
        object_version, correlation_id, causation_id, request_digest, payload, mode, due_at, pay_by, state)
        SELECT n.*, 'intended' FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
        %s::int[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::text[], %s::timestamptz[], %s::date[]) AS n
        ON CONFLICT (key) DO NOTHING RETURNING key""",
        (
            keys,
            [each.company_code for each in owed],
            [each.connection for each in owed],
            [each.operation for each in owed],
            [each.object_kind for each in owed],
            [each.object_id for each in owed],
            [each.object_version for each in owed],
            [each.correlation_id for each in owed],
            [each.causation_id for each in owed],
            digests,
            [each.payload for each in owed],
            [each.mode for each in owed],
            [each.due_at for each in owed],
            [each.pay_by for each in owed],
        ),
    )
    new = {row[0] for row in await made.fetchall()}
    if any(each.mode == "act" for each in owed):
        await execute(connection, "SELECT pg_notify('tripartite', %s::text)", (OWED,))
    if len(new) == len(owed):
        return
    seen = await execute(connection, "SELECT key, request_digest FROM deliveries.delivery WHERE key = ANY(%s)", (keys,))
    stored: dict[str, str] = {row[0]: row[1] for row in await seen.fetchall()}
    for key, digest in zip(keys, digests, strict=True):
        if stored[key] != digest:
            raise KeyReused(f"delivery {key} already stands for another request")


async def withdraw(
    connection: Connection,
    keys: Sequence[str],
    *,
    states: Sequence[State],
    reason_code: str,
    detail: str,
    now: datetime,
    surely: bool = False,
) -> set[str]:
    """Take deliveries back inside a deciding transaction, where they still are in one of `states`; which ones were.

    A row that a worker has just claimed is waited for and then left alone: its bytes are on their way. What was taken
    back is set aside and disarmed (`observe`), so that no replay sends it either. With `surely`, a dead letter of which
    nobody knows whether it arrived is left alone too.
    """
    done = await execute(
        connection,
        """UPDATE deliveries.delivery SET state = 'dead_letter', mode = 'observe', reason_code = %s, detail = %s,
            updated_at = %s WHERE key = ANY(%s) AND state = ANY(%s)
            AND NOT (%s AND state = 'dead_letter' AND reason_code = 'posting.outcome_unknown') RETURNING key""",
        (reason_code, detail[:1000], now, list(keys), list(states), surely),
    )
    return {row[0] for row in await done.fetchall()}


class Claimed(msgspec.Struct, frozen=True):
    """A delivery in our hands, with what is needed to send it, ask for it and tell of it."""

    outbound: Outbound
    object_kind: str
    object_id: str
    object_version: int
    causation_id: str
    attempts: int
    probes: int
    first_sent_at: datetime | None
    sent_at: datetime | None
    state: State = "unknown"  # where it stood when it was claimed; what was accepted can only settle, or be refused
    accepted_at: datetime | None = None


_CLAIMED = """key, operation, company_code, payload, correlation_id, object_kind, object_id, object_version,
causation_id, attempts, probes, first_sent_at, sent_at, state, accepted_at"""


def _claimed(row: tuple[Any, ...]) -> Claimed:
    return Claimed(Outbound(row[0], row[1], row[2], row[3], row[4]), *row[5:15])


class Outcome(msgspec.Struct, frozen=True):
    """What an answer makes of a delivery: its next state, and when it is due again."""

    state: State
    due_in_seconds: float = 0.0
    remote_ref: str = ""
    reason_code: str = ""
    detail: str = ""


class Timing(msgspec.Struct, frozen=True):
    """How patient to be with one connection, in seconds. `key_window`: how long the vendor surely remembers our key, so
    that sending again under it is safe without waiting (0: it knows no keys). `most_attempts`: then it is set aside.
    """

    commit_latency: float
    read_lag: float
    key_window: float = 0.0
    retry_first: float = 1.0
    retry_most: float = 300.0
    settle_within: float = SETTLE_WITHIN_SECONDS
    most_attempts: int = MOST_ATTEMPTS


def timing_of(manifest: Manifest, settings: Mapping[str, str]) -> Timing:
    """A connection's patience: the manifest's, unless its settings say otherwise."""
    window = manifest.idempotency.window_seconds if manifest.idempotency.kind == "key" else 0
    return Timing(
        float(settings.get("commit_latency_seconds", manifest.max_commit_latency_seconds)),
        float(settings.get("read_lag_seconds", manifest.read_lag_seconds)),
        float(window),
        settle_within=float(settings.get("settle_within_seconds", SETTLE_WITHIN_SECONDS)),
    )


def after_send(answer: object, claimed: Claimed, timing: Timing, jitter: float) -> Outcome:
    """The outcome of a call. Only an explicit yes is success; silence is unknown."""
    match answer:
        case Settled(remote_ref, detail):
            return Outcome("settled", remote_ref=remote_ref, detail=detail)
        case Accepted(remote_ref, detail):
            return Outcome("accepted", PROBE_FIRST_SECONDS, remote_ref, detail=detail)
        case Rejected(code, detail):
            return Outcome("rejected", reason_code="posting.rejected", detail=f"{code}: {detail}"[:1000])
        case RetryLater(reason, after):
            if claimed.attempts >= timing.most_attempts:
                return Outcome("dead_letter", reason_code="integration.retries_exhausted", detail=reason[:1000])
            wait = retry_after_seconds(claimed.attempts, jitter, first=timing.retry_first, most=timing.retry_most)
            return Outcome("waiting", max(wait, after or 0.0), detail=reason[:1000])
        case Unknown(reason):
            return Outcome(
                "unknown",
                max(PROBE_FIRST_SECONDS, timing.read_lag),
                reason_code="posting.outcome_unknown",
                detail=reason[:1000],
            )
        case _:
            raise AssertionError(f"no answer to a send: {answer!r}")


def after_probe(answer: object, claimed: Claimed, timing: Timing, jitter: float, now: datetime) -> Outcome:
    """The outcome of a probe. Absent counts only after the other side could no longer commit late."""
    taken_in = claimed.state == "accepted"
    most = ACCEPTED_MOST_SECONDS if taken_in or isinstance(answer, Accepted) else PROBE_MOST_SECONDS
    wait = retry_after_seconds(claimed.probes, jitter, first=PROBE_FIRST_SECONDS, most=most)
    since = (now - claimed.accepted_at).total_seconds() if taken_in and claimed.accepted_at else 0.0
    match answer:
        case Settled(remote_ref, detail):
            return Outcome("settled", remote_ref=remote_ref, detail=detail or "found by probe")
        case Accepted(remote_ref, detail):
            return _taken_in(wait, since, timing.settle_within, detail or "taken in and not done", remote_ref)
        case Rejected(code, detail):
            return Outcome("rejected", reason_code="posting.rejected", detail=f"{code}: {detail}"[:1000])
        case Absent(detail) if taken_in:
            # Taken in once and not to be found now: never sent again by us, a person must look.
            lost = f"taken in, and not to be found there now {detail}".rstrip()
            return _taken_in(wait, since, min(LOST_AFTER_SECONDS, timing.settle_within), lost)
        case RetryLater(reason, after) if taken_in:
            return _taken_in(max(wait, after or 0.0), since, timing.settle_within, reason)
        case Unknown(reason) if taken_in:
            return _taken_in(wait, since, timing.settle_within, reason)
        case Absent(detail):
            assert claimed.sent_at is not None
            quiet = (now - claimed.sent_at).total_seconds()
            patience = timing.commit_latency + timing.read_lag
            known = (now - (claimed.first_sent_at or claimed.sent_at)).total_seconds()
            if quiet < patience and known >= timing.key_window - KEY_SKEW_SECONDS:
                later = min(wait, patience - quiet + 0.01)
                return Outcome("unknown", later, reason_code="posting.outcome_unknown", detail="not seen there yet")
            if claimed.attempts >= timing.most_attempts:
                return Outcome("dead_letter", reason_code="integration.retries_exhausted", detail=detail)
            return Outcome("waiting", 0.0, detail="surely absent, sent again with the same key")
        case RetryLater(reason, after):
            return _unanswered(claimed, max(wait, after or 0.0), reason)
        case Unknown(reason):
            return _unanswered(claimed, wait, reason)
        case _:
            raise AssertionError(f"no answer to a probe: {answer!r}")


def _taken_in(wait: float, since: float, within: float, reason: str, remote_ref: str = "") -> Outcome:
    """What was taken in is asked for in growing steps, and bounded by time: a vendor may take hours, not for ever."""
    if since < within:
        return Outcome("accepted", min(wait, within - since + 0.01), remote_ref, detail=reason[:1000])
    detail = f"taken in {since / 3600:.1f} hours ago and never confirmed: {reason}"[:1000]
    return Outcome("dead_letter", 0.0, remote_ref, "posting.outcome_unknown", detail)


def _unanswered(claimed: Claimed, wait: float, reason: str) -> Outcome:
    if claimed.probes >= MOST_PROBES:
        return Outcome("dead_letter", reason_code="posting.outcome_unknown", detail=reason[:1000])
    return Outcome("unknown", wait, reason_code="posting.outcome_unknown", detail=reason[:1000])


class Limiter:
    """A token bucket: at most `rate` calls a second on average, `burst` at once."""

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._at = float(burst), clock.counter()

    async def take(self) -> None:
        while True:
            now = self._clock.counter()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
            if self._tokens >= 1.0:
                self._tokens -= 1.0
                return
            await self._clock.sleep((1.0 - self._tokens) / self._rate)


class Deliverer:
    """Delivers what is owed to one connection. `worker` is the number whose advisory lock says that we live."""

    def __init__(
        self,
        db: Database,
        connection_name: str,
        manifest: Manifest,
        client: Client,
        *,
        worker: int,
        clock: Clock,
        chance: random.Random,
        telemetry: Telemetry,
        timing: Timing | None = None,
        rate: float | None = None,
        wake: Callable[[str], None] = lambda _: None,
        quiet: Collection[State] = (),
    ) -> None:
        """`quiet`: outcomes that are kept with the delivery and told to nobody."""
        self._db, self.name, self._manifest, self._client = db, connection_name, manifest, client
        self._worker, self._clock, self._chance, self._telemetry = worker, clock, chance, telemetry
        self._timing = timing or timing_of(manifest, {})
        self._limiter = Limiter(rate or manifest.rate_per_second, manifest.burst, clock)
        self._failures = 0
        self._open_until: datetime | None = None
        self._wake, self._quiet = wake, frozenset(quiet)
        self._together = manifest.bulk_limit

    async def run(self, due: Callable[[], Awaitable[None]], *, idle_seconds: float = 0.1) -> None:
        """Deliver until cancelled. `due` returns when something may be due for this connection (runtime/due.py)."""
        while True:
            await due()
            worked = 0
            try:
                while done := await self.round():
                    worked += done
            except ConnectionError as error:
                log.warning("database away", extra={"connection": self.name, "error": str(error)[:200]})
                await self._clock.sleep(0.5)
            except Exception:
                # A fault of ours in one round must not stop the lane: it is logged, and the sweep comes again.
                log.exception("delivery round failed", extra={"connection": self.name})
                await self._clock.sleep(1.0)
            if not worked:
                # What is due and cannot go yet (an earlier version of it is out) is not asked for in a circle.
                await self._clock.sleep(idle_seconds)

    async def once(self) -> int:
        """Adopt orphans of this connection, then one round. Returns how many were worked on."""
        await adopt_orphans(self._db, [self.name])
        return await self.round()

    async def round(self) -> int:
        """Probe what is unknown, send what is due. Returns how many were worked on."""
        if self._open_until is not None and self._clock.now() < self._open_until:
            return 0
        return await self._probe_round() + await self._send_round()

    async def _send_round(self) -> int:
        claimed = await claim_due(self._db, self.name, self._together, self._worker, self._clock.now())
        if not claimed:
            return 0
        await self._limiter.take()
        with self._telemetry.span(
            f"deliver {self.name}", component="deliveries", connection=self.name, documents=len(claimed)
        ):
            try:
                answers: Sequence[object] = await self._client.submit([each.outbound for each in claimed])
            except Exception as error:
                # Whatever our client failed at, bytes may have left: the outcome is unknown, and is asked for.
                log.exception("submit failed", extra={"connection": self.name})
                answers = [Unknown(f"{type(error).__name__}: {error}")] * len(claimed)
            assert len(answers) == len(claimed), "a client answers for each item it was given"
            outcomes = [
                after_send(answer, each, self._timing, self._chance.random())
                for answer, each in zip(answers, claimed, strict=True)
            ]
            await self._record("send", claimed, outcomes)
        await self._judge(answers)
        return len(claimed)

    async def _probe_round(self) -> int:
        claimed = await claim_probes(self._db, self.name, 20, self._worker, self._clock.now())
        if not claimed:
            return 0
        outcomes = []
        with self._telemetry.span(
            f"probe {self.name}", component="deliveries", connection=self.name, documents=len(claimed)
        ):
            for each in claimed:
                await self._limiter.take()
                try:
                    answer: object = await self._client.probe(each.outbound)
                except Exception as error:
                    log.exception("probe failed", extra={"connection": self.name})
                    answer = Unknown(f"{type(error).__name__}: {error}")
                outcomes.append(after_probe(answer, each, self._timing, self._chance.random(), self._clock.now()))
            await self._record("probe", claimed, outcomes)
        return len(claimed)

    async def _record(self, act: str, claimed: Sequence[Claimed], outcomes: Sequence[Outcome]) -> None:
        now = self._clock.now()
        trace_id = self._telemetry.trace_id()

        async def work(connection: Connection) -> None:
            await record(
                *(connection, self.name, act, claimed, outcomes),
                now=now,
                chance=self._chance,
                trace_id=trace_id,
                quiet=self._quiet,
            )

        await self._db.transaction(work)
        for outcome in outcomes:
            self._telemetry.documents.labels("delivery", outcome.state).inc()
        self._wake(OUTCOMES)

    async def _judge(self, answers: Sequence[object]) -> None:
        """Open the circuit after several whole calls in a row that brought nothing; one incident, not thousands."""
        failed = all(isinstance(answer, RetryLater | Unknown) for answer in answers)
        self._failures = self._failures + 1 if failed else 0
        if self._failures >= CIRCUIT_AFTER:
            self._open_until = self._clock.now() + timedelta(seconds=CIRCUIT_SECONDS)
        else:
            self._open_until = None
        reason = str(getattr(answers[0], "reason", "")) if failed else ""
        await note_call(self._db, self.name, failed, self._open_until, reason, self._clock.now())


async def claim_due(db: Database, name: str, limit: int, worker: int, now: datetime) -> list[Claimed]:
    """Take what is due for a connection, at most `limit`, what costs a discount first; committed as `sending`.

    An earlier version of the same object for the same connection goes first: the later waits for it. What is only
    observed never goes, and nothing waits for it.
    """

    async def work(connection: Connection) -> list[Claimed]:
        found = await execute(
            connection,
            f"""UPDATE deliveries.delivery d SET state = 'sending', attempts = attempts + 1, claimed_by = %(worker)s,
            sent_at = %(now)s, first_sent_at = coalesce(first_sent_at, %(now)s), updated_at = %(now)s
            FROM (SELECT key FROM deliveries.delivery WHERE connection = %(name)s AND state IN ('intended', 'waiting')
                AND due_at <= %(now)s AND mode = 'act'
                AND NOT EXISTS (SELECT 1 FROM deliveries.delivery earlier
                    WHERE earlier.object_id = deliveries.delivery.object_id
                    AND earlier.connection = deliveries.delivery.connection
                    AND earlier.object_version < deliveries.delivery.object_version
                    AND earlier.mode <> 'observe'
                    AND earlier.state NOT IN ('settled', 'rejected', 'dead_letter'))
                ORDER BY pay_by NULLS LAST, due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
            WHERE d.key = due.key RETURNING {", ".join("d." + c.strip() for c in _CLAIMED.split(","))}""",
            {"name": name, "now": now, "limit": limit, "worker": worker},
        )
        return [_claimed(row) for row in await found.fetchall()]

    return await db.transaction(work)


async def claim_probes(db: Database, name: str, limit: int, worker: int, now: datetime) -> list[Claimed]:
    """Take what is to be asked for: `unknown` and `accepted` that are due. The next probe is set before we ask."""

    async def work(connection: Connection) -> list[Claimed]:
        found = await execute(
            connection,
            f"""UPDATE deliveries.delivery d SET probes = probes + 1, due_at = %(now)s + interval '60 seconds',
            claimed_by = %(worker)s, updated_at = %(now)s
            FROM (SELECT key FROM deliveries.delivery WHERE connection = %(name)s
                AND state IN ('unknown', 'accepted') AND due_at <= %(now)s
                ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
            WHERE d.key = due.key RETURNING {", ".join("d." + c.strip() for c in _CLAIMED.split(","))}""",
            {"name": name, "now": now, "limit": limit, "worker": worker},
        )
        return [_claimed(row) for row in await found.fetchall()]

    return await db.transaction(work)


async def park_old(
    connection: Connection, name: str, before: datetime, limit: int, *, now: datetime, chance: random.Random
) -> int:
    """Set aside what has been owed to `name` since before `before` and did not arrive, however often it was tried; how
    many. What was replayed since then has its time anew. Inside the caller's transaction, whose messages end with it.
    """
    found = await execute(
        connection,
        f"""SELECT {_CLAIMED} FROM deliveries.delivery d WHERE connection = %(name)s
        AND (state IN ('intended', 'waiting') AND mode = 'act' OR state = 'unknown') AND created_at < %(before)s
        AND NOT EXISTS (SELECT 1 FROM deliveries.attempt a
            WHERE a.key = d.key AND a.act = 'replay' AND a.at >= %(before)s)
        ORDER BY key LIMIT %(limit)s FOR UPDATE SKIP LOCKED""",
        {"name": name, "before": before, "limit": limit},
    )
    old = [_claimed(row) for row in await found.fetchall()]
    if old:
        detail = f"not taken since {before:%Y-%m-%dT%H:%MZ} or earlier"
        aside = [Outcome("dead_letter", reason_code="integration.retries_exhausted", detail=detail)] * len(old)
        await record(connection, name, "park", old, aside, now=now, chance=chance)
    return len(old)


async def adopt_orphans(db: Database, names: Collection[str]) -> int:
    """Deliveries found `sending` whose worker is gone become `unknown`: their outcome is asked for at once. So is what
    a worker was just asking for when it went: the next probe was set far ahead, in case it takes its time.
    """
    adopted = 0
    while keys := await _orphans(db, names):
        async with db.connection() as connection:
            found = await execute(
                connection,
                """WITH orphan AS (
                    UPDATE deliveries.delivery SET state = 'unknown', claimed_by = NULL, due_at = tripartite_now(),
                        reason_code = 'posting.outcome_unknown', detail = 'the worker ended while sending',
                        updated_at = tripartite_now()
                    WHERE key = ANY(%(keys)s) AND state = 'sending' AND claimed_by = ANY(%(gone)s) RETURNING key),
                unasked AS (
                    UPDATE deliveries.delivery SET claimed_by = NULL, due_at = least(due_at, tripartite_now())
                    WHERE key = ANY(%(keys)s) AND state IN ('unknown', 'accepted') AND claimed_by = ANY(%(gone)s))
                INSERT INTO deliveries.attempt (key, act, answer, detail)
                SELECT key, 'crash', 'unknown', 'the worker ended while sending' FROM orphan RETURNING key""",
                {"keys": list(keys), "gone": sorted(set(keys.values()))},
            )
            adopted += len(await found.fetchall())
        if len(keys) < ORPHANS:
            break
    if adopted:
        log.warning("deliveries adopted", extra={"connections": sorted(names), "count": adopted})
    return adopted


async def _orphans(db: Database, names: Collection[str]) -> dict[str, int]:
    """Deliveries that a worker holds who is gone: key -> worker. In the order of the small index of what is held, so
    that no statistics can lead to reading them all.
    """
    async with db.connection() as connection:
        found = await execute(
            connection,
            """SELECT h.key, h.claimed_by FROM
                (SELECT key, connection, claimed_by FROM deliveries.delivery WHERE claimed_by IS NOT NULL
                    ORDER BY claimed_by LIMIT %s) AS h
            WHERE h.connection = ANY(%s) AND NOT EXISTS
                (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = h.claimed_by)""",
            (ORPHANS, list(names), _LOCK_CLASS),
        )
        return dict(await found.fetchall())


async def hold_worker_lock(db_url: str, worker: int, held: asyncio.Event | None = None) -> None:
    """Hold the lock that says worker number `worker` lives, until cancelled. It dies with the process."""
    import psycopg

    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                db_url, autocommit=True, application_name="tripartite worker lock"
            ) as connection:
                await connection.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCK_CLASS, worker))
                if held is not None:
                    held.set()
                while True:
                    await asyncio.sleep(5.0)
                    await connection.execute("SELECT 1")
        except psycopg.OperationalError:
            await asyncio.sleep(0.2)


async def record(
    connection: Connection,
    name: str,
    act: str,
    claimed: Sequence[Claimed],
    outcomes: Sequence[Outcome],
    *,
    now: datetime,
    chance: random.Random,
    trace_id: str = "",
    quiet: Collection[State] = (),
) -> None:
    """Write answers: new states, attempts, audit leaves of what is final, and the outcome messages, in this order.

    Outcomes in one of the `quiet` states are no news to anybody: no leaf and no message.
    """
    updated = await execute(
        connection,
        """UPDATE deliveries.delivery d SET state = n.state, due_at = n.due, claimed_by = NULL,
        remote_ref = CASE WHEN n.ref = '' THEN d.remote_ref ELSE n.ref END, reason_code = n.reason, detail = n.detail,
        accepted_at = CASE WHEN n.state = 'accepted' THEN coalesce(d.accepted_at, %s) ELSE d.accepted_at END,
        updated_at = %s
        FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[])
            AS n (key, state, due, ref, reason, detail)
        WHERE d.key = n.key AND d.state = ANY(%s) RETURNING d.key""",
        (
            now,
            now,
            [each.outbound.key for each in claimed],
            [each.state for each in outcomes],
            [now + timedelta(seconds=each.due_in_seconds) for each in outcomes],
            [each.remote_ref for each in outcomes],
            [each.reason_code for each in outcomes],
            [each.detail for each in outcomes],
            list(_STANDING[act]),
        ),
    )
    # A delivery that somebody else has settled meanwhile is left as it is: its outcome was told by them.
    changed = {row[0] for row in await updated.fetchall()}
    await _note_attempts(connection, act, claimed, outcomes, trace_id)
    messages, leaves = [], []
    for each, outcome in zip(claimed, outcomes, strict=True):
        if each.outbound.key not in changed or outcome.state in quiet:
            continue
        if each.state == outcome.state == "accepted":
            continue  # asked again and no further: that is an attempt, and no news
        told = _told(name, each, outcome, now)
        payload = codec.encode(told)
        if outcome.state in ("settled", "rejected", "dead_letter"):
            leaves.append(
                make_leaf(
                    f"delivery.{outcome.state}",
                    each.object_id,
                    each.outbound.company_code,
                    each.outbound.correlation_id,
                    payload,
                    chance.randbytes(16),
                )
            )
        messages.append(
            Outgoing(
                OUTCOMES,
                Message(
                    message_id=stable_id("msg", each.outbound.key, outcome.state, str(each.attempts), str(each.probes)),
                    type=f"tripartite.delivery.{outcome.state}.v1",
                    company_code=each.outbound.company_code,
                    key=each.object_id,
                    correlation_id=each.outbound.correlation_id,
                    causation_id=each.causation_id,
                    occurred_at=now,
                    payload=payload,
                    source=name,
                    trace_id=trace_id,
                ),
            )
        )
    await write_leaves(connection.cursor(), leaves)
    await publish(connection, messages)


def _told(name: str, each: Claimed, outcome: Outcome, now: datetime) -> DeliveryOutcome:
    return DeliveryOutcome(
        key=each.outbound.key,
        connection=name,
        operation=each.outbound.operation,
        object_kind=each.object_kind,
        object_id=each.object_id,
        object_version=each.object_version,
        state=outcome.state,
        at=now,
        remote_ref=outcome.remote_ref,
        reason_code=outcome.reason_code,
        detail=outcome.detail,
        attempts=each.attempts,
        probes=each.probes,
    )


async def _note_attempts(
    connection: Connection, act: str, claimed: Sequence[Claimed], outcomes: Sequence[Outcome], trace_id: str
) -> None:
    await execute(
        connection,
        """INSERT INTO deliveries.attempt (key, act, answer, detail, trace_id)
        SELECT n.key, %s, n.answer, n.detail, %s FROM unnest(%s::text[], %s::text[], %s::text[])
            AS n (key, answer, detail)""",
        (
            act,
            trace_id,
            [each.outbound.key for each in claimed],
            [each.state for each in outcomes],
            [each.detail for each in outcomes],
        ),
    )


async def note_call(
    db: Database, name: str, failed: bool, open_until: datetime | None, reason: str, now: datetime
) -> None:
    """Keep what is known of a connection: its circuit and its last good answer."""
    async with db.connection() as connection:
        await execute(
            connection,
            """INSERT INTO deliveries.connection AS c (connection, circuit, failures, retry_at, reason, since,
                last_ok_at, calls, failed_calls)
            VALUES (%(name)s, %(circuit)s, %(failed)s, %(retry)s, %(reason)s, CASE WHEN %(circuit)s = 'open' THEN
                %(now)s::timestamptz END, CASE WHEN %(failed)s = 0 THEN %(now)s::timestamptz END, 1, %(failed)s)
            ON CONFLICT (connection) DO UPDATE SET calls = c.calls + 1, failed_calls = c.failed_calls + %(failed)s,
                failures = CASE WHEN %(failed)s = 1 THEN c.failures + 1 ELSE 0 END, circuit = EXCLUDED.circuit,
                retry_at = EXCLUDED.retry_at, reason = EXCLUDED.reason,
                since = CASE WHEN EXCLUDED.circuit = 'closed' THEN NULL ELSE coalesce(c.since, EXCLUDED.since) END,
                last_ok_at = coalesce(EXCLUDED.last_ok_at, c.last_ok_at)
            WHERE c.circuit <> 'halted'""",
            {
                "name": name,
                "circuit": "open" if open_until else "closed",
                "failed": int(failed),
                "retry": open_until,
                "reason": reason[:500],
                "now": now,
            },
        )
