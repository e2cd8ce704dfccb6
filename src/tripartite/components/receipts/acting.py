"""What people do about the exceptions of receipts: the acts of every exception, in the receipts' words.

Refusing means giving up: a receipt that a system refused, or that was set aside, is not told there again under this
version. Where nobody knows whether it arrived it cannot be given up: it is asked for until that is known.
"""

from __future__ import annotations

from collections.abc import Sequence

from tripartite.components.receipts import publications
from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.deliveries import withdraw
from tripartite.runtime.exception_acts import ExceptionActs, Seen, What

GIVEN_UP = frozenset({"posting.rejected", "integration.retries_exhausted"})


async def read(connection: Connection, exception_id: str) -> ExceptionRecord | None:
    """The newest version of an exception of a receipt."""
    found = await execute(connection, "SELECT record FROM receipts.exception WHERE exception_id = %s", (exception_id,))
    row = await found.fetchone()
    return codec.decode_own(row[0], ExceptionRecord) if row else None


class ReceiptActs(ExceptionActs):
    """The acts on exceptions of receipts."""

    schema = "receipts"
    kinds = frozenset({"receipt"})

    async def locked(self, connection: Connection, exception_id: str) -> Seen | None:
        found = await read(connection, exception_id)
        if found is None:
            return None
        await publications.of_receipts(connection, [_key(found)])
        found = await read(connection, exception_id)
        assert found is not None, "exceptions are never taken away"
        return Seen(found)

    async def keep_records(self, connection: Connection, records: Sequence[ExceptionRecord]) -> None:
        await publications.keep_exceptions(connection, records)

    def withheld(self, record: ExceptionRecord, what: What) -> str:
        if what == "refused" and record.reason_code not in GIVEN_UP:
            return f"{record.reason_code}: nobody knows whether the receipt arrived; it is asked for, not given up."
        return ""

    async def follow(
        self, connection: Connection, seen: Seen, record: ExceptionRecord, what: What, cause: str
    ) -> tuple[str, list[Outgoing]]:
        rows = await publications.of_receipts(connection, [_key(record)])
        if what == "refused":
            wanted = "rejected" if record.reason_code == "posting.rejected" else "dead_letter"
            lost = {row.delivery_key: row for row in rows if row.state == wanted}
            taken = await withdraw(
                connection,
                sorted(lost),
                states=("rejected", "dead_letter"),
                reason_code=record.reason_code,
                detail=record.resolution,
                now=record.event.at,
                surely=True,
            )
            for key in taken:
                lost[key].state, lost[key].detail = "dropped", record.resolution[:1000]
                lost[key].changed_at = record.event.at
            await publications.keep(connection, [lost[key] for key in sorted(taken)])
        return record.state, []


def _key(record: ExceptionRecord) -> tuple[str, str]:
    return (record.company_code, record.object_id.partition("/")[2])
