"""Talks to the bank: hands over orders, asks what became of them, fetches what the bank sends. Reads no amounts.

A package: channel.py makes the calls, answers.py says what an answer means; here is the connector's client over them.

A file that the bank took is `Accepted` and nothing more: that is a receipt of the transport. The delivery is settled
when the bank says of the file that it has validated it (ACTC, ACCP or a later word), and refused when it rejects the
whole file. What then becomes of each transfer is told by the streams.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from tripartite.connectors.iso20022_bank import wire
from tripartite.connectors.iso20022_bank.client.answers import BankTrouble, sort_state, sort_upload
from tripartite.connectors.iso20022_bank.client.channel import HttpChannel, whole_seconds
from tripartite.connectors.iso20022_bank.transform import SettingInvalid, parts, readers_for, writers_for
from tripartite.core import codec
from tripartite.core.objects import PaymentOrder
from tripartite.runtime.protocol import (
    Absent,
    Answer,
    ClientPorts,
    Connection,
    HttpFailure,
    ObjectKind,
    Outbound,
    Page,
    ProbeAnswer,
    Pulled,
    Rejected,
    RetryLater,
    Unknown,
    Unwritable,
    WebhookEvent,
    WebhookRefused,
)

TYPES: Mapping[ObjectKind, tuple[str, ...]] = {
    "payment_report": ("pain.002",),
    "bank_statement": ("camt.054", "camt.053"),
}
MOST_FILES = 20  # of one page: each is fetched by a call of its own
MOST_SEEN = 5_000  # files that a cursor remembers
OVERLAP_SECONDS = 3_600
XML = "application/xml"

__all__ = ["BankTrouble", "IsoBankClient", "SettingInvalid", "connect"]


class _Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a stream stands: the round's lower bound, the bank's page mark, the newest file of this round, and which
    files were brought already (id to time and digest): those of the overlap are listed again and not fetched again.
    """

    since: str = ""
    next: str = ""
    newest: str = ""
    seen: dict[str, str] = {}


def connect(connection: Connection, ports: ClientPorts) -> IsoBankClient:
    """Secrets: `client_id`, `client_secret`. Settings: docs/connectors/iso20022_bank.md. Errors: `SettingInvalid`."""
    return IsoBankClient(connection, ports)


class IsoBankClient:
    """One connection. Many callers may use it at once."""

    def __init__(self, connection: Connection, ports: ClientPorts) -> None:
        self._writers = writers_for(connection.settings)
        readers_for(connection.settings)  # what cannot be meant is said now and not at the first file
        self._channel = HttpChannel(connection, ports)
        self._since = _beginning(connection.settings.get("since", ""))
        self._overlap = timedelta(seconds=whole_seconds(connection, "overlap_seconds", OVERLAP_SECONDS))

    # Reading.

    async def pull(self, stream: ObjectKind, cursor: str, limit: int) -> Page:
        """The next files of a stream, at most `limit`, and the cursor behind them. Errors: `BankTrouble`.

        A round lists everything made since a time; the next begins `overlap_seconds` before the newest file seen,
        because a bank stamps a file before it shows it. What the overlap lists again is left out unless its bytes
        have changed. Times are the bank's own: our clock takes no part.
        """
        wanted = TYPES[stream]
        place = codec.decode(cursor, _Place) if cursor else _Place(since=self._since)
        size = max(1, min(limit, MOST_FILES))
        listing = await self._channel.listed(",".join(wanted), place.since, place.next, size)
        if listing is None:
            # Their page mark is gone; the round starts again, nothing is skipped.
            place = msgspec.structs.replace(place, next="")
            listing = await self._channel.listed(",".join(wanted), place.since, "", size)
            if listing is None:
                raise BankTrouble("outbound.answer_invalid: the bank refuses a list without a mark")
        items: list[Pulled] = []
        seen = dict(place.seen)
        newest = place.newest
        for entry in listing.files:
            moment_of(entry.created_at)
            newest = max(newest, entry.created_at, key=_moment_or_first)
            mark = f"{entry.created_at} {entry.sha256}".strip()
            if seen.get(entry.file_id) == mark or not entry.type.startswith(wanted):
                continue
            items += await self._brought(stream, entry)
            seen[entry.file_id] = mark
        if listing.next:
            after = _Place(place.since, listing.next, newest, seen)
        else:
            after = self._next_round(place.since, newest, seen)
        return Page(tuple(items), codec.encode(after).decode(), bool(listing.next))

    async def _brought(self, stream: ObjectKind, entry: wire.FileEntry) -> tuple[Pulled, ...]:
        content = await self._channel.download(entry.file_id)
        if content is None:
            raise BankTrouble(f"the bank lists file {entry.file_id[:40]} and does not have it")
        digest = hashlib.sha256(content).hexdigest()
        if entry.sha256 and digest != entry.sha256.lower():
            raise BankTrouble(f"file {entry.file_id[:40]} did not arrive whole")
        return _pulled(stream, entry.file_id, digest[:16], content)

    def _next_round(self, since: str, newest: str, seen: dict[str, str]) -> _Place:
        """The cursor of the next round, which forgets what lies before its lower bound.

        Forgetting is safe: a file that comes again is known by its digest further in.
        """
        if not newest:
            return _Place(since, seen=seen)
        moment = (moment_of(newest) - self._overlap).astimezone(UTC)
        bound = max(since, moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), key=_moment_or_first)
        kept = {name: mark for name, mark in seen.items() if moment_of(mark.partition(" ")[0]) >= moment}
        if len(kept) > MOST_SEEN:
            kept = dict(sorted(kept.items(), key=lambda pair: moment_of(pair[1].partition(" ")[0]))[-MOST_SEEN:])
        return _Place(bound, seen=kept)

    async def fetch(self, kind: ObjectKind, key: str) -> Pulled | None:
        """The file of this id; of a file with several statements the one after `#`. Errors: `BankTrouble`."""
        file_id, _, part = key.partition("#")
        content = await self._channel.download(file_id)
        if content is None:
            return None
        found = _pulled(kind, file_id, hashlib.sha256(content).hexdigest()[:16], content)
        return next((each for each in found if each.key == key), None) if part else found[0]

    async def ask(self, question: str, parameters: Mapping[str, str]) -> tuple[Pulled, ...]:
        """Never called: the manifest names no question."""
        raise AssertionError(f"the manifest names no question {question!r}")

    async def check(self) -> str:
        """Asks for one file. Errors: `BankTrouble`."""
        listing = await self._channel.listed("pain.002", "", "", 1)
        if listing is None:
            raise BankTrouble("outbound.answer_invalid: the bank refuses a plain list")
        return "the bank answers and accepts our credentials"

    async def close(self) -> None:
        """Forgets the token. The http port belongs to whoever passed it in."""
        self._channel.forget()

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        """Never called: files are fetched."""
        raise WebhookRefused("intake.signature_invalid", "the bank's file service sends no webhooks")

    # Writing.

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        """Hands over each order in turn; the answers stand in the order of the items."""
        return [await self._send(item) for item in items]

    async def _send(self, item: Outbound) -> Answer:
        written = self._written(item)
        if isinstance(written, Rejected):
            return written
        message_id, content = written
        try:
            answer = await self._channel.upload(message_id, content)
        except BankTrouble as trouble:
            # Only the token call raises this, and it comes before the file: surely nothing was handed over.
            return RetryLater(str(trouble), trouble.after_seconds)
        except HttpFailure as failure:
            reason = self._channel.hidden(str(failure))
            return Unknown(reason) if failure.sent else RetryLater(reason)
        found = sort_upload(answer.status_code, answer.content, message_id, self._channel.wait_said(answer))
        return self._refusal_hidden(found) if isinstance(found, Rejected) else found

    async def probe(self, item: Outbound) -> ProbeAnswer:
        """Asks the bank for its file of this message id."""
        written = self._written(item)
        if isinstance(written, Rejected):
            # It could be written once, or nothing would be asked for; our settings have changed since.
            return Unknown(f"the order can no longer be written, so its file cannot be compared: {written.detail}")
        message_id, content = written
        try:
            state = await self._channel.state(message_id)
        except BankTrouble as trouble:
            return RetryLater(str(trouble), trouble.after_seconds)
        if state is None:
            return Absent("the bank has no file of this message id")
        found = sort_state(state, message_id, hashlib.sha256(content).hexdigest())
        return self._refusal_hidden(found) if isinstance(found, Rejected) else found

    def _written(self, item: Outbound) -> tuple[str, bytes] | Rejected:
        """The message id and the file of an order, the same bytes each time."""
        try:
            content: bytes = self._writers[item.operation](item.payload)
            return codec.decode(item.payload, PaymentOrder).number, content
        except Unwritable as error:
            return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
        except codec.Malformed as error:
            return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")

    def _refusal_hidden(self, refusal: Rejected) -> Rejected:
        return Rejected(self._channel.hidden(refusal.code)[:60], self._channel.hidden(refusal.detail)[:500])


def _pulled(kind: ObjectKind, file_id: str, version: str, content: bytes) -> tuple[Pulled, ...]:
    cut = parts(content) if kind == "bank_statement" else (content,)
    if len(cut) == 1:
        return (Pulled(kind, file_id, version, content, XML),)
    return tuple(Pulled(kind, f"{file_id}#{number}", version, part, XML) for number, part in enumerate(cut, 1))


def _beginning(text: str) -> str:
    """The setting `since`. Errors: `SettingInvalid`."""
    try:
        if text:
            moment_of(text)
    except BankTrouble:
        raise SettingInvalid("since", "a time by ISO 8601, e.g. 2026-11-20T00:00:00Z") from None
    return text


def moment_of(text: str) -> datetime:
    """A time as the bank stamps a file. Errors: `BankTrouble` for what is none: without it a file could be missed."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BankTrouble(f"outbound.answer_invalid: a file made at {text[:40]!r}") from None
    if not 1970 < moment.year < 2200:
        raise BankTrouble(f"outbound.answer_invalid: a file made in the year {moment.year}")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment_or_first(text: str) -> datetime:
    return moment_of(text) if text else datetime.min.replace(tzinfo=UTC)
