"""Systems that are down for a part of the story: an hour of its time, seconds of ours. The outcome must be the same.

Each is down in the part in which it is needed most, from a second after the part has begun, so that work is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from tripartite.rehearsal.vendors import Vendors

Part = Literal["goods", "invoices", "late", "payments"]
SYSTEMS: Mapping[str, tuple[str, Part]] = {
    "coupa": ("coupa", "goods"),  # receipts are owed to it
    "sap": ("sap_s4hana", "invoices"),  # invoices are to be posted
    "capture": ("capture", "invoices"),
    "tax": ("avalara", "invoices"),
    "warehouse": ("warehouse", "late"),  # it is asked again for what did not come
    "bank": ("iso20022_bank", "payments"),
}
AWAY_SECONDS = 20.0
BEGINS_SECONDS = 1.0
TAX_SECONDS = 8.0  # the tax engine is away so long in every story: what asks it waits, and is not paid meanwhile


class Outages(msgspec.Struct):
    """What goes down in a run. `stops`: names of `SYSTEMS`."""

    vendors: Vendors
    stops: Sequence[str] = ()
    _away: list[asyncio.Task[None]] = []

    def begin(self, part: Part) -> None:
        """A part of the story begins."""
        seconds = {SYSTEMS[name][0]: AWAY_SECONDS for name in self.stops if SYSTEMS[name][1] == part}
        if part == "invoices":
            seconds.setdefault("avalara", TAX_SECONDS)
        self._away = [*self._away, *(asyncio.create_task(self._down(kind, time)) for kind, time in seconds.items())]

    async def _down(self, kind: str, seconds: float) -> None:
        await asyncio.sleep(BEGINS_SECONDS)
        await self.vendors.away(kind, seconds)

    async def over(self) -> None:
        """Wait until every system is back."""
        away, self._away = self._away, []
        for task in away:
            await task
