"""Deep creates, one by one or many in a `$batch`, each in a changeset of its own. What an answer means stands here,
the same for every document; posting.py, ordering.py and moving.py say which document it is.

    201 with the document sent      as the document says: Settled, or Accepted
    201 with another document       Unknown, outbound.answer_foreign
    400 with a lock message         RetryLater: another user holds the record, which clears in minutes
    404 service not active          RetryLater: it concerns no document
    413 for a batch                 once more in halves: a proxy refused it, SAP never saw it
    412, 428 to a change            RetryLater: somebody changed it meanwhile, it is read again
    400, 404, 405, 4xx else         Rejected, with SAP's message class and number
    401                             RetryLater, after one renewal of an OAuth token
    403 asking for a CSRF token     once more with a new one; else Rejected: no authorisation
    429                             RetryLater after Retry-After: a gateway says it before SAP sees the call
    408, 5xx, HTML, anything else   Unknown: it may be done
    no answer                       Unknown if a byte may have left, else RetryLater
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from tripartite.connectors.sap_s4hana.client import batch
from tripartite.connectors.sap_s4hana.client.answers import details_of, error_of, notice_of, text_of
from tripartite.connectors.sap_s4hana.client.transport import NotPermitted, NotSent, Transport, header
from tripartite.connectors.sap_s4hana.manifest import MANIFEST
from tripartite.connectors.sap_s4hana.wire import Envelope
from tripartite.runtime.protocol import (
    Answer,
    ClientPorts,
    HttpFailure,
    HttpResponse,
    Rejected,
    RetryLater,
    Unknown,
    retry_after,
)

LOCKS = frozenset({"06/001"})  # locked by another user; more by the setting `lock_codes`
_NOT_ACTIVE = "/IWFND/MED/170"  # the service is switched off: about the system, not about this document
_encoder = msgspec.json.Encoder()

S = TypeVar("S", bound=msgspec.Struct)
D = TypeVar("D")


class Deep(msgspec.Struct, Generic[S, D], frozen=True, kw_only=True):
    """One kind of document: where it is created, and how the one created is known to be the one sent."""

    service: str
    entity_set: str
    operation: str
    shape: type[D]
    key_sent: Callable[[S], Hashable]
    key_made: Callable[[D], Hashable]
    reference: Callable[[D], str]
    settled: Callable[[D, str], Answer]

    def document(self, content: bytes) -> D | None:
        """The document of a 201; None where there is none in it."""
        try:
            return msgspec.json.decode(content, type=Envelope[self.shape]).d  # type: ignore[name-defined,no-any-return]
        except msgspec.DecodeError:
            return None


class Answers:
    """What SAP's answers other than a yes mean; `lock_codes` are a connection's own words for "locked"."""

    def __init__(self, settings: Mapping[str, str], ports: ClientPorts) -> None:
        codes = settings.get("lock_codes", "").split(",")
        self._locks = LOCKS | {code.strip() for code in codes if code.strip()}
        self._ports = ports

    def no(self, status: int, headers: Mapping[str, str], content: bytes) -> Answer:
        """The meaning of an answer that is not the yes that was hoped for."""
        if status == 429:
            return RetryLater("too many requests (429)", retry_after(headers, self._ports.now()))
        if 400 <= status < 500 and status != 408:
            error = error_of(content)
            if error is None:
                return Unknown(f"answer {status} that is not SAP's")  # a bare 4xx is a proxy's, not SAP's no
            codes = [error.code, *(detail.code for detail in details_of(error))]
            text = text_of(error)
            if status == 400 and not self._locks.isdisjoint(codes):
                return RetryLater(f"locked: {text}")
            if error.code == _NOT_ACTIVE:
                return RetryLater(f"{error.code} {text}")
            if status in (412, 428):
                return RetryLater(f"changed meanwhile ({status})")
            return Rejected(error.code or f"http.{status}", text)
        return Unknown(f"answer {status}")


async def reached(
    transport: Transport,
    path: str,
    content: bytes,
    content_type: str,
    operation: str,
    query: Mapping[str, str] | None = None,
) -> HttpResponse | RetryLater | Rejected | Unknown:
    """A write's answer, or what its failure means."""
    try:
        return await transport.write(path, content, content_type, operation, query)
    except NotSent as error:
        return RetryLater(error.reason, error.after_seconds)
    except NotPermitted as error:
        return Rejected("http.403", str(error))
    except HttpFailure as failure:
        return Unknown(f"no answer: {failure}") if failure.sent else RetryLater(f"not sent: {failure}")


class Creating(Generic[S, D]):
    """Creates documents of one kind."""

    def __init__(self, deep: Deep[S, D], transport: Transport, answers: Answers, *, bulk: bool) -> None:
        self._deep = deep
        self._transport = transport
        self._answers = answers
        self._bulk = MANIFEST.bulk_limit if bulk else 1

    async def create(self, bodies: Sequence[S]) -> list[Answer]:
        """One answer for each body, in their order."""
        answers: list[Answer] = []
        for start in range(0, len(bodies), self._bulk):
            answers += await self._post(bodies[start : start + self._bulk])
        return answers

    async def _post(self, bodies: Sequence[S]) -> Sequence[Answer]:
        deep = self._deep
        contents = [_encoder.encode(body) for body in bodies]
        if len(bodies) == 1:
            path, content, content_type = f"{deep.service}/{deep.entity_set}", contents[0], "application/json"
        else:
            name = hashlib.sha256(b"".join(contents)).hexdigest()[:24]
            content, content_type = batch.build(deep.entity_set, contents, name)
            path = f"{deep.service}/$batch"
        operation = deep.operation if len(bodies) == 1 else deep.operation + "s"
        response = await reached(self._transport, path, content, content_type, operation)
        if isinstance(response, RetryLater | Rejected | Unknown):
            return [response] * len(bodies)
        if response.status_code == 413 and len(bodies) > 1:
            # Too large for a proxy on the way, so SAP never saw it: two halves say the same.
            half = len(bodies) // 2
            return [*await self._post(bodies[:half]), *await self._post(bodies[half:])]
        if len(bodies) == 1:
            return [self._meaning(response.status_code, response.headers, response.content, bodies[0])]
        if response.status_code in (200, 202):
            return self._assign(batch.parse(response.content, header(response, "content-type")), bodies)
        answer = self._answers.no(response.status_code, response.headers, response.content)
        if response.status_code == 400:
            # Some servers work a batch off while reading it: a bad frame does not say that nothing was posted.
            answer = Unknown("the batch was refused as a whole (400)")
        return [answer] * len(bodies)

    def _assign(self, parts: Sequence[batch.Part], bodies: Sequence[S]) -> Sequence[Answer]:
        """Give each document its part. A repeated Content-ID names it; else a created document names itself; an error
        names nothing, so it is believed by its place only while every part that can be checked stands in its own.
        """
        deep = self._deep
        answers: list[Answer | None] = [None] * len(bodies)
        keys = [deep.key_sent(body) for body in bodies]
        alone = Counter(keys)
        place_of = {key: index for index, key in enumerate(keys) if alone[key] == 1}
        in_place = len(parts) == len(bodies)
        nameless: list[tuple[int, batch.Part]] = []
        for place, part in enumerate(parts):
            index = int(part.content_id) - 1 if part.content_id.isdigit() else None
            if index is None and part.status == 201:
                document = deep.document(part.body)
                index = place_of.get(deep.key_made(document)) if document else None
                in_place = in_place and index in (None, place)
            if index is None:
                nameless.append((place, part))
            elif 0 <= index < len(bodies) and answers[index] is None:
                answers[index] = self._meaning(part.status, part.headers, part.body, bodies[index])
            else:
                in_place = False  # two answers for one request: nothing that has no name is believed
        open_places = [index for index, answer in enumerate(answers) if answer is None]
        if len(nameless) == len(open_places) == 1 and len(parts) == len(bodies):
            in_place, nameless = True, [(open_places[0], nameless[0][1])]  # only one can be meant
        if in_place:
            meant = {place: self._meaning(p.status, p.headers, p.body, bodies[place]) for place, p in nameless}
            # Two errors that changed places would go unnoticed. Where all say "not done" that harms no money; where one
            # of them may have been posted, none is believed.
            if len(meant) == 1 or not any(isinstance(answer, Unknown) for answer in meant.values()):
                for place, answer in meant.items():
                    answers[place] = answers[place] or answer
        return [answer or Unknown("the batch's answer does not name this document") for answer in answers]

    def _meaning(self, status: int, headers: Mapping[str, str], content: bytes, sent: S) -> Answer:
        deep = self._deep
        if status != 201:
            return self._answers.no(status, headers, content)
        document = deep.document(content)
        if document is None:
            return Unknown("outbound.answer_invalid: created, but no document in the answer")
        if deep.key_made(document) != deep.key_sent(sent) or not deep.reference(document):
            return Unknown(f"outbound.answer_foreign: created {deep.reference(document) or 'no number'}")
        return deep.settled(document, notice_of(headers))
