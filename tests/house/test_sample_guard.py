"""Where real documents must be there, a test of them that is skipped fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from house.tree import ROOT

SKIPPED = """
import pytest
@pytest.mark.samples
def test_a_document_of_others_is_read():
    pytest.skip("TRIPARTITE_SAMPLES is not set")
def test_something_else():
    assert True
"""
IN_A_FIXTURE = """
import pytest
@pytest.fixture
def folder():
    pytest.skip("TRIPARTITE_SAMPLES is not set")
@pytest.mark.samples
def test_a_document_of_others_is_read(folder):
    assert True
"""
WHOLE_FILE = """
import pytest
pytest.skip("TRIPARTITE_SAMPLES is not set", allow_module_level=True)
"""
NONE = """
def test_something_else():
    assert True
"""
READ = """
import pytest
@pytest.mark.samples
def test_a_document_of_others_is_read():
    assert True
"""


def _run(folder: Path, text: str, *flags: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = samples: of others\n", encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "tests")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *flags, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


@pytest.mark.parametrize("text", [SKIPPED, IN_A_FIXTURE, WHOLE_FILE], ids=["test", "fixture", "file"])
def test_a_skipped_test_of_real_documents_fails_the_run(tmp_path: Path, text: str) -> None:
    guarded = _run(tmp_path, text, "-p", "house.sample_guard")
    assert guarded.returncode != 0
    assert "reads real documents and was skipped: " in guarded.stdout
    assert _run(tmp_path, text).returncode in (0, 5), "without the guard a skip is no failure"


def test_a_run_without_any_test_of_real_documents_fails(tmp_path: Path) -> None:
    guarded = _run(tmp_path, NONE, "-p", "house.sample_guard")
    assert (guarded.returncode, "at least one must" in guarded.stdout) == (1, True)


@pytest.mark.parametrize("flags", [(), ("-n", "1")], ids=["one process", "two processes"])
def test_a_run_that_read_real_documents_is_good(tmp_path: Path, flags: tuple[str, ...]) -> None:
    assert _run(tmp_path, READ, "-p", "house.sample_guard", *flags).returncode == 0


def test_a_skip_in_another_process_is_seen_too(tmp_path: Path) -> None:
    assert _run(tmp_path, SKIPPED, "-p", "house.sample_guard", "-n", "1").returncode == 1
