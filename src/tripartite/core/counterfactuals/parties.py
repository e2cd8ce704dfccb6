"""What would clear a finding about the parties and their words: supplier, account, currency, rate, unit.

Rules: S13, S27, S36.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tripartite.core.counterfactuals.acts import (
    AddConversion,
    AmendOrder,
    LoadRate,
    Master,
)
from tripartite.core.counterfactuals.corrections import Correct
from tripartite.core.counterfactuals.offers import (
    MASTER,
    MASTER_DATA,
    PROCUREMENT,
    SUPPLIER_SIDE,
    TREASURY,
    Offer,
    Trouble,
    plain,
)
from tripartite.core.matching.exact import exact
from tripartite.core.matching.ordered import Ordered
from tripartite.core.money import Rate
from tripartite.core.objects import ExchangeRate
from tripartite.core.quantity import Conversion

_GOODS = frozenset(["match", "service", "tax", "charge", "terms"])  # what a newly known unit may bring up


def conversion_is_agreed(trouble: Trouble) -> Iterator[Offer]:
    """The units' ratio is agreed; the prices say which one makes order and bill the same, and somebody confirms it."""
    line, book = trouble.line, trouble.book
    if line is None or not line.quantity:
        return
    names = (line.order,) if line.order else trouble.bill.orders
    for name in names:
        order = book.orders.get(name)
        for ordered in order.lines if order is not None else ():
            if ordered.line != line.order_line and not ordered.ids & line.ids:
                continue
            unit = next(
                (
                    raw.unit
                    for _, raw in ordered.raw_receipts
                    if raw.unit and book.unit_ratio(ordered.doc.item, raw.unit, ordered.unit) is None
                ),
                line.unit,
            )
            price = ordered.numbers(book).unit_price
            if price <= 0 or unit == ordered.unit or line.value <= 0:
                continue
            ratio = exact(1) if unit != line.unit else line.value / line.quantity / price
            said = f"1 {unit} = {ratio.numerator}" + (f"/{ratio.denominator}" if ratio.denominator != 1 else "")
            yield Offer(
                act=AddConversion(Conversion(unit, ordered.unit, ratio.numerator, ratio.denominator, ordered.doc.item)),
                change=f"A conversion of {unit} to {ordered.unit} agreed for {ordered.doc.item or place_of(ordered)}; "
                f"by the prices it would be {said} {ordered.unit}",
                by_roles=("buyer", "supplier_master"),
                where=MASTER_DATA,
                field="conversion",
                after=said,
                may_leave=_GOODS,
            )


def supplier_is_confirmed(trouble: Trouble) -> Iterator[Offer]:
    """The master's keepers create, reactivate or clear the supplier, or confirm the account, by two people."""
    bill = trouble.bill
    code = trouble.finding.code
    facts = (trouble.book.suppliers or {}).get(bill.supplier)
    if code == "supplier.bank_mismatch" and facts is not None and bill.doc.remit_to is not None:
        account = bill.doc.remit_to.account
        yield Offer(
            act=Master(bill.supplier, {"accounts": (*facts.accounts, account)}),
            change=f"The account ending in {account[-4:]} confirmed on a number already on file, by two people",
            by_roles=("supplier_master", "treasury"),
            where=MASTER,
            field="bank_account",
            after=f"...{account[-4:]}",
        )
        document = replace(bill.doc, remit_to=None)
        yield Offer(
            act=Correct(bill.id, document),
            change="A corrected invoice that names an account already on file, or none",
            by_roles=("supplier",),
            where=SUPPLIER_SIDE,
            field="remit_to",
        )
        return
    word = {
        "supplier.unknown": "onboarded with its checks",
        "supplier.inactive": "reactivated after validation",
        "supplier.blocked": "cleared after review",
    }.get(code)
    if word is None:
        return
    yield Offer(
        act=Master(bill.supplier, {"status": "active"}),
        change=f"Supplier {bill.supplier} {word}",
        by_roles=("supplier_master", "control") if code == "supplier.blocked" else ("supplier_master",),
        where=MASTER,
        field="status",
        before=facts.status if facts is not None else "",
        after="active",
        may_leave=frozenset(["supplier"]),
    )


def same_party_is_confirmed(trouble: Trouble) -> Iterator[Offer]:
    """Biller and the order's supplier are confirmed to be one legal entity; the order then carries the record that
    bills. The invoice itself is never moved."""
    bill, book = trouble.bill, trouble.book
    names = {*bill.orders, *(line.order_number for line in bill.doc.lines if line.order_number)}
    foreign = [name for name in sorted(names) if name in book.orders and book.orders[name].supplier != bill.supplier]
    if len(foreign) != 1:
        return
    before = book.orders[foreign[0]].supplier
    yield Offer(
        act=AmendOrder(foreign[0], {"supplier_id": bill.supplier}),
        change=f"Supplier {bill.supplier} and supplier {before} confirmed to be one legal entity; order {foreign[0]} "
        f"carries the record that bills",
        by_roles=("supplier_master", "buyer"),
        where=MASTER,
        field="supplier_id",
        before=before,
        after=bill.supplier,
    )


def currency_is_settled(trouble: Trouble) -> Iterator[Offer]:
    """The invoice is issued again in the order's currency, or the order is amended to the invoice's."""
    bill, book = trouble.bill, trouble.book
    names = {*bill.orders, *(line.order_number for line in bill.doc.lines if line.order_number)}
    foreign = [book.orders[name] for name in sorted(names) if name in book.orders]
    foreign = [order for order in foreign if order.doc.currency != bill.currency]
    leaves = frozenset(["match", "charge", "currency", "terms"])
    if len({order.doc.currency for order in foreign}) == 1:
        wanted = foreign[0].doc.currency
        yield Offer(
            act=Correct(bill.id, replace(bill.doc, currency=wanted, rate=None)),
            change=f"The invoice issued again in {wanted}",
            by_roles=("supplier",),
            where=SUPPLIER_SIDE,
            field="currency",
            before=bill.currency,
            after=wanted,
            may_leave=leaves,
        )
    if len(foreign) == 1:
        yield Offer(
            act=AmendOrder(foreign[0].number, {"currency": bill.currency}),
            change=f"Order {foreign[0].number} amended to {bill.currency}",
            by_roles=("buyer", "approver"),
            where=PROCUREMENT,
            field="currency",
            before=foreign[0].doc.currency,
            after=bill.currency,
            may_leave=leaves,
        )


def rate_is_loaded(trouble: Trouble) -> Iterator[Offer]:
    """The day's rate is loaded, or the table is corrected to the stated one; or the bill states the table's."""
    bill, book = trouble.bill, trouble.book
    company = book.companies.get(bill.company)
    if company is None:
        return
    stated = bill.doc.rate
    known = [entry for entry in book.exchange.get((bill.currency, company.currency), ()) if entry.valid_on <= bill.day]
    rate = stated if stated is not None else Rate("1")
    pair = f"{bill.currency} to {company.currency}"
    if not known:
        yield Offer(
            act=LoadRate(ExchangeRate(bill.currency, company.currency, bill.day, rate)),
            change=f"The rate of {pair} loaded for {bill.day.isoformat()}",
            by_roles=("treasury",),
            where=TREASURY,
            field="rate",
            after=plain(stated) if stated is not None else "",
        )
        return
    if stated is None:
        return
    table = max(known, key=lambda entry: entry.valid_on).rate
    yield Offer(
        act=Correct(bill.id, replace(bill.doc, rate=table)),
        change=f"The invoice converted at the policy rate of {plain(table)} instead of {plain(stated)}",
        by_roles=("treasury", "supplier"),
        where=TREASURY,
        field="rate",
        before=plain(stated),
        after=plain(table),
    )
    yield Offer(
        act=LoadRate(ExchangeRate(bill.currency, company.currency, bill.day, stated)),
        change=f"The table's rate of {pair} corrected to {plain(stated)} for {bill.day.isoformat()}, if it was wrong",
        by_roles=("treasury",),
        where=TREASURY,
        cost=max(exact(0), trouble.variance),
        field="rate",
        before=plain(table),
        after=plain(stated),
    )


def place_of(ordered: Ordered) -> str:
    """An order line in words."""
    return f"order {ordered.order.number} line {ordered.line}"
