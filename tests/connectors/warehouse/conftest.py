"""One warehouse per test, with one receipt that is closed."""

from __future__ import annotations

import pytest

from connectors.warehouse.warehouse_bench import World


@pytest.fixture
def world() -> World:
    world = World()
    world.receipts(1, 2)
    return world
