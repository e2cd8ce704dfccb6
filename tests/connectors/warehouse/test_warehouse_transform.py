"""The warehouse's documents read: what counts, what is refused and where, and what is kept of the rest."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from connectors.warehouse.warehouse_bench import ORDER, delivery, going_back, line
from tripartite.connectors.warehouse.transform import STATUSES, SettingInvalid, readers_for
from tripartite.core.objects import Receipt
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable


def read(document: dict[str, Any], **settings: str) -> ReadResult | Unreadable:
    whole = {"version": 1, "status": "CLOSED", "warehouse": "13", **document}
    return readers_for(settings)["receipt"](Raw(json.dumps(whole).encode(), "application/json"))


def receipt(document: dict[str, Any], **settings: str) -> Receipt:
    found = read(document, **settings)
    assert isinstance(found, ReadResult), found
    assert isinstance(found.value, Receipt)
    return found.value


def refused(document: dict[str, Any], **settings: str) -> tuple[str, str]:
    found = read(document, **settings)
    assert isinstance(found, Unreadable), found
    return found.reason_code, found.pointer


def quantities(found: Receipt) -> list[tuple[str, str | None, str | None]]:
    return [
        (str(one.quantity), None if one.accepted is None else str(one.accepted), str(one.rejected or "") or None)
        for one in found.lines
    ]


def test_a_receipt_is_read_with_its_order_lines_units_day_and_delivery_note() -> None:
    found = receipt(delivery(delivery_note="DN-9", received_by="Ines", supplier_code="US-104", asn="ASN-551"))
    assert (found.number, found.kind, found.version, found.posted_on) == ("13:R-1", "receipt", 1, date(2026, 11, 18))
    assert (found.delivery_note, found.receiver, found.extra["/asn"]) == ("DN-9", "Ines", "ASN-551")
    [one] = found.lines
    assert (one.order_number, one.order_line, str(one.quantity), one.unit, one.line) == (ORDER, 10, "10", "EA", 1)
    assert (one.line_ref, one.item, one.accepted) == ("R-1-1", "MAT-001", None)


def test_goods_that_came_damaged_or_were_rejected_do_not_count() -> None:
    document = delivery("R-1", line(quantity="30", qty_accepted="27", qty_damaged="2", qty_rejected="1"))
    found = receipt(document)
    assert quantities(found) == [("27", "27", "3")]
    assert found.lines[0].note == "30 came; 2 damaged; 1 rejected"
    assert found.extra["/lines/0/qty_received"] == "30"
    assert quantities(receipt(document, counted="received")) == [("30", "27", "3")]


def test_inspection_that_is_pending_accepts_nothing_yet_and_rejects_nothing() -> None:
    found = receipt(delivery("R-1", line(quantity="30", qty_accepted="10", quality="PENDING")))
    assert quantities(found) == [("30", "10", None)]
    assert "inspection is pending" in found.lines[0].note


def test_a_short_last_delivery_says_what_is_missing_and_an_over_delivery_what_is_too_much() -> None:
    short, over = receipt(
        delivery("R-1", line(1, "30", qty_expected="40", final=True), line(2, "12", qty_expected="10"))
    ).lines
    assert (str(short.short), short.note) == ("10", "nothing more will come")
    assert (over.short, over.note, str(over.quantity)) == (None, "2 more than announced", "12")
    assert receipt(delivery("R-1", line(1, "30", qty_expected="40"))).lines[0].short is None  # more may come


def test_one_receipt_of_several_orders_names_each_at_its_line() -> None:
    found = receipt(delivery("R-1", line(1), line(2, po_number="4500000002")))
    assert [one.order_number for one in found.lines] == [ORDER, "4500000002"]


def test_a_reversed_receipt_is_the_same_receipt_and_counts_for_nothing() -> None:
    found = receipt({**delivery("R-1", line(quantity="30", qty_accepted="30")), "status": "REVERSED", "version": 3})
    assert (found.number, found.kind, found.version) == ("13:R-1", "receipt", 3)
    assert quantities(found) == [("0", "0", None)]
    assert found.lines[0].order_number == ORDER


def test_a_return_takes_from_its_receipt_and_damaged_goods_that_never_counted_take_nothing() -> None:
    good = receipt(going_back("RT-1", "RETURN", "R-1", "4"))
    assert (good.kind, good.lines[0].takes_from, str(good.lines[0].quantity)) == ("return", "13:R-1", "4")
    damaged = going_back("RT-2", "RETURN", "R-1", "2", condition="DAMAGED")
    assert quantities(receipt(damaged)) == [("0", "0", "2")]
    assert quantities(receipt(damaged, counted="received")) == [("2", "0", "2")]


def test_a_reversal_and_an_adjustment_are_documents_of_their_own() -> None:
    undone = receipt(going_back("RV-1", "REVERSAL", "R-1", "10"))
    assert (undone.kind, str(undone.lines[0].quantity), undone.lines[0].takes_from) == ("reversal", "10", "13:R-1")
    less = receipt(going_back("AD-1", "ADJUSTMENT", "R-1", "-3"))
    assert (less.kind, str(less.lines[0].quantity)) == ("reversal", "3")
    more = receipt(going_back("AD-2", "ADJUSTMENT", "R-1", "3"))
    assert (more.kind, str(more.lines[0].quantity)) == ("receipt", "3")


def test_an_adjustment_up_and_down_at_once_is_not_guessed_at() -> None:
    document = going_back("AD-1", "ADJUSTMENT", "R-1", "-3")
    document["lines"].append({"line_id": "AD-1-2", "po_line": "20", "qty_change": "2"})
    assert refused(document) == ("intake.ambiguous", "/lines")


def test_every_status_is_known_and_any_other_word_is_refused() -> None:
    for status, standing in STATUSES.items():
        found = read({**delivery(), "status": status})
        assert isinstance(found, ReadResult) == (standing in ("counts", "gone")), status
    assert isinstance(read({**delivery(), "status": "IN_PROGRESS"}, count_from="in_progress"), ReadResult)
    assert refused({**delivery(), "status": "ARCHIVED"}) == ("intake.value_out_of_range", "/status")
    assert refused({**delivery(), "type": "TRANSFER"}) == ("intake.value_out_of_range", "/type")


def test_a_line_without_an_order_or_order_line_waits_and_is_not_guessed_by_its_item() -> None:
    assert refused(delivery("R-1", line(po_line=None))) == ("integration.mapping_missing", "/lines/0/po_line")
    assert refused(delivery("R-1", line(po_line="A-1"))) == ("integration.mapping_missing", "/lines/0/po_line")
    assert refused(delivery(po_number=None)) == ("integration.mapping_missing", "/lines/0/po_number")
    padded = receipt(delivery("R-1", line(po_line="00010"))).lines[0]
    assert (padded.order_line, padded.order_line_ref) == (10, "00010")


def test_a_receipt_without_lines_is_refused_because_nobody_knows_whose_it_was() -> None:
    assert refused({**delivery(), "lines": []}) == ("integration.schema_violated", "/lines")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("1e2", "intake.amount_invalid"),
        ("NaN", "intake.amount_invalid"),
        ("-1", "intake.ambiguous"),
        ("1,5", "intake.amount_invalid"),
        (True, "intake.amount_invalid"),
    ],
)
def test_a_quantity_that_is_none_is_refused_at_its_place(said: Any, code: str) -> None:
    assert refused(delivery("R-1", line(1), line(2, quantity=said))) == (code, "/lines/1/qty_received")


def test_numbers_keep_their_digits_as_number_and_as_text() -> None:
    text = b'{"id":"R-1","version":1,"status":"CLOSED","warehouse":"13","po_number":"P","lines":[%b]}'
    for digits in (b"0.1", b'"0.1"'):
        raw = Raw(text % (b'{"line_id":"1","po_line":"1","qty_received":' + digits + b"}"), "application/json")
        found = readers_for({})["receipt"](raw)
        assert isinstance(found, ReadResult)
        assert str(found.value.lines[0].quantity) == "0.1"  # type: ignore[union-attr]


def test_more_parts_than_a_whole_are_refused() -> None:
    document = delivery("R-1", line(quantity="10", qty_accepted="9", qty_damaged="2"))
    assert refused(document) == ("intake.ambiguous", "/lines/0/qty_accepted")


def test_a_line_keeps_its_number_when_lines_change_places() -> None:
    first = receipt(delivery("R-1", line(1), line(2)))
    second = receipt({**delivery("R-1", line(2), line(1)), "version": 2})
    assert {one.line_ref: one.line for one in first.lines} == {one.line_ref: one.line for one in second.lines}
    odd = receipt(delivery("R-1", line(1, line_id="a"), line(2, line_id="b")))
    assert [one.line for one in odd.lines] == [1, 2]
    twice = delivery("R-1", line(1, line_id="a"), line(2, line_id="a"))
    assert refused(twice) == ("intake.ambiguous", "/lines")


def test_two_warehouses_with_one_number_are_two_receipts() -> None:
    numbers = {receipt({**delivery("R-77"), "warehouse": each}).number for each in ("13", "14")}
    assert numbers == {"13:R-77", "14:R-77"}
    assert receipt(delivery("R-77"), numbers="plain").number == "R-77"
    assert refused({**delivery(), "warehouse": "a:b"}) == ("intake.value_out_of_range", "/warehouse")


def test_the_day_is_the_day_of_the_site() -> None:
    document = delivery(received_at="2026-11-30T23:30:00Z")
    assert receipt(document).posted_on == date(2026, 11, 30)
    assert receipt(document, time_zone="Europe/Berlin").posted_on == date(2026, 12, 1)
    assert receipt(delivery(received_at="2026-11-30")).posted_on == date(2026, 11, 30)
    assert refused(delivery(received_at="30.11.2026")) == ("intake.value_out_of_range", "/received_at")


def test_the_company_is_the_depositors_or_the_sites() -> None:
    assert receipt(delivery(depositor="DE01")).company_code == "DE01"
    assert receipt(delivery(depositor="DE01"), company_from="warehouse").company_code == "13"
    assert receipt(delivery()).company_code == ""


def test_lots_and_serials_are_kept_by_their_path_and_unknown_fields_are_named() -> None:
    document = delivery("R-1", line(lot="L123", serials=["S1", "S2"], expiry="2028-03-01"), colour="red")
    found = read(document)
    assert isinstance(found, ReadResult)
    assert found.value.extra["/lines/0/lot"] == "L123"  # type: ignore[union-attr]
    assert found.value.extra["/lines/0/serials"] == "S1,S2"  # type: ignore[union-attr]
    assert found.dropped == ("status", "colour")


def test_a_missing_field_a_changed_type_and_bytes_that_are_no_json_are_named() -> None:
    assert refused({**delivery(), "version": "one"}) == ("integration.schema_violated", "/version")
    assert refused(delivery("R-1", line(line_id=7))) == ("integration.schema_violated", "/lines/0/line_id")
    broken = readers_for({})["receipt"](Raw(b"{", "application/json"))
    assert isinstance(broken, Unreadable)
    assert broken.reason_code == "intake.malformed"
    picture = readers_for({})["receipt"](Raw(b"{}", "image/png"))
    assert isinstance(picture, Unreadable)
    assert picture.reason_code == "intake.type_not_supported"


@pytest.mark.parametrize(
    "setting",
    [{"counted": "all"}, {"count_from": "gate"}, {"numbers": "x"}, {"time_zone": "Mars"}, {"company_from": ""}],
)
def test_a_setting_that_cannot_be_meant_is_named_before_anything_is_read(setting: dict[str, str]) -> None:
    with pytest.raises(SettingInvalid, match=next(iter(setting))):
        readers_for(setting)
