"""What control does on its own: the audit sequencer, and telling of exceptions whose due time has passed."""

from __future__ import annotations

import asyncio
from datetime import datetime

from tripartite.components.control import store
from tripartite.components.control.sequencer import run_sequencer
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import EXCEPTION_COMMANDS, EscalateException
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.ids import stable_id
from tripartite.runtime.audit import load_or_create_signer
from tripartite.runtime.bus import Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection


async def seal(ports: Ports) -> None:
    """Number, hash and seal pending leaves until cancelled."""
    signer = load_or_create_signer(ports.settings.home / "audit.key", f"tripartite/{ports.estate.name or 'estate'}")
    await run_sequencer(ports.db, signer=signer, stop=asyncio.Event())


async def tell_overdue(ports: Ports) -> None:
    """Tell the owner, once, that an exception is past its due time, and ask its component to tell the next role."""
    now = ports.clock.now()

    async def work(connection: Connection) -> None:
        late = await store.overdue(connection, now, 500)
        await store.add_notices(
            connection,
            [
                (
                    stable_id("due", record.exception_id),
                    record.owner_role,
                    record.exception_id,
                    record.company_code,
                    f"Due since {record.due_at:%Y-%m-%dT%H:%MZ}: {record.words}",
                    now,
                )
                for record in late
                if record.due_at is not None
            ],
        )
        await publish(connection, [_escalate(record, now) for record in late if not record.is_paused])

    await ports.db.transaction(work)


def _escalate(record: ExceptionRecord, now: datetime) -> Outgoing:
    return Outgoing(
        EXCEPTION_COMMANDS,
        Message(
            message_id=stable_id("msg", EXCEPTION_COMMANDS, record.exception_id, "escalate"),
            type="tripartite.exception.escalate.v1",
            company_code=record.company_code,
            key=record.object_id,
            correlation_id=record.correlation_id,
            occurred_at=now,
            payload=codec.encode(EscalateException(record.exception_id, record.object_kind)),
        ),
    )
