"""The simulators' process, and the bench paths by which the story makes things happen at a vendor's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import httpx2
import msgspec

from tripartite.connectors.simulating import Fault
from tripartite.rehearsal.simulators import Spec


class Vendors:
    """The simulators' process and their bench paths."""

    def __init__(self, specs: Sequence[Spec]) -> None:
        self.specs = {spec.kind: spec for spec in specs}
        self._process: subprocess.Popen[bytes] | None = None
        self._here = {kind: asyncio.Event() for kind in self.specs}
        for here in self._here.values():
            here.set()
        self._saying = asyncio.Lock()
        self._http = httpx2.AsyncClient(timeout=60.0, trust_env=False)

    async def start(self) -> None:
        """Start them and wait until each answers."""
        argument = msgspec.json.encode(list(self.specs.values())).decode()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tripartite.rehearsal.simulators", argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for kind in self.specs:
            await self._answering(kind)

    async def _answering(self, kind: str) -> None:
        for _ in range(300):
            try:
                await self._http.get(self.url(kind) + "/_sim/health")
                return
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
        raise TimeoutError(f"the simulator of {kind} does not answer")

    def url(self, kind: str) -> str:
        return f"http://127.0.0.1:{self.specs[kind].port}"

    async def away(self, kind: str, seconds: float) -> None:
        """A system is down for a while: it refuses every connection, and nobody works at its screens meanwhile."""
        self._here[kind].clear()
        try:
            await self._command(f"down {kind}")
            await asyncio.sleep(seconds)
        finally:
            await self._command(f"up {kind}")
            await self._answering(kind)
            self._here[kind].set()

    async def _command(self, line: str) -> None:
        process = self._process
        assert process is not None, "the simulators run"

        def say() -> bytes:
            assert process.stdin is not None, "we opened it"
            assert process.stdout is not None, "we opened it"
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            return process.stdout.readline()

        async with self._saying:
            answer = await asyncio.to_thread(say)
        if answer.decode().strip() != line:
            raise RuntimeError(f"the simulators do not obey {line!r}")

    async def tell(self, kind: str, what: dict[str, Any]) -> Any:
        """Make something happen there; a system that is down is waited for."""
        await self._here[kind].wait()
        answer = await self._http.post(self.url(kind) + "/_sim/arrange", content=msgspec.json.encode(what))
        answer.raise_for_status()
        return answer.json()

    async def faults(self, kind: str, faults: Sequence[Fault]) -> None:
        await self._here[kind].wait()
        answer = await self._http.post(self.url(kind) + "/_sim/faults", content=msgspec.json.encode(list(faults)))
        answer.raise_for_status()

    async def truth(self, kind: str) -> Any:
        """What the vendor committed, read directly."""
        await self._here[kind].wait()
        return (await self._http.get(self.url(kind) + "/_sim/truth")).json()

    async def calls(self, kind: str) -> dict[str, int]:
        found: dict[str, int] = (await self._http.get(self.url(kind) + "/_sim/calls")).json()
        return found

    async def stop(self) -> None:
        await self._http.aclose()
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait, 10)
