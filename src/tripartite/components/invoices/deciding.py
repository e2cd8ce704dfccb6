"""Deciding: the gathered neighbourhood goes through match and policy; what follows is recorded in one transaction.

    facts -> gather -> evaluate (core/matching) -> decide (core/policy) -> record

New invoices, later facts and due dates all come through `Decider.decide`. Unchanged inputs write nothing. An invoice
that is to be booked keeps its decision; a fact that would have changed it opens an exception that blocks the payment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from importlib.metadata import version as installed_version
from zoneinfo import ZoneInfo

import msgspec

from tripartite.components.invoices import blocking, crediting, people, quotes, store
from tripartite.components.invoices.explaining import Explain, Explainer
from tripartite.components.invoices.gathering import Neighbourhood, gather, keys_of
from tripartite.components.invoices.posting import build_posting, decimal_of
from tripartite.components.invoices.store import Key, Place, Row
from tripartite.components.invoices.telling import Cause, changed_event, event, exception_event
from tripartite.connectors import registry
from tripartite.core import codec
from tripartite.core.estate.calendar import Calendar
from tripartite.core.events import (
    INVOICE_EVENTS,
    ORDER_COMMANDS,
    RECEIPT_COMMANDS,
    SUPPLIER_COMMANDS,
    PublishOrder,
    RequeryReceipts,
    SeekOrder,
    SuspendSupplier,
)
from tripartite.core.exceptions.reconcile import Changes, Context, reconcile
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.findings import Finding
from tripartite.core.ids import stable_id
from tripartite.core.invoice_life import LIVE, OPEN
from tripartite.core.matching.billed import Bill
from tripartite.core.matching.engine import PolicyOf
from tripartite.core.matching.policy import MatchPolicy
from tripartite.core.matching.result import Allocation, MatchResult
from tripartite.core.money import Amount
from tripartite.core.objects import Invoice, PaymentRelease
from tripartite.core.objects.notice import HoldReported
from tripartite.core.policy.decide import Approval, AskApproval, Case, Decision, Hold, Post, decide
from tripartite.runtime.audit import Leaf, make_leaf, write_leaves
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.deliveries import Owed, owe

POST_INVOICE = "post_invoice"
REPORT_POSTING = "report_posting"
REPORT_HOLD = "report_hold"
MOST_TRACES = 8  # that a deciding span names as its causes: a batch may hold hundreds
_AWAITED_RECEIPT = frozenset({"match.quantity_over_received", "match.not_received", "reference.receipt_missing"})


@cache
def code_version() -> str:
    """The version of the code that decides, as every decision cites it."""
    return installed_version("tripartite")


class _Matched(msgspec.Struct, frozen=True):
    """A match's result as the policy looks at it."""

    verdict: str
    findings: tuple[Finding, ...]
    payable_now: Amount


class Written(msgspec.Struct):
    """What one deciding transaction writes, collected invoice by invoice."""

    new: list[Row]
    changed: list[Row]
    decisions: list[tuple[object, ...]]
    allocations: list[Release]
    exceptions: list[ExceptionRecord]
    leaves: list[Leaf]
    owed: list[Owed]
    messages: list[Outgoing]
    blocked: list[tuple[str, str, str]] = []  # postings that carry a payment block: invoice, company, connection


class Decider:
    """Decides invoices of one company per call."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def today(self, company_code: str) -> date:
        """The business date of a company now."""
        return self._ports.clock.now().astimezone(ZoneInfo(self.time_zone(company_code))).date()

    def time_zone(self, company_code: str) -> str:
        """The name of the zone whose day a company lives by."""
        company = self._ports.estate.company(company_code)
        return company.time_zone if company else "UTC"

    async def decide(
        self,
        connection: Connection,
        company_code: str,
        new: Sequence[tuple[Row, Invoice]],
        again: Collection[str],
        cause_of: Mapping[str, Cause],
    ) -> list[Outgoing]:
        """Decide new invoices and, again, recorded ones; record everything that follows.

        Returns the messages that the caller publishes, last in its transaction. What is decided together is one span
        and one trace, which the decisions and what is told of them name; the traces of what woke them stand in it.
        """
        if not new and not again:
            return []
        before = sorted({cause.trace_id for cause in cause_of.values() if cause.trace_id})
        telemetry = self._ports.telemetry
        with telemetry.span(
            "decide invoices",
            component="invoices",
            company_code=company_code,
            documents=len(new) + len(again),
            woken_by=" ".join(before[:MOST_TRACES]),
        ):
            trace_id = telemetry.trace_id()
            own = {name: msgspec.structs.replace(cause, trace_id=trace_id) for name, cause in cause_of.items()}
            messages, freed = await self._decide(connection, company_code, new, again, own)
            done = {*own}
            while freed:
                # Goods that a credit or a refusal freed: who waits for them on the same orders is decided again.
                waiting = await store.open_invoices_of_orders(connection, freed, OPEN)
                causes = {each: freed[key] for each, key in waiting.items() if each not in done}
                done |= set(causes)
                further, freed = await self._decide(connection, company_code, (), list(causes), causes)
                messages += further
            return messages

    async def _decide(
        self,
        connection: Connection,
        company_code: str,
        new: Sequence[tuple[Row, Invoice]],
        again: Collection[str],
        cause_of: Mapping[str, Cause],
    ) -> tuple[list[Outgoing], dict[Key, Cause]]:
        """Decide once; also the orders of which something was freed, with what freed it."""
        if not new and not again:
            return [], {}
        await store.hold_master(connection, change=False)
        documents = {row.invoice_id: invoice for row, invoice in new}
        recorded = await store.invoices_by_id(connection, again)
        wanted = [*recorded, *(row for row, _ in new)]
        if not wanted:
            return [], {}
        for row in recorded:
            documents[row.invoice_id] = store.document_of(row)
        keys: set[Key] = set()
        for row in wanted:
            keys |= keys_of(company_code, documents[row.invoice_id])
        keys |= {(company_code, each) for each in crediting.all_of(await crediting.orders_of(connection, wanted))}
        around = await gather(connection, self._ports.estate, company_code, wanted, documents, keys, lock=True)
        # Read again under the lock: another worker may have decided meanwhile.
        wanted = [around.rows[row.invoice_id] for row in wanted]
        today = self.today(company_code)
        policy_of = self.policy_of(company_code, today)
        # The match, and again with their tax quotes for those whose tax is at fault (quotes.py).
        results, around.quoted = await quotes.evaluated(
            connection,
            self._ports.estate,
            around,
            [row.invoice_id for row in wanted],
            policy_of,
            today,
        )
        explainer = Explainer(around, policy_of, today)
        parts = [row.invoice_id for row, _ in new if row.part_of]  # with what people said of the whole
        said_of = [row.invoice_id for row in recorded if row.reason_codes or row.state in ("held", "parked")]
        standing = await store.exceptions_of(connection, [*said_of, *parts])
        seen = [*(row.invoice_id for row in recorded), *parts]
        approvals = await people.approvals_of(connection, seen) if seen else {}
        deciding = [row for row in wanted if not row.was_post]
        beside = {row.invoice_id for row in deciding if results[row.invoice_id].trace.beside_credits}
        # Where the match alone does not say what may be released: a finding that somebody let pass, a credit beside it.
        whole: set[Key] = set()
        for row in deciding:
            if row.invoice_id in beside or results[row.invoice_id].verdict != "post":
                whole |= keys_of(company_code, documents[row.invoice_id])
        room = await store.room_of(connection, keys, whole=whole) if deciding else {}
        given = await crediting.standing(connection, keys) if beside else {}
        written = Written([], [], [], [], [], [], [], [])
        fresh = {row.invoice_id for row, _ in new}
        before = {row.invoice_id: row.state for row in wanted}
        # What a credit frees is there for the bills that are decided beside it, wherever they came in between.
        for row in sorted(
            wanted, key=lambda row: (not crediting.is_about_others(row.kind), row.sequence, row.invoice_id)
        ):
            self._one(
                row,
                documents[row.invoice_id],
                results[row.invoice_id],
                around,
                standing.get(row.invoice_id, []),
                approvals.get(row.invoice_id, []),
                cause_of[row.invoice_id],
                written,
                room,
                explainer,
                given,
                is_new=row.invoice_id in fresh,
                today=today,
            )
        await store.insert_invoices(connection, written.new, documents)
        await store.update_invoices(connection, written.changed)
        await store.add_allocations(connection, written.allocations)
        await store.add_decisions(connection, written.decisions)
        await store.keep_exceptions(connection, written.exceptions)
        await blocking.sent(connection, written.blocked)
        written.owed += await self.lifted(connection, written.changed)
        await owe(connection, written.owed)
        await write_leaves(connection.cursor(), written.leaves)
        freed = {
            (company_code, number): cause_of[row.invoice_id]
            for row in wanted
            if _frees(row, before[row.invoice_id], is_new=row.invoice_id in fresh)
            for number in around.numbers_of(row, documents[row.invoice_id])
        }
        return written.messages, freed

    def policy_of(self, company_code: str, today: date) -> PolicyOf:
        """The bounds that count for each invoice of a company on a day."""
        pack = self._ports.pack
        known: dict[tuple[str, str], MatchPolicy] = {}

        def bounds(bill: Bill) -> MatchPolicy:
            place = (bill.doc.supplier_id, bill.doc.currency)
            if place not in known:
                known[place] = pack.match_policy(company_code, place[0], "", place[1], today)[0]
            return known[place]

        return bounds

    # One invoice

    def _one(
        self,
        row: Row,
        invoice: Invoice,
        result: MatchResult,
        around: Neighbourhood,
        standing: list[ExceptionRecord],
        approvals: list[Approval],
        cause: Cause,
        written: Written,
        room: dict[Place, Decimal],
        explainer: Explainer,
        given: crediting.Standing,
        *,
        is_new: bool,
        today: date,
    ) -> None:
        now = self._ports.clock.now()
        mapped = codec.decode_own(row.findings, tuple[Finding, ...])
        findings = (*mapped, *self._unroutable(row, invoice, around, today), *_not_synced(row, invoice, around))
        # Worked out once: what would be released is checked against what is left, written, and said to the ERP.
        allocations = result.allocations if result.verdict == "post" and not row.was_post else ()
        passes = result.verdict == "post"
        releases = self._releases(row, result, allocations, around, room, given) if passes else []
        claims = _claims(releases)
        findings = (*findings, *_released_elsewhere(invoice, releases, claims, room))
        findings = (*findings, *around.quoted.findings(row.invoice_id))
        by_people = people.said(
            standing, approvals, (*result.findings, *findings), lambda: self.context(row, invoice, "", cause)
        )
        # What was looked at, in one name: every document by its bytes, the mapping's findings, policy and estate.
        digest = around.digest_of(
            row, invoice, self._ports.pack.hash, self._ports.estate.digest, findings, by_people.part
        )
        if not is_new and digest == row.inputs_digest and _says(row.verdict, result):
            return
        case = Case(
            company=row.company_code,
            supplier=row.supplier_id,
            currency=row.currency,
            # A part is approved as what was billed: by parting nobody gets below a limit.
            gross=Amount(abs(around.whole_of(row).gross or Decimal(0))),
            on=today,
            content_hash=row.digest or row.invoice_id,
            document="credit_memo" if row.kind in ("credit_memo", "subsequent_credit") else "invoice",
            has_order=bool(around.numbers_of(row, invoice)),
            findings=findings,
            released=by_people.released,
            approvals=by_people.approvals,
        )
        matched = _Matched(result.verdict, result.findings, Amount(result.payable_now.decimal()))
        decision = decide(matched, self._ports.pack, case, now, estate=self._ports.estate)
        if by_people.refused is not None and not row.was_post:
            decision = people.refusal(by_people.refused, decision.trace)
        state = self._state_after(row, result, decision, standing, is_new=is_new)
        # What a person refused needs nothing more of anybody: nothing stays open and nothing opens again.
        open_for = () if by_people.refused is not None else decision.findings
        explain = explainer.of(invoice, result, self.time_zone(row.company_code))
        changes = self._exceptions(row, invoice, open_for, standing, digest, cause, now, explain)
        number = 1 if is_new else row.decisions + 1
        leaf = self._leaf(row, decision, state, number, digest, now)
        row.decision_id = stable_id("dec", row.invoice_id, str(number))
        row.decisions, row.inputs_digest, row.verdict = number, digest, _verdict(result, decision)
        became_to_post = state == "to_post" and (is_new or row.state != "to_post")
        row.state, row.changed_at, row.version = state, now, row.version + (not is_new)
        was_post, row.was_post = row.was_post, row.was_post or state in LIVE
        open_codes = [record.reason_code for record in _still_open(standing, changes)]
        row.reason_codes = list(dict.fromkeys(open_codes))
        row.waits_for = list(decision.waits_for) if isinstance(decision, Hold) else []
        row.payable_now = result.payable_now.decimal()
        row.money_at_risk = result.money_at_risk.decimal()
        row.payment_block = (
            bool(decision.payment_block) if isinstance(decision, Post) else state in LIVE and bool(open_codes)
        )
        if isinstance(decision, Post) and not was_post and (by_people.released or result.verdict != "post"):
            # A person or the policy let it go: what came covers a part of it, perhaps none; the rest stands on the
            # order alone.
            allocations = result.allocations
            releases = self._releases(row, result, allocations, around, room, given)
            releases = people.within(releases, room)
            claims = _claims(releases)
            allocations = _whole_lines(invoice, allocations, releases)
        row.small_difference = _small_difference(row, decision)
        row.next_check_at = self._next_day(row.company_code, today) if state == "parked" else None
        (written.new if is_new else written.changed).append(row)
        written.leaves.append(leaf)
        written.decisions.append(self._decision_row(row, result, decision, leaf, cause, now))
        if changes:
            written.exceptions.extend(changes.written)
            written.messages.extend(self._exception_events(row, changes, cause, now))
            written.messages.extend(self._commands(row, invoice, changes, cause, now))
        written.messages.extend(around.quoted.commands(row, cause, now))  # a tax engine is asked
        if became_to_post:
            written.allocations.extend(releases)
            crediting.move(given, releases)
            for place, quantity in claims.items():
                if place in room:
                    room[place] -= quantity
        self._owe(
            row,
            invoice,
            result,
            decision,
            around,
            written,
            released=allocations if became_to_post else None,
            today=today,
            now=now,
        )
        written.messages.append(self._changed(row, invoice, result, decision, cause, now))

    def _releases(
        self,
        row: Row,
        result: MatchResult,
        allocations: Sequence[Allocation],
        around: Neighbourhood,
        room: Mapping[Place, Decimal],
        given: crediting.Standing,
    ) -> list[Release]:
        """What is released once this is to be posted; negative where it gives back what others had released."""
        releases = _allocations(row, allocations)
        if row.was_post:
            return releases
        held_back = result.held_back(around.live) if result.trace.beside_credits else ()
        claims = _claims(releases)
        if held_back or any(asked > room.get(place, asked) for place, asked in claims.items()):
            releases = crediting.placed(row, releases, held_back, room, around.by_number)
        if result.trace.beside_credits and (givings := result.givings(around.live)):
            releases = [*releases, *crediting.given_back(row, givings, given)]
        return releases

    async def lifted(self, connection: Connection, changed: Sequence[Row]) -> list[Owed]:
        """What is owed to ERPs whose payment block is to be lifted; to those that cannot lift one, nothing."""
        now = self._ports.clock.now()
        rows = {row.invoice_id: row for row in changed}
        owed = []
        for invoice_id, name in sorted((await blocking.to_lift(connection, changed)).items()):
            row, configured = rows[invoice_id], self._ports.estate.connection(name)
            if configured is not None and blocking.RELEASE in registry.manifest(configured.kind).writes:
                payload = codec.encode(PaymentRelease(invoice_id, row.company_code, row.document))
                mode = self._ports.estate.mode(name, row.company_code) or "observe"
                owed.append(self._owed(row, name, blocking.RELEASE, row.version, payload, mode, now))
        return owed

    def _unroutable(self, row: Row, invoice: Invoice, around: Neighbourhood, today: date) -> tuple[Finding, ...]:
        """The ERP that would book this must know the supplier by a number of its own."""
        document = "credit_memo" if row.kind in ("credit_memo", "subsequent_credit") else "invoice"
        route = self._ports.estate.route(row.company_code, document, today)
        supplier = around.suppliers.get(row.supplier_id)
        if route is None or supplier is None or supplier.names_elsewhere.get(route.connection):
            return ()
        return (
            Finding(
                code="integration.mapping_missing",
                breach=f"supplier:{supplier.number}",
                unit="words",
                words=f"{route.connection} has no number for supplier {supplier.number} {supplier.name}.",
                rule="xref",
            ),
        )

    def _state_after(
        self, row: Row, result: MatchResult, decision: Decision, standing: list[ExceptionRecord], *, is_new: bool
    ) -> str:
        if not is_new and row.state in (*LIVE, "refused", "replaced"):
            return row.state  # what is booked stays booked; what is final stays final
        if result.replaced:
            return "replaced"
        match decision:
            case Post():
                if any(record.is_open and record.reason_code == "posting.rejected" for record in standing):
                    return "held"  # the ERP said no: somebody replays it after the cause is gone
                mode = self._ports.estate.mode(decision.connection, row.company_code)
                return "observed" if mode in (None, "observe") else "to_post"
            case Hold():
                return "parked" if decision.parked else "held"
            case AskApproval():
                return "approval"
            case _:
                return "refused"

    def _exceptions(
        self,
        row: Row,
        invoice: Invoice,
        findings: Sequence[Finding],
        standing: list[ExceptionRecord],
        digest: str,
        cause: Cause,
        now: datetime,
        explain: Explain,
    ) -> Changes | None:
        if not findings and not any(record.is_open for record in standing):
            return None
        context = self.context(row, invoice, digest, cause, alternatives=explain)
        return reconcile(standing, findings, context, now)

    def context(self, row: Row, invoice: Invoice, computed_from: str, cause: Cause, **further: object) -> Context:
        """What an exception's record says of its document."""
        found = self._ports.estate.calendar_of(row.company_code)
        assert found is not None, f"{row.company_code} has no calendar"
        calendar: Calendar = found[0]
        fields: dict[str, object] = {
            "company_code": row.company_code,
            "object_kind": "invoice",
            "object_id": row.invoice_id,
            "object_version": row.version,
            "content_hash": row.digest or row.invoice_id,
            "currency": row.currency,
            "gross": Amount(abs(row.gross or Decimal(0))),
            "computed_from": computed_from,
            "policy_release": self._ports.pack.hash,
            "code_version": code_version(),
            "calendar": calendar,
            "time_zone": found[1],
            "supplier_id": row.supplier_id,
            "connection": row.connection,
            "correlation_id": row.correlation_id,
            "causation_id": cause.message_id,
            "object_refs": tuple(store.order_numbers(invoice)),
            "line_amounts": {line.line: Amount(abs(line.amount)) for line in invoice.lines if line.amount is not None},
            "order_of_line": {line.line: line.order_number for line in invoice.lines if line.order_number},
            "overrides": self._ports.pack.overrides(row.company_code, self.today(row.company_code)),
        }
        return Context(**{**fields, **further})  # type: ignore[arg-type]

    def _leaf(self, row: Row, decision: Decision, state: str, number: int, digest: str, now: datetime) -> Leaf:
        record = {
            "decision": number,
            "state": state,
            "codes": list(dict.fromkeys(finding.code for finding in decision.findings)),
            "inputs": digest,
            "policy": decision.trace.policy,
            "code": code_version(),
            "content": row.digest,
            "at": now,
        }
        return make_leaf(
            "decision",
            row.invoice_id,
            row.company_code,
            row.correlation_id,
            codec.encode(record),
            self._ports.chance.randbytes(16),
        )

    def _decision_row(
        self, row: Row, result: MatchResult, decision: Decision, leaf: Leaf, cause: Cause, now: datetime
    ) -> tuple[object, ...]:
        stored = {
            "findings": decision.findings,
            "rows": decision.trace.rows,
            "payable_now": Amount(result.payable_now.decimal()),
            "money_at_risk": Amount(result.money_at_risk.decimal()),
            "match_verdict": result.verdict,
        }
        return (
            *(row.decision_id, row.invoice_id, row.decisions, row.verdict, row.state, now),
            *(cause.message_id, cause.type, row.inputs_digest, decision.trace.policy, code_version()),
            *(codec.encode(stored), leaf.leaf_id, cause.trace_id),
        )

    def _owe(
        self,
        row: Row,
        invoice: Invoice,
        result: MatchResult,
        decision: Decision,
        around: Neighbourhood,
        written: Written,
        *,
        released: Sequence[Allocation] | None,
        today: date,
        now: datetime,
    ) -> None:
        if released is not None and isinstance(decision, Post):
            posting = build_posting(
                row.invoice_id,
                invoice,
                result,
                released,
                around.by_number,
                self._ports.estate,
                connection=decision.connection,
                supplier_number=around.suppliers[row.supplier_id].names_elsewhere[decision.connection],
                posted_on=today,
                payment_block=blocking.VERIFICATION if decision.payment_block else "",
                original_document=next(
                    (
                        each.document
                        for each in around.rows.values()
                        if each.number == invoice.original and each.document
                    ),
                    "",
                )
                if invoice.original
                else "",
            )
            mode = self._ports.estate.mode(decision.connection, row.company_code) or "observe"
            if decision.payment_block:
                written.blocked.append((row.invoice_id, row.company_code, decision.connection))
            written.owed.append(
                self._owed(row, decision.connection, POST_INVOICE, row.version, codec.encode(posting), mode, now)
            )
        elif row.state in ("held", "approval", "refused") and self._hears(row, REPORT_HOLD):
            words = " ".join(finding.words for finding in decision.findings if finding.words)[:240]
            notice = HoldReported(
                row.invoice_id,
                row.number,
                row.company_code,
                row.source_document,
                tuple(row.reason_codes) or tuple(dict.fromkeys(f.code for f in decision.findings)),
                words,
            )
            mode = self._ports.estate.mode(row.connection, row.company_code) or "observe"
            written.owed.append(
                self._owed(row, row.connection, REPORT_HOLD, row.decisions, codec.encode(notice), mode, now)
            )

    def _owed(
        self, row: Row, connection: str, operation: str, version: int, payload: bytes, mode: str, now: datetime
    ) -> Owed:
        return Owed(
            connection=connection,
            operation=operation,
            object_kind="invoice",
            object_id=row.invoice_id,
            object_version=version,
            company_code=row.company_code,
            correlation_id=row.correlation_id,
            payload=payload,
            mode=mode,  # type: ignore[arg-type]
            due_at=now,
            causation_id=row.decision_id,
        )

    def _hears(self, row: Row, operation: str) -> bool:
        """Whether the system the invoice came from wants to hear of it."""
        configured = self._ports.estate.connection(row.connection) if row.source_document else None
        return configured is not None and operation in registry.manifest(configured.kind).writes

    # Messages

    def _exception_events(self, row: Row, changes: Changes, cause: Cause, now: datetime) -> list[Outgoing]:
        told = []
        for what, records in (
            ("opened", changes.opened),
            ("changed", changes.re_evaluated),
            ("cleared", changes.cleared),
        ):
            for record in records:
                told.append(exception_event(what, row, record, cause, now, row.connection))
        return told

    def _commands(self, row: Row, invoice: Invoice, changes: Changes, cause: Cause, now: datetime) -> list[Outgoing]:
        """What a newly opened exception asks of the others (the automated responses of the catalogue)."""
        opened = {record.reason_code for record in changes.opened}
        commands = []
        rule = self._ports.pack.supplier_rule(row.company_code, self.today(row.company_code))
        stops = rule is None or rule.mismatch_suspends == "supplier"
        if stops and "supplier.mismatch" in opened and row.supplier_id:
            stop = SuspendSupplier(row.supplier_id, "supplier.mismatch", row.invoice_id, "invoices")
            message_id = stable_id("msg", row.decision_id, row.supplier_id)
            commands.append(
                event(SUPPLIER_COMMANDS, "supplier.suspend", row, codec.encode(stop), message_id, cause, now, "")
            )
        for number in store.order_numbers(invoice):
            message_id = stable_id("msg", row.decision_id, number)
            if opened & _AWAITED_RECEIPT:
                payload = codec.encode(RequeryReceipts(row.company_code, number, row.invoice_id))
                commands.append(
                    event(RECEIPT_COMMANDS, "receipts.requery", row, payload, message_id, cause, now, row.connection)
                )
            if "reference.order_not_synced" in opened:
                payload = codec.encode(PublishOrder(row.company_code, number, row.invoice_id))
                commands.append(
                    event(ORDER_COMMANDS, "order.publish", row, payload, message_id, cause, now, row.connection)
                )
            if "reference.order_unknown" in opened:
                payload = codec.encode(SeekOrder(row.company_code, number, row.invoice_id))
                commands.append(
                    event(ORDER_COMMANDS, "order.seek", row, payload, message_id, cause, now, row.connection)
                )
        return commands

    def _changed(
        self, row: Row, invoice: Invoice, result: MatchResult, decision: Decision, cause: Cause, now: datetime
    ) -> Outgoing:
        payload = codec.encode(changed_event(row, invoice, _words(row, decision), result.billed))
        message_id = stable_id("msg", row.decision_id, "changed")
        return event(INVOICE_EVENTS, "invoice.decided", row, payload, message_id, cause, now, row.connection)

    def _next_day(self, company_code: str, today: date) -> datetime:
        company = self._ports.estate.company(company_code)
        zone = ZoneInfo(company.time_zone) if company else ZoneInfo("UTC")
        return datetime.combine(today + timedelta(days=1), time(0, 5), zone)


def _not_synced(row: Row, invoice: Invoice, around: Neighbourhood) -> list[Finding]:
    """Orders that procurement has and the ERP does not have yet: a posting that names one would be refused there.

    What is already to be booked is not stopped by it.
    """
    awaited = [number for number in store.order_numbers(invoice) if number in around.not_in_erp]
    if row.was_post or not awaited:
        return []
    named = ", ".join(f"{number} ({around.not_in_erp[number]})" for number in awaited)
    words = f"The ERP does not have order {named} yet; it is published again."
    return [Finding(code="reference.order_not_synced", words=words, rule="R76")]


def _still_open(standing: Sequence[ExceptionRecord], changes: Changes | None) -> list[ExceptionRecord]:
    """Every exception that is open after a decision: its own, and those that it does not speak for (a posting's)."""
    changed = {record.exception_id for record in (*changes.written, *changes.unchanged)} if changes else set()
    others = [record for record in standing if record.is_open and record.exception_id not in changed]
    return [*(changes.open if changes else ()), *others]


def _frees(row: Row, before: str, *, is_new: bool) -> bool:
    """Whether this decision gave goods free for others: a credit that is booked now, a claim that is none any more."""
    if crediting.is_about_others(row.kind):
        return row.state in LIVE and (is_new or before not in LIVE)
    return not is_new and row.state in ("refused", "replaced") and row.state != before


def _says(verdict: str, result: MatchResult) -> bool:
    """Whether the recorded verdict is what the match says now: a day that passed may change it with the same inputs."""
    return verdict == result.verdict or (verdict == "hold" and result.verdict == "post")


def _verdict(result: MatchResult, decision: Decision) -> str:
    match decision:
        case Post():
            return "post"
        case Hold():
            return "park" if decision.parked else "hold"
        case AskApproval():
            return "hold"
        case _:
            return "reject"


def _small_difference(row: Row, decision: Decision) -> Decimal:
    """What the document does not balance by, where the limit absorbs it or a person released it: then it stands on the
    document (I8).
    """
    if row.gross is None or row.net is None or not isinstance(decision, Post):
        return Decimal(0)
    return abs(Decimal(row.gross) - Decimal(row.net) - Decimal(row.tax or 0))


Release = tuple[str, int, str, str, int, str, int, Decimal]


def _claims(releases: Sequence[Release]) -> dict[Place, Decimal]:
    """What releases take of each order line as a whole and of each receipt line."""
    claims: dict[Place, Decimal] = {}
    for _, _, company, order, line, receipt, receipt_line, quantity in releases:
        whole = (company, order, line, "", 0)
        claims[whole] = claims[whole] + quantity if whole in claims else quantity
        if receipt or receipt_line:
            part = (company, order, line, receipt, receipt_line)
            claims[part] = claims[part] + quantity if part in claims else quantity
    return claims


def _released_elsewhere(
    invoice: Invoice, releases: Sequence[Release], claims: Mapping[Place, Decimal], room: Mapping[Place, Decimal]
) -> list[Finding]:
    """Lines for which what came was released to others meanwhile. The match counts by arrival; what is released stays.

    Rule: I6, S42.
    """
    short = {place[:3] for place, asked in claims.items() if asked > 0 and asked > room.get(place, asked)}
    if not short:
        return []
    lines = sorted({release[1] for release in releases if release[2:5] in short})
    amounts = {line.line: line.amount for line in invoice.lines}
    return [
        Finding(
            code="match.quantity_over_received",
            line=line,
            variance=Amount(abs(amounts.get(line) or Decimal(0))),
            words=f"Line {line}: what came was released to other invoices before this one could be matched.",
            rule="S42",
        )
        for line in lines
    ]


def _allocations(row: Row, released: Sequence[Allocation]) -> list[Release]:
    sign = -1 if row.kind == "credit_memo" else 1
    invoice_id, company = row.invoice_id, row.company_code
    return [
        (
            invoice_id,
            entry.invoice_line,
            company,
            entry.order_number,
            entry.order_line,
            entry.receipt_number,
            entry.receipt_line,
            sign * decimal_of(entry.quantity),
        )
        for entry in released
    ]


def _whole_lines(
    invoice: Invoice, allocations: Sequence[Allocation], releases: Sequence[Release]
) -> tuple[Allocation, ...]:
    """The allocations of those lines that what came covers whole; the others are posted against their order line."""
    covered: dict[int, Decimal] = {}
    for release in releases:
        covered[release[1]] = covered.get(release[1], Decimal(0)) + abs(release[7])
    whole = {line.line for line in invoice.lines if line.quantity and covered.get(line.line) == abs(line.quantity)}
    return tuple(entry for entry in allocations if entry.invoice_line in whole)


def _words(row: Row, decision: Decision) -> str:
    """Where the invoice stands, in one sentence."""
    first = next((finding.words for finding in decision.findings if finding.words), "")
    match row.state:
        case "to_post":
            return "Everything agrees; it is to be posted." if not first else f"To be posted. {first}"
        case "posted":
            return f"Posted as {row.document}."
        case "parked":
            return f"Waits for {', '.join(row.waits_for)}. {first}"
        case "observed":
            return "It would be posted; this system is only observed."
        case "approval":
            return f"Needs an approval. {first}"
        case "refused":
            return f"Refused. {first}"
        case "replaced":
            return "Replaced by another document."
        case _:
            return f"Held. {first}"
