"""`tripartite dead-letters` and `tripartite replay`: what was set aside and why, and sending it again.

Three kinds are set aside: deliveries (refused by the other side, or out of tries), messages that a component could not
take in, and received bytes that wait for a mapping or a contract. Only deliveries can be replayed from here: a message
or a document goes its way again in the component that reads it, after its cause is gone.

Listing exits 0 where nothing is set aside and 1 where something is; replaying exits 0 where everything that was named
goes its way again, 1 where something stays, 2 where a key is not known.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tripartite.cli.running import COMPONENTS, say
from tripartite.runtime.clock import Clock, system_random
from tripartite.runtime.db import Connection, Database, execute
from tripartite.runtime.process import open_database, prepare_database
from tripartite.runtime.replay import ASIDE, Replayed, replay
from tripartite.runtime.settings import Settings

GOOD, FINDINGS, USAGE = 0, 1, 2
POSTING = "post_invoice"
T = TypeVar("T")


class Delivery(msgspec.Struct, frozen=True):
    """A write that the other side refused, or that ran out of tries. `gross` is the sum it holds up, in `currency`."""

    key: str
    state: str
    operation: str
    object_kind: str
    object_id: str
    number: str
    connection: str
    company_code: str
    reason_code: str
    detail: str
    since: datetime
    attempts: int
    probes: int
    currency: str
    gross: str
    held_for: tuple[str, ...] = ()  # what else stands against the invoice: then it is not sent again


class Quarantined(msgspec.Struct, frozen=True):
    """A message that one consumer could not take in; its neighbours went on."""

    consumer: str
    topic: str
    message_id: str
    object_key: str
    reason_code: str
    detail: str
    since: datetime


class Kept(msgspec.Struct, frozen=True):
    """Received bytes that wait for somebody, under their digest."""

    intake_id: str
    digest: str
    connection: str
    name: str
    format: str
    object_kind: str
    object_key: str
    reason_code: str
    pointer: str
    detail: str
    since: datetime


class Aside(msgspec.Struct, frozen=True):
    """Everything that is set aside."""

    deliveries: tuple[Delivery, ...]
    messages: tuple[Quarantined, ...]
    intake: tuple[Kept, ...]


def listed(settings: Settings, *, json: bool) -> int:
    """Print what is set aside. Exit 0 where there is nothing, 1 where there is."""
    aside = with_database(settings, _aside)
    count = len(aside.deliveries) + len(aside.messages) + len(aside.intake)
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(aside), indent=2).decode() + "\n")
    else:
        _show(aside)
    return FINDINGS if count else GOOD


def replayed(settings: Settings, keys: Sequence[str], *, everything: bool) -> int:
    """Send deliveries again by their keys, or all of them. What the invoice itself now stands against stays aside.

    A delivery whose outcome nobody knows is asked for before it is sent. The key stays: doing it twice does it once.
    """
    if bool(keys) == everything:
        say("Name the keys to send again (`tripartite dead-letters` lists them), or --all.")
        return USAGE
    by = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"

    async def work(db: Database) -> tuple[list[Delivery], list[Replayed]]:
        async def decide(connection: Connection) -> tuple[list[Delivery], list[Replayed]]:
            aside = await _deliveries(connection)
            wanted = [each for each in aside if everything or each.key in keys]
            free = {each.key for each in wanted if not each.held_for}
            done = await replay(connection, free, by=by, now=Clock().now(), chance=system_random())
            return wanted, done

        return await db.transaction(decide)

    wanted, done = with_database(settings, work)
    unknown = sorted(set(keys) - {each.key for each in wanted})
    for key in unknown:
        say(f"{key}: no delivery that is set aside.")
    for each in wanted:
        if each.held_for:
            say(f"{each.key} stays: invoice {each.number} is held for {', '.join(each.held_for)}; settle that first.")
    for one in done:
        what = "is asked for, then sent if it is surely not there" if one.after == "unknown" else "is sent again"
        sys.stdout.write(
            f"{one.key} {one.operation} to {one.connection}: {what} (was {one.before}: {one.reason_code})\n"
        )
    if not wanted and everything:
        say("Nothing is set aside.")
    if done:
        say("`tripartite up` carries it out.")
    if unknown:
        return USAGE
    return FINDINGS if len(done) < len(wanted) else GOOD


def with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run `work` on the database of these settings; the embedded one is started where it does not run already."""
    urls, server = open_database(settings)
    try:
        prepare_database(urls, list(COMPONENTS.values()))

        async def run() -> T:
            db = Database(urls.worker, size=2, name="tripartite cli")
            await db.open()
            try:
                return await work(db)
            finally:
                await db.close()

        return uvloop.run(run())
    finally:
        if server is not None:
            server.stop()


# Looking


async def _aside(db: Database) -> Aside:
    async with db.connection() as connection:
        return Aside(await _deliveries(connection), await _messages(connection), await _intake(connection))


async def _deliveries(connection: Connection) -> tuple[Delivery, ...]:
    found = await execute(
        connection,
        """SELECT d.key, d.state, d.operation, d.object_kind, d.object_id, coalesce(i.number, d.object_id),
            d.connection, d.company_code, d.reason_code, d.detail, d.updated_at, d.attempts, d.probes,
            coalesce(i.currency, ''), coalesce(i.gross::text, ''), coalesce(i.state, ''), coalesce(i.verdict, ''),
            coalesce(i.reason_codes, '{}')
        FROM deliveries.delivery d LEFT JOIN invoices.invoice i ON i.invoice_id = d.object_id
        WHERE d.state = ANY(%s) ORDER BY abs(i.gross) DESC NULLS LAST, d.updated_at, d.key""",
        (list(ASIDE),),
    )
    answer = []
    for *row, gross, state, verdict, codes in await found.fetchall():
        row_of = dict(zip(Delivery.__struct_fields__, row, strict=False))
        held_for = _held_for(row_of["operation"], state, verdict, codes)
        answer.append(Delivery(**row_of, gross=_plain_amount(gross), held_for=held_for))
    return tuple(answer)


def _plain_amount(text: str) -> str:
    """A stored sum (six decimals) without zeros that say nothing; at least two decimals stay."""
    whole, _, part = text.partition(".")
    return f"{whole}.{part.rstrip('0').ljust(2, '0')}" if part else text


def _held_for(operation: str, state: str, verdict: str, codes: Sequence[str]) -> tuple[str, ...]:
    """What stands against booking this invoice now, beside the refusal itself."""
    if operation != POSTING or state in ("to_post", "posted", "") or verdict == "post":
        return ()
    others = tuple(code for code in codes if code.partition(".")[0] != "posting")
    return others or (f"the state {state}",)


async def _messages(connection: Connection) -> tuple[Quarantined, ...]:
    found = await execute(
        connection,
        """SELECT q.consumer, q.topic, q.message_id, coalesce(m.key, ''), q.reason_code, q.detail, q.at
        FROM bus.quarantine q LEFT JOIN bus.message m USING (topic, partition, position)
        WHERE q.replayed_at IS NULL ORDER BY q.at, q.consumer, q.message_id""",
    )
    return tuple(Quarantined(*row) for row in await found.fetchall())


async def _intake(connection: Connection) -> tuple[Kept, ...]:
    found = await execute(
        connection,
        """SELECT intake_id, digest, connection, name, format, object_kind, object_key, reason_code, pointer, detail,
        received_at FROM gateway.intake WHERE disposition = 'quarantined' ORDER BY received_at, intake_id""",
    )
    return tuple(Kept(*row) for row in await found.fetchall())


# Telling


def _show(aside: Aside) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    if aside.deliveries:
        rows: list[Sequence[Any]] = [
            (
                each.key,
                f"{each.state} {each.operation}",
                each.number,
                each.connection,
                _since(each.since),
                each.attempts + each.probes,
                f"{each.gross} {each.currency}".strip(),
                f"{each.reason_code} {each.detail}",
            )
            for each in aside.deliveries
        ]
        columns = ("Delivery", "Is", "Of", "To", "Since", "Tries", "Holds up", "Why")
        _table(console, "Deliveries; `tripartite replay KEY` sends one again", columns, rows)
    if aside.messages:
        rows = [
            (each.message_id, each.consumer, each.topic, _since(each.since), f"{each.reason_code} {each.detail}")
            for each in aside.messages
        ]
        _table(console, "Messages that a component could not take in", ("Message", "By", "On", "Since", "Why"), rows)
    if aside.intake:
        rows = [
            (
                each.intake_id,
                each.connection,
                each.object_key or each.name,
                _since(each.since),
                f"{each.reason_code} {each.pointer} {each.detail}",
            )
            for each in aside.intake
        ]
        _table(console, "Received bytes that wait for somebody", ("Intake", "From", "Is", "Since", "Why"), rows)
    if not (aside.deliveries or aside.messages or aside.intake):
        console.print("Nothing is set aside.")


def _since(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def _table(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("".join(mark if mark.isprintable() else " " for mark in str(value))) for value in row))
    console.print(table)
    console.print()
