"""An order in another currency than the company's, billed in its currency: posted where the estate knows a rate."""

from __future__ import annotations

from datetime import date

from support.house import House, replaced
from support.papers import invoice, order, receipt, supplier
from tripartite.core.estate import RateRow
from tripartite.core.money import Rate

DOLLARS = {"currency": "USD"}


async def test_a_bill_in_the_currency_of_its_foreign_order_is_posted_at_a_known_rate(house: House) -> None:
    house.ports.estate = replaced(house.ports.estate, rates=(RateRow("USD", "EUR", date(2026, 1, 1), Rate("0.92")),))
    await house.bring(supplier(), replaced(order(), **DOLLARS), receipt())
    await house.bring_invoice(replaced(invoice(), **DOLLARS))
    await house.settle()
    assert (await house.state(), await house.codes()) == ("posted", [])


async def test_without_a_rate_of_its_day_it_is_held_for_one(house: House) -> None:
    house.ports.estate = replaced(house.ports.estate, rates=(RateRow("USD", "EUR", date(2027, 1, 1), Rate("0.92")),))
    await house.bring(supplier(), replaced(order(), **DOLLARS), receipt())
    await house.bring_invoice(replaced(invoice(), **DOLLARS))
    assert (await house.state(), await house.codes()) == ("held", ["currency.rate_missing"])
