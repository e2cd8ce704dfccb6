"""On what terms an exception is worked: severity, owner, hours, due time, what wakes it, what happens next.

The catalogue says the default; a policy's override may raise a severity, name another owner, set other hours and
tighten what is blocked. It can never lower a severity, loosen a block or open a release that the catalogue keeps shut.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from tripartite.core.estate.calendar import Calendar, add_business_time
from tripartite.core.exceptions.reasons import (
    OWNER_NAMES,
    SEVERITIES,
    Blocks,
    Reason,
    Release,
    Severity,
    worst,
)

# What a document may wait for, in the words a person reads.
FACTS: Mapping[str, str] = {
    "order_approved": "the order's approval",
    "order_linked": "an order that is linked",
    "order_changed": "a change of the order",
    "delivery_settled": "the delivery to the other system",
    "receipt_posted": "a receipt of these lines",
    "receipt_requeried": "the warehouse's answer",
    "receipt_changed": "a correction of the receipt",
    "receipt_accepted": "the result of the inspection",
    "receipt_reversed": "a reversal of the receipt",
    "credit_posted": "a credit memo",
    "withdrawal_posted": "a withdrawal from consignment",
    "conversion_added": "a conversion of the units",
    "shipment_linked": "a shipment that is linked",
    "tax_quoted": "the tax service's quote",
    "mapping_changed": "a change of the mapping",
    "invoice_completed": "the missing data of the invoice",
    "invoice_posted": "the posting of the invoice",
    "rate_loaded": "the exchange rate",
    "supplier_validated": "the validation of the supplier",
    "supplier_risk_changed": "a change of the supplier's risk",
    "master_data_changed": "a change of master data",
    "budget_checked": "the budget check",
    "period_opened": "the opening of the period",
    "period_closed": "the closing of the period",
    "date_reached": "the date",
    "approval_recorded": "the approval",
    "owner_assigned": "an owner",
    "service_entry_accepted": "the acceptance of the service",
    "probe_answered": "the answer to our question",
    "item_linked": "the item that it pays",
    "parent_arrived": "what it refers to",
    "census_agreed": "the census of both systems",
}
_TIGHTNESS: tuple[Blocks, ...] = ("nothing", "payment", "posting")
_OPENNESS: tuple[Release, ...] = ("no", "two", "owner")


class Override(msgspec.Struct, frozen=True):
    """What a policy row says about a reason; "catalogue" leaves the catalogue's word."""

    severity: Severity | Literal["catalogue"] = "catalogue"
    owner: str = "catalogue"
    sla_hours: int | Literal["catalogue", "none"] = "catalogue"
    blocks: Blocks | Literal["catalogue"] = "catalogue"
    release: Release | Literal["catalogue"] = "catalogue"
    escalate_to: str = "nobody"
    row: str = ""


class Terms(msgspec.Struct, frozen=True):
    """The terms that hold, after the override."""

    severity: Severity
    owner: str
    also: tuple[str, ...]
    sla_hours: int | Literal["none", "discount_date"]
    blocks: Blocks
    release: Release
    escalate_to: str
    row: str


def terms_of(reason: Reason, override: Override | None = None) -> Terms:
    """The catalogue's terms with a policy's override on top; an override that would loosen is without effect there."""
    given = override or Override()
    severity = worst((reason.severity, given.severity)) if given.severity != "catalogue" else reason.severity
    blocks = max(reason.blocks, given.blocks, key=_TIGHTNESS.index) if given.blocks != "catalogue" else reason.blocks
    release = (
        min(reason.release, given.release, key=_OPENNESS.index) if given.release != "catalogue" else reason.release
    )
    return Terms(
        severity=severity,
        owner=reason.owner if given.owner == "catalogue" else given.owner,
        also=reason.also,
        sla_hours=reason.sla_hours if given.sla_hours == "catalogue" else given.sla_hours,
        blocks=blocks,
        release=release,
        escalate_to=given.escalate_to,
        row=given.row,
    )


def loosens(reason: Reason, override: Override) -> tuple[str, ...]:
    """The keys of an override that try to loosen the catalogue: for the check of a pack."""
    found = []
    if override.severity != "catalogue" and SEVERITIES.index(override.severity) < SEVERITIES.index(reason.severity):
        found.append("severity")
    if override.blocks != "catalogue" and _TIGHTNESS.index(override.blocks) < _TIGHTNESS.index(reason.blocks):
        found.append("blocks")
    if override.release != "catalogue" and _OPENNESS.index(override.release) > _OPENNESS.index(reason.release):
        found.append("release")
    return tuple(found)


def due_at(
    opened_at: datetime,
    hours: int | Literal["none", "discount_date"],
    calendar: Calendar,
    zone: str,
    discount_on: date | None = None,
) -> datetime | None:
    """When an exception falls due, in UTC: business hours after its opening, or the end of the discount's last day.

    None where nobody waits, where there is no discount, or where the calendar never opens.
    """
    if hours == "none":
        return None
    if hours == "discount_date":
        if discount_on is None:
            return None
        return datetime.combine(discount_on + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)
    return add_business_time(opened_at, timedelta(hours=hours), calendar, zone)


def next_action(reason: Reason, terms: Terms, due: datetime | None, recheck: datetime | None) -> str:
    """What happens next, by whom, by when: never empty."""
    by = f" by {_minute(due)}" if due else ""
    who = OWNER_NAMES.get(terms.owner, terms.owner)
    if reason.settles == "at_once":
        return f"The engine: {reason.response}"
    act = f"{who}{by}: {reason.response}"
    act = act[0].upper() + act[1:]
    if not reason.recheck_on:
        return act
    facts = " or ".join(FACTS[fact] for fact in reason.recheck_on)
    asked = f", looked at again {_minute(recheck)}" if recheck else ""
    return f"Decided again by {facts}{asked}. {act}"


def _minute(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")
