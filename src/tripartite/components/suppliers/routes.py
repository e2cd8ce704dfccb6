"""Questions about suppliers, and the acts of people on them.

One, many, whether one may be traded with and paid; its bank changes with their confirmations; its suspensions. An
account is shown by country and last four, here and everywhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.suppliers import reading, store
from tripartite.components.suppliers.acts import Acts
from tripartite.components.suppliers.telling import change_view
from tripartite.core import codec
from tripartite.core.ids import digest
from tripartite.core.objects import Supplier
from tripartite.core.suppliers.banking import CallBack
from tripartite.core.suppliers.eligibility import Suspension
from tripartite.core.suppliers.ownership import masked
from tripartite.runtime.auth import Session, verify_session
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.http_app import (
    SESSION_COOKIE,
    Page,
    Problem,
    body_of,
    companies_of,
    idempotency_key,
    permission,
    principal_of,
)
from tripartite.runtime.keys import Keys

MOST_ASKED = 1_000
MOST_BODY = 256 * 1024
Web = Request[Any, Any, Any]

KEYS = Keys("suppliers")


class AskedFor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bulk validation: our ids or the owners' numbers."""

    suppliers: tuple[str, ...]


class Confirms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person's yes to an account, with the call where this person made it."""

    call: CallBack | None = None
    note: str = ""


class Because(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    why: str


class Suspends(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stop of payments: the reason code, the document it is about, the words."""

    reason_code: str
    why: str
    object_id: str = ""


def public(supplier: Supplier) -> dict[str, Any]:
    """A supplier as others may see it: accounts by country and last four only."""
    return {
        "supplier_id": supplier.supplier_id,
        "number": supplier.number,
        "name": supplier.name,
        "status": supplier.status,
        "version": supplier.version,
        "tax_id": supplier.tax_id,
        "payment_terms": supplier.payment_terms,
        "company_codes": list(supplier.company_codes),
        "names_elsewhere": supplier.names_elsewhere,
        "accounts": [masked(account.account) for account in supplier.accounts],
    }


def suspension_view(suspension: Suspension) -> dict[str, Any]:
    return {**codec.builtins(suspension), "stands": suspension.stands}


def _answer(asked: str, rows: list[tuple[str, bytes]], as_of: bytes) -> bytes:
    """The answer that was made when the supplier was decided, with the time of asking."""
    if len(rows) == 1 and rows[0][1]:
        return b'{"as_of":"' + as_of + b'",' + rows[0][1][1:]
    code, words = "supplier.unknown", "No supplier has this id or number."
    if len(rows) > 1:
        code, words = "supplier.duplicate", f"{len(rows)} suppliers have this number; ask by id."
    return msgspec.json.encode(
        {
            "as_of": as_of.decode(),
            "supplier_id": asked,
            "known": False,
            "valid": False,
            "status": "",
            "eligibility": "suspended",
            "findings": [{"code": code, "pointer": "", "words": words}],
            "reasons": [{"code": code, "words": words}],
        }
    )


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    acts = Acts(ports)

    def now() -> bytes:
        return ports.clock.now().isoformat().encode()

    async def just_proved(request: Web) -> None:
        """Who acts gave their password within the last minutes, and means it: no form of another site can send JSON."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem("intake.type_not_supported", 415, "Send application/json.")

        async def proved(connection: Connection) -> Session | None:
            return await verify_session(connection, request.cookies.get(SESSION_COOKIE, ""))

        # Sessions belong to no company: they are asked for as ourselves, not as the caller.
        session = await ports.db.transaction(proved)
        if session is None or not session.stepped_up:
            raise Problem(
                "access.not_permitted",
                403,
                "This act asks for your password once more.",
                next_action="Give your password again, then repeat the act.",
            )

    async def seen(connection: Connection, request: Web, supplier_id: str) -> reading.Asked:
        found = await reading.supplier(connection, supplier_id, companies_of(request))
        if found is None:
            raise Problem("access.not_found", 404, f"No supplier {supplier_id}.")
        return found

    @get("/v1/suppliers", opt=permission("supplier.read"), summary="Suppliers, by id or by name")
    async def list_suppliers(
        request: Web, ids: str = "", q: str = "", by: str = "id", after: str = "", limit: int = 50
    ) -> Page:
        if by not in reading.ORDERS:
            raise Problem("intake.malformed", 400, f"`by` is one of {', '.join(reading.ORDERS)}.")
        most = max(1, min(limit, 200))
        wanted = reading.Wanted(tuple(each for each in ids.split(",") if each)[:200], q, by)
        async with ports.db.connection() as connection:
            found = await reading.suppliers(connection, wanted, after, most, companies_of(request))
        return Page(
            [{**public(each), "eligibility": eligibility} for each, eligibility in found],
            found[-1][0].supplier_id if len(found) == most and not wanted.ids else "",
        )

    @get("/v1/suppliers/{supplier_id:str}", opt=permission("supplier.read"), summary="One supplier")
    async def one_supplier(request: Web, supplier_id: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = await seen(connection, request, supplier_id)
            stops = await store.suspensions(connection, [found.value.supplier_id])
            more = await reading.beside(connection, found.value.supplier_id, companies_of(request))
        return {
            **public(found.value),
            **more,
            "eligibility": found.eligibility,
            "suspensions": [suspension_view(each) for each in stops.get(found.value.supplier_id, [])],
        }

    @get(
        "/v1/suppliers/{supplier_id:str}/validation",
        opt=permission("supplier.read"),
        summary="May this supplier be traded with and paid",
    )
    async def validate(request: Web, supplier_id: str) -> Response[bytes]:
        async with ports.db.connection() as connection:
            found = await reading.answers(connection, [supplier_id], companies_of(request))
        return Response(_answer(supplier_id, found.get(supplier_id, []), now()), media_type="application/json")

    @post(
        "/v1/supplier-validations",
        opt=permission("supplier.read"),
        summary="The same for many suppliers at once",
        status_code=200,
    )
    async def validate_many(request: Web) -> Response[bytes]:
        body = await body_of(request, MOST_BODY)
        asked = codec.read_command(body, AskedFor).suppliers
        if not 0 < len(asked) <= MOST_ASKED:
            raise Problem("intake.too_large", 413, f"{len(asked)} suppliers; between 1 and {MOST_ASKED} are taken.")

        async def work(connection: Connection) -> bytes:
            found = await reading.answers(connection, asked, companies_of(request))
            at = now()
            items = b",".join(_answer(each, found.get(each, []), at) for each in asked)
            return b'{"items":[' + items + b"]}"

        return await once(request, body, work)

    @get(
        "/v1/suppliers/{supplier_id:str}/bank-changes",
        opt=permission("supplier.read"),
        summary="A supplier's bank accounts through time",
    )
    async def bank_changes(
        request: Web, supplier_id: str, in_force_at: datetime | None = None, known_at: datetime | None = None
    ) -> Page:
        async with ports.db.connection() as connection:
            found = await seen(connection, request, supplier_id)
            history = await store.bank_history(connection, found.value.supplier_id, in_force_at, known_at)
        return Page([change_view(each) for each in history])

    @post(
        "/v1/suppliers/{supplier_id:str}/bank-changes/{change_id:str}/confirmations",
        opt=permission("bank.confirm"),
        summary="One person's confirmation of an account, with the call",
        status_code=200,
    )
    async def confirm(request: Web, supplier_id: str, change_id: str) -> Response[bytes]:
        await just_proved(request)
        said = codec.read_command(await body_of(request, MOST_BODY), Confirms)
        after = await acts.confirm(
            principal_of(request), supplier_id, change_id, said.call, said.note, companies_of(request)
        )
        return _json(change_view(after))

    @post(
        "/v1/suppliers/{supplier_id:str}/bank-changes/{change_id:str}/refusals",
        opt=permission("bank.confirm"),
        summary="An account is not to be used",
        status_code=200,
    )
    async def refuse(request: Web, supplier_id: str, change_id: str) -> Response[bytes]:
        await just_proved(request)
        said = codec.read_command(await body_of(request, MOST_BODY), Because)
        after = await acts.refuse(principal_of(request), supplier_id, change_id, said.why, companies_of(request))
        return _json(change_view(after))

    @post(
        "/v1/suppliers/{supplier_id:str}/suspensions",
        opt=permission("supplier.suspend"),
        summary="Stop payments to a supplier",
        status_code=200,
    )
    async def suspend(request: Web, supplier_id: str) -> Response[bytes]:
        said = codec.read_command(await body_of(request, MOST_BODY), Suspends)
        async with ports.db.connection() as connection:
            found = await seen(connection, request, supplier_id)
        made = await acts.suspend(
            principal_of(request), found.value.supplier_id, said.reason_code, said.object_id, said.why
        )
        return _json(suspension_view(made))

    @post(
        "/v1/suppliers/{supplier_id:str}/suspensions/{suspension_id:str}/restorations",
        opt=permission("supplier.restore"),
        summary="Allow payments again",
        status_code=200,
    )
    async def restore(request: Web, supplier_id: str, suspension_id: str) -> Response[bytes]:
        await just_proved(request)
        said = codec.read_command(await body_of(request, MOST_BODY), Because)
        async with ports.db.connection() as connection:
            found = await seen(connection, request, supplier_id)
        after = await acts.restore(principal_of(request), found.value.supplier_id, suspension_id, said.why)
        return _json(suspension_view(after))

    async def once(request: Web, body: bytes, work: Any) -> Response[bytes]:
        """Answer under the request's idempotency key: the same key with the same body answers as before."""
        key = idempotency_key(request)
        if not key:
            async with ports.db.connection() as connection:
                return Response(await work(connection), media_type="application/json")
        caller, hashed = principal_of(request).name, digest(request.url.path.encode() + body)

        async def keep(connection: Connection) -> tuple[bytes, bool]:
            known = await KEYS.known(connection, caller, key)
            if known is None:
                answer = await work(connection)
                if await KEYS.keep(connection, caller, key, hashed, answer):
                    return answer, False
                known = await KEYS.known(connection, caller, key)
                assert known is not None
            if known[0] != hashed:
                raise Problem("intake.key_reused", 409, f"The key {key!r} already stands for another request.")
            return known[1], True

        answer, replayed = await ports.db.transaction(keep)
        headers = {"idempotency-replayed": "true"} if replayed else {}
        return Response(answer, media_type="application/json", headers=headers)

    return [
        list_suppliers,
        one_supplier,
        validate,
        validate_many,
        bank_changes,
        confirm,
        refuse,
        suspend,
        restore,
    ]


def _json(value: dict[str, Any]) -> Response[bytes]:
    return Response(msgspec.json.encode(value), media_type="application/json")


__all__ = ["public", "routes"]
