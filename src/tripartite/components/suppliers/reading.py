"""What is asked of the master: one supplier, many, and the validation's answer, each by one indexed statement.

A caller who is bound to companies sees the suppliers of these companies and those that are for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.objects import Supplier
from tripartite.core.suppliers.eligibility import Suspension
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.paging import starts_with

_SEEN = "(%(mine)s::text[] IS NULL OR company_codes = '{}' OR company_codes && %(mine)s::text[])"


class Asked(msgspec.Struct, frozen=True):
    """A supplier as it stands, for its page."""

    value: Supplier
    eligibility: str
    answer: bytes


async def supplier(connection: Connection, asked: str, companies: Sequence[str] | None) -> Asked | None:
    """A supplier by our id, or by its number where only one has it."""
    found = await execute(
        connection,
        f"""SELECT supplier_id, document, eligibility, answer FROM suppliers.supplier
        WHERE (supplier_id = %(asked)s OR number = %(asked)s) AND replaced_by = '' AND {_SEEN} LIMIT 3""",
        {"asked": asked, "mine": companies},
    )
    rows = await found.fetchall()
    chosen = next((row for row in rows if row[0] == asked), rows[0] if len(rows) == 1 else None)
    return Asked(codec.decode_own(chosen[1], Supplier), chosen[2], chosen[3] or b"") if chosen else None


async def answers(
    connection: Connection, asked: Sequence[str], companies: Sequence[str] | None
) -> dict[str, list[tuple[str, bytes]]]:
    """The validation's answers for ids or numbers: (our id, answer) of whoever is meant, several where a number is."""
    found = await execute(
        connection,
        f"""SELECT supplier_id, number, answer FROM suppliers.supplier
        WHERE (supplier_id = ANY(%(asked)s) OR number = ANY(%(asked)s)) AND replaced_by = '' AND {_SEEN}""",
        {"asked": list(asked), "mine": companies},
    )
    by: dict[str, list[tuple[str, bytes]]] = {}
    exact: set[str] = set()
    for supplier_id, number, answer in await found.fetchall():
        by.setdefault(number, []).append((supplier_id, answer or b""))
        if supplier_id != number:
            by.setdefault(supplier_id, []).append((supplier_id, answer or b""))
        exact.add(supplier_id)
    return {key: [each for each in rows if each[0] == key] if key in exact else rows for key, rows in by.items()}


class Wanted(msgspec.Struct, frozen=True):
    """What is asked of the list: these ids and no others, or what a number or name begins with; in which order."""

    ids: tuple[str, ...] = ()
    text: str = ""
    by: str = "id"


ORDERS: Mapping[str, str] = {"id": "supplier_id", "name": "lower(name), supplier_id"}


async def suppliers(
    connection: Connection, wanted: Wanted, after: str, limit: int, companies: Sequence[str] | None
) -> list[tuple[Supplier, str]]:
    """A page of suppliers with whether each may be paid. `after` is the id that the page before ended with."""
    order_by = ORDERS[wanted.by]
    begins = f"({order_by}) > (SELECT {order_by} FROM suppliers.supplier WHERE supplier_id = %(after)s)"
    found = await execute(
        connection,
        f"""SELECT document, eligibility FROM suppliers.supplier WHERE replaced_by = '' AND {_SEEN}
        AND {begins if after else "true"} AND {"supplier_id = ANY(%(ids)s)" if wanted.ids else "true"}
        AND (%(text)s = '' OR number LIKE %(like)s OR lower(name) LIKE lower(%(like)s))
        ORDER BY {order_by} LIMIT %(limit)s""",
        {
            "after": after,
            "ids": list(wanted.ids),
            "text": wanted.text,
            "like": starts_with(wanted.text),
            "limit": limit,
            "mine": companies,
        },
    )
    return [(codec.decode_own(row[0], Supplier), row[1]) for row in await found.fetchall()]


async def beside(connection: Connection, supplier_id: str, companies: Sequence[str] | None) -> dict[str, Any]:
    """What a supplier is made of: each system's record of it, and the suppliers that look like the same."""
    found = await execute(
        connection,
        "SELECT source, number, version, recorded_at FROM suppliers.record WHERE supplier_id = %s ORDER BY 1, 2",
        (supplier_id,),
    )
    records = [
        dict(zip(("source", "number", "version", "recorded_at"), row, strict=True)) for row in await found.fetchall()
    ]
    alike = await execute(
        connection,
        f"""SELECT s.supplier_id, s.number, s.name, s.status, t.found_by FROM suppliers.twin t
        JOIN suppliers.supplier s ON s.supplier_id = CASE WHEN t.supplier_id = %(id)s THEN t.other_id
            ELSE t.supplier_id END
        WHERE (t.supplier_id = %(id)s OR t.other_id = %(id)s) AND {_SEEN} ORDER BY s.name, s.supplier_id""",
        {"id": supplier_id, "mine": companies},
    )
    names = ("supplier_id", "number", "name", "status", "found_by")
    return {"records": records, "twins": [dict(zip(names, row, strict=True)) for row in await alike.fetchall()]}


async def sees(connection: Connection, supplier_id: str, companies: Sequence[str] | None) -> bool:
    found = await execute(
        connection,
        f"SELECT 1 FROM suppliers.supplier WHERE supplier_id = %(id)s AND {_SEEN}",
        {"id": supplier_id, "mine": companies},
    )
    return await found.fetchone() is not None


async def suspension(connection: Connection, supplier_id: str, suspension_id: str) -> Suspension | None:
    found = await execute(
        connection,
        "SELECT document FROM suppliers.suspension WHERE supplier_id = %s AND suspension_id = %s FOR UPDATE",
        (supplier_id, suspension_id),
    )
    row = await found.fetchone()
    return codec.decode_own(row[0], Suspension) if row else None
