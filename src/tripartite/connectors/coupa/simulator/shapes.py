"""The simulated Coupa's empty records, with every key the bench shows, and its short forms for the truth."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]


def new_supplier() -> Body:
    return {
        "name": "",
        "number": None,
        "status": "active",
        "on-hold": False,
        "buyer-hold": False,
        "tax-id": None,
        "payment-term": None,
        "primary-address": None,
        "account-types": [],
        "business-groups": [],
        "invoice-matching-level": "3-way",
        "payment-method": "invoice",
        "po-method": "email",
        "exported": False,
    }


def new_requisition() -> Body:
    return {
        "status": "approved",
        "currency": {"code": "EUR"},
        "requested-by": None,
        "ship-to-address": {"content-groups": []},
        "approvals": [],
        "requisition-lines": [],
        "justification": None,
        "exported": False,
    }


def new_order() -> Body:
    return {
        "po-number": "",
        "status": "issued",
        "version": 1,
        "internal-revision": 1,
        "invoice-stop": False,
        "currency": {"code": "EUR"},
        "supplier": None,
        "payment-term": None,
        "requisition-header": None,
        "ship-to-address": {"content-groups": []},
        "order-lines": [],
        "exported": False,
        "last-exported-at": None,
        "acknowledged-flag": False,
        "transmission-status": "sent_via_email",
        "change-type": "revision",
    }


def new_order_line(line_id: int, number: str, order: Body) -> Body:
    return {
        "id": line_id,
        "line-num": number,
        "sub-line-num": None,
        "order-header-id": order["id"],
        "order-header-number": order["po-number"],
        "type": "OrderQuantityLine",
        "status": "created",
        "description": "",
        "quantity": "0",
        "price": "0",
        "total": "0",
        "uom": {"code": "EA"},
        "currency": dict(order["currency"]),
        "match-type": "3-way",
        "receipt-required": True,
        "invoice-stop": False,
        "item": None,
        "supp-aux-part-num": None,
        "account": None,
        "account-allocations": [],
        "need-by-date": None,
        "received": "0",
        "invoiced": "0",
        "custom-fields": {},
    }


def new_budget(form: Body, chart: str) -> Body:
    """A budget line from its short form: amounts as texts, segments in their places."""
    segments = form.get("segments", [])
    amount = str(form.get("amount", "0"))
    return {
        "amount": amount,
        "remaining": str(form.get("remaining", amount)),
        "remaining-budget": str(form.get("remaining", amount)),
        "pending_requisitions_amount": None,
        "currency": {"code": form.get("currency", "EUR")},
        "period": {
            "name": form.get("period", "2026"),
            "start-date": form.get("from", "2026-01-01T00:00:00+00:00"),
            "end-date": form.get("until", "2026-12-31T00:00:00+00:00"),
            "account-type": {"name": form.get("chart", chart), "legal-entity-name": None},
        },
        "error-on-overrun": bool(form.get("stops", False)),
        "description": None,
        **{f"segment-{place}": (segments[place - 1] if place <= len(segments) else None) for place in range(1, 21)},
    }


def short_requisition(row: Body) -> Body:
    return {"status": row["status"], "approvals": [step["status"] for step in row["approvals"]]}


def short_invoice(row: Body) -> Body:
    return {
        "id": row["id"],
        "status": row["status"],
        "paid": row["paid"],
        "payments": [{"amount": each["amount-paid"], "notes": each["notes"]} for each in row["payments"]],
    }


def short_supplier(row: Body) -> Body:
    return {"id": row["id"], "name": row["name"], "status": row["status"], "on_hold": row["on-hold"]}


def short_order(row: Body) -> Body:
    return {
        "id": row["id"],
        "status": row["status"],
        "exported": row["exported"],
        "version": row["version"],
        "internal_revision": row["internal-revision"],
        "supplier": row["supplier"]["number"] if row["supplier"] else "",
        "currency": row["currency"]["code"],
        "chart": next((line["account"]["account-type"]["name"] for line in row["order-lines"] if line["account"]), ""),
        "requisition": (row["requisition-header"] or {}).get("id"),
        "lines": {
            line["line-num"]: {
                "id": line["id"],
                "status": line["status"],
                "quantity": line["quantity"],
                "price": line["price"],
                "received": line["received"],
                "receipt_required": line["receipt-required"],
                "cost_centre": (line["account"] or {}).get("segment-2") or "",
                "invoiced": line["invoiced"],
            }
            for line in row["order-lines"]
        },
    }


def short_receipt(row: Body) -> Body:
    return {
        "type": row["type"],
        "status": row["status"],
        "order": row["order-line"]["order-header-number"],
        "line": row["order-line"]["line-num"],
        "quantity": row["quantity"],
        "total": row["total"],
        "original": row["original_transaction_id"],
        "barcode": row["barcode"],
    }
