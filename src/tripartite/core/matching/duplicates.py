"""Has this debt been billed before? Exact, cross-entity and probable duplicates against earlier live invoices.

Only invoices that themselves passed the gates are compared with; a correction that says what it replaces has taken the
other out before it comes here. Rule: S40.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tripartite.core.duplicates.score import Claim, Hit, compare
from tripartite.core.matching.billed import Bill
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.numbering import neighbours_swapped
from tripartite.core.matching.opening import Prior
from tripartite.core.matching.policy import Limits

ReceiptKey = tuple[str, int, str]
Known = Bill | Prior
"""What an invoice may repeat: an earlier invoice, or a bill of before day zero."""


class Register:
    """The live invoices so far, found by folded number, by amount and date, and by named receipts."""

    __slots__ = ("book", "by_amount", "by_number", "by_receipt")

    def __init__(self, book: Book) -> None:
        self.book = book
        self.by_number: dict[tuple[str, str], list[Known]] = {}
        self.by_amount: dict[tuple[str, object, date], list[Known]] = {}
        self.by_receipt: dict[ReceiptKey, list[Bill]] = {}
        for prior in book.priors:
            self._know(prior)

    def add(self, bill: Bill) -> None:
        """Take in an invoice that passed the gates."""
        self._know(bill)
        if bill.receipts_named:
            for key in receipt_keys(bill, self.book):
                self.by_receipt.setdefault(key, []).append(bill)

    def _know(self, one: Known) -> None:
        group = self.book.groups.get(one.supplier, one.supplier)
        self.by_number.setdefault((group, one.folded), []).append(one)
        self.by_amount.setdefault((group, one.gross_key, one.day), []).append(one)

    def find(self, bill: Bill, limits: Limits) -> tuple[str, Known] | None:
        """The reason code and the earlier invoice, exact before cross-entity before probable; None where it is new."""
        group = self.book.groups.get(bill.supplier, bill.supplier)
        same_number = self.by_number.get((group, bill.folded))
        same_amount = self.by_amount.get((group, bill.gross_key, bill.day))
        if same_number is None and same_amount is None and not bill.receipts_named:
            return None
        numbered = [other for other in same_number or () if other.kind == bill.kind and not _kin(bill, other)]
        for other in numbered:
            if _exact(bill, other, limits):
                return "duplicate.exact", other
        for other in numbered:
            if (
                other.company != bill.company
                and other.currency == bill.currency
                and other.gross_key == bill.gross_key
                and other.day == bill.day
            ):
                return "duplicate.cross_entity", other
        for other in numbered:
            if _comparable(bill, other, limits) and (
                other.gross_key in (bill.gross_key, bill.net_key) or other.net_key == bill.gross_key
            ):
                return "duplicate.probable", other
        for other in same_amount or ():
            if (
                other.kind == bill.kind
                and not _kin(bill, other)
                and neighbours_swapped(other.folded, bill.folded)
                and _comparable(bill, other, limits)
            ):
                return "duplicate.probable", other
        if bill.receipts_named:
            for key in receipt_keys(bill, self.book):
                for other in self.by_receipt.get(key, ()):
                    if (
                        other.kind == bill.kind
                        and not _kin(bill, other)
                        and other.gross_key == bill.gross_key
                        and self.book.group(other.supplier) == group
                        and _comparable(bill, other, limits)
                    ):
                        return "duplicate.probable", other
        return None


def _kin(bill: Bill, other: Known) -> bool:
    """Whether both are parts of one document: the one debt, not two."""
    return isinstance(other, Bill) and other.family == bill.family


def likeness(bill: Bill, other: Known, book: Book) -> Hit:
    """How like two claims are, in hundredths and in words: what the person who compares them side by side reads."""
    return compare(_claim(bill, book), _claim(other, book))


def _claim(one: Known, book: Book) -> Claim:
    doc = one.doc
    receipts = receipt_keys(one, book) if isinstance(one, Bill) and one.receipts_named else ()
    return Claim(
        "",
        one.supplier,
        book.group(one.supplier),
        one.company,
        doc.number,
        one.currency,
        one.day,
        doc.gross if doc.gross is not None else Decimal(0),
        doc.net,
        one.kind,
        frozenset(receipts),
        frozenset(one.orders) if isinstance(one, Bill) else frozenset(),
    )


def _exact(bill: Bill, other: Known, limits: Limits) -> bool:
    return (
        other.supplier == bill.supplier
        and other.number_key == bill.number_key
        and (not limits.scope_company or other.company == bill.company)
        and (not limits.scope_year or other.day.year == bill.day.year)
    )


def _comparable(bill: Bill, other: Known, limits: Limits) -> bool:
    """Same company and currency, near enough in time; and where each year has its own numbers, one number in two
    years is two debts."""
    if other.company != bill.company or other.currency != bill.currency:
        return False
    if limits.window_days is not None and abs((other.day - bill.day).days) > limits.window_days:
        return False
    return not (limits.scope_year and other.folded == bill.folded and other.day.year != bill.day.year)


def receipt_keys(bill: Bill, book: Book) -> list[ReceiptKey]:
    """Order, order line and receipt of each line that names a receipt, where reference or item says which line."""
    keys = []
    for line in bill.doc.lines:
        if not line.receipt_number:
            continue
        names = (line.order_number,) if line.order_number else bill.orders
        number = line.order_line
        if number is None or len(names) != 1:
            ids = {name for name in (line.item, line.supplier_item, line.gtin) if name}
            fits = [
                ordered
                for name in names
                if name in book.orders
                for ordered in book.orders[name].lines
                if ordered.ids & ids
            ]
            if len(fits) != 1:
                continue
            names, number = (fits[0].order.number,), fits[0].line
        keys.append((names[0], number, line.receipt_number))
    return keys
