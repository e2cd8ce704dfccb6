"""What became of the payments of an invoice: kept from what the payments component tells, beside the posted invoice.

An invoice stays posted; whether it is paid is a fact about it: a payment of it was executed and did not come back.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.events import PaymentChanged
from tripartite.runtime.bus import Batch
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.versions import VersionedTable, keep_newest

PAYMENTS = VersionedTable(
    "invoices.payment",
    ("invoice_id", "number"),
    {"state": "text", "amount": "numeric", "discount": "numeric", "executed_on": "date"},
)
NAMES = ("number", "state", "amount", "discount", "executed_on")


async def on_payment_events(connection: Connection, batch: Batch) -> None:
    """Keep the newest word about each payment, for every invoice it pays."""
    payments = [codec.decode_own(message.payload, PaymentChanged).value for message in batch.messages]
    rows: list[dict[str, Any]] = [
        {
            "invoice_id": item.invoice_id,
            "number": payment.number,
            "version": payment.version,
            "state": payment.status,
            "amount": item.amount,
            "discount": item.discount or 0,
            "executed_on": payment.executed_on,
        }
        for payment in payments
        for item in payment.items
    ]
    await keep_newest(connection, PAYMENTS, rows)


async def payments_of(connection: Connection, invoices: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """invoice -> its payments, the failed ones too: the end of its lineage."""
    found = await execute(
        connection,
        f"""SELECT invoice_id, {", ".join(NAMES)} FROM invoices.payment WHERE invoice_id = ANY(%s)
        ORDER BY invoice_id, executed_on NULLS FIRST, number""",
        (sorted(invoices),),
    )
    payments: dict[str, list[dict[str, Any]]] = {}
    for row in await found.fetchall():
        payments.setdefault(row[0], []).append(dict(zip(NAMES, row[1:], strict=True)))
    return payments


async def status_of(connection: Connection, invoice_id: str) -> dict[str, Any] | None:
    """Where an invoice stands and what was paid of it, in one statement: this is asked a thousand times a second."""
    names = (
        *("invoice_id", "company_code", "number", "state", "reason_codes", "waits_for", "document"),
        *("payment_block", "part_of", "correlation_id"),
    )
    found = await execute(
        connection,
        f"""SELECT {", ".join(names)},
            (SELECT json_agg(json_build_array(p.number, p.state, p.amount::text, p.discount::text, p.executed_on)
                ORDER BY p.executed_on NULLS FIRST, p.number) FROM invoices.payment p
                WHERE p.invoice_id = i.invoice_id)::text
        FROM invoices.invoice i WHERE invoice_id = %s""",
        (invoice_id,),
    )
    row = await found.fetchone()
    if row is None:
        return None
    paid = msgspec.json.decode(row[-1], type=list[tuple[str, str, Decimal, Decimal, date | None]]) if row[-1] else []
    payments = [dict(zip(NAMES, each, strict=True)) for each in paid]
    return {**dict(zip(names, row[:-1], strict=True)), "paid_on": paid_on(payments), "payments": payments}


def paid_on(payments: Collection[dict[str, Any]]) -> Any:
    """The day on which the money left for good; None where it did not."""
    return max((each["executed_on"] for each in payments if each["state"] == "executed"), default=None)
