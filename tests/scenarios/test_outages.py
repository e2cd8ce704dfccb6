"""A system of the story that goes down: it refuses everybody, keeps what it has, and whoever works there waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest
import uvloop

from tripartite.cli.demo import headless
from tripartite.cli.outages import SYSTEMS, Outages
from tripartite.cli.staging import KINDS
from tripartite.rehearsal.simulators import Spec
from tripartite.rehearsal.vendors import Vendors
from tripartite.runtime.settings import Settings


@pytest.fixture
async def vendors(unused_ports: Callable[[int], list[int]]) -> AsyncIterator[Vendors]:
    ports = unused_ports(2)
    made = Vendors([Spec("coupa", ports[0]), Spec("avalara", ports[1])])
    await made.start()
    yield made
    await made.stop()


async def test_a_system_that_is_down_refuses_every_call_and_has_forgotten_nothing(vendors: Vendors) -> None:
    await vendors.tell("coupa", {"suppliers": [{"number": "1", "name": "Aurum"}]})
    away = asyncio.create_task(vendors.away("coupa", 1.0))
    await asyncio.sleep(0.4)
    async with httpx2.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx2.TransportError):
            await http.get(vendors.url("coupa") + "/_sim/health")
        assert (await http.get(vendors.url("avalara") + "/_sim/health")).status_code == 200
    told = asyncio.create_task(vendors.tell("coupa", {"suppliers": [{"number": "2", "name": "Kestrel"}]}))
    await asyncio.sleep(0.1)
    assert not told.done(), "nobody works at the screens of a system that is down"
    await away
    await told
    assert set((await vendors.truth("coupa"))["suppliers"]) == {"1", "2"}


async def test_the_tax_engine_is_away_in_every_story_while_invoices_come(vendors: Vendors) -> None:
    outages = Outages(vendors)
    for part in ("goods", "late", "payments"):
        outages.begin(part)  # type: ignore[arg-type]
        assert outages._away == []
    outages.begin("invoices")
    [task] = outages._away
    task.cancel()


def test_every_system_of_the_story_can_go_down() -> None:
    assert {kind for kind, _ in SYSTEMS.values()} == set(KINDS)


@pytest.mark.parts  # two whole stories, one after the other: minutes, beside the other slow ones
def test_the_outcome_is_the_same_with_systems_down_and_the_same_for_a_seed(tmp_path: Path) -> None:
    """Two runs of one seed, one of them with the ERP and the bank away: every document ends alike."""
    settings = Settings(home=tmp_path, port=24_600)
    runs = [uvloop.run(headless(settings, 20, 2, None, stops)) for stops in ((), ("sap", "bank"))]
    assert [run["differences"] for run in runs] == [[], []]
    assert runs[0]["outcomes"] == runs[1]["outcomes"]
    assert all(run["ok"] for run in runs), [check for run in runs for check in run["invariants"] if not check["ok"]]
