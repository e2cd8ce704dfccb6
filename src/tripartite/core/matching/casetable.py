"""A parsed TOML table, read key by key and strictly: what is missing, wrong or unknown is said with its place.

This file knows types, not the benchmark; what the keys mean stands in `casefile.py`.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

_DECIMAL = re.compile(r"-?[0-9]{1,24}(?:\.[0-9]{1,24})?\Z")
_NOTHING: Any = object()


class CaseInvalid(ValueError):
    """A case that is not of the format. The text names the key, the place and what was expected."""


class Table:
    """A table of a case that is read key by key; what nobody asked for is an error at the end."""

    def __init__(self, values: object, place: str) -> None:
        if not isinstance(values, dict):
            raise CaseInvalid(f"{place}: expected a table")
        self.values = values
        self.place = place
        self.asked: set[str] = set()

    def take(self, key: str, default: Any) -> Any:
        """The value as it stands; `default` where unsaid."""
        self.asked.add(key)
        if key in self.values:
            return self.values[key]
        if default is _NOTHING:
            raise CaseInvalid(f"{self.place}.{key}: missing")
        return default

    def _wrong(self, key: str, expected: str) -> CaseInvalid:
        return CaseInvalid(f"{self.place}.{key}: expected {expected}, not {str(self.values[key])[:60]!r}")

    def text(self, key: str, default: Any = _NOTHING, among: tuple[str, ...] = ()) -> str:
        """A string; of a few words where `among` says so."""
        value = self.take(key, default)
        if value is default and key not in self.values:
            return cast(str, value)
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "a text")
        if among and value not in among:
            raise self._wrong(key, f"one of {', '.join(among)}")
        return value

    def decimal(self, key: str, default: Any = _NOTHING) -> Any:
        """A decimal string as an exact Decimal."""
        value = self.take(key, default)
        if key not in self.values:
            return value
        if not isinstance(value, str) or _DECIMAL.match(value) is None:
            raise self._wrong(key, "a decimal string")
        return Decimal(value)

    def whole(self, key: str, default: Any = _NOTHING) -> Any:
        """An integer, zero or more."""
        value = self.take(key, default)
        if key in self.values and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise self._wrong(key, "a whole number")
        return value

    def truth(self, key: str) -> bool:
        """true or false; false where unsaid."""
        value = self.take(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def day(self, key: str, default: Any = _NOTHING) -> Any:
        """A date without a time."""
        value = self.take(key, default)
        if key in self.values and (not isinstance(value, date) or isinstance(value, datetime)):
            raise self._wrong(key, "a date")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty where unsaid."""
        value = self.take(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self._wrong(key, "a list of texts")
        return tuple(value)

    def tables(self, key: str) -> list[Table]:
        """A list of tables; empty where unsaid."""
        value = self.take(key, [])
        if not isinstance(value, list):
            raise self._wrong(key, "a list of tables")
        return [Table(one, f"{self.place}.{key}[{number}]") for number, one in enumerate(value, 1)]

    def done(self) -> None:
        """Refuse what nobody asked for."""
        unknown = sorted(set(self.values) - self.asked)
        if unknown:
            raise CaseInvalid(f"{self.place}.{unknown[0]}: unknown key")
