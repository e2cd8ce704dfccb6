"""Counterfactuals as an exception's record keeps them: words, cost, roles, date, rank, and what would be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tripartite.core.counterfactuals.corrections import money
from tripartite.core.counterfactuals.families import wrong_deed
from tripartite.core.counterfactuals.search import Counterfactual
from tripartite.core.exceptions.reasons import reason
from tripartite.core.exceptions.record import Alternative
from tripartite.core.findings import Finding
from tripartite.core.matching.billed import Arrived, Bill
from tripartite.core.matching.exact import exact
from tripartite.core.money import Amount
from tripartite.core.objects import Invoice

_LETS_GO = {
    "owner": ("approver",),
    "two": ("approver", "control"),
}


def discount_ends_on(invoice: Invoice) -> date | None:
    """The last day on which early payment saves the discount; None where none is offered."""
    if invoice.discount_percent is None or invoice.discount_days is None or invoice.issued_on is None:
        return None
    return invoice.issued_on + timedelta(days=invoice.discount_days)


def alternatives(
    finding: Finding, found: Sequence[Counterfactual], invoice: Invoice, time_zone: str
) -> tuple[Alternative, ...]:
    """What an exception's record says would clear it, best first; last what must not be done.

    Rank 1 is the cheapest lawful change. A release by hand stands among them where the catalogue allows one: the fact
    stays, the difference is accepted, so it costs the whole of it. `by_when`: the end of the discount's last day, UTC.
    """
    entry = reason(finding.code)
    bill = Bill(Arrived("", invoice, date.min, 0))
    last = discount_ends_on(invoice)
    by_when = (
        datetime.combine(last + timedelta(days=1), time(), ZoneInfo(time_zone)).astimezone(UTC)
        if last is not None
        else None
    )
    ways = [
        Alternative(
            change=one.offer.change,
            by_roles=one.offer.by_roles,
            where=one.offer.where,
            cost=money(one.cost, bill),
            by_when=by_when,
            field=one.offer.field,
            value_from=one.offer.before,
            value_to=one.offer.after,
            leaves=one.leaves,
        )
        for one in found
    ]
    if entry.release in _LETS_GO and (found or entry.settles == "by_act"):
        accepted = abs(finding.variance) if finding.variance is not None and finding.variance > 0 else Amount("0")
        said = f"the difference of {accepted} {invoice.currency} accepted" if accepted else "accepted as it is"
        ways.append(
            Alternative(
                change=f"Released by hand within the person's limit, with a reason: {said}",
                by_roles=(entry.owner, *_LETS_GO[entry.release]),
                where="accounts payable",
                cost=money(exact(accepted), bill),
                by_when=by_when,
                field="release",
            )
        )
    if not ways:
        return ()
    ways.sort(key=lambda way: (bool(way.leaves), way.cost or Amount("0")))
    ranked = [_ranked(way, place) for place, way in enumerate(ways, 1)]
    deed = wrong_deed(finding.code)
    if deed is not None:
        ranked.append(Alternative(change=deed[0], by_roles=(), rank=len(ranked) + 1, wrong=deed[1]))
    return tuple(ranked)


def _ranked(way: Alternative, place: int) -> Alternative:
    return Alternative(
        change=way.change,
        by_roles=way.by_roles,
        where=way.where,
        cost=way.cost,
        by_when=way.by_when,
        rank=place,
        field=way.field,
        value_from=way.value_from,
        value_to=way.value_to,
        leaves=way.leaves,
    )
