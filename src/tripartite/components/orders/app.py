"""The orders component: requisitions and purchase orders, their publication to the ERP, and the search for
those an invoice names."""

from __future__ import annotations

from functools import partial

from litestar.handlers import HTTPRouteHandler

from tripartite.components.orders import acting, flows
from tripartite.components.orders.billed import Billing
from tripartite.components.orders.budgets import Budgets
from tripartite.components.orders.handlers import Orders
from tripartite.components.orders.received import Received
from tripartite.components.orders.requisitions import Requisitions
from tripartite.components.orders.routes import routes
from tripartite.core.events import (
    ANSWERS,
    CANONICAL,
    EXCEPTION_COMMANDS,
    INVOICE_EVENTS,
    ORDER_COMMANDS,
    ORDER_EVENTS,
    RECEIPT_EVENTS,
    SUPPLIER_EVENTS,
)
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Ports, Schedule
from tripartite.runtime.db import MigrationSet
from tripartite.runtime.deliveries import OUTCOMES
from tripartite.runtime.exception_routes import exception_routes

PICTURE_MS = 50  # what is billed may be known here so much later


def _consumers(ports: Ports) -> list[Consumer]:
    handlers, requisitions, budgets = Orders(ports), Requisitions(ports), Budgets(ports)
    return [
        Consumer("orders", CANONICAL["order"], handlers.on_orders_received),
        Consumer("orders", CANONICAL["requisition"], requisitions.on_requisitions_received),
        Consumer("orders", CANONICAL["budget"], budgets.on_budgets_received),
        Consumer("orders", ORDER_EVENTS, requisitions.on_order_events),
        Consumer("orders", ORDER_COMMANDS, handlers.on_commands),
        Consumer("orders", ANSWERS, handlers.on_answers),
        Consumer("orders", SUPPLIER_EVENTS, handlers.on_supplier_events),
        Consumer("orders", OUTCOMES, handlers.on_outcomes, fill_ms=PICTURE_MS),
        Consumer("orders", RECEIPT_EVENTS, Received(ports).on_receipt_events),
        Consumer("orders", INVOICE_EVENTS, Billing(ports).on_invoice_events, fill_ms=PICTURE_MS),
        Consumer("orders", EXCEPTION_COMMANDS, acting.OrderActs(ports).on_commands),
        Consumer("orders budgets", ANSWERS, budgets.on_answers),
    ]


def _schedules(ports: Ports) -> list[Schedule]:
    return [Schedule("orders_budgets", 60, partial(flows.ask_budgets_again, ports))]


def _routes(ports: Ports) -> list[HTTPRouteHandler]:
    acts = acting.OrderActs(ports)
    return [*routes(ports), *exception_routes(ports, acts, "/v1/purchase-orders", "order.read", acting.read)]


component = Component(
    "orders",
    MigrationSet("orders", "tripartite.components.orders.migrations"),
    consumers=_consumers,
    schedules=_schedules,
    routes=_routes,
)
