"""Paying the proven part: an invoice that is held for some of its lines is parted in two, and the good part is posted.

    whole (replaced) -> part 1, proven: decided at once and posted      <id>.1
                     -> part 2, the rest: held for what held the whole  <id>.2

The parts are documents of our own (S29, S41) and live like any invoice: the rest is decided again when its facts come,
is refused where it is not owed, or is met by the supplier's credit memo. What people said of the whole counts for its
parts. The part is decided by the same match and policy as every invoice; where they do not let it pass, nothing
happens.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

import msgspec

from tripartite.components.invoices import people, quotes, store
from tripartite.components.invoices.acting import Acts, SeenInvoice
from tripartite.components.invoices.gathering import gather, keys_of
from tripartite.components.invoices.people import RELEASE
from tripartite.components.invoices.store import Row
from tripartite.components.invoices.telling import Cause, changed_event, event, exception_event
from tripartite.core import codec
from tripartite.core.events import INVOICE_EVENTS
from tripartite.core.exceptions import lifecycle
from tripartite.core.exceptions.lifecycle import NotAllowed
from tripartite.core.exceptions.record import Event, ExceptionRecord, exception_id
from tripartite.core.findings import Finding
from tripartite.core.ids import stable_id
from tripartite.core.invoice_life import OPEN
from tripartite.core.matching.parting import Split, Whole, rest_number, split
from tripartite.core.money import Amount
from tripartite.core.objects import Invoice
from tripartite.runtime.audit import write_leaves
from tripartite.runtime.bus import Outgoing, publish
from tripartite.runtime.db import Connection
from tripartite.runtime.exception_acts import Acted, Actor, Answered, Keep

_replace = msgspec.structs.replace
# Who may let the proven part go: accounts payable, or a team that owns what holds the rest. No fact is overridden.
PARTING_ROLES = frozenset({"ap"})


class Offer(msgspec.Struct, frozen=True):
    """What could be paid of an invoice now. Sums in its currency; `possible` false: `words` says why not."""

    invoice_id: str
    possible: bool
    words: str
    content_hash: str
    currency: str
    lines: tuple[dict[str, str], ...] = ()
    net: Amount | None = None
    tax: Amount | None = None
    gross: Amount | None = None
    rest_gross: Amount | None = None


class _NotProven(Exception):
    """The match or the policy did not let the part pass: everything done for it is taken back."""


class Parting(Acts):
    """The act, and the question before it."""

    async def offer(self, connection: Connection, row: Row) -> Offer:
        """What of this invoice is proven and may be let go, as things stand now. Changes nothing."""
        records = (await store.exceptions_of(connection, [row.invoice_id])).get(row.invoice_id, [])
        found = await self._split(connection, row, records)
        content = row.digest or row.invoice_id
        if isinstance(found, Whole):
            return Offer(row.invoice_id, possible=False, words=found.words, content_hash=content, currency=row.currency)
        lines = tuple(
            {"line": str(line.line), "quantity": str(line.quantity or ""), "amount": str(line.amount)}
            for line in found.part.lines
        )
        words = f"{found.part.gross} {row.currency} are proven, {found.rest.gross} stay in question."
        sums = (found.part.net, found.part.tax, found.part.gross, found.rest.gross)
        return Offer(row.invoice_id, True, words, content, row.currency, lines, *sums)

    async def part(self, invoice_id: str, by: Actor, why: str, content_hash: str, keep: Keep) -> Answered:
        """Post the proven part of a held invoice; the rest stays held. Answers with the part.

        Needs a reason, accounts payable or an owner of what holds it, nobody in conflict on the chain, and the content
        that was seen. The approval limits are those of the whole.
        """

        async def work(connection: Connection) -> Answered:
            row = await store.find(connection, invoice_id)
            assert row is not None, "the route has seen it"
            document = store.document_of(row)
            await store.hold_master(connection, change=False)
            orders = await store.lock_orders(connection, keys_of(row.company_code, document))
            await store.lock_invoice(connection, invoice_id)
            row = await store.find(connection, invoice_id)
            assert row is not None
            records = (await store.exceptions_of(connection, [invoice_id])).get(invoice_id, [])
            holding = sorted(
                (record for record in records if record.is_open), key=lambda r: (-r.money_at_risk, r.exception_id)
            )
            if row.state not in OPEN or not holding:
                return NotAllowed("integration.version_stale", f"The invoice is {row.state}: nothing of it is held.")
            first = holding[0]
            person = await self.person(connection, SeenInvoice(first, row, list(orders.values())), by)
            found = await self._split(connection, row, records)
            denied = _may_not_part(row, holding, person.roles, person.acts_on_chain, why, content_hash, by.person)
            if denied is None and isinstance(found, Whole):
                denied = NotAllowed(first.reason_code, found.words)
            if denied is None:
                assert isinstance(found, Split)
                try:
                    async with connection.transaction():  # a savepoint: all of it, or nothing
                        return await self._part(connection, row, document, found, records, by, why, keep)
                except _NotProven as no:
                    denied = NotAllowed(first.reason_code, str(no))
            fact = {"act": "parted", "denied": denied.code, "account": by.account, "words": denied.words}
            await write_leaves(connection.cursor(), [self.leaf("act.denied", first, by.person, fact)])
            return denied

        return await self._ports.db.transaction(work)

    # One transaction

    async def _split(self, connection: Connection, row: Row, records: Collection[ExceptionRecord]) -> Split | Whole:
        """The two documents, by what holds the invoice now and what the match says of its lines."""
        document, company = store.document_of(row), row.company_code
        keys = keys_of(company, document)
        around = await gather(connection, self._ports.estate, company, [row], {}, keys, lock=False)
        today = self._decider.today(company)
        policy_of = self._decider.policy_of(company, today)
        results, _ = await quotes.evaluated(connection, self._ports.estate, around, [row.invoice_id], policy_of, today)
        policy = self._ports.pack.match_policy(company, row.supplier_id, "", row.currency, today)[0]
        at_fault: dict[int, set[str]] = {}
        for record in records:
            if record.is_open and record.blocks == "posting":
                at_fault.setdefault(record.line, set()).add(record.reason_code)
        whole = around.whole_of(row)
        before = sum(1 for each in around.rows.values() if each.part_of and around.whole_of(each) is whole)
        return split(
            document,
            at_fault,
            results[row.invoice_id].pairs,
            policy.partial_release,
            rest_number(whole.number, before // 2 + 2),
        )

    async def _part(
        self,
        connection: Connection,
        row: Row,
        document: Invoice,
        found: Split,
        records: Sequence[ExceptionRecord],
        by: Actor,
        why: str,
        keep: Keep,
    ) -> Acted:
        """Errors: `_NotProven` where the part does not pass."""
        now = self._ports.clock.now()
        cause = Cause(stable_id("act", row.invoice_id, str(row.version), "parted"), "act.parted")
        new = [
            (self._row(row, found.part, f"{row.invoice_id}.1"), found.part),
            (self._row(row, found.rest, f"{row.invoice_id}.2"), found.rest),
        ]
        part, rest = (each for each, _ in new)
        row.state, row.version, row.changed_at = "replaced", row.version + 1, now
        row.reason_codes, row.waits_for, row.next_check_at = [], [], None
        row.payable_now = row.money_at_risk = Decimal(0)
        await store.update_invoices(connection, [row])
        words = (
            f"Parted: {found.part.gross} {row.currency} are proven and posted as {part.number}, "
            f"{found.rest.gross} stay in question as {rest.number}."
        )
        told = codec.encode(changed_event(row, document, words))
        message_id = stable_id("msg", cause.message_id, "changed")
        messages = [event(INVOICE_EVENTS, "invoice.decided", row, told, message_id, cause, now, row.connection)]
        lines = [{line.line for line in each.lines} for each in (found.part, found.rest)]
        for child, its_lines in ((part, lines[0]), (rest, lines[1])):
            await people.copy_approvals(connection, row.invoice_id, child.invoice_id)
            copies = [
                _of_part(record, child, self._ports.pack.hash)
                for record in records
                if (record.line == 0 or record.line in its_lines)
                and (record.state == "released" or (record.is_open and child is rest))
            ]
            await store.keep_exceptions(connection, copies)
            for record in copies:
                name = "opened" if record.is_open else "released"
                messages.append(exception_event(name, child, record, cause, now, row.connection))
        messages += await self._superseded(connection, row, records, rest, cause)
        messages += await self._decider.decide(
            connection, row.company_code, new, (), {part.invoice_id: cause, rest.invoice_id: cause}
        )
        if part.state != "to_post":
            held = ", ".join(part.reason_codes)
            raise _NotProven(f"The part would be {part.state}{f': {held}' if held else ''}.")
        fact = {
            "act": "parted",
            "account": by.account,
            "part": part.invoice_id,
            "gross": str(part.gross),
            "rest": rest.invoice_id,
            "rest_gross": str(rest.gross),
            "content": row.digest or row.invoice_id,
        }
        leaf = self.leaf("act.parted", records[0], by.person, fact)
        await write_leaves(connection.cursor(), [leaf])
        act = (row.company_code, row.correlation_id, "", by.person, RELEASE, "parted", why[:2000], now, leaf.leaf_id)
        acts = [(stable_id("act", cause.message_id, one), one, *act) for one in (row.invoice_id, part.invoice_id)]
        await people.add_acts(connection, acts)
        last = (await store.exceptions_of(connection, [row.invoice_id]))[row.invoice_id]
        acted = Acted(
            "parted", "invoice", part.invoice_id, part.state, last[0], cause.message_id, leaf.leaf_id, part.invoice_id
        )
        await keep(connection, acted)
        await publish(connection, messages)
        return acted

    def _row(self, row: Row, document: Invoice, invoice_id: str) -> Row:
        """A part's row: the whole's, with the sums and lines of its own document."""
        findings = codec.decode_own(row.findings, tuple[Finding, ...])
        mine = {0, *(line.line for line in document.lines)}
        return _replace(
            row,
            invoice_id=invoice_id,
            part_of=row.invoice_id,
            number=document.number,
            digest=row.digest or row.invoice_id,
            net=document.net,
            tax=document.tax,
            gross=document.gross,
            small_difference=Decimal(0),
            state="held",
            verdict="hold",
            decision_id="",
            decisions=1,
            inputs_digest="",
            payable_now=Decimal(0),
            money_at_risk=Decimal(0),
            payment_block=False,
            reason_codes=[],
            waits_for=[],
            next_check_at=None,
            was_post=False,
            content=codec.encode(document),
            findings=codec.encode(tuple(each for each in findings if each.line in mine)),
            version=1,
        )

    async def _superseded(
        self, connection: Connection, row: Row, records: Sequence[ExceptionRecord], rest: Row, cause: Cause
    ) -> list[Outgoing]:
        """What was open of the whole ends: it goes on under the rest."""
        now = self._ports.clock.now()
        ended = [lifecycle.supersede(record, rest.invoice_id, now) for record in records if record.is_open]
        kept = [record for record in ended if isinstance(record, ExceptionRecord)]
        await store.keep_exceptions(connection, kept)
        return [exception_event("changed", row, record, cause, now, row.connection) for record in kept]


def _may_not_part(
    row: Row,
    holding: Sequence[ExceptionRecord],
    roles: Collection[str],
    acts_on_chain: frozenset[str],
    why: str,
    content_hash: str,
    name: str,
) -> NotAllowed | None:
    """Why this person may not let the part go; the rules of a release, but for its limit: nothing is overridden."""
    if not why.strip():
        return NotAllowed("document.field_missing", "Say why: it is read by whoever reviews it.")
    if content_hash != (row.digest or row.invoice_id):
        return NotAllowed("approval.changed_after", "The document changed after it was shown; look at it again.")
    owners = {role for record in holding for role in (record.owner_role, *record.also_roles)}
    if not set(roles) & (owners | PARTING_ROLES):
        return NotAllowed("access.not_permitted", f"{name} acts neither for accounts payable nor for an owner of it.")
    conflicts = sorted(acts_on_chain & lifecycle.RELEASE_CONFLICTS)
    if conflicts:
        return NotAllowed("control.duties_in_conflict", f"{name} already did {', '.join(conflicts)} on this chain.")
    return None


def _of_part(record: ExceptionRecord, child: Row, policy: str) -> ExceptionRecord:
    """The whole's exception as it goes on for a part: the same clock, owner and pauses, under a key of its own."""
    key = (child.invoice_id, record.line, record.reason_code)
    words = f"goes on from {record.object_id}, which was parted"
    event_ = record.event if not record.is_open else Event("opened", record.event.at, "engine", words, policy)
    return _replace(
        record,
        exception_id=exception_id(record.company_code, key, 1),
        object_id=child.invoice_id,
        object_version=1,
        version=1,
        opening=1,
        earlier=record.exception_id,
        event=event_,
    )


def parts_view(rows: Mapping[str, Row], invoice_id: str) -> list[dict[str, object]]:
    """The parts that stand in the place of an invoice."""
    return [
        {"invoice_id": each.invoice_id, "number": each.number, "state": each.state, "gross": each.gross}
        for each in sorted(rows.values(), key=lambda row: row.invoice_id)
        if each.part_of == invoice_id
    ]
