"""What the bank's words make of an order: every payment's state, what opens again, what somebody must see.

The standing is worked out afresh from everything that is known of the order (core/paying/standing.py), so that it does
not matter what came first, or twice. Money that came back or never left opens its items again, under an exception that
a person settles before they are paid anew.
"""

from __future__ import annotations

from collections.abc import Collection

from tripartite.components.payments import answers, ledger, store
from tripartite.components.payments.desk import Desk, Subject
from tripartite.components.payments.ledger import Order, Row
from tripartite.core.delivery import State
from tripartite.core.findings import Finding
from tripartite.core.ids import digest
from tripartite.core.money import Amount
from tripartite.core.paying.life import TRANSITIONS
from tripartite.core.paying.standing import SPEAKS_FOR, Facts, Standing, stand, unexplained

REFUSALS = frozenset({"payment.rejected", "payment.returned"})
_ORDER_AREAS = frozenset({"payment.debit_without_item", "payment.returned", "integration.retries_exhausted"})
_NEVER_LEFT: tuple[State, ...] = ("intended", "waiting", "unknown", "accepted", "rejected", "dead_letter")


async def settle(desk: Desk, numbers: Collection[str]) -> set[str]:
    """Work out where the payments of these orders stand, and record what changed.

    Returns the invoices that were paid although another payment has claimed them since: that one must be stopped.
    """
    if not numbers:
        return set()
    connection = desk.connection
    orders = await ledger.orders(connection, numbers)
    rows_of = await ledger.payments_of_orders(connection, list(orders))
    zones = {number: desk.zone(order.company_code) for number, order in orders.items()}
    facts = await answers.facts_of(connection, list(orders), zones)
    moved: list[tuple[Row, str]] = []
    amended: list[tuple[Row, str]] = []
    standings: dict[str, Standing] = {}
    rows: list[Row] = []
    for number, order in orders.items():
        mine = rows_of.get(number, [])
        found = stand({row.number: Amount(row.amount) for row in mine}, facts[number])
        standings |= found
        rows += mine
        for row in mine:
            words = _words(row, found[row.number])
            if _moved(desk, row, found[row.number], words):
                moved.append((row, words))
            elif _amended(desk, row, found[row.number]):
                amended.append((row, words))
        if mine and order.withdrawn_at is None and all(row.state in ("rejected", "cancelled") for row in mine):
            # Its items are open again: this order must never leave, whoever replays it.
            await ledger.disarm(connection, order, _NEVER_LEFT, "The bank refused the order as a whole.", desk.now)
        await _order_findings(desk, order, mine, facts[number])
    await ledger.update_payments(connection, [row for row, _ in (*moved, *amended)])
    lost = await ledger.claims_lost(connection, [row.number for row in rows])
    held = await store.stopped(connection, [row.number for row in rows if row.state in ("released", "sent")])
    for row in rows:
        findings = [each for each in standings[row.number].findings if not (row.reopened_at and each.code in REFUSALS)]
        if row.number in lost:
            words = f"{row.number} left after all, and {', '.join(lost[row.number])} is in another payment since."
            findings.append(Finding(code="duplicate.payment", variance=Amount(row.amount), words=words, rule="C08"))
        if row.number in held:
            why = " ".join(dict.fromkeys(each.words for each in held[row.number]))
            words = f"A hold came after {row.number} had gone to the bank: {why} Ask the bank to recall it."
            findings.append(
                Finding(code="approval.changed_after", variance=Amount(row.amount), words=words, rule="C41")
            )
        await desk.find_of(row, findings, SPEAKS_FOR)
    await desk.tell(moved)
    await desk.tell(amended, owing=False)
    return {invoice for invoices in lost.values() for invoice in invoices}


def _moved(desk: Desk, row: Row, standing: Standing, words: str) -> bool:
    """Put a payment where it stands. What the machine does not allow is left as it is; a finding says what differs."""
    if (row.state, standing.status) not in TRANSITIONS or standing.status == "proposed":
        return False
    row.executed_on, row.bank_reference = standing.executed_on, standing.bank_reference
    desk.move(row, standing.status, words, detail=standing.detail, reason=standing.reason)
    return True


def _amended(desk: Desk, row: Row, standing: Standing) -> bool:
    """The day, reference or reason is known better now; what was owed for the event itself is owed already."""
    known = (row.executed_on, row.bank_reference, row.reason)
    better = (standing.executed_on, standing.bank_reference, standing.reason)
    if row.state != standing.status or row.state == "released" or known == better:
        return False
    row.executed_on, row.bank_reference, row.reason = better
    row.version, row.changed_at = row.version + 1, desk.now
    return True


def _words(row: Row, standing: Standing) -> str:
    match standing.status:
        case "executed":
            return f"{row.amount} {row.currency} left on {standing.executed_on}."
        case "rejected":
            return f"The bank refused it: {standing.reason} {standing.detail}".rstrip()
        case "returned":
            return f"The money came back: {standing.reason} {standing.detail}".rstrip()
        case "cancelled":
            return "The bank cancelled it."
        case _:
            return "The bank has the order."


async def tell_again(desk: Desk, numbers: Collection[str]) -> None:
    """What somebody was to hear about a payment was refused or given up: an exception until it arrives."""
    late = await ledger.untold(desk.connection, numbers)
    for row in await ledger.payments(desk.connection, numbers):
        findings = [
            Finding(
                code="payment.status_late",
                words=f"{name} did not take {operation.replace('_', ' ')} of {row.number}: {why}"[:600],
                rule="R114",
            )
            for name, operation, why in late.get(row.number, [])
        ]
        await desk.find_of(row, findings, frozenset({"payment.status_late"}))


async def _order_findings(desk: Desk, order: Order, rows: list[Row], facts: Facts) -> None:
    """What concerns an order as a whole: a booking that is not its sum, or a delivery that was given up."""
    amounts = {row.number: Amount(row.amount) for row in rows}
    findings = []
    for entry in unexplained(amounts, facts):
        out = entry.direction == "debit"
        code = "payment.debit_without_item" if out else "payment.returned"
        words = f"The bank {'booked' if out else 'brought back'} {entry.amount} for order {order.number}; "
        words += "no set of its payments is that much."
        findings.append(Finding(code=code, variance=entry.amount, words=words, rule="C40"))
    if "dead_letter" in facts.delivery and not {"settled", "accepted"} & set(facts.delivery) and not facts.reports:
        said = await answers.outcome_detail(desk.connection, order.number, "dead_letter")
        words = f"Order {order.number} did not reach the bank, or nobody knows whether it did: {said}"
        findings.append(Finding(code="integration.retries_exhausted", words=words[:600], rule="C27"))
    gross = Amount(sum((row.amount for row in rows), Amount(0)))
    subject = Subject(
        kind="payment_order",
        object_id=order.number,
        company_code=order.company_code,
        currency=order.currency,
        gross=gross,
        content=digest(order.content),
        correlation_id=rows[0].correlation_id if rows else order.number,
        key=order.number,
    )
    await desk.find(subject, findings, _ORDER_AREAS)
