"""Decisions: what follows from a match under a policy, and the rows that spoke."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tripartite
from core.estate_samples import TEXT, estate, one_route
from tripartite.core.codec import encode
from tripartite.core.exceptions import reason, reasons
from tripartite.core.findings import Finding
from tripartite.core.money import Amount
from tripartite.core.policy import (
    Approval,
    AskApproval,
    Case,
    Decision,
    Hold,
    Pack,
    Post,
    Refuse,
    decide,
    load_pack,
)

FOLDER = Path(tripartite.__file__).parent / "policy_packs/baseline"
FILES = {file.name: file.read_text("utf-8") for file in FOLDER.glob("*.toml")}
ESTATE = estate()
AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PRICE = Finding("match.price_over_limit", 1, Amount("16.00"))
NOT_RECEIVED = Finding("match.not_received", 1, Amount("100.00"))


class Result(msgspec.Struct, frozen=True):
    """A match's result as far as a decision asks."""

    verdict: str
    findings: tuple[Finding, ...] = ()
    payable_now: Amount = Amount("0.00")


CLEAN = Result("post", payable_now=Amount("1190.00"))


def pack() -> Pack:
    read = load_pack(FILES)
    assert isinstance(read, Pack)
    return read


PACK = pack()
SECOND = (pack(), estate())  # read again: equal, and not the same objects


def case(**changes: Any) -> Case:
    known: dict[str, Any] = {
        "company": "DE01",
        "supplier": "sup_1",
        "currency": "EUR",
        "gross": Amount("1190.00"),
        "on": date(2026, 11, 24),
        "content_hash": "c1",
    }
    return Case(**known | changes)


def decided(result: Result, **changes: Any) -> Decision:
    return decide(result, PACK, case(**changes), AT, estate=ESTATE)


def test_a_clean_invoice_is_posted_in_the_erp_of_its_company_with_the_rows_that_spoke() -> None:
    decision = decided(CLEAN)
    assert isinstance(decision, Post)
    assert (decision.connection, decision.amount, decision.payment_block) == ("sap", Amount("1190.00"), ())
    assert decision.trace.rows[:2] == ("price/eur", "quantity/everything")
    assert decision.trace.rows[-2:] == ("route:DE01/*/2026-01-01->sap", "approval/order")
    assert (decision.trace.policy, decision.trace.estate, decision.trace.at) == (PACK.hash, ESTATE.digest, AT)


def test_a_price_over_the_limit_is_held_and_says_what_it_waits_for() -> None:
    decision = decided(Result("hold", (PRICE,)))
    assert isinstance(decision, Hold)
    assert (decision.parked, decision.waits_for, decision.release_now) == (False, ("order_changed",), Amount("0.00"))
    assert "sla/match-area" in decision.trace.rows


def test_what_only_waits_for_its_receipt_is_parked_and_nobody_is_asked() -> None:
    decision = decided(Result("park", (NOT_RECEIVED,)))
    assert isinstance(decision, Hold)
    assert (decision.parked, decision.waits_for) == (True, ("receipt_posted", "receipt_requeried"))


def test_the_proven_part_that_policy_lets_go_is_named() -> None:
    decision = decided(Result("hold", (PRICE,), Amount("900.00")))
    assert isinstance(decision, Hold)
    assert decision.release_now == Amount("900.00")


def test_nothing_is_let_go_in_part_when_the_whole_document_is_in_doubt() -> None:
    unknown = Finding("supplier.unknown")
    decision = decided(Result("hold", (PRICE,), Amount("900.00")), findings=(unknown,))
    assert isinstance(decision, Hold)
    assert (decision.release_now, decision.findings) == (Amount("0"), (PRICE, unknown))


def test_a_doubt_about_payment_is_posted_with_a_payment_block() -> None:
    decision = decided(
        Result("hold", (Finding("control.sample"), Finding("match.price_over_contract", 1, Amount("5"))))
    )
    assert isinstance(decision, Post)
    assert decision.payment_block == ("control.sample", "match.price_over_contract")
    assert decision.amount == Amount("1190.00")


def test_a_price_that_is_too_low_is_posted_and_stays_a_question() -> None:
    decision = decided(Result("hold", (Finding("match.price_under_limit", 1, Amount("-5")),)))
    assert isinstance(decision, Post)
    assert (decision.payment_block, decision.findings[0].code) == ((), "match.price_under_limit")


def test_a_released_hold_is_posted_whole() -> None:
    decision = decided(Result("hold", (PRICE,)), released=frozenset([(1, PRICE.code)]))
    assert isinstance(decision, Post)
    assert decision.amount == Amount("1190.00")


def test_a_release_of_one_line_does_not_lift_another() -> None:
    other = Finding("match.price_over_limit", 2, Amount("3.00"))
    assert isinstance(decided(Result("hold", (PRICE, other)), released=frozenset([(1, PRICE.code)])), Hold)


@pytest.mark.parametrize("code", ["duplicate.exact", "duplicate.self_billed", "match.arithmetic"])
def test_what_goes_back_to_the_supplier_is_refused_with_its_codes(code: str) -> None:
    decision = decided(Result("reject", (Finding(code), PRICE)))
    assert isinstance(decision, Refuse)
    assert decision.codes == (code,)


def test_a_mapping_that_is_missing_holds_a_document_that_would_match() -> None:
    decision = decided(CLEAN, findings=(Finding("integration.mapping_missing", breach="unit:Stk"),))
    assert isinstance(decision, Hold)
    assert decision.waits_for == ("mapping_changed",)


def test_no_document_is_posted_where_no_erp_is_routed_for_it() -> None:
    for changes in ({"company": ""}, {"company": "DE01", "on": date(2025, 12, 31)}):
        decision = decided(CLEAN, **changes)
        assert isinstance(decision, Hold)
        assert (decision.connection, decision.findings[-1].rule) == ("", "I35")


def test_after_the_cutover_the_new_erp_books_it() -> None:
    waves = one_route("AT04", "acme", until="2027-01-01") + "\n" + one_route("AT04", "sap", since="2027-01-01")
    text = TEXT.replace(one_route("AT04", "acme"), waves).replace('companies = ["DE01", "PL02"]', 'companies = ["*"]')
    moved = estate(text)
    for on, erp in ((date(2026, 12, 31), "acme"), (date(2027, 1, 1), "sap")):
        decision = decide(CLEAN, PACK, case(company="AT04", on=on), AT, estate=moved)
        assert isinstance(decision, Post)
        assert decision.connection == erp


# Approval -------------------------------------------------------------------------------------------------------


def approved(*people: str, role: str = "approver", content: str = "c1") -> tuple[Approval, ...]:
    return tuple(Approval(person, role, content) for person in people)


LARGE = {"has_order": False, "gross": Amount("20000.00")}


# Each row: the approvals that were given, how many are missing, the code of the finding ("" where it may go).
APPROVALS: list[tuple[tuple[Approval, ...], int, str]] = [
    ((), 2, "approval.missing"),
    (approved("Ann"), 1, "approval.missing"),
    (approved("Ann", "Ann"), 1, "approval.missing"),
    (approved("Ann", "Ben"), 0, ""),
    (approved("Ann", "Ben", role="buyer"), 2, "approval.missing"),
    (approved("Ann", "Ben", content="c0"), 2, "approval.outdated"),
]


@pytest.mark.parametrize(("given_", "missing", "code"), APPROVALS)
def test_a_large_invoice_without_order_needs_two_people_for_this_very_content(
    given_: tuple[Approval, ...], missing: int, code: str
) -> None:
    decision = decided(CLEAN, approvals=given_, **LARGE)
    if not missing:
        assert isinstance(decision, Post)
        return
    assert isinstance(decision, AskApproval)
    assert (decision.role, decision.missing, decision.findings[-1].code) == ("approver", missing, code)
    assert "approval/no-order-eur-large" in decision.trace.rows


def test_approval_is_not_asked_for_what_is_held_anyway() -> None:
    assert isinstance(decided(Result("hold", (PRICE,)), **LARGE), Hold)


def test_where_nobody_said_who_approves_control_is_asked() -> None:
    text = FILES["decisions.toml"]
    start, end = text.index("[[approval]]"), text.index("# Up to which sum")
    bare = load_pack(FILES | {"decisions.toml": text[:start] + text[end:]})
    assert isinstance(bare, Pack)
    decision = decide(CLEAN, bare, case(), AT, estate=ESTATE)
    assert isinstance(decision, AskApproval)
    assert (decision.role, decision.trace.rows[-1]) == ("control", "approval/none")


# Properties -----------------------------------------------------------------------------------------------------

_CODES = st.lists(st.sampled_from(list(reasons())), max_size=4, unique=True)


@given(_CODES, st.sampled_from(["post", "park", "hold", "reject"]))
def test_whatever_is_found_nothing_that_blocks_posting_is_ever_posted(codes: list[str], verdict: str) -> None:
    findings = tuple(Finding(code) for code in codes)
    decision = decided(Result(verdict, findings, Amount("1190.00")))
    if isinstance(decision, Post):
        assert not [code for code in codes if reason(code).blocks == "posting"]
        assert set(decision.payment_block) == {code for code in codes if reason(code).blocks == "payment"}
    if isinstance(decision, Refuse):
        assert set(decision.codes) <= set(codes)
    assert {entry.code for entry in decision.findings} >= set(codes), "no finding is lost on the way"


@given(_CODES)
def test_the_same_case_gives_the_same_bytes(codes: list[str]) -> None:
    result = Result("hold", tuple(Finding(code) for code in codes))
    one, other = (encode(decide(result, p, case(), AT, estate=e)) for p, e in ((PACK, ESTATE), SECOND))
    assert one == other
