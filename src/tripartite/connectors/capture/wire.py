"""The suite's shapes in the suite's own words. Documents are in snake_case, responses in camelCase, as the suites do.

Words to know:
    document_id              the suite's id; not the supplier's number and not the ERP's voucher number
    supplier_invoice_number  what the supplier printed on the invoice
    lines                    as invoiced: what matching reads
    coding_rows              as coded: accounts and cost centres; may be split, merged or unrelated to the lines
    externalCode             our name for one response; the suite answers a repeat as it answered the first

A number may come as a JSON number or as text. `Digits` keeps its literal bytes, so that no parser turns 0.1 into a
binary float before our grammar has seen it.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

Digits = msgspec.Raw
NOTHING = msgspec.Raw()


class Bank(msgspec.Struct, frozen=True):
    iban: str | None = None
    bban: str | None = None
    bic: str | None = None


class Attachment(msgspec.Struct, frozen=True):
    """Metadata only; the bytes lie at `GET /v1/invoices/{document_id}/attachments/{id}`."""

    id: str
    name: str = ""
    mime: str = ""
    category: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    row_index: int
    product_code: str | None = None
    supplier_product_code: str | None = None
    description: str | None = None
    quantity: Digits = NOTHING
    unit: str | None = None
    net_price: Digits = NOTHING
    price_per: Digits = NOTHING
    net: Digits = NOTHING
    tax_code: str | None = None
    tax_rate: Digits = NOTHING
    order_number: str | None = None
    order_line_number: str | None = None
    delivery_note: str | None = None


class CodingRow(msgspec.Struct, frozen=True, kw_only=True):
    row_index: int
    external_code: str | None = None
    account: str | None = None
    cost_centre: str | None = None
    net: Digits = NOTHING
    gross: Digits = NOTHING
    tax_code: str | None = None
    order_number: str | None = None
    order_line_number: str | None = None
    matched_quantity: Digits = NOTHING
    matched_net: Digits = NOTHING


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The invoice document, a superset of what the suites send. Fields without a default are promised by all."""

    document_id: str
    version: int
    status: str
    supplier_invoice_number: str
    type: str
    company_code: str
    supplier_code: str
    currency: str
    updated_at: str = ""
    supplier_tax_id: str | None = None
    supplier_bank: Bank | None = None
    invoice_date: str | None = None
    received_at: str | None = None
    due_date: str | None = None
    discount_date: str | None = None
    discount_amount: Digits = NOTHING
    net: Digits = NOTHING
    tax: Digits = NOTHING
    gross: Digits = NOTHING
    payment_reference: str | None = None
    payment_terms: str | None = None
    po_numbers: tuple[str, ...] = ()
    delivery_notes: tuple[str, ...] = ()
    credited_invoice: str | None = None
    payment_block: bool = False
    attachments: tuple[Attachment, ...] = ()
    history_url: str | None = None
    lines: tuple[Line, ...] = ()
    coding_rows: tuple[CodingRow, ...] = ()


class Head(msgspec.Struct, frozen=True):
    """What every listed document carries."""

    document_id: str
    version: int
    status: str
    updated_at: str = ""


class DocumentPage(msgspec.Struct, frozen=True):
    """`GET /v1/invoices?status=ready_to_post&updated_since=&page_size=&cursor=`; `next` is empty on the last page."""

    data: tuple[msgspec.Raw, ...]
    next: str | None = None


class Acknowledgement(msgspec.Struct, frozen=True):
    """A row of `POST /v1/invoices/acknowledge`: the document is in our hands."""

    documentId: str
    externalCode: str = ""


class TransferResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `POST /v1/transferResponses`: the ERP's result. `responseMessage` has at most 250 characters."""

    externalCode: str = ""
    documentId: str
    success: bool
    responseMessage: str
    voucherNumber1: str
    voucherNumber2: str
    transferDate: str
    paymentBlock: bool
    sourceSystem: str = "tripartite"


class HoldResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `POST /v1/holdResponses`: not booked, and why."""

    externalCode: str = ""
    documentId: str
    reasons: tuple[str, ...]
    responseMessage: str
    sourceSystem: str = "tripartite"


class PaymentResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `POST /v1/paymentResponses`. A field left out of a later response is cleared, so all are always sent."""

    externalCode: str = ""
    documentId: str
    success: bool
    paymentDate: str
    paidTotal: Decimal
    paymentMethod: str
    paymentNumber: str
    paymentBlock: bool


Response = Acknowledgement | TransferResponse | HoldResponse | PaymentResponse


class Problem(msgspec.Struct, frozen=True):
    code: str
    field: str | None = None
    message: str = ""


class ErrorBody(msgspec.Struct, frozen=True):
    errors: tuple[Problem, ...]
    request_id: str = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one response. `result`: applied, duplicate; `documentStatus`: the document's status after it."""

    externalCode: str
    status: int
    documentId: str = ""
    result: str = ""
    documentStatus: str = ""
    errors: tuple[Problem, ...] = ()


class Results(msgspec.Struct, frozen=True):
    """The answer to a bulk call: one result per row, in no particular order."""

    results: tuple[Result, ...]


class Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int


class EventResource(msgspec.Struct, frozen=True):
    type: str
    id: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The webhook's envelope. Thin: the id only. Fat where the suite is set so: `document` holds the whole of it."""

    event_id: str
    event_type: str
    occurred_at: str
    resource: EventResource
    version: int
    tenant: str = ""
    attempt: int = 1
    document: msgspec.Raw = NOTHING
