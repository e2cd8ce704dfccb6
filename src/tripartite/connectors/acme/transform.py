"""Acme's words into ours, and ours into Acme's. Pure: bytes in, values out; no call, no clock.

How to read it: the tables of words, then numbers and dates, then one `_build_...` per object, then the one writer.
Three habits are worth copying:

* Every status word stands in one table. A word that is not there makes the document unreadable at that place; it is
  never taken for the nearest known one, and never for success.
* The step from minor to major units happens in `_amount` and `_price` and nowhere else; the way back in `_minor`.
* A credit has negative sums at Acme and positive ones here, where the kind gives the sign. `_turn` does it once.

What we know and leave out on purpose is named in the `_LEFT_OUT` tables and returned as `dropped`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import TypeVar

import msgspec

from tripartite.connectors.acme import wire
from tripartite.core import codec, objects
from tripartite.core.money import (
    Amount,
    CurrencyInvalid,
    Money,
    NumberInvalid,
    Price,
    Rate,
    check_currency,
    minor_digits,
)
from tripartite.core.objects.order import MatchMode, OrderStatus
from tripartite.core.objects.receipt import ReceiptKind
from tripartite.core.objects.supplier import SupplierStatus
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import (
    Canonical,
    ObjectKind,
    Raw,
    Read,
    Reader,
    ReadResult,
    Unreadable,
    Unwritable,
    Writer,
)

T = TypeVar("T")

# The tables of words. "onboarding" is a draft: nobody has approved this supplier, so nothing may be bought or paid.
SUPPLIER_STATUS: dict[str, SupplierStatus] = {
    "onboarding": "draft",
    "approved": "active",
    "suspended": "blocked",
    "barred": "inactive",
}
# "received" still takes invoices; only "closed" says that no more are expected.
ORDER_STATUS: dict[str, OrderStatus] = {
    "draft": "draft",
    "sent": "open",
    "received": "open",
    "closed": "closed",
    "cancelled": "cancelled",
}
MATCH_MODE: dict[str, MatchMode] = {"order": "two_way", "receipt": "three_way", "inspection": "four_way"}
RECEIPT_KIND: dict[str, ReceiptKind] = {
    "delivery": "receipt",
    "return": "return",
    "cancellation": "reversal",
    "service": "service_entry",
}
# A label that is not here is kept as `reason`, with no kind: matching then asks a person what it is.
CHARGE_KIND = {"Freight": "freight", "Packing": "packing", "Handling": "handling"}

_LEFT_OUT: dict[ObjectKind, tuple[str, ...]] = {
    "supplier": ("rating",),  # an opinion of Acme's buyers; no rule of ours reads it
    "order": ("colour_label",),  # decoration of their screen
    "invoice": ("scanned_by",),  # a person's name that we have no purpose for
}


class _Refused(Exception):
    """Leaves a `_build_...` from any depth; it becomes the `Unreadable` that the reader answers."""

    def __init__(self, reason_code: str, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.answer = Unreadable(reason_code, pointer, detail)


def _word(table: dict[str, T], word: str, pointer: str) -> T:
    if word not in table:
        raise _Refused("intake.value_out_of_range", pointer, f"the word {word[:40]!r} is not one we know")
    return table[word]


def _number(parse: Callable[[object], T], text: str, pointer: str) -> T:
    try:
        return parse(text)
    except NumberInvalid as error:
        raise _Refused(error.reason_code, pointer, str(error)) from None


def _currency(code: str) -> str:
    try:
        return check_currency(code)
    except CurrencyInvalid as error:
        raise _Refused(error.reason_code, "/currency", str(error)) from None


def _day(text: str, pointer: str) -> date | None:
    """A calendar day, `YYYY-MM-DD` and nothing looser; None where nothing is stated."""
    if not text:
        return None
    try:
        # `fromisoformat` also takes 20260131 and 2026-W05-6; Acme promises one form only.
        if len(text) != 10 or text[4] != "-" or text[7] != "-":
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise _Refused("intake.value_out_of_range", pointer, f"{text[:20]!r} is not a day") from None


def _scaled(minor: int, currency: str, pointer: str) -> str:
    """Minor units as the plain text of major units: 12345 EUR -> 123.45, 12345 JPY -> 12345, 12345 KWD -> 12.345."""
    if abs(minor) >= 10**15:  # before any arithmetic: a number of a million digits costs seconds
        raise _Refused("intake.amount_invalid", pointer, "an amount of more than 15 digits")
    return codec.plain(Decimal(minor).scaleb(-minor_digits(currency)))


def _amount(minor: int, currency: str, pointer: str) -> Amount:
    return _number(Amount.parse, _scaled(minor, currency, pointer), pointer)


def _price(minor: int | None, currency: str, pointer: str) -> Price | None:
    return None if minor is None else _number(Price.parse, _scaled(minor, currency, pointer), pointer)


def _left_out(kind: ObjectKind, shape: msgspec.Struct) -> tuple[str, ...]:
    return tuple(name for name in _LEFT_OUT.get(kind, ()) if getattr(shape, name))


def _account(bank: wire.Bank) -> objects.BankAccount:
    return objects.BankAccount(bank.iban, bank.holder, bank.bic)


def _buyer(company: str) -> objects.Party:
    return objects.Party(ids=(objects.Identifier(company, "acme.company"),))


def _build_supplier(said: wire.Supplier) -> Canonical:
    address = (
        None
        if said.address is None
        else objects.Address(
            lines=said.address.lines,
            city=said.address.city,
            postal_code=said.address.postcode,
            country=said.address.country,
        )
    )
    return objects.Supplier(
        number=said.number,
        name=said.name,
        version=said.sequence,
        company_codes=said.companies,
        status=_word(SUPPLIER_STATUS, said.status, "/status"),
        tax_id=said.vat_number,
        accounts=tuple(_account(bank) for bank in said.banks),
        address=address,
        payment_terms=said.terms,
        withholding=said.withholding_code,
    )


def _build_order(said: wire.Order) -> Canonical:
    currency = _currency(said.currency)
    return objects.Order(
        number=said.number,
        currency=currency,
        version=said.sequence,
        company_code=said.company,
        supplier_number=said.supplier,
        buyer=_buyer(said.company),
        issued_on=_day(said.ordered_on, "/ordered_on"),
        status=_word(ORDER_STATUS, said.status, "/status"),
        requisition=said.requisition,
        payment_terms=said.terms,
        requester=said.requested_by,
        approver=said.approved_by,
        lines=tuple(_build_order_line(line, currency, f"/lines/{at}") for at, line in enumerate(said.lines)),
    )


def _build_order_line(said: wire.OrderLine, currency: str, at: str) -> objects.OrderLine:
    over = said.over_delivery_percent
    if over != "unlimited":
        over = codec.plain(_number(Rate.parse, over, f"{at}/over_delivery_percent"))
    return objects.OrderLine(
        line=said.position,
        description=said.description,
        item=said.item,
        supplier_item=said.supplier_item,
        quantity=_number(Quantity.parse, said.quantity, f"{at}/quantity"),
        unit=said.unit,
        price=_price(said.price_minor, currency, f"{at}/price_minor"),
        price_per=_positive(said.price_per, f"{at}/price_per"),
        match=_word(MATCH_MODE, said.check, f"{at}/check"),
        over_percent=over,
        tax_codes=(said.tax_code,) if said.tax_code else (),
        due_on=_day(said.due_on, f"{at}/due_on"),
        status=_word(ORDER_STATUS, said.status, f"{at}/status"),
        cost_centre=said.cost_centre,
        account=said.account,
    )


def _positive(number: int, pointer: str) -> int:
    if number < 1:
        raise _Refused("intake.value_out_of_range", pointer, f"{number} is not a positive number")
    return number


def _build_receipt(said: wire.Receipt) -> Canonical:
    return objects.Receipt(
        number=said.number,
        kind=_word(RECEIPT_KIND, said.kind, "/kind"),
        version=said.sequence,
        company_code=said.company,
        buyer=_buyer(said.company),
        supplier=objects.Party(ids=(objects.Identifier(said.supplier, "acme.supplier"),)),
        posted_on=_day(said.posted_on, "/posted_on"),
        delivery_note=said.delivery_note,
        receiver=said.received_by,
        lines=tuple(_build_receipt_line(line, f"/lines/{at}") for at, line in enumerate(said.lines)),
    )


def _build_receipt_line(said: wire.ReceiptLine, at: str) -> objects.ReceiptLine:
    quantity = _number(Quantity.parse, said.quantity, f"{at}/quantity")
    if quantity < 0:
        # Acme promises positive quantities; a negative one would turn a return into a delivery.
        raise _Refused("intake.ambiguous", f"{at}/quantity", "a negative quantity beside a kind that gives the sign")
    return objects.ReceiptLine(
        order_number=said.order,
        order_line=said.position,
        quantity=quantity,
        unit=said.unit,
        line=said.line,
        accepted=None if said.accepted is None else _number(Quantity.parse, said.accepted, f"{at}/accepted"),
        takes_from=said.takes_from,
        item=said.item,
    )


def _build_invoice(said: wire.Invoice) -> Canonical:
    currency = _currency(said.currency)
    credit = _word({"invoice": False, "credit": True}, said.kind, "/kind")
    if credit and max(said.net_minor, said.tax_minor, said.gross_minor) > 0:
        raise _Refused("intake.ambiguous", "/gross_minor", "a credit with a positive sum: whose claim is it?")
    sign = -1 if credit else 1
    return objects.Invoice(
        number=said.supplier_ref,
        kind="credit_memo" if credit else "invoice",
        currency=currency,
        issued_on=_day(said.invoice_date, "/invoice_date"),
        company_code=said.company,
        supplier_number=said.supplier,
        buyer=_buyer(said.company),
        order_numbers=tuple(dict.fromkeys(line.order for line in said.lines if line.order)),
        original=said.credits,
        remit_to=None if said.bank is None else _account(said.bank),
        due_on=_day(said.due_date, "/due_date"),
        payment_terms=said.terms,
        net=_amount(sign * said.net_minor, currency, "/net_minor"),
        tax=_amount(sign * said.tax_minor, currency, "/tax_minor"),
        gross=_amount(sign * said.gross_minor, currency, "/gross_minor"),
        lines=tuple(_build_invoice_line(line, currency, sign, f"/lines/{at}") for at, line in enumerate(said.lines)),
        charges=tuple(
            objects.Allowance(
                amount=_amount(sign * charge.amount_minor, currency, f"/freight/{at}/amount_minor"),
                kind=CHARGE_KIND.get(charge.label, ""),
                reason=charge.label,
            )
            for at, charge in enumerate(said.freight)
        ),
        taxes=tuple(
            objects.TaxSubtotal(
                amount=_amount(sign * tax.amount_minor, currency, f"/taxes/{at}/amount_minor"),
                code=tax.code,
                base=None
                if tax.base_minor is None
                else _amount(sign * tax.base_minor, currency, f"/taxes/{at}/base_minor"),
            )
            for at, tax in enumerate(said.taxes)
        ),
        ids=(objects.Identifier(said.number, "acme.invoice"),),
    )


def _build_invoice_line(said: wire.InvoiceLine, currency: str, sign: int, at: str) -> objects.InvoiceLine:
    amount = _amount(said.amount_minor, currency, f"{at}/amount_minor")
    quantity = None if said.quantity is None else _number(Quantity.parse, said.quantity, f"{at}/quantity")
    price = _price(said.price_minor, currency, f"{at}/price_minor")
    if sign < 0:
        amount, quantity, price = _turn(amount, quantity, price)
    return objects.InvoiceLine(
        line=said.line,
        order_number=said.order,
        order_line=said.position,
        item=said.item,
        description=said.description,
        quantity=quantity,
        unit=said.unit,
        price=price,
        price_per=None if price is None else Quantity(_positive(said.price_per, f"{at}/price_per")),
        amount=amount,
        tax_codes=(said.tax_code,) if said.tax_code else (),
        receipt_number=said.receipt,
    )


def _turn(
    amount: Amount, quantity: Quantity | None, price: Price | None
) -> tuple[Amount, Quantity | None, Price | None]:
    """The same line with the other sign: the amount and the one factor that carried the sign are negated.

    Sign: -10 EA at 4.00 making -40.00 becomes 10 EA at 4.00 making 40.00; 10 EA at -4.00 becomes 10 EA at 4.00.
    Errors: none. Rounding: none.
    """
    turned = _negated(Amount, amount)
    if quantity is not None and quantity and (quantity < 0) == (amount < 0):
        return turned, _negated(Quantity, quantity), price
    if price is not None and price and (price < 0) == (amount < 0):
        return turned, quantity, _negated(Price, price)
    return turned, quantity, price


N = TypeVar("N", Amount, Price, Quantity)


def _negated(kind: type[N], number: N) -> N:
    # `copy_negate` and not `-`: the latter rounds to the context's precision. Zero has no sign in our grammar.
    return kind(number.copy_negate()) if number else number


def _reader(kind: ObjectKind, shape: type[T], build: Callable[[T], Canonical]) -> Reader:
    def read(raw: Raw) -> Read:
        if "json" not in raw.media_type.lower():
            return Unreadable("intake.type_not_supported", "", f"Acme speaks JSON, not {raw.media_type[:60]}")
        try:
            said = codec.read_strict(raw.content, shape)
            value = build(said)
        except codec.Malformed as error:
            return Unreadable(error.reason_code, error.pointer, error.detail)
        except _Refused as refused:
            return refused.answer
        assert isinstance(said, msgspec.Struct)
        return ReadResult(kind, value, _left_out(kind, said))

    return read


READERS: dict[str, Reader] = {
    "supplier": _reader("supplier", wire.Supplier, _build_supplier),
    "order": _reader("order", wire.Order, _build_order),
    "receipt": _reader("receipt", wire.Receipt, _build_receipt),
    "invoice": _reader("invoice", wire.Invoice, _build_invoice),
}


def write_posting(payload: bytes) -> wire.Posting:
    """Our posting as Acme's body. Amounts: major units become minor ones; the sums of a credit become negative.

    Errors: `Unwritable` where an amount is finer than its currency: Acme could not hold it, and we do not round.
    Left out: `receipt_year` (Acme's receipts are numbered across years), `invoice_id` (our id; the key ties the two),
    the bank account's holder and institution (Acme pays to its own master and compares the IBAN only).
    """
    posting = codec.decode(payload, objects.Posting)
    sign = -1 if posting.credit else 1

    def minor(amount: Decimal | None, pointer: str) -> int:
        try:
            return 0 if amount is None else sign * Money.of(amount, posting.currency).minor
        except NumberInvalid as error:
            raise Unwritable(error.reason_code, pointer, str(error)) from None

    return wire.Posting(
        company=posting.company_code,
        supplier=posting.supplier_number,
        supplier_ref=posting.invoice_number,
        kind="credit" if posting.credit else "invoice",
        currency=posting.currency,
        invoice_date=codec.iso(posting.issued_on),
        posting_date=codec.iso(posting.posted_on),
        net_minor=minor(posting.net, "/net"),
        tax_minor=minor(posting.tax, "/tax"),
        gross_minor=minor(posting.gross, "/gross"),
        difference_minor=minor(posting.small_difference, "/small_difference"),
        unplanned_cost_minor=minor(posting.unplanned_cost, "/unplanned_cost"),
        payment_block=posting.payment_block,
        terms=posting.payment_terms,
        due_date=codec.iso(posting.due_on) if posting.due_on else "",
        credits_document=posting.original_document,
        credits_year=posting.original_year,
        iban=posting.remit_to.account if posting.remit_to else "",
        lines=tuple(
            wire.PostingLine(
                line=line.line,
                amount_minor=minor(line.amount, f"/lines/{at}/amount"),
                order=line.order_number,
                position=line.order_line,
                receipt=line.receipt_number,
                receipt_line=line.receipt_line,
                quantity="" if line.quantity is None else codec.plain(line.quantity),
                unit=line.unit,
                tax_code=line.tax_code,
                cost_centre=line.cost_centre,
                account=line.account,
                final=line.final,
                value_only=line.value_only,
            )
            for at, line in enumerate(posting.lines)
        ),
        taxes=tuple(
            wire.PostingTax(
                code=tax.code,
                amount_minor=minor(tax.amount, f"/taxes/{at}/amount"),
                base_minor=None if tax.base is None else minor(tax.base, f"/taxes/{at}/base"),
            )
            for at, tax in enumerate(posting.taxes)
        ),
    )


WRITERS: dict[str, Writer] = {"post_invoice": write_posting}

__all__ = ["READERS", "WRITERS", "write_posting"]
