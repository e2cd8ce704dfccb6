"""A match's result under a policy: post, hold, ask for approval or refuse, with the rows that spoke.

The match says what is true of the document; this says what follows. A finding that only blocks the payment does not
keep the liability out of the books: it is posted with a payment block, and the two are lifted by different people.
Nothing is decided here about exceptions (core/exceptions); the decision's findings are what they are opened from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal, Protocol

import msgspec

from tripartite.core.estate import Estate
from tripartite.core.exceptions.reasons import reason
from tripartite.core.exceptions.terms import Override, Terms, terms_of
from tripartite.core.findings import Finding
from tripartite.core.money import Amount
from tripartite.core.policy.pack import Pack


class Matched(Protocol):
    """What is asked of a match's result."""

    @property
    def verdict(self) -> str: ...
    @property
    def findings(self) -> Sequence[Finding]: ...
    @property
    def payable_now(self) -> Amount: ...


class Approval(msgspec.Struct, frozen=True):
    """An approval that was given: by whom, in which role, for which content."""

    person: str
    role: str
    content_hash: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the document beside the match. Sums in `currency`, a credit memo's too (positive).

    `findings` are those of mapping and other checks. `released` are the (line, code) that a standing release covers.
    `on` is the day whose policy and route count.
    """

    company: str
    supplier: str
    currency: str
    gross: Amount
    on: date
    content_hash: str
    category: str = ""
    document: Literal["invoice", "credit_memo"] = "invoice"
    has_order: bool = True
    findings: tuple[Finding, ...] = ()
    released: frozenset[tuple[int, str]] = frozenset()
    approvals: tuple[Approval, ...] = ()


class Trace(msgspec.Struct, frozen=True):
    """Under what a decision was taken: the releases by hash, the rows that spoke, when."""

    policy: str
    estate: str
    rows: tuple[str, ...]
    at: datetime


class Post(msgspec.Struct, frozen=True, tag="post"):
    """Book it in `connection`. With `payment_block` codes it is booked and may not be paid."""

    connection: str
    amount: Amount
    payment_block: tuple[str, ...]
    findings: tuple[Finding, ...]
    trace: Trace


class Hold(msgspec.Struct, frozen=True, tag="hold"):
    """Not booked. `waits_for` are the facts that decide it again; `parked`: it only waits, nobody need act.

    `release_now` is the proven part that policy lets go, in the document's currency; 0 where it lets nothing go.
    """

    parked: bool
    waits_for: tuple[str, ...]
    release_now: Amount
    connection: str
    findings: tuple[Finding, ...]
    trace: Trace


class AskApproval(msgspec.Struct, frozen=True, tag="ask_approval"):
    """The checks are passed and somebody must still say yes: `missing` more approvals of `role`."""

    role: str
    missing: int
    findings: tuple[Finding, ...]
    trace: Trace


class Refuse(msgspec.Struct, frozen=True, tag="refuse"):
    """It goes back to the supplier, or is dropped, for these codes."""

    codes: tuple[str, ...]
    findings: tuple[Finding, ...]
    trace: Trace


Decision = Post | Hold | AskApproval | Refuse

# A verdict of `reject` stands on these alone; what a person may lift never refuses by itself.
_REFUSING = frozenset(["duplicate.exact", "duplicate.self_billed", "match.arithmetic", "tax.einvoice_invalid"])


def decide(result: Matched, pack: Pack, case: Case, at: datetime, *, estate: Estate) -> Decision:
    """What to do about a document. Pure: the same result, pack, estate and case give the same decision.

    In this order: refuse what is to be refused; hold what a finding keeps from being booked; hold what no ERP is
    routed for; ask where an approval is missing; post, with a payment block where a finding asks for one.
    """
    _, rows = pack.match_policy(case.company, case.supplier, case.category, case.currency, case.on)
    overrides = pack.overrides(case.company, case.on)
    findings = (*result.findings, *case.findings)
    live = [entry for entry in findings if (entry.line, entry.code) not in case.released]
    cited = [*rows, *_override_rows(live, overrides)]

    refusing = tuple(dict.fromkeys(entry.code for entry in live if entry.code in _REFUSING))
    if result.verdict == "reject" and refusing:
        return Refuse(refusing, findings, _trace(pack, estate, cited, at))

    route = estate.route(case.company, case.document, case.on)
    if route is None:
        missing = Finding(
            code="integration.mapping_missing",
            breach=f"route:{case.company}/{case.document}",
            unit="words",
            words=f"No ERP is named that books a {case.document} of {case.company or 'nobody'} on {case.on}.",
            rule="I35",
        )
        findings = (*findings, missing)
        live.append(missing)
    else:
        cited.append(route.row)
    connection = route.connection if route else ""

    terms = {entry.code: terms_of(reason(entry.code), overrides.get(entry.code)) for entry in live}
    stopping = [entry for entry in live if terms[entry.code].blocks == "posting"]
    if stopping:
        return Hold(
            parked=result.verdict == "park" and not case.findings and route is not None,
            waits_for=_facts(stopping),
            release_now=_releasable(result, case, live, terms) if route else Amount(0),
            connection=connection,
            findings=findings,
            trace=_trace(pack, estate, cited, at),
        )

    asked = _approval(pack, case, cited)
    if asked is not None:
        role, number, asking = asked
        return AskApproval(role, number, (*findings, asking), _trace(pack, estate, cited, at))
    blocks = tuple(dict.fromkeys(entry.code for entry in live if terms[entry.code].blocks == "payment"))
    # A hold that was lifted by hand, or that policy does not count as one, is booked whole.
    amount = result.payable_now if result.verdict == "post" else case.gross
    return Post(connection, amount, blocks, findings, _trace(pack, estate, cited, at))


def _override_rows(findings: Sequence[Finding], overrides: Mapping[str, Override]) -> list[str]:
    return [overrides[entry.code].row for entry in findings if entry.code in overrides]


def _facts(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fact for entry in findings for fact in reason(entry.code).recheck_on))


def _releasable(result: Matched, case: Case, live: Sequence[Finding], terms: Mapping[str, Terms]) -> Amount:
    # What the match would let go, unless something it did not see concerns the whole document.
    if any(terms[entry.code].blocks == "posting" and entry.line == 0 for entry in case.findings if entry in live):
        return Amount(0)
    return result.payable_now


def _approval(pack: Pack, case: Case, cited: list[str]) -> tuple[str, int, Finding] | None:
    basis = "order" if case.has_order else "no_order"
    row = pack.approval(case.company, case.supplier, case.category, case.currency, case.on, basis, case.gross)
    if row is None:
        cited.append("approval/none")
        words = f"No approval row speaks for {case.gross} {case.currency} of {case.company}; nobody said it may go."
        return "control", 1, Finding(code="approval.missing", words=words, rule="approval", row="approval/none")
    cited.append(f"approval/{row.id}")
    given = {entry.person for entry in case.approvals if _counts(entry, row.approver, case)}
    left = row.approvals - len(given)
    if left <= 0:
        return None
    outdated = [
        entry for entry in case.approvals if entry.role == row.approver and not _counts(entry, row.approver, case)
    ]
    code = "approval.outdated" if outdated else "approval.missing"
    words = f"{case.gross} {case.currency} need {row.approvals} of {row.approver}; {len(given)} approved this content."
    finding = Finding(
        code=code,
        breach=str(case.gross),
        limit=row.above,
        unit=case.currency,
        words=words,
        rule="approval",
        row=f"approval/{row.id}",
    )
    return row.approver, left, finding


def _counts(entry: Approval, role: str, case: Case) -> bool:
    return entry.role == role and entry.content_hash == case.content_hash


def _trace(pack: Pack, estate: Estate, rows: Sequence[str], at: datetime) -> Trace:
    return Trace(pack.hash, estate.digest, tuple(dict.fromkeys(rows)), at)
