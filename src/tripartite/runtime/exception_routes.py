"""The acts on exceptions over HTTP, under one vocabulary of paths for every component.

    POST {prefix}/exceptions/{id}/release | refusal | taking | assignment | question | pause | resumption
    GET  {prefix}/exceptions/{id}/acts

Each is a person's act: a service account has no part in it (C23). The body says why, and which content was seen:
`content_hash` of the exception as it was read. The same Idempotency-Key with the same request answers as before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.core import codec
from tripartite.core.exceptions.lifecycle import NotAllowed
from tripartite.core.exceptions.record import ExceptionRecord, PauseReason
from tripartite.core.ids import digest as digest_of
from tripartite.runtime.auth import Principal
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.exception_acts import Acted, Actor, Answered, ExceptionActs, Keep
from tripartite.runtime.http_app import Page, Problem, body_of, idempotency_key, may_see, permission, principal_of
from tripartite.runtime.keys import Keys

LARGEST_ACT = 16 * 1024
STATUS: Mapping[str, int] = {
    "document.field_missing": 422,
    "intake.value_out_of_range": 422,
    "integration.version_stale": 409,
    "approval.changed_after": 409,
    "control.duties_in_conflict": 403,
    "control.override_over_limit": 403,
    "access.not_permitted": 403,
}


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person says with an act. `content_hash` is that of the exception as it was shown; `to` names whom it is
    handed to (a person) or asked of (a team); `reason` is why the clock stands.
    """

    why: str = ""
    content_hash: str = ""
    to: str = ""
    reason: PauseReason = "waiting_supplier"


Act = Callable[[str, Actor, Told, Keep], Awaitable[Answered]]


def actor_of(principal: Principal) -> Actor:
    """The human being behind an account, with the teams that the account acts for."""
    return Actor(principal.person or principal.name, principal.name, tuple(sorted(principal.teams)))


async def answered(
    ports: Ports,
    keys: Keys,
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
    if key:
        async with ports.db.connection() as connection:
            known = await keys.known(connection, caller, key)
        if known is not None:
            if known[0] != digest:
                raise Problem("intake.key_reused", 409, f"The key {key!r} already stands for another request.")
            return Response(known[1], media_type="application/json", headers={"idempotency-replayed": "true"})
    await seen()

    async def keep(connection: Connection, acted: Acted) -> None:
        if key and not await keys.keep(connection, caller, key, digest, codec.encode(acted)):
            raise Problem("intake.key_reused", 409, f"The key {key!r} is being used by another request now.")

    came = await act(actor_of(principal_of(request)), told, keep)
    if isinstance(came, NotAllowed):
        raise Problem(came.code, STATUS.get(came.code, 409), came.words)
    return Response(codec.encode(came), media_type="application/json")


def vocabulary(acts: ExceptionActs) -> dict[str, tuple[str, str, Act, bool]]:
    """name of the path -> (permission, summary, act, whether a reason is asked for)."""

    async def release(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.release(exception_id, by, told.why, told.content_hash, keep)

    async def refuse(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.refuse(exception_id, by, told.why, keep)

    async def take(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.take(exception_id, by, keep)

    async def assign(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.assign(exception_id, by, told.to, told.why, keep)

    async def ask(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.ask(exception_id, by, told.to, told.why, keep)

    async def pause(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.pause(exception_id, by, told.reason, told.why, keep)

    async def resume(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.resume(exception_id, by, keep)

    return {
        "release": ("hold.release", "Lift a hold although its fact stays", release, True),
        "refusal": ("exception.refuse", "Turn down what the exception is about", refuse, True),
        "taking": ("exception.work", "Take an exception on oneself", take, False),
        "assignment": ("exception.work", "Hand it to a person of the team that owns it", assign, False),
        "question": ("exception.work", "Put a question to another team", ask, True),
        "pause": ("exception.work", "Stop its clock while somebody outside is asked", pause, True),
        "resumption": ("exception.work", "Let its clock run again", resume, False),
    }


def exception_routes(
    ports: Ports,
    acts: ExceptionActs,
    prefix: str,
    reading: str,
    read: Callable[[Connection, str], Awaitable[ExceptionRecord | None]],
) -> list[HTTPRouteHandler]:
    """The acts of one component under its `prefix` (`/v1/receipts`). `reading` is the permission to see its objects."""
    keys = Keys(acts.schema, "exception_answer")

    async def seen(request: Request[Any, Any, Any], exception_id: str) -> None:
        """Errors: `Problem` where there is no such exception that the caller may see."""
        async with ports.db.connection() as connection:
            record = await read(connection, exception_id)
        if record is None or not may_see(request, record.company_code):
            raise Problem("access.not_found", 404, f"No exception {exception_id}.")

    def route(name: str, wanted: str, summary: str, act: Act, *, needs_why: bool) -> HTTPRouteHandler:
        @post(
            f"{prefix}/exceptions/{{exception_id:str}}/{name}", opt=permission(wanted), summary=summary, status_code=200
        )
        async def take_act(request: Request[Any, Any, Any], exception_id: str) -> Response[bytes]:
            async def look() -> None:
                await seen(request, exception_id)

            async def one(by: Actor, told: Told, keep: Keep) -> Answered:
                return await act(exception_id, by, told, keep)

            return await answered(ports, keys, request, look, one, needs_why=needs_why)

        take_act.fn.__name__ = f"{acts.schema}_{name}"
        return take_act

    @get(f"{prefix}/exceptions/{{exception_id:str}}/acts", opt=permission(reading), summary="Who did what about it")
    async def list_acts(request: Request[Any, Any, Any], exception_id: str) -> Page:
        await seen(request, exception_id)
        async with ports.db.connection() as connection:
            return Page(await acts.acts_of(connection, exception_id))

    list_acts.fn.__name__ = f"{acts.schema}_acts"
    made = [
        route(name, wanted, summary, act, needs_why=needs_why)
        for name, (wanted, summary, act, needs_why) in vocabulary(acts).items()
    ]
    return [*made, list_acts]
