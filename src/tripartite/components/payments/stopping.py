"""A hold came: what has not left is stopped, what has left is an exception.

proposed    the payment is taken out; what is left of its proposal has another content, so its releases are void
released    the order is taken back while no worker has claimed it; then as above. Too late: as below
sent        `approval.changed_after` on the payment: somebody asks the bank to recall it, or accepts
"""

from __future__ import annotations

from collections.abc import Collection

from tripartite.components.payments import ledger, store
from tripartite.components.payments.desk import Desk
from tripartite.components.payments.ledger import Row
from tripartite.components.payments.settling import settle
from tripartite.components.payments.store import Held
from tripartite.core.delivery import State

_NOT_SENT: tuple[State, ...] = ("intended", "waiting", "dead_letter")


async def after_facts(desk: Desk, *, invoices: Collection[str] = (), suppliers: Collection[str] = ()) -> None:
    """Look again at every payment under way that one of these facts concerns."""
    numbers = await store.living_with(desk.connection, invoices=invoices, suppliers=suppliers)
    if numbers:
        await stop(desk, numbers)


async def stop(desk: Desk, numbers: Collection[str]) -> bool:
    """Stop those of these payments that may not go on. True where anything was taken out or taken back."""
    reasons = await store.stopped(desk.connection, numbers)
    rows = await ledger.payments(desk.connection, numbers)
    changed = False
    proposals = {row.proposal for row in rows if row.state == "proposed" and row.number in reasons}
    ordered = {row.order_number for row in rows if row.order_number}
    held_orders = {row.order_number for row in rows if row.state == "released" and row.number in reasons}
    for number in sorted(held_orders):
        taken = await _take_back(desk, number, reasons)
        changed = changed or taken
        if taken:
            ordered.discard(number)
    for number in sorted(proposals):
        await _take_out(desk, number, reasons)
        changed = True
    # What is on its way: the exception opens, or ends where the hold went away.
    await settle(desk, ordered)
    return changed


def _words(reasons: list[Held]) -> tuple[str, str]:
    first = reasons[0]
    return first.code, " ".join(dict.fromkeys(f"{each.words} {each.code}".rstrip() for each in reasons))


async def _take_out(desk: Desk, number: str, reasons: dict[str, list[Held]]) -> None:
    """Cancel the held payments of an open proposal and draw the rest up anew."""
    proposal = await ledger.proposal(desk.connection, number, lock=True)
    assert proposal is not None
    rows = await ledger.payments_of(desk.connection, number)
    stopped = [row for row in rows if row.state == "proposed" and row.number in reasons]
    moved = [_cancelled(desk, row, reasons) for row in stopped]
    await ledger.update_payments(desk.connection, stopped)
    await desk.redraw(proposal, [row for row in rows if row.state == "proposed"])
    await desk.tell(moved)


async def _take_back(desk: Desk, number: str, reasons: dict[str, list[Held]]) -> bool:
    """Take a released order back before its first byte leaves; False where it is too late."""
    order = (await ledger.orders(desk.connection, [number]))[number]
    why = "A hold came before it left."
    if not await ledger.disarm(desk.connection, order, _NOT_SENT, why, desk.now, surely=True):
        return False
    proposal = await ledger.proposal(desk.connection, order.proposal, lock=True)
    assert proposal is not None
    rows = (await ledger.payments_of_orders(desk.connection, [number]))[number]
    record = {"order": number, "held": sorted(set(reasons) & {row.number for row in rows})}
    desk.leaf("payment_order.withdrawn", number, order.company_code, proposal.correlation_id, record)
    moved = []
    for row in rows:
        row.order_number = ""
        if row.number in reasons:
            moved.append(_cancelled(desk, row, reasons))
        else:
            words = "Its release is void: another payment of the order is held."
            desk.move(row, "proposed", words)
            moved.append((row, words))
    await ledger.update_payments(desk.connection, rows)
    await desk.redraw(proposal, [row for row in rows if row.state == "proposed"])
    await desk.tell(moved)
    return True


def _cancelled(desk: Desk, row: Row, reasons: dict[str, list[Held]]) -> tuple[Row, str]:
    code, why = _words(reasons[row.number])
    words = f"Stopped before it left: {why}"[:500]
    desk.move(row, "cancelled", words, reason=code)
    return row, words
