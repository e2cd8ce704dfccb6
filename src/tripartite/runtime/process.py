"""One process that runs any set of components: consumers, deliveries, schedules, loops and the HTTP server.

`assemble` makes the ports and everything that runs; `serve` runs it until it is told to stop. All components in one
process is the default; each can run alone against the same database, because nothing here knows which there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
import psycopg
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from psycopg.conninfo import conninfo_to_dict

from tripartite.core.estate import Connection as Configured
from tripartite.core.estate import Estate, Subscriber
from tripartite.core.policy import Pack
from tripartite.runtime import jobs
from tripartite.runtime.aside import keep_retaking
from tripartite.runtime.bus import Hints, Waiting, run_consumer
from tripartite.runtime.clock import Clock, TimeOrderedIds, system_random
from tripartite.runtime.component import Component, Parser, Ports, Schedule
from tripartite.runtime.db import Database, MigrationSet, NotBound, migrate
from tripartite.runtime.deliveries import Deliverer, hold_worker_lock, timing_of
from tripartite.runtime.due import Due
from tripartite.runtime.health import health_routes
from tripartite.runtime.http import OutboundHttp, OutboundRules
from tripartite.runtime.http_app import Authenticator, build_app
from tripartite.runtime.metrics import metrics_route
from tripartite.runtime.notifying import WebhookClient, open_webhook
from tripartite.runtime.postgres import OWNER, SERVING, WORKER, EmbeddedPostgres
from tripartite.runtime.protocol import Client, ClientPorts, Connection, Manifest
from tripartite.runtime.secrets import Secrets
from tripartite.runtime.settings import Settings
from tripartite.runtime.telemetry import Telemetry

log = logging.getLogger(__name__)

HEAD_SECONDS = 20.0  # for the request line and the headers of a request; a kept connection may be idle as long
STOP_SECONDS = 5.0  # what is in flight then is found again at the next start

RUNTIME_MIGRATIONS = tuple(
    MigrationSet(name, f"tripartite.runtime.migrations.{name}")
    for name in ("runtime", "audit", "auth", "bus", "deliveries")
)


class Urls(msgspec.Struct, frozen=True):
    """Where the database is, for the worker's role, the owner of the schemas and the role that serves people. They hold
    passwords.
    """

    worker: str
    owner: str
    serving: str = ""


class Connectors(msgspec.Struct, frozen=True):
    """How a process comes by the vendors, passed in so that the runtime knows none of them."""

    manifest: Callable[[str], Manifest]
    connect: Callable[[Connection, ClientPorts], Client]


def open_database(settings: Settings) -> tuple[Urls, EmbeddedPostgres | None]:
    """The database of these settings: a given one, or the embedded one, started. Errors: `PostgresUnavailable`."""
    if settings.database_url:
        owner = settings.database_owner_url or settings.database_url
        return Urls(settings.database_url, owner, settings.database_serving_url), None
    server = EmbeddedPostgres(settings.home)
    server.start()
    return Urls(server.url(WORKER), server.url(OWNER), server.url(SERVING)), server


def prepare_database(urls: Urls, components: Sequence[Component]) -> list[str]:
    """Bring the schemas up to date as their owner; returns what ran.

    Errors: `NotBound` where the worker's role would see no row under row security; nothing was changed then.
    """
    worker = _role(urls.worker)
    _check_worker(urls, worker)
    jobs.install(urls.owner)
    return migrate(
        urls.owner,
        [*RUNTIME_MIGRATIONS, *(component.migrations for component in components)],
        grant_to=worker if worker != _role(urls.owner) else "",
        serve_by=_role(urls.serving),
    )


def _check_worker(urls: Urls, worker: str) -> None:
    """Workers take the company from the partition and write by COPY, which row security does not allow: their role owns
    the tables, or steps past row security. Otherwise it would see nothing at all and be silent about it.
    """
    if worker == _role(urls.owner):
        return
    with psycopg.connect(urls.worker) as connection:
        found = connection.execute(
            "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    if found is None or not found[0]:
        raise NotBound(
            f"Row security would hide every row from the worker's role {worker}. As an administrator of the database: "
            f'ALTER ROLE "{worker}" BYPASSRLS. Where nobody may do that, give TRIPARTITE_DATABASE_URL the owner of the '
            "schemas: workers are not meant to be bound, what serves people is."
        )


def _role(url: str) -> str:
    return str(conninfo_to_dict(url).get("user", ""))


def http_server(app: Any, host: str, port: int) -> Server:
    """The HTTP server of a process. Whoever sends no whole head within `HEAD_SECONDS` is not waited for."""
    return Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        log_enabled=False,
        backlog=1024,
        http1_settings=HTTP1Settings(header_read_timeout=int(HEAD_SECONDS * 1000)),
    )


class Process:
    """A set of components with their ports, ready to run."""

    def __init__(
        self,
        components: Sequence[Component],
        settings: Settings,
        estate: Estate,
        pack: Pack,
        urls: Urls,
        connectors: Connectors,
        *,
        parser: Parser | None = None,
        secrets: Secrets | None = None,
        version: str = "0",
        lanes: int = 2,
    ) -> None:
        self.components, self.settings, self.estate, self.urls = components, settings, estate, urls
        self.connectors, self._lanes, self._version = connectors, lanes, version
        self.clock, self.chance = Clock(), system_random()
        self.telemetry = Telemetry("tripartite")
        # A part alone takes less of what the database has to give: all parts together are several processes.
        alone = len(components) == 1
        self.db = Database(
            urls.worker,
            size=12 if alone else 24,
            name=f"tripartite {components[0].name}" if alone else "tripartite",
            serving=urls.serving,
            serving_size=8 if alone else 16,
        )
        self.hints = Hints(urls.worker)
        self._parser = parser
        self.clients: dict[str, Client] = {}
        self._secrets = secrets
        for configured in estate.connections:
            if configured.base_url:
                self.clients[configured.name] = self._client(configured)
        self.worker = random.SystemRandom().randrange(1, 2**31 - 1)
        self._webhooks: list[WebhookClient] = []
        self.ports = Ports(
            db=self.db,
            clock=self.clock,
            ids=TimeOrderedIds(),
            chance=self.chance,
            telemetry=self.telemetry,
            settings=settings,
            estate=estate,
            pack=pack,
            clients=self.clients,
            parser=parser,
            worker=self.worker,
            webhook=self._webhook,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.port = settings.port
        self._server: Server | None = None

    def _client(self, configured: Configured) -> Client:
        rules = self.estate.outbound
        http = OutboundHttp(
            configured.base_url,
            name=configured.name,
            rules=OutboundRules(
                private_hosts=rules.private_hosts,
                allow_plain_http=rules.plain_http,
                allow_loopback=rules.loopback,
            ),
            on_call=self.telemetry.call,
        )
        resolved = self._secrets.resolve_all(configured.secrets) if self._secrets else {}
        connection = Connection(
            name=configured.name,
            kind=configured.kind,
            role=configured.role,
            base_url=configured.base_url,
            company_codes=self.estate.companies_of(configured.name),
            settings=configured.settings,
            secrets=resolved,
        )
        return self.connectors.connect(connection, ClientPorts(http, self.clock.now, self.clock.sleep))

    def _webhook(self, subscriber: Subscriber) -> WebhookClient:
        client = open_webhook(
            subscriber,
            [self._secrets.resolve(each) for each in subscriber.secrets] if self._secrets else [],
            self.clock,
            loopback=self.estate.outbound.loopback and self.estate.environment == "development",
            on_call=self.telemetry.call,
        )
        self._webhooks.append(client)
        return client

    async def start(self, *, http: bool = True, background: bool = True) -> None:
        """Open the database and start everything; returns when the server listens.

        Without `background` this is a further worker: it consumes and delivers, and leaves schedules and loops to the
        others.
        """
        _settle_memory()
        await self.db.open()
        held = asyncio.Event()
        self._spawn("worker lock", hold_worker_lock(self.urls.worker, self.worker, held))
        await asyncio.wait_for(held.wait(), 30)
        self._spawn("hints", self.hints.listen())
        self._spawn("spans", self.telemetry.keep_flushing(self.db))
        schedules: list[Schedule] = []
        consumers = [consumer for component in self.components for consumer in component.consumers(self.ports)]
        waiting = Waiting(self.db, self.chance)
        for consumer in consumers:
            reading = run_consumer(self.db, consumer, self.hints, waiting=waiting)
            self._spawn(f"{consumer.name} {consumer.topic}", reading)
        self._spawn("set aside", keep_retaking(self.db, consumers))
        for component in self.components:
            if background:
                for loop in component.loops(self.ports):
                    self._spawn(loop.name, loop.run())
                schedules.extend(component.schedules(self.ports))
        delivering = [each for each in self.estate.connections if self._delivers(each)]
        due = Due(self.db, self.clock, self.hints, [each.name for each in delivering])
        self._spawn("due", due.run())
        for configured in delivering:
            self._deliver(configured, due)
        if schedules:
            self._spawn("schedules", jobs.Jobs(self.urls.worker, schedules).run())
        if http:
            await self._listen()

    def _delivers(self, configured: Configured) -> bool:
        return configured.name in self.clients and bool(self.connectors.manifest(configured.kind).writes)

    def _deliver(self, configured: Configured, due: Due) -> None:
        client = self.clients[configured.name]
        manifest = self.connectors.manifest(configured.kind)
        timing = timing_of(manifest, configured.settings)
        rate = float(configured.settings.get("rate_per_second", manifest.rate_per_second))
        for _ in range(self._lanes):
            deliverer = Deliverer(
                self.db,
                configured.name,
                manifest,
                client,
                worker=self.worker,
                clock=self.clock,
                chance=self.chance,
                telemetry=self.telemetry,
                timing=timing,
                rate=rate / self._lanes,
                wake=self.hints.wake,
            )
            self._spawn(f"deliver {configured.name}", deliverer.run(lambda: due.wait(configured.name)))

    async def _listen(self) -> None:
        await self.db.check_bound()
        routes = [route for component in self.components for route in component.routes(self.ports)]
        measures = [measure for component in self.components for measure in component.measures]
        routes.append(metrics_route(self.telemetry, self.db, measures))
        routes += health_routes(self.db, [component.name for component in self.components], self._version)
        app = build_app(routes, Authenticator(self.db), version=self._version)
        self._server = http_server(app, self.settings.host, self.port)
        self._spawn("http", self._server.serve())
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(self.settings.host, self.port)
                writer.close()
                return
            await asyncio.sleep(0.02)
        raise TimeoutError(f"the HTTP server does not listen on {self.settings.host}:{self.port}")

    def supervise(self, server: EmbeddedPostgres) -> None:
        """Bring the embedded database back whenever it dies."""
        self._spawn("postgres", server.supervise())

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_note_end)
        self._tasks.append(task)

    async def stop(self) -> None:
        """Stop everything; what is in flight is found again at the next start."""
        if self._server is not None:
            # The server ends by itself when told; cancelled at the same time it may wait for ever.
            self._server.stop()  # type: ignore[no-untyped-call]
            serving = [task for task in self._tasks if task.get_name() == "http"]
            await asyncio.wait(serving, timeout=STOP_SECONDS)
        for task in self._tasks:
            task.cancel()
        _, left = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        for task in left:
            log.warning("a task does not end", extra={"task": task.get_name()})
        with contextlib.suppress(Exception):
            await self.telemetry.flush(self.db)
        for client in self.clients.values():
            await client.close()
        for webhook in self._webhooks:
            await webhook.close()
        close = getattr(self._parser, "close", None)
        if close is not None:
            await close()
        await self.db.close()

    @staticmethod
    async def wait_for_signal() -> None:
        """Return on SIGINT or SIGTERM."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        await stop.wait()


def _settle_memory() -> None:
    """Batches make and drop hundreds of thousands of small values without cycles: looking for cycles among them every
    700 allocations costs half of the matching. What is loaded is set aside, and the look comes more rarely.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def _note_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a task ended", extra={"task": task.get_name()}, exc_info=task.exception())
