"""What a receipt is called here: two systems that number alike do not have the same receipt.

A number belongs to the connection that gave it. Where several warehouses serve a company, each one's numbers carry its
name (`wms-north:4711`), whoever comes first. Elsewhere a number stays as it is, unless another system's receipt has it.
What is recorded keeps its name, also when another warehouse is connected later.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tripartite.components.receipts import store
from tripartite.core.envelope import Message
from tripartite.core.estate import Estate
from tripartite.core.events import ReceiptArrived
from tripartite.core.objects import Receipt, ReceiptLine
from tripartite.runtime.db import Connection

SEPARATOR = ":"


def qualified(source: str, number: str) -> str:
    """A number with the connection that gave it."""
    return f"{source}{SEPARATOR}{number}"


def as_given(source: str, number: str) -> str:
    """The number as its connection gave it."""
    return number.removeprefix(source + SEPARATOR)


def shares_numbers(estate: Estate, source: str, company_code: str) -> bool:
    """Whether a connection is one of several warehouses of a company."""
    configured = estate.connection(source)
    return (
        configured is not None and configured.role == "warehouse" and len(estate.serving("warehouse", company_code)) > 1
    )


Arrivals = Sequence[tuple[Message, ReceiptArrived]]


async def named(
    connection: Connection, estate: Estate, arrived: Arrivals, fresh: Arrivals
) -> list[tuple[Message, ReceiptArrived]]:
    """The arrivals under the numbers they have here, what their lines take from included. One question for all.

    `arrived` are they as they came: where a line's `takes_from` differs from that, it is our number already.
    """
    stated_by = {message.message_id: _numbers(each.value) for message, each in arrived}
    asked = {
        (each.value.company_code, number)
        for message, each in fresh
        for stated in _numbers(each.value)
        for number in (stated, qualified(message.source, stated))
    }
    sources = await store.sources_of(connection, asked)
    result = []
    for message, each in fresh:
        value, source, stated_here = each.value, message.source, stated_by[message.message_id]

        def ours(number: str, *, taken: bool = False, company: str = value.company_code, source: str = source) -> str:
            own = qualified(source, number)
            if sources.get((company, number)) == source:
                return number
            if (company, own) in sources or shares_numbers(estate, source, company):
                return own
            # What a line takes from may be another system's: a return of what procurement booked.
            return own if (company, number) in sources and not taken else number

        number = ours(value.number)
        sources.setdefault((value.company_code, number), source)  # for what comes behind it in the same batch
        lines = tuple(
            msgspec.structs.replace(line, takes_from=ours(line.takes_from, taken=True))
            if line.takes_from in stated_here
            else line
            for line in value.lines
        )
        result.append((message, msgspec.structs.replace(each, value=_renamed(value, number, lines))))
    return result


def _numbers(receipt: Receipt) -> set[str]:
    return {receipt.number, *(line.takes_from for line in receipt.lines if line.takes_from)} - {""}


def _renamed(receipt: Receipt, number: str, lines: tuple[ReceiptLine, ...]) -> Receipt:
    if number == receipt.number and lines == receipt.lines:
        return receipt
    return msgspec.structs.replace(receipt, number=number, lines=lines)
