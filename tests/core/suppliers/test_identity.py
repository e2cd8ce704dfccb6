"""Which records are one party: by a stated number, by an unambiguous tax number; never by guess, in any order."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest

from tripartite.core.ids import stable_id
from tripartite.core.objects import Supplier
from tripartite.core.suppliers.identity import Party, Stated, own_id, parties

FOLLOWERS = {"coupa": ("capture",)}
TAX = "DE812345673"


def said(source: str, number: str, **further: Any) -> Stated:
    return Stated(source, Supplier(number=number, name=f"Supplier {number}", **further))


def rank(each: Stated, _: Any) -> tuple[object, ...]:
    return ({"coupa": 0, "sap": 1, "acme": 2}.get(each.source, 3),)


def joined(*records: Stated) -> dict[str, list[tuple[str, str]]]:
    return {
        party.supplier_id: sorted(each.key for each in party.members) for party in parties(records, FOLLOWERS, rank)
    }


CASES = {
    "a number stated for another system joins": (
        [said("coupa", "100", names_elsewhere={"sap": "L-7"}), said("sap", "L-7")],
        [[("coupa", "100"), ("sap", "L-7")]],
    ),
    "an equal tax number joins two systems": (
        [said("coupa", "100", tax_id="DE 812 345 673"), said("sap", "L-7", tax_id=TAX)],
        [[("coupa", "100"), ("sap", "L-7")]],
    ),
    "three systems in a chain are one": (
        [
            said("coupa", "100", names_elsewhere={"sap": "L-7"}),
            said("sap", "L-7", tax_id=TAX),
            said("acme", "A", tax_id=TAX),
        ],
        [[("acme", "A"), ("coupa", "100"), ("sap", "L-7")]],
    ),
    "twins in one system leave a third record alone": (
        [said("coupa", "100", tax_id=TAX), said("coupa", "101", tax_id=TAX), said("sap", "L-7", tax_id=TAX)],
        [[("coupa", "100")], [("coupa", "101")], [("sap", "L-7")]],
    ),
    "a stated number counts beside twins": (
        [
            said("coupa", "100", tax_id=TAX, names_elsewhere={"sap": "L-7"}),
            said("coupa", "101", tax_id=TAX),
            said("sap", "L-7", tax_id=TAX),
        ],
        [[("coupa", "100"), ("sap", "L-7")], [("coupa", "101")]],
    ),
    "a number that two claim belongs to neither": (
        [
            said("coupa", "100", names_elsewhere={"sap": "L-7"}),
            said("coupa", "101", names_elsewhere={"sap": "L-7"}),
            said("sap", "L-7"),
        ],
        [[("coupa", "100")], [("coupa", "101")], [("sap", "L-7")]],
    ),
    "a tax number that says nothing joins nobody": (
        [said("coupa", "100", tax_id="0"), said("sap", "L-7", tax_id="0")],
        [[("coupa", "100")], [("sap", "L-7")]],
    ),
    "equal numbers of two systems are not one party": (
        [said("coupa", "100"), said("sap", "100")],
        [[("coupa", "100")], [("sap", "100")]],
    ),
    "a follower speaks the numbers of whom it follows": (
        [said("coupa", "100"), said("capture", "100")],
        [[("capture", "100"), ("coupa", "100")]],
    ),
}


@pytest.mark.parametrize("title", CASES)
def test_records_join_as_they_should_in_any_order(title: str) -> None:
    records, wanted = CASES[title]
    first = joined(*records)
    assert sorted(first.values()) == wanted
    for order in permutations(records):
        assert joined(*order) == first


def test_the_id_is_the_owners_and_an_equal_number_elsewhere_has_another() -> None:
    found = joined(said("sap", "100"), said("coupa", "100"))
    assert found[stable_id("sup", "100")] == [("coupa", "100")]
    assert found[stable_id("sup", "sap", "100")] == [("sap", "100")]
    assert own_id(Supplier(number="7", name="x", supplier_id="S7")) == "S7"


def test_who_claims_the_same_number_is_named() -> None:
    records, _ = CASES["a number that two claim belongs to neither"]
    found: list[Party] = parties(records, FOLLOWERS, rank)
    assert {party.contested for party in found} == {("sap L-7 is claimed by 100, 101 of coupa",)}


@pytest.mark.parametrize("seed", range(20))
def test_no_party_ever_holds_two_records_of_one_system(seed: int) -> None:
    chance = random.Random(f"identity/{seed}")
    records = {}
    for _ in range(30):
        source = chance.choice(("coupa", "sap", "acme"))
        claims = {chance.choice(("coupa", "sap", "acme")): str(chance.randrange(12))} if chance.random() < 0.5 else {}
        tax = f"DE{chance.randrange(6):09}" if chance.random() < 0.6 else ""
        each = said(source, str(chance.randrange(12)), tax_id=tax, names_elsewhere=claims)
        records[each.key] = each
    found = parties(records.values(), FOLLOWERS, rank)
    assert sum(len(party.members) for party in found) == len(records)
    assert len({party.supplier_id for party in found}) == len(found)
    for party in found:
        sources = [each.source for each in party.members]
        assert len(set(sources)) == len(sources)
    shuffled = list(records.values())
    chance.shuffle(shuffled)
    assert parties(shuffled, FOLLOWERS, rank) == found
