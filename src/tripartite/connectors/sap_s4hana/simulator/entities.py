"""Documents and masters of the simulated S/4HANA as its services show them: every field by its name there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tripartite.connectors.sap_s4hana.simulator.arrangement import (
    Company,
    CostCentreRow,
    OrderItem,
    OrderRow,
    ReceiptRow,
    SupplierRow,
)
from tripartite.connectors.sap_s4hana.simulator.odata import clock, ticks


def etag(order: OrderRow) -> str:
    """The ETag of an order and of everything in it."""
    return f'W/"{order.number}-{order.revision}"'


def order_entity(order: OrderRow, supplier: SupplierRow | None, moment: datetime) -> dict[str, Any]:
    """A purchase order with its items, coding, schedule and conditions."""
    return {
        "__etag": etag(order),
        "PurchaseOrder": str(order.number),
        "CompanyCode": order.company,
        "PurchaseOrderType": "NB",
        "PurchasingDocumentDeletionCode": order.deleted,
        "PurchasingProcessingStatus": order.status,
        "CreatedByUser": "BUYER",
        "LastChangeDateTime": ticks(moment, offset=True),
        "Supplier": str(order.supplier),
        "InvoicingParty": str(order.invoicing_party),
        "PaymentTerms": order.payment_terms,
        "PurchaseOrderDate": _day(order.date),
        "DocumentCurrency": order.currency,
        "PurchasingOrganization": order.purchasing_organization or order.company,
        "CorrespncExternalReference": order.external_reference,
        "CorrespncInternalReference": order.internal_reference,
        "ValidityStartDate": None,
        "ValidityEndDate": None,
        "ReleaseIsNotCompleted": not order.released,
        "AddressName": supplier.name if supplier else "",
        "AddressCountry": supplier.country if supplier else "",
        "to_PurchaseOrderNote": [],
        "to_PurchaseOrderItem": [_item_entity(order, item) for item in order.items],
    }


def _item_entity(order: OrderRow, item: OrderItem) -> dict[str, Any]:
    coding = {"AccountAssignmentNumber": "01", "IsDeleted": False}
    freight = {"ConditionType": "FRB1", "ConditionCategory": "B", "ConditionInactiveReason": ""}
    key = {"PurchaseOrder": str(order.number), "PurchaseOrderItem": str(item.item)}
    return {
        "__etag": etag(order),
        **key,
        "PurchasingDocumentDeletionCode": item.deleted,
        "PurchaseOrderItemText": item.text,
        "Plant": item.plant or order.company,
        "Material": item.material,
        "MaterialGroup": item.material_group,
        "SupplierMaterialNumber": item.supplier_material,
        "OrderQuantity": str(item.quantity),
        "PurchaseOrderQuantityUnit": item.unit,
        "OrderPriceUnit": item.unit,
        "OrderPriceUnitToOrderUnitNmrtr": "1",
        "OrdPriceUnitToOrderUnitDnmntr": "1",
        "DocumentCurrency": order.currency,
        "NetPriceAmount": str(item.price),
        "NetPriceQuantity": str(item.per),
        "TaxCode": item.tax_code,
        "OverdelivTolrtdLmtRatioInPct": item.over_percent,
        "UnlimitedOverdeliveryIsAllowed": item.unlimited,
        "UnderdelivTolrtdLmtRatioInPct": "0.0",
        "IsCompletelyDelivered": False,
        "IsFinallyInvoiced": item.final,
        "PurchaseOrderItemCategory": item.category,
        "AccountAssignmentCategory": "K" if item.cost_centre else "",
        "GoodsReceiptIsExpected": item.gr,
        "InvoiceIsExpected": True,
        "InvoiceIsGoodsReceiptBased": item.gr_based,
        "EvaldRcptSettlmtIsAllowed": item.ers,
        "IsReturnsItem": False,
        "OverallLimitAmount": item.limit,
        "PurchaseRequisition": "",
        "to_AccountAssignment": [
            {"__etag": etag(order), **key, **coding, "CostCenter": item.cost_centre, "GLAccount": item.account}
        ]
        if item.cost_centre or item.account
        else [],
        "to_ScheduleLine": [{"ScheduleLine": "1", "ScheduleLineDeliveryDate": _day(item.delivery)}]
        if item.delivery
        else [],
        "to_PurchaseOrderPricingElement": [{**freight, "ConditionAmount": item.freight}] if item.freight else [],
    }


def receipt_entity(receipt: ReceiptRow, moment: datetime) -> dict[str, Any]:
    """A material document with its items."""
    key = {"MaterialDocumentYear": receipt.year, "MaterialDocument": str(receipt.number)}
    return {
        **key,
        "InventoryTransactionType": "WE",
        "DocumentDate": _day(receipt.date),
        "PostingDate": _day(receipt.date),
        "CreationDate": ticks(moment.replace(hour=0, minute=0, second=0, microsecond=0)),
        "CreationTime": clock(moment),
        "CreatedByUser": "RECEIVER",
        "MaterialDocumentHeaderText": receipt.text,
        "ReferenceDocument": receipt.delivery_note,
        "to_MaterialDocumentItem": [
            {
                **key,
                "MaterialDocumentItem": str(line.item),
                "Material": "",
                "GoodsMovementType": line.movement,
                "PurchaseOrder": str(line.order),
                "PurchaseOrderItem": str(line.order_item),
                "GoodsMovementRefDocType": "B",
                "EntryUnit": line.unit,
                "QuantityInEntryUnit": str(line.quantity),
                "MaterialDocumentItemText": "",
                "ReversedMaterialDocument": line.reverses.partition("/")[0],
                "ReversedMaterialDocumentYear": line.reverses.partition("/")[2] or "0000",
                "InvtryMgmtReferenceDocument": line.refers.partition("/")[0],
                "ReferenceDocumentFiscalYear": line.refers.partition("/")[2] or "0000",
            }
            for line in receipt.items
        ],
    }


def supplier_entity(
    supplier: SupplierRow, companies: Sequence[str], before: dict[str, Any] | None, moment: datetime
) -> dict[str, Any]:
    """A business partner in its role of supplier, open in `companies`; `before` is how it was shown until now."""
    number = str(supplier.number)
    bank = {"BankIdentification": "0001", "IBAN": supplier.iban, "SWIFTCode": supplier.bic}
    stamp = {"Date": ticks(moment.replace(hour=0, minute=0, second=0, microsecond=0)), "Time": clock(moment)}
    return {
        "BusinessPartner": number,
        "Supplier": number,
        "BusinessPartnerCategory": "2",
        "BusinessPartnerFullName": supplier.name,
        "BusinessPartnerIsBlocked": False,
        "IsMarkedForArchiving": False,
        # A partner never changed has no date of change.
        "CreationDate": before["CreationDate"] if before else stamp["Date"],
        "CreationTime": before["CreationTime"] if before else stamp["Time"],
        "LastChangeDate": stamp["Date"] if before else None,
        "LastChangeTime": stamp["Time"] if before else "PT00H00M00S",
        "to_BusinessPartnerBank": [{**bank, "BankAccountHolderName": supplier.name}] if supplier.iban else [],
        "to_BusinessPartnerTax": [{"BPTaxType": f"{supplier.country}0", "BPTaxNumber": supplier.vat}]
        if supplier.vat
        else [],
        "to_BusinessPartnerAddress": [{"CityName": supplier.city, "Country": supplier.country}],
        "to_Supplier": {
            "Supplier": number,
            "SupplierName": supplier.name,
            "PaymentIsBlockedForSupplier": False,
            "PostingIsBlocked": supplier.blocked,
            "DeletionIndicator": False,
            "to_SupplierCompany": [
                {
                    "Supplier": number,
                    "CompanyCode": code,
                    "PaymentTerms": supplier.payment_terms,
                    "SupplierIsBlockedForPosting": False,
                    "IsToBeCheckedForDuplicates": supplier.duplicates,
                    "DeletionIndicator": False,
                }
                for code in companies
            ],
        },
    }


def cost_centre_entity(row: CostCentreRow) -> dict[str, Any]:
    """A cost centre for one span of its validity."""
    return {
        "ControllingArea": row.controlling_area,
        "CostCenter": str(row.number),
        "ValidityStartDate": _day(row.valid_from),
        "ValidityEndDate": _day(row.valid_to),
        "CompanyCode": row.company,
        "IsBlkdForPrimaryCostsPosting": "X" if row.blocked else "",
        "to_Text": [{"CostCenter": str(row.number), "Language": "EN", "CostCenterName": row.name}],
    }


def company_entity(company: Company) -> dict[str, Any]:
    """A company code."""
    return {
        "CompanyCode": company.code,
        "CompanyCodeName": company.name or company.code,
        "Country": company.country,
        "Currency": company.currency,
        "ChartOfAccounts": company.chart,
        "ControllingArea": company.controlling_area,
        "FiscalYearVariant": "K4" if company.year_start == 1 else "V6",
    }


def _day(text: str) -> str | None:
    return ticks(datetime.fromisoformat(text[:10]).replace(tzinfo=UTC)) if text else None
