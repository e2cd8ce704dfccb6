"""What the invoices component tells on the bus: why it was told, whose invoice it is, in one shape of envelope."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from tripartite.components.invoices import store
from tripartite.components.invoices.store import Row
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import EXCEPTION_EVENTS, InvoiceChanged
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.ids import stable_id
from tripartite.core.money import Amount
from tripartite.core.objects import Billed, Invoice
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


def exception_event(what: str, row: Row, record: ExceptionRecord, cause: Cause, now: datetime, source: str) -> Outgoing:
    """One version of an exception about the invoice of `row`; `what` became of it. A version is told once."""
    message_id = stable_id("msg", record.exception_id, str(record.version))
    return event(EXCEPTION_EVENTS, f"exception.{what}", row, codec.encode(record), message_id, cause, now, source)


def changed_event(row: Row, invoice: Invoice, words: str, lines: tuple[Billed, ...] | None = None) -> InvoiceChanged:
    """What the others hear of an invoice: who it is, where it stands, and after a match what it bills."""
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
        version=row.version,
        payable=_payable(row, invoice),
        due_on=invoice.due_on,
        discount_percent=invoice.discount_percent,
        discount_days=invoice.discount_days,
        remit_to=invoice.remit_to,
        payment_block=row.payment_block,
        connection=row.connection,
        source_document=row.source_document,
        lines=lines,
    )


def _payable(row: Row, invoice: Invoice) -> Amount | None:
    """What may be paid of a document: what it asks for, less what is withheld, and never more than the match lets pay.

    Currency: the document's. Positive for a credit memo too. None where the document states no sum.
    """
    asked = invoice.payable if invoice.payable is not None else row.gross
    if asked is None:
        return None
    withheld = sum((each.amount for each in invoice.withholding), Decimal(0)) if invoice.payable is None else Decimal(0)
    most = abs(asked) - withheld
    return Amount(min(most, abs(row.payable_now)) if row.verdict == "post" else most)
