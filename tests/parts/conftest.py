"""Tests of parts that run alone: many processes of the product at once. Run by `make test-parts`."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "parts: each part a process of its own; run by `pytest -m parts tests/parts`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Left out unless asked for by `-m parts`: they want the machine for themselves, and a minute or two of it."""
    if "parts" in (config.option.markexpr or ""):
        return
    left_out = [item for item in items if item.get_closest_marker("parts")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
