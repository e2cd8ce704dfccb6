"""The only file that talks to the suite: token, polling, responses, signatures.

It does not read amounts, and which answer means what stands in `answers.py`.

A suite refuses a transfer response for a document that was not acknowledged, and must never get both at once. So
`report_posting` first acknowledges and waits for that answer; where the estate sends `acknowledge` on its own, setting
`acknowledge = "separately"` leaves it out.

A read that fails raises:

    HttpFailure              no usable answer came (runtime/protocol.py)
    +-- SuiteTrouble         the same, told by the suite: retryable, after_seconds
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

import msgspec

from tripartite.connectors.capture import wire
from tripartite.connectors.capture.answers import DONE, SAYS_NO, moment_of, sort_result, understood
from tripartite.connectors.capture.manifest import MANIFEST
from tripartite.connectors.capture.transform import STATUSES, WRITERS
from tripartite.core import codec
from tripartite.runtime.protocol import (
    Absent,
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

PATHS = {
    "acknowledge": "acknowledge",
    "report_hold": "holdResponses",
    "report_posting": "transferResponses",
    "report_payment": "paymentResponses",
}
CURSOR_GONE = frozenset({400, 410})
WEBHOOK_WINDOW_SECONDS = 300
TOKEN_MARGIN_SECONDS = 30

_rows = msgspec.json.Encoder(decimal_format="number")  # the suite wants JSON numbers; these are the exact digits


class SuiteTrouble(HttpFailure):
    """A read that failed. `retryable`: the same call may succeed later, after `after_seconds` where it was said."""

    def __init__(self, detail: str, *, retryable: bool, after_seconds: float | None = None) -> None:
        super().__init__(detail, sent=True)
        self.retryable = retryable
        self.after_seconds = after_seconds


class _Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """The poll's cursor: the round's lower bound, the suite's own page mark, the newest change seen in this round."""

    since: str = ""
    next: str = ""
    newest: str = ""


def connect(connection: Connection, ports: ClientPorts) -> CaptureClient:
    """Secrets: `client_id` and `client_secret`, or `api_token` with setting `auth = "bearer"`; `webhook_secret`, and
    `webhook_secret_previous` during a rotation. Settings: docs/connectors/capture.md.
    """
    return CaptureClient(connection, ports)


class CaptureClient:
    """One connection. Many callers may use it at once."""

    def __init__(self, connection: Connection, ports: ClientPorts) -> None:
        self._connection = connection
        self._ports = ports
        self._base = connection.base_url.rstrip("/")
        self._token = Secret("")  # a token is a credential too: it must not print
        self._token_ends = datetime.min.replace(tzinfo=UTC)
        self._renewal = asyncio.Lock()

    def _setting(self, name: str, default: str) -> str:
        return self._connection.settings.get(name, default)

    # Reading.

    async def pull(self, stream: ObjectKind, cursor: str, limit: int) -> Page:
        """One page of documents that are ready to post. Errors: `SuiteTrouble`.

        A round reads everything changed since a time; the next round begins a little before the newest change seen
        (`overlap_seconds`, default 300), because a suite stamps a change before it shows it. What comes twice is
        recognised by id and version. Times are the suite's own: our clock takes no part.
        """
        assert stream == "invoice", stream
        place = codec.decode(cursor, _Place) if cursor else _Place(since=self._setting("since", ""))
        answer = await self._list(place, limit)
        if answer.status_code in CURSOR_GONE and place.next:
            place = _Place(since=place.since)  # their page mark is gone; the round starts again, nothing is skipped
            answer = await self._list(place, limit)
        if answer.status_code == 404 and understood(answer.content, wire.ErrorBody) is not None:
            page = wire.DocumentPage(())  # some suites say "no records" this way
        else:
            page = self._expect(answer, wire.DocumentPage)
        heads = [self._head(bytes(document)) for document in page.data]
        newest = max([place.newest, *(head.updated_at for head in heads)], key=moment_of)
        if page.next:
            after = _Place(place.since, page.next, newest)
        else:
            after = _Place(self._next_since(place.since, newest))
        items = tuple(
            Pulled("invoice", head.document_id, str(head.version), bytes(document))
            for head, document in zip(heads, page.data, strict=True)
        )
        return Page(items, codec.encode(after).decode(), bool(page.next))

    async def _list(self, place: _Place, limit: int) -> HttpResponse:
        params = [("status", "ready_to_post"), ("page_size", str(limit))]
        if place.since:
            params.append(("updated_since", place.since))
        if place.next:
            params.append(("cursor", place.next))
        return await self._read("/v1/invoices", "pull_invoice", params)

    def _next_since(self, since: str, newest: str) -> str:
        """The next round's lower bound: a little before `newest`, never before this round's own."""
        if moment_of(newest) <= moment_of(""):
            return since
        moment = moment_of(newest) - timedelta(seconds=int(self._setting("overlap_seconds", "300")))
        return max(since, moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), key=moment_of)

    async def fetch(self, kind: ObjectKind, key: str) -> Pulled | None:
        """The document of this id if it waits for us now; None where there is none, or where it is not ours to take
        (already answered, returned, still in review): a late webhook then has nothing to bring. Errors: `SuiteTrouble`.
        """
        assert kind == "invoice", kind
        answer = await self._read(f"/v1/invoices/{quote(key, safe='')}", "fetch_invoice", [])
        if answer.status_code == 404:
            return None
        head = self._expect(answer, wire.Head)
        if head.document_id != key:
            raise SuiteTrouble("outbound.answer_foreign: the answer is another document", retryable=True)
        # A word we do not know is passed on, so that the reader can refuse it by name.
        if not STATUSES.get(head.status, True):
            return None
        return Pulled("invoice", head.document_id, str(head.version), answer.content)

    async def ask(self, question: str, parameters: Mapping[str, str]) -> tuple[Pulled, ...]:
        """`invoice_status` {document_id}: where the document stands in the suite, as the suite says it."""
        assert question in MANIFEST.asks, question
        key = parameters["document_id"]
        answer = await self._read(f"/v1/invoices/{quote(key, safe='')}/status", question, [])
        if answer.status_code == 404:
            return ()
        head = self._expect(answer, wire.Head)
        return (Pulled("invoice", head.document_id, str(head.version), answer.content),)

    async def check(self) -> str:
        """Asks for one document that is ready to post. Errors: `SuiteTrouble`."""
        answer = await self._list(_Place(), 1)
        if answer.status_code != 404:
            self._expect(answer, wire.DocumentPage)
        return "the capture suite answers and accepts our credentials"

    async def close(self) -> None:
        """Forgets the token. The http port belongs to whoever passed it in."""
        self._token = Secret("")

    # Writing.

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        """Sends each item, grouped by operation in the order of a document's life; one answer per item, in order."""
        answers: dict[int, Answer] = {}
        for operation in PATHS:
            places = [place for place, item in enumerate(items) if item.operation == operation]
            for start in range(0, len(places), MANIFEST.bulk_limit):
                some = places[start : start + MANIFEST.bulk_limit]
                found = await self._report(operation, [items[place] for place in some])
                answers |= zip(some, found, strict=True)
        assert len(answers) == len(items), "an operation that the manifest does not list"
        return [answers[place] for place in range(len(items))]

    async def _report(self, operation: str, items: Sequence[Outbound]) -> list[Answer]:
        rows: dict[str, wire.Response] = {}
        answers: dict[str, Answer] = {}
        for item in items:
            try:
                row = WRITERS[operation](item.payload)
            except (ValueError, Unwritable) as error:
                answers[item.key] = Rejected(getattr(error, "reason_code", "intake.malformed"), str(error))
            else:
                rows[item.key] = msgspec.structs.replace(row, externalCode=item.key)
        if rows and operation == "report_posting" and self._setting("acknowledge", "on_report") == "on_report":
            trouble = await self._acknowledge_first(rows)
            if trouble is not None:
                answers |= dict.fromkeys(rows, trouble)
                rows = {}
        if rows and self._setting("bulk", "yes") == "yes":
            answers |= await self._send_rows(operation, rows)
        else:
            for key, row in rows.items():
                answers[key] = await self._send_row(operation, key, row)
        return [answers[item.key] for item in items]

    async def _acknowledge_first(self, rows: Mapping[str, wire.Response]) -> RetryLater | None:
        """Acknowledges the documents of `rows` and waits. None when the responses may follow.

        Nothing of the posting has been said yet, so whatever goes wrong here is simply tried again. A document that
        cannot be acknowledged is left to its response: that answer names the reason.
        """
        taken: dict[str, wire.Response] = {
            f"{key}-ack": wire.Acknowledgement(row.documentId, f"{key}-ack") for key, row in rows.items()
        }
        if self._setting("bulk", "yes") == "yes":
            found = await self._send_rows("acknowledge", taken)
        else:
            found = {key: await self._send_row("acknowledge", key, row) for key, row in taken.items()}
        unheard = [answer for answer in found.values() if isinstance(answer, RetryLater | Unknown)]
        if len(unheard) < len(found):
            return None
        first = unheard[0]
        after = first.after_seconds if isinstance(first, RetryLater) else None
        return RetryLater(f"not acknowledged, so not reported: {first.reason}", after)

    async def _send_rows(self, operation: str, rows: Mapping[str, wire.Response]) -> dict[str, Answer]:
        prefix = "/v1/invoices" if operation == "acknowledge" else "/v1"
        got = await self._write(f"{prefix}/{PATHS[operation]}", operation, _rows.encode(list(rows.values())))
        if isinstance(got, RetryLater | Unknown):
            return dict.fromkeys(rows, got)
        if got.status_code not in (200, 207):
            return dict.fromkeys(rows, self._whole(operation, got))
        answer = understood(got.content, wire.Results)
        if answer is None:
            return dict.fromkeys(rows, Unknown("the answer to the bulk call is not the suite's JSON"))
        answers: dict[str, Answer] = dict.fromkeys(rows, Unknown("the answer does not mention this response"))
        seen: set[str] = set()
        for result in answer.results:
            key = result.externalCode
            if key not in rows:
                continue
            if key in seen:
                answers[key] = Unknown("the answer mentions this response twice")
                continue
            seen.add(key)
            answers[key] = sort_result(operation, result, rows[key].documentId, None)
        return answers

    async def _send_row(self, operation: str, key: str, row: wire.Response) -> Answer:
        path = f"/v1/invoices/{quote(row.documentId, safe='')}/{PATHS[operation]}"
        got = await self._write(path, operation, _rows.encode(row))
        if isinstance(got, RetryLater | Unknown):
            return got
        if got.status_code != 200:
            return self._whole(operation, got)
        result = understood(got.content, wire.Result)
        if result is None or result.externalCode != key:
            return Unknown("the answer is not one to this response")
        return sort_result(operation, result, row.documentId, None)

    def _whole(self, operation: str, got: HttpResponse) -> Answer:
        """What a status without results means, for one response or for all rows of a bulk call alike."""
        body = understood(got.content, wire.ErrorBody)
        after = retry_after(got.headers, self._ports.now())
        result = wire.Result(externalCode="", status=got.status_code, errors=body.errors if body else ())
        return sort_result(operation, result, "", after)

    async def probe(self, item: Outbound) -> ProbeAnswer:
        """What became of a response, by its externalCode; of an acknowledgement, by the document's status."""
        document = WRITERS[item.operation](item.payload).documentId
        try:
            if item.operation == "acknowledge":
                return await self._probe_acknowledgement(document)
            path = f"/v1/{PATHS[item.operation]}/{quote(item.key, safe='')}"
            answer = await self._read(path, "probe", [])
            if answer.status_code == 404:
                return self._absent(answer)
            result = self._expect(answer, wire.Result)
        except SuiteTrouble as trouble:
            return RetryLater(str(trouble), trouble.after_seconds)
        if result.externalCode != item.key or result.documentId != document:
            return Unknown("outbound.answer_foreign: the answer is about another response or document")
        return sort_result(item.operation, result, document, None)

    async def _probe_acknowledgement(self, document: str) -> ProbeAnswer:
        answer = await self._read(f"/v1/invoices/{quote(document, safe='')}/status", "probe", [])
        if answer.status_code == 404:
            return self._absent(answer)
        head = self._expect(answer, wire.Head)
        if head.document_id != document:
            return Unknown("outbound.answer_foreign: the answer is about another document")
        if head.status in DONE["acknowledge"]:
            return Settled(document, head.status)
        return Absent(head.status) if head.status in STATUSES else Unknown(f"the status {head.status[:40]!r}")

    def _absent(self, answer: HttpResponse) -> Absent | Unknown:
        """A 404 in the suite's own words means it has none; any other 404 may be a wrong door and means nothing."""
        if understood(answer.content, wire.ErrorBody) is None:
            return Unknown("a 404 that is not the suite's own")
        return Absent()

    # Listening.

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        """HMAC-SHA256 over `timestamp.body`, in hex, in one header; the timestamp in seconds in another.

        During a rotation two secrets are valid. The signature is judged before the time. Errors: `WebhookRefused`.
        """
        low = {name.lower(): value for name, value in headers.items()}
        stamp = low.get(self._setting("timestamp_header", "x-suite-timestamp").lower(), "")
        given = low.get(self._setting("signature_header", "x-suite-signature").lower(), "").removeprefix("sha256=")
        signed = stamp.encode("utf-8", "replace") + b"." + body
        agrees = False
        for name in ("webhook_secret", "webhook_secret_previous"):
            secret = self._connection.secrets.get(name)
            if secret is None:
                continue
            expected = hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()
            # No early exit: how long it takes does not say which secret came close.
            agrees |= hmac.compare_digest(expected.encode(), given.lower().encode("utf-8", "replace"))
        if not agrees:
            raise WebhookRefused("intake.signature_invalid", "the webhook's signature does not fit its bytes")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            raise WebhookRefused("intake.signature_invalid", "the webhook's timestamp is no number of seconds")
        if abs(self._ports.now().timestamp() - int(stamp)) > WEBHOOK_WINDOW_SECONDS:
            raise WebhookRefused("intake.signature_stale", "the webhook is older than five minutes, or from the future")
        try:
            event = codec.read_strict(body, wire.Event)
        except codec.Malformed as error:
            raise WebhookRefused(error.reason_code, error.detail) from None
        if event.resource.type != "invoice":
            raise WebhookRefused("intake.type_not_supported", f"no stream holds {event.resource.type[:40]!r}")
        content = bytes(event.document)
        if content and content != b"null":
            head = understood(content, wire.Head)
            if head is None or (head.document_id, head.version) != (event.resource.id, event.version):
                raise WebhookRefused("intake.ambiguous", "the document inside is not the one the envelope names")
        return WebhookEvent(
            event.event_id,
            "invoice",
            event.resource.id,
            str(event.version),
            content if content and content != b"null" else None,
        )

    # Talking.

    async def _read(self, path: str, operation: str, params: Sequence[tuple[str, str]]) -> HttpResponse:
        """A call without effect: any answer that is not 2xx, 400, 404 or 410 is a `SuiteTrouble`."""
        try:
            answer = await self._call("GET", path, operation, params=params)
        except SuiteTrouble:
            raise
        except HttpFailure as failure:
            raise SuiteTrouble(str(failure), retryable=True) from None
        status = answer.status_code
        if 200 <= status < 300 or status == 404 or status in CURSOR_GONE:
            return answer
        after = retry_after(answer.headers, self._ports.now())
        raise SuiteTrouble(f"the suite answered {status}", retryable=status not in SAYS_NO, after_seconds=after)

    async def _write(self, path: str, operation: str, content: bytes) -> HttpResponse | RetryLater | Unknown:
        try:
            return await self._call("POST", path, operation, content=content)
        except SuiteTrouble as trouble:
            # Only the token call raises this, and it comes before the write: surely nothing was reported.
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
    ) -> HttpResponse:
        """One call with a token. A 401 comes before any work, so it costs one refresh and not an attempt."""
        answer: HttpResponse | None = None
        for _ in range(2):
            token = await self._valid_token()
            headers = {"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"}
            if content is not None:
                headers["Content-Type"] = "application/json"
            answer = await self._ports.http.request(
                method, self._base + path, headers=headers, params=params, content=content, operation=operation
            )
            if answer.status_code != 401 or self._has_fixed_token():
                break
            if self._token is token:  # else another caller has already brought a new one
                self._token = Secret("")
        assert answer is not None
        return answer

    def _has_fixed_token(self) -> bool:
        return self._setting("auth", "oauth2") == "bearer"

    async def _valid_token(self) -> Secret:
        """The token, renewed where it is near its end. A hundred callers who find it spent cause one renewal."""
        if self._has_fixed_token():
            return self._connection.secrets["api_token"]
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
        try:
            answer = await self._ports.http.request(
                "POST",
                self._base + "/v1/tokens",
                headers={
                    "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
                content=b"grant_type=client_credentials",
                operation="token",
            )
        except HttpFailure as failure:
            raise SuiteTrouble(f"no token: {failure}", retryable=True) from None
        token = understood(answer.content, wire.Token) if answer.status_code == 200 else None
        if token is None:
            after = retry_after(answer.headers, self._ports.now())
            raise SuiteTrouble(
                f"no token: the suite answered {answer.status_code}", retryable=True, after_seconds=after
            )
        self._token = Secret(token.access_token)
        self._token_ends = self._ports.now() + timedelta(seconds=max(token.expires_in - TOKEN_MARGIN_SECONDS, 1))

    def _expect(self, answer: HttpResponse, shape: type[T]) -> T:
        """The answer of a read in its promised shape. Errors: `SuiteTrouble` (a login page with status 200, drift)."""
        found = understood(answer.content, shape) if answer.status_code == 200 else None
        if found is None:
            detail = f"the suite answered {answer.status_code} with something that is no {shape.__name__}"
            raise SuiteTrouble(f"outbound.answer_invalid: {detail}", retryable=True)
        return found

    def _head(self, document: bytes) -> wire.Head:
        head = understood(document, wire.Head)
        if head is None:
            raise SuiteTrouble("outbound.answer_invalid: a document without id, version and status", retryable=True)
        return head
