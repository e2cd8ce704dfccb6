"""The load of the benchmark: repeatable, mostly clean, and decided the same by both paths."""

from collections import Counter
from datetime import date

import pytest

from tripartite.core.matching.engine import evaluate
from tripartite.core.matching.fast import FastTrace
from tripartite.core.matching.policy import MatchPolicy, PriceBounds
from tripartite.rehearsal.matchload import bench_core, load_policy, make_books, make_evidence

AS_OF = date(2026, 4, 1)


@pytest.mark.parametrize("seed", range(8))
def test_both_paths_decide_a_troubled_month_alike(seed: int) -> None:
    quick = evaluate(make_books(60, 4, seed, trouble=0.5), policy_of=load_policy, as_of=AS_OF)
    full = evaluate(make_books(60, 4, seed, trouble=0.5), policy_of=load_policy, as_of=AS_OF, fast=False)
    assert [one.stated() for one in quick] == [one.stated() for one in full]
    assert [one.pairs for one in quick] == [one.pairs for one in full]
    assert [one.allocations for one in quick] == [one.allocations for one in full]
    assert [one.inputs_digest for one in quick] == [one.inputs_digest for one in full]
    assert sum(isinstance(one.trace, FastTrace) for one in quick) > 20


def test_prices_within_bounds_are_posted_by_both_paths() -> None:
    def policy_of(_bill: object) -> MatchPolicy:
        return MatchPolicy(
            combination="lenient",
            price=PriceBounds(upper_percent="8", upper_absolute="0.10", line_upper_absolute="40.00"),
        )

    quick = evaluate(make_books(80, 3, 99, trouble=0.9), policy_of=policy_of, as_of=AS_OF)
    full = evaluate(make_books(80, 3, 99, trouble=0.9), policy_of=policy_of, as_of=AS_OF, fast=False)
    assert [one.stated() for one in quick] == [one.stated() for one in full]


def test_the_same_seed_makes_the_same_month() -> None:
    assert make_evidence(30, 3, 5) == make_evidence(30, 3, 5)
    assert make_evidence(30, 3, 5) != make_evidence(30, 3, 6)


def test_most_invoices_of_a_load_are_touchless() -> None:
    results = evaluate(make_books(400, 5, 1), policy_of=load_policy, as_of=AS_OF)
    verdicts = Counter(one.verdict for one in results)
    assert verdicts["post"] > 340
    assert verdicts["hold"] > 5


def test_the_measurement_says_what_it_measured() -> None:
    figures = bench_core(0.01, invoices=40, lines=3)
    assert figures["sample_agrees"] is True
    assert figures["lines_per_second"] > 0
    assert len(figures["runs"]) >= 3
