"""Open items and their clearing in the simulated S/4HANA, as the operational journal entry items show them.

Nothing outside can clear an item: the payment program and accountants do, which is arranged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tripartite.connectors.sap_s4hana.simulator.world import Booking, World, day_ticks, shown


def items(world: World, now: float) -> Iterator[dict[str, Any]]:
    """The supplier item of each posted invoice, and of each document that cleared one."""
    for booking in world.bookings:
        if booking.status == "5" and booking.visible_at <= now:
            yield from _items_of(world, booking)


def _items_of(world: World, booking: Booking) -> Iterator[dict[str, Any]]:
    body = booking.body()
    clearing = world.clearings.get((booking.number, booking.year))
    number, kind, on = "", "", None
    if booking.reversed_by:
        number, kind, on = booking.reversed_by, "RE", body["PostingDate"]
    elif clearing and clearing.number:
        number, kind, on = clearing.number, clearing.kind, day_ticks(clearing.on)
    sign = 1 if booking.credit else -1  # a liability is negative
    row = {
        "CompanyCode": booking.company,
        "FiscalYear": booking.year,
        "AccountingDocument": booking.accounting,
        "AccountingDocumentItem": "001",
        "AccountingDocumentType": body.get("AccountingDocumentType", "RE"),
        "FinancialAccountType": "K",
        "Supplier": booking.supplier.zfill(10) if booking.supplier.isdigit() else booking.supplier,
        "OriginalReferenceDocument": booking.number + booking.year,
        "DocumentReferenceID": booking.reference,
        "TransactionCurrency": booking.currency,
        "AmountInTransactionCurrency": shown(sign * booking.gross, booking.currency),
        "PaymentBlockingReason": booking.block,
        "NetDueDate": body.get("DueCalculationBaseDate"),
        "IsCleared": bool(number),
        "ClearingDate": on,
        "ClearingAccountingDocument": number,
        "ClearingDocFiscalYear": booking.year if number else "0000",
        "IsUsedInPaymentTransaction": bool(clearing and not clearing.number),
        "HasPaymentOrder": False,
    }
    yield row
    if number:
        yield {
            **row,
            "AccountingDocument": number,
            "AccountingDocumentType": kind,
            "OriginalReferenceDocument": number + booking.year,
            "AmountInTransactionCurrency": shown(-sign * booking.gross, booking.currency),
            "PaymentBlockingReason": "",
        }
