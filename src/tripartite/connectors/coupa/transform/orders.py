"""Purchase orders and receipts: Coupa's records into `Order` and `Receipt`.

Two hard words. An *amount line* orders work by value, not pieces: without receipts it is a limit; with receipts its
value is received in parts, so we count units of one currency unit (price 1, no unit of measure), and an
amount receipt is that many.
A *void* is a transaction of its own that takes an earlier one back; the earlier one stays as it was.
"""

from __future__ import annotations

from collections import Counter

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.transform.marks import origin_of
from tripartite.connectors.coupa.transform.masters import approval_steps, approver_of, supplier_number
from tripartite.connectors.coupa.transform.reading import (
    DRIFTED,
    SCHEMA,
    Drift,
    accounts_of,
    coding,
    company_code,
    company_words,
    currency_of,
    day_of_moment,
    entered_day,
    number,
    optional_number,
    seconds,
    word,
)
from tripartite.connectors.coupa.transform.settings import Settings
from tripartite.connectors.coupa.transform.words import (
    LINE_STATUS,
    MATCH_TYPE,
    ORDER_LINE_TYPE,
    ORDER_STATUS,
    RECEIPT_STATUS,
    RECEIPT_TYPE,
    STOCK_MOVEMENTS,
)
from tripartite.core.money import Amount, NumberInvalid, Price, Rate
from tripartite.core.objects import Identifier, Order, OrderLine, Party, Receipt, ReceiptLine
from tripartite.core.objects.order import Basis, MatchMode
from tripartite.core.quantity import Quantity

LARGEST_SUB_LINE = 999


def line_number(stated: str | None, sub: int | None, pointer: str) -> int:
    """The order line's number. A sub-line 2 of line 10 is 10002, on the order and on its receipts alike.

    Errors: `Drift` where `line-num`, a string in Coupa, is not a positive whole number.
    """
    if stated is None:
        raise Drift(f"{pointer}/line-num", "the line number is missing", SCHEMA)
    if not (stated.isascii() and stated.isdigit() and len(stated) <= 6 and int(stated) > 0):
        raise Drift(f"{pointer}/line-num", f"line number {stated[:20]!r} is not a whole number")
    if not sub:
        return int(stated)
    if not 0 < sub <= LARGEST_SUB_LINE:
        raise Drift(f"{pointer}/sub-line-num", f"sub-line {sub} is out of range")
    return int(stated) * (LARGEST_SUB_LINE + 1) + sub


def read_order(record: wire.Order, settings: Settings) -> Order:
    """One version of an order. Amounts are in the order's currency; a line in another one is refused.

    Version: `internal-revision`, which Coupa raises with every change (setting `order_version` for tenants where it
    does not). An invoice stop closes what it stands on: nothing may be billed against it.
    """
    currency = currency_of(record.currency, "/currency/code")
    accounts = [
        found
        for position, line in enumerate(record.order_lines)
        for found in accounts_of(line.account, line.account_allocations, f"/order-lines/{position}")
    ]
    status = word(ORDER_STATUS, record.status, "/status", "order status")
    notes = [f"supplier-visible version {record.version}"] if record.version is not None else []
    if record.invoice_stop:
        notes.append("invoice stop on the order")
        status = "closed" if status == "open" else status
    lines = tuple(
        _order_line(line, currency, f"/order-lines/{position}", settings)
        for position, line in enumerate(record.order_lines)
    )
    twice = [line for line, count in Counter(line.line for line in lines).items() if count > 1]
    if twice:
        raise Drift("/order-lines", f"line number {twice[0]} stands twice in one order")
    requisition = record.requisition_header
    steps = approval_steps(requisition.approvals if requisition else None, "/requisition-header/approvals", settings)
    return Order(
        number=record.po_number,
        currency=currency,
        version=_version(record, settings),
        company_code=company_code(company_words(accounts, record.ship_to_address, settings), settings),
        supplier_number=supplier_number(record.supplier),
        supplier=Party(name=record.supplier.name or "") if record.supplier else None,
        buyer=_buyer(accounts),
        issued_on=day_of_moment(record.created_at, settings, "/created-at"),
        status=status,
        requisition=str(requisition.id) if requisition and requisition.id else "",
        payment_terms=(record.payment_term and record.payment_term.code) or "",
        notes=tuple(notes),
        lines=lines,
        requester=(requisition and requisition.requested_by and requisition.requested_by.login) or "",
        approver=approver_of(steps),
        approvals=steps,
    )


def _version(record: wire.Order, settings: Settings) -> int:
    if settings.version_by_time or record.internal_revision is None:
        return seconds(record.updated_at, "/updated-at")
    return record.internal_revision


def _buyer(accounts: list[tuple[str, wire.Account]]) -> Party | None:
    """Who buys, as far as the chart of accounts says: the mapping may know the company by one of these names."""
    for _, account in accounts:
        if (chart := account.account_type) and (chart.legal_entity_name or chart.name):
            ids = (Identifier(chart.name, "coupa.account-type"),) if chart.name else ()
            return Party(name=chart.legal_entity_name or chart.name or "", ids=ids)
    return None


def _order_line(line: wire.OrderLine, currency: str, pointer: str, settings: Settings) -> OrderLine:
    if line.currency and line.currency.code != currency:
        raise Drift(f"{pointer}/currency/code", "a line in another currency than its order")
    status = word(LINE_STATUS, line.status, f"{pointer}/status", "order line status") if line.status else "open"
    if line.invoice_stop and status == "open":
        status = "closed"
    match, basis = _match(line, pointer)
    account, centre = coding(accounts_of(line.account, line.account_allocations, pointer), settings)
    quantity, price, unit, limit = None, None, (line.uom and line.uom.code) or "EA", None
    if word(ORDER_LINE_TYPE, line.type, f"{pointer}/type", "order line type") == "quantity":
        quantity = number(Quantity, line.quantity, f"{pointer}/quantity")
        price = number(Price, line.price, f"{pointer}/price")
    elif match == "two_way":
        match, limit = "limit", _value(line.total, line.price, f"{pointer}/total")
    else:
        match, unit, price = "service", "", Price.parse("1")
        quantity = number(Quantity, _value_text(line.total, line.price), f"{pointer}/total")
    return OrderLine(
        line=line_number(line.line_num, line.sub_line_num, pointer),
        description=line.description or "",
        item=(line.item and line.item.item_number) or "",
        supplier_item=line.supp_aux_part_num or "",
        quantity=quantity,
        unit=unit,
        price=price,
        match=match,
        basis=basis,
        over_percent=_tolerance(line, settings.over_percent_field, settings.over_percent, pointer),
        under_percent=_tolerance(line, settings.under_percent_field, settings.under_percent, pointer),
        due_on=entered_day(line.need_by_date, settings, f"{pointer}/need-by-date"),
        status=status,
        limit=limit,
        cost_centre=centre,
        account=account,
        foreign_id=str(line.id),
    )


def _match(line: wire.OrderLine, pointer: str) -> tuple[MatchMode, Basis]:
    if line.match_type is not None:
        return word(MATCH_TYPE, line.match_type, f"{pointer}/match-type", "match type")
    # Without a match type the receipt flag decides; with neither, the stricter way.
    return ("two_way" if line.receipt_required is False else "three_way"), "order"


def _value_text(total: str | None, price: str | None) -> str | None:
    return total if total is not None else price


def _value(total: str | None, price: str | None, pointer: str) -> Amount:
    return number(Amount, _value_text(total, price), pointer)


def _tolerance(line: wire.OrderLine, field: str, otherwise: str, pointer: str) -> str:
    """The percentage a custom field of the line states, else the connection's; never a binary float."""
    stated = (line.custom_fields or {}).get(field) if field else None
    if stated is None or stated == "":
        return otherwise
    text = str(stated) if isinstance(stated, int) and not isinstance(stated, bool) else stated
    try:
        rate = Rate.parse(text)
    except NumberInvalid as error:
        raise Drift(f"{pointer}/custom-fields/{field}", str(error), NumberInvalid.reason_code) from None
    if rate < 0:
        raise Drift(f"{pointer}/custom-fields/{field}", "a tolerance below zero", "intake.value_out_of_range")
    assert isinstance(text, str)
    return text


def read_receipt(record: wire.Receipt, settings: Settings) -> Receipt:
    """One receiving transaction: a receipt, a return, or a void that takes an earlier one back.

    Sign: quantities are positive for every kind, and the kind gives the direction. Voids and returns may be stated
    negative by Coupa; a plain receipt may not. Version: always 1, since Coupa changes nothing but the export flag
    after creation. Number: the transaction's id; `takes_from` is the id of the transaction that is taken back.
    Origin: our own number, where the barcode is the mark that writing.py put there; a void only repeats it.
    """
    if record.type in STOCK_MOVEMENTS:
        raise Drift("/type", f"{record.type} moves stock inside the house", "intake.type_not_supported")
    kind, counted = word(RECEIPT_TYPE, record.type, "/type", "transaction type")
    if record.status is not None and record.status not in RECEIPT_STATUS:
        raise Drift("/status", f"receipt status {record.status[:60]!r} is not a word we know")
    if record.order_line is None:
        raise Drift("/order-line", "a receipt into stock without an order", "intake.type_not_supported")
    if not record.order_line.order_header_number:
        raise Drift("/order-line/order-header-number", "the receipt does not name its order", SCHEMA)
    takes_back = kind in {"return", "reversal"} or record.type.startswith("Void")
    if kind == "reversal" and record.original_transaction_id is None:
        raise Drift("/original_transaction_id", "a void does not say what it takes back", SCHEMA)
    accounts = [
        *accounts_of(record.account, None, ""),
        *accounts_of(record.order_line.account, None, "/order-line"),
    ]
    quantity = _received(record, counted == "quantity", takes_back)
    return Receipt(
        number=str(record.id),
        kind=kind,
        company_code=company_code(_of_accounts(accounts, settings), settings),
        posted_on=day_of_moment(record.transaction_date, settings, "/transaction-date"),
        delivery_note=record.match_reference or "",
        receiver=(record.created_by and record.created_by.login) or "",
        notes=(record.type,),
        origin="" if record.type.startswith("Void") else origin_of(record.barcode),
        lines=(
            ReceiptLine(
                order_number=record.order_line.order_header_number,
                order_line=line_number(record.order_line.line_num, record.order_line.sub_line_num, "/order-line"),
                quantity=quantity,
                unit=((record.uom and record.uom.code) or "") if counted == "quantity" else "",
                accepted=quantity if kind == "service_entry" else None,
                price_quantity=_weight(record),
                takes_from=str(record.original_transaction_id) if record.original_transaction_id else "",
            ),
        ),
    )


def _of_accounts(accounts: list[tuple[str, wire.Account]], settings: Settings) -> list[tuple[str, str]]:
    # A receipt carries no delivery address: under "content-group" its company is its order's.
    return [] if settings.company_from == "content-group" else company_words(accounts, None, settings)


def _received(record: wire.Receipt, counted: bool, takes_back: bool) -> Quantity:
    """How many came or, for an amount line, what value: units of one, as on the order line."""
    pointer = "/quantity" if counted else "/total"
    stated = number(Quantity, record.quantity if counted else _value_text(record.total, record.price), pointer)
    if stated < 0 and not takes_back:
        raise Drift(pointer, "a receipt of less than nothing", DRIFTED)
    return Quantity(abs(stated))


def _weight(record: wire.Receipt) -> Quantity | None:
    weight = optional_number(Quantity, record.received_weight, "/received-weight")
    return Quantity(abs(weight)) if weight else None
