"""Units of measure: which codes UN/ECE Recommendation 20 knows, and which of them say exactly the same.

Only equal units become one; anything that needs a number (a dozen, a case of twelve) is a conversion, agreed per item
(core/quantity). The words of a vendor ("ST", "Stk") are mapped in the estate, per connection, since `ST` is a piece
in one system and a sheet in another.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_PACKAGE = re.compile(r"X[A-Z0-9]{2}\Z")  # Recommendation 21 package codes, with the X that EN 16931 asks for

# Left: as stated; right: the one form we keep. All of a row count or measure the same thing, one to one.
EQUAL = {
    "C62": "EA",  # one
    "H87": "EA",  # piece
    "NAR": "EA",  # number of articles
    "PCE": "EA",  # piece, a code of earlier editions that many systems still send
    "NPR": "PR",  # number of pairs; deprecated for pair
    "KTM": "KMT",  # kilometre, listed twice
    "XBX": "BX",  # box: the package code with its X
    "XCS": "CS",  # case
    "XCT": "CT",  # carton
    "XPK": "PK",  # package
    "XBG": "BG",  # bag
    "XBO": "BO",  # bottle
    "XRO": "RO",  # roll
}


@cache
def rec20() -> frozenset[str]:
    """The codes of the recommendation, those that were moved to the package codes included."""
    return frozenset((resources.files(__package__) / "rec20.txt").read_text("ascii").split())


def unit_of(code: str) -> str | None:
    """The one form of a unit code that the recommendation knows; None where it knows none. Case matters."""
    equal = EQUAL.get(code)
    if equal is not None:
        return equal
    return code if code in rec20() or _PACKAGE.match(code) else None
