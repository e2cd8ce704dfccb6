"""Requisitions, orders and receipts: the lists, and one of each with what came before it and what followed.

Every page says which system told us, which systems must know, and which version each of them said it has. A list has
its rows as `.json` under the same filter and rights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from tripartite.components.console.asking import Answer, path
from tripartite.components.console.rendering import html, render
from tripartite.components.console.views import lists, orders
from tripartite.components.console.views.systems import systems, told_us
from tripartite.components.console.visit import Visit, Web, for_reader, query_of, required, surroundings
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import permission

PAGE_ROWS = 50
MOST_BESIDE = 50


async def supplier_names(visit: Visit, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The names of the suppliers of these rows; empty where they may not be seen."""
    ids = sorted({str(row["supplier_id"]) for row in rows if row.get("supplier_id")})
    if not ids:
        return {}
    found = await visit.asking.one(path("suppliers", ids=",".join(ids), limit=len(ids)))
    return {row["supplier_id"]: row["name"] for row in found.items}


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    """The pages of the documents before the invoice."""

    def listed(name: str, api: str, status: str) -> tuple[Any, Any]:
        """The page of a list and its rows as JSON; `status` is the API's word for a state, empty where it has none."""

        async def asked(visit: Visit) -> tuple[lists.Filter, str, dict[str, Any]]:
            query = query_of(visit)
            wanted, after = lists.read_filter(query.get("q", "")), query.get("after", "")
            further = {status: wanted.state} if status else {}
            if api == "purchase-orders":
                further["supplier"] = wanted.supplier
            found = await visit.asking.one(
                path(api, q=wanted.text, newest="true", after=after, limit=PAGE_ROWS, **further)
            )
            return wanted, after, required(found)

        @get(f"/{name}", opt=permission("public"), include_in_schema=False)
        async def page(request: Web) -> Response[Any]:
            async def work(visit: Visit) -> Response[Any]:
                wanted, after, found = await asked(visit)
                context = surroundings(
                    visit,
                    request,
                    ports,
                    title=name.capitalize(),
                    nav=name,
                    filter=wanted,
                    after=after,
                    rows=found["items"],
                    next=found["next"],
                    names=await supplier_names(visit, found["items"]),
                    orders=orders,
                    as_of=visit.formats.now,
                )
                return html(render(f"{name}.html", context, "results" if visit.partial else ""))

            return await for_reader(request, ports, work)

        @get(f"/{name}.json", opt=permission("public"), include_in_schema=False)
        async def as_json(request: Web) -> Response[Any]:
            async def work(visit: Visit) -> Response[Any]:
                return Response((await asked(visit))[2], headers={"cache-control": "private, no-cache"})

            return await for_reader(request, ports, work, as_json=True)

        return page, as_json

    @get("/orders/{number:str}", opt=permission("public"), include_in_schema=False)
    async def one_order(request: Web, number: str, company: str = "") -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            order = required(await visit.asking.one(path("purchase-orders", number, company=company)))
            answers = await visit.asking.all(_beside_order(order))
            names = await supplier_names(visit, [order])
            context = surroundings(
                visit,
                request,
                ports,
                title=f"Order {order['number']}",
                nav="orders",
                rail="narrow",
                order=order,
                lines=orders.order_lines(order, visit.formats),
                supplier_name=names.get(order.get("supplier_id", ""), ""),
                systems=_systems(order, answers["deliveries"], visit),
                answers=answers,
                orders=orders,
                as_of=order.get("asked_at") or order.get("recorded_at"),
            )
            return html(render("order.html", context))

        return await for_reader(request, ports, work)

    @get("/receipts/{number:str}", opt=permission("public"), include_in_schema=False)
    async def one_receipt(request: Web, number: str, company: str = "") -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            receipt = required(await visit.asking.one(path("receipts", number, company=company)))
            code = receipt.get("company_code", "")
            named = list(dict.fromkeys(line["order_number"] for line in receipt.get("lines", ())))
            questions = {
                "deliveries": path("deliveries", object_id=receipt["object_id"]),
                "exceptions": path("exceptions", object_id=receipt["object_id"], state="all"),
            }
            if named:
                questions["invoices"] = path("invoices", order=named[0], company=code, limit=MOST_BESIDE)
            answers = await visit.asking.all(questions)
            context = surroundings(
                visit,
                request,
                ports,
                title=f"Receipt {receipt['number']}",
                nav="receipts",
                rail="narrow",
                receipt=receipt,
                named=named,
                systems=_systems(receipt, answers["deliveries"], visit),
                told=orders.told_of_receipt(receipt),
                answers=answers,
                as_of=receipt["recorded_at"],
            )
            return html(render("receipt.html", context))

        return await for_reader(request, ports, work)

    @get("/requisitions/{number:str}", opt=permission("public"), include_in_schema=False)
    async def one_requisition(request: Web, number: str, company: str = "") -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            wish = required(await visit.asking.one(path("requisitions", number, company=company)))
            answers = await visit.asking.all(
                {
                    "approval": path("approvals", number, company=wish["company_code"]),
                    "budget": path("budget-checks", requisition=number),
                }
            )
            context = surroundings(
                visit,
                request,
                ports,
                title=f"Requisition {wish['number']}",
                nav="orders",
                rail="narrow",
                wish=wish,
                answers=answers,
                as_of=wish.get("as_of"),
            )
            return html(render("requisition.html", context))

        return await for_reader(request, ports, work)

    handlers = [
        *listed("orders", "purchase-orders", "status"),
        *listed("receipts", "receipts", ""),
        *listed("requisitions", "requisitions", "status"),
    ]
    return [*handlers, one_order, one_receipt, one_requisition]


def _beside_order(order: Mapping[str, Any]) -> dict[str, str]:
    """What is asked beside an order: each part with its own trouble."""
    number, company = order["number"], order["company_code"]
    questions = {
        "receipts": path("receipts", order=number, company=company, limit=MOST_BESIDE),
        "invoices": path("invoices", order=number, company=company, limit=MOST_BESIDE),
        "deliveries": path("deliveries", object_id=order["object_id"]),
        "exceptions": path("exceptions", object_id=order["object_id"], state="all"),
    }
    if order.get("requisition"):
        questions["approval"] = path("approvals", order["requisition"], company=company)
        questions["budget"] = path("budget-checks", requisition=order["requisition"])
    return questions


def _systems(found: Mapping[str, Any], deliveries: Answer, visit: Visit) -> list[Any]:
    """Who told us of a document, and each system that must have it."""
    first = told_us(found["source"], found.get("version", 1), found["recorded_at"], visit.formats)
    return [first, *systems(deliveries.items, visit.formats)]
