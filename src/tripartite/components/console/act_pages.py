"""Acting on an exception: a page that shows what one acts on, and the form that does it. A link never acts.

The form carries the version that was seen and a key of its own, so that a second click answers like the first. The act
itself is the owner's (POST on its API, with the reader's session); what it refuses is said in its own sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.console.asking import path
from tripartite.components.console.rendering import html, render, see_other
from tripartite.components.console.views.acting import PAGES, offered
from tripartite.components.console.visit import (
    Visit,
    Web,
    check_form,
    for_reader,
    form_of,
    login_address,
    required,
    surroundings,
    visit_of,
)
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import Problem, permission


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    """The page of each act, and its form's way in."""

    async def page(
        visit: Visit, request: Web, invoice_id: str, exception_id: str, act: str, *, trouble: str = "", why: str = ""
    ) -> Response[Any]:
        invoice = required(await visit.asking.one(path("invoices", invoice_id)))
        record = _record(invoice, exception_id)
        shown = next(
            (each for each in offered(invoice, visit.principal, visit.formats) if each.exception_id == exception_id),
            None,
        )
        if record is None or shown is None or act not in PAGES:
            raise Problem("access.not_found", 404, "This exception is not open any more.")
        locked = next((each.locked for each in shown.acts if each.name == act), "This cannot be done here.")
        context = surroundings(
            visit,
            request,
            ports,
            title=PAGES[act].title,
            nav="queue",
            invoice=invoice,
            record=record,
            shown=shown,
            act=act,
            page=PAGES[act],
            locked=locked,
            trouble=trouble,
            why=why,
            key=ports.ids.new("key"),
        )
        return html(render("act.html", context), 422 if trouble else 200)

    @get(
        "/invoices/{invoice_id:str}/exceptions/{exception_id:str}/{act:str}",
        opt=permission("public"),
        include_in_schema=False,
    )
    async def act_page(request: Web, invoice_id: str, exception_id: str, act: str) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            return await page(visit, request, invoice_id, exception_id, act)

        return await for_reader(request, ports, work)

    @post(
        "/invoices/{invoice_id:str}/exceptions/{exception_id:str}/{act:str}",
        opt=permission("public"),
        include_in_schema=False,
    )
    async def do_act(request: Web, invoice_id: str, exception_id: str, act: str) -> Response[Any]:
        visit = await visit_of(request, ports)
        if visit is None:
            return see_other(login_address(f"/invoices/{invoice_id}"))
        form = await form_of(request)
        check_form(request, visit, form)
        if act not in PAGES:
            raise Problem("access.not_found", 404, "There is no such act.")
        told = {"why": form.get("why", "").strip(), "content_hash": form.get("content_hash", "")}
        where = path("invoices", invoice_id, "exceptions", exception_id, act)
        answer = await visit.asking.tell(where, msgspec.json.encode(told), form.get("key", ""))
        if answer.ok:
            return see_other(f"/invoices/{invoice_id}")

        async def work(reader: Visit) -> Response[Any]:
            return await page(
                reader, request, invoice_id, exception_id, act, trouble=answer.words, why=form.get("why", "")
            )

        return await for_reader(request, ports, work)

    return [act_page, do_act]


def _record(invoice: Mapping[str, Any], exception_id: str) -> Mapping[str, Any] | None:
    return next((each for each in invoice["exceptions"] if each["exception_id"] == exception_id), None)
