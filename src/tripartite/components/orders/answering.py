"""An order as it is asked for a thousand times a second: with what came, what is billed and how the ERP stands, in one
statement. What is shown is read from the component's own projection; nobody else is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tripartite.components.orders.billed import sums
from tripartite.components.orders.listing import PUBLICATION
from tripartite.components.orders.received import quantities
from tripartite.core import codec
from tripartite.core.objects import Billed, Order, Receipt
from tripartite.runtime.db import Connection, execute


class Answer(msgspec.Struct, frozen=True):
    """The newest version of an order with everything beside it."""

    order: Order
    correlation_id: str
    source: str
    recorded_at: datetime | None
    asked_at: datetime | None
    publication: dict[str, Any] | None
    receipts: tuple[Receipt, ...]
    billed: tuple[tuple[str, tuple[Billed, ...]], ...]  # (currency, lines) of each document that counts

    def quantities(self) -> list[dict[str, Any]]:
        return quantities(self.order, self.receipts, sums(self.billed))


async def answer(connection: Connection, number: str, question: str, companies: Sequence[str] | None) -> Answer | None:
    """What is known of an order, within the caller's companies (None: all). `question`: when was it last put."""
    found = await execute(
        connection,
        f"""SELECT o.document, o.correlation_id, o.source, o.recorded_at,
            (SELECT a.answered_at FROM orders.asked a
                WHERE (a.company_code, a.question, a.reference) = (o.company_code, %s, o.number)),
            ARRAY(SELECT r.document FROM orders.receipt_of_order l JOIN orders.receipt r USING (company_code, number)
                WHERE (l.company_code, l.order_number) = (o.company_code, o.number) ORDER BY r.number),
            ARRAY(SELECT l.lines FROM orders.billed_of l JOIN orders.billing b USING (invoice_id)
                WHERE (l.company_code, l.order_number) = (o.company_code, o.number) AND b.counts ORDER BY invoice_id),
            ARRAY(SELECT b.currency FROM orders.billed_of l JOIN orders.billing b USING (invoice_id)
                WHERE (l.company_code, l.order_number) = (o.company_code, o.number) AND b.counts ORDER BY invoice_id),
            p.object_id, {", ".join(f"p.{each}" for each in PUBLICATION)}
        FROM orders.purchase_order o LEFT JOIN orders.publication p
            ON (p.company_code, p.number) = (o.company_code, o.number) AND p.connection <> ''
        WHERE o.number = %s AND (%s::text[] IS NULL OR o.company_code = ANY(%s)) LIMIT 1""",
        (question, number, companies, companies),
    )
    row = await found.fetchone()
    if row is None:
        return None
    lines = [codec.decode_own(each, tuple[Billed, ...]) for each in row[6]]
    return Answer(
        order=codec.decode_own(row[0], Order),
        correlation_id=row[1],
        source=row[2],
        recorded_at=row[3],
        asked_at=row[4],
        receipts=tuple(codec.decode_own(each, Receipt) for each in row[5]),
        billed=tuple(zip(row[7], lines, strict=True)),
        publication=dict(zip(("object_id", *PUBLICATION), row[8:], strict=True)) if row[8] is not None else None,
    )
