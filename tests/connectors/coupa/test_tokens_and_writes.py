"""The token and many callers, the pace, the one write with its probe, and what is never told."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from connectors.coupa.support import SECRET, START, Answer, Clock, World, mark, norddal
from tripartite.connectors import registry
from tripartite.connectors.coupa.client import connect
from tripartite.connectors.coupa.client.answers import CredentialsRefused, Throttled, error_words
from tripartite.connectors.coupa.manifest import MANIFEST
from tripartite.connectors.coupa.transform.settings import SettingInvalid
from tripartite.runtime.protocol import (
    Absent,
    ClientPorts,
    Connection,
    HttpFailure,
    Rejected,
    RetryLater,
    Secret,
    Settled,
    Unknown,
    WebhookRefused,
)

JSON = {"content-type": "application/json"}


# Token


async def test_one_token_serves_many_callers() -> None:
    world = World()
    norddal(world)
    await asyncio.gather(*(world.client.pull("order", "", 50) for _ in range(20)))
    assert world.bench.calls["token"] == 1


async def test_a_young_token_that_is_refused_gets_its_seconds_and_no_second_token() -> None:
    world = World(token_delay="5")
    norddal(world)
    page = await world.client.pull("order", "", 50)
    assert len(page.items) == 1
    assert world.bench.calls["token"] == 1
    assert sum(world.clock.slept) >= 5


async def test_a_storm_of_refused_tokens_ends_in_one_refresh() -> None:
    world = World()
    norddal(world)
    await world.client.pull("order", "", 50)
    world.clock.seconds += 60
    world.fault("order.list", "expire")
    pages = await asyncio.gather(*(world.client.pull("order", "", 50) for _ in range(20)))
    assert all(len(page.items) == 1 for page in pages)
    assert world.bench.calls["token"] == 2


async def test_a_storm_on_a_slow_new_token_still_needs_only_one() -> None:
    world = World(token_delay="5", token_life="100000")
    norddal(world)
    await world.client.pull("order", "", 50)
    world.clock.seconds += 600
    world.fault("order.list", "expire")
    pages = await asyncio.gather(*(world.client.pull("order", "", 50) for _ in range(20)))
    assert all(len(page.items) == 1 for page in pages)
    assert world.bench.calls["token"] == 2


async def test_a_token_is_renewed_after_twenty_hours_before_it_dies() -> None:
    world = World()
    norddal(world)
    await world.client.pull("order", "", 50)
    world.clock.seconds += 19 * 3600
    await world.client.pull("order", "", 50)
    assert world.bench.calls["token"] == 1
    world.clock.seconds += 3600
    await world.client.pull("order", "", 50)
    assert world.bench.calls["token"] == 2


async def test_a_token_that_is_never_accepted_ends_with_a_person_and_not_in_a_loop() -> None:
    world = World(token_delay="100000")
    with pytest.raises(CredentialsRefused):
        await world.client.pull("order", "", 50)
    assert world.bench.calls["token"] == 2
    assert world.bench.calls["order.list"] <= 4


async def test_a_token_that_claims_to_live_for_ever_is_renewed_within_a_week() -> None:
    world = World(token_life=str(10**12))
    await world.client.check()
    world.clock.seconds += 7 * 86_400
    await world.client.check()
    assert world.bench.calls["token"] == 2


async def test_a_wrong_secret_needs_a_person() -> None:
    world = World(client_secret="another")
    with pytest.raises(CredentialsRefused) as refused:
        await world.client.check()
    assert not refused.value.retryable


async def test_a_scope_the_client_lacks_fails_the_token_and_is_named() -> None:
    world = World(scopes="core.common.read")
    with pytest.raises(CredentialsRefused, match="invalid_scope"):
        await world.client.check()


async def test_a_busy_token_endpoint_is_worth_another_try() -> None:
    world = World()
    world.fault("token", "reply.429", retry_after=3.0)
    with pytest.raises(Throttled) as busy:
        await world.client.check()
    assert busy.value.after_seconds == 3.0


async def test_check_answers_in_a_sentence() -> None:
    sentence = await World().client.check()
    assert sentence.startswith("Coupa at https://norddal.coupa.example answers")


# Pace


async def test_callers_together_stay_within_the_vendors_rate() -> None:
    world = World(rate_per_second="25", burst="20")
    norddal(world)
    await asyncio.gather(*(world.client.pull("order", "", 50) for _ in range(60)))
    assert world.bench.calls["order.list"] == 60
    assert world.clock.seconds >= 1.5, "forty calls beyond the burst take at least 1.6 seconds"


async def test_the_bench_itself_refuses_beyond_its_rate() -> None:
    world = World(rate_per_second="25", burst="2")
    norddal(world)
    answers = await asyncio.gather(*(world.client.pull("order", "", 50) for _ in range(5)), return_exceptions=True)
    assert [isinstance(answer, Throttled) for answer in answers] == [False, False, True, True, True]


# The write


async def test_marking_an_order_as_exported_is_a_request_of_its_own() -> None:
    world = World()
    norddal(world)
    (answer,) = await world.client.submit([mark("PO-0001")])
    assert isinstance(answer, Settled)
    assert world.bench.truth()["orders"]["PO-0001"]["exported"] is True
    put = world.http.urls[-1]
    assert world.http.methods[-1] == "PUT"
    assert "exported=true" in put
    assert isinstance(await world.client.probe(mark("PO-0001")), Settled)


async def test_marking_twice_changes_nothing_and_is_settled() -> None:
    world = World()
    norddal(world)
    first, second = await world.client.submit([mark("PO-0001"), mark("PO-0001")])
    assert isinstance(first, Settled)
    assert isinstance(second, Settled)
    assert world.bench.calls["order.mark_exported"] == 1


async def test_a_new_version_has_to_be_marked_again() -> None:
    world = World()
    norddal(world)
    await world.client.submit([mark("PO-0001")])
    world.arrange(orders=[{"number": "PO-0001", "lines": [{"line": 1, "price": "101.00"}]}])
    assert isinstance(await world.client.probe(mark("PO-0001")), Absent)


@pytest.mark.parametrize("fault", ["commit_then_hang", "commit_then_cut", "commit_then_5xx"])
async def test_a_lost_answer_is_unknown_and_the_probe_finds_the_truth(fault: str) -> None:
    world = World()
    norddal(world)
    world.fault("order.mark_exported", fault)
    (answer,) = await world.client.submit([mark("PO-0001")])
    assert isinstance(answer, Unknown)
    assert isinstance(await world.client.probe(mark("PO-0001")), Settled)


@pytest.mark.parametrize("fault", ["hang", "reply.5xx", "lie_html"])
async def test_a_failure_before_the_commit_is_unknown_and_the_probe_says_absent(fault: str) -> None:
    world = World()
    norddal(world)
    world.fault("order.mark_exported", fault)
    (answer,) = await world.client.submit([mark("PO-0001")])
    assert isinstance(answer, Unknown)
    assert isinstance(await world.client.probe(mark("PO-0001")), Absent)
    (again,) = await world.client.submit([mark("PO-0001")])
    assert isinstance(again, Settled)


async def test_a_late_commit_is_absent_first_and_settled_after_the_declared_latency() -> None:
    world = World()
    norddal(world)
    world.fault("order.mark_exported", "late_commit", delay=30)
    (answer,) = await world.client.submit([mark("PO-0001")])
    assert isinstance(answer, Unknown)
    assert isinstance(await world.client.probe(mark("PO-0001")), Absent)
    await asyncio.gather(*world.bench._later)
    assert MANIFEST.max_commit_latency_seconds >= 30
    assert isinstance(await world.client.probe(mark("PO-0001")), Settled)


async def test_a_write_that_readers_do_not_see_yet_is_found_within_the_declared_lag() -> None:
    world = World()
    norddal(world)
    world.fault("order.mark_exported", "lag", delay=MANIFEST.read_lag_seconds)
    await world.client.submit([mark("PO-0001")])
    assert isinstance(await world.client.probe(mark("PO-0001")), Absent)
    world.clock.seconds += MANIFEST.read_lag_seconds
    assert isinstance(await world.client.probe(mark("PO-0001")), Settled)


async def test_a_lie_is_found_by_asking() -> None:
    world = World()
    norddal(world)
    world.fault("order.mark_exported", "lie_dropped")
    (answer,) = await world.client.submit([mark("PO-0001")])
    assert isinstance(answer, Settled)
    assert world.bench.truth()["orders"]["PO-0001"]["exported"] is False
    assert isinstance(await world.client.probe(mark("PO-0001")), Absent)


async def test_success_without_the_flag_in_the_record_is_no_success() -> None:
    world = World()
    norddal(world)
    flag = b'[{"id": 7, "updated-at": "2026-11-02T08:00:00Z", "po-number": "PO-0001", "exported": false}]'
    for body in (b"", b"{}", b"<html></html>", flag[1:-1]):
        world.http.instead = [Answer(200, JSON, flag), Answer(200, JSON, body)]
        (answer,) = await world.client.submit([mark("PO-0001")])
        assert isinstance(answer, Unknown)


@pytest.mark.parametrize("status", [400, 403, 404, 406, 409, 415, 422])
async def test_a_refusal_is_final_and_told_in_coupas_words(status: int) -> None:
    world = World()
    norddal(world)
    flag = b'[{"id": 7, "updated-at": "2026-11-02T08:00:00Z", "po-number": "PO-0001", "exported": false}]'
    complaint = b'{"errors":{"account":["is invalid"],"supplier":["can\'t be blank"]}}'
    world.http.instead = [Answer(200, JSON, flag), Answer(status, JSON, complaint)]
    (answer,) = await world.client.submit([mark("PO-0001")])
    assert answer == Rejected(f"http_{status}", "account is invalid; supplier can't be blank")


@pytest.mark.parametrize("after", [2.0, None])
async def test_a_throttled_write_is_surely_not_done(after: float | None) -> None:
    world = World()
    norddal(world)
    world.fault("order.mark_exported", "reply.429", retry_after=after)
    (answer,) = await world.client.submit([mark("PO-0001")])
    assert answer == RetryLater("rate limit", after)


async def test_a_refused_connection_is_surely_not_done() -> None:
    world = World()
    norddal(world)
    flag = b'[{"id": 7, "updated-at": "2026-11-02T08:00:00Z", "po-number": "PO-0001", "exported": false}]'
    world.http.instead = [Answer(200, JSON, flag), HttpFailure("connection refused", sent=False)]
    (answer,) = await world.client.submit([mark("PO-0001")])
    assert isinstance(answer, RetryLater)


async def test_no_token_means_later_and_an_unknown_order_means_no() -> None:
    world = World()
    world.fault("order.list", "reply.5xx")
    (down,) = await world.client.submit([mark("PO-0001")])
    assert isinstance(down, RetryLater)
    (unknown,) = await world.client.submit([mark("PO-0001")])
    assert isinstance(unknown, Rejected)
    assert unknown.code == "order_unknown"
    assert isinstance(await world.client.probe(mark("PO-0001")), Rejected)


# Errors as words, secrets never


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"errors":["first","second"]}', "first; second"),
        (b'{"errors":{"base":"is locked"}}', "base is locked"),
        (b'{"errors":"plain"}', "plain"),
        (b'{"error":"invalid_client"}', "invalid_client"),
        (b"{}", "no reason given"),
        (b"[]", "no reason given"),
        (b"<html>secret stuff</html>", "25 bytes that are no JSON"),
    ],
)
def test_every_known_shape_of_complaint_becomes_a_sentence(body: bytes, words: str) -> None:
    assert error_words(body) == words


async def test_no_exception_and_no_repr_tells_a_secret_or_a_token() -> None:
    world = World(client_secret="another")
    echo = f'{{"error":"bad secret {SECRET}"}}'.encode()
    failures: list[BaseException] = []
    with pytest.raises(CredentialsRefused) as refused:
        await world.client.check()
    failures.append(refused.value)

    class Echo:
        async def request(self, *_: object, **__: object) -> Answer:
            return Answer(400, JSON, echo)

    clock = Clock()
    client = connect(world.connection, ClientPorts(Echo(), clock.now, clock.sleep))
    with pytest.raises(CredentialsRefused) as refused:
        await client.check()
    failures.append(refused.value)
    for failure in failures:
        told = "".join(traceback.format_exception(failure)) + repr(failure)
        assert SECRET not in told
    assert SECRET not in repr(world.connection)
    good = World()
    norddal(good)
    await good.client.pull("order", "", 50)
    token = next(iter(good.bench.arrange.__self__.tokens))  # type: ignore[attr-defined]
    assert token not in repr(good.client._session._bearer)
    good.http.instead.append(Answer(400, JSON, f'{{"errors":["token {token} is odd"]}}'.encode()))
    with pytest.raises(Exception, match=r"token \*\*\* is odd"):
        await good.client.pull("order", "", 50)


def test_a_connection_without_its_secrets_is_refused_at_once() -> None:
    connection = Connection(name="c", kind="coupa", role="procurement", secrets={"client_id": Secret("x")})
    clock = Clock()
    with pytest.raises(SettingInvalid, match="client_secret"):
        connect(connection, ClientPorts(World().http, clock.now, clock.sleep))


def test_a_webhook_is_never_believed() -> None:
    with pytest.raises(WebhookRefused):
        World().client.verify_webhook({}, b"{}")


async def test_closing_forgets_the_token() -> None:
    world = World()
    norddal(world)
    await world.client.pull("order", "", 50)
    await world.client.close()
    await world.client.pull("order", "", 50)
    assert world.bench.calls["token"] == 2


def test_the_registry_finds_the_five_files() -> None:
    assert "coupa" in registry.kinds()
    assert registry.manifest("coupa") is MANIFEST
    # Budget lines are no stream: they come only as the answer to `budget_check`.
    assert set(registry.readers("coupa")) == {*MANIFEST.reads, "budget"}
    assert set(registry.writers("coupa")) == set(MANIFEST.writes)
    assert registry.simulator("coupa").build({}, 1) is not None
    assert START.tzinfo is not None
