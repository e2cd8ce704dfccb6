"""One suite per test, with one document that is ready to post."""

from __future__ import annotations

import pytest

from connectors.capture.capture_bench import World


@pytest.fixture
def world() -> World:
    world = World()
    world.documents(1, 2)
    return world
