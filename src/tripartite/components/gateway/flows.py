"""What the gateway fetches: polls of each connection's streams, and documents that a thin webhook told of.

These jobs decide nothing and may run twice: what they bring goes through the door, where a twin stops, and a cursor
moves only in the transaction that keeps its page.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

import msgspec

from tripartite.components.gateway import store
from tripartite.components.gateway.intake import Document, Door, Taken
from tripartite.connectors import registry
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import ANSWERS, Answered, Ask
from tripartite.core.ids import digest as digest_of
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection, DatabaseGone
from tripartite.runtime.protocol import HttpFailure, ObjectKind, Pulled

log = logging.getLogger(__name__)
PAGES_PER_POLL = 400  # the next poll goes on where this one stopped
PAGE = 50
MOST_ASKS = 5
ASKS_TOGETHER = 200
ASKS_AT_ONCE = 8  # the others of a batch wait for their turn


async def poll_connections(ports: Ports, door: Door) -> None:
    """Pull every stream of every connection that has any, from where it was left."""
    for configured in ports.estate.connections:
        client = ports.clients.get(configured.name)
        if client is None:
            continue
        for stream in registry.manifest(configured.kind).reads:
            if owns(ports, configured.name, stream):
                await pull_stream(ports, door, configured.name, stream)


# The field group by which an object enters: whoever is its system of record is asked for the object.
_ENTERS_BY = {
    "supplier": "identity",
    "requisition": "content",
    "order": "content",
    "receipt": "content",
    "invoice": "image",
}


def owns(ports: Ports, name: str, kind: str) -> bool:
    """Whether a connection is the system of record of a kind for any of its companies: only the owner's word counts.

    What a bank reports or states is its own word and nobody else's.
    """
    if kind not in _ENTERS_BY:
        return True
    today = ports.clock.now().date()
    for company in ports.estate.companies_of(name):
        found = ports.estate.owner(kind, _ENTERS_BY[kind], company, today)
        if found is not None and found[1].name == name:
            return True
    return False


async def pull_stream(ports: Ports, door: Door, name: str, stream: ObjectKind) -> int:
    """Pull one stream page by page; returns how many documents came."""
    client = ports.clients[name]
    brought = 0
    for _ in range(PAGES_PER_POLL):
        async with ports.db.connection() as connection:
            cursor = await store.pull_cursor(connection, name, stream)
        try:
            with ports.telemetry.span(f"pull {stream}", component="gateway", connection=name):
                page = await client.pull(stream, cursor, PAGE)
        except (HttpFailure, OSError, ValueError) as error:
            log.warning("pull failed", extra={"connection": name, "stream": stream, "error": str(error)[:300]})
            async with ports.db.connection() as connection:
                await store.pull_failed(connection, name, stream, str(error), ports.clock.now())
            return brought
        at, next_cursor = ports.clock.now(), page.cursor

        async def keep(
            connection: Connection, _: Sequence[Taken], known: tuple[str, datetime] = (next_cursor, at)
        ) -> Sequence[Outgoing]:
            await store.keep_cursor(connection, name, stream, *known)
            return ()

        # A poll overlaps the one before on purpose; what it merely repeats is nobody's message and is not kept again.
        digests = [digest_of(item.content) for item in page.items]
        async with ports.db.connection() as connection:
            known = await store.known_digests(connection, name, digests)
        new = [item for item, digest in zip(page.items, digests, strict=True) if digest not in known]
        await door.accept([_document(name, item) for item in new], keep)
        brought += len(new)
        if not page.more:
            break
    return brought


def _document(name: str, item: Pulled) -> Document:
    return Document(
        connection=name,
        content=item.content,
        media_type=item.media_type,
        caller=f"pull:{name}",
        name=item.key,
        kind=item.kind,
    )


class Asked(msgspec.Struct):
    """A question that was put: what it brought, and what is told of it."""

    ask: Ask
    correlation_id: str
    causation_id: str
    as_of: datetime
    brought: list[Document]
    failed: str = ""


async def ask_due(ports: Ports, door: Door) -> None:
    """Put the questions that are owed to the connections that can answer, and tell what came of it: a batch at a time,
    some at once outside, one transaction for all that was answered.
    """
    async with ports.db.connection() as connection:
        due = await store.due_asks(connection, ports.clock.now(), ASKS_TOGETHER)
    if not due:
        return
    turns = asyncio.Semaphore(ASKS_AT_ONCE)

    async def put(row: tuple[bytes, str, str, int]) -> Asked | None:
        async with turns:
            return await _put(ports, *row)

    answered = [each for each in await asyncio.gather(*(put(row) for row in due)) if each is not None]
    try:
        await _keep_answers(ports, door, answered)
    except DatabaseGone:
        raise
    except Exception:
        # One of them cannot be kept: it alone waits for its next turn.
        log.exception("answers cannot be kept together")
        for each in answered:
            await _keep_answers(ports, door, [each])


async def _keep_answers(ports: Ports, door: Door, answered: Sequence[Asked]) -> None:
    if not answered:
        return  # all are asked again when their rows are due

    async def told(connection: Connection, taken: Sequence[Taken]) -> Sequence[Outgoing]:
        await store.asked(
            connection, [(each.ask.company_code, each.ask.question, each.ask.reference) for each in answered]
        )
        messages, at = [], 0
        for each in answered:
            own = taken[at : at + len(each.brought)]
            at += len(each.brought)
            messages.append(_answer(ports, each, sum(one.disposition != "duplicate" for one in own)))
        return messages

    await door.accept([document for each in answered for document in each.brought], told)


async def _put(ports: Ports, payload: bytes, correlation_id: str, causation_id: str, attempts: int) -> Asked | None:
    """Put one question to every connection that can answer it. None: nobody answered, and it may be asked again."""
    ask = codec.decode_own(payload, Ask)
    asked = Asked(ask, correlation_id, causation_id, ports.clock.now(), [], "no connection can answer this")
    failures: list[str] = []
    for configured in ports.estate.connections:
        client = ports.clients.get(configured.name)
        if client is None or configured.role not in ask.roles or not configured.serves(ask.company_code):
            continue
        if ask.question not in registry.manifest(configured.kind).asks:
            continue
        asked.failed = ""
        try:
            with ports.telemetry.span(
                f"ask {ask.question}", component="gateway", connection=configured.name, reference=ask.reference
            ):
                found = await client.ask(ask.question, ask.parameters)
        except (HttpFailure, OSError, ValueError) as error:
            failures.append(f"{configured.name}: {error}")
            continue
        asked.brought.extend(_document(configured.name, item) for item in found)
    if failures and not asked.brought and attempts < MOST_ASKS:
        return None
    asked.failed = asked.failed or "; ".join(failures)[:500]
    return asked


def _answer(ports: Ports, asked: Asked, found: int) -> Outgoing:
    ask = asked.ask
    answer = Answered(ask.company_code, ask.question, ask.reference, asked.as_of, found, asked.failed)
    return Outgoing(
        ANSWERS,
        Message(
            message_id=ports.ids.new("msg"),
            type="tripartite.question.answered.v1",
            company_code=ask.company_code,
            key=ask.reference,
            correlation_id=asked.correlation_id,
            causation_id=asked.causation_id,
            occurred_at=asked.as_of,
            payload=codec.encode(answer),
        ),
    )


async def fetch_due(ports: Ports, door: Door) -> None:
    """Fetch the documents that webhooks told of."""
    async with ports.db.connection() as connection:
        due = await store.due_fetches(connection, ports.clock.now(), 200)
    for name, kind, key, version, attempts in due:
        client = ports.clients.get(name)
        if client is None:
            continue
        row = (name, kind, key, version)
        try:
            with ports.telemetry.span(f"fetch {kind}", component="gateway", connection=name, key=key):
                pulled = await client.fetch(kind, key)  # type: ignore[arg-type]
        except (HttpFailure, OSError, ValueError) as error:
            log.warning(
                "fetch failed", extra={"connection": name, "key": key, "attempts": attempts, "error": str(error)[:300]}
            )
            continue

        async def done(
            connection: Connection, _: Sequence[Taken], row: tuple[str, str, str, str] = row
        ) -> Sequence[Outgoing]:
            await store.fetched(connection, [row])
            return ()

        await door.accept([_document(name, pulled)] if pulled is not None else [], done)


async def keep_asking(ports: Ports, door: Door) -> None:
    """Put questions and fetch documents as they fall due, until cancelled: people wait for these."""
    while True:
        try:
            await ask_due(ports, door)
            await fetch_due(ports, door)
        except DatabaseGone:
            await ports.clock.sleep(0.5)
        except Exception:
            log.exception("asking failed")
            await ports.clock.sleep(1.0)
        await ports.clock.sleep(0.25)
