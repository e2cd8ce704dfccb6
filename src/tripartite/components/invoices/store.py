"""The invoices component's own tables: its projection of the others' facts, invoices, decisions, allocations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.objects import Invoice, Order, Receipt, Supplier
from tripartite.runtime.db import Connection, copy_rows, execute
from tripartite.runtime.versions import VersionedTable

Key = tuple[str, str]  # company code, order number

ORDERS = VersionedTable(
    "invoices.purchase_order", ("company_code", "number"), {"supplier_id": "text", "document": "bytea"}, "supplier_id"
)
RECEIPTS = VersionedTable("invoices.receipt", ("company_code", "number"), {"document": "bytea"})


class Row(msgspec.Struct, kw_only=True):
    """An invoice as it stands in the table; written back where it changed."""

    invoice_id: str
    company_code: str
    sequence: int
    kind: str
    number: str
    number_folded: str
    supplier_id: str
    supplier_name: str
    currency: str
    issued_on: date | None
    arrived_on: date
    arrived_at: datetime
    net: Decimal | None
    tax: Decimal | None
    gross: Decimal | None
    small_difference: Decimal
    state: str
    verdict: str
    decision_id: str
    decisions: int
    inputs_digest: str
    payable_now: Decimal
    money_at_risk: Decimal
    payment_block: bool
    reason_codes: list[str]
    waits_for: list[str]
    next_check_at: datetime | None
    document: str
    posted_at: datetime | None
    correlation_id: str
    intake_id: str
    digest: str
    connection: str
    source_document: str
    was_post: bool
    content: bytes
    findings: bytes
    version: int
    changed_at: datetime
    part_of: str = ""  # the invoice that it is a part of (parting.py)


COLUMNS = Row.__struct_fields__
_SELECT = ", ".join(COLUMNS)


def _row(values: Sequence[Any]) -> Row:
    return Row(**dict(zip(COLUMNS, values, strict=True)))


class RawFacts(msgspec.Struct):
    """The bytes that facts are kept as, beside what was read from them: for digests that need no encoding."""

    orders: dict[str, bytes]
    receipts: dict[str, list[bytes]]
    suppliers: dict[str, bytes]


async def next_sequences(connection: Connection, count: int) -> list[int]:
    """Places in the order of arrival."""
    found = await execute(connection, "SELECT nextval('invoices.arrival') FROM generate_series(1, %s)", (count,))
    return [row[0] for row in await found.fetchall()]


async def known_ids(connection: Connection, ids: Sequence[str]) -> set[str]:
    found = await execute(
        connection, "SELECT invoice_id FROM invoices.invoice WHERE invoice_id = ANY(%s)", (list(ids),)
    )
    return {row[0] for row in await found.fetchall()}


async def name_suppliers(connection: Connection, named: Sequence[tuple[str, str, bytes]]) -> list[str]:
    """Fill in suppliers that were not known when their invoices were mapped: (invoice, supplier, findings). Returns the
    open invoices that got one: what is booked, and who is named already, stays.
    """
    found = await execute(
        connection,
        """UPDATE invoices.invoice i SET supplier_id = n.supplier, findings = n.findings
        FROM unnest(%s::text[], %s::text[], %s::bytea[]) AS n (id, supplier, findings)
        WHERE i.invoice_id = n.id AND i.supplier_id = '' AND i.state IN ('held', 'parked', 'approval', 'observed')
        RETURNING i.invoice_id""",
        ([each[0] for each in named], [each[1] for each in named], [each[2] for each in named]),
    )
    return sorted(row[0] for row in await found.fetchall())


async def lock_orders(connection: Connection, keys: Collection[Key], raw: RawFacts | None = None) -> dict[Key, Order]:
    """The orders of these numbers, locked in key order: whoever decides about an order holds its row.

    An order that is not known yet gets a row of version 0 to be locked by, so that an invoice and its order that arrive
    at the same moment see one another: whoever comes second reads what the first has written.
    """
    wanted = sorted(keys)
    await execute(
        connection,
        """INSERT INTO invoices.purchase_order (company_code, number, version, supplier_id, document)
        SELECT n.company_code, n.number, 0, '', '' FROM unnest(%s::text[], %s::text[]) AS n (company_code, number)
        WHERE NOT EXISTS (SELECT 1 FROM invoices.purchase_order o
            WHERE o.company_code = n.company_code AND o.number = n.number)
        ORDER BY 1, 2 ON CONFLICT DO NOTHING""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    found = await execute(
        connection,
        """SELECT company_code, number, document FROM invoices.purchase_order
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)
        ORDER BY company_code, number FOR UPDATE OF purchase_order""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    return _orders(await found.fetchall(), raw)


async def read_orders(connection: Connection, keys: Collection[Key], raw: RawFacts | None = None) -> dict[Key, Order]:
    """The same without the lock, for questions."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT company_code, number, document FROM invoices.purchase_order
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)
        WHERE version > 0""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    return _orders(await found.fetchall(), raw)


def _orders(rows: Sequence[tuple[Any, ...]], raw: RawFacts | None) -> dict[Key, Order]:
    if raw is not None:
        raw.orders.update({row[1]: row[2] for row in rows})
    return {(row[0], row[1]): codec.decode_own(row[2], Order) for row in rows if row[2]}


async def keep_in_erp(connection: Connection, owed: Mapping[Key, str], known: Mapping[Key, tuple[str, str]]) -> None:
    """Orders that an ERP must have (its connection), and those it said it has (its connection and number)."""
    for key, name in sorted(owed.items()):
        await execute(
            connection,
            """INSERT INTO invoices.order_in_erp (company_code, number, connection) VALUES (%s, %s, %s)
            ON CONFLICT DO NOTHING""",
            (*key, name),
        )
    for key, (name, document) in sorted(known.items()):
        await execute(
            connection,
            """INSERT INTO invoices.order_in_erp (company_code, number, connection, acknowledged, document)
            VALUES (%s, %s, %s, true, %s) ON CONFLICT (company_code, number) DO UPDATE SET acknowledged = true,
                connection = EXCLUDED.connection, document = EXCLUDED.document""",
            (*key, name, document),
        )


async def not_in_erp(connection: Connection, keys: Collection[Key]) -> dict[str, str]:
    """Those of these orders that an ERP must have and has not acknowledged: number -> connection."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT number, connection FROM invoices.order_in_erp
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)
        WHERE NOT acknowledged""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    return {row[0]: row[1] for row in await found.fetchall()}


async def receipts_of(connection: Connection, keys: Collection[Key], raw: RawFacts | None = None) -> list[Receipt]:
    """All receipts that belong to these orders."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT document FROM invoices.receipt WHERE (company_code, number) IN
            (SELECT company_code, l.number FROM invoices.receipt_of_order l
             JOIN unnest(%s::text[], %s::text[]) AS n (company_code, order_number) USING (company_code, order_number))
        ORDER BY company_code, number""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    receipts = []
    for (document,) in await found.fetchall():
        receipt = codec.decode_own(document, Receipt)
        receipts.append(receipt)
        if raw is not None:
            for number in {line.order_number for line in receipt.lines}:
                raw.receipts.setdefault(number, []).append(document)
    return receipts


async def orders_of_receipts(connection: Connection, receipts: Collection[Key]) -> list[tuple[Key, str]]:
    """The orders that these receipts, (company, number), are on so far."""
    wanted = sorted(receipts)
    found = await execute(
        connection,
        """SELECT company_code, l.number, order_number FROM invoices.receipt_of_order l
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, number) USING (company_code, number)""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    return [((row[0], row[1]), row[2]) for row in await found.fetchall()]


async def link_receipts(connection: Connection, receipts: Sequence[Receipt]) -> list[tuple[Key, str]]:
    """Note which orders the newest version of each receipt is on; returns those that it has left, by receipt.

    What was to be released out of a line that is gone is gone with it.
    """
    if not receipts:
        return []
    rows = sorted({(each.company_code, line.order_number, each.number) for each in receipts for line in each.lines})
    numbers = [(each.company_code, each.number) for each in receipts]
    left = await execute(
        connection,
        """WITH ours AS (SELECT * FROM unnest(%(c)s::text[], %(o)s::text[], %(r)s::text[])
                AS n (company_code, order_number, number)),
        gone AS (DELETE FROM invoices.receipt_of_order l
            USING unnest(%(nc)s::text[], %(nr)s::text[]) AS n (company_code, number)
            WHERE l.company_code = n.company_code AND l.number = n.number AND NOT EXISTS (SELECT 1 FROM ours o
                WHERE (o.company_code, o.order_number, o.number) = (l.company_code, l.order_number, l.number))
            RETURNING l.company_code, l.number, l.order_number),
        made AS (INSERT INTO invoices.receipt_of_order (company_code, order_number, number)
            SELECT company_code, order_number, number FROM ours ON CONFLICT DO NOTHING),
        undone AS (UPDATE invoices.releasable r SET quantity = 0
            FROM unnest(%(nc)s::text[], %(nr)s::text[]) AS n (company_code, number)
            WHERE r.company_code = n.company_code AND r.receipt_number = n.number)
        SELECT company_code, number, order_number FROM gone""",
        {
            "c": [row[0] for row in rows],
            "o": [row[1] for row in rows],
            "r": [row[2] for row in rows],
            "nc": [each[0] for each in numbers],
            "nr": [each[1] for each in numbers],
        },
    )
    return [((row[0], row[1]), row[2]) for row in await left.fetchall()]


async def receipts_known(connection: Connection, rows: Mapping[Key, datetime]) -> None:
    """Up to when the receipts of an order are known; it never moves back."""
    ordered = sorted(rows)
    await execute(
        connection,
        """INSERT INTO invoices.receipts_known AS k (company_code, order_number, as_of)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[])
        ON CONFLICT (company_code, order_number) DO UPDATE SET as_of = greatest(k.as_of, EXCLUDED.as_of)""",
        ([k[0] for k in ordered], [k[1] for k in ordered], [rows[k] for k in ordered]),
    )


async def invoices_of_orders(connection: Connection, keys: Collection[Key]) -> list[Row]:
    """Every invoice that names one of these orders, whatever its state."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        f"""SELECT {_SELECT} FROM invoices.invoice WHERE invoice_id IN
            (SELECT invoice_id FROM invoices.of_order
             JOIN unnest(%s::text[], %s::text[]) AS n (company_code, order_number) USING (company_code, order_number))
        """,
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    return [_row(row) for row in await found.fetchall()]


async def open_invoices_of_orders(
    connection: Connection, keys: Collection[Key], states: Sequence[str]
) -> dict[str, Key]:
    """The invoices in these states that name one of these orders, by id, each with the first of them that it names."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT i.invoice_id, min(o.company_code), min(o.order_number)
        FROM invoices.invoice i JOIN invoices.of_order o USING (invoice_id)
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, order_number)
            ON o.company_code = n.company_code AND o.order_number = n.order_number
        WHERE i.state = ANY(%s) GROUP BY 1 ORDER BY 1""",
        ([k[0] for k in wanted], [k[1] for k in wanted], list(states)),
    )
    return {row[0]: (row[1], row[2]) for row in await found.fetchall()}


async def invoices_by_id(connection: Connection, ids: Collection[str]) -> list[Row]:
    if not ids:
        return []
    found = await execute(
        connection, f"SELECT {_SELECT} FROM invoices.invoice WHERE invoice_id = ANY(%s)", (sorted(ids),)
    )
    return [_row(row) for row in await found.fetchall()]


async def parts_of(connection: Connection, ids: Collection[str]) -> list[Row]:
    """The parts that stand in the place of these invoices."""
    found = await execute(
        connection,
        f"SELECT {_SELECT} FROM invoices.invoice WHERE part_of <> '' AND part_of = ANY(%s) ORDER BY invoice_id",
        (sorted(ids),),
    )
    return [_row(row) for row in await found.fetchall()]


async def open_invoices_of_suppliers(
    connection: Connection, suppliers: Sequence[str], after: tuple[str, str], limit: int
) -> list[tuple[str, str]]:
    """The open invoices of these suppliers behind `after`, as (company, invoice), in this order: a page of them."""
    found = await execute(
        connection,
        """SELECT company_code, invoice_id FROM invoices.invoice WHERE supplier_id = ANY(%s)
        AND state IN ('held', 'parked', 'approval', 'observed') AND (company_code, invoice_id) > (%s, %s)
        ORDER BY 1, 2 LIMIT %s""",
        (list(suppliers), *after, limit),
    )
    return [(row[0], row[1]) for row in await found.fetchall()]


async def possible_twins(
    connection: Connection,
    suppliers: Sequence[str],
    numbers: Sequence[str],
    grosses: Sequence[Decimal | None],
    dates: Sequence[date | None],
    window_days: int,
) -> list[Row]:
    """Invoices that could be the same as one of these: same supplier and folded number, or gross about the date."""
    found = await execute(
        connection,
        f"""SELECT {_SELECT} FROM invoices.invoice WHERE invoice_id IN (
            SELECT i.invoice_id FROM unnest(%(s)s::text[], %(n)s::text[]) AS w (supplier, number)
            JOIN invoices.invoice i ON i.supplier_id = w.supplier AND i.number_folded = w.number
            UNION
            SELECT i.invoice_id FROM unnest(%(s)s::text[], %(g)s::numeric[], %(d)s::date[]) AS w (supplier, gross, day)
            JOIN invoices.invoice i ON i.supplier_id = w.supplier AND i.gross = w.gross
                AND i.issued_on BETWEEN w.day - %(window)s AND w.day + %(window)s)""",
        {"s": list(suppliers), "n": list(numbers), "g": list(grosses), "d": list(dates), "window": window_days},
    )
    return [_row(row) for row in await found.fetchall()]


# Suppliers

_MASTER_LOCK = 7461905


async def hold_master(connection: Connection, *, change: bool) -> None:
    """Keep the supplier master still while invoices are decided; whoever changes it waits for them, they for him."""
    kind = "pg_advisory_xact_lock" if change else "pg_advisory_xact_lock_shared"
    await execute(connection, f"SELECT {kind}(%s)", (_MASTER_LOCK,))


async def keep_suppliers(connection: Connection, suppliers: Sequence[Supplier]) -> set[str]:
    """Keep the newest version of each; returns the ids that changed."""
    newest: dict[str, Supplier] = {}
    for each in suppliers:
        if each.supplier_id not in newest or newest[each.supplier_id].version <= each.version:
            newest[each.supplier_id] = each
    changed = set()
    for each in newest.values():
        done = await execute(
            connection,
            """INSERT INTO invoices.supplier AS s (supplier_id, version, tax_id, accounts, document)
            VALUES (%s, %s, %s, %s, %s) ON CONFLICT (supplier_id) DO UPDATE SET version = EXCLUDED.version,
                tax_id = EXCLUDED.tax_id, accounts = EXCLUDED.accounts, document = EXCLUDED.document
            WHERE s.version <= EXCLUDED.version AND s.document <> EXCLUDED.document RETURNING 1""",
            (
                each.supplier_id,
                each.version,
                each.tax_id,
                [account.account for account in each.accounts],
                codec.encode(each),
            ),
        )
        if await done.fetchone():
            changed.add(each.supplier_id)
    return changed


async def suppliers_and_groups(
    connection: Connection, ids: Collection[str], raw: RawFacts | None = None
) -> list[Supplier]:
    """These suppliers, and all who share a tax id or an account with one of them."""
    found = await execute(
        connection,
        """WITH named AS (SELECT * FROM invoices.supplier WHERE supplier_id = ANY(%(ids)s))
        SELECT document FROM named
        UNION SELECT s.document FROM invoices.supplier s WHERE s.tax_id <> '' AND s.tax_id IN
            (SELECT tax_id FROM named)
        UNION SELECT s.document FROM invoices.supplier s, named n WHERE n.accounts <> '{}' AND s.accounts && n.accounts
        """,
        {"ids": sorted(ids)},
    )
    suppliers = []
    for (document,) in await found.fetchall():
        supplier = codec.decode_own(document, Supplier)
        suppliers.append(supplier)
        if raw is not None:
            raw.suppliers[supplier.supplier_id] = document
    return suppliers


# Writing


async def insert_invoices(connection: Connection, rows: Sequence[Row], documents: Mapping[str, Invoice]) -> None:
    """Write new invoices with their lines and the orders they name."""
    await copy_rows(connection, "invoices.invoice", COLUMNS, [msgspec.structs.astuple(row) for row in rows])
    lines, orders = [], []
    for row in rows:
        invoice = documents[row.invoice_id]
        only = invoice.order_numbers[0] if len(invoice.order_numbers) == 1 else ""
        for line in invoice.lines:
            lines.append(
                (
                    *(row.invoice_id, line.line, line.order_number or only, line.order_line, line.quantity, line.unit),
                    *(line.price, line.price_per, line.amount, "+".join(line.tax_codes), line.description[:500]),
                )
            )
        orders += [(row.company_code, number, row.invoice_id) for number in order_numbers(invoice)]
    await copy_rows(connection, "invoices.line", _LINE, lines)
    await copy_rows(connection, "invoices.of_order", ("company_code", "order_number", "invoice_id"), orders)


_LINE = (
    *("invoice_id", "line", "order_number", "order_line", "quantity", "unit"),
    *("price", "price_per", "amount", "tax_code", "description"),
)


def document_of(row: Row) -> Invoice:
    """The invoice of a row as it was mapped, with the supplier that became known afterwards."""
    invoice = codec.decode_own(row.content, Invoice)
    if row.supplier_id == invoice.supplier_id:
        return invoice
    return msgspec.structs.replace(invoice, supplier_id=row.supplier_id)


def order_numbers(invoice: Invoice) -> list[str]:
    """Every order an invoice names, each once, in a stable order."""
    named = {*invoice.order_numbers, *[line.order_number for line in invoice.lines]}
    named.discard("")
    return sorted(named)


_CHANGING = {
    "state": "text",
    "verdict": "text",
    "decision_id": "text",
    "decisions": "int",
    "inputs_digest": "text",
    "payable_now": "numeric",
    "money_at_risk": "numeric",
    "payment_block": "boolean",
    "small_difference": "numeric",
    "next_check_at": "timestamptz",
    "document": "text",
    "posted_at": "timestamptz",
    "was_post": "boolean",
    "version": "int",
    "changed_at": "timestamptz",
}


async def update_invoices(connection: Connection, rows: Sequence[Row]) -> None:
    """Write back what a decision or an outcome changed."""
    if not rows:
        return
    ordered = sorted(rows, key=lambda row: row.invoice_id)
    names = ", ".join(_CHANGING)
    await execute(
        connection,
        f"""UPDATE invoices.invoice i SET {", ".join(f"{name} = n.{name}" for name in _CHANGING)},
        reason_codes = CASE WHEN n.codes = '' THEN '{{}}' ELSE string_to_array(n.codes, ',') END,
        waits_for = CASE WHEN n.facts = '' THEN '{{}}' ELSE string_to_array(n.facts, ',') END
        FROM unnest(%s::text[], {", ".join(f"%s::{kind}[]" for kind in _CHANGING.values())}, %s::text[], %s::text[])
            AS n (id, {names}, codes, facts) WHERE i.invoice_id = n.id""",
        (
            [row.invoice_id for row in ordered],
            *([getattr(row, name) for row in ordered] for name in _CHANGING),
            [",".join(row.reason_codes) for row in ordered],
            [",".join(row.waits_for) for row in ordered],
        ),
    )


DECISION = (
    *("decision_id", "invoice_id", "number", "verdict", "state", "at", "cause", "cause_type"),
    *("inputs_digest", "policy_hash", "code_version", "result", "leaf_id", "trace_id"),
)
ALLOCATION = (
    *("invoice_id", "invoice_line", "company_code", "order_number", "order_line"),
    *("receipt_number", "receipt_line", "quantity"),
)


async def add_decisions(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    await copy_rows(connection, "invoices.decision", DECISION, rows)


async def add_allocations(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Write what is released. Errors: a check violation where more is released than came (I6, I7)."""
    await copy_rows(connection, "invoices.allocation", ALLOCATION, rows)


Place = tuple[str, str, int, str, int]  # company code, order, its line, receipt (empty: the line as a whole), its line


async def room_of(connection: Connection, keys: Collection[Key], *, whole: Collection[Key]) -> dict[Place, Decimal]:
    """What may still be released of the lines of these orders and of their receipts, where that is bounded.

    Orders of which nothing was released yet are left out unless they are in `whole`: there the match has seen all
    there is.
    """
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT r.company_code, r.order_number, r.order_line, r.receipt_number, r.receipt_line,
            r.quantity - coalesce((SELECT sum(a.quantity) FROM invoices.allocation a
                WHERE (a.company_code, a.order_number, a.order_line) = (r.company_code, r.order_number, r.order_line)
                AND (r.receipt_number = '' OR
                    (a.receipt_number, a.receipt_line) = (r.receipt_number, r.receipt_line))), 0)
        FROM (SELECT * FROM unnest(%s::text[], %s::text[], %s::bool[]) AS k (company_code, order_number, whole)
            WHERE k.whole OR EXISTS (SELECT 1 FROM invoices.allocation t
                WHERE t.company_code = k.company_code AND t.order_number = k.order_number)) AS n
        JOIN invoices.releasable r USING (company_code, order_number) WHERE r.quantity IS NOT NULL""",
        ([k[0] for k in wanted], [k[1] for k in wanted], [k in whole for k in wanted]),
    )
    return {(row[0], row[1], row[2], row[3], row[4]): row[5] for row in await found.fetchall()}


async def set_releasable(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """What may be released: (company, order, line, receipt or empty, its line, quantity or None)."""
    ordered = sorted(rows, key=lambda row: (row[0], row[1], row[2], row[3], row[4]))
    await execute(
        connection,
        """INSERT INTO invoices.releasable (company_code, order_number, order_line, receipt_number, receipt_line,
            quantity)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::int[], %s::text[], %s::int[], %s::numeric[])
        ON CONFLICT (company_code, order_number, order_line, receipt_number, receipt_line)
            DO UPDATE SET quantity = EXCLUDED.quantity""",
        [[row[place] for row in ordered] for place in range(6)],
    )


# Exceptions


async def exceptions_of(connection: Connection, ids: Collection[str]) -> dict[str, list[ExceptionRecord]]:
    """Every exception of these invoices, ended ones included."""
    if not ids:
        return {}
    found = await execute(
        connection, "SELECT invoice_id, record FROM invoices.exception WHERE invoice_id = ANY(%s)", (sorted(ids),)
    )
    records: dict[str, list[ExceptionRecord]] = {}
    for invoice_id, record in await found.fetchall():
        records.setdefault(invoice_id, []).append(codec.decode_own(record, ExceptionRecord))
    return records


async def exception(connection: Connection, exception_id: str) -> ExceptionRecord | None:
    """One exception in its newest version."""
    found = await execute(connection, "SELECT record FROM invoices.exception WHERE exception_id = %s", (exception_id,))
    row = await found.fetchone()
    return codec.decode_own(row[0], ExceptionRecord) if row else None


async def lock_invoice(connection: Connection, invoice_id: str) -> None:
    """Hold an invoice's row, so that two people act on it one after the other. After its orders, never before."""
    await execute(connection, "SELECT 1 FROM invoices.invoice WHERE invoice_id = %s FOR UPDATE", (invoice_id,))


async def keep_exceptions(connection: Connection, records: Sequence[ExceptionRecord]) -> None:
    """Write new versions of exceptions; those that end first, so that a key is free for its next opening."""
    ordered = sorted(records, key=lambda record: (record.is_open, record.exception_id))
    for open_ones in (False, True):
        part = [record for record in ordered if record.is_open is open_ones]
        if not part:
            continue
        await execute(
            connection,
            """INSERT INTO invoices.exception AS e (exception_id, company_code, invoice_id, line, reason_code, state,
                version, opened_at, due_at, record)
            SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::int[],
                %s::timestamptz[], %s::timestamptz[], %s::bytea[])
            ON CONFLICT (exception_id) DO UPDATE SET state = EXCLUDED.state, version = EXCLUDED.version,
                due_at = EXCLUDED.due_at, record = EXCLUDED.record WHERE e.version < EXCLUDED.version""",
            (
                [r.exception_id for r in part],
                [r.company_code for r in part],
                [r.object_id for r in part],
                [r.line for r in part],
                [r.reason_code for r in part],
                [r.state for r in part],
                [r.version for r in part],
                [r.opened_at for r in part],
                [r.due_at for r in part],
                [codec.encode(r) for r in part],
            ),
        )


# Questions


async def due_checks(connection: Connection, now: datetime, limit: int) -> list[tuple[str, str, str]]:
    """Invoices whose date to look again has come: (invoice, company, correlation). The date is moved on."""
    found = await execute(
        connection,
        """UPDATE invoices.invoice i SET next_check_at = %(now)s + interval '1 day'
        FROM (SELECT invoice_id FROM invoices.invoice WHERE next_check_at <= %(now)s
            ORDER BY next_check_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
        WHERE i.invoice_id = due.invoice_id RETURNING i.invoice_id, i.company_code, i.correlation_id""",
        {"now": now, "limit": limit},
    )
    return [(row[0], row[1], row[2]) for row in await found.fetchall()]


LISTED = (
    *("invoice_id", "company_code", "number", "kind", "supplier_id", "supplier_name", "currency", "issued_on"),
    *("arrived_at", "gross", "net", "state", "verdict", "decisions", "payable_now", "money_at_risk"),
    *("payment_block", "reason_codes", "waits_for", "document", "posted_at", "correlation_id", "changed_at"),
    *("connection", "source_document"),
)


async def invoices(
    connection: Connection,
    *,
    state: str = "",
    text: str = "",
    code: str = "",
    supplier: str = "",
    order: Key | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
    companies: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Invoices, the newest change first; filtered by state, a reason code, a supplier, an order that they name
    (company, number), or a number, supplier's name or document.
    """
    of_order = """invoice_id IN (SELECT o.invoice_id FROM invoices.of_order o
        WHERE (o.company_code, o.order_number) = (%(order_company)s, %(order_number)s)) AND"""
    found = await execute(
        connection,
        f"""SELECT {", ".join(LISTED)} FROM invoices.invoice
        WHERE {of_order if order else ""} (%(supplier)s = '' OR supplier_id = %(supplier)s)
        AND (%(state)s = '' OR state = %(state)s) AND (%(code)s = '' OR %(code)s = ANY(reason_codes))
        AND (%(text)s = '' OR number ILIKE %(like)s OR supplier_name ILIKE %(like)s OR document = %(text)s)
        AND (%(at)s::timestamptz IS NULL OR (changed_at, invoice_id) < (%(at)s, %(id)s))
        AND (%(mine)s::text[] IS NULL OR company_code = ANY(%(mine)s))
        ORDER BY changed_at DESC, invoice_id DESC LIMIT %(limit)s""",
        {
            "state": state,
            "text": text,
            "code": code,
            "supplier": supplier,
            "order_company": order[0] if order else "",
            "order_number": order[1] if order else "",
            "like": "%" + text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%",
            "at": after[0] if after else None,
            "id": after[1] if after else "",
            "mine": companies,
            "limit": limit,
        },
    )
    return [dict(zip(LISTED, row, strict=True)) for row in await found.fetchall()]


async def totals(connection: Connection, companies: Sequence[str] | None) -> list[dict[str, Any]]:
    """How many invoices stand where, with their sums per currency."""
    found = await execute(
        connection,
        """SELECT state, currency, count(*), coalesce(sum(gross), 0), coalesce(sum(money_at_risk), 0)
        FROM invoices.invoice WHERE %(mine)s::text[] IS NULL OR company_code = ANY(%(mine)s)
        GROUP BY 1, 2 ORDER BY 1, 2""",
        {"mine": companies},
    )
    return [
        dict(zip(("state", "currency", "count", "gross", "money_at_risk"), row, strict=True))
        for row in await found.fetchall()
    ]


async def find(connection: Connection, invoice_id: str) -> Row | None:
    """By our id; a row of another company is found too, the caller's rights are checked on what comes back."""
    rows = await invoices_by_id(connection, [invoice_id])
    return rows[0] if rows else None


async def decisions_of(connection: Connection, invoice_id: str) -> list[dict[str, Any]]:
    names = (
        *("decision_id", "number", "verdict", "state", "at", "cause", "cause_type", "inputs_digest"),
        *("policy_hash", "code_version", "result", "leaf_id", "trace_id"),
    )
    found = await execute(
        connection,
        f"SELECT {', '.join(names)} FROM invoices.decision WHERE invoice_id = %s ORDER BY number",
        (invoice_id,),
    )
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]


async def as_of_receipts(connection: Connection, keys: Collection[Key]) -> dict[Key, datetime]:
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT company_code, order_number, as_of FROM invoices.receipts_known
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, order_number) USING (company_code, order_number)""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    return {(row[0], row[1]): row[2] for row in await found.fetchall()}
