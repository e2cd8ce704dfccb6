"""Is it billed more than came, was accepted, was withdrawn, was ordered? Rules: S2, S3, S8, S15 to S18, S30, S34."""

from __future__ import annotations

from fractions import Fraction

from tripartite.core.matching.exact import ZERO
from tripartite.core.matching.ordered import ReceiptEntry
from tripartite.core.matching.policy import Limits
from tripartite.core.matching.state import LineState, Piece, Work
from tripartite.core.matching.totals import amount

_RECEIVED_MODES = ("three_way", "four_way", "ers")


class Bound:
    """One bound on what may be billed, with what is billed before and what returns took away from it."""

    __slots__ = ("before", "kind", "returned", "size")

    def __init__(self, kind: str, size: Fraction, before: Fraction, returned: Fraction = ZERO) -> None:
        self.kind = kind
        self.size = size
        self.before = before
        self.returned = returned

    def broken_by(self, billed: Fraction, limits: Limits, price: Fraction, allowance: Fraction = ZERO) -> bool:
        """Whether billed so far exceeds the bound by more than the quantity tolerance; the ceiling knows none."""
        over = self.before + billed - self.size - allowance
        if over <= 0:
            return False
        return self.kind == "ceiling" or not _tolerated(over, max(ZERO, self.size + allowance), price, limits)

    def excess(self, billed: Fraction) -> Fraction:
        """What of this line is too much: b - max(0, bound - billed before)."""
        return billed - max(ZERO, self.size - self.before)


def _tolerated(over: Fraction, size: Fraction, price: Fraction, limits: Limits) -> bool:
    """The quantity tolerance. A percentage of nothing received is nothing, whatever else is allowed (S5, S17)."""
    answers = []
    if limits.quantity_percent is not None:
        answers.append(over * 100 <= size * limits.quantity_percent)
    if limits.quantity_absolute is not None:
        answers.append(over <= limits.quantity_absolute)
    if limits.quantity_value is not None:
        answers.append(over * price <= limits.quantity_value)
    if not answers:
        return True
    return any(answers) if limits.lenient else all(answers)


def bounds_of(piece: Piece) -> list[Bound] | None:
    """The bounds on billed so far + b, in the order in which they speak; None where the named receipt is unknown.

    With basis `receipt` a named receipt is the bound, with what is billed on it; the ceiling stays the line's.
    """
    ordered, numbers = piece.ordered, piece.numbers
    named: list[ReceiptEntry] | None = None
    if piece.billed.receipt:
        named = numbers.named(piece.billed.receipt)
        if not named:
            return None
    bounds = []
    state, before = piece.state, piece.line_before
    if named is not None and ordered.doc.basis == "receipt":
        received = sum((entry.net for entry in named), ZERO)
        returned = sum((entry.returned for entry in named), ZERO)
        accepted = min(received, sum((min(entry.accepted or ZERO, entry.quantity) for entry in named), ZERO))
        before = sum((state.filled.get((entry.number, entry.line), ZERO) for entry in named), ZERO)
        before += state.filled.get((piece.billed.receipt, -1), ZERO)
    else:
        received, returned, accepted = numbers.received, numbers.returned, numbers.accepted
    if ordered.mode in _RECEIVED_MODES:
        bounds.append(Bound("received", received, before, returned))
    if ordered.mode in ("four_way", "service"):
        bounds.append(Bound("accepted", accepted, before))
    if ordered.mode == "consignment":
        bounds.append(Bound("withdrawn", received, before))
    if numbers.ceiling is not None:
        bounds.append(Bound("ceiling", numbers.ceiling, piece.line_before))
    return bounds


def check_quantity(work: Work, piece: Piece, price: Fraction) -> bool:
    """Note the quantity reason of one piece, if any; whether the piece count is over.

    Variance: excess x reference price, money of the order line. Of the broken bounds the one with the largest excess
    speaks; on equality received before accepted before ceiling.
    """
    billed = piece.open
    limits = work.limits
    line = piece.billed.line
    bounds = bounds_of(piece)
    if bounds is None:
        work.say(
            "reference.receipt_missing",
            line,
            None,
            f"Line {line} names receipt {piece.billed.receipt}, which was not received for this order line.",
            rule="S15",
        )
        return False
    piece.bound = tightest(bounds)
    broken = [bound for bound in bounds if bound.broken_by(billed, limits, price)]
    if not broken:
        over = max((bound.excess(billed) for bound in bounds), default=ZERO)
        if over > 0:
            work.tolerated += over * price
        return False
    worst = max(broken, key=lambda bound: bound.excess(billed))
    piece.excess = worst.excess(billed)
    code = _code(piece, worst, billed, price, limits)
    unit = piece.ordered.unit
    work.say(
        code,
        line,
        piece.excess * price,
        f"Line {line} bills {amount(billed)} {unit} of order {piece.ordered.order.number} line {piece.ordered.line}; "
        f"{_what(worst)} is {amount(worst.size)}, billed before {amount(worst.before)}: "
        f"{amount(piece.excess)} {unit} too many.",
        breach=amount(piece.excess),
        limit=amount(max(ZERO, worst.size - worst.before)),
        unit=unit,
        rule=_RULE.get(code, "S2"),
    )
    return True


_RULE = {
    "match.not_received": "S17",
    "match.quantity_over_accepted": "S16",
    "match.quantity_over_delivered": "S18",
    "match.quantity_over_ordered": "S18",
    "match.quantity_over_withdrawn": "S34",
    "service.no_entry": "S30",
    "service.over_entry": "S30",
}


def _what(bound: Bound) -> str:
    return {"received": "received net", "ceiling": "the most the order allows"}.get(bound.kind, bound.kind)


def _code(piece: Piece, bound: Bound, billed: Fraction, price: Fraction, limits: Limits) -> str:
    ceiling = piece.numbers.ceiling
    nothing_open = bound.size - bound.before <= 0
    covered = ceiling is None or piece.line_before + billed <= ceiling
    if bound.kind == "received":
        if bound.returned > 0 and not bound.broken_by(billed, limits, price, bound.returned):
            return "match.quantity_returned"
        return "match.not_received" if nothing_open and covered else "match.quantity_over_received"
    if bound.kind == "accepted":
        if piece.ordered.mode != "service":
            return "match.quantity_over_accepted"
        return "service.no_entry" if nothing_open and covered else "service.over_entry"
    if bound.kind == "withdrawn":
        return "match.quantity_over_withdrawn"
    over_delivered = piece.ordered.mode in _RECEIVED_MODES and piece.numbers.received > bound.size
    return "match.quantity_over_delivered" if over_delivered else "match.quantity_over_ordered"


def lost_after_payment(piece: Piece, price: Fraction, limits: Limits) -> Fraction:
    """How many units of a paid line are no longer covered by what came, in order units; 0 where all is well.

    Measured against received (service: accepted, consignment: withdrawn) with the quantity tolerance. Rule: S38.
    """
    billed = piece.open
    if billed <= 0:
        return ZERO
    for bound in bounds_of(piece) or ():
        if bound.kind != "ceiling" and bound.broken_by(billed, limits, price):
            return bound.excess(billed)
    return ZERO


def check_catch_weight(work: Work, piece: Piece, state: LineState) -> None:
    """Weight billed so far against weight received: `match.catch_weight_out_of_range`, excess weight x price. S14.

    Weights in price units. Only where receipts bind; not asked where the piece count is already over.
    """
    if piece.ordered.mode not in _RECEIVED_MODES:
        return
    weight = piece.weight * (piece.open / piece.quantity if piece.quantity else ZERO)
    received = piece.numbers.weight
    over = state.weight + weight - received
    if over <= 0:
        return
    percent = work.limits.catch_weight_percent
    excess = weight - max(ZERO, received - state.weight)
    price = piece.numbers.catch_price
    if percent is None or over * 100 <= received * percent:
        work.tolerated += excess * price
        return
    line, unit = piece.billed.line, piece.ordered.doc.price_unit
    work.say(
        "match.catch_weight_out_of_range",
        line,
        excess * price,
        f"Line {line} bills {amount(weight)} {unit}; {amount(received)} {unit} were weighed in, "
        f"{amount(state.weight)} billed before: {amount(excess)} {unit} too much.",
        breach=amount(excess),
        limit=amount(max(ZERO, received - state.weight)),
        unit=unit,
        rule="S14",
    )


def tightest(bounds: list[Bound]) -> Fraction | None:
    """The size of the bound that leaves least open; None where nothing binds."""
    return min(bounds, key=lambda bound: bound.size - bound.before).size if bounds else None


def fill(piece: Piece, filled: dict[tuple[str, int], Fraction]) -> list[tuple[ReceiptEntry, Fraction]]:
    """Put a piece on receipts, given how far they are filled: the named one first, else first in, first out. Rule: S3.

    What a named bill has beyond its receipt stays counted on that receipt's name, so that basis `receipt` sees it.
    """
    left = piece.open
    taken: list[tuple[ReceiptEntry, Fraction]] = []
    name = piece.billed.receipt
    named = piece.numbers.named(name) if name else []
    others = [] if named and piece.ordered.doc.basis == "receipt" else piece.numbers.entries
    for entry in [*named, *others]:
        key = (entry.number, entry.line)
        room = entry.net - filled.get(key, ZERO)
        step = min(left, room)
        if step > 0:
            filled[key] = filled.get(key, ZERO) + step
            taken.append((entry, step))
            left -= step
        if left <= 0:
            break
    if left > 0 and named and piece.ordered.doc.basis == "receipt":
        filled[name, -1] = filled.get((name, -1), ZERO) + left
    return taken
