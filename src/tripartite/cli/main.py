"""The front door: `tripartite COMMAND`. Each command's work stands in a file of its own beside this one.

Results go to standard output (one JSON document with `--json`), progress and advice to standard error. Exit status:
0 good, 1 findings, 2 usage or input error.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
import uvloop
from cyclopts import App, Parameter

from tripartite.cli import audit as audit_command
from tripartite.cli import estate as estate_command
from tripartite.cli.policy import policy
from tripartite.cli.running import COMPONENTS, NotReady, Running, load, say
from tripartite.connectors import registry
from tripartite.core.day_zero import Kind
from tripartite.runtime.db import NotBound
from tripartite.runtime.postgres import PostgresUnavailable
from tripartite.runtime.process import open_database
from tripartite.runtime.settings import Settings, load_settings
from tripartite.runtime.telemetry import configure_logging

app = App(
    name="tripartite",
    help="Keeps procurement, accounts payable and ERP in agreement, and proves it.",
    version_flags=["--version"],
)
audit = App(name="audit", help="The audit log: verify it, take evidence away.")
connector = App(name="connector", help="The vendors and their powers; a simulator on a port.")
token = App(name="token", help="Tokens of machines that call the API: make one, revoke them.")
app.command(audit)
app.command(token)
app.command(connector)
app.command(policy)

Json = Annotated[bool, Parameter(name="--json", negative="", help="one JSON document on standard output")]


def _settings() -> Settings:
    settings = load_settings()
    configure_logging(level=settings.log_level, lines=settings.log_format == "json")
    return settings


@app.command
def demo(
    *,
    headless: Annotated[bool, Parameter(negative="", help="play the story to rest, check everything, exit")] = False,
    invoices: Annotated[int, Parameter(help="documents of the story (headless)")] = 200,
    seed: int = 1,
    json: Annotated[Path | None, Parameter(help="where the report goes (headless)")] = None,
    stop: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="down for a part of it: coupa, sap, capture, tax, warehouse, bank"),
    ] = (),
) -> int:
    """The reference story on a simulated estate: Coupa, capture suite, SAP S/4HANA, warehouse, AvaTax, bank, console.

    Brings up an embedded database and the simulators, plays requisitions, orders, receipts, invoices and payments with
    some going wrong on purpose, and tells how to sign in. With --headless it compares what was planned with what came
    about; --stop may be said several times, and the outcome must be the same.
    """
    from tripartite.cli import demo as demo_command
    from tripartite.cli import demo_report, outages

    settings = msgspec.structs.replace(load_settings(), log_format="text")
    configure_logging(level="ERROR", lines=False)
    if unknown := sorted(set(stop) - set(outages.SYSTEMS)):
        say(f"There is no system {', '.join(unknown)}; there are {', '.join(outages.SYSTEMS)}.")
        return 2
    if not headless:
        uvloop.run(demo_command.live(settings, seed))
        return 0
    result = uvloop.run(demo_command.headless(settings, invoices, seed, json, stop))
    demo_report.show(result)
    return 0 if result["ok"] else 1


@app.command
def up(
    *,
    workers: Annotated[int, Parameter(help="further processes that consume and deliver")] = 0,
    only: Annotated[tuple[str, ...], Parameter(show=False)] = (),
) -> int:
    """Run an estate: every component, the deliveries, the schedules and the HTTP server, in one process.

    The estate is TRIPARTITE_ESTATE (estate.toml here); `tripartite init` writes one to begin with. Workers share the
    work by locked cursors; one that dies loses nothing.
    """
    settings = _settings()
    estate, pack = load(settings.estate)

    async def run() -> None:
        async with Running(settings, estate, pack, only=only, folder=settings.estate.resolve().parent) as running:
            others = [subprocess.Popen([sys.executable, "-m", "tripartite", "work"]) for _ in range(workers)]
            say(f"Tripartite serves {estate.name} on http://{settings.host}:{settings.port}; stop with Ctrl-C.")
            await running.process.wait_for_signal()
            for other in others:
                other.terminate()
            for other in others:
                await asyncio.to_thread(other.wait, 20)

    uvloop.run(run())
    return 0


@app.command
def work() -> int:
    """Run a further worker of an estate that is up: it consumes and delivers, without HTTP server and schedules."""
    settings = _settings()
    estate, pack = load(settings.estate)

    async def run() -> None:
        folder = settings.estate.resolve().parent
        async with Running(settings, estate, pack, http=False, background=False, folder=folder) as running:
            await running.process.wait_for_signal()

    uvloop.run(run())
    return 0


@app.command
def serve(component: str) -> int:
    """Run one component alone against the same database: gateway, suppliers, orders, receipts, invoices, ..."""
    if component not in COMPONENTS:
        say(f"No component {component!r}. There are: {', '.join(COMPONENTS)}.")
        return 2
    return up(only=(component,))


@app.command
def init(directory: Path = Path()) -> int:
    """Write a commented estate and a policy pack to begin with."""
    return estate_command.init(directory)


@app.command
def check(path: Path = Path(), *, json: Json = False) -> int:
    """Prove an estate and its policy complete and consistent."""
    return estate_command.check(path, json=json)


@app.command
def doctor(*, json: Json = False) -> int:
    """Look at this machine, the database and every connection, and say what to do about what is wrong."""
    from tripartite.cli.doctor import examine

    return examine(_settings(), json=json)


@app.command
def ingest(
    *paths: Path,
    connection: Annotated[str, Parameter(help="the document connection of the estate")] = "einvoice",
    json: Json = False,
) -> int:
    """Take documents in through the gateway: files, folders, archives. Prints what became of each."""
    from tripartite.cli.ingest import ingest as run

    if not paths:
        say("Name files or folders to take in.")
        return 2
    return run(_settings(), list(paths), connection, json=json)


@app.command(name="load")
def load_files(
    *,
    suppliers: Annotated[Path | None, Parameter(help="one row a supplier")] = None,
    orders: Annotated[Path | None, Parameter(help="open orders, one row a line, with received and billed")] = None,
    history: Annotated[Path | None, Parameter(help="invoices that were booked before, one row each")] = None,
    source: Annotated[str, Parameter(help="the connection whose supplier numbers the files have")] = "",
    as_of: Annotated[date | None, Parameter(help="the day up to which received and billed are counted")] = None,
    json: Json = False,
) -> int:
    """Day zero: take over suppliers, open orders and what was billed before, from CSV or JSON lines.

    The columns stand in docs/day-zero.md. The same file again changes nothing.
    """
    from tripartite.cli.load import run_load

    named: list[tuple[Kind, Path | None]] = [("supplier", suppliers), ("order", orders), ("history", history)]
    files = [(kind, path) for kind, path in named if path is not None]
    if not files:
        say("Name a file: --suppliers, --orders or --history.")
        return 2
    return run_load(_settings(), files, source, as_of, json=json)


@app.command
def match(*paths: Path, json: Json = False, explain: bool = False) -> int:
    """Match cases in the MatchBench format, offline and without a database; prints verdicts and the score.

    With --explain, what would clear each finding, who may do it, and what would be wrong.
    """
    from tripartite.cli.match import match as run

    return run(list(paths), json=json, explain=explain)


@app.command(name="replay-log")
def replay_log(folder: Path, json: Json = False, seed: int = 7) -> int:
    """Play a real process log (BPI Challenge 2019) through the match; how blocks and holds agree, per category."""
    from tripartite.cli.replay_log import run

    return run(folder, json=json, seed=seed)


@app.command
def bench(*names: str, json: Json = False, seconds: float = 10.0) -> int:
    """Measure: intake (JSON, UBL), end to end, the matching core, questions; each with its limit from the same run."""
    from tripartite.cli.bench import bench as run

    configure_logging(level="ERROR", lines=False)
    return run(load_settings(), list(names), seconds, json=json)


@app.command(name="asyncapi")
def describe_events() -> int:
    """Print the AsyncAPI description of the events that subscribers get, as JSON."""
    from tripartite.core.contracts.asyncapi import asyncapi

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(asyncapi()), indent=2).decode() + "\n")
    return 0


@app.command(name="dead-letters")
def dead_letters(*, json: Json = False) -> int:
    """What was set aside, why, since when, and the money it holds up."""
    from tripartite.cli.letters import listed

    return listed(_settings(), json=json)


@app.command
def replay(
    *keys: str,
    everything: Annotated[bool, Parameter(name="--all", negative="")] = False,
    reason: Annotated[str, Parameter(help="everything that was set aside for this reason code")] = "",
    connection: Annotated[str, Parameter(help="deliveries to this connection")] = "",
    consumer: Annotated[str, Parameter(help="messages that this consumer could not take in")] = "",
    topic: Annotated[str, Parameter(help="messages of this topic")] = "",
) -> int:
    """Let what was set aside go its way again, after the cause is gone: deliveries by key, messages by id.

    Name them, or a query (its words narrow one another), or --all. A delivery keeps its key: sent twice it is done
    once. A message is taken in by the consumer that could not, and by no other. Received bytes are not replayed here.
    """
    from tripartite.cli.letters import Query, replayed

    query = Query(reason=reason, connection=connection, consumer=consumer, topic=topic)
    return replayed(_settings(), keys, everything=everything, query=query)


@token.command(name="create")
def token_create(
    name: str,
    *,
    permission: Annotated[tuple[str, ...], Parameter(help="what it may, e.g. metrics.read; may be repeated")] = (),
    company: Annotated[tuple[str, ...], Parameter(help="for which company codes; none: all")] = (),
    days: Annotated[int, Parameter(help="how long it is good; 0: until it is revoked")] = 0,
) -> int:
    """Make a bearer token for a machine. It is printed once and cannot be read again."""
    from tripartite.cli.tokens import created

    return created(_settings(), name, permission, company, days)


@token.command(name="revoke")
def token_revoke(name: str) -> int:
    """Revoke every token of this name."""
    from tripartite.cli.tokens import revoked

    return revoked(_settings(), name)


@audit.command(name="verify")
def audit_verify(*, json: Json = False, key: tuple[str, ...] = ()) -> int:
    """Recompute the whole log: every leaf, every tile, every checkpoint and signature."""
    settings = load_settings()
    urls, server = open_database(settings)
    try:
        return audit_command.verify(urls.owner, json=json, key=key)
    finally:
        if server is not None:
            server.stop()


@audit.command(name="export")
def audit_export(out: Path, *, correlation: tuple[str, ...] = (), object_id: tuple[str, ...] = ()) -> int:
    """Write evidence that the separate verifier checks offline: the whole log, or what is named."""
    settings = load_settings()
    urls, server = open_database(settings)
    try:
        return audit_command.export(urls.owner, out=out, correlation=correlation, object_id=object_id)
    finally:
        if server is not None:
            server.stop()


@connector.command(name="list")
def connector_list(*, json: Json = False) -> int:
    """Every connector with what it reads, asks and writes."""
    rows = [msgspec.to_builtins(registry.manifest(kind)) for kind in registry.kinds()]
    if json:
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
        return 0
    for row in rows:
        sys.stdout.write(f"{row['kind']:14} {row['title']}\n")
        for what in ("reads", "asks", "writes"):
            sys.stdout.write(f"{'':14}   {what:7} {', '.join(row[what]) or '-'}\n")
    return 0


@connector.command(name="simulate")
def connector_simulate(kind: str, *, port: int = 20100, seed: int = 0, setting: tuple[str, ...] = ()) -> int:
    """Run a vendor's simulator on a port. Faults: POST /_sim/faults; what it holds: GET /_sim/truth."""
    from tripartite.rehearsal.simulators import Spec, serve

    if kind not in registry.kinds():
        say(f"No connector {kind!r}. There are: {', '.join(registry.kinds())}.")
        return 2
    given = dict(each.partition("=")[::2] for each in setting)
    say(f"{kind} answers on http://127.0.0.1:{port}; stop with Ctrl-C.")
    uvloop.run(serve([Spec(kind, port, given, seed)]))
    return 0


def run() -> None:
    """The console script."""
    try:
        sys.exit(app(result_action="return_value"))
    except NotReady as trouble:
        say(str(trouble))
        sys.exit(2)
    except NotBound as trouble:
        say(str(trouble))
        sys.exit(2)
    except PostgresUnavailable as trouble:
        say(f"{trouble}\nGive a PostgreSQL 15 or later by TRIPARTITE_DATABASE_URL, or run `tripartite doctor`.")
        sys.exit(2)
