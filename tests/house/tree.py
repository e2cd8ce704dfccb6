"""What the house tests look at: the files of the project, parsed once. Not a test itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tripartite"
CONNECTORS = SOURCE / "connectors"
DOCS = ROOT / "docs"

_MADE = {"node_modules", "__pycache__", "vendor", "dist", "build", "var"}
_TEXT = {".py", ".md", ".toml", ".sql", ".html", ".css", ".js", ".json", ".lock", ".txt", ".yml", ".yaml", ""}


@cache
def python_files(folder: Path) -> tuple[Path, ...]:
    """Python files below `folder`, in order; nothing that commands made."""
    return tuple(sorted(path for path in folder.rglob("*.py") if not _MADE & set(path.relative_to(ROOT).parts)))


def text_files() -> Iterator[Path]:
    """Every text file of the project that a person wrote."""
    tops = ("src", "tests", "docs", "scripts", ".ci")
    for top in tops:
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file() and path.suffix in _TEXT and not _MADE & set(path.relative_to(ROOT).parts):
                yield path
    yield from sorted(path for path in ROOT.iterdir() if path.is_file() and path.suffix in _TEXT)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def imports(path: Path) -> tuple[tuple[str, int], ...]:
    """(module in full, line) of every import, at the top of the file or inside a function."""
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: imports are written in full"
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return tuple(found)


def is_of(module: str, names: frozenset[str]) -> bool:
    """Whether `module` is one of `names` or lies within one."""
    parts = module.split(".")
    return any(".".join(parts[:count]) in names for count in range(1, len(parts) + 1))


@cache
def strings(path: Path) -> tuple[tuple[str, int], ...]:
    """(text, line) of every string of the code, docstrings apart; an f-string gives its fixed parts."""
    docstrings = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(id(first.value))
    return tuple(
        (node.value, node.lineno)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    )


def name_of(path: Path) -> str:
    """The path as the project says it: `src/tripartite/core/money.py`."""
    return path.relative_to(ROOT).as_posix()


def part_of(connector_file: Path) -> str:
    """Which of a connector's files a path belongs to, be it a file or a folder: `client` for `client/paging.py`."""
    return connector_file.relative_to(CONNECTORS).parts[1].removesuffix(".py")
