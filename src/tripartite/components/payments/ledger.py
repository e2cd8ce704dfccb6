"""What was drawn up: proposals with their releases, payments with their items, the orders that were sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.delivery import State
from tripartite.core.objects import Payment, PaymentOrder
from tripartite.core.objects.payment import PaymentStatus
from tripartite.core.paying.proposing import Run
from tripartite.runtime.db import Connection, copy_rows, execute
from tripartite.runtime.deliveries import withdraw


class Proposal(msgspec.Struct, kw_only=True):
    """A proposal as it stands in the table; written back where it changed."""

    number: str
    company_code: str
    connection: str
    run: bytes
    account: str
    currency: str
    pay_until: date
    execute_on: date
    kind: str
    proposed_by: str
    proposed_person: str
    state: str
    content_hash: str
    persons: int
    policy_row: str
    policy_hash: str
    amount: Decimal
    order_number: str
    version: int
    correlation_id: str
    created_at: datetime
    changed_at: datetime
    leaf_id: str

    @property
    def the_run(self) -> Run:
        return codec.decode_own(self.run, Run)


class Row(msgspec.Struct, kw_only=True):
    """A payment as it stands in the table; `content` is the canonical payment as it was proposed."""

    number: str
    proposal: str
    company_code: str
    supplier_id: str
    currency: str
    amount: Decimal
    account: str
    state: PaymentStatus
    version: int
    reason: str
    detail: str
    executed_on: date | None
    bank_reference: str
    order_number: str
    reopened_by: str
    reopened_why: str
    reopened_at: datetime | None
    content: bytes
    correlation_id: str
    changed_at: datetime

    @property
    def payment(self) -> Payment:
        """The canonical payment as it is now."""
        drawn = codec.decode_own(self.content, Payment)
        return msgspec.structs.replace(drawn, status=self.state, version=self.version, executed_on=self.executed_on)


class Order(msgspec.Struct, frozen=True):
    number: str
    proposal: str
    company_code: str
    connection: str
    currency: str
    account: str
    delivery_key: str
    content: bytes
    withdrawn_at: datetime | None


PROPOSAL, PAYMENT = Proposal.__struct_fields__, Row.__struct_fields__
_ORDER = Order.__struct_fields__


def _proposal(row: Sequence[Any]) -> Proposal:
    return Proposal(**dict(zip(PROPOSAL, row, strict=True)))


def _row(row: Sequence[Any]) -> Row:
    return Row(**dict(zip(PAYMENT, row, strict=True)))


async def insert_proposal(connection: Connection, proposal: Proposal, rows: Sequence[Row]) -> None:
    """Write a new proposal with its payments and their claims.

    Errors: a unique violation where an item is claimed by another living payment, a check violation where more is
    claimed than is payable (I4, C08).
    """
    await copy_rows(connection, "payments.proposal", PROPOSAL, [[getattr(proposal, name) for name in PROPOSAL]])
    await copy_rows(connection, "payments.payment", PAYMENT, [[getattr(row, name) for name in PAYMENT] for row in rows])
    claims = [
        (row.number, item.invoice_id, item.amount, item.discount or 0) for row in rows for item in row.payment.items
    ]
    await copy_rows(connection, "payments.payment_item", ("number", "invoice_id", "amount", "discount"), sorted(claims))


async def proposal(connection: Connection, number: str, *, lock: bool = False) -> Proposal | None:
    found = await execute(
        connection,
        f"SELECT {', '.join(PROPOSAL)} FROM payments.proposal WHERE number = %s {'FOR UPDATE' if lock else ''}",
        (number,),
    )
    row = await found.fetchone()
    return _proposal(row) if row else None


async def proposals(connection: Connection, numbers: Collection[str]) -> list[Proposal]:
    """These proposals, locked in order."""
    found = await execute(
        connection,
        f"SELECT {', '.join(PROPOSAL)} FROM payments.proposal WHERE number = ANY(%s) ORDER BY number FOR UPDATE",
        (sorted(numbers),),
    )
    return [_proposal(row) for row in await found.fetchall()]


async def latest_of_run(connection: Connection, company: str, run: bytes, kind: str = "") -> Proposal | None:
    """The newest proposal of this very run (and kind, where one is given) that is not cancelled."""
    found = await execute(
        connection,
        f"""SELECT {", ".join(PROPOSAL)} FROM payments.proposal WHERE company_code = %s AND run = %s
        AND state <> 'cancelled' AND %s IN ('', kind) ORDER BY created_at DESC, number LIMIT 1""",
        (company, run, kind),
    )
    row = await found.fetchone()
    return _proposal(row) if row else None


async def outdated(connection: Connection, company: str, today: date) -> list[str]:
    """Proposals whose day has passed without their release."""
    found = await execute(
        connection,
        """SELECT number FROM payments.proposal WHERE company_code = %s AND state = 'open' AND execute_on < %s
        ORDER BY 1""",
        (company, today),
    )
    return [row[0] for row in await found.fetchall()]


async def update_proposal(connection: Connection, proposal: Proposal) -> None:
    await execute(
        connection,
        """UPDATE payments.proposal SET state = %s, content_hash = %s, persons = %s, policy_row = %s, policy_hash = %s,
            amount = %s, order_number = %s, version = %s, changed_at = %s WHERE number = %s""",
        (
            *(proposal.state, proposal.content_hash, proposal.persons, proposal.policy_row, proposal.policy_hash),
            *(proposal.amount, proposal.order_number, proposal.version, proposal.changed_at, proposal.number),
        ),
    )


async def payments_of(connection: Connection, proposal: str) -> list[Row]:
    """Every payment of a proposal, the cancelled ones too, by number."""
    found = await execute(
        connection,
        f"SELECT {', '.join(PAYMENT)} FROM payments.payment WHERE proposal = %s ORDER BY number FOR UPDATE",
        (proposal,),
    )
    return [_row(row) for row in await found.fetchall()]


async def payments(connection: Connection, numbers: Collection[str], *, lock: bool = False) -> list[Row]:
    found = await execute(
        connection,
        f"""SELECT {", ".join(PAYMENT)} FROM payments.payment WHERE number = ANY(%s) ORDER BY number
        {"FOR UPDATE" if lock else ""}""",
        (sorted(numbers),),
    )
    return [_row(row) for row in await found.fetchall()]


async def update_payments(connection: Connection, rows: Sequence[Row]) -> None:
    """Write back what changed; what gives its claims up goes first, so that they are free for the others."""
    for row in sorted(rows, key=lambda each: (each.state in ("executed", "sent"), each.number)):
        await execute(
            connection,
            """UPDATE payments.payment SET state = %s, version = %s, reason = %s, detail = %s, executed_on = %s,
                bank_reference = %s, order_number = %s, reopened_by = %s, reopened_why = %s, reopened_at = %s,
                changed_at = %s WHERE number = %s""",
            (
                *(row.state, row.version, row.reason, row.detail[:600], row.executed_on, row.bank_reference),
                *(row.order_number, row.reopened_by, row.reopened_why, row.reopened_at, row.changed_at, row.number),
            ),
        )


async def claims_lost(connection: Connection, numbers: Collection[str]) -> dict[str, list[str]]:
    """Executed payments whose items another living payment has claimed meanwhile: payment -> the invoices."""
    found = await execute(
        connection,
        """SELECT p.number, c.invoice_id FROM payments.payment p JOIN payments.payment_item c USING (number)
        WHERE p.number = ANY(%s) AND p.state = 'executed' AND NOT c.living ORDER BY 1, 2""",
        (sorted(numbers),),
    )
    lost: dict[str, list[str]] = {}
    for number, invoice in await found.fetchall():
        lost.setdefault(number, []).append(invoice)
    return lost


async def add_release(
    connection: Connection, proposal: Proposal, person: str, account: str, at: datetime, leaf_id: str
) -> bool:
    """Note a release of the proposal's content; False where this person gave it already."""
    done = await execute(
        connection,
        """INSERT INTO payments.release (proposal, content_hash, person, account, at, leaf_id)
        VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
        (proposal.number, proposal.content_hash, person, account, at, leaf_id),
    )
    return done.rowcount == 1


async def released_by(connection: Connection, number: str, content_hash: str) -> list[str]:
    """The persons who released this content."""
    found = await execute(
        connection,
        "SELECT person FROM payments.release WHERE proposal = %s AND content_hash = %s ORDER BY at, person",
        (number, content_hash),
    )
    return [row[0] for row in await found.fetchall()]


async def add_order(
    connection: Connection, order: PaymentOrder, proposal: Proposal, content: bytes, digest: str, key: str
) -> None:
    await execute(
        connection,
        """INSERT INTO payments.payment_order (number, proposal, company_code, connection, currency, account, amount,
            delivery_key, content, digest, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            *(order.number, proposal.number, order.company_code, proposal.connection, order.currency),
            *(order.account.account, order.amount, key, content, digest, order.created_at),
        ),
    )


async def orders(connection: Connection, numbers: Collection[str]) -> dict[str, Order]:
    """These orders, locked in order."""
    found = await execute(
        connection,
        f"SELECT {', '.join(_ORDER)} FROM payments.payment_order WHERE number = ANY(%s) ORDER BY number FOR UPDATE",
        (sorted(numbers),),
    )
    return {row[0]: Order(*row) for row in await found.fetchall()}


async def payments_of_orders(connection: Connection, numbers: Collection[str]) -> dict[str, list[Row]]:
    """order -> its payments, locked."""
    found = await execute(
        connection,
        f"""SELECT {", ".join(PAYMENT)} FROM payments.payment WHERE order_number = ANY(%s) ORDER BY number
        FOR UPDATE""",
        (sorted(numbers),),
    )
    rows: dict[str, list[Row]] = {}
    for row in await found.fetchall():
        one = _row(row)
        rows.setdefault(one.order_number, []).append(one)
    return rows


async def orders_of_payments(connection: Connection, numbers: Collection[str]) -> dict[str, str]:
    """payment -> the order it was sent with."""
    found = await execute(
        connection,
        "SELECT number, order_number FROM payments.payment WHERE number = ANY(%s) AND order_number <> ''",
        (sorted(numbers),),
    )
    return {row[0]: row[1] for row in await found.fetchall()}


async def companies_of_orders(connection: Connection, numbers: Collection[str]) -> list[str]:
    found = await execute(
        connection,
        "SELECT DISTINCT company_code FROM payments.payment_order WHERE number = ANY(%s) ORDER BY 1",
        (sorted(numbers),),
    )
    return [row[0] for row in await found.fetchall()]


async def disarm(
    connection: Connection, order: Order, states: Sequence[State], why: str, at: datetime, *, surely: bool = False
) -> bool:
    """Take an order back for good where its delivery is still in one of `states`: no replay sends it either.

    False where it is not: its bytes are on their way, or there; with `surely`, also where they may be there.
    """
    taken = await withdraw(
        connection,
        [order.delivery_key],
        states=states,
        reason_code="posting.rejected",
        detail=why,
        now=at,
        surely=surely,
    )
    if taken:
        await _withdrawn(connection, order.number, at)
    return bool(taken)


async def _withdrawn(connection: Connection, number: str, at: datetime) -> None:
    await execute(
        connection,
        "UPDATE payments.payment_order SET withdrawn_at = %s WHERE number = %s AND withdrawn_at IS NULL",
        (at, number),
    )


async def add_notices(connection: Connection, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Note what is owed about a payment: (delivery key, payment, connection, operation)."""
    await execute(
        connection,
        """INSERT INTO payments.notice (key, number, connection, operation)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
        [[row[place] for row in rows] for place in range(4)],
    )


async def untold(connection: Connection, numbers: Collection[str]) -> dict[str, list[tuple[str, str, str]]]:
    """payment -> (connection, operation, why) of what was refused or given up and did not arrive since."""
    found = await execute(
        connection,
        """SELECT n.number, n.connection, n.operation, max(o.detail) FROM payments.notice n
        JOIN payments.outcome o ON o.order_number = n.key AND o.state IN ('rejected', 'dead_letter')
        WHERE n.number = ANY(%s) AND NOT EXISTS
            (SELECT 1 FROM payments.outcome s WHERE s.order_number = n.key AND s.state = 'settled')
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
        (sorted(numbers),),
    )
    late: dict[str, list[tuple[str, str, str]]] = {}
    for number, name, operation, why in await found.fetchall():
        late.setdefault(number, []).append((name, operation, why))
    return late
