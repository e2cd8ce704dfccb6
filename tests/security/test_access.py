"""Who may ask what: default deny, a permission on every route, and nothing of another company through any of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import get
from litestar.routes import HTTPRoute

from support.api import EVERYTHING, Api
from support.caller import Caller
from support.papers import invoice, order, receipt, requisition, supplier
from tripartite.components.control.sequencer import sequence_once
from tripartite.core import codec
from tripartite.core.exceptions.reasons import reasons, refusals
from tripartite.runtime.audit import signer_from_seed
from tripartite.runtime.http_app import PUBLIC, Authenticator, build_app

SIGNER = signer_from_seed("tests/audit", bytes(range(32)))


def handlers(api: Api) -> Iterator[tuple[str, str, str]]:
    """(method, path, permission) of every route."""
    for route in api.app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                    yield str(method), route.path_format, handler.opt.get("permission", "")


async def test_every_route_declares_a_permission_and_few_are_public(shared_api: Api) -> None:
    found = list(handlers(shared_api))
    assert len(found) > 25
    assert all(wanted for _, _, wanted in found)
    public = {(method, path) for method, path, wanted in found if wanted == PUBLIC and path.startswith("/v1")}
    described = {("GET", f"/v1{each}") for each in ("", "/openapi.json", "/asyncapi.json", "/{path}")}
    assert public - described == {("POST", "/v1/webhooks/{connection}")}, "a webhook is judged by its signature"


def test_a_route_without_a_permission_does_not_start(shared_api: Api) -> None:
    @get("/v1/forgotten")
    async def forgotten() -> dict[str, Any]:
        return {}

    with pytest.raises(AssertionError, match="declares no permission"):
        build_app([forgotten], Authenticator(shared_api.house.db), version="tests")


async def test_without_a_token_nobody_gets_further_than_the_door(shared_api: Api) -> None:
    for method, path, wanted in handlers(shared_api):
        if wanted == PUBLIC or not path.startswith("/v1"):
            continue
        for caller in (shared_api.nobody, Caller(shared_api.app, "tpt_" + "A" * 43), Caller(shared_api.app, "x" * 500)):
            answer = await caller.call(method, path.replace("{", "").replace("}", ""))
            assert answer.status == 401, (method, path)
            problem(answer, "access.not_permitted")
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_caller_without_the_permission_is_refused_at_every_route(shared_api: Api) -> None:
    caller = await shared_api.caller(permissions=[])
    for method, path, wanted in handlers(shared_api):
        if wanted == PUBLIC or not path.startswith("/v1"):
            continue
        answer = await caller.call(method, path.replace("{", "").replace("}", ""))
        assert answer.status == 403, (method, path)
        assert wanted in problem(answer, "access.not_permitted")["detail"]


async def test_one_permission_opens_its_own_routes_and_no_other(shared_api: Api) -> None:
    caller = await shared_api.caller(permissions=["order.read"])
    for method, path, wanted in handlers(shared_api):
        if method == "GET" and path.startswith("/v1/") and wanted != PUBLIC:
            answer = await caller.get(path.replace("{", "").replace("}", ""))
            assert (answer.status == 403) == (wanted != "order.read"), path


def problem(answer: Any, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer
    said: dict[str, Any] = answer.json()
    assert said["reason_code"] == code
    assert said["type"] == f"/problems/{code}"
    assert said["status"] == answer.status
    assert said["title"]
    assert said["detail"]
    assert said["instance"].startswith("/")
    assert isinstance(said["retryable"], bool)
    assert code in {**refusals(), **reasons()}
    return said


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/invoices/inv_none", 404, "access.not_found"),
        ("/v1/nothing/here", 404, "access.not_found"),
        ("/v1/invoices?limit=many", 400, "intake.malformed"),
        ("/v1/invoices?after=yesterday/x", 400, "intake.malformed"),
        ("/v1/invoices?after=inv_1", 400, "intake.malformed"),
        ("/v1/audit/leaves/none", 404, "access.not_found"),
        ("/v1/raw/none", 404, "access.not_found"),
    ],
)
async def test_everything_unhappy_has_one_shape(shared_api: Api, path: str, status: int, code: str) -> None:
    caller = await shared_api.caller()
    answer = await caller.get(path)
    assert answer.status == status, answer
    problem(answer, code)
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize(
    "query", ["q=%00", "limit=-1", "limit=999999999999999999999", "after=%00", "state=%00", "order=%00"]
)
async def test_no_query_makes_the_server_fail(shared_api: Api, query: str) -> None:
    caller = await shared_api.caller()
    for method, path, _ in handlers(shared_api):
        if method == "GET" and path.startswith("/v1/") and "{" not in path:
            answer = await caller.get(f"{path}?{query}")
            assert answer.status < 500, (path, query, answer)


async def test_no_path_makes_the_server_fail(shared_api: Api) -> None:
    caller = await shared_api.caller()
    for method, path, _ in handlers(shared_api):
        if method == "GET" and path.startswith("/v1/") and "{" in path:
            for odd in ("%00", "a" * 5000, "%F0%9F%92%A9", "'; SELECT 1; --", "..%2f..%2f"):
                filled = path[: path.index("{")] + odd + path[path.index("}") + 1 :]
                answer = await caller.get(filled)
                assert answer.status < 500, (filled[:80], answer)


async def test_a_method_that_is_not_there_is_a_problem_too(shared_api: Api) -> None:
    caller = await shared_api.caller()
    answer = await caller.call("DELETE", "/v1/invoices")
    assert answer.status == 405
    problem(answer, "access.not_found")


# Nothing of another company


async def a_company_with_secrets(api: Api) -> dict[str, str]:
    """Everything there is of DE01, and the words by which a leak would be known."""
    house = api.house
    brought = await api.caller(name="of DE01", companies=["DE01"])
    await house.bring(
        supplier(), requisition(of="DE-ORDER"), order("DE-ORDER"), receipt("DE-RECEIPT", "6", of="DE-ORDER")
    )
    answer = await brought.post("/v1/invoices", codec.encode(invoice("DE-INVOICE", of="DE-ORDER")))
    await house.pump()
    await house.bring(receipt("DE-RECEIPT-2", "4", of="DE-ORDER"))
    await house.settle()
    assert await house.state("DE-INVOICE") == "posted"
    async with house.db.connection() as connection:
        assert await sequence_once(connection, signer=SIGNER)
    question = b'{"company_code":"DE01","cost_centre":"DE-CENTRE","currency":"EUR","amount":"1"}'
    check = (await brought.post("/v1/budget-checks", question)).json()["items"][0]
    leaf = await house.value("SELECT leaf_id FROM invoices.decision ORDER BY number LIMIT 1")
    taken = answer.json()
    return {
        "invoice_id": await house.value("SELECT invoice_id FROM invoices.invoice"),
        "number": "DE-ORDER",
        "receipt": "DE-RECEIPT",
        "requisition": "REQ-1",
        "check_id": check["check_id"],
        "correlation_id": taken["correlation_id"],
        "intake_id": taken["intake_id"],
        "digest": taken["digest"],
        "leaf_id": leaf,
        "document": await house.value("SELECT document FROM invoices.invoice"),
    }


LEAKS = ("DE-ORDER", "DE-RECEIPT", "DE-INVOICE", '"DE01"')
# What is the estate's and no company's: names of systems, counts of messages, the shared supplier master, the spans.
OF_NO_COMPANY = {"/v1/connections", "/v1/backlog", "/v1/audit", "/v1/suppliers", "/v1/traces/{trace_id}"}


class Filled(dict[str, str]):
    """What stands for the variables of a path; `none` for one that no story here fills."""

    def __missing__(self, name: str) -> str:
        return "none"


def asked(path: str, secrets: dict[str, str]) -> list[str]:
    values = Filled({**secrets, "supplier_id": "10300001", "path": "openapi.json"})
    if path.startswith("/v1/receipts"):
        values["number"] = secrets["receipt"]
    if path.startswith(("/v1/requisitions", "/v1/approvals")):
        values["number"] = secrets["requisition"]
    filled = path.format_map(values)
    return [filled, f"{filled}?object_id={secrets['invoice_id']}&state=all&limit=200&q=DE-INVOICE&order=DE-ORDER"]


# Where each component asks whose companies the caller may see: taken away, the database alone stands in between.
FILTERS = (
    *("control.routes.companies_of", "gateway.routes.companies_of", "invoices.routes.companies_of"),
    *("orders.routes.companies_of", "receipts.routes.companies_of"),
)


@pytest.mark.parametrize("filtered", [True, False], ids=["as it is", "with every filter of the queries removed"])
async def test_a_caller_of_one_company_sees_nothing_of_another_through_any_route(
    api: Api, filtered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not filtered:
        for name in FILTERS:
            monkeypatch.setattr(f"tripartite.components.{name}", lambda _: None)
        monkeypatch.setattr("tripartite.components.invoices.routes.may_see", lambda *_: True)
    secrets = await a_company_with_secrets(api)
    stranger = await api.caller(EVERYTHING, companies=["PL02"])
    owner = await api.caller(EVERYTHING, companies=["DE01"])
    proven = set()
    for method, path, wanted in handlers(api):
        if method != "GET" or not path.startswith("/v1/") or wanted == PUBLIC or "{path}" in path:
            continue
        for question in asked(path, secrets):
            seen, mine = await stranger.get(question), await owner.get(question)
            text = seen.body.decode()
            if path not in OF_NO_COMPANY and "suppliers" not in path:
                assert not any(word in text.replace(question, "") for word in LEAKS[:3] if word not in question), (
                    question
                )
                assert '"company_code":"DE01"' not in text, question
                assert secrets["document"] not in text, question
            if any(word in mine.body.decode() for word in LEAKS):
                proven.add(path)
                assert seen.status in (200, 404), question
                if "{" in path and "suppliers" not in path:
                    assert seen.status == 404, f"{question}: not found, and not forbidden"
                    problem(seen, "access.not_found")
    # The owner saw something in each of these: the silence above means something.
    assert proven >= {
        "/v1/invoices",
        "/v1/invoices/{invoice_id}",
        "/v1/invoices/{invoice_id}/status",
        "/v1/purchase-orders",
        "/v1/purchase-orders/{number}",
        "/v1/receipts",
        "/v1/receipts/{number}",
        "/v1/requisitions/{number}",
        "/v1/approvals/{number}",
        "/v1/budget-checks",
        "/v1/budget-checks/{check_id}",
        "/v1/exceptions",
        "/v1/lineage/{correlation_id}",
        "/v1/intake",
        "/v1/intake/{intake_id}",
        "/v1/raw/{digest}",
        "/v1/audit/leaves/{leaf_id}",
    }


async def test_what_is_owed_about_an_invoice_is_told_to_its_company_alone(api: Api) -> None:
    secrets = await a_company_with_secrets(api)
    path = f"/v1/deliveries?object_id={secrets['invoice_id']}"
    stranger, owner = await api.caller(companies=["PL02"]), await api.caller(companies=["DE01"])
    assert (await stranger.get(path)).json()["items"] == []
    assert [item["state"] for item in (await owner.get(path)).json()["items"]] == ["settled"]


async def test_bytes_that_belong_to_no_company_yet_are_shown_to_who_brought_them(api: Api) -> None:
    one, other = await api.caller(companies=["DE01"]), await api.caller(companies=["DE01"])
    bad = b'{"number": "X", "gross": "NaN"}'
    answer = await one.post("/v1/invoices", bad)
    assert answer.status == 422
    listed = (await one.get("/v1/intake")).json()["items"]
    assert [item["disposition"] for item in listed] == ["rejected"]
    assert (await one.get(f"/v1/raw/{listed[0]['digest']}")).body == bad
    assert (await other.get("/v1/intake")).json()["items"] == []
    assert (await other.get(f"/v1/raw/{listed[0]['digest']}")).status == 404
    assert (await other.get(f"/v1/intake/{listed[0]['intake_id']}")).status == 404


async def test_totals_count_only_ones_own_companies(api: Api) -> None:
    await a_company_with_secrets(api)
    stranger = await api.caller(companies=["PL02"])
    assert (await stranger.get("/v1/invoices/totals")).json()["totals"] == []
    assert (await stranger.get("/v1/exceptions/causes")).json()["items"] == []


async def test_no_answer_holds_a_bank_account_or_a_password(api: Api) -> None:
    from tripartite.core.objects import BankAccount

    iban = "DE89370400440532013000"
    await api.house.bring(supplier(accounts=(BankAccount(iban),)))
    await a_company_with_secrets(api)
    caller = await api.caller()
    for method, path, _ in handlers(api):
        if method == "GET" and path.startswith("/v1/"):
            secrets = {
                "invoice_id": await api.house.value("SELECT invoice_id FROM invoices.invoice"),
                **dict.fromkeys(("number", "receipt", "correlation_id", "intake_id", "digest", "leaf_id"), "none"),
                "check_id": "none",
            }
            answer = await caller.get(path.format_map(Filled({**secrets, "supplier_id": "10300001", "path": "x"})))
            assert iban not in answer.body.decode(), path
            assert api.house.urls.worker.rpartition("password=")[2] not in answer.body.decode(), path
    shown = (await caller.get("/v1/suppliers/10300001")).json()["accounts"]
    assert shown == ["DE..3000"]
    assert json.loads((await caller.get("/v1/openapi.json")).body)["openapi"].startswith("3.1")


# What the roles of the database may


async def test_the_worker_is_no_superuser_and_owns_nothing(api: Api) -> None:
    role = await api.house.rows(
        "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    )
    assert role == [(False, False, False)]
    owned = await api.house.rows(
        """SELECT relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = current_user
        AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_')"""
    )
    assert owned == []
