"""What went to the bank for a payment, what the bank said of it, and what it booked: the end of the lineage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tripartite.core import codec
from tripartite.core.objects import BankEntry, PaymentReport
from tripartite.runtime.db import Connection, execute

_ORDER = ("number", "connection", "currency", "amount", "delivery_key", "digest", "created_at", "withdrawn_at")


async def orders_of(connection: Connection, proposal: str) -> list[dict[str, Any]]:
    """The orders that were built from a proposal, the newest first; at most one of them stands."""
    found = await execute(
        connection,
        f"SELECT {', '.join(_ORDER)} FROM payments.payment_order WHERE proposal = %s ORDER BY created_at DESC",
        (proposal,),
    )
    return [dict(zip(_ORDER, row, strict=True)) for row in await found.fetchall()]


async def reports_of(connection: Connection, order: str, payment: str) -> list[dict[str, Any]]:
    """The bank's reports on an order as far as they speak of a payment (empty: of the order), the oldest first."""
    found = await execute(connection, "SELECT content FROM payments.report WHERE order_number = %s", (order,))
    reports = [codec.decode_own(row[0], PaymentReport) for row in await found.fetchall()]
    said = []
    for report in sorted(reports, key=lambda each: (each.reported_at, each.number)):
        parts: list[Any] = [each for each in report.transfers if each.number == payment]
        if not parts and report.status:
            parts = [report]
        said += [
            {
                "number": report.number,
                "reported_at": report.reported_at,
                "status": each.status,
                "word": each.word,
                "reason": each.reason,
                "detail": each.detail,
            }
            for each in parts
        ]
    return said


async def entries_of(connection: Connection, order: str, payment: str) -> list[dict[str, Any]]:
    """What the bank booked for a payment, in notifications and statements. A batch booking is of all its payments.

    `amount` is the payment's own part where the bank tells it, else the whole movement's, and `whole` says which.
    """
    found = await execute(
        connection,
        "SELECT statement, currency, content FROM payments.entry WHERE order_number = %s ORDER BY statement, key",
        (order,),
    )
    rows = [(row[0], row[1], codec.decode_own(row[2], BankEntry)) for row in await found.fetchall()]
    booked = [each for row in rows for each in _parts(*row, payment)]
    return sorted(booked, key=lambda each: (str(each["booked_on"] or ""), each["statement"], each["key"]))


def _parts(statement: str, currency: str, entry: BankEntry, payment: str) -> Iterator[dict[str, Any]]:
    own = next((each for each in entry.details if each.payment_number == payment), None)
    named = {each.payment_number for each in entry.details if each.payment_number}
    if entry.payment_number != payment and own is None and (entry.payment_number or named):
        return
    amount = own.amount if own is not None and own.amount is not None else entry.amount
    yield {
        "statement": statement,
        "key": entry.key,
        "currency": currency,
        "amount": amount,
        "whole": own is None and entry.count > 1,
        "direction": entry.direction,
        "status": entry.status,
        "booked_on": entry.booked_on,
        "valued_on": entry.valued_on,
        "bank_reference": (own.bank_reference if own else "") or entry.bank_reference,
        "reversal": entry.reversal,
        "return_reason": (own.return_reason if own else "") or entry.return_reason,
    }


async def notices_of(connection: Connection, payment: str) -> list[dict[str, Any]]:
    """The deliveries that tell others of a payment: their keys, and to whom."""
    names = ("key", "connection", "operation")
    found = await execute(
        connection, f"SELECT {', '.join(names)} FROM payments.notice WHERE number = %s ORDER BY key", (payment,)
    )
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]
