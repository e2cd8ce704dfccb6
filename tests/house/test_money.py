"""No binary float near money: not in the core, not in a translation, not in a column (I34)."""

from __future__ import annotations

import ast
import re

import pytest

from house.tree import CONNECTORS, SOURCE, name_of, part_of, python_files, tree

# Seconds are no money. Each place says why it may hold a float: a whole file with a reason, or `file::name`.
MAY_HOLD_FLOATS = {
    "src/tripartite/core/delivery.py::retry_after_seconds": "seconds until the next attempt, with jitter",
    "src/tripartite/core/estate/reading.py::_floats": "recognises a float in a file in order to refuse it",
    "src/tripartite/components/console/asking.py::PATIENCE_SECONDS": "until an owner's answer is given up",
    "src/tripartite/components/console/formats.py::Formats.seconds": "shows how long a call took",
    "src/tripartite/components/console/views/systems.py::lag_of": "shows how long a system took to follow",
    "src/tripartite/components/console/views/waterfall.py": "how wide a span is drawn, in percent of the trace",
    "src/tripartite/components/control/sequencer.py": "seconds between two rounds",
    "src/tripartite/components/gateway/flows.py": "seconds until a question is asked again",
    "src/tripartite/components/gateway/intake.py::FILL_SECONDS": "in which a batch fills",
}
FLOAT_COLUMNS = {("src/tripartite/runtime/migrations/runtime/0001_clock.sql", "seconds")}  # how long a span took
_FLOAT_COLUMN = re.compile(r"^\s*(\w+)\s+(?:double precision|real|float[48]?|money)\b", re.IGNORECASE | re.MULTILINE)


def _floats(source: ast.Module) -> list[tuple[str, int]]:
    """(name of what holds it, line) of every float of a file, written or named."""
    found: list[tuple[str, int]] = []

    def walk(node: ast.AST, holder: str) -> None:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            holder = f"{holder}.{node.name}".lstrip(".")
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not holder:
            holder = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
        named = isinstance(node, ast.Name) and node.id in ("float", "complex")
        if literal or named:
            found.append((holder, node.lineno))
        for child in ast.iter_child_nodes(node):
            walk(child, holder)

    walk(source, "")
    return found


def _near_money() -> list[tuple[str, str, int]]:
    """(file, name of what holds it, line) of each float in what reads, computes, shows or stores money."""
    inside = [*python_files(SOURCE / "core"), *python_files(SOURCE / "components")]
    translations = [
        path
        for path in python_files(CONNECTORS)
        if path.parent != CONNECTORS
        and (part_of(path) in ("transform", "wire") or (CONNECTORS / "documents") in path.parents)
    ]
    return [(name_of(path), holder, line) for path in [*inside, *translations] for holder, line in _floats(tree(path))]


def test_no_float_stands_where_money_is_read_computed_or_stored() -> None:
    findings = [
        f"{name}:{line} in {holder}"
        for name, holder, line in _near_money()
        if name not in MAY_HOLD_FLOATS and f"{name}::{holder}" not in MAY_HOLD_FLOATS
    ]
    assert not findings, "\n".join(findings)


def test_every_exception_is_still_needed() -> None:
    found = {place for name, holder, _ in _near_money() for place in (name, f"{name}::{holder}")}
    assert found >= set(MAY_HOLD_FLOATS), set(MAY_HOLD_FLOATS) - found


def test_no_column_of_ours_is_a_float_or_the_money_type_of_the_database() -> None:
    found = {
        (name_of(path), match[1])
        for path in sorted(SOURCE.rglob("*.sql"))
        for match in _FLOAT_COLUMN.finditer(path.read_text(encoding="utf-8"))
    }
    assert found == FLOAT_COLUMNS


@pytest.mark.parametrize("text", ["x = 0.5", "x = float('1')", "def f(x: float) -> None: ...", "x = 1e3"])
def test_the_check_itself_sees_a_float(text: str) -> None:
    assert [line for _, line in _floats(ast.parse(text))] == [1]
