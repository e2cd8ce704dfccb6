"""The newest version counts: one statement for suppliers, orders, receipts and every projection of them (I22)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from support.house import House
from tripartite.core import codec
from tripartite.core.events import Disposed
from tripartite.runtime.db import Connection
from tripartite.runtime.versions import VersionedTable, disposition_of, keep_newest

TABLE = VersionedTable(
    "invoices.purchase_order", ("company_code", "number"), {"supplier_id": "text", "document": "bytea"}
)


def row(number: str, version: int, document: str = "") -> dict[str, Any]:
    return {
        "company_code": "DE01",
        "number": number,
        "version": version,
        "supplier_id": "sup",
        "document": (document or f"{number}/{version}").encode(),
    }


async def keep(house: House, *rows: dict[str, Any]) -> list[str]:
    async def work(connection: Connection) -> list[str]:
        return list(await keep_newest(connection, TABLE, rows))

    return await house.db.transaction(work)


async def test_a_higher_version_is_new_an_equal_one_a_repeat_a_lower_one_stale(house: House) -> None:
    assert await keep(house, row("A", 2)) == ["new"]
    assert await keep(house, row("A", 2, "other")) == ["repeat"]
    assert await keep(house, row("A", 1)) == ["stale"]
    assert await keep(house, row("A", 3)) == ["new"]
    assert await house.rows("SELECT version, document FROM invoices.purchase_order") == [(3, b"A/3")]


@pytest.mark.parametrize(
    ("versions", "standings"),
    [
        ((1, 2, 3), ["stale", "stale", "new"]),
        ((3, 2, 1), ["new", "stale", "stale"]),
        ((2, 2), ["new", "repeat"]),
        ((2, 1, 2), ["new", "stale", "repeat"]),
    ],
)
async def test_of_several_versions_in_one_batch_the_highest_is_kept_once(
    house: House, versions: tuple[int, ...], standings: list[str]
) -> None:
    assert await keep(house, *(row("A", version) for version in versions)) == standings
    assert await house.value("SELECT version FROM invoices.purchase_order") == max(versions)


async def test_any_order_and_any_batches_end_in_the_same_rows(house: House) -> None:
    told = [row(number, version) for number in "ABCDE" for version in (1, 2, 3)] * 2
    for seed in range(6):
        async with house.db.connection() as connection:
            await connection.execute("DELETE FROM invoices.purchase_order")
        chance = random.Random(seed)
        chance.shuffle(told)
        rest, new = list(told), 0
        while rest:
            size = chance.randint(1, 7)
            new += (await keep(house, *rest[:size])).count("new")
            rest = rest[size:]
        found = await house.rows("SELECT number, version, document FROM invoices.purchase_order ORDER BY 1")
        assert found == [(number, 3, f"{number}/3".encode()) for number in "ABCDE"]
        assert 5 <= new <= 15


async def test_no_rows_are_no_question(house: House) -> None:
    assert await keep(house) == []


def test_what_was_not_new_is_told_with_its_reason() -> None:
    stale = codec.decode(disposition_of("in_1", "stale"), Disposed)
    repeat = codec.decode(disposition_of("in_1", "repeat"), Disposed)
    assert (stale.disposition, stale.reason_code) == ("stale", "integration.version_stale")
    assert (repeat.disposition, repeat.reason_code) == ("duplicate", "duplicate.event")
