"""OData V2 as a gateway speaks it: `$filter`, keys, `$batch` frames, envelopes and errors. Knows no business.

Written from the protocol and the vendor page; it shares nothing with the client's own framing, so that an error in one
does not hide in the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tripartite.connectors.simulating import Reply

Row = Mapping[str, Any]
Test = Callable[[Row], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))"
    r"|(?P<kind>datetimeoffset|datetime|time)'(?P<when>[^']*)'"
    r"|'(?P<text>(?:[^']|'')*)'"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>-?[0-9]+(?:\.[0-9]+)?)[mMdDlLfF]?)"
)
_TICKS = re.compile(r"/Date\((-?[0-9]+)")
_CLOCK = re.compile(r"PT([0-9]+)H([0-9]+)M([0-9]+)S\Z")
_KEY = re.compile(r"(?:([A-Za-z]+)=)?'((?:[^']|'')*)'")
_EQUAL = re.compile(r"\(?([A-Za-z]+) eq '((?:[^']|'')*)'")
# Stored with leading zeros, shown without: a filter meets the stored form and misses on the other.
_PADDED = frozenset({"InvoicingParty", "Supplier", "BusinessPartner", "CostCenter"})


class BadQuery(Exception):
    """A query option that is not understood: 400, as a gateway answers."""


def ticks(moment: datetime, *, offset: bool = False) -> str:
    """`/Date(ms)/`; with `+0000` for a DateTimeOffset."""
    value = round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
    return f"/Date({value}+0000)/" if offset else f"/Date({value})/"


def clock(moment: datetime) -> str:
    return f"PT{moment.hour:02d}H{moment.minute:02d}M{moment.second:02d}S"


class Filter:
    """A compiled `$filter`: a test of rows, and what must hold, by which an index may narrow.

    `equal`: equalities that all hold. `among`: texts to which some field is equal in each alternative; empty where an
    alternative has none.
    """

    def __init__(self, text: str) -> None:
        self.equal: dict[str, str] = {}
        self.among = among(text)
        self._tokens = _tokens(text)
        self._place = 0
        self.test = self._either(top=True)
        if self._place != len(self._tokens):
            raise BadQuery(f"unexpected {self._tokens[self._place]!r} in $filter")

    def _peek(self) -> tuple[str, Any]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, Any]:
        token = self._peek()
        self._place += 1
        return token

    def _either(self, *, top: bool) -> Test:
        tests = [self._both(top=top)]
        while self._peek() == ("word", "or"):
            self.equal.clear()
            top = False
            self._next()
            tests.append(self._both(top=False))
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _both(self, *, top: bool) -> Test:
        tests = [self._one(top=top)]
        while self._peek() == ("word", "and"):
            self._next()
            tests.append(self._one(top=top))
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self, *, top: bool) -> Test:
        kind, value = self._next()
        if kind == "open":
            kept = dict(self.equal)
            test = self._either(top=False)
            self.equal = kept
            if self._next()[0] != "close":
                raise BadQuery("a bracket is not closed in $filter")
            return test
        if kind != "word":
            raise BadQuery(f"unexpected {value!r} in $filter")
        field, operator, (literal_kind, literal) = value, self._next()[1], self._next()
        if literal_kind in ("open", "close", "end"):
            raise BadQuery("a literal is missing in $filter")
        if operator == "eq" and top and literal_kind == "text":
            self.equal[field] = literal
        return _comparison(field, operator, literal_kind, literal)


def among(text: str) -> dict[str, set[str]]:
    """Of a disjunction: by field, the texts that its alternatives ask for, one equality of each taken."""
    found: dict[str, set[str]] = {}
    for part in text.split(" or "):
        match = _EQUAL.match(part.strip())
        if match is None:
            return {}
        found.setdefault(match[1], set()).add(match[2].replace("''", "'"))
    return found


def _tokens(text: str) -> list[tuple[str, Any]]:
    tokens: list[tuple[str, Any]] = []
    place = 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise BadQuery(f"cannot read $filter at {text[place : place + 20]!r}")
        place = match.end()
        kind = match.lastgroup or ""
        if kind == "when":
            tokens.append(("when", _instant(match["kind"], match["when"])))
        elif kind == "text":
            tokens.append(("text", match["text"].replace("''", "'")))
        else:
            tokens.append((kind, match[kind]))
    return tokens


def _instant(kind: str, text: str) -> int:
    if kind == "time":
        found = _CLOCK.match(text)
        if found is None:
            raise BadQuery(f"{text!r} is not an Edm.Time")
        hours, minutes, seconds = (int(part) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise BadQuery(f"{text!r} is not an Edm.DateTime") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def stored(row: Row, field: str) -> Any:
    """A value as the database has it: padded where ALPHA pads, instants as numbers; None where there is none."""
    value = row.get(field)
    if isinstance(value, str):
        if field in _PADDED and value.isdigit():
            return value.zfill(10)
        if value.startswith("/Date("):
            found = _TICKS.match(value)
            return int(found[1]) if found else None
        if value.startswith("PT") and (found := _CLOCK.match(value)):
            return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])
    return value


def _comparison(field: str, operator: str, kind: str, literal: Any) -> Test:
    if kind == "word":
        literal = {"true": True, "false": False, "null": None}.get(literal, literal)
    match operator:
        case "eq":
            return lambda row: stored(row, field) == literal
        case "ne":
            return lambda row: stored(row, field) != literal
        case "gt":
            return lambda row: (value := stored(row, field)) is not None and value > literal
        case "ge":
            return lambda row: (value := stored(row, field)) is not None and value >= literal
        case "lt":
            return lambda row: (value := stored(row, field)) is not None and value < literal
        case "le":
            return lambda row: (value := stored(row, field)) is not None and value <= literal
    raise BadQuery(f"unknown operator {operator!r} in $filter")


def keys(text: str) -> dict[str, str]:
    """The key predicate of an entity, `'1'` under the empty name or `Year='2026',Number='5'` by name."""
    return {name: value.replace("''", "'") for name, value in _KEY.findall(text)}


def order(rows: list[Row], fields: str) -> list[Row]:
    """Sorted by `$orderby`, the last field first, missing values first, as a stable sort."""
    for field in reversed([part.strip() for part in fields.split(",") if part.strip()]):
        name, _, direction = field.partition(" ")
        rows = sorted(
            rows,
            key=lambda row: ((value := stored(row, name)) is not None, value if value is not None else 0),
            reverse=direction == "desc",
        )
    return rows


def error(code: str, text: str, status: int = 400, *, service: str = "") -> Reply:
    """The V2 error body: the message twice, then the gateway's own exception as the last detail."""
    details = [{"code": code, "message": text, "propertyref": "", "severity": "error", "target": ""}]
    if not code.startswith("/IW"):
        generic = {"code": "/IWBEP/CX_MGW_BUSI_EXCEPTION", "message": "An exception was raised", "propertyref": ""}
        details.append({**generic, "severity": "error", "target": ""})
    body = {
        "error": {
            "code": code,
            "message": {"lang": "en", "value": text},
            "innererror": {
                "application": {"component_id": "", "service_namespace": "/SAP/", "service_id": service},
                "transactionid": "0000000000000000",
                "errordetails": details,
            },
        }
    }
    return Reply(status, msgspec.json.encode(body), {"content-type": "application/json", "dataserviceversion": "1.0"})


def entity(value: Mapping[str, Any], status: int = 200, message: str = "") -> Reply:
    headers = {"content-type": "application/json;charset=utf-8", "dataserviceversion": "2.0"}
    if message:
        headers["sap-message"] = message
    return Reply(status, msgspec.json.encode({"d": value}), headers)


class Call(msgspec.Struct, frozen=True):
    """One request inside a changeset; names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        return msgspec.json.decode(self.body, type=dict[str, Any])


def changesets(content: bytes, content_type: str) -> list[list[Call]]:
    """The changesets of a batch with their requests. Errors: `BadQuery`."""
    outer = _boundary(content_type)
    found: list[list[Call]] = []
    for piece in content.split(b"--" + outer)[1:]:
        if piece[:2] == b"--":
            return found
        head, _, rest = piece.partition(b"\r\n\r\n")
        inner = _boundary(head.decode("latin-1"))
        parts = [part for part in rest.split(b"--" + inner)[1:] if part[:2] != b"--"]
        if not parts:
            raise BadQuery("an empty changeset")
        found.append([_call(part) for part in parts])
    raise BadQuery("the batch is not closed")


def _call(part: bytes) -> Call:
    _, _, request = part.partition(b"\r\n\r\n")
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    words = line.split(" ")
    if len(words) != 3:
        raise BadQuery("a part of the batch is not an HTTP request")
    headers = {name.strip().lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Call(words[0], words[1], headers, body.rstrip(b"\r\n"))


def _boundary(text: str) -> bytes:
    found = re.search(r'boundary="?([^";\s]+)', text)
    if found is None:
        raise BadQuery("a multipart without a boundary")
    return found[1].encode()


_PHRASES = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


def batch_reply(replies: list[list[Reply]]) -> Reply:
    """The answers of a batch, one list a changeset. Successes stand in a multipart of their changeset, an error bare
    in its place: one for the whole changeset.
    """
    pieces = []
    for changeset in replies:
        answers = [_part(reply) for reply in changeset]
        if all(reply.status < 300 for reply in changeset):
            inner = b"".join(b"--ejjeeffe1\r\n" + answer + b"\r\n" for answer in answers)
            part = b"Content-Type: multipart/mixed; boundary=ejjeeffe1\r\n\r\n" + inner + b"--ejjeeffe1--"
        else:
            (part,) = answers
        pieces.append(b"--ejjeeffe0\r\n" + part + b"\r\n")
    pieces.append(b"--ejjeeffe0--\r\n")
    return Reply(202, b"".join(pieces), {"content-type": "multipart/mixed; boundary=ejjeeffe0"})


def _part(reply: Reply) -> bytes:
    names = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
    answer = f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, 'Error')}\r\n{names}"
    head = b"Content-Type: application/http\r\ncontent-transfer-encoding: binary\r\n\r\n"
    return head + f"{answer}Content-Length: {len(reply.body)}\r\n\r\n".encode() + reply.body
