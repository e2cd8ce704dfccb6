"""The life of an outbound write: its states, and which may follow which (DESIGN section 7).

    intended -> sending -> settled | accepted | rejected | waiting | unknown
    accepted -> settled | rejected            (taken in is not done)
    unknown  -> settled | accepted | rejected | waiting      (by probe, never by hoping)
    any      -> dead_letter -> waiting        (replayed after the cause is gone)

A delivery found `sending` after a crash is `unknown`. The database holds the same table and refuses the rest.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

import msgspec

State = Literal["intended", "sending", "settled", "accepted", "rejected", "waiting", "unknown", "dead_letter"]
Mode = Literal["observe", "propose", "act"]

_FOLLOWING: dict[State, tuple[State, ...]] = {
    "intended": ("sending",),
    "waiting": ("sending",),
    "sending": ("settled", "accepted", "rejected", "waiting", "unknown"),
    "accepted": ("settled", "rejected"),
    "unknown": ("settled", "accepted", "rejected", "waiting"),
    "rejected": (),
    "dead_letter": ("waiting",),
    "settled": (),
}
STATES: tuple[State, ...] = get_args(State)
TRANSITIONS: frozenset[tuple[State, State]] = frozenset(
    {(before, after) for before, following in _FOLLOWING.items() for after in following}
    | {(before, "dead_letter") for before in STATES if before not in ("settled", "dead_letter")}
)
FINAL: frozenset[State] = frozenset({"settled"})


class DeliveryOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a delivery, told to whoever decided it. `remote_ref` is the other side's number."""

    key: str
    connection: str
    operation: str
    object_kind: str
    object_id: str
    object_version: int
    state: State
    at: datetime
    remote_ref: str = ""
    reason_code: str = ""
    detail: str = ""
    attempts: int = 0
    probes: int = 0


def retry_after_seconds(attempt: int, jitter: float, *, first: float = 1.0, most: float = 300.0) -> float:
    """How long to wait before the next attempt: doubling from `first`, at most `most`, spread by jitter in 0..1."""
    return min(most, first * 2.0 ** max(0, attempt - 1)) * (0.5 + jitter / 2)
