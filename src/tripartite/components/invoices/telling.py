"""What the invoices component tells on the bus: why it was told, whose invoice it is, in one shape of envelope."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tripartite.components.invoices import store
from tripartite.components.invoices.store import Row
from tripartite.core.envelope import Message
from tripartite.core.events import InvoiceChanged
from tripartite.core.money import Amount
from tripartite.core.objects import Invoice
from tripartite.runtime.bus import Outgoing


class Cause(msgspec.Struct, frozen=True):
    """What woke a decision: the message, and its type in words."""

    message_id: str
    type: str
    trace_id: str = ""


def event(
    topic: str, what: str, row: Row, payload: bytes, message_id: str, cause: Cause, now: datetime, source: str
) -> Outgoing:
    """One message about the invoice of `row`, for `topic`; `source` is the connection whose news it carries."""
    return Outgoing(
        topic,
        Message(
            message_id=message_id,
            type=f"tripartite.{what}.v1",
            company_code=row.company_code,
            key=row.supplier_id or row.invoice_id,
            correlation_id=row.correlation_id,
            occurred_at=now,
            payload=payload,
            causation_id=cause.message_id,
            source=source,
            trace_id=cause.trace_id,
        ),
    )


def changed_event(row: Row, invoice: Invoice, words: str) -> InvoiceChanged:
    """What the others hear of an invoice: who it is and where it stands."""
    return InvoiceChanged(
        invoice_id=row.invoice_id,
        number=row.number,
        company_code=row.company_code,
        supplier_id=row.supplier_id,
        supplier_name=row.supplier_name,
        kind=row.kind,
        currency=row.currency,
        state=row.state,
        verdict=row.verdict,
        decision=row.decisions,
        words=words,
        gross=Amount(row.gross) if row.gross is not None else None,
        issued_on=row.issued_on,
        order_numbers=tuple(store.order_numbers(invoice)),
        reason_codes=tuple(row.reason_codes),
        money_at_risk=Amount(row.money_at_risk),
        document=row.document,
    )
