"""`tripartite dead-letters` and `tripartite replay`: what was set aside and why, and sending it again.

Three kinds are set aside: deliveries (refused by the other side, or out of tries), messages that a component could not
take in, and received bytes that wait for a mapping or a contract. Deliveries and messages can be replayed from here;
bytes are read again by the gateway.

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
from tripartite.runtime.aside import Asked, ask_again
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
    """A message that one consumer could not take in; its neighbours went on. `gross` is the sum it holds up, where the
    message or its invoice says so; `asked_by` has asked for it again and the consumer has not come to it yet.
    """

    consumer: str
    topic: str
    message_id: str
    type: str
    company_code: str
    object_key: str
    correlation_id: str
    reason_code: str
    detail: str
    since: datetime
    tries: int
    asked_by: str
    currency: str = ""
    gross: str = ""


class Query(msgspec.Struct, frozen=True):
    """What to replay, in words that narrow one another; an empty word says nothing."""

    reason: str = ""
    connection: str = ""
    consumer: str = ""
    topic: str = ""

    def __bool__(self) -> bool:
        return self != Query()

    def takes(self, each: Delivery | Quarantined) -> bool:
        """Whether it speaks of this one. A connection is a delivery's, consumer and topic are a message's."""
        if self.reason and each.reason_code != self.reason:
            return False
        if isinstance(each, Delivery):
            return not self.consumer and not self.topic and self.connection in ("", each.connection)
        return not self.connection and self.consumer in ("", each.consumer) and self.topic in ("", each.topic)


NOTHING = Query()


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


def replayed(settings: Settings, keys: Sequence[str], *, everything: bool, query: Query = NOTHING) -> int:
    """Let deliveries and messages go their way again: by key or id, by query, or all of them.

    What an invoice itself now stands against stays aside. A delivery whose outcome nobody knows is asked for before it
    is sent; its key stays, so doing it twice does it once. A message is taken in by the consumer that could not.
    """
    if bool(keys) + bool(query) + everything != 1:
        say("Name what goes its way again (`tripartite dead-letters` lists it), or a query such as --reason, or --all.")
        return USAGE
    by = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"

    def named(each: Delivery | Quarantined) -> bool:
        name = each.key if isinstance(each, Delivery) else each.message_id
        return everything or name in keys or (bool(query) and query.takes(each))

    async def work(db: Database) -> tuple[list[Delivery], list[Replayed], list[Quarantined], list[Asked]]:
        async def decide(
            connection: Connection,
        ) -> tuple[list[Delivery], list[Replayed], list[Quarantined], list[Asked]]:
            now, chance = Clock().now(), system_random()
            wanted = [each for each in await _deliveries(connection) if named(each)]
            messages = [each for each in await _messages(connection) if named(each)]
            free = {each.key for each in wanted if not each.held_for}
            done = await replay(connection, free, by=by, now=now, chance=chance)
            places = {(each.consumer, each.message_id) for each in messages}
            asked = await ask_again(connection, places, by=by, now=now, chance=chance)
            return wanted, done, messages, asked

        return await db.transaction(decide)

    wanted, done, messages, asked = with_database(settings, work)
    unknown = sorted(set(keys) - {each.key for each in wanted} - {each.message_id for each in messages})
    for key in unknown:
        say(f"{key}: nothing that is set aside.")
    again = {(each.consumer, each.message_id) for each in asked}
    for message in messages:
        if (message.consumer, message.message_id) in again:
            sys.stdout.write(f"{message.message_id} of {message.topic}: {message.consumer} takes it in again\n")
        elif message.asked_by:
            say(f"{message.message_id}: {message.asked_by} has asked for it already.")
        else:
            say(f"{message.message_id} stays: it is no longer on the bus; bring its document again.")
    for each in wanted:
        if each.held_for:
            say(f"{each.key} stays: invoice {each.number} is held for {', '.join(each.held_for)}; settle that first.")
    for one in done:
        what = "is asked for, then sent if it is surely not there" if one.after == "unknown" else "is sent again"
        sys.stdout.write(
            f"{one.key} {one.operation} to {one.connection}: {what} (was {one.before}: {one.reason_code})\n"
        )
    if not wanted and not messages and not keys:
        say("Nothing is set aside." if everything else "Nothing is set aside of which this speaks.")
    if done or asked:
        say("`tripartite up` carries it out.")
    if unknown:
        return USAGE
    return FINDINGS if len(done) < len(wanted) or len(asked) < len(messages) else GOOD


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
        WHERE d.state = ANY(%s) AND d.mode <> 'observe' ORDER BY abs(i.gross) DESC NULLS LAST, d.updated_at, d.key""",
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
        """SELECT q.consumer, q.topic, q.message_id, coalesce(m.type, ''), q.company_code, coalesce(m.key, ''),
            coalesce(m.correlation_id, ''), q.reason_code, q.detail, q.at, q.tries,
            CASE WHEN q.asked_at IS NULL THEN '' ELSE q.asked_by END, coalesce(m.payload, '')
        FROM bus.quarantine q LEFT JOIN bus.message m USING (topic, partition, position)
        WHERE q.replayed_at IS NULL ORDER BY q.at, q.consumer, q.message_id""",
    )
    rows = await found.fetchall()
    sums = await _sums(connection, [(row[5], row[12]) for row in rows])
    names = Quarantined.__struct_fields__
    return tuple(
        Quarantined(**dict(zip(names, (*row[:12], *sum_of), strict=True)))
        for row, sum_of in zip(rows, sums, strict=True)
    )


class _Speaks(msgspec.Struct):
    """What a payload may say of money: the document itself, or an invoice that we know."""

    class Document(msgspec.Struct):
        currency: str = ""
        gross: str = ""

    value: Document | None = None
    invoice_id: str = ""
    object_id: str = ""


async def _sums(connection: Connection, messages: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
    """(currency, sum) that each message, (key, payload), holds up; empty where nobody can say."""
    spoken = [_speaks(payload) for _, payload in messages]
    ids = sorted({name for said in spoken for name in (said.invoice_id, said.object_id) if name})
    found = await execute(
        connection,
        "SELECT invoice_id, currency, coalesce(gross::text, '') FROM invoices.invoice WHERE invoice_id = ANY(%s)",
        (ids,),
    )
    known = {row[0]: (row[1], _plain_amount(row[2])) for row in await found.fetchall()}
    answer = []
    for said in spoken:
        invoice = known.get(said.invoice_id) or known.get(said.object_id)
        own = (said.value.currency, said.value.gross) if said.value and said.value.gross else ("", "")
        answer.append(invoice or own)
    return answer


def _speaks(payload: bytes) -> _Speaks:
    try:
        return msgspec.json.decode(payload, type=_Speaks)
    except msgspec.DecodeError:
        return _Speaks()  # a message may be set aside because it is not even this


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
            (
                each.message_id,
                each.consumer,
                each.type or each.topic,
                each.company_code,
                _since(each.since),
                each.tries,
                f"{each.gross} {each.currency}".strip(),
                f"{each.reason_code} {each.detail}" + (f" (asked for by {each.asked_by})" if each.asked_by else ""),
            )
            for each in aside.messages
        ]
        columns = ("Message", "By", "Is", "Of", "Since", "Tries", "Holds up", "Why")
        _table(console, "Messages not taken in; `tripartite replay MESSAGE` lets one go again", columns, rows)
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
