"""Questions about orders: one, many."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from tripartite.components.orders import listing, question_routes, store
from tripartite.components.orders.answering import answer
from tripartite.components.orders.asking import put_question
from tripartite.components.orders.budgets import can_ask
from tripartite.components.orders.handlers import QUESTION
from tripartite.components.orders.publications import object_id_of
from tripartite.components.orders.question_routes import begin
from tripartite.core import codec
from tripartite.core.events import Ask
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.http_app import Page, Problem, companies_of, may_see, permission


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    @get("/v1/purchase-orders", opt=permission("order.read"), summary="Orders, by company and number")
    async def list_orders(
        request: Request[Any, Any, Any],
        status: str = "",
        supplier: str = "",
        q: str = "",
        newest: bool = False,
        after: str = "",
        limit: int = 50,
    ) -> Page:
        most, place = max(1, min(limit, 200)), begin(after, newest=newest)
        wanted = listing.Wanted(status, supplier, q)
        async with ports.db.connection() as connection:
            found = await listing.page(connection, wanted, place, most, companies_of(request))
        return Page(found, place.after(found[-1]) if len(found) == most else "")

    @get(
        "/v1/purchase-orders/{number:str}",
        opt=permission("order.read"),
        summary="One order, what came for it and what is billed",
    )
    async def one_order(
        request: Request[Any, Any, Any], number: str, company: str = "", fresh: bool = False
    ) -> dict[str, Any]:
        mine = companies_of(request) if not company else [company]
        if company and not may_see(request, company):
            raise Problem("access.not_found", 404, f"No order {number}.")
        async with ports.db.connection() as connection:
            found = await answer(connection, number, QUESTION, mine)
        code = found.order.company_code if found else company
        if (fresh or found is None) and code and can_ask(ports, code, QUESTION):
            since = ports.clock.now()

            async def read(connection: Connection) -> bool:
                return await store.recorded_since(connection, code, number, since)

            await put_question(ports, Ask(code, ("procurement",), QUESTION, number, {"number": number}), read)
            async with ports.db.connection() as connection:
                found = await answer(connection, number, QUESTION, [code])
        if found is None:
            raise Problem("access.not_found", 404, f"No order {number}.")
        return {
            **codec.builtins(found.order),
            "correlation_id": found.correlation_id,
            "object_id": object_id_of((found.order.company_code, found.order.number)),
            "source": found.source,
            "recorded_at": found.recorded_at,
            "publication": found.publication,
            "quantities": found.quantities(),
            "asked_at": found.asked_at,
        }

    return [list_orders, one_order, *question_routes.routes(ports)]
