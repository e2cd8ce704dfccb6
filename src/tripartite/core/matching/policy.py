"""The bounds a match is measured against: typed, with nothing left unsaid.

Each bound is a decimal string, or the word `exact` (no difference is allowed) or `ignore` (this bound does not speak).
The defaults are the base policy `matchbench-1`, which allows nothing. Which policy an invoice falls under is decided
in `core/policy`; this file only says what a policy can say, and turns the words into numbers once (`limits_of`).
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

import msgspec

from tripartite.core.codec import encode
from tripartite.core.ids import digest
from tripartite.core.matching.exact import exact

_BOUND = re.compile(r"(?:exact|ignore|[0-9]{1,18}(?:\.[0-9]{1,20})?)\Z")

EXACT = exact(0)
"""The word `exact` as a number. It is told from a stated 0 by identity: at reference 0 a stated percentage is mute
beside an amount, the word never is (S5)."""


class PriceBounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Unit price against the reference price. `*_absolute` per order unit; `line_*` extended, one invoice line;
    `cumulative_*` of all bills of the order line so far."""

    upper_percent: str = "exact"
    upper_absolute: str = "ignore"
    lower_percent: str = "exact"
    lower_absolute: str = "ignore"
    line_upper_absolute: str = "ignore"
    cumulative_upper_percent: str = "ignore"
    cumulative_upper_absolute: str = "ignore"


class QuantityBounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Billed so far against received, accepted, withdrawn. Percent of the bound; absolute in order units; value in
    money (excess x reference price)."""

    upper_percent: str = "exact"
    upper_absolute: str = "ignore"
    upper_value: str = "ignore"


class CatchWeightBounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weight billed so far against weight received."""

    upper_percent: str = "exact"


class ChargeBounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Planned charges against what is due; all unplanned charges of the invoice against its goods value."""

    planned_upper_percent: str = "exact"
    planned_upper_absolute: str = "ignore"
    unplanned_percent: str = "exact"
    unplanned_absolute: str = "ignore"


class TaxBounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tax of one code against what is expected, once the rounding allowance is used up; `ratio_percent` of net."""

    upper_percent: str = "exact"
    upper_absolute: str = "ignore"
    lower_percent: str = "exact"
    lower_absolute: str = "ignore"
    ratio_percent: str = "ignore"


class DocumentBounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sum of everything upward that was tolerated on one invoice."""

    upper_absolute: str = "ignore"


class RateBounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The stated exchange rate against the table, in both directions; absolute in company currency on the net."""

    upper_percent: str = "ignore"
    upper_absolute: str = "ignore"


class EarlyBounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Line amount x days before the agreed date."""

    value_days: str = "ignore"


class DuplicateScope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be equal besides supplier and number; how many days apart a probable duplicate may be."""

    scope: tuple[Literal["company", "year"], ...] = ("company",)
    window_days: str = "90"


class Sampling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One invoice in `one_in` is held for a check, by the hash of beacon and document (S43)."""

    beacon: str = ""
    one_in: str = "ignore"


class MatchPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All bounds of one match. `combination`: `strict` means every bound that speaks must hold, `lenient` that one is
    enough, and only by that name. `order_tax_codes`: whether an order that states no tax codes is compared."""

    base: Literal["matchbench-1"] = "matchbench-1"
    combination: Literal["strict", "lenient"] = "strict"
    partial_release: Literal["no", "lines", "proven"] = "no"
    receipt_grace_days: str = "exact"
    order_required: Literal["yes", "no"] = "yes"
    order_tax_codes: Literal["compare", "if_stated"] = "compare"
    small_difference: str = "exact"
    review_amount: str = "ignore"
    price: PriceBounds = PriceBounds()
    quantity: QuantityBounds = QuantityBounds()
    catch_weight: CatchWeightBounds = CatchWeightBounds()
    charge: ChargeBounds = ChargeBounds()
    tax: TaxBounds = TaxBounds()
    document: DocumentBounds = DocumentBounds()
    rate: RateBounds = RateBounds()
    early: EarlyBounds = EarlyBounds()
    duplicate: DuplicateScope = DuplicateScope()
    sample: Sampling = Sampling()


BASE_POLICY = MatchPolicy()

_WORDS = {"base", "combination", "partial_release", "order_required", "order_tax_codes", "scope", "beacon"}


class PolicyInvalid(ValueError):
    """A policy table with an unknown key or a bound that is neither a number nor one of the two words."""


def policy_from_table(table: dict[str, Any]) -> MatchPolicy:
    """A policy from a parsed table; what it does not name is the base policy's. Errors: `PolicyInvalid`."""
    try:
        policy = msgspec.convert(table, MatchPolicy)
    except msgspec.ValidationError as error:
        raise PolicyInvalid(f"policy: {error}") from None
    _check_bounds(msgspec.to_builtins(policy), "policy")
    return policy


def _check_bounds(table: dict[str, Any], path: str) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            _check_bounds(value, f"{path}.{key}")
        elif key not in _WORDS and _BOUND.match(value) is None:
            raise PolicyInvalid(f"{path}.{key}: {value!r} is neither a number nor exact nor ignore")


def bound(word: str) -> Fraction | None:
    """A bound as a number: None is `ignore`; `EXACT` is `exact`."""
    if word == "ignore":
        return None
    return EXACT if word == "exact" else exact(Fraction(word))


def is_stated(limit: Fraction | None) -> bool:
    """Whether a bound is a stated number, not a word. A bound that notes what it is asked answers for itself."""
    return limit is not None and getattr(limit, "is_stated", limit is not EXACT)


def within(
    difference: Fraction,
    reference: Fraction,
    percent: Fraction | None,
    absolute: Fraction | None,
    *,
    lenient: bool = False,
) -> bool:
    """Whether a difference (zero or more) is allowed by the bounds of one level. A difference at the bound passes.

    Percent is of `reference`. At reference 0 a stated percent is mute beside a stated amount, else nothing is allowed.
    Strict: every bound that speaks must hold; lenient: one is enough. If none speaks, everything passes. Rule: S5.
    """
    if difference <= 0:
        return True
    answers = []
    if percent is not None and not (reference == 0 and is_stated(percent) and is_stated(absolute)):
        answers.append(difference * 100 <= reference * percent)
    if absolute is not None:
        answers.append(difference <= absolute)
    if not answers:
        return True
    return any(answers) if lenient else all(answers)


class Limits:
    """A policy with its words read as numbers. `None` is ignore; `EXACT` is exact. Made once per policy."""

    __slots__ = (
        "catch_weight_percent",
        "cumulative_absolute",
        "cumulative_percent",
        "digest",
        "document_absolute",
        "early_value_days",
        "grace_days",
        "grace_unlimited",
        "lenient",
        "lower_absolute",
        "lower_percent",
        "one_in",
        "order_required",
        "planned_absolute",
        "planned_percent",
        "policy",
        "quantity_absolute",
        "quantity_percent",
        "quantity_value",
        "rate_absolute",
        "rate_percent",
        "release",
        "review_amount",
        "scope_company",
        "scope_year",
        "small_difference",
        "tax_codes_if_stated",
        "tax_lower_absolute",
        "tax_lower_percent",
        "tax_ratio",
        "tax_upper_absolute",
        "tax_upper_percent",
        "unplanned_absolute",
        "unplanned_percent",
        "upper_absolute",
        "upper_line",
        "upper_percent",
        "window_days",
    )

    def __init__(self, policy: MatchPolicy) -> None:
        self.policy = policy
        self.digest = digest(encode(policy))
        self.lenient = policy.combination == "lenient"
        self.release = policy.partial_release
        self.order_required = policy.order_required == "yes"
        self.tax_codes_if_stated = policy.order_tax_codes == "if_stated"
        self.grace_unlimited = policy.receipt_grace_days == "ignore"
        grace = bound(policy.receipt_grace_days)
        # "exact" means that nothing is ever parked; a stated 0 still parks on the day of arrival.
        self.grace_days = -1 if grace is None or grace is EXACT else int(grace)
        self.small_difference = bound(policy.small_difference)
        self.review_amount = bound(policy.review_amount)
        price = policy.price
        self.upper_percent, self.upper_absolute = bound(price.upper_percent), bound(price.upper_absolute)
        self.lower_percent, self.lower_absolute = bound(price.lower_percent), bound(price.lower_absolute)
        self.upper_line = bound(price.line_upper_absolute)
        self.cumulative_percent = bound(price.cumulative_upper_percent)
        self.cumulative_absolute = bound(price.cumulative_upper_absolute)
        self.quantity_percent = bound(policy.quantity.upper_percent)
        self.quantity_absolute = bound(policy.quantity.upper_absolute)
        self.quantity_value = bound(policy.quantity.upper_value)
        self.catch_weight_percent = bound(policy.catch_weight.upper_percent)
        charge = policy.charge
        self.planned_percent, self.planned_absolute = (
            bound(charge.planned_upper_percent),
            bound(charge.planned_upper_absolute),
        )
        self.unplanned_percent, self.unplanned_absolute = (
            bound(charge.unplanned_percent),
            bound(charge.unplanned_absolute),
        )
        tax = policy.tax
        self.tax_upper_percent, self.tax_upper_absolute = bound(tax.upper_percent), bound(tax.upper_absolute)
        self.tax_lower_percent, self.tax_lower_absolute = bound(tax.lower_percent), bound(tax.lower_absolute)
        self.tax_ratio = bound(tax.ratio_percent)
        self.document_absolute = bound(policy.document.upper_absolute)
        self.rate_percent, self.rate_absolute = bound(policy.rate.upper_percent), bound(policy.rate.upper_absolute)
        self.early_value_days = bound(policy.early.value_days)
        self.scope_company = "company" in policy.duplicate.scope
        self.scope_year = "year" in policy.duplicate.scope
        window = bound(policy.duplicate.window_days)
        self.window_days = None if window is None else int(window)
        one_in = bound(policy.sample.one_in)
        self.one_in = 0 if one_in is None else int(one_in)


@lru_cache(maxsize=1024)
def limits_of(policy: MatchPolicy) -> Limits:
    """The numbers of a policy."""
    return Limits(policy)
