"""The catalogue of reasons: whole, in agreement with the reference, and documented."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from tripartite.core.exceptions import reason, reasons, refusal, refusals
from tripartite.core.exceptions.reasons import OWNER_NAMES, Owner, as_markdown, worst
from tripartite.core.exceptions.terms import FACTS

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def reference() -> dict[str, list[dict[str, object]]]:
    samples = os.environ.get("TRIPARTITE_SAMPLES")
    if not samples:
        pytest.skip("TRIPARTITE_SAMPLES is not set")
    return tomllib.loads((Path(samples).parent / "reference/reason-codes.toml").read_text("utf-8"))


@pytest.mark.samples
def test_every_reason_says_what_the_reference_says(reference: dict[str, list[dict[str, object]]]) -> None:
    assert [entry["code"] for entry in reference["reason"]] == list(reasons())
    for wanted in reference["reason"]:
        ours = reason(str(wanted["code"]))
        assert {
            "catalogue": ours.short,
            "severity": ours.severity,
            "owner": ours.owner,
            "also": list(ours.also),
            "sla_hours": ours.sla_hours,
            "auto_recheck": ours.auto_recheck,
            "recheck_on": list(ours.recheck_on),
            "blocks": ours.blocks,
            "release": ours.release,
        } == {"also": [], "recheck_on": []} | {
            k: v for k, v in wanted.items() if k not in ("code", "meaning", "response")
        }


@pytest.mark.samples
def test_every_refusal_says_what_the_reference_says(reference: dict[str, list[dict[str, object]]]) -> None:
    assert [entry["code"] for entry in reference["refusal"]] == list(refusals())
    for wanted in reference["refusal"]:
        ours = refusal(str(wanted["code"]))
        assert (ours.status, ours.disposition) == (wanted.get("status", "none"), wanted.get("disposition", "none"))


def test_what_is_settled_by_a_fact_names_the_facts_and_nothing_else_does() -> None:
    for entry in reasons().values():
        assert bool(entry.recheck_on) == (entry.settles == "by_fact"), entry.code


def test_every_fact_that_wakes_something_has_words_for_people() -> None:
    assert {fact for entry in reasons().values() for fact in entry.recheck_on} <= set(FACTS)


def test_short_codes_are_one_to_one() -> None:
    assert len({entry.short for entry in reasons().values()}) == len(reasons())


def test_what_may_let_money_leave_wrongly_never_blocks_nothing_but_a_count() -> None:
    silent = [e.code for e in reasons().values() if e.severity == "critical" and e.blocks == "nothing"]
    assert silent == ["integration.gap_found"], "a gap concerns no single document"


def test_every_owner_has_a_name() -> None:
    assert set(OWNER_NAMES) == set(Owner.__args__)  # type: ignore[attr-defined]


def test_an_unknown_code_is_our_bug() -> None:
    with pytest.raises(AssertionError, match="not in the catalogue"):
        reason("match.no_such_thing")


def test_the_worst_of_some_severities() -> None:
    assert worst(("low", "critical", "high")) == "critical"
    assert worst(()) == "low"


def test_the_page_of_reason_codes_is_current() -> None:
    assert (DOCS / "reason-codes.md").read_text("utf-8") == as_markdown()
