"""Parting an invoice: the proven part becomes one document, the rest another; together they are the whole. Rule: S29.

What the supplier sent stays as it is; the two are documents of our own that stand in its place (S41). Every amount of
the whole is in exactly one of them: lines, charges, net, tax and gross add up. Charges follow the goods by value, and
the tax of a rate follows its base, both rounded once, on the part; the rest has the remainder. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from tripartite.core.matching.payable import is_provable
from tripartite.core.matching.result import Pair
from tripartite.core.money import Amount, minor_digits
from tripartite.core.objects import Allowance, Invoice, InvoiceLine, TaxSubtotal
from tripartite.core.quantity import Quantity

_replace = msgspec.structs.replace
LONGEST_REFERENCE = 16  # of an invoice, in the ERP that takes the shortest (SAP's XBLNR)


class Split(msgspec.Struct, frozen=True):
    """The two documents. `part` is what is proven, `rest` what stays in question."""

    part: Invoice
    rest: Invoice


class Whole(msgspec.Struct, frozen=True):
    """Why a document is not parted, in a sentence."""

    words: str


def split(
    invoice: Invoice,
    at_fault: Mapping[int, Collection[str]],
    pairs: Sequence[Pair],
    release: Literal["no", "lines", "proven"],
    rest_number: str,
) -> Split | Whole:
    """Part an invoice by what holds it: line -> codes, line 0 for the document.

    `lines`: whole lines that nothing speaks against. `proven`: also so much of a line as came, where only its quantity
    is at fault. A line whose quantity or amount cannot be cut exactly stays in the rest whole. Errors: none, `Whole`
    says why not.
    """
    why = _indivisible(invoice, at_fault, release)
    if why:
        return Whole(why)
    goods = [line for line in invoice.lines if not line.informative]
    takes = {line.line: _share(line, at_fault.get(line.line, ()), pairs, release) for line in goods}
    parts = {line.line: _cut(line, takes[line.line], invoice.currency) for line in goods}
    if not any(part is not None for part, _ in parts.values()):
        return Whole("No line of it is proven.")
    if all(rest is None for _, rest in parts.values()):
        return Whole("Nothing of it is in question by its lines.")
    amounts = {line.line: (_sum([parts[line.line][0]]), _sum([line])) for line in goods}
    proven, all_of_it = _sum(part for part, _ in parts.values()), _sum(goods)
    if not all_of_it:
        return Whole("Its lines come to nothing.")
    charges = [_part_of(charge, Fraction(proven) / Fraction(all_of_it), invoice.currency) for charge in invoice.charges]
    taxes = _taxes(invoice, goods, amounts)
    if taxes is None:
        return Whole("Its tax does not say which lines it is of.")
    net = proven + sum((charge.amount for charge in charges), Decimal(0))
    tax = sum((each.amount for each in taxes), Decimal(0))
    part = _document(
        invoice, invoice.number, [pair[0] for pair in parts.values()], [c for c in charges if c.amount], taxes, net, tax
    )
    rest = _document(
        invoice,
        rest_number,
        [*(pair[1] for pair in parts.values()), *(line for line in invoice.lines if line.informative)],
        [
            _replace(whole, amount=Amount(whole.amount - taken.amount))
            for whole, taken in zip(invoice.charges, charges, strict=True)
            if whole.amount != taken.amount
        ],
        [
            _replace(
                whole,
                amount=Amount(whole.amount - taken.amount),
                base=None if whole.base is None or taken.base is None else Amount(whole.base - taken.base),
            )
            for whole, taken in zip(invoice.taxes, taxes, strict=True)
        ],
        Decimal(invoice.net or 0) - net,
        Decimal(invoice.tax or 0) - tax,
    )
    # What the document did not balance by stays with the rest, where its limit is looked at.
    rest = _replace(rest, gross=Amount(Decimal(invoice.gross or 0) - Decimal(part.gross or 0)))
    return Split(part, _replace(rest, payable=rest.gross if invoice.payable is not None else None))


def rest_number(number: str, place: int) -> str:
    """The number under which the rest goes to the ERP: an ERP takes a supplier's number once. At most 16 characters,
    the end of the supplier's number before its beginning."""
    suffix = f"-{place}"
    room = LONGEST_REFERENCE - len(suffix)
    return (number if len(number) <= room else number[-room:]) + suffix


def _indivisible(invoice: Invoice, at_fault: Mapping[int, Collection[str]], release: str) -> str:
    if release == "no":
        return "Policy lets no part of an invoice go."
    if invoice.kind != "invoice":
        return "Only an invoice is parted."
    if 0 in at_fault:
        return f"The document as a whole is in question: {', '.join(sorted(at_fault[0]))}."
    if not at_fault:
        return "Nothing holds a line of it."
    if invoice.net is None or invoice.gross is None or any(line.amount is None for line in invoice.lines):
        return "It does not state its sums."
    if invoice.prices_include_tax or invoice.withholding:
        return "Its prices include tax, or tax is withheld from it: it is paid whole."
    if invoice.payable is not None and invoice.payable != invoice.gross:
        return "A payment before it is set off in it: it is paid whole."
    return ""


def _share(line: InvoiceLine, codes: Collection[str], pairs: Sequence[Pair], release: str) -> Fraction:
    """Which share of a line is proven: 1 where nothing speaks against it, else what of it came, by quantity."""
    if not codes:
        return Fraction(1)
    mine = [pair for pair in pairs if pair.invoice_line == line.line]
    countable = line.quantity is not None and line.quantity > 0 and line.amount is not None and line.amount > 0
    uncut = line.price_quantity is not None or line.allowances or line.sub_lines or line.parent
    if release != "proven" or not all(is_provable(code) for code in codes) or not countable or uncut or len(mine) != 1:
        return Fraction(0)
    pair = mine[0]
    if pair.quantity <= 0 or pair.billed != pair.quantity:  # a credit took of it: which of it, nobody says
        return Fraction(0)
    return max(Fraction(0), pair.quantity - pair.excess) / pair.quantity


def _cut(line: InvoiceLine, share: Fraction, currency: str) -> tuple[InvoiceLine | None, InvoiceLine | None]:
    if share == 1:
        return line, None
    if share == 0 or line.quantity is None or line.amount is None:
        return None, line
    quantity = _exactly(Fraction(line.quantity) * share)
    if quantity is None:
        return None, line
    amount = _minor(Fraction(line.amount) * share, currency)
    part = _replace(line, quantity=Quantity(quantity), amount=Amount(amount), final=False)
    rest = _replace(line, quantity=Quantity(line.quantity - quantity), amount=Amount(line.amount - amount))
    return part, rest


def _exactly(value: Fraction) -> Decimal | None:
    """A quantity as a decimal; None where it has no end."""
    left = value.denominator
    for prime in (2, 5):
        while left % prime == 0:
            left //= prime
    return Decimal(value.numerator) / Decimal(value.denominator) if left == 1 else None


def _minor(value: Fraction, currency: str) -> Decimal:
    """Rounded once, half-even, to the currency's minor unit."""
    unit = Decimal(1).scaleb(-minor_digits(currency))
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(unit, ROUND_HALF_EVEN)


def _sum(lines: Iterable[InvoiceLine | None]) -> Decimal:
    found = [line.amount for line in lines if line is not None]
    return sum((Decimal(amount) for amount in found if amount is not None), Decimal(0))


def _part_of(charge: Allowance, share: Fraction, currency: str) -> Allowance:
    return _replace(charge, amount=Amount(_minor(Fraction(charge.amount) * share, currency)))


def _taxes(
    invoice: Invoice, goods: Sequence[InvoiceLine], amounts: Mapping[int, tuple[Decimal, Decimal]]
) -> list[TaxSubtotal] | None:
    """The part's tax: of each rate the share that its base has in the part. None where a line's rate is not clear."""
    if not invoice.taxes:
        return None if invoice.tax else []
    found = []
    for subtotal in invoice.taxes:
        mine = [line for line in goods if len(invoice.taxes) == 1 or _is_of(line, subtotal)]
        part = sum((amounts[line.line][0] for line in mine), Decimal(0))
        whole = sum((amounts[line.line][1] for line in mine), Decimal(0))
        if not whole:
            return None
        share = Fraction(part) / Fraction(whole)
        base = None if subtotal.base is None else Amount(_minor(Fraction(subtotal.base) * share, invoice.currency))
        tax = Amount(_minor(Fraction(subtotal.amount) * share, invoice.currency))
        found.append(_replace(subtotal, amount=tax, base=base))
    named = [sum(1 for each in invoice.taxes if _is_of(line, each)) for line in goods]
    return found if len(invoice.taxes) == 1 or all(count == 1 for count in named) else None


def _is_of(line: InvoiceLine, subtotal: TaxSubtotal) -> bool:
    if subtotal.code:
        return line.tax_codes == (subtotal.code,)
    return (line.tax_category, line.tax_rate) == (subtotal.category, subtotal.rate)


def _document(
    invoice: Invoice,
    number: str,
    lines: Sequence[InvoiceLine | None],
    charges: Sequence[Allowance],
    taxes: Sequence[TaxSubtotal],
    net: Decimal,
    tax: Decimal,
) -> Invoice:
    kept = sorted((line for line in lines if line is not None), key=lambda line: line.line)
    named = {line.order_number for line in kept}
    orders = invoice.order_numbers if "" in named else tuple(o for o in invoice.order_numbers if o in named)
    return _replace(
        invoice,
        number=number,
        order_numbers=orders,
        lines=tuple(kept),
        charges=tuple(charges),
        taxes=tuple(each for each in taxes if each.amount or each.base),
        net=Amount(net),
        tax=Amount(tax) if invoice.tax is not None else None,
        gross=Amount(net + tax),
        payable=Amount(net + tax) if invoice.payable is not None else None,
        replaces="",
        lines_total=None,
        allowances_total=None,
        charges_total=None,
        tax_in_tax_currency=None,
    )
