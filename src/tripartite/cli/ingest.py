"""`tripartite ingest`: files, folders and archives through the gateway's own door, and what became of each.

The gateway, the owners and the matching run in this process against the estate's database; no vendor is called, so what
follows for an ERP stays owed (`intended`) until `tripartite up` runs. Exit 0 where everything was applied or is a known
twin, 1 where something was refused or set aside, 2 where there is nothing to read.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tripartite.cli.estate import ESTATE_FILE, baseline_files
from tripartite.cli.running import Running, load, say
from tripartite.components.gateway.app import door_of
from tripartite.components.gateway.archives import MEMBER, media_type, opened
from tripartite.components.gateway.intake import Document, Taken
from tripartite.core.estate import Estate
from tripartite.core.events import CANONICAL, RECEIVED
from tripartite.core.ids import stable_id
from tripartite.core.policy import Pack
from tripartite.runtime.bus import Consumer
from tripartite.runtime.db import Database
from tripartite.runtime.settings import Settings

GOOD, FINDINGS, USAGE = 0, 1, 2
FINE = ("applied", "duplicate")
LARGEST_FILE = 64_000_000  # bytes; what an HTTP body may have, too
TOGETHER_DOCUMENTS, TOGETHER_BYTES = 100, 8_000_000  # of one commit at the door
ROUNDS = 3  # received -> canonical -> the owner's word: each round reads what the one before published
PATIENCE_SECONDS = 60.0  # without any movement
COMPONENTS = ("gateway", "suppliers", "orders", "receipts", "invoices", "control")


class Named(msgspec.Struct, frozen=True):
    """The kind of an object and its number in the document's own words; both empty where nothing was read."""

    kind: str = ""
    key: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file. `state` and `reason_codes` are of the invoice it became, where it became one."""

    path: str
    digest: str
    format: str = ""
    disposition: str
    reason_code: str = ""
    pointer: str = ""
    object: Named = Named()
    detail: str = ""
    dropped: tuple[str, ...] = ()
    intake_id: str = ""
    first_intake_id: str = ""
    company_code: str = ""
    correlation_id: str = ""
    state: str = ""
    reason_codes: tuple[str, ...] = ()


class _Put(msgspec.Struct, frozen=True):
    """A file on its way: where it lay, and its receipt from the door; or what stopped it before the door."""

    path: str
    taken: Taken | None = None
    entry: Entry | None = None


def ingest(settings: Settings, paths: Sequence[Path], connection: str, *, json: bool) -> int:
    """Take in every file below `paths` for a document connection and print what became of each.

    Waits until each disposition is final. In a folder, files whose name begins with a dot are left out.
    Errors: `NotReady` where the estate cannot run.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(_files(path))
        if not found:
            say(f"{path}: no such file, and no folder with files in it.")
            return USAGE
        files.extend(found)
    unreadable = [path for path in files if not os.access(path, os.R_OK)]
    if unreadable:
        say("\n".join(f"{path}: it may not be read." for path in unreadable))
        return USAGE
    estate, pack, folder = _estate(settings)
    configured = estate.connection(connection)
    if configured is None or configured.role != "documents":
        there = [each.name for each in estate.connections if each.role == "documents"]
        say(f"{connection!r} is no document connection of {estate.name}. There are: {', '.join(there) or 'none'}.")
        return USAGE
    entries = uvloop.run(_run(settings, estate, pack, folder, files, connection))
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode({"files": entries}), indent=2).decode() + "\n")
    else:
        _show(entries)
    return GOOD if all(entry.disposition in FINE for entry in entries) else FINDINGS


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        for each in path.rglob("*"):
            inner = each.relative_to(path).parts
            if each.is_file() and not any(part.startswith(".") for part in inner):
                yield each


def _estate(settings: Settings) -> tuple[Estate, Pack, Path]:
    """The estate to take documents in for; where none was made yet, the development estate of `tripartite init`."""
    if settings.estate.exists() or settings.estate != Settings().estate:
        return (*load(settings.estate), settings.estate.resolve().parent)
    folder = settings.home / "estate"
    if not (folder / ESTATE_FILE).exists():
        (folder / "policy").mkdir(parents=True, exist_ok=True)
        for name, text in baseline_files().items():
            (folder / "policy" / name).write_text(text, encoding="utf-8")
        template = resources.files("tripartite") / "cli" / "templates" / ESTATE_FILE
        (folder / ESTATE_FILE).write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    say(
        f"No estate here ({settings.estate}): the development estate in {folder} is used. `tripartite init` writes one."
    )
    return (*load(folder / ESTATE_FILE), folder)


async def _run(
    settings: Settings, estate: Estate, pack: Pack, folder: Path, files: Sequence[Path], connection: str
) -> list[Entry]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=len(files))
        async with Running(
            settings, estate, pack, only=COMPONENTS, connect=False, http=False, folder=folder
        ) as running:
            progress.update(task, description="taking in")
            puts: list[_Put] = []
            for part in _parts(files, connection):
                puts.extend(await _put(running, part))
                progress.update(task, advance=len({path for path, _ in part}))
            progress.update(task, description="deciding")
            await at_rest(running)
            return await _entries(running.process.db, puts)


# Taking in


def _parts(files: Sequence[Path], connection: str) -> Iterator[list[tuple[str, Document | Entry]]]:
    """The files in commits of bounded size, read as they are needed: a folder may be larger than the memory."""
    part: list[tuple[str, Document | Entry]] = []
    size = 0
    for path in files:
        if len(part) >= TOGETHER_DOCUMENTS or size >= TOGETHER_BYTES:
            yield part
            part, size = [], 0
        name = _printable(str(path))
        if path.stat().st_size > LARGEST_FILE:
            part.append((name, _too_large(path, name)))
            continue
        content = path.read_bytes()
        size += len(content)
        part.append(
            (
                name,
                Document(
                    connection=connection,
                    content=content,
                    media_type=media_type(content),
                    caller="cli:ingest",
                    name=_printable(path.name),
                ),
            )
        )
    if part:
        yield part


def _printable(text: str) -> str:
    """A file name as text: names that are not UTF-8 lose the odd bytes, here and nowhere else."""
    return os.fsencode(text).decode("utf-8", "replace")


def _too_large(path: Path, name: str) -> Entry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Entry(
        path=name,
        digest=digest,
        disposition="rejected",
        reason_code="intake.too_large",
        pointer="/",
        detail=f"{path.stat().st_size} bytes; at most {LARGEST_FILE} are taken. The bytes were not kept.",
    )


async def _put(running: Running, part: Sequence[tuple[str, Document | Entry]]) -> list[_Put]:
    """Carry files to the door; an archive brings its members. A gzip file is one document and goes by its own name."""
    documents: list[Document] = []
    shown: list[str] = []  # the path each document is told under; empty: an archive that opened
    puts: list[_Put] = []
    for path, each in part:
        if isinstance(each, Entry):
            puts.append(_Put(path, entry=each))
            continue
        for document in await asyncio.to_thread(opened, each):
            documents.append(document)
            member = document.name.partition(MEMBER)[2] if document.name != each.name else ""
            zipped = member and each.media_type == "application/zip"
            shown.append("" if document.archive else f"{path}{MEMBER}{member}" if zipped else path)
    taken = await door_of(running.process.ports).accept(documents)
    puts.extend(_Put(path, taken=receipt) for path, receipt in zip(shown, taken, strict=True) if path)
    return puts


# Waiting


async def at_rest(running: Running) -> None:
    """Return when everything that was published so far, and what followed from it, has been read by every consumer.

    Others may be at work in the same database: only what was there when a round began is waited for.
    """
    process = running.process
    consumers = [each for component in process.components for each in component.consumers(process.ports)]
    for _ in range(ROUNDS):
        rows = await process.db.rows("SELECT topic, partition, head FROM bus.head")
        marks = {(topic, partition): head for topic, partition, head in rows}
        before, since = -1, time.monotonic()
        while unread := await _unread(process.db, consumers, marks):
            if unread != before:
                before, since = unread, time.monotonic()
            elif time.monotonic() - since > PATIENCE_SECONDS:
                say(f"{unread} messages were not read within {PATIENCE_SECONDS:.0f} s; they are kept and go on later.")
                return
            await asyncio.sleep(0.03)


async def _unread(db: Database, consumers: Sequence[Consumer], marks: Mapping[tuple[str, str], int]) -> int:
    """How many messages up to these marks are still unread by some consumer."""
    rows = await db.rows("SELECT consumer, topic, partition, position FROM bus.cursor")
    position = {(consumer, topic, partition): place for consumer, topic, partition, place in rows}
    return sum(
        max(0, head - position.get((consumer.name, topic, partition), 0))
        for consumer in consumers
        for (topic, partition), head in marks.items()
        if consumer.topic == topic
    )


# What became of it


async def _entries(db: Database, puts: Sequence[_Put]) -> list[Entry]:
    ids = {put.taken.intake_id for put in puts if put.taken}
    ids |= {put.taken.first_intake_id for put in puts if put.taken and put.taken.first_intake_id}
    rows = await db.rows(
        """SELECT intake_id, disposition, reason_code, pointer, detail, format, object_kind, object_key, company_code,
        correlation_id, first_intake_id, dropped FROM gateway.intake WHERE intake_id = ANY(%s)""",
        (sorted(ids),),
    )
    intakes = {row[0]: row[1:] for row in rows}
    aside = await _set_aside(db, intakes)
    found = await db.rows(
        "SELECT invoice_id, state, reason_codes FROM invoices.invoice WHERE invoice_id = ANY(%s)",
        ([stable_id("inv", intake_id) for intake_id in sorted(ids)],),
    )
    invoices = {row[0]: (row[1], tuple(row[2])) for row in found}
    entries = []
    for put in puts:
        if put.entry is not None:
            entries.append(put.entry)
        elif put.taken is not None:
            entries.append(_entry(put.path, put.taken, intakes, aside, invoices))
    return entries


async def _set_aside(db: Database, intakes: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Intakes whose message a consumer could not take in: intake id -> (reason code, detail)."""
    messages = {
        stable_id("msg", topic, intake_id): intake_id
        for intake_id in intakes
        for topic in (RECEIVED, *CANONICAL.values())
    }
    rows = await db.rows(
        "SELECT message_id, reason_code, detail FROM bus.quarantine WHERE message_id = ANY(%s)", (sorted(messages),)
    )
    return {messages[row[0]]: (row[1], row[2]) for row in rows}


def _entry(
    path: str,
    taken: Taken,
    intakes: Mapping[str, Any],
    aside: Mapping[str, tuple[str, str]],
    invoices: Mapping[str, tuple[str, tuple[str, ...]]],
) -> Entry:
    disposition, reason, pointer, detail = intakes[taken.intake_id][:4]
    first = intakes[taken.intake_id][9]
    of = first or taken.intake_id  # a twin tells of the document it repeats
    format_, kind, key, company, correlation = intakes[of][4:9]
    state, codes = invoices.get(stable_id("inv", of), ("", ()))
    if of in aside and not first:
        disposition, pointer = "quarantined", "/"
        reason, detail = aside[of]
    return Entry(
        path=path,
        digest=taken.digest,
        format=format_,
        disposition=disposition,
        reason_code=reason,
        pointer=pointer,
        object=Named(kind, key),
        detail=detail,
        dropped=tuple(intakes[of][10]),
        intake_id=taken.intake_id,
        first_intake_id=first,
        company_code=company,
        correlation_id=correlation,
        state=state,
        reason_codes=codes,
    )


def _show(entries: Sequence[Entry]) -> None:
    """The table for people, and its sum."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    table = Table(show_edge=False, pad_edge=False)
    for column in ("File", "Is", "Number", "Became", "Why, and where"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        why = f"{entry.reason_code} {entry.pointer}".strip() if entry.reason_code else ""
        became = entry.disposition
        if entry.state:
            became, why = f"{became}, {entry.state}", why or ", ".join(entry.reason_codes)
        table.add_row(*(_plain(text) for text in (entry.path, entry.format, entry.object.key, became, why)))
    console.print(table)
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.disposition] = counts.get(entry.disposition, 0) + 1
    console.print(f"{len(entries)} documents: " + ", ".join(f"{count} {what}" for what, count in counts.items()))


def _plain(text: str) -> Any:
    """A stranger's words shown as words: no markup, no control characters."""
    from rich.text import Text

    return Text("".join(mark if mark.isprintable() else "\ufffd" for mark in text))
