"""The simulators in a process of their own: each on its port, over real HTTP.

    python -m tripartite.rehearsal.simulators '[{"kind": "coupa", "port": 20110, "settings": {}, "seed": 1}]'

The simulated vendors live on when our process is killed, as real ones do. On standard input it takes `down KIND` and
`up KIND`, a line each: a system that is down listens no more, keeps what it has, and is the same when it is up again.
Each is answered with the same line on standard output once it is so.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import msgspec
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from tripartite.connectors import registry
from tripartite.connectors.simulating import Bench


class Spec(msgspec.Struct, frozen=True):
    """One simulator: a connector kind on a port of this machine."""

    kind: str
    port: int
    settings: dict[str, str] = {}
    seed: int = 0


class Site:
    """One vendor, and whether it listens."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._app: Bench = registry.simulator(spec.kind).build(dict(spec.settings), spec.seed)
        self._server: Server | None = None
        self._task: asyncio.Task[None] | None = None

    def up(self) -> None:
        if self._server is None:
            self._server = Server(
                self._app,
                address="127.0.0.1",
                port=self._spec.port,
                interface=Interfaces.ASGI,
                log_enabled=False,
            )
            self._task = asyncio.create_task(self._server.serve())

    async def down(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.stop()  # type: ignore[no-untyped-call]
            await asyncio.gather(self._task, return_exceptions=True)
        self._server = self._task = None


async def _obey(sites: dict[str, Site]) -> None:
    """Take the lines of standard input until it ends."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().strip():
        what, _, kind = line.partition(" ")
        site = sites[kind]
        if what == "down":
            await site.down()
        else:
            site.up()
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


async def serve(specs: list[Spec], *, obey: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; with `obey` standard input says who is up and who is down."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    sites = {spec.kind: Site(spec) for spec in specs}
    for site in sites.values():
        site.up()
    listening = asyncio.create_task(_obey(sites)) if obey else None
    await stop.wait()
    if listening is not None:
        listening.cancel()
    await asyncio.gather(*(site.down() for site in sites.values()))


if __name__ == "__main__":
    uvloop.run(serve(msgspec.json.decode(sys.argv[1], type=list[Spec]), obey=True))
