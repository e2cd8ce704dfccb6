"""Requisitions: recorded with their approvals, joined with the orders they became, checked against the budget.

    on_requisitions_received  the newest version is kept and told; what it wants is checked
    on_order_events           an order names the requisition it came from: the two are one transaction from now on

Whatever comes first, the requisition ends under its order's correlation id, by a link that is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tripartite.components.orders import requisition_store, store
from tripartite.components.orders.budget_store import Check
from tripartite.components.orders.budgets import Budgets, can_ask, new_check, today
from tripartite.components.orders.judging import NOT_BOUGHT_YET, judge
from tripartite.components.orders.requisition_store import Key, Link
from tripartite.core import codec
from tripartite.core.budget import wanted_of
from tripartite.core.envelope import Message
from tripartite.core.events import (
    DISPOSITIONS,
    ORDER_EVENTS,
    OrderRecorded,
    RequisitionArrived,
    RequisitionOrdered,
    RequisitionRecorded,
)
from tripartite.core.ids import stable_id
from tripartite.core.objects import Requisition
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.bus import Batch, Outgoing, publish, told
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.versions import disposition_of, keep_newest


class Requisitions:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._budgets = Budgets(ports)

    async def on_requisitions_received(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest version of each requisition, tell of it, and have it checked."""
        arrived = [codec.decode_own(message.payload, RequisitionArrived) for message in batch.messages]
        keys = {(each.value.company_code, each.value.number) for each in arrived}
        await requisition_store.take_turns(connection, keys)
        joined = await requisition_store.correlations(connection, keys)
        messages = [
            msgspec.structs.replace(
                message,
                correlation_id=joined.get((each.value.company_code, each.value.number), message.correlation_id),
            )
            for message, each in zip(batch.messages, arrived, strict=True)
        ]
        now = self._ports.clock.now()
        rows: list[dict[str, Any]] = [
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
            for message, each in zip(messages, arrived, strict=True)
        ]
        await requisition_store.keep_versions(connection, [each.value for each in arrived])
        standings = await keep_newest(connection, store.REQUISITIONS, rows)
        outgoing: list[Outgoing] = []
        new: list[tuple[Message, Requisition]] = []
        for message, each, standing in zip(messages, arrived, standings, strict=True):
            if standing == "new":
                payload = codec.encode(RequisitionRecorded(each.value))
                outgoing.append(told(message, ORDER_EVENTS, "requisition.recorded", payload))
                new.append((message, each.value))
            elif each.intake_id:
                payload = disposition_of(each.intake_id, standing)
                outgoing.append(told(message, DISPOSITIONS, "intake.disposed", payload))
        await self._write_leaves(connection, new)
        outgoing += await self._join(connection, {(v.company_code, v.number): m for m, v in new})
        outgoing += await self._check(connection, new)
        # A stale version says something too: what was approved before it was changed.
        causes = {(v.value.company_code, v.value.number): m for m, v in zip(messages, arrived, strict=True)}
        outgoing += await judge(self._ports, connection, causes)
        await publish(connection, outgoing)

    async def _write_leaves(self, connection: Connection, new: Sequence[tuple[Message, Requisition]]) -> None:
        leaves = [
            make_leaf(
                "requisition.recorded",
                value.number,
                value.company_code,
                message.correlation_id,
                codec.encode(
                    {
                        "source": message.source,
                        "version": value.version,
                        "status": value.status,
                        "amount": value.amount,
                        "approvals": value.approvals,
                    }
                ),
                self._ports.chance.randbytes(16),
            )
            for message, value in new
        ]
        await write_leaves(connection.cursor(), leaves)

    async def _check(self, connection: Connection, new: Sequence[tuple[Message, Requisition]]) -> list[Outgoing]:
        checks: list[tuple[Check, Message]] = []
        now = self._ports.clock.now()
        for message, value in new:
            if value.status not in NOT_BOUGHT_YET or not can_ask(self._ports, value.company_code):
                continue
            checks += [
                (
                    new_check(
                        stable_id("bdg", value.company_code, value.number, str(value.version), wanted.cost_centre),
                        wanted,
                        message.correlation_id,
                        now,
                        requisition=value.number,
                        version=value.version,
                    ),
                    message,
                )
                for wanted in wanted_of(value, today(self._ports, value.company_code))
            ]
        return await self._budgets.open_checks(connection, checks) if checks else []

    async def on_order_events(self, connection: Connection, batch: Batch) -> None:
        """Record which requisition an order came from, and join the two."""
        causes: dict[Key, Message] = {}
        links: list[Link] = []
        for message in batch.messages:
            if message.type != "tripartite.order.recorded.v1":
                continue
            order = codec.decode_own(message.payload, OrderRecorded).value
            if not order.requisition:
                continue
            causes[order.company_code, order.requisition] = message
            links.append(Link(order.company_code, order.requisition, order.number, message.correlation_id))
        if not links:
            return
        await requisition_store.take_turns(connection, causes)
        await requisition_store.add_links(connection, links)
        await publish(connection, await self._join(connection, causes))

    async def _join(self, connection: Connection, causes: dict[Key, Message]) -> list[Outgoing]:
        """Join the requisitions that are here with the orders that are: told once for each pair."""
        here = await requisition_store.recorded(connection, causes)
        if not here:
            return []
        was = {key: row.correlation_id for key, row in here.items()}
        outgoing = []
        for link in await requisition_store.join(connection, was, self._ports.clock.now()):
            key = (link.company_code, link.requisition)
            before = was[key] if was[key] != link.correlation_id else ""
            message = msgspec.structs.replace(
                causes[key],
                message_id=stable_id("msg", "requisition.ordered", *key, link.order_number),
                type="tripartite.requisition.ordered.v1",
                company_code=link.company_code,
                key=link.requisition,
                correlation_id=link.correlation_id,
                causation_id=causes[key].message_id,
                payload=codec.encode(RequisitionOrdered(here[key].value, link.order_number, before)),
            )
            outgoing.append(Outgoing(ORDER_EVENTS, message))
        return outgoing
