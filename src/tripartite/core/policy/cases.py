"""What the proofs of a pack share: which days decide, and the concrete invoice that shows a finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from tripartite.core.estate import Company, Estate
from tripartite.core.money import CURRENCIES, minor_digits
from tripartite.core.policy.finding import Example
from tripartite.core.policy.rows import SCOPES, Row, Scoped

OTHER = "(any other)"


def cite(table: str, *rows: Row) -> tuple[str, ...]:
    """Rows as a decision cites them."""
    return tuple(f"{table}/{row.id}" for row in rows)


def days_of(company: Company, rows: Iterable[Row]) -> list[date]:
    """The days that prove all days: the company's first, and each on which a row begins or ends."""
    days = {company.live_from, *(day for row in rows for day in (row.valid_from, row.until))}
    return sorted(day for day in days if company.live_from <= day < date.max)


def is_valid(row: Row, on: date) -> bool:
    """Does the row count on this day?"""
    return row.valid_from <= on < row.until


def together(one: Row, other: Row) -> date | None:
    """The first day on which both rows count; None where there is none."""
    begins = max(one.valid_from, other.valid_from)
    return begins if begins < min(one.until, other.until) else None


def unnamed_currency(rows: Iterable[Scoped]) -> str:
    """A currency that no row names: it stands for all of them."""
    named = {row.currency for row in rows}
    return min(code for code in CURRENCIES if code not in named)


def example_of(row: Scoped, company: str, on: date, currency: str) -> Example:
    """An invoice that the row fits: what the row leaves open is `company`, `currency` and nobody's name."""
    return Example(
        company=company if row.company == "*" else row.company,
        supplier=OTHER if row.supplier == "*" else row.supplier,
        category=OTHER if row.category == "*" else row.category,
        currency=currency if row.currency == "*" else row.currency,
        on=on,
    )


def merged(one: Scoped, other: Scoped) -> dict[str, str] | None:
    """The scope that both rows fit, `*` where neither names anything; None where no document fits both."""
    scope: dict[str, str] = {}
    for name in SCOPES:
        mine, theirs = getattr(one, name), getattr(other, name)
        if "*" not in (mine, theirs) and mine != theirs:
            return None
        scope[name] = theirs if mine == "*" else mine
    return scope


def first_company(estate: Estate) -> str:
    """A company for an example that any company would serve."""
    return estate.companies[0].code if estate.companies else ""


def just_above(amount: str, currency: str) -> str:
    """The smallest sum of the currency above an amount, as it stands on an invoice."""
    digits = minor_digits(currency) if currency in CURRENCIES else 2
    return f"{Decimal(amount) + Decimal(1).scaleb(-digits):.{digits}f}"


def names_of(rows: Sequence[Row]) -> str:
    """Row ids in one line, in the order of the alphabet."""
    return ", ".join(sorted(row.id for row in rows))
