"""The door: bytes come in, are kept under their digest, get an id, and wait on the bus to be read. In batches.

Everything that enters goes through `Door.accept`: HTTP, webhooks, pulls and files. Single documents that arrive at the
same time share one transaction (it never waits more than 5 ms to fill). Nothing is acknowledged before its commit.
What already is canonical (our own API) is published as canonical at once; the rest is published as `received`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from tripartite.components.gateway import store
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import CANONICAL, RECEIVED, Received
from tripartite.core.ids import digest as digest_of
from tripartite.core.ids import stable_id
from tripartite.runtime.bus import Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection

FILL_SECONDS = 0.005
MOST_TOGETHER = 500


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes at the door. `canonical` is set where they were read already, `refused` where they go no further."""

    connection: str
    content: bytes
    media_type: str
    caller: str
    name: str = ""
    kind: str = ""  # where the channel says what it is
    canonical: Canonical | None = None
    refused: Refused | None = None
    archive: str = ""  # its form, where these bytes only hold documents that come beside it


class Canonical(msgspec.Struct, frozen=True):
    """A document of our own API, already read and checked; `event` makes the `...Arrived` event of it."""

    kind: str
    key: str
    company_code: str
    partition_key: str
    correlation_id: str
    event: Callable[[str, str], bytes]  # (intake id, digest) -> payload


class Refused(msgspec.Struct, frozen=True):
    """Why bytes go no further than the raw store."""

    reason_code: str
    detail: str
    pointer: str = ""
    disposition: str = "rejected"
    format: str = ""


class Taken(msgspec.Struct, frozen=True, omit_defaults=True):
    """The receipt for bytes taken in."""

    intake_id: str
    digest: str
    disposition: str
    correlation_id: str = ""
    reason_code: str = ""
    detail: str = ""
    pointer: str = ""
    first_intake_id: str = ""
    object_kind: str = ""
    object_key: str = ""


# Runs in the transaction of an acceptance and may add messages: a cursor that moves, a key that is kept.
Beside = Callable[[Connection, Sequence[Taken]], Awaitable[Sequence[Outgoing]]]


class Door:
    """Takes documents in. `run()` commits what single callers bring together; bulk callers commit at once."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._queue: asyncio.Queue[tuple[Document, asyncio.Future[Taken]]] = asyncio.Queue(maxsize=2000)

    async def accept_one(self, document: Document) -> Taken:
        """Take one document in, together with others that come at the same time; returns after the commit."""
        future: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        await self._queue.put((document, future))
        return await future

    async def run(self) -> None:
        """Commit what comes, until cancelled."""
        while True:
            batch = [await self._queue.get()]
            if self._queue.empty():
                await asyncio.sleep(FILL_SECONDS)
            while len(batch) < MOST_TOGETHER and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                taken = await self.accept([document for document, _ in batch])
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), each in zip(batch, taken, strict=True):
                if not future.done():
                    future.set_result(each)

    async def accept(self, documents: Sequence[Document], beside: Beside | None = None) -> list[Taken]:
        """Take documents in, in one transaction; `beside` runs in it too."""
        taken: list[Taken] = []

        async def work(connection: Connection) -> list[Taken]:
            taken[:] = await self._record(connection, documents)
            further = await beside(connection, taken) if beside is not None else ()
            await publish(connection, [*self._messages(documents, taken), *further])
            return taken

        done = await self._ports.db.transaction(work)
        for disposition, count in Counter(each.disposition for each in done).items():
            self._ports.telemetry.documents.labels("intake", disposition).inc(count)
        return done

    async def _record(self, connection: Connection, documents: Sequence[Document]) -> list[Taken]:
        digests = [digest_of(each.content) for each in documents]
        await store.keep_raw(
            connection, [(d, each.content, each.media_type) for d, each in zip(digests, documents, strict=True)]
        )
        intakes = [
            _intake(each, digest, self._ports.ids.new("in")) for each, digest in zip(documents, digests, strict=True)
        ]
        firsts = await store.add_intakes(connection, intakes)
        return [
            Taken(
                intake_id=each.intake_id,
                digest=each.digest,
                disposition="duplicate" if each.intake_id in firsts else each.disposition,
                correlation_id=each.correlation_id,
                reason_code="duplicate.event" if each.intake_id in firsts else each.reason_code,
                detail=each.detail,
                pointer=each.pointer,
                first_intake_id=firsts.get(each.intake_id, ""),
                object_kind=each.object_kind,
                object_key=each.object_key,
            )
            for each in intakes
        ]

    def _messages(self, documents: Sequence[Document], taken: Sequence[Taken]) -> list[Outgoing]:
        now, trace_id = self._ports.clock.now(), self._ports.telemetry.trace_id()
        messages = []
        for document, each in zip(documents, taken, strict=True):
            if document.archive or each.disposition in ("duplicate", "rejected", "quarantined"):
                continue
            canonical = document.canonical
            if canonical is not None:
                topic, kind = CANONICAL[canonical.kind], f"tripartite.{canonical.kind}.received.v1"
                company, key, correlation = canonical.company_code, canonical.partition_key, canonical.correlation_id
                payload = canonical.event(each.intake_id, each.digest)
            else:
                topic, kind = RECEIVED, "tripartite.document.received.v1"
                # Received bytes belong to nobody yet: the connection orders them.
                company, key, correlation = f"@{document.connection}", each.digest, each.intake_id
                payload = codec.encode(
                    Received(
                        each.intake_id,
                        each.digest,
                        document.connection,
                        document.media_type,
                        document.kind,
                        document.name,
                    )
                )
            messages.append(
                Outgoing(
                    topic,
                    Message(
                        message_id=stable_id("msg", topic, each.intake_id),
                        type=kind,
                        company_code=company,
                        key=key,
                        correlation_id=correlation,
                        occurred_at=now,
                        payload=payload,
                        causation_id=each.intake_id,
                        source=document.connection,
                        trace_id=trace_id,
                    ),
                )
            )
        return messages


def _intake(document: Document, digest: str, intake_id: str) -> store.Intake:
    if (refused := document.refused) is not None:
        return store.Intake(
            intake_id=intake_id,
            connection=document.connection,
            digest=digest,
            media_type=document.media_type,
            caller=document.caller,
            name=document.name,
            disposition=refused.disposition,
            reason_code=refused.reason_code,
            pointer=refused.pointer,
            detail=refused.detail[:1000],
            format=refused.format,
        )
    if document.archive:
        return store.Intake(
            intake_id=intake_id,
            connection=document.connection,
            digest=digest,
            media_type=document.media_type,
            caller=document.caller,
            name=document.name,
            disposition="applied",
            format=document.archive,
            object_kind="archive",
            object_key=document.name,
        )
    canonical = document.canonical
    return store.Intake(
        intake_id=intake_id,
        connection=document.connection,
        digest=digest,
        media_type=document.media_type,
        caller=document.caller,
        name=document.name,
        disposition="waiting" if canonical is None else "applied",
        reason_code="" if canonical is not None else "intake.to_be_read",
        format="" if canonical is None else "canonical",
        object_kind=canonical.kind if canonical else document.kind,
        object_key=canonical.key if canonical else "",
        company_code=canonical.company_code if canonical else "",
        correlation_id=canonical.correlation_id if canonical else "",
    )
