"""What Coupa's records say to us: days, decimals, words, companies, amount lines, returns and voids."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tripartite.connectors.coupa.transform import READERS, SettingInvalid, readers_for
from tripartite.connectors.coupa.transform.words import (
    LINE_STATUS,
    MATCH_TYPE,
    ORDER_STATUS,
    RECEIPT_TYPE,
    REQUISITION_STATUS,
    STOCK_MOVEMENTS,
    SUPPLIER_STATUS,
)
from tripartite.core.codec import decode, encode
from tripartite.core.objects import Identifier, Order, Receipt, Requisition, Supplier
from tripartite.runtime.protocol import ObjectKind, Raw, ReadResult, Unreadable

LA = {"time_zone": "America/Los_Angeles"}
CHARTS = {"company_from": "account-type", "company.DE Chart": "DE01", "company.PL Chart": "PL02"}


def account(chart: str = "DE Chart", **segments: str) -> dict[str, Any]:
    return {"code": "4711-01", "account-type": {"name": chart, "legal-entity-name": None}, **segments}


def order_line(**more: Any) -> dict[str, Any]:
    return {
        "id": 88231,
        "line-num": "1",
        "type": "OrderQuantityLine",
        "status": "created",
        "description": "Laptop stand",
        "quantity": "10.0",
        "price": "100.00",
        "total": "1000.00",
        "uom": {"code": "EA"},
        "match-type": "3-way",
        "account": account(),
        **more,
    }


def order(**more: Any) -> dict[str, Any]:
    return {
        "id": 501,
        "updated-at": "2026-11-02T08:00:00+00:00",
        "created-at": "2026-10-30T23:30:00-07:00",
        "po-number": "PO-0001",
        "status": "issued",
        "version": 2,
        "internal-revision": 5,
        "currency": {"code": "EUR"},
        "supplier": {"id": 12, "number": "10300080", "name": "Rheinwerk GmbH"},
        "requisition-header": {"id": 77, "requested-by": {"login": "jdoe"}},
        "order-lines": [order_line()],
        **more,
    }


def receipt(**more: Any) -> dict[str, Any]:
    return {
        "id": 9001,
        "updated-at": "2026-11-02T08:00:00+00:00",
        "type": "ReceivingQuantityConsumption",
        "status": "created",
        "quantity": "4.0",
        "uom": {"code": "EA"},
        "transaction-date": "2025-01-27T09:00:00+01:00",
        "match-reference": "LS-88121",
        "order-line": {"id": 88231, "line-num": "1", "order-header-number": "PO-0001", "account": account()},
        **more,
    }


def supplier(**more: Any) -> dict[str, Any]:
    stamp = "2026-11-02T08:00:00+00:00"
    return {"id": 12, "updated-at": stamp, "name": "Rheinwerk GmbH", "number": "10300080", "status": "active", **more}


def requisition(**more: Any) -> dict[str, Any]:
    line = {
        "line-num": 1,
        "line-type": "RequisitionQuantityLine",
        "quantity": "3",
        "unit-price": "9.5",
        "total": "28.5",
        "supplier": {"number": "10300080"},
        "account": account(**{"segment-2": "CC-100"}),
    }
    return {
        "id": 77,
        "updated-at": "2026-11-02T08:00:00+00:00",
        "status": "approved",
        "currency": {"code": "EUR"},
        "requested-by": {"login": "jdoe"},
        "requisition-lines": [line],
        **more,
    }


def read(kind: ObjectKind, record: Any, settings: dict[str, str] | None = None) -> Any:
    raw = Raw(json.dumps(record).encode(), "application/json", "coupa")
    return readers_for(settings or {})[kind](raw)


def good(kind: ObjectKind, record: Any, settings: dict[str, str] | None = None) -> Any:
    answer = read(kind, record, settings)
    assert isinstance(answer, ReadResult), answer
    again = decode(encode(answer.value), type(answer.value))
    assert again == answer.value, "what was read survives its own JSON"
    return answer.value


def bad(kind: ObjectKind, record: Any, settings: dict[str, str] | None = None) -> Unreadable:
    answer = read(kind, record, settings)
    assert isinstance(answer, Unreadable), answer
    return answer


# Days


@pytest.mark.parametrize(
    ("stated", "zone", "day"),
    [
        ("2025-01-31T00:00:00-08:00", "America/Los_Angeles", date(2025, 1, 31)),  # entered by a person there
        ("2025-01-31T08:00:00+00:00", "America/Los_Angeles", date(2025, 1, 31)),  # the same moment, shown in UTC
        ("2025-01-31T08:00:00Z", "America/Los_Angeles", date(2025, 1, 31)),
        ("2025-01-31T00:00:00+00:00", "America/Los_Angeles", date(2025, 1, 31)),  # a bare date through the API
        ("2025-01-30T16:00:00-08:00", "America/Los_Angeles", date(2025, 1, 31)),  # that bare date, shown there
        ("2025-01-31", "America/Los_Angeles", date(2025, 1, 31)),
        ("2025-01-30T23:00:00Z", "Europe/Berlin", date(2025, 1, 31)),
        ("2025-07-30T22:00:00Z", "Europe/Berlin", date(2025, 7, 31)),  # in summer the day begins an hour earlier
        ("2025-01-31T00:00:00+01:00", "", date(2025, 1, 31)),  # no zone declared: the stated offset decides
    ],
)
def test_a_date_is_the_day_the_company_meant(stated: str, zone: str, day: date) -> None:
    settings = {"time_zone": zone} if zone else {}
    value: Order = good("order", order(**{"order-lines": [order_line(**{"need-by-date": stated})]}), settings)
    assert value.lines[0].due_on == day


@pytest.mark.parametrize(
    ("stated", "day"),
    [
        ("2025-01-31T16:00:00-08:00", date(2025, 1, 31)),  # an afternoon, though midnight in UTC
        ("2025-02-01T07:30:00+00:00", date(2025, 1, 31)),  # late evening on the last of the month
        ("2025-01-31T00:00:00+00:00", date(2025, 1, 31)),  # a bare date of a warehouse interface
    ],
)
def test_goods_of_the_last_evening_of_a_month_belong_to_that_month(stated: str, day: date) -> None:
    value: Receipt = good("receipt", receipt(**{"transaction-date": stated}), LA)
    assert value.posted_on == day


@pytest.mark.parametrize(
    "stated", ["2025-02-30", "31.01.2025", "2025-01-31T25:00:00Z", "2025W05", "yesterday", "0001-01-01T00:00:00+05:00"]
)
def test_what_is_no_date_is_not_guessed(stated: str) -> None:
    answer = bad("receipt", receipt(**{"transaction-date": stated}))
    assert (answer.reason_code, answer.pointer) == ("intake.value_out_of_range", "/transaction-date")


# Numbers


def test_a_price_of_twenty_decimals_keeps_every_digit() -> None:
    price = "0.12345678901234567891"
    value: Order = good("order", order(**{"order-lines": [order_line(price=price)]}))
    assert format(value.lines[0].price or Decimal(0), "f") == price


def test_zeros_beyond_our_decimals_are_cut_and_digits_are_not() -> None:
    amount_line = {"type": "OrderAmountLine", "match-type": "2-way", "quantity": None}
    value: Order = good("order", order(**{"order-lines": [order_line(total="1000.50000000", **amount_line)]}))
    assert value.lines[0].limit == Decimal("1000.5")
    answer = bad("order", order(**{"order-lines": [order_line(total="1000.50000001", **amount_line)]}))
    assert (answer.reason_code, answer.pointer) == ("intake.amount_invalid", "/order-lines/0/total")


@pytest.mark.parametrize("text", ["1e3", "NaN", "Infinity", "1,000.00", "1_000", " 1", "+1", "", "-0", "٣"])
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    answer = bad("order", order(**{"order-lines": [order_line(price=text)]}))
    assert (answer.reason_code, answer.pointer) == ("intake.amount_invalid", "/order-lines/0/price")


def test_a_number_where_a_decimal_text_is_agreed_is_a_broken_schema() -> None:
    answer = bad("order", order(**{"order-lines": [order_line(quantity=10.1)]}))
    assert answer.reason_code == "integration.schema_violated"
    assert answer.pointer.endswith("quantity") or "quantity" in answer.pointer or "order-lines" in answer.pointer


@pytest.mark.parametrize("count", [-1, 2**53, 10**30])
def test_an_id_or_version_beyond_what_json_keeps_exact_breaks_the_schema(count: int) -> None:
    assert bad("order", order(**{"internal-revision": count})).reason_code == "integration.schema_violated"
    assert bad("receipt", receipt(id=count)).reason_code == "integration.schema_violated"


# Words


@pytest.mark.parametrize(
    ("kind", "record", "pointer"),
    [
        ("supplier", supplier(status="vanished"), "/status"),
        ("requisition", requisition(status="vanished"), "/status"),
        ("order", order(status="vanished"), "/status"),
        ("order", order(**{"order-lines": [order_line(status="vanished")]}), "/order-lines/0/status"),
        ("order", order(**{"order-lines": [order_line(**{"match-type": "4-way"})]}), "/order-lines/0/match-type"),
        ("order", order(**{"order-lines": [order_line(type="OrderOddLine")]}), "/order-lines/0/type"),
        ("receipt", receipt(type="InventoryTeleport"), "/type"),
        ("receipt", receipt(status="pending_approval"), "/status"),
    ],
)
def test_an_unknown_word_is_drift_and_never_a_success(kind: ObjectKind, record: Any, pointer: str) -> None:
    answer = bad(kind, record)
    assert (answer.reason_code, answer.pointer) == ("integration.contract_drifted", pointer)


def test_every_word_of_the_tables_reads() -> None:
    for status, ours in SUPPLIER_STATUS.items():
        assert good("supplier", supplier(status=status)).status == ours
    for status, ours in REQUISITION_STATUS.items():
        assert good("requisition", requisition(status=status)).status == ours
    for status, ours in ORDER_STATUS.items():
        assert good("order", order(status=status)).status == ours
    for status, ours in LINE_STATUS.items():
        assert good("order", order(**{"order-lines": [order_line(status=status)]})).lines[0].status == ours
    for match, (mode, basis) in MATCH_TYPE.items():
        line = good("order", order(**{"order-lines": [order_line(**{"match-type": match})]})).lines[0]
        assert (line.match, line.basis) == (mode, basis)
    for kind, (ours, _) in RECEIPT_TYPE.items():
        value = good("receipt", receipt(type=kind, total="4.0", original_transaction_id=8000))
        assert value.kind == ours


def test_only_an_issued_order_is_open_to_be_billed() -> None:
    open_words = {status for status, ours in ORDER_STATUS.items() if ours == "open"}
    assert open_words == {"issued", "exported"}


def test_both_spellings_of_a_cancelled_order_are_known() -> None:
    assert good("order", order(status="canceled")).status == good("order", order(status="cancelled")).status


def test_a_supplier_on_hold_is_blocked() -> None:
    assert good("supplier", supplier(**{"on-hold": True})).status == "blocked"
    assert good("supplier", supplier(**{"buyer-hold": True})).status == "blocked"
    assert good("supplier", supplier(status="inactive", **{"on-hold": True})).status == "inactive"


def test_an_invoice_stop_closes_what_it_stands_on() -> None:
    assert good("order", order(**{"invoice-stop": True})).status == "closed"
    stopped = good("order", order(**{"order-lines": [order_line(**{"invoice-stop": True})]}))
    assert (stopped.status, stopped.lines[0].status) == ("open", "closed")


def test_a_line_without_a_match_type_is_matched_by_its_receipt_flag_or_the_stricter_way() -> None:
    def match(**more: Any) -> str:
        line = order_line(**more)
        del line["match-type"]
        mode: str = good("order", order(**{"order-lines": [line]})).lines[0].match
        return mode

    assert match(**{"receipt-required": False}) == "two_way"
    assert match(**{"receipt-required": True}) == "three_way"
    assert match() == "three_way"


# Orders


def test_an_order_is_read_with_what_invoices_and_receipts_refer_to() -> None:
    value: Order = good("order", order(), CHARTS | LA)
    assert (value.number, value.version, value.currency, value.status) == ("PO-0001", 5, "EUR", "open")
    assert (value.supplier_number, value.requisition, value.requester) == ("10300080", "77", "jdoe")
    assert (value.company_code, value.issued_on) == ("DE01", date(2026, 10, 30))
    line = value.lines[0]
    assert (line.line, line.foreign_id, line.quantity, line.price) == (1, "88231", Decimal(10), Decimal(100))
    assert line.account == "4711-01"


def test_every_change_of_an_order_is_a_later_version() -> None:
    assert good("order", order(**{"internal-revision": 6})).version > good("order", order()).version
    by_time = {"order_version": "updated-at"}
    later = order(**{"updated-at": "2026-11-02T08:00:01+00:00"})
    assert good("order", later, by_time).version == good("order", order(), by_time).version + 1


def test_an_amount_line_without_receipts_is_a_limit() -> None:
    line = order_line(type="OrderAmountLine", quantity=None, total="9400.00", **{"match-type": "2-way"})
    value = good("order", order(**{"order-lines": [line]})).lines[0]
    assert (value.match, value.limit, value.quantity, value.price) == ("limit", Decimal(9400), None, None)


def test_an_amount_line_with_receipts_counts_units_of_value_on_both_sides() -> None:
    line = order_line(type="OrderAmountLine", quantity=None, total="9400.00")
    ordered = good("order", order(**{"order-lines": [line]})).lines[0]
    assert (ordered.match, ordered.quantity, ordered.price, ordered.unit) == ("service", 9400, 1, "")
    received = good("receipt", receipt(type="ReceivingAmountConsumption", quantity=None, total="3000.00"))
    assert (received.kind, received.lines[0].quantity, received.lines[0].accepted) == ("service_entry", 3000, 3000)
    assert received.lines[0].unit == "", "an empty unit is the order line's"


def test_sub_lines_keep_apart_and_receipts_find_them() -> None:
    lines = [order_line(), order_line(id=88232, **{"sub-line-num": 2})]
    value = good("order", order(**{"order-lines": lines}))
    assert [line.line for line in value.lines] == [1, 1002]
    came = receipt()
    came["order-line"]["sub-line-num"] = 2
    assert good("receipt", came).lines[0].order_line == 1002


@pytest.mark.parametrize("number", ["0", "1.5", "A", "", "-1", "1234567"])
def test_a_line_number_that_is_none_is_drift(number: str) -> None:
    answer = bad("order", order(**{"order-lines": [order_line(**{"line-num": number})]}))
    assert (answer.reason_code, answer.pointer) == ("integration.contract_drifted", "/order-lines/0/line-num")


def test_one_line_number_twice_in_an_order_is_drift() -> None:
    answer = bad("order", order(**{"order-lines": [order_line(), order_line(id=2)]}))
    assert answer.reason_code == "integration.contract_drifted"


def test_tolerances_come_from_the_connection_or_from_the_line() -> None:
    field = {"over_percent": "5", "under_percent": "2.5", "over_percent_field": "over-delivery"}
    plain = good("order", order(), field).lines[0]
    assert (plain.over_percent, plain.under_percent) == ("5", "2.5")
    stated = order(**{"order-lines": [order_line(**{"custom-fields": {"over-delivery": "7.5"}})]})
    assert good("order", stated, field).lines[0].over_percent == "7.5"
    broken = order(**{"order-lines": [order_line(**{"custom-fields": {"over-delivery": 7.5}})]})
    assert bad("order", broken, field).reason_code == "intake.amount_invalid"


def test_without_settings_an_order_tolerates_nothing() -> None:
    line = good("order", order()).lines[0]
    assert (line.over_percent, line.under_percent) == ("0", "0")


def test_a_line_in_another_currency_than_its_order_is_not_read() -> None:
    answer = bad("order", order(**{"order-lines": [order_line(currency={"code": "USD"})]}))
    assert answer.pointer == "/order-lines/0/currency/code"


def test_a_split_coding_gives_no_single_account() -> None:
    line = order_line(account=None, **{"account-allocations": [{"account": account()}, {"account": account()}]})
    assert good("order", order(**{"order-lines": [line]}), CHARTS).lines[0].account == ""


def test_the_cost_centre_is_the_declared_segment() -> None:
    line = order_line(account=account(**{"segment-2": "CC-100"}))
    settings = {"cost_centre_from": "segment-2"}
    assert good("order", order(**{"order-lines": [line]}), settings).lines[0].cost_centre == "CC-100"


# Companies


def test_the_company_is_what_the_settings_say_about_the_chart_of_accounts() -> None:
    polish = order(**{"order-lines": [order_line(account=account("PL Chart"))]})
    assert good("order", polish, CHARTS).company_code == "PL02"
    came = receipt(account=account("PL Chart"))
    came["order-line"]["account"] = None
    assert good("receipt", came, CHARTS).company_code == "PL02"
    assert good("requisition", requisition(), CHARTS).company_code == "DE01"


def test_the_company_can_be_an_account_segment_or_a_content_group() -> None:
    line = order_line(account=account(**{"segment-1": "1000"}))
    segment = {"company_from": "segment-1", "company.1000": "AT04"}
    assert good("order", order(**{"order-lines": [line]}), segment).company_code == "AT04"
    group = {"company_from": "content-group", "company.Norddal AT": "AT04"}
    there = {"content-groups": [{"name": "Everyone"}, {"name": "Norddal AT"}]}
    assert good("order", order(**{"ship-to-address": there}), group).company_code == "AT04"
    assert good("receipt", receipt(), group).company_code == "", "its order says it"


def test_a_word_can_be_the_company_code_itself() -> None:
    line = order_line(account=account("DE01"))
    same = {"company_from": "account-type", "company_map": "same"}
    assert good("order", order(**{"order-lines": [line]}), same).company_code == "DE01"


def test_an_unlisted_chart_is_a_missing_mapping_that_names_the_setting() -> None:
    unlisted = order(**{"order-lines": [order_line(account=account("AT Chart"))]})
    answer = bad("order", unlisted, CHARTS)
    assert answer.reason_code == "integration.mapping_missing"
    assert answer.pointer == "/order-lines/0/account/account-type/name"
    assert "company.AT Chart" in answer.detail


def test_one_order_of_two_companies_is_not_read() -> None:
    lines = [order_line(), order_line(id=2, **{"line-num": "2", "account": account("PL Chart")})]
    answer = bad("order", order(**{"order-lines": lines}), CHARTS)
    assert answer.reason_code == "integration.mapping_missing"
    assert "two companies" in answer.detail


def test_without_settings_the_chart_is_the_company_as_stated_and_the_mapping_has_the_say() -> None:
    for kind, record in (("order", order()), ("receipt", receipt()), ("requisition", requisition())):
        answer = READERS[kind](Raw(json.dumps(record).encode(), "application/json"))
        assert isinstance(answer, ReadResult)
        assert answer.value.company_code == "DE Chart"  # type: ignore[union-attr]


def test_a_company_can_be_left_open_and_the_chart_is_kept_among_the_buyers_names() -> None:
    value: Order = good("order", order(), {"company_from": "none"})
    assert value.company_code == ""
    assert value.buyer is not None
    assert value.buyer.ids == (Identifier("DE Chart", "coupa.account-type"),)


@pytest.mark.parametrize(
    "settings",
    [
        {"time_zone": "Europe/Atlantis"},
        {"company_from": "department"},
        {"company_from": "segment-21", "company.1": "DE01"},
        {"company_map": "listed"},  # nothing is listed
        {"company_map": "guess"},
        {"cost_centre_from": "account"},
        {"order_version": "newest"},
        {"over_percent": "5 %"},
        {"under_percent": "unlimited"},
        {"over_percent": "-1"},
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_before_anything_is_read(settings: dict[str, str]) -> None:
    with pytest.raises(SettingInvalid) as refused:
        readers_for(settings)
    assert refused.value.setting in settings


# Receipts


def test_a_receipt_names_its_order_and_line() -> None:
    value: Receipt = good("receipt", receipt())
    line = value.lines[0]
    assert (value.number, value.kind, value.delivery_note) == ("9001", "receipt", "LS-88121")
    assert (line.order_number, line.order_line, line.quantity, line.unit) == ("PO-0001", 1, Decimal(4), "EA")


@pytest.mark.parametrize("stated", ["4.0", "-4.0"])
def test_a_return_and_a_void_are_positive_and_name_what_they_take_back(stated: str) -> None:
    back = good(
        "receipt", receipt(type="ReceivingQuantityReturnToSupplier", quantity=stated, original_transaction_id=1)
    )
    void = good("receipt", receipt(type="VoidReceivingQuantityConsumption", quantity=stated, original_transaction_id=1))
    assert [(value.kind, value.lines[0].quantity, value.lines[0].takes_from) for value in (back, void)] == [
        ("return", Decimal(4), "1"),
        ("reversal", Decimal(4), "1"),
    ]


def test_voiding_a_return_makes_the_goods_count_again() -> None:
    value = good("receipt", receipt(type="VoidReceivingQuantityReturnToSupplier", original_transaction_id=9002))
    assert value.kind == "receipt"


def test_a_voided_receipt_still_counts_because_its_void_takes_it_back() -> None:
    assert good("receipt", receipt(status="voided")).kind == "receipt"


def test_a_void_of_nothing_is_not_read() -> None:
    assert bad("receipt", receipt(type="VoidInventoryReceipt")).pointer == "/original_transaction_id"


def test_a_receipt_of_less_than_nothing_is_drift() -> None:
    assert bad("receipt", receipt(quantity="-1")).reason_code == "integration.contract_drifted"


def test_stock_movements_and_receipts_without_an_order_are_refused_by_name() -> None:
    for kind in sorted(STOCK_MOVEMENTS):
        assert bad("receipt", receipt(type=kind)).reason_code == "intake.type_not_supported"
    assert bad("receipt", receipt(**{"order-line": None})).reason_code == "intake.type_not_supported"


def test_a_receipt_that_names_its_line_only_by_id_breaks_the_schema() -> None:
    answer = bad("receipt", receipt(**{"order-line": {"id": 88231}}))
    assert (answer.reason_code, answer.pointer) == ("integration.schema_violated", "/order-line/order-header-number")


def test_a_weighed_receipt_keeps_its_weight() -> None:
    assert good("receipt", receipt(**{"received-weight": "12.480"})).lines[0].price_quantity == Decimal("12.48")


# Suppliers and requisitions


def test_a_supplier_carries_the_erp_number_where_the_settings_say_so() -> None:
    place = {"street1": "Hafenweg 1", "street2": None, "city": "Kiel", "country": {"code": "DE"}}
    value: Supplier = good("supplier", supplier(**{"primary-address": place}), {"erp_connection": "sap"})
    assert value.names_elsewhere == {"sap": "10300080"}
    assert value.address is not None
    assert (value.address.lines, value.address.country) == (("Hafenweg 1",), "DE")


def test_a_supplier_the_erp_has_not_numbered_goes_by_its_id() -> None:
    assert good("supplier", supplier(number=None)).number == "#12"
    unnumbered = order(supplier={"id": 12, "number": None, "name": "Rheinwerk GmbH"})
    assert good("order", unnumbered).supplier_number == "#12"


def test_a_supplier_lists_the_companies_it_is_open_for() -> None:
    charts = [{"name": "DE Chart"}, {"name": "PL Chart"}, {"name": "US Chart"}]
    assert good("supplier", supplier(**{"account-types": charts}), CHARTS).company_codes == ("DE01", "PL02")


def test_a_requisition_keeps_who_asked_and_who_approved_last() -> None:
    steps = [
        {"status": "approved", "position": 2, "approver": {"login": "cfo"}},
        {"status": "approved", "position": 1, "approver": {"login": "boss"}},
        {"status": "pending_approval", "position": 3, "approver": {"login": "board"}},
    ]
    value: Requisition = good("requisition", requisition(approvals=steps), CHARTS | {"cost_centre_from": "segment-2"})
    assert (value.number, value.requester, value.approver) == ("77", "jdoe", "cfo")
    line = value.lines[0]
    assert (line.quantity, line.price, line.amount, line.cost_centre) == (3, Decimal("9.5"), Decimal("28.5"), "CC-100")


def test_an_amount_requisition_line_has_a_sum_and_no_pieces() -> None:
    line = {"line-num": 1, "line-type": "RequisitionAmountLine", "quantity": None, "unit-price": "500.00"}
    value = good("requisition", requisition(**{"requisition-lines": [line]})).lines[0]
    assert (value.quantity, value.price, value.amount) == (None, None, Decimal(500))


# What is not read


def test_dropped_fields_are_told_by_name_and_strangers_as_such() -> None:
    record = order(exported=False, **{"transmission-status": "created", "x_project": "P1"})
    record["order-lines"][0] |= {"received": "4.0", "shiny-new": 1}
    answer = read("order", record)
    assert isinstance(answer, ReadResult)
    assert answer.dropped == (
        "order-lines/received",
        "unrecognised: order-lines/shiny-new",
        "exported",
        "transmission-status",
        "unrecognised: x_project",
    )


@pytest.mark.parametrize(
    ("kind", "record", "field"),
    [
        ("order", order(), "po-number"),
        ("order", order(), "status"),
        ("order", order(), "currency"),
        ("order", order(), "updated-at"),
        ("receipt", receipt(), "type"),
        ("receipt", receipt(), "quantity"),
        ("supplier", supplier(), "name"),
        ("supplier", supplier(), "status"),
        ("requisition", requisition(), "status"),
    ],
)
def test_a_missing_field_breaks_the_schema_and_is_never_filled_in(kind: ObjectKind, record: Any, field: str) -> None:
    record = {name: value for name, value in record.items() if name != field}
    answer = bad(kind, record)
    assert answer.reason_code == "integration.schema_violated"
    assert field in answer.pointer + answer.detail


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<html>Please sign in</html>", "intake.malformed"),
        (b'{"id": 1, "id": 2}', "intake.duplicate_key"),
        (b"[]", "integration.schema_violated"),
        (b'{"id": 1', "intake.malformed"),
        (b"[" * 100_000, "intake.too_large"),
    ],
)
def test_bytes_that_are_no_record_are_unreadable_with_a_code(content: bytes, code: str) -> None:
    for reader in READERS.values():
        answer = reader(Raw(content, "application/json"))
        assert isinstance(answer, Unreadable)
        assert answer.reason_code == code


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["1.00", "-5", "2025-01-31", "issued", "2025-01-31T00:00:00-08:00", "1" * 50, "none", "EUR"]),
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner)
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, part in inner for found in places(part, (*path, name)))]


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_whatever_stands_in_a_record_the_reader_answers_and_never_breaks(data: st.DataObject) -> None:
    kind, record = data.draw(
        st.sampled_from(
            [("order", order()), ("receipt", receipt()), ("supplier", supplier()), ("requisition", requisition())]
        )
    )
    record = json.loads(json.dumps(record))
    path = data.draw(st.sampled_from(places(record)[1:]))
    target = record
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = data.draw(ANYTHING)
    answer = read(kind, record, CHARTS | LA)
    assert isinstance(answer, ReadResult | Unreadable)
    if isinstance(answer, ReadResult):
        assert decode(encode(answer.value), type(answer.value)) == answer.value
    else:
        assert answer.reason_code.startswith(("integration.", "intake."))
