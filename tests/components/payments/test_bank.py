"""The bank's answers: where a payment stands, what opens again, what treasury must see, who hears of it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from support.house import House
from support.paying import (
    Treasury,
    delivered,
    entry,
    invoice_id,
    paid_to,
    person,
    posted,
    recorded,
    reported,
    stated,
    transfer,
    trouble,
)
from support.times import MORNING
from tripartite.components.payments.acts import reopen
from tripartite.connectors import registry
from tripartite.core import codec
from tripartite.core.events import EXCEPTION_EVENTS
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.objects import Payment
from tripartite.core.objects.notice import PaymentReported
from tripartite.core.paying.life import TRANSITIONS
from tripartite.runtime.bus import Outgoing


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("received", "sent"),
        ("accepted", "sent"),
        ("pending", "sent"),
        ("partly", "sent"),
        ("executed", "executed"),
        ("credited", "executed"),
        ("rejected", "rejected"),
        ("cancelled", "cancelled"),
    ],
)
async def test_what_the_bank_says_of_an_order_holds_for_its_payments(
    treasury: Treasury, status: str, state: str
) -> None:
    payment, order = await treasury.ordered()
    await treasury.tell(reported(order, status=status))
    assert await treasury.state(payment) == state


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("settled", "sent"), ("accepted", "sent"), ("unknown", "sent"), ("waiting", "released"), ("rejected", "rejected")],
)
async def test_the_delivery_says_whether_the_bank_has_the_order(treasury: Treasury, outcome: str, state: str) -> None:
    payment, order = await treasury.ordered()
    await treasury.tell(delivered(order, outcome))
    assert await treasury.state(payment) == state


async def test_an_order_that_did_not_arrive_is_an_exception_and_opens_nothing(treasury: Treasury) -> None:
    payment, order = await treasury.ordered()
    await treasury.tell(delivered(order, "dead_letter", "no answer"))
    assert await treasury.state(payment) == "released"
    assert await treasury.open_codes() == ["integration.retries_exhausted"]
    assert await treasury.living() == 1, "nobody knows whether it is there; nothing is paid anew"
    await treasury.tell(delivered(order, "settled"))
    assert await treasury.open_codes() == []


async def test_a_refused_transfer_opens_its_items_and_the_others_go_on(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), recorded(paid_to("10300002")))
    await treasury.tell(posted("RE-1", "100.00"), posted("RE-2", "50.00", of="10300002"))
    built = await treasury.build()
    assert built.proposal is not None
    order = await treasury.released(built.proposal.number)
    rows = await house.rows(
        "SELECT i.number, pi.number FROM payments.payment_item pi JOIN payments.item i USING (invoice_id)"
    )
    of = dict(rows)
    await treasury.tell(reported(order, transfer(of["RE-1"], "rejected", "AC04"), status="partly"))
    assert await treasury.states() == {"RE-1": "rejected", "RE-2": "sent"}
    assert await treasury.open_codes() == ["payment.rejected"]
    record = (await house.messages(EXCEPTION_EVENTS, ExceptionRecord))[-1]
    assert (record.object_kind, record.object_id, record.owner_role) == ("payment", of["RE-1"], "treasury")
    assert "AC04" in record.words
    assert await house.value("SELECT count(*) FROM control.exception WHERE reason_code = 'payment.rejected'") == 1
    await treasury.tell(stated(entry("E-1", "50.00", payment_number=of["RE-2"])))
    assert await treasury.states() == {"RE-1": "rejected", "RE-2": "executed"}


async def test_what_failed_is_paid_anew_once_a_person_has_settled_it(house: House, treasury: Treasury) -> None:
    first, order = await treasury.ordered(posted("RE-1", "100.00"))
    await treasury.tell(reported(order, transfer(first, "rejected", "AC01")))
    held = await treasury.build()
    assert held.proposal is None or held.proposal.state != "open"
    assert [(each["kind"], each["code"]) for each in held.left_out] == [("bank", "payment.rejected")]
    await treasury.act(lambda desk: reopen(desk, first, "The supplier gave its account by call-back.", person("ada")))
    assert await treasury.open_codes() == []
    again = await treasury.build()
    assert again.proposal is not None
    assert again.created
    second = await house.value("SELECT number FROM payments.payment_item WHERE living")
    assert second != first
    done = await treasury.release(again.proposal.number, person("ada"))
    assert done.reason_code == "control.duties_in_conflict"
    for name in ("ben", "cleo"):
        done = await treasury.release(again.proposal.number, person(name))
    assert done.order_number not in ("", order)
    await treasury.tell(stated(entry("E-1", "100.00", payment_number=second)))
    assert await treasury.state(second) == "executed"
    assert await treasury.state(first) == "rejected"


async def test_money_that_left_and_came_back_opens_its_items(house: House, treasury: Treasury) -> None:
    payment, order = await treasury.ordered(posted("RE-1", "100.00"))
    await treasury.tell(reported(order, transfer(payment, "executed")))
    await treasury.tell(stated(entry("E-1", "100.00", payment_number=payment)))
    assert await treasury.living() == 1
    back = entry("E-2", "100.00", "credit", payment_number=payment, return_reason="AC04", booked_on=date(2026, 11, 25))
    await treasury.tell(stated(back, number="S-2"))
    assert await treasury.state(payment) == "returned"
    assert await treasury.living() == 0
    assert await treasury.open_codes() == ["payment.returned"]
    rows = await house.rows("SELECT reason, executed_on FROM payments.payment")
    assert rows == [("AC04", date(2026, 11, 23))]


async def test_a_refusal_of_the_whole_order_disarms_its_delivery(house: House, treasury: Treasury) -> None:
    payment, order = await treasury.ordered()
    await treasury.tell(reported(order, status="rejected"))
    assert await treasury.state(payment) == "rejected"
    rows = await house.rows("SELECT state, mode FROM deliveries.delivery")
    assert rows == [("dead_letter", "observe")]


async def test_a_debit_that_is_no_payment_of_ours_is_for_treasury(house: House, treasury: Treasury) -> None:
    await treasury.ordered(posted("RE-1", "100.00"))
    await treasury.tell(stated(entry("E-9", "12.34", text="Fees"), entry("E-8", "5.00", status="pending")))
    assert await treasury.open_codes() == ["payment.debit_without_item"]
    rows = await house.rows("SELECT object_kind, company_code FROM payments.exception")
    assert rows == [("bank_entry", "DE01")]
    await treasury.tell(stated(entry("E-9", "12.34", text="Fees"), kind="notification", number="N-1"))
    assert len(await treasury.open_codes()) == 1, "told twice, one exception"


async def test_a_debit_of_another_amount_is_for_treasury(treasury: Treasury) -> None:
    payment, _ = await treasury.ordered(posted("RE-1", "100.00"))
    await treasury.tell(stated(entry("E-1", "101.00", payment_number=payment)))
    assert await treasury.open_codes() == ["payment.debit_without_item"]
    assert await treasury.state(payment) == "executed"


async def test_a_payment_that_was_debited_twice_is_a_double_payment(treasury: Treasury) -> None:
    payment, _ = await treasury.ordered(posted("RE-1", "100.00"))
    await treasury.tell(
        stated(entry("E-1", "100.00", payment_number=payment), entry("E-2", "100.00", payment_number=payment))
    )
    assert await treasury.open_codes() == ["duplicate.payment"]


async def test_a_payment_that_leaves_after_its_items_were_paid_anew_is_a_double_payment(
    house: House, treasury: Treasury
) -> None:
    first, order = await treasury.ordered(posted("RE-1", "100.00"))
    await treasury.tell(reported(order, transfer(first, "rejected", "MS03")))
    await treasury.act(lambda desk: reopen(desk, first, "The bank says it is gone.", person("zoe")))
    again = await treasury.build()
    assert again.proposal is not None
    second = await house.value("SELECT number FROM payments.payment_item WHERE living")
    await treasury.tell(stated(entry("E-1", "100.00", payment_number=first)))
    assert await treasury.state(first) == "executed"
    assert "duplicate.payment" in await treasury.open_codes()
    assert await treasury.state(second) == "cancelled", "the second had not left: it is stopped"


async def test_one_booking_of_the_whole_order_executes_what_was_not_refused(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), recorded(paid_to("10300002")))
    await treasury.tell(posted("RE-1", "100.00"), posted("RE-2", "50.00", of="10300002"))
    built = await treasury.build()
    assert built.proposal is not None
    order = await treasury.released(built.proposal.number)
    number = await house.value("SELECT number FROM payments.payment WHERE amount = 100")
    await treasury.tell(stated(entry("E-1", "50.00", order_number=order, count=1)))
    assert await treasury.open_codes() == ["payment.debit_without_item"]
    await treasury.tell(reported(order, transfer(number, "rejected", "AC01")))
    assert await treasury.states() == {"RE-1": "rejected", "RE-2": "executed"}
    assert await treasury.open_codes() == ["payment.rejected"]


async def test_a_statement_of_an_account_that_is_not_ours_changes_nothing(house: House, treasury: Treasury) -> None:
    import msgspec

    payment, _ = await treasury.ordered()
    outgoing = stated(entry("E-1", "47.60", payment_number=payment))
    payload = outgoing.message.payload.replace(b"DE89370400440532013000", b"GB33BUKB20201555555555")
    await treasury.tell(Outgoing(outgoing.topic, msgspec.structs.replace(outgoing.message, payload=payload)))
    assert await treasury.state(payment) == "released"
    assert await house.rows("SELECT 1 FROM payments.entry") == []


# Who hears of it


async def test_the_side_the_invoice_came_from_hears_that_it_is_paid_once(house: House, treasury: Treasury) -> None:
    payment, order = await treasury.ordered(
        posted("RE-1", "100.00", source_document="cap-1"),
        posted("GS-1", "30.00", kind="credit_memo", source_document="cap-2"),
    )
    await treasury.tell(reported(order, transfer(payment, "executed")))
    booked = entry("E-1", "70.00", payment_number=payment, booked_on=date(2026, 11, 24))
    await treasury.tell(stated(booked))  # the day is known better now; nobody is told twice
    rows = await house.rows(
        "SELECT payload FROM deliveries.delivery WHERE operation = 'report_payment' ORDER BY object_id"
    )
    told = {each.invoice_number: each for each in (codec.decode_own(row[0], PaymentReported) for row in rows)}
    assert sorted(told) == ["GS-1", "RE-1"]
    assert (told["RE-1"].amount, told["GS-1"].amount) == (100, 30)
    assert told["RE-1"].source_document_id == "cap-1"
    assert told["RE-1"].payment_number == payment
    assert await house.value("SELECT executed_on FROM payments.payment") == date(2026, 11, 24)


async def test_the_erp_hears_of_money_that_left_and_came_back_where_it_can(house: House, treasury: Treasury) -> None:
    payment, order = await treasury.ordered(posted("RE-1", "100.00", document="5105600001/2026"))
    await treasury.tell(reported(order, transfer(payment, "executed")))
    back = entry("E-2", "100.00", "credit", payment_number=payment, return_reason="AC04")
    await treasury.tell(stated(back))
    rows = await house.rows(
        "SELECT connection, payload FROM deliveries.delivery WHERE operation = 'record_payment' ORDER BY object_version"
    )
    can = "record_payment" in registry.manifest("sap_s4hana").writes
    to_sap = [codec.decode_own(row[1], Payment) for row in rows if row[0] == "sap"]
    assert [each.status for each in to_sap] == (["executed", "returned"] if can else [])
    for each in to_sap:
        assert [(item.document, item.year) for item in each.items] == [("5105600001", "2026")]
    listed = {
        each.name
        for each in house.ports.estate.connections
        if each.kind in registry.kinds() and "record_payment" in registry.manifest(each.kind).writes
    }
    assert {row[0] for row in rows} <= listed, "nothing is owed to who cannot"


async def test_the_machine_of_the_database_is_that_of_the_core(house: House) -> None:
    rows = await house.rows("SELECT from_state, to_state FROM payments.transition")
    assert set(rows) == TRANSITIONS


async def test_an_exception_of_ours_does_not_hold_its_own_payment(treasury: Treasury) -> None:
    payment, order = await treasury.ordered(posted("RE-1", "100.00"))
    await treasury.tell(reported(order, status="received"))
    await treasury.tell(trouble(invoice_id("RE-1")))
    assert await treasury.open_codes() == ["approval.changed_after"]
    await treasury.tell(reported(order, transfer(payment, "executed"), at=MORNING + timedelta(hours=1)))
    assert await treasury.open_codes() == [], "it left; what follows is between us and the supplier"


async def test_who_did_not_hear_of_a_payment_is_an_exception_until_they_do(house: House, treasury: Treasury) -> None:
    from tripartite.runtime.protocol import Rejected
    from tripartite.runtime.replay import replay

    payment, order = await treasury.ordered(posted("RE-1", "100.00", source_document="cap-1"))
    house.remotes["capture"].script.append(Rejected("404", "no such document"))
    await treasury.tell(reported(order, transfer(payment, "executed")))
    await house.deliver("capture")
    await house.pump()
    assert await treasury.open_codes() == ["payment.status_late"]
    assert await treasury.state(payment) == "executed"
    await treasury.tell(stated(entry("E-1", "100.00", payment_number=payment)))
    assert await treasury.open_codes() == ["payment.status_late"], "the bank's word does not clear it"
    key = await house.value("SELECT key FROM deliveries.delivery WHERE operation = 'report_payment'")
    async with house.db.connection() as connection:
        await replay(connection, [key], by="somebody", now=house.clock.at, chance=house.ports.chance)
    await house.deliver("capture")
    await house.pump()
    assert await treasury.open_codes() == []


async def test_money_that_came_back_for_nothing_we_know_is_for_treasury(treasury: Treasury) -> None:
    _, order = await treasury.ordered(posted("RE-1", "100.00"))
    await treasury.tell(
        stated(
            entry("E-1", "12.00", "credit", return_reason="AC04", payment_number="NOTPROVIDED"),
            entry("E-2", "13.00", "credit", return_reason="AC04", order_number=order),
            entry("E-3", "14.00", "credit"),
        )
    )
    assert await treasury.open_codes() == ["payment.returned", "payment.returned"]
