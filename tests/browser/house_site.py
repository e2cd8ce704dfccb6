"""A whole house on a real port: its components answer the console's questions, and a browser reads and acts.

The house lives in a loop of its own thread; `Site.run` does something in it and waits for the answer.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

from support.api import Api
from support.clones import Clones
from support.house import House
from support.paying import paying_estate
from support.times import MORNING

PASSWORD = "a long walk before noon 17"  # of everybody that `Api.person` makes


class Site:
    """Where the console is, and the house behind it."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop, house: House, api: Api) -> None:
        self.url, self._loop, self.house, self.api = url, loop, house, api

    def run(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Do something in the house and wait for it."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(clones: Clones, home: Path) -> Iterator[Site]:
    """A house that pays by a bank, served by the production server."""
    ready, found, over = threading.Event(), {}, asyncio.Event()
    port = _free_port()

    async def serve() -> None:
        house = House(clones, clones.fresh(MORNING), home, paying_estate())
        await house.db.open()
        async with Api(house) as api:
            server = Server(api.app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
            task = asyncio.create_task(server.serve())
            while True:
                try:
                    (await asyncio.open_connection("127.0.0.1", port))[1].close()
                    break
                except OSError:
                    await asyncio.sleep(0.02)
            found["site"] = Site(f"http://127.0.0.1:{port}", asyncio.get_running_loop(), house, api)
            ready.set()
            await over.wait()
            server.stop()
            task.cancel()
        await house.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(60), "the house does not listen"
    site = found["site"]
    yield site
    site.house.may_set_aside = True
    site._loop.call_soon_threadsafe(over.set)
    thread.join(20)
