"""An account is pending until two people confirmed it; who made the change decides nothing; a no keeps the old one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from tripartite.core.exceptions.lifecycle import NotAllowed
from tripartite.core.objects import BankAccount, Supplier
from tripartite.core.suppliers.banking import (
    BankChange,
    CallBack,
    Clerk,
    confirmed,
    in_use,
    observed,
    refused,
    settled,
    waiting,
)
from tripartite.core.suppliers.checks import Check
from tripartite.core.suppliers.eligibility import Suspension, eligibility, restored
from tripartite.core.suppliers.identity import Stated

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=2)
OLD, NEW = BankAccount("DE89370400440532013000"), BankAccount("DE02120300000000202051")
ANNA, BORIS = Clerk("Anna", frozenset({"anna"})), Clerk("Boris", frozenset({"boris"}))
CALL = CallBack("Ms Kranz", "+49 221 1", "contract of 2019", NOON + timedelta(hours=1))


def record(*accounts: BankAccount, version: int = 1, by: str = "") -> Stated:
    return Stated("sap", Supplier(number="7", name="Kranz", version=version, accounts=accounts, changed_by=by))


def first(*accounts: BankAccount) -> tuple[BankAccount, ...]:
    return accounts


def seen(
    known: list[BankChange], stated: Stated, began: tuple[BankAccount, ...], row: str = "", at: datetime = NOON
) -> list[BankChange]:
    after = {each.change_id: each for each in known}
    after |= {each.change_id: each for each in observed(known, stated, began, row, at)}
    after |= {each.change_id: each for each in settled(after.values(), stated, at)}
    return list(after.values())


def states(changes: list[BankChange]) -> dict[str, str]:
    return {each.account.account[-4:]: each.state for each in sorted(changes, key=lambda each: each.opening)}


def yes(change: BankChange, by: Clerk, call: CallBack | None = CALL, at: datetime = LATER) -> BankChange:
    after = confirmed(change, by, call, "", at)
    assert isinstance(after, BankChange), after
    return after


def no(answer: BankChange | NotAllowed) -> str:
    assert isinstance(answer, NotAllowed), answer
    return answer.code


def test_a_first_account_is_pending_like_any_change() -> None:
    changes = seen([], record(OLD), first(OLD))
    assert states(changes) == {"3000": "pending"}
    assert in_use(changes, "sap") == ()
    assert [each.first for each in waiting(changes)] == [True]


def test_on_day_zero_the_first_accounts_are_taken_over_under_their_row_and_a_change_is_not() -> None:
    changes = seen([], record(OLD), first(OLD), "supplier/any")
    assert [(each.state, each.taken_over) for each in changes] == [("confirmed", "supplier/any")]
    changes = seen(changes, record(NEW, version=2), first(OLD), "supplier/any", LATER)
    assert states(changes) == {"3000": "confirmed", "2051": "pending"}
    assert in_use(changes, "sap") == (OLD,)


def test_two_people_confirm_and_the_account_before_ends() -> None:
    changes = seen([], record(OLD), first(OLD), "supplier/any")
    changes = seen(changes, record(NEW, version=2), first(OLD), "supplier/any")
    pending = waiting(changes)[0]
    once = yes(pending, ANNA)
    assert once.state == "pending"
    twice = yes(once, BORIS, None)
    assert (twice.state, twice.in_force_from) == ("confirmed", CALL.called_at)
    rest = [each for each in changes if each.change_id != pending.change_id]
    after = seen([*rest, twice], record(NEW, version=2), first(OLD), "supplier/any", LATER)
    assert states(after) == {"3000": "withdrawn", "2051": "confirmed"}
    assert in_use(after, "sap") == (NEW,)


def test_a_refusal_keeps_the_account_before() -> None:
    changes = seen([], record(OLD), first(OLD), "supplier/any")
    changes = seen(changes, record(NEW, version=2), first(OLD), "supplier/any")
    gone = refused(waiting(changes)[0], ANNA, "nobody there knows of it", LATER)
    assert isinstance(gone, BankChange)
    after = seen(
        [each for each in changes if each.state != "pending"] + [gone],
        record(NEW, version=2),
        first(OLD),
        "supplier/any",
    )
    assert states(after) == {"3000": "confirmed", "2051": "refused"}
    assert (in_use(after, "sap"), waiting(after)) == ((OLD,), ())


def test_the_same_person_twice_or_who_made_the_change_decides_nothing() -> None:
    change = observed([], record(NEW, by="ANNA"), (), "", NOON)[0]
    assert no(confirmed(change, ANNA, CALL, "", LATER)) == "control.duties_in_conflict"
    assert no(refused(change, ANNA, "no", LATER)) == "control.duties_in_conflict"
    once = yes(change, BORIS)
    assert no(confirmed(once, Clerk("Boris", frozenset({"boris2"})), CALL, "", LATER)) == "control.duties_in_conflict"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (None, "document.field_missing"),
        (CallBack("", "+49", "contract", CALL.called_at), "document.field_missing"),
        (CallBack("Kranz", "+49", " ", CALL.called_at), "document.field_missing"),
        (CallBack("Kranz", "+49", "contract", NOON - timedelta(days=1)), "intake.value_out_of_range"),
        (CallBack("Kranz", "+49", "contract", LATER + timedelta(days=1)), "intake.value_out_of_range"),
    ],
)
def test_a_confirmation_without_a_believable_call_is_none(call: CallBack | None, code: str) -> None:
    assert no(confirmed(observed([], record(NEW), (), "", NOON)[0], ANNA, call, "", LATER)) == code


def test_an_account_that_cannot_exist_is_never_confirmed() -> None:
    wrong = observed([], record(BankAccount("DE89370400440532013001")), (), "", NOON)[0]
    assert no(confirmed(wrong, ANNA, CALL, "", LATER)) == "supplier.bank_change_unapproved"


def test_what_is_decided_is_not_decided_again() -> None:
    done = yes(yes(observed([], record(NEW), (), "", NOON)[0], ANNA), BORIS)
    assert no(confirmed(done, Clerk("C", frozenset({"c"})), CALL, "", LATER)) == "integration.version_stale"
    assert no(refused(done, Clerk("C", frozenset({"c"})), "late", LATER)) == "integration.version_stale"


def test_an_account_that_left_and_came_again_is_confirmed_anew() -> None:
    changes = [yes(yes(observed([], record(OLD), (), "", NOON)[0], ANNA), BORIS)]
    changes = seen(changes, record(version=2), ())
    assert states(changes) == {"3000": "withdrawn"}
    changes = seen(changes, record(OLD, version=3), ())
    assert [(each.opening, each.state) for each in changes] == [(1, "withdrawn"), (2, "pending")]


def test_on_day_zero_an_older_version_that_comes_late_takes_the_trust_back() -> None:
    def told(order: Any) -> dict[str, str]:
        newest, lowest, changes = None, None, []
        for each in order:
            lowest = each if lowest is None or each.value.version < lowest.value.version else lowest
            newest = each if newest is None or each.value.version > newest.value.version else newest
            changes = seen(changes, newest, first(*lowest.value.accounts), "supplier/any")
        return {key: state for key, state in states(changes).items() if state != "withdrawn"}

    versions = [record(OLD, version=1), record(NEW, version=2), record(NEW, version=3)]
    ends = {tuple(sorted(told(order).items())) for order in permutations(versions)}
    assert ends == {(("2051", "pending"), ("3000", "confirmed"))}


def stop(**further: Any) -> Suspension:
    return Suspension(
        suspension_id="sus_1",
        supplier_id="sup_1",
        reason_code="supplier.mismatch",
        object_id="inv_1",
        words="not the order's supplier",
        by="Anna",
        at=NOON,
        **further,
    )


def test_eligibility_names_every_reason_and_a_policy_says_how_far_a_pending_account_reaches() -> None:
    pending = observed([], record(NEW), (), "", NOON)
    assert eligibility((), pending, (), (), "account").state == "suspended", "no other account is in use"
    assert eligibility((), pending, (OLD,), (), "account").state == "eligible"
    assert eligibility((), pending, (OLD,), (), "supplier").state == "suspended"
    checks = (Check("supplier.blocked", "/status", "on hold"), Check("integration.state_differs", "", "drift"))
    found = eligibility(checks, (), (OLD,), (stop(),), "account")
    assert [each.code for each in found.reasons] == ["supplier.blocked", "supplier.mismatch"]
    assert eligibility((), (), (), (), "supplier").state == "eligible"


def test_a_suspension_is_lifted_by_another_person_with_a_reason_once() -> None:
    assert isinstance(restored(stop(), ANNA, "it is them", LATER), NotAllowed)
    assert isinstance(restored(stop(), BORIS, " ", LATER), NotAllowed)
    lifted = restored(stop(), BORIS, "it is them", LATER)
    assert isinstance(lifted, Suspension)
    assert (lifted.stands, lifted.restored_by) == (False, "Boris")
    assert isinstance(restored(lifted, BORIS, "again", LATER), NotAllowed)
