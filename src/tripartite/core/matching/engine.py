"""Matching: the invoice meets its order lines and receipts. One engine for the case reader, the runtime and replay.

`evaluate` goes twice over the invoices of a book in order of arrival: gates, pairing and registering first; then, when
it is known what credits took, the checks, verdicts and what may be paid. A plain invoice on a plain order is decided at
once by the fast path (`fast.py`), which gives the same result; when anything less plain touches the same order, its
invoices are taken over into the full evaluation. Nothing here raises for business trouble.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from fractions import Fraction

from tripartite.core.findings import Finding
from tripartite.core.matching import credits, document, payable
from tripartite.core.matching.billed import Bill, BilledLine
from tripartite.core.matching.charges import ChargeLedger
from tripartite.core.matching.credits import Ledger
from tripartite.core.matching.duplicates import Register
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ONE, ZERO, exact, minor_part
from tripartite.core.matching.fast import FastPath
from tripartite.core.matching.ordered import QUANTITY_SCALE, OrderBook, Ordered
from tripartite.core.matching.pairing import candidates
from tripartite.core.matching.policy import BASE_POLICY, Limits, MatchPolicy, limits_of
from tripartite.core.matching.price import (
    check_cumulative,
    check_price,
    check_subsequent_debit,
    unit_reference,
)
from tripartite.core.matching.quantity import check_catch_weight, check_quantity, fill, lost_after_payment
from tripartite.core.matching.result import MatchResult
from tripartite.core.matching.state import LineState, Piece, Work
from tripartite.core.matching.tax import check_codes, check_tax, check_withholding
from tripartite.core.matching.totals import amount, check_arithmetic
from tripartite.core.matching.trace import FullTrace
from tripartite.core.money import Amount, Money

PolicyOf = Callable[[Bill], MatchPolicy]


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
) -> list[MatchResult]:
    """The results of the invoices asked for (None: all), in order of arrival.

    All invoices of the book count, whether asked for or not. `policy_of` names the policy of each invoice; `as_of` is
    the day the verdict is asked. `fast` False takes every invoice through the full evaluation: for comparing.
    """
    return Evaluation(book, policy_of, as_of, fast=fast).run(set(invoice_ids) if invoice_ids is not None else None)


class Evaluation:
    """One call of `evaluate`."""

    def __init__(self, book: Book, policy_of: PolicyOf, as_of: date, *, fast: bool) -> None:
        self.book = book
        self.policy_of = policy_of
        self.as_of = as_of
        self.register = Register(book)
        self.ledger = Ledger(book)
        self.fast = FastPath(book, as_of, self.register) if fast else None
        self.full: dict[str, Work] = {}
        self.results: dict[str, MatchResult] = {}
        self.charges = ChargeLedger(book, self.ledger.states)
        self.advances = payable.Advances(book)
        self.advanced: dict[str, Fraction] = {}
        self.spent: dict[str, Fraction] = {}
        self.debits: dict[int, Fraction] = {}
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
            if fast is not None and bill.fast is not None and bill.id not in out and bill.id not in self._referenced:
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
                before = evaluate(self.book.until(bill.sequence), fresh, policy_of=self.policy_of, as_of=self.as_of)
                posted = {result.invoice_id for result in before if result.verdict == "post"}
            out.update(other.id for other in named if other.id not in posted)
        return out

    # First pass

    def _first_pass(self, bill: Bill, limits: Limits, *, replaced: bool) -> None:
        work = Work(bill, limits)
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
            work.say(
                code,
                0,
                None,
                f"{bill.doc.number} repeats invoice {other.doc.number} of {other.day.isoformat()}.",
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

    # Second pass

    def _second_pass(self) -> None:
        for bill_id, lines in self.ledger.value_lines.items():
            if self.full[bill_id].bill.kind == "subsequent_debit":
                for line in lines:
                    index = line.ordered.index
                    self.debits[index] = self.debits.get(index, ZERO) + line.value
        for work in sorted(self.full.values(), key=lambda work: (work.bill.sequence, work.bill.id)):
            if not work.stopped:
                self._check(work)
            self.results[work.bill.id] = self._result(work)

    def _check(self, work: Work) -> None:
        bill, book = work.bill, self.book
        numbers = bill.numbers(book)
        orders = self._orders(bill)
        carrier = (
            not numbers.lines and bool(numbers.charges) and all(order.supplier != bill.supplier for order in orders)
        )
        document.check_supplier(work, book, orders, carrier=carrier)
        document.check_currency(work, book, orders)
        if bill.credit or bill.kind == "subsequent_debit":
            self._check_credit_lines(work)
        elif bill.kind == "prepayment":
            self._check_advance(work)
        for piece in work.pieces:
            self._check_piece(work, piece)
        if carrier:
            self.charges.check_carrier(work, orders)
        elif not bill.credit:
            self.charges.check(work, [order for order in orders if order.doc.currency == bill.currency])
        check_tax(work, book)
        check_withholding(work, book)
        if not bill.credit:
            for line in numbers.lines:
                document.check_review(work, line)
            if bill.kind != "prepayment":
                document.check_contracts(work, book, orders, self.spent)
        document.check_tolerated(work)
        if document.sampled(bill, work.limits):
            work.say("control.sample", 0, None, "Picked at random for a check.", rule="S43")

    def _orders(self, bill: Bill) -> list[OrderBook]:
        names = [
            *bill.orders,
            *(line.order_number for line in bill.doc.lines),
            *(one.order_number for one in bill.doc.charges),
        ]
        found = {name: self.book.orders[name] for name in names if name in self.book.orders}
        work = self.full[bill.id]
        for ordered in [piece.ordered for piece in work.pieces] + [taking.ordered for taking in work.takings]:
            found.setdefault(ordered.order.number, ordered.order)
        return list(found.values())

    def _compared(self, bill: Bill, ordered: Ordered) -> bool:
        return ordered.order.doc.currency == bill.currency

    def _check_piece(self, work: Work, piece: Piece) -> None:
        """All checks of one invoice line on one order line; then the line's state moves past it."""
        bill, book, ordered = work.bill, self.book, piece.ordered
        state = piece.state
        billed = piece.billed
        piece.line_before = state.billed
        if self.fast is not None and self._plainly_right(work, piece):
            return
        if piece.numbers.unit_unknown:
            work.say(
                "match.unit_unknown",
                billed.line,
                None,
                f"A receipt of order {ordered.order.number} line {ordered.line} is in a unit without a conversion.",
                rule="S13",
            )
        if not piece.negative:
            document.check_status(work, billed, ordered, final=state.final)
            document.check_early(work, billed, ordered, piece.share, self.as_of)
        check_codes(work, billed, ordered.codes, piece.share, book)
        compared = self._compared(bill, ordered)
        if piece.negative:
            credits.say_negative_surplus(work, piece)
            if compared and ordered.mode != "limit":
                check_price(work, piece, state, book)
        elif ordered.mode == "limit":
            if compared and piece.open > 0:
                self._check_limit(work, piece, state)
        elif piece.open > 0 or piece.amount_only:
            price = unit_reference(piece, state.billed)
            over = False
            if piece.open > 0 and not piece.numbers.unit_unknown:
                if bill.kept is not None:
                    lost = lost_after_payment(piece, price, work.limits)
                    if lost > 0:
                        work.claims.append((billed.line, lost * price))
                over = check_quantity(work, piece, price)
            if piece.amount_only:
                self._say_amount_only(work, piece)
            elif compared:
                check_price(work, piece, state, book)
            if compared and ordered.catch_weight and not over and piece.open > 0:
                check_catch_weight(work, piece, state)
        self._advance(work, piece, state, compared=compared)

    def _say_amount_only(self, work: Work, piece: Piece) -> None:
        """An amount without a quantity on a line that is ordered by quantity: no receipt can prove any of it."""
        if piece.value <= 0:
            return
        line = piece.billed.line
        work.say(
            "match.amount_over_line",
            line,
            piece.value,
            f"Line {line} bills {amount(piece.value)} without a quantity; its order line is ordered by quantity.",
            breach=amount(piece.value),
            limit="0",
            unit=work.bill.currency,
            rule="S2",
        )

    def _plainly_right(self, work: Work, piece: Piece) -> bool:
        """Whether nothing can be said of a piece: a plain line at the order's price, within what came and was ordered.

        The same answer as the checks below, for a tenth of their time; most lines of a troubled invoice are such.
        """
        ordered, billed, state = piece.ordered, piece.billed, piece.state
        fast = ordered.fast
        if (
            fast is None
            or not billed.plain
            or piece.share is not ONE
            or piece.negative
            or not piece.quantity
            or piece.taken is not ZERO
            or piece.value_credit is not ZERO
            or state.final
            or work.bill.kept is not None
            or work.limits.early_value_days is not None
            or ordered.doc.basis == "receipt"
            or billed.doc.price != ordered.doc.price
            or billed.codes != ordered.codes
            or (billed.unit and billed.unit != ordered.unit)
            or ordered.order.currency != work.bill.currency
        ):
            return False
        after = state.billed + piece.quantity
        if after * QUANTITY_SCALE > fast[1]:
            return False
        piece.expected = piece.value
        state.billed = after
        state.value += piece.value
        state.expected += piece.value
        state.final = billed.doc.final
        return True

    def _advance(self, work: Work, piece: Piece, state: LineState, *, compared: bool) -> None:
        ordered = piece.ordered
        if ordered.doc.basis == "receipt" and not piece.negative and ordered.mode != "limit":
            piece.filled = fill(piece, state.filled)
        state.billed += piece.open
        if ordered.catch_weight and piece.quantity and not piece.negative:
            state.weight += piece.weight * piece.open / piece.quantity
        if compared:
            state.value += piece.open_value
            if piece.expected is not None:
                state.expected += piece.expected
                check_cumulative(work, piece, state)
            if piece.negative:
                state.credited_value += abs(piece.value)
            contract = ordered.order.doc.contract
            if contract:
                self.spent[contract] = self.spent.get(contract, ZERO) + (ZERO if piece.negative else piece.open_value)
        state.final = state.final or piece.billed.doc.final

    def _check_limit(self, work: Work, piece: Piece, state: LineState) -> None:
        """A line ordered by value: limit less billed so far, the limit of one release, the period. Rule: S31."""
        doc, line, asked = piece.ordered.doc, piece.billed.line, piece.open
        excess = ZERO
        why = ""
        if doc.limit is not None:
            left = max(ZERO, exact(doc.limit) - state.billed)
            if asked - left > excess:
                excess, why = asked - left, f"{amount(left)} is left of the limit of {doc.limit}"
        if doc.release_limit is not None and asked - exact(doc.release_limit) > excess:
            excess, why = asked - exact(doc.release_limit), f"one release may take {doc.release_limit}"
        day = piece.billed.doc.service_on or work.bill.day
        if (doc.valid_from is not None and day < doc.valid_from) or (doc.valid_to is not None and day > doc.valid_to):
            excess, why = asked, f"{day.isoformat()} is outside the period of the order"
        if excess > 0:
            piece.excess = excess
            work.say(
                "match.amount_over_order_limit",
                line,
                excess,
                f"Line {line} bills {amount(asked)}; {why}: {amount(excess)} over.",
                breach=amount(excess),
                limit=why,
                unit=work.bill.currency,
                rule="S31",
            )

    def _check_credit_lines(self, work: Work) -> None:
        bill, book = work.bill, self.book
        if (
            bill.doc.original
            and bill.credit
            and not any(
                other in self.ledger.works and not self.ledger.works[other].stopped
                for other in self.ledger.originals(bill)
            )
        ):
            work.reasons.clear()
            work.say(
                "reference.credit_orphan",
                0,
                None,
                f"The original invoice {bill.doc.original} is not known.",
                rule="S19",
            )
            return
        for taking in work.takings:
            state = self.ledger.states[taking.ordered.index]
            check_codes(work, taking.billed, taking.ordered.codes, ONE, book)
            debits = self.debits.get(taking.ordered.index, ZERO)
            compared = self._compared(bill, taking.ordered)
            credits.check_credit(taking, state, debits, compared=compared)
        for line in self.ledger.value_lines.get(bill.id, ()):
            state = line.state
            check_codes(work, line.billed, line.ordered.codes, ONE, book)
            compared = self._compared(bill, line.ordered)
            if bill.kind == "subsequent_debit":
                document.check_status(work, line.billed, line.ordered, final=state.final)
                piece = Piece(work, line.billed, state, ZERO, ONE)
                if compared:
                    check_subsequent_debit(work, piece, state)
                    state.value += line.value
                    self._spend(line.ordered, line.value)
            else:
                credits.check_value_credit(work, line, self.debits.get(line.ordered.index, ZERO), compared=compared)
                if compared and not bill.doc.original:
                    state.value -= line.value

    def _spend(self, ordered: Ordered, value: Fraction) -> None:
        contract = ordered.order.doc.contract
        if contract:
            self.spent[contract] = self.spent.get(contract, ZERO) + value

    def _check_advance(self, work: Work) -> None:
        """All advances of an order at most the agreed share of its value. Rule: S35."""
        for line, name in self.ledger.prepaid.get(work.bill.id, ()):
            order = self.book.orders[name]
            self._check_order_status(work, line, order)
            if order.doc.currency != work.bill.currency:
                continue
            value = sum((ordered.numbers(self.book).value for ordered in order.lines), ZERO)
            percent = order.doc.prepayment_percent
            allowed = value * exact(percent) / 100 if percent is not None else ZERO
            before = self.advanced.get(name, ZERO)
            asked = line.net_amount
            self.advanced[name] = before + asked
            excess = asked - max(ZERO, allowed - before)
            if excess > 0:
                work.say(
                    "match.amount_over_line",
                    line.line,
                    excess,
                    f"Line {line.line} asks an advance of {amount(asked)} on order {name}; {amount(allowed)} is "
                    f"agreed, {amount(before)} was asked before.",
                    breach=amount(excess),
                    limit=amount(max(ZERO, allowed - before)),
                    unit=work.bill.currency,
                    rule="S35",
                )

    def _check_order_status(self, work: Work, line: BilledLine, order: OrderBook) -> None:
        if order.closed:
            work.say("reference.order_closed", line.line, None, f"Order {order.number} is closed.", rule="S39")
        if order.draft:
            work.say(
                "reference.order_not_approved", line.line, None, f"Order {order.number} is not approved.", rule="S39"
            )

    # Results

    def _result(self, work: Work) -> MatchResult:
        bill, book = work.bill, self.book
        if work.replaced:
            return MatchResult(bill.id, "reject", bill.currency, 0, 0, (), FullTrace(self, work), True)
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
            FullTrace(self, work),
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
            FullTrace(self, work),
        )


def _pairs_without_reasons(work: Work, book: Book) -> list[tuple[BilledLine, list[Ordered]]]:
    """Pair an invoice for the self-billed gate without leaving reasons behind: only what is certain."""
    result = []
    for line in work.bill.numbers(book).lines:
        found = candidates(book, work.bill, line, work.limits)
        if isinstance(found, list) and found:
            result.append((line, found))
    return result


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
