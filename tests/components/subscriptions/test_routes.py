"""Questions about subscribers: who may ask, what is told, and letting a halted one go on."""

from __future__ import annotations

from datetime import UTC, datetime

from house.tree import DOCS
from support.api import Api
from support.events import official
from support.newsroom import Newsroom
from support.papers import invoice, order, supplier
from tripartite.core.contracts.published import CATALOGUE
from tripartite.runtime import notifying


async def test_the_description_of_the_events_is_there_for_everybody(newsroom: Newsroom) -> None:
    async with Api(newsroom.house) as api:
        answer = await api.nobody.get("/v1/asyncapi.json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert official().is_valid(answer.json())


async def test_it_is_told_how_far_each_subscriber_is_and_no_secret(newsroom: Newsroom) -> None:
    newsroom.ledger.always = 500
    await newsroom.house.bring(supplier(), order())
    await newsroom.house.bring_invoice(invoice())
    await newsroom.tell()
    async with Api(newsroom.house) as api:
        answer = await (await api.caller(["estate.read"])).get("/v1/subscriptions")
        of_poland = await (await api.caller(["estate.read"], ["PL02"])).get("/v1/subscriptions")
        assert (await (await api.caller(["invoice.read"])).get("/v1/subscriptions")).status == 403
        contracts = (await (await api.caller(["estate.read"])).get("/v1/contracts")).json()["items"]
    books, ledger = answer.json()["items"]
    assert (books["name"], books["circuit"], books["waiting"], books["dead_letters"]) == ("books", "closed", 0, 0)
    assert (ledger["waiting"], ledger["failures"]) == (1, 1)
    assert ledger["url"].endswith("/hooks"), "the query of an address may hold a token"
    assert ledger["events"] == [f"tripartite.invoice.{what}.v1" for what in ("decided", "posted", "rejected")]
    assert b"whsec" not in answer.body
    assert b"env:" not in answer.body
    (seen,) = of_poland.json()["items"]
    assert (seen["name"], seen["waiting"]) == ("ledger", 0), "what waits for it of DE01 is not Poland's to know"
    heard = {each["type"]: each["subscribers"] for each in contracts}
    assert heard["tripartite.invoice.posted.v1"] == ["books", "ledger"]
    assert heard["tripartite.payment.sent.v1"] == ["books"]


async def test_a_halted_subscriber_goes_on_when_somebody_with_the_right_says_so(newsroom: Newsroom) -> None:
    house = newsroom.house
    await notifying.halt(house.db, "books", "answered 410", datetime(2026, 11, 20, 8, 0, tzinfo=UTC))
    path = "/v1/subscriptions/{}/resumption"
    async with Api(house) as api:
        reader = await api.caller(["estate.read"])
        assert (await reader.post(path.format("books"), b"", media="")).status == 403
        warden = await api.caller(["subscription.resume", "estate.read"], name="warden")
        assert (await warden.get("/v1/subscriptions")).json()["items"][0]["circuit"] == "halted"
        assert (await warden.post(path.format("nobody"), b"", media="")).status == 404
        pole = await api.caller(["subscription.resume"], ["PL02"])
        assert (await pole.post(path.format("books"), b"", media="")).status == 404
        first = await warden.post(path.format("books"), b"", media="", headers=[("idempotency-key", "k-1")])
        again = await warden.post(path.format("books"), b"", media="", headers=[("idempotency-key", "k-1")])
        assert (first.status, first.json()) == (200, {"name": "books", "resumed": True})
        assert (again.status, again.json()) == (200, {"name": "books", "resumed": False})
    record = await house.value("SELECT convert_from(record, 'UTF8') FROM audit.leaf WHERE kind = 'subscriber.resumed'")
    assert '"by":"warden"' in record


def test_the_page_lists_every_event() -> None:
    page = (DOCS / "events.md").read_text(encoding="utf-8")
    missing = [each.name for each in CATALOGUE if f"`{each.name}`" not in page]
    assert not missing, missing
