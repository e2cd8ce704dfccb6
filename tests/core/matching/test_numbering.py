"""Numbers that mean the same invoice fold together; numbers that do not, stay apart."""

import pytest

from tripartite.core.matching.numbering import folded, neighbours_swapped, number_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("INV-100", "inv 100"),
        ("INV-100", "INV-1OO"),
        ("INV-100", "INV-100A"),
        ("INV-100", "INV/2026/0100"),
        ("R-11", "R-1l"),
        ("B-101", "B-lO1"),
        ("0047", "47"),
        ("3856/GST23-24", "03856/GST23-24"),
    ],
)
def test_a_number_written_otherwise_is_the_same_number(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), [("R-2026.03", "R-2026.04"), ("A-100", "B-100"), ("100", "1000")])
def test_another_number_stays_another_number(one: str, other: str) -> None:
    assert folded(one) != folded(other)


def test_a_year_is_kept_when_nothing_else_is_a_number() -> None:
    assert folded("INV-2026") == "INV2026"
    assert folded("INV-2026") != folded("INV-2027")


def test_a_number_of_letters_only_is_kept() -> None:
    assert folded("abc") == "ABC"


def test_equal_numbers_are_equal_without_case_and_blanks() -> None:
    assert number_key(" Re-7 ") == number_key("RE-7")


@pytest.mark.parametrize(
    ("one", "other", "swapped"),
    [("F1234", "F1243", True), ("F1234", "F1234", False), ("F1234", "F4231", False), ("F12", "F123", False)],
)
def test_two_neighbours_swapped_is_one_slip_of_the_hand(one: str, other: str, swapped: bool) -> None:
    assert neighbours_swapped(one, other) is swapped
