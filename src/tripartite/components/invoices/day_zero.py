"""Day zero, the whole step: facts of before are taken in, what may be released follows, and who is concerned is woken.

Each function is one part of the caller's transaction (a chunk of a file). Loading late is as good as loading early: an
invoice that was decided without these facts is decided again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tripartite.components.invoices import opening, store
from tripartite.components.invoices.handlers import releasable
from tripartite.components.invoices.opening import Loaded, LoadedBill, LoadedLine
from tripartite.core.envelope import Message
from tripartite.core.events import INVOICE_COMMANDS
from tripartite.core.ids import stable_id
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.db import Connection


async def take_openings(connection: Connection, digest: str, rows: Sequence[LoadedLine]) -> Loaded:
    """Take opening balances in and keep what may be released in step.

    The orders are locked after the write and before the look at who names them: an invoice that is being decided now
    either sees these balances or is seen here.
    """
    standings = await opening.load_openings(connection, digest, rows)
    keys = {
        (each.company_code, each.opening.order_number)
        for each, standing in zip(rows, standings, strict=True)
        if standing == "applied"
    }
    if not keys:
        return Loaded(standings)
    orders = await store.lock_orders(connection, keys)
    receipts = await store.receipts_of(connection, keys)
    openings = await opening.openings_of(connection, keys)
    await store.set_releasable(connection, releasable(orders, receipts, openings))
    named = await store.open_invoices_of_orders(connection, keys, opening.AGAIN)
    return Loaded(standings, sorted((key[0], invoice_id) for invoice_id, key in named.items()))


async def take_billed(connection: Connection, digest: str, rows: Sequence[LoadedBill]) -> Loaded:
    """Take bills of before in. Whoever decides holds the supplier master: he is waited for before the look around."""
    standings = await opening.load_billed(connection, digest, rows)
    if "applied" not in standings:
        return Loaded(standings)
    await store.hold_master(connection, change=True)
    return Loaded(standings, await opening.repeating(connection))


def look_again(loaded: Loaded, digest: str, correlation_id: str, at: datetime) -> list[Outgoing]:
    """The commands to decide again whom the loaded facts concern."""
    return [
        Outgoing(
            INVOICE_COMMANDS,
            Message(
                message_id=stable_id("msg", "opening", digest, invoice_id, correlation_id),
                type="tripartite.opening.loaded.v1",
                company_code=company,
                key=invoice_id,
                correlation_id=correlation_id,
                occurred_at=at,
                payload=invoice_id.encode(),
            ),
        )
        for company, invoice_id in loaded.wakes
    ]
