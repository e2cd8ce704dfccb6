"""The bench for Acme: the real client against the simulator, without a socket and with a clock that we turn."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from tripartite.connectors import registry
from tripartite.connectors.acme import simulator
from tripartite.connectors.acme.client import AcmeClient
from tripartite.connectors.simulating import Cut, Fault, Reply, Request
from tripartite.core import codec
from tripartite.core.money import Amount
from tripartite.core.objects import Posting, PostingLine, PostingTax
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import ClientPorts, Connection, HttpFailure, Outbound, Secret

SECRET = "whsec_" + base64.b64encode(b"an old secret of thirty-two byte").decode()
NEW_SECRET = "whsec_" + base64.b64encode(b"a new secret of thirty-two bytes").decode()


@dataclass
class Answered:
    status_code: int
    headers: Mapping[str, str]
    content: bytes


@dataclass
class Line:
    """The http port over a function call. Silence ends in a time-out, a cut in a failure after sending."""

    bench: simulator.Acme
    refuse: bool = False
    twist: dict[str, Reply] = field(default_factory=dict)  # operation -> the answer instead
    slow: set[str] = field(default_factory=set)  # operations whose answer takes a while to come back
    sent: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

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
        self.sent.append((operation, dict(headers or {}), content or b""))
        low = {name.lower(): value for name, value in (headers or {}).items()}
        request = Request(method, unquote(urlsplit(url).path), dict(params or ()), low, content or b"")
        if operation in self.twist:
            reply = self.twist[operation]
        else:
            try:
                reply = await asyncio.wait_for(self.bench.handle(request), 0.05)
            except TimeoutError:
                raise HttpFailure("time-out", sent=True) from None
            except Cut:
                raise HttpFailure("cut", sent=True) from None
        if operation in self.slow:
            await asyncio.sleep(0.02)
        return Answered(reply.status, reply.headers, reply.body)


class World:
    """Acme, a client of it, and the time."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.now = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
        self.bench = simulator.build(settings, seed=7)
        self.bench.clock = self.seconds
        self.bench.wall = self.seconds
        self.line = Line(self.bench)
        self.secrets = {
            "client_id": Secret("tripartite"),
            "client_secret": Secret("acme-secret"),
            "webhook_secret": Secret(SECRET),
        }
        self.client = self.connect()

    def seconds(self) -> float:
        return self.now.timestamp()

    def connect(self) -> AcmeClient:
        async def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

        connection = Connection(
            name="acme-eu", kind="acme", role="erp", base_url="https://acme.example", secrets=self.secrets
        )
        client = registry.connect(connection, ClientPorts(self.line, lambda: self.now, sleep))
        assert isinstance(client, AcmeClient)
        return client

    def later(self, **units: float) -> None:
        self.now += timedelta(**units)

    def fault(self, operation: str, kind: str, **more: Any) -> None:
        self.bench.faults.append(Fault(operation, kind, **more))

    def booked(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.bench.truth()["postings"]
        return found


def posting(number: str = "R-1", **changes: Any) -> Posting:
    said: dict[str, Any] = {
        "invoice_id": f"inv_{number}",
        "invoice_number": number,
        "company_code": "DE01",
        "supplier_number": "S-100",
        "currency": "EUR",
        "issued_on": datetime(2026, 11, 18).date(),
        "posted_on": datetime(2026, 11, 20).date(),
        "net": Amount("100.00"),
        "tax": Amount("19.00"),
        "gross": Amount("119.00"),
        "lines": (
            PostingLine(1, Amount("100.00"), order_number="4500", order_line=10, quantity=Quantity("10"), unit="EA"),
        ),
        "taxes": (PostingTax("V19", Amount("19.00"), Amount("100.00")),),
    }
    return Posting(**{**said, **changes})


def owed(number: str = "R-1", **changes: Any) -> Outbound:
    return Outbound(f"dlv_{number}", "post_invoice", "DE01", codec.encode(posting(number, **changes)))
