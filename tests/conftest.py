"""What every test may ask for: a prepared PostgreSQL, a fresh clone of it, the house with all its components.

clones      the server of this test process, with its template
database    an empty database with every schema, as its two roles
house       all components on such a database, a clock that stands at Friday 20 November 2026, 08:00 UTC
observing   the same, with a SAP that may only be observed
publishing  the same, with a SAP that orders are published to
ports       the ports of that house
shared_house, shared_api   the same with one database for all tests of a file
api         its HTTP application, without a socket
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.api import Api
from support.clones import Clones
from support.estates import baseline_pack, development_estate, with_mode
from support.house import House
from support.times import MORNING, ChanceIds
from tripartite.cli.running import COMPONENTS
from tripartite.runtime.component import Ports
from tripartite.runtime.process import Urls


@pytest.fixture(scope="session")
def clones() -> Iterator[Clones]:
    with tempfile.TemporaryDirectory(prefix="tripartite-house-", ignore_cleanup_errors=True) as home:
        made = Clones(Path(home), tuple(COMPONENTS.values()))
        made.start()
        yield made
        made.stop()


@pytest.fixture
def database(clones: Clones) -> Iterator[Urls]:
    name = clones.fresh(MORNING)
    yield clones.urls(name)
    clones.drop(name)


@pytest.fixture(scope="module")
def module_database(clones: Clones) -> Iterator[str]:
    name = clones.fresh(MORNING)
    yield name
    clones.drop(name)


@pytest_asyncio.fixture
async def shared_house(clones: Clones, module_database: str, tmp_path: Path) -> AsyncIterator[House]:
    """One database for a whole file: for many small questions that do not disturb one another."""
    made = House(clones, module_database, tmp_path, ids=ChanceIds())
    await made.db.open()
    yield made
    await made.close(drop=False)


@pytest_asyncio.fixture
async def shared_api(shared_house: House) -> AsyncIterator[Api]:
    async with Api(shared_house) as made:
        yield made


@pytest_asyncio.fixture
async def house(clones: Clones, tmp_path: Path) -> AsyncIterator[House]:
    made = House(clones, clones.fresh(MORNING), tmp_path)
    await made.db.open()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def strict_house(clones: Clones, tmp_path: Path) -> AsyncIterator[House]:
    """A house after day zero: under the baseline a supplier's first account is confirmed like a change."""
    made = House(clones, clones.fresh(MORNING), tmp_path, pack=baseline_pack())
    await made.db.open()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def strict_api(strict_house: House) -> AsyncIterator[Api]:
    async with Api(strict_house) as made:
        yield made


@pytest_asyncio.fixture
async def observing(clones: Clones, tmp_path: Path) -> AsyncIterator[House]:
    """A house whose SAP is only observed."""
    made = House(clones, clones.fresh(MORNING), tmp_path, with_mode(development_estate(), "sap", "observe"))
    await made.db.open()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def publishing(clones: Clones, tmp_path: Path) -> AsyncIterator[House]:
    """A house that publishes orders to its SAP, as the development estate says; the others get them from elsewhere."""
    made = House(clones, clones.fresh(MORNING), tmp_path, development_estate())
    await made.db.open()
    yield made
    await made.close()


@pytest.fixture
def ports(house: House) -> Ports:
    return house.ports


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "parts: whole processes or stories for minutes; run by `make test-parts`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `parts` is left out unless asked for by `-m parts`: it wants the machine for itself.

    Of the others the long scenarios begin first, so that no process is left alone with one at the end.
    """
    if "parts" not in (config.option.markexpr or ""):
        left_out = [item for item in items if item.get_closest_marker("parts")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: "scenarios" not in item.path.parts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where real documents must be there (TRIPARTITE_SAMPLES_REQUIRED=1), a test that skips for want of them fails."""
    report = yield
    wanted = os.environ.get("TRIPARTITE_SAMPLES_REQUIRED") == "1"
    if wanted and report.skipped and item.get_closest_marker("samples") is not None:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} reads real documents and was skipped though they are required."
    return report


@pytest_asyncio.fixture
async def api(house: House) -> AsyncIterator[Api]:
    """The HTTP application of the house, its door open, and callers with the rights a test gives them."""
    made = Api(house)
    async with made:
        yield made
