"""Documents that could be read in two ways, or whose numbers are none, are refused with code and exact place."""

from __future__ import annotations

import pytest

from connectors.documents.builder import SUPPLIER, TAXES, TOTALS, UBL, invoice, line, ubl
from tripartite.connectors.documents import READERS, detect, read_any
from tripartite.core.objects import Invoice
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable


def refused(content: bytes) -> tuple[str, str]:
    answer = read_any(Raw(content, "application/xml"))
    assert isinstance(answer, Unreadable), answer
    return answer.reason_code, answer.pointer


def read(content: bytes) -> Invoice:
    answer = read_any(Raw(content, "application/xml"))
    assert isinstance(answer, ReadResult), answer
    assert isinstance(answer.value, Invoice)
    return answer.value


def test_xml_comment_in_amount_is_refused() -> None:
    for cut in ("1<!-- -->00", "100<!-- -->", "<!-- x -->100", "1<?x?>00"):
        assert refused(invoice(lines=line() + line(2, amount=cut))) == (
            "intake.ambiguous",
            "/Invoice/cac:InvoiceLine[2]/cbc:LineExtensionAmount",
        )
    assert refused(invoice(number="R-<!-- -->1")) == ("intake.ambiguous", "/Invoice/cbc:ID")


def test_xml_cdata_is_read_whole() -> None:
    assert str(read(invoice(lines=line(amount="<![CDATA[4]]>0<![CDATA[.00]]>"))).lines[0].amount) == "40.00"
    assert refused(invoice(lines=line(amount="<![CDATA[40.00<!-- -->]]>")))[0] == "intake.amount_invalid"
    assert read(invoice(number="<![CDATA[<b>]]>")).number == "<b>"


def test_xml_doubled_elements_are_refused() -> None:
    whole = invoice()
    assert refused(whole + whole[whole.index(b"<Invoice") :])[0] == "intake.ambiguous"
    assert refused(invoice(taxes=TAXES + TAXES)) == (
        "intake.ambiguous",
        "/Invoice/cac:TaxTotal[2]/cbc:TaxAmount",
    )
    assert refused(invoice(totals=TOTALS + TOTALS))[0] == "intake.ambiguous"
    doubled = TOTALS.replace("</cac:Legal", '<cbc:PayableAmount currencyID="EUR">1.00</cbc:PayableAmount></cac:Legal')
    assert refused(invoice(totals=doubled)) == (
        "intake.ambiguous",
        "/Invoice/cac:LegalMonetaryTotal/cbc:PayableAmount[2]",
    )
    assert refused(invoice(head="<cbc:ID>R-2</cbc:ID>")) == ("intake.ambiguous", "/Invoice/cbc:ID[2]")
    assert refused(invoice(head="<x Id='a'/><y Id='a'/>"))[0] == "intake.ambiguous"
    assert refused(invoice(head=SUPPLIER))[0] == "intake.ambiguous"


@pytest.mark.parametrize(
    "namespace",
    [
        UBL + "Invoice-1",
        UBL + "Invoice-2 ",
        UBL + "invoice-2",
        UBL.replace("oasis", "0asis") + "Invoice-2",
        UBL.replace("oasis", "oаsis") + "Invoice-2",  # a Cyrillic letter
        "http://docs.oasis-open.org/ubl/Invoice-2",
        "",
    ],
)
def test_xml_lookalike_namespace_is_refused(namespace: str) -> None:
    content = invoice().decode().replace(f"xmlns='{UBL}Invoice-2'", f"xmlns='{namespace}'").encode()
    assert refused(content) == ("intake.type_not_supported", "/Invoice")


def test_a_lookalike_namespace_inside_a_document_is_not_read_as_the_real_one() -> None:
    content = invoice(lines=line().replace("<cbc:LineExtensionAmount", "<x:LineExtensionAmount xmlns:x='urn:x'"))
    content = content.replace(
        b"40.00</cbc:LineExtensionAmount>\n    <cac:Order", b"9.00</x:LineExtensionAmount><cac:Order"
    )
    found = read(content)
    assert found.lines[0].amount is None
    assert found.extra["/Invoice/cac:InvoiceLine/LineExtensionAmount"] == "9.00"


@pytest.mark.parametrize(
    "amount",
    [
        "NaN",
        "Infinity",
        "sNaN",
        "1E+1000000",
        "-0",
        "1_000",
        "１２３",
        "١٢٣",
        "1" * 1_000_000,
        "1,00",
        "1 000",
        "+1",
        ".5",
        "5.",
        "",
        "07",
    ],
)
def test_amounts_outside_the_grammar_are_refused_where_they_stand(amount: str) -> None:
    assert refused(invoice(lines=line(amount=amount))) == (
        "intake.amount_invalid",
        "/Invoice/cac:InvoiceLine/cbc:LineExtensionAmount",
    )


def test_blanks_around_an_amount_are_layout_and_not_part_of_it() -> None:
    assert str(read(invoice(lines=line(amount="\n   40.00\n  "))).lines[0].amount) == "40.00"


def test_amount_finer_than_its_currency_is_refused() -> None:
    assert refused(invoice(lines=line(amount="40.001"))) == (
        "intake.amount_invalid",
        "/Invoice/cac:InvoiceLine/cbc:LineExtensionAmount",
    )
    assert str(read(invoice(lines=line(amount="40.0000"))).lines[0].amount) == "40.0000"
    yen = invoice(lines=line(amount="40.50"), taxes="", totals="").replace(b"EUR", b"JPY")
    assert refused(yen) == ("intake.amount_invalid", "/Invoice/cac:InvoiceLine/cbc:LineExtensionAmount")
    dinar = invoice(lines=line(amount="40.505"), taxes="", totals="").replace(b"EUR", b"KWD")
    assert str(read(dinar).lines[0].amount) == "40.505"
    assert str(read(invoice(lines=line(price="0.123456789"))).lines[0].price) == "0.123456789"


def test_an_amount_in_another_currency_than_the_document_is_refused() -> None:
    lines = line().replace('<cbc:PriceAmount currencyID="EUR"', '<cbc:PriceAmount currencyID="USD"')
    assert refused(invoice(lines=lines)) == (
        "intake.ambiguous",
        "/Invoice/cac:InvoiceLine/cac:Price/cbc:PriceAmount/@currencyID",
    )
    assert refused(invoice(taxes=TAXES.replace("EUR", "USD", 1)))[0] == "intake.ambiguous"


def test_unknown_currency_is_refused() -> None:
    for currency in ("XXX", "eur", "EURO", "ZZZ"):
        assert refused(invoice(currency=currency)) == (
            "intake.value_out_of_range",
            "/Invoice/cbc:DocumentCurrencyCode",
        )


def test_a_document_without_currency_takes_the_one_its_amounts_state() -> None:
    content = invoice().replace(b"<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>", b"")
    assert read(content).currency == "EUR"
    nothing = ubl("<cbc:ID>1</cbc:ID>")
    assert refused(nothing) == ("intake.value_out_of_range", "/Invoice/cbc:DocumentCurrencyCode")


@pytest.mark.parametrize(
    "day", ["0000-00-00", "2026-02-30", "20260309", "09.03.2026", "2026-W11-1", "２０２６-03-09", ""]
)
def test_impossible_dates_are_refused_and_far_dates_noticed(day: str) -> None:
    assert refused(invoice(issued_on=day)) == ("intake.value_out_of_range", "/Invoice/cbc:IssueDate")


def test_a_far_date_or_a_time_zone_is_read_as_stated() -> None:
    assert str(read(invoice(issued_on="9999-12-31")).issued_on) == "9999-12-31"
    assert str(read(invoice(issued_on="2026-03-09+14:00")).issued_on) == "2026-03-09"
    assert str(read(invoice(issued_on="2026-03-09Z")).issued_on) == "2026-03-09"


def test_overlong_reference_is_refused() -> None:
    assert refused(invoice(number="9" * 10_000)) == ("intake.value_out_of_range", "/Invoice/cbc:ID")
    assert refused(invoice(order="9" * 10_000))[0] == "intake.value_out_of_range"


def test_a_document_without_its_number_is_malformed() -> None:
    assert refused(invoice(number="")) == ("intake.malformed", "/Invoice")


def test_a_price_per_nothing_is_refused() -> None:
    lines = line().replace(
        "</cbc:PriceAmount>", '</cbc:PriceAmount><cbc:BaseQuantity unitCode="EA">0</cbc:BaseQuantity>'
    )
    assert refused(invoice(lines=lines)) == (
        "intake.value_out_of_range",
        "/Invoice/cac:InvoiceLine/cac:Price/cbc:BaseQuantity",
    )


def test_text_between_elements_is_refused_not_skipped() -> None:
    assert refused(invoice(head="stray")) == ("intake.ambiguous", "/Invoice")
    assert (
        refused(invoice(lines=line().replace("<cac:Item>", "<cac:Item>12")))[1] == "/Invoice/cac:InvoiceLine/cac:Item"
    )


def test_too_many_lines_are_refused() -> None:
    # 100,001 full lines are beyond the limit of bytes already; bare ones reach the limit of lines.
    content = invoice(lines="<cac:InvoiceLine/>" * 100_001)
    assert refused(content)[0] == "intake.too_large"


def test_sql_html_and_templates_stay_text() -> None:
    for said in ("'; DROP TABLE invoices; --", "&lt;script&gt;alert(1)&lt;/script&gt;", "{{7*7}}", "a\u202eb\u200bc"):
        found = read(invoice(head=f"<cbc:Note>{said}</cbc:Note>"))
        assert found.notes == (said.replace("&lt;", "<").replace("&gt;", ">"),)


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"PK\x03\x04", "application/zip"),
        (b"UNA:+.? 'UNB+UNOC:3", "edifact"),
        (b"UNB+UNOC:3+A+B'", "edifact"),
        (b"ISA*00*", "x12"),
        (b"{}", "canonical.json"),
        (b"hello", ""),
        (b"<html/>", "/html"),
    ],
)
def test_what_is_no_document_of_ours_is_named(content: bytes, pointer: str) -> None:
    assert refused(content) == ("intake.type_not_supported", pointer)


def test_nothing_at_all_is_malformed() -> None:
    assert refused(b"") == ("intake.malformed", "")
    assert refused(b" \n\t ") == ("intake.malformed", "")


def test_canonical_json_is_recognised() -> None:
    assert detect(b' {"number": "1"}') == "canonical.json"


def test_a_reader_refuses_a_document_of_another_format() -> None:
    answer = READERS["ubl.creditnote"](Raw(invoice(), ""))
    assert isinstance(answer, Unreadable)
    assert (answer.reason_code, answer.pointer) == ("intake.type_not_supported", "/Invoice")


def test_one_bad_document_does_not_disturb_the_next() -> None:
    good = read(invoice())
    for bad in (invoice(currency="XXX"), invoice(lines=line(amount="x")), b"<a>"):
        read_any(Raw(bad, ""))
        assert read(invoice()) == good
