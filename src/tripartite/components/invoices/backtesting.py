"""A back-test over recorded history: which invoices a change of policy concerns, and how each comes out on both sides.

    scopes of history -> what changes for each -> candidates by their questions (SQL, then core/policy/change.py)
        -> their groups matched again under the side that differs -> decided on both -> core/policy/backtest.py

Whoever gave the same answers to every question that changed is not looked at again; that this loses nobody is proved
in tests/core/policy/test_asking.py. Old and new are read on one day, `on`: a change that takes effect next year is
tried on history as if it had been in force.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from tripartite.components.invoices import history
from tripartite.components.invoices.history import Kept
from tripartite.core import codec
from tripartite.core.estate import Estate
from tripartite.core.exceptions.reasons import reasons
from tripartite.core.matching.document import drawn
from tripartite.core.matching.policy import MatchPolicy, limits_of
from tripartite.core.money import CURRENCIES, Amount, minor_digits
from tripartite.core.policy import Case, Pack, decide
from tripartite.core.policy.backtest import Backtest, Outcome, Past, Stored, outcome_of, report, shift_of
from tripartite.core.policy.change import EVERYBODYS, Change, change_between, may_differ
from tripartite.runtime.db import Connection, Database, execute

CHUNK = 500  # invoices matched again in one transaction
Progress = Callable[[int, int], None]


class NotReady(Exception):
    """History is not made ready for these invoices; `history.prepare` does it."""


class _Scope(msgspec.Struct, frozen=True):
    """Invoices for which a pack says the same: of one company, supplier (empty: nobody named), currency, bounds."""

    company: str
    supplier: str
    currency: str
    under: str


class _Side(msgspec.Struct):
    """One of the two policies: whom it may concern, and what they come to under it."""

    pack: Pack
    changes: dict[_Scope, Change]
    groups: set[str]
    results: dict[str, Stored]


async def backtest(
    db: Database,
    estate: Estate,
    old: Pack,
    new: Pack,
    *,
    on: date,
    as_of: Mapping[str, date],
    since: date | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Backtest:
    """Both policies over every invoice that arrived on `since` or later. Errors: `NotReady`.

    `as_of`: company -> its business day, by which a receipt is late. Nothing is written.
    """
    async with db.connection() as connection:
        invoices, touchless = await _counts(connection, since)
        scopes = await _scopes(connection, old, new)
        sides = [await _side(connection, pack, scopes, on, since) for pack in (old, new)]
        wanted = await _decided_otherwise(connection, old, new, scopes, on, since)
        for side in sides:
            wanted |= await _members(connection, side.groups, since)
        rows = {row.invoice_id: row for row in await history.kept(connection, wanted)}
    for side in sides:
        await _match_again(db, estate, side, rows, on, as_of, progress)
    shifts = []
    async with db.connection() as connection:
        named = await _named(connection, rows)
    for name, row in sorted(rows.items()):
        before, after = (_outcome(side, row, named[name], estate, on) for side in sides)
        shift = shift_of(named[name].past, before, after)
        if shift is not None and (since is None or shift.invoice.arrived_on >= since):
            shifts.append(shift)
    return report(
        old=old.hash,
        new=new.hash,
        on=on,
        since=since,
        invoices=invoices,
        looked_at=len(rows),
        touchless_before=touchless,
        shifts=shifts,
    )


async def _counts(connection: Connection, since: date | None) -> tuple[int, int]:
    """How many invoices there are, and how many of them went through without anybody, as recorded."""
    found = await execute(
        connection,
        """SELECT count(*), count(*) FILTER (WHERE h.decisions IS DISTINCT FROM i.decisions),
            count(*) FILTER (WHERE i.state IN ('to_post', 'posted', 'observed') AND NOT i.payment_block
                AND NOT EXISTS (SELECT 1 FROM invoices.act a WHERE a.invoice_id = i.invoice_id))
        FROM invoices.invoice i LEFT JOIN invoices.history h USING (invoice_id)
        WHERE i.arrived_on >= %s AND i.part_of = ''""",
        (since or date.min,),
    )
    row = await found.fetchone()
    assert row is not None, "an aggregate has a row"
    if row[1]:
        raise NotReady(f"{row[1]} of {row[0]} invoices are not made ready")
    return row[0], row[2]


async def _scopes(connection: Connection, old: Pack, new: Pack) -> list[_Scope]:
    named = sorted({row.supplier for pack in (old, new) for rows in pack.rows.values() for row in _with_supplier(rows)})
    found = await execute(
        connection,
        """SELECT company_code, CASE WHEN supplier_id = ANY(%s) THEN supplier_id ELSE '' END, currency, under
        FROM invoices.history GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4""",
        (named,),
    )
    return [_Scope(*row) for row in await found.fetchall()]


def _with_supplier(rows: Iterable[Any]) -> list[Any]:
    return [row for row in rows if getattr(row, "supplier", "*") != "*"]


def _scope_of(row: Kept, scopes: Collection[_Scope]) -> _Scope:
    mine = _Scope(row.company, row.supplier, row.currency, row.under)
    return mine if mine in scopes else _Scope(row.company, "", row.currency, row.under)


async def _side(connection: Connection, pack: Pack, scopes: list[_Scope], on: date, since: date | None) -> _Side:
    """Whom this policy may concern, seen from the bounds that history was matched under."""
    found = await execute(connection, "SELECT digest, policy FROM invoices.history_policy")
    under = {row[0]: codec.decode_own(row[1], MatchPolicy) for row in await found.fetchall()}
    mine: dict[_Scope, MatchPolicy] = {}
    changes: dict[_Scope, Change] = {}
    for scope in scopes:
        mine[scope] = pack.match_policy(scope.company, scope.supplier, "", scope.currency, on)[0]
        change = change_between(under[scope.under], mine[scope])
        if not change.is_none:
            changes[scope] = change
    side = _Side(pack, changes, set(), {})
    if not changes:
        return side
    known = set(scopes)
    asking = await _asking(connection, list(changes.values()), since)
    for row in await history.kept(connection, asking):
        change = changes.get(_scope_of(row, known), Change())
        if may_differ(row.asked, change):
            side.groups.add(row.asked.group)
    if any(change.sample for change in changes.values()):
        side.groups |= await _drawn_otherwise(connection, known, under, mine)
    return side


async def _asking(connection: Connection, changes: list[Change], since: date | None) -> set[str]:
    """Invoices that asked something that one of the changes touches: a superset, found by the indexes."""
    if any(change.everything for change in changes):
        found = await execute(
            connection, "SELECT invoice_id FROM invoices.history WHERE arrived_on >= %s", (since or date.min,)
        )
        return {row[0] for row in await found.fetchall()}
    words = sorted({word for change in changes for word in change.words} | {"anything"})
    found = await execute(
        connection, "SELECT invoice_id FROM invoices.history WHERE words && %s AND words <> '{}'", (words,)
    )
    asking = {row[0] for row in await found.fetchall()}
    if any(change.noted for change in changes):
        found = await execute(connection, "SELECT DISTINCT invoice_id FROM invoices.history_bound")
        asking |= {row[0] for row in await found.fetchall()}
    for key, low, high in _hulls(changes):
        statement = "SELECT invoice_id FROM invoices.history_bound WHERE key = %(key)s"
        asking |= await _ids(connection, f"{statement} AND (high IS NULL OR {_reaches('low', 'high')})", key, low, high)
        if key == "review_amount":
            # Kept is the largest line: whoever stays below the lower of both limits is not asked.
            statement = "SELECT invoice_id FROM invoices.history WHERE review >= %(least)s"
            asking |= await _ids(connection, statement, key, low, high)
        elif key in EVERYBODYS:
            statement = "SELECT invoice_id FROM invoices.history WHERE"
            asking |= await _ids(connection, f"{statement} {_reaches('ratio_low', 'ratio_high')}", key, low, high)
    return asking


def _reaches(low: str, high: str) -> str:
    return f"{high} >= %(least)s AND (%(most)s::numeric IS NULL OR {low} <= %(most)s)"


async def _ids(connection: Connection, statement: str, key: str, low: Fraction, high: Fraction | None) -> set[str]:
    values = {"key": key, "least": _decimal(low), "most": None if high is None else _decimal(high)}
    found = await execute(connection, statement, values)
    return {row[0] for row in await found.fetchall()}


def _decimal(number: Fraction) -> Decimal:
    """A bound of a policy as the decimal that it was written as."""
    return Decimal(number.numerator) / Decimal(number.denominator)


def _hulls(changes: list[Change]) -> list[tuple[str, Fraction, Fraction | None]]:
    """For each bound that any scope changes, the widest move."""
    found: dict[str, tuple[Fraction, Fraction | None]] = {}
    for change in changes:
        for key, (low, high) in change.bounds.items():
            least, most = found.get(key, (low, high))
            found[key] = (min(low, least), None if high is None or most is None else max(high, most))
    return [(key, low, high) for key, (low, high) in sorted(found.items())]


async def _drawn_otherwise(
    connection: Connection,
    scopes: Collection[_Scope],
    under: Mapping[str, MatchPolicy],
    mine: Mapping[_Scope, MatchPolicy],
) -> set[str]:
    """The groups of those whom one lot draws and the other does not; a supplier that is not known stands for any."""
    found = await execute(
        connection,
        """SELECT h.company_code, h.supplier_id, h.currency, h.under, h.group_id, i.number
        FROM invoices.history h JOIN invoices.invoice i USING (invoice_id)""",
    )
    groups = set()
    async for company, supplier, currency, digest, group, number in found:
        scope = _Scope(company, supplier, currency, digest)
        scope = scope if scope in scopes else _Scope(company, "", currency, digest)
        one, other = limits_of(under[digest]), limits_of(mine[scope])
        if one.policy.sample == other.policy.sample:
            continue
        if not supplier or drawn(company, supplier, number, one) != drawn(company, supplier, number, other):
            groups.add(group)
    return groups


async def _members(connection: Connection, groups: Collection[str], since: date | None) -> set[str]:
    """Who is judged together with these; with `since` only where one of them arrived then."""
    found = await execute(
        connection, "SELECT invoice_id FROM invoices.history WHERE group_id = ANY(%s)", (sorted(groups),)
    )
    return {row[0] for row in await found.fetchall()}


async def _decided_otherwise(
    connection: Connection, old: Pack, new: Pack, scopes: list[_Scope], on: date, since: date | None
) -> set[str]:
    """Whom the tables after the match concern: approvals by size, and terms that block."""
    wanted: set[str] = set()
    for company in sorted({scope.company for scope in scopes}):
        before, after = (_blocking(pack, company, on) for pack in (old, new))
        codes = sorted(code for code in before if before[code] != after[code])
        if codes:
            found = await execute(
                connection,
                """SELECT invoice_id FROM invoices.history h WHERE company_code = %s AND reasons <> '{}'
                AND EXISTS (SELECT 1 FROM unnest(h.reasons) r WHERE split_part(r, ' ', 2) = ANY(%s))
                AND arrived_on >= %s""",
                (company, codes, since or date.min),
            )
            wanted |= {row[0] for row in await found.fetchall()}
    named = sorted({scope.supplier for scope in scopes} - {""})
    for company, supplier, currency in sorted({(s.company, s.supplier, s.currency) for s in scopes}):
        for basis in ("order", "no_order"):
            for low, high in _bands(old, new, company, supplier, currency, on, basis):
                found = await execute(
                    connection,
                    """SELECT invoice_id FROM invoices.history WHERE company_code = %(company)s
                    AND currency = %(currency)s AND has_order = %(ordered)s AND arrived_on >= %(since)s
                    AND (CASE WHEN %(supplier)s = '' THEN supplier_id <> ALL(%(named)s::text[])
                         ELSE supplier_id = %(supplier)s END)
                    AND gross >= %(low)s AND (%(high)s::numeric IS NULL OR gross <= %(high)s)""",
                    {
                        "company": company,
                        "currency": currency,
                        "supplier": supplier,
                        "named": named,
                        "ordered": basis == "order",
                        "since": since or date.min,
                        "low": low,
                        "high": high,
                    },
                )
                wanted |= {row[0] for row in await found.fetchall()}
    return wanted


def _blocking(pack: Pack, company: str, on: date) -> dict[str, str]:
    """What each reason blocks."""
    return {code: pack.terms(entry, company, on).blocks for code, entry in reasons().items()}


def _bands(
    old: Pack, new: Pack, company: str, supplier: str, currency: str, on: date, basis: str
) -> list[tuple[Decimal, Decimal | None]]:
    """Between which sums the two ask for other approvals. Both ends may be one too many: they are decided again."""
    edges = sorted({Decimal(row.above) for pack in (old, new) for row in pack.table("approval")} | {Decimal(0)})
    bands: list[tuple[Decimal, Decimal | None]] = []
    for place, low in enumerate(edges):
        high = edges[place + 1] if place + 1 < len(edges) else None
        inside = low + 1 if high is None else (low + high) / 2
        asked = [
            (row.approver, row.approvals) if row is not None else None
            for pack in (old, new)
            for row in [pack.approval(company, supplier, "", currency, on, basis, inside)]
        ]
        if asked[0] != asked[1]:
            bands.append((low, high))
    return bands


async def _match_again(
    db: Database,
    estate: Estate,
    side: _Side,
    rows: Mapping[str, Kept],
    on: date,
    as_of: Mapping[str, date],
    progress: Progress,
) -> None:
    """The results of the groups that this side may concern, chunk by chunk; whoever is not in one keeps his."""
    of_company: dict[str, list[str]] = {}
    for name, row in sorted(rows.items(), key=lambda each: (each[1].asked.group, each[0])):
        if row.asked.group in side.groups:
            of_company.setdefault(row.company, []).append(name)
    total, done = sum(map(len, of_company.values())), 0
    for company, ids in sorted(of_company.items()):
        under = history.policy_of(side.pack, company, on)
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            async with db.connection() as connection:
                found = await history.neighbours(connection, estate, company, chunk)
                side.results |= await history.matched(connection, estate, found, under, as_of[company])
            done += len(chunk)
            progress(done, total)


class _Named(msgspec.Struct, frozen=True):
    past: Past
    content_hash: str


async def _named(connection: Connection, ids: Iterable[str]) -> dict[str, _Named]:
    """What a person wants to read of these invoices."""
    found = await execute(
        connection,
        """SELECT invoice_id, number, company_code, supplier_id, supplier_name, currency, abs(coalesce(gross, 0)),
            arrived_on, digest FROM invoices.invoice WHERE invoice_id = ANY(%s)""",
        (sorted(ids),),
    )
    named = {}
    for invoice_id, number, company, supplier, called, currency, gross, arrived, content in await found.fetchall():
        past = Past(invoice_id, number, company, supplier, called, currency, _stated(gross, currency), arrived)
        named[invoice_id] = _Named(past, content or invoice_id)
    return named


def _stated(amount: Decimal, currency: str) -> Amount:
    """An amount with the decimals of its currency, as it stands on the document; never rounded."""
    if currency not in CURRENCIES:
        return Amount(amount)
    short = amount.quantize(Decimal(1).scaleb(-minor_digits(currency)))
    return Amount(short if short == amount else amount)


def _outcome(side: _Side, row: Kept, named: _Named, estate: Estate, on: date) -> Outcome:
    """The decision of one side, as the handler takes it, without anybody's acts."""
    result = side.results.get(row.invoice_id, row.stored)
    case = Case(
        company=row.company,
        supplier=row.supplier,
        currency=row.currency,
        gross=Amount(row.gross),
        on=on,
        content_hash=named.content_hash,
        document="credit_memo" if row.kind in ("credit_memo", "subsequent_credit") else "invoice",
        has_order=row.has_order,
    )
    at = datetime.combine(on, time(), UTC)
    risk = _stated(result.at_risk, row.currency)
    return outcome_of(decide(result, side.pack, case, at, estate=estate), risk)
