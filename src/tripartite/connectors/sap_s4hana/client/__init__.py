"""Talks to SAP S/4HANA. `creating` says what each answer to a write means; `posting`, `ordering` and `moving` write
invoices, orders and receipts; `reading` reads; `transport` carries the credentials and the CSRF token; `batch` and
`feeds` are the pure parts: the frame of `$batch`, the place in a stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tripartite.connectors.sap_s4hana.client.creating import Answers
from tripartite.connectors.sap_s4hana.client.moving import Moving
from tripartite.connectors.sap_s4hana.client.ordering import Publishing
from tripartite.connectors.sap_s4hana.client.posting import INVOICES, Posting
from tripartite.connectors.sap_s4hana.client.reading import Reading
from tripartite.connectors.sap_s4hana.client.releasing import Releasing
from tripartite.connectors.sap_s4hana.client.transport import NotPermitted, NotSent, Transport
from tripartite.runtime.protocol import (
    Answer,
    ClientPorts,
    Connection,
    HttpFailure,
    ObjectKind,
    Outbound,
    Page,
    ProbeAnswer,
    Pulled,
    WebhookEvent,
    WebhookRefused,
)


def connect(connection: Connection, ports: ClientPorts) -> SapClient:
    """A client of one SAP connection. Settings: auth (see transport.py), sap_client, tax_country (`DE`, or
    `1010=DE,2010=FR`), lock_codes, overlap_seconds (300), timeout_seconds (60), batch (`off` posts one by one),
    expand_order and its like (reading.py).
    """
    return SapClient(connection, ports)


class _Writer(Protocol):
    """What writes one kind of document and asks after it."""

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]: ...

    async def probe(self, item: Outbound) -> ProbeAnswer: ...


class SapClient:
    """One connection, as the protocol wants it; each part does its own."""

    def __init__(self, connection: Connection, ports: ClientPorts) -> None:
        self._connection = connection
        self._transport = Transport(connection, ports, f"{INVOICES}/")
        self._reading = Reading(self._transport, connection.settings)
        answers = Answers(connection.settings, ports)
        publishing = Publishing(connection, self._transport, self._reading, answers)
        self._writers: Mapping[str, _Writer] = {
            "post_invoice": Posting(connection, self._transport, self._reading, answers, publishing),
            "publish_order": publishing,
            "record_receipt": Moving(connection, self._transport, self._reading, answers, publishing),
            "release_payment_block": Releasing(self._transport, self._reading, answers),
        }

    def __repr__(self) -> str:
        return f"SapClient({self._connection.name})"

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        """One answer each, in their order; what comes together by operation is written together."""
        answers: dict[int, Answer] = {}
        for operation in dict.fromkeys(item.operation for item in items):
            places = [place for place, item in enumerate(items) if item.operation == operation]
            written = await self._writer(operation).submit([items[place] for place in places])
            answers.update(zip(places, written, strict=True))
        return [answers[place] for place in range(len(items))]

    async def probe(self, item: Outbound) -> ProbeAnswer:
        return await self._writer(item.operation).probe(item)

    def _writer(self, operation: str) -> _Writer:
        assert operation in self._writers, f"{operation} is not an operation of SAP S/4HANA"
        return self._writers[operation]

    async def pull(self, stream: ObjectKind, cursor: str, limit: int) -> Page:
        return await self._reading.pull(stream, cursor, limit)

    async def fetch(self, kind: ObjectKind, key: str) -> Pulled | None:
        return await self._reading.fetch(kind, key)

    async def ask(self, question: str, parameters: Mapping[str, str]) -> tuple[Pulled, ...]:
        return await self._reading.ask(question, parameters)

    async def check(self) -> str:
        """Fetches a CSRF token: proves address, credentials and that the invoice service is active."""
        try:
            await self._transport.renew()
        except (NotSent, NotPermitted, HttpFailure) as error:
            return f"{self._connection.name}: not usable, {error}"
        return f"{self._connection.name}: SAP answers and gives a token for {INVOICES}"

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        raise WebhookRefused("intake.signature_invalid", "SAP S/4HANA is read by polling; it calls no webhook of ours")

    async def close(self) -> None:
        """Nothing is held open: the http port belongs to the caller."""
