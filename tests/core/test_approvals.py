"""What the approvals of a requisition leave open; an approval in procurement is not asked for again."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest

from tripartite.core.approvals import approval_findings, version_of
from tripartite.core.money import Amount
from tripartite.core.objects import ApprovalStep, Requisition

FIRST, SECOND = date(2026, 11, 2), date(2026, 11, 9)


def requisition(
    version: int, amount: str, *steps: tuple[str, str, date | None], status: Any = "approved"
) -> Requisition:
    chain = tuple(
        ApprovalStep(by, decision, place, day)  # type: ignore[arg-type]
        for place, (by, decision, day) in enumerate(steps, 1)
    )
    return Requisition(
        number="31007",
        company_code="DE01",
        currency="EUR",
        status=status,
        version=version,
        amount=Amount(amount),
        approvals=chain,
    )


BOSS = ("boss", "approved", FIRST)
AGAIN = ("boss", "approved", SECOND)


@pytest.mark.parametrize(
    ("title", "value", "codes"),
    [
        ("approved by all", requisition(1, "100", BOSS), []),
        ("approved by a rule, without a chain", requisition(1, "100"), []),
        ("a step still waits", requisition(1, "100", BOSS, ("cfo", "pending", None)), ["approval.missing"]),
        ("a step said no", requisition(1, "100", ("cfo", "rejected", FIRST)), ["approval.missing"]),
        ("a word nobody knows stops nobody", requisition(1, "100", ("cfo", "unknown", None)), []),
        ("not agreed yet", requisition(1, "100", ("cfo", "pending", None), status="pending"), []),
        ("taken back", requisition(1, "100", ("cfo", "rejected", FIRST), status="withdrawn"), []),
    ],
)
def test_an_agreed_requisition_has_the_yes_of_every_step(title: str, value: Requisition, codes: list[str]) -> None:
    assert [each.code for each in approval_findings(value, [])] == codes, title


@pytest.mark.parametrize(
    ("title", "earlier", "now", "found"),
    [
        ("raised and not approved again", requisition(1, "100", BOSS), requisition(2, "150", BOSS), True),
        (
            "raised and approved again",
            requisition(1, "100", BOSS),
            requisition(2, "150", ("boss", "approved", SECOND)),
            False,
        ),
        ("lowered", requisition(1, "100", BOSS), requisition(2, "80", BOSS), False),
        ("raised before it was approved", requisition(1, "100", status="pending"), requisition(2, "150", BOSS), False),
    ],
)
def test_more_than_was_approved_needs_another_approval(
    title: str, earlier: Requisition, now: Requisition, found: bool
) -> None:
    codes = [each.code for each in approval_findings(now, [version_of(earlier), version_of(now)])]
    assert codes == (["approval.changed_after"] if found else []), title


def test_the_difference_is_measured_from_the_lowest_and_the_order_of_versions_does_not_matter() -> None:
    versions = [
        version_of(requisition(number, amount, BOSS)) for number, amount in ((1, "100"), (2, "120"), (3, "150"))
    ]
    results = {
        tuple((each.code, each.variance) for each in approval_findings(requisition(3, "150", BOSS), order))
        for order in itertools.permutations(versions)
    }
    assert results == {(("approval.changed_after", Amount("50")),)}
