"""A subscriber on a real socket: it checks every signature by the specification alone and answers as it is told.

Nothing of ours is imported: what it takes for genuine is what Standard Webhooks 1.0 says. A receiver keeps what it
accepted by webhook-id, as the specification asks, so that an event that comes twice is one.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import TracebackType
from typing import Any


class Arrived:
    """One request as it came."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers, self.body = headers, body
        self.webhook_id = headers.get("webhook-id", "")
        self.event: dict[str, Any] = json.loads(body)


def genuine(arrived: Arrived, secret: str, now: datetime) -> bool:
    """Standard Webhooks, "Verifying webhook authenticity": HMAC-SHA256 of id.timestamp.payload, base64, `v1,`."""
    stamp = arrived.headers["webhook-timestamp"]
    if abs(int(stamp) - now.timestamp()) > 300:
        return False
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = b".".join((arrived.webhook_id.encode(), stamp.encode(), arrived.body))
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [part.split(",", 1) for part in arrived.headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(value, wanted) for version, value in given)


class Receiver(AbstractAsyncContextManager["Receiver"]):
    """Answers 204 unless told otherwise: a status, (status, headers), or one of lost, cut, slow, endless, hang.

    `script` tells of the next requests, one entry each; `always` of all of them.
    """

    def __init__(self, secret: str, now: Callable[[], datetime]) -> None:
        self.secret, self._now = secret, now
        self.arrived: list[Arrived] = []
        self.kept: dict[str, Arrived] = {}
        self.forged = 0
        self.script: deque[Any] = deque()
        self.always: Any = 204
        self.busy = 0
        self.most_busy = 0
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Receiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?room=4"

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was kept, in the order in which it came first."""
        return [each.event for each in self.kept.values()]

    def types(self) -> list[str]:
        return [event["type"].removeprefix("tripartite.").removesuffix(".v1") for event in self.events]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.busy += 1
                self.most_busy = max(self.busy, self.most_busy)
                try:
                    if not await self._answer(Arrived(headers, body), writer):
                        return
                finally:
                    self.busy -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, arrived: Arrived, writer: asyncio.StreamWriter) -> bool:
        self.arrived.append(arrived)
        if not genuine(arrived, self.secret, self._now()):
            self.forged += 1
            return await _say(writer, 401, {})
        how = self.script.popleft() if self.script else self.always
        status, headers = how if isinstance(how, tuple) else (how, {})
        if how in ("lost", "cut", "slow", "endless") or (isinstance(status, int) and 200 <= status < 300):
            self.kept.setdefault(arrived.webhook_id, arrived)
        if how == "lost":
            return False
        if how == "cut":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")
            await writer.drain()
            return False
        if how == "hang":
            await asyncio.sleep(30)
            return False
        if how in ("slow", "endless"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n")
            while True:
                writer.write(b"." * (1 if how == "slow" else 65_536))
                await writer.drain()
                await asyncio.sleep(0.05 if how == "slow" else 0)
        await asyncio.sleep(0)
        return await _say(writer, status, headers)


async def _say(writer: asyncio.StreamWriter, status: int, headers: dict[str, str]) -> bool:
    further = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n{further}\r\n".encode())
    await writer.drain()
    return True
