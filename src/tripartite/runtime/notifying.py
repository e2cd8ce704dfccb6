"""Telling subscribers: one event is one signed POST, owed, retried and set aside like any other delivery.

A subscriber is a connection of the deliveries whose other side knows each event by its `webhook-id`: sending again
under the same id is safe and is what a lost answer asks for, so nothing here is ever *unknown* for long. Only a status
of 200 to 299 is a yes. 410 halts the subscriber until a person lets it go on. One that fails is tried with one event
at a time and in growing steps, so a dead subscriber costs a call now and then, whatever waits for it. Standard
Webhooks, except that a redirect is a failure and is never followed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from tripartite.core import codec
from tripartite.core.contracts.cloudevents import MEDIA_TYPE
from tripartite.core.estate import Subscriber
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.clock import Clock
from tripartite.runtime.db import Connection, Database, execute
from tripartite.runtime.deliveries import CIRCUIT_AFTER, Deliverer, Timing, note_call
from tripartite.runtime.http import Limits, OutboundHttp
from tripartite.runtime.outbound import OutboundRules
from tripartite.runtime.protocol import (
    Absent,
    Answer,
    Call,
    Client,
    ClientPorts,
    HttpFailure,
    Idempotency,
    Manifest,
    Outbound,
    RetryLater,
    Secret,
    Settled,
    retry_after,
)
from tripartite.runtime.telemetry import Telemetry
from tripartite.runtime.webhooks import sign_webhook

log = logging.getLogger(__name__)

OPERATION = "notify"  # followed by a blank and the event's short name
MANIFEST = Manifest(
    kind="webhook",
    title="Subscriber by webhook",
    roles=(),
    api_version="Standard Webhooks 1.0, CloudEvents 1.0",
    auth="hmac",
    writes=(OPERATION,),
    bulk_limit=20,  # POSTs at the same time, all of different objects
    rate_per_second=50.0,
    burst=50,
    idempotency=Idempotency("key", 30 * 86_400, "the receiver drops a webhook-id that it has seen"),
    links=("https://www.standardwebhooks.com", "https://cloudevents.io"),
)
# By age and not by number of attempts is an event set aside (`park_old`): a day of silence costs few attempts or many.
PATIENCE = Timing(
    commit_latency=0.0,
    read_lag=0.0,
    key_window=float(MANIFEST.idempotency.window_seconds),
    retry_first=5.0,
    retry_most=4 * 3_600.0,
    most_attempts=1_000_000,
)
ANSWER_SECONDS = 15.0
ANSWER_BYTES = 64 * 1024  # nobody reads the answer of a webhook
PAUSE_FIRST_SECONDS = 1.0
PAUSE_MOST_SECONDS = 300.0
IDLE_SECONDS = 0.25


class Gone(RetryLater, frozen=True):
    """410: the subscriber wants nothing more. The event waits with the others until a person decides."""


class WebhookClient:
    """POSTs events to one address. Errors: none; whatever happens is an answer."""

    def __init__(self, url: str, secrets: Sequence[Secret], ports: ClientPorts) -> None:
        self._url, self._secrets, self._ports = url, tuple(secrets), ports

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        return await asyncio.gather(*(self._post(item) for item in items))

    async def _post(self, item: Outbound) -> Answer:
        now = self._ports.now()
        headers = {
            "content-type": MEDIA_TYPE,
            "user-agent": "tripartite",
            **sign_webhook(item.key, now, item.payload, self._secrets),
        }
        try:
            answer = await self._ports.http.request(
                "POST",
                self._url,
                headers=headers,
                content=item.payload,
                timeout_seconds=ANSWER_SECONDS,
                operation=OPERATION,
            )
        except HttpFailure as failure:
            return RetryLater(f"no answer: {failure}"[:500])
        if 200 <= answer.status_code < 300:
            return Settled(f"HTTP {answer.status_code}")
        if answer.status_code == 410:
            return Gone("answered 410: it wants nothing more")
        return RetryLater(f"answered {answer.status_code}", retry_after(answer.headers, self._ports.now()))

    async def probe(self, item: Outbound) -> Absent:
        """Nobody can be asked whether an event arrived: it is sent again under its id, which the receiver knows."""
        return Absent("told again under the same webhook-id")

    async def close(self) -> None:
        close = getattr(self._ports.http, "close", None)
        if close is not None:
            await close()


def open_webhook(
    subscriber: Subscriber,
    secrets: Sequence[Secret],
    clock: Clock,
    *,
    loopback: bool = False,
    on_call: Callable[[Call], None] | None = None,
) -> WebhookClient:
    """The way to one subscriber, by the strictest rules whatever the estate allows its own systems: https at port 443
    to public addresses. `loopback` lets this machine be reached too; development estates only.

    Errors: `OutboundRefused` for an address that nobody may be told at.
    """
    http = OutboundHttp(
        subscriber.url,
        name=subscriber.name,
        rules=OutboundRules(allow_loopback=loopback),
        limits=Limits(body_bytes=ANSWER_BYTES),
        on_call=on_call,
    )
    return WebhookClient(subscriber.url, secrets, ClientPorts(http, clock.now, clock.sleep))


class Notifier(Deliverer):
    """Delivers to one subscriber. Halted ones are not called; `resume` lets them go on."""

    def __init__(
        self,
        db: Database,
        name: str,
        client: WebhookClient,
        *,
        worker: int,
        clock: Clock,
        chance: random.Random,
        telemetry: Telemetry,
    ) -> None:
        whole: Any = client  # of a Client it is what deliveries need: submit and probe
        vendor: Client = whole
        super().__init__(
            *(db, name, MANIFEST, vendor),
            worker=worker,
            clock=clock,
            chance=chance,
            telemetry=telemetry,
            timing=PATIENCE,
            quiet=("settled", "waiting", "unknown"),
        )

    async def round(self) -> int:
        if await is_halted(self._db, self.name):
            return 0
        return await super().round()

    async def _judge(self, answers: Sequence[object]) -> None:
        """One failure is enough to wait: the next call is a single event, and the pause doubles until one arrives."""
        now = self._clock.now()
        failures = [answer for answer in answers if isinstance(answer, RetryLater)]
        if any(isinstance(answer, Gone) for answer in failures):
            log.error("a subscriber is gone and is told nothing more", extra={"connection": self.name})
            await halt(self._db, self.name, "answered 410: it wants nothing more", now)
            return
        failed = len(failures) == len(answers)
        asked = max((answer.after_seconds or 0.0 for answer in failures), default=0.0)
        self._failures = self._failures + 1 if failed else 0
        pause = min(PAUSE_MOST_SECONDS, PAUSE_FIRST_SECONDS * 2.0 ** (self._failures - 1)) if failed else 0.0
        pause = max(pause, asked)
        self._together = max(1, self._together // 2) if failures else min(MANIFEST.bulk_limit, self._together * 2)
        if failed:
            self._together = 1
        self._open_until = now + timedelta(seconds=pause) if pause else None
        told = self._open_until if self._failures >= CIRCUIT_AFTER or asked else None
        await note_call(self._db, self.name, failed, told, failures[0].reason if failures else "", now)


async def is_halted(db: Database, name: str) -> bool:
    rows = await db.rows("SELECT 1 FROM deliveries.connection WHERE connection = %s AND circuit = 'halted'", (name,))
    return bool(rows)


async def halt(db: Database, name: str, reason: str, now: datetime) -> None:
    """Tell a subscriber nothing more until `resume`. What is owed to it waits, and is set aside in the end."""
    async with db.connection() as connection:
        await execute(
            connection,
            """INSERT INTO deliveries.connection AS c (connection, circuit, failures, reason, since)
            VALUES (%(name)s, 'halted', 1, %(reason)s, %(now)s) ON CONFLICT (connection) DO UPDATE
            SET circuit = 'halted', reason = %(reason)s, retry_at = NULL,
                since = CASE WHEN c.circuit = 'halted' THEN c.since ELSE %(now)s END""",
            {"name": name, "reason": reason[:500], "now": now},
        )


async def resume(connection: Connection, name: str, by: str, now: datetime, chance: random.Random) -> bool:
    """Let a halted subscriber go on, inside the caller's transaction; False where it is not halted. `by` said so.

    What waits for it goes out at once: the time it was halted does not count as failed attempts.
    """
    found = await execute(
        connection,
        """UPDATE deliveries.connection SET circuit = 'closed', failures = 0, reason = '', since = NULL
        WHERE connection = %s AND circuit = 'halted' RETURNING since""",
        (name,),
    )
    if await found.fetchone() is None:
        return False
    await execute(
        connection,
        """UPDATE deliveries.delivery SET due_at = %(now)s, updated_at = %(now)s
        WHERE connection = %(name)s AND state IN ('intended', 'waiting') AND due_at > %(now)s""",
        {"name": name, "now": now},
    )
    record = codec.encode({"subscriber": name, "by": by, "at": now})
    await write_leaves(
        connection.cursor(), [make_leaf("subscriber.resumed", name, "*", "", record, chance.randbytes(16))]
    )
    return True


async def owed_to_subscribers(db: Database) -> list[str]:
    """Whoever is owed an event that did not arrive yet, subscribers that the estate no longer names included."""
    rows = await db.rows(
        """SELECT DISTINCT connection FROM deliveries.delivery
        WHERE (state IN ('intended', 'waiting') AND mode = 'act' OR state IN ('unknown', 'accepted'))
        AND operation LIKE %s ORDER BY 1""",
        (f"{OPERATION} %",),
    )
    return [row[0] for row in rows]
