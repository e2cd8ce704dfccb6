"""Questions about receipts: one, many, those of an order."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from tripartite.components.receipts import listing
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import Page, Problem, companies_of, may_see, permission
from tripartite.runtime.paging import place_of


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    everybody = [company.code for company in ports.estate.companies]

    @get("/v1/receipts", opt=permission("receipt.read"), summary="Receipts, by company and number")
    async def list_receipts(
        request: Request[Any, Any, Any],
        order: str = "",
        company: str = "",
        q: str = "",
        newest: bool = False,
        after: str = "",
        limit: int = 50,
    ) -> Page:
        mine = companies_of(request)
        codes = [company] if company and may_see(request, company) else [] if company else mine
        try:
            place = place_of(after, newest=newest)
        except ValueError:
            words = "`after` is the `next` of an earlier page, and nothing else."
            raise Problem("intake.malformed", 400, words) from None
        most = max(1, min(limit, 200))
        async with ports.db.connection() as connection:
            found = await listing.page(connection, order, q, place, most, everybody if codes is None else codes)
        return Page(found, place.after(found[-1]) if len(found) == most else "")

    @get("/v1/receipts/{number:str}", opt=permission("receipt.read"), summary="One receipt, newest version")
    async def one_receipt(request: Request[Any, Any, Any], number: str, company: str = "") -> dict[str, Any]:
        if company and not may_see(request, company):
            raise Problem("access.not_found", 404, f"No receipt {number}.")
        async with ports.db.connection() as connection:
            found = await listing.one(connection, number, [company] if company else companies_of(request))
        if found is None:
            raise Problem("access.not_found", 404, f"No receipt {number}.")
        return found

    return [list_receipts, one_receipt]
