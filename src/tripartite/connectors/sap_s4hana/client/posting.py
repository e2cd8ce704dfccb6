"""Posts supplier invoices and asks after the ones that were not answered. What an answer means is decided here.

    201 with the document sent      Settled (Accepted where its status does not say posted)
    201 with another document       Unknown, outbound.answer_foreign
    400 with a lock message         RetryLater: another user holds the record, which clears in minutes
    404 service not active          RetryLater: it concerns no invoice
    413 for a batch                 once more in halves: a proxy refused it, SAP never saw it
    400, 404, 405, 4xx else         Rejected, with SAP's message class and number
    401                             RetryLater, after one renewal of an OAuth token
    403 asking for a CSRF token     once more with a new one; else Rejected: no authorisation
    429                             RetryLater after Retry-After: a gateway says it before SAP sees the call
    408, 5xx, HTML, anything else   Unknown: it may be posted
    no answer                       Unknown if a byte may have left, else RetryLater

Amounts are not looked at here; whether a document is the one sent is answered by transform/recognising.py.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.client import batch
from tripartite.connectors.sap_s4hana.client.answers import details_of, document_of, error_of, notice_of, text_of
from tripartite.connectors.sap_s4hana.client.reading import Reading, invoice_filter
from tripartite.connectors.sap_s4hana.client.transport import (
    NotPermitted,
    NotSent,
    Transport,
    header,
)
from tripartite.connectors.sap_s4hana.manifest import MANIFEST
from tripartite.connectors.sap_s4hana.transform import WRITERS, addressed
from tripartite.connectors.sap_s4hana.transform.recognising import judge, key_of, reference, settled
from tripartite.core.codec import Malformed
from tripartite.runtime.protocol import (
    Answer,
    ClientPorts,
    Connection,
    HttpFailure,
    Outbound,
    ProbeAnswer,
    Rejected,
    RetryLater,
    Unknown,
    Unwritable,
    retry_after,
)

INVOICES = "API_SUPPLIERINVOICE_PROCESS_SRV"
_LOCKS = frozenset({"06/001"})  # locked by another user; more by the setting `lock_codes`
_NOT_ACTIVE = "/IWFND/MED/170"  # the service is switched off: about the system, not about this invoice
_encoder = msgspec.json.Encoder()

Prepared = tuple[int, wire.A_SupplierInvoice]


class Posting:
    def __init__(self, connection: Connection, ports: ClientPorts, transport: Transport, reading: Reading) -> None:
        settings = connection.settings
        self._ports = ports
        self._transport = transport
        self._reading = reading
        self._tax_countries = _by_company(settings.get("tax_country", ""), connection.company_codes)
        self._locks = _LOCKS | {code.strip() for code in settings.get("lock_codes", "").split(",") if code.strip()}
        self._bulk = 1 if settings.get("batch") == "off" else MANIFEST.bulk_limit

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        """Post each of `items`; one answer each, in their order. Never raises for what one document carries."""
        answers: list[Answer] = [Unknown("not answered")] * len(items)
        ready: list[Prepared] = []
        for index, item in enumerate(items):
            prepared = self._prepare(item)
            if isinstance(prepared, Rejected):
                answers[index] = prepared
            else:
                ready.append((index, prepared))
        for start in range(0, len(ready), self._bulk):
            chunk = ready[start : start + self._bulk]
            for (index, _), answer in zip(chunk, await self._post([body for _, body in chunk]), strict=True):
                answers[index] = answer
        return answers

    def _prepare(self, item: Outbound) -> wire.A_SupplierInvoice | Rejected:
        assert item.operation in MANIFEST.writes, f"{item.operation} is not an operation of SAP S/4HANA"
        try:
            body: wire.A_SupplierInvoice = WRITERS[item.operation](item.payload)
        except Unwritable as error:
            return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
        except Malformed as error:
            return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
        return addressed(body, item.key, self._tax_countries)

    async def _post(self, bodies: Sequence[wire.A_SupplierInvoice]) -> Sequence[Answer]:
        contents = [_encoder.encode(body) for body in bodies]
        if len(bodies) == 1:
            path, content, content_type = f"{INVOICES}/A_SupplierInvoice", contents[0], "application/json"
        else:
            name = hashlib.sha256(b"".join(contents)).hexdigest()[:24]
            content, content_type = batch.build("A_SupplierInvoice", contents, name)
            path = f"{INVOICES}/$batch"
        operation = "post_invoice" if len(bodies) == 1 else "post_invoices"
        answer: Answer
        try:
            response = await self._transport.write(path, content, content_type, operation)
        except NotSent as error:
            answer = RetryLater(error.reason, error.after_seconds)
        except NotPermitted as error:
            answer = Rejected("http.403", str(error))
        except HttpFailure as failure:
            answer = Unknown(f"no answer: {failure}") if failure.sent else RetryLater(f"not sent: {failure}")
        else:
            if response.status_code == 413 and len(bodies) > 1:
                # Too large for a proxy on the way, so SAP never saw it: two halves say the same.
                half = len(bodies) // 2
                return [*await self._post(bodies[:half]), *await self._post(bodies[half:])]
            if len(bodies) == 1:
                return [self._meaning(response.status_code, response.headers, response.content, bodies[0])]
            if response.status_code in (200, 202):
                kind = header(response, "content-type")
                return self._assign(batch.parse(response.content, kind), bodies)
            answer = self._meaning(response.status_code, response.headers, response.content, None)
            if response.status_code == 400:
                # Some servers work a batch off while reading it: a bad frame does not say that nothing was posted.
                answer = Unknown("the batch was refused as a whole (400)")
        return [answer] * len(bodies)

    def _assign(self, parts: Sequence[batch.Part], bodies: Sequence[wire.A_SupplierInvoice]) -> Sequence[Answer]:
        """Give each invoice its part. A repeated Content-ID names it; else a created document names itself; an error
        names nothing, so it is believed by its place only while every part that can be checked stands in its own.
        """
        answers: list[Answer | None] = [None] * len(bodies)
        keys = [key_of(body) for body in bodies]
        alone = Counter(keys)
        place_of = {key: index for index, key in enumerate(keys) if alone[key] == 1}
        in_place = len(parts) == len(bodies)
        nameless: list[tuple[int, batch.Part]] = []
        for place, part in enumerate(parts):
            index = int(part.content_id) - 1 if part.content_id.isdigit() else None
            if index is None and part.status == 201:
                document = document_of(part.body)
                index = place_of.get(key_of(document)) if document else None
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
        return [answer or Unknown("the batch's answer does not name this invoice") for answer in answers]

    def _meaning(
        self, status: int, headers: Mapping[str, str], content: bytes, sent: wire.A_SupplierInvoice | None
    ) -> Answer:
        if status == 201 and sent is not None:
            document = document_of(content)
            if document is None:
                return Unknown("outbound.answer_invalid: created, but no document in the answer")
            if key_of(document) != key_of(sent) or not reference(document):
                return Unknown(f"outbound.answer_foreign: created {reference(document) or 'no number'}")
            return settled(document, notice_of(headers))
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
            return Rejected(error.code or f"http.{status}", text)
        return Unknown(f"answer {status}")

    async def probe(self, item: Outbound) -> ProbeAnswer:
        """Ask for the invoice by company, party and the supplier's number. A number is asked for with and without its
        zeros, because a filter on the wrong form answers an empty list, which would read as absent.
        """
        sent = self._prepare(item)
        if isinstance(sent, Rejected):
            return sent
        query = invoice_filter(
            sent.CompanyCode or "", sent.InvoicingParty or "", sent.SupplierInvoiceIDByInvcgParty or ""
        )
        try:
            rows = await self._reading.list_rows(
                INVOICES, "A_SupplierInvoice", query, "SupplierInvoice,FiscalYear", "probe"
            )
            found = [msgspec.json.decode(row, type=wire.A_SupplierInvoiceRead) for row in rows]
        except NotSent as error:
            return RetryLater(error.reason, error.after_seconds)
        except NotPermitted as error:
            return RetryLater(str(error))
        except HttpFailure as failure:
            return RetryLater(f"the probe was not answered: {failure}")
        except msgspec.DecodeError as broken:
            return Unknown(f"outbound.answer_invalid: {broken}")
        return judge(found, sent)


def _by_company(text: str, company_codes: Sequence[str]) -> Mapping[str, str]:
    """`1010=DE,2010=FR` as it says; a country alone counts for all the connection's company codes."""
    if "=" in text:
        return dict(pair.strip().split("=", 1) for pair in text.split(",") if "=" in pair)
    return dict.fromkeys(company_codes, text.strip()) if text.strip() else {}
