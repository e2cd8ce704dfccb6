"""The life of an outbound write, as a table one can read aloud."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripartite.core.delivery import FINAL, STATES, TRANSITIONS, State, retry_after_seconds

LIFE = """
intended    -> sending dead_letter
waiting     -> sending dead_letter
sending     -> settled accepted rejected waiting unknown dead_letter
accepted    -> settled rejected dead_letter
unknown     -> settled accepted rejected waiting dead_letter
rejected    -> dead_letter
dead_letter -> waiting
settled     ->
"""


def test_the_life_of_a_delivery_is_this_table_and_nothing_else() -> None:
    told: set[tuple[str, str]] = set()
    for line in LIFE.strip().splitlines():
        before, _, following = line.partition("->")
        told |= {(before.strip(), after) for after in following.split()}
    assert told == set(TRANSITIONS)
    assert {line.partition("->")[0].strip() for line in LIFE.strip().splitlines()} == set(STATES)


def test_what_may_have_happened_is_never_simply_sent_again() -> None:
    assert ("unknown", "sending") not in TRANSITIONS
    assert ("accepted", "sending") not in TRANSITIONS
    assert ("accepted", "waiting") not in TRANSITIONS, "taken in once, it is never sent a second time"


def test_what_is_settled_stays_settled() -> None:
    assert {"settled"} == FINAL
    assert not any(before in FINAL for before, _ in TRANSITIONS)


@pytest.mark.parametrize("state", [state for state in STATES if state not in ("settled",)])
def test_nothing_unsettled_is_a_blind_alley(state: State) -> None:
    reached, edge = {state}, {state}
    while edge:
        edge = {after for before, after in TRANSITIONS if before in edge} - reached
        reached |= edge
    assert "settled" in reached


@given(st.integers(0, 60), st.floats(0, 1))
def test_pauses_double_up_to_a_limit_and_are_never_shorter_than_half(attempt: int, jitter: float) -> None:
    full = min(300.0, 2.0 ** max(0, attempt - 1))
    assert full / 2 <= retry_after_seconds(attempt, jitter) <= full
