"""The suite's documents into our invoice, and our notices into its responses. Pure: no call, no clock.

Three things to get right, each from experience with such suites:

* Numbers. Many suites send JSON numbers. They are read from their literal digits and then by the same grammar as any
  other text; `1e2`, `-0` and `NaN` are refused, 0.1 stays exactly 0.1.
* Credits. Some suites send a credit note with negative sums, others with positive ones and only the type to tell.
  Here a credit memo is positive and the kind gives the sign; a document that mixes both is not guessed at.
* Lines and coding rows are two lists. Matching reads the lines. The coding rows are kept as stated, in `extra`, and are
  never taken for lines.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from tripartite.connectors.capture import wire
from tripartite.core import codec, objects
from tripartite.core.money import Amount, CurrencyInvalid, NumberInvalid, Price, Rate, check_currency
from tripartite.core.objects.invoice import Attachment, InvoiceKind
from tripartite.core.objects.notice import DocumentTaken, HoldReported, PaymentReported, PostingReported
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import Raw, Read, Reader, ReadResult, Unreadable, Writer

N = TypeVar("N", Amount, Price, Quantity, Rate)

# NON_PO says how the suite coded it; whether an order is missing is for matching to find.
KINDS: dict[str, InvoiceKind] = {
    "INVOICE": "invoice",
    "NON_PO": "invoice",
    "CREDIT_NOTE": "credit_memo",
    "PREPAYMENT": "prepayment",
}
# Every status the contract knows. True: the suite waits for our answer, so the document is ours to take.
STATUSES: dict[str, bool] = {
    "captured": False,
    "in_review": False,
    "ready_to_post": True,
    "transfer_in_progress": False,
    "held": False,
    "transferred": False,
    "transfer_failed": False,
    "paid": False,
    "returned": False,
    "removed": False,
}
MESSAGE_LIMIT = 250
LONGEST_LIST = 100_000  # lines of one document

# history_url: an address inside the suite; we never fetch what a document tells us to.
# updated_at: when the suite touched its row; the pull reads it, the invoice does not change by it.
# status: a state of their workflow, not of the supplier's claim.
_LEFT_OUT = ("history_url", "updated_at", "status")


class _Refused(Exception):
    def __init__(self, reason_code: str, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.answer = Unreadable(reason_code, pointer, detail)


def literal(digits: msgspec.Raw) -> str | None:
    """The text of a number as it stood: of a JSON number its digits, of a JSON string its content, of null None."""
    text = bytes(digits)
    if text in (b"", b"null"):
        return None
    if text[:1] == b'"':
        return msgspec.json.decode(text, type=str)
    return text.decode("ascii", "replace")  # an object or `true` fails the grammar


def _number(kind: type[N], digits: msgspec.Raw, pointer: str) -> N | None:
    text = literal(digits)
    if text is None:
        return None
    try:
        return kind.parse(text)
    except NumberInvalid as error:
        raise _Refused(error.reason_code, pointer, str(error)) from None


def _day(text: str | None, pointer: str) -> date | None:
    """A calendar day. Of a date-time the day as stated counts: a due date does not move with our time zone."""
    if not text:
        return None
    try:
        if len(text) > 10:
            datetime.fromisoformat(text)
            if text[10] != "T":
                raise ValueError(text)
        if text[4:5] != "-" or text[7:8] != "-":  # 20260131 and 2026-W05-6 are dates too, but not of this contract
            raise ValueError(text)
        return date.fromisoformat(text[:10])
    except ValueError:
        raise _Refused("intake.value_out_of_range", pointer, f"{text[:30]!r} is not a day") from None


def read_invoice(raw: Raw) -> Read:
    """One invoice document. Amounts: major units, in the document's currency. Sign: positive for a credit memo.

    Errors: none raised; `Unreadable` with code and place. Dropped: `_LEFT_OUT`, and by name every field that the
    contract does not know, because an unknown field is how drift begins.
    """
    if "json" not in raw.media_type.lower():
        return Unreadable("intake.type_not_supported", "", f"a document is JSON, not {raw.media_type[:60]}")
    try:
        said = codec.read_strict(raw.content, wire.Document)
        invoice = _build(said)
    except codec.Malformed as error:
        return Unreadable(error.reason_code, error.pointer, error.detail)
    except _Refused as refused:
        return refused.answer
    known = set(wire.Document.__struct_fields__)
    strange = sorted(codec.decode(raw.content, dict[str, msgspec.Raw]).keys() - known)
    dropped = tuple(name for name in _LEFT_OUT if getattr(said, name))
    return ReadResult("invoice", invoice, (*dropped, *strange))


def _build(said: wire.Document) -> objects.Invoice:
    if said.type not in KINDS:
        raise _Refused("intake.value_out_of_range", "/type", f"the type {said.type[:40]!r} is not one we know")
    if said.status not in STATUSES:
        raise _Refused("intake.value_out_of_range", "/status", f"the status {said.status[:40]!r} is not one we know")
    if len(said.lines) > LONGEST_LIST or len(said.coding_rows) > LONGEST_LIST:
        raise _Refused("intake.too_large", "/lines", f"more than {LONGEST_LIST} lines")
    try:
        currency = check_currency(said.currency)
    except CurrencyInvalid as error:
        raise _Refused(error.reason_code, "/currency", str(error)) from None
    net, tax, gross = (_number(Amount, getattr(said, name), f"/{name}") for name in ("net", "tax", "gross"))
    kind = KINDS[said.type]
    turned = kind == "credit_memo" and _is_negative(net, tax, gross)
    sums = [_negated(amount) if turned and amount is not None else amount for amount in (net, tax, gross)]
    bank = said.supplier_bank
    account = (bank.iban or bank.bban or "") if bank else ""
    return objects.Invoice(
        number=said.supplier_invoice_number,
        kind=kind,
        currency=currency,
        issued_on=_day(said.invoice_date, "/invoice_date"),
        company_code=said.company_code,
        supplier_number=said.supplier_code,
        supplier=objects.Party(tax_id=said.supplier_tax_id) if said.supplier_tax_id else None,
        buyer=objects.Party(ids=(objects.Identifier(said.company_code, "capture.company"),)),
        type_code=said.type,
        order_numbers=said.po_numbers,
        receipt_numbers=said.delivery_notes,
        original=said.credited_invoice or "",
        # Untrusted: compared with the master before anything is paid, and never written to it.
        remit_to=objects.BankAccount(account, institution=(bank.bic or "") if bank else "") if account else None,
        due_on=_day(said.due_date, "/due_date"),
        payment_terms=said.payment_terms or "",
        payment_reference=said.payment_reference or "",
        net=sums[0],
        tax=sums[1],
        gross=sums[2],
        taxes=_taxes(said, sums[1]),
        lines=tuple(_build_line(line, turned, f"/lines/{at}") for at, line in enumerate(said.lines)),
        ids=(objects.Identifier(said.document_id, "capture.document"),),
        # The bytes stay in the suite until someone asks for them: their digest is not known yet.
        attachments=tuple(
            Attachment(number=one.id, filename=one.name, media_type=one.mime, type_code=one.category)
            for one in said.attachments
        ),
        extra=_extra(said),
    )


def _taxes(said: wire.Document, tax: Amount | None) -> tuple[objects.TaxSubtotal, ...]:
    """The suite states one total of tax. Where every line has the same code it is that code's; else it stays a total
    without a code, and matching says what cannot be compared.
    """
    if tax is None:
        return ()
    codes = {line.tax_code or "" for line in said.lines}
    return (objects.TaxSubtotal(tax, code=codes.pop() if len(codes) == 1 else ""),)


def _is_negative(*sums: Amount | None) -> bool:
    """Whether a credit note came with negative sums. Zero has no sign; two signs are two readings."""
    signs = {amount < 0 for amount in sums if amount}
    if len(signs) > 1:
        raise _Refused("intake.ambiguous", "/gross", "the sums of a credit note have both signs")
    return signs == {True}


def _negated(number: N) -> N:
    # `copy_negate` and not `-`, which rounds to the context's precision. Zero has no sign in our grammar.
    return type(number)(number.copy_negate()) if number else number


def _build_line(said: wire.Line, turned: bool, at: str) -> objects.InvoiceLine:
    amount = _number(Amount, said.net, f"{at}/net")
    quantity = _number(Quantity, said.quantity, f"{at}/quantity")
    price = _number(Price, said.net_price, f"{at}/net_price")
    if turned:
        # The factor that carried the sign is turned, once: -10 at 4.00 and 10 at -4.00 both become 10 at 4.00.
        negative = amount < 0 if amount else quantity is not None and quantity < 0
        amount = None if amount is None else _negated(amount)
        if quantity and (quantity < 0) == negative:
            quantity = _negated(quantity)
        elif price and (price < 0) == negative:
            price = _negated(price)
    reference = said.order_line_number or ""
    return objects.InvoiceLine(
        line=said.row_index,
        line_id=str(said.row_index),
        order_number=said.order_number or "",
        order_line=int(reference) if reference.isascii() and reference.isdigit() and len(reference) < 10 else None,
        order_line_ref=reference,
        item=said.product_code or "",
        supplier_item=said.supplier_product_code or "",
        description=said.description or "",
        quantity=quantity,
        unit=said.unit or "",
        price=price,
        price_per=_number(Quantity, said.price_per, f"{at}/price_per"),
        amount=amount,
        tax_codes=(said.tax_code,) if said.tax_code else (),
        tax_rate=_number(Rate, said.tax_rate, f"{at}/tax_rate"),
        receipt_number=said.delivery_note or "",
    )


def _extra(said: wire.Document) -> dict[str, str]:
    """Stated facts that have no field of their own: kept as text, signs as the suite sent them, not matched on."""
    extra = {
        "received_at": said.received_at or "",
        "discount_date": said.discount_date or "",
        "discount_amount": literal(said.discount_amount) or "",
        "payment_block": "true" if said.payment_block else "",
        "coding_rows": codec.encode([_coding(row) for row in said.coding_rows]).decode() if said.coding_rows else "",
    }
    return {name: text for name, text in extra.items() if text}


def _coding(row: wire.CodingRow) -> dict[str, str]:
    at = f"/coding_rows/{row.row_index}"
    found = {"row_index": str(row.row_index)}
    for name in wire.CodingRow.__struct_fields__[1:]:
        said = getattr(row, name)
        if isinstance(said, msgspec.Raw):
            kind: Callable[[object], Decimal] = Quantity.parse if name == "matched_quantity" else Amount.parse
            said = literal(said)
            if said is not None:
                try:
                    kind(said)
                except NumberInvalid as error:
                    raise _Refused(error.reason_code, f"{at}/{name}", str(error)) from None
        if said:
            found[name] = said
    return found


READERS: dict[str, Reader] = {"invoice": read_invoice}


def _short(text: str) -> str:
    """At most 250 characters: the suite refuses a longer message, and with it the news."""
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


def write_acknowledgement(payload: bytes) -> wire.Acknowledgement:
    """We hold the document; the suite must not hand it on. `externalCode` is filled in by the client."""
    return wire.Acknowledgement(codec.decode(payload, DocumentTaken).source_document_id)


def write_posting(payload: bytes) -> wire.TransferResponse:
    """Booked, and under which number. Voucher 1 is the accounting document, voucher 2 its fiscal year."""
    notice = codec.decode(payload, PostingReported)
    return wire.TransferResponse(
        documentId=notice.source_document_id,
        success=True,
        responseMessage=_short(notice.message or "Posted"),
        voucherNumber1=notice.document,
        voucherNumber2=notice.year,
        transferDate=f"{codec.iso(notice.posted_on)}T00:00:00Z",
        paymentBlock=bool(notice.payment_block),
    )


def write_hold(payload: bytes) -> wire.HoldResponse:
    """Held, and why: the reason codes of the catalogue, and a sentence for the person who looks."""
    notice = codec.decode(payload, HoldReported)
    assert notice.reason_codes, "a hold without a reason helps nobody"
    return wire.HoldResponse(
        documentId=notice.source_document_id,
        reasons=notice.reason_codes,
        responseMessage=_short(notice.message or ", ".join(notice.reason_codes)),
    )


def write_payment(payload: bytes) -> wire.PaymentResponse:
    """Paid. Amount: major units, the exact digits, in the document's currency; positive as in the notice."""
    notice = codec.decode(payload, PaymentReported)
    return wire.PaymentResponse(
        documentId=notice.source_document_id,
        success=True,
        paymentDate=f"{codec.iso(notice.paid_on)}T00:00:00Z",
        paidTotal=Decimal(codec.plain(notice.amount)),
        paymentMethod=notice.method,
        paymentNumber=notice.payment_number,
        paymentBlock=bool(notice.payment_block),
    )


WRITERS: dict[str, Writer] = {
    "acknowledge": write_acknowledgement,
    "report_posting": write_posting,
    "report_hold": write_hold,
    "report_payment": write_payment,
}
