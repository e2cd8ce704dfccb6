"""What a document bills of an order line, as it was matched: what the owner of orders is told."""

from __future__ import annotations

import msgspec

from tripartite.core.money import Amount
from tripartite.core.quantity import Quantity


class Billed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of a document on one order line. `amount` is net, in the document's currency; `quantity` is in the order
    line's unit, None where none is billed (limit lines, debits and credits of the price alone). A credit is negative.
    """

    order_number: str
    order_line: int
    amount: Amount
    quantity: Quantity | None = None
