"""Exact quantities and units of measure: the grammar, and conversion by exact ratio.

Units are UN/ECE Recommendation 20 codes (EA, KGM, HUR). A conversion is a ratio agreed per item before global, used
in both directions and one step only (matching rule S13). Nothing here rounds.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Self

import msgspec

from tripartite.core.money import NumberInvalid, _checked

_QUANTITY = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,12})?\Z")


class Quantity(Decimal):
    """A number of units, exact. The unit stands beside it. Grammar: at most 15 digits and 12 decimals."""

    __slots__ = ()
    GRAMMAR: ClassVar[re.Pattern[str]] = _QUANTITY

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `text` by the quantity grammar. Errors: `NumberInvalid`."""
        return cls(_checked(text, cls.GRAMMAR, "quantity"))


class Conversion(msgspec.Struct, frozen=True):
    """1 `from_unit` = `numerator` / `denominator` `to_unit`; of one item, or of all where `item` is empty."""

    from_unit: str
    to_unit: str
    numerator: int
    denominator: int = 1
    item: str = ""


def ratio(conversions: tuple[Conversion, ...], item: str, from_unit: str, to_unit: str) -> Fraction | None:
    """How many `to_unit` are one `from_unit`, exactly; None where no conversion is known (never a guess).

    An item's own conversion comes before the global one; each is used in both directions, one step only.
    Rule: S13.
    """
    if from_unit == to_unit:
        return Fraction(1)
    for wanted in (item, "") if item else ("",):
        for entry in conversions:
            if entry.item != wanted:
                continue
            if (entry.from_unit, entry.to_unit) == (from_unit, to_unit):
                return Fraction(entry.numerator, entry.denominator)
            if (entry.to_unit, entry.from_unit) == (from_unit, to_unit):
                return Fraction(entry.denominator, entry.numerator)
    return None


__all__ = ["Conversion", "NumberInvalid", "Quantity", "ratio"]
