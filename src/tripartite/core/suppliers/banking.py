"""A bank account is pending until two different people confirmed it by calling back; only then may it be used (C10).

A change belongs to the record that stated the account. It is observed from what the record says, decided by acts:

    pending -> confirmed    two people, neither of whom made the change, one call to a number already on file
    pending -> refused      one such person; the account before stays in use
    any -> withdrawn        the record no longer states the account; stated again, it is a new change

Taken over on day zero: where the estate marks a connection so, the accounts of the first version of a record count as
confirmed by the policy row, and say so. They are the stock that the company already pays. An older version that comes
late and did not state the account takes this back: the account was a change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from tripartite.core.exceptions.lifecycle import NotAllowed
from tripartite.core.ids import stable_id
from tripartite.core.objects import BankAccount
from tripartite.core.suppliers.checks import account_trouble
from tripartite.core.suppliers.identity import RecordKey, Stated
from tripartite.core.suppliers.ownership import account_key, masked

BankState = Literal["pending", "confirmed", "refused", "withdrawn"]
PEOPLE_NEEDED = 2
_EPOCH_FROM, _EPOCH_TO = 946_684_800, 4_102_444_800  # versions in this range are seconds: 2000 to 2100


class CallBack(msgspec.Struct, frozen=True, omit_defaults=True):
    """The evidence of a call: with whom, on which number, where that number was on file, when (UTC)."""

    spoke_with: str
    number_called: str
    number_from: str
    called_at: datetime


class Confirmation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One person's yes. `person` is the human being, whatever account was used."""

    person: str
    at: datetime
    call: CallBack | None = None
    note: str = ""


class BankChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One account that one record states or stated; every change of it is a new version.

    Two axes of time: `in_force_from` is since when the state holds in the world (as the record's system says, or when
    the supplier was called), `recorded_at` is when we came to know it.
    """

    change_id: str
    version: int
    source: str
    number: str
    account: BankAccount
    state: BankState
    opening: int
    changed_by: str
    noticed_at: datetime  # when we first knew of this change; no call before it can be about it
    in_force_from: datetime
    recorded_at: datetime
    first: bool = False  # the record's first account: a new supplier
    taken_over: str = ""  # the row under which it counts without a call
    confirmations: tuple[Confirmation, ...] = ()
    refused_by: str = ""
    reason: str = ""

    @property
    def record(self) -> RecordKey:
        return (self.source, self.number)

    @property
    def key(self) -> str:
        return account_key(self.account)


class Clerk(msgspec.Struct, frozen=True):
    """Who acts: the person, and the names under which that person may have made the change."""

    person: str
    names: frozenset[str]


def observed(
    known: Sequence[BankChange],
    stated: Stated,
    began_with: Sequence[BankAccount],
    take_over: str,
    at: datetime,
) -> list[BankChange]:
    """What a record says now against what is known of its accounts: the new versions, none where nothing changed.

    `known` are the latest versions of all changes of this record. `began_with` are the accounts that its lowest version
    ever seen stated; `take_over` is the row under which these count as confirmed, empty where they do not. They are
    known then also where that version came after the one that replaced them.
    """
    latest: dict[str, BankChange] = {}
    for each in known:
        if each.key not in latest or latest[each.key].opening < each.opening:
            latest[each.key] = each
    said_at = _said_at(stated, at)
    began = {account_key(account): account for account in began_with}
    first = frozenset(began)
    found = []
    says = {account_key(account): account for account in stated.value.accounts if account.account.strip()}
    for key, account in says.items():
        row = take_over if key in first else ""
        before = latest.get(key)
        if before is None or before.state == "withdrawn":
            found.append(_opened(stated, account, before, key in first, row, said_at, at))
        elif before.taken_over and not row and not before.confirmations:
            found.append(_next(before, at, state="pending", taken_over="", first=False, in_force_from=said_at))
    if take_over and says:
        missed = {key: account for key, account in began.items() if key not in says and key not in latest}
        for key, account in missed.items():
            latest[key] = _opened(stated, account, None, True, take_over, said_at, at)
            found.append(latest[key])
    stays = _predecessors(says, latest, found)
    for key, before in latest.items():
        if key not in says and before.state != "withdrawn" and key not in stays:
            found.append(_next(before, at, state="withdrawn", in_force_from=said_at))
    return found


def _opened(
    stated: Stated,
    account: BankAccount,
    before: BankChange | None,
    is_first: bool,
    row: str,
    said_at: datetime,
    at: datetime,
) -> BankChange:
    opening = before.opening + 1 if before else 1
    trusted = row if opening == 1 else ""
    return BankChange(
        change_id=stable_id("bnk", *stated.key, account_key(account), str(opening)),
        version=1,
        source=stated.source,
        number=stated.value.number,
        account=account,
        state="confirmed" if trusted else "pending",
        opening=opening,
        changed_by=stated.value.changed_by,
        noticed_at=at,
        in_force_from=said_at,
        recorded_at=at,
        first=is_first,
        taken_over=trusted,
    )


def _predecessors(says: Collection[str], latest: dict[str, BankChange], found: Sequence[BankChange]) -> frozenset[str]:
    """Confirmed accounts that stay in use because nothing that took their place is confirmed yet."""
    now = {**latest, **{each.key: each for each in found}}
    if not says or any(now[key].state == "confirmed" for key in says):
        return frozenset()
    return frozenset(key for key, each in latest.items() if each.state == "confirmed")


def settled(known: Iterable[BankChange], stated: Stated, at: datetime) -> list[BankChange]:
    """After a confirmation: the accounts that are no longer stated and now have a successor are withdrawn."""
    changes = list(known)
    says = {account_key(account) for account in stated.value.accounts}
    if not any(each.state == "confirmed" and each.key in says for each in changes):
        return []
    return [
        _next(each, at, state="withdrawn", in_force_from=at)
        for each in changes
        if each.key not in says and each.state in ("confirmed", "pending")
    ]


def confirmed(change: BankChange, by: Clerk, call: CallBack | None, note: str, at: datetime) -> BankChange | NotAllowed:
    """One person's confirmation; with the second the account is confirmed. Nobody confirms twice or their own change.

    The first brings the evidence of the call. An account that cannot exist is never confirmed.
    """
    if refusal := _closed(change, by):
        return refusal
    if any(each.person == by.person for each in change.confirmations):
        words = f"{by.person} confirmed this account already; it takes a second person."
        return NotAllowed("control.duties_in_conflict", words)
    if trouble := account_trouble(change.account.account, change.account.institution):
        return NotAllowed("supplier.bank_change_unapproved", trouble)
    if call is None and not change.confirmations:
        words = "Say who was called, on which number, where that number was on file, and when."
        return NotAllowed("document.field_missing", words)
    if call is not None:
        said = (call.spoke_with, call.number_called, call.number_from)
        if not all(part.strip() for part in said):
            return NotAllowed("document.field_missing", "The call needs a person, a number, and where it was on file.")
        if not change.noticed_at <= call.called_at <= at:
            words = f"The call was at {call.called_at.isoformat()}: before the change was known, or in the future."
            return NotAllowed("intake.value_out_of_range", words)
    yes = (*change.confirmations, Confirmation(by.person, at, call, note.strip()))
    if len(yes) < PEOPLE_NEEDED:
        return _next(change, at, confirmations=yes)
    called = next((each.call.called_at for each in yes if each.call), at)
    return _next(change, at, confirmations=yes, state="confirmed", in_force_from=called)


def refused(change: BankChange, by: Clerk, why: str, at: datetime) -> BankChange | NotAllowed:
    """One person's no, with its reason: the account is not used, the one before stays."""
    if refusal := _closed(change, by):
        return refusal
    if not why.strip():
        return NotAllowed("document.field_missing", "A refusal needs its reason.")
    return _next(change, at, state="refused", refused_by=by.person, reason=why.strip(), in_force_from=at)


def _closed(change: BankChange, by: Clerk) -> NotAllowed | None:
    if change.state != "pending":
        return NotAllowed("integration.version_stale", f"The account is {change.state} already.")
    maker = change.changed_by.strip().casefold()
    if maker and maker in by.names:
        return NotAllowed("control.duties_in_conflict", f"{by.person} made this change; another person decides on it.")
    return None


def in_use(changes: Iterable[BankChange], source: str) -> tuple[BankAccount, ...]:
    """The accounts that may be paid: those of the record whose word on accounts counts, confirmed there or, as the same
    account, on another record of the party.
    """
    latest = list(changes)
    proven = {each.key for each in latest if each.state == "confirmed"}
    mine = [each for each in latest if each.source == source and each.state not in ("withdrawn", "refused")]
    return tuple(each.account for each in sorted(mine, key=lambda each: each.key) if each.key in proven)


def waiting(changes: Iterable[BankChange]) -> tuple[BankChange, ...]:
    """The changes on which nobody has decided yet and that no other record of the party proves."""
    latest = list(changes)
    proven = {each.key for each in latest if each.state == "confirmed"}
    return tuple(
        sorted(
            (each for each in latest if each.state == "pending" and each.key not in proven),
            key=lambda each: (each.key, each.source),
        )
    )


def words_of(change: BankChange) -> str:
    """A change in a sentence, without the account itself."""
    what = "first account" if change.first else "account"
    by = f", changed by {change.changed_by}" if change.changed_by else ""
    yes = f", {len(change.confirmations)} of {PEOPLE_NEEDED} confirmed" if change.confirmations else ""
    return f"{change.source} states the {what} {masked(change.account.account)}{by}; not confirmed{yes}."


def _next(change: BankChange, at: datetime, **fields: object) -> BankChange:
    return msgspec.structs.replace(change, version=change.version + 1, recorded_at=at, **fields)


def _said_at(stated: Stated, at: datetime) -> datetime:
    """When the record's system says it changed, where its version is a time; else now. Never later than now."""
    version = stated.value.version
    if not _EPOCH_FROM <= version <= _EPOCH_TO:
        return at
    return min(datetime.fromtimestamp(version, UTC), at)
