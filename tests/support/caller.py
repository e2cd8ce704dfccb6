"""Calls the HTTP application as a server would, header by header and chunk by chunk, without a socket between.

A client library tidies what it sends; here a test says exactly which bytes arrive, odd ones too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

from litestar import Litestar


class Answer:
    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = {name.decode().lower(): value.decode() for name, value in headers}
        self.body = body

    def json(self) -> Any:
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:400]!r}"


class Caller:
    """One caller of the application, with a bearer token, a session's cookie, or nothing."""

    def __init__(self, app: Litestar, token: str = "", cookie: str = "") -> None:
        self.app, self.token, self.cookie = app, token, cookie

    async def get(self, path: str, **further: Any) -> Answer:
        return await self.call("GET", path, **further)

    async def post(self, path: str, body: bytes, media: str = "application/json", **further: Any) -> Answer:
        headers = [("content-type", media), *further.pop("headers", ())] if media else list(further.pop("headers", ()))
        return await self.call("POST", path, body=body, headers=headers, **further)

    async def call(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        chunks: Sequence[bytes] | None = None,
        lengths: bool = True,
    ) -> Answer:
        raw, _, query = path.partition("?")
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        if self.token:
            sent.append((b"authorization", b"Bearer " + self.token.encode()))
        if self.cookie:
            sent.append((b"cookie", self.cookie.encode()))
        parts = list(chunks if chunks is not None else [body])
        if lengths and method != "GET" and chunks is None:
            sent.append((b"content-length", str(len(body)).encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw),
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"tests"), *sent],
            "client": ("127.0.0.1", 40000),
            "server": ("127.0.0.1", 80),
        }
        waiting = [
            {"type": "http.request", "body": part, "more_body": place < len(parts) - 1}
            for place, part in enumerate(parts)
        ]
        answered: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(event: Any) -> None:
            answered.append(event)

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        start = next(event for event in answered if event["type"] == "http.response.start")
        content = b"".join(event.get("body", b"") for event in answered if event["type"] == "http.response.body")
        return Answer(start["status"], list(start["headers"]), content)
