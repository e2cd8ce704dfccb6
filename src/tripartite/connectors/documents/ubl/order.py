"""UBL Order (2.0, 2.1, Peppol BIS Ordering) -> the canonical order.

Only an Order is read here: what changes, cancels or answers one is another document and is refused by name.
"""

from __future__ import annotations

from lxml.etree import _Element as Element

from tripartite.connectors.documents import build
from tripartite.connectors.documents.source import Facts, Source, walk
from tripartite.connectors.documents.tables import (
    LONGEST_NUMBER,
    amount,
    day,
    flat,
    flat_first,
    group,
    price,
    quantity,
    text,
    token,
)
from tripartite.connectors.documents.ubl.common import (
    ALLOWANCE,
    ITEM,
    first_reference,
    supplier_party,
    table,
    wrapped_party,
)
from tripartite.core.money import Price
from tripartite.core.objects import Allowance, Order, OrderCharge, OrderLine
from tripartite.runtime.xml import XmlRefused

_MOST_PER = 1_000_000_000


def order_from(root: Element, source: Source) -> Order:
    """The canonical order that `root` says. Errors: `XmlRefused`.

    A line is numbered by its own id where that is a plain number, else by its position; `foreign_id` is the id as
    stated. How a line is to be matched is our policy and not in the document.
    """
    facts: Facts = {}
    walk(root, _DOCUMENT, facts, source)
    place = source.pointer(root)
    number = facts.get("number")
    if not number:
        raise XmlRefused("intake.malformed", place, "a document without its number")
    currency = source.settle_currency(facts.get("currency", ""), f"{place}/cbc:DocumentCurrencyCode")
    lines = _numbered(facts.get("lines", []), place)
    charges: list[Allowance] = facts.get("charges", [])
    return Order(
        number=number,
        currency=currency,
        supplier_number=facts.get("supplier_number", ""),
        supplier=facts.get("supplier"),
        buyer=facts.get("buyer"),
        issued_on=facts.get("issued_on"),
        requisition=facts.get("requisition", ""),
        contract=facts.get("contract", ""),
        payment_terms=facts.get("payment_terms", ""),
        notes=tuple(facts.get("notes", ())),
        lines=lines,
        charges=tuple(OrderCharge(entry.kind, entry.amount, code=entry.code, reason=entry.reason) for entry in charges),
        net=facts.get("net"),
        tax=facts.get("tax"),
        gross=facts.get("gross"),
        valid_to=facts.get("valid_to"),
        buyer_reference=facts.get("buyer_reference", ""),
        extra=source.extra,
    )


def _numbered(found: list[tuple[Facts, Element]], place: str) -> tuple[OrderLine, ...]:
    if len(found) > build.MOST_LINES:
        raise XmlRefused("intake.too_large", place, f"more than {build.MOST_LINES} lines")
    stated = [build.plain_number(facts.get("foreign_id", "")) for facts, _ in found]
    usable = all(number is not None and number > 0 for number in stated) and len(set(stated)) == len(stated)
    return tuple(
        OrderLine(line=number if usable and number is not None else position, **facts)
        for position, (number, (facts, _)) in enumerate(zip(stated, found, strict=True), 1)
    )


def _line(facts: Facts, element: Element, source: Source) -> tuple[Facts, Element]:
    """The facts of one line, with its price as an amount per a whole number of units: exact, never rounded."""
    per = facts.pop("price_per", None)
    if per is not None:
        numerator, denominator = per.as_integer_ratio()
        if numerator > _MOST_PER or denominator > _MOST_PER:
            source.refuse("intake.value_out_of_range", element, f"a price per {per}")
        if denominator != 1 and "price" in facts:
            facts["price"] = Price(facts["price"] * denominator)
        facts["price_per"] = numerator
    if facts.get("price_unit") == facts.get("unit"):
        facts.pop("price_unit", None)
    facts.pop("_seen", None)
    return facts, element


# What an order line has no place for stays out of its table, so that the walk keeps it in `extra`.
_NO_PLACE = ("CommodityClassification", "AdditionalItemProperty", "ClassifiedTaxCategory", "OriginCountry")
_ITEM = {tag: node for tag, node in ITEM.items() if tag.rpartition("}")[2] not in _NO_PLACE} | table(
    {"cac:StandardItemIdentification": flat(table({"cbc:ID": token("gtin")}))}
)
_CHARGE_PLACES = ("ChargeIndicator", "AllowanceChargeReasonCode", "AllowanceChargeReason", "Amount")
_CHARGE = {tag: node for tag, node in ALLOWANCE.items() if tag.rpartition("}")[2] in _CHARGE_PLACES}

_REQUESTED = table(
    {
        "cac:RequestedDeliveryPeriod": flat_first("RequestedDeliveryPeriod", table({"cbc:EndDate": day("due_on")})),
    }
)
_LINE_ITEM = table(
    {
        "cbc:ID": token("foreign_id"),
        "cbc:Note": text("note", "join"),
        "cbc:Quantity": quantity("quantity", "unit"),
        "cbc:LineExtensionAmount": amount("amount"),
        "cbc:AccountingCost": text("cost_centre"),
        "cac:Delivery": flat_first("Delivery", _REQUESTED),
        "cac:Price": flat_first(
            "Price",
            table(
                {
                    "cbc:PriceAmount": price("price"),
                    "cbc:BaseQuantity": quantity("price_per", "price_unit", positive=True),
                }
            ),
        ),
        "cac:Item": flat(_ITEM),
    }
)
_DOCUMENT = table(
    {
        "cbc:ID": token("number", longest=LONGEST_NUMBER),
        "cbc:IssueDate": day("issued_on"),
        "cbc:Note": text("notes", "many"),
        "cbc:DocumentCurrencyCode": token("currency"),
        "cbc:CustomerReference": text("buyer_reference"),
        "cac:ValidityPeriod": flat_first("ValidityPeriod", table({"cbc:EndDate": day("valid_to")})),
        "cac:OriginatorDocumentReference": first_reference("requisition"),
        "cac:Contract": first_reference("contract"),
        "cac:SellerSupplierParty": supplier_party("supplier"),
        "cac:BuyerCustomerParty": wrapped_party("buyer"),
        "cac:PaymentTerms": flat(table({"cbc:Note": text("payment_terms", "join")})),
        "cac:AllowanceCharge": group("charges", _CHARGE, build.allowance_of, "many"),
        "cac:TaxTotal": flat_first("TaxTotal", table({"cbc:TaxAmount": amount("tax")})),
        "cac:AnticipatedMonetaryTotal": flat(
            table(
                {
                    "cbc:TaxExclusiveAmount": amount("net"),
                    "cbc:TaxInclusiveAmount": amount("gross"),
                }
            )
        ),
        "cac:OrderLine": flat(table({"cac:LineItem": group("lines", _LINE_ITEM, _line, "many")})),
    }
)
