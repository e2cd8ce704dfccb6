"""The database: a pool, transactions that are retried when the database asks for it, and migrations per component.

Decisions are transactions: `Database.transaction(work)` runs `work` once in one transaction, and again from the start
after a deadlock or serialization failure (40P01, 40001), a bounded number of times. Nothing is called outside while a
transaction is open. Domain statements take their time from `tripartite_now()`; nothing else reads the server's clock.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.resources import files
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncCursor, sql
from psycopg.types.array import ListBinaryDumper
from psycopg_pool import AsyncConnectionPool

T = TypeVar("T")
Connection = AsyncConnection[tuple[Any, ...]]
Cursor = AsyncCursor[tuple[Any, ...]]

SEARCH_PATH = "runtime, public"
ATTEMPTS = 5
_RETRIED = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.LockNotAvailable)
# The last one: we stood still inside a transaction for too long, and the server took the connection away (I24).
_GONE = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout)


class DatabaseGone(ConnectionError):
    """The database does not answer or was restarted: the work did not commit, or its commit must be read back."""

    retryable = True


class MigrationChanged(RuntimeError):
    """A migration that already ran has another text now. Published migrations are not edited; add a new one."""


class Database:
    """A pool of connections for one role. `open()` first, `close()` at the end."""

    def __init__(self, url: str, *, size: int = 12, name: str = "tripartite", lock_timeout_ms: int = 10_000) -> None:
        self.url = url
        self.name = name
        options = f"-c search_path={SEARCH_PATH.replace(' ', '')} -c lock_timeout={lock_timeout_ms}"
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            configure=_lists_in_binary,
            min_size=1,
            max_size=size,
            open=False,
            timeout=10.0,
            reconnect_timeout=300.0,
            kwargs={"options": options, "application_name": name, "prepare_threshold": 2},
        )

    async def open(self) -> None:
        await self._pool.open(wait=True, timeout=30.0)

    async def close(self) -> None:
        await self._pool.close()

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection from the pool, committed on leaving, rolled back on error. Not retried."""
        return self._pool.connection()

    async def transaction(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` in one transaction. Errors: `DatabaseGone` when the server is away; the last error of `work`."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._pool.connection() as connection:
                    return await work(connection)
            except _RETRIED:
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(0.01 * 2**attempt)
            except _GONE as error:
                raise DatabaseGone(str(error)) from error
        raise AssertionError("unreachable")

    async def rows(self, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """The rows of a question, outside any deciding transaction."""
        async with self._pool.connection() as connection:
            return await (await connection.execute(query.encode(), parameters)).fetchall()


async def _lists_in_binary(connection: Connection) -> None:
    """Send lists in binary: the driver's own choice is text, which costs ten times as much for documents."""
    connection.adapters.register_dumper(list, ListBinaryDumper)


async def execute(connection: Connection, query: str, parameters: Any = None) -> Cursor:
    """Run one statement. Queries are written by us; values are always parameters."""
    return await connection.execute(query.encode(), parameters, binary=True)


_COLUMN_TYPES: dict[tuple[str, tuple[str, ...]], tuple[int, ...]] = {}


async def _column_types(connection: Connection, table: str, columns: Sequence[str]) -> tuple[int, ...]:
    """The types of these columns as the catalogue has them, asked once for each table and process."""
    key = (table, tuple(columns))
    if key not in _COLUMN_TYPES:
        found = await execute(
            connection,
            """SELECT a.attname::text, a.atttypid::bigint FROM pg_attribute a
            WHERE a.attrelid = %s::text::regclass AND a.attnum > 0""",
            (table,),
        )
        types: dict[str, int] = dict(await found.fetchall())
        _COLUMN_TYPES[key] = tuple(types[column] for column in columns)
    return _COLUMN_TYPES[key]


async def copy_rows(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """COPY `rows` into `table`: the one way in which many rows are written."""
    if not rows:
        return
    types = await _column_types(connection, table, columns)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    # Binary: documents go as they are, and neither side turns them into hex and back.
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(*table.split(".")), names)
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        # Rows are formatted without a turn of the loop for each; only a full buffer is awaited.
        formatted = copy.formatter.write_row
        for row in rows:
            if data := formatted(row):
                await copy.write(data)


# Migrations

_NUMBERED = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql\Z")


class MigrationSet:
    """The numbered SQL files of one component: a package folder `migrations/` beside its code."""

    def __init__(self, component: str, package: str) -> None:
        self.component = component
        self.package = package

    def files(self) -> list[tuple[int, str, str]]:
        """(number, name, text), in order. Errors: assert on a gap, which is our bug."""
        found = []
        for entry in files(self.package).iterdir():
            if match := _NUMBERED.match(entry.name):
                found.append((int(match[1]), entry.name, entry.read_text()))
        found.sort()
        assert [number for number, _, _ in found] == list(range(1, len(found) + 1)), f"gap in {self.package}"
        return found


def migrate(url: str, sets: Sequence[MigrationSet], *, grant_to: str = "") -> list[str]:
    """Bring a database up to date as its owner; returns the names that ran.

    Each file is its own transaction with a short lock time-out. Only one process migrates at a time (advisory lock).
    Errors: `MigrationChanged`.
    """
    done: list[str] = []
    with psycopg.connect(url, autocommit=True, options="-c lock_timeout=5000 -c client_min_messages=warning") as owner:
        owner.execute("SELECT pg_advisory_lock(7461902)")
        owner.execute("CREATE SCHEMA IF NOT EXISTS runtime")
        owner.execute(
            """CREATE TABLE IF NOT EXISTS runtime.migration (component text, number int, name text NOT NULL,
            digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (component, number))"""
        )
        known = {
            (row[0], row[1]): row[2] for row in owner.execute("SELECT component, number, digest FROM runtime.migration")
        }
        for each in sets:
            for number, name, text in each.files():
                digest = hashlib.sha256(text.encode()).hexdigest()
                if (before := known.get((each.component, number))) is not None:
                    if before != digest:
                        raise MigrationChanged(f"{each.component}/{name} was changed after it ran")
                    continue
                with owner.transaction():
                    owner.execute(f"SET LOCAL search_path = {SEARCH_PATH}".encode())
                    owner.execute(text.encode())
                    owner.execute(
                        "INSERT INTO runtime.migration (component, number, name, digest) VALUES (%s, %s, %s, %s)",
                        (each.component, number, name, digest),
                    )
                done.append(f"{each.component}/{name}")
        if grant_to and done:
            _grant(owner, grant_to)
    return done


def _grant(owner: psycopg.Connection[tuple[Any, ...]], role: str) -> None:
    """The worker's role may use every schema of ours and owns none of it."""
    schemas = owner.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)' "
    ).fetchall()
    who = sql.Identifier(role)
    for (schema,) in schemas:
        place = sql.Identifier(schema)
        for text in (
            "GRANT USAGE ON SCHEMA {} TO {}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} TO {}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}",
            "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {} TO {}",
        ):
            owner.execute(sql.SQL(text).format(place, who))
