"""What happens to the documents of a story: each kind with its share, and what must have become of it in the end.

A known share goes wrong on purpose. The table is the promise that a run is held to; nothing else decides an outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Trouble = Literal[
    "clean",
    "partial_receipts",
    "late_receipt",
    "recounted",
    "recounted_short",
    "damaged",
    "over_billed",
    "price",
    "tax",
    "tax_quoted",
    "twin",
    "repeat",
    "unknown_order",
    "no_order",
    "late_order",
    "new_supplier",
    "other_supplier",
    "suspended",
    "service",
    "foreign_order",
    "foreign_currency",
    "sent_back",
    "credit",
    "credit_after_payment",
    "unreadable",
]


class Kind(msgspec.Struct, frozen=True):
    """`share`: of a thousand documents. `state` and `reason`: how the document stands at the end of the story.
    `payable`: whether what is posted may also be paid. `wave`: the second speaks of an earlier invoice, so it comes
    after the first is decided; the third comes after the first payments.
    """

    share: int
    state: str
    reason: str = ""
    payable: bool = True
    wave: Literal["first", "second", "third"] = "first"


KINDS: Mapping[Trouble, Kind] = {
    "clean": Kind(415, "posted"),
    "partial_receipts": Kind(60, "posted"),  # the goods come in two deliveries, both before the invoice
    "late_receipt": Kind(80, "posted"),  # the rest comes after the invoice
    "recounted": Kind(20, "posted"),  # a receipt is undone by a reversal and booked anew, as much as before
    "recounted_short": Kind(20, "held", "match.quantity_over_received"),  # the same, and less than before
    "damaged": Kind(20, "held", "match.quantity_over_received"),  # all of it came, and some of it broken
    "over_billed": Kind(50, "held", "match.quantity_over_received"),
    "price": Kind(50, "held", "match.price_over_limit"),
    "tax": Kind(40, "held", "tax.amount_over"),
    "tax_quoted": Kind(20, "posted"),  # less than our tables say, and the engine says the same
    "twin": Kind(40, "held", "duplicate.probable", wave="second"),
    "repeat": Kind(20, "refused", "duplicate.exact", wave="second"),
    "unknown_order": Kind(30, "held", "reference.order_unknown"),
    "no_order": Kind(10, "held", "reference.order_missing"),
    "late_order": Kind(20, "posted"),  # the order it names appears later
    "new_supplier": Kind(10, "posted"),  # nobody knows him yet; he is created, and ordered from, later
    "other_supplier": Kind(10, "held", "supplier.mismatch"),  # its order was placed with somebody else
    "suspended": Kind(5, "posted", payable=False),  # of a supplier whose payments were stopped by such a mismatch
    "service": Kind(20, "posted"),  # hours: nothing is received, the order alone is compared
    "foreign_order": Kind(10, "posted"),  # ordered and billed in another currency than the company's
    "foreign_currency": Kind(10, "held", "currency.mismatch"),  # billed in another currency than ordered
    "sent_back": Kind(10, "posted", "match.quantity_returned", payable=False),  # goods go back after it was posted
    "credit": Kind(15, "posted", wave="second"),
    "credit_after_payment": Kind(5, "posted", wave="third"),
    "unreadable": Kind(10, "rejected", "intake.malformed"),
}
FIRST_WAVE: frozenset[Trouble] = frozenset(name for name, kind in KINDS.items() if kind.wave == "first")
LATER: frozenset[Trouble] = frozenset({"late_order", "new_supplier"})  # the order comes after the invoice
CREDITS: frozenset[Trouble] = frozenset({"credit", "credit_after_payment"})
