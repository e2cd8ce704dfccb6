"""Translates between a bank's ISO 20022 messages and the canonical objects. Pure: bytes in, values out.

    texts.py         the Latin set of banks
    accounts.py      IBAN, local number, BIC, clearing system
    remittance.py    what the supplier reads
    orders.py        payment order -> pain.001.001.09
    reading.py       one XML message while it is read: nothing is lost on the way
    words.py         the tables of status words
    reports.py       pain.002 -> payment report
    statements.py    camt.053, camt.054 -> bank statement, with entries.py
    settings.py      what a connection's settings tell all of these

`READERS` and `WRITERS` are those of a connection without settings.
"""

from __future__ import annotations

from collections.abc import Mapping

from tripartite.connectors.iso20022_bank.transform.orders import write_payment_order
from tripartite.connectors.iso20022_bank.transform.reading import readable
from tripartite.connectors.iso20022_bank.transform.reports import read_payment_report
from tripartite.connectors.iso20022_bank.transform.settings import SettingInvalid, read_settings
from tripartite.connectors.iso20022_bank.transform.statements import parts, read_bank_statement
from tripartite.runtime.protocol import Raw, Read, Reader, Writer

__all__ = ["READERS", "WRITERS", "SettingInvalid", "parts", "readers_for", "writers_for"]


def readers_for(settings: Mapping[str, str]) -> Mapping[str, Reader]:
    """The readers of a connection with these settings. Errors: `SettingInvalid`."""
    known = read_settings(settings)

    def report(raw: Raw) -> Read:
        return readable(lambda given: read_payment_report(given, known), raw)

    def statement(raw: Raw) -> Read:
        return readable(lambda given: read_bank_statement(given, known), raw)

    return {"payment_report": report, "bank_statement": statement}


def writers_for(settings: Mapping[str, str]) -> Mapping[str, Writer]:
    """The writers of a connection with these settings. Errors: `SettingInvalid`."""
    known = read_settings(settings)
    return {"send_payment_order": lambda payload: write_payment_order(payload, known)}


READERS: Mapping[str, Reader] = readers_for({})
WRITERS: Mapping[str, Writer] = writers_for({})
