"""The simulated estate of the story: what each vendor is told, and the documents that reach us.

The world speaks to the simulators' bench paths as people at the vendors' screens would, and to us as suppliers do: by
the capture suite or by an e-invoice over HTTP. It never touches our tables.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

import httpx2
import msgspec

from tripartite.connectors.simulating import Fault
from tripartite.core.estate import Estate
from tripartite.rehearsal.scenario import COMPANIES, DocumentPlan, LinePlan, Story
from tripartite.rehearsal.simulators import Spec

TOGETHER = 2000  # documents told to a simulator in one call


class Vendors:
    """The simulators' process and their bench paths."""

    def __init__(self, specs: Sequence[Spec]) -> None:
        self.specs = {spec.kind: spec for spec in specs}
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx2.AsyncClient(timeout=60.0, trust_env=False)

    async def start(self) -> None:
        """Start them and wait until each answers."""
        argument = msgspec.json.encode(list(self.specs.values())).decode()
        self._process = subprocess.Popen([sys.executable, "-m", "tripartite.rehearsal.simulators", argument])
        for kind in self.specs:
            for _ in range(300):
                try:
                    await self._http.get(self.url(kind) + "/_sim/health")
                    break
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)
            else:
                raise TimeoutError(f"the simulator of {kind} does not answer")

    def url(self, kind: str) -> str:
        return f"http://127.0.0.1:{self.specs[kind].port}"

    async def tell(self, kind: str, what: dict[str, Any]) -> Any:
        answer = await self._http.post(self.url(kind) + "/_sim/arrange", content=msgspec.json.encode(what))
        answer.raise_for_status()
        return answer.json()

    async def faults(self, kind: str, faults: Sequence[Fault]) -> None:
        answer = await self._http.post(self.url(kind) + "/_sim/faults", content=msgspec.json.encode(list(faults)))
        answer.raise_for_status()

    async def truth(self, kind: str) -> Any:
        """What the vendor committed, read directly."""
        return (await self._http.get(self.url(kind) + "/_sim/truth")).json()

    async def calls(self, kind: str) -> dict[str, int]:
        found: dict[str, int] = (await self._http.get(self.url(kind) + "/_sim/calls")).json()
        return found

    async def stop(self) -> None:
        await self._http.aclose()
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait, 10)


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
            await self._vendors.tell("sap_s4hana", {"orders": [_sap_order(each) for each in part]})
            await self._vendors.tell(
                "coupa",
                {
                    "orders": [_coupa_order(each) for each in part],
                    "receipts": [
                        receipt
                        for each in part
                        for line in each.lines
                        for receipt in _receipts(each, line, line.received)
                    ],
                },
            )

    async def late_receipts(self, documents: Iterable[DocumentPlan]) -> None:
        """What comes after the invoice."""
        late = [receipt for each in documents for line in each.lines for receipt in _receipts(each, line, line.late)]
        for part in _parts(late):
            await self._vendors.tell("coupa", {"receipts": part})

    async def invoices(self, documents: Sequence[DocumentPlan], *, announced: int = 40) -> dict[int, str]:
        """Bring documents by their channels; returns document index -> intake id for those sent straight to us."""
        captured = [each for each in documents if each.channel == "capture"]
        for place, part in enumerate(_parts(captured)):
            told = [_captured(each) for each in part]
            if place == 0:
                await self._vendors.tell("capture", {"documents": told[:announced]})
                told = told[announced:]
            await self._vendors.tell("capture", {"documents": told, "webhooks": False})
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


def _sap_order(each: DocumentPlan) -> dict[str, Any]:
    company = next(entry for entry in COMPANIES if entry.code == each.company)
    return {
        "number": each.order,
        "company": each.company,
        "supplier": each.supplier.number,
        "currency": company.currency,
        "date": each.issued_on.isoformat(),
        "items": [
            {
                "item": line.line,
                "quantity": str(line.quantity),
                "price": str(line.price),
                "unit": "EA",
                "text": line.description,
            }
            for line in each.lines
        ],
    }


def _coupa_order(each: DocumentPlan) -> dict[str, Any]:
    company = next(entry for entry in COMPANIES if entry.code == each.company)
    return {
        "number": each.order,
        "supplier": each.supplier.number,
        "currency": company.currency,
        "chart": each.company,
        "legal_entity": company.name,
        "payment_term": "N30",
        "status": "issued",
        "requested_by": "tlindqvist",
        "lines": [
            {
                "line": line.line,
                "description": line.description,
                "item": line.item,
                "quantity": str(line.quantity),
                "unit": "EA",
                "price": str(line.price),
                "match": "3-way",
                "segments": ["1000", "CC-100"],
            }
            for line in each.lines
        ],
    }


def _receipts(each: DocumentPlan, line: LinePlan, quantity: Decimal) -> list[dict[str, Any]]:
    if not quantity:
        return []
    on = f"{each.issued_on.isoformat()}T09:00:00+01:00"
    return [
        {"order": each.order, "line": line.line, "quantity": str(quantity), "on": on, "reference": f"LS-{each.order}"}
    ]


def _captured(each: DocumentPlan) -> dict[str, Any]:
    company = next(entry for entry in COMPANIES if entry.code == each.company)
    sign = -1 if each.trouble == "credit" else 1
    return {
        "document_id": each.document_id,
        "supplier_invoice_number": each.number,
        "type": "CREDIT_NOTE" if each.trouble == "credit" else "INVOICE",
        "company_code": each.company,
        "supplier_code": each.supplier.number,
        "currency": each.currency,
        "invoice_date": each.issued_on.isoformat(),
        "net": str(sign * each.net),
        "tax": str(sign * each.tax),
        "gross": str(sign * each.gross),
        "po_numbers": [each.order],
        **({"credited_invoice": each.original} if each.original else {}),
        "lines": [
            {
                "row_index": place,
                "description": line.description,
                "product_code": line.item,
                "quantity": str(line.billed),
                "unit": "EA",
                "net_price": str(sign * line.billed_price),
                "net": str(sign * line.amount),
                "tax_code": company.tax_code,
                "order_number": each.order,
                "order_line_number": str(line.line),
            }
            for place, line in enumerate(each.lines, 1)
        ],
    }


_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"


def ubl(each: DocumentPlan, *, due_on: date | None = None) -> bytes:
    """The document as its supplier's software would send it: UBL 2.1, EN 16931."""
    company = next(entry for entry in COMPANIES if entry.code == each.company)
    credit = each.trouble == "credit"
    root, line_name = ("CreditNote", "CreditNoteLine") if credit else ("Invoice", "InvoiceLine")
    quantity_name = "CreditedQuantity" if credit else "InvoicedQuantity"
    type_code = "<cbc:CreditNoteTypeCode>381" if credit else "<cbc:InvoiceTypeCode>380"
    type_end = "</cbc:CreditNoteTypeCode>" if credit else "</cbc:InvoiceTypeCode>"
    money = f'currencyID="{each.currency}"'
    rate = company.tax_rate
    category = f"<cbc:ID>S</cbc:ID><cbc:Percent>{rate}</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"
    original = (
        f"<cac:BillingReference><cac:InvoiceDocumentReference><cbc:ID>{escape(each.original)}</cbc:ID>"
        "</cac:InvoiceDocumentReference></cac:BillingReference>"
        if each.original
        else ""
    )
    lines = "".join(
        f"<cac:{line_name}><cbc:ID>{place}</cbc:ID>"
        f'<cbc:{quantity_name} unitCode="EA">{line.billed}</cbc:{quantity_name}>'
        f"<cbc:LineExtensionAmount {money}>{line.amount}</cbc:LineExtensionAmount>"
        f"<cac:OrderLineReference><cbc:LineID>{line.line}</cbc:LineID></cac:OrderLineReference>"
        f"<cac:Item><cbc:Name>{escape(line.description)}</cbc:Name>"
        f"<cac:BuyersItemIdentification><cbc:ID>{line.item}</cbc:ID></cac:BuyersItemIdentification>"
        f"<cac:ClassifiedTaxCategory>{category}</cac:ClassifiedTaxCategory></cac:Item>"
        f"<cac:Price><cbc:PriceAmount {money}>{line.billed_price}</cbc:PriceAmount></cac:Price></cac:{line_name}>"
        for place, line in enumerate(each.lines, 1)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{_UBL}{root}-2" '
        f'xmlns:cac="{_UBL}CommonAggregateComponents-2" xmlns:cbc="{_UBL}CommonBasicComponents-2">'
        "<cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID>"
        f"<cbc:ID>{escape(each.number)}</cbc:ID><cbc:IssueDate>{each.issued_on}</cbc:IssueDate>"
        f"{type_code}{type_end}<cbc:DocumentCurrencyCode>{each.currency}</cbc:DocumentCurrencyCode>"
        f"<cac:OrderReference><cbc:ID>{each.order}</cbc:ID></cac:OrderReference>{original}"
        f"{_party('AccountingSupplierParty', each.supplier.name, each.supplier.vat_id, each.supplier.country)}"
        f"{_party('AccountingCustomerParty', company.name, company.vat_id, company.country)}"
        f"<cac:TaxTotal><cbc:TaxAmount {money}>{each.tax}</cbc:TaxAmount><cac:TaxSubtotal>"
        f"<cbc:TaxableAmount {money}>{each.net}</cbc:TaxableAmount><cbc:TaxAmount {money}>{each.tax}</cbc:TaxAmount>"
        f"<cac:TaxCategory>{category}</cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>"
        f"<cac:LegalMonetaryTotal><cbc:LineExtensionAmount {money}>{each.net}</cbc:LineExtensionAmount>"
        f"<cbc:TaxExclusiveAmount {money}>{each.net}</cbc:TaxExclusiveAmount>"
        f"<cbc:TaxInclusiveAmount {money}>{each.gross}</cbc:TaxInclusiveAmount>"
        f"<cbc:PayableAmount {money}>{each.gross}</cbc:PayableAmount></cac:LegalMonetaryTotal>{lines}</{root}>"
    ).encode()


def _party(element: str, name: str, vat_id: str, country: str) -> str:
    return (
        f"<cac:{element}><cac:Party><cac:PartyName><cbc:Name>{escape(name)}</cbc:Name></cac:PartyName>"
        f"<cac:PostalAddress><cac:Country><cbc:IdentificationCode>{country}</cbc:IdentificationCode></cac:Country>"
        f"</cac:PostalAddress><cac:PartyTaxScheme><cbc:CompanyID>{vat_id}</cbc:CompanyID><cac:TaxScheme>"
        f"<cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme><cac:PartyLegalEntity><cbc:RegistrationName>"
        f"{escape(name)}</cbc:RegistrationName></cac:PartyLegalEntity></cac:Party></cac:{element}>"
    )
