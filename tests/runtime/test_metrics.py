"""What a monitor is told: the counters of the process and the state of the estate, and nothing about a person."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.api import Api
from support.caller import Caller
from support.house import House
from support.papers import invoice, order, receipt, supplier
from tripartite.core.objects import BankAccount
from tripartite.runtime.protocol import Call

Sample = tuple[str, tuple[tuple[str, str], ...]]


async def scraped(caller: Caller) -> dict[Sample, float]:
    answer = await caller.get("/metrics")
    assert answer.status == 200, answer
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def of(found: dict[Sample, float], name: str, **labels: str) -> float | None:
    return found.get((name, tuple(sorted(labels.items()))))


async def a_day_of_trouble(house: House) -> None:
    """One invoice in each company waits for its receipt; one posting in DE01 got no answer."""
    await house.bring(supplier(accounts=(BankAccount("DE89370400440532013000"),)))
    for company in ("DE01", "PL02"):
        await house.bring(order(f"O-{company}", company=company))
        await house.bring_invoice(invoice(f"I-{company}", of=f"O-{company}", company=company))
    await house.bring(order("4500000009"), receipt("GR-9", "10", of="4500000009"))
    house.sap.script.append("lost")
    await house.bring_invoice(invoice("I-9", of="4500000009"))
    await house.deliver("sap")
    await house.pump()


async def test_the_state_of_the_estate_is_told_in_numbers(api: Api) -> None:
    house = api.house
    await a_day_of_trouble(house)
    async with house.db.connection() as connection:  # the database's clock stands still in tests
        await connection.execute("UPDATE deliveries.delivery SET due_at = due_at - interval '90 seconds'")
    house.ports.telemetry.call(Call("sap", "post_invoice", 503, 0.25, "busy"))
    found = await scraped(await api.caller(["metrics.read"]))
    assert of(found, "tripartite_deliveries", connection="sap", state="unknown") == 1
    assert of(found, "tripartite_circuit_open", connection="sap") == 0
    late = of(found, "tripartite_delivery_oldest_due_seconds", connection="sap")
    assert late is not None
    assert 80 < late <= 90
    waiting = [
        (dict(labels)["company_code"], value)
        for (name, labels), value in found.items()
        if name == "tripartite_exceptions_open" and dict(labels)["reason_code"] == "match.not_received"
    ]
    assert sorted(waiting) == [("DE01", 1.0), ("PL02", 1.0)]
    assert of(found, "tripartite_backlog_messages", consumer="invoices", topic="invoice.canonical") == 0
    pending = await house.value("SELECT count(*) FROM audit.pending")
    assert of(found, "tripartite_audit_pending_leaves") == pending > 0
    calls = of(found, "tripartite_calls_total", connection="sap", operation="post_invoice", outcome="5xx")
    assert calls == 1
    assert (of(found, "process_resident_memory_bytes") or 0) > 1e6
    assert (of(found, "tripartite_database_connections", pool="worker", **{"is": "open"}) or 0) >= 1


async def test_what_is_not_read_yet_and_what_was_set_aside_is_counted(api: Api) -> None:
    house = api.house
    house.may_set_aside = True
    await a_day_of_trouble(house)
    async with house.db.connection() as connection:
        await connection.execute("UPDATE bus.head SET head = head + 3 WHERE topic = 'invoice.events'")
        await connection.execute(
            """INSERT INTO bus.quarantine (consumer, topic, partition, position, message_id, reason_code, detail)
            VALUES ('orders', 'order.canonical', 'PL02/1', 99, 'msg_x', 'integration.schema_violated', 'no such')"""
        )
    found = await scraped(await api.caller(["metrics.read"]))
    heads = await house.value("SELECT count(*) FROM bus.head WHERE topic = 'invoice.events'")
    assert of(found, "tripartite_backlog_messages", consumer="control", topic="invoice.events") == 3 * heads
    assert of(found, "tripartite_quarantined_messages", consumer="orders", topic="order.canonical") == 1
    bound = await scraped(await api.caller(["metrics.read"], companies=["DE01"]))
    assert of(bound, "tripartite_quarantined_messages", consumer="orders", topic="order.canonical") is None


async def test_a_monitor_of_one_company_is_told_nothing_of_another(api: Api) -> None:
    await a_day_of_trouble(api.house)
    found = await scraped(await api.caller(["metrics.read"], companies=["PL02"]))
    companies = {dict(labels).get("company_code") for name, labels in found if name.startswith("tripartite_exceptions")}
    assert companies == {"PL02"}
    assert of(found, "tripartite_deliveries", connection="sap", state="unknown") is None


async def test_no_label_names_a_document_a_supplier_or_a_person(api: Api) -> None:
    await a_day_of_trouble(api.house)
    answer = await (await api.caller(["metrics.read"], name="the monitor")).get("/metrics")
    text = answer.body.decode()
    for word in ("I-DE01", "O-DE01", "I-9", "Supplier 10300001", "10300001", "3000", "the monitor", "47.60"):
        assert word not in text, word


@pytest.mark.parametrize("permissions", [[], ["invoice.read", "estate.read", "audit.read"]])
async def test_it_takes_its_own_permission(api: Api, permissions: list[str]) -> None:
    assert (await (await api.caller(permissions)).get("/metrics")).status == 403
    answer: Any = await api.nobody.get("/metrics")
    assert answer.status == 401


async def test_documents_are_counted_once_their_transaction_is_committed(api: Api) -> None:
    house = api.house
    caller = await api.caller()
    body = json.dumps({"number": "10300001", "name": "Aurum", "supplier_id": "S-80"}).encode()
    assert (await caller.post("/v1/suppliers", body)).status == 202
    assert (await caller.post("/v1/suppliers", body)).status == 202, "the same bytes again are a duplicate"
    await house.bring(supplier(), order(), receipt("GR-1", "10"))
    house.sap.script.append("busy")
    await house.bring_invoice(invoice())
    await house.settle()
    found = await scraped(await api.caller(["metrics.read"]))

    def counted(stage: str, outcome: str) -> float | None:
        return of(found, "tripartite_documents_total", stage=stage, outcome=outcome)

    assert counted("intake", "applied") == 1
    assert counted("intake", "duplicate") == 1
    assert counted("delivery", "waiting") == 1
    assert counted("delivery", "settled") is None, "it is not due again yet"
