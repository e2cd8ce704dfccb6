"""Events become what is owed to a subscriber: chosen by type, company and day, masked, in the order of their key."""

from __future__ import annotations

from tripartite.core import codec
from tripartite.core.contracts.cloudevents import cloud_event
from tripartite.core.contracts.published import BY_NAME, wanted
from tripartite.core.envelope import Message
from tripartite.core.estate import Subscriber
from tripartite.runtime.bus import Batch
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.deliveries import Owed, owe
from tripartite.runtime.notifying import OPERATION


class Listening:
    """One subscriber's own reading of the bus: nobody else waits for it, and it waits for nobody."""

    def __init__(self, ports: Ports, subscriber: Subscriber) -> None:
        self._ports, self._subscriber = ports, subscriber
        self._types = {each.name for each in wanted(subscriber.events)}

    async def on_events(self, connection: Connection, batch: Batch) -> None:
        """Owe the events of a batch that this subscriber asked for.

        An event's version is its position: later events about one object wait for the earlier (`claim_due`). An object
        keeps its partition within a topic, and no type of event is told on two topics, so two events never share a key.
        """
        first = batch.last - len(batch.messages) + 1
        owed = [
            one
            for position, message in enumerate(batch.messages, first)
            if message.type in self._types
            and self._subscriber.hears_of(message.company_code)
            and message.occurred_at.date() >= self._subscriber.valid_from
            and (one := self._owed(message, position)) is not None
        ]
        await owe(connection, owed)

    def _owed(self, message: Message, position: int) -> Owed | None:
        event = cloud_event(message, estate=self._ports.estate.name, sequence=position)
        if event is None:
            return None
        return Owed(
            connection=self._subscriber.name,
            operation=f"{OPERATION} {BY_NAME[message.type].short}",
            object_kind="event",
            object_id=f"{message.company_code}/{event.subject}",
            object_version=position,
            company_code=message.company_code,
            correlation_id=message.correlation_id,
            causation_id=message.message_id,
            payload=codec.encode(event),
            mode="act",
            due_at=self._ports.clock.now(),
        )
