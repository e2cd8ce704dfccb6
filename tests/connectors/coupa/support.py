"""A Coupa client on the bench: the http port over the simulator, a clock that only moves when somebody sleeps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tripartite.connectors.coupa import simulator
from tripartite.connectors.coupa.client import CoupaClient, connect
from tripartite.connectors.simulating import Bench, Cut, Fault, Reply, Request
from tripartite.core.codec import encode
from tripartite.core.objects import Order
from tripartite.runtime.protocol import (
    ClientPorts,
    Connection,
    HttpFailure,
    ObjectKind,
    Outbound,
    Pulled,
    Secret,
)

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
SECRET = "s3cr3t-never-shown"


class Clock:
    """Virtual time: sleeping moves it, nothing else does unless a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        if seconds >= 3600:  # the bench hangs: the caller's time-out strikes
            raise HttpFailure("timed out", sent=True)
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self.seconds += seconds


class Answer(msgspec.Struct):
    status_code: int
    headers: dict[str, str]
    content: bytes


class BenchHttp:
    """The http port: every request goes to the bench as it would over the wire; what was asked is kept."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.urls: list[str] = []
        self.methods: list[str] = []
        self.instead: list[Answer | Exception] = []  # answers given in place of the bench's

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
        assert params is None, "the client spells its own query"
        self.urls.append(url)
        self.methods.append(method)
        await asyncio.sleep(0)
        if self.instead and operation != "token":
            given = self.instead.pop(0)
            if isinstance(given, Exception):
                raise given
            return given
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        lower = {name.lower(): value for name, value in (headers or {}).items()}
        try:
            reply = await self.bench.handle(Request(method, parts.path, query, lower, content or b""))
        except Cut:
            raise HttpFailure("connection cut", sent=True) from None
        return Answer(reply.status, reply.headers, reply.body)

    def asked(self, part: str) -> list[str]:
        return [url for url in self.urls if part in url]


class World:
    """A bench, a client and what a test wants to do with them."""

    def __init__(self, seed: int = 0, settings: dict[str, str] | None = None, **bench: str) -> None:
        self.clock = Clock()
        defaults = {"client_secret": SECRET, "epoch": START.isoformat(), "rate_per_second": "0"}
        self.bench = simulator.build(defaults | bench, seed)
        self.bench.clock = self.clock.monotonic
        self.bench.sleep = self.clock.sleep
        self.http = BenchHttp(self.bench)
        self.connection = Connection(
            name="coupa",
            kind="coupa",
            role="procurement",
            base_url="https://norddal.coupa.example",
            settings=settings or {},
            secrets={"client_id": Secret("coupa-client"), "client_secret": Secret(SECRET)},
        )
        self.client = self.another_client()

    def another_client(self) -> CoupaClient:
        return connect(self.connection, ClientPorts(self.http, self.clock.now, self.clock.sleep))

    def arrange(self, **form: Any) -> Any:
        return self.bench.arrange(json.loads(json.dumps(form)))

    def fault(self, operation: str, kind: str, **more: Any) -> None:
        self.bench.faults.append(Fault(operation, kind, **more))

    async def pull_all(self, stream: ObjectKind, cursor: str = "", limit: int = 50) -> tuple[list[Pulled], str]:
        """One whole pass of a stream."""
        items: list[Pulled] = []
        for _ in range(200):
            page = await self.client.pull(stream, cursor, limit)
            items += page.items
            cursor = page.cursor
            if not page.more:
                return items, cursor
        raise AssertionError("the pass does not end")


def order_form(number: str, **more: Any) -> dict[str, Any]:
    line = {"line": 1, "description": "Laptop stand", "quantity": "10", "price": "100.00", "unit": "EA"}
    return {"number": number, "supplier": "10300080", "currency": "EUR", "lines": [line], **more}


def norddal(world: World, orders: int = 1) -> None:
    """One supplier and some orders of it."""
    world.arrange(suppliers=[{"number": "10300080", "name": "Rheinwerk GmbH"}])
    world.arrange(orders=[order_form(f"PO-{number:04}") for number in range(1, orders + 1)])


def mark(number: str) -> Outbound:
    return Outbound("dlv_1", "mark_exported", "DE01", encode(Order(number=number, currency="EUR")))


__all__ = ["Reply", "World", "mark", "norddal", "order_form"]
