"""The payments component: proposals from posted items, two releases, payment orders, what the bank answered."""

from __future__ import annotations

from functools import partial

from litestar.handlers import HTTPRouteHandler

from tripartite.components.payments import acting, flows
from tripartite.components.payments.handlers import Payments
from tripartite.components.payments.routes import routes
from tripartite.core.events import CANONICAL, EXCEPTION_COMMANDS, EXCEPTION_EVENTS, INVOICE_EVENTS, SUPPLIER_EVENTS
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Ports, Schedule
from tripartite.runtime.db import MigrationSet
from tripartite.runtime.deliveries import OUTCOMES
from tripartite.runtime.exception_routes import exception_routes

PICTURE_MS = 50  # what is posted may be known here so much later: nothing is paid in the same second


def _consumers(ports: Ports) -> list[Consumer]:
    handlers = Payments(ports)
    return [
        Consumer("payments", SUPPLIER_EVENTS, handlers.on_supplier_events),
        Consumer("payments", EXCEPTION_EVENTS, handlers.on_exception_events),
        Consumer("payments", INVOICE_EVENTS, handlers.on_invoice_events, fill_ms=PICTURE_MS),
        Consumer("payments", EXCEPTION_COMMANDS, acting.PaymentActs(ports).on_commands),
        Consumer("payments", OUTCOMES, handlers.on_outcomes, fill_ms=PICTURE_MS),
        Consumer("payments", CANONICAL["payment_report"], handlers.on_payment_reports),
        Consumer("payments", CANONICAL["bank_statement"], handlers.on_bank_statements),
    ]


def _schedules(ports: Ports) -> list[Schedule]:
    return [
        Schedule("payments_draw_up", 900, partial(flows.draw_up, ports)),
        Schedule("payments_expire", 900, partial(flows.expire_old, ports)),
    ]


def _routes(ports: Ports) -> list[HTTPRouteHandler]:
    acts = acting.PaymentActs(ports)
    return [*routes(ports), *exception_routes(ports, acts, "/v1/payments", "payment.read", acting.read)]


component = Component(
    "payments",
    MigrationSet("payments", "tripartite.components.payments.migrations"),
    consumers=_consumers,
    schedules=_schedules,
    routes=_routes,
)
