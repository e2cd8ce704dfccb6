"""Repeats in disguise are found, and what only looks like one is not; each score says what it is made of. Rule: S40."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tripartite.core.duplicates import PROBABLE, Claim, Index, compare
from tripartite.core.duplicates.index import MOST_PER_KEY
from tripartite.core.matching.casefile import Case

DAY = date(2026, 3, 16)
ONE = Claim("first", "ALDER", "ALDER", "1000", "INV-10052", "EUR", DAY, Decimal("484.10"), Decimal("406.81"))

# What is billed again, and by how much it must be told from an ordinary next bill.
DISGUISES: dict[str, dict[str, Any]] = {
    "exact": {},
    "case and punctuation": {"number": "inv 10052"},
    "letter O for a zero": {"number": "INV-1OO52"},
    "letter S for a five": {"number": "INV-100S2"},
    "a letter behind": {"number": "INV-10052A"},
    "the year in front": {"number": "2026/INV-10052"},
    "leading zeros of another channel": {"number": "INV-0010052"},
    "two digits changed places": {"number": "INV-10502"},
    "another company of ours": {"company": "2000"},
    "a twin of the supplier": {"supplier": "ALDER-2"},
    "the net billed as gross": {"number": "INV-10052-", "gross": Decimal("406.81"), "net": None},
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_repeat_in_disguise_is_found_and_says_why(disguise: str) -> None:
    index = Index()
    index.add(ONE)
    again = replace(ONE, claim_id="again", day=DAY + timedelta(days=5), **DISGUISES[disguise])
    (hit,) = index.find(again)
    assert hit.earlier is ONE
    assert PROBABLE <= hit.score <= 100
    assert hit.score == min(100, sum(mark.points for mark in hit.marks))
    assert all(mark.words for mark in hit.marks)


OTHERS: dict[str, dict[str, Any]] = {
    "the next number for another amount": {"number": "INV-10053", "gross": Decimal("120.00"), "net": None},
    "next month's rent": {"number": "INV-10053", "day": DAY + timedelta(days=31)},
    "another supplier with the same number and amount": {"supplier": "BIRCH", "group": "BIRCH"},
    "the same number next year": {"day": DAY + timedelta(days=380), "gross": Decimal("99.00"), "net": None},
    "another currency": {"currency": "USD"},
    "the credit of it": {"kind": "credit_memo"},
    "a correction that says so": {"number": "INV-10052A", "replaces": "INV-10052"},
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_only_looks_like_a_repeat_is_none(other: str) -> None:
    index = Index()
    index.add(ONE)
    assert index.find(replace(ONE, claim_id="again", **OTHERS[other])) == []


def test_the_same_file_is_a_repeat_whatever_else_it_says() -> None:
    one = replace(ONE, digest="abc")
    assert compare(replace(one, number="X", gross=Decimal(1), day=date(2020, 1, 1)), one).score == 100


def test_the_same_receipt_counts_and_another_order_speaks_against() -> None:
    receipt = frozenset([("PO-1", 1, "GR-1")])
    one = replace(ONE, receipts=receipt)
    again = replace(one, claim_id="again", number="ALDER/77")
    assert compare(again, one).score > compare(replace(again, receipts=frozenset()), one).score
    apart = compare(replace(ONE, orders=frozenset(["PO-2"])), replace(ONE, orders=frozenset(["PO-1"])))
    assert ("other orders", -15) in [(mark.words, mark.points) for mark in apart.marks]


def test_an_amount_that_comes_again_and_again_says_little_beside_a_number_that_is_only_like() -> None:
    index = Index()
    for place in range(3):
        index.add(replace(ONE, claim_id=f"{place}", number=f"CARE-{place}77{place}", day=DAY - timedelta(days=place)))
    index.add(ONE)
    assert index.find(replace(ONE, claim_id="again", number="INV-10502")) == []
    assert index.find(replace(ONE, claim_id="again")) != []


def test_parts_of_one_number_by_letter_are_no_repeats() -> None:
    one = replace(ONE, number="10052A")
    assert compare(replace(one, number="10052B", day=DAY + timedelta(days=30)), one).score < PROBABLE


def test_a_hundred_equal_months_do_not_grow_the_work() -> None:
    index = Index()
    for month in range(100):
        index.add(replace(ONE, claim_id=f"{month}", number=f"RENT-{month}", day=DAY - timedelta(days=30 * month)))
    index.compared = 0
    index.find(replace(ONE, claim_id="again", number="RENT-7"))
    assert index.compared <= 3 * MOST_PER_KEY


@given(st.text("INVO0123456789-/a", min_size=1, max_size=10), st.text("INVO0123456789-/a", min_size=1, max_size=10))
def test_a_comparison_is_the_same_from_both_sides(one: str, other: str) -> None:
    left, right = replace(ONE, number=one), replace(ONE, claim_id="b", number=other)
    assert compare(left, right).score == compare(right, left).score


def test_the_gate_cites_the_likeness_and_what_it_is_made_of() -> None:
    line = {"line": 1, "order_line": 1, "quantity": "5", "price": "10.00", "amount": "50.00"}
    bill = {
        "number": "INV-100", "supplier": "S", "company": "C", "currency": "EUR", "date": DAY, "orders": ["PO"],
        "net": "50.00", "tax": "0", "gross": "50.00", "line": [line],
    }  # fmt: skip
    case = Case(
        {
            "id": "one",
            "order": [
                {"number": "PO", "supplier": "S", "currency": "EUR", "date": DAY,
                 "line": [{"line": 1, "item": "A", "quantity": "100", "price": "10.00"}]}
            ],
            "receipt": [{"number": "G", "date": DAY, "line": [{"order": "PO", "order_line": 1, "quantity": "100"}]}],
            "invoice": [bill, {**bill, "number": "INV-1OO", "date": DAY + timedelta(days=3)}],
        }
    )  # fmt: skip
    (finding,) = case.play()["INV-1OO"].findings
    assert (finding.code, finding.breach) == ("duplicate.probable", "83")
    assert "Likeness 83 of 100: the same number but for punctuation" in finding.words
