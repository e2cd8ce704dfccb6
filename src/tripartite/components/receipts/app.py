"""The receipts component: goods receipts, returns, reversals, service entries; asking for them afresh."""

from __future__ import annotations

from functools import partial

from tripartite.components.receipts import flows
from tripartite.components.receipts.handlers import Receipts
from tripartite.components.receipts.routes import routes
from tripartite.core.events import ANSWERS, CANONICAL, RECEIPT_COMMANDS
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Ports, Schedule
from tripartite.runtime.db import MigrationSet
from tripartite.runtime.deliveries import OUTCOMES


def _consumers(ports: Ports) -> list[Consumer]:
    handlers = Receipts(ports)
    return [
        Consumer("receipts", CANONICAL["receipt"], handlers.on_receipts_received),
        Consumer("receipts", RECEIPT_COMMANDS, handlers.on_commands),
        Consumer("receipts", ANSWERS, handlers.on_answers),
        Consumer("receipts", OUTCOMES, handlers.on_outcomes),
    ]


def _schedules(ports: Ports) -> list[Schedule]:
    return [Schedule("receipts_requery", 60, partial(flows.requery_due, ports))]


component = Component(
    "receipts",
    MigrationSet("receipts", "tripartite.components.receipts.migrations"),
    consumers=_consumers,
    schedules=_schedules,
    routes=routes,
)
