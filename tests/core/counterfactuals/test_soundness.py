"""Explanation soundness: whoever does what a counterfactual proposes finds that finding gone.

The change is made to the documents as a case file would state it and the whole history is played again, so nothing of
the search's own way of changing a scene is taken on trust.
"""

from copy import deepcopy
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import HealthCheck, event, given, settings

from support.worlds import one_line, worlds
from tripartite.core.counterfactuals import Counterfactual, counterfactuals
from tripartite.core.counterfactuals.acts import AmendLine, AmendOrder, PlanCharge, Receive
from tripartite.core.counterfactuals.corrections import Correct, Credit
from tripartite.core.matching.casefile import KINDS, Case
from tripartite.core.matching.replay import History
from tripartite.core.objects import Invoice

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LATER = date(2026, 4, 30)
_KEYS = {"supplier_id": "supplier"}  # our word of an order's head -> the case file's


def ways(case: Case, history: History) -> list[tuple[str, Counterfactual]]:
    """Every proposal for every invoice that is not to be posted."""
    found = []
    for name, result in history.results.items():
        if result.verdict == "post":
            continue
        by_key = counterfactuals(history.book(), result, policy_of=lambda _bill: case.policy, as_of=case.as_of)
        found += [(name, one) for several in by_key.values() for one in several]
    return found


def applied(world: dict[str, Any], case: Case, invoice_id: str, way: Counterfactual) -> dict[str, Any] | None:
    """The world with the proposed document or amendment coming last; None for acts that a case file has no word for."""
    changed = deepcopy(world)
    changed["as_of"] = case.as_of
    events = [{"kind": kind, "id": identity} for kind, identity in case.events]
    act = way.offer.act
    match act:
        case Receive():
            line = {
                "order": act.order,
                "order_line": act.order_line,
                "quantity": format(act.quantity, "f"),
                "accepted": format(act.quantity, "f"),
                "unit": act.unit,
            }
            receipt = {"number": act.number or "NEW", "id": "new", "kind": act.kind, "date": LATER, "line": [line]}
            changed.setdefault("receipt", []).append(receipt)
            events.append({"kind": "receipt", "id": "new"})
        case Credit():
            changed["invoice"].append(_credit(world, case, act))
            events.append({"kind": "invoice", "id": "new"})
        case AmendLine() | AmendOrder() | PlanCharge():
            order = deepcopy(next(one for one in world["order"] if one["number"] == act.order))
            order["id"] = "new"
            if isinstance(act, PlanCharge):
                charge = {"kind": act.kind, "amount": format(act.amount, "f"), "supplier": act.supplier}
                order["charge"] = [*(one for one in order.get("charge", []) if one["kind"] != act.kind), charge]
            elif isinstance(act, AmendOrder):
                order.update({_KEYS.get(name, name): _word(value) for name, value in act.fields.items()})
            else:
                line = next(one for one in order["line"] if one["line"] == act.order_line)
                line.update(_words(act.fields))
            changed["order"].append(order)
            events.append({"kind": "order", "id": "new"})
        case Correct():
            changed["invoice"].append(_corrected(act.document, invoice_id))
            events.append({"kind": "invoice", "id": "new"})
        case _:
            return None
    changed["event"] = events
    told: dict[str, Any] = _told(changed)
    return told


def _told(value: Any) -> Any:
    """The table without what is left empty: a case file says nothing then."""
    if isinstance(value, dict):
        return {key: _told(each) for key, each in value.items() if each != ""}
    return [_told(each) for each in value] if isinstance(value, list) else value


def _word(value: Any) -> Any:
    return format(value, "f") if isinstance(value, Decimal) else list(value) if isinstance(value, tuple) else value


def _words(fields: Any) -> dict[str, Any]:
    words: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "price_versions":
            words["price_version"] = [{"valid_from": one.valid_from, "price": format(one.price, "f")} for one in value]
        else:
            words[name] = str(value) if name == "price_per" else _word(value)
    return words


def _credit(world: dict[str, Any], case: Case, act: Credit) -> dict[str, Any]:
    """A credit memo as its sender would write it: net, and the tax of the line's first code on it."""
    source = next(one for one in world["invoice"] if one.get("id", one["number"]) == act.invoice)
    billed = next(one for one in source["line"] if one["line"] == act.line)
    line = {"line": 1, "order": act.order, "order_line": act.order_line, "amount": format(act.amount, "f")}
    if act.quantity is not None:
        line |= {"quantity": format(act.quantity, "f"), "unit": act.unit}
        if billed.get("receipt"):
            line["receipt"] = billed["receipt"]
    codes = billed.get("tax_codes", [])
    tax = Decimal(0)
    if codes:
        line["tax_codes"] = codes
        rate = next((entry.rate for entry in case.taxes if entry.code == codes[0]), Decimal(0))
        tax = (act.amount * rate / 100).quantize(Decimal("0.01"))
    return {
        "number": "NEW-CREDIT",
        "id": "new",
        "kind": "credit" if act.quantity is not None else "subsequent_credit",
        "supplier": source["supplier"],
        "company": source["company"],
        "currency": source["currency"],
        "date": source["date"],
        "original": act.invoice,
        "net": format(act.amount, "f"),
        "tax": format(tax, "f"),
        "gross": format(act.amount + tax, "f"),
        "taxes": [{"code": codes[0], "amount": format(tax, "f")}] if codes else [],
        "line": [line],
    }


def _corrected(doc: Invoice, replaced: str) -> dict[str, Any]:
    """A corrected invoice in the words of a case file."""
    words = {ours: theirs for theirs, ours in KINDS.items()}
    lines = []
    for line in doc.lines:
        one: dict[str, Any] = {
            "line": line.line,
            "item": line.item,
            "order": line.order_number,
            "unit": line.unit,
            "receipt": line.receipt_number,
            "tax_codes": list(line.tax_codes),
            "amount": format(line.amount or Decimal(0), "f"),
        }
        for name in ("quantity", "price", "price_per"):
            value = getattr(line, name)
            if value is not None:
                one[name] = format(value, "f")
        if line.order_line is not None:
            one["order_line"] = line.order_line
        lines.append(one)
    return {
        "number": doc.number,
        "id": "new",
        "kind": words.get(doc.kind, doc.kind),
        "supplier": doc.supplier_id,
        "company": doc.company_code,
        "currency": doc.currency,
        "date": doc.issued_on,
        "orders": list(doc.order_numbers),
        "original": doc.original,
        "replaces": replaced,
        "net": format(doc.net or Decimal(0), "f"),
        "tax": format(doc.tax or Decimal(0), "f"),
        "gross": format(doc.gross or Decimal(0), "f"),
        "taxes": [{"code": one.code, "amount": format(one.amount, "f")} for one in doc.taxes],
        "charge": [
            {"line": one.line, "kind": one.kind, "amount": format(one.amount, "f"), "tax_codes": list(one.tax_codes)}
            for one in doc.charges
        ],
        "line": lines,
    }


@settings(SETTINGS, max_examples=300)
@given(worlds())
def test_doing_what_is_proposed_clears_the_finding(world: dict[str, Any]) -> None:
    case = Case(world)
    history = case.history()
    for name, way in ways(case, history):
        changed = applied(world, case, name, way)
        if changed is None:
            continue
        act = way.offer.act
        event(type(act).__name__)
        after = Case(changed).play()
        target = "new" if isinstance(act, Correct) else name
        assert way.key not in {(one.line, one.code) for one in after[target].findings}, way.offer.change
        if isinstance(act, Correct):
            assert after[name].replaced
        if isinstance(act, Credit):
            assert after["new"].findings == (), way.offer.change


@SETTINGS
@given(worlds())
def test_no_proposal_makes_another_invoice_worse(world: dict[str, Any]) -> None:
    """What is good for one bill and bad for an older one is no way out."""
    case = Case(world)
    history = case.history()
    before = {name: {(one.line, one.code) for one in result.findings} for name, result in history.results.items()}
    for name, way in ways(case, history):
        changed = applied(world, case, name, way)
        if changed is None or isinstance(way.offer.act, Correct):
            continue  # a corrected bill comes after the others, which the search has judged; its history is longer
        for other, result in Case(changed).play().items():
            if other in before and other != name:
                new = {(one.line, one.code) for one in result.findings} - before[other]
                assert new <= {(0, "approval.changed_after")}, way.offer.change


@SETTINGS
@given(worlds())
def test_the_same_result_has_the_same_ways_out(world: dict[str, Any]) -> None:
    """Byte-equal, whatever path the match took and however often it is asked."""
    case = Case(world)
    quick, full = case.history(), case.history(fast=False)
    once, again = ways(case, quick), ways(case, full)
    assert [(name, way.key, way.leaves) for name, way in once] == [(name, way.key, way.leaves) for name, way in again]
    assert [msgspec.structs.asdict(way.offer) for _, way in once] == [
        msgspec.structs.asdict(way.offer) for _, way in again
    ]


def test_the_missing_quantity_is_neither_more_nor_less_than_it_takes() -> None:
    """90 came, 100 are billed: ten more clear it, nine do not."""
    world = one_line(received="90")
    case = Case(world)
    history = case.history()
    way = next(way for _, way in ways(case, history) if isinstance(way.offer.act, Receive))
    assert way.offer.act == Receive("PO", 1, Decimal(10), unit="EA")
    for quantity, clears in (("10", True), ("9", False)):
        act = msgspec.structs.replace(way.offer.act, quantity=Decimal(quantity))
        offer = msgspec.structs.replace(way.offer, act=act)
        changed = applied(world, case, "I", Counterfactual(way.key, offer))
        assert changed is not None
        assert (Case(changed).play()["I"].verdict == "post") is clears
