"""The whole house on a real database, without a network and without waiting: components, ports, and a pump.

Nothing runs by itself. `pump` lets every consumer read until nothing is unread; `deliver` lets the deliveries of every
connection go out once they are due; `settle` does both until nothing moves. Time moves when a test turns the clock.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from support.clones import Clones
from support.estates import day_zero_pack, development_estate, without_publishing
from support.remote import Remote
from support.times import MORNING, CountedIds, TurnedClock
from tripartite.cli.running import COMPONENTS
from tripartite.components.gateway.app import door_of
from tripartite.components.gateway.handlers import correlation, partition_key
from tripartite.components.gateway.intake import Door
from tripartite.connectors import registry
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.estate import Estate
from tripartite.core.events import (
    CANONICAL,
    InvoiceArrived,
    OrderArrived,
    ReceiptArrived,
    RequisitionArrived,
    SupplierArrived,
)
from tripartite.core.ids import Ids, stable_id
from tripartite.core.objects import Invoice, Order, Receipt, Requisition, Supplier
from tripartite.core.policy import Pack
from tripartite.runtime.aside import retake
from tripartite.runtime.bus import Outgoing, consume_once, publish
from tripartite.runtime.component import Component, Ports
from tripartite.runtime.db import Connection, Database
from tripartite.runtime.deliveries import Deliverer, Timing
from tripartite.runtime.settings import Settings
from tripartite.runtime.telemetry import Telemetry

WORKER = 4711
EVENTS: Mapping[type[Any], tuple[str, type[Any]]] = {
    Supplier: ("supplier", SupplierArrived),
    Requisition: ("requisition", RequisitionArrived),
    Order: ("order", OrderArrived),
    Receipt: ("receipt", ReceiptArrived),
    Invoice: ("invoice", InvoiceArrived),
}
MOST_ROUNDS = 200


async def pump(ports: Ports, components: Iterable[Component]) -> int:
    """Let every consumer read until nothing is unread; how many messages were taken."""
    consumers = [consumer for component in components for consumer in component.consumers(ports)]
    total = 0
    for _ in range(MOST_ROUNDS):
        taken = 0
        for consumer in consumers:
            taken += await consume_once(ports.db, consumer)
        total += taken
        if taken == 0:
            return total
    raise AssertionError("the messages never end")


def arrival(value: Any, source: str = "coupa", *, intake_id: str = "", source_document: str = "") -> Outgoing:
    """A canonical document on the bus, as the gateway publishes it. The same document has the same message id."""
    kind, shape = EVENTS[type(value)]
    company = getattr(value, "company_code", "") or "*"
    intake = intake_id or stable_id("in", kind, source, codec.encode(value).decode())
    further = (
        {"connection": source, "source_document": source_document, "digest": "d" * 64} if kind == "invoice" else {}
    )
    return Outgoing(
        CANONICAL[kind],
        Message(
            message_id=stable_id("msg", CANONICAL[kind], intake),
            type=f"tripartite.{kind}.received.v1",
            company_code=company,
            key=partition_key(value),
            correlation_id=correlation(value, company, intake),
            occurred_at=MORNING,
            payload=codec.encode(shape(value, intake, **further)),
            source=source,
        ),
    )


class House:
    """One test's house."""

    def __init__(
        self,
        clones: Clones,
        name: str,
        home: Path,
        estate: Estate | None = None,
        *,
        ids: Ids | None = None,
        pack: Pack | None = None,
    ) -> None:
        self.clones, self.name = clones, name
        self.urls = clones.urls(name)
        self.clock = TurnedClock()
        self.db = Database(self.urls.worker, size=8, serving=self.urls.serving)
        self.components: Sequence[Component] = tuple(COMPONENTS.values())
        self.remotes: dict[str, Remote] = {each: Remote(each) for each in ("sap", "capture", "coupa", "acme")}
        self.may_set_aside = False
        self.ports = Ports(
            db=self.db,
            clock=self.clock.port(),
            ids=ids or CountedIds(),
            chance=random.Random(7),
            telemetry=Telemetry("tests"),
            settings=Settings(home=home),
            estate=estate or without_publishing(development_estate()),
            pack=pack or day_zero_pack(),
            clients=self.remotes,
        )

    @property
    def sap(self) -> Remote:
        return self.remotes["sap"]

    @property
    def door(self) -> Door:
        return door_of(self.ports)

    # Moving

    async def publish(self, *outgoing: Outgoing) -> None:
        async def work(connection: Connection) -> None:
            await publish(connection, outgoing)

        await self.db.transaction(work)

    async def bring(self, *values: Any, source: str = "coupa", source_document: str = "") -> None:
        """Documents arrive, each in a transaction of its own, and everybody reads."""
        for value in values:
            await self.publish(arrival(value, source, source_document=source_document))
        await self.pump()

    async def bring_invoice(self, value: Invoice, *, source_document: str = "") -> str:
        """An invoice arrives and is decided; its id."""
        source = "capture" if source_document else "api"
        await self.bring(value, source=source, source_document=source_document)
        rows = await self.rows("SELECT invoice_id FROM invoices.invoice ORDER BY sequence DESC LIMIT 1")
        return str(rows[0][0])

    async def pump(self) -> int:
        return await pump(self.ports, self.components)

    async def retake(self) -> int:
        """Every consumer takes what was set aside and asked for again."""
        consumers = [consumer for component in self.components for consumer in component.consumers(self.ports)]
        return await retake(self.db, consumers)

    async def pump_only(self, *names: str) -> int:
        """Only these components read."""
        return await pump(self.ports, [each for each in self.components if each.name in names])

    def deliverer(self, name: str = "sap", *, timing: Timing | None = None, worker: int = WORKER) -> Deliverer:
        kind = next(each.kind for each in self.ports.estate.connections if each.name == name)
        return Deliverer(
            self.db,
            name,
            registry.manifest(kind),
            self.remotes[name],
            worker=worker,
            clock=self.ports.clock,
            chance=self.ports.chance,
            telemetry=self.ports.telemetry,
            timing=timing,
        )

    async def deliver(self, *names: str) -> int:
        """What is due goes out, and what is unknown is asked for, until nothing is due at this time."""
        done = 0
        for name in names or ("sap", "capture", "acme"):
            deliverer = self.deliverer(name)
            while taken := await deliverer.once():
                done += taken
        return done

    async def settle(self) -> None:
        """Read and deliver until nothing moves at this time."""
        while await self.pump() + await self.deliver():
            pass

    async def rewind(self, consumer: str, topic: str) -> None:
        """A topic is read again from the start, as after a restore of an older cursor."""
        async with self.db.connection() as connection:
            await connection.execute("DELETE FROM bus.cursor WHERE (consumer, topic) = (%s, %s)", (consumer, topic))

    # Looking

    async def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return await self.db.rows(query, parameters or None)

    async def value(self, query: str, *parameters: Any) -> Any:
        rows = await self.rows(query, *parameters)
        assert len(rows) == 1, f"{len(rows)} rows"
        return rows[0][0]

    async def state(self, number: str = "RE-1001") -> str:
        return str(await self.value("SELECT state FROM invoices.invoice WHERE number = %s", number))

    async def codes(self, number: str = "RE-1001") -> list[str]:
        return list(await self.value("SELECT reason_codes FROM invoices.invoice WHERE number = %s", number))

    async def deliveries(self, operation: str = "post_invoice") -> list[str]:
        found = await self.rows(
            "SELECT state FROM deliveries.delivery WHERE operation = %s ORDER BY created_at, key", operation
        )
        return [row[0] for row in found]

    async def messages(self, topic: str, shape: type[Any]) -> list[Any]:
        found = await self.rows("SELECT payload FROM bus.message WHERE topic = %s ORDER BY partition, position", topic)
        return [codec.decode(row[0], shape) for row in found]

    async def set_aside(self) -> list[tuple[Any, ...]]:
        return await self.rows("SELECT consumer, topic, message_id, reason_code, detail FROM bus.quarantine")

    async def close(self, *, drop: bool = True) -> None:
        """Nothing may have been set aside unseen: a handler that fails looks like silence otherwise."""
        try:
            if not self.may_set_aside:
                assert await self.set_aside() == []
        finally:
            await self.db.close()
            if drop:
                self.clones.drop(self.name)


def replaced(value: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(value, **changes)
