"""What the payments component tells: on the bus, to the ERP that clears the item, to the side the invoice came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from tripartite.components.payments.ledger import Row
from tripartite.connectors import registry
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.estate import Connection as Configured
from tripartite.core.estate import Estate
from tripartite.core.events import EXCEPTION_EVENTS, PAYMENT_EVENTS, PaymentChanged
from tripartite.core.exceptions.reconcile import Changes
from tripartite.core.ids import stable_id
from tripartite.core.money import Amount
from tripartite.core.objects import Payment
from tripartite.core.objects.notice import PaymentReported
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.deliveries import Owed

SEND_PAYMENT_ORDER = "send_payment_order"
RECORD_PAYMENT = "record_payment"
REPORT_PAYMENT = "report_payment"

Sources = Mapping[str, Mapping[str, Any]]


class Cause(msgspec.Struct, frozen=True):
    """What woke an act: a message, or a person's or schedule's request."""

    message_id: str
    trace_id: str = ""
    source: str = ""


def changed_messages(row: Row, words: str, sources: Sources, cause: Cause, now: datetime) -> list[Outgoing]:
    """The payment as it is, told once in each transaction (correlation) that it belongs to."""
    payment = row.payment
    payload = codec.encode(PaymentChanged(payment, row.order_number, row.reason, words[:500]))
    correlations = {str(sources[item.invoice_id]["correlation_id"]) for item in payment.items}
    return [
        Outgoing(
            PAYMENT_EVENTS,
            Message(
                message_id=stable_id("msg", row.number, str(row.version), correlation),
                type=f"tripartite.payment.{row.state}.v1",
                company_code=row.company_code,
                key=row.supplier_id,
                correlation_id=correlation,
                occurred_at=now,
                payload=payload,
                causation_id=cause.message_id,
                source=cause.source,
                trace_id=cause.trace_id,
            ),
        )
        for correlation in sorted(correlations)
    ]


def exception_messages(changes: Changes, key: str, cause: Cause, now: datetime) -> list[Outgoing]:
    told = []
    for what, records in (("opened", changes.opened), ("changed", changes.re_evaluated), ("cleared", changes.cleared)):
        for record in records:
            message = Message(
                message_id=stable_id("msg", record.exception_id, str(record.version)),
                type=f"tripartite.exception.{what}.v1",
                company_code=record.company_code,
                key=key,
                correlation_id=record.correlation_id,
                occurred_at=now,
                payload=codec.encode(record),
                causation_id=cause.message_id,
                source=cause.source,
                trace_id=cause.trace_id,
            )
            told.append(Outgoing(EXCEPTION_EVENTS, message))
    return told


def notices(row: Row, sources: Sources, estate: Estate, cause: Cause, now: datetime) -> list[Owed]:
    """What is owed once money left or came back: the clearing to the ERP, the payment to who brought the invoice.

    Only what a connection's manifest lists is owed to it. The AP side has no word for money that came back.
    """
    payment = row.payment
    owed = [
        _owed(row, configured, RECORD_PAYMENT, "payment", row.number, part, estate, cause, now)
        for configured, part in _recorders(row, payment, sources, estate)
    ]
    if row.state != "executed" or payment.executed_on is None:
        return owed
    for item in payment.items:
        source = sources[item.invoice_id]
        reporter = estate.connection(source["connection"])
        if reporter is None or not source["source_document"] or REPORT_PAYMENT not in writes_of(reporter):
            continue
        notice = PaymentReported(
            invoice_id=item.invoice_id,
            invoice_number=item.invoice_number,
            company_code=row.company_code,
            source_document_id=source["source_document"],
            payment_number=row.number,
            currency=row.currency,
            amount=Amount(abs(item.amount)),
            paid_on=payment.executed_on,
        )
        about = f"{row.number}/{item.invoice_id}"
        owed.append(_owed(row, reporter, REPORT_PAYMENT, "payment_item", about, notice, estate, cause, now))
    return owed


def _recorders(row: Row, payment: Payment, sources: Sources, estate: Estate) -> Sequence[tuple[Configured, Payment]]:
    """Who records the payment: each ERP the items it booked, and procurement all of them, where they can."""
    day = payment.executed_on or row.changed_at.date()
    route = estate.route(row.company_code, "payment", day)
    by_erp: dict[str, list[str]] = {}
    for item in payment.items:
        erp = str(sources[item.invoice_id]["erp"]) or (route.connection if route else "")
        by_erp.setdefault(erp, []).append(item.invoice_id)
    found: list[tuple[Configured, Payment]] = []
    for name, invoices in sorted(by_erp.items()):
        configured = estate.connection(name)
        if configured is None or RECORD_PAYMENT not in writes_of(configured):
            continue
        items = tuple(item for item in payment.items if item.invoice_id in invoices)
        amount = Amount(sum((item.amount for item in items), Decimal(0)))
        found.append((configured, msgspec.structs.replace(payment, items=items, amount=amount)))
    for configured in estate.serving("procurement", row.company_code):
        if RECORD_PAYMENT in writes_of(configured):
            found.append((configured, payment))
    return found


def writes_of(configured: Configured) -> Sequence[str]:
    """What a connection's kind can write."""
    return registry.manifest(configured.kind).writes if configured.kind in registry.kinds() else ()


def _owed(
    row: Row,
    configured: Configured,
    operation: str,
    kind: str,
    about: str,
    value: Any,
    estate: Estate,
    cause: Cause,
    now: datetime,
) -> Owed:
    return Owed(
        connection=configured.name,
        operation=operation,
        object_kind=kind,
        object_id=about,
        object_version=row.version,
        company_code=row.company_code,
        correlation_id=row.correlation_id,
        payload=codec.encode(value),
        mode=estate.mode(configured.name, row.company_code) or "observe",
        due_at=now,
        causation_id=cause.message_id,
    )
