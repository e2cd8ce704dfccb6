"""Dates that come: invoices to be looked at again, and tax questions that nobody answered, asked again."""

from __future__ import annotations

from datetime import datetime

from tripartite.components.invoices import quote_store, store
from tripartite.components.invoices.quoting import AGAIN_AFTER, ask_of
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import ASKS, INVOICE_COMMANDS
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
            [_look(ports, invoice_id, company, correlation, now) for invoice_id, company, correlation in due],
        )

    await ports.db.transaction(work)


async def ask_tax_again(ports: Ports) -> None:
    """Put tax questions again that are due: nobody answered, or what came could not be read.

    The first time that happens silently (an answer that was set aside, say) the invoices behind it are told to be
    looked at, so that they say so.
    """

    async def work(connection: Connection) -> None:
        now = ports.clock.now()
        due = await quote_store.due(connection, now, 200)
        asked = await quote_store.questions(connection, [number for number, _ in due])
        silent = [number for number, failed in due if not failed]
        for number in silent:
            again = now + AGAIN_AFTER
            await quote_store.fail(
                connection, number, "the tax engine was asked and no readable answer came", now, again
            )
        outgoing = [
            Outgoing(
                ASKS,
                Message(
                    message_id=ports.ids.new("msg"),
                    type="tripartite.question.asked.v1",
                    company_code=each.company_code,
                    key=each.number,
                    correlation_id=each.correlation_id,
                    occurred_at=now,
                    payload=codec.encode(ask_of(each.number, each.question)),
                ),
            )
            for each in asked.values()
            if each.engine == "connection"
        ]
        outgoing += [_look(ports, *each, now) for each in await quote_store.waiting(connection, silent)]
        await publish(connection, outgoing)

    await ports.db.transaction(work)


def _look(ports: Ports, invoice_id: str, company: str, correlation: str, now: datetime) -> Outgoing:
    return Outgoing(
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
