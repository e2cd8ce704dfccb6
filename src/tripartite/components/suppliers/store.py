"""The suppliers component's tables: what each system says, the parties made of it, bank accounts, suspensions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.objects import BankAccount, Supplier
from tripartite.core.suppliers.banking import BankChange
from tripartite.core.suppliers.eligibility import Suspension
from tripartite.core.suppliers.identity import RecordKey, Stated
from tripartite.core.suppliers.likeness import Face
from tripartite.runtime.db import Connection, copy_rows, execute
from tripartite.runtime.versions import Standing, VersionedTable, keep_newest

RECORDS = VersionedTable(
    "suppliers.record",
    ("source", "number"),
    {"document": "bytea", "leaf_id": "text", "recorded_at": "timestamptz"},
)
MASTER_LOCK = 7461906


class Kept(msgspec.Struct, frozen=True):
    """A record as it is kept, with the party it was last decided to belong to."""

    stated: Stated
    supplier_id: str
    keys: tuple[str, ...]
    began_with: tuple[BankAccount, ...]


class Known(msgspec.Struct, frozen=True):
    """A party as it stands."""

    version: int
    standing: bytes
    replaced_by: str


async def hold_master(connection: Connection) -> None:
    """One decider of the master at a time: records of one party arrive in different partitions."""
    await execute(connection, "SELECT pg_advisory_xact_lock(%s)", (MASTER_LOCK,))


# Records


async def keep_records(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[Standing]:
    """Keep the newest version of each record; `keys` of a row are those under which it concerns others."""
    standings = await keep_newest(connection, RECORDS, rows)
    fresh = [row for row, standing in zip(rows, standings, strict=True) if standing == "new"]
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "UPDATE suppliers.record SET keys = %s WHERE source = %s AND number = %s",
            [(list(row["keys"]), row["source"], row["number"]) for row in fresh],
        )
    return standings


async def began(connection: Connection, rows: Mapping[RecordKey, tuple[int, Sequence[BankAccount]]]) -> set[RecordKey]:
    """Note the lowest version seen of each record and the accounts it stated; returns those for which it is new."""
    keys = sorted(rows)
    found = await execute(
        connection,
        """SELECT source, number, first_version FROM suppliers.record
        JOIN unnest(%s::text[], %s::text[]) AS n (source, number) USING (source, number)""",
        ([key[0] for key in keys], [key[1] for key in keys]),
    )
    known = {(row[0], row[1]): row[2] for row in await found.fetchall()}
    earlier = [key for key in keys if known[key] is None or rows[key][0] < known[key]]
    async with connection.cursor() as cursor:
        await cursor.executemany(
            """UPDATE suppliers.record SET first_version = %s, first_accounts = %s
            WHERE source = %s AND number = %s""",
            [(rows[key][0], codec.encode(tuple(rows[key][1])), *key) for key in earlier],
        )
    return set(earlier)


async def around(connection: Connection, seeds: Collection[RecordKey]) -> dict[RecordKey, Kept]:
    """These records and all that share a key with one of them, directly or through others."""
    found: dict[RecordKey, Kept] = {}
    fresh = await _records(
        connection,
        """JOIN unnest(%s::text[], %s::text[]) AS n (source, number) USING (source, number)""",
        ([key[0] for key in seeds], [key[1] for key in seeds]),
    )
    asked: set[str] = set()
    while fresh:
        found.update(fresh)
        keys = {key for each in fresh.values() for key in each.keys} - asked
        asked |= keys
        more = await _records(connection, "WHERE keys && %s", (sorted(keys),)) if keys else {}
        fresh = {key: each for key, each in more.items() if key not in found}
    return found


async def records_of(connection: Connection, supplier_ids: Collection[str]) -> set[RecordKey]:
    found = await execute(
        connection, "SELECT source, number FROM suppliers.record WHERE supplier_id = ANY(%s)", (sorted(supplier_ids),)
    )
    return {(row[0], row[1]) for row in await found.fetchall()}


async def belong(connection: Connection, rows: Mapping[RecordKey, str]) -> None:
    """Note which party each record belongs to."""
    keys = sorted(rows)
    await execute(
        connection,
        """UPDATE suppliers.record r SET supplier_id = n.id
        FROM unnest(%s::text[], %s::text[], %s::text[]) AS n (source, number, id)
        WHERE r.source = n.source AND r.number = n.number AND r.supplier_id <> n.id""",
        ([key[0] for key in keys], [key[1] for key in keys], [rows[key] for key in keys]),
    )


async def _records(connection: Connection, where: str, parameters: Sequence[Any]) -> dict[RecordKey, Kept]:
    found = await execute(
        connection,
        f"SELECT source, number, document, supplier_id, keys, first_accounts FROM suppliers.record {where}",
        parameters,
    )
    return {
        (row[0], row[1]): Kept(
            Stated(row[0], codec.decode_own(row[2], Supplier)),
            row[3],
            tuple(row[4]),
            codec.decode_own(row[5], tuple[BankAccount, ...]) if row[5] else (),
        )
        for row in await found.fetchall()
    }


# Parties


async def parties(connection: Connection, supplier_ids: Collection[str]) -> dict[str, Known]:
    found = await execute(
        connection,
        "SELECT supplier_id, version, standing, replaced_by FROM suppliers.supplier WHERE supplier_id = ANY(%s)",
        (sorted(supplier_ids),),
    )
    return {row[0]: Known(row[1], row[2] or b"", row[3]) for row in await found.fetchall()}


PARTY = (
    *("supplier_id", "version", "name", "number", "status", "tax_id", "source", "document", "leaf_id", "recorded_at"),
    *("company_codes", "eligibility", "answer", "standing", "replaced_by", "tax_key", "account_keys", "place"),
    "plain_name",
)


async def keep_parties(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Write parties, in the columns of `PARTY`."""
    names = ", ".join(PARTY)
    changed = ", ".join(f"{name} = EXCLUDED.{name}" for name in PARTY[1:])
    async with connection.cursor() as cursor:
        await cursor.executemany(
            f"""INSERT INTO suppliers.supplier ({names}) VALUES ({", ".join(["%s"] * len(PARTY))})
            ON CONFLICT (supplier_id) DO UPDATE SET {changed}""",
            rows,
        )


async def retire(connection: Connection, supplier_id: str, successor: str, version: int, at: datetime) -> None:
    """This id is no supplier of its own any more."""
    await execute(
        connection,
        """UPDATE suppliers.supplier SET replaced_by = %s, version = %s, recorded_at = %s, standing = NULL,
            tax_key = '', account_keys = '{}', place = '' WHERE supplier_id = %s""",
        (successor, version, at, supplier_id),
    )
    await execute(
        connection,
        "UPDATE suppliers.suspension SET supplier_id = %s WHERE supplier_id = %s",
        (successor, supplier_id),
    )


async def faces(connection: Connection, wanted: Sequence[Face]) -> list[Face]:
    """The parties that share a tax number, an account or a place with one of these."""
    found = await execute(
        connection,
        """SELECT supplier_id, number, plain_name, place, tax_key, account_keys FROM suppliers.supplier
        WHERE replaced_by = '' AND (tax_key = ANY(%s) OR account_keys && %s OR place = ANY(%s))""",
        (
            sorted({each.tax_id for each in wanted if each.tax_id}),
            sorted({key for each in wanted for key in each.accounts}),
            sorted({each.place for each in wanted if each.place}),
        ),
    )
    return [Face(row[0], row[1], row[2], row[3], row[4], tuple(row[5])) for row in await found.fetchall()]


async def twins(connection: Connection, supplier_ids: Collection[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The pairs in which one of these stands."""
    found = await execute(
        connection,
        "SELECT supplier_id, other_id, found_by FROM suppliers.twin WHERE supplier_id = ANY(%s) OR other_id = ANY(%s)",
        (sorted(supplier_ids),) * 2,
    )
    return {(row[0], row[1]): tuple(row[2]) for row in await found.fetchall()}


async def change_twins(
    connection: Connection, gone: Iterable[tuple[str, str]], come: Mapping[tuple[str, str], Sequence[str]]
) -> None:
    """Strike pairs and write pairs; the smaller id stands first."""
    async with connection.cursor() as cursor:
        await cursor.executemany("DELETE FROM suppliers.twin WHERE supplier_id = %s AND other_id = %s", sorted(gone))
        await cursor.executemany(
            """INSERT INTO suppliers.twin VALUES (%s, %s, %s)
            ON CONFLICT (supplier_id, other_id) DO UPDATE SET found_by = EXCLUDED.found_by""",
            [(*pair, list(come[pair])) for pair in sorted(come)],
        )


# Bank accounts, suspensions, exceptions


async def bank_changes(connection: Connection, records: Collection[RecordKey]) -> dict[RecordKey, list[BankChange]]:
    """The latest version of every change of these records."""
    keys = sorted(records)
    found = await execute(
        connection,
        """SELECT DISTINCT ON (change_id) document FROM suppliers.bank_change
        JOIN unnest(%s::text[], %s::text[]) AS n (source, number) USING (source, number)
        ORDER BY change_id, version DESC""",
        ([key[0] for key in keys], [key[1] for key in keys]),
    )
    changes: dict[RecordKey, list[BankChange]] = {}
    for (document,) in await found.fetchall():
        change = codec.decode_own(document, BankChange)
        changes.setdefault(change.record, []).append(change)
    return changes


async def add_bank_changes(connection: Connection, changes: Sequence[BankChange]) -> None:
    await copy_rows(
        connection,
        "suppliers.bank_change",
        ("change_id", "version", "source", "number", "state", "in_force_from", "recorded_at", "document"),
        [
            (
                *(each.change_id, each.version, each.source, each.number, each.state),
                *(each.in_force_from, each.recorded_at, codec.encode(each)),
            )
            for each in changes
        ],
    )


async def bank_history(
    connection: Connection, supplier_id: str, in_force_at: datetime | None, known_at: datetime | None
) -> list[BankChange]:
    """Every version of a supplier's bank changes; with an instant on an axis, the version that holds as of it."""
    found = await execute(
        connection,
        """SELECT b.document FROM suppliers.bank_change b JOIN suppliers.record r USING (source, number)
        WHERE r.supplier_id = %(id)s AND (%(known)s::timestamptz IS NULL OR b.recorded_at <= %(known)s)
            AND (%(held)s::timestamptz IS NULL OR b.in_force_from <= %(held)s)
        ORDER BY b.recorded_at, b.change_id, b.version""",
        {"id": supplier_id, "known": known_at, "held": in_force_at},
    )
    versions = [codec.decode_own(row[0], BankChange) for row in await found.fetchall()]
    if in_force_at is None and known_at is None:
        return versions
    return list({each.change_id: each for each in sorted(versions, key=lambda each: each.version)}.values())


async def bank_change(connection: Connection, change_id: str) -> tuple[BankChange, str] | None:
    """The latest version of a change and the party it belongs to."""
    found = await execute(
        connection,
        """SELECT b.document, r.supplier_id FROM suppliers.bank_change b
        JOIN suppliers.record r USING (source, number) WHERE change_id = %s ORDER BY b.version DESC LIMIT 1""",
        (change_id,),
    )
    row = await found.fetchone()
    return (codec.decode_own(row[0], BankChange), row[1]) if row else None


async def suspensions(connection: Connection, supplier_ids: Collection[str]) -> dict[str, list[Suspension]]:
    found = await execute(
        connection,
        """SELECT supplier_id, document FROM suppliers.suspension WHERE supplier_id = ANY(%s)
        ORDER BY suspension_id""",
        (sorted(supplier_ids),),
    )
    by_supplier: dict[str, list[Suspension]] = {}
    for supplier_id, document in await found.fetchall():
        by_supplier.setdefault(supplier_id, []).append(codec.decode_own(document, Suspension))
    return by_supplier


async def suspend(connection: Connection, suspension: Suspension) -> bool:
    """Write a suspension; False where this cause suspended before."""
    done = await execute(
        connection,
        "INSERT INTO suppliers.suspension VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
        (suspension.suspension_id, suspension.supplier_id, codec.encode(suspension)),
    )
    return await done.fetchone() is not None


async def lift(connection: Connection, suspension: Suspension) -> None:
    await execute(
        connection,
        "UPDATE suppliers.suspension SET document = %s WHERE suspension_id = %s",
        (codec.encode(suspension), suspension.suspension_id),
    )


async def exceptions(connection: Connection, supplier_ids: Collection[str]) -> dict[str, list[ExceptionRecord]]:
    """The latest version of every exception of these suppliers, ended ones included."""
    found = await execute(
        connection,
        """SELECT DISTINCT ON (exception_id) supplier_id, record FROM suppliers.exception
        WHERE supplier_id = ANY(%s) ORDER BY exception_id, version DESC""",
        (sorted(supplier_ids),),
    )
    records: dict[str, list[ExceptionRecord]] = {}
    for supplier_id, record in await found.fetchall():
        records.setdefault(supplier_id, []).append(codec.decode_own(record, ExceptionRecord))
    return records


async def add_exceptions(connection: Connection, records: Sequence[ExceptionRecord]) -> None:
    await copy_rows(
        connection,
        "suppliers.exception",
        ("exception_id", "version", "supplier_id", "record"),
        [(each.exception_id, each.version, each.object_id, codec.encode(each)) for each in records],
    )


async def versions(connection: Connection, supplier_ids: Sequence[str]) -> dict[str, int]:
    """The version that is kept of each of these suppliers."""
    found = await execute(
        connection,
        "SELECT supplier_id, version FROM suppliers.supplier WHERE supplier_id = ANY(%s)",
        (sorted(set(supplier_ids)),),
    )
    return {row[0]: row[1] for row in await found.fetchall()}
