"""The receipts component: goods receipts, returns, reversals, service entries; asking for them afresh."""

from __future__ import annotations

from functools import partial

from litestar.handlers import HTTPRouteHandler

from tripartite.components.receipts import acting, flows
from tripartite.components.receipts.handlers import Receipts
from tripartite.components.receipts.routes import routes
from tripartite.core.events import ANSWERS, CANONICAL, EXCEPTION_COMMANDS, RECEIPT_COMMANDS
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Ports, Schedule
from tripartite.runtime.db import MigrationSet
from tripartite.runtime.deliveries import OUTCOMES
from tripartite.runtime.exception_routes import exception_routes

PICTURE_MS = 50  # most outcomes are of postings, which are others' business


def _consumers(ports: Ports) -> list[Consumer]:
    handlers = Receipts(ports)
    return [
        Consumer("receipts", CANONICAL["receipt"], handlers.on_receipts_received),
        Consumer("receipts", RECEIPT_COMMANDS, handlers.on_commands),
        Consumer("receipts", ANSWERS, handlers.on_answers),
        Consumer("receipts", OUTCOMES, handlers.on_outcomes, fill_ms=PICTURE_MS),
        Consumer("receipts", EXCEPTION_COMMANDS, acting.ReceiptActs(ports).on_commands),
    ]


def _schedules(ports: Ports) -> list[Schedule]:
    return [Schedule("receipts_requery", 60, partial(flows.requery_due, ports))]


def _routes(ports: Ports) -> list[HTTPRouteHandler]:
    acts = acting.ReceiptActs(ports)
    return [*routes(ports), *exception_routes(ports, acts, "/v1/receipts", "receipt.read", acting.read)]


component = Component(
    "receipts",
    MigrationSet("receipts", "tripartite.components.receipts.migrations"),
    consumers=_consumers,
    schedules=_schedules,
    routes=_routes,
)
