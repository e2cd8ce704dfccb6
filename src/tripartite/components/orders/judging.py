"""What stands against a requisition: its approvals and its budget, as exceptions with the catalogue's codes.

One function for every fact that may change it, so that the order in which the facts come does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version as installed_version

import msgspec

from tripartite.components.orders import budget_store, requisition_store
from tripartite.components.orders.requisition_store import Key, Recorded
from tripartite.core import codec
from tripartite.core.approvals import approval_findings
from tripartite.core.budget import budget_findings
from tripartite.core.envelope import Message
from tripartite.core.events import EXCEPTION_EVENTS
from tripartite.core.exceptions.reconcile import Changes, Context, reconcile
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.ids import stable_id
from tripartite.core.money import Amount
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection

AREAS = frozenset({"approval", "budget"})
NOT_BOUGHT_YET = frozenset({"pending", "approved"})


def object_id(company_code: str, number: str) -> str:
    """How an exception names a requisition: numbers are a company's own."""
    return f"{company_code}/{number}"


async def judge(ports: Ports, connection: Connection, causes: Mapping[Key, Message]) -> list[Outgoing]:
    """Judge these requisitions anew; `causes` names the message that woke each. Returns what to tell."""
    rows = await requisition_store.recorded(connection, causes)
    versions = await requisition_store.versions_of(connection, rows)
    verdicts = await budget_store.verdicts_of(connection, rows)
    standing = await requisition_store.exceptions_of(connection, [object_id(*key) for key in rows])
    now = ports.clock.now()
    written: list[ExceptionRecord] = []
    outgoing: list[Outgoing] = []
    for key in sorted(rows):
        row = rows[key]
        findings = approval_findings(row.value, versions.get(key, ()))
        if row.value.status in NOT_BOUGHT_YET:
            told = [(o, w, Amount(m) if m is not None else None) for o, w, m in verdicts.get(key, ())]
            findings += budget_findings(told)  # type: ignore[arg-type]
        context = _context(ports, row, causes[key])
        changes = reconcile(standing.get(context.object_id, []), findings, context, now)
        written += changes.written
        outgoing += _events(row, changes, causes[key])
    await requisition_store.keep_exceptions(connection, written)
    return outgoing


def _context(ports: Ports, row: Recorded, cause: Message) -> Context:
    value = row.value
    found = ports.estate.calendar_of(value.company_code)
    assert found is not None, f"{value.company_code} has no calendar"
    return Context(
        company_code=value.company_code,
        object_kind="requisition",
        object_id=object_id(value.company_code, value.number),
        object_version=1,
        content_hash=stable_id("sha", codec.encode(value).decode()),
        currency=value.currency,
        gross=value.amount or Amount(0),
        computed_from=cause.message_id,
        policy_release=ports.pack.hash,
        code_version=installed_version("tripartite"),
        calendar=found[0],
        time_zone=found[1],
        speaks_for=AREAS,
        correlation_id=row.correlation_id,
        causation_id=cause.message_id,
        object_refs=(value.number, *([row.order_number] if row.order_number else [])),
        overrides=ports.pack.overrides(value.company_code, ports.clock.now().date()),
    )


def _events(row: Recorded, changes: Changes, cause: Message) -> list[Outgoing]:
    told = []
    for what, records in (
        ("opened", changes.opened),
        ("changed", changes.re_evaluated),
        ("cleared", changes.cleared),
    ):
        for record in records:
            message = msgspec.structs.replace(
                cause,
                message_id=stable_id("msg", record.exception_id, str(record.version)),
                type=f"tripartite.exception.{what}.v1",
                company_code=row.value.company_code,
                key=row.value.number,
                correlation_id=row.correlation_id,
                causation_id=cause.message_id,
                payload=codec.encode(record),
            )
            told.append(Outgoing(EXCEPTION_EVENTS, message))
    return told
