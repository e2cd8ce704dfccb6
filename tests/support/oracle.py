"""A second opinion on a case: the rules of the benchmark's README, read anew and written down as slowly as can be.

It shares no code with the engine and takes the parsed TOML as it is. It covers orders whose lines are named by the
invoice, receipts of every kind, invoices and credits with an original, tolerances, tax, planned and unplanned charges,
duplicates by number, the document's own checks, and what is paid. What it does not cover it refuses (`NotCovered`):
assignment by price, scales, versions, catch weight, limit orders, advances, contracts, value-only documents, payments.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

Said = tuple[
    str, dict[tuple[str, int], Fraction | None], Fraction, Fraction
]  # verdict, reasons, payable now, money at risk

DIGITS = {"JPY": 0, "KWD": 3}
BASE = {
    "combination": "strict",
    "partial_release": "no",
    "receipt_grace_days": "exact",
    "small_difference": "exact",
    "review_amount": "ignore",
    "price": {
        "upper_percent": "exact",
        "upper_absolute": "ignore",
        "lower_percent": "exact",
        "lower_absolute": "ignore",
        "line_upper_absolute": "ignore",
        "cumulative_upper_percent": "ignore",
        "cumulative_upper_absolute": "ignore",
    },
    "quantity": {"upper_percent": "exact", "upper_absolute": "ignore", "upper_value": "ignore"},
    "charge": {
        "planned_upper_percent": "exact",
        "planned_upper_absolute": "ignore",
        "unplanned_percent": "exact",
        "unplanned_absolute": "ignore",
    },
    "tax": {
        "upper_percent": "exact",
        "upper_absolute": "ignore",
        "lower_percent": "exact",
        "lower_absolute": "ignore",
        "ratio_percent": "ignore",
    },
    "document": {"upper_absolute": "ignore"},
    "duplicate": {"scope": ["company"], "window_days": "90"},
}
PROVEN = {
    "match.quantity_over_received",
    "match.not_received",
    "match.quantity_returned",
    "match.quantity_over_accepted",
    "match.quantity_over_ordered",
    "match.quantity_over_delivered",
    "match.quantity_over_withdrawn",
    "service.no_entry",
    "service.over_entry",
    "match.price_over_limit",
}
NO_RISK = {"control.sample", "approval.changed_after", "match.price_under_limit"}


class NotCovered(Exception):
    """The case has something that this opinion does not speak of."""


def judge(case: dict[str, Any]) -> dict[str, Said]:
    """What each invoice of a case should come to."""
    return Oracle(case).all()


def merged(own: dict[str, Any]) -> dict[str, Any]:
    """The base policy with the case's keys on top."""
    policy: dict[str, Any] = {}
    for key, value in BASE.items():
        policy[key] = {**value, **own.get(key, {})} if isinstance(value, dict) else own.get(key, value)
    for key in own:
        if key not in BASE:
            raise NotCovered(f"policy {key}")
    return policy


def fold(number: str) -> str:
    """A number with what repeats differ in taken out."""
    runs = re.findall(r"[A-Za-z]+|[0-9]+", number)
    kept = [run for run in runs if not re.fullmatch(r"20[0-9][0-9]", run)]
    text = "".join(kept if any(run.isdigit() for run in kept) else runs).upper()
    while True:
        read = re.sub(r"(?<=[0-9])O|O(?=[0-9])", "0", text)
        read = re.sub(r"(?<=[0-9])[IL]|[IL](?=[0-9])", "1", read)
        if read == text:
            break
        text = read
    text = re.sub(r"[0-9]+", lambda run: run[0].lstrip("0") or "0", text)
    return re.sub(r"(?<=[0-9])[^0-9]+\Z", "", text)


class Oracle:
    def __init__(self, case: dict[str, Any]) -> None:
        for key in ("contract", "event", "company", "rate"):
            if case.get(key):
                raise NotCovered(key)
        self.policy = merged(case.get("policy", {}))
        self.orders = {one["number"]: one for one in case["order"]}
        self.lines = {(one["number"], line["line"]): (one, line) for one in case["order"] for line in one["line"]}
        self.receipts = case.get("receipt", [])
        self.taxes = {one["code"]: one for one in case.get("tax", [])}
        self.suppliers = {one["id"]: one for one in case.get("supplier", [])}
        self.ratios = {(one["from"], one["to"]): Fraction(one["numerator"]) / Fraction(one["denominator"]) for one in
                       case.get("conversion", [])}  # fmt: skip
        self.bills = case["invoice"]
        self.live: list[dict[str, Any]] = []
        for bill in self.bills:
            self._check(bill)
        for order in case["order"]:
            for line in order["line"]:
                if set(line) & {"scale", "price_version", "price_unit", "limit"} or line.get("basis") == "receipt":
                    raise NotCovered("order line")
            if order.get("contract") or order.get("retention_percent") or order.get("prices_include_tax"):
                raise NotCovered("order")
        self.as_of = case.get("as_of") or max(bill["date"] for bill in self.bills)

    def _check(self, bill: dict[str, Any]) -> None:
        if bill.get("kind", "invoice") not in ("invoice", "credit") or bill.get("replaces"):
            raise NotCovered("kind of invoice")
        if bill.get("prices_include_tax") or bill.get("withholding"):
            raise NotCovered("invoice")
        if bill.get("kind") == "credit" and not bill.get("original"):
            raise NotCovered("a credit without original")
        for line in bill.get("line", []):
            if (
                "quantity" not in line
                or "order_line" not in line
                or Fraction(line["quantity"]) <= 0
                or line.get("receipt")
            ):
                raise NotCovered("invoice line")
            if line.get("final") or line.get("price_quantity"):
                raise NotCovered("invoice line")

    # What is where

    def id_of(self, bill: dict[str, Any]) -> str:
        return str(bill.get("id", bill["number"]))

    def key(self, bill: dict[str, Any], line: dict[str, Any]) -> tuple[str, int]:
        orders = bill.get("orders", [])
        name = line.get("order") or (orders[0] if len(orders) == 1 else None)
        if name is None or (name, line["order_line"]) not in self.lines:
            raise NotCovered("reference")
        return name, line["order_line"]

    def units(self, line: dict[str, Any], ordered: dict[str, Any]) -> Fraction:
        theirs, ours = line.get("unit") or ordered.get("unit", "EA"), ordered.get("unit", "EA")
        if theirs == ours:
            return Fraction(1)
        if (theirs, ours) in self.ratios:
            return self.ratios[theirs, ours]
        if (ours, theirs) in self.ratios:
            return 1 / self.ratios[ours, theirs]
        raise NotCovered("unit")

    def price(self, ordered: dict[str, Any]) -> Fraction:
        off = 1 - Fraction(ordered.get("discount_percent", "0")) / 100
        return Fraction(ordered["price"]) / Fraction(ordered.get("price_per", "1")) * off

    def value(self, line: dict[str, Any]) -> Fraction:
        if "price" not in line:
            return Fraction(line["amount"])
        off = 1 - Fraction(line.get("discount_percent", "0")) / 100
        return Fraction(line["quantity"]) * Fraction(line["price"]) / Fraction(line.get("price_per", "1")) * off

    def rate(self, code: str) -> Fraction:
        entry = self.taxes.get(code)
        if entry is None or entry.get("kind", "normal") != "normal":
            return Fraction(0)
        return Fraction(entry["rate"]) / 100

    def money(self, value: Fraction, currency: str) -> Fraction:
        scale = 10 ** DIGITS.get(currency, 2)
        return Fraction(round(value * scale), scale)

    def within(self, off: Fraction, base: Fraction, percent: str, absolute: str) -> bool:
        """Whether an upward difference is allowed by the two bounds of one level."""
        if percent == absolute == "ignore":
            return True
        answers = []
        if absolute != "ignore":
            answers.append(off <= (0 if absolute == "exact" else Fraction(absolute)))
        if percent != "ignore":
            if base == 0 and percent != "exact":
                if absolute in ("ignore", "exact"):
                    answers.append(off == 0)
            else:
                answers.append(off * 100 <= base * (0 if percent == "exact" else Fraction(percent)))
        return any(answers) if self.policy["combination"] == "lenient" else all(answers)

    def evidence(self, key: tuple[str, int]) -> tuple[Fraction, Fraction, Fraction]:
        """Received net (or withdrawn, or entered), what returns took, accepted at most that."""
        _, ordered = self.lines[key]
        wanted = {"service": "service_entry", "consignment": "withdrawal"}.get(
            ordered.get("match", "three_way"), "receipt"
        )
        entries: list[dict[str, Any]] = []
        returned = Fraction(0)
        for kinds in ((wanted,), ("return", "reversal")):
            for receipt in sorted(self.receipts, key=lambda one: (one["date"], one["number"])):
                for line in receipt["line"]:
                    if (line["order"], line["order_line"]) != key or receipt.get("kind", "receipt") not in kinds:
                        continue
                    quantity = Fraction(line["quantity"]) * self.units(line, ordered)
                    if kinds == (wanted,):
                        accepted = line.get("accepted")
                        told = None if accepted is None else Fraction(accepted) * self.units(line, ordered)
                        entry = {"name": receipt["number"], "day": receipt["date"], "quantity": quantity}
                        entries.append({**entry, "gone": Fraction(0), "accepted": told})
                        continue
                    named = [one for one in entries if one["name"] == line.get("receipt")]
                    before = [one for one in entries if one["day"] <= receipt["date"]]
                    after = [one for one in entries if one["day"] > receipt["date"]]
                    left = quantity
                    for one in named or [*reversed(before), *after]:
                        taken = min(left, max(Fraction(0), one["quantity"] - one["gone"]))
                        left -= taken
                        if receipt["kind"] == "return":
                            one["gone"] += taken
                            returned += taken
                        elif taken:
                            one["quantity"] -= taken
                            if one["accepted"] is not None:
                                stated = Fraction(line.get("accepted", "0")) * self.units(line, ordered)
                                undone = stated * taken / quantity
                                one["accepted"] = max(Fraction(0), min(one["accepted"] - undone, one["quantity"]))
                    if receipt["kind"] == "return" and left > 0:
                        returned += left
        net = max(Fraction(0), sum((one["quantity"] for one in entries), Fraction(0)) - returned)
        accepted = sum((min(one["accepted"] or Fraction(0), one["quantity"]) for one in entries), Fraction(0))
        return net, returned, min(net, accepted)

    # The invoices, one after the other

    def all(self) -> dict[str, Said]:
        said: dict[str, Said] = {}
        reasons: dict[str, dict[tuple[str, int], Fraction | None]] = {}
        live: list[dict[str, Any]] = []
        for bill in self.bills:
            found = self.gates(bill, live)
            reasons[self.id_of(bill)] = found
            if not any(code.startswith("duplicate.") or code == "match.arithmetic" for code, _ in found):
                live.append(bill)
        self.live = live
        taken, surplus = self.credits(live)
        before: dict[tuple[str, int], Fraction] = {}
        values: dict[tuple[str, int], list[Fraction]] = {}
        charged: dict[tuple[str, str], Fraction] = {}
        for bill in self.bills:
            name = self.id_of(bill)
            found = reasons[name]
            excess: dict[int, Fraction] = {}
            if bill in live:
                self.checks(bill, found, before, values, charged, taken, surplus, excess)
            said[name] = self.outcome(bill, found, excess, live=bill in live)
        return said

    def gates(self, bill: dict[str, Any], live: list[dict[str, Any]]) -> dict[tuple[str, int], Fraction | None]:
        scope = self.policy["duplicate"]["scope"]
        for other in live:
            if other.get("kind", "invoice") != bill.get("kind", "invoice") or other["supplier"] != bill["supplier"]:
                continue
            same = other["number"].strip().casefold() == bill["number"].strip().casefold()
            if (
                same
                and ("company" not in scope or other["company"] == bill["company"])
                and ("year" not in scope or other["date"].year == bill["date"].year)
            ):
                return {("duplicate.exact", 0): None}
        for other in live:
            if (
                other.get("kind", "invoice") == bill.get("kind", "invoice")
                and other["company"] != bill["company"]
                and all(other[name] == bill[name] for name in ("supplier", "currency", "date"))
                and Fraction(other["gross"]) == Fraction(bill["gross"])
                and fold(other["number"]) == fold(bill["number"])
            ):
                return {("duplicate.cross_entity", 0): None}
        for other in live:
            if (
                other.get("kind", "invoice") == bill.get("kind", "invoice")
                and other["supplier"] == bill["supplier"]
                and fold(other["number"]) == fold(bill["number"])
                and other["company"] == bill["company"]
                and other["currency"] == bill["currency"]
                and abs((other["date"] - bill["date"]).days) <= int(self.policy["duplicate"]["window_days"])
                and (
                    Fraction(other["gross"]) in (Fraction(bill["gross"]), Fraction(bill["net"]))
                    or Fraction(other["net"]) == Fraction(bill["gross"])
                )
            ):
                if "year" in scope and other["date"].year != bill["date"].year:
                    continue
                return {("duplicate.probable", 0): None}
        for other in live:
            if self.is_swapped(bill, other):
                return {("duplicate.probable", 0): None}
        found: dict[tuple[str, int], Fraction | None] = {}
        half = Fraction(1, 2 * 10 ** DIGITS.get(bill["currency"], 2))
        for line in bill.get("line", []):
            off = Fraction(line["amount"]) - self.value(line)
            if abs(off) > half:
                found["match.arithmetic", line["line"]] = self.money(off, bill["currency"])
        goods = sum((Fraction(one["amount"]) for one in [*bill.get("line", []), *bill.get("charge", [])]), Fraction(0))
        tax = sum((Fraction(one["amount"]) for one in bill.get("taxes", [])), Fraction(0))
        gross_off, net_off = Fraction(bill["gross"]) - goods - tax, Fraction(bill["net"]) - goods
        worst = max(abs(gross_off), abs(net_off))
        if worst:
            limit = self.policy["small_difference"]
            small = limit == "ignore" or worst <= (0 if limit == "exact" else Fraction(limit))
            code = "match.small_difference" if small else "match.arithmetic"
            found[code, 0] = self.money(gross_off or net_off, bill["currency"])
        if any(code == "match.arithmetic" for code, _ in found):
            return {key: value for key, value in found.items() if key[0] == "match.arithmetic"}
        return found

    def is_swapped(self, bill: dict[str, Any], other: dict[str, Any]) -> bool:
        """Whether two numbers differ by two neighbours that changed places, all else being equal."""
        if other.get("kind", "invoice") != bill.get("kind", "invoice") or Fraction(other["gross"]) != Fraction(
            bill["gross"]
        ):
            return False
        if any(other[name] != bill[name] for name in ("supplier", "company", "currency", "date")):
            return False
        one, two = fold(bill["number"]), fold(other["number"])
        return one != two and any(
            two[:place] + two[place + 1 : place + 2] + two[place : place + 1] + two[place + 2 :] == one
            for place in range(len(two) - 1)
        )

    def credits(
        self, live: list[dict[str, Any]]
    ) -> tuple[dict[tuple[str, int], Fraction], dict[tuple[str, int], Fraction]]:
        """What credits took of each invoice line, and what each credit line could not take."""
        taken: dict[tuple[str, int], Fraction] = {}
        surplus: dict[tuple[str, int], Fraction] = {}
        for bill in live:
            if bill.get("kind") != "credit":
                continue
            sources = [
                one for one in live
                if one.get("kind", "invoice") == "invoice" and one["supplier"] == bill["supplier"]
                and bill["original"] in (self.id_of(one), one["number"])
            ]  # fmt: skip
            if len(sources) != 1 or self.bills.index(sources[0]) > self.bills.index(bill):
                raise NotCovered("original")
            for line in bill["line"]:
                key = self.key(bill, line)
                pieces = [one for one in sources[0]["line"] if self.key(sources[0], one) == key]
                if len(pieces) != 1:
                    raise NotCovered("several lines of the original on one order line")
                ordered = self.lines[key][1]
                asked = Fraction(line["quantity"]) * self.units(line, ordered)
                place = (self.id_of(sources[0]), pieces[0]["line"])
                room = Fraction(pieces[0]["quantity"]) * self.units(pieces[0], ordered) - taken.get(place, Fraction(0))
                step = min(asked, room)
                taken[place] = taken.get(place, Fraction(0)) + step
                surplus[self.id_of(bill), line["line"]] = asked - step
        return taken, surplus

    def checks(
        self,
        bill: dict[str, Any],
        found: dict[tuple[str, int], Fraction | None],
        before: dict[tuple[str, int], Fraction],
        values: dict[tuple[str, int], list[Fraction]],
        charged: dict[tuple[str, str], Fraction],
        taken: dict[tuple[str, int], Fraction],
        surplus: dict[tuple[str, int], Fraction],
        excess: dict[int, Fraction],
    ) -> None:
        currency = bill["currency"]

        def say(code: str, line: int, variance: Fraction | None) -> None:
            known = found.get((code, line))
            found[code, line] = variance if known is None or variance is None else known + variance

        names = [*bill.get("orders", []), *(one["order"] for one in bill.get("line", []) if one.get("order"))]
        if any(name not in self.orders for name in names) or not names:
            raise NotCovered("order")
        orders = {name: self.orders[name] for name in names}
        credit = bill.get("kind") == "credit"
        if any(one["supplier"] != bill["supplier"] for one in orders.values()):
            say("supplier.mismatch", 0, None)
        facts = self.suppliers.get(bill["supplier"])
        if self.suppliers:
            if facts is None:
                say("supplier.unknown", 0, None)
            else:
                status = facts.get("status", "active")
                if status != "active":
                    say(f"supplier.{status}", 0, None)
                if bill.get("remit_to") and bill["remit_to"] != facts.get("bank"):
                    say("supplier.bank_mismatch", 0, None)
                limit = facts.get("invoice_limit")
                if limit is not None and not credit and Fraction(bill["gross"]) > Fraction(limit):
                    say("match.amount_over_supplier_limit", 0, Fraction(bill["gross"]) - Fraction(limit))
                if facts.get("withholding") or facts.get("tax_id"):
                    raise NotCovered("supplier")
        if any(one["currency"] != currency for one in orders.values()):
            say("currency.mismatch", 0, None)
        tolerated = Fraction(0)
        for line in bill.get("line", []):
            key = self.key(bill, line)
            order, ordered = self.lines[key]
            if credit:
                self.codes(line, ordered, say)
                self.credit_line(bill, line, key, surplus, values, say)
                continue
            closed = {order.get("status", "open"), ordered.get("status", "open")} & {"closed", "cancelled"}
            if closed:
                say("reference.order_closed", line["line"], None)
            if order.get("status") == "draft":
                say("reference.order_not_approved", line["line"], None)
            self.codes(line, ordered, say)
            factor = self.units(line, ordered)
            whole = Fraction(line["quantity"]) * factor
            b = whole - taken.get((self.id_of(bill), line["line"]), Fraction(0))
            value = self.value(line) * b / whole
            if b > 0:
                over, slack = self.quantity(line, key, before.get(key, Fraction(0)), b, say)
                if over:
                    excess[line["line"]] = over
                tolerated += slack
                if order["currency"] == currency:
                    tolerated += self.prices(line, key, b, value, values, say)
            before[key] = before.get(key, Fraction(0)) + b
        if not credit:
            tolerated += self.charges(bill, orders, before, charged, say)
        tolerated += self.tax(bill, say)
        review = self.policy["review_amount"]
        for line in bill.get("line", []) if not credit else []:
            if review != "ignore" and Fraction(line["amount"]) > (0 if review == "exact" else Fraction(review)):
                say("match.amount_over_review", line["line"], None)
        limit = self.policy["document"]["upper_absolute"]
        if limit != "ignore" and tolerated > (0 if limit == "exact" else Fraction(limit)):
            say("match.total_over_expected", 0, tolerated)
        for place, variance in list(found.items()):
            if variance is not None:
                found[place] = self.money(variance, currency)

    def quantity(
        self, line: dict[str, Any], key: tuple[str, int], earlier: Fraction, b: Fraction, say: Any
    ) -> tuple[Fraction, Fraction]:
        """The excess (0: none reported) and the value of what was tolerated."""
        _, ordered = self.lines[key]
        mode = ordered.get("match", "three_way")
        net, returned, accepted = self.evidence(key)
        price = self.price(ordered)
        over_percent = ordered.get("over_percent", "0")
        ceiling = None
        if mode != "consignment" and over_percent != "unlimited":
            ceiling = Fraction(ordered["quantity"]) * (1 + Fraction(over_percent) / 100)
        bounds: list[tuple[str, Fraction]] = []
        if mode in ("three_way", "four_way"):
            bounds.append(("received", net))
        if mode in ("four_way", "service"):
            bounds.append(("accepted", accepted))
        if mode == "consignment":
            bounds.append(("withdrawn", net))
        if ceiling is not None:
            bounds.append(("ceiling", ceiling))
        if mode not in ("two_way", "three_way", "four_way", "service", "consignment"):
            raise NotCovered(mode)
        broken = [(name, size) for name, size in bounds if self.breaks(name, size, earlier + b, price)]
        excesses = [b - max(Fraction(0), size - earlier) for _, size in bounds]
        if not broken:
            return Fraction(0), max([*excesses, Fraction(0)]) * price
        name, size = max(broken, key=lambda one: b - max(Fraction(0), one[1] - earlier))
        excess = b - max(Fraction(0), size - earlier)
        fits = ceiling is None or earlier + b <= ceiling
        empty = size - earlier <= 0
        if name == "received":
            code = "match.quantity_over_received"
            if returned > 0 and not self.breaks(name, size + returned, earlier + b, price):
                code = "match.quantity_returned"
            elif empty and fits:
                code = "match.not_received"
        elif name == "accepted":
            code = "match.quantity_over_accepted"
            if mode == "service":
                code = "service.no_entry" if empty and fits else "service.over_entry"
        elif name == "withdrawn":
            code = "match.quantity_over_withdrawn"
        else:
            delivered = mode in ("three_way", "four_way") and net > size
            code = "match.quantity_over_delivered" if delivered else "match.quantity_over_ordered"
        say(code, line["line"], excess * price)
        return excess, Fraction(0)

    def breaks(self, name: str, size: Fraction, billed: Fraction, price: Fraction) -> bool:
        over = billed - size
        if over <= 0:
            return False
        if name == "ceiling":
            return True
        bounds = self.policy["quantity"]
        answers = []
        if bounds["upper_percent"] != "ignore":
            allowed = Fraction(0) if bounds["upper_percent"] == "exact" else Fraction(bounds["upper_percent"])
            answers.append(over * 100 <= size * allowed)
        for word, measured in (("upper_absolute", over), ("upper_value", over * price)):
            if bounds[word] != "ignore":
                answers.append(measured <= (0 if bounds[word] == "exact" else Fraction(bounds[word])))
        if not answers:
            return False
        return not (any(answers) if self.policy["combination"] == "lenient" else all(answers))

    def prices(
        self,
        line: dict[str, Any],
        key: tuple[str, int],
        b: Fraction,
        value: Fraction,
        values: dict[Any, list[Fraction]],
        say: Any,
    ) -> Fraction:
        """Judge the price of what a line bills; what was tolerated of it, upward."""
        _, ordered = self.lines[key]
        bounds = self.policy["price"]
        expected = self.price(ordered) * b
        variance = value - expected
        tolerated = Fraction(0)
        side = "upper" if variance > 0 else "lower"
        absolute = bounds[f"{side}_absolute"]
        if absolute not in ("ignore", "exact"):
            absolute = str(Fraction(absolute) * b)
        holds = self.within(abs(variance), abs(expected), bounds[f"{side}_percent"], absolute)
        if variance > 0:
            holds = holds and self.within(variance, Fraction(0), "ignore", bounds["line_upper_absolute"])
            if holds:
                tolerated = variance
        if not holds:
            code = "match.price_over_limit" if variance > 0 else "match.price_under_limit"
            basis = Fraction(line.get("price_per", "1")) != Fraction(ordered.get("price_per", "1"))
            if "price" in line and Fraction(line["price"]) == Fraction(ordered["price"]) and basis:
                code = "match.price_basis_inconsistent"
            say(code, line["line"], variance)
        sums = values.setdefault(key, [Fraction(0), Fraction(0)])
        sums[0] += value
        sums[1] += expected
        total = sums[0] - sums[1]
        if variance > 0 and not self.within(
            total, abs(sums[1]), bounds["cumulative_upper_percent"], bounds["cumulative_upper_absolute"]
        ):
            say("match.price_cumulative_over_limit", line["line"], total)
        return tolerated

    def credit_line(
        self,
        bill: dict[str, Any],
        line: dict[str, Any],
        key: tuple[str, int],
        surplus: dict[tuple[str, int], Fraction],
        values: dict[Any, list[Fraction]],
        say: Any,
    ) -> None:
        left = surplus[self.id_of(bill), line["line"]]
        ordered = self.lines[key][1]
        quantity = Fraction(line["quantity"]) * self.units(line, ordered)
        value = self.value(line)
        billed = sum(
            (
                self.value(one)
                for other in self.live
                if other.get("kind", "invoice") == "invoice"
                for one in other.get("line", [])
                if self.key(other, one) == key
            ),
            Fraction(0),
        )
        gone = values.setdefault(("credited", key), [Fraction(0)])
        if left > 0:
            say("match.credit_over_billed", line["line"], left * value / quantity)
        elif self.lines[key][0]["currency"] == bill["currency"] and value > billed - gone[0]:
            say("match.credit_over_billed", line["line"], value - max(Fraction(0), billed - gone[0]))
        gone[0] += value

    def codes(self, line: dict[str, Any], ordered: dict[str, Any], say: Any) -> None:
        ours, theirs = ordered.get("tax_codes", []), line.get("tax_codes", [])
        if set(ours) == set(theirs):
            return
        base = Fraction(line["amount"])
        due = base * sum((self.rate(code) for code in ours), Fraction(0))
        if not theirs:
            say("tax.missing", line["line"], -due)
        else:
            say("tax.code_differs", line["line"], base * sum((self.rate(code) for code in theirs), Fraction(0)) - due)

    def charges(self, bill: dict[str, Any], orders: dict[str, Any], before: Any, charged: Any, say: Any) -> Fraction:
        tolerated = Fraction(0)
        bounds = self.policy["charge"]
        planned = [(name, one) for name, order in orders.items() for one in order.get("charge", [])]
        if planned and (len(orders) != 1 or any(one.get("line") or one.get("supplier") for _, one in planned)):
            raise NotCovered("planned charges")
        if any(order["currency"] != bill["currency"] for order in orders.values()):
            kinds = {one["kind"] for _, one in planned}  # numbers in different currencies are never compared
            bill = {**bill, "charge": [one for one in bill.get("charge", []) if one["kind"] not in kinds]}
            planned = []
        others = []
        given = set()
        for charge in bill.get("charge", []):
            given.add(charge["kind"])
            if any(one["kind"] == charge["kind"] for _, one in planned):
                tolerated += self.planned(
                    charge["line"], charge["kind"], Fraction(charge["amount"]), planned, before, charged, say
                )
            elif Fraction(charge["amount"]) > 0:
                others.append(charge)
        for kind in sorted({one["kind"] for _, one in planned if Fraction(one["amount"]) < 0} - given):
            tolerated += self.planned(0, kind, Fraction(0), planned, before, charged, say)
        total = sum((Fraction(one["amount"]) for one in others), Fraction(0))
        goods = sum((Fraction(one["amount"]) for one in bill.get("line", [])), Fraction(0))
        if total <= 0:
            return tolerated
        if self.within(total, max(Fraction(0), goods), bounds["unplanned_percent"], bounds["unplanned_absolute"]):
            return tolerated + total
        for charge in others:
            say("charge.unplanned", charge["line"], Fraction(charge["amount"]))
        return tolerated

    def planned(
        self, number: int, kind: str, amount: Fraction, planned: list[Any], before: Any, charged: Any, say: Any
    ) -> Fraction:
        name = planned[0][0]
        agreed = sum((Fraction(one["amount"]) for _, one in planned if one["kind"] == kind), Fraction(0))
        lines = [(key, line) for key, (order, line) in self.lines.items() if key[0] == name]
        total = sum((Fraction(line["quantity"]) * self.price(line) for _, line in lines), Fraction(0))
        done = sum((before.get(key, Fraction(0)) * self.price(line) for key, line in lines), Fraction(0))
        if not total:
            raise NotCovered("charges on free goods")
        share = min(Fraction(1), done / total)
        due = agreed * share - charged.get((name, kind), Fraction(0))
        charged[name, kind] = charged.get((name, kind), Fraction(0)) + min(amount, due)
        over = amount - due
        bounds = self.policy["charge"]
        if over <= 0:
            return Fraction(0)
        if self.within(over, abs(due), bounds["planned_upper_percent"], bounds["planned_upper_absolute"]):
            return over
        say("charge.over_planned", number, over)
        return Fraction(0)

    def tax(self, bill: dict[str, Any], say: Any) -> Fraction:
        currency = bill["currency"]
        half = Fraction(1, 2 * 10 ** DIGITS.get(currency, 2))
        parts = [*bill.get("line", []), *bill.get("charge", [])]
        billed: dict[str, Fraction] = {}
        for one in bill.get("taxes", []):
            billed[one["code"]] = billed.get(one["code"], Fraction(0)) + Fraction(one["amount"])
        bounds = self.policy["tax"]
        tolerated = expected = Fraction(0)
        codes = dict.fromkeys([code for one in parts for code in one.get("tax_codes", [])] + list(billed))
        for code in codes:
            bases = [Fraction(one["amount"]) for one in parts if code in one.get("tax_codes", [])]
            due = sum(bases, Fraction(0)) * self.rate(code)
            expected += due
            off = billed.get(code, Fraction(0)) - due
            if abs(off) <= len(bases) * half:
                continue
            side = "upper" if off > 0 else "lower"
            if self.within(abs(off), abs(due), bounds[f"{side}_percent"], bounds[f"{side}_absolute"]):
                tolerated += max(Fraction(0), off)
                continue
            word = "over" if off > 0 else "under"
            say(f"tax.amount_{word}", 0, billed.get(code, Fraction(0)) - self.money(due, currency))
        ratio = bounds["ratio_percent"]
        all_tax = sum(billed.values(), Fraction(0))
        if ratio != "ignore" and all_tax * 100 > Fraction(bill["net"]) * (0 if ratio == "exact" else Fraction(ratio)):
            say("tax.ratio_implausible", 0, all_tax - self.money(expected, currency))
        return tolerated

    # The outcome

    def outcome(
        self,
        bill: dict[str, Any],
        found: dict[tuple[str, int], Fraction | None],
        excess: dict[int, Fraction],
        *,
        live: bool,
    ) -> Said:
        codes = {code for code, _ in found}
        credit = bill.get("kind") == "credit"
        grace = self.policy["receipt_grace_days"]
        if not codes - {"match.small_difference"}:
            verdict = "post"
        elif codes & {"duplicate.exact", "match.arithmetic"}:
            verdict = "reject"
        else:
            waits = codes - {"match.small_difference"} <= {"match.not_received", "service.no_entry"}
            days = (self.as_of - bill.get("arrived", bill["date"])).days
            verdict = "park" if waits and (grace == "ignore" or (grace != "exact" and days <= int(grace))) else "hold"
        gross = Fraction(bill["gross"])
        if verdict == "post":
            return verdict, found, -gross if credit else gross, Fraction(0)
        pays = self.released(bill, found, excess) if live and verdict != "reject" else Fraction(0)
        return verdict, found, -pays if credit else pays, self.at_risk(bill, found)

    def released(self, bill: dict[str, Any], found: Any, excess: dict[int, Fraction]) -> Fraction:
        mode = self.policy["partial_release"]
        if mode == "no" or any(line == 0 and code != "match.small_difference" for code, line in found):
            return Fraction(0)
        if bill.get("kind") == "credit":
            raise NotCovered("a credit paid in part")
        net: list[tuple[Fraction, list[str]]] = []
        goods = Fraction(0)
        for line in bill.get("line", []):
            codes = {code for code, number in found if number == line["line"]}
            part = Fraction(0)
            if not codes:
                part = Fraction(line["amount"])
            elif mode == "proven" and codes <= PROVEN:
                _, ordered = self.lines[self.key(bill, line)]
                whole = Fraction(line["quantity"]) * self.units(line, ordered)
                price = self.price(ordered) if "match.price_over_limit" in codes else self.value(line) / whole
                part = max(Fraction(0), whole - excess.get(line["line"], Fraction(0))) * price
            goods += part
            net.append((part, line.get("tax_codes", [])))
        if goods <= 0:
            return Fraction(0)
        for charge in bill.get("charge", []):
            if not any(number == charge["line"] for _, number in found):
                net.append((Fraction(charge["amount"]), charge.get("tax_codes", [])))
        if bill.get("charge"):
            raise NotCovered("a part payment beside charges")
        total = sum((part for part, _ in net), Fraction(0))
        for code in dict.fromkeys(code for _, each in net for code in each):
            base = sum((part for part, each in net if code in each), Fraction(0))
            total += self.money(base * self.rate(code), bill["currency"])
        return self.money(total, bill["currency"])

    def at_risk(self, bill: dict[str, Any], found: dict[tuple[str, int], Fraction | None]) -> Fraction:
        gross = max(Fraction(0), Fraction(bill["gross"]))
        codes = {code for code, _ in found}
        if codes & {"duplicate.exact", "duplicate.probable", "duplicate.cross_entity", "match.arithmetic"}:
            return gross
        amounts = {line["line"]: Fraction(line["amount"]) for line in [*bill.get("line", []), *bill.get("charge", [])]}
        total = Fraction(0)
        unmeasured: set[int] = set()
        for (code, line), variance in found.items():
            if code in NO_RISK:
                continue
            if variance is not None:
                total += max(Fraction(0), variance)
            elif line == 0:
                total += gross
            elif line not in unmeasured:
                unmeasured.add(line)
                total += amounts.get(line, Fraction(0))
        return min(total, gross)
