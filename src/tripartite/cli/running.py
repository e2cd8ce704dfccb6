"""Bringing up an estate: its file read and proved, the database opened and up to date, the components started."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

from tripartite.cli.estate import known_kinds, read_estate, read_pack
from tripartite.components.console.app import component as console
from tripartite.components.control.app import component as control
from tripartite.components.control.releases import NotAllowed, keep_running
from tripartite.components.gateway.app import component as gateway
from tripartite.components.invoices.app import component as invoices
from tripartite.components.orders.app import component as orders
from tripartite.components.payments.app import component as payments
from tripartite.components.receipts.app import component as receipts
from tripartite.components.subscriptions.app import component as subscriptions
from tripartite.components.suppliers.app import component as suppliers
from tripartite.connectors import registry
from tripartite.connectors.documents.worker import COMMAND
from tripartite.core.estate import Estate, check_estate
from tripartite.core.policy import Pack, check_pack
from tripartite.runtime.clock import Clock, system_random
from tripartite.runtime.component import Component
from tripartite.runtime.db import Connection, Database
from tripartite.runtime.parsing import ParsingPool
from tripartite.runtime.postgres import EmbeddedPostgres
from tripartite.runtime.process import Connectors, Process, Urls, open_database, prepare_database
from tripartite.runtime.secrets import Secrets
from tripartite.runtime.settings import Settings

COMPONENTS: Mapping[str, Component] = {
    component.name: component
    for component in (gateway, suppliers, orders, receipts, invoices, payments, control, subscriptions, console)
}


class NotReady(Exception):
    """The estate cannot run; the message says what to settle first."""


def load(path: Path) -> tuple[Estate, Pack]:
    """The estate and its pack, proved. Errors: `NotReady` with every reason."""
    try:
        estate, text = read_estate(path)
        pack = read_pack(estate, path) if isinstance(estate, Estate) else None
    except (OSError, ValueError) as error:
        raise NotReady(f"{path}: {error}. `tripartite init` writes an estate to begin with.") from None
    if not isinstance(estate, Estate) or not isinstance(pack, Pack):
        wrong = [entry for part in (estate, pack) if isinstance(part, list) for entry in part]
        raise NotReady("\n".join(str(entry) for entry in wrong))
    trouble = [
        f"{found.key}: {found.words}"
        for found in check_estate(estate, known_kinds(), text)
        if found.severity == "error"
    ]
    trouble += [
        f"{', '.join(found.rows)}: {found.words}" for found in check_pack(pack, estate) if found.severity == "error"
    ]
    if trouble:
        raise NotReady("\n".join([*trouble, f"`tripartite check {path}` shows all of it."]))
    return estate, pack


async def pack_to_run(urls: Urls, estate: Estate, pack: Pack) -> Pack:
    """The pack that a process runs under, kept for its decisions. Errors: `NotReady` for one that nobody approved."""
    db = Database(urls.worker, size=1, name="tripartite start")
    await db.open()

    async def work(connection: Connection) -> tuple[Pack, str]:
        production = estate.environment == "production"
        return await keep_running(connection, pack, Clock().now(), system_random().randbytes, production=production)

    try:
        chosen, words = await db.transaction(work)
    except NotAllowed as error:
        raise NotReady(str(error)) from None
    finally:
        await db.close()
    if words:
        say(words)
    return chosen


class Running(AbstractAsyncContextManager["Running"]):
    """A set of components, up and running inside `async with`."""

    def __init__(
        self,
        settings: Settings,
        estate: Estate,
        pack: Pack,
        *,
        only: Sequence[str] = (),
        secrets: Mapping[str, str] | None = None,
        http: bool = True,
        background: bool = True,
        connect: bool = True,
        folder: Path | None = None,
    ) -> None:
        self._settings, self._http, self._background = settings, http, background
        self._components = [COMPONENTS[name] for name in only] if only else list(COMPONENTS.values())
        if not connect:
            import msgspec

            silent = tuple(msgspec.structs.replace(each, base_url="") for each in estate.connections)
            estate = msgspec.structs.replace(estate, connections=silent, subscribers=())
        self._estate, self._pack = estate, pack
        self._secrets = Secrets(folder or Path.cwd(), secrets)
        self.server: EmbeddedPostgres | None = None
        self.urls: Urls
        self.process: Process

    async def __aenter__(self) -> Running:
        self.urls, self.server = open_database(self._settings)
        prepare_database(self.urls, list(COMPONENTS.values()))
        try:
            self._pack = await pack_to_run(self.urls, self._estate, self._pack)
        except NotReady:
            if self.server is not None:
                self.server.stop()
            raise
        self.process = Process(
            self._components,
            self._settings,
            self._estate,
            self._pack,
            self.urls,
            Connectors(registry.manifest, registry.connect),
            parser=ParsingPool(COMMAND, workers=self._settings.parser_workers),
            secrets=self._secrets,
            version=version("tripartite"),
        )
        if self.server is not None:
            self.process.supervise(self.server)
        await self.process.start(http=self._http, background=self._background)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.process.stop()
        if self.server is not None:
            self.server.stop()


def say(text: str) -> None:
    """Progress and advice go to standard error; results to standard output."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
