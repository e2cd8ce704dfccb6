"""Records receipts, returns and reversals as material documents, and asks after those that were not answered.

SAP knows no key, so the document is looked for before it is posted: by the warehouse's number in the header text and
the day. What it takes from must stand there first; where it does not yet, it is tried again later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tripartite.connectors.sap_s4hana.client.creating import Answers, Creating, Deep
from tripartite.connectors.sap_s4hana.client.feeds import quoted
from tripartite.connectors.sap_s4hana.client.ordering import Publishing
from tripartite.connectors.sap_s4hana.client.reading import Reading
from tripartite.connectors.sap_s4hana.client.transport import NotPermitted, NotSent, Transport
from tripartite.connectors.sap_s4hana.transform import WRITERS
from tripartite.connectors.sap_s4hana.transform.moving import Movement, judge_receipt, named, reference_of
from tripartite.connectors.sap_s4hana.transform.ordering import by_company
from tripartite.connectors.sap_s4hana.transform.words import day
from tripartite.connectors.sap_s4hana.wire import movements as wire
from tripartite.core.codec import Malformed
from tripartite.runtime.protocol import (
    Absent,
    Answer,
    Connection,
    HttpFailure,
    Outbound,
    ProbeAnswer,
    Rejected,
    RetryLater,
    Settled,
    Unknown,
    Unwritable,
)

MOVEMENTS = "API_MATERIAL_DOCUMENT_SRV"
_ASKED_TOGETHER = 12  # documents of one look-up: the filter must stay well under the usual limit of a URL


def _number_sent(body: wire.A_MaterialDocumentHeader) -> str:
    return body.MaterialDocumentHeaderText or ""


def _number_made(document: wire.A_MaterialDocumentHeaderRead) -> str:
    return document.MaterialDocumentHeaderText or ""


_RECEIPT = Deep(
    service=MOVEMENTS,
    entity_set="A_MaterialDocumentHeader",
    operation="record_receipt",
    shape=wire.A_MaterialDocumentHeaderRead,
    key_sent=_number_sent,
    key_made=_number_made,
    reference=reference_of,
    settled=lambda document, notice: Settled(reference_of(document), notice),
)


class Moving:
    """Settings: plant (per company code; its own code where none is named)."""

    def __init__(
        self, connection: Connection, transport: Transport, reading: Reading, answers: Answers, publishing: Publishing
    ) -> None:
        self._reading, self._publishing = reading, publishing
        self._plants = by_company(connection.settings.get("plant", ""), connection.company_codes)
        bulk = connection.settings.get("batch") != "off"
        self._creating: Creating[wire.A_MaterialDocumentHeader, wire.A_MaterialDocumentHeaderRead] = Creating(
            _RECEIPT, transport, answers, bulk=bulk
        )

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        """Record each of `items`; one answer each, in their order."""
        prepared = await self._prepare(items)
        answers: dict[int, Answer] = {
            place: each for place, each in enumerate(prepared) if isinstance(each, Rejected | RetryLater)
        }
        bodies = {place: each for place, each in enumerate(prepared) if isinstance(each, wire.A_MaterialDocumentHeader)}
        there = await self._look(list(bodies.values()))
        ready: dict[int, wire.A_MaterialDocumentHeader] = {}
        for (place, body), found in zip(bodies.items(), there, strict=True):
            if isinstance(found, Absent):
                ready[place] = body
            elif isinstance(found, Unknown):
                answers[place] = RetryLater(found.reason)  # nothing was sent: only the look-up is not clear
            else:
                answers[place] = found
        created = await self._creating.create(list(ready.values()))
        answers.update(zip(ready, created, strict=True))
        return [answers[place] for place in range(len(items))]

    async def probe(self, item: Outbound) -> ProbeAnswer:
        """Ask for the document by the warehouse's number and the day."""
        prepared = (await self._prepare([item]))[0]
        if not isinstance(prepared, wire.A_MaterialDocumentHeader):
            return prepared
        return (await self._look([prepared]))[0]

    async def _prepare(self, items: Sequence[Outbound]) -> list[wire.A_MaterialDocumentHeader | Rejected | RetryLater]:
        """The document of each, with SAP's numbers; the orders of one company are asked for together."""
        movements = [_movement(item) for item in items]
        wanted: dict[str, dict[str, None]] = {}
        for each in movements:
            if isinstance(each, Movement):
                wanted.setdefault(each.company_code, {}).update(dict.fromkeys(each.orders))
        numbers = {
            company: await self._publishing.numbers(tuple(orders), company) for company, orders in wanted.items()
        }
        return [
            await self._named(each, numbers[each.company_code]) if isinstance(each, Movement) else each
            for each in movements
        ]

    async def _named(
        self, movement: Movement, numbers: Mapping[str, str] | RetryLater
    ) -> wire.A_MaterialDocumentHeader | Rejected | RetryLater:
        if isinstance(numbers, RetryLater):
            return numbers
        if missing := [order for order in movement.orders if order not in numbers]:
            return RetryLater(f"order {missing[0]} is not there yet")  # it may be on its way, in the same queue
        taken = await self._taken(movement)
        if isinstance(taken, RetryLater):
            return taken
        try:
            return named(movement, numbers, taken, self._plants).body
        except Unwritable as error:
            return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")

    async def _taken(self, movement: Movement) -> Mapping[str, str] | RetryLater:
        """SAP's document of each receipt that is taken from; its own numbers (`number/year`) stand for themselves."""
        taken: dict[str, str] = {}
        for name in dict.fromkeys(each for each in movement.takes_from if each):
            number, _, year = name.partition("/")
            if number.isdigit() and len(year) == 4 and year.isdigit():
                taken[name] = name
                continue
            found = await self._listed(f"MaterialDocumentHeaderText eq {quoted(name)}")
            if isinstance(found, RetryLater):
                return found
            references = sorted(reference_of(document) for document in found)
            if not references:
                return RetryLater(f"receipt {name}, which is taken from, is not there yet")
            taken[name] = references[0]
        return taken

    async def _look(self, bodies: Sequence[wire.A_MaterialDocumentHeader]) -> list[ProbeAnswer]:
        """Whether each of these stands there, several asked for together."""
        answers: list[ProbeAnswer] = []
        for start in range(0, len(bodies), _ASKED_TOGETHER):
            part = bodies[start : start + _ASKED_TOGETHER]
            found = await self._listed(" or ".join(_is(body) for body in part))
            answers += [_judged(found, body) for body in part]
        return answers

    async def _listed(self, condition: str) -> list[wire.A_MaterialDocumentHeaderRead] | RetryLater:
        try:
            rows = await self._reading.list_rows(
                MOVEMENTS,
                "A_MaterialDocumentHeader",
                condition,
                "MaterialDocumentYear,MaterialDocument",
                "find_receipts",
                expand="to_MaterialDocumentItem",
            )
            return [msgspec.json.decode(row, type=wire.A_MaterialDocumentHeaderRead) for row in rows]
        except NotSent as error:
            return RetryLater(error.reason, error.after_seconds)
        except NotPermitted as error:
            return RetryLater(str(error))
        except HttpFailure as failure:
            return RetryLater(f"not known what is recorded: {failure}")
        except msgspec.DecodeError as broken:
            return RetryLater(f"SAP's documents cannot be read: {broken}")


def _movement(item: Outbound) -> Movement | Rejected:
    try:
        movement: Movement = WRITERS[item.operation](item.payload)
        if movement.unnamed_units:
            raise Unwritable("posting.unwritable", f"/lines/{movement.unnamed_units[0]}/unit", "a unit is needed")
    except Unwritable as error:
        return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
    except Malformed as error:
        return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
    return movement


def _is(sent: wire.A_MaterialDocumentHeader) -> str:
    number = quoted(sent.MaterialDocumentHeaderText or "")
    return f"(MaterialDocumentHeaderText eq {number} and PostingDate eq datetime'{day(sent.PostingDate)}T00:00:00')"


def _judged(
    found: Sequence[wire.A_MaterialDocumentHeaderRead] | RetryLater, sent: wire.A_MaterialDocumentHeader
) -> ProbeAnswer:
    if isinstance(found, RetryLater):
        return found
    number = sent.MaterialDocumentHeaderText
    try:
        return judge_receipt([each for each in found if each.MaterialDocumentHeaderText == number], sent)
    except (Malformed, ValueError) as broken:
        return Unknown(f"outbound.answer_invalid: {broken}")
