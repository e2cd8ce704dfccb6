"""The suppliers component: supplier master, cross-references, validation."""

from __future__ import annotations

from tripartite.components.suppliers.handlers import Suppliers
from tripartite.components.suppliers.routes import routes
from tripartite.core.events import CANONICAL, SUPPLIER_COMMANDS
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Ports
from tripartite.runtime.db import MigrationSet


def _consumers(ports: Ports) -> list[Consumer]:
    handlers = Suppliers(ports)
    return [
        Consumer("suppliers", CANONICAL["supplier"], handlers.on_suppliers_received),
        Consumer("suppliers", SUPPLIER_COMMANDS, handlers.on_commands),
    ]


component = Component(
    "suppliers",
    MigrationSet("suppliers", "tripartite.components.suppliers.migrations"),
    consumers=_consumers,
    routes=routes,
)
