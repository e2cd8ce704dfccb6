"""Posts supplier invoices and asks after the ones that were not answered. What an answer means: creating.py.

Amounts are not looked at here; whether a document is the one sent is answered by transform/recognising.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.client.creating import Answers, Creating, Deep
from tripartite.connectors.sap_s4hana.client.ordering import Publishing
from tripartite.connectors.sap_s4hana.client.reading import Reading, invoice_filter
from tripartite.connectors.sap_s4hana.client.transport import NotPermitted, NotSent, Transport
from tripartite.connectors.sap_s4hana.transform import WRITERS, addressed
from tripartite.connectors.sap_s4hana.transform.ordering import by_company
from tripartite.connectors.sap_s4hana.transform.recognising import judge, key_of, reference, settled
from tripartite.core.codec import Malformed
from tripartite.runtime.protocol import (
    Answer,
    Connection,
    HttpFailure,
    Outbound,
    ProbeAnswer,
    Rejected,
    RetryLater,
    Unknown,
    Unwritable,
)

INVOICES = "API_SUPPLIERINVOICE_PROCESS_SRV"
_INVOICE = Deep(
    service=INVOICES,
    entity_set="A_SupplierInvoice",
    operation="post_invoice",
    shape=wire.A_SupplierInvoiceRead,
    key_sent=key_of,
    key_made=key_of,
    reference=reference,
    settled=settled,
)


class Posting:
    def __init__(
        self,
        connection: Connection,
        transport: Transport,
        reading: Reading,
        answers: Answers,
        publishing: Publishing,
    ) -> None:
        settings = connection.settings
        self._reading = reading
        # Where SAP draws the numbers of orders, a posting's own must become SAP's.
        self._publishing = publishing if settings.get("order_numbers") == "internal" else None
        self._tax_countries = by_company(settings.get("tax_country", ""), connection.company_codes)
        self._creating = Creating(_INVOICE, transport, answers, bulk=settings.get("batch") != "off")

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        """Post each of `items`; one answer each, in their order. Never raises for what one document carries."""
        prepared = [self._prepare(item) for item in items]
        bodies = [body for body in prepared if not isinstance(body, Rejected)]
        if self._publishing is not None and (trouble := await self._numbered(self._publishing, bodies)) is not None:
            return [body if isinstance(body, Rejected) else trouble for body in prepared]
        posted = iter(await self._creating.create(bodies))
        return [body if isinstance(body, Rejected) else next(posted) for body in prepared]

    async def _numbered(self, publishing: Publishing, bodies: Sequence[wire.A_SupplierInvoice]) -> RetryLater | None:
        """Give the lines SAP's numbers of the orders that we published; one that SAP itself made keeps its own."""
        lines: dict[str, list[wire.A_SuplrInvcItemPurOrdRef]] = {}
        for body in bodies:
            lines.setdefault(body.CompanyCode or "", []).extend(body.to_SuplrInvcItemPurOrdRef or ())
        for company, items in lines.items():
            wanted = tuple(dict.fromkeys(item.PurchaseOrder for item in items if item.PurchaseOrder))
            numbers = await publishing.numbers(wanted, company) if wanted else {}
            if isinstance(numbers, RetryLater):
                return numbers
            for item in items:
                item.PurchaseOrder = numbers.get(item.PurchaseOrder or "", item.PurchaseOrder)
        return None

    def _prepare(self, item: Outbound) -> wire.A_SupplierInvoice | Rejected:
        try:
            body: wire.A_SupplierInvoice = WRITERS[item.operation](item.payload)
        except Unwritable as error:
            return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
        except Malformed as error:
            return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
        return addressed(body, item.key, self._tax_countries)

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
