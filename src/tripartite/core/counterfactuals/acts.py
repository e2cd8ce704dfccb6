"""Changes of fact, as values: what could come about so that a finding is gone, and how it changes the scene.

Each act is one thing that somebody lawfully does in the system that owns the fact. No act edits what a supplier sent:
a correction, a credit and a debit memo are documents of their own (S41).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from tripartite.core.counterfactuals.corrections import Correct, Credit
from tripartite.core.counterfactuals.scene import Scene
from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.evidence import SupplierFacts
from tripartite.core.money import Amount
from tripartite.core.objects import (
    ExchangeRate,
    Order,
    OrderCharge,
    OrderLine,
    Receipt,
    ReceiptLine,
)
from tripartite.core.objects.receipt import ReceiptKind
from tripartite.core.objects.tax_quote import TaxQuote
from tripartite.core.quantity import Conversion, Quantity

NEW_RECEIPT = "(to come)"
"""The number of a receipt that has not been posted yet; no receipt can be called so."""


class Receive(msgspec.Struct, frozen=True, tag=True):
    """So much more comes (or is withdrawn, or accepted as done) of an order line. `unit` empty: the order line's.
    `number` names a receipt that is completed; empty: a new one."""

    order: str
    order_line: int
    quantity: Decimal
    kind: ReceiptKind = "receipt"
    number: str = ""
    unit: str = ""

    def apply(self, scene: Scene) -> Scene:
        quantity = Quantity(format(self.quantity, "f"))
        line = ReceiptLine(self.order, self.order_line, quantity, self.unit, accepted=quantity)
        receipt = Receipt(self.number or NEW_RECEIPT, self.kind, posted_on=scene.as_of, lines=(line,))
        return replace(scene, receipts=(*scene.receipts, receipt))


class Accept(msgspec.Struct, frozen=True, tag=True):
    """Inspection accepts so much more, in the order line's unit, of what came of an order line."""

    order: str
    order_line: int
    quantity: Decimal

    def apply(self, scene: Scene) -> Scene:
        left = self.quantity
        receipts = []
        for receipt in scene.receipts:
            lines = []
            for line in receipt.lines:
                if (line.order_number, line.order_line) == (self.order, self.order_line) and receipt.kind in (
                    "receipt",
                    "service_entry",
                ):
                    accepted = line.accepted if line.accepted is not None else Decimal(0)
                    more = min(left, max(Decimal(0), line.quantity - accepted))
                    left -= more
                    lines.append(replace(line, accepted=Quantity(format(accepted + more, "f"))))
                else:
                    lines.append(line)
            receipts.append(replace(receipt, lines=tuple(lines)))
        return replace(scene, receipts=tuple(receipts))


class Weigh(msgspec.Struct, frozen=True, tag=True):
    """The weigh tickets of an order line are corrected by so many price units more, on its first weighed receipt."""

    order: str
    order_line: int
    weight: Decimal
    nominal: Decimal

    def apply(self, scene: Scene) -> Scene:
        done = False
        receipts = []
        for receipt in scene.receipts:
            lines = []
            for line in receipt.lines:
                here = (line.order_number, line.order_line) == (self.order, self.order_line)
                if here and not done and receipt.kind == "receipt":
                    known = line.price_quantity if line.price_quantity is not None else line.quantity * self.nominal
                    lines.append(replace(line, price_quantity=Quantity(format(known + self.weight, "f"))))
                    done = True
                else:
                    lines.append(line)
            receipts.append(replace(receipt, lines=tuple(lines)))
        return replace(scene, receipts=tuple(receipts))


class AmendLine(msgspec.Struct, frozen=True, tag=True):
    """An approved change of an order line: a new version of the order with these fields."""

    order: str
    order_line: int
    fields: Mapping[str, Any]

    def apply(self, scene: Scene) -> Scene:
        def changed(order: Order) -> Order:
            lines: tuple[OrderLine, ...] = tuple(
                replace(line, **self.fields) if line.line == self.order_line else line for line in order.lines
            )
            return replace(order, version=order.version + 1, lines=lines)

        return scene.with_order(self.order, changed)


class AmendOrder(msgspec.Struct, frozen=True, tag=True):
    """An approved change of an order's head."""

    order: str
    fields: Mapping[str, Any]

    def apply(self, scene: Scene) -> Scene:
        return scene.with_order(self.order, lambda order: replace(order, version=order.version + 1, **self.fields))


class AddOrder(msgspec.Struct, frozen=True, tag=True):
    """An order becomes known: published by procurement, or raised after the fact. `link`: the invoice is told of it."""

    order: Order
    link: str = ""

    def apply(self, scene: Scene) -> Scene:
        found = replace(scene, orders=(*scene.orders, self.order))
        if not self.link:
            return found

        def linked(arrived: Arrived) -> Arrived:
            doc = arrived.invoice
            lines = tuple(
                replace(line, order_number=self.order.number, order_line=line.order_line or line.line)
                for line in doc.lines
            )
            return replace(arrived, invoice=replace(doc, order_numbers=(self.order.number,), lines=lines))

        return found.with_invoice(self.link, linked)


class PlanCharge(msgspec.Struct, frozen=True, tag=True):
    """A charge is planned on an order after the fact, or a planned one is raised to `amount` in all."""

    order: str
    kind: str
    amount: Decimal
    supplier: str = ""

    def apply(self, scene: Scene) -> Scene:
        def changed(order: Order) -> Order:
            others = tuple(
                one for one in order.charges if (one.kind, one.supplier) != (self.kind, self.supplier) or one.line
            )
            charge = OrderCharge(self.kind, Amount(format(self.amount, "f")), supplier=self.supplier)
            return replace(order, version=order.version + 1, charges=(*others, charge))

        return scene.with_order(self.order, changed)


class LinkLine(msgspec.Struct, frozen=True, tag=True):
    """An invoice line is linked to an order line: a fact of ours beside the document, which stays as sent."""

    invoice: str
    line: int
    order: str
    order_line: int

    def apply(self, scene: Scene) -> Scene:
        return _with_line(scene, self.invoice, self.line, {"order_number": self.order, "order_line": self.order_line})


class MapTax(msgspec.Struct, frozen=True, tag=True):
    """The mapping of the supplier's word for a tax is corrected: line and total fall under other codes of ours."""

    invoice: str
    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]

    def apply(self, scene: Scene) -> Scene:
        swap = dict(zip(self.before, self.after, strict=False))

        def mapped(arrived: Arrived) -> Arrived:
            doc = arrived.invoice
            lines = tuple(
                replace(line, tax_codes=self.after) if line.tax_codes == self.before else line for line in doc.lines
            )
            charges = tuple(
                replace(one, tax_codes=self.after) if one.tax_codes == self.before else one for one in doc.charges
            )
            taxes = tuple(replace(one, code=swap.get(one.code, one.code)) for one in doc.taxes)
            return replace(arrived, invoice=replace(doc, lines=lines, charges=charges, taxes=taxes))

        return scene.with_invoice(self.invoice, mapped)


class Master(msgspec.Struct, frozen=True, tag=True):
    """The supplier's record is confirmed or changed; one that is not there is created."""

    supplier: str
    fields: Mapping[str, Any]

    def apply(self, scene: Scene) -> Scene:
        known = scene.suppliers or ()
        if not any(one.supplier_id == self.supplier for one in known):
            known = (*known, SupplierFacts(self.supplier))
        changed = tuple(replace(one, **self.fields) if one.supplier_id == self.supplier else one for one in known)
        return replace(scene, suppliers=changed)


class LoadRate(msgspec.Struct, frozen=True, tag=True):
    """An exchange rate is loaded for a day; it counts from then on."""

    rate: ExchangeRate

    def apply(self, scene: Scene) -> Scene:
        same = (self.rate.from_currency, self.rate.to_currency, self.rate.valid_on)
        others = tuple(one for one in scene.exchange if (one.from_currency, one.to_currency, one.valid_on) != same)
        return replace(scene, exchange=(*others, self.rate))


class AddConversion(msgspec.Struct, frozen=True, tag=True):
    """A conversion of units is agreed for an item."""

    conversion: Conversion

    def apply(self, scene: Scene) -> Scene:
        return replace(scene, conversions=(*scene.conversions, self.conversion))


class AmendContract(msgspec.Struct, frozen=True, tag=True):
    """A framework contract is extended or raised."""

    contract: str
    fields: Mapping[str, Any]

    def apply(self, scene: Scene) -> Scene:
        contracts = tuple(
            replace(one, **self.fields) if one.number == self.contract else one for one in scene.contracts
        )
        return replace(scene, contracts=contracts)


class Quoted(msgspec.Struct, frozen=True, tag=True):
    """The tax engine answers with this quote."""

    invoice: str
    quote: TaxQuote

    def apply(self, scene: Scene) -> Scene:
        return replace(scene, quotes={**scene.quotes, self.invoice: self.quote})


class Wait(msgspec.Struct, frozen=True, tag=True):
    """The day comes; nobody does anything."""

    until: date

    def apply(self, scene: Scene) -> Scene:
        return replace(scene, as_of=self.until)


class Withdraw(msgspec.Struct, frozen=True, tag=True):
    """An invoice is refused or withdrawn and counts for nothing."""

    invoice: str

    def apply(self, scene: Scene) -> Scene:
        return scene.with_invoice(self.invoice, lambda arrived: replace(arrived, dropped=True))


Act = (
    Receive
    | Accept
    | Weigh
    | AmendLine
    | AmendOrder
    | AddOrder
    | PlanCharge
    | LinkLine
    | MapTax
    | Credit
    | Correct
    | Master
    | LoadRate
    | AddConversion
    | AmendContract
    | Quoted
    | Wait
    | Withdraw
)


def _with_line(scene: Scene, invoice_id: str, number: int, fields: Mapping[str, Any]) -> Scene:
    def changed(arrived: Arrived) -> Arrived:
        lines = tuple(replace(line, **fields) if line.line == number else line for line in arrived.invoice.lines)
        return replace(arrived, invoice=replace(arrived.invoice, lines=lines))

    return scene.with_invoice(invoice_id, changed)
