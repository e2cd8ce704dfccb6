"""The simulators in a process of their own: each on its port, over real HTTP.

    python -m tripartite.rehearsal.simulators '[{"kind": "coupa", "port": 20110, "settings": {}, "seed": 1}]'

The simulated vendors live on when our process is killed, as real ones do.
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


class Spec(msgspec.Struct, frozen=True):
    """One simulator: a connector kind on a port of this machine."""

    kind: str
    port: int
    settings: dict[str, str] = {}
    seed: int = 0


async def serve(specs: list[Spec]) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    servers = [
        Server(
            registry.simulator(spec.kind).build(dict(spec.settings), spec.seed),
            address="127.0.0.1",
            port=spec.port,
            interface=Interfaces.ASGI,
            log_enabled=False,
        )
        for spec in specs
    ]
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    await stop.wait()
    for server in servers:
        server.stop()  # type: ignore[no-untyped-call]
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    uvloop.run(serve(msgspec.json.decode(sys.argv[1], type=list[Spec])))
