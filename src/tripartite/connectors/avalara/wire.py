"""AvaTax's shapes in AvaTax's own words (REST v2, models of the public SDK).

Words to know:
    code            the document's number with us: the question's number; at most 50 characters
    companyCode     their name of our company. Empty means the account's default company: never left empty
    customerCode    on a purchase the vendor's code, not a customer's
    amount          of a line: the extended amount, not the unit price
    type            PurchaseOrder is reckoned and not kept (status Temporary); PurchaseInvoice would be recorded

Numbers come as JSON numbers. `Digits` keeps their literal bytes, so that no parser turns 0.1 into a binary float
before our grammar has seen it. Rates are fractions: 0.029 is 2.9 %.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

Digits = msgspec.Raw
NOTHING = msgspec.Raw()


# What is sent.


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    line1: str = ""
    line2: str = ""
    line3: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    postalCode: str = ""


class Places(msgspec.Struct, frozen=True, omit_defaults=True):
    shipFrom: Place | None = None
    shipTo: Place | None = None
    singleLocation: Place | None = None


class Item(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    number: str
    amount: Decimal
    quantity: Decimal | None = None
    taxCode: str = ""
    itemCode: str = ""
    description: str = ""


class CreateTransaction(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    type: str = msgspec.field(name="type")
    companyCode: str
    code: str
    date: str
    customerCode: str
    currencyCode: str
    lines: tuple[Item, ...]
    commit: bool | None = None  # always said: false
    addresses: Places | None = None
    businessIdentificationNo: str = ""  # the vendor's VAT number
    purchaseOrderNo: str = ""
    referenceCode: str = ""


# What comes back. A field without a default is promised.


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    country: str
    rate: Digits
    tax: Digits
    taxableAmount: Digits
    taxType: str = ""
    taxName: str = ""
    jurisType: str = ""
    jurisName: str = ""
    region: str | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    lineNumber: str
    lineAmount: Digits
    tax: Digits
    details: tuple[Detail, ...] = ()


class Message(msgspec.Struct, frozen=True):
    summary: str | None = None
    severity: str | None = None


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    type: str
    status: str
    currencyCode: str
    totalTax: Digits
    lines: tuple[Line, ...]
    taxDate: str | None = None
    date: str | None = None
    softwareVersion: str | None = None
    modifiedDate: str | None = None
    messages: tuple[Message, ...] | None = None


class Head(msgspec.Struct, frozen=True):
    """What the client looks at: whose answer it is, and that nothing was recorded."""

    code: str
    type: str
    status: str


class Ping(msgspec.Struct, frozen=True):
    authenticated: bool
    version: str = ""


class ErrorDetail(msgspec.Struct, frozen=True):
    code: str | None = None
    number: int | None = None
    message: str | None = None
    refersTo: str | None = None


class ErrorInfo(msgspec.Struct, frozen=True):
    code: str
    message: str = ""
    details: tuple[ErrorDetail, ...] | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    error: ErrorInfo
