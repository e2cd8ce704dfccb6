"""Acme's shapes in Acme's own words. Nothing is translated here: this page should read like their documentation.

Words to know:
    number      Acme's own number of an object. An invoice's `number` is NOT the supplier's invoice number: that is
                `supplier_ref`.
    sequence    a counter over all changes of a stream; it grows at each change of the object, so it is its version.
    *_minor     an integer in the smallest unit of the currency: 12345 with EUR is 123.45, with JPY 12345.
    price_minor the price of `price_per` units, in minor units; cheap parts are priced per 1000.
    quantity    a decimal as text, because JSON numbers lose digits.

Fields without a default are promised by Acme. If one is missing or of another type, that is drift, and the reader says
so with its place. Fields that we do not know are let pass: vendors add fields, and that breaks nothing.
"""

from __future__ import annotations

import msgspec


class Bank(msgspec.Struct, frozen=True):
    iban: str
    bic: str = ""
    holder: str = ""


class Address(msgspec.Struct, frozen=True):
    lines: tuple[str, ...] = ()
    city: str = ""
    postcode: str = ""
    country: str = ""


class Supplier(msgspec.Struct, frozen=True, kw_only=True):
    """`status`: onboarding, approved, suspended, barred."""

    number: str
    sequence: int
    name: str
    status: str
    companies: tuple[str, ...] = ()
    vat_number: str = ""
    terms: str = ""
    withholding_code: str = ""
    banks: tuple[Bank, ...] = ()
    address: Address | None = None
    rating: str = ""


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """`check` says what an invoice is held against: order, receipt, inspection."""

    position: int
    quantity: str
    unit: str
    price_minor: int
    price_per: int = 1
    item: str = ""
    supplier_item: str = ""
    description: str = ""
    check: str = "receipt"
    over_delivery_percent: str = "0"
    tax_code: str = ""
    due_on: str = ""
    cost_centre: str = ""
    account: str = ""
    status: str = "sent"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """`status`: draft, sent, received, closed, cancelled."""

    number: str
    sequence: int
    company: str
    supplier: str
    currency: str
    status: str
    ordered_on: str = ""
    requisition: str = ""
    requested_by: str = ""
    approved_by: str = ""
    terms: str = ""
    lines: tuple[OrderLine, ...] = ()
    colour_label: str = ""


class ReceiptLine(msgspec.Struct, frozen=True, kw_only=True):
    """`quantity` is positive; the receipt's `kind` gives the direction. `accepted` is absent without inspection."""

    order: str
    position: int
    quantity: str
    line: int = 1
    unit: str = ""
    accepted: str | None = None
    takes_from: str = ""
    item: str = ""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """`kind`: delivery, return, cancellation, service."""

    number: str
    sequence: int
    company: str
    supplier: str
    kind: str
    posted_on: str
    delivery_note: str = ""
    received_by: str = ""
    lines: tuple[ReceiptLine, ...] = ()


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    line: int
    amount_minor: int
    quantity: str | None = None
    unit: str = ""
    price_minor: int | None = None
    price_per: int = 1
    order: str = ""
    position: int | None = None
    item: str = ""
    description: str = ""
    tax_code: str = ""
    receipt: str = ""


class InvoiceTax(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    amount_minor: int
    base_minor: int | None = None


class Freight(msgspec.Struct, frozen=True, kw_only=True):
    label: str
    amount_minor: int


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """`kind`: invoice, credit. The sums of a credit are negative."""

    number: str
    sequence: int
    supplier_ref: str
    kind: str
    company: str
    supplier: str
    currency: str
    invoice_date: str
    net_minor: int
    tax_minor: int
    gross_minor: int
    due_date: str = ""
    credits: str = ""  # the supplier_ref that a credit refers to
    terms: str = ""
    bank: Bank | None = None
    lines: tuple[InvoiceLine, ...] = ()
    taxes: tuple[InvoiceTax, ...] = ()
    freight: tuple[Freight, ...] = ()
    scanned_by: str = ""


class Head(msgspec.Struct, frozen=True):
    """The two fields that every object of every stream carries."""

    number: str
    sequence: int


class FeedPage(msgspec.Struct, frozen=True):
    """`GET /v1/<stream>?after=<cursor>&limit=<n>`: changes in order of sequence, each object in its latest form."""

    items: tuple[msgspec.Raw, ...]
    next_cursor: str
    has_more: bool


class PostingLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    line: int
    amount_minor: int
    order: str = ""
    position: int = 0
    receipt: str = ""
    receipt_line: int = 0
    quantity: str = ""
    unit: str = ""
    tax_code: str = ""
    cost_centre: str = ""
    account: str = ""
    final: bool = False
    value_only: bool = False


class PostingTax(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    code: str
    amount_minor: int
    base_minor: int | None = None


class Posting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of `POST /v1/postings`. `kind`: invoice, credit; the sums of a credit are negative here too."""

    company: str
    supplier: str
    supplier_ref: str
    kind: str
    currency: str
    invoice_date: str
    posting_date: str
    net_minor: int
    tax_minor: int
    gross_minor: int
    difference_minor: int = 0
    unplanned_cost_minor: int = 0
    payment_block: str = ""
    terms: str = ""
    due_date: str = ""
    credits_document: str = ""
    credits_year: str = ""
    iban: str = ""
    lines: tuple[PostingLine, ...] = ()
    taxes: tuple[PostingTax, ...] = ()


class BatchItem(msgspec.Struct, frozen=True):
    key: str
    posting: Posting


class Batch(msgspec.Struct, frozen=True):
    """The body of `POST /v1/postings/batch`, up to 50 items."""

    items: tuple[BatchItem, ...]


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """A posting as Acme has it. `state`: booked, queued, refused. `reference` is the key it was sent with."""

    document: str
    year: str
    company: str
    supplier_ref: str
    state: str
    reference: str = ""
    reason: str = ""


class Problem(msgspec.Struct, frozen=True):
    code: str
    message: str = ""
    field: str = ""


class ProblemBody(msgspec.Struct, frozen=True):
    error: Problem


class BatchResult(msgspec.Struct, frozen=True):
    """One item's outcome: `status` is what the single call would have answered."""

    key: str
    status: int
    posting: Booked | None = None
    error: Problem | None = None


class BatchAnswer(msgspec.Struct, frozen=True):
    results: tuple[BatchResult, ...]


class BookedList(msgspec.Struct, frozen=True):
    """`GET /v1/postings?reference=<key>`."""

    items: tuple[Booked, ...]


class Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int


class Me(msgspec.Struct, frozen=True):
    company_name: str


class EventData(msgspec.Struct, frozen=True):
    object: str
    number: str
    sequence: int


class Event(msgspec.Struct, frozen=True):
    """A webhook body (Standard Webhooks, thin): `type` such as invoice.changed; what changed is fetched by number."""

    type: str
    timestamp: str
    data: EventData
