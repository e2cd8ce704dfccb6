"""Whether a process answers and can work, told to whoever asks, and nothing else told."""

from __future__ import annotations

from pathlib import Path

from support.api import Api
from support.clones import Clones
from support.house import House
from support.times import MORNING


async def test_a_process_says_which_parts_it_runs_and_in_which_version(api: Api) -> None:
    for path in ("/health", "/ready"):
        answer = await api.nobody.get(path)
        assert answer.status == 200
        assert answer.json() == {"ok": True, "parts": [each.name for each in api.house.components], "version": "tests"}


async def test_without_its_database_a_process_answers_and_is_not_ready(clones: Clones, tmp_path: Path) -> None:
    house = House(clones, clones.fresh(MORNING), tmp_path)
    await house.db.open()
    async with Api(house) as api:
        clones.drop(house.name)
        assert (await api.nobody.get("/health")).status == 200
        answer = await api.nobody.get("/ready")
        assert answer.status == 503
        assert answer.json()["reason_code"] == "integration.retries_exhausted"
    await house.db.close()
