"""Control listens to everybody: one queue of exceptions, one lineage, teams told of what concerns them."""

from __future__ import annotations

from typing import Any

from tripartite.components.control import store
from tripartite.core import codec
from tripartite.core.delivery import DeliveryOutcome
from tripartite.core.envelope import Message
from tripartite.core.events import (
    BudgetChecked,
    InvoiceChanged,
    OrderPublished,
    OrderRecorded,
    OrderSought,
    PaymentChanged,
    ReceiptRecorded,
    ReceiptsRequeried,
    RequisitionOrdered,
    RequisitionRecorded,
    SupplierRecorded,
)
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.ids import stable_id
from tripartite.runtime.bus import Batch
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.versions import keep_newest

Line = tuple[Any, ...]


class Control:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def on_exceptions(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest version of every exception, and its place in the lineage."""
        records = [codec.decode_own(message.payload, ExceptionRecord) for message in batch.messages]
        await keep_newest(
            connection,
            store.EXCEPTIONS,
            [
                {
                    "exception_id": record.exception_id,
                    "version": record.version,
                    "company_code": record.company_code,
                    "object_kind": record.object_kind,
                    "object_id": record.object_id,
                    "reason_code": record.reason_code,
                    "severity": record.severity,
                    "owner_role": record.owner_role,
                    "state": record.state,
                    "currency": record.currency,
                    "money_at_risk": record.money_at_risk,
                    "cause_key": record.cause_key,
                    "opened_at": record.opened_at,
                    "due_at": record.due_at,
                    "correlation_id": record.correlation_id,
                    "record": codec.encode(record),
                }
                for record in records
            ],
        )
        await store.add_events(
            connection,
            [
                _line(message, record.object_kind, record.object_id, record.reason_code, record.state, record.words)
                for message, record in zip(batch.messages, records, strict=True)
            ],
        )

        # A question, or an overdue exception, concerns a team that does not own it: it is told.
        asked = [
            (
                stable_id("ask", record.exception_id, str(record.version)),
                record.event.words.partition(":")[0],
                record.exception_id,
                record.company_code,
                f"{record.event.actor} asks: {record.event.words.partition(': ')[2]} ({record.words})",
                record.event.at,
            )
            for record in records
            if record.event.kind == "asked"
        ]
        escalated = [
            (
                stable_id("esc", record.exception_id, record.event.words),
                record.event.words,
                record.exception_id,
                record.company_code,
                record.next_action,
                record.event.at,
            )
            for record in records
            if record.event.kind == "escalated"
        ]
        if asked or escalated:
            await store.add_notices(connection, [*asked, *escalated])

    async def on_events(self, connection: Connection, batch: Batch) -> None:
        """Keep what happened, in words, under its correlation id; tell receiving what did not come."""
        lines = [line for message in batch.messages if (line := _told(message)) is not None]
        await store.add_events(connection, lines)
        unanswered = {
            message.correlation_id: message
            for message in batch.messages
            if message.type == "tripartite.receipts.requeried.v1"
            and codec.decode_own(message.payload, ReceiptsRequeried).found == 0
        }
        if not unanswered:
            return
        notices = []
        for record in await store.open_waiting_for_receipts(connection, sorted(unanswered)):
            as_of = codec.decode_own(unanswered[record.correlation_id].payload, ReceiptsRequeried).as_of
            words = f"{record.words} Asked again, nothing new as of {as_of:%Y-%m-%dT%H:%MZ}."
            notice_id = stable_id("ntc", record.exception_id, "receiving")
            notices.append(
                (notice_id, record.owner_role, record.exception_id, record.company_code, words, self._ports.clock.now())
            )
        await store.add_notices(connection, notices)


def _line(message: Message, kind: str, object_id: str, number: str, state: str, words: str) -> Line:
    return (
        *(message.message_id, message.correlation_id, message.occurred_at, message.type, message.company_code),
        *(kind, object_id, number, message.source, state, words[:500], message.trace_id),
    )


def _told(message: Message) -> Line | None:
    """One event as a line of the lineage; None for what says nothing to a person."""
    match message.type.split(".")[1:3]:
        case ["order", "recorded"]:
            order = codec.decode_own(message.payload, OrderRecorded).value
            words = f"Order {order.number} version {order.version}, {len(order.lines)} lines, {order.status}"
            return _line(message, "order", order.number, order.number, order.status, words)
        case ["order", "published"]:
            published = codec.decode_own(message.payload, OrderPublished)
            words = f"{published.connection} has order {published.order_number} as {published.document}"
            return _line(message, "order", published.order_number, published.order_number, "published", words)
        case ["order", "sought"]:
            sought = codec.decode_own(message.payload, OrderSought)
            words = f"Procurement was asked for order {sought.order_number}: {'found' if sought.found else 'not found'}"
            return _line(message, "order", sought.order_number, sought.order_number, "sought", words)
        case ["requisition", "recorded"]:
            wish = codec.decode_own(message.payload, RequisitionRecorded).value
            words = f"Requisition {wish.number}, {wish.status}"
            return _line(message, "requisition", wish.number, wish.number, wish.status, words)
        case ["requisition", "ordered"]:
            ordered = codec.decode_own(message.payload, RequisitionOrdered)
            wish = ordered.value
            by = ", ".join(
                f"{step.approver} {step.decision} {step.decided_on or ''}".strip() for step in wish.approvals
            )
            words = (
                f"Requisition {wish.number} of {wish.requester or 'nobody named'} became order {ordered.order_number}"
            )
            words = f"{words}; {by}" if by else words
            return _line(message, "requisition", wish.number, wish.number, "ordered", words)
        case ["budget", "checked"]:
            checked = codec.decode_own(message.payload, BudgetChecked)
            return _line(message, "budget", checked.check_id, checked.requisition, checked.outcome, checked.words)
        case ["receipt", "recorded"]:
            receipt = codec.decode_own(message.payload, ReceiptRecorded).value
            what = ", ".join(f"{line.quantity} {line.unit} of line {line.order_line}" for line in receipt.lines[:4])
            words = f"{receipt.kind.replace('_', ' ').capitalize()} {receipt.number}: {what}"
            return _line(message, "receipt", receipt.number, receipt.number, receipt.kind, words)
        case ["receipts", "requeried"]:
            asked = codec.decode_own(message.payload, ReceiptsRequeried)
            words = f"Receipts of {asked.order_number} asked for again: {asked.found or 'none'} new"
            return _line(message, "order", asked.order_number, asked.order_number, "requeried", words)
        case ["supplier", "recorded"]:
            supplier = codec.decode_own(message.payload, SupplierRecorded).value
            words = f"Supplier {supplier.number} {supplier.name}, {supplier.status}"
            return _line(message, "supplier", supplier.supplier_id, supplier.number, supplier.status, words)
        case ["invoice", _]:
            invoice = codec.decode_own(message.payload, InvoiceChanged)
            return _line(message, "invoice", invoice.invoice_id, invoice.number, invoice.state, invoice.words)
        case ["payment", state]:
            paid = codec.decode_own(message.payload, PaymentChanged)
            return _line(message, "payment", paid.value.number, paid.value.number, state, paid.words)
        case ["delivery", state]:
            outcome = codec.decode_own(message.payload, DeliveryOutcome)
            words = _delivered(outcome)
            return _line(message, "delivery", outcome.object_id, outcome.connection, state, words)
        case _:
            return None


def _delivered(outcome: DeliveryOutcome) -> str:
    what = outcome.operation.replace("_", " ")
    match outcome.state:
        case "settled":
            how = f", found by probe {outcome.probes}" if outcome.probes else ""
            return f"{outcome.connection}: {what} done, {outcome.remote_ref}{how}"
        case "unknown":
            return f"{outcome.connection}: {what} gave no answer; it is asked whether it happened"
        case "waiting":
            return f"{outcome.connection}: {what} is tried again, {outcome.detail}"
        case "rejected":
            return f"{outcome.connection}: {what} refused, {outcome.detail}"
        case _:
            return f"{outcome.connection}: {what} {outcome.state.replace('_', ' ')} {outcome.detail}"
