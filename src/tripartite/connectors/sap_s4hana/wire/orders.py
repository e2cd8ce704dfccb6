"""Purchase orders as they are written, and as far as they are read again to see how they stand.

API_PURCHASEORDER_PROCESS_SRV. Absent means absent: an empty string is a value to SAP.
"""

# ruff: noqa: N801 - the classes carry the names of SAP's entity sets

from __future__ import annotations

import msgspec

from tripartite.connectors.sap_s4hana.wire import (
    D3_1,
    D5_0,
    D12_3,
    D13_3,
    D14_3,
    S1,
    S2,
    S3,
    S4,
    S5,
    S9,
    S10,
    S12,
    S35,
    S40,
    Day,
    Flag,
    Many,
)


class A_PurOrdAccountAssignment(msgspec.Struct, omit_defaults=True, kw_only=True):
    AccountAssignmentNumber: S2 = None
    GLAccount: S10 = None
    CostCenter: S10 = None


class A_PurchaseOrderScheduleLine(msgspec.Struct, omit_defaults=True, kw_only=True):
    ScheduleLine: S4 = None
    ScheduleLineDeliveryDate: Day = None


class A_PurchaseOrderItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    PurchaseOrder: S10 = None  # only where an item is added to an order that stands
    PurchaseOrderItem: S5 = None
    PurchasingDocumentDeletionCode: S1 = None  # L: deleted; an empty string takes it back
    PurchaseOrderItemText: S40 = None
    Plant: S4 = None
    MaterialGroup: S9 = None
    Material: S40 = None
    SupplierMaterialNumber: S35 = None
    OrderQuantity: D13_3 = None
    PurchaseOrderQuantityUnit: S3 = None
    OrderPriceUnit: S3 = None
    DocumentCurrency: S5 = None
    NetPriceAmount: D12_3 = None
    NetPriceQuantity: D5_0 = None
    TaxCode: S2 = None
    TaxCountry: S3 = None
    OverdelivTolrtdLmtRatioInPct: D3_1 = None
    UnlimitedOverdeliveryIsAllowed: Flag = None
    UnderdelivTolrtdLmtRatioInPct: D3_1 = None
    PurchaseOrderItemCategory: S1 = None
    AccountAssignmentCategory: S1 = None  # K: cost centre
    GoodsReceiptIsExpected: Flag = None
    InvoiceIsExpected: Flag = None
    InvoiceIsGoodsReceiptBased: Flag = None
    EvaldRcptSettlmtIsAllowed: Flag = None
    RequisitionerName: S12 = None
    OverallLimitAmount: D14_3 = None
    ExpectedOverallLimitAmount: D14_3 = None
    to_AccountAssignment: list[A_PurOrdAccountAssignment] | None = None
    to_ScheduleLine: list[A_PurchaseOrderScheduleLine] | None = None


class A_PurchaseOrder(msgspec.Struct, omit_defaults=True, kw_only=True):
    PurchaseOrder: S10 = None  # only where the document type takes numbers from outside
    PurchaseOrderType: S4 = None
    CompanyCode: S4 = None
    PurchasingOrganization: S4 = None
    PurchasingGroup: S3 = None
    Supplier: S10 = None
    DocumentCurrency: S5 = None
    PurchaseOrderDate: Day = None
    CorrespncExternalReference: S12 = None  # procurement's order number
    CorrespncInternalReference: S12 = None  # its version
    to_PurchaseOrderItem: list[A_PurchaseOrderItem] | None = None


class Metadata(msgspec.Struct):
    etag: str = ""


class A_PurOrdAccountAssignmentRead(msgspec.Struct, kw_only=True):
    AccountAssignmentNumber: S2 = None
    GLAccount: S10 = None
    CostCenter: S10 = None
    IsDeleted: Flag = None
    metadata: Metadata = msgspec.field(name="__metadata", default_factory=Metadata)


class A_PurchaseOrderItemRead(msgspec.Struct, kw_only=True):
    PurchaseOrderItem: S5 = None
    PurchasingDocumentDeletionCode: S1 = None
    Plant: S4 = None
    OrderQuantity: D13_3 = None
    PurchaseOrderQuantityUnit: S3 = None
    NetPriceAmount: D12_3 = None
    NetPriceQuantity: D5_0 = None
    TaxCode: S2 = None
    PurchaseOrderItemCategory: S1 = None
    OverallLimitAmount: D14_3 = None
    to_AccountAssignment: Many[A_PurOrdAccountAssignmentRead] | list[A_PurOrdAccountAssignmentRead] | None = None
    metadata: Metadata = msgspec.field(name="__metadata", default_factory=Metadata)


class A_PurchaseOrderRead(msgspec.Struct, kw_only=True):
    PurchaseOrder: S10 = None
    CompanyCode: S4 = None
    Supplier: S10 = None
    DocumentCurrency: S5 = None
    PurchasingDocumentDeletionCode: S1 = None
    CorrespncExternalReference: S12 = None
    CorrespncInternalReference: S12 = None
    to_PurchaseOrderItem: Many[A_PurchaseOrderItemRead] | list[A_PurchaseOrderItemRead] | None = None
    metadata: Metadata = msgspec.field(name="__metadata", default_factory=Metadata)
