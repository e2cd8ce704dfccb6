"""File names, lengths, docstrings and what a folder must hold."""

from __future__ import annotations

import ast
import re

from house.tree import CONNECTORS, DOCS, ROOT, SOURCE, name_of, python_files, tree

MOST_LINES = 400  # beyond it the question is whether the file has one meaning; the answer stands here
LONG_FILES = {
    "src/tripartite/core/estate/check.py": "one proof, a function for each rule of the estate; all share its findings",
    "src/tripartite/cli/bench.py": "five figures on one rig; apart they would each bring up a product of their own",
    "src/tripartite/cli/doctor.py": "one look each at the machine, the database, the estate; all told in one shape",
    "src/tripartite/components/console/views/matching.py": "one table: order, receipts and invoice side by side",
    "src/tripartite/components/invoices/deciding.py": "one batch against its evidence, told from first to last",
    "src/tripartite/components/invoices/handlers.py": "what wakes an invoice; the handlers share one order of locks",
    "src/tripartite/components/invoices/store.py": "the component's tables, and every statement that touches them",
    "src/tripartite/connectors/acme/client.py": "the template: read from top to bottom as one talk with a vendor",
    "src/tripartite/connectors/acme/transform.py": "the template: one table a status, one function a document",
    "src/tripartite/connectors/capture/client.py": "as acme's, with the parts of the capture suite",
    "src/tripartite/connectors/capture/simulator.py": "one vendor on the bench, its faults beside its answers",
    "src/tripartite/core/matching/casefile.py": "the format of a case file, field by field",
    "src/tripartite/runtime/auth.py": "tokens, accounts and sessions share their checks and their clock",
    "src/tripartite/runtime/bus.py": "publishing and reading meet in two rows, the head and the cursor",
    "src/tripartite/runtime/deliveries.py": "the state machine of an outbound write, with its only statements",
    "src/tripartite/runtime/parsing.py": "both ends of one pipe; split, each would have to repeat the frame",
    "src/tripartite/verifier/verify_tripartite.py": "one file on purpose: an auditor reads all of it and runs it alone",
}
_SNAKE = re.compile(r"(?:__init__|__main__|[a-z][a-z0-9_]*)\.py\Z")
_SENTENCE = re.compile(r"test_[a-z0-9]+(?:_[a-z0-9]+){2,}\Z")
COMPONENTS = (
    *("console", "control", "gateway", "invoices", "orders", "payments", "receipts", "subscriptions", "suppliers"),
)
FIXED = ("manifest", "wire", "transform", "client", "simulator")


def test_python_files_are_named_in_lower_case_with_underscores() -> None:
    folders = (ROOT / "src", ROOT / "tests", ROOT / "scripts")
    bad = [name_of(path) for folder in folders for path in python_files(folder) if not _SNAKE.match(path.name)]
    assert not bad, bad


def test_a_long_file_is_long_for_a_reason() -> None:
    lengths = {name_of(path): path.read_text(encoding="utf-8").count("\n") for path in python_files(SOURCE)}
    unexplained = {name: lines for name, lines in lengths.items() if lines > MOST_LINES and name not in LONG_FILES}
    assert not unexplained, f"split by meaning, or say here why not: {unexplained}"
    short = [name for name in LONG_FILES if lengths.get(name, 0) < 0.8 * MOST_LINES]
    assert not short, f"short again or gone, strike from the list: {short}"


def test_every_module_says_what_it_is_for() -> None:
    silent = [name_of(path) for path in python_files(SOURCE) if tree(path).body and not ast.get_docstring(tree(path))]
    assert not silent, silent


def test_the_name_of_a_test_is_a_sentence() -> None:
    bad = [
        f"{name_of(path)}: {node.name}"
        for path in python_files(ROOT / "tests")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not _SENTENCE.match(node.name)
    ]
    assert not bad, "\n".join(bad)


def test_a_test_is_skipped_only_where_real_documents_are_missing() -> None:
    findings = []
    for path in python_files(ROOT / "tests"):
        for node in ast.walk(tree(path)):
            words = ast.unparse(node) if isinstance(node, ast.Call | ast.Attribute) else ""
            if words.startswith("pytest.skip(") and "TRIPARTITE_SAMPLES" not in words:
                findings.append(f"{name_of(path)}:{node.lineno} {words}")
            if words.startswith(("pytest.mark.skip", "pytest.mark.xfail", "pytest.xfail", "pytest.importorskip")):
                findings.append(f"{name_of(path)}:{node.lineno} {words}")
    assert not findings, "\n".join(findings)


def test_the_components_are_those_of_the_mission() -> None:
    folder = SOURCE / "components"
    assert tuple(sorted(path.parent.name for path in folder.glob("*/__init__.py"))) == COMPONENTS
    for name in COMPONENTS:
        assert (folder / name / "migrations" / "__init__.py").is_file(), f"{name} has no folder of migrations"


def test_migrations_are_numbered_without_a_gap_and_begin_with_a_line_of_why() -> None:
    for folder in sorted({path.parent for path in SOURCE.rglob("*.sql")}):
        files = sorted(folder.glob("*.sql"))
        numbers = [path.name[:5] for path in files]
        assert numbers == [f"{number:04d}_" for number in range(1, len(files) + 1)], name_of(folder)
        for path in files:
            assert path.read_text(encoding="utf-8").startswith("-- "), f"{name_of(path)} does not say why"


def test_a_connector_is_five_files_and_a_page() -> None:
    vendors = sorted(path.parent for path in CONNECTORS.glob("*/manifest.py"))
    assert vendors
    for folder in vendors:
        for part in FIXED:
            there = (folder / f"{part}.py").is_file() or (folder / part / "__init__.py").is_file()
            assert there, f"{name_of(folder)} has no {part}"
        page = DOCS / "connectors" / f"{folder.name}.md"
        assert page.is_file(), f"{name_of(page)} is missing"
        words = page.read_text(encoding="utf-8").lower()
        honest = "done" in words and ("to do" in words or "exempt" in words)
        assert honest, f"{name_of(page)} does not say what is done, to do and exempt"


def test_decisions_are_numbered_without_a_gap_and_fit_one_screen() -> None:
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [page.name[:5] for page in pages] == [f"{number:04d}-" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Alternatives"], name_of(page)
        assert text.count("\n") <= 60, f"{name_of(page)} is longer than a screen"
