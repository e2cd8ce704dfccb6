"""The way to the system: credentials, the CSRF token with its session cookies, and one exchange with both. Which
business answer means what is decided in posting.py; here only the two answers that are about the way itself are met.

    NotSent         surely not done: no credentials, no token, no connection; the same call may succeed later
    NotPermitted    refused for good: the user may not do this

A token or session that has gone stale is renewed once for all callers that hold it, and the call is made once more: a
401 and a 403 with `x-csrf-token: Required` both say that nothing was done. Neither counts as an attempt.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

import msgspec

from tripartite.runtime.protocol import ClientPorts, Connection, HttpFailure, HttpResponse, Secret, retry_after

ROOT = "/sap/opu/odata/sap"
_COOKIE = re.compile(r",\s*(?=[^;,=\s]+=)")  # between two folded Set-Cookie values, not inside `Expires=Thu, 01 ...`
_EARLY = timedelta(seconds=30)  # a token this close to its end is not used any more


class NotSent(Exception):
    """Surely not done; `after_seconds` where the other side said when to come again."""

    def __init__(self, reason: str, after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_seconds = after_seconds


class NotPermitted(Exception):
    """The user lacks the authorisation: repeating will not help."""


class _Token(msgspec.Struct, frozen=True):
    header: Secret
    ends_at: datetime | None = None


class _Session(msgspec.Struct, frozen=True):
    csrf: Secret
    cookies: Secret


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: int = 0


def value_of(headers: Mapping[str, str], name: str) -> str:
    """A header by its lower-case name, however it is spelled; empty where it is not there."""
    value = headers.get(name)
    if value is not None:
        return value
    return next((value for other, value in headers.items() if other.lower() == name), "")


def header(response: HttpResponse, name: str) -> str:
    return value_of(response.headers, name)


class Transport:
    """One connection's way to SAP. `settings.auth` is `basic` (settings.username, secret `password`) or
    `oauth2_client_credentials` (settings.client_id and token_url, secret `client_secret`); `none` is for the bench.
    """

    def __init__(self, connection: Connection, ports: ClientPorts, csrf_path: str) -> None:
        self._connection = connection
        self._settings = connection.settings
        self._ports = ports
        self._base = connection.base_url.rstrip("/") + ROOT
        self._csrf_path = csrf_path
        self._auth = connection.settings.get("auth", "basic")
        if self._auth not in ("basic", "oauth2_client_credentials", "none"):
            raise ValueError(f"{connection.name}: unknown setting auth = {self._auth!r}")
        self._timeout = float(connection.settings.get("timeout_seconds", "60"))
        self._lock = asyncio.Lock()
        self._session_lock = asyncio.Lock()
        self._token: _Token | None = None
        self._session: _Session | None = None

    def __repr__(self) -> str:
        return f"Transport({self._connection.name})"

    async def read(self, path: str, query: Mapping[str, str], operation: str) -> HttpResponse:
        """GET below the services' root. Errors: `NotSent`, `NotPermitted`, `HttpFailure`."""
        return await self._exchange("GET", self._url(path, query), {}, None, operation)

    async def write(
        self, path: str, content: bytes, content_type: str, operation: str, query: Mapping[str, str] | None = None
    ) -> HttpResponse:
        """POST with a CSRF token. Errors: `NotSent` and `NotPermitted` before anything was done, `HttpFailure`."""
        session = await self._csrf(None)
        for attempt in (1, 2):
            headers = {"content-type": content_type, "x-csrf-token": session.csrf.reveal()}
            if cookies := session.cookies.reveal():
                headers["cookie"] = cookies
            response = await self._exchange("POST", self._url(path, query or {}), headers, content, operation)
            if response.status_code != 403 or header(response, "x-csrf-token").lower() != "required":
                return response
            if attempt == 1:
                session = await self._csrf(session)
        raise NotSent("the CSRF token was refused twice")

    async def renew(self) -> None:
        """Fetch a new CSRF token now. Errors: as `write`, before anything was done."""
        async with self._session_lock:
            self._session = await self._fetch_csrf()

    def _url(self, path: str, query: Mapping[str, str]) -> str:
        pairs = dict(query)
        if client := self._settings.get("sap_client"):
            pairs["sap-client"] = client
        # OData wants a space as %20; a plus would stay a plus.
        return f"{self._base}/{path}" + (f"?{urlencode(pairs, quote_via=quote, safe='$,/')}" if pairs else "")

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, operation: str
    ) -> HttpResponse:
        token = await self._authorization(None)
        for attempt in (1, 2):
            sent = {"accept": "application/json", "accept-language": "en", **headers}
            if token is not None:
                sent["authorization"] = token.header.reveal()
            if content is not None and "multipart/" in sent["content-type"]:
                sent["accept"] = "multipart/mixed"
            response = await self._ports.http.request(
                method, url, headers=sent, content=content, timeout_seconds=self._timeout, operation=operation
            )
            if response.status_code != 401:
                break
            if self._auth != "oauth2_client_credentials" or attempt == 2:
                # The credentials are wrong for every document alike: an incident of the connection, not of this one.
                raise NotSent("the credentials were refused (401)")
            token = await self._authorization(token)
        if response.status_code == 403 and header(response, "x-csrf-token").lower() != "required":
            raise NotPermitted(f"{operation}: the user is not authorised (403)")
        return response

    async def _authorization(self, stale: _Token | None) -> _Token | None:
        if self._auth == "none":
            return None
        if self._auth == "basic":
            if self._token is None:
                pair = f"{self._settings.get('username', '')}:{self._secret('password').reveal()}"
                self._token = _Token(Secret("Basic " + base64.b64encode(pair.encode()).decode()))
            return self._token
        async with self._lock:
            held = self._token
            if held is None or held is stale or (held.ends_at is not None and self._ports.now() >= held.ends_at):
                held = self._token = await self._fetch_token()
            return held

    async def _fetch_token(self) -> _Token:
        pair = f"{self._settings.get('client_id', '')}:{self._secret('client_secret').reveal()}"
        url = self._settings.get("token_url") or self._connection.base_url.rstrip("/") + "/sap/bc/sec/oauth2/token"
        form = {"grant_type": "client_credentials"}
        if scope := self._settings.get("scope"):
            form["scope"] = scope
        try:
            response = await self._ports.http.request(
                "POST",
                url,
                headers={
                    "authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
                    "content-type": "application/x-www-form-urlencoded",
                    "accept": "application/json",
                },
                content=urlencode(form).encode(),
                timeout_seconds=self._timeout,
                operation="token",
            )
        except HttpFailure as failure:
            raise NotSent(f"no token: {failure}") from None
        if response.status_code != 200:
            wait = retry_after(response.headers, self._ports.now())
            raise NotSent(f"no token: answer {response.status_code}", wait)
        try:
            answer = msgspec.json.decode(response.content, type=_TokenAnswer)
        except msgspec.DecodeError:
            # The body is not shown: it may hold a token in a shape we do not know.
            raise NotSent("no token: the answer is not a token") from None
        ends_at = self._ports.now() + timedelta(seconds=answer.expires_in) - _EARLY if answer.expires_in else None
        return _Token(Secret("Bearer " + answer.access_token), ends_at)

    async def _csrf(self, stale: _Session | None) -> _Session:
        held = self._session
        if held is not None and held is not stale:
            return held
        async with self._session_lock:
            held = self._session
            if held is None or held is stale:
                held = self._session = await self._fetch_csrf()
            return held

    async def _fetch_csrf(self) -> _Session:
        url = self._url(self._csrf_path, {})
        try:
            response = await self._exchange("GET", url, {"x-csrf-token": "Fetch"}, None, "csrf")
        except HttpFailure as failure:
            raise NotSent(f"no CSRF token: {failure}") from None
        token = header(response, "x-csrf-token")
        if response.status_code != 200 or not token or token.lower() in ("required", "fetch"):
            wait = retry_after(response.headers, self._ports.now())
            raise NotSent(f"no CSRF token: answer {response.status_code}", wait)
        # Only name and value go back; the attributes (path, expiry) are for browsers.
        cookies = (cookie.split(";")[0].strip() for cookie in _COOKIE.split(header(response, "set-cookie")))
        return _Session(Secret(token), Secret("; ".join(cookie for cookie in cookies if "=" in cookie)))

    def _secret(self, name: str) -> Secret:
        found = self._connection.secrets.get(name)
        if found is None:
            raise NotSent(f"{self._connection.name} has no secret {name!r}")
        return found
