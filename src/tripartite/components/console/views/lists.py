"""What the list pages show: the overview, invoices, the work queue, connections. Functions of the owners' answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any
from urllib.parse import urlencode

import msgspec

from tripartite.components.console import words
from tripartite.components.console.formats import Formats, exact
from tripartite.components.console.words import Mark

_FILTERS = ("state", "code", "owner", "supplier")


class Filter(msgspec.Struct, frozen=True):
    """What is asked of a list, as words in one box: `state:held code:match.price_over_limit aurum`."""

    state: str = ""
    code: str = ""
    owner: str = ""
    supplier: str = ""
    text: str = ""

    def words(self) -> str:
        """The filter as it stands in the box and in the address."""
        parts = [f"{name}:{value}" for name in _FILTERS if (value := getattr(self, name))]
        return " ".join([*parts, self.text] if self.text else parts)

    def address(self, page: str, **further: str) -> str:
        """The address of a list under this filter."""
        query = {name: value for name, value in {"q": self.words(), **further}.items() if value}
        return f"{page}?{urlencode(query)}" if query else page

    def but(self, **changed: str) -> Filter:
        """The same filter with some words changed or (empty) left out."""
        return msgspec.structs.replace(self, **changed)


def read_filter(text: str) -> Filter:
    """A filter from its words. What is no `name:value` of a known name is looked for as text; the last word wins."""
    found: dict[str, str] = {}
    rest = []
    for word in text[:500].split():
        name, colon, value = word.partition(":")
        if colon and name in _FILTERS and value:
            found[name] = value
        else:
            rest.append(word)
    return Filter(**found, text=" ".join(rest))


class Sum(msgspec.Struct, frozen=True):
    """A sum in one currency. Currencies are never added to one another."""

    currency: str
    gross: str
    at_risk: str
    count: int


class Standing(msgspec.Struct, frozen=True):
    """How many invoices stand in one state, with the sums of each currency."""

    state: str
    mark: Mark
    count: int
    sums: tuple[Sum, ...]


def standings(totals: Sequence[Mapping[str, Any]]) -> list[Standing]:
    """`/v1/invoices/totals` by state, in the order in which somebody must care; states without invoices left out."""
    by_state: dict[str, list[Sum]] = {}
    for row in totals:
        by_state.setdefault(row["state"], []).append(
            Sum(row["currency"], str(row["gross"]), str(row["money_at_risk"]), int(row["count"]))
        )
    order = [*words.INVOICE_STATES, *(state for state in by_state if state not in words.INVOICE_STATES)]
    return [
        Standing(
            state=state,
            mark=words.mark(words.INVOICE_STATES, state),
            count=sum(each.count for each in by_state[state]),
            sums=tuple(by_state[state]),
        )
        for state in order
        if state in by_state
    ]


class Member(msgspec.Struct, frozen=True):
    """One document under a cause: its lines together, with the sum of what they put at risk. It counts once."""

    kind: str
    object_id: str
    company_code: str
    lines: tuple[int, ...]
    sentences: tuple[str, ...]
    currency: str
    at_risk: str
    value_held: str
    due_at: str
    person: str
    also_roles: tuple[str, ...]
    orders: tuple[str, ...]
    notices: tuple[Mapping[str, Any], ...]


class Cause(msgspec.Struct, frozen=True):
    """Open exceptions of one reason: how many, at risk in each currency, who owns them, the first due time."""

    code: str
    meaning: str
    response: str
    severity: str
    bars: int
    owner: str
    count: int
    at_risk: tuple[tuple[str, str], ...]
    due_at: str
    members: tuple[Member, ...] = ()
    shown: int = 0  # how many exceptions the members stand for

    @property
    def hidden(self) -> int:
        """How many exceptions are not among the members."""
        return max(0, self.count - self.shown)


def causes(rows: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]] = ()) -> list[Cause]:
    """`/v1/exceptions/causes` with one entry per reason, and the records that belong to it.

    Order: the largest single sum at risk first, severity and the earliest due time after. Sums of different
    currencies are compared only as numbers here, which is why each is shown with its currency.
    """
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["reason_code"], []).append(row)
    found = []
    for code, parts in grouped.items():
        severity = max((part["severity"] for part in parts), key=lambda name: words.SEVERITY_BARS.get(name, 0))
        owners = dict.fromkeys(part["owner_role"] for part in parts)
        found.append(
            Cause(
                code=code,
                meaning=words.meaning(code),
                response=words.response(code),
                severity=severity,
                bars=words.SEVERITY_BARS.get(severity, 0),
                owner=", ".join(words.owner(name) for name in owners),
                count=sum(int(part["count"]) for part in parts),
                at_risk=tuple(sums_at_risk(parts)),
                due_at=min((str(part["due_at"]) for part in parts if part["due_at"]), default=""),
                members=tuple(members([record for record in records if record["reason_code"] == code])),
                shown=sum(1 for record in records if record["reason_code"] == code),
            )
        )
    return sorted(found, key=_weight)


def members(records: Sequence[Mapping[str, Any]]) -> list[Member]:
    """Exceptions of one reason by document, the largest sum at risk first."""
    by_document: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for record in records:
        by_document.setdefault((record["object_kind"], record["object_id"], record["currency"]), []).append(record)
    found = [_member(list(parts)) for parts in by_document.values()]
    return sorted(found, key=lambda member: -(exact(member.at_risk) or Fraction(0)))


def _member(parts: list[Mapping[str, Any]]) -> Member:
    first = parts[0]
    ordered = sorted(parts, key=lambda part: part["line"])
    risk = sum((exact(part["money_at_risk"]) or Fraction(0) for part in parts), Fraction(0))
    return Member(
        kind=first["object_kind"],
        object_id=first["object_id"],
        company_code=first["company_code"],
        lines=tuple(part["line"] for part in ordered if part["line"]),
        sentences=tuple(dict.fromkeys(part["words"] for part in ordered if part.get("words"))),
        currency=first["currency"],
        at_risk=str(risk),
        value_held=first["value_held"],  # of the document: the same on each of its lines
        due_at=min((str(part["due_at"]) for part in parts if part.get("due_at")), default=""),
        person=first.get("owner_person") or "",
        also_roles=tuple(first.get("also_roles") or ()),
        orders=tuple(first.get("object_refs") or ()),
        notices=tuple(notice for part in parts for notice in part.get("notices", ())),
    )


def sums_at_risk(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What is at risk in all of `/v1/exceptions/causes`, one sum for each currency."""
    sums: dict[str, Fraction] = {}
    for row in rows:
        value = exact(str(row["money_at_risk"])) or Fraction(0)
        sums[row["currency"]] = sums.get(row["currency"], Fraction(0)) + value
    return [(currency, str(value)) for currency, value in sorted(sums.items())]


def _weight(cause: Cause) -> tuple[Fraction, int, str, str]:
    most = max((exact(value) or Fraction(0) for _, value in cause.at_risk), default=Fraction(0))
    return (-most, -cause.bars, cause.due_at or "9999", cause.code)


class Connected(msgspec.Struct, frozen=True):
    """A connection with its health in a sentence."""

    name: str
    kind: str
    role: str
    companies: str
    modes: str
    mark: Mark
    sentence: str
    waiting: int
    unknown: int
    aside: int
    calls: int
    failed_calls: int
    last_ok_at: str
    oldest_owed_at: str
    oldest_aside_at: str


def connections(rows: Sequence[Mapping[str, Any]], formats: Formats) -> list[Connected]:
    """`/v1/connections` with the health of each in words, in the order of the estate."""
    found = []
    for row in rows:
        mark, sentence = words.health(row, formats)
        modes = row.get("modes") or {}
        found.append(
            Connected(
                name=row["connection"],
                kind=row["kind"],
                role=row["role"],
                companies=", ".join(row["companies"]) or "none",
                modes=", ".join(f"{company} {mode}" if company != "*" else mode for company, mode in modes.items()),
                mark=mark,
                sentence=sentence,
                last_ok_at=str(row.get("last_ok_at") or ""),
                oldest_owed_at=str(row.get("oldest_owed_at") or ""),
                oldest_aside_at=str(row.get("oldest_aside_at") or ""),
                aside=int(row.get("dead") or 0) + int(row.get("rejected") or 0),
                **{name: int(row.get(name) or 0) for name in ("waiting", "unknown", "calls", "failed_calls")},
            )
        )
    return found


def with_streams(rows: Sequence[Mapping[str, Any]], streams: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """`/v1/connections` with the time at which each was last read without trouble, from `/v1/streams`."""
    last: dict[str, str] = {}
    for each in streams:
        if not each["failures"]:
            last[each["connection"]] = max(last.get(each["connection"], ""), str(each["pulled_at"]))
    return [{**row, "pulled_at": last.get(row["connection"], "")} for row in rows]


def behind(backlog: Sequence[Mapping[str, Any]]) -> int:
    """How many messages are written and not yet read, over all consumers."""
    return sum(int(row["behind"] or 0) for row in backlog)
