"""May a supplier be paid? Eligible, or suspended with the reasons: typed, computed where it is decided (C39).

A suspension that somebody or the engine pronounced stands until another person lifts it with a reason. What a check
finds stands until the fact changes. A pending account suspends itself; whether it suspends the supplier as a whole as
long as another account is in use, is a policy word.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from tripartite.core.exceptions.lifecycle import NotAllowed
from tripartite.core.exceptions.reasons import reason
from tripartite.core.ids import stable_id
from tripartite.core.objects import BankAccount
from tripartite.core.suppliers.banking import BankChange, Clerk, words_of
from tripartite.core.suppliers.checks import Check

Unconfirmed = Literal["account", "supplier"]  # what a pending account suspends


class Suspension(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stop of all payments to a supplier, pronounced by `by` (a person or a component) because of `object_id`.

    Lifted by another person with a reason; the suspension stays as history.
    """

    suspension_id: str
    supplier_id: str
    reason_code: str
    object_id: str
    words: str
    by: str
    at: datetime
    restored_by: str = ""
    restored_at: datetime | None = None
    restore_reason: str = ""

    @property
    def stands(self) -> bool:
        return self.restored_at is None


class Why(msgspec.Struct, frozen=True):
    """One reason for which a supplier may not be paid."""

    code: str
    words: str


class Eligibility(msgspec.Struct, frozen=True):
    """The answer. `reasons` is empty exactly where the state is eligible."""

    state: Literal["eligible", "suspended"]
    reasons: tuple[Why, ...] = ()


def suspension_id(supplier_id: str, reason_code: str, object_id: str) -> str:
    """The same cause suspends once, however often it is told."""
    return stable_id("sus", supplier_id, reason_code, object_id)


def eligibility(
    checks: Sequence[Check],
    pending: Sequence[BankChange],
    usable: Sequence[BankAccount],
    suspensions: Sequence[Suspension],
    unconfirmed: Unconfirmed,
) -> Eligibility:
    """Whether payments to a supplier may leave at all; which account they may go to is said beside it.

    A check suspends where the catalogue says that its reason blocks posting or payment.
    """
    found = [Why(each.code, each.words) for each in checks if reason(each.code).blocks != "nothing"]
    if pending and (unconfirmed == "supplier" or not usable):
        found += [Why("supplier.bank_change_unapproved", words_of(each)) for each in pending]
    found += [Why(each.reason_code, each.words) for each in suspensions if each.stands]
    reasons = tuple(dict.fromkeys(found))
    return Eligibility("suspended" if reasons else "eligible", reasons)


def restored(suspension: Suspension, by: Clerk, why: str, at: datetime) -> Suspension | NotAllowed:
    """Lifts a suspension: a person with a reason, and not the one who pronounced it."""
    if not suspension.stands:
        return NotAllowed("integration.version_stale", f"Lifted already by {suspension.restored_by}.")
    if not why.strip():
        return NotAllowed("document.field_missing", "Lifting a suspension needs its reason.")
    if suspension.by.casefold() in by.names:
        words = f"{by.person} suspended this supplier; another person lifts it."
        return NotAllowed("control.duties_in_conflict", words)
    return msgspec.structs.replace(suspension, restored_by=by.person, restored_at=at, restore_reason=why.strip())
