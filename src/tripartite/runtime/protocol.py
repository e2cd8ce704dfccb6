"""What a connector declares and answers: the protocol between `runtime/deliveries`, the flows and a vendor's folder.

A connector is five files with fixed names (STYLE.md): `manifest.py` declares, `wire.py` holds the vendor's shapes,
`transform.py` translates (pure), `client.py` talks, `simulator.py` is the vendor on the bench.

    manifest.MANIFEST                         Manifest
    transform.READERS[kind](Raw) -> Read      kind: supplier, requisition, order, receipt, invoice
    transform.WRITERS[operation](bytes) -> Any    canonical JSON of the object -> the vendor's body
    client.connect(Connection, Ports) -> Client

What an answer means is decided in `client.py` and nowhere else. Only an explicit yes is success; an answer that never
came is `Unknown` and is probed, never repeated blindly.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Protocol

import msgspec

from tripartite.core.objects import (
    BankStatement,
    Budget,
    Invoice,
    Order,
    PaymentReport,
    Receipt,
    Requisition,
    Supplier,
    TaxQuote,
)

LONGEST_WAIT_SECONDS = 86_400.0  # a Retry-After beyond a day is not one
_SECONDS = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)

Role = Literal["procurement", "erp", "ap", "warehouse", "tax", "bank", "identity", "documents"]
ObjectKind = Literal[
    "supplier",
    "requisition",
    "order",
    "receipt",
    "invoice",
    "payment_report",
    "bank_statement",
    "tax_quote",  # it and the following are answers to questions; no stream brings them
    "clearing",
    "cost_centre",
    "company",
    "budget",
]


class Idempotency(msgspec.Struct, frozen=True):
    """How the vendor knows a repeat: by a key it is sent, by a natural key one can ask for, or not at all."""

    kind: Literal["key", "natural", "none"]
    window_seconds: int = 0  # for "key": how long the vendor remembers it
    note: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A connector's data sheet. Sources of the figures stand in the connector's page in docs/connectors/."""

    kind: str
    title: str
    roles: tuple[Role, ...]
    api_version: str
    auth: Literal["none", "basic", "oauth2_client_credentials", "bearer", "hmac", "shared_secret"]
    reads: tuple[ObjectKind, ...] = ()  # streams that `Client.pull` knows
    asks: tuple[str, ...] = ()  # questions that `Client.ask` knows
    writes: tuple[str, ...] = ()  # operations that `Client.submit` knows
    webhook: bool = False
    amount_unit: Literal["major", "minor"] = "major"
    bulk_limit: int = 1  # documents of one `submit` call that become one call to the vendor
    rate_per_second: float = 10.0
    burst: int = 10
    max_commit_latency_seconds: int = 60  # after this an absent posting is surely absent
    read_lag_seconds: int = 0  # how long a committed write may stay invisible to the probe
    idempotency: Idempotency = Idempotency("none")
    links: tuple[str, ...] = ()


class Secret:
    """A value that does not print: `str`, `repr` and JSON show a mask; `reveal()` is the one way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """One system of the estate: a connection of a connector kind. Secrets are already resolved and do not print."""

    name: str
    kind: str
    role: Role
    base_url: str = ""
    company_codes: tuple[str, ...] = ()
    settings: Mapping[str, str] = {}
    secrets: Mapping[str, Secret] = {}


class Trust(msgspec.Struct, frozen=True):
    """Who may sign the documents of a connection: certificates as PEM; whether a signature is due; when they came."""

    signers: str
    due: bool
    at: datetime


class Raw(msgspec.Struct, frozen=True):
    """Bytes as received and what is known of them from outside: the connection, not the document, says who speaks."""

    content: bytes
    media_type: str
    connection: str = ""
    trust: Trust | None = None  # where the estate says who signs what comes over this connection


class Unreadable(msgspec.Struct, frozen=True):
    """What a reader answers when the bytes are not what they should be: a code, the place, a sentence.

    `format` says what the document was taken for, where that much was found out.
    """

    reason_code: str
    pointer: str
    detail: str
    format: str = ""


class Unwritable(Exception):
    """What a writer raises when the vendor has no place for a value: a code, the place in our object, a sentence."""

    def __init__(self, reason_code: str, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.reason_code = reason_code
        self.pointer = pointer
        self.detail = detail


Canonical = Supplier | Requisition | Order | Receipt | Invoice | PaymentReport | BankStatement | TaxQuote | Budget


class ReadResult(msgspec.Struct, frozen=True):
    """A document read: the canonical object, and by name every field that was dropped on purpose.

    `format` is the name of the document's own format (`ubl.invoice`), where its kind does not say it already.
    """

    kind: ObjectKind
    value: Canonical
    dropped: tuple[str, ...] = ()
    format: str = ""


Read = ReadResult | Unreadable
Reader = Callable[[Raw], Read]
Writer = Callable[[bytes], Any]


class Pulled(msgspec.Struct, frozen=True):
    """One document that a pull brought: its bytes as the vendor sent them, its kind, its key and version there."""

    kind: ObjectKind
    key: str
    version: str
    content: bytes
    media_type: str = "application/json"


class Page(msgspec.Struct, frozen=True):
    """One page of a stream; `cursor` is where the next pull starts, to be stored only after the page is committed."""

    items: tuple[Pulled, ...]
    cursor: str
    more: bool


class Outbound(msgspec.Struct, frozen=True):
    """One write owed to the vendor: the operation, our key, the canonical object as JSON."""

    key: str
    operation: str
    company_code: str
    payload: bytes
    correlation_id: str = ""


# What became of one write. `Settled` is the only success.


class Settled(msgspec.Struct, frozen=True):
    remote_ref: str  # the vendor's number for what it made, e.g. "5105600123/2026"
    detail: str = ""


class Accepted(msgspec.Struct, frozen=True):
    """Taken in, not done yet: ask again by `probe` after a while."""

    remote_ref: str
    detail: str = ""


class Rejected(msgspec.Struct, frozen=True):
    """The vendor said no, for a reason in its own words; repeating will not help."""

    code: str
    detail: str


class RetryLater(msgspec.Struct, frozen=True):
    """Surely not done; the same call may succeed later. `after_seconds` where the vendor said so."""

    reason: str
    after_seconds: float | None = None


class Unknown(msgspec.Struct, frozen=True):
    """It may have happened. Never sent again before a probe."""

    reason: str


class Absent(msgspec.Struct, frozen=True):
    """A probe's answer: the vendor does not have it (yet)."""

    detail: str = ""


Answer = Settled | Accepted | Rejected | RetryLater | Unknown
ProbeAnswer = Settled | Accepted | Rejected | Absent | RetryLater | Unknown


class WebhookEvent(msgspec.Struct, frozen=True):
    """A verified webhook: what to fetch (thin event), or the document itself (fat event)."""

    event_id: str
    kind: ObjectKind
    key: str
    version: str
    content: bytes | None = None


class WebhookRefused(Exception):
    """A webhook that is not to be believed; `reason_code` is `intake.signature_invalid` or `_stale`."""

    def __init__(self, reason_code: str, detail: str) -> None:
        super().__init__(detail)
        self.reason_code = reason_code


class Call(msgspec.Struct, frozen=True):
    """One outside call as told to telemetry: names and numbers, never bodies or credentials."""

    connection: str
    operation: str
    status: int  # HTTP status; 0 where no answer came
    seconds: float
    error: str = ""


class HttpResponse(Protocol):
    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by Retry-After, which is a number of seconds or a date; None where it was not said, or not in
    words that we know. Never more than a day: no vendor parks us for longer by a slip of its own.
    """
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if _SECONDS.fullmatch(value):
        return min(max(float(value), 0.0), LONGEST_WAIT_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # `-0000`: the time in UTC of somebody who does not say where he is
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)


class HttpFailure(Exception):
    """No usable answer came. `sent` is False only where surely no byte of the request left (connection refused)."""

    def __init__(self, detail: str, *, sent: bool) -> None:
        super().__init__(detail)
        self.sent = sent


class Http(Protocol):
    """The http port: bounded in time and bytes, no redirects, outbound rules enforced. Errors: `HttpFailure`."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] | None = None,
        content: bytes | None = None,
        timeout_seconds: float = 30.0,
        operation: str = "",
    ) -> HttpResponse: ...


class ClientPorts(msgspec.Struct, frozen=True):
    """What a client may use of the outside: the http port, the clock, a sleep that rehearsal can make free."""

    http: Http
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]


class Client(Protocol):
    """What `client.connect` gives back. The manifest says which streams, questions and operations exist; nothing else
    is ever called. `check` asks the vendor something harmless and answers in a sentence (`tripartite doctor`).
    """

    async def pull(self, stream: ObjectKind, cursor: str, limit: int) -> Page: ...

    async def fetch(self, kind: ObjectKind, key: str) -> Pulled | None: ...

    async def ask(self, question: str, parameters: Mapping[str, str]) -> tuple[Pulled, ...]: ...

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]: ...

    async def probe(self, item: Outbound) -> ProbeAnswer: ...

    async def check(self) -> str: ...

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent: ...

    async def close(self) -> None: ...
