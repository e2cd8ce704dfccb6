"""A posting: the liability to be booked in the ERP, as decided. What the ERP answers joins the lineage."""

from __future__ import annotations

from datetime import date

import msgspec

from tripartite.core.money import Amount
from tripartite.core.objects.party import BankAccount
from tripartite.core.quantity import Quantity


class PostingLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of the liability, net, against one order line and, where receipts bind, one receipt line."""

    line: int
    amount: Amount
    order_number: str = ""
    order_line: int = 0
    receipt_number: str = ""
    receipt_year: str = ""
    receipt_line: int = 0
    quantity: Quantity | None = None
    unit: str = ""
    tax_code: str = ""
    cost_centre: str = ""
    account: str = ""
    final: bool = False
    value_only: bool = False  # subsequent debit or credit (S20)


class PostingTax(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    code: str
    amount: Amount
    base: Amount | None = None


class Posting(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What to book. Amounts positive; `credit` gives the direction. Identified at the other side by company,
    supplier and the supplier's own invoice number: the natural key a probe asks for.
    """

    invoice_id: str
    invoice_number: str
    company_code: str
    supplier_number: str  # the ERP's own number, by cross-reference
    currency: str
    issued_on: date
    posted_on: date
    gross: Amount
    net: Amount
    tax: Amount
    credit: bool = False
    original_document: str = ""
    original_year: str = ""
    payment_block: str = ""
    payment_terms: str = ""
    due_on: date | None = None
    small_difference: Amount | None = None
    unplanned_cost: Amount | None = None
    remit_to: BankAccount | None = None
    lines: tuple[PostingLine, ...] = ()
    taxes: tuple[PostingTax, ...] = ()


class PaymentRelease(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The block that keeps a booked invoice from being paid is to be lifted. `document` is its booking, number/year."""

    invoice_id: str
    company_code: str
    document: str
