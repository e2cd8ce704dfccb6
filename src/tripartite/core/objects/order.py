"""A purchase order: an approved commitment to a supplier, line by line, with how each line is to be matched."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from tripartite.core.money import Amount, Price, Rate
from tripartite.core.objects.approval import ApprovalStep
from tripartite.core.objects.party import Party
from tripartite.core.quantity import Quantity

OrderStatus = Literal["draft", "open", "closed", "cancelled"]
MatchMode = Literal["two_way", "three_way", "four_way", "service", "consignment", "limit", "ers"]
Basis = Literal["order", "receipt"]


class PriceVersion(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The price that is valid from a date on (S21)."""

    valid_from: date
    price: Price


class ScaleStep(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The price from a quantity on (S22)."""

    from_quantity: Quantity
    price: Price


class OrderLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was ordered. Price: per `price_per` of `unit`, net of `discount_percent`, in the order's currency.

    `over_percent` is a number, or the word "unlimited"; `basis` says whether receipts bind by name (S15).
    """

    line: int
    description: str = ""
    item: str = ""
    supplier_item: str = ""
    gtin: str = ""
    quantity: Quantity | None = None
    unit: str = "EA"
    price: Price | None = None
    price_per: int = 1
    price_unit: str = ""  # catch weight: the unit of the price
    nominal: Quantity | None = None  # catch weight: price units of one `unit`
    discount_percent: Rate | None = None
    match: MatchMode = "three_way"
    basis: Basis = "order"
    over_percent: str = "0"
    under_percent: str = "0"
    tax_codes: tuple[str, ...] = ()
    due_on: date | None = None
    status: OrderStatus = "open"
    price_date: Literal["order", "receipt", "invoice"] = "order"
    price_versions: tuple[PriceVersion, ...] = ()
    scale_mode: Literal["graduated", "by_ordered", ""] = ""
    scale: tuple[ScaleStep, ...] = ()
    limit: Amount | None = None
    release_limit: Amount | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    cost_centre: str = ""
    account: str = ""
    foreign_id: str = ""  # the source's own id of the line, where it refers to lines by id
    amount: Amount | None = None  # net, as stated
    details: str = ""  # the longer description
    note: str = ""


class OrderCharge(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A planned delivery cost, or (negative) an agreed allowance; of one line, or of the order. Rule: S23, S37."""

    kind: str
    amount: Amount
    line: int = 0
    supplier: str = ""  # a carrier who bills it himself
    code: str = ""  # as stated, like the reason
    reason: str = ""


class Order(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One version of a purchase order. A higher `version` of the same number replaces the lower."""

    number: str
    currency: str
    version: int = 1
    company_code: str = ""
    supplier_id: str = ""
    supplier_number: str = ""  # the source's own number
    supplier: Party | None = None
    buyer: Party | None = None
    issued_on: date | None = None
    status: OrderStatus = "open"
    requisition: str = ""
    contract: str = ""
    prices_include_tax: bool = False
    retention_percent: Rate | None = None
    prepayment_percent: Rate | None = None
    payment_terms: str = ""
    notes: tuple[str, ...] = ()
    lines: tuple[OrderLine, ...] = ()
    charges: tuple[OrderCharge, ...] = ()
    requester: str = ""
    approver: str = ""
    net: Amount | None = None  # as stated: total without tax
    tax: Amount | None = None
    gross: Amount | None = None
    valid_to: date | None = None
    buyer_reference: str = ""
    extra: dict[str, str] = {}  # further stated facts by their path in the source, kept and not matched on
    approvals: tuple[ApprovalStep, ...] = ()  # of the order, or of the requisition it came from
