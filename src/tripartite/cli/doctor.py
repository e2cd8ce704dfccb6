"""`tripartite doctor`: this machine, the database, the estate and every connection, each line with what to do next.

It looks and changes nothing: where no database was made yet it tries one in a temporary folder and removes it, and a
connection is asked something harmless. Exit 0 where nothing fails (warnings may stand), 1 where something does.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import psycopg
import uvloop
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console
from rich.text import Text

from tripartite.cli.estate import known_kinds, read_estate, read_pack
from tripartite.cli.running import COMPONENTS
from tripartite.connectors import registry
from tripartite.connectors.documents.worker import COMMAND
from tripartite.core.estate import Connection, Estate, check_estate
from tripartite.core.policy import Pack, check_pack
from tripartite.runtime.db import UNBOUND
from tripartite.runtime.parsing import ParsingPool
from tripartite.runtime.postgres import EmbeddedPostgres, PostgresUnavailable, binaries
from tripartite.runtime.process import RUNTIME_MIGRATIONS, Connectors, Process, Urls, open_database
from tripartite.runtime.protocol import Raw, Unreadable
from tripartite.runtime.secrets import SecretMissing, Secrets, mask
from tripartite.runtime.settings import Settings

GOOD, FINDINGS = 0, 1
OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRES = 150_000
DISK_LOW_BYTES, DISK_NONE_BYTES = 5_000_000_000, 500_000_000
CHECK_SECONDS = 10.0
SKEW_SECONDS = 2.0
Level = Literal["ok", "warn", "fail"]


class Line(msgspec.Struct, frozen=True):
    """One thing looked at: how it is, in a sentence, and what to do next where something is to be done."""

    what: str
    level: Level
    words: str
    next: str = ""


def examine(settings: Settings, *, json: bool) -> int:
    """Look at everything and print a line for each. Exit 0 where nothing fails, 1 where something does."""
    lines: list[Line] = []
    for part in (_machine, _home, _database, _parser):
        lines.extend(_guarded(part, settings))
    lines.extend(_of_estate(settings))
    ok = all(line.level != "fail" for line in lines)
    if json:
        sys.stdout.write(
            msgspec.json.format(msgspec.json.encode({"ok": ok, "checks": lines}), indent=2).decode() + "\n"
        )
    else:
        _show(lines)
    return GOOD if ok else FINDINGS


def _guarded(part: Callable[[Settings], Iterator[Line]], settings: Settings) -> Iterator[Line]:
    """A look that itself goes wrong is a line too: the others are still made."""
    try:
        yield from part(settings)
    except Exception as error:
        what = part.__name__.strip("_")
        yield Line(what, "fail", f"The look itself failed: {_said(error)}", "Report this line; it is a fault of ours.")


# The machine


def _machine(settings: Settings) -> Iterator[Line]:
    version = platform.python_version()
    if sys.version_info >= OLDEST_PYTHON:
        yield Line("python", "ok", f"Python {version} on {platform.system()} {platform.machine()}.")
    else:
        yield Line(
            "python", "fail", f"Python {version} is too old.", "Install Python 3.11 or later, then `make setup`."
        )
    if settings.database_url:
        yield Line("programs", "ok", "The embedded PostgreSQL is not needed: a database is given.")
        return
    try:
        folder = binaries()
        told = subprocess.run(
            [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=True, timeout=20
        )
        yield Line("programs", "ok", f"{told.stdout.strip()} in {folder}.")
    except (PostgresUnavailable, OSError, subprocess.SubprocessError) as error:
        advice = "Run `make setup`, or give a PostgreSQL 15 or later by TRIPARTITE_DATABASE_URL."
        yield Line("programs", "fail", f"The embedded PostgreSQL does not run: {_said(error)}", advice)


def _home(settings: Settings) -> Iterator[Line]:
    home = settings.home.resolve()
    there = next(place for place in (home, *home.parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        advice = "Make it writable for this user, or set TRIPARTITE_HOME to another folder."
        yield Line("home", "fail", f"{there} may not be written to.", advice)
        return
    yield Line("home", "ok", f"{home} {'is' if home.exists() else 'will be made; its parent is'} writable.")
    free = shutil.disk_usage(there).free
    words = f"{free / 1e9:.1f} GB are free at {there}."
    if free < DISK_NONE_BYTES:
        yield Line("disk", "fail", words, "Free some space: a database that cannot write stops.")
    elif free < DISK_LOW_BYTES:
        yield Line("disk", "warn", words, "Free some space before the next month end.")
    else:
        yield Line("disk", "ok", words)
    for name in ("postgres.secrets", "audit.key"):
        file = home / name
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Line(name, "fail", f"{file} may be read by others.", f"chmod 600 {file}")


# The database


def _database(settings: Settings) -> Iterator[Line]:
    made = bool(settings.database_url) or _cluster(settings.home).exists()
    if not made:
        yield _trial()
        return
    try:
        urls, server = open_database(settings)
    except PostgresUnavailable as error:
        yield Line(
            "database", "fail", _said(error), "Look into server.log in the database's folder; free space; restart."
        )
        return
    try:
        yield from _served(urls)
    finally:
        if server is not None:
            server.stop()


def _cluster(home: Path) -> Path:
    """Where the embedded cluster of a home lies; started as root it may lie elsewhere than in the home itself."""
    return EmbeddedPostgres(home).data / "PG_VERSION" if home.exists() else home / "postgres" / "PG_VERSION"


def _trial() -> Line:
    """No database yet: whether one could be made here, tried out in a folder that goes away again."""
    with tempfile.TemporaryDirectory(prefix="tripartite-doctor-") as folder:
        Path(folder).chmod(0o755)  # so that the unprivileged user the server runs as may walk into it
        server = EmbeddedPostgres(Path(folder))
        try:
            server.start()
            with psycopg.connect(server.url()) as connection:
                version = connection.execute("SHOW server_version").fetchone()
        except (PostgresUnavailable, psycopg.Error, OSError) as error:
            advice = "Give a PostgreSQL 15 or later by TRIPARTITE_DATABASE_URL, or settle what it says."
            return Line("database", "fail", f"An embedded PostgreSQL cannot be made here: {_said(error)}", advice)
        finally:
            server.stop()
            server.shut_down()  # where it was launched and then could not be used
    words = f"None yet. PostgreSQL {version[0] if version else ''} was tried in a temporary folder and runs here."
    return Line("database", "ok", words, "`tripartite up`, `ingest` or `demo` makes it.")


def _served(urls: Urls) -> Iterator[Line]:
    yield from _seen_by_worker(urls)
    yield from _serving(urls)


def _serving(urls: Urls) -> Iterator[Line]:
    """The role that serves people: there, and bound by row security."""
    if not urls.serving:
        words = "No role is named that serves people and outside callers; `tripartite up` will not start without."
        yield Line("row security", "fail", words, f"As an administrator: {_MAKE_SERVING}")
        return
    try:
        with psycopg.connect(urls.serving, connect_timeout=10, autocommit=True) as connection:
            found = connection.execute(UNBOUND.encode()).fetchone()
            who = connection.info.user
    except psycopg.Error as error:
        words = f"The role that serves people may not come in: {_said(error)}"
        yield Line("row security", "fail", words, f"As an administrator: {_MAKE_SERVING}")
        return
    if found is not None:
        words = f"{who} serves people, and row security does not bind it: {found[1]}."
        yield Line("row security", "fail", words, f"Give it a role of its own. As an administrator: {_MAKE_SERVING}")
    else:
        yield Line("row security", "ok", f"{who} serves people and sees the caller's companies only.")


_MAKE_SERVING = (
    "CREATE ROLE tripartite_serving LOGIN PASSWORD '...'; then name it in TRIPARTITE_DATABASE_SERVING_URL. "
    "It needs no right: the next start gives it what it may read."
)


def _seen_by_worker(urls: Urls) -> Iterator[Line]:
    try:
        with psycopg.connect(urls.worker, connect_timeout=10, autocommit=True) as connection:
            yield from _worker_sees(connection, owner=conninfo_to_dict(urls.owner).get("user"))
    except psycopg.Error as error:
        advice = "Is it running, and are host, user and password in TRIPARTITE_DATABASE_URL right?"
        yield Line("database", "fail", f"It does not answer: {_said(error)}", advice)
        return
    try:
        with psycopg.connect(urls.owner, connect_timeout=10, autocommit=True) as connection:
            yield _migrations(connection)
    except psycopg.Error as error:
        advice = "Name the owner of the schemas in TRIPARTITE_DATABASE_OWNER_URL."
        yield Line("migrations", "fail", f"The owner of the schemas may not come in: {_said(error)}", advice)


def _worker_sees(connection: psycopg.Connection, *, owner: object) -> Iterator[Line]:
    found = connection.execute(
        """SELECT current_setting('server_version_num')::int, current_setting('server_version'),
        current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
        (SELECT rolbypassrls FROM pg_roles WHERE rolname = current_user), clock_timestamp()"""
    ).fetchone()
    assert found is not None, "a SELECT without FROM gives a row"
    number, version, fsync, pages, commit, superuser, bypasses, at = found
    if number < OLDEST_POSTGRES:
        yield Line("database", "fail", f"PostgreSQL {version} is too old.", "Use PostgreSQL 15 or later.")
    else:
        yield Line("database", "ok", f"PostgreSQL {version} answers.")
    unsafe = [
        name
        for name, value in (("fsync", fsync), ("full_page_writes", pages), ("synchronous_commit", commit))
        if value == "off"
    ]
    if unsafe:
        words = f"{', '.join(unsafe)} is off: what was acknowledged may be lost when the machine stops."
        yield Line("durability", "fail", words, f"Set {' and '.join(unsafe)} to on in postgresql.conf.")
    else:
        yield Line("durability", "ok", f"fsync and full_page_writes are on, synchronous_commit is {commit}.")
    if superuser:
        advice = "Give TRIPARTITE_DATABASE_URL a role of its own, and the owner by TRIPARTITE_DATABASE_OWNER_URL."
        yield Line("role", "warn", "The worker comes in as a superuser: no rule of the database binds it.", advice)
    elif not bypasses and owner != connection.info.user:
        words = (
            f"Row security hides every row from {connection.info.user}; workers take the company from the partition."
        )
        advice = f'As an administrator: ALTER ROLE "{connection.info.user}" BYPASSRLS. Or give DATABASE_URL the owner.'
        yield Line("role", "fail", words, advice)
    off = abs((datetime.now(UTC) - at).total_seconds())
    if off > SKEW_SECONDS:
        advice = "Let both machines take the time from the same source (NTP)."
        yield Line("clock", "fail", f"This machine and the database are {off:.1f} s apart.", advice)
    else:
        yield Line("clock", "ok", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC here; the database agrees.")


def _migrations(connection: psycopg.Connection) -> Line:
    there = connection.execute("SELECT to_regclass('runtime.migration') IS NOT NULL").fetchone()
    rows = connection.execute("SELECT component, number FROM runtime.migration") if there and there[0] else ()
    known = {(row[0], row[1]) for row in rows}
    sets = [*RUNTIME_MIGRATIONS, *(component.migrations for component in COMPONENTS.values())]
    wanted = {(each.component, number): name for each in sets for number, name, _ in each.files()}
    pending = [
        f"{component}/{name}" for (component, number), name in wanted.items() if (component, number) not in known
    ]
    newer = sorted(f"{component}/{number:04d}" for component, number in known - set(wanted))
    if newer:
        advice = "Update this installation: another one has brought the database further."
        return Line(
            "migrations", "warn", f"The database knows {', '.join(newer)}, which this release does not.", advice
        )
    if pending:
        return Line(
            "migrations", "warn", f"{len(pending)} to run: {', '.join(pending[:6])}.", "The next start runs them."
        )
    return Line("migrations", "ok", f"All {len(wanted)} are in.")


# Parsers


_SAMPLE = b"""<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
<cbc:ID>1</cbc:ID><cbc:IssueDate>2026-01-31</cbc:IssueDate>
<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode></Invoice>"""


def _parser(settings: Settings) -> Iterator[Line]:
    async def read() -> object:
        pool = ParsingPool(COMMAND, workers=1)
        try:
            return (await pool.read_many([("", Raw(_SAMPLE, "application/xml"))]))[0]
        finally:
            await pool.close()

    answer = uvloop.run(read())
    if isinstance(answer, Unreadable):
        advice = "Look at the limits of this machine (memory, processes); run `make setup` again."
        yield Line("parsers", "fail", f"A sub-process could not read a plain invoice: {answer.detail}", advice)
    else:
        count = settings.parser_workers
        yield Line(
            "parsers",
            "ok",
            f"A limited sub-process reads documents; {count} of them {'is' if count == 1 else 'are'} used.",
        )


# The estate and its connections


def _of_estate(settings: Settings) -> Iterator[Line]:
    path = settings.estate
    if not path.exists():
        yield Line(
            "estate", "warn", f"There is no {path}.", "`tripartite init` writes one; TRIPARTITE_ESTATE names another."
        )
        return
    try:
        estate, text = read_estate(path)
        pack = read_pack(estate, path) if isinstance(estate, Estate) else None
    except (OSError, ValueError) as error:
        yield Line("estate", "fail", _said(error), f"`tripartite check {path}` shows the place.")
        return
    if not isinstance(estate, Estate) or not isinstance(pack, Pack):
        wrong = [str(entry) for part in (estate, pack) if isinstance(part, list) for entry in part]
        words = f"{len(wrong)} rows cannot be read, the first: {wrong[0]}"
        yield Line("estate", "fail", words, f"`tripartite check {path}` shows all of it.")
        return
    severities = [found.severity for found in check_estate(estate, known_kinds(), text)]
    severities += [spoken.severity for spoken in check_pack(pack, estate)]
    errors, warnings = severities.count("error"), severities.count("warning")
    words = f"{estate.name}: {len(estate.companies)} companies, {len(estate.connections)} connections; "
    words += f"{errors} errors, {warnings} warnings; policy {pack.name} {pack.release}."
    level: Level = "fail" if errors else "warn" if warnings else "ok"
    yield Line("estate", level, words, "" if level == "ok" else f"`tripartite check {path}` shows all of it.")
    yield from _zones(estate)
    yield from uvloop.run(_connections(settings, estate, pack, path.resolve().parent))


def _zones(estate: Estate) -> Iterator[Line]:
    """Business dates and SLA hours are counted in a company's own time zone: its table must be here."""
    for name in sorted({company.time_zone for company in estate.companies}):
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            advice = "Install the system's time zone data (package tzdata)."
            yield Line("time zone", "fail", f"This machine does not know {name}.", advice)


async def _connections(settings: Settings, estate: Estate, pack: Pack, folder: Path) -> list[Line]:
    """Ask every connection at the same time: one that is silent costs its time-out once."""
    return list(
        await asyncio.gather(*(_connection(settings, estate, pack, folder, each) for each in estate.connections))
    )


async def _connection(settings: Settings, estate: Estate, pack: Pack, folder: Path, configured: Connection) -> Line:
    what = f"connection {configured.name}"
    if not configured.base_url:
        return Line(what, "ok", f"{configured.kind}: takes documents by file and upload; nobody is called.")
    secrets = Secrets(folder)
    missing = [
        reason for reason in (_missing(secrets, reference) for reference in configured.secrets.values()) if reason
    ]
    if missing:
        advice = "Set what it names in the environment of this process, or write the file."
        return Line(what, "fail", f"{configured.kind}: {'; '.join(missing)}.", advice)
    alone = msgspec.structs.replace(estate, connections=(configured,))
    try:
        # The client is made as `tripartite up` makes it, so that the same rules for outbound calls are tried out.
        process = Process(
            (), settings, alone, pack, Urls("", ""), Connectors(registry.manifest, registry.connect), secrets=secrets
        )
        client = process.clients[configured.name]
        try:
            sentence = await asyncio.wait_for(client.check(), CHECK_SECONDS)
        finally:
            await client.close()
    except TimeoutError:
        words = f"{configured.kind}: no answer within {CHECK_SECONDS:.0f} s from {configured.base_url}."
        return Line(what, "fail", words, "Is the system up, and may this machine reach it?")
    except Exception as error:
        # Whatever a client stumbles over concerns this connection alone, and the person who set it up.
        words = f"{configured.kind}: {_said(error)}"
        return Line(
            what, "fail", words, f"Compare base_url, settings and secrets with docs/connectors/{configured.kind}.md."
        )
    # A client that answers that it is not usable has told of a failure in its own words.
    level: Level = "fail" if "not usable" in sentence else "ok"
    return Line(what, level, mask(sentence), "" if level == "ok" else "Settle what it says, then look again.")


def _missing(secrets: Secrets, reference: str) -> str:
    try:
        secrets.resolve(reference)
    except SecretMissing as missing:
        return str(missing)
    return ""


# Telling


def _said(error: Exception) -> str:
    """An error in one masked line: messages of drivers may hold what was typed into a URL."""
    text = " ".join(str(error).split()) or type(error).__name__
    return mask(text)[:400]


_MARKS: Mapping[Level, tuple[str, str]] = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}


def _show(lines: Sequence[Line]) -> None:
    console = Console(soft_wrap=True)
    width = max(len(line.what) for line in lines)
    for line in lines:
        mark, colour = _MARKS[line.level]
        console.print(Text.assemble((mark, colour), f"  {line.what:{width}}  {line.words}"))
        if line.next and line.level != "ok":
            console.print(Text(f"{'':{width + 6}}  -> {line.next}"))
    failed = sum(line.level == "fail" for line in lines)
    warned = sum(line.level == "warn" for line in lines)
    console.print(f"{len(lines)} looked at: {failed} fail, {warned} warn.")
