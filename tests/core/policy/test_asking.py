"""A change of policy that turns no answer changes nothing: proved on nasty small worlds and on a realistic load."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.matching.test_cases import OWN, public_cases
from core.matching.test_properties import worlds
from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.casefile import Case
from tripartite.core.matching.document import sampled
from tripartite.core.matching.engine import evaluate
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.policy import MatchPolicy, limits_of, policy_from_table
from tripartite.core.matching.result import MatchResult
from tripartite.core.policy.asking import ask, groups_of
from tripartite.core.policy.change import NUMBERS, UNNOTED, WORDS, Asked, change_between, may_differ
from tripartite.rehearsal.matchload import make_books

BOUND = st.sampled_from(["exact", "ignore", "0", "0.01", "0.5", "1", "2", "3", "5", "10", "19", "30", "100", "5000"])
_KINDS: dict[str, Any] = {
    "receipt_grace_days": st.sampled_from(["exact", "0", "5", "ignore"]),
    "partial_release": st.sampled_from(["no", "lines", "proven"]),
    "order_required": st.sampled_from(["yes", "no"]),
    "order_tax_codes": st.sampled_from(["compare", "if_stated"]),
    "duplicate/scope": st.sampled_from([["company"], ["year"], ["company", "year"], []]),
    "duplicate/window_days": st.sampled_from(["0", "3", "90", "ignore"]),
    "early/value_days": st.sampled_from(["ignore", "100"]),
    "combination": st.sampled_from(["strict", "strict", "strict", "lenient"]),
    "sample/one_in": st.sampled_from(["ignore", "ignore", "3"]),
}
KEYS = [*NUMBERS.values(), *(key for keys in WORDS.values() for key in keys), *UNNOTED, "combination", "sample/one_in"]


def _with(policy: MatchPolicy, key: str, value: Any) -> MatchPolicy:
    table = msgspec.to_builtins(policy)
    at = table
    *path, last = key.split("/")
    for name in path:
        at = at[name]
    at[last] = value
    return policy_from_table(table)


@st.composite
def policies(draw: st.DrawFn) -> MatchPolicy:
    """Any policy; each key is drawn, so that every kind of bound meets every other."""
    policy = MatchPolicy()
    for key in dict.fromkeys(KEYS):
        policy = _with(policy, key, draw(_KINDS.get(key, BOUND)))
    return policy


@st.composite
def near(draw: st.DrawFn, policy: MatchPolicy) -> MatchPolicy:
    """The same policy with one to three keys changed, as a reviewer would change it."""
    for key in draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3)):
        policy = _with(policy, key, draw(_KINDS.get(key, BOUND)))
    return policy


def said(result: MatchResult) -> tuple[object, ...]:
    """What was decided, without the words that name the limits."""
    reasons = [(one.code, one.line, one.variance, one.breach) for one in result.findings]
    return (result.verdict, result.payable_minor, result.at_risk_minor, result.replaced, reasons)


def concerned(book: Book, asked: dict[str, Asked], one: MatchPolicy, other: MatchPolicy) -> set[str]:
    """The invoices that a change may concern: with those whose answers may turn, all that are judged with them."""
    change = change_between(one, other)
    turned = {
        asked[bill.id].group
        for bill in book.bills
        if may_differ(asked[bill.id], change)
        or (change.sample and sampled(bill, limits_of(one)) != sampled(bill, limits_of(other)))
    }
    return {name for name, entry in asked.items() if entry.group in turned}


def book_of(case: Case) -> Book:
    return Book(
        {order.number: order for _, order in case.orders}.values(),
        [receipt for _, receipt in case.receipts],
        [
            Arrived(name, invoice, arrived, place)
            for place, (name, invoice, arrived) in enumerate({one[0]: one for one in case.invoices}.values())
        ],
        suppliers=case.suppliers,
        companies=case.companies,
        taxes=case.taxes,
        conversions=case.conversions,
        exchange=case.exchange,
        contracts=case.contracts,
    )


def prove(case: Case, one: MatchPolicy, other: MatchPolicy) -> int:
    """Asking changes no result, and what is not concerned comes out the same. How many are concerned."""
    results, asked = ask(book_of(case), lambda _: one, case.as_of)
    before = {each.invoice_id: each for each in evaluate(book_of(case), policy_of=lambda _: one, as_of=case.as_of)}
    assert {each.invoice_id: said(each) for each in results} == {name: said(each) for name, each in before.items()}
    after = {each.invoice_id: each for each in evaluate(book_of(case), policy_of=lambda _: other, as_of=case.as_of)}
    changed = concerned(book_of(case), asked, one, other)
    for name, result in before.items():
        if name not in changed:
            assert said(result) == said(after[name]), name
    return len(changed)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds(), st.data())
def test_what_a_change_does_not_concern_comes_out_the_same(world: dict[str, Any], data: st.DataObject) -> None:
    one = data.draw(policies())
    prove(Case(world), one, data.draw(near(one)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds(), policies(), policies())
def test_any_two_policies_are_compared_rightly(world: dict[str, Any], one: MatchPolicy, other: MatchPolicy) -> None:
    prove(Case(world), one, other)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_every_rule_is_compared_rightly(path: Path) -> None:
    """Our own cases: each rule of matching with each bound loosened and tightened."""
    case = Case(tomllib.loads(path.read_text(encoding="utf-8")))
    for key in NUMBERS.values():
        for word in ("exact", "1", "ignore"):
            prove(case, case.policy, _with(case.policy, key, word))


@pytest.mark.samples
def test_the_public_benchmark_is_compared_rightly() -> None:
    if not public_cases():
        pytest.skip("TRIPARTITE_SAMPLES is not set")
    for path in public_cases():
        case = Case(tomllib.loads(path.read_text(encoding="utf-8")))
        for key in NUMBERS.values():
            prove(case, case.policy, _with(case.policy, key, "1"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.data())
def test_a_group_alone_is_decided_as_among_all_others(seed: int, data: st.DataObject) -> None:
    """What the back-test reads again of an invoice is its group, never the whole history."""
    policy = data.draw(policies())
    book = make_books(40, 3, seed, trouble=0.6)
    groups = groups_of(book)
    as_of = date(2026, 4, 1)
    whole = {one.invoice_id: one for one in evaluate(book, policy_of=lambda _: policy, as_of=as_of)}
    for group in sorted(set(groups.values()))[:8]:
        mine = {bill.id for bill in book.bills if groups[bill.id] == group}
        again = make_books(40, 3, seed, trouble=0.6)
        again.bills = [bill for bill in again.bills if bill.id in mine]
        for one in evaluate(again, policy_of=lambda _: policy, as_of=as_of):
            assert one.stated() == whole[one.invoice_id].stated()


def test_few_invoices_are_concerned_by_a_small_change() -> None:
    """The point of asking: a percentage that moves from 2 to 4 concerns what lies between, and nobody else."""
    book = make_books(600, 5, 3, trouble=0.3)
    policy = policy_from_table({"price": {"upper_percent": "2", "lower_percent": "10"}})
    other = policy_from_table({"price": {"upper_percent": "4", "lower_percent": "10"}})
    as_of = date(2026, 3, 2) + timedelta(days=30)
    results, asked = ask(book, lambda _: policy, as_of)
    turned = concerned(book, asked, policy, other)
    assert 0 < len(turned) < len(results) / 20


def test_a_bound_that_is_compared_in_a_way_nobody_noted_is_our_bug() -> None:
    from tripartite.core.policy.asking import _Noted

    limit = _Noted.of("price/upper_percent", "2", {})
    with pytest.raises(AssertionError):
        _ = limit > 3
