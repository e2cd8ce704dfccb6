"""What a tax quote expects of an invoice, in the terms of the match: exact tax per code of the bill. Rule: S25."""

from __future__ import annotations

from fractions import Fraction

from tripartite.core.matching.billed import Bill, BillNumbers
from tripartite.core.matching.exact import ZERO, exact, minor_part
from tripartite.core.objects.tax_quote import QuotedTax, TaxQuote


def expected_by_code(bill: Bill, numbers: BillNumbers, quote: TaxQuote) -> dict[str, Fraction]:
    """The tax due under each code that the bill bears, exactly, in document currency.

    A quoted tax counts under its own code where its line bears that code on the bill, else under the line's first code:
    what the supplier billed under one word and the engine reckons under another stays one comparison.
    """
    codes = {line.line: line.codes for line in numbers.lines} | {one.line: one.codes for one in numbers.charges}
    expected: dict[str, Fraction] = {}
    for tax in quote.taxes:
        if tax.kind == "withholding":
            continue
        on_line = codes.get(tax.line, ())
        code = tax.code if tax.code in on_line else (on_line[0] if on_line else "")
        expected[code] = expected.get(code, ZERO) + exact_tax(bill, tax)
    return expected


def exact_tax(bill: Bill, tax: QuotedTax) -> Fraction:
    """Base x rate where the stated amount is that but for its rounding (less than a minor unit), else the amount.

    So the engine's way of rounding, by line or by document, is no difference of tax.
    """
    stated, unrounded = exact(tax.amount), exact(tax.base) * exact(tax.rate) / 100
    return unrounded if abs(stated - unrounded) < minor_part(1, bill.minor_scale) else stated


def codes_of_line(quote: TaxQuote, line: int) -> frozenset[str]:
    """Our codes by which the engine taxes a line; empty where it names none."""
    return frozenset(tax.code for tax in quote.taxes if tax.line == line and tax.code and tax.kind != "withholding")


def withheld(quote: TaxQuote, code: str) -> Fraction | None:
    """What the quote says is to be kept back under a code, exactly; None where it does not speak of it."""
    found = [tax for tax in quote.taxes if tax.kind == "withholding" and tax.code == code]
    return sum((exact(tax.base) * exact(tax.rate) / 100 for tax in found), ZERO) if found else None
