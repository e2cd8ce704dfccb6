"""Suppliers, orders, receipts and invoices of a small company, each in one line: what a test does not say is usual.

The usual: Norddal (DE01), supplier 10300001, order 4500000001 of 10 EA at 4.00 EUR, 19 % tax, three-way.
"""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from tripartite.core.ids import stable_id
from tripartite.core.money import Amount, Price, Rate
from tripartite.core.objects import (
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    Receipt,
    ReceiptLine,
    Requisition,
    Supplier,
    TaxSubtotal,
)
from tripartite.core.quantity import Quantity

SUPPLIER = "10300001"
SUPPLIER_ID = stable_id("sup", SUPPLIER)
ORDER = "4500000001"
ISSUED = date(2026, 11, 16)
_TAX = {"DE01": ("V19", "19"), "PL02": ("P23", "23"), "AT04": ("A20", "20")}
_CURRENCY = {"DE01": "EUR", "PL02": "PLN", "AT04": "EUR"}


def supplier(number: str = SUPPLIER, **further: Any) -> Supplier:
    known: dict[str, Any] = {
        "number": number,
        "name": f"Supplier {number}",
        "names_elsewhere": {"sap": number, "acme": number},
        **further,
    }
    return Supplier(**known)


def order(
    number: str = ORDER,
    quantity: str = "10",
    price: str = "4.00",
    *,
    version: int = 1,
    company: str = "DE01",
    of: str = SUPPLIER,
    lines: int = 1,
    **further: Any,
) -> Order:
    return Order(
        number=number,
        currency=_CURRENCY[company],
        version=version,
        company_code=company,
        supplier_id=stable_id("sup", of),
        supplier_number=of,
        issued_on=date(2026, 11, 2),
        lines=tuple(
            OrderLine(
                line=place * 10,
                description="Ball bearing",
                item=f"MAT-{place:03d}",
                quantity=Quantity(quantity),
                price=Price(price),
                tax_codes=(_TAX[company][0],),
                **further,
            )
            for place in range(1, lines + 1)
        ),
    )


def receipt(
    number: str = "GR-1",
    quantity: str = "10",
    *,
    of: str = ORDER,
    kind: str = "receipt",
    version: int = 1,
    company: str = "DE01",
    line: int = 10,
    takes_from: str = "",
    day: date = date(2026, 11, 10),
) -> Receipt:
    return Receipt(
        number=number,
        kind=kind,  # type: ignore[arg-type]
        version=version,
        company_code=company,
        posted_on=day,
        lines=(
            ReceiptLine(
                order_number=of, order_line=line, quantity=Quantity(quantity), unit="EA", takes_from=takes_from
            ),
        ),
    )


def invoice(
    number: str = "RE-1001",
    quantity: str = "10",
    price: str = "4.00",
    *,
    of: str = ORDER,
    company: str = "DE01",
    by: str = SUPPLIER,
    line: int = 10,
    issued_on: date = ISSUED,
    tax: str | None = None,
    **further: Any,
) -> Invoice:
    code, rate = _TAX[company]
    net = (Decimal(quantity) * Decimal(price)).quantize(Decimal("0.01"))
    due = (net * Decimal(rate) / 100).quantize(Decimal("0.01"), ROUND_HALF_EVEN) if tax is None else Decimal(tax)
    known: dict[str, Any] = {
        "number": number,
        "kind": "invoice",
        "currency": _CURRENCY[company],
        "issued_on": issued_on,
        "company_code": company,
        "supplier_id": stable_id("sup", by),
        "supplier_number": by,
        "order_numbers": (of,) if of else (),
        "net": Amount(net),
        "tax": Amount(due),
        "gross": Amount(net + due),
        "lines": (
            InvoiceLine(
                line=1,
                order_number=of,
                order_line=line if of else None,
                description="Ball bearing",
                quantity=Quantity(quantity),
                unit="EA",
                price=Price(price),
                amount=Amount(net),
                tax_codes=(code,),
            ),
        ),
        "taxes": (TaxSubtotal(amount=Amount(due), code=code, category="S", rate=Rate(rate), base=Amount(net)),),
        **further,
    }
    return Invoice(**known)


def requisition(number: str = "REQ-1", *, of: str = ORDER, version: int = 1, company: str = "DE01") -> Requisition:
    return Requisition(
        number=number,
        version=version,
        company_code=company,
        currency=_CURRENCY[company],
        status="approved",
        order_number=of,
    )
