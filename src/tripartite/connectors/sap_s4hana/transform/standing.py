"""How an order stands in SAP beside the version we send: the same, older, newer, another's, or not there. Pure.

An order is ours by `CorrespncExternalReference`. One that carries only our number, from before we wrote, is taken for
the same where nothing differs, and is never changed by us: a number alone does not prove whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from tripartite.connectors.sap_s4hana.transform.ordering import Ordering, addressed_item, version_of
from tripartite.connectors.sap_s4hana.transform.words import initial, many, number_of, unit, unpadded
from tripartite.connectors.sap_s4hana.wire import orders as wire
from tripartite.core.codec import Malformed
from tripartite.core.mapping.units import unit_of

_encoder = msgspec.json.Encoder()


class Missing(msgspec.Struct, frozen=True):
    """SAP shows no order of this number."""


class Same(msgspec.Struct, frozen=True):
    """It stands as sent, or newer; `number` is SAP's."""

    number: str
    detail: str = ""


class Conflict(msgspec.Struct, frozen=True):
    """What stands there is not ours to change."""

    detail: str


class Step(msgspec.Struct, frozen=True):
    """One request of a changeset."""

    method: str
    path: str
    etag: str
    body: bytes


class Older(msgspec.Struct, frozen=True):
    """An earlier version stands under `number`; `steps` make it the one sent, all or none."""

    number: str
    steps: tuple[Step, ...]


Standing = Missing | Same | Conflict | Older


def judge_order(found: Sequence[wire.A_PurchaseOrderRead], sent: wire.A_PurchaseOrder, ordering: Ordering) -> Standing:
    """How `sent` stands among what SAP shows under its number. Errors: `Unwritable` where a new line lacks a setting;
    `Malformed` where SAP's answer is not an order.
    """
    reference = sent.CorrespncExternalReference or ""
    ours = sorted(
        (
            order
            for order in found
            if order.CorrespncExternalReference == reference and order.CompanyCode == sent.CompanyCode
        ),
        key=lambda order: order.PurchaseOrder or "",
    )
    if ours:
        others = ", ".join(order.PurchaseOrder or "" for order in ours[1:])
        return _of_ours(ours[0], sent, ordering, f"also stands as {others}" if others else "")
    named = [order for order in found if unpadded(order.PurchaseOrder) == unpadded(reference)]
    if not named:
        return Missing()
    other = named[0]
    if _differs(other, sent):
        return Conflict(f"order {other.PurchaseOrder} of SAP has this number and is another: {_differs(other, sent)}")
    if steps := _steps(other, sent, ordering, ours=False):
        return Conflict(
            f"order {other.PurchaseOrder} was not written by us and differs in {steps[0].path}: bring the two in line "
            "by hand, or give it our reference"
        )
    return Same(other.PurchaseOrder or "", "stood there already")


def _of_ours(order: wire.A_PurchaseOrderRead, sent: wire.A_PurchaseOrder, ordering: Ordering, detail: str) -> Standing:
    number = order.PurchaseOrder or ""
    if difference := _differs(order, sent):
        return Conflict(f"order {number} cannot become the one sent: {difference}")
    stands, version = version_of(order.CorrespncInternalReference), version_of(sent.CorrespncInternalReference)
    if stands is not None and version is not None and stands > version:
        return Same(number, "a newer version stands there")
    if order.PurchasingDocumentDeletionCode == "L":
        return Conflict(f"order {number} is deleted in SAP")
    steps = _steps(order, sent, ordering, ours=True)
    if not steps and stands == version:
        return Same(number, detail)
    header = {"CorrespncInternalReference": sent.CorrespncInternalReference}
    mark = Step("PATCH", f"A_PurchaseOrder('{number}')", order.metadata.etag, _encoder.encode(header))
    return Older(number, (*steps, mark))


def _differs(order: wire.A_PurchaseOrderRead, sent: wire.A_PurchaseOrder) -> str:
    """In what an order is another one altogether: SAP changes none of these."""
    pairs = (
        ("company code", order.CompanyCode, sent.CompanyCode),
        ("supplier", unpadded(order.Supplier), unpadded(sent.Supplier)),
        ("currency", order.DocumentCurrency, sent.DocumentCurrency),
    )
    return ", ".join(f"{name} {theirs} there, {ours} here" for name, theirs, ours in pairs if theirs != ours)


def _steps(
    order: wire.A_PurchaseOrderRead, sent: wire.A_PurchaseOrder, ordering: Ordering, *, ours: bool
) -> list[Step]:
    rows = many(order.to_PurchaseOrderItem)
    if rows is None:
        raise Malformed("integration.schema_violated", "an order without its items")
    number = order.PurchaseOrder or ""
    standing = {number_of(row.PurchaseOrderItem): row for row in rows}
    steps: list[Step] = []
    for item in sent.to_PurchaseOrderItem or ():
        row = standing.pop(number_of(item.PurchaseOrderItem), None)
        if row is None:
            if item.PurchasingDocumentDeletionCode is None:
                made = addressed_item(item, sent.CompanyCode or "", ordering) if ours else item
                body = msgspec.structs.replace(made, PurchaseOrder=number)
                steps.append(Step("POST", "A_PurchaseOrderItem", "", _encoder.encode(body)))
            continue
        key = f"(PurchaseOrder='{number}',PurchaseOrderItem='{row.PurchaseOrderItem}'"
        if changes := _item_changes(row, item):
            steps.append(Step("PATCH", f"A_PurchaseOrderItem{key})", row.metadata.etag, _encoder.encode(changes)))
        if ours and (coded := _coding(row, item)):
            assignment, coding = coded
            path = f"A_PurOrdAccountAssignment{key},AccountAssignmentNumber='{assignment.AccountAssignmentNumber}')"
            steps.append(Step("PATCH", path, assignment.metadata.etag, _encoder.encode(coding)))
    for row in standing.values():  # lines that the order no longer has
        if row.PurchasingDocumentDeletionCode != "L":
            path = f"A_PurchaseOrderItem(PurchaseOrder='{number}',PurchaseOrderItem='{row.PurchaseOrderItem}')"
            deleted = _encoder.encode({"PurchasingDocumentDeletionCode": "L"})
            steps.append(Step("PATCH", path, row.metadata.etag, deleted))
    return steps


def _item_changes(row: wire.A_PurchaseOrderItemRead, item: wire.A_PurchaseOrderItem) -> dict[str, str]:
    """The fields of a line that must change, with their new values; a line that stays cancelled has none."""
    deleted = row.PurchasingDocumentDeletionCode == "L"
    if item.PurchasingDocumentDeletionCode == "L":
        return {} if deleted else {"PurchasingDocumentDeletionCode": "L"}
    changes: dict[str, str] = {"PurchasingDocumentDeletionCode": ""} if deleted else {}
    if item.OrderQuantity is not None and _number(row.OrderQuantity) != _number(item.OrderQuantity):
        changes["OrderQuantity"] = item.OrderQuantity
    if item.NetPriceAmount is not None and item.NetPriceQuantity is not None:
        theirs = _number(row.NetPriceAmount) / (_number(row.NetPriceQuantity) or 1)
        if theirs != _number(item.NetPriceAmount) / _number(item.NetPriceQuantity):
            changes |= {"NetPriceAmount": item.NetPriceAmount, "NetPriceQuantity": item.NetPriceQuantity}
    if item.PurchaseOrderQuantityUnit and _unit(row.PurchaseOrderQuantityUnit) != _unit(item.PurchaseOrderQuantityUnit):
        changes["PurchaseOrderQuantityUnit"] = item.PurchaseOrderQuantityUnit
    if item.TaxCode and row.TaxCode and item.TaxCode != row.TaxCode:
        changes["TaxCode"] = item.TaxCode
    if item.OverallLimitAmount and _number(row.OverallLimitAmount) != _number(item.OverallLimitAmount):
        changes |= {
            "OverallLimitAmount": item.OverallLimitAmount,
            "ExpectedOverallLimitAmount": item.OverallLimitAmount,
        }
    return changes


def _coding(
    row: wire.A_PurchaseOrderItemRead, item: wire.A_PurchaseOrderItem
) -> tuple[wire.A_PurOrdAccountAssignmentRead, dict[str, str]] | None:
    """What one account assignment must become; several are split coding, which stays with SAP."""
    standing = [each for each in many(row.to_AccountAssignment) or () if not each.IsDeleted]
    if item.PurchasingDocumentDeletionCode or len(standing) != 1 or not item.to_AccountAssignment:
        return None
    wanted = item.to_AccountAssignment[0]
    pairs = (
        ("CostCenter", standing[0].CostCenter, wanted.CostCenter),
        ("GLAccount", standing[0].GLAccount, wanted.GLAccount),
    )
    changes = {name: new for name, old, new in pairs if new and unpadded(old) != unpadded(new)}
    return (standing[0], changes) if changes else None


def _number(text: str | None) -> Fraction:
    if initial(text):
        return Fraction(0)
    try:
        return Fraction(Decimal(text or "0"))
    except ArithmeticError:
        raise Malformed("integration.schema_violated", f"{str(text)[:40]!r} is not a decimal") from None


def _unit(text: str | None) -> str:
    ours = unit(text)
    return unit_of(ours) or ours
