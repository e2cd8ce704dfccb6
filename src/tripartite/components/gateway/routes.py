"""The way in over HTTP: any document for a connection, our own canonical JSON one or many, webhooks; what became of it.

Nothing is acknowledged before its commit. A write may carry an `Idempotency-Key`: the same key with the same body
answers as before, with another body it is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.gateway import store
from tripartite.components.gateway.archives import opened
from tripartite.components.gateway.checks import check
from tripartite.components.gateway.handlers import correlation, partition_key
from tripartite.components.gateway.intake import Canonical, Document, Door, Refused, Taken
from tripartite.connectors.documents.unpack import packed_as
from tripartite.core import codec
from tripartite.core.events import InvoiceArrived, OrderArrived, ReceiptArrived, SupplierArrived
from tripartite.core.exceptions.reasons import refusals
from tripartite.core.ids import digest as digest_of
from tripartite.core.objects import Invoice, Order, Receipt, Supplier
from tripartite.runtime.bus import Outgoing
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
from tripartite.runtime.protocol import WebhookRefused

KEYS = Keys("gateway")
MOST_ITEMS = 5_000
_PUSH = ("documents", "ap", "warehouse")  # who hands documents over; the others are asked for theirs
_MEDIA = ("application/json", "application/xml", "text/xml", "application/gzip", "application/zip", "application/pdf")


def routes(ports: Ports, door: Door) -> list[HTTPRouteHandler]:
    async def answered(
        request: Request[Any, Any, Any], body: bytes, documents: Callable[[], Sequence[Document]], *, many: bool
    ) -> Response[bytes]:
        """Take documents in under the request's idempotency key, and answer with their receipts."""
        caller, key = principal_of(request).name, idempotency_key(request)
        digest = digest_of(request.method.encode() + request.url.path.encode() + body)
        if key:
            async with ports.db.connection() as connection:
                known = await KEYS.known(connection, caller, key)
            if known is not None:
                return _as_before(known, digest, key, documents)
        batch = documents()
        response = b""

        async def keep(connection: Connection, taken: Sequence[Taken]) -> Sequence[Outgoing]:
            nonlocal response
            response = msgspec.json.encode({"items": taken} if many else taken[0])
            if key and not await KEYS.keep(connection, caller, key, digest, response):
                raise Problem("intake.key_reused", 409, f"The key {key!r} is being used by another request right now.")
            return ()

        if key or many:
            await door.accept(batch, keep)
        else:
            response = msgspec.json.encode(await door.accept_one(batch[0]))
        _raise_refused(batch, response)
        return Response(response, media_type="application/json", status_code=202)

    @post(
        "/v1/intake/{connection:str}", opt=permission("intake.write"), summary="Any document, as it is", status_code=202
    )
    async def intake(request: Request[Any, Any, Any], connection: str) -> Response[bytes]:
        configured = ports.estate.connection(connection)
        if configured is None or configured.role not in _PUSH or not _serves(request, configured.companies):
            raise Problem("access.not_found", 404, f"No connection {connection} takes documents.")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in _MEDIA:
            raise Problem("intake.type_not_supported", 415, f"{media_type or 'no content type'} is not taken here.")
        body = await body_of(request)
        if not body:
            raise Problem("intake.malformed", 422, "The body is empty.")
        # The sender's own id of the document is what it will be told of later; a file name is only for people.
        name = (request.headers.get("x-source-document") or request.headers.get("x-file-name") or "")[:200]
        document = Document(
            connection=connection, content=body, media_type=media_type, caller=principal_of(request).name, name=name
        )
        # Inflating takes a processor for a while: the others of this process go on meanwhile.
        documents = await asyncio.to_thread(opened, document) if packed_as(body) else [document]
        return await answered(request, body, lambda: documents, many=len(documents) > 1)

    def canonical(path: str, kind: str, shape: type[Any]) -> HTTPRouteHandler:
        @post(path, opt=permission(f"{kind}.write", body=shape), summary=f"One {kind}, or a list", status_code=202)
        async def take(request: Request[Any, Any, Any]) -> Response[bytes]:
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                raise Problem("intake.type_not_supported", 415, "Send application/json.")
            body = await body_of(request)
            first = body[:1000].lstrip()[:1]
            if first == b"<" or request.headers.get("content-encoding"):
                raise Problem("intake.type_not_supported", 415, "Send JSON as it is: no XML, not compressed.")
            many = first == b"["
            items = _items(body) if many else [body]
            caller = principal_of(request).name
            return await answered(
                request, body, lambda: [_canonical(request, kind, shape, item, caller) for item in items], many=many
            )

        take.fn.__name__ = f"take_{kind}"
        return take

    @post("/v1/webhooks/{connection:str}", opt=permission("public"), summary="A signed webhook", status_code=202)
    async def webhook(request: Request[Any, Any, Any], connection: str) -> dict[str, Any]:
        client = ports.clients.get(connection)
        body = await body_of(request, 1024 * 1024)
        if client is None:
            raise Problem("access.not_found", 404, "No such webhook.")
        try:
            event = client.verify_webhook(dict(request.headers.items()), body)
        except WebhookRefused as refused:
            # Kept by digest, so that a forgery can be looked at; nothing of it is believed.
            await door.accept_one(
                Document(
                    connection=connection,
                    content=body,
                    media_type="application/json",
                    caller="webhook",
                    refused=Refused(refused.reason_code, str(refused), disposition="quarantined"),
                )
            )
            raise Problem(refused.reason_code, 401, str(refused)) from None

        async def note(tx: Connection, _: Sequence[Taken]) -> Sequence[Outgoing]:
            if not await store.seen_event(tx, connection, event.event_id):
                await store.add_fetches(tx, connection, [(event.kind, event.key, event.version)], ports.clock.now())
            return ()

        await door.accept([], note)
        return {"accepted": event.event_id}

    @get("/v1/intake", opt=permission("intake.read"), summary="What came in, and what became of it")
    async def intakes(request: Request[Any, Any, Any], disposition: str = "", limit: int = 50) -> Page:
        most = max(1, min(limit, 200))
        async with ports.db.connection() as connection:
            return Page(await store.recent_intakes(connection, disposition, most, _sight(request)))

    @get("/v1/intake/{intake_id:str}", opt=permission("intake.read"), summary="What became of one document")
    async def one_intake(request: Request[Any, Any, Any], intake_id: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = await store.intake(connection, intake_id, _sight(request))
        if found is None:
            raise Problem("access.not_found", 404, f"No intake {intake_id}.")
        return found

    @get("/v1/streams", opt=permission("estate.read"), summary="How far each stream of each connection was read")
    async def list_streams() -> Page:
        async with ports.db.connection() as connection:
            return Page(await store.streams(connection))

    @get("/v1/raw/{digest:str}", opt=permission("raw.read"), summary="The bytes as received, by digest")
    async def raw(request: Request[Any, Any, Any], digest: str) -> Response[bytes]:
        async with ports.db.connection() as connection:
            seen = await store.is_seen(connection, digest, _sight(request))
            found = await store.contents(connection, [digest]) if seen else {}
        if digest not in found:
            raise Problem("access.not_found", 404, f"No bytes {digest}.")
        headers = {"content-disposition": f'attachment; filename="{digest[:16]}"', "x-content-type-options": "nosniff"}
        return Response(found[digest], media_type="application/octet-stream", headers=headers)

    return [
        intake,
        canonical("/v1/invoices", "invoice", Invoice),
        canonical("/v1/purchase-orders", "order", Order),
        canonical("/v1/receipts", "receipt", Receipt),
        canonical("/v1/suppliers", "supplier", Supplier),
        webhook,
        intakes,
        one_intake,
        list_streams,
        raw,
    ]


def _sight(request: Request[Any, Any, Any]) -> store.Sight:
    return store.Sight(companies_of(request), principal_of(request).name)


def _serves(request: Request[Any, Any, Any], companies: Sequence[str]) -> bool:
    """A caller bound to companies may bring documents for connections of these companies only."""
    mine = principal_of(request).companies
    return mine is None or set(companies) <= mine


def _as_before(
    known: tuple[str, bytes], digest: str, key: str, documents: Callable[[], Sequence[Document]]
) -> Response[bytes]:
    if known[0] != digest:
        raise Problem("intake.key_reused", 409, f"The key {key!r} already stands for another request.")
    _raise_refused(documents(), known[1])
    return Response(known[1], media_type="application/json", status_code=202, headers={"idempotency-replayed": "true"})


def _raise_refused(documents: Sequence[Document], response: bytes) -> None:
    """A single document that goes no further is a problem and not a receipt; its bytes are kept all the same."""
    refused = documents[0].refused if len(documents) == 1 else None
    if refused is None:
        return
    known = refusals().get(refused.reason_code)  # a code that is none speaks of the content: 422
    status = known.status if known is not None and known.status != "none" else 422
    taken = msgspec.json.decode(response)
    intake_id = taken["intake_id"] if "intake_id" in taken else taken["items"][0]["intake_id"]
    detail = f"{refused.detail.rstrip('.')}. Kept as {intake_id}."
    raise Problem(refused.reason_code, status, detail, pointer=refused.pointer)


def _items(body: bytes) -> list[bytes]:
    """The items of a bulk body, each by its own bytes."""
    try:
        items = msgspec.json.decode(body, type=list[msgspec.Raw])
    except RecursionError:
        raise Problem("intake.too_large", 413, "Nested too deep.") from None
    except msgspec.DecodeError as error:
        raise Problem("intake.malformed", 422, f"Not a JSON list: {error}"[:300]) from None
    if len(items) > MOST_ITEMS:
        raise Problem("intake.too_large", 413, f"{len(items)} items; at most {MOST_ITEMS} are taken at once.")
    return [bytes(item) for item in items]


def _canonical(request: Request[Any, Any, Any], kind: str, shape: type[Any], body: bytes, caller: str) -> Document:
    """One item of our own API, read and checked; what is wrong with it concerns it alone."""
    canonical: Canonical | None = None
    refused: Refused | None = None
    try:
        value, written = codec.read_canonical(body, shape)
        _check(request, value)
        company = getattr(value, "company_code", "") or "*"
        canonical = Canonical(
            kind=kind,
            key=value.number,
            company_code=company,
            partition_key=partition_key(value),
            correlation_id=correlation(value, company, digest_of(body)),
            event=_event_of(value, msgspec.Raw(written), _person(request)),
        )
    except codec.Malformed as error:
        refused = Refused(error.reason_code, error.detail, error.pointer)
    return Document(
        connection="api",
        content=body,
        media_type="application/json",
        caller=caller,
        kind=kind,
        canonical=canonical,
        refused=refused,
    )


def _check(request: Request[Any, Any, Any], value: Any) -> None:
    check(value)
    if isinstance(value, Supplier):
        mine = principal_of(request).companies
        if mine is not None and (not value.company_codes or not set(value.company_codes) <= mine):
            words = "a caller of some companies brings suppliers of these companies only"
            raise codec.Malformed("access.not_found", words, "/company_codes")
    if not isinstance(value, Supplier) and (not value.company_code or not may_see(request, value.company_code)):
        raise codec.Malformed("access.not_found", f"no company {value.company_code!r} for this caller", "/company_code")


def _person(request: Request[Any, Any, Any]) -> str:
    """The human being who brings a document in their own name; empty for a system."""
    principal = principal_of(request)
    return (principal.person or principal.name) if principal.kind == "person" else ""


def _event_of(value: Any, written: Any, person: str) -> Callable[[str, str], bytes]:
    """The event of a document that came; `written`: its canonical bytes, which need not be written again."""
    match value:
        case Invoice():
            return lambda intake_id, digest: codec.encode(
                InvoiceArrived(written, intake_id, digest, "api", entered_by=person)
            )
        case Order():
            return lambda intake_id, _: codec.encode(OrderArrived(written, intake_id))
        case Receipt():
            return lambda intake_id, _: codec.encode(ReceiptArrived(written, intake_id))
        case _:
            return lambda intake_id, _: codec.encode(SupplierArrived(written, intake_id))


__all__ = ["routes"]
