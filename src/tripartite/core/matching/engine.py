"""Matching: the invoice meets its order lines and receipts. One engine for the case reader, the runtime and replay.

`evaluate` goes twice over the invoices of a book in order of arrival: gates, pairing and registering first; then, when
it is known what credits took, the checks, verdicts and what may be paid. A plain invoice on a plain order is decided at
once by the fast path (`fast.py`), which gives the same result; when anything less plain touches the same order, its
invoices are taken over into the full evaluation. Nothing here raises for business trouble.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date

from tripartite.core.matching.billed import Bill, BilledLine
from tripartite.core.matching.checks import Checks
from tripartite.core.matching.credits import Ledger
from tripartite.core.matching.duplicates import Register, likeness
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.fast import FastPath
from tripartite.core.matching.ordered import Ordered
from tripartite.core.matching.outcome import Outcomes
from tripartite.core.matching.pairing import candidates
from tripartite.core.matching.policy import BASE_POLICY, Limits, MatchPolicy, limits_of
from tripartite.core.matching.result import MatchResult
from tripartite.core.matching.state import Work
from tripartite.core.matching.totals import check_arithmetic
from tripartite.core.objects.tax_quote import TaxQuote

PolicyOf = Callable[[Bill], MatchPolicy]
NO_QUOTES: Mapping[str, TaxQuote] = {}


def base_policy(_bill: Bill) -> MatchPolicy:
    """Every invoice under the base policy."""
    return BASE_POLICY


def evaluate(
    book: Book,
    invoice_ids: Iterable[str] | None = None,
    *,
    policy_of: PolicyOf = base_policy,
    as_of: date,
    fast: bool = True,
    quotes: Mapping[str, TaxQuote] = NO_QUOTES,
) -> list[MatchResult]:
    """The results of the invoices asked for (None: all), in order of arrival.

    All invoices of the book count, whether asked for or not. `policy_of` names the policy of each invoice; `as_of` is
    the day the verdict is asked. `fast` False takes every invoice through the full evaluation: for comparing. `quotes`
    are tax quotes by invoice id: where there is one, it is what the tax is measured against.
    """
    return Evaluation(book, policy_of, as_of, fast=fast, quotes=quotes).run(
        set(invoice_ids) if invoice_ids is not None else None
    )


class Evaluation:
    """One call of `evaluate`."""

    def __init__(
        self, book: Book, policy_of: PolicyOf, as_of: date, *, fast: bool, quotes: Mapping[str, TaxQuote] = NO_QUOTES
    ) -> None:
        self.book = book
        self.quotes = quotes
        self.policy_of = policy_of
        self.as_of = as_of
        self.register = Register(book)
        self.ledger = Ledger(book)
        self.fast = FastPath(book, as_of, self.register) if fast else None
        self.full: dict[str, Work] = {}
        self.results: dict[str, MatchResult] = {}
        self._self_billing = any(line.mode == "ers" for order in book.orders.values() for line in order.lines)
        self._referenced: frozenset[str] = frozenset()
        self._last_policy: MatchPolicy | None = None
        self._last_limits: Limits | None = None

    def run(self, wanted: set[str] | None) -> list[MatchResult]:
        """Both passes over the book."""
        replacers = [bill for bill in self.book.bills if bill.replaces and not bill.dropped]
        out: set[str] = set()
        if replacers:
            out = self._replaced(replacers)
        fast = self.fast
        # What a credit names as its original must be in the full evaluation, wherever the credit says it belongs.
        for bill in self.book.bills:
            if bill.doc.original:
                self._referenced |= self.ledger.originals(bill)
        for bill in self.book.bills:
            if bill.dropped:
                continue
            limits = self._limits(bill)
            if (
                fast is not None
                and bill.fast is not None
                and bill.id not in out
                and bill.id not in self._referenced
                and bill.id
                not in self.quotes  # its tax is measured against the quote, which is for the full evaluation
            ):
                result = fast.decide(bill, limits)
                if result is not None:
                    self.results[bill.id] = result
                    continue
            self._first_pass(bill, limits, replaced=bill.id in out)
        self._second_pass()
        results = self.results
        return [
            results[bill.id] for bill in self.book.bills if bill.id in results and (wanted is None or bill.id in wanted)
        ]

    def _limits(self, bill: Bill) -> Limits:
        policy = self.policy_of(bill)
        if policy is not self._last_policy or self._last_limits is None:
            self._last_policy = policy
            self._last_limits = limits_of(policy)
        return self._last_limits

    def _replaced(self, replacers: list[Bill]) -> set[str]:
        """The invoices that another one replaces: those named by number or id, arrived earlier, never post, not paid.

        One that arrives in the same call is first decided without its replacer: had it been post, the pointer is void.
        """
        out: set[str] = set()
        for bill in replacers:
            named = [
                other
                for other in self.ledger.named_by(bill, bill.replaces)
                if other.sequence < bill.sequence and not other.was_post and other.kept is None and not other.dropped
            ]
            fresh = {other.id for other in named if not other.decided}
            posted: set[str] = set()
            if fresh:
                before = evaluate(
                    self.book.until(bill.sequence),
                    fresh,
                    policy_of=self.policy_of,
                    as_of=self.as_of,
                    quotes=self.quotes,
                )
                posted = {result.invoice_id for result in before if result.verdict == "post"}
            out.update(other.id for other in named if other.id not in posted)
        return out

    # First pass

    def _first_pass(self, bill: Bill, limits: Limits, *, replaced: bool) -> None:
        work = Work(bill, limits, self.quotes.get(bill.id))
        self.full[bill.id] = work
        if replaced:
            work.replaced = work.stopped = True
            return
        if bill.kept is None or bill.kept.verdict != "post":
            self._gates(work)
        if work.stopped:
            return
        self.register.add(bill)
        if bill.id not in self.ledger.works:
            self._take_over_touched(bill)
            self.ledger.register(work)

    def _gates(self, work: Work) -> None:
        """Duplicate, self-billed, arithmetic, in this order; what stops has only that gate's reasons."""
        bill = work.bill
        found = self.register.find(bill, work.limits)
        if found is not None:
            code, other = found
            work.stopped = True
            like = likeness(bill, other, self.book)
            work.say(
                code,
                0,
                None,
                f"{bill.doc.number} repeats invoice {other.doc.number} of {other.day.isoformat()}. "
                f"Likeness {like.score} of 100: {like.words}.",
                breach=str(like.score),
                unit="hundredths of likeness",
                rule="S40",
            )
            return
        if bill.kind == "invoice" and self._self_billing:
            paired = _pairs_without_reasons(work, self.book)
            lines = bill.numbers(self.book).lines
            if (
                lines
                and len(paired) == len(lines)
                and all(ordered.mode == "ers" for _, ordereds in paired for ordered in ordereds)
            ):
                work.stopped = True
                for line, _ in paired:
                    work.say(
                        "duplicate.self_billed",
                        line.line,
                        None,
                        f"Line {line.line} is settled by our own self-bill from receipts.",
                        rule="S33",
                    )
                return
        if not check_arithmetic(work, self.book):
            work.stopped = True
            for key in [key for key in work.reasons if key[1] != "match.arithmetic"]:
                del work.reasons[key]

    def _take_over_touched(self, bill: Bill) -> None:
        """Bring what the fast path decided on the orders of this invoice into the full evaluation."""
        if self.fast is None:
            return
        names = {*bill.orders, *(line.order_number for line in bill.doc.lines if line.order_number)}
        for name in sorted(names):
            for earlier in self.fast.give_up(name):
                del self.results[earlier.id]
                work = Work(earlier, self._limits(earlier))
                check_arithmetic(work, self.book)
                self.full[earlier.id] = work
                self.ledger.register(work)

    def _second_pass(self) -> None:
        checks = Checks(self.book, self.ledger, self.as_of, quick=self.fast is not None)
        outcomes = Outcomes(self.book, self.ledger, self.as_of)
        for work in sorted(self.full.values(), key=lambda work: (work.bill.sequence, work.bill.id)):
            if not work.stopped:
                checks.check(work)
            self.results[work.bill.id] = outcomes.result(work)


def _pairs_without_reasons(work: Work, book: Book) -> list[tuple[BilledLine, list[Ordered]]]:
    """Pair an invoice for the self-billed gate without leaving reasons behind: only what is certain."""
    result = []
    for line in work.bill.numbers(book).lines:
        found = candidates(book, work.bill, line, work.limits)
        if isinstance(found, list) and found:
            result.append((line, found))
    return result
