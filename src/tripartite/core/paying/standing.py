"""Everything the bank ever said of an order -> where each of its payments stands. A function of the set of facts.

Reports repeat, come late and in any order, and notifications repeat what statements say; because nothing here looks at
the order of arrival, any order ends in the same standing. Money that moved outranks words: a booked debit is an
execution whatever a report said, and a booked return undoes an execution.

    returned > executed > cancelled > rejected > sent > released
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from tripartite.core.findings import Finding
from tripartite.core.money import Amount
from tripartite.core.objects import BankEntry, PaymentReport, TransferReport
from tripartite.core.objects.payment import PaymentStatus, ReportedStatus

DONE: frozenset[ReportedStatus] = frozenset({"executed", "credited"})
SPEAKS_FOR = frozenset(
    {
        *("payment.rejected", "payment.returned", "payment.debit_without_item", "duplicate.payment"),
        *("integration.state_differs", "approval.changed_after"),
    }
)


class Facts(msgspec.Struct, frozen=True):
    """What is known of one order: its reports, the booked entries that name it or a payment of it, and the states in
    which its delivery was told of. `zone` is the company's: the day of a report is its day there.
    """

    reports: Sequence[PaymentReport] = ()
    entries: Sequence[BankEntry] = ()
    delivery: Collection[str] = ()
    zone: str = "UTC"


class Standing(msgspec.Struct, frozen=True):
    """Where a payment stands. `reason` is the bank's own reason code (AC01); `findings` are what somebody must see."""

    status: PaymentStatus
    reason: str = ""
    detail: str = ""
    executed_on: date | None = None
    bank_reference: str = ""
    findings: tuple[Finding, ...] = ()


def is_ours_to_read(entry: BankEntry) -> bool:
    """Only what is booked moves anything; pending and informational entries come again."""
    return entry.status == "booked"


def stand(amounts: dict[str, Amount], facts: Facts) -> dict[str, Standing]:
    """The standing of every payment of an order. `amounts`: payment number -> amount, in the order's currency."""
    whole = _batch_debited(amounts, facts)
    back = _batch_returned(amounts, facts)
    return {
        number: _one(number, amount, facts, debited=number in whole, came_back=number in back)
        for number, amount in amounts.items()
    }


def unexplained(amounts: dict[str, Amount], facts: Facts) -> list[BankEntry]:
    """Bookings of the order as a whole, out or back, whose sum is not that of its payments: somebody must look."""
    back = [entry for entry in _batches(facts, "credit") if entry.reversal or entry.return_reason]
    return [entry for entry in (*_batches(facts, "debit"), *back) if not _explains(entry, amounts, facts)]


def _batches(facts: Facts, direction: str) -> list[BankEntry]:
    return [
        entry
        for entry in facts.entries
        if is_ours_to_read(entry) and not entry.payment_number and entry.direction == direction
    ]


def _explains(entry: BankEntry, amounts: dict[str, Amount], facts: Facts) -> frozenset[str]:
    """Which payments one booking of the order is: all of them, or those that the bank did not reject; else none."""
    kept = {number: amount for number, amount in amounts.items() if not _rejections(number, facts)}
    for candidates in (amounts, kept):
        if candidates and sum(candidates.values(), Decimal(0)) == entry.amount:
            return frozenset(candidates)
    return frozenset()


def _batch_debited(amounts: dict[str, Amount], facts: Facts) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for entry in _batches(facts, "debit"):
        found |= _explains(entry, amounts, facts)
    return found


def _batch_returned(amounts: dict[str, Amount], facts: Facts) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for entry in _batches(facts, "credit"):
        if entry.reversal or entry.return_reason:
            found |= _explains(entry, amounts, facts)
    return found


def _words(number: str, facts: Facts) -> list[tuple[PaymentReport, TransferReport | None, ReportedStatus]]:
    """Every word about a payment, the newest last: of itself, or of the order as a whole."""
    found: list[tuple[PaymentReport, TransferReport | None, ReportedStatus]] = []
    for report in sorted(facts.reports, key=lambda each: (each.reported_at, each.number)):
        own = next((each for each in report.transfers if each.number == number), None)
        if report.status == "rejected":
            found.append((report, own, "rejected"))  # a rejected order rejects all of it
        elif own is not None:
            found.append((report, own, own.status))
        elif report.status:
            found.append((report, None, report.status))
    return found


def _rejections(number: str, facts: Facts) -> list[tuple[PaymentReport, TransferReport | None]]:
    return [(report, own) for report, own, status in _words(number, facts) if status == "rejected"]


def _one(number: str, amount: Amount, facts: Facts, *, debited: bool, came_back: bool) -> Standing:
    words = _words(number, facts)
    rejections = _rejections(number, facts)
    done = [(report, own) for report, own, status in words if status in DONE]
    mine = sorted(
        (each for each in facts.entries if is_ours_to_read(each) and each.payment_number == number),
        key=lambda each: (each.booked_on or date.max, each.key),
    )
    debits = [each for each in mine if each.direction == "debit" and not each.reversal]
    returns = [each for each in mine if each.direction == "credit" and (each.reversal or each.return_reason)]
    findings = [*_odd_debits(number, amount, debits), *_contradictions(number, rejections, done, bool(debits))]
    paid_on, reference = _execution(number, debits, done, facts, debited=debited)
    if returns or came_back:
        first = returns[0] if returns else None
        reason = first.return_reason if first else ""
        detail = first.text if first else "the order was reversed as a whole"
        findings.append(_came_back(number, amount, returns, reason, detail))
        return Standing("returned", reason, detail, paid_on, reference, tuple(findings))
    if debits or debited or done:
        return Standing("executed", "", "", paid_on, reference, tuple(findings))
    if any(status == "cancelled" for _, _, status in words):
        return Standing("cancelled", detail="cancelled by the bank", findings=tuple(findings))
    if rejections or "rejected" in facts.delivery:
        report, own = rejections[-1] if rejections else (None, None)
        reason = (own.reason if own else "") or (report.reason if report else "")
        detail = (own.detail if own else "") or (report.detail if report else "") or "the bank refused the order"
        said = f"The bank refused {number} over {amount}: {reason} {detail}".rstrip()
        findings.append(Finding(code="payment.rejected", variance=amount, words=said[:600], rule="C38"))
        return Standing("rejected", reason, detail, findings=tuple(findings))
    known = bool(words) or bool({"settled", "accepted", "unknown"} & set(facts.delivery))
    return Standing("sent" if known else "released", findings=tuple(findings))


def _execution(
    number: str,
    debits: Sequence[BankEntry],
    done: Sequence[tuple[PaymentReport, TransferReport | None]],
    facts: Facts,
    *,
    debited: bool,
) -> tuple[date | None, str]:
    """The day on which the money left, and the bank's reference: as booked, else as first reported."""
    if debits:
        return debits[0].booked_on, debits[0].bank_reference
    if debited:
        batch = min(_batches(facts, "debit"), key=lambda each: (each.booked_on or date.max, each.key))
        return batch.booked_on, batch.bank_reference
    if done:
        report, own = done[0]
        return report.reported_at.astimezone(ZoneInfo(facts.zone)).date(), own.bank_reference if own else ""
    return None, ""


def _odd_debits(number: str, amount: Amount, debits: Sequence[BankEntry]) -> list[Finding]:
    found = []
    for entry in debits:
        if entry.amount != amount:
            words = f"The bank booked {entry.amount} for {number}; it was to be {amount} ({entry.key})."
            off = Amount(abs(entry.amount - amount))
            found.append(Finding(code="payment.debit_without_item", variance=off, words=words, rule="C40"))
    if len(debits) > 1:
        keys = ", ".join(entry.key for entry in debits)
        words = f"{number} was debited {len(debits)} times: {keys}."
        found.append(Finding(code="duplicate.payment", variance=amount, words=words, rule="C08"))
    return found


def _contradictions(
    number: str,
    rejections: Sequence[object],
    done: Sequence[object],
    booked: bool,
) -> list[Finding]:
    if not rejections or not (done or booked):
        return []
    words = f"The bank says of {number} both that it was rejected and that the money left. The account tells."
    return [Finding(code="integration.state_differs", words=words, rule="C40")]


def _came_back(number: str, amount: Amount, returns: Sequence[BankEntry], reason: str, detail: str) -> Finding:
    brought = sum((entry.amount for entry in returns), Decimal(0)) if returns else amount
    words = f"{brought} of {amount} came back for {number}: {reason} {detail}".rstrip()
    return Finding(code="payment.returned", variance=amount, words=words[:600], rule="C40")
