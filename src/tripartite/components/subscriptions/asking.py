"""How far a subscriber is: its circuit, and what is owed to it of the companies that the reader may see."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tripartite.runtime.db import Connection, execute

_CIRCUIT = ("circuit", "failures", "reason", "since", "retry_at", "last_ok_at", "calls", "failed_calls")


async def standing(connection: Connection, names: Collection[str]) -> dict[str, dict[str, Any]]:
    """By name. Settled events are not counted: they are all there ever were."""
    circuits = await execute(
        connection,
        f"SELECT connection, {', '.join(_CIRCUIT)} FROM deliveries.connection WHERE connection = ANY(%s)",
        (sorted(names),),
    )
    found: dict[str, dict[str, Any]] = {
        name: {**dict.fromkeys(_CIRCUIT), "circuit": "closed", "failures": 0, "calls": 0, "failed_calls": 0}
        for name in names
    }
    for row in await circuits.fetchall():
        found[row[0]] = dict(zip(_CIRCUIT, row[1:], strict=True))
    owed = await execute(
        connection,
        """SELECT connection, count(*), min(created_at) FROM deliveries.delivery WHERE connection = ANY(%(names)s)
            AND (state IN ('intended', 'waiting') AND mode = 'act' OR state IN ('unknown', 'accepted')) GROUP BY 1""",
        {"names": sorted(names)},
    )
    aside = await execute(
        connection,
        """SELECT connection, count(*) FROM deliveries.delivery WHERE connection = ANY(%(names)s)
            AND state IN ('rejected', 'unknown', 'dead_letter') AND state = 'dead_letter' GROUP BY 1""",
        {"names": sorted(names)},
    )
    for each in found.values():
        each.update(waiting=0, waiting_since=None, dead_letters=0)
    for name, count, since in await owed.fetchall():
        found[name].update(waiting=count, waiting_since=since)
    for name, count in await aside.fetchall():
        found[name].update(dead_letters=count)
    return found
