"""A receipt of the warehouse reaches procurement and the ERP once, never goes back, and never counts twice."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from support.clones import Clones
from support.estates import development_estate, with_mode
from support.house import House, arrival, replaced
from support.papers import ORDER, invoice, order, receipt, supplier
from support.times import MORNING
from tripartite.components.receipts import publishing
from tripartite.connectors import registry
from tripartite.core import codec
from tripartite.core.events import DISPOSITIONS, RECEIPT_EVENTS, Disposed
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.objects import Receipt
from tripartite.runtime.deliveries import OUTCOMES, Timing
from tripartite.runtime.protocol import Rejected, Settled

CAME = "SELECT quantity FROM invoices.releasable WHERE receipt_number = ''"
WAREHOUSE = "einvoice"  # a channel of documents: neither procurement nor the ERP
STATES = "SELECT number, connection, state FROM receipts.publication ORDER BY number, version, connection"


@pytest.fixture
def erp_takes_receipts() -> None:
    """SAP's connector takes receipts, as it does in truth."""


@pytest.fixture(autouse=True)
def procurement_alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a test asks for the ERP too, its connector is one that cannot take receipts: one story at a time."""

    def writes(kind: str) -> Any:
        found = registry.manifest(kind).writes
        return tuple(each for each in found if kind != "sap_s4hana" or each != "record_receipt")

    if "erp_takes_receipts" not in request.fixturenames:
        monkeypatch.setattr(publishing, "writes", writes)


def sent(house: House, name: str = "coupa") -> list[Receipt]:
    return [codec.decode(item.payload, Receipt) for call in house.remotes[name].calls for item in call]


async def settle(house: House) -> None:
    while await house.pump() + await house.deliver("coupa", "sap"):
        pass


async def open_codes(house: House) -> list[str]:
    rows = await house.rows("SELECT record FROM receipts.exception WHERE state = 'open' ORDER BY exception_id")
    return [codec.decode(row[0], ExceptionRecord).reason_code for row in rows]


async def numbers(house: House) -> list[str]:
    return [row[0] for row in await house.rows("SELECT number FROM receipts.receipt ORDER BY 1")]


@pytest.mark.usefixtures("erp_takes_receipts")
async def test_a_receipt_of_the_warehouse_is_told_to_procurement_and_to_the_erp_of_the_route(house: House) -> None:
    await house.bring(supplier(), order())
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    await settle(house)
    for name in ("coupa", "sap"):
        (told,) = sent(house, name)
        assert (told.number, told.lines[0].quantity, told.lines[0].order_number) == ("GR-1", 6, ORDER)
    assert sent(house, "acme") == []
    published = await house.messages(RECEIPT_EVENTS, dict)
    states = [each for each in published if "connection" in each]
    assert sorted((each["connection"], each["state"]) for each in states) == [("coupa", "settled"), ("sap", "settled")]
    assert all(each["remote_ref"] for each in states)


@pytest.mark.usefixtures("erp_takes_receipts")
@pytest.mark.parametrize("source", ["coupa", "sap"])
async def test_what_procurement_or_the_erp_booked_itself_is_not_sent_round(house: House, source: str) -> None:
    await house.bring(order())
    await house.bring(receipt("GR-1", "6"), source=source)
    await settle(house)
    assert await house.rows(STATES) == []


async def test_a_system_that_gets_its_receipts_elsewhere_is_owed_none(clones: Clones, tmp_path: Path) -> None:
    estate = development_estate()
    coupa = replaced(estate.connection("coupa"), settings={"publish_receipts": "off"})
    others = tuple(coupa if each.name == "coupa" else each for each in estate.connections)
    house = House(clones, clones.fresh(MORNING), tmp_path, replaced(estate, connections=others))
    await house.db.open()
    await house.bring(supplier(), order())
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    assert await house.rows(STATES) == []
    await house.close()


async def test_a_connector_that_cannot_take_receipts_is_not_owed_any(house: House) -> None:
    await house.bring(order(company="AT04"))
    await house.bring(receipt("GR-1", "6", company="AT04"), source=WAREHOUSE)
    assert await house.rows(STATES) == [("GR-1", "coupa", "owed")], "the small ERP of AT04 has no such write"


async def test_a_connection_that_is_observed_is_owed_and_sent_nothing(house: House) -> None:
    house.ports.estate = with_mode(development_estate(), "coupa", "observe")
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    await settle(house)
    assert await house.rows("SELECT mode, state FROM deliveries.delivery") == [("observe", "intended")]
    assert sent(house) == []


async def test_what_comes_back_under_the_other_sides_number_is_the_same_receipt(house: House) -> None:
    await house.bring(supplier(), order())
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    await settle(house)
    there = await house.value("SELECT remote_ref FROM receipts.publication")
    await house.bring(receipt(there, "6"), source="coupa")
    assert (await numbers(house), await house.value(CAME)) == (["GR-1"], 6)
    told = await house.messages(DISPOSITIONS, Disposed)
    assert [(each.disposition, each.detail) for each in told] == [("duplicate", "our receipt GR-1, told back")]


async def test_what_comes_back_before_the_answer_waits_for_it_and_is_then_known(house: House) -> None:
    await house.bring(supplier(), order())
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    house.remotes["coupa"].script.append("commit_then_hang")
    await house.deliver("coupa")
    there = next(iter(house.remotes["coupa"].ledger.values()))
    await house.bring(receipt(there, "6"), receipt("31042", "3"), source="coupa")
    assert (await numbers(house), await house.value(CAME)) == (["GR-1"], 6), "neither is believed yet"
    house.clock.turn(60)
    await settle(house)
    assert (await numbers(house), await house.value(CAME)) == (["31042", "GR-1"], 9)
    told = [each.disposition for each in await house.messages(DISPOSITIONS, Disposed)]
    assert sorted(told) == ["applied", "duplicate", "waiting", "waiting"]
    assert await house.value("SELECT count(*) FROM receipts.doubtful") == 0


async def test_our_mark_on_it_is_enough_even_while_no_answer_came(house: House) -> None:
    await house.bring(supplier(), order())
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    await house.bring(replaced(receipt("31042", "6"), origin="GR-1"), source="coupa")
    assert (await numbers(house), await house.value(CAME)) == (["GR-1"], 6)
    strange = replaced(receipt("31043", "2", of="4500000009"), origin="GR-77")
    await house.bring(strange, source="coupa")
    assert await numbers(house) == ["31043", "GR-1"], "a mark that leads nowhere makes nobody a twin"


async def test_any_order_of_arrival_and_any_repeat_ends_in_the_same_receipts(house: House) -> None:
    """The receipt, its reversal and what Coupa tells back, in every order, each twice."""
    outcomes = set()
    for place, arrivals in enumerate(itertools.permutations(range(3))):
        number = f"45000000{place + 10}"
        await house.bring(order(number))
        papers = [
            (receipt(f"GR-{place}", "6", of=number), WAREHOUSE),
            (receipt(f"GR-{place}R", "6", of=number, kind="reversal", takes_from=f"GR-{place}"), WAREHOUSE),
            (replaced(receipt(f"9{place}", "6", of=number), origin=f"GR-{place}"), "coupa"),
        ]
        if arrivals.index(2) < arrivals.index(0):
            continue  # nothing comes back that was not sent
        for each in arrivals:
            value, source = papers[each]
            await house.publish(arrival(value, source), arrival(value, source))
            await house.bring(value, source=source)
            await settle(house)
        state = await house.rows(
            "SELECT kind, count(*) FROM receipts.receipt r JOIN receipts.of_order o USING (company_code, number)"
            " WHERE o.order_number = %s GROUP BY 1 ORDER BY 1",
            number,
        )
        told = await house.rows(
            "SELECT replace(number, %s, ''), state FROM receipts.publication WHERE number LIKE %s ORDER BY 1",
            f"GR-{place}",
            f"GR-{place}%",
        )
        outcomes.add((tuple(state), tuple(told)))
    assert outcomes == {((("receipt", 1), ("reversal", 1)), (("", "settled"), ("R", "settled")))}
    assert all(count == 1 for count in house.remotes["coupa"].effects.values())


async def test_a_reversal_names_the_original_by_the_other_sides_number_and_waits_for_it(house: House) -> None:
    await house.bring(order())
    await house.bring(receipt("GR-1R", "6", kind="reversal", takes_from="GR-1"), source=WAREHOUSE)
    await settle(house)
    assert (sent(house), await house.rows(STATES)) == ([], [("GR-1R", "coupa", "waiting")])
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    await settle(house)
    first, second = sent(house)
    there = await house.value("SELECT remote_ref FROM receipts.publication WHERE number = 'GR-1'")
    assert (first.number, second.number, second.lines[0].takes_from) == ("GR-1", "GR-1R", there)


async def test_a_return_of_what_procurement_booked_keeps_procurements_number(house: House) -> None:
    await house.bring(order(), receipt("31042", "10"))
    await house.bring(receipt("RT-1", "2", kind="return", takes_from="31042"), source=WAREHOUSE)
    await settle(house)
    (told,) = sent(house)
    assert told.lines[0].takes_from == "31042"


@pytest.mark.parametrize("together", [True, False])
async def test_what_is_booked_anew_waits_until_what_was_undone_is_taken_back(house: House, together: bool) -> None:
    """Nobody takes more than was ordered: the receipt, its reversal and the new receipt arrive there in this order."""
    await house.bring(order())
    undone = receipt("GR-1R", "10", kind="reversal", takes_from="GR-1")
    if together:
        await house.bring(receipt("GR-1", "10"), undone, receipt("GR-2", "9"), source=WAREHOUSE)
    else:
        for each in (receipt("GR-1", "10"), undone, receipt("GR-2", "9")):
            await house.bring(each, source=WAREHOUSE)
    states = {row[0]: row[2] for row in await house.rows(STATES)}
    assert states == {"GR-1": "owed", "GR-1R": "waiting", "GR-2": "waiting"}
    await settle(house)
    assert [each.number for each in sent(house)] == ["GR-1", "GR-1R", "GR-2"]
    assert {row[2] for row in await house.rows(STATES)} == {"settled"}


async def test_a_receipt_does_not_wait_for_a_reversal_that_was_refused(house: House) -> None:
    await house.bring(order())
    await house.bring(receipt("GR-1", "10"), source=WAREHOUSE)
    await settle(house)
    house.remotes["coupa"].script.append("reject")
    undone = receipt("GR-1R", "10", kind="reversal", takes_from="GR-1")
    await house.bring(undone, receipt("GR-2", "9"), source=WAREHOUSE)
    await settle(house)
    states = {row[0]: row[2] for row in await house.rows(STATES)}
    assert states == {"GR-1": "settled", "GR-1R": "rejected", "GR-2": "settled"}
    assert await open_codes(house) == ["posting.rejected"]


async def test_a_reversal_in_procurement_of_our_receipt_takes_from_our_receipt(house: House) -> None:
    await house.bring(order())
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    await settle(house)
    there = await house.value("SELECT remote_ref FROM receipts.publication")
    await house.bring(receipt("31050", "6", kind="reversal", takes_from=there), source="coupa")
    document = await house.value("SELECT document FROM receipts.receipt WHERE number = '31050'")
    assert codec.decode(document, Receipt).lines[0].takes_from == "GR-1"
    assert await house.value(CAME) == 0


async def test_what_was_made_beside_a_correction_is_no_receipt_of_its_own(house: House) -> None:
    await house.bring(order())
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    await settle(house)
    house.remotes["coupa"].script.append(lambda item: Settled("32000;32001"))  # type: ignore[arg-type]
    await house.bring(receipt("GR-1", "4", version=2), source=WAREHOUSE)
    await settle(house)
    old = await house.value("SELECT remote_ref FROM receipts.publication WHERE version = 1")
    await house.bring(receipt("32001", "6", kind="reversal", takes_from=old), receipt("32000", "4"), source="coupa")
    assert (await numbers(house), await house.value(CAME)) == (["GR-1"], 4)


async def test_each_line_has_its_name_where_the_other_side_books_lines_apart(house: House) -> None:
    whole = receipt("GR-1", "6")
    two = replaced(whole, lines=(whole.lines[0], replaced(whole.lines[0], order_line=20, line=2)))
    house.remotes["coupa"].script.append(lambda item: Settled("501,502"))  # type: ignore[arg-type]
    await house.bring(two, source=WAREHOUSE)
    await settle(house)
    back = receipt("GR-1R", "6", kind="reversal", takes_from="GR-1", line=20)
    await house.bring(replaced(back, lines=(replaced(back.lines[0], line=2),)), source=WAREHOUSE)
    await settle(house)
    assert sent(house)[-1].lines[0].takes_from == "502"


async def test_a_refusal_is_an_exception_and_what_takes_back_the_refused_is_not_told(house: House) -> None:
    await house.bring(order())
    house.remotes["coupa"].script.append(lambda item: Rejected("line_unknown", "no line 10"))  # type: ignore[arg-type]
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    await settle(house)
    assert await open_codes(house) == ["posting.rejected"]
    queue = await house.rows("SELECT object_kind, object_id, reason_code FROM control.exception")
    assert queue == [("receipt", "DE01/GR-1", "posting.rejected")]
    published = [each for each in await house.messages(RECEIPT_EVENTS, dict) if "state" in each]
    assert [(each["state"], each["words"]) for each in published] == [("rejected", "line_unknown: no line 10")]
    await house.bring(receipt("GR-1R", "6", kind="reversal", takes_from="GR-1"), source=WAREHOUSE)
    await settle(house)
    assert await house.value("SELECT state FROM receipts.publication WHERE number = 'GR-1R'") == "dropped"


@pytest.mark.usefixtures("erp_takes_receipts")
async def test_one_side_that_answers_does_not_clear_the_silence_of_the_other(house: House) -> None:
    await house.bring(order())
    house.sap.script.append("lost")
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    await house.deliver("sap")
    await house.pump()
    assert await open_codes(house) == ["posting.outcome_unknown"]
    await house.deliver("coupa")
    await house.pump()
    assert await open_codes(house) == ["posting.outcome_unknown"]
    for _ in range(3):
        house.clock.turn(1800)
        await settle(house)
    assert await open_codes(house) == []


async def test_a_dead_letter_says_so_and_is_cleared_when_it_goes_through_after_all(house: House) -> None:
    await house.bring(order())
    house.remotes["coupa"].script.extend(["busy"] * 8)
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    for _ in range(9):
        await settle(house)
        house.clock.turn(600)
    assert await open_codes(house) == ["integration.retries_exhausted"]
    async with house.db.connection() as connection:
        await connection.execute(
            "UPDATE deliveries.delivery SET state = 'waiting', attempts = 0, reason_code = '', due_at = %s",
            (house.clock.at,),
        )
    await settle(house)
    assert (await open_codes(house), await house.rows(STATES)) == ([], [("GR-1", "coupa", "settled")])


async def test_outcomes_told_twice_change_nothing(house: House) -> None:
    await house.bring(order())
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    await settle(house)
    before = await house.rows("SELECT * FROM receipts.name")
    await house.rewind("receipts", OUTCOMES)
    await house.pump()
    assert await house.rows("SELECT * FROM receipts.name") == before
    published = [each for each in await house.messages(RECEIPT_EVENTS, dict) if "state" in each]
    assert len(published) == 1


async def test_a_worker_that_ends_while_sending_leaves_one_receipt_there(house: House) -> None:
    await house.bring(order())
    await house.bring(receipt("GR-1", "6"), source=WAREHOUSE)
    house.remotes["coupa"].script.append("raise_after_commit")
    await house.deliver("coupa")
    house.clock.turn(120)
    deliverer = house.deliverer("coupa", timing=Timing(60.0, 5.0))
    while await deliverer.once():
        pass
    await house.pump()
    assert list(house.remotes["coupa"].effects.values()) == [1]
    assert await house.rows(STATES) == [("GR-1", "coupa", "settled")]


async def test_a_receipt_of_the_warehouse_lets_the_invoice_be_posted_once(house: House) -> None:
    await house.bring(supplier(), order())
    await house.bring_invoice(invoice())
    await house.bring(receipt("GR-1", "10"), source=WAREHOUSE)
    await settle(house)
    there = await house.value("SELECT remote_ref FROM receipts.publication")
    await house.bring(receipt(there, "10"), source="coupa")
    await house.settle()
    assert (await house.state(), await house.value(CAME)) == ("posted", 10)
