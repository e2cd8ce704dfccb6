"""The fast path: a plain invoice on a plain order, decided with a few integer comparisons a line.

It answers only where the answer is a `post` without findings, and gives up on everything else; the full evaluation
then says what it says. That both agree is tested, not assumed. Plain means: explicit order lines of one open order
without charges, contract or retention; one tax code or none; unit, price basis and tax codes as ordered; every line
within what came and was ordered; prices equal or within bounds; sums exact.

Scales: quantities x 10^4, prices x 10^6, amounts x 10^4, so a line value has scale 10^10.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from fractions import Fraction

import msgspec

from tripartite.core.matching.billed import Bill
from tripartite.core.matching.document import sampled
from tripartite.core.matching.duplicates import Register
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ZERO, minor_part
from tripartite.core.matching.giving import Giving, HeldBack
from tripartite.core.matching.ordered import (
    AMOUNT_SCALE,
    PRICE_SCALE,
    QUANTITY_SCALE,
    VALUE_PER_AMOUNT,
    OrderBook,
    scaled,
)
from tripartite.core.matching.policy import Limits
from tripartite.core.matching.result import Allocation, MatchResult, Pair
from tripartite.core.matching.trace import inputs_digest
from tripartite.core.money import Amount
from tripartite.core.objects.billed import Billed

_NOTHING = Amount(0)
_IntRatio = tuple[int, int]


def _ints(limit: Fraction | None) -> _IntRatio | None:
    return None if limit is None else (limit.numerator, limit.denominator)


class FastTrace(msgspec.Struct, frozen=True, eq=False):
    """What the fast path keeps of a decision: the lines and what was billed before each."""

    path: FastPath
    bill: Bill
    limits: Limits
    order: OrderBook
    befores: list[int]

    def pairs(self) -> tuple[Pair, ...]:
        """Order, receipt, invoice and variance per line."""
        return tuple(self._pair(place) for place in range(len(self.befores)))

    def _pair(self, place: int) -> Pair:
        book = self.path.book
        line = self.bill.numbers(book).lines[place]
        assert line.order_line is not None
        ordered = self.order.by_line[line.order_line]
        numbers = ordered.numbers(book)
        quantity = line.quantity or ZERO
        bound = numbers.ceiling
        if ordered.mode == "three_way" and (bound is None or numbers.received < bound):
            bound = numbers.received
        expected = numbers.unit_price * quantity
        return Pair(
            line.line,
            self.order.number,
            ordered.line,
            ordered.unit,
            numbers.ordered,
            numbers.received,
            minor_part(self.befores[place], QUANTITY_SCALE),
            quantity,
            quantity,
            ZERO,
            bound,
            numbers.unit_price,
            line.value / quantity,
            line.value,
            expected,
            line.value - expected,
        )

    def orders(self) -> frozenset[str]:
        """The orders that its lines stand on."""
        return frozenset((self.order.number,))

    def billed(self) -> tuple[Billed, ...]:
        """What is billed of each order line: as the document states it, in the order's unit."""
        number, lines = self.order.number, self.bill.doc.lines
        return tuple(
            Billed(number, line.order_line or 0, line.amount or _NOTHING, line.quantity)
            for line in lines[: len(self.befores)]
        )

    def allocations(self) -> tuple[Allocation, ...]:
        """First in, first out over the receipts of each order line, from what was billed before on. Rule: S3."""
        result = []
        for place, before in enumerate(self.befores):
            simple = self._from_one_receipt(place) if before == 0 else None
            if simple is not None:
                result.append(simple)
                continue
            line = self.bill.numbers(self.path.book).lines[place]
            assert line.order_line is not None
            ordered = self.order.by_line[line.order_line]
            start = minor_part(before, QUANTITY_SCALE)
            end = start + (line.quantity or ZERO)
            passed = ZERO
            for entry in ordered.numbers(self.path.book).entries:
                part = min(end, passed + entry.net) - max(start, passed)
                passed += entry.net
                if part > 0:
                    result.append(
                        Allocation(line.line, self.order.number, ordered.line, entry.number, entry.line, part)
                    )
        return tuple(result)

    def _from_one_receipt(self, place: int) -> Allocation | None:
        """The most frequent case without exact numbers: nothing billed before, one receipt in the order's unit."""
        doc = self.bill.doc.lines[place]
        if doc.order_line is None or doc.quantity is None:
            return None
        ordered = self.order.by_line[doc.order_line]
        receipts = ordered.raw_receipts
        if ordered.opening is not None or len(receipts) != 1 or doc.unit not in ("", ordered.unit) or doc.quantity <= 0:
            return None
        receipt, only = receipts[0]
        if receipt.kind != "receipt" or only.unit not in ("", ordered.unit) or only.quantity < doc.quantity:
            return None
        return Allocation(doc.line, self.order.number, ordered.line, receipt.number, only.line, Fraction(doc.quantity))

    @property
    def beside_credits(self) -> bool:
        """Beside a credit nothing is decided on the fast path."""
        return False

    def givings(self, _live: Collection[str]) -> tuple[Giving, ...]:
        """A plain invoice takes nothing back."""
        return ()

    def held_back(self, _live: Collection[str]) -> tuple[HeldBack, ...]:
        """Nor does anything take of it."""
        return ()

    def inputs_digest(self) -> str:
        """SHA-256 over all that was looked at."""
        return inputs_digest(self.path.book, self.bill, self.limits, self.path.as_of)


class FastPath:
    """The fast path over one book. It owns what it billed until `give_up` hands an order over."""

    __slots__ = (
        "_done",
        "_exact_only",
        "_limits",
        "_line",
        "_lower",
        "_ratio",
        "_review",
        "_taken",
        "_tax_rates",
        "_upper",
        "_usable",
        "as_of",
        "billed",
        "book",
        "register",
    )

    def __init__(self, book: Book, as_of: date, register: Register) -> None:
        self.book = book
        self.as_of = as_of
        self.register = register
        self.billed = [0] * book.line_count
        for order in book.orders.values() if book.opened else ():
            self._begin(order)
        self._done: dict[str, list[Bill]] = {}
        self._taken: set[str] = set()
        self._tax_rates: dict[tuple[str, date | None], _IntRatio] = {}
        self._limits: Limits | None = None
        self._usable = False
        self._exact_only = True
        self._upper: tuple[_IntRatio | None, _IntRatio | None] = (None, None)
        self._lower: tuple[_IntRatio | None, _IntRatio | None] = (None, None)
        self._line: _IntRatio | None = None
        self._ratio: _IntRatio | None = None
        self._review: int | None = None

    def _begin(self, order: OrderBook) -> None:
        """Set the lines of an order to what was billed of them before day zero."""
        for ordered in order.lines:
            before = scaled(ordered.opening.billed, QUANTITY_SCALE) if ordered.opening is not None else 0
            self.billed[ordered.index] = before or 0  # finer than the scale: not a line of the fast path

    def give_up(self, order: str) -> list[Bill]:
        """Hand an order over to the full evaluation: the invoices decided here so far, in order of arrival."""
        self._taken.add(order)
        bills = self._done.pop(order, [])
        known = self.book.orders.get(order)
        if known is not None and bills:
            self._begin(known)
        return bills

    def _prepare(self, limits: Limits) -> None:
        self._limits = limits
        self._usable = limits.early_value_days is None
        # What is tolerated piece by piece must be summed where a sum is bounded: that is for the full evaluation.
        self._exact_only = (
            limits.cumulative_percent is not None
            or limits.cumulative_absolute is not None
            or limits.document_absolute is not None
        )
        self._upper = (_ints(limits.upper_percent), _ints(limits.upper_absolute))
        self._lower = (_ints(limits.lower_percent), _ints(limits.lower_absolute))
        self._line = _ints(limits.upper_line)
        self._ratio = _ints(limits.tax_ratio)
        review = limits.review_amount
        self._review = None if review is None else int(review * AMOUNT_SCALE)

    def _price_holds(self, billed: int, ordered: int, quantity: int) -> bool:
        """Whether an unequal unit price is within unit and line bounds. Reference 0 is for the full evaluation."""
        if self._exact_only or ordered == 0:
            return False
        limits = self._limits
        assert limits is not None
        difference = billed - ordered
        percent, absolute = self._upper if difference > 0 else self._lower
        if difference > 0 and self._line is not None:
            numerator, denominator = self._line
            if difference * quantity * denominator > numerator * QUANTITY_SCALE * PRICE_SCALE:
                return False
        difference = abs(difference)
        answers = []
        if percent is not None:
            answers.append(difference * 100 * percent[1] <= ordered * percent[0])
        if absolute is not None:
            answers.append(difference * absolute[1] <= absolute[0] * PRICE_SCALE)
        if not answers:
            return True
        return any(answers) if limits.lenient else all(answers)

    def _document_holds(self, bill: Bill, order: OrderBook) -> bool:
        """Supplier, currency and master data, where nothing has to be said."""
        if order.supplier != bill.supplier or order.currency != bill.currency:
            return False
        book = self.book
        company = book.companies.get(bill.company)
        if company is not None and company.currency != bill.currency:
            return False
        if book.suppliers is not None:
            facts = book.suppliers.get(bill.supplier)
            if facts is None or facts.status != "active" or facts.withholding or facts.invoice_limit is not None:
                return False
            remit_to = bill.doc.remit_to
            if remit_to is not None and remit_to.account not in facts.accounts:
                return False
        return True

    def decide(self, bill: Bill, limits: Limits) -> MatchResult | None:
        """The result of a plain invoice that is right, or None: then the full evaluation decides."""
        lines = bill.fast
        if limits is not self._limits:
            self._prepare(limits)
        name = bill.orders[0]
        order = self.book.orders.get(name)
        if (
            lines is None
            or not self._usable
            or order is None
            or not order.plain
            or name in self._taken
            or not self._document_holds(bill, order)
            or (limits.one_in and sampled(bill, limits))
            or self.register.find(bill, limits) is not None
        ):
            return None
        minor = bill.minor_size
        half = minor * VALUE_PER_AMOUNT // 2
        known = order.fast_lines
        billed = self.billed
        review = self._review
        befores: list[int] = []
        total = 0
        all_codes = lines[0][5]
        for number, quantity, price, amount, unit, codes in lines:
            ordered = known.get(number)
            if ordered is None:
                break
            index, bound, order_price, order_unit, order_codes = ordered
            before = billed[index]
            after = before + quantity
            if after > bound or (price != order_price and not self._price_holds(price, order_price, quantity)):
                break
            if codes != order_codes or codes != all_codes or (unit and unit != order_unit):
                break
            off = quantity * price - amount * VALUE_PER_AMOUNT
            if off and (off > half or -off > half):
                break
            if review is not None and amount > review:
                break
            billed[index] = after
            befores.append(before)
            total += amount
        else:
            net, tax, gross, code = bill.totals
            if (
                total == net
                and gross == net + tax
                and not gross % minor
                and self._tax_holds(all_codes, code, net, tax, len(lines) * minor, bill.tax_day)
            ):
                done = self._done.get(name)
                if done is None:
                    self._done[name] = [bill]
                else:
                    done.append(bill)
                self.register.add(bill)
                return MatchResult(
                    bill.id,
                    "post",
                    bill.currency,
                    gross // minor,
                    0,
                    (),
                    FastTrace(self, bill, limits, order, befores),
                )
        for place in range(len(befores) - 1, -1, -1):
            ordered = known[lines[place][0]]
            billed[ordered[0]] = befores[place]
        return None

    def _tax_holds(self, codes: tuple[str, ...], stated: str, net: int, tax: int, twice_allowed: int, on: date) -> bool:
        """Whether the tax of the one code is right on that day within rounding, and plausible."""
        if not codes:
            return not stated and tax == 0
        if len(codes) > 1 or (stated and stated != codes[0]):
            return False
        code = codes[0]
        key = (code, on if code in self.book.dated else None)
        rate = self._tax_rates.get(key)
        if rate is None:
            exact = self.book.rate(code, on)
            rate = self._tax_rates[key] = (exact.numerator, exact.denominator)
        off = tax * rate[1] - net * rate[0]
        if 2 * abs(off) > twice_allowed * rate[1]:
            return False
        ratio = self._ratio
        return ratio is None or tax * 100 * ratio[1] <= net * ratio[0]
