"""Acting on what holds an invoice, over HTTP: release, approval, refusal, taking, pause ...; and who did what.

The vocabulary is that of every exception (runtime/exception_routes.py), with the approval, under the invoice's path.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.invoices import people, store
from tripartite.components.invoices.acting import Acts
from tripartite.runtime.component import Ports
from tripartite.runtime.exception_acts import Actor, Answered, Keep
from tripartite.runtime.exception_routes import Act, Told, answered, vocabulary
from tripartite.runtime.http_app import Page, Problem, may_see, permission
from tripartite.runtime.keys import Keys

KEYS = Keys("invoices")


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    acts = Acts(ports)

    async def seen(request: Request[Any, Any, Any], invoice_id: str, exception_id: str) -> None:
        """Errors: `Problem` where this exception is not one of an invoice that the caller may see."""
        async with ports.db.connection() as connection:
            record = await store.exception(connection, exception_id)
        if record is None or record.object_id != invoice_id or not may_see(request, record.company_code):
            raise Problem("access.not_found", 404, f"No exception {exception_id} of invoice {invoice_id}.")

    def route(name: str, wanted: str, summary: str, act: Act, *, needs_why: bool = True) -> HTTPRouteHandler:
        path = f"/v1/invoices/{{invoice_id:str}}/exceptions/{{exception_id:str}}/{name}"

        @post(path, opt=permission(wanted), summary=summary, status_code=200)
        async def take_act(request: Request[Any, Any, Any], invoice_id: str, exception_id: str) -> Response[bytes]:
            async def look() -> None:
                await seen(request, invoice_id, exception_id)

            async def one(by: Actor, told: Told, keep: Keep) -> Answered:
                return await act(exception_id, by, told, keep)

            return await answered(ports, KEYS, request, look, one, needs_why=needs_why)

        take_act.fn.__name__ = f"act_{name}"
        return take_act

    async def approve(exception_id: str, by: Actor, told: Told, keep: Keep) -> Answered:
        return await acts.approve(exception_id, by, told.why, told.content_hash, keep)

    @get("/v1/invoices/{invoice_id:str}/acts", opt=permission("invoice.read"), summary="Who did what about an invoice")
    async def list_acts(request: Request[Any, Any, Any], invoice_id: str) -> Page:
        async with ports.db.connection() as connection:
            row = await store.find(connection, invoice_id)
            if row is None or not may_see(request, row.company_code):
                raise Problem("access.not_found", 404, f"No invoice {invoice_id}.")
            return Page(await people.acts_of(connection, invoice_id))

    words = vocabulary(acts) | {
        "approval": ("approval.decide", "Approve an invoice that waits for it", approve, True),
    }
    # Turning an invoice down has a permission of its own: the supplier is told.
    words["refusal"] = ("invoice.refuse", "Turn the invoice down for this reason", words["refusal"][2], True)
    made = [
        route(name, wanted, summary, act, needs_why=needs_why)
        for name, (wanted, summary, act, needs_why) in words.items()
    ]
    return [*made, list_acts]
