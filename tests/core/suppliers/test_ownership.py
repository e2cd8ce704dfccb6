"""The owner's word counts field group by field group; where another system differs it is said."""

from __future__ import annotations

from datetime import date
from typing import Any

from support.estates import development_estate
from tripartite.core.objects import Address, BankAccount, Supplier
from tripartite.core.suppliers.identity import Party, Stated
from tripartite.core.suppliers.ownership import Merged, drift_finding, masked, merged, ranking

DAY = date(2026, 11, 20)
ESTATE = development_estate()


def together(**by_source: dict[str, Any]) -> Merged:
    members = tuple(
        Stated(
            source, Supplier(**{"number": f"{source}-1", "name": "Kranz GmbH", "company_codes": ("DE01",), **fields})
        )
        for source, fields in by_source.items()
    )
    return merged(Party("sup_1", members), {}, ESTATE, DAY)


def test_procurement_owns_identity_and_the_erp_the_tax_fields() -> None:
    assert ranking(ESTATE, "identity", ("DE01",), DAY) == ("coupa", "sap")
    assert ranking(ESTATE, "tax", ("DE01",), DAY)[0] == "sap"
    assert ranking(ESTATE, "tax", ("AT04",), DAY)[0] == "acme"


def test_each_owner_wins_its_fields_and_the_difference_is_drift() -> None:
    found = together(
        coupa={"name": "Kranz GmbH", "tax_id": "DE812345673"},
        sap={"name": "Kranz Gesellschaft", "tax_id": "DE129273398"},
    )
    assert (found.value.name, found.value.tax_id) == ("Kranz GmbH", "DE129273398")
    assert [(each.field, each.owner, each.other) for each in found.drifts] == [
        ("name", "coupa", "sap"),
        ("tax_id", "sap", "coupa"),
    ]
    finding = drift_finding(found.drifts)
    assert finding is not None
    assert finding.code == "integration.state_differs"


def test_a_silent_owner_leaves_the_field_to_whoever_speaks() -> None:
    found = together(coupa={}, sap={"accounts": (BankAccount("DE89370400440532013000"),), "endpoint": "0088:4012"})
    assert (found.bank_source, found.value.endpoint) == ("sap", "0088:4012")
    assert found.drifts == ()


def test_a_block_of_one_system_is_not_outvoted() -> None:
    found = together(coupa={"status": "active"}, sap={"status": "blocked"})
    assert found.value.status == "blocked"
    assert [each.field for each in found.drifts] == ["status"]


def test_writing_and_codes_of_a_system_are_no_difference() -> None:
    found = together(
        coupa={"name": "KRANZ  gmbh", "tax_id": "de 812.345.673", "payment_terms": "N30"},
        sap={
            "name": "Kranz GmbH",
            "tax_id": "DE812345673",
            "payment_terms": "0001",
            "address": Address(country="DE", city="Köln"),
        },
    )
    assert found.drifts == ()


def test_different_accounts_are_said_by_country_and_last_four() -> None:
    one, other = "DE89370400440532013000", "DE02120300000000202051"
    found = together(coupa={"accounts": (BankAccount(one),)}, sap={"accounts": (BankAccount(other),)})
    finding = drift_finding(found.drifts)
    assert finding is not None
    assert one not in finding.words
    assert other not in finding.words
    assert masked(one) in finding.words
