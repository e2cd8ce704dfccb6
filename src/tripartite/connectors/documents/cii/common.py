"""What the parts of a CII document have in common: namespaces, references, notes, parties, taxes, allowances."""

from __future__ import annotations

from collections.abc import Mapping

from lxml.etree import _Element as Element

from tripartite.connectors.documents import build
from tripartite.connectors.documents.source import Facts, Node, Source, walk
from tripartite.connectors.documents.tables import (
    amount,
    binary,
    day_102,
    fixed,
    flag,
    flat,
    flat_first,
    group,
    identifier,
    namespaced,
    number,
    taken,
    text,
    token,
)
from tripartite.core.money import Rate
from tripartite.core.objects import Identifier
from tripartite.core.objects.invoice import Attachment

_DATA = "urn:un:unece:uncefact:data:standard:"
ROOT_NAMESPACE = _DATA + "CrossIndustryInvoice:100"
NAMESPACES = {
    "rsm": ROOT_NAMESPACE,
    "ram": _DATA + "ReusableAggregateBusinessInformationEntity:100",
    "udt": _DATA + "UnqualifiedDataType:100",
    "qdt": _DATA + "QualifiedDataType:100",
}


def table(rows: Mapping[str, Node]) -> dict[str, Node]:
    return namespaced(NAMESPACES, rows)


def day(key: str, wrapped: str = "udt:DateTimeString") -> Node:
    return flat(table({wrapped: day_102(key)}))


def number_of(key: str, many: bool = False) -> Node:
    """A referenced document by its number: the first, or all of them."""
    if many:
        return flat(table({"ram:IssuerAssignedID": token(key, "many")}))
    return flat_first(key, table({"ram:IssuerAssignedID": token(key)}))


# Notes: CII states the subject of a note beside it, UBL in front of it between two marks; here it stands in front.


def _note(facts: Facts, _element: Element, _source: Source) -> str | None:
    subject = facts.get("subject")
    said: str | None = facts.get("said")
    return f"#{subject}#{said or ''}" if subject else said


def notes(key: str, joined: bool) -> Node:
    rows = table({"ram:Content": text("said", "join"), "ram:SubjectCode": token("subject")})
    return group(key, rows, _note, "join" if joined else "many")


# Parties.

_ADDRESS = table(
    {
        "ram:LineOne": text("line_1"),
        "ram:LineTwo": text("line_2"),
        "ram:LineThree": text("line_3"),
        "ram:CityName": text("city"),
        "ram:PostcodeCode": token("postal_code"),
        "ram:CountrySubDivisionName": text("subdivision", "first"),
        "ram:CountryID": token("country"),
    }
)
_CONTACT = table(
    {
        "ram:PersonName": text("name"),
        "ram:DepartmentName": text("department"),
        "ram:TelephoneUniversalCommunication": flat(table({"ram:CompleteNumber": text("phone")})),
        "ram:EmailURIUniversalCommunication": flat(table({"ram:URIID": text("email")})),
    }
)


def _plain_id(element: Element, facts: Facts, source: Source) -> None:
    inner: Facts = {}
    _ID(element, inner, source)
    if "id" in inner:
        facts.setdefault("ids", []).append(inner["id"])


_ID = identifier("id")
_TAX_KEYS = {"VA": "tax_id", "FC": "tax_registration"}


def _tax_number(element: Element, facts: Facts, source: Source) -> None:
    """A tax number by its scheme: VA is VAT, FC the local tax number; one of another scheme is kept in `extra`."""
    key = _TAX_KEYS.get(element.get("schemeID", ""))
    if key is None or key in facts:
        source.leftover(element)
        return
    inner: Facts = {}
    _ID(element, inner, source)
    if "id" in inner:
        facts[key] = inner["id"].value


_PARTY = table(
    {
        "ram:ID": _plain_id,
        "ram:GlobalID": _plain_id,
        "ram:Name": text("name"),
        "ram:Description": text("legal_form", "join"),
        "ram:SpecifiedLegalOrganization": flat(
            table({"ram:ID": identifier("registration"), "ram:TradingBusinessName": text("trading_name")})
        ),
        "ram:DefinedTradeContact": group("contact", _CONTACT, build.contact_of, "first"),
        "ram:PostalTradeAddress": group("address", _ADDRESS, build.address_of),
        "ram:URIUniversalCommunication": flat_first("URI", table({"ram:URIID": identifier("endpoint")})),
        "ram:SpecifiedTaxRegistration": flat(table({"ram:ID": _tax_number})),
    }
)


def party(key: str) -> Node:
    return group(key, _PARTY, build.party_of, "first")


# The place of delivery has one identifier (BT-71); what else is said of that party is kept in `extra`.
SHIP_TO = table(
    {
        "ram:ID": identifier("location", "first"),
        "ram:GlobalID": identifier("location", "first"),
        "ram:Name": text("name"),
        "ram:PostalTradeAddress": group("address", _ADDRESS, build.address_of),
    }
)


# Supporting documents.

_REFERENCED = table(
    {
        "ram:IssuerAssignedID": token("number"),
        "ram:URIID": text("uri"),
        "ram:TypeCode": token("type_code"),
        "ram:Name": text("description", "join"),
        "ram:AttachmentBinaryObject": binary("digest"),
        "ram:ReferenceTypeCode": token("scheme"),
    }
)
TENDER_TYPE, OBJECT_TYPE, ATTACHMENT_TYPE = "50", "130", "916"  # UNTDID 1001


def additional_document(element: Element, facts: Facts, source: Source) -> None:
    """By its type code: the tender (BT-17), the invoiced object (BT-18), or an attachment (BG-24)."""
    inner: Facts = {}
    walk(element, _REFERENCED, inner, source)
    stated, code, scheme = inner.get("number", ""), inner.get("type_code"), inner.get("scheme", "")
    bare = bool(stated) and inner.keys() <= {"number", "type_code", "scheme"}
    if code == OBJECT_TYPE and bare and "object_id" not in facts:
        facts["object_id"] = Identifier(stated, scheme)
        return
    if code == TENDER_TYPE and bare and not scheme and "tender" not in facts:
        facts["tender"] = stated
        return
    if code == ATTACHMENT_TYPE:
        del inner["type_code"]
    if inner.pop("scheme", ""):
        source.extra[source.pointer(element) + "/ram:ReferenceTypeCode"] = scheme
    if inner:
        facts.setdefault("attachments", []).append(Attachment(**inner))


def line_object(element: Element, facts: Facts, source: Source) -> None:
    codes = [child.text for child in element if child.tag == _TYPE_CODE]
    if codes != [OBJECT_TYPE] or "object_id" in facts:
        source.leftover(element)
        return
    inner: Facts = {}
    walk(element, _LINE_OBJECT, inner, source)
    if "number" in inner:
        facts["object_id"] = Identifier(inner["number"], inner.get("scheme", ""))


_TYPE_CODE = f"{{{NAMESPACES['ram']}}}TypeCode"
_LINE_OBJECT = table(
    {"ram:IssuerAssignedID": token("number"), "ram:TypeCode": taken, "ram:ReferenceTypeCode": token("scheme")}
)


# Taxes, allowances, charges.

CATEGORY = {
    "ram:TypeCode": fixed("VAT"),
    "ram:CategoryCode": token("tax_category"),
    "ram:RateApplicablePercent": number("tax_rate", Rate),
}
_SUBTOTAL = table(
    {
        **CATEGORY,
        "ram:CalculatedAmount": amount("amount"),
        "ram:BasisAmount": amount("base"),
        "ram:ExemptionReason": text("exemption"),
        "ram:ExemptionReasonCode": token("exemption_code"),
        "ram:TaxPointDate": day("tax_point_on", "udt:DateString"),
        "ram:DueDateTypeCode": token("tax_point_code"),
    }
)
# BT-8: CII uses UNTDID 2475, UBL and we UNTDID 2005.
_TAX_POINTS = {"5": "3", "29": "35", "72": "432"}


def trade_tax(element: Element, facts: Facts, source: Source) -> None:
    """One row of the tax breakdown. The tax point stands in each row but belongs to the document (BT-7, BT-8)."""
    inner: Facts = {}
    walk(element, _SUBTOTAL, inner, source)
    point = inner.pop("tax_point_on", None)
    if point is not None and point != facts.setdefault("tax_point_on", point):
        source.extra[source.pointer(element) + "/ram:TaxPointDate"] = point.isoformat()
    code: str | None = inner.pop("tax_point_code", None)
    if code is not None:
        code = _TAX_POINTS.get(code, code)
        if code != facts.setdefault("tax_point_code", code):
            source.extra[source.pointer(element) + "/ram:DueDateTypeCode"] = code
    facts.setdefault("taxes", []).append(build.subtotal_of(inner, element, source))


ALLOWANCE = table(
    {
        "ram:ChargeIndicator": flat(table({"udt:Indicator": flag("charge")})),
        "ram:CalculationPercent": number("percent", Rate),
        "ram:BasisAmount": amount("base"),
        "ram:ActualAmount": amount("amount"),
        "ram:ReasonCode": token("code"),
        "ram:Reason": text("reason"),
        "ram:CategoryTradeTax": flat_first("CategoryTradeTax", table(CATEGORY)),
    }
)
