"""The orders component: requisitions and purchase orders, and the search for those an invoice names."""

from __future__ import annotations

from tripartite.components.orders.handlers import Orders
from tripartite.components.orders.routes import routes
from tripartite.core.events import ANSWERS, CANONICAL, ORDER_COMMANDS
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Ports
from tripartite.runtime.db import MigrationSet


def _consumers(ports: Ports) -> list[Consumer]:
    handlers = Orders(ports)
    return [
        Consumer("orders", CANONICAL["order"], handlers.on_orders_received),
        Consumer("orders", CANONICAL["requisition"], handlers.on_requisitions_received),
        Consumer("orders", ORDER_COMMANDS, handlers.on_commands),
        Consumer("orders", ANSWERS, handlers.on_answers),
    ]


component = Component(
    "orders",
    MigrationSet("orders", "tripartite.components.orders.migrations"),
    consumers=_consumers,
    routes=routes,
)
