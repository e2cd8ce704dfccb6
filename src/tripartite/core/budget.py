"""Does the budget cover it? A function of what is wanted and of the budget lines as procurement told them.

It reserves nothing: procurement owns the budget. An answer that is not known is the word `not_checked`, never a yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from tripartite.core.findings import Finding
from tripartite.core.money import Amount
from tripartite.core.objects import Budget, Requisition

BudgetOutcome = Literal["covered", "insufficient", "not_checked"]


class Wanted(msgspec.Struct, frozen=True):
    """What is to be spent: `amount` in `currency`, by one cost centre, on a day.

    `counted`: it is a waiting requisition, so that procurement has it in the lines' `pending` already.
    """

    company_code: str
    cost_centre: str
    currency: str
    amount: Amount | None
    on: date
    counted: bool = False


class BudgetVerdict(msgspec.Struct, frozen=True):
    """`available` is what the lines leave for the wish, `missing` how much more it would take; in its currency."""

    outcome: BudgetOutcome
    words: str
    available: Amount | None = None
    missing: Amount | None = None
    budgets: tuple[str, ...] = ()


def check_budget(wanted: Wanted, lines: Iterable[Budget]) -> BudgetVerdict:
    """Compare a wish with the budget lines of its company, cost centre and day.

    available = sum of remaining - sum of pending, plus the wish itself where it is among the pending.
    Currency: one; lines in another make it `not_checked`, since no rate of a budget is known. Rounding: none.
    Errors: none; what is missing is said in `words`. Rule: C17.
    Example: 900 wanted, 1000 remaining, 300 pending -> insufficient, 200 missing.
    """
    if wanted.amount is None:
        return BudgetVerdict("not_checked", "The requisition states no amount.")
    mine = [line for line in lines if _speaks(line, wanted)]
    if not mine:
        words = f"Procurement has no budget line for cost centre {wanted.cost_centre} on {wanted.on.isoformat()}."
        return BudgetVerdict("not_checked", words)
    names = tuple(sorted(line.number for line in mine))
    if foreign := sorted({line.currency for line in mine} - {wanted.currency}):
        words = f"The budget is in {', '.join(foreign)}, the wish in {wanted.currency}."
        return BudgetVerdict("not_checked", words, budgets=names)
    pending = sum((line.pending for line in mine if line.pending is not None), Decimal(0))
    own = min(Decimal(wanted.amount), pending) if wanted.counted else Decimal(0)
    available = sum((line.remaining for line in mine), Decimal(0)) - pending + own
    missing = wanted.amount - available
    told = f"cost centre {wanted.cost_centre} has {available} {wanted.currency}, {wanted.amount} are wanted"
    if missing <= 0:
        return BudgetVerdict("covered", f"Covered: {told}.", Amount(available), None, names)
    words = f"{missing} {wanted.currency} missing: {told}."
    return BudgetVerdict("insufficient", words, Amount(available), Amount(missing), names)


def _speaks(line: Budget, wanted: Wanted) -> bool:
    return (
        line.company_code == wanted.company_code
        and line.cost_centre == wanted.cost_centre
        and (line.starts_on is None or line.starts_on <= wanted.on)
        and (line.ends_on is None or wanted.on <= line.ends_on)
    )


def wanted_of(requisition: Requisition, today: date) -> tuple[Wanted, ...]:
    """What a requisition asks of each cost centre, by its lines; lines without a cost centre ask nobody.

    Day: the day it is needed, where a line says so and it has not passed, else `today`.
    """
    sums: dict[str, Amount | None] = {}
    days: dict[str, date] = {}
    for line in requisition.lines:
        if not line.cost_centre:
            continue
        known = sums.get(line.cost_centre, Amount(0))
        sums[line.cost_centre] = None if known is None or line.amount is None else Amount(known + line.amount)
        needed = max(line.needed_on or today, today)
        days[line.cost_centre] = min(days.get(line.cost_centre, needed), needed)
    return tuple(
        Wanted(
            company_code=requisition.company_code,
            cost_centre=centre,
            currency=requisition.currency,
            amount=sums[centre],
            on=days[centre],
            counted=requisition.status == "pending",
        )
        for centre in sorted(sums)
    )


def budget_findings(verdicts: Sequence[tuple[BudgetOutcome, str, Amount | None]]) -> list[Finding]:
    """What the checks of one requisition find: (outcome, words, missing) of each cost centre."""
    codes = {"insufficient": "budget.insufficient", "not_checked": "budget.not_checked"}
    return [
        Finding(code=codes[outcome], variance=missing, words=words, rule="C17")
        for outcome, words, missing in verdicts
        if outcome in codes
    ]
