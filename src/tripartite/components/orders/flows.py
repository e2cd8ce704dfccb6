"""What the orders component asks again: budget questions whose answer decided nothing yet. Decides nothing itself."""

from __future__ import annotations

from datetime import timedelta

from tripartite.components.orders import budget_store
from tripartite.components.orders.budgets import question
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import ASKS
from tripartite.runtime.bus import Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection

AGAIN_AFTER = timedelta(minutes=1)
MOST = 200


async def ask_budgets_again(ports: Ports) -> None:
    """Ask once more about each cost centre with a check that waits: the next answer brings nothing new, and decides."""

    async def work(connection: Connection) -> None:
        now = ports.clock.now()
        due = await budget_store.overdue(connection, now - AGAIN_AFTER, now, MOST)
        await publish(
            connection,
            [
                Outgoing(
                    ASKS,
                    Message(
                        message_id=ports.ids.new("msg"),
                        type="tripartite.question.asked.v1",
                        company_code=company,
                        key=centre,
                        correlation_id=correlation,
                        occurred_at=now,
                        payload=codec.encode(question(company, centre)),
                    ),
                )
                for company, centre, correlation in due
            ],
        )

    await ports.db.transaction(work)
