"""Cases an AP lead can read and extend: `cases/*.toml`, and the public benchmark where it is at hand."""

import os
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from tripartite.core.matching.casefile import Case
from tripartite.core.matching.result import MatchResult

OWN = sorted((Path(__file__).parent / "cases").glob("*.toml"))
MUST_HAVE = range(1, 44)


def public_cases() -> list[Path]:
    named = os.environ.get("TRIPARTITE_MATCHBENCH")
    samples = os.environ.get("TRIPARTITE_SAMPLES")
    root = Path(named) if named else Path(samples).parent / "matchbench" if samples else None
    return sorted(root.rglob("cases/*.toml")) if root is not None else []


def said(result: MatchResult) -> tuple[str, dict[tuple[str, int], Decimal | None], Decimal, Decimal]:
    reasons: dict[tuple[str, int], Decimal | None] = {(one.code, one.line): one.variance for one in result.findings}
    return result.verdict, reasons, result.payable_now.decimal(), result.money_at_risk.decimal()


def check(path: Path, *, fast: bool) -> None:
    case = Case(tomllib.loads(path.read_text(encoding="utf-8")))
    assert case.id == path.stem
    assert case.expectations
    results = case.play(fast=fast)
    for expected in case.expectations:
        wanted = (expected.verdict, expected.reasons, expected.payable_now, expected.money_at_risk)
        assert said(results[expected.invoice]) == wanted, expected.invoice


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_our_case_is_decided_as_written(path: Path) -> None:
    check(path, fast=True)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_our_case_is_decided_the_same_without_the_fast_path(path: Path) -> None:
    check(path, fast=False)


def test_each_rule_we_promise_has_a_case() -> None:
    rules = {tomllib.loads(path.read_text(encoding="utf-8"))["rule"] for path in OWN}
    assert {f"S{number}" for number in MUST_HAVE} <= rules


@pytest.mark.samples
def test_the_public_benchmark_is_decided_as_written() -> None:
    if not (os.environ.get("TRIPARTITE_SAMPLES") or os.environ.get("TRIPARTITE_MATCHBENCH")):
        pytest.skip("TRIPARTITE_SAMPLES is not set")
    paths = public_cases()
    assert len(paths) >= 150
    for path in paths:
        check(path, fast=True)
        check(path, fast=False)
