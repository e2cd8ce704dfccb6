"""The receipts component's tables: receipts, the orders they belong to, and orders asked for afresh."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from tripartite.core.objects import Receipt
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.versions import VersionedTable

RECEIPTS = VersionedTable(
    "receipts.receipt",
    ("company_code", "number"),
    {
        "kind": "text",
        "posted_on": "date",
        "source": "text",
        "document": "bytea",
        "correlation_id": "text",
        "leaf_id": "text",
        "recorded_at": "timestamptz",
    },
)


async def link_orders(connection: Connection, receipts: Sequence[Receipt]) -> None:
    """Note which orders the newest versions of these receipts are on; those that they left are theirs no more."""
    rows = sorted({(each.company_code, line.order_number, each.number) for each in receipts for line in each.lines})
    await execute(
        connection,
        """DELETE FROM receipts.of_order l USING unnest(%s::text[], %s::text[]) AS n (company_code, number)
        WHERE l.company_code = n.company_code AND l.number = n.number""",
        ([each.company_code for each in receipts], [each.number for each in receipts]),
    )
    await execute(
        connection,
        """INSERT INTO receipts.of_order (company_code, order_number, number)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
        [[row[place] for row in rows] for place in range(3)],
    )


async def sources_of(connection: Connection, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Which connection gave each of these receipts, (company, number), that are recorded."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT company_code, number, source FROM receipts.receipt
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)""",
        ([key[0] for key in wanted], [key[1] for key in wanted]),
    )
    return {(row[0], row[1]): row[2] for row in await found.fetchall()}


async def want_requery(
    connection: Connection, rows: Sequence[tuple[str, str, str, str]], now: datetime
) -> set[tuple[str, str]]:
    """Note orders whose receipts are wanted afresh: (company, order, invoice, correlation). Returns those to ask now:
    not those already asked for and unanswered, nor those answered within the last half minute.
    """
    found = await execute(
        connection,
        """INSERT INTO receipts.requery AS q (company_code, order_number, invoice_id, correlation_id, asked_at, times,
            due_at)
        SELECT c, o, i, r, %(now)s, 1, %(now)s + interval '1 hour' FROM unnest(%(c)s::text[], %(o)s::text[],
            %(i)s::text[], %(r)s::text[]) AS n (c, o, i, r)
        ON CONFLICT (company_code, order_number) DO UPDATE SET asked_at = EXCLUDED.asked_at, answered_at = NULL,
            times = q.times + 1, invoice_id = EXCLUDED.invoice_id, due_at = EXCLUDED.due_at
        WHERE q.answered_at IS NOT NULL AND q.answered_at < %(now)s - interval '30 seconds'
        RETURNING company_code, order_number""",
        {
            "now": now,
            "c": [r[0] for r in rows],
            "o": [r[1] for r in rows],
            "i": [r[2] for r in rows],
            "r": [r[3] for r in rows],
        },
    )
    return {(row[0], row[1]) for row in await found.fetchall()}


async def requeried(connection: Connection, answered: Mapping[tuple[str, str], datetime]) -> None:
    """Up to when the receipts of these orders, (company, number), were asked for."""
    places = sorted(answered)
    await execute(
        connection,
        """UPDATE receipts.requery q SET answered_at = n.at
        FROM unnest(%s::text[], %s::text[], %s::timestamptz[]) AS n (company_code, order_number, at)
        WHERE (q.company_code, q.order_number) = (n.company_code, n.order_number)""",
        ([place[0] for place in places], [place[1] for place in places], [answered[place] for place in places]),
    )


async def due_requeries(connection: Connection, now: datetime, limit: int) -> list[tuple[str, str, str, str]]:
    """Orders whose next asking is due: (company, order, invoice, correlation); an hour, then a day later."""
    found = await execute(
        connection,
        """UPDATE receipts.requery q SET times = times + 1, asked_at = %(now)s, answered_at = NULL,
            due_at = CASE WHEN times >= 5 THEN NULL ELSE %(now)s + interval '1 day' END
        FROM (SELECT company_code, order_number FROM receipts.requery WHERE due_at <= %(now)s
            ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
        WHERE (q.company_code, q.order_number) = (due.company_code, due.order_number)
        RETURNING q.company_code, q.order_number, q.invoice_id, q.correlation_id""",
        {"now": now, "limit": limit},
    )
    return [(row[0], row[1], row[2], row[3]) for row in await found.fetchall()]
