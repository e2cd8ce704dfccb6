"""What would clear a finding about papers: references, an order's status, a contract, a duplicate, a date.

Rules: S1, S9, S19, S32, S39, S40.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from msgspec.structs import replace

from tripartite.core.counterfactuals.acts import (
    AddOrder,
    AmendContract,
    AmendLine,
    AmendOrder,
    LinkLine,
    Wait,
    Withdraw,
)
from tripartite.core.counterfactuals.corrections import Correct
from tripartite.core.counterfactuals.offers import (
    HERE,
    PROCUREMENT,
    SUPPLIER_SIDE,
    Offer,
    Trouble,
    decimal,
    place,
)
from tripartite.core.matching.exact import exact
from tripartite.core.matching.numbering import number_key
from tripartite.core.matching.ordered import Ordered
from tripartite.core.objects import Order, OrderLine

MOST_LINKS = 3
RAISED = "(raised after the fact)"
_GOODS = frozenset(["match", "service", "tax", "charge", "terms"])  # what a newly known order may bring up


def order_becomes_known(trouble: Trouble) -> Iterator[Offer]:
    """The order that is named is published by procurement, or one is raised after the fact and linked (C06)."""
    bill = trouble.bill
    line = trouble.line
    named = (line.order if line is not None else "") or next(
        (name for name in bill.orders if name not in trouble.book.orders), ""
    )
    order = Order(
        named or RAISED,
        bill.currency,
        company_code=bill.company,
        supplier_id=bill.supplier,
        issued_on=bill.day,
        lines=tuple(
            OrderLine(
                one.doc.order_line or one.line,
                item=one.doc.item or one.doc.supplier_item or one.doc.gtin or f"line {one.line}",
                supplier_item=one.doc.supplier_item,
                quantity=one.doc.quantity,
                unit=one.unit or "EA",
                price=one.doc.price,
                price_per=int(one.doc.price_per) if one.doc.price_per else 1,
                tax_codes=one.codes,
            )
            for one in bill.numbers(trouble.book).lines
            if one.order == named or not named
        ),
    )
    yield Offer(
        act=AddOrder(order, "" if named else bill.id),
        change=f"Order {named} of this supplier published by procurement"
        if named
        else "An order raised after the fact, approved, and linked to this invoice",
        by_roles=("buyer", "integration") if named else ("buyer", "approver"),
        where=PROCUREMENT,
        field="order",
        after=named,
        may_leave=_GOODS | {"reference.line_unmatched", "reference.line_ambiguous"},
    )


def line_is_linked(trouble: Trouble) -> Iterator[Offer]:
    """The invoice line is linked to one of the order lines that it may mean, those nearest in price first."""
    line, book = trouble.line, trouble.book
    if line is None:
        return
    names = (line.order,) if line.order else trouble.bill.orders
    open_lines = [
        ordered for name in names if name in book.orders for ordered in book.orders[name].lines if not ordered.closed
    ]
    alike = [ordered for ordered in open_lines if ordered.ids & line.ids] or open_lines
    asked = line.value / line.quantity if line.quantity else exact(0)

    def distance(ordered: Ordered) -> tuple[object, ...]:
        return (abs(ordered.numbers(book).unit_price - asked), ordered.order.number, ordered.line)

    for ordered in sorted(alike, key=distance)[:MOST_LINKS]:
        yield Offer(
            act=LinkLine(trouble.bill.id, line.line, ordered.order.number, ordered.line),
            change=f"Line {line.line} linked to order {ordered.order.number} line {ordered.line}",
            by_roles=("ap", "buyer"),
            where=HERE,
            field="order_line",
            after=f"{ordered.order.number}/{ordered.line}",
            may_leave=_GOODS,
        )


def order_is_opened(trouble: Trouble) -> Iterator[Offer]:
    """The order, or its line, is approved or opened again."""
    draft = trouble.finding.code == "reference.order_not_approved"
    roles = ("approver",) if draft else ("buyer", "approver")
    word = "approved" if draft else "opened again"
    line = trouble.line
    seen = {pair.order_number: pair.order_line for pair in trouble.pairs}
    if not seen and line is not None and line.order in trouble.book.orders:
        seen = {line.order: 0}
    for name, number in seen.items():
        order = trouble.book.orders[name]
        if order.doc.status != "open":
            yield Offer(
                act=AmendOrder(name, {"status": "open"}),
                change=f"Order {name} {word}",
                by_roles=roles,
                where=PROCUREMENT,
                field="status",
                before=order.doc.status,
                after="open",
            )
        ordered = order.by_line.get(number)
        if ordered is not None and ordered.doc.status != "open":
            yield Offer(
                act=AmendLine(name, number, {"status": "open"}),
                change=f"Order {name} line {number} {word}",
                by_roles=roles,
                where=PROCUREMENT,
                field="status",
                before=ordered.doc.status,
                after="open",
            )


def contract_is_extended(trouble: Trouble) -> Iterator[Offer]:
    """The framework contract is extended in time or sum."""
    bill, book = trouble.bill, trouble.book
    for name in dict.fromkeys([*bill.orders, *(line.order_number for line in bill.doc.lines)]):
        order = book.orders.get(name)
        contract = book.contracts.get(order.doc.contract) if order is not None else None
        if order is None or contract is None:
            continue
        day = order.doc.issued_on
        fields: dict[str, object] = {}
        if day is not None and day > contract.valid_to:
            fields["valid_to"] = day
        if day is not None and day < contract.valid_from:
            fields["valid_from"] = day
        if contract.max_amount is not None and not fields:
            goods = sum((pair.value for pair in trouble.compared if pair.order_number == name), exact(0))
            spent = sum(
                (
                    line.net_amount
                    for other in book.bills
                    if not other.dropped and other.sequence <= bill.sequence
                    for line in other.numbers(book).lines
                    if line.order in book.orders and book.orders[line.order].doc.contract == contract.number
                ),
                exact(0),
            )
            agreed = exact(contract.max_amount)
            fields["max_amount"] = decimal(spent if spent > agreed else agreed + goods, up=True)
        if not fields:
            continue
        said = " and ".join(f"{key.replace('_', ' ')} {value}" for key, value in fields.items())
        yield Offer(
            act=AmendContract(contract.number, fields),
            change=f"Contract {contract.number} amended: {said}",
            by_roles=("buyer", "approver"),
            where=PROCUREMENT,
            field="+".join(fields),
            after="+".join(str(value) for value in fields.values()),
        )


def date_passes(trouble: Trouble) -> Iterator[Offer]:
    """The agreed date comes near enough: nobody does anything."""
    last = max((day for pair in trouble.pairs if (day := trouble.ordered(pair).doc.due_on)), default=None)
    line = trouble.line
    if last is None or line is None or line.amount <= 0:
        return
    try:
        limit = exact(Decimal(trouble.finding.limit))
    except ArithmeticError:
        limit = exact(0)
    left = limit / line.amount
    until: date = max(last - timedelta(days=min(3650, left.numerator // left.denominator)), trouble.scene.as_of)
    yield Offer(
        act=Wait(until),
        change=f"The date passing: it clears by itself on {until.isoformat()}",
        by_roles=(),
        where=HERE,
        field="date",
        after=until.isoformat(),
    )
    for pair in trouble.pairs:
        yield Offer(
            act=AmendLine(pair.order_number, pair.order_line, {"due_on": trouble.scene.as_of}),
            change=f"The agreed date of {place(pair)} moved to {trouble.scene.as_of.isoformat()}",
            by_roles=("buyer", "approver"),
            where=PROCUREMENT,
            field="due_on",
            before=last.isoformat(),
            after=trouble.scene.as_of.isoformat(),
        )


def twin_is_settled(trouble: Trouble) -> Iterator[Offer]:
    """The earlier invoice is withdrawn, where it was not booked: then this one stands for the debt."""
    bill = trouble.bill
    words = trouble.finding.words
    for other in trouble.book.bills:
        if other is bill or other.dropped or other.was_post or other.kept is not None:
            continue
        if f"repeats invoice {other.doc.number} of " not in words:
            continue
        yield Offer(
            act=Withdraw(other.id),
            change=f"Invoice {other.doc.number} of {other.day.isoformat()} withdrawn by the supplier, in writing",
            by_roles=("supplier", "ap"),
            where=SUPPLIER_SIDE,
            field="duplicate_of",
            before=other.doc.number,
            may_leave=frozenset(["match", "service", "tax", "charge", "reference", "supplier", "currency", "terms"]),
        )


def original_is_named(trouble: Trouble) -> Iterator[Offer]:
    """The supplier sends the credit again and names what it credits."""
    bill, book = trouble.bill, trouble.book
    line = next((one for one in bill.doc.lines if one.line == trouble.finding.line), None)
    for other in book.bills:
        if other.supplier != bill.supplier or other.credit or other.dropped or other is bill:
            continue
        if bill.doc.original and number_key(bill.doc.original) == other.number_key:
            continue
        items = {one.item for one in other.doc.lines if one.item}
        if line is not None and line.item and items and line.item not in items:
            continue
        yield Offer(
            act=Correct(bill.id, replace(bill.doc, original=other.doc.number)),
            change=f"A corrected credit memo that names invoice {other.doc.number}",
            by_roles=("supplier",),
            where=SUPPLIER_SIDE,
            field="original",
            before=bill.doc.original,
            after=other.doc.number,
            may_leave=frozenset(["tax"]),
        )
