"""What the proof of a pack says: a finding, and a concrete case that shows it."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """A concrete case that shows a finding."""

    company: str = ""
    supplier: str = ""
    category: str = ""
    currency: str = ""
    on: date | None = None
    amount: str = ""

    def __str__(self) -> str:
        parts = [
            f"{name} {value}"
            for name in ("company", "supplier", "category", "currency", "amount", "on")
            if (value := getattr(self, name))
        ]
        return ", ".join(parts)


class PolicyFinding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something about a pack. `error` keeps it from being approved; `warning` is to be read by the approver."""

    severity: Literal["error", "warning"]
    rule: Literal["gap", "overlap", "shadowed", "unsatisfiable", "unbounded", "loosens", "unknown", "duties"]
    rows: tuple[str, ...]
    words: str
    example: Example = Example()
