"""The console's pages: each asks the owners, works out what is shown (views/), and renders it, whole or one block.

Every page has its state in its address, works as plain links and forms, and each list has the same rows as `.json`.
Nothing is decided here and no table is read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from tripartite.components.console import (
    act_pages,
    assets,
    document_pages,
    estate_pages,
    invoice_pages,
    lineage_pages,
    payment_pages,
    signing_in,
    supplier_pages,
)
from tripartite.components.console.asking import path
from tripartite.components.console.rendering import html, render
from tripartite.components.console.views import lists
from tripartite.components.console.views.proof import check_leaf
from tripartite.components.console.views.waterfall import waterfall
from tripartite.components.console.visit import Visit, Web, for_reader, query_of, required, surroundings
from tripartite.core.invoice_life import OPEN, STATES
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import Problem, permission

PAGE_ROWS = 50
QUEUE_ROWS = 200
MOST_NAMES = 40
Work = Callable[[Visit], Awaitable[Response[Any]]]


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    """Every page. They are `public` to the middleware and see to the session themselves (visit.for_reader)."""

    @get("/", opt=permission("public"), include_in_schema=False)
    async def overview(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            answers = await visit.asking.all(
                {
                    "totals": path("invoices", "totals"),
                    "causes": path("exceptions", "causes"),
                    "connections": path("connections"),
                    "backlog": path("backlog"),
                    "audit": path("audit"),
                    "recent": path("invoices", limit=12),
                }
            )
            totals = answers["totals"]
            context = surroundings(
                visit,
                request,
                ports,
                title="Overview",
                nav="home",
                as_of=totals.body["as_of"] if totals.ok else None,
                behind=lists.behind(answers["backlog"].items) if answers["backlog"].ok else None,
                answers=answers,
                standings=lists.standings(totals.body["totals"]) if totals.ok else [],
                causes=lists.causes(answers["causes"].items),
                connections=lists.connections(answers["connections"].items, visit.formats),
                filter=lists.Filter(),
            )
            return html(render("overview.html", context))

        return await for_reader(request, ports, work)

    async def invoice_list(visit: Visit) -> tuple[lists.Filter, str, dict[str, Any]]:
        query = query_of(visit)
        wanted = lists.read_filter(query.get("q", ""))
        after = query.get("after", "")
        asked = path(
            "invoices",
            state=wanted.state,
            code=wanted.code,
            supplier=wanted.supplier,
            q=wanted.text,
            after=after,
            limit=PAGE_ROWS,
        )
        return wanted, after, required(await visit.asking.one(asked))

    @get("/invoices", opt=permission("public"), include_in_schema=False)
    async def invoices(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            wanted, after, page = await invoice_list(visit)
            answers = await visit.asking.all({"totals": path("invoices", "totals"), "backlog": path("backlog")})
            totals = answers["totals"]
            context = surroundings(
                visit,
                request,
                ports,
                title="Invoices",
                nav="invoices",
                filter=wanted,
                after=after,
                rows=page["items"],
                next=page["next"],
                states=STATES,
                standings=lists.standings(totals.body["totals"]) if totals.ok else [],
                as_of=totals.body["as_of"] if totals.ok else None,
                behind=lists.behind(answers["backlog"].items) if answers["backlog"].ok else None,
            )
            return html(render("invoices.html", context, "results" if visit.partial else ""))

        return await for_reader(request, ports, work)

    @get("/invoices.json", opt=permission("public"), include_in_schema=False)
    async def invoices_json(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            _, _, page = await invoice_list(visit)
            return Response(page, headers={"cache-control": "private, no-cache"})

        return await for_reader(request, ports, work, as_json=True)

    async def queue_rows(visit: Visit) -> tuple[lists.Filter, list[dict[str, Any]]]:
        wanted = lists.read_filter(query_of(visit).get("q", ""))
        asked = path("exceptions", state=wanted.state, owner=wanted.owner, code=wanted.code, limit=QUEUE_ROWS)
        return wanted, required(await visit.asking.one(asked))["items"]

    async def names_of(visit: Visit, records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Number and supplier of the invoices in the queue, of as many as a few questions tell."""
        wanted = list(dict.fromkeys(each["object_id"] for each in records if each["object_kind"] == "invoice"))
        if not wanted:
            return {}
        questions: dict[str, str] = {state: path("invoices", state=state, limit=QUEUE_ROWS) for state in OPEN}
        answers = await visit.asking.all(questions)
        found = {row["invoice_id"]: row for answer in answers.values() for row in answer.items}
        missing = [each for each in wanted if each not in found][:MOST_NAMES]
        told = await visit.asking.all({each: path("invoices", each, "status") for each in missing})
        return {**found, **{each: {**told[each].body, "supplier_name": ""} for each in missing if told[each].ok}}

    @get("/queue", opt=permission("public"), include_in_schema=False)
    async def queue(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            wanted, records = await queue_rows(visit)
            answers = await visit.asking.all({"causes": path("exceptions", "causes"), "backlog": path("backlog")})
            rows = required(answers["causes"])["items"]
            named = await names_of(visit, records)
            owners = list(dict.fromkeys(row["owner_role"] for row in rows))
            counted = [
                row
                for row in rows
                if wanted.owner in ("", row["owner_role"]) and wanted.code in ("", row["reason_code"])
            ]
            context = surroundings(
                visit,
                request,
                ports,
                title="Work queue",
                nav="queue",
                filter=wanted,
                causes=lists.causes(counted, records),
                named=named,
                owners=owners,
                total=sum(int(row["count"]) for row in counted),
                all_total=sum(int(row["count"]) for row in rows),
                sums=lists.sums_at_risk(counted),
                as_of=visit.formats.now,
                behind=lists.behind(answers["backlog"].items) if answers["backlog"].ok else None,
                open_all=bool(wanted.code),
            )
            return html(render("queue.html", context, "results" if visit.partial else ""))

        return await for_reader(request, ports, work)

    @get("/queue.json", opt=permission("public"), include_in_schema=False)
    async def queue_json(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            _, records = await queue_rows(visit)
            return Response({"items": records, "next": ""}, headers={"cache-control": "private, no-cache"})

        return await for_reader(request, ports, work, as_json=True)

    @get("/audit", opt=permission("public"), include_in_schema=False)
    async def audit(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            leaf = query_of(visit).get("leaf", "").strip()
            state = required(await visit.asking.one(path("audit")))
            context = surroundings(
                visit, request, ports, title="Audit", nav="audit", log=state, leaf=leaf, as_of=visit.formats.now
            )
            return html(render("audit.html", context))

        return await for_reader(request, ports, work)

    @get("/audit/leaves/{leaf_id:str}", opt=permission("public"), include_in_schema=False)
    async def leaf(request: Web, leaf_id: str) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            found = required(await visit.asking.one(path("audit", "leaves", leaf_id)))
            context = surroundings(
                visit, request, ports, title="Leaf and proof", nav="audit", leaf=found, proof=check_leaf(found)
            )
            return html(render("leaf.html", context))

        return await for_reader(request, ports, work)

    @get("/traces/{trace_id:str}", opt=permission("public"), include_in_schema=False)
    async def trace(request: Web, trace_id: str) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            spans = required(await visit.asking.one(path("traces", trace_id)))["items"]
            drawn = waterfall(trace_id, spans, visit.formats)
            context = surroundings(visit, request, ports, title="Trace", nav="traces", trace=drawn, trace_id=trace_id)
            return html(render("trace.html", context))

        return await for_reader(request, ports, work)

    @get("/assets/{name:str}", opt=permission("public"), include_in_schema=False)
    async def asset(name: str) -> Response[bytes]:
        found = assets.load().by_name.get(name)
        if found is None:
            raise Problem("access.not_found", 404, "No such file.")
        headers = {"cache-control": assets.CACHE_CONTROL, "x-content-type-options": "nosniff"}
        return Response(found.content, media_type=found.media_type, headers=headers)

    pages = [overview, invoices, invoices_json, queue, queue_json, audit, leaf, trace, asset]
    further = (
        *(signing_in, invoice_pages, act_pages, document_pages, payment_pages, lineage_pages, supplier_pages),
        estate_pages,
    )
    return [*pages, *(route for each in further for route in each.routes(ports))]
