"""A posting in SAP's words: what stands where, and what is refused rather than cut."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from connectors.sap_s4hana.sap_bench import line, posting
from tripartite.connectors.sap_s4hana.transform import WRITERS, addressed, padded, unpadded, write_posting
from tripartite.connectors.sap_s4hana.transform.words import day, milliseconds, money, quantity, ticks, unit
from tripartite.core.codec import Malformed, encode
from tripartite.core.money import Amount, Money
from tripartite.core.objects import PostingTax
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import Unwritable


def written(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(WRITERS["post_invoice"](encode(posting(**changes)))))
    return body


def test_a_posting_names_only_what_it_has() -> None:
    assert written() == {
        "CompanyCode": "1010",
        "DocumentDate": "/Date(1794441600000)/",
        "PostingDate": "/Date(1794787200000)/",
        "SupplierInvoiceIDByInvcgParty": "RW-2026-00417",
        "InvoicingParty": "0010300080",
        "DocumentCurrency": "EUR",
        "InvoiceGrossAmount": "1190.00",
        "TaxIsCalculatedAutomatically": True,
        "TaxDeterminationDate": "/Date(1794441600000)/",
        "to_SuplrInvcItemPurOrdRef": [
            {
                "SupplierInvoiceItem": "000001",
                "PurchaseOrder": "4500001234",
                "PurchaseOrderItem": "00010",
                "TaxCode": "V1",
                "DocumentCurrency": "EUR",
                "SupplierInvoiceItemAmount": "1000.00",
                "PurchaseOrderQtyUnitISOCode": "EA",
                "QuantityInPurchaseOrderUnit": "10",
            }
        ],
    }


def test_a_credit_memo_refers_to_the_document_it_takes_back() -> None:
    body = written(credit=True, original_document="5105600123", original_year="2025")
    assert body["SupplierInvoiceIsCreditMemo"] == "X"
    assert (body["InvoiceReference"], body["InvoiceReferenceFiscalYear"]) == ("5105600123", "2025")
    assert written(original_document="5105600123/2025")["InvoiceReferenceFiscalYear"] == "2025"


def test_value_corrections_and_final_invoices_carry_their_flags() -> None:
    (item,) = written(lines=(line(value_only=True, final=True, quantity=None, unit=""),))["to_SuplrInvcItemPurOrdRef"]
    assert item["IsSubsequentDebitCredit"] == "X"
    assert item["IsFinallyInvoiced"] is True
    assert "QuantityInPurchaseOrderUnit" not in item


def test_the_due_date_is_told_by_terms_by_days_or_by_a_baseline() -> None:
    terms = written(payment_terms="0002", due_on=date(2026, 12, 12))
    assert (terms["PaymentTerms"], terms["DueCalculationBaseDate"]) == ("0002", "/Date(1794441600000)/")
    assert "NetPaymentDays" not in terms
    days = written(due_on=date(2026, 12, 12))
    assert (days["NetPaymentDays"], days["DueCalculationBaseDate"]) == ("30", "/Date(1794441600000)/")
    past = written(due_on=date(2026, 11, 11))
    assert (past["NetPaymentDays"], past["DueCalculationBaseDate"]) == ("0", ticks(date(2026, 11, 11)))


def test_unplanned_costs_and_stated_taxes_stand_in_the_header() -> None:
    body = written(
        unplanned_cost=Amount("-12.5"),
        taxes=(PostingTax("V1", Amount("190"), Amount("1000")), PostingTax("V2", Amount("0"))),
    )
    assert body["UnplannedDeliveryCost"] == "-12.50"
    assert body["TaxIsCalculatedAutomatically"] is False
    assert body["to_SupplierInvoiceTax"] == [
        {"TaxCode": "V1", "DocumentCurrency": "EUR", "TaxAmount": "190.00", "TaxBaseAmountInTransCrcy": "1000.00"},
        {"TaxCode": "V2", "DocumentCurrency": "EUR", "TaxAmount": "0.00"},
    ]


@pytest.mark.parametrize(
    ("credit", "amount", "side"), [(False, "10", "S"), (False, "-10", "H"), (True, "10", "H"), (True, "-10", "S")]
)
def test_an_account_line_is_debited_or_credited_and_its_amount_positive(credit: bool, amount: str, side: str) -> None:
    account = line(order_number="", order_line=0, account="61010000", cost_centre="10101301", amount=Amount(amount))
    (item,) = written(credit=credit, lines=(account,))["to_SupplierInvoiceItemGLAcct"]
    assert (item["DebitCreditCode"], item["SupplierInvoiceItemAmount"]) == (side, "10.00")
    assert (item["SupplierInvoiceItem"], item["GLAccount"], item["CostCenter"]) == ("0001", "61010000", "10101301")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"invoice_number": "A" * 17}, "/invoice_number"),
        ({"invoice_number": ""}, "/invoice_number"),
        ({"company_code": "10100"}, "/company_code"),
        ({"supplier_number": "10300080123"}, "/supplier_number"),
        ({"gross": Amount("1190.005")}, "/gross"),
        ({"gross": Amount("-1190.00")}, "/gross"),
        ({"gross": Amount("100000000000.00")}, "/gross"),
        ({"payment_terms": "30 days net"}, "/payment_terms"),
        ({"payment_block": "AB"}, "/payment_block"),
        ({"due_on": date(2030, 1, 1)}, "/due_on"),
        ({"lines": ()}, "/lines"),
        ({"lines": (line(order_line=0),)}, "/lines/0/order_line"),
        ({"lines": (line(), line(amount=Amount("-1")))}, "/lines/1/amount"),
        ({"lines": (line(quantity=Quantity("0.0001")),)}, "/lines/0/quantity"),
        ({"lines": (line(unit="LANG"),)}, "/lines/0/unit"),
        ({"lines": (line(receipt_number="5000000891"),)}, "/lines/0/receipt_year"),
        ({"lines": (line(order_number="", account=""),)}, "/lines/0/account"),
        ({"taxes": (PostingTax("V19", Amount("1")),)}, "/taxes/0/code"),
        ({"currency": "CLF"}, "/gross"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place_and_never_cut(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Unwritable) as caught:
        write_posting(encode(posting(**{"invoice_number": "RW-1", **changes})))
    assert (caught.value.reason_code, caught.value.pointer) == ("posting.unwritable", pointer)


def test_the_delivery_key_stands_in_the_header_text_within_its_25_characters() -> None:
    body = addressed(write_posting(encode(posting())), "dlv_0123456789abcdefghjkmnpqrs", {"1010": "DE"})
    assert body.DocumentHeaderText == "dlv_0123456789abcdefghjkm"
    assert (body.to_SuplrInvcItemPurOrdRef or [])[0].TaxCountry == "DE"


@given(some.integers(0, 10**13 - 1), some.sampled_from(["EUR", "JPY", "KWD"]))
def test_every_amount_a_currency_can_have_is_written_exactly(minor: int, currency: str) -> None:
    amount = Money(minor, currency).decimal()
    if amount >= 10**11:
        return
    assert Money.of(Amount(money(amount, currency, "")), currency) == Money(minor, currency)


@given(some.dates(date(1970, 1, 1), date(2200, 12, 31)))
def test_a_date_survives_the_way_to_sap_and_back(value: date) -> None:
    assert day(ticks(value)) == value


@given(some.text("0123456789", min_size=1, max_size=10))
def test_numbers_compare_equal_with_and_without_their_zeros(number: str) -> None:
    assert unpadded(padded(number)) == unpadded(number)
    assert padded(unpadded(number)) == padded(number)


def test_alphanumeric_numbers_are_never_padded() -> None:
    assert padded("LIEF-7") == "LIEF-7"
    assert unpadded("00LIEF") == "00LIEF"


def test_units_go_to_sap_and_back_unchanged() -> None:
    assert [unit(name) for name in ("PC", "ST", "EA", "KG", "ZXY", None)] == ["H87", "H87", "EA", "KGM", "ZXY", ""]
    pieces = written(lines=(line(unit="H87"),))["to_SuplrInvcItemPurOrdRef"][0]
    assert pieces["PurchaseOrderQtyUnitISOCode"] == "PCE"
    own = written(lines=(line(unit="ZXY"),))["to_SuplrInvcItemPurOrdRef"][0]
    assert own["PurchaseOrderQuantityUnit"] == "ZXY"


def test_instants_and_dates_that_are_none_are_refused() -> None:
    assert milliseconds("/Date(1767348000123+0000)/") == 1767348000123
    assert milliseconds("2026-01-02T10:00:00.123Z") == 1767348000123
    for text in ("yesterday", "/Date(99999999999999999999)/", "/Date(8640000000000000)/"):
        with pytest.raises(Malformed):
            day(text)
    assert quantity(Quantity("10.500"), "") == "10.500"
