"""One transaction from requisition to bank statement: `/lineage/{correlation}`.

Every document under one correlation id, each system's knowledge of it with its lag, what is late with every call that
was tried, and all moments in order, each with the trace of the call behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from tripartite.components.console.asking import Answer, path
from tripartite.components.console.rendering import html, render
from tripartite.components.console.views.chain import MOST_OF_A_KIND, Named, chain, late, named
from tripartite.components.console.views.waterfall import waterfall
from tripartite.components.console.visit import Visit, Web, for_reader, query_of, required, surroundings
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import permission


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    """The page of a transaction, and what it is made of as JSON."""

    @get("/lineage/{correlation_id:str}", opt=permission("public"), include_in_schema=False)
    async def page(request: Web, correlation_id: str) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            lineage = required(await visit.asking.one(path("lineage", correlation_id)))
            events = lineage["events"]
            wanted = named(events)
            answers = await visit.asking.all(_questions(wanted))
            found = {kind: _bodies(answers, kind) for kind in _KINDS}
            known = {each["invoice_id"] for each in found["invoices"]}
            missing = {f"invoices/{i}": path("invoices", i, "status") for _, i in wanted.invoices if i not in known}
            found["invoices"] += [each.body for each in (await visit.asking.all(missing)).values() if each.ok]
            sent = await _deliveries(visit, found)
            steps = chain(found, sent.items if sent else [], visit.formats, _troubles(answers))
            trace_id = query_of(visit).get("trace", "")
            spans = (await visit.asking.one(path("traces", trace_id))).items if trace_id else []
            context = surroundings(
                visit,
                request,
                ports,
                title="From requisition to bank statement",
                nav="invoices",
                rail="narrow",
                correlation_id=correlation_id,
                steps=steps,
                late=late(steps),
                events=events,
                sent=sent,
                trace=waterfall(trace_id, spans, visit.formats) if trace_id else None,
                trace_id=trace_id,
                as_of=lineage["as_of"],
            )
            return html(render("lineage.html", context))

        return await for_reader(request, ports, work)

    @get("/lineage/{correlation_id:str}/events.json", opt=permission("public"), include_in_schema=False)
    async def as_json(request: Web, correlation_id: str) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            found = required(await visit.asking.one(path("lineage", correlation_id)))
            return Response(found, headers={"cache-control": "private, no-cache"})

        return await for_reader(request, ports, work, as_json=True)

    return [page, as_json]


_KINDS = ("requisitions", "approvals", "budgets", "orders", "receipts", "invoices", "payments")


def _questions(wanted: Named) -> dict[str, str]:
    """What is asked about the documents that the moments name: one question each, receipts and invoices by order."""
    questions = {}
    for company, number in wanted.requisitions:
        questions[f"requisitions/{company}/{number}"] = path("requisitions", number, company=company)
        questions[f"approvals/{company}/{number}"] = path("approvals", number, company=company)
        questions[f"budgets/{company}/{number}"] = path("budget-checks", requisition=number)
    for company, number in wanted.orders:
        further: dict[str, str | int] = {"order": number, "company": company, "limit": MOST_OF_A_KIND}
        questions[f"orders/{company}/{number}"] = path("purchase-orders", number, company=company)
        questions[f"receipts/{company}/{number}"] = path("receipts", **further)
        questions[f"invoices/{company}/{number}"] = path("invoices", **further)
    for _, number in wanted.payments:
        questions[f"payments/{number}"] = path("payments", number)
    return questions


def _bodies(answers: Mapping[str, Answer], kind: str) -> list[Mapping[str, Any]]:
    """The documents of one kind, from answers that are one document or a page of them, each once."""
    found: list[Mapping[str, Any]] = []
    for name, answer in answers.items():
        if answer.ok and name.startswith(f"{kind}/"):
            one = kind not in ("budgets", "receipts", "invoices")
            found += [each for each in ([answer.body] if one else answer.items) if each not in found]
    return found


def _troubles(answers: Mapping[str, Answer]) -> dict[str, str]:
    """Why documents of a kind could not be had, in their owner's words; what is not there is no trouble."""
    return {
        name.partition("/")[0]: answer.words
        for name, answer in answers.items()
        if not answer.ok and answer.status != 404
    }


async def _deliveries(visit: Visit, found: Mapping[str, list[Mapping[str, Any]]]) -> Answer | None:
    """Everything that is owed about these documents, in one question; None where nothing could be."""
    objects = [each["object_id"] for kind in ("orders", "receipts") for each in found[kind]]
    objects += [each["invoice_id"] for each in found["invoices"]]
    keys = [each["key"] for payment in found["payments"] for each in payment["notices"]]
    keys += [each["delivery_key"] for payment in found["payments"] for each in payment["orders"]]
    if not objects and not keys:
        return None
    most = 100
    return await visit.asking.one(path("deliveries", object_id=",".join(objects[:most]), key=",".join(keys[:most])))
