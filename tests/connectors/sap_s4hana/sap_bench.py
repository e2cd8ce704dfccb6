"""A simulated S/4HANA, a client that talks to it without a socket, and postings to send."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tripartite.connectors.sap_s4hana.client import SapClient, connect
from tripartite.connectors.sap_s4hana.simulator import build
from tripartite.connectors.simulating import Bench, Cut, Fault, Reply, Request
from tripartite.core.codec import encode
from tripartite.core.money import Amount
from tripartite.core.objects import Posting, PostingLine
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import ClientPorts, Connection, HttpFailure, Outbound, Secret

PASSWORD = "korrekt-pferd-batterie"


class Answer:
    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self.headers = reply.headers
        self.content = reply.body


class InProcess:
    """The http port straight onto a bench: a cut is a failure after sending, silence ends with the time-out."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.calls: list[str] = []
        self.down = False
        self.timeout: float | None = 0.05

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] | None = None,
        content: bytes | None = None,
        timeout_seconds: float = 30.0,
        operation: str = "",
    ) -> Answer:
        if self.down:
            raise HttpFailure("connection refused", sent=False)
        parts = urlsplit(url)
        self.calls.append(operation)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        names = {name.lower(): value for name, value in (headers or {}).items()}
        request = Request(method, unquote(parts.path), query, names, content or b"")
        await asyncio.sleep(0)  # as a socket would, let the others run
        try:
            return Answer(await asyncio.wait_for(self.bench.handle(request), self.timeout))
        except Cut:
            raise HttpFailure("the connection was cut", sent=True) from None
        except TimeoutError:
            raise HttpFailure("timed out", sent=True) from None


class Sap:
    """The system, the way to it, and a client; `fault` switches one on, `ledger` reads the truth."""

    def __init__(self, settings: dict[str, str] | None = None, **connection: Any) -> None:
        self.bench = build({"password": PASSWORD, "client_secret": PASSWORD, **(settings or {})}, seed=7)
        self.clock = 0.0
        self.bench.clock = lambda: self.clock
        self.http = InProcess(self.bench)
        self.bench.arrange(WORLD)
        self.client = self.connect(**connection)

    def connect(self, **settings: str) -> SapClient:
        connection = Connection(
            name="sap-prod",
            kind="sap_s4hana",
            role="erp",
            base_url="https://s4h.example",
            company_codes=("1010", "2010"),
            settings={"username": "TRIPARTITE", "client_id": "tripartite", **settings},
            secrets={"password": Secret(PASSWORD), "client_secret": Secret(PASSWORD)},
        )
        return connect(connection, ClientPorts(http=self.http, now=self.now, sleep=asyncio.sleep))

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 8, tzinfo=UTC) + timedelta(seconds=self.clock)

    def fault(self, operation: str, kind: str, **settings: Any) -> None:
        self.bench.faults.append(Fault(operation, kind, **settings))

    def ledger(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.bench.truth()["invoices"]
        return found


WORLD = {
    "companies": [
        {"code": "1010", "small_difference": "0.00"},
        {"code": "2010", "currency": "JPY", "small_difference": "0"},
    ],
    "suppliers": [
        {"number": "10300080", "name": "Rowan Ltd", "iban": "DE02120300000000202051", "vat": "DE123456789"},
        {"number": "LIEF-7", "name": "Alphanumeric AG", "companies": ["1010"]},
    ],
    "orders": [
        {
            "number": "4500001234",
            "company": "1010",
            "supplier": "10300080",
            "items": [
                {"item": 10, "quantity": "1000", "price": "100.00", "text": "Laptop stand", "gr": False},
                {"item": 20, "quantity": "100", "price": "5.00", "gr_based": True, "unit": "PC"},
            ],
        },
        {
            "number": "4500001235",
            "company": "2010",
            "supplier": "10300080",
            "currency": "JPY",
            "items": [{"item": 10, "quantity": "10", "price": "1500", "tax_code": "V0", "gr": False}],
        },
    ],
    "receipts": [
        {
            "number": "5000000891",
            "delivery_note": "LS-88121",
            "items": [{"order": "4500001234", "order_item": 20, "quantity": "40", "unit": "PC"}],
        }
    ],
}


def posting(number: str = "RW-2026-00417", **changes: Any) -> Posting:
    """Ten pieces at 100.00 with 19 % tax: 1,190.00 EUR."""
    values: dict[str, Any] = {
        "invoice_id": "inv_1",
        "invoice_number": number,
        "company_code": "1010",
        "supplier_number": "0010300080",
        "currency": "EUR",
        "issued_on": date(2026, 11, 12),
        "posted_on": date(2026, 11, 16),
        "gross": Amount("1190.00"),
        "net": Amount("1000.00"),
        "tax": Amount("190.00"),
        "lines": (line(),),
    }
    return Posting(**{**values, **changes})


def line(**changes: Any) -> PostingLine:
    values: dict[str, Any] = {
        "line": 1,
        "amount": Amount("1000.00"),
        "order_number": "4500001234",
        "order_line": 10,
        "quantity": Quantity("10"),
        "unit": "EA",
        "tax_code": "V1",
    }
    return PostingLine(**{**values, **changes})


def outbound(value: Posting, key: str = "") -> Outbound:
    return Outbound(key or f"dlv_{value.invoice_number}", "post_invoice", value.company_code, encode(value))


def ten() -> list[Outbound]:
    return [outbound(posting(f"N-{place}")) for place in range(1, 11)]
