"""Acme's words and ours: units, signs, words nobody documented, and numbers that are none."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.acme.acme_bench import posting
from tripartite.connectors.acme.transform import READERS, WRITERS, write_posting
from tripartite.core import codec
from tripartite.core.money import Amount
from tripartite.core.objects import Invoice, Order, Receipt, Supplier
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable, Unwritable

INVOICE: dict[str, Any] = {
    "number": "AI-1",
    "sequence": 3,
    "supplier_ref": "R-2026-77",
    "kind": "invoice",
    "company": "DE01",
    "supplier": "S-100",
    "currency": "EUR",
    "invoice_date": "2026-11-18",
    "due_date": "2026-12-18",
    "net_minor": 10450,
    "tax_minor": 1986,
    "gross_minor": 12436,
    "scanned_by": "M. Example",
    "bank": {"iban": "DE89370400440532013000", "holder": "Example GmbH"},
    "lines": [
        {
            "line": 1,
            "amount_minor": 10000,
            "quantity": "2500",
            "unit": "EA",
            "price_minor": 4000,
            "price_per": 1000,
            "order": "4500",
            "position": 10,
            "item": "SCREW",
            "tax_code": "V19",
            "receipt": "WE-9",
        }
    ],
    "taxes": [{"code": "V19", "amount_minor": 1986, "base_minor": 10450}],
    "freight": [{"label": "Freight", "amount_minor": 400}, {"label": "Dune fee", "amount_minor": 50}],
}
ORDER: dict[str, Any] = {
    "number": "4500",
    "sequence": 12,
    "company": "DE01",
    "supplier": "S-100",
    "currency": "EUR",
    "status": "sent",
    "ordered_on": "2026-11-01",
    "lines": [
        {"position": 10, "quantity": "2500", "unit": "EA", "price_minor": 4000, "price_per": 1000, "check": "receipt"},
        {
            "position": 20,
            "quantity": "1.5",
            "unit": "KGM",
            "price_minor": 250,
            "check": "inspection",
            "over_delivery_percent": "unlimited",
        },
    ],
}


def read(kind: str, said: Any, media_type: str = "application/json") -> Any:
    content = said if isinstance(said, bytes) else json.dumps(said).encode()
    return READERS[kind](Raw(content, media_type, "acme-eu"))


def value(kind: str, said: Any) -> Any:
    answer = read(kind, said)
    assert isinstance(answer, ReadResult), answer
    return answer.value


def refusal(kind: str, said: Any) -> tuple[str, str]:
    answer = read(kind, said)
    assert isinstance(answer, Unreadable), answer
    return answer.reason_code, answer.pointer


def test_minor_units_become_major_ones_by_the_currency() -> None:
    euro: Invoice = value("invoice", INVOICE)
    assert str(euro.gross) == "124.36"
    yen: Invoice = value("invoice", {**INVOICE, "currency": "JPY"})
    assert str(yen.gross) == "12436"
    dinar: Invoice = value("invoice", {**INVOICE, "currency": "KWD"})
    assert str(dinar.gross) == "12.436"


def test_an_invoice_keeps_what_was_stated() -> None:
    answer = read("invoice", INVOICE)
    invoice: Invoice = answer.value
    assert (invoice.number, invoice.kind, invoice.supplier_number) == ("R-2026-77", "invoice", "S-100")
    assert invoice.ids[0].value == "AI-1"
    assert invoice.order_numbers == ("4500",)
    line = invoice.lines[0]
    assert (line.quantity, line.price, line.price_per) == (Decimal(2500), Decimal("40.00"), Decimal(1000))
    assert (line.order_number, line.order_line, line.receipt_number) == ("4500", 10, "WE-9")
    assert [(c.kind, c.reason, str(c.amount)) for c in invoice.charges] == [
        ("freight", "Freight", "4.00"),
        ("", "Dune fee", "0.50"),
    ]
    assert invoice.remit_to is not None
    assert answer.dropped == ("scanned_by",)


def test_a_price_in_fractions_of_a_cent_stays_exact() -> None:
    order: Order = value("order", ORDER)
    assert (order.lines[0].price, order.lines[0].price_per) == (Decimal("40.00"), 1000)
    assert order.lines[0].match == "three_way"
    assert (order.lines[1].match, order.lines[1].over_percent) == ("four_way", "unlimited")
    assert order.version == 12


def credit(**line: Any) -> dict[str, Any]:
    return {
        **INVOICE,
        "kind": "credit",
        "credits": "R-2026-70",
        "net_minor": -10000,
        "tax_minor": -1900,
        "gross_minor": -11900,
        "taxes": [{"code": "V19", "amount_minor": -1900, "base_minor": -10000}],
        "freight": [],
        "lines": [{**INVOICE["lines"][0], "amount_minor": -10000, **line}],
    }


@pytest.mark.parametrize("line", [{"quantity": "-2500"}, {"price_minor": -4000}])
def test_a_credit_is_positive_here_whichever_factor_carried_the_sign(line: dict[str, Any]) -> None:
    memo: Invoice = value("invoice", credit(**line))
    assert memo.kind == "credit_memo"
    assert memo.original == "R-2026-70"
    assert [str(sum_) for sum_ in (memo.net, memo.tax, memo.gross)] == ["100.00", "19.00", "119.00"]
    assert str(memo.taxes[0].amount) == "19.00"
    first = memo.lines[0]
    assert (first.quantity, first.price, str(first.amount)) == (Decimal(2500), Decimal(40), "100.00")


def test_a_counter_line_inside_a_credit_becomes_negative() -> None:
    memo: Invoice = value("invoice", credit(quantity="2500", amount_minor=10000))
    assert (memo.lines[0].quantity, str(memo.lines[0].amount)) == (Decimal(-2500), "-100.00")


def test_a_credit_with_positive_sums_is_nobodys_claim_to_guess() -> None:
    assert refusal("invoice", {**INVOICE, "kind": "credit"}) == ("intake.ambiguous", "/gross_minor")


@pytest.mark.parametrize(
    ("kind", "said", "pointer"),
    [
        ("invoice", {**INVOICE, "kind": "debit_note"}, "/kind"),
        ("invoice", {**INVOICE, "currency": "eur"}, "/currency"),
        ("invoice", {**INVOICE, "invoice_date": "2026-02-30"}, "/invoice_date"),
        ("invoice", {**INVOICE, "invoice_date": "20260228"}, "/invoice_date"),
        ("order", {**ORDER, "status": "paused"}, "/status"),
        ("order", {**ORDER, "lines": [{**ORDER["lines"][0], "check": "vibes"}]}, "/lines/0/check"),
        ("order", {**ORDER, "lines": [{**ORDER["lines"][0], "price_per": 0}]}, "/lines/0/price_per"),
        ("supplier", {"number": "S-1", "sequence": 1, "name": "A", "status": "vip"}, "/status"),
    ],
)
def test_a_word_or_value_outside_the_tables_is_refused_at_its_place(kind: str, said: Any, pointer: str) -> None:
    assert refusal(kind, said) == ("intake.value_out_of_range", pointer)


@pytest.mark.parametrize("quantity", ["NaN", "1E+1000000", "1_000", " 12 ", "１２３", "-0", "9" * 1_000_000])
def test_a_quantity_outside_the_grammar_is_refused(quantity: str) -> None:
    said = {**INVOICE, "lines": [{**INVOICE["lines"][0], "quantity": quantity}]}
    assert refusal("invoice", said) == ("intake.amount_invalid", "/lines/0/quantity")


def test_an_amount_as_a_fraction_is_drift_and_not_rounded() -> None:
    assert refusal("invoice", {**INVOICE, "net_minor": 104.5}) == ("integration.schema_violated", "/net_minor")


def test_an_amount_of_a_thousand_digits_is_refused() -> None:
    content = json.dumps(INVOICE).replace("12436", "9" * 1000).encode()
    code, _ = refusal("invoice", content)
    assert code in ("intake.amount_invalid", "integration.schema_violated")


def test_a_missing_promise_is_drift_and_an_added_field_is_none() -> None:
    without = {name: said for name, said in INVOICE.items() if name != "supplier_ref"}
    code, _ = refusal("invoice", without)
    assert code == "integration.schema_violated"
    assert value("invoice", {**INVOICE, "novelty": {"a": 1}}) == value("invoice", INVOICE)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"number": "1", "number": "2"}', "intake.duplicate_key"),
        (b"\xef\xbb\xbf{}", "intake.malformed"),
        (b"<html></html>", "intake.malformed"),
        (b"[" * 100_000, "intake.too_large"),
    ],
)
def test_bytes_that_are_no_honest_json_are_refused(content: bytes, code: str) -> None:
    assert refusal("invoice", content)[0] == code


def test_xml_is_not_read_as_json() -> None:
    answer = read("invoice", b"<a/>", "application/xml")
    assert isinstance(answer, Unreadable)
    assert answer.reason_code == "intake.type_not_supported"


def test_a_return_takes_from_a_receipt_and_its_quantity_is_positive() -> None:
    said = {
        "number": "WE-10",
        "sequence": 5,
        "company": "DE01",
        "supplier": "S-100",
        "kind": "return",
        "posted_on": "2026-11-19",
        "lines": [{"order": "4500", "position": 10, "quantity": "3", "accepted": "2", "takes_from": "WE-9"}],
    }
    receipt: Receipt = value("receipt", said)
    assert (receipt.kind, receipt.lines[0].takes_from) == ("return", "WE-9")
    assert (receipt.lines[0].quantity, receipt.lines[0].accepted) == (Decimal(3), Decimal(2))
    said["lines"] = [{"order": "4500", "position": 10, "quantity": "-3"}]
    assert refusal("receipt", said) == ("intake.ambiguous", "/lines/0/quantity")


def test_a_suspended_supplier_is_blocked_here() -> None:
    said = {
        "number": "S-100",
        "sequence": 2,
        "name": "Example GmbH",
        "status": "suspended",
        "companies": ["DE01"],
        "rating": "gold",
        "address": {"city": "Köln", "country": "DE"},
    }
    answer = read("supplier", said)
    supplier: Supplier = answer.value
    assert (supplier.status, supplier.company_codes, supplier.version) == ("blocked", ("DE01",), 2)
    assert supplier.address is not None
    assert answer.dropped == ("rating",)


def test_a_posting_is_written_in_minor_units_and_a_credit_negative() -> None:
    body = WRITERS["post_invoice"](codec.encode(posting()))
    assert (body.net_minor, body.tax_minor, body.gross_minor, body.kind) == (10000, 1900, 11900, "invoice")
    assert (body.lines[0].amount_minor, body.lines[0].quantity, body.lines[0].position) == (10000, "10", 10)
    memo = write_posting(codec.encode(posting(credit=True, original_document="19000001", original_year="2026")))
    assert (memo.gross_minor, memo.kind, memo.credits_document) == (-11900, "credit", "19000001")
    assert memo.lines[0].amount_minor == -10000


def test_a_posting_finer_than_its_currency_is_not_rounded() -> None:
    with pytest.raises(Unwritable) as unwritable:
        write_posting(codec.encode(posting(currency="JPY", net=Amount("100.50"))))
    assert (unwritable.value.reason_code, unwritable.value.pointer) == ("intake.amount_invalid", "/net")


@given(st.integers(-(10**14), 10**14), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_an_amount_comes_back_as_the_same_number_of_minor_units(minor: int, currency: str) -> None:
    said = {**INVOICE, "currency": currency, "gross_minor": minor}
    invoice: Invoice = value("invoice", said)
    assert invoice.gross is not None
    body = write_posting(codec.encode(posting(currency=currency, gross=invoice.gross, lines=(), taxes=())))
    assert body.gross_minor == minor
