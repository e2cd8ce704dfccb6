"""One Acme per test."""

from __future__ import annotations

import pytest

from connectors.acme.acme_bench import World


@pytest.fixture
def world() -> World:
    return World({})
