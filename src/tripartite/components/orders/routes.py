"""Questions about orders: one, many."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from tripartite.components.orders import store
from tripartite.core import codec
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import Page, Problem, companies_of, permission


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    @get("/v1/purchase-orders", opt=permission("order.read"), summary="Orders, by company and number")
    async def list_orders(request: Request[Any, Any, Any], after: str = "", limit: int = 50) -> Page:
        company, _, number = after.partition("/")
        most = min(limit, 200)
        async with ports.db.connection() as connection:
            found = await store.orders(connection, (company, number), most, companies_of(request))
        following = f"{found[-1]['company_code']}/{found[-1]['number']}" if len(found) == most else ""
        return Page(found, following)

    @get("/v1/purchase-orders/{number:str}", opt=permission("order.read"), summary="One order, newest version")
    async def one_order(request: Request[Any, Any, Any], number: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = await store.order(connection, number, companies_of(request))
        if found is None:
            raise Problem("access.not_found", 404, f"No order {number}.")
        value, correlation_id = found
        return {**codec.builtins(value), "correlation_id": correlation_id}

    return [list_orders, one_order]
