"""Nothing is paid twice: many at once, every other route, and the database alone without the code above it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from support.clones import Clones
from support.house import House
from support.paying import Treasury, entry, invoice_id, person, posted, recorded, reported, stated, transfer, trouble
from tripartite.components.payments import ledger
from tripartite.components.payments.acts import reopen
from tripartite.components.payments.building import Built, Refused, Wanted, build
from tripartite.components.payments.desk import Desk
from tripartite.components.payments.ledger import Row
from tripartite.components.payments.releasing import release
from tripartite.components.payments.telling import Cause
from tripartite.core import codec
from tripartite.core.objects import PaymentOrder
from tripartite.runtime.db import Connection

RIVALS = 50


async def at_once(house: House, works: list[Callable[[Desk], Awaitable[Any]]]) -> list[Any]:
    """Everybody stands at the door with a request of their own; the door opens for all."""
    gate = asyncio.Event()

    async def one(place: int, work: Callable[[Desk], Awaitable[Any]]) -> Any:
        await gate.wait()

        async def inside(connection: Connection) -> Any:
            desk = Desk(house.ports, connection, Cause(f"rival {place}"))
            done = await work(desk)
            await desk.finish()
            return done

        return await house.db.transaction(inside)

    tasks = [asyncio.create_task(one(place, work)) for place, work in enumerate(works)]
    await asyncio.sleep(0.05)
    gate.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_fifty_proposers_at_once_draw_up_every_item_once(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), *(posted(f"RE-{place}", "10.00") for place in range(20)))
    wanted = Wanted(company_code="DE01")
    done = await at_once(house, [lambda desk: build(desk, wanted, None) for _ in range(RIVALS)])
    assert all(isinstance(each, Built) and each.proposal is not None for each in done), done
    assert len({each.proposal.number for each in done}) == 1
    assert sum(each.created for each in done) == 1
    assert await treasury.living() == 20
    assert await house.value("SELECT sum(amount) FROM payments.payment") == 200


async def test_fifty_proposers_of_fifty_runs_at_once_claim_no_item_twice(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), *(posted(f"RE-{place}", "10.00") for place in range(20)))
    runs = [Wanted(company_code="DE01", pay_until=date(2026, 12, 1 + place % 28)) for place in range(RIVALS)]
    done = await at_once(
        house,
        [lambda desk, run=run, name=f"p{place}": build(desk, run, person(name)) for place, run in enumerate(runs)],
    )
    assert all(isinstance(each, Built) for each in done), done
    claims = await house.rows("SELECT invoice_id, count(*) FROM payments.payment_item WHERE living GROUP BY 1")
    assert len(claims) == 20
    assert {row[1] for row in claims} == {1}


async def test_fifty_releasers_at_once_owe_the_bank_one_order(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), posted("RE-1", "100.00"))
    built = await treasury.build()
    assert built.proposal is not None
    number, shown = built.proposal.number, built.proposal.content_hash
    people = [person(f"p{place}", f"Person {place % 25}") for place in range(RIVALS)]
    done = await at_once(house, [lambda desk, by=by: release(desk, number, shown, by) for by in people])
    assert not [each for each in done if isinstance(each, BaseException)]
    assert await house.deliveries("send_payment_order") == ["intended"]
    assert await house.value("SELECT count(*) FROM payments.payment_order") == 1
    assert await house.value("SELECT count(DISTINCT person) FROM payments.release") == 2
    assert await treasury.states() == {"RE-1": "released"}


async def test_releases_and_holds_at_once_end_with_the_order_or_the_hold_and_never_both(
    house: House, treasury: Treasury
) -> None:
    for place in range(6):
        name = f"RE-{place}"
        await treasury.tell(recorded(), posted(name, "100.00"))
        built = await treasury.build()
        assert built.proposal is not None
        number, shown = built.proposal.number, built.proposal.content_hash

        async def hold(name: str = name) -> None:
            await treasury.tell(trouble(invoice_id(name)))

        async def both(number: str = number, shown: str = shown) -> None:
            for who in ("ada", "ben"):
                await at_once(house, [lambda desk, who=who: release(desk, number, shown, person(who))])

        await asyncio.gather(hold(), both())
        await house.pump()
        assert (await treasury.states())[name] == "cancelled"
        standing = await house.rows("SELECT 1 FROM deliveries.delivery WHERE mode = 'act' AND state <> 'dead_letter'")
        assert standing == []


async def claim(connection: Connection, source: Row, number: str) -> None:
    """A payment of the same items by a program that asks nobody."""
    import msgspec

    content = msgspec.structs.replace(source.payment, number=number)
    row = msgspec.structs.replace(source, number=number, content=codec.encode(content), state="proposed", version=1)
    proposal = await ledger.proposal(connection, source.proposal)
    assert proposal is not None
    await ledger.insert_proposal(connection, msgspec.structs.replace(proposal, number=f"PP-{number}"), [
        msgspec.structs.replace(row, proposal=f"PP-{number}", order_number="")
    ])  # fmt: skip


async def test_without_any_lock_the_database_lets_one_of_fifty_claims_through(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), posted("RE-1", "100.00"))
    built = await treasury.build()
    assert built.proposal is not None
    rows = await house.rows("SELECT number FROM payments.payment")
    async with house.db.connection() as connection:
        (source,) = await ledger.payments(connection, [rows[0][0]])
    await house.rows("UPDATE payments.payment SET state = 'cancelled' RETURNING 1")

    async def work(desk: Desk, place: int) -> str:
        await claim(desk.connection, source, f"RIVAL-{place}")
        return "claimed"

    done = await at_once(house, [lambda desk, place=place: work(desk, place) for place in range(RIVALS)])
    assert done.count("claimed") == 1
    assert all(each == "claimed" or isinstance(each, psycopg.errors.UniqueViolation) for each in done), done
    assert await treasury.living() == 1


@pytest.mark.parametrize("state", ["proposed", "released", "sent", "executed"])
async def test_no_state_of_a_living_payment_lets_its_items_go(house: House, treasury: Treasury, state: str) -> None:
    await treasury.tell(recorded(), posted("RE-1", "100.00"))
    built = await treasury.build()
    assert built.proposal is not None
    payment = await house.value("SELECT number FROM payments.payment")
    if state != "proposed":
        order = await treasury.released(built.proposal.number)
        if state != "released":
            await treasury.tell(reported(order, transfer(payment, {"sent": "pending", "executed": "executed"}[state])))
    assert await treasury.state(payment) == state
    again = await treasury.build(person("eve"), pay_until=date(2026, 12, 31))
    assert not again.created
    async with house.db.connection() as connection:
        (source,) = await ledger.payments(connection, [payment])
        with pytest.raises(psycopg.errors.UniqueViolation):
            await claim(connection, source, "RIVAL")
        await connection.rollback()
    with pytest.raises(psycopg.errors.RaiseException, match="stays"):
        await house.rows("UPDATE payments.payment_item SET living = false RETURNING 1")


async def test_no_claim_exceeds_what_is_payable_and_no_payment_its_items(house: House, treasury: Treasury) -> None:
    await treasury.tell(recorded(), posted("RE-1", "100.00"), posted("GS-1", "10.00", kind="credit_memo"))
    await treasury.build()
    async with house.db.connection() as connection:
        rows = await (await connection.execute("SELECT number FROM payments.payment")).fetchall()
        (source,) = await ledger.payments(connection, [rows[0][0]])
    await house.rows("UPDATE payments.payment SET state = 'cancelled' RETURNING 1")
    cases = [
        ("100.01", "RE-1", "100.01", "0"),  # more than is payable
        ("99.00", "RE-1", "99.00", "2.00"),  # with its discount more than is payable
        ("10.00", "GS-1", "10.00", "0"),  # a credit memo paid out
        ("50.00", "RE-1", "100.00", "0"),  # another sum than its items
    ]
    for case in cases:
        with pytest.raises(psycopg.errors.CheckViolation):
            await write_by_hand(house, source.number, *case)
    await write_by_hand(house, source.number, "100.00", "RE-1", "100.00", "0")


async def write_by_hand(house: House, like: str, sum_of: str, number: str, amount: str, discount: str) -> None:
    """A payment of one item, written past all of our code; undone where the database lets it through."""
    payment = """INSERT INTO payments.payment (number, proposal, company_code, supplier_id, currency, amount, account,
            state, content, correlation_id, changed_at)
        SELECT 'X', proposal, company_code, supplier_id, currency, %s, account, 'proposed', content, correlation_id,
            changed_at FROM payments.payment WHERE number = %s"""
    item = "INSERT INTO payments.payment_item (number, invoice_id, amount, discount) VALUES ('X', %s, %s, %s)"
    async with house.db.connection() as connection:
        await connection.execute(payment.encode(), (Decimal(sum_of), like))
        await connection.execute(item.encode(), (invoice_id(number), Decimal(amount), Decimal(discount)))
        await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        await connection.rollback()


async def test_every_route_to_a_second_payment_of_a_refused_one_goes_through_a_person(
    house: House, treasury: Treasury
) -> None:
    """A rejection told twice; new runs by schedule and by hand; a replay of the old order; then a person settles it."""
    from tripartite.runtime.deliveries import claim_due
    from tripartite.runtime.replay import replay

    payment, order = await treasury.ordered(posted("RE-1", "100.00"))
    refused = reported(order, status="rejected")
    await treasury.tell(refused, refused)
    for by in (None, person("eve")):
        assert not (await treasury.build(by)).created
    key = await house.value("SELECT key FROM deliveries.delivery")
    async with house.db.connection() as connection:
        await replay(connection, [key], by="somebody", now=house.clock.at, chance=house.ports.chance)
    house.clock.turn(60)
    assert await claim_due(house.db, "our_bank", 10, 1, house.clock.at) == []
    await treasury.act(lambda desk: reopen(desk, payment, "Account corrected.", person("zoe")))
    again = await treasury.build()
    assert again.proposal is not None
    second = await treasury.released(again.proposal.number)
    rows = await house.rows(
        "SELECT payload FROM deliveries.delivery WHERE operation = 'send_payment_order' AND mode = 'act'"
    )
    sent = [codec.decode_own(row[0], PaymentOrder) for row in rows]
    assert [(each.number, each.amount) for each in sent] == [(second, 100)]
    numbers = [each.number for one in sent for each in one.payments]
    await treasury.tell(stated(*(entry(f"E-{number}", "100.00", payment_number=number) for number in numbers)))
    assert await house.value("SELECT sum(amount) FROM payments.payment WHERE state = 'executed'") == 100


async def test_a_message_told_again_after_a_restore_changes_nothing(
    house: House, treasury: Treasury, clones: Clones
) -> None:
    from tripartite.core.events import CANONICAL, INVOICE_EVENTS, SUPPLIER_EVENTS
    from tripartite.runtime.deliveries import OUTCOMES

    payment, order = await treasury.ordered(posted("RE-1", "100.00"))
    await treasury.tell(reported(order, transfer(payment, "executed")))
    await treasury.tell(stated(entry("E-1", "100.00", payment_number=payment)))
    queries = [
        "SELECT * FROM payments.payment ORDER BY number",
        "SELECT * FROM payments.payment_item ORDER BY 1, 2",
        "SELECT exception_id, version, state FROM payments.exception ORDER BY 1",
        "SELECT key, state FROM deliveries.delivery ORDER BY 1",
        "SELECT count(*) FROM audit.leaf",
    ]
    before = [await house.rows(query) for query in queries]
    topics = [INVOICE_EVENTS, SUPPLIER_EVENTS, CANONICAL["payment_report"], CANONICAL["bank_statement"], OUTCOMES]
    for topic in topics:
        await house.rewind("payments", topic)
    assert await house.pump() > 0
    assert [await house.rows(query) for query in queries] == before


async def test_a_refusal_is_a_value_and_not_an_error_in_flight(treasury: Treasury) -> None:
    done = await treasury.act(lambda desk: build(desk, Wanted(company_code="AT04"), None))
    assert isinstance(done, Refused)
    assert done.reason_code == "integration.mapping_missing"
