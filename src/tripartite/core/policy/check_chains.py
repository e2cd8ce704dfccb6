"""Proves who must say yes: approval chains, payment releases, release limits.

A chain may have no hole (an amount for which nobody is named), may not ask less of more money, and may not leave a
currency without the upper band that the others have: blank would mean unlimited.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations, pairwise
from typing import TypeVar, cast

import msgspec

from tripartite.core.estate import Estate
from tripartite.core.exceptions.reasons import reasons
from tripartite.core.money import CURRENCIES, minor_digits
from tripartite.core.policy.cases import (
    cite,
    days_of,
    example_of,
    first_company,
    is_valid,
    just_above,
    unnamed_currency,
)
from tripartite.core.policy.check_scopes import gaps, names, overlaps, shadowed
from tripartite.core.policy.finding import Example, PolicyFinding
from tripartite.core.policy.pack import Pack
from tripartite.core.policy.rows import SCOPES, ApprovalRow, PaymentReleaseRow, ReleaseRow

_MOST_PEOPLE = 9  # more than that is a slip of the pen, and no invoice would ever go
_Limit = TypeVar("_Limit", ReleaseRow, PaymentReleaseRow)


def approvals(pack: Pack, estate: Estate) -> list[PolicyFinding]:
    """The approval table: scopes as everywhere, and within a scope bands from 0 up that never ask less of more."""
    rows = cast("tuple[ApprovalRow, ...]", pack.table("approval"))
    found = names("approval", rows, estate) + overlaps("approval", rows, estate)
    for row in rows:
        found += _one(row, estate)
    groups: dict[tuple[str, ...], list[ApprovalRow]] = defaultdict(list)
    for row in rows:
        groups[(*(getattr(row, name) for name in SCOPES), row.basis)].append(row)
    for group in groups.values():
        found += _smallest_amounts(group, rows, estate)
        found += _less_for_more(group, estate)
    for basis in ("order", "no_order"):
        of_basis = [row for row in rows if row.basis == basis]
        found += [
            msgspec.structs.replace(entry, words=f"{entry.words} ({basis})")
            for entry in (*gaps("approval", of_basis, estate), *shadowed("approval", of_basis, estate))
        ]
    return [*found, *_currency_without_bands(rows, estate)]


def _one(row: ApprovalRow, estate: Estate) -> list[PolicyFinding]:
    found: list[PolicyFinding] = []
    here = cite("approval", row)
    example = example_of(row, first_company(estate), row.valid_from, "EUR")
    example = msgspec.structs.replace(example, amount=just_above(row.above, example.currency))
    if (row.approver == "none") != (row.approvals == 0):
        words = f"{row.id}: approver {row.approver} with {row.approvals} approvals contradicts itself"
        found.append(PolicyFinding("error", "unsatisfiable", here, words, example))
    elif not 0 <= row.approvals <= _MOST_PEOPLE:
        words = f"{row.id}: {row.approvals} approvals cannot be given, as for {example}"
        found.append(PolicyFinding("error", "unsatisfiable", here, words, example))
    if row.currency in CURRENCIES and 0 < Decimal(row.above) < Decimal(1).scaleb(-minor_digits(row.currency)):
        words = f"{row.id}: above {row.above} is less than the smallest {row.currency}; for every amount write 0"
        found.append(PolicyFinding("error", "unsatisfiable", here, words, example))
    if row.basis == "no_order" and row.approver == "none":
        # Rent may go by its contract; what is meant for everybody may not go without anybody (C05).
        everybody = row.supplier == "*" and row.category == "*"
        words = f"{row.id}: nobody approves what nobody ordered, as for {example}"
        found.append(PolicyFinding("error" if everybody else "warning", "duties", here, words, example))
    return found


def _less_for_more(group: list[ApprovalRow], estate: Estate) -> list[PolicyFinding]:
    """Within a scope a larger sum needs as many people as a smaller one, at least."""
    for day in sorted({row.valid_from for row in group}):
        bands = sorted((row for row in group if is_valid(row, day)), key=lambda row: Decimal(row.above))
        for lower, upper in pairwise(bands):
            if upper.approvals < lower.approvals:
                example = example_of(upper, first_company(estate), day, "EUR")
                example = msgspec.structs.replace(example, amount=just_above(upper.above, example.currency))
                words = (
                    f"{upper.id} asks {upper.approvals} of {upper.approver} for {example}; "
                    f"{lower.id} asks {lower.approvals} of {lower.approver} for less money"
                )
                return [PolicyFinding("error", "inverted", cite("approval", lower, upper), words, example)]
    return []


def _currency_without_bands(rows: Sequence[ApprovalRow], estate: Estate) -> list[PolicyFinding]:
    """The row for any currency knows no sums; where others ask more above a sum, it must ask that from the start."""
    found = []
    for row in rows:
        if row.currency != "*" or row.basis != "no_order":
            continue
        same = [
            other
            for other in rows
            if other.currency != "*"
            and other.basis == row.basis
            and (other.supplier, other.company, other.category) == (row.supplier, row.company, row.category)
            and max(row.valid_from, other.valid_from) < min(row.until, other.until)
        ]
        strictest = max(same, key=lambda other: other.approvals, default=None)
        if strictest is None or strictest.approvals <= row.approvals:
            continue
        day = max(row.valid_from, strictest.valid_from)
        example = example_of(row, first_company(estate), day, unnamed_currency(rows))
        example = msgspec.structs.replace(example, amount="99999999.00")
        words = (
            f"{row.id} asks {row.approvals} of {row.approver} for {example}; "
            f"{strictest.id} asks {strictest.approvals} above {strictest.above} {strictest.currency}"
        )
        found.append(PolicyFinding("warning", "unbounded", cite("approval", row, strictest), words, example))
    return found


def _covered(
    table: str, rows: Sequence[_Limit], estate: Estate, what: Callable[[_Limit], tuple[str, str]]
) -> list[PolicyFinding]:
    """Rows for any company where each company has its own: they never speak."""
    found = []
    for row in rows:
        if row.company != "*":
            continue
        speaks = not estate.companies
        for company in estate.companies:
            own: list[_Limit] = [other for other in rows if other.company == company.code and what(other) == what(row)]
            days = [day for day in days_of(company, [row, *own]) if is_valid(row, day)]
            speaks = speaks or any(not any(is_valid(other, day) for other in own) for day in days)
        if not speaks:
            example = Example(first_company(estate), currency=row.currency, on=row.valid_from)
            words = f"{row.id} never speaks: every company has its own row, as for {example}"
            found.append(PolicyFinding("error", "shadowed", cite(table, row), words, example))
    return found


def _smallest_amounts(group: list[ApprovalRow], rows: Sequence[ApprovalRow], estate: Estate) -> list[PolicyFinding]:
    # Within a scope the bands must begin at 0, else small amounts would have no row while large ones have.
    company = estate.companies[0].code if estate.companies else ""
    for day in sorted({row.valid_from for row in group} | {row.until for row in group if row.until < date.max}):
        valid = [row for row in group if is_valid(row, day)]
        if valid and not any(Decimal(row.above) == 0 for row in valid):
            lowest = min(valid, key=lambda row: Decimal(row.above))
            example = msgspec.structs.replace(
                example_of(lowest, company, day, unnamed_currency(rows)), amount=lowest.above
            )
            words = f"no approval row of this scope speaks for amounts up to {lowest.above}, as for {example}"
            return [PolicyFinding("error", "gap", cite("approval", *valid), words, example)]
    return []


def payment_releases(pack: Pack, estate: Estate) -> list[PolicyFinding]:
    """How many people let a payment go: two at least, one word for each sum, and never fewer for more money."""
    rows = cast("tuple[PaymentReleaseRow, ...]", pack.table("payment_release"))
    found: list[PolicyFinding] = []
    for row in rows:
        here = cite("payment_release", row)
        if row.company != "*" and estate.company(row.company) is None:
            words = f"{row.id} names company {row.company}, which the estate does not have"
            found.append(PolicyFinding("error", "unknown", here, words))
        if row.currency != "*" and row.currency not in CURRENCIES:
            words = f"{row.id} names currency {row.currency}, which ISO 4217 does not list"
            found.append(PolicyFinding("error", "unknown", here, words))
        if row.persons < 2:
            words = f"{row.id}: {row.persons} may release a payment alone; that takes two people"
            found.append(PolicyFinding("error", "duties", here, words))
    for one, other in combinations(rows, 2):
        same = (one.company, one.currency, Decimal(one.above)) == (other.company, other.currency, Decimal(other.above))
        begins = max(one.valid_from, other.valid_from)
        if same and begins < min(one.until, other.until):
            example = Example(one.company, currency=one.currency, on=begins, amount=one.above)
            words = f"{one.id} and {other.id} both say how many release, as for {example}"
            found.append(PolicyFinding("error", "overlap", cite("payment_release", one, other), words, example))
    for company in estate.companies:
        for day in days_of(company, rows):
            mine = [r for r in rows if r.company in (company.code, "*") and r.currency in (company.currency, "*")]
            if not any(is_valid(row, day) and Decimal(row.above) == 0 for row in mine):
                example = Example(company.code, currency=company.currency, on=day)
                words = f"nobody said how many people release a small payment, as for {example}"
                found.append(PolicyFinding("warning", "gap", ("payment_release",), words, example))
                break
    found += _covered("payment_release", rows, estate, lambda row: (row.currency, str(Decimal(row.above).normalize())))
    found += _fewer_for_more(pack, rows, estate)
    return found


def _fewer_for_more(pack: Pack, rows: Sequence[PaymentReleaseRow], estate: Estate) -> list[PolicyFinding]:
    for company in estate.companies:
        for day in days_of(company, rows):
            for currency in sorted({row.currency for row in rows if row.currency != "*"} | {company.currency}):
                most, above = 0, "0"
                for sum_ in sorted({Decimal(row.above) for row in rows}):
                    amount = just_above(str(sum_), currency)
                    answer = pack.payment_release(company.code, currency, day, Decimal(amount))
                    persons, cited = answer if answer else (0, "payment_release/none")
                    if persons < most:
                        example = Example(company.code, currency=currency, on=day, amount=amount)
                        words = f"{persons} release {example}, and {most} a smaller one above {above}"
                        return [PolicyFinding("error", "inverted", (cited,), words, example)]
                    most, above = persons, str(sum_)
    return []


def release_limits(rows: Sequence[ReleaseRow], estate: Estate) -> list[PolicyFinding]:
    """Who may release how much: one word for every role, company and currency, and no row that says nothing."""
    found: list[PolicyFinding] = []
    for one, other in combinations(rows, 2):
        same = (one.role, one.company, one.currency) == (other.role, other.company, other.currency)
        begins = max(one.valid_from, other.valid_from)
        if same and begins < min(one.until, other.until):
            example = Example(one.company, currency=one.currency, on=begins)
            words = f"{one.id} and {other.id} both say what {one.role} may release, as for {example}"
            found.append(PolicyFinding("error", "overlap", cite("release_limit", one, other), words, example))
    for row in rows:
        if row.currency not in CURRENCIES:
            words = f"{row.id} names currency {row.currency}, which ISO 4217 does not list"
            found.append(PolicyFinding("error", "unknown", cite("release_limit", row), words))
        elif 0 < Decimal(row.up_to) < Decimal(1).scaleb(-minor_digits(row.currency)):
            words = f"{row.id}: up_to {row.up_to} is less than the smallest {row.currency}; for never write 0"
            example = Example(row.company, currency=row.currency, on=row.valid_from)
            found.append(PolicyFinding("error", "unsatisfiable", cite("release_limit", row), words, example))
    found += _covered("release_limit", rows, estate, lambda row: (row.role, row.currency))
    needed = {entry.owner for entry in reasons().values() if entry.release != "no"}
    for company in estate.companies:
        for role in sorted(needed):
            for day in days_of(company, rows):
                mine = [r for r in rows if r.role == role and r.company in (company.code, "*") and is_valid(r, day)]
                if not any(row.currency == company.currency for row in mine):
                    example = Example(company.code, currency=company.currency, on=day)
                    words = f"nobody said what {role} may release, as for {example}: nothing can be released"
                    found.append(PolicyFinding("warning", "gap", ("release_limit",), words, example))
                    break
    return found
