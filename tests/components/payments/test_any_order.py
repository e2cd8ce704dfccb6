"""Reports, statements and outcomes in any order, late and doubled, end in the same state; and no money moves twice."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.house import House
from support.paying import Treasury, delivered, entry, invoice_id, paid_to, posted, recorded, reported, stated, transfer
from tripartite.core.money import Amount
from tripartite.core.objects import BankEntry, PaymentReport, TransferReport
from tripartite.core.paying.life import TRANSITIONS
from tripartite.core.paying.standing import Facts, stand

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
AMOUNTS = {"P-1": Amount("100.00"), "P-2": Amount("50.00"), "P-3": Amount("25.00")}

_statuses = st.sampled_from(["received", "accepted", "pending", "executed", "credited", "rejected", "cancelled"])
_transfers = st.lists(
    st.builds(TransferReport, number=st.sampled_from(sorted(AMOUNTS)), status=_statuses, word=st.just("W")), max_size=3
)
_reports = st.builds(
    PaymentReport,
    number=st.sampled_from(["R-1", "R-2", "R-3"]),
    order_number=st.just("O"),
    reported_at=st.integers(0, 5).map(lambda hours: AT + timedelta(hours=hours)),
    status=st.sampled_from(["", "received", "accepted", "partly", "executed", "rejected"]),
    transfers=_transfers.map(tuple),
)
_entries = st.builds(
    BankEntry,
    key=st.sampled_from(["E-1", "E-2", "E-3", "E-4"]),
    amount=st.sampled_from([*AMOUNTS.values(), Amount("175.00"), Amount("75.00")]),
    direction=st.sampled_from(["debit", "credit"]),
    status=st.sampled_from(["booked", "pending"]),
    booked_on=st.just(date(2026, 11, 23)),
    payment_number=st.sampled_from(["", *sorted(AMOUNTS)]),
    order_number=st.just("O"),
    return_reason=st.sampled_from(["", "AC04"]),
)
_facts = st.lists(st.one_of(_reports, _entries, st.sampled_from(["settled", "accepted", "rejected"])), max_size=7)


def known(facts: list[Any]) -> Facts:
    entries = {each.key: each for each in sorted((f for f in facts if isinstance(f, BankEntry)), key=repr)}
    return Facts(
        [each for each in dict.fromkeys(facts) if isinstance(each, PaymentReport)],
        [each for each in facts if isinstance(each, BankEntry) and entries[each.key] == each],
        {each for each in facts if isinstance(each, str)},
    )


@given(_facts, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_the_standing_does_not_depend_on_the_order_in_which_facts_came(facts: list[Any], chance: Any) -> None:
    before = known(facts)
    shuffled = [[*part] for part in (before.reports, before.entries)]
    for part in shuffled:
        chance.shuffle(part)
    after = Facts(shuffled[0], shuffled[1], before.delivery)
    one, other = stand(AMOUNTS, before), stand(AMOUNTS, after)
    for number in AMOUNTS:
        first, second = one[number], other[number]
        assert (first.status, first.reason, first.executed_on) == (second.status, second.reason, second.executed_on)
        assert sorted(each.code for each in first.findings) == sorted(each.code for each in second.findings)


@given(st.lists(_reports, max_size=6))
@settings(max_examples=200, deadline=None)
def test_with_every_further_report_a_payment_stays_or_goes_on(reports: list[PaymentReport]) -> None:
    states = dict.fromkeys(AMOUNTS, "released")
    for count in range(len(reports) + 1):
        for number, standing in stand(AMOUNTS, Facts(reports[:count])).items():
            assert standing.status == states[number] or (states[number], standing.status) in TRANSITIONS
            states[number] = standing.status


def test_money_that_moved_outranks_every_word() -> None:
    said = PaymentReport("R-1", "O", AT, transfers=(TransferReport("P-1", "rejected", "RJCT", "AC01"),))
    debit = BankEntry("E-1", Amount("100.00"), "debit", "booked", date(2026, 11, 23), payment_number="P-1")
    found = stand(AMOUNTS, Facts([said], [debit]))["P-1"]
    assert found.status == "executed"
    assert [each.code for each in found.findings] == ["integration.state_differs"]


async def _two_payments(treasury: Treasury) -> tuple[str, str, str]:
    await treasury.tell(recorded(), recorded(paid_to("10300002")))
    await treasury.tell(
        posted("RE-1", "100.00", source_document="cap-1"), posted("RE-2", "50.00", of="10300002", source_document="c-2")
    )
    built = await treasury.build()
    assert built.proposal is not None
    order = await treasury.released(built.proposal.number)
    rows = dict(await treasury.house.rows("SELECT amount::int, number FROM payments.payment"))
    return order, rows[100], rows[50]


def _story(order: str, one: str, two: str) -> list[Any]:
    """ACSC, then a return of the one; the other refused after it was taken in; told by report, notice and statement."""
    later = AT + timedelta(hours=2)
    debit = entry("E-1", "100.00", payment_number=one)
    back = entry("E-2", "100.00", "credit", payment_number=one, return_reason="AC04")
    return [
        delivered(order, "settled"),
        reported(order, status="accepted", at=AT),
        reported(order, transfer(one, "executed"), transfer(two, "rejected", "AC01"), status="partly", at=later),
        stated(debit, kind="notification", number="N-1"),
        stated(debit, back, number="S-1"),
    ]


ORDERS = list(itertools.permutations(range(5)))


@pytest.mark.parametrize("place", range(0, 120, 8))
async def test_the_same_news_in_any_order_and_twice_end_in_the_same_state(
    house: House, treasury: Treasury, place: int
) -> None:
    order, one, two = await _two_payments(treasury)
    news = _story(order, one, two)
    told = [news[index] for index in ORDERS[place]]
    for outgoing in (*told, told[0], told[-1]):
        await treasury.tell(outgoing)
    assert await treasury.state(one) == "returned"
    assert await treasury.state(two) == "rejected"
    assert await treasury.living() == 0
    assert await treasury.open_codes() == ["payment.rejected", "payment.returned"]
    rows = await house.rows("SELECT number, reason, executed_on FROM payments.payment ORDER BY amount")
    assert rows == [(two, "AC01", None), (one, "AC04", date(2026, 11, 23))]
    reports = await house.rows("SELECT object_id FROM deliveries.delivery WHERE operation = 'report_payment'")
    assert reports in ([], [(f"{one}/{invoice_id('RE-1')}",)]), "told as paid at most once, and only what left"
