"""Checkers of invariants, written apart from the code they check: they read the simulators' own truth and the tables.

Each gives the violations it found, in words. What the database enforces by constraint (I9, I10, I12, I21, I22) is
checked here once more from the rows. The numbers are those of the list of invariants in docs/invariants.md.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

import msgspec

from tripartite.core.invoice_life import LIVE
from tripartite.rehearsal.agreement import orders_agree, receipts_agree, requisitions_joined, tax_validated
from tripartite.rehearsal.paying_checks import (
    all_say_paid,
    books_add_up,
    money_as_planned,
    nothing_held_left,
    paid_once,
)
from tripartite.rehearsal.seen import Seen
from tripartite.runtime.audit_verify import verify_log

MOST_NAMED = 20  # violations named of one invariant


class Checked(msgspec.Struct, frozen=True):
    id: str
    what: str
    ok: bool
    violations: tuple[str, ...]
    checked: int


Check = Callable[[Seen], Awaitable[tuple[int, list[str]]]]


async def _one_liability(seen: Seen) -> tuple[int, list[str]]:
    """I1: at most one live liability per fingerprint, over what the ERP itself holds."""
    found = Counter(
        (row["company"], row["supplier"], row["reference"].upper(), row["credit"], row["currency"])
        for row in seen.erp["invoices"]
    )
    return len(found), [f"{key} stands {count} times in the ERP" for key, count in found.items() if count > 1]


async def _near_duplicates(seen: Seen) -> tuple[int, list[str]]:
    """I2: nothing that is nearly another is posted beside it."""
    rows = await seen.db.rows(
        """SELECT a.number, b.number FROM invoices.invoice a JOIN invoices.invoice b USING (company_code, supplier_id,
        kind, currency) WHERE a.invoice_id < b.invoice_id AND a.gross = b.gross AND a.number_folded = b.number_folded
        AND a.state IN ('to_post', 'posted') AND b.state IN ('to_post', 'posted')
        AND NOT (a.part_of <> '' AND b.part_of <> '')"""
    )
    count = (await seen.db.rows("SELECT count(*) FROM invoices.invoice"))[0][0]
    return count, [f"{row[0]} and {row[1]} are both live" for row in rows]


async def _posted_after_pass(seen: Seen) -> tuple[int, list[str]]:
    """I3: nothing is live without a decision that passed."""
    rows = await seen.db.rows(
        """SELECT i.number FROM invoices.invoice i WHERE i.state IN ('to_post', 'posted') AND NOT EXISTS
        (SELECT 1 FROM invoices.decision d WHERE d.invoice_id = i.invoice_id AND d.verdict = 'post')"""
    )
    count = (await seen.db.rows("SELECT count(*) FROM invoices.invoice WHERE state IN ('to_post', 'posted')"))[0][0]
    return count, [f"{row[0]} is live and never passed" for row in rows]


async def _conservation(seen: Seen) -> tuple[int, list[str]]:
    """I5: what we say is posted is what the ERP holds, per company and currency."""
    ours = await seen.db.rows(
        """SELECT company_code, currency, sum(CASE WHEN kind = 'credit_memo' THEN -abs(gross) ELSE gross END)
        FROM invoices.invoice WHERE state = 'posted' GROUP BY 1, 2"""
    )
    theirs: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in seen.erp["invoices"]:
        theirs[row["company"], row["currency"]] += Decimal(row["gross"]) * (-1 if row["credit"] else 1)
    said = {(row[0], row[1]): row[2] for row in ours}
    keys = set(said) | set(theirs)
    return len(keys), [
        f"{company} {currency}: we say {said.get((company, currency), 0)}, the ERP holds {theirs[company, currency]}"
        for company, currency in sorted(keys)
        if Decimal(said.get((company, currency), 0)) != theirs[company, currency]
    ]


async def _released_within_received(seen: Seen) -> tuple[int, list[str]]:
    """I6: the quantity posted in the ERP per order line is at most what procurement received, less credits; where
    goods went back since, an open exception says so.
    """
    received: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    nothing_comes = set()
    for number, order in seen.procurement["orders"].items():
        for line, facts in order["lines"].items():
            received[number, int(line)] += Decimal(str(facts["received"] or 0))
            if not facts["receipt_required"]:
                nothing_comes.add((number, int(line)))
    posted: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    for row in seen.erp["invoices"]:
        for line in row["lines"]:
            if line.get("order"):
                sign = -1 if row["credit"] else 1
                posted[str(line["order"]), int(line["item"])] += sign * Decimal(str(line.get("quantity") or 0))
    said = {
        number
        for row in await seen.db.rows(
            """SELECT DISTINCT o.order_number FROM invoices.of_order o JOIN invoices.exception e USING (invoice_id)
            WHERE e.state = 'open' AND e.reason_code = 'match.quantity_returned'"""
        )
        for number in row
    }
    return len(posted), [
        f"order {order} line {line}: posted {quantity}, received {received[order, line]}"
        for (order, line), quantity in posted.items()
        if quantity > received[order, line] and (order, line) not in nothing_comes and order not in said
    ]


async def _receipts_once(seen: Seen) -> tuple[int, list[str]]:
    """I7: no receipt line is released beyond its quantity."""
    rows = await seen.db.rows(
        """SELECT receipt_number, receipt_line, sum(a.quantity), r.quantity FROM invoices.allocation a
        JOIN invoices.releasable r USING (company_code, order_number, order_line, receipt_number, receipt_line)
        WHERE receipt_number <> '' GROUP BY company_code, 1, 2, order_number, order_line, 4
        HAVING sum(a.quantity) > r.quantity"""
    )
    count = (await seen.db.rows("SELECT count(*) FROM invoices.allocation"))[0][0]
    return count, [f"receipt {row[0]} line {row[1]}: {row[2]} of {row[3]}" for row in rows]


async def _balances(seen: Seen) -> tuple[int, list[str]]:
    """I8: what is live balances, or the difference stands on it."""
    rows = await seen.db.rows(
        """SELECT number FROM invoices.invoice WHERE state IN ('to_post', 'posted')
        AND abs(gross - net - coalesce(tax, 0)) > small_difference"""
    )
    count = (await seen.db.rows("SELECT count(*) FROM invoices.invoice WHERE state IN ('to_post', 'posted')"))[0][0]
    return count, [f"{row[0]} does not balance" for row in rows]


async def _one_key(seen: Seen) -> tuple[int, list[str]]:
    """I9, I10: one key and one request digest per effect."""
    rows = await seen.db.rows("SELECT key, request_digest, payload FROM deliveries.delivery")
    return len(rows), [
        f"{key}: the payload is not what its digest says"
        for key, digest, payload in rows
        if hashlib.sha256(payload).hexdigest() != digest
    ]


async def _effects_once(seen: Seen) -> tuple[int, list[str]]:
    """I11: at most one effect at the other side per key, exactly one where we say settled, none where refused."""
    rows = await seen.db.rows(
        """SELECT d.key, d.state, d.remote_ref, i.number, i.company_code FROM deliveries.delivery d
        JOIN invoices.invoice i ON i.invoice_id = d.object_id WHERE d.operation = 'post_invoice'"""
    )
    there = Counter((row["company"], row["reference"].upper()) for row in seen.erp["invoices"])
    numbers = {f"{row['document']}/{row['year']}" for row in seen.erp["invoices"]}
    wrong = []
    for key, state, remote_ref, number, company in rows:
        count = there[company, number.upper()]
        if state == "settled" and count != 1:
            wrong.append(f"{number}: settled, and stands {count} times in the ERP")
        if state == "settled" and remote_ref not in numbers:
            wrong.append(f"{number}: {remote_ref} is no document of the ERP")
        if count > 1:
            wrong.append(f"{key}: {count} effects for {number}")
    return len(rows), wrong


async def _no_blind_resend(seen: Seen) -> tuple[int, list[str]]:
    """I12: after an unknown outcome the next thing is a probe, never a send."""
    rows = await seen.db.rows("SELECT key, act, answer FROM deliveries.attempt ORDER BY key, at, act DESC")
    last: dict[str, str] = {}
    wrong = []
    for key, act, answer in rows:
        if act == "send" and last.get(key) == "unknown":
            wrong.append(f"{key} was sent again without a probe")
        last[key] = answer
    return len(rows), wrong


async def _every_byte(seen: Seen) -> tuple[int, list[str]]:
    """I13: every received byte sequence comes back by its digest and has a disposition, with a reason where due."""
    rows = await seen.db.rows("SELECT digest, content FROM gateway.raw")
    wrong = [f"{digest}: other bytes" for digest, content in rows if hashlib.sha256(content).hexdigest() != digest]
    lost = await seen.db.rows(
        """SELECT intake_id, disposition FROM gateway.intake WHERE disposition = 'waiting'
        OR (disposition NOT IN ('applied', 'duplicate') AND reason_code = '')"""
    )
    return len(rows), wrong + [f"{row[0]}: {row[1]} without an end" for row in lost]


async def _one_leaf(seen: Seen) -> tuple[int, list[str]]:
    """I15: every decision has its leaf, and no decision leaf is without one."""
    rows = await seen.db.rows(
        """SELECT coalesce(d.leaf_id, l.leaf_id) FROM invoices.decision d FULL JOIN
        (SELECT leaf_id FROM audit.leaf WHERE kind = 'decision') l USING (leaf_id)
        WHERE d.leaf_id IS NULL OR l.leaf_id IS NULL"""
    )
    count = (await seen.db.rows("SELECT count(*) FROM invoices.decision"))[0][0]
    return count, [f"{row[0]} stands on one side only" for row in rows]


async def _log_holds(seen: Seen) -> tuple[int, list[str]]:
    """I16, I17: the log verifies from its first leaf to its checkpoint; nothing waits for its place."""
    result = verify_log(seen.database_url)
    wrong = [] if result.ok else [str(result.problem)]
    if result.pending:
        wrong.append(f"{result.pending} leaves wait for their place")
    return result.checked, wrong


async def _agreement(seen: Seen) -> tuple[int, list[str]]:
    """I19: what we posted is what the ERP has, and the AP side knows its number."""
    rows = await seen.db.rows(
        """SELECT company_code, number, document, gross, currency, connection, source_document FROM invoices.invoice
        WHERE state = 'posted'"""
    )
    erp = {(row["company"], row["reference"].upper()): row for row in seen.erp["invoices"]}
    wrong = []
    for company, number, document, gross, currency, connection, source in rows:
        there = erp.get((company, number.upper()))
        if there is None:
            wrong.append(f"{number}: posted, and not in the ERP")
        elif (f"{there['document']}/{there['year']}", abs(Decimal(there["gross"])), there["currency"]) != (
            document,
            abs(gross),
            currency,
        ):
            wrong.append(f"{number}: the ERP holds {there['document']} {there['gross']} {there['currency']}")
        if connection == "capture":
            told = seen.ap["documents"].get(source, {})
            if (
                told.get("status") not in ("transferred", "paid")
                or told.get("voucher_number") != document.partition("/")[0]
            ):
                wrong.append(f"{number}: the AP side says {told.get('status')} {told.get('voucher_number')}")
    return len(rows), wrong


async def _no_silent_wait(seen: Seen) -> tuple[int, list[str]]:
    """I20: whatever is not at its end has a next action, or an open exception with owner, reason and clock."""
    rows = await seen.db.rows(
        """SELECT i.number, i.state FROM invoices.invoice i WHERE i.state IN ('held', 'parked', 'approval')
        AND NOT EXISTS (SELECT 1 FROM invoices.exception e WHERE e.invoice_id = i.invoice_id AND e.state = 'open')"""
    )
    nobody = await seen.db.rows(
        """SELECT exception_id FROM control.exception WHERE state = 'open' AND (owner_role = '' OR reason_code = '')"""
    )
    count = (await seen.db.rows("SELECT count(*) FROM invoices.invoice"))[0][0]
    return count, [f"{row[0]} is {row[1]} and nobody's" for row in rows] + [f"{row[0]} has no owner" for row in nobody]


async def _declared_states(seen: Seen) -> tuple[int, list[str]]:
    """I21: decisions of one invoice follow the declared machine."""
    from tripartite.core.invoice_life import TRANSITIONS

    rows = await seen.db.rows("SELECT invoice_id, number, state FROM invoices.decision ORDER BY invoice_id, number")
    wrong = []
    before: tuple[str, str] | None = None
    for invoice_id, _, state in rows:
        if before is not None and before[0] == invoice_id and before[1] != state:
            step = (before[1], state)
            if step not in TRANSITIONS and before[1] not in LIVE:
                wrong.append(f"{invoice_id}: {step[0]} to {step[1]}")
        before = (invoice_id, state)
    return len(rows), wrong


async def _nothing_quarantined_unseen(seen: Seen) -> tuple[int, list[str]]:
    """I25: no message was set aside that the story did not plan."""
    rows = await seen.db.rows(
        "SELECT consumer, topic, reason_code, detail FROM bus.quarantine WHERE replayed_at IS NULL"
    )
    count = (await seen.db.rows("SELECT count(*) FROM bus.message"))[0][0]
    return count, [f"{row[0]} {row[1]}: {row[2]} {row[3][:120]}" for row in rows]


async def _gapless(seen: Seen) -> tuple[int, list[str]]:
    """I22, the bus: positions of each partition are gapless and every cursor is at most at the head."""
    rows = await seen.db.rows(
        """SELECT h.topic, h.partition, h.head, count(m.position), max(m.position) FROM bus.head h
        LEFT JOIN bus.message m USING (topic, partition) GROUP BY 1, 2, 3 HAVING h.head <> count(m.position)"""
    )
    past = await seen.db.rows(
        "SELECT c.consumer, c.topic, c.partition FROM bus.cursor c JOIN bus.head h USING (topic, partition) "
        "WHERE c.position > h.head"
    )
    count = (await seen.db.rows("SELECT count(*) FROM bus.head"))[0][0]
    return count, [f"{r[0]} {r[1]}: head {r[2]}, {r[3]} messages" for r in rows] + [
        f"{r} is past the head" for r in past
    ]


async def _per_item(seen: Seen) -> tuple[int, list[str]]:
    """I36: every item of every bulk call has an outcome of its own."""
    rows = await seen.db.rows("SELECT key FROM deliveries.delivery WHERE state IN ('sending', 'unknown')")
    count = (await seen.db.rows("SELECT count(*) FROM deliveries.delivery"))[0][0]
    return count, [f"{row[0]} has no outcome" for row in rows]


CHECKS: Mapping[str, tuple[Check, ...]] = {
    "I1": (_one_liability,),
    "I2": (_near_duplicates,),
    "I3": (_posted_after_pass, tax_validated),
    "I4": (nothing_held_left,),
    "I5": (_conservation, money_as_planned, books_add_up),
    "I6": (_released_within_received,),
    "I7": (_receipts_once,),
    "I8": (_balances,),
    "I9": (_one_key,),
    "I11": (_effects_once, paid_once),
    "I12": (_no_blind_resend,),
    "I13": (_every_byte,),
    "I15": (_one_leaf,),
    "I16": (_log_holds,),
    "I19": (_agreement, requisitions_joined, orders_agree, receipts_agree, all_say_paid),
    "I20": (_no_silent_wait,),
    "I21": (_declared_states,),
    "I22": (_gapless,),
    "I25": (_nothing_quarantined_unseen,),
    "I36": (_per_item,),
}


async def check_all(seen: Seen) -> list[Checked]:
    """Every invariant that applies, with what was looked at; one may be looked at from several sides."""
    results = []
    for name, checks in CHECKS.items():
        for check in checks:
            count, violations = await check(seen)
            what = (check.__doc__ or "").partition(": ")[2].strip().rstrip(".")
            results.append(Checked(name, what, not violations, tuple(violations[:MOST_NAMED]), count))
    return results
