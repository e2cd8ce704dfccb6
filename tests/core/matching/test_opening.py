"""Day zero in the core: what came and was billed before counts, once; a bill of before is known again in disguise."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.engine import evaluate
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.opening import OPENING_RECEIPT, BilledBefore, Opening
from tripartite.core.matching.policy import policy_from_table
from tripartite.core.matching.result import MatchResult
from tripartite.core.money import Amount, Price
from tripartite.core.objects import (
    Allowance,
    Invoice,
    InvoiceLine,
    Order,
    OrderCharge,
    OrderLine,
    Receipt,
    ReceiptLine,
)
from tripartite.core.quantity import Quantity

DAY_ZERO = date(2026, 10, 31)
TODAY = date(2026, 11, 20)


def order(quantity: str = "100", **line: Any) -> Order:
    said: dict[str, Any] = {"quantity": Quantity(quantity), "price": Price("4.00"), **line}
    return Order(
        number="P1", currency="EUR", supplier_id="S1", issued_on=date(2026, 9, 1), lines=(OrderLine(10, **said),)
    )


def receipt(number: str, quantity: str, day: date | None = date(2026, 11, 3), **more: Any) -> Receipt:
    said = ReceiptLine("P1", 10, Quantity(quantity), **{key: more.pop(key) for key in ("takes_from",) if key in more})
    return Receipt(number, posted_on=day, lines=(said,), **more)


def bill(number: str, quantity: str, sequence: int = 1, day: date = TODAY, **more: Any) -> Arrived:
    amount = Amount(Decimal(quantity) * 4)
    line = InvoiceLine(
        1, order_number="P1", order_line=10, quantity=Quantity(quantity), price=Price("4.00"), amount=amount
    )
    said: dict[str, Any] = {
        "number": number,
        "kind": "invoice",
        "currency": "EUR",
        "issued_on": day,
        "company_code": "DE01",
        "supplier_id": "S1",
        "order_numbers": ("P1",),
        "net": amount,
        "tax": Amount(0),
        "gross": amount,
        "lines": (line,),
        **more,
    }
    return Arrived(number, Invoice(**said), day, sequence)


def opening(received: str, billed: str, **more: Any) -> Opening:
    return Opening("P1", 10, DAY_ZERO, Quantity(received), Quantity(billed), **more)


def decided(*bills: Arrived, fast: bool, **book: Any) -> list[MatchResult]:
    policy = policy_from_table({})
    parts = {"orders": [order()], **book}
    return evaluate(Book(invoices=bills, **parts), policy_of=lambda _: policy, as_of=TODAY, fast=fast)


def codes(result: MatchResult) -> list[str]:
    return [finding.code for finding in result.findings]


BOTH = pytest.mark.parametrize("fast", [True, False])


@BOTH
def test_the_rest_of_an_old_order_passes_against_what_came_before(fast: bool) -> None:
    [result] = decided(bill("A", "40"), openings=[opening("100", "60")], fast=fast)
    assert result.verdict == "post"
    assert [(one.receipt_number, one.quantity) for one in result.allocations] == [(OPENING_RECEIPT, 40)]


@BOTH
def test_what_was_billed_before_is_not_paid_again(fast: bool) -> None:
    [result] = decided(bill("A", "41"), openings=[opening("100", "60")], fast=fast)
    assert result.verdict != "post"
    assert codes(result) == ["match.quantity_over_received"]
    assert result.findings[0].variance == 4
    [without] = decided(bill("A", "41"), receipts=[receipt("GR-1", "100")], fast=fast)
    assert without.verdict == "post"


@BOTH
def test_what_comes_later_adds_to_what_came_before(fast: bool) -> None:
    later = [receipt("GR-2", "30")]
    one, other = decided(bill("A", "50"), bill("B", "10", 2), openings=[opening("70", "30")], receipts=later, fast=fast)
    assert (one.verdict, other.verdict) == ("post", "post")
    assert [(each.receipt_number, each.quantity) for each in one.allocations] == [(OPENING_RECEIPT, 40), ("GR-2", 10)]
    assert [(each.receipt_number, each.quantity) for each in other.allocations] == [("GR-2", 10)]
    [last] = decided(bill("A", "71"), openings=[opening("70", "30")], receipts=later, fast=fast)
    assert last.verdict != "post"


@BOTH
@pytest.mark.parametrize("day", [DAY_ZERO, date(2026, 9, 9), None])
def test_a_receipt_of_before_that_a_feed_brings_as_well_does_not_count_twice(fast: bool, day: date | None) -> None:
    [result] = decided(
        bill("A", "41"), openings=[opening("100", "60")], receipts=[receipt("GR-OLD", "100", day)], fast=fast
    )
    assert codes(result) == ["match.quantity_over_received"]


@BOTH
def test_what_was_billed_ahead_of_its_goods_uses_up_the_goods_that_come(fast: bool) -> None:
    book = {"openings": [opening("10", "30")], "receipts": [receipt("GR-2", "50")]}
    [good] = decided(bill("A", "30"), fast=fast, **book)
    assert [(each.receipt_number, each.quantity) for each in good.allocations] == [("GR-2", 30)]
    [more] = decided(bill("A", "31"), fast=fast, **book)
    assert codes(more) == ["match.quantity_over_received"]


@BOTH
def test_goods_of_before_that_go_back_later_are_not_payable(fast: bool) -> None:
    back = receipt("RT-1", "50", kind="return")
    [result] = decided(bill("A", "40"), openings=[opening("100", "60")], receipts=[back], fast=fast)
    assert codes(result) == ["match.quantity_returned"]


@BOTH
def test_a_two_way_line_is_bounded_by_what_is_left_of_the_order(fast: bool) -> None:
    book = {"orders": [order(match="two_way")], "openings": [opening("0", "60")]}
    assert decided(bill("A", "40"), fast=fast, **book)[0].verdict == "post"
    assert codes(decided(bill("A", "41"), fast=fast, **book)[0]) == ["match.quantity_over_ordered"]


def test_a_four_way_line_counts_what_was_accepted_before_and_nothing_said_accepts_nothing() -> None:
    orders = [order(match="four_way")]
    said = opening("100", "60", accepted=Quantity("90"))
    assert decided(bill("A", "30"), orders=orders, openings=[said], fast=True)[0].verdict == "post"
    assert codes(decided(bill("A", "31"), orders=orders, openings=[said], fast=True)[0]) == [
        "match.quantity_over_accepted"
    ]
    assert decided(bill("A", "1"), orders=orders, openings=[opening("100", "60")], fast=True)[0].verdict != "post"


def test_a_line_ordered_by_value_has_left_what_was_not_billed_before() -> None:
    orders = [order(match="limit", limit=Amount("1000"))]
    said = opening("0", "0", billed_net=Amount("900"))
    assert decided(bill("A", "25"), orders=orders, openings=[said], fast=True)[0].verdict == "post"
    assert codes(decided(bill("A", "26"), orders=orders, openings=[said], fast=True)[0]) == [
        "match.amount_over_order_limit"
    ]


def test_opening_balances_that_nobody_stated_change_no_digest() -> None:
    [one] = decided(bill("A", "10"), receipts=[receipt("GR-1", "10")], fast=True)
    [other] = decided(bill("A", "10"), receipts=[receipt("GR-1", "10")], openings=[], billed_before=[], fast=True)
    assert one.inputs_digest == other.inputs_digest
    [third] = decided(bill("A", "10"), receipts=[receipt("GR-1", "10")], openings=[opening("1", "1")], fast=True)
    assert third.inputs_digest != one.inputs_digest


def before(
    number: str = "INV-2025/0100", gross: str = "40", day: date = date(2025, 12, 1), **more: Any
) -> BilledBefore:
    said: dict[str, Any] = {
        "company_code": "DE01",
        "supplier_id": "S1",
        "currency": "EUR",
        "net": Amount(gross),
        **more,
    }
    return BilledBefore(number=number, issued_on=day, gross=Amount(gross), **said)


@BOTH
@pytest.mark.parametrize(
    ("number", "day", "prior", "code"),
    [
        ("INV-2025/0100", date(2025, 12, 1), before(), "duplicate.exact"),
        ("inv-2025/0100 ", date(2025, 12, 20), before(), "duplicate.exact"),
        ("INV 1OO", date(2025, 12, 1), before(), "duplicate.probable"),
        ("inv-100a", date(2025, 12, 5), before(), "duplicate.probable"),
        ("INV-120", date(2025, 12, 1), before("INV-102"), "duplicate.probable"),
        ("INV-2025/0100", date(2025, 12, 1), before(company_code="PL02"), "duplicate.cross_entity"),
    ],
)
def test_a_bill_of_before_is_known_again(number: str, day: date, prior: BilledBefore, code: str, fast: bool) -> None:
    book = {"receipts": [receipt("GR-1", "100")], "billed_before": [prior]}
    [result] = decided(bill(number, "10", day=day), fast=fast, **book)
    assert codes(result) == [code]
    assert result.verdict == ("reject" if code == "duplicate.exact" else "hold")


@BOTH
def test_another_supplier_another_currency_and_a_credit_are_no_repeat(fast: bool) -> None:
    goods = [receipt("GR-1", "100")]
    for prior in (before(supplier_id="S2"), before(number="INV-777"), before(kind="credit_memo")):
        [result] = decided(
            bill("INV-2025/0100", "10", day=date(2025, 12, 1)), receipts=goods, billed_before=[prior], fast=fast
        )
        assert result.verdict == "post"


def credit(number: str, quantity: str, sequence: int = 2, **more: Any) -> Arrived:
    return bill(number, quantity, sequence, kind="credit_memo", **more)


def test_a_credit_may_take_back_what_was_billed_before_and_no_more() -> None:
    book = {"openings": [opening("100", "60", billed_net=Amount("240"))]}
    assert decided(credit("C", "60", 1), fast=True, **book)[0].verdict == "post"
    assert codes(decided(credit("C", "61", 1), fast=True, **book)[0]) == ["match.credit_over_billed"]
    dear = credit("C", "10", 1, net=Amount("400"), gross=Amount("400"))
    dear_line = InvoiceLine(
        1, order_number="P1", order_line=10, quantity=Quantity("10"), price=Price("40"), amount=Amount("400")
    )
    dear = Arrived("C", msgspec.structs.replace(dear.invoice, lines=(dear_line,)), TODAY, 1)
    assert codes(decided(dear, fast=True, **book)[0]) == ["match.credit_over_billed"]


def test_what_a_credit_took_back_of_before_may_be_billed_again_once() -> None:
    book = {"openings": [opening("100", "60")]}
    results = decided(credit("C", "20", 1), bill("A", "60", 2), bill("B", "1", 3), fast=True, **book)
    assert [result.verdict for result in results[:2]] == ["post", "post"]
    assert codes(results[2]) == ["match.quantity_over_received"]


def test_a_credit_that_names_an_original_of_before_takes_from_before_and_from_no_new_bill() -> None:
    book = {"openings": [opening("100", "60")], "billed_before": [before("RE-OLD")]}
    bills = [bill("A", "40", 1), credit("C", "60", 2, original="RE-OLD")]
    assert [result.verdict for result in decided(*bills, fast=True, **book)] == ["post", "post"]
    more = [bill("A", "40", 1), credit("C", "61", 2, original="re-old")]
    assert codes(decided(*more, fast=True, **book)[1]) == ["match.credit_over_billed"]
    orphan = decided(bill("A", "40", 1), credit("C", "60", 2, original="RE-NEVER"), fast=True, **book)
    assert codes(orphan[1]) == ["reference.credit_orphan"]


def test_an_invoice_named_as_original_of_before_in_another_company_is_not_known() -> None:
    book = {"openings": [opening("100", "60")], "billed_before": [before("RE-OLD", company_code="PL02")]}
    [result] = decided(credit("C", "10", 1, original="RE-OLD"), fast=True, **book)
    assert codes(result) == ["reference.credit_orphan"]


def test_a_bill_by_item_goes_to_the_line_that_is_not_billed_out() -> None:
    two = Order(
        number="P1",
        currency="EUR",
        supplier_id="S1",
        issued_on=date(2026, 9, 1),
        lines=tuple(
            OrderLine(line, item="MAT-1", quantity=Quantity("10"), price=Price("4.00"), match="two_way")
            for line in (10, 20)
        ),
    )
    asked = bill("A", "10")
    by_item = msgspec.structs.replace(asked.invoice.lines[0], order_line=None, item="MAT-1")
    asked = Arrived("A", msgspec.structs.replace(asked.invoice, lines=(by_item,)), TODAY, 1)
    for billed_out, other in ((10, 20), (20, 10)):
        begun = Opening("P1", billed_out, DAY_ZERO, Quantity("10"), Quantity("10"))
        [result] = decided(asked, orders=[two], openings=[begun], fast=True)
        assert (result.verdict, [pair.order_line for pair in result.pairs]) == ("post", [other])


def test_planned_freight_of_what_was_billed_before_is_not_due_again() -> None:
    planned = msgspec.structs.replace(order(), charges=(OrderCharge("freight", Amount("100")),))
    book = {"orders": [planned], "openings": [opening("100", "60")]}

    def with_freight(amount: str) -> Arrived:
        gross = Amount(160 + Decimal(amount))
        return bill("A", "40", net=gross, gross=gross, charges=(Allowance(Amount(amount), "freight"),))

    assert decided(with_freight("40"), fast=True, **book)[0].verdict == "post"
    assert codes(decided(with_freight("41"), fast=True, **book)[0]) == ["charge.over_planned"]


@settings(max_examples=150, deadline=None)
@given(
    received=st.integers(0, 12),
    billed=st.integers(0, 12),
    later=st.lists(st.tuples(st.sampled_from(["receipt", "return"]), st.integers(1, 8), st.booleans()), max_size=4),
    asked=st.lists(st.integers(1, 9), max_size=5),
)
def test_both_paths_agree_and_never_pay_more_than_came(
    received: int, billed: int, later: list[tuple[str, int, bool]], asked: list[int]
) -> None:
    receipts = [
        receipt(f"GR-{place}", str(quantity), DAY_ZERO if old else date(2026, 11, 3), kind=kind)
        for place, (kind, quantity, old) in enumerate(later)
    ]
    bills = [bill(f"RE-{place}x{place}", str(quantity), place) for place, quantity in enumerate(asked, 1)]
    book = {"openings": [opening(str(received), str(billed))], "receipts": receipts}
    quick, slow = decided(*bills, fast=True, **book), decided(*bills, fast=False, **book)
    assert [(one.verdict, codes(one), one.allocations) for one in quick] == [
        (one.verdict, codes(one), one.allocations) for one in slow
    ]
    came = received + sum(quantity if kind == "receipt" else -quantity for kind, quantity, old in later if not old)
    paid = sum(quantity for quantity, result in zip(asked, quick, strict=True) if result.verdict == "post")
    assert paid <= max(0, came - billed)
    taken: dict[str, Fraction] = {}
    for result in quick:
        if result.verdict == "post":
            for entry in result.allocations:
                taken[entry.receipt_number] = taken.get(entry.receipt_number, Fraction(0)) + entry.quantity
    assert taken.get(OPENING_RECEIPT, 0) <= max(0, received - billed)
