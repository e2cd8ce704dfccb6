"""What is read of finance: operational journal entry items, cost centres, company codes.

API_OPLACCTGDOCITEMCUBE_SRV, API_COSTCENTER_SRV, API_COMPANYCODE_SRV. None of them can be written.
"""

# ruff: noqa: N801 - the classes carry the names of SAP's entity sets

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from tripartite.connectors.sap_s4hana.wire import S1, S2, S3, S4, S5, S10, Day, Flag

D24_3 = Annotated[str, Meta(extra={"edm": "Decimal", "digits": 24, "scale": 3})] | None


class A_OperationalAcctgDocItemCube(msgspec.Struct, kw_only=True):
    CompanyCode: S4 = None
    FiscalYear: S4 = None
    AccountingDocument: S10 = None
    AccountingDocumentItem: S3 = None
    AccountingDocumentType: S2 = None
    FinancialAccountType: S1 = None  # K: supplier
    TransactionCurrency: S5 = None
    AmountInTransactionCurrency: D24_3 = None  # signed: a liability is negative
    PaymentBlockingReason: S1 = None
    NetDueDate: Day = None
    IsCleared: Flag = None
    ClearingDate: Day = None
    ClearingAccountingDocument: S10 = None
    ClearingDocFiscalYear: S4 = None
    IsUsedInPaymentTransaction: Flag = None
    HasPaymentOrder: Flag = None


class A_CostCenter(msgspec.Struct, kw_only=True):
    ControllingArea: S4 = None
    CostCenter: S10 = None
    ValidityStartDate: Day = None
    ValidityEndDate: Day = None
    CompanyCode: S4 = None
    IsBlkdForPrimaryCostsPosting: S1 = None  # X or empty
