"""A payment: which invoices it settles, where it stands. The payments component takes it up."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from tripartite.core.money import Amount

PaymentStatus = Literal["proposed", "released", "sent", "executed", "rejected", "returned", "cancelled"]


class PaymentItem(msgspec.Struct, frozen=True, omit_defaults=True):
    invoice_number: str
    amount: Amount
    document: str = ""


class Payment(msgspec.Struct, frozen=True, omit_defaults=True):
    number: str
    company_code: str
    supplier_id: str
    currency: str
    amount: Amount
    status: PaymentStatus
    version: int = 1
    due_on: date | None = None
    executed_on: date | None = None
    items: tuple[PaymentItem, ...] = ()
