"""The life of an exception: what a decision opens and clears, what people may do, what the clock says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.estate_samples import estate
from tripartite.core.exceptions import (
    MOVES,
    Changes,
    Context,
    ExceptionRecord,
    NotAllowed,
    Override,
    Person,
    escalate,
    is_overdue,
    open_blocks,
    pause,
    reason,
    reasons,
    reconcile,
    refuse,
    release,
    resume,
    standing_releases,
    supersede,
    take,
    terms_of,
)
from tripartite.core.exceptions.terms import due_at, loosens
from tripartite.core.findings import Finding
from tripartite.core.money import Amount

AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)  # a Tuesday, ten o'clock in Berlin
CALENDAR, ZONE = estate().calendar_of("DE01") or (None, "")
OVER = Finding("match.quantity_over_received", 2, Amount("100.00"), "12", "10", "EA", "Line 2 bills 12 of 10.", "S2")
PRICE = Finding("match.price_over_limit", 1, Amount("16.00"), "4", "2", "percent", "Line 1 is 4 % too dear.", "S5")


def context(**changes: Any) -> Context:
    assert CALENDAR is not None
    known: dict[str, Any] = {
        "company_code": "DE01",
        "object_kind": "invoice",
        "object_id": "inv_1",
        "object_version": 1,
        "content_hash": "c1",
        "currency": "EUR",
        "gross": Amount("1190.00"),
        "computed_from": "h1",
        "policy_release": "p1",
        "code_version": "v1",
        "calendar": CALENDAR,
        "time_zone": ZONE,
        "supplier_id": "sup_1",
        "connection": "capture",
        "causation_id": "msg_1",
        "line_amounts": {1: Amount("400.00"), 2: Amount("600.00")},
        "order_of_line": {1: "PO-1", 2: "PO-1"},
    }
    return Context(**known | changes)


def opened(*findings: Finding, **changes: Any) -> tuple[ExceptionRecord, ...]:
    return reconcile((), findings, context(**changes), AT).opened


def later(records: tuple[ExceptionRecord, ...], *findings: Finding, **changes: Any) -> Changes:
    return reconcile(
        records, findings, context(computed_from="h2", causation_id="msg_2", **changes), AT + timedelta(hours=3)
    )


def test_a_finding_opens_an_exception_with_owner_due_time_and_next_action() -> None:
    (entry,) = opened(OVER)
    assert (entry.state, entry.owner_role, entry.severity, entry.blocks) == ("open", "receiving", "high", "posting")
    assert entry.waits_for == ("receipt_posted", "receipt_requeried", "credit_posted")
    assert entry.due_at == datetime(2026, 11, 26, 15, 0, tzinfo=UTC)
    assert "a receipt of these lines" in entry.next_action
    assert "2026-11-26 15:00Z" in entry.next_action
    assert (entry.money_at_risk, entry.value_held) == (Amount("100.00"), Amount("1190.00"))
    assert (entry.event.kind, entry.event.actor, entry.policy_row) == ("opened", "engine", "")


@pytest.mark.parametrize("code", list(reasons()))
def test_no_open_exception_is_without_a_next_action(code: str) -> None:
    (entry,) = opened(Finding(code), speaks_for=frozenset([code]))
    assert entry.next_action.strip()
    assert (entry.due_at is None) == (reason(code).sla_hours in ("none", "discount_date"))


def test_unchanged_inputs_write_nothing() -> None:
    first = opened(OVER, PRICE)
    again = reconcile(first, (OVER, PRICE), context(), AT + timedelta(hours=1))
    assert again.written == ()
    assert set(again.open) == set(first)


def test_a_new_fact_judges_anew_under_the_same_id_and_due_time() -> None:
    first = opened(OVER)
    less = Finding("match.quantity_over_received", 2, Amount("50.00"), "11", "10", "EA")
    (entry,) = later(first, less).re_evaluated
    assert (entry.exception_id, entry.version, entry.due_at) == (first[0].exception_id, 2, first[0].due_at)
    assert (entry.money_at_risk, entry.computed_from) == (Amount("50.00"), "h2")


def test_the_fact_that_clears_it_is_named() -> None:
    (entry,) = later(opened(OVER)).cleared
    assert (entry.state, entry.resolution, entry.event.kind) == ("cleared", "cleared by msg_2", "cleared")
    assert entry.waits_for == ()


def test_a_problem_that_returns_is_a_new_opening_that_names_the_earlier_one() -> None:
    first = opened(OVER)
    cleared = later(first).cleared
    (again,) = later((*first, *cleared), OVER).opened
    assert (again.opening, again.earlier) == (2, first[0].exception_id)
    assert again.exception_id != first[0].exception_id


def test_a_match_does_not_clear_what_a_delivery_opened() -> None:
    posting = opened(Finding("posting.rejected"), speaks_for=frozenset(["posting"]))
    assert later(posting).written == ()


def test_two_findings_of_one_key_are_one_exception_with_the_larger_sum_and_all_words() -> None:
    (entry,) = opened(PRICE, Finding("match.price_over_limit", 1, Amount("40.00"), words="Dearer still."))
    assert entry.money_at_risk == Amount("40.00")
    assert entry.words == "Dearer still. Line 1 is 4 % too dear."


def test_money_at_risk_is_the_whole_document_where_money_may_leave_wrongly() -> None:
    (entry,) = opened(Finding("duplicate.probable"))
    assert entry.money_at_risk == Amount("1190.00")


def test_money_at_risk_counts_the_discount_that_a_hold_would_lose() -> None:
    (entry,) = opened(PRICE, discount=Amount("20.00"), discount_on=date(2026, 12, 1))
    assert entry.money_at_risk == Amount("36.00")


def test_what_is_not_measured_risks_its_line() -> None:
    (entry,) = opened(Finding("reference.line_unmatched", 2))
    assert entry.money_at_risk == Amount("600.00")


def test_documents_held_by_one_missing_word_share_a_cause() -> None:
    missing = Finding("integration.mapping_missing", breach="unit:Stk")
    one, other = (opened(missing, object_id=name)[0].cause_key for name in ("inv_1", "inv_2"))
    assert one == other == "mapping:capture:unit:Stk"


# Acts -----------------------------------------------------------------------------------------------------------

BUYER = Person("Birgit Aalto", ("buyer",), Amount("5000.00"))


def test_a_release_needs_a_reason_a_role_a_limit_and_the_content_that_was_seen() -> None:
    (entry,) = opened(PRICE)
    done = release(entry, BUYER, "agreed by phone", AT, "c1")
    assert isinstance(done, ExceptionRecord)
    assert (done.state, done.released_up_to, done.released_by) == ("released", Amount("16.00"), ("Birgit Aalto",))


# Each row: who, why, the content seen, the code of the refusal.
NOT_ALLOWED = [
    (BUYER, " ", "c1", "document.field_missing"),
    (BUYER, "fine", "c0", "approval.changed_after"),
    (Person("Al", ("ap",), Amount("5000.00")), "fine", "c1", "access.not_permitted"),
    (Person("Bo", ("buyer",), Amount("15.99")), "fine", "c1", "control.override_over_limit"),
    (Person("Bo", ("buyer",), None), "fine", "c1", "control.override_over_limit"),
    (Person("Bo", ("buyer",), Amount("99"), frozenset(["invoice entry"])), "fine", "c1", "control.duties_in_conflict"),
]


@pytest.mark.parametrize(("who", "why", "seen", "code"), NOT_ALLOWED)
def test_a_release_is_refused_with_its_code(who: Person, why: str, seen: str, code: str) -> None:
    done = release(opened(PRICE)[0], who, why, AT, seen)
    assert isinstance(done, NotAllowed)
    assert done.code == code


def test_what_only_a_fact_ends_cannot_be_released() -> None:
    (entry,) = opened(Finding("supplier.mismatch"))
    keeper = Person("Sam", ("supplier_master",), Amount("99999"))
    assert isinstance(release(entry, keeper, "trust me", AT, "c1"), NotAllowed)


def test_two_persons_means_two_different_persons() -> None:
    (entry,) = opened(Finding("duplicate.probable"))
    one, other = (Person(name, ("ap",), Amount("9999")) for name in ("Ann", "Ben"))
    assert isinstance(release(entry, one, "other period", AT, "c1"), NotAllowed)
    assert isinstance(release(entry, one, "other period", AT, "c1", second=one), NotAllowed)
    done = release(entry, one, "other period", AT, "c1", second=other)
    assert isinstance(done, ExceptionRecord)
    assert done.released_by == ("Ann", "Ben")


def test_a_released_finding_stays_overridden_while_the_document_is_the_same() -> None:
    done = release(opened(PRICE)[0], BUYER, "agreed", AT, "c1")
    assert isinstance(done, ExceptionRecord)
    assert standing_releases((done,), (PRICE, OVER), context(computed_from="h2")) == {(1, PRICE.code)}
    changes = later((done,), PRICE)
    assert (changes.open, changes.overridden) == ((), (PRICE,))


def test_a_changed_document_opens_the_released_key_again() -> None:
    done = release(opened(PRICE)[0], BUYER, "agreed", AT, "c1")
    assert isinstance(done, ExceptionRecord)
    assert [entry.opening for entry in later((done,), PRICE, content_hash="c2").opened] == [2]


def test_a_release_does_not_cover_more_money_than_was_released() -> None:
    done = release(opened(PRICE)[0], BUYER, "agreed", AT, "c1")
    assert isinstance(done, ExceptionRecord)
    dearer = Finding("match.price_over_limit", 1, Amount("16.01"))
    assert standing_releases((done,), (dearer,), context()) == frozenset()
    assert [entry.opening for entry in later((done,), dearer).opened] == [2]


def test_a_release_with_a_discount_covers_the_exposure_it_was_given_for() -> None:
    (entry,) = opened(PRICE, discount=Amount("20.00"))
    done = release(entry, BUYER, "agreed", AT, "c1")
    assert isinstance(done, ExceptionRecord)
    assert done.released_up_to == Amount("16.00")
    assert later((done,), PRICE).overridden == (PRICE,)


def test_every_end_is_final() -> None:
    (entry,) = opened(PRICE)
    ends = [
        release(entry, BUYER, "agreed", AT, "c1"),
        refuse(entry, BUYER, "not ours", AT),
        supersede(entry, "inv_9", AT),
        later((entry,)).cleared[0],
    ]
    for ended in ends:
        assert isinstance(ended, ExceptionRecord)
        assert MOVES[ended.state] == frozenset()
        assert isinstance(refuse(ended, BUYER, "not ours", AT), NotAllowed)
        assert isinstance(release(ended, BUYER, "agreed", AT, "c1"), NotAllowed)
        assert isinstance(take(ended, BUYER, AT), NotAllowed)
        assert isinstance(pause(ended, "waiting_supplier", "Bo", AT), NotAllowed)
        assert isinstance(supersede(ended, "inv_9", AT), NotAllowed)


def test_a_pause_gives_back_the_business_time_that_was_left() -> None:
    assert CALENDAR is not None
    (entry,) = opened(PRICE)  # 24 business hours from Tuesday 10:00
    stopped = pause(entry, "waiting_supplier", "Bo", AT + timedelta(hours=2))
    assert isinstance(stopped, ExceptionRecord)
    assert entry.due_at is not None
    assert not is_overdue(stopped, entry.due_at + timedelta(days=30)), "while it stands still nothing is late"
    week_later = AT + timedelta(days=7, hours=2)
    running = resume(stopped, "Bo", week_later, CALENDAR, ZONE)
    assert isinstance(running, ExceptionRecord)
    assert running.due_at == entry.due_at + timedelta(days=7)
    assert isinstance(resume(running, "Bo", week_later, CALENDAR, ZONE), NotAllowed)


def test_on_the_due_time_the_next_role_is_told_once() -> None:
    (entry,) = opened(OVER)
    terms = terms_of(reason(OVER.code), Override(escalate_to="buyer"))
    assert entry.due_at is not None
    assert escalate(entry, terms, entry.due_at - timedelta(seconds=1)) is None
    told = escalate(entry, terms, entry.due_at)
    assert told is not None
    assert told.also_roles == ("buyer",)
    assert told.next_action.startswith("Overdue, the buyer is told.")
    assert escalate(told, terms, entry.due_at + timedelta(days=1)) is None


def test_a_policy_may_raise_a_severity_and_never_lower_one() -> None:
    duplicate = reason("duplicate.exact")
    assert terms_of(duplicate, Override(severity="low")).severity == "critical"
    assert terms_of(reason("match.price_over_limit"), Override(severity="critical")).severity == "critical"
    assert loosens(duplicate, Override(severity="low", release="owner", blocks="nothing")) == (
        "severity",
        "blocks",
        "release",
    )


@given(
    st.sampled_from(list(reasons())),
    st.sampled_from(["low", "medium", "high", "critical", "catalogue"]),
    st.sampled_from(["posting", "payment", "nothing", "catalogue"]),
    st.sampled_from(["no", "owner", "two", "catalogue"]),
)
def test_no_override_ever_loosens_the_catalogue(code: str, severity: Any, blocks: Any, release_word: Any) -> None:
    entry = reason(code)
    terms = terms_of(entry, Override(severity=severity, blocks=blocks, release=release_word))
    order = {"severity": ["low", "medium", "high", "critical"], "blocks": ["nothing", "payment", "posting"]}
    assert order["severity"].index(terms.severity) >= order["severity"].index(entry.severity)
    assert order["blocks"].index(terms.blocks) >= order["blocks"].index(entry.blocks)
    assert ["owner", "two", "no"].index(terms.release) >= ["owner", "two", "no"].index(entry.release)


def test_the_discount_date_ends_at_midnight_where_the_company_is() -> None:
    assert CALENDAR is not None
    due = due_at(AT, "discount_date", CALENDAR, ZONE, date(2026, 12, 1))
    assert due == datetime(2026, 12, 1, 23, 0, tzinfo=UTC)


def test_what_the_open_exceptions_stop() -> None:
    assert open_blocks(opened(PRICE, Finding("terms.early", 1))) == {"posting", "payment"}
    assert open_blocks(opened(Finding("match.price_under_limit", 1))) == frozenset()


_FINDINGS = st.lists(
    st.sampled_from([OVER, PRICE, Finding("duplicate.probable"), Finding("terms.early", 1)]), max_size=4
)


@given(st.lists(_FINDINGS, min_size=1, max_size=6))
def test_over_any_history_one_exception_is_open_per_key_and_exactly_the_findings_are_open(
    history: list[list[Finding]],
) -> None:
    records: list[ExceptionRecord] = []
    for step, findings in enumerate(history):
        changes = reconcile(records, findings, context(computed_from=f"h{step}"), AT + timedelta(hours=step))
        records.extend(changes.written)
        latest = {entry.exception_id: entry for entry in records}
        open_keys = [entry.key for entry in latest.values() if entry.is_open]
        assert sorted(open_keys) == sorted({("inv_1", entry.line, entry.code) for entry in findings})
        assert {entry.exception_id for entry in changes.open} == {e.exception_id for e in latest.values() if e.is_open}
