"""What the simulated Coupa knows: suppliers, requisitions, orders, receiving transactions, invoices, and its rules.

Records are kept in Coupa's own JSON form, written from the vendor's page: a new version of an order resets `exported`,
an API edit never does; a void is a transaction of its own; decimals are strings. `arrange` makes things happen from a
short form (docs/connectors/coupa.md), as users at the vendor's screens would.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tripartite.connectors.coupa.simulator.shapes import (
    Body,
    new_budget,
    new_order,
    new_order_line,
    new_requisition,
    new_supplier,
    short_invoice,
    short_order,
    short_receipt,
    short_requisition,
    short_supplier,
)

TABLES = (
    *("suppliers", "requisitions", "purchase_orders", "receiving_transactions", "invoices"),
    *("budget_lines", "integration_history_records"),
)
RETURNS = {
    "InventoryReceipt": "InventoryReturnToSupplier",
    "ReceivingQuantityConsumption": "ReceivingQuantityReturnToSupplier",
    "ReceivingAmountConsumption": "ReceivingAmountReturnToSupplier",
}
RECEIPTS = frozenset(RETURNS)
COUNTED = frozenset({*RETURNS, *RETURNS.values()})


class Refused(Exception):
    """A validation failure: the errors map of the answer."""

    def __init__(self, errors: dict[str, list[str]], status: int = 400) -> None:
        super().__init__(str(errors))
        self.errors = errors
        self.status = status


class Records:
    """The tables, by id in the order of creation, and everything that changes them."""

    def __init__(self, now: Callable[[], float], first_id: int, chart: str) -> None:
        self.now = now
        self.chart = chart
        self.tables: dict[str, dict[int, Body]] = {name: {} for name in TABLES}
        self._next = first_id
        self.order_ids: dict[str, int] = {}
        self.received_on: dict[int, list[int]] = {}  # order line id -> its transactions
        self._lines: dict[int, int] = {}  # order line id -> order id
        self._suppliers: dict[str, int] = {}

    def stamp(self) -> str:
        return datetime.fromtimestamp(int(self.now()), UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")

    def new_id(self) -> int:
        self._next += 1
        return self._next

    def touch(self, record: Body) -> None:
        record["updated-at"] = self.stamp()

    def add(self, table: str, body: Body) -> Body:
        record = {"id": self.new_id(), "created-at": self.stamp(), "updated-at": self.stamp(), **body}
        self.tables[table][record["id"]] = record
        return record

    # Suppliers

    def put_supplier(self, form: Body) -> Body:
        number = form.get("number")
        known = self._suppliers.get(number or "")
        record = self.tables["suppliers"].get(known or 0)
        if record is None:
            record = self.add("suppliers", new_supplier())
        simple = {"number", "name", "status", "on-hold", "buyer-hold", "tax-id"}
        record |= {key: value for name, value in form.items() if (key := name.replace("_", "-")) in simple}
        if "payment_term" in form:
            record["payment-term"] = {"code": form["payment_term"]}
        if "charts" in form:
            record["account-types"] = [{"name": name, "legal-entity-name": None} for name in form["charts"]]
        if form.keys() & {"street", "city", "postal_code", "country"}:
            country = form.get("country")
            record["primary-address"] = {
                "street1": form.get("street"),
                "street2": None,
                "street3": None,
                "street4": None,
                "city": form.get("city"),
                "postal-code": form.get("postal_code"),
                "state": form.get("state"),
                "country": {"code": country} if country else None,
            }
        if number:
            self._suppliers[number] = record["id"]
        self.touch(record)
        return record

    def supplier_ref(self, number: str | None) -> Body | None:
        if number is None:
            return None
        if number not in self._suppliers:
            raise Refused({"supplier": ["can't be found"]})
        record = self.tables["suppliers"][self._suppliers[number]]
        return {"id": record["id"], "number": record["number"], "name": record["name"]}

    def account(self, form: Body, chart: str, legal_entity: str | None) -> Body:
        segments = form.get("segments", [])
        return {
            "code": form.get("account") or "-".join(segments) or None,
            "account-type": {"name": chart, "legal-entity-name": legal_entity},
            **{f"segment-{place}": (segments[place - 1] if place <= len(segments) else None) for place in range(1, 21)},
        }

    # Requisitions

    def put_requisition(self, form: Body) -> Body:
        record = self.tables["requisitions"].get(form.get("id", 0))
        if record is None:
            record = self.add("requisitions", new_requisition())
        chart = form.get("chart", self.chart)
        if "status" in form:
            record["status"] = form["status"]
        if "currency" in form:
            record["currency"] = {"code": form["currency"]}
        if "requested_by" in form:
            record["requested-by"] = {"login": form["requested_by"]}
        steps = form.get("approvals", [])
        if "approved_by" in form:
            steps = [{"by": form["approved_by"]}, *steps]
        if steps:
            record["approvals"] = [
                {
                    "status": step.get("status", "approved"),
                    "position": position,
                    "approver": {"login": step["by"]},
                    "updated-at": step.get("at") or self.stamp(),
                }
                for position, step in enumerate(steps, 1)
            ]
        if "lines" in form:
            record["requisition-lines"] = [
                self._requisition_line(line, position, chart, record["currency"])
                for position, line in enumerate(form["lines"], 1)
            ]
        self.touch(record)
        return record

    def _requisition_line(self, form: Body, position: int, chart: str, currency: Body) -> Body:
        counted = "amount" not in form
        price = str(form.get("price", form.get("amount")))
        quantity = str(form.get("quantity", "1")) if counted else None
        return {
            "id": self.new_id(),
            "line-num": form.get("line", position),
            "line-type": "RequisitionQuantityLine" if counted else "RequisitionAmountLine",
            "description": form.get("description", ""),
            "quantity": quantity,
            "unit-price": price,
            "total": _times(quantity or "1", price),
            "uom": {"code": form.get("unit", "EA")} if counted else None,
            "item": {"item-number": form["item"]} if "item" in form else None,
            "supplier": self.supplier_ref(form.get("supplier")),
            "account": self.account(form, form.get("chart", chart), None),
            "account-allocations": [],
            "currency": dict(currency),
            "need-by-date": form.get("need_by"),
            "status": "draft",
        }

    # Orders

    def put_order(self, form: Body) -> Body:
        """A new order, or a change of the one with this number: a new revision, and `exported` is reset."""
        record = self.tables["purchase_orders"].get(self.order_ids.get(form.get("number", ""), 0))
        fresh = record is None
        supplier = self.supplier_ref(form.get("supplier"))
        if record is None:
            if supplier is None:
                raise Refused({"supplier": ["can't be blank"]})
            record = self.add("purchase_orders", new_order())
            record["po-number"] = form.get("number") or f"PO-{record['id']}"
            self.order_ids[record["po-number"]] = record["id"]
        if "supplier" in form:
            record["supplier"] = supplier
        for name in ("currency", "payment_term"):
            if name in form:
                record[name.replace("_", "-")] = {"code": form[name]}
        for name in ("status", "invoice_stop"):
            if name in form:
                record[name.replace("_", "-")] = form[name]
        if "requisition" in form or "requested_by" in form:
            record["requisition-header"] = self._requisition_ref(form)
        for line in form.get("lines", []):
            self._put_line(record, line, form.get("chart", self.chart), form.get("legal_entity"))
        if not fresh:
            record["internal-revision"] += 1
            record["version"] += 1 if "lines" in form else 0
            record["exported"] = False
        self.touch(record)
        return record

    def _requisition_ref(self, form: Body) -> Body:
        origin = self.tables["requisitions"].get(form.get("requisition", 0))
        login = form.get("requested_by")
        asked = {"login": login} if login else (origin or {}).get("requested-by")
        return {"id": form.get("requisition"), "requested-by": asked, "approvals": (origin or {}).get("approvals", [])}

    def _put_line(self, order: Body, form: Body, chart: str, legal_entity: str | None) -> None:
        number = str(form.get("line", len(order["order-lines"]) + 1))
        line = next((entry for entry in order["order-lines"] if entry["line-num"] == number), None)
        if line is None:
            line = new_order_line(self.new_id(), number, order)
            line["account"] = self.account(form, form.get("chart", chart), legal_entity)
            order["order-lines"].append(line)
            self._lines[line["id"]] = order["id"]
        if "amount" in form:
            line |= {"type": "OrderAmountLine", "quantity": None, "price": str(form["amount"]), "uom": None}
        for name in ("description", "quantity", "price", "status"):
            if name in form:
                line[name.replace("_", "-")] = str(form[name])
        if "match" in form:
            line["match-type"] = form["match"]
            line["receipt-required"] = form["match"] not in {"none", "2-way"}
        for name, key in (("need_by", "need-by-date"), ("supplier_item", "supp-aux-part-num")):
            if name in form:
                line[key] = form[name]
        if "unit" in form:
            line["uom"] = {"code": form["unit"]}
        if "item" in form:
            line["item"] = {"item-number": form["item"]}
        if "custom_fields" in form:
            line["custom-fields"] = dict(form["custom_fields"])
        if form.get("deleted"):
            line["status"] = "deleted"
        line["total"] = _times(line["quantity"] or "1", line["price"])

    def order_line(self, line_id: object) -> tuple[Body, Body]:
        order = self.tables["purchase_orders"].get(self._lines.get(line_id if isinstance(line_id, int) else 0, 0))
        line = next((entry for entry in (order or {}).get("order-lines", []) if entry["id"] == line_id), None)
        if order is None or line is None:
            raise Refused({"order-line": ["can't be found"]})
        return order, line

    def line_of(self, number: str, line: object) -> Body:
        order = self.tables["purchase_orders"].get(self.order_ids.get(number, 0), {})
        found: Body | None = next((row for row in order.get("order-lines", []) if row["line-num"] == str(line)), None)
        if found is None:
            raise Refused({"order-line": [f"{number} {line} can't be found"]})
        return found

    # Receiving transactions

    def receive(self, body: Body) -> Body:
        """POST of a receipt or a return, as Coupa takes it: `type`, `order-line{id}`, `quantity` or `total`."""
        kind = body.get("type")
        if kind not in COUNTED:
            raise Refused({"type": ["is not included in the list"]})
        order, line = self.order_line((body.get("order-line") or {}).get("id"))
        by_value = "Amount" in kind
        stated = body.get("total", body.get("price")) if by_value else body.get("quantity")
        if stated is None:
            raise Refused({"total" if by_value else "quantity": ["can't be blank"]})
        return self._transaction(kind, order, line, str(stated), body, -1 if kind not in RECEIPTS else 1)

    def void(self, record: Body) -> Body:
        """PUT /:id/void: writes a Void transaction; the voided one stays and says so."""
        if record["type"].startswith("Void") or record["status"] == "voided":
            raise Refused({"status": ["cannot be voided"]})
        order, line = self.order_line(record["order-line"]["id"])
        stated = record["quantity"] if record["quantity"] is not None else record["total"]
        original = {**record, "original_transaction_id": record["id"]}
        sign = -1 if record["type"] in RECEIPTS else 1
        made = self._transaction(f"Void{record['type']}", order, line, stated, original, sign)
        record |= {"status": "voided", "voided_value": stated}
        self.touch(record)
        return made

    def _transaction(self, kind: str, order: Body, line: Body, stated: str, body: Body, sign: int) -> Body:
        by_value = "Amount" in kind
        line["received"] = str(Decimal(line["received"]) + sign * Decimal(stated))
        self.touch(order)
        made = self.add(
            "receiving_transactions",
            {
                "type": kind,
                "status": "created",
                "quantity": None if by_value else stated,
                "price": stated if by_value else None,
                "total": stated if by_value else None,
                "uom": body.get("uom") or line["uom"],
                "transaction-date": body.get("transaction-date") or self.stamp(),
                "match-reference": body.get("match-reference"),
                "original_transaction_id": body.get("original_transaction_id"),
                "received-weight": body.get("received-weight"),
                "barcode": body.get("barcode"),
                "order-line": {
                    "id": line["id"],
                    "line-num": line["line-num"],
                    "sub-line-num": line["sub-line-num"],
                    "order-header-id": order["id"],
                    "order-header-number": order["po-number"],
                    "account": line["account"],
                },
                "account": line["account"],
                "created-by": body.get("created-by"),
                "exported": False,
                "voided_value": None,
            },
        )
        self.received_on.setdefault(line["id"], []).append(made["id"])
        return made

    def put_receipt(self, form: Body) -> Body:
        """The short form of `arrange`: a receipt, a return (`return_of`), or a void (`void`) of an earlier one."""
        transactions = self.tables["receiving_transactions"]
        for name in ("void", "return_of"):
            if name in form and form[name] not in transactions:
                raise Refused({name: ["can't be found"]})
        if "void" in form:
            return self.void(transactions[form["void"]])
        origin = transactions.get(form.get("return_of", 0))
        line_id = origin["order-line"]["id"] if origin else self.line_of(form["order"], form.get("line", 1))["id"]
        plain = "ReceivingAmountConsumption" if "amount" in form else "ReceivingQuantityConsumption"
        return self.receive(
            {
                "type": form.get("type") or (RETURNS.get(origin["type"]) if origin else plain),
                "order-line": {"id": line_id},
                "quantity": str(form["quantity"]) if "quantity" in form else None,
                "total": str(form["amount"]) if "amount" in form else None,
                "uom": {"code": form["unit"]} if "unit" in form else None,
                "transaction-date": form.get("on"),
                "match-reference": form.get("reference"),
                "received-weight": form.get("weight"),
                "created-by": {"login": form["by"]} if "by" in form else None,
                "original_transaction_id": form.get("return_of"),
            }
        )

    # Budgets

    def put_budget(self, form: Body) -> Body:
        """A budget line, or a change of the one with this id: what is left, and what waiting requisitions ask for."""
        record = self.tables["budget_lines"].get(form.get("id", 0))
        if record is None:
            record = self.add("budget_lines", new_budget(form, self.chart))
        for name, key in (("remaining", "remaining"), ("pending", "pending_requisitions_amount")):
            if name in form:
                record[key] = str(form[name])
        self.touch(record)
        return record

    # The bench

    def arrange(self, form: Body) -> dict[str, list[Any]]:
        """Makes things happen; answers the ids, and for orders the numbers, in the order given."""
        return {
            "suppliers": [self.put_supplier(entry)["id"] for entry in form.get("suppliers", [])],
            "requisitions": [self.put_requisition(entry)["id"] for entry in form.get("requisitions", [])],
            "orders": [self.put_order(entry)["po-number"] for entry in form.get("orders", [])],
            "receipts": [self.put_receipt(entry)["id"] for entry in form.get("receipts", [])],
            "budgets": [self.put_budget(entry)["id"] for entry in form.get("budgets", [])],
        }

    def truth(self) -> dict[str, Any]:
        """What is committed here, for the checkers of invariants."""
        return {
            "suppliers": {str(row["number"] or f"#{row['id']}"): short_supplier(row) for row in self.rows("suppliers")},
            "requisitions": {str(row["id"]): short_requisition(row) for row in self.rows("requisitions")},
            "orders": {row["po-number"]: short_order(row) for row in self.rows("purchase_orders")},
            "receipts": {str(row["id"]): short_receipt(row) for row in self.rows("receiving_transactions")},
            "invoices": {row["invoice-number"]: short_invoice(row) for row in self.rows("invoices")},
            "budgets": {str(row["id"]): {"remaining": row["remaining"]} for row in self.rows("budget_lines")},
            "history": [
                {"document": row["document-id"], "external_id": row["external-id"]}
                for row in self.rows("integration_history_records")
            ],
        }

    def rows(self, table: str) -> list[Body]:
        return list(self.tables[table].values())


def _times(quantity: str, price: str) -> str:
    return format(Decimal(quantity) * Decimal(price), "f")
