"""The orders component's tables: orders, requisitions, and the numbers that are being sought."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tripartite.core import codec
from tripartite.core.objects import Order
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.versions import VersionedTable

ORDERS = VersionedTable(
    "orders.purchase_order",
    ("company_code", "number"),
    {
        "supplier_id": "text",
        "status": "text",
        "currency": "text",
        "source": "text",
        "document": "bytea",
        "correlation_id": "text",
        "leaf_id": "text",
        "recorded_at": "timestamptz",
    },
    fills="supplier_id",
)
REQUISITIONS = VersionedTable(
    "orders.requisition",
    ("company_code", "number"),
    {
        "status": "text",
        "order_number": "text",
        "source": "text",
        "document": "bytea",
        "correlation_id": "text",
        "recorded_at": "timestamptz",
    },
)


async def order(connection: Connection, number: str, companies: Sequence[str] | None) -> tuple[Order, str] | None:
    """The newest version of an order and its correlation id, within the caller's companies (None: all)."""
    found = await execute(
        connection,
        """SELECT document, correlation_id FROM orders.purchase_order
        WHERE number = %s AND (%s::text[] IS NULL OR company_code = ANY(%s)) LIMIT 1""",
        (number, companies, companies),
    )
    row = await found.fetchone()
    return (codec.decode_own(row[0], Order), row[1]) if row else None


async def recorded_since(connection: Connection, company_code: str, number: str, since: datetime) -> bool:
    """Whether a version of this order was recorded at or after `since`."""
    found = await execute(
        connection,
        """SELECT 1 FROM orders.purchase_order WHERE (company_code, number) = (%s, %s) AND recorded_at >= %s""",
        (company_code, number, since),
    )
    return await found.fetchone() is not None


async def known_numbers(connection: Connection, wanted: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    found = await execute(
        connection,
        """SELECT company_code, number FROM orders.purchase_order
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)""",
        ([w[0] for w in wanted], [w[1] for w in wanted]),
    )
    return {(row[0], row[1]) for row in await found.fetchall()}


async def seek(connection: Connection, rows: Sequence[tuple[str, str, str]], now: datetime) -> set[tuple[str, str]]:
    """Note numbers as sought: (company, number, invoice id). Returns those not asked for within the last minute."""
    found = await execute(
        connection,
        """INSERT INTO orders.sought AS s (company_code, number, invoice_id, asked_at)
        SELECT *, %(now)s FROM unnest(%(c)s::text[], %(n)s::text[], %(i)s::text[])
        ON CONFLICT (company_code, number) DO UPDATE SET asked_at = EXCLUDED.asked_at, answered_at = NULL
            WHERE s.asked_at < %(now)s - interval '1 minute'
        RETURNING company_code, number""",
        {"now": now, "c": [r[0] for r in rows], "n": [r[1] for r in rows], "i": [r[2] for r in rows]},
    )
    return {(row[0], row[1]) for row in await found.fetchall()}


async def answered(connection: Connection, company_code: str, number: str, found: bool, at: datetime) -> None:
    await execute(
        connection,
        "UPDATE orders.sought SET answered_at = %s, found = %s WHERE company_code = %s AND number = %s",
        (at, found, company_code, number),
    )


async def versions(connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The version that is kept of each of these orders: (company, number) -> version."""
    wanted = sorted(set(keys))
    found = await execute(
        connection,
        """SELECT company_code, number, version FROM orders.purchase_order
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)""",
        ([key[0] for key in wanted], [key[1] for key in wanted]),
    )
    return {(row[0], row[1]): row[2] for row in await found.fetchall()}
