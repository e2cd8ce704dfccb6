"""The way in over HTTP: who may do what, for which company, once under one key; what is shown and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.api import Api
from support.caller import Answer, Caller
from support.house import House
from support.paying import OUR_ACCOUNT, THEIR_ACCOUNT, Treasury, entry, invoice_id, posted, recorded, stated
from tripartite.components.invoices.paying import paid_on
from tripartite.runtime.auth import LoggedIn, choose_password, create_account, log_in

RIGHTS = ("payment.read", "payment.propose", "payment.release", "payment.hold", "hold.release")
OPENING = b'{"company_code": "DE01"}'


class Person:
    """Somebody at the console, with a session."""

    def __init__(self, api: Api, session: str) -> None:
        self._caller, self._cookie = Caller(api.app), ("cookie", f"tripartite_session={session}")

    async def get(self, path: str) -> Answer:
        return await self._caller.get(path, headers=[self._cookie])

    async def post(self, path: str, body: Any, key: str = "") -> Answer:
        headers = [self._cookie, *([("idempotency-key", key)] if key else [])]
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self._caller.post(path, raw, headers=headers)


async def somebody(api: Api, name: str, human: str = "", companies: list[str] | None = None) -> Person:
    db = api.house.db
    once = await create_account(db, name=name, permissions=RIGHTS, person=human or name, companies=companies)
    first = await log_in(db, name, once.reveal())
    assert isinstance(first, LoggedIn)
    chosen = await choose_password(db, first.session.reveal(), once.reveal(), "Winter-Gleis 7 Amboss!")
    assert isinstance(chosen, LoggedIn), chosen
    return Person(api, chosen.session.reveal())


@pytest.fixture
async def due(api: Api, house: House) -> Treasury:
    treasury = Treasury(house)
    await treasury.tell(recorded(), posted("RE-1", "100.00"))
    return treasury


async def test_a_run_is_drawn_up_released_by_two_and_confirmed_by_the_bank(api: Api, due: Treasury) -> None:
    ada, ben, cleo = [await somebody(api, name) for name in ("ada", "ben", "cleo")]
    drawn = await ada.post("/v1/payment-proposals", OPENING, "k-1")
    assert drawn.status == 201
    proposal = drawn.json()["proposal"]
    path = f"/v1/payment-proposals/{proposal['number']}"
    assert (await ben.get(path)).json()["payments"][0]["items"][0]["invoice_number"] == "RE-1"
    shown = {"content_hash": proposal["content_hash"]}
    own = await ada.post(f"{path}/releases", shown)
    assert (own.status, own.json()["reason_code"]) == (409, "control.duties_in_conflict")
    assert own.headers["content-type"] == "application/problem+json"
    assert (await ben.post(f"{path}/releases", shown)).json()["state"] == "open"
    done = (await cleo.post(f"{path}/releases", shown)).json()
    assert done["state"] == "released"
    assert [each["person"] for each in done["releases"]] == ["ben", "cleo"]
    number = proposal["payments"][0]["number"]
    await due.tell(stated(entry("E-1", "100.00", payment_number=number)))
    said = (await ben.get(f"/v1/payments/{number}/confirmation")).json()
    assert (said["state"], said["executed_on"], said["bank_reference"]) == ("executed", "2026-11-23", "REF-E-1")
    listed = (await ben.get(f"/v1/payments?state=executed&invoice={invoice_id('RE-1')}")).json()["items"]
    assert [each["number"] for each in listed] == [number]


async def test_bank_accounts_are_shown_by_country_and_last_four(api: Api, due: Treasury) -> None:
    ada = await somebody(api, "ada")
    drawn = await ada.post("/v1/payment-proposals", OPENING)
    number = drawn.json()["proposal"]["payments"][0]["number"]
    pages = [drawn, await ada.get("/v1/payments"), await ada.get(f"/v1/payments/{number}")]
    pages += [await ada.get("/v1/payment-proposals")]
    for page in pages:
        assert page.status in (200, 201)
        assert THEIR_ACCOUNT.encode() not in page.body
        assert OUR_ACCOUNT.encode() not in page.body
    assert drawn.json()["proposal"]["payments"][0]["account"] == f"{THEIR_ACCOUNT[:2]}..{THEIR_ACCOUNT[-4:]}"


async def test_the_same_key_answers_as_before_and_another_body_is_refused(
    api: Api, house: House, due: Treasury
) -> None:
    ada = await somebody(api, "ada")
    first = await ada.post("/v1/payment-proposals", OPENING, "k-1")
    again = await ada.post("/v1/payment-proposals", OPENING, "k-1")
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    other = await ada.post("/v1/payment-proposals", b'{"company_code": "DE01", "currency": "EUR"}', "k-1")
    assert (other.status, other.json()["reason_code"]) == (409, "intake.key_reused")
    assert await house.value("SELECT count(*) FROM payments.proposal") == 1


async def test_a_machine_may_propose_and_hold_and_never_release(api: Api, due: Treasury) -> None:
    machine = await api.caller(("payment.read", "payment.propose", "payment.hold"))
    drawn = (await machine.post("/v1/payment-proposals", OPENING)).json()["proposal"]
    body = json.dumps({"content_hash": drawn["content_hash"]}).encode()
    answer = await machine.post(f"/v1/payment-proposals/{drawn['number']}/releases", body)
    assert answer.status == 403
    with pytest.raises(ValueError, match=r"payment\.release"):
        await api.caller(("payment.release",))


async def test_another_companys_payments_are_not_there(api: Api, due: Treasury) -> None:
    ada = await somebody(api, "ada")
    drawn = (await ada.post("/v1/payment-proposals", OPENING)).json()["proposal"]
    number = drawn["payments"][0]["number"]
    paula = await somebody(api, "paula", companies=["PL02"])
    for path in ("/v1/payments", "/v1/payment-proposals", "/v1/holds"):
        assert (await paula.get(path)).json()["items"] == []
    for path in (f"/v1/payments/{number}", f"/v1/payments/{number}/confirmation"):
        assert (await paula.get(path)).status == 404
    shown = {"content_hash": drawn["content_hash"]}
    path = f"/v1/payment-proposals/{drawn['number']}"
    assert (await paula.get(path)).status == 404
    assert (await paula.post(f"{path}/releases", shown)).status == 404
    assert (await paula.post(f"{path}/cancellation", {"why": "x"})).status == 404
    assert (await paula.post("/v1/payment-proposals", OPENING)).status == 404
    hold = {"company_code": "DE01", "object_kind": "invoice", "object_id": invoice_id("RE-1"), "why": "x"}
    assert (await paula.post("/v1/holds", hold)).status == 404


async def test_holds_are_placed_in_bulk_listed_and_lifted_with_a_reason(api: Api, due: Treasury) -> None:
    await due.tell(posted("RE-2", "50.00"))
    ada, ben = await somebody(api, "ada"), await somebody(api, "ben")
    wanted = [
        {"company_code": "DE01", "object_kind": "invoice", "object_id": invoice_id(each), "why": "Disputed."}
        for each in ("RE-1", "RE-2")
    ]
    placed = await ada.post("/v1/holds", wanted, "k-1")
    assert placed.status == 201
    assert len(placed.json()["items"]) == 2
    assert (await ada.post("/v1/payment-proposals", OPENING)).json()["proposal"] is None
    held = (await ben.get(f"/v1/holds?object_id={invoice_id('RE-1')}")).json()["items"]
    path = f"/v1/holds/{held[0]['hold_id']}/lifting"
    assert (await ben.post(path, {"why": " "})).status == 422
    assert (await ben.post(path, {"why": "Settled."})).json()["lifted_by"] == "ben"
    assert (await ben.post(path, {"why": "Settled."})).status == 409
    drawn = (await ada.post("/v1/payment-proposals", OPENING)).json()
    assert [each["invoice_number"] for each in drawn["proposal"]["payments"][0]["items"]] == ["RE-1"]


async def test_a_list_with_one_bad_entry_does_nothing(api: Api, house: House, due: Treasury) -> None:
    ada = await somebody(api, "ada")
    good = {"company_code": "DE01", "object_kind": "invoice", "object_id": invoice_id("RE-1"), "why": "x"}
    answer = await ada.post("/v1/holds", [good, {**good, "object_id": "inv_nobody"}])
    assert answer.status == 404
    assert await house.value("SELECT count(*) FROM payments.hold") == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{}", 422, "integration.schema_violated"),
        (b'{"company_code": "DE01", "colour": "red"}', 422, "intake.field_unknown"),
        (b'{"company_code": "DE01", "company_code": "DE01"}', 422, "intake.duplicate_key"),
        (b'{"company_code": "XX99"}', 404, "access.not_found"),
        (b'{"company_code": "DE01", "currency": "USD"}', 409, "integration.mapping_missing"),
        (b'{"company_code": "DE01", "execute_on": "2026-11-21"}', 422, "intake.value_out_of_range"),
        (b"[]", 413, "intake.too_large"),
        (b"", 422, "intake.malformed"),
    ],
)
async def test_a_bad_request_is_a_problem_with_its_code(
    api: Api, due: Treasury, body: bytes, status: int, code: str
) -> None:
    ada = await somebody(api, "ada")
    answer = await ada.post("/v1/payment-proposals", body)
    assert (answer.status, answer.json()["reason_code"]) == (status, code)


async def test_a_cancelled_proposal_gives_its_items_back(api: Api, due: Treasury) -> None:
    ada = await somebody(api, "ada")
    number = (await ada.post("/v1/payment-proposals", OPENING)).json()["proposal"]["number"]
    done = await ada.post(f"/v1/payment-proposals/{number}/cancellation", {"why": "Wrong day."})
    assert done.json()["state"] == "cancelled"
    assert await due.living() == 0


async def test_an_unknown_payment_or_a_foreign_cursor_is_a_problem(api: Api, due: Treasury) -> None:
    ada = await somebody(api, "ada")
    assert (await ada.get("/v1/payments/nobody")).status == 404
    assert (await ada.get("/v1/payments?after=x/y")).status == 400


def test_an_invoice_is_paid_on_the_day_the_money_left_for_good() -> None:
    from datetime import date

    day = date(2026, 11, 23)
    assert paid_on([{"state": "executed", "executed_on": day}]) == day
    assert paid_on([{"state": "returned", "executed_on": day}]) is None
