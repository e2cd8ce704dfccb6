"""Every setting and every reason code is documented, and the pages are those that the code would write."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from house.tree import DOCS, ROOT, SOURCE, name_of, python_files, strings, tree
from tripartite.core.exceptions import reasons, refusals
from tripartite.runtime.settings import MEANINGS, load_settings

# Words of the form area.what that are no reason codes, with what they are.
NO_REASONS = {
    "control.exception": "a table",
    "control.policy_release": "a table",
    "intake.disposed": "a kind of message",
    "supplier.recorded": "a kind of message",
    "supplier.write": "a permission of the bench's token",
    "supplier.decided": "a kind of leaf",
    "supplier.suspended": "a kind of leaf",
    "supplier.restored": "a kind of leaf",
    "service.name": "OpenTelemetry's name of an attribute",
    "match.price": "a group of reasons, as the console words it",
    "match.quantity": "a group of reasons, as the console words it",
    "match.total": "a group of reasons, as the console words it",
    "posting.unwritable": "a connector's own code in the detail of posting.rejected",
    "posting.probe_conflict": "a connector's own code in the detail of posting.rejected",
    "intake.to_be_read": "the state of bytes between their commit and their reading; nobody has to act on it",
}
_CODE = re.compile(r"[a-z]+\.[a-z][a-z_]*[a-z]\Z")


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _permissions() -> set[str]:
    """What `permission(...)` and the roles of `runtime/auth.py` name."""
    found = set()
    for path in python_files(SOURCE):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("permission"):
                found |= {each.value for each in node.args if isinstance(each, ast.Constant)}
    return found | {text for text, _ in strings(SOURCE / "runtime" / "auth.py")}


def _topics() -> set[str]:
    """The words of `core/events.py`: topics of the bus and kinds of messages."""
    return {text for text, _ in strings(SOURCE / "core" / "events.py")}


def test_the_page_of_settings_is_current() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == _script("settings_page").settings_page(), (
        "run: python scripts/settings_page.py"
    )


def test_a_setting_reaches_the_process_by_the_name_that_is_documented() -> None:
    given = {"TRIPARTITE_PORT": "9001", "TRIPARTITE_HOME": "elsewhere", "TRIPARTITE_UNKNOWN": "x", "PORT": "1"}
    settings = load_settings(given)
    assert (settings.port, str(settings.home)) == (9001, "elsewhere")


def test_only_the_settings_read_the_environment() -> None:
    allowed: Mapping[str, str] = {
        "src/tripartite/runtime/settings.py": "the settings",
        "src/tripartite/runtime/secrets.py": "secrets that an estate names by reference",
        "src/tripartite/runtime/postgres.py": "LANG and PATH, handed on to the database's programs",
    }
    readers = {
        name_of(path)
        for path in python_files(SOURCE)
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv"))
    }
    children = {name for name in readers if name not in allowed}
    for name in sorted(children):
        # A child process may be given our environment as a whole; a single name may not be read from it.
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"environ(?:\.get\(|\[)|os\.getenv\(", text), f"{name} reads a setting of its own"
    assert set(allowed) <= readers


def test_every_reason_code_that_the_code_speaks_is_in_the_catalogue() -> None:
    known = set(reasons()) | set(refusals())
    areas = {code.partition(".")[0] for code in known}
    other = set(NO_REASONS) | _permissions() | _topics()
    findings = [
        f"{name_of(path)}:{line} {text}"
        for path in python_files(SOURCE)
        for text, line in strings(path)
        if _CODE.match(text)
        and text.partition(".")[0] in areas
        and text not in known
        and text not in other
        and not text.endswith(".html")
    ]
    assert not findings, "\n".join(findings)


def test_what_is_excused_from_the_catalogue_is_still_spoken() -> None:
    spoken = {text for path in python_files(SOURCE) for text, _ in strings(path)}
    assert set(NO_REASONS) <= spoken, f"strike from NO_REASONS: {set(NO_REASONS) - spoken}"


def test_every_setting_has_a_meaning_that_is_a_phrase() -> None:
    assert all(len(meaning.split()) >= 3 for meaning in MEANINGS.values())


def test_every_page_of_the_documents_is_reached_from_its_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    for page in sorted(DOCS.glob("*.md")):
        assert page.name == "README.md" or f"({page.name})" in index, f"docs/README.md does not name {page.name}"


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")]), ids=name_of)
def test_a_link_in_the_documents_leads_somewhere(page: Path) -> None:
    folder = page.parent
    prose = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose):
        if "://" not in target and not target.startswith("mailto:"):
            assert (folder / target).exists(), f"{name_of(page)}: {target}"


def test_every_requirement_has_a_state_and_what_is_done_is_shown_by_something_that_exists() -> None:
    text = (DOCS / "requirements.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| R(\d+) \| ([^|]+) \| (done|part|later) \| ([^|]*) \| ([^|]*) \|$", text, re.MULTILINE)
    assert [int(row[0]) for row in rows] == list(range(1, 141))
    for number, _, state, words, shown in rows:
        assert shown.strip() if state == "done" else words.strip() or state == "later", f"R{number} says nothing"
        for place in re.findall(r"`((?:tests|src|docs)/[^`]+)`", shown):
            assert (ROOT / place).exists(), f"R{number}: {place}"
    counts = {state: sum(row[2] == state for row in rows) for state in ("done", "part", "later")}
    assert f"{counts['done']} done, {counts['part']} in part, {counts['later']} later." in text


def test_every_invariant_that_is_checked_is_on_the_page() -> None:
    from tripartite.rehearsal.checkers import CHECKS

    named = re.findall(r"^\| (I\d+) \|", (DOCS / "invariants.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(CHECKS) <= set(named), set(CHECKS) - set(named)
    assert len(named) == len(set(named))
