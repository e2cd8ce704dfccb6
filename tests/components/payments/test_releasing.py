"""Two persons: who may let money go, of what, and what is owed to the bank in the same moment."""

from __future__ import annotations

from typing import Any

import pytest

from support.estates import baseline_pack
from support.house import House
from support.paying import (
    OUR_ACCOUNT,
    THEIR_ACCOUNT,
    Treasury,
    invoice_id,
    person,
    posted,
    recorded,
    trouble,
)
from tripartite.components.payments.building import Refused
from tripartite.core import codec
from tripartite.core.ids import digest
from tripartite.core.objects import PaymentOrder


async def proposed(treasury: Treasury, by: Any = None, amount: str = "100.00") -> str:
    await treasury.tell(recorded(), posted("RE-1", amount))
    built = await treasury.build(by)
    assert built.proposal is not None
    return built.proposal.number


async def orders(house: House) -> list[PaymentOrder]:
    rows = await house.rows("SELECT payload FROM deliveries.delivery WHERE operation = 'send_payment_order'")
    return [codec.decode_own(row[0], PaymentOrder) for row in rows]


def refusal(done: Any) -> str:
    assert isinstance(done, Refused), done
    return done.reason_code


async def test_the_second_release_owes_the_order_to_the_bank(house: House, treasury: Treasury) -> None:
    number = await proposed(treasury)
    await treasury.release(number, person("ada"))
    assert await orders(house) == []
    done = await treasury.release(number, person("ben"))
    assert done.state == "released"
    (order,) = await orders(house)
    assert (order.number, order.amount, order.currency) == (done.order_number, 100, "EUR")
    assert (order.account.account, order.company_name) == (OUR_ACCOUNT, "Norddal GmbH")
    (payment,) = order.payments
    assert payment.account is not None
    assert (payment.account.account, payment.status) == (THEIR_ACCOUNT, "released")
    assert [item.invoice_number for item in payment.items] == ["RE-1"]
    rows = await house.rows("SELECT connection, mode, state, object_version, pay_by FROM deliveries.delivery")
    assert rows == [("our_bank", "act", "intended", 1, done.execute_on)]
    kept = await house.value("SELECT digest FROM payments.payment_order")
    assert kept == digest(codec.encode(order)), "what was released is what is sent"
    kinds = {row[0] for row in await house.rows("SELECT kind FROM audit.leaf")}
    assert kinds >= {"payment_proposal.release", "payment_proposal.released", "payment.released"}


async def test_one_person_releases_once_whatever_accounts_they_have(house: House, treasury: Treasury) -> None:
    number = await proposed(treasury)
    for account in ("ada", "ada-admin", "ada"):
        done = await treasury.release(number, person(account, "Ada  Vogt"))
        assert not isinstance(done, Refused)
    assert await house.value("SELECT count(*) FROM payments.release") == 1
    assert await house.value("SELECT state FROM payments.proposal") == "open"
    assert await orders(house) == []


async def test_the_proposer_of_a_manual_run_does_not_release_it_under_any_account(
    house: House, treasury: Treasury
) -> None:
    number = await proposed(treasury, person("ada", "Ada Vogt"))
    assert refusal(await treasury.release(number, person("ada-2", "ada vogt"))) == "control.duties_in_conflict"
    await treasury.release(number, person("ben"))
    done = await treasury.release(number, person("cleo"))
    assert done.state == "released"
    assert await house.value("SELECT proposed_person FROM payments.proposal") == "ada vogt"


async def test_a_service_account_releases_nothing(treasury: Treasury) -> None:
    number = await proposed(treasury)
    robot = person("robot", kind="machine")
    assert not robot.may("payment.release")
    assert refusal(await treasury.release(number, robot)) == "access.not_permitted"


async def test_who_lifted_an_exception_neither_proposes_nor_releases_the_payment(
    house: House, treasury: Treasury
) -> None:
    about = invoice_id("RE-1")
    await treasury.tell(trouble(about, state="released", version=2, released_by=("Ada Vogt",)))
    number = await proposed(treasury)
    assert refusal(await treasury.release(number, person("ada", "Ada Vogt"))) == "control.duties_in_conflict"
    await treasury.tell(posted("RE-2", "5.00"), trouble(invoice_id("RE-2"), state="released", released_by=("ben",)))
    built = await treasury.build(person("ben"))
    assert [each["code"] for each in built.left_out] == ["control.duties_in_conflict"]


async def test_a_large_proposal_takes_three_people(house: House, treasury: Treasury) -> None:
    number = await proposed(treasury, amount="250000.01")
    assert await house.value("SELECT persons FROM payments.proposal") == 3
    for name in ("ada", "ben"):
        await treasury.release(number, person(name))
    assert await orders(house) == []
    done = await treasury.release(number, person("cleo"))
    assert done.state == "released"
    assert done.policy_row == "payment_release/three-eur"


@pytest.mark.parametrize(("amount", "persons"), [("0.01", 2), ("250000.00", 2), ("250000.01", 3)])
def test_the_baseline_says_how_many_release(amount: str, persons: int) -> None:
    from datetime import date

    from tripartite.core.money import Amount

    found = baseline_pack().payment_release("DE01", "EUR", date(2026, 11, 20), Amount(amount))
    assert found is not None
    assert found[0] == persons


async def test_a_release_is_of_what_was_shown(house: House, treasury: Treasury) -> None:
    number = await proposed(treasury)
    assert refusal(await treasury.release(number, person("ada"), "0" * 64)) == "approval.changed_after"
    await treasury.release(number, person("ada"))
    shown = await house.value("SELECT content_hash FROM payments.proposal")
    await treasury.tell(posted("RE-1", "90.00", version=3))  # less is payable than was proposed: it is taken out
    assert await house.value("SELECT state FROM payments.proposal") == "cancelled"
    assert refusal(await treasury.release(number, person("ben"), shown)) == "integration.version_stale"


async def test_a_change_of_one_payment_voids_the_release_of_the_rest(house: House, treasury: Treasury) -> None:
    from support.paying import paid_to

    await treasury.tell(recorded(), recorded(paid_to("10300002")))
    await treasury.tell(posted("RE-1", "100.00"), posted("RE-2", "50.00", of="10300002"))
    built = await treasury.build()
    assert built.proposal is not None
    number = built.proposal.number
    await treasury.release(number, person("ada"))
    await treasury.tell(trouble(invoice_id("RE-2")))
    rows = await house.rows("SELECT state, amount FROM payments.proposal")
    assert rows == [("open", 100)]
    await treasury.release(number, person("ben"))
    assert await orders(house) == [], "ada saw something else"
    done = await treasury.release(number, person("ada"))
    assert done.state == "released"
    (order,) = await orders(house)
    assert order.amount == 100


async def test_a_proposal_is_not_released_after_its_day(house: House, treasury: Treasury) -> None:
    number = await proposed(treasury)
    house.clock.turn(days=1)
    assert refusal(await treasury.release(number, person("ada"))) == "approval.outdated"


async def test_where_policy_names_nobody_nobody_releases(house: House, treasury: Treasury) -> None:
    import msgspec

    pack = baseline_pack()
    rows = {name: found for name, found in pack.rows.items() if name != "payment_release"}
    house.ports.pack = msgspec.structs.replace(pack, rows=rows)
    number = await proposed(treasury)
    assert refusal(await treasury.release(number, person("ada"))) == "access.not_permitted"


async def test_the_database_itself_refuses_a_release_by_one_person(house: House, treasury: Treasury) -> None:
    import psycopg

    number = await proposed(treasury)
    await treasury.release(number, person("ada"))
    with pytest.raises(psycopg.errors.CheckViolation, match="1 of 2 people"):
        await house.rows(
            "UPDATE payments.proposal SET state = 'released', order_number = 'X' WHERE number = %s RETURNING 1", number
        )
    with pytest.raises(psycopg.errors.RaiseException, match="with its proposal"):
        await house.rows("UPDATE payments.payment SET state = 'released', order_number = 'X' RETURNING 1")
    for statement in (
        "UPDATE payments.payment SET amount = amount + 1 RETURNING 1",
        "UPDATE payments.payment SET account = 'elsewhere' RETURNING 1",
        "UPDATE payments.release SET person = 'ben' RETURNING 1",
        "DELETE FROM payments.payment_item RETURNING 1",
    ):
        with pytest.raises(psycopg.errors.RaiseException):
            await house.rows(statement)
