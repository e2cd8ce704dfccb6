"""Orders arrive; the newest version of each is kept and told. An unknown number is sought.

Order of arrival does not matter: a lower version is stale, the same one a repeat. What an approved order owes to the
ERP is decided in the same transaction (publisher.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tripartite.components.orders import publications, store
from tripartite.components.orders.publications import Key
from tripartite.components.orders.publisher import Publisher
from tripartite.components.orders.publishing import PUBLISH_ORDER
from tripartite.core import codec
from tripartite.core.delivery import DeliveryOutcome
from tripartite.core.envelope import Message
from tripartite.core.events import (
    ASKS,
    DISPOSITIONS,
    ORDER_EVENTS,
    Answered,
    Ask,
    OrderArrived,
    OrderRecorded,
    OrderSought,
    PublishOrder,
    SeekOrder,
    SupplierRecorded,
)
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.bus import Batch, Outgoing, publish, told
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.versions import disposition_of, keep_newest

QUESTION = "order_by_number"


class Orders:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._publisher = Publisher(ports)

    async def on_orders_received(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest version of each order, owe it to its ERP, and tell of it."""
        await publications.hold_suppliers(connection, change=False)
        arrived = [codec.decode_own(message.payload, OrderArrived) for message in batch.messages]
        now = self._ports.clock.now()
        rows: list[dict[str, Any]] = []
        leaves = []
        for message, each in zip(batch.messages, arrived, strict=True):
            value = each.value
            leaf = make_leaf(
                "order.recorded",
                value.number,
                value.company_code,
                message.correlation_id,
                codec.encode({"source": message.source, "version": value.version, "status": value.status}),
                self._ports.chance.randbytes(16),
            )
            leaves.append(leaf)
            rows.append(
                {
                    "company_code": value.company_code,
                    "number": value.number,
                    "version": value.version,
                    "supplier_id": value.supplier_id,
                    "status": value.status,
                    "currency": value.currency,
                    "source": message.source,
                    "document": codec.encode(value),
                    "correlation_id": message.correlation_id,
                    "leaf_id": leaf.leaf_id,
                    "recorded_at": now,
                }
            )
        standings = await keep_newest(connection, store.ORDERS, rows)
        outgoing = []
        causes: dict[Key, Message] = {}
        for message, each, standing in zip(batch.messages, arrived, standings, strict=True):
            if standing == "new":
                value = each.value
                causes[value.company_code, value.number] = message
                payload = codec.encode(OrderRecorded(value, publish_to=self._publisher.target(value, message.source)))
                outgoing.append(told(message, ORDER_EVENTS, "order.recorded", payload))
            elif each.intake_id:
                outgoing.append(
                    told(message, DISPOSITIONS, "intake.disposed", disposition_of(each.intake_id, standing))
                )
        new = [leaf for leaf, standing in zip(leaves, standings, strict=True) if standing == "new"]
        await write_leaves(connection.cursor(), new)
        outgoing += await self._publisher.reconsider(connection, causes) if causes else []
        await publish(connection, outgoing)

    async def on_supplier_events(self, connection: Connection, batch: Batch) -> None:
        """Keep the suppliers, and judge again the orders that waited for one of them."""
        await publications.hold_suppliers(connection, change=True)
        values = {}
        for message in batch.messages:
            value = codec.decode_own(message.payload, SupplierRecorded).value
            values[value.supplier_id] = (message, value)
        await publications.keep_suppliers(
            connection, [codec.decode_own(message.payload, SupplierRecorded).value for message in batch.messages]
        )
        waiting = await publications.orders_waiting(connection, values)
        cause = batch.messages[-1]
        messages = await self._publisher.reconsider(connection, dict.fromkeys(waiting, cause)) if waiting else []
        await publish(connection, messages)

    async def on_outcomes(self, connection: Connection, batch: Batch) -> None:
        """The ERP's answer to an order: told to all, or an exception."""
        answers = [
            (message, outcome)
            for message in batch.messages
            if (outcome := codec.decode_own(message.payload, DeliveryOutcome)).operation == PUBLISH_ORDER
        ]
        if answers:
            await publish(connection, await self._publisher.answered(connection, answers))

    async def on_commands(self, connection: Connection, batch: Batch) -> None:
        """What invoices ask of orders: to seek one in procurement, or to publish one to the ERP again."""
        publishing: dict[Key, Message] = {}
        seeking: list[Message] = []
        for message in batch.messages:
            if message.type == "tripartite.order.publish.v1":
                command = codec.decode_own(message.payload, PublishOrder)
                publishing[command.company_code, command.order_number] = message
            else:
                seeking.append(message)
        outgoing = await self._seek(connection, seeking) if seeking else []
        if publishing:
            await publications.hold_suppliers(connection, change=False)
            outgoing += await self._publisher.reconsider(connection, publishing, again=publishing)
        await publish(connection, outgoing)

    async def _seek(self, connection: Connection, messages: Sequence[Message]) -> list[Outgoing]:
        """An invoice names an order that is not here: ask procurement for it, once for each number."""
        wanted = {}
        for message in messages:
            command = codec.decode_own(message.payload, SeekOrder)
            wanted[command.company_code, command.order_number] = (message, command)
        here = await store.known_numbers(connection, sorted(wanted))
        missing = [
            (company, number, wanted[company, number][1].invoice_id)
            for company, number in sorted(wanted)
            if (company, number) not in here
        ]
        ask = await store.seek(connection, missing, self._ports.clock.now()) if missing else set()
        # Known meanwhile: the order's event is on its way and re-decides the invoice by itself.
        return [
            told(
                wanted[company, number][0],
                ASKS,
                "question.asked",
                codec.encode(Ask(company, ("procurement",), QUESTION, number, {"number": number})),
            )
            for company, number in sorted(ask)
        ]

    async def on_answers(self, connection: Connection, batch: Batch) -> None:
        """Procurement was asked: tell whether the order was found there."""
        outgoing = []
        for message in batch.messages:
            answer = codec.decode_own(message.payload, Answered)
            if answer.question != QUESTION:
                continue
            await store.answered(connection, answer.company_code, answer.reference, answer.found > 0, answer.as_of)
            sought = OrderSought(answer.company_code, answer.reference, answer.as_of, answer.found > 0)
            outgoing.append(told(message, ORDER_EVENTS, "order.sought", codec.encode(sought)))
        await publish(connection, outgoing)
