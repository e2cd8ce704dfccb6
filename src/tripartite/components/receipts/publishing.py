"""A receipt that came from the warehouse is told to procurement and to the ERP, and is never told back to its source.

Who is told is the estate's word: every procurement system of the company, and the ERP of the route, each as far as its
connector can take a receipt and by its mode. What takes back an earlier receipt waits until the other side has a number
for that one. What comes back from there is our own receipt under another name, not a second one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from importlib.metadata import version as installed_version
from zoneinfo import ZoneInfo

import msgspec

from tripartite.components.receipts import publications as store
from tripartite.components.receipts.naming import as_given
from tripartite.components.receipts.publications import BESIDE, Key, Name, Publication, TakeBack
from tripartite.connectors import registry
from tripartite.core import codec
from tripartite.core.delivery import DeliveryOutcome
from tripartite.core.envelope import Message
from tripartite.core.estate import Estate
from tripartite.core.events import EXCEPTION_EVENTS, RECEIPT_EVENTS, ReceiptPublished
from tripartite.core.exceptions.reconcile import Context, reconcile
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.findings import Finding
from tripartite.core.ids import delivery_key, stable_id
from tripartite.core.money import Amount
from tripartite.core.objects import Receipt
from tripartite.runtime.bus import Outgoing, told
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.deliveries import Owed, owe

OPERATION = "record_receipt"
SYSTEMS = ("procurement", "erp")
AREAS = frozenset({"posting", "integration.retries_exhausted"})
_STATES = {"settled": "settled", "rejected": "rejected", "dead_letter": "dead_letter", "unknown": "unknown"}


def object_id(company_code: str, number: str) -> str:
    """How a delivery and an exception name a receipt: numbers are a company's own."""
    return f"{company_code}/{number}"


def writes(kind: str) -> Sequence[str]:
    """The operations of a connector."""
    return registry.manifest(kind).writes


def targets(estate: Estate, company_code: str, source: str, on: date) -> tuple[str, ...]:
    """The connections that must hear of a receipt from `source`, in the order of the estate."""
    origin = estate.connection(source)
    if origin is not None and origin.role in SYSTEMS:
        return ()  # what procurement or the ERP booked itself is not carried across here
    routed = estate.route(company_code, "receipt", on)
    return tuple(
        each.name
        for each in estate.connections
        if each.serves(company_code)
        and (each.role == "procurement" or (routed is not None and each.name == routed.connection))
        and OPERATION in writes(each.kind)
        and each.settings.get("publish_receipts", "on") != "off"  # their own integration brings them
        and estate.mode(each.name, company_code) is not None
    )


def takes_receipts(estate: Estate, source: str) -> bool:
    """Whether what comes from `source` may be our own receipt, told back."""
    configured = estate.connection(source)
    return configured is not None and configured.role in SYSTEMS and OPERATION in writes(configured.kind)


def in_words_of(estate: Estate, connection: str, receipt: Receipt, originals: Mapping[int, str]) -> Receipt:
    """The receipt in the words of a connection: units, order numbers, and what the lines take from."""
    lines = tuple(
        msgspec.structs.replace(
            line,
            order_number=estate.foreign_word(connection, "order", line.order_number) or line.order_number,
            unit=estate.foreign_word(connection, "unit", line.unit) or line.unit,
            takes_from=originals.get(line.line, line.takes_from),
        )
        for line in receipt.lines
    )
    return msgspec.structs.replace(receipt, lines=lines)


class Publishing:
    """What a handler of receipts calls inside its transaction."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def publish(self, connection: Connection, recorded: Sequence[tuple[Message, Receipt]]) -> None:
        """Owe newly recorded receipts to whoever must hear of them, and what had waited for one of them."""
        wanted = [
            (message, receipt, name)
            for message, receipt in recorded
            for name in targets(self._ports.estate, receipt.company_code, message.source, self._today(receipt))
        ]
        if wanted:
            known: dict[tuple[Key, str], int] = {}
            for row in await store.of_receipts(connection, {(r.company_code, r.number) for _, r, _ in wanted}):
                known[(row.company_code, row.number), row.connection] = row.ordinal
            rows = []
            for message, receipt, name in wanted:
                place = ((receipt.company_code, receipt.number), name)
                known[place] = ordinal = known.get(place, 0) + 1
                rows.append(self._publication(message, receipt, name, ordinal))
            await store.keep(connection, rows)
            await self._owe(connection, {(r.company_code, r.number) for _, r, _ in wanted})
        await self._release(connection, {(r.company_code, r.number) for _, r in recorded})

    def _today(self, receipt: Receipt) -> date:
        company = self._ports.estate.company(receipt.company_code)
        zone = ZoneInfo(company.time_zone) if company else ZoneInfo("UTC")
        return self._ports.clock.now().astimezone(zone).date()

    def _publication(self, message: Message, receipt: Receipt, name: str, ordinal: int) -> Publication:
        key = delivery_key(object_id(receipt.company_code, receipt.number), ordinal, name, OPERATION)
        return Publication(
            company_code=receipt.company_code,
            number=receipt.number,
            version=receipt.version,
            connection=name,
            ordinal=ordinal,
            mode=self._ports.estate.mode(name, receipt.company_code) or "observe",
            state="waiting",
            delivery_key=key,
            correlation_id=message.correlation_id,
            causation_id=message.message_id,
            remote_ref="",
            detail="",
            changed_at=self._ports.clock.now(),
        )

    async def _owe(self, connection: Connection, keys: set[Key]) -> None:
        """Owe what waits and need wait no longer. A version that a newer one overtook is not told any more."""
        rows = [row for row in await store.of_receipts(connection, keys) if row.state == "waiting"]
        receipts = await store.recorded(connection, {(row.company_code, row.number) for row in rows})
        taken = {
            (row.company_code, line.takes_from)
            for row in rows
            for line in receipts[row.company_code, row.number][0].lines
            if line.takes_from
        }
        originals = await store.recorded(connection, taken) if taken else {}
        names = await store.names_of(connection, taken) if taken else {}
        published = {
            (row.company_code, row.number, row.connection): row.state
            for row in (await store.of_receipts(connection, taken) if taken else ())
        }
        take_backs = await store.open_take_backs(connection, keys) if rows else ()
        now = self._ports.clock.now()
        owed: list[Owed] = []
        for row in rows:
            receipt = receipts[row.company_code, row.number][0]
            if receipt.kind == "receipt" and (first := _taken_back_first(row, receipt, take_backs)):
                row.detail = first
                continue
            if receipt.version != row.version:
                row.state, row.detail, row.changed_at = "dropped", "a newer version is told instead", now
                continue
            found = _originals(row, receipt, originals, names, published)
            if isinstance(found, str):
                row.state, row.detail = ("dropped" if found.startswith("never") else "waiting"), found
                continue
            row.state, row.changed_at, row.detail = "owed", now, ""
            owed.append(self._owed(row, in_words_of(self._ports.estate, row.connection, receipt, found), now))
        await store.keep(connection, rows)
        await owe(connection, owed)

    def _owed(self, row: Publication, receipt: Receipt, now: datetime) -> Owed:
        return Owed(
            connection=row.connection,
            operation=OPERATION,
            object_kind="receipt",
            object_id=object_id(row.company_code, row.number),
            object_version=row.ordinal,
            company_code=row.company_code,
            correlation_id=row.correlation_id,
            payload=codec.encode(receipt),
            mode=row.mode,  # type: ignore[arg-type]
            due_at=now,
            causation_id=row.causation_id,
        )

    async def _release(self, connection: Connection, keys: set[Key]) -> None:
        by_company: dict[str, set[str]] = {}
        for company, number in keys:
            by_company.setdefault(company, set()).add(number)
        for company in sorted(by_company):
            if waiting := await store.waiting_for(connection, company, by_company[company]):
                await self._owe(connection, set(waiting))
        if beside := await store.waiting_beside(connection, keys):
            await self._owe(connection, set(beside))

    # Answers

    async def answered(
        self, connection: Connection, outcomes: Sequence[tuple[Message, DeliveryOutcome]]
    ) -> tuple[list[Outgoing], dict[tuple[str, str], set[str]]]:
        """Record what became of deliveries. Returns what to tell, and the orders whose doubts end, by company and
        connection.
        """
        keys = set(await store.by_key(connection, {outcome.key for _, outcome in outcomes}))
        if not keys:
            return [], {}
        rows = await store.of_receipts(connection, keys)
        receipts = await store.recorded(connection, keys)
        by_delivery = {row.delivery_key: row for row in rows}
        outgoing: list[Outgoing] = []
        names: list[Name] = []
        ended: dict[tuple[str, str], set[str]] = {}
        causes: dict[Key, Message] = {}
        for message, outcome in outcomes:
            row = by_delivery.get(outcome.key)
            if row is None or row.state == "settled":
                continue
            receipt = receipts[row.company_code, row.number][0]
            row.state = _STATES.get(outcome.state, "owed")
            row.remote_ref, row.detail = outcome.remote_ref, outcome.detail[:1000]
            row.changed_at = self._ports.clock.now()
            causes[row.company_code, row.number] = message
            if row.state == "settled":
                names += _names(row, receipt)
            if row.state in ("settled", "rejected"):
                orders = {line.order_number for line in receipt.lines}
                ended.setdefault((row.company_code, row.connection), set()).update(orders)
            if row.state in ("settled", "rejected", "dead_letter"):
                outgoing.append(told(message, RECEIPT_EVENTS, "receipt.published", codec.encode(_event(row))))
        await store.keep(connection, rows)
        await store.add_names(connection, names)
        outgoing += await self._exceptions(connection, rows, receipts, causes)
        await self._release(connection, keys)
        return outgoing, ended

    async def _exceptions(
        self,
        connection: Connection,
        rows: Sequence[Publication],
        receipts: Mapping[Key, tuple[Receipt, str, str]],
        causes: Mapping[Key, Message],
    ) -> list[Outgoing]:
        """A refusal, a silence or a dead letter is an exception of the receipt; what went through clears it."""
        standing = await store.exceptions_of(connection, [object_id(*key) for key in causes])
        now = self._ports.clock.now()
        written: list[ExceptionRecord] = []
        outgoing: list[Outgoing] = []
        for key in sorted(causes):
            newest = {row.connection: row for row in rows if (row.company_code, row.number) == key}
            findings = [finding for row in newest.values() if (finding := _finding(row)) is not None]
            context = self._context(receipts[key][0], receipts[key][2], causes[key])
            changes = reconcile(standing.get(context.object_id, []), findings, context, now)
            written += changes.written
            for what, records in (
                ("opened", changes.opened),
                ("changed", changes.re_evaluated),
                ("cleared", changes.cleared),
            ):
                for record in records:
                    made = told(causes[key], EXCEPTION_EVENTS, f"exception.{what}", codec.encode(record))
                    message_id = stable_id("msg", record.exception_id, str(record.version))
                    envelope = msgspec.structs.replace(made.message, message_id=message_id)
                    outgoing.append(Outgoing(EXCEPTION_EVENTS, envelope))
        await store.keep_exceptions(connection, written)
        return outgoing

    def _context(self, receipt: Receipt, correlation_id: str, cause: Message) -> Context:
        estate = self._ports.estate
        found, company = estate.calendar_of(receipt.company_code), estate.company(receipt.company_code)
        assert found is not None, f"{receipt.company_code} has no calendar"
        assert company is not None, f"{receipt.company_code} is no company of the estate"
        return Context(
            company_code=receipt.company_code,
            object_kind="receipt",
            object_id=object_id(receipt.company_code, receipt.number),
            object_version=1,
            content_hash=stable_id("sha", codec.encode(receipt).decode()),
            currency=company.currency,
            gross=Amount(0),
            computed_from=cause.message_id,
            policy_release=self._ports.pack.hash,
            code_version=installed_version("tripartite"),
            calendar=found[0],
            time_zone=found[1],
            speaks_for=AREAS,
            supplier_id=receipt.supplier_id,
            correlation_id=correlation_id,
            causation_id=cause.message_id,
            object_refs=tuple(sorted({line.order_number for line in receipt.lines})),
            overrides=self._ports.pack.overrides(receipt.company_code, self._today(receipt)),
        )


def _originals(
    row: Publication,
    receipt: Receipt,
    originals: Mapping[Key, tuple[Receipt, str, str]],
    names: Mapping[tuple[str, str, str, int], str],
    published: Mapping[tuple[str, str, str], str],
) -> dict[int, str] | str:
    """What each line takes from, in the other side's numbers; or why it cannot be said: still waited for, or never."""
    found: dict[int, str] = {}
    for line in receipt.lines:
        if not line.takes_from:
            continue
        key = (row.company_code, line.takes_from)
        places = [names.get((*key, row.connection, each)) for each in (line.line, 0)]
        original = originals.get(key)
        if name := next((each for each in places if each), ""):
            found[line.line] = name
        elif original is not None and original[1] == row.connection:
            found[line.line] = as_given(row.connection, line.takes_from)  # it came from there: this is its number
        elif original is not None and (published.get((*key, row.connection)) or "rejected") in ("rejected", "dropped"):
            return f"never told: {row.connection} does not have {line.takes_from}"
        elif row.mode != "observe":
            return f"waits until {row.connection} has a number for {line.takes_from}"
    return found


def _taken_back_first(row: Publication, receipt: Receipt, take_backs: Sequence[TakeBack]) -> str:
    """Why a receipt waits: something of its order is still to be taken back there, and it may be what is booked anew.

    Nobody takes more than was ordered, so the two must come in their order. What is itself taken from never waits.
    """
    orders = {line.order_number for line in receipt.lines}
    there = [
        each
        for each in take_backs
        if (each.company_code, each.connection) == (row.company_code, row.connection) and each.order_number in orders
    ]
    if not there or row.mode != "act" or any(receipt.number in each.takes_from for each in there):
        return ""
    return f"waits until {row.connection} has taken back what was undone of order {there[0].order_number}"


def _names(row: Publication, receipt: Receipt) -> list[Name]:
    """What the other side calls it: `a,b` one for each line, `a` the whole; behind a `;` what was made beside it."""
    whole, *beside = row.remote_ref.split(";")
    parts = whole.split(",")
    lines = [line.line for line in receipt.lines] if len(parts) == len(receipt.lines) > 1 else [0] * len(parts)
    placed = [*zip(parts, lines, strict=True), *((each, BESIDE) for each in beside)]
    return [Name(row.company_code, row.connection, name, row.number, line) for name, line in placed if name]


def _event(row: Publication) -> ReceiptPublished:
    return ReceiptPublished(
        company_code=row.company_code,
        number=row.number,
        version=row.version,
        connection=row.connection,
        state=row.state,
        remote_ref=row.remote_ref,
        words=row.detail,
    )


def _finding(row: Publication) -> Finding | None:
    """What stands in the way of one publication: nothing where it is done or on its way."""
    match row.state:
        case "rejected":
            words = f"{row.connection} refused receipt {row.number}: {row.detail}"
            return Finding(code="posting.rejected", words=words[:600], rule="publishing")
        case "unknown":
            words = f"{row.connection} gave no answer to receipt {row.number}; it is asked whether it has it."
            return Finding(code="posting.outcome_unknown", words=words, rule="publishing")
        case "dead_letter":
            words = f"Receipt {row.number} could not be brought to {row.connection}: {row.detail}"
            return Finding(code="integration.retries_exhausted", words=words[:600], rule="publishing")
        case _:
            return None


__all__ = ["OPERATION", "Publishing", "object_id", "takes_receipts", "targets"]
