"""Single calls to Coupa with a token, at the vendor's pace: what every pull, question and write goes through."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NoReturn

import msgspec

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.client.answers import (
    AnswerInvalid,
    CredentialsRefused,
    Query,
    Throttled,
    Unreachable,
    encoded,
    error_words,
    retry_after,
)
from tripartite.connectors.coupa.manifest import MANIFEST
from tripartite.connectors.coupa.transform.settings import SettingInvalid
from tripartite.runtime.protocol import ClientPorts, Connection, HttpFailure, HttpResponse

SETTLE_SECONDS = 6.0  # a new token may be refused for about five seconds
RENEW_SHARE = 20 / 24  # of a token's life, after which we fetch another
LONGEST_LIFE_SECONDS = 7 * 86_400  # whatever a token claims, it is renewed within a week
SCOPES = (
    "core.common.read core.supplier.read core.requisition.read core.purchase_order.read core.purchase_order.write"
    " core.inventory.receiving.read core.inventory.receiving.write core.invoice.read core.invoice.write"
    " core.accounting.read"
)


class _Bearer(msgspec.Struct, frozen=True):
    value: str
    obtained_at: datetime
    renew_at: datetime

    def __repr__(self) -> str:
        return "_Bearer(***)"


class Session:
    """Calls with a token, at the vendor's pace. All callers of one client share both."""

    def __init__(self, connection: Connection, ports: ClientPorts) -> None:
        for name in ("client_id", "client_secret"):
            if name not in connection.secrets:
                raise SettingInvalid(name, "a secret of the connection, missing")
        self.base = connection.base_url.rstrip("/")
        self._connection = connection
        self._ports = ports
        self._timeout = float(whole_seconds(connection.settings, "timeout_seconds", 30))
        self._bearer: _Bearer | None = None
        self._renewal = asyncio.Lock()
        self._budget = float(MANIFEST.burst)
        self._budget_at: datetime | None = None

    def forget(self) -> None:
        """Drops the token."""
        self._bearer = None

    async def call(
        self, method: str, path: str, query: Query, operation: str, content: bytes | None = None
    ) -> HttpResponse:
        """One call with a token. A 401 costs no attempt: a young token gets its seconds, an old one is renewed, once
        for all who wait. Errors: `HttpFailure`; `CredentialsRefused` when the new token is refused too.
        """
        url = f"{self.base}/api{path}?{encoded(query)}"
        bearer = await self._token(None)
        waited = renewed = False
        while True:
            await self._pace()
            headers = {"accept": "application/json", "authorization": f"Bearer {bearer.value}"}
            if method != "GET":
                headers["content-type"] = "application/json"
            response = await self._ports.http.request(
                method, url, headers=headers, content=content, timeout_seconds=self._timeout, operation=operation
            )
            if response.status_code != 401:
                return response
            age = (self._ports.now() - bearer.obtained_at).total_seconds()
            if age < SETTLE_SECONDS and not waited:
                await self._ports.sleep(SETTLE_SECONDS - age)
                waited = True
            elif not renewed:
                bearer = await self._token(bearer)
                waited, renewed = False, True
            else:
                raise CredentialsRefused(f"{path}: the token is refused, and a new one too")

    async def _token(self, refused: _Bearer | None) -> _Bearer:
        """The token in use, but not `refused`. Whoever comes first fetches it, the others wait for that one."""
        held = self._bearer
        if held and held is not refused and self._ports.now() < held.renew_at:
            return held
        async with self._renewal:
            held = self._bearer
            if held and held is not refused and self._ports.now() < held.renew_at:
                return held
            self._bearer = await self._fetch_token()
            return self._bearer

    async def _fetch_token(self) -> _Bearer:
        secrets = self._connection.secrets
        form = encoded(
            [
                ("client_id", secrets["client_id"].reveal()),
                ("client_secret", secrets["client_secret"].reveal()),
                ("grant_type", "client_credentials"),
                ("scope", self._connection.settings.get("scopes", SCOPES)),
            ]
        )
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        try:
            response = await self._ports.http.request(
                "POST",
                f"{self.base}/oauth2/token",
                headers=headers,
                content=form.encode(),
                timeout_seconds=self._timeout,
                operation="token",
            )
        except HttpFailure as failure:
            raise Unreachable(self.hidden(str(failure))) from None
        status = response.status_code
        if status == 429:
            raise Throttled("rate limit on the token", after_seconds=retry_after(response, self._ports.now()))
        if status >= 500:
            raise Unreachable(f"no token: HTTP {status}")
        if status not in {200, 201}:
            raise CredentialsRefused(f"no token: HTTP {status}: {self.hidden(error_words(response.content))}")
        try:
            token = msgspec.json.decode(response.content, type=wire.Token)
        except msgspec.DecodeError:
            raise AnswerInvalid("the token's answer is not one") from None
        now = self._ports.now()
        life = min(max(token.expires_in, 0), LONGEST_LIFE_SECONDS)
        return _Bearer(token.access_token, now, now + timedelta(seconds=int(life * RENEW_SHARE)))

    async def _pace(self) -> None:
        """Keeps all callers of this client together within the vendor's rate; each reserves its turn, then waits."""
        now = self._ports.now()
        if self._budget_at is not None:
            earned = max(0.0, (now - self._budget_at).total_seconds()) * MANIFEST.rate_per_second
            self._budget = min(float(MANIFEST.burst), self._budget + earned)
        self._budget_at = now
        self._budget -= 1.0
        if self._budget < 0:
            await self._ports.sleep(-self._budget / MANIFEST.rate_per_second)

    def refuse(self, response: HttpResponse, path: str) -> NoReturn:
        status = response.status_code
        if status == 429:
            raise Throttled(f"{path}: rate limit", after_seconds=retry_after(response, self._ports.now()))
        if status >= 500 or status == 408:
            raise Unreachable(f"{path}: HTTP {status}")
        words = self.hidden(error_words(response.content))
        if status == 403:
            raise CredentialsRefused(f"{path}: a scope is missing: {words}")
        raise AnswerInvalid(f"{path}: HTTP {status}: {words}")

    def hidden(self, text: str) -> str:
        """`text` without any secret it might repeat."""
        for value in self._connection.secrets.values():
            text = text.replace(value.reveal(), "***")
        return text.replace(self._bearer.value, "***") if self._bearer else text


def whole_seconds(settings: Mapping[str, str], name: str, otherwise: int) -> int:
    text = settings.get(name, str(otherwise))
    if not (text.isascii() and text.isdigit()):
        raise SettingInvalid(name, "a whole number of seconds")
    return int(text)
