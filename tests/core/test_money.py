"""Money: a narrow grammar, exact arithmetic, one named rounding, and a currency that cannot be lost."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripartite.core.money import (
    CURRENCIES,
    Amount,
    CurrencyInvalid,
    Money,
    NumberInvalid,
    Price,
    Rate,
    check_currency,
    minor_digits,
)

GOOD = ["0", "0.00", "1", "12.5", "-3.10", "0.000001", "999999999999999", "-999999999999999.999999"]
BAD = [
    *("", " ", "+1", "01", "00", ".5", "5.", "1,000.00", "1 000", "1_000", "1e3", "1E+3", "NaN", "sNaN", "Infinity"),
    *("-Infinity", "-0", "-0.00", "--1", "0x10", "１２", "١٢", "1\n", "\t1", "9" * 41),
]


@pytest.mark.parametrize("text", GOOD)
def test_a_plain_decimal_is_an_amount_and_is_exactly_what_it_says(text: str) -> None:
    amount = Amount.parse(text)
    assert isinstance(amount, Amount)
    assert format(amount, "f") == text


@pytest.mark.parametrize("text", [*BAD, "1.0000001", "1000000000000000"])
def test_anything_else_is_no_amount(text: str) -> None:
    with pytest.raises(NumberInvalid):
        Amount.parse(text)


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize("kind", [Price, Rate])
def test_what_is_no_number_is_no_price_and_no_rate_either(kind: type[Price] | type[Rate], text: str) -> None:
    with pytest.raises(NumberInvalid):
        kind.parse(text)


@pytest.mark.parametrize("value", [1, 1.5, Decimal(1), None, True, b"1", ["1"]])
def test_only_text_is_read_as_a_number(value: object) -> None:
    with pytest.raises(NumberInvalid, match="must be a string"):
        Amount.parse(value)


@given(st.text(max_size=30))
def test_no_text_makes_the_grammar_fail_in_another_way(text: str) -> None:
    try:
        amount = Amount.parse(text)
    except NumberInvalid:
        return
    assert amount.is_finite()
    assert text.isascii()


def test_prices_keep_the_many_decimals_some_suites_send() -> None:
    assert format(Price.parse("0.00000000000000000001"), "f") == "0.00000000000000000001"
    with pytest.raises(NumberInvalid):
        Price.parse("0.000000000000000000001")


@pytest.mark.parametrize(
    ("currency", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("HUF", 2), ("ISK", 0), ("TND", 3)]
)
def test_a_currency_has_its_own_decimals(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits
    smallest = Money(1, currency).decimal()
    assert smallest == Decimal(1).scaleb(-digits)
    assert Money.of(smallest, currency) == Money(1, currency)
    with pytest.raises(NumberInvalid):
        Money.of(smallest / 10, currency)


@pytest.mark.parametrize("code", ["XXX", "XTS", "eur", "EURO", "", "XAU", None, 978, "ＥＵＲ"])
def test_what_is_no_currency_of_payment_is_refused(code: object) -> None:
    with pytest.raises(CurrencyInvalid):
        check_currency(code)


def test_every_currency_is_three_capital_letters() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)
    assert {"EUR", "USD", "PLN", "JPY", "KWD"} <= CURRENCIES


@pytest.mark.parametrize(
    ("exact", "minor"),
    [
        (Fraction("0.005"), 0),
        (Fraction("0.015"), 2),
        (Fraction("0.025"), 2),
        (Fraction("-0.005"), 0),
        (Fraction("-0.015"), -2),
        (Fraction(1, 3), 33),
        (Fraction("0.0050000001"), 1),
    ],
)
def test_rounding_is_half_even_and_happens_once(exact: Fraction, minor: int) -> None:
    assert Money.rounded(exact, "EUR") == Money(minor, "EUR")


@given(st.integers(-(10**20), 10**20), st.integers(-(10**20), 10**20))
def test_sums_are_exact_at_any_size(one: int, other: int) -> None:
    total = Money(one, "EUR") + Money(other, "EUR")
    assert total.minor == one + other
    assert total - Money(other, "EUR") == Money(one, "EUR")
    assert -total + total == Money(0, "EUR")
    assert Money.of(Money(one, "EUR").decimal(), "EUR").minor == one


def test_two_currencies_never_meet() -> None:
    euro, dollar = Money(1, "EUR"), Money(1, "USD")
    for act in (lambda: euro + dollar, lambda: euro - dollar, lambda: euro < dollar):
        with pytest.raises(AssertionError):
            act()
    assert euro != dollar
    assert hash(euro) != hash(dollar)
    assert str(Money(150, "JPY")) == "150 JPY"
    assert str(Money(-5, "KWD")) == "-0.005 KWD"
