"""The names of suppliers for mapping: whom a foreign word stands for, and which documents wait for a name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tripartite.core.mapping.xrefs import XrefKey, Xrefs
from tripartite.runtime.db import Connection, execute


async def name_suppliers(connection: Connection, names: Mapping[str, Collection[XrefKey]]) -> None:
    """Replace the names of these suppliers: our id -> every key under which it is to be found."""
    rows = sorted({(*key, ours) for ours, keys in names.items() for key in keys})
    await execute(connection, "DELETE FROM gateway.xref WHERE our_id = ANY(%s)", (sorted(names),))
    await execute(
        connection,
        """INSERT INTO gateway.xref (kind, connection, foreign_id, our_id)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
        [[row[place] for row in rows] for place in range(4)],
    )


async def xrefs(connection: Connection, keys: Collection[XrefKey]) -> Xrefs:
    """What is known under these keys."""
    if not keys:
        return Xrefs()
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT kind, connection, foreign_id, array_agg(our_id ORDER BY our_id) FROM gateway.xref
        JOIN unnest(%s::text[], %s::text[], %s::text[]) AS n (kind, connection, foreign_id)
        USING (kind, connection, foreign_id) GROUP BY 1, 2, 3""",
        [[key[place] for key in wanted] for place in range(3)],
    )
    return Xrefs({(row[0], row[1], row[2]): tuple(row[3]) for row in await found.fetchall()})


_NAMES_LOCK = 7461907


async def hold_names(connection: Connection, *, change: bool) -> None:
    """Keep the names of suppliers still: whoever maps a document in vain and whoever brings the name take turns, so
    that one of them sees the other.
    """
    kind = "pg_advisory_xact_lock" if change else "pg_advisory_xact_lock_shared"
    await execute(connection, f"SELECT {kind}(%s)", (_NAMES_LOCK,))


async def add_unnamed(connection: Connection, rows: Sequence[tuple[XrefKey, str, bytes]]) -> None:
    """Note documents that wait for a supplier's name: (name, intake id, the message that had it read)."""
    ordered = sorted(rows)
    await execute(
        connection,
        """INSERT INTO gateway.unnamed (kind, connection, foreign_id, intake_id, message)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[]) ON CONFLICT DO NOTHING""",
        (*([row[0][place] for row in ordered] for place in range(3)), [r[1] for r in ordered], [r[2] for r in ordered]),
    )


async def named_now(connection: Connection, keys: Collection[XrefKey]) -> dict[str, bytes]:
    """Take the documents that wait for one of these names: intake id -> the message that had it read."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        """DELETE FROM gateway.unnamed WHERE intake_id IN (SELECT intake_id FROM gateway.unnamed
        JOIN unnest(%s::text[], %s::text[], %s::text[]) AS n (kind, connection, foreign_id)
        USING (kind, connection, foreign_id)) RETURNING intake_id, message""",
        [[key[place] for key in wanted] for place in range(3)],
    )
    return {row[0]: bytes(row[1]) for row in await found.fetchall()}
