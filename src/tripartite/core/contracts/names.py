"""The names of the events that leave the house, and what each means. A name that is not here is ours alone.

A listed name keeps its meaning for ever. What its data looks like stands in published.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

TOLD: Mapping[str, Mapping[str, str]] = {
    "order": {
        "recorded": "A version of an order became known, cancelled ones too.",
        "published": "An ERP said that it has this version of an order.",
    },
    "receipt": {
        "recorded": "Goods came, went back, or a receipt was reversed.",
        "published": "What became of telling a system of a receipt: `state` is where its delivery stands.",
    },
    "invoice": {
        "decided": "An invoice was decided, or decided again: `state` says where it stands now.",
        "posted": "The ERP booked the liability; `document` is its number there.",
        "rejected": "The ERP refused the posting.",
    },
    "payment": {
        "proposed": "A payment was drawn up; nobody released it yet.",
        "released": "Two persons released it.",
        "sent": "The bank has the order.",
        "executed": "The bank booked it.",
        "rejected": "The bank refused it.",
        "returned": "The money came back.",
        "cancelled": "It was taken back before it left.",
    },
    "exception": {
        "opened": "Something needs a person, or a fact that is missing.",
        "changed": "Its owner, due time or next action changed.",
        "cleared": "The cause is gone.",
        "released": "A person let the document through, with a reason.",
        "refused": "A person turned the document down.",
        "superseded": "Another exception took its place.",
    },
}
NAMES: tuple[str, ...] = tuple(f"{kind}.{what}" for kind, all_of in TOLD.items() for what in all_of)


def matching(patterns: Iterable[str]) -> tuple[str, ...]:
    """The names that a subscriber's patterns mean: `invoice.posted`, `invoice.*`, `*`. In the order of this page."""
    given = frozenset(patterns)
    return tuple(name for name in NAMES if given & {name, f"{name.partition('.')[0]}.*", "*"})
