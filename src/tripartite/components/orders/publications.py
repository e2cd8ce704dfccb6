"""The tables of publication: how each order stands with the ERP, the suppliers it needs, the exceptions on the way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.ids import stable_id
from tripartite.core.objects import Order, Supplier
from tripartite.runtime.db import Connection, execute

Key = tuple[str, str]  # company code, order number
_MASTER_LOCK = 7461906


class Head(msgspec.Struct, kw_only=True):
    """How one order stands with the ERP; written back where it changed."""

    company_code: str
    number: str
    object_id: str
    connection: str
    state: str
    sequence: int
    version: int
    digest: str
    acknowledged_version: int
    remote_ref: str
    changed_at: datetime | None

    @property
    def key(self) -> Key:
        return (self.company_code, self.number)


_COLUMNS = Head.__struct_fields__


class Known(msgspec.Struct, frozen=True):
    """An order as it is recorded, with where it came from."""

    order: Order
    source: str
    correlation_id: str


def object_id_of(key: Key) -> str:
    """What the deliveries call an order."""
    return stable_id("ord", *key)


async def hold_suppliers(connection: Connection, *, change: bool) -> None:
    """Keep the suppliers still while orders are judged: whoever changes them waits, and sees who waits for him."""
    kind = "pg_advisory_xact_lock" if change else "pg_advisory_xact_lock_shared"
    await execute(connection, f"SELECT {kind}(%s)", (_MASTER_LOCK,))


async def lock_heads(connection: Connection, keys: Collection[Key]) -> dict[Key, Head]:
    """How these orders stand, locked in key order; one that was never looked at gets a row to be locked by."""
    wanted = sorted(keys)
    await execute(
        connection,
        """INSERT INTO orders.publication (company_code, number, object_id)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) ORDER BY 1, 2 ON CONFLICT DO NOTHING""",
        ([k[0] for k in wanted], [k[1] for k in wanted], [object_id_of(k) for k in wanted]),
    )
    found = await execute(
        connection,
        f"""SELECT {", ".join(_COLUMNS)} FROM orders.publication
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)
        ORDER BY company_code, number FOR UPDATE OF publication""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    heads = [Head(**dict(zip(_COLUMNS, row, strict=True))) for row in await found.fetchall()]
    return {head.key: head for head in heads}


async def keys_of_objects(connection: Connection, object_ids: Collection[str]) -> dict[str, Key]:
    """The orders that the deliveries call so."""
    found = await execute(
        connection,
        "SELECT object_id, company_code, number FROM orders.publication WHERE object_id = ANY(%s)",
        (sorted(object_ids),),
    )
    return {row[0]: (row[1], row[2]) for row in await found.fetchall()}


async def keep_heads(connection: Connection, heads: Sequence[Head]) -> None:
    for head in heads:
        await execute(
            connection,
            """UPDATE orders.publication SET connection = %s, state = %s, sequence = %s, version = %s, digest = %s,
            acknowledged_version = %s, remote_ref = %s, changed_at = %s WHERE company_code = %s AND number = %s""",
            (
                *(head.connection, head.state, head.sequence, head.version, head.digest),
                *(head.acknowledged_version, head.remote_ref, head.changed_at, head.company_code, head.number),
            ),
        )


async def note_owed(connection: Connection, rows: Sequence[tuple[str, int, int]]) -> None:
    """Which version each write carries: object id, sequence, version."""
    await execute(
        connection,
        """INSERT INTO orders.published (object_id, sequence, version)
        SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[])""",
        ([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]),
    )


async def versions_owed(connection: Connection, object_ids: Collection[str]) -> dict[tuple[str, int], int]:
    found = await execute(
        connection,
        "SELECT object_id, sequence, version FROM orders.published WHERE object_id = ANY(%s)",
        (sorted(object_ids),),
    )
    return {(row[0], row[1]): row[2] for row in await found.fetchall()}


async def orders_of(connection: Connection, keys: Collection[Key]) -> dict[Key, Known]:
    """The newest version of these orders."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT company_code, number, document, source, correlation_id FROM orders.purchase_order
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    return {(r[0], r[1]): Known(codec.decode_own(r[2], Order), r[3], r[4]) for r in await found.fetchall()}


async def orders_waiting(connection: Connection, supplier_ids: Collection[str]) -> list[Key]:
    """Orders of these suppliers that could not be published."""
    found = await execute(
        connection,
        """SELECT company_code, number FROM orders.publication JOIN orders.purchase_order USING (company_code, number)
        WHERE state = 'waiting' AND supplier_id = ANY(%s) ORDER BY 1, 2""",
        (sorted(supplier_ids),),
    )
    return [(row[0], row[1]) for row in await found.fetchall()]


async def keep_suppliers(connection: Connection, suppliers: Sequence[Supplier]) -> None:
    """Keep the newest version of each; a name elsewhere may come without a new version."""
    for each in sorted(suppliers, key=lambda supplier: (supplier.supplier_id, supplier.version)):
        await execute(
            connection,
            """INSERT INTO orders.supplier AS s (supplier_id, version, document) VALUES (%s, %s, %s)
            ON CONFLICT (supplier_id) DO UPDATE SET version = EXCLUDED.version, document = EXCLUDED.document
            WHERE s.version <= EXCLUDED.version""",
            (each.supplier_id, each.version, codec.encode(each)),
        )


async def suppliers_of(connection: Connection, supplier_ids: Collection[str]) -> dict[str, Supplier]:
    found = await execute(
        connection,
        "SELECT supplier_id, document FROM orders.supplier WHERE supplier_id = ANY(%s)",
        (sorted(supplier_ids),),
    )
    return {row[0]: codec.decode_own(row[1], Supplier) for row in await found.fetchall()}


async def exceptions_of(connection: Connection, keys: Collection[Key]) -> dict[Key, list[ExceptionRecord]]:
    """Every exception of these orders, ended ones included."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT company_code, number, record FROM orders.exception
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    records: dict[Key, list[ExceptionRecord]] = {}
    for company, number, record in await found.fetchall():
        records.setdefault((company, number), []).append(codec.decode_own(record, ExceptionRecord))
    return records


async def keep_exceptions(connection: Connection, records: Sequence[ExceptionRecord]) -> None:
    """Write new versions of exceptions; those that end first, so that a key is free for its next opening."""
    for record in sorted(records, key=lambda record: (record.is_open, record.exception_id)):
        await execute(
            connection,
            """INSERT INTO orders.exception AS e
                (exception_id, company_code, number, reason_code, state, version, record)
            VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (exception_id) DO UPDATE SET state = EXCLUDED.state,
                version = EXCLUDED.version, record = EXCLUDED.record WHERE e.version < EXCLUDED.version""",
            (
                *(record.exception_id, record.company_code, record.object_id, record.reason_code, record.state),
                *(record.version, codec.encode(record)),
            ),
        )
