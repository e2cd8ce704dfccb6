"""Tables that hold the newest version of an object: conditional upsert, so that a late version never moves it back.

Suppliers, orders, receipts and every projection of them use this one statement (invariant I22): a higher version
replaces, an equal one is a repeat, a lower one is stale.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal

import msgspec

from tripartite.core import codec
from tripartite.core.events import Disposed
from tripartite.runtime.db import Connection, execute

Standing = Literal["new", "repeat", "stale"]


class VersionedTable(msgspec.Struct, frozen=True):
    """A table with a key, a `version`, and further columns with their SQL types.

    `fills` names a text column that the same version may fill where it is empty: what could not be mapped at first.
    """

    name: str
    key: tuple[str, ...]
    columns: dict[str, str]
    fills: str = ""

    @property
    def all_columns(self) -> dict[str, str]:
        return {**dict.fromkeys(self.key, "text"), "version": "bigint", **self.columns}


def disposition_of(intake_id: str, standing: Standing) -> bytes:
    """What to tell the gateway of an intake that was not new: a duplicate, or stale."""
    if standing == "repeat":
        return codec.encode(Disposed(intake_id, "duplicate", "duplicate.event", "this version is known"))
    return codec.encode(Disposed(intake_id, "stale", "integration.version_stale", "a newer version is known"))


async def keep_newest(connection: Connection, table: VersionedTable, rows: Sequence[dict[str, Any]]) -> list[Standing]:
    """Write rows whose version is higher than the stored one; says for each row whether it was new, a repeat or stale.

    Rows of one batch may hold several versions of one key: the highest is kept, the others are stale, and the same
    version twice is once new.
    """
    if not rows:
        return []
    newest: dict[Hashable, int] = {}
    for place, row in enumerate(rows):
        key = tuple(row[column] for column in table.key)
        if key not in newest or _rank(table, rows[newest[key]]) < _rank(table, row):
            newest[key] = place
    chosen = [newest[key] for key in sorted(newest)]  # type: ignore[type-var]
    columns = table.all_columns
    names = ", ".join(columns)
    changed = ", ".join(f"{name} = EXCLUDED.{name}" for name in columns if name not in table.key)
    key_names = ", ".join(table.key)
    filled = (
        f""" OR ({table.name}.version = EXCLUDED.version AND {table.name}.{table.fills} = ''
            AND EXCLUDED.{table.fills} <> '')"""
        if table.fills
        else ""
    )
    written = await execute(
        connection,
        f"""INSERT INTO {table.name} ({names})
        SELECT * FROM unnest({", ".join(f"%s::{kind}[]" for kind in columns.values())}) ORDER BY {
            ", ".join(str(number + 1) for number in range(len(table.key)))
        }
        ON CONFLICT ({key_names}) DO UPDATE SET {changed} WHERE {table.name}.version < EXCLUDED.version{filled}
        RETURNING {key_names}""",
        [[rows[place][name] for place in chosen] for name in columns],
    )
    fresh = {tuple(row) for row in await written.fetchall()}
    stored: dict[tuple[Any, ...], int] = {}
    refused = [place for place in chosen if tuple(rows[place][c] for c in table.key) not in fresh]
    if refused:
        known = await execute(
            connection,
            f"""SELECT {key_names}, version FROM {table.name}
            JOIN unnest({", ".join(["%s::text[]"] * len(table.key))}) AS n ({key_names}) USING ({key_names})""",
            [[rows[place][name] for place in refused] for name in table.key],
        )
        stored = {tuple(row[:-1]): row[-1] for row in await known.fetchall()}
    standings: list[Standing] = []
    for place, row in enumerate(rows):
        key = tuple(row[column] for column in table.key)
        version = rows[newest[key]]["version"] if key in fresh else stored[key]
        if place == newest[key] and key in fresh:
            standings.append("new")
        elif row["version"] == version:
            standings.append("repeat")
        else:
            standings.append("stale")
    return standings


def _rank(table: VersionedTable, row: dict[str, Any]) -> tuple[int, bool]:
    return row["version"], bool(table.fills and row[table.fills])
