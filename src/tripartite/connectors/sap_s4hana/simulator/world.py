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

from tripartite.connectors.sap_s4hana.simulator import entities
from tripartite.connectors.sap_s4hana.simulator.arrangement import (
    Arrangement,
    Company,
    CostCentreRow,
    OrderItem,
    OrderRow,
    PaymentRow,
    ReceiptRow,
    SupplierRow,
)


class Refusal(Exception):
    """An error message of SAP: `<message class>/<number>` and its text."""

    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status


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


class Clearing(msgspec.Struct, frozen=True):
    """How an open item of a supplier was cleared; without a number it only stands in a payment run."""

    number: str
    on: str
    kind: str


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


def day_ticks(text: str) -> str:
    """An ISO date as `/Date(ms)/`."""
    return f"/Date({(date.fromisoformat(text) - date(1970, 1, 1)).days * 86_400_000})/"


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
        self.cost_centres: dict[tuple[str, str], list[CostCentreRow]] = defaultdict(list)  # by company and number
        self.material_groups: set[str] = set()
        self.materials: set[str] = set()
        self.plants: dict[str, str] = {}
        self.purchasing: set[str] = set()
        self.clearings: dict[tuple[str, str], Clearing] = {}  # of an invoice document, by number and year
        self.entities: dict[str, dict[Any, dict[str, Any]]] = {"order": {}, "receipt": {}, "supplier": {}}
        self.hidden: dict[tuple[str, Any], float] = {}  # what reads do not see before that time, by kind and key
        self.revision = 0  # of what was arranged
        self._next_invoice = 5_105_600_000
        self._next_accounting = 5_100_000_000
        self._next_order = 4_500_000_000
        self._next_movement = 5_000_001_000
        self._next_clearing = 1_500_000_000
        self.external_orders = settings.get("order_numbers", "internal") == "external"
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

    def draw_order(self) -> str:
        """The next number of the internal range that is free."""
        self._next_order += 1
        while str(self._next_order) in self.orders:
            self._next_order += 1
        return str(self._next_order)

    def draw_movement(self) -> str:
        self._next_movement += 1
        return str(self._next_movement)

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
            shown_as = self.entities["supplier"]
            shown_as[supplier.number] = entities.supplier_entity(
                supplier,
                supplier.companies or list(self.companies),
                shown_as.get(supplier.number),
                self._moment(supplier.changed),
            )
        for order in given.orders:
            order.number, order.supplier = str(order.number), stripped(order.supplier)
            order.invoicing_party = stripped(order.invoicing_party or order.supplier)
            self.put_order(order)
        for receipt in given.receipts:
            receipt.number = str(receipt.number).zfill(10)
            self.put_receipt(receipt)
        self.material_groups.update(given.material_groups)
        self.materials.update(given.materials)
        self.plants.update(given.plants)
        self.purchasing.update(given.purchasing_organizations)
        for centre in given.cost_centres:
            self.cost_centres[centre.company, stripped(centre.number)].append(centre)
        for payment in given.payments:
            number, _, year = payment.document.partition("/")
            self._pay((number, year), payment)
        return {name: len(rows) for name, rows in self.entities.items()}

    def put_order(self, order: OrderRow) -> None:
        """An order as it stands from now on."""
        number = str(order.number)
        if before := self.orders.get(number):
            for item in before.items:
                self.order_items.pop((number, item.item), None)
        self.orders[number] = order
        for item in order.items:
            self.order_items[number, item.item] = item
        supplier = self.suppliers.get(str(order.supplier))
        self.entities["order"][number] = entities.order_entity(order, supplier, self._moment(order.changed))
        self.revision += 1

    def put_receipt(self, receipt: ReceiptRow) -> None:
        """A material document; its quantities count from now on."""
        key = (str(receipt.number), receipt.year)
        if known := self.receipts.get(key):
            self._receive(known, -1)
        self.receipts[key] = receipt
        self._receive(receipt, 1)
        self.entities["receipt"][key] = entities.receipt_entity(receipt, self._moment(receipt.created))
        self.revision += 1

    def _pay(self, key: tuple[str, str], payment: PaymentRow) -> None:
        if key not in self.by_number:
            raise ValueError(f"there is no invoice document {key[0]}/{key[1]} to pay")
        if payment.reset:
            self.clearings.pop(key, None)
            return
        number = ""
        if not payment.proposed:
            self._next_clearing += 1
            number = str(self._next_clearing)
        self.clearings[key] = Clearing(number, payment.on, payment.kind)

    def _receive(self, receipt: ReceiptRow, times: int) -> None:
        for line in receipt.items:
            sign = 1 if line.movement in ("101", "105", "123", "162") else -1
            self.received[str(line.order), line.order_item] += times * sign * milli(str(line.quantity))

    def _moment(self, stated: str) -> datetime:
        return datetime.fromisoformat(stated).astimezone(UTC) if stated else self.now()
