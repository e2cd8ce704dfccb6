"""The match against a tax quote: what it clears, what it leaves, and rates that changed with the days (S25)."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from support.papers import invoice, order, receipt
from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.engine import evaluate
from tripartite.core.matching.evidence import Book, book_from_objects
from tripartite.core.matching.policy import policy_from_table
from tripartite.core.matching.result import MatchResult
from tripartite.core.money import Amount, Rate
from tripartite.core.objects import Invoice, QuotedLine, QuotedTax, TaxCode, TaxQuote, TaxSubtotal

DAY = date(2026, 11, 20)
TAXES = (
    TaxCode("V19", Rate("19"), country="DE"),
    TaxCode("V07", Rate("7"), country="DE"),
    TaxCode("V00", Rate("0"), "exempt", "DE", "E"),
    TaxCode("VRC", Rate("0"), "reverse_charge", "DE", "AE"),
)


def book_of(billed: Invoice, taxes: Any = TAXES) -> Book:
    return book_from_objects([order()], [receipt()], [Arrived("inv_1", billed, DAY, 1)], taxes=taxes)


def quoted(*taxes: tuple[str, str, str], code: str = "", **further: Any) -> TaxQuote:
    """A quote on the one line of 40.00: (rate, amount, jurisdiction) each."""
    entries = tuple(
        QuotedTax(line=1, amount=Amount(amount), base=Amount("40.00"), rate=Rate(rate), code=code, jurisdiction=where)
        for rate, amount, where in taxes
    )
    total = Amount(sum((each.amount for each in entries), Amount(0)))
    known: dict[str, Any] = {
        "number": "DE01-1",
        "company_code": "DE01",
        "currency": "EUR",
        "engine": "engine",
        "taxed_on": date(2026, 11, 16),
        "tax": total,
        "lines": (QuotedLine(1, Amount("40.00"), total),),
        "taxes": entries,
        **further,
    }
    return TaxQuote(**known)


def matched(billed: Invoice, quote: TaxQuote | None = None, **bounds: str) -> MatchResult:
    policy = policy_from_table({"tax": bounds} if bounds else {})
    quotes = {"inv_1": quote} if quote is not None else {}
    [result] = evaluate(book_of(billed), policy_of=lambda _: policy, as_of=DAY, quotes=quotes)
    return result


def said(result: MatchResult) -> list[tuple[str, int, str]]:
    return [(each.code, each.line, str(each.variance)) for each in result.findings]


DENVER = quoted(("2.9", "1.16", "CO"), ("4.81", "1.92", "DENVER"), ("1.1", "0.44", "RTD"))

# Each row: what it shows, the tax billed, the quote, the findings.
CASES: list[tuple[str, str, TaxQuote | None, list[tuple[str, int, str]]]] = [
    ("no quote, right", "7.60", None, []),
    ("no quote, over", "9.99", None, [("tax.amount_over", 0, "2.39")]),
    ("the engine confirms the bill", "6.40", quoted(("16", "6.40", "DE")), []),
    ("the engine agrees with our tables", "9.99", quoted(("19", "7.60", "DE")), [("tax.amount_over", 0, "2.39")]),
    ("right by our tables, over by the engine", "7.60", quoted(("16", "6.40", "DE")), [("tax.amount_over", 0, "1.20")]),
    ("under by the engine", "1.00", quoted(("16", "6.40", "DE")), [("tax.amount_under", 0, "-5.40")]),
    (
        "three jurisdictions are one bill",
        "3.52",
        quoted(("2.9", "1.16", "CO"), ("4.81", "1.92", "DENVER"), ("1.1", "0.44", "RTD")),
        [],
    ),
    (
        "more than half a cent a line is no rounding",
        "3.53",
        quoted(("8.81", "3.52", "US")),
        [("tax.amount_over", 0, "0.01")],
    ),
    ("a tie that the engine rounded the other way", "3.53", quoted(("8.8125", "3.52", "US")), []),
    ("nothing is due", "0.00", quoted(("0", "0", "DE")), []),
    ("an amount that is no rate of anything", "5.55", quoted(("0", "5.55", "DE")), []),
]


@pytest.mark.parametrize(("title", "tax", "quote", "expected"), CASES, ids=[case[0] for case in CASES])
def test_the_quote_is_what_the_tax_is_measured_against(
    title: str, tax: str, quote: TaxQuote | None, expected: list[tuple[str, int, str]]
) -> None:
    result = matched(invoice(tax=tax), quote)
    assert said(result) == expected
    assert result.verdict == ("hold" if expected else "post")


def test_the_bounds_of_the_policy_count_against_the_quote_too() -> None:
    quote = quoted(("16", "6.40", "DE"))
    assert said(matched(invoice(tax="6.90"), quote, upper_percent="ignore", upper_absolute="0.50")) == []
    assert said(matched(invoice(tax="6.91"), quote, upper_percent="ignore", upper_absolute="0.50")) != []


def billed_under(code: str, tax: str = "0.00") -> Invoice:
    paper = invoice(tax=tax)
    lines = (msgspec.structs.replace(paper.lines[0], tax_codes=(code,)),)
    taxes = (TaxSubtotal(amount=Amount(tax), code=code),)
    return msgspec.structs.replace(paper, lines=lines, taxes=taxes)


def test_a_code_that_differs_is_cleared_only_by_an_engine_that_names_the_bills_own() -> None:
    nothing = ("0", "0", "DE")
    differs = [("tax.code_differs", 1, "-7.60")]
    assert said(matched(billed_under("VRC"))) == differs
    assert said(matched(billed_under("VRC"), quoted(nothing, code="VRC"))) == []
    assert said(matched(billed_under("VRC"), quoted(nothing, code="V00"))) == differs, (
        "both bill nothing; one is booked"
    )
    assert said(matched(billed_under("VRC"), quoted(nothing))) == differs, "an engine without our words decides no code"


def test_what_the_engine_reckons_under_another_code_is_one_comparison() -> None:
    result = matched(billed_under("V07", "2.80"), quoted(("19", "7.60", "DE"), code="V19"))
    assert said(result) == [("tax.amount_under", 0, "-4.80"), ("tax.code_differs", 1, "-4.80")]
    assert "engine taxes it by V19" in result.findings[1].words


def test_the_quote_is_part_of_what_a_decision_rests_on() -> None:
    paper = invoice(tax="9.99")
    quote = quoted(("19", "7.60", "DE"))
    digests = {
        matched(paper, each).inputs_digest for each in (None, quote, msgspec.structs.replace(quote, engine="another"))
    }
    assert len(digests) == 3


def test_a_quote_for_one_invoice_leaves_its_neighbours_as_they_are() -> None:
    papers = [invoice("RE-1", "5", tax="9.99"), invoice("RE-2", "5")]
    arrived = [Arrived(f"inv_{place}", paper, DAY, place) for place, paper in enumerate(papers, 1)]
    book = book_from_objects([order()], [receipt()], arrived, taxes=TAXES)
    before = {one.invoice_id: one.stated() for one in evaluate(book, as_of=DAY)}
    after = {
        one.invoice_id: one.stated()
        for one in evaluate(book, as_of=DAY, quotes={"inv_1": quoted(("19", "7.60", "DE"))})
    }
    assert before["inv_2"] == after["inv_2"]
    assert before["inv_2"][1] == "post"


# Rates that changed: half a year of 16 % in Germany.

DATED = (
    TaxCode("V19", Rate("19"), country="DE", until=date(2026, 7, 1)),
    TaxCode("V19", Rate("16"), country="DE", valid_from=date(2026, 7, 1), until=date(2026, 11, 16)),
    TaxCode("V19", Rate("19"), country="DE", valid_from=date(2026, 11, 16)),
)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    ("issued", "tax_point", "tax", "verdict"),
    [
        (date(2026, 11, 16), None, "7.60", "post"),
        (date(2026, 11, 16), None, "6.40", "hold"),
        (date(2026, 11, 15), None, "6.40", "post"),
        (date(2026, 11, 15), None, "7.60", "hold"),
        (date(2026, 11, 16), date(2026, 11, 15), "6.40", "post"),  # issued later than it was delivered
        (date(2026, 6, 30), None, "7.60", "post"),
    ],
)
def test_the_rate_of_the_tax_point_counts(
    issued: date, tax_point: date | None, tax: str, verdict: str, fast: bool
) -> None:
    book = book_of(invoice(tax=tax, issued_on=issued, tax_point_on=tax_point), DATED)
    [result] = evaluate(book, as_of=DAY, fast=fast)
    assert result.verdict == verdict, result.findings


def test_two_bills_of_one_book_are_measured_by_their_own_days() -> None:
    papers = [
        invoice("RE-1", "5", issued_on=date(2026, 11, 15), tax="3.20"),
        invoice("RE-2", "5", issued_on=date(2026, 11, 16), tax="3.80"),
    ]
    arrived = [Arrived(f"inv_{place}", paper, DAY, place) for place, paper in enumerate(papers, 1)]
    book = book_from_objects([order()], [receipt()], arrived, taxes=DATED)
    for fast in (True, False):
        assert [one.verdict for one in evaluate(book, as_of=DAY, fast=fast)] == ["post", "post"]


def test_the_rate_of_one_day_is_never_taken_for_another_bills_day() -> None:
    papers = [invoice(f"RE-{day}", "5", issued_on=date(2026, 11, day), tax="3.20") for day in (15, 16)]
    arrived = [Arrived(f"inv_{place}", paper, DAY, place) for place, paper in enumerate(papers, 1)]
    book = book_from_objects([order()], [receipt()], arrived, taxes=DATED)
    for fast in (True, False):
        assert [one.verdict for one in evaluate(book, as_of=DAY, fast=fast)] == ["post", "hold"]
