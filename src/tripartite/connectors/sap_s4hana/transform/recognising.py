"""Whether a document SAP shows is the one we sent: for the answer to a post, and for the probe after no answer. Pure.

SAP knows an invoice by company code, invoicing party, the supplier's number and the credit flag. Amounts are
compared as numbers, parties without ALPHA's zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.transform.words import day, initial, reference_number, unpadded
from tripartite.core.money import Amount, NumberInvalid
from tripartite.runtime.protocol import Absent, Accepted, ProbeAnswer, Rejected, Settled

NaturalKey = tuple[str, str, str, bool]

# SupplierInvoiceStatus: only these are a yes. A parked or held document (A to E), one still in background verification
# (1 to 4), and any word we do not know is taken in, not posted.
_POSTED = frozenset({"", "5"})


def key_of(document: wire.A_SupplierInvoice | wire.A_SupplierInvoiceRead) -> NaturalKey:
    """Company code, party, supplier's number in upper case, credit or not: what SAP and we know an invoice by."""
    return (
        document.CompanyCode or "",
        unpadded(document.InvoicingParty),
        reference_number(document.SupplierInvoiceIDByInvcgParty),
        document.SupplierInvoiceIsCreditMemo == "X",
    )


def reference(document: wire.A_SupplierInvoiceRead) -> str:
    """The document's number and fiscal year, `5105600123/2026`; empty where either is missing."""
    if not document.SupplierInvoice or not document.FiscalYear:
        return ""
    return f"{document.SupplierInvoice}/{document.FiscalYear}"


def settled(document: wire.A_SupplierInvoiceRead, detail: str = "") -> Settled | Accepted:
    """Yes where its status says posted, else taken in; the detail names a payment block, which is not a failure."""
    notes = [detail] if detail else []
    if document.PaymentBlockingReason:
        notes.append(f"payment block {document.PaymentBlockingReason}")
    status = document.SupplierInvoiceStatus or ""
    if status in _POSTED:
        return Settled(reference(document), "; ".join(notes))
    return Accepted(reference(document), "; ".join([f"status {status}", *notes]))


def judge(found: Sequence[wire.A_SupplierInvoiceRead], sent: wire.A_SupplierInvoice) -> ProbeAnswer:
    """What became of `sent`, given what SAP shows under its natural key.

    One that stands, with the same date, currency and gross, is the posting, whoever made it: the liability is booked.
    One that was reversed counts only if it carries our key, because a rebill has the same number. One that stands with
    another date or amount is neither yes nor absent: a person must look, so it is a refusal of its own kind.
    """
    same_key = [document for document in found if key_of(document) == key_of(sent) and reference(document)]
    standing = [document for document in same_key if initial(document.ReverseDocument)]
    equal = [document for document in standing if _equal(document, sent)]
    if equal:
        # Our own mark first, so that the answer does not depend on the order of the list.
        equal.sort(key=lambda document: (document.DocumentHeaderText != sent.DocumentHeaderText, reference(document)))
        others = ", ".join(reference(document) for document in equal[1:])
        return settled(equal[0], f"also posted as {others}" if others else "")
    for document in same_key:
        if (
            sent.DocumentHeaderText
            and document.DocumentHeaderText == sent.DocumentHeaderText
            and _equal(document, sent)
        ):
            reversal = f"{document.ReverseDocument}/{document.ReverseDocumentFiscalYear}"
            return settled(document, f"since reversed by {reversal}")
    if standing:
        other = standing[0]
        return Rejected(
            "posting.probe_conflict",
            f"{reference(other)} has this company, supplier and number, but is of {day(other.DocumentDate)} over "
            f"{other.InvoiceGrossAmount} {other.DocumentCurrency}; sent was {day(sent.DocumentDate)} over "
            f"{sent.InvoiceGrossAmount} {sent.DocumentCurrency}",
        )
    return Absent(f"no invoice {sent.SupplierInvoiceIDByInvcgParty} of {sent.InvoicingParty} in {sent.CompanyCode}")


def _equal(document: wire.A_SupplierInvoiceRead, sent: wire.A_SupplierInvoice) -> bool:
    if document.DocumentCurrency != sent.DocumentCurrency or day(document.DocumentDate) != day(sent.DocumentDate):
        return False
    # Compared as numbers: 119.000 and 119.00 are the same, the third decimal is only SAP's type showing.
    try:
        return Amount.parse(document.InvoiceGrossAmount) == Amount.parse(sent.InvoiceGrossAmount)
    except NumberInvalid:
        return False
