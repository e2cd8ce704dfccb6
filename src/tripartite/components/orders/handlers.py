"""Orders and requisitions arrive; the newest version of each is kept and told. An unknown number is sought.

Order of arrival does not matter: a lower version is stale, the same one a repeat.
"""

from __future__ import annotations

from typing import Any

from tripartite.components.orders import store
from tripartite.core import codec
from tripartite.core.events import (
    ASKS,
    DISPOSITIONS,
    ORDER_EVENTS,
    Answered,
    Ask,
    OrderArrived,
    OrderRecorded,
    OrderSought,
    RequisitionArrived,
    RequisitionRecorded,
    SeekOrder,
)
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.bus import Batch, publish, told
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.versions import disposition_of, keep_newest

QUESTION = "order_by_number"


class Orders:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def on_orders_received(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest version of each order and tell of it."""
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
        for message, each, standing in zip(batch.messages, arrived, standings, strict=True):
            if standing == "new":
                payload = codec.encode(OrderRecorded(each.value))
                outgoing.append(told(message, ORDER_EVENTS, "order.recorded", payload))
            elif each.intake_id:
                outgoing.append(
                    told(message, DISPOSITIONS, "intake.disposed", disposition_of(each.intake_id, standing))
                )
        new = [leaf for leaf, standing in zip(leaves, standings, strict=True) if standing == "new"]
        await write_leaves(connection.cursor(), new)
        await publish(connection, outgoing)

    async def on_requisitions_received(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest version of each requisition and tell of it."""
        arrived = [codec.decode_own(message.payload, RequisitionArrived) for message in batch.messages]
        now = self._ports.clock.now()
        rows = [
            {
                "company_code": each.value.company_code,
                "number": each.value.number,
                "version": each.value.version,
                "status": each.value.status,
                "order_number": each.value.order_number,
                "source": message.source,
                "document": codec.encode(each.value),
                "correlation_id": message.correlation_id,
                "recorded_at": now,
            }
            for message, each in zip(batch.messages, arrived, strict=True)
        ]
        standings = await keep_newest(connection, store.REQUISITIONS, rows)
        await publish(
            connection,
            [
                told(message, ORDER_EVENTS, "requisition.recorded", codec.encode(RequisitionRecorded(each.value)))
                for message, each, standing in zip(batch.messages, arrived, standings, strict=True)
                if standing == "new"
            ],
        )

    async def on_commands(self, connection: Connection, batch: Batch) -> None:
        """An invoice names an order that is not here: ask procurement for it, once for each number."""
        wanted = {}
        for message in batch.messages:
            command = codec.decode_own(message.payload, SeekOrder)
            wanted[command.company_code, command.order_number] = (message, command)
        here = await store.known_numbers(connection, sorted(wanted))
        missing = [
            (company, number, wanted[company, number][1].invoice_id)
            for company, number in sorted(wanted)
            if (company, number) not in here
        ]
        ask = await store.seek(connection, missing, self._ports.clock.now()) if missing else set()
        outgoing = [
            told(
                wanted[company, number][0],
                ASKS,
                "question.asked",
                codec.encode(Ask(company, ("procurement",), QUESTION, number, {"number": number})),
            )
            for company, number in sorted(ask)
        ]
        # Known meanwhile: the order's event is on its way and re-decides the invoice by itself.
        await publish(connection, outgoing)

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
