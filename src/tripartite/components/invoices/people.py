"""What people have said about an invoice, as a decision counts it: releases, approvals, a refusal.

A release and a refusal stand in the exception's record, an approval in a row of its own; each binds to the content that
was seen. This file reads and judges; acting.py takes the acts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from tripartite.core.exceptions.lifecycle import Person
from tripartite.core.exceptions.reconcile import Context, standing_releases
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.findings import Finding
from tripartite.core.money import Amount
from tripartite.core.policy.decide import Approval, Refuse, Trace
from tripartite.runtime.db import Connection, execute

ENTRY = "invoice entry"
RELEASE = "exception release"


class Said(msgspec.Struct, frozen=True):
    """What people said that a decision must count."""

    released: frozenset[tuple[int, str]] = frozenset()
    approvals: tuple[Approval, ...] = ()
    refused: ExceptionRecord | None = None

    @property
    def part(self) -> bytes:
        """Its share of what a decision rests on; nothing where nobody said anything."""
        if not self.released and not self.approvals and self.refused is None:
            return b""
        words = [f"released {line} {code}" for line, code in sorted(self.released)]
        words += sorted(f"approved {each.role} {each.person}" for each in self.approvals)
        words += [f"refused {self.refused.exception_id}"] if self.refused is not None else []
        return "\n".join(words).encode()


NOTHING = Said()


def said(
    standing: Sequence[ExceptionRecord],
    approvals: Sequence[Approval],
    findings: Sequence[Finding],
    context: Callable[[], Context],
) -> Said:
    """What counts for these findings. The context is made only where somebody acted: most invoices see nobody."""
    acted = [record for record in standing if record.state in ("released", "refused")]
    if not acted and not approvals:
        return NOTHING
    around = context()
    return Said(
        standing_releases(standing, findings, around),
        tuple(each for each in approvals if each.content_hash == around.content_hash),
        next((each for each in acted if each.state == "refused" and each.content_hash == around.content_hash), None),
    )


def refusal(record: ExceptionRecord, trace: Trace) -> Refuse:
    """The decision that a person's refusal is, with the words the supplier will read."""
    told = Finding(code=record.reason_code, line=record.line, words=record.event.words, rule="act")
    return Refuse((record.reason_code,), (told,), trace)


# Rows


async def approvals_of(connection: Connection, ids: Collection[str]) -> dict[str, list[Approval]]:
    """Every approval that was given for these invoices."""
    found = await execute(
        connection,
        "SELECT invoice_id, person, role, content_hash FROM invoices.approval WHERE invoice_id = ANY(%s) ORDER BY at",
        (sorted(ids),),
    )
    given: dict[str, list[Approval]] = {}
    for invoice_id, person, role, content in await found.fetchall():
        given.setdefault(invoice_id, []).append(Approval(person, role, content))
    return given


async def add_approval(
    connection: Connection, invoice_id: str, content_hash: str, role: str, person: str, why: str, at: datetime
) -> bool:
    """Keep an approval; False where this person gave it for this content before."""
    made = await execute(
        connection,
        """INSERT INTO invoices.approval (invoice_id, content_hash, role, person, why, at)
        VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1""",
        (invoice_id, content_hash, role, person, why, at),
    )
    return await made.fetchone() is not None


async def copy_approvals(connection: Connection, invoice_id: str, part_id: str) -> None:
    """What was approved of an invoice is approved of a part of it: the content that was seen is the same."""
    await execute(
        connection,
        """INSERT INTO invoices.approval (invoice_id, content_hash, role, person, why, at)
        SELECT %s, content_hash, role, person, why, at FROM invoices.approval WHERE invoice_id = %s
        ON CONFLICT DO NOTHING""",
        (part_id, invoice_id),
    )


async def add_consent(
    connection: Connection, record: ExceptionRecord, by: Person, why: str, at: datetime
) -> Person | None:
    """Keep a first consent to a release by two; the other person, where one consented before."""
    found = await execute(
        connection,
        """SELECT person, roles, sum_limit FROM invoices.consent
        WHERE exception_id = %s AND content_hash = %s AND person <> %s ORDER BY at LIMIT 1""",
        (record.exception_id, record.content_hash, by.name),
    )
    row = await found.fetchone()
    if row is not None:
        limit = None if row[2] is None else Amount(row[2])
        return Person(row[0], tuple(row[1]), limit, await duties_of(connection, record.correlation_id, row[0]))
    await execute(
        connection,
        """INSERT INTO invoices.consent (exception_id, content_hash, person, roles, sum_limit, why, at)
        VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
        (record.exception_id, record.content_hash, by.name, list(by.roles), by.limit, why, at),
    )
    return None


async def duties_of(connection: Connection, correlation_id: str, person: str) -> frozenset[str]:
    """The duties this person already did on the chain of one requisition-to-payment transaction."""
    found = await execute(
        connection,
        "SELECT DISTINCT duty FROM invoices.act WHERE correlation_id = %s AND person = %s",
        (correlation_id, person),
    )
    return frozenset(row[0] for row in await found.fetchall())


ACT = (
    *("act_id", "invoice_id", "company_code", "correlation_id", "exception_id", "person", "duty", "what"),
    *("why", "at", "leaf_id"),
)


async def add_acts(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Keep acts, in the order of `ACT`; one that comes twice is one."""
    if not rows:
        return
    await execute(
        connection,
        f"""INSERT INTO invoices.act ({", ".join(ACT)})
        SELECT * FROM unnest({", ".join(["%s::text[]"] * 9)}, %s::timestamptz[], %s::text[]) ON CONFLICT DO NOTHING""",
        [[row[place] for row in rows] for place in range(len(ACT))],
    )


async def acts_of(connection: Connection, invoice_id: str) -> list[dict[str, Any]]:
    """Who did what about an invoice, in order."""
    names = ("act_id", "exception_id", "person", "duty", "what", "why", "at", "leaf_id")
    found = await execute(
        connection,
        f"SELECT {', '.join(names)} FROM invoices.act WHERE invoice_id = %s ORDER BY place",
        (invoice_id,),
    )
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]


def within(
    releases: Sequence[tuple[str, int, str, str, int, str, int, Decimal]],
    room: dict[tuple[str, str, int, str, int], Decimal],
) -> list[tuple[str, int, str, str, int, str, int, Decimal]]:
    """What of these allocations is covered by what came. What a person released beyond it stands on the order alone."""
    left = dict(room)
    kept = []
    for release in releases:
        if release[7] < 0:  # it gives back
            kept.append(release)
            continue
        company, order, line, receipt, receipt_line = release[2:7]
        places = {(company, order, line, "", 0), (company, order, line, receipt, receipt_line)}
        quantity = min([release[7], *(left[place] for place in places if place in left)])
        if quantity > 0:
            kept.append((*release[:7], quantity))
            for place in places:
                if place in left:
                    left[place] -= quantity
    return kept
