"""The warehouse's shapes in the warehouse's own words.

Words to know:
    id          the warehouse's own number of a receipt, a return, a reversal or an adjustment; unique in one warehouse
    version     grows at every change of the document; each version is the whole document and replaces the one before
    type        RECEIPT what came; RETURN what went back to the supplier; REVERSAL a receipt, or a part of one, undone
                by a document of its own; ADJUSTMENT a counted difference, signed
    status      EXPECTED, ARRIVED, IN_PROGRESS, CLOSED, CORRECTED (closed again after a change), REVERSED (never was)
    receipt_id  the receipt that a return, reversal or adjustment is about
    line_id     the warehouse's own id of a line; a line once shown stays in the document, with zero when taken back
    depositor   whose goods they are, in the warehouse's words

A number may come as a JSON number or as text. `Digits` keeps its literal bytes, so that no parser turns 0.1 into a
binary float before our grammar has seen it.
"""

from __future__ import annotations

import msgspec

Digits = msgspec.Raw
NOTHING = msgspec.Raw()


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """`qty_received` is all that came; accepted, damaged and rejected are parts of it. The other types of document
    state `qty_returned`, `qty_reversed` or `qty_change` instead. `condition` is that of returned goods: GOOD, DAMAGED,
    REJECTED. `final`: nothing more will come for this order line.
    """

    line_id: str
    po_number: str | None = None  # where it is not the document's
    po_line: str | None = None
    item: str | None = None
    gtin: str | None = None
    description: str | None = None
    uom: str | None = None
    qty_expected: Digits = NOTHING
    qty_received: Digits = NOTHING
    qty_accepted: Digits = NOTHING
    qty_damaged: Digits = NOTHING
    qty_rejected: Digits = NOTHING
    qty_returned: Digits = NOTHING
    qty_reversed: Digits = NOTHING
    qty_change: Digits = NOTHING
    condition: str | None = None
    quality: str | None = None
    lot: str | None = None
    serials: tuple[str, ...] = ()
    expiry: str | None = None
    location: str | None = None
    final: bool = False


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /receipts/{id}`. Fields without a default are promised."""

    id: str
    version: int
    status: str
    warehouse: str
    type: str = "RECEIPT"
    receipt_id: str | None = None
    depositor: str | None = None
    po_number: str | None = None
    supplier_code: str | None = None
    asn: str | None = None
    delivery_note: str | None = None
    received_at: str | None = None
    received_by: str | None = None
    updated_at: str = ""
    lines: tuple[Line, ...] = ()


class Head(msgspec.Struct, frozen=True):
    """What every listed document carries."""

    id: str
    version: int
    status: str
    updated_at: str = ""


class ReceiptPage(msgspec.Struct, frozen=True):
    """`GET /receipts?updated_since=&po_number=&page_size=&cursor=`; `next` is null on the last page."""

    data: tuple[msgspec.Raw, ...]
    next: str | None = None


class Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int


class Problem(msgspec.Struct, frozen=True):
    code: str
    message: str = ""


class ErrorBody(msgspec.Struct, frozen=True):
    error: Problem


class Named(msgspec.Struct, frozen=True):
    """What an event says of its document, at least; a fat event holds the whole of it here."""

    id: str
    version: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The webhook's envelope."""

    event_id: str
    event_type: str
    receipt: Named
    occurred_at: str = ""
    warehouse: str = ""
    attempt: int = 1
