"""Orders, receipts and suppliers come out of SAP complete, once they have changed, and in our words."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from connectors.sap_s4hana.sap_bench import WORLD, Sap, outbound, posting
from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.client import feeds
from tripartite.connectors.sap_s4hana.transform import READERS
from tripartite.core.money import Amount, Price
from tripartite.core.objects import BankAccount, Order, OrderCharge, Receipt, ReceiptLine, Supplier
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import HttpFailure, ObjectKind, Pulled, Raw, ReadResult, Unreadable


async def everything(sap: Sap, stream: ObjectKind, cursor: str = "", limit: int = 3) -> tuple[list[Pulled], str]:
    items: list[Pulled] = []
    for _ in range(200):
        page = await sap.client.pull(stream, cursor, limit)
        items += page.items
        cursor = page.cursor
        if not page.more:
            return items, cursor
    raise AssertionError("the stream does not end")


def read(pulled: Pulled) -> Any:
    result = READERS[pulled.kind](Raw(pulled.content, pulled.media_type))
    assert isinstance(result, ReadResult), result
    return result.value


def orders(count: int, **changes: Any) -> dict[str, Any]:
    items = [{"item": 10, "quantity": "1", "price": "1.00"}]
    return {
        "orders": [
            {"number": str(4500002000 + n), "company": "1010", "supplier": "10300080", "items": items, **changes}
            for n in range(count)
        ]
    }


async def test_an_order_is_read_with_its_lines_and_how_they_match(sap: Sap) -> None:
    found, _ = await everything(sap, "order")
    order = read(found[0])
    assert isinstance(order, Order)
    assert order.number == "4500001234"
    assert (order.company_code, order.supplier_number, order.currency) == ("1010", "10300080", "EUR")
    assert order.issued_on == date(2026, 1, 2)
    assert order.supplier is not None
    assert order.supplier.name == "Rowan Ltd"
    first, second = order.lines
    assert (first.line, first.quantity, first.price, first.price_per) == (10, Quantity("1000"), Price("100.00"), 1)
    assert (first.match, first.basis, first.unit, first.tax_codes) == ("two_way", "order", "EA", ("V1",))
    assert (second.match, second.basis, second.unit) == ("three_way", "receipt", "H87")


async def test_a_stream_brings_every_order_once_and_then_only_the_overlap(sap: Sap) -> None:
    sap.bench.arrange(orders(10))
    found, cursor = await everything(sap, "order")
    assert sorted(item.key for item in found) == sorted(
        ["4500001234", "4500001235", *(str(4500002000 + n) for n in range(10))]
    )
    sap.clock += 3600
    again, cursor = await everything(sap, "order", cursor)
    assert {(item.key, item.version) for item in again} <= {(item.key, item.version) for item in found}
    sap.bench.arrange(orders(1, status="08"))
    news, cursor = await everything(sap, "order", cursor)
    fresh = [item for item in news if (item.key, item.version) not in {(i.key, i.version) for i in found}]
    assert [item.key for item in fresh] == ["4500002000"]
    assert read(fresh[0]).status == "cancelled"
    assert read(fresh[0]).version > read(next(item for item in found if item.key == "4500002000")).version


async def test_orders_that_change_during_the_poll_shift_no_other_out_of_it(sap: Sap) -> None:
    for place in range(9):
        sap.clock += 1
        sap.bench.arrange({"orders": [orders(9)["orders"][place]]})
    seen: set[str] = set()
    cursor, more = "", True
    while more:
        page = await sap.client.pull("order", cursor, 3)
        seen |= {item.key for item in page.items}
        cursor, more = page.cursor, page.more
        if len(seen) == 3:  # what was just read moves to the end: with $skip the next page would lose three
            sap.clock += 1
            sap.bench.arrange({"orders": orders(9)["orders"][:1]})
            sap.bench.arrange(WORLD)
    assert seen == {"4500001234", "4500001235", *(str(4500002000 + n) for n in range(9))}


async def test_a_late_commit_behind_the_last_stamp_is_met_by_the_overlap(sap: Sap) -> None:
    sap.clock += 1000
    sap.bench.arrange(orders(2))
    _, cursor = await everything(sap, "order")
    sap.bench.arrange(orders(3, changed="2026-11-20T08:14:00+00:00"))  # before the last one, visible after it
    found, _ = await everything(sap, "order", cursor)
    assert "4500002002" in {item.key for item in found}


async def test_a_server_that_gives_small_pages_loses_nothing() -> None:
    sap = Sap({"page_size": "2"})
    sap.bench.arrange(orders(7))
    found, _ = await everything(sap, "order", limit=5)
    assert len({item.key for item in found}) == 9


async def test_receipts_and_suppliers_are_streams_too(sap: Sap) -> None:
    receipts, _ = await everything(sap, "receipt")
    assert [item.key for item in receipts] == ["5000000891/2026"]
    assert read(receipts[0]) == Receipt(
        number="5000000891/2026",
        kind="receipt",
        posted_on=date(2026, 1, 5),
        delivery_note="LS-88121",
        receiver="RECEIVER",
        lines=(ReceiptLine("4500001234", 20, Quantity("40"), "H87", 1),),
    )
    suppliers, cursor = await everything(sap, "supplier", limit=1)
    assert [item.key for item in suppliers] == ["10300080", "LIEF-7"]
    rowan = read(suppliers[0])
    assert isinstance(rowan, Supplier)
    assert rowan.company_codes == ("1010", "2010")
    assert rowan.tax_id == "DE123456789"
    assert rowan.accounts == (BankAccount("DE02120300000000202051", "Rowan Ltd"),)
    assert read(suppliers[1]).company_codes == ("1010",)
    sap.clock += 3600
    again, _ = await everything(sap, "supplier", cursor, limit=1)
    assert {(item.key, item.version) for item in again} <= {(item.key, item.version) for item in suppliers}
    sap.bench.arrange({"suppliers": [{"number": "LIEF-7", "name": "Alphanumeric AG", "blocked": True}]})
    changed, _ = await everything(sap, "supplier", cursor, limit=1)
    news, *twins = [item for item in changed if item.version not in {old.version for old in suppliers}]
    assert {(twin.key, twin.version) for twin in twins} <= {(news.key, news.version)}
    assert (news.key, read(news).status) == ("LIEF-7", "blocked")
    assert read(news).version > read(suppliers[1]).version


async def test_one_document_is_fetched_by_its_key(sap: Sap) -> None:
    found = await sap.client.fetch("order", "4500001235")
    assert found is not None
    assert read(found).currency == "JPY"
    assert await sap.client.fetch("order", "4500009999") is None
    receipt = await sap.client.fetch("receipt", "5000000891/2026")
    assert receipt is not None
    assert read(receipt).number == "5000000891/2026"
    for number in ("10300080", "0010300080"):
        supplier = await sap.client.fetch("supplier", number)
        assert supplier is not None
        assert supplier.key == "10300080"
    assert await sap.client.fetch("supplier", "4711") is None


async def test_the_three_questions_are_answered(sap: Sap) -> None:
    (order,) = await sap.client.ask("order_by_number", {"number": "4500001234"})
    assert read(order).number == "4500001234"
    (receipt,) = await sap.client.ask("receipts_of_order", {"order_number": "4500001234"})
    assert receipt.key == "5000000891/2026"
    assert await sap.client.ask("receipts_of_order", {"order_number": "4500001235"}) == ()
    asked = {"company_code": "1010", "supplier_number": "10300080", "invoice_number": "rw-2026-00417"}
    assert await sap.client.ask("posting_of_invoice", asked) == ()
    await sap.client.submit([outbound(posting())])
    (posted,) = await sap.client.ask("posting_of_invoice", asked)
    assert posted.key == "5105600001/2026"
    assert msgspec.json.decode(posted.content)["InvoiceGrossAmount"] == "1190.00"


async def test_a_login_page_instead_of_a_page_of_orders_stops_the_stream(sap: Sap) -> None:
    sap.fault("read", "lie_html")
    with pytest.raises(HttpFailure, match="not OData"):
        await sap.client.pull("order", "", 10)
    sap.fault("read", "reply.5xx", status=503)
    with pytest.raises(HttpFailure, match="503"):
        await sap.client.pull("order", "", 10)


def test_the_cursor_of_another_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="another stream"):
        feeds.read_cursor(feeds.written(feeds.Cursor(high=(1, 2))), 1)


def test_orders_stamped_within_one_millisecond_do_not_stop_the_stream() -> None:
    # The database keeps more than the answer shows, so "later than this" brings the same page again.
    feed = feeds.FEEDS["order"][0]
    place = feeds.Position(1000, ("4500000002",))
    first = feeds.advance(feeds.Cursor(high=(0,)), [place], full=True)
    second = feeds.advance(first, [place], full=True)
    third = feeds.advance(second, [place], full=True)
    assert (first.skip, second.skip, third.skip) == (0, 1, 2)
    assert feeds.condition(feed, third, 300) == feeds.condition(feed, first, 300)
    assert feeds.advance(third, [feeds.Position(1001, ("1",))], full=True).skip == 0


# Readers alone

json_values = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.text(max_size=8)
    | some.sampled_from(["/Date(1)/", "1.5", "101"]),
    lambda inner: (
        some.lists(inner, max_size=2) | some.dictionaries(some.sampled_from(["results", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(some.data())
def test_no_document_however_odd_makes_a_reader_fail(data: some.DataObject) -> None:
    for kind, shape in (
        ("order", wire.A_PurchaseOrder),
        ("receipt", wire.A_MaterialDocumentHeader),
        ("supplier", wire.A_BusinessPartner),
    ):
        names = some.sampled_from(shape.__struct_fields__)
        content = msgspec.json.decode(entity())["d"] if kind == "order" else {}
        content |= data.draw(some.dictionaries(names, json_values, max_size=4))
        result = READERS[kind](Raw(msgspec.json.encode(content), "application/json"))
        assert isinstance(result, ReadResult | Unreadable)


def entity(**changes: Any) -> bytes:
    item = {
        "PurchaseOrderItem": "00010",
        "PurchaseOrderItemText": "Steel",
        "Material": "000000000000004711",
        "OrderQuantity": "10.000",
        "PurchaseOrderQuantityUnit": "PC",
        "OrderPriceUnit": "KG",
        "OrderPriceUnitToOrderUnitNmrtr": "2",
        "OrdPriceUnitToOrderUnitDnmntr": "5",
        "NetPriceAmount": "12.50",
        "NetPriceQuantity": "100",
        "OverdelivTolrtdLmtRatioInPct": "5.0",
        "GoodsReceiptIsExpected": True,
        "PurchaseOrderItemCategory": "0",
        **changes.pop("item", {}),
    }
    return msgspec.json.encode(
        {
            "d": {
                "PurchaseOrder": "4500000001",
                "CompanyCode": "1010",
                "PurchasingProcessingStatus": "02",
                "LastChangeDateTime": "/Date(1767348000123+0000)/",
                "Supplier": "0000100000",
                "DocumentCurrency": "EUR",
                "PurchaseOrderDate": "/Date(1767312000000)/",
                "to_PurchaseOrderItem": {"results": [item]},
                **changes,
            }
        }
    )


def order_of(content: bytes) -> Order:
    result = READERS["order"](Raw(content, "application/json"))
    assert isinstance(result, ReadResult), result
    assert isinstance(result.value, Order)
    return result.value


def test_numbers_lose_their_zeros_and_catch_weight_keeps_its_ratio() -> None:
    order = order_of(entity())
    line = order.lines[0]
    assert order.supplier_number == "100000"
    assert order.version == 1767348000123
    assert (line.line, line.item) == (10, "4711")
    assert (line.unit, line.price_unit, line.nominal) == ("H87", "KGM", Quantity("2.5"))
    assert (line.price, line.price_per, line.over_percent) == (Price("12.50"), 100, "5")


def test_the_invoicing_party_is_the_one_who_must_bill() -> None:
    result = READERS["order"](Raw(entity(InvoicingParty="0000200000"), "application/json"))
    assert isinstance(result, ReadResult)
    assert isinstance(result.value, Order)
    assert result.value.supplier_number == "200000"
    assert result.dropped == ("Supplier",)


@pytest.mark.parametrize(
    ("item", "match", "status"),
    [
        ({"GoodsReceiptIsExpected": False}, "two_way", "open"),
        ({"EvaldRcptSettlmtIsAllowed": True}, "ers", "open"),
        ({"PurchaseOrderItemCategory": "9"}, "service", "open"),
        ({"PurchaseOrderItemCategory": "A", "OverallLimitAmount": "500.00"}, "limit", "open"),
        ({"PurchaseOrderItemCategory": "2"}, "consignment", "open"),
        ({"IsFinallyInvoiced": True}, "three_way", "closed"),
        ({"PurchasingDocumentDeletionCode": "L"}, "three_way", "cancelled"),
        ({"IsReturnsItem": True}, "three_way", "closed"),
    ],
)
def test_what_sap_says_of_an_item_decides_how_it_matches(item: dict[str, Any], match: str, status: str) -> None:
    line = order_of(entity(item=item)).lines[0]
    assert (line.match, line.status) == (match, status)
    assert line.limit == (Amount("500.00") if match == "limit" else None)


def test_an_order_in_release_commits_nobody() -> None:
    assert order_of(entity(ReleaseIsNotCompleted=True)).status == "draft"
    assert order_of(entity(PurchasingProcessingStatus="03")).status == "draft"
    assert order_of(entity(PurchasingDocumentDeletionCode="L")).status == "cancelled"


def test_planned_delivery_costs_are_charges_of_their_line() -> None:
    pricing = [
        {"ConditionType": "FRB1", "ConditionCategory": "B", "ConditionAmount": "25.00"},
        {"ConditionType": "FRB1", "ConditionCategory": "B", "ConditionAmount": "9.00", "ConditionInactiveReason": "X"},
        {"ConditionType": "PB00", "ConditionCategory": "H", "ConditionAmount": "125.00"},
    ]
    order = order_of(entity(item={"to_PurchaseOrderPricingElement": {"results": pricing}}))
    assert order.charges == (OrderCharge("freight", Amount("25.00"), 10),)


@pytest.mark.parametrize(
    ("content", "code", "pointer"),
    [
        (entity(PurchasingProcessingStatus="77"), "intake.value_out_of_range", "/PurchasingProcessingStatus"),
        (entity(DocumentCurrency="EURO"), "intake.value_out_of_range", "/DocumentCurrency"),
        (entity(CompanyCode="10100"), "integration.schema_violated", "/CompanyCode"),
        (entity(item={"NetPriceAmount": 12.5}), "integration.schema_violated", ""),
        (entity(item={"NetPriceAmount": "1e5"}), "intake.amount_invalid", ""),
        (
            entity(to_PurchaseOrderItem={"__deferred": {"uri": "x"}}),
            "integration.schema_violated",
            "/to_PurchaseOrderItem",
        ),
        (b"<!DOCTYPE html><html></html>", "intake.malformed", ""),
        (b'{"d": {"PurchaseOrder": "1", "PurchaseOrder": "2"}}', "intake.duplicate_key", ""),
    ],
)
def test_what_is_not_an_order_as_documented_is_not_read(content: bytes, code: str, pointer: str) -> None:
    result = READERS["order"](Raw(content, "application/json"))
    assert isinstance(result, Unreadable)
    assert result.reason_code == code
    assert not pointer or result.pointer == pointer


def material_document(*items: dict[str, Any]) -> Raw:
    content = {
        "MaterialDocumentYear": "2026",
        "MaterialDocument": "5000000891",
        "PostingDate": "/Date(1767312000000)/",
        "to_MaterialDocumentItem": {"results": list(items)},
    }
    return Raw(msgspec.json.encode(content), "application/json")


def moved(movement: str, **changes: Any) -> dict[str, Any]:
    item = {"PurchaseOrder": "4500000001", "PurchaseOrderItem": "10", "QuantityInEntryUnit": "4.000"}
    return {"MaterialDocumentItem": "1", "GoodsMovementType": movement, "EntryUnit": "KG", **item, **changes}


@pytest.mark.parametrize(
    ("movement", "kind"),
    [("101", "receipt"), ("102", "reversal"), ("122", "return"), ("123", "receipt"), ("161", "return")],
)
def test_the_movement_type_gives_the_direction_and_quantities_stay_positive(movement: str, kind: str) -> None:
    reversal = {"ReversedMaterialDocument": "5000000800", "ReversedMaterialDocumentYear": "2026"}
    result = READERS["receipt"](material_document(moved(movement, **reversal)))
    assert isinstance(result, ReadResult)
    assert isinstance(result.value, Receipt)
    assert result.value.kind == kind
    assert result.value.lines[0].quantity == Quantity("4.000")
    assert result.value.lines[0].takes_from == "5000000800/2026"


def test_goods_in_blocked_stock_have_not_been_received() -> None:
    result = READERS["receipt"](material_document(moved("103")))
    assert isinstance(result, Unreadable)
    assert result.reason_code == "intake.type_not_supported"
    mixed = READERS["receipt"](material_document(moved("103"), moved("101", MaterialDocumentItem="2")))
    assert isinstance(mixed, ReadResult)
    assert mixed.dropped == ("movements of blocked stock",)


def test_an_unknown_movement_and_a_mixed_document_are_not_guessed() -> None:
    unknown = READERS["receipt"](material_document(moved("991")))
    assert isinstance(unknown, Unreadable)
    assert unknown.pointer == "/GoodsMovementType"
    mixed = READERS["receipt"](material_document(moved("101"), moved("122")))
    assert isinstance(mixed, Unreadable)
    assert mixed.reason_code == "intake.ambiguous"


def partner(**changes: Any) -> Raw:
    content: dict[str, Any] = {
        "BusinessPartner": "0010300080",
        "Supplier": "0010300080",
        "BusinessPartnerFullName": "Rowan Ltd",
        "LastChangeDate": "/Date(1767312000000)/",
        "LastChangeTime": "PT10H00M05S",
        "to_BusinessPartnerBank": {"results": [{"BankAccount": "123456789012345678", "BankNumber": "37040044"}]},
        "to_Supplier": {"to_SupplierCompany": {"results": [{"CompanyCode": "1010"}]}},
    }
    return Raw(msgspec.json.encode({**content, **changes}), "application/json")


def test_a_blocked_supplier_is_blocked_and_a_blocked_company_is_left_out() -> None:
    result = READERS["supplier"](partner())
    assert isinstance(result, ReadResult)
    assert isinstance(result.value, Supplier)
    assert (result.value.status, result.value.version) == ("active", 1767348005)
    assert result.value.accounts == (BankAccount("123456789012345678", "", "37040044"),)
    companies = {"results": [{"CompanyCode": "1010"}, {"CompanyCode": "2010", "SupplierIsBlockedForPosting": True}]}
    blocked = READERS["supplier"](partner(to_Supplier={"PostingIsBlocked": True, "to_SupplierCompany": companies}))
    assert isinstance(blocked, ReadResult)
    assert isinstance(blocked.value, Supplier)
    assert (blocked.value.status, blocked.value.company_codes) == ("blocked", ("1010",))


def test_a_partner_without_the_supplier_role_is_no_supplier() -> None:
    result = READERS["supplier"](partner(Supplier="", to_Supplier=None))
    assert isinstance(result, Unreadable)
    assert result.reason_code == "intake.type_not_supported"
