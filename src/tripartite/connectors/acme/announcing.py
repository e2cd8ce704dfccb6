"""The half of Acme's simulator that calls out: webhooks by the Standard Webhooks convention.

It is apart from `simulator.py` because it is the only part of a simulator that opens a connection. Bench only: what we
send to our own subscribers is another matter and goes through the runtime's outbound rules.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import httpx2
import msgspec

DELAYS = (0.0, 0.2, 1.0, 5.0, 30.0, 300.0)  # seconds before each attempt; after the last the poll must find it


class Calling(Protocol):
    """What the announcer needs of the simulator: its wall clock and its sleep."""

    wall: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


class Announcer:
    """Announces changes by Standard Webhooks: signed, at least once, again after a failure, never again after 410."""

    def __init__(self, acme: Calling, settings: dict[str, str]) -> None:
        self.acme = acme
        self.settings = settings
        self.heard: dict[str, int] = {}  # event id -> the last answer
        self.waiting: deque[tuple[str, bytes]] = deque()
        self.post: Callable[[str, dict[str, str], bytes], Awaitable[int]] | None = None
        self._client: httpx2.AsyncClient | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._count = 0

    def announce(self, word: str, number: str, sequence: int) -> None:
        """Queue one event and start sending, where a loop runs; outside of one it waits for the next `start`."""
        if not self.settings.get("webhook_url"):
            return
        self._count += 1
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.acme.wall()))
        data = {"object": word, "number": number, "sequence": sequence}
        body = msgspec.json.encode({"type": f"{word}.changed", "timestamp": stamp, "data": data})
        self.waiting.append((f"msg_{self._count:08d}", body))
        self.start()

    def start(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        while self.waiting:
            task = loop.create_task(self._send(*self.waiting.popleft()))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def signed(self, event_id: str, body: bytes) -> dict[str, str]:
        """The three headers of Standard Webhooks for `body`, stamped now."""
        stamp = str(int(self.acme.wall()))
        text = self.settings.get("webhook_secret", "").removeprefix("whsec_")
        try:
            secret = base64.b64decode(text, validate=True)
        except binascii.Error:
            secret = text.encode()
        mac = hmac.new(secret, f"{event_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        return {
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        }

    async def idle(self) -> None:
        """Wait until everything announced was taken, or given up, and close the connections."""
        self.start()
        while self._sending:
            await asyncio.gather(*self._sending)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _send(self, event_id: str, body: bytes) -> None:
        for delay in DELAYS:
            if delay:
                await self.acme.sleep(delay)
            url = self.settings.get("webhook_url", "")
            if not url:
                return
            # Stamped anew at each attempt: a retry of hours must not look like a replay.
            status = await (self.post or self._over_http)(url, self.signed(event_id, body), body)
            self.heard[event_id] = status
            if status == 410:
                self.settings["webhook_url"] = ""
            if 200 <= status < 300:
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
