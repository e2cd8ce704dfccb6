"""`tripartite load`: day zero. Suppliers, open orders with what was received and billed, and what was booked before.

The files go in by parts, each in one transaction, against the estate's database; no vendor is called. A load that was
stopped is started again with the same files: what was taken in is a duplicate then. Exit 0 where every row was applied
or known, 1 where rows were rejected, 2 where a file cannot be read as what it should be.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec
import psycopg
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tripartite.cli.ingest import COMPONENTS, FINDINGS, GOOD, USAGE, at_rest
from tripartite.cli.load_files import FileWrong, parts_of
from tripartite.cli.loading import Loader, Outcome
from tripartite.cli.running import Running, load, say
from tripartite.core.day_zero import Kind
from tripartite.core.estate import Estate
from tripartite.core.policy import Pack
from tripartite.runtime.settings import Settings

SHOWN = 20  # rejections named on the screen; the report has all


class Loaded(msgspec.Struct, kw_only=True):
    """What became of one file. `rejections` are all rows that were not taken, with line, column and reason."""

    path: str
    kind: str
    digest: str
    rows: int = 0
    applied: int = 0
    duplicate: int = 0
    rejected: int = 0
    parts: int = 0
    seconds: str = "0"
    rows_per_second: int = 0
    rejections: list[Outcome] = []

    def count(self, outcomes: Sequence[Outcome]) -> None:
        self.parts += 1
        self.rows += len(outcomes)
        self.applied += sum(each.disposition == "applied" for each in outcomes)
        self.duplicate += sum(each.disposition == "duplicate" for each in outcomes)
        refused = [each for each in outcomes if each.disposition == "rejected"]
        self.rejected += len(refused)
        self.rejections = [*self.rejections, *refused] if refused else self.rejections


def run_load(
    settings: Settings, files: Sequence[tuple[Kind, Path]], source: str, as_of: date | None, *, json: bool
) -> int:
    """Load the files in this order. Errors: `NotReady` where the estate cannot run."""
    estate, pack = load(settings.estate)
    known = [each.name for each in estate.connections]
    chosen = source or _owner_of_suppliers(estate)
    if chosen not in known:
        say(f"{chosen or 'Nobody'} is no connection of {estate.name}. Name one by --source: {', '.join(known)}.")
        return USAGE
    for kind, path in files:
        try:
            next(parts_of(path, kind, known, most=1), None)
        except (OSError, FileWrong) as error:
            say(f"{path}: {error}. Nothing was loaded.")
            return USAGE
    done = uvloop.run(_run(settings, estate, pack, files, chosen, as_of))
    ok = not any(each.rejected for each in done)
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode({"ok": ok, "files": done}), indent=2).decode() + "\n")
    else:
        _show(done)
    return GOOD if ok else FINDINGS


def _owner_of_suppliers(estate: Estate) -> str:
    """The connection that owns the supplier master: whose numbers a file has that does not say otherwise."""
    owners = {row.owner for row in estate.owners if row.object == "supplier" and row.fields in ("*", "identity")}
    named = [each.name for each in estate.connections if each.name in owners or each.role in owners]
    return named[0] if len(named) == 1 else ""


async def _run(
    settings: Settings,
    estate: Estate,
    pack: Pack,
    files: Sequence[tuple[Kind, Path]],
    source: str,
    as_of: date | None,
) -> list[Loaded]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    done: list[Loaded] = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=sum(path.stat().st_size for _, path in files) or 1)
        folder = settings.estate.resolve().parent
        async with Running(
            settings, estate, pack, only=COMPONENTS, connect=False, http=False, folder=folder
        ) as running:
            for kind, path in files:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                report = Loaded(path=str(path), kind=kind, digest=digest)
                loader = Loader(running.process.ports, kind, source, path.name, digest, as_of)
                began = time.monotonic()
                for part in parts_of(path, kind, [each.name for each in estate.connections]):
                    report.count(await loader.take(part))
                    said = f"{kind}: {report.rows:,} rows, {report.rejected:,} rejected"
                    progress.update(task, advance=len(part.content), description=said)
                progress.update(task, description=f"{kind}: the components follow")
                await at_rest(running)
                took = time.monotonic() - began
                report.seconds = f"{took:.2f}"
                report.rows_per_second = round(report.rows / took) if took else 0
                done.append(report)
            progress.update(task, description="the database counts what it has")
            await asyncio.to_thread(_analyze, running.urls.owner)
    return done


def _analyze(owner_url: str) -> None:
    """Have the planner know the tables as they are: with what it believed of empty ones the first day would crawl."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(
            "ANALYZE invoices.opening_line, invoices.billed_before, invoices.purchase_order, invoices.releasable, "
            "invoices.supplier, orders.purchase_order, suppliers.supplier, gateway.xref"
        )


def _show(done: Sequence[Loaded]) -> None:
    for each in done:
        say(
            f"{each.path}: {each.rows:,} rows of {each.kind}: {each.applied:,} applied, {each.duplicate:,} known, "
            f"{each.rejected:,} rejected, in {each.seconds} s."
        )
        for one in each.rejections[:SHOWN]:
            place = f"line {one.line}" + (f", {one.column}" if one.column else "")
            say(f"  {place}: {one.reason_code}: {one.detail}")
        if each.rejected > SHOWN:
            say(f"  and {each.rejected - SHOWN:,} more; --json has all of them.")
