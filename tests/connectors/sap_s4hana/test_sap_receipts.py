"""Receipts of the warehouse stand in SAP once, under the warehouse's number, and invoices are verified against them."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from connectors.sap_s4hana.sap_bench import Sap, outbound, posting
from connectors.sap_s4hana.sap_bench import line as posting_line
from connectors.sap_s4hana.test_sap_orders import line as order_line
from connectors.sap_s4hana.test_sap_orders import order, system
from connectors.sap_s4hana.test_sap_orders import outbound as order_outbound
from tripartite.connectors.sap_s4hana.transform import read_receipt
from tripartite.core.codec import encode
from tripartite.core.money import Amount
from tripartite.core.objects import Receipt, ReceiptLine
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import (
    Absent,
    Answer,
    Outbound,
    Raw,
    ReadResult,
    Rejected,
    RetryLater,
    Settled,
    Unknown,
)


def receipt(number: str = "WE-1", quantity: str = "10", **changes: Any) -> Receipt:
    line = {"order_number": "4500001234", "order_line": 20, "unit": "H87", "quantity": Quantity(quantity)}
    lines = (ReceiptLine(**{**line, **changes.pop("line", {})}),)
    values = {"company_code": "1010", "posted_on": date(2026, 11, 16), "delivery_note": "LS-1", "lines": lines}
    return Receipt(number, **{**values, **changes})


def owed(value: Receipt) -> Outbound:
    return Outbound(f"dlv_{value.number}", "record_receipt", value.company_code, encode(value))


async def record(sap: Sap, value: Receipt) -> Answer:
    (answer,) = await sap.client.submit([owed(value)])
    return answer


def documents(sap: Sap, number: str = "WE-1") -> list[dict[str, Any]]:
    return [row for row in sap.bench.truth()["receipts"] if row["MaterialDocumentHeaderText"] == number]


@pytest.fixture
def sap() -> Sap:
    return system()


async def test_a_receipt_is_posted_with_movement_delivery_note_and_the_warehouses_number(sap: Sap) -> None:
    assert await record(sap, receipt()) == Settled("5000001001/2026", "")
    (row,) = documents(sap)
    assert (row["ReferenceDocument"], row["PostingDate"]) == ("LS-1", "/Date(1794787200000)/")
    (item,) = row["to_MaterialDocumentItem"]
    assert (item["GoodsMovementType"], item["PurchaseOrder"], item["PurchaseOrderItem"]) == ("101", "4500001234", "20")
    assert (item["QuantityInEntryUnit"], item["EntryUnit"]) == ("10", "PC")


async def test_a_return_and_a_reversal_name_the_receipt_they_take_from(sap: Sap) -> None:
    await record(sap, receipt(quantity="10"))
    takes = {"takes_from": "WE-1"}
    assert isinstance(await record(sap, receipt("WE-2", "3", kind="return", line=takes)), Settled)
    assert isinstance(await record(sap, receipt("WE-3", "2", kind="reversal", line=takes)), Settled)
    back = [documents(sap, number)[0]["to_MaterialDocumentItem"][0] for number in ("WE-2", "WE-3")]
    assert [item["GoodsMovementType"] for item in back] == ["122", "102"]
    assert {item["InvtryMgmtReferenceDocument"] for item in back} == {"5000001001"}


async def test_what_takes_from_a_receipt_that_is_not_there_yet_comes_again_later(sap: Sap) -> None:
    reversal = receipt("WE-3", "2", kind="reversal", line={"takes_from": "WE-1"})
    assert isinstance(await record(sap, reversal), RetryLater)
    await record(sap, receipt())
    assert isinstance(await record(sap, reversal), Settled)


async def test_a_receipt_sent_again_is_found_and_not_posted_twice(sap: Sap) -> None:
    first = await record(sap, receipt())
    assert await record(sap, receipt()) == first
    assert len(documents(sap)) == 1
    answer = await record(sap, receipt(quantity="11"))
    assert isinstance(answer, Rejected)
    assert answer.code == "posting.probe_conflict"


@pytest.mark.parametrize("fault", ["commit_then_5xx", "commit_then_hang", "commit_then_cut"])
async def test_a_receipt_whose_answer_was_lost_is_found(sap: Sap, fault: str) -> None:
    sap.fault("record_receipt", fault)
    assert isinstance(await record(sap, receipt()), Unknown)
    assert await sap.client.probe(owed(receipt())) == Settled("5000001001/2026", "")
    assert len(documents(sap)) == 1


async def test_a_late_commit_is_absent_first_and_then_there(sap: Sap) -> None:
    released = asyncio.Event()

    async def wait(seconds: float) -> None:
        await released.wait()

    sap.bench.sleep = wait
    sap.fault("record_receipt", "late_commit", delay=120)
    assert isinstance(await record(sap, receipt()), Unknown)
    assert isinstance(await sap.client.probe(owed(receipt())), Absent)
    released.set()
    await asyncio.sleep(0.01)
    assert isinstance(await sap.client.probe(owed(receipt())), Settled)


async def test_one_bad_receipt_of_a_batch_takes_no_other_with_it(sap: Sap) -> None:
    values = [receipt(f"WE-{place}", "2") for place in range(8)]
    values[3] = receipt("WE-3", line={"order_line": 90})
    answers = await sap.client.submit([owed(value) for value in values])
    assert [place for place, answer in enumerate(answers) if isinstance(answer, Rejected)] == [3]
    assert sap.http.calls.count("record_receipts") == 1
    assert [len(documents(sap, f"WE-{place}")) for place in range(8)] == [place != 3 for place in range(8)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"line": {"order_line": 90}}, "06/011"),
        ({"line": {"quantity": Quantity("61")}}, "M7/433"),
        ({"kind": "reversal", "line": {"quantity": Quantity("41")}}, "M7/434"),
        ({"line": {"unit": "KGM"}}, "M7/092"),
        ({"line": {"unit": ""}}, "posting.unwritable"),
        ({"kind": "service_entry"}, "posting.unwritable"),
        ({"posted_on": None}, "posting.unwritable"),
        ({"delivery_note": "LS-12345678901234567"}, "posting.unwritable"),
    ],
)
async def test_what_cannot_be_received_comes_back_with_its_reason(sap: Sap, changes: dict[str, Any], code: str) -> None:
    answer = await record(sap, receipt(**changes))
    assert isinstance(answer, Rejected)
    assert answer.code == code
    assert documents(sap) == []


async def test_a_receipt_of_an_order_that_is_not_there_yet_is_tried_again(sap: Sap) -> None:
    """Orders and receipts wait in one queue: while SAP was away both wait, and the receipt may be first."""
    early = receipt(line={"order_number": "PO-77", "order_line": 10, "unit": "EA"})
    answer = await record(sap, early)
    assert isinstance(answer, RetryLater)
    assert "PO-77" in answer.reason
    assert documents(sap) == []
    await sap.client.submit([order_outbound(order())])
    assert isinstance(await record(sap, early), Settled)


async def test_a_closed_period_and_a_cancelled_line_take_no_receipt(sap: Sap) -> None:
    sap.bench.arrange({"companies": [{"code": "1010", "open_from": "2026-12-01"}]})
    answer = await record(sap, receipt())
    assert isinstance(answer, Rejected)
    assert answer.code == "M7/053"
    await sap.client.submit([order_outbound(order(lines=(order_line(10), order_line(20))))])
    await sap.client.submit([order_outbound(order(version=2, lines=(order_line(10),)))])
    sap.bench.arrange({"companies": [{"code": "1010"}]})
    cancelled = receipt(line={"order_number": "PO-77", "order_line": 20, "unit": "EA"})
    answer = await record(sap, cancelled)
    assert isinstance(answer, Rejected)
    assert answer.code == "M7/070"


async def test_a_receipt_of_an_order_published_by_us_meets_saps_own_number(sap: Sap) -> None:
    await sap.client.submit([order_outbound(order())])
    line = {"order_number": "PO-77", "order_line": 10, "unit": "EA"}
    assert isinstance(await record(sap, receipt(line=line)), Settled)
    assert documents(sap)[0]["to_MaterialDocumentItem"][0]["PurchaseOrder"] == "4500000001"


async def test_an_invoice_is_verified_against_the_receipt_that_was_recorded(sap: Sap) -> None:
    await record(sap, receipt(quantity="10"))
    named = posting_line(
        order_line=20,
        amount=Amount("50.00"),
        unit="H87",
        receipt_number="5000001001",
        receipt_year="2026",
        receipt_line=1,
    )
    value = posting(gross=Amount("59.50"), net=Amount("50.00"), tax=Amount("9.50"), lines=(named,))
    (answer,) = await sap.client.submit([outbound(value)])
    assert isinstance(answer, Settled)
    assert sap.ledger()[0]["payment_block"] == ""
    assert sap.ledger()[0]["lines"][0]["receipt"] == "5000001001/2026/1"


async def test_what_was_recorded_is_read_back_in_our_words(sap: Sap) -> None:
    await record(sap, receipt())
    found = await sap.client.fetch("receipt", "5000001001/2026")
    assert found is not None
    read = read_receipt(Raw(found.content, "application/json"))
    assert isinstance(read, ReadResult)
    assert isinstance(read.value, Receipt)
    assert (read.value.kind, read.value.delivery_note, read.value.notes) == ("receipt", "LS-1", ("WE-1",))
    assert read.value.lines[0].quantity == Quantity("10")


async def test_an_invoice_of_an_order_published_by_us_is_posted_against_saps_own_number(sap: Sap) -> None:
    await sap.client.submit([order_outbound(order())])
    line = {"order_number": "PO-77", "order_line": 10, "unit": "EA"}
    await record(sap, receipt(line=line))
    (answer,) = await sap.client.submit([outbound(posting(lines=(posting_line(order_number="PO-77"),)))])
    assert isinstance(answer, Settled)
    assert sap.ledger()[0]["lines"][0]["order"] == "4500000001"
    assert sap.ledger()[0]["payment_block"] == ""
    (other,) = await sap.client.submit([outbound(posting("RW-2"))])  # an order that SAP itself made
    assert isinstance(other, Settled)
