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
from tripartite.rehearsal.cast import COMPANIES, SupplierPlan
from tripartite.rehearsal.einvoice import ubl
from tripartite.rehearsal.scenario import DocumentPlan, Story, WishPlan
from tripartite.rehearsal.vendors import Vendors

TOGETHER = 2000  # documents told to a simulator in one call
ANNOUNCED = 40  # so many of a kind are announced by webhook; the poll finds the others


class World:
    """Plays a story: masters and orders first, then the documents, then what comes later."""

    def __init__(self, story: Story, vendors: Vendors, estate: Estate, base_url: str, token: str) -> None:
        self._story, self._vendors, self._estate = story, vendors, estate
        self._asked: dict[str, int] = {}  # order -> the requisition that it comes from
        self._undecided: list[int] = []
        self.wished: dict[int, WishPlan] = {}  # requisitions from which no order comes
        self._us = httpx2.AsyncClient(
            base_url=base_url, timeout=60.0, trust_env=False, headers={"authorization": f"Bearer {token}"}
        )

    async def close(self) -> None:
        await self._us.aclose()

    async def masters(self) -> int:
        """Companies, tax codes and the suppliers that are known, in procurement and in the ERP; how many of these."""
        taxes = {
            row.foreign: self._rate(row.ours) for row in self._estate.mappings if self._of_sap(row.connection, row.kind)
        }
        companies = [{"code": each.code, "currency": each.currency, "country": each.country} for each in COMPANIES]
        await self._vendors.tell(
            "sap_s4hana",
            {
                "companies": companies,
                "purchasing_organizations": ["1000"],
                "material_groups": ["L001"],
                "cost_centres": [
                    {"number": centre, "company": each.code} for each in COMPANIES for _, centre in each.accounts
                ],
                "tax_codes": taxes,
            },
        )
        return await self._created([each for each in self._story.suppliers if each.part != "new"])

    async def newcomers(self) -> int:
        """Suppliers that are created after their first invoice came; how many."""
        return await self._created([each for each in self._story.suppliers if each.part == "new"])

    async def _created(self, suppliers: list[SupplierPlan]) -> int:
        await self._vendors.tell(
            "sap_s4hana",
            {
                "suppliers": [
                    {"number": each.number, "name": each.name, "vat": each.vat_id, "country": each.country}
                    for each in suppliers
                ]
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
        # What the company knows of their bank accounts comes by our own API; the bank knows which are closed.
        answer = await self._us.post("/v1/suppliers", json=[told.account_of(each) for each in suppliers])
        answer.raise_for_status()
        closed = {each.account: "AC04" for each in suppliers if each.fate == "refused"}
        await self._vendors.tell("iso20022_bank", {"refuses": closed})
        return len(suppliers)

    @staticmethod
    def _of_sap(connection: str, kind: str) -> bool:
        return connection == "sap" and kind == "tax_code"

    def _rate(self, ours: str) -> str:
        return next(str(row.rate) for row in self._estate.tax_codes if row.code == ours)

    async def requisitions(self, documents: Iterable[DocumentPlan], year: int) -> int:
        """People at the plants ask for what they need; nobody has decided. How many requisitions there are."""
        wishes: list[WishPlan | DocumentPlan] = [*_ordered(documents)]
        if not self.wished:
            await self._vendors.tell("coupa", {"budgets": told.budgets(year)})
            wishes = [*self._story.wishes, *wishes]
        for part in _parts(wishes):
            made = await self._vendors.tell("coupa", {"requisitions": [told.wish(each) for each in part]})
            for each, requisition in zip(part, made["requisitions"], strict=True):
                if isinstance(each, DocumentPlan):
                    self._asked[each.order] = requisition
                    self._undecided.append(requisition)
                else:
                    self.wished[requisition] = each
        return len(wishes)

    async def approvals(self) -> int:
        """Their manager decides in procurement: yes, but for those that the story has refused. How many yeses."""
        refused = [
            {"id": key, "approvals": [{"by": "mnowak", "status": "rejected"}]}
            for key, wish in self.wished.items()
            if wish.fate == "rejected"
        ]
        agreed = [{"id": key, "status": "approved", "approved_by": "mnowak"} for key in self._undecided]
        self._undecided = []
        for part in _parts([*refused, *agreed]):
            await self._vendors.tell("coupa", {"requisitions": part})
        return len(agreed)

    async def orders(self, documents: Iterable[DocumentPlan]) -> int:
        """What was approved is ordered in procurement; how many orders. The ERP hears of them from us alone."""
        known = _ordered(documents)
        for part in _parts(known):
            made = [told.coupa_order(each, self._asked[each.order]) for each in part]
            done = [{"id": self._asked[each.order], "status": "ordered"} for each in part]
            await self._vendors.tell("coupa", {"orders": made, "requisitions": done})
        return len(known)

    async def goods(self, documents: Iterable[DocumentPlan], turn: int = 1) -> int:
        """What the warehouse received, undid (turn 2) and counted anew (3) before the invoices; how many documents."""
        return await self._received([paper for each in _ordered(documents) for paper in told.goods_in_time(each, turn)])

    async def late_goods(self, documents: Iterable[DocumentPlan]) -> int:
        """What comes after the invoice; how many documents of it."""
        return await self._received([paper for each in _ordered(documents) for paper in told.goods_later(each)])

    async def goods_sent_back(self, documents: Iterable[DocumentPlan]) -> int:
        """What goes back to the suppliers after it was billed; how many documents of it."""
        return await self._received([paper for each in _ordered(documents) for paper in told.goods_sent_back(each)])

    async def _received(self, papers: list[dict[str, Any]]) -> int:
        """The first are announced by webhook; the rest is found by the poll."""
        await self._vendors.tell("warehouse", {"receipts": papers[:ANNOUNCED]})
        for part in _parts(papers[ANNOUNCED:]):
            await self._vendors.tell("warehouse", {"receipts": part, "webhooks": False})
        return len(papers)

    async def invoices(self, documents: Sequence[DocumentPlan]) -> dict[int, str]:
        """Bring documents by their channels; returns document index -> intake id for those sent straight to us."""
        captured = [each for each in documents if each.channel == "capture"]
        for place, part in enumerate(_parts(captured)):
            papers = [told.captured(each) for each in part]
            if place == 0:
                await self._vendors.tell("capture", {"documents": papers[:ANNOUNCED]})
                papers = papers[ANNOUNCED:]
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


def _ordered(documents: Iterable[DocumentPlan]) -> list[DocumentPlan]:
    """Those with an order of their own: a twin, a repeat or a credit memo speaks of another's."""
    return [each for each in documents if each.order_known and not each.original]


def _parts(rows: list[Any]) -> Iterable[list[Any]]:
    for start in range(0, len(rows), TOGETHER):
        yield rows[start : start + TOGETHER]
