"""Dates that come: invoices whose date to be looked at again is due are told to be."""

from __future__ import annotations

from tripartite.components.invoices import store
from tripartite.core.envelope import Message
from tripartite.core.events import INVOICE_COMMANDS
from tripartite.runtime.bus import Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection


async def look_again(ports: Ports) -> None:
    """Publish a command for each invoice that is due; the decision is the handler's."""

    async def work(connection: Connection) -> None:
        now = ports.clock.now()
        due = await store.due_checks(connection, now, 1000)
        await publish(
            connection,
            [
                Outgoing(
                    INVOICE_COMMANDS,
                    Message(
                        message_id=ports.ids.new("msg"),
                        type="tripartite.date.reached.v1",
                        company_code=company,
                        key=invoice_id,
                        correlation_id=correlation,
                        occurred_at=now,
                        payload=invoice_id.encode(),
                    ),
                )
                for invoice_id, company, correlation in due
            ],
        )

    await ports.db.transaction(work)
