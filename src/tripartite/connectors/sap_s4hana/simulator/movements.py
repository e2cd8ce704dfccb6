"""Material documents of the simulated S/4HANA: goods receipt, its reversal and a return, checked against the order.

What is posted here is what verification by goods receipt looks at afterwards.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from tripartite.connectors.sap_s4hana.simulator.arrangement import ReceiptItem, ReceiptRow
from tripartite.connectors.sap_s4hana.simulator.world import Refusal, World, children, day_of, milli, stripped

_HEADER = frozenset(
    {
        *("GoodsMovementCode", "DocumentDate", "PostingDate", "ReferenceDocument", "MaterialDocumentHeaderText"),
        "to_MaterialDocumentItem",
    }
)
_ITEM = frozenset(
    {
        *("PurchaseOrder", "PurchaseOrderItem", "GoodsMovementType", "GoodsMovementRefDocType", "QuantityInEntryUnit"),
        *("EntryUnit", "Plant", "StorageLocation", "IsCompletelyDelivered", "MaterialDocumentItemText"),
        *("InvtryMgmtReferenceDocument", "ReferenceDocumentFiscalYear", "InvtryMgmtRefDocumentItem"),
    }
)
_LENGTHS = {"ReferenceDocument": 16, "MaterialDocumentHeaderText": 25}


def check(world: World, body: dict[str, Any]) -> ReceiptRow:
    """The document as it would be posted, without its number. Errors: `Refusal` with SAP's message."""
    if not body.keys() <= _HEADER:
        raise Refusal("/IWBEP/CM_MGW_RT/020", f"Property {min(body.keys() - _HEADER)} is invalid")  # (u)
    for name, length in _LENGTHS.items():
        if len(body.get(name, "")) > length:
            raise Refusal("/IWBEP/CM_MGW_RT/023", f"Property {name} exceeds its length {length}")  # (u)
    if body.get("GoodsMovementCode") != "01":
        raise Refusal("M7/065", "Goods movement code does not fit")  # (u)
    posted_on = day_of(body.get("PostingDate", ""))
    items: list[ReceiptItem] = []
    taken: Counter[tuple[str, int]] = Counter()
    for position, line in enumerate(children(body, "to_MaterialDocumentItem"), 1):
        items.append(_item(world, line, position, posted_on.isoformat(), taken))
    if not items:
        raise Refusal("M7/066", "Document contains no items")  # (u)
    return ReceiptRow(
        number="",
        year=str(posted_on.year),
        date=posted_on.isoformat(),
        delivery_note=body.get("ReferenceDocument", ""),
        text=body.get("MaterialDocumentHeaderText", ""),
        items=items,
    )


def commit(world: World, receipt: ReceiptRow) -> ReceiptRow:
    """Post it under the next number."""
    made = msgspec.structs.replace(receipt, number=world.draw_movement(), created=world.now().isoformat())
    world.put_receipt(made)
    return made


def _item(
    world: World, line: dict[str, Any], position: int, posted_on: str, taken: Counter[tuple[str, int]]
) -> ReceiptItem:
    if not line.keys() <= _ITEM:
        raise Refusal("/IWBEP/CM_MGW_RT/020", f"Property {min(line.keys() - _ITEM)} is invalid")  # (u)
    number = line.get("PurchaseOrder", "")
    order = world.orders.get(number) or world.orders.get(stripped(number))
    if order is None:
        raise Refusal("06/019", f"Purchasing document {number} does not exist")
    if order.deleted:
        raise Refusal("06/020", f"Purchasing document {number} deleted, cannot be changed")
    place = (str(order.number), int(line.get("PurchaseOrderItem") or 0))
    item = world.order_items.get(place)
    if item is None:
        raise Refusal("06/011", f"Item {place[1]:05d} of purchasing document {number} does not exist")
    if item.deleted:
        raise Refusal("M7/070", f"Item {place[1]:05d} of {number} is deleted or blocked")  # (u)
    if not order.released:
        raise Refusal("06/390", f"Purchasing document {number} is not released")  # (u)
    company = world.companies[order.company]
    if company.open_from and posted_on < company.open_from:
        raise Refusal("M7/053", f"Posting only possible in periods from {company.open_from}")  # (u)
    movement = line.get("GoodsMovementType", "")
    if movement not in ("101", "102", "122") or line.get("GoodsMovementRefDocType") != "B":
        raise Refusal("M7/083", f"Movement type {movement} is not possible for a purchase order here")  # (u)
    if line.get("Plant", "") != (item.plant or order.company):
        raise Refusal("M7/001", f"Plant {line.get('Plant')} is not the order's")  # (u)
    if line.get("EntryUnit") != item.unit:
        raise Refusal("M7/092", f"Unit {line.get('EntryUnit')} cannot be converted into {item.unit}")  # (u)
    quantity = milli(line.get("QuantityInEntryUnit"))
    if quantity <= 0:
        raise Refusal("M7/018", "Enter a quantity")  # (u)
    taken[place] += quantity if movement == "101" else -quantity
    now_received = world.received[place] + taken[place]
    ordered = milli(str(item.quantity))
    if movement == "101" and not item.unlimited and item.category not in ("1", "A"):
        most = ordered + ordered * milli(item.over_percent) // 100_000
        if now_received > most:
            raise Refusal("M7/433", f"PO ordered quantity exceeded by {(now_received - most) / 1000:g}")  # (u)
    if now_received < 0:
        raise Refusal("M7/434", "More is taken back than was received")  # (u)
    refers = ""
    if line.get("InvtryMgmtReferenceDocument"):
        key = (line["InvtryMgmtReferenceDocument"].zfill(10), line.get("ReferenceDocumentFiscalYear", ""))
        if key not in world.receipts:
            raise Refusal("M7/062", f"Material document {key[0]} {key[1]} does not exist")  # (u)
        refers = "/".join(key)
    return ReceiptItem(
        order=place[0],
        order_item=place[1],
        quantity=line["QuantityInEntryUnit"],
        item=position,
        unit=line["EntryUnit"],
        movement=movement,
        refers=refers,
    )
