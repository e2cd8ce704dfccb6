"""What the simulated S/4HANA knows and how it judges an invoice: companies, suppliers, orders, receipts, the books.

Written from the vendor's documentation. Amounts and quantities are integers of a thousandth, as its decimals have three
places. A message number marked (u) is ours where the documentation names the case but not the number.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from tripartite.connectors.sap_s4hana.simulator.arrangement import (
    Arrangement,
    Company,
    OrderItem,
    OrderRow,
    ReceiptRow,
    SupplierRow,
)
from tripartite.connectors.sap_s4hana.simulator.odata import clock, ticks


class Refusal(Exception):
    """An error message of SAP: `<message class>/<number>` and its text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


Part = tuple[str, int, int, int, str]  # order, item, amount, quantity, receipt


class Booking(msgspec.Struct):
    """An invoice that passed its checks; `number` is given when it is committed. Header and lines are kept as JSON: a
    bench holds hundreds of thousands, and objects would take ten times the room.
    """

    header: bytes
    parts: bytes
    company: str
    supplier: str
    reference: str
    currency: str
    credit: bool
    year: str
    block: str
    gross: int
    status: str
    number: str = ""
    accounting: str = ""
    visible_at: float = 0.0
    reversed_by: str = ""

    def body(self) -> dict[str, Any]:
        return msgspec.json.decode(self.header, type=dict[str, Any])

    def lines(self) -> list[Part]:
        return msgspec.json.decode(self.parts, type=list[Part])


_AMOUNT = re.compile(r"-?[0-9]{1,11}(?:\.[0-9]{1,3})?\Z")
_TICKS = re.compile(r"/Date\((-?[0-9]+)(?:\+0000)?\)/\Z")
DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "HUF": 2, "KWD": 3, "BHD": 3, "TND": 3, "OMR": 3, "JOD": 3}
ISO_UNITS = {"PC": "PCE", "ST": "PCE", "KG": "KGM", "H": "HUR", "HR": "HUR", "L": "LTR", "M": "MTR", "TO": "TNE"}
HEADER = frozenset(
    {
        *("CompanyCode", "DocumentDate", "PostingDate", "SupplierInvoiceIDByInvcgParty", "InvoicingParty"),
        *("DocumentCurrency", "InvoiceGrossAmount", "UnplannedDeliveryCost", "DocumentHeaderText"),
        *("ManualCashDiscount", "PaymentTerms", "DueCalculationBaseDate", "CashDiscount1Percent"),
        *("CashDiscount1Days", "CashDiscount2Percent", "CashDiscount2Days", "NetPaymentDays"),
        *("PaymentBlockingReason", "AccountingDocumentType", "BPBankAccountInternalID", "SupplierInvoiceStatus"),
        *("IndirectQuotedExchangeRate", "DirectQuotedExchangeRate", "PaymentMethod", "PaymentReference"),
        *("InvoiceReference", "InvoiceReferenceFiscalYear", "UnplannedDeliveryCostTaxCode"),
        *("UnplndDeliveryCostTaxCountry", "AssignmentReference", "SupplierPostingLineItemText"),
        *("TaxIsCalculatedAutomatically", "BusinessPlace", "SupplierInvoiceIsCreditMemo", "TaxDeterminationDate"),
        *("TaxReportingDate", "InvoiceReceiptDate", "SupplierVATRegistration", "HouseBank"),
        *("to_SuplrInvcItemPurOrdRef", "to_SupplierInvoiceItemGLAcct", "to_SupplierInvoiceTax"),
    }
)
LENGTHS = {"CompanyCode": 4, "SupplierInvoiceIDByInvcgParty": 16, "InvoicingParty": 10, "DocumentHeaderText": 25}
TRIPLE = ("ReferenceDocument", "ReferenceDocumentFiscalYear", "ReferenceDocumentItem")


def stripped(number: Any) -> str:
    text = str(number)
    return text.lstrip("0") or text if text.isdigit() else text


@lru_cache(maxsize=65536)
def milli(text: Any) -> int:
    """An Edm.Decimal in thousandths; it must be a string, as V2 has it."""
    if not isinstance(text, str) or _AMOUNT.match(text) is None:
        raise Refusal("/IWBEP/CM_MGW_RT/022", f"The value {text!r} is not an Edm.Decimal")  # (u)
    whole, _, rest = text.partition(".")
    value = abs(int(whole)) * 1000 + int(rest.ljust(3, "0") or 0)
    return -value if whole[0] == "-" else value


@lru_cache(maxsize=4096)
def day_of(text: str) -> date:
    match = _TICKS.match(text)
    if match is None:
        raise Refusal("/IWBEP/CM_MGW_RT/022", f"The value {text!r} is not an Edm.DateTime")  # (u)
    return date(1970, 1, 1) + timedelta(days=int(match[1]) // 86_400_000)


def shown(value: int, currency: str) -> str:
    """Thousandths as an amount with the currency's decimals."""
    digits = DIGITS.get(currency, 2)
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole, rest = divmod(value, 1000)
    return f"{sign}{whole}.{rest:03d}"[: len(sign) + len(str(whole)) + (digits + 1 if digits else 0)]


def children(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = body.get(name)
    if isinstance(found, dict):
        found = found.get("results")
    return found or []


class World:
    """The state: what was arranged and what was booked. Numbers count from the seed's ranges, as in one client."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.companies: dict[str, Company] = {}
        self.suppliers: dict[str, SupplierRow] = {}
        self.orders: dict[str, OrderRow] = {}
        self.order_items: dict[tuple[str, int], OrderItem] = {}
        self.receipts: dict[tuple[str, str], ReceiptRow] = {}
        self.taxes = {"V0": 0, "V1": 19_000, "V2": 7_000}  # percent in thousandths
        self.bookings: list[Booking] = []
        self.by_reference: dict[str, list[Booking]] = defaultdict(list)
        self.by_number: dict[tuple[str, str], Booking] = {}
        self.invoiced: dict[tuple[str, int], int] = defaultdict(int)
        self.received: dict[tuple[str, int], int] = defaultdict(int)
        self.entities: dict[str, dict[Any, dict[str, Any]]] = {"order": {}, "receipt": {}, "supplier": {}}
        self.revision = 0  # of what was arranged
        self._next_invoice = 5_105_600_000
        self._next_accounting = 5_100_000_000
        self.tolerance = int(settings.get("price_tolerance_percent", "10"))
        self.strict_receipts = settings.get("quantity_message", "warning") == "error"
        self._origin = datetime.fromisoformat(settings.get("now", "2026-11-20T08:00:00+00:00"))
        self.elapsed = 0.0  # seconds since the beginning, counted by the service from its clock

    def now(self) -> datetime:
        return self._origin + timedelta(seconds=self.elapsed)

    def draw(self) -> tuple[str, str]:
        """The next numbers: of the invoice document and of its accounting document."""
        self._next_invoice += 1
        self._next_accounting += 1
        return str(self._next_invoice), str(self._next_accounting)

    # Arranging

    def arrange(self, value: Any) -> dict[str, int]:
        """Take in what stands in `value` (`Arrangement`). Errors: `ValidationError` for what it does not know."""
        given = msgspec.convert(value or {}, Arrangement)
        self.revision += 1
        for entry in given.companies:
            company = Company(code=entry) if isinstance(entry, str) else entry
            self.companies[company.code] = company
        for code, rate in given.tax_codes.items():
            self.taxes[code] = milli(str(rate))
        for supplier in given.suppliers:
            supplier.number = stripped(supplier.number)
            self.suppliers[supplier.number] = supplier
            self.entities["supplier"][supplier.number] = self._supplier_entity(supplier)
        for order in given.orders:
            order.number, order.supplier = str(order.number), stripped(order.supplier)
            order.invoicing_party = stripped(order.invoicing_party or order.supplier)
            if before := self.orders.get(order.number):
                for item in before.items:
                    self.order_items.pop((order.number, item.item), None)
            self.orders[order.number] = order
            for item in order.items:
                self.order_items[order.number, item.item] = item
            self.entities["order"][order.number] = self._order_entity(order)
        for receipt in given.receipts:
            receipt.number = str(receipt.number).zfill(10)
            if known := self.receipts.get((receipt.number, receipt.year)):
                self._receive(known, -1)
            self.receipts[receipt.number, receipt.year] = receipt
            self._receive(receipt, 1)
            self.entities["receipt"][receipt.number, receipt.year] = self._receipt_entity(receipt)
        return {name: len(rows) for name, rows in self.entities.items()}

    def _receive(self, receipt: ReceiptRow, times: int) -> None:
        for line in receipt.items:
            sign = 1 if line.movement in ("101", "105", "123", "162") else -1
            self.received[str(line.order), line.order_item] += times * sign * milli(str(line.quantity))

    def _moment(self, stated: str) -> datetime:
        return datetime.fromisoformat(stated).astimezone(UTC) if stated else self.now()

    def _order_entity(self, order: OrderRow) -> dict[str, Any]:
        supplier = self.suppliers.get(str(order.supplier))
        return {
            "PurchaseOrder": str(order.number),
            "CompanyCode": order.company,
            "PurchaseOrderType": "NB",
            "PurchasingDocumentDeletionCode": order.deleted,
            "PurchasingProcessingStatus": order.status,
            "CreatedByUser": "BUYER",
            "LastChangeDateTime": ticks(self._moment(order.changed), offset=True),
            "Supplier": str(order.supplier),
            "InvoicingParty": str(order.invoicing_party),
            "PaymentTerms": order.payment_terms,
            "PurchaseOrderDate": _day(order.date),
            "DocumentCurrency": order.currency,
            "ValidityStartDate": None,
            "ValidityEndDate": None,
            "ReleaseIsNotCompleted": not order.released,
            "AddressName": supplier.name if supplier else "",
            "AddressCountry": supplier.country if supplier else "",
            "to_PurchaseOrderNote": [],
            "to_PurchaseOrderItem": [self._item_entity(order, item) for item in order.items],
        }

    @staticmethod
    def _item_entity(order: OrderRow, item: OrderItem) -> dict[str, Any]:
        coding = {"AccountAssignmentNumber": "01", "IsDeleted": False}
        freight = {"ConditionType": "FRB1", "ConditionCategory": "B", "ConditionInactiveReason": ""}
        return {
            "PurchaseOrder": str(order.number),
            "PurchaseOrderItem": str(item.item),
            "PurchasingDocumentDeletionCode": item.deleted,
            "PurchaseOrderItemText": item.text,
            "Plant": order.company,
            "Material": item.material,
            "SupplierMaterialNumber": item.supplier_material,
            "OrderQuantity": str(item.quantity),
            "PurchaseOrderQuantityUnit": item.unit,
            "OrderPriceUnit": item.unit,
            "OrderPriceUnitToOrderUnitNmrtr": "1",
            "OrdPriceUnitToOrderUnitDnmntr": "1",
            "DocumentCurrency": order.currency,
            "NetPriceAmount": str(item.price),
            "NetPriceQuantity": str(item.per),
            "TaxCode": item.tax_code,
            "OverdelivTolrtdLmtRatioInPct": item.over_percent,
            "UnlimitedOverdeliveryIsAllowed": item.unlimited,
            "UnderdelivTolrtdLmtRatioInPct": "0.0",
            "IsCompletelyDelivered": False,
            "IsFinallyInvoiced": item.final,
            "PurchaseOrderItemCategory": item.category,
            "AccountAssignmentCategory": "K" if item.cost_centre else "",
            "GoodsReceiptIsExpected": item.gr,
            "InvoiceIsExpected": True,
            "InvoiceIsGoodsReceiptBased": item.gr_based,
            "EvaldRcptSettlmtIsAllowed": item.ers,
            "IsReturnsItem": False,
            "OverallLimitAmount": item.limit,
            "PurchaseRequisition": "",
            "to_AccountAssignment": [{**coding, "CostCenter": item.cost_centre, "GLAccount": item.account}]
            if item.cost_centre or item.account
            else [],
            "to_ScheduleLine": [{"ScheduleLine": "1", "ScheduleLineDeliveryDate": _day(item.delivery)}]
            if item.delivery
            else [],
            "to_PurchaseOrderPricingElement": [{**freight, "ConditionAmount": item.freight}] if item.freight else [],
        }

    def _receipt_entity(self, receipt: ReceiptRow) -> dict[str, Any]:
        moment = self._moment(receipt.created)
        key = {"MaterialDocumentYear": receipt.year, "MaterialDocument": str(receipt.number)}
        return {
            **key,
            "InventoryTransactionType": "WE",
            "DocumentDate": _day(receipt.date),
            "PostingDate": _day(receipt.date),
            "CreationDate": ticks(moment.replace(hour=0, minute=0, second=0, microsecond=0)),
            "CreationTime": clock(moment),
            "CreatedByUser": "RECEIVER",
            "MaterialDocumentHeaderText": "",
            "ReferenceDocument": receipt.delivery_note,
            "to_MaterialDocumentItem": [
                {
                    **key,
                    "MaterialDocumentItem": str(line.item),
                    "Material": "",
                    "GoodsMovementType": line.movement,
                    "PurchaseOrder": str(line.order),
                    "PurchaseOrderItem": str(line.order_item),
                    "GoodsMovementRefDocType": "B",
                    "EntryUnit": line.unit,
                    "QuantityInEntryUnit": str(line.quantity),
                    "MaterialDocumentItemText": "",
                    "ReversedMaterialDocument": line.reverses.partition("/")[0],
                    "ReversedMaterialDocumentYear": line.reverses.partition("/")[2] or "0000",
                }
                for line in receipt.items
            ],
        }

    def _supplier_entity(self, supplier: SupplierRow) -> dict[str, Any]:
        moment = self._moment(supplier.changed)
        number = str(supplier.number)
        bank = {"BankIdentification": "0001", "IBAN": supplier.iban, "SWIFTCode": supplier.bic}
        companies = supplier.companies or list(self.companies)
        stamp = {"Date": ticks(moment.replace(hour=0, minute=0, second=0, microsecond=0)), "Time": clock(moment)}
        before = self.entities["supplier"].get(number)
        return {
            "BusinessPartner": number,
            "Supplier": number,
            "BusinessPartnerCategory": "2",
            "BusinessPartnerFullName": supplier.name,
            "BusinessPartnerIsBlocked": False,
            "IsMarkedForArchiving": False,
            # A partner never changed has no date of change.
            "CreationDate": before["CreationDate"] if before else stamp["Date"],
            "CreationTime": before["CreationTime"] if before else stamp["Time"],
            "LastChangeDate": stamp["Date"] if before else None,
            "LastChangeTime": stamp["Time"] if before else "PT00H00M00S",
            "to_BusinessPartnerBank": [{**bank, "BankAccountHolderName": supplier.name}] if supplier.iban else [],
            "to_BusinessPartnerTax": [{"BPTaxType": f"{supplier.country}0", "BPTaxNumber": supplier.vat}]
            if supplier.vat
            else [],
            "to_BusinessPartnerAddress": [{"CityName": supplier.city, "Country": supplier.country}],
            "to_Supplier": {
                "Supplier": number,
                "SupplierName": supplier.name,
                "PaymentIsBlockedForSupplier": False,
                "PostingIsBlocked": supplier.blocked,
                "DeletionIndicator": False,
                "to_SupplierCompany": [
                    {
                        "Supplier": number,
                        "CompanyCode": code,
                        "PaymentTerms": supplier.payment_terms,
                        "SupplierIsBlockedForPosting": False,
                        "IsToBeCheckedForDuplicates": supplier.duplicates,
                        "DeletionIndicator": False,
                    }
                    for code in companies
                ],
            },
        }


def _day(text: str) -> str | None:
    return ticks(datetime.fromisoformat(text[:10]).replace(tzinfo=UTC)) if text else None
