"""Invoices of suppliers that nobody has on file: one number of two strangers is two debts, of one it is one."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.engine import evaluate
from tripartite.core.matching.evidence import book_from_objects
from tripartite.core.matching.policy import MatchPolicy
from tripartite.core.money import Amount
from tripartite.core.objects import Identifier, Invoice, InvoiceLine, Party

DAY = date(2026, 6, 1)


def bill(party: Party | None) -> Invoice:
    return Invoice(
        "1234567",
        "invoice",
        "EUR",
        DAY,
        company_code="DE01",
        supplier=party,
        net=Amount("100.00"),
        gross=Amount("100.00"),
        lines=(InvoiceLine(1, amount=Amount("100.00")),),
    )


def duplicates(*parties: Party | None) -> list[bool]:
    """Whether each of these bills, of one number and sum, is found to be a duplicate of an earlier one."""
    arrived = [Arrived(f"inv_{place}", bill(party), DAY, place) for place, party in enumerate(parties, 1)]
    book = book_from_objects((), (), arrived, suppliers=[])
    results = evaluate(book, policy_of=lambda _: MatchPolicy(), as_of=DAY)
    return [any(found.code.startswith("duplicate.") for found in result.findings) for result in results]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Party("Bolt GmbH", tax_id="DE111111111"), Party("Bolt GmbH", tax_id="DE222222222")),
        (Party("", endpoint=Identifier("a@bolt.example", "EM")), Party("", endpoint=Identifier("b@nut.example", "EM"))),
        (Party("Bolt GmbH"), Party("Nut AB")),
        (Party("Bolt GmbH"), None),
    ],
)
def test_one_number_of_two_strangers_is_two_debts(one: Party | None, other: Party | None) -> None:
    assert duplicates(one, other) == [False, False]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Party("Bolt GmbH", tax_id="DE111111111"), Party("BOLT Gesellschaft mbH", tax_id="DE 111 111 111")),
        (Party("Bolt  GmbH"), Party("bolt gmbh")),
        (None, None),
    ],
)
def test_a_stranger_who_bills_twice_is_found_out(one: Party | None, other: Party | None) -> None:
    assert duplicates(one, other) == [False, True]


def test_a_stranger_is_never_taken_for_somebody_on_file() -> None:
    """The mark of a stranger cannot equal an id of the master."""
    known = msgspec.structs.replace(bill(None), supplier_id="DE111111111")
    arrived = [
        Arrived("inv_1", known, DAY, 1),
        Arrived("inv_2", bill(Party("Bolt GmbH", tax_id="DE111111111")), DAY, 2),
    ]
    book = book_from_objects((), (), arrived, suppliers=[])
    results = evaluate(book, policy_of=lambda _: MatchPolicy(), as_of=DAY)
    assert not any(found.code.startswith("duplicate.") for result in results for found in result.findings)
