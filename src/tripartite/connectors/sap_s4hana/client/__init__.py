"""Talks to SAP S/4HANA. `posting` says what each answer to a write means, `reading` reads, `transport` carries the
credentials and the CSRF token, `batch` and `feeds` are the pure parts: the frame of `$batch`, the place in a stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tripartite.connectors.sap_s4hana.client.posting import INVOICES, Posting
from tripartite.connectors.sap_s4hana.client.reading import Reading
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


class SapClient:
    """One connection, as the protocol wants it; each part does its own."""

    def __init__(self, connection: Connection, ports: ClientPorts) -> None:
        self._connection = connection
        self._transport = Transport(connection, ports, f"{INVOICES}/")
        self._reading = Reading(self._transport, connection.settings)
        self._posting = Posting(connection, ports, self._transport, self._reading)

    def __repr__(self) -> str:
        return f"SapClient({self._connection.name})"

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        return await self._posting.submit(items)

    async def probe(self, item: Outbound) -> ProbeAnswer:
        return await self._posting.probe(item)

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
