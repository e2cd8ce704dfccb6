"""The plan of a story: pure, the same for the same seed, with the shares it promises."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
import stdnum.eu.vat
import stdnum.iban

from tripartite.connectors.documents import read_any
from tripartite.rehearsal.due import due
from tripartite.rehearsal.einvoice import ubl
from tripartite.rehearsal.kinds import KINDS
from tripartite.rehearsal.scenario import plan
from tripartite.runtime.protocol import Raw, ReadResult

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize("count", [1, 20, 200, 2000])
def test_the_same_seed_tells_the_same_story(count: int) -> None:
    assert plan(3, count, TODAY) == plan(3, count, TODAY)
    assert plan(3, count, TODAY).documents != plan(4, count, TODAY).documents
    assert len(plan(3, count, TODAY).documents) == count


def test_the_shares_are_kept_to_the_document() -> None:
    found = Counter(document.trouble for document in plan(1, 1000, TODAY).documents)
    assert found == {name: kind.share for name, kind in KINDS.items()}


def test_no_two_honest_invoices_share_a_number_or_a_supplier_and_total() -> None:
    honest = [
        each for each in plan(9, 2000, TODAY).documents if not each.original and each.trouble not in ("twin", "repeat")
    ]
    assert len({each.number for each in honest}) == len(honest)
    twice = Counter((each.supplier.number, each.gross) for each in honest)
    assert max(twice.values()) == 1


def test_the_stories_e_invoices_are_documents_that_anybody_could_read() -> None:
    for each in plan(2, 200, TODAY).documents:
        result = read_any(Raw(ubl(each), "application/xml"))
        assert isinstance(result, ReadResult), (each.number, result)
        assert result.value.number == each.number
        assert result.value.gross == each.gross  # type: ignore[union-attr]


def test_what_a_story_pays_is_what_it_posts_less_credits_and_closed_accounts() -> None:
    story = plan(4, 600, TODAY)
    owed = due(story)
    said = {each.index: owed.of(each) for each in story.documents}
    by_account: dict[str, Decimal] = {}
    for each in story.documents:
        if said[each.index] == "paid":
            sign = -1 if each.original else 1
            by_account[each.supplier.account] = by_account.get(each.supplier.account, Decimal(0)) + sign * each.gross
    assert owed.by_account == by_account
    never = {"sent_back", "suspended", "twin", "repeat", "other_supplier", "no_order", "unreadable", "price"}
    assert {said[each.index] for each in story.documents if each.trouble in never} == {"none"}
    for each in story.documents:
        if each.trouble in ("clean", "credit", "late_order", "service"):
            assert said[each.index] == ("refused" if each.supplier.fate == "refused" else "paid")
        elif each.trouble == "credit_after_payment":
            assert said[each.index] == ("paid" if each.supplier.fate == "returned" else "none")
    assert {each.supplier.fate for each in story.documents} == {"paid", "refused", "returned"}


def test_the_accounts_and_tax_numbers_of_a_story_check() -> None:
    for each in plan(5, 600, TODAY).suppliers:
        assert stdnum.iban.is_valid(each.account), each.account
        assert stdnum.eu.vat.is_valid(each.vat_id), each.vat_id
