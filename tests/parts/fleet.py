"""The product as processes: all parts in one, or each alone, against one database that belongs to none of them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2

import tripartite
from tripartite.cli.staging import SECRETS
from tripartite.runtime.postgres import OWNER, SERVING, WORKER, EmbeddedPostgres

NEXT = "9.9.9"
SOURCE = Path(tripartite.__file__).parent


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now; they are given out all at once, so no two are the same."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


async def until(true: Callable[[], Awaitable[bool]], what: str, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not await true():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        await asyncio.sleep(0.05)


def next_release(folder: Path) -> Path:
    """The next release of the product: the same code under another version, with a migration more for each part."""
    shutil.copytree(SOURCE, folder / "tripartite", ignore=shutil.ignore_patterns("__pycache__"))
    tables = {
        "gateway": "gateway.intake",
        "suppliers": "suppliers.supplier",
        "orders": "orders.purchase_order",
        "receipts": "receipts.receipt",
        "invoices": "invoices.invoice",
        "payments": "payments.item",
        "control": "control.event",
    }
    for part, table in tables.items():
        migrations = folder / "tripartite" / "components" / part / "migrations"
        number = len(list(migrations.glob("*.sql"))) + 1
        text = f"-- What the next release keeps besides.\nALTER TABLE {table} ADD COLUMN next_release text;\n"
        (migrations / f"{number:04d}_next_release.sql").write_text(text)
    metadata = folder / f"tripartite-{NEXT}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tripartite\nVersion: {NEXT}\n")
    return folder


class Part:
    """One process: `tripartite serve NAME`, or `tripartite up`."""

    def __init__(self, command: Sequence[str], port: int, environment: dict[str, str]) -> None:
        self._command, self.port = list(command), port
        self._environment = {**environment, "TRIPARTITE_PORT": str(port)}
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{port}"

    def launch(self, release: Path | None = None) -> None:
        environment = {**self._environment, **({"PYTHONPATH": str(release)} if release else {})}
        self._process = subprocess.Popen([sys.executable, "-m", "tripartite", *self._command], env=environment)

    async def health(self) -> dict[str, Any] | None:
        """What the process says of itself; None where nobody answers."""
        async with httpx2.AsyncClient(trust_env=False, timeout=10.0) as http:
            try:
                answer = await http.get(self.url + "/ready")
            except httpx2.TransportError:
                return None
        return dict(answer.json()) if answer.status_code == 200 else None

    async def answers(self) -> None:
        async def ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"{self._command} ended with {self._process.returncode}"
            return await self.health() is not None

        await until(ready, f"{' '.join(self._command)} answers")

    async def stop(self, how: signal.Signals) -> int:
        """Stop it; its exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        return await asyncio.to_thread(self._process.wait, 30)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)


class Fleet:
    """The processes of one run, and the database that all of them come to. It was started by nobody of them."""

    def __init__(self, home: Path, estate: Path, further: dict[str, str]) -> None:
        self.server = EmbeddedPostgres(home)
        self.server.start()
        self._environment = {
            **os.environ,
            **SECRETS,
            **further,
            "TRIPARTITE_HOME": str(home / "parts"),
            "TRIPARTITE_ESTATE": str(estate / "estate.toml"),
            "TRIPARTITE_DATABASE_URL": self.server.url(WORKER),
            "TRIPARTITE_DATABASE_OWNER_URL": self.server.url(OWNER),
            "TRIPARTITE_DATABASE_SERVING_URL": self.server.url(SERVING),
            "TRIPARTITE_LOG_LEVEL": "ERROR",
        }
        self.parts: dict[str, Part] = {}

    def add(self, name: str, command: Sequence[str], port: int) -> Part:
        self.parts[name] = Part(command, port, self._environment)
        return self.parts[name]

    async def start(self) -> None:
        for part in self.parts.values():
            part.launch()
        for part in self.parts.values():
            await part.answers()

    def end(self) -> None:
        for part in self.parts.values():
            part.end()
        self.server.shut_down()
