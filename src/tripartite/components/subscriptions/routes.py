"""Questions about subscribers: who hears of what, how far each is, what an event looks like; and letting one go on."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.subscriptions import asking
from tripartite.core import codec
from tripartite.core.contracts.asyncapi import asyncapi
from tripartite.core.contracts.cloudevents import SCHEMA_AT
from tripartite.core.contracts.published import CATALOGUE, wanted
from tripartite.core.estate import Subscriber
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.http_app import PUBLIC, Page, Problem, companies_of, idempotency_key, permission, principal_of
from tripartite.runtime.notifying import resume


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    described = codec.encode(asyncapi())

    @get(SCHEMA_AT, opt=permission(PUBLIC), include_in_schema=False)
    async def describe_events() -> Response[bytes]:
        return Response(described, media_type="application/json")

    @get("/v1/contracts", opt=permission("estate.read"), summary="The events that we publish, and who hears them")
    async def list_contracts(request: Request[Any, Any, Any]) -> Page:
        mine = _seen(ports, request)
        return Page(
            [
                {
                    "type": each.name,
                    "version": each.version,
                    "about": each.kind,
                    "words": each.words,
                    "schema": f"{SCHEMA_AT}#/components/schemas/{each.shape.__name__}",
                    "subscribers": [one.name for one in mine if each in wanted(one.events)],
                }
                for each in CATALOGUE
            ]
        )

    @get("/v1/subscriptions", opt=permission("estate.read"), summary="Subscribers: what they hear of, how far they are")
    async def list_subscriptions(request: Request[Any, Any, Any]) -> Page:
        mine = _seen(ports, request)
        async with ports.db.connection() as connection:
            known = await asking.standing(connection, [each.name for each in mine])
        return Page([{**_told(each), **known[each.name]} for each in mine])

    @post(
        "/v1/subscriptions/{name:str}/resumption",
        opt=permission("subscription.resume"),
        status_code=200,
        summary="Let a halted subscriber go on; where it is not halted nothing happens",
    )
    async def let_go_on(request: Request[Any, Any, Any], name: str) -> dict[str, Any]:
        idempotency_key(request)  # looked at for its form: doing this twice is doing it once, whatever the key
        found = next((each for each in _seen(ports, request) if each.name == name), None)
        if found is None:
            raise Problem("access.not_found", 404, f"There is no subscriber {name}.")
        by = principal_of(request).name

        async def work(connection: Connection) -> bool:
            return await resume(connection, name, by, ports.clock.now(), ports.chance)

        return {"name": name, "resumed": await ports.db.transaction(work)}

    return [describe_events, list_contracts, list_subscriptions, let_go_on]


def _seen(ports: Ports, request: Request[Any, Any, Any]) -> list[Subscriber]:
    """Whom this caller may know of: those that hear of one of the caller's companies."""
    companies = companies_of(request)
    return [
        each
        for each in ports.estate.subscribers
        if companies is None or any(each.hears_of(company) for company in companies)
    ]


def _told(each: Subscriber) -> dict[str, Any]:
    """A subscriber without its secrets; the address without its query, which may hold a token."""
    return {
        "name": each.name,
        "url": each.url.partition("?")[0],
        "events": [event.name for event in wanted(each.events)],
        "companies": list(each.companies),
        "from": each.valid_from.isoformat(),
        "keep_hours": each.keep_hours,
    }
