"""A budget line: what one cost centre may spend in one period, and what is left of it, as procurement says."""

from __future__ import annotations

from datetime import date

import msgspec

from tripartite.core.money import Amount


class Budget(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a budget at one time. Amounts in `currency`; `remaining` may be below zero.

    `pending` is what waiting requisitions ask for and `remaining` does not yet take off. `stops` says whether the
    source itself refuses what goes over it.
    """

    number: str
    company_code: str
    currency: str
    amount: Amount
    remaining: Amount
    cost_centre: str
    version: int = 1
    period: str = ""
    starts_on: date | None = None
    ends_on: date | None = None
    pending: Amount | None = None
    stops: bool = False
