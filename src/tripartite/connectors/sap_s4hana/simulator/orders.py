"""Purchase orders of the simulated S/4HANA: the checks of a deep create and of a change, and what is then in force.

A change is a changeset: all of it or nothing. Each part names what it changes and the ETag it was read under.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tripartite.connectors.sap_s4hana.simulator import odata
from tripartite.connectors.sap_s4hana.simulator.arrangement import Company, OrderItem, OrderRow
from tripartite.connectors.sap_s4hana.simulator.entities import etag
from tripartite.connectors.sap_s4hana.simulator.world import DIGITS, Refusal, World, children, day_of, milli, stripped

_HEADER = frozenset(
    {
        *("PurchaseOrder", "PurchaseOrderType", "CompanyCode", "PurchasingOrganization", "PurchasingGroup", "Supplier"),
        *("DocumentCurrency", "PurchaseOrderDate", "PaymentTerms", "CorrespncExternalReference"),
        *("CorrespncInternalReference", "InvoicingParty", "to_PurchaseOrderItem"),
    }
)
_ITEM = frozenset(
    {
        *("PurchaseOrder", "PurchaseOrderItem", "PurchaseOrderItemText", "Plant", "MaterialGroup", "Material"),
        *("OrderQuantity", "PurchaseOrderQuantityUnit", "OrderPriceUnit", "DocumentCurrency", "NetPriceAmount"),
        *("NetPriceQuantity", "TaxCode", "TaxCountry", "OverdelivTolrtdLmtRatioInPct"),
        *("UnlimitedOverdeliveryIsAllowed", "UnderdelivTolrtdLmtRatioInPct", "PurchaseOrderItemCategory"),
        *("AccountAssignmentCategory", "GoodsReceiptIsExpected", "InvoiceIsExpected", "InvoiceIsGoodsReceiptBased"),
        *("EvaldRcptSettlmtIsAllowed", "SupplierMaterialNumber", "RequisitionerName", "OverallLimitAmount"),
        *("ExpectedOverallLimitAmount", "PurchasingDocumentDeletionCode", "to_AccountAssignment", "to_ScheduleLine"),
    }
)
_CHANGEABLE = frozenset({"CorrespncExternalReference", "CorrespncInternalReference", "PaymentTerms", "PurchasingGroup"})
_LENGTHS = {
    **{"PurchaseOrder": 10, "CompanyCode": 4, "Supplier": 10, "PurchasingGroup": 3, "PurchasingOrganization": 4},
    **{"CorrespncExternalReference": 12, "CorrespncInternalReference": 12, "PurchaseOrderItemText": 40},
    **{"MaterialGroup": 9, "Material": 40, "Plant": 4, "PurchaseOrderQuantityUnit": 3, "SupplierMaterialNumber": 35},
}


def check(world: World, body: dict[str, Any]) -> OrderRow:
    """The order as it would be created, without its number. Errors: `Refusal` with SAP's message."""
    _check_shape(body, _HEADER)
    company = world.companies.get(body.get("CompanyCode", ""))
    if company is None:
        raise Refusal("F5/165", f"Company code {body.get('CompanyCode')} does not exist")  # (u)
    for name in ("PurchaseOrderType", "PurchasingOrganization", "PurchasingGroup"):
        if not body.get(name):
            raise Refusal("ME/083", f"Enter {name}")  # (u)
    purchasing = body["PurchasingOrganization"]
    if purchasing not in world.companies and purchasing not in world.purchasing:
        raise Refusal("ME/006", f"Purchasing organization {purchasing} does not exist")  # (u)
    supplier = world.suppliers.get(stripped(body.get("Supplier", "")))
    if supplier is None:
        raise Refusal("06/025", f"Supplier {body.get('Supplier')} has not been created")
    if supplier.purchasing and purchasing not in supplier.purchasing:
        raise Refusal("06/027", f"Supplier {supplier.number} not created for purchasing organization {purchasing}")
    if supplier.blocked:
        raise Refusal("06/120", f"Supplier {supplier.number} is blocked")  # (u)
    number = body.get("PurchaseOrder", "")
    if number and not world.external_orders:
        raise Refusal("06/204", f"External number assignment of {number} is not allowed")  # (u)
    if world.external_orders and not number:
        raise Refusal("06/205", "Enter a document number")  # (u)
    if number in world.orders:
        raise Refusal("06/206", f"Document number {number} already assigned")  # (u)
    order = OrderRow(
        number=number,
        company=company.code,
        supplier=supplier.number,
        invoicing_party=supplier.number,
        items=[],
        currency=body.get("DocumentCurrency") or company.currency,
        date=day_of(body["PurchaseOrderDate"]).isoformat()
        if "PurchaseOrderDate" in body
        else f"{world.now():%Y-%m-%d}",
        payment_terms=body.get("PaymentTerms") or supplier.payment_terms,
        external_reference=body.get("CorrespncExternalReference", ""),
        internal_reference=body.get("CorrespncInternalReference", ""),
        purchasing_organization=purchasing,
    )
    for line in children(body, "to_PurchaseOrderItem"):
        _add_item(world, order, line, company)
    if not order.items:
        raise Refusal("06/210", "Document contains no items")  # (u)
    return order


def commit(world: World, order: OrderRow) -> OrderRow:
    """Create it: the number is drawn where SAP gives it."""
    made = copy.deepcopy(order)
    made.number = made.number or world.draw_order()
    world.put_order(made)
    return made


def changed(world: World, calls: Sequence[odata.Call]) -> OrderRow:
    """The order as a changeset would leave it. Errors: `Refusal`, with status 412 or 428 for its ETag."""
    order: OrderRow | None = None
    for call in calls:
        body = call.json()
        target, _, key_text = call.path.partition("(")
        key = odata.keys(key_text) if key_text else {name: body.get(name, "") for name in ("PurchaseOrder",)}
        number = key.get("") or key.get("PurchaseOrder", "")
        stands = world.orders.get(number) or world.orders.get(stripped(number))
        if stands is None:
            raise Refusal("06/019", f"Purchasing document {number} does not exist", 404)
        if order is None:
            order = copy.deepcopy(stands)
            if order.deleted:
                raise Refusal("06/020", f"Purchasing document {number} deleted, cannot be changed")
        elif order.number != stands.number:
            raise Refusal("/IWBEP/CM_MGW_RT/030", "One document to a changeset")  # (u)
        if call.method == "PATCH":
            match = call.headers.get("if-match", "")
            if not match:
                raise Refusal("/IWBEP/CM_MGW_RT/428", "Precondition required", 428)  # (u)
            if match != etag(stands):
                raise Refusal("/IWBEP/CM_MGW_RT/412", "Precondition failed", 412)  # (u)
        company = world.companies[order.company]
        match call.method, target:
            case "PATCH", "A_PurchaseOrder":
                if not body.keys() <= _CHANGEABLE:
                    raise Refusal("06/221", f"{min(body.keys() - _CHANGEABLE)} cannot be changed")  # (u)
                _check_shape(body, _HEADER)
                order.external_reference = body.get("CorrespncExternalReference", order.external_reference)
                order.internal_reference = body.get("CorrespncInternalReference", order.internal_reference)
            case "PATCH", "A_PurchaseOrderItem":
                _change_item(world, order, _item_of(order, key), body, company)
            case "PATCH", "A_PurOrdAccountAssignment":
                item = _item_of(order, key)
                item.cost_centre = body.get("CostCenter", item.cost_centre)
                item.account = body.get("GLAccount", item.account)
                _check_coding(world, order, item)
            case "POST", "A_PurchaseOrderItem":
                _add_item(world, order, body, company)
            case _:
                raise Refusal("/IWFND/CM_BEC/026", f"{call.method} {target} is not allowed", 405)  # (u)
    assert order is not None, "a changeset has parts"
    order.revision += 1
    order.changed = world.now().isoformat()
    return order


def _item_of(order: OrderRow, key: Mapping[str, str]) -> OrderItem:
    position = int(key.get("PurchaseOrderItem") or 0)
    found = next((item for item in order.items if item.item == position), None)
    if found is None:
        raise Refusal("06/011", f"Item {position:05d} of purchasing document {order.number} does not exist", 404)
    return found


def _change_item(world: World, order: OrderRow, item: OrderItem, body: Mapping[str, Any], company: Company) -> None:
    _check_shape(body, _ITEM)
    if item.deleted == "L" and body.get("PurchasingDocumentDeletionCode") != "":
        raise Refusal("06/020", f"Item {item.item:05d} deleted, cannot be changed")
    place = (str(order.number), item.item)
    item.deleted = body.get("PurchasingDocumentDeletionCode", item.deleted)
    if item.deleted == "L" and world.received[place] > world.invoiced[place]:
        raise Refusal("06/115", f"Item {item.item:05d}: goods received are not invoiced yet")  # (u)
    if "OrderQuantity" in body:
        if milli(body["OrderQuantity"]) < max(world.received[place], world.invoiced[place]):
            raise Refusal("06/116", f"Item {item.item:05d}: more is received or invoiced than ordered")  # (u)
        item.quantity = body["OrderQuantity"]
    item.price = body.get("NetPriceAmount", item.price)
    item.per = int(body.get("NetPriceQuantity", item.per))
    item.unit = body.get("PurchaseOrderQuantityUnit", item.unit)
    item.tax_code = body.get("TaxCode", item.tax_code)
    _check_figures(world, order, item)


def _add_item(world: World, order: OrderRow, line: Mapping[str, Any], company: Company) -> None:
    _check_shape(line, _ITEM)
    position = int(line.get("PurchaseOrderItem") or 0)
    if not position or any(item.item == position for item in order.items):
        raise Refusal("06/212", f"Item number {position:05d} is not free")  # (u)
    plant = line.get("Plant", "")
    if world.plants.get(plant, plant if plant in world.companies else "") != company.code:
        raise Refusal("M7/001", f"Plant {plant} does not exist in company code {company.code}")  # (u)
    material, group = line.get("Material", ""), line.get("MaterialGroup", "")
    if material and material not in world.materials:
        raise Refusal("M3/305", f"Material {material} does not exist")  # (u)
    if not material and group not in world.material_groups:
        raise Refusal("ME/303", f"Material group {group or '(none)'} does not exist")  # (u)
    coding = children(line, "to_AccountAssignment")
    schedule = children(line, "to_ScheduleLine")
    item = OrderItem(
        item=position,
        quantity=line.get("OrderQuantity", "0"),
        price=line.get("NetPriceAmount", "0"),
        per=int(line.get("NetPriceQuantity", "1")),
        unit=line.get("PurchaseOrderQuantityUnit", ""),
        text=line.get("PurchaseOrderItemText", ""),
        material=material,
        supplier_material=line.get("SupplierMaterialNumber", ""),
        tax_code=line.get("TaxCode", ""),
        gr=line.get("GoodsReceiptIsExpected", True),
        gr_based=line.get("InvoiceIsGoodsReceiptBased", False),
        ers=line.get("EvaldRcptSettlmtIsAllowed", False),
        category=line.get("PurchaseOrderItemCategory", "0"),
        over_percent=line.get("OverdelivTolrtdLmtRatioInPct", "0.0"),
        unlimited=line.get("UnlimitedOverdeliveryIsAllowed", False),
        limit=line.get("OverallLimitAmount", "0.00"),
        delivery=day_of(schedule[0]["ScheduleLineDeliveryDate"]).isoformat() if schedule else "",
        cost_centre=coding[0].get("CostCenter", "") if coding else "",
        account=coding[0].get("GLAccount", "") if coding else "",
        material_group=group,
        plant=plant,
    )
    if not material and line.get("AccountAssignmentCategory") != "K":
        raise Refusal("ME/040", f"Item {position:05d}: enter an account assignment category")  # (u)
    if line.get("AccountAssignmentCategory") == "K" and not item.cost_centre:
        raise Refusal("MMPUR_SPROC/001", f"Item {position:05d}: account assignment required")
    _check_coding(world, order, item)
    _check_figures(world, order, item)
    order.items.append(item)


def _check_coding(world: World, order: OrderRow, item: OrderItem) -> None:
    if not item.cost_centre:
        return
    rows = world.cost_centres.get((order.company, stripped(item.cost_centre)), [])
    valid = [row for row in rows if row.valid_from <= order.date <= row.valid_to]
    if not valid:
        raise Refusal("KI/265", f"Cost center {item.cost_centre} does not exist on {order.date}")  # (u)
    if valid[0].blocked:
        raise Refusal("KI/180", f"Cost center {item.cost_centre} is blocked against primary postings")  # (u)


def _check_figures(world: World, order: OrderRow, item: OrderItem) -> None:
    if item.tax_code and item.tax_code not in world.taxes:
        raise Refusal("FF/713", f"Tax code {item.tax_code} does not exist")  # (u)
    if item.category == "A":
        if milli(str(item.limit)) <= 0:
            raise Refusal("MMPUR_SPROC/013", "Enter an overall limit")
        return
    if milli(str(item.quantity)) <= 0:
        raise Refusal("06/083", f"Item {item.item:05d}: enter a quantity")  # (u)
    if not item.unit:
        raise Refusal("06/084", f"Item {item.item:05d}: enter an order unit")  # (u)
    step = 10 ** (3 - DIGITS.get(order.currency, 2))
    if milli(str(item.price)) % step or milli(str(item.price)) < 0:
        raise Refusal("ME/664", f"Item {item.item:05d}: {item.price} is no price in {order.currency}")  # (u)


def _check_shape(body: Mapping[str, Any], known: frozenset[str]) -> None:
    if not body.keys() <= known:
        raise Refusal("/IWBEP/CM_MGW_RT/020", f"Property {min(body.keys() - known)} is invalid")  # (u)
    for name, length in _LENGTHS.items():
        value = body.get(name, "")
        if not isinstance(value, str):
            raise Refusal("/IWBEP/CM_MGW_RT/021", f"Property {name} is not an Edm.String")  # (u)
        if len(value) > length:
            raise Refusal("/IWBEP/CM_MGW_RT/023", f"Property {name} at {value!r} exceeds its length {length}")  # (u)
