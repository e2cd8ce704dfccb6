"""The tables of budgets: lines as procurement told them, checks, and the questions that were put to procurement."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.objects import Budget
from tripartite.runtime.db import Connection, execute

Centre = tuple[str, str]  # company, cost centre


class Check(msgspec.Struct):
    """A budget check: what was wanted, and what came of it. The fields are the columns."""

    check_id: str
    company_code: str
    requisition: str
    version: int
    cost_centre: str
    currency: str
    amount: Decimal | None
    needed_on: date
    counted: bool
    outcome: str
    words: str
    available: Decimal | None
    missing: Decimal | None
    as_of: datetime | None
    correlation_id: str
    asked_at: datetime

    def view(self) -> dict[str, Any]:
        """As the API shows it."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


_COLUMNS = {
    **dict.fromkeys(("check_id", "company_code", "requisition"), "text"),
    "version": "bigint",
    **dict.fromkeys(("cost_centre", "currency"), "text"),
    "amount": "numeric",
    "needed_on": "date",
    "counted": "boolean",
    **dict.fromkeys(("outcome", "words"), "text"),
    **dict.fromkeys(("available", "missing"), "numeric"),
    "as_of": "timestamptz",
    "correlation_id": "text",
    "asked_at": "timestamptz",
}
_NAMES = ", ".join(_COLUMNS)
assert tuple(_COLUMNS) == Check.__struct_fields__


def _pairs(keys: Collection[tuple[str, str]]) -> list[list[str]]:
    ordered = sorted(keys)
    return [[key[0] for key in ordered], [key[1] for key in ordered]]


async def keep_lines(connection: Connection, lines: Sequence[tuple[str, Budget, datetime]]) -> None:
    """Keep budget lines by (source, line, as of): the later word counts."""
    newest: dict[tuple[str, str, str], tuple[str, Budget, datetime]] = {}
    for each in lines:
        key = (each[1].company_code, each[0], each[1].number)
        if key not in newest or newest[key][2] <= each[2]:
            newest[key] = each
    rows = [newest[key] for key in sorted(newest)]
    await execute(
        connection,
        """INSERT INTO orders.budget_line AS b (company_code, source, number, cost_centre, document, as_of)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::timestamptz[])
        ON CONFLICT (company_code, source, number) DO UPDATE SET cost_centre = EXCLUDED.cost_centre,
            document = EXCLUDED.document, as_of = EXCLUDED.as_of WHERE b.as_of <= EXCLUDED.as_of""",
        (
            [line.company_code for _, line, _ in rows],
            [source for source, _, _ in rows],
            [line.number for _, line, _ in rows],
            [line.cost_centre for _, line, _ in rows],
            [codec.encode(line) for _, line, _ in rows],
            [as_of for _, _, as_of in rows],
        ),
    )


async def lines_of(connection: Connection, centre: Centre) -> list[tuple[Budget, datetime]]:
    found = await execute(
        connection,
        """SELECT document, as_of FROM orders.budget_line WHERE (company_code, cost_centre) = (%s, %s)
        ORDER BY source, number""",
        centre,
    )
    return [(codec.decode_own(row[0], Budget), row[1]) for row in await found.fetchall()]


# Checks


async def keep_checks(connection: Connection, checks: Sequence[Check]) -> None:
    """Write checks as they are now; what was asked never changes, only the answer."""
    if not checks:
        return
    await execute(
        connection,
        f"""INSERT INTO orders.budget_check AS c ({_NAMES})
        SELECT * FROM unnest({", ".join(f"%s::{kind}[]" for kind in _COLUMNS.values())}) ORDER BY 1
        ON CONFLICT (check_id) DO UPDATE SET outcome = EXCLUDED.outcome, words = EXCLUDED.words,
            available = EXCLUDED.available, missing = EXCLUDED.missing, as_of = EXCLUDED.as_of""",
        [[getattr(each, name) for each in checks] for name in _COLUMNS],
    )


async def known_checks(connection: Connection, ids: Collection[str]) -> set[str]:
    found = await execute(
        connection, "SELECT check_id FROM orders.budget_check WHERE check_id = ANY(%s)", (sorted(ids),)
    )
    return {row[0] for row in await found.fetchall()}


async def checks_of(connection: Connection, ids: Collection[str]) -> list[Check]:
    found = await execute(
        connection,
        f"SELECT {_NAMES} FROM orders.budget_check WHERE check_id = ANY(%s) ORDER BY check_id",
        (sorted(ids),),
    )
    return [Check(*row) for row in await found.fetchall()]


async def live_checks(connection: Connection, centre: Centre, only: Collection[str] | None = None) -> list[Check]:
    """The checks of a cost centre that a new word may change, locked: those without an answer, and those of the
    newest version of a requisition that is not ordered yet. `only`: of these ids.
    """
    found = await execute(
        connection,
        f"""SELECT {", ".join("c." + name for name in _COLUMNS)} FROM orders.budget_check c
        LEFT JOIN orders.requisition r ON (r.company_code, r.number, r.version)
            = (c.company_code, c.requisition, c.version) AND r.status IN ('pending', 'approved')
        WHERE (c.company_code, c.cost_centre) = (%s, %s) AND (c.outcome = 'pending' OR r.number IS NOT NULL)
            AND (%s::text[] IS NULL OR c.check_id = ANY(%s))
        ORDER BY c.check_id FOR UPDATE OF c""",
        (*centre, *[sorted(only) if only is not None else None] * 2),
    )
    return [Check(*row) for row in await found.fetchall()]


async def verdicts_of(
    connection: Connection, keys: Collection[tuple[str, str]]
) -> dict[tuple[str, str], list[tuple[str, str, Decimal | None]]]:
    """What the checks of these requisitions' newest versions say, by cost centre: (outcome, words, missing)."""
    found = await execute(
        connection,
        """SELECT c.company_code, c.requisition, c.outcome, c.words, c.missing FROM orders.budget_check c
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, requisition) USING (company_code, requisition)
        JOIN orders.requisition r ON (r.company_code, r.number, r.version)
            = (c.company_code, c.requisition, c.version) ORDER BY c.cost_centre""",
        _pairs(keys),
    )
    verdicts: dict[tuple[str, str], list[tuple[str, str, Decimal | None]]] = {}
    for company, number, outcome, words, missing in await found.fetchall():
        verdicts.setdefault((company, number), []).append((outcome, words, missing))
    return verdicts


async def overdue(connection: Connection, before: datetime, now: datetime, limit: int) -> list[tuple[str, str, str]]:
    """Cost centres that were asked about before `before` and still have a check without an answer: (company, cost
    centre, correlation id). They count as asked about now.
    """
    found = await execute(
        connection,
        """UPDATE orders.budget_check c SET asked_at = %s FROM (SELECT check_id FROM orders.budget_check
            WHERE outcome = 'pending' AND asked_at < %s ORDER BY asked_at LIMIT %s FOR UPDATE SKIP LOCKED) AS due
        WHERE c.check_id = due.check_id RETURNING c.company_code, c.cost_centre, c.correlation_id""",
        (now, before, limit),
    )
    by_centre = {(row[0], row[1]): row[2] for row in sorted(await found.fetchall())}
    return [(*centre, correlation) for centre, correlation in by_centre.items()]


async def many(
    connection: Connection, requisition: str, after: str, limit: int, companies: Sequence[str] | None
) -> list[Check]:
    found = await execute(
        connection,
        f"""SELECT {_NAMES} FROM orders.budget_check WHERE check_id > %s AND (%s = '' OR requisition = %s)
        AND (%s::text[] IS NULL OR company_code = ANY(%s)) ORDER BY check_id LIMIT %s""",
        (after, requisition, requisition, companies, companies, limit),
    )
    return [Check(*row) for row in await found.fetchall()]


# Questions put to procurement


async def note_asked(connection: Connection, rows: Sequence[tuple[str, str, str]], now: datetime) -> None:
    """Note questions as asked: (company, question, reference)."""
    ordered = sorted(set(rows))
    await execute(
        connection,
        """INSERT INTO orders.asked (company_code, question, reference, asked_at)
        SELECT *, %s FROM unnest(%s::text[], %s::text[], %s::text[])
        ON CONFLICT (company_code, question, reference) DO UPDATE SET asked_at = EXCLUDED.asked_at""",
        (now, *([row[place] for row in ordered] for place in range(3))),
    )


async def note_answered(
    connection: Connection, row: tuple[str, str, str], as_of: datetime, found: int, failed: str
) -> None:
    await execute(
        connection,
        """UPDATE orders.asked SET answered_at = %s, found = %s, failed = %s
        WHERE (company_code, question, reference) = (%s, %s, %s) AND (answered_at IS NULL OR answered_at <= %s)""",
        (as_of, found, failed, *row, as_of),
    )


async def answered(connection: Connection, row: tuple[str, str, str]) -> tuple[datetime, int, str] | None:
    """When a question was last answered, how many new documents that brought, and why it failed if it did."""
    known = await execute(
        connection,
        """SELECT answered_at, found, failed FROM orders.asked
        WHERE (company_code, question, reference) = (%s, %s, %s) AND answered_at IS NOT NULL""",
        row,
    )
    found = await known.fetchone()
    return (found[0], found[1], found[2]) if found else None


# Keys of the API
