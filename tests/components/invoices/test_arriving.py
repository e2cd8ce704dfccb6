"""An invoice and the facts it stands on arrive in any order; what is missing is waited for, and asked for once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from support.house import House, replaced
from support.papers import ORDER, invoice, order, receipt, supplier
from tripartite.components.invoices import handlers
from tripartite.core.events import ANSWERS, ASKS, DISPOSITIONS, Answered, Ask, Disposed


async def test_an_invoice_that_agrees_with_order_and_receipt_is_posted_without_a_hand(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    assert (await house.state(), await house.codes()) == ("to_post", [])
    await house.settle()
    assert await house.state() == "posted"
    assert list(house.sap.effects.values()) == [1]
    assert await house.value("SELECT document FROM invoices.invoice") == "5105600001/2026"


async def test_an_invoice_before_its_order_waits_and_is_posted_when_the_order_comes(house: House) -> None:
    await house.bring(supplier(), receipt())
    await house.bring_invoice(invoice())
    assert await house.state() in ("held", "parked")
    assert "reference.order_unknown" in await house.codes()
    assert await house.deliveries() == []
    await house.bring(order())
    assert (await house.state(), await house.codes()) == ("to_post", [])
    assert await house.value("SELECT count(*) FROM invoices.exception WHERE state = 'open'") == 0


async def test_an_invoice_before_its_receipt_waits_and_a_late_receipt_clears_it(house: House) -> None:
    await house.bring(supplier(), order())
    await house.bring_invoice(invoice())
    assert await house.state() in ("held", "parked")
    waits = await house.value("SELECT waits_for FROM invoices.invoice")
    assert waits, "an invoice that is not posted says what it waits for"
    await house.bring(receipt())
    assert (await house.state(), await house.codes()) == ("to_post", [])
    history = await house.rows("SELECT number, verdict, state FROM invoices.decision ORDER BY number")
    assert [row[0] for row in history] == [1, 2]
    assert history[-1] == (2, "post", "to_post")


async def test_partial_receipt_holds_until_the_rest_has_come(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    assert await house.state() == "held"
    assert await house.codes() == ["match.quantity_over_received"]
    assert await house.value("SELECT money_at_risk FROM invoices.invoice") == Decimal("16.00")  # 4 EA at 4.00
    await house.bring(receipt("GR-2", "3"))
    assert await house.state() == "held"
    await house.bring(receipt("GR-3", "1"))
    assert (await house.state(), await house.codes()) == ("to_post", [])


async def test_an_invoice_over_the_received_quantity_has_the_receipts_asked_for_once(house: House) -> None:
    await house.bring(supplier(), order(quantity="20"), receipt("GR-1", "6"))
    await house.bring_invoice(invoice("RE-1", "10"))
    await house.bring_invoice(invoice("RE-2", "9"))
    asks = await house.messages(ASKS, Ask)
    assert [(ask.question, ask.reference, ask.roles) for ask in asks] == [
        ("receipts_of_order", ORDER, ("warehouse", "procurement"))
    ]
    assert await house.value("SELECT count(*) FROM gateway.ask") == 1


async def test_an_unknown_order_is_asked_for_in_procurement_once_however_many_invoices_name_it(house: House) -> None:
    await house.bring(supplier())
    await house.bring_invoice(invoice("RE-1", "3"))
    await house.bring_invoice(invoice("RE-2", "4"))
    asks = [ask for ask in await house.messages(ASKS, Ask) if ask.question == "order_by_number"]
    assert [(ask.reference, ask.roles, ask.parameters) for ask in asks] == [
        (ORDER, ("procurement",), {"number": ORDER})
    ]


async def test_nothing_new_from_the_warehouse_is_noted_and_told_to_receiving(house: House) -> None:
    from tripartite.components.gateway.flows import ask_due

    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    house.clock.turn(60)
    await ask_due(house.ports, house.door)
    await house.pump()
    assert house.remotes["coupa"].asked == [("receipts_of_order", {"order_number": ORDER})]
    answers = await house.messages(ANSWERS, Answered)
    assert [(answer.found, answer.failed) for answer in answers] == [(0, "")]
    assert await house.value("SELECT as_of FROM invoices.receipts_known") == house.clock.at
    notices = await house.rows("SELECT role, words FROM control.notice")
    assert len(notices) == 1
    assert notices[0][0] == "receiving"
    assert "nothing new as of 2026-11-20T08:01Z" in notices[0][1]
    assert await house.state() == "held", "an answer without goods clears nothing"


async def test_the_same_invoice_told_twice_is_decided_once(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring(invoice(), invoice(), source="api")
    assert await house.value("SELECT count(*) FROM invoices.invoice") == 1
    assert await house.value("SELECT count(*) FROM invoices.decision") == 1
    assert await house.deliveries() == ["intended"]


async def test_the_same_number_again_by_another_channel_is_never_a_second_liability(house: House) -> None:
    await house.bring(supplier(), order(quantity="20"), receipt("GR-1", "20"))
    await house.bring(invoice(), source="api")
    await house.bring(invoice(), source="einvoice")
    states = await house.rows("SELECT state FROM invoices.invoice ORDER BY sequence")
    assert states == [("to_post",), ("refused",)]
    codes = await house.rows("SELECT reason_codes FROM invoices.invoice ORDER BY sequence")
    assert codes[1] == (["duplicate.exact"],)
    assert await house.deliveries() == ["intended"]


async def test_a_price_above_the_order_is_held_until_the_order_is_changed(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice(price="4.80"))
    assert await house.state() == "held"
    assert "match.price_over_limit" in await house.codes()
    await house.bring(order(price="4.80", version=2))
    assert (await house.state(), await house.codes()) == ("to_post", [])


async def test_an_older_version_of_an_order_that_comes_late_changes_nothing(house: House) -> None:
    await house.bring(supplier(), order(price="4.80", version=2), receipt())
    await house.bring_invoice(invoice(price="4.80"))
    before = await house.rows("SELECT state, decisions, inputs_digest FROM invoices.invoice")
    await house.bring(order(price="4.00", version=1))
    assert await house.rows("SELECT state, decisions, inputs_digest FROM invoices.invoice") == before
    stale = [each for each in await house.messages(DISPOSITIONS, Disposed) if each.disposition == "stale"]
    assert [each.reason_code for each in stale] == ["integration.version_stale"]


async def test_a_supplier_without_a_number_in_the_erp_is_held_until_the_master_says_it(house: House) -> None:
    nameless = supplier(names_elsewhere={})
    await house.bring(nameless, order(), receipt())
    await house.bring_invoice(invoice())
    assert (await house.state(), await house.codes()) == ("held", ["integration.mapping_missing"])
    await house.bring(supplier(version=2))
    assert (await house.state(), await house.codes()) == ("to_post", [])


async def test_an_invoice_without_an_order_asks_for_an_approval_and_is_not_posted(house: House) -> None:
    await house.bring(supplier())
    await house.bring_invoice(invoice(of=""))
    assert await house.state() in ("approval", "held")
    assert await house.codes() != []
    await house.settle()
    assert house.sap.calls == []


async def test_facts_that_change_nothing_write_no_decision(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    before = await house.value("SELECT count(*) FROM invoices.decision")
    leaves = await house.value("SELECT count(*) FROM audit.leaf WHERE kind = 'decision'")
    await house.bring(order(), receipt("GR-1", "6"))
    assert await house.value("SELECT count(*) FROM invoices.decision") == before
    assert await house.value("SELECT count(*) FROM audit.leaf WHERE kind = 'decision'") == leaves


@pytest.mark.parametrize("company", ["DE01", "PL02", "AT04"])
async def test_each_company_is_booked_by_the_erp_its_route_names(house: House, company: str) -> None:
    await house.bring(supplier(), order(company=company), receipt(company=company))
    await house.bring_invoice(invoice(company=company))
    await house.settle()
    booked = await house.value("SELECT connection FROM deliveries.delivery WHERE operation = 'post_invoice'")
    assert booked == ("acme" if company == "AT04" else "sap")
    assert len(house.remotes[booked].ledger) == 1


async def test_an_order_of_another_company_with_the_same_number_is_not_this_order(house: House) -> None:
    await house.bring(supplier(), order(company="PL02"), receipt(company="PL02"))
    await house.bring_invoice(invoice(company="DE01"))
    assert "reference.order_unknown" in await house.codes()


async def test_a_credit_memo_gives_the_quantity_back(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    credit = replaced(invoice("GS-1", "2"), kind="credit_memo", original="RE-1001")
    await house.bring(receipt("RT-1", "2", kind="return", takes_from="GR-1"))
    await house.bring_invoice(credit)
    await house.settle()
    assert await house.state("GS-1") == "posted", await house.codes("GS-1")
    posted = await house.rows("SELECT number FROM invoices.invoice WHERE state = 'posted' ORDER BY number")
    assert posted == [("GS-1",), ("RE-1001",)]


async def test_every_open_invoice_of_a_supplier_is_decided_again_however_many_there_are(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "PAGE", 2)
    unknown = supplier(names_elsewhere={})
    numbers = [f"45000001{place:02d}" for place in range(5)]
    for place, number in enumerate(numbers):
        await house.bring(order(number), receipt(f"GR-{number}", of=number))
        await house.bring(invoice(f"RE-{number}", of=number, issued_on=date(2026, 11, 1 + place)), source="api")
    await house.bring(unknown)
    assert await house.rows("SELECT DISTINCT state FROM invoices.invoice") == [("held",)]
    await house.bring(supplier(version=2))
    assert await house.rows("SELECT state, count(*) FROM invoices.invoice GROUP BY 1") == [("to_post", 5)]
