"""Coupa's words and what they say to us: one exhaustive table per field.

A word that stands in no table is not guessed at: the reader answers `Unreadable` with `integration.contract_drifted`.
Words the vendor's page marks as unverified are listed with the others; docs/connectors/coupa.md names them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from tripartite.core.objects.approval import ApprovalDecision
from tripartite.core.objects.order import Basis, MatchMode, OrderStatus
from tripartite.core.objects.receipt import ReceiptKind
from tripartite.core.objects.requisition import RequisitionStatus
from tripartite.core.objects.supplier import SupplierStatus

SUPPLIER_STATUS: MappingProxyType[str, SupplierStatus] = MappingProxyType(
    {
        "draft": "draft",
        "active": "active",
        "inactive": "inactive",
    }
)

REQUISITION_STATUS: MappingProxyType[str, RequisitionStatus] = MappingProxyType(
    {
        "draft": "draft",
        "cart": "draft",
        "pending_buyer_action": "pending",
        "pending_approval": "pending",
        "backgrounded": "pending",  # work on it goes on in the background: not yet a yes
        "approved": "approved",
        "ordered": "ordered",
        "partially_received": "ordered",
        "received": "ordered",
        "abandoned": "withdrawn",
        "withdrawn": "withdrawn",
    }
)

# Of a step's words only some are confirmed; any other is `unknown`, which is never a yes and stops nobody.
APPROVAL_STATUS: MappingProxyType[str, ApprovalDecision] = MappingProxyType(
    {
        "pending": "pending",
        "pending_approval": "pending",
        "approved": "approved",
        "rejected": "rejected",
        "on_hold": "held",
        "hold": "held",
        "bypassed": "skipped",
        "skipped": "skipped",
    }
)

# A held order has been approved but was never sent: the supplier has no commitment to bill against.
ORDER_STATUS: MappingProxyType[str, OrderStatus] = MappingProxyType(
    {
        "draft": "draft",
        "buyer_hold": "draft",
        "currency_hold": "draft",
        "supplier_hold": "draft",
        "supplier_window_hold": "draft",
        "error": "draft",  # sending failed
        "issued": "open",
        "exported": "open",
        "expensed": "closed",  # settled through an expense report or a card: no invoice is due
        "closed": "closed",
        "soft_closed": "closed",  # can be reopened, which is a new revision
        "cancelled": "cancelled",
        "canceled": "cancelled",
    }
)

LINE_STATUS: MappingProxyType[str, OrderStatus] = MappingProxyType(
    {
        "created": "open",
        "ordered": "open",
        "issued": "open",
        "partially_received": "open",
        "received": "open",
        "soft_closed_for_receiving": "open",  # what came may still be billed
        "soft_closed_for_invoicing": "closed",
        "soft_closed": "closed",
        "closed": "closed",
        "cancelled": "cancelled",
        "canceled": "cancelled",
        "deleted": "cancelled",
    }
)

# `none` means that Coupa itself does not match the line. We still hold it against its order: the weaker word of
# another system must not switch our own check off. Direct matching pairs an invoice line with one named receipt.
MATCH_TYPE: MappingProxyType[str, tuple[MatchMode, Basis]] = MappingProxyType(
    {
        "none": ("two_way", "order"),
        "2-way": ("two_way", "order"),
        "3-way": ("three_way", "order"),
        "3-way-fifo": ("three_way", "order"),
        "direct_matching": ("three_way", "receipt"),
    }
)

LineKind = Literal["quantity", "amount"]

ORDER_LINE_TYPE: MappingProxyType[str, LineKind] = MappingProxyType(
    {"OrderQuantityLine": "quantity", "OrderAmountLine": "amount"}
)

REQUISITION_LINE_TYPE: MappingProxyType[str, LineKind] = MappingProxyType(
    {"RequisitionQuantityLine": "quantity", "RequisitionAmountLine": "amount"}
)

# Kind, and whether the transaction counts pieces or value. Voiding writes a transaction of its own, which takes the
# original back; voiding a return therefore makes the goods count again and is a receipt to us.
RECEIPT_TYPE: MappingProxyType[str, tuple[ReceiptKind, LineKind]] = MappingProxyType(
    {
        "InventoryReceipt": ("receipt", "quantity"),
        "ReceivingQuantityConsumption": ("receipt", "quantity"),
        "ReceivingAmountConsumption": ("service_entry", "amount"),
        "InventoryReturnToSupplier": ("return", "quantity"),
        "ReceivingQuantityReturnToSupplier": ("return", "quantity"),
        "ReceivingAmountReturnToSupplier": ("return", "amount"),
        "VoidInventoryReceipt": ("reversal", "quantity"),
        "VoidReceivingQuantityConsumption": ("reversal", "quantity"),
        "VoidReceivingAmountConsumption": ("reversal", "amount"),
        "VoidInventoryReturnToSupplier": ("receipt", "quantity"),
        "VoidReceivingQuantityReturnToSupplier": ("receipt", "quantity"),
        "VoidReceivingAmountReturnToSupplier": ("service_entry", "amount"),
    }
)

# Stock that moves or is scrapped inside the house: nothing came from a supplier and nothing went back to one.
STOCK_MOVEMENTS = frozenset(
    {
        "InventoryConsumption",
        "InventoryTransfer",
        "InventoryAdjustment",
        "InventoryDisposal",
        "ReceivingQuantityDisposal",
        "ReceivingAmountDisposal",
        "VoidInventoryConsumption",
        "VoidInventoryTransfer",
        "VoidInventoryAdjustment",
        "VoidInventoryDisposal",
        "VoidReceivingQuantityDisposal",
        "VoidReceivingAmountDisposal",
    }
)

# A voided receipt still stands as a receipt: the Void transaction beside it is what takes it back, once.
RECEIPT_STATUS = frozenset({"created", "voided"})

# Fields that Coupa documents and we drop on purpose, each with its reason.
DROPPED: MappingProxyType[str, MappingProxyType[str, str]] = MappingProxyType(
    {
        "supplier": MappingProxyType(
            {
                "remit-to-addresses": "bank details are masked for an API client and never taken from here",
                "payment-method": "how we pay is finance's decision, not procurement's",
                "invoice-matching-level": "the order line's match type is what binds",
                "hold-invoices-for-ap-review": "policy decides on review",
                "po-method": "how Coupa sends orders",
                "po-change-method": "how Coupa sends orders",
                "po-email": "how Coupa sends orders",
                "cxml-secret": "a secret that is none of our business",
                "cxml-http-password": "a secret that is none of our business",
                "primary-contact": "personal data that no rule needs",
                "contacts": "personal data that no rule needs",
                "created-at": "not matched on",
                "created-by": "personal data that no rule needs",
                "updated-by": "personal data that no rule needs",
            }
        ),
        "requisition": MappingProxyType(
            {
                "justification": "free text that no rule reads",
                "department": "the coding of the lines names who pays",
                "attachments": "not fetched",
                "exported": "Coupa's hand-off flag",
                "created-at": "not matched on",
                "created-by": "the requester is `requested-by`",
                "updated-by": "personal data that no rule needs",
                "total": "a sum of the lines",
            }
        ),
        "budget": MappingProxyType(
            {
                "remaining-budget": "`remaining` says it",
                "owner": "personal data that no rule needs",
                "owner-is-approver": "approval is procurement's",
                "overrun-calculation": "`remaining` is Coupa's own result",
                "description": "free text that no rule reads",
                "notes": "free text that no rule reads",
                "created-at": "not matched on",
                "created-by": "personal data that no rule needs",
                "updated-by": "personal data that no rule needs",
            }
        ),
        "order": MappingProxyType(
            {
                "exported": "Coupa's hand-off flag",
                "last-exported-at": "Coupa's hand-off flag",
                "acknowledged-flag": "sending is Coupa's affair",
                "acknowledged-at": "sending is Coupa's affair",
                "transmission-status": "sending is Coupa's affair",
                "change-type": "the new version itself is read",
                "shipping-term": "delivery terms are not matched",
                "ship-to-user": "personal data that no rule needs",
                "ship-to-attention": "personal data that no rule needs",
                "attachments": "not fetched",
                "created-by": "the requester is the requisition's",
                "updated-by": "personal data that no rule needs",
                "supplier-site": "orders bind the supplier",
                "pcard": "card data is not taken in",
                "total": "a sum of the lines",
                "order-lines/received": "receipts say it, one by one",
                "order-lines/invoiced": "invoices say it, one by one",
                "order-lines/receipt-approval-required": "an approved receipt arrives as a receipt",
                "order-lines/commodity": "category rules work on the supplier and the account",
                "order-lines/period": "the budget period of the requisition",
                "order-lines/bulk-price": "the order's own price binds",
                "order-lines/savings-pct": "not matched on",
                "order-lines/order-line-tax-detail": "tax codes come from the mapping",
            }
        ),
        "receipt": MappingProxyType(
            {
                "asn-header": "the match reference names the delivery",
                "asn-line": "the match reference names the delivery",
                "rfid-tag": "not matched on",
                "asset-tags": "not matched on",
                "attachments": "not fetched",
                "comments": "free text that no rule reads",
                "from-warehouse": "stock location",
                "to-warehouse": "stock location",
                "to-warehouse-location": "stock location",
                "from-warehouse-location": "stock location",
                "inspection-code": "acceptance is booked as a receipt of its own",
                "exported": "Coupa's hand-off flag",
                "last-exported-at": "Coupa's hand-off flag",
                "created-at": "the transaction date binds",
                "updated-by": "personal data that no rule needs",
                "voided_value": "the Void transaction says it",
            }
        ),
    }
)
