"""The numbers and sums of a run, as values: what is set off, what is taken off, what is the same run."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tripartite.core.money import Amount, Rate
from tripartite.core.objects import BankAccount
from tripartite.core.paying.life import LIVING, STATES, TRANSITIONS
from tripartite.core.paying.proposing import (
    OpenItem,
    Payee,
    Run,
    content_hash,
    discount_of,
    order_number,
    proposal_number,
    propose,
)

DAY = date(2026, 11, 20)
ACCOUNT = BankAccount("FR1420041010050500013M02606")
RUN = Run(
    company_code="DE01", account=BankAccount("DE89370400440532013000"), currency="EUR", pay_until=DAY, execute_on=DAY
)
PAYEES = {name: Payee(name) for name in ("s1", "s2")}


def item(number: str, amount: str, **further: object) -> OpenItem:
    known: dict[str, object] = {
        "invoice_id": number,
        "invoice_number": number,
        "supplier_id": "s1",
        "currency": "EUR",
        "amount": Amount(amount),
        "credit": False,
        "account": ACCOUNT,
        "due_on": DAY,
        **further,
    }
    return OpenItem(**known)  # type: ignore[arg-type]


_items = st.lists(
    st.builds(
        lambda place, cents, credit, supplier: (place, cents, credit, supplier),
        st.integers(0, 30),
        st.integers(1, 50_000),
        st.booleans(),
        st.sampled_from(["s1", "s2"]),
    ),
    max_size=15,
    unique_by=lambda row: row[0],
)


@given(_items, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_every_payment_moves_money_and_takes_each_item_whole_and_once(rows: list[tuple], chance: object) -> None:
    items = [
        item(f"I{place}", str(Decimal(cents) / 100), credit=credit, supplier_id=supplier)
        for place, cents, credit, supplier in rows
    ]
    payments = propose(RUN, items, PAYEES)
    paid = [line for payment in payments for line in payment.items]
    assert len({line.invoice_id for line in paid}) == len(paid)
    known = {each.invoice_id: each for each in items}
    for payment in payments:
        assert payment.amount > 0
        assert payment.amount == sum(line.amount for line in payment.items)
        for line in payment.items:
            assert abs(line.amount) == known[line.invoice_id].amount
            assert (line.amount < 0) == known[line.invoice_id].credit
            assert known[line.invoice_id].supplier_id == payment.supplier_id
    assert {each.invoice_id for each in items if not each.credit} <= {line.invoice_id for line in paid}
    shuffled = list(items)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    again = propose(RUN, shuffled, PAYEES)
    assert [each.number for each in again] == [each.number for each in payments]
    assert content_hash(RUN, again) == content_hash(RUN, payments)
    for number in [*(each.number for each in payments), proposal_number(RUN, payments), order_number(RUN, "x")]:
        assert len(number) <= 35
        assert set(number) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


def test_what_failed_once_is_paid_under_another_number() -> None:
    (first,) = propose(RUN, [item("I1", "10.00")], PAYEES)
    (second,) = propose(RUN, [item("I1", "10.00", attempt=1)], PAYEES)
    assert first.number != second.number


def test_another_account_amount_or_day_is_another_content() -> None:
    import msgspec

    (payment,) = propose(RUN, [item("I1", "10.00")], PAYEES)
    changes = [
        {"account": BankAccount("NL91ABNA0417164300")},
        {"amount": Amount("10.01")},
        {"items": ()},
        {"supplier_name": "Somebody else"},
    ]
    hashes = {content_hash(RUN, [msgspec.structs.replace(payment, **each)]) for each in changes}
    hashes |= {
        content_hash(RUN, [payment]),
        content_hash(msgspec.structs.replace(RUN, execute_on=date(2026, 11, 23)), [payment]),
    }
    assert len(hashes) == 6
    assert content_hash(RUN, [msgspec.structs.replace(payment, status="released", version=4)]) in hashes


@pytest.mark.parametrize(
    ("amount", "percent", "currency", "discount"),
    [
        ("47.60", "2", "EUR", "0.95"),
        ("0.25", "2", "EUR", "0.00"),  # 0.005: half-even
        ("0.75", "2", "EUR", "0.02"),  # 0.015: half-even
        ("1000", "3", "JPY", "30"),
        ("100.00", "2.5", "EUR", "2.50"),
    ],
)
def test_a_discount_is_rounded_once_to_the_minor_unit(amount: str, percent: str, currency: str, discount: str) -> None:
    assert discount_of(Amount(amount), Rate(percent), currency) == Decimal(discount)


def test_a_discount_that_the_next_run_would_lose_makes_an_item_due() -> None:
    late = {"due_on": date(2026, 12, 20), "discount": Amount("1.00")}
    run = Run(company_code="DE01", account=RUN.account, currency="EUR", pay_until=date(2026, 11, 22), execute_on=DAY)
    (payment,) = propose(
        run,
        [
            item("I1", "10.00", discount_on=date(2026, 11, 22), **late),
            item("I2", "20.00", discount_on=date(2026, 11, 23), **late),
            item("I3", "40.00", discount_on=date(2026, 11, 19), **late),
        ],
        PAYEES,
    )
    assert [(line.invoice_id, line.amount) for line in payment.items] == [("I1", Amount("9.00"))]


def test_from_every_state_but_the_last_a_payment_can_go_on_and_money_never_comes_back_to_life() -> None:
    assert {before for before, _ in TRANSITIONS} == set(STATES) - {"returned"}
    assert not [(before, after) for before, after in TRANSITIONS if before == "executed" and after in LIVING]
