"""What the pages of payments show: runs with who must still say yes, and what the bank said and booked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from tripartite.components.console import words
from tripartite.components.console.formats import Formats, exact
from tripartite.components.console.words import Mark
from tripartite.runtime.auth import Principal


class Release(msgspec.Struct, frozen=True):
    """Whether a reader may release a run, and what is missing until it leaves."""

    given: int
    needed: int
    locked: str  # why it is not the reader's to release; empty: it is
    sentence: str


def release_of(run: Mapping[str, Any], reader: Principal) -> Release:
    """Of an open run. The owner decides again when it is posted; here is what can be said beforehand."""
    counted = [each["person"] for each in run["releases"] if each["counts"]]
    needed, given = run["persons"], len(set(counted))
    me = (reader.person or reader.name).casefold()
    missing = max(0, needed - given)
    sentence = f"{given} of {needed} releases given. " + (
        f"{missing} more, by {'another person' if given else 'different people'}, and it leaves for the bank."
        if missing
        else "It leaves for the bank."
    )
    return Release(given, needed, _locked(run, counted, me, reader), sentence)


def _locked(run: Mapping[str, Any], counted: Sequence[str], me: str, reader: Principal) -> str:
    if run["state"] != "open":
        return f"It is {words.mark(words.PROPOSAL_STATES, run['state']).word.lower()}; nothing is to be released."
    if not reader.may("payment.release"):
        return "It takes the right payment.release, which you do not have."
    if run["kind"] == "manual" and run["proposed_by"].casefold() in (me, reader.name.casefold()):
        return "You proposed it; two others release it."
    if me in [person.casefold() for person in counted]:
        return "You released it already. The next release is another person's."
    return ""


class Sorted(msgspec.Struct, frozen=True):
    """A run's payments, those that ask for a look first."""

    payment: Mapping[str, Any]
    notes: tuple[str, ...]


def by_risk(payments: Sequence[Mapping[str, Any]]) -> list[Sorted]:
    """Payments of a run: what was taken out, what several invoices share, and the largest sums first."""
    found = [Sorted(each, tuple(_notes(each))) for each in payments]
    return sorted(
        found,
        key=lambda each: (
            each.payment["state"] == "cancelled",
            -len(each.notes),
            -(exact(each.payment["amount"]) or Fraction(0)),
            each.payment["number"],
        ),
    )


def _notes(payment: Mapping[str, Any]) -> list[str]:
    notes = []
    if payment["state"] == "cancelled":
        notes.append(payment["detail"] or "Taken out")
    items = payment["items"]
    if any((exact(item["amount"]) or Fraction(0)) < 0 for item in items):
        notes.append("A credit memo is set off")
    if any(item.get("discount") for item in items):
        notes.append("Discount is taken")
    return notes


class Moment(msgspec.Struct, frozen=True):
    """One word of the bank, or one booking."""

    at: str
    mark: Mark
    head: str
    sentence: str


REPORTED: Mapping[str, Mark] = {
    "received": Mark("wait", "Received"),
    "accepted": Mark("wait", "Accepted"),
    "pending": Mark("wait", "In work"),
    "partly": Mark("hold", "Accepted in part"),
    "executed": Mark("agree", "Executed"),
    "credited": Mark("agree", "Credited"),
    "rejected": Mark("refuse", "Refused"),
    "cancelled": Mark("refuse", "Cancelled"),
}


def bank_moments(payment: Mapping[str, Any], formats: Formats) -> list[Moment]:
    """What the bank said of a payment and what it booked, each with the report or the statement it stands in."""
    said = [
        Moment(
            formats.short_date(formats.date_of(each["reported_at"])),
            words.mark(REPORTED, each["status"]),
            f"Status report {each['number']}",
            " ".join(part for part in (each["word"], each["reason"], each["detail"]) if part),
        )
        for each in payment.get("reports", ())
    ]
    booked = [
        Moment(
            formats.date(each["booked_on"]) or "not booked yet",
            _booked(each),
            f"Bank statement {each['statement']}",
            f"{formats.money(each['amount'], each['currency'])} {'out' if each['direction'] == 'debit' else 'in'}"
            + (" for the whole order" if each["whole"] else "")
            + (f", reference {each['bank_reference']}" if each["bank_reference"] else "")
            + (f", returned: {each['return_reason']}" if each["return_reason"] else ""),
        )
        for each in payment.get("entries", ())
    ]
    return said + booked


def _booked(entry: Mapping[str, Any]) -> Mark:
    if entry["return_reason"] or entry["reversal"] or entry["direction"] == "credit":
        return Mark("refuse", "Came back")
    if entry["status"] == "booked":
        return Mark("agree", "Booked")
    return Mark("wait", "Announced" if entry["status"] == "pending" else "For information")
