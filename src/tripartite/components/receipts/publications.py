"""The tables of publishing: what is owed to whom, what it is called there, what is in doubt, what went wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.objects import Receipt
from tripartite.runtime.db import Connection, execute

OPEN = ("waiting", "owed", "unknown", "dead_letter")
BESIDE = -1  # the line of a record that was made beside a receipt and stands for none of its lines
Key = tuple[str, str]  # company, receipt number


class Publication(msgspec.Struct):
    """One version of one receipt for one connection. The fields are the columns."""

    company_code: str
    number: str
    version: int
    connection: str
    ordinal: int
    mode: str
    state: str
    delivery_key: str
    correlation_id: str
    causation_id: str
    remote_ref: str
    detail: str
    changed_at: datetime


class Name(msgspec.Struct, frozen=True):
    company_code: str
    connection: str
    foreign_number: str
    number: str
    line: int


_COLUMNS: Mapping[str, str] = {
    "company_code": "text",
    "number": "text",
    "version": "bigint",
    "connection": "text",
    "ordinal": "int",
    "mode": "text",
    "state": "text",
    "delivery_key": "text",
    "correlation_id": "text",
    "causation_id": "text",
    "remote_ref": "text",
    "detail": "text",
    "changed_at": "timestamptz",
}
_NAMES = ", ".join(_COLUMNS)


def _pairs(keys: Collection[Key]) -> list[list[str]]:
    ordered = sorted(keys)
    return [[key[0] for key in ordered], [key[1] for key in ordered]]


async def keep(connection: Connection, rows: Sequence[Publication]) -> None:
    """Write publications as they are now."""
    if not rows:
        return
    await execute(
        connection,
        f"""INSERT INTO receipts.publication ({_NAMES})
        SELECT * FROM unnest({", ".join(f"%s::{kind}[]" for kind in _COLUMNS.values())}) ORDER BY 1, 2, 3, 4
        ON CONFLICT (company_code, number, version, connection) DO UPDATE SET state = EXCLUDED.state,
            delivery_key = EXCLUDED.delivery_key, remote_ref = EXCLUDED.remote_ref, detail = EXCLUDED.detail,
            changed_at = EXCLUDED.changed_at""",
        [[getattr(row, name) for row in rows] for name in _COLUMNS],
    )


async def of_receipts(connection: Connection, keys: Collection[Key]) -> list[Publication]:
    """Every publication of these receipts, locked, the oldest first."""
    found = await execute(
        connection,
        f"""SELECT {_NAMES} FROM receipts.publication
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)
        ORDER BY company_code, number, connection, ordinal FOR UPDATE OF publication""",
        _pairs(keys),
    )
    return [Publication(*row) for row in await found.fetchall()]


async def of_orders(connection: Connection, source: str, orders: Collection[Key]) -> set[Key]:
    """Those of these orders of which `source` was sent a receipt whose outcome is not known; locked until we end.

    Only what may have been sent can come back: what is merely observed or still to be let go cannot.
    """
    found = await execute(
        connection,
        """SELECT o.company_code, o.order_number FROM receipts.publication p
        JOIN receipts.of_order o ON (o.company_code, o.number) = (p.company_code, p.number)
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, order_number)
            ON (o.company_code, o.order_number) = (n.company_code, n.order_number)
        WHERE p.connection = %s AND p.mode = 'act' AND p.state = ANY(%s) AND p.state <> 'waiting'
        ORDER BY p.company_code, p.number, p.version FOR UPDATE OF p""",
        (*_pairs(orders), source, list(OPEN)),
    )
    return {(row[0], row[1]) for row in await found.fetchall()}


async def by_key(connection: Connection, delivery_keys: Collection[str]) -> list[Key]:
    """Whose publications these deliveries carry out."""
    found = await execute(
        connection,
        "SELECT DISTINCT company_code, number FROM receipts.publication WHERE delivery_key = ANY(%s) ORDER BY 1, 2",
        (sorted(delivery_keys),),
    )
    return [(row[0], row[1]) for row in await found.fetchall()]


async def waiting_for(connection: Connection, company_code: str, numbers: Collection[str]) -> list[Key]:
    """Receipts with a publication that waits, and that take something from one of `numbers`."""
    found = await execute(
        connection,
        """SELECT DISTINCT p.company_code, p.number FROM receipts.publication p
        JOIN receipts.receipt r ON (r.company_code, r.number) = (p.company_code, p.number)
        WHERE p.company_code = %s AND p.state = 'waiting' AND EXISTS (
            SELECT 1 FROM jsonb_array_elements(convert_from(r.document, 'UTF8')::jsonb -> 'lines') AS line
            WHERE line ->> 'takes_from' = ANY(%s))
        ORDER BY 1, 2""",
        (company_code, sorted(numbers)),
    )
    return [(row[0], row[1]) for row in await found.fetchall()]


class TakeBack(msgspec.Struct, frozen=True):
    """A return or reversal that a connection has not taken yet: the order it is of, and whatever it takes from."""

    company_code: str
    connection: str
    order_number: str
    takes_from: frozenset[str]


async def open_take_backs(connection: Connection, keys: Collection[Key]) -> list[TakeBack]:
    """What is still to be taken back, at each connection, of the orders of these receipts."""
    found = await execute(
        connection,
        """SELECT p.company_code, p.connection, o.order_number, array_agg(line ->> 'takes_from')
        FROM receipts.of_order mine JOIN receipts.of_order o USING (company_code, order_number)
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number)
            ON (mine.company_code, mine.number) = (n.company_code, n.number)
        JOIN receipts.publication p ON (p.company_code, p.number) = (o.company_code, o.number)
        JOIN receipts.receipt r ON (r.company_code, r.number) = (o.company_code, o.number)
        CROSS JOIN jsonb_array_elements(convert_from(r.document, 'UTF8')::jsonb -> 'lines') AS line
        WHERE p.state IN ('waiting', 'owed', 'unknown') AND p.mode = 'act' AND r.kind IN ('return', 'reversal')
            AND line ->> 'takes_from' <> ''
        GROUP BY 1, 2, 3""",
        _pairs(keys),
    )
    return [TakeBack(row[0], row[1], row[2], frozenset(row[3])) for row in await found.fetchall()]


async def waiting_beside(connection: Connection, keys: Collection[Key]) -> list[Key]:
    """Receipts with a publication that waits, of the orders of these."""
    found = await execute(
        connection,
        """SELECT DISTINCT p.company_code, p.number FROM receipts.of_order mine
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number)
            ON (mine.company_code, mine.number) = (n.company_code, n.number)
        JOIN receipts.of_order o ON (o.company_code, o.order_number) = (mine.company_code, mine.order_number)
        JOIN receipts.publication p ON (p.company_code, p.number) = (o.company_code, o.number)
        WHERE p.state = 'waiting' ORDER BY 1, 2""",
        _pairs(keys),
    )
    return [(row[0], row[1]) for row in await found.fetchall()]


# Names


async def add_names(connection: Connection, names: Sequence[Name]) -> None:
    unique = {(each.company_code, each.connection, each.foreign_number): each for each in names}
    rows = [unique[key] for key in sorted(unique)]
    if not rows:
        return
    await execute(
        connection,
        """INSERT INTO receipts.name (company_code, connection, foreign_number, number, line)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::int[]) ON CONFLICT DO NOTHING""",
        [[getattr(row, name) for row in rows] for name in Name.__struct_fields__],
    )


async def named(connection: Connection, source: str, foreign: Collection[Key]) -> dict[Key, str]:
    """Our number by (company, the number that `source` uses)."""
    found = await execute(
        connection,
        """SELECT company_code, foreign_number, name.number FROM receipts.name
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, foreign_number) USING (company_code, foreign_number)
        WHERE connection = %s""",
        (*_pairs(foreign), source),
    )
    return {(row[0], row[1]): row[2] for row in await found.fetchall()}


async def names_of(connection: Connection, keys: Collection[Key]) -> dict[tuple[str, str, str, int], str]:
    """What each connection calls these receipts: by (company, number, connection, line), the newest name."""
    found = await execute(
        connection,
        """SELECT company_code, number, connection, line, foreign_number FROM receipts.name
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)
        ORDER BY length(foreign_number), foreign_number""",
        _pairs(keys),
    )
    return {(row[0], row[1], row[2], row[3]): row[4] for row in await found.fetchall()}


# Receipts, as far as publishing looks at them


async def recorded(connection: Connection, keys: Collection[Key]) -> dict[Key, tuple[Receipt, str, str]]:
    """These receipts as recorded: the newest version, its source, its correlation id."""
    found = await execute(
        connection,
        """SELECT document, source, correlation_id FROM receipts.receipt
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)""",
        _pairs(keys),
    )
    rows = [(codec.decode_own(row[0], Receipt), row[1], row[2]) for row in await found.fetchall()]
    return {(row[0].company_code, row[0].number): row for row in rows}


# Doubts


async def doubt(connection: Connection, message: Message, receipt: Receipt) -> None:
    """Put an arrival aside until it is known whether it is our own."""
    orders = sorted({line.order_number for line in receipt.lines})
    await execute(
        connection,
        "INSERT INTO receipts.doubtful VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (receipt.company_code, message.source, receipt.number, receipt.version, orders, codec.encode(message)),
    )


async def doubts(connection: Connection, company_code: str, source: str, orders: Collection[str]) -> list[Message]:
    """Take the arrivals of these orders out again, in the order of their numbers."""
    found = await execute(
        connection,
        """DELETE FROM receipts.doubtful WHERE company_code = %s AND source = %s AND order_numbers && %s::text[]
        RETURNING number, version, message""",
        (company_code, source, sorted(orders)),
    )
    return [codec.decode_own(row[2], Message) for row in sorted(await found.fetchall())]


# Exceptions


async def exceptions_of(connection: Connection, object_ids: Collection[str]) -> dict[str, list[ExceptionRecord]]:
    found = await execute(
        connection,
        "SELECT record FROM receipts.exception WHERE object_id = ANY(%s) ORDER BY exception_id",
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
            """INSERT INTO receipts.exception AS e VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (exception_id) DO UPDATE SET state = EXCLUDED.state, version = EXCLUDED.version,
                record = EXCLUDED.record WHERE e.version < EXCLUDED.version""",
            (
                *(record.exception_id, record.company_code, record.object_id, record.line, record.reason_code),
                *(record.state, record.version, codec.encode(record)),
            ),
        )
