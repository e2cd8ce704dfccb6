"""Acme's behaviour and ours: nothing lost on the way in, nothing done twice on the way out."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from typing import Any

import pytest

from connectors.acme.acme_bench import NEW_SECRET, SECRET, World, owed, posting
from tripartite.connectors.acme.client import AcmeTrouble
from tripartite.connectors.simulating import Reply, json_reply
from tripartite.core import codec
from tripartite.runtime.protocol import (
    Absent,
    Accepted,
    HttpFailure,
    Outbound,
    Rejected,
    RetryLater,
    Secret,
    Settled,
    Unknown,
    WebhookRefused,
)


def orders(first: int, last: int) -> dict[str, Any]:
    return {"orders": [{"number": str(n), "company": "DE01", "lines": []} for n in range(first, last)]}


async def pull_all(world: World, cursor: str = "", limit: int = 7) -> tuple[list[tuple[str, str]], str]:
    found: list[tuple[str, str]] = []
    while True:
        page = await world.client.pull("order", cursor, limit)
        found += ((item.key, item.version) for item in page.items)
        cursor = page.cursor
        if not page.more:
            return found, cursor


async def test_pages_bring_every_object_once_and_the_cursor_goes_on(world: World) -> None:
    world.bench.arrange(orders(0, 20))
    found, cursor = await pull_all(world)
    assert [key for key, _ in found] == [str(n) for n in range(20)]
    assert await pull_all(world, cursor) == ([], cursor)
    world.bench.arrange(orders(20, 23))
    found, _ = await pull_all(world, cursor)
    assert [key for key, _ in found] == ["20", "21", "22"]


async def test_an_object_changed_between_two_pages_is_not_skipped(world: World) -> None:
    world.bench.arrange(orders(0, 10))
    first = await world.client.pull("order", "", 5)
    world.bench.arrange(orders(2, 4) | {})
    world.bench.arrange(orders(7, 8))
    rest, _ = await pull_all(world, first.cursor, 5)
    seen = {item.key for item in first.items} | {key for key, _ in rest}
    assert seen == {str(n) for n in range(10)}
    assert dict(rest)["7"] == "13"  # in its latest form, with the version of the change


async def test_a_forgotten_cursor_starts_over_instead_of_skipping(world: World) -> None:
    world.bench.arrange(orders(0, 10))
    _, cursor = await pull_all(world)
    world.bench.arrange(orders(10, 12))
    world.fault("pull_orders", "cursor_expired")
    found, _ = await pull_all(world, cursor, 50)
    assert [key for key, _ in found] == [str(n) for n in range(12)]


async def test_one_object_is_fetched_as_acme_sent_it(world: World) -> None:
    world.bench.arrange({"invoices": [{"number": "AI/1", "supplier_ref": "R-1"}]})
    found = await world.client.fetch("invoice", "AI/1")
    assert found is not None
    assert (found.key, found.version) == ("AI/1", "1")
    assert b'"supplier_ref":"R-1"' in found.content
    assert await world.client.fetch("invoice", "AI-2") is None


async def test_the_receipts_of_an_order_are_asked_for_by_its_number(world: World) -> None:
    lines = [{"order": "4500", "position": 10, "quantity": "1"}]
    world.bench.arrange({"receipts": [{"number": "WE-1", "lines": lines}, {"number": "WE-2", "lines": []}]})
    found = await world.client.ask("receipts_of_order", {"order_number": "4500"})
    assert [(one.kind, one.key) for one in found] == [("receipt", "WE-1")]


async def test_the_doctor_hears_whose_acme_it_is(world: World) -> None:
    assert await world.client.check() == "Acme answers for Acme Example Group"


async def test_a_posting_is_settled_with_its_document_number(world: World) -> None:
    assert await world.client.submit([owed()]) == [Settled("19000001/2026")]
    [booked] = world.booked()
    assert (booked["gross_minor"], booked["company"], booked["reference"]) == (11900, "DE01", "dlv_R-1")


async def test_the_same_key_books_once(world: World) -> None:
    first = await world.client.submit([owed()])
    assert await world.client.submit([owed()]) == first
    assert len(world.booked()) == 1


async def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    await world.client.submit([owed()])
    item = Outbound("dlv_R-1", "post_invoice", "DE01", codec.encode(posting("R-2")))
    [answer] = await world.client.submit([item])
    assert isinstance(answer, Rejected)
    assert answer.code == "key_reused"


async def test_after_the_window_only_a_probe_prevents_a_second_posting(world: World) -> None:
    await world.client.submit([owed()])
    world.later(hours=25)
    assert await world.client.probe(owed()) == Settled("19000001/2026")
    await world.client.submit([owed()])  # what a blind resend would do
    assert len(world.booked()) == 2
    found = await world.client.probe(owed())
    assert isinstance(found, Settled)
    assert "booked 2 times" in found.detail


@pytest.mark.parametrize("kind", ["commit_then_hang", "commit_then_cut", "commit_then_5xx"])
async def test_an_answer_lost_after_the_commit_is_unknown_and_the_probe_finds_it(world: World, kind: str) -> None:
    world.fault("post_invoice", kind)
    [answer] = await world.client.submit([owed()])
    assert isinstance(answer, Unknown)
    assert await world.client.probe(owed()) == Settled("19000001/2026")
    assert len(world.booked()) == 1


async def test_a_late_commit_is_absent_first_and_found_after_the_latency(world: World) -> None:
    world.fault("post_invoice", "late_commit", delay=20.0)
    gate = asyncio.Event()

    async def wait_for_gate(_: float) -> None:
        await gate.wait()

    world.bench.sleep = wait_for_gate
    [answer] = await world.client.submit([owed()])
    assert isinstance(answer, Unknown)
    assert await world.client.probe(owed()) == Absent()
    gate.set()
    await asyncio.sleep(0.01)
    assert await world.client.probe(owed()) == Settled("19000001/2026")


async def test_a_write_that_look_ups_do_not_see_yet_is_found_after_the_lag(world: World) -> None:
    world.fault("post_invoice", "lag", delay=2.0)
    await world.client.submit([owed()])
    assert await world.client.probe(owed()) == Absent()
    world.later(seconds=2)
    assert isinstance(await world.client.probe(owed()), Settled)


async def test_a_yes_that_was_dropped_shows_in_the_probe(world: World) -> None:
    world.fault("post_invoice", "lie_dropped")
    [answer] = await world.client.submit([owed()])
    assert isinstance(answer, Settled)
    assert await world.client.probe(owed()) == Absent()


async def test_a_posting_booked_twice_by_acme_is_named(world: World) -> None:
    world.fault("post_invoice", "lie_twice")
    await world.client.submit([owed()])
    assert await world.client.probe(owed()) == Settled("19000001/2026", "booked 2 times, also as 19000002/2026")


async def test_taken_in_is_not_done(world: World) -> None:
    world.fault("post_invoice", "queued", delay=3600)
    assert await world.client.submit([owed()]) == [Accepted("19000001/2026")]
    assert await world.client.probe(owed()) == Accepted("19000001/2026")


async def test_a_state_nobody_documented_is_not_success(world: World) -> None:
    world.fault("post_invoice", "word")
    [answer] = await world.client.submit([owed()])
    assert isinstance(answer, Unknown)


async def test_too_many_requests_waits_as_long_as_acme_says(world: World) -> None:
    world.fault("post_invoice", "reply.429", retry_after=12.0)
    world.fault("post_invoice", "reply.429")
    [said] = await world.client.submit([owed()])
    [unsaid] = await world.client.submit([owed()])
    assert isinstance(said, RetryLater)
    assert said.after_seconds == 12.0
    assert isinstance(unsaid, RetryLater)
    assert unsaid.after_seconds is None
    assert world.booked() == []


async def test_retry_after_may_be_a_date(world: World) -> None:
    date = "Fri, 20 Nov 2026 08:01:30 GMT"
    world.line.twist["post_invoice"] = json_reply({"error": {"code": "slow_down"}}, 429, {"Retry-After": date})
    [answer] = await world.client.submit([owed()])
    assert isinstance(answer, RetryLater)
    assert answer.after_seconds == 90.0


async def test_acmes_own_limit_answers_429_and_nothing_is_lost() -> None:
    world = World({"requests_per_second": "2"})
    answers = [(await world.client.submit([owed(f"R-{n}")]))[0] for n in range(4)]
    assert [type(answer) for answer in answers] == [Settled, Settled, RetryLater, RetryLater]
    world.later(seconds=1)
    assert isinstance((await world.client.submit([owed("R-3")]))[0], Settled)


async def test_a_5xx_is_unknown_unless_acme_declares_it_to_come_before_any_work(world: World) -> None:
    world.fault("post_invoice", "reply.5xx")
    [undeclared] = await world.client.submit([owed()])
    assert isinstance(undeclared, Unknown)
    world.line.twist["post_invoice"] = json_reply({"error": {"code": "maintenance"}}, 503, {"retry-after": "60"})
    [declared] = await world.client.submit([owed()])
    assert isinstance(declared, RetryLater)
    assert declared.after_seconds == 60.0


async def test_a_login_page_is_not_success(world: World) -> None:
    world.fault("post_invoice", "lie_html")
    world.fault("probe", "lie_html")
    [answer] = await world.client.submit([owed()])
    assert isinstance(answer, Unknown)
    assert isinstance(await world.client.probe(owed()), RetryLater)


async def test_a_refused_connection_means_surely_not_done(world: World) -> None:
    world.line.refuse = True
    [answer] = await world.client.submit([owed()])
    assert isinstance(answer, RetryLater)


async def test_another_companys_document_is_not_taken_for_ours(world: World) -> None:
    foreign = {"document": "1", "year": "2026", "company": "FR01", "supplier_ref": "R-1", "state": "booked"}
    world.line.twist["post_invoice"] = json_reply(foreign, 201)
    [answer] = await world.client.submit([owed()])
    assert isinstance(answer, Unknown)
    assert "outbound.answer_foreign" in answer.reason


async def test_a_batch_answers_each_item_whatever_the_order(world: World) -> None:
    items = [owed(f"R-{n}") for n in range(1, 11)]
    world.fault("post_invoice_batch", "partial")
    world.fault("post_invoice_batch", "shuffle")
    world.fault("post_invoice_batch", "omit")
    answers = await world.client.submit(items)
    kinds = {place: type(answer) for place, answer in enumerate(answers, start=1)}
    assert {place for place, kind in kinds.items() if kind is Rejected} == {3, 7}
    assert {place for place, kind in kinds.items() if kind is Unknown} == {5}
    refs = {one["reference"]: f"{one['document']}/{one['year']}" for one in world.booked()}
    for item, answer in zip(items, answers, strict=True):
        if isinstance(answer, Settled):
            assert answer.remote_ref == refs[item.key]
    assert await world.client.probe(items[4]) == Settled(refs["dlv_R-5"])


async def test_an_item_answered_twice_is_not_believed(world: World) -> None:
    booked = {"document": "1", "year": "2026", "company": "DE01", "supplier_ref": "R-1", "state": "booked"}
    yes = {"key": "dlv_R-1", "status": 201, "posting": booked}
    no = {"key": "dlv_R-1", "status": 422, "error": {"code": "period_closed"}}
    other = {"key": "dlv_R-2", "status": 201, "posting": booked}
    world.line.twist["post_invoice_batch"] = json_reply({"results": [no, other, yes]})
    answers = await world.client.submit([owed("R-1"), owed("R-2")])
    assert [type(answer) for answer in answers] == [Unknown, Settled]


async def test_a_probe_that_brings_another_key_proves_nothing(world: World) -> None:
    booked = {"document": "1", "year": "2026", "company": "DE01", "supplier_ref": "R-1", "state": "booked"}
    world.line.twist["probe"] = json_reply({"items": [{**booked, "reference": "dlv_else"}]})
    assert isinstance(await world.client.probe(owed()), Unknown)


async def test_a_batch_lost_after_the_commit_leaves_every_item_unknown_and_found(world: World) -> None:
    items = [owed(f"R-{n}") for n in range(4)]
    world.fault("post_invoice_batch", "commit_then_hang")
    assert all(isinstance(answer, Unknown) for answer in await world.client.submit(items))
    assert all([isinstance(await world.client.probe(item), Settled) for item in items])
    assert len(world.booked()) == 4


async def test_more_than_a_batch_goes_in_several_calls(world: World) -> None:
    answers = await world.client.submit([owed(f"R-{n}") for n in range(120)])
    assert all(isinstance(answer, Settled) for answer in answers)
    assert world.bench.calls["post_invoice_batch"] == 3


async def test_one_document_that_cannot_be_said_does_not_stop_the_others(world: World) -> None:
    bad = owed("R-2", currency="JPY", net=posting().net.__class__("100.50"))
    answers = await world.client.submit([owed("R-1"), bad, owed("R-3")])
    assert [type(answer) for answer in answers] == [Settled, Rejected, Settled]


async def test_what_acme_refuses_is_rejected_with_its_code_and_place() -> None:
    world = World({"suppliers": "known"})
    [unknown] = await world.client.submit([owed()])
    [unbalanced] = await world.client.submit([owed("R-2", tax=posting().tax.__class__("18.00"))])
    assert isinstance(unknown, Rejected)
    assert isinstance(unbalanced, Rejected)
    assert (unknown.code, unbalanced.code) == ("supplier_unknown", "unbalanced")
    assert unknown.detail.endswith("at supplier")


async def test_a_spent_token_is_renewed_once_for_many_callers(world: World) -> None:
    await world.client.check()
    assert world.bench.calls["token"] == 1
    world.later(hours=2)
    answers = await asyncio.gather(*(world.client.submit([owed(f"R-{n}")]) for n in range(40)))
    assert all(isinstance(answer, Settled) for [answer] in answers)
    assert world.bench.calls["token"] == 2


async def test_a_token_refused_mid_run_costs_one_renewal_and_no_attempt(world: World) -> None:
    await world.client.check()
    world.bench.tokens.clear()  # revoked on their side; ours looks good by its dates
    answers = await asyncio.gather(*(world.client.submit([owed(f"R-{n}")]) for n in range(40)))
    assert all(isinstance(answer, Settled) for [answer] in answers)
    assert world.bench.calls["token"] == 2
    assert len(world.booked()) == 40


async def test_a_late_401_for_the_old_token_does_not_spoil_the_new_one(world: World) -> None:
    await world.client.check()
    world.bench.tokens.clear()
    world.line.slow = {"check"}
    _, [answer] = await asyncio.gather(world.client.check(), world.client.submit([owed()]))
    assert isinstance(answer, Settled)
    assert world.bench.calls["token"] == 2


async def test_a_token_that_must_wait_says_how_long(world: World) -> None:
    world.fault("token", "reply.429", times=2, retry_after=9.0)
    [answer] = await world.client.submit([owed()])
    assert isinstance(answer, RetryLater)
    assert answer.after_seconds == 9.0
    with pytest.raises(AcmeTrouble) as trouble:
        await world.client.pull("order", "", 5)
    assert trouble.value.after_seconds == 9.0
    assert isinstance(trouble.value, HttpFailure)


async def test_wrong_credentials_stop_nothing_for_good(world: World) -> None:
    world.secrets["client_secret"] = Secret("wrong")
    client = world.connect()
    [answer] = await client.submit([owed()])
    assert isinstance(answer, RetryLater)
    with pytest.raises(AcmeTrouble) as trouble:
        await client.check()
    assert trouble.value.retryable
    assert "wrong" not in str(trouble.value)


def test_secrets_do_not_print(world: World) -> None:
    world.secrets["client_secret"] = Secret("hunter2")
    shown = repr(world.client) + str(vars(world.connect())) + repr(world.secrets)
    assert "hunter2" not in shown


# Webhooks.

BODY = b'{"type":"invoice.changed","timestamp":"x","data":{"object":"invoice","number":"AI-1","sequence":4}}'


def signed(world: World, body: bytes = BODY, secret: str = SECRET, ago: int = 0) -> dict[str, str]:
    stamp = str(int(world.now.timestamp()) - ago)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = base64.b64encode(hmac.new(key, f"msg_1.{stamp}.".encode() + body, hashlib.sha256).digest()).decode()
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": stamp, "Webhook-Signature": f"v1,{mac}"}


def refused(world: World, headers: dict[str, str], body: bytes = BODY) -> str:
    with pytest.raises(WebhookRefused) as refusal:
        world.client.verify_webhook(headers, body)
    return refusal.value.reason_code


def test_a_signed_webhook_names_what_to_fetch(world: World) -> None:
    event = world.client.verify_webhook(signed(world), BODY)
    assert (event.event_id, event.kind, event.key, event.version) == ("msg_1", "invoice", "AI-1", "4")
    assert event.content is None


def test_a_doubled_webhook_has_the_same_event_id(world: World) -> None:
    first = world.client.verify_webhook(signed(world), BODY)
    world.later(seconds=30)
    assert world.client.verify_webhook(signed(world), BODY) == first


def test_a_forged_stripped_or_altered_webhook_is_refused(world: World) -> None:
    good = signed(world)
    assert refused(world, good, BODY.replace(b"AI-1", b"AI-2")) == "intake.signature_invalid"
    assert refused(world, signed(world, secret=NEW_SECRET)) == "intake.signature_invalid"
    assert refused(world, {**good, "Webhook-Id": "msg_2"}) == "intake.signature_invalid"
    assert refused(world, {}) == "intake.signature_invalid"
    mac = good["Webhook-Signature"].removeprefix("v1,")
    assert refused(world, {**good, "Webhook-Signature": f"v2,{mac}"}) == "intake.signature_invalid"
    assert refused(world, {**good, "Webhook-Signature": "v1,é"}) == "intake.signature_invalid"


@pytest.mark.parametrize("ago", [301, -301])
def test_a_webhook_of_another_time_is_stale(world: World, ago: int) -> None:
    assert refused(world, signed(world, ago=ago)) == "intake.signature_stale"
    assert world.client.verify_webhook(signed(world, ago=300), BODY).key == "AI-1"


def test_during_a_rotation_both_secrets_count_and_afterwards_only_the_new(world: World) -> None:
    old, new = signed(world, secret=SECRET), signed(world, secret=NEW_SECRET)
    world.secrets |= {"webhook_secret": Secret(NEW_SECRET), "webhook_secret_previous": Secret(SECRET)}
    world.client = world.connect()
    for headers in (old, new):
        assert world.client.verify_webhook(headers, BODY).key == "AI-1"
    both = {**old, "Webhook-Signature": old["Webhook-Signature"] + " " + new["Webhook-Signature"]}
    assert world.client.verify_webhook(both, BODY).key == "AI-1"
    del world.secrets["webhook_secret_previous"]
    world.client = world.connect()
    assert refused(world, old) == "intake.signature_invalid"


def test_a_webhook_about_something_else_is_no_invoice(world: World) -> None:
    body = BODY.replace(b'"object":"invoice"', b'"object":"parade"')
    assert refused(world, signed(world, body), body) == "intake.type_not_supported"


async def test_acme_announces_each_change_again_until_it_is_taken() -> None:
    world = World({"webhook_url": "https://us.example/in", "webhook_secret": SECRET})
    world.bench.sleep = lambda seconds: asyncio.sleep(0)
    answers = [500, 0, 204, 204]
    heard = []

    async def post(_: str, headers: dict[str, str], body: bytes) -> int:
        heard.append(world.client.verify_webhook(headers, body))
        return answers.pop(0)

    world.bench.hooks.post = post
    world.bench.arrange({"invoices": [{"number": "AI-1"}]})
    await world.bench.hooks.idle()
    world.bench.arrange({"invoices": [{"number": "AI-1"}]})
    await world.bench.hooks.idle()
    assert [(event.key, event.version) for event in heard] == [("AI-1", "1")] * 3 + [("AI-1", "2")]
    assert len({event.event_id for event in heard}) == 2


async def test_acme_stops_announcing_to_a_receiver_that_is_gone() -> None:
    world = World({"webhook_url": "https://us.example/in", "webhook_secret": SECRET})
    calls = []

    async def post(*_: object) -> int:
        calls.append(1)
        return 410

    world.bench.hooks.post = post
    world.bench.arrange({"invoices": [{"number": "AI-1"}]})
    await world.bench.hooks.idle()
    world.bench.arrange({"invoices": [{"number": "AI-2"}]})
    await world.bench.hooks.idle()
    assert len(calls) == 1


async def test_the_answer_to_a_pull_that_is_no_page_is_trouble(world: World) -> None:
    world.line.twist["pull_order"] = Reply(200, b"<html>", {"content-type": "text/html"})
    with pytest.raises(AcmeTrouble, match=r"outbound\.answer_invalid"):
        await world.client.pull("order", "", 10)
