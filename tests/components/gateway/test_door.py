"""The door: bytes are kept as they came, a twin stops here, and each ends with a disposition."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from support.house import House, arrival
from support.papers import invoice, order, supplier
from tripartite.components.gateway import flows, intake, store
from tripartite.components.gateway.intake import Canonical, Document, Refused, Taken
from tripartite.core import codec
from tripartite.core.events import RECEIVED, Received
from tripartite.core.ids import digest
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.db import Connection
from tripartite.runtime.protocol import HttpFailure, Page, Pulled


def document(content: bytes = b"<Invoice/>", **further: Any) -> Document:
    known: dict[str, Any] = {
        "connection": "einvoice",
        "content": content,
        "media_type": "application/xml",
        "caller": "tests",
        **further,
    }
    return Document(**known)


async def dispositions(house: House) -> list[tuple[str, str]]:
    found = await house.rows("SELECT disposition, reason_code FROM gateway.intake ORDER BY intake_id")
    return [(row[0], row[1]) for row in found]


async def test_bytes_come_back_by_digest_exactly_as_they_came(house: House) -> None:
    odd = bytes(range(256)) * 40
    taken = (await house.door.accept([document(odd)]))[0]
    assert taken.digest == digest(odd)
    async with house.db.connection() as connection:
        assert await store.contents(connection, [taken.digest]) == {taken.digest: odd}


async def test_what_was_received_is_never_edited(house: House) -> None:
    await house.door.accept([document()])
    with pytest.raises(psycopg.errors.RaiseException, match="never edited"):
        await house.rows("UPDATE gateway.raw SET content = 'x' RETURNING 1")


async def test_an_intake_without_its_bytes_or_without_a_reason_cannot_be(house: House) -> None:
    await house.door.accept([document()])
    for statement in (
        "UPDATE gateway.intake SET digest = 'nowhere' RETURNING 1",
        "UPDATE gateway.intake SET disposition = 'rejected', reason_code = '' RETURNING 1",
        "UPDATE gateway.intake SET disposition = 'lost' RETURNING 1",
    ):
        with pytest.raises(psycopg.errors.IntegrityError):
            await house.rows(statement)


async def test_a_twin_stops_at_the_door_and_is_told_of_the_first(house: House) -> None:
    first = (await house.door.accept([document()]))[0]
    twin = (await house.door.accept([document(name="again.xml")]))[0]
    assert (first.disposition, twin.disposition) == ("waiting", "duplicate")
    assert (twin.first_intake_id, twin.reason_code) == (first.intake_id, "duplicate.event")
    assert len(await house.messages(RECEIVED, Received)) == 1
    assert await house.value("SELECT count(*) FROM gateway.raw") == 1


async def test_twins_in_one_batch_stop_too(house: House) -> None:
    taken = await house.door.accept([document(), document(b"<Other/>"), document()])
    assert sorted(each.disposition for each in taken) == ["duplicate", "waiting", "waiting"]
    assert len(await house.messages(RECEIVED, Received)) == 2


async def test_the_same_bytes_by_another_connection_are_no_twin_here(house: House) -> None:
    """Whether two channels brought one debt is for matching to say: the bytes alone do not."""
    await house.door.accept([document()])
    other = (await house.door.accept([document(connection="capture")]))[0]
    assert other.disposition == "waiting"


async def test_eight_callers_with_the_same_bytes_at_once_make_one_intake(house: House) -> None:
    running = asyncio.create_task(house.door.run())
    taken = await asyncio.gather(*(house.door.accept_one(document()) for _ in range(8)))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sorted(each.disposition for each in taken) == ["duplicate"] * 7 + ["waiting"]
    assert len(await house.messages(RECEIVED, Received)) == 1


async def test_nothing_is_acknowledged_before_its_commit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    running = asyncio.create_task(house.door.run())
    with monkeypatch.context() as patched:
        patched.setattr(intake, "publish", broken)
        with pytest.raises(ZeroDivisionError):
            await house.door.accept_one(document())
    assert await dispositions(house) == []
    assert await house.value("SELECT count(*) FROM gateway.raw") == 0
    assert (await house.door.accept_one(document())).disposition == "waiting", "the door works on"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_refused_is_kept_and_goes_no_further(house: House) -> None:
    refused = Refused("intake.amount_invalid", "amount 'NaN'", "/gross")
    taken = (await house.door.accept([document(refused=refused)]))[0]
    assert (taken.disposition, taken.reason_code, taken.pointer) == ("rejected", "intake.amount_invalid", "/gross")
    assert await house.messages(RECEIVED, Received) == []
    assert await house.value("SELECT count(*) FROM gateway.raw") == 1


async def test_what_already_is_canonical_is_published_as_canonical_at_once(house: House) -> None:
    value = order()
    canonical = Canonical(
        "order", value.number, "DE01", value.number, "c_1", lambda intake_id, _: codec.encode({"value": value})
    )
    taken = (await house.door.accept([document(canonical=canonical, connection="api")]))[0]
    assert taken.disposition == "applied"
    await house.pump()
    assert await house.value("SELECT number FROM orders.purchase_order") == value.number


# Reading


async def test_a_vendor_document_that_cannot_be_read_is_set_aside_with_its_place_and_its_neighbour_goes_on(
    house: House,
) -> None:
    await house.door.accept(
        [
            document(b'{"id": ', connection="coupa", kind="order", media_type="application/json", name="1"),
            document(b'{"id": "x"}', connection="coupa", kind="order", media_type="application/json", name="2"),
            document(b"{}", connection="coupa", kind="unheard-of", media_type="application/json", name="3"),
        ]
    )
    await house.pump()
    found = await house.rows("SELECT name, disposition, reason_code <> '' FROM gateway.intake ORDER BY name")
    assert [(row[0], row[1] in ("rejected", "quarantined"), row[2]) for row in found] == [
        ("1", True, True),
        ("2", True, True),
        ("3", True, True),
    ]
    assert await house.set_aside() == []
    assert await house.value("SELECT count(*) FROM gateway.raw") == 3


async def test_a_document_of_a_connection_that_is_gone_is_quarantined_not_lost(house: House) -> None:
    await house.door.accept([document(connection="gone", kind="invoice")])
    await house.pump()
    assert await dispositions(house) == [("quarantined", "integration.mapping_missing")]


# Pulling, fetching, asking


def page(*numbers: str, cursor: str, more: bool = False) -> Page:
    items = tuple(Pulled("order", number, "1", b'{"id":"%s"}' % number.encode()) for number in numbers)
    return Page(items, cursor, more)


async def test_a_poll_goes_on_where_the_last_one_stopped(house: House) -> None:
    coupa = house.remotes["coupa"]
    coupa.pages.extend([page("1", "2", cursor="a", more=True), page("3", cursor="b")])
    assert await flows.pull_stream(house.ports, house.door, "coupa", "order") == 3
    assert await house.value("SELECT cursor FROM gateway.pull WHERE stream = 'order'") == "b"
    seen: list[str] = []

    async def pull(stream: str, cursor: str, limit: int) -> Page:
        seen.append(cursor)
        return page("3", "4", cursor="c")

    coupa.pull = pull  # type: ignore[method-assign]
    await flows.pull_stream(house.ports, house.door, "coupa", "order")
    assert seen == ["b"]
    names = await house.rows("SELECT name FROM gateway.intake WHERE disposition <> 'duplicate' ORDER BY name")
    assert names == [("1",), ("2",), ("3",), ("4",)], "the overlap is taken in once"
    assert len(await house.messages(RECEIVED, Received)) == 4


async def test_a_cursor_moves_only_with_the_page_it_ends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.remotes["coupa"].pages.extend([page("1", cursor="a")])
    real = store.keep_cursor

    async def and_break(*arguments: Any) -> None:
        await real(*arguments)
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(store, "keep_cursor", and_break)
        with pytest.raises(ZeroDivisionError):
            await flows.pull_stream(house.ports, house.door, "coupa", "order")
    assert await house.rows("SELECT 1 FROM gateway.pull") == []
    assert await dispositions(house) == []


async def test_a_system_that_does_not_answer_is_noted_and_asked_again_from_the_same_place(house: House) -> None:
    async def silent(stream: str, cursor: str, limit: int) -> Page:
        raise HttpFailure("no route", sent=False)

    house.remotes["coupa"].pull = silent  # type: ignore[method-assign]
    assert await flows.pull_stream(house.ports, house.door, "coupa", "order") == 0
    assert await flows.pull_stream(house.ports, house.door, "coupa", "order") == 0
    assert await house.rows("SELECT cursor, failures, detail FROM gateway.pull") == [("", 2, "no route")]


async def test_only_the_system_of_record_is_polled_for_an_object(house: House) -> None:
    assert flows.owns(house.ports, "coupa", "order")
    assert flows.owns(house.ports, "capture", "invoice")
    assert not flows.owns(house.ports, "sap", "order")
    assert not flows.owns(house.ports, "coupa", "invoice")


async def test_a_document_that_was_told_of_is_fetched_once(house: House) -> None:
    capture = house.remotes["capture"]
    capture.there["invoice", "D-1"] = Pulled("invoice", "D-1", "1", b'{"documentId":"D-1"}')
    async with house.db.connection() as connection:
        await store.add_fetches(connection, "capture", [("invoice", "D-1", "1")], house.clock.at)
        await store.add_fetches(connection, "capture", [("invoice", "D-1", "1")], house.clock.at)
    await flows.fetch_due(house.ports, house.door)
    await flows.fetch_due(house.ports, house.door)
    assert capture.fetched == [("invoice", "D-1")]
    assert await house.rows("SELECT 1 FROM gateway.fetch") == []
    assert [name for (name,) in await house.rows("SELECT name FROM gateway.intake")] == ["D-1"]


async def test_a_fetch_that_fails_is_due_again_later_and_later(house: House) -> None:
    attempts: list[str] = []

    async def silent(kind: str, key: str) -> None:
        attempts.append(key)
        raise HttpFailure("time-out", sent=True)

    house.remotes["capture"].fetch = silent  # type: ignore[method-assign]
    async with house.db.connection() as connection:
        await store.add_fetches(connection, "capture", [("invoice", "D-1", "1")], house.clock.at)
    for _ in range(60):
        await flows.fetch_due(house.ports, house.door)
        house.clock.turn(1)
    assert 3 <= len(attempts) <= 8
    assert await house.value("SELECT count(*) FROM gateway.fetch") == 1


async def test_a_question_that_nobody_can_answer_is_answered_so(house: House) -> None:
    await house.bring(supplier())
    await house.publish(arrival(invoice(company="DE01", of="4599999999"), "api"))
    await house.pump()
    house.remotes["coupa"].answers["order_by_number"] = []
    await flows.ask_due(house.ports, house.door)
    await house.pump()
    assert await house.rows("SELECT found FROM orders.sought") == [(False,)]
    assert await house.rows("SELECT 1 FROM gateway.ask") == []


async def test_a_question_is_asked_again_while_the_other_side_is_away_and_given_up_in_the_end(house: House) -> None:
    await house.bring(supplier())
    await house.publish(arrival(invoice(of="4599999999"), "api"))
    await house.pump()
    attempts: list[str] = []

    async def silent(question: str, parameters: Any) -> tuple[Pulled, ...]:
        attempts.append(question)
        raise HttpFailure("time-out", sent=True)

    house.remotes["coupa"].ask = silent  # type: ignore[method-assign]
    for _ in range(40):
        await flows.ask_due(house.ports, house.door)
        house.clock.turn(60)
    assert attempts == ["order_by_number"] * flows.MOST_ASKS
    await house.pump()
    assert await house.rows("SELECT found FROM orders.sought") == [(False,)]


async def test_what_is_accepted_beside_a_document_commits_with_it(house: House) -> None:
    async def beside(connection: Connection, taken: list[Taken]) -> list[Outgoing]:
        await store.keep_cursor(connection, "coupa", "order", taken[0].intake_id, house.clock.at)
        return []

    taken = await house.door.accept([document()], beside)  # type: ignore[arg-type]
    assert await house.value("SELECT cursor FROM gateway.pull") == taken[0].intake_id
