"""Small worlds of orders, receipts and invoices, drawn by hypothesis as parsed MatchBench cases.

They are nasty on purpose: few items, few prices, part bills, credits, returns, missing references.
"""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

DAY = date(2026, 3, 2)

prices = st.sampled_from(["1.00", "5.00", "9.00", "10.00", "10.10", "0.05", "0"])
bounds = st.sampled_from(["exact", "ignore", "0", "2", "10"])


def decimal(value: Fraction, digits: int = 2) -> str:
    scaled = round(value * 10**digits)
    sign = "-" if scaled < 0 else ""
    text = f"{abs(scaled):0{digits + 1}d}"
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"


class Dice:
    """Draws that are mostly plain in a calm world and anything goes in a wild one."""

    def __init__(self, draw: st.DrawFn, calm: bool) -> None:
        self.draw = draw
        self.calm = calm

    def pick(self, plain: Any, *others: Any) -> Any:
        if self.calm and self.draw(st.integers(0, 15)):
            return plain
        return self.draw(st.sampled_from([plain, *others]))

    def rarely(self) -> bool:
        return self.draw(st.integers(0, 63 if self.calm else 7)) == 0


def order_line(dice: Dice, number: int) -> dict[str, Any]:
    line: dict[str, Any] = {
        "line": number,
        "item": dice.draw(st.sampled_from(["A", "B"])),
        "quantity": dice.pick("40", "1", "2", "5", "2.5"),
        "unit": dice.pick("EA", "BX"),
        "price": dice.draw(prices),
        "match": dice.pick("three_way", "three_way", "two_way", "four_way", "service", "ers"),
        "basis": dice.pick("order", "receipt"),
        "over_percent": dice.pick("0", "10", "unlimited"),
    }
    codes = dice.pick(["V19"], [], ["V7"])
    if codes:
        line["tax_codes"] = codes
    if dice.rarely():
        line["price_date"] = dice.draw(st.sampled_from(["order", "invoice", "receipt"]))
        line["price_version"] = [
            {"valid_from": DAY, "price": line["price"]},
            {"valid_from": DAY + timedelta(days=4), "price": dice.draw(prices)},
        ]
    if dice.rarely():
        line["scale_mode"] = dice.draw(st.sampled_from(["graduated", "by_ordered"]))
        line["scale"] = [{"from": "0", "price": line["price"]}, {"from": "5", "price": dice.draw(prices)}]
    return line


def receipts_of(dice: Dice, order: dict[str, Any], first: int) -> list[dict[str, Any]]:
    receipts: list[dict[str, Any]] = []
    for line in order["line"]:
        for _ in range(dice.pick(1, 0, 2)):
            one = {
                "order": order["number"],
                "order_line": line["line"],
                "quantity": dice.pick(line["quantity"], "1", "5"),
                "accepted": line["quantity"],
            }
            kind = dice.pick("receipt", "receipt", "return", "reversal")
            if line["match"] == "service" and kind == "receipt":
                kind = "service_entry"
            day = DAY + timedelta(days=dice.draw(st.integers(1, 6)))
            receipts.append({"number": f"GR{first + len(receipts)}", "kind": kind, "date": day, "line": [one]})
    return receipts


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """A case as a parsed table, without expectations; two of three worlds are calm."""
    dice = Dice(draw, calm=draw(st.integers(0, 2)) > 0)
    orders = []
    receipts: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 2))):
        lines = [order_line(dice, place + 1) for place in range(draw(st.integers(1, 3)))]
        order = {"number": f"PO{number}", "supplier": "ALDER", "currency": "EUR", "date": DAY, "line": lines}
        if dice.rarely():
            order["charge"] = [{"kind": "freight", "amount": draw(st.sampled_from(["10.00", "-5.00"]))}]
        if dice.rarely():
            order["status"] = draw(st.sampled_from(["draft", "closed"]))
        orders.append(order)
        receipts += receipts_of(dice, order, len(receipts))
    invoices = [invoice(dice, orders, receipts, number) for number in range(draw(st.integers(1, 5)))]
    world: dict[str, Any] = {
        "id": "world",
        "policy": {
            "combination": draw(st.sampled_from(["strict", "strict", "lenient"])),
            "partial_release": draw(st.sampled_from(["no", "lines", "proven"])),
            "small_difference": draw(st.sampled_from(["exact", "0.05"])),
            "price": {
                "upper_percent": draw(bounds),
                "upper_absolute": draw(bounds),
                "lower_percent": draw(bounds),
                "line_upper_absolute": dice.pick("ignore", "exact", "1.00"),
                "cumulative_upper_absolute": dice.pick("ignore", "exact", "2"),
            },
            "quantity": {"upper_percent": draw(bounds), "upper_absolute": draw(bounds)},
            "document": {"upper_absolute": dice.pick("ignore", "1.00")},
            "tax": {"ratio_percent": dice.pick("ignore", "10", "19")},
            "review_amount": dice.pick("ignore", "20.00"),
        },
        "order": orders,
        "invoice": invoices,
        "tax": [{"code": "V19", "rate": "19"}, {"code": "V7", "rate": "7"}],
        "conversion": [{"from": "BX", "to": "EA", "numerator": "3", "denominator": "1"}],
    }
    if receipts:
        world["receipt"] = receipts
    return world


def invoice(dice: Dice, orders: list[dict[str, Any]], receipts: list[dict[str, Any]], number: int) -> dict[str, Any]:
    order = dice.draw(st.sampled_from(orders))
    kind = dice.pick("invoice", "invoice", "credit", "subsequent_debit", "subsequent_credit")
    lines = []
    net = Fraction(0)
    taxes: dict[str, Fraction] = {}
    for place in range(dice.draw(st.integers(1, 3))):
        ordered = dice.draw(st.sampled_from(order["line"]))
        quantity = dice.draw(st.sampled_from(["1", "2", "5", "12", ordered["quantity"]]))
        if kind == "invoice" and dice.rarely():
            quantity = f"-{quantity}"
        price = ordered["price"] if dice.draw(st.integers(0, 4)) else dice.draw(prices)
        amount = Fraction(round(Fraction(quantity) * Fraction(price) * 100), 100)
        line: dict[str, Any] = {"line": place + 1, "item": ordered["item"], "amount": decimal(amount)}
        if kind in ("invoice", "credit"):
            line.update({"quantity": quantity, "price": price})
            if dice.rarely():
                line["unit"] = dice.draw(st.sampled_from(["EA", "BX", "KGM"]))
        if dice.pick(True, False):
            line["order_line"] = ordered["line"]
        codes = dice.pick(ordered.get("tax_codes", []), [], ["V19"])
        if codes:
            line["tax_codes"] = codes
            taxes[codes[0]] = taxes.get(codes[0], Fraction(0)) + amount
        if receipts and dice.rarely():
            line["receipt"] = dice.draw(st.sampled_from(receipts))["number"]
        net += amount
        lines.append(line)
    stated = []
    for code, base in taxes.items():
        due = base * (19 if code == "V19" else 7) / 100
        stated.append({"code": code, "amount": decimal(due + Fraction(dice.pick("0", "0.01", "3")))})
    tax = sum((Fraction(one["amount"]) for one in stated), Fraction(0))
    off = dice.pick("0", "0.02", "1.50")
    table: dict[str, Any] = {
        "number": dice.pick(f"I-{number}", "I-0A"),
        "id": f"inv{number}",
        "kind": kind,
        "supplier": dice.pick("ALDER", "BIRCH"),
        "company": "1000",
        "currency": dice.pick("EUR", "USD"),
        "date": DAY + timedelta(days=7 + number),
        "orders": [order["number"]],
        "net": decimal(net),
        "tax": decimal(tax),
        "gross": decimal(net + tax + Fraction(off)),
        "line": lines,
    }
    if stated:
        table["taxes"] = stated
    if kind == "invoice" and dice.rarely():
        table["charge"] = [{"line": 9, "kind": "freight", "amount": "4.00"}]
        for total in ("net", "gross"):
            table[total] = decimal(Fraction(table[total]) + 4)
    if number and kind != "invoice" and dice.pick(True, False):
        table["original"] = "inv0"
    if number and kind == "invoice" and dice.rarely():
        table["replaces"] = "inv0"
    return table


def one_line(received: str = "100", price: str = "10.00", **fields: Any) -> dict[str, Any]:
    """100 @ 10.00 ordered, so much of it received, 100 billed at `price`."""
    amount = format((Decimal(100) * Decimal(price)).quantize(Decimal("0.01")), "f")
    line = {"line": 1, "order_line": 1, "quantity": "100", "price": price, "amount": amount}
    return {
        "id": "one",
        "order": [
            {
                "number": "PO",
                "supplier": "S",
                "currency": "EUR",
                "date": DAY,
                "line": [{"line": 1, "item": "A", "quantity": "100", "price": "10.00"}],
            }
        ],
        "receipt": [{"number": "GR", "date": DAY, "line": [{"order": "PO", "order_line": 1, "quantity": received}]}],
        "invoice": [
            {
                "number": "I",
                "supplier": "S",
                "company": "C",
                "currency": "EUR",
                "date": DAY,
                "orders": ["PO"],
                "net": amount,
                "tax": "0",
                "gross": amount,
                "line": [line],
            }
        ],
        **fields,
    }
