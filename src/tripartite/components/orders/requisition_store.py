"""The tables of requisitions: their versions, the orders they became, what stands against them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.approvals import Version, version_of
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.money import Amount
from tripartite.core.objects import Requisition
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.paging import Place, starts_with

Key = tuple[str, str]  # company, requisition number


class Recorded(msgspec.Struct, frozen=True):
    """A requisition as it is recorded."""

    value: Requisition
    correlation_id: str
    order_number: str
    recorded_at: datetime


class Link(msgspec.Struct, frozen=True):
    """A requisition and an order it became; `correlation_id` is the order's."""

    company_code: str
    requisition: str
    order_number: str
    correlation_id: str


def _pairs(keys: Collection[Key]) -> list[list[str]]:
    ordered = sorted(keys)
    return [[key[0] for key in ordered], [key[1] for key in ordered]]


async def take_turns(connection: Connection, keys: Collection[Key]) -> None:
    """One transaction at a time works on a requisition, whether it is here already or only named by an order."""
    await execute(
        connection,
        """SELECT pg_advisory_xact_lock(place) FROM (
            SELECT DISTINCT hashtextextended('requisition/' || c || '/' || n, 0) AS place
            FROM unnest(%s::text[], %s::text[]) AS k (c, n) ORDER BY 1) AS places""",
        _pairs(keys),
    )


async def keep_versions(connection: Connection, values: Sequence[Requisition]) -> None:
    """Note every version in short, stale ones too: what came first must not matter."""
    rows = {(value.company_code, value.number, value.version): (value, version_of(value)) for value in values}
    ordered = [rows[key] for key in sorted(rows)]
    await execute(
        connection,
        """INSERT INTO orders.requisition_version
        SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::numeric[], %s::date[])
        ON CONFLICT DO NOTHING""",
        (
            [value.company_code for value, _ in ordered],
            [value.number for value, _ in ordered],
            [short.version for _, short in ordered],
            [short.status for _, short in ordered],
            [short.currency for _, short in ordered],
            [short.amount for _, short in ordered],
            [short.decided_on for _, short in ordered],
        ),
    )


async def versions_of(connection: Connection, keys: Collection[Key]) -> dict[Key, list[Version]]:
    found = await execute(
        connection,
        """SELECT company_code, number, version, status, currency, amount, decided_on FROM orders.requisition_version
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)
        ORDER BY version""",
        _pairs(keys),
    )
    versions: dict[Key, list[Version]] = {}
    for company, number, version, status, currency, amount, decided_on in await found.fetchall():
        stated = Amount(amount) if amount is not None else None
        versions.setdefault((company, number), []).append(Version(version, status, currency, stated, decided_on))
    return versions


async def recorded(connection: Connection, keys: Collection[Key]) -> dict[Key, Recorded]:
    """These requisitions as they are, locked in the order of their keys."""
    found = await execute(
        connection,
        """SELECT document, correlation_id, order_number, recorded_at FROM orders.requisition
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)
        ORDER BY company_code, number FOR UPDATE OF requisition""",
        _pairs(keys),
    )
    rows = [Recorded(codec.decode_own(row[0], Requisition), *row[1:]) for row in await found.fetchall()]
    return {(row.value.company_code, row.value.number): row for row in rows}


# Links


async def add_links(connection: Connection, links: Sequence[Link]) -> None:
    rows = sorted({(each.company_code, each.requisition, each.order_number, each.correlation_id) for each in links})
    await execute(
        connection,
        """INSERT INTO orders.requisition_order (company_code, requisition, order_number, correlation_id)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
        [[row[place] for row in rows] for place in range(4)],
    )


async def join(connection: Connection, was: Mapping[Key, str], now: datetime) -> list[Link]:
    """Join requisitions that are here with their orders: returns the links that are new.

    The requisition takes the correlation and number of its first order by number; every link is kept.
    """
    keys = sorted(was)
    found = await execute(
        connection,
        """UPDATE orders.requisition_order o SET joined_at = %s, was = n.was
        FROM unnest(%s::text[], %s::text[], %s::text[]) AS n (company_code, requisition, was)
        WHERE (o.company_code, o.requisition) = (n.company_code, n.requisition) AND o.joined_at IS NULL
        RETURNING o.company_code, o.requisition, o.order_number, o.correlation_id""",
        (now, [key[0] for key in keys], [key[1] for key in keys], [was[key] for key in keys]),
    )
    new = [Link(*row) for row in sorted(await found.fetchall())]
    await execute(
        connection,
        """UPDATE orders.requisition r SET correlation_id = o.correlation_id, order_number = o.order_number
        FROM (SELECT DISTINCT ON (company_code, requisition) company_code, requisition, order_number, correlation_id
            FROM orders.requisition_order JOIN unnest(%s::text[], %s::text[]) AS n (company_code, requisition)
            USING (company_code, requisition) ORDER BY company_code, requisition, order_number) AS o
        WHERE (r.company_code, r.number) = (o.company_code, o.requisition)""",
        _pairs(keys),
    )
    return new


async def correlations(connection: Connection, keys: Collection[Key]) -> dict[Key, str]:
    """The correlation id of the first order of each requisition that has one."""
    found = await execute(
        connection,
        """SELECT DISTINCT ON (company_code, requisition) company_code, requisition, correlation_id
        FROM orders.requisition_order JOIN unnest(%s::text[], %s::text[]) AS n (company_code, requisition)
        USING (company_code, requisition) ORDER BY company_code, requisition, order_number""",
        _pairs(keys),
    )
    return {(row[0], row[1]): row[2] for row in await found.fetchall()}


# Exceptions


async def exceptions_of(connection: Connection, object_ids: Collection[str]) -> dict[str, list[ExceptionRecord]]:
    found = await execute(
        connection,
        "SELECT record FROM orders.requisition_exception WHERE object_id = ANY(%s) ORDER BY exception_id",
        (sorted(object_ids),),
    )
    records: dict[str, list[ExceptionRecord]] = {}
    for row in await found.fetchall():
        record = codec.decode_own(row[0], ExceptionRecord)
        records.setdefault(record.object_id, []).append(record)
    return records


async def keep_exceptions(connection: Connection, records: Sequence[ExceptionRecord]) -> None:
    """Write new versions; those that end first, so that a key is free for its next opening."""
    for record in sorted(records, key=lambda each: (each.is_open, each.exception_id)):
        await execute(
            connection,
            """INSERT INTO orders.requisition_exception AS e VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (exception_id) DO UPDATE SET state = EXCLUDED.state, version = EXCLUDED.version,
                record = EXCLUDED.record WHERE e.version < EXCLUDED.version""",
            (
                *(record.exception_id, record.company_code, record.object_id, record.line, record.reason_code),
                *(record.state, record.version, codec.encode(record)),
            ),
        )


# Questions


async def one(connection: Connection, number: str, companies: Sequence[str] | None) -> dict[str, Any] | None:
    """A requisition with the orders it became, within the caller's companies (None: all)."""
    found = await execute(
        connection,
        """SELECT document, correlation_id, order_number, recorded_at, company_code FROM orders.requisition
        WHERE number = %s AND (%s::text[] IS NULL OR company_code = ANY(%s)) ORDER BY company_code LIMIT 1""",
        (number, companies, companies),
    )
    row = await found.fetchone()
    if row is None:
        return None
    linked = await execute(
        connection,
        """SELECT order_number FROM orders.requisition_order WHERE (company_code, requisition) = (%s, %s)
        ORDER BY 1""",
        (row[4], number),
    )
    value = codec.decode_own(row[0], Requisition)
    return {
        **codec.builtins(value),
        "status": value.status,
        "order_number": row[2],
        "orders": [each[0] for each in await linked.fetchall()],
        "correlation_id": row[1],
        "recorded_at": row[3],
    }


async def document(connection: Connection, company_code: str, number: str) -> Requisition:
    """A requisition that is known to be here."""
    found = await execute(
        connection,
        "SELECT document FROM orders.requisition WHERE (company_code, number) = (%s, %s)",
        (company_code, number),
    )
    row = await found.fetchone()
    assert row is not None, f"no requisition {number}"
    return codec.decode_own(row[0], Requisition)


async def many(
    connection: Connection, status: str, text: str, place: Place, limit: int, companies: Sequence[str] | None
) -> list[tuple[dict[str, Any], Requisition]]:
    """A page of requisitions from `place` on: each in short, and whole. `text` is the beginning of a number."""
    found = await execute(
        connection,
        f"""SELECT company_code, number, version, status, order_number, correlation_id, recorded_at, document
        FROM orders.requisition WHERE (%(status)s = '' OR status = %(status)s)
        AND (%(text)s = '' OR number LIKE %(like)s) AND (%(mine)s::text[] IS NULL OR company_code = ANY(%(mine)s))
        AND {place.begins} ORDER BY {place.order_by} LIMIT %(limit)s""",
        {
            "status": status,
            "text": text,
            "like": starts_with(text),
            "mine": companies,
            "limit": limit,
            **place.parameters,
        },
    )
    names = [column.name for column in found.description or ()]
    rows = await found.fetchall()
    return [(dict(zip(names[:-1], row[:-1], strict=True)), codec.decode_own(row[-1], Requisition)) for row in rows]
