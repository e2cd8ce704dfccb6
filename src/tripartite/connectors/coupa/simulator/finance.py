"""The finance side of the simulated Coupa: invoices, what was paid on them, and what other systems made of them.

Written from the vendor's page: a POST of an invoice makes a draft and submitting sends it to matching; payments append
and can neither be changed nor removed; an integration record belongs to one document.
"""

from __future__ import annotations

import copy
from decimal import Decimal, InvalidOperation

from tripartite.connectors.coupa.simulator.records import Records, Refused
from tripartite.connectors.coupa.simulator.shapes import Body

PAYABLE = frozenset({"approved", "pending_receipt", "pending_approval", "on_hold"})


class Finance:
    """Invoices over the records."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def draft(self, body: Body) -> Body:
        required = ("invoice-number", "invoice-date", "supplier", "currency", "invoice-lines")
        if missing := [name for name in required if not body.get(name)]:
            raise Refused({name: ["can't be blank"] for name in missing})
        supplier = self._records.supplier_ref(body["supplier"].get("number"))
        for line in body["invoice-lines"]:
            if line.get("order-line-id") is not None:
                self._records.order_line(line["order-line-id"])
        for known in self._records.tables["invoices"].values():
            if known["invoice-number"] == body["invoice-number"] and known["supplier"] == supplier:
                raise Refused({"invoice-number": ["has already been taken"]})
        return self._records.add(
            "invoices",
            {
                **copy.deepcopy(body),
                "supplier": supplier,
                "status": "draft",
                "exported": False,
                "total-with-taxes": _total(body),
                "paid": False,
                "payment-date": None,
                "payment-notes": None,
                "payments": [],
            },
        )

    def submit(self, record: Body) -> Body:
        if record["status"] != "draft":
            raise Refused({"status": ["cannot be submitted"]})
        waiting = False
        for entry in record["invoice-lines"]:
            if entry.get("order-line-id") is None:
                continue
            _, line = self._records.order_line(entry["order-line-id"])
            billed = Decimal(entry.get("quantity") or entry.get("price") or "0")
            line["invoiced"] = str(Decimal(line["invoiced"]) + billed)
            waiting |= line["receipt-required"] and Decimal(line["invoiced"]) > Decimal(line["received"])
        record["status"] = "pending_receipt" if waiting else "approved"
        self._records.touch(record)
        return record

    def pay(self, record: Body, body: Body) -> Body:
        """PUT of an invoice with `payments`, and with `paid` and `payment-date` where all is paid."""
        if unknown := body.keys() - {"paid", "payment-date", "payment-notes", "payments"}:
            raise Refused({name: ["can't be changed here"] for name in unknown})
        if record["status"] not in PAYABLE:
            raise Refused({"status": [f"is {record['status']}"]})
        added = []
        for each in body.get("payments", []):
            if each.get("id") is not None:
                raise Refused({"payments": ["can't be changed once recorded"]})
            try:
                Decimal(each["amount-paid"])
            except (KeyError, TypeError, InvalidOperation):
                raise Refused({"amount-paid": ["is not a number"]}) from None
            dated = {"payment-date": each.get("payment-date"), "notes": each.get("notes")}
            added.append({"id": self._records.new_id(), "amount-paid": str(each["amount-paid"]), **dated})
        record["payments"] = [*record["payments"], *added]
        record |= {name: value for name, value in body.items() if name != "payments"}
        self._records.touch(record)
        return record

    def note(self, body: Body) -> Body:
        """POST of an integration record."""
        required = ("document-type", "document-id", "contact-alert-type")
        if missing := [name for name in required if not body.get(name)]:
            raise Refused({name: ["can't be blank"] for name in missing})
        if body["document-type"] == "InvoiceHeader" and body["document-id"] not in self._records.tables["invoices"]:
            raise Refused({"document-id": ["can't be found"]})
        empty: Body = {"status": None, "external-id": None, "responses": [], "resolved": False}
        return self._records.add("integration_history_records", {**empty, **copy.deepcopy(body)})


def _total(body: Body) -> str:
    """The total with tax: the lines' totals and their tax lines, as stated."""
    total = Decimal(0)
    for line in body["invoice-lines"]:
        quantity, price = Decimal(line.get("quantity") or "1"), Decimal(line.get("price") or "0")
        total += quantity * price + sum((Decimal(tax["amount"]) for tax in line.get("tax-lines", [])), Decimal(0))
    return format(total, "f")
