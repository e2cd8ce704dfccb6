"""A tax quote: what a tax engine expects to stand on a document, per line, rate and jurisdiction. And its question.

A question is made of a document's own facts, so the same facts ask the same question under the same number, and no
engine keeps anything of it. Amounts are net, in `currency`; for a credit memo they are positive and `credit` gives the
direction, as on the document itself.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from tripartite.core.money import Amount, Rate
from tripartite.core.objects.party import Address
from tripartite.core.objects.reference import TaxKind
from tripartite.core.quantity import Quantity

TaxRounding = Literal["line", "document"]


class TaxQuestionLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line or charge. `amount` is its net; `tax_codes` are ours: the order's where it states any, else the bill's.

    `kind` is `goods`, or what the charge is (freight, handling, packing ...).
    """

    line: int
    amount: Amount
    tax_codes: tuple[str, ...] = ()
    kind: str = "goods"
    item: str = ""
    description: str = ""
    quantity: Quantity | None = None


class TaxQuestion(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is asked: who sells what to whom, from where to where, on which day. `taxed_on`: whose rates count.

    `withholding` is the supplier's code where tax is to be kept back.
    """

    company_code: str
    currency: str
    taxed_on: date
    lines: tuple[TaxQuestionLine, ...]
    credit: bool = False
    supplier_id: str = ""
    supplier_number: str = ""
    supplier_tax_id: str = ""
    ship_from: Address | None = None
    ship_to: Address | None = None
    withholding: str = ""


class QuotedTax(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Tax of one line at one rate in one jurisdiction. `rate` in percent of `base`; `amount`: due on the bill.

    `code` is ours, where the engine names one. `assessed` is what the buyer assesses himself instead; of kind
    `withholding` the amount is kept back from the payment and is no part of the bill.
    """

    line: int
    amount: Amount
    base: Amount
    rate: Rate
    kind: TaxKind = "normal"
    code: str = ""
    country: str = ""
    region: str = ""
    jurisdiction: str = ""
    name: str = ""
    assessed: Amount | None = None


class QuotedLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A line as the engine understood it: its net, and all tax on the bill for it."""

    line: int
    amount: Amount
    tax: Amount


class TaxQuote(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An engine's answer. `number` is the question's; `as_of` is when the engine says it reckoned (UTC).

    `rounding` says where the engine rounds, where it says so. `tax` is the sum of what is due on the bill.
    """

    number: str
    company_code: str
    currency: str
    engine: str
    taxed_on: date
    tax: Amount
    lines: tuple[QuotedLine, ...]
    taxes: tuple[QuotedTax, ...]
    engine_version: str = ""
    as_of: datetime | None = None
    rounding: TaxRounding | None = None
    credit: bool = False
    messages: tuple[str, ...] = ()
