"""A payment: one credit transfer to one supplier, the invoices it settles, and what the bank says became of it.

Three documents speak of it. `PaymentOrder` is what we send to the bank (pain.001), `PaymentReport` is its answer
(pain.002), `BankStatement` is what was booked (camt.054, camt.053). `Payment.number` is the end-to-end id in all three.

Amounts of a payment, an order and an entry are positive; `PaymentItem.amount` is negative for a credit memo set off.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from tripartite.core.money import Amount
from tripartite.core.objects.party import Address, BankAccount

PaymentStatus = Literal["proposed", "released", "sent", "executed", "rejected", "returned", "cancelled"]


class PaymentItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One invoice or credit memo that a payment settles. `document` of fiscal `year` is its booking in the ERP."""

    invoice_id: str
    invoice_number: str
    amount: Amount
    document: str = ""
    year: str = ""
    issued_on: date | None = None
    discount: Amount | None = None  # taken off, already out of `amount`


class Payment(msgspec.Struct, frozen=True, omit_defaults=True):
    """One transfer: `amount` in `currency`, the sum of its items, to the confirmed `account` of one supplier."""

    number: str
    company_code: str
    supplier_id: str
    currency: str
    amount: Amount
    status: PaymentStatus
    version: int = 1
    supplier_name: str = ""
    account: BankAccount | None = None
    address: Address | None = None
    due_on: date | None = None
    executed_on: date | None = None
    items: tuple[PaymentItem, ...] = ()


class PaymentOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file for the bank: transfers of one company from one account on one day. All in `currency`.

    `number` is the message id, the bank's key against a second delivery; it never changes on a repeat, and neither
    does any byte: `created_at` is part of the order and no clock is asked when it is written.
    """

    number: str
    company_code: str
    company_name: str
    account: BankAccount
    currency: str
    execute_on: date
    created_at: datetime
    amount: Amount  # the control sum
    address: Address | None = None
    payments: tuple[Payment, ...] = ()


class Clearing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the ERP says of the payment of one booked invoice. `document` is its booking, number/year.

    `cleared` alone is not paid: a reversal or a credit memo clears too. `amount` is positive, in `currency`.
    """

    company_code: str
    document: str
    state: Literal["open", "in_payment", "paid", "cleared", "reversed"]
    currency: str = ""
    amount: Amount | None = None
    payment_block: str = ""
    cleared_on: date | None = None
    clearing_document: str = ""
    due_on: date | None = None


# What a bank says of an order, a block or a transfer: its words in ours. `pending` covers every word that is not final.
# `partly` stands for an order only: its transfers say the rest.
ReportedStatus = Literal["received", "accepted", "pending", "partly", "executed", "credited", "rejected", "cancelled"]


class TransferReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the bank says of one transfer. `number` is its end-to-end id; `word` the bank's own status code."""

    number: str
    status: ReportedStatus
    word: str
    reason: str = ""  # ISO 20022 external reason code, e.g. AC01
    detail: str = ""
    bank_reference: str = ""


class PaymentReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """A status report of the bank (pain.002) on the order `order_number`. `status` is empty where only transfers speak.

    A rejected order rejects every transfer of it, named or not. Reports repeat and come in any order.
    """

    number: str
    order_number: str
    reported_at: datetime
    status: ReportedStatus | Literal[""] = ""
    word: str = ""
    reason: str = ""
    detail: str = ""
    transfers: tuple[TransferReport, ...] = ()


class BankDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """One transfer inside a movement, as far as the bank tells. `party` is the other side: paid, or paying.

    `amount` is in the account's currency, None where the bank states none; `instructed` is what the order said, in
    `instructed_currency`, where the bank repeats it.
    """

    payment_number: str = ""
    order_number: str = ""
    amount: Amount | None = None
    instructed: Amount | None = None
    instructed_currency: str = ""
    party: BankAccount | None = None
    bank_reference: str = ""
    uetr: str = ""
    return_reason: str = ""
    remittance: tuple[str, ...] = ()


class BankEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One movement of the account. `key` tells it from every other and is the same in camt.054 and camt.053.

    `payment_number` is the end-to-end id where the bank gives one; a batch booking gives `order_number` and `count`.
    `details` are the transfers inside, where the bank lists them: one of a single booking, all of a batch, or none.
    `word` is the bank's own status where it is none of BOOK, PDNG and INFO.
    """

    key: str
    amount: Amount
    direction: Literal["debit", "credit"]
    status: Literal["booked", "pending", "information"]
    booked_on: date | None = None
    valued_on: date | None = None
    payment_number: str = ""
    order_number: str = ""
    count: int = 1
    bank_reference: str = ""
    reversal: bool = False
    return_reason: str = ""  # set: this entry brings money back
    code: str = ""  # domain/family/sub-family of the bank transaction
    text: str = ""
    details: tuple[BankDetail, ...] = ()
    word: str = ""


class BankStatement(msgspec.Struct, frozen=True, omit_defaults=True):
    """A statement (camt.053) or notification (camt.054) of one account. Balances are signed; the latter has none."""

    number: str
    account: str
    currency: str
    kind: Literal["statement", "notification"]
    created_at: datetime
    sequence: str = ""
    opening: Amount | None = None
    closing: Amount | None = None
    copy: bool = False
    entries: tuple[BankEntry, ...] = ()
