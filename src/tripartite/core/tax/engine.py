"""The built-in engine: the tax expected on a document by our own tables. Pure: tables and question in, quote out.

Every company has this engine; one with a tax connection asks that instead. It does not find out what an article is: the
code of the order (else of the bill) says how it is taxed, the tables say at which rate on that day, and `treatment.py`
corrects what crosses a border.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import assert_never

from tripartite.core.money import Amount, Money, Rate, minor_digits
from tripartite.core.objects import TaxCode
from tripartite.core.objects.tax_quote import (
    QuotedLine,
    QuotedTax,
    TaxQuestion,
    TaxQuestionLine,
    TaxQuote,
    TaxRounding,
)
from tripartite.core.tax.ask import question_number
from tripartite.core.tax.tables import TaxTables
from tripartite.core.tax.treatment import codes_for, treatment_of

BUILT_IN = "built_in"


def quote(question: TaxQuestion, tables: TaxTables, rounding: TaxRounding = "document") -> TaxQuote:
    """What is due on the document by our tables.

    Rounding, half-even, to the currency's minor unit: `line` rounds each line at each code; `document` rounds once the
    sum of each code and spreads it over its lines by largest remainder, so that the lines add up to it.
    A code that says nothing on the day, or is unknown, is due at nothing and named in `messages`.
    Withholding: the supplier's code x the net of all lines, as entries of that kind. Errors: none. Rule: S25.
    Example: 3 x 10.03 at 19 %: `line` 1.91 + 1.91 + 1.91 = 5.73; `document` 5.72 as 1.91 + 1.91 + 1.90.
    """
    messages: list[str] = []
    entries: list[tuple[TaxQuestionLine, TaxCode]] = []
    for line in question.lines:
        stated = [code for word in dict.fromkeys(line.tax_codes) if (code := _known(word, question, tables, messages))]
        entries += [(line, code) for code in codes_for(stated, question, tables)]
        if not line.tax_codes:
            messages.append(f"Line {line.line} bears no tax code: nothing is due on it by our tables.")
    if (treatment := treatment_of(question)) != "domestic":
        messages.append(f"Treated as {treatment}.")
    if question.withholding and (code := _known(question.withholding, question, tables, messages)):
        entries += [(line, code) for line in question.lines]
    amounts = _rounded([(line, code, _due(code)) for line, code in entries], question.currency, rounding)
    assessed = _rounded([(line, code, code.assessed_rate) for line, code in entries], question.currency, rounding)
    taxes = tuple(
        QuotedTax(
            line=line.line,
            amount=amounts[place],
            base=line.amount,
            rate=_due(code),
            kind=code.kind,
            code=code.code,
            country=code.country,
            jurisdiction=code.country,
            assessed=assessed[place] if code.assessed_rate is not None else None,
        )
        for place, (line, code) in enumerate(entries)
    )
    on_bill = [tax for tax in taxes if tax.kind != "withholding"]
    return TaxQuote(
        number=question_number(question),
        company_code=question.company_code,
        currency=question.currency,
        engine=BUILT_IN,
        engine_version=tables.version,
        taxed_on=question.taxed_on,
        tax=_sum(on_bill),
        lines=tuple(
            QuotedLine(line.line, line.amount, _sum([tax for tax in on_bill if tax.line == line.line]))
            for line in question.lines
        ),
        taxes=taxes,
        rounding=rounding,
        credit=question.credit,
        messages=tuple(dict.fromkeys(messages)),
    )


def _known(word: str, question: TaxQuestion, tables: TaxTables, messages: list[str]) -> TaxCode | None:
    code = tables.code(word, question.taxed_on)
    if code is None:
        messages.append(f"Our tables have no tax code {word} on {question.taxed_on.isoformat()}.")
    return code


def _due(code: TaxCode) -> Rate:
    """The rate that the supplier may bill (withholding: that is kept back), in percent."""
    match code.kind:
        case "normal" | "withholding":
            return code.rate
        case "reverse_charge" | "exempt":
            return Rate(0)
        case _:
            assert_never(code.kind)


def _rounded(
    entries: Sequence[tuple[TaxQuestionLine, TaxCode, Rate | None]], currency: str, rounding: TaxRounding
) -> list[Amount]:
    """The tax of each entry in minor units, by the rule."""
    exact = [Fraction(line.amount) * Fraction(rate or 0) / 100 for line, _, rate in entries]
    if rounding == "line":
        return [Amount(Money.rounded(each, currency).decimal()) for each in exact]
    scale = 10 ** minor_digits(currency)
    minor = [0] * len(entries)
    groups: dict[str, list[int]] = {}
    for place, (_, code, _) in enumerate(entries):
        groups.setdefault(code.code, []).append(place)
    for places in groups.values():
        for place in places:
            minor[place] = (exact[place] * scale).__floor__()
        left = round(sum((exact[place] for place in places), Fraction(0)) * scale) - sum(minor[p] for p in places)
        # The largest remainders first, equal ones in the order of the lines: nothing is lost, nothing is luck.
        ordered = sorted(places, key=lambda place: (minor[place] - exact[place] * scale, place))
        for place in ordered[:left]:
            minor[place] += 1
    return [Amount(Money(each, currency).decimal()) for each in minor]


def _sum(taxes: Sequence[QuotedTax]) -> Amount:
    # With the decimals of what is added: a sum of nothing is a plain 0.
    return Amount(sum((tax.amount for tax in taxes), Amount(0)))
