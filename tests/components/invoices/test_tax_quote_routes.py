"""Tax quotes over HTTP: at once by our own tables, asked for where an engine is named; each once under its key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.api import Api
from support.house import House
from support.tax import TaxedHouse


def question(amount: str = "100.00", **further: Any) -> dict[str, Any]:
    return {
        "company_code": "DE01",
        "currency": "EUR",
        "taxed_on": "2026-11-16",
        "lines": [{"line": 1, "amount": amount, "tax_codes": ["V19"]}],
        "supplier_number": "10300001",
        "ship_to": {"country": "DE"},
        "ship_from": {"country": "DE"},
        **further,
    }


async def ask(api: Api, body: Any, key: str = "", **who: Any) -> Any:
    caller = await api.caller(**who)
    headers = [("content-type", "application/json"), *([("idempotency-key", key)] if key else [])]
    return await caller.call("POST", "/v1/tax-quotes", body=json.dumps(body).encode(), headers=headers)


async def test_our_own_tables_answer_at_once(api: Api) -> None:
    answer = await ask(api, question())
    assert answer.status == 202
    said = answer.json()
    assert (said["state"], said["engine"], said["quote"]["tax"]) == ("quoted", "built_in", "19.00")
    caller = await api.caller()
    found = (await caller.get(f"/v1/tax-quotes/{said['number']}")).json()
    assert (found["quote"], found["question"]["company_code"], found["invoices"]) == (said["quote"], "DE01", [])
    listed = (await caller.get("/v1/tax-quotes")).json()
    assert [each["number"] for each in listed["items"]] == [said["number"]]


async def test_where_an_engine_is_named_the_answer_is_to_be_had_a_moment_later(house: House, api: Api) -> None:
    taxed = TaxedHouse(house)
    said = (await ask(api, question())).json()
    assert (said["state"], said["quote"]) == ("asked", None)
    await taxed.ask()
    found = (await (await api.caller()).get(f"/v1/tax-quotes/{said['number']}")).json()
    assert (found["state"], found["quote"]["engine"], found["quote"]["tax"]) == ("quoted", "avalara", "19")


async def test_a_list_is_answered_item_by_item_and_a_bad_one_concerns_itself_alone(api: Api) -> None:
    bad = question("1.234")
    nobody = question(company_code="XX99")
    answer = await ask(api, [question(), bad, nobody, question("50.00")])
    states = [(each["state"], each.get("reason_code", ""), each.get("pointer", "")) for each in answer.json()["items"]]
    assert states == [
        ("quoted", "", ""),
        ("refused", "intake.amount_invalid", "/lines/0/amount"),
        ("refused", "access.not_found", "/company_code"),
        ("quoted", "", ""),
    ]


async def test_the_same_key_answers_as_before_and_another_body_is_refused(api: Api) -> None:
    first = await ask(api, question(), "k-1", name="erp")
    again = await ask(api, question(), "k-1", name="erp")
    assert (again.status, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = await ask(api, question("1.00"), "k-1", name="erp")
    assert (other.status, other.json()["reason_code"]) == (409, "intake.key_reused")
    assert len(await api.house.rows("SELECT 1 FROM invoices.tax_question")) == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"currency": "EURO"}, 422, "intake.value_out_of_range"),
        ({"lines": []}, 422, "intake.value_out_of_range"),
        ({"lines": [{"line": 1, "amount": "1"}, {"line": 1, "amount": "2"}]}, 422, "intake.value_out_of_range"),
        ({"lines": [{"line": 1, "amount": 1.5}]}, 422, "intake.amount_invalid"),
        ({"surprise": 1}, 422, "intake.field_unknown"),
        ({"company_code": "PL02", "taxed_on": "yesterday"}, 422, "intake.value_out_of_range"),
    ],
)
async def test_what_cannot_be_meant_is_refused(shared_api: Api, change: dict[str, Any], status: int, code: str) -> None:
    answer = await ask(shared_api, question(**change))
    assert (answer.status, answer.json()["reason_code"]) == (status, code)


async def test_a_caller_asks_and_sees_only_for_his_own_companies(api: Api) -> None:
    refused = await ask(api, question(), companies=["PL02"])
    assert (refused.status, refused.json()["reason_code"]) == (422, "access.not_found")
    number = (await ask(api, question())).json()["number"]
    other = await api.caller(companies=["PL02"])
    assert (await other.get(f"/v1/tax-quotes/{number}")).status == 404
    assert (await other.get("/v1/tax-quotes")).json()["items"] == []


async def test_asking_takes_its_own_permission(api: Api) -> None:
    refused = await ask(api, question(), permissions=["invoice.write", "tax.read"])
    assert refused.status == 403
