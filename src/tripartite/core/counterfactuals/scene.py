"""The scene of one invoice: all facts that its match rests on, as plain documents that can be changed and judged again.

A book is for reading. To ask "what if", its documents are taken out of it, one fact is changed, and a new book is made
of them. Only what bears on the invoice is taken along, so that the question costs the same beside a thousand others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date

import msgspec

from tripartite.core.matching.billed import Arrived, Bill
from tripartite.core.matching.engine import PolicyOf, evaluate
from tripartite.core.matching.evidence import Book, CompanyFacts, ContractFacts, SupplierFacts
from tripartite.core.matching.opening import BilledBefore, Opening
from tripartite.core.matching.result import MatchResult
from tripartite.core.objects import ExchangeRate, Order, Receipt, TaxCode
from tripartite.core.objects.tax_quote import TaxQuote
from tripartite.core.quantity import Conversion


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What is known around one invoice. `suppliers` None: no master is asked. See `Book` for the rest."""

    as_of: date
    orders: tuple[Order, ...]
    receipts: tuple[Receipt, ...]
    arrived: tuple[Arrived, ...]
    suppliers: tuple[SupplierFacts, ...] | None
    companies: tuple[CompanyFacts, ...]
    taxes: tuple[TaxCode, ...]
    conversions: tuple[Conversion, ...]
    exchange: tuple[ExchangeRate, ...]
    contracts: tuple[ContractFacts, ...]
    openings: tuple[Opening, ...]
    priors: tuple[BilledBefore, ...]
    quotes: Mapping[str, TaxQuote]

    def book(self) -> Book:
        """The facts ready for a match."""
        return Book(
            self.orders,
            self.receipts,
            self.arrived,
            suppliers=self.suppliers,
            companies=self.companies,
            taxes=self.taxes,
            conversions=self.conversions,
            exchange=self.exchange,
            contracts=self.contracts,
            openings=self.openings,
            billed_before=self.priors,
        )

    def judge(self, policy_of: PolicyOf) -> dict[str, MatchResult]:
        """The match of every invoice of the scene."""
        found = evaluate(self.book(), policy_of=policy_of, as_of=self.as_of, quotes=self.quotes)
        return {one.invoice_id: one for one in found}

    def order(self, number: str) -> Order | None:
        """An order by its number."""
        return next((one for one in self.orders if one.number == number), None)

    def with_order(self, number: str, change: Callable[[Order], Order]) -> Scene:
        """The scene with one order changed."""
        orders = tuple(change(one) if one.number == number else one for one in self.orders)
        return msgspec.structs.replace(self, orders=orders)

    def with_invoice(self, invoice_id: str, change: Callable[[Arrived], Arrived]) -> Scene:
        """The scene with what is known of one invoice changed."""
        arrived = tuple(change(one) if one.invoice_id == invoice_id else one for one in self.arrived)
        return msgspec.structs.replace(self, arrived=arrived)

    def with_new(self, invoice_id: str, made: Callable[[int], Arrived]) -> Scene:
        """The scene with a document that arrives after all others; `made` gets its place in the order of arrival."""
        assert all(one.invoice_id != invoice_id for one in self.arrived)
        place = max((one.sequence for one in self.arrived), default=0) + 1
        return msgspec.structs.replace(self, arrived=(*self.arrived, made(place)))


def scene_around(book: Book, bill: Bill, as_of: date, quotes: Mapping[str, TaxQuote], touched: Iterable[str]) -> Scene:
    """What bears on one invoice of a book: its orders (`touched`: those its lines stand on), what came for them, every
    invoice on them or of the same number or amount, and the documents these refer to."""
    names = {*touched, *_named(bill)}
    contracts = {book.orders[name].doc.contract for name in names if name in book.orders} - {""}
    if contracts:
        names |= {name for name, order in book.orders.items() if order.doc.contract in contracts}
    bills = {other.id: other for other in [bill, *book.neighbours(bill, names)]}
    for one in list(bills.values()):
        bills.update({other.id: other for other in book.referring(one)})
    for one in bills.values():
        names |= _named(one)
    known = [name for name in sorted(names) if name in book.orders]
    receipts = {id(receipt): receipt for name in known for receipt in book.receipts_of.get(name, ())}
    lines = [line for name in known for line in book.orders[name].lines]
    return Scene(
        as_of=as_of,
        orders=tuple(book.orders[name].doc for name in known),
        receipts=tuple(receipts.values()),
        arrived=tuple(_arrived(one) for one in sorted(bills.values(), key=lambda one: (one.sequence, one.id))),
        suppliers=_suppliers(book, {book.group(one.supplier) for one in bills.values()}),
        companies=tuple(book.companies.values()),
        taxes=tuple(row for code, last in book.taxes.items() for row in book.dated.get(code, (last,))),
        conversions=book.conversions,
        exchange=tuple(entry for entries in book.exchange.values() for entry in entries),
        contracts=tuple(book.contracts.values()),
        openings=tuple(line.opening for line in lines if line.opening is not None),
        priors=tuple({id(one): one for each in bills.values() for one in book.priors_beside(each)}.values())
        if book.priors
        else (),
        quotes={name: quote for name, quote in quotes.items() if name in bills},
    )


def _suppliers(book: Book, groups: set[str]) -> tuple[SupplierFacts, ...] | None:
    """The master records of these groups of suppliers; None where no master is asked."""
    if book.suppliers is None:
        return None
    return tuple(facts for name, facts in book.suppliers.items() if book.group(name) in groups)


def _named(bill: Bill) -> set[str]:
    lines = {line.order_number for line in bill.doc.lines if line.order_number}
    return {*bill.orders, *lines, *(one.order_number for one in bill.doc.charges if one.order_number)}


def _arrived(bill: Bill) -> Arrived:
    return Arrived(
        bill.id,
        bill.doc,
        bill.arrived_on,
        bill.sequence,
        decided=bill.decided,
        was_post=bill.was_post,
        kept=bill.kept,
        dropped=bill.dropped,
    )
