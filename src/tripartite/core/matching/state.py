"""The state of one evaluation: what each invoice bills of each order line, and what credits take of it.

Made by the first pass (gates, pairing), read and advanced by the second (checks), in order of arrival. It belongs to
one call of `engine.evaluate` and is thrown away after it.
"""

from __future__ import annotations

from fractions import Fraction

from tripartite.core.findings import Finding
from tripartite.core.matching.billed import Bill, BilledLine
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ONE, ZERO
from tripartite.core.matching.opening import BEFORE
from tripartite.core.matching.ordered import LineNumbers, Ordered, ReceiptEntry
from tripartite.core.matching.policy import Limits
from tripartite.core.objects.tax_quote import TaxQuote


class Piece:
    """The part of one invoice line that stands on one order line.

    `quantity` is its size in the order's unit, never negative; `negative` says that it takes back. `taken` is what
    credits took of it; `value` its exact net value as billed, signed; `value_credit` what value credits took.
    On a limit line the quantity is the net amount. `amount_only`: billed without a quantity where one is due.
    """

    __slots__ = (
        "amount_only",
        "billed",
        "bound",
        "excess",
        "expected",
        "filled",
        "line_before",
        "negative",
        "ordered",
        "quantity",
        "share",
        "state",
        "taken",
        "taking",
        "value",
        "value_credit",
        "work",
    )

    def __init__(
        self,
        work: Work,
        billed: BilledLine,
        state: LineState,
        quantity: Fraction,
        share: Fraction,
    ) -> None:
        self.work = work
        self.billed = billed
        self.state = state
        self.ordered = state.ordered
        self.negative = quantity < 0
        self.quantity = abs(quantity)
        self.share = share
        self.value = billed.value if share is ONE else billed.value * share
        self.taken = ZERO
        self.value_credit = ZERO
        self.taking: Taking | None = None
        self.excess = ZERO
        self.expected: Fraction | None = None
        self.line_before = ZERO
        self.bound: Fraction | None = None
        self.filled: list[tuple[ReceiptEntry, Fraction]] | None = None
        self.amount_only = False

    @property
    def numbers(self) -> LineNumbers:
        """The exact numbers of the order line."""
        return self.state.numbers

    @property
    def weight(self) -> Fraction:
        """Catch weight billed, in price units; nominal where the bill does not say."""
        if self.billed.weight is not None:
            return abs(self.billed.weight) * self.share
        return self.quantity * self.numbers.nominal

    @property
    def open(self) -> Fraction:
        """b: its own quantity less what credits took; nothing for a line that takes back."""
        if self.negative:
            return ZERO
        return self.quantity if self.taken is ZERO else self.quantity - self.taken

    @property
    def open_value(self) -> Fraction:
        """The exact value of `open` as billed, shared by quantity, less value credits. Net, document currency."""
        if self.negative or self.amount_only or self.taken is ZERO or self.quantity == 0:
            return self.value - self.value_credit
        return self.value * self.open / self.quantity - self.value_credit


class Taking:
    """A credit line on an order line: what it took of which piece (`before`: of what was billed before day zero), what
    it could not take yet, and what it may take from."""

    __slots__ = (
        "before",
        "billed",
        "left",
        "ordered",
        "originals",
        "price",
        "quantity",
        "receipt",
        "state",
        "took",
        "value",
        "work",
    )

    def __init__(
        self,
        work: Work,
        billed: BilledLine,
        ordered: Ordered,
        quantity: Fraction,
        originals: frozenset[str] | None,
    ) -> None:
        self.work = work
        self.billed = billed
        self.ordered = ordered
        self.quantity = self.left = quantity
        self.value = abs(billed.value)
        self.price = self.value / quantity if quantity else ZERO
        self.originals = originals
        self.receipt = billed.receipt
        self.took: list[tuple[Piece, Fraction]] = []
        self.before = ZERO
        self.state: LineState | None = None

    def may_take(self, piece: Piece) -> bool:
        """Whether a piece belongs to the pool of this credit. One that names an original of before takes none."""
        if piece.negative or (self.originals is not None and piece.work.bill.id not in self.originals):
            return False
        return not self.receipt or piece.billed.receipt == self.receipt

    @property
    def may_take_before(self) -> bool:
        """Whether what was billed before day zero belongs to the pool of this credit."""
        return not self.receipt and (self.originals is None or BEFORE in self.originals)

    def take(self, piece: Piece) -> None:
        """Take what is left to take from one piece, as far as it goes."""
        part = min(self.left, piece.quantity - piece.taken)
        if part > 0:
            piece.taken += part
            self.left -= part
            self.took.append((piece, part))


class LineState:
    """What stands on one order line. The first pass fills `pieces` and `takings`; the second advances the rest."""

    __slots__ = (
        "before",
        "billed",
        "book",
        "credited_value",
        "expected",
        "filled",
        "final",
        "ordered",
        "pieces",
        "takings",
        "value",
        "weight",
    )

    def __init__(self, ordered: Ordered, book: Book) -> None:
        self.ordered = ordered
        self.book = book
        self.pieces: list[Piece] = []
        self.takings: list[Taking] = []
        self.before = self.billed = ordered.billed_before
        self.value = ZERO
        self.expected = ZERO
        self.weight = ZERO
        self.credited_value = ZERO
        self.final = False
        self.filled: dict[tuple[str, int], Fraction] = {}
        if ordered.opening is not None and ordered.mode != "limit":
            self.filled = self.filled_before()

    def filled_before(self) -> dict[tuple[str, int], Fraction]:
        """How far receipts were used up before day zero: what came by then first, then first in, first out."""
        filled: dict[tuple[str, int], Fraction] = {}
        left = self.before
        for entry in self.numbers.entries if left > 0 and self.ordered.mode != "limit" else ():
            step = min(left, entry.net)
            if step > 0:
                filled[entry.number, entry.line] = step
                left -= step
        return filled

    @property
    def numbers(self) -> LineNumbers:
        """The exact numbers of the order line, worked out when first asked for."""
        return self.ordered.numbers(self.book)

    @property
    def value_before(self) -> Fraction:
        """The net value that was billed of the line before day zero, as stated; credits do not lower it."""
        opening = self.ordered.opening
        if opening is None:
            return ZERO
        return opening.value_so_far(self.ordered.mode, self.numbers.unit_price)

    def registered(self) -> Fraction:
        """Billed so far in the first pass: what was billed before day zero and all pieces known, less credits."""
        return sum((piece.open for piece in self.pieces), self.before)

    def add(self, piece: Piece) -> None:
        """Put a piece on the line; credits that are still owed take from it at once."""
        self.pieces.append(piece)
        for taking in self.takings:
            if taking.left > 0 and taking.may_take(piece):
                taking.take(piece)

    def credit(self, taking: Taking) -> None:
        """Take from what is there, the latest first; what is left stays owed. Rule: S19."""
        taking.state = self
        for piece in reversed(self.pieces):
            if taking.left <= 0:
                break
            if taking.may_take(piece):
                taking.take(piece)
        if taking.left > 0 and self.before > 0 and taking.may_take_before:
            part = min(taking.left, self.before)
            taking.left -= part
            taking.before += part
            self.before -= part
            self.billed -= part
            if self.filled:
                self.filled = self.filled_before()
        self.takings.append(taking)


class Work:
    """One invoice under evaluation. `stopped`: a gate took it out. `reasons` are exact sums per (line, code); None
    where a code is not measured. `quote`: the tax engine's answer about it, where one is at hand."""

    __slots__ = (
        "bill",
        "claims",
        "details",
        "limits",
        "pieces",
        "quote",
        "reasons",
        "replaced",
        "stopped",
        "takings",
        "tolerated",
        "values",
    )

    def __init__(self, bill: Bill, limits: Limits, quote: TaxQuote | None = None) -> None:
        self.bill = bill
        self.limits = limits
        self.quote = quote
        self.stopped = False
        self.replaced = False
        self.pieces: list[Piece] = []
        self.takings: list[Taking] = []
        self.values: list[tuple[Ordered, Fraction]] = []  # value alone, signed, on an order line
        self.reasons: dict[tuple[int, str], Fraction | None] = {}
        self.details: dict[tuple[int, str], Finding] = {}
        self.tolerated = ZERO
        self.claims: list[tuple[int, Fraction]] = []

    def say(
        self,
        code: str,
        line: int,
        variance: Fraction | None,
        words: str,
        *,
        breach: str = "",
        limit: str = "",
        unit: str = "",
        rule: str = "",
        row: str = "",
    ) -> None:
        """Note a reason. Those of one code on one line are summed, exactly; the first one's words stay."""
        key = (line, code)
        known = self.reasons.get(key)
        self.reasons[key] = variance if known is None or variance is None else known + variance
        if key not in self.details:
            self.details[key] = Finding(code, line, None, breach, limit, unit, words, rule, row)
