"""The load and the clock of `tripartite bench backtest`: a history of documents, a small change of policy, seconds.

The documents are those of rehearsal/matchload.py (one in twelve is not clean), written into the tables of the invoices
component as its handlers write them. A sample of invoices is decided in full under both policies and must agree.
"""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from tripartite.cli import estate as estate_command
from tripartite.cli.running import COMPONENTS, load, say
from tripartite.components.invoices import backtesting, history, store
from tripartite.core import codec
from tripartite.core.estate import Estate
from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.numbering import folded
from tripartite.core.objects import Supplier
from tripartite.core.policy import Pack
from tripartite.rehearsal.matchload import Evidence, make_evidence
from tripartite.runtime.db import Connection, Database, copy_rows
from tripartite.runtime.postgres import OWNER, SERVING, WORKER, EmbeddedPostgres
from tripartite.runtime.process import Urls, prepare_database

COMPANY = "DE01"
LINES = 10
LOAD = 2000
DAY = date(2026, 4, 1)
SAMPLE = 500
# What is tried: the price limit in euro moves from 2 % to 4 %, and a line may cost 50 more.
MOVED = {"upper_percent": "4", "cumulative_upper_percent": "4", "line_upper_absolute": "200.00"}


class Measured(msgspec.Struct, frozen=True):
    """What one bench gave. `memory` in bytes, the most that the process held."""

    seconds: list[float]
    scan_seconds: float
    prepared_per_second: float
    looked_at: int
    shifts: int
    memory: int


async def measure(home: Path, count: int, runs: int) -> Measured:
    """Load `count` invoices, make them ready, and try a change `runs` times."""
    if (home / "postgres").exists():
        EmbeddedPostgres(home).shut_down()
    shutil.rmtree(home, ignore_errors=True)
    estate_command.init(home / "estate")
    estate, baseline = load(home / "estate")
    # The lines of the load are larger than those of a usual company: half of them would be looked at twice.
    old = _with(baseline, "amount", {"review_amount": "500000.00"})
    new = _with(old, "price", MOVED)
    server = EmbeddedPostgres(home)
    server.start()
    try:
        urls = Urls(server.url(WORKER), server.url(OWNER), server.url(SERVING))
        prepare_database(urls, list(COMPONENTS.values()))
        db = Database(urls.worker, size=4)
        await db.open()
        try:
            return await _measure(db, estate, old, new, count, runs)
        finally:
            await db.close()
    finally:
        server.shut_down()


def _with(pack: Pack, table: str, words: Mapping[str, str]) -> Pack:
    """The pack with other words in its row for euro."""
    rows = tuple(msgspec.structs.replace(row, **words) if row.id == "eur" else row for row in pack.table(table))
    return msgspec.structs.replace(pack, release="bench", rows={**pack.rows, table: rows})


async def _measure(db: Database, estate: Estate, old: Pack, new: Pack, count: int, runs: int) -> Measured:
    for first in range(0, count, LOAD):
        evidence = make_evidence(min(LOAD, count - first), LINES, first, first=first)

        async def work(connection: Connection, evidence: Evidence = evidence, first: int = first) -> None:
            await _write(connection, evidence, first)

        await db.transaction(work)
    async with db.connection() as connection:
        await connection.execute("ANALYZE invoices.invoice")
        await connection.execute("ANALYZE invoices.of_order")
    started = time.perf_counter()
    done = await history.prepare(db, estate, old, lambda _: DAY)
    prepared = done / (time.perf_counter() - started)
    async with db.connection() as connection:
        for table in ("history", "history_bound"):
            await connection.execute(f"ANALYZE invoices.{table}".encode())
    say(f"{done} invoices made ready at {prepared:,.0f} a second.")
    seconds = []
    as_of = {company.code: DAY for company in estate.companies}
    for _ in range(runs):
        started = time.perf_counter()
        found = await backtesting.backtest(db, estate, old, new, on=DAY, as_of=as_of)
        seconds.append(time.perf_counter() - started)
    started = time.perf_counter()
    await db.rows("SELECT sum(gross), max(group_id), max(ratio_high), max(review) FROM invoices.history")
    scan = time.perf_counter() - started
    await _agree(db, estate, old, new, {one.invoice.invoice_id for one in found.shifts})
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Measured(seconds, scan, prepared, found.looked_at, len(found.shifts), memory)


async def _agree(db: Database, estate: Estate, old: Pack, new: Pack, shifted: set[str]) -> None:
    """A sample decided in full on both sides: a verdict that moves must have been found, so that nothing is skipped."""
    ids = [row[0] for row in await db.rows(f"SELECT invoice_id FROM invoices.history ORDER BY 1 LIMIT {SAMPLE}")]
    async with db.connection() as connection:
        found = await history.neighbours(connection, estate, COMPANY, ids)
        sides = []
        for pack in (old, new):
            under = history.policy_of(pack, COMPANY, DAY)
            sides.append(await history.matched(connection, estate, found, under, DAY))
    moved = {name for name in ids if sides[0][name].verdict != sides[1][name].verdict}
    assert moved <= shifted, f"{len(moved - shifted)} of {len(ids)} would have been missed"


async def _write(connection: Connection, evidence: Evidence, first: int) -> None:
    """The documents as the handlers keep them; everything is only observed, so nothing is owed to anybody."""
    suppliers = [
        Supplier(one.supplier_id, f"Supplier {one.supplier_id}", supplier_id=one.supplier_id, tax_id=one.tax_id)
        for one in evidence.suppliers
    ]
    await store.keep_suppliers(connection, suppliers)
    orders = [msgspec.structs.replace(one, company_code=COMPANY) for one in evidence.orders]
    receipts = [msgspec.structs.replace(one, company_code=COMPANY) for one in evidence.receipts if one.lines]
    await copy_rows(
        connection,
        "invoices.purchase_order",
        ("company_code", "number", "version", "supplier_id", "document"),
        [(COMPANY, one.number, 1, one.supplier_id, codec.encode(one)) for one in orders],
    )
    await copy_rows(
        connection,
        "invoices.receipt",
        ("company_code", "number", "version", "document"),
        [(COMPANY, one.number, 1, codec.encode(one)) for one in receipts],
    )
    await copy_rows(
        connection,
        "invoices.receipt_of_order",
        ("company_code", "order_number", "number"),
        sorted({(COMPANY, line.order_number, one.number) for one in receipts for line in one.lines}),
    )
    rows = [_row(one, first * 2 + place) for place, one in enumerate(evidence.invoices)]
    await copy_rows(connection, "invoices.invoice", store.COLUMNS, [msgspec.structs.astuple(row) for row in rows])
    await copy_rows(
        connection,
        "invoices.of_order",
        ("company_code", "order_number", "invoice_id"),
        [
            (COMPANY, number, row.invoice_id)
            for row, one in zip(rows, evidence.invoices, strict=True)
            for number in store.order_numbers(one.invoice)
        ],
    )


def _row(arrived: Arrived, sequence: int) -> store.Row:
    invoice = msgspec.structs.replace(arrived.invoice, company_code=COMPANY)
    at = datetime(arrived.arrived_on.year, arrived.arrived_on.month, arrived.arrived_on.day, tzinfo=UTC)
    return store.Row(
        invoice_id=f"inv_{sequence:09d}",
        company_code=COMPANY,
        sequence=sequence + 1,
        kind=invoice.kind,
        number=invoice.number,
        number_folded=folded(invoice.number),
        supplier_id=invoice.supplier_id,
        supplier_name=f"Supplier {invoice.supplier_id}",
        currency=invoice.currency,
        issued_on=invoice.issued_on,
        arrived_on=arrived.arrived_on,
        arrived_at=at,
        net=invoice.net,
        tax=invoice.tax,
        gross=invoice.gross,
        small_difference=Decimal(0),
        state="observed",
        verdict="post",
        decision_id=f"dec_{sequence}",
        decisions=1,
        inputs_digest="",
        payable_now=Decimal(0),
        money_at_risk=Decimal(0),
        payment_block=False,
        reason_codes=[],
        waits_for=[],
        next_check_at=None,
        document="",
        posted_at=None,
        correlation_id=f"c_{sequence}",
        intake_id="",
        digest="",
        connection="",
        source_document="",
        was_post=False,
        content=codec.encode(invoice),
        findings=b"[]",
        version=1,
        changed_at=at,
    )
