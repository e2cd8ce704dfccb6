"""What the proof of a pack says: a finding, and a concrete invoice that shows it."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

Rule = Literal[
    "gap",
    "overlap",
    "shadowed",
    "unsatisfiable",
    "unbounded",
    "inverted",
    "doubtful",
    "loosens",
    "unknown",
    "duties",
]


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """A concrete invoice that shows a finding. `amount` in `currency`; `lines`: what stands on it, in words."""

    company: str = ""
    supplier: str = ""
    category: str = ""
    currency: str = ""
    on: date | None = None
    amount: str = ""
    lines: str = ""

    def __str__(self) -> str:
        words = "an invoice"
        if self.supplier:
            words += f" of supplier {self.supplier}"
        if self.company:
            words += f" to {self.company}"
        if self.amount:
            words += f" over {self.amount} {self.currency}"
        elif self.currency:
            words += f" in {self.currency}"
        if self.category:
            words += f", category {self.category}"
        if self.on is not None:
            words += f", on {self.on}"
        return f"{words}: {self.lines}" if self.lines else words


class PolicyFinding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something about a pack. `error` keeps it from being approved; `warning` is to be read by the approver."""

    severity: Literal["error", "warning"]
    rule: Rule
    rows: tuple[str, ...]
    words: str
    example: Example = Example()
