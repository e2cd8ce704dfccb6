"""The first slice: one true path from a real invoice to a posted one, through a killed process and a silent ERP.

Real processes, real HTTP, real PostgreSQL: the product runs as `tripartite up`, the vendors in a process of their own.
The product is killed with SIGKILL at the worst moments; the ERP has committed and does not answer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tripartite.cli.staging import KINDS, MACHINE, SECRETS, demo_estate
from tripartite.connectors.simulating import Fault
from tripartite.rehearsal.cast import SupplierPlan
from tripartite.rehearsal.einvoice import ubl
from tripartite.rehearsal.scenario import DocumentPlan, LinePlan
from tripartite.rehearsal.simulators import Spec
from tripartite.rehearsal.vendors import Vendors
from tripartite.runtime.audit_verify import verify_log
from tripartite.runtime.auth import create_token
from tripartite.runtime.db import Database
from tripartite.runtime.postgres import OWNER, EmbeddedPostgres

SUPPLIER = SupplierPlan("10300080", "Aurum Bearings B.V.", "DE", "DE100791906", "AB", "DE01")
ORDER = "4500001234"
LINE = LinePlan(10, "MAT-001", "Ball bearing 6310-2Z", *map(Decimal, ("100", "10.00", "60", "40", "100", "10.00")))
INVOICE = DocumentPlan(
    index=1,
    trouble="late_receipt",
    channel="ubl",
    company="DE01",
    supplier=SUPPLIER,
    order=ORDER,
    order_known=True,
    number="AB20264471",
    issued_on=date(2026, 11, 16),
    currency="EUR",
    lines=(LINE,),
    net=Decimal("1000.00"),
    tax=Decimal("190.00"),
    gross=Decimal("1190.00"),
)


class Product:
    """`tripartite up` as a process that can be killed and started again, and its database seen from outside."""

    def __init__(self, home: Path, estate: Path, port: int) -> None:
        self.home, self.port = home, port
        self._environment = {
            **os.environ,
            **SECRETS,
            "TRIPARTITE_HOME": str(home),
            "TRIPARTITE_ESTATE": str(estate / "estate.toml"),
            "TRIPARTITE_PORT": str(port),
            "TRIPARTITE_LOG_LEVEL": "ERROR",
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{port}"

    async def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "tripartite", "up"], env=self._environment)

        async def answers() -> bool:
            async with httpx2.AsyncClient(trust_env=False) as http:
                try:
                    return (await http.get(self.url + "/health")).status_code == 200
                except httpx2.TransportError:
                    return False

        await until(answers, "the product answers")

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
        EmbeddedPostgres(self.home).shut_down()


async def until(true: Callable[[], Awaitable[bool]], what: str, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not await true():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        await asyncio.sleep(0.05)


class Scene:
    """The estate of one test: vendors, product, a client that may bring documents."""

    def __init__(self, vendors: Vendors, product: Product, http: httpx2.AsyncClient, db: Database) -> None:
        self.vendors, self.product, self.http, self.db = vendors, product, http, db

    async def send(self, path: str, value: Any) -> dict[str, Any]:
        answer = await self.http.post(path, json=value)
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def receive(self, number: str, quantity: str) -> None:
        await self.send(
            "/v1/receipts",
            {
                "number": number,
                "company_code": "DE01",
                "posted_on": "2026-11-20",
                "lines": [{"order_number": ORDER, "order_line": 10, "quantity": quantity, "unit": "EA"}],
            },
        )

    async def state(self) -> tuple[str, list[str]]:
        rows = await self.db.rows(
            "SELECT state, reason_codes FROM invoices.invoice WHERE number = %s", (INVOICE.number,)
        )
        return (rows[0][0], rows[0][1]) if rows else ("", [])

    async def booked(self) -> int:
        return len((await self.vendors.truth("sap_s4hana"))["invoices"])

    async def reaches(self, state: str) -> None:
        async def there() -> bool:
            return (await self.state())[0] == state

        await until(there, f"the invoice is {state}")


@pytest.fixture
async def scene(tmp_path: Path, unused_ports: Callable[[int], list[int]]) -> AsyncIterator[Scene]:
    ports = unused_ports(len(KINDS) + 1)
    estate = demo_estate(tmp_path / "estate", dict(zip(KINDS, ports, strict=False)))
    # One call is given half a minute: the kill comes while it hangs, not after it timed out.
    text = (estate / "estate.toml").read_text()
    (estate / "estate.toml").write_text(text.replace('timeout_seconds = "3"', 'timeout_seconds = "30"'))
    vendors = Vendors([Spec(kind, port) for kind, port in zip(KINDS, ports, strict=False)])
    product = Product(tmp_path / "home", estate, ports[-1])
    await vendors.start()
    try:
        await product.start()
        server = EmbeddedPostgres(product.home)
        db = Database(server.url(OWNER))
        await db.open()
        async with db.connection() as connection:
            token = await create_token(
                connection, name="slice", permissions=(*MACHINE, "order.write", "receipt.write", "supplier.write")
            )
        async with httpx2.AsyncClient(
            base_url=product.url, trust_env=False, headers={"authorization": f"Bearer {token.reveal()}"}
        ) as http:
            yield Scene(vendors, product, http, db)
        await db.close()
    finally:
        product.end()
        await vendors.stop()


async def arrange(scene: Scene) -> None:
    """The ERP knows company, supplier and order; we know supplier, order and the first part of the goods."""
    await scene.vendors.tell(
        "sap_s4hana",
        {
            "companies": [{"code": "DE01"}],
            "tax_codes": {"V1": "19"},
            "suppliers": [{"number": SUPPLIER.number, "name": SUPPLIER.name, "vat": SUPPLIER.vat_id}],
            "orders": [
                {
                    "number": ORDER,
                    "company": "DE01",
                    "supplier": SUPPLIER.number,
                    "items": [{"item": 10, "quantity": "100", "price": "10.00"}],
                }
            ],
        },
    )
    await scene.vendors.tell("capture", {"documents": [suite_document()], "webhooks": False})
    await scene.send(
        "/v1/suppliers",
        {
            "number": SUPPLIER.number,
            "name": SUPPLIER.name,
            "supplier_id": "S-80",
            "tax_id": SUPPLIER.vat_id,
            "names_elsewhere": {"sap": SUPPLIER.number},
        },
    )
    await scene.send(
        "/v1/purchase-orders",
        {
            "number": ORDER,
            "currency": "EUR",
            "company_code": "DE01",
            "supplier_id": "S-80",
            "issued_on": "2026-11-02",
            "lines": [{"line": 10, "item": "MAT-001", "quantity": "100", "unit": "EA", "price": "10.00"}],
        },
    )
    await scene.receive("5000000001", "60")

    async def known() -> bool:
        rows = await scene.db.rows(
            """SELECT (SELECT count(*) FROM invoices.receipt), (SELECT count(*) FROM invoices.purchase_order
            WHERE version > 0), (SELECT count(*) FROM gateway.xref)"""
        )
        return rows[0][0] == 1 and rows[0][1] == 1 and rows[0][2] > 0

    await until(known, "master, order and the first receipt are known")


def suite_document() -> dict[str, Any]:
    """The invoice as the AP suite keeps it: in review there, so that only the e-invoice itself is handed to us."""
    return {
        "document_id": "doc-4471",
        "supplier_invoice_number": INVOICE.number,
        "type": "INVOICE",
        "company_code": "DE01",
        "supplier_code": SUPPLIER.number,
        "currency": "EUR",
        "invoice_date": "2026-11-16",
        "net": "1000.00",
        "tax": "190.00",
        "gross": "1190.00",
        "status": "transfer_in_progress",
    }


async def hand_over(scene: Scene) -> str:
    """The AP suite hands the supplier's e-invoice over, under its own id."""
    answer = await scene.http.post(
        "/v1/intake/capture",
        content=ubl(INVOICE),
        headers={"content-type": "application/xml", "x-source-document": "doc-4471"},
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["digest"])


async def told_once(scene: Scene) -> None:
    """The posting stands once in the ERP, the AP side knows its number, the log verifies and the bytes come back."""
    await scene.reaches("posted")

    async def heard() -> bool:
        told = (await scene.vendors.truth("capture"))["documents"]["doc-4471"]
        return bool(told["voucher_number"])

    await until(heard, "the AP side hears the number")
    ledger = (await scene.vendors.truth("sap_s4hana"))["invoices"]
    assert [(row["reference"], row["gross"]) for row in ledger] == [(INVOICE.number, "1190.00")]
    rows = await scene.db.rows("SELECT document FROM invoices.invoice WHERE number = %s", (INVOICE.number,))
    assert rows == [(f"{ledger[0]['document']}/{ledger[0]['year']}",)]
    told = (await scene.vendors.truth("capture"))["documents"]["doc-4471"]
    assert told["voucher_number"] == ledger[0]["document"]
    settled = await scene.db.rows(
        "SELECT state, count(*) FROM deliveries.delivery WHERE operation = 'post_invoice' GROUP BY 1"
    )
    assert settled == [("settled", 1)]

    async def sealed() -> bool:
        return bool((await scene.db.rows("SELECT count(*) FROM audit.pending"))[0][0] == 0)

    await until(sealed, "every leaf has its place")
    result = await asyncio.to_thread(verify_log, scene.db.url)
    assert result.ok, result.problem
    kinds = {row[0] for row in await scene.db.rows("SELECT kind FROM audit.leaf WHERE object_id LIKE 'inv_%%'")}
    assert {"decision", "delivery.settled", "invoice.posted"} <= kinds


async def test_killed_while_the_erp_hangs_after_its_commit_it_posts_once_and_everybody_hears(scene: Scene) -> None:
    await arrange(scene)
    await scene.vendors.faults("sap_s4hana", [Fault("post_invoice|batch", "commit_then_hang", times=1)])
    digest = await hand_over(scene)
    await scene.reaches("held")
    assert (await scene.state())[1] == ["match.quantity_over_received"]

    await scene.receive("5000000002", "40")

    async def committed() -> bool:
        return await scene.booked() == 1

    await until(committed, "the ERP has committed")
    assert (await scene.state())[0] == "to_post", "the answer never came"
    scene.product.kill()
    await scene.product.start()

    await told_once(scene)
    acts = [
        row[0]
        for row in await scene.db.rows(
            """SELECT act || ' ' || answer FROM deliveries.attempt JOIN deliveries.delivery USING (key)
            WHERE operation = 'post_invoice' ORDER BY at"""
        )
    ]
    assert acts[0] == "crash unknown"
    assert acts[-1] == "probe settled"
    assert not any(act.startswith("send") for act in acts), "it is asked for, never sent again"
    raw = await scene.db.rows("SELECT content FROM gateway.raw WHERE digest = %s", (digest,))
    assert bytes(raw[0][0]) == ubl(INVOICE)


async def test_killed_right_after_the_late_receipt_was_accepted_nothing_is_lost(scene: Scene) -> None:
    await arrange(scene)
    await hand_over(scene)
    await scene.reaches("held")
    await scene.receive("5000000002", "40")
    scene.product.kill()
    await scene.product.start()
    await told_once(scene)


async def test_killed_again_and_again_it_still_posts_once(scene: Scene) -> None:
    await arrange(scene)
    await scene.vendors.faults(
        "sap_s4hana",
        [
            Fault("post_invoice|batch", "commit_then_hang", times=1),
            Fault("read", "reply.5xx", times=2),
        ],
    )
    await hand_over(scene)
    await scene.reaches("held")
    await scene.receive("5000000002", "40")
    for pause in (0.05, 0.3, 1.0):
        await asyncio.sleep(pause)
        scene.product.kill()
        await scene.product.start()
    await told_once(scene)
