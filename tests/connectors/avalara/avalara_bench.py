"""AvaTax on a port of this machine: the real client and the real HTTP port against the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tripartite.connectors.avalara import simulator
from tripartite.connectors.avalara.client import AvalaraClient, connect
from tripartite.connectors.avalara.transform import read_quote
from tripartite.connectors.simulating import Cut, Fault, Request
from tripartite.core import codec
from tripartite.core.money import Amount
from tripartite.core.objects import Address, TaxQuestion, TaxQuestionLine, TaxQuote
from tripartite.core.quantity import Quantity
from tripartite.core.tax import question_number
from tripartite.runtime.http import OutboundHttp
from tripartite.runtime.outbound import OutboundRules
from tripartite.runtime.protocol import ClientPorts, Connection, Raw, Read, ReadResult, Secret

KEY = "avalara-license"
NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
DENVER = Address(lines=("1 Dock Rd",), city="Denver", subdivision="CO", country="US", postal_code="80202")
DALLAS = Address(lines=("100 Mill St",), city="Dallas", subdivision="TX", country="US", postal_code="75201")


def question(*amounts: str, company: str = "DE01", **further: Any) -> TaxQuestion:
    known: dict[str, Any] = {
        "company_code": company,
        "currency": "EUR",
        "taxed_on": date(2026, 11, 16),
        "lines": tuple(
            TaxQuestionLine(line=n, amount=Amount(each), quantity=Quantity("2"))
            for n, each in enumerate(amounts or ("100.00",), 1)
        ),
        "supplier_number": "10300001",
        "supplier_tax_id": "DE136695976",
        "ship_from": Address(country="DE"),
        "ship_to": Address(country="DE"),
        **further,
    }
    return TaxQuestion(**known)


class World:
    """A simulator behind a socket, and a client of it."""

    def __init__(self, settings: dict[str, str] | None = None, *, key: str = KEY, **ours: str) -> None:
        self.bench = simulator.build(settings or {}, seed=3)
        self.ours = {"timeout_seconds": "1", **ours}
        self.key = key

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.http = OutboundHttp(self.url, rules=OutboundRules(allow_loopback=True, allow_plain_http=True))
        self.client = self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.close()
        self._server.close()

    def connect(self) -> AvalaraClient:
        async def sleep(seconds: float) -> None:
            raise AssertionError(f"the client waits {seconds} s instead of saying so")

        connection = Connection(
            name="avalara",
            kind="avalara",
            role="tax",
            base_url=self.url,
            settings=self.ours,
            secrets={"account_id": Secret("2000000001"), "license_key": Secret(self.key)},
        )
        return connect(connection, ClientPorts(self.http, lambda: NOW, sleep))

    def fault(self, kind: str, **more: Any) -> None:
        self.bench.faults.append(Fault("tax_quote", kind, **more))

    @property
    def truth(self) -> Mapping[str, Any]:
        return self.bench.truth()  # type: ignore[no-any-return]

    async def ask(self, asked: TaxQuestion) -> bytes:
        parameters = {"number": question_number(asked), "question": codec.encode(asked).decode()}
        [pulled] = await self.client.ask("tax_quote", parameters)
        assert (pulled.kind, pulled.key) == ("tax_quote", question_number(asked))
        return pulled.content

    async def quote(self, asked: TaxQuestion) -> TaxQuote:
        found = read(await self.ask(asked))
        assert isinstance(found, ReadResult), found
        assert isinstance(found.value, TaxQuote)
        return found.value

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            rows = (row.partition(":") for row in head[1:] if row)
            headers = {name.lower(): value.strip() for name, _, value in rows}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            parts = urlsplit(target)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            reply = await self.bench.handle(Request(method, unquote(parts.path), query, headers, body))
            lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in reply.headers.items())]
            lines += [f"content-length: {len(reply.body)}", "connection: close"]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + reply.body)
            await writer.drain()
        except Cut:
            writer.write(b"HTTP/1.1 201 X\r\ncontent-length: 9999\r\n\r\n{")
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def read(content: bytes) -> Read:
    return read_quote(Raw(content, "application/json", "avalara"))
