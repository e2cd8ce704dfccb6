"""What is wrong with a supplier's record: tax number, account, required fields, status; and who looks like whom."""

from __future__ import annotations

from typing import Any

import pytest

from tripartite.core.objects import Address, BankAccount, Supplier
from tripartite.core.suppliers.checks import account_trouble, checked, tax_id_trouble
from tripartite.core.suppliers.likeness import face, plain_name, twins

IBAN = "DE89370400440532013000"
GOOD_TAX = [
    *(
        ("DE812345673", "DE"),
        ("DE 812 345 673", "DE"),
        ("EL094259216", "GR"),
        ("ATU13585627", "AT"),
        ("XI980780684", "GB"),
    ),
    *(("PL8567346215", "PL"), ("123", ""), ("whatever", "AQ"), ("911144442", "US")),
]
BAD_TAX = [
    ("DE812345674", "DE"),
    ("PL8567346216", "PL"),
    ("ATU13585626", "AT"),
    ("812345674", "DE"),
    ("12345678", "US"),
]


def supplier(number: str = "1", **further: Any) -> Supplier:
    return Supplier(**{"number": number, "name": "Kranz GmbH", "supplier_id": f"sup_{number}", **further})


@pytest.mark.parametrize(("tax_id", "country"), GOOD_TAX)
def test_a_tax_number_that_can_be_one_passes(tax_id: str, country: str) -> None:
    assert tax_id_trouble(tax_id, country) == ""


@pytest.mark.parametrize(("tax_id", "country"), BAD_TAX)
def test_a_tax_number_that_cannot_be_one_is_named(tax_id: str, country: str) -> None:
    assert "is not a" in tax_id_trouble(tax_id, country)


@pytest.mark.parametrize(
    ("account", "institution", "trouble"),
    [
        (IBAN, "", ""),
        (IBAN, "COBADEFFXXX", ""),
        ("12345678", "60837 0044", ""),
        ("DE89370400440532013001", "", "not an IBAN"),
        ("DE8937040044053201300", "", "not an IBAN"),
        (IBAN, "COBAXXFF", "not a BIC"),
        (IBAN, "BNPAFRPP", "is of FR"),
    ],
)
def test_an_account_that_cannot_exist_is_named_without_being_told(account: str, institution: str, trouble: str) -> None:
    said = account_trouble(account, institution)
    assert (trouble in said) if trouble else said == ""
    assert account not in said or not said


def test_each_finding_has_its_code_and_its_place() -> None:
    record = supplier(
        name=" ",
        status="blocked",
        tax_id="DE812345674",
        accounts=(BankAccount("DE89370400440532013001"), BankAccount("FR7630006000011234567890189")),
        address=Address(country="DE"),
    )
    assert [(each.code, each.pointer) for each in checked(record, ("name", "city"))] == [
        ("supplier.blocked", "/status"),
        ("document.field_missing", "/name"),
        ("document.field_missing", "/address/city"),
        ("tax.supplier_number_invalid", "/tax_id"),
        ("supplier.bank_change_unapproved", "/accounts/0"),
        ("supplier.risk_changed", "/accounts/1"),
    ]


def test_an_account_abroad_that_two_people_confirmed_is_no_finding() -> None:
    abroad = "FR7630006000011234567890189"
    record = supplier(accounts=(BankAccount(abroad),), address=Address(country="DE"))
    assert [each.code for each in checked(record, ())] == ["supplier.risk_changed"]
    assert checked(record, (), proven=[abroad]) == ()


ALIKE = [
    ("Müller Stahlbau GmbH", "Mueller Stahlbau"),
    ("Beta s.r.o.", "Beta sro"),
    ("Alfa Sp. z o.o.", "ALFA SP Z OO"),
    ("Hansen Pumpen KG", "Hansen Pumpem"),
    ("Stahlbau Müller", "Müller Stahlbau GmbH & Co. KG"),
]
UNLIKE = [("Nordstahl GmbH", "Weststahl GmbH"), ("Kranz Dichtungen", "Kranz Pumpen"), ("Beta GmbH", "Zeta GmbH")]


@pytest.mark.parametrize(("one", "other", "like"), [(*p, True) for p in ALIKE] + [(*p, False) for p in UNLIKE])
def test_like_names_in_one_place_are_proposed_and_others_are_not(one: str, other: str, like: bool) -> None:
    home = Address(city="Köln", country="DE")
    first, second = supplier("1", name=one, address=home), supplier("2", name=other, address=home)
    assert [each.by for each in twins(face(first, ()), [face(second, ())])] == ([("name",)] if like else [])
    away = supplier("2", name=other, address=Address(city="Bonn", country="DE"))
    nowhere = supplier("2", name=other)
    assert twins(face(first, ()), [face(away, ()), face(nowhere, ())]) == ()


def test_an_equal_tax_number_or_account_makes_a_twin_and_nobody_is_their_own() -> None:
    account = BankAccount(IBAN)
    one = face(supplier("1", tax_id="DE812345673"), [account])
    other = face(supplier("2", tax_id="de 812345673", name="Other"), [account])
    assert [(each.other_id, each.by) for each in twins(one, [one, other])] == [("sup_2", ("tax_id", "account"))]


def test_a_name_of_nothing_but_legal_forms_stays_a_name() -> None:
    assert plain_name("AG & Co. KG") != ""
