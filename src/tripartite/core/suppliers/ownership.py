"""One supplier out of the records of several systems: per field group the owner's word counts, the rest is drift.

Who owns what is the estate's word (`owner` rows of object `supplier`). An owner that says nothing leaves the field to
whoever speaks, in the order of the ranking. A stop is not outvoted: a supplier that one system blocks is blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from tripartite.core.estate import Estate
from tripartite.core.estate.names import name_key, tax_id_key
from tripartite.core.findings import Finding
from tripartite.core.objects import Address, BankAccount, Supplier
from tripartite.core.suppliers.identity import Followers, Party, Stated, claims

GROUPS: Mapping[str, tuple[str, ...]] = {
    "identity": ("name", "endpoint", "address", "company_codes"),
    "tax": ("tax_id", "withholding"),
    "bank": ("accounts",),
    "terms": ("payment_terms",),
    "risk": ("status",),
}


class Drift(msgspec.Struct, frozen=True):
    """A field in which another system differs from the owner. Values are as a person may read them: accounts masked."""

    fields: str  # the field group
    field: str
    owner: str
    owner_says: str
    other: str
    other_says: str


class Merged(msgspec.Struct, frozen=True):
    """The supplier as its owners say it. `bank_source` is the record whose accounts count; empty where none has any."""

    value: Supplier
    drifts: tuple[Drift, ...]
    bank_source: str
    changed_by: tuple[str, ...] = ()


def masked(account: str) -> str:
    """An account by its country and last four, as everywhere outside the payment file."""
    return f"{account[:2]}..{account[-4:]}" if len(account) > 8 else f"..{account[-2:]}"


def account_key(account: BankAccount) -> str:
    """What makes two accounts the same: the IBAN, or the local number with its bank. The holder's spelling does not."""
    number = "".join(account.account.upper().split())
    is_iban = number[:2].isalpha() and number[2:4].isdigit()
    return number if is_iban else f"{''.join(account.institution.upper().split())}/{number}"


def ranking(estate: Estate, fields: str, companies: Sequence[str], on: date) -> tuple[str, ...]:
    """The connections by how much their word counts for a field group, the owner first, then those who validate.

    Companies may have different owners: the first company by code comes first. Whoever is not named comes after.
    """
    owners: dict[str, None] = {}
    validating: dict[str, None] = {}
    for company in sorted(companies) or [each.code for each in estate.companies]:
        found = estate.owner("supplier", fields, company, on)
        if found is None:
            continue
        owners.setdefault(found[1].name)
        for role in found[0].validated_by:
            for entry in estate.serving(role, company):
                validating.setdefault(entry.name)
    return tuple(dict.fromkeys((*owners, *validating)))


def identity_rank(estate: Estate, on: date) -> Callable[[Stated, Sequence[Stated]], tuple[object, ...]]:
    """The order of a party's members for `identity.parties`: by whose word about identity counts."""
    rankings: dict[tuple[str, ...], tuple[str, ...]] = {}

    def rank(each: Stated, members: Sequence[Stated]) -> tuple[object, ...]:
        companies = companies_of(members)
        if companies not in rankings:
            rankings[companies] = ranking(estate, "identity", companies, on)
        return (_place(each.source, rankings[companies]), each.source)

    return rank


def companies_of(members: Iterable[Stated]) -> tuple[str, ...]:
    """Every company that any record of a party names; empty where none does: it is for all."""
    return tuple(sorted({code for each in members for code in each.value.company_codes}))


def merged(party: Party, followers: Followers, estate: Estate, on: date) -> Merged:
    """The party's one supplier: each field by its owner, else by the first who says anything; differences as drift.

    Payment terms and withholding are not compared: their codes are each system's own. Companies are not either: a
    system may know fewer of them.
    """
    companies = companies_of(party.members)
    first = party.members[0].value
    fields: dict[str, Any] = {}
    drifts: list[Drift] = []
    bank_source = ""
    for group, names in GROUPS.items():
        order = ranking(estate, group, companies, on)
        members = sorted(party.members, key=lambda each: (_place(each.source, order), each.source))
        for name in names:
            speaking = [each for each in members if getattr(each.value, name)]
            if not speaking:
                continue
            fields[name] = getattr(speaking[0].value, name)
            if name == "accounts":
                bank_source = speaking[0].source
            drifts += _drifts(group, name, speaking)
    if any(each.value.status == "blocked" for each in party.members):
        fields["status"] = "blocked"
    names_elsewhere: dict[str, str] = {}
    for each in party.members:
        names_elsewhere.setdefault(each.source, each.value.number)
    for each in party.members:
        for source, number in sorted(claims(each, followers)):
            names_elsewhere.setdefault(source, number)
    names_elsewhere.pop("", None)
    value = msgspec.structs.replace(
        first,
        **fields,
        supplier_id=party.supplier_id,
        version=max(each.value.version for each in party.members),
        names_elsewhere=dict(sorted(names_elsewhere.items())),
    )
    return Merged(value, tuple(drifts), bank_source)


def drift_finding(drifts: Sequence[Drift]) -> Finding | None:
    """One finding for all differences of a supplier: one exception, one cause."""
    if not drifts:
        return None
    return Finding(
        code="integration.state_differs",
        breach="; ".join(f"{each.fields}/{each.field}:{each.other}" for each in drifts),
        unit="fields",
        words=" ".join(
            f"{each.field}: {each.owner} says {each.owner_says}, {each.other} says {each.other_says}."
            for each in drifts
        ),
        rule="owner",
    )


def _place(source: str, order: Sequence[str]) -> int:
    return order.index(source) if source in order else len(order)


def _drifts(group: str, name: str, speaking: Sequence[Stated]) -> list[Drift]:
    compare = _COMPARED.get(name)
    if compare is None:
        return []
    owner = speaking[0]
    ours = getattr(owner.value, name)
    return [
        Drift(group, name, owner.source, _said(ours), other.source, _said(theirs))
        for other in speaking[1:]
        if compare(theirs := getattr(other.value, name)) != compare(ours)
    ]


def _said(value: object) -> str:
    match value:
        case Address():
            return ", ".join(part for part in (value.postal_code, value.city, value.country) if part) or "nothing"
        case tuple():
            return ", ".join(masked(account.account) for account in value)
        case _:
            return str(value)


def _where(address: Address) -> tuple[str, str]:
    return (address.country.upper(), "".join(address.postal_code.upper().split()))


def _accounts(accounts: tuple[BankAccount, ...]) -> frozenset[str]:
    return frozenset(account_key(each) for each in accounts)


_COMPARED: Mapping[str, Callable[[Any], object]] = {
    "name": name_key,
    "address": _where,
    "tax_id": tax_id_key,
    "accounts": _accounts,
    "status": str,
}
