"""What the suppliers component tells: why, a supplier's news, its exceptions; accounts masked for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import EXCEPTION_EVENTS, SUPPLIER_EVENTS, SupplierRecorded
from tripartite.core.exceptions.reconcile import Changes
from tripartite.core.findings import Finding
from tripartite.core.ids import stable_id
from tripartite.core.objects import Supplier
from tripartite.core.suppliers.banking import BankChange
from tripartite.core.suppliers.checks import Check
from tripartite.core.suppliers.ownership import masked
from tripartite.runtime.bus import Outgoing


class Cause(msgspec.Struct, frozen=True):
    """What woke a decision: a message of the bus, or an act of a person."""

    message_id: str
    correlation_id: str
    at: datetime
    trace_id: str = ""

    @staticmethod
    def of(message: Message) -> Cause:
        return Cause(message.message_id, message.correlation_id, message.occurred_at, message.trace_id)


def change_view(change: BankChange) -> dict[str, Any]:
    """A bank change as people and the log may see it: the account by country and last four."""
    return {
        "change_id": change.change_id,
        "version": change.version,
        "source": change.source,
        "number": change.number,
        "account": masked(change.account.account),
        "state": change.state,
        "first": change.first,
        "taken_over": change.taken_over,
        "changed_by": change.changed_by,
        "in_force_from": change.in_force_from,
        "recorded_at": change.recorded_at,
        "confirmations": [codec.builtins(each) for each in change.confirmations],
        "refused_by": change.refused_by,
        "reason": change.reason,
    }


def shown(checks: Sequence[Check], findings: Sequence[Finding]) -> list[dict[str, str]]:
    """The findings as the validation says them: code, place, words."""
    places = {(each.code, each.words): each.pointer for each in checks}
    by_rule = {"twins": "", "xref": "/names_elsewhere", "owner": "", "bank": "/accounts", "suspension": ""}
    return [
        {
            "code": each.code,
            "pointer": places.get((each.code, each.words), by_rule.get(each.rule, "")),
            "words": each.words,
        }
        for each in findings
    ]


def recorded_event(
    supplier_id: str, version: int, recorded: SupplierRecorded, source: str, cause: Cause, now: datetime
) -> Outgoing:
    return Outgoing(
        SUPPLIER_EVENTS,
        Message(
            message_id=stable_id("msg", SUPPLIER_EVENTS, supplier_id, str(version)),
            type="tripartite.supplier.recorded.v1",
            company_code="*",
            key=supplier_id,  # whatever number woke it: the news of one supplier stays in one order
            correlation_id=cause.correlation_id,
            occurred_at=now,
            payload=codec.encode(recorded),
            causation_id=cause.message_id,
            source=source,
            trace_id=cause.trace_id,
        ),
    )


def retired_event(old: str, new: str, version: int, cause: Cause, now: datetime) -> Outgoing:
    value = Supplier(number="", name="", supplier_id=old, version=version, status="inactive")
    recorded = SupplierRecorded(value, eligibility="suspended", reasons=("supplier.inactive",), replaced_by=new)
    return recorded_event(old, version, recorded, "", cause, now)


def exception_events(changes: Changes, cause: Cause, now: datetime) -> list[Outgoing]:
    return [
        Outgoing(
            EXCEPTION_EVENTS,
            Message(
                message_id=stable_id("msg", record.exception_id, str(record.version)),
                type=f"tripartite.exception.{what}.v1",
                company_code=record.company_code,
                key=record.object_id,
                correlation_id=record.correlation_id,
                occurred_at=now,
                payload=codec.encode(record),
                causation_id=cause.message_id,
                trace_id=cause.trace_id,
            ),
        )
        for what, records in (
            ("opened", changes.opened),
            ("changed", changes.re_evaluated),
            ("cleared", changes.cleared),
        )
        for record in records
    ]
