"""What people do about an invoice that is held: the acts of every exception (runtime/exception_acts.py), and approval.

An act is judged on what is recorded now, under the lock of the orders; what it changes is decided again at once, so the
answer says where the invoice stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from tripartite.components.invoices import people, store
from tripartite.components.invoices.deciding import Decider
from tripartite.components.invoices.gathering import keys_of
from tripartite.components.invoices.people import ENTRY, RELEASE
from tripartite.components.invoices.store import Row
from tripartite.components.invoices.telling import Cause, exception_event
from tripartite.core import codec
from tripartite.core.exceptions.lifecycle import NotAllowed, Person
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.objects import Invoice, Order
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.exception_acts import Actor, Answered, ExceptionActs, Judged, Keep, Seen, What


class SeenInvoice(Seen, frozen=True):
    """The exception with its invoice and the orders it names."""

    row: Row
    orders: Sequence[Order]


class Acts(ExceptionActs):
    """The acts, with the ports they need."""

    schema = "invoices"
    kinds = frozenset({"invoice"})

    def __init__(self, ports: Ports) -> None:
        super().__init__(ports)
        self._decider = Decider(ports)

    async def approve(self, exception_id: str, by: Actor, why: str, content_hash: str, keep: Keep) -> Answered:
        """Say yes to an invoice that waits for an approval. It binds to the content that was seen."""

        async def judge(connection: Connection, seen: Seen, person: Person) -> Judged:
            record = seen.record
            role = self._approver(record)
            refused = _may_not_approve(record, person, role, content_hash)
            if refused is not None:
                return refused
            now = self._ports.clock.now()
            made = await people.add_approval(connection, record.object_id, content_hash, role, person.name, why, now)
            words = f"{person.name} approved this content before; it takes somebody else."
            return "approved" if made else NotAllowed("control.duties_in_conflict", words)

        return await self.act(exception_id, by, why, judge, "approved", keep)

    # What is this component's own

    async def locked(self, connection: Connection, exception_id: str) -> SeenInvoice | None:
        """The exception, its invoice and its orders as recorded, under the locks of a decision: orders first."""
        found = await store.exception(connection, exception_id)
        row = await store.find(connection, found.object_id) if found is not None else None
        if row is None:
            return None
        document = codec.decode_own(row.content, Invoice)
        await store.hold_master(connection, change=False)
        orders = await store.lock_orders(connection, keys_of(row.company_code, document))
        await store.lock_invoice(connection, row.invoice_id)
        row, record = await store.find(connection, row.invoice_id), await store.exception(connection, exception_id)
        assert row is not None
        assert record is not None
        return SeenInvoice(record, row, list(orders.values()))

    async def keep_records(self, connection: Connection, records: Sequence[ExceptionRecord]) -> None:
        await store.keep_exceptions(connection, records)

    async def duties(self, connection: Connection, seen: Seen, person: str) -> set[str]:
        assert isinstance(seen, SeenInvoice)
        done = set(await people.duties_of(connection, seen.record.correlation_id, person))
        return done | _as_ordered(seen.orders, person)

    async def consent(self, connection: Connection, seen: Seen, by: Person, why: str) -> Person | None:
        return await people.add_consent(connection, seen.record, by, why, self._ports.clock.now())

    async def note(
        self,
        connection: Connection,
        record: ExceptionRecord,
        act_id: str,
        person: str,
        what: What,
        why: str,
        leaf_id: str,
    ) -> None:
        act = (
            *(act_id, record.object_id, record.company_code, record.correlation_id, record.exception_id),
            *(person, RELEASE, what, why[:2000], self._ports.clock.now(), leaf_id),
        )
        await people.add_acts(connection, [act])

    def told(self, seen: Seen, record: ExceptionRecord, cause: str) -> Outgoing:
        assert isinstance(seen, SeenInvoice)
        name = record.state if record.state != "open" else "changed"
        act = Cause(cause, f"act.{record.event.kind}")
        return exception_event(name, seen.row, record, act, record.event.at, seen.row.connection)

    async def follow(
        self, connection: Connection, seen: Seen, record: ExceptionRecord, what: What, cause: str
    ) -> tuple[str, list[Outgoing]]:
        """What a release, an approval or a refusal changes is decided again at once."""
        assert isinstance(seen, SeenInvoice)
        row = seen.row
        if what not in ("released", "approved", "refused"):
            return row.state, []
        again = {row.invoice_id: Cause(cause, f"act.{what}")}
        messages = await self._decider.decide(connection, row.company_code, (), list(again), again)
        return (await store.invoices_by_id(connection, [row.invoice_id]))[0].state, messages

    def _approver(self, record: ExceptionRecord) -> str:
        """The role whose yes is missing: as the policy's row says, else whoever owns the exception."""
        rows = self._ports.pack.table("approval")
        return next((row.approver for row in rows if f"approval/{row.id}" == record.policy_row), record.owner_role)


def _as_ordered(orders: Sequence[Order], person: str) -> set[str]:
    """Duties that the orders themselves name: who asked for the goods does not lift the hold on their invoice (C22)."""
    wished = {order.requester.casefold() for order in orders if order.requester}
    return {"requisition"} if person.casefold() in wished else set()


def _may_not_approve(record: ExceptionRecord, person: Person, role: str, content_hash: str) -> NotAllowed | None:
    """Why this person may not approve: the rules of an approval (C05, C22) beside those of the exception."""
    if not record.is_open:
        return NotAllowed("integration.version_stale", f"The exception is {record.state}.")
    if not record.reason_code.startswith("approval."):
        return NotAllowed("access.not_permitted", f"{record.reason_code} is not cleared by an approval.")
    if content_hash != record.content_hash:
        return NotAllowed("approval.changed_after", "The document changed after it was shown; look at it again.")
    if role not in person.roles:
        return NotAllowed("access.not_permitted", f"{person.name} does not approve as {role}.")
    conflicts = sorted(person.acts_on_chain & {"requisition", ENTRY, RELEASE})
    if conflicts:
        return NotAllowed("control.duties_in_conflict", f"{person.name} already did {', '.join(conflicts)} here.")
    return None
