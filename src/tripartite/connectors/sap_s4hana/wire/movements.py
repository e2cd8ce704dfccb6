"""Material documents as they are written and as they are found again. API_MATERIAL_DOCUMENT_SRV."""

# ruff: noqa: N801 - the classes carry the names of SAP's entity sets

from __future__ import annotations

import msgspec

from tripartite.connectors.sap_s4hana.wire import D13_3, S1, S2, S3, S4, S5, S10, S16, S25, Day, Many


class A_MaterialDocumentItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    PurchaseOrder: S10 = None
    PurchaseOrderItem: S5 = None
    GoodsMovementType: S3 = None  # 101 receipt, 102 reversal, 122 return to the supplier
    GoodsMovementRefDocType: S1 = None  # B: purchase order
    Plant: S4 = None
    QuantityInEntryUnit: D13_3 = None
    EntryUnit: S3 = None
    InvtryMgmtReferenceDocument: S10 = None  # the document that a return or reversal takes from
    ReferenceDocumentFiscalYear: S4 = None


class A_MaterialDocumentHeader(msgspec.Struct, omit_defaults=True, kw_only=True):
    GoodsMovementCode: S2 = None  # 01: receipt for a purchase order
    DocumentDate: Day = None
    PostingDate: Day = None
    MaterialDocumentHeaderText: S25 = None  # the warehouse's own number of the receipt
    ReferenceDocument: S16 = None  # the supplier's delivery note
    to_MaterialDocumentItem: list[A_MaterialDocumentItem] | None = None


class A_MaterialDocumentItemRead(msgspec.Struct, kw_only=True):
    GoodsMovementType: S3 = None
    PurchaseOrder: S10 = None
    PurchaseOrderItem: S5 = None
    QuantityInEntryUnit: D13_3 = None


class A_MaterialDocumentHeaderRead(msgspec.Struct, kw_only=True):
    MaterialDocumentYear: S4 = None
    MaterialDocument: S10 = None
    PostingDate: Day = None
    MaterialDocumentHeaderText: S25 = None
    to_MaterialDocumentItem: Many[A_MaterialDocumentItemRead] | list[A_MaterialDocumentItemRead] | None = None
