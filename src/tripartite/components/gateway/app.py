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
from tripartite.connectors import registry
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
        Consumer("gateway", RECEIVED, handlers.on_received, prepare=handlers.read, batch=400),
        Consumer("gateway", ASKS, handlers.on_asks),
        Consumer("gateway", DISPOSITIONS, handlers.on_dispositions),
    ]


def _loops(ports: Ports) -> list[Loop]:
    door = door_of(ports)
    loops = [Loop("door", door.run)]
    if _may_ask(ports):
        loops.append(Loop("asks", partial(flows.keep_asking, ports, door)))
    return loops


def _may_ask(ports: Ports) -> bool:
    """A process started without its connections (a command that takes files in) leaves the questions to one that has
    them: answered here, they would be answered with nothing. Where nobody could be asked anyhow, that is the answer.
    """
    known = registry.kinds()
    kinds = {each.kind for each in ports.estate.connections if each.kind in known}
    return bool(ports.clients) or not any(registry.manifest(kind).asks for kind in kinds)


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
