"""How a result can be looked into afterwards: the numbers compared, the allocations, and the digest of the inputs."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import msgspec

from tripartite.core.codec import encode
from tripartite.core.ids import digest
from tripartite.core.matching.billed import Bill
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.policy import Limits
from tripartite.core.matching.result import Allocation, Pair

if TYPE_CHECKING:
    from tripartite.core.matching.engine import Evaluation
    from tripartite.core.matching.state import Work

ENGINE_VERSION = "matching-1"
"""Changes when the same inputs may give another answer."""


class FullTrace(msgspec.Struct, frozen=True, eq=False):
    """What the full evaluation keeps of a decision."""

    evaluation: Evaluation
    work: Work

    def pairs(self) -> tuple[Pair, ...]:
        """Order, receipt, invoice and variance per line."""
        return tuple(self.work.pairs)

    def allocations(self) -> tuple[Allocation, ...]:
        """The allocation table of this invoice."""
        return tuple(self.work.allocations)

    def inputs_digest(self) -> str:
        """SHA-256 over all that was looked at."""
        evaluation = self.evaluation
        return inputs_digest(evaluation.book, self.work.bill, self.work.limits, evaluation.as_of)


def inputs_digest(book: Book, bill: Bill, limits: Limits, as_of: date) -> str:
    """SHA-256 in hex over what a decision rests on: engine, policy, day, the invoice as received, the orders and
    receipts it touches, the other invoices on these orders or of the same number or amount, and the reference data.

    The same inputs give the same digest, whatever the order in which they were gathered. Rule: S41.
    """
    names = sorted({*bill.orders, *(line.order_number for line in bill.doc.lines if line.order_number)})
    orders = [book.orders[name].doc for name in names if name in book.orders]
    receipts = {digest(encode(receipt)): receipt for name in names for receipt in book.receipts_of.get(name, ())}
    others = sorted(
        (other.sequence, other.id, other.doc_digest, other.was_post, other.dropped, other.kept is not None)
        for other in book.neighbours(bill, names)
    )
    codes = sorted(
        {code for line in bill.doc.lines for code in line.tax_codes}
        | {code for order in orders for line in order.lines for code in line.tax_codes}
    )
    looked_at = [
        ENGINE_VERSION,
        limits.digest,
        as_of,
        [bill.id, bill.sequence, bill.arrived_on, bill.was_post, bill.doc],
        orders,
        [receipts[key] for key in sorted(receipts)],
        others,
        (book.suppliers or {}).get(bill.supplier),
        book.companies.get(bill.company),
        [book.taxes[code] for code in codes if code in book.taxes],
        book.conversions,
        sorted(
            (entry.from_currency, entry.to_currency, entry.valid_on, entry.rate)
            for key, entries in book.exchange.items()
            if key[0] == bill.currency
            for entry in entries
        ),
        [book.contracts[order.contract] for order in orders if order.contract in book.contracts],
    ]
    return digest(encode(looked_at))
