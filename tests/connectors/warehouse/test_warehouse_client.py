"""The warehouse's client against its simulator: a round without gaps, questions, troubles, tokens."""

from __future__ import annotations

import asyncio

import pytest

from connectors.warehouse.warehouse_bench import ORDER, World, delivery, going_back, line
from tripartite.connectors.simulating import Reply, json_reply
from tripartite.connectors.warehouse.client import WarehouseTrouble
from tripartite.runtime.protocol import Secret


async def pull_all(world: World, cursor: str = "", limit: int = 5) -> tuple[list[tuple[str, str]], str]:
    found = []
    while True:
        page = await world.client.pull("receipt", cursor, limit)
        found += [(item.key, item.version) for item in page.items]
        cursor = page.cursor
        if not page.more:
            return found, cursor


def keys(first: int, last: int) -> set[str]:
    return {f"R-{number}" for number in range(first, last)}


# The poll.


async def test_a_round_brings_every_document_once(world: World) -> None:
    world.receipts(2, 26)
    found, _ = await pull_all(world)
    assert len(found) == 25
    assert {key for key, _ in found} == keys(1, 26)


async def test_the_next_round_begins_a_little_earlier_and_skips_nothing(world: World) -> None:
    _, cursor = await pull_all(world)
    world.later(minutes=10)
    world.receipts(2, 3)
    found, cursor = await pull_all(world, cursor)
    assert {key for key, _ in found} == keys(1, 3)
    world.later(minutes=10)
    world.receipts(3, 4)
    found, cursor = await pull_all(world, cursor)
    assert {key for key, _ in found} == keys(2, 4)


async def test_a_receipt_stamped_before_the_newest_but_shown_later_is_still_found(world: World) -> None:
    world.bench.arrange({"receipts": [delivery("R-2")], "shown_after_seconds": 60})
    world.later(seconds=10)
    world.receipts(3, 4)
    found, cursor = await pull_all(world)
    assert {key for key, _ in found} == {"R-1", "R-3"}
    world.later(seconds=90)
    found, _ = await pull_all(world, cursor)
    assert "R-2" in {key for key, _ in found}


async def test_documents_that_change_while_pages_are_read_leave_no_gap(world: World) -> None:
    world.receipts(2, 21)
    world.fault("pull_receipt", "moving", times=3)
    found, _ = await pull_all(world)
    assert {key for key, _ in found} == keys(1, 21)
    assert {version for key, version in found if key == "R-1"} == {"1", "2"}  # it moved, and came again as it is now


async def test_a_new_client_goes_on_from_the_kept_cursor(world: World) -> None:
    world.receipts(2, 11)
    first = await world.client.pull("receipt", "", 4)
    world.client = world.connect()
    rest, _ = await pull_all(world, first.cursor)
    assert {item.key for item in first.items} | {key for key, _ in rest} == keys(1, 11)
    assert not {item.key for item in first.items} & {key for key, _ in rest}


async def test_a_page_mark_that_the_warehouse_forgot_starts_the_round_again(world: World) -> None:
    for n in range(2, 11):
        world.later(minutes=10)
        world.receipts(n, n + 1)
    first = await world.client.pull("receipt", "", 5)
    world.fault("pull_receipt", "cursor_expired")
    rest, _ = await pull_all(world, first.cursor, 50)
    assert {key for key, _ in rest} == keys(1, 11)


async def test_a_round_that_starts_again_starts_at_its_own_bound_and_not_at_the_beginning(world: World) -> None:
    _, cursor = await pull_all(world)
    world.later(days=1)
    world.receipts(2, 12)
    _, cursor = await pull_all(world, cursor)
    world.later(days=1)
    world.receipts(12, 20)
    first = await world.client.pull("receipt", cursor, 12)
    assert first.more
    world.fault("pull_receipt", "cursor_expired")
    rest, cursor = await pull_all(world, first.cursor, 50)
    assert {key for key, _ in rest} == keys(2, 20)
    assert (await pull_all(world, cursor))[0] == [(f"R-{n}", "1") for n in sorted(range(12, 20), key=str)]


async def test_what_is_no_fact_yet_is_passed_over_and_comes_when_it_is(world: World) -> None:
    world.receipts(2, 3, status="IN_PROGRESS")
    found, cursor = await pull_all(world)
    assert found == [("R-1", "1")]
    assert await world.client.fetch("receipt", "R-2") is None
    world.later(minutes=1)
    world.bench.arrange({"receipts": [{"id": "R-2", "status": "CLOSED"}]})
    found, _ = await pull_all(world, cursor)
    assert ("R-2", "2") in found


async def test_goods_may_count_while_they_are_being_received_where_the_connection_says_so() -> None:
    world = World(None, count_from="in_progress")
    world.receipts(1, 2, status="IN_PROGRESS")
    found, _ = await pull_all(world)
    assert found == [("R-1", "1")]


async def test_a_status_that_nobody_documented_is_passed_on_to_be_refused_by_name(world: World) -> None:
    world.receipts(2, 3, status="VAPORISED")
    found = await world.client.fetch("receipt", "R-2")
    assert found is not None
    assert b"VAPORISED" in found.content


async def test_a_page_of_things_that_are_no_facts_still_moves_the_cursor(world: World) -> None:
    world.receipts(2, 12, status="EXPECTED")
    world.receipts(12, 13)
    found, _ = await pull_all(world, "", 3)
    assert {key for key, _ in found} == {"R-1", "R-12"}


# Questions.


async def test_the_receipts_of_an_order_are_all_its_documents_over_all_pages(world: World) -> None:
    world.receipts(2, 250, po_number="4500000009")
    world.bench.arrange(
        {
            "receipts": [
                going_back("RT-1", "RETURN", "R-1", "1"),
                delivery("R-900", line(1, of="R-900"), line(2, of="R-900", po_number="4500000009")),
            ]
        }
    )
    assert {item.key for item in await world.client.ask("receipts_of_order", {"order_number": ORDER})} == {
        *("R-1", "RT-1", "R-900"),
    }
    found = await world.client.ask("receipts_of_order", {"order_number": "4500000009"})
    assert len(found) == 249
    assert await world.client.ask("receipts_of_order", {"order_number": "nobody"}) == ()


async def test_a_question_half_answered_is_not_answered(world: World) -> None:
    world.receipts(2, 250)
    world.fault("receipts_of_order", "reply.5xx", times=1)
    with pytest.raises(WarehouseTrouble):
        await world.client.ask("receipts_of_order", {"order_number": ORDER})


async def test_the_document_is_passed_on_as_the_warehouse_sent_it(world: World) -> None:
    world.bench.arrange({"receipts": [delivery("R-1", line(quantity="10.50"))]})
    [item] = (await world.client.pull("receipt", "", 5)).items
    assert b'"qty_received":10.50' in item.content
    assert await world.client.fetch("receipt", "R-1") == item


# Troubles.


async def test_a_404_in_the_warehouses_words_means_none_and_any_other_means_trouble(world: World) -> None:
    assert await world.client.fetch("receipt", "R-404") is None
    world.line.twist["pull_receipt"] = json_reply({"error": {"code": "NO_RECORDS"}}, 404)
    assert (await world.client.pull("receipt", "", 5)).items == ()
    for operation in ("pull_receipt", "fetch_receipt"):
        world.line.twist[operation] = Reply(404, b"<html>nginx</html>", {"content-type": "text/html"})
    with pytest.raises(WarehouseTrouble):
        await world.client.pull("receipt", "", 5)
    with pytest.raises(WarehouseTrouble):
        await world.client.fetch("receipt", "R-1")


@pytest.mark.parametrize("kind", ["reply.5xx", "lie_html", "hang"])
async def test_a_call_that_failed_moves_nothing_and_succeeds_later(world: World, kind: str) -> None:
    world.fault("pull_receipt", kind)
    with pytest.raises(WarehouseTrouble) as trouble:
        await world.client.pull("receipt", "", 5)
    assert trouble.value.retryable
    assert [key for key, _ in (await pull_all(world))[0]] == ["R-1"]


async def test_too_many_requests_say_when_to_come_again(world: World) -> None:
    world.fault("pull_receipt", "reply.429", retry_after=17.0)
    with pytest.raises(WarehouseTrouble) as trouble:
        await world.client.pull("receipt", "", 5)
    assert (trouble.value.retryable, trouble.value.after_seconds) == (True, 17.0)
    world.fault("pull_receipt", "reply.429")
    with pytest.raises(WarehouseTrouble) as trouble:
        await world.client.pull("receipt", "", 5)
    assert trouble.value.after_seconds is None


async def test_an_answer_about_another_document_is_not_believed(world: World) -> None:
    world.line.twist["fetch_receipt"] = Reply(200, world.bench.shown("R-1"), {})
    with pytest.raises(WarehouseTrouble, match=r"outbound\.answer_foreign"):
        await world.client.fetch("receipt", "R-2")


async def test_a_refused_connection_is_trouble_that_may_pass(world: World) -> None:
    world.line.refuse = True
    with pytest.raises(WarehouseTrouble) as trouble:
        await world.client.pull("receipt", "", 5)
    assert trouble.value.retryable


async def test_a_slow_answer_is_waited_for_and_one_that_is_too_slow_is_no_answer(world: World) -> None:
    world.fault("pull_receipt", "slow", delay=0.01)
    assert len((await world.client.pull("receipt", "", 5)).items) == 1
    world.fault("pull_receipt", "slow", delay=5.0)
    with pytest.raises(WarehouseTrouble):
        await world.client.pull("receipt", "", 5)


# Tokens.


async def test_a_spent_token_and_forty_callers_cost_one_renewal(world: World) -> None:
    await world.client.pull("receipt", "", 5)
    world.later(seconds=3600)
    await asyncio.gather(*(world.client.fetch("receipt", "R-1") for _ in range(40)))
    assert [operation for operation, _ in world.line.sent].count("token") == 2


async def test_a_token_refused_once_is_renewed_and_the_call_made_again(world: World) -> None:
    world.fault("pull_receipt", "expire")
    assert len((await world.client.pull("receipt", "", 5)).items) == 1


async def test_wrong_credentials_are_trouble_and_stand_in_no_message(world: World) -> None:
    world.secrets["client_secret"] = Secret("very secret indeed")
    world.client = world.connect()
    with pytest.raises(WarehouseTrouble) as trouble:
        await world.client.check()
    assert "very secret" not in f"{trouble.value!r} {world.client!r}"


async def test_a_fixed_token_is_used_as_it_is() -> None:
    world = World({"api_token": "fixed"}, auth="bearer")
    world.secrets = {"api_token": Secret("fixed")}
    world.client = world.connect()
    world.receipts(1, 2)
    assert await world.client.check() == "the warehouse answers and accepts our credentials"
    assert [operation for operation, _ in world.line.sent] == ["pull_receipt"]


async def test_nothing_is_written_to_the_warehouse(world: World) -> None:
    assert await world.client.submit([]) == []


# The simulator's own truth.


async def test_the_warehouse_counts_its_shelves_by_itself(world: World) -> None:
    world.bench.arrange(
        {
            "receipts": [
                delivery("R-2", line(1, "30", of="R-2", qty_damaged="2")),
                going_back("RT-1", "RETURN", "R-2", "2", condition="DAMAGED"),
                going_back("RV-1", "REVERSAL", "R-1", "10"),
            ]
        }
    )
    assert world.bench.truth()["shelves"] == {f"{ORDER}/10": {"came": "28", "good": "28"}}
    world.bench.arrange({"reverse": ["R-2"]})
    assert world.bench.truth()["documents"]["R-2"] == {"version": 2, "status": "REVERSED", "type": "RECEIPT"}


async def test_the_same_seed_makes_the_same_receipts() -> None:
    one, other = World({"receipts": "20"}), World({"receipts": "20"})
    assert one.bench.truth()["shelves"] == other.bench.truth()["shelves"]
    assert len((await pull_all(one))[0]) == 20
