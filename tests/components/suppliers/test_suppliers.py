"""The supplier master: one party is one supplier, whatever it is called elsewhere; older news changes nothing."""

from __future__ import annotations

from typing import Any

from support.api import Api
from support.house import House
from support.papers import SUPPLIER, SUPPLIER_ID, supplier
from tripartite.core import codec
from tripartite.core.events import DISPOSITIONS, Disposed
from tripartite.core.ids import stable_id
from tripartite.core.objects import BankAccount, Supplier


async def master(house: House) -> list[Supplier]:
    rows = await house.rows("SELECT document FROM suppliers.supplier ORDER BY number")
    return [codec.decode(row[0], Supplier) for row in rows]


async def test_our_id_is_computed_so_that_any_order_of_arrival_gives_the_same(house: House) -> None:
    for number in ("B", "A", SUPPLIER):
        await house.bring(supplier(number))
    assert {each.supplier_id for each in await master(house)} == {
        stable_id("sup", "A"),
        stable_id("sup", "B"),
        SUPPLIER_ID,
    }


async def test_the_same_party_from_a_second_system_joins_as_one_more_name(house: House) -> None:
    await house.bring(supplier("100", tax_id="DE812345673", names_elsewhere={}), source="coupa")
    await house.bring(supplier("L-7", tax_id="DE812345673", names_elsewhere={}), source="sap")
    found = await master(house)
    assert [each.number for each in found] == ["100"]
    assert found[0].names_elsewhere["sap"] == "L-7"
    assert found[0].names_elsewhere["coupa"] == "100"


async def test_two_suppliers_without_a_tax_id_stay_two(house: House) -> None:
    await house.bring(supplier("1"), supplier("2"))
    assert len(await master(house)) == 2


async def test_a_capture_suite_that_was_given_its_suppliers_by_coupa_knows_them_by_its_numbers(house: House) -> None:
    await house.bring(supplier("100", names_elsewhere={}), source="coupa")
    names = (await master(house))[0].names_elsewhere
    assert names["capture"] == "100"
    xrefs = await house.rows("SELECT connection, foreign_id FROM gateway.xref WHERE kind = 'supplier' ORDER BY 1")
    assert ("capture", "100") in xrefs
    assert ("coupa", "100") in xrefs


async def test_an_older_version_of_a_supplier_is_stale_and_changes_nothing(house: House) -> None:
    await house.bring(supplier(version=3, status="blocked"))
    await house.bring(supplier(version=2, status="active"))
    assert [each.status for each in await master(house)] == ["blocked"]
    told = await house.messages(DISPOSITIONS, Disposed)
    assert [(each.disposition, each.reason_code) for each in told] == [("stale", "integration.version_stale")]


async def test_every_change_of_the_master_has_its_leaf_and_holds_no_account(house: House) -> None:
    iban = "DE89370400440532013000"
    await house.bring(supplier(accounts=(BankAccount(iban),)))
    rows = await house.rows("SELECT record FROM audit.leaf WHERE kind = 'supplier.recorded'")
    assert len(rows) == 1
    assert iban.encode() not in rows[0][0]


async def validation(api: Api, number: str) -> dict[str, Any]:
    caller = await api.caller()
    said: dict[str, Any] = (await caller.get(f"/v1/suppliers/{number}/validation")).json()
    return said


async def test_validation_says_whether_one_may_trade_with_a_supplier_and_why_not(api: Api) -> None:
    await api.house.bring(
        supplier("1"),
        supplier("2", status="blocked"),
        supplier("3", status="inactive"),
    )
    assert (await validation(api, "1"))["valid"] is True
    for number, code in (("2", "supplier.blocked"), ("3", "supplier.inactive"), ("4", "supplier.unknown")):
        said = await validation(api, number)
        assert said["valid"] is False
        assert [finding["code"] for finding in said["findings"]] == [code]
