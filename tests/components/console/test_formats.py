"""How numbers, money, dates and names are shown: exact, in the reader's digits, with nothing hidden."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripartite.components.console.formats import (
    Formats,
    exact,
    indented,
    instant,
    reader_locale,
    reader_zone,
    visible,
)

NOW = datetime(2026, 11, 24, 8, 41, 12, tzinfo=UTC)
ENGLISH = Formats("en", "Europe/Berlin", NOW)
GERMAN = Formats("de", "Europe/Berlin", NOW)


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("16924", "EUR", "EUR\u00a016,924.00"),
        ("-348.5", "EUR", "EUR\u00a0−348.50"),
        ("1200000", "JPY", "JPY\u00a01,200,000"),
        ("12.345", "KWD", "KWD\u00a012.345"),
        ("0.0034", "EUR", "EUR\u00a00.0034"),
        ("0", "EUR", "EUR\u00a00.00"),
        (None, "EUR", ""),
        ("999999999999999.99", "EUR", "EUR\u00a0999,999,999,999,999.99"),
    ],
)
def test_an_amount_has_its_currencys_own_decimals_and_is_never_shortened(
    amount: str | None, currency: str, shown: str
) -> None:
    assert ENGLISH.money(amount, currency) == shown


def test_digits_are_grouped_as_the_reader_writes_them() -> None:
    assert GERMAN.money("16924.00", "EUR") == "EUR\u00a016.924,00"
    assert ENGLISH.amount("348", "EUR", sign=True) == "+348.00"
    assert GERMAN.amount("-348", "EUR", sign=True) == "−348,00"
    assert ENGLISH.price("0.00001234", "EUR") == "0.00001234"
    assert ENGLISH.percent(Fraction(348, 7680)) == "+4.53\u00a0%"


def test_a_ratio_without_an_end_says_that_it_is_rounded() -> None:
    assert ENGLISH.number("100/3") == "≈33.333333"
    assert ENGLISH.number("1/4") == "0.25"
    assert ENGLISH.number("not a number") == "not a number"
    assert exact("1/0") is None


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=Decimal("-1e15"), max_value=Decimal("1e15"))
)
def test_what_is_shown_reads_back_as_what_was_stored(amount: Decimal) -> None:
    shown = ENGLISH.amount(amount, "EUR")
    assert Decimal(shown.replace(",", "").replace("−", "-")) == amount


def test_a_business_date_never_shifts_with_the_zone() -> None:
    tokyo = Formats("en", "Asia/Tokyo", NOW)
    assert tokyo.date("2026-11-16") == ENGLISH.date(date(2026, 11, 16)) == "16\u00a0Nov 2026"
    assert ENGLISH.short_date("2026-11-16") == "16\u00a0Nov"
    assert ENGLISH.short_date("2025-11-16") == "16\u00a0Nov 2025"
    assert ENGLISH.days_until("2026-12-16") == "in 22\u00a0d"
    assert ENGLISH.days_until("2026-11-24") == "today"
    assert ENGLISH.days_until("2026-11-20") == "4\u00a0d ago"


def test_an_instant_is_in_the_readers_zone_with_the_same_utc_behind_it() -> None:
    at = "2026-11-19T23:20:18.000001+00:00"
    tokyo = Formats("en", "Asia/Tokyo", NOW)
    assert "20\u00a0Nov 00:20:18" in ENGLISH.time(at)
    assert "20\u00a0Nov 08:20:18" in tokyo.time(at)
    for each in (ENGLISH, tokyo):
        assert 'datetime="2026-11-19T23:20:18Z"' in each.time(at)
        assert 'title="2026-11-19 23:20:18 UTC"' in each.time(at)
    assert ENGLISH.clock(at) == "00:20:18 CET"
    assert instant("2026-11-19T23:20:18") == datetime(2026, 11, 19, 23, 20, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (timedelta(seconds=-12), "12\u00a0s ago"),
        (timedelta(minutes=4), "in 4\u00a0min"),
        (timedelta(hours=-51), "2\u00a0d ago"),
        (timedelta(hours=3), "in 3\u00a0h"),
        (timedelta(), "now"),
    ],
)
def test_how_long_ago_is_said_in_one_unit(away: timedelta, said: str) -> None:
    assert ENGLISH.ago(NOW + away) == said


def test_characters_that_hide_or_turn_the_text_are_written_out() -> None:
    assert visible("Au\u202erum\u200b") == "Au⟨U+202E⟩rum⟨U+200B⟩"
    assert visible("Zażółć gęślą 株式会社\n\t") == "Zażółć gęślą 株式会社\n\t"


def test_a_reader_gets_a_locale_and_zone_that_exist() -> None:
    assert reader_locale("", "de-AT,de;q=0.9,en;q=0.8") == "de"
    assert reader_locale("pl", "de") == "pl"
    assert reader_locale("xx", "zz, ../../etc/passwd") == "en"
    assert reader_zone("Mars/Olympus", ["Europe/Warsaw"]) == "Europe/Warsaw"
    assert reader_zone("../../etc/passwd", []) == "UTC"


@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), st.lists, max_leaves=9))
def test_indenting_json_adds_white_space_and_nothing_else(value: object) -> None:
    text = json.dumps(value)
    assert json.loads(indented(text, "application/json")) == value


def test_indenting_xml_keeps_every_character_that_is_not_space_between_tags() -> None:
    text = '<?xml version="1.0"?><a><b x="1">t &lt; u</b><c/></a>'
    shown = indented(text, "application/xml")
    assert shown.splitlines() == ['<?xml version="1.0"?>', "<a>", '  <b x="1">t &lt; u</b>', "  <c/>", "</a>"]
