"""Each family of the catalogue: what would clear it, who may do it, where, what it costs, and what would be wrong."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from support.worlds import one_line
from tripartite.core.counterfactuals import Counterfactual, alternatives, counterfactuals
from tripartite.core.counterfactuals.families import FAMILIES, wrong_deed
from tripartite.core.counterfactuals.search import MOST_BILLS
from tripartite.core.exceptions.reasons import OWNER_NAMES, reasons
from tripartite.core.exceptions.record import Alternative
from tripartite.core.matching.casefile import Case

Way = tuple[str, tuple[str, ...], str]


def found(world: dict[str, Any], code: str, line: int, invoice: str = "I") -> tuple[Counterfactual, ...]:
    """The proved ways out of one finding, which must stand."""
    case = Case(world)
    history = case.history()
    result = history.results[invoice]
    assert (code, line) in {(one.code, one.line) for one in result.findings}
    ways = counterfactuals(history.book(), result, policy_of=lambda _bill: case.policy, as_of=case.as_of)
    return ways.get((line, code), ())


def changed(path: str, **fields: Any) -> dict[str, Any]:
    """The clean world with one table of it changed, by its path."""
    world = one_line()
    place: Any = world
    for step in path.split("."):
        place = place[int(step)] if step.isdigit() else place[step]
    place.update(fields)
    return world


def billed(quantity: str, price: str = "10.00", **line: Any) -> dict[str, Any]:
    """The clean world with another quantity or price billed."""
    amount = format((Decimal(quantity) * Decimal(price)).quantize(Decimal("0.01")), "f")
    world = changed("invoice.0.line.0", quantity=quantity, price=price, amount=amount, **line)
    world["invoice"][0].update(net=amount, gross=amount)
    return world


def with_tax(amount: str, code: str = "V19", order_code: str = "V19") -> dict[str, Any]:
    """1,000.00 net with a tax."""
    world = changed("invoice.0.line.0", tax_codes=[code])
    world["order"][0]["line"][0]["tax_codes"] = [order_code]
    gross = format(Decimal("1000.00") + Decimal(amount), "f")
    world["invoice"][0].update(tax=amount, gross=gross, taxes=[{"code": code, "amount": amount}])
    world["tax"] = [{"code": "V19", "rate": "19"}, {"code": "V7", "rate": "7"}]
    return world


def mode(match: str, quantity: str = "35", **receipt: Any) -> dict[str, Any]:
    """40 @ 10 ordered in a mode, 32 proved, so much billed."""
    world = billed(quantity)
    world["order"][0]["line"][0].update(quantity="40", match=match)
    world["receipt"][0].update(**receipt)
    world["receipt"][0]["line"][0].update(quantity="32", accepted="32")
    return world


TABLE: dict[str, tuple[dict[str, Any], str, int, list[Way]]] = {
    "over received": (
        one_line(received="90"),
        "match.quantity_over_received",
        1,
        [
            ("10 EA more received for order PO line 1", ("receiving",), "0"),
            ("A credit memo of 10 EA, 100.00 EUR for line 1", ("supplier",), "0"),
            (
                "Short payment: 900.00 EUR is paid, and a debit memo of 100.00 EUR stands against line 1",
                ("ap", "buyer"),
                "0",
            ),
        ],
    ),
    "over ordered": (
        billed("105"),
        "match.quantity_over_ordered",
        1,
        [],
    ),
    "over accepted": (
        mode("four_way", "32"),
        "match.quantity_over_accepted",
        1,
        [],
    ),
    "price over": (
        one_line(price="10.80"),
        "match.price_over_limit",
        1,
        [
            ("A credit memo of 80.00 EUR for line 1", ("supplier",), "0"),
            (
                "Short payment: 1000.00 EUR is paid, and a debit memo of 80.00 EUR stands against line 1",
                ("ap", "buyer"),
                "0",
            ),
            ("A corrected invoice with line 1 at 10.00 EUR", ("supplier",), "0"),
            ("Price of order PO line 1 amended from 10.00 to 10.80 EUR", ("buyer", "approver"), "80"),
        ],
    ),
    "price under": (
        one_line(price="9.00"),
        "match.price_under_limit",
        1,
        [
            ("Price of order PO line 1 amended from 10.00 to 9.00 EUR", ("buyer", "approver"), "0"),
            ("A corrected invoice with line 1 at 10.00 EUR", ("supplier",), "0"),
        ],
    ),
    "awaited receipt": (
        one_line(received="0.01") | {"receipt": []},
        "match.not_received",
        1,
        [("100 EA more received for order PO line 1", ("receiving",), "0")],
    ),
    "service": (
        mode("service", kind="service_entry"),
        "service.over_entry",
        1,
        [
            ("3 EA more accepted as done for order PO line 1", ("receiving",), "0"),
            ("A credit memo of 3 EA, 30.00 EUR for line 1", ("supplier",), "0"),
            (
                "Short payment: 320.00 EUR is paid, and a debit memo of 30.00 EUR stands against line 1",
                ("ap", "buyer"),
                "0",
            ),
        ],
    ),
    "consignment": (
        mode("consignment", kind="withdrawal"),
        "match.quantity_over_withdrawn",
        1,
        [
            ("3 EA more withdrawn from consignment for order PO line 1", ("receiving",), "0"),
            ("A credit memo of 3 EA, 30.00 EUR for line 1", ("supplier",), "0"),
            (
                "Short payment: 320.00 EUR is paid, and a debit memo of 30.00 EUR stands against line 1",
                ("ap", "buyer"),
                "0",
            ),
        ],
    ),
    "tax over": (
        with_tax("200.00"),
        "tax.amount_over",
        0,
        [
            ("A corrected invoice with a tax of 190.00 EUR", ("supplier",), "0"),
            ("A quote of the tax engine that comes to the billed tax of 200.00 EUR", ("tax",), "10"),
        ],
    ),
    "tax under": (
        with_tax("180.00"),
        "tax.amount_under",
        0,
        [
            ("A quote of the tax engine that comes to the billed tax of 180.00 EUR", ("tax",), "0"),
            ("A corrected invoice with a tax of 190.00 EUR", ("supplier",), "0"),
        ],
    ),
    "tax code with the order's amount": (
        with_tax("70.00", code="V19", order_code="V7"),
        "tax.code_differs",
        1,
        [
            (
                "The supplier's word for V19 mapped to V7, by tax and a second person",
                ("tax", "approver"),
                "0",
            ),
            ("A corrected invoice with line 1 under V7", ("supplier",), "0"),
            ("Tax code of order PO line 1 amended from V7 to V19", ("buyer", "tax"), "120"),
        ],
    ),
    "bank": (
        changed("invoice.0", remit_to="DE-NEW-7788") | {"supplier": [{"id": "S", "bank": "DE-OLD-1122"}]},
        "supplier.bank_mismatch",
        0,
        [
            (
                "The account ending in 7788 confirmed on a number already on file, by two people",
                ("supplier_master", "treasury"),
                "0",
            ),
            ("A corrected invoice that names an account already on file, or none", ("supplier",), "0"),
        ],
    ),
    "supplier inactive": (
        one_line(supplier=[{"id": "S", "status": "inactive"}]),
        "supplier.inactive",
        0,
        [("Supplier S reactivated after validation", ("supplier_master",), "0")],
    ),
    "other supplier's order": (
        changed("invoice.0", supplier="T"),
        "supplier.mismatch",
        0,
        [
            (
                "Supplier T and supplier S confirmed to be one legal entity; order PO carries the record that bills",
                ("supplier_master", "buyer"),
                "0",
            )
        ],
    ),
    "order closed": (
        changed("order.0", status="closed"),
        "reference.order_closed",
        1,
        [("Order PO opened again", ("buyer", "approver"), "0")],
    ),
    "order in draft": (
        changed("order.0", status="draft"),
        "reference.order_not_approved",
        1,
        [("Order PO approved", ("approver",), "0")],
    ),
    "currency": (
        changed("invoice.0", currency="USD"),
        "currency.mismatch",
        0,
        [
            ("The invoice issued again in EUR", ("supplier",), "0"),
            ("Order PO amended to USD", ("buyer", "approver"), "0"),
        ],
    ),
    "arithmetic": (
        changed("invoice.0", gross="1001.50"),
        "match.arithmetic",
        0,
        [("A corrected invoice whose parts add up: 1000.00 EUR in all", ("supplier",), "0")],
    ),
    "too early": (
        changed("order.0.line.0", due=date(2026, 3, 12)) | {"policy": {"early": {"value_days": "8000"}}},
        "terms.early",
        1,
        [
            ("The date passing: it clears by itself on 2026-03-04", (), "0"),
            ("The agreed date of order PO line 1 moved to 2026-03-02", ("buyer", "approver"), "0"),
        ],
    ),
}
TABLE["over accepted"][0]["receipt"][0]["line"][0]["accepted"] = "30"
TABLE["over ordered"][0]["receipt"][0]["line"][0]["quantity"] = "105"
TABLE["over ordered"][0]["order"][0]["line"][0]["match"] = "two_way"
TABLE["over ordered"][3].extend(
    [
        ("A credit memo of 5 EA, 50.00 EUR for line 1", ("supplier",), "0"),
        (
            "Short payment: 1000.00 EUR is paid, and a debit memo of 50.00 EUR stands against line 1",
            ("ap", "buyer"),
            "0",
        ),
        ("Quantity of order PO line 1 raised from 100 to 105 EA", ("buyer", "approver"), "50"),
    ]
)
TABLE["over accepted"][3].extend(
    [
        ("2 EA more accepted by inspection for order PO line 1", ("quality", "receiving"), "0"),
        ("A credit memo of 2 EA, 20.00 EUR for line 1", ("supplier",), "0"),
        (
            "Short payment: 300.00 EUR is paid, and a debit memo of 20.00 EUR stands against line 1",
            ("ap", "buyer"),
            "0",
        ),
    ]
)


@pytest.mark.parametrize("family", TABLE)
def test_a_family_is_cleared_by_the_lawful_changes_of_the_table(family: str) -> None:
    world, code, line, wanted = TABLE[family]
    ways = found(world, code, line)
    assert [(one.offer.change, one.offer.by_roles, str(one.cost)) for one in ways] == wanted
    assert all(one.offer.where for one in ways)


def told(world: dict[str, Any], code: str, line: int) -> tuple[Alternative, ...]:
    case = Case(world)
    finding = next(one for one in case.play()["I"].findings if (one.code, one.line) == (code, line))
    return alternatives(finding, found(world, code, line), case.invoices[0][1], "Europe/Berlin")


def test_the_record_ranks_the_cheapest_first_and_says_last_what_would_be_wrong() -> None:
    world = changed("invoice.0", discount_percent="2", discount_days=10)
    world["invoice"][0]["line"][0].update(price="10.80", amount="1080.00")
    world["invoice"][0].update(net="1080.00", gross="1080.00")
    *ways, wrong = told(world, "match.price_over_limit", 1)
    assert [way.rank for way in ways] == list(range(1, len(ways) + 1))
    costs = [way.cost for way in ways]
    assert costs == sorted(cost for cost in costs if cost is not None)
    # The discount ends with the tenth day after 2 March, in the company's own time.
    assert {way.by_when for way in ways} == {datetime(2026, 3, 12, 23, tzinfo=UTC)}
    release = next(way for way in ways if way.field == "release")
    assert release.by_roles == ("buyer", "approver")
    assert release.cost == Decimal("80.00")
    amended = next(way for way in ways if way.field == "price" and "buyer" in way.by_roles)
    assert (amended.value_from, amended.value_to) == ("10.00", "10.80")
    assert wrong.by_roles == ()
    assert "AP edits the price" in wrong.change


def test_what_may_not_be_released_offers_no_release() -> None:
    ways = told(one_line() | {"receipt": []}, "match.not_received", 1)
    assert [way.field for way in ways if not way.wrong] == ["quantity_received"]


def test_a_second_look_has_a_release_and_nothing_else() -> None:
    case = Case(one_line(policy={"review_amount": "900"}))
    finding = case.play()["I"].findings[0]
    (way,) = alternatives(finding, (), case.invoices[0][1], "UTC")
    assert (way.field, way.by_roles) == ("release", ("control", "approver"))


def test_a_repeat_of_a_booked_invoice_has_no_way_out() -> None:
    world = one_line()
    world["invoice"].append({**world["invoice"][0], "id": "again", "date": date(2026, 3, 3)})
    assert found(world, "duplicate.exact", 0, "again") == ()


def test_an_amended_price_that_would_put_an_older_bill_below_it_is_no_way_out() -> None:
    """Two part bills, 40 @ 10.00 and 60 @ 11.00: with the order at 11.00 the first would be too cheap."""
    world = billed("40")
    amount = "660.00"
    second = {**world["invoice"][0], "number": "J", "net": amount, "gross": amount}
    second["line"] = [{**world["invoice"][0]["line"][0], "quantity": "60", "price": "11.00", "amount": amount}]
    world["invoice"].append(second)
    fields = {
        way.offer.field for way in found(world, "match.price_over_limit", 1, "J") if "buyer" in way.offer.by_roles
    }
    assert fields == {"debit_memo"}


def test_an_order_raised_after_the_fact_still_waits_for_its_receipt() -> None:
    world = changed("invoice.0")
    del world["invoice"][0]["orders"]
    del world["invoice"][0]["line"][0]["order_line"]
    (way,) = found(world, "reference.order_missing", 1)
    assert way.leaves == ("match.not_received",)


def test_units_of_the_bill_are_used_where_the_order_has_no_decimal_for_them() -> None:
    """119 bottles are no decimal number of cases of twelve."""
    world = billed("120", unit="BT")
    world["order"][0]["line"][0].update(quantity="10", unit="CS", price="120.00")
    world["receipt"][0]["line"][0].update(quantity="119", unit="BT")
    world["conversion"] = [{"from": "CS", "to": "BT", "numerator": "12", "denominator": "1"}]
    ways = found(world, "match.quantity_over_received", 1)
    assert ways[0].offer.change == "1 BT more received for order PO line 1"


def test_a_neighbourhood_that_is_too_large_is_left_to_a_person() -> None:
    world = one_line(received="90")
    first = world["invoice"][0]
    small = {"net": "10.00", "gross": "10.00", "line": [{**first["line"][0], "quantity": "1", "amount": "10.00"}]}
    world["invoice"] += [
        {**first, **small, "number": f"N{place}", "date": date(2025, 1, 1)} for place in range(MOST_BILLS)
    ]
    world["order"][0]["line"][0]["quantity"] = "1000"
    assert found(world, "match.quantity_over_received", 1) == ()


def test_every_reason_with_a_family_is_in_the_catalogue_and_every_role_is_known() -> None:
    assert set(FAMILIES) <= set(reasons())
    assert {role for _, _, _, ways in TABLE.values() for _, roles, _ in ways for role in roles} <= {
        *OWNER_NAMES,
        "supplier",
    }


@pytest.mark.parametrize(
    "code",
    [
        "match.quantity_over_received",
        "match.quantity_over_ordered",
        "match.amount_over_order_limit",
        "match.price_over_limit",
        "match.not_received",
        "service.over_entry",
        "tax.code_differs",
        "supplier.mismatch",
        "supplier.bank_mismatch",
        "duplicate.probable",
    ],
)
def test_what_would_be_wrong_is_said_for_every_family_of_the_table(code: str) -> None:
    deed = wrong_deed(code)
    assert deed is not None
    assert all(deed)
