"""The suppliers component: supplier master, cross-references, validation."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from tripartite.components.suppliers import acting
from tripartite.components.suppliers.handlers import Suppliers
from tripartite.components.suppliers.routes import routes
from tripartite.core.events import CANONICAL, EXCEPTION_COMMANDS, SUPPLIER_COMMANDS
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Ports
from tripartite.runtime.db import MigrationSet
from tripartite.runtime.exception_routes import exception_routes


def _consumers(ports: Ports) -> list[Consumer]:
    handlers = Suppliers(ports)
    return [
        Consumer("suppliers", CANONICAL["supplier"], handlers.on_suppliers_received),
        Consumer("suppliers", SUPPLIER_COMMANDS, handlers.on_commands),
        Consumer("suppliers", EXCEPTION_COMMANDS, acting.SupplierActs(ports).on_commands),
    ]


def _routes(ports: Ports) -> list[HTTPRouteHandler]:
    acts = acting.SupplierActs(ports)
    return [*routes(ports), *exception_routes(ports, acts, "/v1/suppliers", "supplier.read", acting.read)]


component = Component(
    "suppliers",
    MigrationSet("suppliers", "tripartite.components.suppliers.migrations"),
    consumers=_consumers,
    routes=_routes,
)
