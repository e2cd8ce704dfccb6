"""Gathering what a match must look at: the orders that invoices touch, their receipts, and the invoices beside them.

The neighbourhood of an invoice is every order it names, all receipts and all live invoices of these orders, and the
invoices it may be a repeat of. What is gathered becomes one `Book`; nothing is decided here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import date

import msgspec

from tripartite.components.invoices import crediting, opening, store
from tripartite.components.invoices.quotes import Quoted
from tripartite.components.invoices.store import Key, Row
from tripartite.core import codec
from tripartite.core.estate import Estate
from tripartite.core.findings import Finding
from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.evidence import Book, CompanyFacts, SupplierFacts, book_from_objects
from tripartite.core.matching.numbering import folded, number_key
from tripartite.core.matching.opening import BilledBefore
from tripartite.core.objects import Invoice, Order, Supplier, TaxCode
from tripartite.runtime.db import Connection

TWIN_WINDOW_DAYS = 90


class Neighbourhood(msgspec.Struct):
    """What was gathered around some invoices of one company."""

    book: Book
    orders: dict[Key, Order]
    by_number: dict[str, Order]
    rows: dict[str, Row]  # every invoice of the neighbourhood that is already recorded
    documents: dict[str, Invoice]
    suppliers: dict[str, Supplier]
    raw: store.RawFacts
    not_in_erp: dict[str, str] = {}  # orders that an ERP must have and does not: number -> connection
    index: dict[tuple[object, ...], list[Row]] = {}
    quoted: Quoted = Quoted()  # the tax quotes that the match was run with
    about: dict[str, list[str]] = {}  # the orders that credits are about, their originals' included

    @property
    def live(self) -> set[str]:
        """The invoices that have released what they bill: booked, or to be."""
        return {row.invoice_id for row in self.rows.values() if row.was_post}

    def numbers_of(self, row: Row, invoice: Invoice) -> list[str]:
        """Every order that an invoice is on: those it names, and those of what it corrects."""
        named = store.order_numbers(invoice)
        about = self.about.get(row.invoice_id)
        return sorted({*named, *about}) if about else named

    def digest_of(
        self, row: Row, invoice: Invoice, policy: str, estate: str, findings: Sequence[Finding], by_people: bytes = b""
    ) -> str:
        """SHA-256 over everything a decision about this invoice rests on, by the bytes it is kept as (S41).

        The same documents, whatever the order in which they were gathered, give the same digest.
        """
        hashed = hashlib.sha256()
        numbers = self.numbers_of(row, invoice)
        parts: list[bytes] = [row.content, policy.encode(), estate.encode()]
        parts += [self.raw.orders.get(number, b"") for number in numbers]
        parts += sorted({raw for number in numbers for raw in self.raw.receipts.get(number, ())})
        parts += [self.raw.suppliers.get(row.supplier_id, b"")]
        parts += [
            f"{other.sequence}/{other.invoice_id}/{other.was_post}/{other.state in ('refused', 'replaced')}".encode()
            for other in self._beside(row, numbers)
        ]
        parts += self._before_day_zero(row, numbers)
        parts += self.quoted.digest_parts(row.invoice_id)
        if findings:
            parts.append(codec.encode(findings))
        if by_people:
            parts.append(by_people)
        for part in parts:
            hashed.update(len(part).to_bytes(4, "big"))
            hashed.update(part)
        return hashed.hexdigest()

    def _before_day_zero(self, row: Row, numbers: Sequence[str]) -> list[bytes]:
        """What the old system says of an invoice's order lines, and the bills of before that it or an invoice beside it
        may repeat or credit."""
        book = self.book
        lines = [line for number in numbers if number in book.orders for line in book.orders[number].lines]
        found = [codec.encode(line.opening) for line in lines if line.opening is not None]
        if book.priors:
            near = {row.invoice_id, *(other.invoice_id for other in self._beside(row, numbers))}
            priors = {
                codec.encode(prior) for bill in book.bills if bill.id in near for prior in book.priors_beside(bill)
            }
            found += sorted(priors)
        return found

    def _beside(self, row: Row, numbers: Sequence[str]) -> list[Row]:
        """The other invoices that bear on one, by arrival: on an order of it, or perhaps the same."""
        if not self.index:
            for other in self.rows.values():
                for key in _bearings(other, self.numbers_of(other, self.documents[other.invoice_id])):
                    self.index.setdefault(key, []).append(other)
        near = (other for key in _bearings(row, numbers) for other in self.index.get(key, ()))
        found = {(other.sequence, other.invoice_id): other for other in near if other.invoice_id != row.invoice_id}
        return [found[place] for place in sorted(found)]

    def whole_of(self, row: Row) -> Row:
        """The row of what the supplier sent: of a part the invoice that was parted, else the row itself."""
        return self.rows[_whole_of(row, self.rows)] if row.part_of else row


def _bearings(row: Row, numbers: Sequence[str]) -> list[tuple[object, ...]]:
    return [
        (row.supplier_id, row.number_folded),
        (row.supplier_id, row.gross),
        *(("order", number) for number in numbers),
    ]


def keys_of(company_code: str, invoice: Invoice) -> set[Key]:
    """The orders an invoice names, as keys."""
    return {(company_code, number) for number in store.order_numbers(invoice)}


async def gather(
    connection: Connection,
    estate: Estate,
    company_code: str,
    wanted: Sequence[Row],
    documents: dict[str, Invoice],
    keys: Collection[Key],
    *,
    lock: bool,
) -> Neighbourhood:
    """Gather around `wanted` (recorded or not yet), which name the orders `keys`.

    With `lock` the orders are locked first, in key order, so that whoever releases quantity of them does so alone.
    """
    raw = store.RawFacts({}, {}, {})
    orders = await (store.lock_orders if lock else store.read_orders)(connection, keys, raw)
    receipts = await store.receipts_of(connection, keys, raw)
    rows = {row.invoice_id: row for row in await store.invoices_of_orders(connection, keys)}
    own = {row.invoice_id for row in wanted}
    suppliers = await store.suppliers_and_groups(connection, {row.supplier_id for row in wanted}, raw)
    group = {each.supplier_id for each in suppliers} | {row.supplier_id for row in wanted}
    openings = await opening.openings_of(connection, keys)
    asked = _asked(wanted, sorted(group))
    for twin in await _twins(connection, asked):
        rows.setdefault(twin.invoice_id, twin)
    await _families(connection, rows)
    rows.update({row.invoice_id: row for row in wanted})
    for row in rows.values():
        if row.invoice_id not in documents:
            documents[row.invoice_id] = store.document_of(row)
    priors = await _priors(connection, asked, rows, documents)
    places = _places(rows, documents)
    wholes = {row.invoice_id: _whole_of(row, rows) for row in rows.values() if row.part_of}
    arrived = [
        Arrived(
            row.invoice_id,
            documents[row.invoice_id],
            row.arrived_on,
            places[row.invoice_id],
            was_post=row.was_post,
            dropped=row.state in ("refused", "replaced") and row.invoice_id not in own,
            family=wholes[row.invoice_id] if row.part_of else "",
            whole=documents[wholes[row.invoice_id]] if row.part_of else None,
        )
        for row in rows.values()
    ]
    company = estate.company(company_code)
    country = company.country if company else ""
    book = book_from_objects(
        orders.values(),
        receipts,
        arrived,
        suppliers=[SupplierFacts.of(each) for each in suppliers],
        companies=[CompanyFacts(each.code, each.currency) for each in estate.companies],
        taxes=taxes_of(estate, country),
        exchange=estate.exchange,
        openings=openings.values(),
        billed_before=priors,
    )
    by_number = {number: order for (_, number), order in orders.items()}
    masters = {each.supplier_id: each for each in suppliers}
    about = await crediting.orders_of(connection, list(rows.values()))
    awaited = await store.not_in_erp(connection, keys)
    return Neighbourhood(book, orders, by_number, rows, documents, masters, raw, awaited, about=about)


def _places(rows: dict[str, Row], documents: dict[str, Invoice]) -> dict[str, int]:
    """The order in which invoices claim what came: what was released before counts first, then the order of arrival.

    An earlier invoice that is understood only later (its item joins the order, say) takes nothing that a later one was
    rightly given. Beside credits and corrections, whose order has a meaning of its own, the order of arrival stays.
    """
    plain = all(row.kind == "invoice" and not documents[row.invoice_id].replaces for row in rows.values())
    if not plain:
        return {row.invoice_id: row.sequence for row in rows.values()}
    ordered = sorted(rows.values(), key=lambda row: (not row.was_post, row.sequence, row.invoice_id))
    if any(row.part_of for row in ordered):  # they share the place of the whole, the proven part before the rest
        return {row.invoice_id: place for place, row in enumerate(ordered, 1)}
    return {row.invoice_id: place for row, place in zip(ordered, sorted(r.sequence for r in ordered), strict=True)}


async def _families(connection: Connection, rows: dict[str, Row]) -> None:
    """Whole families, where one of them is there: a debt may be billed again that stands in its parts, or beside them.
    Asks nothing where no invoice was parted.
    """
    near = list(rows.values())
    while near:
        children = {row.invoice_id for row in near if row.state == "replaced"}
        parents = {row.part_of for row in near if row.part_of} - rows.keys()
        found = await store.parts_of(connection, children) if children else []
        found += await store.invoices_by_id(connection, parents)
        near = [row for row in found if row.invoice_id not in rows]
        rows.update({row.invoice_id: row for row in near})


def _whole_of(row: Row, rows: Mapping[str, Row]) -> str:
    """The id of the invoice that the supplier sent, of which this is a part."""
    while row.part_of:
        row = rows[row.part_of]
    return row.invoice_id


def _asked(wanted: Sequence[Row], group: Sequence[str]) -> list[tuple[str, Row]]:
    """Under which suppliers to look for what each invoice may repeat."""
    return [(supplier, row) for row in wanted for supplier in _group_of(row, group, len(wanted))]


async def _twins(connection: Connection, asked: Sequence[tuple[str, Row]]) -> list[Row]:
    return await store.possible_twins(
        connection,
        [supplier for supplier, _ in asked],
        [row.number_folded for _, row in asked],
        [row.gross for _, row in asked],
        [row.issued_on or date.min for _, row in asked],
        TWIN_WINDOW_DAYS,
    )


async def _priors(
    connection: Connection, asked: Sequence[tuple[str, Row]], rows: Mapping[str, Row], documents: Mapping[str, Invoice]
) -> list[BilledBefore]:
    """The bills of before that any invoice of the neighbourhood may repeat, or names as its original."""
    near = {(supplier, row.invoice_id): row for supplier, row in asked}
    near |= {(row.supplier_id, row.invoice_id): row for row in rows.values()}
    marks: list[opening.Mark] = [
        (supplier, row.number_folded or number_key(row.number), row.gross, row.issued_on or row.arrived_on)
        for (supplier, _), row in near.items()
    ]
    for (supplier, invoice_id), row in near.items():
        if original := documents[invoice_id].original:
            marks.append((supplier, folded(original) or number_key(original), None, row.arrived_on))
    return await opening.billed_before(connection, marks)


def _group_of(row: Row, group: Sequence[str], count: int) -> Collection[str]:
    # Twin suppliers are rare: with one invoice ask for the whole group, in a batch for the invoice's own supplier and
    # whatever else was named as sharing a tax id or an account with anybody of the batch.
    return group if count == 1 or len(group) <= 4 else (row.supplier_id,)


_TAXES: dict[tuple[str, str], list[TaxCode]] = {}


def taxes_of(estate: Estate, country: str) -> list[TaxCode]:
    """Our tax codes of a country."""
    key = (estate.digest, country)
    if key not in _TAXES:
        _TAXES[key] = [row.tax_code() for row in estate.tax_codes if row.country == country]
    return _TAXES[key]
