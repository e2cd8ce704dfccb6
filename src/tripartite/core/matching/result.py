"""What a match says: verdict, findings, what may be paid now, and the numbers that were compared.

Amounts are kept in minor units of the document's currency and given out as `Money`. What only a person looks at (the
comparison per line, the allocation table, the digest of the inputs) is worked out when asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from typing import Literal, Protocol

import msgspec

from tripartite.core.findings import Finding
from tripartite.core.matching.giving import Giving, HeldBack
from tripartite.core.money import Money
from tripartite.core.objects.billed import Billed

Verdict = Literal["post", "park", "hold", "reject"]

INFORMATIONAL = frozenset(["match.small_difference"])
"""Reasons that may stand on a `post`. `match.quantity_returned` joins them on a paid invoice."""


class Allocation(msgspec.Struct, frozen=True):
    """So much of an invoice line stands against this order line, out of this receipt line (empty: out of none)."""

    invoice_line: int
    order_number: str
    order_line: int
    receipt_number: str
    receipt_line: int
    quantity: Fraction


class Pair(msgspec.Struct, frozen=True):
    """One invoice line beside the order line it met. Quantities in the order line's unit, exact; prices per order
    unit, net; values net in document currency. `bound` is the tightest bound on billed quantity, None where there is
    none; `billed` is what this line bills after credits, `excess` what of it is too much."""

    invoice_line: int
    order_number: str
    order_line: int
    unit: str
    ordered: Fraction | None
    received: Fraction
    billed_before: Fraction
    quantity: Fraction
    billed: Fraction
    excess: Fraction
    bound: Fraction | None
    order_price: Fraction
    invoice_price: Fraction | None
    value: Fraction
    expected: Fraction | None
    variance: Fraction | None


class Trace(Protocol):
    """Where a result can look up what it does not carry."""

    def pairs(self) -> tuple[Pair, ...]: ...

    def orders(self) -> frozenset[str]: ...

    def billed(self) -> tuple[Billed, ...]: ...

    def allocations(self) -> tuple[Allocation, ...]: ...

    @property
    def beside_credits(self) -> bool: ...

    def givings(self, live: Collection[str]) -> tuple[Giving, ...]: ...

    def held_back(self, live: Collection[str]) -> tuple[HeldBack, ...]: ...

    def inputs_digest(self) -> str: ...


class MatchResult(msgspec.Struct, frozen=True, eq=False):
    """The answer about one invoice. Credits pay negative. `replaced`: another invoice took its place."""

    invoice_id: str
    verdict: Verdict
    currency: str
    payable_minor: int
    at_risk_minor: int
    findings: tuple[Finding, ...]
    trace: Trace
    replaced: bool = False

    @property
    def payable_now(self) -> Money:
        """What may be paid now; negative for a credit."""
        return Money(self.payable_minor, self.currency)

    @property
    def money_at_risk(self) -> Money:
        """What would be paid wrongly if the invoice were posted as it is; zero for `post`."""
        return Money(self.at_risk_minor, self.currency)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Order, receipt, invoice and variance per line, for showing side by side."""
        return self.trace.pairs()

    @property
    def orders(self) -> frozenset[str]:
        """The orders that its lines stand on."""
        return self.trace.orders()

    @property
    def billed(self) -> tuple[Billed, ...]:
        """What is billed of each order line, once for each line of the document."""
        return self.trace.billed()

    @property
    def allocations(self) -> tuple[Allocation, ...]:
        """The allocation table of this invoice (S3)."""
        return self.trace.allocations()

    def givings(self, live: Collection[str]) -> tuple[Giving, ...]:
        """What this document gives back of what `live` invoices have released (S19)."""
        return self.trace.givings(live)

    def held_back(self, live: Collection[str]) -> tuple[HeldBack, ...]:
        """What of this invoice was taken by credits that are not among `live`: it is released nevertheless."""
        return self.trace.held_back(live)

    @property
    def inputs_digest(self) -> str:
        """SHA-256 over all that was looked at: the same inputs have the same digest (S41)."""
        return self.trace.inputs_digest()

    def stated(self) -> tuple[object, ...]:
        """Everything that was decided, as comparable values."""
        return (
            self.invoice_id,
            self.verdict,
            self.currency,
            self.payable_minor,
            self.at_risk_minor,
            self.findings,
            self.replaced,
        )
