"""Questions of people and machines: lists of payments, proposals, holds; one with everything beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from tripartite.core import codec
from tripartite.core.objects import Payment
from tripartite.runtime.db import Connection, execute

Companies = Sequence[str] | None

_PAYMENT = (
    *(
        "number",
        "proposal",
        "company_code",
        "supplier_id",
        "currency",
        "amount",
        "state",
        "version",
        "reason",
        "detail",
    ),
    *("executed_on", "bank_reference", "order_number", "reopened_by", "reopened_why", "reopened_at"),
    *("correlation_id", "changed_at"),
)
_PROPOSAL = (
    *("number", "company_code", "connection", "currency", "pay_until", "execute_on", "kind", "proposed_by", "state"),
    *("content_hash", "persons", "policy_row", "amount", "order_number", "version", "correlation_id", "created_at"),
    "changed_at",
)
_HOLD = (
    *("hold_id", "company_code", "object_kind", "object_id", "why", "placed_by", "placed_at", "lifted_by"),
    *("lifted_why", "lifted_at"),
)


def masked(account: str) -> str:
    """A bank account as people see it: its country and last four."""
    return f"{account[:2]}..{account[-4:]}"


def _named(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def shown(content: bytes) -> dict[str, Any]:
    """What a payment pays, with its account masked."""
    payment = codec.decode_own(content, Payment)
    return {
        "supplier_name": payment.supplier_name,
        "account": masked(payment.account.account) if payment.account else "",
        "due_on": payment.due_on,
        "items": [codec.builtins(item) for item in payment.items],
    }


async def payments(
    connection: Connection,
    *,
    state: str,
    supplier: str,
    invoice: str,
    after: tuple[datetime, str] | None,
    limit: int,
    companies: Companies,
) -> list[dict[str, Any]]:
    """Payments, the newest change first."""
    found = await execute(
        connection,
        f"""SELECT {", ".join(_PAYMENT)}, content FROM payments.payment p
        WHERE (%(state)s = '' OR state = %(state)s) AND (%(supplier)s = '' OR supplier_id = %(supplier)s)
        AND (%(invoice)s = '' OR EXISTS (SELECT 1 FROM payments.payment_item pi WHERE pi.number = p.number
            AND pi.invoice_id = %(invoice)s))
        AND (%(mine)s::text[] IS NULL OR company_code = ANY(%(mine)s))
        AND (%(at)s::timestamptz IS NULL OR (changed_at, number) < (%(at)s, %(last)s))
        ORDER BY changed_at DESC, number DESC LIMIT %(limit)s""",
        {
            "state": state,
            "supplier": supplier,
            "invoice": invoice,
            "mine": companies,
            "at": after[0] if after else None,
            "last": after[1] if after else "",
            "limit": limit,
        },
    )
    rows = await found.fetchall()
    return [{**dict(zip(_PAYMENT, row, strict=False)), **shown(row[-1])} for row in rows]


async def payment(connection: Connection, number: str, companies: Companies) -> dict[str, Any] | None:
    """One payment: its items, what came before it, who released it, what is open about it."""
    found = await execute(
        connection,
        f"""SELECT {", ".join(_PAYMENT)}, content FROM payments.payment WHERE number = %s
        AND (%s::text[] IS NULL OR company_code = ANY(%s))""",
        (number, companies, companies),
    )
    row = await found.fetchone()
    if row is None:
        return None
    one: dict[str, Any] = {**dict(zip(_PAYMENT, row, strict=False)), **shown(row[-1])}
    earlier = await execute(
        connection,
        """SELECT DISTINCT o.number, p.state, p.changed_at FROM payments.payment_item mine
        JOIN payments.payment_item o ON o.invoice_id = mine.invoice_id AND o.number <> mine.number
        JOIN payments.payment p ON p.number = o.number WHERE mine.number = %s ORDER BY p.changed_at, o.number""",
        (number,),
    )
    one["other_payments"] = _named(("number", "state", "changed_at"), await earlier.fetchall())
    one["releases"] = await releases(connection, one["proposal"])
    one["held"] = await held_of(connection, number)
    records = await execute(
        connection, "SELECT record FROM payments.exception WHERE object_id = %s ORDER BY exception_id", (number,)
    )
    one["exceptions"] = [codec.plain_json(record) for (record,) in await records.fetchall()]
    return one


async def held_of(connection: Connection, number: str) -> list[dict[str, Any]]:
    found = await execute(
        connection,
        "SELECT DISTINCT kind, code, words FROM payments.stopped WHERE number = %s ORDER BY 1, 2, 3",
        (number,),
    )
    return _named(("kind", "code", "words"), await found.fetchall())


async def releases(connection: Connection, proposal: str) -> list[dict[str, Any]]:
    """Who released a proposal, and whether it was the content that stands now."""
    found = await execute(
        connection,
        """SELECT r.person, r.account, r.at, r.content_hash, r.content_hash = q.content_hash
        FROM payments.release r JOIN payments.proposal q ON q.number = r.proposal WHERE r.proposal = %s
        ORDER BY r.at, r.person""",
        (proposal,),
    )
    return _named(("person", "account", "at", "content_hash", "counts"), await found.fetchall())


async def proposals(
    connection: Connection, *, state: str, after: tuple[datetime, str] | None, limit: int, companies: Companies
) -> list[dict[str, Any]]:
    found = await execute(
        connection,
        f"""SELECT {", ".join(_PROPOSAL)}, account,
            (SELECT count(*) FROM payments.payment p WHERE p.proposal = q.number AND p.state <> 'cancelled')
        FROM payments.proposal q WHERE (%(state)s = '' OR state = %(state)s)
        AND (%(mine)s::text[] IS NULL OR company_code = ANY(%(mine)s))
        AND (%(at)s::timestamptz IS NULL OR (created_at, number) < (%(at)s, %(last)s))
        ORDER BY created_at DESC, number DESC LIMIT %(limit)s""",
        {
            "state": state,
            "mine": companies,
            "at": after[0] if after else None,
            "last": after[1] if after else "",
            "limit": limit,
        },
    )
    rows = await found.fetchall()
    return [
        {**dict(zip(_PROPOSAL, row, strict=False)), "account": masked(row[-2]), "payment_count": row[-1]}
        for row in rows
    ]


async def proposal(connection: Connection, number: str, companies: Companies) -> dict[str, Any] | None:
    """One proposal with its payments and releases; what a releaser must see before they say yes."""
    found = await execute(
        connection,
        f"""SELECT {", ".join(_PROPOSAL)}, account FROM payments.proposal WHERE number = %s
        AND (%s::text[] IS NULL OR company_code = ANY(%s))""",
        (number, companies, companies),
    )
    row = await found.fetchone()
    if row is None:
        return None
    one: dict[str, Any] = {**dict(zip(_PROPOSAL, row, strict=False)), "account": masked(row[-1])}
    paid = await execute(
        connection,
        f"SELECT {', '.join(_PAYMENT)}, content FROM payments.payment WHERE proposal = %s ORDER BY number",
        (number,),
    )
    one["payments"] = [{**dict(zip(_PAYMENT, each, strict=False)), **shown(each[-1])} for each in await paid.fetchall()]
    one["releases"] = await releases(connection, number)
    return one


async def held_items(
    connection: Connection, company: str, currency: str, until: date, limit: int = 200
) -> list[dict[str, str]]:
    """What is due and may not be paid, with every reason."""
    found = await execute(
        connection,
        """SELECT DISTINCT h.invoice_id, i.number, h.kind, h.code, h.words FROM payments.held h
        JOIN payments.item i USING (invoice_id)
        WHERE i.company_code = %s AND i.currency = %s AND i.due_on <= %s AND NOT i.credit
        AND NOT EXISTS (SELECT 1 FROM payments.payment_item pi WHERE pi.invoice_id = i.invoice_id AND pi.living)
        ORDER BY 1, 3, 4 LIMIT %s""",
        (company, currency, until, limit),
    )
    return _named(("invoice_id", "invoice_number", "kind", "code", "words"), await found.fetchall())


async def correlations(connection: Connection, invoices: Collection[str]) -> Mapping[str, str]:
    found = await execute(
        connection,
        "SELECT invoice_id, correlation_id FROM payments.item WHERE invoice_id = ANY(%s)",
        (sorted(invoices),),
    )
    return {row[0]: row[1] for row in await found.fetchall()}


async def holds(
    connection: Connection, *, object_id: str, standing: bool, after: str, limit: int, companies: Companies
) -> list[dict[str, Any]]:
    found = await execute(
        connection,
        f"""SELECT {", ".join(_HOLD)} FROM payments.hold WHERE hold_id > %(after)s
        AND (%(object)s = '' OR object_id = %(object)s) AND (NOT %(standing)s OR lifted_at IS NULL)
        AND (%(mine)s::text[] IS NULL OR company_code = ANY(%(mine)s)) ORDER BY hold_id LIMIT %(limit)s""",
        {"after": after, "object": object_id, "standing": standing, "mine": companies, "limit": limit},
    )
    return _named(_HOLD, await found.fetchall())


# Requests that were answered


async def known_request(connection: Connection, caller: str, key: str) -> tuple[str, int, bytes] | None:
    """(digest, status, response) of what this key stands for."""
    found = await execute(
        connection,
        "SELECT digest, status, response FROM payments.request WHERE caller = %s AND key = %s",
        (caller, key),
    )
    row = await found.fetchone()
    return (row[0], row[1], bytes(row[2])) if row else None


async def keep_request(
    connection: Connection, caller: str, key: str, digest: str, status: int, response: bytes, at: datetime
) -> bool:
    """Remember what a key stands for; False where another request of the same key was faster."""
    made = await execute(
        connection,
        """INSERT INTO payments.request (caller, key, digest, status, response, at) VALUES (%s, %s, %s, %s, %s, %s)
        ON CONFLICT DO NOTHING""",
        (caller, key, digest, status, response, at),
    )
    return made.rowcount == 1
