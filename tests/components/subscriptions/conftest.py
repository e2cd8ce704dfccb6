"""A house with two subscribers on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest_asyncio

from support.clones import Clones
from support.estates import development_estate, without_publishing
from support.house import House
from support.newsroom import BOOKS, LEDGER, Newsroom, subscribers
from support.receiver import Receiver
from support.times import MORNING


@pytest_asyncio.fixture
async def newsroom(clones: Clones, tmp_path: Path) -> AsyncIterator[Newsroom]:
    house: House | None = None

    def now() -> datetime:
        return MORNING if house is None else house.clock.now()

    async with Receiver(BOOKS, now) as books, Receiver(LEDGER, now) as ledger:
        receivers = {"books": books, "ledger": ledger}
        estate = without_publishing(development_estate())
        estate = msgspec.structs.replace(estate, subscribers=subscribers(receivers))
        house = House(clones, clones.fresh(MORNING), tmp_path, estate)
        await house.db.open()
        made = Newsroom(house, receivers)
        try:
            yield made
        finally:
            await made.close()
            await house.close()
