"""The procurement questions over HTTP: answered from recorded facts, or asked outside if not fresh, never for long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

from components.orders.test_requisitions import answer, bring_budget, budget, ordered, wish
from support.api import Api
from support.caller import Answer, Caller
from support.house import House
from support.papers import ORDER, receipt
from tripartite.components.gateway.flows import ask_due
from tripartite.components.orders.asking import LONGEST_SECONDS
from tripartite.connectors.coupa import simulator
from tripartite.core import codec
from tripartite.core.objects import ApprovalStep
from tripartite.runtime.protocol import Pulled

QUESTION = {"company_code": "DE01", "cost_centre": "CC-100", "currency": "EUR", "amount": "900.00"}


@asynccontextmanager
async def working(house: House) -> AsyncIterator[None]:
    """The other parts of the process work while a caller waits; time stands still but for them."""

    async def work() -> None:
        while True:
            await ask_due(house.ports, house.door)
            await house.pump()
            await asyncio.sleep(0)

    async def still(seconds: float) -> None:
        house.clock.turn(0.001)
        await asyncio.sleep(0.01)

    house.ports.clock = type(house.ports.clock)(house.clock.now, house.clock.counter, still)
    running = asyncio.create_task(work())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def post(caller: Caller, body: Any, **headers: str) -> Answer:
    sent = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return await caller.post("/v1/budget-checks", json.dumps(body).encode(), headers=sent)


def coupa_requisition(**form: Any) -> Pulled:
    bench = simulator.build({}, 3)
    lines = [{"quantity": "1", "price": "100.00", "segments": ["1000", "CC-100"]}]
    bench.arrange({"requisitions": [{"currency": "EUR", "requested_by": "jdoe", "lines": lines, **form}]})
    row = next(iter(bench.arrange.__self__.records.tables["requisitions"].values()))  # type: ignore[attr-defined]
    return Pulled("requisition", str(row["id"]), row["updated-at"], codec.encode(row))


async def test_an_order_says_what_was_ordered_and_what_came_for_it(house: House, api: Api) -> None:
    await house.bring(ordered(ORDER), receipt("GR-1", "6"), receipt("RT-1", "2", kind="return"))
    caller = await api.caller()
    found = (await caller.get(f"/v1/purchase-orders/{ORDER}")).json()
    assert found["quantities"] == [
        {
            "line": 10,
            "unit": "EA",
            "quantity_ordered": "10",
            "quantity_received": "4",
            "quantity_billed": "0",
            "amount_billed": "0",
        }
    ]


async def test_a_receipt_before_its_order_counts_and_another_unit_is_not_converted(house: House, api: Api) -> None:
    whole = receipt("GR-1", "6")
    boxes = codec.decode(codec.encode(receipt("GR-2", "1")).replace(b'"EA"', b'"BX"'), type(whole))
    await house.bring(whole, ordered(ORDER))
    caller = await api.caller()
    path = f"/v1/purchase-orders/{ORDER}"
    assert (await caller.get(path)).json()["quantities"][0]["quantity_received"] == "6"
    await house.bring(boxes)
    assert (await caller.get(path)).json()["quantities"][0]["quantity_received"] is None


async def test_an_order_that_is_not_here_is_asked_for_when_its_company_is_named(house: House, api: Api) -> None:
    caller = await api.caller()
    assert (await caller.get("/v1/purchase-orders/PO-1")).status == 404
    assert house.remotes["coupa"].asked == []
    bench = simulator.build({}, 3)
    line = {"line": 1, "quantity": "10", "price": "4.00"}
    bench.arrange({"suppliers": [{"number": "10300001", "name": "S"}]})
    bench.arrange({"orders": [{"number": "PO-1", "supplier": "10300001", "currency": "EUR", "lines": [line]}]})
    row = next(iter(bench.arrange.__self__.records.tables["purchase_orders"].values()))  # type: ignore[attr-defined]
    pulled = Pulled("order", "PO-1", row["updated-at"], codec.encode(row))
    house.remotes["coupa"].answers["order_by_number"] = [pulled]
    async with working(house):
        found = await caller.get("/v1/purchase-orders/PO-1?company=DE01")
    assert (found.status, found.json()["quantities"][0]["quantity_ordered"]) == (200, "10")


async def test_a_requisition_says_who_approved_it_and_what_it_became(house: House, api: Api) -> None:
    await house.bring(wish(), ordered(ORDER))
    caller = await api.caller()
    found = (await caller.get("/v1/requisitions/31007")).json()
    assert (found["orders"], found["order_number"], found["approvals"][0]["approver"]) == ([ORDER], ORDER, "boss")
    approval = (await caller.get("/v1/approvals/31007")).json()
    assert (approval["approval"], approval["approver"], approval["waits_for"]) == ("approved", "boss", [])
    assert approval["steps"] == [
        {"approver": "boss", "decision": "approved", "position": 1, "decided_on": "2026-11-02"}
    ]


async def test_approvals_can_be_listed_by_status_page_by_page(house: House, api: Api) -> None:
    waiting = (ApprovalStep("boss", "approved", 1, date(2026, 11, 2)), ApprovalStep("cfo", "pending", 2))
    await house.bring(wish(), wish("31008", status="pending", approvals=waiting), wish("31009", status="pending"))
    caller = await api.caller()
    first = (await caller.get("/v1/approvals?status=pending&limit=1")).json()
    assert [(each["number"], each["approval"], each["waits_for"]) for each in first["items"]] == [
        ("31008", "pending", ["cfo"])
    ]
    second = (await caller.get(f"/v1/approvals?status=pending&limit=1&after={first['next']}")).json()
    assert [each["number"] for each in second["items"]] == ["31009"]
    assert len((await caller.get("/v1/requisitions?limit=0")).json()["items"]) == 1


async def test_a_fresh_approval_is_asked_for_in_procurement_and_comes_by_the_door(house: House, api: Api) -> None:
    caller = await api.caller()
    pulled = coupa_requisition(status="pending_approval", approvals=[{"by": "cfo", "status": "pending_approval"}])
    house.remotes["coupa"].answers = {"requisition_by_number": [pulled], "approval_status": [pulled]}
    async with working(house):
        found = await caller.get(f"/v1/approvals/{pulled.key}?company=DE01")
        assert (found.status, found.json()["approval"], found.json()["waits_for"]) == (200, "pending", ["cfo"])
        later = await caller.get(f"/v1/approvals/{pulled.key}?fresh=true")
    assert later.json()["as_of"] > found.json()["as_of"], "nothing new came, and that is known as of later"
    questions = [question for question, _ in house.remotes["coupa"].asked]
    assert [each for each in questions if each != "budget_check"] == ["requisition_by_number", "approval_status"]
    assert await house.rows("SELECT version > 1, status FROM orders.requisition") == [(True, "pending")]


async def test_a_caller_never_waits_longer_than_the_limit_for_a_silent_procurement(house: House, api: Api) -> None:
    await house.bring(wish())
    caller = await api.caller()
    began = house.clock.counter()
    found = await caller.get("/v1/approvals/31007?fresh=true")
    assert found.status == 200, "what is recorded is answered, as of when it was recorded"
    assert LONGEST_SECONDS <= house.clock.counter() - began < LONGEST_SECONDS + 1


async def test_a_budget_question_is_asked_decided_and_kept(house: House, api: Api) -> None:
    caller = await api.caller()
    pending = await post(caller, QUESTION)
    (item,) = pending.json()["items"]
    assert (pending.status, item["outcome"]) == (202, "pending")
    await house.pump()
    await bring_budget(house, budget("1000.00"))
    found = (await caller.get(f"/v1/budget-checks/{item['check_id']}")).json()
    assert (found["outcome"], found["available"], found["missing"]) == ("covered", "1000.00", None)
    await answer(house)
    again = await post(caller, [QUESTION, {**QUESTION, "amount": "1000.01"}])
    assert (again.status, [each["outcome"] for each in again.json()["items"]]) == (200, ["covered", "insufficient"])
    leaves = await house.value("SELECT count(*) FROM audit.leaf WHERE kind = 'budget_check.decided'")
    assert leaves == 3


async def test_a_budget_question_that_procurement_answers_in_time_is_answered_at_once(house: House, api: Api) -> None:
    caller = await api.caller()
    async with working(house):
        found = await post(caller, QUESTION)
    assert (found.status, found.json()["items"][0]["outcome"]) == (200, "not_checked")


async def test_the_checks_of_a_requisition_are_its_own_however_often_they_are_asked_for(house: House, api: Api) -> None:
    await house.bring(wish())
    caller = await api.caller()
    question = {"company_code": "DE01", "requisition": "31007"}
    ids = {(await post(caller, question)).json()["items"][0]["check_id"] for _ in range(2)}
    assert len(ids) == 1
    found = (await caller.get("/v1/budget-checks?requisition=31007")).json()["items"]
    assert [each["check_id"] for each in found] == list(ids)
    await house.bring(wish("31008", lines=()))
    refused = await post(caller, {"company_code": "DE01", "requisition": "31008"})
    assert (refused.status, refused.json()["reason_code"]) == (409, "budget.not_checked")


async def test_the_same_key_answers_as_before_and_with_another_body_is_refused(house: House, api: Api) -> None:
    caller = await api.caller()
    first = await post(caller, QUESTION, idempotency_key="k-1")
    again = await post(caller, QUESTION, idempotency_key="k-1")
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = await post(caller, {**QUESTION, "amount": "1"}, idempotency_key="k-1")
    assert (other.status, other.json()["reason_code"]) == (409, "intake.key_reused")
    assert await house.value("SELECT count(*) FROM orders.budget_check") == 1
    bad = await post(caller, QUESTION, idempotency_key="with blank")
    assert (bad.status, bad.json()["reason_code"]) == (400, "intake.key_invalid")


async def test_a_question_that_cannot_be_meant_is_refused_with_its_place(house: House, api: Api) -> None:
    caller = await api.caller()
    cases: list[tuple[Any, int, str, str]] = [
        ([], 422, "intake.malformed", ""),
        ({"company_code": "DE01"}, 422, "intake.malformed", "/0"),
        ([QUESTION, {**QUESTION, "amount": "-1"}], 422, "intake.value_out_of_range", "/1/amount"),
        ({**QUESTION, "currency": "EURO"}, 422, "intake.value_out_of_range", "/0/currency"),
        ({**QUESTION, "amount": 900.5}, 422, "intake.amount_invalid", "/amount"),
        ({**QUESTION, "amout": "1"}, 422, "intake.field_unknown", "/amout"),
        ({**QUESTION, "company_code": "XX99"}, 404, "access.not_found", "/0/company_code"),
        ({"company_code": "DE01", "requisition": "none"}, 404, "access.not_found", "/0/requisition"),
    ]
    for body, status, code, pointer in cases:
        found = await post(caller, body)
        assert (found.status, found.json()["reason_code"], found.json().get("pointer", "")) == (status, code, pointer)
    assert (await caller.post("/v1/budget-checks", b"{}", media="text/plain")).status == 415
    assert await house.value("SELECT count(*) FROM orders.budget_check") == 0


async def test_nobody_sees_or_asks_of_another_company_or_without_the_permission(house: House, api: Api) -> None:
    await house.bring(wish(), ordered(ORDER))
    caller = await api.caller()
    check = (await post(caller, QUESTION)).json()["items"][0]["check_id"]
    stranger = await api.caller(companies=["PL02"])
    for path in (
        *("/v1/requisitions/31007", "/v1/approvals/31007", f"/v1/budget-checks/{check}"),
        *("/v1/requisitions/31007?company=DE01", "/v1/approvals/31007?company=DE01&fresh=true"),
        *(f"/v1/purchase-orders/{ORDER}", f"/v1/purchase-orders/{ORDER}?company=DE01"),
    ):
        assert (await stranger.get(path)).status == 404, path
    for path in ("/v1/requisitions", "/v1/approvals", "/v1/budget-checks", "/v1/purchase-orders"):
        assert (await stranger.get(path)).json()["items"] == [], path
    assert (await post(stranger, QUESTION)).status == 404
    assert (await post(stranger, {"company_code": "DE01", "requisition": "31007"})).status == 404
    reader = await api.caller(["order.read"])
    for path in ("/v1/requisitions", "/v1/approvals", "/v1/budget-checks"):
        assert (await reader.get(path)).status == 403
    assert (await post(reader, QUESTION)).status == 403
    assert house.remotes["coupa"].asked == []
