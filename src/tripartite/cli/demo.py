"""`tripartite demo`: the story on a simulated estate, with the real product in between.

The simulators run in a process of their own and speak the vendors' protocols over HTTP; Tripartite runs here with its
database, bus, deliveries and console. `--headless` plays a story to rest, compares what was planned with what came
about, checks every invariant against the simulators' own truth, and writes a report.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tripartite.cli.estate import baseline_files
from tripartite.cli.running import Running, load, say
from tripartite.connectors.simulating import Fault
from tripartite.core.estate import Estate
from tripartite.rehearsal.checkers import Seen, check_all
from tripartite.rehearsal.scenario import SECOND_WAVE, DocumentPlan, Story, plan
from tripartite.rehearsal.simulators import Spec
from tripartite.rehearsal.vendors import Vendors
from tripartite.rehearsal.world import World
from tripartite.runtime.auth import create_account, create_token
from tripartite.runtime.db import Database
from tripartite.runtime.settings import Settings

KINDS = ("coupa", "capture", "sap_s4hana")
MACHINE = ("intake.write", "intake.read", "invoice.write", "invoice.read", "exception.read", "lineage.read")
PERSON = (
    *("console.read", "invoice.read", "order.read", "receipt.read", "supplier.read", "exception.read", "intake.read"),
    *("lineage.read", "delivery.read", "estate.read", "trace.read", "audit.read", "raw.read", "payment.read"),
    # The demo's reader acts for accounts payable and the buyers, within what the policy lets these teams release.
    *("hold.release", "approval.decide", "invoice.refuse", "exception.work", "role.ap", "role.buyer"),
)
SECRETS = {
    "TRIPARTITE_COUPA_CLIENT_ID": "coupa-client",
    "TRIPARTITE_COUPA_CLIENT_SECRET": "coupa-secret",
    "TRIPARTITE_CAPTURE_CLIENT_ID": "tripartite",
    "TRIPARTITE_CAPTURE_CLIENT_SECRET": "capture-secret",
    "TRIPARTITE_CAPTURE_WEBHOOK_SECRET": "demo-webhook-secret",
    "TRIPARTITE_SAP_PASSWORD": "bench",
    "TRIPARTITE_ACME_CLIENT_ID": "unused",
    "TRIPARTITE_ACME_CLIENT_SECRET": "unused",
    "TRIPARTITE_ACME_WEBHOOK_SECRET": "unused",
}
REST_SECONDS = 240.0  # a story that has not come to rest by then has failed


def free_port() -> int:
    """A port of this machine that is free now, below those that clients are given."""
    for port in range(20_200, 32_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port between 20200 and 32000")


def demo_estate(folder: Path, ports: dict[str, int]) -> Path:
    """Write the estate of the demo: the one that `tripartite init` writes, with the simulators' ports."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "policy").mkdir(parents=True)
    text = (resources.files("tripartite") / "cli" / "templates" / "estate.toml").read_text(encoding="utf-8")
    for kind, port in (("coupa", 20110), ("capture", 20120), ("sap_s4hana", 20130)):
        text = text.replace(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{ports[kind]}")
    # Simulated systems answer at once or not at all: the demo need not wait as long as for real ones.
    quick = 'timeout_seconds = "{}", commit_latency_seconds = "4"'
    for known, further in (
        ('erp_connection = "sap"', 'overlap_seconds = "10"'),
        ('supplier_numbers_from = "coupa"', f'{quick.format(5)}, overlap_seconds = "10"'),
        ('username = "TRIPARTITE"', quick.format(3)),
    ):
        assert text.count(known) == 1, f"the template says {known} once"
        text = text.replace(known, f"{known}, {further}")
    (folder / "estate.toml").write_text(text, encoding="utf-8")
    for name, content in baseline_files().items():
        # The story begins on day zero: accounts that are paid already are taken over; every change is called back.
        day_zero = content.replace('first_account = "confirm"', 'first_account = "taken_over"')
        (folder / "policy" / name).write_text(day_zero, encoding="utf-8")
    return folder


class Stage(msgspec.Struct):
    """Everything of a demo that is up."""

    running: Running
    vendors: Vendors
    estate: Estate
    token: str
    url: str

    @property
    def db(self) -> Database:
        return self.running.process.db


@asynccontextmanager
async def staged(settings: Settings, seed: int) -> AsyncIterator[Stage]:
    """Bring up the simulators and an empty Tripartite; both are gone afterwards."""
    home = settings.home / "demo"
    _forget(home)
    ports: dict[str, int] = {}
    for kind in KINDS:
        ports[kind] = free_port() if not ports else _next_free(max(ports.values()))
    port = settings.port if _is_free(settings.port) else _next_free(max(ports.values()))
    estate, pack = load(demo_estate(home / "estate", ports))
    vendors = Vendors(
        [
            Spec("coupa", ports["coupa"], {}, seed),
            Spec(
                "capture",
                ports["capture"],
                {
                    "webhook_url": f"http://127.0.0.1:{port}/v1/webhooks/capture",
                    "webhook_secret": SECRETS["TRIPARTITE_CAPTURE_WEBHOOK_SECRET"],
                },
                seed,
            ),
            Spec("sap_s4hana", ports["sap_s4hana"], {}, seed),
        ]
    )
    await vendors.start()
    try:
        own = msgspec.structs.replace(settings, home=home, port=port)
        async with Running(own, estate, pack, secrets=SECRETS) as running:
            async with running.process.db.connection() as connection:
                token = await create_token(connection, name="suppliers", permissions=MACHINE)
            yield Stage(running, vendors, estate, token.reveal(), f"http://127.0.0.1:{port}")
    finally:
        await vendors.stop()


def _forget(home: Path) -> None:
    """Begin with nothing: an earlier demo's database is stopped and removed."""
    from tripartite.runtime.postgres import EmbeddedPostgres

    if (home / "postgres").exists():
        EmbeddedPostgres(home).shut_down()
    shutil.rmtree(home, ignore_errors=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _next_free(after: int) -> int:
    return next(port for port in range(after + 1, 32_000) if _is_free(port))


# Playing


async def play(stage: Stage, story: Story, *, tell: Any = say) -> dict[int, str]:
    """Play a story to rest; returns the intake ids of the documents that were sent straight to us."""
    world = World(story, stage.vendors, stage.estate, stage.url, stage.token)
    first = [each for each in story.documents if each.trouble not in SECOND_WAVE]
    second = [each for each in story.documents if each.trouble in SECOND_WAVE]
    late = [each for each in first if each.trouble == "late_order"]
    try:
        await world.masters()
        await rest(stage.db, suppliers=len(story.suppliers))
        tell(f"{len(story.suppliers)} suppliers known")
        await world.orders([each for each in first if each not in late])
        await rest(stage.db)
        tell(f"{len(first) - len(late)} orders and their receipts known")
        await _some_answers_lost(stage, len(story.documents))
        intakes = await world.invoices(first)
        await rest(stage.db, documents=len(first))
        tell(f"{len(first)} documents decided; late receipts, late orders, twins, repeats and credits follow")
        await world.orders(late)
        await world.late_receipts(first)
        intakes |= await world.invoices(second)
        await rest(stage.db, documents=len(story.documents))
        await stage.vendors.faults("sap_s4hana", [])
        await rest(stage.db, documents=len(story.documents))
    finally:
        await world.close()
    return intakes


async def _some_answers_lost(stage: Stage, count: int) -> None:
    """The ERP commits and does not answer, answers 503 after committing, asks to come later: a known share of calls."""
    calls = max(1, count // 400)
    await stage.vendors.faults(
        "sap_s4hana",
        [
            Fault("batch|post_invoice", "commit_then_hang", times=calls),
            Fault("batch|post_invoice", "reply.429", times=calls, retry_after=1.0),
            Fault("batch|post_invoice", "commit_then_5xx", times=calls),
            Fault("batch|post_invoice", "commit_then_hang", times=calls, rate=0.2),
        ],
    )


async def rest(db: Database, *, suppliers: int = 0, documents: int = 0, quiet_seconds: float = 4.5) -> None:
    """Wait until nothing moves any more: nothing unread, nothing owed, nothing asked, and no poll brings more.

    Errors: `TimeoutError` with what was still moving.
    """
    deadline = time.monotonic() + REST_SECONDS + documents * 0.05
    still = time.monotonic()
    before: Any = None
    while True:
        now = await _moving(db)
        if now != before:
            before, still = now, time.monotonic()
        busy = any(now[:4]) or now[5] < suppliers or now[6] < documents
        if not busy and time.monotonic() - still >= quiet_seconds:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"the story does not come to rest: {now}")
        await asyncio.sleep(0.2)


async def _moving(db: Database) -> tuple[int, ...]:
    """(unread messages, owed deliveries, questions, unread documents, messages, suppliers, documents)."""
    rows = await db.rows(
        """SELECT (SELECT coalesce(sum(h.head - coalesce(c.position, 0)), 0)::bigint FROM bus.head h
            JOIN (SELECT DISTINCT consumer, topic FROM bus.cursor) k ON k.topic = h.topic
            LEFT JOIN bus.cursor c ON c.consumer = k.consumer AND c.topic = h.topic AND c.partition = h.partition),
        (SELECT count(*) FROM deliveries.delivery WHERE mode = 'act'
            AND state IN ('intended', 'sending', 'waiting', 'unknown', 'accepted')),
        (SELECT count(*) FROM gateway.ask) + (SELECT count(*) FROM gateway.fetch),
        (SELECT count(*) FROM gateway.intake WHERE disposition = 'waiting'),
        (SELECT coalesce(sum(head), 0)::bigint FROM bus.head),
        (SELECT count(*) FROM suppliers.supplier),
        (SELECT count(*) FROM invoices.invoice)
            + (SELECT count(*) FROM gateway.intake WHERE disposition = 'rejected')"""
    )
    return tuple(rows[0])


# The report


async def outcomes(stage: Stage, story: Story, intakes: dict[int, str]) -> list[dict[str, Any]]:
    """For every planned document: what was planned, what came about."""
    by_intake = {
        row[0]: row[1:]
        for row in await stage.db.rows("SELECT intake_id, state, reason_codes, number FROM invoices.invoice")
    }
    by_source = {
        row[0]: row[1:]
        for row in await stage.db.rows(
            "SELECT source_document, state, reason_codes, number FROM invoices.invoice WHERE connection = 'capture'"
        )
    }
    dispositions = {
        row[0]: (row[1], [row[2]], "")
        for row in await stage.db.rows("SELECT intake_id, disposition, reason_code FROM gateway.intake")
    }
    rows = []
    for each in story.documents:
        found = by_source.get(each.document_id) if each.channel == "capture" else None
        if each.channel == "ubl":
            intake = intakes[each.index]
            found = by_intake.get(intake) or dispositions.get(intake)
        rows.append(_outcome(each, found))
    return rows


def _outcome(each: DocumentPlan, found: Any) -> dict[str, Any]:
    state, codes, _ = found if found is not None else ("missing", [], "")
    wanted_state, wanted_code = each.expected
    ok = state == wanted_state and (not wanted_code or wanted_code in codes) and (wanted_code != "" or not codes)
    return {
        "document": each.number,
        "channel": each.channel,
        "scenario": each.trouble,
        "planned": {"state": wanted_state, "reason": wanted_code},
        "actual": {"state": state, "reasons": list(codes)},
        "ok": ok,
    }


async def report(stage: Stage, story: Story, intakes: dict[int, str], seconds: float) -> dict[str, Any]:
    """The report of a headless run, in the shape that machines read."""
    rows = await outcomes(stage, story, intakes)
    await _sealed(stage.db)
    seen = Seen(
        stage.db,
        stage.running.urls.owner,
        await stage.vendors.truth("sap_s4hana"),
        await stage.vendors.truth("coupa"),
        await stage.vendors.truth("capture"),
    )
    checks = await check_all(seen)
    counts: dict[str, dict[str, int]] = {
        "planned": dict(Counter(f"{row['planned']['state']}" for row in rows)),
        "actual": dict(Counter(f"{row['actual']['state']}" for row in rows)),
        "scenario": dict(Counter(row["scenario"] for row in rows)),
    }
    for stage_name, query in (
        ("intake", "SELECT disposition, count(*) FROM gateway.intake GROUP BY 1"),
        ("delivery", "SELECT operation || '.' || state, count(*) FROM deliveries.delivery GROUP BY 1"),
        ("exception", "SELECT reason_code || '.' || state, count(*) FROM control.exception GROUP BY 1"),
        ("attempt", "SELECT act || '.' || answer, count(*) FROM deliveries.attempt GROUP BY 1"),
    ):
        counts[stage_name] = {row[0]: row[1] for row in await stage.db.rows(query)}
    differences = [row for row in rows if not row["ok"]]
    return {
        "ok": not differences and all(check.ok for check in checks),
        "seed": story.seed,
        "counts": counts,
        "outcomes": rows,
        "differences": differences,
        "invariants": [msgspec.to_builtins(check) for check in checks],
        "rates": {"documents_per_second": round(len(rows) / seconds, 1), "seconds": round(seconds, 1)},
        "latency_ms": await latencies(stage.db),
        "calls": {kind: await stage.vendors.calls(kind) for kind in KINDS},
    }


async def _sealed(db: Database) -> None:
    for _ in range(200):
        if (await db.rows("SELECT count(*) FROM audit.pending"))[0][0] == 0:
            return
        await asyncio.sleep(0.05)


async def latencies(db: Database) -> dict[str, dict[str, float]]:
    """From arrival to the first decision, and from the decision to the ERP's answer, in milliseconds."""
    found = {}
    for name, query in (
        (
            "arrival_to_decision",
            """SELECT extract(epoch FROM d.at - i.received_at) * 1000 AS ms FROM invoices.decision d
            JOIN invoices.invoice v USING (invoice_id) JOIN gateway.intake i ON i.intake_id = v.intake_id
            WHERE d.number = 1""",
        ),
        (
            "decision_to_posted",
            """SELECT extract(epoch FROM updated_at - created_at) * 1000 AS ms FROM deliveries.delivery
            WHERE operation = 'post_invoice' AND state = 'settled'""",
        ),
    ):
        rows = await db.rows(
            f"""SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), 0)::float8,
            coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), 0)::float8 FROM ({query}) AS all_of_them"""
        )
        found[name] = {"p50": round(rows[0][0], 1), "p99": round(rows[0][1], 1)}
    return found


async def headless(settings: Settings, count: int, seed: int, out: Path | None) -> dict[str, Any]:
    """Play `count` documents from `seed`, check everything, write the report."""
    started = time.monotonic()
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=False
    ) as progress:
        task = progress.add_task("bringing up the estate", total=None)
        async with staged(settings, seed) as stage:
            story = plan(seed, count, date.today())  # noqa: DTZ011 - the story is told today

            def tell(words: str) -> None:
                progress.update(task, description=words)

            intakes = await play(stage, story, tell=tell)
            tell("checking every outcome and invariant")
            result = await report(stage, story, intakes, time.monotonic() - started)
    if out is not None:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
    return result


def show(result: dict[str, Any]) -> None:
    """The report for people."""
    console = Console(stderr=True)
    table = Table(title="Outcomes", title_justify="left")
    for column in ("Scenario", "Documents", "Planned", "As planned"):
        table.add_column(column, justify="right" if column in ("Documents", "As planned") else "left")
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for row in result["outcomes"]:
        by_kind.setdefault(row["scenario"], []).append(row)
    for kind, rows in by_kind.items():
        planned = rows[0]["planned"]
        table.add_row(
            kind.replace("_", " "),
            str(len(rows)),
            f"{planned['state']} {planned['reason']}".strip(),
            str(sum(row["ok"] for row in rows)),
        )
    console.print(table)
    for row in result["differences"][:10]:
        console.print(f"differs: {row['document']} {row['scenario']}: planned {row['planned']}, came {row['actual']}")
    failed = [check for check in result["invariants"] if not check["ok"]]
    console.print(f"{len(result['invariants']) - len(failed)} of {len(result['invariants'])} invariants hold")
    for check in failed:
        console.print(f"{check['id']} {check['what']}: {check['violations'][:3]}")
    console.print("Everything came as planned." if result["ok"] else "Something did not come as planned.")


async def live(settings: Settings, seed: int) -> None:
    """Bring everything up, tell how to look at it, and keep the story going until stopped."""
    started = time.monotonic()
    async with staged(settings, seed) as stage:
        password = await create_account(stage.db, name="mira", permissions=PERSON, person="Mira Roth")
        say(
            f"\nTripartite is up after {time.monotonic() - started:.1f} s: {stage.url}\n"
            f"  sign in as   mira\n  password     {password.reveal()}   (once; you then choose your own)\n"
            "Simulated: Coupa, a capture suite, SAP S/4HANA. Invoices arrive now; some go wrong on purpose.\n"
            "Stop with Ctrl-C.\n"
        )
        traffic = asyncio.create_task(_keep_playing(stage, seed))
        stopping = asyncio.create_task(stage.running.process.wait_for_signal())
        done, _ = await asyncio.wait({traffic, stopping}, return_when=asyncio.FIRST_COMPLETED)
        traffic.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await traffic
        for task in done:
            task.result()


async def _keep_playing(stage: Stage, seed: int) -> None:
    first = 1
    while True:
        count = 60 if first == 1 else 20
        story = plan(seed + first, count, date.today(), first=first)  # noqa: DTZ011 - the story is told today
        await play(stage, story, tell=lambda words: say(f"  {words}"))
        first += count
        say(f"  {first - 1} documents so far")
        await asyncio.sleep(5)
