"""Callers that are slow, silent or gone, on the real server: each is ended in bounded time, the others are served."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from scenarios.conftest import unused_ports
from support.api import Api
from support.papers import invoice
from tripartite.core import codec
from tripartite.runtime import http_app, process

__all__ = ["unused_ports"]

PATH = "/v1/invoices"


class Line:
    """A connection to the server, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def trickle(self, data: bytes, every: float) -> None:
        """One byte after another until the other side ends it."""
        try:
            for place in range(len(data)):
                await self.send(data[place : place + 1])
                await asyncio.sleep(every)
        except ConnectionError:
            return

    async def rest(self, within: float) -> bytes:
        """Everything until the other side closes. Errors: `TimeoutError` where it does not."""
        async with asyncio.timeout(within):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


class Served:
    """The house behind its real HTTP server on a port, and a token."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Line(reader, writer)
        finally:
            writer.close()

    def head(self, length: int | str, *, path: str = PATH, extra: str = "") -> bytes:
        lengths = f"content-length: {length}\r\n" if isinstance(length, int) else f"transfer-encoding: {length}\r\n"
        return (
            f"POST {path} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {self.token}\r\n"
            f"content-type: application/json\r\n{lengths}{extra}\r\n"
        ).encode()

    async def asks(self) -> tuple[int, float]:
        """A plain question by somebody else: its status, and how long it took."""
        started = time.perf_counter()
        async with self.line() as line:
            head = f"GET /v1/invoices HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {self.token}\r\n"
            await line.send(f"{head}connection: close\r\n\r\n".encode())
            answer = await line.rest(10)
        return int(answer.split(b" ", 2)[1]), time.perf_counter() - started


def problem(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head.lower(), answer
    found: dict[str, Any] = json.loads(body)
    assert f" {found['status']} ".encode() in head.split(b"\r\n")[0]
    return found


@pytest_asyncio.fixture
async def served(
    api: Api, unused_ports: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    monkeypatch.setattr(http_app, "BODY_SECONDS", 1.0)
    monkeypatch.setattr(process, "HEAD_SECONDS", 1.5)
    (port,) = unused_ports(1)
    server = process.http_server(api.app, "127.0.0.1", port)
    running = asyncio.create_task(server.serve())
    made = Served(port, (await api.caller()).token)
    for _ in range(200):
        try:
            await made.asks()
            break
        except OSError:
            await asyncio.sleep(0.02)
    yield made
    server.stop()  # type: ignore[no-untyped-call]
    await asyncio.wait([running], timeout=5)
    assert running.done(), "the server does not end"


def test_the_limits_in_production_are_bounded_too() -> None:
    assert http_app.BODY_SECONDS <= 30
    assert process.HEAD_SECONDS <= 30
    assert http_app.BODY_BYTES_A_SECOND >= 1024


@pytest.mark.parametrize("length", [5000, "chunked"])
async def test_slow_body_is_dropped(served: Served, api: Api, length: int | str) -> None:
    """Bad input 34. Others are served meanwhile, and nothing of it is kept."""
    async with served.line() as line:
        await line.send(served.head(length))
        body = b"{" * 5000 if isinstance(length, int) else b"1\r\n{\r\n" * 2000
        started = time.perf_counter()
        trickling = asyncio.create_task(line.trickle(body, 0.1))
        others = [await served.asks() for _ in range(8)]
        answer = await line.rest(8)
        took = time.perf_counter() - started
        trickling.cancel()
        await asyncio.gather(trickling, return_exceptions=True)
    said = problem(answer)
    assert (said["status"], said["reason_code"]) == (408, "intake.too_slow")
    assert 0.9 < took < 5
    assert [status for status, _ in others] == [200] * 8
    assert max(seconds for _, seconds in others) < 2
    assert await api.house.value("SELECT count(*) FROM gateway.intake") == 0


async def test_a_body_that_never_comes_is_not_waited_for(served: Served) -> None:
    async with served.line() as line:
        await line.send(served.head(5000))
        assert problem(await line.rest(8))["reason_code"] == "intake.too_slow"


async def test_many_slow_callers_at_once_do_not_keep_the_others_out(served: Served) -> None:
    async def slow() -> bytes:
        async with served.line() as line:
            await line.send(served.head(5000) + b"{")
            return await line.rest(10)

    crowd = [asyncio.create_task(slow()) for _ in range(100)]
    await asyncio.sleep(0.2)
    assert [(await served.asks())[0] for _ in range(5)] == [200] * 5
    answers = await asyncio.gather(*crowd)
    assert {problem(answer)["reason_code"] for answer in answers} == {"intake.too_slow"}


async def test_a_large_document_over_a_thin_line_is_taken(
    served: Served, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than the first allowance, and never slower than the rate: what arrives earns more time."""
    monkeypatch.setattr(http_app, "BODY_BYTES_A_SECOND", 300)
    body = codec.encode(invoice())
    part = len(body) // 10 + 1
    async with served.line() as line:
        await line.send(served.head(len(body), extra="connection: close\r\n"))
        for place in range(0, len(body), part):
            await line.send(body[place : place + part])
            await asyncio.sleep(0.16)
        answer = await line.rest(8)
    assert answer.startswith(b"HTTP/1.1 202 "), answer[:300]
    assert await api.house.value("SELECT count(*) FROM gateway.intake") == 1


async def test_a_head_at_a_byte_a_moment_is_ended(served: Served) -> None:
    async with served.line() as line:
        trickling = asyncio.create_task(line.trickle(served.head(10) * 3, 0.1))
        started = time.perf_counter()
        answer = await line.rest(8)
        took = time.perf_counter() - started
        trickling.cancel()
        await asyncio.gather(trickling, return_exceptions=True)
    assert took < 6
    assert not answer.startswith(b"HTTP/1.1 2")
    assert (await served.asks())[0] == 200


async def test_a_caller_that_goes_away_in_the_middle_leaves_nothing_behind(served: Served, api: Api) -> None:
    body = codec.encode(invoice())
    for half in (0, 1, len(body) // 2, len(body) - 1):
        async with served.line() as line:
            await line.send(served.head(len(body)) + body[:half])
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    assert await api.house.value("SELECT count(*) FROM gateway.intake") == 0
    assert (await served.asks())[0] == 200


async def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(served: Served) -> None:
    started = time.perf_counter()
    async with served.line() as line:
        await line.send(served.head(http_app.LARGEST_BODY + 1))
        said = problem(await line.rest(8))
    assert (said["status"], said["reason_code"]) == (413, "intake.too_large")
    assert time.perf_counter() - started < 0.9, "it is not waited for"


async def test_of_two_body_lengths_on_the_wire_nothing_can_be_hidden_behind_one(served: Served, api: Api) -> None:
    """Bad input 29 on a real socket. The server's parser keeps to RFC 9112: it takes the chunks, drops the length, and
    ends the connection, so that what follows is nobody's request. Through the application alone it is refused
    (test_bad_json.py); two lengths that differ are refused here too.
    """
    body = codec.encode(invoice())
    hidden = served.head(0, path="/v1/orders")
    for extra in ("transfer-encoding: chunked\r\n", "transfer-encoding: chunked\r\nconnection: keep-alive\r\n"):
        async with served.line() as line:
            head = served.head(len(body), extra=extra)
            await line.send(head + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n" + hidden)
            answer = await line.rest(8)
        assert answer.count(b"HTTP/1.1 ") == 1, answer
        assert answer.startswith(b"HTTP/1.1 202 "), answer[:200]
        assert b"connection: close" in answer.lower()
    async with served.line() as line:
        await line.send(served.head(len(body), extra=f"content-length: {len(body) - 1}\r\n") + body)
        answer = await line.rest(8)
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    rows = await api.house.rows("SELECT disposition FROM gateway.intake ORDER BY intake_id")
    assert rows == [("applied",), ("duplicate",)]
