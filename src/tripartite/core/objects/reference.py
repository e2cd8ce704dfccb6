"""Reference data that rules need: tax codes with their rates, cost centres, exchange rates."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from tripartite.core.money import Rate

TaxKind = Literal["normal", "reverse_charge", "exempt", "withholding"]


class TaxCode(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Our tax code of one country: its rate in percent and how it is taxed. Category: UNTDID 5305 (S, AE, E ...).

    It counts from `valid_from` to the day before `until`. `assessed_rate` is what the buyer assesses himself, in
    percent of net, where the supplier charges none (reverse charge).
    """

    code: str
    rate: Rate
    kind: TaxKind = "normal"
    country: str = ""
    category: str = "S"
    valid_from: date = date.min
    until: date = date.max
    assessed_rate: Rate | None = None


class CostCentre(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    code: str
    company_code: str
    name: str = ""
    valid_to: date | None = None


class ExchangeRate(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One unit of `from_currency` is `rate` units of `to_currency`, from `valid_on` on."""

    from_currency: str
    to_currency: str
    valid_on: date
    rate: Rate
