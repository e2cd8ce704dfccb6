"""Whether the budget covers a wish: a table that a controller can read."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tripartite.core.budget import Wanted, budget_findings, check_budget, wanted_of
from tripartite.core.money import Amount
from tripartite.core.objects import Budget, Requisition, RequisitionLine

TODAY = date(2026, 11, 20)


def line(remaining: str, pending: str | None = None, **more: Any) -> Budget:
    known: dict[str, Any] = {
        "number": "1",
        "company_code": "DE01",
        "currency": "EUR",
        "amount": Amount("5000"),
        "cost_centre": "CC-100",
        "starts_on": date(2026, 1, 1),
        "ends_on": date(2026, 12, 31),
        "pending": Amount(pending) if pending is not None else None,
    }
    return Budget(remaining=Amount(remaining), **{**known, **more})


def wanted(amount: str | None = "900", **more: Any) -> Wanted:
    known: dict[str, Any] = {"company_code": "DE01", "cost_centre": "CC-100", "currency": "EUR", "on": TODAY}
    return Wanted(amount=Amount(amount) if amount is not None else None, **{**known, **more})


@pytest.mark.parametrize(
    ("title", "wish", "lines", "outcome", "available", "missing"),
    [
        ("what remains is enough", wanted(), [line("1000")], "covered", "1000", None),
        ("to the cent", wanted("1000.00"), [line("1000")], "covered", "1000", None),
        ("a cent too much", wanted("1000.01"), [line("1000")], "insufficient", "1000", "0.01"),
        ("what waits is taken off", wanted(), [line("1000", "300")], "insufficient", "700", "200"),
        ("its own wish is not taken off twice", wanted(counted=True), [line("1000", "900")], "covered", "1000", None),
        ("nor more than waits", wanted(counted=True), [line("1000", "100")], "covered", "1000", None),
        ("two lines of one cost centre add up", wanted(), [line("500"), line("400")], "covered", "900", None),
        ("overdrawn already", wanted("1"), [line("-50")], "insufficient", "-50", "51"),
        ("no line at all", wanted(), [], "not_checked", None, None),
        ("another cost centre's", wanted(), [line("1000", cost_centre="CC-200")], "not_checked", None, None),
        ("another company's", wanted(), [line("1000", company_code="PL02")], "not_checked", None, None),
        ("last year's", wanted(), [line("1000", ends_on=date(2025, 12, 31))], "not_checked", None, None),
        ("another currency's", wanted(), [line("1000", currency="USD")], "not_checked", None, None),
        ("no amount is stated", wanted(None), [line("1000")], "not_checked", None, None),
    ],
)
def test_a_wish_is_compared_with_the_lines_of_its_company_cost_centre_and_day(
    title: str, wish: Wanted, lines: list[Budget], outcome: str, available: str | None, missing: str | None
) -> None:
    found = check_budget(wish, lines)
    assert found.outcome == outcome, title
    assert found.available == (Amount(available) if available else None), title
    assert found.missing == (Amount(missing) if missing else None), title
    assert found.words


def test_a_requisition_asks_each_cost_centre_for_its_lines_alone() -> None:
    def part(number: int, centre: str, amount: str | None, needed_on: date | None = None) -> RequisitionLine:
        stated = Amount(amount) if amount else None
        return RequisitionLine(line=number, amount=stated, cost_centre=centre, needed_on=needed_on)

    requisition = Requisition(
        number="31007",
        company_code="DE01",
        currency="EUR",
        status="pending",
        lines=(
            part(1, "CC-100", "10", date(2027, 2, 1)),
            part(2, "CC-200", "5"),
            part(3, "CC-100", "20", date(2027, 1, 5)),
            part(4, "CC-300", None),
            part(5, "", "99"),
            part(6, "CC-400", "1", date(2020, 1, 1)),
        ),
    )
    asked = {each.cost_centre: (each.amount, each.on, each.counted) for each in wanted_of(requisition, TODAY)}
    assert asked == {
        "CC-100": (Amount("30"), date(2027, 1, 5), True),
        "CC-200": (Amount("5"), TODAY, True),
        "CC-300": (None, TODAY, True),
        "CC-400": (Amount("1"), TODAY, True),
    }


def test_only_a_clear_yes_finds_nothing() -> None:
    found = budget_findings(
        [("covered", "fine", None), ("insufficient", "short", Amount("5")), ("not_checked", "?", None)]
    )
    assert [each.code for each in found] == ["budget.insufficient", "budget.not_checked"]
