"""What is set aside, why, and how it goes its way again: the same key, the same request, booked once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.house import House
from support.papers import invoice, order, receipt, supplier
from tripartite.cli.letters import listed, replayed
from tripartite.core.delivery import DeliveryOutcome
from tripartite.core.events import INVOICE_EVENTS, InvoiceChanged
from tripartite.runtime.deliveries import OUTCOMES
from tripartite.runtime.protocol import Unknown
from tripartite.runtime.settings import Settings


def settings(house: House) -> Settings:
    return Settings(home=house.ports.settings.home, database_url=house.urls.worker, database_owner_url=house.urls.owner)


async def told(house: House, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = await asyncio.to_thread(listed, settings(house), json=True)
    return status, json.loads(capsys.readouterr().out)


async def sent_again(house: House, *keys: str) -> int:
    """Replay these keys, or everything; then it is a moment later."""
    status = await asyncio.to_thread(replayed, settings(house), keys, everything=not keys)
    house.clock.at = max(house.clock.at, datetime.now(UTC)) + timedelta(seconds=1)
    return status


async def refused(house: House) -> str:
    """An invoice that agreed with order and receipt, and whose posting the ERP refused; the delivery's key."""
    await house.bring(supplier(), order(), receipt())
    house.sap.script.append("reject")
    await house.bring_invoice(invoice())
    await house.settle()
    assert (await house.state(), await house.codes()) == ("held", ["posting.rejected"])
    return str(await house.value("SELECT key FROM deliveries.delivery WHERE operation = 'post_invoice'"))


async def test_with_nothing_set_aside_there_is_nothing_to_list_or_to_replay(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await told(house, capsys) == (0, {"deliveries": [], "messages": [], "intake": []})
    assert await sent_again(house) == 0


async def test_a_refused_posting_is_listed_with_its_reason_and_the_money_it_holds_up(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    key = await refused(house)
    status, aside = await told(house, capsys)
    (row,) = aside["deliveries"]
    assert status == 1
    assert (row["key"], row["number"], row["connection"], row["state"]) == (key, "RE-1001", "sap", "rejected")
    assert (row["reason_code"], row["gross"], row["currency"]) == ("posting.rejected", "47.60", "EUR")
    assert "Period 10/2026 is closed" in row["detail"]
    assert await asyncio.to_thread(listed, settings(house), json=False) == 1
    shown = capsys.readouterr().out
    assert "RE-1001" in shown
    assert "47.60 EUR" in shown


async def test_a_refused_posting_that_is_replayed_is_booked_once_and_its_exception_ends(house: House) -> None:
    key = await refused(house)
    assert await sent_again(house, key) == 0
    await house.pump()
    assert (await house.state(), await house.codes()) == ("to_post", [])
    await house.settle()
    assert (await house.state(), await house.codes()) == ("posted", [])
    assert house.sap.effects == {key: 1}
    assert house.sap.sent_keys == [key, key], "the same key both times"
    assert await house.value("SELECT document FROM invoices.invoice") == house.sap.ledger[key]
    states = await house.rows("SELECT state FROM invoices.exception WHERE reason_code = 'posting.rejected'")
    assert states == [("cleared",)]
    assert await house.rows("SELECT state FROM control.exception WHERE reason_code = 'posting.rejected'") == [
        ("cleared",)
    ]
    words = [each.state for each in await house.messages(INVOICE_EVENTS, InvoiceChanged)]
    assert words[-3:] == ["held", "to_post", "posted"]


async def test_a_replay_is_an_attempt_with_a_name_and_a_leaf_and_edits_nothing(house: House) -> None:
    key = await refused(house)
    before = await house.rows("SELECT payload, request_digest FROM deliveries.delivery WHERE key = %s", key)
    await sent_again(house, key)
    assert await house.rows("SELECT payload, request_digest FROM deliveries.delivery WHERE key = %s", key) == before
    detail = await house.value("SELECT detail FROM deliveries.attempt WHERE act = 'replay'")
    assert detail.startswith("cli:")
    assert "posting.rejected" in detail
    record = await house.value("SELECT convert_from(record, 'utf8') FROM audit.leaf WHERE kind = 'delivery.replayed'")
    leaf = json.loads(record)
    assert (leaf["key"], leaf["was"], leaf["reason"]) == (key, "rejected", "posting.rejected")
    assert leaf["request"] == before[0][1]


async def test_refused_again_after_a_replay_it_is_held_again(house: House) -> None:
    key = await refused(house)
    await sent_again(house, key)
    house.sap.script.append("reject")
    await house.settle()
    assert (await house.state(), await house.codes()) == ("held", ["posting.rejected"])
    assert await house.deliveries() == ["rejected"]
    await sent_again(house, key)
    await house.settle()
    assert (await house.state(), house.sap.effects) == ("posted", {key: 1})


async def test_both_answers_of_a_replay_read_in_one_batch_end_in_the_same_state(house: House) -> None:
    key = await refused(house)
    await sent_again(house, key)
    await house.deliver()  # nobody has read that it goes its way again when the yes comes
    outcomes = [each.state for each in await house.messages(OUTCOMES, DeliveryOutcome)]
    assert outcomes == ["rejected", "waiting", "settled"]
    await house.pump()
    assert (await house.state(), await house.codes()) == ("posted", [])


async def test_an_invoice_that_may_not_be_booked_any_more_is_not_sent_again(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    key = await refused(house)
    await house.bring(receipt("GR-2", "10", kind="return", takes_from="GR-1"))
    assert "posting.rejected" in await house.codes()
    assert len(await house.codes()) > 1
    _, aside = await told(house, capsys)
    held_for = aside["deliveries"][0]["held_for"]
    assert held_for
    assert "posting.rejected" not in held_for
    assert await sent_again(house, key) == 1
    assert await house.deliveries() == ["rejected"]
    assert held_for[0] in capsys.readouterr().err


async def test_what_nobody_knows_the_end_of_is_asked_for_and_never_sent_blindly(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    await house.bring(supplier(), order(), receipt())
    house.sap.script.append("commit_then_hang")
    house.sap.probe_script.extend([Unknown("no answer")] * 60)
    await house.bring_invoice(invoice())
    for _ in range(60):
        await house.settle()
        house.clock.turn(90)
    assert await house.deliveries() == ["dead_letter"]
    _, aside = await told(house, capsys)
    assert aside["deliveries"][0]["reason_code"] == "posting.outcome_unknown"
    house.sap.probe_script.clear()
    assert await sent_again(house) == 0
    await house.settle()
    assert await house.state() == "posted"
    assert len(house.sap.calls) == 1, "it was there already: asked for, not sent"
    assert set(house.sap.effects.values()) == {1}
    assert await house.codes() == []


async def test_what_ran_out_of_tries_is_sent_again_from_the_first_try(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    house.sap.script.extend(["busy"] * 8)
    await house.bring_invoice(invoice())
    for _ in range(12):
        await house.settle()
        house.clock.turn(400)
    assert await house.deliveries() == ["dead_letter"]
    assert await house.codes() == ["integration.retries_exhausted"]
    assert await sent_again(house) == 0
    await house.settle()
    assert (await house.state(), await house.codes()) == ("posted", [])


async def test_a_key_that_is_not_set_aside_is_a_mistake_of_the_caller(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    await house.settle()
    settled = await house.value("SELECT key FROM deliveries.delivery WHERE operation = 'post_invoice'")
    assert await sent_again(house, settled) == 2
    assert await sent_again(house, "dlv_nobody") == 2
    assert "nothing that is set aside" in capsys.readouterr().err
    assert await asyncio.to_thread(replayed, settings(house), (), everything=False) == 2
    assert await asyncio.to_thread(replayed, settings(house), ("x",), everything=True) == 2


async def test_messages_and_bytes_that_wait_for_somebody_are_listed_too(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.may_set_aside = True
    async with house.db.connection() as connection:
        await connection.execute(
            """INSERT INTO bus.quarantine (consumer, topic, partition, position, message_id, reason_code, detail)
            VALUES ('invoices', 'invoice.canonical', 'DE01/0', 1, 'msg_x', 'integration.schema_violated', 'no such')"""
        )
        await connection.execute(
            "INSERT INTO gateway.raw (digest, content, length, media_type) VALUES ('d', 'x', 1, 'application/xml')"
        )
        await connection.execute(
            """INSERT INTO gateway.intake (intake_id, connection, digest, name, media_type, caller, disposition,
            reason_code, pointer) VALUES ('in_x', 'einvoice', 'd', 'a.xml', 'application/xml', 'test', 'quarantined',
            'integration.mapping_missing', '/buyer')"""
        )
    status, aside = await told(house, capsys)
    assert status == 1
    assert [(each["message_id"], each["consumer"]) for each in aside["messages"]] == [("msg_x", "invoices")]
    assert [(each["intake_id"], each["pointer"]) for each in aside["intake"]] == [("in_x", "/buyer")]
    assert await sent_again(house) == 1, "it is no longer on the bus"
    assert "no longer on the bus" in capsys.readouterr().err
