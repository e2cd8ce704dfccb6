"""Day zero in this component's tables: opening balances of order lines, and the bills of before.

    openings_of, billed_before     what a decision gathers of them
    load_openings, load_billed     the batch path: one COPY and set-based statements in the caller's transaction;
                                   what follows from it stands in day_zero.py

A row is written once. The same row again changes nothing; another word on the same thing is not taken silently.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import msgspec

from tripartite.components.invoices.store import Key
from tripartite.core.invoice_life import OPEN
from tripartite.core.matching.numbering import folded, number_key
from tripartite.core.matching.opening import BilledBefore, Opening
from tripartite.core.money import Amount
from tripartite.core.quantity import Quantity
from tripartite.runtime.db import Connection, copy_rows, execute

Line = tuple[str, str, int]  # company code, order number, its line
AGAIN = (*OPEN, "to_post", "posted")
Mark = tuple[str, str, Decimal | None, date]
"""What a bill of before is found by: supplier, folded number, gross, day."""
Standing = Literal["applied", "duplicate", "differs", "stale"]


class LoadedLine(msgspec.Struct, frozen=True):
    """An opening balance on its way in: whose it is, and the row of the file that says so."""

    company_code: str
    opening: Opening
    row: int


class LoadedBill(msgspec.Struct, frozen=True):
    """A bill of before on its way in."""

    bill: BilledBefore
    row: int


class Loaded(msgspec.Struct):
    """What became of each row given, in order, and the invoices to look at again: (company, invoice)."""

    standings: list[Standing]
    wakes: list[tuple[str, str]] = []


# Gathering


async def openings_of(connection: Connection, keys: Collection[Key]) -> dict[Line, Opening]:
    """The opening balances of the lines of these orders."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT company_code, order_number, order_line, as_of, received, accepted, billed, billed_net
        FROM invoices.opening_line JOIN unnest(%s::text[], %s::text[]) AS n (company_code, order_number)
            USING (company_code, order_number)""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    return {
        (row[0], row[1], row[2]): Opening(
            order_number=row[1],
            order_line=row[2],
            as_of=row[3],
            received=Quantity(row[4]),
            accepted=None if row[5] is None else Quantity(row[5]),
            billed=Quantity(row[6]),
            billed_net=None if row[7] is None else Amount(row[7]),
        )
        for row in await found.fetchall()
    }


async def billed_before(connection: Connection, marks: Sequence[Mark]) -> list[BilledBefore]:
    """Bills of before that one of these could repeat: same supplier and folded number, or gross on the same day."""
    found = await execute(
        connection,
        """SELECT b.company_code, b.supplier_id, b.number, b.currency, b.issued_on, b.gross, b.net, b.kind, b.document,
            b.paid_on
        FROM unnest(%(s)s::text[], %(n)s::text[]) AS w (supplier, number)
        JOIN invoices.billed_before b ON b.supplier_id = w.supplier AND b.number_folded = w.number
        UNION
        SELECT b.company_code, b.supplier_id, b.number, b.currency, b.issued_on, b.gross, b.net, b.kind, b.document,
            b.paid_on
        FROM unnest(%(s)s::text[], %(g)s::numeric[], %(d)s::date[]) AS w (supplier, gross, day)
        JOIN invoices.billed_before b ON b.supplier_id = w.supplier AND b.issued_on = w.day AND b.gross = w.gross
        ORDER BY 2, 3, 5, 1, 8""",
        {
            "s": [supplier for supplier, _, _, _ in marks],
            "n": [number for _, number, _, _ in marks],
            "g": [gross for _, _, gross, _ in marks],
            "d": [day for _, _, _, day in marks],
        },
    )
    return [
        BilledBefore(
            company_code=row[0],
            supplier_id=row[1],
            number=row[2],
            currency=row[3],
            issued_on=row[4],
            gross=Amount(row[5]),
            net=None if row[6] is None else Amount(row[6]),
            kind=row[7],
            document=row[8],
            paid_on=row[9],
        )
        for row in await found.fetchall()
    ]


# Loading

_LINE = {
    **{"company_code": "text", "order_number": "text", "order_line": "int", "as_of": "date", "received": "numeric"},
    **{"accepted": "numeric", "billed": "numeric", "billed_net": "numeric(24, 6)"},
}
_BILL = {
    **{"company_code": "text", "supplier_id": "text", "kind": "text", "number": "text", "issued_on": "date"},
    **{"number_folded": "text", "currency": "text", "gross": "numeric(24, 6)", "net": "numeric(24, 6)"},
    **{"document": "text", "paid_on": "date"},
}
_LINE_KEY = ("company_code", "order_number", "order_line")
_BILL_KEY = ("supplier_id", "number", "issued_on", "company_code", "kind")


async def load_openings(connection: Connection, digest: str, rows: Sequence[LoadedLine]) -> list[Standing]:
    """Take opening balances in. A later `as_of` replaces an earlier one, and moves the line it is drawn at.

    What may be released of the lines is worked out anew by the caller (day_zero.py), who knows orders and receipts.
    """
    values = [
        (
            *(each.company_code, each.opening.order_number, each.opening.order_line, each.opening.as_of),
            *(each.opening.received, each.opening.accepted, each.opening.billed, each.opening.billed_net),
        )
        for each in rows
    ]
    fresh = await _write(
        connection,
        "opening_line",
        _LINE,
        _LINE_KEY,
        digest,
        [each.row for each in rows],
        values,
        """DO UPDATE SET as_of = EXCLUDED.as_of, received = EXCLUDED.received, accepted = EXCLUDED.accepted,
            billed = EXCLUDED.billed, billed_net = EXCLUDED.billed_net, load_digest = EXCLUDED.load_digest,
            load_row = EXCLUDED.load_row WHERE opening_line.as_of < EXCLUDED.as_of""",
    )
    return await _standings(connection, "opening_line", _LINE, _LINE_KEY, [each.row for each in rows], fresh)


async def load_billed(connection: Connection, digest: str, rows: Sequence[LoadedBill]) -> list[Standing]:
    """Take bills of before in: what is known already stays as it is."""
    values = [
        (
            *(bill.company_code, bill.supplier_id, bill.kind, bill.number, bill.issued_on),
            *(folded(bill.number) or number_key(bill.number), bill.currency, bill.gross, bill.net),
            *(bill.document, bill.paid_on),
        )
        for bill in (each.bill for each in rows)
    ]
    numbers = [each.row for each in rows]
    fresh = await _write(connection, "billed_before", _BILL, _BILL_KEY, digest, numbers, values, "DO NOTHING")
    return await _standings(connection, "billed_before", _BILL, _BILL_KEY, numbers, fresh)


async def repeating(connection: Connection) -> list[tuple[str, str]]:
    """Whom the bills just loaded concern: the invoices that could repeat one or that credit one, and those beside them
    on an order: (company, invoice). Same transaction.
    """
    found = await execute(
        connection,
        """WITH hit AS (
            SELECT i.invoice_id FROM coming_billed_before c
            JOIN invoices.invoice i ON i.supplier_id = c.supplier_id AND i.number_folded = c.number_folded
            UNION
            SELECT i.invoice_id FROM coming_billed_before c
            JOIN invoices.invoice i ON i.supplier_id = c.supplier_id AND i.gross = c.gross AND i.issued_on = c.issued_on
            UNION
            SELECT i.invoice_id FROM (SELECT DISTINCT supplier_id FROM coming_billed_before) c
            JOIN invoices.invoice i USING (supplier_id)
            WHERE i.kind IN ('credit_memo', 'subsequent_credit') AND 'reference.credit_orphan' = ANY(i.reason_codes)
        )
        SELECT i.company_code, i.invoice_id FROM (
            SELECT invoice_id FROM hit
            UNION
            SELECT beside.invoice_id FROM hit JOIN invoices.invoice own USING (invoice_id)
            JOIN invoices.line l USING (invoice_id)
            JOIN invoices.of_order beside
                ON beside.company_code = own.company_code AND beside.order_number = l.order_number
        ) AS near JOIN invoices.invoice i USING (invoice_id) WHERE i.state = ANY(%s) ORDER BY 1, 2""",
        (list(AGAIN),),
    )
    return [(row[0], row[1]) for row in await found.fetchall()]


async def _write(
    connection: Connection,
    table: str,
    columns: Mapping[str, str],
    key: Sequence[str],
    digest: str,
    numbers: Sequence[int],
    values: Sequence[tuple[Any, ...]],
    conflict: str,
) -> set[int]:
    """COPY rows beside the table and insert them in one statement; the numbers of those that were taken."""
    names = ", ".join(columns)
    declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    await execute(connection, f"CREATE TEMPORARY TABLE coming_{table} ({declared}, load_row bigint) ON COMMIT DROP")
    copied = [(*row, number) for row, number in zip(values, numbers, strict=True)]
    await copy_rows(connection, f"coming_{table}", (*columns, "load_row"), copied)
    await execute(connection, f"ANALYZE coming_{table}")
    taken = await execute(
        connection,
        f"""INSERT INTO invoices.{table} ({names}, load_digest, load_row)
        SELECT DISTINCT ON ({", ".join(key)}) {names}, %s::text, load_row FROM coming_{table}
        ORDER BY {", ".join(key)}, load_row
        ON CONFLICT ({", ".join(key)}) {conflict} RETURNING load_row""",
        (digest,),
    )
    return {row[0] for row in await taken.fetchall()}


async def _standings(
    connection: Connection,
    table: str,
    columns: Mapping[str, str],
    key: Sequence[str],
    numbers: Sequence[int],
    fresh: Collection[int],
) -> list[Standing]:
    """What became of each row: taken, known as it is, known otherwise, or older than what is known."""
    known: dict[int, Standing] = {}
    if len(fresh) < len(numbers):
        same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM c.{name}" for name in columns if name not in key)
        older = "c.as_of < t.as_of" if "as_of" in columns else "false"
        found = await execute(
            connection,
            f"""SELECT c.load_row, CASE WHEN {same} THEN 'duplicate' WHEN {older} THEN 'stale' ELSE 'differs' END
            FROM coming_{table} c JOIN invoices.{table} t USING ({", ".join(key)})""",
        )
        known = dict(await found.fetchall())
    return ["applied" if number in fresh else known[number] for number in numbers]
