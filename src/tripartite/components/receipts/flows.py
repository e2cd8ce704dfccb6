"""Asking again: orders whose receipts were asked for and did not come are asked for after an hour, then daily."""

from __future__ import annotations

from tripartite.components.receipts import store
from tripartite.components.receipts.handlers import question
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import ASKS
from tripartite.runtime.bus import Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection


async def requery_due(ports: Ports) -> None:
    """Publish the questions that are due again; the row's next date is set in the same transaction."""

    async def work(connection: Connection) -> None:
        now = ports.clock.now()
        due = await store.due_requeries(connection, now, 200)
        await publish(
            connection,
            [
                Outgoing(
                    ASKS,
                    Message(
                        message_id=ports.ids.new("msg"),
                        type="tripartite.question.asked.v1",
                        company_code=company,
                        key=number,
                        correlation_id=correlation,
                        occurred_at=now,
                        payload=codec.encode(question(company, number)),
                        causation_id=invoice,
                    ),
                )
                for company, number, invoice, correlation in due
            ],
        )

    await ports.db.transaction(work)
