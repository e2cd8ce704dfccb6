"""Once over a real socket: the client's bytes are HTTP, and a cut in the middle of an answer is no answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest

from connectors.sap_s4hana.sap_bench import PASSWORD, WORLD, line, outbound, posting, ten
from tripartite.connectors.sap_s4hana.client import SapClient, connect
from tripartite.connectors.sap_s4hana.simulator import build
from tripartite.connectors.simulating import Bench, Cut, Fault, Request
from tripartite.core.money import Amount
from tripartite.runtime.protocol import ClientPorts, Connection, HttpFailure, Rejected, Secret, Settled, Unknown


class Reply(msgspec.Struct, frozen=True):
    """An answer that is a struct, as the house's own port gives it."""

    status_code: int
    headers: dict[str, str]
    content: bytes


class Sockets:
    """An http port of a dozen lines: one connection a call, `Connection: close`."""

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
    ) -> Reply:
        parts = urlsplit(url)
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError as error:
            raise HttpFailure(str(error), sent=False) from None
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
            lines.append(f"Content-Length: {len(content or b'')}")
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (content or b""))
            await writer.drain()
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        first, *rest = head.decode("latin-1").split("\r\n")
        found = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rest)}
        if not first or len(body) != int(found["content-length"]):
            raise HttpFailure("the answer was cut", sent=True)
        return Reply(int(first.split()[1]), found, body)


async def serve(bench: Bench, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in head[1:] if row)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        reply = await bench.handle(Request(method, unquote(parts.path), query, headers, body))
        lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in reply.headers.items())]
        writer.write("\r\n".join([*lines, f"content-length: {len(reply.body)}"]).encode() + b"\r\n\r\n" + reply.body)
        await writer.drain()
    except Cut:
        writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 9999\r\n\r\n{")
        await writer.drain()
    finally:
        writer.close()


@pytest.fixture
async def bench() -> AsyncIterator[tuple[Bench, SapClient]]:
    bench = build({"password": PASSWORD}, seed=1)
    bench.arrange(WORLD)
    server = await asyncio.start_server(lambda reader, writer: serve(bench, reader, writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = Connection(
        name="sap-prod",
        kind="sap_s4hana",
        role="erp",
        base_url=f"http://127.0.0.1:{port}",
        settings={"username": "TRIPARTITE", "sap_client": "100"},
        secrets={"password": Secret(PASSWORD)},
    )
    from datetime import UTC, datetime

    ports = ClientPorts(http=Sockets(), now=lambda: datetime(2026, 11, 20, tzinfo=UTC), sleep=asyncio.sleep)
    yield bench, connect(connection, ports)
    server.close()
    await server.wait_closed()


async def test_a_month_end_over_a_real_socket(bench: tuple[Bench, SapClient]) -> None:
    system, client = bench
    assert [item.key for item in (await client.pull("order", "", 10)).items] == ["4500001234", "4500001235"]
    (answer,) = await client.submit([outbound(posting())])
    assert answer == Settled("5105600001/2026", "")
    items = ten()
    items[2] = outbound(posting("N-3", gross=Amount("1191.00")))
    items[6] = outbound(posting("N-7", lines=(line(order_line=90),)))
    answers = await client.submit(items)
    assert [place for place, answer in enumerate(answers, 1) if isinstance(answer, Rejected)] == [3, 7]
    system.faults.append(Fault("post_invoice", "commit_then_cut"))
    lost = outbound(posting("LOST-1"))
    (answer,) = await client.submit([lost])
    assert isinstance(answer, Unknown)
    assert isinstance(await client.probe(lost), Settled)
    assert len(system.truth()["invoices"]) == 10
