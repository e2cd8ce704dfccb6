"""The chain of one transaction, from requisition to bank statement: each document with its state, where it came from,
what each system knows of it, and how long after the one before it came.

Built from the owners' answers about the documents that the lineage names. What is not there yet is a link too, and says
what it waits for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tripartite.components.console import words
from tripartite.components.console.formats import Formats, instant
from tripartite.components.console.views import links
from tripartite.components.console.views.systems import System, lag_of, systems
from tripartite.components.console.words import Mark

MOST_OF_A_KIND = 20


class Named(msgspec.Struct, frozen=True):
    """The documents that the moments of a transaction name, by kind: (company, number or id), in order of mention."""

    requisitions: tuple[tuple[str, str], ...]
    orders: tuple[tuple[str, str], ...]
    receipts: tuple[tuple[str, str], ...]
    invoices: tuple[tuple[str, str], ...]
    payments: tuple[tuple[str, str], ...]


def named(events: Sequence[Mapping[str, Any]]) -> Named:
    """What the lineage's events speak of; an order that was only sought is not there."""
    found: dict[str, dict[tuple[str, str], None]] = {}
    for event in events:
        kind, company = event["object_kind"], event["company_code"]
        if "exception." in event["type"] or (kind == "order" and event["state"] in ("sought", "requeried")):
            continue
        name = event["object_id"] if kind in ("invoice", "payment") else event["object_number"]
        if name:
            found.setdefault(kind, {})[(company, name)] = None

    def of(kind: str) -> tuple[tuple[str, str], ...]:
        return tuple(found.get(kind, ()))[:MOST_OF_A_KIND]

    return Named(of("requisition"), of("order"), of("receipt"), of("invoice"), of("payment"))


class Document(msgspec.Struct, frozen=True):
    """One document of a step: its number and page, its state here, a line about it, and each system's knowledge."""

    number: str
    href: str
    mark: Mark
    line: str
    at: str = ""
    source: str = ""
    systems: tuple[System, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """A link of the chain. `waits` says in words what is not there yet; `after` how long after the step before."""

    name: str
    icon: str
    tone: str
    documents: tuple[Document, ...]
    waits: str
    at: str = ""
    after: str = ""
    trouble: str = ""  # why nothing can be said; then it is not known whether there is something


Answers = Mapping[str, Sequence[Mapping[str, Any]]]


def chain(
    found: Answers, deliveries: Sequence[Mapping[str, Any]], formats: Formats, troubles: Mapping[str, str] | None = None
) -> list[Step]:
    """The steps, from the answers about `requisitions`, `approvals`, `budgets`, `orders`, `receipts`, `invoices` and
    `payments` (each the bodies of the owner's answers) and every delivery about them.

    `troubles` says in words why documents of a kind could not be had.
    """
    by_object: dict[str, list[Mapping[str, Any]]] = {}
    by_key = {each["key"]: each for each in deliveries}
    for each in deliveries:
        by_object.setdefault(each["object_id"], []).append(each)
    orders = found["orders"]
    steps = [
        _step("Requisition", "requisition", [_requisition(each) for each in found["requisitions"]],
              "No requisition is named: the order came without one, or it has not been read yet."),
        _step("Approval", "ask", _approvals(found["approvals"], formats), "No approval was told."),
        _step("Budget", "audit", [_budget(each, formats) for each in found["budgets"]], "No budget was asked for."),
        _step("Order", "order", [_order(each, by_object, formats) for each in orders], "No order is known yet."),
        _step("Receipts", "receipt", [_receipt(each, by_object, formats) for each in found["receipts"]],
              "Nothing came yet."),
        _step("Invoice", "invoice", [_invoice(each, by_object, formats) for each in found["invoices"]],
              "Nobody billed it yet."),
        _step("Posting", "posting", [_posting(each, by_object, formats) for each in found["invoices"]
                                     if each.get("document") or _posts(by_object.get(each["invoice_id"], ()))],
              "Nothing is booked: an invoice is posted once it passed, or was released."),
        _step("Payment", "payment", [_payment(each, by_key, formats) for each in found["payments"]],
              "No run pays it yet: it is paid when it is posted, due and not held."),
        _step("Bank statement", "estate", _statements(found["payments"], formats),
              "No statement of the bank shows it yet."),
    ]  # fmt: skip
    kinds = (
        "requisitions",
        "approvals",
        "budgets",
        "orders",
        "receipts",
        "invoices",
        "invoices",
        "payments",
        "payments",
    )
    told = [
        msgspec.structs.replace(step, trouble=(troubles or {}).get(kind, "") if not step.documents else "")
        for step, kind in zip(steps, kinds, strict=True)
    ]
    return _with_lags(told, formats)


def _step(name: str, icon: str, documents: Sequence[Document], waits: str) -> Step:
    tones = [document.mark.tone for document in documents]
    worst = next((tone for tone in ("refuse", "unknown", "hold", "ask", "wait") if tone in tones), "agree")
    first = min((document.at for document in documents if document.at), default="")
    return Step(name, icon, worst if documents else "wait", tuple(documents), "" if documents else waits, first)


def _with_lags(steps: Sequence[Step], formats: Formats) -> list[Step]:
    """Each step with the time since the one before it that is there."""
    lagged, before = [], ""
    for step in steps:
        first, last = instant(step.at), instant(before)
        after = lag_of(before, step.at, formats) if first is not None and last is not None and first >= last else ""
        lagged.append(msgspec.structs.replace(step, after=f"{after} after" if after else ""))
        before = step.at or before
    return lagged


def _text(at: str | datetime | None) -> str:
    found = instant(at)
    return found.isoformat() if found else ""


def _requisition(wish: Mapping[str, Any]) -> Document:
    who = f"asked for by {wish['requester']}" if wish.get("requester") else ""
    return Document(
        wish["number"],
        links.requisition(wish["number"], wish["company_code"]),
        words.mark(words.REQUISITION_STATES, wish["status"]),
        who,
        _text(wish.get("recorded_at")),
    )


def _approvals(answers: Sequence[Mapping[str, Any]], formats: Formats) -> list[Document]:
    return [
        Document(
            step["approver"],
            links.requisition(answer["number"], answer["company_code"]),
            words.mark(words.APPROVAL_DECISIONS, step["decision"]),
            formats.date(step.get("decided_on")),
        )
        for answer in answers
        for step in answer["steps"]
    ]


def _budget(check: Mapping[str, Any], formats: Formats) -> Document:
    return Document(
        f"Cost centre {check['cost_centre']}",
        links.requisition(check["requisition"], check["company_code"]),
        words.mark(words.BUDGET_OUTCOMES, check["outcome"]),
        f"{formats.money(check['amount'], check['currency'])} wanted"
        + (f", {formats.money(check['available'], check['currency'])} left" if check["available"] is not None else ""),
        _text(check["as_of"] or check["asked_at"]),
    )


Deliveries = Mapping[str, Sequence[Mapping[str, Any]]]


def _order(order: Mapping[str, Any], by_object: Deliveries, formats: Formats) -> Document:
    lines = len(order.get("lines", ()))
    return Document(
        order["number"],
        links.order(order["number"], order["company_code"]),
        words.mark(words.ORDER_STATES, order.get("status", "open")),
        f"version {order.get('version', 1)}, {lines} line{'s' if lines != 1 else ''}",
        _text(order["recorded_at"]),
        order["source"],
        tuple(systems(by_object.get(order["object_id"], ()), formats)),
    )


def _receipt(receipt: Mapping[str, Any], by_object: Deliveries, formats: Formats) -> Document:
    return Document(
        receipt["number"],
        links.receipt(receipt["number"], receipt["company_code"]),
        words.mark(words.RECEIPT_KINDS, receipt["kind"]),
        ", ".join(
            f"{formats.number(line['quantity'])} {line.get('unit', '')} of line {line['order_line']}".replace("  ", " ")
            for line in receipt["lines"][:3]
        ),
        _text(receipt["recorded_at"]),
        receipt["source"],
        tuple(systems(by_object.get(receipt["object_id"], ()), formats)),
    )


def _posts(deliveries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in deliveries if each["operation"] == "post_invoice"]


def _invoice(invoice: Mapping[str, Any], by_object: Deliveries, formats: Formats) -> Document:
    told = [each for each in by_object.get(invoice["invoice_id"], ()) if each["operation"] != "post_invoice"]
    codes = [words.meaning(code) for code in invoice["reason_codes"][:2]]
    return Document(
        invoice["number"],
        links.invoice(invoice["invoice_id"]),
        words.mark(words.INVOICE_STATES, invoice["state"]),
        "; ".join([formats.money(invoice.get("gross"), invoice.get("currency", "")), *codes]).strip("; "),
        _text(invoice.get("arrived_at")),
        invoice.get("connection", ""),
        tuple(systems(told, formats, versions=False)),
    )


def _posting(invoice: Mapping[str, Any], by_object: Deliveries, formats: Formats) -> Document:
    owed = _posts(by_object.get(invoice["invoice_id"], ()))
    last = owed[-1]["state"] if owed else ""
    mark = Mark("agree", "Booked") if invoice["document"] else words.mark(words.DELIVERY_STATES, last)
    return Document(
        invoice["document"] or "not booked yet",
        f"{links.invoice(invoice['invoice_id'])}/messages",
        mark,
        f"of invoice {invoice['number']}" + (", with a payment block" if invoice.get("payment_block") else ""),
        _text(invoice.get("posted_at") or (owed[-1]["created_at"] if owed else None)),
        "",
        tuple(systems(owed, formats, versions=False)),
    )


def _payment(payment: Mapping[str, Any], by_key: Mapping[str, Mapping[str, Any]], formats: Formats) -> Document:
    keys = [each["key"] for each in payment["notices"]] + [each["delivery_key"] for each in payment["orders"]]
    told = [by_key[key] for key in keys if key in by_key]
    released = list(dict.fromkeys(each["person"] for each in payment["releases"] if each["counts"]))
    return Document(
        payment["number"],
        links.payment(payment["number"]),
        words.mark(words.PAYMENT_STATES, payment["state"]),
        formats.money(payment["amount"], payment["currency"])
        + (f", released by {' and '.join(released)}" if released else ", not released yet"),
        _text(payment["changed_at"]),
        "",
        tuple(systems(told, formats, versions=False)),
    )


def _statements(payments: Sequence[Mapping[str, Any]], formats: Formats) -> list[Document]:
    found = []
    for payment in payments:
        for entry in payment["entries"]:
            back = bool(entry["return_reason"]) or entry["reversal"] or entry["direction"] == "credit"
            booked = entry["status"] == "booked"
            mark = (
                Mark("refuse", "Came back")
                if back
                else Mark("agree", "Booked")
                if booked
                else Mark("wait", "Announced")
            )
            found.append(
                Document(
                    entry["statement"],
                    f"{links.payment(payment['number'])}#bank",
                    mark,
                    f"{formats.money(entry['amount'], entry['currency'])} {'in' if back else 'out'}"
                    f" on {formats.date(entry['booked_on']) or 'a day to come'}",
                )
            )
    return found


class Late(msgspec.Struct, frozen=True):
    """A write that is owed and not there: the document it is about, and the system that does not have it."""

    document: Document
    system: System


def late(steps: Sequence[Step]) -> list[Late]:
    """What has not reached its system, over all documents of the chain."""
    return [
        Late(document, system)
        for step in steps
        for document in step.documents
        for system in document.systems
        if system.late
    ]
