"""The life of an invoice here: its states, and which may follow which. The database holds the same table.

held, parked, approval   not booked: somebody must act, a fact is awaited, somebody must say yes
to_post                  decided to be booked; the write is owed to the ERP or on its way
posted                   the ERP gave its number
observed                 it would be booked, but this connection and company only observe
refused, replaced        final: it went back, or another document took its place
"""

from __future__ import annotations

from typing import Literal, get_args

InvoiceState = Literal["held", "parked", "approval", "to_post", "posted", "observed", "refused", "replaced"]
STATES: tuple[InvoiceState, ...] = get_args(InvoiceState)
OPEN: tuple[InvoiceState, ...] = ("held", "parked", "approval", "observed")
LIVE: tuple[InvoiceState, ...] = ("to_post", "posted")

_FOLLOWING: dict[InvoiceState, tuple[InvoiceState, ...]] = {
    "held": ("parked", "approval", "to_post", "observed", "refused", "replaced"),
    "parked": ("held", "approval", "to_post", "observed", "refused", "replaced"),
    "approval": ("held", "parked", "to_post", "observed", "refused", "replaced"),
    "to_post": ("posted", "held"),
    "observed": ("held", "parked", "to_post", "refused", "replaced"),
    "posted": (),
    "refused": (),
    "replaced": (),
}
TRANSITIONS: frozenset[tuple[InvoiceState, InvoiceState]] = frozenset(
    (before, after) for before, following in _FOLLOWING.items() for after in following
)
