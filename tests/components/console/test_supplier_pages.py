"""A supplier on screen: masked accounts, a change that two people confirm by calling back, twins, names elsewhere."""

from __future__ import annotations

from components.console.reader import READING, Reader, links_of, reader, words_of
from components.suppliers.test_acts import KRANZ, NEW, OLD, kranz
from support.api import Api
from support.papers import supplier
from tripartite.core.ids import stable_id

PASSWORD = "a long walk before noon 17"
KEEPING = (*READING, "bank.confirm", "supplier.suspend", "supplier.restore")
PAGE = f"/suppliers/{KRANZ}"
CALL = {
    "spoke_with": "Ms Kranz",
    "number_called": "+49 221 555",
    "number_from": "contract of 2019",
    "called_at": "2026-11-20T10:30",
}


async def keepers(api: Api, *names: str) -> list[Reader]:
    return [await reader(api, name, KEEPING) for name in names]


async def test_an_account_is_confirmed_by_two_people_on_the_page_and_never_shown_whole(strict_api: Api) -> None:
    api = strict_api
    await kranz(api, OLD)
    anna, boris = await keepers(api, "anna", "boris")
    api.house.clock.turn(3 * 3600)
    text = await anna.text(PAGE)
    for said in ("Payments suspended", "Waits for confirmation", "Confirm it (0 of 2)", "its first account"):
        assert said in text, said
    assert (await anna.send(PAGE, "/confirmations", **CALL, password="not mine")).status == 422
    assert "Confirm it (0 of 2)" in await boris.text(PAGE), "a wrong password does nothing"
    done = await anna.send(PAGE, "/confirmations", **CALL, password=PASSWORD)
    assert (done.status, done.headers["location"]) == (303, PAGE)
    assert "You confirmed it already. The second confirmation is another person's." in await anna.text(PAGE)
    text = await boris.text(PAGE)
    assert "called Ms Kranz on +49 221 555, a number from contract of 2019" in text
    assert (await boris.send(PAGE, "/confirmations", note="read the contract", password=PASSWORD)).status == 303
    await api.house.pump()
    text = await boris.text(PAGE)
    assert "May be paid" in text
    assert "Every check passed." in text
    assert OLD.account not in (await boris.get(PAGE)).body.decode()


async def test_a_refused_confirmation_keeps_what_was_typed_and_says_the_owner_s_words(strict_api: Api) -> None:
    api = strict_api
    await kranz(api, OLD)
    (anna,) = await keepers(api, "anna")
    early = {**CALL, "called_at": "2020-01-01T10:30"}
    answer = await anna.send(PAGE, "/confirmations", **early, password=PASSWORD)
    assert answer.status == 422
    body = answer.body.decode()
    assert "before the change was known, or in the future" in body
    assert "contract of 2019" in body
    assert PASSWORD not in body, "a password is never written back"


async def test_who_also_pays_or_enters_is_told_why_they_may_not_confirm(strict_api: Api) -> None:
    api = strict_api
    await kranz(api, OLD)
    payer = await reader(api, "pia", (*KEEPING, "payment.release"))
    text = await payer.text(PAGE)
    assert "You also hold payment.release: whoever holds that does not decide where money goes." in text
    assert not (await payer.page(PAGE)).xpath("//form[contains(@action, '/confirmations')]")
    looks = await reader(api, "lea")
    assert "It takes the right bank.confirm, which you do not have." in await looks.text(PAGE)


async def test_a_change_stands_before_the_account_in_use_and_may_be_refused(api: Api) -> None:
    await kranz(api, OLD)
    await kranz(api, NEW, version=2)
    (anna,) = await keepers(api, "anna")
    text = await anna.text(PAGE)
    assert text.index("Waits for confirmation") < text.index("Taken over on day zero")
    done = await anna.send(PAGE, "/refusals", why="nobody there knows of it", password=PASSWORD)
    assert done.status == 303
    assert "nobody there knows of it" in await anna.text(PAGE)


async def test_payments_are_stopped_by_one_and_let_go_by_another(api: Api) -> None:
    await kranz(api, OLD)
    anna, boris = await keepers(api, "anna", "boris")
    stopped = await anna.send(PAGE, "/suspensions", reason_code="supplier.bank_mismatch", why="a strange letter came")
    assert stopped.status == 303, stopped
    await api.house.pump()
    text = await anna.text(PAGE)
    assert "Payments suspended" in text
    assert "You stopped the payments; another person lets them go again." in text
    done = await boris.send(PAGE, "/restorations", why="the letter was theirs", password=PASSWORD)
    assert done.status == 303, done
    await api.house.pump()
    assert "Lifted by boris: the letter was theirs" in await anna.text(PAGE)


async def test_twins_and_names_elsewhere_stand_on_the_page_and_lists_are_by_name(api: Api) -> None:
    await api.house.bring(supplier("7", name="Kranz GmbH", names_elsewhere={"sap": "700"}, accounts=(OLD,)))
    await api.house.bring(supplier("8", name="Kranz Gesellschaft", names_elsewhere={}, accounts=(OLD,)))
    await api.house.bring(supplier("9", name="Aurum B.V.", names_elsewhere={}))
    mira = await reader(api)
    tree = await mira.page("/suppliers")
    text = words_of(tree)
    assert text.index("Aurum B.V.") < text.index("Kranz G")
    assert "sap 700" in text
    assert "Aurum" not in await mira.text("/suppliers?q=kranz")
    assert "Aurum" in await mira.text("/suppliers?q=9")
    whole = await mira.text(PAGE)
    assert "coupa 7" in whole
    assert "sap 700 by the cross-reference" in whole
    assert "Looks like the same" in whole
    assert f"/suppliers/{stable_id('sup', '8')}" in links_of(await mira.page(PAGE))


async def test_a_supplier_of_another_company_is_not_found(api: Api) -> None:
    await kranz(api, OLD, company_codes=("DE01",))
    paula = await reader(api, "paula", companies=["PL02"])
    assert (await paula.get(PAGE)).status == 404
    assert "No supplier is known yet" in await paula.text("/suppliers")
    assert (await paula.get("/suppliers/none")).status == 404
    assert stable_id("sup", "7") == KRANZ
