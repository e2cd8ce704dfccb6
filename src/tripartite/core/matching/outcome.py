"""From the reasons noted to the result: verdict, what is paid now, what is at risk, findings as stated.

Called in order of arrival, since open advances are used up in that order.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from tripartite.core.findings import Finding
from tripartite.core.matching import payable
from tripartite.core.matching.billed import Bill
from tripartite.core.matching.credits import Ledger
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ZERO, minor_part
from tripartite.core.matching.result import MatchResult
from tripartite.core.matching.state import Work
from tripartite.core.matching.trace import FullTrace
from tripartite.core.money import Amount, Money


class Outcomes:
    """The results of one evaluation."""

    def __init__(self, book: Book, ledger: Ledger, as_of: date) -> None:
        self.book = book
        self.ledger = ledger
        self.as_of = as_of
        self.advances = payable.Advances(book)

    def result(self, work: Work) -> MatchResult:
        bill, book = work.bill, self.book
        if work.replaced:
            return MatchResult(bill.id, "reject", bill.currency, 0, 0, (), FullTrace(self.book, self.as_of, work), True)
        if bill.kept is not None:
            return self._kept(work)
        verdict = payable.verdict_of(work, self.as_of)
        if bill.was_post and verdict != "post":
            verdict = "hold"
            work.say(
                "approval.changed_after",
                0,
                None,
                "It was decided post, and rests on facts that changed since.",
                rule="S38",
            )
        if verdict == "post":
            orders = [
                (line.ordered.order.number, line.billed.net_amount) for line in self.ledger.value_lines.get(bill.id, ())
            ]
            pays = payable.payable_of_post(work, book, self.advances, orders)
        elif verdict == "reject" or work.stopped:
            pays = ZERO
        else:
            pays = payable.released(work, book)
        if verdict == "post" and bill.kind == "prepayment":
            self._advance_paid(work)
        stated = {
            key: None if variance is None else minor_part(bill.minor(variance), bill.minor_scale)
            for key, variance in work.reasons.items()
        }
        risk = ZERO if verdict == "post" else payable.at_risk(work, book, stated)
        return MatchResult(
            bill.id,
            verdict,
            bill.currency,
            bill.minor(pays),
            bill.minor(risk),
            tuple(_finding(work, key, stated[key]) for key in sorted(stated)),
            FullTrace(self.book, self.as_of, work),
        )

    def _advance_paid(self, work: Work) -> None:
        orders = [name for _, name in self.ledger.prepaid.get(work.bill.id, ())]
        if orders:
            self.advances.paid(orders, work.bill.numbers(self.book).gross)

    def _kept(self, work: Work) -> MatchResult:
        """A paid invoice keeps its result; lost quantity is a claim beside it. Rule: S38."""
        bill = work.bill
        kept = bill.kept
        assert kept is not None
        if kept.verdict == "post" and not work.stopped:
            if bill.kind == "prepayment":
                self._advance_paid(work)
            else:
                payable.payable_of_post(work, self.book, self.advances, [])
        findings = [one for one in kept.findings if one.code != "match.quantity_returned" or kept.verdict != "post"]
        sums: dict[int, Fraction] = {}
        for line, claim in work.claims:
            sums[line] = sums.get(line, ZERO) + claim
        had = {
            one.line for one in findings if one.code.startswith(("match.quantity_", "match.not_received", "service."))
        }
        for line, claim in sums.items():
            if line in had:
                continue
            variance = _stated(bill, claim)
            findings.append(
                Finding(
                    "match.quantity_returned",
                    line,
                    variance,
                    unit=bill.currency,
                    words=f"Line {line} is paid, and {variance} of it is no longer covered by what came: a claim.",
                    rule="S38",
                )
            )
        return MatchResult(
            bill.id,
            kept.verdict,
            kept.currency,
            kept.payable_minor,
            kept.at_risk_minor,
            tuple(sorted(findings, key=lambda one: (one.line, one.code))),
            FullTrace(self.book, self.as_of, work),
        )


def _finding(work: Work, key: tuple[int, str], variance: Fraction | None) -> Finding:
    known = work.details[key]
    return Finding(
        known.code,
        known.line,
        None if variance is None else _stated(work.bill, variance),
        known.breach,
        known.limit,
        known.unit,
        known.words,
        known.rule,
        known.row,
    )


def _stated(bill: Bill, exact: Fraction) -> Amount:
    """A variance as stated: rounded once, half-even, with the decimals of the document's currency."""
    return Amount(Money(bill.minor(exact), bill.currency).decimal())
