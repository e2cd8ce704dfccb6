"""Events in their order, each followed by a new decision of everything that is not paid.

For cases and back-tests, where a whole history is at hand. The runtime keeps what this keeps (`was post`, paid) in its
store and calls `engine.evaluate` on a neighbourhood instead.
"""

from __future__ import annotations

from datetime import date

from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.engine import PolicyOf, base_policy, evaluate
from tripartite.core.matching.evidence import Book, CompanyFacts, ContractFacts, SupplierFacts
from tripartite.core.matching.result import MatchResult
from tripartite.core.objects import ExchangeRate, Invoice, Order, Receipt, TaxCode
from tripartite.core.quantity import Conversion


class History:
    """What is known so far. Feed it with `order`, `receipt`, `invoice`, `pay`; each decides anew.

    A document that comes twice counts once; a later order of the same number replaces the earlier (S17, S38, S39, S41).
    """

    def __init__(
        self,
        as_of: date,
        *,
        policy_of: PolicyOf = base_policy,
        suppliers: list[SupplierFacts] | None = None,
        companies: list[CompanyFacts] | None = None,
        taxes: list[TaxCode] | None = None,
        conversions: list[Conversion] | None = None,
        exchange: list[ExchangeRate] | None = None,
        contracts: list[ContractFacts] | None = None,
        fast: bool = True,
    ) -> None:
        self.as_of = as_of
        self.policy_of = policy_of
        self.suppliers = suppliers
        self.companies = companies or []
        self.taxes = taxes or []
        self.conversions = conversions or []
        self.exchange = exchange or []
        self.contracts = contracts or []
        self.fast = fast
        self.results: dict[str, MatchResult] = {}
        self._seen: set[tuple[str, str]] = set()
        self._orders: dict[str, Order] = {}
        self._receipts: list[Receipt] = []
        self._invoices: list[tuple[str, Invoice, date]] = []
        self._was_post: set[str] = set()
        self._kept: dict[str, MatchResult] = {}

    def order(self, order_id: str, order: Order) -> None:
        """An order, or an amendment of it."""
        if self._new("order", order_id):
            self._orders[order.number] = order
            self._decide()

    def receipt(self, receipt_id: str, receipt: Receipt) -> None:
        """A receipt, return, reversal, withdrawal or service entry."""
        if self._new("receipt", receipt_id):
            self._receipts.append(receipt)
            self._decide()

    def invoice(self, invoice_id: str, invoice: Invoice, arrived_on: date) -> None:
        """An invoice, credit or advance."""
        if self._new("invoice", invoice_id):
            self._invoices.append((invoice_id, invoice, arrived_on))
            self._decide()

    def pay(self, invoice_id: str) -> None:
        """An invoice is paid and keeps its result from now on. Paying what is not known is ignored."""
        if invoice_id in self.results and self._new("pay", invoice_id):
            self._kept[invoice_id] = self.results[invoice_id]
            self._decide()

    def _new(self, kind: str, identity: str) -> bool:
        key = (kind, identity)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def book(self) -> Book:
        """Everything known so far."""
        return Book(
            self._orders.values(),
            self._receipts,
            [
                Arrived(
                    invoice_id,
                    invoice,
                    arrived_on,
                    place,
                    decided=invoice_id in self.results,
                    was_post=invoice_id in self._was_post,
                    kept=self._kept.get(invoice_id),
                )
                for place, (invoice_id, invoice, arrived_on) in enumerate(self._invoices)
            ],
            suppliers=self.suppliers,
            companies=self.companies,
            taxes=self.taxes,
            conversions=self.conversions,
            exchange=self.exchange,
            contracts=self.contracts,
        )

    def _decide(self) -> None:
        if not self._invoices:
            return
        for result in evaluate(self.book(), policy_of=self.policy_of, as_of=self.as_of, fast=self.fast):
            self.results[result.invoice_id] = result
            if result.verdict == "post":
                self._was_post.add(result.invoice_id)
