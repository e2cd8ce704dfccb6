"""The bench for the bank: the real client against the simulator, no socket, and a clock that we turn; orders."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from lxml import etree

from tripartite.connectors import registry
from tripartite.connectors.iso20022_bank import simulator
from tripartite.connectors.iso20022_bank.client import IsoBankClient
from tripartite.connectors.simulating import Cut, Fault, Reply, Request
from tripartite.core import codec
from tripartite.core.money import Amount
from tripartite.core.objects import (
    Address,
    BankAccount,
    BankStatement,
    Payment,
    PaymentItem,
    PaymentOrder,
    PaymentReport,
)
from tripartite.runtime.protocol import (
    ClientPorts,
    Connection,
    HttpFailure,
    ObjectKind,
    Outbound,
    Pulled,
    Raw,
    ReadResult,
    Secret,
)

SECRET = "the-bank's-very-secret"
OURS = "DE89370400440532013000"
THEIRS = ("FR1420041010050500013M02606", "NL91ABNA0417164300", "AT611904300234573201", "ES9121000418450200051332")
MORNING = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
STEP = 1.0


@dataclass
class Answered:
    status_code: int
    headers: Mapping[str, str]
    content: bytes


@dataclass
class Line:
    """The http port over a function call. Silence ends in a time-out, a cut in a failure after sending."""

    bench: simulator.BankBench
    refuse: bool = False
    twist: dict[str, Reply] = field(default_factory=dict)  # operation -> the answer instead
    slow: set[str] = field(default_factory=set)  # operations whose answer takes a while to come back
    sent: list[tuple[str, str, bytes, Mapping[str, str]]] = field(default_factory=list)

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
        low = {name.lower(): value for name, value in (headers or {}).items()}
        self.sent.append((operation, parts.path, content or b"", low))
        if operation in self.twist:
            reply = self.twist[operation]
            return Answered(reply.status, reply.headers, reply.body)
        query = dict(parse_qsl(parts.query, keep_blank_values=True)) | dict(params or ())
        try:
            request = Request(method, unquote(parts.path), query, low, content or b"")
            reply = await asyncio.wait_for(self.bench.handle(request), 0.05)
        except TimeoutError:
            raise HttpFailure("time-out", sent=True) from None
        except Cut:
            raise HttpFailure("cut", sent=True) from None
        await asyncio.sleep(0.02 if operation in self.slow else 0)
        return Answered(reply.status, reply.headers, reply.body)


class World:
    """A bank, a client of it, and the time."""

    def __init__(self, settings: dict[str, str] | None = None, **ours: str) -> None:
        self.now = MORNING
        given = {"client_secret": SECRET, "step_seconds": str(STEP), **(settings or {})}
        self.bench = simulator.build(given, seed=7)
        self.bench.clock = self.seconds
        self.bench.wall = self.seconds
        self.line = Line(self.bench)
        self.ours = ours
        self.client = self.connect()

    def seconds(self) -> float:
        return self.now.timestamp()

    def connect(self) -> IsoBankClient:
        async def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

        connection = Connection(
            name="bank",
            kind="iso20022_bank",
            role="bank",
            base_url="https://bank.example/",
            settings=self.ours,
            secrets={"client_id": Secret("tripartite"), "client_secret": Secret(SECRET)},
        )
        client = registry.connect(connection, ClientPorts(self.line, lambda: self.now, sleep))
        assert isinstance(client, IsoBankClient)
        return client

    def later(self, seconds: float = STEP) -> None:
        self.now += timedelta(seconds=seconds)
        self.bench.advance()

    def done(self, steps: int = 6) -> None:
        for _ in range(steps):
            self.later()

    def fault(self, operation: str, kind: str, **more: Any) -> None:
        self.bench.faults.append(Fault(operation, kind, **more))

    async def drain(self, stream: ObjectKind, cursor: str = "", limit: int = 50) -> tuple[list[Pulled], str]:
        """All that waits, and the cursor behind it."""
        found: list[Pulled] = []
        for _ in range(200):
            page = await self.client.pull(stream, cursor, limit)
            found += page.items
            cursor = page.cursor
            if not page.more:
                return found, cursor
        raise AssertionError("the stream does not end")

    async def reports(self) -> list[PaymentReport]:
        items, _ = await self.drain("payment_report")
        return [value for item in items if isinstance(value := self.read(item), PaymentReport)]

    async def statements(self) -> list[BankStatement]:
        items, _ = await self.drain("bank_statement")
        return [value for item in items if isinstance(value := self.read(item), BankStatement)]

    def read(self, item: Pulled) -> Any:
        reader = registry.readers("iso20022_bank", self.ours)[item.kind]
        result = reader(Raw(item.content, item.media_type))
        assert isinstance(result, ReadResult), result
        return result.value


def item(number: str = "R-1", amount: str = "100.00", **more: Any) -> PaymentItem:
    return PaymentItem(f"inv_{number}", number, Amount(amount), issued_on=date(2026, 10, 1), **more)


def payment(number: str = "PAY-1", amount: str = "100.00", place: int = 0, **more: Any) -> Payment:
    said: dict[str, Any] = {
        "company_code": "DE01",
        "supplier_id": f"sup_{number}",
        "currency": "EUR",
        "amount": Amount(amount),
        "status": "released",
        "supplier_name": f"Supplier of {number}",
        "account": BankAccount(THEIRS[place % len(THEIRS)]),
        "items": (item(f"R-{number}", amount),),
    }
    return Payment(number, **{**said, **more})


def order(number: str = "ORD-1", *payments: Payment, **more: Any) -> PaymentOrder:
    payments = payments or (payment(),)
    said: dict[str, Any] = {
        "company_code": "DE01",
        "company_name": "Norddal GmbH",
        "account": BankAccount(OURS, "", "COBADEFFXXX"),
        "currency": payments[0].currency,
        "execute_on": MORNING.date(),
        "created_at": MORNING,
        "amount": Amount(sum((each.amount for each in payments), Decimal())),
        "payments": payments,
    }
    return PaymentOrder(number, **{**said, **more})


def wire_transfer(number: str = "PAY-US", amount: str = "100.00", **more: Any) -> Payment:
    """Beyond SEPA: a local account at a bank of a clearing system, with an address."""
    said: dict[str, Any] = {
        "account": BankAccount("123456789", "Rowan Inc", "USABA:021000021"),
        "address": Address(("1 Main Street", "Suite 5"), "New York", "10001", "NY", "US"),
    }
    return payment(number, amount, **{**said, **more})


HERE = Address(("Hafenweg 1",), "Kiel", "24103", "", "DE")


def owed(value: PaymentOrder) -> Outbound:
    return Outbound(value.number, "send_payment_order", value.company_code, codec.encode(value))


def metadata() -> Path:
    """The folder of schemas and code lists. Skips the test where nobody said where it is."""
    stated = os.environ.get("TRIPARTITE_SAMPLES")
    if not stated:
        pytest.skip("TRIPARTITE_SAMPLES is not set")
    return Path(stated).parent / "vendors" / "metadata" / "banks"


def schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(metadata() / "xsd" / f"{name}.xsd")))


def schema_of(content: bytes) -> etree.XMLSchema:
    tag = str(etree.fromstring(content).tag)
    return schema(tag.partition("}")[0].rpartition(":")[2])


@contextmanager
def changed(world: World, **settings: str) -> Iterator[None]:
    """The client under other settings, for a while."""
    before, world.ours = world.ours, settings
    world.client = world.connect()
    yield
    world.ours = before
    world.client = world.connect()
