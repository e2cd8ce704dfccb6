"""Keeping the master: what a change of records, accounts or suspensions makes of the parties it concerns.

    records around the change -> parties -> owners' values -> checks, twins, accounts -> eligibility -> record and tell

Everything comes through `Keeper.renew`, in one transaction, under the master's lock: it computes the parties anew from
the records and the acts, and writes what differs from what stands. Unchanged inputs write nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from importlib.metadata import version as installed_version
from typing import Any, Literal

import msgspec

from tripartite.components.suppliers import store
from tripartite.components.suppliers.store import Kept, Known
from tripartite.components.suppliers.telling import (
    Cause,
    change_view,
    exception_events,
    recorded_event,
    retired_event,
    shown,
)
from tripartite.core import codec
from tripartite.core.events import SupplierRecorded
from tripartite.core.exceptions.reconcile import Context, reconcile
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.findings import Finding
from tripartite.core.ids import digest
from tripartite.core.money import Amount
from tripartite.core.objects import BankAccount, Supplier
from tripartite.core.suppliers.banking import BankChange, in_use, observed, settled, waiting, words_of
from tripartite.core.suppliers.checks import Check, checked
from tripartite.core.suppliers.eligibility import Eligibility, Suspension, Unconfirmed, eligibility
from tripartite.core.suppliers.identity import Followers, Party, RecordKey, parties
from tripartite.core.suppliers.likeness import Face, face, twins
from tripartite.core.suppliers.ownership import (
    Merged,
    account_key,
    companies_of,
    drift_finding,
    identity_rank,
    merged,
)
from tripartite.runtime.audit import Leaf, make_leaf, write_leaves
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection

# What a decision about the master speaks for: it clears no exception of another kind.
AREAS = frozenset({"supplier", "tax.supplier_number_invalid", "integration.state_differs", "document.field_missing"})
Pair = tuple[str, str]


class Draft(msgspec.Struct):
    """A party while it is decided."""

    party: Party
    merged: Merged
    changes: list[BankChange]
    suspensions: list[Suspension]
    face: Face
    usable: tuple[BankAccount, ...]
    pending: tuple[BankChange, ...]


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that is said of a party, but for the number of its version: equal bytes are an equal party."""

    value: Supplier
    eligibility: Eligibility
    checks: tuple[Check, ...]
    pending: tuple[BankAccount, ...]
    findings: tuple[Finding, ...]


class Answer(msgspec.Struct, frozen=True):
    """The validation's answer as it is given, but for its time."""

    supplier_id: str
    known: bool
    valid: bool
    status: str
    eligibility: Literal["eligible", "suspended"]
    findings: list[dict[str, str]]
    reasons: list[dict[str, str]]


class Keeper:
    """The parties of the master, kept in step with what is known."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        followers: dict[str, list[str]] = {}
        for each in ports.estate.connections:
            # A system that was given its suppliers by another knows them by the other's numbers.
            if source := each.settings.get("supplier_numbers_from"):
                followers.setdefault(source, []).append(each.name)
        self.followers: Followers = {source: tuple(sorted(names)) for source, names in followers.items()}

    async def renew(
        self, connection: Connection, causes: Mapping[RecordKey, Cause], *, spread: bool = True
    ) -> list[Outgoing]:
        """Decide anew every party that one of these records belongs to or may belong to.

        Returns the messages that the caller publishes, last in its transaction. The caller holds the master's lock.
        `spread`: others to whom a likeness came or went are decided too.
        """
        if not causes:
            return []
        now = self._ports.clock.now()
        today = now.date()
        kept = await store.around(connection, list(causes))
        found = parties(
            (each.stated for each in kept.values()), self.followers, identity_rank(self._ports.estate, today)
        )
        ids = {party.supplier_id for party in found} | {each.supplier_id for each in kept.values() if each.supplier_id}
        known = await store.parties(connection, ids)
        changes = await store.bank_changes(connection, list(kept))
        stops = await store.suspensions(connection, ids)
        standing = await store.exceptions(connection, ids)
        successor = {
            each.supplier_id: party.supplier_id
            for party in found
            for member in party.members
            if (each := kept[member.key]).supplier_id
        }
        retired = {old: new for old, new in successor.items() if old not in {party.supplier_id for party in found}}
        for old, new in retired.items():
            stops.setdefault(new, []).extend(stops.pop(old, []))
        written: list[BankChange] = []
        drafts = [self._draft(party, kept, changes, stops, written, today, now) for party in found]
        pairs, neighbours = await self._twins(connection, drafts, set(retired))
        rows: list[Sequence[Any]] = []
        leaves: list[Leaf] = []
        messages: list[Outgoing] = []
        exceptions: list[ExceptionRecord] = []
        for draft in drafts:
            cause = _cause_of(draft.party, causes)
            self._party(draft, known, pairs, standing, cause, today, now, rows, leaves, messages, exceptions)
        for old, new in sorted(retired.items()):
            cause = causes[min(causes)]
            before = known.get(old)
            if before is None or before.replaced_by:
                continue
            await store.retire(connection, old, new, before.version + 1, now)
            messages.append(retired_event(old, new, before.version + 1, cause, now))
            gone = reconcile(standing.get(old, []), [], self._context(old, (), digest(new.encode()), cause, today), now)
            exceptions.extend(gone.written)
            messages.extend(exception_events(gone, cause, now))
        leaves.extend(self._bank_leaf(each, causes) for each in written)
        await store.keep_parties(connection, rows)
        await store.belong(
            connection, {member.key: draft.party.supplier_id for draft in drafts for member in draft.party.members}
        )
        await store.add_bank_changes(connection, written)
        await store.add_exceptions(connection, exceptions)
        await write_leaves(connection.cursor(), leaves)
        if spread and neighbours:
            beside = await store.records_of(connection, neighbours)
            cause = causes[min(causes)]
            messages += await self.renew(connection, dict.fromkeys(beside - set(kept), cause), spread=False)
        return messages

    # One party

    def _draft(
        self,
        party: Party,
        kept: Mapping[RecordKey, Kept],
        changes: Mapping[RecordKey, list[BankChange]],
        stops: Mapping[str, list[Suspension]],
        written: list[BankChange],
        today: date,
        now: datetime,
    ) -> Draft:
        whole = merged(party, self.followers, self._ports.estate, today)
        row = self._ports.pack.supplier_rule(self._lead(companies_of(party.members)), today)
        take_over = f"supplier/{row.id}" if row is not None and row.first_account == "taken_over" else ""
        mine: list[BankChange] = []
        for member in party.members:
            before = changes.get(member.key, [])
            new = observed(before, member, kept[member.key].began_with, take_over, now)
            after = {each.change_id: each for each in (*before, *new)}
            ended = settled(after.values(), member, now)
            after |= {each.change_id: each for each in ended}
            versions = {(each.change_id, each.version): each for each in (*new, *ended)}
            written.extend(versions[key] for key in sorted(versions))
            mine.extend(after[key] for key in sorted(after))
        usable = in_use(mine, whole.bank_source)
        pending = waiting(mine)
        accounts = [*whole.value.accounts, *usable, *(each.account for each in pending)]
        return Draft(
            party=party,
            merged=whole,
            changes=mine,
            suspensions=stops.get(party.supplier_id, []),
            face=face(whole.value, accounts),
            usable=usable,
            pending=pending,
        )

    async def _twins(
        self, connection: Connection, drafts: Sequence[Draft], retired: Collection[str]
    ) -> tuple[dict[Pair, tuple[str, ...]], set[str]]:
        """The pairs in which one of the parties stands, kept in step; and whom that concerns besides."""
        mine = {draft.face.supplier_id: draft.face for draft in drafts}
        others = await store.faces(connection, list(mine.values()))
        candidates = [*mine.values(), *(each for each in others if each.supplier_id not in {*mine, *retired})]
        pairs: dict[Pair, tuple[str, ...]] = {}
        for one in mine.values():
            for twin in twins(one, candidates):
                pairs[_pair(one.supplier_id, twin.other_id)] = twin.by
        before = await store.twins(connection, {*mine, *retired})
        changed = {pair for pair in before.keys() | pairs.keys() if before.get(pair) != pairs.get(pair)}
        await store.change_twins(
            connection, before.keys() - pairs.keys(), {pair: pairs[pair] for pair in changed if pair in pairs}
        )
        return pairs, {each for pair in changed for each in pair} - {*mine, *retired}

    def _party(
        self,
        draft: Draft,
        known: Mapping[str, Known],
        pairs: Mapping[Pair, tuple[str, ...]],
        standing: Mapping[str, list[ExceptionRecord]],
        cause: Cause,
        today: date,
        now: datetime,
        rows: list[Sequence[Any]],
        leaves: list[Leaf],
        messages: list[Outgoing],
        exceptions: list[ExceptionRecord],
    ) -> None:
        supplier_id, value = draft.party.supplier_id, draft.merged.value
        companies = value.company_codes
        row = self._ports.pack.supplier_rule(self._lead(companies), today)
        proven = {each.account.account for each in draft.changes if each.confirmations and each.state == "confirmed"}
        all_accounts = _distinct((*draft.usable, *(each.account for each in draft.pending)))
        checks = checked(
            msgspec.structs.replace(value, accounts=all_accounts), row.required if row else ("name",), proven=proven
        )
        unconfirmed: Unconfirmed = row.unconfirmed_suspends if row else "supplier"
        verdict = eligibility(checks, draft.pending, draft.usable, draft.suspensions, unconfirmed)
        findings = _findings(draft, checks, pairs)
        said = msgspec.structs.replace(value, accounts=draft.usable, version=0, changed_by="")
        now_standing = codec.encode(
            Standing(said, verdict, checks, tuple(each.account for each in draft.pending), findings)
        )
        before = known.get(supplier_id)
        if before is not None and before.standing == now_standing and not before.replaced_by:
            return
        number = max(before.version + 1 if before else 1, value.version)
        told = msgspec.structs.replace(said, version=number)
        leaf = make_leaf(
            "supplier.decided",
            supplier_id,
            "*",
            cause.correlation_id,
            codec.encode(
                {
                    "version": number,
                    "status": told.status,
                    "eligibility": verdict.state,
                    "reasons": [each.code for each in verdict.reasons],
                    "findings": [each.code for each in findings],
                    "records": [f"{each.source}/{each.value.version}" for each in draft.party.members],
                    "policy": self._ports.pack.hash,
                    "rule": f"supplier/{row.id}" if row else "supplier/none",
                }
            ),
            self._ports.chance.randbytes(16),
        )
        leaves.append(leaf)
        answer = Answer(
            supplier_id,
            known=True,
            valid=verdict.state == "eligible",
            status=told.status,
            eligibility=verdict.state,
            findings=shown(checks, findings),
            reasons=[{"code": each.code, "words": each.words} for each in verdict.reasons],
        )
        rows.append(
            (
                *(supplier_id, number, told.name, told.number, told.status, told.tax_id, draft.party.members[0].source),
                *(codec.encode(told), leaf.leaf_id, now, list(companies), verdict.state, msgspec.json.encode(answer)),
                *(now_standing, "", draft.face.tax_id, list(draft.face.accounts), draft.face.place, draft.face.name),
            )
        )
        recorded = SupplierRecorded(
            told,
            eligibility=verdict.state,
            reasons=tuple(dict.fromkeys(each.code for each in verdict.reasons)),
            confirmed_accounts=draft.usable,
            pending_accounts=_distinct(each.account for each in draft.pending),
        )
        source = draft.party.members[0].source
        messages.append(recorded_event(supplier_id, number, recorded, source, cause, now))
        context = self._context(supplier_id, companies, digest(now_standing), cause, today, number)
        changes = reconcile(standing.get(supplier_id, []), findings, context, now)
        exceptions.extend(changes.written)
        messages.extend(exception_events(changes, cause, now))

    def _lead(self, companies: Sequence[str]) -> str:
        """The company under which a supplier's exceptions are worked and whose policy row counts: its first by code."""
        mine = [code for code in sorted(companies) if self._ports.estate.company(code) is not None]
        return mine[0] if mine else self._ports.estate.companies[0].code

    def _context(
        self,
        supplier_id: str,
        companies: Sequence[str],
        computed_from: str,
        cause: Cause,
        today: date,
        version: int = 0,
    ) -> Context:
        estate = self._ports.estate
        lead = self._lead(companies)
        company, found = estate.company(lead), estate.calendar_of(lead)
        assert company is not None
        assert found is not None, f"{lead} has no calendar"
        return Context(
            company_code=lead,
            object_kind="supplier",
            object_id=supplier_id,
            object_version=version,
            content_hash=computed_from,
            currency=company.currency,
            gross=Amount(0),
            computed_from=computed_from,
            policy_release=self._ports.pack.hash,
            code_version=installed_version("tripartite"),
            calendar=found[0],
            time_zone=found[1],
            speaks_for=AREAS,
            supplier_id=supplier_id,
            correlation_id=cause.correlation_id,
            causation_id=cause.message_id,
            overrides=self._ports.pack.overrides(lead, today),
        )

    def _bank_leaf(self, change: BankChange, causes: Mapping[RecordKey, Cause]) -> Leaf:
        cause = causes.get(change.record) or causes[min(causes)]
        return make_leaf(
            "bank.observed",
            change.change_id,
            "*",
            cause.correlation_id,
            codec.encode(change_view(change)),
            self._ports.chance.randbytes(16),
        )


def _pair(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)


def _distinct(accounts: Any) -> tuple[BankAccount, ...]:
    return tuple({account_key(each): each for each in accounts}.values())


def _cause_of(party: Party, causes: Mapping[RecordKey, Cause]) -> Cause:
    mine = [causes[member.key] for member in party.members if member.key in causes]
    return mine[0] if mine else causes[min(causes)]


def _findings(draft: Draft, checks: Sequence[Check], pairs: Mapping[Pair, tuple[str, ...]]) -> tuple[Finding, ...]:
    """What becomes an exception of the supplier."""
    supplier_id = draft.party.supplier_id
    found = [Finding(code=each.code, breach=each.pointer, words=each.words, rule="supplier") for each in checks]
    for pair in sorted(pairs):
        if supplier_id in pair:
            other = pair[1] if pair[0] == supplier_id else pair[0]
            how = " and ".join(word.replace("_", " ") for word in pairs[pair])
            found.append(
                Finding(code="supplier.duplicate", breach=other, words=f"Looks like {other}: same {how}.", rule="twins")
            )
    found += [
        Finding(code="supplier.duplicate", breach=words, words=f"{words}.", rule="xref")
        for words in draft.party.contested
    ]
    if drift := drift_finding(draft.merged.drifts):
        found.append(drift)
    found += [
        Finding(code="supplier.bank_change_unapproved", breach=each.change_id, words=words_of(each), rule="bank")
        for each in draft.pending
    ]
    found += [
        Finding(code=each.reason_code, breach=each.object_id, words=each.words, rule="suspension")
        for each in draft.suspensions
        if each.stands
    ]
    return tuple(found)
