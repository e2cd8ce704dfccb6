"""How well an engine did on cases with expectations: rates, and the money it would have paid or stopped wrongly.

To add currencies each has a weight per unit (a weight, not a rate). A missing answer counts as a hold with nothing
payable. Exact: amounts are Decimals as stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

WEIGHTS = {"JPY": Decimal("0.01"), "KWD": Decimal(3), "BHD": Decimal(3)}

Reasons = Mapping[tuple[str, int], Decimal | None]


class Answer(msgspec.Struct, frozen=True):
    """What was said of one invoice, or what is right."""

    verdict: str
    reasons: Reasons
    payable_now: Decimal
    money_at_risk: Decimal = Decimal(0)


NO_ANSWER = Answer("hold", {}, Decimal(0))


class Scored(msgspec.Struct, frozen=True):
    """One invoice: which of the four things are right, and the money that is wrong, weighted."""

    verdict: bool
    reasons: bool
    variances: bool
    payable: bool
    wrongly_paid: Decimal
    wrongly_stopped: Decimal
    at_risk: Decimal
    expected_payable: Decimal


class Score(msgspec.Struct, frozen=True):
    """The whole: counts, rates (Decimal strings in JSON) and weighted sums with their shares."""

    invoices: int
    verdicts_right: int
    reasons_right: int
    variances_right: int
    payables_right: int
    verdict_rate: Decimal
    reason_rate: Decimal
    variance_rate: Decimal
    payable_rate: Decimal
    wrongly_paid: Decimal
    wrongly_paid_share: Decimal
    wrongly_stopped: Decimal
    wrongly_stopped_share: Decimal


def score_one(expected: Answer, got: Answer, currency: str) -> Scored:
    """Compare one answer with what is right."""
    verdict = got.verdict == expected.verdict
    reasons = verdict and set(got.reasons) == set(expected.reasons)
    variances = reasons and all(_same(got.reasons[key], variance) for key, variance in expected.reasons.items())
    zero = Decimal(0)
    if expected.verdict != "post" and got.verdict == "post":
        paid = expected.money_at_risk
    else:
        paid = max(zero, got.payable_now - expected.payable_now)
    stopped = max(zero, expected.payable_now - got.payable_now) if expected.payable_now > 0 else zero
    weight = WEIGHTS.get(currency, Decimal(1))
    return Scored(
        verdict,
        reasons,
        variances,
        got.payable_now == expected.payable_now,
        paid * weight,
        stopped * weight,
        expected.money_at_risk * weight,
        max(zero, expected.payable_now) * weight,
    )


def _same(one: Decimal | None, other: Decimal | None) -> bool:
    return one is other if one is None or other is None else one == other


def total(scored: list[Scored]) -> Score:
    """Add up. Without any invoice every rate is 1 and every share 0."""
    count = len(scored)
    verdicts = sum(one.verdict for one in scored)
    reasons = sum(one.reasons for one in scored)
    variances = sum(one.variances for one in scored)
    payables = sum(one.payable for one in scored)
    paid = sum((one.wrongly_paid for one in scored), Decimal(0))
    stopped = sum((one.wrongly_stopped for one in scored), Decimal(0))
    at_risk = sum((one.at_risk for one in scored), Decimal(0))
    payable = sum((one.expected_payable for one in scored), Decimal(0))
    whole = Decimal(count)
    return Score(
        invoices=count,
        verdicts_right=verdicts,
        reasons_right=reasons,
        variances_right=variances,
        payables_right=payables,
        verdict_rate=_share(Decimal(verdicts), whole, Decimal(1)),
        reason_rate=_share(Decimal(reasons), whole, Decimal(1)),
        variance_rate=_share(Decimal(variances), whole, Decimal(1)),
        payable_rate=_share(Decimal(payables), whole, Decimal(1)),
        wrongly_paid=paid,
        wrongly_paid_share=_share(paid, at_risk, Decimal(0)),
        wrongly_stopped=stopped,
        wrongly_stopped_share=_share(stopped, payable, Decimal(0)),
    )


def _share(part: Decimal, whole: Decimal, none: Decimal) -> Decimal:
    """A share to four decimals, half-even; shown, never computed with."""
    return (part / whole).quantize(Decimal("0.0001")) if whole else none
