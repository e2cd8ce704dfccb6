"""What was set aside over HTTP: the lists, and sending it again with a reason. Only a person sends again."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.control import letters
from tripartite.components.control.letters import SendAgain
from tripartite.core import codec
from tripartite.core.ids import digest
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.http_app import (
    Page,
    Problem,
    body_of,
    companies_of,
    idempotency_key,
    permission,
    principal_of,
)
from tripartite.runtime.keys import Keys

KEYS = Keys("control")
MOST_AT_ONCE = 500
LARGEST = 256 * 1024


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    @get("/v1/dead-letters", opt=permission("delivery.read"), summary="Deliveries that were set aside, and why")
    async def list_deliveries(
        request: Request[Any, Any, Any], connection: str = "", reason: str = "", limit: int = 200
    ) -> Page:
        most = max(1, min(limit, MOST_AT_ONCE))
        async with ports.db.connection() as database:
            return Page(
                await letters.deliveries(database, companies_of(request), to=connection, reason=reason, limit=most)
            )

    @get("/v1/owed", opt=permission("delivery.read"), summary="What is owed to a connection and not done yet")
    async def list_owed(request: Request[Any, Any, Any], connection: str, limit: int = 50) -> Page:
        most = max(1, min(limit, 200))
        async with ports.db.connection() as database:
            return Page(await letters.owed(database, companies_of(request), to=connection, limit=most))

    @get("/v1/quarantine", opt=permission("delivery.read"), summary="Messages that a component could not take in")
    async def list_messages(request: Request[Any, Any, Any], limit: int = 200) -> Page:
        most = max(1, min(limit, MOST_AT_ONCE))
        async with ports.db.connection() as database:
            return Page(await letters.messages(database, companies_of(request), limit=most))

    @post(
        "/v1/dead-letters/replays",
        opt=permission("delivery.replay", body=SendAgain),
        summary="Let what was set aside go its way again",
        status_code=200,
    )
    async def replays(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await body_of(request, LARGEST)
        wanted = codec.read_command(body, SendAgain)
        if not wanted.why.strip():
            raise Problem("document.field_missing", 422, "Say why it can go now: what was its cause, and is it gone?")
        if not 0 < len(wanted.deliveries) + len(wanted.messages) <= MOST_AT_ONCE:
            raise Problem("intake.too_large", 413, f"Name 1 to {MOST_AT_ONCE} deliveries and messages.")
        by = principal_of(request)
        key, hashed = idempotency_key(request), digest(request.url.path.encode() + body)
        companies = companies_of(request)

        async def work(connection: Connection) -> tuple[bytes, bool]:
            known = await KEYS.known(connection, by.name, key) if key else None
            if known is not None:
                if known[0] != hashed:
                    raise Problem("intake.key_reused", 409, f"The key {key!r} already stands for another request.")
                return known[1], True
            done = await letters.send_again(connection, wanted, companies, by=by.person or by.name, ports=ports)
            answer = codec.encode(done)
            if key and not await KEYS.keep(connection, by.name, key, hashed, answer):
                raise Problem("intake.key_reused", 409, f"The key {key!r} is being used by another request right now.")
            return answer, False

        answer, replayed = await ports.db.transaction(work)
        headers = {"idempotency-replayed": "true"} if replayed else {}
        return Response(answer, media_type="application/json", headers=headers)

    return [list_deliveries, list_messages, list_owed, replays]
