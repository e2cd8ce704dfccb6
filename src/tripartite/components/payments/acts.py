"""What a person or machine asks for over HTTP: each request one transaction, kept under its idempotency key.

A refusal is a value until the transaction is over: what was found out on the way (a payment that had to be stopped) is
recorded although the answer is no.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Request, Response

from tripartite.components.payments import asking, ledger, store
from tripartite.components.payments.building import Refused, names_of
from tripartite.components.payments.desk import Desk
from tripartite.components.payments.settling import settle
from tripartite.components.payments.stopping import after_facts
from tripartite.components.payments.telling import Cause
from tripartite.core import codec
from tripartite.core.ids import digest as digest_of
from tripartite.core.ids import stable_id
from tripartite.runtime.auth import Principal
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.http_app import Problem, body_of, idempotency_key, principal_of

MOST_ITEMS = 1_000
_LARGEST = 4 * 1024 * 1024

Answer = tuple[int, Any]  # status, body
Act = Callable[[Desk, Any], Awaitable[Answer | Refused]]


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold that a person or system places: nothing of this invoice or supplier is paid until it is lifted."""

    company_code: str
    object_kind: str  # invoice, supplier
    object_id: str
    why: str


class Why(msgspec.Struct, frozen=True, kw_only=True):
    why: str


async def perform(
    ports: Ports, request: Request[Any, Any, Any], shape: type[Any], act: Act, *, bulk: bool = False
) -> Response[bytes]:
    """Read the body as `shape` (or, where `bulk`, a list of it), act, answer. Of a list all are done or none.

    Errors: `Problem` for what is refused; `Malformed` for a body that is not what it should be.
    """
    body = await body_of(request, _LARGEST)
    caller, key = principal_of(request).name, idempotency_key(request)
    digest = digest_of(request.method.encode() + request.url.path.encode() + body)
    if key:
        async with ports.db.connection() as connection:
            known = await asking.known_request(connection, caller, key)
        if known is not None:
            return _as_before(known, digest, key)
    items, many = _items(body, shape, bulk=bulk)

    async def work(connection: Connection) -> Answer | Refused:
        cause = Cause(stable_id("req", caller, key or ports.ids.new("req"), digest))
        desk = Desk(ports, connection, cause)
        answers: list[Answer] = []
        for item in items:
            answer = await act(desk, item)
            if isinstance(answer, Refused):
                if len(items) > 1:
                    raise Problem(answer.reason_code, answer.status, answer.words)
                await desk.finish()
                return answer
            answers.append(answer)
        status = max(status for status, _ in answers)
        content = {"items": [content for _, content in answers]} if many else answers[0][1]
        if key:
            response = codec.encode(content)
            if not await asking.keep_request(connection, caller, key, digest, status, response, desk.now):
                raise Problem("intake.key_reused", 409, f"The key {key!r} is being used by another request right now.")
        await desk.finish()
        return status, content

    done = await ports.db.transaction(work)
    if isinstance(done, Refused):
        raise Problem(done.reason_code, done.status, done.words)
    response = codec.encode(done[1])
    return Response(response, media_type="application/json", status_code=done[0])


def _items(body: bytes, shape: type[Any], *, bulk: bool) -> tuple[list[Any], bool]:
    if not bulk or body.lstrip()[:1] != b"[":
        return [codec.read_command(body, shape)], False
    codec.check_strict(body)
    raws = msgspec.json.decode(body, type=list[msgspec.Raw])
    if not 0 < len(raws) <= MOST_ITEMS:
        raise Problem("intake.too_large", 413, f"{len(raws)} items; 1 to {MOST_ITEMS} are taken at once.")
    return [codec.read_command(bytes(raw), shape) for raw in raws], True


def _as_before(known: tuple[str, int, bytes], digest: str, key: str) -> Response[bytes]:
    if known[0] != digest:
        raise Problem("intake.key_reused", 409, f"The key {key!r} already stands for another request.")
    return Response(
        known[2], media_type="application/json", status_code=known[1], headers={"idempotency-replayed": "true"}
    )


async def place(desk: Desk, wanted: Hold, by: Principal) -> Answer | Refused:
    """Place a hold: what has not left is stopped in the same transaction. The same hold again is the same."""
    if wanted.object_kind not in ("invoice", "supplier"):
        return Refused("intake.value_out_of_range", 422, "A hold is of an invoice or of a supplier.")
    if not wanted.why.strip():
        return Refused("document.field_missing", 422, "A hold needs its reason.")
    await store.hold_still(desk.connection, [wanted.company_code], change=True)
    known = await store.known_object(desk.connection, wanted.object_kind, wanted.object_id, wanted.company_code)
    if known is None:
        words = f"{wanted.company_code} owes nothing under {wanted.object_kind} {wanted.object_id}."
        return Refused("access.not_found", 404, words)
    row = {
        "hold_id": stable_id("hld", desk.cause.message_id, wanted.company_code, wanted.object_id, wanted.why),
        "company_code": wanted.company_code,
        "object_kind": wanted.object_kind,
        "object_id": wanted.object_id,
        "why": wanted.why.strip()[:500],
        "placed_by": by.name,
        "placed_at": desk.now,
    }
    if await store.place_hold(desk.connection, row):
        record = {name: row[name] for name in ("object_kind", "object_id", "why", "placed_by")}
        desk.leaf("hold.placed", str(row["hold_id"]), wanted.company_code, known[0], record)
    await _look_again(desk, wanted.object_kind, wanted.object_id)
    return 201, row


async def lift(desk: Desk, hold_id: str, why: str, by: Principal) -> Answer | Refused:
    """Lift a hold, with a reason. Whoever lifts one neither proposes nor releases the payment of what it held."""
    if not why.strip():
        return Refused("document.field_missing", 422, "Lifting a hold needs its reason.")
    found = await store.hold(desk.connection, hold_id, lock=True)
    assert found is not None
    if found["lifted_at"] is not None:
        return Refused("integration.version_stale", 409, f"{hold_id} was lifted by {found['lifted_by']}.")
    company = found["company_code"]
    await store.hold_still(desk.connection, [company], change=True)
    await store.lift_hold(desk.connection, hold_id, by.name, why.strip()[:500], desk.now)
    invoices = await store.invoices_of(desk.connection, found["object_kind"], found["object_id"], company)
    await store.add_acts(
        desk.connection, [(one, name, "exception release") for one in invoices for name in names_of(by)]
    )
    record = {"why": why.strip(), "by": by.name, "person": by.person}
    desk.leaf("hold.lifted", hold_id, company, hold_id, record)
    await _look_again(desk, found["object_kind"], found["object_id"])
    return 200, {**found, "lifted_by": by.name, "lifted_why": why.strip()[:500], "lifted_at": desk.now}


async def reopen(desk: Desk, number: str, why: str, by: Principal) -> Answer | Refused:
    """A person looked at a refused or returned payment (the account was checked): its items may be paid anew."""
    if not why.strip():
        return Refused("document.field_missing", 422, "Say what was found out about the refusal.")
    rows = await ledger.payments(desk.connection, [number])
    await store.hold_still(desk.connection, [rows[0].company_code], change=True)
    row = (await ledger.payments(desk.connection, [number], lock=True))[0]
    if row.state not in ("rejected", "returned"):
        return Refused("integration.version_stale", 409, f"{number} is {row.state}; only what failed is opened again.")
    if row.reopened_at is None:
        row.reopened_by, row.reopened_why, row.reopened_at = by.name, why.strip()[:500], desk.now
        await ledger.update_payments(desk.connection, [row])
        invoices = [item.invoice_id for item in row.payment.items]
        await store.add_acts(
            desk.connection, [(one, name, "exception release") for one in invoices for name in names_of(by)]
        )
        record = {"why": row.reopened_why, "by": by.name, "person": by.person}
        desk.leaf("payment_items.reopened", number, row.company_code, row.correlation_id, record)
        await settle(desk, [row.order_number])
    return 200, {"number": number, "state": row.state, "reopened_by": row.reopened_by, "reopened_at": row.reopened_at}


async def _look_again(desk: Desk, kind: str, object_id: str) -> None:
    if kind == "invoice":
        await after_facts(desk, invoices=[object_id])
    else:
        await after_facts(desk, suppliers=[object_id])
