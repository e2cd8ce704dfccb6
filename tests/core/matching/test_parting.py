"""Parting an invoice: whatever is proven of it, the two documents come to exactly what was billed. Rule: S29."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripartite.core.matching.parting import Split, Whole, rest_number, split
from tripartite.core.matching.result import Pair
from tripartite.core.money import Amount, Price
from tripartite.core.objects import Allowance, Invoice, InvoiceLine, TaxSubtotal
from tripartite.core.quantity import Quantity

OVER = "match.quantity_over_received"
_RATES = {"V19": Decimal(19), "V07": Decimal(7)}
_CENT = Decimal("0.01")


def bill(lines: Sequence[tuple[int, str, str]], freight: str = "") -> Invoice:
    """(quantity, price, tax code) each; freight is taxed with the first line."""
    goods = tuple(
        InvoiceLine(
            line=place,
            order_number="45",
            order_line=place,
            quantity=Quantity(quantity),
            price=Price(price),
            amount=Amount((quantity * Decimal(price)).quantize(_CENT, ROUND_HALF_EVEN)),
            tax_codes=(code,),
        )
        for place, (quantity, price, code) in enumerate(lines, 1)
    )
    charges = (Allowance(amount=Amount(freight), kind="freight", tax_codes=(lines[0][2],)),) if freight else ()
    taxes = []
    for code in dict.fromkeys(code for _, _, code in lines):
        base = sum((Decimal(line.amount or 0) for line in goods if line.tax_codes == (code,)), Decimal(0))
        base += sum((Decimal(each.amount) for each in charges if each.tax_codes == (code,)), Decimal(0))
        tax = (base * _RATES[code] / 100).quantize(_CENT, ROUND_HALF_EVEN)
        taxes.append(TaxSubtotal(amount=Amount(tax), code=code, base=Amount(base)))
    net = sum((Decimal(line.amount or 0) for line in goods), Decimal(freight or 0))
    tax = sum((Decimal(each.amount) for each in taxes), Decimal(0))
    return Invoice(
        number="RE-1",
        kind="invoice",
        currency="EUR",
        order_numbers=("45",),
        net=Amount(net),
        tax=Amount(tax),
        gross=Amount(net + tax),
        lines=goods,
        charges=charges,
        taxes=tuple(taxes),
    )


def pair(line: InvoiceLine, excess: Fraction) -> Pair:
    quantity = Fraction(line.quantity or 0)
    none = Fraction(0)
    return Pair(
        *(line.line, "45", line.line, "EA", quantity, quantity - excess, none, quantity, quantity, excess, None),
        *(none, None, Fraction(line.amount or 0), None, None),
    )


_lines = st.lists(
    st.tuples(
        st.integers(1, 400),
        st.decimals("0.01", "900.00", places=2).map(str),
        st.sampled_from(sorted(_RATES)),
    ),
    min_size=1,
    max_size=6,
)


@given(_lines, st.data(), st.sampled_from(["", "12.34"]))
def test_the_parts_come_to_the_whole_in_every_sum(
    lines: list[tuple[int, str, str]], data: st.DataObject, freight: str
) -> None:
    whole = bill(lines, freight)
    short = {line.line: data.draw(st.integers(0, int(line.quantity or 0))) for line in whole.lines}
    at_fault = {line: [OVER] for line, excess in short.items() if excess}
    pairs = [pair(line, Fraction(short[line.line])) for line in whole.lines]
    found = split(whole, at_fault, pairs, "proven", "RE-1-2")
    if isinstance(found, Whole):
        assert not at_fault or all(short[line.line] == line.quantity for line in whole.lines), found.words
        return
    part, rest = found.part, found.rest
    for name in ("net", "tax", "gross"):
        assert getattr(part, name) + getattr(rest, name) == getattr(whole, name), name
    for one in (part, rest):
        assert one.gross == (one.net or 0) + (one.tax or 0)
        goods = sum((Decimal(line.amount or 0) for line in one.lines), Decimal(0))
        assert goods + sum((Decimal(each.amount) for each in one.charges), Decimal(0)) == one.net
        assert sum((Decimal(each.amount) for each in one.taxes), Decimal(0)) == one.tax
    for line in whole.lines:
        quantities = [each.quantity for one in (part, rest) for each in one.lines if each.line == line.line]
        assert sum((Decimal(each or 0) for each in quantities), Decimal(0)) == line.quantity
        proven = next((each.quantity for each in part.lines if each.line == line.line), Quantity(0))
        assert proven == Decimal(line.quantity or 0) - short[line.line], "no more than what came"


def test_lines_only_lets_no_part_of_a_line_go() -> None:
    whole = bill([(10, "4.00", "V19"), (12, "4.00", "V19")])
    found = split(whole, {2: [OVER]}, [pair(whole.lines[1], Fraction(2))], "lines", "RE-1-2")
    assert isinstance(found, Split)
    assert [line.line for line in found.part.lines] == [1]
    assert [str(line.quantity) for line in found.rest.lines] == ["12"]


@pytest.mark.parametrize(
    ("change", "at_fault", "release", "word"),
    [
        ({}, {2: [OVER]}, "no", "Policy"),
        ({"kind": "credit_memo"}, {2: [OVER]}, "proven", "Only an invoice"),
        ({}, {0: ["supplier.mismatch"], 2: [OVER]}, "proven", "as a whole"),
        ({}, {}, "proven", "Nothing holds"),
        ({"prices_include_tax": True}, {2: [OVER]}, "proven", "include tax"),
        ({"payable": Amount("1.00")}, {2: [OVER]}, "proven", "set off"),
        ({}, {1: ["match.price_over_limit"], 2: ["match.price_over_limit"]}, "proven", "No line"),
    ],
)
def test_what_cannot_be_cut_cleanly_stays_whole(
    change: dict[str, object], at_fault: dict[int, list[str]], release: str, word: str
) -> None:
    whole = msgspec.structs.replace(bill([(10, "4.00", "V19"), (12, "4.00", "V19")]), **change)
    pairs = [pair(line, Fraction(2)) for line in whole.lines]
    found = split(whole, at_fault, pairs, release, "RE-1-2")  # type: ignore[arg-type]
    assert isinstance(found, Whole)
    assert word in found.words


def test_a_quantity_without_an_end_is_not_cut() -> None:
    whole = bill([(10, "4.00", "V19"), (12, "4.00", "V19")])
    met = msgspec.structs.replace(pair(whole.lines[1], Fraction(0)), excess=Fraction(12, 7))
    found = split(whole, {2: [OVER]}, [met], "proven", "RE-1-2")
    assert isinstance(found, Split)
    assert [line.line for line in found.part.lines] == [1]


@pytest.mark.parametrize(
    ("number", "place", "wanted"),
    [("RE-1", 2, "RE-1-2"), ("RE-20261125-00012", 3, "20261125-00012-3"), ("A" * 14, 2, "A" * 14 + "-2")],
)
def test_the_rest_has_a_number_that_every_erp_takes(number: str, place: int, wanted: str) -> None:
    assert rest_number(number, place) == wanted
    assert len(wanted) <= 16
