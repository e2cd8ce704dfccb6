"""What people do about the exceptions of orders and requisitions: the acts of every exception, in the orders' words.

Refusing means giving up: an order that the ERP refused, or that was set aside, is not sent again under this version,
whoever replays it. A change of the order begins anew. What its own fact must clear (an approval, a budget, a mapping)
is not refused: procurement decides there.
"""

from __future__ import annotations

from collections.abc import Sequence

from tripartite.components.orders import publications, requisition_store
from tripartite.components.orders.publishing import PUBLISH_ORDER
from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.ids import delivery_key
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.deliveries import withdraw
from tripartite.runtime.exception_acts import ExceptionActs, Seen, What

GIVEN_UP = frozenset({"posting.rejected", "integration.retries_exhausted"})


async def read(connection: Connection, exception_id: str) -> ExceptionRecord | None:
    """The newest version of an exception of an order or a requisition."""
    found = await execute(
        connection,
        """SELECT record FROM orders.exception WHERE exception_id = %(id)s
        UNION ALL SELECT record FROM orders.requisition_exception WHERE exception_id = %(id)s""",
        {"id": exception_id},
    )
    row = await found.fetchone()
    return codec.decode_own(row[0], ExceptionRecord) if row else None


class OrderActs(ExceptionActs):
    """The acts on exceptions of orders and requisitions."""

    schema = "orders"
    kinds = frozenset({"order", "requisition"})

    async def locked(self, connection: Connection, exception_id: str) -> Seen | None:
        found = await read(connection, exception_id)
        if found is None:
            return None
        if found.object_kind == "order":
            await publications.lock_heads(connection, [(found.company_code, found.object_id)])
        else:
            number = found.object_id.partition("/")[2]
            await requisition_store.recorded(connection, [(found.company_code, number)])
        found = await read(connection, exception_id)
        assert found is not None, "exceptions are never taken away"
        return Seen(found)

    async def keep_records(self, connection: Connection, records: Sequence[ExceptionRecord]) -> None:
        await publications.keep_exceptions(connection, [each for each in records if each.object_kind == "order"])
        await requisition_store.keep_exceptions(connection, [each for each in records if each.object_kind != "order"])

    async def duties(self, connection: Connection, seen: Seen, person: str) -> set[str]:
        """Besides the acts here: who asked for the goods, as the order or the requisition names them."""
        done = await super().duties(connection, seen, person)
        wished: set[str] = set()
        if seen.record.object_kind == "order":
            key = (seen.record.company_code, seen.record.object_id)
            known = (await publications.orders_of(connection, [key])).get(key)
            wished = {known.order.requester.casefold()} if known is not None and known.order.requester else set()
        else:
            key = (seen.record.company_code, seen.record.object_id.partition("/")[2])
            row = (await requisition_store.recorded(connection, [key])).get(key)
            wished = {row.value.requester.casefold()} if row is not None and row.value.requester else set()
        return done | ({"requisition"} if person.casefold() in wished else set())

    def withheld(self, record: ExceptionRecord, what: What) -> str:
        if what == "refused" and record.reason_code not in GIVEN_UP:
            return f"{record.reason_code} ends when its fact changes, in procurement or the master; nothing is refused."
        return ""

    async def follow(
        self, connection: Connection, seen: Seen, record: ExceptionRecord, what: What, cause: str
    ) -> tuple[str, list[Outgoing]]:
        if record.object_kind != "order":
            return record.state, []
        key = (record.company_code, record.object_id)
        head = (await publications.lock_heads(connection, [key]))[key]
        if what == "refused":
            await withdraw(
                connection,
                [delivery_key(head.object_id, head.sequence, head.connection, PUBLISH_ORDER)],
                states=("rejected", "dead_letter"),
                reason_code=record.reason_code,
                detail=record.resolution,
                now=record.event.at,
                surely=True,
            )
        return head.state, []
