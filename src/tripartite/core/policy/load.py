"""The files of a policy pack into a `Pack`: the shape of every row and the meaning of every word, strictly.

Whether the rows agree with one another and with the estate is check.py's question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tripartite.core.estate.reading import (
    Wrong,
    convert,
    convert_rows,
    line_of,
    parse_toml,
    unknown_tables,
)
from tripartite.core.policy.pack import Pack
from tripartite.core.policy.rows import SUMS, TABLES, ApprovalRow, PaymentReleaseRow, RateRow, ReleaseRow, Row

HEAD_FILE = "pack.toml"
PackError = Wrong


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["tripartite-policy-1"]
    name: str
    release: str
    proposed_by: str
    approved_by: str
    tables: tuple[str, ...]


def load_pack(files: Mapping[str, str]) -> Pack | list[PackError]:
    """The pack in these files (name -> text), or everything wrong with their shape, with file, line and key.

    `pack.toml` names the pack and lists its table files; a file that is not listed, or is listed and absent, is wrong.
    Unknown keys are refused, and so is a row that leaves a key out. Never raises.
    """
    if HEAD_FILE not in files:
        return [Wrong(HEAD_FILE, 0, "", "is missing")]
    table = parse_toml(HEAD_FILE, files[HEAD_FILE])
    if isinstance(table, Wrong):
        return [table]
    wrong = unknown_tables(HEAD_FILE, files[HEAD_FILE], table, frozenset(["pack"]))
    head = convert(HEAD_FILE, files[HEAD_FILE], table.get("pack", {}), _Head, ("pack",))
    if isinstance(head, Wrong):
        return [*wrong, head]
    listed, given = set(head.tables), set(files) - {HEAD_FILE}
    wrong += [Wrong(name, 0, "", f"is listed in {HEAD_FILE} and absent") for name in sorted(listed - given)]
    wrong += [Wrong(name, 0, "", f"is not listed in {HEAD_FILE}") for name in sorted(given - listed)]
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    seen: dict[tuple[str, str], str] = {}
    for file in sorted(listed & given):
        wrong += _load_file(file, files[file], rows, seen)
    if wrong:
        return wrong
    return Pack(
        name=head.name,
        release=head.release,
        proposed_by=head.proposed_by,
        approved_by=head.approved_by,
        rows={name: tuple(found) for name, found in rows.items()},
    )


def _load_file(file: str, text: str, rows: dict[str, list[Row]], seen: dict[tuple[str, str], str]) -> list[PackError]:
    table = parse_toml(file, text)
    if isinstance(table, Wrong):
        return [table]
    wrong = unknown_tables(file, text, table, frozenset(TABLES))
    for name in table:
        if name not in TABLES:
            continue
        found, bad = convert_rows(file, text, table, name, TABLES[name])
        wrong += [_in_words(entry) for entry in bad]
        if bad:
            continue
        for index, row in enumerate(found):
            wrong += _row(file, text, name, index, row, seen)
            rows[name].append(row)
    return wrong


def _in_words(entry: PackError) -> PackError:
    words = entry.words
    if "matching regex" in words:
        words = "is neither a number nor one of the words that may stand here"
    elif "missing required field" in words:
        words = words.replace("Object missing required field", "the row leaves out") + ": no empty cells"
    return msgspec.structs.replace(entry, words=words)


def _row(file: str, text: str, table: str, index: int, row: Row, seen: dict[tuple[str, str], str]) -> list[PackError]:
    def complain(key: str, words: str) -> PackError:
        return Wrong(file, line_of(text, (table, index, key)), f"{table}[{index + 1}].{key}", words)

    wrong: list[PackError] = []
    if (table, row.id) in seen:
        wrong.append(complain("id", f"{table}/{row.id} stands twice, first in {seen[table, row.id]}"))
    seen[table, row.id] = file
    if row.until <= row.valid_from:
        wrong.append(complain("until", f"ends {row.until}, not after it begins on {row.valid_from}"))
    wrong += [
        complain(name, "an empty cell; write * for any")
        for name in ("company", "supplier", "category", "currency", "country", "code")
        if getattr(row, name, "*") == ""
    ]
    if getattr(row, "currency", "") == "*":
        for name in SUMS.get(table, ()):
            if getattr(row, name) not in ("exact", "ignore"):
                wrong.append(complain(name, "a sum needs the currency it is in; * is not one"))
        if isinstance(row, ApprovalRow) and row.above != "0":
            wrong.append(complain("above", "a sum needs the currency it is in; * is not one"))
        if isinstance(row, PaymentReleaseRow) and row.above != "0":
            wrong.append(complain("above", "a sum needs the currency it is in; * is not one"))
        if isinstance(row, ReleaseRow):
            wrong.append(complain("currency", "a limit needs the currency it is in; * is not one"))
    if isinstance(row, RateRow) and row.company == "*" and row.upper_absolute not in ("exact", "ignore"):
        wrong.append(complain("upper_absolute", "this sum is in the company's currency, so it needs a company"))
    return wrong
