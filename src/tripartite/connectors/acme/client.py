"""The only file that talks to Acme: token, paging, keys, signatures, and what each answer means.

It does not read amounts. Its real work is to sort every answer into one of five (runtime/protocol.py):

    answer of a write                        means           because
    201, 200 with state "booked"             Settled         the one explicit yes
    200/201/202 with state "queued"          Accepted        taken in is not done; the probe will say
    state "refused", 400 404 409 413 422     Rejected        Acme's own no, with its code; repeating will not help
    401 (after one refresh), 403             RetryLater      ours to repair, surely nothing was done
    429; 503 with code "maintenance"         RetryLater      Acme declares both to come before any work
    connection refused                       RetryLater      no byte left
    any other state word, any other status,  Unknown         it may have happened: probe, never repeat blindly
    a login page, cut or strange JSON, silence

Troubles of a read are raised, because there is nothing to record about them:

    HttpFailure              no usable answer came (runtime/protocol.py)
    +-- AcmeTrouble          the same, told by Acme: retryable, after_seconds
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from tripartite.connectors.acme import wire
from tripartite.connectors.acme.manifest import MANIFEST
from tripartite.connectors.acme.transform import WRITERS
from tripartite.core import codec
from tripartite.runtime.protocol import (
    Absent,
    Accepted,
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
    Rejected,
    RetryLater,
    Secret,
    Settled,
    Unknown,
    Unwritable,
    WebhookEvent,
    WebhookRefused,
    retry_after,
)

T = TypeVar("T")

STREAMS: dict[ObjectKind, str] = {
    "supplier": "suppliers",
    "order": "orders",
    "receipt": "receipts",
    "invoice": "invoices",
}
# What a webhook calls the object, and what we call it. Here the words agree; a vendor's seldom do.
KINDS: dict[str, ObjectKind] = {"supplier": "supplier", "order": "order", "receipt": "receipt", "invoice": "invoice"}
WEBHOOK_WINDOW_SECONDS = 300
TOKEN_MARGIN_SECONDS = 30  # a token about to end is renewed before it is refused
SAYS_NO = frozenset({400, 404, 409, 413, 422})


class AcmeTrouble(HttpFailure):
    """A read that failed. `retryable`: the same call may succeed later, after `after_seconds` where Acme said so."""

    def __init__(self, detail: str, *, retryable: bool, after_seconds: float | None = None) -> None:
        super().__init__(detail, sent=True)
        self.retryable = retryable
        self.after_seconds = after_seconds


def connect(connection: Connection, ports: ClientPorts) -> AcmeClient:
    """Secrets: `client_id`, `client_secret`, `webhook_secret`, and `webhook_secret_previous` during a rotation."""
    return AcmeClient(connection, ports)


class AcmeClient:
    """One connection. Many callers may use it at once."""

    def __init__(self, connection: Connection, ports: ClientPorts) -> None:
        self._connection = connection
        self._ports = ports
        self._base = connection.base_url.rstrip("/")
        self._token = Secret("")  # a token is a credential too: it must not print
        self._token_ends = datetime.min.replace(tzinfo=UTC)
        self._renewal = asyncio.Lock()

    # Reading.

    async def pull(self, stream: ObjectKind, cursor: str, limit: int) -> Page:
        """One page of changes after `cursor`, oldest first. Errors: `AcmeTrouble`.

        Acme forgets cursors after a while (410). Then the stream is read from its beginning again: what we already have
        is recognised by number and sequence, what we missed comes in. Nothing is skipped.
        """
        params = [("limit", str(limit))]
        path = f"/v1/{STREAMS[stream]}"
        answer = await self._read("GET", path, f"pull_{stream}", [*params, ("after", cursor)] if cursor else params)
        if answer.status_code == 410 and cursor:
            answer = await self._read("GET", path, f"pull_{stream}", params)
        page = self._expect(answer, wire.FeedPage)
        items = tuple(_pulled(stream, bytes(item)) for item in page.items)
        return Page(items, page.next_cursor, page.has_more)

    async def fetch(self, kind: ObjectKind, key: str) -> Pulled | None:
        """One object in its latest form by Acme's own number; None where Acme has none. Errors: `AcmeTrouble`."""
        answer = await self._read("GET", f"/v1/{STREAMS[kind]}/{quote(key, safe='')}", f"fetch_{kind}", [])
        if answer.status_code == 404:
            return None
        self._expect(answer, wire.Head)
        return _pulled(kind, answer.content)

    async def ask(self, question: str, parameters: Mapping[str, str]) -> tuple[Pulled, ...]:
        """`receipts_of_order` {order_number}: all receipts of one order, now. Errors: `AcmeTrouble`."""
        assert question in MANIFEST.asks, question
        order = parameters["order_number"]
        found: list[Pulled] = []
        cursor = ""
        while True:
            params = [("order", order), ("limit", "100")] + ([("after", cursor)] if cursor else [])
            page = self._expect(await self._read("GET", "/v1/receipts", question, params), wire.FeedPage)
            found += (_pulled("receipt", bytes(item)) for item in page.items)
            if not page.has_more or page.next_cursor == cursor:
                return tuple(found)
            cursor = page.next_cursor

    async def check(self) -> str:
        """Asks whose Acme this is. Errors: `AcmeTrouble`."""
        me = self._expect(await self._read("GET", "/v1/me", "check", []), wire.Me)
        return f"Acme answers for {me.company_name}"

    async def close(self) -> None:
        """Forgets the token. The http port belongs to whoever passed it in."""
        self._token = Secret("")

    # Writing.

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        """Posts each item, alone or in batches of the manifest's limit; one answer per item, in the items' order."""
        answers: list[Answer] = []
        for start in range(0, len(items), MANIFEST.bulk_limit):
            answers += await self._submit_some(items[start : start + MANIFEST.bulk_limit])
        return answers

    async def _submit_some(self, items: Sequence[Outbound]) -> list[Answer]:
        bodies: dict[str, wire.Posting] = {}
        answers: dict[str, Answer] = {}
        for item in items:
            try:
                bodies[item.key] = WRITERS[item.operation](item.payload)
            except (ValueError, Unwritable) as error:
                # One document that cannot be said in Acme's words must not stop the other forty-nine.
                answers[item.key] = Rejected(getattr(error, "reason_code", "intake.malformed"), str(error))
        if len(bodies) == 1:
            [(key, body)] = bodies.items()
            answers[key] = await self._post_one(key, body)
        elif bodies:
            answers |= await self._post_batch(bodies)
        return [answers[item.key] for item in items]

    async def _post_one(self, key: str, body: wire.Posting) -> Answer:
        content = msgspec.json.encode(body)
        got = await self._write("/v1/postings", "post_invoice", content, {"Idempotency-Key": key})
        if isinstance(got, RetryLater | Unknown):
            return got
        booked = error = None
        if got.status_code in (200, 201, 202):
            booked = _understood(got.content, wire.Booked)
        elif (problem := _understood(got.content, wire.ProblemBody)) is not None:
            error = problem.error
        after = retry_after(got.headers, self._ports.now())
        return _sorted(got.status_code, booked, error, body.company, after)

    async def _post_batch(self, bodies: Mapping[str, wire.Posting]) -> dict[str, Answer]:
        batch = wire.Batch(tuple(wire.BatchItem(key, body) for key, body in bodies.items()))
        got = await self._write("/v1/postings/batch", "post_invoice_batch", msgspec.json.encode(batch), {})
        if isinstance(got, RetryLater | Unknown):
            return dict.fromkeys(bodies, got)
        after = retry_after(got.headers, self._ports.now())
        if got.status_code != 200:
            problem = _understood(got.content, wire.ProblemBody)
            verdict = _sorted(got.status_code, None, problem.error if problem else None, "", after)
            return dict.fromkeys(bodies, verdict)
        answer = _understood(got.content, wire.BatchAnswer)
        if answer is None:
            return dict.fromkeys(bodies, Unknown("the answer to the batch is not Acme's JSON"))
        # The order of the results means nothing, and an item that is not mentioned may have been booked all the same.
        answers: dict[str, Answer] = dict.fromkeys(bodies, Unknown("the answer does not mention this item"))
        seen: set[str] = set()
        for result in answer.results:
            if result.key not in bodies:
                continue
            if result.key in seen:
                answers[result.key] = Unknown("the answer mentions this item twice")
                continue
            seen.add(result.key)
            answers[result.key] = _sorted(
                result.status, result.posting, result.error, bodies[result.key].company, after
            )
        return answers

    async def probe(self, item: Outbound) -> ProbeAnswer:
        """What became of `item`: looked up by our key, which Acme keeps as the posting's `reference`.

        Two postings under one key are Acme's fault and our money: the first counts, the detail names the others, and
        the census finds the excess.
        """
        try:
            answer = await self._read("GET", "/v1/postings", "probe", [("reference", item.key)])
            found = self._expect(answer, wire.BookedList).items
        except AcmeTrouble as trouble:
            return RetryLater(str(trouble), trouble.after_seconds)
        if any(one.reference != item.key for one in found):
            return Unknown("outbound.answer_foreign: the look-up brought a posting under another key")
        if not found:
            return Absent()
        verdict = _sorted(200, found[0], None, item.company_code, None)
        if isinstance(verdict, Settled) and len(found) > 1:
            others = ", ".join(f"{one.document}/{one.year}" for one in found[1:])
            return Settled(verdict.remote_ref, f"booked {len(found)} times, also as {others}")
        return verdict

    # Listening.

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        """Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, the secret being base64 after `whsec_`.

        The header may hold several signatures, and during a rotation we hold two secrets: any pair that agrees will do.
        Errors: `WebhookRefused`. The signature is judged before the time, so that a forger learns nothing of our clock.
        """
        low = {name.lower(): value for name, value in headers.items()}
        event_id, stamp = low.get("webhook-id", ""), low.get("webhook-timestamp", "")
        signed = f"{event_id}.{stamp}.".encode() + body
        given = [part[3:] for part in low.get("webhook-signature", "").split() if part.startswith("v1,")]
        agrees = False
        for secret in self._webhook_secrets():
            expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest())
            for one in given:
                # No early exit: how long it takes says nothing about which secret or signature came close.
                agrees |= hmac.compare_digest(expected, one.encode("utf-8", "replace"))
        if not event_id or not agrees:
            raise WebhookRefused("intake.signature_invalid", "the webhook's signature does not fit its bytes")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            raise WebhookRefused("intake.signature_invalid", "the webhook's timestamp is no number of seconds")
        if abs(self._ports.now().timestamp() - int(stamp)) > WEBHOOK_WINDOW_SECONDS:
            raise WebhookRefused("intake.signature_stale", "the webhook is older than five minutes, or from the future")
        try:
            event = codec.read_strict(body, wire.Event)
        except codec.Malformed as error:
            raise WebhookRefused(error.reason_code, error.detail) from None
        kind = KINDS.get(event.data.object)
        if kind is None:
            raise WebhookRefused("intake.type_not_supported", f"no stream of ours holds {event.data.object[:40]!r}")
        return WebhookEvent(event_id, kind, event.data.number, str(event.data.sequence))

    def _webhook_secrets(self) -> list[bytes]:
        names = ("webhook_secret", "webhook_secret_previous")
        return [_secret_bytes(self._connection.secrets[name]) for name in names if name in self._connection.secrets]

    # Talking.

    async def _read(self, method: str, path: str, operation: str, params: Sequence[tuple[str, str]]) -> HttpResponse:
        """A call without effect: any answer that is not 2xx, 404 or 410 is an `AcmeTrouble`."""
        try:
            answer = await self._call(method, path, operation, params=params)
        except AcmeTrouble:
            raise
        except HttpFailure as failure:
            raise AcmeTrouble(str(failure), retryable=True) from None
        status = answer.status_code
        if 200 <= status < 300 or status in (404, 410):
            return answer
        after = retry_after(answer.headers, self._ports.now())
        raise AcmeTrouble(f"Acme answered {status}", retryable=status not in SAYS_NO, after_seconds=after)

    async def _write(
        self, path: str, operation: str, content: bytes, headers: Mapping[str, str]
    ) -> HttpResponse | RetryLater | Unknown:
        try:
            return await self._call("POST", path, operation, content=content, headers=headers)
        except AcmeTrouble as trouble:
            # Only the token call raises this, and it comes before the write: surely nothing was posted.
            return RetryLater(str(trouble), trouble.after_seconds)
        except HttpFailure as failure:
            return Unknown(str(failure)) if failure.sent else RetryLater(str(failure))

    async def _call(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """One call with a token. A 401 comes before any work at Acme, so it costs one refresh and not an attempt."""
        answer: HttpResponse | None = None
        for _ in range(2):
            token = await self._valid_token()
            answer = await self._ports.http.request(
                method,
                self._base + path,
                headers={
                    "Authorization": f"Bearer {token.reveal()}",
                    "Accept": "application/json",
                    **({} if content is None else {"Content-Type": "application/json"}),
                    **(headers or {}),
                },
                params=params,
                content=content,
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
        form = {
            "grant_type": "client_credentials",
            "client_id": secrets["client_id"].reveal(),
            "client_secret": secrets["client_secret"].reveal(),
        }
        try:
            answer = await self._ports.http.request(
                "POST",
                self._base + "/oauth/token",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                content=urlencode(form).encode(),
                operation="token",
            )
        except HttpFailure as failure:
            raise AcmeTrouble(f"no token: {failure}", retryable=True) from None
        token = _understood(answer.content, wire.Token) if answer.status_code == 200 else None
        if token is None:
            after = retry_after(answer.headers, self._ports.now())
            raise AcmeTrouble(f"no token: Acme answered {answer.status_code}", retryable=True, after_seconds=after)
        self._token = Secret(token.access_token)
        self._token_ends = self._ports.now() + timedelta(seconds=max(token.expires_in - TOKEN_MARGIN_SECONDS, 1))

    def _expect(self, answer: HttpResponse, shape: type[T]) -> T:
        """The answer of a read in its promised shape. Errors: `AcmeTrouble` (a login page with status 200, drift)."""
        found = _understood(answer.content, shape) if answer.status_code == 200 else None
        if found is None:
            detail = f"Acme answered {answer.status_code} with something that is no {shape.__name__}"
            raise AcmeTrouble(f"outbound.answer_invalid: {detail}", retryable=True)
        return found


def _sorted(
    status: int, booked: wire.Booked | None, error: wire.Problem | None, company: str, after: float | None
) -> Answer:
    """One write's answer by the table at the top of this file."""
    code = error.code if error else ""
    if status in (200, 201, 202) and booked is not None:
        if company and booked.company != company:
            return Unknown(f"outbound.answer_foreign: the answer names company {booked.company[:20]!r}")
        reference = f"{booked.document}/{booked.year}"
        match booked.state:
            case "booked":
                return Settled(reference)
            case "queued":
                return Accepted(reference)
            case "refused":
                return Rejected("refused", booked.reason)
            case _:
                return Unknown(f"the state {booked.state[:40]!r} is not one we know")
    if status in SAYS_NO and error is not None:
        place = f" at {error.field}" if error.field else ""
        return Rejected(error.code, f"{error.message}{place}")
    if status in (401, 403):
        return RetryLater(f"Acme does not accept our credentials ({status})", after)
    if status == 429 or (status == 503 and code == "maintenance"):
        return RetryLater(f"Acme answered {status} before doing anything", after)
    return Unknown(f"Acme answered {status} without a plain yes or no")


def _understood(content: bytes, shape: type[T]) -> T | None:
    """`content` as `shape`, or None: what an answer in another shape means depends on the call."""
    try:
        return codec.read_strict(content, shape)
    except codec.Malformed:
        return None


def _pulled(kind: ObjectKind, content: bytes) -> Pulled:
    head = _understood(content, wire.Head)
    if head is None:
        raise AcmeTrouble(f"outbound.answer_invalid: a {kind} without number and sequence", retryable=True)
    return Pulled(kind, head.number, str(head.sequence), content)


def _secret_bytes(secret: Secret) -> bytes:
    text = secret.reveal().removeprefix("whsec_")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return text.encode()  # a secret agreed by hand, not in the standard's form
