"""Payments and the ERP's numbers come back to Coupa's invoices, once each: a payment there can never be taken back."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from connectors.coupa.support import World, norddal
from tripartite.core.codec import encode
from tripartite.core.money import Amount
from tripartite.core.objects.notice import PaymentReported, PostingReported
from tripartite.runtime.protocol import Absent, Outbound, Rejected, RetryLater, Settled, Unknown

SCOPES = (
    "core.common.read core.supplier.read core.purchase_order.read core.invoice.read core.invoice.write"
    " core.integration.read core.integration.write core.accounting.read core.requisition.read"
)


def payment(amount: str = "1190.00", number: str = "PAY-912", **more: Any) -> Outbound:
    known: dict[str, Any] = {
        "invoice_id": "inv_1",
        "invoice_number": "RW-417",
        "company_code": "DE01",
        "source_document_id": "",
        "payment_number": number,
        "currency": "EUR",
        "amount": Amount(amount),
        "paid_on": date(2026, 11, 30),
    }
    return Outbound("dlv_p", "report_payment", "DE01", encode(PaymentReported(**{**known, **more})))


def posting(**more: Any) -> Outbound:
    known: dict[str, Any] = {
        "invoice_id": "inv_1",
        "invoice_number": "RW-417",
        "company_code": "DE01",
        "source_document_id": "",
        "document": "5105600123",
        "year": "2026",
        "posted_on": date(2026, 11, 21),
    }
    return Outbound("dlv_b", "report_posting", "DE01", encode(PostingReported(**{**known, **more})))


def world_with_invoice(price: str = "100.00", tax: str = "190.00", number: str = "RW-417") -> World:
    world = World(settings={"scopes": SCOPES})
    norddal(world)
    draft_invoice(world, number, price, tax)
    return world


def draft_invoice(world: World, number: str, price: str = "100.00", tax: str = "190.00") -> int:
    coupa: Any = world.bench.arrange.__self__  # type: ignore[attr-defined]
    line = {"type": "InvoiceQuantityLine", "quantity": "10", "price": price, "tax-lines": [{"amount": tax}]}
    made = coupa.finance.draft(
        {
            "invoice-number": number,
            "invoice-date": "2026-11-02",
            "supplier": {"number": "10300080"},
            "currency": {"code": "EUR"},
            "invoice-lines": [line],
        }
    )
    coupa.finance.submit(made)
    return int(made["id"])


def invoice(world: World, number: str = "RW-417") -> dict[str, Any]:
    found: dict[str, Any] = world.bench.truth()["invoices"][number]
    return found


async def submit(world: World, item: Outbound) -> Any:
    (answer,) = await world.client.submit([item])
    return answer


async def test_a_payment_of_all_that_is_owed_marks_the_invoice_as_paid() -> None:
    world = world_with_invoice()
    assert isinstance(await submit(world, payment()), Settled)
    assert invoice(world)["paid"] is True
    assert invoice(world)["payments"] == [{"amount": "1190.00", "notes": "PAY-912"}]


async def test_part_payments_add_up_and_only_the_last_marks_it_as_paid() -> None:
    world = world_with_invoice()
    await submit(world, payment("1000.00", "PAY-1"))
    assert invoice(world)["paid"] is False
    await submit(world, payment("190.00", "PAY-2"))
    assert invoice(world)["paid"] is True


async def test_a_credit_note_is_settled_by_an_amount_below_zero() -> None:
    world = world_with_invoice("-100.00", "-190.00")
    assert isinstance(await submit(world, payment()), Settled)
    assert invoice(world)["payments"][0]["amount"] == "-1190.00"
    assert await submit(world, payment()) == await world.client.probe(payment())
    assert len(invoice(world)["payments"]) == 1


@pytest.mark.parametrize("fault", ["commit_then_hang", "commit_then_cut", "commit_then_5xx"])
async def test_a_payment_whose_answer_was_lost_is_found_and_never_recorded_twice(fault: str) -> None:
    world = world_with_invoice()
    world.fault("invoice.pay", fault)
    assert isinstance(await submit(world, payment()), Unknown)
    assert isinstance(await world.client.probe(payment()), Settled)
    assert isinstance(await submit(world, payment()), Settled)
    assert len(invoice(world)["payments"]) == 1


@pytest.mark.parametrize("fault", ["hang", "reply.5xx", "lie_html", "lie_dropped"])
async def test_a_payment_that_never_happened_is_absent(fault: str) -> None:
    world = world_with_invoice()
    world.fault("invoice.pay", fault)
    await submit(world, payment())
    assert isinstance(await world.client.probe(payment()), Absent)
    assert isinstance(await submit(world, payment()), Settled)


async def test_the_same_number_with_another_amount_or_currency_is_refused_and_adds_nothing() -> None:
    world = world_with_invoice()
    await submit(world, payment("500.00"))
    answer = await submit(world, payment("600.00"))
    assert isinstance(answer, Rejected)
    assert answer.code == "payment_differs"
    foreign = await submit(world, payment("690.00", "PAY-2", currency="PLN"))
    assert isinstance(foreign, Rejected)
    assert foreign.code == "currency_differs"
    assert len(invoice(world)["payments"]) == 1


async def test_an_invoice_is_found_by_coupas_id_and_by_number_only_where_it_is_the_only_one() -> None:
    world = world_with_invoice()
    by_id = str(draft_invoice(world, "RW-418"))
    assert await submit(world, payment(source_document_id=by_id)) == Settled(by_id)
    world.arrange(suppliers=[{"number": "10300081", "name": "Other"}])
    coupa: Any = world.bench.arrange.__self__  # type: ignore[attr-defined]
    twin = {**next(iter(coupa.records.tables["invoices"].values())), "supplier": {"number": "10300081"}}
    coupa.records.tables["invoices"][999_999] = {**twin, "id": 999_999}
    for item in (payment(), payment(invoice_number="RW-999"), payment(source_document_id="777"), posting()):
        refused = await submit(world, item)
        assert isinstance(refused, Rejected)
        assert refused.code == "invoice_unknown"


async def test_a_draft_is_not_payable_and_coupa_says_so() -> None:
    world = world_with_invoice()
    coupa: Any = world.bench.arrange.__self__  # type: ignore[attr-defined]
    next(iter(coupa.records.tables["invoices"].values()))["status"] = "draft"
    assert await submit(world, payment()) == Rejected("http_400", "status is draft")


async def test_the_erps_number_is_kept_as_one_integration_record() -> None:
    world = world_with_invoice()
    first = await submit(world, posting())
    assert isinstance(first, Settled)
    again = await submit(world, posting())
    assert (again.remote_ref, await world.client.probe(posting())) == (first.remote_ref, Settled(first.remote_ref))
    assert [each["external_id"] for each in world.bench.truth()["history"]] == ["5105600123/2026"]


async def test_a_posting_whose_answer_was_lost_is_found() -> None:
    world = world_with_invoice()
    world.fault("history.create", "commit_then_hang")
    assert isinstance(await submit(world, posting()), Unknown)
    assert isinstance(await world.client.probe(posting()), Settled)
    assert len(world.bench.truth()["history"]) == 1


@pytest.mark.parametrize("operation", ["invoice.pay", "history.create"])
async def test_a_throttled_report_comes_later(operation: str) -> None:
    world = world_with_invoice()
    world.fault(operation, "reply.429", retry_after=2.0)
    item = payment() if operation == "invoice.pay" else posting()
    assert await submit(world, item) == RetryLater("rate limit", 2.0)


async def test_a_client_without_the_scope_of_integration_records_is_refused() -> None:
    world = World()
    norddal(world)
    draft_invoice(world, "RW-417")
    answer = await submit(world, posting())
    assert isinstance(answer, RetryLater)
    assert "scope" in answer.reason
