"""Asking AvaTax over real HTTP: a quote is reckoned and nothing is recorded; whatever goes wrong is no quote."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.avalara.avalara_bench import DALLAS, DENVER, World, question, read
from tripartite.connectors.avalara.client import TaxTrouble
from tripartite.core import codec
from tripartite.core.money import Amount, Rate
from tripartite.core.objects import Address, TaxQuestionLine
from tripartite.core.tax import contradiction, question_number
from tripartite.runtime.protocol import ReadResult, Unreadable


async def test_a_domestic_purchase_is_quoted_at_the_rate_of_its_country() -> None:
    async with World() as world:
        asked = question("100.00", "10.03")
        quote = await world.quote(asked)
        assert (quote.number, quote.company_code, quote.engine) == (question_number(asked), "DE01", "avalara")
        assert [line.tax for line in quote.lines] == [Amount("19.00"), Amount("1.91")]
        assert {(tax.rate, tax.country, tax.jurisdiction) for tax in quote.taxes} == {(Rate("19"), "DE", "CNT DE VAT")}
        assert quote.tax == Amount("20.91")
        assert contradiction(asked, quote) == ""


async def test_a_purchase_in_denver_is_quoted_by_state_city_and_district() -> None:
    async with World() as world:
        asked = question("500.00", company="US01", currency="USD", ship_from=DALLAS, ship_to=DENVER, supplier_tax_id="")
        quote = await world.quote(asked)
        assert quote.tax == Amount("44.05")
        assert [(tax.rate, tax.amount) for tax in quote.taxes] == [
            (Rate("2.9"), Amount("14.50")),
            (Rate("4.81"), Amount("24.05")),
            (Rate("1"), Amount("5.00")),
            (Rate("0.1"), Amount("0.50")),
        ]
        assert contradiction(asked, quote) == ""


async def test_goods_from_another_member_state_bear_no_tax_on_the_bill_and_are_assessed_by_the_buyer() -> None:
    async with World() as world:
        asked = question("1000.00", ship_from=Address(country="AT"), supplier_tax_id="ATU13585627")
        quote = await world.quote(asked)
        [tax] = quote.taxes
        assert (quote.tax, tax.kind, tax.amount, tax.assessed) == (0, "reverse_charge", 0, Amount("190.00"))


async def test_a_credit_memo_is_asked_with_negative_amounts_and_answered_with_positive_ones() -> None:
    async with World() as world:
        asked = question("100.00", credit=True)
        content = await world.ask(asked)
        assert b'"lineAmount":-100' in content
        quote = await world.quote(asked)
        assert (quote.credit, quote.tax, quote.lines[0].amount) == (True, Amount("19.00"), Amount("100.00"))
        assert contradiction(asked, quote) == ""


async def test_the_same_question_twice_is_one_document_there_and_nothing_is_recorded() -> None:
    async with World() as world:
        asked = question()
        assert await world.quote(asked) == await world.quote(asked)
        assert world.truth["quotes"] == {question_number(asked): {"company": "DE01", "times": 2, "total": "19.00"}}
        assert world.truth["recorded"] == []


async def test_freight_and_mapped_codes_are_asked_for_by_their_own_tax_code() -> None:
    async with World(tax_codes="V07=PB100000, handling=NT", company_map="DE01=DEFAULT") as world:
        lines = (
            TaxQuestionLine(line=1, amount=Amount("100.00"), tax_codes=("V07",)),
            TaxQuestionLine(line=2, amount=Amount("10.00"), kind="freight"),
            TaxQuestionLine(line=3, amount=Amount("5.00"), kind="handling"),
        )
        quote = await world.quote(question(lines=lines))
        assert [line.tax for line in quote.lines] == [Amount("7.00"), Amount("1.90"), Amount("0")]
        assert next(iter(world.truth["quotes"].values()))["company"] == "DEFAULT"


# What goes wrong. Each row: the fault, whether asking again may help, a word of the reason.
FAULTS: list[tuple[str, dict[str, Any], bool, str]] = [
    ("reply.429", {"retry_after": 7}, True, "too many questions"),
    ("reply.5xx", {"status": 500}, True, "500"),
    ("reply.5xx", {"status": 503}, True, "503"),
    ("rate_limit", {}, True, "too many questions"),
    ("hang", {}, True, ""),
    ("commit_then_hang", {}, True, ""),
    ("commit_then_cut", {}, True, ""),
    ("lie_html", {}, True, "outbound.answer_invalid"),
    ("foreign", {}, True, "outbound.answer_foreign"),
    ("recorded", {}, False, "not a quote"),
    ("bad_address", {}, False, "InvalidAddress at Address"),
]


@pytest.mark.parametrize(
    ("kind", "how", "retryable", "word"), FAULTS, ids=[f"{row[0]}-{row[3][:12]}" for row in FAULTS]
)
async def test_no_answer_is_trouble_that_says_whether_asking_again_helps(
    kind: str, how: dict[str, Any], retryable: bool, word: str
) -> None:
    async with World() as world:
        world.fault(kind, **how)
        with pytest.raises(TaxTrouble) as caught:
            await world.ask(question())
        assert (caught.value.retryable, word in str(caught.value)) == (retryable, True), caught.value
        assert caught.value.after_seconds == how.get("retry_after")
        assert (await world.quote(question())).tax == Amount("19.00"), "asked again it is the same quote"


async def test_an_answer_for_another_jurisdiction_is_no_answer_to_the_question() -> None:
    async with World() as world:
        asked = question()
        world.fault("wrong_jurisdiction")
        quote = await world.quote(asked)
        assert contradiction(asked, quote) == "it taxes in CA, the goods move between DE"


async def test_an_answer_that_does_not_add_up_is_refused_at_its_place() -> None:
    async with World() as world:
        world.fault("fraction")
        found = read(await world.ask(question()))
        assert isinstance(found, Unreadable)
        assert (found.reason_code, found.pointer) == ("integration.schema_violated", "/lines/0/tax")


async def test_an_address_that_avatax_does_not_know_names_itself() -> None:
    async with World() as world:
        nowhere = Address(city="Denver", country="US")
        with pytest.raises(TaxTrouble, match="InvalidAddress"):
            await world.ask(question(ship_to=nowhere, currency="USD"))


async def test_a_question_that_avatax_has_no_place_for_is_not_sent() -> None:
    async with World() as world:
        for asked in (question(ship_to=None), question(supplier_number="")):
            with pytest.raises(TaxTrouble) as caught:
                await world.ask(asked)
            assert not caught.value.retryable
        assert world.bench.calls["tax_quote"] == 0


async def test_wrong_credentials_are_said_and_never_repeated() -> None:
    async with World(key="not the license key") as world:
        with pytest.raises(TaxTrouble, match="does not accept our credentials") as caught:
            await world.ask(question())
        assert "not the license" not in str(caught.value)
        assert "not the license" not in repr(world.client.__dict__)
        with pytest.raises(TaxTrouble, match="does not accept our credentials"):
            await world.client.check()  # although the ping answers 200


async def test_the_check_names_the_version() -> None:
    async with World() as world:
        assert await world.client.check() == "AvaTax 26.9.0 answers and accepts our credentials"


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        (b'"lineAmount":100.00', b'"lineAmount":1E999', "/lines/0/lineAmount"),
        (b'"lineAmount":100.00', b'"lineAmount":"NaN"', "/lines/0/lineAmount"),
        (b'"rate":0.19', b'"rate":null', "/lines/0/details/0/rate"),
        (b'"type": "PurchaseOrder"', b'"type": "PurchaseInvoice"', "/type"),
        (b'"status": "Temporary"', b'"status": "Brandnew"', "/status"),
        (b'"currencyCode": "EUR"', b'"currencyCode": "EURO"', "/currencyCode"),
        (b'"lineNumber": "1"', b'"lineNumber": "x"', "/lines/0/lineNumber"),
        (b'"taxDate": "2026-11-16"', b'"taxDate": "soon"', "/taxDate"),
    ],
)
async def test_a_changed_answer_is_refused_at_its_place(old: bytes, new: bytes, pointer: str) -> None:
    async with World() as world:
        content = await world.ask(question())
        spaced = old.replace(b": ", b":")
        assert spaced in content, content
        found = read(content.replace(spaced, new.replace(b": ", b":")))
        assert isinstance(found, Unreadable), found
        assert found.pointer == pointer


async def test_zeros_behind_a_number_are_only_digits() -> None:
    async with World() as world:
        content = await world.ask(question())
        found = read(content.replace(b'"rate":0.19', b'"rate":0.1900000000'))
        assert isinstance(found, ReadResult)
        assert found.value.taxes[0].rate == Decimal("19")  # type: ignore[union-attr]
        assert codec.decode_own(codec.encode(found.value), type(found.value)) == found.value
