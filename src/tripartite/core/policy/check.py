"""Proves a pack against an estate: no gap, no overlap, no row that never speaks, no bound that cannot be met.

Every finding names a concrete invoice that shows it. The scopes are proved in check_scopes.py, the numbers in
check_bounds.py, who must say yes in check_chains.py; the small tables (category, terms, country, supplier) here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Literal, cast

from tripartite.core.estate import Estate
from tripartite.core.exceptions.reasons import reasons
from tripartite.core.exceptions.terms import loosens
from tripartite.core.policy.cases import cite, days_of, first_company, is_valid, names_of
from tripartite.core.policy.check_bounds import across_tables, bounds
from tripartite.core.policy.check_chains import approvals, payment_releases, release_limits
from tripartite.core.policy.check_scopes import gaps, names, overlaps, shadowed
from tripartite.core.policy.finding import Example, PolicyFinding
from tripartite.core.policy.pack import Pack, _override
from tripartite.core.policy.rows import (
    MATCH_TABLES,
    CategoryRow,
    ReleaseRow,
    Scoped,
    SlaRow,
    SupplierRow,
)


def check_pack(pack: Pack, estate: Estate) -> list[PolicyFinding]:
    """Everything about the pack that an approver must not sign; empty where it is whole."""
    found: list[PolicyFinding] = []
    found += _two_people(pack)
    always_strict = all(row.combination == "strict" for row in pack.table("matching"))
    for table in MATCH_TABLES:
        rows = cast("tuple[Scoped, ...]", pack.table(table))
        found += names(table, rows, estate)
        found += gaps(table, rows, estate)
        found += overlaps(table, rows, estate)
        found += shadowed(table, rows, estate)
        for row in rows:
            found += bounds(table, row, estate, always_strict=always_strict)
    found += across_tables(pack, estate)
    found += approvals(pack, estate)
    found += _categories(pack, estate)
    found += release_limits(cast("tuple[ReleaseRow, ...]", pack.table("release_limit")), estate)
    found += _strangers("release_limit", pack.table("release_limit"), estate)
    found += payment_releases(pack, estate)
    found += _terms(cast("tuple[SlaRow, ...]", pack.table("sla")), estate)
    found += _strangers("sla", pack.table("sla"), estate)
    found += _countries(pack, estate)
    found += _suppliers(pack, estate)
    return found


def _two_people(pack: Pack) -> list[PolicyFinding]:
    """Proposed by one, approved by another; one name in two spellings is one person."""
    proposer, approver = (name.strip().casefold() for name in (pack.proposed_by, pack.approved_by))
    if not proposer or not approver:
        words = "who proposed this release and who approved it must be said"
    elif proposer == approver:
        words = f"{pack.proposed_by} proposed this release and approved it; that takes two people"
    else:
        return []
    return [PolicyFinding("error", "duties", (), words)]


def _categories(pack: Pack, estate: Estate) -> list[PolicyFinding]:
    found: list[PolicyFinding] = []
    rows = cast("tuple[CategoryRow, ...]", pack.table("category"))
    used = {row.category for table in (*MATCH_TABLES, "approval") for row in pack.table(table)}
    for row in rows:
        if row.company != "*" and estate.company(row.company) is None:
            words = f"{row.id} names company {row.company}, which the estate does not have"
            found.append(PolicyFinding("error", "unknown", cite("category", row), words))
        if row.supplier == "*" or row.category == "*":
            words = f"{row.id} puts any supplier or any category; a category row names both"
            found.append(PolicyFinding("error", "unsatisfiable", cite("category", row), words))
        elif row.category not in used:
            words = f"{row.id}: no rule speaks of category {row.category}, so the row changes nothing"
            found.append(PolicyFinding("warning", "unknown", cite("category", row), words))
    for one, other in combinations(rows, 2):
        begins = max(one.valid_from, other.valid_from)
        if (one.supplier, one.company) == (other.supplier, other.company) and begins < min(one.until, other.until):
            example = Example(one.company, one.supplier, on=begins)
            words = f"{one.id} and {other.id} both say the category, as for {example}"
            found.append(PolicyFinding("error", "overlap", cite("category", one, other), words, example))
    return found


def _terms(rows: Sequence[SlaRow], estate: Estate) -> list[PolicyFinding]:
    found: list[PolicyFinding] = []
    areas = {f"{entry.area}.*" for entry in reasons().values()}
    for row in rows:
        here = cite("sla", row)
        covered = [r for code, r in reasons().items() if row.code in (code, f"{r.area}.*")]
        if row.code not in areas and row.code not in reasons():
            found.append(PolicyFinding("error", "unknown", here, f"{row.id} names {row.code}, which is no reason code"))
        company = first_company(estate) if row.company == "*" else row.company
        if isinstance(row.sla_hours, int) and row.sla_hours < 1:
            example = Example(company, on=row.valid_from, lines=f"held for {row.code}, it is late at once")
            words = f"{row.id}: {row.sla_hours} hours cannot be kept, as for {example}"
            found.append(PolicyFinding("error", "unsatisfiable", here, words, example))
        timed = next((r.code for r in covered if r.sla_hours != "none"), None)
        if row.sla_hours == "none" and timed is not None:
            example = Example(company, on=row.valid_from, lines=f"held for {timed}, it never falls due")
            words = f"{row.id}: no hours, so that nobody is ever late, as for {example}"
            found.append(PolicyFinding("warning", "unbounded", here, words, example))
        for entry in covered:
            for key in loosens(entry, _override(row)):
                example = Example(company, on=row.valid_from)
                words = f"{row.id} would loosen {key} of {entry.code} from {getattr(entry, key)} to {getattr(row, key)}"
                found.append(PolicyFinding("error", "loosens", here, words, example))
    found += _silent_terms(rows, estate)
    for one, other in combinations(rows, 2):
        begins = max(one.valid_from, other.valid_from)
        if (one.code, one.company) == (other.code, other.company) and begins < min(one.until, other.until):
            example = Example(one.company, on=begins)
            words = f"{one.id} and {other.id} both give terms for {one.code}, as for {example}"
            found.append(PolicyFinding("error", "overlap", cite("sla", one, other), words, example))
    return found


def _silent_terms(rows: Sequence[SlaRow], estate: Estate) -> list[PolicyFinding]:
    """Rows of terms that never speak: each of their reasons has a row of its own, or each company has."""
    found = []
    codes = reasons()
    for row in rows:
        mine = [code for code, entry in codes.items() if row.code in (code, f"{entry.area}.*")]
        companies = [c for c in estate.companies if row.company in (c.code, "*")]
        rank = {each.id: (each.code in codes) * 2 + (each.company != "*") for each in rows}
        heavier = [other for other in rows if rank[other.id] > rank[row.id]]
        speaks = not mine or any(
            not any(
                is_valid(other, day)
                and other.code in (code, f"{codes[code].area}.*")
                and other.company in (company.code, "*")
                for other in heavier
            )
            for company in companies
            for day in days_of(company, [row, *heavier])
            if is_valid(row, day)
            for code in mine
        )
        if not speaks and companies:
            example = Example(companies[0].code, on=row.valid_from, lines=f"held for {mine[0]}")
            words = f"{row.id} never speaks: {names_of(heavier)} decide wherever it would, as for {example}"
            found.append(PolicyFinding("error", "shadowed", cite("sla", row), words, example))
    return found


def _strangers(table: str, rows: Iterable[ReleaseRow | SlaRow | SupplierRow], estate: Estate) -> list[PolicyFinding]:
    words = "{0.id} names company {0.company}, which the estate does not have"
    strange = [row for row in rows if row.company != "*" and estate.company(row.company) is None]
    return [PolicyFinding("error", "unknown", cite(table, row), words.format(row)) for row in strange]


def _one_speaks(
    table: str, key: str, scope: str, pack: Pack, estate: Estate, silence: Literal["error", "warning"]
) -> list[PolicyFinding]:
    """For every company on every day one row: the company's own by `key`, or the one for any."""
    found: list[PolicyFinding] = []
    rows = pack.table(table)
    for company in estate.companies:
        mine = getattr(company, scope)
        for day in days_of(company, rows):
            valid = [row for row in rows if is_valid(row, day)]
            own = [row for row in valid if getattr(row, key) == mine]
            speaking = own or [row for row in valid if getattr(row, key) == "*"]
            example = Example(company.code, on=day)
            if len(speaking) > 1:
                words = f"{len(speaking)} {table} rows speak for {mine}, as for {example}"
                found.append(PolicyFinding("error", "overlap", cite(table, *speaking), words, example))
                break
            if not speaking:
                words = f"no {table} row speaks for {mine}, as for {example}"
                found.append(PolicyFinding(silence, "gap", (table,), words, example))
                break
    return found


def _countries(pack: Pack, estate: Estate) -> list[PolicyFinding]:
    found = _one_speaks("country", "country", "country", pack, estate, "error")
    for row in pack.table("country"):
        if row.retention_years < 1:
            words = f"{row.id}: documents kept {row.retention_years} years are not kept"
            found.append(PolicyFinding("error", "unsatisfiable", cite("country", row), words))
    return found


def _suppliers(pack: Pack, estate: Estate) -> list[PolicyFinding]:
    speaking = _one_speaks("supplier", "company", "code", pack, estate, "warning")  # silence means the strictest
    return [*speaking, *_strangers("supplier", pack.table("supplier"), estate)]
