"""The simulated estate of the story: what each vendor is told, and the documents that reach us.

The world speaks to the simulators' bench paths as people at the vendors' screens would, and to us as suppliers do: by
the capture suite or by an e-invoice over HTTP. It never touches our tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import httpx2

from tripartite.core.estate import Estate
from tripartite.rehearsal import told
from tripartite.rehearsal.einvoice import ubl
from tripartite.rehearsal.scenario import COMPANIES, DocumentPlan, Story
from tripartite.rehearsal.vendors import Vendors

TOGETHER = 2000  # documents told to a simulator in one call


class World:
    """Plays a story: masters and orders first, then the documents, then what comes later."""

    def __init__(self, story: Story, vendors: Vendors, estate: Estate, base_url: str, token: str) -> None:
        self._story, self._vendors, self._estate = story, vendors, estate
        self._us = httpx2.AsyncClient(
            base_url=base_url, timeout=60.0, trust_env=False, headers={"authorization": f"Bearer {token}"}
        )

    async def close(self) -> None:
        await self._us.aclose()

    async def masters(self) -> None:
        """Companies, tax codes and suppliers, in procurement and in the ERP."""
        taxes = {
            row.foreign: self._rate(row.ours) for row in self._estate.mappings if self._of_sap(row.connection, row.kind)
        }
        companies = [{"code": each.code, "currency": each.currency, "country": each.country} for each in COMPANIES]
        suppliers = self._story.suppliers
        await self._vendors.tell(
            "sap_s4hana",
            {
                "companies": companies,
                "tax_codes": taxes,
                "suppliers": [
                    {"number": each.number, "name": each.name, "vat": each.vat_id, "country": each.country}
                    for each in suppliers
                ],
            },
        )
        await self._vendors.tell(
            "coupa",
            {
                "suppliers": [
                    {
                        "number": each.number,
                        "name": each.name,
                        "status": "active",
                        "tax_id": each.vat_id,
                        "payment_term": "N30",
                        "country": each.country,
                        "charts": [each.company],
                    }
                    for each in suppliers
                ]
            },
        )

    @staticmethod
    def _of_sap(connection: str, kind: str) -> bool:
        return connection == "sap" and kind == "tax_code"

    def _rate(self, ours: str) -> str:
        return next(str(row.rate) for row in self._estate.tax_codes if row.code == ours)

    async def orders(self, documents: Iterable[DocumentPlan]) -> None:
        """Orders in procurement and in the ERP, with the receipts that came in time."""
        for part in _parts([each for each in documents if each.order_known and not each.original]):
            await self._vendors.tell("sap_s4hana", {"orders": [told.sap_order(each) for each in part]})
            await self._vendors.tell(
                "coupa",
                {
                    "orders": [told.coupa_order(each) for each in part],
                    "receipts": [
                        receipt
                        for each in part
                        for line in each.lines
                        for receipt in told.receipts(each, line, line.received)
                    ],
                },
            )

    async def late_receipts(self, documents: Iterable[DocumentPlan]) -> None:
        """What comes after the invoice."""
        late = [
            receipt for each in documents for line in each.lines for receipt in told.receipts(each, line, line.late)
        ]
        for part in _parts(late):
            await self._vendors.tell("coupa", {"receipts": part})

    async def invoices(self, documents: Sequence[DocumentPlan], *, announced: int = 40) -> dict[int, str]:
        """Bring documents by their channels; returns document index -> intake id for those sent straight to us."""
        captured = [each for each in documents if each.channel == "capture"]
        for place, part in enumerate(_parts(captured)):
            papers = [told.captured(each) for each in part]
            if place == 0:
                await self._vendors.tell("capture", {"documents": papers[:announced]})
                papers = papers[announced:]
            await self._vendors.tell("capture", {"documents": papers, "webhooks": False})
        return await self._send([each for each in documents if each.channel == "ubl"])

    async def _send(self, documents: Sequence[DocumentPlan]) -> dict[int, str]:
        intakes: dict[int, str] = {}
        waiting = asyncio.Semaphore(32)

        async def send(each: DocumentPlan) -> None:
            async with waiting:
                answer = await self._us.post(
                    "/v1/intake/einvoice",
                    content=ubl(each) if each.trouble != "unreadable" else ubl(each)[:-40],
                    headers={"content-type": "application/xml", "x-file-name": f"{each.number}.xml"},
                )
            answer.raise_for_status()
            intakes[each.index] = answer.json()["intake_id"]

        await asyncio.gather(*(send(each) for each in documents))
        return intakes


def _parts(rows: list[Any]) -> Iterable[list[Any]]:
    for start in range(0, len(rows), TOGETHER):
        yield rows[start : start + TOGETHER]
