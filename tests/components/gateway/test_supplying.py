"""Our own API: one document or many, once for each key, and what became of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from support.api import Api
from support.papers import invoice, order, receipt, supplier
from tripartite.core import codec


def many(*values: Any) -> bytes:
    return b"[" + b",".join(codec.encode(value) for value in values) + b"]"


async def test_a_company_without_any_connector_can_bring_everything_by_our_api(api: Api) -> None:
    caller = await api.caller()
    for path, value in (
        ("suppliers", supplier()),
        ("purchase-orders", order()),
        ("receipts", receipt()),
        ("invoices", invoice()),
    ):
        answer = await caller.post(f"/v1/{path}", codec.encode(value))
        assert (answer.status, answer.json()["disposition"]) == (202, "applied"), answer
        await api.house.pump()
    assert await api.house.state() == "to_post"
    status = await caller.get(f"/v1/intake/{answer.json()['intake_id']}")
    assert status.json()["correlation_id"] == answer.json()["correlation_id"]


async def test_a_bulk_answers_item_by_item_in_its_own_order(api: Api) -> None:
    caller = await api.caller()
    values = [order(f"45000000{place:02d}") for place in range(20)]
    answer = await caller.post("/v1/purchase-orders", many(*values))
    assert [item["object_key"] for item in answer.json()["items"]] == [value.number for value in values]
    await api.house.pump()
    assert await api.house.value("SELECT count(*) FROM orders.purchase_order") == 20


async def test_the_same_key_and_body_answers_as_before_and_does_nothing(api: Api) -> None:
    caller = await api.caller()
    key = [("idempotency-key", "bulk-1")]
    body = many(order(), order("4500000002"))
    first = await caller.post("/v1/purchase-orders", body, headers=key)
    again = await caller.post("/v1/purchase-orders", body, headers=key)
    assert (again.status, again.body) == (202, first.body)
    assert await api.house.value("SELECT count(*) FROM gateway.intake") == 2


async def test_a_key_belongs_to_its_caller(api: Api) -> None:
    key = [("idempotency-key", "k-1")]
    one, other = await api.caller(name="one"), await api.caller(name="other")
    await one.post("/v1/purchase-orders", codec.encode(order()), headers=key)
    answer = await other.post("/v1/purchase-orders", codec.encode(order("4500000002")), headers=key)
    assert answer.status == 202


async def test_a_key_stands_for_one_path(api: Api) -> None:
    caller = await api.caller()
    key = [("idempotency-key", "k-1")]
    await caller.post("/v1/purchase-orders", codec.encode(order()), headers=key)
    answer = await caller.post("/v1/receipts", codec.encode(order()), headers=key)
    assert (answer.status, answer.json()["reason_code"]) == (409, "intake.key_reused")


async def test_ten_requests_with_one_key_at_once_are_one(api: Api) -> None:
    caller = await api.caller()
    key = [("idempotency-key", "race")]
    answers = await asyncio.gather(
        *(caller.post("/v1/purchase-orders", codec.encode(order()), headers=key) for _ in range(10))
    )
    assert {answer.status for answer in answers} <= {202, 409}
    assert any(answer.status == 202 for answer in answers)
    assert len({answer.body for answer in answers if answer.status == 202}) == 1
    assert await api.house.value("SELECT count(*) FROM gateway.intake WHERE disposition = 'applied'") == 1
    assert await api.house.value("SELECT count(*) FROM gateway.idempotency") == 1


async def test_too_many_items_at_once_are_refused(api: Api) -> None:
    caller = await api.caller()
    answer = await caller.post("/v1/invoices", b"[" + b"{}," * 5000 + b"{}]")
    assert (answer.status, answer.json()["reason_code"]) == (413, "intake.too_large")


async def test_a_caller_of_one_company_brings_nothing_for_another(api: Api) -> None:
    caller = await api.caller(companies=["PL02"])
    answer = await caller.post("/v1/invoices", codec.encode(invoice(company="DE01")))
    assert (answer.status, answer.json()["reason_code"]) == (404, "access.not_found")
    assert "DE01" not in json.dumps(api.house.remotes["sap"].calls)
    await api.house.pump()
    assert await api.house.value("SELECT count(*) FROM invoices.invoice") == 0
