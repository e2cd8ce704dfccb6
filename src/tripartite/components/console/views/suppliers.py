"""What a supplier's page shows: bank accounts through time, and who may confirm one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tripartite.components.console import words
from tripartite.components.console.words import Mark
from tripartite.core.exceptions.reasons import reasons
from tripartite.runtime.auth import Principal, conflicting


class Account(msgspec.Struct, frozen=True):
    """One bank account that one record states or stated, as it stands now, with its versions before."""

    change_id: str
    account: str
    mark: Mark
    newest: Mapping[str, Any]
    earlier: tuple[Mapping[str, Any], ...]
    locked: str  # why this reader may not confirm or refuse it; empty: they may

    @property
    def pending(self) -> bool:
        return bool(self.newest["state"] == "pending")


def accounts(changes: Sequence[Mapping[str, Any]], reader: Principal) -> list[Account]:
    """Every version of a supplier's bank changes, by account: what waits for somebody first, then what is in use."""
    by_change: dict[str, list[Mapping[str, Any]]] = {}
    for each in changes:
        by_change.setdefault(each["change_id"], []).append(each)
    found = []
    for change_id, versions in by_change.items():
        ordered = sorted(versions, key=lambda each: int(each["version"]))
        newest = ordered[-1]
        mark = words.mark(words.BANK_CHANGE_STATES, newest["state"])
        if newest["state"] == "confirmed" and newest["taken_over"]:
            mark = Mark("within", "Taken over on day zero")
        locked = _locked(newest, reader)
        found.append(Account(change_id, newest["account"], mark, newest, tuple(ordered[:-1]), locked))
    order = ("pending", "confirmed", "refused", "withdrawn")
    return sorted(found, key=lambda each: (order.index(each.newest["state"]), each.account, each.change_id))


def _locked(change: Mapping[str, Any], reader: Principal) -> str:
    if not reader.may("bank.confirm"):
        return "It takes the right bank.confirm, which you do not have."
    if held := conflicting(reader.permissions, "bank.confirm"):
        return f"You also hold {', '.join(held)}: whoever holds that does not decide where money goes."
    me = (reader.person or reader.name).casefold()
    if me in [str(each["person"]).casefold() for each in change["confirmations"]]:
        return "You confirmed it already. The second confirmation is another person's."
    if change["changed_by"] and change["changed_by"].casefold() in (me, reader.name.casefold()):
        return "You made this change; two others confirm it."
    return ""


def restoring_locked(suspension: Mapping[str, Any], reader: Principal) -> str:
    """Why a reader may not lift a suspension; empty where they may."""
    if not reader.may("supplier.restore"):
        return "It takes the right supplier.restore, which you do not have."
    if held := conflicting(reader.permissions, "supplier.restore"):
        return f"You also hold {', '.join(held)}: whoever holds that does not let payments go again."
    if str(suspension["by"]).casefold() == (reader.person or reader.name).casefold():
        return "You stopped the payments; another person lets them go again."
    return ""


def stop_reasons() -> list[tuple[str, str]]:
    """The reasons for which payments to a supplier can be stopped: (code, meaning)."""
    return [(code, found.meaning) for code, found in reasons().items() if code.startswith("supplier.")]
