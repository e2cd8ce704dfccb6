"""The mark by which a receipt of ours is known again in Coupa, which knows no key for receipts: its barcode.

`tripartite:<company>/<number>/<line>/<version>`. A receipt that we bring has no barcode of its own; Coupa keeps 255
characters, shows them and can be asked for the transactions of the order line. Pure.
"""

from __future__ import annotations

import re

from tripartite.runtime.protocol import Unwritable

LONGEST = 255
_MARK = re.compile(r"tripartite:[^/]+/(?P<number>.+)/[0-9]+/[0-9]+\Z")


def stem_of(company_code: str, number: str, line: int) -> str:
    """The mark without its version. Errors: `Unwritable` where Coupa could not keep the whole of it."""
    stem = f"tripartite:{company_code}/{number}/{line}"
    if len(stem) > LONGEST - 20:
        raise Unwritable("intake.value_out_of_range", "/number", "the receipt's number is too long for Coupa")
    return stem


def origin_of(barcode: str | None) -> str:
    """Our number of a receipt, where it carries our mark; empty for everybody else's."""
    found = _MARK.match(barcode or "")
    return found["number"] if found else ""


def version_of(barcode: str | None, stem: str) -> int | None:
    """Which version of the receipt line `stem` a transaction carries; None where it is none of it."""
    head, _, version = (barcode or "").rpartition("/")
    return int(version) if head == stem and version.isascii() and version.isdigit() else None
