"""The HTTP server's shape: authentication before anything, one error shape, permissions declared per route.

Default deny: a route without a declared permission is refused at start. Machines carry a bearer token; people a
session cookie of the console. Everything unhappy is `application/problem+json` with a reason code (RFC 9457) and never
a stack trace.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from litestar import Litestar, Request, Response
from litestar.config.compression import CompressionConfig
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp, Receive, Scope, Send
from psycopg_pool import PoolTimeout

from tripartite.core import codec
from tripartite.core.exceptions.reasons import reasons, refusals
from tripartite.runtime.auth import Principal, Tokens, verify_session
from tripartite.runtime.db import Bounds, Database, DatabaseGone, bound_to
from tripartite.runtime.openapi import complete

log = logging.getLogger(__name__)
LARGEST_BODY = 64 * 1024 * 1024
BODY_SECONDS = 10.0  # for a body to arrive, and a second more for each
BODY_BYTES_A_SECOND = 16 * 1024
PUBLIC = "public"
SESSION_COOKIE = "tripartite_session"
_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")


def title_of(code: str) -> str:
    """The catalogue's sentence for a code, of a reason or a refusal."""
    entry = refusals().get(code) or reasons().get(code)
    assert entry is not None, f"{code} is in no catalogue"
    return entry.meaning[:1].upper() + entry.meaning[1:]


class Authenticator:
    """Who is there: machines by bearer token, people by the console's session."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._tokens = Tokens(db)

    async def by_token(self, token: str) -> Principal | None:
        return await self._tokens.verify(token)

    async def by_session(self, session: str) -> Principal | None:
        """None too while a one-time password still has to be replaced."""
        async with self._db.connection() as connection:
            found = await verify_session(connection, session)
        return found.principal if found is not None and not found.must_choose_password else None


def permission(name: str, *, body: type[Any] | None = None) -> dict[str, Any]:
    """What a route asks of its caller; `public` asks nothing. `body`: what it reads itself, one or a list of them."""
    return {"permission": name, "body": body}


class Page(msgspec.Struct):
    """A page of a list; `next` is the cursor of the following one, empty at the end."""

    items: list[dict[str, Any]]
    next: str = ""


class Problem(Exception):
    """Everything unhappy: a reason code, a status, a sentence with names and numbers, what to do next."""

    def __init__(
        self,
        reason_code: str,
        status: int,
        detail: str,
        *,
        pointer: str = "",
        correlation_id: str = "",
        retry_after: float | None = None,
        next_action: str = "",
    ) -> None:
        super().__init__(detail)
        self.reason_code, self.status, self.detail = reason_code, status, detail
        self.pointer, self.correlation_id = pointer, correlation_id
        self.retry_after, self.next_action = retry_after, next_action

    def body(self, instance: str) -> dict[str, Any]:
        found = {
            "type": f"/problems/{self.reason_code}",
            "title": title_of(self.reason_code),
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "reason_code": self.reason_code,
            "retryable": self.status in (429, 503),
        }
        extra = {"pointer": self.pointer, "correlation_id": self.correlation_id, "next_action": self.next_action}
        return {**found, **{name: value for name, value in extra.items() if value}}


def principal_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    """Who asks. The middleware has seen to it that there is somebody."""
    found: Principal = connection.scope["principal"]  # type: ignore[typeddict-item]
    return found


def companies_of(connection: ASGIConnection[Any, Any, Any, Any]) -> list[str] | None:
    """The company codes the caller may see; None: all of them."""
    companies = principal_of(connection).companies
    return None if companies is None else sorted(companies)


def may_see(connection: ASGIConnection[Any, Any, Any, Any], company_code: str) -> bool:
    companies = principal_of(connection).companies
    return companies is None or company_code in companies


def idempotency_key(request: Request[Any, Any, Any]) -> str:
    """The caller's Idempotency-Key, empty where there is none. Errors: `Problem` for one that is no key."""
    keys = request.headers.getall("idempotency-key", [])
    if len(keys) > 1 or (keys and not _KEY.match(keys[0])):
        raise Problem("intake.key_invalid", 400, "One Idempotency-Key of 1 to 255 visible ASCII characters.")
    return keys[0] if keys else ""


async def body_of(request: Request[Any, Any, Any], most: int = LARGEST_BODY) -> bytes:
    """The request's body, refused where it is larger than allowed, or comes slower than anybody sends in earnest.

    The time allowed grows with what has arrived, so that a large document over a thin line is taken.
    """
    declared = request.headers.get("content-length", "")
    if request.headers.get("transfer-encoding") and declared:
        raise Problem("intake.ambiguous", 400, "Two body lengths: chunked and Content-Length.")
    if declared.isdigit() and int(declared) > most:
        raise Problem("intake.too_large", 413, f"The body has {declared} bytes; at most {most} are taken.")
    parts = bytearray()
    started = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(started + BODY_SECONDS) as allowed:
            async for chunk in request.stream():
                parts += chunk
                if len(parts) > most:
                    raise Problem("intake.too_large", 413, f"The body is larger than {most} bytes.")
                allowed.reschedule(started + BODY_SECONDS + len(parts) / BODY_BYTES_A_SECOND)
    except TimeoutError:
        words = f"{len(parts)} bytes came in {BODY_SECONDS + len(parts) / BODY_BYTES_A_SECOND:.0f} seconds."
        raise Problem("intake.too_slow", 408, words) from None
    except InternalServerException:  # Litestar's word for a connection that ended before its body
        raise Problem("intake.malformed", 400, f"The connection ended after {len(parts)} bytes.") from None
    if declared.isdigit() and len(parts) != int(declared):
        raise Problem("intake.malformed", 400, f"{len(parts)} bytes came of the {declared} that were announced.")
    return bytes(parts)


class Guarded:
    """The middleware that lets nobody in unknown, and nobody further than permitted."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app, self._authenticator = app, authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        handler: BaseRouteHandler = scope["route_handler"]
        wanted = handler.opt.get("permission")
        request: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        if wanted != PUBLIC:
            principal = await self._who(request)
            if principal is None:
                raise Problem("access.not_permitted", 401, "Who are you? Send a bearer token, or sign in.")
            scope["principal"] = principal  # type: ignore[typeddict-unknown-key]
            if wanted is None or not principal.may(wanted):
                raise Problem(
                    "access.not_permitted",
                    403,
                    f"{principal.name} may not do this; it takes the permission {wanted!r}.",
                )
            # From here on whatever asks the database sees the caller's companies and no others (I30).
            with bound_to(Bounds(principal.name, principal.companies)):
                await self._app(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _who(self, request: ASGIConnection[Any, Any, Any, Any]) -> Principal | None:
        header = request.headers.get("authorization", "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer" and token:
            return await self._authenticator.by_token(token.strip())
        if session := request.cookies.get(SESSION_COOKIE):
            return await self._authenticator.by_session(session)
        return None


def _problem_response(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    headers = {"retry-after": f"{problem.retry_after:g}"} if problem.retry_after is not None else {}
    if problem.status == 401:
        headers["www-authenticate"] = 'Bearer realm="tripartite"'
    if problem.status in (408, 413):
        headers["connection"] = "close"  # the rest of the body is not waited for
    return Response(
        problem.body(request.url.path),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=headers,
    )


def _on_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    match error:
        case Problem():
            return _problem_response(request, error)
        case codec.Malformed():
            problem = Problem(error.reason_code, 422, error.detail, pointer=error.pointer)
            return _problem_response(request, problem)
        case PoolTimeout():
            busy = "Too many questions at once; try again."
            return _problem_response(request, Problem("integration.retries_exhausted", 503, busy, retry_after=1.0))
        case DatabaseGone():
            return _problem_response(
                request,
                Problem("integration.retries_exhausted", 503, "The database is away; try again.", retry_after=1.0),
            )
        case ValidationException() | psycopg.DataError():
            # The latter is what the database says of a value no column can hold: NUL in a text, a negative limit.
            return _problem_response(request, Problem("intake.malformed", 400, "A parameter is not what it should be."))
        case HTTPException():
            code = "access.not_found" if error.status_code in (404, 405) else "intake.malformed"
            return _problem_response(request, Problem(code, error.status_code, str(error.detail)[:300]))
        case _:
            log.exception("request failed", extra={"path": request.url.path}, exc_info=error)
            return _problem_response(
                request,
                Problem("integration.retries_exhausted", 500, "Our fault; it is logged with this time and path."),
            )


def build_app(
    routes: Sequence[Any], authenticator: Authenticator, *, version: str, compress: bool = True, **further: Any
) -> Litestar:
    """The Litestar application of a set of components' routes. Assert: every route declares its permission."""
    app = Litestar(
        route_handlers=list(routes),
        middleware=[DefineMiddleware(Guarded, authenticator=authenticator)],
        exception_handlers={Exception: _on_problem, HTTPException: _on_problem},
        openapi_config=OpenAPIConfig(
            title="Tripartite",
            version=version,
            description="Keeps procurement, accounts payable and ERP in agreement, and proves it.",
            path="/v1",
            render_plugins=[JsonRenderPlugin()],
            components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
            security=[{"token": []}],
        ),
        compression_config=CompressionConfig(backend="gzip", minimum_size=1024) if compress else None,
        request_max_body_size=None,
        logging_config=None,  # the process has its own (telemetry.py), with masks
        type_encoders=dict.fromkeys(codec._NUMBERS, str),
        state=State(),
        **further,
    )
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            path = next(iter(handler.paths), "")
            if getattr(handler, "http_methods", None) == {"OPTIONS"}:
                continue  # Litestar's own answer; nobody is let in by it
            if "permission" not in handler.opt and route.path in ("/v1", "/v1/openapi.json", "/v1/{path:str}"):
                handler.opt["permission"] = PUBLIC  # the description of the API says nothing that is not published
            assert "permission" in handler.opt, f"{route.path} {path} declares no permission"
    complete(app)
    return app
