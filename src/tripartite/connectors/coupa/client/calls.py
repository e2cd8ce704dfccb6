"""Lists, single records and writes over a session: what every question and every write of the client is made of.

A write ends in one of four ways: the record Coupa answered with, or `Rejected`, `RetryLater`, `Unknown`. Only the
record can become a yes, and only after somebody has looked into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.client.answers import (
    AnswerInvalid,
    CoupaFailure,
    Query,
    Unreachable,
    error_words,
    header,
    is_json,
    retry_after,
)
from tripartite.connectors.coupa.client.paging import PAGE, Record, time_of
from tripartite.connectors.coupa.client.session import Session
from tripartite.runtime.protocol import ClientPorts, HttpFailure, HttpResponse, Rejected, RetryLater, Unknown

MOST_PAGES = 20  # of one question
W = TypeVar("W", bound=wire.Wire)


class Calls:
    """What Coupa answers, as records; failures of reading are `CoupaFailure`s, those of a write are answers."""

    def __init__(self, session: Session, ports: ClientPorts, *, by_offset: bool) -> None:
        self.session = session
        self._ports = ports
        self.by_offset = by_offset

    # Reading

    async def answered(self, method: str, path: str, query: Query, operation: str) -> HttpResponse:
        try:
            return await self.session.call(method, path, query, operation)
        except CoupaFailure:
            raise
        except HttpFailure as failure:
            raise Unreachable(self.session.hidden(str(failure))) from None

    async def records(self, path: str, query: Query, operation: str) -> tuple[Sequence[Record], datetime]:
        """The records of a list, each as the very bytes Coupa sent, and the time by Coupa's clock."""
        response = await self.answered("GET", path, query, operation)
        if response.status_code != 200:
            self.session.refuse(response, path)
        if not is_json(response):
            raise AnswerInvalid(f"{path} answered 200 with {header(response, 'content-type')[:60] or 'no type'}")
        try:
            parts = msgspec.json.decode(response.content, type=list[msgspec.Raw])
        except msgspec.ValidationError as error:
            raise AnswerInvalid(f"{path} answered no list: {error}") from None
        except msgspec.DecodeError:
            raise Unreachable(f"{path} answered half a list") from None
        return [self.record(bytes(part), path) for part in parts], self._told(response)

    def record(self, content: bytes, path: str) -> Record:
        try:
            key = msgspec.json.decode(content, type=wire.Key)
            time_of(key.updated_at)
        except msgspec.ValidationError as error:
            raise AnswerInvalid(f"a record of {path} without its key: {error}") from None
        except msgspec.DecodeError:
            raise Unreachable(f"{path} answered half a record") from None
        except ValueError:
            raise AnswerInvalid(f"a record of {path} with an unreadable updated-at") from None
        return Record(key, content)

    def _told(self, response: HttpResponse) -> datetime:
        """Coupa's clock where it shows it, else ours."""
        try:
            told = parsedate_to_datetime(header(response, "date"))
        except ValueError:
            return self._ports.now()
        return told if told.tzinfo else told.replace(tzinfo=UTC)

    async def page(self, path: str, query: Query, operation: str) -> tuple[Sequence[Record], datetime]:
        """One page of a list; by id, it must be sorted. Errors: `AnswerInvalid` where it is not."""
        records, told = await self.records(path, query, operation)
        if not self.by_offset:
            floor = max((int(value) for name, value in query if name == "id[gt]"), default=0)
            for record in records:
                if record.key.id <= floor:
                    raise AnswerInvalid(f'{path} is not sorted by id; set paging = "offset"')
                floor = record.key.id
        return records, told

    async def all(self, path: str, query: Query, operation: str) -> Sequence[Record]:
        """Every record of a narrow question. Errors: `AnswerInvalid` beyond `MOST_PAGES` pages."""
        found: dict[int, Record] = {}
        for number in range(MOST_PAGES):
            place = (
                [("offset", str(number * PAGE)), ("limit", str(PAGE))]
                if self.by_offset
                else after(max(found, default=0), PAGE)
            )
            records, _ = await self.page(path, [*query, *place], operation)
            found.update((record.key.id, record) for record in records)
            if len(records) < PAGE:
                return tuple(found.values())
        raise AnswerInvalid(f"more than {MOST_PAGES * PAGE} records of {path} answer one question")

    async def all_of(self, shape: type[W], path: str, query: Query, operation: str) -> list[W]:
        """As `all`, read into `shape`. Errors: `AnswerInvalid` for a record that is none."""
        fields = ("fields", fields_of(shape))
        found = await self.all(path, [*query, fields], operation)
        return [self.read(shape, record.content, path) for record in found]

    async def one_of(self, shape: type[W], path: str, operation: str) -> W | None:
        """One record by its own path, or None where there is none."""
        response = await self.answered("GET", path, [("fields", fields_of(shape))], operation)
        if response.status_code == 404 and is_json(response):
            return None
        if response.status_code != 200:
            self.session.refuse(response, path)
        return self.read(shape, response.content, path)

    def read(self, shape: type[W], content: bytes, path: str) -> W:
        try:
            return msgspec.json.decode(content, type=shape)
        except msgspec.DecodeError as error:
            raise AnswerInvalid(f"a record of {path} that is none: {error}"[:300]) from None

    # Writing

    async def write(
        self, shape: type[W], method: str, path: str, body: object, operation: str
    ) -> W | Rejected | RetryLater | Unknown:
        """One write, and the record it made. 401 and 429 come before any work; silence and 5xx may come after it."""
        try:
            response = await self.session.call(
                method, path, [("fields", fields_of(shape))], operation, msgspec.json.encode(body)
            )
        except CoupaFailure as failure:
            return RetryLater(str(failure), failure.after_seconds)  # no token, so nothing was touched
        except HttpFailure as failure:
            reason = self.session.hidden(str(failure))
            return Unknown(reason) if failure.sent else RetryLater(reason)
        return self.meaning(shape, response)

    def meaning(self, shape: type[W], response: HttpResponse) -> W | Rejected | RetryLater | Unknown:
        """What the answer to a write says."""
        status = response.status_code
        if status == 429:
            return RetryLater("rate limit", retry_after(response, self._ports.now()))
        if status in {200, 201}:
            try:
                return msgspec.json.decode(response.content, type=shape)
            except msgspec.DecodeError:
                return Unknown("success without the record")
        if 400 <= status < 500 and status != 408:
            return Rejected(f"http_{status}", self.session.hidden(error_words(response.content)))
        return Unknown(f"HTTP {status}")


def after(last: int, size: int) -> list[tuple[str, str]]:
    """The query of the page behind the record `last`."""
    above = [("id[gt]", str(last))] if last else []
    return [*above, ("order_by", "id"), ("dir", "asc"), ("limit", str(size))]


def fields_of(shape: type[wire.Wire], without: frozenset[str] = frozenset()) -> str:
    return msgspec.json.encode(wire.fields(shape, without)).decode()
