"""SAP's hard words, one function each: ALPHA numbers, `/Date()/`, decimals as strings, flags, units of measure.

Pure translation of single values; whole documents are in reading.py and writing.py.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

from tripartite.connectors.sap_s4hana import wire
from tripartite.core.codec import Malformed
from tripartite.core.money import minor_digits
from tripartite.runtime.protocol import Unwritable

T = TypeVar("T")

_EPOCH = date(1970, 1, 1)
_TICKS = re.compile(r"/Date\((-?[0-9]{1,16})(?:[+-][0-9]{4})?\)/\Z")
_TIME = re.compile(r"PT(?:([0-9]{1,2})H)?(?:([0-9]{1,2})M)?(?:([0-9]{1,2})(?:\.[0-9]+)?S)?\Z")


def unpadded(number: str | None) -> str:
    """A number without ALPHA's leading zeros: `0010300080` is `10300080`. What is not all digits is never padded by
    SAP and stays as it is. Use it on both sides of any comparison.
    """
    if not number:
        return ""
    if number[0] == "0" and number.isascii() and number.isdigit():
        return number.lstrip("0") or "0"
    return number


def padded(number: str, length: int = 10) -> str:
    """A number as SAP stores it: digits filled with zeros to `length`, anything else untouched."""
    return number.zfill(length) if number.isascii() and number.isdigit() else number


def reference_number(text: str | None) -> str:
    """A supplier's own number as SAP stores it: in upper case, without blanks around it. A letter whose capital would
    be two (`ß`) stays, as it does there. Use it on both sides of any comparison.
    """
    if not text:
        return ""
    text = text.strip()
    return text.upper() if text.isascii() else "".join(c if len(c.upper()) > 1 else c.upper() for c in text)


def number_of(text: str | None) -> int:
    """An item number as an integer: `00010` and `10` are 10; nothing is 0. Errors: `Malformed`."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise Malformed("intake.value_out_of_range", f"{text[:20]!r} is not an item number")
    return int(text)


def whole(text: str | None) -> int:
    """A decimal that counts something as an integer: `1`, `100` and `1.000`; nothing is 0. Errors: `Malformed`."""
    if not text:
        return 0
    number, _, rest = text.partition(".")
    if rest.strip("0"):
        raise Malformed("intake.value_out_of_range", f"{text[:20]!r} is not a whole number")
    return number_of(number)


def day(text: str | None) -> date | None:
    """The date of `/Date(ms)/`: midnight UTC of a local date, so it is never shifted by a zone. Nothing is None; the
    ISO form, which event brokers pass on, is read too. Errors: `Malformed`.
    """
    if not text:
        return None
    match = _TICKS.match(text)
    try:
        if match:
            return _EPOCH + timedelta(days=int(match[1]) // 86_400_000)
        return date.fromisoformat(text[:10])
    except (ValueError, OverflowError):
        raise Malformed("intake.value_out_of_range", f"{text[:40]!r} is not a date") from None


@lru_cache(maxsize=4096)
def ticks(value: date) -> str:
    """A date as V2 writes it: `/Date(ms)/` of its midnight in UTC."""
    return f"/Date({(value - _EPOCH).days * 86_400_000})/"


def milliseconds(text: str | None) -> int:
    """The instant of `/Date(ms+0000)/` in milliseconds since 1970; 0 for nothing. Errors: `Malformed`."""
    if not text:
        return 0
    if match := _TICKS.match(text):
        return int(match[1])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed("intake.value_out_of_range", f"{text[:40]!r} is not an instant") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def seconds(text: str | None) -> int:
    """The seconds of the day of an Edm.Time such as `PT10H05M00S`; 0 for nothing. Errors: `Malformed`."""
    if not text:
        return 0
    match = _TIME.match(text)
    if match is None:
        raise Malformed("intake.value_out_of_range", f"{text[:40]!r} is not a time of day")
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest


def stated(text: str | None) -> str | None:
    """A decimal string, or None where SAP says nothing. `1.500-`, the sign behind as some reports have it, is read."""
    if not text:
        return None
    text = text.strip()
    if text.endswith("-"):
        text = "-" + text[:-1]
    return text or None


def initial(text: str | None) -> bool:
    """Whether a decimal is SAP's initial value: absent or zero, which in an optional field means not set."""
    return not text or not text.strip("0.- ")


def money(amount: Decimal, currency: str, pointer: str, *, negative: bool = False) -> str:
    """`amount` in `currency` as an Edm.Decimal(14,3): exactly the currency's decimals (JPY 0, EUR 2, KWD 3).

    Sign: positive; direction is told by flags, so a negative amount is refused unless `negative`.
    Rounding: none. Errors: `Unwritable` where the amount is finer than the currency, or larger than the field.
    """
    text = format(amount, "f")
    whole, _, rest = text.partition(".")
    digits = minor_digits(currency)
    if digits > 3:
        raise Unwritable("posting.unwritable", pointer, f"{currency} has {digits} decimals and SAP's amounts have 3")
    if len(rest) != digits:
        if len(rest) > digits and rest[digits:].strip("0"):
            raise Unwritable("posting.unwritable", pointer, f"{text} is finer than {currency} allows")
        rest = rest[:digits].ljust(digits, "0")
    if whole[0] == "-":
        if not negative:
            raise Unwritable("posting.unwritable", pointer, f"{text} is negative; SAP tells direction by a flag")
        if not whole.strip("-0") and not rest.strip("0"):
            whole = "0"
    if len(whole.lstrip("-")) > 11:
        raise Unwritable("posting.unwritable", pointer, f"{text} has more than 11 digits before the point")
    return f"{whole}.{rest}" if digits else whole


def quantity(value: Decimal, pointer: str) -> str:
    """A quantity as an Edm.Decimal(13,3). Rounding: none. Errors: `Unwritable` where it does not fit exactly."""
    text = format(value, "f")
    whole, _, rest = text.partition(".")
    if rest[3:].strip("0"):
        raise Unwritable("posting.unwritable", pointer, f"{text} has more than the 3 decimals of SAP's quantities")
    if whole[0] == "-" or len(whole) > 10:
        raise Unwritable("posting.unwritable", pointer, f"{text} is not a quantity of at most 10 digits")
    return f"{whole}.{rest[:3]}" if rest[:3] else whole


# SAP's commercial unit (as the services speak it in English, and the internal one) -> UN/ECE Recommendation 20, one to
# one, so that the way back is exact. What is not here passes as stated: the mapping table of the estate knows it.
_TO_UNECE = {
    "PC": "H87",
    "ST": "H87",
    "EA": "EA",
    "KG": "KGM",
    "G": "GRM",
    "TO": "TNE",
    "L": "LTR",
    "M": "MTR",
    "CM": "CMT",
    "KM": "KMT",
    "M2": "MTK",
    "M3": "MTQ",
    "H": "HUR",
    "HR": "HUR",
    "STD": "HUR",
    "HUR": "HUR",
    "MIN": "MIN",
    "DAY": "DAY",
    "TAG": "DAY",
    "MON": "MON",
    "KWH": "KWH",
    "PAA": "PR",
    "DZ": "DZN",
}
_TO_ISO = {"H87": "PCE", **{code: code for code in _TO_UNECE.values() if code != "H87"}}


def unit(text: str | None) -> str:
    """SAP's unit as a Recommendation 20 code where the table has it; else as stated. `PC` and `ST` are `H87`."""
    return _TO_UNECE.get(text, text) if text else ""


_TO_SAP = {"EA": "EA", "HUR": "H"} | {
    code: sap for sap, code in reversed(_TO_UNECE.items()) if code not in ("EA", "HUR")
}


def sap_unit(code: str) -> str:
    """The unit of an order item, which takes SAP's own only: `H87` is `PC`, `KGM` is `KG`; else as stated."""
    return _TO_SAP.get(code, code)


def iso_unit(code: str) -> str | None:
    """The ISO code SAP accepts beside its own units (`H87` is `PCE` there); None for what did not come from SAP's
    standard units and is sent as the external unit.
    """
    return _TO_ISO.get(code)


def many(children: wire.Many[T] | list[T] | None) -> list[T] | None:
    """The children that came with a document; None where only a link did, so that none is told from not asked."""
    if isinstance(children, wire.Many):
        return children.results
    return children
