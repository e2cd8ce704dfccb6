"""What a component is to the process that runs it, and the ports it is given.

A component declares its migrations, its consumers of the bus, its schedules and its routes; `runtime/process.py` runs
any set of components in one process. A component takes everything of the outside from `Ports`: no clock, no chance, no
network and no database of its own.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from tripartite.core.estate import Estate, Subscriber
from tripartite.core.ids import Ids
from tripartite.runtime.bus import Consumer
from tripartite.runtime.clock import Clock
from tripartite.runtime.db import Database, MigrationSet
from tripartite.runtime.metrics import Measure
from tripartite.runtime.notifying import WebhookClient
from tripartite.runtime.protocol import Client, Raw, Read
from tripartite.runtime.settings import Settings
from tripartite.runtime.telemetry import Telemetry


class Parser(Protocol):
    """Reads documents of untrusted formats somewhere a crash hurts nobody (runtime/parsing.py)."""

    async def read_many(self, documents: Sequence[tuple[str, Raw]]) -> Sequence[Any]: ...


class Ports:
    """Everything of the outside that a component may use, passed in."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        ids: Ids,
        chance: random.Random,
        telemetry: Telemetry,
        settings: Settings,
        estate: Estate,
        pack: Any,
        clients: Mapping[str, Client],
        parser: Parser | None = None,
        ask: Callable[[str], Awaitable[Any]] | None = None,
        worker: int = 0,
        webhook: Callable[[Subscriber], WebhookClient] | None = None,
    ) -> None:
        """`worker`: the number whose advisory lock says that this process lives. `webhook` makes the way to a
        subscriber; None where nobody is called.
        """
        self.db, self.clock, self.ids, self.chance = db, clock, ids, chance
        self.telemetry, self.settings = telemetry, settings
        self.estate, self.pack, self.clients = estate, pack, clients
        self.parser, self.ask = parser, ask
        self.worker, self.webhook = worker, webhook


class Schedule(msgspec.Struct, frozen=True):
    """Something done again and again: a poll, a sweep. It decides nothing and may run twice or late."""

    name: str
    every_seconds: int
    run: Callable[[], Coroutine[Any, Any, None]]


class Loop(msgspec.Struct, frozen=True):
    """A task that runs as long as the process, e.g. the audit sequencer."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]


class Component(msgspec.Struct, frozen=True):
    """A deployable part: its name is its schema. The functions are given the ports and answer with what to run."""

    name: str
    migrations: MigrationSet
    consumers: Callable[[Ports], Sequence[Consumer]] = lambda _: ()
    schedules: Callable[[Ports], Sequence[Schedule]] = lambda _: ()
    loops: Callable[[Ports], Sequence[Loop]] = lambda _: ()
    routes: Callable[[Ports], Sequence[Any]] = lambda _: ()
    measures: Sequence[Measure] = ()  # gauges of its own tables for /metrics


__all__ = ["Component", "Loop", "Parser", "Ports", "Read", "Schedule"]
