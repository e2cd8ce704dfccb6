"""Deliveries on the database: one key, stored before the first byte; unknown is asked for, never sent blindly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise, product
from typing import Any

import psycopg
import pytest

from support.house import House
from support.times import MORNING
from tripartite.core.delivery import STATES, TRANSITIONS, DeliveryOutcome
from tripartite.core.ids import delivery_key
from tripartite.runtime import deliveries
from tripartite.runtime.db import Connection
from tripartite.runtime.deliveries import (
    OUTCOMES,
    KeyReused,
    Owed,
    Timing,
    adopt_orphans,
    claim_due,
    claim_probes,
    hold_worker_lock,
    owe,
)
from tripartite.runtime.protocol import Absent, Outbound, RetryLater, Settled, Unknown
from tripartite.runtime.replay import Replayed, replay

PATIENT = Timing(commit_latency=60.0, read_lag=5.0)


def owed(number: int = 1, *, version: int = 1, mode: str = "act", payload: bytes = b"{}", **further: Any) -> Owed:
    known: dict[str, Any] = {
        "connection": "sap",
        "operation": "post_invoice",
        "object_kind": "invoice",
        "object_id": f"inv_{number}",
        "object_version": version,
        "company_code": "DE01",
        "correlation_id": "c_1",
        "payload": payload,
        "mode": mode,
        "due_at": MORNING,
        **further,
    }
    return Owed(**known)


async def owe_all(house: House, *all_owed: Owed) -> None:
    async def work(connection: Connection) -> None:
        await owe(connection, all_owed)

    await house.db.transaction(work)


async def states(house: House) -> dict[str, str]:
    return dict(await house.rows("SELECT object_id, state FROM deliveries.delivery ORDER BY 1"))


# The machine and the key


async def test_the_database_moves_a_delivery_as_core_declares_and_in_no_other_way(house: House) -> None:
    assert set(await house.rows("SELECT from_state, to_state FROM deliveries.transition")) == set(TRANSITIONS)
    await owe_all(house, owed())
    with psycopg.connect(house.clones.administrator_url(house.name), autocommit=True) as administrator:
        administrator.execute("SET session_replication_role = replica")
        for before, after in product(STATES, STATES):
            administrator.execute(
                "UPDATE deliveries.delivery SET state = %s, remote_ref = 'R', reason_code = 'posting.rejected'",
                (before,),
            )
            moved = True
            try:
                async with house.db.connection() as connection:
                    await connection.execute("UPDATE deliveries.delivery SET state = %s", (after,))
            except psycopg.errors.RaiseException:
                moved = False
            assert moved == (before == after or (before, after) in TRANSITIONS), (before, after)


@pytest.mark.parametrize("column", ["key", "payload", "request_digest", "connection", "operation"])
async def test_the_key_and_the_request_of_a_delivery_never_change(house: House, column: str) -> None:
    await owe_all(house, owed())
    with pytest.raises(psycopg.errors.RaiseException, match="never change"):
        await house.rows(f"UPDATE deliveries.delivery SET {column} = 'other' RETURNING 1")


async def test_the_same_intent_has_the_same_key_and_is_owed_once(house: House) -> None:
    await owe_all(house, owed(), owed(2))
    await owe_all(house, owed())
    assert await states(house) == {"inv_1": "intended", "inv_2": "intended"}
    assert owed().key == delivery_key("inv_1", 1, "sap", "post_invoice")
    keys = {owed().key, owed(2).key, owed(version=2).key, owed(operation="x").key, owed(connection="acme").key}
    assert len(keys) == 5


async def test_one_key_never_stands_for_two_requests(house: House) -> None:
    await owe_all(house, owed(payload=b'{"gross":"10.00"}'))
    with pytest.raises(KeyReused):
        await owe_all(house, owed(payload=b'{"gross":"11.00"}'))
    assert await house.value("SELECT payload FROM deliveries.delivery") == b'{"gross":"10.00"}'


async def test_a_settled_delivery_has_a_number_and_a_refused_one_a_reason(house: House) -> None:
    await owe_all(house, owed())
    await house.rows("UPDATE deliveries.delivery SET state = 'sending' RETURNING 1")
    for state in ("settled", "rejected", "dead_letter"):
        with pytest.raises(psycopg.errors.CheckViolation):
            await house.rows(f"UPDATE deliveries.delivery SET state = '{state}' RETURNING 1")


# Sending


async def test_the_claim_is_committed_before_the_first_byte_leaves(house: House) -> None:
    await owe_all(house, owed(1), owed(2))
    seen: list[tuple[Any, ...]] = []

    def look(items: Sequence[Outbound]) -> None:
        with psycopg.connect(house.urls.worker) as other:
            seen.extend(other.execute("SELECT key, state, attempts, claimed_by IS NOT NULL FROM deliveries.delivery"))

    house.sap.before_submit = look
    await house.deliver("sap")
    assert sorted(seen) == sorted([(owed(number).key, "sending", 1, True) for number in (1, 2)])


async def test_a_crash_between_claim_and_send_is_asked_for_and_then_sent_with_the_same_key(house: House) -> None:
    await owe_all(house, owed())
    await claim_due(house.db, "sap", 10, 99, house.clock.at)  # and the worker is gone
    assert await states(house) == {"inv_1": "sending"}
    await house.deliver("sap")
    assert await states(house) == {"inv_1": "unknown"}
    assert house.sap.calls == []
    for _ in range(12):
        house.clock.turn(60)
        await house.deliver("sap")
    assert house.sap.sent_keys == [owed().key]
    assert len(house.sap.probed) >= 1
    assert await states(house) == {"inv_1": "settled"}


async def test_a_crash_after_the_remote_committed_posts_nothing_twice(house: House) -> None:
    await owe_all(house, owed())

    class Gone(BaseException):
        pass

    def die(item: Outbound) -> Any:
        house.sap._commit(item)
        raise Gone

    house.sap.script.append(die)
    with pytest.raises(Gone):
        await house.deliver("sap")
    assert await states(house) == {"inv_1": "sending"}
    await house.deliver("sap")
    house.clock.turn(60)
    await house.deliver("sap")
    assert await states(house) == {"inv_1": "settled"}
    assert list(house.sap.effects.values()) == [1]
    acts = await house.rows("SELECT act, answer FROM deliveries.attempt ORDER BY act")
    assert acts == [("crash", "unknown"), ("probe", "settled")]


async def test_a_delivery_of_a_living_worker_is_not_taken_from_it(house: House) -> None:
    held = asyncio.Event()
    holding = asyncio.create_task(hold_worker_lock(house.urls.worker, 99, held))
    try:
        await asyncio.wait_for(held.wait(), 10)
        await owe_all(house, owed())
        await claim_due(house.db, "sap", 10, 99, house.clock.at)
        assert await adopt_orphans(house.db, ["sap"]) == 0
        assert await states(house) == {"inv_1": "sending"}
    finally:
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
    for _ in range(100):  # the server notices the end of a connection in its own time
        if await adopt_orphans(house.db, ["sap"]):
            break
        await asyncio.sleep(0.02)
    assert await states(house) == {"inv_1": "unknown"}


async def test_what_a_worker_was_asking_for_when_it_died_is_asked_for_by_the_next_at_once(house: House) -> None:
    """A probe sets the next one a minute ahead before it asks: a death in between must not cost that minute."""
    await owe_all(house, owed())
    house.sap.script.append("commit_then_hang")
    await house.deliver("sap")
    house.clock.turn(30)
    worker, held = 98, asyncio.Event()
    living = asyncio.create_task(hold_worker_lock(house.urls.worker, worker, held))
    await held.wait()
    try:
        (asking,) = await claim_probes(house.db, "sap", 10, worker, house.clock.at)
        assert asking.state == "unknown"
        assert await house.deliver("sap") == 0, "somebody alive is asking"
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
    for _ in range(100):
        if await house.deliver("sap"):
            break
        await asyncio.sleep(0.02)  # the server notices that the connection is gone
    assert await states(house) == {"inv_1": "settled"}
    assert len(house.sap.calls) == 1
    assert await house.value("SELECT claimed_by FROM deliveries.delivery") is None


async def test_an_orphan_of_another_connection_is_left_to_its_own_deliverer(house: House) -> None:
    await owe_all(house, owed(1), owed(2, connection="acme"))
    await claim_due(house.db, "sap", 10, 99, house.clock.at)
    await claim_due(house.db, "acme", 10, 99, house.clock.at)
    assert await adopt_orphans(house.db, ["acme"]) == 1
    assert await states(house) == {"inv_1": "sending", "inv_2": "unknown"}


async def test_two_deliverers_of_one_connection_never_send_the_same(house: House) -> None:
    await owe_all(house, *(owed(number) for number in range(60)))
    lanes = [house.deliverer("sap") for _ in range(3)]
    held = asyncio.Event()
    holding = asyncio.create_task(hold_worker_lock(house.urls.worker, 4711, held))
    await asyncio.wait_for(held.wait(), 10)

    async def lane(deliverer: deliveries.Deliverer) -> None:
        while await deliverer.once():
            pass

    await asyncio.gather(*(lane(each) for each in lanes))
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert len(house.sap.sent_keys) == len(set(house.sap.sent_keys)) == 60
    assert set((await states(house)).values()) == {"settled"}


# Unknown


async def test_unknown_is_never_sent_again_before_the_probe_says_it_is_surely_absent(house: House) -> None:
    await owe_all(house, owed())
    house.sap.script.append("lost")
    deliverer = house.deliverer("sap", timing=PATIENT)
    await deliverer.once()
    assert await states(house) == {"inv_1": "unknown"}
    sent_at = house.clock.at
    resent_after = None
    for _ in range(400):
        house.clock.turn(1)
        await deliverer.once()
        if len(house.sap.calls) == 2:
            resent_after = (house.clock.at - sent_at).total_seconds()
            break
    assert resent_after is not None
    assert resent_after >= PATIENT.commit_latency + PATIENT.read_lag
    assert house.sap.sent_keys == [owed().key, owed().key], "sent again with the same key"
    assert await states(house) == {"inv_1": "settled"}
    assert list(house.sap.effects.values()) == [1]


async def test_a_remote_that_commits_late_is_found_by_a_later_probe_and_not_sent_to_again(house: House) -> None:
    await owe_all(house, owed())
    house.sap.script.append("lost")
    deliverer = house.deliverer("sap", timing=PATIENT)
    await deliverer.once()
    for _ in range(30):
        house.clock.turn(1)
        await deliverer.once()
    assert len(house.sap.probed) > 1
    house.sap._commit(house.sap.calls[0][0])  # half a minute later it did commit
    for _ in range(120):
        house.clock.turn(1)
        await deliverer.once()
    assert await states(house) == {"inv_1": "settled"}
    assert len(house.sap.calls) == 1
    assert list(house.sap.effects.values()) == [1]


async def test_the_database_itself_never_sends_from_unknown(house: House) -> None:
    await owe_all(house, owed())
    house.sap.script.append("lost")
    await house.deliver("sap")
    with pytest.raises(psycopg.errors.RaiseException, match="does not go from unknown to sending"):
        await house.rows("UPDATE deliveries.delivery SET state = 'sending' RETURNING 1")


async def test_a_client_that_fails_leaves_an_unknown_outcome(house: House) -> None:
    await owe_all(house, owed())
    house.sap.script.append("raise_after_commit")
    await house.deliver("sap")
    assert await states(house) == {"inv_1": "unknown"}
    house.clock.turn(10)
    await house.deliver("sap")
    assert await states(house) == {"inv_1": "settled"}
    assert list(house.sap.effects.values()) == [1]


async def test_taken_in_is_not_done(house: House) -> None:
    await owe_all(house, owed())
    house.sap.script.append("accept")
    await house.deliver("sap")
    assert await states(house) == {"inv_1": "accepted"}
    house.clock.turn(60)
    await house.deliver("sap")
    assert await states(house) == {"inv_1": "accepted"}
    house.sap.finish()
    house.clock.turn(60)
    await house.deliver("sap")
    assert await states(house) == {"inv_1": "settled"}
    assert await house.value("SELECT remote_ref FROM deliveries.delivery") == house.sap.ledger[owed().key]


async def test_what_was_accepted_and_is_not_to_be_found_becomes_a_dead_letter_and_is_never_sent_again(
    house: House,
) -> None:
    """`accepted` has no way back to sending; a probe that says absent must not stop the others of its batch."""
    await owe_all(house, owed(1), owed(2))
    house.sap.script.append(["accept", "accept"])
    await house.deliver("sap")
    house.sap.finish()
    lost = house.sap.sent_keys[0]
    del house.sap.ledger[lost]
    for _ in range(60):
        house.clock.turn(120)
        await house.deliver("sap")
    found = dict(await house.rows("SELECT key, state FROM deliveries.delivery"))
    assert found.pop(lost) == "dead_letter"
    assert list(found.values()) == ["settled"]
    assert len(house.sap.calls) == 1


async def test_a_posting_that_is_taken_in_and_never_done_is_set_aside_within_a_day_and_can_be_asked_for_again(
    house: House,
) -> None:
    await owe_all(house, owed())
    house.sap.script.append("accept")
    await house.deliver("sap")
    hours = 0
    while await states(house) == {"inv_1": "accepted"}:
        house.clock.turn(3600)
        await house.deliver("sap")
        hours += 1
        assert hours <= 25, "it is asked for ever"
    assert await states(house) == {"inv_1": "dead_letter"}
    assert hours in (24, 25)
    code, detail = (await house.rows("SELECT reason_code, detail FROM deliveries.delivery"))[0]
    assert code == "posting.outcome_unknown"
    assert "taken in 24.0 hours ago and never confirmed" in detail
    told = await house.messages(OUTCOMES, DeliveryOutcome)
    assert [each.state for each in told] == ["accepted", "dead_letter"], "asking again and again is no news"
    kinds = await house.rows("SELECT kind FROM audit.leaf ORDER BY leaf_no")
    assert kinds == [("delivery.dead_letter",)]
    # Replayed, it is asked for and never sent blindly; they have finished meanwhile.
    house.sap.finish()

    async def again(connection: Connection) -> list[Replayed]:
        now = house.ports.clock.now()
        return await replay(connection, [owed().key], by="cli:somebody", now=now, chance=house.ports.chance)

    assert [each.after for each in await house.db.transaction(again)] == ["unknown"]
    assert await house.value("SELECT accepted_at FROM deliveries.delivery") is None
    await house.deliver("sap")
    assert await states(house) == {"inv_1": "settled"}
    assert len(house.sap.calls) == 1


async def test_probes_end_in_a_dead_letter_when_nobody_ever_answers(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_PROBES", 4)
    await owe_all(house, owed())
    house.sap.script.append("lost")
    house.sap.probe_script.extend([Unknown("time-out")] * 10)
    for _ in range(12):
        await house.deliver("sap")
        house.clock.turn(120)
    assert await states(house) == {"inv_1": "dead_letter"}
    assert len(house.sap.probed) == 4
    assert len(house.sap.calls) == 1


# Waiting


async def test_retry_after_is_honoured(house: House) -> None:
    await owe_all(house, owed())
    house.sap.script.append("busy")
    house.sap.retry_after = 120.0
    await house.deliver("sap")
    assert await states(house) == {"inv_1": "waiting"}
    house.clock.turn(119)
    await house.deliver("sap")
    assert len(house.sap.calls) == 1
    house.clock.turn(1)
    await house.deliver("sap")
    assert await states(house) == {"inv_1": "settled"}


async def test_attempts_are_bounded_and_spread_and_end_in_a_dead_letter_with_its_reason(house: House) -> None:
    await owe_all(house, owed())
    house.sap.script.extend(["busy"] * 50)
    at: list[float] = []
    for _ in range(3000):
        before = len(house.sap.calls)
        await house.deliver("sap")
        if len(house.sap.calls) > before:
            at.append(house.clock.at.timestamp())
        if await states(house) == {"inv_1": "dead_letter"}:
            break
        house.clock.turn(1)
    assert len(house.sap.calls) == deliveries.MOST_ATTEMPTS
    waits = [later - earlier for earlier, later in pairwise(at)]
    assert waits[-1] > waits[0], "the pauses grow"
    reason = await house.rows("SELECT reason_code, detail FROM deliveries.delivery")
    assert reason == [("integration.retries_exhausted", "429")]


async def test_a_connection_that_fails_again_and_again_is_left_alone_for_a_while(house: House) -> None:
    await owe_all(house, *(owed(number) for number in range(20)))
    house.sap.script.extend(["busy"] * 50)
    deliverer = house.deliverer("sap")
    for _ in range(30):
        await deliverer.once()
        house.clock.turn(0.2)
    assert await house.value("SELECT circuit FROM deliveries.connection WHERE connection = 'sap'") == "open"
    made = len(house.sap.calls)
    for _ in range(10):
        await deliverer.once()
    assert len(house.sap.calls) == made
    house.sap.script.clear()
    for _ in range(400):
        house.clock.turn(1)
        await deliverer.once()
    assert set((await states(house)).values()) == {"settled"}
    assert await house.value("SELECT circuit FROM deliveries.connection WHERE connection = 'sap'") == "closed"


# Bulk, order, modes


async def test_each_item_of_a_bulk_has_its_own_outcome(house: House) -> None:
    await owe_all(house, *(owed(number) for number in range(1, 6)))
    house.sap.script.append(["settle", "reject", "commit_then_hang", "busy", "lost"])
    await house.deliverer("sap").once()
    assert len(house.sap.calls) == 1
    by_key = dict(await house.rows("SELECT key, state FROM deliveries.delivery"))
    assert [by_key[item.key] for item in house.sap.calls[0]] == ["settled", "rejected", "unknown", "waiting", "unknown"]
    outcomes = await house.messages(OUTCOMES, DeliveryOutcome)
    assert sorted((each.key, each.state) for each in outcomes) == sorted(by_key.items())
    leaves = await house.rows("SELECT kind FROM audit.leaf ORDER BY 1")
    assert leaves == [("delivery.rejected",), ("delivery.settled",)], "what is final has its leaf"


async def test_a_later_version_of_an_object_waits_for_the_earlier(house: House) -> None:
    await owe_all(house, owed(1, version=2), owed(1, version=1), owed(2, version=1))
    house.sap.script.append("busy")
    await house.deliverer("sap").once()
    first = [item.key for item in house.sap.calls[0]]
    assert owed(1, version=2).key not in first
    assert owed(1, version=1).key in first
    for _ in range(5):
        house.clock.turn(60)
        await house.deliver("sap")
    order = house.sap.sent_keys
    assert order.index(owed(1, version=2).key) > max(
        at for at, key in enumerate(order) if key == owed(1, version=1).key
    )
    assert set((await states(house)).values()) == {"settled"}


async def test_what_costs_a_discount_goes_first(house: House) -> None:
    late = [owed(number, due_at=MORNING - timedelta(hours=1)) for number in range(3)]
    await owe_all(house, *late, owed(9, pay_by=date(2026, 11, 21)), owed(8, pay_by=date(2026, 11, 20)))
    taken = await claim_due(house.db, "sap", 2, 99, house.clock.at)
    assert {each.object_id for each in taken} == {"inv_8", "inv_9"}


@pytest.mark.parametrize("mode", ["observe", "propose"])
async def test_a_company_that_only_observes_or_proposes_sends_nothing(house: House, mode: str) -> None:
    await owe_all(house, owed(1, mode=mode), owed(2))
    for _ in range(3):
        house.clock.turn(days=1)
        await house.deliver("sap")
    assert await states(house) == {"inv_1": "intended", "inv_2": "settled"}
    assert house.sap.sent_keys == [owed(2).key]


async def test_nothing_is_sent_before_it_is_due(house: House) -> None:
    await owe_all(house, owed(due_at=MORNING + timedelta(minutes=5)))
    house.clock.turn(299)
    assert await house.deliver("sap") == 0
    house.clock.turn(1)
    assert await house.deliver("sap") == 1


async def test_an_outcome_is_recorded_with_its_message_and_leaf_or_not_at_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owe_all(house, owed())

    class Gone(BaseException):
        pass

    async def die(*_: Any) -> None:
        raise Gone

    with monkeypatch.context() as patched:
        patched.setattr(deliveries, "publish", die)
        with pytest.raises(Gone):
            await house.deliver("sap")
    assert await states(house) == {"inv_1": "sending"}
    assert await house.value("SELECT count(*) FROM audit.leaf") == 0
    await house.deliver("sap")
    house.clock.turn(60)
    await house.deliver("sap")
    assert await states(house) == {"inv_1": "settled"}
    assert list(house.sap.effects.values()) == [1]


async def test_a_delivery_settled_meanwhile_is_left_as_it_is(house: House) -> None:
    await owe_all(house, owed())
    house.sap.script.append("lost")
    await house.deliver("sap")
    house.clock.turn(10)

    async def settled_elsewhere(item: Outbound) -> Any:
        async with house.db.connection() as connection:
            await connection.execute("UPDATE deliveries.delivery SET state = 'settled', remote_ref = 'D-1'")
        return RetryLater("busy")

    house.sap.probe = settled_elsewhere  # type: ignore[method-assign]
    await house.deliverer("sap").once()
    assert await house.rows("SELECT state, remote_ref FROM deliveries.delivery") == [("settled", "D-1")]
    told = [each.state for each in await house.messages(OUTCOMES, DeliveryOutcome)]
    assert told == ["unknown"]


@pytest.mark.parametrize("answer", [Settled("5105600009/2026"), Absent()])
async def test_the_client_is_asked_with_the_very_bytes_that_were_sent(house: House, answer: Any) -> None:
    await owe_all(house, owed(payload=b'{"gross":"10.00"}'))
    house.sap.script.append("lost")
    house.sap.probe_script.append(answer)
    await house.deliver("sap")
    house.clock.turn(10)
    await house.deliverer("sap").once()
    assert house.sap.probed[0] == house.sap.calls[0][0]
