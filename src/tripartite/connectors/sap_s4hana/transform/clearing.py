"""What SAP says of the payment of an invoice, and of cost centres: pure readings of the answers to questions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from tripartite.connectors.sap_s4hana.transform.words import day, initial, stated
from tripartite.connectors.sap_s4hana.wire.finance import A_CostCenter, A_OperationalAcctgDocItemCube
from tripartite.core.codec import Malformed, decode
from tripartite.core.money import Amount
from tripartite.core.objects import Clearing, CostCentre, PaymentRelease
from tripartite.runtime.protocol import Unwritable

# Document types of a standard delivery that are payments: of the payment program, and entered by hand.
_PAYMENTS = frozenset({"ZP", "KZ"})
_INVOICES = frozenset({"RE", "KR", "RN"})


def write_release(payload: bytes) -> PaymentRelease:
    """The invoice to release. Errors: `Unwritable` where its document is no number/year."""
    release = decode(payload, PaymentRelease)
    number, _, year = release.document.partition("/")
    if not number or len(number) > 10 or len(year) != 4 or not year.isdigit():
        raise Unwritable("posting.unwritable", "/document", f"{release.document[:30]!r} is no document number/year")
    return release


def read_clearing(
    document: str, items: Sequence[A_OperationalAcctgDocItemCube], clearing: Sequence[A_OperationalAcctgDocItemCube]
) -> Clearing | None:
    """How the supplier item of `document` stands; None where SAP shows none. `clearing` are the items of the document
    that cleared it: only a payment among them means paid. A type we do not know leaves it `cleared`, never paid.

    Errors: `Malformed` where an amount or a date is none.
    """
    mine = [item for item in items if item.FinancialAccountType == "K"]
    if not mine:
        return None
    # Instalments are items of their own: what is open in any of them is open.
    standing = sorted(mine, key=lambda item: (bool(item.IsCleared), item.AccountingDocumentItem or ""))[0]
    state = "open"
    if standing.IsCleared:
        kinds = {item.AccountingDocumentType or "" for item in clearing}
        state = "paid" if kinds & _PAYMENTS else "reversed" if kinds and kinds <= _INVOICES else "cleared"
    elif standing.IsUsedInPaymentTransaction or standing.HasPaymentOrder:
        state = "in_payment"
    total = Amount(0)
    for item in mine:
        if not initial(item.AmountInTransactionCurrency):
            total = Amount(total + Amount.parse(stated(item.AmountInTransactionCurrency)))
    number = standing.ClearingAccountingDocument or ""
    return Clearing(
        company_code=standing.CompanyCode or "",
        document=document,
        state=state,  # type: ignore[arg-type]
        currency=standing.TransactionCurrency or "",
        amount=Amount(abs(total)),
        payment_block=standing.PaymentBlockingReason or "",
        cleared_on=day(standing.ClearingDate),
        clearing_document=f"{number}/{standing.ClearingDocFiscalYear}" if number else "",
        due_on=day(standing.NetDueDate),
    )


def read_cost_centre(rows: Sequence[A_CostCenter], company_code: str, on: date) -> CostCentre | None:
    """The cost centre as it may be posted to on a day; None where it is not valid then, or blocked.

    Errors: `Malformed` where a date is none.
    """
    for row in rows:
        begins, ends = day(row.ValidityStartDate), day(row.ValidityEndDate)
        if begins is None or ends is None:
            raise Malformed("integration.schema_violated", "a cost centre without its dates")
        if row.CompanyCode == company_code and begins <= on <= ends and row.IsBlkdForPrimaryCostsPosting != "X":
            return CostCentre(code=(row.CostCenter or "").lstrip("0"), company_code=company_code, valid_to=ends)
    return None
