"""What the approvals of a requisition leave open. An approval in procurement counts here and is not asked for again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from tripartite.core.findings import Finding
from tripartite.core.money import Amount
from tripartite.core.objects import Requisition

AGREED = frozenset({"approved", "ordered"})
_OPEN = {"pending": "has not decided", "rejected": "said no", "held": "holds it"}


class Version(msgspec.Struct, frozen=True):
    """What an earlier version of a requisition was: enough to see what changed after it was approved."""

    version: int
    status: str
    currency: str
    amount: Amount | None
    decided_on: date | None


def version_of(requisition: Requisition) -> Version:
    days = [step.decided_on for step in requisition.approvals if step.decided_on is not None]
    return Version(
        requisition.version, requisition.status, requisition.currency, requisition.amount, max(days, default=None)
    )


def approval_state(requisition: Requisition) -> str:
    """How far the approval is, in one word: approved, pending, rejected, withdrawn or draft."""
    if requisition.status in AGREED:
        return "approved"
    if any(step.decision == "rejected" for step in requisition.approvals):
        return "rejected"
    return requisition.status


def approval_findings(requisition: Requisition, versions: Iterable[Version]) -> list[Finding]:
    """What stands against an agreed requisition, given all versions that are known of it, in any order.

    approval.missing: it counts as approved, and a step of its chain has not said yes (C15).
    approval.changed_after: it asks for more than an earlier approved version, and nobody approved since (C16).
    A requisition without a chain was approved by a rule of procurement's own: nothing stands against it here.
    """
    if requisition.status not in AGREED:
        return []
    found = []
    open_steps = [step for step in requisition.approvals if step.decision in _OPEN]
    if open_steps:
        words = ", ".join(f"{step.approver or 'somebody'} {_OPEN[step.decision]}" for step in open_steps)
        sentence = f"Requisition {requisition.number} is {requisition.status}, though {words}."
        found.append(Finding(code="approval.missing", words=sentence, rule="C15"))
    now = version_of(requisition)
    raised = [
        earlier
        for earlier in versions
        if earlier.version < now.version
        and earlier.status in AGREED
        and earlier.currency == now.currency
        and earlier.amount is not None
        and now.amount is not None
        and earlier.amount < now.amount
        and earlier.decided_on is not None
        and (now.decided_on is None or now.decided_on <= earlier.decided_on)
    ]
    if raised:
        lowest = min(raised, key=lambda each: (each.amount or Amount(0), each.version))
        assert lowest.amount is not None
        assert now.amount is not None
        words = (
            f"Requisition {requisition.number} was approved at {lowest.amount} {now.currency} on {lowest.decided_on}"
            f" and asks for {now.amount} {now.currency} now; nobody has approved it since."
        )
        more = Amount(now.amount - lowest.amount)
        found.append(Finding(code="approval.changed_after", variance=more, words=words, rule="C16"))
    return found
