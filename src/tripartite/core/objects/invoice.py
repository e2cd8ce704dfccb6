"""The supplier's claim (invoice) or a claim in our favour (credit memo), as sent and never edited.

The field set follows EN 16931; business terms (BT, BG) are named where a field is one of them. What the supplier
stated stays as stated: signs, totals and taxes are not recomputed here (matching does that and says so).
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from tripartite.core.money import Amount, Price, Rate
from tripartite.core.objects.party import BankAccount, Identifier, Party
from tripartite.core.quantity import Quantity

InvoiceKind = Literal["invoice", "credit_memo", "subsequent_debit", "subsequent_credit", "prepayment", "self_billed"]


class Allowance(msgspec.Struct, frozen=True, omit_defaults=True):
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


class InvoiceLine(msgspec.Struct, frozen=True, omit_defaults=True):
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


class TaxSubtotal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tax as stated, per code or per category and rate. BG-23."""

    amount: Amount
    code: str = ""
    category: str = ""
    rate: Rate | None = None
    base: Amount | None = None
    exemption: str = ""
    exemption_code: str = ""


class Withholding(msgspec.Struct, frozen=True, omit_defaults=True):
    code: str
    amount: Amount


class Invoice(msgspec.Struct, frozen=True, omit_defaults=True):
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
    extra: dict[str, str] = {}  # further stated facts by business-term name, kept and not matched on
