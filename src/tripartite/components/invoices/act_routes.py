"""Acting on what holds an invoice, over HTTP: release, approval, refusal, taking, pause, resumption; and who did what.

Each is a person's act: a service account has no part in it (C23). The body says why, and which content was seen:
`content_hash` of the exception as it was read. The same Idempotency-Key with the same request answers as before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.invoices import people, store
from tripartite.components.invoices.acting import Acted, Actor, Acts, Answered, Keep, NotAllowed
from tripartite.core import codec
from tripartite.core.exceptions.record import PauseReason
from tripartite.core.ids import digest as digest_of
from tripartite.runtime.auth import Principal
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.http_app import (
    Page,
    Problem,
    body_of,
    idempotency_key,
    may_see,
    permission,
    principal_of,
)
from tripartite.runtime.keys import Keys

KEYS = Keys("invoices")
LARGEST_ACT = 16 * 1024
_STATUS = {
    "document.field_missing": 422,
    "integration.version_stale": 409,
    "approval.changed_after": 409,
    "control.duties_in_conflict": 403,
    "control.override_over_limit": 403,
    "access.not_permitted": 403,
}


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person says with an act. `content_hash` is that of the exception as it was shown."""

    why: str = ""
    content_hash: str = ""
    reason: PauseReason = "waiting_supplier"


def actor_of(principal: Principal) -> Actor:
    """The human being behind an account, with the teams that the account acts for."""
    return Actor(principal.person or principal.name, principal.name, tuple(sorted(principal.teams)))


Act = Callable[[str, Actor, Told, Keep], Awaitable[Answered]]


async def answered(
    ports: Ports,
    request: Request[Any, Any, Any],
    seen: Callable[[], Awaitable[None]],
    act: Callable[[Actor, Told, Keep], Awaitable[Answered]],
    *,
    needs_why: bool,
) -> Response[bytes]:
    """Read what is told, act once under its Idempotency-Key, answer. `seen` raises where the caller sees no such thing.

    Errors: `Problem` for what is refused; `Malformed` for a body that is not what it should be.
    """
    body = await body_of(request, LARGEST_ACT)
    told = codec.read_command(body or b"{}", Told)
    if needs_why and not told.why.strip():
        raise Problem("document.field_missing", 422, "Say why: it is read by whoever reviews it.", pointer="/why")
    key, caller = idempotency_key(request), principal_of(request).name
    digest = digest_of(request.url.path.encode() + b"\n" + body)
    if key and (known := await _known(ports, caller, key)) is not None:
        if known[0] != digest:
            raise Problem("intake.key_reused", 409, f"The key {key!r} already stands for another request.")
        return Response(known[1], media_type="application/json", headers={"idempotency-replayed": "true"})
    await seen()

    async def keep(connection: Connection, acted: Acted) -> None:
        if key and not await KEYS.keep(connection, caller, key, digest, _written(acted)):
            raise Problem("intake.key_reused", 409, f"The key {key!r} is being used by another request now.")

    came = await act(actor_of(principal_of(request)), told, keep)
    if isinstance(came, NotAllowed):
        raise Problem(came.code, _STATUS.get(came.code, 409), came.words)
    return Response(_written(came), media_type="application/json")


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    acts = Acts(ports)

    async def seen(request: Request[Any, Any, Any], invoice_id: str, exception_id: str) -> None:
        """Errors: `Problem` where this exception is not one of an invoice that the caller may see."""
        async with ports.db.connection() as connection:
            record = await store.exception(connection, exception_id)
        if record is None or record.object_id != invoice_id or not may_see(request, record.company_code):
            raise Problem("access.not_found", 404, f"No exception {exception_id} of invoice {invoice_id}.")

    async def answer(
        request: Request[Any, Any, Any], invoice_id: str, exception_id: str, act: Act, *, needs_why: bool
    ) -> Response[bytes]:
        async def look() -> None:
            await seen(request, invoice_id, exception_id)

        async def one(by: Actor, told: Told, keep: Keep) -> Answered:
            return await act(exception_id, by, told, keep)

        return await answered(ports, request, look, one, needs_why=needs_why)

    def route(name: str, wanted: str, summary: str, act: Act, *, needs_why: bool = True) -> HTTPRouteHandler:
        path = f"/v1/invoices/{{invoice_id:str}}/exceptions/{{exception_id:str}}/{name}"

        @post(path, opt=permission(wanted), summary=summary, status_code=200)
        async def take_act(request: Request[Any, Any, Any], invoice_id: str, exception_id: str) -> Response[bytes]:
            return await answer(request, invoice_id, exception_id, act, needs_why=needs_why)

        take_act.fn.__name__ = f"act_{name}"
        return take_act

    async def release(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.release(exception_id, by, told.why, told.content_hash, keep)

    async def approve(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.approve(exception_id, by, told.why, told.content_hash, keep)

    async def refuse(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.refuse(exception_id, by, told.why, keep)

    async def take(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.take(exception_id, by, keep)

    async def pause(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.pause(exception_id, by, told.reason, told.why, keep)

    async def resume(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.resume(exception_id, by, keep)

    @get("/v1/invoices/{invoice_id:str}/acts", opt=permission("invoice.read"), summary="Who did what about an invoice")
    async def list_acts(request: Request[Any, Any, Any], invoice_id: str) -> Page:
        async with ports.db.connection() as connection:
            row = await store.find(connection, invoice_id)
            if row is None or not may_see(request, row.company_code):
                raise Problem("access.not_found", 404, f"No invoice {invoice_id}.")
            return Page(await people.acts_of(connection, invoice_id))

    return [
        route("release", "hold.release", "Lift a hold although its fact stays", release),
        route("approval", "approval.decide", "Approve an invoice that waits for it", approve),
        route("refusal", "invoice.refuse", "Turn the invoice down for this reason", refuse),
        route("taking", "exception.work", "Take an exception on oneself", take, needs_why=False),
        route("pause", "exception.work", "Stop its clock while somebody outside is asked", pause),
        route("resumption", "exception.work", "Let its clock run again", resume, needs_why=False),
        list_acts,
    ]


async def _known(ports: Ports, caller: str, key: str) -> tuple[str, bytes] | None:
    async with ports.db.connection() as connection:
        return await KEYS.known(connection, caller, key)


def _written(acted: Acted) -> bytes:
    return codec.encode(acted)
