"""An order line made ready for matching: its prices, its ceiling, and what came for it.

The exact numbers (`LineNumbers`) are worked out when a line is first looked at closely; the few integers of the fast
path (`Ordered.fast`) when the book is built. Nothing here knows an invoice. Quantities are in the order line's unit,
money in the order's currency, prices net of discount and of tax.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from tripartite.core.matching.exact import ONE, ZERO, exact
from tripartite.core.matching.opening import OPENING_RECEIPT, Opening
from tripartite.core.objects import Order, OrderLine, Receipt, ReceiptLine

if TYPE_CHECKING:
    from tripartite.core.matching.evidence import Book

QUANTITY_SCALE = 10**4
PRICE_SCALE = 10**6
AMOUNT_SCALE = 10**4
VALUE_PER_AMOUNT = QUANTITY_SCALE * PRICE_SCALE // AMOUNT_SCALE
NO_BOUND = 10**30

_EVIDENCE_KIND = {"service": "service_entry", "consignment": "withdrawal"}


def scaled(number: Decimal, scale: int) -> int | None:
    """`number` x `scale` as an integer, or None where it is finer than that. Exact: a Decimal context would round."""
    numerator, denominator = number.as_integer_ratio()
    whole, rest = divmod(numerator * scale, denominator)
    return None if rest else whole


class ReceiptEntry:
    """One receipt line as it stands now: what reversals undid is gone from `quantity`, what went back is `returned`.

    `accepted` None: nobody said. `weight` is in price units (catch weight).
    """

    __slots__ = ("accepted", "line", "number", "on", "quantity", "returned", "weight")

    def __init__(
        self, number: str, line: int, on: date, quantity: Fraction, accepted: Fraction | None, weight: Fraction
    ) -> None:
        self.number = number
        self.line = line
        self.on = on
        self.quantity = quantity
        self.accepted = accepted
        self.weight = weight
        self.returned = ZERO

    @property
    def net(self) -> Fraction:
        """What is left of it after returns."""
        return max(ZERO, self.quantity - self.returned)


def _opening_entry(opening: Opening, nominal: Fraction) -> ReceiptEntry:
    """What came before day zero, as one receipt of that day: it is the first that bills are put on."""
    came = exact(opening.received)
    accepted = exact(opening.accepted) if opening.accepted is not None else None
    return ReceiptEntry(OPENING_RECEIPT, 0, opening.as_of, came, accepted, came * nominal)


RawReceipt = tuple[Receipt, ReceiptLine]
"""A receipt line as stated with its document, before units and order are known."""


def receipt_day(receipt: Receipt) -> date:
    """The day a receipt was posted; one that does not say counts as the earliest."""
    return receipt.posted_on or date.min


def _receipt_place(one: RawReceipt) -> tuple[date, str, int]:
    """Where a receipt line stands among others: by day, then number, so that order of arrival plays no part."""
    return receipt_day(one[0]), one[0].number, one[1].line


class LineNumbers:
    """The exact numbers of one order line. See the slots' names; all quantities in the order line's unit."""

    __slots__ = (
        "accepted",
        "catch_price",
        "ceiling",
        "entries",
        "nominal",
        "ordered",
        "received",
        "returned",
        "scale",
        "unit_price",
        "unit_unknown",
        "value",
        "versions",
        "weight",
    )

    def __init__(self, line: Ordered, book: Book) -> None:
        doc = line.doc
        order = line.order.doc
        per = exact(doc.price_per)
        factor = ONE - exact(doc.discount_percent) / 100 if doc.discount_percent is not None else ONE
        if order.prices_include_tax:
            factor /= ONE + book.billed_rate(doc.tax_codes, order.issued_on)
        factor /= per
        self.ordered = exact(doc.quantity) if doc.quantity is not None else None
        stated = exact(doc.price) if doc.price is not None else ZERO
        self.nominal = exact(doc.nominal) if doc.nominal is not None else ONE
        self.catch_price = stated * factor
        self.unit_price = self.catch_price * self.nominal if line.catch_weight else self.catch_price
        self.versions = sorted((entry.valid_from, exact(entry.price) * factor) for entry in doc.price_versions)
        self.scale = (
            sorted((exact(step.from_quantity), exact(step.price) * factor) for step in doc.scale)
            if doc.scale_mode
            else []
        )
        if line.mode == "limit":
            self.value = exact(doc.limit) if doc.limit is not None else ZERO
        else:
            self.value = self.unit_price * (self.ordered or ZERO)
        self.ceiling = None
        if self.ordered is not None and line.mode not in ("consignment", "limit") and doc.over_percent != "unlimited":
            self.ceiling = self.ordered * (ONE + exact(Decimal(doc.over_percent)) / 100)
        self.unit_unknown = False
        self.entries: list[ReceiptEntry] = []
        self.returned = ZERO
        self._take_in(line, book)

    def _take_in(self, line: Ordered, book: Book) -> None:
        """Receipts first, by date; then what reversals undo and returns take back, each from the named receipt, else
        from the latest that was there. Order of arrival plays no part (S17)."""
        wanted = _EVIDENCE_KIND.get(line.mode, "receipt")
        backs = []
        if line.opening is not None:
            self.entries.append(_opening_entry(line.opening, self.nominal))
        for receipt, raw in sorted(
            line.raw_receipts, key=lambda one: (receipt_day(one[0]), one[0].number, one[1].line)
        ):
            factor = book.unit_ratio(line.doc.item, raw.unit or line.unit, line.unit)
            if factor is None:
                self.unit_unknown = True
                continue
            quantity = exact(raw.quantity) * factor
            weighed = raw.price_quantity
            weight = exact(weighed) if weighed is not None else quantity * self.nominal
            accepted = exact(raw.accepted) * factor if raw.accepted is not None else None
            if receipt.kind in ("return", "reversal"):
                backs.append((receipt, raw, quantity, accepted, weight if weighed is not None else None))
            elif receipt.kind == wanted:
                day = receipt_day(receipt)
                self.entries.append(ReceiptEntry(receipt.number, raw.line, day, quantity, accepted, weight))
        for receipt, raw, quantity, accepted, back_weight in backs:
            self._take_back(receipt, raw, quantity, accepted, back_weight)
        self.entries = [entry for entry in self.entries if entry.quantity > 0]
        self.received = max(ZERO, sum((entry.quantity for entry in self.entries), ZERO) - self.returned)
        self.accepted = min(self.received, sum((min(e.accepted or ZERO, e.quantity) for e in self.entries), ZERO))
        self.weight = sum((entry.weight for entry in self.entries), ZERO)

    def _take_back(
        self,
        receipt: Receipt,
        raw: ReceiptLine,
        quantity: Fraction,
        accepted: Fraction | None,
        weight: Fraction | None,
    ) -> None:
        sources = [entry for entry in self.entries if entry.number == raw.takes_from] if raw.takes_from else []
        if not sources:
            day = receipt_day(receipt)
            before = [entry for entry in self.entries if entry.on <= day]
            sources = list(reversed(before)) + [entry for entry in self.entries if entry.on > day]
        left = quantity
        for entry in sources:
            taken = min(left, entry.net)
            if taken <= 0:
                continue
            # A weighed return takes its own weight; an unweighed one its share of what was weighed.
            gone = weight * taken / quantity if weight is not None else entry.weight * taken / entry.net
            entry.weight = max(ZERO, entry.weight - gone)
            if receipt.kind == "reversal":
                entry.quantity -= taken
                if entry.accepted is not None:
                    undone = accepted * taken / quantity if accepted is not None else ZERO
                    entry.accepted = max(ZERO, min(entry.accepted - undone, entry.quantity))
            else:
                entry.returned += taken
                self.returned += taken
            left -= taken
        if left > 0 and receipt.kind == "return":
            # More went back than ever came by our books: the net says so, though no receipt can carry it.
            self.returned += left

    def named(self, number: str) -> list[ReceiptEntry]:
        """The entries of one receipt on this line. A bill names it as its warehouse does, without the warehouse."""
        found = [entry for entry in self.entries if entry.number == number]
        return found or [entry for entry in self.entries if entry.number.endswith(":" + number)]

    def price_on(self, day: date | None) -> Fraction:
        """The price per order unit valid on a day: the latest version from then or before, else the line's own."""
        if not self.versions or day is None:
            return self.unit_price
        place = bisect_right(self.versions, day, key=lambda entry: entry[0])
        return self.versions[place - 1][1] if place else self.unit_price


class Ordered:
    """One order line in a book. `index` is its place in the state of an evaluation.

    `fast` is None where the line needs a closer look (scale, versions, weight, limit ...); else a tuple of the bound
    on billed quantity, the price, the unit and the tax codes, as scaled integers and interned values.
    """

    __slots__ = (
        "_numbers",
        "catch_weight",
        "closed",
        "codes",
        "doc",
        "fast",
        "ids",
        "index",
        "line",
        "mode",
        "opening",
        "order",
        "raw_receipts",
        "unit",
    )

    def __init__(self, order: OrderBook, doc: OrderLine, index: int) -> None:
        self.order = order
        self.doc = doc
        self.index = index
        self.line = doc.line
        self.unit = doc.unit
        self.mode = doc.match
        self.codes = doc.tax_codes
        self.catch_weight = bool(doc.price_unit) and doc.nominal is not None
        self.closed = order.closed or doc.status in ("closed", "cancelled")
        self.ids = frozenset(name for name in (doc.item, doc.supplier_item, doc.gtin) if name)
        self.raw_receipts: list[RawReceipt] = []
        self.opening: Opening | None = None
        self.fast: tuple[int, int, int, str, tuple[str, ...]] | None = None
        self._numbers: LineNumbers | None = None

    def numbers(self, book: Book) -> LineNumbers:
        """The exact numbers, worked out once."""
        if self._numbers is None:
            self._numbers = LineNumbers(self, book)
        return self._numbers

    @property
    def billed_before(self) -> Fraction:
        """What was billed of it before day zero: in order units, on a limit line the net amount."""
        return self.opening.billed_so_far(self.mode) if self.opening is not None else ZERO

    def prepare_fast(self) -> None:
        """Work out the integers of the fast path, where this line is plain enough for it."""
        doc = self.doc
        if (
            not self.order.plain
            or self.closed
            or self.mode not in ("three_way", "two_way")
            or self.catch_weight
            or doc.price_versions
            or doc.scale_mode
            or doc.discount_percent is not None
            or doc.price_per != 1
            or doc.price is None
            or doc.price < 0
            or doc.quantity is None
            or (self.opening is not None and scaled(self.opening.billed, QUANTITY_SCALE) is None)
        ):
            return
        price = scaled(doc.price, PRICE_SCALE)
        ordered = scaled(doc.quantity, QUANTITY_SCALE)
        if price is None or ordered is None:
            return
        bound = NO_BOUND
        if doc.over_percent == "0":
            bound = ordered
        elif doc.over_percent != "unlimited":
            # Rounding the ceiling down keeps the fast path on the safe side: what lies between goes the exact way.
            bound = int(ordered * (ONE + exact(Decimal(doc.over_percent)) / 100))
        if self.mode == "three_way":
            came_before = scaled(self.opening.received, QUANTITY_SCALE) if self.opening is not None else 0
            if came_before is None:
                return
            received = came_before
            for receipt, raw in self.raw_receipts:
                quantity = scaled(raw.quantity, QUANTITY_SCALE)
                if (
                    receipt.kind != "receipt"
                    or quantity is None
                    or (raw.unit and raw.unit != self.unit)
                    or quantity < 0
                ):
                    return
                received += quantity
            bound = min(bound, received)
        self.fast = (self.index, bound, price, self.unit, self.codes)


class OrderBook:
    """One order with its lines, ready for matching."""

    __slots__ = (
        "by_line",
        "by_ref",
        "closed",
        "currency",
        "doc",
        "draft",
        "fast_lines",
        "lines",
        "number",
        "plain",
        "supplier",
    )

    def __init__(self, doc: Order, first_index: int) -> None:
        self.doc = doc
        self.number = doc.number
        self.supplier = doc.supplier_id or doc.supplier_number
        self.currency = doc.currency
        self.closed = doc.status in ("closed", "cancelled")
        self.draft = doc.status == "draft"
        self.plain = not (
            self.closed
            or self.draft
            or doc.contract
            or doc.prices_include_tax
            or doc.charges
            or doc.retention_percent is not None
        )
        self.lines = [Ordered(self, line, first_index + place) for place, line in enumerate(doc.lines)]
        self.by_line = {line.line: line for line in reversed(self.lines)}
        self.by_ref = {line.doc.foreign_id: line for line in self.lines if line.doc.foreign_id}
        self.fast_lines: dict[int, tuple[int, int, int, str, tuple[str, ...]]] = {}

    def prepare_fast(self) -> None:
        """Gather the lines that the fast path may take."""
        for line in self.lines:
            line.prepare_fast()
        self.fast_lines = {number: line.fast for number, line in self.by_line.items() if line.fast is not None}
