"""Business time: the weekly hours and holidays of a company's calendar, in its time zone.

SLA hours are business hours; this file adds and measures them. It knows nothing of exceptions and holds no clock:
instants come in as arguments, in UTC, and go out in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FURTHEST_DAYS = 3660  # a due time further away than ten years is a mistake of the calendar
_SPAN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])\Z")


class Calendar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weekly working hours and holidays. A day's hours are spans `08:00-12:00 13:00-17:00`, or the word `closed`.

    Times are wall-clock times of the company's own zone; the end is exclusive, `24:00` is midnight.
    """

    name: str
    mon: str
    tue: str
    wed: str
    thu: str
    fri: str
    sat: str
    sun: str
    holidays: tuple[date, ...] = ()


def spans(hours: str) -> tuple[tuple[int, int], ...] | None:
    """A day's hours as minutes since midnight, ascending and apart; None where the text is not hours."""
    if hours == "closed":
        return ()
    found: list[tuple[int, int]] = []
    for part in hours.split():
        match = _SPAN.match(part)
        if match is None:
            return None
        start_hour, start_minute, end_hour, end_minute = (int(group) for group in match.groups())
        start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
        if start >= end or end > 24 * 60:
            return None
        found.append((start, end))
    if not found or any(later[0] < earlier[1] for earlier, later in pairwise(found)):
        return None
    return tuple(found)


def is_business_day(calendar: Calendar, day: date) -> bool:
    """Whether the calendar opens on this day at all."""
    return day not in calendar.holidays and bool(spans(getattr(calendar, WEEKDAYS[day.weekday()])))


def business_day_from(calendar: Calendar, day: date) -> date | None:
    """The first business day on or after `day`; None where the calendar never opens within ten years."""
    for ahead in range(FURTHEST_DAYS):
        if is_business_day(calendar, day + timedelta(days=ahead)):
            return day + timedelta(days=ahead)
    return None


@lru_cache(maxsize=4096)
def _windows(calendar: Calendar, zone: str, day: date) -> tuple[tuple[datetime, datetime], ...]:
    if day in calendar.holidays:
        return ()
    hours = spans(getattr(calendar, WEEKDAYS[day.weekday()])) or ()
    return tuple((_instant(day, start, zone), _instant(day, end, zone)) for start, end in hours)


def _instant(day: date, minute: int, zone: str) -> datetime:
    # Wall-clock to UTC, so that a day with a clock change has the hours that people really worked.
    wall = datetime.combine(day, time(), ZoneInfo(zone)) if minute == 0 else None
    if wall is None:
        carried, rest = divmod(minute, 24 * 60)
        wall = datetime.combine(day + timedelta(days=carried), time(rest // 60, rest % 60), ZoneInfo(zone))
    return wall.astimezone(UTC)


def add_business_time(start: datetime, amount: timedelta, calendar: Calendar, zone: str) -> datetime | None:
    """The instant at which `amount` of business time has passed since `start`.

    Unit: business time of `calendar` in time zone `zone`; no rounding. Zero gives the start, or the next opening.
    None where the calendar never opens (every day closed) within ten years.
    """
    assert start.tzinfo is not None, "instants carry their zone"
    left = amount
    day = start.astimezone(ZoneInfo(zone)).date()
    for _ in range(FURTHEST_DAYS):
        for opens, closes in _windows(calendar, zone, day):
            begin = max(opens, start)
            if begin >= closes:
                continue
            if left <= closes - begin:
                return begin + left
            left -= closes - begin
        day += timedelta(days=1)
    return None


def business_time_between(start: datetime, end: datetime, calendar: Calendar, zone: str) -> timedelta:
    """How much business time lies between two instants; zero where `end` is not after `start`."""
    assert start.tzinfo is not None
    assert end.tzinfo is not None
    total = timedelta()
    day = start.astimezone(ZoneInfo(zone)).date()
    last = end.astimezone(ZoneInfo(zone)).date()
    while day <= last:
        for opens, closes in _windows(calendar, zone, day):
            begin, stop = max(opens, start), min(closes, end)
            if begin < stop:
                total += stop - begin
        day += timedelta(days=1)
    return total
