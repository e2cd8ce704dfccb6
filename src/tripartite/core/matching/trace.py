"""How a result can be looked into afterwards: the numbers compared, the allocations, and the digest of the inputs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from fractions import Fraction

import msgspec

from tripartite.core.codec import encode
from tripartite.core.ids import digest
from tripartite.core.matching.billed import Bill
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import exact
from tripartite.core.matching.giving import Giving, HeldBack, givings, held_back
from tripartite.core.matching.ordered import Ordered, ReceiptEntry
from tripartite.core.matching.policy import Limits
from tripartite.core.matching.price import unit_reference
from tripartite.core.matching.quantity import bounds_of, fill, tightest
from tripartite.core.matching.result import Allocation, Pair
from tripartite.core.matching.state import Piece, Work
from tripartite.core.money import Amount
from tripartite.core.objects.billed import Billed
from tripartite.core.objects.tax_quote import TaxQuote
from tripartite.core.quantity import Quantity

_QUANTITY_GRAIN = Decimal("1E-12")
_AMOUNT_GRAIN = Decimal("1E-6")
ENGINE_VERSION = "matching-1"
"""Changes when the same inputs may give another answer."""


class FullTrace(msgspec.Struct, frozen=True, eq=False):
    """What the full evaluation keeps of a decision."""

    book: Book
    as_of: date
    work: Work

    def pairs(self) -> tuple[Pair, ...]:
        """Order, receipt, invoice and variance per line."""
        return tuple(_pair(piece) for piece in self.work.pieces)

    def orders(self) -> frozenset[str]:
        """The orders that its lines stand on."""
        return frozenset(piece.ordered.order.number for piece in self.work.pieces)

    def billed(self) -> tuple[Billed, ...]:
        """What is billed of each order line: bills count, credits count against; value alone has no quantity."""
        found = []
        for piece in self.work.pieces:
            sign = -1 if piece.negative else 1
            found.append(_billed(piece.ordered, sign * piece.quantity, sign * abs(piece.value)))
        found += [_billed(taking.ordered, -taking.quantity, -taking.value) for taking in self.work.takings]
        found += [_billed(ordered, None, value) for ordered, value in self.work.values]
        return tuple(found)

    def allocations(self) -> tuple[Allocation, ...]:
        """The allocation table of this invoice."""
        result: list[Allocation] = []
        for piece in self.work.pieces:
            filled = piece.filled if piece.filled is not None else _filled(piece)
            result.extend(
                Allocation(
                    piece.billed.line,
                    piece.ordered.order.number,
                    piece.ordered.line,
                    entry.number,
                    entry.line,
                    quantity,
                )
                for entry, quantity in filled
            )
        return tuple(result)

    @property
    def beside_credits(self) -> bool:
        """Whether credits, or lines that take back, stand on an order line of this document."""
        return bool(self.work.takings) or any(piece.negative or piece.state.takings for piece in self.work.pieces)

    def givings(self, live: Collection[str]) -> tuple[Giving, ...]:
        """What this document gives back of what live invoices have released."""
        return givings(self.work, live)

    def held_back(self, live: Collection[str]) -> tuple[HeldBack, ...]:
        """What of this invoice was taken by credits that are not live."""
        return held_back(self.work, live)

    def inputs_digest(self) -> str:
        """SHA-256 over all that was looked at."""
        return inputs_digest(self.book, self.work.bill, self.work.limits, self.as_of, self.work.quote)


def _billed(ordered: Ordered, quantity: Fraction | None, value: Fraction) -> Billed:
    """Where a number has no end it is cut, far below any unit's grain."""
    counted = None
    if quantity is not None and ordered.mode != "limit":
        counted = Quantity(_cut(quantity, _QUANTITY_GRAIN))
    return Billed(ordered.order.number, ordered.line, Amount(_cut(value, _AMOUNT_GRAIN)), counted)


def _cut(exact: Fraction, grain: Decimal) -> Decimal:
    number = Decimal(exact.numerator) / Decimal(exact.denominator)
    return number if (exact / Fraction(grain)).denominator == 1 else number.quantize(grain)


def _filled(piece: Piece) -> list[tuple[ReceiptEntry, Fraction]]:
    """The receipts a piece stands on: all pieces of the order line up to it are put on receipts in order."""
    if piece.negative or piece.ordered.mode == "limit":
        return []
    filled = piece.state.filled_before()
    for other in piece.state.pieces:
        if other.negative:
            continue
        taken = fill(other, filled)
        if other is piece:
            return taken
    return []


def _pair(piece: Piece) -> Pair:
    """The numbers that were compared for one piece."""
    numbers, ordered = piece.numbers, piece.ordered
    size = piece.bound
    if ordered.mode == "limit":
        size = exact(ordered.doc.limit) if ordered.doc.limit is not None else None
    elif size is None and not piece.billed.receipt:
        size = tightest(bounds_of(piece) or [])
    return Pair(
        piece.billed.line,
        ordered.order.number,
        ordered.line,
        ordered.unit,
        numbers.ordered,
        numbers.received,
        piece.line_before,
        -piece.quantity if piece.negative else piece.quantity,
        piece.open,
        piece.excess,
        size,
        unit_reference(piece, piece.line_before),
        abs(piece.value) / piece.quantity if piece.quantity and ordered.mode != "limit" else None,
        piece.open_value,
        piece.expected,
        None if piece.expected is None else piece.open_value - piece.expected,
    )


def inputs_digest(book: Book, bill: Bill, limits: Limits, as_of: date, quote: TaxQuote | None = None) -> str:
    """SHA-256 in hex over what a decision rests on: engine, policy, day, the invoice as received, the orders and
    receipts it touches, the other invoices on these orders or of the same number or amount, the reference data, and
    the tax quote where there is one.

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
        [row for code in codes if code in book.taxes for row in book.dated.get(code, (book.taxes[code],))],
        book.conversions,
        sorted(
            (entry.from_currency, entry.to_currency, entry.valid_on, entry.rate)
            for key, entries in book.exchange.items()
            if key[0] == bill.currency
            for entry in entries
        ),
        [book.contracts[order.contract] for order in orders if order.contract in book.contracts],
        *([quote] if quote is not None else ()),
    ]
    if bill.family != bill.id:
        looked_at.append([bill.family, bill.number_key, bill.gross_key, bill.net_key])
    # Only where there is any, so that a decision without opening balances keeps its digest.
    openings = [line.opening for name in names if name in book.orders for line in book.orders[name].lines]
    if any(openings):
        looked_at.append([opening for opening in openings if opening is not None])
    if priors := book.priors_beside(bill):
        looked_at.append(priors)
    return digest(encode(looked_at))
