"""The canonical objects: our form of what every vendor says in its own words.

One module per object. All are frozen `msgspec` structs with tuples inside, so a value can be shared and hashed, and
its JSON has one form (core/codec.py). Fields a document did not state are None or empty: nothing is invented.
"""

from tripartite.core.objects.approval import ApprovalDecision, ApprovalStep
from tripartite.core.objects.billed import Billed
from tripartite.core.objects.budget import Budget
from tripartite.core.objects.invoice import (
    Allowance,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    TaxSubtotal,
    Withholding,
)
from tripartite.core.objects.order import Order, OrderCharge, OrderLine, PriceVersion, ScaleStep
from tripartite.core.objects.party import Address, BankAccount, Contact, Identifier, Party
from tripartite.core.objects.payment import (
    BankEntry,
    BankStatement,
    Clearing,
    Payment,
    PaymentItem,
    PaymentOrder,
    PaymentReport,
    TransferReport,
)
from tripartite.core.objects.posting import PaymentRelease, Posting, PostingLine, PostingTax
from tripartite.core.objects.receipt import Receipt, ReceiptKind, ReceiptLine
from tripartite.core.objects.reference import CostCentre, ExchangeRate, TaxCode
from tripartite.core.objects.requisition import Requisition, RequisitionLine
from tripartite.core.objects.supplier import Supplier
from tripartite.core.objects.tax_quote import QuotedLine, QuotedTax, TaxQuestion, TaxQuestionLine, TaxQuote

__all__ = [
    "Address",
    "Allowance",
    "ApprovalDecision",
    "ApprovalStep",
    "BankAccount",
    "BankEntry",
    "BankStatement",
    "Billed",
    "Budget",
    "Clearing",
    "Contact",
    "CostCentre",
    "ExchangeRate",
    "Identifier",
    "Invoice",
    "InvoiceKind",
    "InvoiceLine",
    "Order",
    "OrderCharge",
    "OrderLine",
    "Party",
    "Payment",
    "PaymentItem",
    "PaymentOrder",
    "PaymentRelease",
    "PaymentReport",
    "Posting",
    "PostingLine",
    "PostingTax",
    "PriceVersion",
    "QuotedLine",
    "QuotedTax",
    "Receipt",
    "ReceiptKind",
    "ReceiptLine",
    "Requisition",
    "RequisitionLine",
    "ScaleStep",
    "Supplier",
    "TaxCode",
    "TaxQuestion",
    "TaxQuestionLine",
    "TaxQuote",
    "TaxSubtotal",
    "TransferReport",
    "Withholding",
]
