"""Tax quotes over HTTP: one question or a list of them, and what became of each.

A company whose tax is reckoned by our own tables has its quote in the answer. Where a tax connection is asked the
answer says `asked`, and the quote is to be had under its number a moment later. Nothing is kept at the engine.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.invoices import quote_store
from tripartite.components.invoices.deciding import Decider
from tripartite.components.invoices.quoting import Quoting
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import QuoteTax
from tripartite.core.ids import digest, stable_id
from tripartite.core.money import CurrencyInvalid, check_currency, minor_digits
from tripartite.core.objects import TaxQuestion
from tripartite.core.tax import question_number
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

MOST_ITEMS = 1_000
MOST_LINES = 10_000

KEYS = Keys("invoices")


class _Item(msgspec.Struct, frozen=True):
    """One question of a request, or why it is none."""

    question: TaxQuestion | None = None
    refused: codec.Malformed | None = None


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    quoting = Quoting(ports, Decider(ports))

    @post("/v1/tax-quotes", opt=permission("tax.write"), summary="A tax quote, or a list of them", status_code=202)
    async def ask_tax_quotes(request: Request[Any, Any, Any]) -> Response[bytes]:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem("intake.type_not_supported", 415, "Send application/json.")
        body = await body_of(request)
        caller, key = principal_of(request).name, idempotency_key(request)
        wanted = digest(request.method.encode() + request.url.path.encode() + body)
        many = body[:1000].lstrip()[:1] == b"["
        items = [_item(request, ports, each) for each in (_bodies(body) if many else [body])]
        if not many and items[0].refused is not None:
            raise items[0].refused

        async def work(connection: Connection) -> tuple[bytes, bool]:
            if key and (known := await KEYS.known(connection, caller, key)) is not None:
                if known[0] != wanted:
                    raise Problem("intake.key_reused", 409, f"The key {key!r} already stands for another request.")
                return known[1], True
            outgoing = await quoting.put(
                connection, [_command(ports, each.question) for each in items if each.question]
            )
            response = await _answers(connection, items, many=many)
            if key and not await KEYS.keep(connection, caller, key, wanted, response):
                raise Problem("intake.key_reused", 409, f"The key {key!r} is being used by another request right now.")
            await publish(connection, outgoing)
            return response, False

        response, replayed = await ports.db.transaction(work)
        headers = {"idempotency-replayed": "true"} if replayed else {}
        return Response(response, media_type="application/json", status_code=202, headers=headers)

    @get("/v1/tax-quotes", opt=permission("tax.read"), summary="Tax questions, the newest first")
    async def list_tax_quotes(
        request: Request[Any, Any, Any], invoice: str = "", after: str = "", limit: int = 50
    ) -> Page:
        most = max(1, min(limit, 200))
        async with ports.db.connection() as connection:
            found = await quote_store.listed(
                connection, invoice_id=invoice, after=_cursor(after), limit=most, mine=companies_of(request)
            )
        following = f"{found[-1]['asked_at'].isoformat()}/{found[-1]['number']}" if len(found) == most else ""
        return Page(found, following)

    @get("/v1/tax-quotes/{number:str}", opt=permission("tax.read"), summary="One tax question and its quote")
    async def one_tax_quote(request: Request[Any, Any, Any], number: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            asked = (await quote_store.questions(connection, [number])).get(number)
            if asked is None or not may_see(request, asked.company_code):
                raise Problem("access.not_found", 404, f"No tax question {number}.")
            stored = (await quote_store.quotes(connection, [number])).get(number)
            waiting = await quote_store.waiting(connection, [number])
        return {
            **_view(asked, stored),
            "question": codec.builtins(asked.question),
            "invoices": [invoice_id for invoice_id, company, _ in waiting if may_see(request, company)],
            "asked_at": asked.asked_at,
            "as_of": ports.clock.now().isoformat(),
        }

    return [ask_tax_quotes, list_tax_quotes, one_tax_quote]


def _view(asked: quote_store.Asked, stored: quote_store.Stored | None) -> dict[str, Any]:
    state = "failed" if asked.failed else "asked" if asked.open else "quoted"
    return {
        "number": asked.number,
        "company_code": asked.company_code,
        "state": state,
        "engine": asked.engine,
        "failed": asked.failed,
        "quote": codec.builtins(stored.quote) if stored is not None else None,
        "quoted_as_of": stored.as_of.isoformat() if stored is not None else None,
        "intake_id": stored.intake_id if stored is not None else "",
    }


async def _answers(connection: Connection, items: list[_Item], *, many: bool) -> bytes:
    numbers = [question_number(each.question) for each in items if each.question is not None]
    asked = await quote_store.questions(connection, numbers)
    stored = await quote_store.quotes(connection, numbers)
    told: list[dict[str, Any]] = []
    for each in items:
        if each.question is not None:
            number = question_number(each.question)
            told.append(_view(asked[number], stored.get(number)))
        else:
            assert each.refused is not None
            refused = each.refused
            words = {"reason_code": refused.reason_code, "detail": refused.detail, "pointer": refused.pointer}
            told.append({"state": "refused", **words})
    return codec.encode({"items": told} if many else told[0])


def _command(ports: Ports, question: TaxQuestion) -> tuple[Message, QuoteTax]:
    number = question_number(question)
    message = Message(
        message_id=ports.ids.new("msg"),
        type="tripartite.tax_quote.seek.v1",
        company_code=question.company_code,
        key=number,
        correlation_id=stable_id("c", number),
        occurred_at=ports.clock.now(),
        payload=b"",
    )
    return message, QuoteTax(number, question)


def _bodies(body: bytes) -> list[bytes]:
    codec.check_strict(body)
    found = [bytes(each) for each in msgspec.json.decode(body, type=list[msgspec.Raw])]
    if len(found) > MOST_ITEMS:
        raise Problem("intake.too_large", 413, f"{len(found)} items; at most {MOST_ITEMS} are taken at once.")
    return found


def _item(request: Request[Any, Any, Any], ports: Ports, body: bytes) -> _Item:
    """One question, read and checked; what is wrong with it concerns it alone."""
    try:
        question = codec.read_command(body, TaxQuestion)
        _check(question)
        if ports.estate.company(question.company_code) is None or not may_see(request, question.company_code):
            words = f"no company {question.company_code!r} for this caller"
            raise codec.Malformed("access.not_found", words, "/company_code")
    except codec.Malformed as error:
        return _Item(refused=error)
    return _Item(question)


def _check(question: TaxQuestion) -> None:
    """Refuse what is well formed and cannot be meant. Errors: `codec.Malformed` with its pointer."""
    try:
        unit = Decimal(1).scaleb(-minor_digits(check_currency(question.currency)))
    except CurrencyInvalid as error:
        raise codec.Malformed(error.reason_code, str(error), "/currency") from None
    if not 1 <= len(question.lines) <= MOST_LINES:
        raise codec.Malformed("intake.value_out_of_range", f"1 to {MOST_LINES} lines", "/lines")
    seen: set[int] = set()
    for place, line in enumerate(question.lines):
        if line.amount % unit:
            words = f"amount {line.amount} is finer than {question.currency} allows"
            raise codec.Malformed("intake.amount_invalid", words, f"/lines/{place}/amount")
        if line.line in seen or not 0 < line.line <= 1_000_000:
            words = f"line {line.line} stands twice, or is no line number"
            raise codec.Malformed("intake.value_out_of_range", words, f"/lines/{place}/line")
        seen.add(line.line)


def _cursor(after: str) -> tuple[datetime, str] | None:
    """Where a page begins: the `next` of the page before. Errors: `Problem` for anything else."""
    at, _, last = after.rpartition("/")
    try:
        return (datetime.fromisoformat(at), last) if after else None
    except ValueError:
        raise Problem("intake.malformed", 400, "`after` is the `next` of an earlier page, and nothing else.") from None
