"""A clock that we turn, and ids that count: what production gets from the system."""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import UTC, datetime, timedelta

from tripartite.runtime.clock import Clock

MORNING = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)  # a Friday on which all three companies work


class TurnedClock:
    """Stands still until it is turned; sleeping turns it and costs nothing."""

    def __init__(self, at: datetime = MORNING) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def counter(self) -> float:
        return self.at.timestamp()

    def turn(self, seconds: float = 0.0, *, days: int = 0) -> None:
        self.at += timedelta(seconds=seconds, days=days)

    async def sleep(self, seconds: float) -> None:
        self.turn(max(seconds, 1e-6))  # the least that a datetime can tell apart: time always goes on

    def port(self) -> Clock:
        return Clock(self.now, self.counter, self.sleep)


class CountedIds:
    """in_000001, in_000002, ...: the same in every run."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def new(self, prefix: str) -> str:
        self._counts[prefix] += 1
        return f"{prefix}_{self._counts[prefix]:06d}"


class ChanceIds:
    """Ids that no two houses on one database give twice."""

    def new(self, prefix: str) -> str:
        return f"{prefix}_{secrets.token_hex(12)}"
