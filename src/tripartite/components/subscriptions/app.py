"""The subscriptions component: our events to whoever the estate names, as signed CloudEvents. It owns no tables: what a
subscriber has read is its cursor, and what it is owed are deliveries.
"""

from __future__ import annotations

from functools import partial

from tripartite.components.subscriptions import flows
from tripartite.components.subscriptions.handlers import Listening
from tripartite.components.subscriptions.routes import routes
from tripartite.core.contracts.published import wanted
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Ports, Schedule
from tripartite.runtime.db import MigrationSet


def _consumers(ports: Ports) -> list[Consumer]:
    return [
        Consumer(f"subscriber {each.name}", topic, Listening(ports, each).on_events)
        for each in ports.estate.subscribers
        for topic in sorted({event.topic for event in wanted(each.events)})
    ]


component = Component(
    "subscriptions",
    MigrationSet("subscriptions", "tripartite.components.subscriptions.migrations"),
    consumers=_consumers,
    schedules=lambda ports: [Schedule("subscriptions_park", 60, partial(flows.park, ports))],
    loops=flows.notifiers,
    routes=routes,
)
