"""The suite's words and ours: exact digits, credits of both habits, two lists of rows, words nobody documented."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.capture.capture_bench import document, held, paid, posted
from tripartite.connectors.capture.transform import READERS, STATUSES, WRITERS
from tripartite.core.objects import Invoice
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable


def said(**changes: Any) -> dict[str, Any]:
    return document(version=7, status="ready_to_post", **changes)


def read(value: Any, media_type: str = "application/json") -> Any:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return READERS["invoice"](Raw(content, media_type, "suite"))


def invoice(value: Any) -> Invoice:
    answer = read(value)
    assert isinstance(answer, ReadResult), answer
    assert isinstance(answer.value, Invoice)
    return answer.value


def refusal(value: Any) -> tuple[str, str]:
    answer = read(value)
    assert isinstance(answer, Unreadable), answer
    return answer.reason_code, answer.pointer


def with_number(text: str) -> bytes:
    """The document with `gross` as a bare JSON number of exactly these characters."""
    return json.dumps(said(gross="GROSS")).replace('"GROSS"', text).encode()


def test_three_numbers_of_one_invoice_stay_apart() -> None:
    found = invoice(said())
    assert found.number == "R-doc-1"
    assert [(one.scheme, one.value) for one in found.ids] == [("capture.document", "doc-1")]
    assert (found.company_code, found.supplier_number, found.kind) == ("DE01", "S-100", "invoice")


@pytest.mark.parametrize("text", ["0.1", "119.00", "123456789012345.67", "0.000001"])
def test_a_json_number_is_read_from_its_digits(text: str) -> None:
    assert str(invoice(with_number(text)).gross) == text
    assert invoice(with_number(text)).gross == invoice(with_number(f'"{text}"')).gross


@given(st.integers(0, 10**15 - 1), st.integers(1, 6), st.integers(0, 10**6 - 1))
def test_no_digit_is_lost_on_the_way(whole: int, places: int, fraction: int) -> None:
    text = f"{whole}.{fraction:06d}"[: len(str(whole)) + 1 + places]
    assert str(invoice(with_number(text)).gross) == text


@pytest.mark.parametrize(
    "text",
    [
        "1e2",
        "1E400",
        "-0",
        "-0.0",
        "true",
        "{}",
        "[1]",
        '"NaN"',
        '"1_000"',
        '" 12 "',
        '"１２"',
        "9" * 1000,
        "0.1234567",
    ],
)
def test_a_number_outside_the_grammar_is_refused_at_its_place(text: str) -> None:
    assert refusal(with_number(text)) == ("intake.amount_invalid", "/gross")


@pytest.mark.parametrize("text", ["NaN", "Infinity"])
def test_nan_and_infinity_are_no_amounts(text: str) -> None:
    assert refusal(with_number(text))[0] in ("intake.malformed", "intake.amount_invalid")


def test_an_absent_sum_and_a_null_are_nothing_and_not_zero() -> None:
    assert invoice(with_number("null")).gross is None
    assert invoice({name: value for name, value in said().items() if name != "gross"}).gross is None


LINE = {"row_index": 1, "quantity": "10", "net_price": "10.00", "net": "100.00", "unit": "EA"}


@pytest.mark.parametrize("factor", ["quantity", "net_price"])
def test_a_credit_note_with_negative_sums_becomes_positive(factor: str) -> None:
    line = {**LINE, factor: "-" + LINE[factor], "net": "-100.00"}  # type: ignore[operator]
    memo = invoice(said(type="CREDIT_NOTE", net="-100.00", tax="-19.00", gross="-119.00", lines=[line]))
    assert memo.kind == "credit_memo"
    assert [str(amount) for amount in (memo.net, memo.tax, memo.gross)] == ["100.00", "19.00", "119.00"]
    [first] = memo.lines
    assert (first.quantity, first.price, first.amount) == (Decimal(10), Decimal("10.00"), Decimal("100.00"))


def test_a_credit_note_with_positive_sums_stays_positive() -> None:
    memo = invoice(said(type="CREDIT_NOTE", credited_invoice="R-9"))
    assert (memo.kind, str(memo.gross), memo.original) == ("credit_memo", "119.00", "R-9")


def test_a_counter_line_of_a_negative_credit_note_becomes_negative() -> None:
    lines = [{**LINE, "net": "-150.00", "quantity": "-15"}, {**LINE, "row_index": 2, "net": "50.00", "quantity": "5"}]
    memo = invoice(said(type="CREDIT_NOTE", net="-100.00", tax="-19.00", gross="-119.00", lines=lines))
    assert [(str(one.amount), one.quantity) for one in memo.lines] == [("150.00", 15), ("-50.00", -5)]


def test_a_credit_note_with_both_signs_is_not_guessed_at() -> None:
    assert refusal(said(type="CREDIT_NOTE", net="-100.00", gross="119.00")) == ("intake.ambiguous", "/gross")


def test_a_negative_invoice_stays_as_stated() -> None:
    found = invoice(said(net="-100.00", tax="-19.00", gross="-119.00"))
    assert (found.kind, str(found.gross)) == ("invoice", "-119.00")


def test_coding_rows_are_kept_and_never_taken_for_lines() -> None:
    rows = [
        {"row_index": 1, "account": "4400", "cost_centre": "K1", "net": "60.00", "matched_quantity": "6"},
        {"row_index": 2, "account": "4400", "cost_centre": "K2", "net": "40.00"},
    ]
    found = invoice(said(coding_rows=rows))
    assert len(found.lines) == 1
    assert found.lines[0].cost_centre == ""
    kept = json.loads(found.extra["coding_rows"])
    assert [(row["cost_centre"], row["net"]) for row in kept] == [("K1", "60.00"), ("K2", "40.00")]
    assert refusal(said(coding_rows=[{"row_index": 3, "net": "x"}])) == ("intake.amount_invalid", "/coding_rows/3/net")


def test_attachments_and_discounts_are_kept_as_stated() -> None:
    attachment = {"id": "a1", "name": "scan.pdf", "mime": "application/pdf", "category": "image"}
    found = invoice(said(attachments=[attachment], discount_amount="2.38", discount_date="2026-11-28"))
    [kept] = found.attachments
    assert (kept.number, kept.filename, kept.media_type, kept.type_code) == (
        "a1",
        "scan.pdf",
        "application/pdf",
        "image",
    )
    assert (found.extra["discount_amount"], found.extra["discount_date"]) == ("2.38", "2026-11-28")


def test_bank_data_is_what_the_document_says_and_no_more() -> None:
    found = invoice(said(supplier_bank={"iban": None, "bban": "12345", "bic": "XXX"}))
    assert found.remit_to is not None
    assert (found.remit_to.account, found.remit_to.institution) == ("12345", "XXX")
    assert invoice(said()).remit_to is None


def test_the_day_of_a_date_time_counts_as_stated() -> None:
    found = invoice(said(invoice_date="2026-11-18T23:30:00-05:00", due_date="2026-12-18T00:00:00Z"))
    assert (found.issued_on, found.due_on) == (date(2026, 11, 18), date(2026, 12, 18))


@pytest.mark.parametrize("text", ["2026-02-30", "20260228", "0000-00-00", "2026-11-18X", "2026-11-18 10:00", "x" * 99])
def test_an_impossible_day_is_refused(text: str) -> None:
    assert refusal(said(invoice_date=text)) == ("intake.value_out_of_range", "/invoice_date")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [({"type": "PROFORMA"}, "/type"), ({"status": "vaporised"}, "/status"), ({"currency": "XXX"}, "/currency")],
)
def test_a_word_that_nobody_documented_is_refused(changes: dict[str, Any], pointer: str) -> None:
    assert refusal({**said(), **changes}) == ("intake.value_out_of_range", pointer)


def test_every_documented_status_is_read() -> None:
    assert all(invoice({**said(), "status": status}).number for status in STATUSES)


def test_a_missing_promise_is_drift_with_its_name_and_a_new_field_is_named_as_dropped() -> None:
    renamed = {("supplierCode" if name == "supplier_code" else name): value for name, value in said().items()}
    answer = read(renamed)
    assert isinstance(answer, Unreadable)
    assert answer.reason_code == "integration.schema_violated"
    assert "supplier_code" in answer.detail
    added = read({**said(), "esg_score": 4, "history_url": "https://suite.example/h/1"})
    assert added.dropped == ("history_url", "status", "esg_score")
    assert added.value == invoice(said())


def test_a_type_that_changed_is_drift() -> None:
    assert refusal({**said(), "version": "7"}) == ("integration.schema_violated", "/version")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"document_id": "1", "document_id": "2"}', "intake.duplicate_key"),
        (b"<html></html>", "intake.malformed"),
        (b'{"a": "\xff"}', "intake.malformed"),
        (b"[" * 100_000, "intake.too_large"),
    ],
)
def test_bytes_that_are_no_honest_json_are_refused(content: bytes, code: str) -> None:
    assert refusal(content)[0] == code


def test_another_media_type_is_not_read_as_json() -> None:
    assert read(b"%PDF-1.7", "application/pdf").reason_code == "intake.type_not_supported"


def test_a_posting_is_reported_with_document_and_year_as_two_vouchers() -> None:
    row = WRITERS["report_posting"](posted(payment_block="A").payload)
    assert (row.success, row.voucherNumber1, row.voucherNumber2) == (True, "51doc-1", "2026")
    assert (row.transferDate, row.paymentBlock, row.responseMessage) == ("2026-11-20T00:00:00Z", True, "Posted")


def test_a_long_message_is_cut_to_what_the_suite_takes() -> None:
    row = WRITERS["report_hold"](held("doc-1", "match.price_over_limit", message="word " * 100).payload)
    assert len(row.responseMessage) == 250
    assert row.reasons == ("match.price_over_limit",)


def test_a_payment_is_reported_in_exact_digits() -> None:
    row = WRITERS["report_payment"](paid(amount="500.10").payload)
    assert b'"paidTotal":500.10' in msgspec.json.Encoder(decimal_format="number").encode(row)
