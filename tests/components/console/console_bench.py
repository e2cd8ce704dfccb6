"""The console on the bench: its routes on a real database for sessions, and owners whose answers are written by hand.

What the owners say is in console_story.py.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from litestar import Litestar
from litestar.testing import AsyncTestClient

from components.console.console_story import (
    CORRELATION,
    HASH,
    INVOICE_ID,
    NOW,
    RIGHTS,
    TRACE,
    deliveries,
    events,
    invoice,
    listed,
    spans,
)
from runtime.audit_bench import Books, books, postgres, worker_id_or_main
from support.times import CountedIds
from tripartite.components.console.app import component
from tripartite.runtime import auth, passwords
from tripartite.runtime.auth import LoggedIn, choose_password, create_account, log_in
from tripartite.runtime.http_app import SESSION_COOKIE, Authenticator, build_app

__all__ = ["Owners", "Shown", "books", "console", "postgres", "worker_id_or_main"]


class Owners:
    """The components that are asked. Every question is kept; an answer can be replaced, by path without query."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.told: list[tuple[str, Any, str]] = []
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
                 "circuit": "open", "reason": "503", "since": "2026-11-24T08:30:00Z",
                 "retry_at": "2026-11-24T08:45:00Z", "calls": 12, "failed_calls": 5,
                 "last_ok_at": "2026-11-24T08:29:00Z", "waiting": 2, "unknown": 1,
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

    async def ask(self, address: str, cookie: str, told: bytes | None = None, key: str = "") -> tuple[int, Any]:
        self.asked.append((address, cookie))
        if told is not None:
            self.told.append((address, json.loads(told), key))
        status, body = self.answers.get(
            urlsplit(address).path, (404, {"detail": "Nothing of that name.", "reason_code": "access.not_found"})
        )
        return status, copy.deepcopy(body)

    def queries(self, place: str) -> list[dict[str, str]]:
        """The queries with which a path was asked."""
        return [dict(parse_qsl(urlsplit(each).query)) for each, _ in self.asked if urlsplit(each).path == place]


class Shown:
    """A console that answers, the owners behind it, and a browser without JavaScript."""

    def __init__(self, ports: Any, client: AsyncTestClient[Litestar], owners: Owners, books: Books) -> None:
        self.ports, self.client, self.owners, self.books = ports, client, owners, books

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
async def console(books: Books, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shown]:
    # Passwords cost a thousandth here; what they cost has its own test (tests/runtime/test_auth.py).
    monkeypatch.setattr(passwords, "_COST", {"n": 16, "r": 8, "p": 1})
    auth._nobody.cache_clear()
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
        ids=CountedIds(),
    )
    app = build_app(component.routes(ports), Authenticator(books.database), version="0")
    async with AsyncTestClient(app, base_url="http://console.test", raise_server_exceptions=False) as client:
        client.follow_redirects = False
        yield Shown(ports, client, owners, books)
