"""The invoices component: match, decision, posting, and what the others hear of it."""

from __future__ import annotations

from functools import partial

from tripartite.components.invoices import act_routes, flows
from tripartite.components.invoices.handlers import Invoices
from tripartite.components.invoices.routes import routes
from tripartite.core.events import (
    CANONICAL,
    INVOICE_COMMANDS,
    ORDER_EVENTS,
    RECEIPT_EVENTS,
    SUPPLIER_EVENTS,
)
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Ports, Schedule
from tripartite.runtime.db import MigrationSet
from tripartite.runtime.deliveries import OUTCOMES


def _consumers(ports: Ports) -> list[Consumer]:
    handlers = Invoices(ports)
    return [
        Consumer("invoices", SUPPLIER_EVENTS, handlers.on_supplier_events),
        Consumer("invoices", ORDER_EVENTS, handlers.on_order_events),
        Consumer("invoices", RECEIPT_EVENTS, handlers.on_receipt_events),
        Consumer("invoices", CANONICAL["invoice"], handlers.on_invoices_received),
        Consumer("invoices", OUTCOMES, handlers.on_outcomes),
        Consumer("invoices", INVOICE_COMMANDS, handlers.on_commands),
    ]


def _schedules(ports: Ports) -> list[Schedule]:
    return [Schedule("invoices_look_again", 60, partial(flows.look_again, ports))]


component = Component(
    "invoices",
    MigrationSet("invoices", "tripartite.components.invoices.migrations"),
    consumers=_consumers,
    schedules=_schedules,
    routes=lambda ports: [*routes(ports), *act_routes.routes(ports)],
)
