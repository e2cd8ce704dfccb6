"""What became of the payments of an invoice: kept from what the payments component tells, beside the posted invoice.

An invoice stays posted; whether it is paid is a fact about it: a payment of it was executed and did not come back.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

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
    names = ("number", "state", "amount", "discount", "executed_on")
    found = await execute(
        connection,
        f"""SELECT invoice_id, {", ".join(names)} FROM invoices.payment WHERE invoice_id = ANY(%s)
        ORDER BY invoice_id, executed_on NULLS FIRST, number""",
        (sorted(invoices),),
    )
    payments: dict[str, list[dict[str, Any]]] = {}
    for row in await found.fetchall():
        payments.setdefault(row[0], []).append(dict(zip(names, row[1:], strict=True)))
    return payments


def paid_on(payments: Collection[dict[str, Any]]) -> Any:
    """The day on which the money left for good; None where it did not."""
    return max((each["executed_on"] for each in payments if each["state"] == "executed"), default=None)
