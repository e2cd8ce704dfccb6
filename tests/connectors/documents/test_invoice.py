"""What an invoice or credit note says in UBL and CII arrives in the canonical invoice, as stated."""

from __future__ import annotations

import base64
import hashlib
from datetime import date
from decimal import Decimal

import pytest

from connectors.documents.builder import invoice, line, ubl
from tripartite.connectors.documents import read_any
from tripartite.core.codec import decode, encode
from tripartite.core.objects import BankAccount, Identifier, Invoice
from tripartite.core.objects.invoice import Attachment, Classification, ItemAttribute, Reference
from tripartite.runtime.protocol import Raw, ReadResult


def read(content: bytes) -> Invoice:
    answer = read_any(Raw(content, "application/xml"))
    assert isinstance(answer, ReadResult), answer
    assert isinstance(answer.value, Invoice)
    return answer.value


def test_an_ordinary_invoice_arrives_whole() -> None:
    found = read(invoice())
    assert (found.number, found.kind, found.currency, found.issued_on) == ("R-1", "invoice", "EUR", date(2026, 3, 9))
    assert (found.net, found.tax, found.gross, found.payable) == tuple(
        map(Decimal, ("40.00", "7.60", "47.60", "47.60"))
    )
    assert found.order_numbers == ("4500000123",)
    assert found.supplier is not None
    assert (found.supplier.name, found.supplier.tax_id) == ("Bolt GmbH", "DE111111111")
    assert found.supplier.endpoint == Identifier("ar@bolt.example", "EM")
    assert found.supplier.address is not None
    assert found.supplier.address.city == "Bremen"
    assert found.buyer is not None
    assert found.buyer.name == "Mill AG"
    (only,) = found.lines
    assert (only.line, only.line_id, only.order_line, only.order_line_ref) == (1, "1", 10, "10")
    assert (only.quantity, only.unit, only.price, only.price_per) == (Decimal(10), "EA", Decimal("4.00"), None)
    assert (only.description, only.details) == ("Bolt M8", "Hex bolt, zinc plated")
    assert (only.tax_category, only.tax_rate, only.amount) == ("S", Decimal(19), Decimal("40.00"))
    assert (found.taxes[0].base, found.taxes[0].amount, found.taxes[0].rate) == (
        Decimal(40),
        Decimal("7.60"),
        Decimal(19),
    )
    assert found.extra == {}
    assert decode(encode(found), Invoice) == found


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("380", "invoice"),
        ("326", "invoice"),
        ("384", "invoice"),
        ("875", "invoice"),
        ("877", "invoice"),
        ("383", "invoice"),
        ("381", "credit_memo"),
        ("396", "credit_memo"),
        ("261", "credit_memo"),
        ("386", "prepayment"),
        ("389", "self_billed"),
        ("", "invoice"),
    ],
)
def test_the_type_code_says_the_kind(code: str, kind: str) -> None:
    found = read(invoice(type_code=code))
    assert (found.kind, found.type_code) == (kind, code)


def test_a_credit_note_is_a_credit_memo_with_positive_amounts() -> None:
    lines = line().replace("InvoiceLine", "CreditNoteLine").replace("InvoicedQuantity", "CreditedQuantity")
    found = read(invoice(root="CreditNote", type_code="381", lines=lines))
    assert (found.kind, found.payable, found.lines[0].quantity) == ("credit_memo", Decimal("47.60"), Decimal(10))


def test_self_billing_documents_are_known_by_their_roots() -> None:
    assert read(invoice(root="SelfBilledInvoice", type_code="")).kind == "self_billed"
    assert read(invoice(root="SelfBilledInvoice", type_code="389")).kind == "self_billed"
    assert read(invoice(root="SelfBilledCreditNote", type_code="")).kind == "credit_memo"


def test_an_invoice_with_negative_amounts_stays_as_stated() -> None:
    """negative_quantity_is_never_a_silent_credit: reading changes no sign and no kind; pairing is matching's work."""
    negative = invoice(lines=line(quantity="-10", amount="-40.00")).replace(b">47.60<", b">-47.60<")
    found = read(negative)
    assert (found.kind, found.payable) == ("invoice", Decimal("-47.60"))
    assert (found.lines[0].quantity, found.lines[0].amount) == (Decimal(-10), Decimal("-40.00"))


CHARGE = """<cac:AllowanceCharge><cbc:ChargeIndicator>{flag}</cbc:ChargeIndicator>
<cbc:AllowanceChargeReasonCode>{code}</cbc:AllowanceChargeReasonCode>
<cbc:AllowanceChargeReason>as agreed</cbc:AllowanceChargeReason>
<cbc:Amount currencyID="EUR">{amount}</cbc:Amount></cac:AllowanceCharge>"""


def test_a_charge_is_positive_and_an_allowance_negative() -> None:
    head = CHARGE.format(flag="true", code="FC", amount="5.00") + CHARGE.format(flag="false", code="95", amount="2.50")
    found = read(invoice(head=head))
    assert [(entry.kind, entry.amount, entry.code) for entry in found.charges] == [
        ("freight", Decimal("5.00"), "FC"),
        ("allowance", Decimal("-2.50"), "95"),
    ]
    zero = read(invoice(head=CHARGE.format(flag="0", code="95", amount="0.00")))
    assert str(zero.charges[0].amount) == "0.00"
    on_line = read(invoice(lines=line(extra=CHARGE.format(flag="1", code="PC", amount="1.00"))))
    assert (on_line.lines[0].allowances[0].kind, on_line.charges) == ("packing", ())


def test_the_order_line_is_a_number_only_where_it_is_one() -> None:
    for stated, number in (("10", 10), ("00010", 10), ("6171175.1", None), ("A1", None), ("1" * 10, None), ("१", None)):
        lines = line().replace("<cbc:LineID>10<", f"<cbc:LineID>{stated}<")
        only = read(invoice(lines=lines)).lines[0]
        assert (only.order_line, only.order_line_ref) == (number, stated)


def test_a_line_may_name_its_own_order() -> None:
    lines = line().replace(
        "</cbc:LineID>", "</cbc:LineID><cac:OrderReference><cbc:ID>4500000999</cbc:ID></cac:OrderReference>"
    )
    found = read(invoice(lines=lines))
    assert (found.lines[0].order_number, found.order_numbers) == ("4500000999", ("4500000123",))


def test_a_placeholder_for_an_order_is_no_order() -> None:
    stated = b"<cbc:ID>4500000123</cbc:ID>"
    content = invoice().replace(stated, b"<cbc:ID>NA</cbc:ID><cbc:SalesOrderID>S-7</cbc:SalesOrderID>")
    answer = read_any(Raw(content, ""))
    assert isinstance(answer, ReadResult)
    assert isinstance(answer.value, Invoice)
    assert (answer.value.order_numbers, answer.value.sales_order) == ((), "S-7")
    assert answer.dropped == ("cac:OrderReference/cbc:ID",)
    assert read(invoice(order="NA")).order_numbers == ("NA",)


def test_the_total_in_the_tax_currency_is_carried_beside_the_other() -> None:
    foreign = '<cac:TaxTotal><cbc:TaxAmount currencyID="SEK">83.91</cbc:TaxAmount></cac:TaxTotal>'
    content = invoice(head=f"<cbc:TaxCurrencyCode>SEK</cbc:TaxCurrencyCode>{foreign}")
    found = read(content)
    assert (found.tax, found.tax_currency, found.tax_in_tax_currency) == (Decimal("7.60"), "SEK", Decimal("83.91"))


def test_a_price_per_hundred_and_its_discount_are_exact() -> None:
    priced = """<cac:Price><cbc:PriceAmount currencyID="EUR">4.123456</cbc:PriceAmount>
    <cbc:BaseQuantity unitCode="EA">100</cbc:BaseQuantity><cac:AllowanceCharge>
    <cbc:ChargeIndicator>false</cbc:ChargeIndicator><cbc:Amount currencyID="EUR">0.5</cbc:Amount>
    <cbc:BaseAmount currencyID="EUR">4.623456</cbc:BaseAmount></cac:AllowanceCharge></cac:Price></cac:InvoiceLine>"""
    lines = line()
    only = read(invoice(lines=lines[: lines.index("<cac:Price>")] + priced)).lines[0]
    assert (only.price, only.price_per, only.price_unit) == (Decimal("4.123456"), Decimal(100), "")
    assert (only.price_gross, only.price_discount) == (Decimal("4.623456"), Decimal("0.5"))
    other = priced.replace('unitCode="EA">100', 'unitCode="KGM">1')
    weighed = read(invoice(lines=lines[: lines.index("<cac:Price>")] + other)).lines[0]
    assert (weighed.price_per, weighed.price_unit) == (Decimal(1), "KGM")


def test_sub_lines_stay_inside_their_line() -> None:
    inner = line(1, amount="30.00") + line(2, amount="10.00", extra=line(1, amount="4.00"))
    inner = inner.replace("InvoiceLine", "SubInvoiceLine")
    found = read(invoice(lines=line(extra=inner)))
    assert len(found.lines) == 1
    assert [(sub.line, sub.amount) for sub in found.lines[0].sub_lines] == [(1, Decimal(30)), (2, Decimal(10))]
    assert [sub.amount for sub in found.lines[0].sub_lines[1].sub_lines] == [Decimal(4)]


def test_an_attachment_is_carried_as_digest_and_length() -> None:
    content = b"%PDF- not a real one" * 10
    head = f"""<cac:AdditionalDocumentReference><cbc:ID>A-1</cbc:ID><cbc:DocumentDescription>Time sheet
    </cbc:DocumentDescription><cac:Attachment><cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf"
    filename="a.pdf">{base64.b64encode(content).decode()}</cbc:EmbeddedDocumentBinaryObject></cac:Attachment>
    </cac:AdditionalDocumentReference><cac:AdditionalDocumentReference><cbc:ID schemeID="AAA">METER-7</cbc:ID>
    <cbc:DocumentTypeCode>130</cbc:DocumentTypeCode></cac:AdditionalDocumentReference>"""
    found = read(invoice(head=head))
    assert found.attachments == (
        Attachment(
            number="A-1",
            description="Time sheet",
            filename="a.pdf",
            media_type="application/pdf",
            digest=hashlib.sha256(content).hexdigest(),
            length=len(content),
        ),
    )
    assert found.object_id == Identifier("METER-7", "AAA")
    broken = read_any(Raw(invoice(head=head.replace("filename", "x='1' filename").replace("JVB", "J=B")), ""))
    assert not isinstance(broken, ReadResult)
    assert broken.reason_code == "intake.malformed"
    assert broken.pointer.endswith("cac:Attachment/cbc:EmbeddedDocumentBinaryObject")


def means(account: str, reference: str) -> str:
    return f"""<cac:PaymentMeans><cbc:PaymentMeansCode name="SEPA">58</cbc:PaymentMeansCode>
    <cbc:PaymentID>{reference}</cbc:PaymentID><cac:PayeeFinancialAccount><cbc:ID>{account}</cbc:ID>
    <cbc:Name>Bolt GmbH</cbc:Name><cac:FinancialInstitutionBranch><cbc:ID>SSKMDEMM</cbc:ID>
    </cac:FinancialInstitutionBranch></cac:PayeeFinancialAccount></cac:PaymentMeans>"""


def test_the_first_account_is_where_to_remit_and_the_others_are_kept() -> None:
    found = read(invoice(head=means("DE02", "RF1") + means("DE03", "RF1") + means("DE04", "RF2")))
    assert found.remit_to == BankAccount("DE02", "Bolt GmbH", "SSKMDEMM")
    assert [entry.account.account for entry in found.payment_means if entry.account] == ["DE02", "DE03", "DE04"]
    assert found.payment_reference == "RF1"
    assert [entry.reference for entry in found.payment_means] == ["", "", "RF2"]


def test_a_cash_discount_in_the_words_of_xrechnung_is_understood() -> None:
    terms = "<cac:PaymentTerms><cbc:Note>{}</cbc:Note></cac:PaymentTerms>"
    found = read(invoice(head=terms.format("#SKONTO#TAGE=14#PROZENT=2.25#\n#SKONTO#TAGE=30#PROZENT=1.00#\n")))
    assert (found.discount_percent, found.discount_days) == (Decimal("2.25"), 14)
    free = read(invoice(head=terms.format("2 % if paid in 14 days")))
    assert (free.discount_percent, free.payment_terms) == (None, "2 % if paid in 14 days")


def test_preceding_invoices_are_all_kept_and_the_first_is_the_original() -> None:
    reference = """<cac:BillingReference><cac:InvoiceDocumentReference><cbc:ID>{}</cbc:ID>
    <cbc:IssueDate>2026-01-0{}</cbc:IssueDate></cac:InvoiceDocumentReference></cac:BillingReference>"""
    found = read(invoice(head=reference.format("R-0", 1) + reference.format("R-00", 2)))
    assert (found.original, found.original_issued_on) == ("R-0", date(2026, 1, 1))
    assert found.originals[1] == Reference("R-00", date(2026, 1, 2))


def test_receipts_and_despatches_are_both_evidence_and_still_told_apart() -> None:
    head = """<cac:DespatchDocumentReference><cbc:ID>D-1</cbc:ID></cac:DespatchDocumentReference>
    <cac:ReceiptDocumentReference><cbc:ID>G-1</cbc:ID></cac:ReceiptDocumentReference>"""
    found = read(invoice(head=head))
    assert (found.receipt_numbers, found.despatch_numbers) == (("G-1", "D-1"), ("D-1",))


def test_items_keep_their_identifiers_lists_and_properties() -> None:
    more = """<cac:StandardItemIdentification><cbc:ID schemeID="0160">04012345678901</cbc:ID>
    </cac:StandardItemIdentification><cac:CommodityClassification>
    <cbc:ItemClassificationCode listID="STI" listVersionID="1">44316000</cbc:ItemClassificationCode>
    </cac:CommodityClassification><cac:AdditionalItemProperty><cbc:Name>Colour</cbc:Name><cbc:Value>red</cbc:Value>
    </cac:AdditionalItemProperty></cac:Item>"""
    only = read(invoice(lines=line().replace("</cac:Item>", more))).lines[0]
    assert (only.gtin, only.gtin_scheme) == ("04012345678901", "0160")
    assert only.classifications == (Classification("44316000", "STI", "1"),)
    assert only.attributes == (ItemAttribute("Colour", "red"),)


def test_a_payment_to_a_third_party_is_carried() -> None:
    head = """<cac:PrepaidPayment><cbc:ID>toll</cbc:ID><cbc:PaidAmount currencyID="EUR">12.00</cbc:PaidAmount>
    <cbc:InstructionID>for the bridge</cbc:InstructionID></cac:PrepaidPayment>"""
    (payment,) = read(invoice(head=head)).payments
    assert (payment.type, payment.amount, payment.description) == ("toll", Decimal(12), "for the bridge")


def test_a_sepa_creditor_identifier_is_not_one_of_the_supplier() -> None:
    content = invoice().replace(
        b"<cac:PostalAddress>",
        b"<cac:PartyIdentification><cbc:ID schemeID='SEPA'>DE98ZZZ</cbc:ID></cac:PartyIdentification>"
        b"<cac:PartyIdentification><cbc:ID>V-100</cbc:ID></cac:PartyIdentification><cac:PostalAddress>",
        1,
    )
    found = read(content)
    assert found.creditor_id == "DE98ZZZ"
    assert found.supplier is not None
    assert found.supplier.ids == (Identifier("V-100"),)


def test_a_third_tax_number_is_kept_aside() -> None:
    number = """<cac:PartyTaxScheme><cbc:CompanyID>{}</cbc:CompanyID><cac:TaxScheme><cbc:ID>{}</cbc:ID>
    </cac:TaxScheme></cac:PartyTaxScheme>"""
    more = number.format("12/345", "FC") + number.format("556677", "TAX") + number.format("DE999", "VAT")
    content = invoice().replace(b"<cac:PartyLegalEntity>", more.encode() + b"<cac:PartyLegalEntity>", 1)
    found = read(content)
    assert found.supplier is not None
    assert (found.supplier.tax_id, found.supplier.tax_registration) == ("DE111111111", "12/345")
    assert sorted(found.extra.values()) == ["556677", "DE999", "TAX"]


def test_any_prefix_and_the_old_version_read_the_same() -> None:
    plain = invoice(head="<cbc:UBLVersionID>2.0</cbc:UBLVersionID>")
    other = plain.replace(b"cbc:", b"b:").replace(b"xmlns:cbc", b"xmlns:b").replace(b"cac:", b"a:")
    other = other.replace(b"xmlns:cac", b"xmlns:a")
    assert read(other) == read(plain) == read(invoice())


def test_a_second_delivery_or_period_is_never_lost() -> None:
    period = "<cac:InvoicePeriod><cbc:StartDate>2026-0{}-01</cbc:StartDate></cac:InvoicePeriod>"
    delivery = "<cac:Delivery><cbc:ActualDeliveryDate>2026-0{}-02</cbc:ActualDeliveryDate></cac:Delivery>"
    found = read(invoice(head=period.format(1) + period.format(2) + delivery.format(1) + delivery.format(2)))
    assert (found.period_from, found.period_to) == (date(2026, 1, 1), None)
    assert found.extra == {"/Invoice/cac:InvoicePeriod[2]/cbc:StartDate": "2026-02-01"}
    assert [entry.delivered_on for entry in found.deliveries] == [date(2026, 1, 2), date(2026, 2, 2)]


def test_missing_facts_stay_missing() -> None:
    bare = read(ubl("<cbc:ID>1</cbc:ID><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode><cac:InvoiceLine/>"))
    assert bare.lines[0].quantity is None
    assert (bare.supplier, bare.issued_on, bare.payable, bare.taxes, bare.remit_to) == (None, None, None, (), None)
