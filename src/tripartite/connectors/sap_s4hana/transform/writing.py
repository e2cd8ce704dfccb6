"""A posting into SAP's words: one deep create on `A_SupplierInvoice`. Not for deciding what to post, nor for sending.

Amounts are in the document's currency, positive, never rounded; a credit memo is told by its flag. What SAP has no
place for is refused (`Unwritable`), never cut: a supplier's number cut to 16 characters is another number.

Dropped on purpose: `remit_to` (SAP pays to the master's accounts, named by a key we are not told; a new account is a
change of master data, not part of a posting) and `small_difference` (SAP books it by its own tolerance BD).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.transform.words import iso_unit, money, padded, quantity, reference_number, ticks
from tripartite.core.codec import decode
from tripartite.core.objects import Posting, PostingLine
from tripartite.runtime.protocol import Unwritable


def write_posting(payload: bytes) -> wire.A_SupplierInvoice:
    """The body of a posting. Errors: `Unwritable` naming the field of ours that does not fit.

    Lines with an order go to the PO lines, with the receipt triple where a receipt is named and without it where not
    (SAP refuses empty ones); lines without an order go to G/L account lines.
    """
    posting = decode(payload, Posting)
    currency = posting.currency
    number = reference_number(posting.invoice_number)
    if not number:
        raise Unwritable("posting.unwritable", "/invoice_number", "an invoice without the supplier's number")
    body = wire.A_SupplierInvoice(
        CompanyCode=_fits(posting.company_code, 4, "/company_code"),
        DocumentDate=ticks(posting.issued_on),
        PostingDate=ticks(posting.posted_on),
        SupplierInvoiceIDByInvcgParty=_fits(number, 16, "/invoice_number"),
        InvoicingParty=_fits(posting.supplier_number, 10, "/supplier_number"),
        DocumentCurrency=currency,
        InvoiceGrossAmount=money(posting.gross, currency, "/gross"),
        # Clients with time-dependent taxes demand it; the others take it as the default it would be.
        TaxDeterminationDate=ticks(posting.issued_on),
        TaxIsCalculatedAutomatically=not posting.taxes,
    )
    if posting.credit:
        body.SupplierInvoiceIsCreditMemo = "X"
    if posting.original_document:
        # Our own reference of a posting is number/year: it is taken apart where the year does not stand beside it.
        original, _, year = posting.original_document.partition("/")
        year = posting.original_year or year
        body.InvoiceReference = _fits(original, 10, "/original_document")
        body.InvoiceReferenceFiscalYear = _fits(year, 4, "/original_year") or None
    if posting.payment_block:
        body.PaymentBlockingReason = _fits(posting.payment_block, 1, "/payment_block")
    if posting.unplanned_cost:
        body.UnplannedDeliveryCost = money(posting.unplanned_cost, currency, "/unplanned_cost", negative=True)
    _write_terms(body, posting)
    if posting.taxes:
        body.to_SupplierInvoiceTax = [
            wire.A_SupplierInvoiceTax(
                TaxCode=_fits(tax.code, 2, f"/taxes/{index}/code"),
                DocumentCurrency=currency,
                TaxAmount=money(tax.amount, currency, f"/taxes/{index}/amount"),
                TaxBaseAmountInTransCrcy=None
                if tax.base is None
                else money(tax.base, currency, f"/taxes/{index}/base"),
            )
            for index, tax in enumerate(posting.taxes)
        ]
    ordered: list[wire.A_SuplrInvcItemPurOrdRef] = []
    accounts: list[wire.A_SupplierInvoiceItemGLAcct] = []
    for index, line in enumerate(posting.lines):
        if line.order_number:
            ordered.append(_order_line(line, index, len(ordered) + 1, currency))
        else:
            accounts.append(_account_line(line, index, len(accounts) + 1, posting))
    if not ordered and not accounts:
        raise Unwritable("posting.unwritable", "/lines", "a posting without lines")
    body.to_SuplrInvcItemPurOrdRef = ordered or None
    body.to_SupplierInvoiceItemGLAcct = accounts or None
    return body


def addressed(body: wire.A_SupplierInvoice, key: str, tax_countries: Mapping[str, str]) -> wire.A_SupplierInvoice:
    """The body with what only the connection knows: our key, and the tax country of the company where one is set.

    The first 25 characters of the delivery's key stand in the header text, so that a document can be told to be ours
    after a person has reversed it (the natural key alone cannot: the rebill has the same number).
    """
    body.DocumentHeaderText = key[:25] or None
    if country := tax_countries.get(body.CompanyCode or ""):
        for item in body.to_SuplrInvcItemPurOrdRef or ():
            item.TaxCountry = country if item.TaxCode else None
        for account in body.to_SupplierInvoiceItemGLAcct or ():
            account.TaxCountry = country if account.TaxCode else None
        for tax in body.to_SupplierInvoiceTax or ():
            tax.TaxCountry = country
    return body


def _write_terms(body: wire.A_SupplierInvoice, posting: Posting) -> None:
    # The terms key decides where there is one; a due date without a key becomes net days from the document date, and
    # one before it (due at once) a baseline date without days.
    if posting.payment_terms:
        body.PaymentTerms = _fits(posting.payment_terms, 4, "/payment_terms")
        body.DueCalculationBaseDate = ticks(posting.issued_on)
    elif posting.due_on is not None:
        days = (posting.due_on - posting.issued_on).days
        if days > 999:
            raise Unwritable("posting.unwritable", "/due_on", f"{days} net days are more than SAP's 999")
        base: date = posting.issued_on if days >= 0 else posting.due_on
        body.DueCalculationBaseDate = ticks(base)
        body.NetPaymentDays = str(max(days, 0))


def _order_line(line: PostingLine, index: int, position: int, currency: str) -> wire.A_SuplrInvcItemPurOrdRef:
    here = f"/lines/{index}"
    if not 0 < line.order_line <= 99999:
        raise Unwritable("posting.unwritable", here + "/order_line", "an order line of 1 to 99999 is needed")
    item = wire.A_SuplrInvcItemPurOrdRef(
        SupplierInvoiceItem=f"{position:06d}",
        PurchaseOrder=_fits(line.order_number, 10, here + "/order_number"),
        PurchaseOrderItem=f"{line.order_line:05d}",
        TaxCode=_fits(line.tax_code, 2, here + "/tax_code") or None,
        DocumentCurrency=currency,
        SupplierInvoiceItemAmount=money(line.amount, currency, here + "/amount"),
    )
    if line.receipt_number:
        number, _, year = line.receipt_number.partition("/")
        year = line.receipt_year or year
        if len(year) != 4 or not 0 < line.receipt_line <= 9999:
            raise Unwritable("posting.unwritable", here + "/receipt_year", "a receipt needs its year and line")
        # The material document and its year must be padded, unlike the other numbers.
        item.ReferenceDocument = padded(_fits(number, 10, here + "/receipt_number"))
        item.ReferenceDocumentFiscalYear = year
        item.ReferenceDocumentItem = f"{line.receipt_line:04d}"
    if line.quantity is not None:
        item.QuantityInPurchaseOrderUnit = quantity(line.quantity, here + "/quantity")
        if iso := iso_unit(line.unit):
            item.PurchaseOrderQtyUnitISOCode = iso
        elif line.unit:
            item.PurchaseOrderQuantityUnit = _fits(line.unit, 3, here + "/unit")
    if line.value_only:
        item.IsSubsequentDebitCredit = "X"
    if line.final:
        item.IsFinallyInvoiced = True
    return item


def _account_line(line: PostingLine, index: int, position: int, posting: Posting) -> wire.A_SupplierInvoiceItemGLAcct:
    here = f"/lines/{index}"
    if not line.account:
        raise Unwritable("posting.unwritable", here + "/account", "a line without an order needs a G/L account")
    if position > 9999:
        raise Unwritable("posting.unwritable", here, "more than 9999 account lines")
    # An invoice debits the cost, a credit memo credits it; a negative line goes the other way.
    debit = posting.credit == (line.amount < 0)
    return wire.A_SupplierInvoiceItemGLAcct(
        SupplierInvoiceItem=f"{position:04d}",
        CompanyCode=posting.company_code,
        CostCenter=_fits(line.cost_centre, 10, here + "/cost_centre") or None,
        GLAccount=_fits(line.account, 10, here + "/account"),
        DocumentCurrency=posting.currency,
        SupplierInvoiceItemAmount=money(abs(line.amount), posting.currency, here + "/amount"),
        TaxCode=_fits(line.tax_code, 2, here + "/tax_code") or None,
        DebitCreditCode="S" if debit else "H",
    )


def _fits(text: str, length: int, pointer: str) -> str:
    if len(text) > length:
        raise Unwritable(
            "posting.unwritable", pointer, f"{text[:40]!r} has {len(text)} characters and SAP takes {length}"
        )
    return text
