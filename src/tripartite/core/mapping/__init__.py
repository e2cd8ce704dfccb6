"""Foreign to ours: company, supplier, order numbers, units, tax codes, dimensions. Missing is a finding, never a guess.

keys_of(document, connection)            what the shell must look up
map_invoice / map_order / map_receipt    (document, xrefs, estate, connection=...) -> (mapped, findings)
"""

from tripartite.core.mapping.documents import map_invoice, map_order, map_receipt
from tripartite.core.mapping.units import unit_of
from tripartite.core.mapping.xrefs import XrefKey, Xrefs, keys_of, keys_of_supplier, party_keys

__all__ = [
    "XrefKey",
    "Xrefs",
    "keys_of",
    "keys_of_supplier",
    "map_invoice",
    "map_order",
    "map_receipt",
    "party_keys",
    "unit_of",
]
