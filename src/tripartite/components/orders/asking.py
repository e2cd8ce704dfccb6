"""A question of a caller that recorded facts do not answer: put to procurement through the gateway, waited for briefly.

The question goes the way of every question (one door for what comes in), so its answer is kept as it came and read
like any other document. No transaction is open while we wait, and no caller waits longer than `LONGEST_SECONDS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tripartite.components.orders import budget_store as store
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import ASKS, Ask
from tripartite.core.ids import stable_id
from tripartite.runtime.bus import Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection

LONGEST_SECONDS = 3
LOOKS_A_SECOND = 10


async def wait_until(ports: Ports, ready: Callable[[Connection], Awaitable[bool]]) -> bool:
    """Look until `ready` says yes, for `LONGEST_SECONDS` at most."""
    until = ports.clock.counter() + LONGEST_SECONDS
    while True:
        async with ports.db.connection() as connection:
            if await ready(connection):
                return True
        if ports.clock.counter() >= until:
            return False
        await ports.clock.sleep(1 / LOOKS_A_SECOND)


async def put_question(ports: Ports, ask: Ask, ready: Callable[[Connection], Awaitable[bool]]) -> bool:
    """Ask procurement and wait for its answer to be read: `ready` says whether what it brought is there.

    True where the answer is known, also where it brought nothing new. False: not within the time; it still comes.
    """
    now = ports.clock.now()
    place = (ask.company_code, ask.question, ask.reference)

    async def work(connection: Connection) -> None:
        await store.note_asked(connection, [place], now)
        message = Message(
            message_id=ports.ids.new("msg"),
            type="tripartite.question.asked.v1",
            company_code=ask.company_code,
            key=ask.reference,
            correlation_id=stable_id("c", *place),
            occurred_at=now,
            payload=codec.encode(ask),
        )
        await publish(connection, [Outgoing(ASKS, message)])

    await ports.db.transaction(work)

    async def known(connection: Connection) -> bool:
        answer = await store.answered(connection, place)
        if answer is None or answer[0] < now:
            return False
        return answer[1] == 0 or bool(answer[2]) or await ready(connection)

    return await wait_until(ports, known)
