"""A trace as a waterfall: bars on one time axis, drawn by the server, readable as a list, critical path marked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tripartite.components.console.formats import Formats, instant

WIDTH = 1000
MOST_ROWS = 40


class Span(msgspec.Struct, frozen=True):
    """One bar. `x` and `width` in thousandths of the axis."""

    span_id: str
    name: str
    where: str
    x: int
    width: int
    depth: int
    took: str
    failed: bool
    critical: bool
    note: str


class Waterfall(msgspec.Struct, frozen=True):
    """A whole trace. `left_out` says in words what is not drawn."""

    trace_id: str
    begins: str
    took: str
    ticks: tuple[str, ...]
    spans: tuple[Span, ...]
    failed: int
    left_out: str
    woken_by: tuple[str, ...] = ()  # traces of what came before


def waterfall(trace_id: str, rows: Sequence[Mapping[str, Any]], formats: Formats) -> Waterfall | None:
    """The waterfall of a trace's spans; None where there are none. Zero is the start of the first span."""
    timed = [(begin.timestamp(), row) for row in rows if (begin := instant(row["started_at"])) is not None]
    if not timed:
        return None
    zero = min(begin for begin, _ in timed)
    end = max(begin + float(row["seconds"]) for begin, row in timed)
    length = max(end - zero, 0.000_001)
    by_id = {row["span_id"]: row for _, row in timed}
    critical = _critical(timed)
    spans = []
    for starts, row in sorted(timed, key=lambda pair: (pair[0], -float(pair[1]["seconds"]))):
        seconds = float(row["seconds"])
        attributes = _attributes(row["attributes"])
        status = str(attributes.get("http.response.status_code") or "")
        spans.append(
            Span(
                span_id=row["span_id"],
                name=row["name"],
                where=row["connection"] or row["component"],
                x=min(WIDTH - 4, round((starts - zero) / length * WIDTH)),
                width=max(4, round(seconds / length * WIDTH)),
                depth=_depth(row, by_id),
                took=formats.seconds(seconds),
                failed=row["status"] != "ok",
                critical=row["span_id"] in critical,
                note=str(attributes.get("error") or "") or (status if row["status"] != "ok" else ""),
            )
        )
    hidden = spans[MOST_ROWS:]
    left_out = f"{len(hidden)} later spans are not drawn." if hidden else ""
    return Waterfall(
        trace_id=trace_id,
        begins=min(timed, key=lambda pair: pair[0])[1]["started_at"],
        took=formats.seconds(length),
        ticks=tuple(formats.seconds(length * part / 2) for part in range(3)),
        spans=tuple(spans[:MOST_ROWS]),
        failed=sum(1 for span in spans if span.failed),
        left_out=left_out,
        woken_by=_woken_by(row for _, row in timed),
    )


def _woken_by(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    named = (str(_attributes(row["attributes"]).get("woken_by") or "").split() for row in rows)
    return tuple(dict.fromkeys(trace_id for names in named for trace_id in names))


def _attributes(value: Any) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    try:
        found = json.loads(value or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _depth(row: Mapping[str, Any], by_id: Mapping[str, Mapping[str, Any]]) -> int:
    depth, parent = 0, row["parent_id"]
    while parent in by_id and depth < 8:
        depth, parent = depth + 1, by_id[parent]["parent_id"]
    return depth


def _critical(timed: Sequence[tuple[float, Mapping[str, Any]]]) -> frozenset[str]:
    """The spans on which the end depended: from each root that ends last, always the child that ends last."""
    children: dict[str, list[tuple[float, str]]] = {}
    known = {row["span_id"] for _, row in timed}
    for begin, row in timed:
        parent = row["parent_id"] if row["parent_id"] in known else ""
        children.setdefault(parent, []).append((begin + float(row["seconds"]), row["span_id"]))
    path: list[str] = []
    at = ""
    while children.get(at) and len(path) < len(known):
        at = max(children[at])[1]
        path.append(at)
    return frozenset(path)
