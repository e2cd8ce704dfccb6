"""One invoice: what is held and why, what would clear it, where each system stands; and the tabs beneath.

    /invoices/{id}              timeline and trace       /invoices/{id}/history    every decision
    /invoices/{id}/document     as received              /invoices/{id}/proof      the leaf of the last decision
    /invoices/{id}/messages     what was told to whom

Each tab is an address of its own and renders whole; htmx asks for the tab's block alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from tripartite.components.console import words
from tripartite.components.console.asking import Answer, path
from tripartite.components.console.formats import indented
from tripartite.components.console.rendering import html, render
from tripartite.components.console.views import document, lists
from tripartite.components.console.views.acting import offered
from tripartite.components.console.views.clearing import reasons_of, ways_out
from tripartite.components.console.views.history import moves
from tripartite.components.console.views.matching import fold, match_table
from tripartite.components.console.views.proof import check_leaf
from tripartite.components.console.views.ribbon import ribbon
from tripartite.components.console.views.waterfall import waterfall
from tripartite.components.console.visit import Visit, Web, for_reader, required, surroundings
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import permission

TABS = (
    ("", "Timeline and trace"),
    ("document", "Document"),
    ("messages", "Messages"),
    ("history", "History"),
    ("proof", "Proof"),
)


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    """The invoice page and its tabs."""

    async def shown(request: Web, invoice_id: str, tab: str) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            invoice = required(await visit.asking.one(path("invoices", invoice_id)))
            context = await _context(visit, invoice, tab)
            whole = surroundings(
                visit,
                request,
                ports,
                title=f"{invoice['supplier_name']} {invoice['number']}",
                nav="invoices",
                rail="narrow",
                tab=tab,
                tabs=TABS,
                invoice=invoice,
                as_of=invoice["as_of"],
                **context,
            )
            return html(render("invoice.html", whole, "tab" if visit.partial else ""))

        return await for_reader(request, ports, work)

    @get("/invoices/{invoice_id:str}", opt=permission("public"), include_in_schema=False)
    async def timeline(request: Web, invoice_id: str) -> Response[Any]:
        return await shown(request, invoice_id, "")

    @get("/invoices/{invoice_id:str}/document", opt=permission("public"), include_in_schema=False)
    async def as_received(request: Web, invoice_id: str) -> Response[Any]:
        return await shown(request, invoice_id, "document")

    @get("/invoices/{invoice_id:str}/messages", opt=permission("public"), include_in_schema=False)
    async def messages(request: Web, invoice_id: str) -> Response[Any]:
        return await shown(request, invoice_id, "messages")

    @get("/invoices/{invoice_id:str}/history", opt=permission("public"), include_in_schema=False)
    async def history(request: Web, invoice_id: str) -> Response[Any]:
        return await shown(request, invoice_id, "history")

    @get("/invoices/{invoice_id:str}/proof", opt=permission("public"), include_in_schema=False)
    async def proof(request: Web, invoice_id: str) -> Response[Any]:
        return await shown(request, invoice_id, "proof")

    return [timeline, as_received, messages, history, proof]


async def _context(visit: Visit, invoice: Mapping[str, Any], tab: str) -> dict[str, Any]:
    """What the page shows besides the invoice: asked at the same time, each part with its own trouble."""
    last = invoice["decisions"][-1] if invoice["decisions"] else None
    questions = {
        "lineage": path("lineage", invoice["correlation_id"]),
        "deliveries": path("deliveries", object_id=invoice["invoice_id"]),
        "backlog": path("backlog"),
    }
    if last is not None:
        questions["leaf"] = path("audit", "leaves", last["leaf_id"])
    if tab == "document":
        questions["intake"] = path("intake", invoice["intake_id"] or "none")
        questions["raw"] = path("raw", invoice["digest"] or "none")
    answers = await visit.asking.all(questions)
    lineage, leaf = answers["lineage"], answers.get("leaf")
    events = lineage.body["events"] if lineage.ok else []
    deliveries = answers["deliveries"].items
    query = parse_qs(visit.address.partition("?")[2])
    trace_id = query.get("trace", [""])[0] or _newest_trace(invoice, events)
    trace = None
    if tab == "" and trace_id:
        spans = (await visit.asking.one(path("traces", trace_id))).items
        trace = waterfall(trace_id, spans, visit.formats)
    mark = words.mark(words.INVOICE_STATES, invoice["state"])
    table = fold(match_table(invoice, visit.formats), everything=query.get("lines") == ["all"])
    proof = check_leaf(leaf.body) if leaf is not None and leaf.ok else None
    return {
        "mark": mark,
        "table": table,
        "steps": ribbon(invoice, events, deliveries, visit.formats),
        "reasons": reasons_of(invoice, visit.formats),
        "ways": ways_out(invoice, visit.formats),
        "offered": offered(invoice, visit.principal, visit.formats),
        "last": last,
        "rows_spoke": last["result"]["rows"] if last else [],
        "lineage": lineage,
        "events": events,
        "trace": trace,
        "trace_id": trace_id,
        "deliveries": deliveries,
        "deliveries_answer": answers["deliveries"],
        "history": moves(invoice["decisions"]),
        "leaf": leaf,
        "proof": proof,
        "behind": lists.behind(answers["backlog"].items) if answers["backlog"].ok else None,
        **_document(invoice, answers),
    }


def _document(invoice: Mapping[str, Any], answers: Mapping[str, Answer]) -> dict[str, Any]:
    if "raw" not in answers:
        return {"raw": None, "raw_text": "", "intake": None, "fields": [], "fields_left": 0, "raw_answer": None}
    intake, raw = answers["intake"], answers["raw"]
    media_type = intake.body["media_type"] if intake.ok else ""
    shown = document.received(raw.body, media_type) if raw.ok else None
    fields, left = document.fields(invoice["content"])
    return {
        "raw": shown,
        "raw_answer": raw,
        "raw_text": indented(shown.text, media_type) if shown else "",
        "intake": intake.body if intake.ok else None,
        "fields": fields,
        "fields_left": left,
    }


def _newest_trace(invoice: Mapping[str, Any], events: list[dict[str, Any]]) -> str:
    """The trace to show unasked: of the last decision, else of the last moment that has one."""
    for decision in reversed(invoice["decisions"]):
        if decision.get("trace_id"):
            return str(decision["trace_id"])
    return next((str(event["trace_id"]) for event in reversed(events) if event["trace_id"]), "")
