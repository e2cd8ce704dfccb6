"""What the client writes to Coupa and looks up around a write, in Coupa's words: the least it takes to write once."""

from __future__ import annotations

import msgspec

from tripartite.connectors.coupa.wire.records import Count, Currency, Wire


class OrderPlace(Wire, frozen=True):
    """Where a receipt goes: the line's id, and whether it counts pieces or value."""

    id: Count
    line_num: str
    sub_line_num: Count | None = None
    type: str | None = None


class OrderPlaces(Wire, frozen=True):
    id: Count
    updated_at: str
    po_number: str
    order_lines: tuple[OrderPlace, ...] = ()


class LineRef(Wire, frozen=True):
    id: Count


class Movement(Wire, frozen=True):
    """A receiving transaction as far as it takes to know our own."""

    id: Count
    updated_at: str
    type: str
    status: str | None = None
    quantity: str | None = None
    total: str | None = None
    barcode: str | None = None
    order_line: LineRef | None = None
    original_transaction_id: Count | None = msgspec.field(default=None, name="original_transaction_id")


class Paid(Wire, frozen=True):
    """A payment on an invoice. `notes` carries its number; what is recorded can be neither changed nor removed."""

    amount_paid: str
    payment_date: str | None = None
    notes: str | None = None


class InvoiceState(Wire, frozen=True):
    """An invoice as far as paying it goes."""

    id: Count
    updated_at: str
    invoice_number: str
    status: str
    currency: Currency | None = None
    total_with_taxes: str | None = None
    paid: bool | None = None
    payment_date: str | None = None
    payments: tuple[Paid, ...] | None = None


class HistoryRecord(Wire, frozen=True):
    """`/integration_history_records`: what another system made of a document, with its number there."""

    id: Count
    updated_at: str
    document_type: str | None = None
    document_id: Count | None = None
    status: str | None = None
    external_id: str | None = None


class ReceivedLine(msgspec.Struct, frozen=True):
    """One line of a receipt to record: one transaction. `key` is our mark, `stem` the mark without its version."""

    order_number: str
    line: int
    kind: str  # receipt, return or reversal
    quantity: str
    unit: str
    takes_from: str
    stem: str
    version: int
    transaction_date: str | None
    match_reference: str | None

    @property
    def key(self) -> str:
        return f"{self.stem}/{self.version}"


class PaymentNote(msgspec.Struct, frozen=True):
    """A payment to record on the invoice `invoice_id`, or on the only one numbered `invoice_number`."""

    invoice_id: str
    invoice_number: str
    currency: str
    amount: str
    paid_on: str
    number: str


class PostingNote(msgspec.Struct, frozen=True):
    """The ERP's number of an invoice, to be kept as an integration record."""

    invoice_id: str
    invoice_number: str
    external_id: str
    message: str


class ExportMark(Wire, frozen=True):
    """The write `mark_exported`: which order gets `?exported=true`. The request itself has no body."""

    po_number: str
