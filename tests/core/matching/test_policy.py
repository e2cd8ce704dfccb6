"""Bounds say what they mean: a number, exact, or ignore."""

from fractions import Fraction

import pytest

from tripartite.core.matching.exact import exact
from tripartite.core.matching.policy import (
    BASE_POLICY,
    EXACT,
    MatchPolicy,
    PolicyInvalid,
    bound,
    limits_of,
    policy_from_table,
    within,
)


def test_what_a_table_does_not_name_is_the_base_policy() -> None:
    policy = policy_from_table({"price": {"upper_percent": "2"}})
    assert policy.price.upper_percent == "2"
    assert policy.price.lower_percent == "exact"
    assert policy.quantity == BASE_POLICY.quantity


@pytest.mark.parametrize(
    "table",
    [
        {"price": {"upper_percent": "two"}},
        {"price": {"upper_percent": "-1"}},
        {"price": {"upper_percent": ""}},
        {"price": {"upper": "2"}},
        {"combination": "either"},
        {"base": "another"},
        {"small_difference": 0.05},
        {"receipt_grace_days": "1e3"},
    ],
)
def test_a_policy_that_is_not_plain_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(PolicyInvalid):
        policy_from_table(table)


def test_exact_allows_nothing_and_ignore_does_not_speak() -> None:
    assert bound("ignore") is None
    assert bound("exact") is EXACT
    assert bound("0") is not EXACT
    assert not within(exact(1), exact(100), EXACT, None)
    assert within(exact(10**9), exact(100), None, None)
    assert within(exact(0), exact(0), EXACT, EXACT)


def test_strict_needs_every_bound_lenient_one() -> None:
    difference, reference = exact(5), exact(100)
    assert not within(difference, reference, bound("10"), bound("4"))
    assert within(difference, reference, bound("10"), bound("4"), lenient=True)
    assert not within(difference, reference, bound("4"), bound("4"), lenient=True)


def test_at_reference_zero_only_the_amount_or_exact_counts() -> None:
    nothing = exact(0)
    assert within(exact(1), nothing, bound("5"), bound("1"))
    assert not within(exact(1), nothing, bound("5"), None)
    assert not within(exact(1), nothing, EXACT, bound("1"))
    assert not within(exact(1), nothing, bound("5"), EXACT)


def test_grace_exact_parks_nothing_and_a_stated_zero_parks_the_day() -> None:
    assert limits_of(MatchPolicy(receipt_grace_days="exact")).grace_days == -1
    assert limits_of(MatchPolicy(receipt_grace_days="0")).grace_days == 0
    assert limits_of(MatchPolicy(receipt_grace_days="ignore")).grace_unlimited


def test_an_exact_number_mixes_with_a_fraction() -> None:
    half = exact(Fraction(1, 2))
    assert half + Fraction(1, 2) == 1
    assert Fraction(1, 2) + half == 1
    assert half - 1 == Fraction(-1, 2)
    assert 1 - half == Fraction(1, 2)
    assert half * 3 == Fraction(3, 2)
    assert half / Fraction(1, 4) == 2
    assert half / -2 == Fraction(-1, 4)
    assert hash(half) == hash(Fraction(1, 2))
    assert sorted([exact(2), half, Fraction(1)]) == [Fraction(1, 2), 1, 2]
    assert half < 1 <= exact(1) > half >= Fraction(1, 2)
    assert -half == abs(half) - 1
    assert not exact(0)
