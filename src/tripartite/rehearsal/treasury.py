"""The treasury of the story: what is due is proposed by one person and released by others, and the bank has its days.

Everything goes the way of people and banks: proposals and releases over HTTP, the calendar and the returns at the
bank's own bench.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec

from tripartite.rehearsal.people import NotLetIn, Person
from tripartite.rehearsal.vendors import Vendors

BANK = "iso20022_bank"
HORIZON = timedelta(days=120)  # everything that was posted is paid now, with the terms of the story well inside
CLOSED = "AC04"  # the reason of a closed account


class Desk(msgspec.Struct, frozen=True):
    """Who does what. Nobody who proposes releases, and who looked into a return does neither."""

    proposer: Person
    releasers: Sequence[Person]
    clerk: Person
    patience: float = 0.0  # seconds before each release, in which somebody at the console may give it

    async def close(self) -> None:
        for each in (self.proposer, *self.releasers, self.clerk):
            await each.close()


class Treasury:
    def __init__(self, desk: Desk, vendors: Vendors, companies: Sequence[tuple[str, str]], today: date) -> None:
        """`companies`: code and currency of each that pays by our bank."""
        self._desk, self._vendors, self._companies, self._today = desk, vendors, companies, today

    async def pay(self) -> int:
        """Propose what is due, release it, and let the bank's day come; how many payments were ordered."""
        ordered = 0
        days = set()
        for company, currency in self._companies:
            wanted = {
                "company_code": company,
                "currency": currency,
                "pay_until": (self._today + HORIZON).isoformat(),
            }
            status, drawn = await self._desk.proposer.post("/v1/payment-proposals", wanted)
            if status not in (200, 201):
                raise NotLetIn(f"a run of {company}: {status} {drawn}")
            proposal = drawn["proposal"]
            if proposal is None or proposal["state"] != "open":
                continue
            await self._release(proposal)
            ordered += len(proposal["payments"])
            days.add(proposal["execute_on"])
        if days:
            await self._vendors.tell(BANK, {"today": max(days)})
        return ordered

    async def _release(self, proposal: dict[str, Any]) -> None:
        """As many different people as the policy asks for, each of what they were shown."""
        path = f"/v1/payment-proposals/{proposal['number']}"
        for person in self._desk.releasers:
            await asyncio.sleep(self._desk.patience)
            shown = await person.get(path)
            if shown["state"] == "released":
                return
            status, answer = await person.post(f"{path}/releases", {"content_hash": shown["content_hash"]})
            if status != 200:
                raise NotLetIn(f"{person.name} released {proposal['number']}: {status} {answer}")
            if answer["state"] == "released":
                return
        raise NotLetIn(f"{proposal['number']} asks for more people than the treasury has")

    async def send_back(self, accounts: Collection[str]) -> int:
        """The bank of these creditors sends back what was booked to them; how many payments came back."""
        made = (await self._vendors.truth(BANK))["payments"]
        back = [
            {"end_to_end_id": number, "reason": CLOSED}
            for number, each in made.items()
            if each["creditor_account"] in accounts and each["bookings"] and not each["returned"]
        ]
        await self._vendors.tell(BANK, {"returns": back})
        return len(back)

    async def reopen(self) -> int:
        """A clerk asked the suppliers whose money came back, and opens these payments again; how many."""
        numbers = []
        after = ""
        while True:
            page = await self._desk.clerk.get(f"/v1/payments?state=returned&limit=200&after={after}")
            numbers += [each["number"] for each in page["items"] if not each.get("reopened_at")]
            after = page["next"]
            if not after:
                break
        for number in numbers:
            why = {"why": "The supplier confirmed the account; his bank has opened it again."}
            status, answer = await self._desk.clerk.post(f"/v1/payments/{number}/reopening", why)
            if status != 200:
                raise NotLetIn(f"{number} was opened again: {status} {answer}")
        return len(numbers)

    async def end_day(self) -> None:
        """The bank closes its day: a statement for each account."""
        await self._vendors.tell(BANK, {"end_of_day": True})
