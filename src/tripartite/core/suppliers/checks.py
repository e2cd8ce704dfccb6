"""What is wrong with a supplier, from its own record: required fields, status, tax number, accounts. Pure, in bulk.

Each finding has a reason code, the place in the record and a sentence. Tax numbers are checked by their country's
rules (python-stdnum), IBAN and BIC by ISO 13616 and ISO 9362 with the registers of schwifty. What has no rule here is
not judged: a country without a known form of tax number gives no finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException
from stdnum import get_cc_module
from stdnum.eu import vat as eu_vat

from tripartite.core.estate.names import tax_id_key
from tripartite.core.objects import Supplier
from tripartite.core.suppliers.ownership import masked

REQUIRED = ("name", "tax_id", "country", "city", "account", "payment_terms")  # what a policy may require
_KINDS = ("vat", "tin", "ein", "vkn")  # python-stdnum's names for a country's number, in this order


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something about a supplier's record: a reason code, the place (a JSON pointer), a sentence with its values."""

    code: str
    pointer: str
    words: str


def checked(supplier: Supplier, required: Sequence[str], *, proven: Iterable[str] = ()) -> tuple[Check, ...]:
    """Everything wrong with a record. `proven` are accounts that two people confirmed: where one lies is known then.

    `supplier.accounts` are those in use and those that wait: an account that cannot exist is said before anybody is
    called about it.
    """
    found = [*_status(supplier), *_missing(supplier, required)]
    if supplier.tax_id and (words := tax_id_trouble(supplier.tax_id, _country(supplier))):
        found.append(Check("tax.supplier_number_invalid", "/tax_id", words))
    known = frozenset(proven)
    for place, account in enumerate(supplier.accounts):
        here = f"/accounts/{place}"
        if words := account_trouble(account.account, account.institution):
            found.append(Check("supplier.bank_change_unapproved", here, words))
        elif account.account not in known and (words := _abroad(account.account, _country(supplier))):
            found.append(Check("supplier.risk_changed", here, words))
    return tuple(found)


def tax_id_trouble(tax_id: str, country: str) -> str:
    """Why a tax number cannot be one, by the rules of its country; empty where it can, or where no rule is known.

    A number with the prefix of an EU member is checked by that member's rules, `EL` for Greece and `XI` for Northern
    Ireland; else by those of the supplier's country. Rule: python-stdnum; nothing is asked of a register here.
    """
    number = tax_id_key(tax_id)
    prefix = number[:2].lower()
    if prefix.isalpha() and (prefix in eu_vat.MEMBER_STATES or prefix in ("el", "xi")):
        return "" if _eu(number) else f"{number} is not a VAT number of {prefix.upper()}."
    module = _module(country.lower())
    if module is None or module.is_valid(number):
        return ""
    return f"{number} is not a tax number of {country.upper()}."


def account_trouble(account: str, institution: str = "") -> str:
    """Why an account cannot exist: wrong length or check digits of the IBAN, an impossible BIC, both of two countries.

    A local account number (no IBAN) has no rule here.
    """
    if not _is_iban(account):
        return ""
    try:
        iban = IBAN(account, validate_bban=False)
    except SchwiftyException:
        return f"{masked(account)} is not an IBAN: its length or check digits are wrong."
    if not institution or not _looks_like_bic(institution):
        return ""
    try:
        bic = BIC(institution)
    except SchwiftyException:
        return f"{institution} is not a BIC."
    if str(bic.country_code) != str(iban.country_code):
        return f"The BIC {institution} is of {bic.country_code}, the IBAN {masked(account)} of {iban.country_code}."
    return ""


def _is_iban(account: str) -> bool:
    compact = "".join(account.split())
    return len(compact) > 4 and compact[:2].isalpha() and compact[2:4].isdigit()


def _looks_like_bic(text: str) -> bool:
    return len(text.strip()) in (8, 11) and text.strip()[:6].isalpha()


def _abroad(account: str, country: str) -> str:
    if not country or not _is_iban(account) or account[:2].upper() == country:
        return ""
    return f"The account {masked(account)} is in {account[:2].upper()}, the supplier in {country}."


def _status(supplier: Supplier) -> list[Check]:
    if supplier.status == "blocked":
        return [Check("supplier.blocked", "/status", "The supplier is on hold.")]
    if supplier.status != "active":
        return [Check("supplier.inactive", "/status", f"The supplier is {supplier.status}.")]
    return []


def _missing(supplier: Supplier, required: Sequence[str]) -> list[Check]:
    address = supplier.address
    present = {
        "name": ("/name", supplier.name.strip()),
        "tax_id": ("/tax_id", tax_id_key(supplier.tax_id)),
        "country": ("/address/country", address.country if address else ""),
        "city": ("/address/city", address.city if address else ""),
        "account": ("/accounts", supplier.accounts),
        "payment_terms": ("/payment_terms", supplier.payment_terms),
    }
    return [
        Check("document.field_missing", present[name][0], f"There is no {name.replace('_', ' ')}.")
        for name in required
        if not present[name][1]
    ]


def _country(supplier: Supplier) -> str:
    return supplier.address.country.upper() if supplier.address else ""


@lru_cache(maxsize=4096)
def _eu(number: str) -> bool:
    if number[:2] == "XI":  # Northern Ireland keeps the British form
        british = _module("gb")
        return british is not None and bool(british.is_valid(number[2:]))
    return bool(eu_vat.is_valid(number))


@lru_cache(maxsize=512)
def _module(country: str) -> Any:
    if not country:
        return None
    return next((module for kind in _KINDS if (module := get_cc_module(country, kind))), None)
