"""Traffic that goes on whatever happens: a sender who gets no answer sends again, as a real one does."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import date
from decimal import Decimal
from typing import Any

import httpx2

from tripartite.rehearsal.cast import SupplierPlan
from tripartite.rehearsal.einvoice import ubl
from tripartite.rehearsal.scenario import DocumentPlan, LinePlan
from tripartite.rehearsal.vendors import Vendors

SUPPLIER = SupplierPlan("10300080", "Aurum Bearings B.V.", "DE", "DE100791906", "AB", "DE01")
ON = date(2026, 11, 16)
PRICE = Decimal("10.00")
PATIENCE_SECONDS = 120.0


class Sender:
    """Whoever brings documents. What got no answer, or `come again`, is sent again, byte for byte."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx2.AsyncClient(
            base_url=url, trust_env=False, timeout=20.0, headers={"authorization": f"Bearer {token}"}
        )
        self.refused = 0  # how often nobody answered

    async def bring(self, path: str, content: bytes, media_type: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = await self._http.post(path, content=content, headers={"content-type": media_type})
            except httpx2.TransportError:
                self.refused += 1
            else:
                if answer.status_code == 202:
                    return
                assert answer.status_code in (502, 503), answer.text
            assert time.monotonic() < deadline, f"{path} is never taken"
            await asyncio.sleep(0.2)

    async def tell(self, path: str, value: Any) -> None:
        await self.bring(path, json.dumps(value).encode(), "application/json")

    async def close(self) -> None:
        await self._http.aclose()


def bill(batch: int, kind: int) -> DocumentPlan:
    """One of four invoices of a batch; no two have the same sum or alike numbers.

    0 by e-invoice and 1 by the capture suite: clean. 2: bills five more than came. 3: most goods come at the end.
    """
    place = batch * 4 + kind
    quantity = Decimal(20 + place)
    billed = quantity + 5 if kind == 2 else quantity
    line = LinePlan(10, f"MAT-{place:03d}", "Ball bearing", quantity + 50, PRICE, quantity, Decimal(0), billed, PRICE)
    net = billed * PRICE
    tax = (net * Decimal("0.19")).quantize(Decimal("0.01"))
    return DocumentPlan(
        index=place,
        trouble="clean",
        channel="capture" if kind == 1 else "ubl",
        company="DE01",
        supplier=SUPPLIER,
        order=f"45{place:08d}",
        order_known=True,
        number=f"AB{(place + 3) * 7919 % 100_000:05d}",
        issued_on=ON,
        currency="EUR",
        lines=(line,),
        net=net,
        tax=tax,
        gross=net + tax,
    )


async def masters(vendors: Vendors, sender: Sender) -> None:
    await vendors.tell(
        "sap_s4hana",
        {
            "companies": [{"code": "DE01"}],
            "tax_codes": {"V1": "19"},
            "suppliers": [{"number": SUPPLIER.number, "name": SUPPLIER.name, "vat": SUPPLIER.vat_id}],
        },
    )
    await sender.tell(
        "/v1/suppliers",
        {
            "number": SUPPLIER.number,
            "name": SUPPLIER.name,
            "supplier_id": "S-80",
            "tax_id": SUPPLIER.vat_id,
            "names_elsewhere": dict.fromkeys(("sap", "coupa", "capture"), SUPPLIER.number),
        },
    )


async def receive(sender: Sender, each: DocumentPlan, name: str, quantity: Decimal) -> None:
    line = {"order_number": each.order, "order_line": 10, "quantity": str(quantity), "unit": "EA"}
    await sender.tell(
        "/v1/receipts",
        {"number": name, "company_code": "DE01", "posted_on": "2026-11-20", "lines": [line]},
    )


async def batch(vendors: Vendors, sender: Sender, number: int) -> None:
    """A new supplier, and four orders with their receipts and invoices."""
    bills = [bill(number, kind) for kind in range(4)]
    items = [{"item": 10, "quantity": str(each.lines[0].quantity), "price": "10.00"} for each in bills]
    await vendors.tell(
        "sap_s4hana",
        {
            "orders": [
                {"number": each.order, "company": "DE01", "supplier": SUPPLIER.number, "items": [item]}
                for each, item in zip(bills, items, strict=True)
            ]
        },
    )
    await sender.tell("/v1/suppliers", {"number": f"104{number:05d}", "name": f"Newcomer {number} Ltd"})
    for kind, each in enumerate(bills):
        line = {"line": 10, "item": each.lines[0].item, "quantity": str(each.lines[0].quantity), "unit": "EA"}
        await sender.tell(
            "/v1/purchase-orders",
            {
                "number": each.order,
                "currency": "EUR",
                "company_code": "DE01",
                "supplier_id": "S-80",
                "issued_on": "2026-11-02",
                "lines": [{**line, "price": "10.00"}],
            },
        )
        came = each.lines[0].received
        await receive(sender, each, f"GR-{each.order}", Decimal(10) if kind == 3 else came)
        if each.channel == "ubl":
            await sender.bring("/v1/intake/einvoice", ubl(each), "application/xml")
    await vendors.tell("capture", {"documents": [captured(bills[1])]})


async def late_goods(sender: Sender, batches: int) -> None:
    for number in range(batches):
        each = bill(number, 3)
        await receive(sender, each, f"GR-{each.order}-2", each.lines[0].received - 10)


def captured(each: DocumentPlan) -> dict[str, Any]:
    """An invoice as the capture suite has read it."""
    line = each.lines[0]
    return {
        "document_id": f"doc-{each.index}",
        "supplier_invoice_number": each.number,
        "type": "INVOICE",
        "company_code": "DE01",
        "supplier_code": SUPPLIER.number,
        "currency": "EUR",
        "invoice_date": ON.isoformat(),
        "net": str(each.net),
        "tax": str(each.tax),
        "gross": str(each.gross),
        "po_numbers": [each.order],
        "lines": [
            {
                "row_index": 1,
                "description": line.description,
                "product_code": line.item,
                "quantity": str(line.billed),
                "unit": "EA",
                "net_price": "10.00",
                "net": str(each.net),
                "tax_code": "V19",
                "order_number": each.order,
                "order_line_number": "10",
            }
        ],
    }
