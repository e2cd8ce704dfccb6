"""What is due on which connection, asked once for all the lanes of a process.

A lane that asked for itself ten times a second would cost three statements each time, for every connection, also where
nothing is owed. Here one question is asked for all of them: when something new is owed (a hint), and every tenth of a
second, which is the guarantee. Deliveries whose worker died are looked for once a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import psycopg

from tripartite.runtime.bus import Hints
from tripartite.runtime.clock import Clock
from tripartite.runtime.db import Database, DatabaseGone, execute
from tripartite.runtime.deliveries import OWED, adopt_orphans

log = logging.getLogger(__name__)

FILL_SECONDS = 0.01
LOOK_SECONDS = 0.1
ORPHANS_SECONDS = 1.0


class Due:
    """Wakes the lanes of those connections that have something to send or to ask for."""

    def __init__(self, db: Database, clock: Clock, hints: Hints, names: Sequence[str]) -> None:
        self._db, self._clock = db, clock
        self._hint = hints.event(OWED)
        self._found = {name: asyncio.Event() for name in names}

    async def wait(self, name: str) -> None:
        """Return when something is due on this connection."""
        await self._found[name].wait()
        self._found[name].clear()

    async def run(self) -> None:
        """Look until cancelled; the database may go and come back."""
        orphans_at = 0.0
        while self._found:
            self._hint.clear()
            try:
                if self._clock.counter() >= orphans_at:
                    await adopt_orphans(self._db, list(self._found))
                    orphans_at = self._clock.counter() + ORPHANS_SECONDS
                for name in await self._look():
                    self._found[name].set()
            except (DatabaseGone, psycopg.Error, OSError) as error:
                log.warning("database away", extra={"error": str(error)[:200]})
                await asyncio.sleep(0.5)
            try:
                await asyncio.wait_for(self._hint.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue
            await asyncio.sleep(FILL_SECONDS)  # what is owed together is sent together

    async def _look(self) -> list[str]:
        async with self._db.connection() as connection:
            found = await execute(
                connection,
                """SELECT n.name FROM unnest(%(names)s::text[]) AS n (name)
                WHERE EXISTS (SELECT 1 FROM deliveries.delivery d WHERE d.connection = n.name
                        AND d.state IN ('intended', 'waiting') AND d.mode = 'act' AND d.due_at <= %(now)s)
                OR EXISTS (SELECT 1 FROM deliveries.delivery d WHERE d.connection = n.name
                        AND d.state IN ('unknown', 'accepted') AND d.due_at <= %(now)s)""",
                {"names": list(self._found), "now": self._clock.now()},
            )
            return [row[0] for row in await found.fetchall()]
