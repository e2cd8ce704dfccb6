"""A home with an embedded database for tests of commands: made once, kept running, gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tripartite.runtime.postgres import OWNER, EmbeddedPostgres
from tripartite.runtime.settings import Settings


@contextmanager
def embedded_home() -> Iterator[Settings]:
    """Settings of a fresh home whose server stays up, so that each command need not start one. Not durable: quick."""
    home = Path(tempfile.mkdtemp(prefix="tripartite-test-"))
    home.chmod(0o755)  # the unprivileged user that the server runs as walks into it
    server = EmbeddedPostgres(home, durable=False)
    try:
        server.start()
        yield Settings(home=home, log_level="ERROR")
    finally:
        server.stop()
        server.shut_down()
        shutil.rmtree(home, ignore_errors=True)


def rows(settings: Settings, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """What the database of a home says, seen by the owner of its schemas."""
    url = EmbeddedPostgres(settings.home).url(OWNER)
    with psycopg.connect(url, options="-c search_path=runtime,public") as connection:
        return connection.execute(query.encode(), parameters).fetchall()
