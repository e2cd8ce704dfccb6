"""Questions of control: the queue of exceptions, the lineage of a transaction, deliveries, connections, the log."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from tripartite.components.control import letter_routes, releases, store
from tripartite.core import codec
from tripartite.core.estate.reading import plain_data
from tripartite.runtime.audit_proofs import Choice, NothingSealed, find_evidence
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import Page, Problem, companies_of, permission

MOST_ASKED = 200


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    @get("/v1/exceptions", opt=permission("exception.read"), summary="Exceptions by money at risk")
    async def list_exceptions(
        request: Request[Any, Any, Any],
        wanted: Annotated[str, Parameter(query="state")] = "open",
        owner: str = "",
        code: str = "",
        object_id: str = "",
        limit: int = 50,
    ) -> Page:
        async with ports.db.connection() as connection:
            found = await store.queue(
                connection,
                state="" if wanted == "all" else wanted,
                owner=owner,
                code=code,
                object_id=object_id,
                limit=min(limit, 200),
                companies=companies_of(request),
            )
            notices = await store.notices_of(connection, [record.exception_id for record in found])
        told: dict[str, list[dict[str, Any]]] = {}
        for notice in notices:
            told.setdefault(notice["exception_id"], []).append(notice)
        return Page([{**codec.builtins(record), "notices": told.get(record.exception_id, [])} for record in found])

    @get("/v1/exceptions/causes", opt=permission("exception.read"), summary="Open exceptions by reason")
    async def list_causes(request: Request[Any, Any, Any]) -> Page:
        async with ports.db.connection() as connection:
            return Page(await store.causes(connection, companies_of(request)))

    @get("/v1/policies", opt=permission("policy.read"), summary="Policy releases: proposed, approved, in force")
    async def list_policies() -> Page:
        async with ports.db.connection() as connection:
            found = await releases.releases(connection)
        force = max((each.number or 0 for each in found), default=0)
        return Page(
            [
                {
                    **codec.builtins(each),
                    "in_force": bool(each.number) and each.number == force,
                    "running": each.hash == ports.pack.hash,
                }
                for each in found
            ]
        )

    @get("/v1/policies/{hash_:str}", opt=permission("policy.read"), summary="One release whole")
    async def show_policy(hash_: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = next((each for each in await releases.releases(connection) if each.hash == hash_), None)
            if found is None:
                raise Problem("access.not_found", 404, f"No policy release {hash_[:64]}.")
            pack = await releases.release_pack(connection, hash_)
        assert pack is not None, "a listed release is kept whole"
        return {
            **codec.builtins(found),
            "tables": {table: [plain_data(row) for row in rows] for table, rows in pack.rows.items()},
        }

    @get("/v1/lineage/{correlation_id:str}", opt=permission("lineage.read"), summary="What happened, in order")
    async def lineage(request: Request[Any, Any, Any], correlation_id: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            events = await store.lineage(connection, correlation_id, companies_of(request))
        if not events:
            raise Problem("access.not_found", 404, f"Nothing is known under {correlation_id}.")
        return {"correlation_id": correlation_id, "events": events, "as_of": ports.clock.now().isoformat()}

    @get("/v1/deliveries", opt=permission("delivery.read"), summary="What is owed to the outside about objects")
    async def list_deliveries(request: Request[Any, Any, Any], object_id: str = "", key: str = "") -> Page:
        objects, keys = ([each for each in word.split(",") if each] for word in (object_id, key))
        if not 0 < len(objects) + len(keys) <= MOST_ASKED:
            words = f"Name 1 to {MOST_ASKED} objects (`object_id`) or deliveries (`key`), with commas between them."
            raise Problem("intake.malformed", 400, words)
        async with ports.db.connection() as connection:
            return Page(await store.deliveries_of(connection, objects, keys, companies_of(request)))

    @get("/v1/connections", opt=permission("estate.read"), summary="Each connection: circuit, calls, what is due")
    async def list_connections() -> Page:
        async with ports.db.connection() as connection:
            known = {row["connection"]: row for row in await store.connections(connection)}
        return Page(
            [
                {
                    "kind": configured.kind,
                    "role": configured.role,
                    "companies": list(ports.estate.companies_of(configured.name)),
                    "modes": dict(configured.modes),
                    **known.get(configured.name, {}),
                    "connection": configured.name,
                }
                for configured in ports.estate.connections
            ]
        )

    @get("/v1/backlog", opt=permission("estate.read"), summary="Messages that are not read yet, by consumer")
    async def list_backlog() -> Page:
        async with ports.db.connection() as connection:
            return Page(await store.backlog(connection))

    @get("/v1/traces/{trace_id:str}", opt=permission("trace.read"), summary="The spans of a trace")
    async def one_trace(trace_id: str) -> Page:
        async with ports.db.connection() as connection:
            return Page(await store.spans_of(connection, trace_id))

    @get("/v1/audit", opt=permission("audit.read"), summary="The audit log: size, root, what is pending")
    async def audit_state() -> dict[str, Any]:
        async with ports.db.connection() as connection:
            return await store.log_state(connection)

    @get("/v1/audit/leaves/{leaf_id:str}", opt=permission("audit.read"), summary="A leaf and its proof")
    async def audit_leaf(request: Request[Any, Any, Any], leaf_id: str) -> dict[str, Any]:
        companies = companies_of(request)
        choice = Choice(leaf_ids=(leaf_id,), companies=None if companies is None else (*companies, "*"))
        try:
            async with ports.db.connection() as connection:
                evidence = await find_evidence(connection, choice)
        except NothingSealed:
            raise Problem("access.not_found", 404, "Nothing is sealed yet; ask again in a second.") from None
        if not evidence.leaves:
            raise Problem("access.not_found", 404, f"No sealed leaf {leaf_id}.")
        leaf = evidence.leaves[0]
        return {
            "index": leaf.index,
            "leaf_id": leaf.leaf_id,
            "company_code": leaf.company_code,
            "kind": leaf.kind,
            "object_id": leaf.object_id,
            "correlation_id": leaf.correlation_id,
            "recorded_at_microseconds": leaf.recorded_at,
            "salt": leaf.salt.hex() if leaf.salt else "",
            "record": leaf.record.decode() if leaf.record else "",
            "commitment": leaf.commitment.hex(),
            "path": [step.hex() for step in leaf.path],
            "checkpoint": evidence.note,
        }

    return [
        list_exceptions,
        list_causes,
        list_policies,
        show_policy,
        lineage,
        list_deliveries,
        list_connections,
        list_backlog,
        one_trace,
        audit_state,
        audit_leaf,
        *letter_routes.routes(ports),
    ]
