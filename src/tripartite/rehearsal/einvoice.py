"""The story's invoices as a supplier's software would send them: UBL 2.1 by EN 16931."""

from __future__ import annotations

from datetime import date
from xml.sax.saxutils import escape

from tripartite.rehearsal.cast import COMPANIES
from tripartite.rehearsal.kinds import CREDITS
from tripartite.rehearsal.scenario import DocumentPlan

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"


def ubl(each: DocumentPlan, *, due_on: date | None = None) -> bytes:
    """The document as its supplier's software would send it: UBL 2.1, EN 16931."""
    company = next(entry for entry in COMPANIES if entry.code == each.company)
    credit = each.trouble in CREDITS
    root, line_name = ("CreditNote", "CreditNoteLine") if credit else ("Invoice", "InvoiceLine")
    quantity_name = "CreditedQuantity" if credit else "InvoicedQuantity"
    type_code = "<cbc:CreditNoteTypeCode>381" if credit else "<cbc:InvoiceTypeCode>380"
    type_end = "</cbc:CreditNoteTypeCode>" if credit else "</cbc:InvoiceTypeCode>"
    money = f'currencyID="{each.currency}"'
    rate = company.tax_rate
    category = f"<cbc:ID>S</cbc:ID><cbc:Percent>{rate}</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"
    original = (
        f"<cac:BillingReference><cac:InvoiceDocumentReference><cbc:ID>{escape(each.original)}</cbc:ID>"
        "</cac:InvoiceDocumentReference></cac:BillingReference>"
        if each.original
        else ""
    )
    order = f"<cac:OrderReference><cbc:ID>{each.order}</cbc:ID></cac:OrderReference>" if each.order else ""
    lines = "".join(
        f"<cac:{line_name}><cbc:ID>{place}</cbc:ID>"
        f'<cbc:{quantity_name} unitCode="{line.unit}">{line.billed}</cbc:{quantity_name}>'
        f"<cbc:LineExtensionAmount {money}>{line.amount}</cbc:LineExtensionAmount>"
        f"{_order_line(line.line) if each.order else ''}"
        f"<cac:Item><cbc:Name>{escape(line.description)}</cbc:Name>"
        f"{_item(line.item) if line.item else ''}"
        f"<cac:ClassifiedTaxCategory>{category}</cac:ClassifiedTaxCategory></cac:Item>"
        f"<cac:Price><cbc:PriceAmount {money}>{line.billed_price}</cbc:PriceAmount></cac:Price></cac:{line_name}>"
        for place, line in enumerate(each.lines, 1)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{_UBL}{root}-2" '
        f'xmlns:cac="{_UBL}CommonAggregateComponents-2" xmlns:cbc="{_UBL}CommonBasicComponents-2">'
        "<cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID>"
        f"<cbc:ID>{escape(each.number)}</cbc:ID><cbc:IssueDate>{each.issued_on}</cbc:IssueDate>"
        f"{type_code}{type_end}<cbc:DocumentCurrencyCode>{each.currency}</cbc:DocumentCurrencyCode>"
        f"{order}{original}"
        f"{_party('AccountingSupplierParty', each.supplier.name, each.supplier.vat_id, each.supplier.country)}"
        f"{_party('AccountingCustomerParty', company.name, company.vat_id, company.country)}"
        f"<cac:TaxTotal><cbc:TaxAmount {money}>{each.tax}</cbc:TaxAmount><cac:TaxSubtotal>"
        f"<cbc:TaxableAmount {money}>{each.net}</cbc:TaxableAmount><cbc:TaxAmount {money}>{each.tax}</cbc:TaxAmount>"
        f"<cac:TaxCategory>{category}</cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>"
        f"<cac:LegalMonetaryTotal><cbc:LineExtensionAmount {money}>{each.net}</cbc:LineExtensionAmount>"
        f"<cbc:TaxExclusiveAmount {money}>{each.net}</cbc:TaxExclusiveAmount>"
        f"<cbc:TaxInclusiveAmount {money}>{each.gross}</cbc:TaxInclusiveAmount>"
        f"<cbc:PayableAmount {money}>{each.gross}</cbc:PayableAmount></cac:LegalMonetaryTotal>{lines}</{root}>"
    ).encode()


def _order_line(number: int) -> str:
    return f"<cac:OrderLineReference><cbc:LineID>{number}</cbc:LineID></cac:OrderLineReference>"


def _item(number: str) -> str:
    return f"<cac:BuyersItemIdentification><cbc:ID>{number}</cbc:ID></cac:BuyersItemIdentification>"


def _party(element: str, name: str, vat_id: str, country: str) -> str:
    return (
        f"<cac:{element}><cac:Party><cac:PartyName><cbc:Name>{escape(name)}</cbc:Name></cac:PartyName>"
        f"<cac:PostalAddress><cac:Country><cbc:IdentificationCode>{country}</cbc:IdentificationCode></cac:Country>"
        f"</cac:PostalAddress><cac:PartyTaxScheme><cbc:CompanyID>{vat_id}</cbc:CompanyID><cac:TaxScheme>"
        f"<cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme><cac:PartyLegalEntity><cbc:RegistrationName>"
        f"{escape(name)}</cbc:RegistrationName></cac:PartyLegalEntity></cac:Party></cac:{element}>"
    )
