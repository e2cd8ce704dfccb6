"""The suite's behaviour and ours: every document comes in once, every outcome is told once, nothing is guessed."""

from __future__ import annotations

import asyncio
import time

import pytest

from connectors.capture.capture_bench import World, held, paid, posted, taken
from tripartite.connectors.capture.client import SuiteTrouble
from tripartite.connectors.simulating import Reply, json_reply
from tripartite.core import codec
from tripartite.core.objects.notice import PaymentReported
from tripartite.runtime.protocol import (
    Absent,
    Accepted,
    HttpFailure,
    Outbound,
    Rejected,
    RetryLater,
    Secret,
    Settled,
    Unknown,
)


async def pull_all(world: World, cursor: str = "", limit: int = 7) -> tuple[list[tuple[str, str]], str]:
    found: list[tuple[str, str]] = []
    while True:
        page = await world.client.pull("invoice", cursor, limit)
        found += ((item.key, item.version) for item in page.items)
        cursor = page.cursor
        if not page.more:
            return found, cursor


def keys(first: int, last: int) -> set[str]:
    return {f"doc-{n}" for n in range(first, last)}


# The poll.


async def test_a_round_brings_every_document_once(world: World) -> None:
    world.documents(2, 26)
    found, _ = await pull_all(world)
    assert len(found) == 25
    assert {key for key, _ in found} == keys(1, 26)


async def test_the_next_round_begins_a_little_earlier_and_skips_nothing(world: World) -> None:
    _, cursor = await pull_all(world)
    world.later(minutes=10)
    world.documents(2, 3)
    found, cursor = await pull_all(world, cursor)
    assert {key for key, _ in found} == keys(1, 3)  # doc-1 again: recognised by id and version
    world.later(minutes=10)
    world.documents(3, 4)
    found, cursor = await pull_all(world, cursor)
    assert {key for key, _ in found} == keys(2, 4)


async def test_a_document_stamped_before_the_newest_but_shown_later_is_still_found(world: World) -> None:
    _, cursor = await pull_all(world)
    world.now = world.now.replace(minute=0)
    late = world.bench.order[-1][0] - 60_000_000  # a transaction that began a minute earlier and committed now
    world.documents(2, 3)
    world.bench.order.pop()
    world.bench.documents["doc-2"].touched = late
    world.bench.order.insert(0, (late, "doc-2"))
    found, _ = await pull_all(world, cursor)
    assert "doc-2" in {key for key, _ in found}


async def test_documents_that_leave_the_list_between_two_pages_shift_nothing(world: World) -> None:
    world.documents(2, 21)
    first = await world.client.pull("invoice", "", 5)
    await world.client.submit([posted(item.key) for item in first.items])
    rest, _ = await pull_all(world, first.cursor, 5)
    assert {item.key for item in first.items} | {key for key, _ in rest} == keys(1, 21)


async def test_a_document_corrected_between_two_pages_comes_again_in_its_new_version(world: World) -> None:
    world.documents(2, 11)
    first = await world.client.pull("invoice", "", 5)
    world.later(seconds=1)
    world.documents(1, 2, gross="120.00", tax="20.00")
    rest, _ = await pull_all(world, first.cursor, 5)
    assert ("doc-1", "2") in rest


async def test_a_page_mark_that_the_suite_forgot_starts_the_round_again(world: World) -> None:
    for n in range(2, 11):
        world.later(minutes=10)
        world.documents(n, n + 1)
    first = await world.client.pull("invoice", "", 5)
    world.fault("pull_invoice", "cursor_expired")
    rest, _ = await pull_all(world, first.cursor, 50)
    assert {key for key, _ in rest} == keys(1, 11)


async def test_the_poll_finds_what_no_webhook_told(world: World) -> None:
    _, cursor = await pull_all(world)
    world.bench.arrange({"documents": [{"document_id": "doc-9"}], "webhooks": False})
    found, _ = await pull_all(world, cursor)
    assert "doc-9" in {key for key, _ in found}


async def test_a_404_in_the_suites_words_means_no_records_and_any_other_means_trouble(world: World) -> None:
    world.line.twist["pull_invoice"] = json_reply({"errors": [{"code": "NO_RECORDS"}]}, 404)
    page = await world.client.pull("invoice", "", 5)
    assert (page.items, page.more) == ((), False)
    world.line.twist["pull_invoice"] = Reply(404, b"<html>nginx</html>", {"content-type": "text/html"})
    with pytest.raises(SuiteTrouble):
        await world.client.pull("invoice", "", 5)


async def test_a_document_is_passed_on_as_the_suite_sent_it(world: World) -> None:
    [item] = (await world.client.pull("invoice", "", 5)).items
    assert b'"gross":119.00' in item.content  # a JSON number with its cents
    again = await world.client.fetch("invoice", "doc-1")
    assert again == item


async def test_a_document_that_no_longer_waits_for_us_is_not_fetched(world: World) -> None:
    assert await world.client.fetch("invoice", "doc-404") is None
    await world.client.submit([posted()])
    assert await world.client.fetch("invoice", "doc-1") is None


async def test_a_status_that_nobody_documented_is_passed_on_to_be_refused_by_name(world: World) -> None:
    world.bench.documents["doc-1"].status = "vaporised"
    found = await world.client.fetch("invoice", "doc-1")
    assert found is not None
    assert b"vaporised" in found.content


async def test_the_status_of_a_document_can_be_asked_for(world: World) -> None:
    await world.client.submit([posted()])
    [found] = await world.client.ask("invoice_status", {"document_id": "doc-1"})
    assert b'"status":"transferred"' in found.content
    assert b'"voucher_number":"51doc-1"' in found.content
    assert await world.client.ask("invoice_status", {"document_id": "doc-404"}) == ()


# Responses.


async def test_a_posting_is_told_after_the_acknowledgement_and_once(world: World) -> None:
    assert await world.client.submit([posted()]) == [Settled("doc-1", "transferred")]
    known = world.known()
    assert (known["status"], known["voucher_number"], known["year"], known["transfers"]) == (
        "transferred",
        "51doc-1",
        "2026",
        1,
    )
    said = [operation for operation, _, _ in world.line.sent]
    assert said == ["token", "acknowledge", "report_posting"]


async def test_told_twice_under_one_code_is_told_once(world: World) -> None:
    await world.client.submit([posted()])
    assert await world.client.submit([posted()]) == [Settled("doc-1", "transferred")]
    assert world.known()["transfers"] == 1


async def test_a_second_posting_under_another_code_is_refused(world: World) -> None:
    await world.client.submit([posted()])
    other = Outbound("dlv_other", "report_posting", "DE01", posted(document="99").payload)
    [answer] = await world.client.submit([other])
    assert isinstance(answer, Rejected)
    assert answer.code == "ALREADY_TRANSFERRED"
    assert world.known()["voucher_number"] == "51doc-1"


async def test_a_hold_tells_its_reasons_and_a_later_posting_lifts_it(world: World) -> None:
    assert await world.client.submit([held("doc-1", "match.price_over_limit", "tax.code_missing")]) == [
        Settled("doc-1", "held")
    ]
    [hold] = world.known()["holds"]
    assert hold["reasons"] == ["match.price_over_limit", "tax.code_missing"]
    assert hold["message"] == "match.price_over_limit, tax.code_missing"
    assert await world.client.submit([posted()]) == [Settled("doc-1", "transferred")]


async def test_a_hold_after_the_posting_is_refused(world: World) -> None:
    await world.client.submit([posted()])
    [answer] = await world.client.submit([held()])
    assert isinstance(answer, Rejected)
    assert world.known()["status"] == "transferred"


async def test_a_payment_before_the_posting_is_early_and_not_wrong(world: World) -> None:
    [early] = await world.client.submit([paid()])
    assert isinstance(early, RetryLater)
    assert await world.client.submit([paid(), posted()]) == [Settled("doc-1", "paid"), Settled("doc-1", "transferred")]
    [payment] = world.known()["payments"]
    assert (payment["paidTotal"], payment["paymentNumber"]) == ("119.00", "PAY-55")


async def test_an_acknowledgement_of_its_own_is_answered_and_a_repeat_is_no_error() -> None:
    world = World(None, acknowledge="separately")
    world.documents(1, 2)
    [early] = await world.client.submit([posted()])
    assert isinstance(early, RetryLater)
    assert await world.client.probe(taken()) == Absent("ready_to_post")
    assert await world.client.submit([taken()]) == [Settled("doc-1", "transfer_in_progress")]
    assert await world.client.submit([taken()]) == [Settled("doc-1", "already acknowledged")]
    assert await world.client.probe(taken()) == Settled("doc-1", "transfer_in_progress")
    assert await world.client.submit([posted()]) == [Settled("doc-1", "transferred")]


async def test_a_lost_acknowledgement_reports_nothing_and_is_tried_again(world: World) -> None:
    world.fault("acknowledge", "commit_then_hang")
    [answer] = await world.client.submit([posted()])
    assert isinstance(answer, RetryLater)
    assert world.known()["transfers"] == 0
    assert await world.client.submit([posted()]) == [Settled("doc-1", "transferred")]


@pytest.mark.parametrize("kind", ["commit_then_hang", "commit_then_cut", "commit_then_5xx"])
@pytest.mark.parametrize("bulk", ["yes", "no"])
async def test_an_answer_lost_after_the_commit_is_unknown_and_the_probe_finds_it(kind: str, bulk: str) -> None:
    world = World(None, bulk=bulk)
    world.documents(1, 2)
    world.fault("transferResponses", kind)
    [answer] = await world.client.submit([posted()])
    assert isinstance(answer, Unknown)
    assert await world.client.probe(posted()) == Settled("doc-1", "transferred")
    assert world.known()["transfers"] == 1


async def test_a_late_commit_is_absent_first_and_found_later(world: World) -> None:
    world.fault("transferResponses", "late_commit", delay=40.0)
    gate = asyncio.Event()

    async def wait_for_gate(_: float) -> None:
        await gate.wait()

    world.bench.sleep = wait_for_gate
    [answer] = await world.client.submit([posted()])
    assert isinstance(answer, Unknown)
    assert await world.client.probe(posted()) == Absent()
    gate.set()
    await asyncio.sleep(0.01)
    assert await world.client.probe(posted()) == Settled("doc-1", "transferred")


async def test_a_response_that_look_ups_do_not_see_yet_is_found_after_the_lag(world: World) -> None:
    world.fault("transferResponses", "lag", delay=5.0)
    await world.client.submit([posted()])
    assert await world.client.probe(posted()) == Absent()
    world.later(seconds=5)
    assert isinstance(await world.client.probe(posted()), Settled)


async def test_a_yes_that_was_dropped_shows_in_the_probe(world: World) -> None:
    world.fault("transferResponses", "lie_dropped")
    [answer] = await world.client.submit([posted()])
    assert isinstance(answer, Settled)
    assert await world.client.probe(posted()) == Absent()
    assert world.known()["status"] == "transfer_in_progress"


async def test_a_suite_that_answers_a_repeat_with_a_conflict_is_asked_and_not_believed() -> None:
    world = World({"duplicates": "conflict"})
    world.documents(1, 2)
    await world.client.submit([posted()])
    [again] = await world.client.submit([posted()])
    assert isinstance(again, Unknown)
    assert await world.client.probe(posted()) == Settled("doc-1", "transferred")


async def test_a_status_word_nobody_documented_is_not_success(world: World) -> None:
    world.fault("transferResponses", "word")
    [answer] = await world.client.submit([posted()])
    assert isinstance(answer, Unknown)
    assert "reconsidering" in answer.reason


async def test_taken_in_is_not_done(world: World) -> None:
    result = {
        "externalCode": posted().key,
        "documentId": "doc-1",
        "status": 200,
        "result": "applied",
        "documentStatus": "transfer_in_progress",
    }
    world.line.twist["report_posting"] = json_reply({"results": [result]})
    assert await world.client.submit([posted()]) == [Accepted("doc-1", "transfer_in_progress")]
    world.line.twist["report_posting"] = json_reply({"results": [{**result, "result": "perhaps"}]})
    [answer] = await world.client.submit([posted()])
    assert isinstance(answer, Unknown)


async def test_an_answer_about_another_document_is_not_ours(world: World) -> None:
    result = {"externalCode": posted().key, "documentId": "doc-2", "status": 200, "result": "applied"}
    result |= {"documentStatus": "transferred"}
    world.line.twist["report_posting"] = json_reply({"results": [result]})
    world.line.twist["probe"] = json_reply(result)
    [answer] = await world.client.submit([posted()])
    for found in (answer, await world.client.probe(posted())):
        assert isinstance(found, Unknown)
        assert "outbound.answer_foreign" in found.reason


async def test_too_many_requests_waits_as_long_as_the_suite_says(world: World) -> None:
    world.fault("transferResponses", "reply.429", retry_after=12.0)
    world.fault("transferResponses", "reply.429")
    [said] = await world.client.submit([posted()])
    [unsaid] = await world.client.submit([posted()])
    assert isinstance(said, RetryLater)
    assert said.after_seconds == 12.0
    assert isinstance(unsaid, RetryLater)
    assert unsaid.after_seconds is None
    world.fault("pull_invoice", "reply.429", retry_after=3.0)
    with pytest.raises(SuiteTrouble) as trouble:
        await world.client.pull("invoice", "", 5)
    assert (trouble.value.retryable, trouble.value.after_seconds) == (True, 3.0)


@pytest.mark.parametrize("fault", ["reply.5xx", "lie_html", "hang"])
async def test_no_plain_answer_is_unknown(world: World, fault: str) -> None:
    world.fault("transferResponses", fault)
    [answer] = await world.client.submit([posted()])
    assert isinstance(answer, Unknown)


async def test_a_refused_connection_means_surely_not_told(world: World) -> None:
    world.line.refuse = True
    [answer] = await world.client.submit([posted()])
    assert isinstance(answer, RetryLater)


async def test_a_404_that_is_not_the_suites_own_says_nothing(world: World) -> None:
    world.line.twist["probe"] = Reply(404, b"<html>nginx</html>", {"content-type": "text/html"})
    assert isinstance(await world.client.probe(posted()), Unknown)
    del world.line.twist["probe"]
    assert await world.client.probe(posted()) == Absent()


async def test_a_document_the_suite_does_not_know_is_refused(world: World) -> None:
    [answer] = await world.client.submit([posted("doc-404")])
    assert isinstance(answer, Rejected)
    assert answer.code == "NOT_FOUND"


async def test_a_batch_answers_each_row_whatever_the_order(world: World) -> None:
    world.documents(2, 11)
    items = [posted(f"doc-{n}") for n in range(1, 11)]
    for kind in ("partial", "shuffle", "omit"):
        world.fault("transferResponses", kind)
    answers = await world.client.submit(items)
    kinds = {place: type(answer) for place, answer in enumerate(answers, start=1)}
    assert kinds == {**dict.fromkeys(range(1, 11), Settled), 3: Rejected, 7: RetryLater, 5: Unknown}
    assert all(a.remote_ref == f"doc-{n}" for n, a in enumerate(answers, start=1) if isinstance(a, Settled))
    assert await world.client.probe(items[4]) == Settled("doc-5", "transferred")
    refused = answers[2]
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.detail) == ("VALIDATION", "outside the open period at transferDate")


async def test_a_row_answered_twice_is_not_believed(world: World) -> None:
    world.documents(2, 3)
    yes = {"externalCode": posted().key, "documentId": "doc-1", "status": 200, "result": "applied"}
    yes |= {"documentStatus": "transferred"}
    no = {"externalCode": posted().key, "status": 422, "errors": [{"code": "VALIDATION"}]}
    other = {**yes, "externalCode": posted("doc-2").key, "documentId": "doc-2"}
    world.line.twist["report_posting"] = json_reply({"results": [no, other, yes]})
    answers = await world.client.submit([posted("doc-1"), posted("doc-2")])
    assert [type(answer) for answer in answers] == [Unknown, Settled]


async def test_mixed_operations_are_answered_in_the_order_they_were_given(world: World) -> None:
    world.documents(2, 4)
    answers = await world.client.submit([posted("doc-1"), held("doc-2"), posted("doc-3")])
    assert [a.detail for a in answers if isinstance(a, Settled)] == ["transferred", "held", "transferred"]


async def test_two_thousand_postings_take_twenty_bulk_calls_and_little_time(world: World) -> None:
    world.documents(2, 2001)
    started = time.perf_counter()
    answers = await world.client.submit([posted(f"doc-{n}") for n in range(1, 2001)])
    assert all(isinstance(answer, Settled) for answer in answers)
    assert world.bench.calls["transferResponses"] == 20
    assert time.perf_counter() - started < 10


async def test_a_suite_without_bulk_is_told_one_by_one() -> None:
    world = World(None, bulk="no")
    world.documents(1, 4)
    answers = await world.client.submit([posted(f"doc-{n}") for n in range(1, 4)] + [posted("doc-404")])
    assert [type(answer) for answer in answers] == [Settled] * 3 + [Rejected]
    paths = [path for operation, path, _ in world.line.sent if operation == "report_posting"]
    assert paths[0] == "/v1/invoices/doc-1/transferResponses"


async def test_a_notice_that_cannot_be_read_does_not_stop_the_others(world: World) -> None:
    bad = Outbound("dlv_bad", "report_posting", "DE01", b'{"invoice_id": 1}')
    assert [type(answer) for answer in await world.client.submit([bad, posted()])] == [Rejected, Settled]


async def test_a_payment_finer_than_our_grammar_never_leaves(world: World) -> None:
    bad = Outbound("dlv_bad", "report_payment", "DE01", paid().payload.replace(b"119.00", b"1E+3"))
    [answer] = await world.client.submit([bad])
    assert isinstance(answer, Rejected)
    assert answer.code == "intake.amount_invalid"
    assert codec.decode(paid().payload, PaymentReported).payment_number == "PAY-55"


# Credentials.


async def test_a_spent_token_is_renewed_once_for_many_callers(world: World) -> None:
    world.documents(2, 41)
    await world.client.check()
    world.later(hours=2)
    answers = await asyncio.gather(*(world.client.submit([posted(f"doc-{n}")]) for n in range(1, 41)))
    assert all(isinstance(answer, Settled) for [answer] in answers)
    assert world.bench.calls["token"] == 2


async def test_a_401_storm_costs_one_renewal_and_no_attempt(world: World) -> None:
    world.documents(2, 41)
    await world.client.check()
    world.bench.tokens.clear()
    answers = await asyncio.gather(*(world.client.submit([held(f"doc-{n}")]) for n in range(1, 41)))
    assert all(isinstance(answer, Settled) for [answer] in answers)
    assert world.bench.calls["token"] == 2


async def test_a_late_401_for_the_old_token_does_not_spoil_the_new_one(world: World) -> None:
    await world.client.check()
    world.bench.tokens.clear()
    world.line.slow = {"fetch_invoice"}
    _, [answer] = await asyncio.gather(world.client.fetch("invoice", "doc-1"), world.client.submit([held()]))
    assert isinstance(answer, Settled)
    assert world.bench.calls["token"] == 2


async def test_a_token_that_must_wait_says_how_long(world: World) -> None:
    world.fault("token", "reply.429", times=2, retry_after=9.0)
    [answer] = await world.client.submit([posted()])
    assert isinstance(answer, RetryLater)
    assert answer.after_seconds == 9.0
    with pytest.raises(SuiteTrouble) as trouble:
        await world.client.pull("invoice", "", 5)
    assert trouble.value.after_seconds == 9.0
    assert isinstance(trouble.value, HttpFailure)


async def test_a_document_id_of_any_shape_finds_its_way() -> None:
    for bulk in ("yes", "no"):
        world = World(None, bulk=bulk)
        key = "INV/2026 #7?%"
        world.bench.arrange({"documents": [{"document_id": key}]})
        assert await world.client.fetch("invoice", key) is not None
        assert await world.client.submit([posted(key)]) == [Settled(key, "transferred")]
        assert await world.client.probe(posted(key)) == Settled(key, "transferred")
        assert len(await world.client.ask("invoice_status", {"document_id": key})) == 1


async def test_a_fixed_bearer_token_serves_where_the_suite_gives_one() -> None:
    world = World({"api_token": "fixed"}, auth="bearer")
    world.secrets["api_token"] = Secret("fixed")
    world.documents(1, 2)
    assert await world.client.submit([posted()]) == [Settled("doc-1", "transferred")]
    world.secrets["api_token"] = Secret("wrong")
    world.documents(2, 3)
    [answer] = await world.client.submit([posted("doc-2")])
    assert isinstance(answer, RetryLater)
    assert world.bench.calls["token"] == 0


async def test_wrong_credentials_reject_no_document_and_do_not_print(world: World) -> None:
    world.secrets["client_secret"] = Secret("hunter2")
    client = world.connect()
    [answer] = await client.submit([posted()])
    assert isinstance(answer, RetryLater)
    with pytest.raises(SuiteTrouble) as trouble:
        await client.check()
    shown = repr(answer) + str(trouble.value) + repr(vars(client)) + repr(client)
    assert "hunter2" not in shown


async def test_the_doctor_hears_that_the_suite_answers(world: World) -> None:
    assert await world.client.check() == "the capture suite answers and accepts our credentials"
    await world.client.close()
    assert await world.client.check()
    assert world.bench.calls["token"] == 2
