"""One party under several numbers in several systems: whatever comes first, doubled or late, the master is the same."""

from __future__ import annotations

import random
from typing import Any

import pytest

from support.house import House, arrival
from support.papers import supplier
from support.times import MORNING
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import SUPPLIER_COMMANDS, SUPPLIER_EVENTS, SupplierRecorded, SuspendSupplier
from tripartite.core.ids import stable_id
from tripartite.core.objects import Address, BankAccount
from tripartite.runtime.bus import Outgoing

OLD, NEW = BankAccount("DE89370400440532013000"), BankAccount("DE02120300000000202051")
COLOGNE = Address(city="Köln", postal_code="50667", country="DE")
TAX, OTHER_TAX = "DE812345673", "DE129273398"
MISMATCH = stable_id("sup", "100")


def said(source: str, number: str, **further: Any) -> Outgoing:
    return arrival(supplier(number, **{"name": "Kranz Stahl GmbH", "names_elsewhere": {}, **further}), source)


def facts() -> list[Outgoing]:
    """Kranz: 100 in Coupa, L-7 in SAP, A-1 in Acme, with a change of account; a twin of it; two that share a tax id."""
    return [
        said("coupa", "100", name="Kranz GmbH", tax_id=TAX, address=COLOGNE, company_codes=("DE01",)),
        said("coupa", "100", version=2, tax_id=TAX, address=COLOGNE, company_codes=("DE01",)),
        said("sap", "L-7", tax_id=TAX, accounts=(OLD,)),
        said("sap", "L-7", tax_id=TAX, accounts=(NEW,), version=2),
        said("acme", "A-1", name="Kranz", tax_id=TAX, status="blocked"),
        said("coupa", "200", name="Kranz Stahl AG", address=COLOGNE),
        said("coupa", "300", tax_id=OTHER_TAX),
        said("coupa", "301", tax_id=OTHER_TAX),
        said("sap", "L-9", tax_id=OTHER_TAX),
        suspended(MISMATCH, "inv_1"),
        suspended(MISMATCH, "inv_2"),
    ]


def suspended(supplier_id: str, object_id: str) -> Outgoing:
    command = SuspendSupplier(supplier_id, "supplier.mismatch", object_id, "invoices", "not the order's supplier")
    return Outgoing(
        SUPPLIER_COMMANDS,
        Message(
            message_id=stable_id("msg", supplier_id, object_id),
            type="tripartite.supplier.suspend.v1",
            company_code="*",
            key=supplier_id,
            correlation_id="c_1",
            occurred_at=MORNING,
            payload=codec.encode(command),
        ),
    )


async def told(house: House, seed: int) -> None:
    chance = random.Random(f"suppliers/{seed}")
    waiting = [*facts(), *chance.sample(facts(), 5)]
    chance.shuffle(waiting)
    for outgoing in waiting:
        await house.publish(outgoing)
        if chance.random() < 0.6:
            await house.pump()
    await house.pump()


async def state(house: House) -> dict[str, Any]:
    """The master without what only counts changes: versions, times, and the ids that hold them."""
    parties = await house.rows(
        """SELECT supplier_id, name, number, status, tax_id, source, company_codes, eligibility, answer,
            tax_key, account_keys, place FROM suppliers.supplier WHERE replaced_by = '' ORDER BY 1"""
    )
    banks = await house.rows(
        """SELECT source, number, state, document FROM (SELECT DISTINCT ON (change_id) * FROM suppliers.bank_change
        ORDER BY change_id, version DESC) b WHERE state <> 'withdrawn' ORDER BY 1, 2, 3"""
    )
    newest: dict[str, SupplierRecorded] = {}
    for each in await house.messages(SUPPLIER_EVENTS, SupplierRecorded):
        before = newest.get(each.value.supplier_id)
        if before is None or before.value.version < each.value.version:
            newest[each.value.supplier_id] = each
    live = {each: recorded for each, recorded in newest.items() if not recorded.replaced_by}
    xrefs = await house.rows("SELECT kind, connection, foreign_id, our_id FROM gateway.xref ORDER BY 1, 2, 3, 4")
    open_codes = await house.rows(
        """SELECT object_id, reason_code FROM control.exception WHERE state = 'open' AND object_kind = 'supplier'
        ORDER BY 1, 2"""
    )
    return {
        "parties": parties,
        "records": await house.rows("SELECT source, number, version, supplier_id FROM suppliers.record ORDER BY 1, 2"),
        "banks": [(row[0], row[1], row[2]) for row in banks],
        "twins": await house.rows("SELECT * FROM suppliers.twin ORDER BY 1, 2"),
        "told": {
            each: (recorded.eligibility, recorded.reasons, recorded.confirmed_accounts, recorded.pending_accounts)
            for each, recorded in sorted(live.items())
        },
        "xrefs": xrefs,
        "exceptions": open_codes,
    }


@pytest.fixture(scope="module")
def first_state() -> dict[str, Any]:
    return {}


@pytest.mark.parametrize("seed", range(10))
async def test_the_master_is_the_same_in_any_order_and_doubled(
    house: House, seed: int, first_state: dict[str, Any]
) -> None:
    await told(house, seed)
    found = await state(house)
    before = first_state.setdefault("state", found)
    for part, rows in found.items():
        assert rows == before[part], f"{part} differ from the first seed"


async def test_what_the_records_make_is_what_an_auditor_expects(house: House) -> None:
    await told(house, 99)
    found = await state(house)
    members = {row[:2]: row[3] for row in found["records"]}
    kranz = stable_id("sup", "100")
    assert members["coupa", "100"] == members["sap", "L-7"] == members["acme", "A-1"] == kranz
    assert len({members["coupa", "300"], members["coupa", "301"], members["sap", "L-9"]}) == 3
    told_of = found["told"][kranz]
    assert told_of[0] == "suspended"
    assert set(told_of[1]) == {"supplier.blocked", "supplier.mismatch"}
    assert told_of[2:] == ((OLD,), (NEW,)), "the account before stays in use until the new one is confirmed"
    codes = {code for object_id, code in found["exceptions"] if object_id == kranz}
    assert codes == {
        *("supplier.blocked", "supplier.bank_change_unapproved", "supplier.duplicate", "supplier.mismatch"),
        "integration.state_differs",
    }
    assert found["twins"] == sorted(found["twins"])
    assert any(set(row[:2]) == {kranz, members["coupa", "200"]} and row[2] == ["name"] for row in found["twins"])


async def test_everything_told_once_more_writes_nothing(house: House) -> None:
    await told(house, 3)
    counts = """SELECT (SELECT count(*) FROM audit.leaf),
        (SELECT count(*) FROM bus.message WHERE topic = 'supplier.events')"""
    before = await house.rows(counts)
    for outgoing in facts():
        await house.publish(outgoing)
    await house.pump()
    assert await house.rows(counts) == before
