"""A change of bounds against what was asked of them: whom it may concern.

Read with asking.py, which notes the questions of a match. A question is kept as the bound at which its answer turns;
a change concerns the invoices that asked something whose answer turns between the old bound and the new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import msgspec

from tripartite.core.matching.policy import MatchPolicy, bound

Turns = tuple[Fraction, Fraction] | None
"""Between which bounds the answers to one question turn, both ends included; None: on any change of the bound."""

# The numbers a match compares with: their name in `Limits`, and where the policy says them.
NUMBERS: Mapping[str, str] = {
    "upper_percent": "price/upper_percent",
    "upper_absolute": "price/upper_absolute",
    "lower_percent": "price/lower_percent",
    "lower_absolute": "price/lower_absolute",
    "upper_line": "price/line_upper_absolute",
    "cumulative_percent": "price/cumulative_upper_percent",
    "cumulative_absolute": "price/cumulative_upper_absolute",
    "quantity_percent": "quantity/upper_percent",
    "quantity_absolute": "quantity/upper_absolute",
    "quantity_value": "quantity/upper_value",
    "catch_weight_percent": "catch_weight/upper_percent",
    "planned_percent": "charge/planned_upper_percent",
    "planned_absolute": "charge/planned_upper_absolute",
    "unplanned_percent": "charge/unplanned_percent",
    "unplanned_absolute": "charge/unplanned_absolute",
    "tax_upper_percent": "tax/upper_percent",
    "tax_upper_absolute": "tax/upper_absolute",
    "tax_lower_percent": "tax/lower_percent",
    "tax_lower_absolute": "tax/lower_absolute",
    "tax_ratio": "tax/ratio_percent",
    "document_absolute": "document/upper_absolute",
    "rate_percent": "rate/upper_percent",
    "rate_absolute": "rate/upper_absolute",
    "small_difference": "small_difference",
    "review_amount": "review_amount",
}
# The words and counts: a change of one concerns every invoice that asked for it.
WORDS: Mapping[str, tuple[str, ...]] = {
    "grace_unlimited": ("receipt_grace_days",),
    "grace_days": ("receipt_grace_days",),
    "release": ("partial_release",),
    "order_required": ("order_required",),
    "tax_codes_if_stated": ("order_tax_codes",),
    "scope_company": ("duplicate/scope",),
    "scope_year": ("duplicate/scope",),
    "window_days": ("duplicate/window_days",),
}
# Asked by almost every invoice, or asked in a way that is not noted: a change of these concerns all.
UNNOTED = ("early/value_days",)
EVERYBODYS = frozenset({"review_amount", "tax/ratio_percent"})  # asked by every invoice, and alike under `lenient`
ANYTHING = "anything"  # asked where nothing was noted: any change concerns it


class Asked(msgspec.Struct, frozen=True):
    """What the match of one invoice asked. `bounds`: key of the policy -> where its answers turn; `words`: other keys.

    `group` is the first invoice, by arrival, of all that it is judged with.
    """

    bounds: Mapping[str, Turns]
    words: frozenset[str]
    group: str


class Change(msgspec.Struct, frozen=True):
    """What differs between two sets of bounds. `everything`: nothing was noted that could tell whom it concerns.

    `bounds`: key -> from which to which number the bound moves, None for no end (ignore). `noted`: it concerns whoever
    asked any bound. `sample`: the lot is drawn anew, so it concerns whom one of both draws.
    """

    bounds: Mapping[str, tuple[Fraction, Fraction | None]] = {}
    words: frozenset[str] = frozenset()
    everything: bool = False
    noted: bool = False
    sample: bool = False

    @property
    def is_none(self) -> bool:
        """Do both say the same?"""
        return not (self.bounds or self.words or self.everything or self.noted or self.sample)


@lru_cache(maxsize=4096)
def change_between(one: MatchPolicy, other: MatchPolicy) -> Change:
    """What a match that was noted under `one` must look at before it is the same under `other`."""
    if one == other:
        return Change()
    bounds: dict[str, tuple[Fraction, Fraction | None]] = {}
    for key in NUMBERS.values():
        said = (word_of(one, key), word_of(other, key))
        if said[0] != said[1]:
            ends = [bound(word) for word in said]
            numbers = [end for end in ends if end is not None]
            bounds[key] = (min(numbers), None if None in ends else max(numbers))
    words = {key for keys in WORDS.values() for key in keys if word_of(one, key) != word_of(other, key)}
    return Change(
        bounds,
        frozenset(words),
        everything=any(word_of(one, key) != word_of(other, key) for key in UNNOTED),
        noted="lenient" in (one.combination, other.combination),
        sample=one.sample != other.sample,
    )


def may_differ(asked: Asked, change: Change) -> bool:
    """Whether the change could turn an answer. The lot is not looked at: `is_drawn` says whom it concerns."""
    if change.is_none:
        return False
    if change.everything or ANYTHING in asked.words or asked.words & change.words:
        return True
    if change.noted and any(key not in EVERYBODYS for key in asked.bounds):
        return True
    for key, (low, high) in change.bounds.items():
        if key not in asked.bounds:
            continue
        turns = asked.bounds[key]
        if turns is None or (turns[1] >= low and (high is None or turns[0] <= high)):
            return True
    return False


@lru_cache(maxsize=4096)
def word_of(policy: MatchPolicy, key: str) -> str:
    """What a policy says under a key: a number, a word, or words."""
    value: Any = policy
    for name in key.split("/"):
        value = getattr(value, name)
    return value if isinstance(value, str) else " ".join(value)
