"""What finance review looks at: the supplier's figure, the engine's and our tables', per tax code, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from tripartite.core.matching.billed import Bill
from tripartite.core.matching.evidence import Book
from tripartite.core.money import Amount, Money
from tripartite.core.objects.tax_quote import TaxQuote


class Figure(msgspec.Struct, frozen=True):
    """One tax code as three parties see it: amounts in the document's currency, None where one says nothing of it.

    `codes` and `jurisdictions` are those the engine used on the lines that bear `code` on the bill; `mappings` are the
    words of the invoice's own system that mean `code` (rows of the estate).
    """

    code: str
    base: Amount
    supplier: Amount | None
    engine: Amount | None
    tables: Amount
    codes: tuple[str, ...] = ()
    jurisdictions: tuple[str, ...] = ()
    mappings: tuple[str, ...] = ()


def figures(bill: Bill, book: Book, quote: TaxQuote | None, mappings: Sequence[tuple[str, str]] = ()) -> list[Figure]:
    """The figures of an invoice per code on the bill, in the order in which it names them. Rounded half-even, once.

    `mappings`: (foreign word, our code) of the system the invoice came from.
    """
    numbers = bill.numbers(book)
    bases: dict[str, Fraction] = {}
    codes_of: dict[int, tuple[str, ...]] = {}
    for number, codes, net in (
        *((line.line, line.codes, line.net_amount) for line in numbers.lines),
        *((charge.line, charge.codes, charge.net_amount) for charge in numbers.charges),
    ):
        codes_of[number] = codes
        for code in dict.fromkeys(codes or ("",)):
            bases[code] = bases.get(code, Fraction(0)) + net
    found = []
    for code in dict.fromkeys([*bases, *numbers.taxes]):
        base = bases.get(code, Fraction(0))
        quoted = [
            tax
            for tax in (quote.taxes if quote else ())
            if tax.kind != "withholding" and _falls_under(tax.code, codes_of.get(tax.line, ()), code)
        ]
        billed = numbers.taxes.get(code)
        found.append(
            Figure(
                code=code,
                base=_money(base, bill.currency),
                supplier=_money(billed, bill.currency) if billed is not None else None,
                engine=_money(sum((Fraction(tax.amount) for tax in quoted), Fraction(0)), bill.currency)
                if quote is not None
                else None,
                tables=_money(base * book.rate(code, bill.tax_day), bill.currency),
                codes=tuple(dict.fromkeys(tax.code for tax in quoted if tax.code)),
                jurisdictions=tuple(dict.fromkeys(f"{tax.jurisdiction} {tax.rate} %" for tax in quoted)),
                mappings=tuple(foreign for foreign, ours in mappings if ours == code),
            )
        )
    return found


def _falls_under(quoted: str, on_line: tuple[str, ...], code: str) -> bool:
    """Whether a quoted tax is shown beside `code`: its own where the line bears it, else the line's first."""
    return quoted == code if quoted in on_line else (on_line[0] if on_line else "") == code


def _money(exact: Fraction, currency: str) -> Amount:
    return Amount(Money.rounded(exact, currency).decimal())
