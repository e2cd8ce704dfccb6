"""What people do about exceptions, the same for every component: release, refuse, take, assign, ask, pause, resume.

    locked -> judged by the core -> kept, told, audited -> what follows of it, all in one transaction

The core judges (core/exceptions/lifecycle.py): roles, limit, duties on the chain, the content that was seen. An act
that is not allowed leaves an audit leaf too: an attempt above one's limit is a fact (C04). A component says where its
exceptions lie, how they are locked, and what follows of an act, in the methods below `To be said by a component`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

import msgspec

from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import EXCEPTION_EVENTS, EscalateException
from tripartite.core.exceptions import lifecycle
from tripartite.core.exceptions.lifecycle import NotAllowed, Person
from tripartite.core.exceptions.reasons import reason
from tripartite.core.exceptions.record import ExceptionRecord, PauseReason
from tripartite.core.exceptions.terms import terms_of
from tripartite.core.ids import stable_id
from tripartite.core.money import Amount
from tripartite.runtime.audit import Leaf, make_leaf, write_leaves
from tripartite.runtime.bus import Batch, Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection, execute

RELEASE = "exception release"  # the duty, as the segregation of duties names it
What = Literal[
    "released",
    "consented",
    "approved",
    "refused",
    "taken",
    "assigned",
    "asked",
    "paused",
    "resumed",
    "parted",
]
Judged = ExceptionRecord | NotAllowed | What


class Actor(msgspec.Struct, frozen=True):
    """Who asks to act: the human being, the account, and the roles held now."""

    person: str
    account: str
    roles: tuple[str, ...]


class Acted(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of an act: where the exception and what it is about stand now. `state` is the object's, where it has
    one here, else the exception's.
    """

    what: What
    object_kind: str
    object_id: str
    state: str
    exception: ExceptionRecord
    act_id: str
    leaf_id: str
    invoice_id: str = ""  # of an invoice, or of the part that stands in its place


class Seen(msgspec.Struct, frozen=True):
    """An exception under the locks of its component, with what was read beside it."""

    record: ExceptionRecord


Answered = Acted | NotAllowed
Keep = Callable[[Connection, Acted], Awaitable[None]]
Judge = Callable[[Connection, Seen, Person], Awaitable[Judged]]


class ExceptionActs(ABC):
    """The acts on one component's exceptions, with the ports they need.

    Every method answers with what came of it, or why it is not allowed. `keep` runs in the act's own transaction: the
    answer to an idempotency key is kept with what it answers.
    """

    schema: ClassVar[str] = ""  # where `runtime.keep_acts` made the tables
    kinds: ClassVar[frozenset[str]] = frozenset()  # the kinds of object whose exceptions these are
    conflicts: ClassVar[frozenset[str]] = lifecycle.RELEASE_CONFLICTS  # duties on the chain that bar a release

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    # To be said by a component

    @abstractmethod
    async def locked(self, connection: Connection, exception_id: str) -> Seen | None:
        """The newest version under the locks that decide about its object; None where there is none."""

    @abstractmethod
    async def keep_records(self, connection: Connection, records: Sequence[ExceptionRecord]) -> None:
        """Write new versions."""

    async def duties(self, connection: Connection, seen: Seen, person: str) -> set[str]:
        """The duties this person already did on the chain of one requisition-to-payment transaction."""
        found = await execute(
            connection,
            f"SELECT DISTINCT duty FROM {self.schema}.exception_act WHERE correlation_id = %s AND person = %s",
            (seen.record.correlation_id, person),
        )
        return {row[0] for row in await found.fetchall()}

    def withheld(self, record: ExceptionRecord, what: What) -> str:
        """Why an act does not exist for such an exception, in a sentence; empty: it does."""
        return ""

    async def follow(
        self, connection: Connection, seen: Seen, record: ExceptionRecord, what: What, cause: str
    ) -> tuple[str, list[Outgoing]]:
        """What follows of an act: the object's state afterwards, and what to publish. `cause` is the act's id."""
        return record.state, []

    def told(self, seen: Seen, record: ExceptionRecord, cause: str) -> Outgoing:
        """One version of an exception, on the bus. A version is told once."""
        name = record.state if record.state in ("released", "refused", "cleared") else "changed"
        return Outgoing(
            EXCEPTION_EVENTS,
            Message(
                message_id=stable_id("msg", record.exception_id, str(record.version)),
                type=f"tripartite.exception.{name}.v1",
                company_code=record.company_code,
                key=record.object_id,
                correlation_id=record.correlation_id,
                occurred_at=record.event.at,
                payload=codec.encode(record),
                causation_id=cause,
            ),
        )

    # The acts

    async def release(self, exception_id: str, by: Actor, why: str, content_hash: str, keep: Keep) -> Answered:
        """Lift a hold although its fact stays. Where the catalogue wants two people the first one consents."""

        async def judge(connection: Connection, seen: Seen, person: Person) -> Judged:
            now, record = self._ports.clock.now(), seen.record
            if record.release != "two":
                return lifecycle.release(record, person, why, now, content_hash, conflicts=self.conflicts)
            # Judged as if a second one stood beside: what would be refused then is refused to the first already.
            beside = msgspec.structs.replace(person, name=f"{person.name} and another")
            alone = lifecycle.release(record, person, why, now, content_hash, beside, self.conflicts)
            if isinstance(alone, NotAllowed):
                return alone
            first = await self.consent(connection, seen, person, why)
            if first is None:
                return "consented"
            return lifecycle.release(record, first, why, now, content_hash, person, self.conflicts)

        return await self.act(exception_id, by, why, judge, "released", keep)

    async def refuse(self, exception_id: str, by: Actor, why: str, keep: Keep) -> Answered:
        """The owner turns down what it is about; what that means for the object is `follow`'s."""

        async def judge(_: Connection, seen: Seen, person: Person) -> Judged:
            return lifecycle.refuse(seen.record, person, why, self._ports.clock.now())

        return await self.act(exception_id, by, why, judge, "refused", keep)

    async def take(self, exception_id: str, by: Actor, keep: Keep) -> Answered:
        """Take an exception on oneself."""

        async def judge(_: Connection, seen: Seen, person: Person) -> Judged:
            return lifecycle.take(seen.record, person, self._ports.clock.now())

        return await self.act(exception_id, by, "", judge, "taken", keep)

    async def assign(self, exception_id: str, by: Actor, to: str, why: str, keep: Keep) -> Answered:
        """Hand it to a person of the team that owns it; one who could not act on it gets nothing handed."""

        async def judge(connection: Connection, seen: Seen, person: Person) -> Judged:
            record = seen.record
            owners = [f"role.{role}" for role in (record.owner_role, *record.also_roles)]
            found = await execute(
                connection,
                "SELECT 1 FROM auth.account WHERE person = %s AND disabled_at IS NULL AND permissions && %s LIMIT 1",
                (to.strip(), owners),
            )
            handed = lifecycle.assign(record, person, to, self._ports.clock.now())
            if isinstance(handed, ExceptionRecord) and await found.fetchone() is None:
                return NotAllowed("access.not_permitted", f"{to.strip()} does not act for {record.owner_role}.")
            return handed

        return await self.act(exception_id, by, why, judge, "assigned", keep)

    async def ask(self, exception_id: str, by: Actor, role: str, question: str, keep: Keep) -> Answered:
        """Put a question to another team; control tells it."""

        async def judge(_: Connection, seen: Seen, person: Person) -> Judged:
            return lifecycle.ask(seen.record, person, role, question, self._ports.clock.now())

        return await self.act(exception_id, by, question, judge, "asked", keep)

    async def pause(self, exception_id: str, by: Actor, reason: PauseReason, why: str, keep: Keep) -> Answered:
        """Stop the SLA clock while somebody outside is asked."""

        async def judge(_: Connection, seen: Seen, person: Person) -> Judged:
            if not {seen.record.owner_role, *seen.record.also_roles} & set(person.roles):
                return NotAllowed("access.not_permitted", f"{person.name} does not act for {seen.record.owner_role}.")
            return lifecycle.pause(seen.record, reason, person.name, self._ports.clock.now())

        return await self.act(exception_id, by, why, judge, "paused", keep)

    async def resume(self, exception_id: str, by: Actor, keep: Keep) -> Answered:
        """Let the SLA clock run again."""

        async def judge(_: Connection, seen: Seen, person: Person) -> Judged:
            calendar = self._ports.estate.calendar_of(seen.record.company_code)
            assert calendar is not None, f"{seen.record.company_code} has no calendar"
            if not {seen.record.owner_role, *seen.record.also_roles} & set(person.roles):
                return NotAllowed("access.not_permitted", f"{person.name} does not act for {seen.record.owner_role}.")
            return lifecycle.resume(seen.record, person.name, self._ports.clock.now(), *calendar)

        return await self.act(exception_id, by, "", judge, "resumed", keep)

    # One transaction

    async def act(self, exception_id: str, by: Actor, why: str, judge: Judge, what: What, keep: Keep) -> Answered:
        """Judge and do. Errors: none; `NotAllowed` says why not."""

        async def work(connection: Connection) -> Answered:
            seen = await self.locked(connection, exception_id)
            assert seen is not None, "the route has seen it"
            record = seen.record
            person = await self.person(connection, seen, by)
            withheld = self.withheld(record, what)
            judged = NotAllowed("access.not_permitted", withheld) if withheld else await judge(connection, seen, person)
            if isinstance(judged, NotAllowed):
                fact = {"act": what, "denied": judged.code, "account": by.account, "reason_code": record.reason_code}
                await write_leaves(connection.cursor(), [self.leaf("act.denied", record, person.name, fact)])
                return judged
            cause = stable_id("act", record.exception_id, str(record.version), what, person.name)
            messages: list[Outgoing] = []
            done: What = what
            if isinstance(judged, ExceptionRecord):
                await self.keep_records(connection, [judged])
                record = judged
                messages.append(self.told(seen, record, cause))
            else:
                done = judged
            fact = {"act": done, "account": by.account, "reason_code": record.reason_code, "line": str(record.line)}
            leaf = self.leaf(f"act.{done}", record, person.name, {**fact, "content": record.content_hash})
            await write_leaves(connection.cursor(), [leaf])
            await self.note(connection, record, cause, person.name, done, why, leaf.leaf_id)
            state, further = await self.follow(connection, seen, record, done, cause)
            acted = Acted(
                done,
                record.object_kind,
                record.object_id,
                state,
                record,
                cause,
                leaf.leaf_id,
                record.object_id if record.object_kind == "invoice" else "",
            )
            await keep(connection, acted)
            await publish(connection, [*messages, *further])
            return acted

        return await self._ports.db.transaction(work)

    async def person(self, connection: Connection, seen: Seen, by: Actor) -> Person:
        """Who acts, as the core judges it: what this role may release today, what was already done on this chain."""
        record = seen.record
        done = frozenset(await self.duties(connection, seen, by.person))
        return Person(by.person, by.roles, self.limit(record, by.roles), done)

    def limit(self, record: ExceptionRecord, roles: tuple[str, ...]) -> Amount | None:
        """Up to what sum these roles may release today, in the exception's currency; None: nothing."""
        today = self.business_date(record.company_code)
        limits = [
            found[0]
            for role in {record.owner_role, *record.also_roles} & set(roles)
            if (found := self._ports.pack.release_limit(role, record.company_code, record.currency, today)) is not None
        ]
        return max(limits, default=None)

    def business_date(self, company_code: str) -> date:
        """The business date of a company now."""
        company = self._ports.estate.company(company_code)
        zone = ZoneInfo(company.time_zone) if company else ZoneInfo("UTC")
        return self._ports.clock.now().astimezone(zone).date()

    def leaf(self, kind: str, record: ExceptionRecord, person: str, fact: Mapping[str, str]) -> Leaf:
        """The audit fact of an act."""
        body = codec.encode({**fact, "exception": record.exception_id, "person": person})
        salt = self._ports.chance.randbytes(16)
        return make_leaf(kind, record.object_id, record.company_code, record.correlation_id, body, salt)

    # Rows

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
        """Keep an act; the same one once."""
        await execute(
            connection,
            f"""INSERT INTO {self.schema}.exception_act (act_id, exception_id, object_kind, object_id, company_code,
                correlation_id, person, duty, what, why, at, leaf_id)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
            (
                *(act_id, record.exception_id, record.object_kind, record.object_id, record.company_code),
                *(record.correlation_id, person, RELEASE, what, why[:2000], self._ports.clock.now(), leaf_id),
            ),
        )

    async def consent(self, connection: Connection, seen: Seen, by: Person, why: str) -> Person | None:
        """Keep a first consent to a release by two; the other person, where one consented before."""
        record = seen.record
        found = await execute(
            connection,
            f"""SELECT person, roles, sum_limit FROM {self.schema}.exception_consent
            WHERE exception_id = %s AND content_hash = %s AND person <> %s ORDER BY at LIMIT 1""",
            (record.exception_id, record.content_hash, by.name),
        )
        row = await found.fetchone()
        if row is not None:
            limit = None if row[2] is None else Amount(row[2])
            return Person(row[0], tuple(row[1]), limit, frozenset(await self.duties(connection, seen, row[0])))
        await execute(
            connection,
            f"""INSERT INTO {self.schema}.exception_consent (exception_id, company_code, content_hash, person, roles,
                sum_limit, why, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
            (
                *(record.exception_id, record.company_code, record.content_hash, by.name, list(by.roles), by.limit),
                *(why, self._ports.clock.now()),
            ),
        )
        return None

    async def acts_of(self, connection: Connection, exception_id: str) -> list[dict[str, Any]]:
        """Who did what about an exception, in order."""
        names = ("act_id", "exception_id", "person", "duty", "what", "why", "at", "leaf_id")
        found = await execute(
            connection,
            f"SELECT {', '.join(names)} FROM {self.schema}.exception_act WHERE exception_id = %s ORDER BY place",
            (exception_id,),
        )
        return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]

    # The clock

    async def on_commands(self, connection: Connection, batch: Batch) -> None:
        """The due time passed: the next role of the policy's row is told, once, and may act from then on."""
        messages: list[Outgoing] = []
        for message in batch.messages:
            command = codec.decode_own(message.payload, EscalateException)
            seen = await self.locked(connection, command.exception_id) if command.object_kind in self.kinds else None
            if seen is None:
                continue
            record = seen.record
            overrides = self._ports.pack.overrides(record.company_code, self.business_date(record.company_code))
            terms = terms_of(reason(record.reason_code), overrides.get(record.reason_code))
            after = lifecycle.escalate(record, terms, self._ports.clock.now())
            if after is not None:
                await self.keep_records(connection, [after])
                messages.append(self.told(seen, after, message.message_id))
        await publish(connection, messages)
