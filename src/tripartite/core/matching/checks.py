"""The checks of one invoice, in order of arrival, once it is known who bills what and what credits took.

Each check is a small function elsewhere (`quantity`, `price`, `tax`, `charges`, `document`, `credits`); this file says
which are asked of which kind of document, in which order, and moves the state of the order lines past each one.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from tripartite.core.matching import credits, document
from tripartite.core.matching.billed import Bill, BilledLine
from tripartite.core.matching.charges import ChargeLedger
from tripartite.core.matching.credits import Ledger
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ONE, ZERO, exact
from tripartite.core.matching.opening import BEFORE
from tripartite.core.matching.ordered import QUANTITY_SCALE, OrderBook, Ordered
from tripartite.core.matching.price import (
    check_cumulative,
    check_price,
    check_subsequent_debit,
    unit_reference,
)
from tripartite.core.matching.quantity import check_catch_weight, check_quantity, fill, lost_after_payment
from tripartite.core.matching.state import LineState, Piece, Work
from tripartite.core.matching.tax import check_codes, check_tax, check_withholding
from tripartite.core.matching.totals import amount


class Checks:
    """The second pass over one book. `quick` lets plain lines that are right pass without a closer look."""

    def __init__(self, book: Book, ledger: Ledger, as_of: date, *, quick: bool) -> None:
        self.book = book
        self.ledger = ledger
        self.as_of = as_of
        self.quick = quick
        self.charges = ChargeLedger(book, ledger.states)
        self.advanced: dict[str, Fraction] = {}
        self.spent: dict[str, Fraction] = {}
        self.debits: dict[int, Fraction] = {}
        for bill_id, lines in ledger.value_lines.items():
            if ledger.works[bill_id].bill.kind == "subsequent_debit":
                for line in lines:
                    index = line.ordered.index
                    self.debits[index] = self.debits.get(index, ZERO) + line.value

    def check(self, work: Work) -> None:
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
            self.charges.check(work, orders)
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
        work = self.ledger.works[bill.id]
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
        if self.quick and self._plainly_right(work, piece):
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
                other == BEFORE or (other in self.ledger.works and not self.ledger.works[other].stopped)
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
