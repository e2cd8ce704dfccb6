"""Receipts arrive, late, partial, returned or reversed; each is kept and told. On demand they are asked for afresh."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tripartite.components.receipts import store
from tripartite.core import codec
from tripartite.core.events import (
    ASKS,
    DISPOSITIONS,
    RECEIPT_EVENTS,
    Answered,
    Ask,
    ReceiptArrived,
    ReceiptRecorded,
    ReceiptsRequeried,
    RequeryReceipts,
)
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.bus import Batch, publish, told
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.versions import disposition_of, keep_newest

QUESTION = "receipts_of_order"
ROLES = ("warehouse", "procurement")


class Receipts:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def on_receipts_received(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest version of each receipt and tell of it."""
        arrived = [codec.decode_own(message.payload, ReceiptArrived) for message in batch.messages]
        now = self._ports.clock.now()
        rows: list[dict[str, Any]] = []
        leaves = []
        for message, each in zip(batch.messages, arrived, strict=True):
            value = each.value
            leaf = make_leaf(
                "receipt.recorded",
                value.number,
                value.company_code,
                message.correlation_id,
                codec.encode({"source": message.source, "version": value.version, "kind": value.kind}),
                self._ports.chance.randbytes(16),
            )
            leaves.append(leaf)
            rows.append(
                {
                    "company_code": value.company_code,
                    "number": value.number,
                    "version": value.version,
                    "kind": value.kind,
                    "posted_on": value.posted_on,
                    "source": message.source,
                    "document": codec.encode(value),
                    "correlation_id": message.correlation_id,
                    "leaf_id": leaf.leaf_id,
                    "recorded_at": now,
                }
            )
        standings = await keep_newest(connection, store.RECEIPTS, rows)
        links, outgoing = [], []
        for message, each, standing in zip(batch.messages, arrived, standings, strict=True):
            if standing == "new":
                links += [(each.value.company_code, line.order_number, each.value.number) for line in each.value.lines]
                payload = codec.encode(ReceiptRecorded(each.value))
                outgoing.append(told(message, RECEIPT_EVENTS, "receipt.recorded", payload))
            elif each.intake_id:
                payload = disposition_of(each.intake_id, standing)
                outgoing.append(told(message, DISPOSITIONS, "intake.disposed", payload))
        await store.link_orders(connection, links)
        new = [leaf for leaf, standing in zip(leaves, standings, strict=True) if standing == "new"]
        await write_leaves(connection.cursor(), new)
        await publish(connection, outgoing)

    async def on_commands(self, connection: Connection, batch: Batch) -> None:
        """The receipts of an order are wanted afresh: one pending query per order, however many invoices ask."""
        wanted = {}
        for message in batch.messages:
            command = codec.decode_own(message.payload, RequeryReceipts)
            wanted[command.company_code, command.order_number] = (message, command)
        rows = [
            (company, number, wanted[company, number][1].invoice_id, wanted[company, number][0].correlation_id)
            for company, number in sorted(wanted)
        ]
        ask = await store.want_requery(connection, rows, self._ports.clock.now())
        await publish(
            connection,
            [told(wanted[place][0], ASKS, "question.asked", codec.encode(question(*place))) for place in sorted(ask)],
        )

    async def on_answers(self, connection: Connection, batch: Batch) -> None:
        """The warehouse side was asked: tell up to when the receipts of the order are known now."""
        outgoing = []
        answered: dict[tuple[str, str], datetime] = {}
        for message in batch.messages:
            answer = codec.decode_own(message.payload, Answered)
            if answer.question != QUESTION:
                continue
            place = (answer.company_code, answer.reference)
            answered[place] = max(answered.get(place, answer.as_of), answer.as_of)
            requeried = ReceiptsRequeried(answer.company_code, answer.reference, answer.as_of, answer.found)
            outgoing.append(told(message, RECEIPT_EVENTS, "receipts.requeried", codec.encode(requeried)))
        await store.requeried(connection, answered)
        await publish(connection, outgoing)


def question(company_code: str, order_number: str) -> Ask:
    return Ask(company_code, ROLES, QUESTION, order_number, {"order_number": order_number})
