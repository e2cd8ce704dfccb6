"""Day zero, row by row: the declared columns of each file, and one row of text as a value. Pure.

    supplier   one row a supplier                         -> Supplier
    order      one row an order line, with its balances   -> OrderRow (the order's part, its line, its Opening)
    history    one row an invoice that was booked before  -> BilledBefore

A column that is not declared, or a mandatory one that is missing, is wrong for the whole file (`check_columns`). What
is wrong with a row is a `WrongCell` with code and column; nothing is read into a number or a date that does not say so.
Numbers have the house's grammar (no thousands separator, a point for the decimals), dates are YYYY-MM-DD.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Literal, TypeVar, cast, get_args

import msgspec

from tripartite.core.estate.names import number_key
from tripartite.core.matching.opening import BilledBefore, Opening
from tripartite.core.money import Amount, CurrencyInvalid, NumberInvalid, Price, check_currency
from tripartite.core.objects import BankAccount, Order, OrderLine, Supplier
from tripartite.core.objects.invoice import InvoiceKind
from tripartite.core.objects.order import MatchMode, OrderStatus
from tripartite.core.objects.supplier import SupplierStatus
from tripartite.core.quantity import Quantity

Kind = Literal["supplier", "order", "history"]
Cells = Mapping[str, str]
N = TypeVar("N", Amount, Price, Quantity)

NUMBER_IN = "number_in."  # and a connection: the supplier's number there
MANDATORY: dict[Kind, tuple[str, ...]] = {
    "supplier": ("number", "name"),
    "order": ("company_code", "number", "supplier_number", "currency", "line"),
    "history": ("company_code", "supplier_number", "number", "currency", "issued_on", "gross"),
}
OPTIONAL: dict[Kind, tuple[str, ...]] = {
    "supplier": ("version", "company_codes", "status", "tax_id", "accounts", "payment_terms", "withholding"),
    "order": (
        *("version", "issued_on", "status", "payment_terms", "item", "supplier_item", "gtin", "description"),
        *("quantity", "unit", "price", "price_per", "match", "over_percent", "under_percent", "tax_codes", "limit"),
        *("cost_centre", "account", "line_status", "as_of", "received", "accepted", "billed", "billed_net"),
    ),
    "history": ("kind", "net", "document", "paid_on"),
}
LONGEST_CELL = 4_000
LARGEST_WHOLE = 2**31 - 1


class WrongCell(Exception):
    """What is wrong with a row: reason code, column (empty: the row as a whole), a sentence."""

    def __init__(self, reason_code: str, column: str, detail: str) -> None:
        super().__init__(detail)
        self.reason_code = reason_code
        self.column = column
        self.detail = detail


class OrderRow(msgspec.Struct, frozen=True):
    """One row of the file of open orders. `order` has this one line; the rows of one order are put together."""

    order: Order
    opening: Opening


def check_columns(kind: Kind, columns: Iterable[str], connections: Iterable[str]) -> str:
    """What is wrong with the columns of a file, in a sentence; empty where nothing is."""
    stated = list(columns)
    known = {*MANDATORY[kind], *OPTIONAL[kind]}
    if kind == "supplier":
        known |= {NUMBER_IN + name for name in connections}
    twice = sorted({column for column in stated if stated.count(column) > 1})
    strange = sorted(set(stated) - known)
    missing = [column for column in MANDATORY[kind] if column not in stated]
    said = [f"not declared: {', '.join(strange)}"] if strange else []
    said += [f"twice: {', '.join(twice)}"] if twice else []
    said += [f"missing: {', '.join(missing)}"] if missing else []
    return "; ".join(said)


def read_supplier(cells: Cells) -> Supplier:
    """One supplier. `accounts`, `company_codes`: several apart by semicolons. Errors: `WrongCell`."""
    _check_cells("supplier", cells)
    elsewhere = {name.removeprefix(NUMBER_IN): cells[name] for name in cells if name.startswith(NUMBER_IN)}
    return Supplier(
        number=cells["number"],
        name=cells["name"],
        version=_whole(cells, "version", 1),
        company_codes=_several(cells, "company_codes"),
        status=cast(SupplierStatus, _word(cells, "status", get_args(SupplierStatus), "active")),
        tax_id=cells.get("tax_id", ""),
        accounts=tuple(BankAccount(account) for account in _several(cells, "accounts")),
        payment_terms=cells.get("payment_terms", ""),
        withholding=cells.get("withholding", ""),
        names_elsewhere={name: number for name, number in elsewhere.items() if number},
    )


def read_order(cells: Cells, as_of: date | None) -> OrderRow:
    """One order line with its balances. `as_of` counts where the row does not say its own day.

    Quantities in the row's unit, money in the order's currency, `billed_net` without tax. Errors: `WrongCell`.
    """
    _check_cells("order", cells)
    match = cast(MatchMode, _word(cells, "match", get_args(MatchMode), "three_way"))
    day = _day(cells, "as_of") or as_of
    if day is None:
        raise WrongCell("integration.schema_violated", "as_of", "no day up to which received and billed are counted")
    received = _not_below_zero(cells, "received") or Quantity(0)
    accepted, billed = _not_below_zero(cells, "accepted"), _not_below_zero(cells, "billed") or Quantity(0)
    billed_net = _number(Amount, cells, "billed_net")
    if accepted is not None and accepted > received:
        raise WrongCell("intake.ambiguous", "accepted", f"{accepted} accepted of {received} received")
    if match == "limit" and billed and billed_net is None:
        raise WrongCell("integration.schema_violated", "billed_net", "a line ordered by value: say how much was billed")
    over = cells.get("over_percent") or "0"
    if over != "unlimited":
        _not_below_zero(cells, "over_percent")
    _not_below_zero(cells, "under_percent")
    number, line = number_key(cells["number"]), _whole(cells, "line", 0)
    order = Order(
        number=number,
        currency=_currency(cells),
        version=_whole(cells, "version", 1),
        company_code=cells["company_code"],
        supplier_number=cells["supplier_number"],
        issued_on=_day(cells, "issued_on"),
        status=cast(OrderStatus, _word(cells, "status", get_args(OrderStatus), "open")),
        payment_terms=cells.get("payment_terms", ""),
        lines=(
            OrderLine(
                line=line,
                description=cells.get("description", ""),
                item=cells.get("item", ""),
                supplier_item=cells.get("supplier_item", ""),
                gtin=cells.get("gtin", ""),
                quantity=_not_below_zero(cells, "quantity"),
                unit=cells.get("unit") or "EA",
                price=_number(Price, cells, "price"),
                price_per=_whole(cells, "price_per", 1),
                match=match,
                over_percent=over,
                under_percent=cells.get("under_percent") or "0",
                tax_codes=_several(cells, "tax_codes"),
                limit=_number(Amount, cells, "limit"),
                cost_centre=cells.get("cost_centre", ""),
                account=cells.get("account", ""),
                status=cast(OrderStatus, _word(cells, "line_status", get_args(OrderStatus), "open")),
            ),
        ),
    )
    return OrderRow(
        order,
        Opening(
            order_number=number,
            order_line=line,
            as_of=day,
            received=received,
            accepted=accepted,
            billed=billed,
            billed_net=billed_net,
        ),
    )


def read_history(cells: Cells, supplier_id: str) -> BilledBefore:
    """One invoice that was booked before. Amounts positive for credits too: the kind gives the sign.

    Errors: `WrongCell`.
    """
    _check_cells("history", cells)
    issued_on, gross = _day(cells, "issued_on"), _number(Amount, cells, "gross")
    assert issued_on is not None, "mandatory cells are not empty"
    assert gross is not None, "mandatory cells are not empty"
    kind = cast(InvoiceKind, _word(cells, "kind", get_args(InvoiceKind), "invoice"))
    net = _number(Amount, cells, "net")
    if kind in ("credit_memo", "subsequent_credit") and gross < 0:
        raise WrongCell("intake.ambiguous", "gross", "a credit with a negative sum: whose claim is it?")
    return BilledBefore(
        company_code=cells["company_code"],
        supplier_id=supplier_id,
        number=cells["number"],
        currency=_currency(cells),
        issued_on=issued_on,
        gross=gross,
        net=net,
        kind=kind,
        document=cells.get("document", ""),
        paid_on=_day(cells, "paid_on"),
    )


def _check_cells(kind: Kind, cells: Cells) -> None:
    for column, text in cells.items():
        if len(text) > LONGEST_CELL:
            raise WrongCell("intake.too_large", column, f"a cell of {len(text)} characters")
        if "\x00" in text or not (text.isascii() or _is_text(text)):
            raise WrongCell("intake.malformed", column, "not UTF-8 text")
    for column in MANDATORY[kind]:
        if not cells.get(column):
            raise WrongCell("integration.schema_violated", column, f"{column} is mandatory")


def _is_text(text: str) -> bool:
    """Whether no byte had to be escaped when the file was decoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(kind: type[N], cells: Cells, column: str) -> N | None:
    text = cells.get(column, "")
    if not text:
        return None
    try:
        return kind.parse(text)
    except NumberInvalid as error:
        raise WrongCell(error.reason_code, column, str(error)) from None


def _not_below_zero(cells: Cells, column: str) -> Quantity | None:
    quantity = _number(Quantity, cells, column)
    if quantity is not None and quantity < 0:
        raise WrongCell("intake.value_out_of_range", column, f"{quantity} is below zero")
    return quantity


def _whole(cells: Cells, column: str, otherwise: int) -> int:
    """A whole number above zero; `otherwise` where the cell is empty or not there."""
    text = cells.get(column, "")
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= LARGEST_WHOLE):
        raise WrongCell("intake.value_out_of_range", column, f"{text[:20]!r} is not a whole number above zero")
    return int(text)


def _day(cells: Cells, column: str) -> date | None:
    text = cells.get(column, "")
    if not text:
        return None
    try:
        if len(text) != 10 or text[4] != "-" or text[7] != "-":
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise WrongCell("intake.value_out_of_range", column, f"{text[:20]!r} is not a day (YYYY-MM-DD)") from None


def _word(cells: Cells, column: str, words: tuple[Any, ...], otherwise: str) -> str:
    word = cells.get(column, "") or otherwise
    if word not in words:
        raise WrongCell("intake.value_out_of_range", column, f"{word[:40]!r} is none of {', '.join(words)}")
    return word


def _several(cells: Cells, column: str) -> tuple[str, ...]:
    return tuple(part for text in cells.get(column, "").split(";") if (part := text.strip()))


def _currency(cells: Cells) -> str:
    try:
        return check_currency(cells["currency"])
    except CurrencyInvalid as error:
        raise WrongCell(error.reason_code, "currency", str(error)) from None
