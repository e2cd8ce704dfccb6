"""The corporate HTTP API of a bank: four calls with files and a token. Another channel would offer the same four.

    upload(message_id, content)         hand over one file
    state(message_id)                   what became of it
    listed(types, since, mark, limit)   the files that wait for us, by rising time of the bank
    download(file_id)                   one of them

SFTP and EBICS are such channels and are not written: there `state` would have to come from the pain.002 files.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import quote, urlencode

from tripartite.connectors.iso20022_bank import wire
from tripartite.connectors.iso20022_bank.client.answers import BankTrouble, understood
from tripartite.connectors.iso20022_bank.transform.settings import SettingInvalid
from tripartite.runtime.protocol import ClientPorts, Connection, HttpFailure, HttpResponse, Secret, retry_after
from tripartite.runtime.secrets import mask

T = TypeVar("T")

TOKEN_MARGIN_SECONDS = 30
LONGEST_TOKEN_SECONDS = 86_400
TIMEOUT_SECONDS = 60
MARK_GONE = frozenset({400, 410})


class HttpChannel:
    """One connection's calls. Many callers may use it at once: they share one token."""

    def __init__(self, connection: Connection, ports: ClientPorts) -> None:
        for name in ("client_id", "client_secret"):
            if name not in connection.secrets:
                raise SettingInvalid(name, "a secret of the connection, missing")
        self._connection = connection
        self._ports = ports
        self._base = connection.base_url.rstrip("/")
        self._timeout = whole_seconds(connection, "timeout_seconds", TIMEOUT_SECONDS)
        self._token = Secret("")  # a token is a credential too: it must not print
        self._token_ends = datetime.min.replace(tzinfo=UTC)
        self._renewal = asyncio.Lock()

    async def upload(self, message_id: str, content: bytes) -> HttpResponse:
        """The raw answer. Errors: `BankTrouble` (no token, nothing was sent), `HttpFailure` with its `sent`.

        File name, digest and idempotency key are all made of the order, so that a repeat is the same call to the byte.
        """
        headers = {
            "Content-Type": "application/xml",
            "X-File-Type": wire.ORDER_MESSAGE,
            "X-File-Name": f"{wire.ORDER_MESSAGE}_{quote(message_id, safe='')}.xml",
            "X-Content-SHA256": hashlib.sha256(content).hexdigest(),
            "Idempotency-Key": quote(message_id, safe=""),
        }
        return await self._call("POST", "/v1/files", "upload", headers=headers, content=content)

    async def state(self, message_id: str) -> wire.FileState | None:
        """What became of a file of ours; None where the bank says in its own words that it has none.

        Errors: `BankTrouble`.
        """
        answer = await self._read(f"/v1/messages/{quote(message_id, safe='')}", "state", ())
        if answer.status_code == 404:
            if understood(answer.content, wire.Trouble) is None:
                raise BankTrouble("a 404 that is not the bank's own")
            return None
        return self._expect(answer, wire.FileState)

    async def listed(self, types: str, since: str, mark: str, limit: int) -> wire.FileList | None:
        """One page of files; None where the bank has forgotten the mark. Errors: `BankTrouble`."""
        params = [("direction", "out"), ("types", types), ("limit", str(limit))]
        params += [("createdFrom", since)] if since else []
        params += [("after", mark)] if mark else []
        answer = await self._read("/v1/files", "list", params)
        if mark and answer.status_code in MARK_GONE:
            return None
        return self._expect(answer, wire.FileList)

    async def download(self, file_id: str) -> bytes | None:
        """The bytes of a file; None where the bank has none of this id. Errors: `BankTrouble`."""
        answer = await self._read(f"/v1/files/{quote(file_id, safe='')}", "download", ())
        if answer.status_code == 404 and understood(answer.content, wire.Trouble) is not None:
            return None
        if answer.status_code != 200 or "xml" not in _header(answer, "content-type").lower():
            raise BankTrouble(f"outbound.answer_invalid: {answer.status_code} with something that is no XML file")
        return answer.content

    def forget(self) -> None:
        """Drops the token."""
        self._token = Secret("")

    def hidden(self, text: str) -> str:
        """`text` without secrets, tokens and account numbers that it might repeat."""
        for secret in (*self._connection.secrets.values(), self._token):
            if secret.reveal():
                text = text.replace(secret.reveal(), "***")
        return mask(text)

    def wait_said(self, answer: HttpResponse) -> float | None:
        return retry_after(answer.headers, self._ports.now())

    # Calls.

    async def _read(self, path: str, operation: str, params: Sequence[tuple[str, str]]) -> HttpResponse:
        """A call without effect: any answer but 200, 400, 404 and 410 is a `BankTrouble`."""
        try:
            answer = await self._call("GET", f"{path}?{urlencode(params)}" if params else path, operation)
        except BankTrouble:
            raise
        except HttpFailure as failure:
            raise BankTrouble(self.hidden(str(failure))) from None
        if answer.status_code in (200, 404) or answer.status_code in MARK_GONE:
            return answer
        after = self.wait_said(answer)
        raise BankTrouble(f"the bank answered {answer.status_code}", after_seconds=after)

    async def _call(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> HttpResponse:
        """One call with a token. A 401 comes before any work, so it costs one renewal and not an attempt."""
        answer: HttpResponse | None = None
        for _ in range(2):
            token = await self._valid_token()
            sent = {"Accept": "application/json, application/xml", **(headers or {})}
            sent["Authorization"] = f"Bearer {token.reveal()}"
            answer = await self._ports.http.request(
                method,
                self._base + path,
                headers=sent,
                content=content,
                timeout_seconds=self._timeout,
                operation=operation,
            )
            if answer.status_code != 401:
                break
            if self._token is token:  # else another caller has already brought a new one
                self._token = Secret("")
        assert answer is not None
        return answer

    async def _valid_token(self) -> Secret:
        """The token, renewed where it is near its end. A hundred callers who find it spent cause one renewal."""
        if not self._token_is_good():
            async with self._renewal:
                if not self._token_is_good():
                    await self._renew()
        return self._token

    def _token_is_good(self) -> bool:
        return bool(self._token.reveal()) and self._ports.now() < self._token_ends

    async def _renew(self) -> None:
        secrets = self._connection.secrets
        pair = f"{secrets['client_id'].reveal()}:{secrets['client_secret'].reveal()}"
        form = [("grant_type", "client_credentials")]
        if scope := self._connection.settings.get("scope", "files"):
            form.append(("scope", scope))
        try:
            answer = await self._ports.http.request(
                "POST",
                self._base + "/oauth2/token",
                headers={
                    "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
                content=urlencode(form).encode(),
                timeout_seconds=self._timeout,
                operation="token",
            )
        except HttpFailure as failure:
            raise BankTrouble(self.hidden(f"no token: {failure}")) from None
        token = understood(answer.content, wire.Token) if answer.status_code == 200 else None
        if token is None or not token.access_token:
            after = self.wait_said(answer)
            raise BankTrouble(f"no token: the bank answered {answer.status_code}", after_seconds=after)
        life = min(max(token.expires_in - TOKEN_MARGIN_SECONDS, 1), LONGEST_TOKEN_SECONDS)
        self._token = Secret(token.access_token)
        self._token_ends = self._ports.now() + timedelta(seconds=life)

    def _expect(self, answer: HttpResponse, shape: type[T]) -> T:
        """The answer of a read in its promised shape. Errors: `BankTrouble` (a login page with status 200, drift)."""
        found = understood(answer.content, shape) if answer.status_code == 200 else None
        if found is None:
            detail = f"the bank answered {answer.status_code} with something that is no {shape.__name__}"
            raise BankTrouble(f"outbound.answer_invalid: {detail}")
        return found


def _header(answer: HttpResponse, name: str) -> str:
    return next((value for key, value in answer.headers.items() if key.lower() == name), "")


def whole_seconds(connection: Connection, name: str, otherwise: int) -> int:
    """A setting of whole seconds. Errors: `SettingInvalid`."""
    text = connection.settings.get(name, str(otherwise))
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise SettingInvalid(name, "a whole number of seconds")
    return int(text)
