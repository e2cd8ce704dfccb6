"""`.ci/run`: the browser's tests run where there is a browser, and where there is none that is said and not hidden."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from house.tree import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose `make` only notes what it was asked for, with real documents beside it."""
    folder = tmp_path / "checkout"
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    (tmp_path / "shared" / "samples").mkdir(parents=True)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "dirname", "timeout", "env"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    (programs / "make").write_text(
        '#!/usr/bin/env bash\necho "$* [${PYTEST_ADDOPTS:-}]" >> made\n[ "${FAIL:-}" != "$1" ]\n'
    )
    (programs / "make").chmod(0o755)
    return folder


def run(checkout: Path, *, chromium: bool, fail: str = "") -> tuple[int, str, str, list[str]]:
    programs = checkout.parent / "programs"
    if chromium:
        (programs / "chromium").symlink_to(programs / "bash")
    done = subprocess.run(
        [str(checkout / ".ci" / "run")],
        env={"PATH": str(programs), "FAIL": fail, "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    made = checkout / "made"
    return done.returncode, done.stdout, done.stderr, made.read_text().splitlines() if made.exists() else []


def test_the_browser_is_used_where_there_is_one_without_the_guard_of_the_real_documents(checkout: Path) -> None:
    status, out, err, made = run(checkout, chromium=True)
    assert (status, err) == (0, "")
    assert made == ["lint test [-p house.sample_guard --durations 25]", "test-parts []", "test-browser []"]
    assert "tried in Chromium" in out


def test_without_a_browser_its_tests_are_named_as_not_run(checkout: Path) -> None:
    status, out, err, made = run(checkout, chromium=False)
    assert status == 0
    assert [line.split(" [")[0] for line in made] == ["lint test", "test-parts"]
    assert "NOT RUN: tests/browser" in out
    assert "NOT RUN: tests/browser" in err


@pytest.mark.parametrize("fails", ["lint", "test-parts", "test-browser"])
def test_what_fails_fails_the_run(checkout: Path, fails: str) -> None:
    assert run(checkout, chromium=True, fail=fails)[0] != 0
