"""What Coupa is told of an invoice: that it is paid, and under which number the ERP booked it. Reads no amounts.

A payment once recorded can be neither changed nor removed, and a second one is a second payment. So each write is
preceded by a look at the invoice: a payment with our number in its notes is ours.
"""

from __future__ import annotations

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.client.answers import CoupaFailure
from tripartite.connectors.coupa.client.calls import Calls
from tripartite.connectors.coupa.transform.writing import (
    payment_body,
    same_number,
    signed,
    write_payment,
    write_posting,
)
from tripartite.runtime.protocol import Absent, Answer, Outbound, ProbeAnswer, Rejected, RetryLater, Settled, Unknown

PATH = "/invoices"
HISTORY = "/integration_history_records"
Failed = Rejected | RetryLater | Unknown


class InvoiceReports:
    """`report_payment` and `report_posting`: submit and probe."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def submit_payment(self, item: Outbound) -> Answer:
        note = write_payment(item.payload)
        try:
            invoice = await self._invoice(note.invoice_id, note.invoice_number)
            if isinstance(invoice, Rejected):
                return invoice
            known = _paid(note, invoice)
        except CoupaFailure as failure:
            return RetryLater(str(failure), failure.after_seconds)
        if known is not None:
            return known
        answer = await self._calls.write(
            wire.InvoiceState, "PUT", f"{PATH}/{invoice.id}", payment_body(note, invoice), "invoice.pay"
        )
        if isinstance(answer, Failed):
            return answer
        return _paid(note, answer) or Unknown("success, but the payment does not show")

    async def probe_payment(self, item: Outbound) -> ProbeAnswer:
        note = write_payment(item.payload)
        try:
            invoice = await self._invoice(note.invoice_id, note.invoice_number)
        except CoupaFailure as failure:
            return RetryLater(str(failure), failure.after_seconds)
        if isinstance(invoice, Rejected):
            return invoice
        return _paid(note, invoice) or Absent("the invoice carries no payment of this number")

    async def submit_posting(self, item: Outbound) -> Answer:
        note = write_posting(item.payload)
        try:
            invoice = await self._invoice(note.invoice_id, note.invoice_number)
            if isinstance(invoice, Rejected):
                return invoice
            known = await self._history(invoice, note)
        except CoupaFailure as failure:
            return RetryLater(str(failure), failure.after_seconds)
        if known is not None:
            return Settled(str(known.id), "was recorded already")
        body = {
            "document-type": "InvoiceHeader",
            "document-id": invoice.id,
            "status": "success",
            "contact-alert-type": "functional",
            "external-id": note.external_id,
            "responses": [{"response-code": "posted", "response-message": note.message}],
        }
        answer = await self._calls.write(wire.HistoryRecord, "POST", HISTORY, body, "history.create")
        if isinstance(answer, Failed):
            return answer
        if answer.external_id != note.external_id:
            return Unknown("success, but the number does not show")
        return Settled(str(answer.id))

    async def probe_posting(self, item: Outbound) -> ProbeAnswer:
        note = write_posting(item.payload)
        try:
            invoice = await self._invoice(note.invoice_id, note.invoice_number)
            if isinstance(invoice, Rejected):
                return invoice
            known = await self._history(invoice, note)
        except CoupaFailure as failure:
            return RetryLater(str(failure), failure.after_seconds)
        return Settled(str(known.id)) if known else Absent("no integration record holds this number")

    async def _history(self, invoice: wire.InvoiceState, note: wire.PostingNote) -> wire.HistoryRecord | None:
        query = [
            ("document_type", "InvoiceHeader"),
            ("document_id", str(invoice.id)),
            ("external_id", note.external_id),
        ]
        found = await self._calls.all_of(wire.HistoryRecord, HISTORY, query, "history.list")
        return found[0] if found else None

    async def _invoice(self, invoice_id: str, number: str) -> wire.InvoiceState | Rejected:
        """The invoice by Coupa's own id, else the only one of this number that is not void. Errors: `CoupaFailure`."""
        if invoice_id:
            if not (invoice_id.isascii() and invoice_id.isdigit()):
                return Rejected("invoice_unknown", "that is no id of an invoice in Coupa")
            found = await self._calls.one_of(wire.InvoiceState, f"{PATH}/{invoice_id}", "invoice.get")
            return found or Rejected("invoice_unknown", f"Coupa has no invoice {invoice_id}")
        many = await self._calls.all_of(wire.InvoiceState, PATH, [("invoice_number", number)], "invoice.list")
        alive = [each for each in many if each.status not in {"voided", "abandoned", "rejected"}]
        if len(alive) != 1:
            return Rejected("invoice_unknown", f"Coupa has {len(alive)} invoices of number {number}")
        return alive[0]


def _paid(note: wire.PaymentNote, invoice: wire.InvoiceState) -> Settled | Rejected | None:
    """Whether the invoice carries this payment; the same number with another amount is somebody else's affair."""
    if invoice.currency and invoice.currency.code and invoice.currency.code != note.currency:
        return Rejected(
            "currency_differs", f"the invoice is in {invoice.currency.code}, the payment in {note.currency}"
        )
    for each in invoice.payments or ():
        if each.notes == note.number:
            if same_number(each.amount_paid, signed(note, invoice)):
                return Settled(str(invoice.id))
            return Rejected("payment_differs", f"payment {note.number} stands there with another amount")
    return None
