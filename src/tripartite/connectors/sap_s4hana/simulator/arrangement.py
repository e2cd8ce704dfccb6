"""What the bench can be told to hold: company codes, suppliers, orders, receipts, as short as tests want to write them.

The words are the bench's own, not SAP's; world.py makes SAP's documents of them.
"""

from __future__ import annotations

import msgspec

Word = str | int


class Company(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A company code. `small_difference`: the tolerance BD up to which an unbalanced document is posted (a sum in the
    document's currency). `open_from`: postings before this date meet a closed period. `year_start`: month of the year.
    """

    code: str
    currency: str = "EUR"
    country: str = "DE"
    small_difference: str = "1.00"
    open_from: str = ""
    year_start: int = 1
    name: str = ""
    chart: str = "YCOA"
    controlling_area: str = "A000"


class SupplierRow(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A supplier; `companies` empty means all of the company codes, `purchasing` empty all purchasing organisations.
    `duplicates` switches SAP's duplicate check on.
    """

    number: Word
    name: str = ""
    companies: list[str] = []
    purchasing: list[str] = []
    payment_terms: str = "0001"
    duplicates: bool = False
    blocked: bool = False
    iban: str = ""
    bic: str = ""
    vat: str = ""
    country: str = "DE"
    city: str = ""
    changed: str = ""


class OrderItem(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    item: int
    quantity: Word
    price: Word
    per: int = 1
    unit: str = "EA"
    text: str = ""
    material: str = ""
    supplier_material: str = ""
    tax_code: str = "V1"
    gr: bool = True  # GoodsReceiptIsExpected
    gr_based: bool = False  # InvoiceIsGoodsReceiptBased
    ers: bool = False
    category: str = "0"
    over_percent: str = "0.0"
    unlimited: bool = False
    limit: str = "0.00"
    final: bool = False
    deleted: str = ""
    delivery: str = ""
    cost_centre: str = ""
    account: str = ""
    freight: str = ""  # a planned delivery cost
    material_group: str = ""
    plant: str = ""


class OrderRow(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    number: Word
    company: str
    supplier: Word
    items: list[OrderItem]
    invoicing_party: Word = ""
    currency: str = "EUR"
    date: str = "2026-01-02"
    status: str = "02"
    released: bool = True
    deleted: str = ""
    payment_terms: str = "0001"
    changed: str = ""
    external_reference: str = ""  # CorrespncExternalReference
    internal_reference: str = ""  # CorrespncInternalReference
    purchasing_organization: str = ""
    revision: int = 1  # of this order, for its ETag


class ReceiptItem(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    order: Word
    order_item: int
    quantity: Word
    item: int = 1
    unit: str = "EA"
    movement: str = "101"
    reverses: str = ""  # number/year
    refers: str = ""  # number/year of the receipt that a return or reversal entered by reference takes from


class ReceiptRow(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    number: Word
    items: list[ReceiptItem]
    year: str = "2026"
    date: str = "2026-01-05"
    delivery_note: str = ""
    created: str = ""
    text: str = ""  # MaterialDocumentHeaderText


class CostCentreRow(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    number: Word
    company: str
    name: str = ""
    controlling_area: str = "A000"
    valid_from: str = "2000-01-01"
    valid_to: str = "9999-12-31"
    blocked: bool = False


class PaymentRow(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the payment program (`kind` ZP) or an accountant (SA, say) did to an invoice document, `number/year`.

    `proposed`: it stands in a payment run that is not booked. `reset`: the clearing is taken back.
    """

    document: str
    on: str = "2026-11-20"
    kind: str = "ZP"
    proposed: bool = False
    reset: bool = False


class Arrangement(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `arrange` takes. What is there under the same number is replaced, and counts as changed now."""

    companies: list[Company | str] = []
    suppliers: list[SupplierRow] = []
    orders: list[OrderRow] = []
    receipts: list[ReceiptRow] = []
    tax_codes: dict[str, Word] = {}  # code: percent
    cost_centres: list[CostCentreRow] = []
    material_groups: list[str] = []
    materials: list[str] = []
    plants: dict[str, str] = {}  # plant: its company code; a company code is a plant of its own too
    purchasing_organizations: list[str] = []  # beside those named like a company code
    payments: list[PaymentRow] = []
