"""What a credit gives back of what was released, by who is live (S19, I37)."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from support.papers import invoice, order, receipt
from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.engine import evaluate
from tripartite.core.matching.evidence import book_from_objects
from tripartite.core.matching.giving import Giving, HeldBack
from tripartite.core.matching.result import MatchResult

DAY = date(2026, 11, 20)


def matched() -> dict[str, MatchResult]:
    """Two receipts, a bill of all, a credit of four of it."""
    documents = {"a": invoice("RE-1"), "k": invoice("GS-1", "4", kind="credit_memo", original="RE-1")}
    arrived = [Arrived(each, value, DAY, place) for place, (each, value) in enumerate(documents.items())]
    book = book_from_objects([order()], [receipt("GR-1", "6"), receipt("GR-2", "4")], arrived)
    return {result.invoice_id: result for result in evaluate(book, as_of=DAY)}


def test_a_credit_gives_back_what_a_live_bill_released_the_last_receipt_first() -> None:
    receipts = (("GR-2", 1), ("GR-1", 1))
    assert matched()["k"].givings({"a"}) == (Giving(1, "4500000001", 10, Fraction(4), Fraction(6), receipts),)


def test_of_a_bill_that_is_not_live_nothing_comes_back() -> None:
    (giving,) = matched()["k"].givings(())
    assert (giving.quantity, giving.billed) == (0, 0)


def test_what_a_credit_took_that_is_not_live_is_still_released_to_the_bill() -> None:
    bill = matched()["a"]
    assert bill.held_back({"a"}) == (HeldBack(1, "4500000001", 10, Fraction(4)),)
    assert bill.held_back({"a", "k"}) == ()
    assert sum(entry.quantity for entry in bill.allocations) == 6
