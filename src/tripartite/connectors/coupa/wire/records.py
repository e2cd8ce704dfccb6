"""Coupa's shapes in Coupa's own words: what we ask for with `fields=` and what comes back.

JSON keys keep the dashes of the XML form (`order-lines`); a few keys are spelled with underscores by Coupa itself and
are named one by one. Every decimal is a JSON string. A field Coupa leaves empty is null. Unknown keys are let pass
here and told by name (`strangers`), because a tenant adds custom fields and a release adds columns.

Not for meaning: what a status or a match type says to us is decided in transform/words.py.
"""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Annotated, Any

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]  # ids, versions and positions: no other integer is sent


class Wire(msgspec.Struct, frozen=True, rename="kebab"):
    """The base of all shapes: keys with dashes, unknown keys let pass."""


class Currency(Wire, frozen=True):
    code: str | None = None


class Uom(Wire, frozen=True):
    code: str | None = None


class PaymentTerm(Wire, frozen=True):
    code: str | None = None


class Country(Wire, frozen=True):
    code: str | None = None


class User(Wire, frozen=True):
    login: str | None = None


class ContentGroup(Wire, frozen=True):
    name: str | None = None


class AccountType(Wire, frozen=True):
    """A chart of accounts; most companies have one per legal entity."""

    name: str | None = None
    legal_entity_name: str | None = None


class Account(Wire, frozen=True):
    """A coding: `code` is the segments joined by `-`, and a segment may hold a `-` itself, hence the segments."""

    code: str | None = None
    account_type: AccountType | None = None
    segment_1: str | None = None
    segment_2: str | None = None
    segment_3: str | None = None
    segment_4: str | None = None
    segment_5: str | None = None
    segment_6: str | None = None
    segment_7: str | None = None
    segment_8: str | None = None
    segment_9: str | None = None
    segment_10: str | None = None
    segment_11: str | None = None
    segment_12: str | None = None
    segment_13: str | None = None
    segment_14: str | None = None
    segment_15: str | None = None
    segment_16: str | None = None
    segment_17: str | None = None
    segment_18: str | None = None
    segment_19: str | None = None
    segment_20: str | None = None


class Allocation(Wire, frozen=True):
    """One part of a split coding."""

    account: Account | None = None


class Address(Wire, frozen=True):
    street1: str | None = None
    street2: str | None = None
    street3: str | None = None
    street4: str | None = None
    city: str | None = None
    postal_code: str | None = None
    state: str | None = None
    country: Country | None = None


class ShipTo(Wire, frozen=True):
    """Of a delivery address only the content groups matter to us: they can name the company."""

    content_groups: tuple[ContentGroup, ...] | None = None


class Item(Wire, frozen=True):
    item_number: str | None = None


class SupplierRef(Wire, frozen=True):
    id: Count | None = None
    number: str | None = None
    name: str | None = None


class Supplier(Wire, frozen=True):
    """`/suppliers`. `number` is the ERP's vendor number and is empty until the ERP gave one."""

    id: Count
    updated_at: str
    name: str
    status: str
    number: str | None = None
    on_hold: bool | None = None
    buyer_hold: bool | None = None
    tax_id: str | None = None
    payment_term: PaymentTerm | None = None
    primary_address: Address | None = None
    account_types: tuple[AccountType, ...] | None = None
    business_groups: tuple[ContentGroup, ...] | None = None


class Approval(Wire, frozen=True):
    """One step of an approval chain. Its last change is the decision, as far as the step has one."""

    status: str | None = None
    position: Count | None = None
    approver: User | None = None
    updated_at: str | None = None


class RequisitionLine(Wire, frozen=True):
    line_num: Count
    description: str | None = None
    line_type: str | None = None
    quantity: str | None = None
    unit_price: str | None = None
    total: str | None = None
    uom: Uom | None = None
    item: Item | None = None
    supplier: SupplierRef | None = None
    account: Account | None = None
    account_allocations: tuple[Allocation, ...] | None = None
    currency: Currency | None = None
    need_by_date: str | None = None


class Requisition(Wire, frozen=True):
    """`/requisitions`. It has no number of its own: people quote the id."""

    id: Count
    updated_at: str
    status: str
    currency: Currency | None = None
    requested_by: User | None = None
    ship_to_address: ShipTo | None = None
    approvals: tuple[Approval, ...] | None = None
    requisition_lines: tuple[RequisitionLine, ...] = ()


class RequisitionRef(Wire, frozen=True):
    id: Count | None = None
    requested_by: User | None = None
    approvals: tuple[Approval, ...] | None = None


class OrderLine(Wire, frozen=True):
    """`line-num` is a string here (an integer on requisitions); invoices and receipts refer to `id`."""

    id: Count
    line_num: str
    sub_line_num: Count | None = None
    type: str | None = None
    status: str | None = None
    description: str | None = None
    quantity: str | None = None
    price: str | None = None
    total: str | None = None
    uom: Uom | None = None
    currency: Currency | None = None
    match_type: str | None = None
    receipt_required: bool | None = None
    invoice_stop: bool | None = None
    item: Item | None = None
    supp_aux_part_num: str | None = None
    account: Account | None = None
    account_allocations: tuple[Allocation, ...] | None = None
    need_by_date: str | None = None
    custom_fields: dict[str, Any] | None = None


class Order(Wire, frozen=True):
    """`/purchase_orders`. `version` is what the supplier sees, `internal-revision` counts every change."""

    id: Count
    updated_at: str
    po_number: str
    status: str
    created_at: str | None = None
    version: Count | None = None
    internal_revision: Count | None = None
    invoice_stop: bool | None = None
    currency: Currency | None = None
    supplier: SupplierRef | None = None
    payment_term: PaymentTerm | None = None
    requisition_header: RequisitionRef | None = None
    ship_to_address: ShipTo | None = None
    order_lines: tuple[OrderLine, ...] = ()


class OrderLineRef(Wire, frozen=True):
    """The order line of a receipt, expanded just enough to name the order and the line."""

    id: Count | None = None
    line_num: str | None = None
    sub_line_num: Count | None = None
    order_header_number: str | None = None
    account: Account | None = None


class Receipt(Wire, frozen=True):
    """`/receiving_transactions`: receipts, returns, voids and stock movements in one list, told apart by `type`."""

    id: Count
    updated_at: str
    type: str
    status: str | None = None
    quantity: str | None = None
    price: str | None = None
    total: str | None = None
    uom: Uom | None = None
    transaction_date: str | None = None
    match_reference: str | None = None
    original_transaction_id: Count | None = msgspec.field(default=None, name="original_transaction_id")
    received_weight: str | None = None
    barcode: str | None = None
    order_line: OrderLineRef | None = None
    account: Account | None = None
    created_by: User | None = None


class Period(Wire, frozen=True):
    """A budget period; its chart of accounts says whose it is."""

    name: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    account_type: AccountType | None = None


class BudgetLine(Wire, frozen=True):
    """`/budget_lines`: what the segments may spend in a period. There is no check; one reads what remains."""

    id: Count
    updated_at: str
    amount: str
    remaining: str
    currency: Currency | None = None
    period: Period | None = None
    pending_requisitions_amount: str | None = msgspec.field(default=None, name="pending_requisitions_amount")
    error_on_overrun: bool | None = None
    segment_1: str | None = None
    segment_2: str | None = None
    segment_3: str | None = None
    segment_4: str | None = None
    segment_5: str | None = None
    segment_6: str | None = None
    segment_7: str | None = None
    segment_8: str | None = None
    segment_9: str | None = None
    segment_10: str | None = None
    segment_11: str | None = None
    segment_12: str | None = None
    segment_13: str | None = None
    segment_14: str | None = None
    segment_15: str | None = None
    segment_16: str | None = None
    segment_17: str | None = None
    segment_18: str | None = None
    segment_19: str | None = None
    segment_20: str | None = None


class Token(msgspec.Struct, frozen=True):
    """The answer of `/oauth2/token`."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str = ""


class Key(Wire, frozen=True):
    """The least of any record: enough to page, to key and to version it without reading it."""

    id: Count
    updated_at: str
    po_number: str | None = None
    number: str | None = None
    exported: bool | None = None


class LineKey(Wire, frozen=True):
    id: Count
    line_num: str | None = None
    sub_line_num: Count | None = None


class OrderKey(Wire, frozen=True):
    """Of an order, only which lines it has."""

    order_lines: tuple[LineKey, ...] = ()


@cache
def _parts(shape: type[Wire]) -> tuple[tuple[str, type[Wire] | None], ...]:
    """The key and the nested shape (None: a plain value) of every field of `shape`."""
    hints = typing.get_type_hints(shape)
    found = []
    for name, key in zip(shape.__struct_fields__, shape.__struct_encode_fields__, strict=True):
        options = typing.get_args(hints[name]) if isinstance(hints[name], types.UnionType) else (hints[name],)
        inner = [part for option in options for part in (option, *typing.get_args(option))]
        nested = next((part for part in inner if isinstance(part, type) and issubclass(part, Wire)), None)
        found.append((key, nested))
    return tuple(found)


@cache
def fields(shape: type[Wire], without: frozenset[str] = frozenset()) -> tuple[Any, ...]:
    """The `fields=` argument that asks Coupa for exactly this shape: keys, and `{association: [...]}`; but for the
    keys `without`, which this connection has no use for (twenty account segments make a long address).
    """
    return tuple(
        {key: fields(nested, without)} if nested else key for key, nested in _parts(shape) if key not in without
    )


def strangers(value: object, shape: type[Wire]) -> tuple[str, ...]:
    """The keys of a decoded record that `shape` does not know, as paths (`order-lines/bulk-price`), each once."""
    found: dict[str, None] = {}
    _collect(value, shape, "", found)
    return tuple(found)


def _collect(value: object, shape: type[Wire], path: str, found: dict[str, None]) -> None:
    if not isinstance(value, dict):
        return
    known = dict(_parts(shape))
    for key, inner in value.items():
        if key not in known:
            found[f"{path}{key}"] = None
        elif nested := known[key]:
            for element in inner if isinstance(inner, list) else [inner]:
                _collect(element, nested, f"{path}{key}/", found)
