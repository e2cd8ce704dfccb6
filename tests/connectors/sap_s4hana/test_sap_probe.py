"""When no answer came, SAP is asked by the business key before anything is sent again."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from connectors.sap_s4hana.sap_bench import Sap, line, outbound, posting
from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.transform import addressed, write_posting
from tripartite.connectors.sap_s4hana.transform.recognising import judge
from tripartite.core.codec import encode
from tripartite.core.money import Amount
from tripartite.runtime.protocol import Absent, Accepted, Rejected, RetryLater, Settled, Unknown

ITEM = outbound(posting())


@pytest.mark.parametrize("fault", ["commit_then_5xx", "commit_then_hang", "commit_then_cut"])
async def test_a_posting_whose_answer_was_lost_is_found_and_not_posted_again(sap: Sap, fault: str) -> None:
    sap.fault("post_invoice", fault)
    (answer,) = await sap.client.submit([ITEM])
    assert isinstance(answer, Unknown)
    assert await sap.client.probe(ITEM) == Settled("5105600001/2026", "")
    assert len(sap.ledger()) == 1


async def test_after_a_hang_in_a_batch_each_invoice_is_found(sap: Sap) -> None:
    items = [outbound(posting(f"N-{place}")) for place in range(5)]
    sap.fault("post_invoice", "commit_then_hang")
    answers = await sap.client.submit(items)
    assert {type(answer) for answer in answers} == {Unknown}
    assert all([isinstance(await sap.client.probe(item), Settled) for item in items])


async def test_after_a_cut_batch_the_probe_tells_the_posted_from_the_others(sap: Sap) -> None:
    items = [outbound(posting(f"N-{place}")) for place in range(5)]
    assert isinstance((await sap.client.submit([items[0]]))[0], Settled)
    sap.fault("post_invoice", "commit_then_cut")
    await sap.client.submit(items[1:])
    found = [type(await sap.client.probe(item)) for item in items]
    assert found == [Settled, Settled, Absent, Absent, Absent]


async def test_a_late_commit_is_absent_first_and_found_within_the_declared_latency(sap: Sap) -> None:
    released = asyncio.Event()

    async def wait(seconds: float) -> None:
        assert seconds == 120
        await released.wait()

    sap.bench.sleep = wait
    sap.fault("post_invoice", "late_commit", delay=120)
    (answer,) = await sap.client.submit([ITEM])
    assert isinstance(answer, Unknown)
    assert isinstance(await sap.client.probe(ITEM), Absent)
    released.set()
    await asyncio.sleep(0.01)
    assert isinstance(await sap.client.probe(ITEM), Settled)


async def test_a_yes_that_was_a_lie_is_absent_when_asked(sap: Sap) -> None:
    sap.fault("post_invoice", "lie_dropped")
    (answer,) = await sap.client.submit([ITEM])
    assert isinstance(answer, Settled)
    assert isinstance(await sap.client.probe(ITEM), Absent)


async def test_what_was_posted_twice_is_settled_and_both_are_named(sap: Sap) -> None:
    sap.fault("post_invoice", "lie_twice")
    await sap.client.submit([ITEM])
    assert await sap.client.probe(ITEM) == Settled("5105600001/2026", "also posted as 5105600002/2026")


async def test_a_write_that_reads_do_not_see_yet_is_absent_until_the_lag_is_over(sap: Sap) -> None:
    sap.fault("post_invoice", "lag", delay=4.0)
    await sap.client.submit([ITEM])
    assert isinstance(await sap.client.probe(ITEM), Absent)
    sap.clock += 5
    assert isinstance(await sap.client.probe(ITEM), Settled)


async def test_the_same_number_over_another_amount_is_a_conflict_and_not_a_yes(sap: Sap) -> None:
    other = posting(gross=Amount("2380.00"), lines=(line(amount=Amount("2000.00")),))
    await sap.client.submit([outbound(other)])
    answer = await sap.client.probe(ITEM)
    assert isinstance(answer, Rejected)
    assert answer.code == "posting.probe_conflict"
    assert "5105600001/2026" in answer.detail
    assert "2380.00 EUR" in answer.detail


async def test_the_credit_memo_of_the_same_number_is_not_the_invoice(sap: Sap) -> None:
    await sap.client.submit([outbound(posting(credit=True))])
    assert isinstance(await sap.client.probe(ITEM), Absent)


async def test_the_supplier_is_found_with_and_without_leading_zeros(sap: Sap) -> None:
    await sap.client.submit([ITEM])  # sent as 0010300080
    short = outbound(posting(supplier_number="10300080"))
    assert isinstance(await sap.client.probe(short), Settled)


@pytest.mark.parametrize("number", ["o'neill-7/b", "maß-7", " rw 7 ", "ü&+%-7"])
async def test_a_number_in_odd_letters_is_found_too(sap: Sap, number: str) -> None:
    odd = outbound(posting(number))
    assert isinstance((await sap.client.submit([odd]))[0], Settled)
    assert isinstance(await sap.client.probe(odd), Settled)
    assert isinstance(await sap.client.probe(outbound(posting("o'neill-7"))), Absent)


async def test_a_reversed_posting_counts_only_if_it_was_this_one(sap: Sap) -> None:
    await sap.client.submit([ITEM])
    headers = sap.client._transport._session
    assert headers is not None
    reply = await sap.http.request(
        "POST",
        "https://s4h.example/sap/opu/odata/sap/API_SUPPLIERINVOICE_PROCESS_SRV/Cancel?"
        "PostingDate=datetime'2026-11-17T00:00:00'&ReversalReason='01'&FiscalYear='2026'&SupplierInvoice='5105600001'",
        headers={
            "authorization": sap.client._transport._token.header.reveal(),  # type: ignore[union-attr]
            "x-csrf-token": headers.csrf.reveal(),
            "cookie": headers.cookies.reveal(),
        },
    )
    assert reply.status_code == 200
    assert await sap.client.probe(ITEM) == Settled("5105600001/2026", "since reversed by 5105600002/2026")
    rebill = outbound(posting(), key="dlv_another_version")
    assert isinstance(await sap.client.probe(rebill), Absent)
    assert isinstance((await sap.client.submit([rebill]))[0], Settled)
    assert await sap.client.probe(rebill) == Settled("5105600003/2026", "")


async def test_a_probe_without_an_answer_is_repeated(sap: Sap) -> None:
    sap.fault("read", "reply.5xx", status=503)
    assert isinstance(await sap.client.probe(ITEM), RetryLater)
    sap.fault("read", "lie_html")
    assert isinstance(await sap.client.probe(ITEM), RetryLater)
    sap.http.down = True
    assert isinstance(await sap.client.probe(ITEM), RetryLater)


def found(**changes: Any) -> wire.A_SupplierInvoiceRead:
    values: dict[str, Any] = {
        "SupplierInvoice": "5105600123",
        "FiscalYear": "2026",
        "CompanyCode": "1010",
        "InvoicingParty": "0010300080",
        "SupplierInvoiceIDByInvcgParty": "RW-2026-00417",
        "DocumentDate": "/Date(1794441600000)/",
        "DocumentCurrency": "EUR",
        "InvoiceGrossAmount": "1190.000",
        "SupplierInvoiceStatus": "5",
        "ReverseDocument": "",
    }
    return wire.A_SupplierInvoiceRead(**{**values, **changes})


@pytest.mark.parametrize(
    ("documents", "kind"),
    [
        ([found()], Settled),
        ([found(InvoiceGrossAmount="1190")], Settled),
        ([found(SupplierInvoiceStatus="A")], Accepted),
        ([found(SupplierInvoiceStatus="7")], Accepted),
        ([found(InvoiceGrossAmount="1190.01")], Rejected),
        ([found(InvoiceGrossAmount="")], Rejected),
        ([found(DocumentDate="/Date(1794355200000)/")], Rejected),
        ([found(DocumentCurrency="USD")], Rejected),
        ([found(InvoiceGrossAmount="1.00"), found(SupplierInvoice="5105600124")], Settled),
        ([found(CompanyCode="2010")], Absent),
        ([found(SupplierInvoice="")], Absent),
        ([found(ReverseDocument="5105600130", ReverseDocumentFiscalYear="2026")], Absent),
        ([], Absent),
    ],
)
def test_only_the_same_business_facts_are_a_yes(documents: list[wire.A_SupplierInvoiceRead], kind: type) -> None:
    sent = addressed(write_posting(encode(posting(issued_on=date(2026, 11, 12)))), "dlv_1", {})
    assert isinstance(judge(documents, sent), kind)
