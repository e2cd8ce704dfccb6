"""Exact money: the grammar of amounts, prices and rates, and `Money` in minor units.

Three kinds of number touch money and each has its own grammar (security: "Money and text"). All are ASCII, have
no exponent, no sign but a leading minus, and never become a binary float:

    Amount    a sum of money as stated on a document, up to 6 decimals; its currency stands on the document
    Price     an amount per N units, up to 20 decimals (some procurement suites send that many)
    Rate      a percentage or an exchange rate, up to 12 decimals

`Money` is what the core computes with: an integer count of minor units and a currency that cannot be lost.
This file is not for quantities (quantity.py) and knows no tolerance (policy/).
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Self

_AMOUNT = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?\Z")
_PRICE = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,20})?\Z")
_RATE = re.compile(r"-?(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,12})?\Z")
LONGEST = 40  # characters; a longer text is refused before any pattern looks at it

# ISO 4217: minor digits where they are not 2. CLF and UYW have four.
_DIGITS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    "CLF": 4,
    "UYW": 4,
}
CURRENCIES = frozenset(
    [
        "AED",
        "AFN",
        "ALL",
        "AMD",
        "ANG",
        "AOA",
        "ARS",
        "AUD",
        "AWG",
        "AZN",
        "BAM",
        "BBD",
        "BDT",
        "BGN",
        "BHD",
        "BIF",
        "BMD",
        "BND",
        "BOB",
        "BRL",
        "BSD",
        "BTN",
        "BWP",
        "BYN",
        "BZD",
        "CAD",
        "CDF",
        "CHF",
        "CLF",
        "CLP",
        "CNY",
        "COP",
        "CRC",
        "CUP",
        "CVE",
        "CZK",
        "DJF",
        "DKK",
        "DOP",
        "DZD",
        "EGP",
        "ERN",
        "ETB",
        "EUR",
        "FJD",
        "FKP",
        "GBP",
        "GEL",
        "GHS",
        "GIP",
        "GMD",
        "GNF",
        "GTQ",
        "GYD",
        "HKD",
        "HNL",
        "HTG",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "IQD",
        "IRR",
        "ISK",
        "JMD",
        "JOD",
        "JPY",
        "KES",
        "KGS",
        "KHR",
        "KMF",
        "KPW",
        "KRW",
        "KWD",
        "KYD",
        "KZT",
        "LAK",
        "LBP",
        "LKR",
        "LRD",
        "LSL",
        "LYD",
        "MAD",
        "MDL",
        "MGA",
        "MKD",
        "MMK",
        "MNT",
        "MOP",
        "MRU",
        "MUR",
        "MVR",
        "MWK",
        "MXN",
        "MYR",
        "MZN",
        "NAD",
        "NGN",
        "NIO",
        "NOK",
        "NPR",
        "NZD",
        "OMR",
        "PAB",
        "PEN",
        "PGK",
        "PHP",
        "PKR",
        "PLN",
        "PYG",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "RWF",
        "SAR",
        "SBD",
        "SCR",
        "SDG",
        "SEK",
        "SGD",
        "SHP",
        "SLE",
        "SOS",
        "SRD",
        "SSP",
        "STN",
        "SVC",
        "SYP",
        "SZL",
        "THB",
        "TJS",
        "TMT",
        "TND",
        "TOP",
        "TRY",
        "TTD",
        "TWD",
        "TZS",
        "UAH",
        "UGX",
        "USD",
        "UYI",
        "UYU",
        "UYW",
        "UZS",
        "VED",
        "VES",
        "VND",
        "VUV",
        "WST",
        "XAF",
        "XCD",
        "XCG",
        "XOF",
        "XPF",
        "YER",
        "ZAR",
        "ZMW",
        "ZWG",
    ]
)


class NumberInvalid(ValueError):
    """A text that is not an amount, price, rate or quantity by our grammar. Code: `intake.amount_invalid`."""

    reason_code = "intake.amount_invalid"


class CurrencyInvalid(ValueError):
    """A currency that ISO 4217 does not list, or not in upper case. Code: `intake.value_out_of_range`."""

    reason_code = "intake.value_out_of_range"


def _checked(text: object, grammar: re.Pattern[str], what: str) -> str:
    if not isinstance(text, str):
        raise NumberInvalid(f"{what} must be a string, not {type(text).__name__}")
    if len(text) > LONGEST or grammar.match(text) is None:
        raise NumberInvalid(f"{what} {text[:LONGEST]!r} is not a plain decimal number")
    if text[0] == "-" and not text.strip("-0."):
        raise NumberInvalid(f"{what} minus zero")
    return text


class Amount(Decimal):
    """A sum of money as stated on a document, exact. Currency: the document's. Grammar: at most 6 decimals."""

    __slots__ = ()
    GRAMMAR: ClassVar[re.Pattern[str]] = _AMOUNT

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `text` by the amount grammar. Errors: `NumberInvalid`."""
        return cls(_checked(text, cls.GRAMMAR, "amount"))


class Price(Decimal):
    """An amount per `price_per` units, exact and never rounded. Grammar: at most 20 decimals."""

    __slots__ = ()
    GRAMMAR: ClassVar[re.Pattern[str]] = _PRICE

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `text` by the price grammar. Errors: `NumberInvalid`."""
        return cls(_checked(text, cls.GRAMMAR, "price"))


class Rate(Decimal):
    """A percentage (19 means 19 %) or an exchange rate, exact. Grammar: at most 12 decimals."""

    __slots__ = ()
    GRAMMAR: ClassVar[re.Pattern[str]] = _RATE

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `text` by the rate grammar. Errors: `NumberInvalid`."""
        return cls(_checked(text, cls.GRAMMAR, "rate"))


def minor_digits(currency: str) -> int:
    """Decimals of a currency by ISO 4217: JPY 0, EUR 2, KWD 3."""
    return _DIGITS.get(currency, 2)


def check_currency(code: object) -> str:
    """`code` if ISO 4217 lists it, in upper case. Errors: `CurrencyInvalid`. XXX and test codes are refused."""
    if not isinstance(code, str) or code not in CURRENCIES:
        raise CurrencyInvalid(f"currency {str(code)[:8]!r} is not an ISO 4217 code")
    return code


class Money:
    """An exact sum: `minor` units of one `currency`. Adding two currencies is our bug and asserts."""

    __slots__ = ("currency", "minor")

    def __init__(self, minor: int, currency: str) -> None:
        assert isinstance(minor, int)
        self.minor = minor
        self.currency = currency

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> Money:
        """`amount` as money. Errors: `NumberInvalid` if it has a non-zero digit beyond the currency's decimals."""
        scaled = Fraction(amount) * 10 ** minor_digits(currency)
        if scaled.denominator != 1:
            raise NumberInvalid(f"amount {amount} is finer than {currency} allows")
        return cls(scaled.numerator, currency)

    @classmethod
    def rounded(cls, exact: Fraction, currency: str) -> Money:
        """`exact` rounded once, half-even, to the currency's minor unit."""
        return cls(round(exact * 10 ** minor_digits(currency)), currency)

    def decimal(self) -> Decimal:
        """The sum in major units with exactly the currency's decimals."""
        return Decimal(self.minor).scaleb(-minor_digits(self.currency))

    def __add__(self, other: Money) -> Money:
        assert self.currency == other.currency, "two currencies are never added"
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        assert self.currency == other.currency, "two currencies are never subtracted"
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        assert self.currency == other.currency, "two currencies are never compared"
        return self.minor < other.minor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and (self.minor, self.currency) == (other.minor, other.currency)

    def __hash__(self) -> int:
        return hash((self.minor, self.currency))

    def __str__(self) -> str:
        return f"{self.decimal()} {self.currency}"

    def __repr__(self) -> str:
        return f"Money({self.decimal()} {self.currency})"
