"""Which records of several systems are one party, and what its id is: a function of the set of records alone.

Records join by a number that one states for another system, and by an equal tax number where that is unambiguous. A
system has at most one record of a party: where a join would give it two, nothing is joined by guess, and the twins are
named instead (likeness.py). The same set of records gives the same parties in whatever order it was told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from tripartite.core.estate.names import tax_id_key
from tripartite.core.ids import stable_id
from tripartite.core.objects import Supplier

RecordKey = tuple[str, str]  # source, number there
Followers = Mapping[str, tuple[str, ...]]  # source -> connections that were given its numbers
SHORTEST_TAX_ID = 7  # with fewer letters and digits a tax number says nothing ("0", "n/a")


class Stated(msgspec.Struct, frozen=True):
    """One system's record of a supplier. `source` is the connection; its number there is `value.number`."""

    source: str
    value: Supplier

    @property
    def key(self) -> RecordKey:
        return (self.source, self.value.number)


class Party(msgspec.Struct, frozen=True):
    """Records that are one supplier, the principal first. `contested`: numbers that several claim to be theirs."""

    supplier_id: str
    members: tuple[Stated, ...]
    contested: tuple[str, ...] = ()


def own_id(value: Supplier) -> str:
    """The id a record would have alone: the one it states, else computed from its number."""
    return value.supplier_id or stable_id("sup", value.number)


def joining_tax_id(value: Supplier) -> str:
    """The tax number in the form in which it joins records; empty where it is too short to say anything."""
    key = tax_id_key(value.tax_id)
    return key if len(key) >= SHORTEST_TAX_ID and sum(mark.isdigit() for mark in key) >= 5 else ""


def claims(stated: Stated, followers: Followers) -> frozenset[RecordKey]:
    """The numbers of other systems that a record says are its own."""
    said = {(name, number.strip()) for name, number in stated.value.names_elsewhere.items() if number.strip()}
    said |= {(name, stated.value.number) for name in followers.get(stated.source, ())}
    return frozenset(said - {(stated.source, stated.value.number)})


def keys_of(stated: Stated, followers: Followers) -> tuple[str, ...]:
    """The keys under which records concern one another: whoever shares none of them is decided apart."""
    names = {stated.key, *claims(stated, followers)}
    keys = {f"name:{source}/{number}" for source, number in names} | {f"id:{own_id(stated.value)}"}
    if tax_id := joining_tax_id(stated.value):
        keys.add(f"tax:{tax_id}")
    return tuple(sorted(keys))


def parties(
    records: Iterable[Stated], followers: Followers, rank: Callable[[Stated, Sequence[Stated]], tuple[object, ...]]
) -> list[Party]:
    """The parties among these records. `records` must be closed: whoever shares a key with one of them is there.

    `rank` orders the members of a party: whose word about identity counts comes first and gives the id. Where records
    that are not one party would have one id, the first by rank keeps it and the others' names their system as well.
    """
    known = {each.key: each for each in records}
    named, contested = _named(known, followers)
    taxed = _taxed(known)
    groups: list[list[RecordKey]] = []
    for group in _components(known, [*named, *taxed]):
        if _one_each(group):
            groups.append(group)
            continue
        inside = set(group)
        for part in _components(group, [edge for edge in named if edge[0] in inside]):
            groups.extend([part] if _one_each(part) else [[key] for key in part])
    found = []
    for group in groups:
        members = [known[key] for key in group]
        members.sort(key=lambda each: (rank(each, members), each.key))
        doubts = sorted({word for key in group for word in contested.get(key, ())})
        found.append(Party("", tuple(members), tuple(doubts)))
    found.sort(key=lambda party: (rank(party.members[0], party.members), party.members[0].key))
    taken: set[str] = set()
    settled = []
    for party in found:
        first = party.members[0]
        supplier_id = own_id(first.value)
        if supplier_id in taken:
            supplier_id = stable_id("sup", *first.key)
        taken.add(supplier_id)
        settled.append(msgspec.structs.replace(party, supplier_id=supplier_id))
    return settled


def _named(
    known: Mapping[RecordKey, Stated], followers: Followers
) -> tuple[list[tuple[RecordKey, RecordKey]], dict[RecordKey, set[str]]]:
    """Joins by a stated number, and the numbers that more than one record of a system claims."""
    claimants: dict[tuple[RecordKey, str], list[RecordKey]] = defaultdict(list)
    for key in sorted(known):
        for claim in claims(known[key], followers):
            claimants[claim, key[0]].append(key)
    edges = []
    contested: dict[RecordKey, set[str]] = defaultdict(set)
    for (claim, _), by in claimants.items():
        if len(by) > 1:
            words = f"{claim[0]} {claim[1]} is claimed by {', '.join(number for _, number in by)} of {by[0][0]}"
            for key in (*by, *([claim] if claim in known else ())):
                contested[key].add(words)
        elif claim in known:
            edges.append((by[0], claim))
    return edges, contested


def _taxed(known: Mapping[RecordKey, Stated]) -> list[tuple[RecordKey, RecordKey]]:
    """Joins by tax number, where every system has it once."""
    by_tax: dict[str, list[RecordKey]] = defaultdict(list)
    for key in sorted(known):
        if tax_id := joining_tax_id(known[key].value):
            by_tax[tax_id].append(key)
    return [(group[0], other) for group in by_tax.values() if _one_each(group) for other in group[1:]]


def _one_each(group: Sequence[RecordKey]) -> bool:
    return len({source for source, _ in group}) == len(group)


def _components(keys: Iterable[RecordKey], edges: Iterable[tuple[RecordKey, RecordKey]]) -> list[list[RecordKey]]:
    leader = {key: key for key in keys}

    def find(key: RecordKey) -> RecordKey:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for one, other in edges:
        first, second = sorted((find(one), find(other)))
        leader[second] = first
    groups: dict[RecordKey, list[RecordKey]] = defaultdict(list)
    for key in sorted(leader):
        groups[find(key)].append(key)
    return list(groups.values())
