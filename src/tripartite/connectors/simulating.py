"""The bench that every simulator stands on: a small ASGI app with routes, seeded faults by switch, and the truth.

A simulator holds its state in memory, as the vendor would in its database: what it committed is its *truth*, and the
checkers of invariants read that, never our tables. Faults are data: which operation, which kind, how often.

    reply.429, reply.5xx     answers with that status before committing (429 with or without Retry-After)
    hang                     never answers, nothing committed
    commit_then_hang         commits, then never answers (fault 18)
    commit_then_cut          commits, then cuts the connection mid-body (fault 20)
    commit_then_5xx          commits, then answers 503 (fault 17)
    late_commit              hangs up now and commits `delay` seconds later (fault 19)
    lie_html                 200 with a login page (fault 21)
    lie_dropped              says yes and commits nothing (fault 22)
    lie_twice                commits twice (fault 23)
    lag                      reads do not see the write for `delay` seconds (fault 26)
    expire                   the token is refused once as if expired (fault 28)

`POST /_sim/faults` sets them, `GET /_sim/truth` reads the ledger, `GET /_sim/health` answers, `GET /_sim/calls`
counts the calls by operation. These paths exist on the bench only.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn
from urllib.parse import parse_qsl

import msgspec

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
LARGEST_BODY = 64 * 1024 * 1024


class Fault(msgspec.Struct):
    """One switch: on `operation` (a regular expression), `kind`, for `times` calls (-1: always), with `rate` 0..1."""

    operation: str
    kind: str
    times: int = 1
    rate: float = 1.0
    status: int = 503
    retry_after: float | None = None
    delay: float = 0.0


class Request(msgspec.Struct):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body, parse_float=str)


class Reply(msgspec.Struct):
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}


class Cut(Exception):
    """Closes the connection without (the rest of) an answer."""


def json_reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, msgspec.json.encode(value), {"content-type": "application/json", **(headers or {})})


Handler = Callable[[Request, re.Match[str]], Awaitable[Reply]]


class Bench:
    """An ASGI app. A simulator adds routes with `route` and asks `fault(operation)` where the vendor could fail.

    `clock` and `sleep` may be replaced by a rehearsal; by default they are monotonic seconds and asyncio's.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.faults: list[Fault] = []
        self.calls: Counter[str] = Counter()
        self.clock: Callable[[], float] = time.monotonic
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.truth: Callable[[], Any] = dict
        self.arrange: Callable[[Any], Any] = lambda _: None
        self._routes: list[tuple[str, re.Pattern[str], str, Handler]] = []
        self._later: set[asyncio.Task[None]] = set()

    def route(self, method: str, path: str, operation: str, handler: Handler) -> None:
        """Answer `method` on paths matching the whole regular expression `path`; `operation` is its name in faults."""
        self._routes.append((method, re.compile(path), operation, handler))

    def fault(self, operation: str, *kinds: str) -> Fault | None:
        """The first switched-on fault of one of `kinds` for this operation, counted as used; None mostly."""
        for fault in self.faults:
            if fault.kind not in kinds or fault.times == 0 or not re.fullmatch(fault.operation, operation):
                continue
            if fault.rate < 1.0 and self.random.random() >= fault.rate:
                continue
            if fault.times > 0:
                fault.times -= 1
            return fault
        return None

    async def before(self, operation: str) -> Reply | None:
        """The faults that strike before anything is committed: 429, 5xx, a login page, silence."""
        if fault := self.fault(operation, "reply.429"):
            headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
            return json_reply({"error": "too many requests"}, 429, headers)
        if fault := self.fault(operation, "reply.5xx"):
            return Reply(fault.status, b"upstream unavailable", {"content-type": "text/plain"})
        if self.fault(operation, "lie_html"):
            page = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
            return Reply(200, page, {"content-type": "text/html"})
        if self.fault(operation, "hang"):
            await self.hang()
        return None

    async def after(self, operation: str) -> Reply | None:
        """The faults that strike after the commit: silence, a cut, a 5xx."""
        if self.fault(operation, "commit_then_hang"):
            await self.hang()
        if self.fault(operation, "commit_then_cut"):
            raise Cut
        if fault := self.fault(operation, "commit_then_5xx"):
            return Reply(fault.status, b"gateway time-out", {"content-type": "text/plain"})
        return None

    async def hang(self) -> NoReturn:
        """Never answer: the caller's time-out decides."""
        await self.sleep(3600)
        raise Cut

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after the answer, e.g. a late commit."""

        async def run() -> None:
            await self.sleep(seconds)
            action()

        task = asyncio.ensure_future(run())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while True:
                event = await receive()
                await send({"type": event["type"] + ".complete"})
                if event["type"] == "lifespan.shutdown":
                    return
        if scope["type"] != "http":
            return
        try:
            reply = await self._answer(await _request(scope, receive))
        except Cut:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9999")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            raise ConnectionAbortedError("the bench cuts this connection") from None
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        headers.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def handle(self, request: Request) -> Reply:
        """Answer one request without HTTP (rehearsal); a cut connection raises `Cut`."""
        return await self._answer(request)

    async def _answer(self, request: Request) -> Reply:
        if request.path.startswith("/_sim/"):
            return self._bench_path(request)
        for method, pattern, operation, handler in self._routes:
            if method == request.method and (match := pattern.fullmatch(request.path)):
                self.calls[operation] += 1
                return await handler(request, match)
        return json_reply({"error": f"no such path {request.path}"}, 404)

    def _bench_path(self, request: Request) -> Reply:
        match request.method, request.path:
            case "GET", "/_sim/health":
                return json_reply({"ok": True})
            case "GET", "/_sim/truth":
                return json_reply(self.truth())
            case "GET", "/_sim/calls":
                return json_reply(dict(self.calls))
            case "POST", "/_sim/faults":
                self.faults = msgspec.json.decode(request.body, type=list[Fault])
                return json_reply({"faults": len(self.faults)})
            case "POST", "/_sim/arrange":
                return json_reply(self.arrange(request.json()))
            case _:
                return json_reply({"error": "no such bench path"}, 404)


async def _request(scope: Scope, receive: Receive) -> Request:
    body = bytearray()
    while True:
        event = await receive()
        body += event.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise Cut
        if not event.get("more_body"):
            break
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
    return Request(scope["method"], scope["path"], query, headers, bytes(body))
