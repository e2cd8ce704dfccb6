"""The door of the simulated S/4HANA: credentials, tokens, sessions, and the CSRF token that every write must bring."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from tripartite.connectors.sap_s4hana.simulator.world import World
from tripartite.connectors.simulating import Bench, Reply, Request, json_reply


class Door:
    """Who may come in, and with what."""

    def __init__(self, bench: Bench, world: World, settings: Mapping[str, str]) -> None:
        self.bench = bench
        self.world = world
        self._auth = settings.get("auth", "basic")
        pair = f"{settings.get('username', 'TRIPARTITE')}:{settings.get('password', 'bench')}"
        self._basic = "Basic " + base64.b64encode(pair.encode()).decode()
        pair = f"{settings.get('client_id', 'tripartite')}:{settings.get('client_secret', 'bench')}"
        self._client = "Basic " + base64.b64encode(pair.encode()).decode()
        self._session_seconds = float(settings.get("session_seconds", "1800"))
        self._token_seconds = int(settings.get("token_seconds", "3600"))
        self._sessions: dict[str, tuple[str, float]] = {}  # session id: CSRF token, last used
        self._tokens: dict[str, float] = {}  # bearer: end
        self._seen: float | None = None  # the clock when last looked at; a rehearsal may replace it after the build

    def tick(self) -> None:
        """Let the system's own clock follow the bench's."""
        now = self.bench.clock()
        if self._seen is not None:
            self.world.elapsed += max(now - self._seen, 0.0)
        self._seen = now

    def refused(self, request: Request, operation: str, *, write: bool) -> Reply | None:
        self.tick()
        now = self.bench.clock()
        expired = self.bench.fault(operation, "expire") if self.bench.faults else None
        if expired and self._auth == "oauth":
            self._tokens.clear()
        if (expired and self._auth != "oauth") or (self.bench.faults and self.bench.fault(operation, "csrf")):
            self._sessions.clear()
        credentials = request.headers.get("authorization", "")
        if self._auth == "basic" and credentials != self._basic:
            return Reply(401, b"Anmeldung fehlgeschlagen", {"www-authenticate": 'Basic realm="S4H"'})
        if self._auth == "oauth" and self._tokens.get(credentials.removeprefix("Bearer "), 0.0) <= now:
            return Reply(401, b"", {"www-authenticate": 'Bearer realm="S4H", error="invalid_token"'})
        if write:
            session = self._session_of(request)
            held = self._sessions.get(session)
            if held is None or held[0] != request.headers.get("x-csrf-token") or now - held[1] > self._session_seconds:
                self._sessions.pop(session, None)
                headers = {"x-csrf-token": "Required", "content-type": "text/plain;charset=utf-8"}
                return Reply(403, b"CSRF token validation failed", headers)
            self._sessions[session] = (held[0], now)
        return None

    @staticmethod
    def _session_of(request: Request) -> str:
        found = re.search(r"SAP_SESSIONID_S4H_100=([^;,\s]+)", request.headers.get("cookie", ""))
        return found[1] if found else ""

    async def token(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := await self.bench.before("token"):
            return reply
        if request.headers.get("authorization") != self._client or b"client_credentials" not in request.body:
            return json_reply({"error": "invalid_client"}, 401)
        token = f"{self.bench.random.getrandbits(128):032x}"
        self._tokens[token] = self.bench.clock() + self._token_seconds
        return json_reply({"access_token": token, "token_type": "Bearer", "expires_in": self._token_seconds})

    async def root(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := self.refused(request, "csrf", write=False) or await self.bench.before("csrf"):
            return reply
        headers = {"content-type": "application/json"}
        if request.headers.get("x-csrf-token", "").lower() == "fetch":
            session = f"{self.bench.random.getrandbits(96):024x}%3d"
            token = f"{self.bench.random.getrandbits(96):024X}=="
            self._sessions[session] = (token, self.bench.clock())
            headers["x-csrf-token"] = token
            # Two cookies, folded into one header as some servers and all proxies may.
            headers["set-cookie"] = (
                f"SAP_SESSIONID_S4H_100={session}; path=/; expires=Thu, 01-Jan-2099 00:00:00 GMT; secure; HttpOnly, "
                "sap-usercontext=sap-client=100; path=/"
            )
        return Reply(200, b'{"d":{"EntitySets":["A_SupplierInvoice"]}}', headers)
