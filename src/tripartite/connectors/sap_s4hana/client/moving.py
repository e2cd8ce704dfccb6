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
        answers: dict[int, Answer] = {}
        ready: dict[int, wire.A_MaterialDocumentHeader] = {}
        for place, item in enumerate(items):
            prepared = await self._prepare(item)
            if not isinstance(prepared, wire.A_MaterialDocumentHeader):
                answers[place] = prepared
                continue
            there = await self._look(prepared)
            if isinstance(there, Absent):
                ready[place] = prepared
            elif isinstance(there, Unknown):
                answers[place] = RetryLater(there.reason)  # nothing was sent: only the look-up is not clear
            else:
                answers[place] = there
        created = await self._creating.create(list(ready.values()))
        answers.update(zip(ready, created, strict=True))
        return [answers[place] for place in range(len(items))]

    async def probe(self, item: Outbound) -> ProbeAnswer:
        """Ask for the document by the warehouse's number and the day."""
        prepared = await self._prepare(item)
        if not isinstance(prepared, wire.A_MaterialDocumentHeader):
            return prepared
        return await self._look(prepared)

    async def _prepare(self, item: Outbound) -> wire.A_MaterialDocumentHeader | Rejected | RetryLater:
        try:
            movement: Movement = WRITERS[item.operation](item.payload)
            if movement.unnamed_units:
                raise Unwritable("posting.unwritable", f"/lines/{movement.unnamed_units[0]}/unit", "a unit is needed")
            numbers = await self._publishing.numbers(tuple(dict.fromkeys(movement.orders)), movement.company_code)
            if isinstance(numbers, RetryLater):
                return numbers
            if missing := [order for order in movement.orders if order not in numbers]:
                return RetryLater(f"order {missing[0]} is not there yet")  # it may be on its way, in the same queue
            taken = await self._taken(movement)
            if isinstance(taken, RetryLater):
                return taken
            return named(movement, numbers, taken, self._plants).body
        except Unwritable as error:
            return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
        except Malformed as error:
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

    async def _look(self, sent: wire.A_MaterialDocumentHeader) -> ProbeAnswer:
        on = day(sent.PostingDate)
        number = quoted(sent.MaterialDocumentHeaderText or "")
        found = await self._listed(f"MaterialDocumentHeaderText eq {number} and PostingDate eq datetime'{on}T00:00:00'")
        if isinstance(found, RetryLater):
            return found
        try:
            return judge_receipt(found, sent)
        except (Malformed, ValueError) as broken:
            return Unknown(f"outbound.answer_invalid: {broken}")

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
