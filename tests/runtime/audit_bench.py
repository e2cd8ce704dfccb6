"""A database with the audit log in it, leaves to put there, and a key that is always the same."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from tripartite.components.control.sequencer import sequence_once
from tripartite.core.audit import Leaf, make_leaf
from tripartite.runtime.audit import MIGRATIONS, signer_from_seed, write_leaves
from tripartite.runtime.db import Database, MigrationSet, migrate
from tripartite.runtime.postgres import OWNER, SUPERUSER, WORKER, EmbeddedPostgres

CLOCK = MigrationSet("runtime", "tripartite.runtime.migrations.runtime")
AUTH = MigrationSet("auth", "tripartite.runtime.migrations.auth")
SIGNER = signer_from_seed("books.example/audit", bytes(range(32)))


class Books:
    """One database: as the application sees it, and as a database administrator could lay hands on it."""

    def __init__(self, database: Database, superuser_url: str) -> None:
        self.database = database
        self.superuser_url = superuser_url

    async def write(self, leaves: Sequence[Leaf]) -> None:
        async with self.database.connection() as connection:
            await write_leaves(connection.cursor(), leaves)

    async def sequence(self, limit: int = 10_000) -> int:
        async with self.database.connection() as connection:
            return await sequence_once(connection, limit=limit, signer=SIGNER)

    async def fill(self, count: int, *, batch: int = 10_000) -> list[Leaf]:
        """`count` leaves, sequenced in batches of `batch`, each with its checkpoint."""
        leaves = make_leaves(count)
        await self.write(leaves)
        while await self.sequence(batch):
            pass
        return leaves


def make_leaves(count: int, *, start: int = 0) -> list[Leaf]:
    return [
        make_leaf(
            "decision",
            f"inv_{number:08d}",
            "DE01" if number % 3 else "PL02",
            f"c_{number // 4:08d}",
            b'{"verdict":"post","invoice":"%d"}' % number,
            number.to_bytes(16, "big"),
        )
        for number in range(start, start + count)
    ]


@pytest.fixture(scope="session")
def postgres(worker_id_or_main: str) -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix=f"tripartite-{worker_id_or_main}-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        server = EmbeddedPostgres(Path(home), durable=False)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def worker_id_or_main(request: pytest.FixtureRequest) -> str:
    return str(getattr(request.config, "workerinput", {}).get("workerid", "main"))


_databases = 0


@pytest_asyncio.fixture
async def books(postgres: EmbeddedPostgres) -> AsyncIterator[Books]:
    global _databases  # noqa: PLW0603
    _databases += 1
    name = f"books_{_databases}"
    worker = postgres.create_database(name)

    def as_(role: str) -> str:
        return postgres.url(role).replace("dbname=tripartite ", f"dbname={name} ")

    migrate(as_(OWNER), [CLOCK, MIGRATIONS, AUTH], grant_to=WORKER)
    database = Database(worker, size=4)
    await database.open()
    yield Books(database, as_(SUPERUSER))
    await database.close()
