"""A receipt of the warehouse into SAP's words, and whether a material document shown there is that receipt. Pure.

The warehouse's own number of the receipt stands in `MaterialDocumentHeaderText`, by which it is found again; the
supplier's delivery note in `ReferenceDocument`. Quantities are positive, the movement type gives the direction.

Dropped on purpose: who received (SAP writes its own user), notes, what was rejected or short (it was not received),
acceptance and catch weights.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

from tripartite.connectors.sap_s4hana.transform.ordering import fits
from tripartite.connectors.sap_s4hana.transform.words import (
    day,
    initial,
    many,
    number_of,
    padded,
    quantity,
    sap_unit,
    ticks,
    unpadded,
)
from tripartite.connectors.sap_s4hana.wire import movements as wire
from tripartite.core.codec import decode
from tripartite.core.objects import Receipt, ReceiptKind
from tripartite.runtime.protocol import Absent, ProbeAnswer, Rejected, Settled, Unwritable

# A service entry and a withdrawal from consignment are other documents in SAP, with services of their own.
_MOVEMENTS: Mapping[ReceiptKind, str] = {"receipt": "101", "reversal": "102", "return": "122"}

Sums = Mapping[tuple[str, int, str], Fraction]  # order, item, movement -> quantity


class Movement(msgspec.Struct, frozen=True):
    """A document to post, what it takes from in our words, and the units that only the order knows."""

    body: wire.A_MaterialDocumentHeader
    company_code: str
    orders: tuple[str, ...]
    takes_from: tuple[str, ...]  # one a line, empty where nothing is named
    unnamed_units: tuple[int, ...]  # the places of lines without a unit


def write_receipt(payload: bytes) -> Movement:
    """The document of a receipt, return or reversal. Errors: `Unwritable` naming the field that does not fit."""
    receipt = decode(payload, Receipt)
    movement = _MOVEMENTS.get(receipt.kind)
    if movement is None:
        raise Unwritable("posting.unwritable", "/kind", f"a {receipt.kind} is no goods movement of an order here")
    if receipt.posted_on is None:
        raise Unwritable("posting.unwritable", "/posted_on", "a receipt without its day")
    if not receipt.lines or not receipt.number:
        raise Unwritable("posting.unwritable", "/lines", "a receipt without number or lines")
    items = []
    for place, line in enumerate(receipt.lines):
        here = f"/lines/{place}"
        if not 0 < line.order_line <= 99999:
            raise Unwritable("posting.unwritable", here + "/order_line", "an order line of 1 to 99999 is needed")
        items.append(
            wire.A_MaterialDocumentItem(
                PurchaseOrderItem=str(line.order_line),
                GoodsMovementType=movement,
                GoodsMovementRefDocType="B",
                QuantityInEntryUnit=quantity(line.quantity, here + "/quantity"),
                EntryUnit=fits(sap_unit(line.unit), 3, here + "/unit") or None,
            )
        )
    body = wire.A_MaterialDocumentHeader(
        GoodsMovementCode="01",
        DocumentDate=ticks(receipt.delivered_on or receipt.posted_on),
        PostingDate=ticks(receipt.posted_on),
        MaterialDocumentHeaderText=fits(receipt.number, 25, "/number"),
        ReferenceDocument=fits(receipt.delivery_note, 16, "/delivery_note") or None,
        to_MaterialDocumentItem=items,
    )
    return Movement(
        body,
        receipt.company_code,
        tuple(line.order_number for line in receipt.lines),
        tuple(line.takes_from for line in receipt.lines),
        tuple(place for place, line in enumerate(receipt.lines) if not line.unit),
    )


def named(
    movement: Movement, numbers: Mapping[str, str], taken: Mapping[str, str], plants: Mapping[str, str]
) -> Movement:
    """The movement with SAP's numbers: of its orders, and (`number/year`) of the documents it takes from."""
    items = []
    for place, item in enumerate(movement.body.to_MaterialDocumentItem or ()):
        order = movement.orders[place]
        number, _, year = taken.get(movement.takes_from[place], "").partition("/")
        items.append(
            msgspec.structs.replace(
                item,
                PurchaseOrder=fits(numbers.get(order, order), 10, f"/lines/{place}/order_number"),
                Plant=plants.get(movement.company_code, movement.company_code),
                InvtryMgmtReferenceDocument=padded(number) or None,
                ReferenceDocumentFiscalYear=year or None,
            )
        )
    body = msgspec.structs.replace(movement.body, to_MaterialDocumentItem=items)
    return msgspec.structs.replace(movement, body=body)


def reference_of(document: wire.A_MaterialDocumentHeaderRead) -> str:
    """The document's number and year, `5000000891/2026`; empty where either is missing."""
    if not document.MaterialDocument or not document.MaterialDocumentYear:
        return ""
    return f"{document.MaterialDocument}/{document.MaterialDocumentYear}"


def judge_receipt(
    found: Sequence[wire.A_MaterialDocumentHeaderRead], sent: wire.A_MaterialDocumentHeader
) -> ProbeAnswer:
    """What became of `sent` among the documents under its number and day.

    The same movements of the same orders are it, whoever posted it. Other movements under the number are for a person.
    """
    number = sent.MaterialDocumentHeaderText
    same = [document for document in found if document.MaterialDocumentHeaderText == number and reference_of(document)]
    same = [document for document in same if day(document.PostingDate) == day(sent.PostingDate)]
    equal = sorted(reference_of(document) for document in same if _sums_read(document) == _sums_sent(sent))
    if equal:
        return Settled(equal[0], f"also posted as {', '.join(equal[1:])}" if equal[1:] else "")
    if same:
        return Rejected(
            "posting.probe_conflict", f"{reference_of(same[0])} has this number and day and moves something else"
        )
    return Absent(f"no material document {number}")


def _sums_sent(sent: wire.A_MaterialDocumentHeader) -> Sums:
    sums: defaultdict[tuple[str, int, str], Fraction] = defaultdict(Fraction)
    for item in sent.to_MaterialDocumentItem or ():
        key = (unpadded(item.PurchaseOrder), number_of(item.PurchaseOrderItem), item.GoodsMovementType or "")
        sums[key] += Fraction(item.QuantityInEntryUnit or "0")
    return sums


def _sums_read(document: wire.A_MaterialDocumentHeaderRead) -> Sums:
    sums: defaultdict[tuple[str, int, str], Fraction] = defaultdict(Fraction)
    for item in many(document.to_MaterialDocumentItem) or ():
        if initial(item.QuantityInEntryUnit):
            continue
        key = (unpadded(item.PurchaseOrder), number_of(item.PurchaseOrderItem), item.GoodsMovementType or "")
        sums[key] += Fraction(item.QuantityInEntryUnit or "0")
    return sums
