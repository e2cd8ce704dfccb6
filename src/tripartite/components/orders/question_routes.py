"""The procurement questions over HTTP: requisitions, approvals, budget checks.

Answered from recorded facts. `fresh=true` asks procurement first and waits a little; what did not come within that
time is said by `as_of`, never by a longer wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.orders import budget_store, requisition_store
from tripartite.components.orders.asking import put_question, wait_until
from tripartite.components.orders.budget_store import Check
from tripartite.components.orders.budgets import Budgets, can_ask, new_check, today
from tripartite.core import codec
from tripartite.core.approvals import approval_state
from tripartite.core.budget import Wanted, wanted_of
from tripartite.core.envelope import Message
from tripartite.core.events import Ask
from tripartite.core.ids import digest as digest_of
from tripartite.core.ids import stable_id
from tripartite.core.money import Amount, CurrencyInvalid, check_currency
from tripartite.core.objects import Requisition
from tripartite.runtime.bus import publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.http_app import (
    Page,
    Problem,
    body_of,
    companies_of,
    idempotency_key,
    may_see,
    permission,
    principal_of,
)
from tripartite.runtime.keys import Keys
from tripartite.runtime.paging import Place, place_of

MOST_CHECKS = 500
LARGEST_QUESTION = 1024 * 1024

KEYS = Keys("orders")


class BudgetQuestion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question: either a requisition by its number, or an amount of a cost centre. `on` is today where not said."""

    company_code: str
    requisition: str = ""
    cost_centre: str = ""
    currency: str = ""
    amount: Amount | None = None
    on: date | None = None


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    budgets = Budgets(ports)

    async def requisition_of(request: Request[Any, Any, Any], number: str, company: str, fresh: bool) -> dict[str, Any]:
        """A recorded requisition; asked for where the caller wants it fresh, or it is not here and may be elsewhere."""
        mine = companies_of(request) if not company else [company]
        if company and not may_see(request, company):
            raise Problem("access.not_found", 404, f"No requisition {number}.")
        async with ports.db.connection() as connection:
            found = await requisition_store.one(connection, number, mine)
        code = found["company_code"] if found else company
        if (fresh or found is None) and code and can_ask(ports, code, "requisition_by_number"):
            question = "approval_status" if found else "requisition_by_number"
            since = ports.clock.now()

            async def read(connection: Connection) -> bool:
                row = await requisition_store.one(connection, number, [code])
                return row is not None and row["recorded_at"] >= since

            ask = Ask(code, ("procurement",), question, number, {"number": number})
            await put_question(ports, ask, read)
            async with ports.db.connection() as connection:
                found = await requisition_store.one(connection, number, [code])
        if found is None:
            raise Problem("access.not_found", 404, f"No requisition {number}.")
        async with ports.db.connection() as connection:
            return {**found, "as_of": await _as_of(connection, found)}

    @get("/v1/requisitions", opt=permission("requisition.read"), summary="Requisitions, by company and number")
    async def list_requisitions(
        request: Request[Any, Any, Any],
        status: str = "",
        q: str = "",
        newest: bool = False,
        after: str = "",
        limit: int = 50,
    ) -> Page:
        return await _page(request, status, q, place=begin(after, newest=newest), limit=limit, shown=_short)

    @get("/v1/requisitions/{number:str}", opt=permission("requisition.read"), summary="One requisition, its orders")
    async def one_requisition(
        request: Request[Any, Any, Any], number: str, company: str = "", fresh: bool = False
    ) -> dict[str, Any]:
        return await requisition_of(request, number, company, fresh)

    @get("/v1/approvals", opt=permission("approval.read"), summary="Requisitions and how far their approval is")
    async def list_approvals(
        request: Request[Any, Any, Any],
        status: str = "",
        q: str = "",
        newest: bool = False,
        after: str = "",
        limit: int = 50,
    ) -> Page:
        return await _page(request, status, q, place=begin(after, newest=newest), limit=limit, shown=_approval)

    @get("/v1/approvals/{number:str}", opt=permission("approval.read"), summary="Who approved a requisition, and when")
    async def one_approval(
        request: Request[Any, Any, Any], number: str, company: str = "", fresh: bool = False
    ) -> dict[str, Any]:
        found = await requisition_of(request, number, company, fresh)
        names = ("company_code", "number", "status", "correlation_id", "orders", "as_of")
        async with ports.db.connection() as connection:
            value = await requisition_store.document(connection, found["company_code"], number)
        return {**{name: found[name] for name in names}, **_approval(value)}

    async def _page(
        request: Request[Any, Any, Any], status: str, text: str, *, place: Place, limit: int, shown: Any
    ) -> Page:
        most = max(1, min(limit, 200))
        async with ports.db.connection() as connection:
            found = await requisition_store.many(connection, status, text, place, most, companies_of(request))
        following = place.after(found[-1][0]) if len(found) == most else ""
        return Page([{**row, **shown(value)} for row, value in found], following)

    async def checked(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await body_of(request, LARGEST_QUESTION)
        caller, key = principal_of(request).name, idempotency_key(request)
        digest = digest_of(request.url.path.encode() + body)
        if key:
            async with ports.db.connection() as connection:
                known = await KEYS.known(connection, caller, key)
            if known is not None:
                if known[0] != digest:
                    raise Problem("intake.key_reused", 409, f"The key {key!r} already stands for another request.")
                return await answered(msgspec.json.decode(known[1], type=list[str]), replayed=True)
        questions = _questions(body)
        for place, question in enumerate(questions):
            _refuse(ports, request, question, place)
        ids = await opened(questions, caller, key, digest)
        return await answered(ids)

    async def opened(questions: Sequence[BudgetQuestion], caller: str, key: str, digest: str) -> list[str]:
        """Record the checks of all questions in one transaction; their ids in the order of the questions."""
        made: list[str] = []

        async def work(connection: Connection) -> None:
            made.clear()
            wanted: list[tuple[Check, Message]] = []
            for place, question in enumerate(questions):
                checks = await _checks(ports, connection, question, place)
                made.extend(each.check_id for each in checks)
                cause = Message(
                    message_id=ports.ids.new("msg"),
                    type="tripartite.budget.asked.v1",
                    company_code=question.company_code,
                    key=question.cost_centre or question.requisition,
                    correlation_id=checks[0].correlation_id,
                    occurred_at=ports.clock.now(),
                    payload=b"",
                )
                wanted += [(each, cause) for each in checks]
            outgoing = await budgets.open_checks(connection, wanted)
            kept = msgspec.json.encode(made)
            if key and not await KEYS.keep(connection, caller, key, digest, kept):
                raise Problem("intake.key_reused", 409, f"The key {key!r} is being used by another request right now.")
            await publish(connection, outgoing)

        await ports.db.transaction(work)
        return made

    async def answered(ids: Sequence[str], *, replayed: bool = False) -> Response[bytes]:
        """The checks once all are decided, or what is known when the time is up: 202, and a later GET tells."""

        async def decided(connection: Connection) -> bool:
            return all(each.outcome != "pending" for each in await budget_store.checks_of(connection, ids))

        done = await wait_until(ports, decided)
        async with ports.db.connection() as connection:
            rows = {each.check_id: each.view() for each in await budget_store.checks_of(connection, ids)}
        content = codec.encode({"items": [rows[check_id] for check_id in ids]})
        headers = {"idempotency-replayed": "true"} if replayed else None
        return Response(content, media_type="application/json", status_code=200 if done else 202, headers=headers)

    @post(
        "/v1/budget-checks",
        opt=permission("budget.write", body=BudgetQuestion),
        summary="Does the budget cover it? One question, or a list",
        status_code=200,
    )
    async def check_budgets(request: Request[Any, Any, Any]) -> Response[bytes]:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem("intake.type_not_supported", 415, "Send application/json.")
        return await checked(request)

    @get("/v1/budget-checks", opt=permission("budget.read"), summary="Budget checks, of one requisition or all")
    async def list_checks(
        request: Request[Any, Any, Any], requisition: str = "", after: str = "", limit: int = 50
    ) -> Page:
        most = max(1, min(limit, 200))
        async with ports.db.connection() as connection:
            found = await budget_store.many(connection, requisition, after, most, companies_of(request))
        return Page([each.view() for each in found], found[-1].check_id if len(found) == most else "")

    @get("/v1/budget-checks/{check_id:str}", opt=permission("budget.read"), summary="What a budget check said")
    async def one_check(request: Request[Any, Any, Any], check_id: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = await budget_store.checks_of(connection, [check_id])
        if not found or not may_see(request, found[0].company_code):
            raise Problem("access.not_found", 404, f"No budget check {check_id}.")
        return found[0].view()

    return [
        *(list_requisitions, one_requisition, list_approvals, one_approval),
        *(check_budgets, list_checks, one_check),
    ]


def begin(after: str, *, newest: bool) -> Place:
    """Where a page begins. Errors: `Problem` for what is no `next` of a page."""
    try:
        return place_of(after, newest=newest)
    except ValueError:
        raise Problem("intake.malformed", 400, "`after` is the `next` of an earlier page, and nothing else.") from None


def _short(value: Requisition) -> dict[str, Any]:
    """What a list says of a requisition beside its columns."""
    return {
        "currency": value.currency,
        "amount": value.amount,
        "requester": value.requester,
        "cost_centre": value.cost_centre,
        "approval": approval_state(value),
    }


def _approval(value: Requisition) -> dict[str, Any]:
    return {
        "approval": approval_state(value),
        "requester": value.requester,
        "approver": value.approver,
        "waits_for": [step.approver for step in value.approvals if step.decision in ("pending", "held")],
        "steps": codec.builtins(value.approvals),
    }


async def _as_of(connection: Connection, found: dict[str, Any]) -> datetime:
    """Up to when a recorded requisition is known to be true: its arrival, or the last answer about it."""
    known: datetime = found["recorded_at"]
    for question in ("requisition_by_number", "approval_status"):
        answer = await budget_store.answered(connection, (found["company_code"], question, found["number"]))
        if answer is not None and not answer[2]:
            known = max(known, answer[0])
    return known


async def _checks(ports: Ports, connection: Connection, question: BudgetQuestion, place: int) -> list[Check]:
    """The checks of one question. Errors: `Problem` for a requisition that is not here or asks no cost centre."""
    now = ports.clock.now()
    day = today(ports, question.company_code)
    if not question.requisition:
        check_id = ports.ids.new("bdg")
        wanted = Wanted(
            company_code=question.company_code,
            cost_centre=question.cost_centre,
            currency=question.currency,
            amount=question.amount,
            on=question.on or day,
        )
        return [new_check(check_id, wanted, stable_id("c", check_id), now)]
    key = (question.company_code, question.requisition)
    rows = await requisition_store.recorded(connection, [key])
    if key not in rows:
        raise Problem(
            "access.not_found", 404, f"No requisition {question.requisition}.", pointer=f"/{place}/requisition"
        )
    value = rows[key].value
    checks = [
        new_check(
            stable_id("bdg", value.company_code, value.number, str(value.version), wanted.cost_centre),
            wanted,
            rows[key].correlation_id,
            now,
            requisition=value.number,
            version=value.version,
        )
        for wanted in wanted_of(value, day)
    ]
    if not checks:
        words = f"Requisition {value.number} names no cost centre, so nobody's budget can be asked."
        raise Problem("budget.not_checked", 409, words, pointer=f"/{place}/requisition")
    return checks


def _questions(body: bytes) -> list[BudgetQuestion]:
    """The question, or the questions, of a body. Errors: `Malformed`, `Problem`."""
    if body[:1000].lstrip()[:1] != b"[":
        return [codec.read_command(body, BudgetQuestion)]
    codec.check_strict(body)
    try:
        items = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem("intake.malformed", 422, f"Not a JSON list: {error}"[:300]) from None
    if not items:
        raise Problem("intake.malformed", 422, "An empty list asks nothing.")
    if len(items) > MOST_CHECKS:
        raise Problem("intake.too_large", 413, f"{len(items)} questions; at most {MOST_CHECKS} are taken at once.")
    return [codec.read_command(bytes(item), BudgetQuestion) for item in items]


def _refuse(ports: Ports, request: Request[Any, Any, Any], question: BudgetQuestion, place: int) -> None:
    """Errors: `Malformed` where a question cannot be meant; `Problem` for a company that the caller may not see."""
    if ports.estate.company(question.company_code) is None or not may_see(request, question.company_code):
        words = f"No company {question.company_code!r} for this caller."
        raise Problem("access.not_found", 404, words[:300], pointer=f"/{place}/company_code")
    if question.requisition:
        return
    if not question.cost_centre or question.amount is None:
        detail = "say a requisition, or a cost centre with currency and amount"
        raise codec.Malformed("intake.malformed", detail, f"/{place}")
    if question.amount < 0:
        raise codec.Malformed("intake.value_out_of_range", "an amount below zero", f"/{place}/amount")
    try:
        check_currency(question.currency)
    except CurrencyInvalid as error:
        raise codec.Malformed(CurrencyInvalid.reason_code, str(error), f"/{place}/currency") from None
