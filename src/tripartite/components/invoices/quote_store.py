"""The tables of tax quotes: questions, who waits for them, answers. Part of the invoices component's schema."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.objects import TaxQuestion, TaxQuote
from tripartite.runtime.db import Connection, execute


class Asked(msgspec.Struct, frozen=True):
    """A question that was put. `failed` says why there is no answer; `open` that it is asked again."""

    number: str
    company_code: str
    engine: str
    question: TaxQuestion
    correlation_id: str
    failed: str
    open: bool
    asked_at: datetime


class Stored(msgspec.Struct, frozen=True):
    """A quote as it lies in the table. `raw` are its bytes: what a decision's digest is taken over."""

    quote: TaxQuote
    raw: bytes
    as_of: datetime
    intake_id: str


async def hold(connection: Connection, numbers: Collection[str]) -> None:
    """One at a time for each question: who links an invoice and who stores a quote see one another."""
    await execute(
        connection,
        "SELECT pg_advisory_xact_lock(hashtextextended(n, 7461911)) FROM unnest(%s::text[]) AS n",
        (sorted(set(numbers)),),
    )


async def ask(
    connection: Connection,
    rows: Sequence[tuple[str, str, str, bytes, str, str]],
    now: datetime,
    due_at: datetime,
) -> set[str]:
    """Note questions: (number, company, engine, question, correlation, causation). Returns those that are new."""
    ordered = sorted(rows)
    made = await execute(
        connection,
        """INSERT INTO invoices.tax_question (number, company_code, engine, question, correlation_id, causation_id,
            asked_at, due_at)
        SELECT number, company, engine, question, correlation, causation, %s, %s FROM unnest(%s::text[], %s::text[],
            %s::text[], %s::bytea[], %s::text[], %s::text[])
            AS n (number, company, engine, question, correlation, causation)
        ON CONFLICT DO NOTHING RETURNING number""",
        (now, due_at, *([row[place] for row in ordered] for place in range(6))),
    )
    return {row[0] for row in await made.fetchall()}


async def link(connection: Connection, rows: Collection[tuple[str, str]]) -> None:
    """Which invoices wait for a question: (number, invoice)."""
    ordered = sorted(set(rows))
    await execute(
        connection,
        """INSERT INTO invoices.tax_question_of (number, invoice_id)
        SELECT * FROM unnest(%s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
        [[row[place] for row in ordered] for place in range(2)],
    )


async def waiting(connection: Connection, numbers: Collection[str]) -> list[tuple[str, str, str]]:
    """The invoices behind these questions: (invoice, company, correlation)."""
    found = await execute(
        connection,
        """SELECT DISTINCT i.invoice_id, i.company_code, i.correlation_id FROM invoices.tax_question_of q
        JOIN invoices.invoice i USING (invoice_id) WHERE q.number = ANY(%s) ORDER BY 1""",
        (sorted(set(numbers)),),
    )
    return [(row[0], row[1], row[2]) for row in await found.fetchall()]


async def questions(connection: Connection, numbers: Collection[str]) -> dict[str, Asked]:
    found = await execute(
        connection,
        """SELECT number, company_code, engine, question, correlation_id, failed, due_at IS NOT NULL, asked_at
        FROM invoices.tax_question WHERE number = ANY(%s)""",
        (sorted(set(numbers)),),
    )
    return {
        row[0]: Asked(row[0], row[1], row[2], codec.decode_own(row[3], TaxQuestion), *row[4:])
        for row in await found.fetchall()
    }


async def linked(connection: Connection, numbers: Collection[str]) -> set[tuple[str, str]]:
    """(number, invoice) of every invoice that waits for one of these questions."""
    found = await execute(
        connection,
        "SELECT number, invoice_id FROM invoices.tax_question_of WHERE number = ANY(%s)",
        (sorted(set(numbers)),),
    )
    return {(row[0], row[1]) for row in await found.fetchall()}


async def keep(
    connection: Connection, rows: Sequence[tuple[str, str, str, datetime, str, bytes, str, datetime]]
) -> None:
    """Store quotes: (number, company, engine, as of, digest, quote, intake, now). The latest reckoning stands, of two
    at the same time the one with the greater digest: which stands does not depend on which came first."""
    for row in sorted(rows, key=lambda row: (row[0], row[3], row[4])):
        await execute(
            connection,
            """INSERT INTO invoices.tax_quote AS q (number, company_code, engine, as_of, digest, quote, intake_id,
                stored_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (number) DO UPDATE SET engine = EXCLUDED.engine, as_of = EXCLUDED.as_of,
                digest = EXCLUDED.digest, quote = EXCLUDED.quote, intake_id = EXCLUDED.intake_id,
                stored_at = EXCLUDED.stored_at
            WHERE (q.as_of, q.digest) < (EXCLUDED.as_of, EXCLUDED.digest)""",
            row,
        )


async def quotes(connection: Connection, numbers: Collection[str]) -> dict[str, Stored]:
    found = await execute(
        connection,
        "SELECT number, quote, as_of, intake_id FROM invoices.tax_quote WHERE number = ANY(%s)",
        (sorted(set(numbers)),),
    )
    return {
        row[0]: Stored(codec.decode_own(row[1], TaxQuote), row[1], row[2], row[3]) for row in await found.fetchall()
    }


async def answered(connection: Connection, numbers: Collection[str]) -> None:
    """These questions have their answer: they are not asked again."""
    await execute(
        connection,
        """UPDATE invoices.tax_question SET due_at = NULL, failed = '', failed_at = NULL
        WHERE number = ANY(%s) AND (due_at IS NOT NULL OR failed <> '')""",
        (sorted(set(numbers)),),
    )


async def fail(connection: Connection, number: str, words: str, now: datetime, due_at: datetime) -> bool:
    """There is no answer, and why. Asked again at `due_at`; False where nobody asked, or the answer is there."""
    done = await execute(
        connection,
        """UPDATE invoices.tax_question SET failed = %s, failed_at = %s, due_at = %s
        WHERE number = %s AND due_at IS NOT NULL RETURNING 1""",
        (words[:500], now, due_at, number),
    )
    return await done.fetchone() is not None


async def due(connection: Connection, now: datetime, limit: int) -> list[tuple[str, bool]]:
    """Claim questions that are due again: (number, whether it was known to have failed). The next time is set: after
    fifteen minutes, doubled each time, at most a day."""
    found = await execute(
        connection,
        """UPDATE invoices.tax_question q SET attempts = attempts + 1,
            due_at = %(now)s + least(interval '1 day', interval '15 minutes' * power(2, least(attempts, 7)))
        FROM (SELECT number FROM invoices.tax_question WHERE due_at <= %(now)s
            ORDER BY due_at, number LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
        WHERE q.number = due.number RETURNING q.number, q.failed <> ''""",
        {"now": now, "limit": limit},
    )
    return sorted((row[0], row[1]) for row in await found.fetchall())


async def listed(
    connection: Connection,
    *,
    invoice_id: str,
    after: tuple[datetime, str] | None,
    limit: int,
    mine: Sequence[str] | None,
) -> list[dict[str, Any]]:
    """Questions, the newest first; those of one invoice where it is given."""
    names = ("number", "company_code", "engine", "asked_at", "attempts", "failed", "state")
    found = await execute(
        connection,
        """SELECT q.number, q.company_code, q.engine, q.asked_at, q.attempts, q.failed,
            CASE WHEN q.due_at IS NULL THEN 'quoted' WHEN q.failed <> '' THEN 'failed' ELSE 'asked' END
        FROM invoices.tax_question q
        WHERE (%(invoice)s = '' OR EXISTS (SELECT 1 FROM invoices.tax_question_of o
            WHERE o.number = q.number AND o.invoice_id = %(invoice)s))
        AND (%(at)s::timestamptz IS NULL OR (q.asked_at, q.number) < (%(at)s, %(number)s))
        AND (%(mine)s::text[] IS NULL OR q.company_code = ANY(%(mine)s))
        ORDER BY q.asked_at DESC, q.number DESC LIMIT %(limit)s""",
        {
            "invoice": invoice_id,
            "at": after[0] if after else None,
            "number": after[1] if after else "",
            "mine": mine,
            "limit": limit,
        },
    )
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]
