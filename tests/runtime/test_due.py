"""One question for all lanes of a process: who is woken, and who is not."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from runtime.test_deliveries import owe_all, owed
from support.house import House
from tripartite.runtime import due as due_module
from tripartite.runtime.bus import Hints
from tripartite.runtime.deliveries import claim_due
from tripartite.runtime.due import Due


async def woken(due: Due, name: str, seconds: float = 0.6) -> bool:
    try:
        await asyncio.wait_for(due.wait(name), seconds)
    except TimeoutError:
        return False
    return True


async def test_only_a_connection_with_something_due_is_woken(house: House) -> None:
    due = Due(house.db, house.clock, Hints(house.urls.worker), ["sap", "acme", "capture"])
    looking = asyncio.create_task(due.run())
    try:
        await owe_all(house, owed(1), owed(2, connection="acme", mode="observe"))
        assert await woken(due, "sap")
        assert not await woken(due, "acme"), "what is only observed is never sent"
        assert not await woken(due, "capture")
    finally:
        looking.cancel()


async def test_what_is_due_later_wakes_nobody_before(house: House) -> None:
    await owe_all(house, owed(1, due_at=house.clock.at + timedelta(minutes=5)))
    due = Due(house.db, house.clock, Hints(house.urls.worker), ["sap"])
    looking = asyncio.create_task(due.run())
    try:
        assert not await woken(due, "sap")
        house.clock.turn(301)
        assert await woken(due, "sap")
    finally:
        looking.cancel()


async def test_a_delivery_whose_worker_died_is_found_and_asked_for(house: House) -> None:
    await owe_all(house, owed(1))
    await claim_due(house.db, "sap", 10, 99, house.clock.at)  # and worker 99 is gone
    due = Due(house.db, house.clock, Hints(house.urls.worker), ["sap"])
    looking = asyncio.create_task(due.run())
    try:
        assert await woken(due, "sap", 3.0)
        assert await house.value("SELECT state FROM deliveries.delivery") == "unknown"
    finally:
        looking.cancel()


async def test_what_is_newly_owed_wakes_by_its_hint_without_waiting_for_the_sweep(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_module, "LOOK_SECONDS", 60.0)
    hints = Hints(house.urls.worker)
    due = Due(house.db, house.clock, hints, ["sap"])
    tasks = [asyncio.create_task(hints.listen()), asyncio.create_task(due.run())]
    try:
        assert not await woken(due, "sap", 1.0), "nothing is owed, and by now it listens"
        await owe_all(house, owed(1))
        assert await woken(due, "sap", 5.0)
    finally:
        for task in tasks:
            task.cancel()
