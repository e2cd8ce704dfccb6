"""What the supplier reads on its statement: which invoices a transfer pays, and which credit memos were set off.

    beyond SEPA                       one structured document for each item, CINV or CREN
    SEPA, one invoice                 one structured document (setting `sepa_remittance`), since the scheme takes one
    SEPA, several or a credit memo    one text of at most 140 characters

The text, the first of these that fits: every number with its amount, `R-1 500.00, C-7 -20.00`; every number; as many
numbers as fit and then how many are missing and where they stand: `R-1, R-2, +14 see advice PAY-55`. Nothing is left
out without the text saying so.
"""

from __future__ import annotations

from datetime import date

import msgspec

from tripartite.connectors.iso20022_bank.transform.texts import latin
from tripartite.core.codec import plain
from tripartite.core.money import Money, NumberInvalid
from tripartite.core.objects import Payment, PaymentItem
from tripartite.runtime.protocol import Unwritable

TEXT = 140
NUMBER = 35


class ReferredDocument(msgspec.Struct, frozen=True):
    """One structured document. Amounts are positive: that of a credit memo reduces the transfer by its kind alone.

    A number of more than 35 characters has no place in `Nb` and stands as `long_number` in additional text.
    """

    credit: bool
    amount: Money
    number: str = ""
    long_number: str = ""
    issued_on: date | None = None
    discount: Money | None = None


class Remittance(msgspec.Struct, frozen=True):
    text: str = ""
    documents: tuple[ReferredDocument, ...] = ()


def remittance_of(payment: Payment, here: str, *, sepa: bool, structured: bool) -> Remittance:
    """The remittance information of one transfer. Errors: `Unwritable`."""
    items = payment.items
    if not items:
        return Remittance()
    alone = len(items) == 1 and items[0].amount > 0 and len(items[0].invoice_number) <= NUMBER
    if sepa and not (structured and alone):
        return Remittance(text=_text(payment, here))
    documents = (_document(item, payment.currency, f"{here}/items/{place}") for place, item in enumerate(items))
    return Remittance(documents=tuple(documents))


def _document(item: PaymentItem, currency: str, here: str) -> ReferredDocument:
    number = latin(item.invoice_number, f"{here}/invoice_number", TEXT)
    try:
        amount = Money.of(abs(item.amount), currency)
        discount = Money.of(abs(item.discount), currency) if item.discount else None
    except NumberInvalid as error:
        raise Unwritable(error.reason_code, here, str(error)) from None
    return ReferredDocument(
        credit=item.amount < 0,
        amount=amount,
        number=number if len(number) <= NUMBER else "",
        long_number=number if len(number) > NUMBER else "",
        issued_on=item.issued_on,
        discount=discount,
    )


def _text(payment: Payment, here: str) -> str:
    numbers = [
        latin(item.invoice_number, f"{here}/items/{place}/invoice_number", TEXT)
        for place, item in enumerate(payment.items)
    ]
    amounts = [plain(Money.of(item.amount, payment.currency).decimal()) for item in payment.items]
    full = ", ".join(f"{number} {amount}" for number, amount in zip(numbers, amounts, strict=True))
    if len(full) <= TEXT:
        return full
    short = ", ".join(numbers)
    if len(short) <= TEXT:
        return short
    for count in range(len(numbers) - 1, -1, -1):
        rest = f"+{len(numbers) - count} see advice {payment.number}"
        said = ", ".join([*numbers[:count], rest])
        if len(said) <= TEXT:
            return said
    raise AssertionError("a payment's number has 35 characters at most")
