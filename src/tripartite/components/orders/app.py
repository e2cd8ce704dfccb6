"""The orders component: requisitions and purchase orders, their publication to the ERP, and the search for
those an invoice names."""

from __future__ import annotations

from tripartite.components.orders.handlers import Orders
from tripartite.components.orders.routes import routes
from tripartite.core.events import ANSWERS, CANONICAL, ORDER_COMMANDS, SUPPLIER_EVENTS
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Ports
from tripartite.runtime.db import MigrationSet
from tripartite.runtime.deliveries import OUTCOMES


def _consumers(ports: Ports) -> list[Consumer]:
    handlers = Orders(ports)
    return [
        Consumer("orders", CANONICAL["order"], handlers.on_orders_received),
        Consumer("orders", CANONICAL["requisition"], handlers.on_requisitions_received),
        Consumer("orders", ORDER_COMMANDS, handlers.on_commands),
        Consumer("orders", ANSWERS, handlers.on_answers),
        Consumer("orders", SUPPLIER_EVENTS, handlers.on_supplier_events),
        Consumer("orders", OUTCOMES, handlers.on_outcomes),
    ]


component = Component(
    "orders",
    MigrationSet("orders", "tripartite.components.orders.migrations"),
    consumers=_consumers,
    routes=routes,
)
