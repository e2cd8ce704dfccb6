"""Which answer means what: tables an integration engineer can read. Only an explicit yes is success."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from support.times import MORNING, TurnedClock
from tripartite.connectors.acme.manifest import MANIFEST
from tripartite.core.delivery import TRANSITIONS, State
from tripartite.runtime.deliveries import (
    ACCEPTED_MOST_SECONDS,
    LOST_AFTER_SECONDS,
    MOST_ATTEMPTS,
    MOST_PROBES,
    SETTLE_WITHIN_SECONDS,
    Claimed,
    Limiter,
    Timing,
    after_probe,
    after_send,
    timing_of,
)
from tripartite.runtime.protocol import Absent, Accepted, Outbound, Rejected, RetryLater, Settled, Unknown

TIMING = Timing(commit_latency=60.0, read_lag=5.0)


def claimed(*, attempts: int = 1, probes: int = 0, seconds_ago: float = 0.0, state: State = "unknown") -> Claimed:
    sent = MORNING - timedelta(seconds=seconds_ago)
    outbound = Outbound("dlv_1", "post_invoice", "DE01", b"{}")
    since = sent if state == "accepted" else None
    return Claimed(outbound, "invoice", "inv_1", 1, "", attempts, probes, sent, sent, state, since)


@pytest.mark.parametrize(
    ("answer", "attempts", "state", "reason_code"),
    [
        (Settled("5105600001/2026"), 1, "settled", ""),
        (Accepted("T-1"), 1, "accepted", ""),
        (Rejected("M8/088", "closed"), 1, "rejected", "posting.rejected"),
        (RetryLater("429"), 1, "waiting", ""),
        (RetryLater("429"), MOST_ATTEMPTS - 1, "waiting", ""),
        (RetryLater("429"), MOST_ATTEMPTS, "dead_letter", "integration.retries_exhausted"),
        (Unknown("time-out"), 1, "unknown", "posting.outcome_unknown"),
        (Unknown("time-out"), MOST_ATTEMPTS, "unknown", "posting.outcome_unknown"),
    ],
)
def test_what_an_answer_to_a_call_means(answer: Any, attempts: int, state: State, reason_code: str) -> None:
    outcome = after_send(answer, claimed(attempts=attempts, state="sending"), TIMING, 0.5)
    assert (outcome.state, outcome.reason_code) == (state, reason_code)
    assert ("sending", outcome.state) in TRANSITIONS


@pytest.mark.parametrize(
    ("answer", "facts", "state", "reason_code"),
    [
        (Settled("5105600001/2026"), {}, "settled", ""),
        (Rejected("M8/088", "closed"), {}, "rejected", "posting.rejected"),
        (Accepted("T-1"), {}, "accepted", ""),
        # Absent counts only once the other side could no longer commit late.
        (Absent(), {"seconds_ago": 0}, "unknown", "posting.outcome_unknown"),
        (Absent(), {"seconds_ago": 64.9}, "unknown", "posting.outcome_unknown"),
        (Absent(), {"seconds_ago": 65}, "waiting", ""),
        (Absent(), {"seconds_ago": 65, "attempts": MOST_ATTEMPTS}, "dead_letter", "integration.retries_exhausted"),
        (Unknown("time-out"), {"seconds_ago": 9999}, "unknown", "posting.outcome_unknown"),
        (Unknown("time-out"), {"probes": MOST_PROBES}, "dead_letter", "posting.outcome_unknown"),
        (RetryLater("429"), {}, "unknown", "posting.outcome_unknown"),
        (RetryLater("429"), {"probes": MOST_PROBES}, "dead_letter", "posting.outcome_unknown"),
    ],
)
def test_what_an_answer_to_a_probe_means(answer: Any, facts: dict[str, Any], state: State, reason_code: str) -> None:
    outcome = after_probe(answer, claimed(**facts), TIMING, 0.5, MORNING)
    assert (outcome.state, outcome.reason_code) == (state, reason_code)
    assert outcome.state == "unknown" or ("unknown", outcome.state) in TRANSITIONS


@pytest.mark.parametrize("answer", [Absent(), Unknown("time-out"), RetryLater("429"), Accepted("T-1")])
@pytest.mark.parametrize("probes", [1, MOST_PROBES, 10 * MOST_PROBES])
def test_what_was_taken_in_stays_taken_in_until_it_is_done_or_a_person_must_look(answer: Any, probes: int) -> None:
    """Bounded by time and not by count: a vendor may take a night, and one that lost it is noticed in half an hour."""
    bound = LOST_AFTER_SECONDS if isinstance(answer, Absent) else SETTLE_WITHIN_SECONDS
    for ago, state in ((1.0, "accepted"), (bound - 1, "accepted"), (bound, "dead_letter"), (bound * 9, "dead_letter")):
        one = claimed(probes=probes, seconds_ago=ago, state="accepted")
        outcome = after_probe(answer, one, TIMING, 0.5, MORNING)
        assert outcome.state == state
        assert outcome.reason_code == ("posting.outcome_unknown" if state == "dead_letter" else "")
        assert outcome.due_in_seconds <= min(ACCEPTED_MOST_SECONDS, max(bound - ago, 0) + 1)


def test_how_long_a_connection_may_take_to_finish_is_its_own_setting() -> None:
    timing = timing_of(MANIFEST, {"settle_within_seconds": "7200"})
    assert (
        after_probe(Accepted("T-1"), claimed(seconds_ago=7199, state="accepted"), timing, 0, MORNING).state
        == "accepted"
    )
    done = after_probe(Accepted("T-1"), claimed(seconds_ago=7200, state="accepted"), timing, 0, MORNING)
    assert (done.state, done.remote_ref) == ("dead_letter", "T-1"), "their number stays, to look for"
    assert "2.0 hours" in done.detail


@pytest.mark.parametrize(("asked", "jitter"), [(None, 0.0), (None, 1.0), (240.0, 0.0), (240.0, 1.0)])
def test_the_pause_is_never_shorter_than_the_other_side_asked_for(asked: float | None, jitter: float) -> None:
    outcome = after_send(RetryLater("429", asked), claimed(), TIMING, jitter)
    assert outcome.due_in_seconds >= (asked or 0.5)
    assert after_probe(RetryLater("429", asked), claimed(), TIMING, jitter, MORNING).due_in_seconds >= (asked or 0.2)


@pytest.mark.parametrize("nonsense", [None, 200, "ok", True, Absent()])
def test_nothing_else_is_an_answer_to_a_call(nonsense: Any) -> None:
    with pytest.raises(AssertionError):
        after_send(nonsense, claimed(), TIMING, 0.5)


def test_a_refusal_keeps_the_words_of_the_other_side_and_not_more_than_a_thousand() -> None:
    assert after_send(Rejected("M8/088", "Period closed"), claimed(), TIMING, 0).detail == "M8/088: Period closed"
    assert len(after_send(Rejected("M8", "x" * 5000), claimed(), TIMING, 0).detail) == 1000


async def test_calls_keep_to_the_rate_and_a_burst_goes_at_once() -> None:
    clock = TurnedClock()
    limiter = Limiter(10.0, 5, clock.port())
    started = clock.at
    for _ in range(5):
        await limiter.take()
    assert clock.at == started
    for _ in range(20):
        await limiter.take()
    assert (clock.at - started).total_seconds() == pytest.approx(2.0, abs=0.01)
