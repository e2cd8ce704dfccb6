"""A requisition: a wish, with who asked and who must pay for it. It becomes an order elsewhere."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from tripartite.core.money import Amount, Price
from tripartite.core.objects.approval import ApprovalStep
from tripartite.core.quantity import Quantity

RequisitionStatus = Literal["draft", "pending", "approved", "ordered", "rejected", "withdrawn"]


class RequisitionLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    line: int
    description: str = ""
    item: str = ""
    quantity: Quantity | None = None
    unit: str = "EA"
    price: Price | None = None
    price_per: int = 1
    amount: Amount | None = None
    cost_centre: str = ""
    account: str = ""
    supplier_number: str = ""
    needed_on: date | None = None


class Requisition(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One version of a requisition. `amount` is the sum of its lines in `currency`, None where a line states none.

    `approvals` is the chain as its source tells it; `approver` is who said yes last. `order_number` is empty until
    the source, or the order itself, says what it became.
    """

    number: str
    company_code: str
    currency: str
    status: RequisitionStatus = "draft"
    version: int = 1
    requester: str = ""
    approver: str = ""
    order_number: str = ""
    lines: tuple[RequisitionLine, ...] = ()
    approvals: tuple[ApprovalStep, ...] = ()
    amount: Amount | None = None
    cost_centre: str = ""  # of all lines; empty where they differ
    needed_on: date | None = None  # the earliest day of its lines
