"""What each vendor's bench is told of the story, in the short forms of its simulator. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tripartite.rehearsal.scenario import COMPANIES, DocumentPlan, LinePlan


def sap_order(each: DocumentPlan) -> dict[str, Any]:
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


def coupa_order(each: DocumentPlan) -> dict[str, Any]:
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


def receipts(each: DocumentPlan, line: LinePlan, quantity: Decimal) -> list[dict[str, Any]]:
    if not quantity:
        return []
    on = f"{each.issued_on.isoformat()}T09:00:00+01:00"
    return [
        {"order": each.order, "line": line.line, "quantity": str(quantity), "on": on, "reference": f"LS-{each.order}"}
    ]


def captured(each: DocumentPlan) -> dict[str, Any]:
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
