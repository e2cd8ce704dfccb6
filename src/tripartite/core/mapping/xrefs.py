"""Cross-references: which of our ids a foreign number, tax number or identifier stands for.

The shell asks `keys_of` what a document will need, fetches it for the whole batch in one statement, and hands the
answer over as `Xrefs`. `keys_of_supplier` says under which keys a supplier of the master can be found, so that both
sides write a key the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tripartite.core.estate.names import number_key, party_id_key, party_id_text_key, tax_id_key
from tripartite.core.objects import Invoice, Order, Party, Receipt, Supplier

# kind, connection, foreign. Kinds: "supplier" (a number on a connection), "supplier_tax_id" and "supplier_party_id"
# (connection empty), "order" (a number on a connection that differs from ours).
XrefKey = tuple[str, str, str]


class Xrefs(msgspec.Struct, frozen=True):
    """What is known: key -> our ids. Several ids under one key are twins, and are never chosen from."""

    found: Mapping[XrefKey, tuple[str, ...]] = {}

    def ids(self, kind: str, connection: str, foreign: str) -> tuple[str, ...]:
        return self.found.get((kind, connection, foreign), ())


def _party(party: Party | None) -> Iterator[XrefKey]:
    if party is None:
        return
    if party.tax_id and (key := tax_id_key(party.tax_id)):
        yield ("supplier_tax_id", "", key)
    for key in party_keys(party):
        yield ("supplier_party_id", "", key)


def party_keys(party: Party) -> tuple[str, ...]:
    """The keys of all identifiers of a party that carry a scheme, the electronic address first."""
    stated = (party.endpoint, party.registration, *party.ids)
    return tuple(key for identifier in stated if identifier and (key := party_id_key(identifier)))


def keys_of(document: Invoice | Order | Receipt, connection: str) -> frozenset[XrefKey]:
    """Every key that mapping this document may look up."""
    keys = set(_party(document.supplier))
    if isinstance(document, (Invoice, Order)) and document.supplier_number:
        keys.add(("supplier", connection, document.supplier_number.strip()))
    keys.update(("order", connection, number) for number in _order_numbers(document))
    return frozenset(keys)


def _order_numbers(document: Invoice | Order | Receipt) -> Iterator[str]:
    if isinstance(document, Order):
        stated: tuple[str, ...] = (document.number,)
    elif isinstance(document, Receipt):
        stated = tuple(line.order_number for line in document.lines)
    else:
        charges = (charge.order_number for charge in document.charges)
        stated = (*document.order_numbers, *(line.order_number for line in document.lines), *charges)
    return (key for number in stated if (key := number_key(number)))


def keys_of_supplier(supplier: Supplier, connection: str) -> frozenset[XrefKey]:
    """Every key under which a supplier of the master, as `connection` states it, is to be found."""
    keys: set[XrefKey] = {("supplier", connection, supplier.number.strip())}
    keys.update(("supplier", name, number.strip()) for name, number in supplier.names_elsewhere.items() if number)
    if supplier.tax_id and (key := tax_id_key(supplier.tax_id)):
        keys.add(("supplier_tax_id", "", key))
    if supplier.endpoint and (key := party_id_text_key(supplier.endpoint)):
        keys.add(("supplier_party_id", "", key))
    return frozenset(keys)
