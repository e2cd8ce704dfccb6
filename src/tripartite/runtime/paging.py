"""Pages of a list: where one ends, where the next begins, and what a reader looks for by the beginning of a word.

Two orders are offered for documents that are known by company and number: by these, or the newest first. Both follow
an index, so that a page costs the same wherever it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec


class Place(msgspec.Struct, frozen=True):
    """Where a page begins, in the order of the list: by company and number, or by the time it was recorded."""

    company_code: str = ""
    number: str = ""
    at: datetime | None = None
    newest: bool = False
    first: bool = True

    @property
    def order_by(self) -> str:
        if self.newest:
            return "recorded_at DESC, company_code DESC, number DESC"
        return "company_code, number"

    @property
    def begins(self) -> str:
        """The condition of what follows, with the parameters of `parameters`."""
        if self.first:
            return "true"
        if self.newest:
            return "(recorded_at, company_code, number) < (%(place_at)s, %(place_company)s, %(place_number)s)"
        return "(company_code, number) > (%(place_company)s, %(place_number)s)"

    @property
    def parameters(self) -> dict[str, Any]:
        return {"place_at": self.at, "place_company": self.company_code, "place_number": self.number}

    def after(self, last: Mapping[str, Any]) -> str:
        """The cursor of the page that follows a page that ends with `last`."""
        key = f"{last['company_code']}/{last['number']}"
        return f"{last['recorded_at'].isoformat()}/{key}" if self.newest else key


def place_of(after: str, *, newest: bool) -> Place:
    """Where a page begins: the cursor of the page before, of the same order. Errors: `ValueError` for anything else."""
    if not after:
        return Place(newest=newest)
    at, _, rest = after.partition("/") if newest else ("", "", after)
    company, _, number = rest.partition("/")
    return Place(company, number, datetime.fromisoformat(at) if newest else None, newest=newest, first=False)


def starts_with(text: str) -> str:
    """The LIKE pattern of whatever begins with `text`, its own wildcards taken literally."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
