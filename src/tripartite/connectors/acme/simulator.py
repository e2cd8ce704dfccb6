"""Acme on the bench: written from Acme's documentation, never from our translation of it.

It holds four streams of objects and a ledger of postings, all in memory. What the ledger holds is the truth; a checker
of "no liability twice" counts there. It knows nothing of our canonical objects and imports neither `wire` nor
`transform`: a mistake in them must show as a disagreement here, not be repeated.

Settings (all optional)
    client_id, client_secret    what /oauth/token accepts; default `tripartite`, `acme-secret`
    token_seconds               life of a token, default 3600
    key_window_seconds          how long an Idempotency-Key is remembered, default 86400
    requests_per_second         0 (default) for no limit, else 429 with Retry-After beyond it
    suppliers                   `accept` (default) any, or `known`: refuse a posting for one that was not arranged
    webhook_url, webhook_secret where changes are announced, and the base64 secret (after `whsec_`)
    company_name                what /v1/me says

Besides the bench's own faults: `cursor_expired` (410 on a pull), `partial` (items 3 and 7 of a batch fail), `shuffle`
(results in another order), `omit` (item 5 is booked but not mentioned), `queued` (taken in, booked after `delay`
seconds), `word` (a state that nobody documented).

`arrange` takes {"suppliers": [...], "orders": [...], "receipts": [...], "invoices": [...]}; each object needs its
`number`, and gets the next `sequence` of its stream.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from tripartite.connectors.acme.announcing import Announcer
from tripartite.connectors.simulating import Bench, Cut, Fault, Reply, Request, json_reply

STREAMS = ("suppliers", "orders", "receipts", "invoices")
BATCH_LIMIT = 50
PAGE_LIMIT = 500


def build(settings: dict[str, str], seed: int = 0) -> Acme:
    """Acme with these settings; the same seed strikes the same faults."""
    return Acme(settings, seed)


class Posting(msgspec.Struct):
    """One line of Acme's ledger. `shown_from` is when look-ups begin to see it."""

    document: str
    year: str
    state: str
    reference: str
    shown_from: float
    body: dict[str, Any]

    def show(self) -> dict[str, Any]:
        return {
            "document": self.document,
            "year": self.year,
            "company": self.body["company"],
            "supplier_ref": self.body["supplier_ref"],
            "state": self.state,
            "reference": self.reference,
        }


class Problem(Exception):
    """An answer that is not yes, as Acme's documentation lists them."""

    def __init__(self, status: int, code: str, message: str = "", field: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.error = {"code": code, "message": message, "field": field}

    def reply(self) -> Reply:
        return json_reply({"error": self.error}, self.status)


class Stream:
    """The changes of one kind of object, oldest first; of each object only the latest form."""

    def __init__(self) -> None:
        self.latest: dict[str, bytes] = {}
        self.sequence_of: dict[str, int] = {}
        self.changes: list[str] = []  # position + 1 is the sequence

    def put(self, item: dict[str, Any]) -> int:
        number = str(item["number"])
        self.changes.append(number)
        sequence = len(self.changes)
        self.sequence_of[number] = sequence
        self.latest[number] = msgspec.json.encode({**item, "sequence": sequence})
        return sequence

    def after(self, sequence: int, limit: int, keep: Callable[[bytes], bool]) -> tuple[list[bytes], int, bool]:
        """Up to `limit` latest forms after `sequence`, the sequence reached, and whether there are more."""
        found: list[bytes] = []
        for place in range(sequence, len(self.changes)):
            number = self.changes[place]
            if self.sequence_of[number] != place + 1 or not keep(self.latest[number]):
                continue  # it changed again later and is listed there
            if len(found) == limit:
                return found, place, True
            found.append(self.latest[number])
        return found, len(self.changes), False


class Acme(Bench):
    """The ASGI app. `wall` is the time that webhooks are stamped with; `post` sends them; both may be replaced."""

    def __init__(self, settings: dict[str, str], seed: int) -> None:
        super().__init__(seed=seed)
        self.settings = settings
        self.wall: Callable[[], float] = time.time
        self.streams = {name: Stream() for name in STREAMS}
        self.ledger: list[Posting] = []
        self.remembered: dict[str, tuple[float, bytes, Posting]] = {}  # key -> when, what was sent, what came of it
        self.tokens: dict[str, float] = {}
        self.allowance = float(settings.get("requests_per_second", "0"))
        self.refilled_at: float | None = None
        self.hooks = Announcer(self, settings)
        self.truth = self._truth
        self.arrange = self._arrange
        self.route("POST", "/oauth/token", "token", self._token)
        for method, path, operation, handler in (
            ("GET", "/v1/me", "check", self._me),
            ("GET", "/v1/postings", "probe", self._find_postings),
            ("POST", "/v1/postings", "post_invoice", self._post_one),
            ("POST", "/v1/postings/batch", "post_invoice_batch", self._post_batch),
            *((("GET", f"/v1/({name})", f"pull_{name}", self._list)) for name in STREAMS),
            *((("GET", f"/v1/({name})/(.+)", f"fetch_{name}", self._get)) for name in STREAMS),
        ):
            self.route(method, path, operation, self._guarded(operation, handler))

    # At the door: faults, the limit, the token.

    def _guarded(
        self, operation: str, handler: Callable[[Request, re.Match[str]], Awaitable[Reply]]
    ) -> Callable[[Request, re.Match[str]], Awaitable[Reply]]:
        async def guarded(request: Request, match: re.Match[str]) -> Reply:
            if reply := await self.before(operation):
                return reply
            try:
                self._limit()
                self._authorise(request, operation)
                return await handler(request, match)
            except Problem as problem:
                reply = problem.reply()
                if problem.status == 429:
                    reply.headers["retry-after"] = "1"
                return reply

        return guarded

    def _limit(self) -> None:
        rate = float(self.settings.get("requests_per_second", "0"))
        if rate <= 0:
            return
        now = self.clock()
        passed = 0.0 if self.refilled_at is None else now - self.refilled_at
        self.refilled_at = now
        self.allowance = min(self.allowance + passed * rate, max(rate, 1.0))
        if self.allowance < 1:
            raise Problem(429, "slow_down", "too many requests")
        self.allowance -= 1

    def _authorise(self, request: Request, operation: str) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.fault(operation, "expire"):
            self.tokens.pop(token, None)
        if self.tokens.get(token, float("-inf")) <= self.clock():
            raise Problem(401, "token_expired", "the token is unknown or has ended")

    async def _token(self, request: Request, _: re.Match[str]) -> Reply:
        if reply := await self.before("token"):
            return reply
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        wanted = (self.settings.get("client_id", "tripartite"), self.settings.get("client_secret", "acme-secret"))
        if (
            form.get("grant_type") != "client_credentials"
            or (form.get("client_id"), form.get("client_secret")) != wanted
        ):
            return Problem(401, "invalid_client").reply()
        token = f"acme-{self.random.getrandbits(96):024x}"
        life = int(self.settings.get("token_seconds", "3600"))
        self.tokens[token] = self.clock() + life
        return json_reply({"access_token": token, "token_type": "Bearer", "expires_in": life})

    # Reading.

    async def _me(self, _: Request, __: re.Match[str]) -> Reply:
        return json_reply({"company_name": self.settings.get("company_name", "Acme Example Group")})

    async def _list(self, request: Request, match: re.Match[str]) -> Reply:
        name = match[1]
        after = request.query.get("after", "")
        if self.fault(f"pull_{name}", "cursor_expired") and after:
            raise Problem(410, "cursor_expired", "this cursor is no longer kept")
        sequence = 0
        if after:
            if not re.fullmatch(rf"{name}~[0-9]+", after):
                raise Problem(400, "cursor_unknown", field="after")
            sequence = int(after.partition("~")[2])
        limit = min(int(request.query.get("limit", "100")), PAGE_LIMIT)
        order = request.query.get("order", "")

        def keep(form: bytes) -> bool:
            return not order or any(line.get("order") == order for line in msgspec.json.decode(form).get("lines", ()))

        items, reached, more = self.streams[name].after(sequence, limit, keep)
        page = b'{"items":[%b],"next_cursor":"%b","has_more":%b}' % (
            b",".join(items),
            f"{name}~{reached}".encode(),
            b"true" if more else b"false",
        )
        return Reply(200, page, {"content-type": "application/json"})

    async def _get(self, _: Request, match: re.Match[str]) -> Reply:
        form = self.streams[match[1]].latest.get(match[2])
        if form is None:
            raise Problem(404, "not_found")
        return Reply(200, form, {"content-type": "application/json"})

    async def _find_postings(self, request: Request, _: re.Match[str]) -> Reply:
        reference = request.query.get("reference", "")
        now = self.clock()
        found = [one.show() for one in self.ledger if one.reference == reference and one.shown_from <= now]
        return json_reply({"items": found})

    # Posting.

    async def _post_one(self, request: Request, _: re.Match[str]) -> Reply:
        key = request.headers.get("idempotency-key", "")
        if not key or len(key) > 255:
            raise Problem(400, "key_missing", "postings need an Idempotency-Key")
        body = _body(request)
        if fault := self.fault("post_invoice", "late_commit"):
            self.later(fault.delay, lambda: void(self._outcome({"key": key, "posting": body}, None)))
            raise Cut
        status, posting = self._book(key, body, "post_invoice")
        if reply := await self.after("post_invoice"):
            return reply
        return json_reply(self._worded("post_invoice", posting), status)

    async def _post_batch(self, request: Request, _: re.Match[str]) -> Reply:
        operation = "post_invoice_batch"
        items = _body(request).get("items")
        if not isinstance(items, list) or not items:
            raise Problem(422, "no_items", field="items")
        if len(items) > BATCH_LIMIT:
            raise Problem(413, "batch_too_large", f"at most {BATCH_LIMIT} items")
        if fault := self.fault(operation, "late_commit"):
            self.later(fault.delay, lambda: void(*(self._outcome(item, None) for item in items)))
            raise Cut
        partial = self.fault(operation, "partial")
        results = []
        for place, item in enumerate(items, start=1):
            if partial and place in (3, 7):
                error = {"code": "period_closed", "message": "the posting period is closed", "field": "posting_date"}
                results.append({"key": item["key"], "status": 422, "error": error})
            else:
                results.append(self._outcome(item, operation))
        if self.fault(operation, "omit") and len(results) >= 5:
            del results[4]
        if self.fault(operation, "shuffle"):
            self.random.shuffle(results)
        if reply := await self.after(operation):
            return reply
        return json_reply({"results": results})

    def _outcome(self, item: dict[str, Any], operation: str | None) -> dict[str, Any]:
        try:
            status, posting = self._book(str(item["key"]), item["posting"], operation)
        except Problem as problem:
            return {"key": item["key"], "status": problem.status, "error": problem.error}
        shown = posting.show() if operation is None else self._worded(operation, posting)
        return {"key": item["key"], "status": status, "posting": shown}

    def _worded(self, operation: str, posting: Posting) -> dict[str, Any]:
        shown = posting.show()
        if self.fault(operation, "word"):
            shown["state"] = "parked_for_review"
        return shown

    def _book(self, key: str, body: dict[str, Any], operation: str | None) -> tuple[int, Posting]:
        """Book once per remembered key. Errors: `Problem`."""
        now = self.clock()
        sent = hashlib.sha256(msgspec.json.encode(body)).digest()
        window = float(self.settings.get("key_window_seconds", "86400"))
        if (known := self.remembered.get(key)) and now - known[0] <= window:
            if known[1] != sent:
                raise Problem(409, "key_reused", "this key came with another body")
            return 200, known[2]
        self._examine(body)
        kinds = ("lie_dropped", "lie_twice", "lag", "queued")
        fault = self.fault(operation, *kinds) if operation else None
        posting = self._written(key, body, now, fault)
        if fault and fault.kind == "lie_dropped":
            self.ledger.remove(posting)
            return 201, posting
        if fault and fault.kind == "lie_twice":
            self._written(key, body, now, None)
        self.remembered[key] = (now, sent, posting)
        return (202 if posting.state == "queued" else 201), posting

    def _written(self, key: str, body: dict[str, Any], now: float, fault: Fault | None) -> Posting:
        document = f"{19_000_001 + len(self.ledger)}"
        posting = Posting(document, body["posting_date"][:4], "booked", key, now, body)
        if fault and fault.kind == "lag":
            posting.shown_from = now + fault.delay
        if fault and fault.kind == "queued":
            posting.state = "queued"
            self.later(fault.delay, lambda: setattr(posting, "state", "booked"))
        self.ledger.append(posting)
        return posting

    def _examine(self, body: dict[str, Any]) -> None:
        """What Acme checks before it books."""
        for field in ("company", "supplier", "supplier_ref", "currency", "posting_date", "kind"):
            if not isinstance(body.get(field), str) or not body[field]:
                raise Problem(422, "field_missing", f"{field} is mandatory", field)
        sums = [body.get(field) for field in ("net_minor", "tax_minor", "gross_minor")]
        if not all(isinstance(amount, int) for amount in sums):
            raise Problem(422, "amount_not_integer", "amounts are integers in minor units", "gross_minor")
        net, tax, gross = (int(amount) for amount in sums if amount is not None)
        if gross not in (net + tax, net + tax + int(body.get("difference_minor", 0))):
            raise Problem(422, "unbalanced", f"{net} and {tax} do not make {gross}", "gross_minor")
        if body["kind"] not in ("invoice", "credit") or (body["kind"] == "credit") != (gross < 0 or net < 0):
            raise Problem(422, "kind_and_sign_differ", "a credit is negative, an invoice is not", "kind")
        if self.settings.get("suppliers") == "known" and body["supplier"] not in self.streams["suppliers"].latest:
            raise Problem(422, "supplier_unknown", f"supplier {body['supplier']} is not known", "supplier")

    # The bench's own doors.

    def _truth(self) -> dict[str, Any]:
        return {
            "postings": [{**one.show(), **one.body} for one in self.ledger],
            "streams": {name: len(stream.latest) for name, stream in self.streams.items()},
            "webhooks": self.hooks.heard,
        }

    def _arrange(self, wanted: dict[str, Any]) -> dict[str, int]:
        counts = {}
        for name in STREAMS:
            for item in wanted.get(name, ()):
                self.hooks.announce(name.removesuffix("s"), str(item["number"]), self.streams[name].put(item))
            counts[name] = len(self.streams[name].latest)
        return counts


def _body(request: Request) -> dict[str, Any]:
    try:
        body = request.json()
    except ValueError:
        raise Problem(400, "not_json", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Problem(422, "not_an_object", "the body is not an object")
    return body


def void(*_: object) -> None:
    """Runs what its arguments run and answers nothing."""
