"""What people do about an invoice that is held: release, approve, refuse, take, pause, resume; each in one transaction.

An act is judged by the core (core/exceptions/lifecycle.py) on what is recorded now, under the lock of the orders; what
it changes is decided again at once, so the answer says where the invoice stands. An act that is not allowed leaves its
own audit leaf too: an attempt above one's limit is a fact (C04).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Literal

import msgspec

from tripartite.components.invoices import people, store
from tripartite.components.invoices.deciding import Decider
from tripartite.components.invoices.gathering import keys_of
from tripartite.components.invoices.people import ENTRY, RELEASE
from tripartite.components.invoices.store import Row
from tripartite.components.invoices.telling import Cause, exception_event
from tripartite.core import codec
from tripartite.core.exceptions import lifecycle
from tripartite.core.exceptions.lifecycle import NotAllowed, Person
from tripartite.core.exceptions.record import ExceptionRecord, PauseReason
from tripartite.core.ids import stable_id
from tripartite.core.money import Amount
from tripartite.core.objects import Invoice, Order
from tripartite.runtime.audit import Leaf, make_leaf, write_leaves
from tripartite.runtime.bus import Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection

What = Literal["released", "consented", "approved", "refused", "taken", "paused", "resumed", "parted"]
Judged = ExceptionRecord | NotAllowed | What
Judge = Callable[[Connection, ExceptionRecord, Person], Awaitable[Judged]]


class Actor(msgspec.Struct, frozen=True):
    """Who asks to act: the human being, the account, and the roles held now."""

    person: str
    account: str
    roles: tuple[str, ...]


class Acted(msgspec.Struct, frozen=True):
    """What came of an act: where the exception and its invoice stand now."""

    what: What
    invoice_id: str
    state: str
    exception: ExceptionRecord
    act_id: str
    leaf_id: str


Answered = Acted | NotAllowed
Keep = Callable[[Connection, Acted], Awaitable[None]]


class Acts:
    """The acts, with the ports they need. Every method answers with what came of it, or why it is not allowed.

    `keep` runs in the act's own transaction: the answer to an idempotency key is kept with what it answers.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._decider = Decider(ports)

    async def release(self, exception_id: str, by: Actor, why: str, content_hash: str, keep: Keep) -> Answered:
        """Lift a hold although its fact stays. Where the catalogue wants two people the first one consents."""

        async def judge(connection: Connection, record: ExceptionRecord, person: Person) -> Judged:
            now = self._ports.clock.now()
            if record.release != "two":
                return lifecycle.release(record, person, why, now, content_hash)
            # Judged as if a second one stood beside: what would be refused then is refused to the first already.
            alone = lifecycle.release(
                record,
                person,
                why,
                now,
                content_hash,
                msgspec.structs.replace(person, name=f"{person.name} and another"),
            )
            if isinstance(alone, NotAllowed):
                return alone
            first = await people.add_consent(connection, record, person, why, now)
            return "consented" if first is None else lifecycle.release(record, first, why, now, content_hash, person)

        return await self._act(exception_id, by, why, judge, "released", keep)

    async def approve(self, exception_id: str, by: Actor, why: str, content_hash: str, keep: Keep) -> Answered:
        """Say yes to an invoice that waits for an approval. It binds to the content that was seen."""

        async def judge(connection: Connection, record: ExceptionRecord, person: Person) -> Judged:
            role = self._approver(record)
            refused = _may_not_approve(record, person, role, content_hash)
            if refused is not None:
                return refused
            now = self._ports.clock.now()
            made = await people.add_approval(connection, record.object_id, content_hash, role, person.name, why, now)
            words = f"{person.name} approved this content before; it takes somebody else."
            return "approved" if made else NotAllowed("control.duties_in_conflict", words)

        return await self._act(exception_id, by, why, judge, "approved", keep)

    async def refuse(self, exception_id: str, by: Actor, why: str, keep: Keep) -> Answered:
        """Turn the invoice down for this reason; the system it came from is told in these words."""

        async def judge(_: Connection, record: ExceptionRecord, person: Person) -> Judged:
            return lifecycle.refuse(record, person, why, self._ports.clock.now())

        return await self._act(exception_id, by, why, judge, "refused", keep)

    async def take(self, exception_id: str, by: Actor, keep: Keep) -> Answered:
        """Take an exception on oneself."""

        async def judge(_: Connection, record: ExceptionRecord, person: Person) -> Judged:
            return lifecycle.take(record, person, self._ports.clock.now())

        return await self._act(exception_id, by, "", judge, "taken", keep)

    async def pause(self, exception_id: str, by: Actor, reason: PauseReason, why: str, keep: Keep) -> Answered:
        """Stop the SLA clock while the supplier is asked, or until a date comes."""

        async def judge(_: Connection, record: ExceptionRecord, person: Person) -> Judged:
            return lifecycle.pause(record, reason, person.name, self._ports.clock.now())

        return await self._act(exception_id, by, why, judge, "paused", keep)

    async def resume(self, exception_id: str, by: Actor, keep: Keep) -> Answered:
        """Let the SLA clock run again."""

        async def judge(_: Connection, record: ExceptionRecord, person: Person) -> Judged:
            calendar = self._ports.estate.calendar_of(record.company_code)
            assert calendar is not None, f"{record.company_code} has no calendar"
            return lifecycle.resume(record, person.name, self._ports.clock.now(), *calendar)

        return await self._act(exception_id, by, "", judge, "resumed", keep)

    # One transaction

    async def _act(self, exception_id: str, by: Actor, why: str, judge: Judge, what: What, keep: Keep) -> Answered:
        async def work(connection: Connection) -> Answered:
            row, record, orders = await self._locked(connection, exception_id)
            person = await self._person(connection, record, orders, by)
            judged = await judge(connection, record, person)
            now = self._ports.clock.now()
            done: What = what
            if isinstance(judged, NotAllowed):
                fact = {"act": what, "denied": judged.code, "account": by.account, "reason_code": record.reason_code}
                await write_leaves(connection.cursor(), [self._leaf("act.denied", record, person, fact)])
                return judged
            messages: list[Outgoing] = []
            cause = Cause(stable_id("act", record.exception_id, str(record.version), what, person.name), f"act.{what}")
            if isinstance(judged, ExceptionRecord):
                await store.keep_exceptions(connection, [judged])
                name = judged.state if judged.state != "open" else "changed"
                messages.append(exception_event(name, row, judged, cause, now, row.connection))
                record = judged
            else:
                done = judged
            fact = {"act": done, "account": by.account, "reason_code": record.reason_code, "line": str(record.line)}
            leaf = self._leaf(f"act.{done}", record, person, {**fact, "content": record.content_hash})
            await write_leaves(connection.cursor(), [leaf])
            act = (
                *(cause.message_id, row.invoice_id, row.company_code, row.correlation_id, exception_id),
                *(person.name, RELEASE, done, why[:2000], now, leaf.leaf_id),
            )
            await people.add_acts(connection, [act])
            if done in ("released", "approved", "refused"):
                again = {row.invoice_id: cause}
                messages += await self._decider.decide(connection, row.company_code, (), list(again), again)
                row = (await store.invoices_by_id(connection, [row.invoice_id]))[0]
            acted = Acted(done, row.invoice_id, row.state, record, cause.message_id, leaf.leaf_id)
            await keep(connection, acted)
            await publish(connection, messages)
            return acted

        return await self._ports.db.transaction(work)

    async def _locked(self, connection: Connection, exception_id: str) -> tuple[Row, ExceptionRecord, list[Order]]:
        """The exception, its invoice and its orders as recorded, under the locks of a decision: orders first."""
        found = await store.exception(connection, exception_id)
        assert found is not None, "the route has seen it"
        row = await store.find(connection, found.object_id)
        assert row is not None
        document = codec.decode_own(row.content, Invoice)
        await store.hold_master(connection, change=False)
        orders = await store.lock_orders(connection, keys_of(row.company_code, document))
        await store.lock_invoice(connection, row.invoice_id)
        row, record = await store.find(connection, row.invoice_id), await store.exception(connection, exception_id)
        assert row is not None
        assert record is not None
        return row, record, list(orders.values())

    async def _person(
        self, connection: Connection, record: ExceptionRecord, orders: Sequence[Order], by: Actor
    ) -> Person:
        """Who acts, as the core judges it: what this role may release today, what was already done on this chain."""
        today = self._decider.today(record.company_code)
        done = set(await people.duties_of(connection, record.correlation_id, by.person))
        done |= _as_ordered(orders, by.person)
        return Person(by.person, by.roles, self._limit(record, by.roles, today), frozenset(done))

    def _approver(self, record: ExceptionRecord) -> str:
        """The role whose yes is missing: as the policy's row says, else whoever owns the exception."""
        rows = self._ports.pack.table("approval")
        return next((row.approver for row in rows if f"approval/{row.id}" == record.policy_row), record.owner_role)

    def _limit(self, record: ExceptionRecord, roles: tuple[str, ...], today: date) -> Amount | None:
        acting = {record.owner_role, *record.also_roles} & set(roles)
        limits = [
            found[0]
            for role in acting
            if (found := self._ports.pack.release_limit(role, record.company_code, record.currency, today)) is not None
        ]
        return max(limits, default=None)

    def _leaf(self, kind: str, record: ExceptionRecord, person: Person, fact: dict[str, str]) -> Leaf:
        body = codec.encode({**fact, "exception": record.exception_id, "person": person.name})
        salt = self._ports.chance.randbytes(16)
        return make_leaf(kind, record.object_id, record.company_code, record.correlation_id, body, salt)


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


__all__ = ["Acted", "Actor", "Acts", "NotAllowed"]
