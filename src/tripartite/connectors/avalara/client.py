"""The only file that talks to AvaTax: credentials, the question, what an answer means. It reads no amounts.

201, 200 with our code, a quote's type and status   the answer
another code, type or status                        `outbound.answer_foreign` or `_invalid`: no answer of ours
400 with their error (an address, a currency)       not retryable: the question must change
401, 403                                            our credentials; nothing was reckoned
429, or their rate-limit codes at any status        retryable, after what they say
5xx, a login page, silence                          retryable: asking twice is asking once

HttpFailure              no usable answer came (runtime/protocol.py)
+-- TaxTrouble           the same, told by AvaTax: retryable, after_seconds
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from tripartite.connectors.avalara import wire
from tripartite.connectors.avalara.manifest import MANIFEST
from tripartite.connectors.avalara.transform import DOCUMENT_TYPE, STATUSES, write_question
from tripartite.core import codec
from tripartite.core.objects import TaxQuestion
from tripartite.runtime.protocol import (
    Answer,
    ClientPorts,
    Connection,
    HttpFailure,
    HttpResponse,
    ObjectKind,
    Outbound,
    Page,
    ProbeAnswer,
    Pulled,
    Unwritable,
    WebhookEvent,
    WebhookRefused,
    retry_after,
)

T = TypeVar("T")

INCLUDE = "Lines,Details,Summary,Addresses"
RATE_LIMITS = frozenset({"RequestLimitExceeded", "ConcurrentRequestLimitExceeded", "RateLimitExceededError"})

_body = msgspec.json.Encoder(decimal_format="number")  # JSON numbers, with the exact digits


class TaxTrouble(HttpFailure):
    """A question without an answer. `retryable`: the same question may be answered later, after `after_seconds`."""

    def __init__(self, detail: str, *, retryable: bool, after_seconds: float | None = None) -> None:
        super().__init__(detail, sent=True)
        self.retryable = retryable
        self.after_seconds = after_seconds


def connect(connection: Connection, ports: ClientPorts) -> AvalaraClient:
    """Secrets: `account_id` and `license_key`. Settings: docs/connectors/avalara.md."""
    return AvalaraClient(connection, ports)


class AvalaraClient:
    """One connection. Many callers may use it at once."""

    def __init__(self, connection: Connection, ports: ClientPorts) -> None:
        self._connection = connection
        self._ports = ports
        self._base = connection.base_url.rstrip("/")

    async def ask(self, question: str, parameters: Mapping[str, str]) -> tuple[Pulled, ...]:
        """`tax_quote` {number, question: a TaxQuestion as JSON}: the transaction as AvaTax answered it.

        Errors: `TaxTrouble`. Reckoned as a PurchaseOrder that is not committed: nothing is kept there.
        """
        assert question in MANIFEST.asks, question
        number = parameters["number"]
        try:
            body = write_question(number, codec.decode(parameters["question"], TaxQuestion), self._connection.settings)
        except Unwritable as error:
            raise TaxTrouble(f"{error.reason_code} at {error.pointer}: {error}", retryable=False) from None
        answer = await self._call(
            "POST",
            "/api/v2/transactions/create",
            question,
            params=[("$include", INCLUDE)],
            content=_body.encode(body),
        )
        head = self._expect(answer, wire.Head)
        if head.code != number:
            raise TaxTrouble(f"outbound.answer_foreign: the answer is about {head.code[:60]!r}", retryable=True)
        if head.type != DOCUMENT_TYPE or not STATUSES.get(head.status, False):
            detail = f"a {head.type[:40]} in status {head.status[:40]} is not a quote; look for it in AvaTax"
            raise TaxTrouble(f"outbound.answer_invalid: {detail}", retryable=False)
        return (Pulled("tax_quote", number, "1", answer.content),)

    async def check(self) -> str:
        """Their ping answers 200 to anybody, so what it says of us counts. Errors: `TaxTrouble`."""
        answer = await self._call("GET", "/api/v2/utilities/ping", "ping")
        found = self._expect(answer, wire.Ping)
        if not found.authenticated:
            raise TaxTrouble("AvaTax answers and does not accept our credentials", retryable=False)
        return f"AvaTax {found.version} answers and accepts our credentials"

    # What AvaTax is not asked for here.

    async def pull(self, stream: ObjectKind, cursor: str, limit: int) -> Page:
        raise AssertionError(f"no stream {stream}")

    async def fetch(self, kind: ObjectKind, key: str) -> Pulled | None:
        raise AssertionError(f"no object {kind}")

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        raise AssertionError("nothing is written to AvaTax")

    async def probe(self, item: Outbound) -> ProbeAnswer:
        raise AssertionError("nothing is written to AvaTax")

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        raise WebhookRefused("intake.signature_invalid", "AvaTax sends no webhooks")

    async def close(self) -> None:
        """Nothing is kept between calls."""

    # Talking.

    async def _call(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        content: bytes | None = None,
    ) -> HttpResponse:
        secrets = self._connection.secrets
        pair = f"{secrets['account_id'].reveal()}:{secrets['license_key'].reveal()}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "Accept": "application/json",
            "X-Avalara-Client": "Tripartite; 1; REST; v2; server",
        }
        if content is not None:
            headers["Content-Type"] = "application/json"
        timeout = int(self._connection.settings.get("timeout_seconds", "20"))
        try:
            return await self._ports.http.request(
                method,
                self._base + path,
                headers=headers,
                params=params,
                content=content,
                timeout_seconds=timeout,
                operation=operation,
            )
        except HttpFailure as failure:
            raise TaxTrouble(str(failure), retryable=True) from None

    def _expect(self, answer: HttpResponse, shape: type[T]) -> T:
        """The answer in its promised shape. Errors: `TaxTrouble`, by the table at the top of this file."""
        if answer.status_code in (200, 201):
            found = _understood(answer.content, shape)
            if found is not None:
                return found
            detail = f"AvaTax answered {answer.status_code} with something that is no {shape.__name__}"
            raise TaxTrouble(f"outbound.answer_invalid: {detail}", retryable=True)
        body = _understood(answer.content, wire.ErrorBody)
        after = retry_after(answer.headers, self._ports.now())
        if answer.status_code == 429 or (body is not None and _codes(body) & RATE_LIMITS):
            raise TaxTrouble("AvaTax answers too many questions at once", retryable=True, after_seconds=after)
        if answer.status_code in (401, 403):
            raise TaxTrouble(f"AvaTax does not accept our credentials ({answer.status_code})", retryable=False)
        if body is not None and 400 <= answer.status_code < 500:
            first = next(iter(body.error.details or ()), None)
            code = (first.code if first else None) or body.error.code
            place = f" at {first.refersTo}" if first and first.refersTo else ""
            words = (first.message if first else None) or body.error.message
            raise TaxTrouble(f"AvaTax refused the question: {code}{place}: {words}"[:300], retryable=False)
        raise TaxTrouble(f"AvaTax answered {answer.status_code}", retryable=True, after_seconds=after)


def _codes(body: wire.ErrorBody) -> set[str]:
    return {body.error.code, *(detail.code or "" for detail in body.error.details or ())}


def _understood(content: bytes, shape: type[T]) -> T | None:
    try:
        return codec.read_strict(content, shape)
    except codec.Malformed:
        return None
