"""The bench for the warehouse: the real client against the simulator, no socket, and a clock that we turn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tripartite.connectors import registry
from tripartite.connectors.simulating import Cut, Fault, Reply, Request
from tripartite.connectors.warehouse import simulator
from tripartite.connectors.warehouse.client import WarehouseClient
from tripartite.runtime.protocol import ClientPorts, Connection, HttpFailure, Secret

SECRET = "the warehouse's first webhook secret"
NEW_SECRET = "the warehouse's second webhook secret"
ORDER = "4500000001"


@dataclass
class Answered:
    status_code: int
    headers: Mapping[str, str]
    content: bytes


@dataclass
class Line:
    """The http port over a function call. Silence ends in a time-out, a cut in a failure after sending."""

    bench: simulator.Warehouse
    refuse: bool = False
    twist: dict[str, Reply] = field(default_factory=dict)  # operation -> the answer instead
    sent: list[tuple[str, str]] = field(default_factory=list)

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
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query)) | dict(params or ())
        self.sent.append((operation, parts.path))
        low = {name.lower(): value for name, value in (headers or {}).items()}
        if operation in self.twist:
            reply = self.twist[operation]
        else:
            try:
                request = Request(method, unquote(parts.path), query, low, content or b"")
                reply = await asyncio.wait_for(self.bench.handle(request), 0.05)
            except TimeoutError:
                raise HttpFailure("time-out", sent=True) from None
            except Cut:
                raise HttpFailure("cut", sent=True) from None
        return Answered(reply.status, reply.headers, reply.body)


class World:
    """A warehouse, a client of it, and the time."""

    def __init__(self, settings: dict[str, str] | None = None, **ours: str) -> None:
        self.now = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
        self.bench = simulator.build(settings or {}, seed=7)
        self.bench.clock = self.seconds
        self.bench.wall = self.seconds
        self.line = Line(self.bench)
        self.ours = ours
        self.secrets = {
            "client_id": Secret("tripartite"),
            "client_secret": Secret("warehouse-secret"),
            "webhook_secret": Secret(SECRET),
        }
        self.client = self.connect()

    def seconds(self) -> float:
        return self.now.timestamp()

    def connect(self) -> WarehouseClient:
        async def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

        connection = Connection(
            name="wms",
            kind="warehouse",
            role="warehouse",
            base_url="https://wms.example/",
            settings=self.ours,
            secrets=self.secrets,
        )
        client = registry.connect(connection, ClientPorts(self.line, lambda: self.now, sleep))
        assert isinstance(client, WarehouseClient)
        return client

    def later(self, **units: float) -> None:
        self.now += timedelta(**units)

    def fault(self, operation: str, kind: str, **more: Any) -> None:
        self.bench.faults.append(Fault(operation, kind, **more))

    def receipts(self, first: int, last: int, **said: Any) -> None:
        self.bench.arrange({"receipts": [delivery(f"R-{n}", **said) for n in range(first, last)]})


def line(number: int = 1, quantity: str = "10", of: str = "R-1", **said: Any) -> dict[str, Any]:
    return {
        "line_id": f"{of}-{number}",
        "po_line": str(number * 10),
        "item": f"MAT-{number:03d}",
        "uom": "EA",
        "qty_received": quantity,
        **said,
    }


def delivery(key: str = "R-1", *lines: dict[str, Any], **said: Any) -> dict[str, Any]:
    return {
        "id": key,
        "po_number": ORDER,
        "received_at": "2026-11-18T13:40:00Z",
        "lines": list(lines) or [line(of=key)],
        **said,
    }


def going_back(key: str, kind: str, of: str, quantity: str, number: int = 1, **said: Any) -> dict[str, Any]:
    """A return, reversal or adjustment of one line."""
    field_of = {"RETURN": "qty_returned", "REVERSAL": "qty_reversed", "ADJUSTMENT": "qty_change"}[kind]
    what = {"line_id": f"{key}-{number}", "po_line": str(number * 10), "uom": "EA", field_of: quantity, **said}
    return delivery(key, what, type=kind, receipt_id=of)
