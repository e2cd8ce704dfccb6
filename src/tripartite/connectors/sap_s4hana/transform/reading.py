"""SAP's purchase orders and material documents as our orders and receipts.

Each reader takes one entity as the service answers it (bare or in `{"d": ...}`), with its children expanded. A document
whose children came only as a link is refused: an order without its lines would look like an order of nothing.
Numbers lose ALPHA's zeros; dates are never shifted by a zone; what SAP leaves initial is empty here.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import TypeVar

import msgspec

from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.transform.words import (
    day,
    initial,
    many,
    milliseconds,
    number_of,
    stated,
    unit,
    unpadded,
    whole,
)
from tripartite.core.codec import Malformed, check_strict, plain
from tripartite.core.money import Amount, CurrencyInvalid, NumberInvalid, Price, check_currency
from tripartite.core.objects import (
    Address,
    Order,
    OrderCharge,
    OrderLine,
    Party,
    Receipt,
    ReceiptKind,
    ReceiptLine,
)
from tripartite.core.objects.order import MatchMode, OrderStatus
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import Raw, Read, ReadResult, Unreadable

T = TypeVar("T")

# The release states of a purchase order. A state not listed is refused, because a customer's own state is not a yes.
_ORDER_STATES: dict[str, OrderStatus] = {
    "": "open",
    "01": "draft",  # version in process
    "02": "open",  # active
    "03": "draft",  # in release
    "05": "open",  # released
    "08": "cancelled",  # rejected
    "26": "draft",  # in approval
}
# Item categories by their internal key, which the service answers.
_CATEGORIES: dict[str, MatchMode] = {"1": "limit", "A": "limit", "2": "consignment", "9": "service"}
# Movement types. Each reversal has the number after the movement it takes back.
_MOVEMENTS: dict[str, ReceiptKind] = {
    "101": "receipt",
    "102": "reversal",
    "105": "receipt",  # released from blocked stock; 103 only put it there
    "106": "reversal",
    "122": "return",
    "123": "receipt",  # a return taken back
    "161": "return",
    "162": "receipt",
}
_BLOCKED_STOCK = frozenset({"103", "104", "124", "125"})  # not yet ours: neither a receipt nor its reversal


def read_order(raw: Raw) -> Read:
    """A purchase order. `supplier_number` is the invoicing party where one is named: it is who must bill."""
    return read_entity(raw, wire.A_PurchaseOrder, _order)


def read_receipt(raw: Raw) -> Read:
    """A material document, numbered `number/year`; items that belong to no purchase order are dropped."""
    return read_entity(raw, wire.A_MaterialDocumentHeader, _receipt)


def read_entity(raw: Raw, kind: type[T], translate: Callable[[T], Read]) -> Read:
    """Decode one entity, bare or in its envelope, and translate it. Whatever it says, the answer is a `Read`."""
    try:
        check_strict(raw.content)
        content: bytes | msgspec.Raw = raw.content
        if raw.content.lstrip()[:20].replace(b" ", b"").startswith(b'{"d":'):
            content = msgspec.json.decode(raw.content, type=wire.Envelope[msgspec.Raw]).d
        return translate(msgspec.json.decode(content, type=kind))
    except (Malformed, NumberInvalid) as error:
        return Unreadable(error.reason_code, getattr(error, "pointer", ""), str(error))
    except CurrencyInvalid as error:
        return Unreadable(error.reason_code, "/DocumentCurrency", str(error))
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `")
        pointer = place.rstrip("`").removeprefix("$").replace("[", "/").replace("]", "").replace(".", "/")
        return Unreadable("integration.schema_violated", pointer, message)
    except msgspec.DecodeError as error:
        return Unreadable("intake.malformed", "", str(error))


def _order(order: wire.A_PurchaseOrder) -> Read:
    items = many(order.to_PurchaseOrderItem)
    if not order.PurchaseOrder or items is None:
        return Unreadable(
            "integration.schema_violated", "/to_PurchaseOrderItem", "an order without its number or items"
        )
    state = order.PurchasingProcessingStatus or ""
    if state not in _ORDER_STATES:
        return Unreadable("intake.value_out_of_range", "/PurchasingProcessingStatus", f"state {state!r} is not known")
    status = _ORDER_STATES[state]
    if order.ReleaseIsNotCompleted and status == "open":
        status = "draft"
    if order.PurchasingDocumentDeletionCode:
        status = "cancelled"
    currency = check_currency(order.DocumentCurrency)
    dropped: set[str] = set()
    if order.InvoicingParty and unpadded(order.InvoicingParty) != unpadded(order.Supplier):
        dropped.add("Supplier")  # who delivers; who bills is what an invoice is matched by
    lines: list[OrderLine] = []
    charges: list[OrderCharge] = []
    for item in items:
        line = _order_line(order, item, dropped)
        lines.append(line)
        charges += _charges(item, line.line)
    contracts = {unpadded(item.PurchaseContract) for item in items if item.PurchaseContract}
    wishes = {unpadded(item.PurchaseRequisition) for item in items if not initial(item.PurchaseRequisition)}
    askers = {item.RequisitionerName for item in items if item.RequisitionerName}
    if len(contracts) > 1:
        dropped.add("PurchaseContract")  # several: an order of ours has one
    if len(wishes) > 1:
        dropped.add("PurchaseRequisition")
    if len(askers) > 1:
        dropped.add("RequisitionerName")
    value = Order(
        number=unpadded(order.PurchaseOrder),
        currency=currency,
        version=milliseconds(order.LastChangeDateTime) or 1,
        company_code=order.CompanyCode or "",
        supplier_number=unpadded(order.InvoicingParty or order.Supplier),
        supplier=_party(order),
        issued_on=day(order.PurchaseOrderDate),
        status=status,
        requisition=single(wishes),
        contract=single(contracts),
        payment_terms=order.PaymentTerms or "",
        notes=tuple(note.PlainLongText for note in many(order.to_PurchaseOrderNote) or () if note.PlainLongText),
        lines=tuple(lines),
        charges=tuple(charges),
        requester=single(askers),
    )
    return ReadResult("order", value, tuple(sorted(dropped)))


def _order_line(order: wire.A_PurchaseOrder, item: wire.A_PurchaseOrderItem, dropped: set[str]) -> OrderLine:
    assignments = [a for a in many(item.to_AccountAssignment) or () if not a.IsDeleted]
    if len(assignments) > 1:
        dropped.add("to_AccountAssignment")  # split coding stays with SAP, which splits the invoice the same way
    coding = assignments[0] if len(assignments) == 1 else wire.A_PurOrdAccountAssignment()
    schedule = [found for step in many(item.to_ScheduleLine) or () if (found := day(step.ScheduleLineDeliveryDate))]
    if len(schedule) > 1:
        dropped.add("to_ScheduleLine")  # the first date counts
    status: OrderStatus = "open"
    if item.PurchasingDocumentDeletionCode == "L":
        status = "cancelled"
    elif item.IsFinallyInvoiced or item.PurchasingDocumentDeletionCode or item.InvoiceIsExpected is False:
        status = "closed"
    elif item.IsReturnsItem:
        dropped.add("IsReturnsItem")  # the supplier owes us: nothing can be billed against it
        status = "closed"
    ordered_in, priced_in = unit(item.PurchaseOrderQuantityUnit), unit(item.OrderPriceUnit)
    limited = _CATEGORIES.get(item.PurchaseOrderItemCategory or "") == "limit"
    limit = None if initial(item.OverallLimitAmount) else Amount.parse(stated(item.OverallLimitAmount))
    return OrderLine(
        line=number_of(item.PurchaseOrderItem),
        description=item.PurchaseOrderItemText or "",
        item=unpadded(item.Material),
        supplier_item=item.SupplierMaterialNumber or "",
        gtin=item.InternationalArticleNumber or "",
        quantity=None if not item.OrderQuantity else Quantity.parse(stated(item.OrderQuantity)),
        unit=ordered_in,
        price=None if not item.NetPriceAmount else Price.parse(stated(item.NetPriceAmount)),
        price_per=whole(item.NetPriceQuantity) or 1,
        price_unit=priced_in if priced_in != ordered_in else "",
        nominal=_nominal(item) if priced_in != ordered_in else None,
        match=_mode(item),
        basis="receipt" if item.InvoiceIsGoodsReceiptBased else "order",
        over_percent="unlimited"
        if item.UnlimitedOverdeliveryIsAllowed
        else _percent(item.OverdelivTolrtdLmtRatioInPct),
        under_percent=_percent(item.UnderdelivTolrtdLmtRatioInPct),
        tax_codes=(item.TaxCode,) if item.TaxCode else (),
        due_on=min(schedule, default=None),
        status=status,
        limit=limit if limited else None,
        valid_from=day(order.ValidityStartDate) if limited else None,
        valid_to=day(order.ValidityEndDate) if limited else None,
        cost_centre=unpadded(coding.CostCenter),
        account=unpadded(coding.GLAccount),
    )


def _mode(item: wire.A_PurchaseOrderItem) -> MatchMode:
    if found := _CATEGORIES.get(item.PurchaseOrderItemCategory or ""):
        return found
    if item.EvaldRcptSettlmtIsAllowed:
        return "ers"  # SAP writes the invoice itself from the receipt
    return "two_way" if item.GoodsReceiptIsExpected is False else "three_way"


def _nominal(item: wire.A_PurchaseOrderItem) -> Quantity | None:
    # One price unit is Nmrtr/Dnmntr order units; we keep price units of one order unit, which is the other way round.
    below, above = whole(item.OrderPriceUnitToOrderUnitNmrtr), whole(item.OrdPriceUnitToOrderUnitDnmntr)
    if not below or not above:
        return None
    with localcontext() as context:
        context.prec = 40
        ratio = Decimal(above) / Decimal(below)
        if ratio * below != above:
            return None  # a ratio without a finite decimal is not approximated
    text = plain(ratio)
    return None if len(text.partition(".")[2]) > 12 else Quantity.parse(text)


def _percent(text: str | None) -> str:
    found = stated(text)
    if found is None or initial(found):
        return "0"
    return plain(Price.parse(found).normalize())


def _charges(item: wire.A_PurchaseOrderItem, line: int) -> list[OrderCharge]:
    """Planned delivery costs: conditions of category B that are active and not for statistics only."""
    return [
        OrderCharge(kind="freight", amount=Amount.parse(stated(element.ConditionAmount)), line=line)
        for element in many(item.to_PurchaseOrderPricingElement) or ()
        if element.ConditionCategory == "B"
        and not element.ConditionInactiveReason
        and not element.ConditionIsForStatistics
        and not initial(element.ConditionAmount)
    ]


def _party(order: wire.A_PurchaseOrder) -> Party | None:
    if not order.AddressName:
        return None
    street = " ".join(part for part in (order.AddressStreetName, order.AddressHouseNumber) if part)
    return Party(
        name=order.AddressName,
        address=Address(
            lines=(street,) if street else (),
            city=order.AddressCityName or "",
            postal_code=order.AddressPostalCode or "",
            subdivision=order.AddressRegion or "",
            country=order.AddressCountry or "",
        ),
    )


def _receipt(document: wire.A_MaterialDocumentHeader) -> Read:
    items = many(document.to_MaterialDocumentItem)
    if not document.MaterialDocument or not document.MaterialDocumentYear or items is None:
        return Unreadable(
            "integration.schema_violated", "/to_MaterialDocumentItem", "a receipt without number or items"
        )
    dropped: set[str] = set()
    kinds: set[ReceiptKind] = set()
    lines: list[ReceiptLine] = []
    for item in items:
        movement = item.GoodsMovementType or ""
        if initial(item.PurchaseOrder):
            dropped.add("items without a purchase order")
            continue
        if movement in _BLOCKED_STOCK:
            dropped.add("movements of blocked stock")
            continue
        if movement not in _MOVEMENTS:
            return Unreadable("intake.value_out_of_range", "/GoodsMovementType", f"movement {movement!r} is not known")
        kinds.add(_MOVEMENTS[movement])
        lines.append(
            ReceiptLine(
                order_number=unpadded(item.PurchaseOrder),
                order_line=number_of(item.PurchaseOrderItem),
                quantity=Quantity.parse(stated(item.QuantityInEntryUnit)),
                unit=unit(item.EntryUnit),
                line=number_of(item.MaterialDocumentItem),
                takes_from=_takes_from(item),
                item=unpadded(item.Material),
                description=item.MaterialDocumentItemText or "",
            )
        )
    if not lines:
        return Unreadable("intake.type_not_supported", "/to_MaterialDocumentItem", "no item is a purchase receipt")
    if len(kinds) > 1:
        # A receipt of ours has one direction; SAP itself writes receipts and returns as separate documents.
        return Unreadable("intake.ambiguous", "/to_MaterialDocumentItem", "receipts and returns in one document")
    if document.MaterialDocumentHeaderText:
        notes: tuple[str, ...] = (document.MaterialDocumentHeaderText,)
    else:
        notes = ()
    value = Receipt(
        number=f"{document.MaterialDocument}/{document.MaterialDocumentYear}",
        kind=kinds.pop(),
        posted_on=day(document.PostingDate),
        delivery_note=document.ReferenceDocument or "",
        receiver=document.CreatedByUser or "",
        notes=notes,
        lines=tuple(lines),
    )
    return ReadResult("receipt", value, tuple(sorted(dropped)))


def _takes_from(item: wire.A_MaterialDocumentItem) -> str:
    if not initial(item.ReversedMaterialDocument):
        return f"{item.ReversedMaterialDocument}/{item.ReversedMaterialDocumentYear}"
    if item.GoodsMovementType != "101" and not initial(item.InvtryMgmtReferenceDocument):
        return f"{item.InvtryMgmtReferenceDocument}/{item.ReferenceDocumentFiscalYear}"
    return ""


def single(values: set[str]) -> str:
    """The one value where all say the same, else nothing: several are not one."""
    return next(iter(values)) if len(values) == 1 else ""
