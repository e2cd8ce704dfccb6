"""Freight and other charges: what was planned with the order, and what nobody planned. Rules: S23, S24, S37.

Amounts net, in document currency; what is due is exact until a variance is stated.
"""

from __future__ import annotations

from fractions import Fraction

from tripartite.core.matching.billed import BilledCharge
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ONE, ZERO, exact, minor_part
from tripartite.core.matching.ordered import OrderBook
from tripartite.core.matching.policy import within
from tripartite.core.matching.state import LineState, Work
from tripartite.core.matching.totals import amount


class ChargeLedger:
    """What was due and charged before, per order, kind and whether a carrier billed it."""

    def __init__(self, book: Book, states: dict[int, LineState]) -> None:
        self.book = book
        self.states = states
        self._before: dict[tuple[str, str, bool], Fraction] = {}

    def check(self, work: Work, all_orders: list[OrderBook]) -> None:
        """Judge all charges of an invoice on its orders, and agreed allowances that it leaves out.

        What is planned on an order in another currency is not compared: it is neither over plan nor unplanned (S27).
        """
        charges = work.bill.numbers(self.book).charges
        supplier, currency = work.bill.supplier, work.bill.currency
        orders = [order for order in all_orders if order.doc.currency == currency]
        foreign = [order for order in all_orders if order.doc.currency != currency]
        unplanned = []
        for charge in charges:
            on = [order for order in orders if order.number == charge.order] if charge.order else orders
            planned = [order for order in on if self._planned(order, charge.kind, supplier, carrier=False)]
            if planned:
                self._judge(work, charge.line, charge.kind, charge.net_amount, planned, carrier=False)
            elif charge.net_amount > 0 and not any(
                self._planned(order, charge.kind, supplier, carrier=False) for order in foreign
            ):
                unplanned.append(charge)
        given = {charge.kind for charge in charges}
        for order in orders:
            for kind in sorted({entry.kind for entry in order.doc.charges if entry.amount < 0} - given):
                if self._planned(order, kind, work.bill.supplier, carrier=False):
                    self._judge(work, 0, kind, ZERO, [order], carrier=False)
        self._judge_unplanned(work, unplanned)

    def check_carrier(self, work: Work, orders: list[OrderBook]) -> None:
        """Judge a carrier's own bill: planned with him, by the share of the goods that came. Rule: S23."""
        for charge in work.bill.numbers(self.book).charges:
            on = [order for order in orders if order.number == charge.order] if charge.order else orders
            planned = [
                order
                for order in on
                if self._planned(order, charge.kind, work.bill.supplier, carrier=True)
                and any(
                    self._share(order, line, carrier=True) > 0
                    for line in self._lines(order, charge.kind, work, carrier=True)
                )
            ]
            if planned:
                self._judge(work, charge.line, charge.kind, charge.net_amount, planned, carrier=True)
            elif charge.net_amount > 0:
                work.say(
                    "charge.carrier_unmatched",
                    charge.line,
                    None,
                    f"Charge {charge.line}: no {charge.kind} is planned with this carrier for goods that came.",
                    rule="S23",
                )

    def _planned(self, order: OrderBook, kind: str, supplier: str, *, carrier: bool) -> bool:
        return any(
            entry.kind == kind and (entry.supplier == supplier or (not carrier and not entry.supplier))
            for entry in order.doc.charges
        )

    def _lines(self, order: OrderBook, kind: str, work: Work, *, carrier: bool) -> list[int]:
        supplier = work.bill.supplier
        return [
            entry.line
            for entry in order.doc.charges
            if entry.kind == kind and (entry.supplier == supplier or (not carrier and not entry.supplier))
        ]

    def _share(self, order: OrderBook, line: int, *, carrier: bool) -> Fraction:
        """The share billed (carrier: received) so far, by value at order prices; at most 1. `line` 0: the order."""
        done = total = count_done = count = ZERO
        for ordered in order.lines:
            if line and ordered.line != line:
                continue
            numbers = ordered.numbers(self.book)
            state = self.states.get(ordered.index)
            if carrier:
                quantity = numbers.accepted if ordered.mode == "service" else numbers.received
            else:
                # What was billed before day zero brought its charges with it then.
                quantity = state.billed - state.before if state is not None else ZERO
            price = ONE if ordered.mode == "limit" else numbers.unit_price
            done += quantity * price
            total += numbers.value
            count_done += quantity
            count += numbers.ordered or ZERO
        if total <= 0:
            # Free goods have no value to share by: then the pieces say how far it is.
            done, total = count_done, count
        return min(ONE, done / total) if total > 0 else ZERO

    def _judge(
        self, work: Work, line: int, kind: str, charged: Fraction, orders: list[OrderBook], *, carrier: bool
    ) -> None:
        dues: list[tuple[tuple[str, str, bool], Fraction]] = []
        for order in orders:
            key = (order.number, kind, carrier)
            due = -self._before.get(key, ZERO)
            for entry in order.doc.charges:
                if entry.kind == kind and (
                    entry.supplier == work.bill.supplier or (not carrier and not entry.supplier)
                ):
                    due += exact(entry.amount) * self._share(order, entry.line, carrier=carrier)
            dues.append((key, due))
        due = sum((part for _, part in dues), ZERO)
        counted = min(charged, due)
        for place, (key, part) in enumerate(dues):
            mine = counted * part / due if due else (counted if place == 0 else ZERO)
            self._before[key] = self._before.get(key, ZERO) + mine
        over = charged - due
        if over <= 0:
            return
        limits = work.limits
        if within(over, abs(due), limits.planned_percent, limits.planned_absolute, lenient=limits.lenient):
            work.tolerated += over
            return
        charge = limits.policy.charge
        where = f"Charge {line} bills" if line else "The invoice gives"
        work.say(
            "charge.over_planned",
            line,
            over,
            f"{where} {amount(charged)} of {kind}; {amount(due)} is due by the order: {amount(over)} over.",
            breach=amount(over),
            limit=f"percent {charge.planned_upper_percent}, absolute {charge.planned_upper_absolute}",
            unit=work.bill.currency,
            rule="S23" if line else "S37",
        )

    def _judge_unplanned(self, work: Work, charges: list[BilledCharge]) -> None:
        total = sum((charge.net_amount for charge in charges), ZERO)
        if total <= 0:
            return
        limits = work.limits
        goods = work.bill.numbers(self.book).goods
        if within(total, max(ZERO, goods), limits.unplanned_percent, limits.unplanned_absolute, lenient=limits.lenient):
            work.tolerated += total
            return
        charge_policy = limits.policy.charge
        for charge in charges:
            work.say(
                "charge.unplanned",
                charge.line,
                charge.net_amount,
                f"Charge {charge.line} bills {amount(charge.net_amount)} of {charge.kind or 'something'} that the "
                f"order does not plan; all such charges are {amount(total)} on goods of {amount(goods)}.",
                breach=amount(total),
                limit=f"percent {charge_policy.unplanned_percent}, absolute {charge_policy.unplanned_absolute}",
                unit=work.bill.currency,
                rule="S24",
            )


def spread_by_value(total_minor: int, values: list[Fraction]) -> list[int]:
    """Spread an accepted charge over lines by value, in minor units, by largest remainder: the parts sum to the total.

    Without any value the parts are equal. Ties go to the earlier line. Rule: S24. Example: 1000 over three equal lines
    -> 334, 333, 333.
    """
    if not values:
        return []
    weights = [abs(value) for value in values]
    whole = sum(weights, ZERO)
    shares = [total_minor * (weight / whole if whole else minor_part(1, len(values))) for weight in weights]
    parts = [share.numerator // share.denominator for share in shares]
    order = sorted(range(len(values)), key=lambda place: (parts[place] - shares[place], place))
    for place in order[: total_minor - sum(parts)]:
        parts[place] += 1
    return parts
