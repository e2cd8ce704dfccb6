"""Accounts and banks: an IBAN or a local number, a BIC or a member of a clearing system; and what SEPA reaches.

No text of an error here repeats an account: it names the place only.
"""

from __future__ import annotations

import re

import msgspec
from stdnum import iban as ibans

from tripartite.connectors.iso20022_bank.transform.texts import identifier
from tripartite.core.objects import BankAccount
from tripartite.runtime.protocol import Unwritable

# Countries and territories with their own IBAN letters that the SEPA schemes reach (EPC409-09).
SEPA_COUNTRIES = frozenset(
    [
        *("AD", "AL", "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GI", "GR", "HR"),
        *("HU", "IE", "IS", "IT", "LI", "LT", "LU", "LV", "MC", "MD", "ME", "MK", "MT", "NL", "NO", "PL", "PT", "RO"),
        *("RS", "SE", "SI", "SK", "SM", "VA"),
    ]
)
_LIKE_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}\Z")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\Z")
_MEMBER = re.compile(r"(?:([A-Z]{5})[:/ ]?)?([A-Z0-9]{3,28})\Z")
# How a member's code looks, for the systems that a local code is commonly of; others are taken as they are.
_SHAPES = {
    **{"USABA": "[0-9]{9}", "GBDSC": "[0-9]{6}", "AUBSB": "[0-9]{6}", "CACPA": "[0-9]{9}", "NZNCC": "[0-9]{6}"},
    **{"ZANCC": "[0-9]{6}", "INFSC": "[A-Z]{4}0[A-Z0-9]{6}", "CHBCC": "[0-9]{3,5}", "DEBLZ": "[0-9]{8}"},
    **{"ATBLZ": "[0-9]{5}", "HKNCC": "[0-9]{3}", "PLKNR": "[0-9]{8}", "SESBA": "[0-9]{4}", "CNAPS": "[0-9]{12}"},
}


class Account(msgspec.Struct, frozen=True):
    """An account as the message writes it: exactly one of `iban` and `other`, and its bank, as far as stated."""

    iban: str = ""
    other: str = ""
    bic: str = ""
    clearing_system: str = ""
    member: str = ""

    @property
    def sepa(self) -> bool:
        return self.iban[:2] in SEPA_COUNTRIES

    @property
    def agent(self) -> bool:
        return bool(self.bic or self.member)


def account_of(stated: BankAccount, pointer: str, clearing_system: str) -> Account:
    """The account in the message's terms. Errors: `Unwritable` (check digits, a bank code that fits no list)."""
    compact = "".join(stated.account.split()).upper()
    iban = other = ""
    if _LIKE_IBAN.match(compact):
        # Letters and check digits in front: an IBAN that does not check is a mistyped one, never a local number.
        if not ibans.is_valid(compact, check_country=False):
            raise Unwritable("intake.value_out_of_range", f"{pointer}/account", "an IBAN whose check digits do not fit")
        iban = compact
    else:
        other = identifier(stated.account.strip(), f"{pointer}/account", 34)
    bic, system, member = _institution(stated.institution, f"{pointer}/institution", clearing_system)
    return Account(iban, other, bic, system, member)


def _institution(stated: str, pointer: str, clearing_system: str) -> tuple[str, str, str]:
    """BIC, or clearing system and member. `USABA:021000021` names its system; a bare code is of the setting's."""
    compact = "".join(stated.split()).upper()
    if not compact:
        return "", "", ""
    if _BIC.match(compact):
        return compact, "", ""
    found = _MEMBER.match(stated.strip().upper())
    named = found.group(1) if found else ""
    if found and named and named in _SHAPES:
        return "", named, _member(named, found.group(2), pointer)
    if not clearing_system:
        raise Unwritable("posting.unwritable", pointer, "neither a BIC nor a bank code with its clearing system")
    return "", clearing_system, _member(clearing_system, compact, pointer)


def _member(system: str, code: str, pointer: str) -> str:
    shape = _SHAPES.get(system)
    if shape is not None and not re.fullmatch(shape, code):
        raise Unwritable("intake.value_out_of_range", pointer, f"not a bank code of {system}")
    if system == "USABA" and sum(int(digit) * weight for digit, weight in zip(code, (3, 7, 1) * 3, strict=True)) % 10:
        raise Unwritable("intake.value_out_of_range", pointer, "a routing number whose check digit does not fit")
    return identifier(code, pointer)
