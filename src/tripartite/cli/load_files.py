"""The files of day zero, cut into parts: rows with their line numbers, and each part's own bytes as they stood.

A part is what one transaction takes in. Its bytes, one after the other, are the file again. The rows of one order stay
in one part. CSV with a header (comma, semicolon or tab; UTF-8) or JSON lines, with the columns of core/day_zero.py.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from tripartite.core import codec
from tripartite.core.day_zero import Kind, check_columns

ROWS = 20_000  # of one part
LONGEST_RECORD = 1_000_000  # bytes; a longer one is a quote that was never closed
JSON_LINES = (".jsonl", ".ndjson", ".json")
_BOM = b"\xef\xbb\xbf"


class FileWrong(Exception):
    """A file that cannot be read as what it should be; nothing of it was taken in."""


class Wrong(msgspec.Struct, frozen=True):
    """Why a row goes no further."""

    reason_code: str
    column: str
    detail: str


class Row(msgspec.Struct, frozen=True):
    """One row: the line on which it begins, counted from 1, and its cells by column; or what is wrong with it."""

    line: int
    cells: dict[str, str] = {}
    wrong: Wrong | None = None


class Part(msgspec.Struct, frozen=True):
    """Rows that go in together, and the bytes they were read from (the header's belong to the first)."""

    rows: list[Row]
    content: bytes
    media_type: str


def parts_of(path: Path, kind: Kind, connections: Sequence[str], *, most: int = ROWS) -> Iterator[Part]:
    """The parts of a file. Errors: `FileWrong` before the first part, where its columns are not the declared ones."""
    with path.open("rb") as file:
        as_json = path.suffix.lower() in JSON_LINES
        reader = _json_rows(file, kind, connections) if as_json else _csv_rows(file, kind, connections)
        media_type = "application/x-ndjson" if as_json else "text/csv"
        rows: list[Row] = []
        content = bytearray()
        for head, row, raw in reader:
            content += head
            if len(rows) >= most and not (kind == "order" and _same_order(rows[-1], row)):
                yield Part(rows, bytes(content), media_type)
                rows, content = [], bytearray()
            rows.append(row)
            content += raw
        if rows:
            yield Part(rows, bytes(content), media_type)


def _same_order(one: Row, other: Row) -> bool:
    names = ("company_code", "number")
    return [one.cells.get(name) for name in names] == [other.cells.get(name) for name in names]


Read = tuple[bytes, Row, bytes]  # bytes that stood before the row, the row, the row's own bytes


class _Lines:
    """The lines of a file as text, remembering the bytes that were handed out."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.taken = bytearray()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(LONGEST_RECORD)
        if not raw:
            raise StopIteration
        self.taken += raw
        if len(self.taken) > LONGEST_RECORD:
            raise csv.Error(f"a record of more than {LONGEST_RECORD} bytes: a quote is not closed")
        return raw.decode("utf-8", "surrogateescape")

    def take(self) -> bytes:
        """The bytes handed out since the last call."""
        taken = bytes(self.taken)
        self.taken.clear()
        return taken


def _csv_rows(file: BinaryIO, kind: Kind, connections: Sequence[str]) -> Iterator[Read]:
    start = file.read(3)
    if start != _BOM:
        file.seek(0)
        start = b""
    first = file.readline(LONGEST_RECORD)
    file.seek(len(start))
    delimiter = max((";", ",", "\t"), key=lambda mark: first.count(mark.encode()))
    lines = _Lines(file)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        columns = [name.strip() for name in next(reader)]
    except (StopIteration, csv.Error):
        raise FileWrong("there is no line with the names of the columns") from None
    _check(kind, columns, connections)
    head = start + lines.take()
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield head, Row(line, wrong=Wrong("intake.malformed", "", str(error)[:200])), lines.take()
            head = b""
            continue
        raw = lines.take()
        if not cells:
            head += raw  # an empty line says nothing
            continue
        if len(cells) != len(columns):
            detail = f"{len(cells)} cells; the header has {len(columns)}"
            yield head, Row(line, wrong=Wrong("intake.malformed", "", detail)), raw
        else:
            stated = {name: text.strip() for name, text in zip(columns, cells, strict=True)}
            yield head, Row(line, stated), raw
        head = b""


def _json_rows(file: BinaryIO, kind: Kind, connections: Sequence[str]) -> Iterator[Read]:
    """One object a line. A column that no object of the file declared may appear on none: each row is checked."""
    head, checked = b"", False
    for line, raw in enumerate(iter(lambda: file.readline(LONGEST_RECORD), b""), 1):
        if not raw.strip():
            head += raw
            continue
        row = _json_row(line, raw, kind, connections)
        if not checked and row.wrong is not None and row.wrong.reason_code == "intake.field_unknown":
            raise FileWrong(f"line {line}: {row.wrong.detail}")
        checked = True
        yield head, row, raw
        head = b""


def _json_row(line: int, raw: bytes, kind: Kind, connections: Sequence[str]) -> Row:
    try:
        stated: Any = codec.check_strict(raw.strip())
    except codec.Malformed as error:
        return Row(line, wrong=Wrong(error.reason_code, "", error.detail[:200]))
    if not isinstance(stated, dict):
        return Row(line, wrong=Wrong("integration.schema_violated", "", "a row is an object"))
    cells: dict[str, str] = {}
    for name, value in stated.items():
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            cells[name] = ";".join(value)
        elif value is None or isinstance(value, str):
            cells[name] = (value or "").strip()  # numbers come as their digits
        else:
            return Row(line, wrong=Wrong("integration.schema_violated", name[:60], "neither text nor number"))
    if trouble := check_columns(kind, cells, connections):
        code = "intake.field_unknown" if "not declared" in trouble else "integration.schema_violated"
        return Row(line, wrong=Wrong(code, "", trouble[:200]))
    return Row(line, cells)


def _check(kind: Kind, columns: Sequence[str], connections: Sequence[str]) -> None:
    if trouble := check_columns(kind, columns, connections):
        raise FileWrong(trouble)
