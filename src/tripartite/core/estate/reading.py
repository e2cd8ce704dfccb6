"""TOML text into typed structs, with the line and the key of everything that is wrong.

Reviewed files (the estate, the policy pack) are read through here, and strictly: a key nobody knows is an error, a
float is an error (money and percents are written as text), and every complaint names its place. Not for documents
from outside: those are JSON or XML and have their own readers.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from tripartite.core.money import Amount, NumberInvalid, Price, Rate
from tripartite.core.quantity import Quantity

T = TypeVar("T", bound=msgspec.Struct)
Path = tuple[str | int, ...]

LARGEST = 4_000_000  # characters of one reviewed file; a larger one is a mistake, not an estate
_NUMBERS = (Amount, Price, Rate, Quantity)
_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*[=.]""")


class Wrong(msgspec.Struct, frozen=True):
    """Something wrong in a reviewed file: the file, the line (1 is the first, 0 unknown), the key, a sentence."""

    file: str
    line: int
    key: str
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}: {self.words}" if self.key else f"{self.file}: {self.words}"


def parse_toml(file: str, text: str) -> dict[str, Any] | Wrong:
    """`text` as a table, or what is wrong with it: syntax, size, a float anywhere (it would not be exact)."""
    if len(text) > LARGEST:
        return Wrong(file, 0, "", f"longer than {LARGEST} characters")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+)", str(error))
        return Wrong(file, int(found.group(1)) if found else 0, "syntax", str(error))
    except RecursionError:
        return Wrong(file, 0, "", "nested too deep")
    for path in _floats(table, ()):
        return Wrong(file, line_of(text, path), key_of(path), "a binary float is not exact; write the number as text")
    return table


def _floats(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, float):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _floats(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _floats(inner, (*path, index))


def key_of(path: Path) -> str:
    """A path as people write it: `connection[2].secrets.token`, counted from 1."""
    text = ""
    for step in path:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def line_of(text: str, path: Path) -> int:
    """The line on which the value at `path` stands, or the nearest table around it; 0 where none is found.

    It reads headers and keys only, so a header inside a multi-line string could lead it astray: it points, it does
    not decide.
    """
    best = best_line = 0
    here: Path = ()
    counts: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            here = _table_path(header.group(2), header.group(1) == "[[", counts)
            shared = min(len(path), len(here))
            if path[:shared] == here[:shared] and shared > best:
                best, best_line = shared, number
            continue
        key = _KEY.match(line)
        if key:
            full = (*here, key.group(1) or key.group(2) or key.group(3))
            if path[: len(full)] == full and len(full) > best:
                best, best_line = len(full), number
    return best_line


def _table_path(name: str, is_array: bool, counts: dict[tuple[str, ...], int]) -> Path:
    names = tuple(part.strip().strip("\"'") for part in name.split("."))
    if is_array:
        counts[names] = counts.get(names, -1) + 1
    path: list[str | int] = []
    for length in range(1, len(names) + 1):
        path.append(names[length - 1])
        if names[:length] in counts:
            path.append(counts[names[:length]])
    return tuple(path)


def _hook(kind: type[Any], value: Any) -> Any:
    if kind in _NUMBERS:
        return kind.parse(value)
    raise TypeError(f"{kind.__name__} cannot be read from a reviewed file")


def convert(file: str, text: str, value: Any, kind: type[T], path: Path) -> T | Wrong:
    """The part of the file at `path` as `kind`, or the first thing wrong with it. Never raises."""
    try:
        return msgspec.convert(value, kind, dec_hook=_hook, strict=True)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `")
        full = (*path, *_steps(place.rstrip("`")))
        cause = error.__cause__
        words = str(cause) if isinstance(cause, NumberInvalid) else message
        unknown = re.search(r"unknown field `([^`]+)`", message)
        if unknown:
            full, words = (*full, unknown.group(1)), "this key is not known here"
        return Wrong(file, line_of(text, full), key_of(full), words)


def _steps(place: str) -> Path:
    return tuple(int(index) if index else name for name, index in re.findall(r"\.?([A-Za-z0-9_-]+)|\[(\d+)\]", place))


def convert_rows(
    file: str, text: str, table: Mapping[str, Any], name: str, kind: type[T]
) -> tuple[tuple[T, ...], list[Wrong]]:
    """Every `[[name]]` of the file as `kind`; one complaint per row that is wrong, so that all show at once."""
    rows = table.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return (), [Wrong(file, line_of(text, (name,)), name, f"must be rows, written [[{name}]]")]
    good: list[T] = []
    wrong: list[Wrong] = []
    for index, row in enumerate(rows):
        made = convert(file, text, _opened(row), kind, (name, index))
        if isinstance(made, Wrong):
            wrong.append(made)
        else:
            good.append(made)
    return tuple(good), wrong


def _opened(row: dict[str, Any]) -> dict[str, Any]:
    # The word "open" is the last date there is; any other text in a date's place stays and is complained about.
    return {**row, "until": date.max} if row.get("until") == "open" else row


def unknown_tables(file: str, text: str, table: Mapping[str, Any], known: frozenset[str]) -> list[Wrong]:
    """A complaint for every top-level key that is not known."""
    return [
        Wrong(file, line_of(text, (name,)), name, "this table or key is not known here")
        for name in table
        if name not in known
    ]


def plain_data(value: Any) -> Any:
    """A struct as plain data whose JSON has one form (sorted keys, numbers as text): what a digest is taken over."""
    return msgspec.to_builtins(value, enc_hook=_plain, order="deterministic", str_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no plain form")
