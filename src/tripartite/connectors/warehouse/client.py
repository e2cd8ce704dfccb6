"""The only file that talks to the warehouse: token, paging, questions, signatures. It reads no quantities.

It writes nothing, so no answer here can lose a posting. What goes wrong is raised, and the call is made again later:

    answer of a read                          means
    200 in the promised shape                 what the warehouse knows now
    404 in the warehouse's own words          it has none (`fetch`), no records (`pull`)
    400, 410 on a page mark                   the mark is gone: the round starts again, nothing is skipped
    401                                       one renewal of the token, then trouble that may pass
    403, 429 (with Retry-After), 5xx,         trouble that may pass
    silence, a login page, strange JSON
    another 4xx                               trouble that will not

    HttpFailure                  no usable answer came (runtime/protocol.py)
    +-- WarehouseTrouble         the same, told by the warehouse: retryable, after_seconds
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from tripartite.connectors.warehouse import wire
from tripartite.connectors.warehouse.manifest import MANIFEST
from tripartite.connectors.warehouse.transform import is_taken, read_settings
from tripartite.core import codec
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
    Secret,
    WebhookEvent,
    WebhookRefused,
    retry_after,
)

T = TypeVar("T")

# Every event that tells of a document. That goods arrived at the gate brings nothing yet; a later event will.
EVENTS = frozenset(
    {
        *("receipt.started", "receipt.line_received", "receipt.closed", "receipt.corrected", "receipt.reversed"),
        *("return_to_vendor.shipped", "quality.released", "quality.rejected"),
    }
)
CURSOR_GONE = frozenset({400, 410})
SAYS_NO = frozenset({400, 404, 409, 413, 422})
WEBHOOK_WINDOW_SECONDS = 300
TOKEN_MARGIN_SECONDS = 30
ASK_PAGE = 200
MOST_PAGES_OF_AN_ORDER = 100  # of one order; beyond it the answer is no answer, and the order is asked for again


class WarehouseTrouble(HttpFailure):
    """A read that failed. `retryable`: the same call may succeed later, after `after_seconds` where it was said."""

    def __init__(self, detail: str, *, retryable: bool, after_seconds: float | None = None) -> None:
        super().__init__(detail, sent=True)
        self.retryable = retryable
        self.after_seconds = after_seconds


class _Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """The poll's cursor: the round's lower bound, the warehouse's own page mark, the newest change seen so far."""

    since: str = ""
    next: str = ""
    newest: str = ""


def connect(connection: Connection, ports: ClientPorts) -> WarehouseClient:
    """Secrets: `client_id` and `client_secret`, or `api_token` with setting `auth = "bearer"`; `webhook_secret`, and
    `webhook_secret_previous` during a rotation. Settings: docs/connectors/warehouse.md.
    """
    return WarehouseClient(connection, ports)


class WarehouseClient:
    """One connection. Many callers may use it at once."""

    def __init__(self, connection: Connection, ports: ClientPorts) -> None:
        self._connection = connection
        self._ports = ports
        self._base = connection.base_url.rstrip("/")
        self._known = read_settings(connection.settings)
        self._token = Secret("")  # a token is a credential too: it must not print
        self._token_ends = datetime.min.replace(tzinfo=UTC)
        self._renewal = asyncio.Lock()

    def _setting(self, name: str, default: str) -> str:
        return self._connection.settings.get(name, default)

    # Reading.

    async def pull(self, stream: ObjectKind, cursor: str, limit: int) -> Page:
        """One page of documents that changed. Errors: `WarehouseTrouble`.

        A round reads everything changed since a time, oldest change first; the next round begins a little before the
        newest change seen (`overlap_seconds`, default 300), because a change is stamped before it is shown. What comes
        twice is recognised by number and version. Times are the warehouse's own: our clock takes no part. What is not a
        fact yet (expected, arrived) is passed over, and is listed again when it becomes one.
        """
        assert stream == "receipt", stream
        place = codec.decode(cursor, _Place) if cursor else _Place(since=self._setting("since", ""))
        answer = await self._list(place, limit)
        if answer.status_code in CURSOR_GONE and place.next:
            place = _Place(since=place.since)
            answer = await self._list(place, limit)
        page = self._page(answer)
        heads = [self._head(bytes(document)) for document in page.data]
        newest = max([place.newest, *(head.updated_at for head in heads)], key=_moment)
        after = _Place(place.since, page.next, newest) if page.next else _Place(self._next_since(place.since, newest))
        items = tuple(
            Pulled("receipt", head.id, str(head.version), bytes(document))
            for head, document in zip(heads, page.data, strict=True)
            if is_taken(head.status, self._known)
        )
        return Page(items, codec.encode(after).decode(), bool(page.next))

    async def _list(self, place: _Place, limit: int) -> HttpResponse:
        params = [("page_size", str(limit))]
        if place.since:
            params.append(("updated_since", place.since))
        if place.next:
            params.append(("cursor", place.next))
        return await self._read("/receipts", "pull_receipt", params)

    def _next_since(self, since: str, newest: str) -> str:
        """The next round's lower bound: a little before `newest`, never before this round's own."""
        if _moment(newest) <= _moment(""):
            return since
        moment = _moment(newest) - timedelta(seconds=int(self._setting("overlap_seconds", "300")))
        return max(since, moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), key=_moment)

    async def fetch(self, kind: ObjectKind, key: str) -> Pulled | None:
        """The document of this id as it is now; None where there is none, or where it is no fact yet. Whatever version
        a webhook told of, the newest is brought. Errors: `WarehouseTrouble`.
        """
        assert kind == "receipt", kind
        answer = await self._read(f"/receipts/{quote(key, safe='')}", "fetch_receipt", [])
        if answer.status_code == 404:
            self._expect_none(answer)
            return None
        head = self._expect(answer, wire.Head)
        if head.id != key:
            raise WarehouseTrouble("outbound.answer_foreign: the answer is another document", retryable=True)
        if not is_taken(head.status, self._known):
            return None
        return Pulled("receipt", head.id, str(head.version), answer.content)

    async def ask(self, question: str, parameters: Mapping[str, str]) -> tuple[Pulled, ...]:
        """`receipts_of_order` {order_number}: every receipt, return, reversal and adjustment of one order, now.

        Errors: `WarehouseTrouble`; a part of the answer is no answer.
        """
        assert question in MANIFEST.asks, question
        found: dict[str, Pulled] = {}
        mark = ""
        for _ in range(MOST_PAGES_OF_AN_ORDER):
            params = [("po_number", parameters["order_number"]), ("page_size", str(ASK_PAGE))]
            page = self._page(await self._read("/receipts", question, [*params, *([("cursor", mark)] if mark else [])]))
            for document in page.data:
                head = self._head(bytes(document))
                if is_taken(head.status, self._known):
                    found[head.id] = Pulled("receipt", head.id, str(head.version), bytes(document))
            if not page.next:
                return tuple(found.values())
            mark = page.next
        raise WarehouseTrouble("outbound.answer_invalid: an order whose receipts never end", retryable=False)

    async def check(self) -> str:
        """Asks for one document. Errors: `WarehouseTrouble`."""
        self._page(await self._list(_Place(), 1))
        return "the warehouse answers and accepts our credentials"

    async def close(self) -> None:
        """Forgets the token. The http port belongs to whoever passed it in."""
        self._token = Secret("")

    # Writing: nothing. The manifest lists no operation, so the two below are never called.

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        assert not items, "nothing is written to the warehouse"
        return []

    async def probe(self, item: Outbound) -> ProbeAnswer:
        raise AssertionError(f"nothing is written to the warehouse, so nothing is probed: {item.operation}")

    # Listening.

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        """HMAC-SHA256 over `timestamp.body`, in hex, in one header; the timestamp in seconds in another.

        During a rotation two secrets are valid. The signature is judged before the time. The document of a fat event is
        not taken from it: events come doubled and in any order, and what is fetched is the newest version.
        Errors: `WebhookRefused`.
        """
        low = {name.lower(): value for name, value in headers.items()}
        stamp = low.get(self._setting("timestamp_header", "x-wms-timestamp").lower(), "")
        given = low.get(self._setting("signature_header", "x-wms-signature").lower(), "").removeprefix("sha256=")
        signed = stamp.encode("utf-8", "replace") + b"." + body
        agrees = False
        for name in ("webhook_secret", "webhook_secret_previous"):
            secret = self._connection.secrets.get(name)
            if secret is None or not secret.reveal():
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
        if event.event_type not in EVENTS:
            raise WebhookRefused("intake.type_not_supported", f"no stream holds {event.event_type[:40]!r}")
        return WebhookEvent(event.event_id, "receipt", event.receipt.id, str(event.receipt.version))

    # Talking.

    async def _read(self, path: str, operation: str, params: Sequence[tuple[str, str]]) -> HttpResponse:
        """One call: any answer that is not 2xx, 404 or a lost page mark is a `WarehouseTrouble`."""
        try:
            answer = await self._call(path, operation, params)
        except WarehouseTrouble:
            raise
        except HttpFailure as failure:
            raise WarehouseTrouble(str(failure), retryable=True) from None
        status = answer.status_code
        if 200 <= status < 300 or status == 404 or (status in CURSOR_GONE and any(n == "cursor" for n, _ in params)):
            return answer
        after = retry_after(answer.headers, self._ports.now())
        raise WarehouseTrouble(f"the warehouse answered {status}", retryable=status not in SAYS_NO, after_seconds=after)

    async def _call(self, path: str, operation: str, params: Sequence[tuple[str, str]]) -> HttpResponse:
        """One call with a token. A 401 comes before any work, so it costs one renewal and not an attempt."""
        answer: HttpResponse | None = None
        for _ in range(2):
            token = await self._valid_token()
            headers = {"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"}
            answer = await self._ports.http.request(
                "GET", self._base + path, headers=headers, params=params, operation=operation
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
            raise WarehouseTrouble(f"no token: {failure}", retryable=True) from None
        token = _understood(answer.content, wire.Token) if answer.status_code == 200 else None
        if token is None:
            after = retry_after(answer.headers, self._ports.now())
            detail = f"no token: the warehouse answered {answer.status_code}"
            raise WarehouseTrouble(detail, retryable=True, after_seconds=after)
        self._token = Secret(token.access_token)
        self._token_ends = self._ports.now() + timedelta(seconds=max(token.expires_in - TOKEN_MARGIN_SECONDS, 1))

    def _page(self, answer: HttpResponse) -> wire.ReceiptPage:
        if answer.status_code == 404:
            self._expect_none(answer)  # some warehouses say "no records" this way
            return wire.ReceiptPage(())
        return self._expect(answer, wire.ReceiptPage)

    def _expect_none(self, answer: HttpResponse) -> None:
        """A 404 in the warehouse's own words says that there is none; any other may be a wrong door."""
        if _understood(answer.content, wire.ErrorBody) is None:
            raise WarehouseTrouble("a 404 that is not the warehouse's own", retryable=True)

    def _expect(self, answer: HttpResponse, shape: type[T]) -> T:
        """The answer in its promised shape. Errors: `WarehouseTrouble` (a login page with status 200, drift)."""
        found = _understood(answer.content, shape) if answer.status_code == 200 else None
        if found is None:
            self._invalid(f"the warehouse answered {answer.status_code} with something that is no {shape.__name__}")
        return found

    def _head(self, document: bytes) -> wire.Head:
        head = _understood(document, wire.Head)
        if head is None:
            self._invalid("a document without id, version and status")
        return head

    def _invalid(self, detail: str) -> NoReturn:
        raise WarehouseTrouble(f"outbound.answer_invalid: {detail}", retryable=True)


def _understood(content: bytes, shape: type[T]) -> T | None:
    """`content` as `shape`, or None: what an answer in another shape means depends on the call."""
    try:
        return codec.read_strict(content, shape)
    except codec.Malformed:
        return None


def _moment(text: str) -> datetime:
    """A time as the warehouse stamps it; one that cannot be read sorts first and so only makes the overlap longer."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
