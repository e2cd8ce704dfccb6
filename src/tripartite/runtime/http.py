"""The http port over real sockets: bounded in time and bytes, no redirects, only where the estate allows.

    http = OutboundHttp(connection.base_url, name=connection.name, rules=rules, on_call=telemetry.call)
    answer = await http.request("POST", url, headers=..., content=..., operation="post_invoice")

One `OutboundHttp` belongs to one connection of the estate. It keeps its TCP connections alive and reads no proxy or
certificate settings from the environment. It speaks HTTP/1.1 through httpx2's own engine (`httpcore2`), below the
client layer, because that layer's redirects, cookies and environment are just what we do not want, and because it
costs several times the call. What an answer means is decided by the connector's `client.py`, not here.

    HttpFailure(sent=...)            no usable answer; `sent` False only where surely no byte of the request left
      OutboundRefused                not allowed to go there          outbound.address_refused
      AnswerInvalid                  beyond the limits, or not HTTP   outbound.answer_invalid
"""

from __future__ import annotations

import asyncio
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import httpcore2
import httpx2
import msgspec

from tripartite.runtime.outbound import (
    AnswerInvalid,
    Origin,
    OutboundRefused,
    OutboundRules,
    check_origin,
    origin_of,
)
from tripartite.runtime.protocol import Call, HttpFailure
from tripartite.runtime.sockets import CheckedNetwork, Progress, Resolve, serving, system_resolve

__all__ = ["AnswerInvalid", "Headers", "Limits", "OutboundHttp", "OutboundRefused", "OutboundRules", "Response"]

_REPEATABLE = frozenset({"GET", "HEAD"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Limits(msgspec.Struct, frozen=True):
    """How much one connection may take of us. Header bytes are bounded by the HTTP engine, at 100 KiB."""

    body_bytes: int = 32 * 1024 * 1024  # after decompression
    connections: int = 32
    connect_seconds: float = 10.0
    idle_seconds: float = 15.0  # how long an unused TCP connection is kept


class Headers(Mapping[str, str]):
    """An answer's headers, in any case of letters; one that came twice is joined by a comma."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self._values[key] = f"{self._values[key]}, {text}" if key in self._values else text

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({sorted(self._values)})"  # values may be tokens


class Response(msgspec.Struct, frozen=True):
    """An answer that came whole."""

    status_code: int
    headers: Headers
    content: bytes


class OutboundHttp:
    """The http port of one connection. `base_url` and `also` (a token server, say) are all it will ever call."""

    def __init__(
        self,
        base_url: str,
        *,
        name: str = "",
        rules: OutboundRules | None = None,
        limits: Limits | None = None,
        also: Sequence[str] = (),
        on_call: Callable[[Call], None] | None = None,
        ca_file: str | None = None,
        resolve: Resolve = system_resolve,
    ) -> None:
        self._name = name
        self._limits = limits or Limits()
        self._on_call = on_call
        rules = rules or OutboundRules()
        self._origins: dict[str, Origin] = {}
        for url in (base_url, *also):
            origin = origin_of(url)
            check_origin(origin, rules)
            self._origins[_prefix(url)] = origin
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_tls(ca_file),
            max_connections=self._limits.connections,
            max_keepalive_connections=self._limits.connections,
            keepalive_expiry=self._limits.idle_seconds,
            http1=True,
            http2=False,
            network_backend=CheckedNetwork(rules, resolve, self._limits.connect_seconds),
        )

    async def close(self) -> None:
        """Close all TCP connections."""
        await self._pool.aclose()

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
    ) -> Response:
        """One call, answered whole within `timeout_seconds` or failed. Errors: `HttpFailure` and its kinds."""
        started = time.perf_counter()
        status, error = 0, ""
        try:
            target = self._target(url, params)
            answer = await self._bounded(
                method, target, _wire_headers(target, headers, content), content, timeout_seconds
            )
            status = answer.status_code
            self._refuse_redirect(answer)
            return answer
        except HttpFailure as failure:
            error = str(failure)
            raise
        finally:
            if self._on_call is not None:
                self._on_call(Call(self._name, operation, status, time.perf_counter() - started, error))

    def _target(self, url: str, params: Sequence[tuple[str, str]] | None) -> httpcore2.URL:
        origin = self._origins.get(_prefix(url))
        if origin is None:
            named = origin_of(url)  # an odd spelling is refused here, an equal origin spelled otherwise is found
            if named not in self._origins.values():
                raise OutboundRefused(f"{named.host} is not a host of this connection", sent=False)
            origin = named
        path = url[len(_prefix(url)) :].partition("#")[0]
        if params:
            path += ("&" if "?" in path else "?") + urlencode(params, quote_via=quote, safe="$")
        if not path.startswith("/"):
            path = "/" + path
        if not path.isascii() or not path.isprintable() or " " in path:
            raise OutboundRefused("the URL holds characters that must be escaped", sent=False)
        return httpcore2.URL(
            scheme=origin.scheme.encode(), host=origin.host.encode(), port=origin.port, target=path.encode()
        )

    async def _bounded(
        self,
        method: str,
        target: httpcore2.URL,
        headers: list[tuple[bytes, bytes]],
        content: bytes | None,
        timeout_seconds: float,
    ) -> Response:
        progress = Progress()
        token = serving.set(progress)
        try:
            async with asyncio.timeout(timeout_seconds):
                try:
                    return await self._once(method, target, headers, content)
                except (httpcore2.NetworkError, httpcore2.RemoteProtocolError):
                    # A connection kept alive may have been closed by the other side just as we used it. A question
                    # may be asked again; whatever changes something may not.
                    if method not in _REPEATABLE or progress.fresh or progress.received:
                        raise
                    return await self._once(method, target, headers, content)
        except TimeoutError:
            raise HttpFailure(f"no whole answer within {timeout_seconds:g} s", sent=progress.sent) from None
        except httpcore2.TimeoutException as failure:
            raise HttpFailure(_say(failure, "timed out"), sent=progress.sent) from None
        except httpcore2.LocalProtocolError as failure:
            raise HttpFailure(f"the request is not HTTP: {failure}", sent=progress.sent) from None
        except httpcore2.RemoteProtocolError as failure:
            if progress.received:
                raise AnswerInvalid(f"the answer is not HTTP: {failure}", sent=progress.sent) from None
            raise HttpFailure(_say(failure, "no answer"), sent=progress.sent) from None
        except (httpcore2.NetworkError, ssl.SSLError, OSError) as failure:
            raise HttpFailure(_say(failure, "the network failed"), sent=progress.sent) from None
        finally:
            serving.reset(token)

    async def _once(
        self, method: str, target: httpcore2.URL, headers: list[tuple[bytes, bytes]], content: bytes | None
    ) -> Response:
        request = httpcore2.Request(method, target, headers=headers, content=content)
        answer = await self._pool.handle_async_request(request)
        try:
            return Response(answer.status, Headers(answer.headers), await self._read(method, answer))
        finally:
            await answer.aclose()

    async def _read(self, method: str, answer: httpcore2.Response) -> bytes:
        assert not isinstance(answer.stream, bytes)
        encoding = next((value for name, value in answer.headers if name.lower() == b"content-encoding"), b"")
        inflate = _inflater(encoding.decode("latin-1").strip().lower()) if encoding and method != "HEAD" else None
        most = self._limits.body_bytes
        parts: list[bytes] = []
        length = received = 0
        async for chunk in answer.stream:  # type: ignore[union-attr]
            received += len(chunk)
            part = chunk
            if inflate is not None:
                try:
                    part = inflate.decompress(chunk, most + 1 - length)
                except zlib.error as failure:
                    raise AnswerInvalid(f"the answer does not decompress: {failure}", sent=True) from None
            length += len(part)
            if length > most or received > most:
                raise AnswerInvalid(f"the answer has more than {most} bytes", sent=True)
            parts.append(part)
        if inflate is not None and received and not inflate.eof:
            raise AnswerInvalid("the compressed answer is cut off", sent=True)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _refuse_redirect(self, answer: Response) -> None:
        """Redirects are never followed. One to another origin is refused; one within is the client's to read."""
        if answer.status_code not in _REDIRECTS:
            return
        place = answer.headers.get("location", "")
        if place.startswith("/") and not place.startswith(("//", "/\\")):
            return
        if _prefix(place) not in self._origins:
            raise OutboundRefused(f"answered {answer.status_code}, a redirect to elsewhere", sent=True)


def _prefix(url: str) -> str:
    """`scheme://authority` as it is spelled, whatever that may be."""
    start = url.find("://") + 3
    ends = [at for at in (url.find(mark, start) for mark in "/?#") if at >= 0]
    return url[: min(ends)] if ends else url


def _wire_headers(
    target: httpcore2.URL, headers: Mapping[str, str] | None, content: bytes | None
) -> list[tuple[bytes, bytes]]:
    host = target.host.decode()
    host = f"[{host}]" if ":" in host else host
    default = 443 if target.scheme == b"https" else 80
    wire = [(b"Host", (host if target.port == default else f"{host}:{target.port}").encode())]
    own = {name.lower() for name in headers or ()}
    if "accept-encoding" not in own:
        wire.append((b"Accept-Encoding", b"gzip"))
    if content is not None:
        wire.append((b"Content-Length", str(len(content)).encode()))
    for name, value in (headers or {}).items():
        if name.lower() in ("host", "content-length", "transfer-encoding", "connection"):
            continue  # ours to say
        try:
            wire.append((name.encode("ascii"), value.encode("latin-1")))
        except UnicodeEncodeError:
            raise HttpFailure(f"the header {name!r} does not fit into HTTP", sent=False) from None
    return wire


def _inflater(encoding: str) -> Any:
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(wbits=31)
    if encoding == "deflate":
        return zlib.decompressobj(wbits=15)
    if encoding == "identity":
        return None
    raise AnswerInvalid(f"the answer is encoded as {encoding[:40]!r}, which was not asked for", sent=True)


def _say(failure: BaseException, otherwise: str) -> str:
    return str(failure) or otherwise


def _tls(ca_file: str | None) -> ssl.SSLContext:
    # The machine's own authorities, or the one the estate names; SSL_CERT_FILE and its like are not asked.
    context = (
        httpx2.create_ssl_context(trust_env=False) if ca_file is None else ssl.create_default_context(cafile=ca_file)
    )
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
