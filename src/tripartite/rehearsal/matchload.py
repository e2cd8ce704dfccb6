"""Realistic evidence for the matching core, from a seed, and its speed on one core.

Most invoices are clean, about one in twelve has some trouble of the common kinds. The documents are canonical objects,
so building the book (what the shell does when it gathers) and deciding (what is measured) are apart. Not for tests of
rules: those have their own cases.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.engine import PolicyOf, evaluate
from tripartite.core.matching.evidence import Book, CompanyFacts, SupplierFacts, book_from_objects
from tripartite.core.matching.policy import MatchPolicy, PriceBounds
from tripartite.core.money import Amount, Price, Rate
from tripartite.core.objects import (
    Allowance,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    Receipt,
    ReceiptLine,
    TaxCode,
    TaxSubtotal,
)
from tripartite.core.quantity import Conversion, Quantity

TROUBLES = (
    "price_over",
    "price_over",
    "not_received",
    "over_received",
    "over_received",
    "tax_wrong",
    "total_wrong",
    "charge_unplanned",
    "duplicate",
    "by_item",
    "other_unit",
    "part_bills",
)
_DAY = date(2026, 3, 2)
_CENT = Decimal("0.01")
POLICY = MatchPolicy(price=PriceBounds(upper_percent="2", lower_percent="10"))


def load_policy(_bill: object) -> MatchPolicy:
    """The policy the load is decided under: 2 % over, 10 % under."""
    return POLICY


class Evidence(msgspec.Struct):
    """The documents of a load."""

    orders: list[Order]
    receipts: list[Receipt]
    invoices: list[Arrived]
    suppliers: list[SupplierFacts]

    def book(self) -> Book:
        """The evidence made ready, as the shell does it."""
        return book_from_objects(
            self.orders,
            self.receipts,
            self.invoices,
            suppliers=self.suppliers,
            companies=[CompanyFacts("1000", "EUR")],
            taxes=[TaxCode("V19", Rate("19")), TaxCode("V7", Rate("7"))],
            conversions=[Conversion("BX", "EA", 10)],
        )


def make_evidence(invoices: int, lines: int, seed: int, *, trouble: float = 0.08, first: int = 0) -> Evidence:
    """`invoices` invoices of `lines` lines, each with its own order and receipt; a share of `trouble` is not clean.
    Numbers begin at `first`, so that loads of other `first` lie beside one another.

    Troubles: price, quantity, tax, total, charge, duplicate, missing references, other units, part bills.
    """
    dice = random.Random(seed)
    suppliers = [SupplierFacts(f"S{number:04}", tax_id=f"DE{number:09}") for number in range(max(1, invoices // 40))]
    evidence = Evidence([], [], [], suppliers)
    for number in range(invoices):
        kind = dice.choice(TROUBLES) if dice.random() < trouble else ""
        _one(dice, evidence, first + number, lines, kind)
    return evidence


def make_books(invoices: int, lines: int, seed: int, *, trouble: float = 0.08) -> Book:
    """Prepared evidence: see `make_evidence`."""
    return make_evidence(invoices, lines, seed, trouble=trouble).book()


def _one(dice: random.Random, evidence: Evidence, number: int, lines: int, kind: str) -> None:
    supplier = dice.choice(evidence.suppliers).supplier_id
    name = f"PO-{number:07}"
    ordered, received, billed = [], [], []
    at = dice.randrange(lines)
    for place in range(lines):
        quantity = Decimal(dice.choice((1, 2, 4, 5, 10, 12, 20, 25, 40, 50, 100, 250)))
        price = Decimal(dice.randrange(50, 50_000)) * _CENT
        item = f"I{dice.randrange(100_000):05}"
        ordered.append(
            OrderLine(place + 1, item=item, quantity=Quantity(quantity), price=Price(price), tax_codes=("V19",))
        )
        came, asked, asked_price, unit = quantity, quantity, price, "EA"
        if place == at:
            if kind == "price_over":
                asked_price = price + max(_CENT, (price * dice.choice((1, 3, 8)) / 100).quantize(_CENT))
            elif kind == "not_received":
                came = Decimal(0)
            elif kind == "over_received":
                came = quantity - 1
            elif kind == "other_unit":
                asked, asked_price, unit = quantity / 10, price * 10, "BX"
        if came:
            received.append(ReceiptLine(name, place + 1, Quantity(came), line=place + 1))
        billed.append(
            InvoiceLine(
                place + 1,
                order_line=None if kind == "by_item" else place + 1,
                item=item,
                quantity=Quantity(asked),
                unit=unit,
                price=Price(asked_price),
                amount=Amount((asked * asked_price).quantize(_CENT)),
                tax_codes=("V19",),
            )
        )
    evidence.orders.append(Order(name, "EUR", supplier_id=supplier, issued_on=_DAY, lines=tuple(ordered)))
    evidence.receipts.append(
        Receipt(f"GR-{number:07}", posted_on=_DAY + timedelta(days=dice.randrange(3, 9)), lines=tuple(received))
    )
    parts = [billed]
    if kind == "part_bills" and lines > 1:
        parts = [billed[: lines // 2], billed[lines // 2 :]]
    for place, part in enumerate(parts):
        _bill(dice, evidence, f"R{number:07}" + (f"/{place + 1}" if place else ""), supplier, name, part, kind)


def _bill(
    dice: random.Random,
    evidence: Evidence,
    number: str,
    supplier: str,
    order: str,
    lines: list[InvoiceLine],
    kind: str,
) -> None:
    net = sum((line.amount or Decimal(0) for line in lines), Decimal(0))
    tax = (net * Decimal("0.19")).quantize(_CENT)
    charges: tuple[Allowance, ...] = ()
    if kind == "tax_wrong":
        tax += Decimal(5)
    if kind == "charge_unplanned":
        charges = (Allowance(Amount("15.00"), "freight", line=len(lines) + 1),)
        net += 15
    gross = net + tax + (Decimal("1.50") if kind == "total_wrong" else 0)
    day = _DAY + timedelta(days=dice.randrange(10, 20))
    invoice = Invoice(
        number,
        "invoice",
        "EUR",
        day,
        company_code="1000",
        supplier_id=supplier,
        order_numbers=(order,),
        net=Amount(net),
        tax=Amount(tax),
        gross=Amount(gross),
        lines=tuple(lines),
        charges=charges,
        taxes=(TaxSubtotal(Amount(tax), "V19"),),
    )
    place = len(evidence.invoices)
    evidence.invoices.append(Arrived(f"inv_{place}", invoice, day, place))
    if kind == "duplicate":
        again = msgspec.structs.replace(invoice, number=f"{number} A")
        evidence.invoices.append(Arrived(f"inv_{place + 1}", again, day + timedelta(days=3), place + 1))


def bench_core(seconds: float = 3.0, *, invoices: int = 2000, lines: int = 10, seed: int = 7) -> dict[str, Any]:
    """Invoice lines decided per second on one core, full semantics, on prepared evidence.

    Processor time of this process is counted, so that a busy neighbour does not show. Each run decides a freshly built
    book once, so nothing remembered from an earlier run helps. Also: what share was clean, how fast books are built,
    and whether the fast path and the full evaluation agree on a sample.
    """
    as_of = _DAY + timedelta(days=30)
    policy_of: PolicyOf = load_policy
    runs: list[float] = []
    built: list[float] = []
    spent = 0.0
    verdicts: Counter[str] = Counter()
    while spent < seconds or len(runs) < 3:
        evidence = make_evidence(invoices, lines, seed + len(runs))
        start = time.process_time()
        book = evidence.book()
        ready = time.process_time()
        results = evaluate(book, policy_of=policy_of, as_of=as_of)
        took = max(time.process_time() - ready, 1e-9)
        count = sum(len(one.invoice.lines) for one in evidence.invoices)
        runs.append(count / took)
        built.append(count / max(ready - start, 1e-9))
        spent += took
        verdicts.update(result.verdict for result in results)
    sample = make_evidence(min(invoices, 300), lines, seed + 1_000_003, trouble=0.3)
    quick = evaluate(sample.book(), policy_of=policy_of, as_of=as_of)
    full = evaluate(sample.book(), policy_of=policy_of, as_of=as_of, fast=False)
    agree = [one.stated() for one in quick] == [one.stated() for one in full]
    ranked = sorted(runs)
    return {
        "lines_per_second": ranked[len(ranked) // 2],
        "runs": runs,
        "lines_prepared_per_second": sorted(built)[len(built) // 2],
        "invoices": invoices,
        "lines": lines,
        "verdicts": dict(verdicts),
        "sample": len(quick),
        "sample_agrees": agree,
    }
