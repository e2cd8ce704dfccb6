"""Words that do not belong: a machine's own paths, download hosts, promises instead of work, how it was made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from house.tree import ROOT, name_of, text_files

HERE = Path(__file__)


def _words(*parts: str) -> str:
    """A pattern in pieces, so that this file does not hold what it looks for."""
    return "".join(parts)


FORBIDDEN = {
    "a path of somebody's machine": re.compile(_words(r"(?<![\w.<])/(?:wo", r"rk|fa", r"rm|ro", r"ot|ho", r"me)/\w")),
    "a host that packages come from": re.compile(
        _words(
            r"pythonho",
            r"sted|(?:^|[/.])py",
            r"pi\.org|np",
            r"mjs\.org|yarn",
            r"pkg\.com|un",
            r"pkg\.com|jsde",
            r"livr",
        )
    ),
    "a promise instead of work": re.compile(_words(r"\bTO", r"DO\b|\bFIX", r"ME\b|\bX", r"XX:|\bHA", r"CK\b")),
    "a body that is missing": re.compile(_words(r"raise NotImpl", r"emented")),
    "how it was made": re.compile(
        _words(r"\bsub-?ag", r"ent|\bhelper ses", r"sion|\bCla", r"ude\b|\bAnthr", r"opic|\bG", r"PT-?\d")
    ),
}


def test_nothing_names_a_machine_a_download_host_or_how_it_was_made() -> None:
    findings = []
    for path in text_files():
        if path == HERE:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for what, pattern in FORBIDDEN.items():
                if pattern.search(line):
                    findings.append(f"{name_of(path)}:{number}: {what}: {line.strip()[:120]}")
    assert not findings, "\n" + "\n".join(findings)


def test_the_locks_name_hashes_and_no_host() -> None:
    for name in ("requirements.lock", "requirements-node.lock"):
        text = (ROOT / name).read_text(encoding="ascii")
        assert "://" not in text, name
        packages = re.findall(
            r"^([a-z0-9._-]+==\S+)(?: ; [^\n]*?)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
            text,
            re.MULTILINE,
        )
        assert len(packages) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)), f"{name}: a package has no hash"
    if (ROOT / "package-lock.json").is_file():
        assert '"resolved"' not in (ROOT / "package-lock.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "line",
    [
        "see /" + "work/main",
        "https://files." + "pythonhosted.org/x",
        "# TO" + "DO later",
        "raise NotImpl" + "ementedError",
    ],
)
def test_the_check_itself_finds_what_it_looks_for(line: str) -> None:
    assert any(pattern.search(line) for pattern in FORBIDDEN.values())
