"""Invoices arrive, and so do the facts they wait for; each batch is decided in one transaction.

on_invoices_received    new claims are decided against what is known now
on_order_events         an order came or changed, or was sought: who names it is decided again
on_receipt_events       goods came, went back, or were asked for: who waits for them is decided again
on_supplier_events      the master changed: who could not be booked for it is decided again
on_outcomes             the ERP answered: the number joins the invoice, and the AP side is told
on_commands             a date came: the invoice is looked at again
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any

import msgspec

from tripartite.components.invoices import blocking, crediting, opening, people, store
from tripartite.components.invoices.deciding import (
    POST_INVOICE,
    REPORT_POSTING,
    Decider,
)
from tripartite.components.invoices.store import Key, Row
from tripartite.components.invoices.telling import Cause, changed_event, event, exception_event
from tripartite.core import codec
from tripartite.core.delivery import DeliveryOutcome
from tripartite.core.envelope import Message
from tripartite.core.events import (
    INVOICE_EVENTS,
    OrderPublished,
    OrderRecorded,
    OrderSought,
    ReceiptRecorded,
    ReceiptsRequeried,
    SupplierRecorded,
)
from tripartite.core.exceptions.reconcile import reconcile
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.findings import Finding
from tripartite.core.ids import correlation_of, stable_id
from tripartite.core.invoice_life import OPEN
from tripartite.core.matching.numbering import folded
from tripartite.core.matching.opening import OPENING_RECEIPT, Opening, is_in_opening
from tripartite.core.money import Amount
from tripartite.core.objects import Invoice, Order, Receipt
from tripartite.core.objects.notice import PostingReported
from tripartite.core.quantity import Quantity
from tripartite.runtime.audit import Leaf, make_leaf, write_leaves
from tripartite.runtime.bus import Batch, Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.deliveries import Owed, owe
from tripartite.runtime.versions import keep_newest

POSTING_AREAS = frozenset({"posting", "integration.retries_exhausted"})
PAGE = 500  # invoices of a supplier that are decided again at a time
AGAIN = (*OPEN, "to_post", "posted")


class _Arrived(msgspec.Struct, frozen=True):
    """InvoiceArrived as it lies on the bus: the document's own bytes are kept as they are."""

    value: msgspec.Raw
    intake_id: str = ""
    digest: str = ""
    connection: str = ""
    source_document: str = ""
    findings: tuple[Finding, ...] = ()
    entered_by: str = ""


class Invoices:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._decider = Decider(ports)

    async def on_invoices_received(self, connection: Connection, batch: Batch) -> None:
        """Decide new invoices, in the order of arrival. A message that comes twice decides once."""
        company = batch.company_code
        arrived = [(message, codec.decode_own(message.payload, _Arrived)) for message in batch.messages]
        ids = [stable_id("inv", each.intake_id or message.message_id) for message, each in arrived]
        known = await store.known_ids(connection, ids)
        fresh: dict[str, tuple[Message, _Arrived]] = {}
        for invoice_id, pair in zip(ids, arrived, strict=True):
            if invoice_id not in known:
                fresh.setdefault(invoice_id, pair)
        # What was mapped before its supplier was known comes once more, with it.
        found_now = []
        for invoice_id, (_, each) in zip(ids, arrived, strict=True):
            if invoice_id in known and (named := codec.decode_own(bytes(each.value), Invoice).supplier_id):
                found_now.append((invoice_id, named, codec.encode(each.findings)))
        documents = {
            invoice_id: codec.decode_own(bytes(each.value), Invoice) for invoice_id, (_, each) in fresh.items()
        }
        # Places are given under the lock of the orders: who comes first is also who decides first.
        await store.hold_master(connection, change=False)
        further, credits = await crediting.note(connection, company, documents)
        on_orders: set[Key] = {
            (company, number) for value in documents.values() for number in store.order_numbers(value)
        }
        on_orders |= {(company, number) for number in crediting.all_of(further)}
        await store.lock_orders(connection, on_orders)
        sequences = await store.next_sequences(connection, len(fresh))
        now, today = self._ports.clock.now(), self._decider.today(company)
        new, causes = [], {}
        for sequence, (invoice_id, (message, each)) in zip(sequences, fresh.items(), strict=True):
            invoice = documents[invoice_id]
            row = _new_row(invoice_id, invoice, each, message, sequence, now, today, further.get(invoice_id, ()))
            new.append((row, invoice))
            causes[invoice_id] = Cause(message.message_id, message.type, message.trace_id or batch.trace_id)
        await people.add_acts(
            connection, [act for row, _ in new for act in _entered(row, fresh[row.invoice_id][1], now)]
        )
        # A credit or a correction changes what earlier invoices of its orders stand against.
        changing: set[Key] = {
            (company, number)
            for _, invoice in new
            if invoice.kind != "invoice" or invoice.replaces
            for number in store.order_numbers(invoice)
        }
        changing |= {(company, number) for number in crediting.all_of(further)}
        again = list(await store.open_invoices_of_orders(connection, changing, OPEN)) if changing else []
        again += [each for each in credits if each not in again]
        for invoice_id in again:
            causes.setdefault(invoice_id, Cause(batch.messages[0].message_id, "tripartite.credit.posted.v1"))
        for invoice_id in await store.name_suppliers(connection, found_now) if found_now else ():
            causes.setdefault(invoice_id, Cause(batch.messages[0].message_id, "tripartite.supplier.recorded.v1"))
            again = [*again, *({invoice_id} - set(again))]
        await publish(connection, await self._decider.decide(connection, company, new, again, causes))

    async def on_order_events(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest version of each order, then decide again who names it."""
        orders: dict[Key, tuple[Message, Order]] = {}
        touched: dict[Key, Message] = {}
        owed: dict[Key, str] = {}
        in_erp: dict[Key, tuple[str, str]] = {}
        for message in batch.messages:
            if message.type == "tripartite.order.recorded.v1":
                recorded = codec.decode_own(message.payload, OrderRecorded)
                value = recorded.value
                key = (value.company_code, value.number)
                if recorded.publish_to:
                    owed[key] = recorded.publish_to
                if key not in orders or orders[key][1].version < value.version:
                    orders[key] = (message, value)
                touched[key] = message
            elif message.type == "tripartite.order.published.v1":
                published = codec.decode_own(message.payload, OrderPublished)
                key = (published.company_code, published.order_number)
                in_erp[key] = (published.connection, published.document)
                touched[key] = message
            elif message.type == "tripartite.order.sought.v1":
                sought = codec.decode_own(message.payload, OrderSought)
                touched[sought.company_code, sought.order_number] = message
        await store.lock_orders(connection, touched)
        await keep_newest(
            connection,
            store.ORDERS,
            [
                {
                    "company_code": value.company_code,
                    "number": value.number,
                    "version": value.version,
                    "supplier_id": value.supplier_id,
                    "document": codec.encode(value),
                }
                for _, value in orders.values()
            ],
        )
        await store.keep_in_erp(connection, owed, in_erp)
        await self._after_facts(connection, batch.company_code, touched)

    async def on_receipt_events(self, connection: Connection, batch: Batch) -> None:
        """Keep receipts and how fresh they are known, then decide again who waits for them."""
        receipts: dict[Key, Receipt] = {}
        touched: dict[Key, Message] = {}
        fresh: dict[Key, datetime] = {}
        told_by: dict[Key, Message] = {}
        for message in batch.messages:
            if message.type == "tripartite.receipt.recorded.v1":
                value = codec.decode_own(message.payload, ReceiptRecorded).value
                known = receipts.get((value.company_code, value.number))
                if known is None or known.version < value.version:
                    receipts[value.company_code, value.number] = value
                    told_by[value.company_code, value.number] = message
                for line in value.lines:
                    key = (value.company_code, line.order_number)
                    touched[key] = message
                    fresh[key] = message.occurred_at
            elif message.type == "tripartite.receipts.requeried.v1":
                requeried = codec.decode_own(message.payload, ReceiptsRequeried)
                key = (requeried.company_code, requeried.order_number)
                touched.setdefault(key, message)
                fresh[key] = max(fresh.get(key, requeried.as_of), requeried.as_of)
        # A newer version may leave an order it was on: that order is decided again too.
        for receipt, number in await store.orders_of_receipts(connection, receipts):
            touched.setdefault((receipt[0], number), told_by[receipt])
        await store.lock_orders(connection, touched)
        standings = await keep_newest(
            connection,
            store.RECEIPTS,
            [
                {
                    "company_code": value.company_code,
                    "number": value.number,
                    "version": value.version,
                    "document": codec.encode(value),
                }
                for value in receipts.values()
            ],
        )
        newer = [value for value, standing in zip(receipts.values(), standings, strict=True) if standing == "new"]
        for receipt, number in await store.link_receipts(connection, newer):
            touched.setdefault((receipt[0], number), told_by[receipt])
        await store.receipts_known(connection, fresh)
        await self._after_facts(connection, batch.company_code, touched)

    async def _after_facts(self, connection: Connection, company: str, touched: Mapping[Key, Message]) -> None:
        """Keep what may be released in step with the facts, and decide again who names these orders."""
        orders = await store.lock_orders(connection, touched)
        receipts = await store.receipts_of(connection, touched)
        openings = await opening.openings_of(connection, touched)
        await store.set_releasable(connection, releasable(orders, receipts, openings))
        causes: dict[str, Cause] = {}
        for invoice_id, key in (await store.open_invoices_of_orders(connection, touched, AGAIN)).items():
            message = touched[key]
            causes[invoice_id] = Cause(message.message_id, message.type, message.trace_id)
        await publish(connection, await self._decider.decide(connection, company, (), list(causes), causes))

    async def on_supplier_events(self, connection: Connection, batch: Batch) -> None:
        """Keep the master, then decide again the open invoices of suppliers that changed."""
        await store.hold_master(connection, change=True)
        values = [codec.decode_own(message.payload, SupplierRecorded).value for message in batch.messages]
        changed = await store.keep_suppliers(connection, values)
        cause = Cause(batch.messages[-1].message_id, batch.messages[-1].type, batch.trace_id)
        messages: list[Outgoing] = []
        after = ("", "")
        while changed:
            page = await store.open_invoices_of_suppliers(connection, sorted(changed), after, PAGE)
            for company, rows in groupby(page, key=lambda row: row[0]):
                ids = [row[1] for row in rows]
                messages += await self._decider.decide(connection, company, (), ids, dict.fromkeys(ids, cause))
            if len(page) < PAGE:
                break
            after = page[-1]
        await publish(connection, messages)

    async def on_commands(self, connection: Connection, batch: Batch) -> None:
        """A date came: look again."""
        causes = {
            message.payload.decode(): Cause(message.message_id, message.type, message.trace_id)
            for message in batch.messages
        }
        messages = await self._decider.decide(connection, batch.company_code, (), list(causes), causes)
        await publish(connection, messages)

    async def on_outcomes(self, connection: Connection, batch: Batch) -> None:
        """The other side's answer: the posting's number joins the invoice; refusal or silence is an exception."""
        told = [
            (message, outcome)
            for message in batch.messages
            if (outcome := codec.decode_own(message.payload, DeliveryOutcome)).operation == POST_INVOICE
        ]
        rows = {row.invoice_id: row for row in await store.invoices_by_id(connection, {o.object_id for _, o in told})}
        standing = await store.exceptions_of(connection, set(rows))
        changed: dict[str, Row] = {}
        passing: dict[str, Row] = {}
        owed: list[Owed] = []
        leaves: list[Leaf] = []
        messages: list[Outgoing] = []
        exceptions: list[ExceptionRecord] = []
        for message, outcome in told:
            row = rows.get(outcome.object_id)
            if row is None:
                continue
            known = standing.get(row.invoice_id, [])
            if row.state == "held" and _goes_on(row, outcome, known):
                # It is sent again, or was found booked after all: what the ERP had refused goes its way again.
                row.state = "to_post"
                passing[row.invoice_id] = msgspec.structs.replace(row)
            if row.state not in ("to_post", "posted"):
                continue
            invoice = store.document_of(row)
            now = self._ports.clock.now()
            cause = Cause(message.message_id, message.type, message.trace_id)
            finding = _posting_finding(outcome, row)
            row.version += 1
            row.changed_at = now
            if outcome.state == "settled" and row.state == "to_post":
                row.state, row.document, row.posted_at = "posted", outcome.remote_ref, now
                leaves.append(self._posted_leaf(row, outcome))
                owed.extend(self._report(row, outcome, now))
                messages.append(
                    _told(row, invoice, "invoice.posted", f"Posted as {row.document}.", cause, now, message.source)
                )
            elif outcome.state == "waiting" and row.invoice_id in passing:
                messages.append(
                    _told(row, invoice, "invoice.decided", "The posting is sent again.", cause, now, message.source)
                )
            elif outcome.state in ("rejected", "dead_letter") and row.state == "to_post":
                row.state = "held" if outcome.state == "rejected" else row.state
                messages.append(_told(row, invoice, "invoice.rejected", outcome.detail, cause, now, message.source))
            context = self._decider.context(
                row, invoice, stable_id("sha", outcome.key, outcome.state), cause, speaks_for=POSTING_AREAS
            )
            changes = reconcile(known, [finding] if finding else [], context, now)
            exceptions.extend(changes.written)
            standing[row.invoice_id] = [*known, *changes.written]
            for what, records in (("opened", changes.opened), ("cleared", changes.cleared)):
                for record in records:
                    messages.append(exception_event(what, row, record, cause, now, message.source))
            codes = {code for code in row.reason_codes if not {code, code.partition(".")[0]} & POSTING_AREAS}
            row.reason_codes = sorted(codes | {record.reason_code for record in changes.open})
            changed[row.invoice_id] = row
        await store.keep_exceptions(connection, exceptions)
        await store.update_invoices(connection, list(passing.values()))  # no invoice is posted without being to post
        await store.update_invoices(connection, list(changed.values()))
        owed += await self._decider.lifted(connection, list(changed.values()))
        await owe(connection, owed)
        await write_leaves(connection.cursor(), leaves)
        await publish(connection, messages)

    def _posted_leaf(self, row: Row, outcome: DeliveryOutcome) -> Any:
        record = {
            "document": outcome.remote_ref,
            "connection": outcome.connection,
            "key": outcome.key,
            "at": outcome.at,
        }
        return make_leaf(
            "invoice.posted",
            row.invoice_id,
            row.company_code,
            row.correlation_id,
            codec.encode(record),
            self._ports.chance.randbytes(16),
        )

    def _report(self, row: Row, outcome: DeliveryOutcome, now: datetime) -> Sequence[Owed]:
        """The system that brought the invoice hears the ERP's number."""
        if not self._decider._hears(row, REPORT_POSTING):
            return ()
        document, _, year = outcome.remote_ref.partition("/")
        notice = PostingReported(
            invoice_id=row.invoice_id,
            invoice_number=row.number,
            company_code=row.company_code,
            source_document_id=row.source_document,
            document=document,
            year=year,
            posted_on=self._decider.today(row.company_code),
            payment_block=blocking.VERIFICATION if row.payment_block else "",
            message="Posted",
        )
        mode = self._ports.estate.mode(row.connection, row.company_code) or "observe"
        return (self._decider._owed(row, row.connection, REPORT_POSTING, row.version, codec.encode(notice), mode, now),)


def _entered(row: Row, each: _Arrived, now: datetime) -> list[tuple[object, ...]]:
    """Who keyed an invoice in does not lift its holds later: the duty is kept with the chain (C21)."""
    if not each.entered_by:
        return []
    return [
        (
            *(stable_id("act", row.invoice_id, "entered"), row.invoice_id, row.company_code, row.correlation_id, ""),
            *(each.entered_by, people.ENTRY, "entered", "", now, ""),
        )
    ]


def _new_row(
    invoice_id: str,
    invoice: Invoice,
    each: _Arrived,
    message: Message,
    sequence: int,
    now: datetime,
    today: Any,
    further: Sequence[str],
) -> Row:
    numbers = store.order_numbers(invoice) or further
    return Row(
        invoice_id=invoice_id,
        company_code=invoice.company_code,
        sequence=sequence,
        kind=invoice.kind,
        number=invoice.number,
        number_folded=folded(invoice.number),
        supplier_id=invoice.supplier_id,
        supplier_name=invoice.supplier.name if invoice.supplier else invoice.supplier_number,
        currency=invoice.currency,
        issued_on=invoice.issued_on,
        arrived_on=today,
        arrived_at=now,
        net=invoice.net,
        tax=invoice.tax,
        gross=invoice.gross,
        small_difference=Decimal(0),
        state="held",
        verdict="hold",
        decision_id="",
        decisions=1,
        inputs_digest="",
        payable_now=Decimal(0),
        money_at_risk=Decimal(0),
        payment_block=False,
        reason_codes=[],
        waits_for=[],
        next_check_at=None,
        document="",
        posted_at=None,
        correlation_id=correlation_of(invoice.company_code, numbers[0]) if numbers else message.correlation_id,
        intake_id=each.intake_id,
        digest=each.digest,
        connection=each.connection or message.source,
        source_document=each.source_document,
        was_post=False,
        content=bytes(each.value),
        findings=codec.encode(each.findings),
        version=1,
        changed_at=now,
    )


def releasable(
    orders: Mapping[Key, Order], receipts: Sequence[Receipt], openings: Mapping[opening.Line, Opening]
) -> list[tuple[Any, ...]]:
    """What may be released of each order line and receipt line, in the order line's unit (I6, I7).

    Three-way and ERS lines by what was received net, four-way and service lines by what was accepted, consignment by
    what was withdrawn, two-way by what was ordered with its over-delivery; limits and receipts in other units: None.
    What came before day zero counts, what was billed before is gone.
    """
    came: dict[tuple[str, str, int], Fraction | None] = {}
    rows: list[tuple[Any, ...]] = []
    for receipt in receipts:
        sign = -1 if receipt.kind in ("return", "reversal") else 1
        for line in receipt.lines:
            order = orders.get((receipt.company_code, line.order_number))
            ordered = next((each for each in order.lines if each.line == line.order_line), None) if order else None
            if ordered is None:
                continue
            place = (receipt.company_code, line.order_number, line.order_line)
            if is_in_opening(receipt, openings.get(place)):
                continue
            counted = line.accepted if ordered.match in ("four_way", "service") else line.quantity
            quantity = None if line.unit not in ("", ordered.unit) else sign * Fraction(counted or 0)
            before = came.get(place, Fraction(0))
            came[place] = None if before is None or quantity is None else before + quantity
            if sign > 0:
                rows.append((*place, receipt.number, line.line, None if quantity is None else _decimal(quantity)))
    for (company, number), order in orders.items():
        for ordered in order.lines:
            place = (company, number, ordered.line)
            if ordered.match == "limit" or ordered.quantity is None:
                most: Fraction | None = None
            elif ordered.match == "two_way":
                over = ordered.over_percent
                most = None if over == "unlimited" else Fraction(ordered.quantity) * (1 + Fraction(over) / 100)
            else:
                most = came.get(place, Fraction(0))
            if (begun := openings.get(place)) is not None and most is not None:
                had = begun.accepted if ordered.match in ("four_way", "service") else begun.received
                had = Quantity(0) if ordered.match == "two_way" else had
                most += Fraction(had or 0) - Fraction(begun.billed)
                left = max(Fraction(0), Fraction(had or 0) - Fraction(begun.billed))
                rows.append((*place, OPENING_RECEIPT, 0, _decimal(left)))
            rows.append((*place, "", 0, None if most is None else _decimal(most)))
    return list({row[:5]: row for row in rows}.values())


def _decimal(exact: Fraction) -> Decimal:
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def _goes_on(row: Row, outcome: DeliveryOutcome, records: Sequence[ExceptionRecord]) -> bool:
    """Whether a posting that the ERP had refused is on its way again, or was booked after all.

    What is booked is booked, whatever was found since; it goes its way again only where it still is to be posted.
    """
    latest = {record.exception_id: record for record in records}
    refused = any(record.is_open and record.reason_code == "posting.rejected" for record in latest.values())
    return refused and (outcome.state == "settled" or (outcome.state == "waiting" and row.verdict == "post"))


def _posting_finding(outcome: DeliveryOutcome, row: Row) -> Finding | None:
    """What an outcome says of the posting: nothing where it is done or on its way."""
    amount = Amount(abs(row.gross or Decimal(0)))
    match outcome.state:
        case "rejected":
            words = f"{outcome.connection} refused the posting: {outcome.detail}"
            return Finding(code="posting.rejected", variance=amount, words=words[:600], rule="posting")
        case "unknown":
            words = f"{outcome.connection} gave no answer; it is asked whether it posted. Do not post by hand."
            return Finding(code="posting.outcome_unknown", variance=amount, words=words, rule="posting")
        case "dead_letter":
            words = f"Set aside after {outcome.attempts} attempts and {outcome.probes} probes: {outcome.detail}"
            return Finding(code="integration.retries_exhausted", variance=amount, words=words[:600], rule="posting")
        case _:
            return None


def _told(row: Row, invoice: Invoice, what: str, words: str, cause: Cause, now: datetime, source: str) -> Outgoing:
    payload = codec.encode(changed_event(row, invoice, words))
    message_id = stable_id("msg", row.invoice_id, what, cause.message_id)
    return event(INVOICE_EVENTS, what, row, payload, message_id, cause, now, source)
