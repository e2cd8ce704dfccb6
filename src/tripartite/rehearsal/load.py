"""Load for the benchmark: masters, orders, receipts and invoices of one company, each invoice with an order of its own.

Ten lines an invoice; a known share bills too much, so that decisions are not all alike. Bodies are encoded beforehand:
the generator must not be what is measured.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import msgspec

from tripartite.core import codec
from tripartite.core.money import Amount, Price, Rate
from tripartite.core.objects import (
    BankAccount,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    Receipt,
    ReceiptLine,
    Supplier,
    TaxSubtotal,
)
from tripartite.core.quantity import Quantity
from tripartite.rehearsal.cast import SupplierPlan, vat_id
from tripartite.rehearsal.einvoice import ubl
from tripartite.rehearsal.scenario import DocumentPlan, LinePlan

COMPANY = "DE01"
SUPPLIERS = 200
_CENT = Decimal("0.01")


class Case(msgspec.Struct, frozen=True):
    """One invoice with what stands behind it. `held`: it bills more than came."""

    order: Order
    receipt: Receipt
    invoice: Invoice
    plan: DocumentPlan
    held: bool


def suppliers() -> list[Supplier]:
    return [
        Supplier(
            number=str(10300000 + number),
            name=f"Supplier {number:04d} GmbH",
            supplier_id=f"S{number:05d}",
            company_codes=(COMPANY,),
            tax_id=_tax_id(number),
            accounts=(BankAccount(f"DE02{number:018d}"),),
            names_elsewhere={"sap": str(10300000 + number)},
        )
        for number in range(SUPPLIERS)
    ]


def _tax_id(number: int) -> str:
    return vat_id("DE", 20000000 + 7919 * (number + 1))


def cases(count: int, *, lines: int = 10, seed: int = 1, first: int = 0, trouble: float = 0.05) -> list[Case]:
    """`count` cases numbered from `first`; `trouble` of them are held."""
    chance = random.Random(f"load/{seed}/{first}")
    made = []
    for number in range(first, first + count):
        supplier = number % SUPPLIERS
        held = chance.random() < trouble
        rows = []
        for line in range(1, lines + 1):
            quantity = Decimal(chance.randint(1, 50))
            price = (Decimal(chance.randint(200, 9000)) + number % 89).scaleb(-2)
            received = quantity - 1 if held and line == 1 and quantity > 1 else quantity
            rows.append((line * 10, quantity, price, received))
        made.append(_case(number, supplier, rows, held and rows[0][3] < rows[0][1]))
    return made


def _case(number: int, supplier: int, rows: Sequence[tuple[int, Decimal, Decimal, Decimal]], held: bool) -> Case:
    order_number = f"45{number:08d}"
    net = sum((quantity * price for _, quantity, price, _ in rows), Decimal(0))
    tax = (net * 19 / 100).quantize(_CENT)
    supplier_id = f"S{supplier:05d}"
    order = Order(
        number=order_number,
        currency="EUR",
        company_code=COMPANY,
        supplier_id=supplier_id,
        issued_on=date(2026, 11, 2),
        lines=tuple(
            OrderLine(
                line=line,
                item=f"MAT-{line:03d}",
                description="Ball bearing",
                quantity=Quantity(quantity),
                unit="EA",
                price=Price(price),
                tax_codes=("V19",),
            )
            for line, quantity, price, _ in rows
        ),
    )
    receipt = Receipt(
        number=f"50{number:08d}/2026",
        company_code=COMPANY,
        posted_on=date(2026, 11, 10),
        lines=tuple(
            ReceiptLine(order_number=order_number, order_line=line, quantity=Quantity(received), unit="EA", line=place)
            for place, (line, _, _, received) in enumerate(rows, 1)
        ),
    )
    invoice = Invoice(
        number=f"LD{number:09d}",
        kind="invoice",
        currency="EUR",
        issued_on=date(2026, 11, 16),
        company_code=COMPANY,
        supplier_id=supplier_id,
        order_numbers=(order_number,),
        net=Amount(net),
        tax=Amount(tax),
        gross=Amount(net + tax),
        lines=tuple(
            InvoiceLine(
                line=place,
                order_number=order_number,
                order_line=line,
                item=f"MAT-{line:03d}",
                description="Ball bearing",
                quantity=Quantity(quantity),
                unit="EA",
                price=Price(price),
                amount=Amount(quantity * price),
                tax_codes=("V19",),
            )
            for place, (line, quantity, price, _) in enumerate(rows, 1)
        ),
        taxes=(TaxSubtotal(Amount(tax), code="V19", rate=Rate(19), base=Amount(net)),),
    )
    plan = DocumentPlan(
        index=number,
        trouble="clean",
        channel="ubl",
        company=COMPANY,
        supplier=SupplierPlan(
            str(10300000 + supplier), f"Supplier {supplier:04d} GmbH", "DE", _tax_id(supplier), "LD", COMPANY
        ),
        order=order_number,
        order_known=True,
        number=invoice.number,
        issued_on=date(2026, 11, 16),
        currency="EUR",
        lines=tuple(
            LinePlan(line, f"MAT-{line:03d}", "Ball bearing", quantity, price, received, Decimal(0), quantity, price)
            for line, quantity, price, received in rows
        ),
        net=net,
        tax=tax,
        gross=net + tax,
    )
    return Case(order, receipt, invoice, plan, held)


def bulk(values: Sequence[object], size: int) -> list[bytes]:
    """JSON lists of `size` values each, as request bodies."""
    encoded = [codec.encode(value) for value in values]
    return [b"[" + b",".join(encoded[at : at + size]) + b"]" for at in range(0, len(encoded), size)]


def ubl_bodies(made: Sequence[Case]) -> list[bytes]:
    """The same invoices as UBL documents."""
    return [ubl(case.plan) for case in made]
