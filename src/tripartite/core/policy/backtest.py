"""What a change of policy would have done to history: two outcomes for each invoice that it concerns, and their sums.

    outcome_of(decision, at_risk) -> how an invoice comes out, as it can be compared
    shift_of(invoice, before, after) -> what the change does to it; None where it does nothing
    report(...) -> the whole, by effect, supplier and reason, down to the invoices; `digest` is what an approval cites

Both outcomes rest on the same documents and on nobody's acts: what people released, approved or refused does not count
on either side, so that a difference comes from the policy alone. Amounts are gross, in the currency of the document;
sums of different currencies are never added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from tripartite.core import codec
from tripartite.core.findings import Finding
from tripartite.core.ids import digest
from tripartite.core.money import Amount
from tripartite.core.policy.decide import AskApproval, Decision, Hold, Post
from tripartite.core.policy.pack import Pack
from tripartite.core.policy.rows import Row

Effect = Literal["newly_held", "newly_let_through", "newly_refused", "otherwise"]
EFFECTS: tuple[Effect, ...] = ("newly_held", "newly_let_through", "newly_refused", "otherwise")
IN_WORDS = {
    "newly_held": "newly held",
    "newly_let_through": "newly let through",
    "newly_refused": "newly refused",
    "otherwise": "otherwise another outcome",
}


class Stored(msgspec.Struct, frozen=True):
    """A match's result as history keeps it: enough to decide by. `at_risk` in document currency."""

    verdict: str
    findings: tuple[Finding, ...]
    payable_now: Amount
    at_risk: Amount


class Outcome(msgspec.Struct, frozen=True):
    """How an invoice comes out. `blocked`: booked, and may not be paid. `codes`: what stands in its way."""

    kind: Literal["post", "hold", "ask", "refuse"]
    blocked: bool
    codes: tuple[str, ...]
    asks: str
    at_risk: Amount

    @property
    def touchless(self) -> bool:
        """Does it go through without anybody?"""
        return self.kind == "post" and not self.blocked


class Past(msgspec.Struct, frozen=True):
    """An invoice of history. `gross` is positive for a credit too."""

    invoice_id: str
    number: str
    company: str
    supplier: str
    supplier_name: str
    currency: str
    gross: Amount
    arrived_on: date


class Shift(msgspec.Struct, frozen=True):
    """What a change does to one invoice. `reasons`: the codes that hold it now, or that no longer do.

    `at_risk`: of what is newly let through, the sum that the old policy held back as in excess of what is due.
    """

    effect: Effect
    invoice: Past
    before: Outcome
    after: Outcome
    reasons: tuple[str, ...]
    at_risk: Amount


class Sum(msgspec.Struct, frozen=True):
    """How many invoices, and what they come to in one currency."""

    name: str
    effect: Effect
    currency: str
    invoices: int
    gross: Amount
    at_risk: Amount


class Backtest(msgspec.Struct, frozen=True):
    """A back-test. `on`: the day on which both policies were read. `looked_at` of `invoices` were decided again; the
    others gave the same answers to every question that the change asks differently."""

    old: str
    new: str
    on: date
    since: date | None
    invoices: int
    looked_at: int
    touchless_before: int
    touchless_gained: int
    touchless_lost: int
    sums: tuple[Sum, ...]
    by_supplier: tuple[Sum, ...]
    by_reason: tuple[Sum, ...]
    shifts: tuple[Shift, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of everything it says: an approval cites it."""
        return digest(codec.encode(self))


def first_day(old: Pack, new: Pack, today: date) -> date:
    """The first day from today on which the two do not say the same; today where there is none."""
    edges = {day for pack in (old, new) for rows in pack.rows.values() for row in rows for day in _ends(row)}
    for day in [today, *sorted(edge for edge in edges if today < edge < date.max)]:
        if _said(old, day) != _said(new, day):
            return day
    return today


def _ends(row: Row) -> tuple[date, date]:
    return row.valid_from, row.until


def _said(pack: Pack, on: date) -> set[tuple[str, Row]]:
    always = (date.min, date.max)
    return {
        (table, msgspec.structs.replace(row, valid_from=always[0], until=always[1]))
        for table, rows in pack.rows.items()
        for row in rows
        if row.valid_from <= on < row.until
    }


def outcome_of(decision: Decision, at_risk: Amount) -> Outcome:
    """A decision as back-tests compare it: a park is a hold, since whether it waits is a matter of the day."""
    if isinstance(decision, Post):
        return Outcome("post", bool(decision.payment_block), tuple(sorted(set(decision.payment_block))), "", Amount(0))
    codes = tuple(sorted({entry.code for entry in decision.findings}))
    if isinstance(decision, Hold):
        return Outcome("hold", False, codes, "", at_risk)
    if isinstance(decision, AskApproval):
        return Outcome("ask", False, codes, f"{decision.missing} of {decision.role}", Amount(0))
    return Outcome("refuse", False, codes, "", at_risk)


def shift_of(invoice: Past, before: Outcome, after: Outcome) -> Shift | None:
    """What the change does to an invoice; None where it comes out the same."""
    same = (before.kind, before.blocked, before.codes, before.asks)
    if same == (after.kind, after.blocked, after.codes, after.asks):
        return None
    effect: Effect = "otherwise"
    if before.touchless and not after.touchless:
        effect = "newly_refused" if after.kind == "refuse" else "newly_held"
    elif after.touchless:
        effect = "newly_let_through"
    elif after.kind == "refuse" and before.kind != "refuse":
        effect = "newly_refused"
    fresh, gone = set(after.codes) - set(before.codes), set(before.codes) - set(after.codes)
    reasons = gone if effect == "newly_let_through" else fresh or gone
    risk = before.at_risk if effect == "newly_let_through" else Amount(0)
    return Shift(effect, invoice, before, after, tuple(sorted(reasons)), risk)


def report(
    *,
    old: str,
    new: str,
    on: date,
    since: date | None,
    invoices: int,
    looked_at: int,
    touchless_before: int,
    shifts: Iterable[Shift],
) -> Backtest:
    """The whole of a back-test; the largest sums first, everything in an order of its own."""
    listed = sorted(
        shifts, key=lambda one: (EFFECTS.index(one.effect), -abs(one.invoice.gross), one.invoice.invoice_id)
    )
    return Backtest(
        old=old,
        new=new,
        on=on,
        since=since,
        invoices=invoices,
        looked_at=looked_at,
        touchless_before=touchless_before,
        touchless_gained=sum(1 for one in listed if one.after.touchless and not one.before.touchless),
        touchless_lost=sum(1 for one in listed if one.before.touchless and not one.after.touchless),
        sums=_sums([("", one) for one in listed]),
        by_supplier=_sums([(one.invoice.supplier_name or one.invoice.supplier, one) for one in listed]),
        by_reason=_sums([(code, one) for one in listed for code in one.reasons or ("approval",)]),
        shifts=tuple(listed),
    )


def _sums(named: Sequence[tuple[str, Shift]]) -> tuple[Sum, ...]:
    found: dict[tuple[str, Effect, str], tuple[int, Decimal, Decimal]] = {}
    for name, shift in named:
        key = (name, shift.effect, shift.invoice.currency)
        count, gross, risk = found.get(key, (0, Decimal(0), Decimal(0)))
        found[key] = (count + 1, gross + abs(shift.invoice.gross), risk + shift.at_risk)
    sums = [Sum(*key, count, Amount(gross), Amount(risk)) for key, (count, gross, risk) in found.items()]
    return tuple(sorted(sums, key=lambda one: (EFFECTS.index(one.effect), -one.gross, one.name, one.currency)))
