"""UBL ReceiptAdvice -> the canonical receipt. A DespatchAdvice only announces goods and is not read as a receipt."""

from __future__ import annotations

from lxml.etree import _Element as Element

from tripartite.connectors.documents import build
from tripartite.connectors.documents.source import Facts, Source, walk
from tripartite.connectors.documents.tables import (
    LONGEST_NUMBER,
    day,
    flat,
    flat_first,
    group,
    quantity,
    text,
    token,
)
from tripartite.connectors.documents.ubl.common import ITEM, first_reference, table, wrapped_party
from tripartite.core.codec import plain
from tripartite.core.objects import Receipt, ReceiptLine
from tripartite.core.quantity import Quantity
from tripartite.runtime.xml import XmlRefused


def receipt_from(root: Element, source: Source) -> Receipt:
    """The canonical receipt that `root` says. Errors: `XmlRefused`.

    A line that names no order stands under the document's order. What passed is what was received less what was
    rejected, where the advice says how much was rejected; otherwise nobody said.
    """
    facts: Facts = {}
    walk(root, _DOCUMENT, facts, source)
    place = source.pointer(root)
    number = facts.get("number")
    if not number:
        raise XmlRefused("intake.malformed", place, "a document without its number")
    found: list[tuple[Facts, Element]] = facts.get("lines", [])
    if len(found) > build.MOST_LINES:
        raise XmlRefused("intake.too_large", place, f"more than {build.MOST_LINES} lines")
    order_number = facts.get("order_number", "")
    lines = tuple(_line_of(line, position, order_number, source) for position, line in enumerate(found, 1))
    return Receipt(
        number=number,
        supplier=facts.get("supplier"),
        buyer=facts.get("buyer"),
        posted_on=facts.get("issued_on"),
        delivered_on=facts.get("delivered_on"),
        delivery_note=facts.get("delivery_note", ""),
        notes=tuple(facts.get("notes", ())),
        lines=lines,
        extra=source.extra,
    )


def _line(facts: Facts, element: Element, _source: Source) -> tuple[Facts, Element]:
    return facts, element


def _line_of(line: tuple[Facts, Element], position: int, order_number: str, source: Source) -> ReceiptLine:
    facts, element = line
    received: Quantity | None = facts.get("quantity")
    if received is None:
        source.refuse("intake.malformed", element, "a line without the quantity received")
    if received < 0:
        source.refuse("intake.value_out_of_range", element, "a negative quantity received")
    rejected = _in_the_same_unit("rejected", facts, element, source)
    short = _in_the_same_unit("short", facts, element, source)
    stated = facts.get("order_line_ref", "")
    order_line = build.plain_number(stated) or 0
    return ReceiptLine(
        order_number=facts.get("order_number", order_number),
        order_line=order_line,
        quantity=received,
        unit=facts.get("unit", ""),
        line=position,
        accepted=Quantity(received - rejected) if rejected is not None else None,
        item=facts.get("item", ""),
        description=facts.get("description", ""),
        line_ref=facts.get("line_ref", ""),
        order_line_ref=stated if not order_line else "",
        supplier_item=facts.get("supplier_item", ""),
        rejected=rejected,
        short=short,
        note=facts.get("note", ""),
    )


def _in_the_same_unit(key: str, facts: Facts, element: Element, source: Source) -> Quantity | None:
    """A second quantity of the line. In another unit than the first it cannot stand beside it, and goes to `extra`."""
    value: Quantity | None = facts.get(key)
    unit = facts.get(f"{key}_unit")
    if value is None or unit in (None, facts.get("unit")):
        return value
    place = f"{source.pointer(element)}/cbc:{key.capitalize()}Quantity"
    source.extra[place] = plain(value)
    source.extra[f"{place}/@unitCode"] = unit
    return None


_ITEM_PLACES = ("Name", "BuyersItemIdentification", "SellersItemIdentification")
_ITEM = {tag: node for tag, node in ITEM.items() if tag.rpartition("}")[2] in _ITEM_PLACES}

_LINE = table(
    {
        "cbc:ID": token("line_ref"),
        "cbc:Note": text("note", "join"),
        "cbc:ReceivedQuantity": quantity("quantity", "unit"),
        "cbc:RejectedQuantity": quantity("rejected", "rejected_unit"),
        "cbc:ShortQuantity": quantity("short", "short_unit"),
        "cac:OrderLineReference": flat_first(
            "OrderLineReference",
            table(
                {
                    "cbc:LineID": token("order_line_ref"),
                    "cac:OrderReference": flat(table({"cbc:ID": token("order_number")})),
                }
            ),
        ),
        "cac:Item": flat_first("Item", _ITEM),
    }
)
_DOCUMENT = table(
    {
        "cbc:ID": token("number", longest=LONGEST_NUMBER),
        "cbc:IssueDate": day("issued_on"),
        "cbc:Note": text("notes", "many"),
        "cac:OrderReference": first_reference("order_number"),
        "cac:DespatchDocumentReference": first_reference("delivery_note"),
        "cac:DeliveryCustomerParty": wrapped_party("buyer"),
        "cac:DespatchSupplierParty": wrapped_party("supplier"),
        "cac:SellerSupplierParty": wrapped_party("supplier"),
        "cac:Shipment": flat_first(
            "Shipment",
            table({"cac:Delivery": flat_first("Delivery", table({"cbc:ActualDeliveryDate": day("delivered_on")}))}),
        ),
        "cac:ReceiptLine": group("lines", _LINE, _line, "many"),
    }
)
