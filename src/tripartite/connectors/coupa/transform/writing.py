"""Our receipts, payments and postings in Coupa's words: pure, canonical JSON in, what the client is to write out.

A receipt of several lines is several receiving transactions, each with its own mark. A reversal is a void of the
transaction it takes back; a part of one cannot be voided and is written as a return of that part.
"""

from __future__ import annotations

from decimal import Decimal

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.transform.marks import stem_of
from tripartite.core.codec import decode, iso, plain
from tripartite.core.money import Amount, NumberInvalid
from tripartite.core.objects import Order, Receipt
from tripartite.core.objects.notice import PaymentReported, PostingReported
from tripartite.runtime.protocol import Unwritable

# How Coupa calls a transaction: by kind, and by whether the order line counts pieces or value.
TYPES = {
    ("receipt", "OrderQuantityLine"): "ReceivingQuantityConsumption",
    ("receipt", "OrderAmountLine"): "ReceivingAmountConsumption",
    ("return", "OrderQuantityLine"): "ReceivingQuantityReturnToSupplier",
    ("return", "OrderAmountLine"): "ReceivingAmountReturnToSupplier",
}
_KINDS = {"receipt": "receipt", "service_entry": "receipt", "return": "return", "reversal": "reversal"}


def write_mark_exported(payload: bytes) -> wire.ExportMark:
    """Which order is to be marked as exported: canonical JSON of an `Order` in, its number out."""
    return wire.ExportMark(decode(payload, Order).number)


def write_receipt(payload: bytes) -> tuple[wire.ReceivedLine, ...]:
    """The transactions of a receipt, in the order of its lines.

    Day: midnight UTC, which Coupa takes for a bare date. Errors: `Unwritable` for a consignment withdrawal, a line
    without its order line, a reversal that does not say what it takes back.
    """
    receipt = decode(payload, Receipt)
    if receipt.kind not in _KINDS:
        raise Unwritable("intake.type_not_supported", "/kind", f"Coupa has no {receipt.kind}")
    kind = _KINDS[receipt.kind]
    found = []
    for place, line in enumerate(receipt.lines):
        if not line.order_number or not line.order_line:
            raise Unwritable("integration.mapping_missing", f"/lines/{place}/order_line", "no order line is named")
        if kind == "reversal" and not line.takes_from:
            raise Unwritable("integration.mapping_missing", f"/lines/{place}/takes_from", "no receipt to take back")
        counted = line.accepted if receipt.kind == "service_entry" and line.accepted is not None else line.quantity
        found.append(
            wire.ReceivedLine(
                order_number=line.order_number,
                line=line.order_line,
                kind=kind,
                quantity=plain(abs(counted)),
                unit=line.unit,
                takes_from=line.takes_from,
                stem=stem_of(receipt.company_code, receipt.number, line.line),
                version=receipt.version,
                transaction_date=f"{iso(receipt.posted_on)}T00:00:00+00:00" if receipt.posted_on else None,
                match_reference=receipt.delivery_note[:255] or None,
            )
        )
    if not found:
        raise Unwritable("intake.value_out_of_range", "/lines", "a receipt of nothing")
    return tuple(found)


def same_number(one: str | None, other: str | None) -> bool:
    """Whether two decimals that Coupa or we wrote are the same number, however many zeros they have."""
    try:
        return Amount.parse(one) == Amount.parse(other)
    except (NumberInvalid, TypeError):
        return False


def write_payment(payload: bytes) -> wire.PaymentNote:
    """A payment as Coupa keeps it. Amount: major units, positive as in the notice; `payment_body` turns a credit's."""
    notice = decode(payload, PaymentReported)
    return wire.PaymentNote(
        invoice_id=notice.source_document_id,
        invoice_number=notice.invoice_number,
        currency=notice.currency,
        amount=plain(notice.amount),
        paid_on=f"{iso(notice.paid_on)}T00:00:00+00:00",
        number=notice.payment_number,
    )


def signed(note: wire.PaymentNote, invoice: wire.InvoiceState) -> str:
    """The amount with Coupa's sign: below zero on a credit note, whose total is."""
    credit = invoice.total_with_taxes is not None and Decimal(invoice.total_with_taxes) < 0
    return plain(-Amount(note.amount)) if credit else note.amount


def payment_body(note: wire.PaymentNote, invoice: wire.InvoiceState) -> dict[str, object]:
    """What is sent to the invoice: the payment and, once nothing is left to pay, that it is paid and since when.

    Rounding: none. Without a total in Coupa's answer the flag is left as it is: nobody can say that all is paid.
    """
    amount = signed(note, invoice)
    body: dict[str, object] = {
        "payments": [{"amount-paid": amount, "payment-date": note.paid_on, "notes": note.number}],
    }
    if invoice.total_with_taxes is not None:
        paid = sum((Decimal(each.amount_paid) for each in invoice.payments or ()), Decimal(amount))
        if abs(paid) >= abs(Decimal(invoice.total_with_taxes)):
            body |= {"paid": True, "payment-date": note.paid_on}
    return body


def write_posting(payload: bytes) -> wire.PostingNote:
    """The ERP's document and year as one external number, `5105600123/2026`."""
    notice = decode(payload, PostingReported)
    return wire.PostingNote(
        invoice_id=notice.source_document_id,
        invoice_number=notice.invoice_number,
        external_id=f"{notice.document}/{notice.year}" if notice.year else notice.document,
        message=notice.message or "Posted",
    )
