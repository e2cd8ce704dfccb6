"""What the others said that bears on paying: posted items, the supplier master, blocking exceptions, holds of people.

What was drawn up stands in ledger.py, what the bank said in answers.py, questions of people in asking.py.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.money import Amount
from tripartite.core.objects import BankAccount, Supplier
from tripartite.core.paying.proposing import OpenItem, Payee
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.versions import VersionedTable

ITEMS = VersionedTable(
    "payments.item",
    ("invoice_id",),
    {
        "company_code": "text",
        "supplier_id": "text",
        "supplier_name": "text",
        "currency": "text",
        "credit": "boolean",
        "number": "text",
        "amount": "numeric",
        "document": "text",
        "year": "text",
        "issued_on": "date",
        "due_on": "date",
        "discount_on": "date",
        "discount": "numeric",
        "remit_to": "text",
        "blocked": "boolean",
        "connection": "text",
        "source_document": "text",
        "correlation_id": "text",
    },
)
SUPPLIERS = VersionedTable(
    "payments.supplier",
    ("supplier_id",),
    {"status": "text", "suspended": "text", "confirmed": "jsonb", "document": "bytea"},
)
BLOCKS = VersionedTable(
    "payments.block", ("exception_id",), {"object_id": "text", "reason_code": "text", "blocking": "boolean"}
)
_RUNS = 7461911  # the lock of a company's payments


class Held(msgspec.Struct, frozen=True):
    """One reason why an item may not be paid. `kind`: erp_block, exception, supplier, account, person, bank, changed.

    `code` is the reason code, where there is one.
    """

    kind: str
    code: str
    words: str


async def hold_still(connection: Connection, companies: Collection[str], *, change: bool) -> None:
    """Facts come side by side; whoever draws up, releases, holds or settles payments of a company waits for them.

    A hold that is being written while a run is built is therefore seen by the run, or the run by the hold.
    """
    kind = "pg_advisory_xact_lock" if change else "pg_advisory_xact_lock_shared"
    for company in sorted(set(companies)):
        await execute(connection, f"SELECT {kind}(%s, hashtext(%s))", (_RUNS, company))


async def booked_by(connection: Connection, rows: Sequence[tuple[str, str]]) -> None:
    """Which ERP booked an item: (invoice, connection). The first word stays."""
    await execute(
        connection,
        """UPDATE payments.item i SET erp = n.erp FROM unnest(%s::text[], %s::text[]) AS n (invoice_id, erp)
        WHERE i.invoice_id = n.invoice_id AND i.erp = ''""",
        ([row[0] for row in rows], [row[1] for row in rows]),
    )


async def companies_of_suppliers(connection: Connection, suppliers: Collection[str]) -> list[str]:
    """The companies that owe one of these suppliers anything."""
    found = await execute(
        connection,
        "SELECT DISTINCT company_code FROM payments.item WHERE supplier_id = ANY(%s) ORDER BY 1",
        (sorted(suppliers),),
    )
    return [row[0] for row in await found.fetchall()]


async def add_acts(connection: Connection, rows: Collection[tuple[str, str, str]]) -> None:
    """Note who did what: (object, person, duty); the same act once."""
    ordered = sorted({(one, folded(person), duty) for one, person, duty in rows if person})
    await execute(
        connection,
        """INSERT INTO payments.act (object_id, person, duty)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
        [[row[place] for row in ordered] for place in range(3)],
    )


async def conflicts(connection: Connection, objects: Collection[str], names: Collection[str], *duties: str) -> set[str]:
    """On which of these objects one of these names already did one of these duties."""
    found = await execute(
        connection,
        "SELECT object_id FROM payments.act WHERE object_id = ANY(%s) AND person = ANY(%s) AND duty = ANY(%s)",
        (sorted(objects), sorted(names), list(duties)),
    )
    return {row[0] for row in await found.fetchall()}


def folded(person: str) -> str:
    """A person's name as it is compared: one human being has one."""
    return " ".join(person.split()).casefold()


# What may be paid


async def open_items(connection: Connection, company: str, currency: str) -> list[OpenItem]:
    """Posted items of a company in a currency that no living payment claims and no hold stops, with their accounts.

    Only confirmed accounts count: the one the document names, else the first of the master.
    """
    found = await execute(
        connection,
        """SELECT i.invoice_id, i.number, i.supplier_id, i.amount, i.credit, i.remit_to, i.due_on, i.discount_on,
            i.discount, i.document, i.year, i.issued_on, s.document, s.confirmed,
            (SELECT count(*) FROM payments.payment_item pi WHERE pi.invoice_id = i.invoice_id)
        FROM payments.item i JOIN payments.supplier s USING (supplier_id)
        WHERE i.company_code = %s AND i.currency = %s AND i.amount > 0
        AND NOT EXISTS (SELECT 1 FROM payments.payment_item pi WHERE pi.invoice_id = i.invoice_id AND pi.living)
        AND NOT EXISTS (SELECT 1 FROM payments.held h WHERE h.invoice_id = i.invoice_id)
        ORDER BY i.invoice_id""",
        (company, currency),
    )
    items = []
    for row in await found.fetchall():
        account = _account(codec.decode_own(row[12], Supplier), row[13], row[5])
        if account is None:
            continue
        items.append(
            OpenItem(
                invoice_id=row[0],
                invoice_number=row[1],
                supplier_id=row[2],
                currency=currency,
                amount=_plain(row[3]),
                credit=row[4],
                account=account,
                due_on=row[6],
                discount_on=row[7],
                discount=_plain(row[8]) if row[8] is not None else None,
                document=row[9],
                year=row[10],
                issued_on=row[11],
                attempt=row[14],
            )
        )
    return items


def _plain(value: Decimal) -> Amount:
    """A stored sum with at least two places and no further zeros: the same sum has the same text."""
    shortest = value.normalize()
    exponent = shortest.as_tuple().exponent
    assert isinstance(exponent, int)
    return Amount(shortest if exponent <= -2 else shortest.quantize(Decimal("0.01")))


def _account(supplier: Supplier, confirmed: Sequence[str], remit_to: str) -> BankAccount | None:
    known = [each for each in supplier.accounts if each.account in confirmed]
    if remit_to:
        return next((each for each in known if each.account == remit_to), None)
    return known[0] if known else None


async def payees(connection: Connection, suppliers: Collection[str]) -> dict[str, Payee]:
    found = await execute(
        connection,
        "SELECT supplier_id, document FROM payments.supplier WHERE supplier_id = ANY(%s)",
        (sorted(suppliers),),
    )
    known = {row[0]: codec.decode_own(row[1], Supplier) for row in await found.fetchall()}
    return {supplier_id: Payee(each.name, each.address) for supplier_id, each in known.items()}


async def stopped(connection: Connection, numbers: Collection[str]) -> dict[str, list[Held]]:
    """payment -> why it may not go on; only those for which there is a reason."""
    found = await execute(
        connection,
        """SELECT DISTINCT number, kind, code, words FROM payments.stopped WHERE number = ANY(%s) ORDER BY 1, 2, 3""",
        (sorted(numbers),),
    )
    reasons: dict[str, list[Held]] = {}
    for number, kind, code, words in await found.fetchall():
        reasons.setdefault(number, []).append(Held(kind, code, words))
    return reasons


# Holds of people


async def place_hold(connection: Connection, row: dict[str, Any]) -> bool:
    """Place a hold; False where the same one (same id) stands already."""
    done = await execute(
        connection,
        """INSERT INTO payments.hold (hold_id, company_code, object_kind, object_id, why, placed_by, placed_at)
        VALUES (%(hold_id)s, %(company_code)s, %(object_kind)s, %(object_id)s, %(why)s, %(placed_by)s, %(placed_at)s)
        ON CONFLICT DO NOTHING""",
        row,
    )
    return done.rowcount == 1


async def hold(connection: Connection, hold_id: str, *, lock: bool = False) -> dict[str, Any] | None:
    names = (
        *("hold_id", "company_code", "object_kind", "object_id", "why", "placed_by", "placed_at", "lifted_by"),
        *("lifted_why", "lifted_at"),
    )
    found = await execute(
        connection,
        f"SELECT {', '.join(names)} FROM payments.hold WHERE hold_id = %s {'FOR UPDATE' if lock else ''}",
        (hold_id,),
    )
    row = await found.fetchone()
    return dict(zip(names, row, strict=True)) if row else None


async def lift_hold(connection: Connection, hold_id: str, by: str, why: str, at: datetime) -> None:
    await execute(
        connection,
        "UPDATE payments.hold SET lifted_by = %s, lifted_why = %s, lifted_at = %s WHERE hold_id = %s",
        (by, why, at, hold_id),
    )


async def known_object(connection: Connection, kind: str, object_id: str, company: str) -> tuple[str, str] | None:
    """(correlation, key) of what a hold would stop; None where the company owes nothing of that name."""
    column = "invoice_id" if kind == "invoice" else "supplier_id"
    found = await execute(
        connection,
        f"""SELECT correlation_id, supplier_id FROM payments.item WHERE {column} = %s AND company_code = %s
        ORDER BY invoice_id LIMIT 1""",
        (object_id, company),
    )
    row = await found.fetchone()
    return (row[0], row[1]) if row else None


async def invoices_of(connection: Connection, kind: str, object_id: str, company: str) -> list[str]:
    column = "invoice_id" if kind == "invoice" else "supplier_id"
    found = await execute(
        connection,
        f"SELECT invoice_id FROM payments.item WHERE {column} = %s AND company_code = %s ORDER BY 1",
        (object_id, company),
    )
    return [row[0] for row in await found.fetchall()]


async def living_with(
    connection: Connection, *, invoices: Collection[str] = (), suppliers: Collection[str] = ()
) -> list[str]:
    """The payments, proposed to sent, that pay one of these invoices or suppliers."""
    found = await execute(
        connection,
        """SELECT number FROM payments.payment WHERE state IN ('proposed', 'released', 'sent')
            AND (supplier_id = ANY(%(s)s) OR number IN
                (SELECT number FROM payments.payment_item WHERE living AND invoice_id = ANY(%(i)s)))
        ORDER BY 1""",
        {"s": sorted(suppliers), "i": sorted(invoices)},
    )
    return [row[0] for row in await found.fetchall()]


async def sources_of(connection: Connection, numbers: Collection[str]) -> dict[str, dict[str, Any]]:
    """invoice -> where it came from, who booked it, under which correlation; of the items of these payments."""
    names = ("invoice_id", "number", "connection", "source_document", "erp", "correlation_id", "company_code")
    found = await execute(
        connection,
        f"""SELECT {", ".join(names)} FROM payments.item WHERE invoice_id IN
            (SELECT invoice_id FROM payments.payment_item WHERE number = ANY(%s))""",
        (sorted(numbers),),
    )
    return {row[0]: dict(zip(names, row, strict=True)) for row in await found.fetchall()}
