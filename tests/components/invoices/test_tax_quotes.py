"""A tax variance waits for a quote, and the quote decides: R99, exceptions "tax variance", whole path on PostgreSQL."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from support.house import House, arrival, replaced
from support.papers import invoice, order, receipt, supplier
from support.tax import TaxedHouse
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import CANONICAL, TaxQuoteArrived
from tripartite.core.money import Amount, Rate
from tripartite.core.objects import Address, Invoice, InvoiceLine, TaxQuestion, TaxQuote, TaxSubtotal
from tripartite.runtime.bus import Outgoing

OVER = "9.99"  # on a net of 40.00, of which 19 % are 7.60 and 16 % 6.40
SIXTEEN = "6.40"


@pytest.fixture
def taxed(house: House) -> TaxedHouse:
    return TaxedHouse(house)


async def bill(house: House, tax: str, number: str = "RE-1001", **further: Any) -> str:
    await house.bring(supplier(), order(), receipt())
    return await house.bring_invoice(invoice(number, tax=tax, **further), source_document="doc-1")


async def quotes(house: House) -> list[TaxQuote]:
    rows = await house.rows("SELECT quote FROM invoices.tax_quote ORDER BY number")
    return [codec.decode_own(row[0], TaxQuote) for row in rows]


async def words_of(house: House, code: str) -> str:
    rows = await house.rows("SELECT record FROM invoices.exception WHERE reason_code = %s AND state = 'open'", code)
    assert len(rows) == 1, rows
    return str(codec.plain_json(rows[0][0]))


# Our own tables.


async def test_every_company_has_a_quote_by_our_own_tables_and_over_billed_tax_stays_held(house: House) -> None:
    invoice_id = await bill(house, OVER)
    [quote] = await quotes(house)
    assert (quote.engine, quote.tax, quote.taxes[0].code) == ("built_in", Amount("7.60"), "V19")
    assert (await house.state(), await house.codes()) == ("held", ["tax.amount_over"])
    said = await words_of(house, "tax.amount_over")
    assert "Tax V19: 9.99 is billed, 7.6 is due on 40 by built_in for 2026-11-16; our own tables come to 7.6." in said
    assert await house.deliveries() == []
    decisions = await house.rows(
        "SELECT number, verdict FROM invoices.decision WHERE invoice_id = %s ORDER BY number", invoice_id
    )
    assert decisions == [(1, "hold"), (2, "hold")], "decided when it came, and again with the quote"
    waits = await house.value("SELECT waits_for FROM invoices.invoice")
    assert "tax_quoted" in waits


async def test_tables_that_were_changed_are_asked_again(house: House) -> None:
    await bill(house, OVER)
    estate = house.ports.estate
    rows = tuple(replaced(row, rate=Rate("16")) if row.code == "V19" else row for row in estate.tax_codes)
    house.ports.estate = replaced(estate, tax_codes=rows)
    await house.bring(order(version=2))
    [quote] = await quotes(house)
    assert quote.tax == Amount("6.40")
    assert "6.4 is due on 40 by built_in" in await words_of(house, "tax.amount_over")


async def test_an_invoice_whose_tax_is_right_asks_nobody(taxed: TaxedHouse) -> None:
    await bill(taxed.house, "7.60")
    assert await taxed.house.state() == "to_post"
    assert await taxed.house.rows("SELECT 1 FROM invoices.tax_question") == []


async def test_goods_from_another_member_state_billed_as_such_are_cleared_though_the_order_says_otherwise(
    house: House,
) -> None:
    await house.bring(supplier(tax_id="ATU13585627", address=Address(country="AT")), order(), receipt())
    billed = invoice(tax="0.00")
    line: InvoiceLine = billed.lines[0]
    acquired: Invoice = replaced(
        billed,
        lines=(replaced(line, tax_codes=("VIC",)),),
        taxes=(TaxSubtotal(amount=Amount("0.00"), code="VIC", category="K", rate=Rate("0"), base=Amount("40.00")),),
    )
    await house.bring_invoice(acquired)
    [quote] = await quotes(house)
    assert [(tax.code, tax.kind, tax.amount) for tax in quote.taxes] == [("VIC", "reverse_charge", Amount("0.00"))]
    assert await house.state() == "to_post"
    ended = await house.rows("SELECT reason_code, state FROM invoices.exception")
    assert ended == [("tax.code_differs", "cleared")]


# A tax connection.


async def test_over_billed_tax_is_held_the_engine_is_asked_and_it_is_decided_again(taxed: TaxedHouse) -> None:
    house = taxed.house
    await bill(house, OVER)
    assert (await house.state(), await house.codes()) == ("held", ["tax.amount_over"])
    assert await quotes(house) == [], "nothing is reckoned here where an engine is to be asked"
    await taxed.ask()
    [quote] = await quotes(house)
    assert (quote.engine, quote.tax) == ("avalara", Amount("7.60"))
    assert (await house.state(), await house.codes()) == ("held", ["tax.amount_over"])
    assert "due on 40 by avalara" in await words_of(house, "tax.amount_over")
    assert taxed.bench.recorded == []
    [log] = taxed.bench.quotes.values()
    assert log["times"] == 1


async def test_a_bill_that_the_engine_confirms_is_cleared_and_posted(taxed: TaxedHouse) -> None:
    house = taxed.house
    taxed.bench.arrange({"rates": {"DE": "16"}})
    await bill(house, SIXTEEN)
    assert (await house.state(), await house.codes()) == ("held", ["tax.amount_under"])
    await taxed.ask()
    assert (await house.state(), await house.codes()) == ("to_post", [])
    assert await house.rows("SELECT state FROM invoices.exception") == [("cleared",)]
    await house.settle()
    assert await house.state() == "posted"


async def test_the_quote_is_kept_as_received_and_traced_to_its_bytes(taxed: TaxedHouse) -> None:
    house = taxed.house
    await bill(house, OVER)
    await taxed.ask()
    [(number, company, disposition, kind)] = await house.rows(
        """SELECT q.number, i.company_code, i.disposition, i.object_kind FROM invoices.tax_quote q
        JOIN gateway.intake i USING (intake_id)"""
    )
    assert (number in taxed.bench.quotes, company, disposition, kind) == (True, "DE01", "applied", "tax_quote")


async def test_two_invoices_of_one_content_ask_one_question(taxed: TaxedHouse) -> None:
    house = taxed.house
    taxed.bench.arrange({"rates": {"DE": "16"}})
    await house.bring(supplier(), order(quantity="20"), receipt(quantity="20"))
    for number in ("RE-1", "XY-2"):
        await house.bring_invoice(invoice(number, tax=SIXTEEN))
    await taxed.ask()
    assert len(await quotes(house)) == 1
    [log] = taxed.bench.quotes.values()
    assert log["times"] == 1
    held = await house.rows("SELECT number FROM invoices.invoice WHERE 'tax.amount_under' = ANY(reason_codes)")
    assert held == []


# No answer.


async def test_a_dead_engine_leaves_the_invoice_not_validated_and_never_posted(taxed: TaxedHouse) -> None:
    house = taxed.house
    taxed.bench.arrange({"rates": {"DE": "16"}})
    taxed.fault("reply.5xx", times=-1)
    await bill(house, SIXTEEN)
    await taxed.ask()
    assert await house.codes() == ["tax.amount_under"], "one failed try is not yet silence"
    await taxed.ask_until_given_up()
    assert (await house.state(), sorted(await house.codes())) == ("held", ["tax.amount_under", "tax.not_validated"])
    assert "AvaTax answered 500" in await words_of(house, "tax.not_validated")
    for _ in range(4):
        house.clock.turn(days=1)
        await taxed.ask_again()
        await taxed.ask_until_given_up()
        await house.settle()
    assert (await house.state(), await house.deliveries()) == ("held", [])
    taxed.bench.faults.clear()
    house.clock.turn(days=1)
    await taxed.ask_again()
    assert (await house.state(), await house.codes()) == ("to_post", [])


@pytest.mark.parametrize(
    ("kind", "words"),
    [("bad_address", "InvalidAddress"), ("wrong_jurisdiction", "it taxes in CA"), ("recorded", "is not a quote")],
)
async def test_an_answer_that_is_none_is_said_and_asked_again(taxed: TaxedHouse, kind: str, words: str) -> None:
    house = taxed.house
    taxed.bench.arrange({"rates": {"DE": "16"}})
    taxed.fault(kind, times=gateway_tries(kind))
    await bill(house, SIXTEEN)
    await taxed.ask_until_given_up()
    assert sorted(await house.codes()) == ["tax.amount_under", "tax.not_validated"]
    assert words in await words_of(house, "tax.not_validated")
    house.clock.turn(days=1)
    await taxed.ask_again()
    assert (await house.state(), await house.codes()) == ("to_post", [])


def gateway_tries(kind: str) -> int:
    return 1 if kind == "wrong_jurisdiction" else 5


async def test_an_answer_that_cannot_be_read_is_silence_too(taxed: TaxedHouse) -> None:
    house = taxed.house
    taxed.bench.arrange({"rates": {"DE": "16"}})
    taxed.fault("fraction")
    await bill(house, SIXTEEN)
    await taxed.ask()
    assert await house.codes() == ["tax.amount_under"]
    house.clock.turn(3600)
    await taxed.ask_again()
    # What was set aside is the same bytes no longer: the second answer adds up.
    assert (await house.state(), await house.codes()) == ("to_post", [])


async def test_a_policy_that_names_a_connection_that_is_not_there_holds_and_says_so(taxed: TaxedHouse) -> None:
    house = taxed.house
    house.ports.clients = house.remotes
    await bill(house, OVER)
    await taxed.ask()
    assert sorted(await house.codes()) == ["tax.amount_over", "tax.not_validated"]
    assert "no connection can answer this" in await words_of(house, "tax.not_validated")


# Any order.


def told(quote: TaxQuote, at: Any) -> Outgoing:
    payload = codec.encode(TaxQuoteArrived(quote))
    message = Message(
        message_id=f"msg_{quote.number}",
        type="tripartite.tax_quote.received.v1",
        company_code=quote.company_code,
        key=quote.number,
        correlation_id="c_tax",
        occurred_at=at,
        payload=payload,
        source="avalara",
    )
    return Outgoing(CANONICAL["tax_quote"], message)


async def state_of(house: House) -> dict[str, Any]:
    return {
        "invoices": await house.rows("SELECT number, state, verdict, reason_codes, payable_now FROM invoices.invoice"),
        "open": await house.rows("SELECT line, reason_code FROM invoices.exception WHERE state = 'open' ORDER BY 1, 2"),
        "quotes": await house.rows("SELECT number, quote FROM invoices.tax_quote ORDER BY 1"),
        "posting": await house.rows(
            "SELECT operation, state, request_digest FROM deliveries.delivery WHERE operation = 'post_invoice'"
        ),
    }


@pytest.fixture(scope="module")
def first() -> dict[str, Any]:
    return {}


@pytest.mark.parametrize("seed", range(6))
async def test_a_quote_before_or_after_doubled_and_reordered_ends_the_same(
    taxed: TaxedHouse, seed: int, first: dict[str, Any]
) -> None:
    """The answer is made once, by a question with all facts known; then the facts and it come in any order."""
    house = taxed.house
    taxed.bench.arrange({"rates": {"DE": "16"}})
    if not first:
        await bill(house, SIXTEEN)
        await taxed.ask()
        first["quote"], first["at"] = (await quotes(house))[0], house.clock.now()
        first["state"] = await state_of(house)
        assert first["state"]["invoices"][0][1] == "to_post"
        return
    facts = [
        *(arrival(each) for each in (supplier(), order(), receipt())),
        arrival(invoice(tax=SIXTEEN), "capture", source_document="doc-1"),
        told(first["quote"], first["at"]),
    ]
    chance = random.Random(seed)
    chance.shuffle(facts)
    facts += chance.sample(facts, 3)
    for fact in facts:
        await house.publish(fact)
        if chance.random() < 0.6:
            await house.pump()
    await house.pump()
    found = await state_of(house)
    for part, rows in found.items():
        assert rows == first["state"][part], part


async def test_of_two_answers_to_one_question_the_later_stands_whichever_comes_first(house: House) -> None:
    await bill(house, OVER)
    [known] = await quotes(house)
    rates = ("7.60", "9.99")
    answers = [
        replaced(
            known,
            engine="avalara",
            as_of=house.clock.now().replace(hour=9 + place),
            tax=Amount(tax),
            lines=(replaced(known.lines[0], tax=Amount(tax)),),
            taxes=(replaced(known.taxes[0], amount=Amount(tax), rate=Rate("0")),),
        )
        for place, tax in enumerate(rates)
    ]
    for order_of_arrival in itertools.permutations(range(2)):
        for place in order_of_arrival:
            message = told(answers[place], house.clock.now())
            message_id = f"msg_{place}_{order_of_arrival}"
            await house.publish(Outgoing(message.topic, replaced(message.message, message_id=message_id)))
            await house.pump()
        assert [quote.tax for quote in await quotes(house)] == [Amount("9.99")]
    assert await house.state() == "to_post"


# Figures.


async def test_finance_review_sees_three_figures_side_by_side(taxed: TaxedHouse, api: Any) -> None:
    house = taxed.house
    taxed.bench.arrange({"rates": {"DE": "16"}})
    invoice_id = await bill(house, OVER)
    await taxed.ask()
    caller = await api.caller()
    answer = await caller.get(f"/v1/invoices/{invoice_id}")
    [figure] = answer.json()["tax_figures"]
    assert (figure["code"], figure["base"]) == ("V19", "40.00")
    assert (figure["supplier"], figure["engine"], figure["tables"]) == ("9.99", "6.40", "7.60")
    assert figure["jurisdictions"] == ["CNT DE VAT 16 %"]


async def test_the_question_carries_the_facts_and_its_number_is_made_of_them(taxed: TaxedHouse) -> None:
    house = taxed.house
    await bill(house, OVER)
    [(number, question)] = await house.rows("SELECT number, question FROM invoices.tax_question")
    asked = codec.decode_own(question, TaxQuestion)
    assert (asked.company_code, asked.currency, asked.supplier_number) == ("DE01", "EUR", "10300001")
    assert [(line.line, line.amount, line.tax_codes) for line in asked.lines] == [(1, Amount("40.00"), ("V19",))]
    assert asked.ship_to == Address(country="DE")
    assert number.startswith("DE01-")
