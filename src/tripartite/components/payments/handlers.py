"""Facts arrive that bear on paying; each batch is worked in one transaction.

on_invoice_events    a posted invoice is an item that may be paid, under what it carries now
on_supplier_events   who may be paid, and to which confirmed accounts
on_exception_events  what the others opened or cleared, where it stops a payment
on_payment_reports   the bank's answer to an order
on_bank_statements   what was booked on our accounts
on_outcomes          whether an order reached the bank, and whether the others heard of a payment

A fact that is a hold stops what has not left (stopping.py); the bank's words are worked out in settling.py.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from tripartite.components.payments import answers, ledger, store
from tripartite.components.payments.answers import Entry
from tripartite.components.payments.desk import Desk, Subject
from tripartite.components.payments.settling import settle, tell_again
from tripartite.components.payments.stopping import after_facts
from tripartite.components.payments.telling import RECORD_PAYMENT, REPORT_PAYMENT, SEND_PAYMENT_ORDER, Cause
from tripartite.core import codec
from tripartite.core.delivery import DeliveryOutcome
from tripartite.core.envelope import Message
from tripartite.core.estate import OwnAccount
from tripartite.core.events import (
    BankStatementArrived,
    InvoiceChanged,
    PaymentReportArrived,
    SupplierRecorded,
)
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.findings import Finding
from tripartite.core.ids import digest, stable_id
from tripartite.core.money import Amount
from tripartite.core.paying.proposing import CREDITS, discount_of
from tripartite.runtime.bus import Batch
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.versions import keep_newest

OWN_KINDS = frozenset({"payment", "payment_order", "bank_entry"})
_ENTRY_AREAS = frozenset({"payment.debit_without_item", "payment.returned"})


class Payments:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def _desk(self, connection: Connection, batch: Batch) -> Desk:
        last = batch.messages[-1]
        return Desk(self._ports, connection, Cause(last.message_id, last.trace_id or batch.trace_id, last.source))

    def _companies(self, batch: Batch) -> Collection[str]:
        """Whose payments a batch concerns: everybody's, where it says so."""
        if batch.company_code != "*":
            return [batch.company_code]
        return [company.code for company in self._ports.estate.companies]

    async def on_invoice_events(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest word about each posted invoice; what is still to be posted is nobody's liability yet."""
        told = [(message, codec.decode_own(message.payload, InvoiceChanged)) for message in batch.messages]
        posted = [(message, value) for message, value in told if value.state == "posted" and value.version]
        if not posted:
            return
        await store.hold_still(connection, self._companies(batch), change=False)
        await keep_newest(connection, store.ITEMS, [_item(message, value) for message, value in posted])
        erps = [
            (value.invoice_id, message.source)
            for message, value in posted
            if message.type == "tripartite.invoice.posted.v1" and message.source
        ]
        await store.booked_by(connection, erps)
        desk = self._desk(connection, batch)
        await after_facts(desk, invoices={value.invoice_id for _, value in posted})
        await desk.finish()

    async def on_supplier_events(self, connection: Connection, batch: Batch) -> None:
        """Keep the master's newest word; who may not be paid any more stops what is under way."""
        await store.hold_still(connection, self._companies(batch), change=False)
        told = [
            codec.decode_own(message.payload, SupplierRecorded)
            for message in batch.messages
            if message.type == "tripartite.supplier.recorded.v1"
        ]
        rows: list[dict[str, Any]] = [
            {
                "supplier_id": each.value.supplier_id,
                "version": each.value.version,
                "status": each.value.status,
                "suspended": _suspended(each),
                "confirmed": codec.encode([account.account for account in each.confirmed_accounts]).decode(),
                "document": codec.encode(each.value),
            }
            for each in told
        ]
        await keep_newest(connection, store.SUPPLIERS, rows)
        desk = self._desk(connection, batch)
        await after_facts(desk, suppliers={each.value.supplier_id for each in told})
        await desk.finish()

    async def on_exception_events(self, connection: Connection, batch: Batch) -> None:
        """Keep which exceptions of others stop a payment, and who lifted one by hand: they may not pay it as well."""
        records = [codec.decode_own(message.payload, ExceptionRecord) for message in batch.messages]
        records = [record for record in records if record.object_kind not in OWN_KINDS]
        if not records:
            return
        await store.hold_still(connection, self._companies(batch), change=False)
        rows: list[dict[str, Any]] = [
            {
                "exception_id": record.exception_id,
                "version": record.version,
                "object_id": record.object_id,
                "reason_code": record.reason_code,
                "blocking": record.is_open and record.blocks in ("posting", "payment"),
            }
            for record in records
        ]
        await keep_newest(connection, store.BLOCKS, rows)
        acts = [(record.object_id, person, "exception release") for record in records for person in record.released_by]
        await store.add_acts(connection, acts)
        objects = {record.object_id for record in records}
        desk = self._desk(connection, batch)
        await after_facts(desk, invoices=objects, suppliers=objects)
        await desk.finish()

    async def on_payment_reports(self, connection: Connection, batch: Batch) -> None:
        """Keep the bank's reports; those of an order that is not ours change nothing."""
        reports = [codec.decode_own(message.payload, PaymentReportArrived).value for message in batch.messages]
        await self._settle(connection, batch, reports={each.order_number for each in reports}, keep=reports)

    async def _settle(self, connection: Connection, batch: Batch, *, reports: set[str], keep: Any) -> None:
        companies = await ledger.companies_of_orders(connection, reports)
        await store.hold_still(connection, companies, change=True)
        await answers.add_reports(connection, keep)
        desk = self._desk(connection, batch)
        await self._settled(desk, reports)
        await desk.finish()

    async def _settled(self, desk: Desk, orders: Collection[str]) -> None:
        lost = await settle(desk, orders)
        if lost:
            await after_facts(desk, invoices=lost)

    async def on_bank_statements(self, connection: Connection, batch: Batch) -> None:
        """Keep what was booked on our accounts; a debit that is no payment of ours is an exception."""
        values = [codec.decode_own(message.payload, BankStatementArrived).value for message in batch.messages]
        estate = self._ports.estate
        ours = [(own, value) for value in values if (own := estate.own_account(value.account)) is not None]
        await store.hold_still(connection, {own.company for own, _ in ours}, change=True)
        named = {entry.payment_number for _, value in ours for entry in value.entries if entry.payment_number}
        order_of = await ledger.orders_of_payments(connection, named)
        known = await ledger.orders(
            connection, {entry.order_number for _, value in ours for entry in value.entries if entry.order_number}
        )
        found = [
            Entry(
                own.account,
                value.currency,
                value.number,
                order_of.get(entry.payment_number, "")
                if entry.payment_number
                else entry.order_number
                if entry.order_number in known
                else "",
                entry,
            )
            for own, value in ours
            for entry in value.entries
        ]
        await answers.add_entries(connection, found)
        desk = self._desk(connection, batch)
        kept = await answers.entries(connection, {(each.account, each.value.key) for each in found})
        accounts = {own.account: own for own, _ in ours}
        for each in kept:
            await self._unknown(desk, accounts[each.account], each)
        await self._settled(desk, {each.order_number for each in kept if each.order_number})
        await desk.finish()

    async def _unknown(self, desk: Desk, own: OwnAccount, entry: Entry) -> None:
        """A booked debit, or money brought back, without an order of ours; cleared when the bank corrects its word."""
        value = entry.value
        debit = value.direction == "debit"
        lost = value.status == "booked" and not entry.order_number
        lost = lost and (debit or value.reversal or bool(value.return_reason))
        object_id = stable_id("bke", entry.account, value.key)
        named = value.payment_number or value.order_number
        what = f"left on {value.booked_on} and pays" if debit else f"came back on {value.booked_on} for"
        words = (
            f"{value.amount} {entry.currency} {what} nothing of ours{f', named {named}' if named else ''}: {value.key}."
        )
        code = "payment.debit_without_item" if debit else "payment.returned"
        finding = Finding(code=code, variance=value.amount, words=words[:600], rule="C40")
        subject = Subject(
            kind="bank_entry",
            object_id=object_id,
            company_code=own.company,
            currency=entry.currency,
            gross=Amount(value.amount),
            content=digest(codec.encode(value)),
            correlation_id=stable_id("c", object_id),
            key=object_id,
            refs=tuple(text for text in (value.key, entry.statement) if text),
        )
        await desk.find(subject, [finding] if lost else [], _ENTRY_AREAS)

    async def on_outcomes(self, connection: Connection, batch: Batch) -> None:
        """Whether an order reached the bank, and whether who must know heard of a payment."""
        told = [codec.decode_own(message.payload, DeliveryOutcome) for message in batch.messages]
        orders = [each for each in told if each.operation == SEND_PAYMENT_ORDER]
        notices = [each for each in told if each.operation in (RECORD_PAYMENT, REPORT_PAYMENT)]
        if not orders and not notices:
            return
        await store.hold_still(connection, self._companies(batch), change=True)
        await answers.add_outcomes(
            connection,
            [
                *((each.object_id, each.state, each.detail[:600]) for each in orders),
                *((each.key, each.state, each.detail[:600]) for each in notices),
            ],
        )
        desk = self._desk(connection, batch)
        await self._settled(desk, {each.object_id for each in orders})
        await tell_again(desk, {each.object_id.partition("/")[0] for each in notices})
        await desk.finish()


def _item(message: Message, value: InvoiceChanged) -> dict[str, Any]:
    """A posted invoice as an item. Without a due date it is due on the day it was issued: nobody granted more time."""
    document, _, year = value.document.partition("/")
    day = value.issued_on or message.occurred_at.date()
    amount = value.payable if value.payable is not None else Amount(0)
    discounted = value.discount_percent and value.discount_days is not None and value.issued_on is not None
    discount = discount_of(amount, value.discount_percent, value.currency) if value.discount_percent else None
    on = day + timedelta(days=value.discount_days or 0) if discounted else None
    taken = discount if on is not None and discount is not None and 0 < discount < amount else None
    return {
        "invoice_id": value.invoice_id,
        "version": value.version,
        "company_code": value.company_code,
        "supplier_id": value.supplier_id,
        "supplier_name": value.supplier_name,
        "currency": value.currency,
        "credit": value.kind in CREDITS,
        "number": value.number,
        "amount": amount,
        "document": document,
        "year": year,
        "issued_on": value.issued_on,
        "due_on": value.due_on or day,
        "discount_on": on if taken is not None else None,
        "discount": taken,
        "remit_to": value.remit_to.account if value.remit_to else "",
        "blocked": value.payment_block,
        "connection": value.connection,
        "source_document": value.source_document,
        "correlation_id": message.correlation_id,
    }


def _suspended(told: SupplierRecorded) -> str:
    """Why this supplier may not be paid now, as a reason code; empty where it may."""
    if told.eligibility != "suspended":
        return ""
    return told.reasons[0] if told.reasons else "supplier.inactive"
