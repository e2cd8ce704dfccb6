"""Addresses of documents' pages: one place that knows where an order, a receipt or a payment is shown."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode


def _of_company(page: str, number: str, company: str) -> str:
    """Numbers repeat among companies, so the address says which one is meant."""
    return f"/{page}/{quote(number, safe='')}" + (f"?{urlencode({'company': company})}" if company else "")


def order(number: str, company: str = "") -> str:
    return _of_company("orders", number, company)


def receipt(number: str, company: str = "") -> str:
    return _of_company("receipts", number, company)


def requisition(number: str, company: str = "") -> str:
    return _of_company("requisitions", number, company)


def invoice(invoice_id: str) -> str:
    return f"/invoices/{quote(invoice_id, safe='')}"


def supplier(supplier_id: str) -> str:
    return f"/suppliers/{quote(supplier_id, safe='')}"


def payment(number: str) -> str:
    return f"/payments/{quote(number, safe='')}"


def run(number: str) -> str:
    """A payment proposal."""
    return f"/payments/runs/{quote(number, safe='')}"


def lineage(correlation_id: str, **query: str) -> str:
    return f"/lineage/{quote(correlation_id, safe='')}" + (f"?{urlencode(query)}" if query else "")


def connection(name: str) -> str:
    return f"/estate/{quote(name, safe='')}"


def of_event(event: Mapping[str, str]) -> str:
    """Where the object of a moment of the lineage is shown; empty where it has no page."""
    kind, number, company = event["object_kind"], event["object_number"], event["company_code"]
    match kind:
        case "order":
            return order(number, company)
        case "receipt":
            return receipt(number, company)
        case "requisition" | "budget":
            return requisition(number, company) if number else ""
        case "invoice":
            return invoice(event["object_id"])
        case "payment":
            return payment(event["object_id"])
        case "supplier":
            return supplier(event["object_id"])
        case _:
            return invoice(event["object_id"]) if event["object_id"].startswith("inv_") else ""
