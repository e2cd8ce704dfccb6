"""Drawing up: what is due, posted and free becomes one payment for each supplier and account; twice is once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from support.house import House
from support.paying import FRIDAY, OTHER_ACCOUNT, THEIR_ACCOUNT, Treasury, invoice_id, paid_to, posted, recorded
from tripartite.components.payments.flows import draw_up, expire_old
from tripartite.core import codec
from tripartite.core.events import PAYMENT_EVENTS, PaymentChanged
from tripartite.core.money import Rate
from tripartite.core.objects import BankAccount


async def test_the_due_items_of_a_supplier_are_one_payment(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), posted("RE-1", "100.00"), posted("RE-2", "50.00"))
    await treasury.tell(posted("RE-3", "70.00", due_on=date(2026, 12, 31)))
    built = await treasury.build()
    assert built.created
    assert await house.rows("SELECT amount, state, account FROM payments.payment") == [
        (Decimal("150.000000"), "proposed", THEIR_ACCOUNT)
    ]
    assert built.proposal is not None
    assert (built.proposal.amount, built.proposal.persons) == (150, 2)
    assert built.proposal.execute_on == FRIDAY
    assert built.proposal.pay_until == date(2026, 11, 22)  # until the day before the next business day


async def test_the_same_run_twice_is_the_same_proposal_and_its_numbers_can_be_computed(
    house: House, treasury: Treasury
) -> None:
    await treasury.tell(recorded(), posted("RE-1", "100.00"))
    first = await treasury.build()
    again = await treasury.build()
    assert first.proposal is not None
    assert again.proposal is not None
    assert (first.created, again.created) == (True, False)
    assert first.proposal.number == again.proposal.number
    number = await house.value("SELECT number FROM payments.payment")
    assert number.startswith("DE01-261120-")
    assert len(number) <= 35
    assert await treasury.living() == 1


async def test_a_credit_memo_is_set_off_and_never_takes_a_payment_to_nothing(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), posted("RE-1", "100.00"))
    await treasury.tell(
        posted("GS-1", "30.00", kind="credit_memo", issued_on=date(2026, 11, 1)),
        posted("GS-2", "70.00", kind="credit_memo", issued_on=date(2026, 11, 3)),
        posted("GS-3", "20.00", kind="credit_memo", issued_on=date(2026, 11, 5)),
    )
    await treasury.build()
    assert await house.value("SELECT amount FROM payments.payment") == 50
    set_off = await house.rows("SELECT amount FROM payments.payment_item ORDER BY amount")
    assert [row[0] for row in set_off] == [-30, -20, 100]


async def test_credit_memos_alone_pay_nobody(treasury: Treasury) -> None:
    await treasury.tell(recorded(), posted("GS-1", "30.00", kind="credit_memo"))
    built = await treasury.build()
    assert built.proposal is None


async def test_a_discount_is_taken_while_its_day_has_not_passed(house: House, treasury: Treasury) -> None:
    terms = {"discount_percent": Rate("2"), "due_on": date(2026, 12, 10)}
    await treasury.tell(
        recorded(),
        posted("RE-1", "47.60", discount_days=18, **terms),  # until 20 November
        posted("RE-2", "100.00", discount_days=17, **terms),  # until yesterday
        posted("RE-3", "100.00", discount_days=27, **terms),  # the next run is early enough
    )
    await treasury.build()
    rows = await house.rows(
        "SELECT i.number, pi.amount, pi.discount FROM payments.payment_item pi JOIN payments.item i USING (invoice_id)"
    )
    assert rows == [("RE-1", Decimal("46.650000"), Decimal("0.950000"))]


async def test_two_accounts_of_one_supplier_are_two_payments(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(paid_to("10300001", THEIR_ACCOUNT, OTHER_ACCOUNT)))
    await treasury.tell(posted("RE-1", "10.00"), posted("RE-2", "20.00", remit_to=BankAccount(OTHER_ACCOUNT)))
    await treasury.build()
    rows = await house.rows("SELECT account, amount FROM payments.payment ORDER BY amount")
    assert rows == [(THEIR_ACCOUNT, 10), (OTHER_ACCOUNT, 20)]


async def test_an_item_in_another_currency_needs_an_account_in_it(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), posted("RE-1", "10.00", currency="USD"))
    assert (await treasury.build()).proposal is None
    assert await house.rows("SELECT 1 FROM payments.payment") == []


async def test_what_may_not_be_paid_is_left_out_with_its_reason(treasury: Treasury) -> None:
    await treasury.tell(recorded(), posted("RE-1", "10.00", blocked=True), posted("RE-2", "20.00"))
    built = await treasury.build()
    assert [(each["invoice_id"], each["kind"]) for each in built.left_out] == [(invoice_id("RE-1"), "erp_block")]
    assert built.proposal is not None
    assert built.proposal.amount == 20


async def test_the_schedule_draws_up_once_on_a_business_day_and_not_on_a_sunday(
    house: House, treasury: Treasury
) -> None:
    house.clock.turn(days=2)  # Sunday
    await treasury.tell(recorded(), posted("RE-1", "10.00"))
    await draw_up(house.ports)
    assert await house.rows("SELECT 1 FROM payments.proposal") == []
    house.clock.turn(days=1)
    await draw_up(house.ports)
    await treasury.tell(posted("RE-2", "20.00"))
    await draw_up(house.ports)
    rows = await house.rows("SELECT kind, amount, execute_on, proposed_person FROM payments.proposal")
    assert rows == [("schedule", 10, date(2026, 11, 23), "")]


async def test_a_proposal_that_nobody_released_in_time_gives_its_items_back(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), posted("RE-1", "10.00"))
    first = await treasury.build()
    house.clock.turn(days=3)
    await expire_old(house.ports)
    assert await treasury.living() == 0
    second = await treasury.build()
    assert first.proposal is not None
    assert second.proposal is not None
    assert second.proposal.number != first.proposal.number
    rows = await house.rows("SELECT state FROM payments.payment ORDER BY changed_at, state")
    assert sorted(row[0] for row in rows) == ["cancelled", "proposed"]


async def test_everybody_hears_of_a_payment_in_the_transaction_it_belongs_to(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), posted("RE-1", "10.00"))
    await treasury.build()
    await house.pump()
    told = await house.messages(PAYMENT_EVENTS, PaymentChanged)
    assert [(each.value.status, each.value.version) for each in told] == [("proposed", 1)]
    events = await house.rows("SELECT type, state, words FROM control.event WHERE object_kind = 'payment'")
    assert [(row[0], row[1]) for row in events] == [("tripartite.payment.proposed.v1", "proposed")]
    leaves = await house.rows("SELECT kind, record FROM audit.leaf WHERE kind LIKE 'payment%%'")
    assert [row[0] for row in leaves] == ["payment_proposal.drawn_up"]
    assert codec.plain_json(leaves[0][1])["by"] == "schedule"
