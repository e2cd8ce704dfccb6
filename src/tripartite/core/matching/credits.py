"""Credits, value-only debits and credits, and lines that take back. Rules: S19, S20, S37.

The first pass registers what is billed and lets credits take from it (`register`); the second says what does not hold
(`check_credit`, `check_value_credit`). Signs come from the kind of document; quantities and amounts are positive.
"""

from __future__ import annotations

from fractions import Fraction

from tripartite.core.matching.billed import CREDITS, Bill, BilledLine
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ZERO
from tripartite.core.matching.numbering import number_key
from tripartite.core.matching.opening import BEFORE
from tripartite.core.matching.ordered import Ordered
from tripartite.core.matching.pairing import candidates, pair_lines, quantity_on
from tripartite.core.matching.state import LineState, Piece, Taking, Work
from tripartite.core.matching.totals import amount


class ValueLine:
    """A line of a subsequent debit or credit on its order line; `value` net."""

    __slots__ = ("billed", "ordered", "state", "value")

    def __init__(self, billed: BilledLine, ordered: Ordered, state: LineState) -> None:
        self.billed = billed
        self.ordered = ordered
        self.state = state
        self.value = abs(billed.net_amount)


class Ledger:
    """The first pass: who bills what of which order line, in order of arrival."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.states: dict[int, LineState] = {}
        self.works: dict[str, Work] = {}
        self.waiting: list[Work] = []
        self.value_lines: dict[str, list[ValueLine]] = {}
        self.prepaid: dict[str, list[tuple[BilledLine, str]]] = {}
        self._by_number: dict[str, list[Bill]] | None = None

    def state(self, ordered: Ordered) -> LineState:
        """The state of one order line."""
        found = self.states.get(ordered.index)
        if found is None:
            found = self.states[ordered.index] = LineState(ordered, self.book)
        return found

    def named_by(self, bill: Bill, number: str) -> list[Bill]:
        """The other invoices of a supplier that a reference by number or id means."""
        if self._by_number is None:
            self._by_number = {}
            for other in self.book.bills:
                for key in {other.number_key, other.id}:
                    self._by_number.setdefault(key, []).append(other)
        keys = {number.strip().casefold(), number}
        found = {other.id: other for key in keys for other in self._by_number.get(key, ())}
        ordered = sorted(found.values(), key=lambda other: (other.sequence, other.id))
        return [other for other in ordered if other.supplier == bill.supplier and other.id != bill.id]

    def originals(self, bill: Bill) -> frozenset[str]:
        """The ids of the invoices that a credit or debit names as its original; `BEFORE` for one of before day zero."""
        if not bill.doc.original:
            return frozenset()
        found = frozenset(other.id for other in self.named_by(bill, bill.doc.original) if not other.credit)
        return found or (frozenset({BEFORE}) if self.is_of_before(bill, bill.doc.original) else found)

    def is_of_before(self, bill: Bill, number: str) -> bool:
        """Whether a supplier's number was booked before day zero, in the company of this bill."""
        wanted = number_key(number)
        return any(
            prior.number_key == wanted
            and prior.supplier == bill.supplier
            and prior.company == bill.company
            and prior.kind not in CREDITS
            for prior in self.book.priors
        )

    def register(self, work: Work) -> None:
        """Put an invoice that passed the gates on its order lines."""
        bill = work.bill
        self.works[bill.id] = work
        if bill.credit or bill.kind == "subsequent_debit":
            originals = self.originals(bill)
            known = BEFORE in originals or any(one in self.works for one in originals)
            if bill.doc.original and bill.credit and not known:
                self.waiting.append(work)
            else:
                self._take(work, originals)
        elif bill.kind == "prepayment":
            self._prepay(work)
        elif bill.id not in self.value_lines:
            self.bill(work, pair_lines(work, self.book, self.states))
        arrived = [other for other in self.waiting if bill.id in self.originals(other.bill)]
        for other in arrived:
            self.waiting.remove(other)
            self._take(other, self.originals(other.bill))

    def bill(self, work: Work, paired: list[tuple[BilledLine, list[tuple[Ordered, Fraction, Fraction]]]]) -> None:
        """Put paired lines on their order lines; lines that take back take from their own invoice first."""
        self.works[work.bill.id] = work
        backs = []
        for billed, shares in paired:
            for ordered, quantity, share in shares:
                state = self.state(ordered)
                piece = Piece(work, billed, state, quantity, share)
                if billed.quantity is None and ordered.mode != "limit":
                    piece.amount_only = True
                work.pieces.append(piece)
                if piece.negative:
                    state.pieces.append(piece)
                    backs.append((piece, state))
                else:
                    state.add(piece)
        for piece, state in backs:
            taking = Taking(work, piece.billed, piece.ordered, piece.quantity, None)
            taking.value = abs(piece.value)
            taking.price = taking.value / piece.quantity
            for own in reversed(work.pieces):
                if own.ordered is piece.ordered and not own.negative:
                    taking.take(own)
            state.credit(taking)
            piece.taking = taking

    def _take(self, work: Work, originals: frozenset[str]) -> None:
        for line in work.bill.numbers(self.book).lines:
            ordered = self._order_line_of(work, line, originals)
            if ordered is None:
                continue
            quantity = quantity_on(self.book, line, ordered)
            if quantity is None and work.bill.kind == "credit_memo":
                work.say(
                    "match.unit_unknown",
                    line.line,
                    None,
                    f"Line {line.line} is credited in {line.unit}; no conversion to {ordered.unit} is known.",
                    unit=line.unit,
                    rule="S13",
                )
                continue
            state = self.state(ordered)
            if work.bill.kind == "credit_memo":
                assert quantity is not None
                taking = Taking(work, line, ordered, abs(quantity), originals or None)
                state.credit(taking)
                work.takings.append(taking)
                continue
            value_line = ValueLine(line, ordered, state)
            self.value_lines.setdefault(work.bill.id, []).append(value_line)
            work.values.append((ordered, -value_line.value if work.bill.credit else value_line.value))
            if work.bill.kind == "subsequent_credit" and originals:
                _lower_value(value_line, state, originals)

    def _order_line_of(self, work: Work, line: BilledLine, originals: frozenset[str]) -> Ordered | None:
        """The order line a credit speaks of: as named, else the original's line of the same item."""
        known = [
            piece.ordered
            for one in sorted(originals)
            if one in self.works
            for piece in self.works[one].pieces
            if not piece.negative
        ]
        if line.order_line is not None and not (line.order or work.bill.orders):
            for ordered in known:
                if ordered.line == line.order_line:
                    return ordered
        if line.order_line is not None or line.doc.order_line_ref:
            found = candidates(self.book, work.bill, line, work.limits)
            if isinstance(found, list) and len(found) == 1:
                return found[0]
            code = found if isinstance(found, str) else "reference.line_unmatched"
            work.say(code, line.line, None, f"Line {line.line} names an order line that is not known.", rule="S1")
            return None
        for ordered in known:
            if ordered.ids & line.ids:
                return ordered
        if originals and work.bill.doc.original:
            code, words = "reference.line_unmatched", "has no item that its original billed"
        else:
            code, words = "reference.credit_orphan", "names neither an original invoice nor an order line"
        work.say(code, line.line, None, f"Line {line.line} {words}.", rule="S19")
        return None

    def _prepay(self, work: Work) -> None:
        for line in work.bill.numbers(self.book).lines:
            name = line.order
            if not name:
                code = "reference.order_missing" if not work.bill.orders else "reference.line_unmatched"
                work.say(
                    code, line.line, None, f"Line {line.line} does not say which order it is an advance on.", rule="S35"
                )
            elif name not in self.book.orders:
                work.say("reference.order_unknown", line.line, None, f"Order {name} is not known.", rule="S1")
            else:
                self.prepaid.setdefault(work.bill.id, []).append((line, name))


def _lower_value(value_line: ValueLine, state: LineState, originals: frozenset[str]) -> None:
    """A subsequent credit naming its original lowers that line's value; quantity stays. Rule: S20."""
    left = value_line.value
    for piece in state.pieces:
        if piece.work.bill.id in originals and not piece.negative:
            step = min(left, max(ZERO, piece.value - piece.value_credit))
            piece.value_credit += step
            left -= step


def billed_value(state: LineState, debits: Fraction) -> Fraction:
    """All value billed on an order line, by live invoices and before day zero, before any credit. Net, document
    currency."""
    return sum((piece.value for piece in state.pieces if not piece.negative), debits + state.value_before)


def check_credit(taking: Taking, state: LineState, debits: Fraction, *, compared: bool) -> None:
    """More pieces than were billed, else more value: `match.credit_over_billed` with the surplus. Rule: S19."""
    work, line = taking.work, taking.billed.line
    if taking.left > 0:
        surplus = taking.left * taking.price
        work.say(
            "match.credit_over_billed",
            line,
            surplus,
            f"Line {line} credits {amount(taking.quantity)} {taking.ordered.unit}; only "
            f"{amount(taking.quantity - taking.left)} were billed and not yet credited.",
            breach=amount(taking.left),
            limit=amount(taking.quantity - taking.left),
            unit=taking.ordered.unit,
            rule="S19",
        )
    elif compared:
        _check_value(work, line, taking.value, state, debits, "S19")
    state.credited_value += taking.value


def check_value_credit(work: Work, value_line: ValueLine, debits: Fraction, *, compared: bool) -> None:
    """A subsequent credit may not take more value than is billed; without anything billed it is an orphan. S20."""
    line, state = value_line.billed.line, value_line.state
    if not any(not piece.negative for piece in state.pieces) and state.value_before <= 0:
        work.say(
            "reference.credit_orphan",
            line,
            None,
            f"Line {line} credits an order line of which nothing is billed.",
            rule="S20",
        )
        return
    if compared:
        _check_value(work, line, value_line.value, state, debits, "S20")
    state.credited_value += value_line.value


def _check_value(work: Work, line: int, value: Fraction, state: LineState, debits: Fraction, rule: str) -> None:
    there = billed_value(state, debits) - state.credited_value
    if value <= there:
        return
    work.say(
        "match.credit_over_billed",
        line,
        value - max(ZERO, there),
        f"Line {line} credits {amount(value)}; {amount(max(ZERO, there))} is billed and not yet credited.",
        breach=amount(value),
        limit=amount(max(ZERO, there)),
        unit=work.bill.currency,
        rule=rule,
    )


def say_negative_surplus(work: Work, piece: Piece) -> None:
    """A line that takes back more than was billed. Rule: S37."""
    taking = piece.taking
    if taking is None or taking.left <= 0:
        return
    line = piece.billed.line
    work.say(
        "match.credit_over_billed",
        line,
        taking.left * taking.price,
        f"Line {line} takes back {amount(taking.quantity)} {piece.ordered.unit}; only "
        f"{amount(taking.quantity - taking.left)} were billed.",
        breach=amount(taking.left),
        limit=amount(taking.quantity - taking.left),
        unit=piece.ordered.unit,
        rule="S37",
    )
