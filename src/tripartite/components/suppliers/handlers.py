"""Suppliers arrive from the systems that know them, and commands to stop payments to one.

What each system says is kept by itself, newest version; the party is computed from all of it (keeping.py), so that any
order of arrival gives the same. An older version changes nothing but what is known of a record's beginning.
"""

from __future__ import annotations

from typing import Any

from tripartite.components.suppliers import store
from tripartite.components.suppliers.keeping import AREAS, Keeper
from tripartite.components.suppliers.telling import Cause
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import DISPOSITIONS, SupplierArrived, SuspendSupplier
from tripartite.core.exceptions.reasons import reasons
from tripartite.core.objects import BankAccount
from tripartite.core.suppliers.eligibility import Suspension, suspension_id
from tripartite.core.suppliers.identity import RecordKey, Stated, keys_of
from tripartite.runtime.audit import Leaf, make_leaf, write_leaves
from tripartite.runtime.bus import Batch, Outgoing, Poison, publish, told
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.versions import disposition_of


class Suppliers:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._keeper = Keeper(ports)

    async def on_suppliers_received(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest version of each record, and decide the parties that it concerns."""
        await store.hold_master(connection)
        arrived = [codec.decode_own(message.payload, SupplierArrived) for message in batch.messages]
        now = self._ports.clock.now()
        rows: list[dict[str, Any]] = []
        leaves: list[Leaf] = []
        began: dict[RecordKey, tuple[int, tuple[BankAccount, ...]]] = {}
        causes: dict[RecordKey, Cause] = {}
        for message, each in zip(batch.messages, arrived, strict=True):
            stated = Stated(message.source, each.value)
            leaf = make_leaf(
                "supplier.recorded",
                f"{message.source}/{each.value.number}",
                "*",
                message.correlation_id,
                codec.encode({"source": message.source, "version": each.value.version, "status": each.value.status}),
                self._ports.chance.randbytes(16),
            )
            leaves.append(leaf)
            rows.append(
                {
                    "source": stated.source,
                    "number": each.value.number,
                    "version": each.value.version,
                    "document": codec.encode(each.value),
                    "keys": keys_of(stated, self._keeper.followers),
                    "leaf_id": leaf.leaf_id,
                    "recorded_at": now,
                }
            )
            if stated.key not in began or each.value.version < began[stated.key][0]:
                began[stated.key] = (each.value.version, each.value.accounts)
            causes[stated.key] = Cause.of(message)
        standings = await store.keep_records(connection, rows)
        earlier = await store.began(connection, began)
        outgoing: list[Outgoing] = [
            told(message, DISPOSITIONS, "intake.disposed", disposition_of(each.intake_id, standing))
            for message, each, standing in zip(batch.messages, arrived, standings, strict=True)
            if standing != "new" and each.intake_id
        ]
        moved = {
            (row["source"], row["number"]) for row, standing in zip(rows, standings, strict=True) if standing == "new"
        }
        await write_leaves(
            connection.cursor(), [leaf for leaf, standing in zip(leaves, standings, strict=True) if standing == "new"]
        )
        concerned = {key: causes[key] for key in sorted(moved | earlier)}
        await publish(connection, [*outgoing, *await self._keeper.renew(connection, concerned)])

    async def on_commands(self, connection: Connection, batch: Batch) -> None:
        """Stop payments to a supplier: at once, also where it is not known yet. The same cause stops once."""
        await store.hold_master(connection)
        leaves: list[Leaf] = []
        causes: dict[RecordKey, Cause] = {}
        for message in batch.messages:
            command = codec.decode_own(message.payload, SuspendSupplier)
            if command.reason_code not in reasons() or command.reason_code.partition(".")[0] not in AREAS:
                raise Poison(message.message_id, "intake.value_out_of_range", f"no reason: {command.reason_code}")
            known = (await store.parties(connection, [command.supplier_id])).get(command.supplier_id)
            supplier_id = known.replaced_by if known and known.replaced_by else command.supplier_id
            suspension = Suspension(
                suspension_id=suspension_id(supplier_id, command.reason_code, command.object_id),
                supplier_id=supplier_id,
                reason_code=command.reason_code,
                object_id=command.object_id,
                words=command.words or f"Suspended by {command.by} for {command.object_id}.",
                by=command.by,
                at=message.occurred_at,
            )
            if await store.suspend(connection, suspension):
                leaves.append(suspension_leaf("supplier.suspended", suspension, message, self._ports))
                for key in await store.records_of(connection, [supplier_id]):
                    causes[key] = Cause.of(message)
        await write_leaves(connection.cursor(), leaves)
        await publish(connection, await self._keeper.renew(connection, causes))


def suspension_leaf(kind: str, suspension: Suspension, cause: Message | Cause, ports: Ports) -> Leaf:
    """The fact that payments to a supplier were stopped, or allowed again."""
    return make_leaf(
        kind,
        suspension.supplier_id,
        "*",
        cause.correlation_id,
        codec.encode(suspension),
        ports.chance.randbytes(16),
    )
