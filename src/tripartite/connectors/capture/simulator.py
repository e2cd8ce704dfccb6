"""A capture suite on the bench: documents that wait to be posted, and what it was told about each.

Written from the contract's description (docs/connectors/capture.md), never from our translation; it imports neither
`wire` nor `transform`. The truth is what the suite believes of each document, by the responses it applied.

Settings (all optional)
    client_id, client_secret      what /v1/tokens accepts by HTTP Basic; default `tripartite`, `capture-secret`
    api_token                     a fixed bearer token that is accepted too
    token_seconds                 life of a token, default 3600
    numbers                       `number` (default): sums as JSON numbers; `string`: as text
    duplicates                    `same` (default): a repeated externalCode is answered as the first was;
                                  `conflict`: 409 DUPLICATE_EXTERNAL_CODE, as some suites do
    webhook_url, webhook_secret   where invoice.ready_to_post is announced; unset for no webhooks
    fat_webhooks                  `yes`: the document travels in the envelope
    tenant                        what the envelope says, default `acme`
    documents                     N: so many invoices are there from the start, made from the seed
    companies, suppliers          comma-separated codes the seeded invoices use; default `DE01`, `S-100,S-200`

Besides the bench's own faults: `cursor_expired` (410 on a page mark), `partial` (row 3 refused, row 7 locked),
`shuffle` (results in another order), `omit` (row 5 applied but not mentioned), `word` (an undocumented status).

`arrange` takes {"documents": [...], "webhooks": {"times": 1, "shuffle": false, "age_seconds": 0, "forged": false}}
or "webhooks": false. A document needs `document_id`; arranged again it gets the next version and waits again, unless
it was transferred. {"webhook_secret": "..."} rotates the secret, {"webhook_url": "..."} moves the receiver.
"""

from __future__ import annotations

import base64
import bisect
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

from tripartite.connectors.capture.announcing import Announcer
from tripartite.connectors.simulating import Bench, Cut, Fault, Reply, Request, json_reply

PAGE_LIMIT = 200
ROWS_LIMIT = 100
MESSAGE_LIMIT = 250
SUMS = frozenset({"net", "tax", "gross", "discount_amount", "quantity", "net_price", "price_per", "tax_rate"}) | {
    "matched_quantity",
    "matched_net",
}
RESPONSES = ("transferResponses", "holdResponses", "paymentResponses")

_encoder = msgspec.json.Encoder(decimal_format="number")


def build(settings: dict[str, str], seed: int = 0) -> CaptureSuite:
    """A suite with these settings; the same seed makes the same documents and strikes the same faults."""
    return CaptureSuite(settings, seed)


class Document(msgspec.Struct):
    """One document as the suite keeps it. `touched` orders the list; `stamp` is the same moment as text."""

    content: dict[str, Any]
    version: int
    status: str
    touched: int
    stamp: str
    acknowledged: bool = False
    voucher: str = ""
    year: str = ""
    payment_block: bool = False
    holds: list[dict[str, Any]] = []
    payments: list[dict[str, Any]] = []
    transfers: int = 0


class Recorded(msgspec.Struct):
    """A response that was applied: what was sent, what was answered, from when on look-ups see it."""

    kind: str
    sent: dict[str, Any]
    answer: dict[str, Any]
    shown_from: float


class Problem(Exception):
    def __init__(self, status: int, code: str, message: str = "", field: str | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.errors = [{"code": code, "field": field, "message": message}]


class CaptureSuite(Bench):
    """The ASGI app. `wall` gives the time that documents and webhooks are stamped with and may be replaced."""

    def __init__(self, settings: dict[str, str], seed: int) -> None:
        super().__init__(seed=seed)
        self.settings = settings
        self.wall: Callable[[], float] = time.time
        self.documents: dict[str, Document] = {}
        self.order: list[tuple[int, str]] = []  # (touched, id) in rising order; stale entries are passed over
        self.recorded: dict[str, Recorded] = {}
        self.tokens: dict[str, float] = {}
        self.hooks = Announcer(self, settings)
        self.truth = self._truth
        self.arrange = self._arrange
        self.route("POST", "/v1/tokens", "token", self._token)
        self._add("GET", "/v1/invoices", "pull_invoice", self._list)
        self._add("POST", "/v1/invoices/(acknowledge)", "acknowledge", self._respond_many)
        self._add("GET", "/v1/invoices/(.+)/status", "invoice_status", self._status)
        self._add("GET", "/v1/invoices/(.+)", "fetch_invoice", self._get)
        for name in ("acknowledge", *RESPONSES):
            self._add("POST", f"/v1/invoices/(.+)/({name})", name, self._respond_one)
        for name in RESPONSES:
            self._add("POST", f"/v1/({name})", name, self._respond_many)
            self._add("GET", f"/v1/({name})/(.+)", "probe", self._look_up)
        self._seeded(int(settings.get("documents", "0")))

    # At the door.

    def _add(
        self, method: str, path: str, operation: str, handler: Callable[[Request, re.Match[str]], Awaitable[Reply]]
    ) -> None:
        async def guarded(request: Request, match: re.Match[str]) -> Reply:
            if reply := await self.before(operation):
                return reply
            try:
                self._authorise(request, operation)
                return await handler(request, match)
            except Problem as problem:
                return self._said(problem)

        self.route(method, path, operation, guarded)

    def _said(self, problem: Problem) -> Reply:
        body = {"errors": problem.errors, "request_id": f"r-{sum(self.calls.values())}"}
        return json_reply(body, problem.status)

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
        pair = f"{self.settings.get('client_id', 'tripartite')}:{self.settings.get('client_secret', 'capture-secret')}"
        basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if request.headers.get("authorization") != basic or b"client_credentials" not in request.body:
            return self._said(Problem(401, "INVALID_CLIENT"))
        token = f"suite-{self.random.getrandbits(96):024x}"
        life = int(self.settings.get("token_seconds", "3600"))
        self.tokens[token] = self.clock() + life
        return json_reply({"access_token": token, "token_type": "Bearer", "expires_in": life})

    # Documents.

    async def _list(self, request: Request, _: re.Match[str]) -> Reply:
        query = request.query
        size = min(int(query.get("page_size", "50")), PAGE_LIMIT)
        start = 0
        if since := query.get("updated_since"):
            start = _micros(since)
        place = bisect.bisect_left(self.order, (start, ""))
        if mark := query.get("cursor"):
            if self.fault("pull_invoice", "cursor_expired"):
                raise Problem(410, "CURSOR_EXPIRED", "this page mark is no longer kept", "cursor")
            try:
                touched, last = base64.urlsafe_b64decode(mark).decode().split("|", 1)
                place = bisect.bisect_right(self.order, (int(touched), last))
            except ValueError:
                raise Problem(400, "CURSOR_UNKNOWN", field="cursor") from None
        wanted = query.get("status", "")
        found: list[str] = []
        following = ""
        for touched_at, key in islice(self.order, place, None):
            document = self.documents[key]
            if document.touched != touched_at or (wanted and document.status != wanted):
                continue
            if len(found) == size:
                last_one = self.documents[found[-1]]
                following = base64.urlsafe_b64encode(f"{last_one.touched}|{found[-1]}".encode()).decode()
                break
            found.append(key)
        data = b",".join(self.shown(self.documents[key]) for key in found)
        body = b'{"data":[%b],"next":%b}' % (data, msgspec.json.encode(following or None))
        return Reply(200, body, {"content-type": "application/json"})

    async def _get(self, _: Request, match: re.Match[str]) -> Reply:
        return Reply(200, self.shown(self._document(match[1])), {"content-type": "application/json"})

    async def _status(self, _: Request, match: re.Match[str]) -> Reply:
        key = match[1]
        document = self._document(key)
        status = {"document_id": key, "version": document.version, "status": document.status}
        return json_reply({**status, "voucher_number": document.voucher, "updated_at": document.stamp})

    def _document(self, key: str) -> Document:
        if key not in self.documents:
            raise Problem(404, "NOT_FOUND", f"document {key} is not here")
        return self.documents[key]

    def shown(self, document: Document) -> bytes:
        """The document as the suite sends it, sums as JSON numbers in their exact digits unless set otherwise."""
        head = {"version": document.version, "status": document.status, "updated_at": document.stamp}
        return _encoder.encode({**document.content, **head})

    def touch(self, key: str, document: Document) -> None:
        """Moves the document to the end of the list and stamps it."""
        last = self.order[-1][0] if self.order else 0
        document.touched = max(int(self.wall() * 1_000_000), last)
        if document.touched == last and self.order and key <= self.order[-1][1]:
            document.touched += 1  # the list stays in rising order without a sort
        document.stamp = _text(document.touched)
        self.order.append((document.touched, key))

    # Responses.

    async def _respond_one(self, request: Request, match: re.Match[str]) -> Reply:
        row = _json(request)
        if not isinstance(row, dict):
            raise Problem(422, "NOT_AN_OBJECT")
        row["documentId"] = match[1]
        name = match[2]
        if fault := self.fault(name, "late_commit"):
            self.later(fault.delay, lambda: self._quietly(name, [row]))
            raise Cut
        answer = self._outcome(name, row)
        if reply := await self.after(name):
            return reply
        if answer["status"] != 200:
            return json_reply({"errors": answer["errors"], "request_id": "r-1"}, answer["status"])
        return json_reply(answer)

    async def _respond_many(self, request: Request, match: re.Match[str]) -> Reply:
        name = match[1]
        rows = _json(request)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Problem(422, "NOT_A_LIST")
        if len(rows) > ROWS_LIMIT:
            raise Problem(413, "TOO_MANY_ROWS", f"at most {ROWS_LIMIT}")
        if fault := self.fault(name, "late_commit"):
            self.later(fault.delay, lambda: self._quietly(name, rows))
            raise Cut
        partial = self.fault(name, "partial")
        results: list[dict[str, Any]] = []
        for place, row in enumerate(rows, start=1):
            if partial and place == 3:
                errors: list[dict[str, Any]] = [
                    {"code": "VALIDATION", "field": "transferDate", "message": "outside the open period"}
                ]
                results.append({"externalCode": row.get("externalCode", ""), "status": 422, "errors": errors})
            elif partial and place == 7:
                errors = [{"code": "LOCKED", "field": None, "message": "someone has the document open"}]
                results.append({"externalCode": row.get("externalCode", ""), "status": 429, "errors": errors})
            else:
                results.append(self._outcome(name, row))
        if self.fault(name, "omit") and len(results) >= 5:
            del results[4]
        if self.fault(name, "shuffle"):
            self.random.shuffle(results)
        if reply := await self.after(name):
            return reply
        return json_reply({"results": results})

    def _quietly(self, name: str, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._outcome(name, row, told=False)

    def _outcome(self, name: str, row: dict[str, Any], told: bool = True) -> dict[str, Any]:
        code = str(row.get("externalCode", ""))
        try:
            fault = self.fault(name, "lie_dropped", "lie_twice", "lag") if told else None
            answer = self._apply(name, code, row, fault)
        except Problem as problem:
            return {
                "externalCode": code,
                "documentId": row.get("documentId", ""),
                "status": problem.status,
                "errors": problem.errors,
            }
        if told and self.fault(name, "word"):
            return {**answer, "documentStatus": "reconsidering"}
        return answer

    def _apply(self, name: str, code: str, row: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        """Applies one response and remembers it under its externalCode. Errors: `Problem`."""
        key = str(row.get("documentId", ""))
        document = self._document(key)
        if name == "acknowledge":
            if document.acknowledged or document.status not in ("ready_to_post", "held"):
                raise Problem(405, "ALREADY_ACKNOWLEDGED", f"the document is {document.status}")
            document.acknowledged, document.status = True, "transfer_in_progress"
            return _yes(code, key, document.status)
        if not code or len(code) > 100:
            raise Problem(422, "MANDATORY", "externalCode", "externalCode")
        if known := self.recorded.get(code):
            if known.sent != row:
                raise Problem(409, "EXTERNAL_CODE_REUSED", "this externalCode came with other content")
            if self.settings.get("duplicates") == "conflict":
                raise Problem(409, "DUPLICATE_EXTERNAL_CODE", "this externalCode was applied before")
            return {**known.answer, "result": "duplicate"}
        if len(str(row.get("responseMessage", ""))) > MESSAGE_LIMIT:
            raise Problem(422, "TOO_LONG", "at most 250 characters", "responseMessage")
        before = msgspec.structs.replace(document)  # lists are replaced and never changed, so this is enough
        {"transferResponses": self._transfer, "holdResponses": self._hold, "paymentResponses": self._payment}[name](
            document, row
        )
        answer = _yes(code, key, document.status)
        if fault and fault.kind == "lie_dropped":
            self.documents[key] = before
            return answer
        if fault and fault.kind == "lie_twice" and name == "transferResponses":
            document.transfers += 1
        shown_from = self.clock() + (fault.delay if fault and fault.kind == "lag" else 0.0)
        self.recorded[code] = Recorded(name, row, answer, shown_from)
        return answer

    def _transfer(self, document: Document, row: dict[str, Any]) -> None:
        if document.status in ("transferred", "paid"):
            raise Problem(409, "ALREADY_TRANSFERRED", f"transferred under voucher {document.voucher}")
        if not document.acknowledged:
            raise Problem(409, "NOT_ACKNOWLEDGED", "acknowledge the document first")
        for field in ("success", "responseMessage", "paymentBlock"):
            if field not in row:
                raise Problem(422, "MANDATORY", f"{field} is mandatory", field)
        if not row["success"]:
            document.status, document.acknowledged = "transfer_failed", False
            return
        if not row.get("voucherNumber1") or len(str(row["voucherNumber1"])) > 25:
            raise Problem(422, "MANDATORY", "a voucher number of at most 25 characters", "voucherNumber1")
        document.status = "transferred"
        document.voucher, document.year = str(row["voucherNumber1"]), str(row.get("voucherNumber2", ""))
        document.payment_block = bool(row["paymentBlock"])
        document.transfers += 1

    def _hold(self, document: Document, row: dict[str, Any]) -> None:
        if document.status in ("transferred", "paid"):
            raise Problem(409, "ALREADY_TRANSFERRED", f"transferred under voucher {document.voucher}")
        if not row.get("reasons"):
            raise Problem(422, "MANDATORY", "a hold needs a reason", "reasons")
        document.status = "held"
        document.holds = [*document.holds, {"reasons": row["reasons"], "message": row.get("responseMessage", "")}]

    def _payment(self, document: Document, row: dict[str, Any]) -> None:
        if document.status not in ("transferred", "paid"):
            raise Problem(409, "NOT_TRANSFERRED", f"the document is {document.status}")
        # What a later response leaves out is cleared: the last one is the whole truth about the payment.
        document.payments = [*document.payments, {name: row.get(name) for name in row if name != "documentId"}]
        document.payment_block = bool(row.get("paymentBlock"))
        if row.get("success"):
            document.status = "paid"

    async def _look_up(self, _: Request, match: re.Match[str]) -> Reply:
        known = self.recorded.get(match[2])
        if known is None or known.kind != match[1] or known.shown_from > self.clock():
            raise Problem(404, "NOT_FOUND", "no response under this externalCode")
        return json_reply(known.answer)

    # The bench's own doors.

    def _truth(self) -> dict[str, Any]:
        return {
            "documents": {
                key: {
                    "status": one.status,
                    "version": one.version,
                    "supplier_invoice_number": one.content.get("supplier_invoice_number", ""),
                    "acknowledged": one.acknowledged,
                    "voucher_number": one.voucher,
                    "year": one.year,
                    "payment_block": one.payment_block,
                    "transfers": one.transfers,
                    "holds": one.holds,
                    "payments": one.payments,
                }
                for key, one in self.documents.items()
            },
            "webhooks": self.hooks.heard,
        }

    def _arrange(self, wanted: dict[str, Any]) -> dict[str, int]:
        for name in ("webhook_secret", "webhook_url"):
            if name in wanted:
                self.settings[name] = str(wanted[name])
        counts = {"documents": 0, "refused": 0}
        changed: list[str] = []
        for said in wanted.get("documents", ()):
            key = str(said["document_id"])
            known = self.documents.get(key)
            if known is not None and known.status in ("transferred", "paid"):
                counts["refused"] += 1
                continue
            version = int(said.get("version", known.version + 1 if known else 1))
            document = Document(self._kept(said), version, str(said.get("status", "ready_to_post")), 0, "")
            if known is not None:
                document.holds = known.holds
            self.documents[key] = document
            self.touch(key, document)
            changed.append(key)
            counts["documents"] += 1
        how = wanted.get("webhooks", {})
        if how is not False:
            ready = [key for key in changed if self.documents[key].status == "ready_to_post"]
            self.hooks.announce([(key, self.documents[key].version) for key in ready], how)
        return counts

    def _kept(self, said: dict[str, Any]) -> dict[str, Any]:
        as_text = self.settings.get("numbers") == "string"

        def kept(name: str, value: Any) -> Any:
            if isinstance(value, dict):
                return {key: kept(key, inner) for key, inner in value.items()}
            if isinstance(value, list | tuple):
                return [kept(name, inner) for inner in value]
            assert not isinstance(value, float), "arrange sums as text or Decimal: a float has lost its digits"
            if name in SUMS and isinstance(value, str | int | Decimal) and not isinstance(value, bool):
                try:
                    return str(value) if as_text else Decimal(value)
                except ArithmeticError:
                    return value  # a document with nonsense in it stays nonsense: that is what the test is about
            return value

        return {key: kept(key, value) for key, value in said.items() if key not in ("version", "status")}

    def _seeded(self, count: int) -> None:
        """So many plausible invoices: 1 to 5 lines, 19 % tax, sums that add up to the cent."""
        companies = self.settings.get("companies", "DE01").split(",")
        suppliers = self.settings.get("suppliers", "S-100,S-200").split(",")
        documents = []
        for number in range(1, count + 1):
            order = f"45{number:08d}"
            lines: list[dict[str, Any]] = []
            net = Decimal(0)
            for row in range(1, self.random.randint(1, 5) + 1):
                quantity, price = self.random.randint(1, 40), Decimal(self.random.randint(100, 50_000)).scaleb(-2)
                net += quantity * price
                lines.append(
                    {
                        "row_index": row,
                        "quantity": quantity,
                        "unit": "EA",
                        "net_price": price,
                        "net": quantity * price,
                        "order_number": order,
                        "order_line_number": str(row * 10),
                    }
                )
            tax = (net * 19 / 100).quantize(Decimal("0.01"))
            issued = date(2026, 1, 1) + timedelta(days=self.random.randint(0, 300))
            documents.append(
                {
                    "document_id": f"doc-{number:06d}",
                    "supplier_invoice_number": f"R-{self.random.randint(10_000, 99_999)}-{number}",
                    "type": "INVOICE",
                    "company_code": self.random.choice(companies),
                    "supplier_code": self.random.choice(suppliers),
                    "currency": "EUR",
                    "invoice_date": issued.isoformat(),
                    "net": net,
                    "tax": tax,
                    "gross": net + tax,
                    "po_numbers": [order],
                    "lines": lines,
                }
            )
        self._arrange({"documents": documents})


def _yes(code: str, key: str, status: str) -> dict[str, Any]:
    return {"externalCode": code, "documentId": key, "status": 200, "result": "applied", "documentStatus": status}


def _json(request: Request) -> Any:
    try:
        return request.json()
    except ValueError:
        raise Problem(400, "NOT_JSON", "the body is not JSON") from None


def _text(micros: int) -> str:
    moment = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _micros(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(400, "BAD_DATE", field="updated_since") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
