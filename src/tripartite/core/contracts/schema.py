"""How our exact numbers stand in JSON Schema: as text, by their grammar. No JSON number may stand near money."""

from __future__ import annotations

from typing import Any

from tripartite.core.money import Amount, Price, Rate
from tripartite.core.quantity import Quantity

_DECIMALS: dict[type[Any], int] = {Amount: 6, Price: 20, Rate: 12, Quantity: 12}


def exact(kind: type[Any]) -> dict[str, Any]:
    """msgspec's hook for what it does not know: text with at most so many decimals."""
    assert kind in _DECIMALS, kind
    return {"type": "string", "pattern": rf"^-?(0|[1-9][0-9]{{0,14}})(\.[0-9]{{1,{_DECIMALS[kind]}}})?$"}
