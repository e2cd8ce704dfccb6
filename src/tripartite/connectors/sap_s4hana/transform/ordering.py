"""An order of procurement into SAP's words: one deep create on `A_PurchaseOrder`. Not for deciding whether it goes,
nor for what becomes of one that stands there already (standing.py).

Procurement's number goes to `CorrespncExternalReference`, its version in base 36 to `CorrespncInternalReference`: the
two fields of twelve characters that are free, and by which the order is found again. Prices are net per unit, exact: a
price finer than the currency is said for 10, 100, 1000 units. What SAP has no place for is refused, never cut.

Dropped on purpose: payment terms (SAP takes its own key from the supplier), notes, contract, requisition and requester
numbers that are procurement's own, retention and prepayment, later price versions and scales (the order's price is
sent), and item texts beyond 40 characters, which are for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from tripartite.connectors.sap_s4hana.transform.words import money, padded, quantity, sap_unit, ticks
from tripartite.connectors.sap_s4hana.wire import orders as wire
from tripartite.core.codec import decode
from tripartite.core.money import minor_digits
from tripartite.core.objects import Order, OrderLine
from tripartite.runtime.protocol import Unwritable

_CATEGORY = {"limit": "A", "consignment": "2"}
_MATCHES = ("two_way", "three_way", "four_way", "ers", "consignment", "limit")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Ordering(msgspec.Struct, frozen=True, kw_only=True):
    """What only the connection knows of its orders; each of these per company code."""

    order_type: str
    external_numbers: bool
    materials: bool
    purchasing_organization: Mapping[str, str]
    purchasing_group: Mapping[str, str]
    plant: Mapping[str, str]
    material_group: Mapping[str, str]
    tax_country: Mapping[str, str]


def ordering_of(settings: Mapping[str, str], companies: Sequence[str], tax_country: Mapping[str, str]) -> Ordering:
    """The settings of a connection that its orders need (docs/connectors/sap_s4hana.md lists them)."""
    numbers, materials = settings.get("order_numbers", "external"), settings.get("order_materials", "none")
    if numbers not in ("external", "internal") or materials not in ("none", "same"):
        raise ValueError(f"order_numbers = {numbers!r} or order_materials = {materials!r} is not known")
    return Ordering(
        order_type=settings.get("order_type", "NB"),
        external_numbers=numbers == "external",
        materials=materials == "same",
        purchasing_organization=by_company(settings.get("purchasing_organization", ""), companies),
        purchasing_group=by_company(settings.get("purchasing_group", ""), companies),
        plant=by_company(settings.get("plant", ""), companies),
        material_group=by_company(settings.get("material_group", ""), companies),
        tax_country=tax_country,
    )


def by_company(text: str, company_codes: Sequence[str]) -> Mapping[str, str]:
    """`1010=DE,2010=FR` as it says; one word alone counts for all the connection's company codes."""
    if "=" in text:
        return dict(pair.strip().split("=", 1) for pair in text.split(",") if "=" in pair)
    return dict.fromkeys(company_codes, text.strip()) if text.strip() else {}


def version_text(version: int) -> str:
    """A version in base 36: an instant in milliseconds takes eight of the twelve characters."""
    text = ""
    while version:
        version, digit = divmod(version, 36)
        text = _DIGITS[digit] + text
    return text or "0"


def version_of(text: str | None) -> int | None:
    """The version that stands in SAP; None where the field holds something else."""
    try:
        return int(text.strip(), 36) if text and text.strip().isascii() and text.strip().isalnum() else None
    except ValueError:
        return None


def write_order(payload: bytes) -> wire.A_PurchaseOrder:
    """The body of an order. Errors: `Unwritable` naming the field of ours that does not fit.

    Cancelled lines carry the deletion code; a new order leaves them out (`addressed_order`).
    """
    order = decode(payload, Order)
    # The reference has room for twelve, but invoices and receipts name the order in a field of ten.
    if not order.number or len(order.number) > 10:
        raise Unwritable(
            "posting.unwritable", "/number", f"{order.number!r} is not an order number of 1 to 10 characters"
        )
    if order.prices_include_tax:
        raise Unwritable("posting.unwritable", "/prices_include_tax", "SAP's prices are net")
    if order.charges:
        raise Unwritable("posting.unwritable", "/charges", "planned charges are conditions that each customer names")
    if not order.lines:
        raise Unwritable("posting.unwritable", "/lines", "an order without lines")
    return wire.A_PurchaseOrder(
        CompanyCode=fits(order.company_code, 4, "/company_code"),
        Supplier=padded(fits(order.supplier_number, 10, "/supplier_number")),
        DocumentCurrency=order.currency,
        PurchaseOrderDate=ticks(order.issued_on) if order.issued_on else None,
        CorrespncExternalReference=order.number,
        CorrespncInternalReference=version_text(order.version),
        to_PurchaseOrderItem=[_item(line, place, order) for place, line in enumerate(order.lines)],
    )


def _item(line: OrderLine, place: int, order: Order) -> wire.A_PurchaseOrderItem:
    here = f"/lines/{place}"
    if not 0 < line.line <= 99999:
        raise Unwritable("posting.unwritable", here + "/line", "a line of 1 to 99999 is needed")
    if line.match not in _MATCHES:
        raise Unwritable("posting.unwritable", here + "/match", f"a {line.match} line is not written yet")
    if line.price_unit and line.price_unit != line.unit:
        raise Unwritable("posting.unwritable", here + "/price_unit", "a price in another unit than the order's")
    item = wire.A_PurchaseOrderItem(
        PurchaseOrderItem=str(line.line),
        PurchasingDocumentDeletionCode="L" if "cancelled" in (line.status, order.status) else None,
        PurchaseOrderItemText=line.description[:40].rstrip() or None,
        Material=fits(line.item, 40, here + "/item") or None,
        SupplierMaterialNumber=fits(line.supplier_item, 35, here + "/supplier_item") or None,
        DocumentCurrency=order.currency,
        TaxCode=fits(line.tax_codes[0], 2, here + "/tax_codes/0") if line.tax_codes else None,
        PurchaseOrderItemCategory=_CATEGORY.get(line.match),
        GoodsReceiptIsExpected=line.match != "two_way",
        InvoiceIsExpected=True,
        InvoiceIsGoodsReceiptBased=line.basis == "receipt",
        EvaldRcptSettlmtIsAllowed=line.match == "ers",
    )
    if line.match == "limit":
        if line.limit is None:
            raise Unwritable("posting.unwritable", here + "/limit", "a limit line without its limit")
        item.OverallLimitAmount = item.ExpectedOverallLimitAmount = money(line.limit, order.currency, here + "/limit")
    else:
        if line.quantity is None or line.price is None:
            raise Unwritable("posting.unwritable", here + "/quantity", "a line without quantity or price")
        item.OrderQuantity = quantity(line.quantity, here + "/quantity")
        item.PurchaseOrderQuantityUnit = item.OrderPriceUnit = fits(sap_unit(line.unit), 3, here + "/unit")
        item.NetPriceAmount, item.NetPriceQuantity = _price(line, order.currency, here)
    if line.over_percent == "unlimited":
        item.UnlimitedOverdeliveryIsAllowed = True
    else:
        item.OverdelivTolrtdLmtRatioInPct = _percent(line.over_percent, here + "/over_percent")
    item.UnderdelivTolrtdLmtRatioInPct = _percent(line.under_percent, here + "/under_percent")
    if line.cost_centre:
        item.AccountAssignmentCategory = "K"
        item.to_AccountAssignment = [
            wire.A_PurOrdAccountAssignment(
                AccountAssignmentNumber="01",
                GLAccount=fits(line.account, 10, here + "/account") or None,
                CostCenter=fits(line.cost_centre, 10, here + "/cost_centre"),
            )
        ]
    if line.due_on:
        item.to_ScheduleLine = [
            wire.A_PurchaseOrderScheduleLine(ScheduleLine="1", ScheduleLineDeliveryDate=ticks(line.due_on))
        ]
    return item


def _price(line: OrderLine, currency: str, here: str) -> tuple[str, str]:
    """The net price and the number of units it is for, without rounding: 0.0345 EUR is 3.45 EUR for 100."""
    assert line.price is not None
    off = Fraction(line.discount_percent) / 100 if line.discount_percent is not None else Fraction(0)
    exact, per = Fraction(line.price) * (1 - off), line.price_per
    minor = 10 ** minor_digits(currency)
    while (exact * minor).denominator != 1 and per <= 9999:
        exact, per = exact * 10, per * 10
    if (exact * minor).denominator != 1 or per > 99999:
        raise Unwritable("posting.unwritable", here + "/price", f"{line.price} is finer than SAP's prices")
    value = Decimal((exact * minor).numerator).scaleb(-minor_digits(currency))
    return money(value, currency, here + "/price"), str(per)


def _percent(text: str, pointer: str) -> str | None:
    whole, _, rest = text.partition(".")
    if not text.strip("0."):
        return None
    if len(whole) > 2 or rest[1:].strip("0"):
        raise Unwritable("posting.unwritable", pointer, f"{text} % is not a tolerance of at most 99.9")
    return f"{whole}.{rest[:1] or '0'}"


def addressed_order(body: wire.A_PurchaseOrder, ordering: Ordering) -> wire.A_PurchaseOrder:
    """The order as it is created, with what only the connection knows. Errors: `Unwritable` for a missing setting, or
    where every line is cancelled.
    """
    company = body.CompanyCode or ""
    items = [
        addressed_item(item, company, ordering)
        for item in body.to_PurchaseOrderItem or ()
        if item.PurchasingDocumentDeletionCode is None
    ]
    if not items:
        raise Unwritable("posting.unwritable", "/lines", "every line is cancelled and the order is not there")
    number = body.CorrespncExternalReference or ""
    return msgspec.structs.replace(
        body,
        PurchaseOrder=fits(number, 10, "/number") if ordering.external_numbers else None,
        PurchaseOrderType=ordering.order_type,
        PurchasingOrganization=_needed(ordering.purchasing_organization, company, "purchasing_organization"),
        PurchasingGroup=_needed(ordering.purchasing_group, company, "purchasing_group"),
        to_PurchaseOrderItem=items,
    )


def addressed_item(item: wire.A_PurchaseOrderItem, company: str, ordering: Ordering) -> wire.A_PurchaseOrderItem:
    """A new item with plant, material or material group, and tax country. Errors: `Unwritable`."""
    material = item.Material if ordering.materials else None
    return msgspec.structs.replace(
        item,
        Plant=ordering.plant.get(company, company),
        Material=material,
        MaterialGroup=None if material else _needed(ordering.material_group, company, "material_group"),
        TaxCountry=ordering.tax_country.get(company) if item.TaxCode else None,
    )


def _needed(words: Mapping[str, str], company: str, name: str) -> str:
    if company not in words:
        raise Unwritable(
            "posting.unwritable", f"/settings/{name}", f"the connection's setting {name} names none for {company}"
        )
    return words[company]


def fits(text: str, length: int, pointer: str) -> str:
    """`text`, or a refusal where SAP has no room for it. Errors: `Unwritable`."""
    if len(text) > length:
        raise Unwritable(
            "posting.unwritable", pointer, f"{text[:40]!r} has {len(text)} characters and SAP takes {length}"
        )
    return text
