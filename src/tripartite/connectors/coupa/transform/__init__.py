"""Coupa's words into ours, and ours into Coupa's: pure, from bytes to values.

`readers_for(settings)` gives the readers of one connection: its time zone and the way it names companies are facts of
that connection and never guessed. `READERS` are the readers of a connection without settings: a day is cut in the
offset it was stated in, and the company is the chart of accounts by name, for the mapping to translate.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.transform.masters import read_budget, read_requisition, read_supplier
from tripartite.connectors.coupa.transform.orders import read_order, read_receipt
from tripartite.connectors.coupa.transform.reading import make_reader
from tripartite.connectors.coupa.transform.settings import SettingInvalid, read_settings
from tripartite.connectors.coupa.transform.writing import (
    write_mark_exported,
    write_payment,
    write_posting,
    write_receipt,
)
from tripartite.runtime.protocol import Reader, Writer

__all__ = ["READERS", "WRITERS", "SettingInvalid", "readers_for", "write_mark_exported"]


def readers_for(settings: Mapping[str, str]) -> Mapping[str, Reader]:
    """The readers of a connection with these settings, by kind. Errors: `SettingInvalid`, before anything is read."""
    known = read_settings(settings)
    return MappingProxyType(
        {
            "supplier": make_reader("supplier", wire.Supplier, read_supplier, known),
            "requisition": make_reader("requisition", wire.Requisition, read_requisition, known),
            "budget": make_reader("budget", wire.BudgetLine, read_budget, known),
            "order": make_reader("order", wire.Order, read_order, known),
            "receipt": make_reader("receipt", wire.Receipt, read_receipt, known),
        }
    )


READERS: Mapping[str, Reader] = readers_for({})
WRITERS: Mapping[str, Writer] = MappingProxyType(
    {
        "mark_exported": write_mark_exported,
        "record_receipt": write_receipt,
        "report_payment": write_payment,
        "report_posting": write_posting,
    }
)
