"""Suppliers: the list, and one with its accounts, bank changes, twins, names elsewhere and whether it may be paid.

Confirming or refusing an account and letting payments go again ask for the reader's password once more; the owner
decides, with its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.console.acting_pages import NONE, Trouble, act_of, why_of
from tripartite.components.console.asking import path
from tripartite.components.console.rendering import html, render
from tripartite.components.console.views import links, lists, suppliers
from tripartite.components.console.visit import (
    Visit,
    Web,
    for_reader,
    formats_of,
    query_of,
    required,
    surroundings,
)
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import permission

PAGE_ROWS = 50
PUBLIC = permission("public")
Form = Mapping[str, str]
Told = tuple[str, Mapping[str, Any]]


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    """The pages of suppliers, and the ways in of their forms."""

    async def listed(visit: Visit) -> tuple[lists.Filter, str, dict[str, Any]]:
        query = query_of(visit)
        wanted, after = lists.read_filter(query.get("q", "")), query.get("after", "")
        found = await visit.asking.one(path("suppliers", q=wanted.text, by="name", after=after, limit=PAGE_ROWS))
        return wanted, after, required(found)

    @get("/suppliers", opt=PUBLIC, include_in_schema=False)
    async def page(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            wanted, after, found = await listed(visit)
            context = surroundings(
                visit,
                request,
                ports,
                title="Suppliers",
                nav="suppliers",
                filter=wanted,
                after=after,
                rows=found["items"],
                next=found["next"],
                as_of=visit.formats.now,
            )
            return html(render("suppliers.html", context, "results" if visit.partial else ""))

        return await for_reader(request, ports, work)

    @get("/suppliers.json", opt=PUBLIC, include_in_schema=False)
    async def as_json(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            return Response((await listed(visit))[2], headers={"cache-control": "private, no-cache"})

        return await for_reader(request, ports, work, as_json=True)

    async def one(visit: Visit, request: Web, supplier_id: str, trouble: Trouble = NONE) -> Response[Any]:
        supplier = required(await visit.asking.one(path("suppliers", supplier_id)))
        own = supplier["supplier_id"]
        answers = await visit.asking.all(
            {
                "validation": path("suppliers", own, "validation"),
                "changes": path("suppliers", own, "bank-changes"),
                "exceptions": path("exceptions", object_id=own, state="all"),
                "invoices": path("invoices", supplier=own, limit=10),
                "orders": path("purchase-orders", supplier=own, newest="true", limit=10),
                "payments": path("payments", supplier=own, limit=10),
                "holds": path("holds", object_id=own),
            }
        )
        context = surroundings(
            visit,
            request,
            ports,
            title=supplier["name"] or supplier["number"],
            nav="suppliers",
            rail="narrow",
            supplier=supplier,
            accounts=suppliers.accounts(answers["changes"].items, visit.principal),
            stops=[(each, suppliers.restoring_locked(each, visit.principal)) for each in supplier["suspensions"]],
            reasons=suppliers.stop_reasons(),
            answers=answers,
            trouble=trouble,
            key=ports.ids.new("key"),
            reader=visit.principal,
            as_of=answers["validation"].body["as_of"] if answers["validation"].ok else visit.formats.now,
        )
        return html(render("supplier.html", context))

    @get("/suppliers/{supplier_id:str}", opt=PUBLIC, include_in_schema=False)
    async def one_supplier(request: Web, supplier_id: str) -> Response[Any]:
        return await for_reader(request, ports, lambda visit: one(visit, request, supplier_id))

    async def acted(request: Web, supplier_id: str, name: str, act: Any) -> Response[Any]:
        return await act_of(
            request,
            ports,
            name,
            act,
            page=lambda visit, trouble: one(visit, request, supplier_id, trouble),
            done=links.supplier(supplier_id),
        )

    change = "/suppliers/{supplier_id:str}/bank-changes/{change_id:str}"

    @post(f"{change}/confirmations", opt=PUBLIC, include_in_schema=False)
    async def confirm(request: Web, supplier_id: str, change_id: str) -> Response[Any]:
        zone = formats_of(request, ports).zone

        def act(form: Form) -> Told:
            told: dict[str, Any] = {"note": form.get("note", "").strip()}
            if form.get("spoke_with", "").strip() or form.get("number_called", "").strip():
                told["call"] = {
                    "spoke_with": form.get("spoke_with", "").strip(),
                    "number_called": form.get("number_called", "").strip(),
                    "number_from": form.get("number_from", "").strip(),
                    "called_at": _instant(form.get("called_at", ""), zone),
                }
            return path("suppliers", supplier_id, "bank-changes", change_id, "confirmations"), told

        return await acted(request, supplier_id, f"{change_id}/confirmations", act)

    @post(f"{change}/refusals", opt=PUBLIC, include_in_schema=False)
    async def refuse(request: Web, supplier_id: str, change_id: str) -> Response[Any]:
        def act(form: Form) -> Told:
            return path("suppliers", supplier_id, "bank-changes", change_id, "refusals"), why_of(form)

        return await acted(request, supplier_id, f"{change_id}/refusals", act)

    @post("/suppliers/{supplier_id:str}/suspensions", opt=PUBLIC, include_in_schema=False)
    async def suspend(request: Web, supplier_id: str) -> Response[Any]:
        def act(form: Form) -> Told:
            told = {"reason_code": form.get("reason_code", ""), **why_of(form)}
            return path("suppliers", supplier_id, "suspensions"), told

        return await acted(request, supplier_id, "suspensions", act)

    @post(
        "/suppliers/{supplier_id:str}/suspensions/{suspension_id:str}/restorations", opt=PUBLIC, include_in_schema=False
    )
    async def restore(request: Web, supplier_id: str, suspension_id: str) -> Response[Any]:
        def act(form: Form) -> Told:
            return path("suppliers", supplier_id, "suspensions", suspension_id, "restorations"), why_of(form)

        return await acted(request, supplier_id, suspension_id, act)

    return [page, as_json, one_supplier, confirm, refuse, suspend, restore]


def _instant(typed: str, zone: str) -> str:
    """What was typed as a local date and time (`2026-11-20T10:30`), in the page's zone; as typed where it is none."""
    try:
        found = datetime.fromisoformat(typed.strip())
    except ValueError:
        return typed
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).isoformat()
