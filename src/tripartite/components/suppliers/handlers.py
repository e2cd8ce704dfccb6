"""Suppliers arrive from the systems that know them; the newest version of each is kept and told to the others.

Our id is computed from the number the owner gave, so that any order of arrival gives the same. A second system's
record of the same party (same tax id) joins the first as one more name, never as a second supplier.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tripartite.components.suppliers import store
from tripartite.core import codec
from tripartite.core.events import DISPOSITIONS, SUPPLIER_EVENTS, SupplierArrived, SupplierRecorded
from tripartite.core.ids import stable_id
from tripartite.core.objects import Supplier
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.bus import Batch, publish, told
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.versions import disposition_of


class Suppliers:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def on_suppliers_received(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest version of each supplier and tell of it."""
        arrived = [codec.decode_own(message.payload, SupplierArrived) for message in batch.messages]
        known = await store.by_tax_id(connection, [each.value.tax_id for each in arrived if each.value.tax_id])
        now = self._ports.clock.now()
        rows: list[dict[str, Any]] = []
        leaves = []
        values: list[Supplier] = []
        for message, each in zip(batch.messages, arrived, strict=True):
            value = self._named(each.value, message.source, known.get(each.value.tax_id))
            document = codec.encode(value)
            leaf = make_leaf(
                "supplier.recorded",
                value.supplier_id,
                "*",
                message.correlation_id,
                codec.encode({"source": message.source, "version": value.version, "status": value.status}),
                self._ports.chance.randbytes(16),
            )
            values.append(value)
            leaves.append(leaf)
            rows.append(
                {
                    "supplier_id": value.supplier_id,
                    "version": value.version,
                    "name": value.name,
                    "number": value.number,
                    "status": value.status,
                    "tax_id": value.tax_id,
                    "source": message.source,
                    "document": document,
                    "leaf_id": leaf.leaf_id,
                    "recorded_at": now,
                }
            )
        standings = await store.keep(connection, rows)
        outgoing = []
        for message, each, value, standing in zip(batch.messages, arrived, values, standings, strict=True):
            if standing == "new":
                outgoing.append(
                    told(
                        message,
                        SUPPLIER_EVENTS,
                        "supplier.recorded",
                        codec.encode(SupplierRecorded(value)),
                        company_code="*",
                    )
                )
            elif each.intake_id:
                outgoing.append(
                    told(message, DISPOSITIONS, "intake.disposed", disposition_of(each.intake_id, standing))
                )
        await write_leaves(
            connection.cursor(), [leaf for leaf, standing in zip(leaves, standings, strict=True) if standing == "new"]
        )
        await publish(connection, outgoing)

    def _named(self, value: Supplier, source: str, known: Supplier | None) -> Supplier:
        elsewhere = {**(known.names_elsewhere if known else {}), **value.names_elsewhere}
        if source:
            elsewhere[source] = value.number
        for other in self._ports.estate.connections:
            # A system that was given its suppliers by another knows them by the other's numbers.
            if other.settings.get("supplier_numbers_from") == source:
                elsewhere.setdefault(other.name, value.number)
        if known is not None and known.supplier_id != value.supplier_id:
            owner = known
            return (
                msgspec.structs.replace(
                    owner, names_elsewhere=elsewhere, version=max(owner.version + 1, value.version), status=owner.status
                )
                if known.names_elsewhere != elsewhere
                else owner
            )
        return msgspec.structs.replace(
            value, supplier_id=value.supplier_id or stable_id("sup", value.number), names_elsewhere=elsewhere
        )
