"""What every act of paying needs: the day, the context of an exception, and one place where everything is written down.

A `Desk` belongs to one transaction. Acts put into it what follows from them; `finish` writes it, messages last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from importlib.metadata import version as installed_version
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tripartite.components.payments import answers, ledger, store
from tripartite.components.payments.ledger import Proposal, Row
from tripartite.components.payments.telling import Cause, changed_messages, exception_messages, notices
from tripartite.core import codec
from tripartite.core.exceptions.reconcile import Context, reconcile
from tripartite.core.findings import Finding
from tripartite.core.ids import digest, stable_id
from tripartite.core.money import Amount
from tripartite.core.objects.payment import PaymentStatus
from tripartite.core.paying.proposing import content_hash
from tripartite.runtime.audit import Leaf, make_leaf, write_leaves
from tripartite.runtime.bus import Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.deliveries import Owed, owe


@cache
def code_version() -> str:
    """The version of the code that decides, as every exception cites it."""
    return installed_version("tripartite")


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What an exception is about. `gross` in `currency`."""

    kind: str
    object_id: str
    company_code: str
    currency: str
    gross: Amount
    content: str
    correlation_id: str
    key: str  # of its messages: what decides their order
    version: int = 1
    supplier_id: str = ""
    refs: tuple[str, ...] = ()


class Desk:
    """One transaction's work."""

    def __init__(self, ports: Ports, connection: Connection, cause: Cause) -> None:
        self.ports, self.connection, self.cause = ports, connection, cause
        self.now: datetime = ports.clock.now()
        self.leaves: list[Leaf] = []
        self.owed: list[Owed] = []
        self.messages: list[Outgoing] = []

    def zone(self, company_code: str) -> str:
        company = self.ports.estate.company(company_code)
        return company.time_zone if company else "UTC"

    def today(self, company_code: str) -> date:
        """The business date of a company now."""
        return self.now.astimezone(ZoneInfo(self.zone(company_code))).date()

    def leaf(self, kind: str, object_id: str, company: str, correlation: str, record: Mapping[str, Any]) -> Leaf:
        """An audit fact, put down to be written with the rest."""
        made = make_leaf(
            kind,
            object_id,
            company,
            correlation,
            codec.encode({**record, "cause": self.cause.message_id, "at": self.now}),
            self.ports.chance.randbytes(16),
        )
        self.leaves.append(made)
        return made

    def move(self, row: Row, state: PaymentStatus, words: str, *, detail: str = "", reason: str = "") -> None:
        """A payment goes into another state. The caller writes the row and then calls `tell`."""
        row.state, row.version, row.changed_at = state, row.version + 1, self.now
        row.reason, row.detail = reason, detail or words
        row.reopened_by, row.reopened_why, row.reopened_at = "", "", None
        record = {"state": state, "version": row.version, "order": row.order_number, "reason": reason, "words": words}
        self.leaf(f"payment.{state}", row.number, row.company_code, row.correlation_id, record)

    async def tell(self, moved: Sequence[tuple[Row, str]], *, owing: bool = True) -> None:
        """What others hear of payments that moved: (row, words). Money that left or came back is owed to ERP and AP,
        once: not where only the words about it changed (`owing` false).
        """
        if not moved:
            return
        sources = await store.sources_of(self.connection, [row.number for row, _ in moved])
        for row, words in moved:
            self.messages += changed_messages(row, words, sources, self.cause, self.now)
            if owing and row.state in ("executed", "returned"):
                self.owed += notices(row, sources, self.ports.estate, self.cause, self.now)

    async def find(self, subject: Subject, findings: Sequence[Finding], speaks_for: frozenset[str]) -> None:
        """Open, renew or clear the exceptions of a subject as these findings say."""
        found = (await answers.exceptions_of(self.connection, [subject.object_id])).get(subject.object_id, [])
        if not findings and not any(record.is_open for record in found):
            return
        calendar = self.ports.estate.calendar_of(subject.company_code)
        assert calendar is not None, f"{subject.company_code} has no calendar"
        on = self.today(subject.company_code)
        context = Context(
            company_code=subject.company_code,
            object_kind=subject.kind,
            object_id=subject.object_id,
            object_version=subject.version,
            content_hash=subject.content,
            currency=subject.currency,
            gross=subject.gross,
            computed_from=digest(codec.encode(list(findings))),
            policy_release=self.ports.pack.hash,
            code_version=code_version(),
            calendar=calendar[0],
            time_zone=calendar[1],
            speaks_for=speaks_for,
            supplier_id=subject.supplier_id,
            correlation_id=subject.correlation_id,
            causation_id=self.cause.message_id,
            object_refs=subject.refs,
            overrides=self.ports.pack.overrides(subject.company_code, on),
        )
        changes = reconcile(found, findings, context, self.now)
        await answers.keep_exceptions(self.connection, changes.written)
        self.messages += exception_messages(changes, subject.key, self.cause, self.now)

    async def find_of(self, row: Row, findings: Sequence[Finding], speaks_for: frozenset[str]) -> None:
        """The same for a payment."""
        subject = Subject(
            kind="payment",
            object_id=row.number,
            company_code=row.company_code,
            currency=row.currency,
            gross=Amount(row.amount),
            content=digest(row.content),
            correlation_id=row.correlation_id,
            key=row.supplier_id,
            version=row.version,
            supplier_id=row.supplier_id,
            refs=tuple(item.invoice_number for item in row.payment.items),
        )
        await self.find(subject, findings, speaks_for)

    async def redraw(self, proposal: Proposal, rows: Sequence[Row]) -> None:
        """A proposal whose payments changed: another content, so that releases of the old one release nothing.

        Without a payment left it is cancelled. A released one is open again; its order was withdrawn before.
        """
        left = [row for row in rows if row.state == "proposed"]
        run = proposal.the_run
        proposal.amount = sum((row.amount for row in left), type(proposal.amount)(0))
        proposal.content_hash = content_hash(run, [row.payment for row in left])
        proposal.state, proposal.order_number = ("open", "") if left else ("cancelled", "")
        proposal.version, proposal.changed_at = proposal.version + 1, self.now
        if left:
            self.judge(proposal)
        record = {"content": proposal.content_hash, "state": proposal.state, "payments": [row.number for row in left]}
        self.leaf("payment_proposal.changed", proposal.number, proposal.company_code, proposal.correlation_id, record)
        await ledger.update_proposal(self.connection, proposal)

    def judge(self, proposal: Proposal) -> bool:
        """Set by policy how many people must release it; False where no row speaks: then nobody may."""
        found = self.ports.pack.payment_release(
            proposal.company_code, proposal.currency, self.today(proposal.company_code), proposal.amount
        )
        proposal.policy_hash = self.ports.pack.hash
        proposal.persons, proposal.policy_row = found if found else (2, "payment_release/none")
        return found is not None

    async def finish(self) -> None:
        """Write deliveries and audit facts, then publish: last in the transaction, once."""
        await owe(self.connection, self.owed)
        about = [each for each in self.owed if each.object_kind != "payment_order"]
        notes = [(each.key, each.object_id.partition("/")[0], each.connection, each.operation) for each in about]
        await ledger.add_notices(self.connection, notes)
        await write_leaves(self.connection.cursor(), self.leaves)
        await publish(self.connection, self.messages)


def correlation_of_proposal(company: str, number: str) -> str:
    return stable_id("c", company, number)
