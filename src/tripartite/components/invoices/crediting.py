"""Credits and the goods they free: which orders a credit is about, who waits for it, and what it gives back.

A credit may name an order line, or only the invoice it corrects, which may come later. Once it is itself to be posted
it gives back what was released to the bills it takes from, as negative allocations, so that the goods can be billed
again. What was credited before it was ever released is given to nobody twice. Rules: S19, S20, I6, I37.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from tripartite.components.invoices import store
from tripartite.components.invoices.posting import decimal_of
from tripartite.components.invoices.store import Key, Place, Row
from tripartite.core.invoice_life import OPEN
from tripartite.core.matching.giving import Giving, HeldBack
from tripartite.core.matching.numbering import folded, number_key
from tripartite.core.matching.opening import OPENING_RECEIPT
from tripartite.core.objects import Invoice, Order
from tripartite.runtime.db import Connection, execute

Release = tuple[str, int, str, str, int, str, int, Decimal]
Line = tuple[str, int]  # order, its line
Standing = dict[Line, dict[tuple[str, int], Decimal]]  # what is released of each order line, by receipt line


def is_about_others(kind: str) -> bool:
    """Whether a document of this kind may correct another one: credits, and debits and credits of value alone."""
    return kind in ("credit_memo", "subsequent_credit", "subsequent_debit")


def _mark(number: str) -> str:
    return folded(number) or number_key(number)


async def note(
    connection: Connection, company: str, documents: Mapping[str, Invoice]
) -> tuple[dict[str, list[str]], list[str]]:
    """Note what new documents are about, before they are decided.

    Returns the orders that new credits reach only over the invoice they name, and the open credits that a new bill
    concerns. One statement for a batch without credits.
    """
    about = {each: value for each, value in documents.items() if is_about_others(value.kind)}
    bills = {each: value for each, value in documents.items() if each not in about}
    further: dict[str, list[str]] = {}
    if about:
        await _keep(connection, company, about)
        further = await _link(connection, company, about, documents)
    return further, await _concerned(connection, company, bills) if bills else []


async def _keep(connection: Connection, company: str, about: Mapping[str, Invoice]) -> None:
    rows = []
    for invoice_id, value in about.items():
        rows += [(number, "", invoice_id) for number in store.order_numbers(value)]
        if value.original:
            rows.append(("", _mark(value.original), invoice_id))
    await execute(
        connection,
        """INSERT INTO invoices.credit_about (company_code, order_number, original, invoice_id)
        SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
        (company, *([row[place] for row in rows] for place in range(3))),
    )


async def _link(
    connection: Connection, company: str, about: Mapping[str, Invoice], documents: Mapping[str, Invoice]
) -> dict[str, list[str]]:
    """Put credits beside the orders of their originals: those recorded, and those that come in the same batch."""
    named = [(each, _mark(value.original), value.supplier_id) for each, value in about.items() if value.original]
    if not named:
        return {}
    found = await execute(
        connection,
        """SELECT DISTINCT n.id, o.order_number
        FROM unnest(%(ids)s::text[], %(marks)s::text[], %(suppliers)s::text[]) AS n (id, mark, supplier)
        JOIN invoices.invoice i ON i.supplier_id = n.supplier AND i.number_folded = n.mark
        JOIN invoices.of_order o ON o.invoice_id = i.invoice_id AND o.company_code = %(company)s""",
        {
            "ids": [each[0] for each in named],
            "marks": [each[1] for each in named],
            "suppliers": [each[2] for each in named],
            "company": company,
        },
    )
    pairs = {(row[0], row[1]) for row in await found.fetchall()}
    for invoice_id, mark, supplier in named:
        for other in documents.values():
            if other.supplier_id == supplier and _mark(other.number) == mark and not is_about_others(other.kind):
                pairs |= {(invoice_id, number) for number in store.order_numbers(other)}
    # What a document names itself is written with it.
    own = {(each, number) for each, value in about.items() for number in store.order_numbers(value)}
    further = sorted(pairs - own)
    await _add_links(connection, company, further)
    return {each: [number for other, number in further if other == each] for each, _ in further}


async def _add_links(connection: Connection, company: str, pairs: Collection[tuple[str, str]]) -> None:
    ordered = sorted(pairs)
    if ordered:
        await execute(
            connection,
            """INSERT INTO invoices.of_order (company_code, order_number, invoice_id)
            SELECT %s, n.number, n.id FROM unnest(%s::text[], %s::text[]) AS n (id, number) ON CONFLICT DO NOTHING""",
            (company, [pair[0] for pair in ordered], [pair[1] for pair in ordered]),
        )


async def _concerned(connection: Connection, company: str, bills: Mapping[str, Invoice]) -> list[str]:
    """The open credits that new bills concern: they name one of them, or one of their orders."""
    by_mark: dict[tuple[str, str], list[Invoice]] = {}
    for value in bills.values():
        by_mark.setdefault((value.supplier_id, _mark(value.number)), []).append(value)
    numbers = sorted({number for value in bills.values() for number in store.order_numbers(value)})
    found = await execute(
        connection,
        """SELECT i.invoice_id, i.supplier_id, c.original FROM invoices.credit_about c
        JOIN invoices.invoice i USING (invoice_id)
        WHERE c.company_code = %(company)s AND c.original = '' AND c.order_number = ANY(%(numbers)s)
            AND i.state = ANY(%(open)s)
        UNION
        SELECT i.invoice_id, i.supplier_id, c.original FROM invoices.credit_about c
        JOIN invoices.invoice i USING (invoice_id)
        WHERE c.company_code = %(company)s AND c.order_number = '' AND c.original = ANY(%(marks)s)
            AND i.state = ANY(%(open)s)""",
        {
            "company": company,
            "numbers": numbers,
            "marks": sorted({mark for _, mark in by_mark}),
            "open": list(OPEN),
        },
    )
    rows = await found.fetchall()
    pairs = {
        (row[0], number)
        for row in rows
        if row[2]
        for value in by_mark.get((row[1], row[2]), ())
        for number in store.order_numbers(value)
    }
    await _add_links(connection, company, pairs)
    linked = {pair[0] for pair in pairs}
    return sorted({row[0] for row in rows if not row[2] or row[0] in linked})


async def orders_of(connection: Connection, rows: Sequence[Row]) -> dict[str, list[str]]:
    """Every order that credits are about, their own and their originals', by invoice. Nothing is asked for others."""
    ids = [row.invoice_id for row in rows if is_about_others(row.kind)]
    if not ids:
        return {}
    found = await execute(
        connection,
        "SELECT invoice_id, order_number FROM invoices.of_order WHERE invoice_id = ANY(%s) ORDER BY 1, 2",
        (sorted(ids),),
    )
    numbers: dict[str, list[str]] = {}
    for invoice_id, number in await found.fetchall():
        numbers.setdefault(invoice_id, []).append(number)
    return numbers


async def standing(connection: Connection, keys: Collection[Key]) -> Standing:
    """What is released of the lines of these orders, net of what was given back."""
    wanted = sorted(keys)
    found = await execute(
        connection,
        """SELECT order_number, order_line, receipt_number, receipt_line, sum(quantity) FROM invoices.allocation
        JOIN unnest(%s::text[], %s::text[]) AS n (company_code, order_number) USING (company_code, order_number)
        GROUP BY 1, 2, 3, 4""",
        ([k[0] for k in wanted], [k[1] for k in wanted]),
    )
    released: Standing = {}
    for number, line, receipt, receipt_line, quantity in await found.fetchall():
        released.setdefault((number, line), {})[receipt, receipt_line] = quantity
    return released


def all_of(orders: Mapping[str, Collection[str]]) -> set[str]:
    """The numbers of all these orders."""
    return {number for numbers in orders.values() for number in numbers}


def move(released: Standing, releases: Sequence[Release]) -> None:
    """Count what is released now with what was released before."""
    for _, _, _, number, line, receipt, receipt_line, quantity in releases if released else ():
        places = released.setdefault((number, line), {})
        places[receipt, receipt_line] = places.get((receipt, receipt_line), Decimal(0)) + quantity


def given_back(row: Row, givings: Sequence[Giving], released: Standing) -> list[Release]:
    """Negative releases of a document that takes back, given what is released so far.

    Of each order line no more than what is released beyond what live bills still bill: what a person let pass without
    goods had released nothing, so nothing of it comes back.
    """
    standing_now: Standing = {}
    left: dict[Line, Decimal] = {}
    releases: dict[tuple[int, str, int, str, int], Decimal] = {}
    for giving in givings:
        line = (giving.order_number, giving.order_line)
        places = standing_now.setdefault(line, dict(released.get(line, {})))
        if line not in left:
            left[line] = sum(places.values(), Decimal(0)) - decimal_of(giving.billed)
        quantity = min(decimal_of(giving.quantity), left[line])
        left[line] -= max(quantity, Decimal(0))
        for place in (*giving.receipts, *sorted(set(places) - set(giving.receipts), reverse=True)):
            part = min(quantity, places.get(place, Decimal(0)))
            if part > 0:
                key = (giving.invoice_line, *line, *place)
                releases[key] = releases.get(key, Decimal(0)) + part
                places[place] -= part
                quantity -= part
        if quantity > 0:  # of what was billed before day zero: it was released by nobody here
            before = (OPENING_RECEIPT, 0)
            key = (giving.invoice_line, *line, *before)
            releases[key] = releases.get(key, Decimal(0)) + quantity
            places[before] = places.get(before, Decimal(0)) - quantity
    return [
        (row.invoice_id, key[0], row.company_code, key[1], key[2], key[3], key[4], -quantity)
        for key, quantity in releases.items()
    ]


def placed(
    row: Row,
    releases: Sequence[Release],
    held_back: Sequence[HeldBack],
    room: Mapping[Place, Decimal],
    orders: Mapping[str, Order],
) -> list[Release]:
    """The releases of a bill on receipts that have room for them, with what credits that are not live took of it.

    The match puts bills on receipts as if every credit had counted from the start; what was released before stands
    where it stands. Where receipts bind by name nothing is moved. What finds no room stays where the match put it.
    """
    left = dict(room)
    wanted = [*releases]
    for each in held_back:
        line = (row.invoice_id, each.invoice_line, row.company_code, each.order_number, each.order_line)
        wanted.append((*line, "", 0, decimal_of(each.quantity)))
    kept: dict[tuple[int, str, int, str, int], Decimal] = {}
    for _, invoice_line, company, number, order_line, receipt, receipt_line, quantity in wanted:
        whole = (company, number, order_line)
        others = () if _binds(orders, number, order_line) else sorted(p for p in left if p[:3] == whole and p[3])
        asked = quantity
        for place in dict.fromkeys([(*whole, receipt, receipt_line), *others]):
            if not place[3]:
                continue
            part = min(asked, left.get(place, asked))
            if part > 0:
                key = (invoice_line, number, order_line, place[3], place[4])
                kept[key] = kept.get(key, Decimal(0)) + part
                if place in left:
                    left[place] -= part
                asked -= part
        if asked > 0:
            key = (invoice_line, number, order_line, receipt, receipt_line)
            kept[key] = kept.get(key, Decimal(0)) + asked
    return [(row.invoice_id, key[0], row.company_code, *key[1:], quantity) for key, quantity in kept.items()]


def _binds(orders: Mapping[str, Order], number: str, order_line: int) -> bool:
    order = orders.get(number)
    return order is not None and any(line.line == order_line and line.basis == "receipt" for line in order.lines)
