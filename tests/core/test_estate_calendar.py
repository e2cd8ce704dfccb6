"""Business hours: added and measured in the company's own time zone, over nights, weekends, holidays, clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripartite.core.estate import Calendar, add_business_time, business_time_between
from tripartite.core.estate.calendar import business_day_from, is_business_day, spans

WEEK = Calendar(
    name="office",
    mon="08:00-12:00 13:00-17:00",
    tue="08:00-12:00 13:00-17:00",
    wed="08:00-12:00 13:00-17:00",
    thu="08:00-12:00 13:00-17:00",
    fri="08:00-12:00",
    sat="closed",
    sun="closed",
    holidays=(date(2026, 12, 25),),
)
NEVER = Calendar(**{"name": "never", **dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "closed")})
ALWAYS = Calendar(
    **{"name": "always", **dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "00:00-24:00")}
)
ZONE = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CASES = [
    # opened (UTC), business hours, due (UTC), what it shows
    ("2026-11-23T08:00", 2, "2026-11-23T10:00", "within the morning"),
    ("2026-11-23T10:00", 2, "2026-11-23T13:00", "over the lunch hour"),
    ("2026-11-26T15:00", 2, "2026-11-27T08:00", "over the night"),
    ("2026-11-27T10:00", 2, "2026-11-30T08:00", "Friday noon to Monday"),
    ("2026-11-28T10:00", 0, "2026-11-30T07:00", "opened at the weekend, counts from Monday's opening"),
    ("2026-12-24T15:00", 2, "2026-12-28T08:00", "over a holiday and a weekend"),
    ("2026-03-27T10:00", 2, "2026-03-30T07:00", "over the change to summer time: 8 o'clock is 6 UTC"),
]


@pytest.mark.parametrize(("opened", "hours", "due", "shows"), CASES, ids=[case[3] for case in CASES])
def test_business_hours_are_added(opened: str, hours: int, due: str, shows: str) -> None:
    assert add_business_time(utc(opened), timedelta(hours=hours), WEEK, ZONE) == utc(due), shows


def test_a_calendar_that_never_opens_gives_no_due_time() -> None:
    assert add_business_time(utc("2026-11-23T08:00"), timedelta(hours=1), NEVER, ZONE) is None


def test_a_day_of_clock_change_has_the_hours_that_were_worked() -> None:
    assert business_time_between(utc("2026-03-28T23:00"), utc("2026-03-29T22:00"), ALWAYS, ZONE) == timedelta(hours=23)


@given(st.integers(0, 20_000), st.integers(0, 6_000))
def test_what_was_added_is_what_is_measured(minute: int, amount: int) -> None:
    start = utc("2026-11-20T00:00") + timedelta(minutes=minute)
    due = add_business_time(start, timedelta(minutes=amount), WEEK, ZONE)
    assert due is not None
    assert due >= start
    assert business_time_between(start, due, WEEK, ZONE) == timedelta(minutes=amount)


@pytest.mark.parametrize("text", ["", "8:00-12:00", "12:00-08:00", "08:00-12:00 11:00-13:00", "08:00-24:01", "open"])
def test_hours_that_mean_nothing_are_refused(text: str) -> None:
    assert spans(text) is None


def test_a_business_day_is_one_on_which_the_calendar_opens() -> None:
    assert is_business_day(WEEK, date(2026, 11, 20))
    assert not is_business_day(WEEK, date(2026, 11, 21))
    assert not is_business_day(WEEK, date(2026, 12, 25)), "a holiday on a Friday"
    assert business_day_from(WEEK, date(2026, 12, 25)) == date(2026, 12, 28)
    assert business_day_from(WEEK, date(2026, 11, 20)) == date(2026, 11, 20)
    assert business_day_from(NEVER, date(2026, 11, 20)) is None
