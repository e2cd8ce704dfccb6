"""A warehouse on the bench: what came, what went back, what was corrected or never was, each in its newest version.

Written from the contract's description (docs/connectors/warehouse.md), never from our translation; it imports neither
`wire` nor `transform`. The truth is what lies on its shelves: of each order line what came and is still there.

Settings (all optional)
    client_id, client_secret      what /oauth/token accepts; default `tripartite`, `warehouse-secret`
    api_token                     a fixed bearer token that is accepted too
    token_seconds                 life of a token, default 3600
    numbers                       `number` (default): quantities as JSON numbers; `string`: as text
    warehouse                     the code of a document that names none, default `13`
    webhook_url, webhook_secret   where changes are announced; unset for no webhooks
    fat_webhooks                  `yes`: the document travels in the envelope
    receipts                      N: so many receipts are there from the start, made from the seed

Besides the bench's own faults: `cursor_expired` (410 on a page mark), `moving` (the first document of a page changes
while the page is being read, and moves to the end of the list), `slow` (the answer takes `delay` seconds).

`arrange` takes {"receipts": [...], "webhooks": {"times": 1, "shuffle": false, "age_seconds": 0, "forged": false},
"after_seconds": 0, "shown_after_seconds": 0} or "webhooks": false. A document needs `id` and `lines`; arranged again it
gets the next version, and keeps what is not said anew. With `after_seconds` it comes later; with `shown_after_seconds`
it is stamped now and listed later, as a transaction that commits late. {"reverse": ["R-1"]} sets REVERSED.
{"webhook_secret": "..."} rotates the secret, {"webhook_url": "..."} moves the receiver.
"""

from __future__ import annotations

import base64
import bisect
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import msgspec

from tripartite.connectors.simulating import Bench, Reply, Request, json_reply
from tripartite.connectors.warehouse.announcing import Announcer

PAGE_LIMIT = 200
_EVENT_OF = {
    "EXPECTED": "receipt.started",
    "ARRIVED": "receipt.started",
    "IN_PROGRESS": "receipt.line_received",
    "CLOSED": "receipt.closed",
    "CORRECTED": "receipt.corrected",
    "REVERSED": "receipt.reversed",
}
_encoder = msgspec.json.Encoder(decimal_format="number")


def build(settings: dict[str, str], seed: int = 0) -> Warehouse:
    """A warehouse with these settings; the same seed makes the same receipts and strikes the same faults."""
    return Warehouse(settings, seed)


class Document(msgspec.Struct):
    """One document as the warehouse keeps it. `touched` orders the list; from `shown_from` on reads see it."""

    content: dict[str, Any]
    version: int
    touched: int
    stamp: str
    shown_from: float = 0.0


class Problem(Exception):
    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.error = {"code": code, "message": message, "details": []}


class Warehouse(Bench):
    """The ASGI app. `wall` gives the time that documents and webhooks are stamped with and may be replaced."""

    def __init__(self, settings: dict[str, str], seed: int) -> None:
        super().__init__(seed=seed)
        self.settings = settings
        self.wall: Callable[[], float] = time.time
        self.documents: dict[str, Document] = {}
        self.order: list[tuple[int, str]] = []  # (touched, id) in rising order; stale entries are passed over
        self.tokens: dict[str, float] = {}
        self.hooks = Announcer(self, settings)
        self.truth = self._truth
        self.arrange = self._arrange
        self.route("POST", "/oauth/token", "token", self._token)
        self._add("/receipts", "pull_receipt", self._list)
        self._add("/receipts/(.+)", "fetch_receipt", self._get)
        self._seeded(int(settings.get("receipts", "0")))

    # At the door.

    def _add(self, path: str, operation: str, handler: Callable[[Request, re.Match[str]], Awaitable[Reply]]) -> None:
        async def guarded(request: Request, match: re.Match[str]) -> Reply:
            asked = "receipts_of_order" if "po_number" in request.query else operation
            if reply := await self.before(asked):
                return reply
            if fault := self.fault(asked, "slow"):
                await self.sleep(fault.delay)
            try:
                self._authorise(request, asked)
                return await handler(request, match)
            except Problem as problem:
                return json_reply({"error": problem.error}, problem.status)

        self.route("GET", path, operation, guarded)

    def _authorise(self, request: Request, operation: str) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.fault(operation, "expire"):
            self.tokens.pop(token, None)
        fixed = self.settings.get("api_token", "")
        if not (fixed and token == fixed) and self.tokens.get(token, float("-inf")) <= self.clock():
            raise Problem(401, "UNAUTHORIZED", "the token is unknown or has ended")

    async def _token(self, request: Request, _: re.Match[str]) -> Reply:
        if reply := await self.before("token"):
            return reply
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        wanted = (
            self.settings.get("client_id", "tripartite"),
            self.settings.get("client_secret", "warehouse-secret"),
        )
        stated = (form.get("client_id"), form.get("client_secret"))
        if form.get("grant_type") != "client_credentials" or stated != wanted:
            return json_reply({"error": {"code": "INVALID_CLIENT", "message": "", "details": []}}, 401)
        token = f"wms-{self.random.getrandbits(96):024x}"
        life = int(self.settings.get("token_seconds", "3600"))
        self.tokens[token] = self.clock() + life
        return json_reply({"access_token": token, "token_type": "Bearer", "expires_in": life})

    # Documents.

    async def _list(self, request: Request, _: re.Match[str]) -> Reply:
        query = request.query
        size = max(1, min(int(query.get("page_size", "50")), PAGE_LIMIT))
        place = bisect.bisect_left(self.order, (_micros(query["updated_since"]), "")) if "updated_since" in query else 0
        if mark := query.get("cursor"):
            if self.fault("pull_receipt", "cursor_expired"):
                raise Problem(410, "CURSOR_EXPIRED", "this page mark is no longer kept")
            try:
                touched, last = base64.urlsafe_b64decode(mark).decode().split("|", 1)
                place = bisect.bisect_right(self.order, (int(touched), last))
            except ValueError:
                raise Problem(400, "CURSOR_UNKNOWN") from None
        found: list[tuple[int, str]] = []
        following = ""
        now = self.wall()
        for touched_at, key in self.order[place:]:
            document = self.documents[key]
            if document.touched != touched_at or document.shown_from > now or not _wanted(document.content, query):
                continue
            if len(found) == size:
                following = base64.urlsafe_b64encode(f"{found[-1][0]}|{found[-1][1]}".encode()).decode()
                break
            found.append((touched_at, key))
        body = b'{"data":[%b],"next":%b}' % (
            b",".join(self.shown(key) for _, key in found),
            msgspec.json.encode(following or None),
        )
        if found and self.fault("pull_receipt", "moving"):
            self._put({"id": found[0][1]}, {})
        return Reply(200, body, {"content-type": "application/json"})

    async def _get(self, _: Request, match: re.Match[str]) -> Reply:
        document = self.documents.get(match[1])
        if document is None or document.shown_from > self.wall():
            raise Problem(404, "NOT_FOUND", f"document {match[1]} is not here")
        return Reply(200, self.shown(match[1]), {"content-type": "application/json"})

    def shown(self, key: str) -> bytes:
        """The document as the warehouse sends it, quantities as JSON numbers in their exact digits unless set so."""
        document = self.documents[key]
        return _encoder.encode({**document.content, "version": document.version, "updated_at": document.stamp})

    def _put(self, said: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, int, str, str]:
        """Keep a document, new or in its next version; what happened, for the announcer."""
        key = str(said["id"])
        known = self.documents.get(key)
        usual = {"type": "RECEIPT", "status": "CLOSED", "warehouse": self.settings.get("warehouse", "13")}
        content = {**(known.content if known else usual), **self._kept(said)}
        version = int(said.get("version", known.version + 1 if known else 1))
        last = self.order[-1][0] if self.order else 0
        touched = max(int(self.wall() * 1_000_000), last)
        if touched == last and self.order and key <= self.order[-1][1]:
            touched += 1  # the list stays in rising order without a sort
        late = float(wanted.get("shown_after_seconds", 0))
        shown_from = self.wall() + late if late else 0.0
        self.documents[key] = Document(content, version, touched, _text(touched), shown_from)
        self.order.append((touched, key))
        kind = _EVENT_OF.get(content["status"], "receipt.corrected")
        if content["type"] == "RETURN" and content["status"] == "CLOSED":
            kind = "return_to_vendor.shipped"
        return key, version, kind, str(content["warehouse"])

    # The bench's own doors.

    def _arrange(self, wanted: dict[str, Any]) -> dict[str, int]:
        for name in ("webhook_secret", "webhook_url"):
            if name in wanted:
                self.settings[name] = str(wanted[name])
        said = [*wanted.get("receipts", ()), *({"id": key, "status": "REVERSED"} for key in wanted.get("reverse", ()))]
        how = wanted.get("webhooks", {})

        def happen() -> None:
            changes = [self._put(one, wanted) for one in said]
            if how is not False:
                self.hooks.announce(changes, how)

        if seconds := float(wanted.get("after_seconds", 0)):
            self.later(seconds, happen)
        else:
            happen()
        return {"receipts": len(said)}

    def _truth(self) -> dict[str, Any]:
        """What lies on the shelves: for each order line what came, what of it is good, and what went back."""
        shelves: dict[str, dict[str, Decimal]] = {}
        for document in self.documents.values():
            content = document.content
            if content["status"] not in ("CLOSED", "CORRECTED"):
                continue
            for line in content.get("lines", ()):
                order = line.get("po_number") or content.get("po_number", "")
                shelf = shelves.setdefault(
                    f"{order}/{line.get('po_line', '')}", {"came": Decimal(0), "good": Decimal(0)}
                )
                bad = _exact(line, "qty_damaged") + _exact(line, "qty_rejected")
                match content["type"]:
                    case "RECEIPT":
                        shelf["came"] += _exact(line, "qty_received")
                        shelf["good"] += _exact(line, "qty_received") - bad
                    case "RETURN":
                        shelf["came"] -= _exact(line, "qty_returned")
                        if line.get("condition", "GOOD") == "GOOD":
                            shelf["good"] -= _exact(line, "qty_returned")
                    case "REVERSAL":
                        shelf["came"] -= _exact(line, "qty_reversed")
                        shelf["good"] -= _exact(line, "qty_reversed") - bad
                    case _:
                        shelf["came"] += _exact(line, "qty_change")
                        shelf["good"] += _exact(line, "qty_change")
        return {
            "shelves": {place: {name: str(amount) for name, amount in one.items()} for place, one in shelves.items()},
            "documents": {
                key: {"version": one.version, "status": one.content["status"], "type": one.content["type"]}
                for key, one in self.documents.items()
            },
            "webhooks": self.hooks.heard,
        }

    def _kept(self, said: dict[str, Any]) -> dict[str, Any]:
        as_text = self.settings.get("numbers") == "string"

        def kept(name: str, value: Any) -> Any:
            if isinstance(value, dict):
                return {key: kept(key, inner) for key, inner in value.items()}
            if isinstance(value, list | tuple):
                return [kept(name, inner) for inner in value]
            assert not isinstance(value, float), "arrange quantities as text or Decimal: a float has lost its digits"
            if name.startswith("qty_") and isinstance(value, str | int | Decimal) and not isinstance(value, bool):
                try:
                    return str(value) if as_text else Decimal(value)
                except ArithmeticError:
                    return value  # a document with nonsense in it stays nonsense: that is what the test is about
            return value

        return {key: kept(key, value) for key, value in said.items() if key != "version"}

    def _seeded(self, count: int) -> None:
        """So many plausible receipts: one to five lines, some short, some damaged, some over."""
        for number in range(1, count + 1):
            lines = []
            for row in range(1, self.random.randint(1, 5) + 1):
                expected = self.random.randint(1, 60)
                received = max(0, expected + self.random.choice((0, 0, 0, 0, -3, 2)))
                damaged = min(received, self.random.choice((0, 0, 0, 0, 0, 1)))
                lines.append(
                    {
                        "line_id": f"R-{number:06d}-{row}",
                        "po_line": str(row * 10),
                        "uom": "EA",
                        "qty_expected": expected,
                        "qty_received": received,
                        "qty_accepted": received - damaged,
                        "qty_damaged": damaged,
                    }
                )
            day = datetime(2026, 1, 1, 9, tzinfo=UTC) + timedelta(hours=self.random.randint(0, 7200))
            self._put(
                {
                    "id": f"R-{number:06d}",
                    "po_number": f"45{number:08d}",
                    "received_at": day.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "lines": lines,
                },
                {},
            )


def _wanted(content: dict[str, Any], query: dict[str, str]) -> bool:
    if query.get("status") and content["status"] != query["status"]:
        return False
    order = query.get("po_number", "")
    named = {content.get("po_number"), *(line.get("po_number") for line in content.get("lines", ()))}
    return not order or order in named


def _exact(line: dict[str, Any], name: str) -> Decimal:
    return Decimal(str(line.get(name) or 0))


def _text(micros: int) -> str:
    moment = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _micros(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(400, "BAD_DATE") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
