"""Who takes part in a story: our companies, and the suppliers with their numbers, accounts and fates. Pure."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Literal

import msgspec
from stdnum.iso7064 import mod_11_10, mod_97_10


class Company(msgspec.Struct, frozen=True):
    code: str
    name: str
    country: str
    currency: str
    tax_code: str
    tax_rate: Decimal
    vat_id: str
    accounts: tuple[tuple[str, str], ...]  # general ledger account and cost centre of its plants


COMPANIES = (
    Company(
        "DE01", "Norddal GmbH", "DE", "EUR", "V19", Decimal(19), "DE812345673", (("1000", "CC-100"), ("2000", "CC-200"))
    ),
    Company(
        "PL02", "Norddal Polska Sp. z o.o.", "PL", "PLN", "P23", Decimal(23), "PL5260250274", (("3000", "CC-300"),)
    ),
)

LOWERED = Decimal(16)  # the rate of Germany by the tax engine, which our own tables do not know yet
SPENT = ("1000", "CC-900")  # a cost centre whose budget is used up


class SupplierPlan(msgspec.Struct, frozen=True):
    """`fate`: what becomes of a payment to this supplier. `refused`: the bank says no, the account is closed.
    `returned`: it is booked and comes back; a clerk looks into it, and the second payment stays. `part`: `new` is
    created after his first invoice came; `suspended` bills what others deliver, and is not paid.
    """

    number: str
    name: str
    country: str
    vat_id: str
    prefix: str
    company: str
    account: str = ""  # an IBAN
    institution: str = ""
    fate: Literal["paid", "refused", "returned"] = "paid"
    part: Literal["usual", "new", "suspended"] = "usual"


_FIRST = (
    *("Aurum", "Kestrel", "Meridian", "Borealis", "Cobalt", "Delta", "Ember", "Fjord", "Granit", "Helix", "Iris"),
    *("Juno", "Krone", "Linden", "Morava", "Nordal", "Orion", "Polder", "Quarz", "Rhein"),
)
_LAST = ("Bearings", "Hydraulics", "Freight", "Tools", "Coatings", "Plastics", "Fasteners", "Electric", "Packaging")


def usual_suppliers(chance: random.Random, count: int) -> tuple[SupplierPlan, ...]:
    made = []
    for number in range(count):
        company = COMPANIES[0] if number % 3 != 2 else COMPANIES[1]
        name = f"{_FIRST[number % len(_FIRST)]} {_LAST[(number * 7 + number // len(_FIRST)) % len(_LAST)]}"
        vat = vat_id(company.country, 10000000 + 7919 * (number + 1))
        prefix = f"{name[:2].upper()}{chr(65 + number // 26)}{chr(65 + number % 26)}"
        fate: Literal["paid", "refused", "returned"] = {3: "refused", 5: "returned"}.get(number % 7, "paid")  # type: ignore[assignment]
        made.append(
            SupplierPlan(
                number=str(10300001 + number),
                name=name,
                country=company.country,
                vat_id=vat,
                prefix=prefix,
                company=company.code,
                account=iban(company.country, number + 1),
                institution={"DE": "COBADEFFXXX", "PL": "WBKPPLPPXXX"}[company.country],
                fate=fate,
            )
        )
    chance.shuffle(made)
    return tuple(made)


def further_supplier(part: Literal["new", "suspended"], first: int) -> SupplierPlan:
    """A supplier beside the usual ones: of each story a new one, and always the same one who bills for others."""
    number = {"new": 7000 + first, "suspended": 6999}[part]
    return SupplierPlan(
        number=str(10380000 + number),
        name={"new": f"Tandem Werkzeuge {first}", "suspended": "Ultra Trading"}[part],
        country="DE",
        vat_id=vat_id("DE", 10000000 + 7919 * (number + 1)),
        prefix={"new": "TW", "suspended": "UT"}[part],
        company="DE01",
        account=iban("DE", number + 1),
        institution="COBADEFFXXX",
        part=part,
    )


def vat_id(country: str, number: int) -> str:
    """A VAT number whose check digit holds: ISO 7064 mod 11,10 in Germany, the weighted sum of the NIP in Poland."""
    if country == "DE":
        digits = str(number)
        return f"DE{digits}{mod_11_10.calc_check_digit(digits)}"
    weights = (6, 5, 7, 2, 3, 4, 5, 6, 7)
    digits = str(number * 10)
    while (total := sum(int(d) * w for d, w in zip(digits, weights, strict=True)) % 11) == 10:
        digits = str(int(digits) + 1)
    return f"PL{digits}{total}"


def iban(country: str, number: int) -> str:
    """An account of a bank that exists, with the check digits of ISO 7064 mod 97,10."""
    local = f"37040044{number:010d}" if country == "DE" else f"10901014{number:016d}"
    return f"{country}{mod_97_10.calc_check_digits(local + country)}{local}"
