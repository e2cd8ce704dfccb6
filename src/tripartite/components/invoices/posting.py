"""From a decided invoice to the liability the ERP is asked to book, in our words; the connector has the ERP's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from tripartite.core.estate import Estate
from tripartite.core.matching.giving import Giving
from tripartite.core.matching.result import Allocation, MatchResult, Pair
from tripartite.core.money import Amount, minor_digits
from tripartite.core.objects import Invoice, Order, Posting, PostingLine, PostingTax
from tripartite.core.quantity import Quantity

_WORDS: dict[tuple[str, str], Mapping[str, str]] = {}  # an estate's words for tax codes, worked out once


def tax_word(estate: Estate, connection: str, ours: str) -> str:
    """The ERP's word for our tax code; our own where the estate has none (`tripartite check` says so beforehand)."""
    return _tax_words(estate, connection).get(ours, ours)


def _tax_words(estate: Estate, connection: str) -> Mapping[str, str]:
    key = (estate.digest, connection)
    if key not in _WORDS:
        codes = {row.code for row in estate.tax_codes}
        _WORDS[key] = {code: estate.foreign_word(connection, "tax_code", code) or code for code in codes}
    return _WORDS[key]


def build_posting(
    invoice_id: str,
    invoice: Invoice,
    result: MatchResult,
    released: Sequence[Allocation],
    orders: Mapping[str, Order],
    estate: Estate,
    *,
    connection: str,
    supplier_number: str,
    posted_on: date,
    payment_block: str,
    original_document: str = "",
) -> Posting:
    """The posting of an invoice that may be booked. Amounts positive, `credit` gives the direction.

    Lines: one for each invoice line and order line it met; where receipts bind by name, one for each receipt. Charges
    without an order are the unplanned cost. What the document differs by inside the small-difference limit is said.
    """
    allocations: dict[int, list[Allocation]] = {}
    for entry in released:
        allocations.setdefault(entry.invoice_line, []).append(entry)
    lines: list[PostingLine] = []
    only_order = invoice.order_numbers[0] if len(invoice.order_numbers) == 1 else ""
    for line in invoice.lines:
        code = tax_word(estate, connection, line.tax_codes[0]) if line.tax_codes else ""
        amount = abs(line.amount if line.amount is not None else Decimal(0))
        parts = _parts(line.line, allocations.get(line.line, ()), orders, amount, invoice.currency)
        if not parts:
            # Credits and lines without a quantity allocate nothing; they stand against the order line they met.
            met: Pair | Giving | None = next((pair for pair in result.pairs if pair.invoice_line == line.line), None)
            met = met or next((each for each in result.givings(()) if each.invoice_line == line.line), None)
            lines.append(
                PostingLine(
                    line=len(lines) + 1,
                    amount=Amount(amount),
                    order_number=met.order_number if met else line.order_number or only_order,
                    order_line=met.order_line if met else line.order_line or 0,
                    quantity=line.quantity,
                    unit=line.unit,
                    tax_code=code,
                    cost_centre=line.cost_centre,
                    final=line.final,
                    value_only=invoice.kind in ("subsequent_debit", "subsequent_credit"),
                )
            )
        for order_number, order_line, receipt, quantity, part in parts:
            lines.append(
                PostingLine(
                    line=len(lines) + 1,
                    amount=Amount(part),
                    order_number=order_number,
                    order_line=order_line,
                    receipt_number=receipt,
                    quantity=Quantity(quantity),
                    unit=line.unit,
                    tax_code=code,
                    cost_centre=line.cost_centre,
                    final=line.final,
                )
            )
    charges = sum((charge.amount for charge in invoice.charges), Decimal(0))
    gross = invoice.gross if invoice.gross is not None else Amount(0)
    tax = invoice.tax if invoice.tax is not None else Amount(0)
    net = invoice.net if invoice.net is not None else Amount(gross - tax)
    difference = Decimal(gross) - Decimal(net) - Decimal(tax)
    return Posting(
        invoice_id=invoice_id,
        invoice_number=invoice.number,
        company_code=invoice.company_code,
        supplier_number=supplier_number,
        currency=invoice.currency,
        issued_on=invoice.issued_on or posted_on,
        posted_on=posted_on,
        gross=Amount(abs(gross)),
        net=Amount(abs(net)),
        tax=Amount(abs(tax)),
        credit=invoice.kind in ("credit_memo", "subsequent_credit"),
        original_document=original_document,
        payment_block=payment_block,
        due_on=invoice.due_on,
        small_difference=Amount(difference) if difference else None,
        unplanned_cost=Amount(charges) if charges else None,
        lines=tuple(lines),
        taxes=tuple(
            PostingTax(tax_word(estate, connection, each.code), Amount(abs(each.amount)), each.base)
            for each in invoice.taxes
            if each.code
        ),
    )


def _parts(
    line: int, entries: Sequence[Allocation], orders: Mapping[str, Order], amount: Decimal, currency: str
) -> list[tuple[str, int, str, Decimal, Decimal]]:
    """The line's amount over the order lines (and, where receipts bind, receipts) it met: shares by quantity, rounded
    to the minor unit, the remainder on the last so that nothing is lost.
    """
    if len(entries) == 1:  # one order line, one receipt: nothing to share out
        only = entries[0]
        receipt = only.receipt_number if _binds(orders, only) else ""
        return [(only.order_number, only.order_line, receipt, abs(decimal_of(only.quantity)), amount)]
    groups: dict[tuple[str, int, str], Decimal] = {}
    for entry in entries:
        key = (entry.order_number, entry.order_line, entry.receipt_number if _binds(orders, entry) else "")
        groups[key] = groups.get(key, Decimal(0)) + decimal_of(entry.quantity)
    total = sum(groups.values(), Decimal(0))
    if not groups or not total:
        return []
    unit = Decimal(1).scaleb(-minor_digits(currency))
    parts: list[tuple[str, int, str, Decimal, Decimal]] = []
    left = amount
    ordered = sorted(groups.items())
    for place, ((order_number, order_line, receipt), quantity) in enumerate(ordered):
        share = left if place == len(ordered) - 1 else (amount * quantity / total).quantize(unit)
        left -= share
        parts.append((order_number, order_line, receipt, abs(quantity), share))
    return parts


def _binds(orders: Mapping[str, Order], entry: Allocation) -> bool:
    """Whether the order line is matched against receipts by name (S15)."""
    order = orders.get(entry.order_number)
    if order is None:
        return False
    for line in order.lines:
        if line.line == entry.order_line:
            return line.basis == "receipt"
    return False


def decimal_of(exact: Fraction) -> Decimal:
    """An exact quantity as a decimal; one that has no end is cut at 28 digits, far below any unit's grain."""
    if exact.denominator == 1:
        return Decimal(exact.numerator)
    return Decimal(exact.numerator) / Decimal(exact.denominator)
