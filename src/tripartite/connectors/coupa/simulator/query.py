"""How the simulated Coupa reads its address line: operators, nested conditions, `fields=`, dates and numbers.

Written from the vendor's page: conditions are all ANDed, names come with underscores, nested ones in brackets
(`supplier[number]=V100`, `updated_at[gt_or_eq]=...`). A name the record does not have is refused with 400.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

OPERATORS = frozenset(
    {
        "contains",
        "starts_with",
        "ends_with",
        "gt",
        "lt",
        "gt_or_eq",
        "lt_or_eq",
        "not_eq",
        "in",
        "not_in",
        "blank",
    }
)
ARGUMENTS = frozenset({"limit", "offset", "order_by", "dir", "fields", "filter", "return_object", "show_deleted_lines"})
_NAME = re.compile(r"([a-z0-9_-]+)((?:\[[a-z0-9_-]+\])*)\Z")
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}T")
_MISSING = object()


class BadQuery(Exception):
    """400: a condition on something that does not exist."""


class Condition:
    """One condition of the address line."""

    def __init__(self, name: str, value: str) -> None:
        match = _NAME.match(name)
        if match is None:
            raise BadQuery(f"{name} is not a condition")
        path = [match[1], *re.findall(r"\[([a-z0-9_-]+)\]", match[2])]
        self.operator = path.pop() if path[-1] in OPERATORS else "eq"
        self.path = path
        self.value = value

    def holds(self, record: dict[str, Any]) -> bool:
        found = list(_reach(record, self.path))
        if _MISSING in found:
            raise BadQuery(f"{'.'.join(self.path)} is not an attribute")
        if self.operator == "blank":
            return all(value in (None, "", []) for value in found) == (self.value == "true")
        if self.operator in {"not_eq", "not_in"}:
            return not any(self._one(value) for value in found)
        return any(self._one(value) for value in found)

    def _one(self, value: Any) -> bool:
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        match self.operator:
            case "eq" | "not_eq":
                return text == self.value or _same_moment(text, self.value)
            case "in" | "not_in":
                return text in self.value.split(",")
            case "contains":
                return self.value in text
            case "starts_with":
                return text.startswith(self.value)
            case "ends_with":
                return text.endswith(self.value)
        if value is None:
            return False
        mine, theirs = _ordered(value), _ordered(self.value, value)
        match self.operator:
            case "gt":
                return bool(mine > theirs)
            case "lt":
                return bool(mine < theirs)
            case "gt_or_eq":
                return bool(mine >= theirs)
            case _:
                return bool(mine <= theirs)


def _same_moment(mine: str, theirs: str) -> bool:
    if not (_DATED.match(mine) and _DATED.match(theirs)):
        return False
    return bool(_ordered(mine) == _ordered(theirs))


def _reach(value: Any, path: list[str]) -> Iterable[Any]:
    if isinstance(value, list):
        for element in value:
            yield from _reach(element, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        name = next((key for key in (path[0], path[0].replace("_", "-")) if key in value), None)
        if name is None:
            yield _MISSING
        else:
            yield from _reach(value[name], path[1:])
    else:
        yield None  # an association that is not set


def _ordered(value: Any, like: Any = None) -> Any:
    """`value` in a form that can be compared: a number, a time or a text, as `like` is one."""
    text = str(value)
    pattern = text if like is None else str(like)
    if re.match(r"\d{4}-\d{2}-\d{2}", pattern):
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise BadQuery(f"{text[:40]} is not a time") from None
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    if isinstance(like if like is not None else value, int) or re.match(r"-?\d+(\.\d+)?\Z", pattern):
        try:
            return Decimal(text)
        except InvalidOperation:
            raise BadQuery(f"{text[:40]} is not a number") from None
    return text


def conditions(query: dict[str, str]) -> list[Condition]:
    return [Condition(name, value) for name, value in query.items() if name not in ARGUMENTS]


def shaped(record: dict[str, Any], wanted: list[Any]) -> dict[str, Any]:
    """The part of a record that `fields=` asks for; a name it does not have is refused."""
    part: dict[str, Any] = {}
    for entry in wanted:
        name, inner = next(iter(entry.items())) if isinstance(entry, dict) else (entry, None)
        if name not in record:
            raise BadQuery(f"{name} is not an attribute")
        value = record[name]
        if inner is None or value is None:
            part[name] = value
        elif isinstance(value, list):
            part[name] = [shaped(element, inner) for element in value]
        else:
            part[name] = shaped(value, inner)
    return part


def wanted_fields(query: dict[str, str]) -> list[Any] | None:
    """The `fields=` argument; None where all of the record is wanted."""
    if "fields" not in query:
        return None
    try:
        wanted = json.loads(query["fields"])
    except ValueError:
        raise BadQuery("fields is not JSON") from None
    if not isinstance(wanted, list):
        raise BadQuery("fields is not a list")
    return wanted
