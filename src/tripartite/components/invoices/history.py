"""History made ready for back-tests: of each invoice its match on the facts as they stand, and what the match asked.

    prepare      every invoice whose facts moved since it was made ready; off the path of decisions, again at any time
    neighbours   some invoices with all that they are judged with, read as a decision would read them
    matched      their results under some policy, with their tax quotes

What is stored are the documents, not the moments: a receipt that came later counts as come, and nobody's releases or
approvals count. So a back-test compares two policies on the same facts, and nothing else. Of an invoice that was parted
the whole is judged, as the supplier sent it: the parts are documents of our own, and what people made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

import msgspec

from tripartite.components.invoices import quotes, store
from tripartite.components.invoices.gathering import Neighbourhood, gather, keys_of
from tripartite.components.invoices.quotes import Quoted
from tripartite.core import codec
from tripartite.core.estate import Estate
from tripartite.core.findings import Finding
from tripartite.core.ids import digest
from tripartite.core.matching.engine import PolicyOf, evaluate
from tripartite.core.matching.policy import MatchPolicy
from tripartite.core.matching.result import MatchResult
from tripartite.core.money import Amount
from tripartite.core.policy import Pack
from tripartite.core.policy.asking import ask, groups_of
from tripartite.core.policy.backtest import Stored
from tripartite.core.policy.change import ANYTHING, EVERYBODYS, Asked, Turns
from tripartite.runtime.db import Connection, Database, copy_rows, execute

CHUNK = 1000  # invoices read and made ready in one transaction
_PLACES = 9
_REVIEW, _RATIO = "review_amount", "tax/ratio_percent"
_COLUMNS = (
    *("invoice_id", "company_code", "supplier_id", "currency", "kind", "gross", "has_order", "arrived_on", "decisions"),
    *(
        "group_id",
        "under",
        "verdict",
        "reasons",
        "payable_now",
        "at_risk",
        "words",
        "review",
        "ratio_low",
        "ratio_high",
    ),
)
Progress = Callable[[int, int], None]


def policy_of(pack: Pack, company: str, on: date) -> PolicyOf:
    """The bounds of a pack for the invoices of a company on a day, as a decision takes them."""
    return lambda bill: pack.match_policy(company, bill.doc.supplier_id, "", bill.doc.currency, on)[0]


class Neighbours(msgspec.Struct):
    """Invoices of one company with all that they are judged with. `groups`: invoice -> the first of its group."""

    company: str
    around: Neighbourhood
    ids: set[str]
    groups: Mapping[str, str]

    @property
    def mixed(self) -> frozenset[str]:
        """Groups in which an invoice of another company stands: it is judged under that company's policy."""
        return frozenset(
            self.groups[row.invoice_id] for row in self.around.rows.values() if row.company_code != self.company
        )


async def neighbours(connection: Connection, estate: Estate, company: str, ids: Collection[str]) -> Neighbours:
    """These invoices and, round by round, all that they share an order or a likeness with."""
    wanted = set(ids)
    while True:
        rows = await store.invoices_by_id(connection, wanted)
        documents = {row.invoice_id: store.document_of(row) for row in rows}
        keys = {key for row in rows for key in keys_of(company, documents[row.invoice_id])}
        around = await gather(connection, estate, company, rows, documents, keys, lock=False)
        for bill in around.book.bills:
            bill.was_post = False  # each is judged anew, as if nothing had been decided
            if around.rows[bill.id].part_of:
                bill.dropped = True
        groups = groups_of(around.book)
        mine = {groups[row.invoice_id] for row in rows}
        more = {
            row.invoice_id
            for row in around.rows.values()
            if row.company_code == company and not row.part_of and groups[row.invoice_id] in mine
        }
        if more <= wanted:
            return Neighbours(company, around, {row.invoice_id for row in rows}, groups)
        wanted |= more


async def matched(
    connection: Connection, estate: Estate, found: Neighbours, under: PolicyOf, as_of: date
) -> dict[str, Stored]:
    """The results of these invoices under a policy, with what mapping and the missing tax quotes say beside them."""
    results = evaluate(found.around.book, found.ids, policy_of=under, as_of=as_of)
    quoted = await quotes.look(connection, estate, found.around, {one.invoice_id: one for one in results})
    if quoted.quotes:
        results = evaluate(found.around.book, found.ids, policy_of=under, as_of=as_of, quotes=quoted.quotes)
    return {one.invoice_id: _stored(one, found.around, quoted) for one in results}


def _stored(result: MatchResult, around: Neighbourhood, quoted: Quoted) -> Stored:
    mapped = codec.decode_own(around.rows[result.invoice_id].findings, tuple[Finding, ...])
    return Stored(
        result.verdict,
        (*result.findings, *mapped, *quoted.findings(result.invoice_id)),
        Amount(result.payable_now.decimal()),
        Amount(result.money_at_risk.decimal()),
    )


# Making ready


async def prepare(
    db: Database,
    estate: Estate,
    pack: Pack,
    today_of: Callable[[str], date],
    *,
    since: date | None = None,
    progress: Progress = lambda _done, _all: None,
) -> int:
    """Make ready every invoice that is not, or whose facts moved since; how many were made ready.

    Each chunk is a transaction of its own, so that it may be stopped and taken up again. Run twice it does nothing.
    """
    async with db.connection() as connection:
        stale = await _stale(connection, since)
    total, done = sum(len(ids) for ids in stale.values()), 0
    for company, ids in sorted(stale.items()):
        ready: set[str] = set()
        for start in range(0, len(ids), CHUNK):
            chunk = [one for one in ids[start : start + CHUNK] if one not in ready]

            async def work(connection: Connection, company: str = company, chunk: list[str] = chunk) -> set[str]:
                return await _make_ready(connection, estate, pack, company, chunk, today_of(company))

            if chunk:
                ready |= await db.transaction(work)
            done += len(ids[start : start + CHUNK])
            progress(done, total)
    return done


async def _stale(connection: Connection, since: date | None) -> dict[str, list[str]]:
    found = await execute(
        connection,
        """SELECT i.company_code, i.invoice_id FROM invoices.invoice i LEFT JOIN invoices.history h USING (invoice_id)
        WHERE h.decisions IS DISTINCT FROM i.decisions AND i.arrived_on >= %s AND i.part_of = ''
        ORDER BY i.company_code, i.supplier_id, i.sequence""",
        (since or date.min,),
    )
    stale: dict[str, list[str]] = {}
    for company, invoice_id in await found.fetchall():
        stale.setdefault(company, []).append(invoice_id)
    return stale


async def _make_ready(
    connection: Connection, estate: Estate, pack: Pack, company: str, ids: Sequence[str], today: date
) -> set[str]:
    found = await neighbours(connection, estate, company, ids)
    under = policy_of(pack, company, today)
    around = found.around
    results, asked = ask(around.book, under, today)
    by_id = {one.invoice_id: one for one in results if one.invoice_id in found.ids}
    quoted = await quotes.look(connection, estate, around, by_id)
    if quoted.quotes:
        results, asked = ask(around.book, under, today, quoted.quotes)
        by_id = {one.invoice_id: one for one in results if one.invoice_id in found.ids}
    rows: list[tuple[object, ...]] = []
    bounds: list[tuple[object, ...]] = []
    policies: dict[str, MatchPolicy] = {}
    for bill in around.book.bills:
        if bill.id not in found.ids:
            continue
        row, questions = around.rows[bill.id], asked[bill.id]
        policy = under(bill)
        policies[name := _digest(policy)] = policy
        # What is out of the match (a person refused it) has no result and asks nothing.
        stored = _stored(by_id[bill.id], around, quoted) if bill.id in by_id else Stored("reject", (), *_NOTHING)
        words = set(questions.words) | ({ANYTHING} if questions.group in found.mixed else set())
        dense, sparse = _split(questions.bounds)
        rows.append(
            (
                *(row.invoice_id, company, row.supplier_id, row.currency, row.kind, abs(row.gross or Decimal(0))),
                *(bool(store.order_numbers(around.documents[bill.id])), row.arrived_on, row.decisions),
                *(questions.group, name, stored.verdict),
                sorted(f"{each.line} {each.code}" for each in stored.findings),
                *(stored.payable_now, stored.at_risk, sorted(words)),
                *dense,
            )
        )
        bounds += [(bill.id, key, *_outwards(turns)) for key, turns in sparse.items()]
    written = [row[0] for row in rows]
    await execute(connection, "DELETE FROM invoices.history_bound WHERE invoice_id = ANY(%s)", (written,))
    await execute(connection, "DELETE FROM invoices.history WHERE invoice_id = ANY(%s)", (written,))
    await copy_rows(connection, "invoices.history", _COLUMNS, rows)
    await copy_rows(connection, "invoices.history_bound", ("invoice_id", "key", "low", "high"), bounds)
    for name, policy in policies.items():
        await execute(
            connection,
            "INSERT INTO invoices.history_policy (digest, policy) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (name, codec.encode(policy)),
        )
    return found.ids


_NOTHING = (Amount(0), Amount(0))
_DIGESTS: dict[MatchPolicy, str] = {}


def _digest(policy: MatchPolicy) -> str:
    known = _DIGESTS.get(policy)
    if known is None:
        known = _DIGESTS[policy] = digest(codec.encode(policy))
    return known


def _split(bounds: Mapping[str, Turns]) -> tuple[tuple[Decimal | None, ...], dict[str, Turns]]:
    """The two bounds that everybody asks as columns, the others apart; a bound that any change concerns is apart."""
    review, ratio = bounds.get(_REVIEW), bounds.get(_RATIO)
    dense = (
        None if review is None else _outwards(review)[1],
        *((None, None) if ratio is None else _outwards(ratio)),
    )
    sparse = {key: turns for key, turns in bounds.items() if key not in EVERYBODYS or turns is None}
    return dense, sparse


def _outwards(turns: Turns) -> tuple[Decimal | None, Decimal | None]:
    """Rounded away from what lies between, so that a kept question is never narrower than the one that was asked."""
    if turns is None:
        return None, None
    scale = 10**_PLACES
    return Decimal(floor(turns[0] * scale)).scaleb(-_PLACES), Decimal(ceil(turns[1] * scale)).scaleb(-_PLACES)


# Reading back


class Kept(msgspec.Struct, frozen=True):
    """A row of history."""

    invoice_id: str
    company: str
    supplier: str
    currency: str
    kind: str
    gross: Decimal
    has_order: bool
    under: str
    asked: Asked
    stored: Stored


async def kept(connection: Connection, ids: Iterable[str]) -> list[Kept]:
    """These rows of history, with what was asked."""
    wanted = sorted(ids)
    found = await execute(
        connection,
        """SELECT h.invoice_id, h.company_code, h.supplier_id, h.currency, h.kind, h.gross, h.has_order, h.under,
            h.group_id, h.verdict, h.reasons, h.payable_now, h.at_risk, h.words, h.review, h.ratio_low, h.ratio_high,
            coalesce(b.keys, '{}'), coalesce(b.lows, '{}'), coalesce(b.highs, '{}')
        FROM invoices.history h LEFT JOIN LATERAL (
            SELECT array_agg(key) AS keys, array_agg(low) AS lows, array_agg(high) AS highs
            FROM invoices.history_bound b WHERE b.invoice_id = h.invoice_id) b ON true
        WHERE h.invoice_id = ANY(%s) ORDER BY h.invoice_id""",
        (wanted,),
    )
    return [_kept(row) for row in await found.fetchall()]


def _kept(row: tuple[Any, ...]) -> Kept:
    (invoice_id, company, supplier, currency, kind, gross, has_order, under, group, verdict) = row[:10]
    reasons, payable, risk, words, review, low, high, keys, lows, highs = row[10:]
    bounds: dict[str, Turns] = {}
    if review is not None:
        bounds[_REVIEW] = (Fraction(0), Fraction(review))
    if low is not None:
        bounds[_RATIO] = (Fraction(low), Fraction(high))
    for key, least, most in zip(keys, lows, highs, strict=True):
        bounds[key] = None if least is None else (Fraction(least), Fraction(most))
    findings = []
    for reason in reasons:
        line, _, code = reason.partition(" ")
        findings.append(Finding(code=code, line=int(line)))
    return Kept(
        *(invoice_id, company, supplier, currency, kind, gross, has_order, under),
        Asked(bounds, frozenset(words), group),
        Stored(verdict, tuple(findings), Amount(payable), Amount(risk)),
    )
