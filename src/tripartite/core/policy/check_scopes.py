"""Proves the scopes of a table: for every invoice of every company on every day exactly one row is the most specific.

The proof is exact and short: what no row names (any other supplier, category, currency) is one case, and it is the one
that the fewest rows fit; a table that answers it answers all. Days are proved where any row begins or ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations

import msgspec

from tripartite.core.estate import Estate
from tripartite.core.money import CURRENCIES
from tripartite.core.policy.cases import OTHER, cite, days_of, example_of, is_valid, unnamed_currency
from tripartite.core.policy.finding import Example, PolicyFinding
from tripartite.core.policy.rows import SCOPES, ApprovalRow, Scoped, fits, weight


def names(table: str, rows: Sequence[Scoped], estate: Estate) -> list[PolicyFinding]:
    """Companies that the estate does not have, currencies that ISO 4217 does not list."""
    found = []
    for row in rows:
        if row.company != "*" and estate.company(row.company) is None:
            words = f"names company {row.company}, which the estate does not have"
            found.append(PolicyFinding("error", "unknown", cite(table, row), words))
        if row.currency != "*" and row.currency not in CURRENCIES:
            words = f"names currency {row.currency}, which ISO 4217 does not list"
            found.append(PolicyFinding("error", "unknown", cite(table, row), words))
    return found


def gaps(table: str, rows: Sequence[Scoped], estate: Estate) -> list[PolicyFinding]:
    """The first invoice for which no row speaks; none where every invoice has one."""
    currency = unnamed_currency(rows)
    for company in estate.companies:
        for day in days_of(company, rows):
            if not any(is_valid(row, day) and fits(row, OTHER, company.code, OTHER, currency) for row in rows):
                example = Example(company.code, OTHER, OTHER, currency, day)
                words = f"no {table} row speaks for {example}"
                return [PolicyFinding("error", "gap", (table,), words, example)]
    return []


def overlaps(table: str, rows: Sequence[Scoped], estate: Estate) -> list[PolicyFinding]:
    """Two rows of one scope on one day: which of them speaks would be chance."""
    same: dict[tuple[str, ...], list[Scoped]] = defaultdict(list)
    for row in rows:
        scope = tuple(getattr(row, name) for name in SCOPES)
        # One band however its sum is written: 10000 is 10000.00.
        band = (row.basis, str(Decimal(row.above).normalize())) if isinstance(row, ApprovalRow) else ()
        same[(*scope, *band)].append(row)
    found = []
    for group in same.values():
        for one, other in combinations(group, 2):
            begins = max(one.valid_from, other.valid_from)
            if begins < min(one.until, other.until):
                company = estate.companies[0].code if estate.companies else ""
                example = example_of(one, company, begins, unnamed_currency(rows))
                words = f"{one.id} and {other.id} both speak for {example}"
                found.append(PolicyFinding("error", "overlap", cite(table, one, other), words, example))
    return found


def shadowed(table: str, rows: Sequence[Scoped], estate: Estate) -> list[PolicyFinding]:
    """Rows that never speak, because more specific ones decide wherever they fit."""
    found = []
    for row in rows:
        companies = [c for c in estate.companies if row.company in (c.code, "*")]
        heavier = [other for other in rows if weight(other) > weight(row)]
        # The case that the fewest other rows fit: nobody's supplier, category and currency, where this row leaves them.
        case = example_of(row, OTHER, row.valid_from, unnamed_currency(rows))
        covering: set[str] = set()
        example = Example()
        speaks = False
        for company in companies:
            for day in days_of(company, [row, *heavier]):
                if not is_valid(row, day):
                    continue
                over = [
                    o
                    for o in heavier
                    if is_valid(o, day) and fits(o, case.supplier, company.code, case.category, case.currency)
                ]
                if not over:
                    speaks = True
                    break
                covering.update(other.id for other in over)
                example = msgspec.structs.replace(case, company=company.code, on=day)
            if speaks:
                break
        if speaks or not companies:
            continue
        if not covering:
            example = msgspec.structs.replace(case, company=companies[0].code)
            by = f"no company is live yet: it ends {row.until}"
        else:
            by = f"{', '.join(sorted(covering))} decides"
        words = f"{row.id} never speaks: wherever it fits, {by}, as for {example}"
        found.append(PolicyFinding("error", "shadowed", cite(table, row), words, example))
    return found
