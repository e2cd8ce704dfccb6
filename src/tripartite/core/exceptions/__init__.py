"""Exceptions: the catalogue of reasons, the record, its life. A business problem as an object, not an error in flight.

reason(code), refusal(code)                  the catalogue (reasons.py)
reconcile(records, findings, context, at)    what a decision opens, judges anew and clears (reconcile.py)
release, refuse, take, assign, ask, pause, resume, supersede, escalate    the acts (lifecycle.py)
"""

from tripartite.core.exceptions.lifecycle import (
    NotAllowed,
    Person,
    ask,
    assign,
    escalate,
    is_overdue,
    pause,
    refuse,
    release,
    resume,
    supersede,
    take,
)
from tripartite.core.exceptions.reasons import Reason, Refusal, reason, reasons, refusal, refusals
from tripartite.core.exceptions.reconcile import (
    INVOICE_AREAS,
    Changes,
    Context,
    open_blocks,
    reconcile,
    standing_releases,
)
from tripartite.core.exceptions.record import MOVES, Alternative, Event, ExceptionRecord, Key, Pause, exception_id
from tripartite.core.exceptions.terms import Override, Terms, due_at, next_action, terms_of

__all__ = [
    "INVOICE_AREAS",
    "MOVES",
    "Alternative",
    "Changes",
    "Context",
    "Event",
    "ExceptionRecord",
    "Key",
    "NotAllowed",
    "Override",
    "Pause",
    "Person",
    "Reason",
    "Refusal",
    "Terms",
    "ask",
    "assign",
    "due_at",
    "escalate",
    "exception_id",
    "is_overdue",
    "next_action",
    "open_blocks",
    "pause",
    "reason",
    "reasons",
    "reconcile",
    "refusal",
    "refusals",
    "refuse",
    "release",
    "resume",
    "standing_releases",
    "supersede",
    "take",
    "terms_of",
]
