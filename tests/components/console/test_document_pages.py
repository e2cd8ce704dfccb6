"""Requisitions, orders and receipts on screen, with the real components behind them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest_asyncio

from components.console.reader import READING, Reader, links_of, reader, words_of
from components.orders.test_requisitions import answer, bring_budget, budget, ordered, wish
from support.api import Api
from support.house import House
from support.papers import ORDER, SUPPLIER, SUPPLIER_ID, invoice, order, receipt, supplier


@pytest_asyncio.fixture
async def told(publishing: House) -> AsyncIterator[Reader]:
    """A requisition of 900.00, its order, six of ten pieces, two of them back, and an invoice for ten."""
    house = publishing
    await house.bring(supplier(), wish())
    await bring_budget(house, budget("1000.00"))
    await answer(house)
    await house.bring(ordered(ORDER))
    await house.bring(receipt("GR-1", "6"), receipt("RT-1", "2", kind="return"))
    await house.settle()
    await house.bring(invoice())
    await house.settle()
    async with Api(house) as api:
        yield await reader(api)


async def test_the_list_of_orders_says_what_each_is_and_whether_the_erp_has_it(told: Reader) -> None:
    tree = await told.page("/orders")
    text = words_of(tree)
    for said in (ORDER, f"Supplier {SUPPLIER}", "DE01, version 1", "Open", "Has it", "sap as", "31007"):
        assert said in text, said
    assert f"/orders/{ORDER}?company=DE01" in links_of(tree)


async def test_an_order_shows_what_came_what_is_still_to_come_and_what_each_system_knows(told: Reader) -> None:
    tree = await told.page(f"/orders/{ORDER}?company=DE01")
    (row,) = tree.xpath("//tr[@id='line-10']")
    cells = [re.sub(r"\s+", " ", cell.text_content()).strip() for cell in row.xpath("td")]
    assert cells[2:5] == ["10 EA", "4", "6"]
    assert cells[-1] == "Part came"
    text = words_of(tree)
    for said in (
        "What each system knows",
        "coupa told us",
        "sap has it as",
        "jdoe",
        "boss",
        "Decided where it was asked for",
        "Covered",
        "EUR 900.00 wanted, EUR 1,000.00 left",
        "Return",
        "6 EA of line 10",
        "RE-1001",
    ):
        assert said in text, said


async def test_one_gets_from_the_requisition_to_the_receipt_and_the_invoice_by_links(told: Reader) -> None:
    tree = await told.page("/requisitions")
    wished = next(each for each in links_of(tree) if each.startswith("/requisitions/31007"))
    ordered_at = next(each for each in links_of(await told.page(wished)) if each.startswith("/orders/4"))
    found = links_of(await told.page(ordered_at))
    assert f"/suppliers/{SUPPLIER_ID}" in found
    came = next(each for each in found if each.startswith("/receipts/GR-1"))
    billed = next(each for each in found if each.startswith("/invoices/inv_"))
    receipt_page = await told.page(came)
    assert "6 EA" in words_of(receipt_page)
    assert f"/orders/{ORDER}?company=DE01#line-10" in links_of(receipt_page)
    assert "RE-1001" in await told.text(billed)


async def test_lists_are_filtered_by_state_and_by_the_beginning_of_a_number(told: Reader) -> None:
    assert ORDER in await told.text("/orders?q=state:open+4500")
    assert "leaves all of them out" in await told.text("/orders?q=state:cancelled")
    assert "leaves all of them out" in await told.text("/orders?q=4_00")
    assert "GR-1" in await told.text("/receipts?q=GR")
    assert "RT-1" not in await told.text("/receipts?q=GR")
    assert "31007" in await told.text("/requisitions?q=state:ordered") or "31007" in await told.text("/requisitions")


async def test_a_page_of_many_orders_goes_on_where_it_ended_and_json_has_its_rows(house: House) -> None:
    await house.bring(*(order(f"PO-{place:03d}") for place in range(60)))
    async with Api(house) as api:
        mira = await reader(api)
        tree = await mira.page("/orders")
        first = [each for each in links_of(tree) if each.startswith("/orders/PO-")]
        (following,) = tree.xpath("//a[@rel='next']/@href")
        second = [each for each in links_of(await mira.page(following)) if each.startswith("/orders/PO-")]
        assert (len(first), len(second)) == (50, 10)
        assert len({*first, *second}) == 60
        assert first[0].startswith("/orders/PO-059"), "the newest first"
        rows = (await mira.get("/orders.json")).json()
        assert [f"/orders/{row['number']}?company=DE01" for row in rows["items"]] == first
        assert (await mira.get("/orders?after=nonsense")).status == 400
        assert (await mira.get("/receipts?after=nonsense")).status == 400
        assert (await mira.get("/requisitions?after=nonsense")).status == 400


async def test_nobody_sees_documents_of_another_company(told: Reader, publishing: House) -> None:
    async with Api(publishing) as api:
        other = await reader(api, "paula", companies=["PL02"])
        for page in ("/orders", "/receipts", "/requisitions"):
            assert "None." in await other.text(page), page
        for page in (f"/orders/{ORDER}", "/receipts/GR-1", "/requisitions/31007"):
            for further in ("", "?company=DE01", "?company=PL02"):
                assert (await other.get(page + further)).status == 404, page + further


async def test_a_part_that_may_not_be_seen_says_so_and_the_rest_of_the_page_works(
    told: Reader, publishing: House
) -> None:
    async with Api(publishing) as api:
        some = await reader(api, "sam", ("console.read", "order.read"))
        text = await some.text(f"/orders/{ORDER}")
        assert "The receipts cannot be shown." in text
        assert "The approval cannot be shown." in text
        assert "Ball bearing" in text
        none = await reader(api, "nora", ("console.read",))
        answered = await none.get("/orders")
        assert answered.status == 403
        assert b"order.read" in answered.body
    assert set(READING) > {"order.read"}


async def test_what_is_empty_says_why(house: House) -> None:
    async with Api(house) as api:
        mira = await reader(api)
        assert "No order is known yet" in await mira.text("/orders")
        assert "No receipt is known yet" in await mira.text("/receipts")
        assert "No requisition is known yet" in await mira.text("/requisitions")
        assert (await mira.get("/orders/none")).status == 404
