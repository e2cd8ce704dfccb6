"""What should it cost, and does the bill ask for more or less? Rules: S4 to S7, S10, S12, S20 to S22, S26, S32, S37."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ONE, ZERO, exact
from tripartite.core.matching.ordered import LineNumbers, Ordered
from tripartite.core.matching.policy import EXACT, Limits, within
from tripartite.core.matching.state import LineState, Piece, Work
from tripartite.core.matching.totals import amount


def expected_value(piece: Piece, quantity: Fraction, before: Fraction) -> Fraction:
    """What `quantity` units from `before` units on should cost, net, exact, in the order's currency.

    Graduated scale: the units run through the steps. Price by receipt date: by the named receipt, else by receipts in
    order of date; beyond them the invoice date. Catch weight: the invoiced weight's share x price.
    """
    ordered, numbers = piece.ordered, piece.numbers
    if ordered.catch_weight:
        return (piece.weight * quantity / piece.quantity if piece.quantity else ZERO) * numbers.catch_price
    if numbers.scale:
        return _by_scale(ordered, numbers, quantity, before)
    if not numbers.versions:
        return numbers.unit_price * quantity
    day = piece.work.bill.day
    basis = ordered.doc.price_date
    if basis == "order":
        return numbers.price_on(ordered.order.doc.issued_on) * quantity
    if basis == "invoice":
        return numbers.price_on(day) * quantity
    return _by_receipts(piece, quantity, before, day)


def _by_scale(ordered: Ordered, numbers: LineNumbers, quantity: Fraction, before: Fraction) -> Fraction:
    steps = numbers.scale
    if ordered.doc.scale_mode == "by_ordered":
        price = numbers.unit_price
        for start, step_price in steps:
            if start <= (numbers.ordered or ZERO):
                price = step_price
        return price * quantity
    total, place, end = ZERO, before, before + quantity
    edges = [(ZERO, numbers.unit_price), *steps]
    for number, (start, step_price) in enumerate(edges):
        stop = edges[number + 1][0] if number + 1 < len(edges) else end
        part = min(end, stop) - max(place, start)
        if part > 0:
            total += part * step_price
    return total


def _by_receipts(piece: Piece, quantity: Fraction, before: Fraction, day: date) -> Fraction:
    numbers = piece.numbers
    named = numbers.named(piece.billed.receipt) if piece.billed.receipt else []
    if named:
        return numbers.price_on(named[0].on) * quantity
    total, left, passed = ZERO, quantity, ZERO
    for entry in numbers.entries:
        start = max(before, passed)
        passed += entry.net
        part = min(left, passed - start)
        if part > 0:
            total += part * numbers.price_on(entry.on)
            left -= part
    return total + left * numbers.price_on(day)


def unit_reference(piece: Piece, before: Fraction) -> Fraction:
    """The reference price of one order unit of a piece: the average of what its quantity should cost."""
    if piece.ordered.catch_weight:
        return piece.numbers.unit_price
    quantity = piece.quantity if piece.negative else piece.open
    if quantity <= 0:
        return piece.numbers.unit_price
    return expected_value(piece, quantity, before) / quantity


def check_price(work: Work, piece: Piece, state: LineState, book: Book) -> None:
    """Compare the exact value billed with the exact value expected; unit, line and cumulative level each by itself.

    Variance: value of b as billed - expected value of b, positive when the supplier asks for more. The percentage is
    of the expected value of what is billed, never of the open line (S6). A line that takes back is judged on its own
    quantity. The caller has seen that currencies agree.
    """
    limits = work.limits
    quantity = piece.quantity if piece.negative else piece.open
    expected = expected_value(piece, quantity, state.billed)
    if piece.negative:
        expected = -expected
    piece.expected = expected
    variance = piece.open_value - expected
    if variance > 0:
        unit_holds = _unit_allows(
            variance, abs(expected), quantity, limits.upper_percent, limits.upper_absolute, limits
        )
        line_holds = within(variance, ZERO, None, limits.upper_line)
        if unit_holds and line_holds:
            work.tolerated += variance
        else:
            _say_price(work, piece, variance, expected, "match.price_over_limit")
    elif variance < 0 and not _unit_allows(
        -variance, abs(expected), quantity, limits.lower_percent, limits.lower_absolute, limits
    ):
        _say_price(work, piece, variance, expected, "match.price_under_limit")
    _check_contract(work, piece, quantity, book)


def _unit_allows(
    variance: Fraction,
    expected: Fraction,
    quantity: Fraction,
    percent: Fraction | None,
    absolute: Fraction | None,
    limits: Limits,
) -> bool:
    if absolute is not None and absolute is not EXACT:
        absolute = absolute * quantity
    return within(variance, expected, percent, absolute, lenient=limits.lenient)


def _say_price(work: Work, piece: Piece, variance: Fraction, expected: Fraction, code: str) -> None:
    line, ordered = piece.billed.line, piece.ordered
    quantity = piece.quantity if piece.negative else piece.open
    rule = "S5" if code == "match.price_over_limit" else "S10"
    billed_price = abs(piece.value) / piece.quantity if piece.quantity else None
    prices = [price for _, price in piece.numbers.versions]
    if prices:
        prices.append(piece.numbers.unit_price)
    doc, order_doc = piece.billed.doc, ordered.doc
    if billed_price is not None and billed_price in prices:
        code, rule = "match.price_version_differs", "S21"
    elif doc.price is not None and doc.price == order_doc.price and (doc.price_per or ONE) != order_doc.price_per:
        code, rule = "match.price_basis_inconsistent", "S12"
    share = f", {amount(variance * 100 / abs(expected))} %" if expected else ""
    work.say(
        code,
        line,
        variance,
        f"Line {line} bills {amount(piece.open_value)} for {amount(quantity)} {ordered.unit}; "
        f"{amount(expected)} is due by order {ordered.order.number} line {ordered.line}: {amount(variance)}{share}.",
        breach=amount(variance),
        limit=_limit_words(work.limits, over=variance > 0),
        unit=work.bill.currency,
        rule=rule,
    )


def _limit_words(limits: Limits, *, over: bool) -> str:
    price = limits.policy.price
    percent, absolute = (
        (price.upper_percent, price.upper_absolute) if over else (price.lower_percent, price.lower_absolute)
    )
    words = [f"{percent} %" if percent[0].isdigit() else f"percent {percent}", f"absolute {absolute}"]
    if over and price.line_upper_absolute != "ignore":
        words.append(f"line {price.line_upper_absolute}")
    return f"{limits.policy.combination}: " + ", ".join(words)


def _check_contract(work: Work, piece: Piece, quantity: Fraction, book: Book) -> None:
    """Above the contract's price beyond the unit bounds, although the order may agree. Rule: S32."""
    contract = book.contracts.get(piece.ordered.order.doc.contract)
    if contract is None or quantity == 0:
        return
    price = next((contract.prices[name] for name in sorted(piece.ordered.ids) if name in contract.prices), None)
    if price is None:
        return
    due = exact(price) / exact(piece.ordered.doc.price_per) * quantity
    if piece.negative:
        due = -due
    if piece.ordered.catch_weight:
        due *= piece.numbers.nominal
    variance = piece.open_value - due
    limits = work.limits
    if variance <= 0 or _unit_allows(variance, abs(due), quantity, limits.upper_percent, limits.upper_absolute, limits):
        return
    line = piece.billed.line
    work.say(
        "match.price_over_contract",
        line,
        variance,
        f"Line {line} bills {amount(piece.open_value)}; contract {contract.number} makes it {amount(due)}.",
        breach=amount(variance),
        limit=_limit_words(limits, over=True),
        unit=work.bill.currency,
        rule="S32",
    )


def check_cumulative(work: Work, piece: Piece, state: LineState) -> None:
    """The summed variance of all bills of the order line so far, said on a bill that itself asks for more. Rule: S4.

    `state` already holds this piece.
    """
    if piece.expected is None or piece.open_value - piece.expected <= 0:
        return
    limits = work.limits
    total = state.value - state.expected
    if within(
        total, abs(state.expected), limits.cumulative_percent, limits.cumulative_absolute, lenient=limits.lenient
    ):
        return
    line = piece.billed.line
    price = limits.policy.price
    work.say(
        "match.price_cumulative_over_limit",
        line,
        total,
        f"All bills of order {piece.ordered.order.number} line {piece.ordered.line} together are {amount(total)} over "
        f"the {amount(state.expected)} due.",
        breach=amount(total),
        limit=f"percent {price.cumulative_upper_percent}, absolute {price.cumulative_upper_absolute}",
        unit=work.bill.currency,
        rule="S4",
    )


def check_subsequent_debit(work: Work, piece: Piece, state: LineState) -> None:
    """A value-only debit: all value billed so far with it, against what the quantity should cost. Rule: S20.

    `state` does not yet hold the debit. The whole difference is the variance.
    """
    line = piece.billed.line
    if state.billed - state.before <= 0:
        work.say(
            "reference.credit_orphan",
            line,
            None,
            f"Line {line} debits an order line of which nothing is billed.",
            rule="S20",
        )
        return
    variance = state.value + piece.value - state.expected
    if variance <= 0:
        return
    limits = work.limits
    if _unit_allows(
        variance, abs(state.expected), state.billed, limits.upper_percent, limits.upper_absolute, limits
    ) and within(variance, ZERO, None, limits.upper_line):
        work.tolerated += min(variance, piece.value)
        return
    work.say(
        "match.price_over_limit",
        line,
        variance,
        f"With the debit of line {line} {amount(state.value + piece.value)} is billed for {amount(state.billed)} "
        f"{piece.ordered.unit}; {amount(state.expected)} is due: {amount(variance)} over.",
        breach=amount(variance),
        limit=_limit_words(limits, over=True),
        unit=work.bill.currency,
        rule="S20",
    )
