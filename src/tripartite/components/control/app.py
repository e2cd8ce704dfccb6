"""The control component: exceptions in one queue, lineage, the audit log's sequencer, what is known of connections."""

from __future__ import annotations

from functools import partial

from tripartite.components.control import flows, store
from tripartite.components.control.handlers import Control
from tripartite.components.control.routes import routes
from tripartite.core.events import (
    EXCEPTION_EVENTS,
    INVOICE_EVENTS,
    ORDER_EVENTS,
    PAYMENT_EVENTS,
    RECEIPT_EVENTS,
    SUPPLIER_EVENTS,
)
from tripartite.runtime.bus import Consumer
from tripartite.runtime.component import Component, Loop, Ports, Schedule
from tripartite.runtime.db import MigrationSet
from tripartite.runtime.deliveries import OUTCOMES

PICTURE_MS = 50  # the lineage may be so far behind


def _consumers(ports: Ports) -> list[Consumer]:
    handlers = Control(ports)
    return [
        Consumer("control", EXCEPTION_EVENTS, handlers.on_exceptions),
        *(
            Consumer("control", topic, handlers.on_events, batch=1000, fill_ms=PICTURE_MS)
            for topic in (INVOICE_EVENTS, ORDER_EVENTS, RECEIPT_EVENTS, SUPPLIER_EVENTS, PAYMENT_EVENTS, OUTCOMES)
        ),
    ]


component = Component(
    "control",
    MigrationSet("control", "tripartite.components.control.migrations"),
    consumers=_consumers,
    schedules=lambda ports: [Schedule("control_overdue", 60, partial(flows.tell_overdue, ports))],
    loops=lambda ports: [Loop("sequencer", partial(flows.seal, ports))],
    routes=routes,
    measures=(store.measure_exceptions,),
)
