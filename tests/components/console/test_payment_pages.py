"""Payment runs on screen: two different people release exactly what they saw, and the bank's word comes to the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from components.console.reader import READING, Reader, links_of, reader, words_of
from support.api import Api
from support.clones import Clones
from support.house import House
from support.paying import (
    OUR_ACCOUNT,
    THEIR_ACCOUNT,
    Treasury,
    entry,
    invoice_id,
    paying_estate,
    posted,
    recorded,
    reported,
    stated,
    transfer,
)
from support.times import MORNING

PAYING = (*READING, "payment.propose", "payment.release", "payment.hold", "hold.release")


@pytest_asyncio.fixture
async def house(clones: Clones, tmp_path: Path) -> AsyncIterator[House]:
    made = House(clones, clones.fresh(MORNING), tmp_path, paying_estate())
    await made.db.open()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def due(house: House) -> Treasury:
    treasury = Treasury(house)
    await treasury.tell(recorded(), posted("RE-1", "100.00"), posted("RE-2", "50.00", blocked=True))
    return treasury


async def run_of(somebody: Reader) -> str:
    """Draw up a run from the page; its address."""
    answer = await somebody.send("/payments", "/payments", company="DE01")
    assert answer.status == 303, answer
    return answer.headers["location"]


async def test_a_run_is_drawn_up_and_released_by_two_others_who_each_see_what_they_release(
    api: Api, due: Treasury, house: House
) -> None:
    ada, ben, cleo = [await reader(api, name, PAYING) for name in ("ada", "ben", "cleo")]
    run = await run_of(ada)
    text = await ada.text(run)
    for said in ("EUR 100.00", "RE-1", "0 of 2 releases given", "You proposed it; two others release it."):
        assert said in text, said
    assert not (await ada.page(run)).xpath("//form[contains(@action, '/releases')]")
    assert "The ERP carries a payment block." in text, "what is left out says why"
    assert (await ben.send(run, "/releases")).status == 303
    text = await ben.text(run)
    assert "1 of 2 releases given" in text
    assert "You released it already. The next release is another person's." in text
    assert (await cleo.send(run, "/releases")).status == 303
    text = await cleo.text(run)
    assert "is owed to the bank" in text
    assert "Payment order" in text, "the file that is sent stands with its system"
    assert await house.value("SELECT count(*) FROM payments.payment_order") == 1


async def test_the_bank_s_report_and_its_statement_end_the_story_of_a_payment(
    api: Api, due: Treasury, house: House
) -> None:
    ada, ben, cleo = [await reader(api, name, PAYING) for name in ("ada", "ben", "cleo")]
    run = await run_of(ada)
    for somebody in (ben, cleo):
        await somebody.send(run, "/releases")
    number = await house.value("SELECT number FROM payments.payment")
    order = await house.value("SELECT number FROM payments.payment_order")
    page = f"/payments/{number}"
    assert "The bank has said nothing of it and booked nothing." in await ada.text(page)
    await due.tell(reported(order, transfer(number, "executed")))
    await due.tell(stated(entry("E-1", "100.00", payment_number=number), number="S-77"))
    tree = await ada.page(page)
    text = words_of(tree)
    for said in ("Paid", "Paid on 23 Nov 2026", "Status report", "Bank statement S-77", "EUR 100.00 out", "REF-E-1"):
        assert said in text, said
    assert f"/invoices/{invoice_id('RE-1')}" in links_of(tree)
    assert any(each.startswith("/lineage/") for each in links_of(tree))
    assert "23 Nov 2026" in await ada.text("/payments?q=state:executed")
    for address in (page, run, "/payments", "/payments/runs"):
        body = (await ada.get(address)).body.decode()
        assert THEIR_ACCOUNT not in body
        assert OUR_ACCOUNT not in body


async def test_a_release_of_what_is_no_longer_shown_is_refused_in_the_owner_s_words(
    api: Api, due: Treasury, house: House
) -> None:
    ada, ben = [await reader(api, name, PAYING) for name in ("ada", "ben")]
    run = await run_of(ada)
    tree = await ben.page(run)
    (form,) = tree.xpath("//form[contains(@action, '/releases')]")
    fields = {each.attrib["name"]: each.attrib.get("value", "") for each in form.xpath(".//input[@name]")}
    answer = await ben.post(f"{run}/releases", {**fields, "content_hash": "something else"})
    assert answer.status == 422
    assert b"changed after it was shown; look at it again." in answer.body
    assert await house.value("SELECT count(*) FROM payments.release") == 0


async def test_who_may_not_release_sees_why_and_is_refused_all_the_same(api: Api, due: Treasury) -> None:
    ada = await reader(api, "ada", PAYING)
    run = await run_of(ada)
    onlooker = await reader(api, "olga")
    tree = await onlooker.page(run)
    assert "It takes the right payment.release, which you do not have." in words_of(tree)
    token = tree.xpath("//input[@name='csrf']/@value")[0]
    answer = await onlooker.post(f"{run}/releases", {"csrf": token, "key": "k-1", "content_hash": "x"})
    assert answer.status == 422
    assert b"payment.release" in answer.body
    forged = await ada.post(f"{run}/cancellation", {"csrf": "forged", "why": "x"})
    assert forged.status == 403


async def test_a_hold_takes_a_payment_out_of_its_run_and_is_lifted_with_a_reason(
    api: Api, due: Treasury, house: House
) -> None:
    ada, ben = [await reader(api, name, PAYING) for name in ("ada", "ben")]
    run = await run_of(ada)
    what = {"company": "DE01", "kind": "invoice", "object": invoice_id("RE-1")}
    placed = await ben.send("/payments/holds", "/payments/holds", **what, why="goods broken")
    assert (placed.status, placed.headers["location"]) == (303, "/payments/holds")
    assert "goods broken" in await ada.text("/payments/holds")
    assert "Taken back; it pays nothing." in await ada.text(run)
    assert "goods broken" in await ada.text(run), "among what is due and left out"
    lifted = await ben.send("/payments/holds", "/lifting", why="they were replaced")
    assert lifted.status == 303
    assert "Nobody holds a payment." in await ada.text("/payments/holds")
    text = await ada.text("/payments/holds?lifted=yes")
    assert "they were replaced" in text
    nobody = {**what, "object": "inv_none"}
    unknown = await ben.send("/payments/holds", "/payments/holds", **nobody, why="typing error")
    assert unknown.status == 422
    assert b"owes nothing under invoice inv_none" in unknown.body
    assert b"typing error" in unknown.body, "nothing that was typed is lost"


async def test_a_returned_payment_is_opened_again_with_what_was_found_out(
    api: Api, due: Treasury, house: House
) -> None:
    ada, ben, cleo = [await reader(api, name, PAYING) for name in ("ada", "ben", "cleo")]
    run = await run_of(ada)
    for somebody in (ben, cleo):
        await somebody.send(run, "/releases")
    number = await house.value("SELECT number FROM payments.payment")
    order = await house.value("SELECT number FROM payments.payment_order")
    await due.tell(reported(order, transfer(number, "rejected", "AC04")))
    page = f"/payments/{number}"
    assert "Refused by the bank" in await ada.text(page)
    opened = await ada.send(page, "/reopening", why="the account was closed, a new one is confirmed")
    assert opened.status == 303
    assert "a new one is confirmed" in await ada.text(page)


async def test_pages_of_payments_say_why_they_are_empty_and_show_nothing_of_another_company(
    api: Api, house: House, due: Treasury
) -> None:
    ada = await reader(api, "ada", PAYING)
    assert "Nothing was proposed for payment yet." in await ada.text("/payments")
    assert "No run was drawn up yet." in await ada.text("/payments/runs")
    run = await run_of(ada)
    number = await house.value("SELECT number FROM payments.payment")
    paula = await reader(api, "paula", PAYING, companies=["PL02"])
    for page in (run, f"/payments/{number}", "/payments/none", "/payments/runs/none"):
        assert (await paula.get(page)).status == 404, page
    assert number not in await paula.text("/payments")
    assert (await paula.get("/payments?after=nonsense")).status == 400
