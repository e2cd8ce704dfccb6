"""What would clear a finding about quantity: more comes, more is ordered, less is claimed. Rules: S2, S14 to S19, S30,
S31, S34."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from tripartite.core.counterfactuals.acts import Accept, AmendLine, AmendOrder, Receive, Weigh
from tripartite.core.counterfactuals.corrections import Correct, Credit, money, restated
from tripartite.core.counterfactuals.offers import (
    HERE,
    PROCUREMENT,
    SUPPLIER_SIDE,
    WAREHOUSE,
    Offer,
    Trouble,
    countable,
    decimal,
    place,
    plain,
)
from tripartite.core.matching.exact import ONE, ZERO, exact
from tripartite.core.matching.result import Pair
from tripartite.core.money import Amount, Rate
from tripartite.core.objects.receipt import ReceiptKind
from tripartite.core.quantity import Quantity

_EVIDENCE: dict[str, tuple[ReceiptKind, str, str]] = {
    "service": ("service_entry", "accepted as done", "the service entry sheets"),
    "consignment": ("withdrawal", "withdrawn from consignment", WAREHOUSE),
}


def more_comes(trouble: Trouble) -> Iterator[Offer]:
    """The missing quantity is received, withdrawn or accepted as done: what covers this line and all billed before."""
    for pair in trouble.pairs:
        if pair.bound is None or pair.billed <= 0:
            continue
        ordered = trouble.ordered(pair)
        kind, word, where = _EVIDENCE.get(ordered.mode, ("receipt", "received", WAREHOUSE))
        line = trouble.line
        named = line.receipt if line is not None else ""
        for missing in dict.fromkeys([pair.excess, pair.billed_before + pair.billed - pair.bound]):
            if missing <= 0:
                continue
            quantity, unit = countable(missing, pair.unit, trouble, pair, up=True)
            number = named if ordered.doc.basis == "receipt" else ""
            on = f" on {number}" if number else ""
            yield Offer(
                act=Receive(pair.order_number, pair.order_line, quantity, kind, number, unit),
                change=f"{plain(quantity)} {unit} more {word}{on} for {place(pair)}",
                by_roles=("receiving",),
                where=where,
                field=f"quantity_{'accepted' if ordered.mode == 'service' else 'received'}",
                before=plain(pair.received),
                after=plain(pair.received + missing),
            )


def note_arrives(trouble: Trouble) -> Iterator[Offer]:
    """The receipt that the line names is posted."""
    line = trouble.line
    if line is None or not line.receipt:
        return
    for pair in trouble.pairs:
        quantity = decimal(pair.billed, up=True)
        if quantity <= 0:
            continue
        yield Offer(
            act=Receive(pair.order_number, pair.order_line, quantity, number=line.receipt),
            change=f"Receipt {line.receipt} of {plain(quantity)} {pair.unit} posted for {place(pair)}",
            by_roles=("receiving",),
            where=WAREHOUSE,
            field="receipt",
            after=line.receipt,
            may_leave=frozenset(["match.quantity_over_delivered", "match.quantity_over_ordered"]),
        )


def more_is_accepted(trouble: Trouble) -> Iterator[Offer]:
    """Inspection accepts what came."""
    for pair in trouble.pairs:
        if pair.excess <= 0:
            continue
        for missing in dict.fromkeys(
            [pair.excess, pair.billed_before + pair.billed - (pair.bound if pair.bound is not None else ZERO)]
        ):
            quantity = decimal(missing, up=True)
            yield Offer(
                act=Accept(pair.order_number, pair.order_line, quantity),
                change=f"{plain(quantity)} {pair.unit} more accepted by inspection for {place(pair)}",
                by_roles=("quality", "receiving"),
                where=WAREHOUSE,
                field="quantity_accepted",
                after=plain(quantity),
            )


def more_is_ordered(trouble: Trouble) -> Iterator[Offer]:
    """The order's quantity is raised, with its approval, until what is billed fits."""
    for pair in trouble.pairs:
        ordered = trouble.ordered(pair)
        numbers = ordered.numbers(trouble.book)
        if numbers.ceiling is None or numbers.ordered is None or pair.billed <= 0:
            continue
        wanted = pair.billed_before + pair.billed
        if wanted <= numbers.ceiling:
            continue
        factor = numbers.ceiling / numbers.ordered if numbers.ordered else ONE
        quantity = decimal(wanted / factor, 0 if numbers.ordered.denominator == wanted.denominator == 1 else 6, up=True)
        yield Offer(
            act=AmendLine(pair.order_number, pair.order_line, {"quantity": Quantity(format(quantity, "f"))}),
            change=f"Quantity of {place(pair)} raised from {plain(numbers.ordered)} to {plain(quantity)} {pair.unit}",
            by_roles=("buyer", "approver"),
            where=PROCUREMENT,
            cost=max(ZERO, trouble.variance),
            field="quantity",
            before=plain(numbers.ordered),
            after=plain(quantity),
        )


def less_is_claimed(trouble: Trouble) -> Iterator[Offer]:
    """The supplier credits what is too much, or we pay the good part and book a debit memo for the rest.

    Both are documents beside the invoice, which stays as sent (S41).
    """
    for pair in trouble.pairs:
        line = trouble.line
        if pair.excess <= 0 or pair.billed <= 0 or line is None:
            continue
        limit = trouble.ordered(pair).mode == "limit"
        excess = pair.excess
        value = excess if limit else pair.value * excess / pair.billed
        gross_up = ONE / line.factor_net
        amount = decimal(value * gross_up, len(str(trouble.bill.minor_scale)) - 1, down=True)
        quantity, unit = countable(excess, pair.unit, trouble, pair, up=False)
        if quantity <= 0 or amount < 0:
            continue
        yield from claims(trouble, pair, quantity, amount, "" if limit else unit)


def claims(trouble: Trouble, pair: Pair, quantity: Decimal | None, amount: Decimal, unit: str = "") -> Iterator[Offer]:
    """A credit memo by the supplier, and the same as a debit memo of ours beside a payment of the good part. Of value
    alone where no quantity is given, and on a line that is ordered by value (no unit)."""
    bill, finding = trouble.bill, trouble.finding
    act = Credit(bill.id, finding.line, pair.order_number, pair.order_line, quantity, amount, unit)
    what = f"{plain(quantity)} {unit}" if quantity is not None and unit else ""
    worth = trouble.money(exact(amount))
    of_what = f"{what}, {worth}," if what else worth
    yield Offer(
        act=act,
        change=f"A credit memo of {of_what} for line {finding.line}".replace(", for", " for"),
        by_roles=("supplier",),
        where=SUPPLIER_SIDE,
        field="credit",
        after=plain(amount),
    )
    billed = next(one for one in bill.numbers(trouble.book).lines if one.line == finding.line)
    rate = ZERO if bill.doc.prices_include_tax else trouble.book.billed_rate(billed.codes, bill.tax_day)
    rest = bill.numbers(trouble.book).gross - exact(amount) * (ONE + rate)
    if rest <= 0:
        return  # nothing good would be left to pay
    yield Offer(
        act=act,
        change=f"Short payment: {trouble.money(rest)} is paid, and a debit memo of {worth} stands against "
        f"line {finding.line}",
        by_roles=("ap", "buyer"),
        where=HERE,
        field="debit_memo",
        after=plain(amount),
    )


def less_is_credited(trouble: Trouble) -> Iterator[Offer]:
    """The supplier sends the credit memo, or the debit, again over no more than is left to credit or due."""
    line = trouble.line
    if line is None or line.amount <= 0:
        return
    share = ONE - trouble.variance / line.net_amount
    if share <= 0:
        return
    fields: dict[str, object] = {"amount": money(line.amount * share, trouble.bill)}
    if line.quantity is not None:
        fields["quantity"] = Quantity(format(decimal(line.quantity * share, down=True), "f"))
    lines = tuple(replace(one, **fields) if one.line == line.line else one for one in trouble.bill.doc.lines)
    document = restated(replace(trouble.bill.doc, lines=lines), trouble.scene)
    word = "credit memo" if trouble.bill.credit else "debit"
    yield Offer(
        act=Correct(trouble.bill.id, document),
        change=f"A corrected {word} with {trouble.money(line.amount * share)} on line {line.line}",
        by_roles=("supplier",),
        where=SUPPLIER_SIDE,
        field="amount",
        before=plain(line.amount),
        after=plain(line.amount * share),
    )


def shipment_arrives(trouble: Trouble) -> Iterator[Offer]:
    """The goods that the carrier brought are received; until then his bill has no shipment."""
    bill = trouble.bill
    for name in dict.fromkeys([*bill.orders, *(one.order_number for one in bill.doc.charges)]):
        order = trouble.book.orders.get(name)
        for ordered in order.lines if order is not None else ():
            numbers = ordered.numbers(trouble.book)
            if numbers.ordered is None or numbers.received >= numbers.ordered:
                continue
            quantity = decimal(numbers.ordered - numbers.received, up=True)
            yield Offer(
                act=Receive(name, ordered.line, quantity),
                change=f"{plain(quantity)} {ordered.unit} received for order {name} line {ordered.line}",
                by_roles=("receiving",),
                where=WAREHOUSE,
                field="quantity_received",
                before=plain(numbers.received),
                after=plain(numbers.ordered),
                may_leave=frozenset(["charge"]),
            )


def weigh_ticket(trouble: Trouble) -> Iterator[Offer]:
    """The weigh ticket is corrected to what was billed."""
    excess = Fraction(Decimal(trouble.finding.breach)) if _is_number(trouble.finding.breach) else ZERO
    for pair in trouble.pairs:
        ordered = trouble.ordered(pair)
        if not ordered.catch_weight or excess <= 0:
            continue
        weight = decimal(excess, up=True)
        nominal = ordered.doc.nominal if ordered.doc.nominal is not None else Decimal(1)
        yield Offer(
            act=Weigh(pair.order_number, pair.order_line, weight, nominal),
            change=f"The weigh ticket of {place(pair)} shows {plain(weight)} {ordered.doc.price_unit} more",
            by_roles=("receiving",),
            where=WAREHOUSE,
            field="weight",
            after=plain(weight),
        )


def limit_is_raised(trouble: Trouble) -> Iterator[Offer]:
    """A limit order's sum, release limit or period is changed, with approval."""
    for pair in trouble.pairs:
        doc = trouble.ordered(pair).doc
        asked = pair.billed
        day = trouble.line.doc.service_on if trouble.line is not None and trouble.line.doc.service_on else trouble.day
        changes: dict[str, tuple[object, str, str]] = {}
        if doc.limit is not None and pair.billed_before + asked > exact(doc.limit):
            wanted = Amount(format(decimal(pair.billed_before + asked, up=True), "f"))
            changes["limit"] = (wanted, plain(doc.limit), plain(wanted))
        if doc.release_limit is not None and asked > exact(doc.release_limit):
            wanted = Amount(format(decimal(asked, up=True), "f"))
            changes["release_limit"] = (wanted, plain(doc.release_limit), plain(wanted))
        if doc.valid_to is not None and day > doc.valid_to:
            changes["valid_to"] = (day, doc.valid_to.isoformat(), day.isoformat())
        if doc.valid_from is not None and day < doc.valid_from:
            changes["valid_from"] = (day, doc.valid_from.isoformat(), day.isoformat())
        if not changes:
            continue
        said = " and ".join(
            f"{name.replace('_', ' ')} {before} to {after}" for name, (_, before, after) in changes.items()
        )
        yield Offer(
            act=AmendLine(pair.order_number, pair.order_line, {name: one[0] for name, one in changes.items()}),
            change=f"{place(pair)[0].upper()}{place(pair)[1:]} amended: {said}",
            by_roles=("buyer", "approver"),
            where=PROCUREMENT,
            cost=max(ZERO, trouble.variance),
            field="+".join(changes),
            before="+".join(one[1] for one in changes.values()),
            after="+".join(one[2] for one in changes.values()),
        )


def advance_is_agreed(trouble: Trouble) -> Iterator[Offer]:
    """The share that may be paid in advance is raised on the order, with approval."""
    if trouble.bill.kind != "prepayment" or trouble.line is None:
        return
    order = trouble.book.orders.get(trouble.line.order)
    if order is None:
        return
    value = sum((one.numbers(trouble.book).value for one in order.lines), ZERO)
    if value <= 0:
        return
    percent = exact(order.doc.prepayment_percent) if order.doc.prepayment_percent is not None else ZERO
    wanted = decimal(percent + trouble.variance * 100 / value, up=True)
    yield Offer(
        act=AmendOrder(order.number, {"prepayment_percent": Rate(format(wanted, "f"))}),
        change=f"Advances of {plain(wanted)} % agreed on order {order.number} instead of {plain(percent)} %",
        by_roles=("buyer", "approver"),
        where=PROCUREMENT,
        cost=trouble.variance,
        field="prepayment_percent",
        before=plain(percent),
        after=plain(wanted),
    )


def _is_number(text: str) -> bool:
    return bool(text) and all(letter.isdigit() or letter == "." for letter in text)
