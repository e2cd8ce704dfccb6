"""What the bank sends, from end to end: nothing missing, whatever is doubled, late, reordered or cut."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from lxml import etree

from connectors.iso20022_bank.bank_bench import OURS, World, item, order, owed, payment, schema_of
from tripartite.connectors.iso20022_bank.client import BankTrouble
from tripartite.connectors.iso20022_bank.transform import READERS
from tripartite.connectors.simulating import Reply
from tripartite.core.money import Amount
from tripartite.core.objects import BankStatement, PaymentReport
from tripartite.runtime.protocol import Raw, Unreadable

THREE = order("ORD-1", *(payment(f"PAY-{n}", "10.00", place=n) for n in range(3)))


async def sent(world: World, value: object = THREE) -> None:
    await world.client.submit([owed(value)])  # type: ignore[arg-type]


def last_words(reports: list[PaymentReport]) -> dict[str, str]:
    return {each.number: each.status for report in reports for each in report.transfers}


# The way of an order.


async def test_nothing_is_transferred_to_an_account_that_is_closed_and_the_others_go_on() -> None:
    world = World()
    await sent(world)
    closed = world.bench.desk.ledger.orders["ORD-1"].transfers[1].creditor_account
    world.bench.arrange({"refuses": {closed: "AC04"}})
    world.done()
    shared = [each.creditor_account == closed for each in world.bench.desk.ledger.orders["ORD-1"].transfers]
    words = last_words(await world.reports())
    assert list(words.values()) == ["rejected" if each else "executed" for each in shared]
    booked = [each["bookings"] for each in world.bench.truth()["payments"].values()]
    assert booked == [0 if each else 1 for each in shared]


@pytest.mark.parametrize("version", ["old", "new"])
async def test_an_order_is_followed_from_receipt_to_booking_in_both_versions(version: str) -> None:
    world = World({"version": version})
    await sent(world)
    world.done()
    world.bench.arrange({"end_of_day": True})
    reports = await world.reports()
    assert [each.word for each in reports] == ["ACTC", "ACCP", "", "ACSC"]
    assert {each.order_number for each in reports} == {"ORD-1"}
    assert last_words(reports) == {"PAY-0": "executed", "PAY-1": "executed", "PAY-2": "executed"}
    notice, statement = await world.statements()
    assert (notice.kind, statement.kind) == ("notification", "statement")
    assert [each.payment_number for each in notice.entries] == ["PAY-0", "PAY-1", "PAY-2"]
    assert [each.key for each in notice.entries] == [each.key for each in statement.entries]
    assert (statement.opening, statement.closing) == (Amount("1000000.00"), Amount("999970.00"))
    assert world.bench.truth()["accounts"][OURS]["balance"] == "999970.00"


@pytest.mark.parametrize("references", ["unique", "shared", "missing"])
@pytest.mark.parametrize("booking", ["single", "batch"])
async def test_a_movement_has_one_key_however_the_bank_refers_to_it(references: str, booking: str) -> None:
    world = World({"references": references, "bookings": booking})
    await sent(world)
    await sent(world, order("ORD-2", *(payment(f"PAX-{n}", "10.00", place=n) for n in range(3))))
    world.done()
    world.bench.arrange({"returns": [{"end_to_end_id": "PAY-1", "reason": "AC04"}], "end_of_day": True})
    *notices, statement = await world.statements()
    told = [each.key for notice in notices for each in notice.entries]
    assert sorted(told) == sorted(each.key for each in statement.entries)
    assert len(set(told)) == len(told) == len(world.bench.truth()["entries"])
    if booking == "batch":
        debits = [each for each in statement.entries if each.direction == "debit"]
        assert [(each.order_number, each.count) for each in debits] == [("ORD-1", 3), ("ORD-2", 3)]
        assert [len(each.details) for each in notices[0].entries] == [3]


async def test_every_statement_begins_where_the_last_one_ended() -> None:
    world = World()
    for day in range(3):
        await sent(world, order(f"ORD-{day}", payment(f"PAY-{day}", "5.00")))
        world.done()
        world.bench.arrange({"end_of_day": True})
    statements = [each for each in await world.statements() if each.kind == "statement"]
    assert [each.sequence for each in statements] == ["1", "2", "3"]
    assert all(before.closing == after.opening for before, after in pairwise(statements))
    for each in statements:
        moved = sum(entry.amount if entry.direction == "credit" else -entry.amount for entry in each.entries)
        assert each.opening is not None
        assert each.opening + moved == each.closing


async def test_what_the_creditor_reads_comes_back_on_the_statement() -> None:
    world = World()
    several = payment("PAY-1", "80.00", items=(item("R-1", "100.00"), item("C-7", "-20.00")))
    await sent(world, order("ORD-1", several))
    world.done()
    (notice,) = await world.statements()
    (inside,) = notice.entries[0].details
    assert inside.remittance == ("R-1 100.00, C-7 -20.00",)
    assert inside.party is not None
    assert several.account is not None
    assert inside.party.account == several.account.account
    assert inside.uetr[14] == "4"


@pytest.mark.samples
@pytest.mark.parametrize("version", ["old", "new"])
async def test_what_the_bench_sends_is_valid_too(version: str) -> None:
    world = World({"version": version, "bookings": "batch"})
    world.fault("transfer", "rjct.transfer")
    world.fault("transfer", "redate")
    await sent(world)
    await sent(world, order("ORD-2", payment("PAY-9", "1.00")))
    world.done()
    world.bench.arrange({"returns": [{"end_to_end_id": "PAY-9"}], "end_of_day": True})
    kinds = {file.type for file in world.bench.files}
    assert len(kinds) == 3
    for file in world.bench.files:
        schema_of(file.content).assertValid(etree.fromstring(file.content))


# The bank's noes.


@pytest.mark.parametrize(("fault", "word", "reason"), [("rjct.group", "RJCT", "FF01"), ("rjct.block", "RJCT", "AG01")])
async def test_a_rejected_file_moves_no_money(world: World, fault: str, word: str, reason: str) -> None:
    world.fault("file", fault)
    await sent(world)
    world.done()
    last = (await world.reports())[-1]
    assert (last.status, last.word, last.reason) == ("rejected", word, reason)
    assert await world.statements() == []
    assert world.bench.truth()["entries"] == []


async def test_one_rejected_transfer_leaves_the_others_alone(world: World) -> None:
    world.fault("transfer", "rjct.transfer")
    await sent(world)
    world.done()
    reports = await world.reports()
    assert "PART" in [each.word for each in reports]
    assert last_words(reports) == {"PAY-0": "rejected", "PAY-1": "executed", "PAY-2": "executed"}
    (notice,) = await world.statements()
    assert [each.payment_number for each in notice.entries] == ["PAY-1", "PAY-2"]


async def test_a_transfer_that_the_bank_knows_already_is_not_paid_and_not_set_free(world: World) -> None:
    await sent(world)
    world.done()
    await sent(world, order("ORD-2", payment("PAY-0", "10.00"), payment("PAY-8", "1.00")))
    world.done()
    (twice,) = [each for report in await world.reports() for each in report.transfers if each.reason == "DU04"]
    assert (twice.number, twice.status, twice.word) == ("PAY-0", "pending", "RJCT")
    assert world.bench.truth()["payments"]["PAY-0"]["bookings"] == 1


async def test_a_rejected_transfer_may_be_ordered_again(world: World) -> None:
    world.fault("transfer", "rjct.transfer")
    await sent(world, order("ORD-1", payment("PAY-0"), payment("PAY-1")))
    world.done()
    await sent(world, order("ORD-2", payment("PAY-0")))
    world.done()
    assert last_words(await world.reports())["PAY-0"] == "executed"
    assert world.bench.truth()["payments"]["PAY-0"]["bookings"] == 1


async def test_a_changed_day_is_told_and_the_transfer_waits_for_it(world: World) -> None:
    world.fault("transfer", "redate")
    await sent(world, order("ORD-1", payment("PAY-0")))
    world.done()
    (told,) = (await world.reports())[-1].transfers
    assert (told.status, told.word, told.reason) == ("accepted", "ACWC", "DT06")
    assert told.detail == "will be executed on 2026-11-21"
    world.bench.arrange({"today": "2026-11-21"})
    world.done()
    assert last_words(await world.reports()) == {"PAY-0": "executed"}
    assert world.bench.truth()["payments"]["PAY-0"]["booked_on"] == "2026-11-21"


async def test_an_account_without_the_money_pays_nothing(world: World) -> None:
    world.bench.arrange({"funds": {OURS: "5.00"}})
    await sent(world)
    world.done()
    assert {each.reason for each in (await world.reports())[-1].transfers} == {"AM04"}
    assert world.bench.truth()["accounts"][OURS]["balance"] == "5.00"


async def test_money_that_comes_back_later_is_a_credit_with_its_reason(world: World) -> None:
    world.fault("transfer", "return", delay=86_400)
    await sent(world, order("ORD-1", payment("PAY-0")))
    world.done()
    world.later(86_400)
    debit, credit = (each.entries[0] for each in await world.statements())
    assert (debit.direction, credit.direction, credit.return_reason) == ("debit", "credit", "AC04")
    assert debit.payment_number == credit.payment_number == "PAY-0"
    assert debit.key != credit.key
    assert last_words(await world.reports()) == {"PAY-0": "executed"}  # a return changes no report
    assert world.bench.truth()["payments"]["PAY-0"]["returned"] == "AC04"


# Reports that are missing, doubled, late, broken.


async def test_a_missing_report_leaves_the_booking_to_speak(world: World) -> None:
    world.fault("file", "no_report", times=-1)
    await sent(world)
    world.done()
    assert await world.reports() == []
    (notice,) = await world.statements()
    assert len(notice.entries) == 3


async def test_a_doubled_report_comes_as_two_files_of_the_same_bytes(world: World) -> None:
    world.fault("file", "double_report")
    await sent(world)
    world.done()
    items, _ = await world.drain("payment_report")
    digests = [hashlib.sha256(each.content).hexdigest() for each in items]
    assert len(digests) == len(set(digests)) + 1


async def test_reports_out_of_order_say_the_same_in_the_end(world: World) -> None:
    plain = World()
    world.fault("file", "reorder")
    for each in (world, plain):
        await sent(each)
        each.done()
    out_of_order, in_order = await world.reports(), await plain.reports()
    assert [each.word for each in out_of_order] != [each.word for each in in_order]
    assert sorted(each.word for each in out_of_order) == sorted(each.word for each in in_order)


async def test_a_broken_file_is_brought_as_it_is_and_its_neighbours_too(world: World) -> None:
    world.fault("file", "garbled")
    await sent(world)
    world.done()
    items, _ = await world.drain("payment_report")
    results = [READERS["payment_report"](Raw(each.content, each.media_type)) for each in items]
    assert [isinstance(each, Unreadable) for each in results] == [True, False, False, False]


# Cursors.


async def test_pages_have_no_gap_while_new_files_come_and_the_client_restarts(world: World) -> None:
    cursor, found = "", []
    for place in range(12):
        await sent(world, order(f"ORD-{place}", payment(f"PAY-{place}")))
        world.done(2)
        world.client = world.connect()
        page = await world.client.pull("payment_report", cursor, 3)
        cursor = page.cursor
        found += page.items
    rest, cursor = await world.drain("payment_report", cursor, 3)
    world.done()
    more, _ = await world.drain("payment_report", cursor, 3)
    keys = [each.key for each in [*found, *rest, *more]]
    made = [file.file_id for file in world.bench.files if file.type.startswith("pain.002")]
    assert sorted(keys) == sorted(made)
    assert len(keys) == len(set(keys))


async def test_a_page_that_was_not_committed_comes_again(world: World) -> None:
    await sent(world)
    world.done()
    first = await world.client.pull("payment_report", "", 2)
    assert first.more
    again = await world.client.pull("payment_report", "", 2)
    assert first == again


async def test_a_file_that_is_shown_after_a_later_one_is_not_missed(world: World) -> None:
    world.fault("file", "late_file", delay=600)
    await sent(world)
    world.done()
    before, cursor = await world.drain("payment_report")
    world.later(600)
    after, _ = await world.drain("payment_report", cursor)
    assert len(before) == 3
    assert [each.key for each in after] == ["OUT000001"]


async def test_what_the_overlap_lists_again_is_not_fetched_again(world: World) -> None:
    await sent(world)
    world.done()
    _, cursor = await world.drain("payment_report")
    fetched = world.bench.calls["download"]
    again, cursor = await world.drain("payment_report", cursor)
    assert again == []
    assert world.bench.calls["download"] == fetched
    world.bench.files[0].content += b"\n"  # the bank replaces a file under its id
    changed, _ = await world.drain("payment_report", cursor)
    assert [each.key for each in changed] == ["OUT000001"]


async def test_a_forgotten_page_mark_begins_the_round_again_without_a_gap(world: World) -> None:
    await sent(world)
    world.done()
    world.fault("list", "mark_expired")
    found, _ = await world.drain("payment_report", limit=2)
    assert len({each.key for each in found}) == 4


async def test_a_file_that_is_listed_twice_is_brought_once(world: World) -> None:
    world.fault("list", "double_list", times=-1)
    await sent(world)
    world.done()
    found, _ = await world.drain("payment_report", limit=2)
    assert len(found) == len({each.key for each in found}) == 4


@pytest.mark.parametrize("fault", ["reply.5xx", "reply.429", "lie_html", "hang", "commit_then_cut"])
async def test_a_download_that_fails_stops_the_page_and_loses_nothing(world: World, fault: str) -> None:
    await sent(world)
    world.done()
    world.fault("download", fault, retry_after=3)
    with pytest.raises(BankTrouble) as caught:
        await world.client.pull("payment_report", "", 10)
    assert caught.value.retryable
    assert len((await world.client.pull("payment_report", "", 10)).items) == 4


async def test_a_download_that_did_not_arrive_whole_is_not_taken(world: World) -> None:
    await sent(world)
    world.done()
    world.line.twist["download"] = Reply(200, b"<Document/>", {"content-type": "application/xml"})
    with pytest.raises(BankTrouble, match="did not arrive whole"):
        await world.client.pull("payment_report", "", 10)


@pytest.mark.parametrize("fault", ["reply.5xx", "reply.429", "lie_html", "hang"])
async def test_a_list_that_fails_is_a_trouble_that_may_pass(world: World, fault: str) -> None:
    world.fault("list", fault, retry_after=3)
    with pytest.raises(BankTrouble) as caught:
        await world.client.pull("bank_statement", "", 10)
    assert caught.value.retryable
    assert caught.value.after_seconds == (3 if fault == "reply.429" else None)


async def test_a_slow_bank_is_waited_for_only_so_long(world: World) -> None:
    world.fault("list", "slow", delay=5)
    with pytest.raises(BankTrouble):
        await world.client.pull("bank_statement", "", 10)


async def test_a_file_with_several_statements_comes_as_one_for_each(world: World) -> None:
    world.bench.arrange({"end_of_day": True})
    world.bench.arrange({"end_of_day": True})
    first, second = world.bench.files
    inner = second.content[second.content.index(b"<Stmt>") : second.content.index(b"</BkToCstmrStmt>")]
    first.content = first.content.replace(b"</BkToCstmrStmt>", inner + b"</BkToCstmrStmt>")
    items, _ = await world.drain("bank_statement")
    assert [each.key for each in items] == ["OUT000001#1", "OUT000001#2", "OUT000002"]
    values = [world.read(each) for each in items]
    assert all(isinstance(each, BankStatement) for each in values)
    assert [each.sequence for each in values] == ["1", "2", "2"]
    assert await world.client.fetch("bank_statement", "OUT000001#2") == items[1]
    assert await world.client.fetch("bank_statement", "OUT000002") == items[2]
    assert await world.client.fetch("bank_statement", "OUT999999") is None
