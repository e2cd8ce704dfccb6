"""Orders of procurement stand in SAP once, in their newest version, whatever happens on the way."""

from __future__ import annotations

import asyncio
import random
from datetime import date
from typing import Any

import msgspec
import pytest

from connectors.sap_s4hana.sap_bench import Sap
from tripartite.connectors.sap_s4hana.transform import write_order
from tripartite.connectors.sap_s4hana.transform.ordering import version_of, version_text
from tripartite.connectors.simulating import Fault
from tripartite.core.codec import encode
from tripartite.core.money import Amount, Price, Rate
from tripartite.core.objects import Order, OrderCharge, OrderLine
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import Absent, Answer, Outbound, Rejected, RetryLater, Settled, Unknown, Unwritable

MASTERS = {
    "material_groups": ["L001"],
    "cost_centres": [
        {"number": "10101301", "company": "1010"},
        {"number": "10101302", "company": "1010"},
        {"number": "10109999", "company": "1010", "blocked": True},
    ],
}
SETTINGS = {"order_numbers": "internal", "purchasing_organization": "1010", "purchasing_group": "001"}


def system(**further: str) -> Sap:
    sap = Sap(**{**SETTINGS, "material_group": "L001", **further})
    sap.bench.arrange(MASTERS)
    return sap


@pytest.fixture
def sap() -> Sap:
    return system()


def line(number: int = 10, **changes: Any) -> OrderLine:
    values: dict[str, Any] = {
        "line": number,
        "description": "Laptop stand",
        "quantity": Quantity("10"),
        "unit": "EA",
        "price": Price("100"),
        "tax_codes": ("V1",),
        "cost_centre": "10101301",
        "account": "61010000",
        **changes,
    }
    return OrderLine(**values)


def order(number: str = "PO-77", version: int = 1, **changes: Any) -> Order:
    values: dict[str, Any] = {
        "number": number,
        "version": version,
        "currency": "EUR",
        "company_code": "1010",
        "supplier_number": "10300080",
        "issued_on": date(2026, 11, 2),
        "lines": (line(),),
        **changes,
    }
    return Order(**values)


def outbound(value: Order) -> Outbound:
    return Outbound(f"dlv_{value.number}_{value.version}", "publish_order", value.company_code, encode(value))


async def publish(sap: Sap, value: Order) -> Answer:
    (answer,) = await sap.client.submit([outbound(value)])
    return answer


def ours(sap: Sap, number: str = "PO-77") -> list[dict[str, Any]]:
    return [row for row in sap.bench.truth()["orders"] if row["CorrespncExternalReference"] == number]


def items(row: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {
        item["PurchaseOrderItem"]: (
            item["OrderQuantity"],
            item["NetPriceAmount"],
            item["PurchasingDocumentDeletionCode"],
        )
        for item in row["to_PurchaseOrderItem"]
    }


# Creating


async def test_an_order_is_created_under_saps_number_and_keeps_ours_to_be_found_by(sap: Sap) -> None:
    assert await publish(sap, order()) == Settled("4500000001", "")
    (row,) = ours(sap)
    assert (row["CompanyCode"], row["Supplier"], row["DocumentCurrency"]) == ("1010", "10300080", "EUR")
    assert row["CorrespncInternalReference"] == version_text(1)
    (item,) = row["to_PurchaseOrderItem"]
    assert (item["Plant"], item["MaterialGroup"], item["TaxCode"]) == ("1010", "L001", "V1")
    assert item["to_AccountAssignment"][0]["CostCenter"] == "10101301"
    assert item["to_AccountAssignment"][0]["GLAccount"] == "61010000"


async def test_a_document_type_with_outside_numbers_takes_ours() -> None:
    sap = Sap({"order_numbers": "external"}, **{**SETTINGS, "order_numbers": "external", "material_group": "L001"})
    sap.bench.arrange(MASTERS)
    assert await publish(sap, order("4700000012")) == Settled("4700000012", "")
    refused = await publish(sap, order("PO-0000000-77"))
    assert isinstance(refused, Rejected)
    assert refused.code == "posting.unwritable"


async def test_a_hundred_orders_go_in_one_batch_and_a_bad_one_takes_no_other_with_it(sap: Sap) -> None:
    values = [order(f"PO-{place}") for place in range(30)]
    values[7] = order("PO-7", supplier_number="99999999")
    answers = await sap.client.submit([outbound(value) for value in values])
    assert [place for place, answer in enumerate(answers) if not isinstance(answer, Settled)] == [7]
    assert answers[7] == Rejected("06/025", "Supplier 0099999999 has not been created")
    assert sap.http.calls.count("publish_orders") == 1
    assert [len(ours(sap, f"PO-{place}")) for place in range(30)] == [place != 7 for place in range(30)]


async def test_an_order_that_stands_there_already_is_found_and_not_doubled(sap: Sap) -> None:
    known = {"number": "4500007700", "company": "1010", "supplier": "10300080"}
    sap.bench.arrange({"orders": [{**known, "items": [{"item": 10, "quantity": "10", "price": "100.00"}]}]})
    assert await publish(sap, order("4500007700")) == Settled("4500007700", "stood there already")
    answer = await publish(sap, order("4500007700", 2, lines=(line(quantity=Quantity("12")),)))
    assert isinstance(answer, Rejected)
    assert answer.code == "posting.probe_conflict"
    assert ours(sap, "4500007700") == []


async def test_an_order_of_another_supplier_under_our_number_is_a_conflict(sap: Sap) -> None:
    known = {"number": "4500007700", "company": "1010", "supplier": "LIEF-7"}
    sap.bench.arrange({"orders": [{**known, "items": [{"item": 10, "quantity": "10", "price": "100.00"}]}]})
    answer = await publish(sap, order("4500007700"))
    assert isinstance(answer, Rejected)
    assert answer.code == "posting.probe_conflict"
    assert "supplier LIEF-7 there" in answer.detail


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"supplier_number": "10399999"}, "06/025"),
        ({"lines": (line(cost_centre="10109998"),)}, "KI/265"),
        ({"lines": (line(cost_centre="10109999"),)}, "KI/180"),
        ({"lines": (line(tax_codes=("X9",)),)}, "FF/713"),
        ({"lines": (line(cost_centre="", account=""),)}, "ME/040"),
        ({"company_code": "3010"}, "posting.unwritable"),
        ({"company_code": "2010", "currency": "JPY"}, "KI/265"),
        ({"lines": (line(match="service"),)}, "posting.unwritable"),
        ({"lines": (line(price=Price("0.0000001")),)}, "posting.unwritable"),
        ({"charges": (OrderCharge("freight", Amount("5")),)}, "posting.unwritable"),
        ({"prices_include_tax": True}, "posting.unwritable"),
        ({"status": "cancelled"}, "posting.unwritable"),
    ],
)
async def test_what_sap_or_the_writer_refuses_comes_back_with_its_reason(
    sap: Sap, changes: dict[str, Any], code: str
) -> None:
    answer = await publish(sap, order(**changes))
    assert isinstance(answer, Rejected)
    assert answer.code == code
    assert ours(sap) == []


async def test_an_unknown_material_group_is_saps_word_and_a_missing_setting_is_ours() -> None:
    assert await publish(system(material_group="NONE"), order()) == Rejected(
        "ME/303", "Material group NONE does not exist"
    )
    answer = await publish(system(purchasing_group=""), order())
    assert isinstance(answer, Rejected)
    assert "purchasing_group names none for 1010" in answer.detail


# Changing


async def test_a_new_version_changes_quantity_and_price_cancels_a_line_and_adds_one(sap: Sap) -> None:
    await publish(sap, order(lines=(line(10), line(20), line(30))))
    changed = order(
        version=2,
        lines=(
            line(10, quantity=Quantity("12"), price=Price("99.50")),
            line(20, status="cancelled"),
            line(40, quantity=Quantity("3"), cost_centre="10101302"),
        ),
    )
    assert await publish(sap, changed) == Settled("4500000001", "changed")
    (row,) = ours(sap)
    assert items(row) == {
        "10": ("12", "99.50", ""),
        "20": ("10", "100.00", "L"),
        "30": ("10", "100.00", "L"),  # the new version has it no more
        "40": ("3", "100.00", ""),
    }
    assert version_of(row["CorrespncInternalReference"]) == 2
    assert sap.http.calls.count("change_order") == 1


async def test_a_cancelled_order_loses_all_its_lines_and_one_reopened_gets_them_back(sap: Sap) -> None:
    await publish(sap, order())
    await publish(sap, order(version=2, status="cancelled"))
    assert items(ours(sap)[0])["10"][2] == "L"
    await publish(sap, order(version=3))
    assert items(ours(sap)[0])["10"] == ("10", "100.00", "")


async def test_another_cost_centre_is_written_to_the_account_assignment(sap: Sap) -> None:
    await publish(sap, order())
    await publish(sap, order(version=2, lines=(line(cost_centre="10101302"),)))
    assert ours(sap)[0]["to_PurchaseOrderItem"][0]["to_AccountAssignment"][0]["CostCenter"] == "10101302"


async def test_the_same_version_again_writes_nothing(sap: Sap) -> None:
    await publish(sap, order())
    before = len(sap.http.calls)
    assert await publish(sap, order()) == Settled("4500000001", "")
    assert sap.http.calls[before:] == ["find_orders"]


async def test_an_older_version_replayed_never_undoes_a_newer_one(sap: Sap) -> None:
    await publish(sap, order())
    await publish(sap, order(version=3, lines=(line(quantity=Quantity("15")),)))
    assert await publish(sap, order(version=2, lines=(line(quantity=Quantity("5")),))) == Settled(
        "4500000001", "a newer version stands there"
    )
    assert items(ours(sap)[0])["10"][0] == "15"


async def test_a_line_with_more_received_than_is_wanted_now_is_refused_and_nothing_of_the_change_stays(
    sap: Sap,
) -> None:
    await publish(sap, order(lines=(line(10), line(20))))
    number = ours(sap)[0]["PurchaseOrder"]
    sap.bench.arrange(
        {"receipts": [{"number": "5000000900", "items": [{"order": number, "order_item": 20, "quantity": "8"}]}]}
    )
    fewer = (line(10, quantity=Quantity("9")), line(20, quantity=Quantity("5")))
    answer = await publish(sap, order(version=2, lines=fewer))
    assert isinstance(answer, Rejected)
    assert answer.code == "06/116"
    assert items(ours(sap)[0])["10"][0] == "10"


async def test_two_versions_in_one_call_end_in_the_newer(sap: Sap) -> None:
    first, second = outbound(order()), outbound(order(version=2, lines=(line(quantity=Quantity("11")),)))
    answers = await sap.client.submit([first, second])
    assert isinstance(answers[0], Settled)
    assert isinstance(answers[1], RetryLater)
    assert await sap.client.submit([second]) == [Settled("4500000001", "changed")]
    assert len(ours(sap)) == 1


async def test_a_change_under_an_old_etag_is_read_again(sap: Sap) -> None:
    await publish(sap, order())
    ordering = sap.client._writers["publish_order"]
    read = ordering._standing  # type: ignore[attr-defined]

    async def stale(bodies: Any) -> Any:
        found = await read(bodies)
        await publish(sap, order(version=2, lines=(line(quantity=Quantity("11")),)))
        ordering._standing = read  # type: ignore[attr-defined]
        return found

    other = sap.connect(**SETTINGS, material_group="L001")
    other._writers["publish_order"]._standing = stale  # type: ignore[attr-defined]
    (answer,) = await other.submit([outbound(order(version=3, lines=(line(quantity=Quantity("13")),)))])
    assert isinstance(answer, RetryLater)
    assert items(ours(sap)[0])["10"][0] == "11"


# When answers get lost


@pytest.mark.parametrize("fault", ["commit_then_5xx", "commit_then_hang", "commit_then_cut"])
@pytest.mark.parametrize("version", [1, 2])
async def test_an_order_or_change_whose_answer_was_lost_is_found(sap: Sap, fault: str, version: int) -> None:
    if version == 2:
        await publish(sap, order())
    wanted = order(version=version, lines=(line(quantity=Quantity("11")),))
    sap.fault("publish_order", fault)
    assert isinstance(await publish(sap, wanted), Unknown)
    found = await sap.client.probe(outbound(wanted))
    assert isinstance(found, Settled)
    assert found.remote_ref == "4500000001"
    assert len(ours(sap)) == 1


async def test_a_late_create_is_absent_first_and_found_later_and_never_made_twice(sap: Sap) -> None:
    released = asyncio.Event()

    async def wait(seconds: float) -> None:
        await released.wait()

    sap.bench.sleep = wait
    sap.fault("publish_order", "late_commit", delay=120)
    assert isinstance(await publish(sap, order()), Unknown)
    assert isinstance(await sap.client.probe(outbound(order())), Absent)
    released.set()
    await asyncio.sleep(0.01)
    assert isinstance(await sap.client.probe(outbound(order())), Settled)
    assert isinstance(await publish(sap, order()), Settled)
    assert len(ours(sap)) == 1


async def test_a_change_that_is_not_there_yet_is_absent_and_a_doubled_order_is_named(sap: Sap) -> None:
    sap.fault("publish_order", "lie_twice")
    await publish(sap, order())
    again = await sap.client.probe(outbound(order()))
    assert again == Settled("4500000001", "also stands as 4500000002")
    assert isinstance(await sap.client.probe(outbound(order(version=2))), Absent)


async def test_without_knowing_how_the_orders_stand_nothing_is_written(sap: Sap) -> None:
    sap.fault("read", "reply.5xx")
    assert isinstance(await publish(sap, order()), RetryLater)
    assert sap.bench.calls["publish_order"] == 0


async def test_a_lock_is_tried_again_and_a_busy_system_says_when(sap: Sap) -> None:
    sap.fault("publish_order", "lock")
    assert isinstance(await publish(sap, order()), RetryLater)
    sap.fault("publish_order", "reply.429", retry_after=17.0)
    assert await publish(sap, order()) == RetryLater("too many requests (429)", 17.0)
    assert ours(sap) == []


KINDS = ("reply.429", "reply.5xx", "lie_html", "hang", "lock", "csrf", "commit_then_hang", "commit_then_cut")
BATCH = ("batch.reorder", "batch.omit", "batch.echo", "commit_then_cut", "reply.5xx")


@pytest.mark.parametrize("seed", range(20))
async def test_every_order_stands_once_in_its_newest_version_under_any_faults(seed: int) -> None:
    dice = random.Random(seed)
    sap = system()

    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    sap.bench.sleep = at_once
    newest = {f"S{place}": 3 for place in range(12)}
    owed = [order(name, v, lines=(line(quantity=Quantity(10 + v)),)) for name in newest for v in (1, 2, 3)]
    state: dict[str, str] = {outbound(value).key: "waiting" for value in owed}
    by_key = {outbound(value).key: outbound(value) for value in owed}
    for _ in range(120):
        faults = [Fault("publish_order", dice.choice(KINDS)) for _ in range(dice.randint(0, 2))]
        faults += [Fault("batch", dice.choice(BATCH)) for _ in range(dice.randint(0, 1))]
        sap.bench.faults = [*faults, *([Fault("publish_order", "late_commit")] if dice.random() < 0.2 else [])]
        # As the deliveries do: an earlier version of the same order is at rest before the next goes.
        ready = [
            key
            for key, word in state.items()
            if word == "waiting" and all(state[f"{key[:-1]}{v}"] == "done" for v in range(1, int(key[-1])))
        ]
        chunk = dice.sample(ready, min(len(ready), dice.choice((1, 3, 12))))
        for key, answer in zip(chunk, await sap.client.submit([by_key[key] for key in chunk]), strict=True):
            assert not isinstance(answer, Rejected), answer
            state[key] = {Settled: "done", Unknown: "unknown"}.get(type(answer), "waiting")
        for _ in range(5):
            await asyncio.sleep(0)
        sap.bench.faults = []
        for key in [key for key, word in state.items() if word == "unknown"]:
            found = await sap.client.probe(by_key[key])
            assert not isinstance(found, Rejected), found
            state[key] = {Settled: "done", Absent: "waiting"}.get(type(found), "unknown")
        if set(state.values()) == {"done"}:
            break
    assert set(state.values()) == {"done"}
    for name in newest:
        (row,) = ours(sap, name)
        assert items(row)["10"][0] == "13"


# Words


def test_a_price_finer_than_a_cent_is_said_for_more_units() -> None:
    def priced(**changes: Any) -> tuple[Any, Any]:
        (item,) = write_order(encode(order(lines=(line(**changes),)))).to_PurchaseOrderItem or ()
        return item.NetPriceAmount, item.NetPriceQuantity

    assert priced(price=Price("0.0345")) == ("3.45", "100")
    assert priced(price=Price("4"), price_per=1000) == ("4.00", "1000")
    assert priced(price=Price("100"), discount_percent=Rate("2.5")) == ("97.50", "1")


def test_units_are_said_in_saps_own_words() -> None:
    def said(unit: str) -> Any:
        (item,) = write_order(encode(order(lines=(line(unit=unit),)))).to_PurchaseOrderItem or ()
        return item.PurchaseOrderQuantityUnit

    assert [said(unit) for unit in ("EA", "H87", "KGM", "HUR", "BX")] == ["EA", "PC", "KG", "H", "BX"]


def test_limits_tolerances_and_matching_stand_in_their_fields() -> None:
    limit = line(match="limit", quantity=None, price=None, limit=Amount("5000"), over_percent="unlimited")
    receipt_based = line(20, basis="receipt", over_percent="10", under_percent="2.5", due_on=date(2026, 12, 1))
    first, second = write_order(encode(order(lines=(limit, receipt_based)))).to_PurchaseOrderItem or ()
    assert (first.PurchaseOrderItemCategory, first.OverallLimitAmount) == ("A", "5000.00")
    assert first.UnlimitedOverdeliveryIsAllowed is True
    assert (second.InvoiceIsGoodsReceiptBased, second.OverdelivTolrtdLmtRatioInPct) == (True, "10.0")
    assert second.UnderdelivTolrtdLmtRatioInPct == "2.5"
    assert msgspec.to_builtins(second.to_ScheduleLine) == [
        {"ScheduleLine": "1", "ScheduleLineDeliveryDate": "/Date(1796083200000)/"}
    ]


@pytest.mark.parametrize("version", [0, 1, 35, 36, 1_795_000_000_000, 2**61])
def test_a_version_goes_to_twelve_characters_and_back(version: int) -> None:
    assert len(version_text(version)) <= 12 + (version > 2**60)
    assert version_of(version_text(version)) == version


@pytest.mark.parametrize("text", ["", None, "not ours!", "²"])
def test_what_is_no_version_of_ours_is_none(text: str | None) -> None:
    assert version_of(text) is None


def test_a_number_that_does_not_fit_is_refused_and_not_cut() -> None:
    with pytest.raises(Unwritable) as refusal:
        write_order(encode(order("PO-2026-000000017")))
    assert refusal.value.pointer == "/number"
