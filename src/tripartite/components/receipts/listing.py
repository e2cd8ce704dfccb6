"""Receipts as they are looked at: a page of them, the newest first or by number; one, with who was told of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tripartite.components.receipts.publishing import object_id
from tripartite.core import codec
from tripartite.core.objects import Receipt
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.paging import Place, starts_with

Key = tuple[str, str]  # company code, receipt number
_PUBLICATION = ("connection", "version", "state", "mode", "remote_ref", "detail", "changed_at")
_NAMED = ("company_code", "number", "version", "kind", "posted_on", "correlation_id", "recorded_at", "source")


async def one(connection: Connection, number: str, companies: Sequence[str] | None) -> dict[str, Any] | None:
    """A receipt by its number, within the caller's companies (None: all): what it says, and who was told of it."""
    found = await execute(
        connection,
        """SELECT document, correlation_id, source, recorded_at FROM receipts.receipt
        WHERE number = %s AND (%s::text[] IS NULL OR company_code = ANY(%s)) ORDER BY company_code LIMIT 1""",
        (number, companies, companies),
    )
    row = await found.fetchone()
    if row is None:
        return None
    value = codec.decode_own(row[0], Receipt)
    key = (value.company_code, value.number)
    return {
        **codec.builtins(value),
        "correlation_id": row[1],
        "object_id": object_id(*key),
        "source": row[2],
        "recorded_at": row[3],
        "publications": (await publications(connection, [key])).get(key, []),
    }


async def page(
    connection: Connection, order: str, text: str, place: Place, limit: int, companies: Sequence[str]
) -> list[dict[str, Any]]:
    """A page of receipts of these companies from `place` on, of one `order` where it is named. `text`: the beginning of
    a number.
    """
    of_order = """(company_code, number) IN (SELECT o.company_code, o.number FROM receipts.of_order o
        WHERE o.company_code = ANY(%(mine)s) AND o.order_number = %(order)s)"""
    found = await execute(
        connection,
        f"""SELECT {", ".join(_NAMED)}, document FROM receipts.receipt
        WHERE (%(text)s = '' OR number LIKE %(like)s) AND {of_order if order else "true"}
        AND company_code = ANY(%(mine)s) AND {place.begins} ORDER BY {place.order_by} LIMIT %(limit)s""",
        {
            "text": text,
            "like": starts_with(text),
            "order": order,
            "mine": list(companies),
            "limit": limit,
            **place.parameters,
        },
    )
    rows = [
        {**dict(zip(_NAMED, row, strict=False)), "lines": codec.builtins(codec.decode_own(row[-1], Receipt).lines)}
        for row in await found.fetchall()
    ]
    told = await publications(connection, [(row["company_code"], row["number"]) for row in rows])
    return [
        {
            **row,
            "object_id": object_id(row["company_code"], row["number"]),
            "publications": told.get((row["company_code"], row["number"]), []),
        }
        for row in rows
    ]


async def publications(connection: Connection, keys: Collection[Key]) -> dict[Key, list[dict[str, Any]]]:
    """Who was told of these receipts, the newest version for each system."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        f"""SELECT DISTINCT ON (company_code, number, connection) company_code, number, {", ".join(_PUBLICATION)}
        FROM receipts.publication JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number)
        USING (company_code, number) ORDER BY company_code, number, connection, version DESC""",
        ([key[0] for key in wanted], [key[1] for key in wanted]),
    )
    told: dict[Key, list[dict[str, Any]]] = {}
    for company, number, *row in await found.fetchall():
        told.setdefault((company, number), []).append(dict(zip(_PUBLICATION, row, strict=True)))
    return told
