"""Webhooks of the suite, from both sides: signed, doubled, reordered, forged, stale, rotated, and over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

import pytest

from connectors.capture.capture_bench import NEW_SECRET, SECRET, World, document
from tripartite.runtime.protocol import Secret, WebhookEvent, WebhookRefused

EVENT = {
    "event_id": "5f6c",
    "event_type": "invoice.ready_to_post",
    "occurred_at": "2026-03-25T10:00:00Z",
    "tenant": "acme",
    "resource": {"type": "invoice", "id": "INV-1"},
    "version": 7,
    "attempt": 1,
}
BODY = json.dumps(EVENT).encode()
HOOKED = {"webhook_url": "https://us.example/v1/intake/suite", "webhook_secret": SECRET}


def signed(world: World, body: bytes = BODY, secret: str = SECRET, ago: int = 0) -> dict[str, str]:
    stamp = str(int(world.now.timestamp()) - ago)
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Suite-Timestamp": stamp, "X-Suite-Signature": mac}


def refused(world: World, headers: dict[str, str], body: bytes = BODY) -> str:
    with pytest.raises(WebhookRefused) as refusal:
        world.client.verify_webhook(headers, body)
    return refusal.value.reason_code


def test_a_thin_webhook_names_the_document_to_fetch(world: World) -> None:
    event = world.client.verify_webhook(signed(world), BODY)
    assert event == WebhookEvent("5f6c", "invoice", "INV-1", "7")


def test_the_headers_names_and_a_prefix_are_the_suites_choice() -> None:
    world = World(None, signature_header="X-Hub", timestamp_header="X-When")
    good = signed(world)
    headers = {"x-hub": f"sha256={good['X-Suite-Signature'].upper()}", "X-WHEN": good["X-Suite-Timestamp"]}
    assert world.client.verify_webhook(headers, BODY).key == "INV-1"


def test_a_forged_stripped_or_altered_webhook_is_refused(world: World) -> None:
    good = signed(world)
    assert refused(world, good, BODY.replace(b"INV-1", b"INV-2")) == "intake.signature_invalid"
    assert refused(world, signed(world, secret="guess")) == "intake.signature_invalid"
    assert refused(world, {**good, "X-Suite-Signature": ""}) == "intake.signature_invalid"
    assert refused(world, {**good, "X-Suite-Signature": "é" * 64}) == "intake.signature_invalid"
    assert refused(world, {}) == "intake.signature_invalid"
    moved = {**good, "X-Suite-Timestamp": str(int(good["X-Suite-Timestamp"]) + 1)}
    assert refused(world, moved) == "intake.signature_invalid"


def test_without_any_secret_nothing_is_believed(world: World) -> None:
    del world.secrets["webhook_secret"]
    world.client = world.connect()
    assert refused(world, signed(world, secret="")) == "intake.signature_invalid"


@pytest.mark.parametrize("ago", [301, -301])
def test_a_webhook_of_another_time_is_stale(world: World, ago: int) -> None:
    assert refused(world, signed(world, ago=ago)) == "intake.signature_stale"
    assert world.client.verify_webhook(signed(world, ago=300), BODY).event_id == "5f6c"


def test_a_stale_forgery_learns_nothing_of_our_clock(world: World) -> None:
    assert refused(world, signed(world, secret="guess", ago=9999)) == "intake.signature_invalid"


def test_during_a_rotation_both_secrets_count_and_afterwards_only_the_new(world: World) -> None:
    old, new = signed(world, secret=SECRET), signed(world, secret=NEW_SECRET)
    world.secrets |= {"webhook_secret": Secret(NEW_SECRET), "webhook_secret_previous": Secret(SECRET)}
    world.client = world.connect()
    for headers in (old, new):
        assert world.client.verify_webhook(headers, BODY).key == "INV-1"
    del world.secrets["webhook_secret_previous"]
    world.client = world.connect()
    assert refused(world, old) == "intake.signature_invalid"
    assert world.client.verify_webhook(new, BODY).key == "INV-1"


def test_a_fat_webhook_brings_the_document_it_names(world: World) -> None:
    inside = document("INV-1", version=7, status="ready_to_post")
    body = json.dumps({**EVENT, "document": inside}).encode()
    event = world.client.verify_webhook(signed(world, body), body)
    assert event.content is not None
    assert json.loads(event.content) == inside
    other = json.dumps({**EVENT, "document": {**inside, "document_id": "INV-2"}}).encode()
    assert refused(world, signed(world, other), other) == "intake.ambiguous"


def test_a_webhook_about_something_else_is_no_invoice(world: World) -> None:
    body = BODY.replace(b'"type": "invoice"', b'"type": "vendor"')
    assert refused(world, signed(world, body), body) == "intake.type_not_supported"
    torn = BODY[:-5]
    assert refused(world, signed(world, torn), torn) == "intake.malformed"


class Receiver:
    """Stands where the gateway will: verifies, keeps what it believed, answers as told."""

    def __init__(self, world: World, *answers: int) -> None:
        self.world, self.answers = world, list(answers)
        self.events: list[WebhookEvent] = []
        self.refusals: list[str] = []
        world.bench.hooks.post = self.post
        world.bench.sleep = lambda _: asyncio.sleep(0)

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        assert url == HOOKED["webhook_url"]
        try:
            self.events.append(self.world.client.verify_webhook(headers, body))
        except WebhookRefused as refusal:
            self.refusals.append(refusal.reason_code)
            return 401
        return self.answers.pop(0) if self.answers else 204


async def arrange(world: World, **wanted: object) -> None:
    world.bench.arrange(wanted)
    await world.bench.hooks.idle()


async def test_an_event_is_sent_again_until_it_is_taken() -> None:
    world = World(dict(HOOKED))
    receiver = Receiver(world, 503, 0, 204)
    await arrange(world, documents=[document("doc-1")])
    assert [event.key for event in receiver.events] == ["doc-1"] * 3
    assert len({event.event_id for event in receiver.events}) == 1
    assert list(world.bench.truth()["webhooks"].values()) == [204]


async def test_doubled_and_reordered_events_can_be_told_apart_and_put_in_order() -> None:
    world = World(dict(HOOKED))
    receiver = Receiver(world)
    documents = [document("doc-1"), document("doc-2"), document("doc-1", gross="1.00")]
    await arrange(world, documents=documents, webhooks={"times": 2, "shuffle": True})
    assert len(receiver.events) == 6
    assert len({event.event_id for event in receiver.events}) == 3
    latest = max((event for event in receiver.events if event.key == "doc-1"), key=lambda event: int(event.version))
    assert latest.version == "2"


async def test_stale_and_forged_events_are_refused_and_the_poll_still_finds_the_document() -> None:
    world = World(dict(HOOKED))
    receiver = Receiver(world)
    await arrange(world, documents=[document("doc-1")], webhooks={"forged": True})
    await arrange(world, documents=[document("doc-2")], webhooks={"age_seconds": 600})
    assert receiver.events == []
    assert receiver.refusals[0] == "intake.signature_invalid"
    assert set(receiver.refusals[1:]) == {"intake.signature_stale"}
    page = await world.client.pull("invoice", "", 10)
    assert {item.key for item in page.items} == {"doc-1", "doc-2"}


async def test_a_rotated_secret_loses_no_webhook() -> None:
    world = World(dict(HOOKED))
    receiver = Receiver(world)
    await arrange(world, documents=[document("doc-1")])
    world.secrets |= {"webhook_secret": Secret(NEW_SECRET), "webhook_secret_previous": Secret(SECRET)}
    world.client = world.connect()
    await arrange(world, documents=[document("doc-2")])  # they still sign with the old one
    await arrange(world, documents=[document("doc-3")], webhook_secret=NEW_SECRET)
    assert [event.key for event in receiver.events] == ["doc-1", "doc-2", "doc-3"]
    assert receiver.refusals == []


async def test_a_receiver_that_is_gone_is_told_no_more() -> None:
    world = World(dict(HOOKED))
    receiver = Receiver(world, 410)
    await arrange(world, documents=[document("doc-1")])
    await arrange(world, documents=[document("doc-2")])
    assert [event.key for event in receiver.events] == ["doc-1"]


async def test_a_transferred_document_is_announced_no_more() -> None:
    world = World(dict(HOOKED))
    receiver = Receiver(world)
    await arrange(world, documents=[document("doc-1")])
    world.bench.documents["doc-1"].status = "transferred"
    assert world.bench.arrange({"documents": [document("doc-1")]}) == {"documents": 0, "refused": 1}
    await world.bench.hooks.idle()
    assert len(receiver.events) == 1


async def test_webhooks_really_leave_over_http() -> None:
    world = World({"fat_webhooks": "yes", **HOOKED})
    world.bench.wall = time.time
    world.now = datetime.now(UTC)
    heard: list[WebhookEvent] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        body = await reader.readexactly(int(next(v for k, v in headers.items() if k.lower() == "content-length")))
        heard.append(world.client.verify_webhook(headers, body))
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        documents = [document(f"doc-{n}") for n in range(30)]
        await arrange(world, webhook_url=f"http://127.0.0.1:{port}/in", documents=documents)
    assert {event.key for event in heard} == {f"doc-{n}" for n in range(30)}
    assert all(event.content is not None and b'"gross":119.00' in event.content for event in heard)
    assert set(world.bench.truth()["webhooks"].values()) == {204}
