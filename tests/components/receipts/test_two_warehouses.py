"""Two systems that number alike: their receipts are two receipts, whoever comes first."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from components.receipts.test_warehouse_receipts import WMS, estate_with_a_warehouse
from support.clones import Clones
from support.estates import without_publishing
from support.house import House, arrival, replaced
from support.papers import ORDER, invoice, order, receipt, supplier
from support.times import MORNING
from tripartite.core.estate import Estate, load_estate

CAME = "SELECT quantity FROM invoices.releasable WHERE receipt_number = '' AND order_number = %s"


def estate_with_two() -> Estate:

    text = (resources.files("tripartite") / "cli" / "templates" / "estate.toml").read_text(encoding="utf-8")
    second = WMS.split("[[owner]]")[0].replace('name = "wms"', 'name = "wms-south"').replace("WMS_", "WMS_SOUTH_")
    found = load_estate(text + WMS + second, "estate.toml")
    assert isinstance(found, Estate), found
    return found


@pytest_asyncio.fixture
async def two(clones: Clones, tmp_path: Path) -> AsyncIterator[House]:
    made = House(clones, clones.fresh(MORNING), tmp_path, without_publishing(estate_with_two()))
    await made.db.open()
    yield made
    await made.close()


def told_by_both() -> list[tuple[Any, str]]:
    return [
        (receipt("R-77", "4"), "wms"),
        (receipt("R-77", "6"), "wms-south"),
        (receipt("R-78", "1", kind="reversal", takes_from="R-77"), "wms-south"),
        (receipt("R-77", "5", version=2), "wms"),
    ]


@pytest.mark.parametrize("places", list(itertools.permutations(range(4)))[::5])
async def test_two_warehouses_with_one_number_are_two_receipts_in_any_order(
    two: House, places: tuple[int, ...]
) -> None:
    facts = told_by_both()
    await two.bring(supplier(), order())
    for place in places:
        value, source = facts[place]
        await two.publish(arrival(value, source), arrival(value, source))
        await two.pump()
    assert await two.rows("SELECT number, version FROM receipts.receipt ORDER BY 1") == [
        ("wms-south:R-77", 1),
        ("wms-south:R-78", 1),
        ("wms:R-77", 2),
    ]
    assert await two.value(CAME, ORDER) == 10
    await two.bring(invoice("RE-1", "10"), source="api")
    assert await two.state("RE-1") == "to_post"


async def test_an_invoice_names_the_receipt_as_its_warehouse_does(two: House) -> None:
    await two.bring(supplier(), order(basis="receipt"))
    await two.bring(receipt("R-77", "4"), source="wms")
    named = invoice("RE-1", "4")
    await two.bring(replaced(named, lines=(replaced(named.lines[0], receipt_number="R-77"),)), source="api")
    assert await two.state("RE-1") == "to_post"


async def test_what_was_recorded_before_a_second_warehouse_came_keeps_its_name(clones: Clones, tmp_path: Path) -> None:
    house = House(clones, clones.fresh(MORNING), tmp_path, without_publishing(estate_with_a_warehouse()))
    await house.db.open()
    await house.bring(receipt("R-77", "4"), source="wms")
    house.ports.estate = without_publishing(estate_with_two())
    await house.bring(receipt("R-77", "5", version=2), source="wms")
    await house.bring(receipt("R-77", "6", day=date(2026, 11, 11)), source="wms-south")
    assert await house.rows("SELECT number, version FROM receipts.receipt ORDER BY 1") == [
        ("R-77", 2),
        ("wms-south:R-77", 1),
    ]
    await house.close()


async def test_a_system_that_uses_the_number_of_another_has_a_receipt_of_its_own(house: House) -> None:
    await house.bring(receipt("GR-1", "4"), source="coupa")
    await house.bring(receipt("GR-1", "6"), receipt("RT-1", "1", kind="return", takes_from="GR-1"), source="api")
    rows = await house.rows("SELECT number, source FROM receipts.receipt ORDER BY 1")
    assert rows == [("GR-1", "coupa"), ("RT-1", "api"), ("api:GR-1", "api")]
    assert "api:GR-1" in str(await house.value("SELECT document FROM receipts.receipt WHERE number = 'RT-1'"))


async def test_the_database_never_makes_one_systems_receipt_the_version_of_anothers(house: House) -> None:
    await house.bring(receipt("GR-1", "4"), source="coupa")
    with pytest.raises(psycopg.errors.CheckViolation, match="is of coupa"):
        async with house.db.connection() as connection:
            await connection.execute("UPDATE receipts.receipt SET source = 'wms'")
