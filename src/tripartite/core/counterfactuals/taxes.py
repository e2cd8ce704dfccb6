"""What would clear a finding about tax or a charge: a mapping, a quote, a plan, a corrected bill.

Rules: S23 to S25, S37."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from tripartite.core.counterfactuals.acts import AmendLine, MapTax, PlanCharge, Quoted
from tripartite.core.counterfactuals.corrections import Correct, money, restated
from tripartite.core.counterfactuals.offers import (
    PROCUREMENT,
    SUPPLIER_SIDE,
    TAX_TABLES,
    Offer,
    Trouble,
    decimal,
    place,
    plain,
)
from tripartite.core.counterfactuals.prices import corrected
from tripartite.core.matching.exact import ZERO, exact
from tripartite.core.money import Amount, Rate
from tripartite.core.objects import Allowance, QuotedLine, QuotedTax, TaxQuote
from tripartite.core.objects.invoice import Withholding


def engine_confirms(trouble: Trouble) -> Iterator[Offer]:
    """The tax engine's quote agrees with what is billed: per line the share of the tax of its code."""
    bill, book = trouble.bill, trouble.book
    numbers = bill.numbers(book)
    lines: list[QuotedLine] = []
    taxes: list[QuotedTax] = []
    for code, billed in numbers.taxes.items():
        parts = [(one.line, one.net_amount) for one in numbers.lines if code in one.codes]
        parts += [(one.line, one.net_amount) for one in numbers.charges if code in one.codes]
        if not parts:
            return
        base = sum((net for _, net in parts), ZERO)
        left = billed
        for number, (line, net) in enumerate(parts, 1):
            share = left if number == len(parts) else exact(money(billed * net / base if base else ZERO, bill))
            left -= share
            lines.append(QuotedLine(line, money(net, bill), money(share, bill)))
            rate = Rate(format(decimal(share * 100 / net if net else ZERO, 12), "f"))
            taxes.append(QuotedTax(line, money(share, bill), money(net, bill), rate, code=code))
    quote = TaxQuote(
        "(to come)",
        bill.company,
        bill.currency,
        "the tax engine",
        bill.tax_day,
        money(sum(numbers.taxes.values(), ZERO), bill),
        tuple(lines),
        tuple(taxes),
    )
    yield Offer(
        act=Quoted(bill.id, quote),
        change=f"A quote of the tax engine that comes to the billed tax of {trouble.money(exact(quote.tax))}",
        by_roles=("tax",),
        where="the tax engine",
        cost=max(ZERO, trouble.variance),
        field="tax_quote",
        after=plain(quote.tax),
    )


def tax_is_corrected(trouble: Trouble) -> Iterator[Offer]:
    """The supplier bills the tax that the codes say."""
    document = restated(trouble.bill.doc, trouble.scene)
    tax = document.tax if document.tax is not None else Amount("0")
    yield Offer(
        act=Correct(trouble.bill.id, document),
        change=f"A corrected invoice with a tax of {trouble.money(exact(tax))}",
        by_roles=("supplier",),
        where=SUPPLIER_SIDE,
        field="tax",
        before=plain(sum(trouble.bill.numbers(trouble.book).taxes.values(), ZERO)),
        after=plain(tax),
    )


def tax_mapping_is_corrected(trouble: Trouble) -> Iterator[Offer]:
    """The supplier's word is mapped to the order's code, by tax and a second person; amounts stay as billed."""
    line = trouble.line
    for codes in _order_codes(trouble):
        if line is None or not line.codes or not codes:
            continue
        yield Offer(
            act=MapTax(trouble.bill.id, line.line, line.codes, codes),
            change=f"The supplier's word for {', '.join(line.codes)} mapped to {', '.join(codes)}, by tax and a second "
            f"person",
            by_roles=("tax", "approver"),
            where=TAX_TABLES,
            field="tax_codes",
            before=",".join(line.codes),
            after=",".join(codes),
        )


def order_tax_is_amended(trouble: Trouble) -> Iterator[Offer]:
    """The order takes the code that is billed, where tax says that the order was wrong."""
    line = trouble.line
    for pair in trouble.pairs:
        if line is None or not line.codes:
            continue
        before = trouble.ordered(pair).codes
        yield Offer(
            act=AmendLine(pair.order_number, pair.order_line, {"tax_codes": line.codes}),
            change=f"Tax code of {place(pair)} amended from {', '.join(before) or 'none'} to {', '.join(line.codes)}",
            by_roles=("buyer", "tax"),
            where=PROCUREMENT,
            cost=max(ZERO, trouble.variance),
            field="tax_codes",
            before=",".join(before),
            after=",".join(line.codes),
        )


def tax_code_is_corrected(trouble: Trouble) -> Iterator[Offer]:
    """The supplier bills the line under the order's code, with the tax that it makes."""
    for codes in _order_codes(trouble):
        yield corrected(
            trouble,
            {"tax_codes": codes},
            f"A corrected invoice with line {trouble.finding.line} under {', '.join(codes) or 'no tax code'}",
            before=",".join(trouble.line.codes) if trouble.line is not None else "",
            after=",".join(codes),
            field="tax_codes",
        )


def _order_codes(trouble: Trouble) -> list[tuple[str, ...]]:
    found = [trouble.ordered(pair).codes for pair in trouble.pairs]
    line = trouble.line
    if not found and line is not None and line.order_line is not None:
        ordered = trouble.book.line(line.order, line.order_line)
        found = [ordered.codes] if ordered is not None else []
    return list(dict.fromkeys(found))


def withholding_is_corrected(trouble: Trouble) -> Iterator[Offer]:
    """The invoice states what must be withheld."""
    bill, book = trouble.bill, trouble.book
    facts = (book.suppliers or {}).get(bill.supplier)
    if facts is None or not facts.withholding:
        return
    stated = bill.numbers(book).withheld.get(facts.withholding, ZERO)
    due = stated + trouble.variance
    others = tuple(one for one in bill.doc.withholding if one.code != facts.withholding)
    document = replace(bill.doc, withholding=(*others, Withholding(facts.withholding, money(due, bill))))
    yield Offer(
        act=Correct(bill.id, document),
        change=f"Withholding recomputed: {trouble.money(due)} under {facts.withholding} instead of {plain(stated)}",
        by_roles=("tax", "supplier"),
        where=SUPPLIER_SIDE,
        field="withholding",
        before=plain(stated),
        after=plain(due),
    )


def charge_is_planned(trouble: Trouble) -> Iterator[Offer]:
    """The buyer agrees to the charge on the order: planned anew, or raised until what is billed so far is due."""
    bill, book = trouble.bill, trouble.book
    charge = next((one for one in bill.numbers(book).charges if one.line == trouble.finding.line), None)
    if charge is None:
        return
    carrier = bill.supplier if trouble.finding.code == "charge.carrier_unmatched" else ""
    for name in dict.fromkeys([charge.order, *bill.orders, *(line.order_number for line in bill.doc.lines)]):
        order = book.orders.get(name)
        if order is None:
            continue
        by_carrier = order.supplier != bill.supplier
        planned = sum(
            (
                exact(one.amount)
                for one in order.doc.charges
                if one.kind == charge.kind and one.supplier in ("", bill.supplier)
            ),
            ZERO,
        )
        for wanted in _amounts(trouble, charge.net_amount, planned):
            amount = decimal(wanted, up=True)
            yield Offer(
                act=PlanCharge(name, charge.kind, amount, carrier or (bill.supplier if by_carrier else "")),
                change=f"{charge.kind.capitalize() or 'The charge'} of {plain(amount)} {bill.currency} agreed on order "
                f"{name}" + (f" instead of {plain(planned)}" if planned else ""),
                by_roles=("buyer", "approver"),
                where=PROCUREMENT,
                cost=max(ZERO, trouble.variance) or charge.net_amount,
                field="charge",
                before=plain(planned) if planned else "",
                after=plain(amount),
            )


def _amounts(trouble: Trouble, charged: Fraction, planned: Fraction) -> list[Fraction]:
    """What would have to be planned in all: the charge itself for the whole order; else by the share billed so far."""
    over = trouble.variance
    due = charged - over
    found = [charged]
    if planned and due > 0:
        found.insert(0, planned * charged / due)
    for pair in trouble.compared[:1]:
        if pair.ordered:
            share = (pair.billed_before + pair.billed) / pair.ordered
            if share > 0:
                found.append((charged + (planned * share - due if planned else ZERO)) / share)
    return list(dict.fromkeys(one for one in found if one > 0))


def charge_is_dropped(trouble: Trouble) -> Iterator[Offer]:
    """The supplier bills without the charge, or with what is due of it; or gives the allowance that is agreed."""
    bill = trouble.bill
    line = trouble.finding.line
    numbers = bill.numbers(trouble.book)
    charges = []
    kind = ""
    kept = ZERO
    for doc, one in zip(bill.doc.charges, numbers.charges, strict=True):
        if one.line == line:
            kind = one.kind
            kept = one.net_amount - trouble.variance if trouble.finding.variance is not None else ZERO
            rate = trouble.book.billed_rate(one.codes, bill.tax_day) if bill.doc.prices_include_tax else ZERO
            if kept != 0:
                charges.append(replace(doc, amount=money(kept * (1 + rate), bill), line=one.line))
        else:
            charges.append(replace(doc, line=one.line))
    if not kind and line:
        return
    if not line:
        codes = next((one.codes for one in numbers.lines if one.codes), ())
        kind = _left_out(trouble)
        charges.append(Allowance(money(-trouble.variance, bill), kind, tax_codes=codes))
        kept = -trouble.variance
    document = restated(replace(bill.doc, charges=tuple(charges)), trouble.scene)
    with_what = f"with {trouble.money(kept)} of {kind}" if kept else f"without the {kind or 'charge'}"
    yield Offer(
        act=Correct(bill.id, document),
        change=f"A corrected invoice {with_what}",
        by_roles=("supplier",),
        where=SUPPLIER_SIDE,
        field="charge",
        after=plain(decimal(kept)),
    )


def _left_out(trouble: Trouble) -> str:
    """The kind of the agreed allowance that the invoice leaves out."""
    given = {one.kind for one in trouble.bill.doc.charges}
    for name in trouble.bill.orders:
        order = trouble.book.orders.get(name)
        for entry in order.doc.charges if order is not None else ():
            if entry.amount < Decimal(0) and entry.kind not in given:
                return entry.kind
    return "allowance"
