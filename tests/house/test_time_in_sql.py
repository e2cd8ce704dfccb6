"""Domain statements take their time as a parameter or from `tripartite_now()`, never from the server's clock."""

from __future__ import annotations

import re

import pytest

from house.tree import SOURCE, name_of, python_files, strings

CLOCKS = re.compile(
    r"\b(?:now\s*\(\s*\)|(?:clock|statement|transaction)_timestamp\s*\(|timeofday\s*\("
    r"|(?:current_timestamp|current_date|current_time|localtimestamp|localtime)\b)",
    re.IGNORECASE,
)
# (file, how often): why.
MAY_READ_THE_CLOCK = {
    ("src/tripartite/cli/doctor.py", 1): "compares the server's clock with ours",
    ("src/tripartite/runtime/migrations/runtime/0001_clock.sql", 1): "the definition of tripartite_now itself",
    ("src/tripartite/runtime/db.py", 1): "when a migration ran: made before tripartite_now exists",
}
_SQL = re.compile(r"\b(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|WHERE|VALUES|RETURNING)\b")


def _readings() -> dict[str, int]:
    found: dict[str, int] = {}
    for path in sorted(SOURCE.rglob("*.sql")):
        code = re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8"))
        found[name_of(path)] = len(CLOCKS.findall(code))
    for folder in ("components", "runtime", "connectors", "core", "rehearsal", "cli"):
        for path in python_files(SOURCE / folder):
            found[name_of(path)] = sum(len(CLOCKS.findall(text)) for text, _ in strings(path) if _SQL.search(text))
    return {name: count for name, count in found.items() if count}


def test_no_statement_reads_the_clock_of_the_server() -> None:
    assert set(_readings().items()) == set(MAY_READ_THE_CLOCK)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("SELECT now()", 1),
        ("SELECT runtime.tripartite_now()", 0),
        ("UPDATE t SET a = CURRENT_TIMESTAMP", 1),
        ("SELECT clock_timestamp()", 1),
        ("SELECT known()", 0),
    ],
)
def test_the_check_itself_tells_the_clocks_apart(text: str, count: int) -> None:
    assert len(CLOCKS.findall(text)) == count
