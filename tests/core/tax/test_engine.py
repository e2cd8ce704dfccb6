"""The built-in engine against tables that a tax accountant can read, and what must hold for any question."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripartite.core.money import Amount, Rate
from tripartite.core.objects import Address, TaxCode, TaxQuestion, TaxQuestionLine, TaxQuote
from tripartite.core.tax import TaxTables, contradiction, question_number, quote
from tripartite.core.tax.treatment import treatment_of

ON = date(2026, 11, 16)
TABLES = TaxTables(
    [
        # The German rates of 2020: cut for half a year.
        TaxCode("V19", Rate("19"), country="DE", until=date(2020, 7, 1)),
        TaxCode("V19", Rate("16"), country="DE", valid_from=date(2020, 7, 1), until=date(2021, 1, 1)),
        TaxCode("V19", Rate("19"), country="DE", valid_from=date(2021, 1, 1)),
        TaxCode("V07", Rate("7"), country="DE"),
        TaxCode("V00", Rate("0"), "exempt", "DE", "E"),
        TaxCode("VRC", Rate("0"), "reverse_charge", "DE", "AE", assessed_rate=Rate("19")),
        TaxCode("VIC", Rate("0"), "reverse_charge", "DE", "K", assessed_rate=Rate("19")),
        TaxCode("WHT", Rate("10"), "withholding", "DE", ""),
        TaxCode("J10", Rate("10"), country="JP"),
    ]
)


def lines(*rows: tuple[str, str]) -> tuple[TaxQuestionLine, ...]:
    return tuple(
        TaxQuestionLine(line=place, amount=Amount(amount), tax_codes=tuple(codes.split()))
        for place, (amount, codes) in enumerate(rows, 1)
    )


def asked(*rows: tuple[str, str], **further: Any) -> TaxQuestion:
    known: dict[str, Any] = {
        "company_code": "DE01",
        "currency": "EUR",
        "taxed_on": ON,
        "lines": lines(*rows),
        **further,
    }
    return TaxQuestion(**known)


GERMAN, AUSTRIAN, SWISS = Address(country="DE"), Address(country="AT"), Address(country="CH")

# Each row: what it shows, the lines (net, codes), further facts, the tax on the bill, by line, assessed by the buyer.
CASES: list[tuple[str, list[tuple[str, str]], dict[str, Any], str, list[str], str]] = [
    ("normal", [("100.00", "V19")], {}, "19.00", ["19.00"], "0"),
    ("two rates", [("100.00", "V19"), ("100.00", "V07")], {}, "26.00", ["19.00", "7.00"], "0"),
    ("S25 rounded once", [("10.03", "V19")] * 3, {}, "5.72", ["1.91", "1.91", "1.90"], "0"),
    ("exempt", [("100.00", "V00")], {}, "0.00", ["0.00"], "0"),
    ("S25 reverse charge", [("1000.00", "VRC")], {}, "0.00", ["0.00"], "190.00"),
    ("nothing stated", [("100.00", "")], {}, "0", ["0"], "0"),
    ("unknown code", [("100.00", "XXX")], {}, "0", ["0"], "0"),
    ("day before the cut", [("100.00", "V19")], {"taxed_on": date(2020, 6, 30)}, "19.00", ["19.00"], "0"),
    ("first day of the cut", [("100.00", "V19")], {"taxed_on": date(2020, 7, 1)}, "16.00", ["16.00"], "0"),
    ("last day of the cut", [("100.00", "V19")], {"taxed_on": date(2020, 12, 31)}, "16.00", ["16.00"], "0"),
    ("day after the cut", [("100.00", "V19")], {"taxed_on": date(2021, 1, 1)}, "19.00", ["19.00"], "0"),
    ("no minor unit", [("105", "J10")], {"currency": "JPY"}, "10", ["10"], "0"),
    ("a discount line", [("100.00", "V19"), ("-10.00", "V19")], {}, "17.10", ["19.00", "-1.90"], "0"),
    (
        "intra-community",
        [("1000.00", "V19")],
        {"supplier_tax_id": "ATU13585627", "ship_from": AUSTRIAN, "ship_to": GERMAN},
        "0.00",
        ["0.00"],
        "190.00",
    ),
    (
        "exempt stays exempt across the border",
        [("1000.00", "V00")],
        {"supplier_tax_id": "ATU13585627", "ship_from": AUSTRIAN, "ship_to": GERMAN},
        "0.00",
        ["0.00"],
        "0",
    ),
    (
        "an Austrian who sells under a German number",
        [("100.00", "V19")],
        {"supplier_tax_id": "DE136695976", "ship_from": AUSTRIAN, "ship_to": GERMAN},
        "19.00",
        ["19.00"],
        "0",
    ),
    (
        "an Austrian whose goods never left Germany",
        [("100.00", "V19")],
        {"supplier_tax_id": "ATU13585627", "ship_from": GERMAN, "ship_to": GERMAN},
        "19.00",
        ["19.00"],
        "0",
    ),
    ("from outside the union", [("100.00", "V19")], {"ship_from": SWISS, "ship_to": GERMAN}, "19.00", ["19.00"], "0"),
]


@pytest.mark.parametrize(("title", "rows", "further", "tax", "by_line", "assessed"), CASES, ids=[c[0] for c in CASES])
def test_the_tax_of_a_document_by_our_tables(
    title: str, rows: list[tuple[str, str]], further: dict[str, Any], tax: str, by_line: list[str], assessed: str
) -> None:
    question = asked(*rows, **further)
    found = quote(question, TABLES)
    assert (found.tax, [line.tax for line in found.lines]) == (Amount(tax), [Amount(each) for each in by_line])
    assert sum((each.assessed or Decimal(0) for each in found.taxes), Decimal(0)) == Decimal(assessed)
    assert contradiction(question, found) == ""
    assert found.number == question_number(question)


def test_rounding_by_line_is_named_and_differs() -> None:
    question = asked(*[("10.03", "V19")] * 3)
    assert quote(question, TABLES, "line").tax == Amount("5.73")
    assert quote(question, TABLES, "document").tax == Amount("5.72")
    assert (quote(question, TABLES, "line").rounding, quote(question, TABLES).rounding) == ("line", "document")


def test_what_is_withheld_is_no_part_of_the_bill() -> None:
    found = quote(asked(("1000.00", "V19"), withholding="WHT"), TABLES)
    assert found.tax == Amount("190.00")
    [kept] = [tax for tax in found.taxes if tax.kind == "withholding"]
    assert (kept.code, kept.amount, kept.base) == ("WHT", Amount("100.00"), Amount("1000.00"))


def test_what_the_tables_do_not_know_is_said() -> None:
    found = quote(asked(("100.00", "XXX"), ("1.00", "")), TABLES)
    assert found.messages == (
        "Our tables have no tax code XXX on 2026-11-16.",
        "Line 2 bears no tax code: nothing is due on it by our tables.",
    )


def test_other_tables_are_another_version_and_the_order_of_rows_is_none() -> None:
    one, two = TaxCode("A", Rate("1")), TaxCode("B", Rate("2"))
    assert TaxTables([one, two]).version == TaxTables([two, one]).version
    assert TaxTables([one, two]).version != TaxTables([one, TaxCode("B", Rate("3"))]).version


@pytest.mark.parametrize(
    ("tax_id", "left", "arrives", "treatment"),
    [
        ("", "", "DE", "domestic"),
        ("ATU13585627", "AT", "DE", "intra_community"),
        ("EL094259216", "GR", "DE", "intra_community"),
        ("", "AT", "DE", "intra_community"),
        ("CHE123456788", "CH", "DE", "third_country"),
        ("ATU13585627", "CH", "DE", "third_country"),
        ("ATU13585627", "DE", "DE", "domestic"),
        ("DE136695976", "AT", "DE", "domestic"),
    ],
)
def test_how_a_supply_is_treated(tax_id: str, left: str, arrives: str, treatment: str) -> None:
    question = asked(
        ("1.00", "V19"),
        supplier_tax_id=tax_id,
        ship_from=Address(country=left) if left else None,
        ship_to=Address(country=arrives),
    )
    assert treatment_of(question) == treatment


# What must hold for any question.

amounts = st.decimals("-99999.99", "99999.99", places=2).map(lambda each: Amount(format(each, "f")))
any_lines = st.lists(
    st.tuples(amounts, st.sampled_from(["V19", "V07", "V00", "VRC", "V19 V07"])), min_size=1, max_size=8
)
roundings = st.sampled_from(["line", "document"])


def of(rows: list[tuple[Any, str]], factor: int = 1) -> TaxQuestion:
    return asked(*((format(Decimal(amount) * factor, "f"), codes) for amount, codes in rows))


def exact(found: TaxQuote) -> Fraction:
    return sum((Fraction(tax.base) * Fraction(tax.rate) / 100 for tax in found.taxes), Fraction(0))


@given(any_lines, roundings)
def test_the_tax_is_exact_but_for_the_rounding_that_is_named(rows: list[tuple[Any, str]], rounding: Any) -> None:
    found = quote(of(rows), TABLES, rounding)
    times = len(found.taxes) if rounding == "line" else len({tax.code for tax in found.taxes})
    assert abs(Fraction(found.tax) - exact(found)) <= times * Fraction(1, 200)
    assert (
        found.tax
        == sum((tax.amount for tax in found.taxes), Decimal(0))
        == sum((x.tax for x in found.lines), Decimal(0))
    )
    for tax in found.taxes:
        assert abs(Fraction(tax.amount) - Fraction(tax.base) * Fraction(tax.rate) / 100) < Fraction(1, 100)


@given(any_lines, roundings)
def test_turning_the_sign_turns_the_tax(rows: list[tuple[Any, str]], rounding: Any) -> None:
    assert quote(of(rows, -1), TABLES, rounding).tax == -quote(of(rows), TABLES, rounding).tax


@given(any_lines, st.integers(2, 50))
def test_the_exact_tax_grows_with_the_amounts(rows: list[tuple[Any, str]], factor: int) -> None:
    assert exact(quote(of(rows, factor), TABLES)) == factor * exact(quote(of(rows), TABLES))


@given(any_lines, st.integers(0, 7), amounts)
def test_splitting_a_line_changes_nothing_where_the_document_is_rounded_once(
    rows: list[tuple[Any, str]], place: int, part: Amount
) -> None:
    amount, codes = rows[place % len(rows)]
    split = [*rows[: place % len(rows)], (part, codes), (Decimal(amount) - part, codes), *rows[place % len(rows) + 1 :]]
    assert quote(of(split), TABLES).tax == quote(of(rows), TABLES).tax


@given(any_lines, st.randoms(use_true_random=False))
def test_the_order_of_the_lines_is_no_matter(rows: list[tuple[Any, str]], chance: Any) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)
    assert quote(of(shuffled), TABLES).tax == quote(of(rows), TABLES).tax


# Questions and answers.


def test_the_number_of_a_question_is_its_content_and_fits_every_engine() -> None:
    question = asked(("100.00", "V19"))
    assert question_number(question) == question_number(asked(("100.00", "V19")))
    assert len(question_number(msgspec.structs.replace(question, company_code="ABCDEFGH"))) <= 50
    for change in ({"taxed_on": ON + timedelta(days=1)}, {"credit": True}, {"ship_to": AUSTRIAN}, {"currency": "PLN"}):
        assert question_number(msgspec.structs.replace(question, **change)) != question_number(question)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"currency": "PLN"}, "reckons in PLN"),
        ({"credit": True}, "other direction"),
        ({"lines": ()}, "no line"),
    ],
)
def test_an_answer_to_something_else_is_no_answer(change: dict[str, Any], word: str) -> None:
    question = asked(("100.00", "V19"), ship_to=GERMAN)
    assert word in contradiction(question, msgspec.structs.replace(quote(question, TABLES), **change))


def test_an_answer_of_another_region_is_no_answer() -> None:
    question = asked(("100.00", "V19"), ship_to=Address(country="US", subdivision="CO"))
    found = quote(question, TABLES)
    elsewhere = msgspec.structs.replace(found.taxes[0], country="US", region="TX")
    right = msgspec.structs.replace(elsewhere, region="CO")
    assert "US-TX" in contradiction(question, msgspec.structs.replace(found, taxes=(elsewhere,)))
    assert contradiction(question, msgspec.structs.replace(found, taxes=(right,))) == ""
