"""The rows of the decision tables: what a policy can say, and nothing else. No expression language.

Every row says all of its keys (no empty cells): a bound is a number, or `exact` (no difference is allowed) or `ignore`
(this bound does not speak); a scope is a value or `*`. Dates: `from` is the first day, `until` the first day after or
`open`. A row is cited by its table and id, `price/maintenance-de`.

Which row speaks: the most specific. Supplier is more specific than company, company than category, category than
currency; so of the rows that fit, exactly one is the most specific unless two have the same scope (an overlap).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

import msgspec

from tripartite.core.exceptions.reasons import Blocks, Owner, Release, Severity

BOUND = r"^(exact|ignore|(0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?)$"
WHOLE = r"^(exact|ignore|(0|[1-9][0-9]{0,5}))$"
AMOUNT = r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?$"
ID = r"^[a-z0-9][a-z0-9._-]{0,59}$"

Id = Annotated[str, msgspec.Meta(pattern=ID)]
Bound = Annotated[str, msgspec.Meta(pattern=BOUND)]
Whole = Annotated[str, msgspec.Meta(pattern=WHOLE)]
Sum = Annotated[str, msgspec.Meta(pattern=AMOUNT)]
SCOPES = ("supplier", "company", "category", "currency")  # the most specific first


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all rows have. `id` is unique within its table."""

    id: Id
    valid_from: date = msgspec.field(name="from")
    until: date


class Scoped(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row for some supplier, company, category of spend and document currency; `*` is any."""

    supplier: str
    company: str
    category: str
    currency: str


class PriceRow(Scoped, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unit price against the reference price: percent of it and sum per order unit; one invoice line; cumulative."""

    upper_percent: Bound
    upper_absolute: Bound
    lower_percent: Bound
    lower_absolute: Bound
    line_upper_absolute: Bound
    cumulative_upper_percent: Bound
    cumulative_upper_absolute: Bound


class QuantityRow(Scoped, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Billed so far against what is received: percent, order units, value in money; catch weight in percent."""

    upper_percent: Bound
    upper_absolute: Bound
    upper_value: Bound
    catch_weight_upper_percent: Bound


class ChargeRow(Scoped, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Planned charges against what is due; unplanned charges of an invoice against its goods value."""

    planned_upper_percent: Bound
    planned_upper_absolute: Bound
    unplanned_percent: Bound
    unplanned_absolute: Bound


class TaxRow(Scoped, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tax of one code against the expected, beyond rounding; all tax as a share of net."""

    upper_percent: Bound
    upper_absolute: Bound
    lower_percent: Bound
    lower_absolute: Bound
    ratio_percent: Bound


class AmountRow(Scoped, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sums of the whole document: what is absorbed, looked at twice, tolerated together; value x days before a date."""

    small_difference: Bound
    review_amount: Bound
    document_upper_absolute: Bound
    early_value_days: Bound


class RateRow(Scoped, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The stated exchange rate against the table; the sum is in the company's currency, so it needs a company."""

    upper_percent: Bound
    upper_absolute: Bound


class MatchingRow(Scoped, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a document is matched: which bounds must hold, what may be released, whether an order is required."""

    combination: Literal["strict", "lenient"]
    partial_release: Literal["no", "lines", "proven"]
    receipt_grace_days: Whole
    order_required: Literal["yes", "no"]
    order_tax_codes: Literal["compare", "if_stated"]


class DuplicateRow(Scoped, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What besides supplier and number makes a duplicate, and within how many days a probable one is looked for."""

    scope: tuple[Literal["company", "year"], ...]
    window_days: Whole


class SampleRow(Scoped, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One document in `one_in` is drawn for a check, by a published beacon; `ignore`: none (S43)."""

    beacon: str
    one_in: Whole


class ApprovalRow(Scoped, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who must approve a document whose checks are passed. `basis`: with an order or without. `above` a sum in the
    row's currency; `approver` is `none` (the order's approval counts), a role, and `approvals` how many people.
    """

    basis: Literal["order", "no_order"]
    above: Sum
    approver: Literal["none", "buyer", "approver", "control", "treasury"]
    approvals: int


class CategoryRow(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which category of spend a supplier's documents are, where the document does not say; `*` is any company."""

    supplier: str
    company: str
    category: str


class ReleaseRow(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Up to which sum at risk a role may release an exception although its fact stays; `0` never."""

    company: str
    currency: str
    role: Owner
    up_to: Sum


class PaymentReleaseRow(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many people must release a payment proposal whose sum is above `above`; never fewer than two (C38, I4)."""

    company: str
    currency: str
    above: Sum
    persons: int


class SlaRow(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A company's terms for a reason code, or for an area (`match.*`), on top of the catalogue.

    A severity may be raised and never lowered, a block tightened, a release narrowed. The code is more specific than
    its area, then the company than `*`.
    """

    company: str
    code: str
    severity: Severity | Literal["catalogue"]
    owner: Owner | Literal["catalogue"]
    sla_hours: int | Literal["catalogue", "none"]
    blocks: Blocks | Literal["catalogue"]
    release: Release | Literal["catalogue"]
    escalate_to: Owner | Literal["nobody"]


class CountryRow(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a country asks for: who computes the tax, whether an e-invoice is due, how long documents are kept (R69).

    `tax_rounding`: where our own tables round, once for each code of a document or at each line.
    """

    country: str
    tax_service: Literal["built_in", "connection"]
    einvoice: Literal["required", "accepted"]
    retention_years: int
    erasure: Literal["tombstone", "never"]
    tax_rounding: Literal["document", "line"] = "document"


class SupplierRow(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a supplier needs: the fields that must be there; whether the first accounts of a record must be confirmed
    like a change, or are taken over (day zero: the stock that is paid already); and what an account that nobody
    confirmed yet suspends: payments to that `account`, or to the `supplier`; whether an invoice of another supplier
    than the order's suspends that `invoice` only, or its `supplier`. The company's own row comes before `*`.
    """

    company: str
    required: tuple[Literal["name", "tax_id", "country", "city", "account", "payment_terms"], ...]
    first_account: Literal["confirm", "taken_over"]
    unconfirmed_suspends: Literal["account", "supplier"]
    mismatch_suspends: Literal["invoice", "supplier"]


# Table -> its row. The first seven make up a MatchPolicy together with duplicate and sample.
TABLES: Mapping[str, type[Row]] = {
    "price": PriceRow,
    "quantity": QuantityRow,
    "charge": ChargeRow,
    "tax": TaxRow,
    "amount": AmountRow,
    "rate": RateRow,
    "matching": MatchingRow,
    "duplicate": DuplicateRow,
    "sample": SampleRow,
    "category": CategoryRow,
    "approval": ApprovalRow,
    "release_limit": ReleaseRow,
    "payment_release": PaymentReleaseRow,
    "sla": SlaRow,
    "country": CountryRow,
    "supplier": SupplierRow,
}
MATCH_TABLES = ("price", "quantity", "charge", "tax", "amount", "rate", "matching", "duplicate", "sample")

# Keys that are sums in the row's currency: a number there needs a currency, since 50 is not the same in EUR and JPY.
SUMS: Mapping[str, tuple[str, ...]] = {
    "price": (
        "upper_absolute",
        "lower_absolute",
        "line_upper_absolute",
        "cumulative_upper_absolute",
    ),
    "quantity": ("upper_value",),
    "charge": ("planned_upper_absolute", "unplanned_absolute"),
    "tax": ("upper_absolute", "lower_absolute"),
    "amount": ("small_difference", "review_amount", "document_upper_absolute", "early_value_days"),
}


def weight(row: Scoped) -> int:
    """How specific a row's scope is; of two rows that fit the same document the heavier speaks."""
    return sum(8 >> place for place, name in enumerate(SCOPES) if getattr(row, name) != "*")


def fits(row: Scoped, supplier: str, company: str, category: str, currency: str) -> bool:
    return (
        row.supplier in (supplier, "*")
        and row.company in (company, "*")
        and row.category in (category, "*")
        and row.currency in (currency, "*")
    )
