"""What our own API asks of a document beyond its shape: limits, a real currency, amounts that it can hold."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tripartite.core import codec
from tripartite.core.money import CurrencyInvalid, check_currency, minor_digits
from tripartite.core.objects import Allowance, Invoice, Order

MOST_LINES = 10_000
LONGEST_NUMBER = 200
_TOTALS = (
    *("net", "tax", "gross", "prepaid", "rounding", "payable"),
    *("lines_total", "allowances_total", "charges_total"),
)


def check(value: Any) -> None:
    """Refuse a document that is well formed and still cannot be meant. Errors: `codec.Malformed` with its pointer."""
    if not value.number or len(value.number) > LONGEST_NUMBER:
        raise codec.Malformed("intake.value_out_of_range", f"a number of 1 to {LONGEST_NUMBER} characters", "/number")
    if len(getattr(value, "lines", ())) > MOST_LINES:
        raise codec.Malformed("intake.too_large", f"more than {MOST_LINES} lines", "/lines")
    if not isinstance(value, Invoice | Order):
        return
    try:
        digits = minor_digits(check_currency(value.currency))
    except CurrencyInvalid as error:
        raise codec.Malformed(error.reason_code, str(error), "/currency") from None
    unit = Decimal(1).scaleb(-digits)
    if isinstance(value, Invoice) and _plainly_right(value, unit):
        return
    for pointer, amount in _amounts(value):
        if amount is not None and amount % unit:
            raise codec.Malformed(
                "intake.amount_invalid", f"amount {amount} is finer than {value.currency} allows", pointer
            )


def _plainly_right(value: Invoice, unit: Decimal) -> bool:
    """Whether every sum of an invoice without allowances fits, without asking for the places of each."""
    if value.charges or value.withholding or any(line.allowances for line in value.lines):
        return False
    amounts = [line.amount for line in value.lines]
    amounts += [getattr(value, name) for name in _TOTALS]
    for tax in value.taxes:
        amounts += (tax.amount, tax.base)
    return not any(amount is not None and amount % unit for amount in amounts)


def _amounts(value: Invoice | Order) -> Iterator[tuple[str, Decimal | None]]:
    """Every sum in the document's own currency, with its place."""
    for name in _TOTALS:
        yield f"/{name}", getattr(value, name, None)
    if isinstance(value, Order):
        for place, planned in enumerate(value.charges):
            yield f"/charges/{place}/amount", planned.amount
        for place, ordered in enumerate(value.lines):
            yield f"/lines/{place}/amount", ordered.amount
            yield f"/lines/{place}/limit", ordered.limit
        return
    yield from _allowances("/charges", value.charges)
    for place, line in enumerate(value.lines):
        yield f"/lines/{place}/amount", line.amount
        yield from _allowances(f"/lines/{place}/allowances", line.allowances)
    for place, tax in enumerate(value.taxes):
        yield f"/taxes/{place}/amount", tax.amount
        yield f"/taxes/{place}/base", tax.base
    for place, withheld in enumerate(value.withholding):
        yield f"/withholding/{place}/amount", withheld.amount


def _allowances(pointer: str, entries: tuple[Allowance, ...]) -> Iterator[tuple[str, Decimal | None]]:
    for place, entry in enumerate(entries):
        yield f"{pointer}/{place}/amount", entry.amount
