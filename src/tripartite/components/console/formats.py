"""Numbers, money, dates and names as a reader sees them. Exact text in, exact text out: nothing passes through a float.

Not for computing: what is shown was computed by its owner. The words of the console are English, so dates are too;
the grouping of digits follows the reader's locale. One page has one time zone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal
from markupsafe import Markup

from tripartite.core.money import minor_digits

MINUS = "\u2212"
SPACE = "\u00a0"  # an amount and its currency stay on one line
LOCALES = ("en", "de", "fr", "pl")  # whose grouping of digits a reader may choose
_CONTROLS = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
_MOST_DECIMALS = 12
Day = date  # `Formats.date` shows one


def visible(text: str) -> str:
    """`text` with every character that hides or turns the reading direction written out, as `⟨U+202E⟩`.

    A supplier's name that reverses what follows it would otherwise change what an approver reads.
    """
    return _CONTROLS.sub(lambda found: f"\u27e8U+{ord(found[0]):04X}\u27e9", text)


def exact(text: str | None) -> Fraction | None:
    """A stored number (`12.50`, `100/3`) as an exact ratio; None where there is none, or it is no number."""
    try:
        return None if text is None or text == "" else Fraction(str(text))
    except (ValueError, ZeroDivisionError):
        return None


def instant(value: str | datetime | None) -> datetime | None:
    """An instant as the APIs write it; None where there is none."""
    if value is None or value == "":
        return None
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def day(value: str | date | None) -> date | None:
    """A business date as the APIs write it. It belongs to the company's calendar and never shifts with a zone."""
    if value is None or value == "":
        return None
    return value if isinstance(value, date) else date.fromisoformat(value[:10])


class Formats(msgspec.Struct, frozen=True):
    """How one reader sees numbers and instants: locale of the digits, time zone, and what is now."""

    locale: str
    zone: str
    now: datetime

    # Numbers

    def number(self, text: str | Decimal | Fraction | int | None, decimals: int | None = None, most: int = 6) -> str:
        """A number with the reader's grouping; U+2212 for minus; `decimals` at least, `most` at most.

        A ratio that has no end is rounded half-even to `most` decimals and marked with `≈`; nothing else is rounded
        unless it has more than `most` decimals.
        """
        value = text if isinstance(text, Fraction) else exact(None if text is None else str(text))
        if value is None:
            return "" if text is None else str(text)
        least = 0 if decimals is None else decimals
        scaled = round(value * 10**most)
        inexact = Fraction(scaled, 10**most) != value
        plain = Decimal(abs(scaled)).scaleb(-most)
        pattern = "#,##0" + ("." + "0" * least + "#" * max(0, most - least) if most else "")
        shown = format_decimal(plain, format=pattern, locale=Locale.parse(self.locale), decimal_quantization=False)
        return f"{'≈' if inexact else ''}{MINUS if scaled < 0 else ''}{shown}"

    def amount(self, text: str | Decimal | Fraction | None, currency: str, *, sign: bool = False) -> str:
        """An amount with the currency's own decimals (JPY 0, KWD 3), more where more are stated; no code.

        Sign: U+2212 where negative; `+` where `sign` is asked for and it is positive.
        """
        value = text if isinstance(text, Fraction) else exact(None if text is None else str(text))
        if value is None:
            return ""
        digits = minor_digits(currency)
        shown = self.number(value, digits, max(digits, 6))
        return f"+{shown}" if sign and value > 0 else shown

    def price(self, text: str | Fraction | None, currency: str) -> str:
        """A price: at least the currency's decimals, all that are stated."""
        value = text if isinstance(text, Fraction) else exact(text)
        return "" if value is None else self.number(value, minor_digits(currency), _MOST_DECIMALS)

    def money(self, text: str | Decimal | Fraction | None, currency: str) -> str:
        """`EUR 16,924.00`, on one line; empty where there is no amount."""
        shown = self.amount(text, currency)
        return f"{currency}{SPACE}{shown}" if shown else ""

    def percent(self, value: Fraction) -> str:
        """A share in percent, rounded half-even to two decimals: `+4.53 %`."""
        shown = self.number(round(value * 10_000) / Fraction(100), None, 2)
        return f"{'+' if value > 0 else ''}{shown}{SPACE}%"

    # Dates and instants

    def date(self, value: str | Day | None) -> str:
        """A business date: `16 Nov 2026`."""
        found = day(value)
        return "" if found is None else f"{found.day}{SPACE}{format_date(found, 'LLL yyyy', locale='en')}"

    def short_date(self, value: str | Day | None) -> str:
        """The same without the year, where the year is this one."""
        found = day(value)
        if found is None or found.year != self.now.year:
            return self.date(found)
        return f"{found.day}{SPACE}{format_date(found, 'LLL', locale='en')}"

    def date_of(self, value: str | datetime | None) -> Day | None:
        """The day of an instant in the reader's zone."""
        found = instant(value)
        return None if found is None else found.astimezone(ZoneInfo(self.zone)).date()

    def time(self, value: str | datetime | None, *, seconds: bool = True) -> Markup:
        """An instant in the reader's zone, UTC on hover: `19 Nov 14:20:18`."""
        found = instant(value)
        if found is None:
            return Markup("")
        local = found.astimezone(ZoneInfo(self.zone))
        shown = (
            f"{self.short_date(local.date())} {local:%H:%M:%S}"
            if seconds
            else (f"{self.short_date(local.date())} {local:%H:%M}")
        )
        utc = found.astimezone(UTC)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            f"{utc:%Y-%m-%dT%H:%M:%S}Z", f"{utc:%Y-%m-%d %H:%M:%S} UTC", shown
        )

    def clock(self, value: str | datetime | None) -> str:
        """Only the time of day, with the zone's name: `09:41:12 CET`."""
        found = instant(value)
        return "" if found is None else f"{found.astimezone(ZoneInfo(self.zone)):%H:%M:%S %Z}"

    def ago(self, value: str | datetime | None) -> str:
        """How far an instant is from now, in one rounded unit: `12 s ago`, `in 3 h`, `now`."""
        found = instant(value)
        if found is None:
            return ""
        seconds = int((found - self.now).total_seconds())
        size = abs(seconds)
        for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
            if size >= 2 * length or (unit == "s" and size >= 1):
                count = f"{size // length}{SPACE}{unit}"
                return f"in {count}" if seconds > 0 else f"{count} ago"
        return "now"

    def days_until(self, value: str | Day | None) -> str:
        """How far a business date is from today, in days: `in 7 d`, `today`, `3 d ago`."""
        found = day(value)
        if found is None:
            return ""
        away = (found - self.now.astimezone(ZoneInfo(self.zone)).date()).days
        if away == 0:
            return "today"
        return f"in {away}{SPACE}d" if away > 0 else f"{-away}{SPACE}d ago"

    def seconds(self, value: float) -> str:
        """A duration for people: `38 ms`, `3.1 s`."""
        if value < 1:
            return f"{max(0, round(value * 1000))}{SPACE}ms"
        return f"{value:.1f}{SPACE}s"

    def is_past(self, value: str | datetime | None) -> bool:
        found = instant(value)
        return found is not None and found < self.now


def reader_locale(chosen: str, accepted: str) -> str:
    """The locale of the digits: the reader's choice, else the first language asked for that we have, else English."""
    if chosen in LOCALES:
        return chosen
    for part in accepted.split(",")[:10]:
        language = part.partition(";")[0].strip()[:2].lower()
        if language in LOCALES:
            return language
    return "en"


def reader_zone(chosen: str, companies: Sequence[str]) -> str:
    """The time zone of a page: the reader's choice, else that of the first company, else UTC."""
    for name in (chosen, *companies):
        if name:
            try:
                return ZoneInfo(name).key
            except (ZoneInfoNotFoundError, ValueError, OSError):
                continue
    return "UTC"


def indented(text: str, media_type: str) -> str:
    """A JSON or XML document with line breaks between its parts, for reading. Only white space is added.

    Anything else, and anything that already has lines, stays as it is.
    """
    if text.count("\n") > 8:
        return text
    if "json" in media_type or text.lstrip()[:1] in ("{", "["):
        return _indented_json(text)
    if "xml" in media_type or text.lstrip()[:1] == "<":
        return _indented_xml(text)
    return text


def _indented_json(text: str) -> str:
    out: list[str] = []
    depth, inside, escaped = 0, False, False
    for mark in text:
        if inside:
            out.append(mark)
            inside = escaped or mark != '"'
            escaped = mark == "\\" and not escaped
            continue
        if mark == '"':
            inside = True
            out.append(mark)
        elif mark in "{[":
            depth += 1
            out.append(mark + "\n" + "  " * depth)
        elif mark in "}]":
            depth = max(0, depth - 1)
            out.append("\n" + "  " * depth + mark)
        elif mark == ",":
            out.append(",\n" + "  " * depth)
        elif mark == ":":
            out.append(": ")
        elif not mark.isspace():
            out.append(mark)
    return "".join(out)


def _indented_xml(text: str) -> str:
    lines = re.sub(r">\s*<", ">\n<", text).split("\n")
    depth, out = 0, []
    for line in lines:
        closes = line.startswith("</")
        depth -= closes
        out.append("  " * max(0, depth) + line)
        opens = line.startswith("<") and not line.startswith(("</", "<?", "<!")) and not line.endswith("/>")
        depth += opens and not re.search(r"</[^>]+>\s*$", line)
    return "\n".join(out)
