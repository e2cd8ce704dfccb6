"""The embedded PostgreSQL: private, unprivileged, shared by processes, brought back when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import psycopg
import pytest

from support.clones import Clones
from support.times import MORNING
from tripartite.runtime.postgres import (
    OWNER,
    SERVING,
    SUPERUSER,
    WORKER,
    EmbeddedPostgres,
    PostgresUnavailable,
    binaries,
)


@pytest.fixture(scope="module")
def own() -> Iterator[EmbeddedPostgres]:
    """A server that a test may kill."""
    with TemporaryDirectory(prefix="tripartite-own-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        server = EmbeddedPostgres(Path(home), durable=False)
        server.start()
        yield server
        server.stop()
        assert not server.running(), "the last to leave stops the server"


def pid_of(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().split("\n", 1)[0])


def test_the_programs_come_from_the_wheel() -> None:
    assert (binaries() / "initdb").exists()


def test_no_role_of_ours_is_superuser_and_only_the_worker_steps_past_row_security(own: EmbeddedPostgres) -> None:
    for role in (OWNER, WORKER, SERVING):
        with psycopg.connect(own.url(role)) as connection:
            found = connection.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
            assert found.fetchone() == (False, role == WORKER)


def test_a_home_made_before_there_was_a_serving_role_gets_one(own: EmbeddedPostgres) -> None:
    file = own.home / "postgres.secrets"
    before = msgspec.json.decode(file.read_bytes())
    with psycopg.connect(own.url(SUPERUSER), autocommit=True) as connection:
        connection.execute(f"DROP ROLE {SERVING}")
        connection.execute(f"ALTER ROLE {WORKER} NOBYPASSRLS")
    file.write_bytes(msgspec.json.encode({name: value for name, value in before.items() if name != "serving"}))
    second = EmbeddedPostgres(own.home, durable=False)
    second.start()
    try:
        with psycopg.connect(second.url(SERVING)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (SERVING,)
            found = connection.execute("SELECT rolbypassrls FROM pg_roles WHERE rolname = %s", (WORKER,))
            assert found.fetchone() == (True,)
        after = msgspec.json.decode(file.read_bytes())
        assert {**after, "serving": ""} == {**before, "serving": ""}, "the other passwords stay"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    finally:
        second.stop()


def test_it_listens_on_no_network_and_asks_everybody_for_a_password(own: EmbeddedPostgres) -> None:
    with psycopg.connect(own.url(SUPERUSER)) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)
        methods = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
        assert methods == [("scram-sha-256",)]
    for role in (SUPERUSER, OWNER, WORKER, SERVING):
        wrong = own.url(role).rpartition("password=")[0] + "password=wrong"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)


def test_its_files_are_private(own: EmbeddedPostgres) -> None:
    assert stat.S_IMODE(own.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((own.home / "postgres.secrets").stat().st_mode) == 0o600
    if os.geteuid() == 0:
        assert own.data.stat().st_uid != 0, "it never runs as root"


def test_a_second_process_of_the_same_home_shares_the_server(own: EmbeddedPostgres) -> None:
    before = pid_of(own)
    second = EmbeddedPostgres(own.home, durable=False)
    second.start()
    assert pid_of(own) == before
    second.stop()
    assert own.running(), "it stays while somebody uses it"


async def test_a_server_that_is_killed_is_brought_back_with_what_was_committed(own: EmbeddedPostgres) -> None:
    with psycopg.connect(own.url(OWNER), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = on")  # which production has anyway; the test's server has not
        connection.execute("CREATE SCHEMA IF NOT EXISTS notes")
        connection.execute("CREATE TABLE IF NOT EXISTS notes.note (n int)")
        connection.execute("INSERT INTO notes.note VALUES (7)")
    supervising = asyncio.create_task(own.supervise(0.1))
    before = pid_of(own)
    os.kill(before, signal.SIGKILL)
    try:
        for _ in range(200):
            await asyncio.sleep(0.1)
            try:
                with psycopg.connect(own.url(OWNER), connect_timeout=2) as connection:
                    assert connection.execute("SELECT max(n) FROM notes.note").fetchone() == (7,)
                break
            except psycopg.OperationalError:
                continue
        else:
            pytest.fail("it did not come back")
    finally:
        supervising.cancel()
        await asyncio.gather(supervising, return_exceptions=True)
    assert pid_of(own) != before


def test_a_program_that_fails_says_what_it_said(own: EmbeddedPostgres) -> None:
    with pytest.raises(PostgresUnavailable, match="pg_ctl failed"):
        own._run("pg_ctl", "status", "-D", str(own.home / "nowhere"))


def test_a_clone_of_the_template_holds_every_schema_and_no_row(clones: Clones) -> None:
    name = clones.fresh(MORNING)
    try:
        with psycopg.connect(clones.urls(name).worker) as connection:
            schemas = {row[0] for row in connection.execute("SELECT nspname FROM pg_namespace")}
            assert {"audit", "auth", "bus", "control", "deliveries", "gateway", "invoices", "jobs", "orders"} <= schemas
            assert connection.execute("SELECT count(*) FROM bus.message").fetchone() == (0,)
    finally:
        clones.drop(name)
