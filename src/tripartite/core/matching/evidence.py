"""The book: everything a match may look at, gathered once and made ready.

The shell gathers the neighbourhood of the invoices it asks about: the orders they touch, all receipts and all live
invoices of these orders in order of arrival, and the invoices they may be duplicates of. Tests and the case reader
build whole books. A book is not changed after it was built; the engine's state lives in the evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from fractions import Fraction

import msgspec

from tripartite.core.matching.billed import Arrived, Bill
from tripartite.core.matching.exact import ZERO, exact
from tripartite.core.matching.numbering import number_key
from tripartite.core.matching.opening import BilledBefore, Opening, Prior, is_in_opening
from tripartite.core.matching.ordered import OrderBook, Ordered
from tripartite.core.objects import ExchangeRate, Order, Receipt, Supplier, TaxCode
from tripartite.core.quantity import Conversion, ratio


class SupplierFacts(msgspec.Struct, frozen=True):
    """What the master says of a supplier. `accounts`: where it may be paid; `invoice_limit` in document currency."""

    supplier_id: str
    status: str = "active"
    tax_id: str = ""
    accounts: tuple[str, ...] = ()
    withholding: str = ""
    invoice_limit: Decimal | None = None

    @classmethod
    def of(cls, supplier: Supplier, invoice_limit: Decimal | None = None) -> SupplierFacts:
        """The facts of a supplier master record."""
        return cls(
            supplier.supplier_id or supplier.number,
            supplier.status,
            supplier.tax_id,
            tuple(account.account for account in supplier.accounts),
            supplier.withholding,
            invoice_limit,
        )


class CompanyFacts(msgspec.Struct, frozen=True):
    """A company code and the currency its books are kept in."""

    company_code: str
    currency: str


class ContractFacts(msgspec.Struct, frozen=True):
    """A framework contract. `prices` by item, on the order line's price basis; `max_amount` of all call-offs, net."""

    number: str
    supplier_id: str
    valid_from: date
    valid_to: date
    max_amount: Decimal | None = None
    prices: dict[str, Decimal] = {}

    def __hash__(self) -> int:
        return hash(self.number)


class Book:
    """What is known, ready for `engine.evaluate`."""

    __slots__ = (
        "_beside",
        "_rates",
        "_ratios",
        "_referring",
        "bills",
        "companies",
        "contracts",
        "conversions",
        "dated",
        "exchange",
        "groups",
        "line_count",
        "opened",
        "orders",
        "priors",
        "receipts_of",
        "suppliers",
        "taxes",
    )

    def __init__(
        self,
        orders: Iterable[Order] = (),
        receipts: Iterable[Receipt] = (),
        invoices: Iterable[Arrived] = (),
        *,
        suppliers: Iterable[SupplierFacts] | None = None,
        companies: Iterable[CompanyFacts] = (),
        taxes: Iterable[TaxCode] = (),
        conversions: Iterable[Conversion] = (),
        exchange: Iterable[ExchangeRate] = (),
        contracts: Iterable[ContractFacts] = (),
        openings: Iterable[Opening] = (),
        billed_before: Iterable[BilledBefore] = (),
    ) -> None:
        taxes = tuple(taxes)
        self.suppliers = {one.supplier_id: one for one in suppliers} if suppliers is not None else None
        self.companies = {one.company_code: one for one in companies}
        self.taxes = {one.code: one for one in taxes}
        self.dated = _dated(taxes)
        self.conversions = tuple(conversions)
        self.contracts = {one.number: one for one in contracts}
        self.exchange: dict[tuple[str, str], list[ExchangeRate]] = {}
        for entry in exchange:
            self.exchange.setdefault((entry.from_currency, entry.to_currency), []).append(entry)
        self._beside: dict[tuple[str, object], list[Bill]] | None = None
        self._referring: dict[tuple[str, str], list[Bill]] | None = None
        self._rates: dict[tuple[tuple[str, ...], date | None], Fraction] = {}
        self._ratios: dict[tuple[str, str, str], Fraction | None] = {}
        self.groups = _supplier_groups(self.suppliers or {})
        self.orders: dict[str, OrderBook] = {}
        self.line_count = 0
        for order in orders:
            self.orders[order.number] = book = OrderBook(order, self.line_count)
            self.line_count += len(book.lines)
        self.opened = False
        for opening in openings:
            begun = self.line(opening.order_number, opening.order_line)
            if begun is not None:
                begun.opening = opening
                self.opened = True
        self.priors = [Prior(one) for one in billed_before]
        self.receipts_of: dict[str, list[Receipt]] = {}
        for receipt in receipts:
            self._add_receipt(receipt)
        for book in self.orders.values():
            book.prepare_fast()
        self.bills = [Bill(one) for one in sorted(invoices, key=lambda one: (one.sequence, one.invoice_id))]
        for bill in self.bills:
            bill.prepare_fast()

    def _add_receipt(self, receipt: Receipt) -> None:
        for line in receipt.lines:
            known = self.receipts_of.setdefault(line.order_number, [])
            if not known or known[-1] is not receipt:
                known.append(receipt)
            order = self.orders.get(line.order_number)
            ordered = order.by_line.get(line.order_line) if order is not None else None
            if ordered is not None and (ordered.opening is None or not is_in_opening(receipt, ordered.opening)):
                ordered.raw_receipts.append((receipt, line))

    def neighbours(self, bill: Bill, orders: Iterable[str]) -> list[Bill]:
        """The other invoices on the same orders, or of the same folded number or amount in the supplier's group."""
        if self._beside is None:
            self._beside = {}
            for other in self.bills:
                for key in self._keys(other, other.orders):
                    self._beside.setdefault(key, []).append(other)
        found = {other.id: other for key in self._keys(bill, orders) for other in self._beside.get(key, ())}
        return [other for other in found.values() if other is not bill]

    def referring(self, bill: Bill) -> list[Bill]:
        """The other invoices that a reference joins with one: what it credits or replaces, and what does so to it."""
        if self._referring is None:
            self._referring = {}
            for other in self.bills:
                for name in {other.id, other.doc.number}:
                    self._referring.setdefault(("is", name), []).append(other)
                for name in {other.doc.original, other.replaces} - {""}:
                    self._referring.setdefault(("names", name), []).append(other)
        index = self._referring
        found = [other for name in (bill.doc.original, bill.replaces) if name for other in index.get(("is", name), ())]
        found += [other for name in (bill.id, bill.doc.number) for other in index.get(("names", name), ())]
        return [other for other in {one.id: one for one in found}.values() if other is not bill]

    def priors_beside(self, bill: Bill) -> list[BilledBefore]:
        """The bills of before day zero with the same folded number or the same gross in the supplier's group, and the
        one that a credit names as its original."""
        group = self.group(bill.supplier)
        original = number_key(bill.doc.original)
        found = [
            prior.doc
            for prior in self.priors
            if self.group(prior.supplier) == group
            and (prior.folded == bill.folded or prior.gross_key == bill.gross_key or prior.number_key == original)
        ]
        return sorted(found, key=lambda doc: (doc.supplier_id, doc.kind, doc.number, doc.issued_on, doc.company_code))

    def _keys(self, bill: Bill, orders: Iterable[str]) -> list[tuple[str, object]]:
        named = {*orders, *(line.order_number for line in bill.doc.lines if line.order_number)}
        group = self.group(bill.supplier)
        return [
            *(("order", name) for name in sorted(named)),
            ("number", (group, bill.folded)),
            ("amount", (group, bill.gross_key)),
        ]

    def until(self, sequence: int) -> Book:
        """The same book with only the invoices that arrived before a place in the order of arrival."""
        earlier = Book.__new__(Book)
        for name in Book.__slots__:
            setattr(earlier, name, getattr(self, name))
        earlier.bills = [bill for bill in self.bills if bill.sequence < sequence]
        earlier._beside = earlier._referring = None
        return earlier

    def tax_code(self, code: str, on: date | None) -> TaxCode | None:
        """What a tax code says on a day (None: whatever it says last); None where it says nothing then."""
        rows = self.dated.get(code)
        if rows is None or on is None:
            return self.taxes.get(code)
        return next((row for row in rows if row.valid_from <= on < row.until), None)

    def rate(self, code: str, on: date | None) -> Fraction:
        """The rate that stands on a bill of a day for a tax code, as a fraction of net: 0 where the buyer assesses the
        tax himself, where there is none, where it is withheld, and for a code that nobody knows on that day."""
        entry = self.tax_code(code, on)
        return exact(entry.rate) / 100 if entry is not None and entry.kind == "normal" else ZERO

    def billed_rate(self, codes: tuple[str, ...], on: date | None) -> Fraction:
        """The summed rates of several codes on a day."""
        key = (codes, on if self.dated else None)
        found = self._rates.get(key)
        if found is None:
            found = self._rates[key] = sum((self.rate(code, on) for code in codes), ZERO)
        return found

    def unit_ratio(self, item: str, unit: str, to_unit: str) -> Fraction | None:
        """How many `to_unit` are one `unit` of an item, exactly; None where unknown. Unstated is the order's unit."""
        if not unit or unit == to_unit:
            return exact(1)
        key = (item, unit, to_unit)
        if key not in self._ratios:
            self._ratios[key] = ratio(self.conversions, item, unit, to_unit)
        return self._ratios[key]

    def group(self, supplier: str) -> str:
        """The group a supplier belongs to: those who share a tax id or a bank account, else the supplier alone."""
        return self.groups.get(supplier, supplier)

    def line(self, order: str, line: int) -> Ordered | None:
        """One order line, where it is known."""
        book = self.orders.get(order)
        return book.by_line.get(line) if book is not None else None


def book_from_objects(
    orders: Iterable[Order],
    receipts: Iterable[Receipt],
    invoices: Iterable[Arrived],
    *,
    suppliers: Iterable[SupplierFacts] | None = None,
    companies: Iterable[CompanyFacts] = (),
    taxes: Iterable[TaxCode] = (),
    conversions: Iterable[Conversion] = (),
    exchange: Iterable[ExchangeRate] = (),
    contracts: Iterable[ContractFacts] = (),
    openings: Iterable[Opening] = (),
    billed_before: Iterable[BilledBefore] = (),
) -> Book:
    """A book from what the store gathered: of each order and receipt the highest version, of each invoice one.

    A document that comes twice counts once; of two with the same version the later given stands. `suppliers` None
    means that no master is asked; an empty one that nobody is in it.
    """
    latest_orders: dict[str, Order] = {}
    for order in orders:
        known = latest_orders.get(order.number)
        if known is None or order.version >= known.version:
            latest_orders[order.number] = order
    latest_receipts: dict[tuple[str, str], Receipt] = {}
    for receipt in receipts:
        key = (receipt.company_code, receipt.number)
        seen = latest_receipts.get(key)
        if seen is None or receipt.version >= seen.version:
            latest_receipts[key] = receipt
    return Book(
        latest_orders.values(),
        latest_receipts.values(),
        {one.invoice_id: one for one in invoices}.values(),
        suppliers=suppliers,
        companies=companies,
        taxes=taxes,
        conversions=conversions,
        exchange=exchange,
        contracts=contracts,
        openings=openings,
        billed_before=billed_before,
    )


def _dated(taxes: Iterable[TaxCode]) -> dict[str, tuple[TaxCode, ...]]:
    """The rows of each code that does not say the same on all days."""
    rows: dict[str, tuple[TaxCode, ...]] = {}
    for one in taxes:
        rows[one.code] = (*rows.get(one.code, ()), one)
    always = (date.min, date.max)
    return {
        code: found for code, found in rows.items() if len(found) > 1 or (found[0].valid_from, found[0].until) != always
    }


def _supplier_groups(suppliers: dict[str, SupplierFacts]) -> dict[str, str]:
    """Each supplier's group name: the first supplier, by id, of all that hang together by a tax id or an account."""
    leader: dict[str, str] = {}
    name_of: dict[tuple[str, str], str] = {}

    def find(one: str) -> str:
        while leader.get(one, one) != one:
            one = leader[one]
        return one

    for supplier_id in sorted(suppliers):
        facts = suppliers[supplier_id]
        leader.setdefault(supplier_id, supplier_id)
        marks = [("tax", facts.tax_id)] if facts.tax_id else []
        marks += [("account", account) for account in facts.accounts if account]
        for mark in marks:
            if mark in name_of:
                one, other = sorted((find(name_of[mark]), find(supplier_id)))
                leader[other] = one
            else:
                name_of[mark] = supplier_id
    return {supplier_id: find(supplier_id) for supplier_id in suppliers}
