"""`GET /metrics`: what this process counts, and what the database shows, as Prometheus text.

Every process serves the route, behind the permission `metrics.read`. The counters are the process's own
(telemetry.py); the gauges are read from the database at each scrape, so that any one process tells them for the whole
estate, under the row security of the caller's token. They use partial indexes and small tables and are given a few
seconds: telemetry never holds up business. No label holds a document, a supplier or a person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from tripartite.runtime.db import Connection, Database, execute
from tripartite.runtime.http_app import permission
from tripartite.runtime.telemetry import Telemetry

PERMISSION = "metrics.read"
PATIENCE_MS = 5_000
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Measured(msgspec.Struct, frozen=True):
    """A gauge as read just now: its name, what it means, its labels, and a number for each combination of them."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    values: Sequence[tuple[tuple[str, ...], float]]


Measure = Callable[[Connection], Awaitable[Sequence[Measured]]]


async def measure_bus(connection: Connection) -> list[Measured]:
    """What waits on the bus and what was set aside, by consumer (M21)."""
    behind = await execute(
        connection,
        """SELECT c.consumer, c.topic, sum(h.head - c.position)::float8 FROM bus.cursor c
        JOIN bus.head h USING (topic, partition) GROUP BY 1, 2""",
    )
    aside = await execute(
        connection,
        """SELECT consumer, topic, count(*)::float8, extract(epoch FROM tripartite_now() - min(at))::float8
        FROM bus.quarantine WHERE replayed_at IS NULL GROUP BY 1, 2""",
    )
    waiting = [((row[0], row[1]), row[2]) for row in await behind.fetchall()]
    rows = await aside.fetchall()
    return [
        Measured("tripartite_backlog_messages", "Messages not yet read", ("consumer", "topic"), waiting),
        Measured(
            "tripartite_quarantined_messages",
            "Messages set aside and not replayed",
            ("consumer", "topic"),
            [((row[0], row[1]), row[2]) for row in rows],
        ),
        Measured(
            "tripartite_quarantine_oldest_seconds",
            "Age of the oldest message that is set aside",
            ("consumer", "topic"),
            [((row[0], row[1]), row[3]) for row in rows],
        ),
    ]


async def measure_deliveries(connection: Connection) -> list[Measured]:
    """What is owed to the outside: by state, how late, whose circuit is open (M16, M21). Settled ones are not counted:
    they are every document there ever was.
    """
    states = await execute(
        connection,
        """SELECT connection, state, count(*)::float8 FROM deliveries.delivery
            WHERE state IN ('intended', 'waiting', 'unknown', 'accepted') GROUP BY 1, 2
        UNION ALL SELECT connection, state, count(*)::float8 FROM deliveries.delivery
            WHERE state IN ('rejected', 'dead_letter') GROUP BY 1, 2
        UNION ALL SELECT connection, 'sending', count(*)::float8 FROM deliveries.delivery
            WHERE claimed_by IS NOT NULL AND state = 'sending' GROUP BY 1""",
    )
    due = await execute(
        connection,
        """SELECT connection, greatest(0, extract(epoch FROM tripartite_now() - min(due_at)))::float8
        FROM deliveries.delivery WHERE state IN ('intended', 'waiting', 'unknown', 'accepted') AND mode = 'act'
        GROUP BY 1""",
    )
    circuits = await execute(
        connection, "SELECT connection, (circuit <> 'closed')::int::float8 FROM deliveries.connection"
    )
    return [
        Measured(
            "tripartite_deliveries",
            "Writes owed to a connection that are not settled",
            ("connection", "state"),
            [((row[0], row[1]), row[2]) for row in await states.fetchall()],
        ),
        Measured(
            "tripartite_delivery_oldest_due_seconds",
            "How long the oldest due write has been due",
            ("connection",),
            [((row[0],), row[1]) for row in await due.fetchall()],
        ),
        Measured(
            "tripartite_circuit_open",
            "1 where a connection is not called because it fails",
            ("connection",),
            [((row[0],), row[1]) for row in await circuits.fetchall()],
        ),
    ]


async def measure_audit(connection: Connection) -> list[Measured]:
    """How far the audit log's sequencer is behind (I17)."""
    found = await execute(
        connection,
        """SELECT count(*)::float8, coalesce(extract(epoch FROM tripartite_now() - min(recorded_at)), 0)::float8
        FROM audit.pending""",
    )
    row = await found.fetchone()
    assert row is not None, "a count is a row"
    return [
        Measured("tripartite_audit_pending_leaves", "Audit leaves without their place in the log", (), [((), row[0])]),
        Measured("tripartite_audit_oldest_pending_seconds", "Age of the oldest of them", (), [((), row[1])]),
    ]


RUNTIME: tuple[Measure, ...] = (measure_bus, measure_deliveries, measure_audit)


def exposition(telemetry: Telemetry, measured: Sequence[Measured]) -> bytes:
    """The text that Prometheus reads: counters of this process, then the gauges."""
    registry = CollectorRegistry()
    for each in measured:
        gauge = Gauge(each.name, each.meaning, each.labels, registry=registry)
        for labels, value in each.values:
            (gauge.labels(*labels) if each.labels else gauge).set(value)
    return generate_latest(telemetry.registry) + generate_latest(registry)


def metrics_route(telemetry: Telemetry, db: Database, further: Sequence[Measure]) -> HTTPRouteHandler:
    """The route of a process; `further` are the gauges of its components."""

    @get("/metrics", opt=permission(PERMISSION), include_in_schema=False)
    async def metrics() -> Response[bytes]:
        measured = [
            Measured("tripartite_database_connections", "Connections of this process", ("pool", "is"), db.connections())
        ]
        async with db.connection() as connection:
            await execute(connection, "SELECT set_config('statement_timeout', %s, true)", (str(PATIENCE_MS),))
            for measure in (*RUNTIME, *further):
                measured += await measure(connection)
        return Response(exposition(telemetry, measured), media_type=MEDIA_TYPE)

    return metrics
