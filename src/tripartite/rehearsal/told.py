"""What each vendor's bench is told of the story, in the short forms of its simulator. Pure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tripartite.rehearsal.scenario import COMPANIES, SPENT, DocumentPlan, LinePlan, SupplierPlan, WishPlan


def account_of(each: SupplierPlan) -> dict[str, Any]:
    """A supplier with its account, as our own API takes it."""
    return {
        "number": each.number,
        "name": each.name,
        "company_codes": [each.company],
        "tax_id": each.vat_id,
        "names_elsewhere": {"coupa": each.number},
        "accounts": [{"account": each.account, "holder": each.name, "institution": each.institution}],
    }


def budgets(year: int) -> list[dict[str, Any]]:
    """The year's budget of every cost centre: far more than the story spends, and one that is used up."""
    rows = [(company, centre, "900000000.00") for company in COMPANIES for _, centre in company.accounts]
    rows += [(company, SPENT[1], "12.50") for company in COMPANIES]
    return [
        {
            "chart": company.code,
            "segments": ["", centre],
            "currency": company.currency,
            "period": str(year),
            "from": f"{year}-01-01T00:00:00+00:00",
            "until": f"{year}-12-31T00:00:00+00:00",
            "amount": "900000000.00",
            "remaining": remaining,
        }
        for company, centre, remaining in rows
    ]


def wish(each: DocumentPlan | WishPlan) -> dict[str, Any]:
    """A requisition of somebody at a plant, as submitted; its manager has not decided."""
    company = next(entry for entry in COMPANIES if entry.code == each.company)
    asked = (
        [{"description": "Spare parts", "quantity": "1", "price": str(each.amount)}]
        if isinstance(each, WishPlan)
        else [
            {
                "description": line.description,
                "item": line.item,
                "quantity": str(line.quantity),
                "price": str(line.price),
            }
            for line in each.lines
        ]
    )
    return {
        "status": "pending_approval",
        "currency": company.currency,
        "chart": each.company,
        "requested_by": "tlindqvist",
        "approvals": [{"by": "mnowak", "status": "pending_approval"}],
        "lines": [
            {**line, "unit": "EA", "supplier": each.supplier.number, "segments": list(each.account)} for line in asked
        ],
    }


def coupa_order(each: DocumentPlan, requisition: int) -> dict[str, Any]:
    """The order that came from an approved requisition."""
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
        "requisition": requisition,
        "lines": [
            {
                "line": line.line,
                "description": line.description,
                "item": line.item,
                "quantity": str(line.quantity),
                "unit": "EA",
                "price": str(line.price),
                "match": "3-way",
                "segments": list(each.account),
            }
            for line in each.lines
        ],
    }


Shown = Callable[[LinePlan], Decimal]


def goods_in_time(each: DocumentPlan) -> list[dict[str, Any]]:
    """The warehouse's documents of one order before its invoice: deliveries, reversals, what was counted anew."""
    lines = each.lines
    documents: list[dict[str, Any]] = []
    if any(line.undone for line in lines):
        booked = _receipt(each, 1, lambda line: line.undone)
        undone = _receipt(each, 2, lambda line: line.undone, "qty_reversed")
        documents = [booked, {**undone, "type": "REVERSAL", "receipt_id": booked["id"]}]
    elif any(line.first for line in lines):
        documents = [_receipt(each, 1, lambda line: line.first)]
    rest = _receipt(each, len(documents) + 1, lambda line: line.received - line.first + line.damaged)
    return [*documents, rest] if rest["lines"] else documents


def goods_later(each: DocumentPlan) -> list[dict[str, Any]]:
    """What comes after the invoice."""
    later = _receipt(each, 9, lambda line: line.late)
    return [later] if later["lines"] else []


def _receipt(each: DocumentPlan, place: int, shown: Shown, field: str = "qty_received") -> dict[str, Any]:
    """One document with a line for everything of which `shown` says how much."""
    key = f"R{each.order}-{place}"
    return {
        "id": key,
        "depositor": each.company,
        "po_number": each.order,
        "supplier_code": each.supplier.number,
        "delivery_note": f"LS-{each.order}",
        "received_at": f"{each.issued_on.isoformat()}T09:00:00+01:00",
        "received_by": "kwozniak",
        "lines": [
            {
                "line_id": f"{key}-{number}",
                "po_line": str(line.line),
                "item": line.item,
                "uom": "EA",
                "qty_expected": str(line.quantity),
                field: str(shown(line)),
                **({"qty_damaged": str(line.damaged)} if line.damaged and field == "qty_received" else {}),
            }
            for number, line in enumerate(each.lines, 1)
            if shown(line)
        ],
    }


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
