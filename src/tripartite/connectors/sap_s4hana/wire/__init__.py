"""The shapes of SAP's OData V2 services in SAP's own words: names, types and lengths as the service metadata has them.

Only the fields this connector reads or writes; what else an answer carries is passed over when it is read. `S10` is a
string of at most ten characters, `D14_3` an Edm.Decimal, which in V2 JSON is a string. Nothing here translates:
`/Date(...)/`, leading zeros and initial values stay as they came (transform/words.py explains them).
"""

# ruff: noqa: N801 - the classes carry the names of SAP's entity sets

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

S = str | None  # a string without a length of its own
S1 = Annotated[str, Meta(max_length=1)] | None
S2 = Annotated[str, Meta(max_length=2)] | None
S3 = Annotated[str, Meta(max_length=3)] | None
S4 = Annotated[str, Meta(max_length=4)] | None
S5 = Annotated[str, Meta(max_length=5)] | None
S6 = Annotated[str, Meta(max_length=6)] | None
S9 = Annotated[str, Meta(max_length=9)] | None
S10 = Annotated[str, Meta(max_length=10)] | None
S11 = Annotated[str, Meta(max_length=11)] | None
S12 = Annotated[str, Meta(max_length=12)] | None
S15 = Annotated[str, Meta(max_length=15)] | None
S16 = Annotated[str, Meta(max_length=16)] | None
S18 = Annotated[str, Meta(max_length=18)] | None
S20 = Annotated[str, Meta(max_length=20)] | None
S25 = Annotated[str, Meta(max_length=25)] | None
S34 = Annotated[str, Meta(max_length=34)] | None
S35 = Annotated[str, Meta(max_length=35)] | None
S40 = Annotated[str, Meta(max_length=40)] | None
S60 = Annotated[str, Meta(max_length=60)] | None
S80 = Annotated[str, Meta(max_length=80)] | None
S81 = Annotated[str, Meta(max_length=81)] | None
D3_0 = Annotated[str, Meta(extra={"edm": "Decimal", "digits": 3, "scale": 0})] | None
D3_1 = Annotated[str, Meta(extra={"edm": "Decimal", "digits": 3, "scale": 1})] | None
D5_0 = Annotated[str, Meta(extra={"edm": "Decimal", "digits": 5, "scale": 0})] | None
D12_3 = Annotated[str, Meta(extra={"edm": "Decimal", "digits": 12, "scale": 3})] | None
D13_3 = Annotated[str, Meta(extra={"edm": "Decimal", "digits": 13, "scale": 3})] | None
D14_3 = Annotated[str, Meta(extra={"edm": "Decimal", "digits": 14, "scale": 3})] | None
D16_3 = Annotated[str, Meta(extra={"edm": "Decimal", "digits": 16, "scale": 3})] | None
Day = Annotated[str, Meta(extra={"edm": "DateTime"})] | None  # /Date(ms)/, midnight UTC of a local date
Moment = Annotated[str, Meta(extra={"edm": "DateTimeOffset"})] | None  # /Date(ms+0000)/
Clock = Annotated[str, Meta(extra={"edm": "Time"})] | None  # PT10H05M00S
Flag = bool | None


class Many(msgspec.Struct, Generic[T]):
    """Children: expanded under `results`, or only a `__deferred` link, when `results` stays None."""

    results: list[T] | None = None


# API_SUPPLIERINVOICE_PROCESS_SRV: what is sent. Absent means absent: an empty string is a value to SAP.


class A_SuplrInvcItemPurOrdRef(msgspec.Struct, omit_defaults=True, kw_only=True):
    SupplierInvoiceItem: S6 = None
    PurchaseOrder: S10 = None
    PurchaseOrderItem: S5 = None
    ReferenceDocument: S10 = None  # the material document, where the PO item is verified by goods receipt
    ReferenceDocumentFiscalYear: S4 = None
    ReferenceDocumentItem: S4 = None
    IsSubsequentDebitCredit: S1 = None  # X or absent
    TaxCode: S2 = None
    TaxCountry: S3 = None
    DocumentCurrency: S5 = None
    SupplierInvoiceItemAmount: D14_3 = None
    PurchaseOrderQuantityUnit: S3 = None
    PurchaseOrderQtyUnitISOCode: S3 = None
    QuantityInPurchaseOrderUnit: D13_3 = None
    IsFinallyInvoiced: Flag = None


class A_SupplierInvoiceItemGLAcct(msgspec.Struct, omit_defaults=True, kw_only=True):
    SupplierInvoiceItem: S4 = None
    CompanyCode: S4 = None
    CostCenter: S10 = None
    GLAccount: S10 = None
    DocumentCurrency: S5 = None
    SupplierInvoiceItemAmount: D14_3 = None
    TaxCode: S2 = None
    TaxCountry: S3 = None
    DebitCreditCode: S1 = None  # S debit, H credit


class A_SupplierInvoiceTax(msgspec.Struct, omit_defaults=True, kw_only=True):
    TaxCode: S2 = None
    DocumentCurrency: S5 = None
    TaxAmount: D14_3 = None
    TaxBaseAmountInTransCrcy: D16_3 = None
    TaxCountry: S3 = None


class A_SupplierInvoice(msgspec.Struct, omit_defaults=True, kw_only=True):
    CompanyCode: S4 = None
    DocumentDate: Day = None
    PostingDate: Day = None
    SupplierInvoiceIDByInvcgParty: S16 = None  # the supplier's own number, upper case
    InvoicingParty: S10 = None
    DocumentCurrency: S5 = None
    InvoiceGrossAmount: D14_3 = None
    UnplannedDeliveryCost: D14_3 = None
    DocumentHeaderText: S25 = None
    PaymentTerms: S4 = None
    DueCalculationBaseDate: Day = None
    NetPaymentDays: D3_0 = None
    PaymentBlockingReason: S1 = None
    InvoiceReference: S10 = None
    InvoiceReferenceFiscalYear: S4 = None
    TaxIsCalculatedAutomatically: Flag = None
    TaxDeterminationDate: Day = None
    SupplierInvoiceIsCreditMemo: S1 = None  # X or absent; true is refused
    to_SuplrInvcItemPurOrdRef: list[A_SuplrInvcItemPurOrdRef] | None = None
    to_SupplierInvoiceItemGLAcct: list[A_SupplierInvoiceItemGLAcct] | None = None
    to_SupplierInvoiceTax: list[A_SupplierInvoiceTax] | None = None


class A_SupplierInvoiceRead(msgspec.Struct, kw_only=True):
    """The same set as it is answered, as far as a posting is recognised by it."""

    SupplierInvoice: S10 = None
    FiscalYear: S4 = None
    CompanyCode: S4 = None
    DocumentDate: Day = None
    SupplierInvoiceIDByInvcgParty: S16 = None
    InvoicingParty: S10 = None
    DocumentCurrency: S5 = None
    InvoiceGrossAmount: D14_3 = None
    DocumentHeaderText: S25 = None
    PaymentBlockingReason: S1 = None
    SupplierInvoiceStatus: S1 = None
    SupplierInvoiceIsCreditMemo: S1 = None
    ReverseDocument: S10 = None
    ReverseDocumentFiscalYear: S4 = None


# API_PURCHASEORDER_PROCESS_SRV


class A_PurOrdAccountAssignment(msgspec.Struct, kw_only=True):
    AccountAssignmentNumber: S2 = None
    IsDeleted: Flag = None
    GLAccount: S10 = None
    CostCenter: S10 = None


class A_PurchaseOrderScheduleLine(msgspec.Struct, kw_only=True):
    ScheduleLine: S4 = None
    ScheduleLineDeliveryDate: Day = None


class A_PurOrdPricingElement(msgspec.Struct, kw_only=True):
    ConditionType: S4 = None
    ConditionCategory: S1 = None  # B: delivery costs
    ConditionAmount: D16_3 = None
    ConditionInactiveReason: S1 = None
    ConditionIsForStatistics: Flag = None


class A_PurchaseOrderNote(msgspec.Struct, kw_only=True):
    PlainLongText: S = None


class A_PurchaseOrderItem(msgspec.Struct, kw_only=True):
    PurchaseOrderItem: S5 = None
    PurchasingDocumentDeletionCode: S1 = None
    PurchaseOrderItemText: S40 = None
    SupplierMaterialNumber: S35 = None
    OrderQuantity: D13_3 = None
    PurchaseOrderQuantityUnit: S3 = None
    OrderPriceUnit: S3 = None
    OrderPriceUnitToOrderUnitNmrtr: D5_0 = None
    OrdPriceUnitToOrderUnitDnmntr: D5_0 = None
    NetPriceAmount: D12_3 = None
    NetPriceQuantity: D5_0 = None
    TaxCode: S2 = None
    OverdelivTolrtdLmtRatioInPct: D3_1 = None
    UnlimitedOverdeliveryIsAllowed: Flag = None
    UnderdelivTolrtdLmtRatioInPct: D3_1 = None
    IsFinallyInvoiced: Flag = None
    PurchaseOrderItemCategory: S1 = None
    GoodsReceiptIsExpected: Flag = None
    InvoiceIsExpected: Flag = None
    InvoiceIsGoodsReceiptBased: Flag = None
    PurchaseContract: S10 = None
    EvaldRcptSettlmtIsAllowed: Flag = None
    PurchaseRequisition: S10 = None
    IsReturnsItem: Flag = None
    RequisitionerName: S12 = None
    Material: S40 = None
    InternationalArticleNumber: S18 = None
    OverallLimitAmount: D14_3 = None
    ExpectedOverallLimitAmount: D14_3 = None
    to_AccountAssignment: Many[A_PurOrdAccountAssignment] | list[A_PurOrdAccountAssignment] | None = None
    to_ScheduleLine: Many[A_PurchaseOrderScheduleLine] | list[A_PurchaseOrderScheduleLine] | None = None
    to_PurchaseOrderPricingElement: Many[A_PurOrdPricingElement] | list[A_PurOrdPricingElement] | None = None


class A_PurchaseOrder(msgspec.Struct, kw_only=True):
    PurchaseOrder: S10 = None
    CompanyCode: S4 = None
    PurchasingDocumentDeletionCode: S1 = None
    PurchasingProcessingStatus: S2 = None
    CreatedByUser: S12 = None
    LastChangeDateTime: Moment = None
    Supplier: S10 = None
    PaymentTerms: S4 = None
    PurchaseOrderDate: Day = None
    DocumentCurrency: S5 = None
    ValidityStartDate: Day = None
    ValidityEndDate: Day = None
    InvoicingParty: S10 = None
    ReleaseIsNotCompleted: Flag = None
    AddressCityName: S40 = None
    AddressName: S40 = None
    AddressPostalCode: S10 = None
    AddressStreetName: S60 = None
    AddressHouseNumber: S10 = None
    AddressRegion: S3 = None
    AddressCountry: S3 = None
    to_PurchaseOrderItem: Many[A_PurchaseOrderItem] | list[A_PurchaseOrderItem] | None = None
    to_PurchaseOrderNote: Many[A_PurchaseOrderNote] | list[A_PurchaseOrderNote] | None = None


# API_MATERIAL_DOCUMENT_SRV


class A_MaterialDocumentItem(msgspec.Struct, kw_only=True):
    MaterialDocumentItem: S4 = None
    Material: S40 = None
    GoodsMovementType: S3 = None
    PurchaseOrder: S10 = None
    PurchaseOrderItem: S5 = None
    EntryUnit: S3 = None
    QuantityInEntryUnit: D13_3 = None
    MaterialDocumentItemText: Annotated[str, Meta(max_length=50)] | None = None
    ReversedMaterialDocumentYear: S4 = None
    ReversedMaterialDocument: S10 = None
    InvtryMgmtReferenceDocument: S10 = None
    ReferenceDocumentFiscalYear: S4 = None


class A_MaterialDocumentHeader(msgspec.Struct, kw_only=True):
    MaterialDocumentYear: S4 = None
    MaterialDocument: S10 = None
    PostingDate: Day = None
    CreationDate: Day = None
    CreationTime: Clock = None
    CreatedByUser: S12 = None
    MaterialDocumentHeaderText: S25 = None
    ReferenceDocument: S16 = None  # the supplier's delivery note
    to_MaterialDocumentItem: Many[A_MaterialDocumentItem] | list[A_MaterialDocumentItem] | None = None


# API_BUSINESS_PARTNER


class A_SupplierCompany(msgspec.Struct, kw_only=True):
    CompanyCode: S4 = None
    SupplierIsBlockedForPosting: Flag = None
    PaymentTerms: S4 = None
    DeletionIndicator: Flag = None


class A_Supplier(msgspec.Struct, kw_only=True):
    Supplier: S10 = None
    PaymentIsBlockedForSupplier: Flag = None
    PostingIsBlocked: Flag = None
    DeletionIndicator: Flag = None
    SupplierName: S80 = None
    VATRegistration: S20 = None
    to_SupplierCompany: Many[A_SupplierCompany] | list[A_SupplierCompany] | None = None


class A_BusinessPartnerBank(msgspec.Struct, kw_only=True):
    BankIdentification: S4 = None
    BankNumber: S15 = None
    SWIFTCode: S11 = None
    BankAccountHolderName: S60 = None
    IBAN: S34 = None
    BankAccount: S18 = None
    BankAccountReferenceText: S20 = None


class A_BusinessPartnerTaxNumber(msgspec.Struct, kw_only=True):
    BPTaxType: S4 = None
    BPTaxNumber: S20 = None
    BPTaxLongNumber: S60 = None


class A_BusinessPartnerAddress(msgspec.Struct, kw_only=True):
    CityName: S40 = None
    Country: S3 = None
    HouseNumber: S10 = None
    PostalCode: S10 = None
    Region: S3 = None
    StreetName: S60 = None


class A_BusinessPartner(msgspec.Struct, kw_only=True):
    BusinessPartner: S10 = None
    Supplier: S10 = None
    BusinessPartnerFullName: S81 = None
    BusinessPartnerName: S81 = None
    CreationDate: Day = None
    CreationTime: Clock = None
    LastChangeDate: Day = None
    LastChangeTime: Clock = None
    BusinessPartnerIsBlocked: Flag = None
    IsMarkedForArchiving: Flag = None
    to_BusinessPartnerBank: Many[A_BusinessPartnerBank] | list[A_BusinessPartnerBank] | None = None
    to_BusinessPartnerTax: Many[A_BusinessPartnerTaxNumber] | list[A_BusinessPartnerTaxNumber] | None = None
    to_BusinessPartnerAddress: Many[A_BusinessPartnerAddress] | list[A_BusinessPartnerAddress] | None = None
    to_Supplier: A_Supplier | None = None


# Envelopes and errors of OData V2


class Envelope(msgspec.Struct, Generic[T]):
    """`{"d": ...}` around everything V2 answers."""

    d: T


class Listed(msgspec.Struct):
    """A list: each entity kept as the bytes it came in; `next` is set where the server has more than it answered."""

    results: list[msgspec.Raw]
    next: S = msgspec.field(default=None, name="__next")
    count: S = msgspec.field(default=None, name="__count")


class ErrorMessage(msgspec.Struct):
    value: str = ""


class ErrorDetail(msgspec.Struct):
    code: str = ""
    message: str = ""
    severity: str = ""


class InnerError(msgspec.Struct):
    errordetails: list[ErrorDetail] = []


class Error(msgspec.Struct):
    """`code` is `<message class>/<number>`; the last detail is often only the generic exception."""

    code: str = ""
    message: ErrorMessage | str = ""
    innererror: InnerError | None = None


class ErrorBody(msgspec.Struct):
    error: Error


class Notice(msgspec.Struct):
    """The `sap-message` header: a warning beside a success."""

    code: str = ""
    message: str = ""
    severity: str = ""
