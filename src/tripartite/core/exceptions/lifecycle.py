"""The acts of people on an exception, and its clock: release, refuse, take, assign, ask, pause, resume, escalate.

Each gives a new version or says why not, by a code; the shell records either. Nothing here decides about findings
(reconcile.py does), and nothing here knows who holds which limit: the limit is an argument, from policy.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from tripartite.core.estate.calendar import Calendar, add_business_time, business_time_between
from tripartite.core.exceptions.reasons import OWNER_NAMES, reason
from tripartite.core.exceptions.record import (
    MOVES,
    Event,
    EventKind,
    ExceptionRecord,
    Pause,
    PauseReason,
    State,
)
from tripartite.core.exceptions.terms import Terms, next_action
from tripartite.core.money import Amount

_replace = msgspec.structs.replace


class NotAllowed(msgspec.Struct, frozen=True):
    """Why an act is not taken: a reason or refusal code, and a sentence."""

    code: str
    words: str


class Person(msgspec.Struct, frozen=True):
    """Who acts: a person, the roles held now, and up to what sum (in the record's currency) they may release.

    `acts_on_chain` are the duties this person already did on the same requisition-to-payment chain.
    """

    name: str
    roles: tuple[str, ...]
    limit: Amount | None = None
    acts_on_chain: frozenset[str] = frozenset()


# Who did one of these on the chain may not also lift its hold (controls.md, segregation of duties).
RELEASE_CONFLICTS = frozenset(
    ["requisition", "invoice entry", "payment proposal", "payment release", "override review"]
)


def _ended(record: ExceptionRecord, state: State, event: Event, resolution: str) -> ExceptionRecord:
    assert state in MOVES[record.state], f"{record.state} does not become {state}"
    return _replace(
        record,
        version=record.version + 1,
        state=state,
        next_action="",
        waits_for=(),
        recheck_at=None,
        resolution=resolution,
        event=event,
    )


def _changed(
    record: ExceptionRecord, kind: EventKind, at: datetime, actor: str, words: str, **fields: object
) -> ExceptionRecord:
    return _replace(
        record, version=record.version + 1, event=Event(kind, at, actor, words, record.policy_release), **fields
    )


def _closed(record: ExceptionRecord) -> NotAllowed | None:
    if record.is_open:
        return None
    return NotAllowed(
        "integration.version_stale", f"The exception is {record.state} since {record.event.at.isoformat()}."
    )


def release(
    record: ExceptionRecord,
    by: Person,
    why: str,
    at: datetime,
    content_hash: str,
    second: Person | None = None,
    conflicts: frozenset[str] = RELEASE_CONFLICTS,
) -> ExceptionRecord | NotAllowed:
    """Lifts the hold although the fact stays: an override, counted (M07).

    Needs a reason, a role that owns it, a limit that covers the money at risk, nobody in conflict on the chain, two
    different people where the catalogue says two, and the content the releaser saw. Above the limit:
    `control.override_over_limit`. `conflicts` are the duties on the chain that bar a release.
    """
    closed = _closed(record)
    if closed:
        return closed
    if record.release == "no":
        return NotAllowed("access.not_permitted", f"{record.reason_code} ends when its fact changes, not by a release.")
    if not why.strip():
        return NotAllowed("document.field_missing", "A release needs its reason.")
    if content_hash != record.content_hash:
        return NotAllowed("approval.changed_after", "The document changed after it was shown; look at it again.")
    people = (by,) if second is None else (by, second)
    for person in people:
        if record.owner_role not in person.roles and not set(record.also_roles) & set(person.roles):
            owner = OWNER_NAMES.get(record.owner_role, record.owner_role)
            return NotAllowed("access.not_permitted", f"{person.name} does not act for {owner}.")
        done = sorted(person.acts_on_chain & conflicts)
        if done:
            words = f"{person.name} already did {', '.join(done)} on this chain."
            return NotAllowed("control.duties_in_conflict", words)
        if person.limit is None or person.limit < record.money_at_risk:
            limit = "nothing" if person.limit is None else str(person.limit)
            words = f"{record.money_at_risk} {record.currency} are at risk; {person.name} may release {limit}."
            return NotAllowed("control.override_over_limit", words)
    if record.release == "two" and (second is None or second.name == by.name):
        return NotAllowed("control.duties_in_conflict", f"{record.reason_code} is released by two people.")
    names = tuple(person.name for person in people)
    event = Event("released", at, " and ".join(names), why.strip(), record.policy_release)
    ended = _ended(record, "released", event, f"released by {' and '.join(names)}: {why.strip()}")
    return _replace(ended, released_up_to=record.exposure, released_by=names)


def refuse(record: ExceptionRecord, by: Person, why: str, at: datetime) -> ExceptionRecord | NotAllowed:
    """The owner rejects, returns or disputes the document. The notice to the supplier is a delivery of the caller's."""
    closed = _closed(record)
    if closed:
        return closed
    if not why.strip():
        return NotAllowed("document.field_missing", "A refusal needs its reason: the supplier will read it.")
    if record.owner_role not in by.roles and not set(record.also_roles) & set(by.roles):
        return NotAllowed("access.not_permitted", f"{by.name} does not act for {record.owner_role}.")
    event = Event("refused", at, by.name, why.strip(), record.policy_release)
    return _ended(record, "refused", event, f"refused by {by.name}: {why.strip()}")


def supersede(record: ExceptionRecord, successor: str, at: datetime) -> ExceptionRecord | NotAllowed:
    """The document was replaced, reversed or voided; `successor` names what stands in its place."""
    closed = _closed(record)
    if closed:
        return closed
    event = Event("superseded", at, "engine", successor, record.policy_release)
    return _ended(record, "superseded", event, f"superseded by {successor}")


def take(record: ExceptionRecord, by: Person, at: datetime) -> ExceptionRecord | NotAllowed:
    """A person takes the exception, from whoever had it."""
    closed = _closed(record)
    if closed:
        return closed
    if record.owner_role not in by.roles and not set(record.also_roles) & set(by.roles):
        return NotAllowed("access.not_permitted", f"{by.name} does not act for {record.owner_role}.")
    return _changed(record, "taken", at, by.name, "", owner_person=by.name)


def assign(record: ExceptionRecord, by: Person, to: str, at: datetime) -> ExceptionRecord | NotAllowed:
    """One of the owning team hands the exception to a person by name."""
    closed = _closed(record)
    if closed:
        return closed
    if not to.strip():
        return NotAllowed("document.field_missing", "Say whom it is handed to.")
    if record.owner_role not in by.roles and not set(record.also_roles) & set(by.roles):
        return NotAllowed("access.not_permitted", f"{by.name} does not act for {record.owner_role}.")
    return _changed(record, "assigned", at, by.name, to.strip(), owner_person=to.strip())


def ask(record: ExceptionRecord, by: Person, role: str, question: str, at: datetime) -> ExceptionRecord | NotAllowed:
    """A question to another team, which is told of it. The exception stays with its owner, and its clock runs.

    The event's words are `role: question`.
    """
    closed = _closed(record)
    if closed:
        return closed
    if role not in OWNER_NAMES:
        return NotAllowed("intake.value_out_of_range", f"There is no team {role!r}.")
    if not question.strip():
        return NotAllowed("document.field_missing", "Say what is asked.")
    if record.owner_role not in by.roles and not set(record.also_roles) & set(by.roles):
        return NotAllowed("access.not_permitted", f"{by.name} does not act for {record.owner_role}.")
    return _changed(record, "asked", at, by.name, f"{role}: {question.strip()}")


def pause(record: ExceptionRecord, why: PauseReason, by: str, at: datetime) -> ExceptionRecord | NotAllowed:
    """Stops the SLA clock, with a reason; the exception stays open."""
    closed = _closed(record)
    if closed:
        return closed
    if record.is_paused:
        return NotAllowed("integration.version_stale", "The clock stands still already.")
    return _changed(record, "paused", at, by, why, pauses=(*record.pauses, Pause(why, at)))


def resume(
    record: ExceptionRecord, by: str, at: datetime, calendar: Calendar, zone: str
) -> ExceptionRecord | NotAllowed:
    """Lets the SLA clock run again: what business time was left when it stopped is left now."""
    closed = _closed(record)
    if closed:
        return closed
    if not record.is_paused:
        return NotAllowed("integration.version_stale", "The clock runs already.")
    running = record.pauses[-1]
    due = record.due_at
    if due is not None and due > running.since:
        due = add_business_time(at, business_time_between(running.since, due, calendar, zone), calendar, zone)
    pauses = (*record.pauses[:-1], _replace(running, until=at))
    return _changed(record, "resumed", at, by, running.reason, pauses=pauses, due_at=due)


def is_overdue(record: ExceptionRecord, at: datetime) -> bool:
    """Whether the due time has passed while the clock ran."""
    return record.is_open and not record.is_paused and record.due_at is not None and at >= record.due_at


def escalate(record: ExceptionRecord, terms: Terms, at: datetime) -> ExceptionRecord | None:
    """On the due time the next role of the policy's row is told; once. None where there is nothing to do."""
    if not is_overdue(record, at) or terms.escalate_to in ("nobody", record.owner_role, *record.also_roles):
        return None
    told = (*record.also_roles, terms.escalate_to)
    who = OWNER_NAMES.get(terms.escalate_to, terms.escalate_to)
    action = (
        f"Overdue, {who} is told. {next_action(reason(record.reason_code), terms, record.due_at, record.recheck_at)}"
    )
    return _changed(record, "escalated", at, "engine", terms.escalate_to, also_roles=told, next_action=action)
