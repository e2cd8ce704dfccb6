"""A policy pack: the approved bundle of decision tables that a decision is taken under, cited by its hash.

    pack.match_policy(company, supplier, category, currency, on) -> the bounds, and the rows that spoke

Where no row speaks the strictest word stands and the citation says so; `check_pack` proves that this cannot happen.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

import msgspec

from tripartite.core.estate.reading import plain_data
from tripartite.core.exceptions.reasons import Reason, reasons
from tripartite.core.exceptions.terms import Override, Terms, terms_of
from tripartite.core.matching.policy import (
    CatchWeightBounds,
    ChargeBounds,
    DocumentBounds,
    DuplicateScope,
    EarlyBounds,
    MatchPolicy,
    PriceBounds,
    QuantityBounds,
    RateBounds,
    Sampling,
    TaxBounds,
)
from tripartite.core.money import Amount
from tripartite.core.policy.rows import (
    MATCH_TABLES,
    AmountRow,
    ApprovalRow,
    CategoryRow,
    ChargeRow,
    CountryRow,
    DuplicateRow,
    MatchingRow,
    PaymentReleaseRow,
    PriceRow,
    QuantityRow,
    RateRow,
    ReleaseRow,
    Row,
    SampleRow,
    Scoped,
    SlaRow,
    SupplierRow,
    TaxRow,
    fits,
    weight,
)

_UNNAMED = "(any other)"  # a supplier, category or currency that no row names: it can only meet `*`


class Pack(msgspec.Struct, frozen=True, dict=True):
    """One release of a policy. `rows`: table -> its rows in the order of the file."""

    name: str
    release: str
    proposed_by: str
    approved_by: str
    rows: Mapping[str, tuple[Row, ...]]

    @cached_property
    def canonical(self) -> str:
        """Everything the pack says in one form: the same words in another order or file are the same policy."""
        tables = {
            table: sorted((plain_data(row) for row in rows), key=lambda row: str(row["id"]))
            for table, rows in self.rows.items()
        }
        whole = {"name": self.name, "release": self.release, "tables": tables}
        whole |= {"proposed_by": self.proposed_by, "approved_by": self.approved_by}
        return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    def table(self, name: str) -> tuple[Any, ...]:
        """The rows of a table."""
        return self.rows.get(name, ())

    # Resolution -------------------------------------------------------------------------------------------------

    @cached_property
    def _named(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        scoped = [row for name in (*MATCH_TABLES, "approval") for row in self.table(name)]
        return (
            frozenset(row.supplier for row in (*scoped, *self.table("category"))),
            frozenset(row.category for row in scoped),
            frozenset(row.currency for row in scoped),
        )

    @cached_property
    def _days(self) -> tuple[date, ...]:
        """The days on which any row begins or ends: between two of them every answer is the same."""
        return tuple(
            sorted({day for rows in self.rows.values() for row in rows for day in (row.valid_from, row.until)})
        )

    @cached_property
    def _answers(self) -> dict[tuple[Any, ...], Any]:
        return {}

    def _scope(
        self, company: str, supplier: str, category: str, currency: str, on: date
    ) -> tuple[str, str, str, str, int]:
        # What no row names is one and the same case, so a million suppliers need a handful of answers.
        suppliers, categories, currencies = self._named
        return (
            supplier if supplier in suppliers else _UNNAMED,
            company,
            # No category is another case than one that no row names: it is looked up by the supplier.
            category if category in categories or not category else _UNNAMED,
            currency if currency in currencies else _UNNAMED,
            bisect_right(self._days, on),
        )

    def category(self, company: str, supplier: str, on: date) -> str:
        """The category of spend that a supplier's documents are, by the category rows; empty where none says."""
        best: CategoryRow | None = None
        for row in self.table("category"):
            fitting = row.supplier == supplier and row.company in (company, "*") and row.valid_from <= on < row.until
            if fitting and (best is None or (row.company != "*" and best.company == "*")):
                best = row
        return best.category if best else ""

    def speaking(
        self, table: str, company: str, supplier: str, category: str, currency: str, on: date
    ) -> Scoped | None:
        """The row of a scoped table that speaks for a document on a day: the most specific; None where none fits.

        Two of the same scope are an overlap, which the check refuses; here the first in the file is taken, so that
        the answer is at least always the same.
        """
        best: Scoped | None = None
        for row in self.table(table):
            if (
                row.valid_from <= on < row.until
                and fits(row, supplier, company, category, currency)
                and (best is None or weight(row) > weight(best))
            ):
                best = row
        return best

    def match_policy(
        self, company: str, supplier: str, category: str, currency: str, on: date
    ) -> tuple[MatchPolicy, tuple[str, ...]]:
        """The bounds for an invoice, and the rows that spoke, one of each table, cited as `table/id`.

        Sums are in the document's currency, the rate's in the company's. A table without a row for this document
        gives its strictest word and is cited as `table/none`. An empty `category` is looked up by the supplier.
        """
        key = ("match", *self._scope(company, supplier, category, currency, on))
        known = self._answers.get(key)
        if known is None:
            known = self._answers[key] = self._match_policy(company, supplier, category, currency, on)
        answer: tuple[MatchPolicy, tuple[str, ...]] = known
        return answer

    def _match_policy(
        self, company: str, supplier: str, category: str, currency: str, on: date
    ) -> tuple[MatchPolicy, tuple[str, ...]]:
        cited: list[str] = []
        parts: dict[str, Any] = {}
        category = category or self.category(company, supplier, on)
        for table in MATCH_TABLES:
            row = self.speaking(table, company, supplier, category, currency, on)
            cited.append(f"{table}/{row.id}" if row else f"{table}/none")
            if row is not None:
                parts |= _PARTS[table](row)
        return MatchPolicy(**parts), tuple(cited)

    def approval(
        self, company: str, supplier: str, category: str, currency: str, on: date, basis: str, amount: Decimal
    ) -> ApprovalRow | None:
        """Who must approve a document of this size: of the rows of the most specific scope the one with the highest
        `above` that the amount passes. None where no row speaks (then nobody said that it may go untouched).
        """
        category = category or self.category(company, supplier, on)
        fitting = [
            row
            for row in self.table("approval")
            if row.basis == basis
            and row.valid_from <= on < row.until
            and fits(row, supplier, company, category, currency)
        ]
        top = max((weight(row) for row in fitting), default=0)
        # "above 0" is the row for every amount, the smallest included.
        passed = [
            row
            for row in fitting
            if weight(row) == top and (abs(amount) > Amount(row.above) or Decimal(row.above) == 0)
        ]
        best: ApprovalRow | None = max(passed, key=lambda row: Decimal(row.above), default=None)
        return best

    def release_limit(self, role: str, company: str, currency: str, on: date) -> tuple[Amount, str] | None:
        """Up to which sum at risk (in `currency`) a role may release, and the row; None where no row speaks."""
        best: ReleaseRow | None = None
        for row in self.table("release_limit"):
            if (
                row.role == role
                and row.currency == currency
                and row.company in (company, "*")
                and row.valid_from <= on < row.until
                and (best is None or (row.company != "*" and best.company == "*"))
            ):
                best = row
        return (Amount(best.up_to), f"release_limit/{best.id}") if best else None

    def payment_release(self, company: str, currency: str, on: date, amount: Decimal) -> tuple[int, str] | None:
        """How many people must release a proposal of this sum, and the row; None where no row speaks: nobody may.

        The company's own rows come before `*`, then the currency's before `*`; of these the highest `above` passed.
        """
        best: PaymentReleaseRow | None = None
        best_rank: tuple[bool, bool, Decimal] | None = None
        for row in self.table("payment_release"):
            if row.company not in (company, "*") or row.currency not in (currency, "*"):
                continue
            above = Decimal(row.above)
            if not row.valid_from <= on < row.until or not (amount > above or above == 0):
                continue
            rank = (row.company != "*", row.currency != "*", above)
            if best_rank is None or rank > best_rank:
                best, best_rank = row, rank
        return (best.persons, f"payment_release/{best.id}") if best else None

    def overrides(self, company: str, on: date) -> Mapping[str, Override]:
        """The company's terms on top of the catalogue, per reason code that any row names."""
        key = ("sla", company, bisect_right(self._days, on))
        known = self._answers.get(key)
        if known is None:
            known = self._answers[key] = {
                code: _override(row) for code in reasons() if (row := self._sla(company, code, on)) is not None
            }
        answer: Mapping[str, Override] = known
        return answer

    def _sla(self, company: str, code: str, on: date) -> SlaRow | None:
        area = f"{code.partition('.')[0]}.*"
        best: SlaRow | None = None
        best_rank = -1
        for row in self.table("sla"):
            if row.code in (code, area) and row.company in (company, "*") and row.valid_from <= on < row.until:
                rank = (row.code == code) * 2 + (row.company != "*")
                if rank > best_rank:
                    best, best_rank = row, rank
        return best

    def terms(self, reason: Reason, company: str, on: date) -> Terms:
        """The terms of a reason for a company on a day, the catalogue's and the policy's together."""
        return terms_of(reason, self.overrides(company, on).get(reason.code))

    def supplier_rule(self, company: str, on: date) -> SupplierRow | None:
        """What a supplier of a company needs; its own row before `*`. None: nobody said, so the strictest holds."""
        found = [
            row for row in self.table("supplier") if row.company in (company, "*") and row.valid_from <= on < row.until
        ]
        best: SupplierRow | None = max(found, key=lambda row: row.company != "*", default=None)
        return best

    def country(self, country: str, on: date) -> CountryRow | None:
        """What a country asks for; its own row before `*`."""
        found = [
            row for row in self.table("country") if row.country in (country, "*") and row.valid_from <= on < row.until
        ]
        best: CountryRow | None = max(found, key=lambda row: row.country != "*", default=None)
        return best


def _override(row: SlaRow) -> Override:
    return Override(
        severity=row.severity,
        owner=row.owner,
        sla_hours=row.sla_hours,
        blocks=row.blocks,
        release=row.release,
        escalate_to=row.escalate_to,
        row=f"sla/{row.id}",
    )


def _price(row: PriceRow) -> dict[str, Any]:
    return {
        "price": PriceBounds(
            upper_percent=row.upper_percent,
            upper_absolute=row.upper_absolute,
            lower_percent=row.lower_percent,
            lower_absolute=row.lower_absolute,
            line_upper_absolute=row.line_upper_absolute,
            cumulative_upper_percent=row.cumulative_upper_percent,
            cumulative_upper_absolute=row.cumulative_upper_absolute,
        )
    }


def _quantity(row: QuantityRow) -> dict[str, Any]:
    return {
        "quantity": QuantityBounds(row.upper_percent, row.upper_absolute, row.upper_value),
        "catch_weight": CatchWeightBounds(row.catch_weight_upper_percent),
    }


def _charge(row: ChargeRow) -> dict[str, Any]:
    return {
        "charge": ChargeBounds(
            planned_upper_percent=row.planned_upper_percent,
            planned_upper_absolute=row.planned_upper_absolute,
            unplanned_percent=row.unplanned_percent,
            unplanned_absolute=row.unplanned_absolute,
        )
    }


def _tax(row: TaxRow) -> dict[str, Any]:
    return {
        "tax": TaxBounds(
            upper_percent=row.upper_percent,
            upper_absolute=row.upper_absolute,
            lower_percent=row.lower_percent,
            lower_absolute=row.lower_absolute,
            ratio_percent=row.ratio_percent,
        )
    }


def _amount(row: AmountRow) -> dict[str, Any]:
    return {
        "small_difference": row.small_difference,
        "review_amount": row.review_amount,
        "document": DocumentBounds(row.document_upper_absolute),
        "early": EarlyBounds(row.early_value_days),
    }


def _rate(row: RateRow) -> dict[str, Any]:
    return {"rate": RateBounds(row.upper_percent, row.upper_absolute)}


def _matching(row: MatchingRow) -> dict[str, Any]:
    return {
        "combination": row.combination,
        "partial_release": row.partial_release,
        "receipt_grace_days": row.receipt_grace_days,
        "order_required": row.order_required,
        "order_tax_codes": row.order_tax_codes,
    }


def _duplicate(row: DuplicateRow) -> dict[str, Any]:
    return {"duplicate": DuplicateScope(scope=row.scope, window_days=row.window_days)}


def _sample(row: SampleRow) -> dict[str, Any]:
    return {"sample": Sampling(beacon=row.beacon, one_in=row.one_in)}


_PARTS: Mapping[str, Any] = {
    "price": _price,
    "quantity": _quantity,
    "charge": _charge,
    "tax": _tax,
    "amount": _amount,
    "rate": _rate,
    "matching": _matching,
    "duplicate": _duplicate,
    "sample": _sample,
}
