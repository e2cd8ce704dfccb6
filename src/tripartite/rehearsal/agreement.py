"""Checkers of agreement: what the vendors hold is compared with each other, by their own truth, never by our tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tripartite.core.invoice_life import LIVE
from tripartite.rehearsal.seen import Seen

Place = tuple[str, int]  # an order's number and line


async def orders_agree(seen: Seen) -> tuple[int, list[str]]:
    """I19: each order of procurement stands in the ERP once, with its supplier, currency, lines, prices and coding."""
    there: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in seen.erp["orders"]:
        there[row["CorrespncExternalReference"] or row["PurchaseOrder"]].append(row)
    wrong = []
    for number, order in seen.procurement["orders"].items():
        found = there.get(number, [])
        if len(found) != 1:
            wrong.append(f"order {number} stands {len(found)} times in the ERP")
            continue
        ours, theirs = _procurement(order), _erp(found[0])
        wrong += [
            f"order {number}, {what}: {ours[what]} and {theirs[what]}" for what in ours if ours[what] != theirs[what]
        ]
    wrong += [f"order {number} is in the ERP alone" for number in there if number not in seen.procurement["orders"]]
    return len(seen.procurement["orders"]), wrong


def _procurement(order: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "supplier": order["supplier"],
        "currency": order["currency"],
        "company": order["chart"],
        "lines": {
            int(number): (_number(line["quantity"]), _number(line["price"]), line["cost_centre"])
            for number, line in order["lines"].items()
        },
    }


def _erp(order: Mapping[str, Any]) -> dict[str, Any]:
    lines = {}
    for item in order["to_PurchaseOrderItem"]:
        coding = item["to_AccountAssignment"]
        price = _number(item["NetPriceAmount"]) / _number(item["NetPriceQuantity"])
        centre = coding[0]["CostCenter"].lstrip("0") if coding else ""
        lines[int(item["PurchaseOrderItem"])] = (_number(item["OrderQuantity"]), price, centre)
    return {
        "supplier": order["Supplier"].lstrip("0"),
        "currency": order["DocumentCurrency"],
        "company": order["CompanyCode"],
        "lines": lines,
    }


async def tax_validated(seen: Seen) -> tuple[int, list[str]]:
    """I3: no invoice whose tax was in question is posted without a quote, and an engine's quotes are in its own log."""
    rows = await seen.db.rows(
        """SELECT i.number, i.state, q.number, q.engine FROM invoices.tax_question_of o
        JOIN invoices.invoice i USING (invoice_id) LEFT JOIN invoices.tax_quote q ON q.number = o.number"""
    )
    wrong = [f"{row[0]} is {row[1]} without a quote" for row in rows if row[2] is None and row[1] in LIVE]
    theirs = [row for row in rows if row[3] == "avalara"]
    wrong += [f"{row[0]}: no quote {row[2]} at the engine" for row in theirs if row[2] not in seen.tax["quotes"]]
    wrong += [f"{code} stands in a tax return at the engine" for code in seen.tax["recorded"]]
    return len(rows), wrong


async def requisitions_joined(seen: Seen) -> tuple[int, list[str]]:
    """I19: each order is joined with the requisition that procurement says it came from, under one correlation id."""
    rows = await seen.db.rows(
        """SELECT o.number, l.requisition, o.correlation_id = r.correlation_id FROM orders.purchase_order o
        LEFT JOIN orders.requisition_order l ON (l.company_code, l.order_number) = (o.company_code, o.number)
        LEFT JOIN orders.requisition r ON (r.company_code, r.number) = (l.company_code, l.requisition)"""
    )
    ours = {row[0]: (row[1], row[2]) for row in rows}
    wrong = [
        f"order {number} came from requisition {order['requisition']}, we say {ours.get(number)}"
        for number, order in seen.procurement["orders"].items()
        if order["requisition"] and ours.get(number) != (str(order["requisition"]), True)
    ]
    return len(rows), wrong


async def receipts_agree(seen: Seen) -> tuple[int, list[str]]:
    """I19: of each order line the warehouse, procurement and the ERP have received the same quantity."""
    shelves = {_place(key): _number(one["good"]) for key, one in seen.warehouse["shelves"].items()}
    procurement = {
        (number, int(line)): _number(facts["received"])
        for number, order in seen.procurement["orders"].items()
        for line, facts in order["lines"].items()
    }
    erp: dict[Place, Decimal] = defaultdict(Decimal)
    for row in seen.erp["receipts"]:
        for item in row["to_MaterialDocumentItem"]:
            sign = 1 if item["GoodsMovementType"] == "101" else -1
            erp[item["PurchaseOrder"], int(item["PurchaseOrderItem"])] += sign * _number(item["QuantityInEntryUnit"])
    places = {*shelves, *procurement, *erp}
    wrong = []
    for place in sorted(places):
        said = [_of(where, place) for where in (shelves, procurement, erp)]
        if len(set(said)) > 1:
            wrong.append(f"order {place[0]} line {place[1]}: warehouse {said[0]}, procurement {said[1]}, ERP {said[2]}")
    return len(places), wrong


def _of(where: Mapping[Place, Decimal], place: Place) -> Decimal:
    return where.get(place, Decimal(0))


def _place(key: str) -> Place:
    number, _, line = key.rpartition("/")
    return number, int(line)


def _number(text: Any) -> Decimal:
    """A figure as a number; normalised, so that 5 and 5.000 are one."""
    return Decimal(str(text or 0)).normalize() + 0
