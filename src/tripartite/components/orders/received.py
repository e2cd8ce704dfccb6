"""What came for an order, in the orders component's own projection, fed by what the receipts component tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tripartite.components.orders.billed import BilledLine
from tripartite.core import codec
from tripartite.core.events import ReceiptRecorded
from tripartite.core.objects import Order, Receipt
from tripartite.runtime.bus import Batch
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.versions import VersionedTable, keep_newest

RECEIPTS = VersionedTable("orders.receipt", ("company_code", "number"), {"document": "bytea"})


class Received:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def on_receipt_events(self, connection: Connection, batch: Batch) -> None:
        """Keep the newest version of each receipt and which orders it is of. Decides nothing."""
        values = [
            codec.decode_own(message.payload, ReceiptRecorded).value
            for message in batch.messages
            if message.type == "tripartite.receipt.recorded.v1"
        ]
        await keep_newest(
            connection,
            RECEIPTS,
            [
                {
                    "company_code": value.company_code,
                    "number": value.number,
                    "version": value.version,
                    "document": codec.encode(value),
                }
                for value in values
            ],
        )
        links = sorted(
            {(value.company_code, line.order_number, value.number) for value in values for line in value.lines}
        )
        await execute(
            connection,
            """INSERT INTO orders.receipt_of_order SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])
            ON CONFLICT DO NOTHING""",
            [[link[place] for link in links] for place in range(3)],
        )


def quantities(order: Order, receipts: Iterable[Receipt], billed: Mapping[int, BilledLine]) -> list[dict[str, Any]]:
    """Ordered, received and billed by line, in the order line's unit; returns, reversals and credits are taken off.

    `quantity_received` is None where something came in another unit: nothing is converted by guess. Billed is what is
    booked or to be booked; `amount_billed` is net, None where it is in several currencies.
    """
    came: dict[int, Decimal | None] = {line.line: Decimal(0) for line in order.lines}
    units = {line.line: line.unit for line in order.lines}
    for receipt in receipts:
        sign = -1 if receipt.kind in ("return", "reversal") else 1
        for each in receipt.lines:
            before = came.get(each.order_line)
            if each.order_number != order.number or before is None:
                continue
            same = each.unit in ("", units[each.order_line])
            came[each.order_line] = before + sign * each.quantity if same else None
    return [
        {
            "line": line.line,
            "unit": line.unit,
            "quantity_ordered": _text(line.quantity),
            "quantity_received": _text(came[line.line]),
            **_billed(billed.get(line.line, BilledLine(Decimal(0), Decimal(0)))),
        }
        for line in order.lines
    ]


def _billed(line: BilledLine) -> dict[str, Any]:
    return {"quantity_billed": _text(line.quantity), "amount_billed": _text(line.amount)}


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")
