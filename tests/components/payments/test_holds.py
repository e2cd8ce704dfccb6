"""A hold is honoured by every route, before the proposal, between proposal and release, and until the bank has it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.house import House
from support.papers import SUPPLIER_ID
from support.paying import (
    OTHER_ACCOUNT,
    THEIR_ACCOUNT,
    Treasury,
    invoice_id,
    paid_to,
    person,
    posted,
    recorded,
    reported,
    transfer,
    trouble,
)
from tripartite.components.payments.acts import Hold, lift, place
from tripartite.components.payments.building import Refused
from tripartite.core.objects import BankAccount
from tripartite.runtime.bus import Outgoing

Fact = Callable[[], Outgoing]
HOLDS: dict[str, tuple[Fact, Fact]] = {
    "exception": (
        lambda: trouble(invoice_id("RE-1")),
        lambda: trouble(invoice_id("RE-1"), state="cleared", version=2),
    ),
    "exception of the supplier": (
        lambda: trouble(SUPPLIER_ID, "supplier.bank_change_unapproved"),
        lambda: trouble(SUPPLIER_ID, "supplier.bank_change_unapproved", state="cleared", version=2),
    ),
    "block in the ERP": (
        lambda: posted("RE-1", "100.00", version=3, blocked=True),
        lambda: posted("RE-1", "100.00", version=4),
    ),
    "supplier blocked": (
        lambda: recorded(paid_to(version=2, status="blocked")),
        lambda: recorded(paid_to(version=3)),
    ),
    "supplier suspended": (
        lambda: recorded(paid_to(version=2), suspended="supplier.risk_changed"),
        lambda: recorded(paid_to(version=3)),
    ),
    "account not confirmed": (
        lambda: recorded(paid_to(version=2), confirmed=()),
        lambda: recorded(paid_to(version=3)),
    ),
    "another account confirmed": (
        lambda: recorded(paid_to("10300001", OTHER_ACCOUNT, version=2)),
        lambda: recorded(paid_to("10300001", THEIR_ACCOUNT, version=3)),
    ),
}
# What another account stops is the payment to the old one; the item may be paid to the new one.
STOPPING_ITEMS = [name for name in HOLDS if name != "another account confirmed"]


@pytest.fixture
async def known(treasury: Treasury) -> Treasury:
    await treasury.tell(recorded(), posted("RE-1", "100.00"))
    return treasury


@pytest.mark.parametrize("name", STOPPING_ITEMS)
async def test_what_is_held_is_not_proposed_until_the_hold_is_gone(known: Treasury, name: str) -> None:
    placing, lifting = HOLDS[name]
    await known.tell(placing())
    built = await known.build()
    assert built.proposal is None
    assert [each["invoice_id"] for each in built.left_out] == [invoice_id("RE-1")]
    await known.tell(lifting())
    assert (await known.build()).proposal is not None


@pytest.mark.parametrize("name", HOLDS)
async def test_a_hold_after_the_proposal_takes_the_payment_out(known: Treasury, name: str) -> None:
    built = await known.build()
    assert built.proposal is not None
    await known.release(built.proposal.number, person("ada"))
    await known.tell(HOLDS[name][0]())
    assert await known.states() == {"RE-1": "cancelled"}
    assert await known.living() == 0
    assert isinstance(await known.release(built.proposal.number, person("ben")), Refused)
    assert await known.house.deliveries("send_payment_order") == []


@pytest.mark.parametrize("name", HOLDS)
async def test_a_hold_after_the_release_takes_the_order_back_and_nothing_leaves(known: Treasury, name: str) -> None:
    built = await known.build()
    assert built.proposal is not None
    await known.released(built.proposal.number)
    await known.tell(HOLDS[name][0]())
    assert await known.states() == {"RE-1": "cancelled"}
    rows = await known.house.rows("SELECT state, mode, detail FROM deliveries.delivery")
    assert rows == [("dead_letter", "observe", "A hold came before it left.")]
    await known.tell(HOLDS[name][1]())
    again = await known.build()
    assert again.proposal is not None
    assert again.created


async def test_the_others_of_an_order_that_was_taken_back_wait_for_two_new_releases(
    house: House, treasury: Treasury
) -> None:
    await treasury.tell(recorded(), recorded(paid_to("10300002")))
    await treasury.tell(posted("RE-1", "100.00"), posted("RE-2", "50.00", of="10300002"))
    built = await treasury.build()
    assert built.proposal is not None
    first = await treasury.released(built.proposal.number)
    await treasury.tell(trouble(invoice_id("RE-2")))
    assert await treasury.states() == {"RE-1": "proposed", "RE-2": "cancelled"}
    second = await treasury.released(built.proposal.number)
    assert second != first
    assert sorted(await house.deliveries("send_payment_order")) == ["dead_letter", "intended"]
    assert await treasury.states() == {"RE-1": "released", "RE-2": "cancelled"}


@pytest.mark.parametrize("name", HOLDS)
async def test_a_hold_after_sending_is_an_exception_that_ends_with_the_hold(known: Treasury, name: str) -> None:
    payment, order = await _sent(known)
    await known.tell(HOLDS[name][0]())
    assert await known.state(payment) == "sent"
    assert await known.open_codes() == ["approval.changed_after"]
    await known.tell(HOLDS[name][1]())
    assert await known.open_codes() == []
    await known.tell(reported(order, transfer(payment, "executed")))
    assert await known.state(payment) == "executed"


async def _sent(known: Treasury) -> tuple[str, str]:
    payment, order = await known.ordered(posted("RE-1", "100.00"))
    await known.tell(reported(order, status="received"))
    assert await known.state(payment) == "sent"
    return payment, order


async def test_a_delivery_that_a_worker_has_claimed_is_not_taken_back(known: Treasury) -> None:
    payment, _ = await known.ordered(posted("RE-1", "100.00"))
    await known.house.rows("UPDATE deliveries.delivery SET state = 'sending' RETURNING 1")
    await known.tell(trouble(invoice_id("RE-1")))
    assert await known.state(payment) == "released"
    assert await known.open_codes() == ["approval.changed_after"]
    assert await known.house.deliveries("send_payment_order") == ["sending"]


async def test_an_order_that_was_taken_back_is_not_sent_by_a_replay(known: Treasury) -> None:
    from tripartite.runtime.deliveries import claim_due
    from tripartite.runtime.replay import replay

    await known.ordered(posted("RE-1", "100.00"))
    await known.tell(trouble(invoice_id("RE-1")))
    house = known.house
    key = await house.value("SELECT key FROM deliveries.delivery")
    async with house.db.connection() as connection:
        await replay(connection, [key], by="somebody", now=house.clock.at, chance=house.ports.chance)
    house.clock.turn(3600)
    assert await claim_due(house.db, "our_bank", 10, 1, house.clock.at) == []


async def test_a_person_holds_an_invoice_and_who_lifts_it_does_not_pay_it(known: Treasury) -> None:
    built = await known.build()
    assert built.proposal is not None
    wanted = Hold(company_code="DE01", object_kind="invoice", object_id=invoice_id("RE-1"), why="Goods are disputed.")
    status, row = await known.act(lambda desk: place(desk, wanted, person("ada")))
    assert status == 201
    assert await known.states() == {"RE-1": "cancelled"}
    assert (await known.build()).proposal is None
    status, _ = await known.act(lambda desk: lift(desk, row["hold_id"], "Credit agreed.", person("ben")))
    assert status == 200
    again = await known.build()
    assert again.proposal is not None
    done = await known.release(again.proposal.number, person("ben-2", "ben"))
    assert isinstance(done, Refused)
    assert done.reason_code == "control.duties_in_conflict"


async def test_a_hold_of_a_supplier_stops_all_of_it_in_that_company_only(known: Treasury) -> None:
    wanted = Hold(company_code="DE01", object_kind="supplier", object_id=SUPPLIER_ID, why="Name on a list.")
    await known.act(lambda desk: place(desk, wanted, person("ada")))
    assert (await known.build()).proposal is None
    assert await known.house.value("SELECT count(*) FROM payments.held") == 1
    await known.tell(posted("RE-2", "10.00", company="AT04"))
    assert await known.house.value("SELECT count(*) FROM payments.held") == 1


async def test_an_account_on_the_invoice_that_is_not_the_masters_is_paid_by_nobody(known: Treasury) -> None:
    await known.tell(posted("RE-1", "100.00", version=3, remit_to=BankAccount(OTHER_ACCOUNT)))
    built = await known.build()
    assert [each["code"] for each in built.left_out] == ["supplier.bank_mismatch"]


async def test_a_supplier_nobody_recorded_is_not_paid(treasury: Treasury) -> None:
    await treasury.tell(posted("RE-1", "100.00"))
    built = await treasury.build()
    assert [each["code"] for each in built.left_out] == ["supplier.unknown"]


async def test_facts_late_doubled_and_reordered_end_in_the_same_state(house: House, treasury: Treasury) -> None:
    import random

    facts = [
        recorded(paid_to(version=1)),
        recorded(paid_to(version=2), confirmed=()),
        recorded(paid_to(version=3)),
        posted("RE-1", "100.00", version=2),
        posted("RE-1", "100.00", version=3, blocked=True, what="invoice.decided"),
        posted("RE-1", "90.00", version=4, what="invoice.decided"),
        trouble(invoice_id("RE-1")),
        trouble(invoice_id("RE-1"), state="cleared", version=2),
        trouble(invoice_id("RE-1"), "duplicate.probable"),
    ]
    expected = None
    for seed in range(6):
        chance = random.Random(seed)
        told = [*facts, *chance.sample(facts, 4)]
        chance.shuffle(told)
        for outgoing in told:
            await treasury.tell(outgoing)
        state = [
            await house.rows("SELECT invoice_id, version, amount, blocked, erp FROM payments.item"),
            await house.rows("SELECT supplier_id, version, status, confirmed FROM payments.supplier"),
            await house.rows("SELECT kind, code FROM payments.held ORDER BY 1, 2"),
        ]
        expected = expected or state
        assert state == expected, f"seed {seed}"
        assert state[0] == [(invoice_id("RE-1"), 4, 90, False, "sap")]
        assert state[2] == [("exception", "duplicate.probable")]
        await house.rows("DELETE FROM payments.item RETURNING 1")
        await house.rows("DELETE FROM payments.supplier RETURNING 1")
        await house.rows("DELETE FROM payments.block RETURNING 1")


@pytest.mark.parametrize(
    ("reason", "taken"), [("integration.retries_exhausted", True), ("posting.outcome_unknown", False)]
)
async def test_a_dead_letter_is_taken_back_only_where_it_surely_never_arrived(
    known: Treasury, reason: str, taken: bool
) -> None:
    payment, _ = await known.ordered(posted("RE-1", "100.00"))
    await known.house.rows("UPDATE deliveries.delivery SET state = 'dead_letter', reason_code = %s RETURNING 1", reason)
    await known.tell(trouble(invoice_id("RE-1")))
    assert await known.state(payment) == ("cancelled" if taken else "released")
    assert await known.open_codes() == ([] if taken else ["approval.changed_after"])
