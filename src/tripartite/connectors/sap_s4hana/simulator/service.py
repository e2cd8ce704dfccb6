"""The HTTP side of the simulated S/4HANA: sessions and tokens, lists and entities, the deep create and `$batch`."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from tripartite.connectors.sap_s4hana.simulator import invoices, odata
from tripartite.connectors.sap_s4hana.simulator.world import Booking, Refusal, World
from tripartite.connectors.simulating import Bench, Cut, Reply, Request, json_reply

_ROOT = "/sap/opu/odata/sap/"
_INVOICE = "API_SUPPLIERINVOICE_PROCESS_SRV"
_SETS = {
    "A_PurchaseOrder": ("API_PURCHASEORDER_PROCESS_SRV", "order"),
    "A_MaterialDocumentHeader": ("API_MATERIAL_DOCUMENT_SRV", "receipt"),
    "A_MaterialDocumentItem": ("API_MATERIAL_DOCUMENT_SRV", "receipt_item"),
    "A_BusinessPartner": ("API_BUSINESS_PARTNER", "supplier"),
    "A_SupplierInvoice": (_INVOICE, "invoice"),
}
_LOCKED = "Purchasing document is locked by user MEIER"


def build(settings: dict[str, str], seed: int = 0) -> Bench:
    """A bench with an empty S/4HANA; `arrange` fills it."""
    bench = Bench(seed=seed)
    Service(bench, settings)
    return bench


class Service:
    def __init__(self, bench: Bench, settings: Mapping[str, str]) -> None:
        self.bench = bench
        self.world = World(settings)
        self._auth = settings.get("auth", "basic")
        pair = f"{settings.get('username', 'TRIPARTITE')}:{settings.get('password', 'bench')}"
        self._basic = "Basic " + base64.b64encode(pair.encode()).decode()
        pair = f"{settings.get('client_id', 'tripartite')}:{settings.get('client_secret', 'bench')}"
        self._client = "Basic " + base64.b64encode(pair.encode()).decode()
        self._session_seconds = float(settings.get("session_seconds", "1800"))
        self._token_seconds = int(settings.get("token_seconds", "3600"))
        self._page_size = int(settings.get("page_size", "1000"))
        self._sessions: dict[str, tuple[str, float]] = {}  # session id: CSRF token, last used
        self._tokens: dict[str, float] = {}  # bearer: end
        self._sorted: dict[tuple[str, str], tuple[int, list[odata.Row]]] = {}  # what was sorted, and at which revision
        self._seen: float | None = None  # the clock when last looked at; a rehearsal may replace it after the build
        bench.truth = self.truth
        bench.arrange = self._arrange
        bench.route("POST", "/sap/bc/sec/oauth2/token", "token", self._token)
        bench.route("POST", f"{_ROOT}{_INVOICE}/\\$batch", "batch", self._batch)
        bench.route("POST", f"{_ROOT}{_INVOICE}/A_SupplierInvoice", "post_invoice", self._post)
        bench.route("POST", f"{_ROOT}{_INVOICE}/(Cancel|Release|Post)", "invoice_action", self._action)
        bench.route("GET", f"{_ROOT}(API_[A-Z_]+)/?", "csrf", self._root)
        bench.route("GET", f"{_ROOT}(API_[A-Z_]+)/(A_[A-Za-z]+)", "read", self._list)
        bench.route("GET", f"{_ROOT}(API_[A-Z_]+)/(A_[A-Za-z]+)\\((.+)\\)", "read", self._entity)
        bench.route("PATCH", f"{_ROOT}{_INVOICE}/A_SupplierInvoice\\(.+\\)", "post_invoice", self._not_updatable)

    def truth(self) -> dict[str, Any]:
        return {
            "invoices": invoices.ledger(self.world),
            "orders": list(self.world.entities["order"].values()),
            "receipts": list(self.world.entities["receipt"].values()),
        }

    def _arrange(self, value: Any) -> dict[str, int]:
        self._tick()
        return self.world.arrange(value)

    def _tick(self) -> None:
        now = self.bench.clock()
        if self._seen is not None:
            self.world.elapsed += max(now - self._seen, 0.0)
        self._seen = now

    # The door: credentials, session, CSRF token

    def _refused(self, request: Request, operation: str, *, write: bool) -> Reply | None:
        self._tick()
        now = self.bench.clock()
        expired = self.bench.fault(operation, "expire") if self.bench.faults else None
        if expired and self._auth == "oauth":
            self._tokens.clear()
        if (expired and self._auth != "oauth") or (self.bench.faults and self.bench.fault(operation, "csrf")):
            self._sessions.clear()
        credentials = request.headers.get("authorization", "")
        if self._auth == "basic" and credentials != self._basic:
            return Reply(401, b"Anmeldung fehlgeschlagen", {"www-authenticate": 'Basic realm="S4H"'})
        if self._auth == "oauth" and self._tokens.get(credentials.removeprefix("Bearer "), 0.0) <= now:
            return Reply(401, b"", {"www-authenticate": 'Bearer realm="S4H", error="invalid_token"'})
        if write:
            session = self._session_of(request)
            held = self._sessions.get(session)
            if held is None or held[0] != request.headers.get("x-csrf-token") or now - held[1] > self._session_seconds:
                self._sessions.pop(session, None)
                headers = {"x-csrf-token": "Required", "content-type": "text/plain;charset=utf-8"}
                return Reply(403, b"CSRF token validation failed", headers)
            self._sessions[session] = (held[0], now)
        return None

    @staticmethod
    def _session_of(request: Request) -> str:
        found = re.search(r"SAP_SESSIONID_S4H_100=([^;,\s]+)", request.headers.get("cookie", ""))
        return found[1] if found else ""

    async def _token(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := await self.bench.before("token"):
            return reply
        if request.headers.get("authorization") != self._client or b"client_credentials" not in request.body:
            return json_reply({"error": "invalid_client"}, 401)
        token = f"{self.bench.random.getrandbits(128):032x}"
        self._tokens[token] = self.bench.clock() + self._token_seconds
        return json_reply({"access_token": token, "token_type": "Bearer", "expires_in": self._token_seconds})

    async def _root(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := self._refused(request, "csrf", write=False) or await self.bench.before("csrf"):
            return reply
        headers = {"content-type": "application/json"}
        if request.headers.get("x-csrf-token", "").lower() == "fetch":
            session = f"{self.bench.random.getrandbits(96):024x}%3d"
            token = f"{self.bench.random.getrandbits(96):024X}=="
            self._sessions[session] = (token, self.bench.clock())
            headers["x-csrf-token"] = token
            # Two cookies, folded into one header as some servers and all proxies may.
            headers["set-cookie"] = (
                f"SAP_SESSIONID_S4H_100={session}; path=/; expires=Thu, 01-Jan-2099 00:00:00 GMT; secure; HttpOnly, "
                "sap-usercontext=sap-client=100; path=/"
            )
        return Reply(200, b'{"d":{"EntitySets":["A_SupplierInvoice"]}}', headers)

    # Writes

    async def _post(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := self._refused(request, "post_invoice", write=True):
            return reply
        reply, ending = await self._create(request.body)
        if ending:
            await self._end(ending)
        return reply

    async def _batch(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := self._refused(request, "batch", write=True) or await self.bench.before("batch"):
            return reply
        try:
            requests = odata.changesets(request.body, request.headers.get("content-type", ""))
        except odata.BadQuery as error:
            return odata.error("/IWFND/CM_MGW/515", str(error), service=_INVOICE)  # (u)
        replies: list[Reply] = []
        ending = ""
        for method, path, body in requests:
            if (method, path) != ("POST", "A_SupplierInvoice"):
                replies.append(odata.error("/IWFND/CM_MGW/516", f"{method} {path} is not taken here", 405))  # (u)
                continue
            self.bench.calls["post_invoice"] += 1
            reply, struck = await self._create(body)
            replies.append(reply)
            ending = ending or struck
            if struck == "cut":
                break
        if ending:
            await self._end(ending)
        if reply := await self.bench.after("batch"):
            return reply
        return odata.batch_reply(self._disturbed(replies))

    def _disturbed(self, replies: list[Reply]) -> list[Reply]:
        if not self.bench.faults:
            return replies
        if self.bench.fault("batch", "batch.echo"):
            replies = [
                Reply(reply.status, reply.body, {**reply.headers, "content-id": str(place)})
                for place, reply in enumerate(replies, 1)
            ]
        if self.bench.fault("batch", "batch.reorder"):
            replies = replies[::-1]
        if self.bench.fault("batch", "batch.omit"):
            replies = replies[:-1]
        return replies

    async def _end(self, ending: str) -> None:
        if ending == "hang":
            await self.bench.hang()
        raise Cut

    async def _create(self, body: bytes) -> tuple[Reply, str]:
        """One deep create: its reply, and how the call ends where a fault strikes after the commit."""
        bench = self.bench
        if bench.faults:
            if reply := await bench.before("post_invoice"):
                return reply, ""
            if bench.fault("post_invoice", "lock"):
                return odata.error("06/001", _LOCKED, service=_INVOICE), ""
        try:
            booking = invoices.check(self.world, msgspec.json.decode(body, type=dict[str, Any]))
        except Refusal as refusal:
            return odata.error(refusal.code, refusal.text, service=_INVOICE), ""
        except (msgspec.DecodeError, ValueError, TypeError, AttributeError):
            return odata.error("/IWBEP/CM_MGW_RT/019", "Malformed JSON", service=_INVOICE), ""  # (u)
        if bench.faults:
            return await self._create_with_faults(booking)
        return self._created(invoices.commit(self.world, booking)), ""

    async def _create_with_faults(self, booking: Booking) -> tuple[Reply, str]:
        bench = self.bench
        if bench.fault("post_invoice", "lie_dropped"):
            booking.number, booking.accounting = self.world.draw()
            return self._created(booking), ""
        if fault := bench.fault("post_invoice", "late_commit"):
            bench.later(fault.delay, lambda: self._commit_late(booking))
            return Reply(), "cut"
        if fault := bench.fault("post_invoice", "lag"):
            booking.visible_at = bench.clock() + fault.delay
        invoices.commit(self.world, booking)
        if bench.fault("post_invoice", "lie_twice"):
            invoices.commit(self.world, msgspec.structs.replace(booking))
        if bench.fault("post_invoice", "commit_then_hang"):
            return self._created(booking), "hang"
        if bench.fault("post_invoice", "commit_then_cut"):
            return self._created(booking), "cut"
        if reply := await bench.after("post_invoice"):
            return reply, ""
        return self._created(booking), ""

    def _commit_late(self, booking: Booking) -> None:
        invoices.commit(self.world, booking)

    @staticmethod
    def _created(booking: Booking) -> Reply:
        message = ""
        if booking.block == "R":
            message = '{"code":"M8/504","message":"Invoice blocked for payment","severity":"warning"}'  # (u)
        return odata.entity(invoices.entity(booking), 201, message)

    async def _action(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := self._refused(request, "invoice_action", write=True):
            return reply
        key = tuple(request.query.get(name, "").strip("'") for name in ("SupplierInvoice", "FiscalYear"))
        booking = self.world.by_number.get((key[0], key[1]))
        if booking is None:
            return odata.error("M8/108", f"Invoice document {key[0]} {key[1]} does not exist", 404)  # (u)
        if match[1] == "Cancel":
            try:
                invoices.reverse(self.world, booking)
            except Refusal as refusal:
                return odata.error(refusal.code, refusal.text, service=_INVOICE)
            answer = {"ReverseDocument": booking.reversed_by, "FiscalYear": booking.year, "Success": True}
            return odata.entity({"Cancel": answer})
        if match[1] == "Release":
            booking.block = "" if booking.block == "R" else booking.block  # a manual key is not lifted by it
        elif booking.status == "B":
            booking.status = "5"
        else:
            return odata.error("M8/381", "Only a document saved as complete can be posted", service=_INVOICE)  # (u)
        return odata.entity({match[1]: {"Success": True}})

    async def _not_updatable(self, request: Request, match: re.Match[str]) -> Reply:
        return odata.error("/IWFND/CM_BEC/026", "Method 'PATCH' not allowed", 405, service=_INVOICE)  # (u)

    # Reads

    def _rows(self, kind: str, equal: Mapping[str, str]) -> Iterable[dict[str, Any]]:
        entities = self.world.entities
        if kind == "invoice":
            found = self.world.bookings
            if "SupplierInvoiceIDByInvcgParty" in equal:
                found = self.world.by_reference.get(equal["SupplierInvoiceIDByInvcgParty"], [])
            now = self.bench.clock()
            return (invoices.entity(booking) for booking in found if booking.visible_at <= now)
        if kind == "receipt_item":
            return (item for row in entities["receipt"].values() for item in row["to_MaterialDocumentItem"])
        return entities[kind].values()

    def _ordered(self, kind: str, equal: Mapping[str, str], fields: str) -> list[odata.Row]:
        if kind == "invoice":
            return odata.order(list(self._rows(kind, equal)), fields)
        held = self._sorted.get((kind, fields))
        if held is None or held[0] != self.world.revision:
            held = self._sorted[kind, fields] = (
                self.world.revision,
                odata.order(list(self._rows(kind, equal)), fields),
            )
        return held[1]

    async def _list(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := self._refused(request, "read", write=False) or await self.bench.before("read"):
            return reply
        service, kind = _SETS.get(match[2], ("", ""))
        if service != match[1]:
            return odata.error("/IWFND/MED/170", f"No service found for {match[1]}/{match[2]}", 404)
        query = request.query
        try:
            condition = odata.Filter(query["$filter"]) if query.get("$filter") else None
        except odata.BadQuery as error:
            return odata.error("/IWFND/CM_MGW/571", str(error))  # (u)
        skip = int(query.get("$skip", "0"))
        top = int(query["$top"]) if "$top" in query else None
        counted = query.get("$inlinecount") == "allpages"
        chosen: list[odata.Row] = []
        for row in self._ordered(kind, condition.equal if condition else {}, query.get("$orderby", "")):
            if condition is None or condition.test(row):
                chosen.append(row)
                if not counted and top is not None and len(chosen) >= skip + top:
                    break
        # Both wrappings of the limit: what the caller asks for, and what the server is willing to give at once.
        wanted = chosen[skip:] if top is None else chosen[skip : skip + top]
        start = int(query.get("$skiptoken", "0"))
        page = wanted[start : start + self._page_size]
        expand = _expansion(query.get("$expand", ""))
        answer: dict[str, Any] = {"results": [_expanded(match[2], row, expand) for row in page]}
        if counted:
            answer["__count"] = str(len(chosen))
        if start + len(page) < len(wanted):
            pairs = {**query, "$skiptoken": str(start + len(page))}
            text = "&".join(f"{name}={quote(value, safe='$')}" for name, value in pairs.items())
            answer["__next"] = f"https://s4h.example{_ROOT}{match[1]}/{match[2]}?{text}"
        return odata.entity(answer)

    async def _entity(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := self._refused(request, "read", write=False) or await self.bench.before("read"):
            return reply
        service, kind = _SETS.get(match[2], ("", ""))
        if service != match[1]:
            return odata.error("/IWFND/MED/170", f"No service found for {match[1]}/{match[2]}", 404)
        row = self._by_key(kind, odata.keys(unquote(match[3])))
        if row is None:
            return odata.error("/IWBEP/CM_MGW_RT/004", f"Resource not found for {match[2]}", 404)  # (u)
        return odata.entity(_expanded(match[2], row, _expansion(request.query.get("$expand", ""))))

    def _by_key(self, kind: str, key: Mapping[str, str]) -> dict[str, Any] | None:
        if kind == "invoice":
            booking = self.world.by_number.get((key.get("SupplierInvoice", ""), key.get("FiscalYear", "")))
            return invoices.entity(booking) if booking and booking.visible_at <= self.bench.clock() else None
        if kind == "receipt":
            return self.world.entities[kind].get((key.get("MaterialDocument", ""), key.get("MaterialDocumentYear", "")))
        number = key.get("", "")
        return self.world.entities[kind].get(number) or self.world.entities[kind].get(number.lstrip("0"))


Expansion = dict[str, "Expansion"]


def _expansion(text: str) -> Expansion:
    tree: Expansion = {}
    for path in text.split(","):
        place = tree
        for step in path.strip().split("/"):
            if step:
                place = place.setdefault(step, {})
    return tree


def _expanded(name: str, row: Mapping[str, Any], expand: Expansion) -> dict[str, Any]:
    """An entity with the children asked for inline and the others as links, as V2 shows them."""
    result: dict[str, Any] = {"__metadata": {"type": name + "Type", "uri": name}}
    for field, value in row.items():
        if not field.startswith("to_"):
            result[field] = value
        elif field not in expand:
            result[field] = {"__deferred": {"uri": f"{name}/{field}"}}
        elif isinstance(value, list):
            result[field] = {"results": [_expanded(field, child, expand[field]) for child in value]}
        elif isinstance(value, Mapping):
            result[field] = _expanded(field, value, expand[field])
    return result
