"""Subscribers in the estate: what is read, what is refused, what is never repeated."""

from __future__ import annotations

from datetime import date

import pytest

from core.estate_samples import TEXT, estate, findings
from tripartite.core.estate import load_estate

SUBSCRIBER = """
[[subscriber]]
name = "books"
url = "https://hooks.example.com/in"
events = ["invoice.*", "payment.executed"]
companies = ["DE01", "PL02"]
secrets = ["env:BOOKS_NEW", "env:BOOKS"]
from = 2026-12-01
"""


def test_a_subscriber_is_read_and_proved() -> None:
    text = TEXT + SUBSCRIBER
    assert findings(text) == []
    (books,) = estate(text).subscribers
    assert (books.name, books.valid_from, books.keep_hours) == ("books", date(2026, 12, 1), 75)
    assert books.hears_of("PL02")
    assert not books.hears_of("AT04")
    assert not books.hears_of("*")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('name = "books"', 'name = "sap"', "unique"),
        ('name = "books"', 'name = "Books"', "name"),
        ('"invoice.*"', '"invoice.lost"', "events"),
        ('events = ["invoice.*", "payment.executed"]', "events = []", "events"),
        ('["DE01", "PL02"]', '["XX99"]', "company"),
        ('["DE01", "PL02"]', "[]", "company"),
        ('["env:BOOKS_NEW", "env:BOOKS"]', "[]", "secrets"),
        ('["env:BOOKS_NEW", "env:BOOKS"]', '["env:A", "env:B", "env:C"]', "secrets"),
        ("from = 2026-12-01", "from = 2026-12-01\nkeep_hours = 0", "dates"),
        ("https://hooks", "http://hooks", "address"),
        ("example.com/in", "example.com:8443/in", "address"),
        ("hooks.example.com", "user:word@hooks.example.com", "address"),
        ("https://hooks.example.com/in", "ftp://hooks.example.com", "address"),
        ("https://hooks.example.com/in", "https://[::1", "address"),
    ],
)
def test_a_subscriber_that_does_not_hold_is_named_with_its_line(old: str, new: str, rule: str) -> None:
    assert old in SUBSCRIBER
    text = TEXT + SUBSCRIBER.replace(old, new)
    found = findings(text)
    assert [each.rule for each in found] == [rule], found
    assert found[0].line > TEXT.count("\n")


def test_a_subscriber_on_this_machine_is_for_development_only() -> None:
    text = TEXT + SUBSCRIBER.replace("https://hooks.example.com", "http://127.0.0.1:9000")
    assert findings(text) == []
    rules = [each.rule for each in findings(text.replace("loopback = true", "loopback = false"))]
    assert "address" in rules


def test_a_subscribers_secret_is_a_reference_and_is_never_repeated() -> None:
    wrong = load_estate(TEXT + SUBSCRIBER.replace('"env:BOOKS"]', '"whsec_c2VjcmV0"]'))
    assert isinstance(wrong, list)
    assert ["reference" in each.words for each in wrong] == [True]
    assert "c2VjcmV0" not in str(wrong)
