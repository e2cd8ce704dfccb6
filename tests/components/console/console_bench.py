"""The console on the bench: its routes on a real database for sessions, and owners whose answers are written by hand.

The answers have the shapes of the owners' routes and tell one story: Aurum bills four lines and freight, a price is too
high, a receipt is short, the ERP was not asked yet. Everything is of 24 November 2026.
"""

from __future__ import annotations

import copy
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest_asyncio
from litestar import Litestar
from litestar.testing import AsyncTestClient

from runtime.audit_bench import Books, books, make_leaves, postgres, worker_id_or_main
from tripartite.components.console.app import component
from tripartite.core.ids import stable_id
from tripartite.runtime.auth import LoggedIn, choose_password, create_account, log_in
from tripartite.runtime.http_app import SESSION_COOKIE, Authenticator, build_app

__all__ = ["Owners", "Shown", "books", "console", "invoice", "postgres", "worker_id_or_main"]

NOW = datetime(2026, 11, 24, 8, 41, 12, tzinfo=UTC)
INVOICE_ID = "inv_7K2"
CORRELATION = "c_9QF"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
RIGHTS = ("console.read", "invoice.read", "exception.read", "lineage.read", "delivery.read", "estate.read")
HASH = "ab" * 32


def pair(line: int, **numbers: str | None) -> dict[str, Any]:
    """One row of `pairs`: quantities and prices as the invoices component writes them."""
    plain: dict[str, Any] = {
        "invoice_line": line,
        "order_number": "PO-18842",
        "order_line": line,
        "unit": "EA",
        "ordered": "400",
        "received": "400",
        "billed_before": "0",
        "quantity": "400",
        "billed": "400",
        "excess": "0",
        "bound": "400",
        "order_price": "18.4",
        "invoice_price": "18.4",
        "value": "7360",
        "expected": "7360",
        "variance": "0",
    }
    return {**plain, **numbers}


def finding(code: str, line: int, **more: str) -> dict[str, Any]:
    return {"code": code, "line": line, **more}


FINDINGS = [
    finding(
        "match.price_over_limit",
        20,
        variance="348.00",
        breach="348",
        limit="strict: 2 %, absolute 1.25",
        unit="EUR",
        words="Line 20 bills 8028.00 for 120 EA; 7680.00 is due by order PO-18842 line 20: 348, 4.53 %.",
        rule="S5",
    ),
    finding(
        "match.quantity_over_received",
        30,
        variance="337.50",
        breach="15",
        limit="45",
        unit="SET",
        words="Line 30 bills 60 SET of order PO-18842 line 30; received net is 45, billed before 0: 15 SET too many.",
        rule="S2",
    ),
]


def exception(code: str, line: int, risk: str, **more: Any) -> dict[str, Any]:
    """An exception record as it is written: what is at its default is left out."""
    return {
        "exception_id": stable_id("exc", code, str(line)),
        "company_code": "DE01",
        "version": 1,
        "reason_code": code,
        "severity": "high",
        "object_kind": "invoice",
        "object_id": INVOICE_ID,
        "object_version": 1,
        "line": line,
        "opening": 1,
        "state": "open",
        "owner_role": "buyer",
        "opened_at": "2026-11-19T13:20:18Z",
        "blocks": "posting",
        "release": "owner",
        "next_action": "The buyer: settle the price.",
        "exposure": risk,
        "money_at_risk": risk,
        "value_held": "16924.00",
        "currency": "EUR",
        "cause_key": f"{code}|PO-18842",
        "computed_from": HASH,
        "content_hash": HASH,
        "policy_release": HASH,
        "code_version": "0.1.0",
        "event": {"kind": "opened", "at": "2026-11-19T13:20:18Z", "actor": "engine"},
        "due_at": "2026-11-25T16:00:00Z",
        **more,
    }


def decision(number: int, state: str, findings: list[dict[str, Any]], cause: str) -> dict[str, Any]:
    return {
        "decision_id": f"dec_{number}",
        "number": number,
        "verdict": "hold",
        "state": state,
        "at": f"2026-11-{16 + number}T13:20:18Z",
        "cause": f"msg_{number}",
        "cause_type": cause,
        "inputs_digest": HASH,
        "policy_hash": "c0ffee" * 10 + "abcd",
        "code_version": "0.1.0",
        "result": {"findings": findings, "rows": ["price/baseline-eur", "quantity/baseline-eur"], "payable_now": "0.00"},
        "leaf_id": "leaf_000",
        "trace_id": TRACE if number == 2 else "",
    }


def invoice() -> dict[str, Any]:
    """`/v1/invoices/inv_7K2`: held, two of four lines."""
    order_line = {"unit": "EA", "match": "three_way", "status": "open", "cost_centre": "4711"}
    lines = [
        {"line": 10, "description": "Ball bearing 6310-2Z", "quantity": "400", "unit": "EA", "price": "18.40",
         "amount": "7360.00", "order_number": "PO-18842", "order_line": 10},
        {"line": 20, "description": "Spherical roller 22216 E", "quantity": "120", "unit": "EA", "price": "66.90",
         "amount": "8028.00", "order_number": "PO-18842", "order_line": 20},
        {"line": 30, "description": "Shaft seal kit SK-40", "quantity": "60", "unit": "SET", "price": "22.50",
         "amount": "1350.00", "order_number": "PO-18842", "order_line": 30},
    ]  # fmt: skip
    return {
        "invoice_id": INVOICE_ID,
        "company_code": "DE01",
        "number": "AB-2026-4471",
        "kind": "invoice",
        "supplier_id": "sup_aurum",
        "supplier_name": "Aurum Bearings B.V.",
        "currency": "EUR",
        "issued_on": "2026-11-16",
        "arrived_at": "2026-11-17T07:12:04Z",
        "gross": "20139.56",
        "net": "16924.00",
        "tax": "3215.56",
        "state": "held",
        "verdict": "hold",
        "payment_block": False,
        "payable_now": "0.00",
        "money_at_risk": "685.50",
        "reason_codes": ["match.price_over_limit", "match.quantity_over_received"],
        "waits_for": ["receipt_posted"],
        "document": "",
        "posted_at": None,
        "correlation_id": CORRELATION,
        "connection": "capture",
        "source_document": "cap-1",
        "intake_id": "int_1",
        "digest": HASH,
        "decisions": [
            decision(1, "held", FINDINGS[:1], "tripartite.invoice.canonical.v1"),
            decision(2, "held", FINDINGS, "tripartite.receipt.recorded.v1"),
        ],
        "exceptions": [
            exception(
                "match.price_over_limit",
                20,
                "348.00",
                words=FINDINGS[0]["words"],
                alternatives=[
                    {"change": "Order price of line 20 becomes 66.90", "by_roles": ["buyer"], "where": "Coupa", "rank": 1}
                ],
            ),
            exception("match.quantity_over_received", 30, "337.50", owner_role="receiving", words=FINDINGS[1]["words"],
                      waits_for=["receipt_posted", "receipt_requeried"], recheck_at="2026-11-24T09:00:00Z"),
        ],
        "content": {
            "number": "AB-2026-4471",
            "kind": "invoice",
            "currency": "EUR",
            "issued_on": "2026-11-16",
            "due_on": "2026-12-16",
            "payment_terms": "2 % 14, net 30",
            "order_numbers": ["PO-18842"],
            "lines": lines,
            "charges": [{"amount": "186.00", "kind": "freight"}],
        },
        "orders": [
            {
                "number": "PO-18842", "currency": "EUR", "version": 3, "company_code": "DE01", "status": "open",
                "issued_on": "2026-10-29", "requisition": "REQ-77310", "requester": "T. Lindqvist",
                "lines": [
                    {**order_line, "line": 10, "quantity": "400", "price": "18.40"},
                    {**order_line, "line": 20, "quantity": "120", "price": "64.00"},
                    {**order_line, "line": 30, "quantity": "60", "unit": "SET", "price": "22.50"},
                    {**order_line, "line": 50, "quantity": "8", "price": "3.00", "description": "Grease cartridge"},
                ],
                "charges": [{"kind": "freight", "amount": "180.00"}],
            }
        ],
        "receipts": [
            {"number": "5000258", "kind": "receipt", "posted_on": "2026-11-12", "lines": [
                {"order_number": "PO-18842", "order_line": 10, "quantity": "400"},
                {"order_number": "PO-18842", "order_line": 20, "quantity": "120"},
                {"order_number": "PO-18842", "order_line": 30, "quantity": "48"}]},
            {"number": "5000263", "kind": "return", "posted_on": "2026-11-19", "lines": [
                {"order_number": "PO-18842", "order_line": 30, "quantity": "3", "takes_from": "5000258"}]},
        ],
        "receipts_as_of": {"PO-18842": "2026-11-24T08:00:00Z"},
        "pairs": [
            pair(10),
            pair(20, ordered="120", received="120", quantity="120", billed="120", bound="120", order_price="64",
                 invoice_price="66.9", value="8028", expected="7680", variance="348"),
            pair(30, unit="SET", ordered="60", received="45", quantity="60", billed="60", excess="15", bound="45",
                 order_price="22.5", invoice_price="22.5", value="1350", expected="1350"),
        ],
        "allocations": [],
        "findings_now": FINDINGS,
        "beside": [
            {"invoice_id": "inv_other", "number": "AB-2026-4459", "state": "posted", "gross": "100.00",
             "issued_on": "2026-11-02"}
        ],
        "as_of": NOW.isoformat(),
    }  # fmt: skip


def listed(**changed: Any) -> dict[str, Any]:
    """A row of `/v1/invoices`."""
    whole = invoice()
    names = (
        *("invoice_id", "company_code", "number", "kind", "supplier_id", "supplier_name", "currency", "issued_on"),
        *("arrived_at", "gross", "net", "state", "verdict", "payable_now", "money_at_risk", "payment_block"),
        *("reason_codes", "waits_for", "document", "posted_at", "correlation_id", "connection", "source_document"),
    )
    return {
        **{name: whole[name] for name in names},
        "decisions": 2,
        "changed_at": "2026-11-19T13:20:18.000001+00:00",
        **changed,
    }


def deliveries() -> list[dict[str, Any]]:
    """`/v1/deliveries`: the hold was told; the posting got no answer."""
    plain = {
        "key": "dlv_0123456789abcdef0123",
        "connection": "capture",
        "operation": "report_hold",
        "state": "settled",
        "mode": "act",
        "attempts": 1,
        "probes": 0,
        "due_at": "2026-11-19T13:20:18Z",
        "sent_at": "2026-11-19T13:20:19Z",
        "remote_ref": "note-7",
        "reason_code": "",
        "detail": "",
        "created_at": "2026-11-19T13:20:18Z",
        "updated_at": "2026-11-19T13:20:19Z",
        "tries": [],
    }
    tries = [
        {"at": "2026-11-24T08:40:00Z", "act": "send", "answer": "unknown", "detail": "timeout", "trace_id": TRACE},
        {"at": "2026-11-24T08:40:30Z", "act": "probe", "answer": "unknown", "detail": "", "trace_id": ""},
    ]
    silent = {
        **plain, "key": "dlv_second", "connection": "sap", "operation": "post_invoice", "state": "unknown", "probes": 1,
        "remote_ref": "", "due_at": "2026-11-24T08:45:00Z", "tries": tries,
    }  # fmt: skip
    return [plain, silent]


def spans() -> list[dict[str, Any]]:
    """`/v1/traces/{id}`: a batch, a call that failed, the call that went through."""
    plain = {"trace_id": TRACE, "parent_id": "", "component": "invoices", "connection": "", "status": "ok"}
    return [
        {**plain, "span_id": "a", "name": "decide batch", "started_at": "2026-11-19T13:20:18.000Z", "seconds": 0.9,
         "attributes": "{}"},
        {**plain, "span_id": "b", "parent_id": "a", "name": "call post", "connection": "sap", "seconds": 0.2,
         "started_at": "2026-11-19T13:20:18.100Z", "status": "error",
         "attributes": '{"http.response.status_code": 503, "error": ""}'},
        {**plain, "span_id": "c", "parent_id": "a", "name": "call post", "connection": "sap", "seconds": 0.4,
         "started_at": "2026-11-19T13:20:18.500Z", "attributes": {"http.response.status_code": 200}},
    ]  # fmt: skip


def events() -> list[dict[str, Any]]:
    """`/v1/lineage/{correlation}`."""

    def event(at: str, kind: str, number: str, source: str, state: str, words: str, trace: str = "") -> dict[str, Any]:
        return {
            "message_id": stable_id("msg", at), "correlation_id": CORRELATION, "at": at, "type": f"tripartite.{kind}",
            "company_code": "DE01", "object_kind": kind, "object_id": number, "object_number": number,
            "source": source, "state": state, "words": words, "trace_id": trace,
        }  # fmt: skip

    return [
        event("2026-10-29T08:00:00Z", "order", "PO-18842", "coupa", "open", "Order PO-18842 version 3, 4 lines, open"),
        event("2026-11-17T07:12:04Z", "invoice", INVOICE_ID, "capture", "held", "Held. Line 20 bills 8028.00", TRACE),
        event("2026-11-19T13:20:18Z", "receipt", "5000263", "wms", "return", "Return 5000263: 3 SET of line 30"),
    ]


class Owners:
    """The components that are asked. Every question is kept; an answer can be replaced, by path without query."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        page = {
            "/v1/invoices": [listed(), listed(invoice_id="inv_9", number="KW-1", currency="KWD", gross="12.345",
                                              state="posted", document="5105600123", money_at_risk="0.000",
                                              reason_codes=[], supplier_name="Kuwait Freight")],
            "/v1/exceptions": [{**record, "notices": []} for record in invoice()["exceptions"]],
            "/v1/exceptions/causes": [
                {"reason_code": "match.price_over_limit", "owner_role": "buyer", "severity": "high", "currency": "EUR",
                 "count": 3, "money_at_risk": "1348.00", "due_at": "2026-11-25T16:00:00Z"},
                {"reason_code": "match.quantity_over_received", "owner_role": "receiving", "severity": "medium",
                 "currency": "EUR", "count": 1, "money_at_risk": "337.50", "due_at": "2026-11-24T07:00:00Z"},
            ],
            "/v1/connections": [
                {"connection": "sap", "kind": "sap_s4hana", "role": "erp", "companies": ["DE01"], "modes": {"*": "act"},
                 "circuit": "open", "reason": "503", "since": "2026-11-24T08:30:00Z", "retry_at": "2026-11-24T08:45:00Z",
                 "calls": 12, "failed_calls": 5, "last_ok_at": "2026-11-24T08:29:00Z", "waiting": 2, "unknown": 1,
                 "dead": 0, "settled": 7},
                {"connection": "inbox", "kind": "documents", "role": "documents", "companies": ["DE01"], "modes": {}},
            ],
            "/v1/backlog": [{"consumer": "control", "topic": "invoice.events", "behind": 3}],
            f"/v1/traces/{TRACE}": spans(),
            "/v1/deliveries": deliveries(),
        }  # fmt: skip
        for place, items in page.items():
            self.answers[place] = (200, {"items": items, "next": ""})
        totals = [
            {"state": "held", "currency": "EUR", "count": 1, "gross": "20139.56", "money_at_risk": "685.50"},
            {"state": "held", "currency": "JPY", "count": 2, "gross": "1200000", "money_at_risk": "5000"},
            {"state": "posted", "currency": "KWD", "count": 1, "gross": "12.345", "money_at_risk": "0"},
        ]
        self.answers["/v1/invoices/totals"] = (200, {"totals": totals, "as_of": NOW.isoformat()})
        self.answers[f"/v1/invoices/{INVOICE_ID}"] = (200, invoice())
        self.answers[f"/v1/lineage/{CORRELATION}"] = (200, {"correlation_id": CORRELATION, "events": events()})
        self.answers["/v1/audit"] = (
            200,
            {"tree_size": 4118611, "pending": 2, "root": HASH, "sealed_at": "2026-11-24T08:40:58Z"},
        )
        self.answers["/v1/intake/int_1"] = (
            200,
            {"intake_id": "int_1", "connection": "capture", "digest": HASH, "name": "AB-2026-4471.xml",
             "media_type": "application/xml", "received_at": "2026-11-17T07:12:04Z", "disposition": "applied"},
        )  # fmt: skip
        self.answers[f"/v1/raw/{HASH}"] = (200, b"<Invoice><ID>AB-2026-4471</ID><Note>&lt;b&gt;</Note></Invoice>")

    async def ask(self, address: str, cookie: str) -> tuple[int, Any]:
        self.asked.append((address, cookie))
        status, body = self.answers.get(
            urlsplit(address).path, (404, {"detail": "Nothing of that name.", "reason_code": "access.not_found"})
        )
        return status, copy.deepcopy(body)

    def queries(self, place: str) -> list[dict[str, str]]:
        """The queries with which a path was asked."""
        return [dict(parse_qsl(urlsplit(each).query)) for each, _ in self.asked if urlsplit(each).path == place]


class Shown:
    """A console that answers, the owners behind it, and a browser without JavaScript."""

    def __init__(self, app: Litestar, client: AsyncTestClient[Litestar], owners: Owners, books: Books) -> None:
        self.app, self.client, self.owners, self.books = app, client, owners, books

    async def account(self, name: str = "mira", permissions: tuple[str, ...] = RIGHTS, password: str = "") -> str:
        """An account; with a one-time password, or with `password` already chosen."""
        once = await create_account(
            self.books.database, name=name, permissions=permissions, companies=["DE01"], person="Mira Roth"
        )
        if not password:
            return once.reveal()
        let_in = await log_in(self.books.database, name, once.reveal())
        assert isinstance(let_in, LoggedIn)
        chosen = await choose_password(self.books.database, let_in.session.reveal(), once.reveal(), password)
        assert isinstance(chosen, LoggedIn)
        return password

    async def sign_in(self, name: str = "mira", permissions: tuple[str, ...] = RIGHTS) -> str:
        """Sign in without the pages; the session is in the client's cookies."""
        password = await self.account(name, permissions, "an honest pass phrase")
        let_in = await log_in(self.books.database, name, password)
        assert isinstance(let_in, LoggedIn)
        self.client.cookies.set(SESSION_COOKIE, let_in.session.reveal())
        return let_in.session.reveal()

    async def page(self, address: str, **headers: str) -> str:
        """A page that must be there."""
        answer = await self.client.get(address, headers=headers)
        assert answer.status_code == 200, (answer.status_code, answer.text[:2000])
        return answer.text


@pytest_asyncio.fixture
async def console(books: Books) -> AsyncIterator[Shown]:
    owners = Owners()
    estate = SimpleNamespace(
        name="norddal", environment="development", companies=[SimpleNamespace(time_zone="Europe/Berlin")]
    )
    ports: Any = SimpleNamespace(
        db=books.database,
        estate=estate,
        ask=owners.ask,
        clock=SimpleNamespace(now=lambda: NOW),
        chance=random.Random(1),
    )
    app = build_app(component.routes(ports), Authenticator(books.database), version="0")
    async with AsyncTestClient(app, base_url="http://console.test", raise_server_exceptions=False) as client:
        client.follow_redirects = False
        yield Shown(app, client, owners, books)


__all__ += ["CORRELATION", "HASH", "INVOICE_ID", "NOW", "TRACE", "listed", "make_leaves"]
