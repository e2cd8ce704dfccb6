"""A house that pays, and a treasury to act in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.clones import Clones
from support.estates import baseline_pack
from support.house import House
from support.paying import Treasury, paying_estate
from support.times import MORNING


@pytest_asyncio.fixture
async def house(clones: Clones, tmp_path: Path) -> AsyncIterator[House]:
    made = House(clones, clones.fresh(MORNING), tmp_path, paying_estate())
    await made.db.open()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def strict_house(clones: Clones, tmp_path: Path) -> AsyncIterator[House]:
    """The same under the baseline, where nobody is paid before an account was confirmed."""
    made = House(clones, clones.fresh(MORNING), tmp_path, paying_estate(), pack=baseline_pack())
    await made.db.open()
    yield made
    await made.close()


@pytest.fixture
def treasury(house: House) -> Treasury:
    return Treasury(house)
