"""The suppliers component's table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tripartite.core import codec
from tripartite.core.objects import Supplier
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.versions import Standing, VersionedTable, keep_newest

TABLE = VersionedTable(
    "suppliers.supplier",
    ("supplier_id",),
    {
        "name": "text",
        "number": "text",
        "status": "text",
        "tax_id": "text",
        "source": "text",
        "document": "bytea",
        "leaf_id": "text",
        "recorded_at": "timestamptz",
    },
)


async def keep(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[Standing]:
    return await keep_newest(connection, TABLE, rows)


async def by_tax_id(connection: Connection, tax_ids: Sequence[str]) -> dict[str, Supplier]:
    """The supplier of each tax id, where exactly one has it."""
    found = await execute(
        connection,
        """SELECT tax_id, min(document) FROM suppliers.supplier WHERE tax_id = ANY(%s) GROUP BY tax_id
        HAVING count(*) = 1""",
        (list(tax_ids),),
    )
    return {row[0]: codec.decode_own(row[1], Supplier) for row in await found.fetchall()}


async def supplier(connection: Connection, supplier_id: str) -> Supplier | None:
    found = await execute(
        connection,
        "SELECT document FROM suppliers.supplier WHERE supplier_id = %s OR number = %s LIMIT 1",
        (supplier_id,) * 2,
    )
    row = await found.fetchone()
    return codec.decode_own(row[0], Supplier) if row else None


async def suppliers(connection: Connection, after: str, limit: int) -> list[Supplier]:
    found = await execute(
        connection,
        "SELECT document FROM suppliers.supplier WHERE supplier_id > %s ORDER BY supplier_id LIMIT %s",
        (after, limit),
    )
    return [codec.decode_own(row[0], Supplier) for row in await found.fetchall()]


async def twins(connection: Connection, supplier: Supplier) -> list[str]:
    """Other suppliers with the same tax id."""
    if not supplier.tax_id:
        return []
    found = await execute(
        connection,
        "SELECT supplier_id FROM suppliers.supplier WHERE tax_id = %s AND supplier_id <> %s ORDER BY 1",
        (supplier.tax_id, supplier.supplier_id),
    )
    return [row[0] for row in await found.fetchall()]


async def versions(connection: Connection, supplier_ids: Sequence[str]) -> dict[str, int]:
    """The version that is kept of each of these suppliers."""
    found = await execute(
        connection,
        "SELECT supplier_id, version FROM suppliers.supplier WHERE supplier_id = ANY(%s)",
        (sorted(set(supplier_ids)),),
    )
    return {row[0]: row[1] for row in await found.fetchall()}
