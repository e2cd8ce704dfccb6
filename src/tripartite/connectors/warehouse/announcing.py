"""The half of the warehouse's simulator that calls out: webhooks, signed, at least once, in any order it is told.

It is apart from `simulator.py` because it is the only part of a simulator that opens a connection. Bench only.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import httpx2
import msgspec

DELAYS = (0.0, 0.2, 1.0, 5.0, 30.0, 300.0)  # seconds before each attempt; after the last the poll must find it


class House(Protocol):
    """What the announcer needs of the warehouse: its wall clock, its sleep, its dice, its documents."""

    wall: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]

    @property
    def random(self) -> Any: ...

    def shown(self, key: str) -> bytes: ...


class Announcer:
    """Queues events and sends them. `post` may be replaced by a rehearsal that has no sockets."""

    def __init__(self, house: House, settings: dict[str, str]) -> None:
        self.house = house
        self.settings = settings
        self.heard: dict[str, int] = {}  # event id -> the last answer; 0 where none came
        self.waiting: deque[tuple[str, bytes, int, bool]] = deque()
        self.post: Callable[[str, dict[str, str], bytes], Awaitable[int]] = self._over_http
        self._client: httpx2.AsyncClient | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._count = 0

    def announce(self, changes: Sequence[tuple[str, int, str, str]], how: dict[str, Any]) -> None:
        """One event per (id, version, event type, warehouse): `times` each, `shuffle`d, `age_seconds` old, `forged`."""
        if not self.settings.get("webhook_url"):
            return
        events = []
        for key, version, kind, warehouse in changes:
            self._count += 1
            event_id = hashlib.sha256(f"{key}/{version}/{self._count}".encode()).hexdigest()[:32]
            whole: Any = {"id": key, "version": version}
            if self.settings.get("fat_webhooks") == "yes":
                whole = msgspec.Raw(self.house.shown(key))
            event = {
                "event_id": event_id,
                "event_type": kind,
                "occurred_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.house.wall())),
                "warehouse": warehouse,
                "receipt": whole,
            }
            one = (event_id, msgspec.json.encode(event), int(how.get("age_seconds", 0)), bool(how.get("forged", False)))
            events += [one] * int(how.get("times", 1))
        if how.get("shuffle"):
            self.house.random.shuffle(events)
        self.waiting.extend(events)
        self.start()

    def start(self) -> None:
        """Send what waits, where a loop runs; outside of one it waits for the next call."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        while self.waiting:
            task = loop.create_task(self._send(*self.waiting.popleft()))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def signed(self, body: bytes, age_seconds: int = 0, forged: bool = False) -> dict[str, str]:
        """The headers for `body`: the time in seconds, and HMAC-SHA256 over time, a dot and the body, in hex."""
        stamp = str(int(self.house.wall()) - age_seconds)
        secret = "not the secret" if forged else self.settings.get("webhook_secret", "")
        mac = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        return {"content-type": "application/json", "x-wms-timestamp": stamp, "x-wms-signature": mac}

    async def idle(self) -> None:
        """Wait until everything announced was taken, or given up, and close the connections."""
        self.start()
        while self._sending:
            await asyncio.gather(*self._sending)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _send(self, event_id: str, body: bytes, age_seconds: int, forged: bool) -> None:
        for delay in DELAYS:
            if delay:
                await self.house.sleep(delay)
            url = self.settings.get("webhook_url", "")
            if not url:
                return
            status = await self.post(url, self.signed(body, age_seconds, forged), body)
            self.heard[event_id] = status
            if status == 410:
                self.settings["webhook_url"] = ""
            if 200 <= status < 300 or ((forged or age_seconds) and status == 401):
                return

    async def _over_http(self, url: str, headers: dict[str, str], body: bytes) -> int:
        if self._client is None:
            # The pool is the limit: sixteen at a time, the others wait for a connection and not for a time-out.
            limits = httpx2.Limits(max_connections=16, max_keepalive_connections=16)
            self._client = httpx2.AsyncClient(timeout=httpx2.Timeout(15, pool=None), limits=limits, trust_env=False)
        try:
            return (await self._client.post(url, headers=headers, content=body)).status_code
        except httpx2.HTTPError:
            return 0
