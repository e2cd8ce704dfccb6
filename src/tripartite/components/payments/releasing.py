"""Releasing a proposal: different people, none of them the one who drew it up, all of the same content.

With the last release the order for the bank is built and owed in the same transaction. A service account never comes
here (`payment.release` is a person's permission), and two accounts of one person are one person.
"""

from __future__ import annotations

from tripartite.components.payments import ledger, store
from tripartite.components.payments.building import Refused, names_of
from tripartite.components.payments.desk import Desk
from tripartite.components.payments.ledger import Proposal, Row
from tripartite.components.payments.stopping import stop
from tripartite.components.payments.telling import SEND_PAYMENT_ORDER
from tripartite.core import codec
from tripartite.core.ids import digest
from tripartite.core.money import Amount
from tripartite.core.objects import PaymentOrder
from tripartite.core.paying.proposing import content_hash, order_number
from tripartite.runtime.auth import Principal
from tripartite.runtime.deliveries import Owed


async def release(desk: Desk, number: str, shown: str, by: Principal) -> Proposal | Refused:
    """One person's release of the content they were shown (`shown`, its hash). The same again changes nothing.

    Refused: the content changed or is held (what is held is taken out first), its day passed, the person proposed it
    or lifted a hold on one of its items, or policy names nobody who may.
    """
    connection = desk.connection
    proposal = await ledger.proposal(connection, number)
    assert proposal is not None
    await store.hold_still(connection, [proposal.company_code], change=True)
    proposal = await ledger.proposal(connection, number, lock=True)
    assert proposal is not None
    person = store.folded(by.person or by.name)
    given = await ledger.released_by(connection, number, proposal.content_hash)
    if shown == proposal.content_hash and person in given:
        return proposal
    if proposal.state != "open":
        return Refused("integration.version_stale", 409, f"{number} is {proposal.state}, not open.")
    rows = [row for row in await ledger.payments_of(connection, number) if row.state == "proposed"]
    refused = await _may_not(desk, proposal, rows, shown, by)
    if refused is not None:
        return refused
    content = {"content": shown, "person": person, "account": by.name, "policy": proposal.policy_row}
    leaf = desk.leaf("payment_proposal.release", number, proposal.company_code, proposal.correlation_id, content)
    await ledger.add_release(connection, proposal, person, by.name, desk.now, leaf.leaf_id)
    given = await ledger.released_by(connection, number, shown)
    if len(set(given) - {proposal.proposed_person}) >= proposal.persons:
        await _order(desk, proposal, rows, given)
    else:
        proposal.version, proposal.changed_at = proposal.version + 1, desk.now
        await ledger.update_proposal(connection, proposal)
    return proposal


async def _may_not(desk: Desk, proposal: Proposal, rows: list[Row], shown: str, by: Principal) -> Refused | None:
    number = proposal.number
    if by.kind != "person":
        return Refused("access.not_permitted", 403, "A service account releases nothing.")
    if await stop(desk, [row.number for row in rows]):
        words = f"A hold came: what is held was taken out of {number}. Look at what is left and release that."
        return Refused("approval.changed_after", 409, words)
    if proposal.content_hash != shown or content_hash(proposal.the_run, [row.payment for row in rows]) != shown:
        return Refused("approval.changed_after", 409, f"{number} changed after it was shown; look at it again.")
    today = desk.today(proposal.company_code)
    if proposal.execute_on < today:
        return Refused("approval.outdated", 409, f"{number} was for {proposal.execute_on}; draw it up again.")
    if not desk.judge(proposal):
        words = f"No policy row says who may release {proposal.amount} {proposal.currency} of {proposal.company_code}."
        return Refused("access.not_permitted", 403, words)
    names = names_of(by)
    if proposal.proposed_person and proposal.proposed_person in names:
        return Refused("control.duties_in_conflict", 409, f"{by.name} proposed {number} and may not release it.")
    invoices = [item.invoice_id for row in rows for item in row.payment.items]
    acted = await store.conflicts(desk.connection, invoices, names, "exception release", "payment proposal")
    if acted:
        words = f"{by.name} already lifted a hold on, or proposed, {len(acted)} of its items."
        return Refused("control.duties_in_conflict", 409, words)
    return None


async def _order(desk: Desk, proposal: Proposal, rows: list[Row], persons: list[str]) -> None:
    """The last release was given: the order is built from what was released, and owed to the bank."""
    estate, run = desk.ports.estate, proposal.the_run
    number = order_number(run, proposal.content_hash)
    proposal.state, proposal.order_number = "released", number
    proposal.version, proposal.changed_at = proposal.version + 1, desk.now
    await ledger.update_proposal(desk.connection, proposal)
    words = f"Released by {len(persons)} people for {run.execute_on}."
    for row in rows:
        row.order_number = number
        desk.move(row, "released", words)
    company = estate.company(proposal.company_code)
    assert company is not None
    order = PaymentOrder(
        number=number,
        company_code=company.code,
        company_name=company.name,
        account=run.account,
        currency=run.currency,
        execute_on=run.execute_on,
        created_at=desk.now,
        amount=Amount(proposal.amount),
        payments=tuple(row.payment for row in rows),
    )
    content = codec.encode(order)
    owed = Owed(
        connection=proposal.connection,
        operation=SEND_PAYMENT_ORDER,
        object_kind="payment_order",
        object_id=number,
        object_version=1,
        company_code=company.code,
        correlation_id=proposal.correlation_id,
        payload=content,
        mode=estate.mode(proposal.connection, company.code) or "observe",
        due_at=desk.now,
        causation_id=proposal.number,
        pay_by=run.execute_on,
    )
    desk.owed.append(owed)
    await ledger.add_order(desk.connection, order, proposal, content, digest(content), owed.key)
    await ledger.update_payments(desk.connection, rows)
    record = {"order": number, "digest": digest(content), "persons": persons, "amount": order.amount}
    desk.leaf("payment_proposal.released", proposal.number, company.code, proposal.correlation_id, record)
    await desk.tell([(row, words) for row in rows])
