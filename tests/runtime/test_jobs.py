"""Schedules: installed once, run again and again, put aside when their worker died."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from support.house import House
from tripartite.runtime import jobs
from tripartite.runtime.component import Schedule
from tripartite.runtime.jobs import Jobs, install
from tripartite.runtime.process import Urls


@pytest.mark.parametrize(
    ("seconds", "line"),
    [(1, "* * * * * */1"), (2, "* * * * * */2"), (30, "* * * * * */30"), (60, "*/1 * * * *"), (300, "*/5 * * * *")],
)
def test_a_period_becomes_a_line_of_the_engine(seconds: int, line: str) -> None:
    assert jobs._cron(seconds) == line


@pytest.mark.parametrize("seconds", [7, 59, 90, 420])
def test_a_period_that_does_not_divide_the_hour_is_our_bug(seconds: int) -> None:
    with pytest.raises(AssertionError):
        jobs._cron(seconds)


def test_the_engine_is_installed_once(database: Urls) -> None:
    assert install(database.owner) is False
    with psycopg.connect(database.owner, autocommit=True) as owner:
        owner.execute("DROP SCHEMA jobs CASCADE")
    assert install(database.owner) is True
    assert install(database.owner) is False


async def test_a_schedule_runs_again_and_again_and_survives_its_own_failures(house: House) -> None:
    runs: list[int] = []

    async def sweep() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ZeroDivisionError("the first time goes wrong")

    running = asyncio.create_task(Jobs(house.urls.worker, [Schedule("tests_sweep", 1, sweep)]).run())
    try:
        for _ in range(120):
            if len(runs) >= 2:
                break
            await asyncio.sleep(0.05)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(runs) >= 2


async def test_a_process_takes_the_jobs_of_its_own_schedules_and_no_others(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Parts that run alone share the engine's tables: one that took another's job would throw it away."""
    runs: dict[str, list[str]] = {"one": [], "two": []}

    def jobs_of(part: str) -> Jobs:
        async def sweep() -> None:
            runs[part].append(part)

        return Jobs(house.urls.worker, [Schedule(f"tests_{part}", 1, sweep)])

    running = [asyncio.create_task(jobs_of(part).run()) for part in runs]
    try:
        async with asyncio.timeout(60):
            while min(map(len, runs.values())) < 6:
                await asyncio.sleep(0.05)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    thrown_away = [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert thrown_away == []
