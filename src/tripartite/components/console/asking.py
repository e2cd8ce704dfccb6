"""How the console asks the owners of facts: over their own APIs, with the reader's own session, so with their rights.

    answers = await asking.all({"invoice": "/v1/invoices/inv_7K2", "causes": "/v1/exceptions/causes"})

Nothing is read from tables here. A part that cannot be had is an `Answer` with words, and the rest of the page works.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlencode

import msgspec
from litestar.types import ASGIApp, HTTPScope, Message

from tripartite.runtime.http_app import SESSION_COOKIE

log = logging.getLogger(__name__)


class Ask(Protocol):
    """(path with query, cookie header) -> (status, body): JSON as values, anything else as bytes. With `told` it is a
    POST of that JSON, under an idempotency key.
    """

    async def __call__(
        self, address: str, cookie: str, told: bytes | None = None, key: str = ""
    ) -> tuple[int, Any]: ...


PATIENCE_SECONDS = 10.0


class Answer(msgspec.Struct, frozen=True):
    """What an owner said: its body, or a status with words why there is none (0: it did not answer)."""

    status: int
    body: Any = None
    words: str = ""
    reason_code: str = ""
    correlation_id: str = ""
    next_action: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def wants_password(self) -> bool:
        """Whether the owner asks the reader to prove once more who they are."""
        return self.status in (401, 403) and "password" in f"{self.words} {self.next_action}".lower()

    @property
    def items(self) -> list[dict[str, Any]]:
        """The rows of a list; none where it could not be had."""
        return list(self.body["items"]) if self.ok else []


class Asking:
    """Asks in the name of one reader."""

    def __init__(self, ask: Ask, session: str) -> None:
        self._ask, self._cookie = ask, f"{SESSION_COOKIE}={session}"

    async def one(self, path: str) -> Answer:
        """Ask one question. Errors: none; what went wrong is in the answer."""
        return await self._answer(path, None, "")

    async def tell(self, path: str, told: bytes, key: str) -> Answer:
        """Do something in the reader's name: a POST of JSON. The same key again answers as before. Errors: none."""
        return await self._answer(path, told, key)

    async def _answer(self, path: str, told: bytes | None, key: str) -> Answer:
        try:
            going = self._ask(path, self._cookie) if told is None else self._ask(path, self._cookie, told, key)
            status, body = await asyncio.wait_for(going, PATIENCE_SECONDS)
        except TimeoutError:
            return Answer(0, words=f"No answer within {PATIENCE_SECONDS:g} seconds.")
        except OSError as error:
            log.warning("a component does not answer", extra={"path": path}, exc_info=error)
            return Answer(0, words="The component that knows this does not answer.")
        if 200 <= status < 300:
            return Answer(status, body)
        problem = body if isinstance(body, dict) else {}
        words = str(problem.get("detail") or problem.get("title") or f"The answer was {status}.")
        return Answer(
            status,
            words=words,
            reason_code=str(problem.get("reason_code", "")),
            correlation_id=str(problem.get("correlation_id", "")),
            next_action=str(problem.get("next_action", "")),
        )

    async def all(self, paths: Mapping[str, str]) -> dict[str, Answer]:
        """Ask several questions at the same time; the answers by the same names."""
        found = await asyncio.gather(*(self.one(path) for path in paths.values()))
        return dict(zip(paths, found, strict=True))


def through(app: ASGIApp) -> Ask:
    """Ask the components that run in this very process: the question goes through their application, without a socket.

    The same middleware judges the same cookie, so a reader may no more here than over the network.
    """

    async def ask(address: str, cookie: str, told: bytes | None = None, key: str = "") -> tuple[int, Any]:
        where, _, query = address.partition("?")
        scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET" if told is None else "POST",
            "scheme": "http",
            "path": unquote(where),
            "raw_path": where.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": [
                *((b"host", b"console"), (b"accept", b"application/json"), (b"cookie", cookie.encode("latin-1"))),
                *([(b"content-type", b"application/json")] if told is not None else []),
                *([(b"idempotency-key", key.encode("latin-1"))] if key else []),
            ],
            "client": None,
            "server": None,
            "state": {},
            "extensions": None,
        }
        status, media_type, parts = 500, b"", bytearray()

        async def receive() -> Any:
            return {"type": "http.request", "body": told or b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, media_type
            if message["type"] == "http.response.start":
                status = message["status"]
                media_type = dict(message["headers"]).get(b"content-type", b"")
            elif message["type"] == "http.response.body":
                parts.extend(message.get("body", b""))

        asked: HTTPScope = scope
        await app(asked, receive, send)
        body = bytes(parts)
        return status, msgspec.json.decode(body) if b"json" in media_type and body else body

    return ask


def path(*parts: str, **query: str | int) -> str:
    """An API address: parts quoted, empty query values left out."""
    address = "/v1/" + "/".join(quote(part, safe="") for part in parts)
    wanted = {name: value for name, value in query.items() if value != ""}
    return f"{address}?{urlencode(wanted)}" if wanted else address
