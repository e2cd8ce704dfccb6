"""Control's tables: the queue of exceptions, the lineage of events, notices to teams."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.metrics import Measured
from tripartite.runtime.versions import VersionedTable

EXCEPTIONS = VersionedTable(
    "control.exception",
    ("exception_id",),
    {
        "company_code": "text",
        "object_kind": "text",
        "object_id": "text",
        "reason_code": "text",
        "severity": "text",
        "owner_role": "text",
        "state": "text",
        "currency": "text",
        "money_at_risk": "numeric",
        "cause_key": "text",
        "opened_at": "timestamptz",
        "due_at": "timestamptz",
        "correlation_id": "text",
        "record": "bytea",
    },
)
EVENT = (
    *("message_id", "correlation_id", "at", "type", "company_code", "object_kind", "object_id"),
    *("object_number", "source", "state", "words", "trace_id"),
)


async def add_events(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Keep events; one that comes twice is one."""
    await execute(
        connection,
        f"""INSERT INTO control.event ({", ".join(EVENT)})
        SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[], {", ".join(["%s::text[]"] * 9)})
        ON CONFLICT DO NOTHING""",
        [[row[place] for row in rows] for place in range(len(EVENT))],
    )


async def lineage(connection: Connection, correlation_id: str, companies: Sequence[str] | None) -> list[dict[str, Any]]:
    found = await execute(
        connection,
        f"""SELECT {", ".join(EVENT)} FROM control.event WHERE correlation_id = %s
        AND (%s::text[] IS NULL OR company_code = ANY(%s)) ORDER BY at, message_id LIMIT 500""",
        (correlation_id, companies, companies),
    )
    return [dict(zip(EVENT, row, strict=True)) for row in await found.fetchall()]


async def queue(
    connection: Connection,
    *,
    state: str,
    owner: str,
    code: str,
    object_id: str,
    limit: int,
    companies: Sequence[str] | None,
) -> list[ExceptionRecord]:
    """Exceptions by money at risk, then by due time."""
    found = await execute(
        connection,
        """SELECT record FROM control.exception WHERE (%(state)s = '' OR state = %(state)s)
        AND (%(owner)s = '' OR owner_role = %(owner)s) AND (%(code)s = '' OR reason_code = %(code)s)
        AND (%(object)s = '' OR object_id = %(object)s)
        AND (%(mine)s::text[] IS NULL OR company_code = ANY(%(mine)s))
        ORDER BY money_at_risk DESC, due_at NULLS LAST, exception_id LIMIT %(limit)s""",
        {"state": state, "owner": owner, "code": code, "object": object_id, "limit": limit, "mine": companies},
    )
    return [codec.decode_own(row[0], ExceptionRecord) for row in await found.fetchall()]


async def causes(connection: Connection, companies: Sequence[str] | None) -> list[dict[str, Any]]:
    """The open exceptions by reason and currency: how many, how much is at risk."""
    found = await execute(
        connection,
        """SELECT reason_code, owner_role, severity, currency, count(*), sum(money_at_risk), min(due_at)
        FROM control.exception WHERE state = 'open' AND (%(mine)s::text[] IS NULL OR company_code = ANY(%(mine)s))
        GROUP BY 1, 2, 3, 4 ORDER BY sum(money_at_risk) DESC""",
        {"mine": companies},
    )
    names = ("reason_code", "owner_role", "severity", "currency", "count", "money_at_risk", "due_at")
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]


async def measure_exceptions(connection: Connection) -> list[Measured]:
    """Open exceptions by company, reason and severity, and those past their due time by owner (M05)."""
    found = await execute(
        connection,
        """SELECT company_code, reason_code, severity, owner_role, count(*),
            count(*) FILTER (WHERE due_at < tripartite_now())
        FROM control.exception WHERE state = 'open' GROUP BY 1, 2, 3, 4""",
    )
    still_open: dict[tuple[str, ...], int] = {}
    overdue: dict[tuple[str, ...], int] = {}
    for company, code, severity, owner, count, late in await found.fetchall():
        place, team = (company, code, severity), (company, owner)
        still_open[place] = still_open.get(place, 0) + count
        overdue[team] = overdue.get(team, 0) + late
    return [
        Measured(
            "tripartite_exceptions_open",
            "Open exceptions",
            ("company_code", "reason_code", "severity"),
            list(still_open.items()),
        ),
        Measured(
            "tripartite_exceptions_overdue",
            "Open exceptions past their due time",
            ("company_code", "owner"),
            list(overdue.items()),
        ),
    ]


async def add_notices(connection: Connection, rows: Sequence[tuple[str, str, str, str, str, datetime]]) -> None:
    """Tell teams: (id, role, exception, company, words, at); the same notice once."""
    await execute(
        connection,
        """INSERT INTO control.notice (notice_id, role, exception_id, company_code, words, at)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
        ON CONFLICT DO NOTHING""",
        [[row[place] for row in rows] for place in range(6)],
    )


async def notices_of(connection: Connection, exception_ids: Sequence[str]) -> list[dict[str, Any]]:
    names = ("notice_id", "role", "exception_id", "words", "at")
    found = await execute(
        connection,
        f"SELECT {', '.join(names)} FROM control.notice WHERE exception_id = ANY(%s) ORDER BY at",
        (list(exception_ids),),
    )
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]


async def open_waiting_for_receipts(connection: Connection, correlation_ids: Sequence[str]) -> list[ExceptionRecord]:
    """Open exceptions of these transactions that wait for a receipt."""
    found = await execute(
        connection,
        """SELECT record FROM control.exception WHERE state = 'open' AND correlation_id = ANY(%s)
        AND reason_code IN ('match.quantity_over_received', 'match.not_received', 'reference.receipt_missing')""",
        (list(correlation_ids),),
    )
    return [codec.decode_own(row[0], ExceptionRecord) for row in await found.fetchall()]


async def overdue(connection: Connection, now: datetime, limit: int) -> list[ExceptionRecord]:
    """Open exceptions past their due time that nobody was told of yet."""
    found = await execute(
        connection,
        """SELECT record FROM control.exception e WHERE state = 'open' AND due_at < %s AND NOT EXISTS
            (SELECT 1 FROM control.notice n WHERE n.exception_id = e.exception_id AND n.notice_id LIKE 'due_%%')
        ORDER BY due_at LIMIT %s""",
        (now, limit),
    )
    return [codec.decode_own(row[0], ExceptionRecord) for row in await found.fetchall()]


# Deliveries, spans and the bus are the runtime's; control only shows them.


async def deliveries_of(
    connection: Connection, objects: Sequence[str], keys: Sequence[str], companies: Sequence[str] | None
) -> list[dict[str, Any]]:
    """What is owed about these objects, and the deliveries of these keys, each with every attempt; oldest first."""
    names = (
        *("key", "connection", "operation", "object_kind", "object_id", "object_version", "company_code"),
        *("correlation_id", "state", "mode", "attempts", "probes", "due_at", "first_sent_at", "sent_at", "accepted_at"),
        *("remote_ref", "reason_code", "detail", "created_at", "updated_at"),
    )
    found = await execute(
        connection,
        f"""SELECT {", ".join(names)} FROM deliveries.delivery WHERE key = ANY(
            SELECT key FROM deliveries.delivery WHERE object_id = ANY(%s) UNION SELECT unnest(%s::text[]))
        AND (%s::text[] IS NULL OR company_code = ANY(%s)) ORDER BY created_at, key LIMIT 1000""",
        (list(objects), list(keys), companies, companies),
    )
    rows = [dict(zip(names, row, strict=True)) for row in await found.fetchall()]
    tries = await execute(
        connection,
        "SELECT key, at, act, answer, detail, trace_id FROM deliveries.attempt WHERE key = ANY(%s) ORDER BY at",
        ([row["key"] for row in rows],),
    )
    attempts: dict[str, list[dict[str, Any]]] = {}
    for key, at, act, answer, detail, trace_id in await tries.fetchall():
        attempts.setdefault(key, []).append(
            {"at": at, "act": act, "answer": answer, "detail": detail, "trace_id": trace_id}
        )
    return [{**row, "tries": attempts.get(row["key"], [])} for row in rows]


async def connections(connection: Connection) -> list[dict[str, Any]]:
    """What is known of each connection: circuit, calls, and of what is owed to it in the reader's companies how much
    waits, since when the oldest, what is unknown and what was set aside. What is done is not counted.
    """
    found = await execute(
        connection,
        """SELECT connection, c.circuit, c.failures, c.retry_at, c.reason, c.since, c.last_ok_at, c.calls,
            c.failed_calls, coalesce(o.waiting, 0) + coalesce(s.sending, 0), coalesce(o.unknown, 0),
            coalesce(d.dead, 0), coalesce(d.rejected, 0), o.oldest, d.oldest
        FROM deliveries.connection c
        FULL JOIN (SELECT connection, count(*) FILTER (WHERE state <> 'unknown') AS waiting,
            count(*) FILTER (WHERE state = 'unknown') AS unknown, min(created_at) AS oldest
            FROM deliveries.delivery WHERE state IN ('intended', 'waiting', 'unknown', 'accepted') AND mode = 'act'
            GROUP BY 1) o USING (connection)
        FULL JOIN (SELECT connection, count(*) AS sending FROM deliveries.delivery
            WHERE claimed_by IS NOT NULL AND state = 'sending' GROUP BY 1) s USING (connection)
        FULL JOIN (SELECT connection, count(*) FILTER (WHERE state = 'dead_letter') AS dead,
            count(*) FILTER (WHERE state = 'rejected') AS rejected, min(updated_at) AS oldest
            FROM deliveries.delivery WHERE state IN ('rejected', 'dead_letter') AND mode <> 'observe'
            GROUP BY 1) d USING (connection)
        ORDER BY 1""",
    )
    names = (
        *("connection", "circuit", "failures", "retry_at", "reason", "since", "last_ok_at", "calls"),
        *("failed_calls", "waiting", "unknown", "dead", "rejected", "oldest_owed_at", "oldest_aside_at"),
    )
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]


async def spans_of(connection: Connection, trace_id: str) -> list[dict[str, Any]]:
    names = (
        *("span_id", "trace_id", "parent_id", "name", "component", "connection"),
        *("started_at", "seconds", "status", "attributes"),
    )
    found = await execute(
        connection, f"SELECT {', '.join(names)} FROM runtime.span WHERE trace_id = %s ORDER BY started_at", (trace_id,)
    )
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]


async def backlog(connection: Connection) -> list[dict[str, Any]]:
    """Messages that a consumer has not read yet, and the age of the oldest."""
    found = await execute(
        connection,
        """SELECT c.consumer, c.topic, sum(h.head - c.position)::bigint FROM bus.cursor c
        JOIN bus.head h USING (topic, partition) GROUP BY 1, 2 ORDER BY 1, 2""",
    )
    return [{"consumer": row[0], "topic": row[1], "behind": row[2]} for row in await found.fetchall()]


async def log_state(connection: Connection) -> dict[str, Any]:
    """The audit log: its size, root and what is pending."""
    found = await execute(
        connection,
        """SELECT coalesce(max(tree_size), 0), (SELECT count(*) FROM audit.pending),
            (SELECT encode(root, 'hex') FROM audit.checkpoint ORDER BY tree_size DESC LIMIT 1), max(sealed_at)
        FROM audit.checkpoint""",
    )
    row = await found.fetchone()
    assert row is not None
    return {"tree_size": row[0], "pending": row[1], "root": row[2] or "", "sealed_at": row[3]}
