"""Which of the offers hold: the match is run on each changed scene, and what does not clear its finding is left out.

Kept are changes after which the finding is gone, nothing else is wrong with the invoice that was not before (but for
what the offer says it may leave), and no other invoice is worse off: an amended price that would put an older bill
below its price is no way out. The work is bounded, so that a held document costs a known multiple of a match.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from fractions import Fraction

import msgspec

from tripartite.core.counterfactuals.acts import Act, Receive
from tripartite.core.counterfactuals.corrections import Correct, Credit, successor
from tripartite.core.counterfactuals.families import may_be_cleared, offers_for
from tripartite.core.counterfactuals.goods import more_comes
from tripartite.core.counterfactuals.offers import Offer, Trouble
from tripartite.core.counterfactuals.scene import Scene, scene_around
from tripartite.core.matching.engine import NO_QUOTES, PolicyOf, evaluate
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.result import INFORMATIONAL, MatchResult
from tripartite.core.objects.tax_quote import TaxQuote

Key = tuple[int, str]  # line, code

MOST_BILLS = 100  # a scene with more invoices than this is not searched: a person reads the awaited fact instead
MOST_WORK = 1000  # invoices judged in all changed scenes of one document together
_AWAITED = frozenset(["match.not_received", "match.quantity_over_received", "service.no_entry", "service.over_entry"])
MOST_PER_FINDING = 5  # ways out that are kept of one finding


class Counterfactual(msgspec.Struct, frozen=True):
    """A proved way out of one finding. `leaves`: codes that would newly stand on the document afterwards."""

    key: Key
    offer: Offer
    leaves: tuple[str, ...] = ()

    @property
    def cost(self) -> Fraction:
        """What we would pay beyond what was agreed and came, in the document's currency."""
        return self.offer.cost


class Budget:
    """How much may still be judged for one document."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, invoices: int) -> bool:
        """Whether a scene of so many invoices may still be judged."""
        if invoices > self.left:
            return False
        self.left -= invoices
        return True


def counterfactuals(
    book: Book,
    result: MatchResult,
    *,
    policy_of: PolicyOf,
    as_of: date,
    quotes: Mapping[str, TaxQuote] = NO_QUOTES,
) -> dict[Key, tuple[Counterfactual, ...]]:
    """The proved ways out of every finding of one result, cheapest first, by line and code.

    `book`, `policy_of`, `as_of` and `quotes` are what the result was computed from. A finding without an entry has no
    way out that one change of fact would be (or it could not be worked out within bounds).
    """
    wanted = [one for one in result.findings if one.code not in INFORMATIONAL and may_be_cleared(one.code)]
    if not wanted or result.replaced:
        return {}
    bill = next(one for one in book.bills if one.id == result.invoice_id)
    scene = scene_around(book, bill, as_of, quotes, result.orders)
    if len(scene.arrived) > MOST_BILLS:
        return {}
    around = scene.book()
    judged = evaluate(around, policy_of=policy_of, as_of=as_of, quotes=scene.quotes)
    before = {one.invoice_id: one for one in judged}
    now = before.get(result.invoice_id)
    if now is None or now.findings != result.findings:
        return {}  # something outside the scene speaks too: what is proved here would not be proved there
    bill = next(one for one in around.bills if one.id == result.invoice_id)
    budget = Budget(MOST_WORK)
    compared = now.pairs
    troubles = [Trouble(scene, around, bill, now, finding, compared) for finding in wanted]
    received = _received_together(troubles, before, policy_of, budget)
    found: dict[Key, tuple[Counterfactual, ...]] = {}
    for trouble in troubles:
        kept = _proved(trouble, before, policy_of, budget, received)
        if kept:
            ways = tuple(sorted(kept, key=lambda one: one.cost)[:MOST_PER_FINDING])
            found[trouble.finding.line, trouble.finding.code] = ways
    return found


def _received_together(
    troubles: Sequence[Trouble], before: Mapping[str, MatchResult], policy_of: PolicyOf, budget: Budget
) -> list[Act]:
    """The receipts that clear several lines of one invoice, proved in one match; none where that does not hold.

    What comes for one order line says nothing about another (S7), so what clears all of them together clears each. That
    is so where every line names its order line and no two of them the same one.
    """
    offers: dict[tuple[str, int], tuple[Key, Receive]] = {}
    for trouble in troubles:
        line = trouble.line
        if trouble.finding.code not in _AWAITED or line is None or line.order_line is None:
            continue
        act = next((one.act for one in more_comes(trouble) if isinstance(one.act, Receive)), None)
        if act is None or (act.order, act.order_line) in offers:
            return []
        offers[act.order, act.order_line] = ((trouble.finding.line, trouble.finding.code), act)
    if len(offers) < 2 or not budget.take(len(troubles[0].scene.arrived)):
        return []
    scene, invoice_id = troubles[0].scene, troubles[0].bill.id
    changed = scene
    for _, act in offers.values():
        changed = act.apply(changed)
    after = changed.judge(policy_of)
    has = {(one.line, one.code) for one in after[invoice_id].findings}
    new = has - {(one.line, one.code) for one in before[invoice_id].findings}
    if any(key in has for key, _ in offers.values()) or new or _others_worse(before, after, {invoice_id}):
        return []
    return [act for _, act in offers.values()]


def _proved(
    trouble: Trouble,
    before: Mapping[str, MatchResult],
    policy_of: PolicyOf,
    budget: Budget,
    received: Sequence[Act],
) -> list[Counterfactual]:
    """The offers of one finding that hold. Of offers to the same end by the same people the first that holds stands."""
    key = (trouble.finding.line, trouble.finding.code)
    kept: list[Counterfactual] = []
    ends: set[tuple[object, ...]] = set()
    judged: list[tuple[Act, tuple[str, ...] | None]] = [(act, ()) for act in received]
    for offer in offers_for(trouble):
        end = (offer.field, offer.by_roles, offer.after if offer.field == "order_line" else "")
        if end in ends:
            continue
        known = [leaves for act, leaves in judged if act == offer.act]
        if known:
            leaves = known[0]
        elif budget.take(len(trouble.scene.arrived) + 1):
            leaves = what_is_left(trouble.scene, trouble.bill.id, key, offer, before, policy_of)
            judged.append((offer.act, leaves))
        else:
            return kept
        if leaves is not None:
            ends.add(end)
            kept.append(Counterfactual(key, offer, leaves))
    return kept


def what_is_left(
    scene: Scene,
    invoice_id: str,
    key: Key,
    offer: Offer,
    before: Mapping[str, MatchResult],
    policy_of: PolicyOf,
) -> tuple[str, ...] | None:
    """The codes that newly stand on an invoice once an offer came about; None where the finding would still stand,
    where more would be left than the offer allows, or where another invoice would be worse off."""
    act = offer.act
    after = act.apply(scene).judge(policy_of)
    target = successor(invoice_id) if isinstance(act, Correct) else invoice_id
    judged = after.get(target)
    if judged is None or judged.replaced or (target != invoice_id and not after[invoice_id].replaced):
        return None
    had = {(one.line, one.code) for one in before[invoice_id].findings}
    has = {(one.line, one.code) for one in judged.findings}
    if key in has:
        return None
    new = tuple(sorted({code for line, code in has - had if code not in INFORMATIONAL}))
    if any(code not in offer.may_leave and code.partition(".")[0] not in offer.may_leave for code in new):
        return None
    if isinstance(act, Credit) and any(one.findings for name, one in after.items() if name not in before):
        return None
    return None if _others_worse(before, after, {invoice_id, target}) else new


def _others_worse(before: Mapping[str, MatchResult], after: Mapping[str, MatchResult], own: Collection[str]) -> bool:
    """Whether any other invoice has a finding that it had not."""
    for name, one in after.items():
        if name in own or name not in before or not one.findings:
            continue
        known = {(each.line, each.code) for each in before[name].findings}
        if any((each.line, each.code) not in known for each in one.findings):
            return True
    return False
