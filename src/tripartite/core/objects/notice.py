"""What we tell the system a document came from: taken, posted, held, paid.

A notice decides nothing and books nothing; it repeats a recorded decision in the words the other side needs, so that
the person at the capture suite sees why. The booking itself is `Posting`; the payment itself is `Payment`.

`source_document_id` is the other system's own id of the document, never the supplier's invoice number: the two are
different numbers, and the accounting document of the ERP is a third.
"""

from __future__ import annotations

from datetime import date

import msgspec

from tripartite.core.money import Amount


class DocumentTaken(msgspec.Struct, frozen=True, omit_defaults=True):
    """We hold this document now; the source must not hand it to anyone else."""

    invoice_id: str
    company_code: str
    source_document_id: str


class PostingReported(msgspec.Struct, frozen=True, omit_defaults=True):
    """The liability is booked: `document` of fiscal `year` in the ERP, on the day `posted_on`.

    `payment_block` is the ERP's word for the block it carries; empty means free for payment.
    """

    invoice_id: str
    invoice_number: str
    company_code: str
    source_document_id: str
    document: str
    year: str
    posted_on: date
    payment_block: str = ""
    message: str = ""


class HoldReported(msgspec.Struct, frozen=True, omit_defaults=True):
    """Not booked yet: someone must act. `reason_codes` are those of the catalogue, at least one, the gravest first."""

    invoice_id: str
    invoice_number: str
    company_code: str
    source_document_id: str
    reason_codes: tuple[str, ...]
    message: str = ""


class PaymentReported(msgspec.Struct, frozen=True, omit_defaults=True):
    """Paid: `amount` in `currency` left our account on `paid_on` for this one invoice.

    Sign: positive when we paid; for a credit memo the positive amount that was set off.
    """

    invoice_id: str
    invoice_number: str
    company_code: str
    source_document_id: str
    payment_number: str
    currency: str
    amount: Amount
    paid_on: date
    method: str = ""
    payment_block: str = ""
