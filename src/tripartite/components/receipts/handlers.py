"""Receipts arrive, late, partial, returned or reversed; each is kept and told. On demand they are asked for afresh."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tripartite.components.receipts import naming, publications, store
from tripartite.components.receipts.publishing import OPERATION, Publishing, takes_receipts
from tripartite.components.receipts.recognising import recognise, settled
from tripartite.core import codec
from tripartite.core.delivery import DeliveryOutcome
from tripartite.core.envelope import Message
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
from tripartite.core.objects import Receipt
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.bus import Batch, Outgoing, publish, told
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.versions import disposition_of, keep_newest

QUESTION = "receipts_of_order"
ROLES = ("warehouse", "procurement")


class Receipts:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._publishing = Publishing(ports)

    async def on_receipts_received(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest version of each receipt, tell of it, and owe it to the systems that must hear of it."""
        await publish(connection, await self._take(connection, batch.messages))

    async def _take(
        self, connection: Connection, messages: Sequence[Message], *, waited: bool = False
    ) -> list[Outgoing]:
        """Record what arrived, but for our own receipts told back under another name. Returns what to tell."""
        arrived = [(message, codec.decode_own(message.payload, ReceiptArrived)) for message in messages]
        outgoing: list[Outgoing] = []
        fresh: list[tuple[Message, ReceiptArrived]] = []
        by_source: dict[str, list[tuple[Message, ReceiptArrived]]] = {}
        for pair in arrived:
            by_source.setdefault(pair[0].source, []).append(pair)
        for source, pairs in by_source.items():
            if takes_receipts(self._ports.estate, source):
                ours, others = await recognise(connection, source, pairs)
                outgoing += ours
                fresh += others
            else:
                fresh += pairs
        fresh = await naming.named(connection, self._ports.estate, arrived, fresh)
        if waited:
            outgoing += [each for pair in fresh for each in settled(*pair)]
        return [*outgoing, *await self._record(connection, fresh)]

    async def _record(
        self, connection: Connection, arrived: Sequence[tuple[Message, ReceiptArrived]]
    ) -> list[Outgoing]:
        now = self._ports.clock.now()
        rows: list[dict[str, Any]] = []
        leaves = []
        for message, each in arrived:
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
        outgoing = []
        new: list[tuple[Message, Receipt]] = []
        for (message, each), standing in zip(arrived, standings, strict=True):
            if standing == "new":
                payload = codec.encode(ReceiptRecorded(each.value))
                outgoing.append(told(message, RECEIPT_EVENTS, "receipt.recorded", payload))
                new.append((message, each.value))
            elif each.intake_id:
                payload = disposition_of(each.intake_id, standing)
                outgoing.append(told(message, DISPOSITIONS, "intake.disposed", payload))
        await store.link_orders(connection, [value for _, value in new])
        await write_leaves(
            connection.cursor(), [leaf for leaf, standing in zip(leaves, standings, strict=True) if standing == "new"]
        )
        await self._publishing.publish(connection, new)
        return outgoing

    async def on_outcomes(self, connection: Connection, batch: Batch) -> None:
        """The other side has a receipt, or refused it: its number is kept, and what was in doubt for it is decided."""
        outcomes = [
            (message, outcome)
            for message in batch.messages
            if (outcome := codec.decode_own(message.payload, DeliveryOutcome)).operation == OPERATION
        ]
        outgoing, ended = await self._publishing.answered(connection, outcomes)
        for (company, source), orders in sorted(ended.items()):
            doubts = await publications.doubts(connection, company, source, orders)
            outgoing += await self._take(connection, doubts, waited=True)
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
