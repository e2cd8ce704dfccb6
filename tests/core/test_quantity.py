"""Quantities are exact, and a unit becomes another only by a ratio somebody agreed on."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripartite.core.quantity import Conversion, NumberInvalid, Quantity, ratio

BOX = Conversion("CS", "EA", 12)
OWN_BOX = Conversion("CS", "EA", 10, item="MAT-1")
SACK = Conversion("KGM", "SA", 1, 25)


@pytest.mark.parametrize("text", ["0", "1", "-2.5", "0.000000000001", "999999999999999"])
def test_a_quantity_is_exactly_what_it_says(text: str) -> None:
    assert format(Quantity.parse(text), "f") == text


@pytest.mark.parametrize("text", ["", "1e2", "NaN", "-0", "1.0000000000001", "1000000000000000", " 1", "1,5"])
def test_anything_else_is_no_quantity(text: str) -> None:
    with pytest.raises(NumberInvalid):
        Quantity.parse(text)


@pytest.mark.parametrize(
    ("item", "units", "expected"),
    [
        ("MAT-1", ("EA", "EA"), Fraction(1)),
        ("MAT-1", ("CS", "EA"), Fraction(10)),
        ("MAT-1", ("EA", "CS"), Fraction(1, 10)),
        ("MAT-2", ("CS", "EA"), Fraction(12)),
        ("", ("CS", "EA"), Fraction(12)),
        ("MAT-2", ("SA", "KGM"), Fraction(25)),
        ("MAT-2", ("KGM", "SA"), Fraction(1, 25)),
        # One step only, and never a guess: kilograms are no pieces because both know sacks.
        ("MAT-2", ("KGM", "EA"), None),
        ("MAT-2", ("CS", "SA"), None),
        ("MAT-2", ("HUR", "EA"), None),
    ],
)
def test_an_items_own_ratio_comes_first_and_works_in_both_directions(
    item: str, units: tuple[str, str], expected: Fraction | None
) -> None:
    assert ratio((BOX, OWN_BOX, SACK), item, *units) == expected


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_there_and_back_is_where_one_was(numerator: int, denominator: int) -> None:
    known = (Conversion("A", "B", numerator, denominator),)
    there, back = ratio(known, "", "A", "B"), ratio(known, "", "B", "A")
    assert there is not None
    assert back is not None
    assert there * back == 1
