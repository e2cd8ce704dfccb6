"""How long a vendor asks us to wait: a number, a date, or nonsense; never longer than a day."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tripartite.runtime.protocol import retry_after

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("17", 17.0),
        (" 2.5 ", 2.5),
        ("-5", 0.0),
        ("Fri, 20 Nov 2026 08:01:00 GMT", 60.0),
        ("Fri, 20 Nov 2026 08:01:00 -0000", 60.0),
        ("Fri, 20 Nov 2026 07:00:00 GMT", 0.0),
        ("31536000", 86_400.0),
        ("999999999999", 86_400.0),
        ("Sat, 20 Nov 2027 08:00:00 GMT", 86_400.0),
        ("", None),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("²", None),  # a digit to Unicode and none to a number
        ("١٧", None),
        ("1e3", None),
        ("Fri, 99 Nov 99999 08:01:00 GMT", None),
    ],
)
def test_a_wait_is_a_number_or_a_date_of_at_most_a_day(stated: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": stated}, NOW) == seconds


def test_a_vendor_that_says_nothing_names_no_wait() -> None:
    assert retry_after({}, NOW) is None
