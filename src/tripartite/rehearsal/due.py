"""What a story must have paid in the end: worked out from the plan alone, whatever came about."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import msgspec

from tripartite.rehearsal.kinds import KINDS
from tripartite.rehearsal.scenario import DocumentPlan, Story


class Due(msgspec.Struct, frozen=True):
    """`by_account`: what must have left for each creditor's account and stayed there. `paid` and `refused`: documents
    by index; whatever is in neither must never have left.
    """

    by_account: dict[str, Decimal]
    paid: frozenset[int]
    refused: frozenset[int]

    def of(self, each: DocumentPlan) -> str:
        """What is planned for the payment of a document, in one word."""
        return "paid" if each.index in self.paid else "refused" if each.index in self.refused else "none"


def due(story: Story) -> Due:
    """Posted invoices are paid, less the credit memos of the supplier; one whose account is closed gets nothing."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    paid, refused = set(), set()
    for each in story.documents:
        kind = KINDS[each.trouble]
        if kind.state != "posted" or not kind.payable:
            continue
        if kind.wave == "third" and each.supplier.fate != "returned":
            continue  # there is nothing left to pay from which it could be taken: it waits for the next invoice
        if each.supplier.fate == "refused":
            refused.add(each.index)
            continue
        paid.add(each.index)
        sums[each.supplier.account] += -each.gross if each.original else each.gross
    return Due(dict(sums), frozenset(paid), frozenset(refused))
