"""One transaction on one screen: from the requisition to the bank's statement, with what is late and why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest_asyncio

from components.console.reader import Reader, links_of, reader, words_of
from components.console.test_payment_pages import PAYING, run_of
from components.orders.test_requisitions import ordered, wish
from support.api import Api
from support.clones import Clones
from support.estates import day_zero_pack
from support.house import House
from support.papers import ORDER, invoice, receipt
from support.paying import Treasury, entry, paid_to, paying_estate, reported, stated, transfer
from support.times import MORNING
from tripartite.core.ids import correlation_of

PAGE = f"/lineage/{correlation_of('DE01', ORDER)}"
FRIDAY = date(2026, 11, 20)


@pytest_asyncio.fixture
async def house(clones: Clones, tmp_path: Path) -> AsyncIterator[House]:
    """A company that publishes its orders to SAP, posts there, and pays by its bank."""
    made = House(clones, clones.fresh(MORNING), tmp_path, paying_estate(), pack=day_zero_pack())
    await made.db.open()
    yield made
    await made.close()


async def ordered_and_received(house: House) -> None:
    await house.bring(paid_to(names_elsewhere={"sap": "10300001"}), wish(), ordered(ORDER), receipt("GR-1", "10"))
    await house.settle()


async def test_a_newcomer_follows_one_invoice_from_the_requisition_to_the_bank_statement(
    api: Api, house: House
) -> None:
    await ordered_and_received(house)
    await house.bring(invoice(due_on=FRIDAY))
    await house.settle()
    assert await house.state() == "posted"
    ada, ben, cleo = [await reader(api, name, PAYING) for name in ("ada", "ben", "cleo")]
    run = await run_of(ada)
    for somebody in (ben, cleo):
        await somebody.send(run, "/releases")
    number = await house.value("SELECT number FROM payments.payment")
    order = await house.value("SELECT number FROM payments.payment_order")
    treasury = Treasury(house)
    await treasury.tell(reported(order, transfer(number, "executed")))
    await treasury.tell(stated(entry("E-1", "47.60", payment_number=number), number="S-77"))

    # By links alone: the list, the invoice, its whole story, and from there each document.
    found = await follow(ada, "/invoices", "/invoices/inv_")
    assert f"/orders/{ORDER}?company=DE01" in links_of(await ada.page(found))
    story = await follow(ada, found, "/lineage/")
    assert story == PAGE
    tree = await ada.page(story)
    text = words_of(tree)
    document = await house.value("SELECT document FROM invoices.invoice")
    for said in (
        "Requisition 31007", "boss", f"Order {ORDER}", "GR-1", "RE-1001", str(document), number, "S-77",
        "EUR 47.60 out on 23 Nov 2026", "sap: done", "version 1 of 1", "lag",
    ):  # fmt: skip
        assert said in text, said
    assert "Not yet" not in [node.text_content() for node in tree.xpath("//section[contains(@class, 'chain')]//b")]
    for kind in ("/requisitions/", "/orders/", "/receipts/", "/invoices/inv_", "/payments/"):
        where = await follow(ada, story, kind)
        assert story in links_of(await ada.page(where)), f"{where} leads back"


async def follow(somebody: Reader, page: str, beginning: str) -> str:
    """The first link of a page that begins so."""
    return next(each for each in links_of(await somebody.page(page)) if each.startswith(beginning)).partition("#")[0]


async def test_a_late_posting_is_traced_down_to_the_call_that_failed(api: Api, house: House) -> None:
    await ordered_and_received(house)
    house.sap.script.append("commit_then_hang")
    await house.bring(invoice(due_on=FRIDAY))
    await house.deliver("sap")
    mira = await reader(api)
    tree = await mira.page(PAGE)
    (card,) = tree.xpath("//section[@id='late']")
    text = " ".join(" ".join(card.itertext()).split()).replace("\u00a0", " ")
    for said in ("Posting of", "sap", "Outcome unknown", "Do not post it by hand.", "1 call", "no answer within 30 s"):
        assert said in text, said
    (failed,) = await house.rows("SELECT trace_id FROM deliveries.attempt WHERE answer = 'unknown'")
    assert failed[0]
    assert f"/traces/{failed[0]}" in links_of(tree), "from the late invoice to the call that failed"
    house.clock.turn(600)
    await house.settle()
    assert not (await mira.page(PAGE)).xpath("//section[@id='late']"), "nothing is late once it was found"


async def test_what_is_not_there_yet_says_what_it_waits_for(api: Api, house: House) -> None:
    await ordered_and_received(house)
    mira = await reader(api)
    text = await mira.text(PAGE)
    assert "Nobody billed it yet." in text
    assert "No run pays it yet" in text
    assert "No statement of the bank shows it yet." in text
    assert (await mira.get("/lineage/c_none")).status == 404
    rows = (await mira.get(f"{PAGE}/events.json")).json()
    assert len(rows["events"]) > 3


async def test_what_a_reader_may_not_see_is_not_called_missing(api: Api, house: House) -> None:
    await ordered_and_received(house)
    some = await reader(api, "sam", ("console.read", "lineage.read", "order.read"))
    text = await some.text(PAGE)
    assert f"Order {ORDER}" in text
    assert "Cannot be shown. sam may not do this; it takes the permission 'requisition.read'." in text
    assert "No requisition is named" not in text
    assert "Nothing came yet." not in text


async def test_another_company_s_transaction_is_not_found(api: Api, house: House) -> None:
    await ordered_and_received(house)
    paula = await reader(api, "paula", companies=["PL02"])
    assert (await paula.get(PAGE)).status == 404
