"""What may be paid now, and what would be paid wrongly otherwise. Rules: S28, S29, S35.

Amounts in document currency, exact until stated; credits pay negative. Early-payment discount belongs to the payment
and plays no part here.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ZERO, exact, minor_part
from tripartite.core.matching.result import INFORMATIONAL, Verdict
from tripartite.core.matching.state import Work

GATES = frozenset(
    ["duplicate.exact", "duplicate.probable", "duplicate.cross_entity", "duplicate.self_billed", "match.arithmetic"]
)
_REJECTING = frozenset(["duplicate.exact", "match.arithmetic", "duplicate.self_billed"])
_WAITING = frozenset(["match.not_received", "service.no_entry"])
_RISK_FREE = frozenset(["control.sample", "approval.changed_after", "match.price_under_limit"])


def verdict_of(work: Work, as_of: date) -> Verdict:
    """post, park, hold or reject, from the reasons."""
    codes = {code for _, code in work.reasons} - INFORMATIONAL
    if not codes:
        return "post"
    if codes & _REJECTING:
        return "reject"
    limits = work.limits
    if codes <= _WAITING and (limits.grace_unlimited or (as_of - work.bill.arrived_on).days <= limits.grace_days):
        return "park"
    return "hold"


class Advances:
    """Open advances per order: prepayments that are post, used up by bills that are post, in order of arrival."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._open: dict[str, Fraction] = {}

    def paid(self, orders: list[str], gross: Fraction) -> None:
        """A prepayment was posted; over several orders its gross is shared equally by the caller's list."""
        for order in dict.fromkeys(orders):
            part = gross * orders.count(order) / len(orders)
            self._open[order] = self._open.get(order, ZERO) + part

    def use(self, shares: dict[str, Fraction], payable: Fraction) -> Fraction:
        """How much of the open advances a bill uses up; at most what it would pay on each order."""
        used = ZERO
        whole = sum(shares.values(), ZERO)
        for order, share in shares.items():
            there = self._open.get(order, ZERO)
            if there > 0:
                part = min(there, max(ZERO, payable * share / whole if whole else payable))
                self._open[order] = there - part
                used += part
        return used


def net_by_order(work: Work) -> dict[str, Fraction]:
    """The net line amounts of an invoice per order."""
    shares: dict[str, Fraction] = {}
    for piece in work.pieces:
        name = piece.ordered.order.number
        shares[name] = shares.get(name, ZERO) + piece.billed.net_amount * piece.share
    for taking in work.takings:
        name = taking.ordered.order.number
        shares[name] = shares.get(name, ZERO) + taking.billed.net_amount
    return shares


def payable_of_post(work: Work, book: Book, advances: Advances, value_orders: list[tuple[str, Fraction]]) -> Fraction:
    """gross - withholding - open advance - retention; negative for credits. Retention is rounded once per order."""
    bill = work.bill
    numbers = bill.numbers(book)
    payable = numbers.gross - sum(numbers.withheld.values(), ZERO)
    if bill.kind == "prepayment":
        return payable
    shares = net_by_order(work)
    for name, value in value_orders:
        shares[name] = shares.get(name, ZERO) + value
    for name, net in shares.items():
        percent = book.orders[name].doc.retention_percent
        if percent is not None:
            payable -= minor_part(bill.minor(net * exact(percent) / 100), bill.minor_scale)
    if bill.credit:
        return -payable
    return payable - advances.use(shares, payable)


def released(work: Work, book: Book) -> Fraction:
    """What a held invoice may pay in part: nothing unless policy says so and only lines are at fault.

    `lines`: the lines without reason. `proven`: of lines with only quantity, service-entry and price_over_limit
    reasons also the part without excess, at the billed price, or at the reference price where that is the fault.
    Plus charges without reason, less allowances, plus tax per code on what is released.
    """
    limits = work.limits
    if limits.release == "no":
        return ZERO
    at_fault: dict[int, set[str]] = {}
    for line, code in work.reasons:
        if code not in INFORMATIONAL:
            at_fault.setdefault(line, set()).add(code)
    if 0 in at_fault:
        return ZERO
    numbers = work.bill.numbers(book)
    total = ZERO
    bases: dict[str, Fraction] = {}

    def release(net: Fraction, codes: tuple[str, ...]) -> None:
        nonlocal total
        total += net
        for code in dict.fromkeys(codes):
            bases[code] = bases.get(code, ZERO) + net

    for billed in numbers.lines:
        codes = at_fault.get(billed.line)
        if codes is None:
            release(billed.net_amount, billed.codes)
        elif limits.release == "proven" and all(
            is_provable(code) or code == "match.price_over_limit" for code in codes
        ):
            pieces = [piece for piece in work.pieces if piece.billed is billed]
            for piece in pieces:
                part = piece.quantity - piece.excess
                if piece.negative or piece.quantity <= 0:
                    continue
                if "match.price_over_limit" in codes and piece.expected is not None and piece.open > 0:
                    release(piece.expected / piece.open * part, billed.codes)
                else:
                    release(piece.value / piece.quantity * part, billed.codes)
    if total <= 0:
        return ZERO
    for charge in numbers.charges:
        if charge.line not in at_fault:
            release(charge.net_amount, charge.codes)
    bill = work.bill
    taxes = (
        minor_part(bill.minor(base * book.rate(code, bill.tax_day)), bill.minor_scale) for code, base in bases.items()
    )
    payable = max(ZERO, sum(taxes, total))
    return -payable if work.bill.credit else payable


def is_provable(code: str) -> bool:
    """Whether a reason is about how much came: what did come of such a line is proven."""
    return code.startswith(("match.quantity_", "service.")) or code == "match.not_received"


def at_risk(work: Work, book: Book, stated: dict[tuple[int, str], Fraction | None]) -> Fraction:
    """What posting as it stands would pay wrongly: gross for duplicates and arithmetic; else the positive variances,
    for unmeasured reasons the line amount once a line, or gross at line 0; at most gross."""
    numbers = work.bill.numbers(book)
    if any(code in GATES for _, code in stated):
        return max(ZERO, numbers.gross)
    amounts = {line.line: line.amount for line in numbers.lines}
    amounts.update({charge.line: charge.amount for charge in numbers.charges})
    total = ZERO
    counted: set[int] = set()
    for (line, code), variance in stated.items():
        if code in _RISK_FREE:
            continue
        if variance is not None:
            total += max(ZERO, variance)
        elif line not in counted:
            counted.add(line)
            total += numbers.gross if line == 0 else max(ZERO, amounts.get(line, ZERO))
    return max(ZERO, min(total, numbers.gross))
