"""What components tell one another: topics, and the shape of each message's payload.

Facts travel over the bus in these shapes and no others; a component never reads another's tables. A topic has one
publisher. Names on the wire are `tripartite.<object>.<past-tense>.v<N>`; commands are imperatives.
"""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from tripartite.core.findings import Finding
from tripartite.core.money import Amount, Rate
from tripartite.core.objects import (
    BankAccount,
    BankStatement,
    Billed,
    Budget,
    Invoice,
    Order,
    Payment,
    PaymentReport,
    Receipt,
    Requisition,
    Supplier,
    TaxQuestion,
    TaxQuote,
)

RECEIVED = "received"
CANONICAL = {
    "supplier": "supplier.canonical",
    "requisition": "requisition.canonical",
    "order": "order.canonical",
    "receipt": "receipt.canonical",
    "invoice": "invoice.canonical",
    "payment_report": "payment_report.canonical",
    "bank_statement": "bank_statement.canonical",
    "tax_quote": "tax_quote.canonical",
    "budget": "budget.canonical",
}
SUPPLIER_EVENTS = "supplier.events"
SUPPLIER_COMMANDS = "supplier.commands"
ORDER_EVENTS = "order.events"
RECEIPT_EVENTS = "receipt.events"
INVOICE_EVENTS = "invoice.events"
PAYMENT_EVENTS = "payment.events"
EXCEPTION_EVENTS = "exception.events"
ORDER_COMMANDS = "order.commands"
RECEIPT_COMMANDS = "receipt.commands"
INVOICE_COMMANDS = "invoice.commands"
PAYMENT_COMMANDS = "payment.commands"
EXCEPTION_COMMANDS = "exception.commands"
TAX_COMMANDS = "tax.commands"
DISPOSITIONS = "intake.dispositions"
ASKS = "intake.asks"
ANSWERS = "intake.answers"


class Received(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bytes were taken in and kept; they wait to be read. `kind` where the channel already says what it is."""

    intake_id: str
    digest: str
    connection: str
    media_type: str
    kind: str = ""
    name: str = ""


class SupplierArrived(msgspec.Struct, frozen=True, omit_defaults=True):
    value: Supplier
    intake_id: str = ""
    findings: tuple[Finding, ...] = ()


class RequisitionArrived(msgspec.Struct, frozen=True, omit_defaults=True):
    value: Requisition
    intake_id: str = ""
    findings: tuple[Finding, ...] = ()


class OrderArrived(msgspec.Struct, frozen=True, omit_defaults=True):
    value: Order
    intake_id: str = ""
    findings: tuple[Finding, ...] = ()


class ReceiptArrived(msgspec.Struct, frozen=True, omit_defaults=True):
    value: Receipt
    intake_id: str = ""
    findings: tuple[Finding, ...] = ()


class InvoiceArrived(msgspec.Struct, frozen=True, omit_defaults=True):
    """A canonical invoice, mapped as far as it could be. `source_document` is the channel's own id for it; `entered_by`
    the person who keyed it in, empty where a system brought it.
    """

    value: Invoice
    intake_id: str = ""
    digest: str = ""
    connection: str = ""
    source_document: str = ""
    findings: tuple[Finding, ...] = ()
    entered_by: str = ""


class PaymentReportArrived(msgspec.Struct, frozen=True, omit_defaults=True):
    value: PaymentReport
    intake_id: str = ""
    findings: tuple[Finding, ...] = ()


class BankStatementArrived(msgspec.Struct, frozen=True, omit_defaults=True):
    value: BankStatement
    intake_id: str = ""
    findings: tuple[Finding, ...] = ()


class TaxQuoteArrived(msgspec.Struct, frozen=True, omit_defaults=True):
    value: TaxQuote
    intake_id: str = ""
    findings: tuple[Finding, ...] = ()


class BudgetArrived(msgspec.Struct, frozen=True, omit_defaults=True):
    value: Budget
    intake_id: str = ""
    findings: tuple[Finding, ...] = ()


class SupplierRecorded(msgspec.Struct, frozen=True, omit_defaults=True):
    """The supplier master changed: the whole record, and every name it has elsewhere.

    `value.accounts` are the accounts in use: a pending one is never among them. `eligibility` is `eligible` or
    `suspended`, with the reason codes; empty in a message from before it was said. `replaced_by`: this id is no longer
    a supplier of its own, its records belong to that one.
    """

    value: Supplier
    eligibility: str = ""
    reasons: tuple[str, ...] = ()
    confirmed_accounts: tuple[BankAccount, ...] = ()
    pending_accounts: tuple[BankAccount, ...] = ()
    replaced_by: str = ""


class SuspendSupplier(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command: pay nothing to this supplier until a person lifts it. The same cause suspends once."""

    supplier_id: str
    reason_code: str
    object_id: str
    by: str
    words: str = ""


class OrderRecorded(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest version of an order. `publish_to` is the ERP that must have it before it can be billed there."""

    value: Order
    lifecycle: str = ""
    publish_to: str = ""


class OrderPublished(msgspec.Struct, frozen=True, omit_defaults=True):
    """An ERP said that it has this version of an order; `document` is its own number for it."""

    company_code: str
    order_number: str
    version: int
    connection: str
    document: str


class RequisitionRecorded(msgspec.Struct, frozen=True, omit_defaults=True):
    value: Requisition


class RequisitionOrdered(msgspec.Struct, frozen=True, omit_defaults=True):
    """A requisition became this order: told under the order's correlation id. `was` is the one it had before."""

    value: Requisition
    order_number: str
    was: str = ""


class BudgetChecked(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether the budget covers a requisition, or a question put to us: as of when, and in words."""

    check_id: str
    company_code: str
    outcome: str
    words: str
    requisition: str = ""
    as_of: datetime | None = None


class ReceiptRecorded(msgspec.Struct, frozen=True, omit_defaults=True):
    value: Receipt


class ReceiptPublished(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of telling `connection` of a receipt: `state` as of its delivery, `remote_ref` its number there."""

    company_code: str
    number: str
    version: int
    connection: str
    state: str
    remote_ref: str = ""
    words: str = ""


class ReceiptsRequeried(msgspec.Struct, frozen=True, omit_defaults=True):
    """The warehouse side was asked afresh for an order's receipts: known as of `as_of`; `found` were new."""

    company_code: str
    order_number: str
    as_of: datetime
    found: int = 0


class OrderSought(msgspec.Struct, frozen=True, omit_defaults=True):
    """Procurement was asked for an order number that an invoice named: found or not."""

    company_code: str
    order_number: str
    as_of: datetime
    found: bool = False


class RequeryReceipts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command: ask the warehouse side for the receipts of this order afresh."""

    company_code: str
    order_number: str
    invoice_id: str


class SeekOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command: ask procurement for this order number."""

    company_code: str
    order_number: str
    invoice_id: str


class PublishOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command: the ERP does not have this order; publish it again, or say that it has it."""

    company_code: str
    order_number: str
    invoice_id: str = ""


class EscalateException(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command to whoever opened an exception: its due time has passed, the next role of the policy is to be told."""

    exception_id: str
    object_kind: str


class QuoteTax(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command: get a tax quote for this question; `invoice_id` is decided again when it comes (empty: nobody's)."""

    number: str
    question: TaxQuestion
    invoice_id: str = ""


class Ask(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command to the gateway: ask the connections of these roles a question; what they bring goes through the door.

    `reference` is what the asker wants to hear again (an order number); one ask per question and reference is pending.
    """

    company_code: str
    roles: tuple[str, ...]
    question: str
    reference: str
    parameters: dict[str, str]


class Answered(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question was put to the outside: known as of `as_of`; `found` documents came. `failed`: nobody answered."""

    company_code: str
    question: str
    reference: str
    as_of: datetime
    found: int = 0
    failed: str = ""


class InvoiceChanged(msgspec.Struct, frozen=True, omit_defaults=True):
    """An invoice was decided, posted, refused: who it is, where it stands, in one line of words."""

    invoice_id: str
    number: str
    company_code: str
    supplier_id: str
    supplier_name: str
    kind: str
    currency: str
    state: str
    verdict: str
    decision: int
    words: str
    gross: Amount | None = None
    issued_on: date | None = None
    order_numbers: tuple[str, ...] = ()
    reason_codes: tuple[str, ...] = ()
    money_at_risk: Amount | None = None
    document: str = ""
    version: int = 0  # a higher one is later news of the same invoice
    payable: Amount | None = None  # what may be paid of it, positive; a credit memo's kind gives the direction
    due_on: date | None = None
    discount_percent: Rate | None = None
    discount_days: int | None = None  # from `issued_on`
    remit_to: BankAccount | None = None  # where the document itself wants the money
    payment_block: bool = False
    connection: str = ""  # the system it came from, and its own id of the document
    source_document: str = ""
    lines: tuple[Billed, ...] | None = None  # by order line, as matched; null: as told before


class PaymentChanged(msgspec.Struct, frozen=True, omit_defaults=True):
    """A payment was proposed, released, sent, executed, rejected, returned or cancelled: the whole payment as it is."""

    value: Payment
    order_number: str = ""
    reason: str = ""
    words: str = ""


class Disposed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of received bytes once their owner looked: duplicate, stale, waiting, rejected; with its reason."""

    intake_id: str
    disposition: str
    reason_code: str
    detail: str = ""
