"""One receipt under two names is one receipt: what a system was told by us, it tells us back under its own number.

Its number, or our mark on it, says whose it is. Before the answer to our own write has come nobody can say: the arrival
waits for that answer, and is then known, or is a receipt of its own. The order of arrival does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tripartite.components.receipts import publications
from tripartite.components.receipts.publications import Key, Name
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import DISPOSITIONS, Disposed, ReceiptArrived
from tripartite.core.ids import stable_id
from tripartite.core.objects import Receipt
from tripartite.runtime.bus import Outgoing, told
from tripartite.runtime.db import Connection

Arrivals = list[tuple[Message, ReceiptArrived]]


async def recognise(
    connection: Connection, source: str, arrived: Sequence[tuple[Message, ReceiptArrived]]
) -> tuple[list[Outgoing], Arrivals]:
    """Divide what `source` brings: our own receipts (told as duplicates) and those in doubt (kept aside) from the rest.

    The rest names what it takes back by our numbers.
    """
    # First the lock on what is still unanswered, then the look at the names: an answer that comes now waits for us,
    # and one that came just before has left its names.
    orders = {key for _, each in arrived for key in _orders(each.value)}
    doubted = await publications.of_orders(connection, source, orders)
    spoken = {(each.value.company_code, number) for _, each in arrived for number in _numbers(each.value)}
    named = await publications.named(connection, source, spoken)
    marked = {(each.value.company_code, each.value.origin) for _, each in arrived if each.value.origin}
    ours = await publications.recorded(connection, marked) if marked else {}
    outgoing: list[Outgoing] = []
    rest: Arrivals = []
    names: list[Name] = []
    for message, each in arrived:
        value = each.value
        key = (value.company_code, value.number)
        known = named.get(key, "")
        if not known and (value.company_code, value.origin) in ours:
            known = value.origin
            names.append(Name(value.company_code, source, value.number, known, _line_of(value, ours)))
        if known:
            outgoing += _disposed(message, each, "duplicate", "duplicate.event", f"our receipt {known}, told back")
        elif doubted & _orders(value):
            await publications.doubt(connection, message, value)
            detail = "it may be our own: decided once the other side has answered"
            outgoing += _disposed(message, each, "waiting", "integration.parent_awaited", detail)
        else:
            rest.append((message, _in_our_numbers(each, named)))
    await publications.add_names(connection, names)
    return outgoing, rest


def _orders(receipt: Receipt) -> set[Key]:
    return {(receipt.company_code, line.order_number) for line in receipt.lines}


def _numbers(receipt: Receipt) -> set[str]:
    return {receipt.number, *(line.takes_from for line in receipt.lines if line.takes_from)}


def _line_of(arrived: Receipt, ours: dict[Key, tuple[Receipt, str, str]]) -> int:
    """Which line of ours a receipt of one line is; 0 where it is the whole."""
    own = ours[arrived.company_code, arrived.origin][0]
    if len(own.lines) == 1 or len(arrived.lines) != 1:
        return 0
    only = arrived.lines[0]
    places = [
        line.line for line in own.lines if (line.order_number, line.order_line) == (only.order_number, only.order_line)
    ]
    return places[0] if len(places) == 1 else 0


def _in_our_numbers(each: ReceiptArrived, named: dict[Key, str]) -> ReceiptArrived:
    value = each.value
    lines = tuple(
        msgspec.structs.replace(line, takes_from=named.get((value.company_code, line.takes_from), line.takes_from))
        for line in value.lines
    )
    return msgspec.structs.replace(each, value=msgspec.structs.replace(value, lines=lines))


def settled(message: Message, each: ReceiptArrived) -> list[Outgoing]:
    """What was in doubt is a receipt of its own."""
    return _disposed(message, each, "applied", "", "it is no receipt of ours")


def _disposed(message: Message, each: ReceiptArrived, disposition: str, code: str, detail: str) -> list[Outgoing]:
    if not each.intake_id:
        return []
    made = told(
        message, DISPOSITIONS, "intake.disposed", codec.encode(Disposed(each.intake_id, disposition, code, detail))
    )
    # One message may be disposed of twice: it waited, and then it was decided.
    message_id = stable_id("msg", DISPOSITIONS, disposition, message.message_id)
    return [Outgoing(DISPOSITIONS, msgspec.structs.replace(made.message, message_id=message_id))]
