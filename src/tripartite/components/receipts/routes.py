"""Questions about receipts: one, many, those of an order."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from tripartite.components.receipts import store
from tripartite.core import codec
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import Page, Problem, companies_of, permission


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    @get("/v1/receipts", opt=permission("receipt.read"), summary="Receipts, by company and number")
    async def list_receipts(request: Request[Any, Any, Any], order: str = "", after: str = "", limit: int = 50) -> Page:
        company, _, number = after.partition("/")
        most = min(limit, 200)
        async with ports.db.connection() as connection:
            found = await store.receipts(connection, order, (company, number), most, companies_of(request))
        return Page(found, f"{found[-1]['company_code']}/{found[-1]['number']}" if len(found) == most else "")

    @get("/v1/receipts/{number:str}", opt=permission("receipt.read"), summary="One receipt, newest version")
    async def one_receipt(request: Request[Any, Any, Any], number: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = await store.receipt(connection, number, companies_of(request))
        if found is None:
            raise Problem("access.not_found", 404, f"No receipt {number}.")
        return {**codec.builtins(found[0]), "correlation_id": found[1]}

    return [list_receipts, one_receipt]
