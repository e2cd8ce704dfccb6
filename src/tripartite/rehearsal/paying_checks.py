"""Checkers of payments: what left the bank, by the bank's own books, against the plan, the ERP and the AP side."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tripartite.rehearsal.seen import Seen

_ITEMS = """SELECT p.number, p.state, i.company_code, i.number, v.connection, v.source_document, i.invoice_id
    FROM payments.payment p JOIN payments.payment_item pi ON pi.number = p.number
    JOIN payments.item i USING (invoice_id) LEFT JOIN invoices.invoice v ON v.invoice_id = i.invoice_id"""


def _left(seen: Seen) -> dict[str, Mapping[str, Any]]:
    """The payments that the bank booked, by our number."""
    return {number: each for number, each in seen.bank["payments"].items() if each["bookings"]}


async def money_as_planned(seen: Seen) -> tuple[int, list[str]]:
    """I5: what left for each creditor's account, and stayed there, is what the plan says is paid to it."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for each in _left(seen).values():
        if not each["returned"]:
            sums[each["creditor_account"]] += Decimal(each["amount"])
    planned = {account: amount for account, amount in seen.due.by_account.items() if amount}
    accounts = sorted({*sums, *planned})
    return len(accounts), [
        f"account ..{account[-4:]}: {sums[account]} left, {planned.get(account, 0)} is planned"
        for account in accounts
        if sums[account] != planned.get(account, 0)
    ]


async def books_add_up(seen: Seen) -> tuple[int, list[str]]:
    """I5: the balance of each of our accounts is what it began with, less what left, plus what came back."""
    moved: dict[str, Decimal] = defaultdict(Decimal)
    for entry in seen.bank["entries"]:
        moved[entry["account"]] += Decimal(entry["amount"]) * (1 if entry["direction"] == "credit" else -1)
    accounts = seen.bank["accounts"]
    return len(accounts), [
        f"account ..{number[-4:]}: {each['balance']}, and {seen.began_with[number]} less {-moved[number]} is another"
        for number, each in accounts.items()
        if Decimal(each["balance"]) != Decimal(seen.began_with[number]) + moved[number]
    ]


async def paid_once(seen: Seen) -> tuple[int, list[str]]:
    """I11: the bank booked each payment once, and no invoice is in two payments that stayed away."""
    left = _left(seen)
    times = {number: each["bookings"] for number, each in left.items()}
    wrong = [f"payment {number} was booked {count} times" for number, count in times.items() if count > 1]
    rows = await seen.db.rows(_ITEMS)
    stayed = Counter(row[6] for row in rows if row[0] in left and not left[row[0]]["returned"])
    wrong += [f"invoice {invoice} was paid {count} times" for invoice, count in stayed.items() if count > 1]
    return len(left), wrong


async def nothing_held_left(seen: Seen) -> tuple[int, list[str]]:
    """I4: what left is posted in the ERP and not blocked there, and two people released it who did not propose it."""
    left = _left(seen)
    posted = {(row["company"], row["reference"].upper()): row for row in seen.erp["invoices"]}
    wrong = []
    for number, _, company, invoice, *_ in await seen.db.rows(_ITEMS):
        there = posted.get((company, invoice.upper()))
        if number not in left:
            continue
        if there is None:
            wrong.append(f"payment {number}: {invoice} is not in the ERP")
        elif there["payment_block"]:
            wrong.append(f"payment {number}: {invoice} is blocked in the ERP")
    rows = await seen.db.rows(
        """SELECT p.number, r.proposed_person, array_agg(DISTINCT l.person) FROM payments.payment p
        JOIN payments.proposal r ON r.number = p.proposal
        LEFT JOIN payments.release l ON l.proposal = r.number AND l.content_hash = r.content_hash GROUP BY 1, 2"""
    )
    for number, proposer, people in rows:
        if number in left and (len(set(people) - {None, proposer}) < 2 or proposer in people):
            wrong.append(f"payment {number} was proposed by {proposer} and released by {people}")
    return len(left), wrong


async def all_say_paid(seen: Seen) -> tuple[int, list[str]]:
    """I19: the payments' states are the bank's, and the AP side says paid of what was paid and of nothing else."""
    wrong = []
    states = await seen.db.rows("SELECT number, state FROM payments.payment WHERE state <> 'cancelled'")
    for number, state in states:
        there = seen.bank["payments"].get(number)
        said = _word(there) if there else "unknown to the bank"
        if state != said:
            wrong.append(f"payment {number}: we say {state}, the bank {said}")
    paid = {row[5] for row in await seen.db.rows(_ITEMS) if row[4] == "capture" and row[1] == "executed"}
    for document, told in seen.ap["documents"].items():
        if (told["status"] == "paid") != (document in paid):
            wrong.append(f"document {document}: the AP side says {told['status']}")
    return len(states), wrong


def _word(there: Mapping[str, Any]) -> str:
    if there["returned"]:
        return "returned"
    return {"ACSC": "executed", "RJCT": "rejected"}.get(there["status"], str(there["status"]))
