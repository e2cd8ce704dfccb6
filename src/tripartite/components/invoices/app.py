"""The invoices component: match, decision, posting, and what the others hear of it."""

from __future__ import annotations

from functools import partial

from litestar.handlers import HTTPRouteHandler

from tripartite.components.invoices import act_routes, flows, part_routes
from tripartite.components.invoices.acting import Acts
from tripartite.components.invoices.deciding import Decider
from tripartite.components.invoices.handlers import Invoices
from tripartite.components.invoices.paying import on_payment_events
from tripartite.components.invoices.quote_routes import routes as quote_routes
from tripartite.components.invoices.quoting import Quoting
from tripartite.components.invoices.routes import routes
from tripartite.core.events import (
    ANSWERS,
    CANONICAL,
    EXCEPTION_COMMANDS,
    INVOICE_COMMANDS,
    ORDER_EVENTS,
    PAYMENT_EVENTS,
    RECEIPT_EVENTS,
    SUPPLIER_EVENTS,
    TAX_COMMANDS,
)
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Ports, Schedule
from tripartite.runtime.db import MigrationSet
from tripartite.runtime.deliveries import OUTCOMES

TOGETHER_MS = 12  # invoices that arrive so close together are decided in one transaction


def _consumers(ports: Ports) -> list[Consumer]:
    handlers = Invoices(ports)
    quoting = Quoting(ports, Decider(ports))
    return [
        Consumer("invoices", SUPPLIER_EVENTS, handlers.on_supplier_events),
        Consumer("invoices", ORDER_EVENTS, handlers.on_order_events),
        Consumer("invoices", RECEIPT_EVENTS, handlers.on_receipt_events),
        Consumer("invoices", CANONICAL["invoice"], handlers.on_invoices_received, fill_ms=TOGETHER_MS),
        Consumer("invoices", OUTCOMES, handlers.on_outcomes, fill_ms=TOGETHER_MS),
        Consumer("invoices", INVOICE_COMMANDS, handlers.on_commands),
        Consumer("invoices", TAX_COMMANDS, quoting.on_commands),
        Consumer("invoices", CANONICAL["tax_quote"], quoting.on_quotes),
        Consumer("invoices", ANSWERS, quoting.on_answers),
        Consumer("invoices", PAYMENT_EVENTS, on_payment_events),
        Consumer("invoices", EXCEPTION_COMMANDS, Acts(ports).on_commands),
    ]


def _schedules(ports: Ports) -> list[Schedule]:
    return [
        Schedule("invoices_look_again", 60, partial(flows.look_again, ports)),
        Schedule("invoices_ask_tax_again", 60, partial(flows.ask_tax_again, ports)),
    ]


def _routes(ports: Ports) -> list[HTTPRouteHandler]:
    return [*routes(ports), *act_routes.routes(ports), *part_routes.routes(ports), *quote_routes(ports)]


component = Component(
    "invoices",
    MigrationSet("invoices", "tripartite.components.invoices.migrations"),
    consumers=_consumers,
    schedules=_schedules,
    routes=_routes,
)
