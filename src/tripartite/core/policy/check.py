"""Proves a pack against an estate: no gap, no overlap, no row that never speaks, no bound that cannot be met.

Every finding names a concrete case (company, supplier, category, currency, day) that shows it. The proof is exact and
short: what no row names (any other supplier, category, currency) is one case, and it is the one that the fewest rows
fit; a table that answers it answers all. Days are proved where any row begins or ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations
from typing import Literal, cast

import msgspec

from tripartite.core.estate import Company, Estate
from tripartite.core.exceptions.reasons import reasons
from tripartite.core.exceptions.terms import loosens
from tripartite.core.money import CURRENCIES, minor_digits
from tripartite.core.policy.finding import Example, PolicyFinding
from tripartite.core.policy.pack import Pack, _override
from tripartite.core.policy.rows import (
    MATCH_TABLES,
    SCOPES,
    SUMS,
    ApprovalRow,
    CategoryRow,
    PaymentReleaseRow,
    PriceRow,
    ReleaseRow,
    Row,
    Scoped,
    SlaRow,
    SupplierRow,
    fits,
    weight,
)

OTHER = "(any other)"


def check_pack(pack: Pack, estate: Estate) -> list[PolicyFinding]:
    """Everything about the pack that an approver must not sign; empty where it is whole."""
    found: list[PolicyFinding] = []
    if pack.proposed_by == pack.approved_by:
        words = f"{pack.proposed_by} proposed this release and approved it; that takes two people"
        found.append(PolicyFinding("error", "duties", (), words))
    always_strict = all(row.combination == "strict" for row in pack.table("matching"))
    for table in MATCH_TABLES:
        rows = cast("tuple[Scoped, ...]", pack.table(table))
        found += _names(table, rows, estate)
        found += _gaps(table, rows, estate)
        found += _overlaps(table, rows, estate)
        found += _shadowed(table, rows, estate)
        for row in rows:
            found += _bounds(table, row, estate, always_strict=always_strict)
    found += _approvals(cast("tuple[ApprovalRow, ...]", pack.table("approval")), estate)
    found += _categories(pack, estate)
    found += _release_limits(cast("tuple[ReleaseRow, ...]", pack.table("release_limit")), estate)
    found += _strangers("release_limit", pack.table("release_limit"), estate)
    found += _payment_releases(cast("tuple[PaymentReleaseRow, ...]", pack.table("payment_release")), estate)
    found += _terms(cast("tuple[SlaRow, ...]", pack.table("sla")), estate)
    found += _strangers("sla", pack.table("sla"), estate)
    found += _countries(pack, estate)
    found += _suppliers(pack, estate)
    return found


def _cite(table: str, *rows: Row) -> tuple[str, ...]:
    return tuple(f"{table}/{row.id}" for row in rows)


def _days(company: Company, rows: Iterable[Row]) -> list[date]:
    days = {company.live_from, *(day for row in rows for day in (row.valid_from, row.until))}
    return sorted(day for day in days if company.live_from <= day < date.max)


def _valid(row: Row, on: date) -> bool:
    return row.valid_from <= on < row.until


def _unnamed_currency(rows: Iterable[Scoped]) -> str:
    named = {row.currency for row in rows}
    return min(code for code in CURRENCIES if code not in named)


def _example(row: Scoped, company: str, on: date, currency: str) -> Example:
    return Example(
        company=company if row.company == "*" else row.company,
        supplier=OTHER if row.supplier == "*" else row.supplier,
        category=OTHER if row.category == "*" else row.category,
        currency=currency if row.currency == "*" else row.currency,
        on=on,
    )


def _names(table: str, rows: Sequence[Scoped], estate: Estate) -> list[PolicyFinding]:
    found = []
    for row in rows:
        if row.company != "*" and estate.company(row.company) is None:
            words = f"names company {row.company}, which the estate does not have"
            found.append(PolicyFinding("error", "unknown", _cite(table, row), words))
        if row.currency != "*" and row.currency not in CURRENCIES:
            words = f"names currency {row.currency}, which ISO 4217 does not list"
            found.append(PolicyFinding("error", "unknown", _cite(table, row), words))
    return found


def _gaps(table: str, rows: Sequence[Scoped], estate: Estate) -> list[PolicyFinding]:
    currency = _unnamed_currency(rows)
    for company in estate.companies:
        for day in _days(company, rows):
            if not any(_valid(row, day) and fits(row, OTHER, company.code, OTHER, currency) for row in rows):
                example = Example(company.code, OTHER, OTHER, currency, day)
                words = f"no {table} row speaks for {example}"
                return [PolicyFinding("error", "gap", (table,), words, example)]
    return []


def _overlaps(table: str, rows: Sequence[Scoped], estate: Estate) -> list[PolicyFinding]:
    same: dict[tuple[str, ...], list[Scoped]] = defaultdict(list)
    for row in rows:
        scope = tuple(getattr(row, name) for name in SCOPES)
        same[(*scope, row.basis, row.above) if isinstance(row, ApprovalRow) else scope].append(row)
    found = []
    for group in same.values():
        for one, other in combinations(group, 2):
            begins = max(one.valid_from, other.valid_from)
            if begins < min(one.until, other.until):
                company = estate.companies[0].code if estate.companies else ""
                example = _example(one, company, begins, _unnamed_currency(rows))
                words = f"{one.id} and {other.id} both speak for {example}"
                found.append(PolicyFinding("error", "overlap", _cite(table, one, other), words, example))
    return found


def _shadowed(table: str, rows: Sequence[Scoped], estate: Estate) -> list[PolicyFinding]:
    found = []
    for row in rows:
        companies = [c for c in estate.companies if row.company in (c.code, "*")]
        heavier = [other for other in rows if weight(other) > weight(row)]
        # The case that the fewest other rows fit: nobody's supplier, category and currency, where this row leaves them.
        case = _example(row, OTHER, row.valid_from, _unnamed_currency(rows))
        covering: set[str] = set()
        example = Example()
        speaks = False
        for company in companies:
            for day in _days(company, [row, *heavier]):
                if not _valid(row, day):
                    continue
                over = [
                    o
                    for o in heavier
                    if _valid(o, day) and fits(o, case.supplier, company.code, case.category, case.currency)
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
        by = ", ".join(sorted(covering)) or "the companies' first days"
        words = f"{row.id} never speaks: wherever it fits, {by} decides, as for {example}"
        found.append(PolicyFinding("error", "shadowed", _cite(table, row), words, example))
    return found


def _bounds(table: str, row: Scoped, estate: Estate, *, always_strict: bool) -> list[PolicyFinding]:
    found: list[PolicyFinding] = []
    company = estate.companies[0].code if estate.companies else ""
    example = _example(row, company, row.valid_from, row.currency)

    def add(severity: Literal["error", "warning"], rule: Literal["unsatisfiable", "unbounded"], words: str) -> None:
        found.append(PolicyFinding(severity, rule, _cite(table, row), f"{row.id}: {words}", example))

    unit_price = ("upper_absolute", "lower_absolute") if table == "price" else ()
    for key in SUMS.get(table, ()):
        value = getattr(row, key)
        if value in ("exact", "ignore") or key in unit_price:
            continue
        if 0 < Decimal(value) < Decimal(1).scaleb(-minor_digits(row.currency)):
            words = f"{key} {value} is less than the smallest {row.currency}: no difference can lie between 0 and it"
            add("error", "unsatisfiable", words)
    # Where one bound is enough, an exact one beside a number only says nothing; where both must hold it shuts it off.
    shut: Literal["error", "warning"] = "error" if always_strict else "warning"
    where = "" if always_strict else ", wherever both must hold"
    for percent, absolute in _pairs(table):
        stated, sum_of = getattr(row, percent), getattr(row, absolute)
        if _number(stated) and sum_of == "exact":
            add(shut, "unsatisfiable", f"{percent} {stated} can never be used, since {absolute} is exact{where}")
        if _number(sum_of) and stated == "exact":
            add(shut, "unsatisfiable", f"{absolute} {sum_of} can never be used, since {percent} is exact{where}")
        if stated == "ignore" and sum_of == "ignore" and "upper" in percent and not percent.startswith("cumulative"):
            add("warning", "unbounded", f"neither {percent} nor {absolute} speaks: any difference passes")
    if isinstance(row, PriceRow):
        if _number(row.lower_percent) and Decimal(row.lower_percent) >= 100:
            add("error", "unsatisfiable", f"lower_percent {row.lower_percent}: no price is below nothing")
        line, all_bills = row.line_upper_absolute, row.cumulative_upper_absolute
        if _number(line) and _number(all_bills) and Decimal(all_bills) < Decimal(line):
            words = f"line_upper_absolute {line} is never reached: cumulative_upper_absolute {all_bills} stops before"
            add("error", "unsatisfiable", words)
    return found


def _pairs(table: str) -> tuple[tuple[str, str], ...]:
    return {
        "price": (
            ("upper_percent", "upper_absolute"),
            ("lower_percent", "lower_absolute"),
            ("cumulative_upper_percent", "cumulative_upper_absolute"),
        ),
        "quantity": (("upper_percent", "upper_absolute"),),
        "charge": (
            ("planned_upper_percent", "planned_upper_absolute"),
            ("unplanned_percent", "unplanned_absolute"),
        ),
        "tax": (("upper_percent", "upper_absolute"), ("lower_percent", "lower_absolute")),
    }.get(table, ())


def _number(value: str) -> bool:
    return value not in ("exact", "ignore") and Decimal(value) > 0


def _approvals(rows: Sequence[ApprovalRow], estate: Estate) -> list[PolicyFinding]:
    found = _names("approval", rows, estate) + _overlaps("approval", rows, estate)
    for row in rows:
        if (row.approver == "none") != (row.approvals == 0):
            words = f"{row.id}: approver {row.approver} with {row.approvals} approvals contradicts itself"
            found.append(PolicyFinding("error", "unsatisfiable", _cite("approval", row), words))
    groups: dict[tuple[str, ...], list[ApprovalRow]] = defaultdict(list)
    for row in rows:
        groups[(*(getattr(row, name) for name in SCOPES), row.basis)].append(row)
    for group in groups.values():
        found += _smallest_amounts(group, rows, estate)
    for basis in ("order", "no_order"):
        of_basis = [row for row in rows if row.basis == basis]
        found += [
            msgspec.structs.replace(entry, words=f"{entry.words} ({basis})")
            for entry in _gaps("approval", of_basis, estate)
        ]
    return found


def _smallest_amounts(group: list[ApprovalRow], rows: Sequence[ApprovalRow], estate: Estate) -> list[PolicyFinding]:
    # Within a scope the bands must begin at 0, else small amounts would have no row while large ones have.
    company = estate.companies[0].code if estate.companies else ""
    for day in sorted({row.valid_from for row in group} | {row.until for row in group if row.until < date.max}):
        valid = [row for row in group if _valid(row, day)]
        if valid and not any(Decimal(row.above) == 0 for row in valid):
            lowest = min(valid, key=lambda row: Decimal(row.above))
            example = msgspec.structs.replace(
                _example(lowest, company, day, _unnamed_currency(rows)), amount=lowest.above
            )
            words = f"no approval row of this scope speaks for amounts up to {lowest.above}, as for {example}"
            return [PolicyFinding("error", "gap", _cite("approval", *valid), words, example)]
    return []


def _categories(pack: Pack, estate: Estate) -> list[PolicyFinding]:
    found: list[PolicyFinding] = []
    rows = cast("tuple[CategoryRow, ...]", pack.table("category"))
    used = {row.category for table in (*MATCH_TABLES, "approval") for row in pack.table(table)}
    for row in rows:
        if row.company != "*" and estate.company(row.company) is None:
            words = f"{row.id} names company {row.company}, which the estate does not have"
            found.append(PolicyFinding("error", "unknown", _cite("category", row), words))
        if row.supplier == "*" or row.category == "*":
            words = f"{row.id} puts any supplier or any category; a category row names both"
            found.append(PolicyFinding("error", "unsatisfiable", _cite("category", row), words))
        elif row.category not in used:
            words = f"{row.id}: no rule speaks of category {row.category}, so the row changes nothing"
            found.append(PolicyFinding("warning", "unknown", _cite("category", row), words))
    for one, other in combinations(rows, 2):
        begins = max(one.valid_from, other.valid_from)
        if (one.supplier, one.company) == (other.supplier, other.company) and begins < min(one.until, other.until):
            example = Example(one.company, one.supplier, on=begins)
            words = f"{one.id} and {other.id} both say the category, as for {example}"
            found.append(PolicyFinding("error", "overlap", _cite("category", one, other), words, example))
    return found


def _release_limits(rows: Sequence[ReleaseRow], estate: Estate) -> list[PolicyFinding]:
    found: list[PolicyFinding] = []
    for one, other in combinations(rows, 2):
        same = (one.role, one.company, one.currency) == (other.role, other.company, other.currency)
        begins = max(one.valid_from, other.valid_from)
        if same and begins < min(one.until, other.until):
            example = Example(one.company, currency=one.currency, on=begins)
            words = f"{one.id} and {other.id} both say what {one.role} may release, as for {example}"
            found.append(PolicyFinding("error", "overlap", _cite("release_limit", one, other), words, example))
    for row in rows:
        if row.currency not in CURRENCIES:
            words = f"{row.id} names currency {row.currency}, which ISO 4217 does not list"
            found.append(PolicyFinding("error", "unknown", _cite("release_limit", row), words))
    needed = {entry.owner for entry in reasons().values() if entry.release != "no"}
    for company in estate.companies:
        for role in sorted(needed):
            for day in _days(company, rows):
                mine = [r for r in rows if r.role == role and r.company in (company.code, "*") and _valid(r, day)]
                if not any(row.currency == company.currency for row in mine):
                    example = Example(company.code, currency=company.currency, on=day)
                    words = f"nobody said what {role} may release, as for {example}: nothing can be released"
                    found.append(PolicyFinding("warning", "gap", ("release_limit",), words, example))
                    break
    return found


def _payment_releases(rows: Sequence[PaymentReleaseRow], estate: Estate) -> list[PolicyFinding]:
    found: list[PolicyFinding] = []
    for row in rows:
        here = _cite("payment_release", row)
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
        same = (one.company, one.currency, one.above) == (other.company, other.currency, other.above)
        begins = max(one.valid_from, other.valid_from)
        if same and begins < min(one.until, other.until):
            example = Example(one.company, currency=one.currency, on=begins, amount=one.above)
            words = f"{one.id} and {other.id} both say how many release, as for {example}"
            found.append(PolicyFinding("error", "overlap", _cite("payment_release", one, other), words, example))
    for company in estate.companies:
        for day in _days(company, rows):
            mine = [r for r in rows if r.company in (company.code, "*") and r.currency in (company.currency, "*")]
            if not any(_valid(row, day) and row.above == "0" for row in mine):
                example = Example(company.code, currency=company.currency, on=day)
                words = f"nobody said how many people release a small payment, as for {example}"
                found.append(PolicyFinding("warning", "gap", ("payment_release",), words, example))
                break
    return found


def _terms(rows: Sequence[SlaRow], estate: Estate) -> list[PolicyFinding]:
    found: list[PolicyFinding] = []
    areas = {f"{entry.area}.*" for entry in reasons().values()}
    for row in rows:
        here = _cite("sla", row)
        covered = [r for code, r in reasons().items() if row.code in (code, f"{r.area}.*")]
        if row.code not in areas and row.code not in reasons():
            found.append(PolicyFinding("error", "unknown", here, f"{row.id} names {row.code}, which is no reason code"))
        if isinstance(row.sla_hours, int) and row.sla_hours < 1:
            found.append(
                PolicyFinding("error", "unsatisfiable", here, f"{row.id}: {row.sla_hours} hours cannot be kept")
            )
        for entry in covered:
            for key in loosens(entry, _override(row)):
                company = estate.companies[0].code if estate.companies else ""
                example = Example(company if row.company == "*" else row.company, on=row.valid_from)
                words = f"{row.id} would loosen {key} of {entry.code} from {getattr(entry, key)} to {getattr(row, key)}"
                found.append(PolicyFinding("error", "loosens", here, words, example))
    for one, other in combinations(rows, 2):
        begins = max(one.valid_from, other.valid_from)
        if (one.code, one.company) == (other.code, other.company) and begins < min(one.until, other.until):
            example = Example(one.company, on=begins)
            words = f"{one.id} and {other.id} both give terms for {one.code}, as for {example}"
            found.append(PolicyFinding("error", "overlap", _cite("sla", one, other), words, example))
    return found


def _strangers(table: str, rows: Iterable[ReleaseRow | SlaRow | SupplierRow], estate: Estate) -> list[PolicyFinding]:
    words = "{0.id} names company {0.company}, which the estate does not have"
    strange = [row for row in rows if row.company != "*" and estate.company(row.company) is None]
    return [PolicyFinding("error", "unknown", _cite(table, row), words.format(row)) for row in strange]


def _one_speaks(
    table: str, key: str, scope: str, pack: Pack, estate: Estate, silence: Literal["error", "warning"]
) -> list[PolicyFinding]:
    """For every company on every day one row: the company's own by `key`, or the one for any."""
    found: list[PolicyFinding] = []
    rows = pack.table(table)
    for company in estate.companies:
        mine = getattr(company, scope)
        for day in _days(company, rows):
            valid = [row for row in rows if _valid(row, day)]
            own = [row for row in valid if getattr(row, key) == mine]
            speaking = own or [row for row in valid if getattr(row, key) == "*"]
            example = Example(company.code, on=day)
            if len(speaking) > 1:
                words = f"{len(speaking)} {table} rows speak for {mine}, as for {example}"
                found.append(PolicyFinding("error", "overlap", _cite(table, *speaking), words, example))
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
            found.append(PolicyFinding("error", "unsatisfiable", _cite("country", row), words))
    return found


def _suppliers(pack: Pack, estate: Estate) -> list[PolicyFinding]:
    speaking = _one_speaks("supplier", "company", "code", pack, estate, "warning")  # silence means the strictest
    return [*speaking, *_strangers("supplier", pack.table("supplier"), estate)]
