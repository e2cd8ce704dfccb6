"""Drawing up a payment run: posted, unblocked, due items become one payment for each supplier and account.

The same run drawn up twice is the same proposal. Whoever draws up waits for the company's lock, so that of many at once
one does it and the others find it done; the unique index on living claims holds whatever else happens.
"""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from tripartite.components.payments import asking, ledger, store
from tripartite.components.payments.desk import Desk, correlation_of_proposal
from tripartite.components.payments.ledger import Proposal, Row
from tripartite.core import codec
from tripartite.core.estate import OwnAccount
from tripartite.core.estate.calendar import business_day_from
from tripartite.core.money import Amount
from tripartite.core.objects import BankAccount
from tripartite.core.paying.proposing import Run, content_hash, proposal_number, propose
from tripartite.runtime.auth import Principal


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is asked for. Without an account: the company's first in the currency; without a day: the next
    business day from today; without an end: what is due before the business day after it.
    """

    company_code: str
    currency: str = ""
    account: str = ""
    pay_until: date | None = None
    execute_on: date | None = None


class Refused(msgspec.Struct, frozen=True):
    """Why an act is not taken: a code of the catalogue, the HTTP status it has, and a sentence."""

    reason_code: str
    status: int
    words: str


class Built(msgspec.Struct, frozen=True):
    """`proposal` is None where there is nothing to pay. `left_out`: due, and why they may not be paid."""

    proposal: Proposal | None
    created: bool
    left_out: list[dict[str, str]]


async def build(desk: Desk, wanted: Wanted, by: Principal | None) -> Built | Refused:
    """Draw up a run for a person (`by`) or for the schedule. Nothing due: no proposal, and no error."""
    planned = plan(desk, wanted)
    if isinstance(planned, Refused):
        return planned
    run, own = planned
    connection = desk.connection
    await store.hold_still(connection, [run.company_code], change=True)
    await expire(desk, run.company_code)
    items = await store.open_items(connection, run.company_code, run.currency)
    left_out = await asking.held_items(connection, run.company_code, run.currency, run.pay_until)
    if by is not None:
        mine = await store.conflicts(connection, [item.invoice_id for item in items], names_of(by), "exception release")
        items = [item for item in items if item.invoice_id not in mine]
        words = f"{by.name} lifted a hold on it and may not propose its payment."
        left_out += [
            {"invoice_id": one, "kind": "duties", "code": "control.duties_in_conflict", "words": words}
            for one in sorted(mine)
        ]
    payees = await store.payees(connection, {item.supplier_id for item in items})
    payments = propose(run, items, payees)
    if not payments:
        return Built(await ledger.latest_of_run(connection, run.company_code, codec.encode(run)), False, left_out)
    number = proposal_number(run, payments)
    correlation = correlation_of_proposal(run.company_code, number)
    shown = content_hash(run, payments)
    record = {
        "content": shown,
        "payments": [payment.number for payment in payments],
        "by": by.name if by else "schedule",
        "policy": desk.ports.pack.hash,
    }
    leaf = desk.leaf("payment_proposal.drawn_up", number, run.company_code, correlation, record)
    proposal = Proposal(
        number=number,
        company_code=run.company_code,
        connection=own.connection,
        run=codec.encode(run),
        account=run.account.account,
        currency=run.currency,
        pay_until=run.pay_until,
        execute_on=run.execute_on,
        kind="manual" if by else "schedule",
        proposed_by=by.name if by else "schedule",
        proposed_person=store.folded(by.person or by.name) if by else "",
        state="open",
        content_hash=shown,
        persons=2,
        policy_row="",
        policy_hash="",
        amount=Amount(sum(payment.amount for payment in payments)),
        order_number="",
        version=1,
        correlation_id=correlation,
        created_at=desk.now,
        changed_at=desk.now,
        leaf_id=leaf.leaf_id,
    )
    desk.judge(proposal)
    invoices = {item.invoice_id for payment in payments for item in payment.items}
    correlations = await asking.correlations(connection, invoices)
    rows = [
        Row(
            number=payment.number,
            proposal=number,
            company_code=run.company_code,
            supplier_id=payment.supplier_id,
            currency=run.currency,
            amount=payment.amount,
            account=payment.account.account if payment.account else "",
            state="proposed",
            version=1,
            reason="",
            detail="",
            executed_on=None,
            bank_reference="",
            order_number="",
            reopened_by="",
            reopened_why="",
            reopened_at=None,
            content=codec.encode(payment),
            correlation_id=correlations[payment.items[0].invoice_id],
            changed_at=desk.now,
        )
        for payment in payments
    ]
    await ledger.insert_proposal(connection, proposal, rows)
    if by is not None:
        person = proposal.proposed_person
        await store.add_acts(connection, [(invoice, person, "payment proposal") for invoice in invoices])
    await desk.tell([(row, f"Proposed for {run.execute_on}: {row.amount} {row.currency}.") for row in rows])
    return Built(proposal, True, left_out)


def plan(desk: Desk, wanted: Wanted) -> tuple[Run, OwnAccount] | Refused:
    """The run that was asked for, in full."""
    estate = desk.ports.estate
    company, calendar = estate.company(wanted.company_code), estate.calendar_of(wanted.company_code)
    if company is None or calendar is None:
        return Refused("access.not_found", 404, f"No company {wanted.company_code}.")
    currency = wanted.currency or ("" if wanted.account else company.currency)
    own = next(
        (
            row
            for row in estate.accounts_of(company.code)
            if currency in ("", row.currency) and wanted.account in ("", row.account)
        ),
        None,
    )
    if own is None:
        words = f"{company.code} has no account {wanted.account or f'in {currency}'} to pay from."
        return Refused("integration.mapping_missing", 409, words)
    today = desk.today(company.code)
    earliest = business_day_from(calendar[0], today)
    assert earliest is not None, "a proved calendar opens"
    execute_on = wanted.execute_on or earliest
    if execute_on < today or business_day_from(calendar[0], execute_on) != execute_on:
        words = f"{execute_on} is past, or no business day of {company.code}."
        return Refused("intake.value_out_of_range", 422, words)
    following = business_day_from(calendar[0], execute_on + timedelta(days=1))
    assert following is not None
    account = BankAccount(own.account, own.holder or company.name, own.institution)
    run = Run(
        company_code=company.code,
        account=account,
        currency=own.currency,
        pay_until=wanted.pay_until or following - timedelta(days=1),
        execute_on=execute_on,
    )
    return run, own


async def expire(desk: Desk, company: str) -> None:
    """Cancel proposals whose day has passed: discounts and days in them are not true any more."""
    for number in await ledger.outdated(desk.connection, company, desk.today(company)):
        await cancel(desk, number, "its day passed before it was released", "schedule")


async def cancel(desk: Desk, number: str, why: str, by: str) -> Proposal | Refused:
    """Take an open proposal back; its items are free for the next run."""
    proposal = await ledger.proposal(desk.connection, number, lock=True)
    assert proposal is not None
    if proposal.state != "open":
        return Refused("integration.version_stale", 409, f"{number} is {proposal.state}, not open.")
    rows = [row for row in await ledger.payments_of(desk.connection, number) if row.state == "proposed"]
    words = f"Cancelled by {by}: {why}"
    for row in rows:
        desk.move(row, "cancelled", words)
    await ledger.update_payments(desk.connection, rows)
    await desk.redraw(proposal, rows)
    await desk.tell([(row, words) for row in rows])
    return proposal


def names_of(by: Principal) -> tuple[str, ...]:
    """The names under which an act of this human being may have been noted."""
    return tuple({store.folded(by.name), store.folded(by.person or by.name)})
