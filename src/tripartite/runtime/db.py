"""The database: a pool, transactions that are retried when the database asks for it, and migrations per component.

Decisions are transactions: `Database.transaction(work)` runs `work` once in one transaction, and again from the start
after a deadlock or serialization failure (40P01, 40001), a bounded number of times. Nothing is called outside while a
transaction is open. Domain statements take their time from `tripartite_now()`; nothing else reads the server's clock.

Workers decide under the worker's role. What is asked on behalf of a person or an outside caller runs inside `bound_to`,
and there `Database.connection()` is one of another role, which row security binds to the caller's companies.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib.resources import files
from typing import Any, TypeVar

import msgspec
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


class NotBound(RuntimeError):
    """The role that serves people would not be bound by row security here; the message says what to do next."""


class Bounds(msgspec.Struct, frozen=True):
    """On whose behalf a question is asked: the caller's name, and the companies they may see (None: every company)."""

    caller: str
    companies: frozenset[str] | None


_BOUNDS: ContextVar[Bounds | None] = ContextVar("bounds", default=None)


@contextmanager
def bound_to(bounds: Bounds) -> Iterator[None]:
    """Inside, every `Database.connection()` is read-only and sees the rows of these bounds alone.

    The HTTP middleware is the one caller, with what the token or the account says; a route has no way to widen it.
    """
    token = _BOUNDS.set(bounds)
    try:
        yield
    finally:
        _BOUNDS.reset(token)


@lru_cache(maxsize=4096)
def _begin(bounds: Bounds) -> bytes:
    """BEGIN and the caller's bounds in one round trip. They end with the transaction, so a pooler may stand between.

    The value is read by `runtime.companies()`: "all", or the rows of everybody ("*") and the codes, one a line.
    """
    if bounds.companies is None:
        seen = "all"
    else:
        assert not any("\n" in code for code in bounds.companies), "a company code is one line"
        seen = "\n".join(("*", *sorted(bounds.companies)))
    setting = "set_config('tripartite.companies', {}, true), set_config('tripartite.caller', {}, true)"
    text = sql.SQL(f"BEGIN READ ONLY; SELECT {setting}")
    return text.format(sql.Literal(seen), sql.Literal(bounds.caller)).as_bytes()


class Database:
    """A pool of connections for one role. `open()` first, `close()` at the end.

    `serving` is where the role comes in that serves people and outside callers; without it nobody can be served.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int = 12,
        name: str = "tripartite",
        lock_timeout_ms: int = 10_000,
        serving: str = "",
        serving_size: int = 16,
    ) -> None:
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
        self._serving: AsyncConnectionPool[Connection] | None = None
        if serving:
            self._serving = AsyncConnectionPool(
                serving,
                configure=_lists_in_binary,
                min_size=0,
                max_size=serving_size,
                open=False,
                timeout=10.0,
                reconnect_timeout=300.0,
                # Autocommit: the transaction is begun by hand, together with its bounds.
                kwargs={
                    "options": options,
                    "application_name": f"{name} serving",
                    "prepare_threshold": 2,
                    "autocommit": True,
                },
            )

    async def open(self) -> None:
        await self._pool.open(wait=True, timeout=30.0)
        if self._serving is not None:
            await self._serving.open()

    async def close(self) -> None:
        await self._pool.close()
        if self._serving is not None:
            await self._serving.close()

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection from the pool, committed on leaving, rolled back on error. Not retried.

        Inside `bound_to` it reads only, and only the rows of these bounds. Errors: `NotBound` where no role serves.
        """
        bounds = _BOUNDS.get()
        return self._pool.connection() if bounds is None else self._bound(bounds)

    @asynccontextmanager
    async def _bound(self, bounds: Bounds) -> AsyncIterator[Connection]:
        if self._serving is None:
            raise NotBound("no role is named that serves people and outside callers")
        async with self._serving.connection() as connection:
            await connection.execute(_begin(bounds), prepare=False)
            yield connection

    async def check_bound(self) -> None:
        """Errors: `NotBound` where row security would not bind the role that serves people."""
        if self._serving is None:
            raise NotBound(
                "No role is named that serves people and outside callers. Name one that owns nothing in "
                "TRIPARTITE_DATABASE_SERVING_URL; `tripartite doctor` prints the statements that make it."
            )
        async with self._serving.connection() as connection:
            found = await (await connection.execute(UNBOUND.encode())).fetchone()
        if found is not None:
            raise NotBound(f"{found[0]} serves people, but row security would not bind it: {found[1]}.")

    def connections(self) -> list[tuple[tuple[str, str], float]]:
        """((pool, what), how many): open, idle, and callers that wait for one."""
        pools = {"worker": self._pool, "serving": self._serving}
        names = {"open": "pool_size", "idle": "pool_available", "awaited": "requests_waiting"}
        return [
            ((pool, what), float(found.get_stats().get(key, 0)))
            for pool, found in pools.items()
            if found is not None
            for what, key in names.items()
        ]

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
        async with self.connection() as connection:
            return await (await connection.execute(query.encode(), parameters)).fetchall()


async def _lists_in_binary(connection: Connection) -> None:
    """Send lists in binary: the driver's own choice is text, which costs ten times as much for documents."""
    connection.adapters.register_dumper(list, ListBinaryDumper)


# Why row security would not bind the session's role: a row for the first reason, none where it binds.
UNBOUND = """SELECT rolname, CASE WHEN rolsuper THEN 'it is a superuser' WHEN rolbypassrls THEN 'it has BYPASSRLS'
    ELSE 'it owns tables' END FROM pg_roles r
WHERE rolname = current_user AND (rolsuper OR rolbypassrls OR EXISTS (SELECT 1 FROM pg_class c
    WHERE c.relrowsecurity AND NOT c.relforcerowsecurity AND pg_has_role(r.oid, c.relowner, 'USAGE')))"""


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


def migrate(url: str, sets: Sequence[MigrationSet], *, grant_to: str = "", serve_by: str = "") -> list[str]:
    """Bring a database up to date as its owner; returns the names that ran.

    `grant_to` is the worker's role, `serve_by` the one that serves people: it may read what row security binds.

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
        if serve_by:
            _grant_serving(owner, serve_by)
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


# Tables that belong to the estate and to no company, and that the serving role may read all the same. Whatever else has
# no policy (tokens, passwords, queues) is not its business.
SERVED_TO_ALL = (
    *("audit.checkpoint", "audit.log_key", "audit.pending", "audit.position", "audit.tile", "bus.cursor"),
    *("control.policy_release", "deliveries.connection", "gateway.pull", "runtime.span"),
)


def _grant_serving(owner: psycopg.Connection[tuple[Any, ...]], role: str) -> None:
    """The serving role may read what is bound to companies, and the few tables of the estate; it may write nothing."""
    found = owner.execute(
        """SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE ((c.relkind IN ('r', 'p') AND (c.relrowsecurity OR n.nspname || '.' || c.relname = ANY(%s)))
            OR (c.relkind = 'v' AND c.reloptions @> '{security_invoker=true}'))
        AND n.nspname !~ '^(pg_|information_schema)'
        AND NOT (has_schema_privilege(%s, n.oid, 'USAGE') AND has_table_privilege(%s, c.oid, 'SELECT'))""",
        (list(SERVED_TO_ALL), role, role),
    ).fetchall()
    who = sql.Identifier(role)
    for schema in sorted({"runtime", *(row[0] for row in found)} if found else ()):
        owner.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), who))
    for schema, table in found:
        owner.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(schema, table), who))
