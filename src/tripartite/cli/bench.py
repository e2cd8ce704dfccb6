"""`tripartite bench`: what the product does in a second on this machine, with the limit measured in the same run.

Each figure goes through the real path: a server process, HTTP, PostgreSQL with fsync and synchronous_commit on, the
bus, the decision, the audit leaf, and for end to end the S/4HANA simulator in a process of its own. A sample of the
verdicts is compared with the matching core evaluated in full, so that speed cannot come from skipped work. Nothing here
is a test: figures are read, not asserted.
"""

from __future__ import annotations

import asyncio
import io
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import psycopg
import uvloop

from tripartite.cli.bench_backtest import measure as measure_backtest
from tripartite.cli.running import COMPONENTS, load, say
from tripartite.cli.staging import SECRETS, demo_estate, free_port
from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.engine import evaluate
from tripartite.core.matching.evidence import CompanyFacts, SupplierFacts, book_from_objects
from tripartite.core.policy import Pack
from tripartite.rehearsal import load as made
from tripartite.rehearsal.matchload import bench_core
from tripartite.rehearsal.simulators import Spec
from tripartite.rehearsal.vendors import Vendors
from tripartite.runtime.auth import create_token
from tripartite.runtime.db import Database
from tripartite.runtime.postgres import OWNER, SERVING, WORKER, EmbeddedPostgres
from tripartite.runtime.process import Urls, prepare_database
from tripartite.runtime.settings import Settings

NAMES = ("intake_json", "intake_ubl", "end_to_end", "matching_core", "questions", "backtest")
TARGETS = {
    "intake_json": 5000.0,
    "intake_ubl": 2500.0,
    "end_to_end": 2000.0,
    "matching_core": 500_000.0,
    "questions": 2000.0,
    "questions_p99": 30.0,
}
DOCUMENTS_PER_SECOND_OF_BENCH = 600  # so many documents are made for each second asked for
BULK = 250
RUNS = 3
CLIENTS = 32
LOOK_SECONDS = 0.1  # between two counts of what is done: counting all costs what it measures
TABLES = (
    *("gateway.raw", "gateway.intake", "bus.message", "invoices.invoice", "invoices.line", "invoices.of_order"),
    *("invoices.decision", "audit.leaf"),
)
PERMISSIONS = (
    *("invoice.write", "order.write", "receipt.write", "supplier.write", "intake.write"),
    *("invoice.read", "order.read", "supplier.read"),
)


class Figure(msgspec.Struct):
    """One figure: the median of its runs, the limit it was measured against, the target of the design."""

    id: str
    what: str
    value: float
    unit: str
    limit: float | None
    ratio_to_limit: float | None
    target: float | None
    runs: list[float]


class Rig:
    """A server process on an empty database, and what it takes to load it."""

    def __init__(self, settings: Settings, *, erp: bool) -> None:
        self.home = settings.home / "bench"
        self.erp = erp
        if (self.home / "postgres").exists():
            EmbeddedPostgres(self.home).shut_down()
        shutil.rmtree(self.home, ignore_errors=True)
        self.server = EmbeddedPostgres(self.home)
        self.vendors: Vendors | None = None
        self._processes: list[subprocess.Popen[bytes]] = []

    async def __aenter__(self) -> Rig:
        port, erp_port = free_port(), 0
        ports = {"coupa": 1, "capture": 1, "sap_s4hana": 1}
        if self.erp:
            erp_port = port + 1
            ports["sap_s4hana"] = erp_port
            self.vendors = Vendors([Spec("sap_s4hana", erp_port)])
            await self.vendors.start()
        folder = demo_estate(self.home / "estate", ports)
        file = folder / "estate.toml"
        text = file.read_text()
        for kind in ("coupa", "capture") if self.erp else ("coupa", "capture", "sap"):
            text = _silent(text, kind)
        # The ERP is asked as fast as it answers, and has its orders before the clock starts.
        known = 'username = "TRIPARTITE"'
        assert text.count(known) == 1, "one ERP connection of this user"
        text = text.replace(
            known, f'{known}, rate_per_second = "200", publish_orders = "off", publish_receipts = "off"'
        )
        file.write_text(text)
        self.pack: Pack = load(folder)[1]
        self.server.start()
        self.urls = Urls(self.server.url(WORKER), self.server.url(OWNER), self.server.url(SERVING))
        prepare_database(self.urls, list(COMPONENTS.values()))
        self.db = Database(self.urls.worker, size=4)
        await self.db.open()
        async with self.db.connection() as connection:
            token = await create_token(connection, name="bench", permissions=PERMISSIONS)
        self._start(port, folder, "up", "--workers", "1")
        self.url = f"http://127.0.0.1:{port}"
        self.token = token.reveal()
        self.http = httpx2.AsyncClient(
            base_url=self.url,
            timeout=120.0,
            trust_env=False,
            headers={"authorization": f"Bearer {self.token}", "content-type": "application/json"},
        )
        await self._until_up()
        await self._post("/v1/suppliers", made.bulk(made.suppliers(), BULK))
        await self.until("SELECT count(*) FROM invoices.supplier", made.SUPPLIERS)
        return self

    def _start(self, port: int, folder: Path, *command: str) -> None:
        environment = {
            **os.environ,
            **SECRETS,
            "TRIPARTITE_DATABASE_URL": self.urls.worker,
            "TRIPARTITE_DATABASE_OWNER_URL": self.urls.owner,
            "TRIPARTITE_DATABASE_SERVING_URL": self.urls.serving,
            "TRIPARTITE_HOME": str(self.home),
            "TRIPARTITE_ESTATE": str(folder / "estate.toml"),
            "TRIPARTITE_PORT": str(port),
            "TRIPARTITE_LOG_LEVEL": "ERROR",
        }
        self._processes.append(
            subprocess.Popen([sys.executable, "-m", "tripartite", *command], env=environment, stderr=subprocess.DEVNULL)
        )

    async def _until_up(self) -> None:
        for _ in range(400):
            try:
                if (await self.http.get("/health")).status_code == 200:
                    return
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
        raise TimeoutError("the server process does not answer")

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        await self.db.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            await asyncio.to_thread(process.wait, 20)
        if self.vendors is not None:
            await self.vendors.stop()
        self.server.shut_down()

    async def _post(self, path: str, bodies: Sequence[bytes], at_once: int = 4) -> None:
        waiting = asyncio.Semaphore(at_once)

        async def send(body: bytes) -> None:
            async with waiting:
                answer = await self.http.post(path, content=body)
            assert answer.status_code == 202, answer.text[:300]

        await asyncio.gather(*(send(body) for body in bodies))

    async def until(self, query: str, count: int) -> None:
        """Wait until a count is reached. Errors: `TimeoutError` after two minutes without progress."""
        last, since = -1, time.monotonic()
        while True:
            found = (await self.db.rows(query))[0][0]
            if found >= count:
                return
            if found != last:
                last, since = found, time.monotonic()
            if time.monotonic() - since > 120:
                raise TimeoutError(f"{query}: {found} of {count}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _rest(self) -> None:
        """Wait until every consumer has read what the preparation told: its work is not what is measured."""
        for _ in range(600):
            behind = await self.db.rows(
                """SELECT count(*) FROM bus.head h
                JOIN (SELECT DISTINCT consumer, topic FROM bus.cursor) k USING (topic)
                LEFT JOIN bus.cursor c USING (consumer, topic, partition) WHERE h.head > coalesce(c.position, 0)"""
            )
            if behind[0][0] == 0:
                return
            await asyncio.sleep(LOOK_SECONDS)
        raise TimeoutError("what was prepared is not read to its end")

    async def prepare(self, cases: Sequence[made.Case]) -> None:
        """Orders and receipts of the cases, known before the clock starts; in the ERP too where there is one."""
        await self._post("/v1/purchase-orders", made.bulk([case.order for case in cases], BULK))
        await self._post("/v1/receipts", made.bulk([case.receipt for case in cases], BULK))
        numbers = f"company_code = '{made.COMPANY}'"
        total = getattr(self, "_known", 0) + len(cases)
        self._known = total
        await self.until(f"SELECT count(*) FROM invoices.purchase_order WHERE version > 0 AND {numbers}", total)
        await self.until("SELECT count(*) FROM invoices.receipt", total)
        if self.vendors is not None:
            await _tell_erp(self.vendors, cases)
        await self._rest()
        async with self.db.connection() as connection:
            await connection.execute(b"SELECT 1")


def _silent(text: str, name: str) -> str:
    """The estate with one connection that is never called."""
    head, mark, tail = text.partition(f'name = "{name}"')
    own, rest, others = tail.partition("[[")
    kept = [line for line in own.split("\n") if not line.startswith("base_url")]
    return head + mark + "\n".join(kept).replace('"act"', '"observe"') + rest + others


async def _tell_erp(vendors: Vendors, cases: Sequence[made.Case]) -> None:
    await vendors.tell(
        "sap_s4hana",
        {
            "companies": [{"code": made.COMPANY}],
            "tax_codes": {"V1": "19"},
            "suppliers": [{"number": each.number, "name": each.name} for each in made.suppliers()],
        },
    )
    for at in range(0, len(cases), 1000):
        await vendors.tell(
            "sap_s4hana",
            {
                "orders": [
                    {
                        "number": case.order.number,
                        "company": made.COMPANY,
                        "supplier": case.plan.supplier.number,
                        "items": [
                            {"item": line.line, "quantity": str(line.quantity), "price": str(line.price)}
                            for line in case.order.lines
                        ],
                    }
                    for case in cases[at : at + 1000]
                ]
            },
        )


# The figures


async def _intake(rig: Rig, count: int, bodies: Callable[[Sequence[made.Case]], Awaitable[None]]) -> list[float]:
    runs = []
    for run in range(RUNS):
        cases = made.cases(count, first=run * count + getattr(rig, "_first", 0))
        await rig.prepare(cases)
        before = (await rig.db.rows("SELECT count(*) FROM invoices.invoice"))[0][0]
        started = time.perf_counter()
        await bodies(cases)
        await rig.until("SELECT count(*) FROM invoices.invoice", before + count)
        runs.append(count / (time.perf_counter() - started))
        await _same_verdicts(rig, cases)
    rig._first = getattr(rig, "_first", 0) + RUNS * count  # type: ignore[attr-defined]
    return runs


async def _same_verdicts(rig: Rig, cases: Sequence[made.Case], sample: int = 60) -> None:
    """A sample of the decisions against the matching core evaluated in full. Assert: they are the same."""
    chosen = random.Random(7).sample(list(cases), min(sample, len(cases)))  # noqa: S311 - a sample, not a secret
    states = dict(
        await rig.db.rows(
            "SELECT number, verdict FROM invoices.invoice WHERE number = ANY(%s)", ([c.invoice.number for c in chosen],)
        )
    )
    suppliers = [SupplierFacts.of(each) for each in made.suppliers()]
    today = date.today()  # noqa: DTZ011 - the day of the run
    policy = rig.pack.match_policy(made.COMPANY, "", "", "EUR", today)[0]
    from tripartite.core.money import Rate
    from tripartite.core.objects import TaxCode

    for case in chosen:
        book = book_from_objects(
            [case.order],
            [case.receipt],
            [Arrived(case.invoice.number, case.invoice, today, 1)],
            suppliers=suppliers,
            companies=[CompanyFacts(made.COMPANY, "EUR")],
            taxes=[TaxCode("V19", Rate(19))],
        )
        full = evaluate(book, policy_of=lambda _: policy, as_of=today, fast=False)[0]
        got = states[case.invoice.number]
        assert got == full.verdict, f"{case.invoice.number}: {got}, in full {full.verdict}"


async def intake_json(settings: Settings, count: int) -> list[Figure]:
    async with Rig(settings, erp=False) as rig:

        async def send(cases: Sequence[made.Case]) -> None:
            await rig._post("/v1/invoices", made.bulk([case.invoice for case in cases], BULK))

        runs = await _intake(rig, count, send)
        limit = await asyncio.to_thread(bare_copy, rig.urls.owner)
    value = statistics.median(runs)
    what = "bulk intake over HTTP, canonical JSON, ten lines: raw, header, lines, decision and leaf committed"
    return [
        _figure("intake_json", what, runs, "documents/s", limit),
        Figure(
            "batch_to_copy",
            "the same against bare COPY into the same tables",
            round(value / limit, 3),
            "ratio",
            1.0,
            round(value / limit, 3),
            0.4,
            [round(run / limit, 3) for run in runs],
        ),
    ]


async def intake_ubl(settings: Settings, count: int) -> list[Figure]:
    async with Rig(settings, erp=False) as rig:

        async def send(cases: Sequence[made.Case]) -> None:
            await _ubl(rig, made.ubl_bodies(cases))

        runs = await _intake(rig, count, send)
    return [_figure("intake_ubl", "the same from UBL XML, in archives", runs, "documents/s", None)]


async def _ubl(rig: Rig, bodies: Sequence[bytes]) -> None:
    """Archives of documents, as a clearing house hands them over."""
    waiting = asyncio.Semaphore(4)

    async def send(part: Sequence[bytes]) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for place, body in enumerate(part):
                archive.writestr(f"{place:04d}.xml", body)
        async with waiting:
            answer = await rig.http.post(
                "/v1/intake/einvoice", content=packed.getvalue(), headers={"content-type": "application/zip"}
            )
        assert answer.status_code == 202, answer.text[:300]

    await asyncio.gather(*(send(bodies[at : at + BULK]) for at in range(0, len(bodies), BULK)))


async def end_to_end(settings: Settings, count: int) -> list[Figure]:
    async with Rig(settings, erp=True) as rig:
        runs = []
        for run in range(RUNS):
            cases = made.cases(count, first=run * count)
            await rig.prepare(cases)
            done = "SELECT count(*) FROM invoices.invoice WHERE state IN ('posted', 'held')"
            before = (await rig.db.rows(done))[0][0]
            started = time.perf_counter()
            await rig._post("/v1/invoices", made.bulk([case.invoice for case in cases], BULK))
            await rig.until(done, before + count)
            runs.append(count / (time.perf_counter() - started))
            await _same_verdicts(rig, cases)
        truth = await rig.vendors.truth("sap_s4hana") if rig.vendors else {"invoices": []}
        posted = (await rig.db.rows("SELECT count(*) FROM invoices.invoice WHERE state = 'posted'"))[0][0]
        assert len(truth["invoices"]) == posted, "what we say is posted stands in the ERP"
    what = "end to end: intake, match, decision, leaf, delivery acknowledged by the ERP simulator in bulk"
    return [_figure("end_to_end", what, runs, "documents/s", None)]


async def matching_core(settings: Settings, count: int) -> list[Figure]:
    runs = [float(bench_core(2.0)["lines_per_second"]) for _ in range(RUNS)]
    return [_figure("matching_core", "matching core alone, full semantics, one core", runs, "lines/s", None)]


async def questions(settings: Settings, count: int) -> list[Figure]:
    async with Rig(settings, erp=False) as rig:
        cases = made.cases(500)
        await rig.prepare(cases)
        await rig._post("/v1/invoices", made.bulk([case.invoice for case in cases], BULK))
        await rig.until("SELECT count(*) FROM invoices.invoice", len(cases))
        ids = [row[0] for row in await rig.db.rows("SELECT invoice_id FROM invoices.invoice")]
        paths = [
            path
            for place, case in enumerate(cases)
            for path in (
                f"/v1/suppliers/{case.invoice.supplier_id}/validation",
                f"/v1/purchase-orders/{case.order.number}",
                f"/v1/invoices/{ids[place]}/status",
            )
        ]
        requests = [
            f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {rig.token}\r\n\r\n".encode()
            for path in paths
        ]
        rates, tails = [], []
        for _ in range(RUNS):
            started = time.perf_counter()
            seconds = await _clients(rig.url, requests * max(1, count // len(requests)), expect=b"HTTP/1.1 200")
            rates.append(len(seconds) / (time.perf_counter() - started))
            tails.append(sorted(seconds)[int(len(seconds) * 0.99)] * 1000)
    return [
        _figure("questions", "supplier validation, order, invoice status; 32 clients", rates, "answers/s", None),
        _figure("questions_p99", "the same, the slowest in a hundred", tails, "ms", None),
    ]


async def backtest(settings: Settings, count: int) -> list[Figure]:
    """A change of policy over `count` invoices of ten lines; reading the same rows of history once is its limit."""
    found = await measure_backtest(settings.home / "bench", count, RUNS)
    what = f"{count} invoices of ten lines, {found.looked_at} decided again, {found.shifts} come out otherwise"
    megabytes = found.memory / 2**20
    return [
        _figure("backtest", what, found.seconds, "s", found.scan_seconds),
        _figure("backtest_ready", "made ready before, once for each invoice", [found.prepared_per_second], "/s", None),
        _figure("backtest_memory", "the most that this process held", [megabytes], "MiB", None),
    ]


async def _clients(url: str, requests: Sequence[bytes], *, expect: bytes) -> list[float]:
    """Send prepared requests over `CLIENTS` connections kept alive; returns the seconds of each. A client of our own,
    because the load generator shares the two cores with what is measured.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    left = iter(requests)
    seconds: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for request in left:
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            assert head.startswith(expect), head[:200]
            seconds.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return seconds


def bare_copy(owner_url: str) -> float:
    """Documents a second that bare COPY writes into the same tables, with the same keys and indexes."""
    total = 0.0
    with psycopg.connect(owner_url, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM invoices.invoice").fetchone()
        assert row is not None
        connection.execute("CREATE SCHEMA IF NOT EXISTS bench_limit")
        for table in TABLES:
            copy_to = f"bench_limit.{table.replace('.', '_')}"
            connection.execute(f"CREATE TABLE {copy_to} (LIKE {table} INCLUDING ALL)".encode())
            with connection.cursor() as cursor:
                where = (
                    " WHERE topic = 'invoice.canonical' OR topic = 'invoice.events'" if table == "bus.message" else ""
                )
                parts: list[bytes] = []
                with cursor.copy(f"COPY (SELECT * FROM {table}{where}) TO STDOUT (FORMAT BINARY)".encode()) as out:
                    parts.extend(bytes(part) for part in out)
                started = time.perf_counter()
                with cursor.copy(f"COPY {copy_to} FROM STDIN (FORMAT BINARY)".encode()) as into:
                    for part in parts:
                        into.write(part)
                total += time.perf_counter() - started
        connection.execute("DROP SCHEMA bench_limit CASCADE")
    return float(row[0]) / total


def _figure(name: str, what: str, runs: Sequence[float], unit: str, limit: float | None) -> Figure:
    value = statistics.median(runs)
    return Figure(
        name,
        what,
        round(value, 1),
        unit,
        round(limit, 1) if limit else None,
        round(value / limit, 3) if limit else None,
        TARGETS.get(name),
        [round(run, 1) for run in runs],
    )


_BENCHES: dict[str, Callable[[Settings, int], Coroutine[Any, Any, list[Figure]]]] = {
    "intake_json": intake_json,
    "intake_ubl": intake_ubl,
    "end_to_end": end_to_end,
    "matching_core": matching_core,
    "questions": questions,
    "backtest": backtest,
}


def bench(settings: Settings, names: Sequence[str], seconds: float, *, json: bool) -> int:
    """Run the named figures (all where none is named), one after the other."""
    chosen = list(names) or list(NAMES)
    unknown = [name for name in chosen if name not in _BENCHES]
    if unknown:
        say(f"No figure {', '.join(unknown)}. There are: {', '.join(_BENCHES)}.")
        return 2
    count = max(BULK * 4, int(seconds * DOCUMENTS_PER_SECOND_OF_BENCH) // BULK * BULK)
    figures: list[Figure] = []
    for name in chosen:
        say(f"{name}: {count} documents, {RUNS} runs ...")
        figures += uvloop.run(_BENCHES[name](settings, count))
    result: dict[str, Any] = {"machine": _machine(), "figures": [msgspec.to_builtins(figure) for figure in figures]}
    if json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
        return 0
    for figure in figures:
        against = f"  {figure.ratio_to_limit:.0%} of the limit {figure.limit:,.0f}" if figure.limit else ""
        target = f"  target {figure.target:,.6g}" if figure.target else ""
        sys.stdout.write(f"{figure.id:15} {figure.value:>12,.1f} {figure.unit}{target}{against}\n")
        sys.stdout.write(f"{'':15} {figure.what}; runs {', '.join(f'{run:,.1f}' for run in figure.runs)}\n")
    return 0


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
