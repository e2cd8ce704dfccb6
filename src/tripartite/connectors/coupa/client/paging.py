"""Pages and cursors of Coupa's lists: pure.

Coupa pages by offset, and an offset over a changing set skips rows. So a pass walks by `id`, which never changes:
`updated_at[gt_or_eq]=<since>&id[gt]=<last>&order_by=id`. A record changed behind our back has an `updated-at` after
the pass began, and the next pass starts there, less an overlap. Where a tenant does not honour `order_by` (setting
`paging = "offset"`), pages overlap and must join up; if one does not, the client steps back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.transform.orders import line_number
from tripartite.connectors.coupa.transform.reading import Drift
from tripartite.runtime.protocol import ObjectKind, Page, Pulled

PAGE = 50  # records of one GET, at most
JOIN = 10  # records by which two offset pages overlap
MOST_SEEN = 500  # records whose digest a cursor remembers


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a stream stands. `since` bounds the pass, `started` is when it began by Coupa's clock, `after` the last id
    (or `offset` and the digests of the `tail`, the page
    before). `seen` are digests of what the last pass brought inside the overlap.
    """

    since: str = ""
    started: str = ""
    after: int = 0
    offset: int = 0
    tail: dict[str, str] = {}
    seen: dict[str, str] = {}
    fresh: dict[str, str] = {}


class Record(msgspec.Struct, frozen=True):
    key: wire.Key
    content: bytes


def page_of(
    stream: ObjectKind,
    at: Cursor,
    records: Sequence[Record],
    told: datetime,
    *,
    more: bool,
    overlap: timedelta,
    by_offset: bool,
) -> Page:
    """The documents not seen in the pass before, and the cursor behind them."""
    started = at.started or told.isoformat()
    next_since = datetime.fromisoformat(started) - overlap
    items, fresh = [], dict(at.fresh)
    for record in records:
        name, mark = str(record.key.id), mark_of(record)
        if at.seen.get(name) != mark:
            items.append(pulled(stream, record))
        recent = time_of(record.key.updated_at) >= next_since
        if recent and (name in fresh or len(fresh) < MOST_SEEN):
            fresh[name] = mark
    if more:
        behind = Cursor(
            since=at.since,
            started=started,
            after=records[-1].key.id,
            offset=at.offset + len(records) - JOIN if by_offset else 0,
            tail={str(record.key.id): mark_of(record) for record in records} if by_offset else {},
            seen=at.seen,
            fresh=fresh,
        )
    else:
        # Forgetting is safe: what is not remembered is brought again, and a twin is known by its digest.
        behind = Cursor(since=stamp(next_since), seen=fresh)
    return Page(tuple(items), msgspec.json.encode(behind).decode(), more)


def joins(at: Cursor, records: Sequence[Record]) -> bool:
    """Whether an offset page joins the one before: they share a record that has not changed, and so not moved."""
    return not at.offset or any(at.tail.get(str(record.key.id)) == mark_of(record) for record in records)


def mark_of(record: Record) -> str:
    return sha256(record.content).hexdigest()[:16]


def pulled(kind: ObjectKind, record: Record) -> Pulled:
    key = record.key
    name = {"order": key.po_number, "supplier": key.number or f"#{key.id}"}.get(kind) or str(key.id)
    return Pulled(kind, name, key.updated_at, record.content)


def time_of(text: str) -> datetime:
    """A record's `updated-at`, in UTC where it states no offset. Errors: `ValueError`."""
    stated = datetime.fromisoformat(text)
    if not 1900 <= stated.year <= 2200:
        raise ValueError(f"the year {stated.year}")
    return stated if stated.tzinfo else stated.replace(tzinfo=UTC)


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def line_ids(content: bytes, line: str) -> list[str]:
    """The ids of an order's lines; of one line, by our number for it, where `line` says so."""
    order = msgspec.json.decode(content, type=wire.OrderKey)
    return [str(entry.id) for entry in order.order_lines if not line or _our_number(entry) == line]


def _our_number(line: wire.LineKey) -> str:
    try:
        return str(line_number(line.line_num, line.sub_line_num, ""))
    except Drift:
        return line.line_num or ""
