"""The database port: whole transactions, bounded retries, migrations that are never edited, one clock."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from support.clones import Clones
from support.house import House
from support.times import MORNING
from tripartite.cli.running import COMPONENTS
from tripartite.runtime import db
from tripartite.runtime.db import Connection, DatabaseGone, MigrationChanged, MigrationSet, copy_rows, migrate
from tripartite.runtime.process import RUNTIME_MIGRATIONS, Urls, prepare_database


async def spans(house: House) -> int:
    return int(await house.value("SELECT count(*) FROM runtime.span"))


SPAN = "INSERT INTO runtime.span (span_id, trace_id, name, started_at, seconds) VALUES (%s, '', '', now(), 0)"


async def test_work_that_fails_leaves_nothing(house: House) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute(SPAN, ("1",))
        raise KeyError("half-way")

    with pytest.raises(KeyError):
        await house.db.transaction(work)
    assert await spans(house) == 0


@pytest.mark.parametrize(
    "error", [psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.LockNotAvailable]
)
async def test_what_the_database_asks_to_repeat_is_repeated_whole_and_not_for_ever(
    house: House, error: type[psycopg.Error]
) -> None:
    tries: list[int] = []

    async def twice_unlucky(connection: Connection) -> None:
        tries.append(1)
        await connection.execute(SPAN, (str(len(tries)),))
        if len(tries) < 3:
            raise error("once more")

    await house.db.transaction(twice_unlucky)
    assert await house.rows("SELECT span_id FROM runtime.span") == [("3",)]
    tries.clear()

    async def always_unlucky(connection: Connection) -> None:
        tries.append(1)
        raise error("once more")

    with pytest.raises(error):
        await house.db.transaction(always_unlucky)
    assert len(tries) == db.ATTEMPTS


async def test_a_real_deadlock_ends_with_both_done(house: House) -> None:
    for number in ("1", "2"):
        async with house.db.connection() as connection:
            await connection.execute(SPAN, (number,))
    both = asyncio.Barrier(2)
    met: set[str] = set()

    async def one(first: str, second: str) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute("UPDATE runtime.span SET seconds = seconds + 1 WHERE span_id = %s", (first,))
            if first not in met:
                met.add(first)
                await both.wait()
            await connection.execute("UPDATE runtime.span SET seconds = seconds + 1 WHERE span_id = %s", (second,))

        await house.db.transaction(work)

    await asyncio.gather(one("1", "2"), one("2", "1"))
    assert await house.rows("SELECT seconds FROM runtime.span ORDER BY span_id") == [(2.0,), (2.0,)]


async def test_a_lost_connection_says_that_the_work_did_not_commit(house: House) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute(SPAN, ("1",))
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseGone) as error:
        await house.db.transaction(work)
    assert error.value.retryable
    assert await spans(house) == 0, "and the pool heals by itself"


async def test_copy_writes_many_rows_in_one_statement_and_none_in_none(house: House) -> None:
    async with house.db.connection() as connection:
        await copy_rows(connection, "bus.cursor", ("consumer", "topic", "partition"), [])
        await copy_rows(
            connection,
            "bus.cursor",
            ("consumer", "topic", "partition"),
            [(str(n), "t", "p\t\\N\n") for n in range(1000)],
        )
    assert await house.value("SELECT count(*) FROM bus.cursor WHERE partition = E'p\\t\\\\N\\n'") == 1000


async def test_domain_statements_read_the_clock_of_the_session(house: House) -> None:
    assert await house.value("SELECT runtime.tripartite_now()") == MORNING
    async with house.db.connection() as connection:
        await connection.execute("SET LOCAL tripartite.now = ''")
        row = await (await connection.execute("SELECT runtime.tripartite_now() = now()")).fetchone()
    assert row == (True,)


# Migrations


@pytest.fixture
def numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with one migration, as a component has it."""
    folder = tmp_path / "tools_migrations"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "0001_first.sql").write_text("CREATE SCHEMA tools; CREATE TABLE tools.thing (n int);")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("tools_migrations", None)


def test_a_migration_runs_once_in_order_and_the_worker_may_use_what_it_made(database: Urls, numbered: Path) -> None:
    sets = [MigrationSet("tools", "tools_migrations")]
    assert migrate(database.owner, sets, grant_to="tripartite_app") == ["tools/0001_first.sql"]
    (numbered / "0002_second.sql").write_text("ALTER TABLE tools.thing ADD COLUMN m int;")
    assert migrate(database.owner, sets, grant_to="tripartite_app") == ["tools/0002_second.sql"]
    assert migrate(database.owner, sets, grant_to="tripartite_app") == []
    with psycopg.connect(database.worker) as worker:
        worker.execute("INSERT INTO tools.thing VALUES (1, 2)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            worker.execute("ALTER TABLE tools.thing ADD COLUMN k int")


def test_a_published_migration_is_never_edited(database: Urls, numbered: Path) -> None:
    sets = [MigrationSet("tools", "tools_migrations")]
    migrate(database.owner, sets)
    (numbered / "0001_first.sql").write_text("CREATE SCHEMA tools;")
    with pytest.raises(MigrationChanged, match=r"tools/0001_first\.sql"):
        migrate(database.owner, sets)


def test_a_migration_that_fails_leaves_nothing_and_runs_again_when_it_is_right(database: Urls, numbered: Path) -> None:
    sets = [MigrationSet("tools", "tools_migrations")]
    (numbered / "0002_broken.sql").write_text("CREATE TABLE tools.half (n int); SELECT 1/0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(database.owner, sets)
    with psycopg.connect(database.owner) as owner:
        assert owner.execute("SELECT to_regclass('tools.thing'), to_regclass('tools.half')").fetchone() == (
            "tools.thing",
            None,
        )
    (numbered / "0002_broken.sql").write_text("CREATE TABLE tools.half (n int);")
    assert migrate(database.owner, sets) == ["tools/0002_broken.sql"]


def test_a_gap_in_the_numbers_is_our_bug(numbered: Path) -> None:
    (numbered / "0003_third.sql").write_text("SELECT 1;")
    with pytest.raises(AssertionError, match="gap"):
        MigrationSet("tools", "tools_migrations").files()


def test_a_prepared_database_has_nothing_left_to_do(database: Urls) -> None:
    assert prepare_database(database, list(COMPONENTS.values())) == []


def test_components_have_schemas_of_their_own_and_touch_no_other(clones: Clones) -> None:
    """A component can be deployed alone because its migrations name its own schema and the runtime's, nothing else."""
    names = [component.name for component in COMPONENTS.values()]
    for component in COMPONENTS.values():
        text = " ".join(sql for _, _, sql in component.migrations.files())
        for other in set(names) - {component.name}:
            assert f" {other}." not in text, f"{component.name} speaks of {other}"
    assert len({each.component for each in RUNTIME_MIGRATIONS}) == len(RUNTIME_MIGRATIONS)
