"""What people do about the exceptions of payments: the acts of every exception, in the payments' words.

A refused or returned payment is opened again on its own path (`reopening`); what stopped one is lifted where it was
placed. Nothing is turned down here: money that moved has moved.
"""

from __future__ import annotations

from collections.abc import Sequence

from tripartite.components.payments import answers, store
from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.exception_acts import ExceptionActs, Seen, What


async def read(connection: Connection, exception_id: str) -> ExceptionRecord | None:
    """The newest version of an exception of a payment, of an order to a bank, or of a booking."""
    found = await execute(connection, "SELECT record FROM payments.exception WHERE exception_id = %s", (exception_id,))
    row = await found.fetchone()
    return codec.decode_own(row[0], ExceptionRecord) if row else None


class PaymentActs(ExceptionActs):
    """The acts on exceptions of payments."""

    schema = "payments"
    kinds = frozenset({"payment", "payment_order", "bank_entry"})

    async def locked(self, connection: Connection, exception_id: str) -> Seen | None:
        found = await read(connection, exception_id)
        if found is None:
            return None
        await store.hold_still(connection, [found.company_code], change=True)
        found = await read(connection, exception_id)
        assert found is not None, "exceptions are never taken away"
        return Seen(found)

    async def keep_records(self, connection: Connection, records: Sequence[ExceptionRecord]) -> None:
        await answers.keep_exceptions(connection, records)

    async def duties(self, connection: Connection, seen: Seen, person: str) -> set[str]:
        """Besides the acts here: what this person did on the items, and whether they proposed or released them."""
        done = await super().duties(connection, seen, person)
        found = await execute(
            connection,
            """WITH mine AS (SELECT number, proposal FROM payments.payment
                WHERE number = %(object)s OR order_number = %(object)s)
            SELECT a.duty FROM payments.act a JOIN payments.payment_item i ON i.invoice_id = a.object_id
                JOIN mine USING (number) WHERE a.person = %(person)s
            UNION SELECT 'payment proposal' FROM payments.proposal p JOIN mine ON mine.proposal = p.number
                WHERE p.proposed_person = %(person)s
            UNION SELECT 'payment release' FROM payments.release r JOIN mine USING (proposal)
                WHERE r.person = %(person)s""",
            {"object": seen.record.object_id, "person": store.folded(person)},
        )
        return done | {row[0] for row in await found.fetchall()}

    def withheld(self, record: ExceptionRecord, what: What) -> str:
        if what == "refused":
            return "Money that moved is not refused: open the payment again, or ask the bank."
        return ""
