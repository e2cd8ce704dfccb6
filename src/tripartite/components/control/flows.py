"""What control does on its own: the audit sequencer, and telling of exceptions whose due time has passed."""

from __future__ import annotations

import asyncio

from tripartite.components.control import store
from tripartite.components.control.sequencer import run_sequencer
from tripartite.core.ids import stable_id
from tripartite.runtime.audit import load_or_create_signer
from tripartite.runtime.component import Ports


async def seal(ports: Ports) -> None:
    """Number, hash and seal pending leaves until cancelled."""
    signer = load_or_create_signer(ports.settings.home / "audit.key", f"tripartite/{ports.estate.name or 'estate'}")
    await run_sequencer(ports.db, signer=signer, stop=asyncio.Event())


async def tell_overdue(ports: Ports) -> None:
    """Tell the owner, once, that an exception is past its due time."""
    now = ports.clock.now()
    async with ports.db.connection() as connection:
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
