"""What `tripartite doctor` says of a machine, a database, an estate and its connections, and what to do next."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from tripartite.cli.doctor import examine
from tripartite.cli.estate import init
from tripartite.rehearsal.simulators import Spec
from tripartite.rehearsal.vendors import Vendors
from tripartite.runtime.process import Urls
from tripartite.runtime.settings import Settings

ACME = {"CLIENT_ID": "tripartite", "CLIENT_SECRET": "acme-secret", "WEBHOOK_SECRET": "acme-webhook-secret"}


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the database's own system user may walk into."""
    folder = Path(tempfile.mkdtemp(prefix="tripartite-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def looked(capsys: pytest.CaptureFixture[str]) -> Callable[[Settings], tuple[int, dict[str, dict[str, Any]]]]:
    """Examine, and give the exit status and each line by what it looked at."""

    def look(settings: Settings) -> tuple[int, dict[str, dict[str, Any]]]:
        capsys.readouterr()
        status = examine(settings, json=True)
        told = json.loads(capsys.readouterr().out)
        assert told["ok"] == (status == 0)
        return status, {line["what"]: line for line in told["checks"]}

    return look


def given(home: Path, database: Urls, estate: Path) -> Settings:
    """Settings with a database that is there: what is tried out otherwise takes its time."""
    return Settings(
        home=home,
        estate=estate,
        database_url=database.worker,
        database_owner_url=database.owner,
        database_serving_url=database.serving,
    )


def estate_of(folder: Path, **connections: str) -> Path:
    """The estate that `tripartite init` writes, its connections at other addresses; the rest of them is left out."""
    assert init(folder) == 0
    file = folder / "estate.toml"
    text = file.read_text("utf-8")
    for old, new in connections.items():
        text = text.replace({"acme": "http://127.0.0.1:20140", "sap": "http://127.0.0.1:20130"}[old], new)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_new_machine_is_told_that_a_database_can_be_made_and_an_estate_is_missing(home: Path, looked: Any) -> None:
    status, lines = looked(Settings(home=home / "new", estate=home / "estate.toml"))
    assert status == 0
    assert {what for what, line in lines.items() if line["level"] != "ok"} == {"estate"}
    assert "tripartite init" in lines["estate"]["next"]
    assert "temporary folder" in lines["database"]["words"]
    assert not (home / "new").exists(), "it looks and makes nothing"


def test_a_given_database_is_asked_for_its_version_its_durability_and_its_migrations(
    database: Urls, home: Path, looked: Any
) -> None:
    settings = given(home, database, home / "none")
    status, lines = looked(settings)
    assert lines["database"]["words"].startswith("PostgreSQL 18")
    assert lines["migrations"]["level"] == "ok"
    # The database of the tests is not durable, and that is what a doctor is for.
    assert (status, lines["durability"]["level"]) == (1, "fail")
    assert "fsync" in lines["durability"]["words"]
    assert "role" not in lines, "the worker is no superuser"
    with psycopg.connect(database.owner) as owner:
        owner.execute("DELETE FROM runtime.migration WHERE component = 'invoices'")
    _, lines = looked(settings)
    assert lines["migrations"]["level"] == "warn"
    assert "invoices/0001_invoices.sql" in lines["migrations"]["words"]
    with psycopg.connect(database.owner) as owner:
        owner.execute("INSERT INTO runtime.migration (component, number, name, digest) VALUES ('later', 7, 'x', 'x')")
    assert "later/0007" in looked(settings)[1]["migrations"]["words"]


def test_a_role_that_row_security_would_not_bind_fails_with_the_statements_that_help(
    database: Urls, home: Path, looked: Any
) -> None:
    good = given(home, database, home / "none")
    assert looked(good)[1]["row security"]["level"] == "ok"
    for serving, words in ((database.worker, "BYPASSRLS"), (database.owner, "owns tables"), ("", "No role is named")):
        status, lines = looked(msgspec.structs.replace(good, database_serving_url=serving))
        assert (status, lines["row security"]["level"]) == (1, "fail")
        assert words in lines["row security"]["words"]
        assert "CREATE ROLE" in lines["row security"]["next"]
    status, lines = looked(msgspec.structs.replace(good, database_url=database.serving))
    assert (status, lines["role"]["level"]) == (1, "fail"), "a worker that sees no row at all"
    assert "BYPASSRLS" in lines["role"]["next"]


def test_a_database_that_does_not_answer_fails_without_showing_its_password(home: Path, looked: Any) -> None:
    url = "host=127.0.0.1 port=9 dbname=x user=y password=Lr5eeXq9tHpw connect_timeout=2"
    status, lines = looked(Settings(home=home, estate=home / "none", database_url=url))
    assert (status, lines["database"]["level"]) == (1, "fail")
    assert "Lr5eeXq9tHpw" not in json.dumps(lines)
    assert "TRIPARTITE_DATABASE_URL" in lines["database"]["next"]


def test_a_file_of_secrets_that_others_may_read_fails(home: Path, database: Urls, looked: Any) -> None:
    (home / "audit.key").write_text("00" * 32)
    (home / "audit.key").chmod(0o644)
    status, lines = looked(given(home, database, home / "none"))
    assert (status, lines["audit.key"]["level"]) == (1, "fail")
    assert lines["audit.key"]["next"].startswith("chmod 600")


def test_a_secret_that_is_not_there_is_named_by_its_reference(
    home: Path, database: Urls, looked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRIPARTITE_SAP_PASSWORD", raising=False)
    status, lines = looked(given(home, database, estate_of(home / "estate")))
    assert (status, lines["connection sap"]["level"]) == (1, "fail")
    assert "env:TRIPARTITE_SAP_PASSWORD" in lines["connection sap"]["words"]
    assert lines["connection einvoice"]["level"] == "ok"
    assert lines["estate"]["level"] == "ok"


def test_an_estate_that_does_not_hold_together_fails_and_says_where_to_look(
    home: Path, database: Urls, looked: Any
) -> None:
    file = estate_of(home / "estate")
    file.write_text(file.read_text("utf-8").replace('currency = "PLN"', 'currency = "PLZ"'), encoding="utf-8")
    status, lines = looked(given(home, database, file))
    assert (status, lines["estate"]["level"]) == (1, "fail")
    assert "tripartite check" in lines["estate"]["next"]
    file.write_text("[estate", encoding="utf-8")
    assert looked(given(home, database, file))[1]["estate"]["level"] == "fail"


async def test_a_connection_that_answers_is_told_from_one_that_does_not(
    home: Path,
    database: Urls,
    looked: Any,
    unused_ports: Callable[[int], list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, nobody = unused_ports(2)
    file = estate_of(home / "estate", acme=f"http://127.0.0.1:{port}", sap=f"http://127.0.0.1:{nobody}")
    for name, value in ACME.items():
        monkeypatch.setenv(f"TRIPARTITE_ACME_{name}", value)
    monkeypatch.setenv("TRIPARTITE_SAP_PASSWORD", "a-password-of-sap")
    vendors = Vendors([Spec("acme", port)])
    await vendors.start()
    try:
        status, lines = await asyncio.to_thread(looked, given(home, database, file))
    finally:
        await vendors.stop()
    assert status == 1
    assert lines["connection acme"]["level"] == "ok", lines["connection acme"]
    assert "Acme answers" in lines["connection acme"]["words"]
    assert lines["connection sap"]["level"] == "fail"
    assert "a-password-of-sap" not in json.dumps(lines)


def test_people_are_shown_what_to_do_next_below_each_line_that_is_not_good(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine(Settings(home=home, estate=home / "none"), json=False) == 0
    shown = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(shown) if line.startswith("warn  estate"))
    assert shown[place + 1].strip().startswith("-> `tripartite init`")
    assert shown[-1].endswith("0 fail, 1 warn.")
