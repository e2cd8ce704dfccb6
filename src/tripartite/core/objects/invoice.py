"""The supplier's claim (invoice) or a claim in our favour (credit memo), as sent and never edited.

The field set follows EN 16931; business terms (BT, BG) are named where a field is one of them. What the supplier
stated stays as stated: signs, totals and taxes are not recomputed here (matching does that and says so).
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from tripartite.core.money import Amount, Price, Rate
from tripartite.core.objects.party import Address, BankAccount, Identifier, Party
from tripartite.core.quantity import Quantity

InvoiceKind = Literal["invoice", "credit_memo", "subsequent_debit", "subsequent_credit", "prepayment", "self_billed"]


class Allowance(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A charge (positive amount) or an allowance (negative amount), of the document or of a line. BG-20, 21, 27, 28.

    `kind` is our word for what it is (freight, handling, packing, allowance, ...); `code` and `reason` as stated.
    """

    amount: Amount
    kind: str = ""
    code: str = ""
    reason: str = ""
    percent: Rate | None = None
    base: Amount | None = None
    tax_codes: tuple[str, ...] = ()
    tax_category: str = ""
    tax_rate: Rate | None = None
    order_number: str = ""
    line: int = 0  # its number among the document's lines, where the source numbers it


class Classification(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an item is by a list of goods and services (CPV, UNSPSC, ...). BT-158."""

    code: str
    scheme: str = ""
    version: str = ""


class ItemAttribute(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A named property of an item, as stated. BG-32."""

    name: str
    value: str


class InvoiceLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line as billed. `amount` is the line's net amount; `price` is per `price_per` of `unit`. BG-25."""

    line: int  # position, from 1
    line_id: str = ""  # BT-126, as stated
    order_number: str = ""
    order_line: int | None = None  # BT-132, where it is a number
    order_line_ref: str = ""  # BT-132, as stated
    item: str = ""  # the buyer's, BT-156
    supplier_item: str = ""  # BT-155
    gtin: str = ""  # BT-157
    description: str = ""
    quantity: Quantity | None = None
    unit: str = ""
    price: Price | None = None
    price_per: Quantity | None = None
    price_quantity: Quantity | None = None  # catch weight
    discount_percent: Rate | None = None
    amount: Amount | None = None
    tax_codes: tuple[str, ...] = ()
    tax_category: str = ""
    tax_rate: Rate | None = None
    receipt_number: str = ""  # receipt or delivery note
    service_on: date | None = None
    final: bool = False
    allowances: tuple[Allowance, ...] = ()
    cost_centre: str = ""  # BT-133
    note: str = ""
    details: str = ""  # BT-154; `description` is the name, BT-153
    gtin_scheme: str = ""  # BT-157-1, as stated
    price_unit: str = ""  # BT-150, where it is not the line's unit
    price_gross: Price | None = None  # BT-148
    price_discount: Price | None = None  # BT-147
    period_from: date | None = None  # BT-134
    period_to: date | None = None  # BT-135
    object_id: Identifier | None = None  # BT-128
    origin: str = ""  # BT-159
    classifications: tuple[Classification, ...] = ()
    attributes: tuple[ItemAttribute, ...] = ()
    sub_lines: tuple[InvoiceLine, ...] = ()  # what this line is made of; their amounts are within this line's amount
    parent: str = ""  # the `line_id` of the line it belongs to, where the source nests by reference
    informative: bool = False  # a heading or explanation: its amount is not part of the sum of lines


class TaxSubtotal(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Tax as stated, per code or per category and rate. BG-23."""

    amount: Amount
    code: str = ""
    category: str = ""
    rate: Rate | None = None
    base: Amount | None = None
    exemption: str = ""
    exemption_code: str = ""


class Withholding(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    code: str
    amount: Amount


class Reference(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Another document by its number, and its date where stated. BG-3."""

    number: str
    issued_on: date | None = None


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A supporting document. BG-24. The bytes stay in the raw document; here are their digest and length."""

    number: str = ""  # BT-122
    description: str = ""  # BT-123
    uri: str = ""  # BT-124; never fetched
    filename: str = ""
    media_type: str = ""
    digest: str = ""  # SHA-256 of the decoded bytes
    length: int = 0
    type_code: str = ""


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where and when the goods or services went. BG-13."""

    name: str = ""  # BT-70
    location: Identifier | None = None  # BT-71
    delivered_on: date | None = None  # BT-72
    address: Address | None = None  # BG-15


class Card(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The card that paid. BG-18. `number` is what the document shows of it, never completed."""

    number: str
    holder: str = ""


class PaymentMeans(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One way to pay. BG-16. `code` is UNTDID 4461 (58: SEPA credit transfer, 59: SEPA direct debit, 48: card)."""

    code: str = ""  # BT-81
    name: str = ""  # BT-82
    account: BankAccount | None = None  # BG-17
    card: Card | None = None
    debited_account: str = ""  # BT-91
    reference: str = ""  # BT-83, where it is not the document's


class AdvancePayment(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A payment that is set off or passed on: paid before, or (XRechnung extension) due to a third party."""

    amount: Amount
    type: str = ""
    description: str = ""
    received_on: date | None = None


class Invoice(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One document. Amounts are in `currency`; for a credit memo they are positive and the kind gives the sign.

    `company_code`, `supplier_id` and the lines' tax codes are ours once mapped (core/mapping); before, they are
    empty and `supplier_number`, `buyer`, `supplier` hold what the source said.
    """

    number: str  # BT-1
    kind: InvoiceKind
    currency: str  # BT-5
    issued_on: date | None = None  # BT-2
    company_code: str = ""
    supplier_id: str = ""
    supplier_number: str = ""  # the source's own number for the supplier
    supplier: Party | None = None  # BG-4
    buyer: Party | None = None  # BG-7
    type_code: str = ""  # BT-3, as stated
    order_numbers: tuple[str, ...] = ()  # BT-13
    contract: str = ""  # BT-12
    receipt_numbers: tuple[str, ...] = ()  # BT-15, BT-16
    original: str = ""  # BT-25: the invoice a credit or correction refers to
    original_issued_on: date | None = None  # BT-26
    replaces: str = ""
    rate: Rate | None = None  # stated exchange rate to the company's currency
    remit_to: BankAccount | None = None  # BG-17, the first
    prices_include_tax: bool = False
    discount_percent: Rate | None = None
    discount_days: int | None = None
    due_on: date | None = None  # BT-9
    payment_terms: str = ""  # BT-20
    payment_reference: str = ""  # BT-83
    net: Amount | None = None  # BT-109: total without tax
    tax: Amount | None = None  # BT-110
    gross: Amount | None = None  # BT-112
    prepaid: Amount | None = None  # BT-113
    rounding: Amount | None = None  # BT-114
    payable: Amount | None = None  # BT-115
    lines: tuple[InvoiceLine, ...] = ()
    charges: tuple[Allowance, ...] = ()  # document level
    taxes: tuple[TaxSubtotal, ...] = ()
    withholding: tuple[Withholding, ...] = ()
    notes: tuple[str, ...] = ()
    ids: tuple[Identifier, ...] = ()  # other identifiers as stated, by scheme
    extra: dict[str, str] = {}  # further stated facts by business term or path in the source, kept and not matched on
    customization: str = ""  # BT-24
    profile: str = ""  # BT-23
    buyer_reference: str = ""  # BT-10
    project: str = ""  # BT-11
    sales_order: str = ""  # BT-14
    despatch_numbers: tuple[str, ...] = ()  # BT-16 alone
    tender: str = ""  # BT-17
    object_id: Identifier | None = None  # BT-18
    accounting_reference: str = ""  # BT-19
    tax_currency: str = ""  # BT-6
    tax_in_tax_currency: Amount | None = None  # BT-111, in `tax_currency`
    tax_point_on: date | None = None  # BT-7
    tax_point_code: str = ""  # BT-8 by UNTDID 2005: 3 invoice, 35 delivery, 432 payment
    period_from: date | None = None  # BT-73
    period_to: date | None = None  # BT-74
    payee: Party | None = None  # BG-10
    tax_representative: Party | None = None  # BG-11
    deliveries: tuple[Delivery, ...] = ()
    payment_means: tuple[PaymentMeans, ...] = ()
    mandate: str = ""  # BT-89
    creditor_id: str = ""  # BT-90
    lines_total: Amount | None = None  # BT-106
    allowances_total: Amount | None = None  # BT-107
    charges_total: Amount | None = None  # BT-108
    originals: tuple[Reference, ...] = ()  # BG-3, all of them; `original` is the first
    attachments: tuple[Attachment, ...] = ()
    payments: tuple[AdvancePayment, ...] = ()
