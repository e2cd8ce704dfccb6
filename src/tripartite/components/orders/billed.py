"""What is billed of each order line, in the orders component's own projection, fed by what invoices tell.

Counted is what is booked or to be booked; a claim that is held is not. The same news doubled or late changes nothing:
where an invoice stands and what it bills are each kept in their newest version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from tripartite.core import codec
from tripartite.core.events import InvoiceChanged
from tripartite.core.invoice_life import LIVE
from tripartite.core.objects import Billed
from tripartite.runtime.bus import Batch
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection, execute


class BilledLine(msgspec.Struct, frozen=True):
    """The sums of an order line. `amount` is None where invoices of several currencies stand on it."""

    quantity: Decimal | None
    amount: Decimal | None


class Billing:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def on_invoice_events(self, connection: Connection, batch: Batch) -> None:
        """Keep where each invoice stands and what it bills. Decides nothing; four statements for a batch."""
        newest: dict[str, InvoiceChanged] = {}
        lines: dict[str, InvoiceChanged] = {}
        for message in batch.messages:
            told = codec.decode_own(message.payload, InvoiceChanged)
            for kept, wanted in ((newest, True), (lines, told.lines is not None)):
                known = kept.get(told.invoice_id)
                if wanted and (known is None or known.version < told.version):
                    kept[told.invoice_id] = told
        await _keep_states(connection, [newest[each] for each in sorted(newest)])
        await _keep_lines(connection, [lines[each] for each in sorted(lines)])


async def _keep_states(connection: Connection, told: Sequence[InvoiceChanged]) -> None:
    await execute(
        connection,
        """INSERT INTO orders.billing AS b (invoice_id, company_code, version, counts, currency)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::boolean[], %s::text[])
        ON CONFLICT (invoice_id) DO UPDATE SET version = EXCLUDED.version, counts = EXCLUDED.counts
        WHERE b.version < EXCLUDED.version""",
        (
            [each.invoice_id for each in told],
            [each.company_code for each in told],
            [each.version for each in told],
            [each.state in LIVE for each in told],
            [each.currency for each in told],
        ),
    )


async def _keep_lines(connection: Connection, told: Sequence[InvoiceChanged]) -> None:
    if not told:
        return
    found = await execute(
        connection,
        """UPDATE orders.billing b SET lines_version = n.version
        FROM unnest(%s::text[], %s::bigint[]) AS n (invoice_id, version)
        WHERE b.invoice_id = n.invoice_id AND b.lines_version < n.version RETURNING b.invoice_id""",
        ([each.invoice_id for each in told], [each.version for each in told]),
    )
    newer = {row[0] for row in await found.fetchall()}
    by_order: dict[tuple[str, str, str], list[Billed]] = {}
    for each in told:
        for line in (each.lines or ()) if each.invoice_id in newer else ():
            by_order.setdefault((each.company_code, line.order_number, each.invoice_id), []).append(line)
    ordered = sorted(by_order)
    await execute(
        connection,
        """WITH gone AS (DELETE FROM orders.billed_of o WHERE o.invoice_id = ANY(%s) AND NOT EXISTS
            (SELECT 1 FROM unnest(%s::text[], %s::text[], %s::text[]) AS k (company, number, id)
                WHERE (k.company, k.number, k.id) = (o.company_code, o.order_number, o.invoice_id)))
        INSERT INTO orders.billed_of AS o (company_code, order_number, invoice_id, lines)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[])
        ON CONFLICT (company_code, order_number, invoice_id) DO UPDATE SET lines = EXCLUDED.lines""",
        (
            sorted(newer),
            *([key[place] for key in ordered] for place in range(3)),
            *([key[place] for key in ordered] for place in range(3)),
            [codec.encode(by_order[key]) for key in ordered],
        ),
    )


def sums(documents: Iterable[tuple[str, Sequence[Billed]]]) -> dict[int, BilledLine]:
    """What is billed of each line of an order, by line, from (currency, lines) of each document that counts.

    Lines of which nothing is billed are left out.
    """
    quantities: dict[int, Decimal] = {}
    amounts: dict[int, Decimal] = {}
    currencies: dict[int, set[str]] = {}
    for currency, lines in documents:
        for each in lines:
            line = each.order_line
            if each.quantity is not None:
                quantities[line] = quantities.get(line, Decimal(0)) + each.quantity
            amounts[line] = amounts.get(line, Decimal(0)) + each.amount
            currencies.setdefault(line, set()).add(currency)
    return {
        line: BilledLine(quantities.get(line), amounts[line] if len(currencies[line]) == 1 else None)
        for line in sorted(amounts)
    }
