"""A goods receipt or service entry: evidence that goods came or work was done; returns and reversals too."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from tripartite.core.objects.party import Party
from tripartite.core.quantity import Quantity

ReceiptKind = Literal["receipt", "return", "reversal", "withdrawal", "service_entry"]


class ReceiptLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What came. `quantity` is positive for every kind; the kind gives the direction. Unit: `unit`.

    `accepted` is what passed inspection (four-way, services); None where nobody said. `takes_from` names the
    receipt that a return or reversal takes from. `order_line` 0: the source names no line (mapping looks by item).
    """

    order_number: str
    order_line: int
    quantity: Quantity
    unit: str = ""  # empty: the order line's
    line: int = 1
    accepted: Quantity | None = None
    price_quantity: Quantity | None = None  # catch weight: weighed
    takes_from: str = ""
    item: str = ""
    description: str = ""
    line_ref: str = ""  # the source's own id of this line
    order_line_ref: str = ""  # the order line as stated, where it is no number (then `order_line` is 0)
    supplier_item: str = ""
    rejected: Quantity | None = None
    short: Quantity | None = None  # less than was announced
    note: str = ""


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    number: str
    kind: ReceiptKind = "receipt"
    version: int = 1
    company_code: str = ""
    supplier_id: str = ""
    supplier: Party | None = None
    posted_on: date | None = None
    delivery_note: str = ""
    receiver: str = ""
    notes: tuple[str, ...] = ()
    lines: tuple[ReceiptLine, ...] = ()
    buyer: Party | None = None
    delivered_on: date | None = None  # when it came, where that is stated beside the date of the document
    extra: dict[str, str] = {}  # further stated facts by their path in the source, kept and not matched on
    origin: str = ""  # our own number for it, where its source was told of it by us
