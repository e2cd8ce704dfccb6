"""Where the real sample documents lie, and reading them; used only by tests marked `samples`."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

FOLDERS = ("xrechnung", "en16931-cen", "ubl-documents")


def sample_root() -> Path:
    """The folder of real documents. Skips the test where nobody said where it is."""
    stated = os.environ.get("TRIPARTITE_SAMPLES")
    if not stated:
        pytest.skip("TRIPARTITE_SAMPLES is not set")
    return Path(stated)


def documents(*folders: str) -> list[tuple[str, bytes]]:
    """Every document file below `folders`, as (path within the samples, bytes unpacked), in order of path."""
    root = sample_root()
    found: list[tuple[str, bytes]] = []
    for folder in folders or FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix != ".md":
                content = path.read_bytes()
                content = gzip.decompress(content) if path.suffix == ".gz" else content
                found.append((str(path.relative_to(root)), content))
    assert found, f"no samples below {root}"
    return found
