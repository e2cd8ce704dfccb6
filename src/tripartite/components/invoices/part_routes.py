"""The proven part of a held invoice, over HTTP: what could be paid now, and the act that lets it go.

The act is a person's, says why and which content was seen; the same Idempotency-Key with the same request answers as
before.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.invoices import store
from tripartite.components.invoices.act_routes import KEYS
from tripartite.components.invoices.parting import Offer, Parting
from tripartite.components.invoices.store import Row
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.exception_acts import Actor, Answered, Keep
from tripartite.runtime.exception_routes import Told, answered
from tripartite.runtime.http_app import Problem, may_see, permission


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    parting = Parting(ports)

    async def row_of(connection: Connection, request: Request[Any, Any, Any], invoice_id: str) -> Row:
        row = await store.find(connection, invoice_id)
        if row is None or not may_see(request, row.company_code):
            raise Problem("access.not_found", 404, f"No invoice {invoice_id}.")
        return row

    @get(
        "/v1/invoices/{invoice_id:str}/proven-part",
        opt=permission("invoice.read"),
        summary="What of a held invoice could be paid now",
    )
    async def proven_part(request: Request[Any, Any, Any], invoice_id: str) -> Offer:
        async with ports.db.connection() as connection:
            row = await row_of(connection, request, invoice_id)
            return await parting.offer(connection, row)

    @post(
        "/v1/invoices/{invoice_id:str}/proven-part",
        opt=permission("invoice.short_pay"),
        summary="Post the proven part of a held invoice; the rest stays held",
        status_code=200,
    )
    async def pay_proven_part(request: Request[Any, Any, Any], invoice_id: str) -> Response[bytes]:
        async def seen() -> None:
            async with ports.db.connection() as connection:
                await row_of(connection, request, invoice_id)

        async def act(by: Actor, told: Told, keep: Keep) -> Answered:
            return await parting.part(invoice_id, by, told.why, told.content_hash, keep)

        return await answered(ports, KEYS, request, seen, act, needs_why=True)

    return [proven_part, pay_proven_part]
