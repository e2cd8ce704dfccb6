"""Receipts that came elsewhere are recorded in Coupa: each line once, whatever became of the answer."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import msgspec
import pytest

from connectors.coupa.support import Answer, World, norddal
from tripartite.connectors.coupa.manifest import MANIFEST
from tripartite.connectors.coupa.transform import READERS, write_receipt
from tripartite.connectors.coupa.transform.marks import origin_of, stem_of, version_of
from tripartite.core.codec import encode
from tripartite.core.objects import Receipt, ReceiptLine
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import (
    Absent,
    HttpFailure,
    Outbound,
    Raw,
    ReadResult,
    Rejected,
    RetryLater,
    Settled,
    Unknown,
    Unwritable,
)

JSON = {"content-type": "application/json"}


def receipt(number: str = "GR-1", quantity: str = "6", **more: Any) -> Receipt:
    line = ReceiptLine(
        order_number=more.pop("order", "PO-0001"),
        order_line=more.pop("order_line", 1),
        quantity=Quantity(quantity),
        unit=more.pop("unit", "EA"),
        takes_from=more.pop("takes_from", ""),
    )
    known: dict[str, Any] = {"company_code": "DE01", "posted_on": date(2026, 11, 20), "delivery_note": "LS-7"}
    return Receipt(number=number, lines=(line,), **{**known, **more})


def owed(value: Receipt) -> Outbound:
    return Outbound(f"dlv_{value.number}_{value.version}", "record_receipt", value.company_code, encode(value))


async def send(world: World, value: Receipt) -> Any:
    (answer,) = await world.client.submit([owed(value)])
    return answer


def line_one(world: World) -> dict[str, str]:
    found: dict[str, str] = world.bench.truth()["orders"]["PO-0001"]["lines"]["1"]
    return found


def receipts(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.bench.truth()["receipts"]
    return found


async def test_a_receipt_of_the_warehouse_is_recorded_with_its_mark_and_counts_on_the_order() -> None:
    world = World()
    norddal(world)
    answer = await send(world, receipt())
    assert isinstance(answer, Settled)
    made = receipts(world)[answer.remote_ref]
    assert (made["type"], made["quantity"], made["barcode"]) == (
        "ReceivingQuantityConsumption",
        "6",
        "tripartite:DE01/GR-1/1/1",
    )
    assert line_one(world)["received"] == "6"


async def test_what_coupa_shows_of_it_names_our_own_receipt_so_that_it_is_not_counted_twice() -> None:
    world = World()
    norddal(world)
    await send(world, receipt())
    world.arrange(receipts=[{"order": "PO-0001", "line": 1, "quantity": "2"}])
    items, _ = await world.pull_all("receipt")
    read = [READERS["receipt"](Raw(item.content, item.media_type, "coupa")) for item in items]
    assert all(isinstance(each, ReadResult) for each in read)
    assert [each.value.origin for each in read] == ["GR-1", ""]  # type: ignore[union-attr]


async def test_each_line_of_a_receipt_is_a_transaction_of_its_own() -> None:
    world = World()
    norddal(world, 2)
    whole = receipt()
    second = msgspec.structs.replace(whole.lines[0], order_number="PO-0002", line=2, quantity=Quantity("3"))
    answer = await send(world, msgspec.structs.replace(whole, lines=(whole.lines[0], second)))
    assert isinstance(answer, Settled)
    first, other = answer.remote_ref.split(",")
    assert (receipts(world)[first]["order"], receipts(world)[other]["order"]) == ("PO-0001", "PO-0002")


async def test_an_amount_line_is_received_by_value() -> None:
    world = World()
    norddal(world)
    world.arrange(orders=[{"number": "PO-0001", "lines": [{"line": 2, "amount": "500.00"}]}])
    answer = await send(world, receipt(quantity="200.00", order_line=2, kind="service_entry", unit=""))
    made = receipts(world)[answer.remote_ref]
    assert (made["type"], made["total"], made["quantity"]) == ("ReceivingAmountConsumption", "200.00", None)


async def test_a_whole_reversal_is_a_void_and_a_part_is_a_return() -> None:
    world = World()
    norddal(world)
    there = (await send(world, receipt())).remote_ref
    part = await send(world, receipt("GR-1P", "2", kind="reversal", takes_from=there))
    assert receipts(world)[part.remote_ref]["type"] == "ReceivingQuantityReturnToSupplier"
    assert line_one(world)["received"] == "4"
    whole = await send(world, receipt("GR-1R", "6.0", kind="reversal", takes_from=there))
    assert receipts(world)[whole.remote_ref]["type"] == "VoidReceivingQuantityConsumption"
    again = await send(world, receipt("GR-1R", "6", kind="reversal", takes_from=there))
    assert again == whole, "what is void is not voided twice"


async def test_a_return_is_recorded_as_a_return() -> None:
    world = World()
    norddal(world)
    await send(world, receipt())
    answer = await send(world, receipt("RT-1", "1", kind="return"))
    assert receipts(world)[answer.remote_ref]["type"] == "ReceivingQuantityReturnToSupplier"
    assert line_one(world)["received"] == "5"


async def test_a_corrected_receipt_voids_its_earlier_version_and_stands_alone() -> None:
    world = World()
    norddal(world)
    first = await send(world, receipt())
    answer = await send(world, receipt(quantity="4", version=2))
    assert isinstance(answer, Settled)
    there, void = answer.remote_ref.split(";")
    assert receipts(world)[void]["original"] == int(first.remote_ref)
    assert line_one(world)["received"] == "4"
    assert await world.client.probe(owed(receipt(quantity="4", version=2))) == Settled(f"{there};{void}")
    late = await send(world, receipt())
    assert late.remote_ref == first.remote_ref, "the earlier version is known, and is not written again"
    assert line_one(world)["received"] == "4"


@pytest.mark.parametrize("fault", ["commit_then_hang", "commit_then_cut", "commit_then_5xx"])
@pytest.mark.parametrize("kind", ["receipt", "reversal"])
async def test_an_answer_lost_after_the_commit_is_found_by_the_probe_and_never_written_twice(
    fault: str, kind: str
) -> None:
    world = World()
    norddal(world)
    value = receipt()
    if kind == "reversal":
        there = (await send(world, value)).remote_ref
        value = receipt("GR-1R", kind="reversal", takes_from=there)
    world.fault("receipt.(create|void)", fault)
    assert isinstance(await send(world, value), Unknown)
    before = len(receipts(world))
    found = await world.client.probe(owed(value))
    assert isinstance(found, Settled)
    assert await send(world, value) == found
    assert len(receipts(world)) == before


@pytest.mark.parametrize("fault", ["hang", "reply.5xx", "lie_html", "lie_dropped"])
async def test_what_never_happened_is_absent_and_may_be_sent_again(fault: str) -> None:
    world = World()
    norddal(world)
    world.fault("receipt.create", fault)
    answer = await send(world, receipt())
    assert isinstance(answer, Unknown | Settled)
    assert isinstance(await world.client.probe(owed(receipt())), Absent)
    assert isinstance(await send(world, receipt()), Settled)
    assert len(receipts(world)) == 1


async def test_a_receipt_half_recorded_is_taken_up_where_it_stopped() -> None:
    world = World()
    norddal(world, 2)
    whole = receipt()
    second = msgspec.structs.replace(whole.lines[0], order_number="PO-0002", line=2)
    value = msgspec.structs.replace(whole, lines=(whole.lines[0], second))
    world.bench.faults.clear()
    world.fault("receipt.create", "reply.429", times=1, rate=1.0)
    assert isinstance(await send(world, value), RetryLater)
    (first,) = await world.client.submit([owed(whole)])
    assert isinstance(first, Settled)
    assert isinstance(await world.client.probe(owed(value)), Absent)
    answer = await send(world, value)
    assert isinstance(answer, Settled)
    assert len(receipts(world)) == 2


async def test_a_late_commit_is_found_within_the_declared_latency() -> None:
    world = World()
    norddal(world)
    world.fault("receipt.create", "late_commit", delay=MANIFEST.max_commit_latency_seconds)
    assert isinstance(await send(world, receipt()), Unknown)
    await asyncio.gather(*world.bench._later)
    found = await world.client.probe(owed(receipt()))
    assert isinstance(found, Settled)
    assert await send(world, receipt()) == found
    assert len(receipts(world)) == 1


async def test_a_write_that_readers_do_not_see_yet_is_absent_only_within_the_declared_lag() -> None:
    world = World()
    norddal(world)
    world.fault("receipt.create", "lag", delay=MANIFEST.read_lag_seconds)
    await send(world, receipt())
    assert isinstance(await world.client.probe(owed(receipt())), Absent)
    world.clock.seconds += MANIFEST.read_lag_seconds
    assert isinstance(await world.client.probe(owed(receipt())), Settled)


@pytest.mark.parametrize("after", [3.0, None])
async def test_a_throttled_receipt_is_surely_not_recorded(after: float | None) -> None:
    world = World()
    norddal(world)
    world.fault("receipt.create", "reply.429", retry_after=after)
    assert await send(world, receipt()) == RetryLater("rate limit", after)
    assert receipts(world) == {}


async def test_a_refusal_is_told_in_coupas_words_and_says_what_stands_already() -> None:
    world = World()
    norddal(world)
    whole = receipt()
    nowhere = msgspec.structs.replace(whole.lines[0], order_number="PO-9999", line=2)
    answer = await send(world, msgspec.structs.replace(whole, lines=(whole.lines[0], nowhere)))
    assert isinstance(answer, Rejected)
    assert answer.code == "order_unknown"
    assert f"recorded before that: {next(iter(receipts(world)))}" in answer.detail
    assert await send(world, receipt("GR-2", order_line=7)) == Rejected(
        "line_unknown", "order PO-0001 has no line 7 in Coupa"
    )
    gone = await send(world, receipt("GR-3", kind="reversal", takes_from="77"))
    assert isinstance(gone, Rejected)
    assert gone.code == "receipt_unknown"


async def test_a_refused_post_is_final() -> None:
    world = World()
    norddal(world)
    await send(world, receipt("GR-0"))
    real = world.http.request
    complaint = Answer(400, JSON, b'{"errors":{"quantity":["is too large"]}}')

    async def request(method: str, url: str, **further: Any) -> Any:
        return complaint if method == "POST" and "receiving" in url else await real(method, url, **further)

    world.http.request = request  # type: ignore[method-assign]
    assert await send(world, receipt()) == Rejected("http_400", "quantity is too large")


async def test_a_refused_connection_and_a_missing_token_mean_later() -> None:
    world = World()
    norddal(world)
    world.http.instead = [HttpFailure("connection refused", sent=False)]
    assert isinstance(await send(world, receipt()), RetryLater)
    world.fault("order.list", "reply.5xx")
    assert isinstance(await world.client.probe(owed(receipt())), RetryLater)


def test_what_coupa_has_no_place_for_is_refused_before_any_call() -> None:
    for value, code in (
        (receipt(kind="withdrawal"), "intake.type_not_supported"),
        (receipt(kind="reversal"), "integration.mapping_missing"),
        (receipt(order_line=0), "integration.mapping_missing"),
        (receipt(number="N" * 300), "intake.value_out_of_range"),
    ):
        with pytest.raises(Unwritable) as refused:
            write_receipt(encode(value))
        assert refused.value.reason_code == code


async def test_what_cannot_be_written_is_rejected_and_its_neighbours_go() -> None:
    world = World()
    norddal(world)
    answers = await world.client.submit([owed(receipt(kind="withdrawal")), owed(receipt("GR-2"))])
    assert isinstance(answers[0], Rejected)
    assert isinstance(answers[1], Settled)


def test_a_mark_leads_back_to_our_number_whatever_it_holds() -> None:
    stem = stem_of("DE01", "GR/2026/17", 3)
    assert origin_of(f"{stem}/12") == "GR/2026/17"
    assert version_of(f"{stem}/12", stem) == 12
    for strange in (None, "", "4006381333931", "tripartite:DE01/GR", f"{stem}/x"):
        assert origin_of(strange) == ""
        assert version_of(strange, stem) is None
