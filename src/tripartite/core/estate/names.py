"""The forms in which names and numbers of parties are compared: exact once written one way, never similar.

Two texts with the same key are the same name; nothing here measures likeness (core/matching scores duplicates).
"""

from __future__ import annotations

import unicodedata

from tripartite.core.objects.party import Identifier


def tax_id_key(text: str) -> str:
    """A tax number without blanks and punctuation, in upper case: `de 123.456.789` is `DE123456789`."""
    return "".join(mark for mark in unicodedata.normalize("NFKC", text).upper() if mark.isalnum())


def party_id_key(identifier: Identifier) -> str:
    """An identifier with its scheme, `0088:4012345000009`; empty where either is not stated, since a bare number
    says nothing about whose it is.
    """
    value = "".join(unicodedata.normalize("NFKC", identifier.value).casefold().split())
    scheme = identifier.scheme.strip().upper()
    return f"{scheme}:{value}" if value and scheme else ""


def party_id_text_key(text: str) -> str:
    """The same for an identifier written `scheme:value`, as the estate and the supplier master write it."""
    scheme, _, value = text.partition(":")
    return party_id_key(Identifier(value, scheme))


def name_key(text: str) -> str:
    """A name in one case with single blanks. Legal forms, commas and spelling stay: they make different names."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def number_key(text: str) -> str:
    """A document number without blanks, in upper case: `po 4500-17` is `PO4500-17`. Leading zeros stay."""
    return "".join(unicodedata.normalize("NFKC", text).upper().split())
