"""What runs for subscribers: a deliverer for each, and the setting aside of what nobody took within its time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any

from tripartite.core.estate import Subscriber
from tripartite.runtime.bus import Hints
from tripartite.runtime.component import Loop, Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.deliveries import park_old
from tripartite.runtime.due import Due
from tripartite.runtime.notifying import IDLE_SECONDS, Notifier, owed_to_subscribers

PARKED_TOGETHER = 500
KEPT_HOURS = 75  # for a subscriber that the estate no longer names


def notifiers(ports: Ports) -> list[Loop]:
    """One lane a subscriber: a slow or dead one keeps nobody waiting. None where this process calls nobody."""
    if ports.webhook is None or not ports.estate.subscribers:
        return []
    due = Due(ports.db, ports.clock, Hints(ports.db.url), [each.name for each in ports.estate.subscribers])
    lanes = [Loop(f"notify {each.name}", _lane(ports, each, due)) for each in ports.estate.subscribers]
    return [Loop("due to subscribers", due.run), *lanes]


def notifier(ports: Ports, subscriber: Subscriber) -> Notifier:
    assert ports.webhook is not None
    return Notifier(
        ports.db,
        subscriber.name,
        ports.webhook(subscriber),
        worker=ports.worker,
        clock=ports.clock,
        chance=ports.chance,
        telemetry=ports.telemetry,
    )


def _lane(ports: Ports, subscriber: Subscriber, due: Due) -> Callable[[], Coroutine[Any, Any, None]]:
    run = notifier(ports, subscriber).run
    return partial(run, partial(due.wait, subscriber.name), idle_seconds=IDLE_SECONDS)


async def park_what_nobody_took(ports: Ports) -> int:
    """Set aside events older than their subscriber's time; how many. They are dead letters and may be replayed."""
    keep = {each.name: each.keep_hours for each in ports.estate.subscribers}
    now, parked = ports.clock.now(), 0
    for name in await owed_to_subscribers(ports.db):
        before = now - timedelta(hours=keep.get(name, KEPT_HOURS))

        async def work(connection: Connection, name: str = name, before: Any = before) -> int:
            return await park_old(connection, name, before, PARKED_TOGETHER, now=now, chance=ports.chance)

        while taken := await ports.db.transaction(work):
            parked += taken
    return parked


async def park(ports: Ports) -> None:
    await park_what_nobody_took(ports)
