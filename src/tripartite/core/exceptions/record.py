"""The exception record: a business problem as an object, one open per key (object, line, code).

Every change is a new version; the store keeps all versions, and each carries the one event that made it, so the
history is the versions in order. An id is computed from the key and the number of the opening: the same facts give
the same id wherever they are decided.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from tripartite.core.exceptions.reasons import Blocks, Release, Severity
from tripartite.core.ids import stable_id
from tripartite.core.money import Amount

State = Literal["open", "cleared", "released", "refused", "superseded"]
EventKind = Literal[
    "opened",
    "re_evaluated",
    "paused",
    "resumed",
    "taken",
    "assigned",
    "asked",
    "escalated",
    "cleared",
    "released",
    "refused",
    "superseded",
]
PauseReason = Literal["waiting_supplier", "waiting_date"]
Key = tuple[str, int, str]  # object id, line (0: the document), code

# Every end is final; the return of a problem is a new opening of the same key that names the earlier one.
MOVES: dict[State, frozenset[State]] = {
    "open": frozenset(["open", "cleared", "released", "refused", "superseded"]),
    "cleared": frozenset(),
    "released": frozenset(),
    "refused": frozenset(),
    "superseded": frozenset(),
}


class Pause(msgspec.Struct, frozen=True, omit_defaults=True):
    """A time that does not count against the SLA; without `until` it still runs."""

    reason: PauseReason
    since: datetime
    until: datetime | None = None


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """What made a version: who (a person's name, or "engine"), when, why, under which policy release."""

    kind: EventKind
    at: datetime
    actor: str
    words: str = ""
    policy_release: str = ""


class Alternative(msgspec.Struct, frozen=True, omit_defaults=True):
    """A counterfactual: one change of fact that would clear the exception, and who may lawfully make it.

    `cost`: what would be paid beyond what was agreed and came. `field`, `value_from`, `value_to` say the change as
    data; `leaves` names reasons that would stand on the document afterwards. With `wrong` it is the opposite: a deed
    that must not be done, and why.
    """

    change: str
    by_roles: tuple[str, ...]
    where: str = ""
    cost: Amount | None = None
    by_when: datetime | None = None
    rank: int = 0
    wrong: str = ""
    field: str = ""
    value_from: str = ""
    value_to: str = ""
    leaves: tuple[str, ...] = ()


class ExceptionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of one exception. Instants in UTC; sums in `currency`, positive where money may be lost.

    `money_at_risk` orders the queue; `value_held` stands beside it and is never mixed in. `released_up_to` is the
    exposure a release covers. `content_hash` is the content of the document that was judged: a release binds to it.
    """

    exception_id: str
    company_code: str
    version: int
    reason_code: str
    severity: Severity
    object_kind: str
    object_id: str
    object_version: int
    line: int
    opening: int
    state: State
    owner_role: str
    opened_at: datetime
    blocks: Blocks
    release: Release
    next_action: str
    exposure: Amount  # what the breach alone may lose
    money_at_risk: Amount
    value_held: Amount
    currency: str
    cause_key: str
    computed_from: str
    content_hash: str
    policy_release: str
    code_version: str
    event: Event
    words: str = ""
    earlier: str = ""  # the exception id of the opening before
    owner_person: str = ""
    also_roles: tuple[str, ...] = ()
    object_refs: tuple[str, ...] = ()
    breach_value: str = ""
    breach_limit: str = ""
    unit_or_currency: str = ""
    policy_row: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    due_at: datetime | None = None  # None: nobody waits
    pauses: tuple[Pause, ...] = ()
    waits_for: tuple[str, ...] = ()
    recheck_at: datetime | None = None
    alternatives: tuple[Alternative, ...] = ()
    resolution: str = ""
    released_up_to: Amount | None = None
    released_by: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return (self.object_id, self.line, self.reason_code)

    @property
    def is_open(self) -> bool:
        return self.state == "open"

    @property
    def is_paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1].until is None


def exception_id(company_code: str, key: Key, opening: int) -> str:
    """The id of the n-th opening (from 1) of a key."""
    return stable_id("exc", company_code, key[0], str(key[1]), key[2], str(opening))
