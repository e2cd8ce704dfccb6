"""The payment block that a posting carries into the ERP, and its lifting when nothing stands against paying any more.

What passes is posted free. A finding that only blocks the payment is posted with the key of invoice verification, the
one that the ERP's own release lifts; a key that only a person could lift again is never set by us. A hold that is found
after posting blocks the payment here: a booked invoice is not changed for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tripartite.components.invoices.store import Row
from tripartite.runtime.db import Connection, execute

VERIFICATION = "R"
RELEASE = "release_payment_block"


async def sent(connection: Connection, rows: Sequence[tuple[str, str, str]]) -> None:
    """Note postings that carry a block: (invoice, company, connection)."""
    if rows:
        await execute(
            connection,
            """INSERT INTO invoices.block_in_erp (invoice_id, company_code, connection)
            SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
            [[row[place] for row in rows] for place in range(3)],
        )


async def to_lift(connection: Connection, rows: Collection[Row]) -> dict[str, str]:
    """Those of these invoices whose block in the ERP is to be lifted now, with the connection; each is said once.

    Asked are only posted invoices that nothing blocks any more.
    """
    free = sorted(row.invoice_id for row in rows if row.state == "posted" and not row.payment_block)
    if not free:
        return {}
    found = await execute(
        connection,
        """UPDATE invoices.block_in_erp SET lifted = true WHERE invoice_id = ANY(%s) AND NOT lifted
        RETURNING invoice_id, connection""",
        (free,),
    )
    return {row[0]: row[1] for row in await found.fetchall()}
