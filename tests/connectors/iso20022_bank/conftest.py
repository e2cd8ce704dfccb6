"""One bank per test, at eight in the morning."""

from __future__ import annotations

import pytest

from connectors.iso20022_bank.bank_bench import World


@pytest.fixture
def world() -> World:
    return World()
