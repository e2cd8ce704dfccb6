"""Exact rational numbers, quick: a `Fraction` whose arithmetic does not look around before it computes.

Matching adds, compares and multiplies small exact numbers very often, and most of them share a denominator. `Exact` is
a `Fraction` in every way (it mixes with one, hashes and compares like one); only the usual operations are written out
for the case that both sides are `Exact` or int. Nothing here rounds.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import gcd
from typing import Any

_new = object.__new__


def _made(numerator: int, denominator: int) -> Exact:
    """An `Exact` of a numerator and a positive denominator that are already in lowest terms."""
    self = _new(Exact)
    self._numerator = numerator
    self._denominator = denominator
    return self


def _reduced(numerator: int, denominator: int) -> Exact:
    divisor = gcd(numerator, denominator)
    self = _new(Exact)
    if divisor == 1:
        self._numerator = numerator
        self._denominator = denominator
    else:
        self._numerator = numerator // divisor
        self._denominator = denominator // divisor
    return self


class Exact(Fraction):
    """See the module. Made by `exact`; results of arithmetic among `Exact` and int are `Exact`."""

    __slots__ = ()
    _numerator: int
    _denominator: int

    def __add__(self, other: Any) -> Fraction:  # type: ignore[override]
        if type(other) is Exact:
            mine, others = self._denominator, other._denominator
            if mine == others:
                if mine == 1:
                    return _made(self._numerator + other._numerator, 1)
                return _reduced(self._numerator + other._numerator, mine)
            return _reduced(self._numerator * others + other._numerator * mine, mine * others)
        if type(other) is int:
            return _made(self._numerator + other * self._denominator, self._denominator)
        result: Fraction = Fraction.__add__(self, other)
        return result

    def __radd__(self, other: Any) -> Fraction:  # type: ignore[override]
        if type(other) is int:
            return _made(self._numerator + other * self._denominator, self._denominator)
        result: Fraction = Fraction.__radd__(self, other)
        return result

    def __sub__(self, other: Any) -> Fraction:  # type: ignore[override]
        if type(other) is Exact:
            mine, others = self._denominator, other._denominator
            if mine == others:
                if mine == 1:
                    return _made(self._numerator - other._numerator, 1)
                return _reduced(self._numerator - other._numerator, mine)
            return _reduced(self._numerator * others - other._numerator * mine, mine * others)
        if type(other) is int:
            return _made(self._numerator - other * self._denominator, self._denominator)
        result: Fraction = Fraction.__sub__(self, other)
        return result

    def __mul__(self, other: Any) -> Fraction:  # type: ignore[override]
        if type(other) is Exact:
            denominator = self._denominator * other._denominator
            if denominator == 1:
                return _made(self._numerator * other._numerator, 1)
            return _reduced(self._numerator * other._numerator, denominator)
        if type(other) is int:
            return _reduced(self._numerator * other, self._denominator)
        result: Fraction = Fraction.__mul__(self, other)
        return result

    def __rmul__(self, other: Any) -> Fraction:  # type: ignore[override]
        if type(other) is int:
            return _reduced(self._numerator * other, self._denominator)
        result: Fraction = Fraction.__rmul__(self, other)
        return result

    def __truediv__(self, other: Any) -> Fraction:  # type: ignore[override]
        if type(other) is Exact and other._numerator > 0:
            return _reduced(self._numerator * other._denominator, self._denominator * other._numerator)
        if type(other) is int and other > 0:
            return _reduced(self._numerator, self._denominator * other)
        return _exact_of(Fraction.__truediv__(self, other))

    def __neg__(self) -> Fraction:
        return _made(-self._numerator, self._denominator)

    def __abs__(self) -> Fraction:
        return self if self._numerator >= 0 else _made(-self._numerator, self._denominator)

    def __bool__(self) -> bool:
        return self._numerator != 0

    def __eq__(self, other: object) -> bool:
        if type(other) is Exact:
            return self._numerator == other._numerator and self._denominator == other._denominator
        if type(other) is int:
            return self._denominator == 1 and self._numerator == other
        return Fraction.__eq__(self, other)

    __hash__ = Fraction.__hash__

    def __lt__(self, other: Any) -> bool:
        if type(other) is Exact:
            return self._numerator * other._denominator < other._numerator * self._denominator
        if type(other) is int:
            return self._numerator < other * self._denominator
        return Fraction.__lt__(self, other)

    def __le__(self, other: Any) -> bool:
        if type(other) is Exact:
            return self._numerator * other._denominator <= other._numerator * self._denominator
        if type(other) is int:
            return self._numerator <= other * self._denominator
        return Fraction.__le__(self, other)

    def __gt__(self, other: Any) -> bool:
        if type(other) is Exact:
            return self._numerator * other._denominator > other._numerator * self._denominator
        if type(other) is int:
            return self._numerator > other * self._denominator
        return Fraction.__gt__(self, other)

    def __ge__(self, other: Any) -> bool:
        if type(other) is Exact:
            return self._numerator * other._denominator >= other._numerator * self._denominator
        if type(other) is int:
            return self._numerator >= other * self._denominator
        return Fraction.__ge__(self, other)


def _exact_of(number: Fraction) -> Exact:
    return _made(number.numerator, number.denominator)


def exact(number: Decimal | Fraction | int) -> Fraction:
    """`number` as an `Exact`. A Decimal is taken as the number it says, whatever its digits."""
    kind = type(number)
    if kind is Exact:
        return number  # type: ignore[return-value]
    if kind is int:
        return _made(number, 1)  # type: ignore[arg-type]
    numerator, denominator = number.as_integer_ratio()
    return _made(numerator, denominator)


def minor_part(minor: int, scale: int) -> Fraction:
    """`minor` units of 1/`scale` each."""
    return _reduced(minor, scale)


ZERO = exact(0)
ONE = exact(1)
