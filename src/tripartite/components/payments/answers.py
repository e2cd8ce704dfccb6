"""What the bank said, kept as it came, and the exceptions that were opened over it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.ids import digest
from tripartite.core.objects import BankEntry, PaymentReport
from tripartite.core.paying.standing import Facts
from tripartite.runtime.db import Connection, execute


class Entry(msgspec.Struct, frozen=True):
    """An entry of one of our accounts, and the order it was found to belong to (empty: none of ours)."""

    account: str
    currency: str
    statement: str
    order_number: str
    value: BankEntry


async def add_reports(connection: Connection, reports: Sequence[PaymentReport]) -> None:
    """Keep reports; the same one once."""
    contents = sorted({(each.order_number, codec.encode(each)) for each in reports})
    await execute(
        connection,
        """INSERT INTO payments.report (order_number, digest, content)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[]) ON CONFLICT DO NOTHING""",
        ([one for one, _ in contents], [digest(text) for _, text in contents], [text for _, text in contents]),
    )


async def add_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    """Keep entries; the notification and the statement tell of the same one under the same key.

    Of two tellings the booked one stays, then the one that names an order, then the one with the greater bytes: the
    choice does not depend on which came first.
    """
    for each in sorted(entries, key=lambda one: (one.account, one.value.key)):
        await execute(
            connection,
            """INSERT INTO payments.entry AS e (account, key, booked, currency, order_number, content, statement)
            VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (account, key) DO UPDATE SET booked = EXCLUDED.booked,
                order_number = EXCLUDED.order_number, content = EXCLUDED.content, statement = EXCLUDED.statement
            WHERE (e.booked, e.order_number <> '', e.content)
                < (EXCLUDED.booked, EXCLUDED.order_number <> '', EXCLUDED.content)""",
            (
                *(each.account, each.value.key, each.value.status == "booked", each.currency, each.order_number),
                *(codec.encode(each.value), each.statement),
            ),
        )


async def entries(connection: Connection, keys: Collection[tuple[str, str]]) -> list[Entry]:
    """The entries (account, key) as they are kept."""
    ordered = sorted(keys)
    found = await execute(
        connection,
        """SELECT account, currency, statement, order_number, content FROM payments.entry
        JOIN unnest(%s::text[], %s::text[]) AS n (account, key) USING (account, key) ORDER BY account, key""",
        ([key[0] for key in ordered], [key[1] for key in ordered]),
    )
    return [
        Entry(row[0], row[1], row[2], row[3], codec.decode_own(row[4], BankEntry)) for row in await found.fetchall()
    ]


async def add_outcomes(connection: Connection, rows: Collection[tuple[str, str, str]]) -> None:
    """Keep in which states an order's delivery was told of: (order, state, detail)."""
    ordered = sorted({(one, state): (one, state, detail) for one, state, detail in rows}.values())
    await execute(
        connection,
        """INSERT INTO payments.outcome (order_number, state, detail)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
        [[row[place] for row in ordered] for place in range(3)],
    )


async def facts_of(connection: Connection, orders: Collection[str], zones: dict[str, str]) -> dict[str, Facts]:
    """Everything known of these orders. `zones`: order -> the company's time zone."""
    wanted = sorted(orders)
    reports: dict[str, list[PaymentReport]] = {number: [] for number in wanted}
    booked: dict[str, list[BankEntry]] = {number: [] for number in wanted}
    states: dict[str, set[str]] = {number: set() for number in wanted}
    found = await execute(
        connection,
        "SELECT order_number, content FROM payments.report WHERE order_number = ANY(%s) ORDER BY 1, digest",
        (wanted,),
    )
    for number, content in await found.fetchall():
        reports[number].append(codec.decode_own(content, PaymentReport))
    found = await execute(
        connection,
        """SELECT order_number, content FROM payments.entry WHERE order_number = ANY(%s) AND booked
        ORDER BY 1, account, key""",
        (wanted,),
    )
    for number, content in await found.fetchall():
        booked[number].append(codec.decode_own(content, BankEntry))
    found = await execute(
        connection, "SELECT order_number, state FROM payments.outcome WHERE order_number = ANY(%s)", (wanted,)
    )
    for number, state in await found.fetchall():
        states[number].add(state)
    return {number: Facts(reports[number], booked[number], states[number], zones[number]) for number in wanted}


async def outcome_detail(connection: Connection, order: str, state: str) -> str:
    found = await execute(
        connection,
        "SELECT detail FROM payments.outcome WHERE (order_number, state) = (%s, %s)",
        (order, state),
    )
    row = await found.fetchone()
    return str(row[0]) if row else ""


# Exceptions


async def exceptions_of(connection: Connection, objects: Collection[str]) -> dict[str, list[ExceptionRecord]]:
    """The latest version of every exception of these objects, ended ones included."""
    found = await execute(
        connection,
        "SELECT object_id, record FROM payments.exception WHERE object_id = ANY(%s) ORDER BY 1, exception_id",
        (sorted(objects),),
    )
    records: dict[str, list[ExceptionRecord]] = {}
    for object_id, record in await found.fetchall():
        records.setdefault(object_id, []).append(codec.decode_own(record, ExceptionRecord))
    return records


async def keep_exceptions(connection: Connection, records: Sequence[ExceptionRecord]) -> None:
    """Write new versions; those that end first, so that a key is free for its next opening."""
    for record in sorted(records, key=lambda each: (each.is_open, each.exception_id)):
        await execute(
            connection,
            """INSERT INTO payments.exception AS e (exception_id, company_code, object_kind, object_id, line,
                reason_code, state, version, record) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (exception_id) DO UPDATE SET state = EXCLUDED.state, version = EXCLUDED.version,
                record = EXCLUDED.record WHERE e.version < EXCLUDED.version""",
            (
                *(record.exception_id, record.company_code, record.object_kind, record.object_id, record.line),
                *(record.reason_code, record.state, record.version, codec.encode(record)),
            ),
        )
