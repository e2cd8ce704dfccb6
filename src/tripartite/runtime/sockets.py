"""The sockets under the http port: a name looked up once, its addresses checked, one of these very addresses reached.

`CheckedNetwork` is what the HTTP engine asks for a connection; `Stream` is one TCP or TLS connection as that engine
wants it, with no layer in between. `serving` is where the stream notes, for the call it serves, how far that came.
Not for HTTP: what travels here is bytes.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, cast

import httpcore2
from httpcore2 import AsyncNetworkBackend, AsyncNetworkStream

from tripartite.runtime.outbound import OutboundRules, check_addresses

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]  # a name and a port -> addresses, in order of preference


class Progress:
    """How far the call of this task has come; the stream that serves it writes here."""

    __slots__ = ("fresh", "received", "sent")

    def __init__(self) -> None:
        self.fresh = self.sent = self.received = False  # fresh: on a connection opened for this call


serving: ContextVar[Progress] = ContextVar("serving")


async def system_resolve(host: str, port: int) -> list[str]:
    """The system's own name look-up, both families."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedNetwork(AsyncNetworkBackend):
    """Looks a name up once, refuses inner addresses, and connects to one of the very addresses it has checked."""

    def __init__(self, rules: OutboundRules, resolve: Resolve, connect_seconds: float) -> None:
        self._rules = rules
        self._resolve = resolve
        self._seconds = connect_seconds

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        if call := serving.get(None):
            call.fresh = True
        try:
            async with asyncio.timeout(self._seconds):
                addresses = check_addresses(host, await self._resolve(host, port), self._rules)
                return await self._connect(addresses, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"{host} did not take the connection in {self._seconds:g} s") from None
        except socket.gaierror:
            raise httpcore2.ConnectError(f"{host} has no address") from None
        except OSError as failure:
            raise httpcore2.ConnectError(f"{host}: {failure.strerror or failure}") from None

    async def _connect(self, addresses: Sequence[str], port: int) -> AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        for address in addresses[:4]:  # a host with more doors than that has one that works among these
            try:
                _, stream = await loop.create_connection(Stream, address, port)
            except OSError as error:
                failure = error
                continue
            return stream
        assert failure is not None, "there is an address to try"
        raise failure

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Stream(asyncio.Protocol, AsyncNetworkStream):
    """A TCP or TLS connection as the HTTP engine wants it, with no layer in between."""

    HIGH = 256 * 1024  # bytes not yet asked for, above which the other side has to wait

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._ended = False
        self._error: BaseException | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._held = self._paused = False

    # As the event loop calls it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > self.HIGH and not self._held and self._transport is not None:
            self._held = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        self._ended = True
        _wake(self._reader)
        return False

    def connection_lost(self, error: BaseException | None) -> None:
        self._ended = True
        self._error = error
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        _wake(self._writer)

    # As the HTTP engine calls it

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while not self._buffer and not self._ended:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        if not self._buffer:
            if self._error is not None:
                raise httpcore2.ReadError(str(self._error) or "the connection was lost")
            return b""
        if call := serving.get(None):
            call.received = True
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        if self._held and len(self._buffer) < self.HIGH // 2 and self._transport is not None:
            self._held = False
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        if self._transport is None or self._transport.is_closing():
            raise httpcore2.WriteError("the connection is closed")
        if call := serving.get(None):
            call.sent = True
        self._transport.write(buffer)
        while self._paused and not self._ended:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer

    async def aclose(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncNetworkStream:
        assert self._transport is not None
        try:
            secured = await asyncio.get_running_loop().start_tls(
                self._transport, self, ssl_context, server_hostname=server_hostname, ssl_handshake_timeout=10.0
            )
        except (OSError, ssl.SSLError) as failure:
            self._transport.abort()
            raise httpcore2.ConnectError(f"TLS: {failure}") from None
        if secured is None:
            raise httpcore2.ConnectError("TLS: the connection was lost")
        self._transport = secured
        return self

    def get_extra_info(self, info: str) -> Any:
        if self._transport is None:
            return None
        if info == "is_readable":
            return self._ended or bool(self._buffer)
        return self._transport.get_extra_info(info)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
