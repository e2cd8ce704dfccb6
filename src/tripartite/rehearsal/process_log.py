"""A real process log played through the match: BPI Challenge 2019, order items of an SAP system with their events.

The log has no quantities and no amounts of single receipts and invoices, so each receipt is one part, each invoice
bills one part at 1.00, and as many parts are ordered as came or were billed. What can be compared is when an invoice
was blocked and when it was let go, and what happened around reversals, cancellations and deleted items.

    3-way, after or before receipt   three_way     2-way   two_way     consignment   consignment: nothing is billed

This file reads and plays; it decides nothing of its own. Source and licence: the sample's README (CC BY 4.0).
"""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from tripartite.core.matching.replay import History
from tripartite.core.money import Amount, Price
from tripartite.core.objects import Invoice, InvoiceLine, Order, OrderLine, Receipt, ReceiptLine
from tripartite.core.objects.order import MatchMode
from tripartite.core.quantity import Quantity

_MODES: dict[str, MatchMode] = {
    "3-way match, invoice after GR": "three_way",
    "3-way match, invoice before GR": "three_way",
    "2-way match": "two_way",
    "Consignment": "consignment",
}
_ORDER = "Create Purchase Order Item"
_CHANGES = {"Delete Purchase Order Item": "cancelled", "Reactivate Purchase Order Item": "open"}
_AMENDS = frozenset(["Change Price", "Change Quantity", "Change Delivery Indicator"])
_BLOCKS = frozenset(["Set Payment Block", "Remove Payment Block"])
_ONE = Quantity("1")


class LogInvalid(ValueError):
    """The folder does not hold the two files, or a row breaks their format; the message names file and row."""


class LogEvent(msgspec.Struct, frozen=True):
    """One event of an item, in the log's own words."""

    seq: int
    at: datetime
    activity: str


class LogItem(msgspec.Struct, frozen=True):
    """One order item with its events in the log's order."""

    case_id: str
    category: str
    events: tuple[LogEvent, ...]


class Played(msgspec.Struct):
    """What became of one item. `held`: an invoice was not let pass when it came; `released`: all that were held pass at
    the end or were cancelled; `blocked`: the log shows a payment block; `paid_while_held`: cleared in the log while the
    match says no; `orphans`: cancellations without an invoice to cancel."""

    category: str
    invoices: int = 0
    held: bool = False
    released: bool = True
    blocked: bool = False
    paid_while_held: int = 0
    orphans: int = 0
    end: tuple[tuple[str, str, tuple[tuple[int, str], ...]], ...] = ()


def read_log(folder: Path) -> list[LogItem]:
    """The items of a log folder. Errors: `LogInvalid`."""
    by_case: dict[str, list[LogEvent]] = {}
    categories: dict[str, str] = {}
    for name in ("cases.csv.gz", "events.csv.gz"):
        if not (folder / name).is_file():
            raise LogInvalid(f"{folder / name}: not found")
    with gzip.open(folder / "cases.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            categories[row["case_id"]] = row["item_category"]
    with gzip.open(folder / "events.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                event = LogEvent(int(row["seq"]), datetime.fromisoformat(row["timestamp"]), row["activity"])
                by_case.setdefault(row["case_id"], []).append(event)
            except (KeyError, ValueError, TypeError) as error:
                raise LogInvalid(f"{folder / 'events.csv.gz'}: row {number}: {error}") from None
    items = []
    for case_id, category in categories.items():
        if category not in _MODES:
            raise LogInvalid(f"{folder / 'cases.csv.gz'}: {case_id}: unknown category {category!r}")
        events = tuple(sorted(by_case.get(case_id, ()), key=lambda event: event.seq))
        items.append(LogItem(case_id, category, events))
    return items


class _Fact(msgspec.Struct, frozen=True):
    """One thing to tell the history: kind, id, document and, of an invoice, the day it arrived."""

    kind: str
    name: str
    document: Order | Receipt | Invoice | None
    on: date


def facts_of(item: LogItem) -> tuple[list[_Fact], int]:
    """The documents behind an item's events, in order; and how many cancellations had nothing to cancel."""
    receipts = sum(event.activity == "Record Goods Receipt" for event in item.events)
    bills = sum(event.activity == "Record Invoice Receipt" for event in item.events)
    line = OrderLine(
        1,
        item="PART",
        quantity=Quantity(str(max(1, receipts, bills))),
        price=Price("1.00"),
        match=_MODES[item.category],
    )
    order = Order(item.case_id, "EUR", supplier_id="V", issued_on=item.events[0].at.date(), lines=(line,))
    facts: list[_Fact] = [_Fact("order", "order", order, order.issued_on or date.min)]
    live: list[str] = []
    came: list[str] = []
    orphans = 0
    for place, event in enumerate(item.events):
        day, name = event.at.date(), f"{place}"
        if event.activity in _AMENDS or event.activity in _CHANGES:
            status = _CHANGES.get(event.activity, order.status)
            order = replace(order, version=order.version + 1, status=status)
            facts.append(_Fact("order", name, order, day))
        elif event.activity == "Record Goods Receipt":
            kind = "withdrawal" if item.category == "Consignment" else "receipt"
            came.append(f"GR-{name}")
            facts.append(_Fact("receipt", name, _receipt(item, came[-1], kind, day), day))
        elif event.activity == "Cancel Goods Receipt":
            orphans += not came
            back = came.pop() if came else ""
            facts.append(_Fact("receipt", name, _receipt(item, f"CGR-{name}", "reversal", day, back), day))
        elif event.activity == "Record Invoice Receipt":
            live.append(name)
            facts.append(_Fact("invoice", name, _bill(item, name, place, day), day))
        elif event.activity == "Cancel Invoice Receipt":
            orphans += not live
            if live:
                facts.append(_Fact("invoice", name, _bill(item, name, place, day, original=live.pop()), day))
        elif event.activity == "Clear Invoice" and live:
            facts.append(_Fact("pay", live[0], None, day))
        elif event.activity in _BLOCKS:
            facts.append(_Fact("block", name, None, day))
    return facts, orphans


def _receipt(item: LogItem, number: str, kind: str, day: date, takes_from: str = "") -> Receipt:
    line = ReceiptLine(item.case_id, 1, _ONE, takes_from=takes_from)
    return Receipt(number, kind, posted_on=day, lines=(line,))  # type: ignore[arg-type]


def _bill(item: LogItem, name: str, place: int, day: date, original: str = "") -> Invoice:
    # The number stands twice in itself, so that no two numbers of an item are a swap of neighbours.
    return Invoice(
        f"{'C' if original else 'I'}{place:04d}-{place:04d}",
        "credit_memo" if original else "invoice",
        "EUR",
        day,
        company_code="C",
        supplier_id="V",
        order_numbers=(item.case_id,),
        original=original,
        net=Amount("1.00"),
        gross=Amount("1.00"),
        lines=(InvoiceLine(1, order_line=1, quantity=_ONE, price=Price("1.00"), amount=Amount("1.00")),),
    )


def play(item: LogItem) -> Played:
    """An item through the match, event by event, as the log has them."""
    facts, orphans = facts_of(item)
    played = Played(item.category, orphans=orphans)
    history = History(item.events[-1].at.date())
    held: set[str] = set()
    for fact in facts:
        if fact.kind == "block":
            played.blocked = True
        elif fact.kind == "pay":
            if fact.name in history.results and history.results[fact.name].verdict == "post":
                history.pay(fact.name)
            else:
                played.paid_while_held += 1
        else:
            tell(history, fact)
            if isinstance(fact.document, Invoice) and fact.document.kind == "invoice":
                played.invoices += 1
                if history.results[fact.name].verdict != "post":
                    held.add(fact.name)
    cancelled = {
        fact.document.original for fact in facts if isinstance(fact.document, Invoice) and fact.document.original
    }
    played.held = bool(held)
    played.released = all(history.results[name].verdict == "post" or name in cancelled for name in held)
    played.end = ending(history)
    return played


def ending(history: History) -> tuple[tuple[str, str, tuple[tuple[int, str], ...]], ...]:
    """The final state: invoice, verdict but for the memory of earlier ones, findings."""
    end = []
    for name in sorted(history.results):
        codes = tuple(
            (one.line, one.code) for one in history.results[name].findings if one.code != "approval.changed_after"
        )
        end.append((name, "" if codes else "post", codes))
    return tuple(end)


def tell(history: History, fact: _Fact) -> None:
    """One document to the history."""
    if isinstance(fact.document, Order):
        history.order(fact.name, fact.document)
    elif isinstance(fact.document, Receipt):
        history.receipt(fact.name, fact.document)
    elif isinstance(fact.document, Invoice):
        history.invoice(fact.name, fact.document, fact.on)


def end_of(item: LogItem, *, doubled: bool = False, seed: int | None = None) -> object:
    """The final state without payments: with every event told twice, or in another order of arrival.

    Invoices keep their order among themselves, as the rules say, and so do the versions of an order.
    """
    facts = [fact for fact in facts_of(item)[0] if fact.document is not None]
    if doubled:
        facts = [fact for fact in facts for _ in range(2)]
    if seed is not None:
        facts = _shuffled(facts, random.Random(seed))
    history = History(item.events[-1].at.date())
    for fact in facts:
        tell(history, fact)
    return ending(history)


def _shuffled(facts: Sequence[_Fact], dice: random.Random) -> list[_Fact]:
    kinds = [fact.kind for fact in facts]
    dice.shuffle(kinds)
    waiting = {kind: iter([fact for fact in facts if fact.kind == kind]) for kind in ("order", "invoice")}
    receipts = [fact for fact in facts if fact.kind == "receipt"]
    dice.shuffle(receipts)
    waiting["receipt"] = iter(receipts)
    return [next(waiting[kind]) for kind in kinds]


class Category(msgspec.Struct):
    """The count of one category. Of its items with invoices: blocked in the log and held by us (`both`), one of them
    only, neither; `agreement` is the share of both and neither."""

    items: int = 0
    with_invoices: int = 0
    invoices: int = 0
    both: int = 0
    log_only: int = 0
    ours_only: int = 0
    neither: int = 0
    held_then_released: int = 0
    paid_while_held: int = 0
    orphans: int = 0
    agreement: str = ""


class Report(msgspec.Struct):
    """What a replay comes to; `same_twice` and `same_shuffled` count items, `differs` names the others."""

    items: int = 0
    events: int = 0
    same_twice: int = 0
    same_shuffled: int = 0
    differs: list[str] = msgspec.field(default_factory=list)
    categories: dict[str, Category] = msgspec.field(default_factory=dict)


def replay_log(items: Sequence[LogItem], seed: int = 7) -> Report:
    """Every item as the log has it, doubled, and shuffled; counted by category."""
    report = Report()
    for item in items:
        if not item.events:
            continue
        report.items += 1
        report.events += len(item.events)
        usual = end_of(item)
        twice, shuffled = end_of(item, doubled=True) == usual, end_of(item, seed=seed) == usual
        report.same_twice += twice
        report.same_shuffled += shuffled
        if not (twice and shuffled):
            report.differs.append(item.case_id)
        _count(report.categories.setdefault(item.category, Category()), play(item))
    for category in report.categories.values():
        if category.with_invoices:
            tenths = 1000 * (category.both + category.neither) // category.with_invoices
            category.agreement = f"{tenths // 10}.{tenths % 10} %"
    return report


def _count(category: Category, played: Played) -> None:
    category.items += 1
    category.invoices += played.invoices
    category.paid_while_held += played.paid_while_held
    category.orphans += played.orphans
    if not played.invoices:
        return
    category.with_invoices += 1
    category.both += played.blocked and played.held
    category.log_only += played.blocked and not played.held
    category.ours_only += played.held and not played.blocked
    category.neither += not played.held and not played.blocked
    category.held_then_released += played.held and played.released
