"""One home, several processes: whoever comes later joins the server that runs, and the last to leave stops it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tripartite.runtime.postgres import EmbeddedPostgres

JOIN = """
import sys
from pathlib import Path
import psycopg
from tripartite.runtime.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
with psycopg.connect(server.url()) as connection:
    print(connection.execute("SELECT 1").fetchone()[0])
server.stop()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tripartite-test-"))
    folder.chmod(0o755)
    yield folder
    EmbeddedPostgres(folder).shut_down()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_command_joins_the_database_of_a_process_that_runs_and_leaves_it_running(home: Path) -> None:
    first = EmbeddedPostgres(home, durable=False)
    first.start()
    told = subprocess.run(
        [sys.executable, "-c", JOIN, str(home)], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.strip() == "1"
    with psycopg.connect(first.url()) as connection:
        assert connection.execute("SELECT 2").fetchone() == (2,)
    first.stop()
    assert not first.running(), "the last to leave stops it"
