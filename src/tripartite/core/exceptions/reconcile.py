"""Findings of a decision against the exceptions that stand: what opens, what is judged anew, what is cleared.

Pure: one call per decided document, inside the deciding transaction. It speaks only for the areas the decision
speaks for, so a match never clears what a delivery opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

import msgspec

from tripartite.core.estate.calendar import Calendar, add_business_time
from tripartite.core.exceptions.reasons import Reason, reason
from tripartite.core.exceptions.record import Alternative, Event, ExceptionRecord, Key, exception_id
from tripartite.core.exceptions.terms import Override, Terms, due_at, next_action, terms_of
from tripartite.core.findings import Finding
from tripartite.core.money import Amount

# What the decision about an invoice speaks for (mapping, match and policy); deliveries and payments speak for theirs.
INVOICE_AREAS = frozenset(
    [
        "reference",
        "match",
        "charge",
        "tax",
        "currency",
        "supplier",
        "duplicate",
        "coding",
        "budget",
        "period",
        "terms",
        "approval",
        "control",
        "document",
        "service",
        "integration.mapping_missing",
    ]
)
RECHECK_AFTER = timedelta(hours=1)  # business time until a document that waits for a fact is looked at again
# Nothing can leave wrongly by these: a sample, a renewed approval, a price too low.
_NO_RISK = frozenset(["control.sample", "approval.changed_after", "match.price_under_limit"])


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision knows beside its findings. Sums in `currency`; `line_amounts` and `order_of_line` by line.

    `overrides`: a policy's word per reason code. `discount`: what is lost when `discount_on` passes. `alternatives`
    says what would clear a finding; it is asked only for exceptions that open or are judged anew.
    """

    company_code: str
    object_kind: str
    object_id: str
    object_version: int
    content_hash: str
    currency: str
    gross: Amount
    computed_from: str
    policy_release: str
    code_version: str
    calendar: Calendar
    time_zone: str
    speaks_for: frozenset[str] = INVOICE_AREAS
    supplier_id: str = ""
    connection: str = ""
    approver: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    object_refs: tuple[str, ...] = ()
    line_amounts: Mapping[int, Amount] = {}
    order_of_line: Mapping[int, str] = {}
    discount_on: date | None = None
    discount: Amount | None = None
    overrides: Mapping[str, Override] = {}
    alternatives: Callable[[Finding], tuple[Alternative, ...]] | None = None


class Changes(msgspec.Struct, frozen=True):
    """New versions to record, by what happened. `unchanged` are open records that need no new version; `overridden`
    are findings that a standing release or refusal covers.
    """

    opened: tuple[ExceptionRecord, ...]
    re_evaluated: tuple[ExceptionRecord, ...]
    cleared: tuple[ExceptionRecord, ...]
    unchanged: tuple[ExceptionRecord, ...]
    overridden: tuple[Finding, ...]

    @property
    def open(self) -> tuple[ExceptionRecord, ...]:
        """All exceptions that are open afterwards."""
        return (*self.opened, *self.re_evaluated, *self.unchanged)

    @property
    def written(self) -> tuple[ExceptionRecord, ...]:
        """The versions to store."""
        return (*self.opened, *self.re_evaluated, *self.cleared)


def reconcile(
    records: Sequence[ExceptionRecord], findings: Sequence[Finding], context: Context, at: datetime
) -> Changes:
    """What the findings of one decision change. `records`: the latest version of every exception of the object, ended
    ones included (they count the openings and hold the releases).

    One open exception per key; of several findings of one key the larger variance counts and all words are kept.
    Unchanged inputs write nothing. A finding whose key was released stays overridden while the document's content is
    the same and the money is not more than was released; otherwise the key opens again. What was refused stays so while
    the content is the same.
    """
    latest = _latest(records, context)
    wanted: dict[Key, Finding] = {}
    for finding in findings:
        assert _speaks(finding.code, context), f"this decision does not speak for {finding.code}"
        key = (context.object_id, finding.line, finding.code)
        wanted[key] = _joined(wanted[key], finding) if key in wanted else finding
    opened: list[ExceptionRecord] = []
    changed: list[ExceptionRecord] = []
    same: list[ExceptionRecord] = []
    overridden: list[Finding] = []
    for key, finding in wanted.items():
        known = latest.get(key)
        if known is not None and known.is_open:
            again = _evaluated(known, finding, context, at)
            (same if again is known else changed).append(again)
        elif known is not None and (
            _still_released(known, finding, context) or _still_refused(known, finding, context)
        ):
            overridden.append(finding)
        else:
            opened.append(_opened(known, finding, context, at))
    cleared = [
        _cleared(entry, context, at)
        for key, entry in latest.items()
        if entry.is_open and key not in wanted and _speaks(entry.reason_code, context)
    ]
    return Changes(tuple(opened), tuple(changed), tuple(cleared), tuple(same), tuple(overridden))


def standing_releases(
    records: Sequence[ExceptionRecord], findings: Sequence[Finding], context: Context
) -> frozenset[tuple[int, str]]:
    """Which findings, by line and code, a standing release covers: what a decision may leave out (`Case.released`).

    A release stands while the document's content is the one that was released and the exposure is not above the one
    it was given for.
    """
    latest = _latest(records, context)
    return frozenset(
        (finding.line, finding.code)
        for finding in findings
        if (known := latest.get((context.object_id, finding.line, finding.code))) is not None
        and _still_released(known, finding, context)
    )


def _latest(records: Sequence[ExceptionRecord], context: Context) -> dict[Key, ExceptionRecord]:
    latest: dict[Key, ExceptionRecord] = {}
    for entry in records:
        assert entry.object_id == context.object_id, "the records of one object"
        known = latest.get(entry.key)
        if known is None or (entry.opening, entry.version) > (known.opening, known.version):
            latest[entry.key] = entry
    return latest


def _joined(one: Finding, other: Finding) -> Finding:
    first, second = (other, one) if (other.variance or Amount(0)) > (one.variance or Amount(0)) else (one, other)
    return msgspec.structs.replace(
        first,
        words=" ".join(dict.fromkeys(text for text in (first.words, second.words) if text)),
        breach="; ".join(dict.fromkeys(text for text in (first.breach, second.breach) if text)),
    )


def _speaks(code: str, context: Context) -> bool:
    return code in context.speaks_for or code.partition(".")[0] in context.speaks_for


def _still_released(known: ExceptionRecord, finding: Finding, context: Context) -> bool:
    return (
        known.state == "released"
        and known.content_hash == context.content_hash
        and known.released_up_to is not None
        and exposure(finding, reason(finding.code), context) <= known.released_up_to
    )


def _still_refused(known: ExceptionRecord, finding: Finding, context: Context) -> bool:
    if known.state != "refused" or known.content_hash != context.content_hash:
        return False
    return known.words == (finding.words or reason(finding.code).meaning)


def _fields(finding: Finding, context: Context) -> tuple[Reason, Terms, dict[str, object]]:
    entry = reason(finding.code)
    terms = terms_of(entry, context.overrides.get(finding.code))
    return (
        entry,
        terms,
        {
            "severity": terms.severity,
            "object_version": context.object_version,
            "blocks": terms.blocks,
            "release": terms.release,
            "exposure": exposure(finding, entry, context),
            "money_at_risk": money_at_risk(finding, entry, terms, context),
            "value_held": context.gross if terms.blocks != "nothing" else Amount(0),
            "cause_key": cause_key(finding, context),
            "computed_from": context.computed_from,
            "content_hash": context.content_hash,
            "policy_release": context.policy_release,
            "code_version": context.code_version,
            "words": finding.words or entry.meaning,
            "object_refs": context.object_refs,
            "breach_value": finding.breach,
            "breach_limit": finding.limit,
            "unit_or_currency": finding.unit,
            "policy_row": finding.row or terms.row,
            "causation_id": context.causation_id,
            "alternatives": context.alternatives(finding) if context.alternatives is not None else (),
        },
    )


def _opened(known: ExceptionRecord | None, finding: Finding, context: Context, at: datetime) -> ExceptionRecord:
    entry, terms, fields = _fields(finding, context)
    opening = known.opening + 1 if known else 1
    due = due_at(at, terms.sla_hours, context.calendar, context.time_zone, context.discount_on)
    recheck = _recheck(entry, context, at)
    key = (context.object_id, finding.line, finding.code)
    words = f"again, after {known.state}" if known else ""
    return ExceptionRecord(
        exception_id=exception_id(context.company_code, key, opening),
        company_code=context.company_code,
        version=1,
        reason_code=finding.code,
        object_kind=context.object_kind,
        object_id=context.object_id,
        line=finding.line,
        opening=opening,
        state="open",
        earlier=known.exception_id if known else "",
        owner_role=terms.owner,
        also_roles=terms.also,
        opened_at=at,
        due_at=due,
        waits_for=entry.recheck_on,
        recheck_at=recheck,
        next_action=next_action(entry, terms, due, recheck),
        currency=context.currency,
        correlation_id=context.correlation_id,
        event=Event("opened", at, "engine", words, context.policy_release),
        **fields,  # type: ignore[arg-type]
    )


def _evaluated(known: ExceptionRecord, finding: Finding, context: Context, at: datetime) -> ExceptionRecord:
    if known.computed_from == context.computed_from and known.policy_release == context.policy_release:
        return known
    entry, terms, fields = _fields(finding, context)
    recheck = _recheck(entry, context, at)
    return msgspec.structs.replace(
        known,
        version=known.version + 1,
        recheck_at=recheck,
        next_action=next_action(entry, terms, known.due_at, recheck),
        event=Event("re_evaluated", at, "engine", finding.words, context.policy_release),
        **fields,
    )


def _cleared(known: ExceptionRecord, context: Context, at: datetime) -> ExceptionRecord:
    by = context.causation_id or context.computed_from
    return msgspec.structs.replace(
        known,
        version=known.version + 1,
        state="cleared",
        next_action="",
        waits_for=(),
        recheck_at=None,
        resolution=f"cleared by {by}",
        computed_from=context.computed_from,
        causation_id=context.causation_id,
        event=Event("cleared", at, "engine", by, context.policy_release),
    )


def _recheck(entry: Reason, context: Context, at: datetime) -> datetime | None:
    if entry.settles != "by_fact":
        return None
    return add_business_time(at, RECHECK_AFTER, context.calendar, context.time_zone)


def exposure(finding: Finding, entry: Reason, context: Context) -> Amount:
    """What may be lost by this finding alone, in the document's currency, never negative and never above gross.

    The breach where it is measured; the line's amount, or gross, where it is not; gross where money may leave wrongly.
    """
    gross = abs(context.gross)
    if finding.code in _NO_RISK or entry.blocks == "nothing":
        return Amount(0)
    if entry.severity == "critical":
        return Amount(gross)
    if finding.variance is not None:
        return Amount(min(max(Amount(0), finding.variance), gross))
    return Amount(min(abs(context.line_amounts.get(finding.line, gross)), gross))


def money_at_risk(finding: Finding, entry: Reason, terms: Terms, context: Context) -> Amount:
    """The queue's order: exposure, and the discount that a hold would lose."""
    at_risk = exposure(finding, entry, context)
    if context.discount is not None and terms.blocks == "posting":
        return Amount(at_risk + max(Amount(0), context.discount))
    return at_risk


def cause_key(finding: Finding, context: Context) -> str:
    """What this exception shares with others, so that a root cause is found by a lookup."""
    area, _, rest = finding.code.partition(".")
    order = context.order_of_line.get(finding.line, "")
    if finding.code == "integration.mapping_missing":
        return f"mapping:{context.connection}:{finding.breach}"
    if area in ("integration", "posting"):
        return f"connection:{context.connection}:{finding.code}"
    if area == "approval":
        return f"approver:{context.approver}:{finding.code}"
    if rest in ("not_received", "quantity_over_received", "receipt_missing", "no_entry", "over_entry"):
        return f"receiving:{context.company_code}:{order or context.supplier_id}"
    if rest.startswith("price_"):
        return f"price:{context.supplier_id}:{order}"
    if rest == "unit_unknown":
        return f"unit:{context.supplier_id}:{finding.breach}"
    if area == "tax":
        return f"tax:{context.company_code}:{context.supplier_id}:{rest}"
    return f"{finding.code}:{context.supplier_id}"


def open_blocks(records: Iterable[ExceptionRecord]) -> frozenset[str]:
    """What the open exceptions stop: of "posting" and "payment"."""
    return frozenset(entry.blocks for entry in records if entry.is_open and entry.blocks != "nothing")
