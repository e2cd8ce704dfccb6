"""Synchronous questions: the answer is made when the supplier is decided; a caller sees its companies only."""

from __future__ import annotations

import json
from typing import Any

from support.api import Api
from support.caller import Answer, Caller
from support.papers import supplier
from tripartite.core.ids import stable_id
from tripartite.core.objects import Address, BankAccount

IBAN = "DE89370400440532013000"


async def ask(caller: Caller, *suppliers: str, key: str = "") -> Answer:
    headers = [("idempotency-key", key)] if key else []
    return await caller.post("/v1/supplier-validations", json.dumps({"suppliers": suppliers}).encode(), headers=headers)


async def test_findings_come_with_their_codes_and_places(api: Api) -> None:
    accounts = (BankAccount("DE8937040044053201300"),)
    await api.house.bring(supplier("1", tax_id="DE812345674", address=Address(country="DE"), accounts=accounts))
    caller = await api.caller()
    said = (await caller.get("/v1/suppliers/1/validation")).json()
    assert (said["known"], said["valid"], said["eligibility"]) == (True, False, "suspended")
    assert [(each["code"], each["pointer"]) for each in said["findings"]] == [
        ("tax.supplier_number_invalid", "/tax_id"),
        ("supplier.bank_change_unapproved", "/accounts/0"),
    ]
    assert said["as_of"]


async def test_twins_are_proposed_to_both_and_never_merged(api: Api) -> None:
    home = Address(city="Köln", country="DE")
    await api.house.bring(supplier("1", name="Müller Stahlbau GmbH", address=home, names_elsewhere={}))
    await api.house.bring(supplier("2", name="Mueller Stahlbau", address=home, names_elsewhere={}))
    caller = await api.caller()
    for number in ("1", "2"):
        said = (await caller.get(f"/v1/suppliers/{number}/validation")).json()
        assert [each["code"] for each in said["findings"]] == ["supplier.duplicate"]
        assert said["eligibility"] == "eligible"
    assert await api.house.value("SELECT count(*) FROM suppliers.supplier") == 2
    await api.house.bring(supplier("2", name="Nordwind", address=home, names_elsewhere={}, version=2))
    assert (await caller.get("/v1/suppliers/1/validation")).json()["findings"] == [], "the likeness went for both"
    assert await api.house.rows("SELECT 1 FROM control.exception WHERE state = 'open'") == []


async def test_many_are_asked_at_once_and_a_key_answers_as_before(api: Api) -> None:
    await api.house.bring(supplier("1"), supplier("2", status="blocked"))
    caller = await api.caller()
    answer = await ask(caller, "1", stable_id("sup", "2"), "9", key="k1")
    assert answer.status == 200
    assert [each["valid"] for each in answer.json()["items"]] == [True, False, False]
    assert answer.json()["items"][2]["findings"][0]["code"] == "supplier.unknown"
    await api.house.bring(supplier("1", status="blocked", version=2))
    again = await ask(caller, "1", stable_id("sup", "2"), "9", key="k1")
    assert (again.body, again.headers["idempotency-replayed"]) == (answer.body, "true")
    assert (await ask(caller, "1", key="k1")).json()["reason_code"] == "intake.key_reused"
    assert (await ask(caller, "1")).json()["items"][0]["valid"] is False
    assert (await ask(caller)).status == 413
    assert (await caller.post("/v1/supplier-validations", b'{"suppliers": ["1"], "x": 1}')).status == 422


async def test_a_caller_sees_the_suppliers_of_its_companies_and_those_of_all(api: Api) -> None:
    await api.house.bring(
        supplier("1", company_codes=("DE01",), accounts=(BankAccount(IBAN),)),
        supplier("2", company_codes=("PL02", "DE01")),
        supplier("3"),
    )
    polish = await api.caller(companies=["PL02"])
    seen = (await polish.get("/v1/suppliers")).json()["items"]
    assert sorted(each["number"] for each in seen) == ["2", "3"]
    for path in ("/v1/suppliers/1", f"/v1/suppliers/{stable_id('sup', '1')}/bank-changes"):
        assert (await polish.get(path)).status == 404
    hidden = (await polish.get("/v1/suppliers/1/validation")).json()
    unknown = (await polish.get("/v1/suppliers/99/validation")).json()
    assert hidden["findings"] == unknown["findings"], "what one may not see is not there"
    assert [each["known"] for each in (await ask(polish, "1", "2", "3")).json()["items"]] == [False, True, True]


async def test_a_caller_of_one_company_writes_no_supplier_of_another(api: Api) -> None:
    polish = await api.caller(companies=["PL02"])

    async def write(**further: Any) -> int:
        body = {"number": "77", "name": "Kranz", **further}
        return (await polish.post("/v1/suppliers", json.dumps(body).encode())).status

    assert await write(company_codes=["PL02"]) == 202
    assert await write(company_codes=["DE01"]) == 404
    assert await write() == 404, "for all companies is for others too"


async def test_no_answer_holds_an_account(api: Api) -> None:
    await api.house.bring(supplier("1", accounts=(BankAccount(IBAN),)))
    caller = await api.caller()
    for path in ("/v1/suppliers", "/v1/suppliers/1", "/v1/suppliers/1/validation", "/v1/suppliers/1/bank-changes"):
        answer = await caller.get(path)
        assert answer.status == 200
        assert IBAN not in answer.body.decode()


async def test_a_number_of_two_suppliers_is_asked_by_id(api: Api) -> None:
    await api.house.bring(supplier("5", names_elsewhere={}), source="coupa")
    await api.house.bring(supplier("5", names_elsewhere={}), source="sap")
    caller = await api.caller()
    said = (await caller.get("/v1/suppliers/5/validation")).json()
    assert [each["code"] for each in said["findings"]] == ["supplier.duplicate"]
    for each in ("sup", "5"), ("sup", "sap", "5"):
        assert (await caller.get(f"/v1/suppliers/{stable_id(*each)}/validation")).json()["valid"] is True
