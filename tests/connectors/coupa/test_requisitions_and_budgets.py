"""Requisitions with who approved them and when, the orders they became, and what the budget still holds."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from connectors.coupa.support import World, norddal, order_form
from tripartite.connectors.coupa.transform import readers_for
from tripartite.core.money import Amount
from tripartite.core.objects import ApprovalStep, Budget, Order, Requisition
from tripartite.runtime.protocol import Pulled, Raw, ReadResult, Unreadable

SETTINGS = {"cost_centre_from": "segment-2"}
LINES = [
    {"quantity": "10", "price": "100.00", "supplier": "10300080", "segments": ["1000", "CC-100"]},
    {"amount": "250.00", "supplier": "10300080", "segments": ["1000", "CC-100"], "need_by": "2026-12-01"},
]


def read(item: Pulled, settings: dict[str, str] = SETTINGS) -> Any:
    result = readers_for(settings)[item.kind](Raw(item.content, item.media_type, "coupa"))
    assert isinstance(result, ReadResult), result
    return result.value


def world_with_requisition(**more: Any) -> tuple[World, int]:
    world = World(settings=SETTINGS)
    norddal(world)
    form = {"status": "approved", "currency": "EUR", "requested_by": "jdoe", "lines": LINES, **more}
    return world, world.arrange(requisitions=[form])["requisitions"][0]


async def test_a_requisition_carries_its_chain_its_cost_centre_and_its_amount() -> None:
    steps = [
        {"by": "lead", "at": "2026-11-01T09:00:00+00:00"},
        {"by": "boss", "at": "2026-11-02T09:00:00+00:00"},
        {"by": "cfo", "status": "pending_approval"},
    ]
    world, number = world_with_requisition(status="pending_approval", approvals=steps)
    (item,) = await world.client.ask("requisition_by_number", {"number": str(number)})
    value = read(item)
    assert isinstance(value, Requisition)
    assert (value.number, value.status, value.requester, value.approver) == (str(number), "pending", "jdoe", "boss")
    assert (value.amount, value.cost_centre, value.needed_on) == (Amount("1250.00"), "CC-100", date(2026, 12, 1))
    assert value.approvals == (
        ApprovalStep("lead", "approved", 1, date(2026, 11, 1)),
        ApprovalStep("boss", "approved", 2, date(2026, 11, 2)),
        ApprovalStep("cfo", "pending", 3),
    )


async def test_a_word_of_approval_that_nobody_knows_is_never_a_yes_and_stops_nobody() -> None:
    world, number = world_with_requisition(approvals=[{"by": "boss", "status": "nodded"}])
    (item,) = await world.client.ask("approval_status", {"number": str(number)})
    value = read(item)
    assert (value.approver, value.approvals[0].decision) == ("", "unknown")


async def test_an_order_carries_the_approvals_of_the_requisition_it_came_from() -> None:
    world, number = world_with_requisition(approved_by="boss")
    world.arrange(orders=[order_form("PO-0001", requisition=number)])
    (item,) = await world.client.ask("order_by_number", {"number": "PO-0001"})
    value = read(item, {})
    assert isinstance(value, Order)
    assert (value.requisition, value.requester, value.approver) == (str(number), "jdoe", "boss")
    assert [step.decision for step in value.approvals] == ["approved"]


async def test_lines_of_two_cost_centres_leave_the_header_open() -> None:
    other = {"quantity": "1", "price": "5.00", "segments": ["1000", "CC-200"]}
    world, number = world_with_requisition(lines=[LINES[0], other])
    (item,) = await world.client.ask("requisition_by_number", {"number": str(number)})
    value = read(item)
    assert (value.cost_centre, [line.cost_centre for line in value.lines]) == ("", ["CC-100", "CC-200"])


@pytest.mark.parametrize("number", ["", "abc", "999999999"])
async def test_a_requisition_that_coupa_does_not_have_is_no_document(number: str) -> None:
    world, _ = world_with_requisition()
    assert await world.client.ask("requisition_by_number", {"number": number}) == ()


async def test_a_budget_question_brings_the_lines_of_that_cost_centre_alone() -> None:
    world = World(settings=SETTINGS)
    norddal(world)
    world.arrange(
        budgets=[
            {"segments": ["1000", "CC-100"], "amount": "5000.00", "remaining": "1200.50", "pending": "200.00"},
            {"segments": ["1000", "CC-200"], "amount": "9000.00"},
        ]
    )
    (item,) = await world.client.ask("budget_check", {"cost_centre": "CC-100"})
    value = read(item)
    assert isinstance(value, Budget)
    assert (value.amount, value.remaining, value.pending) == (Amount("5000.00"), Amount("1200.50"), Amount("200.00"))
    assert (value.company_code, value.currency, value.cost_centre) == ("DE01", "EUR", "CC-100")
    assert (value.starts_on, value.ends_on) == (date(2026, 1, 1), date(2026, 12, 31))


async def test_without_a_segment_for_the_cost_centre_nobody_can_ask_for_a_budget() -> None:
    world = World()
    norddal(world)
    world.arrange(budgets=[{"segments": ["1000", "CC-100"], "amount": "5000.00"}])
    assert await world.client.ask("budget_check", {"cost_centre": "CC-100"}) == ()


async def test_a_budget_line_without_a_cost_centre_is_unreadable_and_not_guessed() -> None:
    world = World(settings=SETTINGS)
    world.arrange(budgets=[{"segments": ["1000", "CC-100"], "amount": "5000.00"}])
    (item,) = await world.client.ask("budget_check", {"cost_centre": "CC-100"})
    result = readers_for({"cost_centre_from": "segment-5"})["budget"](Raw(item.content, item.media_type, "coupa"))
    assert isinstance(result, Unreadable)
