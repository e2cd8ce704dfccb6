"""What each vendor's bench is told of the story, in the short forms of its simulator. Pure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tripartite.rehearsal.cast import COMPANIES, SPENT, SupplierPlan
from tripartite.rehearsal.kinds import CREDITS
from tripartite.rehearsal.scenario import DocumentPlan, LinePlan, WishPlan


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
        [{"description": "Spare parts", "quantity": "1", "unit": "EA", "price": str(each.amount)}]
        if isinstance(each, WishPlan)
        else [{"description": line.description, **_wanted(line)} for line in each.lines]
    )
    supplier = each.supplier if isinstance(each, WishPlan) else each.orders_from
    currency = company.currency if isinstance(each, WishPlan) else each.order_currency
    return {
        "status": "pending_approval",
        "currency": currency or company.currency,
        "chart": each.company,
        "requested_by": "tlindqvist",
        "approvals": [{"by": "mnowak", "status": "pending_approval"}],
        "lines": [{**line, "supplier": supplier.number, "segments": list(each.account)} for line in asked],
    }


def _wanted(line: LinePlan) -> dict[str, str]:
    """How much of what, at which price."""
    named = {"item": line.item} if line.item else {}
    return {**named, "quantity": str(line.quantity), "unit": line.unit, "price": str(line.price)}


def coupa_order(each: DocumentPlan, requisition: int) -> dict[str, Any]:
    """The order that came from an approved requisition."""
    company = next(entry for entry in COMPANIES if entry.code == each.company)
    return {
        "number": each.order,
        "supplier": each.orders_from.number,
        "currency": each.order_currency or company.currency,
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
                **_wanted(line),
                "match": "2-way" if line.is_service else "3-way",
                "segments": list(each.account),
            }
            for line in each.lines
        ],
    }


Shown = Callable[[LinePlan], Decimal]


def goods_in_time(each: DocumentPlan, turn: int) -> list[dict[str, Any]]:
    """The warehouse's documents of one order before its invoice, by the turn in which they come.

    First what is delivered, in one part or in two. What was counted wrong is undone in the second turn, and booked anew
    in the third: hours lie between them.
    """
    recounted = any(line.undone for line in each.lines)
    match turn:
        case 1 if recounted:
            made = [_receipt(each, 1, lambda line: line.undone)]
        case 1:
            parts = (lambda line: line.first, lambda line: line.received - line.first + line.damaged)
            made = [_receipt(each, place, shown) for place, shown in enumerate(parts, 1)]
        case 2 if recounted:
            undone = _receipt(each, 2, lambda line: line.undone, "qty_reversed")
            made = [{**undone, "type": "REVERSAL", "receipt_id": f"R{each.order}-1"}]
        case 3 if recounted:
            made = [_receipt(each, 3, lambda line: line.received)]
        case _:
            made = []
    return [paper for paper in made if paper["lines"]]


def goods_later(each: DocumentPlan) -> list[dict[str, Any]]:
    """What comes after the invoice."""
    later = _receipt(each, 9, lambda line: line.late)
    return [later] if later["lines"] else []


def goods_sent_back(each: DocumentPlan) -> list[dict[str, Any]]:
    """What goes back to the supplier after the invoice was posted."""
    back = _receipt(each, 8, lambda line: line.sent_back, "qty_returned")
    origin = f"R{each.order}-2"  # the whole of it came in one delivery, which is the second of two
    return [{**back, "type": "RETURN", "receipt_id": origin}] if back["lines"] else []


def _receipt(each: DocumentPlan, place: int, shown: Shown, field: str = "qty_received") -> dict[str, Any]:
    """One document with a line for everything of which `shown` says how much."""
    key = f"R{each.order}-{place}"
    return {
        "id": key,
        "depositor": each.company,
        "po_number": each.order,
        "supplier_code": each.orders_from.number,
        "delivery_note": f"LS-{each.order}",
        "received_at": f"{each.issued_on.isoformat()}T09:00:00+01:00",
        "received_by": "kwozniak",
        "lines": [
            {
                "line_id": f"{key}-{number}",
                "po_line": str(line.line),
                "item": line.item,
                "uom": line.unit,
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
    sign = -1 if each.trouble in CREDITS else 1
    return {
        "document_id": each.document_id,
        "supplier_invoice_number": each.number,
        "type": "CREDIT_NOTE" if each.trouble in CREDITS else "INVOICE",
        "company_code": each.company,
        "supplier_code": each.supplier.number,
        "currency": each.currency,
        "invoice_date": each.issued_on.isoformat(),
        "net": str(sign * each.net),
        "tax": str(sign * each.tax),
        "gross": str(sign * each.gross),
        "po_numbers": [each.order] if each.order else [],
        **({"credited_invoice": each.original} if each.original else {}),
        "lines": [
            {
                "row_index": place,
                "description": line.description,
                "product_code": line.item,
                "quantity": str(line.billed),
                "unit": line.unit,
                "net_price": str(sign * line.billed_price),
                "net": str(sign * line.amount),
                "tax_code": company.tax_code,
                **({"order_number": each.order, "order_line_number": str(line.line)} if each.order else {}),
            }
            for place, line in enumerate(each.lines, 1)
        ],
    }
