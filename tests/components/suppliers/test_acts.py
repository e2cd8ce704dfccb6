"""What people may do to the master: two confirm an account, one refuses it, another lifts a suspension."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.api import Api
from support.caller import Answer, Caller
from support.papers import invoice, order, receipt, supplier
from tripartite.core.events import SUPPLIER_EVENTS, SupplierRecorded
from tripartite.core.ids import stable_id
from tripartite.core.objects import BankAccount
from tripartite.runtime.auth import CONFLICTS, PERSON_ONLY, create_token

KRANZ = stable_id("sup", "7")
OLD, NEW = BankAccount("DE89370400440532013000"), BankAccount("DE02120300000000202051")
READS = ("supplier.read",)


async def kranz(api: Api, *accounts: BankAccount, version: int = 1, **further: Any) -> None:
    known = {"names_elsewhere": {}, "accounts": accounts, "version": version, **further}
    await api.house.bring(supplier("7", **known), source="sap")


async def keeper(api: Api, name: str, *more: str, **further: Any) -> Caller:
    rights = (*READS, "bank.confirm", "supplier.suspend", "supplier.restore", *more)
    return await api.person(name, rights, **further)


def called(api: Api) -> dict[str, str]:
    return {
        "spoke_with": "Ms Kranz",
        "number_called": "+49 221 555",
        "number_from": "contract of 2019",
        "called_at": api.house.ports.clock.now().isoformat(),
    }


async def post(caller: Caller, path: str, body: Any) -> Answer:
    return await caller.post(f"/v1/suppliers/{path}", json.dumps(body).encode())


async def waiting(api: Api) -> str:
    return str(
        await api.house.value(
            """SELECT change_id FROM (SELECT DISTINCT ON (change_id) change_id, state FROM suppliers.bank_change
            ORDER BY change_id, version DESC) b WHERE state = 'pending'"""
        )
    )


async def last_told(api: Api) -> SupplierRecorded:
    await api.house.pump()
    told = await api.house.messages(SUPPLIER_EVENTS, SupplierRecorded)
    found: SupplierRecorded = max((e for e in told if e.value.supplier_id == KRANZ), key=lambda e: e.value.version)
    return found


async def open_codes(api: Api) -> set[str]:
    await api.house.pump()
    rows = await api.house.rows("SELECT reason_code FROM control.exception WHERE state = 'open'")
    return {row[0] for row in rows}


async def test_a_first_account_is_used_only_after_two_people_confirmed_it(strict_api: Api) -> None:
    api = strict_api
    await kranz(api, OLD)
    told = await last_told(api)
    assert (told.eligibility, told.value.accounts, told.pending_accounts) == ("suspended", (), (OLD,))
    assert "supplier.bank_change_unapproved" in await open_codes(api)
    anna, boris = await keeper(api, "anna"), await keeper(api, "boris")
    path = f"{KRANZ}/bank-changes/{await waiting(api)}/confirmations"
    api.house.clock.turn(3600)
    once = await post(anna, path, {"call": called(api)})
    assert (once.status, once.json()["state"]) == (200, "pending")
    assert (await last_told(api)).value.accounts == ()
    again = await post(anna, path, {"call": called(api)})
    assert (again.status, again.json()["reason_code"]) == (403, "control.duties_in_conflict")
    twice = await post(boris, path, {"note": "read the contract"})
    assert (twice.status, twice.json()["state"]) == (200, "confirmed")
    assert OLD.account not in twice.body.decode()
    told = await last_told(api)
    assert (told.eligibility, told.value.accounts, told.confirmed_accounts) == ("eligible", (OLD,), (OLD,))
    assert "supplier.bank_change_unapproved" not in await open_codes(api)
    leaves = await api.house.rows("SELECT kind, record FROM audit.leaf WHERE kind LIKE 'bank.%%' ORDER BY kind")
    assert [row[0] for row in leaves] == ["bank.confirmed", "bank.confirmed", "bank.observed"]
    assert all(OLD.account.encode() not in row[1] for row in leaves)
    assert any(b"contract of 2019" in row[1] for row in leaves)


async def test_a_changed_account_waits_and_a_refusal_keeps_the_one_before(api: Api) -> None:
    await kranz(api, OLD)
    assert (await last_told(api)).confirmed_accounts == (OLD,), "day zero"
    await kranz(api, NEW, version=2)
    told = await last_told(api)
    assert (told.eligibility, told.confirmed_accounts, told.pending_accounts) == ("eligible", (OLD,), (NEW,))
    anna = await keeper(api, "anna")
    gone = await post(anna, f"{KRANZ}/bank-changes/{await waiting(api)}/refusals", {"why": "they know nothing of it"})
    assert (gone.status, gone.json()["state"]) == (200, "refused")
    told = await last_told(api)
    assert (told.confirmed_accounts, told.pending_accounts) == ((OLD,), ())


async def test_who_made_the_change_or_holds_a_duty_that_excludes_it_confirms_nothing(api: Api) -> None:
    await kranz(api, OLD)
    await kranz(api, NEW, version=2, changed_by="Anna Berg")
    path = f"{KRANZ}/bank-changes/{await waiting(api)}/confirmations"
    made = await keeper(api, "anna", person="Anna Berg")
    payer = await keeper(api, "paul", "payment.release")
    for caller in (made, payer):
        answer = await post(caller, path, {"call": called(api)})
        assert (answer.status, answer.json()["reason_code"]) == (403, "control.duties_in_conflict")
    # Two accounts of one person are one person.
    first, second = await keeper(api, "c1", person="Carl"), await keeper(api, "c2", person="Carl")
    assert (await post(first, path, {"call": called(api)})).status == 200
    assert (await post(second, path, {"call": called(api)})).status == 403


@pytest.mark.parametrize("permission", ["bank.confirm", "supplier.restore"])
async def test_a_machine_can_answer_for_neither(api: Api, permission: str) -> None:
    assert permission in PERSON_ONLY
    assert permission in CONFLICTS
    async with api.house.db.connection() as connection:
        with pytest.raises(ValueError, match="service account"):
            await create_token(connection, name="robot", permissions=[permission])


async def test_an_act_asks_for_the_password_once_more_after_a_while(api: Api) -> None:
    await kranz(api, OLD)
    await kranz(api, NEW, version=2)
    anna = await keeper(api, "anna")
    await api.house.rows("UPDATE auth.session SET stepped_up_at = stepped_up_at - interval '1 hour' RETURNING 1")
    answer = await post(anna, f"{KRANZ}/bank-changes/{await waiting(api)}/confirmations", {"call": called(api)})
    assert answer.status == 403
    assert "password" in answer.json()["detail"]


async def test_the_history_answers_on_both_axes_of_time(api: Api) -> None:
    clock = api.house.ports.clock
    await kranz(api, OLD)
    before = clock.now()
    api.house.clock.turn(days=1)
    await kranz(api, NEW, version=2)
    anna, boris = await keeper(api, "anna"), await keeper(api, "boris")
    path = f"{KRANZ}/bank-changes/{await waiting(api)}/confirmations"
    api.house.clock.turn(3600)
    call = called(api)
    api.house.clock.turn(days=2)
    assert (await post(anna, path, {"call": call})).status == 200
    assert (await post(boris, path, {"call": None})).status == 200

    async def ask(query: str = "") -> dict[str, str]:
        items = (await anna.get(f"/v1/suppliers/{KRANZ}/bank-changes{query}")).json()["items"]
        return {each["account"][-4:]: each["state"] for each in items}

    stamp = before.isoformat().replace("+00:00", "Z")
    assert await ask(f"?known_at={stamp}") == {"3000": "confirmed"}
    assert await ask() == {"3000": "withdrawn", "2051": "confirmed"}
    called_at = call["called_at"].replace("+00:00", "Z")
    assert (await ask(f"?in_force_at={called_at}"))["2051"] == "confirmed", "in force since the call, known days later"
    assert (await ask(f"?known_at={called_at}"))["2051"] == "pending"
    with pytest.raises(Exception, match="only added to"):
        await api.house.rows("UPDATE suppliers.bank_change SET state = 'confirmed' RETURNING 1")


async def test_a_supplier_mismatch_suspends_and_another_person_restores(api: Api) -> None:
    await kranz(api, OLD, names_elsewhere={"sap": "7"})
    await api.house.bring(supplier(), order(), receipt())
    await api.house.bring_invoice(invoice(by="7"))
    assert "supplier.mismatch" in await api.house.codes()
    told = await last_told(api)
    assert (told.eligibility, told.reasons) == ("suspended", ("supplier.mismatch",))
    anna = await keeper(api, "anna")
    (stop,) = (await anna.get(f"/v1/suppliers/{KRANZ}")).json()["suspensions"]
    assert (stop["by"], stop["stands"]) == ("invoices", True)
    path = f"{KRANZ}/suspensions/{stop['suspension_id']}/restorations"
    assert (await post(anna, path, {"why": " "})).status == 422
    assert (await post(anna, path, {"why": "the order was placed with the parent firm"})).status == 200
    assert (await last_told(api)).eligibility == "eligible"
    assert (await post(anna, path, {"why": "again"})).status == 409
    await api.house.rewind("suppliers", "supplier.commands")
    assert (await last_told(api)).eligibility == "eligible", "the same cause suspends once"


async def test_who_suspended_does_not_restore(api: Api) -> None:
    await kranz(api, OLD)
    anna, boris = await keeper(api, "anna"), await keeper(api, "boris")
    body = {"reason_code": "supplier.risk_changed", "why": "insolvency reported", "object_id": "news 1"}
    made = (await post(anna, f"{KRANZ}/suspensions", body)).json()
    assert (await last_told(api)).eligibility == "suspended"
    assert "supplier.risk_changed" in await open_codes(api)
    path = f"{KRANZ}/suspensions/{made['suspension_id']}/restorations"
    assert (await post(anna, path, {"why": "it was nothing"})).status == 403
    assert (await post(boris, path, {"why": "it was another firm of that name"})).status == 200
    assert "supplier.risk_changed" not in await open_codes(api)
    assert (await post(anna, f"{KRANZ}/suspensions", {**body, "reason_code": "match.arithmetic"})).status == 422
    kinds = await api.house.rows(
        "SELECT kind FROM audit.leaf WHERE kind IN ('supplier.suspended', 'supplier.restored') ORDER BY kind"
    )
    assert [row[0] for row in kinds] == ["supplier.restored", "supplier.suspended"]
