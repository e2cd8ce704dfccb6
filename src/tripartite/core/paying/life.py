"""The life of a payment: its states, and which may follow which. The database holds the same table.

proposed    drawn up from posted items; nobody has released it, or its release was void
released    two people let it go; the order is owed to the bank
sent        the bank has the order
executed    the money left
rejected    the bank refused it; nothing left
returned    the money left and came back
cancelled   it was taken out before it left, by us or by the bank at our wish

News of a bank come in any order, so a payment may skip states; money that moved always outranks words about it.
"""

from __future__ import annotations

from typing import get_args

from tripartite.core.objects.payment import PaymentStatus

STATES: tuple[PaymentStatus, ...] = get_args(PaymentStatus)
# An item is claimed by at most one payment in one of these states.
LIVING: tuple[PaymentStatus, ...] = ("proposed", "released", "sent", "executed")
UNSENT: tuple[PaymentStatus, ...] = ("proposed", "released")

_FOLLOWING: dict[PaymentStatus, tuple[PaymentStatus, ...]] = {
    "proposed": ("released", "cancelled"),
    "released": ("proposed", "sent", "executed", "rejected", "returned", "cancelled"),
    "sent": ("executed", "rejected", "returned", "cancelled"),
    "rejected": ("cancelled", "executed", "returned"),
    "cancelled": ("executed", "returned"),
    "executed": ("returned",),
    "returned": (),
}
TRANSITIONS: frozenset[tuple[PaymentStatus, PaymentStatus]] = frozenset(
    (before, after) for before, following in _FOLLOWING.items() for after in following
)
