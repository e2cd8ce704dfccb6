"""In which shape our events leave the house, and about what: the catalogue behind subscriptions and AsyncAPI.

An optional field more is the same version, anything else is a new version beside the old one. The shapes are those of
`core/events.py`, so that the bus and the subscribers never tell two stories; what is restricted in them is masked by
cloudevents.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tripartite.core.contracts.names import NAMES, TOLD, matching
from tripartite.core.events import (
    EXCEPTION_EVENTS,
    INVOICE_EVENTS,
    ORDER_EVENTS,
    PAYMENT_EVENTS,
    RECEIPT_EVENTS,
    InvoiceChanged,
    OrderPublished,
    OrderRecorded,
    PaymentChanged,
    ReceiptPublished,
    ReceiptRecorded,
)
from tripartite.core.exceptions.record import ExceptionRecord


class Published(msgspec.Struct, frozen=True):
    """One kind of event: its name on the wire, the topic it comes from, the shape of its data, what it is about."""

    name: str
    topic: str
    shape: type[Any]
    kind: str
    words: str

    @property
    def short(self) -> str:
        """The name without its frame: `invoice.posted`."""
        return self.name.removeprefix("tripartite.").rpartition(".v")[0]

    @property
    def version(self) -> int:
        return int(self.name.rpartition(".v")[2])


_SHAPES: Mapping[str, tuple[str, type[Any]]] = {
    "order.recorded": (ORDER_EVENTS, OrderRecorded),
    "order.published": (ORDER_EVENTS, OrderPublished),
    "receipt.recorded": (RECEIPT_EVENTS, ReceiptRecorded),
    "receipt.published": (RECEIPT_EVENTS, ReceiptPublished),
    "invoice": (INVOICE_EVENTS, InvoiceChanged),
    "payment": (PAYMENT_EVENTS, PaymentChanged),
    "exception": (EXCEPTION_EVENTS, ExceptionRecord),
}


def _published(short: str) -> Published:
    kind, _, what = short.partition(".")
    topic, shape = _SHAPES.get(short) or _SHAPES[kind]
    return Published(f"tripartite.{short}.v1", topic, shape, kind, TOLD[kind][what])


CATALOGUE: tuple[Published, ...] = tuple(map(_published, NAMES))
BY_NAME = {each.name: each for each in CATALOGUE}


def wanted(patterns: Iterable[str]) -> tuple[Published, ...]:
    """The events that a subscriber's patterns mean, in the catalogue's order."""
    names = set(matching(patterns))
    return tuple(each for each in CATALOGUE if each.short in names)


def number_of(value: Any) -> str:
    """The object that an event's data is about, by its own id within its kind and company."""
    match value:
        case InvoiceChanged():
            return value.invoice_id
        case ExceptionRecord():
            return value.exception_id
        case OrderPublished():
            return value.order_number
        case ReceiptPublished():
            return value.number
        case OrderRecorded() | ReceiptRecorded() | PaymentChanged():
            return value.value.number
        case _:
            raise AssertionError(f"{type(value).__name__} is no shape of the catalogue")
