"""The estate on screen: who lags and since when, what was set aside, and sending it again with a reason."""

from __future__ import annotations

import json
from typing import Any

from cli.test_letters import refused
from components.console.reader import READING, Reader, links_of, reader, words_of
from support.api import Api
from support.house import House
from support.papers import invoice, order, receipt, supplier
from tripartite.components.gateway import store as gateway
from tripartite.runtime.db import Connection

MINDING = (*READING, "delivery.replay")
ASIDE = "/estate/dead-letters"


async def minder(api: Api, **further: Any) -> Reader:
    return await reader(api, "ewa", MINDING, **further)


async def test_the_estate_says_what_is_owed_since_when_and_how_far_each_stream_was_read(api: Api, house: House) -> None:
    async def read(connection: Connection) -> None:
        await gateway.keep_cursor(connection, "coupa", "purchase_orders", "2026-11-20T07:00:00Z", house.clock.at)
        await gateway.pull_failed(connection, "sap", "receipts", "503 from SAP", house.clock.at)

    await house.db.transaction(read)
    await house.bring(supplier(), order(), receipt())
    await house.settle()
    await house.bring(invoice())
    house.clock.turn(180)
    ewa = await minder(api)
    tree = await ewa.page("/estate")
    text = words_of(tree)
    for said in ("purchase orders", "2026-11-20T07:00:00Z", "1 failures in a row", "503 from SAP", "3 min ago"):
        assert said in text, said
    assert "/estate/sap" in links_of(tree)
    one = await ewa.text("/estate/sap")
    for said in ("Owed to it", "Posting", "Queued", "3 min ago", "503 from SAP"):
        assert said in one, said
    assert "purchase orders" not in one, "another connection's streams"
    assert (await ewa.get("/estate/none")).status == 404


async def test_a_refused_posting_is_sent_again_from_the_page_under_its_key_with_a_reason(
    api: Api, house: House
) -> None:
    key = await refused(house)
    ewa = await minder(api)
    text = await ewa.text(ASIDE)
    for said in ("1 delivery set aside", "at risk EUR 47.60", "Posting", "Period 10/2026 is closed",
                 "sent again under its old key"):  # fmt: skip
        assert said in text, said
    assert "Set aside" in await ewa.text("/estate")
    assert (await ewa.send(ASIDE, ASIDE, why="  ")).status == 422
    assert await house.deliveries() == ["rejected"], "no reason, no act"
    went = await ewa.send(ASIDE, ASIDE, why="the period is open again")
    assert went.status == 303, went
    assert "1 went their way again" in await ewa.text(went.headers["location"])
    await house.settle()
    assert await house.state() == "posted"
    assert house.sap.effects == {key: 1}
    assert house.sap.sent_keys == [key, key], "the same key both times"
    (attempt,) = await house.rows("SELECT detail FROM deliveries.attempt WHERE act = 'replay'")
    assert attempt[0].startswith("ewa sends it again")
    assert "the period is open again" in attempt[0]
    (leaf,) = await house.rows("SELECT record FROM audit.leaf WHERE kind = 'delivery.replayed'")
    assert json.loads(leaf[0])["why"] == "the period is open again"
    assert "Every delivery is done, on its way, or waits for its turn." in await ewa.text(ASIDE)


async def test_what_its_invoice_now_stands_against_stays_aside_and_says_so(api: Api, house: House) -> None:
    key = await refused(house)
    await house.bring(receipt("RT-1", "10", kind="return"))
    assert "match.not_received" in str(await house.codes()) or len(await house.codes()) > 1
    ewa = await minder(api)
    tree = await ewa.page(ASIDE)
    assert "stays: its invoice is held for" in words_of(tree)
    assert not tree.xpath("//input[@type='checkbox']")
    token = tree.xpath("//input[@name='csrf']/@value")[0]
    answer = await ewa.post(ASIDE, {"csrf": token, "key": "k-1", "why": "try", f"d:{key}": "on"})
    assert answer.headers["location"].endswith("?went=0&stayed=1")
    assert await house.deliveries() == ["rejected"]


async def test_who_may_not_replay_sees_why_and_another_company_sees_nothing(api: Api, house: House) -> None:
    key = await refused(house)
    looks = await reader(api, "lea")
    tree = await looks.page(ASIDE)
    assert "Sending again takes the right delivery.replay, which you do not have." in words_of(tree)
    token = tree.xpath("//input[@name='csrf']/@value")[0]
    answer = await looks.post(ASIDE, {"csrf": token, "key": "k-1", "why": "try", f"d:{key}": "on"})
    assert answer.status == 422
    assert b"delivery.replay" in answer.body
    paula = await reader(api, "paula", MINDING, companies=["PL02"])
    assert "Every delivery is done" in await paula.text(ASIDE)
    tree = await paula.page("/me")
    token = tree.xpath("//input[@name='csrf']/@value")[0]
    answer = await paula.post(ASIDE, {"csrf": token, "key": "k-2", "why": "try", f"d:{key}": "on"})
    assert answer.headers["location"].endswith("?went=0&stayed=1"), "what one does not see is not set aside"
    assert await house.deliveries() == ["rejected"]


async def test_a_message_that_was_not_taken_in_is_taken_again_by_its_consumer(api: Api, house: House) -> None:
    house.may_set_aside = True
    await house.bring(supplier(), order())
    (message,) = await house.rows(
        "SELECT topic, partition, position, message_id FROM bus.message WHERE type = 'tripartite.order.recorded.v1'"
    )
    async with house.db.connection() as connection:
        await connection.execute(
            """INSERT INTO bus.quarantine (consumer, topic, partition, position, message_id, reason_code, detail)
            VALUES ('control', %s, %s, %s, %s, 'integration.retries_exhausted', 'disk was full')""",
            message,
        )
    ewa = await minder(api)
    text = await ewa.text(ASIDE)
    for said in ("tripartite.order.recorded.v1", "control", "disk was full"):
        assert said in text, said
    went = await ewa.send(ASIDE, ASIDE, why="the disk was cleared")
    assert went.headers["location"].endswith("?went=1&stayed=0")
    assert "Asked for by ewa" in await ewa.text(ASIDE)
    assert await house.retake() == 1
    assert "Every component took in everything that was written." in await ewa.text(ASIDE)


async def test_a_replay_over_the_api_is_idempotent_and_needs_a_person_and_a_reason(api: Api, house: House) -> None:
    key = await refused(house)
    ewa = (await minder(api)).caller
    place, body = "/v1/dead-letters/replays", json.dumps({"why": "open again", "deliveries": [key]}).encode()
    headers = [("idempotency-key", "r-1")]
    first = await ewa.post(place, body, headers=headers)
    assert first.json() == {
        "deliveries": [{"key": key, "state": "waiting", "was": "rejected"}],
        "messages": [],
        "stay": [],
    }
    again = await ewa.post(place, body, headers=headers)
    assert (again.body, again.headers["idempotency-replayed"]) == (first.body, "true")
    other = json.dumps({"why": "something else", "deliveries": [key]}).encode()
    assert (await ewa.post(place, other, headers=headers)).json()["reason_code"] == "intake.key_reused"
    assert (await ewa.post(place, json.dumps({"why": "x"}).encode())).status == 413
    machine = await api.caller()
    assert (await machine.post(place, body)).status == 403
    rows = (await ewa.get("/v1/dead-letters")).json()["items"]
    assert rows == []
