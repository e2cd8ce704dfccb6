"""The estate: is every system told, who lags, what was set aside; and letting that go its way again, with a reason.

/estate                  every connection, what it is owed and since when, streams, what is not read yet
/estate/{connection}     one connection: health, modes, streams, what it is owed, what it refused
/estate/dead-letters     deliveries and messages that were set aside, what each would do now, and sending them again
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.console.acting_pages import NONE, Trouble, act_of
from tripartite.components.console.asking import Answer, path
from tripartite.components.console.rendering import html, render
from tripartite.components.console.views import letters, lists
from tripartite.components.console.visit import Unavailable, Visit, Web, for_reader, query_of, required, surroundings
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import permission

PUBLIC = permission("public")
ASIDE = "/estate/dead-letters"


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    """The pages of the estate, and the way in of a replay."""

    @get("/estate", opt=PUBLIC, include_in_schema=False)
    async def estate(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            answers = await visit.asking.all(
                {"connections": path("connections"), "backlog": path("backlog"), "streams": path("streams")}
            )
            rows = lists.with_streams(required(answers["connections"])["items"], answers["streams"].items)
            backlog = answers["backlog"]
            context = surroundings(
                visit,
                request,
                ports,
                title="Estate",
                nav="estate",
                connections=lists.connections(rows, visit.formats),
                backlog=backlog,
                streams=answers["streams"],
                as_of=visit.formats.now,
                behind=lists.behind(backlog.items) if backlog.ok else None,
            )
            return html(render("estate.html", context))

        return await for_reader(request, ports, work)

    @get("/estate.json", opt=PUBLIC, include_in_schema=False)
    async def estate_json(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            return Response(
                required(await visit.asking.one(path("connections"))), headers={"cache-control": "private, no-cache"}
            )

        return await for_reader(request, ports, work, as_json=True)

    @get("/estate/{name:str}", opt=PUBLIC, include_in_schema=False)
    async def connection(request: Web, name: str) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            answers = await visit.asking.all(
                {
                    "connections": path("connections"),
                    "streams": path("streams"),
                    "owed": path("owed", connection=name),
                    "aside": path("dead-letters", connection=name),
                }
            )
            known = lists.with_streams(required(answers["connections"])["items"], answers["streams"].items)
            rows = [row for row in known if row["connection"] == name]
            if not rows:
                raise Unavailable(Answer(404, words=f"The estate has no connection {name}."))
            context = surroundings(
                visit,
                request,
                ports,
                title=f"Connection {name}",
                nav="estate",
                row=rows[0],
                one=lists.connections(rows, visit.formats)[0],
                streams=[each for each in answers["streams"].items if each["connection"] == name],
                answers=answers,
                groups=letters.groups(answers["aside"].items, visit.formats),
                as_of=visit.formats.now,
            )
            return html(render("connection.html", context))

        return await for_reader(request, ports, work)

    async def aside_page(visit: Visit, request: Web, trouble: Trouble = NONE) -> Response[Any]:
        query = query_of(visit)
        answers = await visit.asking.all(
            {
                "deliveries": path("dead-letters", connection=query.get("connection", "")),
                "messages": path("quarantine"),
            }
        )
        rows = required(answers["deliveries"])["items"]
        context = surroundings(
            visit,
            request,
            ports,
            title="Dead letters",
            nav="estate",
            groups=letters.groups(rows, visit.formats),
            count=len(rows),
            sums=letters.sums_of(rows, visit.formats),
            messages=answers["messages"],
            only=query.get("connection", ""),
            went=query.get("went", ""),
            stayed=query.get("stayed", ""),
            trouble=trouble,
            key=ports.ids.new("key"),
            reader=visit.principal,
            as_of=visit.formats.now,
        )
        return html(render("aside.html", context))

    @get(ASIDE, opt=PUBLIC, include_in_schema=False)
    async def aside(request: Web) -> Response[Any]:
        return await for_reader(request, ports, lambda visit: aside_page(visit, request))

    @post(ASIDE, opt=PUBLIC, include_in_schema=False)
    async def replay(request: Web) -> Response[Any]:
        def act(form: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
            keys = [name.removeprefix("d:") for name in form if name.startswith("d:")]
            named = [name.removeprefix("m:").partition("/") for name in form if name.startswith("m:")]
            told = {
                "why": form.get("why", "").strip(),
                "deliveries": keys,
                "messages": [{"consumer": consumer, "message_id": message} for consumer, _, message in named],
            }
            return path("dead-letters", "replays"), told

        def done(answer: Answer) -> str:
            went = len(answer.body["deliveries"]) + len(answer.body["messages"])
            return f"{ASIDE}?went={went}&stayed={len(answer.body['stay'])}"

        return await act_of(request, ports, "replay", act, page=lambda v, t: aside_page(v, request, t), done=done)

    @get(f"{ASIDE}.json", opt=PUBLIC, include_in_schema=False)
    async def aside_json(request: Web) -> Response[Any]:
        async def work(visit: Visit) -> Response[Any]:
            found = required(await visit.asking.one(path("dead-letters")))
            return Response(found, headers={"cache-control": "private, no-cache"})

        return await for_reader(request, ports, work, as_json=True)

    return [estate, estate_json, connection, aside, replay, aside_json]
