"""Our shapes of SAP's services against the service metadata, and our readers against what a real system answered."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.transform import READERS
from tripartite.connectors.sap_s4hana.wire import finance, movements, orders
from tripartite.core.money import Price
from tripartite.core.objects import Order
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable

pytestmark = pytest.mark.samples

TABLES = {
    "API_SUPPLIERINVOICE_PROCESS_SRV.fields.tsv": {
        "A_SupplierInvoiceType": (wire.A_SupplierInvoice, wire.A_SupplierInvoiceRead),
        "A_SuplrInvcItemPurOrdRefType": (wire.A_SuplrInvcItemPurOrdRef,),
        "A_SupplierInvoiceItemGLAcctType": (wire.A_SupplierInvoiceItemGLAcct,),
        "A_SupplierInvoiceTaxType": (wire.A_SupplierInvoiceTax,),
    },
    "API_PURCHASEORDER_PROCESS_SRV.fields.tsv": {
        "A_PurchaseOrderType": (wire.A_PurchaseOrder, orders.A_PurchaseOrder, orders.A_PurchaseOrderRead),
        "A_PurchaseOrderItemType": (
            wire.A_PurchaseOrderItem,
            orders.A_PurchaseOrderItem,
            orders.A_PurchaseOrderItemRead,
        ),
        "A_PurOrdAccountAssignmentType": (
            wire.A_PurOrdAccountAssignment,
            orders.A_PurOrdAccountAssignment,
            orders.A_PurOrdAccountAssignmentRead,
        ),
        "A_PurchaseOrderScheduleLineType": (wire.A_PurchaseOrderScheduleLine, orders.A_PurchaseOrderScheduleLine),
        "A_PurOrdPricingElementType": (wire.A_PurOrdPricingElement,),
        "A_PurchaseOrderNoteType": (wire.A_PurchaseOrderNote,),
    },
    "material-document-service.fields.tsv": {
        "A_MaterialDocumentHeader": (
            wire.A_MaterialDocumentHeader,
            movements.A_MaterialDocumentHeader,
            movements.A_MaterialDocumentHeaderRead,
        ),
        "A_MaterialDocumentItem": (
            wire.A_MaterialDocumentItem,
            movements.A_MaterialDocumentItem,
            movements.A_MaterialDocumentItemRead,
        ),
    },
    "API_OPLACCTGDOCITEMCUBE_SRV.fields.tsv": {
        "A_OperationalAcctgDocItemCubeType": (finance.A_OperationalAcctgDocItemCube,),
    },
    "API_BUSINESS_PARTNER.fields.tsv": {
        "A_BusinessPartnerType": (wire.A_BusinessPartner,),
        "A_SupplierType": (wire.A_Supplier,),
        "A_SupplierCompanyType": (wire.A_SupplierCompany,),
        "A_BusinessPartnerBankType": (wire.A_BusinessPartnerBank,),
        "A_BusinessPartnerTaxNumberType": (wire.A_BusinessPartnerTaxNumber,),
        "A_BusinessPartnerAddressType": (wire.A_BusinessPartnerAddress,),
    },
}


def samples() -> Path:
    root = os.environ.get("TRIPARTITE_SAMPLES")
    if not root:
        pytest.skip("TRIPARTITE_SAMPLES is not set")
    return Path(root)


def declared(kind: type) -> Iterator[tuple[str, str, str, str]]:
    """Each plain field of a shape with its Edm type, length and precision, as our annotations say."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if name.startswith("to_") or name == "metadata":
            continue
        inner = next(part for part in get_args(hint) if part is not type(None))
        meta = next((part for part in getattr(inner, "__metadata__", ()) if isinstance(part, msgspec.Meta)), None)
        if inner is bool:
            yield name, "Boolean", "", ""
        elif meta is None:
            yield name, "String", "", ""
        elif meta.max_length is not None:
            yield name, "String", str(meta.max_length), ""
        else:
            extra = meta.extra or {}
            precision = f"{extra['digits']},{extra['scale']}" if "digits" in extra else ""
            yield name, extra["edm"], "", precision


@pytest.mark.parametrize("table", TABLES)
def test_every_field_has_the_type_and_length_of_the_service_metadata(table: str) -> None:
    facts: dict[tuple[str, str], list[str]] = {}
    path = samples().parent / "vendors" / "metadata" / "sap-s4hana" / table
    for row in path.read_text().splitlines():
        cells = row.split("\t")
        if not row.startswith("#") and len(cells) >= 7:
            facts[cells[0], cells[1]] = cells
    checked = 0
    for entity, kinds in TABLES[table].items():
        for kind in kinds:
            for name, edm, length, precision in declared(kind):
                cells = facts[entity, name]
                stated = {"Date": "DateTime"}.get(cells[4], cells[4])
                assert (name, edm) == (name, stated)
                if edm == "String":
                    assert (name, length) == (name, cells[5])
                if edm == "Decimal":
                    assert (name, precision) == (name, cells[6])
                checked += 1
    assert checked >= 15


@pytest.mark.parametrize("table", ["API_SUPPLIERINVOICE_PROCESS_SRV.fields.tsv"])
def test_nothing_is_sent_that_sap_declares_not_creatable(table: str) -> None:
    path = samples().parent / "vendors" / "metadata" / "sap-s4hana" / table
    computed = {
        (cells[0], cells[1])
        for row in path.read_text().splitlines()
        if len(cells := row.split("\t")) > 8 and "c" in cells[8]
    }
    sent = {
        "A_SupplierInvoiceType": wire.A_SupplierInvoice,
        "A_SuplrInvcItemPurOrdRefType": wire.A_SuplrInvcItemPurOrdRef,
    }
    for entity, kind in sent.items():
        assert computed
        assert not {(entity, name) for name in kind.__struct_fields__} & computed


def answered(path: str) -> list[dict[str, Any]]:
    """What the system answered in a log record; its children are links there and are left out."""
    record = json.loads((samples() / "sap-s4hana-odata" / "payloads" / path).read_text())
    return [{name: value for name, value in row.items() if not name.startswith("to_")} for row in record["message"]]


def test_a_real_order_with_its_item_is_read() -> None:
    (header,) = answered("purchase-order-reads/outputs/purchase-order-header-01-sample.json")
    items = answered("purchase-order-reads/outputs/purchase-order-header-02-item-sample.json")
    accounts = answered("purchase-order-reads/outputs/purchase-order-item-04-item-account-sample.json")
    for item in items:
        item["to_AccountAssignment"] = {"results": accounts}
    header["to_PurchaseOrderItem"] = {"results": items}
    result = READERS["order"](Raw(json.dumps(header).encode(), "application/json"))
    assert isinstance(result, ReadResult), result
    order = result.value
    assert isinstance(order, Order)
    assert (order.number, order.company_code, order.supplier_number) == ("4500000001", "0001", "100000")
    assert order.version == 1663289112000  # 2022-09-16T09:45:12+09:00
    (line,) = order.lines
    assert (line.line, line.item, line.quantity, line.unit) == (10, "66", Quantity("1.000"), "KGM")
    assert (line.price, line.match, line.basis) == (Price("100.00"), "three_way", "receipt")


def test_a_real_goods_issue_to_a_customer_is_no_receipt_of_ours() -> None:
    (item,) = answered("material-document-reads/outputs/material-document-header-02-item-sample.json")
    header = {name: item[name] for name in ("MaterialDocumentYear", "MaterialDocument")}
    content = {**header, "to_MaterialDocumentItem": {"results": [item]}}
    result = READERS["receipt"](Raw(json.dumps(content).encode(), "application/json"))
    assert isinstance(result, Unreadable)
    assert result.reason_code == "intake.type_not_supported"


def test_a_real_posted_invoice_is_recognised_by_its_fields() -> None:
    (row,) = answered("supplier-invoice-reads/outputs/supplier-invoice-header-01-sample.json")
    document = msgspec.convert(row, wire.A_SupplierInvoiceRead)
    assert (document.SupplierInvoice, document.FiscalYear, document.SupplierInvoiceStatus) == (
        "5105600751",
        "1998",
        "5",
    )
    assert (document.InvoicingParty, document.InvoiceGrossAmount) == ("100000", "928.00")
