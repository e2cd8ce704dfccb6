"""The lineage ribbon: requisition, order, receipts, invoice, decision, posting, payment; with each system's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tripartite.components.console import words
from tripartite.components.console.formats import Formats
from tripartite.components.console.views import links
from tripartite.components.console.words import Mark, Tone

Edge = Literal["solid", "held", "dashed"]


class Chip(msgspec.Struct, frozen=True):
    """One system's own word about a step."""

    tone: Tone
    words: str
    title: str = ""


class Step(msgspec.Struct, frozen=True):
    """One link of the chain. `edge` leads to the next: solid where all agree, dashed where it is not reached yet."""

    name: str
    tone: Tone
    when: str
    line: str
    chips: tuple[Chip, ...]
    edge: Edge
    href: str
    glyph: str = ""  # where the tone's own would mislead: nothing is awaited where nothing was named


def ribbon(
    invoice: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    deliveries: Sequence[Mapping[str, Any]],
    formats: Formats,
) -> list[Step]:
    """The seven steps of an invoice, from its own answer, what happened, and what is owed to the outside."""
    here = f"/invoices/{invoice['invoice_id']}"
    steps = [
        _requisition(invoice, events, formats),
        _order(invoice, events, formats),
        _receipts(invoice, events, formats),
        _invoice(invoice, deliveries, formats, here),
        _decision(invoice, formats, here),
        _posting(invoice, deliveries, formats, here),
        _payment(invoice, formats),
    ]
    return [
        msgspec.structs.replace(step, edge=_edge(step, steps[place + 1] if place + 1 < len(steps) else None))
        for place, step in enumerate(steps)
    ]


def _edge(step: Step, following: Step | None) -> Edge:
    if following is None or following.tone in ("wait", "unknown") or step.tone in ("wait", "unknown"):
        return "dashed"
    return "held" if following.tone in ("hold", "refuse") else "solid"


def _sources(events: Sequence[Mapping[str, Any]], kind: str, word: str) -> tuple[Chip, ...]:
    """A chip for each system that told us of this kind of document."""
    names = dict.fromkeys(event["source"] for event in events if event["object_kind"] == kind and event["source"])
    return tuple(Chip("agree", f"{name} {word}") for name in names)


def _requisition(invoice: Mapping[str, Any], events: Sequence[Mapping[str, Any]], formats: Formats) -> Step:
    numbers = list(dict.fromkeys(order["requisition"] for order in invoice["orders"] if order.get("requisition")))
    told = [event for event in events if event["object_kind"] == "requisition"]
    line = ", ".join(numbers) or (told[-1]["object_number"] if told else "")
    requesters = dict.fromkeys(order["requester"] for order in invoice["orders"] if order.get("requester"))
    who = f", {next(iter(requesters))}" if requesters else ""
    if not line:
        return Step("Requisition", "wait", "", "none named", (), "dashed", "", "none")
    when = formats.short_date(formats.date_of(told[-1]["at"])) if told else ""
    chips = _sources(events, "requisition", told[-1]["state"] if told else "")
    href = links.requisition(line.partition(",")[0], invoice["company_code"])
    return Step("Requisition", "agree", when, line + who, chips, "solid", href)


def _order(invoice: Mapping[str, Any], events: Sequence[Mapping[str, Any]], formats: Formats) -> Step:
    content = invoice["content"]
    named = list(
        dict.fromkeys(
            [*content.get("order_numbers", ()), *(line.get("order_number", "") for line in content.get("lines", ()))]
        )
    )
    named = [number for number in named if number]
    orders = invoice["orders"]
    known = [order["number"] for order in orders]
    missing = [number for number in named if number not in known]
    if not named and not orders:
        return Step("Order", "wait", "", "none named", (), "dashed", "#match", "none")
    if missing and not orders:
        return Step("Order", "hold", "", f"{', '.join(missing)} is not known", (), "dashed", "#match")
    when = formats.short_date(orders[0].get("issued_on"))
    versions = [f"{order['number']} v{order.get('version', 1)}" for order in orders]
    chips = _sources(events, "order", f"v{orders[0].get('version', 1)}") if len(orders) == 1 else ()
    chips = chips or tuple(
        Chip(
            words.mark(words.ORDER_STATES, order.get("status", "open")).tone,
            f"{order['number']} {order.get('status', 'open')}",
        )
        for order in orders[:3]
    )
    tone: Tone = (
        "hold" if missing or any(order.get("status") in ("draft", "cancelled") for order in orders) else "agree"
    )
    href = links.order(known[0], invoice["company_code"]) if len(known) == 1 else "#match"
    return Step(
        "Order", tone, when, ", ".join(versions[:2]) + (" ..." if len(versions) > 2 else ""), chips, "solid", href
    )


def _receipts(invoice: Mapping[str, Any], events: Sequence[Mapping[str, Any]], formats: Formats) -> Step:
    receipts = invoice["receipts"]
    if not receipts:
        waiting = any(fact.startswith("receipt") for fact in invoice["waits_for"])
        if not invoice["pairs"]:
            return Step("Receipts", "wait", "", "none", (), "dashed", "#match")
        known = max((str(at) for at in invoice["receipts_as_of"].values()), default="")
        line = f"none as of {formats.clock(known)}" if known else "none yet"
        return Step("Receipts", "hold" if waiting else "wait", "", line, (), "dashed", "#match")
    came = sum(1 for receipt in receipts if receipt.get("kind", "receipt") in ("receipt", "service_entry"))
    back = len(receipts) - came
    last = max((receipt["posted_on"] for receipt in receipts if receipt.get("posted_on")), default=None)
    line = f"{came} in" + (f", {back} back" if back else "")
    short = any(code.startswith(("match.quantity", "match.not_received")) for code in invoice["reason_codes"])
    when = f"last {formats.short_date(last)}" if last else ""
    href = links.receipt(receipts[0]["number"], invoice["company_code"]) if len(receipts) == 1 else "#match"
    return Step("Receipts", "hold" if short else "agree", when, line, _sources(events, "receipt", ""), "solid", href)


def _invoice(invoice: Mapping[str, Any], deliveries: Sequence[Mapping[str, Any]], formats: Formats, here: str) -> Step:
    chips = [Chip("agree", f"{invoice['connection']} received")] if invoice["connection"] else []
    for delivery in deliveries:
        if delivery["operation"] != "post_invoice":
            chips.append(_delivered(delivery, {"report_hold": "hold told", "report_posting": "posting told"}))
    when = formats.short_date(formats.date_of(invoice["arrived_at"]))
    # The latest word to each system is what it knows.
    latest = {chip.words.partition(" ")[0] + str(place == 0): chip for place, chip in enumerate(chips)}
    return Step("Invoice", "agree", when, invoice["number"], tuple(latest.values()), "solid", f"{here}/document")


def _decision(invoice: Mapping[str, Any], formats: Formats, here: str) -> Step:
    decisions = invoice["decisions"]
    mark = words.mark(words.INVOICE_STATES, invoice["state"])
    if not decisions:
        return Step("Decision", "wait", "", "not decided yet", (), "dashed", f"{here}/history")
    last = decisions[-1]
    count = len(decisions)
    why = words.cause_words(last["cause_type"])
    line = f"{count} of {count}, by {why}" if count > 1 else f"at once, by {why}"
    tone: Tone = "agree" if invoice["state"] in ("to_post", "posted") else mark.tone
    chip = Chip(mark.tone, mark.word)
    return Step(
        "Decision", tone, formats.short_date(formats.date_of(last["at"])), line, (chip,), "solid", f"{here}/history"
    )


def _posting(invoice: Mapping[str, Any], deliveries: Sequence[Mapping[str, Any]], formats: Formats, here: str) -> Step:
    owed = [delivery for delivery in deliveries if delivery["operation"] == "post_invoice"]
    messages = f"{here}/messages"
    if invoice["state"] == "posted":
        when = formats.short_date(formats.date_of(invoice["posted_at"]))
        chips = tuple(Chip("agree", f"{each['connection']} {each['remote_ref']}") for each in owed)
        return Step("Posting", "agree", when, invoice["document"] or "posted", chips, "solid", messages)
    if not owed:
        words_ = {"observed": "observing only", "refused": "never", "replaced": "never"}.get(
            invoice["state"], "not sent, waits"
        )
        return Step("Posting", "wait", "", words_, (), "dashed", messages)
    last = owed[-1]
    mark = words.mark(words.DELIVERY_STATES, last["state"])
    line = {
        "unknown": f"asked again {formats.ago(last['due_at'])}, do not post by hand",
        "waiting": f"tried again {formats.ago(last['due_at'])}",
        "rejected": "the ERP said no",
        "dead_letter": "set aside, somebody must look",
    }.get(last["state"], "on its way")
    return Step("Posting", mark.tone, "", line, tuple(_delivered(each, {}) for each in owed), "dashed", messages)


def _delivered(delivery: Mapping[str, Any], names: Mapping[str, str]) -> Chip:
    mark: Mark = words.mark(words.DELIVERY_STATES, delivery["state"])
    name = names.get(delivery["operation"], "")
    done = delivery["state"] == "settled"
    said = f"{delivery['connection']} {name if done and name else mark.word.lower()}"
    return Chip(mark.tone, said, f"{words.operation(delivery['operation'])}: {mark.word}")


def _payment(invoice: Mapping[str, Any], formats: Formats) -> Step:
    payments = invoice.get("payments", ())
    if payments:
        last = max(payments, key=lambda each: (each["state"] == "executed", str(each["executed_on"] or "")))
        mark = words.mark(words.PAYMENT_STATES, last["state"])
        when = formats.short_date(last["executed_on"])
        told = (Chip(mark.tone, mark.word),)
        return Step("Payment", mark.tone, when, last["number"], told, "dashed", links.payment(last["number"]))
    due = invoice["content"].get("due_on")
    line = f"due {formats.short_date(due)}" if due else "no due date stated"
    blocked = invoice["payment_block"]
    chips = (Chip("refuse", "payment block"),) if blocked else ()
    away = formats.days_until(due)
    return Step("Payment", "refuse" if blocked else "wait", away, line, chips, "dashed", "")
