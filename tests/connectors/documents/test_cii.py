"""What is particular to CII arrives in the same form as from UBL."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tripartite.connectors.documents import read_any
from tripartite.core.objects import Identifier, Invoice
from tripartite.core.objects.invoice import Delivery
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable

DATA = "urn:un:unece:uncefact:data:standard:"


def cii(
    *,
    line: str = "",
    agreement: str = "",
    delivery: str = "",
    settlement: str = "",
    day: str = "20260309",
    note: str = "",
) -> bytes:
    return f"""<rsm:CrossIndustryInvoice xmlns:rsm="{DATA}CrossIndustryInvoice:100"
    xmlns:ram="{DATA}ReusableAggregateBusinessInformationEntity:100"
    xmlns:udt="{DATA}UnqualifiedDataType:100" xmlns:qdt="{DATA}QualifiedDataType:100">
    <rsm:ExchangedDocument><ram:ID>R-1</ram:ID><ram:TypeCode>380</ram:TypeCode><ram:IssueDateTime>
    <udt:DateTimeString format="102">{day}</udt:DateTimeString></ram:IssueDateTime>{note}</rsm:ExchangedDocument>
    <rsm:SupplyChainTradeTransaction>{line}
    <ram:ApplicableHeaderTradeAgreement>{agreement}</ram:ApplicableHeaderTradeAgreement>
    <ram:ApplicableHeaderTradeDelivery>{delivery}</ram:ApplicableHeaderTradeDelivery>
    <ram:ApplicableHeaderTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>{settlement}
    </ram:ApplicableHeaderTradeSettlement></rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>""".encode()


def line(net: str = "", gross: str = "", head: str = "", more: str = "") -> str:
    return f"""<ram:IncludedSupplyChainTradeLineItem><ram:AssociatedDocumentLineDocument><ram:LineID>1</ram:LineID>
    {head}
    </ram:AssociatedDocumentLineDocument><ram:SpecifiedLineTradeAgreement><ram:GrossPriceProductTradePrice>
    <ram:ChargeAmount>5.00</ram:ChargeAmount>{gross}</ram:GrossPriceProductTradePrice><ram:NetPriceProductTradePrice>
    <ram:ChargeAmount>4.00</ram:ChargeAmount>{net}</ram:NetPriceProductTradePrice></ram:SpecifiedLineTradeAgreement>
    <ram:SpecifiedLineTradeDelivery><ram:BilledQuantity unitCode="EA">10</ram:BilledQuantity>
    </ram:SpecifiedLineTradeDelivery><ram:SpecifiedLineTradeSettlement>{more}
    <ram:SpecifiedTradeSettlementLineMonetarySummation><ram:LineTotalAmount>40.00</ram:LineTotalAmount>
    </ram:SpecifiedTradeSettlementLineMonetarySummation></ram:SpecifiedLineTradeSettlement>
    </ram:IncludedSupplyChainTradeLineItem>"""


def read(content: bytes) -> Invoice:
    answer = read_any(Raw(content, "application/xml"))
    assert isinstance(answer, ReadResult), answer
    assert isinstance(answer.value, Invoice)
    return answer.value


def refused(content: bytes) -> tuple[str, str]:
    answer = read_any(Raw(content, "application/xml"))
    assert isinstance(answer, Unreadable), answer
    return answer.reason_code, answer.pointer


@pytest.mark.parametrize("day", ["20260230", "2026-03-09", "260309", "00000000", "２０２６0309", ""])
def test_a_date_that_is_none_is_refused_where_it_stands(day: str) -> None:
    place = "/rsm:CrossIndustryInvoice/rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString"
    assert refused(cii(day=day)) == ("intake.value_out_of_range", place)
    assert refused(cii().replace(b'format="102"', b'format="610"')) == ("intake.value_out_of_range", place)


def test_a_base_quantity_may_stand_with_either_price_and_the_net_price_counts() -> None:
    per = '<ram:BasisQuantity unitCode="EA">{}</ram:BasisQuantity>'
    assert read(cii(line=line(net=per.format(100)))).lines[0].price_per == Decimal(100)
    assert read(cii(line=line(gross=per.format(100)))).lines[0].price_per == Decimal(100)
    found = read(cii(line=line(net=per.format(100), gross=per.format(10))))
    assert found.lines[0].price_per == Decimal(100)
    assert list(found.extra.values()) == ["10"]
    assert read(cii(line=line(net=per.format(1)))).lines[0].price_per is None
    assert refused(cii(line=line(net=per.format(0))))[0] == "intake.value_out_of_range"


def test_the_subject_of_a_note_stands_in_front_of_it_as_in_ubl() -> None:
    note = "<ram:IncludedNote><ram:Content>late</ram:Content><ram:SubjectCode>AAC</ram:SubjectCode></ram:IncludedNote>"
    assert read(cii(note=note)).notes == ("#AAC#late",)
    assert read(cii(note=note.replace("<ram:SubjectCode>AAC</ram:SubjectCode>", ""))).notes == ("late",)


def test_the_tax_point_belongs_to_the_document_and_is_said_in_the_codes_of_ubl() -> None:
    tax = """<ram:ApplicableTradeTax><ram:CalculatedAmount>7.60</ram:CalculatedAmount><ram:TypeCode>VAT</ram:TypeCode>
    <ram:BasisAmount>40.00</ram:BasisAmount><ram:CategoryCode>S</ram:CategoryCode><ram:DueDateTypeCode>{}
    </ram:DueDateTypeCode><ram:RateApplicablePercent>19</ram:RateApplicablePercent></ram:ApplicableTradeTax>"""
    for stated, ours in (("5", "3"), ("29", "35"), ("72", "432"), ("1", "1")):
        assert read(cii(settlement=tax.format(stated))).tax_point_code == ours
    assert list(read(cii(settlement=tax.format(5) + tax.format(29))).extra.values()) == ["35"]


def test_a_total_of_zero_may_be_left_out_only_where_nothing_is_taxed() -> None:
    tax = """<ram:ApplicableTradeTax><ram:CalculatedAmount>{}</ram:CalculatedAmount><ram:TypeCode>VAT</ram:TypeCode>
    <ram:BasisAmount>40.00</ram:BasisAmount><ram:CategoryCode>{}</ram:CategoryCode></ram:ApplicableTradeTax>"""
    assert read(cii(settlement=tax.format("0", "O"))).tax == Decimal(0)
    assert read(cii(settlement=tax.format("0", "Z"))).tax is None
    assert read(cii(settlement=tax.format("7.60", "O"))).tax is None
    assert read(cii()).tax is None


def test_one_total_per_currency_and_no_third_currency() -> None:
    total = (
        "<ram:SpecifiedTradeSettlementHeaderMonetarySummation>{}</ram:SpecifiedTradeSettlementHeaderMonetarySummation>"
    )
    one = '<ram:TaxTotalAmount currencyID="{}">7.60</ram:TaxTotalAmount>'
    both = "<ram:TaxCurrencyCode>SEK</ram:TaxCurrencyCode>" + total.format(one.format("EUR") + one.format("SEK"))
    found = read(cii(settlement=both))
    assert (found.tax, found.tax_in_tax_currency) == (Decimal("7.60"), Decimal("7.60"))
    for wrong in (one.format("EUR") * 2, one.format("EUR") + one.format("USD")):
        code, place = refused(cii(settlement=total.format(wrong)))
        assert (code, place.rpartition("/")[2]) == ("intake.ambiguous", "ram:TaxTotalAmount[2]")


def test_parties_keep_their_numbers_by_scheme() -> None:
    seller = """<ram:SellerTradeParty><ram:ID>V-100</ram:ID><ram:GlobalID schemeID="0088">4012345</ram:GlobalID>
    <ram:Name>Bolt GmbH</ram:Name><ram:SpecifiedTaxRegistration><ram:ID schemeID="FC">12/345</ram:ID>
    </ram:SpecifiedTaxRegistration><ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE1</ram:ID>
    </ram:SpecifiedTaxRegistration><ram:SpecifiedTaxRegistration><ram:ID schemeID="ZZ">odd</ram:ID>
    </ram:SpecifiedTaxRegistration></ram:SellerTradeParty>"""
    found = read(cii(agreement=seller))
    assert found.supplier is not None
    assert found.supplier.ids == (Identifier("V-100"), Identifier("4012345", "0088"))
    assert (found.supplier.tax_id, found.supplier.tax_registration) == ("DE1", "12/345")
    assert sorted(found.extra.values()) == ["ZZ", "odd"]


def test_the_place_of_delivery_and_its_day_are_one_delivery() -> None:
    delivery = """<ram:ShipToTradeParty><ram:GlobalID schemeID="0088">4099</ram:GlobalID><ram:Name>Gate 4</ram:Name>
    </ram:ShipToTradeParty><ram:ActualDeliverySupplyChainEvent><ram:OccurrenceDateTime>
    <udt:DateTimeString format="102">20260301</udt:DateTimeString></ram:OccurrenceDateTime>
    </ram:ActualDeliverySupplyChainEvent>"""
    place = Delivery("Gate 4", Identifier("4099", "0088"), date(2026, 3, 1))
    assert read(cii(delivery=delivery)).deliveries == (place,)


def test_headings_among_the_lines_are_no_part_of_the_sum() -> None:
    head = "<ram:ParentLineID>0</ram:ParentLineID><ram:LineStatusReasonCode>{}</ram:LineStatusReasonCode>"
    group = read(cii(line=line(head=head.format("GROUP")))).lines[0]
    assert (group.informative, group.parent) == (True, "0")
    assert read(cii(line=line(head=head.format("DETAIL")))).lines[0].informative is False
    assert list(read(cii(line=line(head=head.format("NEW")))).extra.values()) == ["NEW"]


def test_a_comment_in_a_cii_amount_is_refused() -> None:
    content = cii(line=line()).replace(b"<ram:LineTotalAmount>40.00", b"<ram:LineTotalAmount>4<!-- -->0.00")
    assert refused(content)[0] == "intake.ambiguous"
