"""From received bytes to canonical objects: read outside the transaction, mapped and published inside it.

    on_received     the vendor's words become ours; each intake gets its disposition
    on_suppliers    the cross-references that mapping needs
    on_dispositions the owner's last word on an intake (duplicate, stale, ...)

A document that cannot be read is set aside with its reason and the place; its neighbours go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tripartite.components.gateway import names as naming
from tripartite.components.gateway import store
from tripartite.components.gateway.trusting import trust_of
from tripartite.connectors import registry
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.estate import Connection as Configured
from tripartite.core.events import (
    CANONICAL,
    RECEIVED,
    Ask,
    BankStatementArrived,
    BudgetArrived,
    Disposed,
    InvoiceArrived,
    OrderArrived,
    PaymentReportArrived,
    ReceiptArrived,
    Received,
    RequisitionArrived,
    SupplierArrived,
    SupplierRecorded,
    TaxQuoteArrived,
)
from tripartite.core.exceptions import refusals
from tripartite.core.findings import Finding
from tripartite.core.ids import correlation_of, stable_id
from tripartite.core.mapping.documents import map_invoice, map_order, map_receipt
from tripartite.core.mapping.xrefs import XrefKey, Xrefs, keys_of, keys_of_supplier
from tripartite.core.objects import (
    BankStatement,
    Budget,
    Invoice,
    Order,
    PaymentReport,
    Receipt,
    Requisition,
    Supplier,
    TaxQuote,
)
from tripartite.runtime.bus import Batch, Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.protocol import Canonical, Raw, ReadResult, Unreadable

KINDS: Mapping[str, type[Any]] = {
    "invoice": Invoice,
    "order": Order,
    "receipt": Receipt,
    "requisition": Requisition,
    "supplier": Supplier,
    "payment_report": PaymentReport,
    "bank_statement": BankStatement,
    "tax_quote": TaxQuote,
    "budget": Budget,
}


class WasRead(msgspec.Struct, frozen=True):
    """A document that became canonical, not yet mapped."""

    kind: str
    value: Canonical
    format: str = ""
    dropped: tuple[str, ...] = ()


class Gateway:
    """The gateway's handlers, with their ports."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def read(self, batch: Batch) -> list[WasRead | Unreadable]:
        """Read the documents of a batch: untrusted formats in sub-processes, a vendor's own words here."""
        received = [codec.decode_own(message.payload, Received) for message in batch.messages]
        async with self._ports.db.connection() as connection:
            bytes_of = await store.contents(connection, [each.digest for each in received])
        trusts = {
            each.connection: trust_of(self._ports.estate, each.connection, self._ports.clock.now()) for each in received
        }
        raws = [
            Raw(bytes_of[each.digest], each.media_type, each.connection, trusts[each.connection]) for each in received
        ]
        results: list[WasRead | Unreadable] = [Unreadable("intake.type_not_supported", "", "")] * len(raws)
        untrusted: list[int] = []
        for place, (each, raw) in enumerate(zip(received, raws, strict=True)):
            configured = self._ports.estate.connection(each.connection)
            if configured is None:
                results[place] = Unreadable("integration.mapping_missing", "", f"no connection {each.connection!r}")
            elif configured.kind == "documents" or not each.kind:
                untrusted.append(place)  # handed over as it is: its own format says what it is
            else:
                results[place] = _read_vendor(configured, each.kind, raw)
        if untrusted:
            assert self._ports.parser is not None
            answers = await self._ports.parser.read_many([("", raws[place]) for place in untrusted])
            for place, answer in zip(untrusted, answers, strict=True):
                if isinstance(answer, Unreadable):
                    results[place] = answer
                else:
                    head = answer.head
                    value = codec.decode_own(answer.payload, KINDS[head.kind])
                    results[place] = WasRead(head.kind, value, head.format or head.kind, head.dropped)
        return results

    async def on_received(self, connection: Connection, batch: Batch) -> None:
        """Map what was read, publish it as canonical, say what became of each intake."""
        received = [codec.decode_own(message.payload, Received) for message in batch.messages]
        results: list[WasRead | Unreadable] = batch.prepared
        keys = {
            key
            for each, result in zip(received, results, strict=True)
            if isinstance(result, WasRead) and isinstance(result.value, Invoice | Order | Receipt)
            for key in keys_of(result.value, each.connection)
        }
        known = await naming.xrefs(connection, keys)
        pairs = list(zip(received, results, strict=True))
        ours = [self._map(r.value, known, each.connection) if isinstance(r, WasRead) else None for each, r in pairs]
        unnamed: list[tuple[XrefKey, str, bytes]] = []
        if strange := [place for place, pair in enumerate(ours) if pair and _has_no_supplier(pair[0])]:
            # Once more with the names held still: a supplier that comes now is seen here, or sees the rows below.
            await naming.hold_names(connection, change=False)
            known = await naming.xrefs(connection, keys)
            for place in strange:
                each, result = pairs[place]
                assert isinstance(result, WasRead)
                ours[place] = again = self._map(result.value, known, each.connection)
                if _has_no_supplier(again[0]):
                    waiting = codec.encode(batch.messages[place])
                    unnamed.extend((key, each.intake_id, waiting) for key in _names_of(result.value, each.connection))
        dispositions, outgoing = [], []
        for message, each, result, mapping in zip(batch.messages, received, results, ours, strict=True):
            if isinstance(result, Unreadable):
                dispositions.append(_unreadable(each, result))
                continue
            assert mapping is not None
            mapped = self._mapped(each, result, *mapping)
            dispositions.append(mapped.disposition)
            if mapped.outgoing is not None:
                outgoing.append(self._message(message, mapped))
        await store.dispose(connection, dispositions)
        if unnamed:
            await naming.add_unnamed(connection, unnamed)
        await publish(connection, outgoing)

    def _mapped(self, received: Received, result: WasRead, value: Canonical, findings: tuple[Finding, ...]) -> Mapped:
        number = value.number
        company = getattr(value, "company_code", "")
        if isinstance(value, Invoice | Order | Receipt) and not company:
            # No company: nobody here may decide on it. It waits for the mapping, under its bytes.
            missing = next(f for f in findings if f.code == "integration.mapping_missing")
            return Mapped(
                store.Disposition(
                    intake_id=received.intake_id,
                    disposition="quarantined",
                    reason_code="integration.mapping_missing",
                    pointer="/buyer",
                    detail=missing.words,
                    format=result.format,
                    object_kind=result.kind,
                    object_key=number,
                    dropped=result.dropped,
                ),
                None,
                "",
                "",
                "",
            )
        shared = correlation(value, company, received.intake_id)
        configured = self._ports.estate.connection(received.connection)
        # The channel's own id of a document: what a pull brought it under, or what an AP suite handed it over with.
        source = received.name if received.kind or (configured is not None and configured.role == "ap") else ""
        return Mapped(
            store.Disposition(
                intake_id=received.intake_id,
                disposition="applied",
                format=result.format,
                object_kind=result.kind,
                object_key=number,
                company_code=company,
                correlation_id=shared,
                dropped=result.dropped,
            ),
            _event(value, received, source, findings),
            result.kind,
            partition_key(value),
            shared,
            company or "*",
        )

    def _map(self, value: Canonical, known: Xrefs, connection: str) -> tuple[Canonical, tuple[Finding, ...]]:
        estate = self._ports.estate
        match value:
            case Invoice():
                return map_invoice(value, known, estate, connection=connection)
            case Order():
                return map_order(value, known, estate, connection=connection)
            case Receipt():
                return map_receipt(value, known, estate, connection=connection)
            case _:
                return value, ()

    def _message(self, message: Message, mapped: Mapped) -> Outgoing:
        assert mapped.outgoing is not None
        return Outgoing(
            CANONICAL[mapped.kind],
            Message(
                message_id=_canonical_id(message, mapped),
                type=f"tripartite.{mapped.kind}.received.v1",
                company_code=mapped.company_code,
                key=mapped.partition_key,
                correlation_id=mapped.correlation_id,
                occurred_at=self._ports.clock.now(),
                payload=mapped.outgoing,
                causation_id=message.message_id,
                source=message.source,
                trace_id=message.trace_id,
            ),
        )

    async def on_suppliers(self, connection: Connection, batch: Batch) -> None:
        """Keep the names of suppliers for mapping; documents that waited for one of them are read again."""
        names: dict[str, frozenset[tuple[str, str, str]]] = {}
        for message in batch.messages:
            recorded = codec.decode_own(message.payload, SupplierRecorded)
            gone = bool(recorded.replaced_by)
            names[recorded.value.supplier_id] = (
                frozenset() if gone else keys_of_supplier(recorded.value, message.source)
            )
        await naming.hold_names(connection, change=True)
        await naming.name_suppliers(connection, names)
        cause = batch.messages[-1]
        again = await naming.named_now(connection, {key for keys in names.values() for key in keys})
        await publish(
            connection,
            [
                Outgoing(
                    RECEIVED,
                    msgspec.structs.replace(
                        message := codec.decode_own(again[intake_id], Message),
                        message_id=stable_id("msg", message.message_id, cause.message_id),
                        causation_id=cause.message_id,
                    ),
                )
                for intake_id in sorted(again)
            ],
        )

    async def on_asks(self, connection: Connection, batch: Batch) -> None:
        """Owe the questions of the others; one pending per question and reference."""
        rows = {}
        for message in batch.messages:
            ask = codec.decode_own(message.payload, Ask)
            rows[ask.company_code, ask.question, ask.reference] = (
                *(ask.company_code, ask.question, ask.reference),
                *(message.payload, message.correlation_id, message.message_id),
            )
        await store.add_asks(connection, [rows[key] for key in sorted(rows)], self._ports.clock.now())

    async def on_dispositions(self, connection: Connection, batch: Batch) -> None:
        """The owner's last word on an intake."""
        told = [codec.decode_own(message.payload, Disposed) for message in batch.messages]
        await store.correct(
            connection, [(each.intake_id, each.disposition, each.reason_code, each.detail) for each in told]
        )


class Mapped(msgspec.Struct, frozen=True):
    disposition: store.Disposition
    outgoing: bytes | None
    kind: str
    partition_key: str
    correlation_id: str
    company_code: str = ""


def _has_no_supplier(value: Canonical) -> bool:
    return isinstance(value, Invoice | Order) and not value.supplier_id


def _names_of(value: Canonical, connection: str) -> list[XrefKey]:
    """The names under which a document's supplier may come to be known."""
    assert isinstance(value, Invoice | Order | Receipt)
    return sorted(key for key in keys_of(value, connection) if key[0].startswith("supplier"))


def _canonical_id(message: Message, mapped: Mapped) -> str:
    """The id of a canonical message: one an intake, and another one where the intake was read again for a reason."""
    intake_id = mapped.disposition.intake_id
    again = (message.causation_id,) if message.causation_id not in ("", intake_id) else ()
    return stable_id("msg", CANONICAL[mapped.kind], intake_id, *again)


def _read_vendor(configured: Configured, kind: str, raw: Raw) -> WasRead | Unreadable:
    reader = registry.readers(configured.kind, configured.settings).get(kind)
    if reader is None:
        return Unreadable("intake.type_not_supported", "", f"{configured.kind} has no {kind!r}")
    result = reader(raw)
    if isinstance(result, ReadResult):
        return WasRead(result.kind, result.value, configured.kind, result.dropped)
    return result


def _unreadable(received: Received, result: Unreadable) -> store.Disposition:
    return store.Disposition(
        intake_id=received.intake_id,
        disposition=refused_as(result.reason_code),
        reason_code=result.reason_code,
        # Nothing smaller to blame, or only what it was taken for: the document as a whole.
        pointer="/" if result.pointer in ("", result.format) else result.pointer,
        detail=result.detail,
        format=result.format,
        object_kind=received.kind,
    )


def refused_as(reason_code: str) -> str:
    """What becomes of bytes that are refused: the catalogue's word; what broke a contract waits for its repair."""
    known = refusals().get(reason_code)
    if known is not None and known.disposition != "none":
        return known.disposition
    return "quarantined" if reason_code.startswith("integration.") else "rejected"


def partition_key(value: Canonical) -> str:
    """What keeps related documents in one order: the supplier for invoices and orders, the order for receipts."""
    match value:
        case Invoice():
            return value.supplier_id or value.supplier_number or value.number
        case Order():
            return value.number
        case Receipt():
            return value.lines[0].order_number if value.lines else value.number
        case _:
            return value.number


def correlation(value: Canonical, company: str, otherwise: str) -> str:
    match value:
        case Invoice():
            number = (
                value.order_numbers[0]
                if value.order_numbers
                else next((line.order_number for line in value.lines if line.order_number), "")
            )
        case Order():
            number = value.number
        case Receipt():
            number = value.lines[0].order_number if value.lines else ""
        case Requisition():
            number = value.order_number
        case _:
            number = ""
    return correlation_of(company, number) if number else stable_id("c", otherwise)


def _event(value: Canonical, received: Received, source: str, findings: Sequence[Finding]) -> bytes:
    told = tuple(findings)
    match value:
        case Invoice():
            return codec.encode(
                InvoiceArrived(value, received.intake_id, received.digest, received.connection, source, told)
            )
        case Order():
            return codec.encode(OrderArrived(value, received.intake_id, told))
        case Receipt():
            return codec.encode(ReceiptArrived(value, received.intake_id, told))
        case Requisition():
            return codec.encode(RequisitionArrived(value, received.intake_id, told))
        case PaymentReport():
            return codec.encode(PaymentReportArrived(value, received.intake_id, told))
        case BankStatement():
            return codec.encode(BankStatementArrived(value, received.intake_id, told))
        case TaxQuote():
            return codec.encode(TaxQuoteArrived(value, received.intake_id, told))
        case Budget():
            return codec.encode(BudgetArrived(value, received.intake_id, told))
        case _:
            return codec.encode(SupplierArrived(value, received.intake_id, told))
