"""What would clear a finding about a price or a sum: another order price, a credit, a corrected bill. Rules: S4 to S6,
S10 to S12, S20 to S22, S32."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from tripartite.core.counterfactuals.acts import AmendContract, AmendLine, Master
from tripartite.core.counterfactuals.corrections import Correct, restated
from tripartite.core.counterfactuals.goods import claims
from tripartite.core.counterfactuals.offers import (
    MASTER,
    PROCUREMENT,
    SUPPLIER_SIDE,
    Offer,
    Trouble,
    decimal,
    place,
    plain,
    price_text,
)
from tripartite.core.matching.exact import ONE, ZERO, exact
from tripartite.core.matching.ordered import Ordered
from tripartite.core.matching.result import Pair
from tripartite.core.money import Price
from tripartite.core.objects import InvoiceLine
from tripartite.core.objects.order import PriceVersion
from tripartite.core.quantity import Quantity


def order_price_is_amended(trouble: Trouble) -> Iterator[Offer]:
    """The order's price becomes the billed one, with approval: the line's own, or the version that counted."""
    for pair in trouble.pairs:
        ordered = trouble.ordered(pair)
        doc = ordered.doc
        if doc.price is None or pair.billed == 0 or doc.scale_mode:
            continue
        billed_price = abs(pair.value / pair.billed) if pair.billed else pair.invoice_price
        if billed_price is None:
            continue
        for wanted in _stated_prices(trouble, ordered, billed_price):
            fields: dict[str, Any] = {"price": Price(format(wanted, "f"))}
            before: Decimal = doc.price
            if doc.price_versions:
                versions, before = _with_version(trouble, ordered, wanted)
                fields = {"price_versions": versions} if versions else fields
            per = f" per {doc.price_per}" if doc.price_per != 1 else ""
            yield Offer(
                act=AmendLine(pair.order_number, pair.order_line, fields),
                change=f"Price of {place(pair)} amended from {price_text(before, trouble.bill)} to "
                f"{price_text(wanted, trouble.bill)} {trouble.bill.currency}{per}",
                by_roles=("buyer", "approver"),
                where=PROCUREMENT,
                cost=max(ZERO, pair.variance or ZERO),
                field="price",
                before=price_text(before, trouble.bill),
                after=price_text(wanted, trouble.bill),
            )


def _stated_prices(trouble: Trouble, ordered: Ordered, net_unit: Fraction) -> list[Decimal]:
    """How the order would state a net price per order unit: exactly where that is a decimal, else the nearest ones."""
    doc, order = ordered.doc, ordered.order.doc
    factor = ONE / exact(doc.price_per)
    if doc.discount_percent is not None:
        factor *= ONE - exact(doc.discount_percent) / 100
    if order.prices_include_tax:
        factor /= ONE + trouble.book.billed_rate(doc.tax_codes, order.issued_on)
    if ordered.catch_weight and doc.nominal is not None:
        factor *= exact(doc.nominal)
    if factor == 0:
        return []
    stated = net_unit / factor
    return list(dict.fromkeys([decimal(stated), decimal(stated, 12), decimal(stated, 12, up=True)]))


def _with_version(trouble: Trouble, ordered: Ordered, wanted: Decimal) -> tuple[tuple[PriceVersion, ...], Decimal]:
    """The price versions with the one changed that counts on that day; none where the line's own price does."""
    doc = ordered.doc
    day = ordered.order.doc.issued_on if doc.price_date == "order" else trouble.day
    counting = [one for one in doc.price_versions if day is not None and one.valid_from <= day]
    assert doc.price is not None
    if not counting:
        return (), doc.price
    last = max(counting, key=lambda one: one.valid_from)
    changed = tuple(
        replace(one, price=Price(format(wanted, "f"))) if one is last else one for one in doc.price_versions
    )
    return changed, last.price


def difference_is_credited(trouble: Trouble) -> Iterator[Offer]:
    """The supplier credits the difference in value, or we pay the agreed part beside a debit memo for it."""
    digits = len(str(trouble.bill.minor_scale)) - 1
    line = trouble.line
    if line is None:
        return
    for pair in trouble.pairs:
        over = pair.variance if pair.variance is not None and pair.variance > 0 else trouble.variance
        for value in dict.fromkeys([over, trouble.variance]):
            if value <= 0:
                continue
            gross = value / line.factor_net
            amounts = [decimal(gross, digits), decimal(gross, digits, up=True)]
            for amount in dict.fromkeys(amounts):
                yield from claims(trouble, pair, None, amount)


def price_is_corrected(trouble: Trouble) -> Iterator[Offer]:
    """The supplier bills the line anew at the agreed price."""
    for pair in trouble.pairs:
        line = trouble.line
        if line is None or line.quantity is None or not line.quantity or len(trouble.pairs) > 1:
            continue
        due = _due_per_billed_unit(trouble, pair)
        if due is None:
            continue
        per = line.doc.price_per or Decimal(1)
        gross = due * exact(per) / line.factor_net
        if line.discount_factor:
            gross /= line.discount_factor
        price = Price(format(decimal(gross, 12), "f"))
        yield corrected(
            trouble,
            {"price": price, "discount_percent": line.doc.discount_percent},
            f"A corrected invoice with line {line.line} at {price_text(price, trouble.bill)} {trouble.bill.currency}",
            before=plain(line.doc.price) if line.doc.price is not None else "",
            after=plain(price),
            field="price",
        )


def _due_per_billed_unit(trouble: Trouble, pair: Pair) -> Fraction | None:
    """The net price due per unit that the invoice states (its weight, where it is priced by weight)."""
    line = trouble.line
    assert line is not None
    assert line.quantity
    reference = pair.expected / pair.billed if pair.expected is not None and pair.billed else pair.order_price
    if trouble.finding.code == "match.price_over_contract":
        ordered = trouble.ordered(pair)
        contract = trouble.book.contracts.get(ordered.order.doc.contract)
        prices = contract.prices if contract is not None else {}
        agreed = next((prices[name] for name in sorted(ordered.ids) if name in prices), None)
        if agreed is None:
            return None
        reference = exact(agreed) / exact(ordered.doc.price_per)
    units = pair.quantity / line.quantity  # order units of one billed unit
    if line.weight:
        return reference * pair.quantity / line.weight
    return reference * units


def corrected(
    trouble: Trouble, fields: dict[str, Any], change: str, *, before: str = "", after: str = "", field: str = ""
) -> Offer:
    """An offer that the supplier replaces the invoice by one with this line changed, totals and tax restated."""
    doc = trouble.bill.doc
    lines: tuple[InvoiceLine, ...] = tuple(
        replace(line, **fields) if line.line == trouble.finding.line else line for line in doc.lines
    )
    document = restated(replace(doc, lines=lines), trouble.scene)
    return Offer(
        act=Correct(trouble.bill.id, document),
        change=change,
        by_roles=("supplier",),
        where=SUPPLIER_SIDE,
        field=field,
        before=before,
        after=after,
    )


def basis_is_corrected(trouble: Trouble) -> Iterator[Offer]:
    """The supplier bills anew per the order's number of units; or the order is amended to the bill's."""
    for pair in trouble.pairs:
        line, ordered = trouble.line, trouble.ordered(pair)
        if line is None:
            continue
        stated = line.doc.price_per or Decimal(1)
        yield corrected(
            trouble,
            {"price_per": Quantity(str(ordered.doc.price_per))},
            f"A corrected invoice with the price of line {line.line} per {ordered.doc.price_per}",
            before=plain(stated),
            after=str(ordered.doc.price_per),
            field="price_per",
        )
        if stated == int(stated):
            yield Offer(
                act=AmendLine(pair.order_number, pair.order_line, {"price_per": int(stated)}),
                change=f"Price of {place(pair)} amended to be per {int(stated)} instead of {ordered.doc.price_per}",
                by_roles=("buyer", "approver"),
                where=PROCUREMENT,
                cost=max(ZERO, trouble.variance),
                field="price_per",
                before=str(ordered.doc.price_per),
                after=str(int(stated)),
            )


def contract_price_is_changed(trouble: Trouble) -> Iterator[Offer]:
    """The contract's price for the item becomes the billed one."""
    for pair in trouble.pairs:
        ordered = trouble.ordered(pair)
        contract = trouble.book.contracts.get(ordered.order.doc.contract)
        if contract is None or not pair.billed:
            continue
        name = next((one for one in sorted(ordered.ids) if one in contract.prices), None)
        if name is None:
            continue
        wanted = decimal(pair.value / pair.billed * exact(ordered.doc.price_per), 12, up=True)
        yield Offer(
            act=AmendContract(contract.number, {"prices": {**contract.prices, name: wanted}}),
            change=f"Contract {contract.number} agrees {plain(wanted)} for {name} instead of "
            f"{plain(contract.prices[name])}",
            by_roles=("buyer", "approver"),
            where=PROCUREMENT,
            cost=max(ZERO, trouble.variance),
            field="contract_price",
            before=plain(contract.prices[name]),
            after=plain(wanted),
        )


def sums_are_corrected(trouble: Trouble) -> Iterator[Offer]:
    """The supplier sends the invoice again with amounts and totals that add up."""
    document = restated(trouble.bill.doc, trouble.scene)
    gross = document.gross if document.gross is not None else Decimal(0)
    yield Offer(
        act=Correct(trouble.bill.id, document),
        change=f"A corrected invoice whose parts add up: {plain(gross)} {trouble.bill.currency} in all",
        by_roles=("supplier",),
        where=SUPPLIER_SIDE,
        field="gross",
        before=plain(trouble.bill.doc.gross) if trouble.bill.doc.gross is not None else "",
        after=plain(gross),
        may_leave=frozenset(["match", "service", "tax", "charge", "reference", "supplier", "currency", "terms"]),
    )


def quantity_is_stated(trouble: Trouble) -> Iterator[Offer]:
    """The supplier says how many pieces the amount is for."""
    for pair in trouble.pairs:
        line = trouble.line
        if line is None or line.quantity is not None or not pair.order_price:
            continue
        quantity = pair.value / pair.order_price
        if quantity <= 0:
            continue
        stated = Quantity(format(decimal(quantity), "f"))
        yield corrected(
            trouble,
            {"quantity": stated, "price": None, "unit": pair.unit},
            f"A corrected invoice that states line {line.line} as {plain(stated)} {pair.unit}",
            after=plain(stated),
            field="quantity",
        )


def supplier_limit_is_raised(trouble: Trouble) -> Iterator[Offer]:
    """The supplier's limit per invoice is raised."""
    facts = (trouble.book.suppliers or {}).get(trouble.bill.supplier)
    if facts is None or facts.invoice_limit is None:
        return
    gross = decimal(trouble.bill.numbers(trouble.book).gross, up=True)
    yield Offer(
        act=Master(facts.supplier_id, {"invoice_limit": gross}),
        change=f"Limit of supplier {facts.supplier_id} raised from {plain(facts.invoice_limit)} to {plain(gross)}",
        by_roles=("supplier_master", "approver"),
        where=MASTER,
        cost=max(ZERO, trouble.variance),
        field="invoice_limit",
        before=plain(facts.invoice_limit),
        after=plain(gross),
    )


def tolerated_sum_is_lowered(trouble: Trouble) -> Iterator[Offer]:
    """The largest difference that was tolerated on a line is credited."""
    over = sorted(
        (pair for pair in trouble.compared if pair.variance is not None and pair.variance > 0),
        key=lambda pair: pair.variance or ZERO,
        reverse=True,
    )
    digits = len(str(trouble.bill.minor_scale)) - 1
    for pair in over[:2]:
        amount = decimal(pair.variance or ZERO, digits, up=True)
        on_line = replace(trouble, finding=replace(trouble.finding, line=pair.invoice_line))
        yield from claims(on_line, pair, None, amount)
