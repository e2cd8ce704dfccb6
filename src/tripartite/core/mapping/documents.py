"""Invoices, orders and receipts: foreign words made ours. Pure; what is missing is a finding, never a guess.

What the source said stays where it is (`buyer`, `supplier`, `supplier_number`, stated categories and rates); only the
fields that are ours by definition are filled: company, supplier, order numbers, units, tax codes, dimensions.
"""

from __future__ import annotations

import msgspec

from tripartite.core.estate import Company, Estate
from tripartite.core.findings import Finding
from tripartite.core.mapping.words import Words
from tripartite.core.mapping.xrefs import Xrefs
from tripartite.core.objects import (
    Allowance,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    Receipt,
    TaxSubtotal,
    Withholding,
)

_replace = msgspec.structs.replace


def map_invoice(
    invoice: Invoice, xrefs: Xrefs, estate: Estate, *, connection: str
) -> tuple[Invoice, tuple[Finding, ...]]:
    """The invoice in our words, and what could not be said in them.

    Amounts, quantities and prices are not touched: equal units only change their name. `company_code` and
    `supplier_id` are empty where nobody is found; each such gap has its finding (`integration.mapping_missing`,
    `supplier.unknown`, `supplier.duplicate`, `tax.supplier_number_invalid`). A supplier id that the connection already
    states (our own API) is taken as it is.
    """
    words = Words(estate, xrefs, connection)
    words.on = invoice.tax_point_on or invoice.issued_on
    company = words.company(invoice.company_code, invoice.buyer)
    numbers = tuple(dict.fromkeys(words.order_number(number) for number in invoice.order_numbers if number.strip()))
    mapped = _replace(
        invoice,
        company_code=company.code if company else "",
        supplier_id=words.supplier(invoice.supplier_id, invoice.supplier_number, invoice.supplier),
        order_numbers=numbers,
        lines=tuple([_invoice_line(line, words, company) for line in invoice.lines]),
        charges=tuple(_allowance(charge, words, company, charge.line) for charge in invoice.charges),
        taxes=tuple(_subtotal(tax, words, company) for tax in invoice.taxes),
        withholding=tuple(_withholding(entry, words) for entry in invoice.withholding),
    )
    return mapped, words.all_findings()


def _invoice_line(line: InvoiceLine, words: Words, company: Company | None) -> InvoiceLine:
    return _replace(
        line,
        order_number=words.order_number(line.order_number) if line.order_number else "",
        unit=words.unit(line.unit, line.line),
        tax_codes=words.tax(line.tax_codes, line.tax_category, line.tax_rate, company, line.line),
        allowances=tuple([_allowance(entry, words, company, line.line) for entry in line.allowances]),
    )


def _allowance(entry: Allowance, words: Words, company: Company | None, line: int) -> Allowance:
    return _replace(
        entry,
        order_number=words.order_number(entry.order_number) if entry.order_number else "",
        tax_codes=words.tax(entry.tax_codes, entry.tax_category, entry.tax_rate, company, line),
    )


def _subtotal(tax: TaxSubtotal, words: Words, company: Company | None) -> TaxSubtotal:
    codes = words.tax((tax.code,) if tax.code else (), tax.category, tax.rate, company, 0)
    return _replace(tax, code=codes[0] if codes else "")


def _withholding(entry: Withholding, words: Words) -> Withholding:
    codes = words.tax((entry.code,), "", None, None, 0) if entry.code else ()
    return _replace(entry, code=codes[0] if codes else "")


def map_order(order: Order, xrefs: Xrefs, estate: Estate, *, connection: str) -> tuple[Order, tuple[Finding, ...]]:
    """The order in our words, and what could not be said in them. Prices and quantities are not touched."""
    words = Words(estate, xrefs, connection)
    company = words.company(order.company_code, order.buyer)
    mapped = _replace(
        order,
        number=words.order_number(order.number),
        company_code=company.code if company else "",
        supplier_id=words.supplier(order.supplier_id, order.supplier_number, order.supplier),
        lines=tuple(_order_line(line, words, company) for line in order.lines),
    )
    return mapped, words.all_findings()


def _order_line(line: OrderLine, words: Words, company: Company | None) -> OrderLine:
    return _replace(
        line,
        unit=words.unit(line.unit, line.line),
        price_unit=words.unit(line.price_unit, line.line),
        tax_codes=words.tax(line.tax_codes, "", None, company, line.line),
        cost_centre=words.dimension("cost_centre", line.cost_centre, line.line),
        account=words.dimension("account", line.account, line.line),
    )


def map_receipt(
    receipt: Receipt, xrefs: Xrefs, estate: Estate, *, connection: str
) -> tuple[Receipt, tuple[Finding, ...]]:
    """The receipt in our words, and what could not be said in them.

    A receipt belongs to its order, so a supplier it does not name is no finding.
    """
    words = Words(estate, xrefs, connection)
    company = words.company(receipt.company_code, None)
    supplier = receipt.supplier_id
    if not supplier and receipt.supplier is not None and (receipt.supplier.tax_id or receipt.supplier.endpoint):
        supplier = words.supplier("", "", receipt.supplier)
    mapped = _replace(
        receipt,
        company_code=company.code if company else "",
        supplier_id=supplier,
        lines=tuple(
            _replace(line, order_number=words.order_number(line.order_number), unit=words.unit(line.unit, line.line))
            for line in receipt.lines
        ),
    )
    return mapped, words.all_findings()
