"""Webhooks over HTTP: signed, at least once, thin. A forgery is kept to be looked at, and believed in nothing."""

from __future__ import annotations

import hashlib
import hmac
import json

from support.api import Api
from support.times import MORNING
from tripartite.components.gateway import flows
from tripartite.connectors.capture import client as capture_client
from tripartite.core.ids import digest
from tripartite.runtime.protocol import ClientPorts, Connection, Pulled, Secret

SECRET = "a webhook secret of the tests"


def event(event_id: str = "e-1", key: str = "D-1", version: int = 1) -> bytes:
    return json.dumps(
        {
            "event_id": event_id,
            "event_type": "invoice.ready_to_post",
            "occurred_at": MORNING.isoformat().replace("+00:00", "Z"),
            "tenant": "acme",
            "resource": {"type": "invoice", "id": key},
            "version": version,
            "attempt": 1,
        }
    ).encode()


def signed(body: bytes, *, secret: str = SECRET, age: int = 0) -> list[tuple[str, str]]:
    stamp = str(int(MORNING.timestamp()) - age)
    mac = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return [("x-suite-timestamp", stamp), ("x-suite-signature", mac)]


def believe_signatures(api: Api) -> None:
    """The real client of the capture suite judges what comes; what it would fetch stays with the remote."""
    connection = Connection(
        name="capture",
        kind="capture",
        role="ap",
        base_url="http://127.0.0.1:9",
        settings={"tenant": "acme"},
        secrets={
            "client_id": Secret("x"),
            "client_secret": Secret("x"),
            "webhook_secret": Secret(SECRET),
        },
    )
    house = api.house
    ports = ClientPorts(None, house.clock.now, house.clock.sleep)  # type: ignore[arg-type]
    judge = capture_client.connect(connection, ports)
    house.remotes["capture"].verify_webhook = judge.verify_webhook  # type: ignore[method-assign]


async def test_a_thin_event_owes_the_fetch_of_its_document(api: Api) -> None:
    believe_signatures(api)
    capture = api.house.remotes["capture"]
    capture.there["invoice", "D-1"] = Pulled("invoice", "D-1", "1", b'{"documentId":"D-1"}')
    answer = await api.nobody.post("/v1/webhooks/capture", event(), headers=signed(event()))
    assert (answer.status, answer.json()) == (202, {"accepted": "e-1"})
    assert capture.fetched == [], "the sender does not wait for our fetch"
    await flows.fetch_due(api.house.ports, api.house.door)
    assert capture.fetched == [("invoice", "D-1")]
    assert await api.house.value("SELECT count(*) FROM gateway.intake WHERE connection = 'capture'") == 1


async def test_the_same_event_twice_is_one_fetch_and_both_are_accepted(api: Api) -> None:
    believe_signatures(api)
    for _ in range(3):
        answer = await api.nobody.post("/v1/webhooks/capture", event(), headers=signed(event()))
        assert answer.status == 202
    assert await api.house.value("SELECT count(*) FROM gateway.fetch") == 1
    await flows.fetch_due(api.house.ports, api.house.door)
    again = await api.nobody.post("/v1/webhooks/capture", event(), headers=signed(event()))
    assert again.status == 202
    await flows.fetch_due(api.house.ports, api.house.door)
    assert len(api.house.remotes["capture"].fetched) == 1


async def test_a_newer_version_is_fetched_again(api: Api) -> None:
    believe_signatures(api)
    for number, body in enumerate((event(), event("e-2", version=2)), 1):
        await api.nobody.post("/v1/webhooks/capture", body, headers=signed(body))
        await flows.fetch_due(api.house.ports, api.house.door)
        assert len(api.house.remotes["capture"].fetched) == number


async def test_a_forged_webhook_is_refused_and_its_bytes_are_in_quarantine(api: Api) -> None:
    believe_signatures(api)
    for headers in (signed(event(), secret="another"), signed(event("e-9")), []):
        answer = await api.nobody.post("/v1/webhooks/capture", event(), headers=headers)
        assert (answer.status, answer.json()["reason_code"]) == (401, "intake.signature_invalid")
    rows = await api.house.rows(
        "SELECT DISTINCT digest, reason_code FROM gateway.intake WHERE disposition = 'quarantined'"
    )
    assert rows == [(digest(event()), "intake.signature_invalid")]
    await api.house.pump()
    assert await api.house.rows("SELECT 1 FROM gateway.fetch") == []


async def test_a_replayed_webhook_is_refused_as_stale(api: Api) -> None:
    believe_signatures(api)
    for age in (301, 86_400, -301):
        answer = await api.nobody.post("/v1/webhooks/capture", event(), headers=signed(event(), age=age))
        assert (answer.status, answer.json()["reason_code"]) == (401, "intake.signature_stale")
    assert await api.house.rows("SELECT 1 FROM gateway.fetch") == []


async def test_a_forgery_first_does_not_keep_the_genuine_event_out(api: Api) -> None:
    believe_signatures(api)
    await api.nobody.post("/v1/webhooks/capture", event(), headers=signed(event(), secret="another"))
    answer = await api.nobody.post("/v1/webhooks/capture", event(), headers=signed(event()))
    assert answer.status == 202
    assert await api.house.value("SELECT count(*) FROM gateway.fetch") == 1


async def test_a_webhook_for_a_connection_that_is_not_there_is_not_found(api: Api) -> None:
    answer = await api.nobody.post("/v1/webhooks/nobody", event(), headers=signed(event()))
    assert (answer.status, answer.json()["reason_code"]) == (404, "access.not_found")


async def test_a_webhook_longer_than_a_megabyte_is_refused(api: Api) -> None:
    answer = await api.nobody.post("/v1/webhooks/capture", b"x" * (1024 * 1024 + 1))
    assert (answer.status, answer.json()["reason_code"]) == (413, "intake.too_large")
