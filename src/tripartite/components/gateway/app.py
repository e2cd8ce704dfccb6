"""The gateway component: the way in, the way to canonical, and everything that is fetched from outside."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from weakref import WeakKeyDictionary

from litestar.handlers import HTTPRouteHandler

from tripartite.components.gateway import flows
from tripartite.components.gateway.handlers import Gateway
from tripartite.components.gateway.intake import Door
from tripartite.components.gateway.routes import routes
from tripartite.core.events import ASKS, DISPOSITIONS, RECEIVED, SUPPLIER_EVENTS
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Loop, Ports, Schedule
from tripartite.runtime.db import MigrationSet

_DOORS: WeakKeyDictionary[Ports, Door] = WeakKeyDictionary()


def door_of(ports: Ports) -> Door:
    """The one door of a process."""
    if ports not in _DOORS:
        _DOORS[ports] = Door(ports)
    return _DOORS[ports]


def _consumers(ports: Ports) -> list[Consumer]:
    handlers = Gateway(ports)
    return [
        Consumer("gateway", SUPPLIER_EVENTS, handlers.on_suppliers),
        Consumer("gateway", RECEIVED, handlers.on_received, prepare=handlers.read, batch=200),
        Consumer("gateway", ASKS, handlers.on_asks),
        Consumer("gateway", DISPOSITIONS, handlers.on_dispositions),
    ]


def _loops(ports: Ports) -> list[Loop]:
    door = door_of(ports)
    return [
        Loop("door", door.run),
        Loop("asks", partial(flows.keep_asking, ports, door)),
    ]


def _schedules(ports: Ports) -> list[Schedule]:
    return [Schedule("gateway_poll", 2, partial(flows.poll_connections, ports, door_of(ports)))]


def _routes(ports: Ports) -> Sequence[HTTPRouteHandler]:
    return routes(ports, door_of(ports))


component = Component(
    "gateway",
    MigrationSet("gateway", "tripartite.components.gateway.migrations"),
    consumers=_consumers,
    schedules=_schedules,
    loops=_loops,
    routes=_routes,
)
