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
    "late_order",
    "credit",
    "foreign_currency",
    "unreadable",
]


class Kind(msgspec.Struct, frozen=True):
    """`share`: of a thousand documents. `state` and `reason`: how the document stands at the end of the story.
    `payable`: whether what is posted may also be paid.
    """

    share: int
    state: str
    reason: str = ""
    payable: bool = True
    second: bool = False  # it speaks of an earlier invoice, so it comes after the first wave is decided


KINDS: Mapping[Trouble, Kind] = {
    "clean": Kind(480, "posted"),
    "partial_receipts": Kind(60, "posted"),  # the goods come in two deliveries, both before the invoice
    "late_receipt": Kind(80, "posted"),  # the rest comes after the invoice
    "recounted": Kind(20, "posted"),  # a receipt is undone by a reversal and booked anew, as much as before
    "recounted_short": Kind(20, "held", "match.quantity_over_received"),  # the same, and less than before
    "damaged": Kind(20, "held", "match.quantity_over_received"),  # all of it came, and some of it broken
    "over_billed": Kind(50, "held", "match.quantity_over_received"),
    "price": Kind(50, "held", "match.price_over_limit"),
    "tax": Kind(40, "held", "tax.amount_over"),
    "tax_quoted": Kind(20, "posted"),  # less than our tables say, and the engine says the same
    "twin": Kind(40, "held", "duplicate.probable", second=True),
    "repeat": Kind(20, "refused", "duplicate.exact", second=True),
    "unknown_order": Kind(40, "held", "reference.order_unknown"),
    "late_order": Kind(20, "posted"),
    "credit": Kind(20, "posted", second=True),
    "foreign_currency": Kind(10, "held", "currency.mismatch"),
    "unreadable": Kind(10, "rejected", "intake.malformed"),
}
SECOND_WAVE: frozenset[Trouble] = frozenset(name for name, kind in KINDS.items() if kind.second)
