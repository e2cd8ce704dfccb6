"""Our tax codes with their days, asked by code and day, or by country, category and day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cached_property

from tripartite.core.codec import encode
from tripartite.core.estate import Estate
from tripartite.core.ids import digest
from tripartite.core.objects import TaxCode

RECKONING = "tables-1"
"""Changes when the same question and tables may give another quote."""

_TABLES: dict[str, TaxTables] = {}


class TaxTables:
    """The rows of one or more countries. A code says one thing on one day, or nothing."""

    def __init__(self, rows: Iterable[TaxCode]) -> None:
        self._rows: dict[str, list[TaxCode]] = {}
        for row in rows:
            self._rows.setdefault(row.code, []).append(row)

    @classmethod
    def of(cls, estate: Estate) -> TaxTables:
        """The tables of an estate, all countries."""
        known = _TABLES.get(estate.digest)
        if known is None:
            _TABLES.clear()  # an estate changes by a restart or in a test: the last one is enough
            known = _TABLES[estate.digest] = cls(row.tax_code() for row in estate.tax_codes)
        return known

    @cached_property
    def version(self) -> str:
        """Names what these tables say and how they are reckoned with: another content is another version."""
        rows = sorted(encode(row) for rows in self._rows.values() for row in rows)
        return f"{RECKONING}-{digest(b'|'.join(rows))[:12]}"

    def code(self, code: str, on: date) -> TaxCode | None:
        """What a code says on a day; None where it says nothing then, or nobody knows it."""
        return next((row for row in self._rows.get(code, ()) if row.valid_from <= on < row.until), None)

    def of_category(self, country: str, category: str, on: date) -> TaxCode | None:
        """The one code of a country for a category (UNTDID 5305) on a day; None where there is none, or several."""
        found = [
            row
            for rows in self._rows.values()
            for row in rows
            if row.country == country and row.category == category and row.valid_from <= on < row.until
        ]
        return found[0] if len(found) == 1 else None
