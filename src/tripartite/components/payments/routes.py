"""Questions about payments and the acts of people on them: runs, releases, holds.

Bank accounts are shown by country and last four. A proposal is released by the hash of what was shown.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from tripartite.components.payments import acts, asking, bank_words, store
from tripartite.components.payments.acts import Answer, Hold, Why, perform
from tripartite.components.payments.building import Refused, Wanted, build, cancel
from tripartite.components.payments.desk import Desk
from tripartite.components.payments.releasing import release
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.http_app import Page, Problem, companies_of, may_see, permission, principal_of


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a releaser was shown, by its hash."""

    content_hash: str


def _cursor(after: str) -> tuple[datetime, str] | None:
    """Where a page begins: the `next` of the page before. Errors: `Problem` for anything else."""
    at, _, last = after.rpartition("/")
    try:
        return (datetime.fromisoformat(at), last) if after else None
    except ValueError:
        raise Problem("intake.malformed", 400, "`after` is the `next` of an earlier page, and nothing else.") from None


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    async def proposal_of(request: Request[Any, Any, Any], number: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = await asking.proposal(connection, number, companies_of(request))
        if found is None:
            raise Problem("access.not_found", 404, f"No payment proposal {number}.")
        return found

    async def payment_of(request: Request[Any, Any, Any], number: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = await asking.payment(connection, number, companies_of(request))
        if found is None:
            raise Problem("access.not_found", 404, f"No payment {number}.")
        return found

    @get("/v1/payments", opt=permission("payment.read"), summary="Payments, the newest change first")
    async def list_payments(
        request: Request[Any, Any, Any],
        wanted: Annotated[str, Parameter(query="state")] = "",
        supplier: str = "",
        invoice: str = "",
        after: str = "",
        limit: int = 50,
    ) -> Page:
        most = max(1, min(limit, 200))
        async with ports.db.connection() as connection:
            found = await asking.payments(
                connection,
                state=wanted,
                supplier=supplier,
                invoice=invoice,
                after=_cursor(after),
                limit=most,
                companies=companies_of(request),
            )
        following = f"{found[-1]['changed_at'].isoformat()}/{found[-1]['number']}" if len(found) == most else ""
        return Page(found, following)

    @get("/v1/payments/{number:str}", opt=permission("payment.read"), summary="One payment, everything beside it")
    async def one_payment(request: Request[Any, Any, Any], number: str) -> dict[str, Any]:
        found = await payment_of(request, number)
        async with ports.db.connection() as connection:
            told = {
                "orders": await bank_words.orders_of(connection, found["proposal"]),
                "reports": await bank_words.reports_of(connection, found["order_number"], number),
                "entries": await bank_words.entries_of(connection, found["order_number"], number),
                "notices": await bank_words.notices_of(connection, number),
            }
        return {**found, **told, "as_of": ports.clock.now()}

    @get(
        "/v1/payments/{number:str}/confirmation",
        opt=permission("payment.read"),
        summary="Whether the money left, as the bank says",
    )
    async def confirmation(request: Request[Any, Any, Any], number: str) -> dict[str, Any]:
        found = await payment_of(request, number)
        names = ("number", "state", "currency", "amount", "executed_on", "bank_reference", "reason", "detail", "items")
        return {**{name: found[name] for name in names}, "as_of": ports.clock.now()}

    @post(
        "/v1/payments/{number:str}/reopening",
        opt=permission("hold.release"),
        summary="The items of a refused or returned payment may be paid anew",
    )
    async def reopening(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        await payment_of(request, number)

        async def act(desk: Desk, value: Why) -> Answer | Refused:
            return await acts.reopen(desk, number, value.why, principal_of(request))

        return await perform(ports, request, Why, act)

    @post("/v1/payment-proposals", opt=permission("payment.propose"), summary="Draw up a payment run, or several")
    async def draw_up(request: Request[Any, Any, Any]) -> Response[bytes]:
        by = principal_of(request)

        async def act(desk: Desk, value: Wanted) -> Answer | Refused:
            if not may_see(request, value.company_code):
                return Refused("access.not_found", 404, f"No company {value.company_code}.")
            built = await build(desk, value, by)
            if isinstance(built, Refused):
                return built
            if built.proposal is None:
                return 200, {"proposal": None, "left_out": built.left_out}
            found = await asking.proposal(desk.connection, built.proposal.number, None)
            return 201 if built.created else 200, {"proposal": found, "left_out": built.left_out}

        return await perform(ports, request, Wanted, act, bulk=True)

    @get("/v1/payment-proposals", opt=permission("payment.read"), summary="Payment proposals, the newest first")
    async def list_proposals(
        request: Request[Any, Any, Any],
        wanted: Annotated[str, Parameter(query="state")] = "",
        after: str = "",
        limit: int = 50,
    ) -> Page:
        most = max(1, min(limit, 200))
        async with ports.db.connection() as connection:
            found = await asking.proposals(
                connection, state=wanted, after=_cursor(after), limit=most, companies=companies_of(request)
            )
        following = f"{found[-1]['created_at'].isoformat()}/{found[-1]['number']}" if len(found) == most else ""
        return Page(found, following)

    @get("/v1/payment-proposals/{number:str}", opt=permission("payment.read"), summary="One payment proposal")
    async def one_proposal(request: Request[Any, Any, Any], number: str) -> dict[str, Any]:
        found = await proposal_of(request, number)
        async with ports.db.connection() as connection:
            told = {
                "orders": await bank_words.orders_of(connection, number),
                "reports": await bank_words.reports_of(connection, found["order_number"], ""),
                "left_out": await asking.held_items(
                    connection, found["company_code"], found["currency"], found["pay_until"]
                ),
            }
        return {**found, **told, "as_of": ports.clock.now()}

    @post(
        "/v1/payment-proposals/{number:str}/releases",
        opt=permission("payment.release"),
        summary="Release a proposal as it was shown",
    )
    async def give_release(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        await proposal_of(request, number)
        by = principal_of(request)

        async def act(desk: Desk, value: Shown) -> Answer | Refused:
            done = await release(desk, number, value.content_hash, by)
            if isinstance(done, Refused):
                return done
            return 200, await asking.proposal(desk.connection, number, None)

        return await perform(ports, request, Shown, act)

    @post(
        "/v1/payment-proposals/{number:str}/cancellation",
        opt=permission("payment.propose"),
        summary="Take an open proposal back",
    )
    async def take_back(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        found = await proposal_of(request, number)
        by = principal_of(request)

        async def act(desk: Desk, value: Why) -> Answer | Refused:
            await store.hold_still(desk.connection, [found["company_code"]], change=True)
            done = await cancel(desk, number, value.why, by.name)
            if isinstance(done, Refused):
                return done
            return 200, await asking.proposal(desk.connection, number, None)

        return await perform(ports, request, Why, act)

    @post("/v1/holds", opt=permission("payment.hold"), summary="Hold the payment of an invoice or a supplier, or many")
    async def place_holds(request: Request[Any, Any, Any]) -> Response[bytes]:
        async def act(desk: Desk, value: Hold) -> Answer | Refused:
            if not may_see(request, value.company_code):
                return Refused("access.not_found", 404, f"No company {value.company_code}.")
            return await acts.place(desk, value, principal_of(request))

        return await perform(ports, request, Hold, act, bulk=True)

    @get("/v1/holds", opt=permission("payment.read"), summary="Holds of payments that people placed")
    async def list_holds(
        request: Request[Any, Any, Any], object_id: str = "", lifted: bool = False, after: str = "", limit: int = 50
    ) -> Page:
        most = max(1, min(limit, 200))
        async with ports.db.connection() as connection:
            found = await asking.holds(
                connection,
                object_id=object_id,
                standing=not lifted,
                after=after,
                limit=most,
                companies=companies_of(request),
            )
        return Page(found, found[-1]["hold_id"] if len(found) == most else "")

    @post("/v1/holds/{hold_id:str}/lifting", opt=permission("hold.release"), summary="Lift a hold, with a reason")
    async def lift_hold(request: Request[Any, Any, Any], hold_id: str) -> Response[bytes]:
        await _seen(ports, request, hold_id)

        async def act(desk: Desk, value: Why) -> Answer | Refused:
            return await acts.lift(desk, hold_id, value.why, principal_of(request))

        return await perform(ports, request, Why, act)

    return [
        list_payments,
        one_payment,
        confirmation,
        reopening,
        draw_up,
        list_proposals,
        one_proposal,
        give_release,
        take_back,
        place_holds,
        list_holds,
        lift_hold,
    ]


async def _seen(ports: Ports, request: Request[Any, Any, Any], hold_id: str) -> None:
    async def look(connection: Connection) -> dict[str, Any] | None:
        return await store.hold(connection, hold_id)

    found = await ports.db.transaction(look)
    if found is None or not may_see(request, found["company_code"]):
        raise Problem("access.not_found", 404, f"No hold {hold_id}.")
