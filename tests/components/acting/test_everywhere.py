"""The same acts on the exceptions of orders, requisitions, receipts, suppliers and payments, under one vocabulary."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from support.api import Api
from support.caller import Answer, Caller
from support.clones import Clones
from support.house import House, replaced
from support.papers import invoice, order, receipt, requisition, supplier
from support.paying import Treasury, entry, paying_estate, posted, stated
from support.times import MORNING
from tripartite.components.control.flows import tell_overdue
from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.objects import BankAccount
from tripartite.core.objects.requisition import ApprovalStep
from tripartite.runtime.replay import replay

RIGHTS = ("exception.work", "exception.refuse", "hold.release", "exception.read")
EVERY_TEAM = ("role.ap", "role.buyer", "role.supplier_master", "role.treasury", "role.erp_support", "role.control")
PREFIX = {
    "order": "/v1/purchase-orders",
    "requisition": "/v1/purchase-orders",
    "receipt": "/v1/receipts",
    "supplier": "/v1/suppliers",
    "payment": "/v1/payments",
    "payment_order": "/v1/payments",
    "bank_entry": "/v1/payments",
}


@pytest_asyncio.fixture
async def paying_house(clones: Clones, tmp_path: Path) -> AsyncIterator[House]:
    made = House(clones, clones.fresh(MORNING), tmp_path, paying_estate())
    await made.db.open()
    yield made
    await made.close()


async def queue(house: House, state: str = "open") -> list[ExceptionRecord]:
    """What control shows, as everybody reads it."""
    await house.pump()
    rows = await house.rows("SELECT record FROM control.exception WHERE state = %s ORDER BY exception_id", state)
    return [codec.decode(row[0], ExceptionRecord) for row in rows]


async def only(house: House, code: str) -> ExceptionRecord:
    found = [each for each in await queue(house) if each.reason_code == code]
    assert found, [each.reason_code for each in await queue(house)]
    return found[0]


async def act(caller: Caller, record: ExceptionRecord, what: str, key: str = "", **told: Any) -> Answer:
    body = {"why": "looked at with the other side", "content_hash": record.content_hash, **told}
    headers = [("idempotency-key", key)] if key else []
    path = f"{PREFIX[record.object_kind]}/exceptions/{record.exception_id}/{what}"
    return await caller.post(path, json.dumps(body).encode(), headers=headers)


async def leaves(house: House) -> list[str]:
    return [row[0] for row in await house.rows("SELECT kind FROM audit.leaf WHERE kind LIKE 'act.%' ORDER BY leaf_no")]


async def notices(house: House) -> list[tuple[str, str]]:
    await house.pump()
    return [(row[0], row[1]) for row in await house.rows("SELECT role, words FROM control.notice ORDER BY at, role")]


# Orders


async def refused_order(house: House) -> ExceptionRecord:
    await house.bring(supplier(), replaced(order(), requester="rita"))
    house.sap.script.append("reject")
    await house.settle()
    return await only(house, "posting.rejected")


async def test_an_order_that_the_erp_refused_is_worked_and_given_up(publishing: House) -> None:
    house = publishing
    record = await refused_order(house)
    assert (record.object_kind, record.owner_role) == ("order", "erp_support")
    async with Api(house) as api:
        erna = await api.person("erna", (*RIGHTS, "role.erp_support"))
        eddy = await api.person("eddy", (*RIGHTS, "role.erp_support"))
        assert (await act(erna, record, "taking")).status == 200
        record = await only(house, "posting.rejected")
        assert record.owner_person == "erna"
        assert (await act(erna, record, "assignment", to="nobody here")).status == 403
        assert (await act(erna, record, "assignment", to="eddy")).json()["exception"]["owner_person"] == "eddy"
        answer = await act(eddy, record, "release")
        assert (answer.status, answer.json()["reason_code"]) == (403, "access.not_permitted"), "its fact must change"
        answer = await act(eddy, record, "refusal", why="ordered from another supplier")
        assert (answer.status, answer.json()["what"]) == (200, "refused")
        keys = [row[0] for row in await house.rows("SELECT key FROM deliveries.delivery")]

        async def again(connection: Any) -> Any:
            return await replay(connection, keys, by="ops", now=house.ports.clock.now(), chance=house.ports.chance)

        await house.db.transaction(again)
        await house.settle()
        assert len(house.sap.calls) == 1, "what was given up is sent by nobody"
        await house.bring(replaced(order(version=2, price="4.02"), requester="rita"))
        await house.settle()
        assert len(house.sap.calls) == 2, "a change of the order begins anew"
    assert await leaves(house) == ["act.taken", "act.denied", "act.assigned", "act.denied", "act.refused"]
    history = await house.rows("SELECT person, what FROM orders.exception_act ORDER BY place")
    assert history == [("erna", "taken"), ("erna", "assigned"), ("eddy", "refused")]


async def test_only_the_team_that_owns_it_acts_and_a_machine_never(publishing: House) -> None:
    record = await refused_order(publishing)
    async with Api(publishing) as api:
        other = await api.person("ada", (*RIGHTS, "role.ap"))
        machine = await api.caller(("order.read", "exception.read"))
        for name in ("taking", "refusal", "pause", "question", "assignment"):
            answer = await act(other, record, name, to="buyer" if name == "question" else "ada")
            assert (answer.status, answer.json()["reason_code"]) == (403, "access.not_permitted"), name
            assert (await act(machine, record, name)).status == 403
        foreign = await api.person("fay", (*RIGHTS, "role.erp_support"), ["PL02"])
        assert (await act(foreign, record, "taking")).status == 404, "another company's is not there"
    assert await leaves(publishing) == ["act.denied"] * 5


# Requisitions


async def test_a_requisition_that_waits_for_an_approval_is_asked_about_and_its_clock_stands(house: House) -> None:
    waiting = (ApprovalStep("boss", "approved", 1), ApprovalStep("cfo", "pending", 2))
    await house.bring(replaced(requisition(), approvals=waiting))
    record = await only(house, "approval.missing")
    async with Api(house) as api:
        boss = await api.person("bo", (*RIGHTS, f"role.{record.owner_role}"))
        answer = await act(boss, record, "question", to="buyer", why="is it still wanted?")
        assert answer.status == 200, answer
        assert (await act(boss, record, "question", to="gardening")).status == 422
        assert [role for role, _ in await notices(house)] == ["buyer"]
        assert "is it still wanted?" in (await notices(house))[0][1]
        first = await act(boss, record, "pause", key="k", reason="waiting_date")
        assert first.status == 200
        again = await act(boss, record, "pause", key="k", reason="waiting_date")
        assert (again.status, again.body) == (200, first.body)
        assert (await act(boss, record, "pause", key="k", why="else")).status == 409
        assert (await only(house, "approval.missing")).is_paused
        house.clock.turn(7200)
        assert (await act(boss, record, "resumption")).status == 200
        assert (await only(house, "approval.missing")).due_at > record.due_at  # type: ignore[operator]
        assert (await act(boss, record, "refusal")).status == 403, "procurement decides that"
        listed = await boss.get(f"/v1/purchase-orders/exceptions/{record.exception_id}/acts")
        assert listed.status == 403, "who reads orders may read what was done about them"
        reader = await api.person("ray", ("order.read",))
        listed = await reader.get(f"/v1/purchase-orders/exceptions/{record.exception_id}/acts")
        assert [each["what"] for each in listed.json()["items"]] == ["asked", "paused", "resumed"]


# Receipts


async def test_a_receipt_that_procurement_refused_is_given_up_and_not_told_again(publishing: House) -> None:
    house = publishing
    await house.bring(supplier(), order())
    await house.settle()
    house.remotes["coupa"].script.append("reject")
    await house.bring(receipt("GR-7", "6"), source="einvoice")
    while await house.pump() + await house.deliver("coupa", "sap"):
        pass
    record = await only(house, "posting.rejected")
    assert record.object_kind == "receipt"
    async with Api(house) as api:
        erna = await api.person("erna", (*RIGHTS, "role.erp_support"))
        answer = await act(erna, record, "refusal", why="booked there by hand")
        assert answer.status == 200, answer
    states = dict(await house.rows("SELECT connection, state FROM receipts.publication"))
    assert (states["coupa"], states["sap"]) == ("dropped", "settled")
    assert await queue(house) == []
    mode = await house.value("SELECT mode FROM deliveries.delivery WHERE connection = 'coupa'")
    assert mode == "observe", "disarmed: no replay sends it"


# Suppliers


async def test_two_suppliers_that_look_alike_are_told_apart_by_a_person_who_did_not_change_them(house: House) -> None:
    twins = {"tax_id": "DE811569869", "names_elsewhere": {}}
    await house.bring(supplier("7", changed_by="mo", **twins), source="sap")
    await house.bring(supplier("9", **twins), source="sap")
    open_now = [each for each in await queue(house) if each.reason_code == "supplier.duplicate"]
    assert len(open_now) == 2, "each of the two says so"
    async with Api(house) as api:
        mo = await api.person("mo", (*RIGHTS, "role.supplier_master"))
        mia = await api.person("mia", (*RIGHTS, "role.supplier_master"))
        answers = [await act(mo, each, "release") for each in open_now]
        assert sorted(each.status for each in answers) == [200, 403], "who changed the record does not accept it"
        for record in await queue(house):
            assert (await act(mia, record, "release", why="two legal entities of one group")).status == 200
        await house.rewind("suppliers", "supplier.canonical")
        assert [each for each in await queue(house) if each.reason_code == "supplier.duplicate"] == []
        assert len(await queue(house, "released")) == 2


async def test_an_account_is_confirmed_with_a_call_and_never_released(strict_api: Api) -> None:
    house = strict_api.house
    await house.bring(supplier("7", accounts=(BankAccount("DE89370400440532013000"),)), source="sap")
    record = await only(house, "supplier.bank_change_unapproved")
    mia = await strict_api.person("mia", (*RIGHTS, "role.supplier_master", "role.treasury"))
    answer = await act(mia, record, "release")
    assert (answer.status, "call" in answer.json()["detail"]) == (403, True)


# Payments


async def test_a_debit_that_is_no_payment_of_ours_is_explained_by_treasury_once(paying_house: House) -> None:
    house, treasury = paying_house, Treasury(paying_house)
    await treasury.ordered(posted("RE-1", "100.00"))
    await treasury.tell(stated(entry("E-9", "12.34", text="Fees")))
    record = await only(house, "payment.debit_without_item")
    async with Api(house) as api:
        tom = await api.person("tom", (*RIGHTS, "role.treasury"))
        answer = await act(tom, record, "release", why="quarterly fees, booked by journal")
        assert (answer.status, answer.json()["state"]) == (200, "released"), answer
        assert (await act(tom, record, "release")).json()["reason_code"] == "integration.version_stale"
        assert (await act(tom, record, "refusal")).status == 403
    await treasury.tell(stated(entry("E-9", "12.34", text="Fees"), kind="notification", number="N-1"))
    assert [each for each in await queue(house) if each.reason_code == "payment.debit_without_item"] == []


async def test_who_released_a_payment_does_not_explain_its_bookings(paying_house: House) -> None:
    house, treasury = paying_house, Treasury(paying_house)
    payment, _ = await treasury.ordered(posted("RE-1", "100.00"))
    await treasury.tell(stated(entry("E-1", "101.00", payment_number=payment)))
    record = await only(house, "payment.debit_without_item")
    released = [row[0] for row in await house.rows("SELECT person FROM payments.release")]
    async with Api(house) as api:
        one = await api.person("one", (*RIGHTS, "role.treasury"), person=released[0])
        answer = await act(one, record, "release")
        assert (answer.status, answer.json()["reason_code"]) == (403, "control.duties_in_conflict")


# The clock


async def test_when_its_time_is_up_the_next_role_is_told_once_and_may_act(publishing: House) -> None:
    house = publishing
    record = await refused_order(house)
    house.clock.turn(14 * 24 * 3600)
    await tell_overdue(house.ports)
    await house.pump()
    await tell_overdue(house.ports)
    await house.pump()
    late = await only(house, "posting.rejected")
    assert len(late.also_roles) == len(record.also_roles) + 1
    told = [role for role, _ in await notices(house)]
    assert told.count("erp_support") == 1
    assert told.count(late.also_roles[-1]) == 1
    async with Api(house) as api:
        boss = await api.person("boss", (*RIGHTS, f"role.{late.also_roles[-1]}"))
        assert (await act(boss, late, "taking")).status == 200


async def test_the_clock_of_an_invoice_escalates_the_same_way(house: House) -> None:
    await house.bring(supplier(), order(quantity="50"), receipt("GR-1", "1"))
    await house.bring_invoice(invoice("RE-1", "2"))
    record = await only(house, "match.quantity_over_received")
    house.clock.turn(14 * 24 * 3600)
    await tell_overdue(house.ports)
    late = await only(house, "match.quantity_over_received")
    assert late.also_roles == (*record.also_roles, "buyer")
    assert "buyer" in [role for role, _ in await notices(house)]
