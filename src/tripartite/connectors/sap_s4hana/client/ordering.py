"""Publishes orders: what stands there is read first, then an order is created, changed by one changeset, or left.

The read before the write is what makes a repeat harmless: an order is found by procurement's number in
`CorrespncExternalReference`, so one that came by another way, or by a call whose answer was lost, is never made twice.
The probe asks the same question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from tripartite.connectors.sap_s4hana.client import batch
from tripartite.connectors.sap_s4hana.client.creating import Answers, Creating, Deep, reached
from tripartite.connectors.sap_s4hana.client.feeds import quoted
from tripartite.connectors.sap_s4hana.client.reading import Reading
from tripartite.connectors.sap_s4hana.client.transport import NotPermitted, NotSent, Transport, header
from tripartite.connectors.sap_s4hana.transform import WRITERS, padded, unpadded
from tripartite.connectors.sap_s4hana.transform.ordering import addressed_order, by_company, ordering_of
from tripartite.connectors.sap_s4hana.transform.standing import Conflict, Missing, Older, Same, Standing, judge_order
from tripartite.connectors.sap_s4hana.wire import orders as wire
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

ORDERS = "API_PURCHASEORDER_PROCESS_SRV"
_ASKED_TOGETHER = 15  # orders of one look-up: the filter must stay well under the usual limit of a URL
_EXPAND = "to_PurchaseOrderItem/to_AccountAssignment"


def _key_sent(body: wire.A_PurchaseOrder) -> tuple[str, str]:
    return (body.CompanyCode or "", body.CorrespncExternalReference or "")


def _key_made(order: wire.A_PurchaseOrderRead) -> tuple[str, str]:
    return (order.CompanyCode or "", order.CorrespncExternalReference or "")


_ORDER = Deep(
    service=ORDERS,
    entity_set="A_PurchaseOrder",
    operation="publish_order",
    shape=wire.A_PurchaseOrderRead,
    key_sent=_key_sent,
    key_made=_key_made,
    reference=lambda order: unpadded(order.PurchaseOrder),
    settled=lambda order, notice: Settled(unpadded(order.PurchaseOrder), notice),
)


class Publishing:
    """Settings: order_numbers, order_type, purchasing_organization, purchasing_group, plant, material_group and
    order_materials (docs/connectors/sap_s4hana.md). Errors: `ValueError` for a word that is none of theirs.
    """

    def __init__(self, connection: Connection, transport: Transport, reading: Reading, answers: Answers) -> None:
        settings, companies = connection.settings, connection.company_codes
        self._transport, self._reading, self._answers = transport, reading, answers
        self._ordering = ordering_of(settings, companies, by_company(settings.get("tax_country", ""), companies))
        self._creating = Creating(_ORDER, transport, answers, bulk=settings.get("batch") != "off")

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        """Publish each of `items`; one answer each, in their order."""
        answers: dict[int, Answer] = {}
        sent: dict[int, wire.A_PurchaseOrder] = {}
        for place, item in enumerate(items):
            prepared = _prepare(item)
            if isinstance(prepared, Rejected):
                answers[place] = prepared
            else:
                sent[place] = prepared
        standing = await self._standing(list(sent.values()))
        if isinstance(standing, RetryLater):
            return [answers.get(place, standing) for place in range(len(items))]
        creates: dict[int, wire.A_PurchaseOrder] = {}
        for place, body in sent.items():
            try:
                stands = judge_order(standing.get(_key(body), ()), body, self._ordering)
                if isinstance(stands, Missing):
                    creates[place] = addressed_order(body, self._ordering)
                    continue
                answers[place] = await self._brought_up(stands)
            except Unwritable as error:
                answers[place] = Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
            except Malformed as error:
                answers[place] = RetryLater(f"SAP's order cannot be read: {error}")
        # Two versions of one order in one call: the second is created only once the first is seen there.
        first = {_key(body): place for place, body in reversed(creates.items())}
        for place, body in creates.items():
            if first[_key(body)] != place:
                answers[place] = RetryLater("an earlier version of this order is on its way")
        now = [place for place in creates if place not in answers]
        answers.update(zip(now, await self._creating.create([creates[place] for place in now]), strict=True))
        return [answers[place] for place in range(len(items))]

    async def probe(self, item: Outbound) -> ProbeAnswer:
        """Whether the order stands in SAP in this version or a newer one; in an older one the change is absent."""
        sent = _prepare(item)
        if isinstance(sent, Rejected):
            return sent
        standing = await self._standing([sent])
        if isinstance(standing, RetryLater):
            return standing
        try:
            stands = judge_order(standing.get(_key(sent), ()), sent, self._ordering)
        except Unwritable as error:
            return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
        except Malformed as error:
            return Unknown(f"outbound.answer_invalid: {error}")
        match stands:
            case Missing():
                return Absent(f"no order {sent.CorrespncExternalReference} in {sent.CompanyCode}")
            case Same(number, detail):
                return Settled(unpadded(number), detail)
            case Conflict(detail):
                return Rejected("posting.probe_conflict", detail)
            case Older(number, _):
                return Absent(f"order {number} stands in an earlier version")

    async def numbers(self, references: Sequence[str], company: str) -> Mapping[str, str] | RetryLater:
        """SAP's number of each order of procurement's that it has, by procurement's number."""
        bodies = [wire.A_PurchaseOrder(CompanyCode=company, CorrespncExternalReference=each) for each in references]
        standing = await self._standing(bodies)
        if isinstance(standing, RetryLater):
            return standing
        found: dict[str, str] = {}
        for reference in references:
            rows = [row for row in standing.get(reference, ()) if row.CompanyCode == company]
            # Ours by reference comes before one that merely has the number.
            rows.sort(key=lambda row: (row.CorrespncExternalReference != reference, row.PurchaseOrder or ""))
            if rows:
                found[reference] = unpadded(rows[0].PurchaseOrder)
        return found

    async def _brought_up(self, stands: Standing) -> Answer:
        match stands:
            case Same(number, detail):
                return Settled(unpadded(number), detail)
            case Conflict(detail):
                return Rejected("posting.probe_conflict", detail)
        assert isinstance(stands, Older)
        name = hashlib.sha256(b"".join(step.body for step in stands.steps)).hexdigest()[:24]
        calls = [(step.method, step.path, step.etag, step.body) for step in stands.steps]
        content, content_type = batch.build_changeset(calls, name)
        response = await reached(self._transport, f"{ORDERS}/$batch", content, content_type, "change_order")
        if isinstance(response, RetryLater | Rejected | Unknown):
            return response
        if response.status_code not in (200, 202):
            answer = self._answers.no(response.status_code, response.headers, response.content)
            return Unknown("the changeset was refused as a whole") if isinstance(answer, Rejected) else answer
        parts = batch.parse(response.content, header(response, "content-type"))
        wanted = sorted(201 if step.method == "POST" else 204 for step in stands.steps)
        if sorted(part.status for part in parts) == wanted:  # anything else with 2xx, a login page say, is no yes
            return Settled(unpadded(stands.number), "changed")
        refused = [part for part in parts if part.status >= 300]
        if len(parts) == len(refused) == 1:  # a changeset is all or nothing: one error speaks for all of it
            return self._answers.no(refused[0].status, refused[0].headers, refused[0].body)
        return Unknown("the changeset's answer does not speak for all of it")

    async def _standing(
        self, bodies: Sequence[wire.A_PurchaseOrder]
    ) -> Mapping[str, Sequence[wire.A_PurchaseOrderRead]] | RetryLater:
        """What SAP shows under each number, ours or its own; the keys are procurement's numbers."""
        found: dict[str, list[wire.A_PurchaseOrderRead]] = {}
        references = list(dict.fromkeys(_key(body) for body in bodies))
        try:
            for start in range(0, len(references), _ASKED_TOGETHER):
                part = references[start : start + _ASKED_TOGETHER]
                for row in await self._reading.list_rows(
                    ORDERS, "A_PurchaseOrder", _named(part), "PurchaseOrder", "find_orders", expand=_EXPAND
                ):
                    order = msgspec.json.decode(row, type=wire.A_PurchaseOrderRead)
                    # One that carries a reference is known by that; only one without may be meant by its number.
                    name = order.CorrespncExternalReference or unpadded(order.PurchaseOrder)
                    for key in {name, unpadded(order.PurchaseOrder)}:
                        found.setdefault(key, []).append(order)
        except NotSent as error:
            return RetryLater(error.reason, error.after_seconds)
        except NotPermitted as error:
            return RetryLater(str(error))
        except HttpFailure as failure:
            return RetryLater(f"not known how the orders stand: {failure}")
        except msgspec.DecodeError as broken:
            return RetryLater(f"SAP's orders cannot be read: {broken}")
        return found


def _key(body: wire.A_PurchaseOrder) -> str:
    return body.CorrespncExternalReference or ""


def _named(references: Sequence[str]) -> str:
    conditions = []
    for reference in references:
        conditions.append(f"CorrespncExternalReference eq {quoted(reference)}")
        conditions += [
            f"PurchaseOrder eq {quoted(form)}"
            for form in dict.fromkeys((padded(reference), unpadded(reference)))
            if len(form) <= 10
        ]
    return " or ".join(conditions)


def _prepare(item: Outbound) -> wire.A_PurchaseOrder | Rejected:
    try:
        body: wire.A_PurchaseOrder = WRITERS[item.operation](item.payload)
    except Unwritable as error:
        return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
    except Malformed as error:
        return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
    return body
