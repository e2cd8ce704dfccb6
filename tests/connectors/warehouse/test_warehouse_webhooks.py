"""Webhooks of the warehouse, from both sides: signed, doubled, reordered, forged, stale, rotated, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

import pytest

from connectors.warehouse.warehouse_bench import NEW_SECRET, SECRET, World, delivery
from tripartite.runtime.protocol import Secret, WebhookEvent, WebhookRefused

EVENT = {
    "event_id": "0c1d",
    "event_type": "receipt.closed",
    "occurred_at": "2026-03-20T14:05:00Z",
    "warehouse": "13",
    "receipt": {"id": "R-1", "version": 7},
}
BODY = json.dumps(EVENT).encode()
HOOKED = {"webhook_url": "https://us.example/v1/webhooks/wms", "webhook_secret": SECRET}


def signed(world: World, body: bytes = BODY, secret: str = SECRET, ago: int = 0) -> dict[str, str]:
    stamp = str(int(world.now.timestamp()) - ago)
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Wms-Timestamp": stamp, "X-Wms-Signature": mac}


def refused(world: World, headers: dict[str, str], body: bytes = BODY) -> str:
    with pytest.raises(WebhookRefused) as refusal:
        world.client.verify_webhook(headers, body)
    return refusal.value.reason_code


def test_a_webhook_names_the_document_to_fetch(world: World) -> None:
    assert world.client.verify_webhook(signed(world), BODY) == WebhookEvent("0c1d", "receipt", "R-1", "7")


def test_a_fat_webhook_is_a_hint_like_a_thin_one(world: World) -> None:
    body = json.dumps({**EVENT, "receipt": {**delivery("R-1"), "version": 7, "status": "CLOSED"}}).encode()
    event = world.client.verify_webhook(signed(world, body), body)
    assert (event.key, event.version, event.content) == ("R-1", "7", None)


def test_the_headers_names_and_a_prefix_are_the_warehouses_choice() -> None:
    world = World(None, signature_header="X-Hub", timestamp_header="X-When")
    good = signed(world)
    headers = {"x-hub": f"sha256={good['X-Wms-Signature'].upper()}", "X-WHEN": good["X-Wms-Timestamp"]}
    assert world.client.verify_webhook(headers, BODY).key == "R-1"


def test_a_forged_stripped_or_altered_webhook_is_refused(world: World) -> None:
    good = signed(world)
    assert refused(world, good, BODY.replace(b"R-1", b"R-2")) == "intake.signature_invalid"
    assert refused(world, signed(world, secret="guess")) == "intake.signature_invalid"
    assert refused(world, {**good, "X-Wms-Signature": ""}) == "intake.signature_invalid"
    assert refused(world, {**good, "X-Wms-Signature": "é" * 64}) == "intake.signature_invalid"
    assert refused(world, {}) == "intake.signature_invalid"
    moved = {**good, "X-Wms-Timestamp": str(int(good["X-Wms-Timestamp"]) + 1)}
    assert refused(world, moved) == "intake.signature_invalid"


def test_without_any_secret_nothing_is_believed(world: World) -> None:
    for secret in (None, Secret("")):
        world.secrets.pop("webhook_secret", None)
        if secret is not None:
            world.secrets["webhook_secret"] = secret
        world.client = world.connect()
        assert refused(world, signed(world, secret="")) == "intake.signature_invalid"


@pytest.mark.parametrize("ago", [301, -301])
def test_a_webhook_of_another_time_is_stale(world: World, ago: int) -> None:
    assert refused(world, signed(world, ago=ago)) == "intake.signature_stale"
    assert world.client.verify_webhook(signed(world, ago=300), BODY).event_id == "0c1d"


def test_a_stale_forgery_learns_nothing_of_our_clock(world: World) -> None:
    assert refused(world, signed(world, secret="guess", ago=9999)) == "intake.signature_invalid"


def test_during_a_rotation_both_secrets_count_and_afterwards_only_the_new(world: World) -> None:
    old, new = signed(world, secret=SECRET), signed(world, secret=NEW_SECRET)
    world.secrets |= {"webhook_secret": Secret(NEW_SECRET), "webhook_secret_previous": Secret(SECRET)}
    world.client = world.connect()
    for headers in (old, new):
        assert world.client.verify_webhook(headers, BODY).key == "R-1"
    del world.secrets["webhook_secret_previous"]
    world.client = world.connect()
    assert refused(world, old) == "intake.signature_invalid"
    assert world.client.verify_webhook(new, BODY).key == "R-1"


def test_an_event_of_another_kind_and_torn_bytes_are_refused_by_name(world: World) -> None:
    body = BODY.replace(b"receipt.closed", b"pick.started")
    assert refused(world, signed(world, body), body) == "intake.type_not_supported"
    torn = BODY[:-5]
    assert refused(world, signed(world, torn), torn) == "intake.malformed"
    nameless = json.dumps({**EVENT, "receipt": {"version": 1}}).encode()
    assert refused(world, signed(world, nameless), nameless) == "integration.schema_violated"


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
    await arrange(world, receipts=[delivery()])
    assert [event.key for event in receiver.events] == ["R-1"] * 3
    assert len({event.event_id for event in receiver.events}) == 1
    assert list(world.bench.truth()["webhooks"].values()) == [204]


async def test_doubled_and_reordered_events_can_be_told_apart_and_put_in_order() -> None:
    world = World({**HOOKED, "fat_webhooks": "yes"})
    receiver = Receiver(world)
    receipts = [delivery("R-1"), delivery("R-2"), {"id": "R-1", "status": "CORRECTED"}]
    await arrange(world, receipts=receipts, webhooks={"times": 2, "shuffle": True})
    assert len(receiver.events) == 6
    assert len({event.event_id for event in receiver.events}) == 3
    latest = max((event for event in receiver.events if event.key == "R-1"), key=lambda event: int(event.version))
    assert latest.version == "2"


async def test_stale_and_forged_events_are_refused_and_the_poll_still_finds_the_receipt() -> None:
    world = World(dict(HOOKED))
    receiver = Receiver(world)
    await arrange(world, receipts=[delivery("R-1")], webhooks={"forged": True})
    await arrange(world, receipts=[delivery("R-2")], webhooks={"age_seconds": 600})
    assert receiver.events == []
    assert receiver.refusals == ["intake.signature_invalid", "intake.signature_stale"]
    page = await world.client.pull("receipt", "", 10)
    assert {item.key for item in page.items} == {"R-1", "R-2"}


async def test_a_late_receipt_is_announced_when_it_comes() -> None:
    world = World(dict(HOOKED))
    receiver = Receiver(world)
    world.bench.arrange({"receipts": [delivery("R-1")], "after_seconds": 3600})
    assert world.bench.documents == {}
    for _ in range(5):
        await asyncio.sleep(0)
    await world.bench.hooks.idle()
    assert [event.key for event in receiver.events] == ["R-1"]


async def test_a_rotated_secret_loses_no_webhook() -> None:
    world = World(dict(HOOKED))
    receiver = Receiver(world)
    await arrange(world, receipts=[delivery("R-1")])
    world.secrets |= {"webhook_secret": Secret(NEW_SECRET), "webhook_secret_previous": Secret(SECRET)}
    world.client = world.connect()
    await arrange(world, receipts=[delivery("R-2")])  # they still sign with the old one
    await arrange(world, receipts=[delivery("R-3")], webhook_secret=NEW_SECRET)
    assert [event.key for event in receiver.events] == ["R-1", "R-2", "R-3"]
    assert receiver.refusals == []


async def test_a_receiver_that_is_gone_is_told_no_more() -> None:
    world = World(dict(HOOKED))
    receiver = Receiver(world, 410)
    await arrange(world, receipts=[delivery("R-1")])
    await arrange(world, receipts=[delivery("R-2")])
    assert [event.key for event in receiver.events] == ["R-1"]


async def test_webhooks_really_leave_over_http() -> None:
    world = World(None)
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        heard.append(head + await reader.readexactly(length))
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    world.bench.settings |= {"webhook_url": f"http://127.0.0.1:{port}/hook", "webhook_secret": SECRET}
    world.bench.wall = time.time
    world.now = datetime.now(UTC)
    await arrange(world, receipts=[delivery()])
    server.close()
    await server.wait_closed()
    [whole] = heard
    head, _, body = whole.partition(b"\r\n\r\n")
    headers = dict(text.split(": ", 1) for text in head.decode().split("\r\n")[1:])
    assert world.client.verify_webhook(headers, body).key == "R-1"
