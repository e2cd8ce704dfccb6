"""Payments: runs with what they pay and who released them, one payment up to the bank's books, holds.

    /payments                 what waits for a release, and payments by state
    /payments/runs            every run           /payments/runs/{number}    one run; release it, or take it back
    /payments/{number}        one payment; open a refused or returned one again
    /payments/holds           holds that people placed; place one, lift one

The acts are those of the API, with the reader's own session: the same rights, limits and duties.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.console.acting_pages import NONE, Trouble, act_of, why_of
from tripartite.components.console.asking import Answer, path
from tripartite.components.console.rendering import html, render
from tripartite.components.console.views import links, lists, paying
from tripartite.components.console.views.systems import systems
from tripartite.components.console.visit import Visit, Web, for_reader, query_of, required, surroundings
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import permission

PAGE_ROWS = 50
PUBLIC = permission("public")
HOLDS = "/payments/holds"


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    """The pages of payments, and the ways in of their forms."""

    def shown(visit: Visit, request: Web, template: str, title: str, trouble: Trouble = NONE, **facts: Any) -> Any:
        context = surroundings(
            visit,
            request,
            ports,
            title=title,
            nav="payments",
            trouble=trouble,
            key=ports.ids.new("key"),
            reader=visit.principal,
            **{"as_of": visit.formats.now, **facts},
        )
        return html(render(template, context, "results" if visit.partial and not trouble.words else ""))

    async def listed(visit: Visit, api: str) -> tuple[lists.Filter, str, dict[str, Any]]:
        query = query_of(visit)
        wanted, after = lists.read_filter(query.get("q", "")), query.get("after", "")
        further = {"supplier": wanted.supplier} if api == "payments" else {}
        found = await visit.asking.one(path(api, state=wanted.state, after=after, limit=PAGE_ROWS, **further))
        return wanted, after, required(found)

    async def overview(visit: Visit, request: Web, trouble: Trouble = NONE) -> Response[Any]:
        wanted, after, found = await listed(visit, "payments")
        answers = await visit.asking.all(
            {"runs": path("payment-proposals", state="open", limit=20), "holds": path("holds", limit=20)}
        )
        return shown(  # type: ignore[no-any-return]
            visit,
            request,
            "payments.html",
            "Payments",
            trouble,
            filter=wanted,
            after=after,
            rows=found["items"],
            next=found["next"],
            answers=answers,
            companies=sorted({account.company for account in ports.estate.accounts}),
        )

    @get("/payments", opt=PUBLIC, include_in_schema=False)
    async def payments(request: Web) -> Response[Any]:
        return await for_reader(request, ports, lambda visit: overview(visit, request))

    @post("/payments", opt=PUBLIC, include_in_schema=False)
    async def draw_up(request: Web) -> Response[Any]:
        def act(form: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
            return path("payment-proposals"), {"company_code": form.get("company", "")}

        def done(answer: Answer) -> str:
            drawn = answer.body["proposal"]
            return links.run(drawn["number"]) if drawn else "/payments?nothing=due"

        return await act_of(request, ports, "draw", act, page=lambda v, t: overview(v, request, t), done=done)

    @get("/payments.json", opt=PUBLIC, include_in_schema=False)
    async def payments_json(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            return Response((await listed(visit, "payments"))[2], headers={"cache-control": "private, no-cache"})

        return await for_reader(request, ports, work, as_json=True)

    @get("/payments/runs", opt=PUBLIC, include_in_schema=False)
    async def runs(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            wanted, after, found = await listed(visit, "payment-proposals")
            facts = {"filter": wanted, "after": after, "rows": found["items"], "next": found["next"]}
            return shown(visit, request, "runs.html", "Payment runs", **facts)  # type: ignore[no-any-return]

        return await for_reader(request, ports, work)

    async def run_page(visit: Visit, request: Web, number: str, trouble: Trouble = NONE) -> Response[Any]:
        run = required(await visit.asking.one(path("payment-proposals", number)))
        ids = ",".join(each["number"] for each in run["orders"])
        questions = {"deliveries": path("deliveries", object_id=ids)} if ids else {}
        answers = await visit.asking.all(questions)
        sent = answers.get("deliveries")
        return shown(  # type: ignore[no-any-return]
            visit,
            request,
            "run.html",
            f"Payment run {number}",
            trouble,
            rail="narrow",
            run=run,
            payments=paying.by_risk(run["payments"]),
            release=paying.release_of(run, visit.principal),
            sent=sent,
            systems=systems(sent.items, visit.formats, versions=False) if sent else [],
            moments=paying.bank_moments({"reports": run["reports"]}, visit.formats),
            as_of=run["as_of"],
        )

    @get("/payments/runs/{number:str}", opt=PUBLIC, include_in_schema=False)
    async def one_run(request: Web, number: str) -> Response[Any]:
        return await for_reader(request, ports, lambda visit: run_page(visit, request, number))

    @post("/payments/runs/{number:str}/releases", opt=PUBLIC, include_in_schema=False)
    async def release(request: Web, number: str) -> Response[Any]:
        def act(form: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
            return path("payment-proposals", number, "releases"), {"content_hash": form.get("content_hash", "")}

        return await act_of(
            request,
            ports,
            "releases",
            act,
            page=lambda visit, trouble: run_page(visit, request, number, trouble),
            done=links.run(number),
        )

    @post("/payments/runs/{number:str}/cancellation", opt=PUBLIC, include_in_schema=False)
    async def take_back(request: Web, number: str) -> Response[Any]:
        def act(form: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
            return path("payment-proposals", number, "cancellation"), why_of(form)

        return await act_of(
            request,
            ports,
            "cancellation",
            act,
            page=lambda visit, trouble: run_page(visit, request, number, trouble),
            done=links.run(number),
        )

    async def payment_page(visit: Visit, request: Web, number: str, trouble: Trouble = NONE) -> Response[Any]:
        payment = required(await visit.asking.one(path("payments", number)))
        keys = [each["key"] for each in payment["notices"]] + [each["delivery_key"] for each in payment["orders"]]
        answers = await visit.asking.all({"deliveries": path("deliveries", key=",".join(keys))} if keys else {})
        sent = answers.get("deliveries")
        return shown(  # type: ignore[no-any-return]
            visit,
            request,
            "payment.html",
            f"Payment {number}",
            trouble,
            rail="narrow",
            payment=payment,
            sent=sent,
            systems=systems(sent.items, visit.formats, versions=False) if sent else [],
            moments=paying.bank_moments(payment, visit.formats),
            as_of=payment["as_of"],
        )

    @get("/payments/{number:str}", opt=PUBLIC, include_in_schema=False)
    async def one_payment(request: Web, number: str) -> Response[Any]:
        return await for_reader(request, ports, lambda visit: payment_page(visit, request, number))

    @post("/payments/{number:str}/reopening", opt=PUBLIC, include_in_schema=False)
    async def reopen(request: Web, number: str) -> Response[Any]:
        def act(form: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
            return path("payments", number, "reopening"), why_of(form)

        return await act_of(
            request,
            ports,
            "reopening",
            act,
            page=lambda visit, trouble: payment_page(visit, request, number, trouble),
            done=links.payment(number),
        )

    async def holds_page(visit: Visit, request: Web, trouble: Trouble = NONE) -> Response[Any]:
        query = query_of(visit)
        found = required(
            await visit.asking.one(
                path(
                    "holds",
                    object_id=query.get("object", ""),
                    lifted="true" if query.get("lifted") == "yes" else "",
                    after=query.get("after", ""),
                    limit=PAGE_ROWS,
                )
            )
        )
        return shown(  # type: ignore[no-any-return]
            visit,
            request,
            "holds.html",
            "Holds of payments",
            trouble,
            query=query,
            rows=found["items"],
            next=found["next"],
            companies=[company.code for company in ports.estate.companies],
        )

    @get("/payments/holds", opt=PUBLIC, include_in_schema=False)
    async def holds(request: Web) -> Response[Any]:
        return await for_reader(request, ports, lambda visit: holds_page(visit, request))

    @post("/payments/holds", opt=PUBLIC, include_in_schema=False)
    async def place(request: Web) -> Response[Any]:
        def act(form: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
            told = {
                "company_code": form.get("company", ""),
                "object_kind": form.get("kind", ""),
                "object_id": form.get("object", "").strip(),
            }
            return path("holds"), {**told, **why_of(form)}

        return await act_of(
            request, ports, "place", act, page=lambda visit, trouble: holds_page(visit, request, trouble), done=HOLDS
        )

    @post("/payments/holds/{hold_id:str}/lifting", opt=PUBLIC, include_in_schema=False)
    async def lift(request: Web, hold_id: str) -> Response[Any]:
        def act(form: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
            return path("holds", hold_id, "lifting"), why_of(form)

        return await act_of(
            request, ports, hold_id, act, page=lambda visit, trouble: holds_page(visit, request, trouble), done=HOLDS
        )

    return [
        *(payments, draw_up, payments_json, runs, one_run, release, take_back),
        *(one_payment, reopen, holds, place, lift),
    ]
