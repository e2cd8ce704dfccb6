"""Documents of the supplier, and of ours against him, that would clear a finding: credits and corrected invoices.

They stand beside the invoice, which stays as it was sent (S41).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from tripartite.core.counterfactuals.scene import Scene
from tripartite.core.matching.billed import Arrived, Bill
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import exact
from tripartite.core.money import Amount
from tripartite.core.objects import Invoice, InvoiceLine, TaxSubtotal
from tripartite.core.quantity import Quantity


class Credit(msgspec.Struct, frozen=True, tag=True):
    """A credit memo or our debit memo against one invoice line: pieces with their value, or (no quantity) value only.

    `amount` is net of tax where the invoice's prices are, else with it; the tax on it is what its codes say.
    """

    invoice: str
    line: int
    order: str
    order_line: int
    quantity: Decimal | None
    amount: Decimal
    unit: str = ""

    def apply(self, scene: Scene) -> Scene:
        source = next(one for one in scene.arrived if one.invoice_id == self.invoice).invoice
        billed = next(line for line in source.lines if line.line == self.line)
        line = InvoiceLine(
            1,
            order_number=self.order,
            order_line=self.order_line,
            quantity=Quantity(format(self.quantity, "f")) if self.quantity is not None else None,
            unit=self.unit,
            amount=Amount(format(self.amount, "f")),
            tax_codes=billed.tax_codes,
            receipt_number=billed.receipt_number if self.quantity is not None else "",
        )
        credit = Invoice(
            f"{source.number} credit",
            "credit_memo" if self.quantity is not None else "subsequent_credit",
            source.currency,
            source.issued_on,
            company_code=source.company_code,
            supplier_id=source.supplier_id,
            supplier_number=source.supplier_number,
            supplier=source.supplier,
            original=self.invoice,
            prices_include_tax=source.prices_include_tax,
            tax_point_on=source.tax_point_on,
            lines=(line,),
        )
        name = f"{self.invoice}+credit"
        credit = restated(credit, scene)
        return scene.with_new(name, lambda place: Arrived(name, credit, scene.as_of, place))


class Correct(msgspec.Struct, frozen=True, tag=True):
    """The supplier sends a corrected invoice that replaces this one. `document` is complete, its totals too."""

    invoice: str
    document: Invoice

    def apply(self, scene: Scene) -> Scene:
        source = next(one for one in scene.arrived if one.invoice_id == self.invoice)
        name = successor(self.invoice)
        corrected = replace(self.document, replaces=self.invoice)
        return scene.with_new(name, lambda place: Arrived(name, corrected, source.arrived_on, place))


def successor(invoice_id: str) -> str:
    """The id under which a corrected invoice stands in a changed scene."""
    return f"{invoice_id}+corrected"


def restated(doc: Invoice, scene: Scene) -> Invoice:
    """A document whose line amounts, taxes and totals are what its quantities, prices and codes come to.

    Each line and each tax is rounded once, half-even, to the minor unit of the currency; a line without a price keeps
    its amount. Withholding stays as stated.
    """
    book = Book(taxes=scene.taxes)  # rates are all that is asked of it
    bill = Bill(Arrived("", doc, scene.as_of, 0))
    numbers = bill.numbers(book)
    lines = tuple(
        line if billed.exact is None else replace(line, amount=money(billed.exact, bill))
        for line, billed in zip(doc.lines, numbers.lines, strict=True)
    )
    bill = Bill(Arrived("", replace(doc, lines=lines), scene.as_of, 0))
    numbers = bill.numbers(book)
    bases: dict[str, Fraction] = {}
    total = exact(0)
    for codes, net, amount in [
        *((line.codes, line.net_amount, line.amount) for line in numbers.lines),
        *((one.codes, one.net_amount, one.amount) for one in numbers.charges),
    ]:
        total += amount
        for code in dict.fromkeys(codes):
            bases[code] = bases.get(code, exact(0)) + net
    taxes = tuple(
        TaxSubtotal(money(base * book.rate(code, bill.tax_day), bill), code) for code, base in bases.items() if code
    )
    tax = sum((exact(one.amount) for one in taxes), exact(0))
    net, gross = (total - tax, total) if doc.prices_include_tax else (total, total + tax)
    return replace(
        doc,
        lines=lines,
        taxes=taxes,
        net=money(net, bill),
        tax=money(tax, bill),
        gross=money(gross, bill),
        rounding=None,
        payable=None,
        lines_total=None,
        charges_total=None,
        allowances_total=None,
    )


def money(value: Fraction, bill: Bill) -> Amount:
    """An exact value as an amount of the document's currency, rounded once, half-even."""
    minor, scale = bill.minor(value), bill.minor_scale
    digits = len(str(scale)) - 1
    whole, rest = divmod(abs(minor), scale)
    return Amount(f"{'-' if minor < 0 else ''}{whole}" + (f".{rest:0{digits}d}" if digits else ""))
