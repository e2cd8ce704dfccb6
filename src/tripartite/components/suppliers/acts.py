"""What people do to the master: confirm or refuse a bank account, stop payments to a supplier, allow them again.

An act is one transaction: the core says whether it may be, then its record, the parties it changes, the messages and
its leaf commit together. A person acts as a human being (`Principal.person`), whatever account was used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from tripartite.components.suppliers import reading, store
from tripartite.components.suppliers.handlers import suspension_leaf
from tripartite.components.suppliers.keeping import AREAS, Keeper
from tripartite.components.suppliers.telling import Cause, change_view
from tripartite.core import codec
from tripartite.core.exceptions import reasons
from tripartite.core.exceptions.lifecycle import NotAllowed
from tripartite.core.suppliers.banking import BankChange, CallBack, Clerk, confirmed, refused
from tripartite.core.suppliers.eligibility import Suspension, restored, suspension_id
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.auth import Principal, conflicting
from tripartite.runtime.bus import publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.http_app import Problem

_STATUS = {
    "control.duties_in_conflict": 403,
    "integration.version_stale": 409,
    "supplier.bank_change_unapproved": 409,
}
Decide = Callable[[BankChange, Clerk, datetime], BankChange | NotAllowed]


def clerk_of(principal: Principal) -> Clerk:
    """The human being behind an account, and the names under which other systems may know them."""
    person = principal.person or principal.name
    return Clerk(person, frozenset({person.casefold(), principal.name.casefold()}))


def may_act(principal: Principal, permission: str) -> None:
    """Nobody acts who also holds a duty that this one excludes. Errors: `Problem`. Rule: segregation of duties."""
    if held := conflicting(principal.permissions, permission):
        raise Problem(
            "control.duties_in_conflict",
            403,
            f"{principal.name} also holds {', '.join(held)}; whoever holds that may not do this.",
        )


class Acts:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._keeper = Keeper(ports)

    async def confirm(
        self,
        principal: Principal,
        supplier_id: str,
        change_id: str,
        call: CallBack | None,
        note: str,
        companies: Collection[str] | None,
    ) -> BankChange:
        """One of the two confirmations of an account. Errors: `Problem`."""

        def decide(change: BankChange, by: Clerk, at: datetime) -> BankChange | NotAllowed:
            return confirmed(change, by, call, note, at)

        return await self._decide("bank.confirmed", principal, supplier_id, change_id, decide, companies)

    async def refuse(
        self, principal: Principal, supplier_id: str, change_id: str, why: str, companies: Collection[str] | None
    ) -> BankChange:
        """The account is not to be used. Errors: `Problem`."""

        def decide(change: BankChange, by: Clerk, at: datetime) -> BankChange | NotAllowed:
            return refused(change, by, why, at)

        return await self._decide("bank.refused", principal, supplier_id, change_id, decide, companies)

    async def _decide(
        self,
        kind: str,
        principal: Principal,
        supplier_id: str,
        change_id: str,
        decide: Decide,
        companies: Collection[str] | None,
    ) -> BankChange:
        may_act(principal, "bank.confirm")
        act_id = self._ports.ids.new("act")

        async def work(connection: Connection) -> BankChange:
            await store.hold_master(connection)
            found = await store.bank_change(connection, change_id)
            seen = await reading.sees(connection, supplier_id, None if companies is None else sorted(companies))
            if found is None or found[1] != supplier_id or not seen:
                raise Problem("access.not_found", 404, f"Supplier {supplier_id} has no bank change {change_id}.")
            now = self._ports.clock.now()
            after = decide(found[0], clerk_of(principal), now)
            if isinstance(after, NotAllowed):
                raise _problem(after)
            await store.add_bank_changes(connection, [after])
            cause = Cause(act_id, change_id, now)
            leaf = make_leaf(
                kind,
                change_id,
                "*",
                change_id,
                codec.encode({**change_view(after), "act": act_id, "person": clerk_of(principal).person}),
                self._ports.chance.randbytes(16),
            )
            await write_leaves(connection.cursor(), [leaf])
            await publish(connection, await self._keeper.renew(connection, {after.record: cause}))
            return after

        return await self._ports.db.transaction(work)

    async def suspend(
        self, principal: Principal, supplier_id: str, reason_code: str, object_id: str, why: str
    ) -> Suspension:
        """Stop payments to a supplier. The same cause stops once; after it was lifted it takes another cause."""
        if reason_code not in reasons() or reason_code.partition(".")[0] not in AREAS:
            raise Problem("intake.value_out_of_range", 422, f"{reason_code!r} is no reason of the supplier area.")
        if not why.strip():
            raise Problem("document.field_missing", 422, "A suspension needs its reason.", pointer="/why")
        act_id = self._ports.ids.new("act")

        async def work(connection: Connection) -> Suspension:
            await store.hold_master(connection)
            now = self._ports.clock.now()
            by = clerk_of(principal).person
            made = Suspension(
                suspension_id=suspension_id(supplier_id, reason_code, object_id or act_id),
                supplier_id=supplier_id,
                reason_code=reason_code,
                object_id=object_id or act_id,
                words=why.strip()[:500],
                by=by,
                at=now,
            )
            if not await store.suspend(connection, made):
                before = await reading.suspension(connection, supplier_id, made.suspension_id)
                assert before is not None
                if not before.stands:
                    words = f"{before.object_id} suspended this supplier before, and {before.restored_by} lifted it."
                    raise Problem("integration.version_stale", 409, words)
                return before
            await self._renew(connection, "supplier.suspended", made, Cause(act_id, made.suspension_id, now))
            return made

        return await self._ports.db.transaction(work)

    async def restore(self, principal: Principal, supplier_id: str, which: str, why: str) -> Suspension:
        """Allow payments again: another person than the one who stopped them, with a reason. Errors: `Problem`."""
        may_act(principal, "supplier.restore")
        act_id = self._ports.ids.new("act")

        async def work(connection: Connection) -> Suspension:
            await store.hold_master(connection)
            before = await reading.suspension(connection, supplier_id, which)
            if before is None:
                raise Problem("access.not_found", 404, f"Supplier {supplier_id} has no suspension {which}.")
            now = self._ports.clock.now()
            after = restored(before, clerk_of(principal), why, now)
            if isinstance(after, NotAllowed):
                raise _problem(after)
            await store.lift(connection, after)
            await self._renew(connection, "supplier.restored", after, Cause(act_id, after.suspension_id, now))
            return after

        return await self._ports.db.transaction(work)

    async def _renew(self, connection: Connection, kind: str, suspension: Suspension, cause: Cause) -> None:
        await write_leaves(connection.cursor(), [suspension_leaf(kind, suspension, cause, self._ports)])
        records = await store.records_of(connection, [suspension.supplier_id])
        await publish(connection, await self._keeper.renew(connection, dict.fromkeys(sorted(records), cause)))


def _problem(refusal: NotAllowed) -> Problem:
    return Problem(refusal.code, _STATUS.get(refusal.code, 422), refusal.words)
