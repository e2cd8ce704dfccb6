"""The bench for the capture suite: the real client against the simulator, no socket, and a clock that we turn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from tripartite.connectors import registry
from tripartite.connectors.capture import simulator
from tripartite.connectors.capture.client import CaptureClient
from tripartite.connectors.simulating import Cut, Fault, Reply, Request
from tripartite.core import codec
from tripartite.core.money import Amount
from tripartite.core.objects.notice import DocumentTaken, HoldReported, PaymentReported, PostingReported
from tripartite.runtime.protocol import ClientPorts, Connection, HttpFailure, Outbound, Secret

SECRET = "the suite's first webhook secret"
NEW_SECRET = "the suite's second webhook secret"


@dataclass
class Answered:
    status_code: int
    headers: Mapping[str, str]
    content: bytes


@dataclass
class Line:
    """The http port over a function call. Silence ends in a time-out, a cut in a failure after sending."""

    bench: simulator.CaptureSuite
    refuse: bool = False
    twist: dict[str, Reply] = field(default_factory=dict)  # operation -> the answer instead
    slow: set[str] = field(default_factory=set)  # operations whose answer takes a while to come back
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)

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
    ) -> Answered:
        if self.refuse:
            raise HttpFailure("connection refused", sent=False)
        path = urlsplit(url).path
        self.sent.append((operation, path, content or b""))
        low = {name.lower(): value for name, value in (headers or {}).items()}
        if operation in self.twist:
            reply = self.twist[operation]
        else:
            try:
                request = Request(method, unquote(path), dict(params or ()), low, content or b"")
                reply = await asyncio.wait_for(self.bench.handle(request), 0.05)
            except TimeoutError:
                raise HttpFailure("time-out", sent=True) from None
            except Cut:
                raise HttpFailure("cut", sent=True) from None
        if operation in self.slow:
            await asyncio.sleep(0.02)
        return Answered(reply.status, reply.headers, reply.body)


class World:
    """A suite, a client of it, and the time."""

    def __init__(self, settings: dict[str, str] | None = None, **ours: str) -> None:
        self.now = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
        self.bench = simulator.build(settings or {}, seed=7)
        self.bench.clock = self.seconds
        self.bench.wall = self.seconds
        self.line = Line(self.bench)
        self.ours = ours
        self.secrets = {
            "client_id": Secret("tripartite"),
            "client_secret": Secret("capture-secret"),
            "webhook_secret": Secret(SECRET),
        }
        self.client = self.connect()

    def seconds(self) -> float:
        return self.now.timestamp()

    def connect(self) -> CaptureClient:
        async def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

        connection = Connection(
            name="suite",
            kind="capture",
            role="ap",
            base_url="https://suite.example/",
            settings=self.ours,
            secrets=self.secrets,
        )
        client = registry.connect(connection, ClientPorts(self.line, lambda: self.now, sleep))
        assert isinstance(client, CaptureClient)
        return client

    def later(self, **units: float) -> None:
        self.now += timedelta(**units)

    def fault(self, operation: str, kind: str, **more: Any) -> None:
        self.bench.faults.append(Fault(operation, kind, **more))

    def documents(self, first: int, last: int, **said: Any) -> None:
        self.bench.arrange({"documents": [document(f"doc-{n}", **said) for n in range(first, last)]})

    def known(self, key: str = "doc-1") -> dict[str, Any]:
        found: dict[str, Any] = self.bench.truth()["documents"][key]
        return found


def document(key: str = "doc-1", **said: Any) -> dict[str, Any]:
    return {
        "document_id": key,
        "supplier_invoice_number": f"R-{key}",
        "type": "INVOICE",
        "company_code": "DE01",
        "supplier_code": "S-100",
        "currency": "EUR",
        "invoice_date": "2026-11-18",
        "net": "100.00",
        "tax": "19.00",
        "gross": "119.00",
        "lines": [{"row_index": 1, "quantity": "10", "unit": "EA", "net_price": "10.00", "net": "100.00"}],
        **said,
    }


def taken(key: str = "doc-1") -> Outbound:
    return _owed("acknowledge", key, DocumentTaken(f"inv_{key}", "DE01", key))


def posted(key: str = "doc-1", **more: Any) -> Outbound:
    said = {"document": f"51{key}", "year": "2026", "posted_on": date(2026, 11, 20), **more}
    return _owed("report_posting", key, PostingReported(f"inv_{key}", f"R-{key}", "DE01", key, **said))


def held(key: str = "doc-1", *codes: str, message: str = "") -> Outbound:
    codes = codes or ("match.price_over_limit",)
    return _owed("report_hold", key, HoldReported(f"inv_{key}", f"R-{key}", "DE01", key, codes, message))


def paid(key: str = "doc-1", amount: str = "119.00") -> Outbound:
    notice = PaymentReported(
        f"inv_{key}", f"R-{key}", "DE01", key, "PAY-55", "EUR", Amount(amount), date(2026, 12, 18), "SEPA"
    )
    return _owed("report_payment", key, notice)


def _owed(operation: str, key: str, notice: Any) -> Outbound:
    return Outbound(f"dlv_{operation}_{key}", operation, "DE01", codec.encode(notice))
