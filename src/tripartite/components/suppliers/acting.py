"""What people do about the exceptions of a supplier: the acts of every exception, in the master's words.

A release says that the fact is known and accepted (two records that look alike are two parties, a risk was reviewed).
An account is confirmed or refused on its own path, with the call (acts.py), and never released here.
"""

from __future__ import annotations

from collections.abc import Sequence

from tripartite.components.suppliers import store
from tripartite.components.suppliers.keeping import Keeper
from tripartite.components.suppliers.telling import Cause
from tripartite.core import codec
from tripartite.core.exceptions.lifecycle import RELEASE_CONFLICTS
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.exception_acts import ExceptionActs, Seen, What

BANK = frozenset({"supplier.bank_change_unapproved", "supplier.bank_mismatch"})


async def read(connection: Connection, exception_id: str) -> ExceptionRecord | None:
    """The newest version of an exception of a supplier."""
    found = await execute(
        connection,
        "SELECT record FROM suppliers.exception WHERE exception_id = %s ORDER BY version DESC LIMIT 1",
        (exception_id,),
    )
    row = await found.fetchone()
    return codec.decode_own(row[0], ExceptionRecord) if row else None


class SupplierActs(ExceptionActs):
    """The acts on exceptions of suppliers."""

    schema = "suppliers"
    kinds = frozenset({"supplier"})
    conflicts = RELEASE_CONFLICTS | {"supplier master"}  # who changed the record does not accept the change

    def __init__(self, ports: Ports) -> None:
        super().__init__(ports)
        self._keeper = Keeper(ports)

    async def locked(self, connection: Connection, exception_id: str) -> Seen | None:
        await store.hold_master(connection)
        found = await read(connection, exception_id)
        return Seen(found) if found is not None else None

    async def keep_records(self, connection: Connection, records: Sequence[ExceptionRecord]) -> None:
        await store.add_exceptions(connection, records)

    async def duties(self, connection: Connection, seen: Seen, person: str) -> set[str]:
        """Besides the acts here: who changed the record, as its system names them, does not accept the change."""
        done = await super().duties(connection, seen, person)
        records = await store.records_of(connection, [seen.record.object_id])
        kept = await store.around(connection, sorted(records))
        values = [kept[key].stated.value for key in records if key in kept]  # what looks like it is not it
        by = {value.changed_by.casefold() for value in values if value.changed_by}
        return done | ({"supplier master"} if person.casefold() in by else set())

    def withheld(self, record: ExceptionRecord, what: What) -> str:
        if what in ("released", "refused") and record.reason_code in BANK:
            return "An account is confirmed or refused with the call to a number on file, not released."
        if what == "refused":
            return f"{record.reason_code} is about a record of the master: its owner corrects it, nothing is refused."
        return ""

    async def follow(
        self, connection: Connection, seen: Seen, record: ExceptionRecord, what: What, cause: str
    ) -> tuple[str, list[Outgoing]]:
        if what != "released":
            return record.state, []
        records = await store.records_of(connection, [record.object_id])
        woke = Cause(cause, record.correlation_id, record.event.at)
        return record.state, await self._keeper.renew(connection, dict.fromkeys(sorted(records), woke))
