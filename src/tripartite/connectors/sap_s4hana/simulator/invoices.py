"""Supplier invoices of the simulated S/4HANA: the checks before one is booked, the booking, and what is shown of it.

A variance of price or quantity does not fail the post: the invoice is booked with payment block R, as SAP does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tripartite.connectors.sap_s4hana.simulator.arrangement import Company, OrderItem, OrderRow
from tripartite.connectors.sap_s4hana.simulator.world import (
    DIGITS,
    HEADER,
    ISO_UNITS,
    LENGTHS,
    TRIPLE,
    Booking,
    Part,
    Refusal,
    World,
    children,
    day_of,
    milli,
    shown,
    stripped,
)


def check(world: World, body: dict[str, Any]) -> Booking:
    """The invoice as it would be booked. Errors: `Refusal` with SAP's message."""
    _check_shape(body)
    company = world.companies.get(body.get("CompanyCode", ""))
    if company is None:
        raise Refusal("F5/165", f"Company code {body.get('CompanyCode')} does not exist")  # (u)
    supplier = world.suppliers.get(stripped(body.get("InvoicingParty", "")))
    if supplier is None:
        raise Refusal("06/025", f"Supplier {body.get('InvoicingParty')} has not been created")
    if supplier.companies and company.code not in supplier.companies:
        raise Refusal("F5/104", f"Supplier {supplier.number} is not defined in company code {company.code}")  # (u)
    if supplier.blocked:
        raise Refusal("F5/351", f"Supplier {supplier.number} is blocked for posting")  # (u)
    for name in ("DocumentDate", "PostingDate"):
        if not body.get(name):
            raise Refusal("00/055", f"Fill in all required entry fields: {name}")  # (u)
    posted_on = day_of(body["PostingDate"])
    day_of(body["DocumentDate"])
    if company.open_from and posted_on.isoformat() < company.open_from:
        raise Refusal("F5/201", f"Posting period {posted_on:%m %Y} is not open")
    currency = body.get("DocumentCurrency") or company.currency
    reference = str(body.get("SupplierInvoiceIDByInvcgParty") or "").rstrip()
    reference = "ß".join(part.upper() for part in reference.split("ß"))
    credit = body.get("SupplierInvoiceIsCreditMemo") == "X"
    gross = milli(body.get("InvoiceGrossAmount"))
    if gross < 0:
        raise Refusal("M8/288", "Enter a positive amount")  # (u)
    lines, net, by_code, block = _order_lines(world, body, company, str(supplier.number), currency)
    net += _account_lines(world, body, credit, by_code)
    if not net and not by_code and not lines:
        raise Refusal("M8/321", "Enter at least one item")  # (u)
    tax = _tax(world, body, by_code, currency)
    unplanned = milli(body["UnplannedDeliveryCost"]) if "UnplannedDeliveryCost" in body else 0
    _check_balance(company, gross, net + tax + unplanned, currency)
    if supplier.duplicates:
        _check_duplicate(world, body, company.code, str(supplier.number), reference, currency, credit)
    start = company.year_start
    year = posted_on.year + (1 if start > 1 and posted_on.month >= start else 0)
    return Booking(
        header=msgspec.json.encode({name: value for name, value in body.items() if not name.startswith("to_")}),
        parts=msgspec.json.encode(lines),
        company=company.code,
        supplier=str(supplier.number),
        reference=reference,
        currency=currency,
        credit=credit,
        year=str(year),
        block=body.get("PaymentBlockingReason") or block,
        gross=gross,
        status=body.get("SupplierInvoiceStatus") or "5",
    )


def commit(world: World, booking: Booking) -> Booking:
    """Book it: numbers are drawn, quantities are counted, a credit memo takes them back."""
    booking.number, booking.accounting = world.draw()
    world.bookings.append(booking)
    world.by_reference[booking.reference].append(booking)
    world.by_number[booking.number, booking.year] = booking
    if booking.status == "5":
        _count(world, booking, -1 if booking.credit else 1)
    return booking


def _count(world: World, booking: Booking, sign: int) -> None:
    for order, item, _, quantity, _ in booking.lines():
        world.invoiced[order, item] += sign * quantity


def entity(booking: Booking) -> dict[str, Any]:
    """The header as the service shows it. The party comes without its zeros, unlike in the database."""
    body = booking.body()
    currency = booking.currency
    key = f"A_SupplierInvoice(SupplierInvoice='{booking.number}',FiscalYear='{booking.year}')"
    return {
        "__metadata": {"id": key, "uri": key, "type": "API_SUPPLIERINVOICE_PROCESS_SRV.A_SupplierInvoiceType"},
        "SupplierInvoice": booking.number,
        "FiscalYear": booking.year,
        "CompanyCode": booking.company,
        "DocumentDate": body["DocumentDate"],
        "PostingDate": body["PostingDate"],
        "CreationDate": body["PostingDate"],
        "SupplierInvoiceIDByInvcgParty": booking.reference,
        "InvoicingParty": booking.supplier,
        "DocumentCurrency": currency,
        "InvoiceGrossAmount": shown(booking.gross, currency),
        "UnplannedDeliveryCost": body.get("UnplannedDeliveryCost", "0.000"),
        "DocumentHeaderText": body.get("DocumentHeaderText", ""),
        "PaymentTerms": body.get("PaymentTerms", ""),
        "DueCalculationBaseDate": body.get("DueCalculationBaseDate"),
        "NetPaymentDays": body.get("NetPaymentDays", "0"),
        "PaymentBlockingReason": booking.block,
        "AccountingDocumentType": body.get("AccountingDocumentType", "RE"),
        "SupplierInvoiceStatus": booking.status,
        "PaymentMethod": "",
        "InvoiceReference": body.get("InvoiceReference", ""),
        "InvoiceReferenceFiscalYear": body.get("InvoiceReferenceFiscalYear", "0000"),
        "TaxIsCalculatedAutomatically": bool(body.get("TaxIsCalculatedAutomatically")),
        "TaxDeterminationDate": body.get("TaxDeterminationDate"),
        "SupplierInvoiceIsCreditMemo": body.get("SupplierInvoiceIsCreditMemo", ""),
        "SupplierInvoiceOrigin": "",
        "ReverseDocument": booking.reversed_by,
        "ReverseDocumentFiscalYear": booking.year if booking.reversed_by else "0000",
        "IsReversal": False,
        "IsReversed": bool(booking.reversed_by),
        "to_SuplrInvcItemPurOrdRef": {"__deferred": {"uri": key + "/to_SuplrInvcItemPurOrdRef"}},
        "to_SupplierInvoiceItemGLAcct": {"__deferred": {"uri": key + "/to_SupplierInvoiceItemGLAcct"}},
    }


def reverse(world: World, booking: Booking) -> Booking:
    """Book the reversal of an invoice: a document of its own, and the original names it. Errors: `Refusal`."""
    if booking.reversed_by or booking.status != "5":
        raise Refusal("M8/148", f"Invoice document {booking.number} {booking.year} cannot be cancelled")  # (u)
    number, _ = world.draw()
    booking.reversed_by = number
    _count(world, booking, 1 if booking.credit else -1)
    return booking


def ledger(world: World) -> list[dict[str, Any]]:
    """What is truly booked, for those who check: one row an invoice, in the order of booking."""
    return [_ledger_row(booking, booking.body()) for booking in world.bookings]


def _ledger_row(booking: Booking, body: dict[str, Any]) -> dict[str, Any]:
    currency = booking.currency
    return {
        "company": booking.company,
        "supplier": booking.supplier,
        "reference": booking.reference,
        "gross": shown(booking.gross, currency),
        "currency": currency,
        "date": day_of(body["DocumentDate"]).isoformat(),
        "posted_on": day_of(body["PostingDate"]).isoformat(),
        "document": booking.number,
        "year": booking.year,
        "accounting_document": booking.accounting,
        "credit": booking.credit,
        "status": booking.status,
        "payment_block": booking.block,
        "text": body.get("DocumentHeaderText", ""),
        "reversed_by": booking.reversed_by,
        "lines": [
            {
                "order": order,
                "item": item,
                "amount": shown(amount, currency),
                "quantity": shown(quantity, "KWD"),
                "receipt": receipt,
            }
            for order, item, amount, quantity, receipt in booking.lines()
        ],
    }


def _check_shape(body: dict[str, Any]) -> None:
    if not body.keys() <= HEADER:
        name = sorted(body.keys() - HEADER)[0]
        raise Refusal("/IWBEP/CM_MGW_RT/020", f"Property {name} is invalid")  # (u)
    for name, length in LENGTHS.items():
        value = body.get(name, "")
        if not isinstance(value, str):
            raise Refusal("/IWBEP/CM_MGW_RT/021", f"Property {name} is not an Edm.String")  # (u)
        if len(value) > length:
            raise Refusal("/IWBEP/CM_MGW_RT/023", f"Property {name} at {value!r} exceeds its length {length}")  # (u)
    if body.get("SupplierInvoiceIsCreditMemo", "") not in ("", "X"):
        raise Refusal("/IWBEP/CM_MGW_RT/021", "Property SupplierInvoiceIsCreditMemo is X or empty")  # (u)


def _order_lines(
    world: World, body: dict[str, Any], company: Company, supplier: str, currency: str
) -> tuple[list[Part], int, dict[str, int], str]:
    lines: list[Part] = []
    net, block = 0, ""
    by_code: dict[str, int] = {}
    credit = body.get("SupplierInvoiceIsCreditMemo") == "X"
    for line in children(body, "to_SuplrInvcItemPurOrdRef"):
        number = line.get("PurchaseOrder", "")
        order = world.orders.get(number) or world.orders.get(stripped(number))
        if order is None:
            raise Refusal("06/019", f"Purchasing document {number} does not exist")
        if order.deleted:
            raise Refusal("06/020", f"Purchasing document {number} deleted, cannot be changed")
        position = int(line.get("PurchaseOrderItem") or 0)
        item = world.order_items.get((str(order.number), position))
        if item is None:
            raise Refusal("06/011", f"Item {position:05d} of purchasing document {number} does not exist")
        if order.company != company.code:
            raise Refusal("M8/147", f"Order {number} belongs to company code {order.company}")  # (u)
        if order.invoicing_party != supplier:
            raise Refusal("M8/391", f"Invoicing party of {number} is {order.invoicing_party}, not {supplier}")  # (u)
        receipt = _check_receipt(world, order, item, position, line)
        amount = milli(line.get("SupplierInvoiceItemAmount"))
        if amount < 0:
            raise Refusal("M8/288", "Enter a positive amount")  # (u)
        value_only = line.get("IsSubsequentDebitCredit") == "X"
        quantity = 0
        if not value_only:
            quantity = milli(line.get("QuantityInPurchaseOrderUnit"))
            _check_unit(item, line)
            if not credit and _varies(world, order, item, position, amount, quantity, currency):
                block = "R"
        net += amount
        code = line.get("TaxCode", "")
        by_code[code] = by_code.get(code, 0) + amount
        lines.append((str(order.number), position, amount, quantity, receipt))
    return lines, net, by_code, block


def _check_receipt(world: World, order: OrderRow, item: OrderItem, position: int, line: dict[str, Any]) -> str:
    """The receipt triple: all three where the item is verified by goods receipt, not even empty where it is not."""
    if not item.gr_based:
        if not line.keys().isdisjoint(TRIPLE):
            text = "Only fill ReferenceDocument/-FiscalYear/-Item if GR-based IV is active"
            raise Refusal("MRM_BAPI/010", f"{text}; item not selectable")  # (u)
        return ""
    if not all(line.get(name) for name in TRIPLE):
        raise Refusal("MRM_BAPI/001", "Fill in mandatory field 'ReferenceDocument, -FiscalYear, -Item'")  # (u)
    number, year, place = (line[name] for name in TRIPLE)
    receipt = world.receipts.get((number, year))
    found = receipt and any(
        entry.item == int(place) and str(entry.order) == order.number and entry.order_item == position
        for entry in receipt.items
    )
    if not found:
        raise Refusal("M8/215", f"Goods receipt item {number} {year} {place} is invalid")  # (u)
    return f"{number}/{year}/{int(place)}"


def _check_unit(item: OrderItem, line: dict[str, Any]) -> None:
    stated = line.get("PurchaseOrderQuantityUnit") or line.get("PurchaseOrderQtyUnitSAPCode")
    iso = line.get("PurchaseOrderQtyUnitISOCode")
    if not stated and not iso:
        raise Refusal("M8/319", "Enter a quantity unit")  # (u)
    if (stated and stated != item.unit) or (iso and iso != ISO_UNITS.get(item.unit, item.unit)):
        raise Refusal("M8/320", f"Unit {stated or iso} is not the order's unit {item.unit}")  # (u)


def _varies(
    world: World, order: OrderRow, item: OrderItem, position: int, amount: int, quantity: int, currency: str
) -> bool:
    """Whether price or quantity is outside the tolerance, which blocks payment; as an error where so customised."""
    key = (str(order.number), position)
    billed = world.invoiced[key] + quantity
    if item.gr and billed > world.received[key]:
        if world.strict_receipts:
            raise Refusal("M8/081", "Invoice quantity is greater than the goods-receipt quantity")
        return True
    if currency != order.currency or item.category in ("1", "A"):
        return False
    expected = quantity * milli(str(item.price))
    return abs(amount * item.per * 1000 - expected) * 100 > world.tolerance * expected


def _account_lines(world: World, body: dict[str, Any], credit: bool, by_code: dict[str, int]) -> int:
    net = 0
    for line in children(body, "to_SupplierInvoiceItemGLAcct"):
        if not line.get("GLAccount"):
            raise Refusal("M8/323", "Enter a G/L account")  # (u)
        side = line.get("DebitCreditCode")
        if side not in ("S", "H"):
            raise Refusal("M8/324", "Enter a debit or credit code")  # (u)
        amount = milli(line.get("SupplierInvoiceItemAmount"))
        if amount < 0:
            raise Refusal("M8/288", "Enter a positive amount")  # (u)
        signed = amount if (side == "S") != credit else -amount
        net += signed
        code = line.get("TaxCode", "")
        by_code[code] = by_code.get(code, 0) + signed
    return net


def _tax(world: World, body: dict[str, Any], by_code: dict[str, int], currency: str) -> int:
    """Tax as stated, or calculated: per code on the sum of its lines, rounded commercially to the currency."""
    if not body.get("TaxIsCalculatedAutomatically"):
        return sum(milli(row.get("TaxAmount")) for row in children(body, "to_SupplierInvoiceTax"))
    step = 10 ** (3 - DIGITS.get(currency, 2))
    total = 0
    for code, base in by_code.items():
        if not code:
            continue
        if code not in world.taxes:
            raise Refusal("FF/713", f"Tax code {code} does not exist")  # (u)
        exact = abs(base) * world.taxes[code]  # in thousandths of a thousandth of a percent
        rounded = (exact + 50_000 * step) // (100_000 * step) * step
        total += rounded if base >= 0 else -rounded
    return total


def _check_balance(company: Company, gross: int, sum_of_parts: int, currency: str) -> None:
    if abs(gross - sum_of_parts) > milli(company.small_difference):
        raise Refusal(
            "M8/534",
            f"Balance not zero: {shown(sum_of_parts - gross, currency)} debits: {shown(sum_of_parts, currency)} "
            f"credits: {shown(gross, currency)}",
        )


def _check_duplicate(
    world: World, body: dict[str, Any], company: str, supplier: str, reference: str, currency: str, credit: bool
) -> None:
    for other in world.by_reference.get(reference, ()):
        if (
            (other.company, other.supplier, other.reversed_by) == (company, supplier, "")
            and (other.currency, other.credit) == (currency, credit)
            and other.body()["DocumentDate"] == body["DocumentDate"]
        ):
            raise Refusal("M8/462", f"Check if invoice already entered as {other.number} {other.year}")
