"""Orders as they are listed: a page of them, the newest first or by number, each with how it stands in the ERP."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.objects import Order
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.paging import Place, starts_with

Key = tuple[str, str]  # company code, order number
PUBLICATION = ("connection", "state", "version", "acknowledged_version", "remote_ref", "changed_at")


class Wanted(msgspec.Struct, frozen=True):
    """What is asked of the list; an empty word leaves nothing out. `text` is the beginning of a number."""

    status: str = ""
    supplier: str = ""
    text: str = ""


_NAMED = (
    *("company_code", "number", "version", "supplier_id", "status", "currency", "correlation_id", "recorded_at"),
    "source",
)


async def page(
    connection: Connection, wanted: Wanted, place: Place, limit: int, companies: Sequence[str] | None
) -> list[dict[str, Any]]:
    """A page of orders from `place` on."""
    found = await execute(
        connection,
        f"""SELECT {", ".join(_NAMED)}, document FROM orders.purchase_order
        WHERE (%(status)s = '' OR status = %(status)s) AND (%(supplier)s = '' OR supplier_id = %(supplier)s)
        AND (%(text)s = '' OR number LIKE %(like)s) AND (%(mine)s::text[] IS NULL OR company_code = ANY(%(mine)s))
        AND {place.begins} ORDER BY {place.order_by} LIMIT %(limit)s""",
        {
            "status": wanted.status,
            "supplier": wanted.supplier,
            "text": wanted.text,
            "like": starts_with(wanted.text),
            "mine": companies,
            "limit": limit,
            **place.parameters,
        },
    )
    rows = [{**dict(zip(_NAMED, row, strict=False)), **_shown(row[-1])} for row in await found.fetchall()]
    standing = await publications(connection, [(row["company_code"], row["number"]) for row in rows])
    return [{**row, "publication": standing.get((row["company_code"], row["number"]))} for row in rows]


def _shown(document: bytes) -> dict[str, Any]:
    """What a list says of an order beside its columns."""
    value = codec.decode_own(document, Order)
    return {
        "issued_on": value.issued_on,
        "requisition": value.requisition,
        "lines": len(value.lines),
        "net": value.net if value.net is not None else _net(value),
    }


def _net(order: Order) -> Decimal | None:
    """The sum of the lines' stated amounts; None where a line states none. Nothing is computed from prices here."""
    amounts = [line.amount for line in order.lines]
    return None if not amounts or None in amounts else sum((a for a in amounts if a is not None), Decimal(0))


async def publications(connection: Connection, keys: Collection[Key]) -> dict[Key, dict[str, Any]]:
    """How these orders stand with the ERP: which version it must have, which one it said it has."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        f"""SELECT company_code, number, object_id, {", ".join(PUBLICATION)} FROM orders.publication
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)
        WHERE connection <> ''""",
        ([key[0] for key in wanted], [key[1] for key in wanted]),
    )
    names = ("object_id", *PUBLICATION)
    return {(row[0], row[1]): dict(zip(names, row[2:], strict=True)) for row in await found.fetchall()}
