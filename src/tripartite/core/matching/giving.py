"""What credits and lines that take back give back of what was released, and what they hold back until they are live.

A credit counts in the match from the moment it is known; goods are free for another bill only once it is itself to be
posted. The caller says which invoices are live; quantities are exact, in the order line's unit.
Rules: S19, S37, I6, I37.
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction

import msgspec

from tripartite.core.matching.exact import ZERO
from tripartite.core.matching.state import LineState, Taking, Work


class Giving(msgspec.Struct, frozen=True):
    """One credit line on one order line: `quantity` is what it takes of live bills and of what was billed before day
    zero; `billed` what live bills then still bill of the order line, what was billed before day zero left out.
    `receipts`: in which order the receipts get it back, the named one first, else last in, first out (S3)."""

    invoice_line: int
    order_number: str
    order_line: int
    quantity: Fraction
    billed: Fraction
    receipts: tuple[tuple[str, int], ...]


class HeldBack(msgspec.Struct, frozen=True):
    """So much of an invoice line was taken by credits that are not live: it is to be released all the same."""

    invoice_line: int
    order_number: str
    order_line: int
    quantity: Fraction


def takings_of(work: Work) -> list[Taking]:
    """The credit lines of a document, and the lines of a bill that take back."""
    return [*work.takings, *(piece.taking for piece in work.pieces if piece.taking is not None)]


def givings(work: Work, live: Collection[str]) -> tuple[Giving, ...]:
    """What a document gives back once it is live itself. Limit lines count value, not quantity: they give none back."""
    found = []
    own = work.bill.id
    for taking in takings_of(work):
        state = taking.state
        if state is None or taking.ordered.mode == "limit":
            continue
        found.append(
            Giving(
                taking.billed.line,
                taking.ordered.order.number,
                taking.ordered.line,
                _taken(taking, live),
                _billed(state, live, own),
                _receipts(state, taking.receipt),
            )
        )
    return tuple(found)


def held_back(work: Work, live: Collection[str]) -> tuple[HeldBack, ...]:
    """What of a bill was taken by credits that are not live; its own lines that take back do not count."""
    found = []
    for piece in work.pieces:
        if piece.taken == ZERO or piece.ordered.mode == "limit":
            continue
        quantity = sum(
            (
                part
                for taking in piece.state.takings
                if taking.work.bill.id not in live and taking.work is not work
                for other, part in taking.took
                if other is piece
            ),
            ZERO,
        )
        if quantity > 0:
            found.append(HeldBack(piece.billed.line, piece.ordered.order.number, piece.ordered.line, quantity))
    return tuple(found)


def _taken(taking: Taking, live: Collection[str]) -> Fraction:
    return sum((part for piece, part in taking.took if piece.work.bill.id in live), taking.before)


def _billed(state: LineState, live: Collection[str], own: str) -> Fraction:
    billed = sum((piece.quantity for piece in state.pieces if piece.work.bill.id in live and not piece.negative), ZERO)
    for taking in state.takings:
        if taking.work.bill.id in live or taking.work.bill.id == own:
            billed -= _taken(taking, live)
    return billed


def _receipts(state: LineState, named: str) -> tuple[tuple[str, int], ...]:
    entries = list(reversed(state.numbers.entries))
    first = state.numbers.named(named) if named else []
    places = [(entry.number, entry.line) for entry in (*first, *entries)]
    return tuple(dict.fromkeys(places))
