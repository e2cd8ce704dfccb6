"""Day zero: what had happened to an order line, and what had been billed, before Tripartite kept the books.

Both are facts of the old system, taken over as they are: no receipt and no invoice is made up for them. They enter a
book beside orders, receipts and invoices. An order line begins with what was received and billed by then; a bill of the
old system is known to the search for duplicates and to nothing else.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import msgspec

from tripartite.core.matching.exact import ZERO, exact
from tripartite.core.matching.numbering import folded, number_key
from tripartite.core.money import Amount
from tripartite.core.objects import Receipt
from tripartite.core.objects.invoice import InvoiceKind
from tripartite.core.quantity import Quantity

OPENING_RECEIPT = "(opening)"
"""Under this name what was received before stands among the receipts of its line; no receipt can be called so."""


BEFORE = "(before)"
"""What a credit stands against whose original was booked before day zero; no invoice has this id."""


class Opening(msgspec.Struct, frozen=True, omit_defaults=True):
    """One order line at the end of the day `as_of`. Quantities in the order line's unit, never negative.

    `received` is net of returns; `accepted` what of it passed inspection, None where nobody said. `billed` is net of
    credits and may exceed what was received. `billed_net`: the same in the order's currency, net of tax; on a line that
    is ordered by value it is what counts, on others it bounds what credits may take.
    A receipt of that day or earlier is in `received` already.
    """

    order_number: str
    order_line: int
    as_of: date
    received: Quantity = Quantity(0)
    billed: Quantity = Quantity(0)
    accepted: Quantity | None = None
    billed_net: Amount | None = None

    def billed_so_far(self, mode: str) -> Fraction:
        """What stands on the line as billed: a quantity, or on a limit line the net amount."""
        if mode == "limit":
            return exact(self.billed_net) if self.billed_net is not None else ZERO
        return exact(self.billed)

    def value_so_far(self, mode: str, unit_price: Fraction) -> Fraction:
        """The net value billed by then, at the order's price where it was not said: what credits may take at most."""
        if self.billed_net is not None or mode == "limit":
            return exact(self.billed_net) if self.billed_net is not None else ZERO
        return exact(self.billed) * unit_price


def is_in_opening(receipt: Receipt, opening: Opening | None) -> bool:
    """Whether an opening balance already holds a receipt, return or reversal: it was posted by that day.

    One that does not say its day counts as the earliest, as everywhere in matching.
    """
    return opening is not None and (receipt.posted_on is None or receipt.posted_on <= opening.as_of)


class BilledBefore(msgspec.Struct, frozen=True, omit_defaults=True):
    """An invoice or credit that the old system had booked: enough to know it again, and nothing more."""

    company_code: str
    supplier_id: str
    number: str
    currency: str
    issued_on: date
    gross: Amount
    net: Amount | None = None
    kind: InvoiceKind = "invoice"
    document: str = ""
    paid_on: date | None = None


class Prior:
    """A bill of before, as the search for duplicates looks at one."""

    __slots__ = (
        "company",
        "currency",
        "day",
        "doc",
        "folded",
        "gross_key",
        "kind",
        "net_key",
        "number_key",
        "supplier",
    )

    def __init__(self, doc: BilledBefore) -> None:
        self.doc = doc
        self.company = doc.company_code
        self.supplier = doc.supplier_id
        self.kind = doc.kind
        self.currency = doc.currency
        self.day = doc.issued_on
        self.number_key = number_key(doc.number)
        self.folded = folded(doc.number) or self.number_key
        self.gross_key: object = doc.gross
        self.net_key: object = doc.net if doc.net is not None else self
