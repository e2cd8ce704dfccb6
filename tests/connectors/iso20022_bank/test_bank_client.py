"""Sending an order and asking for it: what each answer means, what a lost one costs, who may renew a token."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from connectors.iso20022_bank.bank_bench import SECRET, THEIRS, World, changed, order, owed, payment
from tripartite.connectors.iso20022_bank.client import BankTrouble, SettingInvalid
from tripartite.connectors.simulating import Reply
from tripartite.core.money import Amount
from tripartite.core.objects import BankAccount
from tripartite.runtime.protocol import (
    Absent,
    Accepted,
    Rejected,
    RetryLater,
    Settled,
    Unknown,
    WebhookRefused,
)

ORDER = owed(order())


def orders(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.bench.truth()["orders"]
    return found


def uploads(world: World) -> list[bytes]:
    return [content for operation, _, content, _ in world.line.sent if operation == "upload"]


# The ladder.


async def test_a_file_that_was_taken_is_no_success_until_the_bank_has_validated_it(world: World) -> None:
    (answer,) = await world.client.submit([ORDER])
    assert isinstance(answer, Accepted)
    assert isinstance(await world.client.probe(ORDER), Accepted)  # RCVD
    world.later()
    assert await world.client.probe(ORDER) == Settled(answer.remote_ref, "ACTC")
    world.done()
    assert await world.client.probe(ORDER) == Settled(answer.remote_ref, "ACSC")


async def test_a_file_that_the_bank_rejects_is_rejected_with_its_reason(world: World) -> None:
    world.fault("file", "rjct.group")
    await world.client.submit([ORDER])
    world.later()
    assert await world.client.probe(ORDER) == Rejected("FF01", "a fault of the bench")


async def test_a_file_of_which_some_transfers_are_rejected_was_delivered(world: World) -> None:
    world.fault("transfer", "rjct.transfer")
    both = owed(order("ORD-2", payment("A"), payment("B", place=1)))
    await world.client.submit([both])
    world.done(2)
    assert await world.client.probe(both) == Settled("IN000001", "PART")


@pytest.mark.parametrize("word", ["RCVD", "PDNG", "PATC", "RCVC", "NEWS", ""])
async def test_a_word_that_is_no_yes_leaves_the_file_accepted(world: World, word: str) -> None:
    state = {"messageId": "ORD-1", "fileId": "F", "status": word}
    world.line.twist["state"] = Reply(200, json.dumps(state).encode())
    assert isinstance(await world.client.probe(ORDER), Accepted)


@pytest.mark.parametrize("reason", ["DU01", "DU03", "DUPL", "AM05"])
async def test_a_second_copy_that_is_refused_says_nothing_of_the_first(world: World, reason: str) -> None:
    state = {"messageId": "ORD-1", "fileId": "F", "status": "RJCT", "reason": reason}
    world.line.twist["state"] = Reply(200, json.dumps(state).encode())
    assert isinstance(await world.client.probe(ORDER), Accepted)


# Answers that never came.


@pytest.mark.parametrize("fault", ["commit_then_hang", "commit_then_cut", "commit_then_5xx"])
async def test_an_answer_lost_after_the_commit_is_unknown_and_found_by_the_probe(world: World, fault: str) -> None:
    world.fault("upload", fault)
    (answer,) = await world.client.submit([ORDER])
    assert isinstance(answer, Unknown)
    assert list(orders(world)) == ["ORD-1"]
    assert isinstance(await world.client.probe(ORDER), Accepted)
    world.done()
    assert isinstance(await world.client.probe(ORDER), Settled)
    assert world.bench.truth()["payments"]["PAY-1"]["bookings"] == 1


@pytest.mark.parametrize("fault", ["hang", "reply.5xx", "lie_html", "lie_dropped"])
async def test_an_upload_that_was_not_done_is_absent_and_sent_again_byte_for_byte(world: World, fault: str) -> None:
    world.fault("upload", fault)
    (answer,) = await world.client.submit([ORDER])
    assert isinstance(answer, Accepted if fault == "lie_dropped" else Unknown)
    assert isinstance(await world.client.probe(ORDER), Absent)
    (again,) = await world.client.submit([ORDER])
    assert isinstance(again, Accepted)
    first, second = uploads(world)
    assert first == second
    world.done()
    assert world.bench.truth()["payments"]["PAY-1"]["bookings"] == 1


async def test_a_file_that_arrives_after_we_gave_up_is_taken_once(world: World) -> None:
    world.fault("upload", "late_commit", delay=30)
    (answer,) = await world.client.submit([ORDER])
    assert isinstance(answer, Unknown)
    assert isinstance(await world.client.probe(ORDER), Absent)
    world.later(30)
    assert isinstance(await world.client.probe(ORDER), Accepted)
    (again,) = await world.client.submit([ORDER])
    assert isinstance(again, Unknown)  # 409 DU01: ask, it is no refusal
    assert orders(world)["ORD-1"]["copies"] == 2
    world.done()
    assert world.bench.truth()["payments"]["PAY-1"]["bookings"] == 1


async def test_a_bank_that_does_not_show_a_file_yet_is_asked_again(world: World) -> None:
    world.fault("upload", "lag", delay=20)
    await world.client.submit([ORDER])
    assert isinstance(await world.client.probe(ORDER), Absent)
    world.later(20)
    assert isinstance(await world.client.probe(ORDER), Settled)


async def test_a_bank_that_takes_a_second_copy_and_refuses_it_later_pays_once() -> None:
    world = World({"duplicates": "report"})
    for _ in range(3):
        (answer,) = await world.client.submit([ORDER])
        assert isinstance(answer, Accepted)
    world.done()
    assert isinstance(await world.client.probe(ORDER), Settled)
    duplicates = [each for each in await world.reports() if each.reason == "DU01"]
    assert [each.status for each in duplicates] == ["pending", "pending"]
    assert world.bench.truth()["payments"]["PAY-1"]["bookings"] == 1


async def test_other_bytes_under_our_message_id_are_for_a_person(world: World) -> None:
    await world.client.submit([ORDER])
    world.later()
    with changed(world, service_level="URGP", category_purpose="TAXS"):
        answer = await world.client.probe(ORDER)
    assert isinstance(answer, Unknown)
    assert "other bytes" in answer.reason


async def test_an_order_that_our_settings_can_no_longer_write_is_not_called_rejected(world: World) -> None:
    await world.client.submit([ORDER])
    long = replace(order(), company_name="N" * 71)
    answer = await world.client.probe(replace(ORDER, payload=owed(long).payload))
    assert isinstance(answer, Unknown)


async def test_an_answer_about_another_file_is_not_believed(world: World) -> None:
    taken = {"messageId": "ORD-9", "fileId": "F"}
    world.line.twist["upload"] = Reply(202, json.dumps(taken).encode())
    (answer,) = await world.client.submit([ORDER])
    assert isinstance(answer, Unknown)
    world.line.twist["state"] = Reply(200, json.dumps({**taken, "status": "ACSC"}).encode())
    assert isinstance(await world.client.probe(ORDER), Unknown)


# Answers that say no, or not now.


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"code": "FF01", "message": "no"}, Rejected),
        (413, {"code": "FF01", "message": "too large"}, Rejected),
        (422, {"code": "RR10"}, Rejected),
        (422, {"code": "DU01"}, Unknown),
        (409, {"code": "DU01"}, Unknown),
        (409, {"anything": 1}, Unknown),
        (400, {"error": "a proxy"}, Unknown),
        (404, {"code": "NOT_FOUND"}, Unknown),
        (403, {"code": "SCOPE"}, RetryLater),
        (202, {"fileId": "F"}, Unknown),
        (202, {"fileId": "", "messageId": "ORD-1"}, Unknown),
        (500, {}, Unknown),
        (503, {}, Unknown),
        (302, {}, Unknown),
    ],
)
async def test_only_the_banks_own_no_is_a_no(world: World, status: int, body: dict[str, Any], kind: type) -> None:
    world.line.twist["upload"] = Reply(status, json.dumps(body).encode())
    (answer,) = await world.client.submit([ORDER])
    assert isinstance(answer, kind), answer


async def test_a_bank_that_is_busy_says_when_to_come_back(world: World) -> None:
    world.fault("upload", "reply.429", retry_after=17)
    (answer,) = await world.client.submit([ORDER])
    assert isinstance(answer, RetryLater)
    assert answer.after_seconds == 17
    assert orders(world) == {}
    world.line.twist["state"] = Reply(429, b"", {"Retry-After": "Fri, 20 Nov 2026 08:00:45 GMT"})
    later = await world.client.probe(ORDER)
    assert isinstance(later, RetryLater)
    assert later.after_seconds == 45


async def test_a_connection_that_was_refused_carried_nothing(world: World) -> None:
    await world.client.check()
    world.line.refuse = True
    (answer,) = await world.client.submit([ORDER])
    assert isinstance(answer, RetryLater)


async def test_a_404_that_is_not_the_banks_own_is_no_absence(world: World) -> None:
    world.line.twist["state"] = Reply(404, b"<html>nginx</html>")
    assert isinstance(await world.client.probe(ORDER), RetryLater)


async def test_an_order_that_cannot_be_written_is_refused_alone_and_its_place_is_said(world: World) -> None:
    bad = owed(order("ORD-2", payment("B", account=BankAccount("FR1420041010050500013M02607"))))
    first, second, third = await world.client.submit([bad, ORDER, replace(ORDER, payload=b"{}")])
    assert isinstance(first, Rejected)
    assert first.code == "intake.value_out_of_range"
    assert first.detail.startswith("/payments/0/account/account")
    assert "FR14" not in first.detail
    assert isinstance(second, Accepted)
    assert isinstance(third, Rejected)
    assert list(orders(world)) == ["ORD-1"]


async def test_what_goes_out_names_the_file_the_same_way_each_time(world: World) -> None:
    await world.client.submit([ORDER])
    await world.client.submit([ORDER])
    kept = ("content-type", "idempotency-key", "x-content-sha256", "x-file-name", "x-file-type")
    one, two = ([each[3][name] for name in kept] for each in world.line.sent if each[0] == "upload")
    assert one == two
    assert one[1] == "ORD-1"


# Tokens and secrets.


async def test_forty_callers_with_a_spent_token_renew_it_once(world: World) -> None:
    await world.client.check()
    world.later(10_000)
    await asyncio.gather(*(world.client.probe(ORDER) for _ in range(40)))
    assert world.bench.calls["token"] == 2


async def test_a_token_that_the_bank_has_forgotten_costs_one_renewal_and_no_attempt(world: World) -> None:
    await world.client.check()
    world.fault("upload", "expire")
    (answer,) = await world.client.submit([ORDER])
    assert isinstance(answer, Accepted)
    assert world.bench.calls["token"] == 2
    world.fault("state", "expire", times=1)
    await asyncio.gather(*(world.client.probe(ORDER) for _ in range(10)))
    assert world.bench.calls["token"] == 3


async def test_a_late_refusal_of_the_old_token_does_not_cost_the_new_one(world: World) -> None:
    await world.client.check()
    world.bench.tokens.clear()
    world.line.slow.add("state")
    answer, _ = await asyncio.gather(world.client.probe(ORDER), world.client.check())
    assert isinstance(answer, Absent)
    assert world.bench.calls["token"] == 2


async def test_a_bank_that_refuses_even_a_new_token_is_asked_later(world: World) -> None:
    world.line.twist["upload"] = Reply(401, b"")
    (answer,) = await world.client.submit([ORDER])
    assert isinstance(answer, RetryLater)
    assert len(uploads(world)) == 2


@pytest.mark.parametrize(
    "reply", [Reply(200, b"<html>login</html>"), Reply(429, b"", {"retry-after": "9"}), Reply(500)]
)
async def test_without_a_token_nothing_is_sent(world: World, reply: Reply) -> None:
    world.line.twist["token"] = reply
    (answer,) = await world.client.submit([ORDER])
    assert isinstance(answer, RetryLater)
    assert uploads(world) == []
    with pytest.raises(BankTrouble):
        await world.client.check()


async def test_no_secret_and_no_account_stands_in_an_answer_or_an_error(world: World) -> None:
    leak = f"{SECRET} Bearer abcdefghijklmnop {THEIRS[0]}"
    world.line.twist["upload"] = Reply(422, json.dumps({"code": "AC01", "message": leak}).encode())
    (answer,) = await world.client.submit([ORDER])
    channel = vars(vars(world.client)["_channel"])
    token = channel["_token"].reveal()
    assert token.startswith("bank-")
    said = [repr(answer), repr(channel["_connection"]), repr(channel["_token"])]
    world.line.twist["token"] = Reply(401, f"{leak} {token}".encode())
    await world.client.close()
    said.append(repr((await world.client.submit([ORDER]))[0]))
    for each in said:
        for hidden in (SECRET, THEIRS[0], "abcdefghijklmnop", token):
            assert hidden not in each


@pytest.mark.parametrize("said", [{"since": "yesterday"}, {"overlap_seconds": "an hour"}, {"timeout_seconds": "-1"}])
def test_a_setting_of_the_client_that_cannot_be_meant_is_named(said: dict[str, str]) -> None:
    with pytest.raises(SettingInvalid) as caught:
        World(**said)
    assert caught.value.setting in said


async def test_there_are_no_webhooks_and_no_questions(world: World) -> None:
    with pytest.raises(WebhookRefused):
        world.client.verify_webhook({}, b"{}")


async def test_amounts_arrive_as_they_were_ordered(world: World) -> None:
    many = order("ORD-3", *(payment(f"PAY-{n}", f"{n}.05", place=n) for n in range(1, 5)))
    await world.client.submit([owed(many)])
    world.done()
    paid = world.bench.truth()["payments"]
    assert {number: Amount(each["amount"]) for number, each in paid.items()} == {
        each.number: each.amount for each in many.payments
    }
    assert [paid[f"PAY-{n}"]["creditor_account"] for n in range(1, 5)] == [*THEIRS[1:], THEIRS[0]]
    assert paid["PAY-1"]["remittance"] == ["CINV R-PAY-1 2026-10-01 1.05"]
