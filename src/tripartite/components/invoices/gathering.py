"""Gathering what a match must look at: the orders that invoices touch, their receipts, and the invoices beside them.

The neighbourhood of an invoice is every order it names, all receipts and all live invoices of these orders, and the
invoices it may be a repeat of. What is gathered becomes one `Book`; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

import msgspec

from tripartite.components.invoices import store
from tripartite.components.invoices.store import Key, Row
from tripartite.core import codec
from tripartite.core.estate import Estate
from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.evidence import Book, CompanyFacts, SupplierFacts, book_from_objects
from tripartite.core.objects import Invoice, Order, Supplier, TaxCode
from tripartite.runtime.db import Connection

TWIN_WINDOW_DAYS = 90


class Neighbourhood(msgspec.Struct):
    """What was gathered around some invoices of one company."""

    book: Book
    orders: dict[Key, Order]
    rows: dict[str, Row]  # every invoice of the neighbourhood that is already recorded
    documents: dict[str, Invoice]
    suppliers: dict[str, Supplier]


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
    orders = await (store.lock_orders if lock else store.read_orders)(connection, keys)
    receipts = await store.receipts_of(connection, keys)
    rows = {row.invoice_id: row for row in await store.invoices_of_orders(connection, keys)}
    own = {row.invoice_id for row in wanted}
    suppliers = await store.suppliers_and_groups(connection, {row.supplier_id for row in wanted})
    group = {each.supplier_id for each in suppliers} | {row.supplier_id for row in wanted}
    for twin in await _twins(connection, wanted, sorted(group)):
        rows.setdefault(twin.invoice_id, twin)
    rows.update({row.invoice_id: row for row in wanted})
    for row in rows.values():
        if row.invoice_id not in documents:
            documents[row.invoice_id] = codec.decode(row.content, Invoice)
    arrived = [
        Arrived(
            row.invoice_id,
            documents[row.invoice_id],
            row.arrived_on,
            row.sequence,
            was_post=row.was_post,
            dropped=row.state in ("refused", "replaced") and row.invoice_id not in own,
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
    )
    return Neighbourhood(book, orders, rows, documents, {each.supplier_id: each for each in suppliers})


async def _twins(connection: Connection, wanted: Sequence[Row], group: Sequence[str]) -> list[Row]:
    asked = [(supplier, row) for row in wanted for supplier in _group_of(row, group, len(wanted))]
    return await store.possible_twins(
        connection,
        [supplier for supplier, _ in asked],
        [row.number_folded for _, row in asked],
        [row.gross for _, row in asked],
        [row.issued_on or date.min for _, row in asked],
        TWIN_WINDOW_DAYS,
    )


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
