"""What UBL documents have in common: namespaces, parties, addresses, allowances, references, items."""

from __future__ import annotations

from collections.abc import Mapping

from lxml.etree import _Element as Element

from tripartite.connectors.documents import build
from tripartite.connectors.documents.source import Facts, Node, Source
from tripartite.connectors.documents.tables import (
    amount,
    binary,
    classification,
    day,
    fixed,
    flag,
    flat,
    flat_first,
    group,
    identifier,
    namespaced,
    number,
    price,
    standard_item,
    taken,
    text,
    token,
)
from tripartite.core.money import Rate
from tripartite.core.objects import Identifier, Party
from tripartite.core.objects.invoice import Attachment

SCHEMA = "urn:oasis:names:specification:ubl:schema:xsd:"
NAMESPACES = {
    "cac": SCHEMA + "CommonAggregateComponents-2",
    "cbc": SCHEMA + "CommonBasicComponents-2",
    "ext": SCHEMA + "CommonExtensionComponents-2",
}


def table(rows: Mapping[str, Node]) -> dict[str, Node]:
    return namespaced(NAMESPACES, rows)


# Parties.

COUNTRY = flat(table({"cbc:IdentificationCode": token("country")}))

ADDRESS = table(
    {
        "cbc:StreetName": text("line_1"),
        "cbc:AdditionalStreetName": text("line_2"),
        "cac:AddressLine": flat_first("AddressLine", table({"cbc:Line": text("line_3")})),
        "cbc:CityName": text("city"),
        "cbc:PostalZone": token("postal_code"),
        "cbc:CountrySubentity": text("subdivision"),
        "cac:Country": COUNTRY,
    }
)

CONTACT = table({"cbc:Name": text("name"), "cbc:Telephone": text("phone"), "cbc:ElectronicMail": text("email")})


def _tax_number(facts: Facts, element: Element, _source: Source) -> tuple[str, str, str, Element] | None:
    """A tax number with its scheme, and where it stood."""
    return (facts.get("company", ""), facts.get("scheme", ""), facts.get("type", ""), element) if facts else None


_TAX_NUMBER = table(
    {
        "cbc:CompanyID": token("company"),
        "cac:TaxScheme": flat(table({"cbc:ID": token("scheme"), "cbc:TaxTypeCode": token("type")})),
    }
)


def _party(facts: Facts, element: Element, source: Source) -> Party | None:
    """A party. The first VAT number and the first other tax number have a place; what is beyond goes to `extra`.

    UBL demands a scheme beside a local tax number (BT-32) and EN 16931 has none, so that documents say anything there
    (TAX, ???, ID): it is dropped by name.
    """
    for company, scheme, kind, place in facts.pop("tax_numbers", ()):
        vat = "VAT" in (scheme, kind)
        key = "tax_id" if vat else "tax_registration"
        taken_up = company and key not in facts
        if taken_up:
            facts[key] = company
        elif company:
            source.extra[source.pointer(place) + "/cbc:CompanyID"] = company
        if taken_up and not vat:
            source.dropped.add("cac:PartyTaxScheme/cac:TaxScheme/cbc:ID")
        elif scheme not in ("VAT", ""):
            source.extra[source.pointer(place) + "/cac:TaxScheme/cbc:ID"] = scheme
        if kind not in ("VAT", ""):
            source.extra[source.pointer(place) + "/cac:TaxScheme/cbc:TaxTypeCode"] = kind
    return build.party_of(facts, element, source)


_PARTY_ROWS: dict[str, Node] = {
    "cbc:EndpointID": identifier("endpoint"),
    "cac:PartyIdentification": flat(table({"cbc:ID": identifier("ids", "many")})),
    "cac:PartyName": flat_first("PartyName", table({"cbc:Name": text("trading_name")})),
    "cac:PostalAddress": group("address", ADDRESS, build.address_of),
    "cac:PartyTaxScheme": group("tax_numbers", _TAX_NUMBER, _tax_number, "many"),
    "cac:PartyLegalEntity": flat_first(
        "PartyLegalEntity",
        table(
            {
                "cbc:RegistrationName": text("name"),
                "cbc:CompanyID": identifier("registration"),
                "cbc:CompanyLegalForm": text("legal_form"),
            }
        ),
    ),
    "cac:Contact": group("contact", CONTACT, build.contact_of),
}
_PARTY = table(_PARTY_ROWS)


def party(key: str) -> Node:
    """A party whose facts stand directly in this element."""
    return group(key, _PARTY, _party, "first")


def wrapped_party(key: str) -> Node:
    """A party inside `cac:Party`, as supplier and customer are; what stands beside it is about the account."""
    return flat(table({"cac:Party": group(key, _PARTY, _party)}))


def supplier_party(key: str) -> Node:
    """As `wrapped_party`, with the number by which the customer knows this supplier."""
    rows: dict[str, Node] = {
        "cac:Party": group(key, _PARTY, _party),
        "cbc:CustomerAssignedAccountID": token("supplier_number"),
    }
    return flat(table(rows))


# Taxes, allowances, charges.

_VAT = flat(table({"cbc:ID": fixed("VAT"), "cbc:TaxTypeCode": fixed("VAT")}))

TAX_CATEGORY = table(
    {
        "cbc:ID": token("tax_category"),
        "cbc:Percent": number("tax_rate", Rate, "first"),
        "cac:TaxScheme": _VAT,
    }
)

SUBTOTAL = table(
    {
        "cbc:TaxableAmount": amount("base"),
        "cbc:TaxAmount": amount("amount"),
        "cbc:Percent": number("tax_rate", Rate, "first"),
        "cac:TaxCategory": flat(
            table(
                {
                    "cbc:ID": token("tax_category"),
                    "cbc:Percent": number("tax_rate", Rate, "first"),
                    "cbc:TaxExemptionReasonCode": token("exemption_code"),
                    "cbc:TaxExemptionReason": text("exemption", "join"),
                    "cac:TaxScheme": _VAT,
                }
            )
        ),
    }
)


ALLOWANCE = table(
    {
        "cbc:ChargeIndicator": flag("charge"),
        "cbc:AllowanceChargeReasonCode": token("code"),
        "cbc:AllowanceChargeReason": text("reason", "join"),
        "cbc:MultiplierFactorNumeric": number("percent", Rate),
        "cbc:Amount": amount("amount"),
        "cbc:BaseAmount": amount("base"),
        "cac:TaxCategory": flat_first("TaxCategory", TAX_CATEGORY),
    }
)


# References.


def reference(key: str) -> Node:
    """Other documents by their number: all of them."""
    return flat(table({"cbc:ID": token(key, "many")}))


def first_reference(key: str, inner: str = "cbc:ID") -> Node:
    """Another document by its number: the first."""
    return flat_first(key, table({inner: token(key)}))


DATED_REFERENCE = table({"cbc:ID": token("number"), "cbc:IssueDate": day("issued_on")})

_DOCUMENT = table(
    {
        "cbc:ID": identifier("number"),
        "cbc:DocumentTypeCode": token("type_code"),
        "cbc:DocumentDescription": text("description", "join"),
        "cac:Attachment": flat(
            table(
                {
                    "cbc:EmbeddedDocumentBinaryObject": binary("digest"),
                    "cac:ExternalReference": flat(table({"cbc:URI": text("uri")})),
                }
            )
        ),
    }
)
OBJECT_TYPE = "130"  # UNTDID 1001: the object that is invoiced, BT-18 and BT-128
ATTACHMENT_TYPE = "916"  # UNTDID 1001: related document, which is what an attachment is anyway


def additional_document(element: Element, facts: Facts, source: Source) -> None:
    """A supporting document, or, by its type code, the identifier of the invoiced object."""
    kept: Facts = {}
    _ADDITIONAL(element, kept, source)
    inner = kept["document"]
    stated: Identifier | None = inner.pop("number", None)
    if inner == {"type_code": OBJECT_TYPE} and stated is not None and "object_id" not in facts:
        facts["object_id"] = stated
        return
    if inner.get("type_code") == ATTACHMENT_TYPE:
        del inner["type_code"]
    if stated is not None:
        inner["number"] = stated.value
        if stated.scheme:
            source.extra[source.pointer(element) + "/cbc:ID/@schemeID"] = stated.scheme
    if inner:
        facts.setdefault("attachments", []).append(Attachment(**inner))


_ADDITIONAL = group("document", _DOCUMENT)


def line_document(element: Element, facts: Facts, source: Source) -> None:
    """The identifier of the object a line is about (BT-128); any other document is kept in `extra`."""
    codes = [child.text for child in element if child.tag == _TYPE_CODE]
    if codes != [OBJECT_TYPE] or "object_id" in facts:
        source.leftover(element)
        return
    _LINE_OBJECT(element, facts, source)


_TYPE_CODE = f"{{{NAMESPACES['cbc']}}}DocumentTypeCode"
_LINE_OBJECT = flat(table({"cbc:ID": identifier("object_id"), "cbc:DocumentTypeCode": fixed(OBJECT_TYPE)}))


# Items and prices.

PERIOD = table({"cbc:StartDate": day("period_from"), "cbc:EndDate": day("period_to")})


ITEM = table(
    {
        "cbc:Description": text("details", "join"),
        "cbc:Name": text("description"),
        "cac:BuyersItemIdentification": flat(table({"cbc:ID": token("item")})),
        "cac:SellersItemIdentification": flat(table({"cbc:ID": token("supplier_item")})),
        "cac:StandardItemIdentification": flat(table({"cbc:ID": standard_item})),
        "cac:OriginCountry": flat_first("OriginCountry", table({"cbc:IdentificationCode": token("origin")})),
        "cac:CommodityClassification": flat(table({"cbc:ItemClassificationCode": classification})),
        "cac:ClassifiedTaxCategory": flat_first("ClassifiedTaxCategory", TAX_CATEGORY),
        "cac:AdditionalItemProperty": group(
            "attributes", table({"cbc:Name": text("name"), "cbc:Value": text("value")}), build.attribute_of, "many"
        ),
    }
)


def price_allowance(element: Element, facts: Facts, source: Source) -> None:
    """The discount that leads from the gross to the net price (BT-147, BT-148); a surcharge is kept in `extra`."""
    stated = [(child.text or "").strip() for child in element if child.tag == _INDICATOR]
    if stated not in (["false"], ["0"]) or "price_discount" in facts:
        source.leftover(element)
        return
    _PRICE_ALLOWANCE(element, facts, source)


_INDICATOR = f"{{{NAMESPACES['cbc']}}}ChargeIndicator"
_PRICE_ALLOWANCE = flat(
    table(
        {
            "cbc:ChargeIndicator": taken,
            "cbc:Amount": price("price_discount"),
            "cbc:BaseAmount": price("price_gross"),
        }
    )
)
