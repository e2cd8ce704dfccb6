"""What makes two suppliers of the master look like one: a proposal for a person, never a reason to merge (C13).

Same tax number, same bank account, or a like name in the same place. Names are compared without legal form, case,
accents and order of words; at `LIKE_ENOUGH` of 100 they are alike. Measured on pairs: "Müller Stahlbau GmbH" and
"Mueller Stahlbau" give 100, one wrong letter in "Hansen Pumpen" 92, "Nordstahl" and "Weststahl" 56.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

import msgspec
from rapidfuzz import fuzz, process

from tripartite.core.objects import BankAccount, Supplier
from tripartite.core.suppliers.identity import joining_tax_id
from tripartite.core.suppliers.ownership import account_key

LIKE_ENOUGH = 90
_LEGAL_FORMS = frozenset(
    (
        *("ab", "ag", "aps", "as", "asa", "bv", "co", "corp", "corporation", "doo", "eg", "ek", "gbr", "gmbh", "inc"),
        *("incorporated", "kft", "kg", "kgaa", "limited", "llc", "llp", "ltd", "mbh", "nv", "ohg", "oy", "oyj", "plc"),
        *("pte", "pty", "sa", "sarl", "sas", "se", "sia", "sl", "spa", "spol", "sprl", "spzoo", "srl", "srls", "sro"),
        *("ug", "und", "and", "the", "oo", "sp", "zoo"),
    )
)
_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa", "ł": "l"})


class Face(msgspec.Struct, frozen=True):
    """What of a supplier is compared with others."""

    supplier_id: str
    number: str
    name: str  # without legal form, folded, words in order of the alphabet
    place: str  # country and city; empty where no city is stated: then a name alone says nothing
    tax_id: str
    accounts: tuple[str, ...]


class Twin(msgspec.Struct, frozen=True):
    """Two suppliers that look like one: by what (`tax_id`, `account`, `name`)."""

    other_id: str
    other_number: str
    by: tuple[str, ...]


def plain_name(name: str) -> str:
    """A name as it is compared: folded, without accents, punctuation and legal forms, words in order."""
    text = name.casefold().translate(_LETTERS)
    text = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    text = re.sub(r"(?<=\b\w)\.(?=\w\b)|\.", "", text)  # "s.r.o." is one word
    words = re.findall(r"\w+", text)
    kept = [word for word in words if word not in _LEGAL_FORMS]
    return " ".join(sorted(kept or words))


def face(supplier: Supplier, accounts: Iterable[BankAccount]) -> Face:
    """What to compare; `accounts` are all that the supplier has or had stated, waiting ones too."""
    address = supplier.address
    city = plain_name(address.city) if address and address.city else ""
    return Face(
        supplier.supplier_id,
        supplier.number,
        plain_name(supplier.name),
        f"{address.country.upper()}/{city}" if address and city else "",
        joining_tax_id(supplier),
        tuple(sorted({account_key(account) for account in accounts})),
    )


def twins(one: Face, others: Sequence[Face]) -> tuple[Twin, ...]:
    """Who of the others looks like this supplier, by id."""
    by: dict[str, list[str]] = {}
    known = {each.supplier_id: each for each in others if each.supplier_id != one.supplier_id}
    for each in known.values():
        if one.tax_id and one.tax_id == each.tax_id:
            by.setdefault(each.supplier_id, []).append("tax_id")
        if set(one.accounts) & set(each.accounts):
            by.setdefault(each.supplier_id, []).append("account")
    if one.place and one.name:
        near = {each.supplier_id: each.name for each in known.values() if each.place == one.place}
        for _, _, other in process.extract(one.name, near, scorer=fuzz.ratio, score_cutoff=LIKE_ENOUGH, limit=20):
            by.setdefault(other, []).append("name")
    return tuple(Twin(other, known[other].number, tuple(by[other])) for other in sorted(by))
