"""What a family's function offers: one act each, in words, with who may do it and where. Nothing is proved here.

`search.py` runs the match on each offer and keeps those that hold; so an offer may be too hopeful, never too timid.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import msgspec

from tripartite.core.counterfactuals.acts import Act
from tripartite.core.counterfactuals.corrections import money
from tripartite.core.counterfactuals.scene import Scene
from tripartite.core.findings import Finding
from tripartite.core.matching.billed import Bill, BilledLine
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ZERO, exact
from tripartite.core.matching.ordered import Ordered
from tripartite.core.matching.result import MatchResult, Pair

WAREHOUSE = "the warehouse system"
PROCUREMENT = "the procurement system"
SUPPLIER_SIDE = "the supplier's own system"
HERE = "accounts payable"
MASTER = "the supplier master"
TAX_TABLES = "the tax mapping"
TREASURY = "the rate table"
MASTER_DATA = "the item master"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One change that may clear a finding. `cost`: what we would pay beyond what was agreed and came, in the document's
    currency, exactly. `field`, `before`, `after` say the change as data. `may_leave`: areas or codes of findings that
    may newly stand on the document afterwards (a linked order that still waits for its receipt)."""

    act: Act
    change: str
    by_roles: tuple[str, ...]
    where: str
    cost: Fraction = ZERO
    field: str = ""
    before: str = ""
    after: str = ""
    may_leave: frozenset[str] = frozenset()


class Trouble(msgspec.Struct, frozen=True):
    """One finding of one invoice, with everything that was compared."""

    scene: Scene
    book: Book
    bill: Bill
    result: MatchResult
    finding: Finding
    compared: tuple[Pair, ...]  # all comparisons of the invoice: the result's, worked out once

    @property
    def line(self) -> BilledLine | None:
        """The invoice line concerned; None where it is a charge or the document."""
        return next((one for one in self.bill.numbers(self.book).lines if one.line == self.finding.line), None)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The comparisons of the line concerned, one per order line it stands on."""
        return tuple(one for one in self.compared if one.invoice_line == self.finding.line)

    @property
    def variance(self) -> Fraction:
        """What was measured, in document currency; zero where nothing was."""
        return Fraction(self.finding.variance) if self.finding.variance is not None else ZERO

    @property
    def day(self) -> date:
        """The invoice's date."""
        return self.bill.day

    def ordered(self, pair: Pair) -> Ordered:
        """The order line of a comparison."""
        found = self.book.line(pair.order_number, pair.order_line)
        assert found is not None
        return found

    def money(self, value: Fraction) -> str:
        """An amount with its currency, for words."""
        return f"{money(value, self.bill)} {self.bill.currency}"


def decimal(value: Fraction, digits: int = 6, *, up: bool = False, down: bool = False) -> Decimal:
    """An exact number as a decimal: exactly where it has one of at most `digits` places, else rounded, half-even or as
    asked. Built from text, so no context rounds it."""
    scale = 10**digits
    scaled = value * scale
    whole = -((-scaled.numerator) // scaled.denominator) if up else round(scaled)
    if down:
        whole = scaled.numerator // scaled.denominator
    sign = "-" if whole < 0 else ""
    number, rest = divmod(abs(whole), scale)
    text = f"{number}.{rest:0{digits}d}".rstrip("0").rstrip(".") if digits else str(number)
    return Decimal(sign + text)


def plain(value: Decimal | Fraction) -> str:
    """A number for words."""
    return format(value if isinstance(value, Decimal) else decimal(value), "f")


def countable(value: Fraction, unit: str, trouble: Trouble, pair: Pair, *, up: bool) -> tuple[Decimal, str]:
    """A quantity of a comparison as somebody would state it, with its unit: in the order's unit where it is a short
    decimal there, else in the unit that was billed (119 pieces are no decimal number of cases), else rounded."""
    in_order = decimal(value)
    line = trouble.line
    if exact(in_order) == value or line is None or not line.unit or line.unit == unit:
        return decimal(value, up=up, down=not up), unit
    ratio = trouble.book.unit_ratio(trouble.ordered(pair).doc.item, line.unit, unit)
    if ratio and exact(decimal(value / ratio)) == value / ratio:
        return decimal(value / ratio), line.unit
    return decimal(value, up=up, down=not up), unit


def price_text(value: Decimal, bill: Bill) -> str:
    """A price for words, with at least the decimals of its currency."""
    text = format(value, "f")
    whole, _, rest = text.partition(".")
    digits = len(str(bill.minor_scale)) - 1
    return f"{whole}.{rest.ljust(digits, '0')}" if digits else text


def place(pair: Pair) -> str:
    """Where a comparison stands, in words."""
    return f"order {pair.order_number} line {pair.order_line}"
