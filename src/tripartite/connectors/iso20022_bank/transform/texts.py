"""Texts as banks take them: the Latin set that SWIFT and the SEPA schemes share. Nothing is cut and nothing vanishes.

A name, an address or a remittance text is transliterated letter by letter; a letter without a counterpart here is
refused with its place. An identifier is never changed: `A_1` and `A-1` are two payments.
"""

from __future__ import annotations

import re
import unicodedata

from tripartite.runtime.protocol import Unwritable

LATIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")
_IDENTIFIER = re.compile(r"[a-zA-Z0-9\-?:().,'+](?:[a-zA-Z0-9/\-?:().,'+ ]*[a-zA-Z0-9\-?:().,'+])?\Z")

# Letters that Unicode does not decompose into a base letter and a mark, and signs with a customary stand-in.
_INSTEAD = {
    **{"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"},
    **{"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "TH", "ı": "i", "ħ": "h", "Ħ": "H", "ŋ": "n", "Ŋ": "N"},
    **{"&": "+", "@": "(at)", "_": "-", "*": ".", "#": ".", "%": ".", ";": ",", "!": ".", "=": "-", "~": "-", "|": "/"},
    **{"\\": "/", '"': "'", "`": "'", "\u00b4": "'", "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": "'"},
    **{"\u201d": "'", "\u201e": "'", "\u00ab": "'", "\u00bb": "'", "\u2010": "-", "\u2011": "-", "\u2012": "-"},
    **{"\u2013": "-", "\u2014": "-", "\u2212": "-", "[": "(", "]": ")", "{": "(", "}": ")", "<": "(", ">": ")"},
    **{"\u2044": "/", "€": "EUR", "$": "USD", "£": "GBP"},
    **{"\u00a0": " ", "\t": " ", "\n": " ", "\r": " ", "º": "o", "ª": "a"},
}


def latin(text: str, pointer: str, longest: int) -> str:
    """`text` in the Latin set, blanks joined. Errors: `Unwritable` (a letter without counterpart, empty, too long)."""
    pieces: list[str] = []
    for letter in unicodedata.normalize("NFC", text):
        if letter in LATIN:
            pieces.append(letter)
            continue
        instead = _INSTEAD.get(letter)
        if instead is None:
            base = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
            instead = "".join(_INSTEAD.get(part, part) for part in base)
            if not instead or not LATIN.issuperset(instead):
                name = unicodedata.name(letter, f"U+{ord(letter):04X}").lower()
                raise Unwritable("posting.unwritable", pointer, f"banks do not take this character: {name}")
        pieces.append(instead)
    written = " ".join("".join(pieces).split())
    if not written:
        raise Unwritable("posting.unwritable", pointer, "is empty")
    if len(written) > longest:
        raise Unwritable("posting.unwritable", pointer, f"{len(written)} characters, and at most {longest} are taken")
    return written


def identifier(text: str, pointer: str, longest: int = 35) -> str:
    """`text` as it is. Errors: `Unwritable` where it is not an id that banks take: set, length, slashes."""
    if not 0 < len(text) <= longest:
        raise Unwritable("posting.unwritable", pointer, f"an id of 1 to {longest} characters is needed")
    if not _IDENTIFIER.match(text) or "//" in text:
        detail = "an id takes letters and digits of the Latin set, no blank or slash at its ends, and no double slash"
        raise Unwritable("posting.unwritable", pointer, detail)
    return text
