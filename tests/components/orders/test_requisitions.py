"""Requisitions with their approvals, their orders and their budget; whatever comes first, the end is the same."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest

from support.house import House, arrival, replaced
from support.papers import order
from tripartite.components.gateway.flows import ask_due
from tripartite.components.orders import budget_store
from tripartite.components.orders.flows import ask_budgets_again
from tripartite.connectors.coupa import simulator
from tripartite.connectors.coupa.transform import readers_for
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import (
    ANSWERS,
    ASKS,
    CANONICAL,
    DISPOSITIONS,
    ORDER_EVENTS,
    Answered,
    Ask,
    BudgetArrived,
    Disposed,
)
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.ids import correlation_of
from tripartite.core.money import Amount
from tripartite.core.objects import ApprovalStep, Budget, Requisition, RequisitionLine
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.protocol import Pulled, Raw, ReadResult

BOSS = ApprovalStep("boss", "approved", 1, date(2026, 11, 2))


def wish(number: str = "31007", amount: str = "900.00", **more: Any) -> Requisition:
    known: dict[str, Any] = {
        "number": number,
        "company_code": "DE01",
        "currency": "EUR",
        "status": "approved",
        "requester": "jdoe",
        "approver": "boss",
        "approvals": (BOSS,),
        "amount": Amount(amount),
        "cost_centre": "CC-100",
        "lines": (RequisitionLine(line=1, amount=Amount(amount), cost_centre="CC-100"),),
    }
    return Requisition(**{**known, **more})


def budget(remaining: str, number: str = "77", **more: Any) -> Budget:
    known: dict[str, Any] = {
        "company_code": "DE01",
        "currency": "EUR",
        "amount": Amount("5000"),
        "cost_centre": "CC-100",
    }
    return Budget(number=number, remaining=Amount(remaining), **{**known, **more})


def ordered(number: str, requisition: str = "31007", **more: Any) -> Any:
    return replaced(order(number, **more), requisition=requisition)


async def told(house: House, what: str) -> list[Message]:
    rows = await house.rows(
        "SELECT message_id, type, company_code, key, correlation_id, occurred_at, payload FROM bus.message"
        " WHERE topic = %s AND type = %s ORDER BY partition, position",
        ORDER_EVENTS,
        f"tripartite.{what}.v1",
    )
    return [Message(*row) for row in rows]


async def bring_budget(house: House, value: Budget) -> None:
    message = Message(
        house.ports.ids.new("msg"),
        "tripartite.budget.received.v1",
        value.company_code,
        value.number,
        "c_b",
        house.clock.at,
        codec.encode(BudgetArrived(value)),
        source="coupa",
    )
    await house.publish(Outgoing(CANONICAL["budget"], message))
    await house.pump()


async def answer(house: House, found: int = 0, failed: str = "") -> None:
    payload = codec.encode(Answered("DE01", "budget_check", "CC-100", house.clock.at, found, failed))
    message = Message(
        house.ports.ids.new("msg"),
        "tripartite.question.answered.v1",
        "DE01",
        "CC-100",
        "c_a",
        house.clock.at,
        payload,
    )
    await house.publish(Outgoing(ANSWERS, message))
    await house.pump()


async def open_codes(house: House) -> list[str]:
    rows = await house.rows("SELECT record FROM orders.requisition_exception WHERE state = 'open' ORDER BY reason_code")
    return [codec.decode(row[0], ExceptionRecord).reason_code for row in rows]


async def checks(house: House) -> list[tuple[Any, ...]]:
    return await house.rows(
        "SELECT requisition, version, outcome FROM orders.budget_check ORDER BY version, requisition"
    )


async def test_a_requisition_is_recorded_with_its_chain_and_its_leaf(house: House) -> None:
    await house.bring(wish())
    document = await house.value("SELECT document FROM orders.requisition")
    assert codec.decode(document, Requisition).approvals == (BOSS,)
    record = await house.value("SELECT record FROM audit.leaf WHERE kind = 'requisition.recorded'")
    assert b'"boss"' in record
    assert await open_codes(house) == []


@pytest.mark.parametrize("first", ["requisition", "order"])
async def test_a_requisition_and_its_order_end_under_one_correlation_whatever_came_first(
    house: House, first: str
) -> None:
    papers = [wish(), ordered("4500000001")]
    for value in papers if first == "requisition" else reversed(papers):
        await house.bring(value)
    shared = correlation_of("DE01", "4500000001")
    assert await house.rows("SELECT correlation_id, order_number FROM orders.requisition") == [(shared, "4500000001")]
    (joined,) = await told(house, "requisition.ordered")
    assert joined.correlation_id == shared
    words = await house.value("SELECT words FROM control.event WHERE type = 'tripartite.requisition.ordered.v1'")
    assert words == "Requisition 31007 of jdoe became order 4500000001; boss approved 2026-11-02"
    was = await house.value("SELECT was FROM orders.requisition_order")
    assert (was != shared) == (first == "requisition")


async def test_a_later_version_keeps_the_link_and_is_told_under_the_orders_correlation(house: House) -> None:
    await house.bring(wish(), ordered("4500000001"))
    await house.bring(wish(version=2, status="ordered"))
    shared = correlation_of("DE01", "4500000001")
    assert await house.rows("SELECT version, correlation_id, order_number FROM orders.requisition") == [
        (2, shared, "4500000001")
    ]
    said = [each.correlation_id == shared for each in await told(house, "requisition.recorded")]
    assert said == [False, True]
    assert len(await told(house, "requisition.ordered")) == 1


async def test_a_requisition_that_became_two_orders_is_linked_with_both(house: House) -> None:
    ends = set()
    papers = [wish(), ordered("4500000002"), ordered("4500000001")]
    for turn, arrivals in enumerate(itertools.permutations(papers)):
        renamed = [
            replaced(each, number=f"9{turn}")
            if isinstance(each, Requisition)
            else replaced(each, number=f"{each.number}{turn}", requisition=f"9{turn}")
            for each in arrivals
        ]
        for each in renamed:
            await house.publish(arrival(each), arrival(each))
            await house.bring(each)
        rows = await house.rows(
            "SELECT r.order_number, r.correlation_id, o.order_number, o.joined_at IS NOT NULL FROM orders.requisition r"
            " JOIN orders.requisition_order o ON o.requisition = r.number WHERE r.number = %s ORDER BY 3",
            f"9{turn}",
        )
        assert rows[0][1] == correlation_of("DE01", f"4500000001{turn}")
        ends.add(tuple((row[0][:10], row[2][:10], row[3]) for row in rows))
    assert ends == {(("4500000001", "4500000001", True), ("4500000001", "4500000002", True))}
    assert len(await told(house, "requisition.ordered")) == 12


async def test_what_was_raised_after_its_approval_is_an_exception_in_any_order_of_versions(house: House) -> None:
    for turn, versions in enumerate(itertools.permutations((1, 2, 3))):
        for version in versions:
            amount = {1: "100", 2: "100", 3: "150"}[version]
            await house.bring(wish(f"8{turn}", amount, version=version))
    assert await open_codes(house) == ["approval.changed_after"] * 6
    queue = await house.rows("SELECT DISTINCT object_kind, reason_code, money_at_risk FROM control.exception")
    assert [(row[0], row[1]) for row in queue] == [("requisition", "approval.changed_after")]
    await house.bring(wish("80", "150", version=4, approvals=(replaced(BOSS, decided_on=date(2026, 11, 9)),)))
    assert len(await open_codes(house)) == 5, "approved again"


async def test_an_agreed_requisition_with_an_open_step_is_an_exception_until_the_step_says_yes(house: House) -> None:
    waiting = (BOSS, ApprovalStep("cfo", "pending", 2))
    await house.bring(wish(approvals=waiting))
    assert await open_codes(house) == ["approval.missing"]
    await house.bring(wish(version=2, approvals=(BOSS, ApprovalStep("cfo", "approved", 2, date(2026, 11, 20)))))
    assert await open_codes(house) == []


async def test_stale_and_repeated_requisitions_are_disposed_of_as_such(house: House) -> None:
    for version in (2, 1):
        await house.bring(wish(version=version))
    await house.bring(wish(version=2), source="sap")
    found = [each.disposition for each in await house.messages(DISPOSITIONS, Disposed)]
    assert sorted(found) == ["duplicate", "stale"]


async def test_a_requisition_asks_for_its_budget_once_and_is_covered_or_not(house: House) -> None:
    await house.bring(wish(), wish("31008", "2000.00"))
    asked = [each for each in await house.messages(ASKS, Ask) if each.question == "budget_check"]
    assert {(each.roles, each.reference, each.parameters["cost_centre"]) for each in asked} == {
        (("procurement",), "CC-100", "CC-100")
    }
    assert await checks(house) == [("31007", 1, "pending"), ("31008", 1, "pending")]
    await bring_budget(house, budget("1000.00"))
    assert await checks(house) == [("31007", 1, "covered"), ("31008", 1, "insufficient")]
    assert await open_codes(house) == ["budget.insufficient"]
    words = await house.value("SELECT words FROM orders.budget_check WHERE requisition = '31008'")
    assert words.startswith("1000.00 EUR missing")
    assert len(await told(house, "budget.checked")) == 2
    await bring_budget(house, budget("3000.00"))
    assert (await checks(house), await open_codes(house)) == (
        [("31007", 1, "covered"), ("31008", 1, "covered")],
        [],
    )


async def test_the_answer_and_the_lines_may_come_in_either_order(house: House) -> None:
    await house.bring(wish())
    await answer(house, found=1)
    assert await checks(house) == [("31007", 1, "pending")], "what it brought has not been read yet"
    await bring_budget(house, budget("1000.00"))
    assert await checks(house) == [("31007", 1, "covered")]
    await answer(house, found=1)
    assert await checks(house) == [("31007", 1, "covered")]


async def test_no_line_and_no_answer_are_never_a_yes(house: House) -> None:
    await house.bring(wish())
    await answer(house, found=0)
    assert (await checks(house), await open_codes(house)) == ([("31007", 1, "not_checked")], ["budget.not_checked"])
    await house.bring(wish(version=2))
    await answer(house, failed="coupa: rate limit")
    assert await open_codes(house) == ["budget.not_checked"]
    await bring_budget(house, budget("1000.00"))
    assert await open_codes(house) == []


async def test_a_fresh_answer_is_not_asked_for_again_and_an_old_one_is(house: House) -> None:
    await house.bring(wish())
    await answer(house)
    await bring_budget(house, budget("1000.00"))
    house.clock.turn(60)
    await house.bring(wish("31008"))
    assert await checks(house) == [("31007", 1, "covered"), ("31008", 1, "covered")]
    house.clock.turn(600)
    await house.bring(wish("31009"))
    assert len([each for each in await house.messages(ASKS, Ask) if each.question == "budget_check"]) == 2


async def test_many_requisitions_of_one_cost_centre_are_decided_together_and_the_earlier_ones_left_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year's requisitions stand on a few cost centres: none of them is decided again for each that comes."""
    await house.bring(wish())
    await answer(house)
    await bring_budget(house, budget("1000.00"))
    before = len(await told(house, "budget.checked"))
    looked: list[int] = []
    live = budget_store.live_checks

    async def counted(*given: Any) -> Any:
        found = await live(*given)
        looked.append(len(found))
        return found

    monkeypatch.setattr(budget_store, "live_checks", counted)
    house.clock.turn(60)
    await house.bring(*(wish(str(number)) for number in range(31100, 31120)))
    assert {row[2] for row in await checks(house)} == {"covered"}
    assert len(await told(house, "budget.checked")) == before + 20
    assert sum(looked) == 20, "each is looked at once"


async def test_a_check_without_an_answer_is_asked_for_again_after_a_minute(house: House) -> None:
    await house.bring(wish())
    await ask_budgets_again(house.ports)
    house.clock.turn(61)
    await ask_budgets_again(house.ports)
    await ask_budgets_again(house.ports)
    assert len([each for each in await house.messages(ASKS, Ask) if each.question == "budget_check"]) == 2


async def test_what_is_ordered_is_not_checked_and_its_budget_findings_are_gone(house: House) -> None:
    await house.bring(wish(status="ordered"))
    assert await checks(house) == []
    await house.bring(wish("31008"))
    await answer(house)
    assert await open_codes(house) == ["budget.not_checked"]
    await house.bring(wish("31008", version=2, status="ordered"))
    assert await open_codes(house) == []


async def test_a_company_without_a_procurement_that_can_be_asked_is_not_asked(house: House) -> None:
    connections = tuple(each for each in house.ports.estate.connections if each.role != "procurement")
    house.ports.estate = replaced(house.ports.estate, connections=connections)
    await house.bring(wish())
    assert (await checks(house), await open_codes(house)) == ([], [])


async def test_facts_in_any_order_and_doubled_end_in_the_same_checks_and_exceptions(house: House) -> None:
    ends = set()
    for turn, order_of_facts in enumerate(itertools.permutations(range(3))):
        number, centre = f"7{turn}", f"CC-{turn}"
        value = wish(number, lines=(RequisitionLine(line=1, amount=Amount("900.00"), cost_centre=centre),))
        for fact in order_of_facts:
            for _ in range(2):
                if fact == 0:
                    await house.bring(value)
                elif fact == 1:
                    await bring_budget(house, budget("100.00", f"b{turn}", cost_centre=centre))
                else:
                    await house.bring(ordered(f"46000000{turn}", number))
        if order_of_facts.index(1) < order_of_facts.index(0):
            await bring_budget(house, budget("100.00", f"b{turn}", cost_centre=centre))  # the answer to its question
        row = await house.rows(
            "SELECT c.outcome, r.order_number = %s FROM orders.budget_check c JOIN orders.requisition r"
            " ON r.number = c.requisition WHERE r.number = %s",
            f"46000000{turn}",
            number,
        )
        ends.add(tuple(row))
    assert ends == {(("insufficient", True),)}
    assert await open_codes(house) == ["budget.insufficient"] * 6


async def test_the_question_reaches_coupas_own_words_and_comes_back_as_a_decision(house: House) -> None:
    """Through the door: a line of the simulated Coupa, brought by the answer, read, and decided."""
    bench = simulator.build({}, 3)
    bench.arrange({"budgets": [{"segments": ["1000", "CC-100"], "amount": "5000.00", "remaining": "1000.00"}]})
    row = next(iter(bench.arrange.__self__.records.tables["budget_lines"].values()))  # type: ignore[attr-defined]
    content = codec.encode(row)
    settings = {"cost_centre_from": "segment-2"}
    assert isinstance(readers_for(settings)["budget"](Raw(content, "application/json")), ReadResult)
    house.remotes["coupa"].answers["budget_check"] = [Pulled("budget", str(row["id"]), row["updated-at"], content)]
    await house.bring(wish())
    await ask_due(house.ports, house.door)
    await read_all(house)
    assert await checks(house) == [("31007", 1, "covered")]


async def read_all(house: House) -> None:
    while await house.pump():
        pass
