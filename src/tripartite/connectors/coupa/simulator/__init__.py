"""Coupa on the bench: its Core API as the vendor's page describes it, seeded, with faults to switch on.

Not for translation: this file and the parts beside it know nothing of
transform/, so that a misreading of the page there is not repeated here.

Settings, all texts; what the vendor's page marks as unverified is a switch:

    client_id, client_secret   what the token endpoint believes (default coupa-client, coupa-secret)
    scopes                     scopes the client has; asking for another fails the token (default: all)
    token_delay                seconds until a new token works (default 0; the real one takes about 5)
    token_life                 seconds a token lives (default 86399)
    rate_per_second, burst     the token bucket behind 429 (default 25, 20; rate 0 switches it off)
    order_by                   "honoured" (default) or "ignored": lists then come in the order of change
    chart                      the chart of accounts of orders that name none (default DE01)
    epoch                      ISO time at which the bench's clock starts (default: now)

Beside the bench's faults, lists know the drift of a contract (fault 30): `drift_word` gives the first record a status
nobody has heard of, `drift_rename` calls its status something else, `drift_type` writes it as a number.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from email.utils import formatdate
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from tripartite.connectors.coupa.simulator.finance import Finance
from tripartite.connectors.coupa.simulator.query import ARGUMENTS, BadQuery, conditions, shaped, wanted_fields
from tripartite.connectors.coupa.simulator.records import Records, Refused
from tripartite.connectors.coupa.simulator.shapes import Body
from tripartite.connectors.simulating import Bench, Cut, Reply, Request, json_reply

PAGE = 50
SCOPE_OF = {
    "suppliers": "core.supplier",
    "requisitions": "core.requisition",
    "purchase_orders": "core.purchase_order",
    "receiving_transactions": "core.inventory.receiving",
    "invoices": "core.invoice",
    "budget_lines": "core.accounting",
    "integration_history_records": "core.integration",
}
NAMES = {
    "suppliers": "supplier",
    "requisitions": "requisition",
    "purchase_orders": "order",
    "receiving_transactions": "receipt",
    "invoices": "invoice",
    "budget_lines": "budget",
    "integration_history_records": "history",
}


def build(settings: dict[str, str], seed: int = 0) -> Bench:
    """A Coupa instance of its own: ids start at a number drawn from the seed, as they differ between instances."""
    return Coupa(settings, seed).bench


class Coupa:
    """The routes of the API over `Records`; the token, the scopes, the rate and the faults."""

    def __init__(self, settings: dict[str, str], seed: int) -> None:
        self.bench = Bench(seed=seed)
        self.settings = settings
        self.tokens: dict[str, tuple[frozenset[str], float, float]] = {}
        self.hidden: dict[tuple[str, int], tuple[float, Body | None]] = {}
        self._clock_start: float | None = None
        epoch = settings.get("epoch", "")
        self._epoch = datetime.fromisoformat(epoch).timestamp() if epoch else time.time()
        self.rate = float(settings.get("rate_per_second", "25"))
        self.burst = float(settings.get("burst", "20"))
        self._level, self._level_at = self.burst, 0.0
        first_id = 1000 * self.bench.random.randrange(10, 90)
        self.records = Records(self.now, first_id, settings.get("chart", "DE01"))
        self.finance = Finance(self.records)
        self.bench.truth = self.records.truth
        self.bench.arrange = self._arrange
        self._routes()

    def now(self) -> float:
        """Seconds since 1970 by the bench's clock, which a rehearsal may replace."""
        if self._clock_start is None:
            self._clock_start = self.bench.clock()
        return self._epoch + self.bench.clock() - self._clock_start

    def _arrange(self, form: Any) -> Any:
        try:
            return self.records.arrange(form)
        except Refused as refused:
            return {"errors": refused.errors}

    def _routes(self) -> None:
        route = self.bench.route
        route("POST", r"/oauth2/token", "token", self._token)
        for table, name in NAMES.items():
            route("GET", rf"/api/{table}", f"{name}.list", self._listing(table))
            route("GET", rf"/api/{table}/(\d+)", f"{name}.get", self._getting(table))
        route("PUT", r"/api/purchase_orders/(\d+)", "order.mark_exported", self._mark_exported)
        for path in ("receiving_transactions", "return_to_supplier_transactions"):
            route("POST", rf"/api/{path}", "receipt.create", self._receive)
        route("PUT", r"/api/receiving_transactions/(\d+)/void", "receipt.void", self._void)
        self._on_posts("invoices", "invoice.create", self.finance.draft)
        self._on_posts("integration_history_records", "history.create", self.finance.note)
        self._on_puts("invoices", "/submit", "invoice.submit", lambda row, _: self.finance.submit(row))
        self._on_puts("invoices", "", "invoice.pay", self.finance.pay)

    # Who may ask

    async def _token(self, request: Request, _: re.Match[str]) -> Reply:
        if reply := await self.bench.before("token"):
            return reply
        form = dict(parse_qsl(request.body.decode()))
        expected = (
            self.settings.get("client_id", "coupa-client"),
            self.settings.get("client_secret", "coupa-secret"),
            "client_credentials",
        )
        if (form.get("client_id"), form.get("client_secret"), form.get("grant_type")) != expected:
            return json_reply({"error": "invalid_client", "error_description": "Client authentication failed"}, 401)
        wanted = frozenset(form.get("scope", "").split())
        granted = frozenset(self.settings.get("scopes", "").split())
        if granted and not wanted <= granted:
            return json_reply({"error": "invalid_scope"}, 400)
        life = int(self.settings.get("token_life", "86399"))
        ripe = self.now() + float(self.settings.get("token_delay", "0"))
        token = f"sim.{self.bench.random.getrandbits(96):024x}"
        self.tokens[token] = (wanted, ripe, self.now() + life)
        return json_reply(
            {"access_token": token, "token_type": "bearer", "expires_in": life, "scope": " ".join(sorted(wanted))}
        )

    async def _gate(self, request: Request, operation: str, table: str, right: str) -> Reply | None:
        """What stops a call before it is looked at: the rate, the token, the scope, the media type, a fault."""
        if self._over_rate():
            return json_reply({"errors": ["Rate limit exceeded"]}, 429)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        scopes, ripe, dead = self.tokens.get(token, (frozenset(), 0.0, 0.0))
        if self.bench.fault(operation, "expire"):
            self.tokens.pop(token, None)
            return json_reply({"errors": ["token expired"]}, 401)
        if not ripe <= self.now() < dead:
            return json_reply({"errors": ["invalid token"]}, 401)
        needed = f"{SCOPE_OF[table]}.{right}"
        if needed not in scopes:
            return json_reply({"errors": [f"scope {needed} is missing"]}, 403)
        if "application/json" not in request.headers.get("accept", ""):
            return json_reply({"errors": ["Accept must be application/json"]}, 406)
        return await self.bench.before(operation)

    def _over_rate(self) -> bool:
        if self.rate <= 0:
            return False
        now = self.now()
        self._level = min(self.burst, self._level + max(0.0, now - self._level_at) * self.rate)
        self._level_at = now
        if self._level < 1:
            return True
        self._level -= 1
        return False

    # Reading

    def _listing(self, table: str) -> Callable[[Request, re.Match[str]], Any]:
        operation = f"{NAMES[table]}.list"

        async def handler(request: Request, _: re.Match[str]) -> Reply:
            if reply := await self._gate(request, operation, table, "read"):
                return reply
            try:
                page = self._drifted(operation, self._page(table, request.query))
                return self._dated(json_reply(page))
            except BadQuery as bad:
                return json_reply({"errors": {"query": [str(bad)]}}, 400)

        return handler

    def _drifted(self, operation: str, page: list[Body]) -> list[Body]:
        """The page as a release of Coupa's that nobody announced would write it."""
        fault = self.bench.fault(operation, "drift_word", "drift_rename", "drift_type") if page else None
        if fault is None:
            return page
        first = {name: value for name, value in page[0].items() if name != "status"}
        changed = {"drift_word": {"status": "reimagined"}, "drift_rename": {"state": "issued"}}
        return [first | changed.get(fault.kind, {"status": 7}), *page[1:]]

    def _page(self, table: str, query: dict[str, str]) -> list[Body]:
        wanted = conditions(query)
        fields = wanted_fields(query)
        equal = {".".join(each.path): each.value for each in wanted if each.operator in ("eq", "in")}
        start = int(query.get("offset", "0"))
        size = min(PAGE, int(query.get("limit", str(PAGE))))
        views = (view for row in self._candidates(table, equal) if (view := self._view(table, row)) is not None)
        held = (row for row in views if all(condition.holds(row) for condition in wanted))
        honoured = self.settings.get("order_by", "honoured") == "honoured"
        if honoured and query.get("order_by", "id") == "id" and query.get("dir") != "desc":
            # Records are kept in the order of their ids: nothing behind the page need be looked at.
            return [self._part(row, query, fields) for row in islice(held, start, start + size)]
        rows = list(held)
        if self.settings.get("order_by", "honoured") == "ignored":
            rows.sort(key=lambda row: (row["updated-at"], row["id"]))
        else:
            key = query.get("order_by", "id").replace("_", "-")
            rows.sort(key=lambda row: (row[key], row["id"]), reverse=query.get("dir") == "desc")
        return [self._part(row, query, fields) for row in rows[start : start + size]]

    def _candidates(self, table: str, equal: dict[str, str]) -> Iterable[Body]:
        """Rows among which those lie that have these values: an index where there is one, else all of the table."""
        rows, records = self.records.tables[table], self.records
        if table == "purchase_orders" and "po_number" in equal:
            key = records.order_ids.get(equal["po_number"])
            return [rows[key]] if key in rows else []
        if table == "receiving_transactions" and "order_line.id" in equal:
            lines = [int(each) for each in equal["order_line.id"].split(",") if each.isdigit()]
            return [rows[key] for key in sorted(key for line in lines for key in records.received_on.get(line, ()))]
        return rows.values()

    def _getting(self, table: str) -> Callable[[Request, re.Match[str]], Any]:
        operation = f"{NAMES[table]}.get"

        async def handler(request: Request, match: re.Match[str]) -> Reply:
            if reply := await self._gate(request, operation, table, "read"):
                return reply
            row = self.records.tables[table].get(int(match[1]))
            view = self._view(table, row) if row else None
            if view is None:
                return json_reply({"errors": ["not found"]}, 404)
            try:
                return self._dated(json_reply(self._part(view, request.query, wanted_fields(request.query))))
            except BadQuery as bad:
                return json_reply({"errors": {"query": [str(bad)]}}, 400)

        return handler

    def _part(self, row: Body, query: dict[str, str], fields: list[Any] | None) -> Body:
        """A record as it is shown: deleted order lines only when asked for, the keys of `fields=` only."""
        if "order-lines" in row and query.get("show_deleted_lines") != "true":
            row = {**row, "order-lines": [line for line in row["order-lines"] if line["status"] != "deleted"]}
        return shaped(row, fields) if fields is not None else row

    def _view(self, table: str, row: Body) -> Body | None:
        """The record as readers see it: a write under `lag` stays invisible for a while."""
        shadow = self.hidden.get((table, row["id"]))
        if shadow is None:
            return row
        visible_at, before = shadow
        if self.now() >= visible_at:
            del self.hidden[table, row["id"]]
            return row
        return before

    def _dated(self, reply: Reply) -> Reply:
        reply.headers["date"] = formatdate(self.now(), usegmt=True)
        return reply

    # Writing

    async def _write(self, operation: str, table: str, before: Body | None, commit: Callable[[], Body]) -> Reply:
        """Commits under the faults that strike around a commit; the answer is the record."""
        status = 201 if operation.endswith(".create") else 200
        if self.bench.fault(operation, "lie_dropped"):
            return json_reply(self._only_said(commit), status)
        if fault := self.bench.fault(operation, "late_commit"):
            self.bench.later(fault.delay, lambda: _quietly(commit))
            raise Cut
        earlier = copy.deepcopy(before)
        try:
            record = commit()
            if self.bench.fault(operation, "lie_twice"):
                _quietly(commit)
        except Refused as refused:
            return json_reply({"errors": refused.errors}, refused.status)
        if fault := self.bench.fault(operation, "lag"):
            self.hidden[table, record["id"]] = (self.now() + fault.delay, earlier)
        return await self.bench.after(operation) or json_reply(record, status)

    def _only_said(self, commit: Callable[[], Body]) -> Body:
        """The answer a commit would have given, with nothing kept of it."""
        kept = copy.deepcopy(self.records.__dict__ | {"now": None})
        try:
            return copy.deepcopy(commit())
        except Refused as refused:
            return {"errors": refused.errors}
        finally:
            self.records.__dict__.update(kept | {"now": self.now})

    async def _mark_exported(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := await self._gate(request, "order.mark_exported", "purchase_orders", "write"):
            return reply
        order_id = int(match[1])
        row = self.records.tables["purchase_orders"].get(order_id)
        if row is None:
            return json_reply({"errors": ["not found"]}, 404)
        unknown = request.query.keys() - ARGUMENTS - {"exported"}
        if unknown or request.query.get("exported") not in {"true", "false"}:
            return json_reply({"errors": {"exported": ["is the only change this call takes"]}}, 400)

        def commit() -> Body:
            order = self.records.tables["purchase_orders"][order_id]
            order["exported"] = request.query["exported"] == "true"
            order["last-exported-at"] = self.records.stamp()
            self.records.touch(order)
            return self._part(order, request.query, wanted_fields(request.query))

        return await self._write("order.mark_exported", "purchase_orders", row, commit)

    async def _receive(self, request: Request, _: re.Match[str]) -> Reply:
        if reply := await self._gate(request, "receipt.create", "receiving_transactions", "write"):
            return reply
        body = request.json()
        return await self._write("receipt.create", "receiving_transactions", None, lambda: self.records.receive(body))

    async def _void(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := await self._gate(request, "receipt.void", "receiving_transactions", "write"):
            return reply
        receipt_id = int(match[1])
        row = self.records.tables["receiving_transactions"].get(receipt_id)
        if row is None:
            return json_reply({"errors": ["not found"]}, 404)
        return await self._write(
            "receipt.void",
            "receiving_transactions",
            None,
            lambda: self.records.void(self.records.tables["receiving_transactions"][receipt_id]),
        )

    def _on_posts(self, table: str, operation: str, made: Callable[[Any], Body]) -> None:
        """Answers the POST of a new record."""

        async def handler(request: Request, _: re.Match[str]) -> Reply:
            if reply := await self._gate(request, operation, table, "write"):
                return reply
            body = request.json()
            return await self._write(operation, table, None, lambda: made(body))

        self.bench.route("POST", rf"/api/{table}", operation, handler)

    def _on_puts(self, table: str, act: str, operation: str, changed: Callable[[Body, Any], Body]) -> None:
        """Answers the PUT that changes one record."""

        async def handler(request: Request, match: re.Match[str]) -> Reply:
            if reply := await self._gate(request, operation, table, "write"):
                return reply
            row = self.records.tables[table].get(int(match[1]))
            if row is None:
                return json_reply({"errors": ["not found"]}, 404)
            key, body = row["id"], request.json() if request.body else {}
            return await self._write(operation, table, row, lambda: changed(self.records.tables[table][key], body))

        self.bench.route("PUT", rf"/api/{table}/(\d+){act}", operation, handler)


def _quietly(commit: Callable[[], Body]) -> None:
    """A commit nobody waits for: its refusal is heard by no one."""
    try:
        commit()
    except Refused:
        return
