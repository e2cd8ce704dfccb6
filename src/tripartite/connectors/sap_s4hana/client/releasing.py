"""Lifts the payment block of a booked supplier invoice, as far as SAP's services can.

The function import `Release` lifts the block R, which invoice verification set. A supplier invoice cannot be changed
otherwise, so a block that a person or a posting set (A, say) stays, and is refused here with its key. What became of a
release is always read back: the import's own success does not say which key stands now.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.client.creating import Answers, reached
from tripartite.connectors.sap_s4hana.client.feeds import quoted
from tripartite.connectors.sap_s4hana.client.reading import Reading
from tripartite.connectors.sap_s4hana.client.transport import NotPermitted, NotSent, Transport
from tripartite.connectors.sap_s4hana.transform import WRITERS
from tripartite.core.codec import Malformed
from tripartite.core.objects import PaymentRelease
from tripartite.runtime.protocol import (
    Absent,
    Answer,
    HttpFailure,
    Outbound,
    ProbeAnswer,
    Rejected,
    RetryLater,
    Settled,
    Unknown,
    Unwritable,
)

_INVOICES = "API_SUPPLIERINVOICE_PROCESS_SRV"
_VERIFICATION = "R"


class Releasing:
    def __init__(self, transport: Transport, reading: Reading, answers: Answers) -> None:
        self._transport, self._reading, self._answers = transport, reading, answers

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        """Release each of `items`; what is free already is done."""
        return [await self._release(item) for item in items]

    async def _release(self, item: Outbound) -> Answer:
        before = await self.probe(item)
        if isinstance(before, Unknown):
            return RetryLater(before.reason)  # nothing was sent: only the look-up is not clear
        if not isinstance(before, Absent):
            return before
        number, _, year = _prepare(item).document.partition("/")
        response = await reached(
            self._transport,
            f"{_INVOICES}/Release",
            b"",
            "application/json",
            "release_payment_block",
            {
                "SupplierInvoice": quoted(number),
                "FiscalYear": quoted(year),
                "DiscountDaysHaveToBeShifted": "false",
            },
        )
        if isinstance(response, RetryLater | Rejected | Unknown):
            return response
        if response.status_code != 200:
            return self._answers.no(response.status_code, response.headers, response.content)
        after = await self.probe(item)
        return after if isinstance(after, Settled | Rejected) else Unknown("released, and not seen to be free")

    async def probe(self, item: Outbound) -> ProbeAnswer:
        """Which block stands on the invoice: none is done, R is absent, another is refused."""
        try:
            document = _prepare(item).document
        except Unwritable as error:
            return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
        except Malformed as error:
            return Rejected(error.reason_code, f"{error.pointer}: {error.detail}")
        number, _, year = document.partition("/")
        condition = f"SupplierInvoice eq {quoted(number)} and FiscalYear eq {quoted(year)}"
        try:
            rows = await self._reading.list_rows(
                _INVOICES, "A_SupplierInvoice", condition, "SupplierInvoice", "find_block"
            )
            found = [msgspec.json.decode(row, type=wire.A_SupplierInvoiceRead) for row in rows]
        except NotSent as error:
            return RetryLater(error.reason, error.after_seconds)
        except NotPermitted as error:
            return RetryLater(str(error))
        except HttpFailure as failure:
            return RetryLater(f"not known how the invoice stands: {failure}")
        except msgspec.DecodeError as broken:
            return Unknown(f"outbound.answer_invalid: {broken}")
        if len(found) != 1:
            return Rejected("posting.probe_conflict", f"SAP shows {len(found)} invoices {document}")
        block = found[0].PaymentBlockingReason or ""
        if not block:
            return Settled(document, "free for payment")
        if block == _VERIFICATION:
            return Absent(f"block {block} stands")
        return Rejected("posting.unwritable", f"block {block} was set by hand; SAP lifts only {_VERIFICATION}")


def _prepare(item: Outbound) -> PaymentRelease:
    value: PaymentRelease = WRITERS[item.operation](item.payload)
    return value
