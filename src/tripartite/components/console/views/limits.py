"""How far a variance goes beyond its limit: the limit in words with its values, and as a bar. Drawing, not judging.

A finding says its limit in words (`strict: 2 %, absolute 1.50`); here it becomes numbers again, to be shown. What
cannot be read as a number has words and no bar.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import msgspec

from tripartite.components.console.formats import SPACE, Formats, exact
from tripartite.core.money import minor_digits

# `exact` is a bound of zero and has no digits; `ignore` is no bound.
_PERCENT = re.compile(r"(?:(\d+(?:\.\d+)?) %|percent exact)")
_ABSOLUTE = re.compile(r"absolute (?:(\d+(?:\.\d+)?)|exact)")
_LINE = re.compile(r"line (?:(\d+(?:\.\d+)?)|exact)")
BAR_WIDTH = 1000  # units of the drawing; the page stretches it
QUANTITY = ("match.quantity", "match.not_received")


class Bar(msgspec.Struct, frozen=True):
    """A variance drawn: filled up to `filled`, hatched from there to `hatched`, a tick at `tick` (None: no limit)."""

    filled: int
    hatched: int
    tick: int | None
    label: str


def share_of(breach: Fraction, pair: Mapping[str, Any] | None) -> str:
    """A difference as a share of what is expected, in percent; empty where nothing is expected."""
    expected = exact(pair["expected"]) if pair and pair["expected"] is not None else None
    return "" if not expected else f"{'+' if breach > 0 else ''}{_percent_text(breach / expected)}"


def _percent_text(share: Fraction) -> str:
    rounded = round(share * 10_000)
    whole, part = divmod(abs(rounded), 100)
    shown = f"{whole}.{part:02d}".rstrip("0").rstrip(".")
    return f"{'−' if rounded < 0 else ''}{shown}{SPACE}%"


class _Bound(msgspec.Struct, frozen=True):
    """One bound of a price: its value in the document's currency, and how it is said."""

    value: Fraction
    said: str


class _PriceLimit(msgspec.Struct, frozen=True):
    """The bounds of a price: those of the unit, of which one or all must hold, and that of the line, which must."""

    unit: tuple[_Bound, ...]
    line: _Bound | None
    lenient: bool

    @property
    def value(self) -> Fraction | None:
        """What the variance may reach; None where no bound speaks."""
        values = [bound.value for bound in self.unit]
        reached = (max(values) if self.lenient else min(values)) if values else None
        if self.line is None:
            return reached
        return self.line.value if reached is None else min(reached, self.line.value)

    @property
    def words(self) -> str:
        """`limit: the lowest of 2 % = 153.60, 1.25 each = 150.00 and 200.00 a line`; empty where no bound speaks."""
        said = [bound.said for bound in self.unit]
        if self.lenient and len(said) > 1:
            return f"limit: the higher of {' and '.join(said)}" + (f", and {self.line.said}" if self.line else "")
        said += [self.line.said] if self.line else []
        if len(said) < 2:
            return f"limit {said[0]}" if said else ""
        which = "lower" if len(said) == 2 else "lowest"
        return f"limit: the {which} of {', '.join(said[:-1])} and {said[-1]}"


def _price_limit(
    code: str, limit: str, pair: Mapping[str, Any] | None, currency: str, formats: Formats
) -> _PriceLimit | None:
    """The limit of a unit price (`strict: 2 %, absolute 1.50, line 150.00`): percent of what is expected, a sum per
    unit, a sum per line. None for any other limit.
    """
    combination = limit.partition(":")[0]
    if pair is None or not code.startswith("match.price") or combination not in ("strict", "lenient"):
        return None
    expected, quantity = exact(pair["expected"]), exact(pair["billed"])
    unit = []
    if (percent := _PERCENT.search(limit)) and expected is not None:
        share = Fraction(percent[1] or 0)
        value = abs(expected) * share / 100
        shown = formats.amount(_minor(value, currency), currency)
        unit.append(_Bound(value, f"{formats.number(share)}{SPACE}% = {shown}"))
    if (absolute := _ABSOLUTE.search(limit)) and quantity is not None:
        each = Fraction(absolute[1] or 0)
        value = each * abs(quantity)
        shown = formats.amount(_minor(value, currency), currency)
        unit.append(_Bound(value, f"{formats.price(each, currency)} each = {shown}"))
    line = None
    if whole := _LINE.search(limit):
        most = Fraction(whole[1] or 0)
        line = _Bound(most, f"{formats.amount(most, currency)} a line")
    return _PriceLimit(tuple(unit), line, combination == "lenient")


def _minor(value: Fraction, currency: str) -> Fraction:
    """Rounded half-even to the currency's minor unit, to be shown."""
    scale = 10 ** minor_digits(currency)
    return Fraction(round(value * scale), scale)


def limit_words(code: str, limit: str, pair: Mapping[str, Any] | None, currency: str, formats: Formats) -> str:
    """A limit as it is said beside the bar: every bound that speaks, with its value."""
    price = _price_limit(code, limit, pair, currency, formats)
    if price is not None and price.words:
        return price.words
    return f"limit {limit}" if limit else ""


def _limit_of(
    code: str, limit: str, pair: Mapping[str, Any] | None, currency: str, formats: Formats
) -> Fraction | None:
    """A limit as a number in the unit of its breach; None where none can be drawn."""
    price = _price_limit(code, limit, pair, currency, formats)
    return exact(limit) if price is None else price.value


def bar_of(
    code: str, breach: Fraction | None, limit: str, pair: Mapping[str, Any] | None, currency: str, formats: Formats
) -> Bar | None:
    """How far a variance goes beyond its limit. A quantity's breach is only what is too much, so its limit is zero."""
    if breach is None:
        return None
    allowed = Fraction(0) if code.startswith(QUANTITY) else _limit_of(code, limit, pair, currency, formats)
    if allowed is None:
        return None
    size = abs(breach)
    most = max(size, allowed)
    if not most:
        return None
    scale = BAR_WIDTH * Fraction(9, 10) / most
    tick = round(allowed * scale)
    filled = round(min(size, allowed) * scale)
    label = f"{formats.number(size)} against a limit of {formats.number(allowed)}"
    return Bar(filled=filled, hatched=round(size * scale), tick=tick, label=label)
