"""Small UBL and CII documents made for one test: what matters to the test is given, the rest is ordinary."""

from __future__ import annotations

UBL = "urn:oasis:names:specification:ubl:schema:xsd:"


def ubl(
    body: str, root: str = "Invoice", *, prolog: str = '<?xml version="1.0" encoding="UTF-8"?>', attributes: str = ""
) -> bytes:
    """A UBL document with `body` inside its root."""
    return (
        f"{prolog}<{root} xmlns='{UBL}{root}-2' xmlns:cac='{UBL}CommonAggregateComponents-2' "
        f"xmlns:cbc='{UBL}CommonBasicComponents-2' {attributes}>{body}</{root}>"
    ).encode()


def line(number: int = 1, quantity: str = "10", price: str = "4.00", amount: str = "40.00", extra: str = "") -> str:
    return f"""<cac:InvoiceLine><cbc:ID>{number}</cbc:ID>
    <cbc:InvoicedQuantity unitCode="EA">{quantity}</cbc:InvoicedQuantity>
    <cbc:LineExtensionAmount currencyID="EUR">{amount}</cbc:LineExtensionAmount>
    <cac:OrderLineReference><cbc:LineID>{number * 10}</cbc:LineID></cac:OrderLineReference>{extra}
    <cac:Item><cbc:Description>Hex bolt, zinc plated</cbc:Description><cbc:Name>Bolt M8</cbc:Name>
      <cac:SellersItemIdentification><cbc:ID>B-{number}</cbc:ID></cac:SellersItemIdentification>
      <cac:ClassifiedTaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent>
        <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:ClassifiedTaxCategory></cac:Item>
    <cac:Price><cbc:PriceAmount currencyID="EUR">{price}</cbc:PriceAmount></cac:Price></cac:InvoiceLine>"""


PARTY = """<cac:{role}><cac:Party>
  <cbc:EndpointID schemeID="EM">{mail}</cbc:EndpointID>
  <cac:PostalAddress><cbc:StreetName>Hafenstr. 1</cbc:StreetName><cbc:CityName>Bremen</cbc:CityName>
    <cbc:PostalZone>28195</cbc:PostalZone><cac:Country><cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country>
  </cac:PostalAddress>
  <cac:PartyTaxScheme><cbc:CompanyID>{vat}</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
  </cac:PartyTaxScheme>
  <cac:PartyLegalEntity><cbc:RegistrationName>{name}</cbc:RegistrationName></cac:PartyLegalEntity>
</cac:Party></cac:{role}>"""

SUPPLIER = PARTY.format(role="AccountingSupplierParty", mail="ar@bolt.example", vat="DE111111111", name="Bolt GmbH")
BUYER = PARTY.format(role="AccountingCustomerParty", mail="ap@mill.example", vat="DE222222222", name="Mill AG")
TAXES = """<cac:TaxTotal><cbc:TaxAmount currencyID="EUR">7.60</cbc:TaxAmount>
  <cac:TaxSubtotal><cbc:TaxableAmount currencyID="EUR">40.00</cbc:TaxableAmount>
  <cbc:TaxAmount currencyID="EUR">7.60</cbc:TaxAmount><cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent>
  <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>"""
TOTALS = """<cac:LegalMonetaryTotal><cbc:LineExtensionAmount currencyID="EUR">40.00</cbc:LineExtensionAmount>
  <cbc:TaxExclusiveAmount currencyID="EUR">40.00</cbc:TaxExclusiveAmount>
  <cbc:TaxInclusiveAmount currencyID="EUR">47.60</cbc:TaxInclusiveAmount>
  <cbc:PayableAmount currencyID="EUR">47.60</cbc:PayableAmount></cac:LegalMonetaryTotal>"""


def invoice(
    *,
    lines: str | None = None,
    head: str = "",
    currency: str = "EUR",
    number: str = "R-1",
    issued_on: str = "2026-03-09",
    type_code: str = "380",
    order: str = "4500000123",
    totals: str = TOTALS,
    taxes: str = TAXES,
    root: str = "Invoice",
) -> bytes:
    """An ordinary invoice of one line over 40.00 EUR, changed where a test says so."""
    code = {"Invoice": "InvoiceTypeCode", "CreditNote": "CreditNoteTypeCode"}.get(root, "InvoiceTypeCode")
    type_element = f"<cbc:{code}>{type_code}</cbc:{code}>" if type_code else ""
    return ubl(
        f"""<cbc:ID>{number}</cbc:ID><cbc:IssueDate>{issued_on}</cbc:IssueDate>{type_element}
        <cbc:DocumentCurrencyCode>{currency}</cbc:DocumentCurrencyCode>
        <cac:OrderReference><cbc:ID>{order}</cbc:ID></cac:OrderReference>{head}{SUPPLIER}{BUYER}{taxes}{totals}
        {line() if lines is None else lines}""",
        root,
    )
