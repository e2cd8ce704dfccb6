"""Where the change streams stand: what to ask for next, and the cursor that says how far one has read. Pure.

No service here has a delta token, so a stream is read by its change stamp, in order, from a position on: "later than
this, or as late and of a higher number". A position does not shift when documents change during the poll, as `$skip`
would. Each new cycle starts a little before the last one ended (`overlap`): stamps are set before the commit, so a
late commit may lie behind what was already read. Documents met twice are told apart by key and version elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tripartite.connectors.sap_s4hana.transform.words import milliseconds, padded, seconds
from tripartite.runtime.protocol import ObjectKind

_ORDER_ITEM = "to_PurchaseOrderItem"


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """One entity set, ordered by its change stamp: a DateTimeOffset, or a date with a time beside it."""

    service: str
    entity_set: str
    stamp: str
    time: str = ""
    keys: tuple[str, ...]
    expand: str
    only: str = ""  # a condition that always holds


class Position(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A place in a feed: the stamp in milliseconds since 1970, then the keys as SAP stores them."""

    at: int
    keys: tuple[str, ...] = ()


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """`after` is where a cycle stands, None between two; `high` is the latest stamp seen, one for each feed.

    `skip` counts documents at one position that could not be told apart: answers have milliseconds, the database more.
    """

    feed: int = 0
    after: Position | None = None
    skip: int = 0
    high: tuple[int, ...] = ()


def read_cursor(text: str, feeds: int) -> Cursor:
    """The stored cursor; an empty text is the beginning. Errors: `ValueError` where it is not one of ours."""
    if not text:
        return Cursor(high=(0,) * feeds)
    cursor = msgspec.json.decode(text, type=Cursor)
    if len(cursor.high) != feeds or not 0 <= cursor.feed < feeds:
        raise ValueError("a cursor of another stream")
    return cursor


def written(cursor: Cursor) -> str:
    return msgspec.json.encode(cursor).decode()


def condition(feed: Feed, cursor: Cursor, overlap_seconds: int) -> str:
    """The `$filter` that brings what comes next; empty at the very beginning of a feed without a condition."""
    parts = [feed.only] if feed.only else []
    since = cursor.high[cursor.feed]
    if cursor.after is not None:
        parts.append(_after(feed, cursor.after))
    elif since:
        parts.append(_from(feed, since - overlap_seconds * 1000))
    return " and ".join(parts)


def order_by(feed: Feed) -> str:
    return ",".join(part for part in (feed.stamp, feed.time, *feed.keys) if part)


def position(feed: Feed, row: Mapping[str, Any]) -> Position:
    """Where a document stands in its feed. Errors: `Malformed` where its stamp is none."""
    at = milliseconds(row.get(feed.stamp))
    if feed.time:
        at = at // 86_400_000 * 86_400_000 + seconds(row.get(feed.time)) * 1000
    return Position(at, tuple(padded(str(row.get(key) or "")) for key in feed.keys))


def advance(cursor: Cursor, places: Sequence[Position], *, full: bool) -> Cursor:
    """The cursor after a page that stood at `places`; `full` where the server may have more of this feed."""
    high = max((cursor.high[cursor.feed], *(place.at for place in places)))
    highs = tuple(high if index == cursor.feed else other for index, other in enumerate(cursor.high))
    if full and places:
        last = max(places)
        if cursor.after is not None and last <= cursor.after:
            return Cursor(cursor.feed, cursor.after, cursor.skip + len(places), highs)
        return Cursor(cursor.feed, last, 0, highs)
    return Cursor((cursor.feed + 1) % len(highs), None, 0, highs)


def _after(feed: Feed, place: Position) -> str:
    beyond = ""
    for name, value in reversed(list(zip(feed.keys, place.keys, strict=True))):
        literal = quoted(value)
        beyond = f"{name} gt {literal} or ({name} eq {literal} and ({beyond}))" if beyond else f"{name} gt {literal}"
    if not feed.time:
        stamp = _moment(place.at)
        return f"({feed.stamp} gt {stamp} or ({feed.stamp} eq {stamp} and ({beyond})))"
    date, time = _date(place.at), _time(place.at)
    within = f"{feed.time} gt {time} or ({feed.time} eq {time} and ({beyond}))"
    return f"({feed.stamp} gt {date} or ({feed.stamp} eq {date} and ({within})))"


def _from(feed: Feed, at: int) -> str:
    if not feed.time:
        return f"{feed.stamp} ge {_moment(at)}"
    date, time = _date(at), _time(at)
    return f"({feed.stamp} gt {date} or ({feed.stamp} eq {date} and {feed.time} ge {time}))"


def quoted(text: str) -> str:
    """A string literal of OData: in single quotes, which are doubled inside."""
    return "'" + text.replace("'", "''") + "'"


def _utc(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=max(at, 0))


def _moment(at: int) -> str:
    return f"datetimeoffset'{_utc(at).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z'"


def _date(at: int) -> str:
    return f"datetime'{_utc(at).date().isoformat()}T00:00:00'"


def _time(at: int) -> str:
    moment = _utc(at)
    return f"time'PT{moment.hour:02d}H{moment.minute:02d}M{moment.second:02d}S'"


_ORDERS = Feed(
    service="API_PURCHASEORDER_PROCESS_SRV",
    entity_set="A_PurchaseOrder",
    stamp="LastChangeDateTime",
    keys=("PurchaseOrder",),
    expand=f"{_ORDER_ITEM}/to_AccountAssignment,{_ORDER_ITEM}/to_ScheduleLine,"
    f"{_ORDER_ITEM}/to_PurchaseOrderPricingElement,to_PurchaseOrderNote",
)
_RECEIPTS = Feed(
    service="API_MATERIAL_DOCUMENT_SRV",
    entity_set="A_MaterialDocumentHeader",
    stamp="CreationDate",  # a material document is never changed: it is created, and reversed by another
    time="CreationTime",
    keys=("MaterialDocumentYear", "MaterialDocument"),
    expand="to_MaterialDocumentItem",
)
_PARTNERS_CREATED = Feed(
    service="API_BUSINESS_PARTNER",
    entity_set="A_BusinessPartner",
    stamp="CreationDate",  # a partner never changed has no date of change, so two feeds make the stream
    time="CreationTime",
    keys=("BusinessPartner",),
    expand="to_BusinessPartnerBank,to_BusinessPartnerTax,to_BusinessPartnerAddress,to_Supplier/to_SupplierCompany",
    only="Supplier ne ''",
)
_PARTNERS_CHANGED = msgspec.structs.replace(
    _PARTNERS_CREATED,
    stamp="LastChangeDate",
    time="LastChangeTime",
    only="Supplier ne '' and LastChangeDate gt datetime'1970-01-01T00:00:00'",
)

FEEDS: Mapping[ObjectKind, tuple[Feed, ...]] = {
    "order": (_ORDERS,),
    "receipt": (_RECEIPTS,),
    "supplier": (_PARTNERS_CREATED, _PARTNERS_CHANGED),
}
