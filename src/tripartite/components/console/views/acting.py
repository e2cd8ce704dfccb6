"""What a reader may do about each open exception of an invoice: the act, or the sentence why it is not theirs.

Rights are seen: an act that exists here for somebody is shown to everybody, locked with its reason. Whether it is
allowed in the end (limit, duties on the chain, content) is decided by its owner when it is posted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tripartite.components.console import words
from tripartite.components.console.formats import Formats, exact
from tripartite.runtime.auth import Principal


class Act(msgspec.Struct, frozen=True):
    """One act: its word, the page it begins on, and why it is locked for this reader (empty: it is not)."""

    name: str
    word: str
    locked: str = ""


class Offered(msgspec.Struct, frozen=True):
    """One open exception with its acts."""

    exception_id: str
    code: str
    head: str
    sentence: str
    owner: str
    taken_by: str
    at_risk: str
    acts: tuple[Act, ...]


class ActPage(msgspec.Struct, frozen=True):
    """What an act's own page says: the question, what follows from it, the word on its button."""

    title: str
    follows: str
    button: str
    tone: str
    asks_why: bool = True


PAGES: Mapping[str, ActPage] = {
    "release": ActPage(
        "Release this hold",
        "The fact stays as it is. You say that the invoice may be posted all the same, up to the money at risk shown"
        " here. The release ends by itself when the document's content changes or more is at risk.",
        "Release",
        "primary",
    ),
    "approval": ActPage(
        "Approve this invoice",
        "Your approval counts for exactly this content. If the document changes, it must be approved anew.",
        "Approve",
        "primary",
    ),
    "refusal": ActPage(
        "Refuse this invoice",
        "The invoice ends here and is never posted. The system that it came from is told in your words; a corrected"
        " document may come with the same number.",
        "Refuse",
        "",
    ),
    "taking": ActPage(
        "Take this exception", "It stays open, and everybody sees that it is yours.", "Take it", "primary", False
    ),
    "pause": ActPage(
        "Ask the supplier and wait",
        "The clock stands still while the supplier is asked. Say what you asked; the exception stays open.",
        "Stop the clock",
        "primary",
    ),
    "resumption": ActPage(
        "Let the clock run again", "What business time was left when it stopped is left now.", "Go on", "primary", False
    ),
}  # fmt: skip
_RIGHT = {
    "release": "hold.release",
    "approval": "approval.decide",
    "refusal": "invoice.refuse",
    "taking": "exception.work",
    "pause": "exception.work",
    "resumption": "exception.work",
}


def offered(invoice: Mapping[str, Any], reader: Principal, formats: Formats) -> list[Offered]:
    """Every open exception, the costliest first, with what can be done about it."""
    found = [record for record in invoice["exceptions"] if record["state"] == "open"]
    found.sort(
        key=lambda record: (-(exact(record["money_at_risk"]) or 0), record["reason_code"], record.get("line", 0))
    )
    return [_offered(record, reader, formats) for record in found]


def _offered(record: Mapping[str, Any], reader: Principal, formats: Formats) -> Offered:
    code = record["reason_code"]
    line = record.get("line", 0)
    return Offered(
        exception_id=record["exception_id"],
        code=code,
        head=words.meaning(code).rstrip(".") + (f", line {line}" if line else ""),
        sentence=record.get("words", ""),
        owner=words.owner(record["owner_role"]),
        taken_by=record.get("owner_person", ""),
        at_risk=formats.money(record["money_at_risk"], record["currency"]),
        acts=tuple(Act(name, PAGES[name].button, _locked(name, record, reader)) for name in _names(record)),
    )


def _names(record: Mapping[str, Any]) -> list[str]:
    """The acts that exist for this exception, whoever may do them."""
    paused = bool(record.get("pauses")) and not record["pauses"][-1].get("until")
    names = ["approval"] if record["reason_code"].startswith("approval.") else []
    names += ["release"] if record.get("release", "no") != "no" else []
    return [*names, "resumption" if paused else "pause", *([] if record.get("owner_person") else ["taking"]), "refusal"]


def _locked(name: str, record: Mapping[str, Any], reader: Principal) -> str:
    right = _RIGHT[name]
    if not reader.may(right):
        return f"It takes the right {right}, which you do not have."
    if name in ("approval", "pause", "resumption"):
        return ""
    teams = {record["owner_role"], *record.get("also_roles", ())}
    if not teams & reader.teams:
        return f"It is for {words.owner(record['owner_role'])} to do."
    return ""
