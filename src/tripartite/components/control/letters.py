"""What was set aside and why, since when, with the money it holds up; and sending it again, by a person with a reason.

Two kinds: deliveries (refused by the other side, or out of tries) and messages that a component could not take in.
Sending again is the same act as `tripartite replay`: under its old key, an attempt, a leaf, an outcome that its owner
hears (runtime/replay.py, runtime/aside.py). A posting of an invoice that something else holds stays aside.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from tripartite.core.money import Amount
from tripartite.runtime.aside import ask_again
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection, execute
from tripartite.runtime.replay import ASIDE, replay

Companies = Sequence[str] | None
POSTING = "post_invoice"
_FREE = ("to_post", "posted", "held", "")


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message and the consumer that could not take it in."""

    consumer: str
    message_id: str


class SendAgain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes its way again, and why its cause is gone."""

    why: str
    deliveries: tuple[str, ...] = ()
    messages: tuple[Wanted, ...] = ()


class _Speaks(msgspec.Struct):
    """What a payload may say of money: a posting, an order of payments, or a document inside a message."""

    class Document(msgspec.Struct):
        currency: str = ""
        gross: Amount | None = None

    currency: str = ""
    gross: Amount | None = None
    amount: Amount | None = None
    value: Document | None = None


def _sum(payload: bytes) -> tuple[str, Amount | None]:
    """(currency, sum) that a payload speaks of; nothing where it says none, or is not even read."""
    try:
        said = msgspec.json.decode(payload, type=_Speaks, dec_hook=_amount)
    except (msgspec.DecodeError, ValueError, ArithmeticError):
        return "", None
    if said.value is not None and said.value.gross is not None:
        return said.value.currency, said.value.gross
    found = said.gross if said.gross is not None else said.amount
    return (said.currency, found) if said.currency else ("", None)


def _amount(kind: type[Any], value: Any) -> Any:
    return kind(value)


async def deliveries(
    connection: Connection, companies: Companies, *, to: str = "", reason: str = "", limit: int = 200
) -> list[dict[str, Any]]:
    """Deliveries that are set aside, the longest first: the sum each holds up, and what else holds its invoice."""
    names = (
        *("key", "state", "operation", "object_kind", "object_id", "connection", "company_code", "correlation_id"),
        *("reason_code", "detail", "attempts", "probes", "created_at", "updated_at"),
    )
    found = await execute(
        connection,
        f"""SELECT {", ".join(names)}, payload FROM deliveries.delivery
        WHERE state = ANY(%(aside)s) AND mode <> 'observe' AND (%(to)s = '' OR connection = %(to)s)
        AND (%(reason)s = '' OR reason_code = %(reason)s)
        AND (%(mine)s::text[] IS NULL OR company_code = ANY(%(mine)s))
        ORDER BY updated_at, key LIMIT %(limit)s""",
        {"aside": list(ASIDE), "to": to, "reason": reason, "mine": companies, "limit": limit},
    )
    rows = await found.fetchall()
    holding = await _held(connection, {row[4] for row in rows if row[2] == POSTING})
    listed = []
    for row in rows:
        one = dict(zip(names, row, strict=False))
        currency, gross = _sum(row[-1])
        held = holding.get(one["object_id"], ()) if one["operation"] == POSTING else ()
        listed.append({**one, "currency": currency, "gross": gross, "held_for": list(held), "since": one["updated_at"]})
    return listed


async def _held(connection: Connection, invoices: Collection[str]) -> dict[str, tuple[str, ...]]:
    """What stands against booking each of these invoices now, beside the refusal itself."""
    open_now = await execute(
        connection,
        """SELECT object_id, array_agg(DISTINCT reason_code) FROM control.exception
        WHERE object_id = ANY(%s) AND state = 'open' AND reason_code NOT LIKE 'posting.%%' GROUP BY 1""",
        (sorted(invoices),),
    )
    held = {row[0]: tuple(sorted(row[1])) for row in await open_now.fetchall()}
    states = await execute(
        connection,
        """SELECT DISTINCT ON (object_id) object_id, state FROM control.event
        WHERE object_id = ANY(%s) AND object_kind = 'invoice' AND type LIKE 'tripartite.invoice.%%'
        ORDER BY object_id, at DESC, message_id DESC""",
        (sorted(invoices),),
    )
    for invoice_id, state in await states.fetchall():
        if state in ("to_post", "posted"):
            held.pop(invoice_id, None)
        elif state not in _FREE and invoice_id not in held:
            held[invoice_id] = (f"the state {state}",)
    return held


async def owed(connection: Connection, companies: Companies, *, to: str, limit: int = 50) -> list[dict[str, Any]]:
    """What is owed to a connection and not done, what is due first."""
    names = (
        *("key", "state", "operation", "object_kind", "object_id", "company_code", "mode", "correlation_id"),
        *("attempts", "probes", "due_at", "detail", "created_at", "updated_at"),
    )
    found = await execute(
        connection,
        f"""SELECT {", ".join(names)} FROM deliveries.delivery WHERE connection = %(to)s
        AND state IN ('intended', 'waiting', 'unknown', 'accepted')
        AND (%(mine)s::text[] IS NULL OR company_code = ANY(%(mine)s)) ORDER BY due_at, key LIMIT %(limit)s""",
        {"to": to, "mine": companies, "limit": limit},
    )
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]


async def messages(connection: Connection, companies: Companies, *, limit: int = 200) -> list[dict[str, Any]]:
    """Messages that a consumer could not take in, the oldest first. What belongs to no company yet is shown to those
    who see all of them.
    """
    names = (
        *("consumer", "topic", "partition", "position", "message_id", "company_code", "reason_code", "detail"),
        *("since", "tries", "asked_by", "asked_at", "type", "key", "correlation_id"),
    )
    found = await execute(
        connection,
        """SELECT q.consumer, q.topic, q.partition, q.position, q.message_id, q.company_code, q.reason_code, q.detail,
            q.at, q.tries, q.asked_by, q.asked_at, coalesce(m.type, ''), coalesce(m.key, ''),
            coalesce(m.correlation_id, ''), coalesce(m.payload, '')
        FROM bus.quarantine q LEFT JOIN bus.message m USING (topic, partition, position)
        WHERE q.replayed_at IS NULL AND (%(mine)s::text[] IS NULL OR q.company_code = ANY(%(mine)s))
        ORDER BY q.at, q.consumer, q.message_id LIMIT %(limit)s""",
        {"mine": companies, "limit": limit},
    )
    listed = []
    for row in await found.fetchall():
        currency, gross = _sum(bytes(row[-1]))
        listed.append({**dict(zip(names, row, strict=False)), "currency": currency, "gross": gross})
    return listed


async def send_again(
    connection: Connection, wanted: SendAgain, companies: Companies, *, by: str, ports: Ports
) -> dict[str, Any]:
    """Let these go their way again, inside the caller's transaction: what was sent, what stays and why.

    What the person does not see, what is not set aside, and what its invoice holds is left out and named.
    """
    now, chance = ports.clock.now(), ports.chance
    aside = {row["key"]: row for row in await _named(connection, wanted.deliveries, companies)}
    held = await _held(connection, {row["object_id"] for row in aside.values() if row["operation"] == POSTING})
    stay: dict[str, str] = {key: "It is not set aside." for key in wanted.deliveries if key not in aside}
    free = []
    for key, row in aside.items():
        against = held.get(row["object_id"], ()) if row["operation"] == POSTING else ()
        if against:
            stay[key] = f"Its invoice is held for {', '.join(against)}; settle that first."
        else:
            free.append(key)
    done = await replay(connection, free, by=by, why=wanted.why, now=now, chance=chance)
    seen = await _seen(connection, wanted.messages, companies)
    asked = await ask_again(connection, seen, by=by, why=wanted.why, now=now, chance=chance)
    again = {(each.consumer, each.message_id) for each in asked}
    for message in wanted.messages:
        if (message.consumer, message.message_id) not in again:
            stay[message.message_id] = "It is not set aside, was asked for already, or is no longer on the bus."
    return {
        "deliveries": [{"key": each.key, "state": each.after, "was": each.before} for each in done],
        "messages": [{"consumer": each.consumer, "message_id": each.message_id} for each in asked],
        "stay": [{"key": key, "words": words} for key, words in sorted(stay.items())],
    }


async def _named(connection: Connection, keys: Collection[str], companies: Companies) -> list[Mapping[str, Any]]:
    found = await execute(
        connection,
        """SELECT key, operation, object_id FROM deliveries.delivery WHERE key = ANY(%s) AND state = ANY(%s)
        AND mode <> 'observe' AND (%s::text[] IS NULL OR company_code = ANY(%s))""",
        (sorted(set(keys)), list(ASIDE), companies, companies),
    )
    return [dict(zip(("key", "operation", "object_id"), row, strict=True)) for row in await found.fetchall()]


async def _seen(connection: Connection, wanted: Collection[Wanted], companies: Companies) -> list[tuple[str, str]]:
    """Those of these messages that are of the person's companies: (consumer, message id)."""
    found = await execute(
        connection,
        """SELECT q.consumer, q.message_id FROM bus.quarantine q
        JOIN unnest(%s::text[], %s::text[]) AS n (consumer, message_id) USING (consumer, message_id)
        WHERE %s::text[] IS NULL OR q.company_code = ANY(%s)""",
        ([each.consumer for each in wanted], [each.message_id for each in wanted], companies, companies),
    )
    return [(row[0], row[1]) for row in await found.fetchall()]
